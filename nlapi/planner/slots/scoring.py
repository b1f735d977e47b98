"""The two forests that rate the candidates of slots, and the rows that they read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from nlapi.planner.forest import Forest, log_odds
from nlapi.planner.slots.choices import EVIDENCE
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.features import (
    FIT_FEATURES,
    MENTION_FEATURES,
    SLOT_FEATURES,
    fit_features,
    mention_features,
    slot_features,
)
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from nlapi.planner.slots.values import CLOSING, CONVERSIONS, OPENING
from nlapi.reading.text import MentionKind, Sentence, ValueMention

# Candidates of a slot that the second forest rates.
RERANKED_PER_SLOT = 5
# Candidates less probable than this after the first forest are left out.
MIN_PROBABILITY = 0.02
_KINDS = (MentionKind.QUOTED, MentionKind.DATE, MentionKind.NAME, MentionKind.PHRASE, MentionKind.CHOICE)
# Names of the features of a row for the second forest.
RERANK_FEATURES = (
    *("none", "rank", "sure", "ahead", "second", "rest", "count", "copies"),
    *("wanted_elsewhere", "needed_elsewhere", "spare_elsewhere", "longer", "shorter"),
    *("required", "default", "is_default", "many", "slots", "needed", "said_of_others", "spoken"),
    *(f"for_{family}" for family in Family),
    *(f"is_{kind}" for kind in _KINDS),
    *("made", "tokens"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedCandidates:
    """Candidates with their probability, and the probability of each slot to stay empty."""

    candidates: tuple[SlotCandidate, ...]
    empty: Mapping[Slot, float]


def rerank_candidates(context: SlotContext, candidates: Sequence[SlotCandidate]) -> RatedCandidates:
    """Return the candidates as the second forest rates them; those without a mention keep their probability."""
    forest = Forest.load("slots").correction
    if forest is None:
        return RatedCandidates(candidates=tuple(candidates), empty={})
    rated = [candidate for candidate in candidates if candidate.mention is None]
    none: dict[Slot, float] = {}
    for slot, candidate, row in rerank_rows(context, candidates):
        sure = forest.probability(row)
        if candidate is None:
            none[slot] = sure
        else:
            rated.append(replace(candidate, probability=sure))
    return RatedCandidates(candidates=tuple(rated), empty=none)


def rerank_rows(
    context: SlotContext, candidates: Sequence[SlotCandidate]
) -> Iterator[tuple[Slot, SlotCandidate | None, list[float]]]:
    """Return a row for each of the best candidates of a slot, and one (with None) for leaving the slot empty."""
    by_slot: dict[Slot, list[SlotCandidate]] = {}
    copies: dict[int, int] = {}
    for candidate in sorted(candidates, key=lambda candidate: -candidate.probability):
        if candidate.probability < MIN_PROBABILITY:
            continue
        few = by_slot.setdefault(candidate.slot, [])
        same = next((better for better in few if better.value == candidate.value), None)
        if same is not None:
            copies[id(same)] = copies.get(id(same), 0) + 1
        elif len(few) < RERANKED_PER_SLOT:
            few.append(candidate)
    needed = float(context.required_count)
    best = {slot: few[0].probability for slot, few in by_slot.items()}
    for slot, few in by_slot.items():
        common = _slot_part(context, slot, needed, best)
        for rank, candidate in enumerate(few):
            if candidate.mention is not None:
                yield slot, candidate, _row(candidate, rank, few, by_slot, common, copies.get(id(candidate), 0))
        yield slot, None, _row(None, 0, few, by_slot, common, 0)


def _slot_part(context: SlotContext, slot: Slot, needed: float, best: Mapping[Slot, float]) -> list[float]:
    rivals = [sure for rival, sure in best.items() if rival is not slot]
    return [
        float(slot.required),
        float(slot.has_default),
        float(slot.is_array),
        float(len(context.slots)),
        needed,
        sum(rivals) / max(1, len(rivals)),
        float(bool(context.name_positions[slot])),
        *(float(slot.family is family) for family in Family),
    ]


def _row(
    candidate: SlotCandidate | None,
    rank: int,
    few: Sequence[SlotCandidate],
    by_slot: Mapping[Slot, Sequence[SlotCandidate]],
    common: Sequence[float],
    copies: int,
) -> list[float]:
    first = candidate or few[0]
    rivals = [rival for rival in few if rival is not first]
    second = max((rival.probability for rival in rivals), default=0.0)
    elsewhere, required_elsewhere, spare = _elsewhere(first, by_slot)
    longer = [rival.probability for rival in rivals if _contains(rival, first)]
    shorter = [rival.probability for rival in rivals if _contains(first, rival)]
    required, default, many, slots, needed, of_others, spoken, *family = common
    kind = first.mention.kind if first.mention is not None else None
    return [
        float(candidate is None),
        float(rank),
        log_odds(first.probability),
        first.probability - second,
        second,
        sum(rival.probability for rival in rivals),
        float(len(few)),
        float(copies),
        elsewhere,
        required_elsewhere,
        spare,
        max(longer, default=0.0),
        max(shorter, default=0.0),
        required,
        default,
        float(bool(default) and first.value == first.slot.schema["default"]),
        many,
        slots,
        needed,
        of_others,
        spoken,
        *family,
        *(float(kind is option_kind) for option_kind in _KINDS),
        float(bool(first.conversion)),
        float(first.mention.last - first.mention.first) if first.mention is not None else 0.0,
    ]


def _contains(longer: SlotCandidate, shorter: SlotCandidate) -> bool:
    inside = longer.start <= shorter.start and shorter.end <= longer.end
    return inside and longer.end - longer.start > shorter.end - shorter.start


def _elsewhere(candidate: SlotCandidate, by_slot: Mapping[Slot, Sequence[SlotCandidate]]) -> tuple[float, float, float]:
    """Return the best probability of the same words in another slot, in a required one, and of its other words."""
    best = required = spare = 0.0
    for slot, few in by_slot.items():
        if slot is candidate.slot:
            continue
        for rival in few:
            if rival.probability <= best and rival.probability <= required:
                break
            if not candidate.collides(rival):
                continue
            if slot.required:
                required = max(required, rival.probability)
            if rival.probability > best:
                best = rival.probability
                spare = max((free.probability for free in few if not candidate.collides(free)), default=0.0)
    return best, required, spare


_NO_EVIDENCE = [0.0] * len(EVIDENCE)
_CONVERSION_ROWS = {name: [float(name == conversion) for conversion in CONVERSIONS] for name in ("", *CONVERSIONS)}
# Positions, in MATCHES, of the features that are compared with those of the same mention in other slots, and of other
# mentions in the same slot. On the public questions, out of fold, that came to 0.591 exact from 0.579
# (benchmarks/OFFLINE.md).
COMPARED = tuple(
    FIT_FEATURES.index(name)
    for name in ("named", "told", "role", "inside", "shape", "example", "measured", "world", "kin", "kin_beside")
)
# Names of the features of a row for the first forest.
FEATURES = (
    *MENTION_FEATURES,
    *SLOT_FEATURES,
    *FIT_FEATURES,
    *EVIDENCE,
    *(f"how_{how}" for how in CONVERSIONS),
    *(f"{FIT_FEATURES[at]}_over_slots" for at in COMPARED),
    *(f"{FIT_FEATURES[at]}_over_spans" for at in COMPARED),
    *("end_fits", "run", "rivals", "slots_for_span", "spans_for_slot"),
)


def score_candidates(context: SlotContext, candidates: Iterable[SlotCandidate]) -> list[SlotCandidate]:
    """Return the candidates as the first forest rates them; those without a mention keep their probability."""
    offered = list(candidates)
    rater = _Rater(_RowParts(context, offered), Forest.load("slots"))
    rated: list[SlotCandidate] = []
    for candidate in offered:
        if candidate.mention is None:
            rated.append(candidate)
        elif (sure := rater.probability(candidate)) >= MIN_PROBABILITY:
            rated.append(replace(candidate, probability=sure))
    return rated


def feature_rows(
    context: SlotContext, candidates: Iterable[SlotCandidate]
) -> Iterator[tuple[SlotCandidate, list[float] | None]]:
    """Return the row of each candidate; None for one without a mention, whose probability is set."""
    offered = list(candidates)
    table = _RowParts(context, offered)
    for candidate in offered:
        yield (
            candidate,
            None if candidate.mention is None else [value for part in table.parts(candidate) for value in part],
        )


class _RowParts:
    """The parts of rows that several candidates have in common."""

    def __init__(self, context: SlotContext, candidates: Iterable[SlotCandidate]) -> None:
        self.spans: dict[ValueMention, list[float]] = {}
        self.slots: dict[Slot, list[float]] = {}
        self.pairs: dict[tuple[ValueMention, Slot], list[float]] = {}
        self.counts: dict[Slot, int] = {}
        self._of_span: defaultdict[ValueMention, _BestRivals] = defaultdict(_BestRivals)
        self._of_slot: defaultdict[Slot, _BestRivals] = defaultdict(_BestRivals)
        for candidate in candidates:
            mention, slot = candidate.mention, candidate.slot
            self.counts[slot] = self.counts.get(slot, 0) + 1
            if mention is None or (mention, slot) in self.pairs:
                continue
            if mention not in self.spans:
                self.spans[mention] = _span_traits(context.sentence, mention)
            if slot not in self.slots:
                self.slots[slot] = slot_features(context, slot)
            pair = self.pairs[mention, slot] = fit_features(context, mention, slot)
            self._of_span[mention].add(pair)
            self._of_slot[slot].add(pair)

    def parts(self, candidate: SlotCandidate) -> tuple[Sequence[float], ...]:
        """Return the row of a candidate with a mention, in parts; all but the last are common to several candidates."""
        mention, slot = candidate.mention, candidate.slot
        assert mention is not None
        pair = self.pairs[mention, slot]
        of_span, of_slot = self._of_span[mention], self._of_slot[slot]
        last = [
            *of_span.over(pair),
            *of_slot.over(pair),
            _end_fits(candidate),
            float(len(candidate.mentions)),
            float(self.counts[slot]),
            float(of_span.count),
            float(of_slot.count),
        ]
        evidence, conversion = candidate.evidence or _NO_EVIDENCE, _CONVERSION_ROWS[candidate.conversion]
        return self.spans[mention], self.slots[slot], pair, evidence, conversion, last


class _Rater:
    """The first forest, applied once to each part that several rows have in common."""

    def __init__(self, table: _RowParts, forest: Forest) -> None:
        self.table, self.forest = table, forest
        self._reach: dict[int, int] = {}

    def probability(self, candidate: SlotCandidate) -> float:
        *shared, last = self.table.parts(candidate)
        reach, first = self.forest.all_leaves, 0
        for part in shared:
            leaves = self._reach.get(id(part))
            if leaves is None:
                leaves = self._reach[id(part)] = self.forest.reachable_leaves(part, first)
            reach &= leaves
            first += len(part)
        return self.forest.probability_at(reach & self.forest.reachable_leaves(last, first))


class _BestRivals:
    """The two largest of each compared feature among pairs, so that each pair can be compared with its best rival."""

    def __init__(self) -> None:
        self.count = 0
        self._best: list[tuple[float, float]] = [(-inf, -inf)] * len(COMPARED)

    def add(self, pair: list[float]) -> None:
        self.count += 1
        for index, at in enumerate(COMPARED):
            first, second = self._best[index]
            if pair[at] > second:
                self._best[index] = (pair[at], first) if pair[at] > first else (first, pair[at])

    def over(self, pair: list[float]) -> list[float]:
        """Return by how much each compared feature of one of the pairs is over the best of its rivals."""
        if self.count == 1:
            return [pair[at] for at in COMPARED]
        pairs = zip(COMPARED, self._best, strict=True)
        return [pair[at] - (second if pair[at] == first else first) for at, (first, second) in pairs]


def _span_traits(sentence: Sentence, mention: ValueMention) -> list[float]:
    cached = sentence.mention_features.get(mention)
    if cached is None:
        cached = sentence.mention_features[mention] = mention_features(sentence, mention)
    return cached


def _end_fits(candidate: SlotCandidate) -> float:
    """Return 1 for the last day of a range in a slot that ends one or the first in one that begins it, else -1."""
    words = set(candidate.slot.words)
    if candidate.mention is None or not isinstance(candidate.mention.value, tuple) or not words & (OPENING | CLOSING):
        return 0.0
    return 1.0 if (candidate.conversion == "last_day") == bool(words & CLOSING) else -1.0
