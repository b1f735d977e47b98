"""Anthropic's Messages API: prompts in, streamed answers out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from nlapi.agent.endpoints import ModelEndpoint
from nlapi.agent.messages import Block, StreamedAnswer, extend_text, token_counts

if TYPE_CHECKING:
    from anthropic.types import MessageParam, TextBlockParam, ToolParam
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

    from nlapi.agent.connections import Prompt

# That of `anthropic` 2.13, whose types check the body.
API_VERSION = "2026-10-21"


class MessagesCodec:
    """The form of requests and answers in the Messages API."""

    path = "/v1/messages"

    def headers(self, endpoint: ModelEndpoint) -> dict[str, str]:
        """Return the headers of a request beside those of every one."""
        bearer = {"authorization": f"Bearer {endpoint.secret}"} if endpoint.secret else {}
        return {**bearer, "anthropic-version": API_VERSION, **endpoint.headers}

    def body(self, prompt: Prompt, endpoint: ModelEndpoint) -> Mapping[str, Any]:
        """Return the body of a request."""
        body: MessageCreateParamsStreaming = {
            "model": endpoint.model,
            "max_tokens": prompt.max_tokens,
            "system": cast("list[TextBlockParam]", prompt.system),
            "messages": cast("list[MessageParam]", prompt.messages),
            "cache_control": {"type": "ephemeral"},
            "tools": cast("list[ToolParam]", prompt.tools),
            "tool_choice": {"type": "auto"},
            "stream": True,
        }
        return body

    def reader(self, answer: StreamedAnswer) -> MessagesReader:
        """Return a reader that fills an answer."""
        return MessagesReader(answer)


class MessagesReader:
    """Fills a StreamedAnswer from the events of the Messages API."""

    def __init__(self, answer: StreamedAnswer) -> None:
        self._answer = answer

    def read(self, event: Mapping[str, Any]) -> Iterator[str]:
        """Yield the text of an event. ValueError, KeyError or TypeError for one that is none of the API."""
        match event.get("type"):
            case "message_start":
                self._answer.usage |= token_counts(event["message"].get("usage") or {})
            case "content_block_start":
                self._start_block(int(event["index"]), _checked_block(event["content_block"]))
            case "content_block_delta":
                yield from self._read_delta(event["index"], event["delta"])
            case "message_delta":
                self._read_end(event)
            case "message":
                raise ValueError("the answer is not streamed")

    def finish(self) -> None:
        """Parse the inputs of the calls once the stream has ended."""
        self._answer.finish()

    def _start_block(self, index: int, block: Block) -> None:
        if block["type"] == "tool_use":
            block["id"] = self._answer.call_id(block["id"], index)
        self._answer.blocks[index] = block

    def _read_delta(self, index: int, delta: Mapping[str, Any]) -> Iterator[str]:
        block = self._answer.blocks[index]
        match delta["type"]:
            case "text_delta":
                extend_text(block, "text", delta["text"])
                yield delta["text"]
            case "input_json_delta":
                extend_text(self._answer.inputs, index, delta["partial_json"])
            case "thinking_delta":
                extend_text(block, "thinking", delta["thinking"])
            # Thinking is sent back with its signature, which the API verifies.
            case "signature_delta":
                block["signature"] = delta["signature"]

    def _read_end(self, event: Mapping[str, Any]) -> None:
        delta = event["delta"]
        stop, details = delta.get("stop_reason"), delta.get("stop_details") or {}
        if stop is not None and not isinstance(stop, str):
            raise ValueError("the stop reason is no text")
        self._answer.stop = stop
        self._answer.details = str(details.get("explanation") or "")
        self._answer.usage |= token_counts(event.get("usage") or {})


def _checked_block(block: object) -> Block:
    """Return a content block at its start. ValueError for one without what is read of it later."""
    if not isinstance(block, dict):
        raise ValueError("a content block is no object")
    required = {"text": ("text",), "thinking": ("thinking",), "tool_use": ("id", "name")}
    for name in ("type", *required.get(block.get("type", ""), ())):
        if not isinstance(block.get(name), str):
            raise ValueError(f"a content block has no {name}")
    return block
