"""Explains a decision: each step considered, in order, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from nlapi.routing import describe
from nlapi.routing.decisions import (
    DecisionBuilder,
    canary_salt,
    experiment_salt,
    largest_share,
    layer_test,
    rule_salt,
    takes_from,
    with_buckets,
)
from nlapi.routing.matching import allows_value, match_fields, matches_context
from nlapi.routing.model import (
    Canary,
    Context,
    Decision,
    Experiment,
    Match,
    ObjectiveParts,
    Override,
    Rule,
    Shadow,
    Share,
)
from nlapi.routing.split import bucket, bucket_count, holding_share


class StepStatus(StrEnum):
    """The result of a step: it DECIDED, it did not match or take the unit (PASSED), or an earlier one had decided."""

    DECIDED = "decided"
    PASSED = "passed"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedStep:
    """One step of a decision. `kind`: override, experiment, rule, default, canary or shadow."""

    kind: str
    name: str
    status: StepStatus
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision and every step that was considered, in order."""

    decision: Decision
    context: Context
    steps: tuple[ExplainedStep, ...]

    def __str__(self) -> str:
        """Return one line per step, the decision last; steps that were not reached are only counted."""
        lines = [
            f"{'->' if step.status is StepStatus.DECIDED else '  '} {step.text}"
            for step in self.steps
            if step.status is not StepStatus.NOT_REACHED
        ]
        # 10,000 rules may follow the one that decided, so they are not listed.
        unreached_count = sum(step.status is StepStatus.NOT_REACHED for step in self.steps)
        lines += (
            [f"   {unreached_count} more {'was' if unreached_count == 1 else 'were'} not reached"]
            if unreached_count
            else []
        )
        decision = self.decision
        place = f" on shard {decision.shard}" if decision.shard else ""
        return "\n".join([*lines, f"= {decision.version}{place}, revision {decision.revision}"])


def explain(parts: ObjectiveParts, builder: DecisionBuilder, context: Context) -> Explanation:
    """Return the explanation of one decision; `context` has "client", if there is one.

    The entities are visited one by one, independently of the compiled program.
    """
    shadows = tuple(shadow.name for shadow in parts.shadows if matches_context(shadow.match, context))
    explainer = _Explainer(replace(builder, shadows=shadows), context)
    for override in parts.overrides:
        explainer.override(override)
    for experiment in parts.experiments:
        explainer.experiment(experiment)
    for rule in parts.rules:
        explainer.rule(rule)
    decision = explainer.default()
    for canary in parts.canaries:
        decision = explainer.canary(canary, decision)
    for shadow in parts.shadows:
        explainer.shadow(shadow)
    return Explanation(decision=decision, context=context, steps=tuple(explainer.steps))


