"""Finds the nodes of workflows and steps in the tree of a document, to edit them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def workflow_node(tree: Mapping[str, Any], id: str) -> dict[str, Any]:
    """Return the node of a workflow in the tree of a document."""
    return _entry(tree["workflows"], "workflowId", id)


def step_node(tree: Mapping[str, Any], workflow_id: str, step_id: str) -> dict[str, Any]:
    """Return the node of a step in the tree of a document."""
    return _entry(workflow_node(tree, workflow_id)["steps"], "stepId", step_id)


def _entry(entries: Any, key: str, id: str) -> dict[str, Any]:
    """Return the first entry with an id; entries that are no objects are in a document that was read without them."""
    return next(entry for entry in entries if isinstance(entry, dict) and entry.get(key) == id)


def list_of(node: Mapping[str, Any], name: str) -> list[Any]:
    """Return the list that a node has by a name; an empty one where it has none, or something else."""
    value = node.get(name)
    return value if isinstance(value, list) else []


def list_in(node: dict[str, Any], name: str) -> list[Any]:
    """Return the list that a node has by a name, to add to it; what is no list is replaced by one."""
    node[name] = value = list_of(node, name)
    return value


def object_in(node: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object that a node has by a name, to add to it; what is no object is replaced by one."""
    value = node.get(name)
    node[name] = value = value if isinstance(value, dict) else {}
    return value


def unshared(node: Any) -> Any:
    """Return a copy of a tree in which no part stands twice: an alias of YAML is one node in memory, and two places."""
    if isinstance(node, Mapping):
        return {key: unshared(value) for key, value in node.items()}
    return [unshared(value) for value in node] if isinstance(node, list) else node


def with_source_urls(tree: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """Return a document whose sources have other addresses, by the name of each."""
    if not urls:
        return dict(tree)
    sources = [
        {**source, "url": urls[source["name"]]}
        if isinstance(source, Mapping) and source.get("name") in urls
        else source
        for source in list_of(tree, "sourceDescriptions")
    ]
    return {**tree, "sourceDescriptions": sources}
