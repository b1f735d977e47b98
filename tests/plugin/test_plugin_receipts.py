"""Changes in a client's session: what the user was asked about is sent once, and nothing else in any way."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.cli.agents.session_broker import LIFETIME_S, ReceiptBook
from nlapi.processes import ProcessInfo
from tests.plugin.client_session import ClientSession
from tests.plugin.kit import LIBRARY, REPOSITORY, placed
from tests.plugin.ways import CLIENT_ONLY, FILES, NESTED, WAYS, filled
from tests.servers import Echo, Reply
from tests.waiting import until

X = "nlapi-city-library"
CHANGE = f"{X} addBook title=Dune --yes"
SECRET = "tok-configured-5b7e"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return placed(tmp_path_factory.mktemp("it's here") / "library", LIBRARY)


@pytest.fixture(scope="module")
def api() -> Iterator[Echo]:
    with Echo(lambda request: Reply(200, {"data": [{"id": "b1", "title": "Dune"}]})) as server:
        yield server


@pytest.fixture(scope="module")
def session(plugin: Path, api: Echo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientSession]:
    yield from opened_session(plugin, api, tmp_path_factory.mktemp("s") / "home")


@pytest.fixture(scope="module")
def lost(plugin: Path, api: Echo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientSession]:
    """A session whose folder the ways may spoil."""
    yield from opened_session(plugin, api, tmp_path_factory.mktemp("lost") / "home")


def opened_session(plugin: Path, api: Echo, home: Path) -> Iterator[ClientSession]:
    """A session in a folder with the files of the ways."""
    with ClientSession(plugin=plugin, home=home, options={"base_url": api.url, "token": SECRET}) as opened:
        values = {
            "X": X,
            "C": "addBook title=Dune",
            "OP": "addBook",
            "PAIRS": "title=Dune",
            "ARGS": '{"title": "Dune"}',
            "API": f'"{plugin}/api/openapi.json"',
            "URL": api.url,
            "SCHEME": "staff",
            "AUTH": "--auth staff=x",
            "S": "NLAPI_CITY_LIBRARY_SESSION",
            "PY": sys.executable,
            "HEAD": "nlapi-city",
            "TAIL": "-library",
            "REST": "city-library",
        }
        for name, text in FILES.items():
            (home / name).write_text(filled(text, values))
        copy = json.loads((plugin / "api/openapi.json").read_text())
        copy["paths"]["/books"]["post"]["x-nlapi-effect"] = "read"
        (home / "copy.json").write_text(json.dumps(copy))
        opened.values = values
        yield opened


@pytest.fixture(autouse=True)
def nothing_before(api: Echo, request: pytest.FixtureRequest) -> None:
    api.received.clear()
    if "session" in request.fixturenames:
        session: ClientSession = request.getfixturevalue("session")
        session.permit = lambda _: False
        session.asked.clear()


def changes(api: Echo) -> list[str]:
    return [f"{one.method} {one.target} {one.body.decode()}" for one in api.received if one.method != "GET"]


@pytest.mark.parametrize("way", [way for way in WAYS if way not in CLIENT_ONLY])
def test_no_way_round_the_question_sends_a_change(lost: ClientSession, api: Echo, way: str) -> None:
    """As if the hook had let the command pass: nobody was asked."""
    lost.event("Bash")
    said = lost.run(filled(WAYS[way], lost.values))
    if "left" in way:
        until(lambda: "error" in (lost.home / "out").read_text() or changes(api))
    assert changes(api) == [], said
    assert SECRET not in said


NESTED_WAYS = {
    "a client": "@PY@ nested.py",
    "a client without any mark": "env -u CLAUDECODE -u @S@ @PY@ nested.py",
    "a client in the place of the shell": "exec env -u CLAUDECODE -u @S@ @PY@ nested.py",
    "a client of an empty environment": 'exec env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH" @PY@ nested.py',
    "a client in a session of its own": "exec env -u CLAUDECODE -u @S@ setsid -w @PY@ nested.py",
    "a client that has left": "rm -f nested-out; touch nested-out; (env -u CLAUDECODE -u @S@ setsid @PY@ "
    "nested.py left > nested-out 2>&1 &)",
    "a client of another name": 'cp "$(command -v bash)" codex; '
    'env -u CLAUDECODE -u @S@ ./codex -c "@PY@ nested.py; true"',
}


@pytest.mark.parametrize("way", NESTED_WAYS)
def test_a_client_within_the_session_asks_nobody(lost: ClientSession, api: Echo, way: str) -> None:
    values = {"REPOSITORY": repr(str(REPOSITORY)), "URL": repr(api.url), "PLUGIN": repr(str(lost.plugin))}
    values |= {"CHANGE": repr(CHANGE), "PARENT": str(os.getpid())}
    (lost.home / "nested.py").write_text(filled(NESTED, values))
    lost.permit = lambda _: True
    lost.asked.clear()
    said = lost.bash(filled(NESTED_WAYS[way], lost.values))
    if "left" in way:
        until(lambda: "asked" in (lost.home / "nested-out").read_text())
        said = (lost.home / "nested-out").read_text()
    assert "session of another one, whose user was not asked" in said
    assert "1 asked" in said
    assert (changes(api), lost.asked) == ([], [])


def test_what_the_user_permits_is_sent_once(session: ClientSession, api: Echo) -> None:
    session.permit = lambda question: "POST" in question and '"title": "Dune"' in question
    said = session.bash(CHANGE)
    assert '"b1"' in said
    assert [one.header("Authorization") for one in api.received] == [f"Bearer {SECRET}"]
    # The same command a second time is another question; a script in it finds the receipt used up.
    assert "used up" in session.bash(f"{CHANGE}; sh change.sh")
    assert len(session.asked) == 2
    assert len(changes(api)) == 2
    # What the user agreed to in the client's dialog is listed with all other consents.
    (file,) = session.home.rglob("consents-*.ndjson")
    receipts = [json.loads(line) for line in file.read_text().splitlines()]
    answers = [(receipt["face"], receipt["rung"], receipt["answer"]) for receipt in receipts[-2:]]
    assert answers == [("plugin", "client", "agreed")] * 2
    assert receipts[-1]["calls"][0]["request"] == f"POST {api.url}/books"
    assert SECRET not in file.read_text()


def test_of_two_at_once_on_one_receipt_one_is_sent(session: ClientSession, api: Echo) -> None:
    session.permit = lambda _: True
    session.bash(f"{CHANGE} & sh change.sh & sh change.sh & wait")
    assert len(changes(api)) == 1


def test_a_denied_request_is_not_sent_by_what_comes_next(session: ClientSession, api: Echo) -> None:
    assert session.bash(CHANGE) == "denied"
    assert "since the question" in session.bash("sh change.sh")
    # Nor by what had been waiting for the receipt.
    waiting = "(while [ ! -e go ]; do :; done; sh change.sh > late 2>&1) > /dev/null 2>&1 &"
    session.bash(waiting)
    assert session.bash(CHANGE) == "denied"
    (session.home / "go").write_text("")
    until(lambda: (session.home / "late").exists() and "error" in (session.home / "late").read_text())
    assert "does not come from the command" in (session.home / "late").read_text()
    assert changes(api) == []


@pytest.mark.parametrize(
    "before",
    [
        "printf 'exit 0\\n' > '@PLUGIN@/hooks/event.sh'",
        'while [ ! -e end ]; do rm -f "$@S@"/events/*; done > /dev/null 2>&1 &',
        "cp -r '@PLUGIN@' away; echo exit 0 > away/hooks/event.sh; mv '@PLUGIN@' own; mv away '@PLUGIN@'",
    ],
    ids=["a hook that was edited", "marks that are removed", "another folder for a while"],
)
def test_nothing_that_is_done_to_the_hooks_makes_a_no_a_yes(api: Echo, tmp_path: Path, before: str) -> None:
    plugin = placed(tmp_path / "library", LIBRARY)
    for session in opened_session(plugin, api, tmp_path / "home"):
        values = {"PLUGIN": str(plugin), "S": "NLAPI_CITY_LIBRARY_SESSION"}
        session.bash(filled(before, values))
        denied = session.bash(CHANGE)
        back = f"[ ! -e own ] || {{ mv '{plugin}' away; mv own '{plugin}'; }}"
        said = session.bash(f"{back}; sh change.sh; touch end")
        assert (denied, "was not sent" in said) == ("denied", True)
    assert changes(api) == []


def test_a_receipt_is_for_the_request_that_was_shown(session: ClientSession, api: Echo) -> None:
    session.permit = lambda _: True
    (session.home / "other.sh").write_text(f"{X} addBook title=Emma --yes\n")
    (session.home / "book.json").write_text('{"title": "Persuasion"}')
    assert "nobody was asked" in session.bash(f"true || {CHANGE}; sh other.sh")
    # A server may take the first of two keys, which the shown request does not have.
    (session.home / "twice.sh").write_text(f"""{X} addBook --raw-body '{{"title": "Emma", "title": "Dune"}}' --yes\n""")
    whole = f"""{X} addBook --raw-body '{{"title": "Dune"}}' --yes"""
    assert "the key 'title' is there twice" in session.bash(f"true || {whole}; sh twice.sh")
    # What a file says when the question is asked is what may be sent.
    change = f"{X} addBook --args @book.json --yes"
    said = session.bash(f'echo \'{{"title": "Mansfield Park"}}\' > book.json; {change}')
    assert "nobody was asked" in said
    assert changes(api) == []
    assert '"b1"' in session.bash(change)
    assert "Mansfield" in changes(api)[0]


def test_a_prompt_or_the_end_of_a_turn_takes_receipts_away(session: ClientSession, api: Echo) -> None:
    for event in ("UserPromptSubmit", "Stop"):
        assert session.ask("Bash", {"command": CHANGE}) is False
        session.hook("hooks/event.sh", {"hook_event_name": event})
        assert "since the question" in session.run(CHANGE)
    assert changes(api) == []


def test_reads_run_and_are_asked_about_where_the_shell_puts_something_in(session: ClientSession, api: Echo) -> None:
    assert session.bash(f"{X} listBooks --jq '.data[0].title'").endswith("Dune\n")
    assert session.asked == []
    assert session.bash(f'{X} getBook book_id="$HOME"') == "denied"
    assert session.bash(f"{X} listBooks genre=@/etc/passwd") == "denied"
    assert len(session.asked) == 2


def test_what_was_configured_is_in_no_file_and_no_environment(session: ClientSession) -> None:
    files = {path.name for path in session.folder.iterdir()}
    assert files == {"broker", "events"}
    assert (session.folder / "broker").stat().st_mode & 0o777 == 0o600
    assert SECRET not in json.dumps(session.shell)
    assert SECRET not in session.run('env; cat "$NLAPI_CITY_LIBRARY_SESSION"/token 2>&1')
    option = f"{X} listBooks --base-url http://127.0.0.1:9"
    assert "in the settings" in session.run(option)
    # Past the command's own check too.
    words = '"$NLAPI_CITY_LIBRARY_SESSION" -- listBooks --auth staff=env:CLAUDE_PLUGIN_OPTION_TOKEN'
    assert "in the settings" in session.run(f'nlapi plugin command "{session.plugin}" {words}')
    plain = (
        f'nlapi call "{session.plugin}/api/openapi.json" listBooks --yes --auth staff=env:CLAUDE_PLUGIN_OPTION_TOKEN'
    )
    assert "CLAUDE_PLUGIN_OPTION_TOKEN" in session.run(f"{plain} --base-url {session.options['base_url']}")


@pytest.mark.parametrize(
    "moves",
    [
        'printf %s @URL@ | tee "$@S@/base_url" "$@S@/base-url" "$@S@/options" > /dev/null',
        "export CLAUDE_PLUGIN_OPTION_BASE_URL=@URL@ CLAUDE_PLUGIN_OPTION_base_url=@URL@ NLAPI_BASE_URL=@URL@",
    ],
)
def test_what_is_written_beside_the_session_moves_no_read(session: ClientSession, api: Echo, moves: str) -> None:
    with Echo(Reply(200, {"data": []})) as elsewhere:
        values = {"URL": elsewhere.url, "S": "NLAPI_CITY_LIBRARY_SESSION"}
        before = len(api.received)
        session.run(f"{filled(moves, values)}; {X} listBooks")
        assert elsewhere.received == []
        assert len(api.received) == before + 1
    for name in ("base_url", "base-url", "options"):
        (session.folder / name).unlink(missing_ok=True)


def test_a_batch_is_one_question_and_a_failure_ends_no_other(plugin: Path, tmp_path: Path) -> None:
    fault = Reply(409, {"message": "there is one"})
    with (
        Echo(lambda request: fault if "t5" in request.body.decode() else Reply(201, {"id": "b"})) as api,
        ClientSession(plugin=plugin, home=tmp_path / "s", options={"base_url": api.url, "token": SECRET}) as session,
    ):
        rows = "".join(f"t{number},{number}\n" for number in range(12))
        (session.home / "books.csv").write_text(f"title,fine\n{rows}")
        session.permit = lambda question: question.startswith("12 calls: 12 addBook")
        report = session.bash(f"{X} batch books.csv addBook --yes -o json")
        counts = json.loads(report[report.index("{") : report.rindex("}") + 1])["counts"]
        assert (counts, len(session.asked)) == ({"done": 11, "failed": 1}, 1)
        # The file goes on with what was refused, and asks about that alone.
        session.permit = lambda question: question.startswith("1 call: 1 addBook")
        session.bash(f"{X} batch books.csv addBook --yes")
        assert Counter(one.json()["title"] for one in api.received) == Counter(
            {f"t{number}": 1 for number in range(12)} | {"t5": 2}
        )


def test_without_its_broker_a_session_sends_no_change(plugin: Path, api: Echo, tmp_path: Path) -> None:
    exported = {"CITY_LIBRARY_BASE_URL": api.url, "CITY_LIBRARY_TOKEN": "x"}
    with ClientSession(plugin=plugin, home=tmp_path / "s", exported=exported) as session:
        session.hook("hooks/session.sh end", {"hook_event_name": "SessionEnd"})
        assert "Dune" in session.run(f"{X} listBooks")
        assert "was not sent" in session.run(CHANGE)
        assert changes(api) == []


def test_the_broker_ends_with_its_session(plugin: Path, tmp_path: Path) -> None:
    with ClientSession(plugin=plugin, home=tmp_path / "s") as session:
        assert len(session.brokers()) == 1
    assert session.brokers() == []


def process(pid: int, started: float) -> ProcessInfo:
    return ProcessInfo(pid=pid, parent=1, name="bash", started=started)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 3)), max_size=30))
def test_never_is_more_sent_than_was_asked_about(taken: list[tuple[str, str, int]]) -> None:
    """Whatever is asked for, in which order, and by which processes."""
    book = ReceiptBook()
    book.add("e", ["a", "a", "b"], "shell", asked=2.0)
    sent = Counter(
        digest for digest, _, number in taken if not book.take(digest, "shell", process(number, float(number)))
    )
    assert sent <= Counter({"a": 2, "b": 1})


def test_a_receipt_ends_after_its_time() -> None:
    now = [0.0]
    book = ReceiptBook(clock=lambda: now[0])
    book.add("e", ["a", "b"], "shell", asked=1.0)
    assert book.take("a", "shell", process(7, 1.0)) == ""
    assert "comes" in book.take("b", "shell", process(8, 1.0)).replace("come ", "comes ")
    now[0] = LIFETIME_S + 1
    assert "minutes" in book.take("b", "shell", process(7, 1.0))
    assert time.monotonic() > 0
