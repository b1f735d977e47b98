"""Reads and applies overlays: changes to a description that are stored beside it (OpenAPI Overlay 1.0 and 1.1)."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from nlapi.errors import DescriptionError
from nlapi.issue import Issue
from nlapi.openapi.parts import as_list

SUPPORTED = re.compile(r"1\.[01](\.\d+)?")
# Nodes of a description after its overlays, as in `document`; an action on everything multiplies what it adds.
MAX_NODES = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A parsed Overlay document. `source` is its origin, for messages."""

    source: str
    actions: tuple[Mapping[str, Any], ...]


class _MismatchError(Exception):
    """An update that does not fit its target; an error by Overlay 1.1.0."""


def overlay(tree: Any, source: str) -> Overlay:
    """Return the Overlay in a parsed document. DescriptionError when it is not one, or of another version."""
    if not isinstance(tree, Mapping) or "overlay" not in tree:
        hint = "an overlay begins with `overlay: 1.1.0`"
        raise DescriptionError(f"{source} is no overlay: it has no `overlay` key", hint=hint)
    version = str(tree["overlay"])
    if not SUPPORTED.fullmatch(version):
        raise DescriptionError(f"{source} is in Overlay version {version!r}", hint="nlapi reads 1.0 and 1.1")
    actions = tree.get("actions")
    if not isinstance(actions, list) or not all(isinstance(action, Mapping) for action in actions):
        raise DescriptionError(f"{source}: `actions` is not a list of maps", hint="each has a `target` and an `update`")
    return Overlay(source=source, actions=tuple(actions))


def target_of(path: str, method: str) -> str:
    """Return the JSONPath of an operation."""
    quoted = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"$.paths['{quoted}'].{method.lower()}"


def apply(tree: Mapping[str, Any], overlays: Iterable[Overlay]) -> tuple[Mapping[str, Any], tuple[Issue, ...]]:
    """Return a copy of `tree` with the actions of all overlays applied in order, and the Issues of failed actions.

    A failed action changes nothing. DescriptionError when the tree grows too large.
    """
    changed: dict[str, Any] = _unshared(tree)
    issues: list[Issue] = []
    for one in overlays:
        for index, action in enumerate(one.actions):
            where = f"{one.source}: actions[{index}]"
            issues += (Issue.warning(where, message, hint, "overlay") for message, hint in _act(changed, action))
        # After each overlay: `$..*` with an update doubles the tree at every action.
        if _size(changed) > MAX_NODES:
            raise DescriptionError(f"{one.source} makes the description grow to more than {MAX_NODES:,} nodes")
    return changed, tuple(issues)


def _unshared(tree: Any) -> Any:
    """Return a deep copy in which nothing is shared: a change would spread to other places through YAML aliases."""
    if isinstance(tree, Mapping):
        return {key: _unshared(value) for key, value in tree.items()}
    return [_unshared(value) for value in tree] if isinstance(tree, list) else tree


