"""The page Waiting: what this user's MCP servers ask about, and what was asked on this console."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from nlapi.agent.records.receipts import ConsentRung
from nlapi.cli.console.runs import Runs
from nlapi.console.web import PageAnswer, PageHandler, PageRequest, page_number, redirect, render
from nlapi.mcp.terminal_questions import TerminalQuestion, waiting_questions

# Questions on one page, and answers whose outcome is kept.
PAGE_SIZE = 50
MAX_ANSWERS = 1000
# In seconds. A server that is stopped (Ctrl-Z) must not hold up the pages, which all show how many questions wait.
LOOK_S, GLANCE_S, FRESH_S = 2.0, 0.3, 1.0

LOST = (
    "The server ended before it said what came of it: after a yes it may or may not have been sent. "
    "Look at the state of the API before you send it again."
)
GONE = "No such question waits: it was answered, its ten minutes are over, or its server has ended."


@dataclass(slots=True, kw_only=True)
class WaitingPages:
    """Shows what waits, and takes one answer for each question."""

    runs: Runs
    _answers: dict[str, asyncio.Task[Mapping[str, Any]]] = field(default_factory=dict)
    """what came of an answer, by the code of its question"""
    _seen: list[TerminalQuestion] = field(default_factory=list)
    _look: asyncio.Task[list[TerminalQuestion]] | None = None
    """the look at all servers that began last"""
    _looked_at: float = -inf
    """when it began"""

    @property
    def routes(self) -> dict[tuple[str, str], PageHandler]:
        return {
            ("GET", "/waiting"): self.page,
            ("GET", "/count"): self.count_part,
            ("GET", "/waiting/{code}"): self.question,
            ("POST", "/waiting/{code}"): self.answer,
        }

    async def count(self) -> int:
        """Return how many questions wait."""
        return len(await self._questions(GLANCE_S, oldest=FRESH_S)) + sum(run.waits for run in self.runs.begun.values())

    async def _questions(self, patience: float = LOOK_S, *, oldest: float = 0.0) -> list[TerminalQuestion]:
        """Return the questions of a look begun at most `oldest` seconds ago, or of one before after `patience`."""
        look = self._look
        if look is None or not oldest or (look.done() and time.monotonic() - self._looked_at > oldest):
            look = self._look = asyncio.create_task(asyncio.to_thread(waiting_questions, LOOK_S))
            self._looked_at = time.monotonic()
        await asyncio.wait([look], timeout=patience)
        if look.done():
            self._seen = look.result()
        return [question for question in self._seen if question.code not in self._answers]

    async def count_part(self, request: PageRequest) -> PageAnswer:
        """Show how many wait, for the line that asks again by itself."""
        return render(request, "local/count.html", heading=request.query.get("heading", ""))

    async def page(self, request: PageRequest) -> PageAnswer:
        """Show all that waits, the question that ends first at the beginning."""
        questions = await self._questions()
        number = page_number(request)
        first = (number - 1) * PAGE_SIZE
        return render(
            request,
            "local/waiting.html",
            questions=questions[first : first + PAGE_SIZE],
            own=[(id, run) for id, run in self.runs.begun.items() if run.waits],
            total=len(questions),
            number=number,
            has_more=len(questions) > first + PAGE_SIZE,
        )

    async def question(self, request: PageRequest) -> PageAnswer:
        """Show one question with exactly what is sent, or what came of it."""
        code = request.values["code"]
        if code in self._answers:
            outcome = await asyncio.shield(self._answers[code])
            return render(request, "local/message.html", title="Answered", message=str(outcome.get("text", "")))
        question = await self._find(code)
        if question is None:
            return render(request, "local/message.html", status=404, title="Not waiting", message=GONE)
        return render(request, "local/question.html", question=question)

    async def _find(self, code: str) -> TerminalQuestion | None:
        return next((entry for entry in await asyncio.to_thread(waiting_questions) if entry.code == code), None)

    async def answer(self, request: PageRequest) -> PageAnswer:
        """Answer a question, once however often the form is sent, with the digest of what was shown."""
        code, form = request.values["code"], request.form
        if code not in self._answers:
            question = await self._find(code)
            if question is None:
                return render(request, "local/message.html", status=404, title="Not waiting", message=GONE)
            if question.digest != form.get("digest"):
                text = "The question is another one than was shown; nothing was answered."
                return render(request, "local/message.html", status=409, title="Not answered", message=text)
            # Found while another copy of the form was answered: that one counts.
            if code not in self._answers:
                agrees = form.get("answer") == "yes"
                self._answers[code] = asyncio.create_task(asyncio.to_thread(_outcome, question, agrees))
                for old in list(self._answers)[:-MAX_ANSWERS]:
                    del self._answers[old]
        outcome = await asyncio.shield(self._answers[code])
        if outcome.get("state") == "waiting":  # its server refused the answer, and still asks
            self._answers.pop(code, None)
            text = str(outcome.get("text", ""))
            return render(request, "local/message.html", status=409, title="Not answered", message=text)
        return redirect(request, f"/waiting/{code}")


def _outcome(question: TerminalQuestion, agrees: bool) -> Mapping[str, Any]:
    try:
        return question.answer(agrees=agrees, rung=ConsentRung.PAGE)
    except (OSError, EOFError, ValueError):
        return {"text": LOST}
