"""Explains a decision: each step considered, in order, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from nlapi.routing import words
from nlapi.routing.match import fields, fits, holds
from nlapi.routing.nouns import Canary, Context, Decision, Experiment, Match, Override, Rule, Shadow, Share
from nlapi.routing.order import Nouns
from nlapi.routing.outcome import complete, in_layer, moves
from nlapi.routing.split import bucket, holder, size
from nlapi.routing.verdict import Verdicts, canary_salt, largest, rule_salt, salt


class Fate(StrEnum):
    """The result of a step: it DECIDED, it did not match or take the unit (PASSED), or an earlier one had decided."""

    DECIDED = "decided"
    PASSED = "passed"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """One step of a decision. `kind`: override, experiment, rule, default, canary or shadow."""

    kind: str
    name: str
    fate: Fate
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision and every step that was considered, in order."""

    decision: Decision
    context: Context
    steps: tuple[Considered, ...]

    def __str__(self) -> str:
        """Return one line per step, the decision last; steps that were not reached are only counted."""
        lines = [
            f"{'->' if step.fate is Fate.DECIDED else '  '} {step.text}"
            for step in self.steps
            if step.fate is not Fate.NOT_REACHED
        ]
        # 10,000 rules may follow the one that decided, so they are not listed.
        late = sum(step.fate is Fate.NOT_REACHED for step in self.steps)
        lines += [f"   {late} more {'was' if late == 1 else 'were'} not reached"] if late else []
        decision = self.decision
        place = f" on shard {decision.shard}" if decision.shard else ""
        return "\n".join([*lines, f"= {decision.version}{place}, revision {decision.revision}"])


def explain(nouns: Nouns, verdicts: Verdicts, context: Context) -> Explanation:
    """Return the explanation of one decision; `context` has "client", if there is one.

    The entities are visited one by one, independently of the compiled program.
    """
    shadows = tuple(shadow.name for shadow in nouns.shadows if fits(shadow.match, context))
    walk = _Walk(replace(verdicts, shadows=shadows), context)
    for override in nouns.overrides:
        walk.override(override)
    for experiment in nouns.experiments:
        walk.experiment(experiment)
    for rule in nouns.rules:
        walk.rule(rule)
    decision = walk.default()
    for canary in nouns.canaries:
        decision = walk.canary(canary, decision)
    for shadow in nouns.shadows:
        walk.shadow(shadow)
    return Explanation(decision=decision, context=context, steps=tuple(walk.steps))


