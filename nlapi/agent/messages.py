"""A Conversation as the `messages` of the Messages API, and the stream of an answer as content blocks."""

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
    """Return the conversation as messages: user and assistant in turn, every tool_use answered directly after it.

    A plan of Claude's is sent back unchanged, thinking included; a plan of any other planner becomes tool_use blocks.
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
            # The API refuses a conversation in which a tool_use has no tool_result in the next message.
            results = (said["results"].get(id) or _told(id, steps.get(id)) for id in _uses(said))
            append(messages, "user", list(results))
    return messages


def append(messages: list[Message], role: str, content: list[Block]) -> None:
    """Add content to the messages; consecutive content of one role becomes one message."""
    # The API refuses empty content, and two messages of one role in a row.
    if not content:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1] = {"role": role, "content": [*messages[-1]["content"], *content]}
    else:
        messages.append({"role": role, "content": list(content)})


def own(plan: Plan) -> Mapping[str, Any] | None:
    """Return `Plan.raw` (messages, results inside the planner, usage) where Claude made the plan, else None."""
    raw = plan.raw
    return raw if isinstance(raw, Mapping) and raw.get("planner") == PLANNER else None


def _retold(plan: Plan, name: str) -> Mapping[str, Any]:
    """Return another planner's plan in the form of Claude's."""
    content: list[Block] = [{"type": "text", "text": plan.text}] if plan.text.strip() else []
    for number, call in enumerate(plan.calls):
        arguments = dict(call.arguments)
        content.append({"type": "tool_use", "id": f"{name}_{number}", "name": call.tool.name, "input": arguments})
    return {"messages": [{"role": "assistant", "content": content}], "results": {}}


def _uses(said: Mapping[str, Any]) -> list[str]:
    """Return the ids of the tool_uses in the last message, which are still to be answered."""
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
    """An answer of the model, during its stream and after it (`stop` is set)."""

    blocks: dict[int, Block] = field(default_factory=dict)
    inputs: dict[int, str] = field(default_factory=dict)
    stop: str | None = None
    details: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    """tool_use id -> what is wrong with its input"""

    @property
    def content(self) -> list[Block]:
        """The content blocks as they can be sent back, without empty texts, which the API refuses."""
        blocks = (self.blocks[index] for index in sorted(self.blocks))
        return [block for block in blocks if block["type"] != "text" or block["text"].strip()]

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.content if block["type"] == "text")

    async def read(self, stream: AsyncIterator[Any]) -> AsyncIterator[str]:
        """Read the events of a stream; yield pieces of text as they come."""
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
        # Thinking is sent back with its signature, which the API verifies.
        elif delta.type == "signature_delta":
            block["signature"] = delta.signature
        return ""

    def _end(self, event: Any) -> None:
        self.stop = event.delta.stop_reason
        details = event.delta.stop_details
        self.details = (details and details.explanation) or ""
        self.usage |= {key: value for key, value in event.usage.to_dict().items() if value is not None}

    def _input(self, block: Block, text: str) -> None:
        """Parse the input of a tool_use strictly."""
        # The SDK's own parser completes JSON that was cut, and a change with half its arguments must not be sent.
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
