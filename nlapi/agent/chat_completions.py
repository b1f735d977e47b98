"""OpenAI's Chat Completions, as many servers of models speak it: prompts in, streamed answers out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlapi.agent.endpoints import CHAT_URL, ModelEndpoint
from nlapi.agent.messages import Block, Message, StreamedAnswer, extend_text, token_counts
from nlapi.tools.manifest import render_definition

if TYPE_CHECKING:
    from nlapi.agent.connections import Prompt

_STOPS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
"""finish_reason -> the stop reason of the Messages API"""


def chat_messages(system: Sequence[Block], messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return system prompt and messages in the form of Chat Completions; thinking is left out."""
    system_text = "\n\n".join(block["text"] for block in system)
    return [{"role": "system", "content": system_text}, *(part for item in messages for part in _chat_parts(item))]


def _chat_parts(message: Message) -> Iterator[dict[str, Any]]:
    content = message["content"]
    text = "\n\n".join(block["text"] for block in content if block["type"] == "text")
    if message["role"] == "assistant":
        calls = [
            {
                "id": block["id"],
                "type": "function",
                "function": {"name": block["name"], "arguments": json.dumps(block["input"], ensure_ascii=False)},
            }
            for block in content
            if block["type"] == "tool_use"
        ]
        if text or calls:
            yield {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
        return
    for block in content:
        if block["type"] == "tool_result":
            # There is no field for an error: the text says it.
            prefix = "error: " if block.get("is_error") else ""
            yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": f"{prefix}{block['content']}"}
    if text:
        yield {"role": "user", "content": text}


class ChatCodec:
    """The form of requests and answers in Chat Completions."""

    path = "/chat/completions"

    def headers(self, endpoint: ModelEndpoint) -> dict[str, str]:
        """Return the headers of a request beside those of every one."""
        return {"authorization": f"Bearer {endpoint.secret}"} if endpoint.secret else {}

    def body(self, prompt: Prompt, endpoint: ModelEndpoint) -> dict[str, Any]:
        """Return the body of a request."""
        # OpenAI refuses the older name for its newer models, other servers know the older one only.
        limit = "max_completion_tokens" if endpoint.base_url.rstrip("/") == CHAT_URL else "max_tokens"
        return {
            "model": endpoint.model,
            "messages": chat_messages(prompt.system, prompt.messages),
            "tools": [render_definition(definition, "openai") for definition in prompt.tools],
            "stream": True,
            "stream_options": {"include_usage": True},
            limit: prompt.max_tokens,
        }

    def reader(self, answer: StreamedAnswer) -> ChatReader:
        """Return a reader that fills an answer."""
        return ChatReader(answer)


class ChatReader:
    """Fills a StreamedAnswer from chunks of Chat Completions: text is block 0, each call one of the following."""

    def __init__(self, answer: StreamedAnswer) -> None:
        self._answer = answer

    def read(self, event: Mapping[str, Any]) -> Iterator[str]:
        """Yield the text of a chunk, or of a whole answer. ValueError, KeyError or TypeError for one that is none."""
        if usage := event.get("usage"):
            self._read_usage(usage)
        for choice in event.get("choices", ())[:1]:
            delta = choice.get("delta") or choice.get("message") or {}
            if text := delta.get("content"):
                extend_text(self._answer.blocks.setdefault(0, {"type": "text", "text": ""}), "text", text)
                yield text
            for number, call in enumerate(delta.get("tool_calls") or ()):
                self._read_call(int(call.get("index", number)) + 1, call)
            if reason := choice.get("finish_reason"):
                self._answer.stop = _STOPS.get(reason, str(reason))

    def _read_call(self, index: int, call: Mapping[str, Any]) -> None:
        function = call.get("function") or {}
        block = self._answer.blocks.get(index)
        if block is None:
            block = {"type": "tool_use", "id": self._answer.call_id(call.get("id"), index), "name": "", "input": {}}
            self._answer.blocks[index] = block
        block["name"] += function.get("name") or ""
        arguments = function.get("arguments")
        # Some servers send the arguments as an object.
        text = arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)
        extend_text(self._answer.inputs, index, text)

    def _read_usage(self, usage: Mapping[str, Any]) -> None:
        counts = token_counts(usage)
        cached = token_counts(usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        self._answer.usage = {
            "input_tokens": max(counts.get("prompt_tokens", 0) - cached, 0),
            "cache_read_input_tokens": cached,
            "output_tokens": counts.get("completion_tokens", 0),
        }

    def finish(self) -> None:
        """Parse the arguments of the calls once the stream has ended."""
        self._answer.finish()
