"""What operators tell the gateway in plain English, and what `nlapi ask --planner offline --yes` makes of it, live.

`python -m benchmarks.operators [--unseen | --file NAME] [--show] [WORDS]` runs the sentences of
tests/gateway/questions.yaml (or of questions_unseen.yaml, or of questions_NAME.yaml) against a real gateway that holds
the configuration which the file names. Reads reach it, those of names as well; a change is recorded and not carried
out, so that each sentence meets the same configuration. Exits with 1 where a wrong change stands.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import yaml

from benchmarks.changes.run import without_registrations
from nlapi.agent.events import CallProposed, ChoiceOffered, Event, InputNeeded, PlanCreated
from nlapi.cli.ask.events import Renderer
from nlapi.cli.ask.session import Session, open_session
from nlapi.cli.options import ConversationFormat, PlannerName, Setup
from nlapi.errors import NlapiError
from nlapi.gateway.control.access import Audience, Role
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.server import run_in_thread
from nlapi.gateway.records.records import decision_sink
from nlapi.gateway.store.store import GatewayStore
from nlapi.openapi.spec import READ_METHODS, Effect, Spec
from nlapi.planner.steps.name_rounds import NamesState
from nlapi.sandbox.routes import RouteTable
from nlapi.tools.plan import ask
from nlapi.tools.tool import Call

FOLDER = Path(__file__).parents[1] / "tests" / "gateway"
SEEN, UNSEEN, DANGEROUS = (FOLDER / f"questions{suffix}.yaml" for suffix in ("", "_unseen", "_dangerous"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The sentences of a file, the day on which they are said, and the configuration and tokens that they meet."""

    questions: tuple[Mapping[str, object], ...]
    today: date
    configuration: Path
    operators: tuple[str, ...]
    callers: tuple[str, ...]


class Rating(StrEnum):
    """What became of a sentence."""

    RIGHT = "right"
    """The right read was made, or the right change was made or shown for consent."""
    ASKED = "asked"
    """Nothing was made: it asked for a value or offered a choice."""
    OTHER = "other change shown"
    """Another change was shown for consent, and not made."""
    REFUSED = "refused"
    READ = "other read"
    """A wrong read, which is harmless."""
    WRONG = "WRONG CHANGE STANDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A sentence and what became of it; `stands` where its right change was made without a question."""

    sentence: str
    wanted: str
    rating: Rating
    stands: bool
    is_change: bool
    calls: tuple[str, ...]
    message: str


def matches(wanted: object, value: object) -> bool:
    """Return whether a value is the right one. `{any: [...]}` takes one of several, null among them an absent one."""
    if isinstance(wanted, Mapping) and set(wanted) == {"any"}:
        return value in wanted["any"]
    if isinstance(wanted, Mapping):
        if not isinstance(value, Mapping):
            return False
        return set(value) <= set(wanted) and all(matches(wanted[name], value.get(name)) for name in wanted)
    if isinstance(wanted, str) and isinstance(value, str):
        # The gateway reads `Payment Fraud` as `payment-fraud`.
        return wanted.lower().replace(" ", "-") == value.lower().replace(" ", "-")
    return bool(wanted == value)


def is_right_call(question: Mapping[str, object], operation: str, arguments: Mapping[str, object]) -> bool:
    """Return whether a call is the one that a question wants, or one of those that are as good (`or`)."""
    others = question.get("or") or []
    assert isinstance(others, list)
    golds = (question, *others)
    return any(gold.get("operation") == operation and matches(gold["arguments"], arguments) for gold in golds)


@contextmanager
def operated_gateway(questions: Questions) -> Iterator[tuple[str, str]]:
    """Yield the base URL and an admin token of a gateway that holds the configuration of the sentences."""
    document = yaml.load(questions.configuration.read_text(encoding="utf-8"), yaml.CSafeLoader)
    with tempfile.TemporaryDirectory(prefix="nlapi-operators-") as folder:
        store = GatewayStore(Path(folder) / "gateway.db")
        app = Gateway(store, Engine(models=Path(folder), record=decision_sink(store)))
        token = app.access.create_token("priya", Audience.ADMIN, role=Role.ADMIN)[1]
        for name in questions.operators:
            app.access.create_token(name, Audience.ADMIN, role=Role.OPERATOR)
        for name in questions.callers:
            app.access.create_token(name, Audience.SERVE)
        with run_in_thread(app) as url:
            status, content = request(url, token, "PUT", "/v1/configuration", json.dumps(document).encode())
            assert status == 200, content
            yield url, token
        store.close()


