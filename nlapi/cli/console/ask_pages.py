"""The pages Ask and Review: a sentence, the plan as it forms, and what a run asks before it changes anything."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nlapi import registry
from nlapi.agent.events import ChoiceOffered, ConsentReply, InputNeeded, WorkflowProposed, change_outcome
from nlapi.cli.ask.prompts import describe_argument, describe_choice, word_to_type
from nlapi.cli.ask.session import OFFER_BELOW, Session, open_log, open_session
from nlapi.cli.console.plan_view import CallViewer, PlanView, shorten
from nlapi.cli.console.runs import Question, Run, Runs
from nlapi.cli.options import Setup
from nlapi.cli.render import table
from nlapi.client.safe_text import single_line
from nlapi.console.web import PageAnswer, PageHandler, PageRequest, redirect, render
from nlapi.errors import UsageError
from nlapi.planner.planner import OfflinePlanner
from nlapi.tools.answers.view import AnswerView
from nlapi.tools.arguments import coerce
from nlapi.tools.plan import Step, ask

# Rows of an answer that a page shows, and characters of its JSON.
MAX_ROWS = 200
MAX_JSON = 100_000
MAX_CELL = 300
# In seconds: a description may change, and an account be logged in.
PLANNING_S = 30.0
# Characters of a sentence, which is planned in some seconds, and sentences whose page can be gone back to.
MAX_SENTENCE, MAX_TYPED = 2_000, 200


@dataclass(slots=True, kw_only=True)
class AskPages:
    """Plans and asks the APIs that are registered, and those of the command line."""

    sources: Sequence[str]
    base_url: str | None
    runs: Runs
    _planning: dict[str, tuple[object, float, Session]] = field(default_factory=dict)
    """sessions that only plan, by their API, with its registration and the time by a clock in seconds"""

    _typed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """APIs and sentences by the address of their plan"""

    @property
    def routes(self) -> dict[tuple[str, str], PageHandler]:
        return {
            ("GET", "/"): self.page,
            ("POST", "/plan"): self.plan,
            ("GET", "/planned/{id}"): self.page,
            ("POST", "/ask"): self.start,
            ("GET", "/asked/{id}"): self.run,
            ("POST", "/asked/{id}"): self.reply,
        }

    def apis(self) -> list[str]:
        """Return the names of the APIs that can be asked, those of the command line first."""
        return list(dict.fromkeys((*self.sources, *registry.read_registrations())))

    def setup(self, api: str) -> Setup:
        """Return the options with which an API is asked. UsageError for one that this console does not have."""
        if api not in self.apis():
            raise UsageError(f"there is no API {api!r} here", hint="`nlapi api add NAME SOURCE` registers one")
        return Setup(sources=[api], base_url=self.base_url if api in self.sources else None)

    async def page(self, request: PageRequest) -> PageAnswer:
        """Show the empty form, or the plan of a sentence that was typed before."""
        api, sentence = self._typed.get(request.values.get("id", ""), ("", ""))
        view = await self._plan(api, sentence) if sentence else None
        return render(
            request,
            "local/ask.html",
            apis=self.apis(),
            api=api,
            sentence=sentence,
            view=view,
            form_id=self.runs.new_form(),
            runs=self.runs.begun,
            max_sentence=MAX_SENTENCE,
        )

    async def plan(self, request: PageRequest) -> PageAnswer:
        """Show the plan of what is typed: a part of the page for a script, else a page of its own.

        No sentence stands in an address: it may have a credential in it. The page has one, so that Back leads to it.
        """
        sentence, api = request.form.get("q", "").strip(), request.form.get("api", "")
        if len(sentence) > MAX_SENTENCE:
            raise UsageError(f"a sentence has at most {MAX_SENTENCE:,} characters", hint="say it in several")
        if request.is_partial:
            view = await self._plan(api, sentence) if sentence else None
            form_id = self.runs.new_form()
            return render(request, "local/plan.html", api=api, sentence=sentence, view=view, form_id=form_id)
        id = secrets.token_urlsafe(9)
        self._typed[id] = api, sentence
        for old in list(self._typed)[:-MAX_TYPED]:
            del self._typed[old]
        return redirect(request, f"/planned/{id}")

    async def _plan(self, api: str, sentence: str) -> PlanView:
        """Return the plan of the embedded planner; nothing is sent, and no model is asked."""
        session = await self._planning_session(api)
        conversation = ask(sentence, session.known_values)
        plan = await asyncio.to_thread(OfflinePlanner(tuple(session.targets)).first_plan, conversation)
        return await asyncio.to_thread(viewer_of(session).plan, plan, conversation, OFFER_BELOW)

    async def _planning_session(self, api: str) -> Session:
        """Return a session that only plans. What is sent is planned by a new one, which may have no other options."""
        setup, entry, now = self.setup(api), registry.read_registrations().get(api), time.monotonic()
        stored = self._planning.get(api)
        if stored is not None and stored[0] == entry and now - stored[1] < PLANNING_S:
            return stored[2]
        session = await asyncio.to_thread(open_session, setup)
        self._planning[api] = entry, now, session
        return session

    async def start(self, request: PageRequest) -> PageAnswer:
        """Ask what was typed, once for each form."""
        form = request.form
        sentence, api, id = form.get("q", "").strip(), form.get("api", ""), form.get("id", "")
        if not sentence:
            return redirect(request, "/")
        run = await self.runs.start(id, partial(self._begin, api, sentence))
        await run.settled()
        return redirect(request, f"/asked/{id}")

    async def _begin(self, api: str, sentence: str) -> Run:
        setup = self.setup(api)
        session = await asyncio.to_thread(open_session, setup)
        session.face = "console"
        return Run(session, ask(sentence, session.known_values), open_log(True, session.policy))

    async def run(self, request: PageRequest) -> PageAnswer:
        """Show how far a run is: what it asks, or what came of it."""
        id = request.values["id"]
        return run_page(request, id, await self.runs.find(id))

    async def reply(self, request: PageRequest) -> PageAnswer:
        """Take the answer to what a run asks. One that comes twice, or too late, changes nothing."""
        id, form = request.values["id"], request.form
        run = await self.runs.find(id)
        question, number = run.question, form.get("number", "")
        if question is not None and number == str(run.number):
            run.reply(run.number, read_reply(question, form))
        await run.settled()
        return redirect(request, f"/asked/{id}")


def viewer_of(session: Session) -> CallViewer:
    """Return what shows the calls of a session."""
    return CallViewer(targets=session.targets, secrets=session.policy.secrets)


def read_reply(question: Question, form: Mapping[str, str]) -> object:
    """Return what a form answers. Anything but a plain yes is a no; UsageError for what does not fit."""
    if isinstance(question, ChoiceOffered):
        index = form.get("choice", "")
        if not index.isdecimal() or len(index) > 9 or int(index) >= len(question.choices):
            raise UsageError("nothing was chosen", hint="go back and choose one")
        return question.choices[int(index)].tool.operation
    if isinstance(question, InputNeeded):
        return _read_values(question, form)
    word = word_of(question)
    is_agreed = form.get("answer") == "yes" and (not word or form.get("word", "").strip() == word)
    reason = form.get("why", "").strip()
    if form.get("answer") == "yes" and not is_agreed:
        raise UsageError(f"the word {word} was not typed; nothing was sent", hint="go back and type it")
    return ConsentReply(is_agreed=is_agreed, reason="" if is_agreed else reason, is_late=True)


def _read_values(question: InputNeeded, form: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in question.missing:
        text = form.get(f"value.{item.argument}", "").strip()
        if not text:
            raise UsageError(f"{item.argument} is empty", hint="go back and fill it in")
        values[item.argument] = coerce(text, item.schema, item.tool.input_schema.get("$defs", {}))
    return values


def word_of(question: Question | None) -> str:
    """Return the word that is typed to agree; "" where a button is enough."""
    if isinstance(question, tuple):
        return word_to_type([(event.call.tool.operation, event.effect) for event in question])
    return word_to_type(question.proposal.changes) if isinstance(question, WorkflowProposed) else ""


def run_page(request: PageRequest, id: str, run: Run) -> PageAnswer:
    """Return the page of a run."""
    question, viewer = run.question, viewer_of(run.session)
    common: dict[str, Any] = {"id": id, "run": run, "title": viewer.mask(run.title), "transcript": run.transcript}
    if isinstance(question, ChoiceOffered):
        return render(request, "local/choose.html", choices=list(map(describe_choice, question.choices)), **common)
    if isinstance(question, InputNeeded):
        missing = [(item.argument, describe_argument(item), item.choices) for item in question.missing]
        return render(request, "local/missing.html", missing=missing, **common)
    if question is not None:
        calls = (
            [viewer.workflow(question)]
            if isinstance(question, WorkflowProposed)
            else list(map(viewer.proposed, question))
        )
        understood = viewer.mask(single_line(run.understood)) if len(calls) > 1 else ""
        return render(
            request, "local/review.html", calls=calls, understood=understood, word=word_of(question), **common
        )
    views = run.answered.views if run.answered is not None else ()
    return render(
        request,
        "local/answer.html",
        steps=[step_row(step, viewer.mask) for step in run.steps],
        tables=[answer_table(view, viewer.mask) for view in views],
        text=viewer.mask(run.answered.text) if run.answered is not None else "",
        data=_last_data(run.steps, viewer.mask),
        **common,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTable:
    """A table of an answer; `total` is the number of all its rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int
    is_single: bool = False


