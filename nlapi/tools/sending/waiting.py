"""Waits for work that an API does after it has answered: its state is read until it is over, and nothing sent again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nlapi.client.message import Limits, Result, parse_retry_after
from nlapi.errors import NlapiError, SendError
from nlapi.openapi.spec import Effect
from nlapi.resources.long_running import (
    ACCEPTED,
    AnsweredRequest,
    PendingWork,
    WorkState,
    failure_reason,
    next_state,
    pending_work,
    work_state,
)
from nlapi.tools.sending.direct_request import find_direct
from nlapi.tools.sending.request_changes import RequestChanges
from nlapi.tools.sending.run import Target, is_held, model_fields, perform, prepare
from nlapi.tools.tool import Call

if TYPE_CHECKING:
    from nlapi.client.transport import HttpClient

# Seconds between two looks where the API does not say: short for work of a moment, and no burden where it is long.
_FIRST_DELAY = 0.5
_GROWTH = 1.5
_LONGEST_DELAY = 10.0
# What is added with each look to the least delay: `Retry-After: 0` for a minute is thousands of requests.
_LEAST_GROWTH = 0.02
# Looks in a row that may fail: a state is often not there at once, and servers restart.
_MAX_FAILURES = 5
_GONE = (404, 410)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOutcome:
    """How far work came: `result` is the newest answer about it, and `message` says what is known, in a sentence."""

    state: WorkState
    result: Result
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedChange:
    """A change that was sent, with its answer. No result of it is known before its work is done."""

    call: Call
    effect: Effect
    result: Result

    def pending_work(self, limits: Limits) -> PendingWork | None:
        """Return the work that its answer tells of, if it is waited for."""
        if limits.wait <= 0 or self.effect is Effect.READ or self.result.is_cut:
            return None
        return pending_work(self.call.tool.operation, answered(self.result), any_state=limits.wait_any)


@dataclass(slots=True, kw_only=True)
class _Wait:
    target: Target
    limits: Limits
    client: HttpClient | None
    for_model: bool
    started: float
    failures: int = 0
    looks: int = 0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def delay(self, answer: Result) -> float:
        """Return the seconds until the next look: the API's own figure, else a little longer each time."""
        seconds = parse_retry_after(answer.header("retry-after") or "")
        if seconds is None:
            return min(_FIRST_DELAY * _GROWTH**self.looks, _LONGEST_DELAY)
        return max(seconds, min(_LEAST_GROWTH * self.looks, _FIRST_DELAY))

    async def read(self, url: str) -> Result | None:
        """Return the answer at an address of the API; None where it may not be asked, or gave no answer."""
        target = self.target
        try:
            direct = find_direct(target.spec, "GET", url, base_url=target.base_url, rules=target.rules)
            call = Call(tool=direct.tool, arguments=direct.arguments)
            prepared = prepare(call, target, changes=RequestChanges(query=direct.query))
            # What an answer leads to is not a word of the user: a read alone, and one that no rule holds back.
            if prepared.effect is not Effect.READ or is_held(prepared):
                return None
            # The program looks again and again, and no model that goes in circles.
            result = await perform(prepared, target, limits=self.limits, client=self.client)
        except SendError:
            raise
        except NlapiError:  # such as a credential that the read needs: the change was sent all the same
            return None
        return model_fields(prepared.call.tool.operation, target).apply(result) if self.for_model else result


def answered(result: Result) -> AnsweredRequest:
    """Return what an answer says of work."""
    headers = {name.lower(): value for name, value in result.headers}
    status, data = result.status, result.data
    return AnsweredRequest(method=result.method, url=result.url, status=status, headers=headers, data=data)


async def await_work(
    change: AcceptedChange,
    target: Target,
    *,
    limits: Limits | None,
    client: HttpClient | None = None,
    for_model: bool = False,
) -> WorkOutcome | None:
    """Wait up to `limits.wait` seconds for the work that the answer to a change tells of; return None without any.

    Only reads are sent, to the API's own servers, and each as its policy allows. Work does not end with a
    failed read, unless that happens five times.
    """
    work = change.pending_work(limits) if limits is not None else None
    if limits is None or work is None:
        return None
    wait = _Wait(target=target, limits=limits, client=client, for_model=for_model, started=time.monotonic())
    newest = change.result
    while work.url and wait.failures < _MAX_FAILURES:
        delay = wait.delay(newest)
        if wait.elapsed + delay > limits.wait:
            break
        if limits.on_wait is not None:
            limits.on_wait(f"waiting for {change.call.operation_id}{_in_brackets(work.state)}, {wait.elapsed:.0f} s")
        await asyncio.sleep(delay)
        wait.looks += 1
        try:
            answer = await wait.read(work.url)
        except SendError:
            wait.failures += 1
            continue
        if answer is None:
            return _unfinished(change, newest, work, f"its state at {work.url} cannot be asked for from here")
        if (end := _end(change, answer, newest)) is not None:
            return await _with_result(wait, end, work)
        newest = answer if answer.ok else newest
        wait.failures = 0 if answer.ok else wait.failures + 1
        work = next_state(work, answered(answer)) if answer.ok else work
    if not work.url:
        return _unfinished(change, newest, work, "the API does not say where its state is read")
    if wait.failures:
        return _unfinished(change, newest, work, f"its state could not be read {wait.failures} times in a row")
    return _unfinished(change, newest, work, f"its state was last read after {wait.elapsed:.0f} s")


def _end(change: AcceptedChange, answer: Result, newest: Result) -> WorkOutcome | None:
    """Return the end of the work that an answer about its state shows; None while it runs or nothing is known.

    `newest` is the answer before it.
    """
    name = change.call.operation_id
    # A missing state that was never there does not exist yet, and was not deleted.
    was_there = newest is not change.result or answer.url == change.result.url
    if answer.status in _GONE and change.effect is Effect.DESTROY and was_there:
        return WorkOutcome(state=WorkState.DONE, result=answer, message=f"{name} is done: it is gone")
    if answer.status == ACCEPTED or not answer.ok:
        return None
    state, word = work_state(answer.data)
    if state is WorkState.IN_PROGRESS:
        return None
    if state is WorkState.FAILED:
        reason = failure_reason(answer.data)
        message = f"{name} was accepted, and its work failed{_in_brackets(word)}{f': {reason}' if reason else ''}"
        return WorkOutcome(state=WorkState.FAILED, result=answer, message=message)
    return WorkOutcome(state=WorkState.DONE, result=answer, message=f"{name} is done{_in_brackets(word)}")


async def _with_result(wait: _Wait, end: WorkOutcome, work: PendingWork) -> WorkOutcome:
    """Return the end with the result of the work, where another address has it."""
    if end.state is not WorkState.DONE or work.result_url in ("", work.url):
        return end
    try:
        result = await wait.read(work.result_url)
    except SendError:
        return end
    return end if result is None or not result.ok else WorkOutcome(state=end.state, result=result, message=end.message)


def _unfinished(change: AcceptedChange, newest: Result, work: PendingWork, reason: str) -> WorkOutcome:
    place = f"; GET {work.url} has its state" if work.url and "cannot" not in reason else ""
    message = f"{change.call.operation_id} was accepted and is not done yet{_in_brackets(work.state)}: {reason}{place}"
    return WorkOutcome(state=WorkState.IN_PROGRESS, result=newest, message=message)


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""