# Shares only the wording with the compiled way: a property test compares both, so each is the other's oracle
# (docs/design/010).
class _Explainer:
    """The steps so far, and the decision once there is one."""

    def __init__(self, builder: DecisionBuilder, context: Context) -> None:
        self._builder = builder
        self._context = context
        self._decision: Decision | None = None
        self.steps: list[ExplainedStep] = []

    def _add_step(self, kind: str, name: str, status: StepStatus, text: str) -> None:
        self.steps.append(ExplainedStep(kind=kind, name=name, status=status, text=text))

    def _skip_if_decided(self, kind: str, name: str) -> bool:
        if self._decision is not None:
            self._add_step(kind, name, StepStatus.NOT_REACHED, f"{kind} {name} was not reached")
        return self._decision is not None

    def override(self, override: Override) -> None:
        if self._skip_if_decided("override", override.name):
            return
        match = Match(when={override.field: (override.value,)})
        if not matches_context(match, self._context):
            text = f"override {override.name} did not match: {'; '.join(unmet_conditions(match, self._context))}"
            self._add_step("override", override.name, StepStatus.PASSED, text)
            return
        self._decision = self._builder.override(override)
        self._add_step("override", override.name, StepStatus.DECIDED, f"{self._decision.reason}: {override.version}")

    def experiment(self, experiment: Experiment) -> None:
        name = experiment.name
        if self._skip_if_decided("experiment", name):
            return
        cell, reason = self._cell(experiment)
        if cell is None:
            self._add_step("experiment", name, StepStatus.PASSED, f"experiment {name} {reason}")
            return
        self._decision = self._builder.cell(experiment, experiment.cells[cell])
        self._add_step("experiment", name, StepStatus.DECIDED, f"experiment {name} matched: {reason}")

    def _cell(self, experiment: Experiment) -> tuple[int | None, str]:
        if not matches_context(experiment.match, self._context):
            return None, f"did not match: {'; '.join(unmet_conditions(experiment.match, self._context))}"
        unit = self._context.get(experiment.unit)
        if unit is None:
            return None, f"gives no cell: there is no {experiment.unit} in the context"
        unit_text = f"{experiment.unit} {describe.format_value(unit)}"
        is_in_layer = layer_test(experiment)
        if is_in_layer and not is_in_layer(unit):
            return None, f"gives no cell: {unit_text} is not in its part of layer {experiment.layer}"
        cells = with_buckets(experiment.cells)
        number = bucket(experiment_salt(experiment), unit)
        index = holding_share(cells, number)
        place = f"{unit_text} is in bucket {number}"
        if index < 0:
            return None, f"gives no cell: {place}, which no cell holds"
        return (
            index,
            f"{met_conditions(experiment.match, self._context)}; {place}, {describe.format_cell(cells[index])}",
        )

    def rule(self, rule: Rule) -> None:
        if self._skip_if_decided("rule", rule.name):
            return
        if not matches_context(rule.match, self._context):
            text = f"rule {rule.name} did not match: {'; '.join(unmet_conditions(rule.match, self._context))}"
            self._add_step("rule", rule.name, StepStatus.PASSED, text)
            return
        share, detail = self._share(rule)
        unit = self._context.get(rule.unit)
        self._decision = self._builder.rule(rule, share, absent=unit is None and len(rule.shares) > 1)
        text = f"rule {rule.name} matched: {met_conditions(rule.match, self._context)}{detail}{self._cost(rule)}"
        self._add_step("rule", rule.name, StepStatus.DECIDED, text)

    def _cost(self, rule: Rule) -> str:
        """Return the bucket of a cost policy with what its versions are expected to give, or ""."""
        if rule.cost is None:
            return ""
        bucket = tuple(self._context.get(name) for name in rule.cost.fields)
        estimates = [entry for entry in rule.cost.estimates if entry.bucket == bucket]
        if not estimates:
            return "; nothing was learned of such requests"
        return (
            f"; {describe.format_bucket(rule.cost.fields, estimates[0].bucket)}: {describe.format_estimates(estimates)}"
        )

    def _share(self, rule: Rule) -> tuple[Share, str]:
        default_share = largest_share(rule.shares)
        if len(rule.shares) == 1:
            return default_share, f": {default_share.version}"
        unit = self._context.get(rule.unit)
        if unit is None:
            return (
                default_share,
                f"; there is no {rule.unit} in the context, so its largest share: {default_share.version}",
            )
        # A configuration that was never published has no buckets yet.
        shares = with_buckets(rule.shares)
        number = bucket(rule_salt(rule), unit)
        index = holding_share(shares, number)
        index = rule.shares.index(default_share) if index < 0 else index
        return shares[
            index
        ], f"; {rule.unit} {describe.format_value(unit)} is in bucket {number}, {describe.format_cell(shares[index])}"

    def default(self) -> Decision:
        if self._decision is None:
            self._decision = self._builder.default()
            text = f"no override, experiment or rule decided: the objective's default, {self._decision.version}"
            self._add_step("default", "", StepStatus.DECIDED, text)
        return self._decision

    def canary(self, canary: Canary, decision: Decision) -> Decision:
        reason = self._unmoved_reason(canary, decision)
        if reason:
            self._add_step("canary", canary.name, StepStatus.PASSED, f"canary {canary.name} {reason}")
            return decision
        share = describe.format_percent(canary.percent)
        text = f"canary {canary.name} moved its {share} from {decision.version} to {canary.version}"
        self._add_step("canary", canary.name, StepStatus.DECIDED, text)
        return self._builder.after_canary(decision, canary)

    def _unmoved_reason(self, canary: Canary, decision: Decision) -> str:
        """Return the reason why the canary leaves the decision unchanged, or ""."""
        unit = self._context.get(canary.unit)
        # docs/routing.md, "Order": no canary moves what an override decided.
        if decision.override:
            return "does not move what an override decided"
        if not matches_context(canary.match, self._context):
            return f"did not match: {'; '.join(unmet_conditions(canary.match, self._context))}"
        if not takes_from(canary, decision):
            return f"moves {canary.base or 'other versions'}, not {decision.version}"
        if unit is None:
            return f"moves nobody without a unit: there is no {canary.unit} in the context"
        number = bucket(canary_salt(canary), unit)
        if number >= bucket_count(canary.percent):
            return f"leaves this {canary.unit}: bucket {number} is not in its {describe.format_percent(canary.percent)}"
        return ""

    def shadow(self, shadow: Shadow) -> None:
        if matches_context(shadow.match, self._context):
            part = (
                "a copy"
                if shadow.percent >= 100
                else f"a copy of {describe.format_percent(shadow.percent)} of such requests"
            )
            self._add_step(
                "shadow", shadow.name, StepStatus.DECIDED, f"shadow {shadow.name}: {shadow.version} gets {part}"
            )
        else:
            text = f"shadow {shadow.name} did not match: {'; '.join(unmet_conditions(shadow.match, self._context))}"
            self._add_step("shadow", shadow.name, StepStatus.PASSED, text)


def met_conditions(match: Match, context: Context) -> str:
    """Return the values of the context that the match requires: "country is BR, device is tv"."""
    parts = [f"{name} is {describe.format_value(context.get(name))}" for name in match_fields(match)]
    return ", ".join(parts) or "every request does"


def unmet_conditions(match: Match, context: Context) -> Iterator[str]:
    """Yield the conditions that do not hold: "country is US, where it wants country is BR"."""
    for name in match_fields(match):
        value = context.get(name)
        if allows_value(match, name, value):
            continue
        current = f"{name} is {describe.format_value(value)}"
        if value in match.unless.get(name, ()):
            yield f"{current}, which it leaves out"
        else:
            yield f"{current}, where it wants {describe.format_conditions(_field_conditions(match, name))}"


def _field_conditions(match: Match, name: str) -> Match:
    """Return the match reduced to its conditions on one field."""
    values = {name: match.when[name]} if name in match.when else {}
    ranges = {name: match.between[name]} if name in match.between else {}
    return Match(when=values, between=ranges)
