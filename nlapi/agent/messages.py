"""The Messages API: its blocks, its streamed answers, its errors, and the state of a plan made by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nlapi.agent.endpoints import ModelEndpoint
from nlapi.client.safe_text import single_line
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.tools.model_json import parse_json
from nlapi.tools.plan import JsonObject, Plan

if TYPE_CHECKING:
    import anthropic

Block = dict[str, Any]
Message = dict[str, Any]

PLANNER = "claude"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """The state of a plan of Claude's: the messages of its round, unchanged, so that the next round can send them back.

    `results` has the tool results that the planner made itself, by tool_use id. `usage` is in tokens, and `cost` in
    dollars, None for an unknown model.
    """

    model: str
    messages: tuple[Message, ...] = ()
    results: Mapping[str, Block] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: float | None = None

    def to_json(self) -> JsonObject:
        return {
            "planner": PLANNER,
            "model": self.model,
            "messages": list(self.messages),
            "results": dict(self.results),
            "usage": dict(self.usage),
            "cost": self.cost,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelState:
        """Return the state that `to_json` wrote; keys that a transcript does not have are empty."""
        return cls(
            model=str(data.get("model") or ""),
            messages=tuple(data.get("messages") or ()),
            results=data.get("results") or {},
            usage=data.get("usage") or {},
            cost=data.get("cost"),
        )


def append_content(messages: list[Message], role: str, content: list[Block]) -> None:
    """Add content to the messages; consecutive content of one role becomes one message."""
    # The API refuses empty content, and two messages of one role in a row.
    if not content:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1] = {"role": role, "content": [*messages[-1]["content"], *content]}
    else:
        messages.append({"role": role, "content": list(content)})


def model_state(plan: Plan) -> ModelState | None:
    """Return the state in a plan of Claude's; None for a plan of any other planner."""
    return plan.raw if isinstance(plan.raw, ModelState) else None


def tool_result(id: str, text: str, *, is_error: bool = False) -> Block:
    return {"type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error}


@dataclass(slots=True)
class StreamedAnswer:
    """An answer of the model, during its stream and after it (`stop` is set)."""

    blocks: dict[int, Block] = field(default_factory=dict)
    inputs: dict[int, str] = field(default_factory=dict)
    stop: str | None = None
    details: str = ""
    usage: dict[str, object] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    """tool_use id -> what is wrong with its input"""
    number: int = 0
    """the number of messages before it, for ids of calls that the server gives none"""
    used_ids: Collection[str] = ()
    """the ids of the calls before it, which no other may have"""

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
                block = event.content_block.to_dict()
                self.blocks[event.index] = {"type": block["type"], **block}
            elif event.type == "content_block_delta":
                text = self._read_delta(event.index, event.delta)
                if text:
                    yield text
            elif event.type == "message_delta":
                self._read_end(event)
        self.finish()

    def finish(self) -> None:
        """Parse the inputs of the tool_uses once the stream has ended."""
        for index, text in self.inputs.items():
            self._read_input(self.blocks[index], text)

    def _read_delta(self, index: int, delta: Any) -> str:
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

    def _read_end(self, event: Any) -> None:
        self.stop = event.delta.stop_reason
        details = event.delta.stop_details
        self.details = (details and details.explanation) or ""
        self.usage |= {key: value for key, value in event.usage.to_dict().items() if value is not None}

    def _read_input(self, block: Block, text: str) -> None:
        """Parse the input of a tool_use strictly."""
        # The SDK's own parser completes JSON that was cut, and a change with half its arguments must not be sent.
        try:
            value = parse_json(text or "{}")
        except (ValueError, RecursionError) as error:
            value, fault = None, f"the input is not JSON: {error}"
        else:
            fault = "the input must be a JSON object"
        if isinstance(value, dict):
            block["input"] = value
        else:
            block["input"] = {}
            self.faults[block["id"]] = fault


class PromptTooLongError(UnfinishedError):
    """The conversation does not fit into the window of the model."""


def explain_error(error: Exception, endpoint: ModelEndpoint) -> PlannerError:
    """Return a PlannerError with the cause and the next step; no part of it has the key."""
    import anthropic

    # An error may come in the middle of a stream, after a status of 200; its type is then in its body.
    if isinstance(error, anthropic.APIStatusError):
        return _status_error(error, endpoint)
    if isinstance(error, anthropic.APITimeoutError):
        return PlannerError(f"{endpoint.address} did not answer in time", hint="try again, or use --planner offline")
    if isinstance(error, ValueError | TypeError | AttributeError | KeyError):
        reason = f"{endpoint.address} sent what is not JSON of the Messages API; nothing of it was run"
        return PlannerError(reason, hint="ask again")
    hint = f"check the network and {endpoint.address_setting}, or use --planner offline"
    return PlannerError(f"the connection to {endpoint.address} failed or broke off", hint=hint)


def _status_error(error: anthropic.APIStatusError, endpoint: ModelEndpoint) -> PlannerError:
    status, kind, server = error.status_code, error.type, endpoint.server_name
    reason = endpoint.mask(single_line(str(error.api_message or kind or "no reason given")))[:300]
    if status == 401 or kind == "authentication_error":
        return PlannerError(f"{server} does not accept the key", hint=endpoint.key_hint)
    if status in (404, 405) or kind == "not_found_error":
        return PlannerError(f"{server} has no model {endpoint.model!r}", hint=endpoint.model_hint)
    if status == 429 or kind == "rate_limit_error":
        wait = error.response.headers.get("retry-after", "")
        hint = f"try again in {wait} s" if wait.isdecimal() and wait != "0" else "try again in a minute"
        return PlannerError(f"the rate limit of {server} is reached: {reason}", hint=hint)
    if status == 529 or kind == "overloaded_error":
        return PlannerError(f"{server} is overloaded", hint="try again in a minute, or use --planner offline")
    if status == 413 or (status == 400 and "too long" in reason):
        return PromptTooLongError(
            f"the conversation is too long for {endpoint.model}: {reason}", hint="start a new one"
        )
    if status in (402, 403):
        return PlannerError(f"{server} refused: {reason}", hint="check the rights and the credit of the key")
    outcome = "failed" if status == 200 else f"answered {status}"
    return PlannerError(f"{server} {outcome}: {reason}", hint="try again, or use --planner offline")
