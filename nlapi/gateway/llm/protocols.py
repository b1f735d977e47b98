"""The two protocols of LLMs: Chat Completions as OpenAI defines it, and Messages as Anthropic defines it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import orjson

from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.llm.usage import TokenCount, member, read_count
from nlapi.routing.model import ShardProtocol

# The version of the Messages API that all current features are of (docs.anthropic.com, "Versions").
ANTHROPIC_VERSION = "2023-06-01"


class LlmProtocol(ABC):
    """The differences between the protocols: paths, credentials, usage, events and errors."""

    name: ClassVar[ShardProtocol]

    @abstractmethod
    def path(self, base_path: str, call: str) -> str:
        """Return the path of a call below the path of an endpoint; "" is a chat."""

    @abstractmethod
    def auth_headers(self, key: str) -> dict[str, str]:
        """Return the headers that carry the upstream's key."""

    @abstractmethod
    def default_headers(self) -> dict[str, str]:
        """Return the headers of every request."""

    @abstractmethod
    def add_usage(self, message: Mapping[str, object], count: TokenCount) -> None:
        """Add the usage in an answer, or in an event of a stream, to `count`."""

    @abstractmethod
    def is_token(self, event: Mapping[str, object]) -> bool:
        """Return whether an event carries part of the output."""

    @abstractmethod
    def is_usage_alone(self, event: Mapping[str, object]) -> bool:
        """Return whether an event carries the usage and nothing else."""

    @abstractmethod
    def is_complete(self, last_events: bytes) -> bool:
        """Return whether a stream that ends with these events is whole."""

    def stream_options(self, body: Mapping[str, object], call: str) -> tuple[dict[str, object], bool]:
        """Return the members that make a body streamed, and whether its usage is hidden from the client."""
        return {"stream": True}, False

    @abstractmethod
    def error_body(self, problem: GatewayProblem) -> dict[str, object]:
        """Return a refusal in the form that the clients of this protocol read."""

    @abstractmethod
    def error_event(self, problem: GatewayProblem) -> bytes:
        """Return the event that ends a stream that failed."""


# Of a chat, and the events that end a response: an error event ends one as well, and reaches the client as it is.
_OPENAI_ENDS = (b"[DONE]", b"response.completed", b"response.incomplete", b"response.failed", b"event: error")


