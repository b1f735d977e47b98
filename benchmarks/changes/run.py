"""Runs the commands of an API as `nlapi ask --planner offline --yes` does, and rates what reached the server."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from benchmarks.changes.cases import READ, Api, Case
from benchmarks.changes.recorder import Recorder, recording
from benchmarks.changes.wire import Requests, Wire, of_request
from nlapi.agent.events import CallProposed, Event, PlanCreated
from nlapi.changes.checks import reasons_against
from nlapi.cli.ask.events import Renderer
from nlapi.cli.ask.session import Session, open_session
from nlapi.cli.options import ConversationFormat, PlannerName, Setup
from nlapi.errors import NlapiError
from nlapi.openapi.spec import READ_METHODS, Effect, Spec
from nlapi.resources.answers import answer_schemas
from nlapi.sandbox.problem import RequestProblem
from nlapi.tools.plan import Plan, ask

TODAY = date(2026, 11, 25)
"""The day on which the commands are typed."""


class Rating(StrEnum):
    """What became of a command."""

    STANDS = "right stands"
    PART = "right in part"
    ASKED = "right asked"
    OTHER = "other asked"
    NEEDS = "needs"
    REFUSED = "refused"
    HELD = "trap held"
    WRONG = "WRONG STANDS"
    READ = "right read"
    OTHER_READ = "other read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A command, what became of it, and why: `planned` are the calls with their confidence, `message` what was said."""

    id: str
    api: str
    kind: str
    sentence: str
    must_stand: bool
    may_ask: bool
    why: str
    rating: Rating
    is_read: bool
    """Whether nothing was changed and the exit code was 0: a command that ended as a read."""
    code: int
    confidence: float
    planned: tuple[str, ...]
    proposed: tuple[str, ...]
    sent: tuple[str, ...]
    right: tuple[str, ...]
    account: tuple[str, ...]
    """Where each value of the change came from, and why it does not stand."""
    message: str
    seconds: float
    """CPU time."""

    @property
    def is_right(self) -> bool:
        """Whether the right change stands, or is asked about where that is as good."""
        return self.rating is Rating.STANDS or (self.rating is Rating.ASKED and self.may_ask)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The outcomes of an API, and the CPU seconds that its description took; `reason` is why it was left out."""

    api: str
    outcomes: tuple[Outcome, ...] = ()
    seconds: float = 0.0
    reason: str = ""
    faults: tuple[str, ...] = ()
    """What is wrong with the right requests."""


def run(api: Api, only: str = "", check: bool = False) -> Run:
    """Run the commands of an API that contain `only`; with `check` only look whether the right requests are valid."""
    path = api.path()
    if path is None:
        return Run(api=api.name, reason=f"{api.description} cannot be had")
    begin = time.process_time()
    bench = open_bench(path)
    faults = {case.id: tuple(_faults(case, bench.requests)) for case in api.cases}
    problems = tuple(fault for of_case in faults.values() for fault in of_case)
    if check:
        return Run(api=api.name, faults=problems)
    seconds = time.process_time() - begin
    chosen = [case for case in api.cases if only in case.sentence and not faults[case.id]]
    return Run(api=api.name, outcomes=tuple(bench.outcomes(chosen)), seconds=seconds, faults=problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A session over one description, in which commands are typed."""

    session: Session
    spec: Spec
    requests: Requests

    def outcomes(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Yield what becomes of each command, sent to a server that records."""
        with recording(self.spec) as recorder:
            target = replace(self.session.targets[self.spec], base_url=recorder.base_url)
            self.session.targets = {self.spec: target}
            for case in cases:
                yield _outcome(case, self.session, recorder, self.requests)


def open_bench(path: Path) -> Bench:
    """Return the bench of the description in a file."""
    session = open_session(_setup(str(path)))
    session.policy = replace(session.policy, interactive=False)
    setattr(session.planner, "today", TODAY)  # noqa: B010
    spec = next(iter(session.targets))
    return Bench(session=session, spec=spec, requests=Requests(spec))


def without_registrations(home: str) -> None:
    """Make an empty folder that of the user's settings: what he has registered must not change a figure."""
    os.environ["NLAPI_CONFIG_DIR"] = home


def _setup(path: str) -> Setup:
    return Setup(
        sources=[path],
        planner=PlannerName.OFFLINE,
        yes=True,
        base_url="http://127.0.0.1",
        no_auth=True,
        output=ConversationFormat.NDJSON,
        no_log=True,
    )


def _faults(case: Case, requests: Requests) -> Iterator[str]:
    for gold in (gold for sequence in case.right for gold in sequence):
        try:
            requests.wire(gold, case.known)
        except (NlapiError, RequestProblem, ValueError, KeyError) as error:
            yield f"{case.id} {gold.request}: {getattr(error, 'detail', None) or error!r}"
    for key, answer in case.answers.items():
        method, _, target = key.partition(" ")
        try:
            listed = answer_schemas(requests.spec).list_envelope(requests.routes.match(method, target).operation)
            if listed is not None and listed.entries(answer) is None:
                yield f"{case.id} answers {key}: the list is described at {'.'.join(listed.keys)}"
        except RequestProblem as problem:
            yield f"{case.id} answers {key}: {problem.detail}"


def _outcome(case: Case, session: Session, recorder: Recorder, requests: Requests) -> Outcome:
    events: list[Event] = []
    session.render = _collector(events)
    recorder.begin(case)
    begin = time.process_time()
    try:
        _, code = asyncio.run(session.answer(ask(case.sentence, {**session.known_values, **case.known})))
        message = getattr(events[-1], "text", "")
    except NlapiError as error:
        code, message = error.exit_code, str(error)
    except Exception as error:
        code, message = 1, f"crashed: {error!r}"
    seconds = time.process_time() - begin
    right = [tuple(requests.wire(gold, case.known) for gold in sequence) for sequence in case.right]
    sent = tuple(wire for wire in recorder.received if _changes(wire, requests))
    proposed = tuple(
        of_request(e.request) for e in events if isinstance(e, CallProposed) and e.effect is not Effect.READ
    )
    plans = [event.plan for event in events if isinstance(event, PlanCreated)]
    if case.kind == READ:
        rating = _read_rating([sequence[0] for sequence in right], recorder.received, sent, code)
    else:
        rating = _rating(right, sent, proposed, code)
    return Outcome(
        id=case.id,
        api=case.api,
        kind=case.kind,
        sentence=case.sentence,
        must_stand=case.must_stand,
        may_ask=case.may_ask,
        why=case.why,
        rating=rating,
        is_read=case.kind != READ and code == 0 and not sent,
        code=code,
        confidence=round(_deciding(plans).confidence, 3) if plans else 0.0,
        planned=tuple(f"{call.operation_id} {dict(call.arguments)}" for plan in plans for call in plan.calls),
        proposed=tuple(map(str, proposed)),
        sent=tuple(map(str, recorder.received if case.kind == READ else sent)),
        right=tuple(" > ".join(map(str, sequence)) for sequence in right),
        account=tuple(_account(plans, case.sentence)),
        message=message,
        seconds=round(seconds, 3),
    )


def _deciding(plans: Sequence[Plan]) -> Plan:
    """The plan that matters: the last that changes something, else the last that calls, else the last."""
    changing = [plan for plan in plans if any(call.tool.effect is not Effect.READ for call in plan.calls)]
    return (changing or [plan for plan in plans if plan.calls] or plans)[-1]


def _collector(events: list[Event]) -> Renderer:
    def render(event: Event) -> None:
        events.append(event)

    return render


def _account(plans: Sequence[Plan], sentence: str) -> Iterator[str]:
    calls = [call for plan in plans for call in plan.calls if call.tool.effect is not Effect.READ]
    for call in calls:
        if call.account is not None:
            for source in call.account.sources:
                yield f"{source.argument} = {source.value!r} <- {source.origin} {source.words!r}"
            yield from (f"not used: {words!r}" for words in call.account.unused)
            yield from (f"against: {reason}" for reason in reasons_against(call, call.account, sentence))


def _changes(wire: Wire, requests: Requests) -> bool:
    """Whether a request that was received is a change; a POST that the description has as a read is none."""
    if wire.method in READ_METHODS:
        return False
    try:
        return requests.routes.match(wire.method, "/".join(wire.path)).operation.effect is not Effect.READ
    except RequestProblem:
        return True


def _rating(right: Sequence[tuple[Wire, ...]], sent: tuple[Wire, ...], proposed: tuple[Wire, ...], code: int) -> Rating:
    if sent:
        in_part = any(sent == sequence[: len(sent)] for sequence in right)
        return Rating.STANDS if sent in right else Rating.PART if in_part else Rating.WRONG
    if not right:
        return Rating.HELD
    if proposed:
        return Rating.ASKED if any(proposed == sequence[:1] for sequence in right) else Rating.OTHER
    return Rating.NEEDS if code == 7 else Rating.REFUSED


def _read_rating(right: Sequence[Wire], received: Sequence[Wire], sent: tuple[Wire, ...], code: int) -> Rating:
    """How a question is rated: the right request was received, look-ups before it and further pages after it aside."""
    if any(wire not in right for wire in sent):
        return Rating.WRONG
    for at, wire in enumerate(received):
        if wire in right and all((one.method, one.path) == (wire.method, wire.path) for one in received[at:]):
            return Rating.READ
    if code == 0:
        return Rating.OTHER_READ
    return Rating.NEEDS if code == 7 else Rating.REFUSED
