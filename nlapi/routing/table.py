"""Decides which version serves a request of an objective, by a compiled configuration."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from dataclasses import replace
from typing import Any

from xxhash import xxh3_64_intdigest as digest

from nlapi.errors import UsageError
from nlapi.routing.explain import Explanation, explain
from nlapi.routing.nouns import BUCKETS, CLIENT_NAME_FIELD, Configuration, Context, Decision
from nlapi.routing.order import ObjectiveParts, group_by_objective
from nlapi.routing.outcome import FIRST_DECISION
from nlapi.routing.program import Entry, ObjectiveProgram
from nlapi.routing.split import allocate_layer, unit_text
from nlapi.routing.verdict import DecisionBuilder


class UnknownObjectiveError(UsageError):
    """There is no objective of that name; `nearest` is the most similar name, or ""."""

    def __init__(self, name: str, objectives: tuple[str, ...]) -> None:
        near = difflib.get_close_matches(name, objectives, n=1, cutoff=0.5)
        self.name = name
        self.nearest = near[0] if near else ""
        hint = f"did you mean {self.nearest!r}?" if near else f"there are: {', '.join(sorted(objectives)[:10]) or 'none'}"
        super().__init__(f"there is no objective {name!r}", hint=hint)


class Table:
    """The decisions of one revision. Immutable to its callers, and safe to share between threads."""

    __slots__ = ("_entries", "_nouns", "configuration", "revision")

    def __init__(self, configuration: Configuration, revision: int) -> None:
        self.configuration = configuration
        self.revision = revision
        self._nouns = group_by_objective(configuration)
        self._entries: dict[str, Entry] = {}

    def decide(self, objective: str, context: Context, client: str = "") -> Decision:
        """Return the Decision for this request. UnknownObjectiveError names the nearest objective.

        `context` has fields that the objective declares, of their types; an absent field matches no value.
        """
        try:
            key, outcomes, compute, needs_client = self._entries[objective]
        except KeyError:
            key, outcomes, compute, needs_client = self._entry(objective)
        if needs_client:
            context = with_client(context, client)
        result: Any  # mypy does not narrow the union MatchOutcome by `__class__`
        try:
            result = outcomes[key(context)]
        except KeyError:
            result = compute(context)
        decision: Decision
        # Written out with `__class__` tests and without helpers: this is the hot path of every request, 0.2 to 0.4 us.
        if result.__class__ is Decision:
            decision = result
        elif result.__class__ is tuple:
            name, before, bounds = result[0]
            unit = context.get(name)
            if unit is None:
                decision = result[-1]
            else:
                data = unit if unit.__class__ is str else unit_text(unit)
                number = digest(before + data.encode("utf-8", "surrogatepass")) % BUCKETS
                decision = result[FIRST_DECISION + bisect_right(bounds, number)]
        elif result is None:
            compute(context)
            decision = self.decide(objective, context, client)
        else:
            decision = result(context)
        return decision

    def explain(self, objective: str, context: Context, client: str = "") -> Explanation:
        """Return the same decision, with each step on the way to it."""
        parts = self._parts_of(objective)
        return explain(parts, self._decision_builder(objective), with_client(context, client))

    def _entry(self, objective: str) -> Entry:
        """Return the entry of an objective, which is compiled on first use."""
        ObjectiveProgram(self._parts_of(objective), self._decision_builder(objective), self._entries)
        return self._entries[objective]

    def _parts_of(self, objective: str) -> ObjectiveParts:
        parts = self._nouns.get(objective)
        if parts is None:
            raise UnknownObjectiveError(objective, tuple(self._nouns))
        return parts

    def _decision_builder(self, objective: str) -> DecisionBuilder:
        return DecisionBuilder(configuration=self.configuration, revision=self.revision, objective=objective)


def with_client(context: Context, client: str) -> Context:
    """Return the context with the client's name; without that field when the client has no name."""
    if client:
        return {**context, CLIENT_NAME_FIELD: client}
    return {name: value for name, value in context.items() if name != CLIENT_NAME_FIELD} if CLIENT_NAME_FIELD in context else context


def compile_table(configuration: Configuration, revision: int) -> Table:
    """Return the table of a checked configuration. Missing buckets are allocated."""
    experiments = dict(configuration.experiments)
    # Published configurations have buckets; one from a file or a test may not.
    layers = {experiment.layer for experiment in experiments.values() if experiment.layer and experiment.percent and not experiment.buckets}
    for layer in layers:
        experiments |= allocate_layer(experiments, layer)
    return Table(replace(configuration, experiments=experiments) if layers else configuration, revision)
