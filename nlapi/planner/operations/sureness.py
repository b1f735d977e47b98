"""How sure a plan is beyond what the forest says: more where it is plainly said, less where something is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.openapi.spec import Effect
from nlapi.planner.answering.conditions import FILLER
from nlapi.planner.language.lexicon import SYNONYMS
from nlapi.planner.language.question_intent import asks_whether_there, wish_of
from nlapi.planner.language.text import Kind
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.change_questions import is_half_said
from nlapi.planner.operations.commanded import says_act, says_update, sets_state, uncommanded, unsaid_kind
from nlapi.planner.operations.fallbacks import UNSURE
from nlapi.planner.operations.intent_rewrites import says_plainly, tells
from nlapi.planner.operations.reads import asks, asks_for_health, asks_who_i_am, surety
from nlapi.planner.operations.vetoes import unexpressed, unused, unused_value
from nlapi.planner.slots.entities import is_subject, kind_of, noun_stems
from nlapi.planner.slots.features import QUERYLIKE
from nlapi.planner.slots.known_values import wanted_in
from nlapi.planner.slots.slot import Slot
from nlapi.resources.answers import answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.resources.naming import STOPWORDS
from nlapi.resources.nouns import is_single

CHOSEN = 0.6
"""The least that a plan is sure of whose operation the user chose."""
TOSSED = 0.15
"""The most that a plan is sure of which is a toss-up, or hardly about the API: the user is offered the choice."""
_SURE_OF_WHICH = 0.5
"""How sure it has to be which thing is meant for a read of it to tell whether it is there."""


def unsaid_words(best: Candidate, settled: Candidate, catalogue: Catalogue) -> tuple[str, ...]:
    """What of the sentence the call leaves out that it must not be thought to have taken care of."""
    changes = catalogue.index.is_change(best.operation)
    unsaid = () if changes else tuple(unexpressed(best))
    if not changes and any(span.kind in (Kind.LITERAL, Kind.QUOTED) for span in settled.filling.unused):
        unsaid = (*unsaid, *unused(best))
    commanded = uncommanded(best, catalogue) or unsaid_kind(best)
    return (commanded, *unsaid) if commanded else unsaid


def surely(
    best: Candidate,
    settled: Candidate,
    others: Sequence[Candidate],
    missing: Sequence[Slot],
    sure: float,
    question: str,
    *,
    changes: bool,
    unsaid: bool,
) -> float:
    """How sure a plan is: more where it is plainly said, less where something is left out or another is as likely."""
    half = changes and (is_half_said(best) or any(map(unused_value, best.filling.unused)))
    told = tells(settled, missing) or says_plainly(best, missing)
    told = told or asks_who_i_am(question) or asks_for_health(question)
    plain = changes and not missing and (says_act(best) or sets_state(best) or says_update(best))
    there = not changes and asks_whether_there(question) and surety(best) > _SURE_OF_WHICH and is_single(best.operation)
    if told or plain or there:
        sure = max(sure, CHOSEN)
    if best.unasked or unsaid or half or (changes and not _says_which(best)):
        sure = min(sure, UNSURE)
    doubtful = is_tossed_up(best, others) or is_lost(best)
    return min(sure, TOSSED) if doubtful and not told else sure


def _says_which(best: Candidate) -> bool:
    """Is the thing that a change is made to told by more than a loose word: by its noun too, a look-up or a code?

    `upgrade the kernel of the host` names no plugin, though plugins are upgraded by their names.
    """
    subject = next((one for one in best.filling.options if is_subject(best.operation, one.slot)), None)
    if subject is None or subject.span is None or wanted_in(subject.value) is not None:
        return True
    span = subject.span
    coded = span.form in ("email", "host", "path", "url") or any(map(str.isdigit, span.text))
    if coded or span.kind in (Kind.QUOTED, Kind.CALLED):
        return True
    noun = kind_of(best.tool, subject.slot)
    return not noun or noun[-1] in best.scene.sentence.stem_set


_TIE = 0.4
"""How near another operation is when it is a toss-up between the two."""
_COPULAS = frozenset(("is", "are", "was", "were"))
_HALF, _LITTLE = 0.5, 0.2
"""The least part of a question that an operation has to account for."""


def settled_by_answer(best: Candidate) -> Candidate:
    """A listing without the names and codes that its request leaves out: the answer is filtered by them.

    Nor does it lack the N of `the latest N`, of which the answer is cut.
    """
    listed = best.tool.effect is Effect.READ and collection_index(best.operation.spec).is_list(best.operation)
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
