"""Collects the verbs by which the id, path, summary and description of an operation say what it does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nlapi.openapi.parse import derived_id
from nlapi.openapi.spec import Operation
from nlapi.resources.effect_prose import sentence_clues, split_sentences
from nlapi.resources.effect_verbs import ACTIONS, VERB_NOUNS, RUN_VERBS, VAGUE_VERBS, Action, parse_verb
from nlapi.resources.effect_words import Clue, name_clue
from nlapi.resources.naming import name_words, singular


class SignSource(StrEnum):
    """The part of a description that a clue is from."""

    NAME = "name"
    PATH = "path"
    SUMMARY = "summary"
    DESCRIPTION = "description"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A clue with its source."""

    clue: Clue
    source: SignSource

    @property
    def sentence(self) -> str:
        return f"its {self.source} says `{self.clue.word}`"

    @property
    def retrieves(self) -> bool:
        """Whether its verb looks for something, and does not only hand it over."""
        is_return = self.clue.word.startswith((*_RETURN_PREFIXES, "download"))
        return self.clue.action is Action.RETRIEVE and self.clue.leading and not is_return

    @property
    def computes(self) -> bool:
        word = self.clue.word
        return self.clue.leading and (word.startswith(_COMPUTE_PREFIXES) or word.endswith(_QUESTION_ENDINGS))

    @property
    def weight(self) -> float:
        """The weight of the sign: less for a noun than for a verb, and for `returns` less than for `searches`."""
        if not self.clue.leading:
            return 1.0
        if self.clue.word.startswith(_RETURN_PREFIXES):
            return 1.5
        return 2.0 if self.computes else _WEIGHTS[self.clue.action]


_RETURN_PREFIXES = ("return", "obtain", "receiv", "provid", "respond")
# Verbs of COMPUTE that hardly ever stand for anything else.
_COMPUTE_PREFIXES = ("calculat", "comput", "estimat", "translat", "classif", "predict", "forecast")

# Conjunctions that make a question of a verb: `check if`.
_QUESTION_ENDINGS = (" if", " whether", " that")

# A read needs ENOUGH (3.0): two verbs that retrieve, or one with a list in the answer and paging.
_WEIGHTS = {Action.RETRIEVE: 2.0, Action.COMPUTE: 1.5, Action.RISKY: 1.0, Action.CHANGE: 0.0}


def collect_signs(operation: Operation) -> list[Sign]:
    """Return the signs in the id, the path, the summary and the description of an operation."""
    # An id that nlapi derived from the path is no second source beside the path.
    name = name_clue(operation.id) if operation.id != derived_id("POST", operation.path) else None
    summary, description = split_sentences(operation.summary, 1), split_sentences(operation.description, 1)
    signs = [Sign(clue=name, source=SignSource.NAME)] if name is not None else []
    if summary:
        signs += [Sign(clue=clue, source=SignSource.SUMMARY) for clue in sentence_clues(summary[0])]
    segment = last_segment(operation)
    clue = name_clue(segment) if segment else None
    if clue is not None and not _is_noun(clue, segment, signs, operation):
        signs.append(Sign(clue=clue, source=SignSource.PATH))
    if description and description != summary:
        candidates = [Sign(clue=clue, source=SignSource.DESCRIPTION) for clue in sentence_clues(description[0])]
        signs += [sign for sign in candidates if not _is_minor_noun(sign.clue, description[0], signs)]
    return signs


def _is_noun(clue: Clue, segment: str, signs: list[Sign], operation: Operation) -> bool:
    """Return whether the verb of a path segment is a noun: the report of `getReport` and of `Get a report`."""
    words = name_words(segment)
    if clue.action is not Action.CHANGE or clue.word not in VERB_NOUNS or clue.word != words[0]:
        return False
    texts = {SignSource.NAME: operation.id, SignSource.SUMMARY: operation.summary}
    return any(_reads(sign) and clue.word in name_words(texts[sign.source])[1:] for sign in signs)


def _is_minor_noun(clue: Clue, sentence: str, signs: list[Sign]) -> bool:
    """Return whether a verb of a description that is also a noun, such as labels, counts less than name and summary.

    It is a verb where an article follows: `Starts a job`.
    """
    if re.search(rf"\b{clue.word}\s+(?:an?|the|your|new|one|remote)\b", sentence.lower()):
        return False
    is_noun = clue.action is Action.CHANGE and clue.word not in ACTIONS and singular(clue.word) in VERB_NOUNS
    return is_noun and len({sign.source for sign in signs if sign.clue.action is not Action.CHANGE}) > 1


def _reads(sign: Sign) -> bool:
    return sign.clue.leading and sign.clue.action in (Action.RETRIEVE, Action.COMPUTE)


def first_change(signs: Sequence[Sign], *, outright: bool = False) -> str:
    """Return the sentence of the first sign of a change; "" where there is none.

    `outright`: verbs that a read may have too, such as process and run, do not count.
    """
    changes = [sign for sign in signs if sign.clue.action is Action.CHANGE]
    if outright:
        changes = [
            sign for sign in changes if (verb := parse_verb(sign.clue.word)) is None or verb.base not in VAGUE_VERBS | RUN_VERBS
        ]
    return changes[0].sentence if changes else ""


def sign_sentences(signs: Sequence[Sign]) -> list[str]:
    """Return a sentence for each word among the signs, with all its sources."""
    sources: dict[str, list[str]] = {}
    for sign in signs:
        sources.setdefault(sign.clue.word, []).append(sign.source.value)
    reasons = []
    for word, (*earlier, last) in sources.items():
        subject = f"{', '.join(earlier)} and {last} say" if earlier else f"{last} says"
        reasons.append(f"its {subject} `{word}`")
    return reasons


def last_segment(operation: Operation) -> str:
    """Return the last literal segment of a path; of `/orders:search` and `/#X-Amz-Target=Shop.ListOrders` the verb."""
    path, _, fragment = operation.path.partition("#")
    # AWS descriptions have one URL path and tell operations apart in the fragment.
    if fragment:
        return re.split(r"[=./]", fragment)[-1]
    literal = [part for part in re.split(r"[/:]", path.partition("?")[0]) if part and "{" not in part]
    return re.sub(r"\.(json|xml)$", "", literal[-1]) if literal else ""
