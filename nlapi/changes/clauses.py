"""Selects the clause of a sentence with several commands that belongs to one call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from nlapi.changes.leftover import split_clauses
from nlapi.changes.lexicon import parse_command
from nlapi.changes.sentences import build_case, check_condition, check_negation, check_is_command, opening_length
from nlapi.resources.naming import VERBS, Intent
from nlapi.tools.account import Account, ValueSource
from nlapi.tools.tool import Call

# Checks whose words are about all clauses, at any position: `pause A and delete B, but not yet`.
_SENTENCE_CHECKS = (check_is_command, check_negation, check_condition)
# A clause that only points to an earlier one: `pause it`.
_POINTING_CLAUSE = re.compile(r"\W*[A-Za-z]+ (?:it|them|that|this|that one|this one|those)\b[^,;]*", re.IGNORECASE)


def select_clause(call: Call, account: Account, text: str) -> Account:
    """Return the account with one clause of `text` as its sentence, the clause with the call's words.

    `pause A and delete B` is two commands, each with a verb of its own. In `find A and pause it` the second clause is
    the command, and the words for A have no position in it. A sentence that asks, rules out or makes a condition stays
    whole.
    """
    full_account = replace(account, sentence=text)
    clauses = split_clauses(text)
    if len(clauses) < 2 or any(True for check in _SENTENCE_CHECKS for _ in check(build_case(call, full_account, text))):
        return full_account
    clause_numbers = {number for number, (start, end) in enumerate(clauses) for source in account.sources if start <= source.start < end}
    if len(clause_numbers) != 1:
        return full_account
    (number,) = clause_numbers
    start, end = clauses[number]
    if number + 1 < len(clauses) and _is_read(text[start:end]):
        following = text[slice(*clauses[number + 1])]
        if _POINTING_CLAUSE.fullmatch(following.strip()):
            start, end = clauses[number + 1]
    sources = tuple(_shift_sources(account.sources, start, end))
    return replace(account, sources=sources, sentence=text[start:end])


def _is_read(clause: str) -> bool:
    return VERBS.get(parse_command(clause[opening_length(clause) :].lower().split())[0]) is Intent.READ


def _shift_sources(sources: Iterable[ValueSource], start: int, end: int) -> Iterable[ValueSource]:
    """Yield sources with positions in a clause; those outside of it have none (-1)."""
    for source in sources:
        is_inside = start <= source.start < end
        yield replace(source, start=source.start - start, end=source.end - start) if is_inside else replace(source, start=-1, end=-1)
