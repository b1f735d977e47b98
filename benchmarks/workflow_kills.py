"""Kills a workflow at random points and resumes it: is a change made twice, and are the outputs right?

    python -m benchmarks.workflow_kills [--kills 60] [--seed 1] [--jobs 2]

A workflow of six steps, three of them changes that build on each other, runs as `nlapi workflow run --yes` against a
sandbox behind a recorder, and is killed with -9: after a random time, or at a random request as the server sees it
(before it is carried out, or after it, so that its answer is lost). `nlapi workflow resume --yes` goes on. Where it
stops with the question about the change of unknown outcome, what the server has is looked at, and the question is
answered at a terminal: no where the change is there, yes where it is not. Exits with 1 when a change was carried out
twice, a run ended with other outputs than it has without a kill, or a resume stopped with anything but that question.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import random
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nlapi
from nlapi.errors import NlapiError
from tests.recorded_sandbox import RecordedSandbox
from tests.servers import Received, Reply

COMMAND = [str(Path(sys.executable).with_name("nlapi")), "workflow"]
PATIENCE = 120
QUESTION = "Send it? [y/N"
CHANGES = 3
READS = 3

CAMPAIGN, AD_SET = "$steps.campaign.outputs.id", "$steps.ad-set.outputs.id"


def _step(id: str, operation: str, **more: Any) -> dict[str, Any]:
    return {"stepId": id, "operationId": operation, **more}


def _outputs() -> dict[str, Any]:
    return {"outputs": {"id": "$response.body#/id"}}


def _path(name: str, value: str) -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "path", "value": value}]}


def _payload(**fields: Any) -> dict[str, Any]:
    return {"requestBody": {"payload": fields}}


DOCUMENT: dict[str, Any] = {
    "arazzo": "1.0.1",
    "info": {"title": "Campaigns", "version": "1"},
    "sourceDescriptions": [{"name": "ads", "url": "ads", "type": "openapi"}],
    "workflows": [
        {
            "workflowId": "launch",
            "inputs": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            "steps": [
                _step("asset", "listAssets", outputs={"id": "$response.body#/data/0/id"}),
                _step(
                    "campaign",
                    "createCampaign",
                    **_payload(name="campaign {$inputs.name}", objective="REACH", daily_budget_micros=50_000_000),
                    **_outputs(),
                ),
                _step(
                    "look", "getCampaign", **_path("campaign_id", CAMPAIGN), outputs={"name": "$response.body#/name"}
                ),
                _step(
                    "ad-set",
                    "createAdSet",
                    **_payload(campaign_id=CAMPAIGN, name="set {$inputs.name}", placement="FEED"),
                    **_outputs(),
                ),
                _step(
                    "ad",
                    "createAd",
                    **_payload(
                        ad_set_id=AD_SET,
                        name="ad {$inputs.name}",
                        format="IMAGE",
                        asset_id="$steps.asset.outputs.id",
                        headline="Tea",
                        click_url="https://tea.example",
                    ),
                    **_outputs(),
                ),
                _step(
                    "check",
                    "getAd",
                    **_path("ad_id", "$steps.ad.outputs.id"),
                    outputs={"of": "$response.body#/ad_set_id"},
                ),
            ],
            "outputs": {
                "campaign": "$steps.look.outputs.name",
                "set": AD_SET,
                "of": "$steps.check.outputs.of",
                "ad": "$steps.ad.outputs.id",
            },
        }
    ],
}


@dataclass(slots=True, kw_only=True)
class Stage:
    """The server, and what it carried out: how often each change, by its name."""

    api: RecordedSandbox
    folder: Path
    chance: random.Random
    carried: Counter[str] = field(default_factory=Counter)
    process: subprocess.Popen[bytes] | None = None
    fatal: int = -1
    """the number of the request at which the process is killed, of those of the trial; -1 for none"""
    carries: bool = False
    """whether that request is carried out"""
    count: int = 0
    began: float = 0.0
    """when the first request of the trial came"""

    def handle(self, request: Received, number: int) -> Reply | None:
        """Kill the process at its request, and count what is carried out."""
        self.count += 1
        is_fatal = self.count - 1 == self.fatal
        if is_fatal and self.process is not None:
            self.process.kill()
            if not self.carries:
                return Reply(500)
        reply = self.api.forward(request)
        if request.method == "POST" and reply.status < 300:
            self.carried[request.json()["name"]] += 1
        return reply

    def environment(self, name: str) -> dict[str, str]:
        home = str(self.folder / name)
        folders = {f"NLAPI_{kind}_DIR": f"{home}/{kind}" for kind in ("STATE", "CONFIG")}
        return {**os.environ, **folders, "NLAPI_CACHE_DIR": str(self.folder / "cache"), "NO_COLOR": "1"}

    def words(self, name: str) -> list[str]:
        target = ["--base-url", self.api.url, "--auth", "oauth2=env:NLAPI_KILLS_TOKEN"]
        return ["run", str(self.folder / "launch.json"), "--input", f"name={name}", "--yes", "-o", "json", *target]


@dataclass(slots=True, kw_only=True)
class Ended:
    """A process that ended: its exit code (negative after a kill) and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def outputs(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self.out)["outputs"])
        except (ValueError, KeyError):
            return None


