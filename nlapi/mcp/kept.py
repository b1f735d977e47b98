"""Answers too long to show, stored for the session that they belong to: bounded, and read in pages."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from nlapi.client.clean import clean
from nlapi.client.message import Result
from nlapi.client.shrink import UNTRUSTED
from nlapi.errors import UsageError

# In characters, as many as a model is shown of an answer at once.
PAGE = 20_000

# In characters: of one answer, which is cut there, and of all sessions together, where the oldest answer is dropped.
# Over HTTP anybody with the token can have answers stored, so neither may grow with the number of calls.
MAX_ANSWER = 4_000_000
MAX_TOTAL = 40_000_000
MAX_ANSWERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The text of one answer. `owner` is the session that may read it, `about` the call that it answered."""

    id: str
    owner: str
    about: str
    text: str = field(repr=False)
    cut: bool = False

    @property
    def pages(self) -> int:
        return max(1, -(-len(self.text) // PAGE))

    def page(self, number: int) -> str:
        """Return one page, counted from 1, below a line that describes it. UsageError when there is no such page."""
        if not 1 <= number <= self.pages:
            raise UsageError(f"there is no page {number}", hint=f"this answer has {self.pages}")
        end = " It went on, but was too long to keep." if self.cut and number == self.pages else ""
        head = f"[page {number} of {self.pages} of the answer to {self.about}; {UNTRUSTED}]"
        return f"{head}\n{self.text[(number - 1) * PAGE : number * PAGE]}{end}"


class Kept:
    """The stored answers, oldest first."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def keep(self, result: Result, owner: str, about: str) -> Answer:
        """Store an answer of the API as text, under an unguessable id."""
        text = clean(_text(result))
        answer = Answer(
            id=secrets.token_urlsafe(16),
            owner=owner,
            about=about,
            text=text[:MAX_ANSWER],
            cut=len(text) > MAX_ANSWER,
        )
        self._answers[answer.id] = answer
        for old in self.of(owner)[:-MAX_ANSWERS]:
            del self._answers[old.id]
        while sum(len(one.text) for one in self._answers.values()) > MAX_TOTAL:
            self._answers.popitem(last=False)
        return answer

    def of(self, owner: str) -> list[Answer]:
        """Return the answers of one session, oldest first."""
        return [one for one in self._answers.values() if one.owner == owner]

    def get(self, id: str, owner: str) -> Answer:
        """Return the answer of that id, if it is this session's. UsageError otherwise."""
        # The same words for another session's answer, which must not be told apart from one that is gone.
        found = self._answers.get(id)
        if found is None or found.owner != owner:
            raise UsageError("this answer is not kept any more", hint="call the operation again")
        return found


def _text(result: Result) -> str:
    if result.data is None:
        return result.text
    return json.dumps(result.data, ensure_ascii=False, indent=1)
