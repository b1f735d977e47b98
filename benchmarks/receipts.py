"""Ways round a plugin's hook in the real Claude Code, with Bash allowed: how many changes reach the API unasked?

`python -m benchmarks.plugin_client` runs it. The ways are those of `tests/plugin/ways.py`, which the tests run without
the client. A recipe and a batch follow, each with one question.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.claude_code import ROOT, Claude, Model, bash
from benchmarks.conversations import expect, tool_outputs
from nlapi.sandbox import running
from tests.messages_server import say
from tests.plugin.ways import FILES, WAYS, filled

PLUGIN = ROOT / "plugins" / "ads"
CHUNK = 15
"""Ways in one conversation, which the client has two minutes for."""

CHANGE = "createDraft name=Rain"
SECRET = "tok-8f2e1d9c"


def _conversation(
    claude: Claude, url: str, commands: list[str], permit: Callable[[dict[str, Any]], bool]
) -> tuple[str, str]:
    """A conversation in which a model runs commands: all that it was told, and what the last command printed."""
    with Model([*map(bash, commands), say("done")]) as model:
        claude.more = {
            "ADS_BASE_URL": url,
            "ADS_BEARER": SECRET,
            "ANTHROPIC_API_KEY": "dummy",
            "ANTHROPIC_BASE_URL": model.url,
        }
        claude.ask("work with it", "--plugin-dir", str(PLUGIN), "--allowedTools", "Bash", permit=permit)
        told = json.dumps(model.requests[-1]["messages"])
        last = (tool_outputs(model.requests[-1]) or [""])[-1]
    return told, last


def _written(folder: Path, url: str) -> dict[str, str]:
    """Writes the files of the ways, and gives the values of their places."""
    api = PLUGIN / "api" / "openapi.json"
    values = {
        "X": "nlapi-ads",
        "C": CHANGE,
        "OP": "createDraft",
        "PAIRS": "name=Rain",
        "ARGS": '{"name": "Rain"}',
        "API": str(api),
        "URL": url,
        "SCHEME": "bearer",
        "AUTH": "--auth bearer=x",
        "S": "NLAPI_ADS_SESSION",
        "PY": sys.executable,
        "HEAD": "nlapi-",
        "TAIL": "ads",
        "REST": "ads",
    }
    for name, text in FILES.items():
        (folder / name).write_text(filled(text, values))
    copy = json.loads(api.read_text())
    for path in copy["paths"].values():
        if "post" in path:
            path["post"]["x-nlapi-effect"] = "read"
    (folder / "copy.json").write_text(json.dumps(copy))
    return values


def on_receipts(claude: Claude) -> None:
    """All ways, with a user who says no to each question; then a recipe, and a batch with a row that fails."""
    log: list[str] = []
    with running(nlapi.load("ads"), on_request=lambda method, path, *_: log.append(f"{method} {path}")) as sandbox:
        values = _written(claude.home, sandbox.url)

        def changes() -> list[str]:
            return [entry for entry in log if not entry.startswith("GET")]

        print(f"--   {len(WAYS)} ways round the hook of nlapi-ads on {sandbox.url}")
        asked: list[dict[str, Any]] = []
        names = list(WAYS)
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            commands = [filled(WAYS[name], values) for name in chunk]
            before = len(changes())
            told, _ = _conversation(claude, sandbox.url, commands, lambda request: (asked.append(request), False)[1])
            sent = changes()[before:]
            expect(f"  {start + 1} to {start + len(chunk)}: no change without a receipt", not sent, f"{sent} {told}")
        expect(f"{len(names)} ways, {len(asked)} questions, {len(changes())} changes unasked", not changes())
        _recipe(claude, sandbox.url, changes)
        _batch(claude, sandbox.url, changes)


RECIPE = "create-validate-and-publish-draft"


def _recipe(claude: Claude, url: str, changes: Callable[[], list[str]]) -> None:
    """A run of a recipe: nothing where the user says no, and each change once where the user says yes."""
    asked: list[dict[str, Any]] = []
    inputs = "name='Autumn Rain' objective=REACH daily_budget_micros='50 USD'"
    command = f"nlapi-ads run {RECIPE} {inputs}"
    before = len(changes())
    _, said = _conversation(claude, url, [f"{command} --dry-run"], lambda request: (asked.append(request), False)[1])
    shown = "50000000" in said and "publish" in said
    expect("a dry run of a recipe shows its plan, unasked", shown and not asked and len(changes()) == before, said)
    # Once as it is, then by ways that take what was denied.
    denied = [f"{command} --yes", "sh recipe.sh", "nlapi-ads resume --yes", "env -u CLAUDECODE sh recipe.sh"]
    (claude.home / "recipe.sh").write_text(f"{command} --yes\n")
    _, said = _conversation(claude, url, denied, lambda request: (asked.append(request), False)[1])
    expect("a recipe that the user denies sends nothing, also not by a script", len(changes()) == before, changes())
    question = json.dumps(asked[:1])
    is_whole = all(text in question for text in (RECIPE, "POST", "Autumn Rain", "50000000", f"{url}/drafts"))
    expect("  its one question has the whole plan", bool(asked) and is_whole, asked)
    asked.clear()
    _, said = _conversation(claude, url, [f"{command} --yes"], lambda request: (asked.append(request), True)[1])
    sent = [re.sub(r"dft_\w+", "ID", entry) for entry in changes()[before:]]
    expect("a recipe that the user permits is one question", len(asked) == 1, asked)
    expected = ["POST /drafts", "POST /drafts/ID/validate", "POST /drafts/ID/publish"]
    expect("  and its changes are sent once, in order", [entry.split("?")[0] for entry in sent] == expected, sent)
    _, said = _conversation(claude, url, ["sh recipe.sh"], lambda request: (asked.append(request), True)[1])
    expect("  that yes is used up", len(changes()) == before + len(expected), f"{changes()[before:]} {said}")


def _batch(claude: Claude, url: str, changes: Callable[[], list[str]]) -> None:
    rows = [{"operation": "createDraft", "arguments": {"name": f"Draft {number}"}} for number in range(12)]
    rows[5] = {"operation": "deleteDraft", "arguments": {"draft_id": "dft_00000000"}}
    (claude.home / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    asked: list[dict[str, Any]] = []
    before = len(changes())
    command = "nlapi-ads batch rows.jsonl --yes -o json"
    _, said = _conversation(claude, url, [command], lambda request: (asked.append(request), True)[1])
    sent = changes()[before:]
    expect("a batch of 12 is one question", len(asked) == 1 and "12 calls" in json.dumps(asked), asked)
    expect("  one fails in the middle, 11 are done", len(sent) == 12 and '"done": 11' in said, said)
    _, said = _conversation(claude, url, [command], lambda request: (asked.append(request), True)[1])
    expect("  again, the file sends what failed alone", len(changes()) == before + 13, changes()[before:])
