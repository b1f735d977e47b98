"""Every script in examples/ runs and prints what it promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi import testing as gpt
from nlapi.sandbox import running
from tests import messages_server as claude
from tests.model_rules import ModelServer
from tests.tables import table

EXAMPLES = Path(__file__).parent.parent / "examples"
PROMISES = {
    "tools.py": ["Ads 1.0.0:", '"name": "listAccounts"', '"input_schema"'],
    "plan.py": ["listCampaigns", "GET https://ads.example.com/v1/campaigns?status=ACTIVE"],
    "call.py": ["200 [", "needs your consent", "200 PAUSED"],
}
AGENTS = {
    "anthropic_agent.py": "anthropic",
    "anthropic_loop.py": "anthropic",
    "google_adk.py": "google.adk",
    "langgraph_agent.py": "langchain_anthropic",
    "openai_agents.py": "agents",
    "pydantic_agent.py": "pydantic_ai",
    "smolagents_agent.py": "smolagents",
}
"""The agents, and the package that each needs beside nlapi. It is not imported here, as that takes seconds.

google-adk needs other versions of the packages that the environment of the tests has: `make test-clients` runs this
file in one of its own.
"""
FORMS = {
    "google_adk.py": gpt,
    "openai_agents.py": gpt,
    "smolagents_agent.py": gpt,
}
"""The stand-in that the others of AGENTS do not use."""


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*PROMISES, *AGENTS}


@table("name", PROMISES)
def test_the_example_runs(name: str) -> None:
    done = ran(name)
    assert done.returncode == 0, done.stderr
    assert [promise for promise in PROMISES[name] if promise not in done.stdout] == []


@pytest.mark.parametrize("consent", ["y", "n"])
@pytest.mark.parametrize(
    "name", [name if name == "anthropic_loop.py" else pytest.param(name, marks=pytest.mark.slow) for name in AGENTS]
)
def test_the_agent_makes_the_change_that_it_has_consent_for(name: str, consent: str) -> None:
    if not is_installed(AGENTS[name]):
        pytest.skip(f"{AGENTS[name]} is not installed")
    standin: Any = FORMS.get(name, claude)
    read: Callable[[Any], str] = gpt.tool_answer if standin is gpt else lambda request: claude.results(request)[0]
    find, pause = {"name": "Summer Sale"}, {"campaign_id": "cmp_7h2k9q4m", "status": "PAUSED"}
    steps = [standin.use("read", {"operation": "listCampaigns", "arguments": find})]
    steps += [standin.use("change", {"operation": "updateCampaign", "arguments": pause})]
    if name == "anthropic_loop.py":
        steps = [standin.use("listCampaigns", find), standin.use("updateCampaign", pause)]

    def end(request: Any) -> Any:
        text = "It is paused." if '"status":"PAUSED"' in read(request) else read(request)
        # smolagents takes no text for the end: its model has to call a tool.
        is_tool = name == "smolagents_agent.py"
        return standin.use("final_answer", {"answer": text}) if is_tool else standin.say(text)

    script = [*steps, end]
    with ModelServer(script) if standin is gpt else standin.MessagesServer(script) as server:
        keys = dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"), "any")
        keys["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
        urls = {"ANTHROPIC_BASE_URL": server.url, "OPENAI_BASE_URL": f"{server.url}/v1"}
        urls["GOOGLE_GEMINI_BASE_URL"] = server.url
        done = ran(name, input=f"{consent}\n", **keys, **urls)
        assert (done.returncode, server.refused) == (0, []), done.stderr
    assert "Summer Sale" in read(server.requests[1])
    assert "curl -X PATCH" in done.stdout
    said = "It is paused." if consent == "y" else "not sent: updateCampaign would write something"
    assert said in done.stdout
    if name != "anthropic_loop.py":
        # The instructions stand in the system prompt of each form.
        assert "finds operations of the API" in json.dumps(server.requests[0])


def code_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8").rpartition('"""')[2].strip()


@table(("name", "lines"), [(name, 15 if name == "anthropic_loop.py" else 20) for name in AGENTS])
def test_an_agent_is_short(name: str, lines: int) -> None:
    assert len([line for line in code_of(name).splitlines() if line.strip()]) <= lines


def test_the_page_on_agents_shows_the_examples_that_run_and_its_other_code_runs() -> None:
    page = (EXAMPLES.parent / "docs" / "agents.md").read_text(encoding="utf-8")
    blocks = [block.strip() for block in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)]
    examples = {code_of(name) for name in AGENTS if name != "anthropic_loop.py"}
    assert examples <= set(blocks)
    # That on tests runs in tests/test_testing.py.
    snippets = [block for block in blocks if block not in examples and "nlapi.testing" not in block]
    assert len(snippets) == 2
    with running(nlapi.load("ads")) as server:
        for snippet in snippets:
            command = [sys.executable, "-W", "error", "-c", snippet.replace("http://127.0.0.1:8080", server.url)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            if "fields=" in snippet:
                answer = json.loads(done.stdout)
                assert set(answer["data"][0]) == {"id", "name", "status"}


def is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def ran(name: str, input: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    return subprocess.run(command, input=input, capture_output=True, text=True, timeout=60, env={**os.environ, **env})