def request(base_url: str, token: str, method: str, target: str, content: bytes = b"") -> tuple[int, bytes]:
    """Return the status and the body of the gateway's answer."""
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": "application/json"} if content else {})
    try:
        connection.request(method, target, body=content or None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def reads_only(spec: Spec, url: str, token: str) -> Iterator[str]:
    """Yield the base URL of a server that passes reads on to the gateway, and answers changes as if they were made."""
    routes = RouteTable(spec)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            is_read = self.command in READ_METHODS
            if not is_read:
                parts = urlsplit(self.path)
                is_read = routes.match(self.command, parts.path, parts.query).operation.effect is Effect.READ
            status, body = request(url, token, self.command, self.path, content) if is_read else (200, b"{}")
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run(questions: Questions) -> list[Outcome]:
    """Return the outcome of each question."""
    with operated_session(questions) as session:
        return [outcome_of(question, session) for question in questions.questions]


@contextmanager
def operated_session(questions: Questions) -> Iterator[Session]:
    """Yield a session with a gateway that holds the configuration of the sentences."""
    setup = Setup(
        sources=["gateway"], planner=PlannerName.OFFLINE, yes=True, base_url="http://127.0.0.1", no_auth=True,
        output=ConversationFormat.NDJSON, no_log=True,
    )  # fmt: skip
    session = open_session(setup)
    spec = next(iter(session.targets))
    session.policy = replace(session.policy, interactive=False)
    setattr(session.planner, "today", questions.today)  # noqa: B010
    with operated_gateway(questions) as (url, token), reads_only(spec, url, token) as base_url:
        session.targets = {spec: replace(session.targets[spec], base_url=base_url)}
        yield session


def outcome_of(question: Mapping[str, object], session: Session) -> Outcome:
    """Return what becomes of a sentence."""
    events: list[Event] = []
    session.render = collector(events)
    message = ""
    try:
        asyncio.run(session.answer(ask(str(question["ask"]), session.known_values)))
    except NlapiError as error:
        message = str(error)
    plans = [event.plan for event in events if isinstance(event, PlanCreated)]
    calls = [call for plan in plans if not isinstance(plan.raw, NamesState) for call in plan.calls]
    rating = _rating(question, events, calls)
    made = any(
        isinstance(event, CallProposed) and event.effect is not Effect.READ and not event.asks for event in events
    )
    return Outcome(
        sentence=str(question["ask"]),
        wanted=f"{question.get('operation', 'no change')} {question.get('arguments', '')}".rstrip(),
        rating=rating,
        is_change=_is_change(question, session),
        stands=rating is Rating.RIGHT and made,
        calls=tuple(f"{call.operation_id} {dict(call.arguments)}" for call in calls),
        message=" ".join((message or getattr(events[-1], "text", "")).split())[:300],
    )


def _is_change(question: Mapping[str, object], session: Session) -> bool:
    operation = question.get("operation")
    return operation is not None and next(iter(session.targets)).operation(str(operation)).effect is not Effect.READ


def collector(events: list[Event]) -> Renderer:
    """Return a renderer that appends each event."""

    def render(event: Event) -> None:
        events.append(event)

    return render


def _rating(question: Mapping[str, object], events: Sequence[Event], calls: Sequence[Call]) -> Rating:
    right = [call for call in calls if is_right_call(question, call.operation_id, call.arguments)]
    shown = [event for event in events if isinstance(event, CallProposed) and event.effect is not Effect.READ]
    if any(event.call not in right for event in shown if not event.asks):
        return Rating.WRONG
    if shown:
        return Rating.RIGHT if all(event.call in right for event in shown) else Rating.OTHER
    last = events[-1] if events else None
    if isinstance(last, InputNeeded):
        names = {entry.argument for entry in last.missing}
        operations = [call.operation_id for call in last.plan.calls]
        is_wanted = names == set(_texts(question.get("asks"))) and operations == [question.get("operation")]
        return Rating.RIGHT if is_wanted else Rating.ASKED
    if isinstance(last, ChoiceOffered):
        return Rating.ASKED
    if calls and question.get("asks") is None:
        return Rating.RIGHT if calls[-1] in right else Rating.READ
    return Rating.REFUSED


def _texts(value: object) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else []


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how many sentences ended in each way, in one line."""
    counts = Counter(outcome.rating for outcome in outcomes)
    figures = ", ".join(f"{counts[rating]} {rating}" for rating in Rating)
    stands = sum(outcome.stands for outcome in outcomes)
    changes = sum(outcome.is_change for outcome in outcomes)
    return f"{len(outcomes)} sentences: {figures}; {stands} of {changes} changes are made without a question"


def load(path: Path) -> Questions:
    """Return what a file of sentences holds; a question without an operation must make no change."""
    document = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    tokens = document["tokens"]
    questions = document.get("questions") or [{"ask": sentence} for sentence in document["sentences"]]
    return Questions(
        questions=tuple(questions),
        today=document["today"],
        configuration=FOLDER / f"{document['configuration']}.yaml",
        operators=tuple(tokens["operator"]),
        callers=tuple(tokens["serve"]),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operators", description=__doc__)
    parser.add_argument("words", nargs="?", default="", help="only the sentences with these words")
    parser.add_argument("--unseen", action="store_true", help="the sentences that nothing was improved for")
    parser.add_argument("--show", action="store_true", help="print every sentence that is not right")
    parser.add_argument("--file", metavar="NAME", help="the sentences of tests/gateway/questions_NAME.yaml")
    parser.add_argument("--dangerous", action="store_true", help="the sentences that must make no change")
    options = parser.parse_args()
    path = FOLDER / f"questions_{options.file}.yaml" if options.file else UNSEEN if options.unseen else SEEN
    file = load(DANGEROUS if options.dangerous else path)
    selected = tuple(question for question in file.questions if options.words in str(question["ask"]))
    with tempfile.TemporaryDirectory(prefix="nlapi-operators-") as home:
        without_registrations(home)
        outcomes = run(replace(file, questions=selected))
    for outcome in outcomes if options.show else ():
        is_asked = outcome.is_change and not outcome.stands
        if outcome.rating is not Rating.RIGHT or is_asked or options.words:
            rating = f"{outcome.rating}, shown for consent" if is_asked else outcome.rating
            lines = [f"{rating}: {outcome.sentence}", f"    wanted {outcome.wanted}"]
            print("\n".join([*lines, *(f"    call   {call}" for call in outcome.calls), f"    {outcome.message}"]))
    print(summary(outcomes))
    return 1 if any(outcome.rating is Rating.WRONG for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
