"""The gateway's versions under kills: is it up again each time, and does every revision answer as it did?

    python -m benchmarks.gateway_kills [--seed N] [--kills N] [--seconds S]

An operator registers, publishes, deletes and rolls back; the gateway is killed (SIGKILL) meanwhile, and so is the
pruning of old revisions and their content between two starts. Source folders are edited and removed, and stored content
is damaged and removed, at random. After each start the gateway has to be up with all that it acknowledged; at the end
every stored revision is rolled back to, and has to give the answer that it gave when it was made. Content of which the
copy and the source were both harmed is lost: it has to be refused, and never be answered wrongly. Every revision that
was acknowledged has its entry in the audit log. Exits with 1 for anything else.

Each gateway is a fork of one process that has imported everything, so that a start costs little. Stops after S seconds,
however many kills that were.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any

from benchmarks.gateway_processes import STORED_REVISIONS, prune, serve_gateway
from nlapi.gateway.control.access import Access, Audience, Role
from nlapi.gateway.store.store import GatewayStore

STAGES = """
from pathlib import Path

NUMBER = {number}
BIAS = sum((Path(__file__).parent / "weights.bin").read_bytes())

def predict(value):
    return {{"number": NUMBER, "y": value["x"] + BIAS}}
"""
BROKEN = ("1 / 0\n", "import os\nos._exit(3)\n", "import nothing_of_this_name\n")
PATIENCE_S = 60.0


@dataclass(slots=True)
class World:
    """What was acknowledged, and what was harmed."""

    folder: Path
    random: Random
    port: int = 0
    token: str = ""
    serve_token: str = ""
    count: int = 0
    numbers: dict[str, int] = field(default_factory=dict)
    """version -> the number of its content; a version that was sent, acknowledged or not"""
    digests: dict[int, str] = field(default_factory=dict)
    defaults: dict[int, str] = field(default_factory=dict)
    """acknowledged revision -> the version that serves by default"""
    acknowledged: set[int] = field(default_factory=set)
    """all acknowledged revisions, those that were pruned as well"""
    registered: list[str] = field(default_factory=list)
    sources: set[int] = field(default_factory=set)
    """the contents whose source was harmed"""
    copies: set[int] = field(default_factory=set)
    """the contents whose copy was harmed, though it may be whole again"""
    lost: set[int] = field(default_factory=set)
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    start_s: float = 0.0

    def call(self, method: str, path: str, body: Any = None, *, token: str = "") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def fault(self, text: str) -> None:
        self.faults.append(text[:400])

    def source(self, number: int) -> Path:
        return self.folder / "models" / f"m{number}"

    def write(self, number: int, stages: str = "") -> None:
        """Write the source of a content; 100 kB of weights, so that a copy takes a while."""
        folder = self.source(number)
        folder.mkdir(parents=True)
        (folder / "model.toml").write_text("", encoding="utf-8")
        (folder / "weights.bin").write_bytes(Random(number).randbytes(100_000))
        (folder / "stages.py").write_text(stages or STAGES.format(number=number), encoding="utf-8")

    def expected(self, version: str, x: int) -> Any:
        number = self.numbers[version]
        return {"number": number, "y": x + sum(Random(number).randbytes(100_000))}

    def check_answer(self, version: str, where: str) -> None:
        """Check that a version's content answers as it always did; 503 is right for content that is lost."""
        x = self.random.randrange(1000)
        status, body = self.call("POST", "/v1/objectives/scoring/serve", {"input": {"x": x}}, token=self.serve_token)
        if status == 503 and self.numbers[version] in self.lost:
            self.done["answers refused, as both copies were harmed"] += 1
        elif status != 200 or body["output"] != self.expected(version, x):
            self.fault(f"{where}: {version} answers {status} {body}")
        else:
            self.done["right answers"] += 1

    # operators

    def operate(self) -> None:
        """Make one change at random and note what was acknowledged."""
        (
            self.random.choices(
                (self.register, self.publish, self.roll_back, self.delete, self.refused), (5, 5, 3, 1, 2)
            )
        )[0]()

    def note(self, kind: str, answer: tuple[int, Any], default: str) -> bool:
        status, body = answer
        if status in (200, 201):
            self.defaults[body["revision"]] = default
            self.acknowledged.add(body["revision"])
            self.done[kind] += 1
            return True
        return False

    @property
    def default(self) -> str:
        return self.defaults[max(self.defaults)]

    def register(self) -> None:
        self.count += 1
        number = self.count
        self.write(number)
        name = f"v{number}"
        self.numbers[name] = number
        answer = self.call("POST", "/v1/models/scorer/versions", {"version": name, "source": f"m{number}"})
        if self.note("registered", answer, self.default):
            self.digests[number] = answer[1]["digest"]
            self.registered.append(name)
        else:
            self.fault(f"register {name}: {answer}")

    def publish(self) -> None:
        name = self.random.choice(self.registered)
        answer = self.call("PATCH", "/v1/objectives/scoring", {"model": "scorer", "version": name})
        if not self.note("published", answer, name) and self.numbers[name] not in self.lost:
            self.fault(f"publish {name}: {answer}")

    def roll_back(self) -> None:
        number = self.random.choice(list(self.defaults))
        name = self.defaults[number]
        answer = self.call("POST", f"/v1/revisions/{number}/rollback")
        if not self.note("rolled back", answer, name) and self.numbers[name] not in self.lost:
            self.fault(f"rollback to {number} ({name}): {answer}")
        self.read_versions()

    def delete(self) -> None:
        name = self.random.choice(self.registered)
        path = f"/v1/models/scorer/versions/{name}"
        if name != self.default and self.note("deleted", self.call("DELETE", path), self.default):
            self.registered.remove(name)

    def refused(self) -> None:
        """Register what has to be refused: broken code, or other content under a name that is in use."""
        self.count += 1
        number = self.count
        name, expected = f"v{number}", 422
        self.write(number, self.random.choice(BROKEN))
        if self.random.random() < 0.5 and self.defaults:
            shutil.rmtree(self.source(number))
            self.write(number)
            name, expected = self.default, 409
        status, body = self.call("POST", "/v1/models/scorer/versions", {"version": name, "source": f"m{number}"})
        self.done["refused, rightly"] += 1
        if status != expected:
            self.fault(f"register {name}: {status} instead of {expected}, {body}")

    def read_versions(self) -> None:
        rows = self.call("GET", "/v1/models/scorer/versions?limit=200")[1]["data"]
        self.registered = [row["version"] for row in rows]
        for row in rows:
            self.digests[self.numbers[row["version"]]] = row["digest"]

    # harm

    def harm(self) -> None:
        """Edit or remove a source, or damage or remove a copy; seldom a copy of which the source is harmed too."""
        number = self.random.choice([number for number in self.digests if number not in self.lost])
        stored = self.folder / "gateway.db-artifacts" / self.digests[number].removeprefix("sha256:")
        is_source = self.random.random() < 0.5
        harmed, others = (self.sources, self.copies) if is_source else (self.copies, self.sources)
        if number in others:
            if self.random.random() < 0.9:
                return
            self.lost.add(number)
        harmed.add(number)
        if is_source:
            self.done["sources harmed"] += 1
            if self.random.random() < 0.5:
                shutil.rmtree(self.source(number), ignore_errors=True)
            elif self.source(number).exists():
                (self.source(number) / "stages.py").write_text("def predict(value):\n    return 'edited'\n")
            return
        if not stored.exists():
            return
        self.done["copies harmed"] += 1
        stored.chmod(0o700)
        file = stored / self.random.choice(["stages.py", "weights.bin", "model.toml"])
        if not file.exists() or not (stored / "stages.py").exists():  # harmed before
            shutil.rmtree(stored)
            return
        file.chmod(0o600)
        match self.random.randrange(4):
            case 0:
                shutil.rmtree(stored)
            case 1:
                file.unlink()
            case 2:
                (stored / "stages.py").chmod(0o600)
                (stored / "stages.py").write_text("def predict(value):\n    return 'damaged'\n")
            case _:
                file.write_bytes(file.read_bytes()[:-1] + b"#")

    # processes

    def start(self) -> BaseProcess:
        """Start the gateway and check that it is up with all that it acknowledged."""
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = _CONTEXT.Process(target=serve_gateway, args=(self.folder, self.port, sender))
        before = time.monotonic()
        process.start()
        sender.close()
        assert receiver.poll(PATIENCE_S), "the gateway does not start"
        url = receiver.recv()
        self.start_s += time.monotonic() - before
        assert url.startswith("http"), f"the gateway did not start: {url}"
        self.port = int(url.rpartition(":")[2])
        status, health = self.call("GET", "/health")
        if status != 200 or health["revision"] < max(self.defaults, default=0):
            self.fault(f"after a start: {status} {health}, and {max(self.defaults)} was acknowledged")
        # A change that was committed and not acknowledged may be there, too.
        configuration = self.call("GET", "/v1/configuration")[1]
        self.defaults[health["revision"]] = configuration["objectives"][0]["version"]
        self.read_versions()
        self.check_answer(self.default, "after a start")
        return process

    def prune(self) -> None:
        """Prune, and kill that at any moment."""
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = _CONTEXT.Process(target=prune, args=(self.folder, sender))
        process.start()
        sender.close()
        assert receiver.poll(PATIENCE_S)
        receiver.recv()
        time.sleep(self.random.uniform(0, 0.05))
        process.kill()
        process.join()
        self.done["prunings killed"] += 1
        # One more may have been committed and not acknowledged; the pruning counts that, too.
        last = max(self.defaults) + 1
        self.defaults = {number: name for number, name in self.defaults.items() if number > last - STORED_REVISIONS}


