"""Names the inputs of a workflow that no transcript may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.client.message import File
from nlapi.workflows.model import Workflow


def secret_names(workflow: Workflow) -> frozenset[str]:
    """Return the inputs that are secret by their schema (`format: password`, `writeOnly`)."""
    return frozenset(
        name
        for name, schema in workflow.input_schemas.items()
        if isinstance(schema, Mapping) and (schema.get("format") == "password" or schema.get("writeOnly") is True)
    )


def unstored_names(workflow: Workflow, inputs: Mapping[str, Any]) -> frozenset[str]:
    """Return those of `inputs` that no transcript has: secrets, and files."""
    files = {name for name, value in inputs.items() if isinstance(value, File)}
    return frozenset(name for name in secret_names(workflow) | files if name in inputs)
