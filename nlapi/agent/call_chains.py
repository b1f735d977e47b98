"""Defines the tool by which a model plans a chain or a batch of calls at once, and what carries such a plan out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nlapi.agent.operation_tools import OperationTools
from nlapi.tools.plan import Conversation, Plan

PLAN_TOOL = "plan"

PLAN_DEFINITION: dict[str, Any] = {
    "name": PLAN_TOOL,
    "description": 'A chain of calls, alone, which ends the turn. A value may be "$steps.ID.outputs.data.0.id".',
    "input_schema": {
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": {"type": "object"}, "description": "{id, operation, arguments} each"}
        },
        "required": ["steps"],
    },
}


class CallChain(Protocol):
    """A chain that is being carried out.

    `next_plan` gives the plan of the next calls from the answers in the conversation, the plan without calls that ends
    the turn, or None where a call failed, so that the model has to go on.
    """

    def next_plan(self, conversation: Conversation) -> Plan | None: ...


class ChainWriter(Protocol):
    """Turns the arguments of the tool into a chain. UsageError, for the model, where it could not be carried out."""

    def __call__(
        self, arguments: Mapping[str, Any], tools: OperationTools, conversation: Conversation
    ) -> CallChain: ...
