"""Selects the clause of a sentence with several commands that belongs to one call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from nlapi.changes.leftover import clauses_of
from nlapi.changes.lexicon import command_of
from nlapi.changes.sentences import case_of, conditional, denied, not_a_command, opening
from nlapi.resources.naming import VERBS, Intent
from nlapi.tools.account import Account, Source
from nlapi.tools.tool import Call

# Checks whose words are about all clauses, at any position: `pause A and delete B, but not yet`.
_OF_THE_WHOLE = (not_a_command, denied, conditional)
# A clause that only points to an earlier one: `pause it`.
_POINTING = re.compile(r"\W*[A-Za-z]+ (?:it|them|that|this|that one|this one|those)\b[^,;]*", re.IGNORECASE)


def narrowed(call: Call, account: Account, text: str) -> Account:
    """Return the account with one clause of `text` as its sentence, the clause with the call's words.

    `pause A and delete B` is two commands, each with a verb of its own. In `find A and pause it` the second clause is
    the command, and the words for A have no position in it. A sentence that asks, rules out or makes a condition stays
    whole.
    """
    whole = replace(account, sentence=text)
    clauses = clauses_of(text)
    if len(clauses) < 2 or any(True for check in _OF_THE_WHOLE for _ in check(case_of(call, whole, text))):
        return whole
    at = {number for number, (start, end) in enumerate(clauses) for one in account.sources if start <= one.start < end}
    if len(at) != 1:
        return whole
    (number,) = at
    start, end = clauses[number]
    if number + 1 < len(clauses) and _reads(text[start:end]):
        following = text[slice(*clauses[number + 1])]
        if _POINTING.fullmatch(following.strip()):
            start, end = clauses[number + 1]
    sources = tuple(_moved(account.sources, start, end))
    return replace(account, sources=sources, sentence=text[start:end])


def _reads(clause: str) -> bool:
    return VERBS.get(command_of(clause[opening(clause) :].lower().split())[0]) is Intent.READ


def _moved(sources: Iterable[Source], start: int, end: int) -> Iterable[Source]:
    """Yield sources with positions in a clause; those outside of it have none (-1)."""
    for one in sources:
        inside = start <= one.start < end
        yield replace(one, start=one.start - start, end=one.end - start) if inside else replace(one, start=-1, end=-1)
