"""Answers whether all items are so: some words of a question choose the items, the others are asked of each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nlapi.planner.answering.conditions import Condition
from nlapi.planner.answering.list_question import ListQuestion, noun_pattern
from nlapi.planner.answering.row_fields import count_phrase
from nlapi.resources.identity import is_empty

_EVERY = re.compile(r"\b(?:all|every|each|everything|both)\b", re.IGNORECASE)
_HAVE = re.compile(r"\b(?:has|have)\b", re.IGNORECASE)
_PREPOSITION = re.compile(r"\b(?:in|of|for|from|on|at|by|with|under|within|called|named)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniversalAnswer:
    """Whether all items are so: `verdict` is Yes, No, or "" where that cannot be told; `text` says how many are."""

    verdict: str
    text: str = ""


def universal_word(question: str) -> str:
    """Return the word by which a question is about all items; "" where it is not."""
    match = _EVERY.search(question)
    return match.group() if match is not None else ""


def universal_answer(question: ListQuestion) -> UniversalAnswer:
    """Return whether all items that the question chooses meet what it asks of them.

    Items that the request chose by what is asked of them tell nothing of the others: all of the active ones are active.
    """
    filtered, operation = question.filtered, question.call.tool.operation
    start, end = _noun_span(question)
    if _is_of_others(question.text, start):
        return UniversalAnswer(verdict="")
    choosing = [condition for condition in filtered.conditions if 0 <= condition.start < start]
    required = [condition for condition in filtered.conditions if condition not in choosing]
    chosen = [row for row in question.fields.rows if all(condition.holds_in(row) for condition in choosing)]
    if not required and _has_named_fields(question, chosen, end):
        return UniversalAnswer(verdict="Yes" if question.is_whole else "")
    passing, is_all = len(filtered.items), len(filtered.items) == len(chosen)
    # Of several conditions behind the noun, one may choose the items: are all campaigns with reach active?
    is_clear = len(required) == 1 or (bool(required) and is_all)
    if not chosen or not is_clear or not _is_preselected_by_choice(question, required, end):
        return UniversalAnswer(verdict="")
    if is_all and not question.is_whole:
        return UniversalAnswer(verdict="")
    verdict = "Yes" if is_all else "No"
    if not choosing:
        return UniversalAnswer(verdict=verdict)
    of, have = count_phrase(len(chosen), operation), "has" if passing == 1 else "have"
    return UniversalAnswer(
        verdict=verdict, text=f"{passing:,} of {of} with {_texts(choosing)} {have} {_texts(required)}"
    )


def _is_of_others(question: str, start: int) -> bool:
    """Return whether it is asked of others if they all have such items: does every campaign have an ad."""
    every = _EVERY.search(question)
    return every is not None and _HAVE.search(question, every.end(), max(start, every.end())) is not None


def _has_named_fields(question: ListQuestion, rows: list[dict[str, Any]], end: int) -> bool:
    """Return whether a question asks if items have fields, and each of these items has them."""
    fields = question.filtered.fields if _HAVE.search(question.text, end) else ()
    return bool(fields and rows) and not any(is_empty(row.get(path)) for row in rows for path in fields)


def _is_preselected_by_choice(question: ListQuestion, required: list[Condition], end: int) -> bool:
    """Return whether what the request applied chooses the items: before the noun, or `in` something behind it."""
    behind = [place for place in question.filtered.requested if place >= end]
    first = min((condition.start for condition in required), default=-1)
    return not behind or (behind[-1] < first and _PREPOSITION.search(question.text[end : behind[0]]) is not None)


def _noun_span(question: ListQuestion) -> tuple[int, int]:
    """Return where the noun of the items stands in the question; the beginning where it does not."""
    nouns = noun_pattern(question.call.tool.operation)
    match = re.search(rf"\b(?:{nouns})\b", question.text, re.IGNORECASE) if nouns else None
    return match.span() if match is not None else (0, 0)


def _texts(conditions: list[Condition]) -> str:
    return " and ".join(condition.text for condition in conditions)
