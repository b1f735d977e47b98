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


def select_operations(spec: Spec, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> Selection:
    """Return the operations that match any of `include` (all, when empty) and none of `exclude`.

    A filter is a glob with a field in front: `tag:campaigns`, `id:list*`, `path:/campaigns/*`, `method:GET`. Without a
    field it matches the id or the path. `*` also matches slashes; tags and methods match in any case. An operation that
    the description hides (`x-nlapi: {hide: true}`) is never selected.
    """
    visible = tuple(operation for operation in spec.operations if not operation.hidden)
    include, exclude = _as_tuple(include), _as_tuple(exclude)
    included, unmatched_includes = _match_patterns(visible, include)
    excluded, unmatched_excludes = _match_patterns(visible, exclude)
    chosen = tuple(
        operation for operation in visible if (operation in included or not include) and operation not in excluded
    )
    issues = (
        *(_unmatched_issue(spec, "include", pattern) for pattern in unmatched_includes),
        *(_unmatched_issue(spec, "exclude", pattern) for pattern in unmatched_excludes),
    )
    return Selection(operations=chosen, issues=issues)


def _as_tuple(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the filters as a tuple; a single text is one filter."""
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def _match_patterns(operations: Sequence[Operation], patterns: Iterable[str]) -> tuple[set[Operation], list[str]]:
    """Return the operations that some pattern matches, and the patterns that match none."""
    matched: set[Operation] = set()
    unmatched: list[str] = []
    for pattern in patterns:
        matching = [operation for operation in operations if matches(operation, pattern)]
        matched.update(matching)
        if not matching:
            unmatched.append(pattern)
    return matched, unmatched


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


def _unmatched_issue(spec: Spec, option: str, pattern: str) -> Issue:
    import difflib

    field, colon, glob = pattern.partition(":")
    names_by_field: dict[str, list[str]] = {
        "tag": sorted({tag for operation in spec.operations for tag in operation.tags}),
        "method": sorted({operation.method for operation in spec.operations}),
        "path": [operation.path for operation in spec.operations],
        "id": [operation.id for operation in spec.operations],
    }
    if not colon or field not in FIELDS:
        field, glob = "path" if pattern.startswith("/") else "id", pattern
    near = difflib.get_close_matches(glob, names_by_field[field], n=3, cutoff=0.5)
    # Tags and methods are few enough to list; ids and paths are not.
    choices = near or names_by_field[field][:12] if field in ("tag", "method") else near
    hint = f"{field}s here are such as {', '.join(choices)}" if choices else f"a filter is {_filter_forms()}, or an id or path"
    return Issue.warning("", f"--{option} {pattern!r} is about no operation", hint)


def _filter_forms() -> str:
    return ", ".join(f"{field}:GLOB" for field in FIELDS)
