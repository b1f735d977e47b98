"""`nlapi log`: the transcripts listed, shown, and gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import BEARER, dialogue, notes, run
from tests.messages_server import MessagesServer, results, say, use
from tests.servers import Echo, Received, Reply, Script


def ask(question: str, source: str, *options: str) -> int:
    return run("ask", question, "-a", source, "--planner", "offline", *options).code


def test_without_transcripts_there_is_nothing_to_show() -> None:
    assert (run("log").json, run("log", "list").json) == ([], [])
    assert run("log", "show", "last").code == 2


def test_transcripts_are_listed_the_newest_first(api: Echo, tmp_path: Path) -> None:
    source = notes(tmp_path, api.url)
    assert ask("show the open notes", source) == 0
    (older,) = tmp_path.glob("state/log/*.jsonl")
    older.rename(older.with_name("20200101T000000Z-000000.jsonl"))
    assert ask("delete the note n1", source, "--yes") == 0
    assert ask("show the open notes", source, "--no-log") == 0
    rows = run("log", "list").json
    assert [(row["question"], row["turns"], row["changes"]) for row in rows] == [
        ("delete the note n1", 1, 1),
        ("show the open notes", 1, 0),
    ]
    assert run("log", "list", "-n", "1").json == rows[:1]
    table = run("log", "list", "-o", "table").out
    assert all(row["id"] in table for row in rows)
    assert all(len(line) <= 80 for line in table.splitlines())


def test_a_transcript_is_shown_as_text_or_as_its_records(api: Echo, tmp_path: Path) -> None:
    ask("delete the note n1", notes(tmp_path, api.url), "--yes")
    text = run("log", "show", "last", "-o", "text").out
    for part in ("? delete the note n1", f"DELETE {api.url}/notes/n1 (destroy)", "← 204 No Content", "= Deleted"):
        assert part in text
    records = run("log", "show", "last").lines
    assert [record["event"] for record in records] == ["asked", "planned", "proposed", "stepped", "planned", "answered"]
    assert run("log", "show", "last", "-o", "json").json == records
    (row,) = run("log", "list").json
    assert run("log", "show", row["id"]).lines == records
    assert run("log", "show", row["id"][:4]).lines == records


def test_a_conversation_is_gone_on_with_at_the_same_place(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox that was talked to is not forgotten for the server that the description names."""
    monkeypatch.setenv("NOTES_TOKEN", "t0ken-of-the-notes")
    notes(tmp_path, **BEARER)
    monkeypatch.chdir(tmp_path)
    auth = ("--auth", "token=env:NOTES_TOKEN")
    assert ask("show the open notes", "notes.json", "--base-url", api.url, *auth) == 0
    monkeypatch.chdir("/")
    resumed = run("log", "resume", "last", "get", "the", "note", "n2", "--planner", "offline", "-o", "text")
    assert resumed.code == 0
    assert "Rent" in resumed.out
    assert [request.target for request in api.received] == ["/notes?status=open", "/notes/n2"]
    assert {request.header("authorization") for request in api.received} == {"Bearer t0ken-of-the-notes"}
    (row,) = run("log", "list").json
    assert (row["turns"], row["question"]) == (2, "show the open notes")


def test_a_registered_api_is_gone_on_with_under_its_name(api: Echo, tmp_path: Path) -> None:
    run("api", "add", "mine", notes(tmp_path), "--base-url", api.url, "--set", "note=n2")
    assert ask("show the open notes", "mine") == 0
    assert run("log", "resume", "last", "get a note", "--planner", "offline").code == 0
    assert run("log", "resume", "last", "get a note", "--planner", "offline", "--set", "note=n1").code == 0
    assert [request.path for request in api.received] == ["/notes", "/notes/n2", "/notes/n1"]


