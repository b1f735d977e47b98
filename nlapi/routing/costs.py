"""Learns from outcomes which version answers which requests: the cheapest split that keeps a floor of quality."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from operator import add
from statistics import fmean, stdev
from typing import TypeAlias

from xxhash import xxh3_64_intdigest

from nlapi.errors import UsageError
from nlapi.routing.describe import format_bucket, format_estimates, format_percent, format_value
from nlapi.routing.model import Bucket, Estimate, Match, Rule, RuleCost, Scalar, Share, VersionRef

# Outcomes of the whole that an estimate of a bucket starts with: so many for the first field, and for each further one.
# On RouteLLM's MMLU, held out, at 95 % and a ratio of 30: 30 and 100 save 61.7 %, 30 and 30 save 60.5, 60 and 60 60.9.
PRIOR_OUTCOMES = (30.0, 100.0)
# Below these outcomes of each version a value of the first field is not learned: the best version answers it.
LEAST_OUTCOMES = 20
PARTS = 10
"""the parts of the outcomes that are held out in turn to calibrate the floor"""
_SEARCH_STEPS = 14
# A policy that saves less than this part of the cost of the best version is not worth its rules.
LEAST_SAVED = 0.01

Shares: TypeAlias = Mapping[VersionRef, float]
"""version -> its part of the requests of a bucket; the parts add up to 1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedAnswer:
    """What came of one answer: `quality` from 0 to 1, and its cost."""

    bucket: Bucket
    version: VersionRef
    quality: float
    dollars: float
    question: str = ""
    """the same for the answers of several versions to one request; "" when it is not known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTerms:
    """What a policy has to keep."""

    floor: float = 0.95
    """the least quality, as a part of that of the best fixed version"""
    margin: float = 1.0
    """standard errors that the quality on held-out parts stays above the floor"""
    explore_percent: float = 2.0
    """the part of each bucket that goes to the versions which the policy would not ask"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPolicy:
    """The shares of the versions in each bucket; a bucket that is not in it goes to `best`."""

    best: VersionRef
    """the version with the highest quality when it answers everything"""
    cheapest: VersionRef
    fixed: VersionRef | None
    """the version that answers everything, where no split is cheaper"""
    reason: str
    shares: Mapping[Bucket, Shares]
    estimates: Mapping[Bucket, tuple[Estimate, ...]]
    quality: float
    """the expected quality on held-out parts"""
    floor: float
    """the least quality: the floor of the terms times the quality of the best version"""

    def explain(self, fields: Sequence[str], bucket: Bucket) -> str:
        """Return the bucket, who answers it, and what each version is expected to give and to cost."""
        if bucket not in self.shares:
            return f"{format_bucket(fields, bucket)} was not learned: {self.best}, the best version"
        parts = ", ".join(f"{version} {format_percent(100 * part)}" for version, part in self.shares[bucket].items())
        return f"{format_bucket(fields, bucket)}: {parts}; {format_estimates(self.estimates[bucket])}"


