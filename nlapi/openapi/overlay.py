"""Reads and applies overlays: changes to a description that are stored beside it (OpenAPI Overlay 1.0 and 1.1)."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.errors import DescriptionError, Issue
from nlapi.openapi.jsonpath import NodePath, node_at, node_paths
from nlapi.openapi.spec import as_list

SUPPORTED = re.compile(r"1\.[01](\.\d+)?")
# Nodes of a description after its overlays, as in `document`; an action on everything multiplies its additions.
MAX_NODES = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A parsed Overlay document. `source` is its origin, for messages."""

    source: str
    actions: tuple[Mapping[str, Any], ...]


class _MismatchError(Exception):
    """An update that does not fit its target; an error by Overlay 1.1.0."""


def parse_overlay(tree: object, source: str) -> Overlay:
    """Return the Overlay in a parsed document. DescriptionError when it is not one, or of another version."""
    if not isinstance(tree, Mapping) or "overlay" not in tree:
        hint = "an overlay begins with `overlay: 1.1.0`"
        raise DescriptionError(f"{source} is not an overlay: it has no `overlay` key", hint=hint)
    version = str(tree["overlay"])
    if not SUPPORTED.fullmatch(version):
        raise DescriptionError(f"{source} is in Overlay version {version!r}", hint="nlapi reads 1.0 and 1.1")
    actions = tree.get("actions")
    if not isinstance(actions, list) or not all(isinstance(action, Mapping) for action in actions):
        raise DescriptionError(f"{source}: `actions` is not a list of maps", hint="each has a `target` and an `update`")
    return Overlay(source=source, actions=tuple(actions))


def operation_jsonpath(path: str, method: str) -> str:
    """Return the JSONPath of an operation."""
    quoted = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"$.paths['{quoted}'].{method.lower()}"


def apply_overlays(tree: Mapping[str, Any], overlays: Iterable[Overlay]) -> tuple[Mapping[str, Any], tuple[Issue, ...]]:
    """Return a copy of `tree` with the actions of all overlays applied in order, and the Issues of failed actions.

    A failed action changes nothing. DescriptionError when the tree grows too large.
    """
    result: dict[str, Any] = _deep_copy(tree)
    issues: list[Issue] = []
    for document in overlays:
        for index, action in enumerate(document.actions):
            location = f"{document.source}: actions[{index}]"
            issues += (
                Issue.warning(location, message, hint, "overlay") for message, hint in _apply_action(result, action)
            )
        # After each overlay: `$..*` with an update doubles the tree at every action.
        if _count_nodes(result) > MAX_NODES:
            raise DescriptionError(f"{document.source} makes the description grow to more than {MAX_NODES:,} nodes")
    return result, tuple(issues)


def _deep_copy(tree: object) -> Any:
    """Return a deep copy in which nothing is shared: a change would spread to other places through YAML aliases."""
    if isinstance(tree, Mapping):
        return {key: _deep_copy(value) for key, value in tree.items()}
    return [_deep_copy(value) for value in tree] if isinstance(tree, list) else tree


def _apply_action(tree: dict[str, object], action: Mapping[str, object]) -> Iterator[tuple[str, str]]:
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


def _find(tree: Any, path: str) -> tuple[list[NodePath], str]:
    """Return the locations of the nodes that a JSONPath selects, or the fault of the JSONPath."""
    try:
        return node_paths(tree, path), ""
    except ValueError as error:
        return [], str(error)


def _remove(tree: Any, nodes: list[NodePath]) -> bool:
    """Remove nodes, the last first so that indexes stay valid. Return False when the root is one of them."""
    removed = set(nodes)
    for location in sorted(nodes, key=lambda path: [(isinstance(part, str), part) for part in path], reverse=True):
        # A node inside a removed node is removed with it; its own location no longer exists.
        if location and not any(location[:depth] in removed for depth in range(len(location))):
            del node_at(tree, location[:-1])[location[-1]]
    return () not in removed


def _copy(tree: object, nodes: list[NodePath], path: object, target: str) -> Iterator[tuple[str, str]]:
    matches, fault = _find(tree, path) if isinstance(path, str) else ([], "`copy` is not a JSONPath")
    if fault:
        yield fault, "it is JSONPath as in RFC 9535"
    elif len(matches) != 1:
        yield f"copy {path} selects {len(matches)} nodes, not one", "nothing was changed"
    else:
        yield from _merge_all(tree, nodes, copy.deepcopy(node_at(tree, matches[0])), target)


def _merge_all(tree: Any, nodes: list[NodePath], update: Any, target: str) -> Iterator[tuple[str, str]]:
    # Overlay 1.1.0 §4.4.3 requires the selected nodes to be of one kind.
    kinds = {_kind(node_at(tree, location)) for location in nodes}
    if len(kinds) > 1:
        yield f"target {target} matches {' and '.join(sorted(kinds))}", "it must match one kind; nothing was changed"
        return
    for location in nodes:
        try:
            merged = _merge_update(node_at(tree, location), update)
        except _MismatchError as error:
            place = "".join(f"[{part!r}]" for part in location)
            yield f"the update does not fit ${place}: {error}", "nothing was changed there"
            continue
        if location:
            node_at(tree, location[:-1])[location[-1]] = merged
        else:
            tree.update(merged)


def _kind(value: object) -> str:
    return "objects" if isinstance(value, dict) else "arrays" if isinstance(value, list) else "primitives"


def _merge_update(target: object, update: object) -> object:
    """Return the node merged with the action's update, as a new value; an array also takes one more entry."""
    if isinstance(target, list) and not isinstance(update, list):
        return [*target, copy.deepcopy(update)]
    return _merge_values(target, update, "")


def _merge_values(target: Any, update: Any, path: str) -> object:
    """Return two values merged: objects by key, arrays concatenated, a primitive replaced; Overlay 1.1.0 §4.4.3.1."""
    if _kind(target) != _kind(update):
        place = path.lstrip(".") or "it"
        raise _MismatchError(f"{place} is {_kind(target)[:-1]} there and {_kind(update)[:-1]} here")
    if isinstance(target, list):
        return [*target, *copy.deepcopy(update)]
    if not isinstance(target, dict):
        return update
    result = dict(target)
    for key, value in update.items():
        is_present = key in target
        result[key] = _merge_values(target[key], value, f"{path}.{key}") if is_present else copy.deepcopy(value)
    return result


def _count_nodes(tree: object) -> int:
    todo, count = [tree], 0
    while todo and count <= MAX_NODES:
        node = todo.pop()
        count += 1
        todo.extend(node.values() if isinstance(node, dict) else as_list(node))
    return count
