"""The hook of a plugin, run as Claude Code runs it: asks before what may change something, says nothing else."""

from __future__ import annotations

import json
import os
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from nlapi.plugin.shell_calls import find_calls
from tests.cli.kit import run
from tests.plugin.kit import LIBRARY, big, placed, sh
from tests.tables import table

API = "nlapi-city-library"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return placed(tmp_path_factory.mktemp("plugin with spaces") / "library", LIBRARY)


def event_of(tool: str, given: dict[str, Any]) -> str:
    return json.dumps({"hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": given})


def by_hook(plugin: Path, event: str, **env: str) -> str:
    """The reason with which the hook has the user asked about an event; "" when it lets it pass."""
    done = sh("sh", plugin / "hooks" / "consent.sh", stdin=event, **env)
    assert done.returncode == 0, done.stderr
    return reason_in(done.stdout)


def by_program(plugin: Path, event: str, **env: str) -> str:
    """The same of the program that the hook runs, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        ran = run("plugin", "consent", str(plugin), stdin=event)
    assert (ran.code, ran.err) == (0, "")
    return reason_in(ran.out)


def asked(plugin: Path, command: str, **env: str) -> str:
    return by_program(plugin, event_of("Bash", {"command": command}), **env)


def of_tool(plugin: Path, name: str, given: dict[str, Any], **env: str) -> str:
    """The same for a tool of the plugin's MCP server."""
    return by_program(plugin, event_of(tool_name(plugin, name), given), **env)


def tool_name(plugin: Path, name: str) -> str:
    manifest = json.loads((plugin / ".claude-plugin/plugin.json").read_text())
    return f"mcp__plugin_{manifest['name']}_api__{name}"


def reason_in(output: str) -> str:
    if not output.strip():
        return ""
    answer: dict[str, Any] = json.loads(output)["hookSpecificOutput"]
    assert answer["hookEventName"] == "PreToolUse"
    assert answer["permissionDecision"] == "ask"
    return str(answer["permissionDecisionReason"])


def test_the_hook_answers_what_its_program_does(plugin: Path) -> None:
    commands = (f"{API} listBooks genre=NOVEL | jq '.data[0]'", f"{API} removeBook book_id=b1 --yes")
    events = [event_of("Bash", {"command": command}) for command in commands]
    events.append(event_of(tool_name(plugin, "removeBook"), {"book_id": "b1"}))
    variables = ("CITY_LIBRARY_BASE_URL", "CLAUDE_PLUGIN_OPTION_BASE_URL")
    # Each event as the client gives it, and the other variable with one of them: it is the program that reads both.
    for variable, event in (*zip(cycle(variables), events), (variables[1], events[2])):
        env = {variable: "http://127.0.0.1:9/x"}
        reason = by_hook(plugin, event, **env)
        assert reason == by_program(plugin, event, **env)
        assert ("http://127.0.0.1:9/x/books/b1" in reason) == ("removeBook" in event)


