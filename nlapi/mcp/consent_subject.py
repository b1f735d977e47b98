"""What a question of consent shows: the exact request, what it changes, and a fingerprint of all that was shown."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import TextWrapper

from nlapi.agent.events import FieldChange, change_lines
from nlapi.agent.records.receipts import ConsentReceipt, begin_receipt
from nlapi.client.message import Request, preview_body, shorten_lines
from nlapi.client.safe_text import reveal_control, single_line
from nlapi.openapi.spec import Effect
from nlapi.tools.arguments import setting_lines
from nlapi.tools.quantities.moments import value_notes
from nlapi.tools.sending.run import Prepared

MAX_QUESTION = 20_000
# A long URL or body must not hide what is behind it.
MAX_BODY = MAX_QUESTION // 2

# Claude Code shows a question in a frame of the terminal and cuts each line at its edge.
LINE_WIDTH = 100
INDENT = "  "
_LINE_WRAPPER = TextWrapper(
    LINE_WIDTH - len(INDENT), drop_whitespace=False, replace_whitespace=False, expand_tabs=False, break_on_hyphens=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSubject:
    """What a question of consent is about: `question` shows it, `fingerprint` differs where anything that is sent does.

    `changes` are the fields of the item before and after, where it could be read. `command` sends it in a terminal.
    With `is_ruled` the user's policy wants a question each time. `repetition` is the reason why it may have been done
    before, "" for none; consent in advance does not cover it then. `receipt` is what is recorded of the question.
    """

    name: str
    question: str
    fingerprint: str
    command: str
    receipt: ConsentReceipt
    changes: tuple[FieldChange, ...] = ()
    title: str = "Send this request?"
    is_ruled: bool = False
    repetition: str = ""

    @property
    def lines(self) -> str:
        """The question with what it changes."""
        return "\n".join((self.question, *wrap_question(change_lines(self.changes)).splitlines()))


def call_subject(prepared: Prepared, changes: tuple[FieldChange, ...] = ()) -> ConsentSubject:
    """Return the subject of one request, with what it changes."""
    call = prepared.call
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False, default=str)
    # The exact bytes count, unlike in `client.digest`: consent is to what was shown, and to nothing equivalent.
    # So do the state of the item, and the reason why it may be a repetition: who was not shown it has not agreed to it.
    content = repr((prepared.request, prepared.repetition, changes))
    fingerprint = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    return ConsentSubject(
        name=call.operation_id,
        question=consent_question(prepared),
        fingerprint=fingerprint,
        changes=changes,
        command=shlex.join(["nlapi", "call", call.tool.operation.spec.source, call.operation_id, "--args", arguments]),
        receipt=begin_receipt("mcp", (prepared,)),
        is_ruled=prepared.is_ruled,
        repetition=prepared.repetition,
    )


def consent_question(prepared: Prepared) -> str:
    """Return the question for the user: the effect of the call, and the exact request without credentials.

    It is wrapped for a terminal with the request first: Claude Code shows three lines, each cut at the edge, and how
    many more there are.
    """
    operation, request = prepared.call.tool.operation, prepared.request
    effect_text = (prepared.effect if prepared.effect is not Effect.READ else Effect.WRITE).phrase
    headline = f"{single_line(operation.spec.title)[:80]}: {single_line(operation.id)[:200]} {effect_text}"
    parts = [_cut_text(f"{headline}: {request.method} {single_line(request.url)}", MAX_QUESTION // 4)]
    parts += [f"Sent again? {prepared.repetition}"] if prepared.repetition else []
    parts += [_cut_text(_body_text(request), MAX_BODY)] if request.content else []
    parts += setting_lines(prepared.settings)
    parts += value_notes(prepared.written)
    parts += [f"{single_line(name)}: {single_line(reveal_control(value))}" for name, value in request.headers]
    return wrap_question(parts)


def wrap_question(parts: Iterable[str]) -> str:
    """Return the parts of a question in lines that fit a terminal, at most MAX_QUESTION characters."""
    question = "\n".join(line for part in parts for line in _wrap_lines(part))
    return question if len(question) <= MAX_QUESTION else f"{question[:MAX_QUESTION]}… ({len(question):,} characters)"


def _body_text(request: Request) -> str:
    """Return the body of a request, JSON without line breaks, so that a short one fits the three lines."""
    if request.content and request.is_json:
        text = reveal_control(json.dumps(json.loads(request.content), ensure_ascii=False))
        return text if len(text) <= MAX_BODY else shorten_lines(preview_body(request), MAX_BODY)
    return f"{INDENT}{preview_body(request)}"


def _cut_text(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def _wrap_lines(text: str) -> list[str]:
    """Return a text in lines of LINE_WIDTH characters, complete; those behind the first are indented.

    So no value can pose as a line of the question.
    """
    first, *others = [piece for line in text.split("\n") for piece in _LINE_WRAPPER.wrap(line)] or [""]
    return [first, *(f"{INDENT}{line}" for line in others)]
