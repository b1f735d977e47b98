"""What is typed at the question: yes, no and why, always, edit; and what `--yes` may say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import NOTES, dialogue, notes, run
from tests.messages_server import MessagesServer, say, use
from tests.servers import Echo, Received, Reply


def words(api: Echo, folder: Path, question: str = "note the plumber") -> tuple[str, ...]:
    return ("ask", question, "-a", notes(folder, api.url), "--planner", "claude")


def both(*blocks: dict[str, Any]) -> dict[str, Any]:
    """An answer of Claude with the calls of several."""
    content = [{**block, "id": f"toolu_{n}"} for n, one in enumerate(blocks) for block in one["content"]]
    return {**blocks[0], "content": content}


PLUMBER, PAINTER = use("createNote", {"title": "Plumber"}), use("createNote", {"title": "Painter"})


NOES = {
    "n: wrong note": ": wrong note",
    "no, the other one": ": the other one",
    "not this one": ": not this one",
    "n": "",
    "": "",
}


def test_a_no_goes_back_to_the_planner_with_its_reason(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [PLUMBER, say("I leave it.")] * len(NOES)
    with dialogue("chat", "-a", notes(tmp_path, api.url), "--planner", "claude") as terminal:
        for typed in NOES:
            terminal.expect("you: ")
            terminal.type("note the plumber\n")
            terminal.expect("Send it? [y/N/always/edit]: ")
            terminal.type(f"{typed}\n")
            terminal.expect("I leave it.")
        terminal.expect("you: ")
        terminal.type("exit\n")
        terminal.end()
    assert api.received == []
    results = [request["messages"][-1]["content"][0]["content"] for request in claude.requests[1::2]]
    assert results == [f"refused: the user said no{reason}; nothing was sent" for reason in NOES.values()]


def test_a_command_that_was_refused_ends_with_6(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [PLUMBER, say("I leave it.")]
    with dialogue(*words(api, tmp_path)) as terminal:
        terminal.expect("Send it? [y/N/always/edit]: ")
        terminal.type("n\n")
        assert terminal.end() == 6
    assert api.received == []


def test_always_is_for_this_operation_in_this_session(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    delete = use("deleteNote", {"note": "n1"})
    claude.script[:] = [PLUMBER, say("First."), PAINTER, say("Second."), delete, say("Third.")]
    with dialogue("chat", "-a", notes(tmp_path, api.url), "--planner", "claude") as terminal:
        terminal.expect("you: ")
        terminal.type("note the plumber\n")
        terminal.expect("createNote changes something. Send it? [y/N/always/edit]: ")
        terminal.type("always\n")
        terminal.expect("First.")
        terminal.type("note the painter\n")
        terminal.expect("always agreed to in this session")
        terminal.expect("Second.")
        terminal.type("delete the note n1\n")
        terminal.expect("deleteNote takes something away. Send it? [y/N/always/edit]: ")
        terminal.type("y\n")
        terminal.expect("Third.")
        terminal.type("exit\n")
        assert terminal.end() == 0
    assert [request.method for request in api.changes] == ["POST", "POST", "DELETE"]


def test_always_is_of_one_thing_and_not_of_several(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("deleteNote", {"note": "n0"}), say("Gone."), *deletes()]
    with dialogue("chat", "-a", notes(tmp_path, api.url), "--planner", "claude") as terminal:
        terminal.expect("you: ")
        terminal.type("delete the note n0\n")
        terminal.expect("Send it? [y/N/always/edit]: ")
        terminal.type("always\n")
        terminal.expect("you: ")
        terminal.type(f"{DELETES}\n")
        terminal.expect("Type notes to send it, or edit: ")
        terminal.type("y\n")
        terminal.expect("3 changes: 3 refused")
    assert [request.path for request in api.changes] == ["/notes/n0"]


def test_always_is_not_for_what_does_not_stand(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [PLUMBER, PLUMBER, say("Once is enough.")]
    with dialogue(*words(api, tmp_path)) as terminal:
        terminal.expect("[y/N/always/edit]: ")
        terminal.type("a\n")
        terminal.expect("sent before")
        terminal.expect("Send it? [y/N/edit]: ")
        terminal.type("always\n")
        terminal.expect("Once is enough.")
        terminal.end()
    assert len(api.received) == 1


def test_edited_arguments_are_shown_and_asked_about_again(
    api: Echo, claude: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/Plumber/Roofer/")
    claude.script[:] = [PLUMBER, say("The roofer it is.")]
    with dialogue(*words(api, tmp_path)) as terminal:
        terminal.expect("[y/N/always/edit]: ")
        terminal.type("edit\n")
        terminal.expect('"title": "Roofer"')
        assert api.received == []
        terminal.expect("[y/N/always/edit]: ")
        terminal.type("y\n")
        terminal.expect("The roofer it is.")
        assert terminal.end() == 0
    assert api.only.json() == {"title": "Roofer"}


def test_an_edit_that_the_operation_does_not_take_is_said_and_asked_about(
    api: Echo, claude: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/title/points/")
    claude.script[:] = [PLUMBER, say("I leave it.")]
    with dialogue(*words(api, tmp_path)) as terminal:
        terminal.expect("[y/N/always/edit]: ")
        terminal.type("e\n")
        terminal.expect("your arguments were not sent: ")
        terminal.expect("[y/N/edit]: ")
        terminal.type("n\n")
        terminal.expect("I leave it.")
        terminal.end()
    assert api.received == []


EDITS = [
    ("sed -i s/}// $1", "this is not JSON"),
    ("sed -i 's/.*/5/' $1", "this is not JSON"),
    ("sed -i 's/{//;s/}//;s/.*title.*/[]/' $1", "this is not an object"),
    ("exit 1", "editor ended with 1; nothing is changed"),
    ("true", "nothing is changed"),
]


def test_a_broken_edit_is_said_and_asked_again(
    api: Echo, claude: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script"
    monkeypatch.setenv("VISUAL", f"sh {script}")
    claude.script[:] = [PLUMBER, say("Done.")]
    with dialogue(*words(api, tmp_path)) as terminal:
        for edit, says in EDITS:
            terminal.expect("[y/N/always/edit]: ")
            script.write_text(edit)
            terminal.type("edit\n")
            terminal.expect(says.replace("editor", f"sh {script}"))
            if "this is not" in says:
                terminal.expect("Edit it again? [Y/n]: ")
                terminal.type("n\n")
        terminal.expect("[y/N/always/edit]: ")
        terminal.type("y\n")
        terminal.expect("Done.")
        assert terminal.end() == 0
    assert api.only.json() == {"title": "Plumber"}


def test_an_editor_that_is_missing_is_said(
    api: Echo, claude: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "/nowhere/vi")
    claude.script[:] = [PLUMBER]
    with dialogue(*words(api, tmp_path)) as terminal:
        terminal.expect("[y/N/always/edit]: ")
        terminal.type("edit\n")
        terminal.expect("/nowhere/vi cannot be run")
        terminal.expect("[y/N/always/edit]: ")
    assert api.received == []


DELETES = "delete the notes n1 and n2 and n3"


def deletes() -> list[dict[str, Any]]:
    return [both(*(use("deleteNote", {"note": note}) for note in ("n1", "n2", "n3"))), say("So it is.")]


def test_several_changes_are_one_question_and_a_report(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = deletes()
    with dialogue(*words(api, tmp_path, DELETES)) as terminal:
        terminal.expect("This deletes 3 notes. Type notes to send it, or edit: ")
        assert api.changes == []
        terminal.type("notes\n")
        terminal.expect("3 changes: 3 done\n")
        terminal.expect("So it is.")
        assert terminal.end() == 0
    assert [request.path for request in api.changes] == ["/notes/n1", "/notes/n2", "/notes/n3"]


def test_a_yes_is_not_enough_to_delete_several_things(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = deletes()
    with dialogue(*words(api, tmp_path, DELETES)) as terminal:
        terminal.expect("Type notes to send it, or edit: ")
        terminal.type("yes\n")
        terminal.end()
    assert api.changes == []


def test_the_report_says_what_failed_and_what_was_not_tried(claude: MessagesServer, tmp_path: Path) -> None:
    def answer(request: Received) -> Reply:
        return Reply(409, {"title": "no"}) if request.path.endswith("n2") else Reply(204)

    with Echo(answer) as api:
        claude.script[:] = deletes()
        ran = run(*words(api, tmp_path, DELETES), "--yes=destroy", "-o", "text")
        claude.script[:] = deletes()
        lines = run(*words(api, tmp_path, DELETES), "--yes=destroy", "-o", "ndjson").lines
    assert "3 changes: 1 done, 1 failed, 1 not tried\n" in ran.err
    assert '  failed: deleteNote note="n2" (409)\n' in ran.err
    assert '  not tried: deleteNote note="n3"\n' in ran.err
    (report,) = [line for line in lines if line["event"] == "reported"]
    fates = ("done", "failed", "not_tried", "refused")
    assert [[one["arguments"]["note"] for one in report[fate]] for fate in fates] == [["n1"], ["n2"], ["n3"], []]


PATCHED: dict[str, Any] = {
    **NOTES,
    "paths": {
        **NOTES["paths"],
        "/notes/{note}": {
            **NOTES["paths"]["/notes/{note}"],
            "patch": {
                **NOTES["paths"]["/notes"]["post"],
                "operationId": "updateNote",
                "summary": "Change a note",
                "parameters": NOTES["paths"]["/notes/{note}"]["get"]["parameters"],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"type": "object", "properties": {"title": {"type": "string"}}}}
                    }
                },
            },
        },
    },
}


def test_an_update_shows_what_changes(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    file = tmp_path / "patched.json"
    file.write_text(json.dumps({**PATCHED, "servers": [{"url": api.url}]}))
    claude.script[:] = [use("updateNote", {"note": "n1", "title": "Bread"}), say("Renamed.")]
    with dialogue("ask", "rename it", "-a", str(file), "--planner", "claude") as terminal:
        terminal.expect('title: "Milk" -> "Bread"')
        terminal.expect("Send it? [y/N")
        terminal.type("y\n")
        terminal.end()
    assert [request.method for request in api.received[:2]] == ["GET", "PATCH"]


def test_a_call_by_its_name_shows_it_too(api: Echo, tmp_path: Path) -> None:
    file = tmp_path / "patched.json"
    file.write_text(json.dumps({**PATCHED, "servers": [{"url": api.url}]}))
    with dialogue("call", str(file), "updateNote", "note=n1", "title=Milk") as terminal:
        terminal.expect('title is already "Milk"')
        terminal.expect("nothing would change")
        terminal.expect("Send it? [y/N]: ")
        terminal.type("n\n")
        assert terminal.end() == 6
    assert api.only.method == "GET"


@pytest.mark.parametrize(
    ("command", "typed"),
    [("call", "y\n"), ("call", "yes\ny\ny\n"), ("call", "\n\ny\n"), ("ask", "yes\ny\ny\n"), ("batch", "\n\ny\n")],
)
def test_what_is_typed_before_a_question_is_no_answer_to_it(
    api: Echo, claude: MessagesServer, tmp_path: Path, command: str, typed: str
) -> None:
    source, rows = notes(tmp_path, api.url), tmp_path / "rows.jsonl"
    rows.write_text('{"note": "n1"}\n')
    claude.script[:] = [use("deleteNote", {"note": "n1"}), say("I leave it.")]
    given = {
        "call": ("call", source, "deleteNote", "note=n1"),
        "ask": ("ask", "delete the note n1", "-a", source, "--planner", "claude"),
        "batch": ("batch", source, str(rows), "deleteNote"),
    }
    with dialogue(*given[command]) as terminal:
        terminal.type(typed)
        terminal.expect("Send it? [y/N")
        terminal.type("n\n")
        terminal.end()
    assert not [request for request in api.received if request.method == "DELETE"]


def test_what_is_typed_ahead_in_a_chat_is_no_consent(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [PLUMBER, say("I leave it."), PLUMBER, say("Done.")]
    with dialogue("chat", "-a", notes(tmp_path, api.url), "--planner", "claude") as terminal:
        terminal.expect("you: ")
        terminal.type("note the plumber\ny\ny\n")
        terminal.expect("Send it? [y/N/always/edit]: ")
        terminal.type("n\n")
        terminal.expect("I leave it.")
        assert api.received == []
        terminal.expect("you: ")
        terminal.type("note the plumber\n")
        terminal.expect("Send it? [y/N/always/edit]: ")
        terminal.type("y\n")
        terminal.expect("Done.")
        terminal.type("exit\n")
        terminal.end()
    assert [request.method for request in api.received] == ["POST"]


@pytest.mark.parametrize("command", ["call", "batch"])
def test_what_is_piped_in_is_no_consent(api: Echo, tmp_path: Path, command: str) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"note": "n1"}\n')
    more = {"call": ("deleteNote", "note=n1"), "batch": (str(rows), "deleteNote")}[command]
    assert run(command, notes(tmp_path, api.url), *more, stdin="y\ny\n").code == 6
    assert api.received == []


@pytest.mark.parametrize("value", ["foo", "", "write", "DESTROY", "destroy,write"])
@pytest.mark.parametrize("command", ["ask", "chat", "call", "resume"])
def test_what_yes_does_not_know_is_named(api: Echo, tmp_path: Path, value: str, command: str) -> None:
    source = notes(tmp_path, api.url)
    given = {
        "ask": ("ask", "delete the note n1", "-a", source),
        "chat": ("chat", "-a", source),
        "call": ("call", source, "deleteNote", "note=n1"),
        "resume": ("log", "resume", "last", "again"),
    }[command]
    ran = run(*given, f"--yes={value}")
    assert ran.code == 2
    assert f"--yes={value} is not understood" in ran.complaint
    assert (
        "--yes consents to changes, --yes=destroy also where words such as `cancel` delete something" in ran.complaint
    )
    assert api.received == []


@pytest.mark.parametrize("yes", ["--yes", "-y", "--yes=destroy"])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_yes_may_stand_anywhere(api: Echo, tmp_path: Path, yes: str, at: int) -> None:
    given = ["call", notes(tmp_path, api.url), "deleteNote", "note=n1"]
    given.insert(at, yes)
    assert run(*given).code == 0
    assert api.only.method == "DELETE"


def test_what_stands_behind_two_dashes_is_no_option(api: Echo, tmp_path: Path) -> None:
    ran = run("ask", "-a", notes(tmp_path, api.url), "--planner", "offline", "--", "--yes=foo")
    assert "is not understood" not in ran.err


def test_another_command_has_no_such_option(tmp_path: Path) -> None:
    assert run("find", "ads", "delete", "--yes=destroy").complaint.startswith("this command has no option --yes")
