"""What docs/models.md tells people to type asks the model that it says, as far as a scripted server can tell."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cli.kit import NLAPI, notes
from tests.messages_server import MessagesServer, say
from tests.servers import Echo, Reply
from tests.tables import table

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
ADDRESS = re.compile(r"http://127\.0\.0\.1:(?:11434|8081|8000|1234)\b|https://models\.example\.com")
PROGRAMS = ("ollama", "llama-server", "vllm", "lms", "pip")
"""What the page starts beside nlapi, and the scripted server stands in for."""
MODELS = {
    "Claude": ("messages", "claude-haiku-5-5", ""),
    "Ollama": ("messages", "qwen3:8b", "NLAPI_LOCAL_URL"),
    "llama.cpp": ("messages", "any", ""),
    "vLLM": ("chat", "Qwen/Qwen3-8B", ""),
    "LM Studio": ("messages", "qwen3-8b", ""),
    "OpenAI and compatible servers": ("chat", "gpt-5.2", "OPENAI_BASE_URL"),
    "Your own names": ("chat", "llama-4-70b", ""),
}
"""The protocol and the model of each section, and the setting that leads to the server where the section has none."""


def section(title: str) -> str:
    (text,) = re.findall(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(text)


def blocks(text: str, language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


def chat_answer(text: str) -> Reply:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    body = f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n"
    return Reply(200, body.encode(), {"content-type": "text/event-stream"})


def settings(lines: Iterator[str]) -> tuple[dict[str, str], list[list[str]]]:
    """The environment and the nlapi commands of the lines of a block."""
    environment: dict[str, str] = {}
    commands = []
    for line in lines:
        words = shlex.split(line)
        if words[0] == "export":
            environment |= dict(word.split("=", 1) for word in words[1:])
        elif words[0] == "nlapi":
            commands.append(words[1:])
        else:
            assert words[0] in PROGRAMS, line
    return environment, commands


def test_every_section_with_commands_is_tested() -> None:
    titles = re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [title for title in titles if blocks(section(title), "sh")] == list(MODELS)


@table("title", MODELS)
def test_a_section_has_at_most_ten_lines_beside_its_blocks(title: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", section(title), flags=re.DOTALL | re.MULTILINE)
    assert len([line for line in prose.splitlines() if line.strip()]) <= 10


@table("title", MODELS)
def test_the_commands_of_a_section_ask_its_model(title: str, tmp_path: Path) -> None:
    protocol, model, setting = MODELS[title]
    text = section(title)
    with MessagesServer([say("Two.")], models=(model,)) as messages, Echo([chat_answer("Two.")]) as chat:
        url = messages.url if protocol == "messages" else chat.url
        lines = (ADDRESS.sub(url, line) for line in blocks(text, "sh").splitlines())
        environment, commands = settings(lines)
        # The address of Anthropic is in every section, so that none can leave this machine.
        environment = {"ANTHROPIC_BASE_URL": messages.url, **environment}
        if setting:
            environment[setting] = url if protocol == "messages" else f"{url}/v1"
        config = tmp_path / "config"
        config.mkdir()
        if toml := blocks(text, "toml"):
            (config / "models.toml").write_text(ADDRESS.sub(url, toml))
        outputs = [_output(words, tmp_path, environment) for words in commands]
        asked: list[Any] = (
            messages.requests if protocol == "messages" else [request.json() for request in chat.received]
        )
    assert outputs == ["Two.\n"] * len(commands)
    assert [request["model"] for request in asked] == [model] * len(commands)
    assert {request.path for request in chat.received} <= {"/v1/chat/completions"}


def _output(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "NLAPI_", "OPENAI_"))
    }
    clean |= {f"NLAPI_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "STATE", "CACHE")}
    words = [notes(folder) if word == "demo" else word for word in words]
    done = subprocess.run(
        [sys.executable, NLAPI, *words, "-o", "text"],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
