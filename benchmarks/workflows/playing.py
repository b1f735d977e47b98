"""Plays workflows with nlapi's engine, against a sandbox in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from benchmarks.workflows.collection import Case
from benchmarks.workflows.evidence import Evidence, judge
from benchmarks.workflows.stage import Stage, credentials_of
from nlapi.cli.workflow import read_inputs
from nlapi.client.message import Request, Result
from nlapi.errors import NlapiError
from nlapi.sandbox.validation import RawRequest
from nlapi.tools.idempotency import single_intention
from nlapi.tools.run import Target, authorize_call, prepare
from nlapi.tools.tool import Call
from nlapi.workflows.engine import RunState, WorkflowRun
from nlapi.workflows.model import Workflow
from nlapi.workflows.planner import exchange_of
from nlapi.workflows.scope import Scope
from nlapi.workflows.sources import LinkedDocument


class Mode(StrEnum):
    """How a document is read."""

    LETTER = "to the letter"
    TOLERANT = "tolerantly, nothing invented"
    ANSWERED = "with answers to questions"


class Stop(StrEnum):
    """What stopped a run."""

    NOTHING = ""
    INPUT = "an input"
    UNBOUND = "a call that cannot be built"
    REFUSED = "a call that nlapi refuses"
    ANSWER = "an answer"
    CRASH = "an exception"


@dataclass(frozen=True, kw_only=True)
class Played:
    """One run. `scope` has the values at its end, `call` is the one that was refused."""

    case: Case
    mode: Mode
    stop: Stop
    step: str = ""
    failure: str = ""
    evidence: Evidence | None = None
    scope: Scope | None = None
    call: Call | None = None

    @property
    def is_ended(self) -> bool:
        """Whether the run ended, and the sandbox saw it end."""
        if self.stop is not Stop.NOTHING or self.evidence is None:
            return False
        return self.evidence.is_ended_strictly if self.mode is Mode.LETTER else self.evidence.is_ended

    @property
    def is_whole(self) -> bool:
        return self.is_ended and self.evidence is not None and self.evidence.is_whole


def play(
    case: Case,
    linked: LinkedDocument,
    workflow: Workflow,
    stage: Stage,
    inputs: Mapping[str, Any],
    *,
    mode: Mode,
    answers: Mapping[str, Any] | None = None,
) -> Played:
    """Return what became of a workflow, also of one on which nlapi breaks."""
    try:
        return _play(case, linked, workflow, stage, inputs, mode=mode, answers=answers)
    except Exception as error:
        return Played(case=case, mode=mode, stop=Stop.CRASH, failure=f"{type(error).__name__}: {error}")


def _play(
    case: Case,
    linked: LinkedDocument,
    workflow: Workflow,
    stage: Stage,
    inputs: Mapping[str, Any],
    *,
    mode: Mode,
    answers: Mapping[str, Any] | None = None,
) -> Played:
    """Return what became of a workflow with new sample data; `answers` are values by argument for what is asked."""
    stage.reset()
    texts = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in inputs.items()]
    try:
        values = read_inputs(workflow, texts)
    except NlapiError as error:
        return Played(case=case, mode=mode, stop=Stop.INPUT, failure=str(error))
    target = Target(spec=stage.spec, base_url="https://sandbox.invalid", credentials=credentials_of(stage.spec))
    defaults = {stage.spec: answers} if answers else {}
    run = WorkflowRun(linked=linked, workflow=workflow, inputs=values, defaults=defaults, strict=mode is Mode.LETTER)
    stop, call = Stop.NOTHING, None
    while stop is Stop.NOTHING and (calls := run.next_calls()):
        for bound in calls:
            try:
                prepared = prepare(bound.call, target, intention=single_intention())
                request = authorize_call(prepared, target).request
            except NlapiError as error:
                run.finish(bound.call, None, str(error))
                stop, call = Stop.REFUSED, bound.call
                break
            report = run.finish(bound.call, exchange_of(prepared.call, prepared.request, _send(stage, request)))
            if report.failure and run.state is not RunState.RUNNING:
                stop = Stop.ANSWER
                break
    if run.state is RunState.FAILED and stop is Stop.NOTHING:
        stop = Stop.UNBOUND
    return Played(
        case=case,
        mode=mode,
        stop=stop,
        step=run.reports[-1].path if run.reports else "",
        failure=run.failure,
        evidence=judge(case, stage.log, stage.spec),
        scope=run.frames[0].scope if run.frames else None,
        call=call,
    )


def _send(stage: Stage, request: Request) -> Result:
    url = urlsplit(request.url)
    incoming = RawRequest(
        method=request.method,
        path=url.path,
        query=url.query,
        headers={name.lower(): value for name, value in request.headers},
        content=request.content or b"",
    )
    response = stage.send(incoming)
    return Result(
        status=response.status,
        headers=response.headers,
        content=response.content,
        url=request.url,
        method=request.method,
    )
