"""Fifty lines typed by the habits of restish, gh, httpie and llm: how many work, or are refused with the line for it.

usage: python -m benchmarks.habits     (some seconds; exits with 1 where a line does neither)
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nlapi
from nlapi.sandbox import running
from tests.cli.kit import run

BODY = {"name": "Piped", "objective": "REACH", "daily_budget_micros": 5_000_000}
NEW = "name=x objective=REACH daily_budget_micros=5000000 --dry-run"
ASK = "-a mine --planner offline"

# What is typed, with nlapi in the place of the other program, and the words of the refusal; "" for a line that works.
# URL is where the API runs. What `|` brings on standard input stands before it.
HABITS = f"""
restish: nlapi mine => ""
restish: nlapi mine --help => ""
restish: nlapi mine listCampaigns => ""
restish: nlapi mine listCampaigns --help => ""
restish: nlapi mine list-campaigns => "did you mean 'listCampaigns'"
restish: nlapi mine/campaigns => ""
restish: nlapi URL/campaigns => ""
restish: nlapi get URL/campaigns => ""
restish: nlapi mine listCampaigns -q limit=2 => ""
restish: nlapi mine listCampaigns -o yaml => ""
restish: nlapi mine listCampaigns -H 'X-Trace: 1' => ""
restish: nlapi mine listCampaigns --rsh-server URL => "--base-url URL"
restish: nlapi mine listCampaigns --rsh-verbose => "-v"
restish: nlapi mine listCampaigns -f body.data => "--jq EXPR"
restish: nlapi api configure books ads => "nlapi api add NAME SOURCE"
restish: nlapi api sync mine => "nlapi api update NAME"
restish: nlapi edit mine/campaigns/cmp_7h2k9q4m => "FIELD=VALUE"
restish: BODY | nlapi mine createCampaign => "--args - from standard input"
gh: nlapi api /campaigns => "nlapi call API GET /campaigns"
gh: nlapi call mine -X DELETE /campaigns/cmp_1 => "nlapi call API METHOD /path"
gh: nlapi call mine POST /campaigns -f name=x => "KEY=VALUE"
gh: nlapi call mine createCampaign --input body.json => "--args @FILE"
gh: nlapi call mine listCampaigns --paginate => "--all"
gh: nlapi call mine listCampaigns -i => ""
gh: nlapi call mine listCampaigns -q '.data[].id' => "--jq"
gh: nlapi call mine listCampaigns --json id,name => "--columns"
gh: nlapi alias set one 'call mine getCampaign campaign_id=$1' => ""
gh: nlapi one cmp_7h2k9q4m => ""
gh: nlapi alias delete one => "nlapi alias remove NAME"
gh: nlapi auth status => ""
gh: nlapi status => "nlapi doctor"
gh: nlapi config list => "nlapi api edit"
gh: nlapi help call => ""
httpie: nlapi GET URL/campaigns => ""
httpie: nlapi POST URL/campaigns {NEW} => ""
httpie: nlapi GET URL/campaigns limit:=2 => ""
httpie: nlapi GET URL/campaigns Accept-Language:de => "-H 'Accept-Language:de'"
httpie: nlapi GET URL/campaigns --offline => "--dry-run"
httpie: nlapi GET URL/campaigns -v => ""
httpie: nlapi GET URL/campaigns --print=hb => "-i for"
httpie: nlapi GET URL/campaigns --download => "-o raw > FILE"
httpie: BODY | nlapi POST URL/campaigns --raw-body - --dry-run => ""
httpie: nlapi GET URL/campaigns --session=me => "nlapi api add"
llm: nlapi "list the campaigns" {ASK} => ""
llm: "list the campaigns" | nlapi ask - {ASK} => ""
llm: nlapi -c "and the paused ones?" => "nlapi log resume last"
llm: nlapi log search campaigns => ""
llm: nlapi logs => "nlapi log"
llm: nlapi models => ""
llm: nlapi keys set anthropic => "ANTHROPIC_API_KEY"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HabitResult:
    """The result of one line. `refusal` is "" for one that has to work, `fault` is "" where it did as it should."""

    row: str
    refusal: str
    fault: str


def habit_results(url: str) -> Iterator[HabitResult]:
    """Type the lines in order at the API `mine`, which runs at `url`."""
    for row in HABITS.strip().splitlines():
        typed, _, refusal = row.partition(": ")[2].rpartition(" => ")
        piped, mark, line = typed.rpartition(" | ")
        words = shlex.split(line.replace("URL/", f"{url}/"))[1:]
        ran = run(*words, stdin=json.dumps(BODY) if piped == "BODY" else piped.strip('"') if mark else "")
        refusal = refusal.strip('"')
        is_right = ran.code == (2 if refusal else 0) and refusal in ran.err and (refusal or ran.out or ran.err)
        yield HabitResult(row=row, refusal=refusal, fault="" if is_right else f"{row}: {ran.code}: {ran.err}")


def variables(folder: Path) -> dict[str, str]:
    """Return the variables that the lines want, with the settings of nlapi in `folder`."""
    return {f"NLAPI_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "STATE", "CACHE")} | {"TOKEN": "any"}


def results() -> list[HabitResult]:
    """Return the results of all lines against a sandbox."""
    with running(nlapi.load("ads")) as server:
        added = run("api", "add", "mine", "ads", "--base-url", server.url, "--auth", "bearer=env:TOKEN")
        if added.code:
            raise AssertionError(added.err)
        return list(habit_results(server.url))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="habits-") as folder:
        os.environ |= variables(Path(folder))
        os.environ.pop("ANTHROPIC_API_KEY", None)
        found = results()
    faults = [result.fault for result in found if result.fault]
    works = sum(not result.refusal and not result.fault for result in found)
    refused = sum(bool(result.refusal) and not result.fault for result in found)
    print(
        *faults,
        f"{works} of {len(found)} work, {refused} are refused with the line to type, {len(faults)} fail",
        sep="\n",
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