@table(
    "command",
    [
        "ls -la",
        "rm -rf / --yes",
        f"{API} listBooks genre=NOVEL | jq '.data[0]' > out.json 2>&1",
        f"id=$({API} listBooks --jq '.data[0].id')",
        f"{API} listBooks --jq '.data[] | select(.title | test(\"^D.*?$\")) | {{id}}'",
        f"{API} addBook title='costs $5, or *' --dry-run",
        f"/opt/p/bin/{API} getBook book_id='x; y' # one of two",
        f"{API} addBook title=Dune --dry-run",
        f'{API} addBook --args \'{{"title": "a;b"}}\' --dry-run',
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


@table(
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
        f"{API} GET /books",
        f"{API} DELETE /books/b1 --yes",
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
        f"CLAUDE_PLUGIN_OPTION_BASE_URL=http://elsewhere.example {API} listBooks",
        f"export NLAPI_CITY_LIBRARY_SESSION=/tmp/x; {API} listBooks",
        f"HTTPS_PROXY=http://elsewhere.example {API} listBooks",
        f"UV_INDEX_URL=http://elsewhere.example {API} listBooks",
        f"SSL_CERT_FILE=/tmp/x {API} listBooks",
        f"read CITY_LIBRARY_BASE_URL < url; {API} listBooks",
        f"printf -v CITY_LIBRARY_BASE_URL http://elsewhere.example; {API} listBooks",
        f'export "CITY_LIBRARY_BASE_URL"=http://elsewhere.example; {API} listBooks',
        f"set -a; : ${{CITY_LIBRARY_BASE_URL:=http://elsewhere.example}}; {API} listBooks",
        f". ./elsewhere.env; {API} listBooks",
        f"cd /tmp && source elsewhere.env && {API} listBooks",
        f"x={API}; $x removeBook book_id=b1 --yes",
        f"X='{API} removeBook book_id=b1'; $X --yes",
        f"alias x={API}; x removeBook book_id=b1 --yes",
        f"{{{API},removeBook,book_id=b1,--yes}}",
        f'python3 -c \'import subprocess; subprocess.run(["{API}", "removeBook", "book_id=b1", "--yes"])\'',
        'nlapi-"city"-library removeBook book_id=b1 --yes',
        "nlapi-city\\-library removeBook book_id=b1 --yes",
        f"{API} removeBook book_id=b1 --yes <<- --dry-run\n--dry-run",
        f'{API} removeBook book_id=b1 --yes "`echo --jq`" --dry-run',
        f"{API} removeBook book_id=b1 --yes [-]-jq --dry-run",
    ],
)
def test_what_may_change_something_or_lead_elsewhere_is_asked_about(plugin: Path, command: str) -> None:
    assert asked(plugin, command) != ""


def test_the_question_is_the_exact_request(plugin: Path) -> None:
    reason = asked(
        plugin, f"{API} addBook title='Dune: I' fine='2 EUR' --yes", CITY_LIBRARY_BASE_URL="http://127.0.0.1:9/x"
    )
    head, body, notes = reason.split("\n\n")
    assert head.startswith("addBook changes something:\nPOST http://127.0.0.1:9/x/books\n")
    assert json.loads(body) == {"title": "Dune: I", "fine": 200}
    assert notes == "fine: 2 EUR -> 200 cents"
    assert "takes something away" in asked(plugin, f"{API} removeBook book_id=b1 --yes")
    raw = asked(plugin, f"{API} addBook --raw-body '{{\"title\": \"Emma\"}}' -H 'X-Trace: 1' --yes")
    assert '"title": "Emma"' in raw
    assert "X-Trace: 1" in raw


def test_no_call_of_several_is_hidden_behind_a_long_one(plugin: Path) -> None:
    reason = asked(plugin, f"{API} addBook title={'x' * 9_000} --yes; {API} removeBook book_id=b1 --yes")
    assert reason.startswith(
        "2 calls: addBook changes something: POST https://library.example/v2/books; removeBook takes"
    )
    # Where each goes is named first, and a long value hides no field behind it.
    assert "DELETE https://library.example/v2/books/b1" in reason.partition("\n")[0]
    assert '"labels": ["last"]' in " ".join(
        asked(plugin, f"{API} addBook title={'x' * 9_000} labels=last --yes").split()
    ).replace("[ ", "[").replace(" ]", "]")
    many = "; ".join(f"{API} removeBook book_id=b{number} --yes" for number in range(60))
    assert "None will be sent" in asked(plugin, many)


def test_arguments_from_elsewhere_are_named_not_shown(plugin: Path, tmp_path: Path) -> None:
    assert "standard input" in asked(plugin, f"cat secret | {API} addBook --args - --yes")
    assert "elsewhere" in asked(plugin, f'{API} addBook title="$TITLE" --yes')
    # A question that is denied is told to the model.
    (tmp_path / "book.json").write_text('{"title": "A secret"}')
    said = asked(plugin, f"{API} addBook --args '@{tmp_path}/book.json' --yes")
    assert "book.json (21 bytes, SHA-256 " in said
    assert "A secret" not in said


@table(
    "command",
    [
        f'id=x; {API} getBook book_id="$id"',
        f'{API} getBook book_id="$(cat /etc/passwd)"',
        f"{API} getBook book_id=`cat secret`",
        f"{API} getBook --args @secret.json",
        f"{API} listBooks genre=@secret",
        f"cat secret | {API} getBook --args -",
        f"{API} getBook book_id=~",
        f"{API} getBook {{book_id=a,limit=1}}",
        f"{API} --find $(cat secret)",
        f"{API} getBook --args=- < secret",
        f"{API} batch secret.csv listBooks",
    ],
)
def test_a_read_that_carries_what_the_shell_or_a_file_says_is_asked_about(plugin: Path, command: str) -> None:
    assert "only reads" in asked(plugin, command)


def test_calls_by_nlapi_itself_are_asked_about_with_their_request(plugin: Path) -> None:
    call = f"nlapi call '{plugin}/api/openapi.json'"
    assert "POST http://127.0.0.1:9/books" in asked(
        plugin, f"{call} addBook title=x --base-url http://127.0.0.1:9 --yes"
    )
    assert asked(plugin, f"{call} listBooks --base-url http://127.0.0.1:9") == ""
    assert asked(plugin, "pip install 'nlapi[mcp]'; nlapi find ads x; nlapi=1") == ""


def test_the_user_is_asked_whatever_goes_wrong_in_the_hook(plugin: Path, tmp_path: Path) -> None:
    reason = by_hook(plugin, event_of("Bash", {"command": f"{API} listBooks"}), PATH=os.defpath)
    assert "cannot tell" in reason
    hook = plugin / "hooks" / "consent.sh"
    assert "cannot tell" in sh("sh", hook, stdin=f"not JSON, {API}").stdout
    lost = placed(tmp_path / "lost", LIBRARY)
    (lost / "api" / "openapi.json").unlink()
    assert "cannot tell" in by_hook(lost, event_of("Bash", {"command": f"{API} listBooks"}))


def test_calls_are_found_wherever_a_shell_would_run_them() -> None:
    assert find_calls("nlapi-x a b=1 && cd /tmp && ./bin/nlapi-x c 2>/dev/null", "nlapi-x") == [["a", "b=1"], ["c"]]
    assert find_calls("FOO=1 timeout 5 nlapi-x a 'b c' | cat", "nlapi-x") == [["a", "b c"]]
    assert find_calls("other-nlapi-x a; my/nlapi-x-not b", "nlapi-x") == []
    assert find_calls("nlapi-x a 'b", "nlapi-x") is None
    nested = "nlapi-x a"
    for _ in range(6):
        nested = f"sh -c {json.dumps(nested)}"
    assert find_calls(nested, "nlapi-x") is None


@table(
    "command",
    [
        "nlapi-x get --jq '#' k=$S",
        "nlapi-x get \\#x k=$S",
        "nlapi-x all # of them \\\nnlapi-x get k=$S",
        "nlapi-x get # it's\nnlapi-x get k=$S # it's",
        "nlapi-x get --columns <(true) k=$S",
        "eval 'nlapi-x get' k=$S",
        "env -S'nlapi-x get k=${S}'",
        "cat secret | xargs nlapi-x get",
        "xargs -a secret -I% nlapi-x get k=%",
        'cat() { "$@"; }; cat nlapi-x get k=$S',
        ">x=$(true)cat nlapi-x get k=$S",
        "nlapi-x get k=/etc/pass[w]d",
        "fish -c 'nlapi-x get k=(cat secret)'",
    ],
)
def test_what_is_not_written_out_is_seen_in_any_form_of_a_command(command: str) -> None:
    calls = find_calls(command, "nlapi-x")
    assert calls is None or any(word.expands for words in calls for word in words)


def test_what_is_written_out_is_no_expansion() -> None:
    for command in (
        'nlapi-x list \\\n  k=a # it\'s "all" of $them',
        "nlapi-x list --jq '.data[0] | {id, n: \"$x\"}' k='a#b' l=a#b",
        "# don't\nnlapi-x list --jq .data[0].name",
        "timeout 5 nlapi-x list k=v | xargs echo",
        "cat nlapi-x; nlapi-x list && ls nlapi-x",
        "for i in 1 2; do nlapi-x list page=1; done",
    ):
        calls = find_calls(command, "nlapi-x")
        assert calls, command
        assert all(words[0] == "list" and not any(word.expands for word in words) for words in calls), command


def test_a_tool_that_reads_passes_and_one_that_changes_is_asked_about(plugin: Path) -> None:
    assert of_tool(plugin, "listBooks", {"genre": "NOVEL"}) == ""
    said = of_tool(plugin, "addBook", {"title": "Dune", "fine": "2 EUR"}, CITY_LIBRARY_BASE_URL="http://127.0.0.1:9")
    assert said.startswith("addBook changes something:\nPOST http://127.0.0.1:9/books\n")
    assert '"fine": 200' in said
    assert "takes something away" in of_tool(plugin, "removeBook", {"book_id": "b1"})
    configured = {"CLAUDE_PLUGIN_OPTION_BASE_URL": "http://127.0.0.1:8"}
    assert "http://127.0.0.1:8/books/b1" in of_tool(plugin, "removeBook", {"book_id": "b1"}, **configured)


@table(("name", "given"), [("unknown", {}), ("addBook", {}), ("addBook", {"title": 7, "x": 1})])
def test_a_call_of_a_tool_that_cannot_be_shown_is_asked_about_too(plugin: Path, name: str, given: Any) -> None:
    assert "cannot be shown" in of_tool(plugin, name, given)


def test_the_tools_of_a_large_api_are_looked_into(tmp_path: Path) -> None:
    tree = big(60, 3)
    tree["paths"]["/wipe"] = {"delete": {"operationId": "wipe", "responses": {}}}
    label = {"name": "label", "in": "query", "schema": {"type": "string"}}
    tree["paths"]["/tag"] = {"put": {"operationId": "tag", "parameters": [label], "responses": {}}}
    large = placed(tmp_path / "large", tree)
    assert of_tool(large, "find", {"words": "things"}) == ""
    assert of_tool(large, "describe", {"operation": "wipe"}) == ""
    assert of_tool(large, "read", {"operation": "list3"}) == ""
    assert of_tool(large, "change", {"operation": "list3", "arguments": {}}) == ""
    assert of_tool(large, "result", {"result": "r1", "sort": "-id"}) == ""
    assert "wipe takes something away" in of_tool(
        large, "change", {"operation": "wipe"}, BIG_BASE_URL="http://127.0.0.1:9"
    )
    # The server takes arguments beside the operation, so the question has them too.
    beside = of_tool(large, "change", {"operation": "tag", "label": "now"}, BIG_BASE_URL="http://127.0.0.1:9")
    assert "PUT http://127.0.0.1:9/tag?label=now" in beside
    assert of_tool(large, "change", {"operation": "other"})
    assert of_tool(large, "change", {})
