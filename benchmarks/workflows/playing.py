"""Plays workflows with nlapi's engine, against a sandbox in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from benchmarks.workflows.collection import Case
from benchmarks.workflows.evidence import Evidence, judge
from benchmarks.workflows.inputs import InputSource
from benchmarks.workflows.stage import Stage, credentials_of
from nlapi.cli.workflow.inputs import read_inputs
from nlapi.client.message import Request, Result
from nlapi.errors import NlapiError
from nlapi.sandbox.validation import RawRequest
from nlapi.tools.sending.run import Target, authorize_call, prepare
from nlapi.tools.tool import Call
from nlapi.workflows.bind import Scope
from nlapi.workflows.engine import RunState, WorkflowRun
from nlapi.workflows.planner import exchange_of
from nlapi.workflows.repair import workflow_node
from nlapi.workflows.sources import LinkedDocument


class Mode(StrEnum):
    """How a document is read."""

    LETTER = "to the letter"
    TOLERANT = "tolerantly, as it is written"
    REPAIRED = "with repairs, nothing invented"
    ANSWERED = "with repairs, questions answered"

    @property
    def has_repairs(self) -> bool:
        return self in (Mode.REPAIRED, Mode.ANSWERED)


class Stop(StrEnum):
    """What stopped a run."""

    NOTHING = ""
    INPUT = "an input"
    QUESTION = "a question"
    UNBOUND = "a call that cannot be built"
    REFUSED = "a call that nlapi refuses"
    ANSWER = "an answer"
    CRASH = "an exception"


@dataclass(frozen=True, kw_only=True)
class Played:
    """One run. `script` is the workflow as it was run, with its repairs; `scope` has the values at its end."""

    case: Case
    script: Case
    mode: Mode
    stop: Stop
    step: str = ""
    failure: str = ""
    evidence: Evidence | None = None
    scope: Scope | None = None
    call: Call | None = None
    """the call that was refused"""

    @property
    def is_ended(self) -> bool:
        """Whether the run ended, and the sandbox saw it end."""
        if self.stop is not Stop.NOTHING or self.evidence is None:
            return False
        return self.evidence.is_ended_strictly if self.mode is Mode.LETTER else self.evidence.is_ended

    @property
    def is_whole(self) -> bool:
        return self.is_ended and self.evidence is not None and self.evidence.is_whole

    @property
    def is_linked(self) -> bool:
        return self.is_ended and self.evidence is not None and self.evidence.is_linked


@dataclass(frozen=True, kw_only=True)
class Player:
    """Plays the workflows of one document; `linked` is the document as it is run."""

    linked: LinkedDocument
    stage: Stage
    source: InputSource
    mode: Mode

    def play(self, case: Case) -> Played:
        """Return what became of a workflow, also of one on which nlapi breaks."""
        script = Case(api=case.api, tree=workflow_node(self.linked.document.tree, case.id))
        try:
            return self._play(case, script)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            return Played(case=case, script=script, mode=self.mode, stop=Stop.CRASH, failure=failure)

    def _play(self, case: Case, script: Case) -> Played:
        self.stage.reset()
        workflow = self.linked.document.workflow(case.id)
        inputs = self.source.inputs(script)
        if self.mode is not Mode.ANSWERED:
            # An input that a repair adds is a question.
            inputs = {name: value for name, value in inputs.items() if name in case.inputs}
        texts = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in inputs.items()]
        try:
            values = read_inputs(workflow, texts)
        except NlapiError as error:
            return Played(case=case, script=script, mode=self.mode, stop=Stop.INPUT, failure=str(error))
        missing = [name for name in workflow.required_inputs if name not in values]
        if missing:
            failure = f"asks for {', '.join(missing)}"
            return Played(case=case, script=script, mode=self.mode, stop=Stop.INPUT, failure=failure)
        run = WorkflowRun(linked=self.linked, workflow=workflow, inputs=values, strict=self.mode is Mode.LETTER)
        stop, call = self._send_all(run)
        last = run.reports[-1].path if run.reports else ""
        return Played(
            case=case,
            script=script,
            mode=self.mode,
            stop=stop,
            step=run.missing.argument.partition(".")[0] if run.missing is not None else last,
            failure=f"asks for {run.missing.argument}: {run.missing.description}" if run.missing else run.failure,
            evidence=judge(case, self.stage.log, self.stage.spec, script=script),
            scope=run.frames[0].scope if run.frames else None,
            call=call,
        )

    def _send_all(self, run: WorkflowRun) -> tuple[Stop, Call | None]:
        """Send the calls of a run up to its end, and return what stopped it."""
        credentials = credentials_of(self.stage.spec)
        target = Target(spec=self.stage.spec, base_url="https://sandbox.invalid", credentials=credentials)
        while (calls := run.next_calls()) or run.missing is not None:
            if run.missing is not None:
                if self.mode is not Mode.ANSWERED:
                    return Stop.QUESTION, None
                run.give(self.source.answer(run.missing))
                continue
            for bound in calls:
                try:
                    prepared = prepare(bound.call, target, intention=target.ledger.intention)
                    request = authorize_call(prepared, target).request
                except NlapiError as error:
                    run.finish(bound.call, None, str(error))
                    return Stop.REFUSED, bound.call
                result = _send(self.stage, request)
                report = run.finish(bound.call, exchange_of(prepared.call, prepared.request, result))
                if report.failure:
                    break
            if run.state is RunState.FAILED:
                return Stop.ANSWER, None
        return (Stop.UNBOUND if run.state is RunState.FAILED else Stop.NOTHING), None


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
