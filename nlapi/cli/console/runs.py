"""Questions that were sent from the page: each is answered as `nlapi ask` does it, and asks back on its own page."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nlapi.agent.events import (
    CallProposed,
    ChangeOutcome,
    ChoiceOffered,
    ConsentReply,
    Event,
    InputNeeded,
    PlanCreated,
    StepFinished,
    TurnAnswered,
    WorkflowProposed,
    change_outcome,
)
from nlapi.agent.records.receipts import ConsentRung
from nlapi.cli.ask.session import Session
from nlapi.errors import NlapiError, UsageError
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Step

if TYPE_CHECKING:
    from nlapi.agent.records.log import Log

# Runs that are kept after their end, and forms whose button may still be pressed.
MAX_KEPT = 100
MAX_FORMS = 1000
# Seconds in which an answer is waited for before the page says that work goes on.
PATIENCE_S = 10.0

# What a run may wait for: consent to calls or to a workflow, a choice, values.
Question = tuple[CallProposed, ...] | WorkflowProposed | ChoiceOffered | InputNeeded


class Run:
    """A question on its way. Whatever it asks has a number, and each number is answered once."""

    def __init__(self, session: Session, conversation: Conversation, log: AbstractContextManager[Log | None]) -> None:
        self.session = replace(
            session,
            render=self._note,
            consent=self._consent,
            workflow_consent=self._consent_to_workflow,
            policy=replace(session.policy, interactive=True),
            thinking=None,
            rung=ConsentRung.PAGE,
            hints_at_resume=False,
        )
        self.question: Question | None = None
        self.number = 0
        self.steps: list[Step] = []
        self.understood = ""
        """what its last plan does, in words"""
        self.answered: TurnAnswered | None = None
        self.fault: NlapiError | None = None
        self.transcript = ""
        """the name of its transcript"""
        self.is_over = False
        self._conversation, self._log = conversation, log
        self._reply: asyncio.Future[Any] | None = None
        self._settled = asyncio.Event()
        self._task = asyncio.create_task(self._work())

    @property
    def title(self) -> str:
        """The question of the user."""
        return self._conversation.question

    @property
    def state(self) -> tuple[str, str]:
        """How far it is in words, and the class of the badge that shows them."""
        if self.question is not None:
            return "waits for you", "expired"
        if not self.is_over:
            return "at work", "running"
        if self.fault is not None:
            return "failed", "rolled_back"
        changes = [step for step in self.steps if step.call.effect is not Effect.READ]
        counted = changes or self.steps[-1:]  # a second try makes up for a first read that found nothing
        done = sum(change_outcome(step) is ChangeOutcome.SUCCEEDED for step in counted)
        if not counted:
            return "nothing sent", "expired"
        if done < len(counted):
            return f"{done} of {len(counted)} done" if done else "not done", "rolled_back"
        return "done", "running"

    @property
    def waits(self) -> bool:
        """Whether it waits for consent."""
        return isinstance(self.question, tuple | WorkflowProposed)

    async def settled(self) -> None:
        """Wait, but not for long, until it asks something or is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), PATIENCE_S)

    def reply(self, number: int, value: object) -> bool:
        """Answer a question with what fits it, and return whether it waited for that."""
        if number != self.number or self._reply is None or self._reply.done():
            return False
        self._settled.clear()
        self._reply.set_result(value)
        return True

    async def end(self) -> None:
        """Stop it. A question that nobody answered sends nothing."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _work(self) -> None:
        try:
            with self._log as log:
                self.session.log = log
                self.transcript = log.path.stem if log is not None else ""
                await self._answer(self._conversation)
        except NlapiError as error:
            self.fault = error
        finally:
            self.question, self.is_over = None, True
            self._settled.set()

    async def _answer(self, conversation: Conversation) -> None:
        self.session.log_question(conversation)
        while True:
            last = await self.session.until_last(conversation)
            if isinstance(last, TurnAnswered):
                self.answered = last
                return
            reply = await self._ask(last)
            is_choice = isinstance(last, ChoiceOffered)
            conversation = last.conversation.with_choice(reply) if is_choice else last.conversation.with_replies(reply)

    async def _ask(self, question: Question) -> Any:
        self.number += 1
        self.question, self._reply = question, asyncio.get_running_loop().create_future()
        self._settled.set()
        try:
            return await self._reply
        finally:
            self.question = None

    async def _consent(self, proposed: tuple[CallProposed, ...]) -> ConsentReply:
        reply: ConsentReply = await self._ask(proposed)
        return reply

    async def _consent_to_workflow(self, proposed: WorkflowProposed) -> ConsentReply:
        reply: ConsentReply = await self._ask(proposed)
        return reply

    def _note(self, event: Event) -> None:
        if isinstance(event, StepFinished):
            self.steps.append(event.step)
        elif isinstance(event, PlanCreated):
            self.understood = event.plan.understood


class Runs:
    """The runs of this console by their id. The form that starts one has the id, so that it starts one alone."""

    def __init__(self) -> None:
        self._forms: dict[str, None] = {}
        self._runs: dict[str, asyncio.Task[Run]] = {}

    def new_form(self) -> str:
        """Return the id of the run that a form may start."""
        id = secrets.token_urlsafe(9)
        self._forms[id] = None
        if len(self._forms) > MAX_FORMS:
            del self._forms[next(iter(self._forms))]
        return id

    async def start(self, id: str, begin: Callable[[], Awaitable[Run]]) -> Run:
        """Return the run of a form, begun once however often it is sent. UsageError for a form that is not ours."""
        if id not in self._runs:
            if id not in self._forms:
                raise UsageError("this form is too old; nothing was sent", hint="load the page and ask again")
            del self._forms[id]
            self._runs[id] = asyncio.create_task(self._begun(id, begin))
            self._forget()
        return await asyncio.shield(self._runs[id])

    async def _begun(self, id: str, begin: Callable[[], Awaitable[Run]]) -> Run:
        """Return a run that begins; where it does not, its form may be sent again."""
        try:
            return await begin()
        except BaseException:
            del self._runs[id]
            self._forms[id] = None
            raise

    async def find(self, id: str) -> Run:
        """Return a run. UsageError where there is none."""
        if id not in self._runs:
            raise UsageError("this question is not there any more", hint="the log has what came of it")
        return await asyncio.shield(self._runs[id])

    @property
    def begun(self) -> dict[str, Run]:
        """The runs that have begun, the newest first."""
        tasks = reversed(self._runs.items())
        return {id: task.result() for id, task in tasks if task.done() and not task.exception()}

    async def end(self) -> None:
        """End all runs."""
        for run in self.begun.values():
            await run.end()

    def _forget(self) -> None:
        over = [id for id, run in self.begun.items() if run.is_over]
        for id in over[MAX_KEPT:]:
            del self._runs[id]
