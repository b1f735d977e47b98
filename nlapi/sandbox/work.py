"""Finishes the work of a machine on an item: what a client looks at again is done, so that waiting ends."""

from __future__ import annotations

from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.grouping import Resource
from nlapi.sandbox.state import SandboxState
from nlapi.sandbox.store import StoredItem
from nlapi.workflows.chain_values import ValueFlow


def finish_work(state: SandboxState, resource: Resource, operation: Operation, row: StoredItem) -> None:
    """Store the state in which the work on an item is done, once a client has read the one before.

    A sample stays as it is; so does a state that people bring about, or that says that the work failed.
    """
    wait = None if row.sampled else state.spec.derive(ValueFlow).state_wait(resource, operation)
    if wait is None:
        return
    name = wait.keys[-1]
    current: Any = row.data.get(name)
    if isinstance(current, str) and current not in (wait.done, *wait.failures):
        state.store.change(row, {**row.data, name: wait.done})
