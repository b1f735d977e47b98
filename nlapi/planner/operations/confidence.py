"""How sure a plan is, from 0 to 1: a forest over one row of features, and a curve that makes it a frequency."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from nlapi.planner.forest import Forest
from nlapi.planner.operations.candidates import Candidate

NAME = "confidence"
"""The forest that says how likely a plan is exactly right; its fact `curve` are points (said, true), both rising."""
MEANT = "meant"
"""The forest that says how likely an API is meant at all. Its fact `least` is what it takes; under its fact
`plain` that stays in doubt."""
LOOKED_AT = 3
"""The likeliest operations, one of which has to have to do with the sentence."""

FEW = 6
_LAST_LATIN = "\u02af"
KEPT = tuple(
    """values said told_near heard heard_prose heard_near unheard words deed number required filled sum mean weakest
    clear extra guessed doubt unused unused_names slots index_ahead heard_ahead""".split()
)
FEATURES = (*KEPT, "chance", "ahead", "missing", "rivals", "length")
MEANT_BY = tuple(
    """values said told said_near told_near heard heard_prose heard_name heard_near heard_told_near unheard words verb
    deed number required filled sum mean weakest missing clear guessed unused unused_names""".split()
)


def features(candidate: Candidate, others: Sequence[Candidate], missing: int) -> list[float]:
    """What the confidence is made of, in the order of FEATURES; `missing` counts what the user has to be asked for."""
    row = candidate.row
    ahead = min(8.0, candidate.score - max(one.score for one in others)) if others else 8.0
    length = float(len(candidate.scene.sentence.tokens))
    return [*(row[name] for name in KEPT), candidate.chance, ahead, float(missing), float(len(others)), length]


def confidence(row: Sequence[float]) -> float:
    """The probability that a plan with these features is exactly right."""
    forest = Forest.load(NAME)
    return along(forest.facts["curve"], forest.probability(row))


def along(curve: Sequence[tuple[float, float]], at: float) -> float:
    """The height of a line through points, between them and flat beyond their ends."""
    places = [place for place, _ in curve]
    after = bisect_right(places, at)
    if after == 0 or after == len(curve):
        return curve[min(after, len(curve) - 1)][1]
    (left, low), (right, high) = curve[after - 1], curve[after]
    return low + (high - low) * (at - left) / (right - left) if right > left else high


def meant(candidate: Candidate) -> float:
    """The probability that the sentence is about the API of an operation at all, as far as this one shows it."""
    return Forest.load(MEANT).probability([candidate.row[name] for name in MEANT_BY])


def is_meant(found: Sequence[Candidate]) -> bool:
    """Does one of the likeliest operations, the best first, have enough to do with the sentence?

    What words in another script mean cannot be told: then only whether the API has few operations counts.
    """
    best = found[0]
    if foreign(best.scene.sentence.text):
        return best.row["rivals"] < FEW
    if not best.row["words"] and not best.filling.options:
        return False
    return _likeliest(found) >= _fact("least")


def is_doubtful(found: Sequence[Candidate]) -> bool:
    """Has the API so little to do with the sentence that nobody should take its plan for granted?"""
    return _likeliest(found) < _fact("plain")


def _fact(name: str) -> float:
    found: float = Forest.load(MEANT).facts[name]
    return found


def _likeliest(found: Sequence[Candidate]) -> float:
    return max(map(meant, found[:LOOKED_AT]))


def foreign(text: str) -> bool:
    """Is most of a text in letters that no English word has?"""
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter > _LAST_LATIN for letter in letters) * 2 > len(letters)
