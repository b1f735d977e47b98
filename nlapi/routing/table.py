"""A configuration, compiled: which version serves a request of an objective."""

from __future__ import annotations

import difflib
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

    __slots__ = ("_asking_client", "_nouns", "_programs", "configuration", "revision")

    def __init__(self, configuration: Configuration, revision: int) -> None:
        self.configuration = configuration
        self.revision = revision
        self._nouns = by_objective(configuration)
        self._programs: dict[str, Program] = {}
        self._asking_client: set[str] = set()

    def decide(self, objective: str, context: Context, client: str = "") -> Decision:
        """The version that serves this request. UnknownObjectiveError names the nearest objective.

        `context`: fields that the objective declares, of their types; an absent one matches no value.
        """
        program = self._programs.get(objective) or self._program(objective)
        if objective in self._asking_client:
            context = {**context, CLIENT: client}
        return program.decide(context)

    def explain(self, objective: str, context: Context, client: str = "") -> Explanation:
        """The same decision, with each step on the way to it."""
        nouns = self._known(objective)
        return explain(nouns, self._verdicts(objective), {**context, CLIENT: client})

    def _program(self, objective: str) -> Program:
        program = Program(self._known(objective), self._verdicts(objective))
        if program.asks(CLIENT):
            self._asking_client.add(objective)
        self._programs[objective] = program
        return program

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