def _act(tree: dict[str, Any], action: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Apply one action; yield what is wrong with it, as (message, hint). Overlay 1.1.0 §4.4.3."""
    target = action.get("target")
    if not isinstance(target, str):
        yield "an action needs a `target`", "such as $.paths['/pets'].get"
        return
    nodes, fault = _find(tree, target)
    if fault:
        yield fault, "targets are JSONPath as in RFC 9535"
    elif not nodes:
        yield f"target {target} matches nothing", "nothing was changed"
    elif action.get("remove") is True:
        if not _remove(tree, nodes):
            yield f"target {target} is the whole description, which cannot be removed", ""
    elif "update" in action:
        yield from _merge_all(tree, nodes, action["update"], target)
    elif "copy" in action:
        yield from _copy(tree, nodes, action["copy"], target)
    else:
        yield "an action needs an `update`, a `copy` or `remove: true`", ""


Location = tuple[Any, ...]
"""The keys and indexes from the root to a node."""


@cache
def _environment() -> Any:
    # Imported here: python-jsonpath is needed only where there is an overlay.
    from jsonpath import JSONPathEnvironment

    return JSONPathEnvironment(strict=True)


def _find(tree: Any, path: str) -> tuple[list[Location], str]:
    """Return the locations of the nodes that a JSONPath selects, or the fault of the JSONPath."""
    from jsonpath import JSONPathError

    try:
        found = _environment().compile(path).finditer(tree)
        # One node may be selected twice (`$..['a','a']`), and an array would then be extended twice.
        return list(dict.fromkeys(tuple(match.parts) for match in found)), ""
    except JSONPathError as error:
        return [], f"{path!r} is not a JSONPath: {str(error).splitlines()[0]}"
    except RecursionError:
        return [], f"{path!r} goes too deep"


def _at(tree: Any, location: Location) -> Any:
    for part in location:
        tree = tree[part]
    return tree


def _remove(tree: Any, nodes: list[Location]) -> bool:
    """Remove nodes, the last first so that indexes stay valid. Return False when the root is one of them."""
    gone = set(nodes)
    for location in sorted(nodes, key=_order, reverse=True):
        # A node inside a removed node is removed with it; its own location no longer exists.
        if location and not any(location[:depth] in gone for depth in range(len(location))):
            del _at(tree, location[:-1])[location[-1]]
    return () not in gone


def _order(location: Location) -> tuple[tuple[bool, Any], ...]:
    return tuple((isinstance(part, str), part) for part in location)


def _copy(tree: Any, nodes: list[Location], path: Any, target: str) -> Iterator[tuple[str, str]]:
    found, fault = _find(tree, path) if isinstance(path, str) else ([], "`copy` is not a JSONPath")
    if fault:
        yield fault, "it is JSONPath as in RFC 9535"
    elif len(found) != 1:
        yield f"copy {path} selects {len(found)} nodes, not one", "nothing was changed"
    else:
        yield from _merge_all(tree, nodes, copy.deepcopy(_at(tree, found[0])), target)


def _merge_all(tree: Any, nodes: list[Location], update: Any, target: str) -> Iterator[tuple[str, str]]:
    # Overlay 1.1.0 §4.4.3 requires the selected nodes to be of one kind.
    kinds = {_kind(_at(tree, location)) for location in nodes}
    if len(kinds) > 1:
        yield f"target {target} matches {' and '.join(sorted(kinds))}", "it must match one kind; nothing was changed"
        return
    for location in nodes:
        try:
            merged = _merged(_at(tree, location), update)
        except _MismatchError as error:
            place = "".join(f"[{part!r}]" for part in location)
            yield f"the update does not fit ${place}: {error}", "nothing was changed there"
            continue
        if location:
            _at(tree, location[:-1])[location[-1]] = merged
        else:
            tree.update(merged)


def _kind(value: Any) -> str:
    return "objects" if isinstance(value, dict) else "arrays" if isinstance(value, list) else "primitives"


def _merged(target: Any, update: Any) -> Any:
    """Return the node merged with the action's update, as a new value; an array also takes one more entry."""
    if isinstance(target, list) and not isinstance(update, list):
        return [*target, copy.deepcopy(update)]
    return _joined(target, update, "")


def _joined(target: Any, update: Any, where: str) -> Any:
    """Return two values merged: objects by key, arrays concatenated, a primitive replaced; Overlay 1.1.0 §4.4.3.1."""
    if _kind(target) != _kind(update):
        place = where.lstrip(".") or "it"
        raise _MismatchError(f"{place} is {_kind(target)[:-1]} there and {_kind(update)[:-1]} here")
    if isinstance(target, list):
        return [*target, *copy.deepcopy(update)]
    if not isinstance(target, dict):
        return update
    result = dict(target)
    for key, value in update.items():
        known = key in target
        result[key] = _joined(target[key], value, f"{where}.{key}") if known else copy.deepcopy(value)
    return result


def _size(tree: Any) -> int:
    todo, count = [tree], 0
    while todo and count <= MAX_NODES:
        node = todo.pop()
        count += 1
        todo.extend(node.values() if isinstance(node, dict) else as_list(node))
    return count
