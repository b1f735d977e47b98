"""Completion: APIs, operations, arguments, choices and ids, in the forms of four shells."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from nlapi.cli.app import app
from nlapi.cli.command_table import COMMANDS
from nlapi.cli.completion.complete import SOURCE_COMMANDS, VALUE_OPTIONS
from tests.cli.kit import Ran, notes, run, shell_dialogue
from tests.servers import Echo, Reply


def press(monkeypatch: pytest.MonkeyPatch, *words: str, shell: str = "lines") -> Ran:
    """What a shell is told when Tab is pressed at the end of `nlapi` and these words."""
    with monkeypatch.context() as patch:
        patch.setenv("_NLAPI_COMPLETE", f"complete_{shell}")
        patch.setenv("_TYPER_COMPLETE_ARGS", " ".join(["nlapi", *words]))
        patch.setenv("COMP_WORDS", "\n".join(["nlapi", *words]))
        patch.setenv("COMP_CWORD", str(len(words)))
        patch.setenv("_TYPER_COMPLETE_WORD_TO_COMPLETE", words[-1])
        return run()


def values(ran: Ran) -> list[str]:
    return [line.partition("\t")[0] for line in ran.out.splitlines()]


def test_commands_apis_operations_arguments_and_choices_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = notes(tmp_path)
    assert run("api", "add", "memo", source).code == 0
    assert values(press(monkeypatch, "des")) == ["describe"]
    assert values(press(monkeypatch, "call", "me")) == ["memo"]
    assert values(press(monkeypatch, "ask", "x", "-a", "a")) == ["ads"]
    assert values(press(monkeypatch, "call", "memo", "get")) == ["getNote"]
    assert values(press(monkeypatch, "call", "--curl", "memo", "listNotes", "")) == [
        *("status=", "limit=", "pinned=", "label=", "filter_owner=")
    ]
    assert values(press(monkeypatch, "call", "memo", "listNotes", "limit=1", "l")) == ["label="]
    assert values(press(monkeypatch, "call", source, "listNotes", "status=")) == ["status=open", "status=done"]
    assert values(press(monkeypatch, "call", source, "listNotes", "pinned=t")) == ["pinned=true"]
    assert values(press(monkeypatch, "call", source, "listNotes", "--out")) == ["--output"]
    assert values(press(monkeypatch, "call", source, "nope", "")) == []


def test_a_changed_description_is_completed_as_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = notes(tmp_path)
    assert "getNote" in values(press(monkeypatch, "call", source, ""))
    notes(tmp_path, paths={"/a": {"get": {"operationId": "readA", "responses": {"200": {"description": "ok"}}}}})
    assert values(press(monkeypatch, "call", source, "")) == ["readA"]


def test_ids_are_those_of_the_last_list_and_their_file_is_for_the_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: Echo
) -> None:
    source = notes(tmp_path, api.url)
    assert run("call", source, "listNotes").code == 0
    assert press(monkeypatch, "call", source, "getNote", "note=").out == "note=n1\tMilk\nnote=n2\tRent\n"
    files = list((tmp_path / "cache" / "completion").rglob("*.json"))
    assert files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert run("describe", source, "getNote").json["examples"] == [f"nlapi call {source} getNote note=n1"]


def test_no_id_is_stored_where_the_user_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: Echo) -> None:
    monkeypatch.setenv("NLAPI_COMPLETION_IDS", "off")
    source = notes(tmp_path, api.url)
    assert run("call", source, "listNotes").code == 0
    assert list((tmp_path / "cache" / "completion").rglob("ids.json")) == []
    assert press(monkeypatch, "call", source, "getNote", "note=").out == ""


def test_nothing_that_may_be_a_secret_is_stored(tmp_path: Path) -> None:
    get = {"responses": {"200": {"description": "ok"}}}
    paths = {"/keys": {"get": {"operationId": "list", **get}}, "/access-tokens": {"get": {"operationId": "t", **get}}}
    entries = [{"id": "k1", "name": "ci", "api_key": "canary-1", "secret_id": "canary-2", "tokenId": "canary-3"}]
    with Echo(Reply(200, entries)) as api:
        source = notes(tmp_path, api.url, paths=paths)
        assert run("call", source, "list").code == run("call", source, "t").code == 0
    text = "".join(file.read_text() for file in (tmp_path / "cache" / "completion").rglob("*.json"))
    assert "k1" in text
    assert "canary" not in text
    (stored,) = (tmp_path / "cache" / "completion").rglob("ids.json")
    assert list(json.loads(stored.read_text())["data"]) == ["list"]


def test_bash_is_given_what_follows_its_own_word_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = notes(tmp_path)
    line = ("call", source, "listNotes", "status")
    assert press(monkeypatch, *line, "=", shell="bash").out == "open\ndone\n"
    assert press(monkeypatch, *line, "=", "o", shell="bash").out == "open\n"
    assert press(monkeypatch, *line[:-1], "status=o", shell="bash").out == "status=open\n"


def test_the_forms_of_the_shells_evaluate_nothing_of_an_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = 'a\'b "c" $(touch x) `y`: z\n\x1b[31m'
    node = {"operationId": "read", "summary": about, "responses": {"200": {"description": "ok"}}}
    source = notes(tmp_path, paths={"/a": {"get": node}})
    line = ("call", source, "re")
    assert press(monkeypatch, *line, shell="powershell").out.startswith("read:::a'b")
    assert press(monkeypatch, *line, shell="bash").out == "read\n"
    zsh = press(monkeypatch, *line, shell="zsh").out
    assert r"\$(touch x) \`y\`" in zsh
    assert not {"\x1b", "\r"} & set(zsh)
    assert press(monkeypatch, *line, shell="fish").out.count("\n") == 1


SHELLS = {
    "bash": ("--norc --noprofile -i", "source <(nlapi completion bash)"),
    "zsh": ("-f -i", "autoload -U compinit; compinit -D -u; source <(nlapi completion zsh)"),
    "fish": ("--no-config -i", "nlapi completion fish | source"),
}
"""The options that leave out the user's settings, and the line that loads the script."""


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_in_the_real_shell(shell: str, tmp_path: Path) -> None:
    if (program := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    source, (options, load) = notes(tmp_path), SHELLS[shell]
    names = ("NLAPI_CONFIG_DIR", "NLAPI_CACHE_DIR", "NLAPI_STATE_DIR")
    env = {name: os.environ[name] for name in names} | {"HOME": str(tmp_path), "TERM": "xterm", "LANG": "C.UTF-8"}
    env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with shell_dialogue(program, *options.split(), env=env) as talk:
        talk.type(f"{load}\necho load''ed\n")
        talk.expect("loaded")
        talk.type(f"nlapi cal\t{source} listN\tstatus=o\t --curl\n")
        talk.expect("/notes?status=open")


def test_the_light_path_knows_which_options_take_a_value() -> None:
    group = get_command(app)
    context = group.make_context("nlapi", ["--help"], resilient_parsing=True)
    for name in SOURCE_COMMANDS:
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        for param in command.params:
            if param.param_type_name == "option" and not param.is_flag:
                assert set(param.opts) <= VALUE_OPTIONS, f"{name} {param.opts}"


def test_help_says_of_each_command_what_the_command_says() -> None:
    group = get_command(app)
    context = group.make_context("nlapi", ["--help"], resilient_parsing=True)
    for name, entry in COMMANDS.items():
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        assert " ".join(command.help.split("\n\n")[0].split()) == entry.help


def test_a_key_press_imports_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = notes(tmp_path)
    assert run("describe", source, "listNotes").code == 0
    program = (
        "import os, sys\n"
        f"os.environ.update(_NLAPI_COMPLETE='complete_lines', _TYPER_COMPLETE_ARGS='nlapi call {source} ')\n"
        "from nlapi.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "listNotes" in done.stdout
    assert set(done.stderr.split()) & {"typer", "rich", "nlapi.openapi.spec", "asyncio", "httpx2"} == set()
