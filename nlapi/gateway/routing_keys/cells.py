"""Names the cells of an objective: the routes that a routing key may ask a data plane for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TypeAlias

from nlapi.routing.change import target_versions
from nlapi.routing.model import Canary, Configuration, Decision, Experiment, Objective, Override, Rule, VersionRef

# A cell stands for each combination of shadows, so their number is bounded: 16 combinations of four. No objective of
# the examples has more than one shadow at a time.
MAX_CELL_SHADOWS = 4

_Target: TypeAlias = tuple[VersionRef, VersionRef, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingCell:
    """A route of an objective: exactly one version, and the shadows that receive a copy."""

    name: str
    """unique in its objective: `ranker@v8+new-ranker!ranker-v8`"""
    version: VersionRef
    """the version that serves, which is another than the name's after the rollback of its canary"""
    shadows: tuple[str, ...] = ()
    canary: str = ""


def cell_name(version: VersionRef, shadows: tuple[str, ...] = (), canary: str = "") -> str:
    """Return the name of a cell. No name of a version, a shadow or a canary has a `+` or a `!`."""
    return "".join((str(version), *(f"+{name}" for name in shadows), f"!{canary}" if canary else ""))


def cell_of(decision: Decision) -> str:
    """Return the name of the cell that a decision belongs to."""
    return cell_name(decision.version, cell_shadows(decision.shadows), decision.canary)


def deciding_name(decision: Decision) -> str:
    """Return the name of what decided: an override, a canary, an experiment, a rule, or "default"."""
    return decision.override or decision.canary or decision.experiment or decision.rule or "default"


def cell_shadows(shadows: tuple[str, ...]) -> tuple[str, ...]:
    """Return the shadows that a cell names: the first by name."""
    return tuple(sorted(shadows))[:MAX_CELL_SHADOWS]


def list_cells(configuration: Configuration) -> dict[str, tuple[RoutingCell, ...]]:
    """Return all cells of each objective, by name.

    They include those of canaries that were rolled back, with the version that serves instead.
    """
    targets: dict[str, set[_Target]] = {name: set() for name in configuration.objectives}
    for objective, target in _targets(configuration):
        targets[objective].add(target)
    shadows: dict[str, list[str]] = {}
    for shadow in configuration.shadows.values():
        shadows.setdefault(shadow.objective, []).append(shadow.name)
    return {name: _objective_cells(targets[name], shadows.get(name, ())) for name in targets}


def _objective_cells(targets: set[_Target], shadows: Iterable[str]) -> tuple[RoutingCell, ...]:
    names = sorted(shadows)
    subsets = [subset for size in range(MAX_CELL_SHADOWS + 1) for subset in combinations(names, size)]
    cells = (
        RoutingCell(name=cell_name(decided, subset, canary), version=serving, shadows=subset, canary=canary)
        for decided, serving, canary in targets
        for subset in subsets
    )
    return tuple(sorted(cells, key=lambda cell: cell.name))


def _targets(configuration: Configuration) -> Iterator[tuple[str, _Target]]:
    """Yield each objective with the version in a cell's name, the version that serves it, and its canary."""
    objectives = configuration.objectives
    for objective in objectives.values():
        if objective.default is not None:
            yield objective.name, (objective.default, objective.default, "")
    deciding: tuple[Mapping[str, Rule | Experiment | Override], ...] = (
        configuration.rules,
        configuration.experiments,
        configuration.overrides,
    )
    for entity in chain.from_iterable(entities.values() for entities in deciding):
        if entity.objective in objectives:
            for version in target_versions(entity):
                yield entity.objective, (version, version, "")
    for canary in configuration.canaries.values():
        if canary.objective in objectives:
            serving = _serving_version(canary, objectives[canary.objective])
            yield canary.objective, (canary.version, serving, canary.name)


def _serving_version(canary: Canary, objective: Objective) -> VersionRef:
    """Return the version for requests that a canary moved: after its rollback that which it took them from."""
    return canary.version if canary.moves else canary.base or objective.default or canary.version
