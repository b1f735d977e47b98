"""Twelve tasks of the agent over two advertising APIs, and whether a request to the model is sent past a cap.

`python -m benchmarks.agent_tasks` fails when a task fails or a request is sent past a cap. The tasks are those of
tests/agent/tasks.py: the real command, a scripted model, a sandbox, and its request log.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.__main__ import line
from benchmarks.descriptions import shared
from benchmarks.measure import Figure
from nlapi.agent.models.spending import MODELS, cost
from tests.agent.task_stage import ADS, MODEL_KEY, AdsVocabulary, Operation, Protocol, Stage, stage
from tests.agent.tasks import TASKS, Task
from tests.messages_server import MessagesServer, message, say, tool_use

ACCOUNT = "ce4ff15e-f04d-48b9-9ddf-fb3c85fbd57a"
MODEL = "claude-sonnet-5-5"
RUNS = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent_tasks", description=__doc__)
    parser.add_argument("--task", help="only the task of this name")
    parser.add_argument("--protocol", choices=[protocol.value for protocol in Protocol], default=Protocol.MESSAGES)
    parser.add_argument("--api", choices=["ads", "spotify"], help="only the tasks over this API")
    parser.add_argument("--seed", type=int, default=0, help="of the random runs with caps")
    options = parser.parse_args()
    tasks = [task for task in TASKS if options.task in (None, task.__name__)]
    failed = 0
    for name, vocabulary in vocabularies().items():
        if options.api not in (None, name):
            continue
        done = [run_task(task, name, vocabulary, Protocol(options.protocol)) for task in tasks]
        failed += done.count(False)
        print(f"{name}: {done.count(True)} of {len(done)} tasks", flush=True)
    figures = [] if options.task or options.api else list(capped_runs(options.seed))
    for figure in figures:
        print(line(figure), flush=True)
    return 0 if not failed and all(figure.kept for figure in figures) else 1


def vocabularies() -> dict[str, AdsVocabulary]:
    """The two APIs; the one that cannot be had is left out, with a word."""
    found = {"ads": ADS}
    if other := spotify():
        found["spotify"] = other
    else:
        print("left out: spotify, as its description is not here", file=sys.stderr)
    return found


def run_task(task: Task, api: str, vocabulary: AdsVocabulary, protocol: Protocol) -> bool:
    with tempfile.TemporaryDirectory() as folder, stage(vocabulary, protocol, Path(folder)) as opened:
        started = time.monotonic()
        try:
            task(opened)
        except AssertionError as fault:
            print(f"FAIL {api}: {task.__name__}: {str(fault)[:600]}\n     log: {opened.api.log}", flush=True)
            return False
    print(f"ok   {api}: {task.__name__}: {time.monotonic() - started:.1f} s", flush=True)
    return True


def spotify() -> AdsVocabulary | None:
    """The API that the plugins of others are for, whose description is no part of the project; None without it."""
    file = shared("data/specs/spotify-ads.yaml")
    if file is None:
        return None
    draft = {"name": "Night Shift", "objective": "REACH"}
    month = {"report_start": "2026-10-01T00:00:00Z", "report_end": "2026-11-01T00:00:00Z"}
    drafts = "POST /drafts/campaigns"
    return AdsVocabulary(
        source=str(file),
        scheme="oauth2",
        prefix=f"/ad_accounts/{ACCOUNT}",
        scope={"ad_account_id": ACCOUNT},
        campaigns=Operation(id="getCampaigns"),
        status_filter="statuses",
        update_campaign="updateCampaign",
        create_campaign=Operation(id="createCampaign", arguments=draft),
        creation="create a campaign Night Shift for REACH",
        campaign="Spring campaign",
        ad_sets=Operation(id="getAdSetsByAdAccountId"),
        budget_path=("budget", "micro_amount"),
        update_ad_set="updateAdSet",
        report=Operation(id="getAggregateReport", arguments={"entity_type": "CAMPAIGN", "fields": ["SPEND"], **month}),
        report_target=(
            "/aggregate_reports?entity_type=CAMPAIGN&fields=SPEND&report_start=2026-10-01T00%3A00%3A00Z"
            "&report_end=2026-11-01T00%3A00%3A00Z"
        ),
        drafts=(
            ("change", Operation(id="createCampaignDraft", arguments=draft)),
            ("change", Operation(id="createAdSetDraft", arguments={"campaign_id": "$0", "name": "Nurses"})),
            ("change", Operation(id="createAdDraft", arguments={"ad_set_id": "$1", "name": "Coffee at night"})),
            (
                "change",
                Operation(id="publishCampaignDraft", arguments={"draft_campaign_id": "$0", "action": "VALIDATE"}),
            ),
            (
                "change",
                Operation(id="publishCampaignDraft", arguments={"draft_campaign_id": "$0", "action": "PUBLISH"}),
            ),
        ),
        draft_log=(drafts, "POST /drafts/ad_sets", "POST /drafts/ads", f"{drafts}/$0", f"{drafts}/$0"),
        uploads=(
            Operation(id="createAsset", arguments={"asset_type": "IMAGE", "name": "Banner"}),
            Operation(id="uploadAsset", arguments={"asset_id": "$0", "media": "banner.png", "asset_type": "IMAGE"}),
        ),
        file_argument="media",
        upload_log=("POST /assets", "POST /assets/$0/upload"),
    )


# ---- caps --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CappedRun:
    """A random run: the caps, the answers of the model with what they cost, and how long each takes."""

    usd: float | None
    steps: int | None
    seconds: float | None
    answers: tuple[dict[str, Any], ...]
    pauses: tuple[float, ...]


def random_run(dice: random.Random) -> CappedRun:
    answers, pauses = [], []
    for _ in range(dice.randint(1, 10)):
        calls = [
            tool_use("read", {"operation": "listCampaigns", "arguments": {"limit": dice.randint(1, 100)}})
            for _ in range(dice.randint(1, 3))
        ]
        usage = {
            "input_tokens": dice.randint(0, 30_000),
            "output_tokens": dice.randint(0, 2_000),
            "cache_creation_input_tokens": dice.choice((0, dice.randint(0, 9_000))),
            "cache_read_input_tokens": dice.choice((0, dice.randint(0, 90_000))),
        }
        answers.append(message(*calls, usage=usage))
        pauses.append(dice.choice((0.0, 0.0, 0.05, 0.2)))
    return CappedRun(
        usd=dice.choice((None, round(dice.uniform(0.001, 0.2), 4))),
        steps=dice.choice((None, dice.randint(0, 8))),
        seconds=dice.choice((None, round(dice.uniform(0.02, 0.8), 2))),
        answers=(*answers, say("Done.")),
        pauses=(*pauses, 0.0),
    )


def capped_runs(seed: int) -> Iterator[Figure]:
    """Requests to the model, and calls of the API, that were sent although a cap was reached."""
    dice = random.Random(seed)
    past, calls_past, capped = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder, stage(ADS, Protocol.MESSAGES, Path(folder)) as opened:
        for number in range(RUNS):
            run = random_run(dice)
            model, calls, is_capped = requests_past(opened, run)
            past, calls_past, capped = past + model, calls_past + calls, capped + is_capped
            if model or calls:
                print(f"     run {number} went past a cap: {run}")
    print(f"     {capped} of {RUNS} runs ended at a cap")
    yield Figure(name=f"requests to the model past a cap, in {RUNS} random runs", value=past, unit="", limit=0)
    yield Figure(name=f"calls of the API past a cap, in {RUNS} random runs", value=calls_past, unit="", limit=0)


def requests_past(opened: Stage, run: CappedRun) -> tuple[int, int, bool]:
    """The requests to the model and the calls that came past a cap, and whether the run ended at one."""
    arrivals: list[tuple[float, float]] = []
    """seconds since the start of the first request, and dollars that the run had spent by then"""
    spent = 0.0
    started = 0.0

    def step(answer: dict[str, Any], pause: float) -> Any:
        def play(request: dict[str, Any]) -> dict[str, Any]:
            nonlocal spent, started
            started = started or time.monotonic()
            arrivals.append((time.monotonic() - started, spent))
            # The answer takes its time on the wire; a time that is over ends it there.
            time.sleep(pause)
            spent += cost(MODELS[MODEL], answer.get("usage", {})) or 0.0
            return answer

        return play

    before = len(opened.api.received)
    caps = {"--max-usd": run.usd, "--max-steps": run.steps, "--max-seconds": run.seconds}
    options = [word for name, value in caps.items() if value is not None for word in (name, str(value))]
    script = [step(*pair) for pair in zip(run.answers, run.pauses, strict=True)]
    # A server of its own: a request that was given up at the end of its time may reach this one late.
    with MessagesServer(script, key=MODEL_KEY) as model:
        os.environ["ANTHROPIC_BASE_URL"] = model.url
        ran = opened.ask("show the campaigns", *options)
    assert ran.code in (0, 8), ran.err
    past = sum(is_past(run, *arrival) for arrival in arrivals)
    calls = len(opened.api.received) - before
    return past, max(0, calls - run.steps) if run.steps is not None else 0, ran.code == 8


def is_past(run: CappedRun, when: float, dollars: float) -> bool:
    """Whether a request came after the time, or after the dollars were spent."""
    return (run.seconds is not None and when > run.seconds) or (run.usd is not None and dollars >= run.usd)


if __name__ == "__main__":
    sys.exit(main())
