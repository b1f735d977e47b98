"""The hook of a plugin, run as Claude Code runs it: asks before what may change something, says nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nlapi.plugin.consent import calls
from tests.plugin.kit import LIBRARY, placed, sh

API = "nlapi-city-library"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return placed(tmp_path_factory.mktemp("plugin with spaces") / "library", LIBRARY)


def asked(plugin: Path, command: str, **env: str) -> str:
    """The reason with which the hook has the user asked about a command; "" when it lets it pass."""
    event = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": command}}
    done = sh("sh", plugin / "hooks" / "consent.sh", stdin=json.dumps(event), **env)
    assert done.returncode == 0, done.stderr
    if not done.stdout.strip():
        return ""
    answer: dict[str, Any] = json.loads(done.stdout)["hookSpecificOutput"]
    assert answer["hookEventName"] == "PreToolUse"
    assert answer["permissionDecision"] == "ask"
    return str(answer["permissionDecisionReason"])


@pytest.mark.parametrize(
    "command",
    [
        "ls -la",
        "rm -rf / --yes",
        f"{API} listBooks genre=NOVEL | jq '.data[0]' > out.json 2>&1",
        f"id=$({API} listBooks --jq '.data[0].id') && {API} getBook book_id=\"$id\"",
        f"/opt/p/bin/{API} getBook book_id='x; y' # one of two",
        f"{API} addBook title=Dune --dry-run",
        f'{API} addBook --args \'{{"title": "a;b"}}\' --dry-run --yes',
        f"{API} removeBook book_id=b1 --curl",
        f"{API} --find lend a book",
        f"{API} --about addBook",
        f"({API} listBooks &>out) >>log 2>&1 <<<in; {API} listLoans >|out",
        f"which {API}; cat /plugins/{API}/README.md; grep {API} notes",
        f'git commit -m "describe {API}: --yes"',
        f"bash -c '{API} listBooks'",
    ],
)
def test_reads_and_dry_runs_and_other_commands_pass(plugin: Path, command: str) -> None:
    assert asked(plugin, command) == ""


@pytest.mark.parametrize(
    "command",
    [
        f"{API} removeBook book_id=b1 --yes",
        f"{API} removeBook book_id=b1 -y",
        f"{API} --yes removeBook book_id=b1",
        f"{API} -o json removeBook book_id=b1 --yes",
        f"{API} removeBook book_id=b1",
        f"{API} listBooks; {API} removeBook book_id=b1 --yes",
        f"{API} listBooks\n{API} removeBook book_id=b1 --yes",
        f"{API} removeBook \\\n  book_id=b1 --yes",
        f"for id in a b; do {API} removeBook book_id=$id --yes; done",
        f"echo b1 | xargs -I@ {API} removeBook book_id=@ --yes",
        f"echo removeBook book_id=b1 --yes | xargs {API}",
        f"bash -c '{API} removeBook book_id=b1 --yes'",
        f'echo "$({API} removeBook book_id=b1 --yes)"',
        f"echo `{API} removeBook book_id=b1 --yes`",
        f"eval \"{API} removeBook 'book_id=b1' --yes\"",
        f"{API} $OPERATION --yes",
        f"{API} unknown --dry-run",
        f"{API} addBook --help",
        f"{API} removeBook book_id=b1 --yes > --dry-run",
        f"{API} removeBook book_id=b1 --yes # --dry-run",
        f"{API} listBooks # none\n{API} removeBook book_id=b1 --yes",
        f"{API} removeBook book_id=b1 --yes ${{X:+ --dry-run }}",
        f"{API} removeBook book_id=b1 --yes ${{X:+ --help }}",
        f"{API} removeBook book_id=b1 --yes `true` --dry-run",
        f"{API} listBooks;>out {API} removeBook book_id=b1 --yes",
        f"{API} listBooks &\n>out {API} removeBook book_id=b1 --yes",
        f"{API} listBooks |tee x>out; {API} removeBook book_id=b1 --yes",
        f"{API} removeBook book_id=b#1 --yes; {API} listBooks",
        f"{API} 'unfinished",
        f"CITY_LIBRARY_BASE_URL=http://elsewhere.example {API} listBooks",
        f"export CITY_LIBRARY_TOKEN=x; {API} listBooks",
        f"PATH=/tmp:$PATH {API} listBooks",
        f"HTTPS_PROXY=http://elsewhere.example {API} listBooks",
    ],
)
def test_what_may_change_something_or_lead_elsewhere_is_asked_about(plugin: Path, command: str) -> None:
    assert asked(plugin, command) != ""


def test_the_question_is_the_exact_request(plugin: Path) -> None:
    reason = asked(
        plugin, f"{API} addBook title='Dune: I' fine='2 EUR' --yes", CITY_LIBRARY_BASE_URL="http://127.0.0.1:9/x"
    )
    head, _, body = reason.partition("\n\n")
    assert head.startswith("addBook changes something:\nPOST http://127.0.0.1:9/x/books\n")
    assert json.loads(body) == {"title": "Dune: I", "fine": 200}
    assert "takes something away" in asked(plugin, f"{API} removeBook book_id=b1 --yes")


def test_arguments_from_elsewhere_are_named_not_read(plugin: Path) -> None:
    assert "-" in asked(plugin, f"cat secret | {API} addBook --args - --yes")
    assert "@secret.json" in asked(plugin, f"{API} addBook --args @secret.json --yes")
    assert "elsewhere" in asked(plugin, f'{API} addBook title="$TITLE" --yes')


def test_the_user_is_asked_whatever_goes_wrong_in_the_hook(plugin: Path, tmp_path: Path) -> None:
    reason = asked(plugin, f"{API} listBooks", PATH=os.defpath)
    assert "cannot tell" in reason
    hook = plugin / "hooks" / "consent.sh"
    assert "cannot tell" in sh("sh", hook, stdin=f"not JSON, {API}").stdout
    lost = placed(tmp_path / "lost", LIBRARY)
    (lost / "api" / "openapi.json").unlink()
    assert "cannot tell" in asked(lost, f"{API} listBooks")


def test_calls_are_found_wherever_a_shell_would_run_them() -> None:
    assert calls("nlapi-x a b=1 && cd /tmp && ./bin/nlapi-x c 2>/dev/null", "nlapi-x") == [["a", "b=1"], ["c"]]
    assert calls("FOO=1 timeout 5 nlapi-x a 'b c' | cat", "nlapi-x") == [["a", "b c"]]
    assert calls("other-nlapi-x a; my/nlapi-x-not b", "nlapi-x") == []
    assert calls("nlapi-x a 'b", "nlapi-x") is None
    nested = "nlapi-x a"
    for _ in range(6):
        nested = f"sh -c {json.dumps(nested)}"
    assert calls(nested, "nlapi-x") is None