class OpenAiProtocol(LlmProtocol):
    """Chat Completions: POST {endpoint}/chat/completions, where the endpoint ends in /v1 for most servers."""

    name = ShardProtocol.OPENAI

    def path(self, base_path: str, call: str) -> str:
        return f"{base_path}/{call or 'chat/completions'}"

    def auth_headers(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def default_headers(self) -> dict[str, str]:
        return {}

    def add_usage(self, message: Mapping[str, object], count: TokenCount) -> None:
        # Responses name their tokens as Anthropic does, and an event of one has it inside.
        usage = member(message, "usage") or member(member(message, "response"), "usage")
        if (input_tokens := read_count(usage.get("prompt_tokens", usage.get("input_tokens")))) is not None:
            count.input_tokens = input_tokens
        if (output_tokens := read_count(usage.get("completion_tokens", usage.get("output_tokens")))) is not None:
            count.output_tokens = output_tokens
        details = member(usage, "prompt_tokens_details") or member(usage, "input_tokens_details")
        count.cached_tokens = read_count(details.get("cached_tokens")) or 0

    def is_token(self, event: Mapping[str, object]) -> bool:
        if str(event.get("type", "")).endswith(".delta"):
            return True
        choices = event.get("choices")
        delta = member(choices[0], "delta") if isinstance(choices, list) and choices else {}
        # The first event has the role alone; all that follows is output: text, refusals, calls of tools, reasoning.
        return any(value for name, value in delta.items() if name != "role")

    def is_usage_alone(self, event: Mapping[str, object]) -> bool:
        return event.get("choices") == [] and bool(event.get("usage"))

    def is_complete(self, last_events: bytes) -> bool:
        return any(end in last_events for end in _OPENAI_ENDS)

    def stream_options(self, body: Mapping[str, object], call: str) -> tuple[dict[str, object], bool]:
        if call:  # the last event of a response has its usage anyway
            return {"stream": True}, False
        options = member(body, "stream_options")
        # An event with an empty list of choices breaks clients that did not ask for it: it is asked for here, counted
        # and taken out.
        return {"stream": True, "stream_options": {**options, "include_usage": True}}, not options.get("include_usage")

    def error_body(self, problem: GatewayProblem) -> dict[str, object]:
        kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
        kind = kinds.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
        message = f"{problem.detail} ({problem.hint})" if problem.hint else problem.detail
        return {"error": {"message": message, "type": kind, "code": problem.code, "param": problem.path or None}}

    def error_event(self, problem: GatewayProblem) -> bytes:
        return b"data: " + orjson.dumps(self.error_body(problem)) + b"\n\n"


class AnthropicProtocol(LlmProtocol):
    """Messages: POST {endpoint}/v1/messages."""

    name = ShardProtocol.ANTHROPIC

    def path(self, base_path: str, call: str) -> str:
        # Anthropic's own clients take a base URL without /v1; one that has it is understood as well.
        messages = f"{base_path}/messages" if base_path.endswith("/v1") else f"{base_path}/v1/messages"
        return f"{messages}/{call}" if call else messages

    def auth_headers(self, key: str) -> dict[str, str]:
        return {"x-api-key": key}

    def default_headers(self) -> dict[str, str]:
        return {"anthropic-version": ANTHROPIC_VERSION}

    def add_usage(self, message: Mapping[str, object], count: TokenCount) -> None:
        # message_start has the message's usage, message_delta its own, whose counts are cumulative.
        usage = member(message, "usage") or member(member(message, "message"), "usage")
        fresh = read_count(usage.get("input_tokens"))
        cached = read_count(usage.get("cache_read_input_tokens")) or 0
        written = read_count(usage.get("cache_creation_input_tokens")) or 0
        if fresh is not None:
            count.input_tokens, count.cached_tokens = fresh + written + cached, cached
        if (output_tokens := read_count(usage.get("output_tokens"))) is not None:
            count.output_tokens = output_tokens

    def is_token(self, event: Mapping[str, object]) -> bool:
        return event.get("type") == "content_block_delta"

    def is_usage_alone(self, event: Mapping[str, object]) -> bool:
        return False

    def is_complete(self, last_events: bytes) -> bool:
        # An error event ends a stream as well: it reaches the client as it is.
        return b"message_stop" in last_events or b"event: error" in last_events

    def error_body(self, problem: GatewayProblem) -> dict[str, object]:
        kinds = {
            401: "authentication_error",
            403: "permission_error",
            404: "not_found_error",
            413: "request_too_large",
            429: "rate_limit_error",
            503: "overloaded_error",
        }
        kind = kinds.get(problem.status, "invalid_request_error" if problem.status < 500 else "api_error")
        message = f"{problem.detail} ({problem.hint})" if problem.hint else problem.detail
        return {"type": "error", "error": {"type": kind, "message": message}}

    def error_event(self, problem: GatewayProblem) -> bytes:
        return b"event: error\ndata: " + orjson.dumps(self.error_body(problem)) + b"\n\n"


PROTOCOLS: Mapping[str, LlmProtocol] = {protocol.name: protocol for protocol in (OpenAiProtocol(), AnthropicProtocol())}
"""The protocols by their name in a configuration."""

FRONTS: Mapping[str, LlmProtocol] = {
    "/openai/": PROTOCOLS[ShardProtocol.OPENAI],
    "/anthropic/": PROTOCOLS[ShardProtocol.ANTHROPIC],
}
"""The first part of a path at which the gateway speaks a protocol -> that protocol."""


def front_protocol(path: str) -> LlmProtocol | None:
    """Return the protocol that the gateway speaks at a path, or None for its own."""
    return next((protocol for start, protocol in FRONTS.items() if path.startswith(start)), None)
