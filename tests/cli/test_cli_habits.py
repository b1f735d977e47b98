"""Fifty lines typed by the habits of restish, gh, httpie and llm: they work, or are refused with the line for it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

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


def test_fifty_habits_work_or_are_refused_with_the_line_that_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"NLAPI_{kind}_DIR", str(tmp_path / kind))
    monkeypatch.setenv("TOKEN", "any")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    rows = HABITS.strip().splitlines()
    assert len(rows) == 50
    with running(nlapi.load("ads")) as server:
        assert run("api", "add", "mine", "ads", "--base-url", server.url, "--auth", "bearer=env:TOKEN").code == 0
        for row in rows:
            typed, _, refusal = row.partition(": ")[2].rpartition(" => ")
            given, mark, line = typed.rpartition(" | ")
            words = shlex.split(line.replace("URL/", f"{server.url}/"))[1:]
            ran = run(*words, stdin=json.dumps(BODY) if given == "BODY" else given.strip('"') if mark else "")
            refusal = refusal.strip('"')
            assert ran.code == (2 if refusal else 0), f"{row}\n{ran.err}"
            assert refusal in ran.err, f"{row}\n{ran.err}"
            assert refusal or ran.out or ran.err, row


def test_a_url_at_which_no_registered_api_runs_is_refused() -> None:
    assert run("get", "https://shop.test/orders").complaint == (
        "no registered API runs at https://shop.test (`nlapi setup https://shop.test` looks for its description there)"
    )