_CONTEXT = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")


def prepare(world: World) -> None:
    """Write the first configuration, with one version, and the tokens."""
    world.count = 1
    world.write(1)
    world.numbers["v1"] = 1
    document = {
        "objectives": [{"name": "scoring", "model": "scorer", "version": "v1", "timeout_ms": 60_000}],
        "models": [{"name": "scorer"}],
        "versions": [{"model": "scorer", "version": "v1", "source": "m1"}],
        "shards": [{"name": "local"}],
    }
    (world.folder / "configuration.json").write_text(json.dumps(document))
    store = GatewayStore(world.folder / "gateway.db")
    world.token = Access(store).create_token("admin", Audience.ADMIN, role=Role.ADMIN)[1]
    world.serve_token = Access(store).create_token("web", Audience.SERVE)[1]
    store.close()


def run(world: World, kills: int, seconds: float) -> int:
    """Kill and start again and again; return the number of kills."""
    end = time.monotonic() + seconds
    for kill in range(kills):
        if time.monotonic() > end:
            return kill
        process = world.start()
        timer = Timer(world.random.uniform(0.02, 0.6), process.kill)
        timer.start()
        while process.is_alive():
            try:
                world.operate()
                if world.random.random() < 0.2:
                    world.harm()
            except (OSError, http.client.HTTPException, ValueError) as error:
                process.join(PATIENCE_S)
                if process.exitcode != -9:
                    world.fault(f"the gateway ended with {process.exitcode}: {error!r}")
        timer.join()
        process.join()
        for _ in range(world.random.randrange(3)):
            world.harm()
        if world.random.random() < 0.3:
            world.prune()
    return kills


