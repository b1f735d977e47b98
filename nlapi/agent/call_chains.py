"""Defines the tool by which a model plans a chain or a batch of calls at once, and what carries such a plan out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nlapi.agent.operation_tools import OperationTools
from nlapi.tools.plan import Conversation, Plan

PLAN_TOOL = "plan"

PLAN_DEFINITION: dict[str, Any] = {
    "name": PLAN_TOOL,
    "description": 'Several calls at once, of which later ones take values of earlier answers: "$steps.a.outputs.id", '
    '"$steps.a.outputs.data.0.id". It stands alone and ends the turn.',
    "input_schema": {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "operation": {"type": "string"},
                        "arguments": {"type": "object"},
                    },
                    "required": ["id", "operation"],
                },
            }
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
