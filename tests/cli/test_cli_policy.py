"""The user's policy, wherever a call comes from: `ask`, `chat`, `call`, resume, Python; and `nlapi policy`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import nlapi
from nlapi import aio
from nlapi.errors import ConsentError, UsageError
from tests.cli.kit import dialogue, notes, run
from tests.messages_server import MessagesServer, say
from tests.servers import Echo, Reply


def policy(home: Path, *rules: str) -> None:
    folder = home / "config"
    folder.mkdir(exist_ok=True)
    (folder / "policy.toml").write_text("".join(f"[[rules]]\n{rule}\n" for rule in rules))


DELETE = ("delete the note n1", "--planner", "offline")
DELETES_MINE = ("call", "mine", "deleteNote", "note=n1", "--yes")
DENY = 'api = "*/notes.json"\noperation = "delete*"\nverdict = "deny"'
ASK = 'operation = "deleteNote"\nverdict = "ask"'
ALLOW = 'operation = "deleteNote"\nverdict = "allow"'


@pytest.mark.parametrize("yes", [[], ["--yes"], ["--yes=destroy"]])
def test_what_is_denied_is_never_sent(api: Echo, home: Path, yes: list[str]) -> None:
    policy(home, DENY, ALLOW)
    source = notes(home, api.url)
    asked = run("ask", *DELETE, "-a", source, "-o", "events", *yes)
    called = run("call", source, "deleteNote", "note=n1", *yes)
    with pytest.raises(ConsentError, match="never sent"):
        nlapi.call(nlapi.load(source), "deleteNote", {"note": "n1"}, yes=True)
    told = nlapi.answer(nlapi.tools(nlapi.load(source)), "deleteNote", {"note": "n1"}, yes=True)
    assert api.received == []
    assert (asked.code, called.code) == (6, 6)
    assert "the user's policy says deny api */notes.json, operation delete*" in called.complaint
    assert "policy.toml, rule 1" in called.complaint
    assert "the user's policy says deny" in asked.out
    assert told.startswith("not sent: deleteNote is never sent")


def test_a_read_is_denied_too(api: Echo, home: Path) -> None:
    policy(home, 'effect = "read"\nverdict = "deny"')
    source = notes(home, api.url)
    assert run("call", source, "listNotes").code == 6
    assert run("ask", "list the notes", "-a", source, "--planner", "offline").code == 6
    assert api.received == []


@pytest.mark.parametrize("yes", ["--yes", "--yes=destroy"])
def test_what_asks_asks_whatever_was_consented_to(api: Echo, home: Path, yes: str) -> None:
    policy(home, ASK, ALLOW)
    source = notes(home, api.url)
    for words in (("ask", *DELETE, "-a", source), ("call", source, "deleteNote", "note=n1")):
        ran = run(*words, yes)
        assert ran.code == 6
        assert "your policy says ask operation deleteNote" in ran.err
        assert "run it in a terminal" in ran.err
    spec = nlapi.load(source)
    with pytest.raises(ConsentError, match="each time"):
        nlapi.call(spec, "deleteNote", {"note": "n1"}, yes=True)
    assert api.received == []
    assert nlapi.call(spec, "deleteNote", {"note": "n1"}, yes=lambda prepared: True).ok
    assert asyncio.run(aio.call(spec, "deleteNote", {"note": "n1"}, yes=lambda prepared: True)).ok


def test_what_asks_is_asked_at_a_terminal_under_yes(api: Echo, home: Path) -> None:
    policy(home, ASK)
    with dialogue("call", notes(home, api.url), "deleteNote", "note=n1", "--yes") as terminal:
        terminal.expect("Send it? [y/N]: ")
        assert api.changes == []
        terminal.type("y\n")
        assert terminal.end() == 0
    (change,) = api.changes
    assert change.method == "DELETE"


def test_a_read_that_asks_is_asked(api: Echo, home: Path) -> None:
    policy(home, 'operation = "list*"\nverdict = "ask"')
    source = notes(home, api.url)
    assert run("call", source, "listNotes").code == 6
    assert run("ask", "list the notes", "-a", source, "--planner", "offline", "--yes").code == 6
    assert api.received == []


def test_what_is_allowed_is_sent_without_a_question(api: Echo, home: Path) -> None:
    policy(home, ALLOW)
    source = notes(home, api.url)
    assert run("ask", *DELETE, "-a", source).code == 0
    assert run("call", source, "deleteNote", "note=n1").code == 0
    assert nlapi.call(nlapi.load(source), "deleteNote", {"note": "n1"}).ok
    assert [request.method for request in api.received] == ["DELETE"] * 3
    assert run("call", source, "createNote", "title=Milk").code == 6


def test_an_allowed_change_that_is_a_guess_asks_all_the_same(api: Echo, home: Path) -> None:
    policy(home, 'verdict = "allow"')
    ran = run("ask", "get rid of it", "-a", notes(home, api.url), "--planner", "offline")
    assert ran.code in (6, 7)
    assert not any(request.method == "DELETE" for request in api.received)


def test_a_resumed_conversation_is_held_by_it(api: Echo, home: Path) -> None:
    source = notes(home, api.url)
    assert run("ask", "list the notes", "-a", source, "--planner", "offline").code == 0
    policy(home, DENY)
    assert run("log", "resume", "last", *DELETE, "--yes=destroy").code == 6
    assert [request.method for request in api.received] == ["GET"]


def test_a_registered_api_is_known_by_its_name_and_by_its_file(api: Echo, home: Path) -> None:
    source = notes(home, api.url)
    assert run("api", "add", "mine", source).code == 0
    policy(home, 'api = "mine"\noperation = "delete*"\nverdict = "deny"')
    for name in ("mine", source):
        assert run("call", name, "deleteNote", "note=n1", "--yes").code == 6
    with pytest.raises(ConsentError):
        nlapi.call(nlapi.load("mine"), "deleteNote", {"note": "n1"}, yes=True)
    assert api.received == []


def test_a_description_that_takes_the_name_of_another_is_allowed_nothing(api: Echo, home: Path) -> None:
    policy(home, 'api = "mine"\noperation = "delete*"\nverdict = "allow"')
    source = notes(home, api.url)
    assert run("api", "add", "mine", source).code == 0
    assert run("call", "mine", "deleteNote", "note=n1").code == 0
    api.received.clear()
    for title in ("mine", "MINE", "Mine"):
        other = home / f"{title}.other.json"
        other.write_text(Path(source).read_text().replace('"Notes"', json.dumps(title)))
        assert run("call", str(other), "deleteNote", "note=n1").code == 6
        assert run("ask", *DELETE, "-a", str(other)).code == 6
        assert nlapi.answer(nlapi.tools(nlapi.load(other)), "deleteNote", {"note": "n1"}).startswith("not sent")
    assert run("api", "add", "theirs", str(home / "mine.other.json")).code == 0
    assert run("call", "theirs", "deleteNote", "note=n1").code == 6
    assert api.received == []


@pytest.mark.parametrize("verdict", ["deny", "ask", "allow"])
def test_a_rule_of_an_earlier_version_that_named_a_title_says_what_to_write(
    verdict: str, api: Echo, home: Path
) -> None:
    policy(home, f'api = "Notes"\noperation = "delete*"\nverdict = "{verdict}"')
    source = notes(home, api.url)
    assert run("api", "add", "mine", source).code == 0
    for name in ("mine", source):
        for words in (("call", name, "listNotes"), ("ask", *DELETE, "-a", name, "--yes"), ("policy", "check", name)):
            ran = run(*words)
            assert ran.code == 2
            assert "rule 1" in ran.complaint
            assert 'write "mine" in its place' in ran.complaint
    with pytest.raises(UsageError, match="rules no longer go by titles"):
        nlapi.call(nlapi.load(source), "listNotes", {})
    assert api.received == []


def test_a_source_that_was_registered_and_has_changed_is_allowed_nothing(api: Echo, home: Path) -> None:
    policy(home, 'api = "mine"\nverdict = "allow"')
    source = notes(home, api.url)
    assert run("api", "add", "mine", source).code == 0
    assert run("call", source, "deleteNote", "note=n1").code == 0
    text = Path(source).read_text()
    Path(source).write_text(text.replace('"deleteNote"', '"removeNote"'))
    assert run("call", source, "removeNote", "note=n1").code == 6
    assert len(api.received) == 1


def test_an_allow_for_an_origin_is_for_the_requests_that_go_there(api: Echo, home: Path) -> None:
    policy(home, f'api = "{api.url}"\noperation = "delete*"\nverdict = "allow"')
    with Echo() as other:
        there = notes(home, other.url)
        assert run("call", there, "deleteNote", "note=n1").code == 6
        assert run("call", there, "deleteNote", "note=n1", "--base-url", api.url).code == 0
        here = notes(home, api.url)
        assert run("call", here, "deleteNote", "note=n1").code == 0
        assert run("call", here, "deleteNote", "note=n1", "--base-url", other.url).code == 6
        assert other.received == []
    assert len(api.received) == 2


def test_operations_that_are_not_there_are_named(api: Echo, home: Path) -> None:
    policy(home, 'api = "*/notes.json"\noperation = "deletNote"\nverdict = "deny"')
    ran = run("call", notes(home, api.url), "listNotes")
    assert ran.code == 0
    assert "rule 1: no operation is called 'deletNote' (did you mean 'deleteNote'" in ran.err
    checked = run("policy", "check", notes(home, api.url))
    assert checked.code == 2
    assert "deletNote" in checked.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rules]\n", "is not TOML"),
        ('[[rules]]\nverdict = "never"\n', "the verdict 'never' is not known"),
        ('[[rules]]\nverdict = "deny"\noperaton = "x"\n', "'operaton' is not known"),
        ('[[rules]]\nverdict = "deny"\neffect = "remove"\n', "the effect 'remove' is not known"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_policy_that_cannot_be_read_holds_everything(api: Echo, home: Path, text: str | bytes, says: str) -> None:
    source = notes(home, api.url)
    policy(home)
    (home / "config" / "policy.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    for words in (("ask", *DELETE, "-a", source), ("call", source, "listNotes"), ("policy", "list")):
        ran = run(*words)
        assert ran.code == 2
        assert says in ran.err
    with pytest.raises(UsageError):
        nlapi.call(nlapi.load(source), "listNotes", {})
    assert api.received == []


def _dangling(file: Path) -> None:
    file.symlink_to(file.with_name("gone"))


def _loop(file: Path) -> None:
    file.symlink_to(file)


def _far_link(file: Path) -> None:
    (file.with_name("far")).symlink_to(file.with_name("gone"))
    file.symlink_to(Path("far", "policy.toml"))


# What stands in the place of a file that cannot be read.
OBSTACLES = [_dangling, _loop, _far_link, Path.mkdir, os.mkfifo]


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("name", ["policy.toml", "apis.toml", "models.toml", "aliases.json"])
def test_what_cannot_be_read_is_no_absent_file(
    api: Echo, home: Path, name: str, obstacle: Callable[[Path], None]
) -> None:
    source = notes(home, api.url)
    policy(home)
    assert run("api", "add", "mine", source).code == 0
    file = home / "config" / name
    file.unlink(missing_ok=True)
    obstacle(file)
    words = ("ask", *DELETE, "-a", "mine", "--planner", "claude") if name == "models.toml" else DELETES_MINE
    ran = run(*(("mine2",) if name == "aliases.json" else words))
    assert (ran.code, name in ran.complaint) in ((1, True), (2, True)), ran.err
    assert api.received == []


def test_a_folder_of_rules_that_leads_nowhere_holds_everything(api: Echo, home: Path) -> None:
    source = notes(home, api.url)
    (home / "config").symlink_to(home / "gone")
    for words in (("call", source, "deleteNote", "note=n1", "--yes"), ("policy", "list")):
        assert "cannot be read: it is a link that leads nowhere" in run(*words).complaint
    (home / "config").unlink()
    (home / "config").write_text("")
    assert "policy.toml cannot be read: Not a directory" in run("call", source, "listNotes").complaint
    with pytest.raises(UsageError):
        nlapi.call(nlapi.load(source), "listNotes", {})
    assert api.received == []


def test_the_rules_are_listed_and_checked(api: Echo, home: Path) -> None:
    assert "no rule" in run("policy", "list", "-o", "table").err
    policy(home, DENY, 'effect = ["write", "destroy"]\nverdict = "ask"')
    assert [rule["verdict"] for rule in run("policy").json] == ["deny", "ask"]
    source = notes(home, api.url)
    assert run("api", "add", "mine", source).code == 0
    checked = run("policy", "check")
    assert checked.code == 0
    assert "mine: deny api */notes.json, operation delete*: 1 operation\n" in checked.out
    assert "mine: ask effect write or destroy: 4 operations\n" in checked.out
    policy(home, 'api = "yours"\nverdict = "deny"')
    assert "no registration, source or origin is yours" in run("policy", "check").complaint


def test_a_field_that_is_hidden_reaches_no_model_and_a_person(home: Path) -> None:
    with Echo(Reply(200, [{"id": "n1", "text": "buy milk", "author": {"email": "a@x.example"}}])) as api:
        source = notes(home, api.url)
        (home / "config").mkdir(exist_ok=True)
        (home / "config" / "policy.toml").write_text('[[fields]]\napi = "*/notes.json"\nhide = "*mail"\n')
        called = run("call", source, "listNotes")
        told = nlapi.answer(nlapi.tools(nlapi.load(source)), "listNotes", {}, yes=True)
    assert "a@x.example" in called.out
    assert "a@x.example" not in told
    assert "buy milk" in told


def test_what_the_embedded_planner_has_answered_reaches_no_later_model(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"id": "n1", "title": "Milk", "author": {"email": "a@x.example"}}
    with Echo(Reply(200, row)) as api, MessagesServer([say("It is Milk.")], key="sk-test") as claude:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        source = notes(home, api.url)
        (home / "config").mkdir(exist_ok=True)
        (home / "config" / "policy.toml").write_text('[[fields]]\nhide = "*mail"\n')
        ran = run("chat", "-a", source, stdin="show the note n1\nwhy does the first one smell of roses?\n")
    assert "a@x.example" in ran.out
    assert len(api.received) == len(claude.requests) == 1
    sent = json.dumps(claude.requests[0]["messages"])
    assert "Milk" in sent and "a@x.example" not in sent
