"""Which read tells what a question asks of a thing that it names, by the fields and values that its answer has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.openapi.spec import Effect
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.slots.entities import noun_stems
from nlapi.planner.slots.known_values import wanted_in
from nlapi.planner.reads import asks
from nlapi.planner.language.english.text import Kind
from nlapi.planner.language.english.question_intent import Want, wish_of
from nlapi.resources.answer_words import answer_words
from nlapi.resources.naming import STOPWORDS, VERBS, Intent

_NAMED = 0.6
"""How sure the name of a thing has to be."""


def telling_instead(best: Candidate, others: Sequence[Candidate]) -> Candidate:
    """Return what shows the thing that a question names, where that tells of it what the likeliest read does not.

    `is the api container running` is told by its state, and not by the processes that run in it.
    """
    text = best.scene.sentence.text
    checks = wish_of(text).want is Want.CHECK
    if best.tool.effect is not Effect.READ or not (checks or asks(text)):
        return best
    most, instead = _told(best, _asked(best), only_answer=checks), best
    for one in others:
        if one.tool.effect is Effect.READ and not one.filling.missing and _names_one(one):
            asked = _asked(one)
            told = _told(one, asked, only_answer=True)
            if told > (most & asked):
                most, instead = told, one
    return replace(instead, score=best.score)


def _names_one(candidate: Candidate) -> bool:
    """Is the thing called by its name which a read shows?"""
    named = (option for option in candidate.filling.options if wanted_in(option.value) is not None)
    return any(option.sure > _NAMED for option in named)


def _told(candidate: Candidate, asked: frozenset[str], *, only_answer: bool) -> frozenset[str]:
    """What of a question an answer has a field or a value for, or the read says of itself."""
    words = answer_words(candidate.operation).all
    return asked & (words if only_answer else words | candidate.scene.common) - {*noun_stems(candidate.operation)}


def _asked(candidate: Candidate) -> frozenset[str]:
    """The stems of what a question asks of a thing: no little words, nor what is called or counted by a value."""
    sentence = candidate.scene.sentence
    spans = [one for one in sentence.spans if one.kind in (Kind.NAME, Kind.LITERAL, Kind.QUOTED, Kind.NUMBER)]
    hidden = [(one.start, one.end) for one in candidate.filling.options] + [(one.start, one.end) for one in spans]
    return frozenset(
        token.stem
        for token in sentence.tokens
        if token.word
        and token.lower not in STOPWORDS
        and VERBS.get(token.stem) is not Intent.READ
        and not any(start <= token.start < end for start, end in hidden)
    )
