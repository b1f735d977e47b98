"""Finds the nodes of workflows and steps in the tree of a document, to edit them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def workflow_node(tree: Mapping[str, Any], id: str) -> dict[str, Any]:
    """Return the node of a workflow in the tree of a document."""
    node: dict[str, Any] = next(entry for entry in tree["workflows"] if entry.get("workflowId") == id)
    return node


def step_node(tree: Mapping[str, Any], workflow_id: str, step_id: str) -> dict[str, Any]:
    """Return the node of a step in the tree of a document."""
    steps = workflow_node(tree, workflow_id)["steps"]
    node: dict[str, Any] = next(entry for entry in steps if entry.get("stepId") == step_id)
    return node
