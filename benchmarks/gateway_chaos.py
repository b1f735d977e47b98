"""The gateway under clients, operators and kills at once: does every answer keep to the revision that it names?

    python -m benchmarks.gateway_chaos [--seed N] [--seconds S]

Three clients ask, two operators change things at random, and the process is killed (SIGKILL) every few seconds. At the
end each answer is decided again from the configuration of its revision. Exits with 1 when one differs, when a revision
is gone, when anything failed while the gateway ran, or when a change that was answered is lost.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any

from nlapi.gateway.control.codec import decode_configuration
from nlapi.routing.table import compile_table
from tests.gateway.kit import document, write_models

CODE = "from nlapi.cli.main import main; main()"
OBJECTIVE = "continue-watching"
PATIENCE = 30


@dataclass(slots=True)
class Run:
    """What happens in one run. `down` is set while nobody serves."""

    folder: Path
    port: int = 0
    admin: str = ""
    serve: str = ""
    stop: Event = field(default_factory=Event)
    down: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)
    answers: list[tuple[dict[str, str], int, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    revision: int = 0

    def start(self) -> subprocess.Popen[str]:
        """The gateway, once it listens; always on the port that it had first."""
        token = self.folder / "token"
        words = ["--config", str(self.folder / "configuration.json"), "--models", str(self.folder / "models")]
        words += ["--port", str(self.port)] + ([] if token.exists() else ["--token-file", str(token)])
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, "gateway", "serve", *words],
            env={**os.environ, "NLAPI_DATA_DIR": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=(self.folder / "errors").open("a"),
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("http"), (self.folder / "errors").read_text()[-2000:]
        self.port = int(line.strip().rpartition(":")[2])
        self.admin = token.read_text().strip()
        return process

    def ask(
        self, connection: http.client.HTTPConnection, token: str, method: str, path: str, body: Any = None
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}", **({} if body is None else {"Content-Type": "application/json"})}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def once(self, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            return self.ask(connection, token, method, path, body)
        finally:
            connection.close()

    def each(self, turn: Callable[[http.client.HTTPConnection], None]) -> None:
        """Turns on one connection until the end; a connection that breaks is a fault while the gateway runs."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while not self.stop.is_set():
            try:
                turn(connection)
            except (OSError, http.client.HTTPException) as error:
                if not self.down.is_set():
                    self.faults.append(repr(error))
                connection.close()
                self.stop.wait(0.02)
        connection.close()


def client(run: Run, random: Random) -> Callable[[http.client.HTTPConnection], None]:
    """Asks for the objective, as users of several kinds."""

    def turn(connection: http.client.HTTPConnection) -> None:
        context = {
            "user": f"u{random.randrange(300)}",
            "country": random.choice(["BR", "US", "DE"]),
            "device": random.choice(["tv", "phone"]),
        }
        body = {"input": {}, "context": context}
        status, answer = run.ask(connection, run.serve, "POST", f"/v1/objectives/{OBJECTIVE}/serve", body)
        if status != 200:
            run.faults.append(f"{status} {answer}")
            return
        decision = answer["decision"]
        run.answers.append((context, decision["revision"], decision["version"], answer["output"]["version"]))

    return turn