def check_all(world: World) -> int:
    """Roll back to every stored revision that was acknowledged, and return their number."""
    process = world.start()
    revisions = sorted(world.defaults.items())
    for number, name in revisions:
        status, body = world.call("POST", f"/v1/revisions/{number}/rollback")
        if status == 200:
            world.check_answer(name, f"revision {number}")
        elif world.numbers[name] in world.lost:
            world.done["revisions refused, as both copies were harmed"] += 1
        else:
            world.fault(f"revision {number} ({name}): {status} {body}")
    check_audit(world)
    process.terminate()
    process.join()
    return len(revisions)


def check_audit(world: World) -> None:
    """Check that each acknowledged revision has its entry in the audit log."""
    entries: set[str] = set()
    cursor = ""
    while cursor is not None:
        start = f"&cursor={cursor}" if cursor else ""
        page = world.call("GET", f"/v1/audit?outcome=done&limit=200{start}")[1]
        entries.update(entry["detail"] for entry in page["data"])
        cursor = page["page"]["next_cursor"]
    missing = [number for number in sorted(world.acknowledged) if f"revision {number}" not in entries]
    if missing:
        world.fault(f"the audit log has nothing of the revisions {missing}")
    world.done["acknowledged revisions in the audit log"] += len(world.acknowledged) - len(missing)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    multiprocessing.set_forkserver_preload(
        [
            "nlapi.cli.gateway.commands",
            "nlapi.gateway.http.server",
            "nlapi.gateway.http.app",
            "benchmarks.gateway_processes",
        ]
    )
    with tempfile.TemporaryDirectory() as temporary:
        world = World(folder=Path(temporary), random=Random(options.seed))
        prepare(world)
        kills = run(world, options.kills, options.seconds)
        checked = check_all(world)
        for folder in (world.folder / "gateway.db-artifacts").glob("*"):
            folder.chmod(0o700)
    print(f"{kills} kills, {kills + 1} starts of {world.start_s / (kills + 1):.2f} s, {checked} revisions at the end")
    print("; ".join(f"{count:,} {kind}" for kind, count in sorted(world.done.items())))
    print(f"{len(world.faults)} faults {world.faults[:3] or ''}")
    return 1 if world.faults else 0


if __name__ == "__main__":
    sys.exit(main())
