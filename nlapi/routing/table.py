"""A configuration, compiled: which version serves a request of an objective."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace

from nlapi.errors import UsageError
from nlapi.routing.explain import Explanation, explain
from nlapi.routing.nouns import CLIENT, Configuration, Context, Decision
from nlapi.routing.program import Nouns, Program, by_objective
from nlapi.routing.split import allocate_layer
from nlapi.routing.verdict import Verdicts


class UnknownObjectiveError(UsageError):
    """There is no objective of that name; `nearest` is the one that was perhaps meant, or ""."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        self.name = name
        self.nearest = near[0] if near else ""
        hint = f"did you mean {self.nearest!r}?" if near else f"there are: {', '.join(sorted(known)[:10]) or 'none'}"
        super().__init__(f"there is no objective {name!r}", hint=hint)


class Table:
    """Decides, at one revision. Immutable to its callers, and safe to share between threads."""

    __slots__ = ("_deciders", "_nouns", "configuration", "revision")

    def __init__(self, configuration: Configuration, revision: int) -> None:
        self.configuration = configuration
        self.revision = revision
        self._nouns = by_objective(configuration)
        self._deciders: dict[str, Callable[[Context, str], Decision]] = {}

    def decide(self, objective: str, context: Context, client: str = "") -> Decision:
        """The version that serves this request. UnknownObjectiveError names the nearest objective.

        `context`: fields that the objective declares, of their types; an absent one matches no value.
        """
        decide = self._deciders.get(objective) or self._decider(objective)
        return decide(context, client)

    def explain(self, objective: str, context: Context, client: str = "") -> Explanation:
        """The same decision, with each step on the way to it."""
        nouns = self._known(objective)
        return explain(nouns, self._verdicts(objective), {**context, CLIENT: client})

    def _decider(self, objective: str) -> Callable[[Context, str], Decision]:
        """An objective is compiled when it is first asked for."""
        decide = Program(self._known(objective), self._verdicts(objective)).decider()
        self._deciders[objective] = decide
        return decide

    def _known(self, objective: str) -> Nouns:
        nouns = self._nouns.get(objective)
        if nouns is None:
            raise UnknownObjectiveError(objective, tuple(self._nouns))
        return nouns

    def _verdicts(self, objective: str) -> Verdicts:
        return Verdicts(configuration=self.configuration, revision=self.revision, objective=objective)


def compile(configuration: Configuration, revision: int) -> Table:
    """The table of a configuration that was checked. Buckets that are absent are allotted."""
    experiments = dict(configuration.experiments)
    layers = {one.layer for one in experiments.values() if one.layer and one.percent and not one.buckets}
    for layer in layers:
        experiments |= allocate_layer(experiments, layer)
    return Table(replace(configuration, experiments=experiments) if layers else configuration, revision)
