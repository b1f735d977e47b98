"""Writes the chain of a model's plan; what that takes is loaded with the first plan, which most conversations lack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.agent.operations.tools import CallChain, OperationTools
from nlapi.tools.plan import Conversation


def deferred_chain(arguments: Mapping[str, Any], tools: OperationTools, conversation: Conversation) -> CallChain:
    """Return the chain of a model's plan, with or without loops. UsageError with what is wrong in it."""
    from nlapi.workflows.loops import write_plan

    return write_plan(arguments, tools, conversation)
