"""What makes a plan doubtful, a rival as likely or a question hardly understood, and what is no reason to doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.openapi.spec import Effect
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.condition import FILLER
from nlapi.planner.slots.entities import noun_stems
from nlapi.planner.match import QUERYLIKE
from nlapi.planner.reads import asks
from nlapi.planner.language.english.text import Kind
from nlapi.planner.language.english.lexicon import SYNONYMS
from nlapi.planner.language.english.question_intent import wish_of
from nlapi.resources.answer_words import answer_words
from nlapi.resources.naming import STOPWORDS
from nlapi.resources.resource import resources_of

_TIE = 0.4
"""How near another operation is when it is a toss-up between the two."""
_COPULAS = frozenset(("is", "are", "was", "were"))
_HALF, _LITTLE = 0.5, 0.2
"""The least part of a question that an operation has to account for."""


def settled_by_answer(best: Candidate) -> Candidate:
    """A listing without the names and codes that its request leaves out: the answer is filtered by them.

    Nor does it lack the N of `the latest N`, of which the answer is cut.
    """
    listed = best.tool.effect is Effect.READ and resources_of(best.operation.spec).is_list(best.operation)
    if not listed or best.filling.missing:
        return best
    cut = wish_of(best.scene.sentence.text).spans
    left = [
        span
        for span in best.filling.unused
        if span.kind not in (Kind.NAME, Kind.LITERAL, Kind.QUOTED)
        and not any(start <= span.start < end for start, end in cut)
    ]
    row = {**best.row, "unused": float(len(left)), "unused_names": 0.0}
    return replace(best, filling=replace(best.filling, unused=tuple(left)), row=row)


def is_tossed_up(best: Candidate, others: Sequence[Candidate]) -> bool:
    """Is another operation about as likely, no argument said that speaks for this one, and most of the rest unknown?"""
    vague = not best.filling.options and best.row["heard"] < _HALF
    return vague and any(best.score - one.score < _TIE for one in others)


def is_lost(best: Candidate) -> bool:
    """Does a read account for little of a question: for less than half of it, or only as what is to be searched for?

    How many CPUs the host has is no search for images with the term CPUs.
    """
    if best.tool.effect is not Effect.READ:
        return False
    if not asks(best.scene.sentence.text):
        return _asks_something_else(best)
    options, said = best.filling.options, set(noun_stems(best.operation)) & best.scene.sentence.stem_set
    searched = [one for one in options if set(one.slot.words) <= QUERYLIKE]
    if options and len(searched) == len(options) and not said:
        return all(one.span is None or one.span.kind is not Kind.QUOTED for one in searched)
    return not options and best.row["heard_prose"] < _LITTLE


def _asks_something_else(best: Candidate) -> bool:
    """Is it asked whether a thing is so, of which neither the read nor its answer has a word: is the proxy ready?"""
    tokens = [token for token in best.scene.sentence.tokens if token.word]
    if len(tokens) < 3 or tokens[0].lower not in _COPULAS or tokens[1].lower == "there":
        return False
    last = tokens[-1]
    known = best.scene.common | best.scene.talked | answer_words(best.operation).all
    valued = any(one.start <= last.start < one.end for one in best.filling.options)
    named = any(one.start <= last.start < one.end for one in best.scene.sentence.spans if one.kind is not Kind.PHRASE)
    means = any(last.stem in SYNONYMS.get(word, ()) for word in known)
    return not (valued or named or means or last.lower in STOPWORDS or last.stem in known or last.stem in FILLER)