def change(random: Random, newest: int) -> tuple[str, str, Any]:
    """A change at random; many are refused, as what they are about is not there."""
    canary, rule, version = (f"{letter}{random.randrange(3)}" for letter in "crw")
    target = {"model": "ranker", "version": random.choice(["v7", "v8", "v9"])}
    split = [{"model": "ranker", "version": "v7", "percent": 70}, {"model": "ranker", "version": "v8", "percent": 30}]
    device, country = [random.choice(["tv", "phone"])], [random.choice(["BR", "US"])]
    begun = {"objective": OBJECTIVE, **target, "name": canary, "percent": random.randrange(1, 60)}
    made: list[tuple[str, str, Any]] = [
        ("POST", "/v1/canaries", {**begun, "when": {"country": country}}),
        ("POST", f"/v1/canaries/{canary}/ramp", {"percent": random.randrange(1, 100)}),
        ("POST", f"/v1/canaries/{canary}/rollback", None),
        ("POST", f"/v1/canaries/{canary}/promote", None),
        ("DELETE", f"/v1/canaries/{canary}", None),
        ("POST", "/v1/rules", {"name": rule, "objective": OBJECTIVE, "when": {"device": device}, "shares": split}),
        ("DELETE", f"/v1/rules/{rule}", None),
        ("PATCH", f"/v1/objectives/{OBJECTIVE}", target),
        ("POST", f"/v1/objectives/{OBJECTIVE}/rollback", None),
        ("POST", f"/v1/revisions/{random.randrange(1, max(2, newest))}/rollback", None),
        ("POST", "/v1/models/ranker/versions", {"version": version, "source": "ranker-v9"}),
        ("DELETE", f"/v1/models/ranker/versions/{version}", None),
    ]
    return random.choice(made)


def operator(run: Run, random: Random) -> Callable[[http.client.HTTPConnection], None]:
    def turn(connection: http.client.HTTPConnection) -> None:
        method, path, body = change(random, run.revision)
        status, answer = run.ask(connection, run.admin, method, path, body)
        if status >= 500:
            run.faults.append(f"{method} {path}: {status} {answer}")
        if status in (200, 201):
            with run.lock:
                run.revision = max(run.revision, answer.get("revision", 0))

    return turn


def killed(run: Run, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """The gateway after a kill; what was answered before has to be there still."""
    run.down.set()
    process.kill()
    process.wait()
    answered = run.revision
    process = run.start()
    newest = run.once(run.admin, "GET", "/ready")[1]["revision"]
    if newest < answered:
        run.faults.append(f"revision {answered} was answered, and {newest} is the newest after a kill")
    run.down.clear()
    return process


def judged(run: Run) -> tuple[int, int]:
    """(answers that are not what their revision decides, answers of revisions that nobody can find)."""
    tables: dict[int, Any] = {}
    wrong = gone = 0
    for context, revision, version, output in run.answers:
        if revision not in tables:
            status, found = run.once(run.admin, "GET", f"/v1/revisions/{revision}")
            known = compile_table(decode_configuration(found["configuration"]), revision) if status == 200 else None
            tables[revision] = known
        if tables[revision] is None:
            gone += 1
            continue
        wanted = tables[revision].decide(OBJECTIVE, context, "web").version.version
        source = "v9" if version.startswith("w") else version
        wrong += wanted != version or output != source
    return wrong, gone


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args()
    random = Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        run = Run(folder=Path(temporary))
        write_models(run.folder / "models")
        (run.folder / "configuration.json").write_text(json.dumps(document()))
        process = run.start()
        made = run.once(run.admin, "POST", "/v1/tokens", {"name": "web", "audience": "serve"})
        run.serve = made[1]["token"]
        turns = [client(run, Random(f"client {options.seed} {n}")) for n in range(3)]
        turns += [operator(run, Random(f"operator {options.seed} {n}")) for n in range(2)]
        threads = [Thread(target=run.each, args=(turn,)) for turn in turns]
        for thread in threads:
            thread.start()
        end, kills = time.monotonic() + options.seconds, 0
        while time.monotonic() < end:
            run.stop.wait(random.uniform(1.5, 4))
            process, kills = killed(run, process), kills + 1
        run.stop.set()
        for thread in threads:
            thread.join()
        wrong, gone = judged(run)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    print(f"{len(run.answers):,} answers over {run.revision:,} revisions and {kills} kills:")
    print(f"{wrong} wrong, {gone} of a revision that is gone, {len(run.faults)} faults {run.faults[:3] or ''}")
    return 1 if wrong or gone or run.faults else 0


if __name__ == "__main__":
    sys.exit(main())
