"""Types plain English at nlapi against real servers and looks at the effect with another client; prints figures."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks.descriptions import shared
from benchmarks.servers.alertmanager import Alertmanager
from benchmarks.servers.chroma import Chroma
from benchmarks.servers.client import StatusError
from benchmarks.servers.command import ask
from benchmarks.servers.httpbin import Httpbin
from benchmarks.servers.litellm import LiteLLM
from benchmarks.servers.podman import Podman
from benchmarks.servers.powerdns import PowerDNS
from benchmarks.servers.prefect import Prefect
from benchmarks.servers.processes import NotStartedError
from benchmarks.servers.report import Outcome, line, tables
from benchmarks.servers.sentences import SENTENCES, Sentence, load
from benchmarks.servers.server import Server
from benchmarks.servers.state import difference
from benchmarks.servers.verdict import Verdict, judge

SERVERS: tuple[type[Server], ...] = (Alertmanager, PowerDNS, Podman, Prefect, Chroma, Httpbin, LiteLLM)
SPECS = "data/specs/servers"


def main() -> int:
    names = [server.name for server in SERVERS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    parser.add_argument("--server", action="append", choices=names, help="this server alone; may be repeated")
    parser.add_argument("--only", metavar="TEXT", help="the sentences that contain this text")
    parser.add_argument("--show", action="store_true", help="a line for each sentence that is not right, and its plan")
    parser.add_argument("--verbose", action="store_true", help="all that is printed for each sentence")
    parser.add_argument("--keep", action="store_true", help="leave the servers running, and print their addresses")
    parser.add_argument("--sentences", type=Path, default=SENTENCES, metavar="FOLDER", help="other files of sentences")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    sentences = load(options.sentences)
    outcomes: list[Outcome] = []
    begin = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="nlapi-servers-"))
    try:
        for server_type in SERVERS:
            if options.server and server_type.name not in options.server:
                continue
            chosen = [one for one in sentences.get(server_type.name, ()) if (options.only or "") in one.text]
            if chosen or options.keep:
                outcomes += _run(server_type(home / server_type.name), chosen, home, options)
    except KeyboardInterrupt:
        print("interrupted: the figures are of what was done", file=sys.stderr)
    finally:
        if not options.keep:
            shutil.rmtree(home, ignore_errors=True)
    print(f"\n{tables(outcomes)}\n\n{time.monotonic() - begin:.0f} s")
    if options.show:
        wrong = [outcome for outcome in outcomes if outcome.judgement.verdict is not Verdict.RIGHT]
        print("\n" + "\n".join(map(line, wrong)))
    return 0


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _run(server: Server, sentences: Sequence[Sentence], home: Path, options: argparse.Namespace) -> list[Outcome]:
    """Start a server, ask the sentences and stop it; name it with the reason where that is impossible."""
    description = shared(f"{SPECS}/{server.description}")
    reason = f"{SPECS}/{server.description} is not beside the checkout" if description is None else server.install()
    if reason or description is None:
        print(f"left out: {server.name}, as {reason}", flush=True)
        return []
    outcomes: list[Outcome] = []
    try:
        server.start()
        print(f"{server.name}: {server.base_url}", flush=True)
        for sentence in sentences:
            outcome = _ask(server, sentence, description, home)
            outcomes.append(outcome)
            print(f"  {outcome.judgement.verdict:12} {sentence.text}", flush=True)
            if options.verbose:
                print(f"{outcome.reply.messages}{outcome.reply.printed}\n{line(outcome)}\n", flush=True)
    except (NotStartedError, StatusError, OSError) as error:
        print(f"left out: {server.name} after {len(outcomes)} sentences, as {error}", flush=True)
    finally:
        if options.keep and server.process is not None:
            secrets = "".join(f" {scheme}={secret}" for scheme, secret in server.credentials.items())
            print(f"{server.name} is left running: {server.base_url}{secrets}, process {server.process.pid}", flush=True)
        else:
            server.stop()
    return outcomes


def _ask(server: Server, sentence: Sentence, description: Path, home: Path) -> Outcome:
    """Ask one sentence in the seeded state, which is restored when the sentence changed it."""
    filled = sentence.filled(server.references)
    before = server.snapshot()
    reply = ask(filled.text, description, server.base_url, server.credentials, home)
    after = server.snapshot()
    judgement = judge(filled, reply, before, after)
    if difference(before, after):
        server.restore()
    return Outcome(sentence=filled, reply=reply, judgement=judgement)


if __name__ == "__main__":
    sys.exit(main())