def answer_table(view: AnswerView, mask: Callable[[str], str]) -> AnswerTable:
    """Return the rows that a page shows of an answer."""
    if view.is_single:
        (item,) = view.rows
        rows = [
            (table.column_label(view, path), mask(table.answer_cell(view, path, item, MAX_CELL)))
            for path in view.columns
        ]
        return AnswerTable(columns=("field", "value"), rows=tuple(rows), total=len(rows), is_single=True)
    return AnswerTable(
        columns=tuple(table.column_label(view, path) for path in view.columns),
        rows=tuple(
            tuple(mask(table.answer_cell(view, path, item, MAX_CELL)) for path in view.columns)
            for item in view.rows[:MAX_ROWS]
        ),
        total=len(view.rows),
    )


def step_row(step: Step, mask: Callable[[str], str]) -> dict[str, str]:
    """Return a line about a call that has ended."""
    request = f"{step.request.method} {single_line(step.request.url)}" if step.request is not None else ""
    status = str(step.result.status) if step.result is not None else ""
    return {
        "operation": single_line(step.call.operation_id),
        "request": mask(request),
        "status": status,
        "outcome": str(change_outcome(step)),
        "message": mask(single_line(step.message)),
    }


def _last_data(steps: Sequence[Step], mask: Callable[[str], str]) -> str:
    result = next((step.result for step in reversed(steps) if step.result is not None), None)
    if result is None or result.data is None:
        return ""
    return shorten(mask(json.dumps(result.data, indent=2, ensure_ascii=False, default=str)), MAX_JSON)
