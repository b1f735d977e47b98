"""A Conversation as the `messages` of the Messages API, and an answer's stream as content blocks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.client.shrink import shrink
from nlapi.tools.plan import Conversation, Outcome, Plan, Step

Block = dict[str, Any]
Message = dict[str, Any]

PLANNER = "claude"


def history(conversation: Conversation) -> list[Message]:
    """The conversation as messages: user and assistant in turn, every tool_use answered directly after it.

    A plan that Claude made is given back as Claude made it, thinking included; any other is told in tool_use blocks.
    """
    messages: list[Message] = []
    for number, turn in enumerate(conversation.turns):
        append(messages, "user", [{"type": "text", "text": turn.question}])
        for count, round in enumerate(turn.rounds):
            said = own(round.plan)
            if said is None:
                said = _retold(round.plan, f"call_{number}_{count}")
                steps = dict(zip(_uses(said), round.steps, strict=False))
            else:
                steps = {step.call.id: step for step in round.steps}
            for message in said["messages"]:
                append(messages, message["role"], message["content"])
            results = (said["results"].get(id) or _told(id, steps.get(id)) for id in _uses(said))
            append(messages, "user", list(results))
    return messages


def append(messages: list[Message], role: str, content: list[Block]) -> None:
    """Adds content to the messages; what the same role says twice in a row is one message."""
    if not content:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1] = {"role": role, "content": [*messages[-1]["content"], *content]}
    else:
        messages.append({"role": role, "content": list(content)})


def own(plan: Plan) -> Mapping[str, Any] | None:
    """`Plan.raw` when Claude made the plan: its messages, the results it got inside the planner, its usage."""
    raw = plan.raw
    return raw if isinstance(raw, Mapping) and raw.get("planner") == PLANNER else None


def _retold(plan: Plan, name: str) -> Mapping[str, Any]:
    """Another planner's plan, as if Claude had made it."""
    content: list[Block] = [{"type": "text", "text": plan.text}] if plan.text.strip() else []
    for number, call in enumerate(plan.calls):
        arguments = dict(call.arguments)
        content.append({"type": "tool_use", "id": f"{name}_{number}", "name": call.tool.name, "input": arguments})
    return {"messages": [{"role": "assistant", "content": content}], "results": {}}


def _uses(said: Mapping[str, Any]) -> list[str]:
    """The ids of the tool_uses that are still to be answered: those of the last message, if anything was said."""
    return [
        block["id"] for message in said["messages"][-1:] for block in message["content"] if block["type"] == "tool_use"
    ]


def _told(id: str, step: Step | None) -> Block:
    if step is None:
        return tool_result(id, "not run", is_error=True)
    if step.result is None:
        return tool_result(id, f"{step.outcome}: {step.message}", is_error=step.outcome is not Outcome.SHOWN)
    return tool_result(id, shrink(step.result), is_error=not step.result.ok)


def tool_result(id: str, text: str, *, is_error: bool = False) -> Block:
    return {"type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error}


@dataclass(slots=True)
class Answer:
    """One answer of the model, while it comes and when it is whole (`stop` is set)."""

    blocks: dict[int, Block] = field(default_factory=dict)
    inputs: dict[int, str] = field(default_factory=dict)
    stop: str | None = None
    details: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    """tool_use id -> what is wrong with its input"""

    @property
    def content(self) -> list[Block]:
        """The content blocks as they can be sent back; empty texts are refused by the API, so they are left out."""
        blocks = (self.blocks[index] for index in sorted(self.blocks))
        return [block for block in blocks if block["type"] != "text" or block["text"].strip()]

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.content if block["type"] == "text")

    async def read(self, stream: AsyncIterator[Any]) -> AsyncIterator[str]:
        """Takes in the events of a stream; yields pieces of text as they come."""
        async for event in stream:
            if event.type == "message_start":
                self.usage |= event.message.usage.to_dict()
            elif event.type == "content_block_start":
                self.blocks[event.index] = event.content_block.to_dict()
            elif event.type == "content_block_delta":
                text = self._delta(event.index, event.delta)
                if text:
                    yield text
            elif event.type == "message_delta":
                self._end(event)
        for index, text in self.inputs.items():
            self._input(self.blocks[index], text)

    def _delta(self, index: int, delta: Any) -> str:
        block = self.blocks[index]
        if delta.type == "text_delta":
            block["text"] += delta.text
            return str(delta.text)
        if delta.type == "input_json_delta":
            self.inputs[index] = self.inputs.get(index, "") + delta.partial_json
        elif delta.type == "thinking_delta":
            block["thinking"] += delta.thinking
        elif delta.type == "signature_delta":
            block["signature"] = delta.signature
        return ""

    def _end(self, event: Any) -> None:
        self.stop = event.delta.stop_reason
        details = event.delta.stop_details
        self.details = (details and details.explanation) or ""
        self.usage |= {key: value for key, value in event.usage.to_dict().items() if value is not None}

    def _input(self, block: Block, text: str) -> None:
        """The input of a tool_use, parsed strictly: the SDK would complete one that was cut."""
        try:
            value = json.loads(text or "{}")
        except ValueError as error:
            value, fault = None, f"the input is not JSON: {error}"
        else:
            fault = "the input must be a JSON object"
        if isinstance(value, dict):
            block["input"] = value
        else:
            block["input"] = {}
            self.faults[block["id"]] = fault
