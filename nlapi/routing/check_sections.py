"""Keeps the results of the checks from one configuration to the next, so that only what changed is checked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from nlapi.issue import Issue, Level
from nlapi.routing.change import ConfigurationChanges
from nlapi.routing.grouping import regroup
from nlapi.routing.model import CLIENT_NAME_FIELD, Configuration, Field, ObjectiveParts

EntityName: TypeAlias = tuple[str, Any]
"""A field of a configuration, such as "versions", and a key in it."""

# Undeclared, but rules may match it, so the checks need a declaration.
CLIENT_FIELD = Field(name=CLIENT_NAME_FIELD, description="the name of the client that asks")
"""The field that every objective has."""


class CheckScope:
    """What the checks of one configuration read: it, what changed in it, and its entities by objective."""

    def __init__(self, changes: ConfigurationChanges, grouped: Mapping[str, ObjectiveParts]) -> None:
        self.changes = changes
        self.configuration = changes.after
        self.grouped = grouped
        self._fields: dict[str, dict[str, Field]] = {}

    def fields(self, objective: str) -> Mapping[str, Field]:
        """Return the context fields of an objective by name, with that of the client."""
        # Built once for all entities, not again for each of 10,000 rules.
        fields = self._fields.get(objective)
        if fields is None:
            declared = {field.name: field for field in self.configuration.objectives[objective].context}
            fields = self._fields[objective] = {**declared, CLIENT_FIELD.name: CLIENT_FIELD}
        return fields

    def outdated(self, kind: str, *, with_added: bool) -> set[Any]:
        """Return the keys of a kind whose readers have to be checked again."""
        changes = self.changes
        keys = {*changes.removed(kind), *(changes.added(kind) if with_added else ())}
        if kind == "objectives":
            # A new default version or title of an objective says nothing about its rules.
            keys.update(
                new.name
                for _, old, new in changes.entities(kind)
                if old is not None and new is not None and _read_fields(old) != _read_fields(new)
            )
        return keys


def _read_fields(objective: Any) -> tuple[object, ...]:
    return objective.context, objective.output, objective.idempotent


class Section(Protocol):
    """One part of the checks with its results. Immutable: a change that is refused leaves them as they are."""

    def update(self, scope: CheckScope) -> Section:
        """Return the section with the results for the configuration of `scope`."""

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        """Yield the issues in the order of the configuration."""


EntityCheck: TypeAlias = Callable[[CheckScope, Any, Any], Iterable[Issue]]
"""Returns the issues of one entity, given with its key."""


class EntitySection:
    """A check of each entity of a kind by itself.

    `reads` returns the other entities that it looks up. When one of them is missing, the check has an issue, unless
    `ignores_missing`.
    """

    def __init__(
        self,
        kind: str,
        check: EntityCheck,
        *,
        reads: Callable[[Any], Iterable[EntityName]] | None = None,
        read_kinds: Sequence[str] = (),
        ignores_missing: bool = False,
        results: Mapping[Any, tuple[Issue, ...]] | None = None,
    ) -> None:
        self._kind = kind
        self._check = check
        self._reads = reads
        self._read_kinds = read_kinds
        self._ignores_missing = ignores_missing
        self._results = results or {}
        """the issues of each entity that has any"""

    def update(self, scope: CheckScope) -> EntitySection:
        # An entity with issues is always checked again: their hints name what there is.
        suspects = {*scope.changes.keys(self._kind), *self._results, *self._outdated_readers(scope)}
        if not suspects:
            return self
        entities = getattr(scope.configuration, self._kind)
        results = {key: issues for key, issues in self._results.items() if key not in suspects}
        for key in suspects:
            if key in entities:
                issues = tuple(self._check(scope, key, entities[key]))
                if issues:
                    results[key] = issues
        return EntitySection(
            self._kind,
            self._check,
            reads=self._reads,
            read_kinds=self._read_kinds,
            ignores_missing=self._ignores_missing,
            results=results,
        )

    def _outdated_readers(self, scope: CheckScope) -> Iterator[Any]:
        if self._reads is None:
            return
        outdated = {
            (kind, key) for kind in self._read_kinds for key in scope.outdated(kind, with_added=self._ignores_missing)
        }
        if outdated:
            for key, entity in getattr(scope.configuration, self._kind).items():
                if not outdated.isdisjoint(self._reads(entity)):
                    yield key

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        if self._results:
            for key in getattr(configuration, self._kind):
                yield from self._results.get(key, ())


class WholeSection:
    """A check that reads all entities of some kinds at once, and is repeated when one of them changed."""

    def __init__(
        self,
        kinds: Sequence[str],
        check: Callable[[Configuration], Iterable[Issue]],
        results: tuple[Issue, ...] = (),
    ) -> None:
        self._kinds = kinds
        self._check = check
        self._results = results

    def update(self, scope: CheckScope) -> WholeSection:
        if not any(scope.changes.keys(kind) for kind in self._kinds):
            return self
        return WholeSection(self._kinds, self._check, tuple(self._check(scope.configuration)))

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        yield from self._results


class CheckedConfiguration:
    """A configuration with the results of all checks; immutable."""

    def __init__(
        self, sections: Sequence[Section], configuration: Configuration, grouped: Mapping[str, ObjectiveParts]
    ) -> None:
        self._sections = sections
        self.grouped = grouped
        """its entities by objective"""
        self.configuration = configuration

    @classmethod
    def check(cls, sections: Sequence[Section], configuration: Configuration) -> CheckedConfiguration:
        """Return a configuration checked from scratch by sections that have no results yet."""
        empty = Configuration()
        return cls(sections, empty, {}).update(ConfigurationChanges(empty, configuration))

    def update(self, changes: ConfigurationChanges) -> CheckedConfiguration:
        """Return the configuration after `changes` to this one, checked where it changed."""
        grouped = regroup(self.grouped, changes)
        scope = CheckScope(changes, grouped)
        return CheckedConfiguration(tuple(section.update(scope) for section in self._sections), changes.after, grouped)

    def issues(self) -> list[Issue]:
        """Return every issue, in the order of the sections and of the configuration."""
        return [issue for section in self._sections for issue in section.issues(self.configuration)]

    @property
    def has_errors(self) -> bool:
        return any(issue.level is Level.ERROR for issue in self.issues())
