"""How sure a plan is beyond what the forest says: more where it is plainly said, less where something is left out."""

from __future__ import annotations

from collections.abc import Sequence

from nlapi.offline.acts import says_act, says_update, sets_state, unsaid_kind
from nlapi.offline.catalogue import Catalogue
from nlapi.offline.change_questions import is_half_said
from nlapi.offline.choose import Candidate
from nlapi.offline.commanded import uncommanded
from nlapi.offline.guard import unexpressed, unused, unused_value
from nlapi.offline.meant import says_plainly, tells
from nlapi.offline.reads import asks_for_health, asks_who_i_am
from nlapi.offline.sentence import Kind
from nlapi.offline.slots import Slot
from nlapi.offline.unplanned import UNSURE

CHOSEN = 0.6
"""The least that a plan is sure of whose operation the user chose."""
TIE = 0.4
"""How near another operation is when it is a toss-up between the two."""
TOSSED = 0.15
"""The most that a plan is sure of which is a toss-up, or hardly about the API: the user is offered the choice."""


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
    plain = changes and not missing and (says_act(best) or sets_state(best) or says_update(best))
    if told or plain or asks_who_i_am(question) or asks_for_health(question):
        sure = max(sure, CHOSEN)
    if best.unasked or unsaid or half:
        sure = min(sure, UNSURE)
    return min(sure, TOSSED) if _is_tossed_up(best, others) and not told else sure


def _is_tossed_up(best: Candidate, others: Sequence[Candidate]) -> bool:
    """Is another operation about as likely, no argument said that speaks for this one, and most of the rest unknown?"""
    vague = not best.filling.options and best.row["heard"] < 0.5
    return vague and any(best.score - one.score < TIE for one in others)
