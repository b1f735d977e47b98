"""Types plain English at nlapi against real servers and looks at the effect with another client; prints figures."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from subprocess import SubprocessError
from types import FrameType
from typing import NoReturn

from benchmarks.servers import run
from benchmarks.servers.alertmanager import Alertmanager
from benchmarks.servers.chroma import Chroma
from benchmarks.servers.client import StatusError
from benchmarks.servers.httpbin import Httpbin
from benchmarks.servers.litellm import LiteLLM
from benchmarks.servers.podman import Podman
from benchmarks.servers.powerdns import PowerDNS
from benchmarks.servers.prefect import Prefect
from benchmarks.servers.processes import NotStartedError
from benchmarks.servers.report import Outcome, line, tables
from benchmarks.servers.sentences import SENTENCES, Sentence, load
from benchmarks.servers.server import SPECS, Server
from benchmarks.servers.unseen import UNSEEN
from benchmarks.servers.verdict import Verdict

SERVERS: tuple[type[Server], ...] = (Alertmanager, PowerDNS, Podman, Prefect, Chroma, Httpbin, LiteLLM)


def main() -> int:
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    sentences = load(options.sentences / "unseen" if options.unseen else options.sentences)
    servers = UNSEEN if options.unseen else SERVERS
    chosen = [server for server in servers if server.name in (options.server or sentences.keys())]
    home = Path(tempfile.mkdtemp(prefix="nlapi-servers-"))
    running: list[Server] = []
    try:
        _run_all(chosen, sentences, home, options, running)
        if options.keep:
            _wait(running)
    except KeyboardInterrupt:
        print("interrupted: the servers are stopped", file=sys.stderr)
    finally:
        for server in running:
            server.stop()
        shutil.rmtree(home, ignore_errors=True)
    return 0


def _run_all(
    chosen: Sequence[type[Server]],
    sentences: Mapping[str, Sequence[Sentence]],
    home: Path,
    options: argparse.Namespace,
    running: list[Server],
) -> None:
    """Run one server after the other, and print the figures, also of a run that is interrupted."""
    outcomes: list[Outcome] = []
    begin = time.monotonic()
    try:
        for server_type in chosen:
            its_own = [
                sentence
                for sentence in sentences.get(server_type.name, ())
                if (options.only or "") in sentence.text and (sentence.requests or not options.check)
            ]
            if its_own or options.keep:
                running.append(server_type(home / server_type.name))
                _run(running[-1], its_own, home, options, outcomes)
                if not options.keep:
                    running[-1].stop()
                    running.pop()
    finally:
        _print(outcomes, time.monotonic() - begin, options.show)


def _options() -> argparse.Namespace:
    names = [server.name for server in (*SERVERS, *UNSEEN)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    parser.add_argument("--server", action="append", choices=names, help="this server alone; may be repeated")
    parser.add_argument("--unseen", action="store_true", help="the servers that nothing was written against")
    parser.add_argument("--only", metavar="TEXT", help="the sentences that contain this text")
    parser.add_argument("--show", action="store_true", help="a line for each sentence that is not right, and its plan")
    parser.add_argument("--verbose", action="store_true", help="all that is printed for each sentence")
    parser.add_argument("--check", action="store_true", help="make each change by its requests, without nlapi")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a value that nlapi is given")
    parser.add_argument("--keep", action="store_true", help="then print the addresses, and serve on until Ctrl-C")
    parser.add_argument("--sentences", type=Path, default=SENTENCES, metavar="FOLDER", help="other files of sentences")
    return parser.parse_args()


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _run(
    server: Server, sentences: Sequence[Sentence], home: Path, options: argparse.Namespace, outcomes: list[Outcome]
) -> None:
    """Start a server and ask the sentences; name it with the reason where that is impossible."""
    is_absent = server.description and server.description_file() is None
    reason = f"{SPECS}/{server.description} is not beside the checkout" if is_absent else server.install()
    if reason:
        print(f"left out: {server.name}, as {reason}", flush=True)
        return
    try:
        server.start()
        description = server.description_file()
        assert description is not None
        print(f"{server.name}: {server.base_url}", flush=True)
        if options.check:
            done = run.checks(server, sentences)
        else:
            done = run.outcomes(server, sentences, description, home, options.set)
        for outcome in done:
            outcomes.append(outcome)
            print(f"  {outcome.judgement.verdict:12} {outcome.sentence.text}", flush=True)
            if options.verbose:
                print(f"{outcome.reply.messages}{outcome.reply.printed}\n{line(outcome)}\n", flush=True)
    except (NotStartedError, StatusError, HTTPException, SubprocessError, OSError) as error:
        asked = sum(outcome.sentence.server == server.name for outcome in outcomes)
        print(f"left out: {server.name} after {asked} sentences, as {error}", flush=True)


def _print(outcomes: Sequence[Outcome], seconds: float, show: bool) -> None:
    print(f"\n{tables(outcomes)}\n\n{seconds:.0f} s", flush=True)
    if show:
        wrong = [outcome for outcome in outcomes if outcome.judgement.verdict is not Verdict.RIGHT]
        print("\n" + "\n".join(map(line, wrong)), flush=True)


def _wait(running: Sequence[Server]) -> None:
    """Print where the servers are, and wait for Ctrl-C."""
    for server in running:
        if server.process is not None:
            # The credentials are made up for this run.
            secrets = "".join(f" --auth {scheme}={secret}" for scheme, secret in server.credentials.items())
            options = f"-a {server.description_file()} --base-url {server.base_url}{secrets}"
            print(f"{server.name} (process {server.process.pid}): {options}")
    print("Ctrl-C ends them", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
