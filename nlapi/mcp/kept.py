"""Answers too long to show, stored for the session that they belong to: bounded, and read in pages."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from nlapi.client.safe_text import strip_control
from nlapi.client.message import Result
from nlapi.client.truncate import UNTRUSTED
from nlapi.errors import UsageError

# In characters, as many as a model is shown of an answer at once.
PAGE_SIZE = 20_000

# In characters: of one answer, which is cut there, and of all sessions together, where the oldest answer is dropped.
# Over HTTP anybody with the token can have answers stored, so neither may grow with the number of calls.
MAX_ANSWER_SIZE = 4_000_000
MAX_TOTAL_SIZE = 40_000_000
MAX_SESSION_ANSWERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The text of one answer. `owner` is the session that may read it, `call` the call that it answered."""

    id: str
    owner: str
    call: str
    text: str = field(repr=False)
    is_truncated: bool = False

    @property
    def pages(self) -> int:
        return max(1, -(-len(self.text) // PAGE_SIZE))

    def page(self, number: int) -> str:
        """Return one page, counted from 1, below a line that describes it. UsageError when there is no such page."""
        if not 1 <= number <= self.pages:
            raise UsageError(f"there is no page {number}", hint=f"this answer has {self.pages}")
        end = " It went on, but was too long to keep." if self.is_truncated and number == self.pages else ""
        head = f"[page {number} of {self.pages} of the answer to {self.call}; {UNTRUSTED}]"
        return f"{head}\n{self.text[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]}{end}"


class AnswerStore:
    """The stored answers, oldest first."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, StoredAnswer] = OrderedDict()

    def add(self, result: Result, owner: str, call: str) -> StoredAnswer:
        """Store an answer of the API as text, under an unguessable id."""
        text = strip_control(_answer_text(result))
        answer = StoredAnswer(
            id=secrets.token_urlsafe(16),
            owner=owner,
            call=call,
            text=text[:MAX_ANSWER_SIZE],
            is_truncated=len(text) > MAX_ANSWER_SIZE,
        )
        self._answers[answer.id] = answer
        for old in self.for_owner(owner)[:-MAX_SESSION_ANSWERS]:
            del self._answers[old.id]
        while sum(len(stored.text) for stored in self._answers.values()) > MAX_TOTAL_SIZE:
            self._answers.popitem(last=False)
        return answer

    def for_owner(self, owner: str) -> list[StoredAnswer]:
        """Return the answers of one session, oldest first."""
        return [answer for answer in self._answers.values() if answer.owner == owner]

    def get(self, id: str, owner: str) -> StoredAnswer:
        """Return the answer of that id, if it is this session's. UsageError otherwise."""
        # The same words for another session's answer, which must not be told apart from one that is gone.
        answer = self._answers.get(id)
        if answer is None or answer.owner != owner:
            raise UsageError("this answer is not kept any more", hint="call the operation again")
        return answer


def _answer_text(result: Result) -> str:
    if result.data is None:
        return result.text
    return json.dumps(result.data, ensure_ascii=False, indent=1)