def test_claude_is_told_what_happened_before(api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [use("createNote", {"title": "Plumber"}), say("Noted.")]
    then = [lambda request: say(f"It was {len(request['messages'])} messages ago: {'n3' in json.dumps(request)}")]
    with MessagesServer([*first, *then]) as claude:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        assert run("ask", "note the plumber", "-a", notes(tmp_path, api.url), "--planner", "claude", "--yes").code == 0
        resumed = run("log", "resume", "last", "when was that?", "-o", "text")
    assert (resumed.code, resumed.out) == (0, "It was 5 messages ago: True\n")
    assert claude.refused == []


def test_a_change_that_was_refused_can_be_consented_to_later(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was never sent, and is not taken for one that may have been carried out."""
    wanted = use("createNote", {"title": "Plumber"})
    seen: list[str] = []

    def end(request: dict[str, object]) -> dict[str, object]:
        seen.extend(results(request))
        return say("Done.")

    with MessagesServer([wanted, wanted, end]) as claude:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        assert run("ask", "note the plumber", "-a", notes(tmp_path, api.url), "--planner", "claude").code == 6
        assert api.received == []
        assert run("log", "resume", "last", "yes, do it", "--yes").code == 0
    assert api.only.method == "POST"
    assert "n3" in seen[0]
    assert claude.refused == []


def test_a_folder_that_cannot_be_read_is_no_fault_of_nlapi(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "state").mkdir()
    (home / "state" / "log").write_text("")
    assert run("log").complaint.startswith("cannot read the logs in ")
    monkeypatch.setenv("NLAPI_CONFIG_DIR", str(home / ("a" * 300)))
    assert run("doctor").json


def test_a_transcript_without_an_answer_is_shown_as_far_as_it_came(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "log"
    folder.mkdir(parents=True)
    asked = {"at": "2026-01-01T10:00:00.000+00:00", "event": "asked", "question": "so?", "sources": [], "known": {}}
    (folder / "20260101T100000Z-abcdef.jsonl").write_text(json.dumps(asked) + '\n{"event": "plan')
    assert run("log", "show", "last", "-o", "text").out == "10:00:00 ? so?\n"
    ran = run("log", "resume", "2026", "go on", "--planner", "offline")
    assert ran.code == 2
    assert "-a" in ran.complaint


def test_a_password_in_a_base_url_is_in_no_message_and_no_transcript(home: Path) -> None:
    ran = run("ask", "list the campaigns", "-a", "ads", "--base-url", "http://bob:s3cretpassw@127.0.0.1:9")
    assert ran.code == 2
    assert "s3cretpassw" not in ran.err + ran.out
    assert "s3cretpassw" not in "".join(path.read_text() for path in home.rglob("*.jsonl"))


def test_what_models_took_is_added_up_by_day_and_model(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("log", "costs").json == []
    with MessagesServer([use("listNotes", {}), say("Two."), say("Yes.")]) as claude:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        source = notes(tmp_path, api.url)
        assert run("ask", "how many notes?", "-a", source, "--planner", "model").code == 0
        assert run("log", "resume", "last", "sure?", "--planner", "model", "--model", "haiku").code == 0
    assert ask("show the open notes", source) == 0
    haiku, sonnet = run("log", "costs").json
    assert sonnet == {
        "day": haiku["day"], "model": "claude-sonnet-5-5", "questions": 1, "requests": 2, "input_tokens": 200,
        "cached_tokens": 0, "output_tokens": 40, "usd": 0.0008, "unpriced_requests": 0}  # fmt: skip
    assert (haiku["model"], haiku["questions"], haiku["requests"], haiku["usd"]) == ("claude-haiku-5-5", 1, 1, 0.00002)
    monkeypatch.setenv("COLUMNS", "100")
    table = run("log", "costs", "-o", "table")
    assert "claude-sonnet-5-5           1          2   200        0    40   0.0008" in table.out
    total, saved = table.err.splitlines()
    assert total == "$0.0008 in all, by the prices of 2026-11"
    assert saved == (
        "1 of 3 questions asked no model; had each cost the $0.0008 that claude-sonnet-5-5 took on average, over 1 of "
        "them, it would be $0.0016 more"
    )


def _recorded(folder: Path, *plans: tuple[str, str, float | None]) -> None:
    """Writes a transcript of one question with these plans: the moment, the model and the cost of each."""
    usage = {"input_tokens": 100, "cache_read_input_tokens": 50, "output_tokens": 10}
    records = [{"at": plans[0][0], "event": "asked", "question": "so?"}]
    records += [
        {"at": at, "event": "planned", "raw": {"planner": "claude", "model": model, "usage": usage, "cost": cost}}
        for at, model, cost in plans
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "20260101T100000Z-abcdef.jsonl").write_text("\n".join(json.dumps(record) for record in records))


def test_of_a_model_without_a_price_there_are_tokens_and_no_dollars(tmp_path: Path) -> None:
    noon = "T12:00:00+00:00"
    plans = [(f"2026-01-02{noon}", "mine", None), (f"2026-01-03{noon}", "mine", None), (f"2026-01-03{noon}", "b", 0.5)]
    _recorded(tmp_path / "state" / "log", *plans)
    rows = run("log", "costs", "--since", "2026-01-01").json
    assert [(row["day"], row["model"], row["usd"], row["unpriced_requests"]) for row in rows] == [
        ("2026-01-03", "b", 0.5, 0),
        ("2026-01-03", "mine", None, 1),
        ("2026-01-02", "mine", None, 1),
    ]
    assert {(row["input_tokens"], row["cached_tokens"], row["output_tokens"]) for row in rows} == {(150, 50, 10)}
    table = run("log", "costs", "--since", "2026-01-01", "-o", "table")
    assert table.out.count("no price") == 2
    assert table.err == "$0.5000 in all, by the prices of 2026-11; 2 of 3 requests have no known price\n"
    assert [row["day"] for row in run("log", "costs", "--since", "2026-01-03").json] == ["2026-01-03"] * 2
    assert run("log", "costs", "--since", "1d").json == []


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "d", "99999999999d"])
def test_a_time_that_is_none_is_an_error(since: str) -> None:
    ran = run("log", "costs", "--since", since)
    assert (ran.code, f"{since!r} is not a day to begin at" in ran.complaint) == (2, True)


def test_what_was_done_is_saved_as_a_workflow_and_run_with_another_value(api: Echo, tmp_path: Path) -> None:
    source = notes(tmp_path, api.url)
    assert ask("delete the note n1", source, "--yes") == 0
    file = tmp_path / "delete.arazzo.yaml"
    saved = run("log", "save", "last", "-o", str(file), "--id", "delete-note")
    assert (saved.code, saved.out) == (0, "")
    assert "delete-note of 1 step" in saved.err
    assert run("workflow", "check", str(file), "-o", "json").json == []
    ran = run("workflow", "run", str(file), "--input", "note=n2", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert [request.target for request in api.received] == ["/notes/n1", "/notes/n2"]
    text = run("log", "save", "last", "-o", "-").out
    assert text.startswith("arazzo: 1.")
    assert str(tmp_path) not in file.read_text()


def test_a_workflow_is_not_saved_where_it_cannot_be_written(api: Echo, tmp_path: Path) -> None:
    assert ask("delete the note n1", notes(tmp_path, api.url), "--yes") == 0
    failed = run("log", "save", "last", "-o", str(tmp_path / "no" / "such.yaml"))
    assert failed.code == 2
    assert "cannot write" in failed.complaint


# Damaged records

ODD = [
    "[1, 2]",
    '{"event": "planned", "calls": 5}',
    '{"event": "planned", "calls": [{"operation": "deleteNote", "arguments": []}], "raw": {"messages": [1]}}',
    '{"event": "proposed", "call": "x", "effect": "write"}',
    '{"event": "stepped", "call": {"operation": "listNotes"}, "outcome": "odd", "message": null}',
    '{"event": "stepped", "call": {"operation": "listNotes"}, "result": {"status": "two hundred"}}',
    '{"event": "asked", "question": {"text": "?"}}',
    '{"event": ["asked"]}',
    '{"event": "reported", "done": 7}',
    '{"event": "damaged", "line": "x"}',
    '{"at": 5, "event": "planner", "decision": "odd"}',
    '{"event": "answered"',
    "\x00\xff}",
]


def test_odd_records_are_skipped_and_named(api: Echo, tmp_path: Path) -> None:
    source = notes(tmp_path, api.url)
    assert ask("show the open notes", source) == 0
    (file,) = tmp_path.glob("state/log/*.jsonl")
    whole = file.read_text().splitlines()
    before = run("log", "show", "last").lines
    file.write_text("\n".join([*whole[:3], *ODD, *whole[3:]]) + "\n", encoding="utf-8")
    (file.parent / "20990101T000000Z-000000.jsonl").mkdir()

    listed = run("log", "list")
    assert [(row["question"], row["turns"], row["changes"]) for row in listed.json] == [("show the open notes", 1, 0)]
    # A line that does not end in a brace was cut short by a kill, which is nothing odd.
    numbers = ", ".join(str(4 + number) for number in range(len(ODD)) if ODD[number].endswith("}"))
    assert f"{file.stem}: lines {numbers[:20]}" in listed.err
    for format in ("json", "ndjson", "text"):
        shown = run("log", "show", "last", "-o", format)
        assert (shown.code, "skipped" in shown.err) == (0, True)
    assert run("log", "show", "last").lines == before
    assert run("log", "costs").code == 0
    resumed = run("log", "resume", "last", "show the open notes", "--planner", "offline")
    assert (resumed.code, "skipped" in resumed.err) == (0, True)


def _rewrite(folder: Path, edit: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Edit the records of the one transcript."""
    (file,) = folder.glob("state/log/*.jsonl")
    records = edit([json.loads(line) for line in file.read_text().splitlines()])
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def test_records_of_any_form_are_listed_shown_and_added_up(api: Echo, tmp_path: Path) -> None:
    assert ask("show the open notes", notes(tmp_path, api.url)) == 0
    plan = {"event": "planned", "raw": {"planner": "claude", "model": "m", "usage": {"input_tokens": 1}}}
    odd: list[dict[str, Any]] = [
        {"event": "later", "call": [1]},
        {"event": "planned", "raw": {"origin": {"usage": 5, "messages": 7}}},
        {**plan, "at": "2026-11-27T00:00:00+00:00", "raw": {**plan["raw"], "cost": 10**400}},  # type: ignore[dict-item]
        {**plan, "at": "9999-12-31T23:59:59-12:00"},
        {"event": "answered", "text": "Done.\n13:00:00 \u2192 DELETE /notes/n1 (read)", "about": float("inf")},
    ]
    _rewrite(tmp_path, lambda records: [*records, *odd])
    for words in (("list",), ("costs",), ("show", "last", "-o", "json"), ("show", "last")):
        assert run("log", *words).code == 0
    assert "Infinity" not in run("log", "show", "last").out
    assert "= Done.\n  13:00:00" in run("log", "show", "last", "-o", "text").out


def test_a_change_whose_proposal_is_damaged_is_not_made_again_unasked(api: Echo, tmp_path: Path) -> None:
    assert ask("delete the note n1", notes(tmp_path, api.url), "--yes") == 0
    api.received.clear()

    def damage(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = records[: [record["event"] for record in records].index("proposed")]
        return [*kept, {"event": "proposed", "effect": "destroy", "call": {"operation": "deleteNote"}}]

    _rewrite(tmp_path, damage)
    resumed = run("log", "resume", "last", "delete the note n1", "--planner", "offline", "--yes")
    assert (resumed.code, "may have been carried out" in resumed.err) == (6, True)
    assert {request.method for request in api.received} <= {"GET"}


def test_go_on_plans_the_question_again_and_asks_about_what_may_have_been_done(tmp_path: Path) -> None:
    with Script(Script.RESET) as broken:
        assert ask("create the note Plumber", notes(tmp_path, broken.url), "--yes") != 0
        for words in ("go on", "Continue, please"):
            resumed = run("log", "resume", "last", words, "--planner", "offline", "--yes")
            assert (resumed.code, "may have been carried out" in resumed.err) == (6, True)
        assert [request.method for request in broken.received].count("POST") == 1


def test_go_on_plans_what_was_not_done_and_nothing_that_was(tmp_path: Path) -> None:
    def reply(request: Received) -> Reply:
        return Reply(503 if b"Electrician" in request.body else 201, {"id": "n1", "title": "Plumber"})

    with Echo(reply) as api:
        assert ask("create the note Plumber and create the note Electrician", notes(tmp_path, api.url), "--yes") != 0
        assert [request.json()["title"] for request in api.received] == ["Plumber", "Electrician"]
        resumed = run("log", "resume", "last", "go on", "--planner", "offline", "--yes")
        assert (resumed.code, "Electrician" in resumed.err, 'title <- "Plumber"' in resumed.err) == (6, True, False)
        assert [request.method for request in api.received].count("POST") == 2


def test_go_on_after_a_change_that_was_made_changes_nothing(api: Echo, tmp_path: Path) -> None:
    assert ask("delete the note n1", notes(tmp_path, api.url), "--yes") == 0
    api.received.clear()
    assert run("log", "resume", "last", "go on", "--planner", "offline", "--yes").code == 7
    assert {request.method for request in api.received} <= {"GET"}


def test_a_transcript_runs_no_command_and_reads_no_file_for_a_credential(api: Echo, tmp_path: Path) -> None:
    assert ask("show the open notes", notes(tmp_path, api.url, **BEARER), "--auth", "token=t0ken") == 0
    mark = tmp_path / "mark"
    _rewrite(tmp_path, lambda records: [{**records[0], "auth": [f"token=cmd:touch {mark}"]}, *records[1:]])
    resumed = run("log", "resume", "last", "show the open notes", "--planner", "offline")
    assert (resumed.code == 0, mark.exists(), len(api.received)) == (False, False, 1)
    assert "--auth gives it again" in resumed.err


def test_a_transcript_whose_question_is_damaged_is_listed_and_named(api: Echo, tmp_path: Path) -> None:
    assert ask("delete the note n1", notes(tmp_path, api.url), "--yes") == 0
    _rewrite(tmp_path, lambda records: [{**records[0], "question": 5}, *records[1:]])
    listed = run("log", "list")
    assert ([row["changes"] for row in listed.json], "line 1 cannot be read" in listed.err) == ([1], True)
    resumed = run("log", "resume", "last", "and now?", "--planner", "offline")
    assert (resumed.code, "no question of this transcript can be read" in resumed.err) == (2, True)


def test_on_a_terminal_a_text_ends_no_string_of_json(api: Echo, tmp_path: Path) -> None:
    assert ask("show the open notes", notes(tmp_path, api.url)) == 0
    forged = 'a\x9b", "outcome": "\x9b[b'
    _rewrite(tmp_path, lambda records: [{**records[0], "question": forged}])
    for format in ("ndjson", "json"):
        with dialogue("log", "show", "last", "-o", format) as terminal:
            assert terminal.end() == 0
        shown = json.loads(terminal.seen)
        record = shown if format == "ndjson" else shown[0]
        assert (record["question"], "outcome" in record) == ('a", "outcome": "b', False)


def test_consents_are_listed_from_every_command_with_what_came_of_them(api: Echo, tmp_path: Path) -> None:
    source = notes(tmp_path, api.url)
    (tmp_path / "guarded").mkdir()
    guarded, secret = notes(tmp_path / "guarded", api.url, **BEARER), "Zq81-never-in-a-receipt"
    rows = tmp_path / "rows.csv"
    rows.write_text("note\nn2\n")
    with Script(Script.RESET) as lost:
        for typed, words in (
            (
                f"n: not that one {'x' * 475}{secret}",
                ("ask", "delete the note n3", "-a", guarded, "--planner", "offline", "--auth", f"token={secret}"),
            ),
            ("y", ("call", source, "deleteNote", "note=n1")),
            ("y", ("batch", source, str(rows), "deleteNote")),
            ("y", ("call", source, "deleteNote", "note=n2", "--base-url", lost.url)),
        ):
            with dialogue(*words) as terminal:
                terminal.expect("]: ")
                terminal.type(f"{typed}\n")
                terminal.end()
    (transcript,) = (path.read_text() for path in tmp_path.glob("state/log/*.jsonl") if "not that" in path.read_text())
    assert "Zq81" not in transcript
    listed = run("log", "consents", "-o", "json").json
    assert [
        (row["face"], row["answer"], row["reason"][:12], [(call["outcome"], call["status"]) for call in row["calls"]])
        for row in listed
    ] == [
        ("call", "agreed", "", [("unknown", None)]),
        ("batch", "agreed", "", [("done", 204)]),
        ("call", "agreed", "", [("done", 204)]),
        ("ask", "declined", "not that one", [("", None)]),
    ]
    assert listed[2]["calls"][0]["request"] == f"DELETE {api.url}/notes/{{note}}"
    assert {row["rung"] for row in listed} == {"terminal"}
    assert listed[-1]["calls"][0]["digest"] == run("log", "show", listed[-1]["transcript"]).lines[2]["digest"]
    assert "declined in the terminal" in run("log", "show", listed[-1]["transcript"], "-o", "text").out
    assert run("log", "consents", "--not-agreed").json == listed[-1:]


def test_what_came_of_a_yes_is_read_from_the_steps_of_its_own_question(tmp_path: Path) -> None:
    def consent(name: str, **call: str) -> dict[str, Any]:
        return {"event": "consent", "face": "ask", "api": "Notes", "id": name, "answer": "agreed", "calls": [call]}

    def sent(name: str, effect: str, outcome: str, status: int | None = None, digest: str = "") -> list[dict[str, Any]]:
        call = {"id": name, "operation": f"{effect}Note"}
        step = {"outcome": outcome, "digest": digest, "result": {"status": status} if status else None}
        return [{"event": "proposed", "call": call, "effect": effect}, {"event": "stepped", "call": call, **step}]

    change = {"operation": "deleteNote", "request": "DELETE /notes/{note}", "digest": "d1"}
    records = [
        {"event": "asked", "question": "tidy up"},
        consent("workflow", operation="tidy"),
        *sent("s1", "write", "done", 201),
        *sent("s2", "destroy", "failed"),
        *sent("s3", "write", "done", 200),
        *sent("s4", "read", "done", 200),
        {"event": "asked", "question": "delete it"},
        *sent("s1", "destroy", "done", 204),
        consent("moved", **change),
        consent("again", **change),
        *sent("s2", "destroy", "done", 204, "d1"),
        *sent("s3", "destroy", "failed", None, "d2"),
    ]
    folder = tmp_path / "state" / "log"
    folder.mkdir(parents=True)
    lines = [
        json.dumps({"at": f"2999-01-01T00:00:{number:02}.000+00:00", **entry}) for number, entry in enumerate(records)
    ]
    (folder / "a.jsonl").write_text("".join(f"{line}\n" for line in lines))
    listed = run("log", "consents", "-o", "json").json
    assert [(row["id"], row["calls"][0]["outcome"], row["calls"][0]["status"]) for row in listed] == [
        ("again", "done", 204),
        ("moved", "refused", None),
        ("workflow", "failed", None),
    ]
