"""Collects the verbs by which the id, path, summary and description of an operation say what it does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nlapi.openapi.parse import derived_id
from nlapi.openapi.spec import Operation
from nlapi.resources.effect_prose import prose_clues, sentences
from nlapi.resources.effect_verbs import ACTIONS, NOUNS, RUN, VAGUE, Action, verb_of
from nlapi.resources.effect_words import Clue, name_clue
from nlapi.resources.naming import name_words, singular


class Source(StrEnum):
    """The part of a description that a clue is from."""

    NAME = "name"
    PATH = "path"
    SUMMARY = "summary"
    DESCRIPTION = "description"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A clue with its source."""

    clue: Clue
    source: Source

    @property
    def sentence(self) -> str:
        return f"its {self.source} says `{self.clue.word}`"

    @property
    def retrieves(self) -> bool:
        """Whether its verb looks for something, and does not only hand it over."""
        handed = self.clue.word.startswith((*_HANDS_OVER, "download"))
        return self.clue.action is Action.RETRIEVE and self.clue.leading and not handed

    @property
    def figures_out(self) -> bool:
        word = self.clue.word
        return self.clue.leading and (word.startswith(_FIGURES_OUT) or word.endswith(_WHETHER))

    @property
    def weight(self) -> float:
        """The weight of the sign: less for a noun than for a verb, and for `returns` less than for `searches`."""
        if not self.clue.leading:
            return 1.0
        if self.clue.word.startswith(_HANDS_OVER):
            return 1.5
        return 2.0 if self.figures_out else _WEIGHTS[self.clue.action]


_HANDS_OVER = ("return", "obtain", "receiv", "provid", "respond")
# Verbs of COMPUTE that hardly ever stand for anything else.
_FIGURES_OUT = ("calculat", "comput", "estimat", "translat", "classif", "predict", "forecast")

# Conjunctions that make a question of a verb: `check if`.
_WHETHER = (" if", " whether", " that")

# A read needs ENOUGH (3.0): two verbs that retrieve, or one with a list in the answer and paging.
_WEIGHTS = {Action.RETRIEVE: 2.0, Action.COMPUTE: 1.5, Action.RISKY: 1.0, Action.CHANGE: 0.0}


def signs_of(operation: Operation) -> list[Sign]:
    """Return the signs in the id, the path, the summary and the description of an operation."""
    # An id that nlapi derived from the path is no second source beside the path.
    name = name_clue(operation.id) if operation.id != derived_id("POST", operation.path) else None
    summary, description = sentences(operation.summary, 1), sentences(operation.description, 1)
    signs = [Sign(clue=name, source=Source.NAME)] if name is not None else []
    if summary:
        signs += [Sign(clue=clue, source=Source.SUMMARY) for clue in prose_clues(summary[0])]
    segment = last_segment(operation)
    clue = name_clue(segment) if segment else None
    if clue is not None and not _is_object(clue, segment, signs, operation):
        signs.append(Sign(clue=clue, source=Source.PATH))
    if description and description != summary:
        told = [Sign(clue=clue, source=Source.DESCRIPTION) for clue in prose_clues(description[0])]
        signs += [sign for sign in told if not _is_aside(sign.clue, description[0], signs)]
    return signs


def _is_object(clue: Clue, segment: str, signs: list[Sign], operation: Operation) -> bool:
    """Return whether the verb of a path segment is a noun: the report of `getReport` and of `Get a report`."""
    words = name_words(segment)
    if clue.action is not Action.CHANGE or clue.word not in NOUNS or clue.word != words[0]:
        return False
    texts = {Source.NAME: operation.id, Source.SUMMARY: operation.summary}
    return any(_reads(sign) and clue.word in name_words(texts[sign.source])[1:] for sign in signs)


def _is_aside(clue: Clue, sentence: str, signs: list[Sign]) -> bool:
    """Return whether a verb of a description that is also a noun, such as labels, counts less than name and summary.

    It is a verb where an article follows: `Starts a job`.
    """
    if re.search(rf"\b{clue.word}\s+(?:an?|the|your|new|one|remote)\b", sentence.lower()):
        return False
    aside = clue.action is Action.CHANGE and clue.word not in ACTIONS and singular(clue.word) in NOUNS
    return aside and len({sign.source for sign in signs if sign.clue.action is not Action.CHANGE}) > 1


def _reads(sign: Sign) -> bool:
    return sign.clue.leading and sign.clue.action in (Action.RETRIEVE, Action.COMPUTE)


def first_change(signs: Sequence[Sign], *, outright: bool = False) -> str:
    """Return the sentence of the first sign of a change; "" where there is none.

    `outright`: verbs that a read may have too, such as process and run, do not count.
    """
    changes = [sign for sign in signs if sign.clue.action is Action.CHANGE]
    if outright:
        changes = [
            sign for sign in changes if (verb := verb_of(sign.clue.word)) is None or verb.base not in VAGUE | RUN
        ]
    return changes[0].sentence if changes else ""


def sign_sentences(signs: Sequence[Sign]) -> list[str]:
    """Return a sentence for each word among the signs, with all its sources."""
    sources: dict[str, list[str]] = {}
    for sign in signs:
        sources.setdefault(sign.clue.word, []).append(sign.source.value)
    reasons = []
    for word, (*others, last) in sources.items():
        named = f"{', '.join(others)} and {last} say" if others else f"{last} says"
        reasons.append(f"its {named} `{word}`")
    return reasons


def last_segment(operation: Operation) -> str:
    """Return the last literal segment of a path; of `/orders:search` and `/#X-Amz-Target=Shop.ListOrders` the verb."""
    path, _, fragment = operation.path.partition("#")
    # AWS descriptions have one URL path and tell operations apart in the fragment.
    if fragment:
        return re.split(r"[=./]", fragment)[-1]
    literal = [part for part in re.split(r"[/:]", path.partition("?")[0]) if part and "{" not in part]
    return re.sub(r"\.(json|xml)$", "", literal[-1]) if literal else ""
