"""Selects operations of a description by tag, id, method or path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from nlapi.issue import Issue
from nlapi.openapi.spec import Operation, Spec

FIELDS = ("tag", "id", "path", "method")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The selected operations, in the order of the description, and an Issue for each filter that matches none."""

    operations: tuple[Operation, ...]
    issues: tuple[Issue, ...] = ()


def select(spec: Spec, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> Selection:
    """Return the operations that match any of `include` (all, when empty) and none of `exclude`.

    A filter is a glob with a field in front: `tag:campaigns`, `id:list*`, `path:/campaigns/*`, `method:GET`. Without a
    field it matches the id or the path. `*` also matches slashes; tags and methods match in any case. An operation that
    the description hides (`x-nlapi: {hide: true}`) is never selected.
    """
    shown = tuple(operation for operation in spec.operations if not operation.hidden)
    include, exclude = _several(include), _several(exclude)
    wanted, idle = _matched(shown, include)
    unwanted, idle_too = _matched(shown, exclude)
    chosen = tuple(
        operation for operation in shown if (operation in wanted or not include) and operation not in unwanted
    )
    issues = (
        *(_idle(spec, "include", pattern) for pattern in idle),
        *(_idle(spec, "exclude", pattern) for pattern in idle_too),
    )
    return Selection(operations=chosen, issues=issues)


def _several(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the filters as a tuple; a single text is one filter."""
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def _matched(operations: Sequence[Operation], patterns: Iterable[str]) -> tuple[set[Operation], list[str]]:
    """Return the operations that some pattern matches, and the patterns that match none."""
    found: set[Operation] = set()
    idle: list[str] = []
    for pattern in patterns:
        about = [operation for operation in operations if matches(operation, pattern)]
        found.update(about)
        if not about:
            idle.append(pattern)
    return found, idle


def matches(operation: Operation, pattern: str) -> bool:
    """Return whether `pattern` matches this operation."""
    field, colon, glob = pattern.partition(":")
    if not colon or field not in FIELDS:
        # Ids contain colons too (`pets:list`), so a pattern with an unknown field is matched whole.
        return any(fnmatchcase(text, _literal(pattern)) for text in (operation.id, operation.path))
    if field == "tag":
        return any(fnmatchcase(tag.casefold(), _literal(glob.casefold())) for tag in operation.tags)
    if field == "method":
        return fnmatchcase(operation.method, _literal(glob.upper()))
    return fnmatchcase(operation.id if field == "id" else operation.path, _literal(glob))


def _literal(glob: str) -> str:
    """Return a glob in which brackets are literal: ids and paths contain them, and no user means a character set."""
    return glob.replace("[", "[[]")


def _idle(spec: Spec, option: str, pattern: str) -> Issue:
    import difflib

    field, colon, glob = pattern.partition(":")
    known: dict[str, list[str]] = {
        "tag": sorted({tag for one in spec.operations for tag in one.tags}),
        "method": sorted({one.method for one in spec.operations}),
        "path": [one.path for one in spec.operations],
        "id": [one.id for one in spec.operations],
    }
    if not colon or field not in FIELDS:
        field, glob = "path" if pattern.startswith("/") else "id", pattern
    near = difflib.get_close_matches(glob, known[field], n=3, cutoff=0.5)
    # Tags and methods are few enough to list; ids and paths are not.
    choices = near or known[field][:12] if field in ("tag", "method") else near
    hint = f"{field}s here are such as {', '.join(choices)}" if choices else f"a filter is {_forms()}, or an id or path"
    return Issue.warning("", f"--{option} {pattern!r} is about no operation", hint)


def _forms() -> str:
    return ", ".join(f"{field}:GLOB" for field in FIELDS)