# Shares only the wording with the compiled way: a property test compares both, so each is the other's oracle
# (docs/design/010).
class _Walk:
    """The steps so far, and the decision once there is one."""

    def __init__(self, verdicts: Verdicts, context: Context) -> None:
        self._verdicts = verdicts
        self._context = context
        self._decision: Decision | None = None
        self.steps: list[Considered] = []

    def _step(self, kind: str, name: str, fate: Fate, text: str) -> None:
        self.steps.append(Considered(kind=kind, name=name, fate=fate, text=text))

    def _late(self, kind: str, name: str) -> bool:
        if self._decision is not None:
            self._step(kind, name, Fate.NOT_REACHED, f"{kind} {name} was not reached")
        return self._decision is not None

    def override(self, override: Override) -> None:
        if self._late("override", override.name):
            return
        match = Match(when={override.field: (override.value,)})
        if not fits(match, self._context):
            text = f"override {override.name} did not match: {'; '.join(unmet(match, self._context))}"
            self._step("override", override.name, Fate.PASSED, text)
            return
        self._decision = self._verdicts.override(override)
        self._step("override", override.name, Fate.DECIDED, f"{self._decision.reason}: {override.version}")

    def experiment(self, experiment: Experiment) -> None:
        name = experiment.name
        if self._late("experiment", name):
            return
        cell, why = self._cell(experiment)
        if cell is None:
            self._step("experiment", name, Fate.PASSED, f"experiment {name} {why}")
            return
        self._decision = self._verdicts.cell(experiment, experiment.cells[cell])
        self._step("experiment", name, Fate.DECIDED, f"experiment {name} matched: {why}")

    def _cell(self, experiment: Experiment) -> tuple[int | None, str]:
        if not fits(experiment.match, self._context):
            return None, f"did not match: {'; '.join(unmet(experiment.match, self._context))}"
        unit = self._context.get(experiment.unit)
        if unit is None:
            return None, f"gives no cell: there is no {experiment.unit} in the context"
        held = in_layer(experiment)
        if held and not held(unit):
            return (
                None,
                f"gives no cell: {experiment.unit} {words.value(unit)} is not in its part of layer {experiment.layer}",
            )
        cells = complete(experiment.cells)
        number = bucket(salt(experiment), unit)
        index = holder(cells, number)
        place = f"{experiment.unit} {words.value(unit)} is in bucket {number}"
        if index < 0:
            return None, f"gives no cell: {place}, which no cell holds"
        return index, f"{met(experiment.match, self._context)}; {place}, {words.cell(cells[index])}"

    def rule(self, rule: Rule) -> None:
        if self._late("rule", rule.name):
            return
        if not fits(rule.match, self._context):
            text = f"rule {rule.name} did not match: {'; '.join(unmet(rule.match, self._context))}"
            self._step("rule", rule.name, Fate.PASSED, text)
            return
        share, why = self._share(rule)
        unit = self._context.get(rule.unit)
        self._decision = self._verdicts.rule(rule, share, absent=unit is None and len(rule.shares) > 1)
        text = f"rule {rule.name} matched: {met(rule.match, self._context)}{why}"
        self._step("rule", rule.name, Fate.DECIDED, text)

    def _share(self, rule: Rule) -> tuple[Share, str]:
        whole = largest(rule.shares)
        if len(rule.shares) == 1:
            return whole, f": {whole.version}"
        unit = self._context.get(rule.unit)
        if unit is None:
            return whole, f"; there is no {rule.unit} in the context, so its largest share: {whole.version}"
        # A configuration that was never published has no buckets yet.
        shares = complete(rule.shares)
        number = bucket(rule_salt(rule), unit)
        index = holder(shares, number)
        index = rule.shares.index(whole) if index < 0 else index
        return shares[index], f"; {rule.unit} {words.value(unit)} is in bucket {number}, {words.cell(shares[index])}"

    def default(self) -> Decision:
        if self._decision is None:
            self._decision = self._verdicts.default()
            text = f"no override, experiment or rule decided: the objective's default, {self._decision.version}"
            self._step("default", "", Fate.DECIDED, text)
        return self._decision

    def canary(self, canary: Canary, decision: Decision) -> Decision:
        why = self._unmoved(canary, decision)
        if why:
            self._step("canary", canary.name, Fate.PASSED, f"canary {canary.name} {why}")
            return decision
        share = words.percent(canary.percent)
        text = f"canary {canary.name} moved its {share} from {decision.version} to {canary.version}"
        self._step("canary", canary.name, Fate.DECIDED, text)
        return self._verdicts.moved(decision, canary)

    def _unmoved(self, canary: Canary, decision: Decision) -> str:
        """Return the reason why the canary leaves the decision unchanged, or ""."""
        unit = self._context.get(canary.unit)
        # docs/routing.md, "Order": no canary moves what an override decided.
        if decision.override:
            return "does not move what an override decided"
        if not fits(canary.match, self._context):
            return f"did not match: {'; '.join(unmet(canary.match, self._context))}"
        if not moves(canary, decision):
            return f"moves {canary.base or 'other versions'}, not {decision.version}"
        if unit is None:
            return f"moves nobody without a unit: there is no {canary.unit} in the context"
        number = bucket(canary_salt(canary), unit)
        if number >= size(canary.percent):
            return f"leaves this {canary.unit}: bucket {number} is not in its {words.percent(canary.percent)}"
        return ""

    def shadow(self, shadow: Shadow) -> None:
        if fits(shadow.match, self._context):
            part = "a copy" if shadow.percent >= 100 else f"a copy of {words.percent(shadow.percent)} of such requests"
            self._step("shadow", shadow.name, Fate.DECIDED, f"shadow {shadow.name}: {shadow.version} gets {part}")
        else:
            text = f"shadow {shadow.name} did not match: {'; '.join(unmet(shadow.match, self._context))}"
            self._step("shadow", shadow.name, Fate.PASSED, text)


def met(match: Match, context: Context) -> str:
    """Return the values of the context that the match requires: "country is BR, device is tv"."""
    parts = [f"{name} is {words.value(context.get(name))}" for name in fields(match)]
    return ", ".join(parts) or "every request does"


def unmet(match: Match, context: Context) -> Iterator[str]:
    """Yield the conditions that do not hold: "country is US, where it wants country is BR"."""
    for name in fields(match):
        value = context.get(name)
        if holds(match, name, value):
            continue
        is_now = f"{name} is {words.value(value)}"
        if value in match.unless.get(name, ()):
            yield f"{is_now}, which it leaves out"
        else:
            yield f"{is_now}, where it wants {words.conditions(_only(match, name))}"


def _only(match: Match, name: str) -> Match:
    """Return the match reduced to its conditions on one field."""
    when = {name: match.when[name]} if name in match.when else {}
    between = {name: match.between[name]} if name in match.between else {}
    return Match(when=when, between=between)