class _Sums:
    """Outcomes added up by bucket, and by the buckets of its first fields; the empty one is the whole."""

    def __init__(self, outcomes: Iterable[RatedAnswer]) -> None:
        self._sums: defaultdict[tuple[Bucket, VersionRef], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        questions: defaultdict[Bucket, set[str]] = defaultdict(set)
        for number, outcome in enumerate(outcomes):
            questions[outcome.bucket].add(outcome.question or f"\0{number}")
            for depth in range(len(outcome.bucket) + 1):
                sums = self._sums[outcome.bucket[:depth], outcome.version]
                sums[0] += 1
                sums[1] += outcome.quality
                sums[2] += outcome.dollars
        self.weights = Counter({bucket: len(names) for bucket, names in questions.items()})
        """the number of requests in each bucket"""

    @classmethod
    def merged(cls, parts: Iterable[_Sums]) -> _Sums:
        """Return the sums of parts that have no question in common."""
        # Adding outcomes up once, and not once for each part that is held out, takes a tenth of the time.
        whole = cls(())
        for part in parts:
            whole.weights.update(part.weights)
            for key, added in part._sums.items():
                whole._sums[key] = [*map(add, whole._sums[key], added)]
        return whole

    @cached_property
    def versions(self) -> list[VersionRef]:
        """The versions that have outcomes, by name."""
        return sorted({version for _, version in self._sums})

    def count(self, bucket: Bucket, version: VersionRef) -> int:
        """Return the number of outcomes of a version in a bucket."""
        return int(self._sums[bucket, version][0]) if (bucket, version) in self._sums else 0

    def mean(self, bucket: Bucket, version: VersionRef) -> tuple[float, float] | None:
        """Return quality and dollars of a version in a bucket; None without outcomes."""
        if not (count := self.count(bucket, version)):
            return None
        _, quality, dollars = self._sums[bucket, version]
        return quality / count, dollars / count

    def estimate(self, bucket: Bucket, version: VersionRef) -> tuple[float, float]:
        """Return the expected quality and dollars, which lean on those of the wider bucket where outcomes are few."""
        count, quality, dollars = self._sums.get((bucket, version), (0.0, 0.0, 0.0))
        if not bucket:
            return (quality / count, dollars / count) if count else (0.0, 0.0)
        prior = PRIOR_OUTCOMES[0 if len(bucket) == 1 else 1]
        wide_quality, wide_dollars = self.estimate(bucket[:-1], version)
        # Prices vary little within a bucket, and much between the sizes of requests.
        return (quality + prior * wide_quality) / (count + prior), (dollars + wide_dollars) / (count + 1)

    def is_learned(self, bucket: Bucket) -> bool:
        """Return whether each version has answered enough of the bucket's first field."""
        return bool(bucket) and min(self.count(bucket[:1], version) for version in self.versions) >= LEAST_OUTCOMES


_Points: TypeAlias = Mapping[VersionRef, tuple[float, float]]
"""version -> its expected quality and dollars"""


class _Plans:
    """The splits of buckets between versions, from the cheapest one to the best."""

    def __init__(self, sums: _Sums) -> None:
        versions = sums.versions
        self.points: dict[Bucket, _Points] = {
            bucket: {version: sums.estimate(bucket, version) for version in versions}
            for bucket in sums.weights
            if sums.is_learned(bucket)
        }
        self._weights = {bucket: sums.weights[bucket] for bucket in self.points}
        self._hulls = {bucket: _upgrades(points) for bucket, points in self.points.items()}
        self._steps = sorted(
            (
                (_gain_per_dollar(self.points[bucket], pair), bucket, pair)
                for bucket, hull in self._hulls.items()
                for pair in pairwise(hull)
            ),
            key=lambda step: -step[0],
        )

    def reach(self, quality: float, explore: float) -> dict[Bucket, Shares]:
        """Return the cheapest shares whose mean quality is expected to be `quality`; the best that there is if not."""
        chosen: dict[Bucket, dict[VersionRef, float]] = {bucket: {hull[0]: 1.0} for bucket, hull in self._hulls.items()}
        total = sum(self._weights.values())
        missing = quality * total - sum(
            weight * self.points[bucket][self._hulls[bucket][0]][0] for bucket, weight in self._weights.items()
        )
        for _, bucket, (cheap, dear) in self._steps:
            if missing <= 0:
                break
            points = self.points[bucket]
            gain = (points[dear][0] - points[cheap][0]) * self._weights[bucket]
            part = min(1.0, missing / gain)
            missing -= part * gain
            chosen[bucket] = {cheap: 1.0 - part, dear: part} if part < 1.0 else {dear: 1.0}
        return {bucket: _exploring(shares, self.points[bucket], explore) for bucket, shares in chosen.items()}


def _upgrades(points: _Points) -> list[VersionRef]:
    """Return the versions on the upper hull of quality over dollars, the cheapest first."""
    hull: list[VersionRef] = []
    for version in sorted(points, key=lambda name: (points[name][1], -points[name][0], name)):
        if hull and points[version][0] <= points[hull[-1]][0]:
            continue
        while len(hull) > 1 and _gain_per_dollar(points, (hull[-2], hull[-1])) <= _gain_per_dollar(
            points, (hull[-1], version)
        ):
            hull.pop()
        hull.append(version)
    return hull


def _gain_per_dollar(points: _Points, pair: tuple[VersionRef, VersionRef]) -> float:
    (quality, dollars), (better, dearer) = points[pair[0]], points[pair[1]]
    return (better - quality) / max(dearer - dollars, 1e-12)


def _exploring(shares: Shares, points: _Points, explore: float) -> Shares:
    """Return shares in which the versions that would not be asked have `explore` of the requests together."""
    others = [version for version in points if version not in shares]
    if not others or not explore:
        return shares
    return {version: part * (1 - explore) for version, part in shares.items()} | dict.fromkeys(
        others, explore / len(others)
    )


def learn(outcomes: Sequence[RatedAnswer], terms: CostTerms) -> CostPolicy:
    """Return the cheapest policy whose quality stays above the floor on parts that it was not learned on.

    UsageError without two versions, or too few outcomes of one.
    """
    parts = _parts(outcomes)
    sums = _Sums.merged(parts)
    if len(sums.versions) < 2:
        raise UsageError("a policy chooses between versions: there are outcomes of fewer than two")
    plans = _Plans(sums)
    if not plans.points:
        text = f"a value of the first field needs {LEAST_OUTCOMES} outcomes of each version"
        raise UsageError(f"there are too few outcomes: {text}", hint="record more outcomes, or leave fields out")
    whole = {version: sums.estimate((), version) for version in sums.versions}
    best = min(sums.versions, key=lambda version: (-whole[version][0], whole[version][1], version))
    cheapest = min(sums.versions, key=lambda version: (whole[version][1], -whole[version][0], version))
    folds = [
        _Fold(plans=_Plans(_Sums.merged(other for other in parts if other is not part)), test=part, best=best)
        for part in parts
    ]
    quality = _calibrated(folds, terms, whole[best][0])
    shares = plans.reach(quality, terms.explore_percent / 100)
    qualities, cost = _held_out(folds, quality, terms)
    fixed, reason = _fixed_version(folds, terms, whole, best, cost)
    if fixed is not None:
        shares = {
            bucket: _exploring({fixed: 1.0}, plans.points[bucket], terms.explore_percent / 100) for bucket in shares
        }
    return CostPolicy(
        best=best,
        cheapest=cheapest,
        fixed=fixed,
        reason=reason or f"{format_percent(round(100 - 100 * cost, 1))} less than always {best}",
        shares=shares,
        estimates={bucket: tuple(_estimates(sums, bucket, plans.points[bucket])) for bucket in shares},
        quality=fmean(qualities) * whole[best][0],
        floor=terms.floor * whole[best][0],
    )


def _estimates(sums: _Sums, bucket: Bucket, points: _Points) -> Iterator[Estimate]:
    for version, (quality, dollars) in points.items():
        count = sums.count(bucket, version)
        yield Estimate(bucket=bucket, version=version, quality=quality, dollars=dollars, outcomes=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fold:
    """The plans of all parts but one, and the outcomes of that one."""

    plans: _Plans
    test: _Sums
    best: VersionRef

    def result(self, shares: Mapping[Bucket, Shares]) -> tuple[float, float]:
        """Return quality and dollars of shares on the held-out part, as parts of those of the best version."""
        quality, dollars = mix(self.test, shares, self.best)
        best_quality, best_dollars = mix(self.test, {}, self.best)
        return quality / best_quality if best_quality else 1.0, dollars / best_dollars if best_dollars else 1.0


def _parts(outcomes: Sequence[RatedAnswer]) -> list[_Sums]:
    """Return the sums of PARTS parts of the questions; fewer where some have none."""
    parts: list[list[RatedAnswer]] = [[] for _ in range(PARTS)]
    for number, outcome in enumerate(outcomes):
        name = (outcome.question or str(number)).encode("utf-8", "surrogatepass")
        parts[xxh3_64_intdigest(name) % PARTS].append(outcome)
    return [_Sums(part) for part in parts if part]


def mix(sums: _Sums, shares: Mapping[Bucket, Shares], best: VersionRef) -> tuple[float, float]:
    """Return the quality and the dollars of all requests of `sums` by shares; those of no bucket go to `best`."""
    quality = dollars = 0.0
    for bucket, weight in sums.weights.items():
        for version, part in (shares.get(bucket) or {best: 1.0}).items():
            mean = sums.mean(bucket, version) or sums.estimate(bucket, version)
            quality += weight * part * mean[0]
            dollars += weight * part * mean[1]
    return quality, dollars


def _held_out(folds: Sequence[_Fold], quality: float, terms: CostTerms) -> tuple[list[float], float]:
    """Return the kept quality of each held-out part, and the mean cost, as parts of those of the best version."""
    results = [fold.result(fold.plans.reach(quality, terms.explore_percent / 100)) for fold in folds]
    return [quality for quality, _ in results], fmean(cost for _, cost in results)


def _keeps_floor(qualities: Sequence[float], terms: CostTerms) -> bool:
    error = stdev(qualities) / len(qualities) ** 0.5 if len(qualities) > 1 else 0.0
    return fmean(qualities) - terms.margin * error >= terms.floor


def _calibrated(folds: Sequence[_Fold], terms: CostTerms, best_quality: float) -> float:
    """Return the least expected quality to aim at with which the held-out parts keep the floor."""
    # Estimates of the versions that were chosen are too high, as the highest were chosen: the aim is above the floor.
    low, high = terms.floor * best_quality, 1.0
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        if _keeps_floor(_held_out(folds, middle, terms)[0], terms):
            high = middle
        else:
            low = middle
    return high


def _fixed_version(
    folds: Sequence[_Fold], terms: CostTerms, whole: _Points, best: VersionRef, cost: float
) -> tuple[VersionRef | None, str]:
    """Return the version that answers everything where no split is cheaper, and why."""
    for version in sorted(whole, key=lambda name: (whole[name][1], -whole[name][0], name)):
        results = [fold.result({bucket: {version: 1.0} for bucket in fold.test.weights}) for fold in folds]
        if version != best and not _keeps_floor([quality for quality, _ in results], terms):
            continue
        if (share := fmean(price for _, price in results)) <= cost:
            why = (
                "the best and no dearer than any split"
                if version == best
                else "above the floor alone, and the cheapest"
            )
            return version, f"{version} is {why}: everything goes there"
        if version == best and share - cost < LEAST_SAVED:
            return (
                best,
                f"no split saves {format_percent(100 * LEAST_SAVED)}: everything goes to {best}, the best version",
            )
    return None, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """One way to choose: its quality from 0 to 1, and its dollars."""

    name: str
    quality: float
    dollars: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSimulation:
    """What a policy would have done with outcomes, beside other ways to choose; `rows` begin with the best version."""

    policy: CostPolicy
    requests: int
    rows: tuple[CostRow, ...]

    def saved(self, name: str) -> float:
        """Return the part of the best version's cost that a row saves."""
        row, best = self._row(name), self.rows[0]
        return 1 - row.dollars / best.dollars if best.dollars else 0.0

    def kept_quality(self, name: str) -> float:
        """Return the quality of a row as a part of the best version's."""
        row, best = self._row(name), self.rows[0]
        return row.quality / best.quality if best.quality else 1.0

    def _row(self, name: str) -> CostRow:
        return next(row for row in self.rows if row.name == name)

    def __str__(self) -> str:
        head = f"{self.requests:,} requests; {self.policy.reason}"
        lines = [head, f"{'':40} quality  of best    dollars    saved"]
        lines += (
            f"{row.name:40} {row.quality:7.3f} {100 * self.kept_quality(row.name):7.1f} % {row.dollars:10.4g} "
            f"{100 * self.saved(row.name):6.1f} %"
            for row in self.rows
        )
        return "\n".join(lines)


POLICY, ORACLE, RANDOM = "the policy", "oracle", "random, at the floor"
"""rows of a simulation"""


def simulate_costs(policy: CostPolicy, outcomes: Sequence[RatedAnswer]) -> CostSimulation:
    """Return the quality and cost of the policy, beside always-best, always-cheapest, random and an oracle."""
    sums = _Sums(outcomes)
    total = sum(sums.weights.values())

    def row(name: str, shares: Mapping[Bucket, Shares]) -> CostRow:
        quality, dollars = mix(sums, shares, policy.best)
        return CostRow(name=name, quality=quality / max(total, 1), dollars=dollars)

    def everywhere(shares: Shares) -> Mapping[Bucket, Shares]:
        return dict.fromkeys(sums.weights, shares)

    best = row(f"always best: {policy.best}", {})
    cheap = row(f"always cheapest: {policy.cheapest}", everywhere({policy.cheapest: 1.0}))
    span = best.quality - cheap.quality
    part = min(1.0, max(0.0, (policy.floor - cheap.quality) / span)) if span > 0 else 0.0
    mixed = {policy.cheapest: 1.0 - part, policy.best: part} if policy.cheapest != policy.best else {policy.best: 1.0}
    rows = [best, cheap, row(RANDOM, everywhere(mixed)), row(POLICY, policy.shares)]
    return CostSimulation(policy=policy, requests=total, rows=(*rows, *_oracle(sums, outcomes)))


def _oracle(sums: _Sums, outcomes: Sequence[RatedAnswer]) -> Iterator[CostRow]:
    """Yield the row of who knows the cheapest of the best answers, where all versions answered each question."""
    by_question: defaultdict[str, list[RatedAnswer]] = defaultdict(list)
    for outcome in outcomes:
        by_question[outcome.question].append(outcome)
    if "" in by_question or any(len(answers) < len(sums.versions) for answers in by_question.values()):
        return
    chosen = [min(answers, key=lambda answer: (-answer.quality, answer.dollars)) for answers in by_question.values()]
    quality = fmean(answer.quality for answer in chosen)
    yield CostRow(name=ORACLE, quality=quality, dollars=sum(answer.dollars for answer in chosen))


def cost_rules(
    policy: CostPolicy, *, name: str, objective: str, fields: Sequence[str], unit: str, position: int, since: str
) -> tuple[Rule, ...]:
    """Return the rules by which an objective follows a policy, from `position` on; the last one is for the rest.

    `since` is the time from which outcomes count against the floor.
    """
    grouped: defaultdict[tuple[Bucket, tuple[Share, ...]], list[Scalar]] = defaultdict(list)
    for bucket, shares in sorted(policy.shares.items(), key=lambda item: tuple(map(str, item[0]))):
        grouped[bucket[1:], _as_shares(shares)].append(bucket[0])
    rule, rules = partial(Rule, objective=objective, unit=unit), []
    for number, ((others, split), values) in enumerate(grouped.items()):
        estimates = [entry for value in values for entry in policy.estimates[value, *others]]
        when = {fields[0]: tuple(values)} | {field: (value,) for field, value in zip(fields[1:], others, strict=True)}
        cost = RuleCost(policy=name, fields=tuple(fields), floor=policy.floor, since=since, estimates=tuple(estimates))
        match = Match(when=when)
        rules.append(
            rule(name=f"{name}-{number + 1}", match=match, shares=split, position=position + number, cost=cost)
        )
    cost = RuleCost(policy=name, fields=tuple(fields), floor=policy.floor, since=since)
    rest = (Share(version=policy.best, percent=100.0),)
    return (*rules, rule(name=f"{name}-rest", shares=rest, position=position + len(rules), cost=cost))


def _as_shares(shares: Shares) -> tuple[Share, ...]:
    """Return shares in hundredths of a percent that add up to 100."""
    percents = {version: round(100 * part, 2) for version, part in shares.items()}
    largest = max(percents, key=lambda version: percents[version])
    percents[largest] = round(100.0 - sum(part for version, part in percents.items() if version != largest), 2)
    return tuple(
        Share(version=version, percent=percents[version]) for version in sorted(percents) if percents[version] > 0
    )


# Outcomes below which nothing is judged, and standard errors that a mean may be off by chance.
LEAST_JUDGED = 50
FLOOR_SIGMAS, DRIFT_SIGMAS = 2.0, 4.0


def floor_violation(rules: Sequence[Rule], outcomes: Sequence[RatedAnswer]) -> str:
    """Return why the policy of `rules` is to be left: its floor is broken or a version has drifted; "" when not."""
    costs = [rule.cost for rule in rules if rule.cost is not None]
    qualities = [outcome.quality for outcome in outcomes]
    floor = min((cost.floor for cost in costs), default=0.0)
    if fault := _below(qualities, floor, FLOOR_SIGMAS):
        return f"{fault}, under the floor of {floor:.3f}"
    expected = {(entry.bucket[0], entry.version): entry.quality for cost in costs for entry in cost.estimates}
    by_value: defaultdict[tuple[Scalar, VersionRef], list[float]] = defaultdict(list)
    for outcome in outcomes:
        by_value[outcome.bucket[0], outcome.version].append(outcome.quality)
    for key, values in by_value.items():
        if key in expected and (fault := _below(values, expected[key], DRIFT_SIGMAS)):
            return f"{format_value(key[0])} by {key[1]}: {fault}, where {expected[key]:.3f} was expected"
    return ""


def _below(qualities: Sequence[float], limit: float, sigmas: float) -> str:
    """Return the mean in words when it is below a limit by more than chance, else ""."""
    if len(qualities) < LEAST_JUDGED:
        return ""
    mean = fmean(qualities)
    # A run of equal qualities has no deviation: that of one more failure is taken.
    error = max(stdev(qualities), len(qualities) ** -0.5) / len(qualities) ** 0.5
    return f"the mean quality is {mean:.3f} over {len(qualities):,} outcomes" if mean + sigmas * error < limit else ""


def text_size(text: str) -> int:
    """Return the size class of a text: the number of binary digits of its characters, 9 for 256 to 511 of them."""
    return len(text).bit_length()
