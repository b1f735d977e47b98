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
