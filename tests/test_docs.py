"""What the documents tell people to type works, and the reference is that of the program."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import nlapi
from benchmarks import python_reference
from nlapi import testing
from nlapi.sandbox import running
from tests import messages_server
from tests.model_rules import ModelServer

ROOT = Path(__file__).parent.parent
SERVER = "http://127.0.0.1:8080"
ASKED = ("listCampaigns", {"name": "Summer Sale"})
"""What the scripted models of the snippets ask for."""


def blocks(name: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for kind, block in found if kind == language]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str], str]]:
    """A folder with the files that the documents speak of, an environment of its own, and a sandbox of `ads`."""
    folder = tmp_path_factory.mktemp("snippets")
    (folder / "banner.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANTHROPIC_", "NLAPI_"))}
    env |= {f"NLAPI_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "STATE", "CACHE")}
    env |= {"TOKEN": "any", "COLUMNS": "100"}
    with running(nlapi.load("ads")) as server:
        yield folder, env, server.url


SNIPPETS = {
    "anthropic.Anthropic": "anthropic",
    "responses.create": "openai-responses",
    "chat.completions": "openai",
    "genai.Client": "gemini",
    "mcp.server": "mcp",
}
"""What tells the snippets of the page apart: the manifest that each is about."""


def snippet(mark: str, url: str) -> str:
    (code,) = [block for block in blocks("docs/tools.md", "python") if mark in block]
    return code.replace(SERVER, url)


def test_every_snippet_of_the_page_is_tested() -> None:
    assert sum(any(mark in block for mark in SNIPPETS) for block in blocks("docs/tools.md", "python")) == len(SNIPPETS)


@pytest.mark.slow
@pytest.mark.parametrize("mark", [mark for mark in SNIPPETS if mark != "mcp.server"])
def test_the_snippet_gives_the_tools_to_the_model_and_makes_its_call(
    mark: str, place: tuple[Path, dict[str, str], str]
) -> None:
    folder, env, url = place
    needs(*re.findall(r"^(?:import|from) ((?!nlapi)\w+)", snippet(mark, url), re.MULTILINE))
    standin: Any = messages_server.MessagesServer if mark.startswith("anthropic") else ModelServer
    with standin([messages_server.use(*ASKED) if mark.startswith("anthropic") else testing.use(*ASKED)]) as server:
        keys = dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"), "any")
        keys |= {"ANTHROPIC_BASE_URL": server.url, "GOOGLE_GEMINI_BASE_URL": server.url}
        keys |= {"OPENAI_BASE_URL": f"{server.url}/v1"}
        command = [sys.executable, "-W", "error", "-c", snippet(mark, url)]
        done = subprocess.run(command, cwd=folder, env=env | keys, capture_output=True, text=True, check=False)
    assert (done.returncode, server.refused) == (0, []), done.stderr
    assert '"name":"Summer Sale"' in done.stdout
    (request,) = server.requests
    sent = request["tools"]
    if SNIPPETS[mark] == "gemini":  # whose package spells this key in another way
        text = json.dumps(sent[0]["functionDeclarations"])
        sent = json.loads(text.replace('"parameters_json_schema"', '"parametersJsonSchema"'))
    assert sent == [tool.as_dict(SNIPPETS[mark]) for tool in nlapi.tools(nlapi.load("ads"))]


def test_the_snippet_is_an_mcp_server(place: tuple[Path, dict[str, str], str]) -> None:
    needs("mcp")
    from mcp import ClientSession, StdioServerParameters, stdio_client

    folder, env, url = place
    command = ["-W", "error", "-c", snippet("mcp.server", url)]
    parameters = StdioServerParameters(command=sys.executable, args=command, env=env, cwd=folder)

    async def talk() -> tuple[list[Any], str]:
        async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
            await session.initialize()
            listed = await session.list_tools()
            (content,) = (await session.call_tool(*ASKED)).content
            return listed.tools, content.text

    tools, text = asyncio.run(talk())
    listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    assert listed == [tool.as_dict("mcp") for tool in nlapi.tools(nlapi.load("ads"))]
    assert '"name":"Summer Sale"' in text


def needs(*packages: str) -> None:
    """Skips the test where a package is not installed; it is not imported, as that takes seconds."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def test_the_reference_is_the_programs_own() -> None:
    env = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "typer", "nlapi.cli.main", "utils", "docs", "--name", "nlapi"]
    made = subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout
    kept = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert made.strip() == kept.strip(), "`make reference` writes it anew"


def test_the_python_reference_is_that_of_the_public_names() -> None:
    kept = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert python_reference.page() == kept, "`make reference` writes it anew"


def test_each_promise_and_each_attack_names_tests_that_exist() -> None:
    attacks = next(ROOT.glob("docs/design/073-*.md")).read_text(encoding="utf-8")
    names = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", attacks)
    assert len(names) >= 20
    rows = [line for line in (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [line for line in rows if "`tests/" in line]
    assert len(promises) == len(rows) - 1, "every row but the head"
    for file, name in (*names, *re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", "\n".join(promises))):
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"
