"""How sure a plan is beyond what the forest says: more where it is plainly said, less where something is left out."""

from __future__ import annotations

from collections.abc import Sequence

from nlapi.planner.acts import says_act, says_update, sets_state, unsaid_kind
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.change_questions import is_half_said
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.commanded import uncommanded
from nlapi.planner.doubts import is_lost, is_tossed_up
from nlapi.planner.slots.entities import is_subject, kind_of
from nlapi.planner.slots.known_values import wanted_in
from nlapi.planner.guard import unexpressed, unused, unused_value
from nlapi.planner.operations.intent_rewrites import says_plainly, tells
from nlapi.planner.reads import asks_for_health, asks_who_i_am
from nlapi.planner.rivals import surety
from nlapi.planner.language.english.text import Kind
from nlapi.planner.slots import Slot
from nlapi.planner.operations.fallbacks import UNSURE
from nlapi.planner.language.english.question_intent import asks_whether_there
from nlapi.resources.nouns import is_single

CHOSEN = 0.6
"""The least that a plan is sure of whose operation the user chose."""
TOSSED = 0.15
"""The most that a plan is sure of which is a toss-up, or hardly about the API: the user is offered the choice."""
_SURE_OF_WHICH = 0.5
"""How sure it has to be which thing is meant for a read of it to tell whether it is there."""


def unsaid_words(best: Candidate, settled: Candidate, catalogue: Catalogue) -> tuple[str, ...]:
    """What of the sentence the call leaves out that it must not be thought to have taken care of."""
    changes = catalogue.index.changes(best.operation)
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