def ended(
    stage: Stage, name: str, words: list[str], *, after: float | None = None, from_request: bool = False
) -> Ended:
    """Run a command to its end, or kill it after some seconds: from its start, or from its first request."""
    process = subprocess.Popen(
        [*COMMAND, *words], env=stage.environment(name), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    stage.process, stage.count = process, 0
    end = time.monotonic() + PATIENCE
    while from_request and not stage.count and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    stage.began = time.monotonic()
    try:
        out, err = process.communicate(timeout=PATIENCE if after is None else after)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


def answered(stage: Stage, name: str, reply: str) -> Ended:
    """Resume at a terminal, and answer the question; standard output is a file."""
    terminal, theirs = pty.openpty()
    out = stage.folder / f"{name}.out"
    with out.open("wb") as file:
        command = [*COMMAND, "resume", "--yes", "-o", "json"]
        process = subprocess.Popen(command, env=stage.environment(name), stdin=theirs, stdout=file, stderr=theirs)
        os.close(theirs)
        seen, end, is_answered = "", time.monotonic() + PATIENCE, False
        while time.monotonic() < end:
            ready, _, _ = select.select([terminal], [], [], 1.0)
            try:
                data = os.read(terminal, 65536) if ready else b""
            except OSError:
                break
            seen += data.decode("utf-8", "replace")
            if QUESTION in seen and not is_answered:
                is_answered = True
                os.write(terminal, f"{reply}\n".encode())
        process.kill() if time.monotonic() >= end else process.wait(PATIENCE)
        os.close(terminal)
    return Ended(code=process.returncode, out=out.read_text(), err=seen)


def is_right(stage: Stage, name: str, outputs: dict[str, Any] | None) -> bool:
    """Return whether outputs are those of this very run, as the server has it."""
    if outputs is None or set(outputs) != {"campaign", "set", "of", "ad"}:
        return False
    ad: Any = stage.api.look(f"/ads/{outputs['ad']}")
    ad_set: Any = stage.api.look(f"/ad_sets/{outputs['set']}")
    campaign: Any = stage.api.look(f"/campaigns/{ad_set['campaign_id']}")
    names = (campaign["name"], outputs["campaign"], ad_set["name"], ad["name"])
    expected = (f"campaign {name}", f"campaign {name}", f"set {name}", f"ad {name}")
    return names == expected and outputs["of"] == outputs["set"] == ad["ad_set_id"]


def trial(stage: Stage, number: int, duration: float, span: float) -> tuple[str, list[str]]:
    """Kill one run and resume it; return how it went, and what is wrong."""
    name = f"n{number}x{stage.chance.getrandbits(32):08x}"
    moment = ("time", "arrival", "answer", "time", "answer of a change")[number % 5]
    stage.fatal, stage.carries = -1, moment != "arrival"
    from_request = number % 10 != 0
    after = stage.chance.uniform(0, span if from_request else duration) if moment == "time" else None
    if moment == "answer of a change":
        stage.fatal = stage.chance.choice((1, 3, 4))
    elif after is None:
        stage.fatal = stage.chance.randrange(CHANGES + READS)
    first = ended(stage, name, stage.words(name), after=after, from_request=from_request)
    stage.fatal = -1
    if first.code == 0:
        return "done before the kill", [] if is_right(stage, name, first.outputs) else ["other outputs"]
    if first.code >= 0:
        return "failed", [f"the run failed before the kill: {first.err[-300:]}"]
    if not list((stage.folder / name).glob("STATE/**/*.jsonl")):
        sent = sum(stage.carried[entry] for entry in stage.carried if entry.endswith(name))
        again = ended(stage, name, stage.words(name))
        wrong = [f"{sent} changes and no transcript"] if sent else []
        return "killed before it began", wrong + ([] if is_right(stage, name, again.outputs) else ["other outputs"])
    words = ["resume", "--yes", "-o", "json"]
    # Some resumes are killed as well.
    if stage.chance.random() < 0.25:
        ended(stage, name, words, after=stage.chance.uniform(0, duration))
    second = ended(stage, name, words)
    if second.code == 0:
        return "resumed", [] if is_right(stage, name, second.outputs) else [f"other outputs: {second.outputs}"]
    if second.code != 6 or "may have been carried out" not in second.err:
        return "stopped", [f"exit {second.code}: {second.err[-400:]}"]
    # The first change that the server does not have, or has and the run does not know of: what is asked about.
    proposed = [line for line in second.err.splitlines() if line.startswith("→ create")]
    kind = {"createCampaign": "campaign", "createAdSet": "set", "createAd": "ad"}[proposed[-1].split()[1].strip(":")]
    is_there = stage.carried[f"{kind} {name}"] > 0
    third = answered(stage, name, "n" if is_there else "y")
    if is_there:
        return "asked: it was there, no", [] if third.code == 6 else [f"exit {third.code} after no: {third.err[-300:]}"]
    right = third.code == 0 and is_right(stage, name, third.outputs)
    return "asked: it was not there, yes", [] if right else [f"exit {third.code} after yes: {third.err[-400:]}"]


@contextmanager
def staged(seed: int) -> Iterator[Stage]:
    os.environ["NLAPI_KILLS_TOKEN"] = "token-of-the-benchmark"
    with tempfile.TemporaryDirectory() as folder, RecordedSandbox(nlapi.load("ads")) as api:
        (Path(folder) / "launch.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
        stage = Stage(api=api, folder=Path(folder), chance=random.Random(seed))
        api.fault = stage.handle
        yield stage


def measure(numbers: list[int], seed: int) -> tuple[Counter[str], list[str], int]:
    """Run the trials with these numbers; return how they went, what is wrong, and the count of changes."""
    tally: Counter[str] = Counter()
    wrong: list[str] = []
    with staged(seed) as stage:
        began = time.monotonic()
        whole = ended(stage, "whole", stage.words("whole"), from_request=True)
        duration, span = time.monotonic() - began, time.monotonic() - stage.began
        if whole.code or not is_right(stage, "whole", whole.outputs):
            raise NlapiError(f"the run does not end without a kill: {whole.err[-600:]}")
        for number in numbers:
            try:
                how, faults = trial(stage, number, duration, span)
            except (AssertionError, KeyError, subprocess.TimeoutExpired) as error:
                how, faults = "failed", [f"{type(error).__name__}: {error}"]
            tally[how] += 1
            wrong += [f"trial {number}: {fault}" for fault in faults]
        twice = [name for name, count in stage.carried.items() if count > 1]
        wrong += [f"twice on the wire: {name}" for name in twice]
        return tally, wrong, sum(stage.carried.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    given = parser.parse_args()
    shares = [list(range(job, given.kills, given.jobs)) for job in range(given.jobs)]
    tally: Counter[str] = Counter()
    wrong: list[str] = []
    changes = 0
    with ProcessPoolExecutor(given.jobs) as pool:
        seeds = [given.seed * 1_000 + job for job in range(given.jobs)]
        for how, faults, carried in pool.map(measure, shares, seeds):
            tally.update(how)
            wrong += faults
            changes += carried
    for how, count in tally.most_common():
        print(f"{count:4} {how}")
    print(f"{sum(tally.values()):4} kills, seed {given.seed}; {changes} changes were carried out")
    print(f"{sum(fault.startswith('twice') for fault in wrong):4} changes twice")
    for fault in wrong:
        print(f"WRONG: {fault}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
