"""Rates how sure a plan is (0 to 1), and how likely a sentence is about the API at all, with two trained forests."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from nlapi.planner.forest import Forest
from nlapi.planner.operations.candidates import OperationCandidate

# The forest of the probability that a plan is exactly right; its fact `curve` are rising points (output, frequency).
NAME = "confidence"
# The forest of the probability that a sentence is about the API. Its facts: under `least` the sentence is refused,
# under `plain` the plan is a toss-up. `least` refuses 0.95 % of the true questions and 79 % of those to other APIs
# (benchmarks/OFFLINE.md).
IN_DOMAIN = "meant"
# The likeliest operations, one of which has to be about the sentence: with three, 79 % of the strange questions are
# refused, with the likeliest alone 73 % (benchmarks/OFFLINE.md).
DOMAIN_CANDIDATES = 3
# An API with fewer operations is planned with where the script of the sentence is foreign, as only its values count.
FEW_OPERATIONS = 6
_LAST_LATIN = "\u02af"
ROW_FEATURES = tuple(
    """values said told_near heard heard_prose heard_near unheard words deed number required filled sum mean weakest
    clear extra guessed doubt unused unused_names slots index_ahead heard_ahead""".split()
)
FEATURES = (*ROW_FEATURES, "chance", "ahead", "missing", "rivals", "length")
IN_DOMAIN_FEATURES = tuple(
    """values said told said_near told_near heard heard_prose heard_name heard_near heard_told_near unheard words verb
    deed number required filled sum mean weakest missing clear guessed unused unused_names""".split()
)


def confidence_features(
    candidate: OperationCandidate, rivals: Sequence[OperationCandidate], missing: int
) -> list[float]:
    """Return the values of FEATURES; `missing` is the number of values that the user has to be asked for."""
    row = candidate.row
    ahead = min(8.0, candidate.score - max(rival.score for rival in rivals)) if rivals else 8.0
    length = float(len(candidate.context.sentence.tokens))
    return [*(row[name] for name in ROW_FEATURES), candidate.chance, ahead, float(missing), float(len(rivals)), length]


def confidence(row: Sequence[float]) -> float:
    """Return the probability that a plan with these features is exactly right."""
    forest = Forest.load(NAME)
    return interpolate(forest.metadata["curve"], forest.probability(row))


def interpolate(curve: Sequence[tuple[float, float]], at: float) -> float:
    """Return the height at `at` of the line through the points of a curve, which is flat beyond its ends."""
    after = bisect_right([x for x, _ in curve], at)
    if after == 0 or after == len(curve):
        return curve[min(after, len(curve) - 1)][1]
    (start, low), (end, high) = curve[after - 1], curve[after]
    return low + (high - low) * (at - start) / (end - start) if end > start else high


def domain_probability(candidate: OperationCandidate) -> float:
    """Return the probability that the sentence is about the API of an operation, as far as this operation shows it."""
    return Forest.load(IN_DOMAIN).probability([candidate.row[name] for name in IN_DOMAIN_FEATURES])


def is_in_domain(candidates: Sequence[OperationCandidate]) -> bool:
    """Return whether one of the likeliest operations, the best first, is about the sentence.

    Words in another script are not read, so that then only the number of operations counts.
    """
    best = candidates[0]
    if is_foreign_script(best.context.sentence.text):
        return best.row["rivals"] < FEW_OPERATIONS
    if not best.row["words"] and not best.assignment.candidates:
        return False
    return _max_domain_probability(candidates) >= _fact("least")


def is_domain_doubtful(candidates: Sequence[OperationCandidate]) -> bool:
    """Return whether the sentence is so hardly about the API that its plan is a toss-up."""
    return _max_domain_probability(candidates) < _fact("plain")


def _fact(name: str) -> float:
    value: float = Forest.load(IN_DOMAIN).metadata[name]
    return value


def _max_domain_probability(candidates: Sequence[OperationCandidate]) -> float:
    return max(map(domain_probability, candidates[:DOMAIN_CANDIDATES]))


def is_foreign_script(text: str) -> bool:
    """Return whether most letters of a text are in no English word."""
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter > _LAST_LATIN for letter in letters) * 2 > len(letters)
