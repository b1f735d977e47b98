"""Keeps answers that were too long to show, for the session that they belong to: bounded, and read in pages."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from nlapi.client.clean import clean
from nlapi.client.message import Result
from nlapi.client.shrink import UNTRUSTED
from nlapi.errors import UsageError

PAGE = 20_000
"""Characters of one page."""

MAX_ANSWER = 4_000_000
"""Characters of one answer; what follows is let go, and the last page says so."""

MAX_ANSWERS = 20
"""Answers that one session has at a time."""

MAX_TOTAL = 40_000_000
"""Characters of all answers of all sessions; the oldest go first."""


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
        """One page, from 1, with a line above that says what it is. UsageError when there is no such page."""
        if not 1 <= number <= self.pages:
            raise UsageError(f"there is no page {number}", hint=f"this answer has {self.pages}")
        end = " It went on, but was too long to keep." if self.cut and number == self.pages else ""
        head = f"[page {number} of {self.pages} of the answer to {self.about}; {UNTRUSTED}]"
        return f"{head}\n{self.text[(number - 1) * PAGE : number * PAGE]}{end}"


class Kept:
    """The answers that are kept, the oldest first."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def keep(self, result: Result, owner: str, about: str) -> Answer:
        """Keep what an API answered, as text; an id that nobody guesses is its name."""
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
        """The answers of one session, the oldest first."""
        return [one for one in self._answers.values() if one.owner == owner]

    def get(self, id: str, owner: str) -> Answer:
        """The answer of that id, if it is this session's. UsageError otherwise, in the same words."""
        found = self._answers.get(id)
        if found is None or found.owner != owner:
            raise UsageError("this answer is not kept any more", hint="call the operation again")
        return found


def _text(result: Result) -> str:
    if result.data is None:
        return result.text
    return json.dumps(result.data, ensure_ascii=False, indent=1)
