"""Connections to servers of models: each sends a prompt, streams the answer, and explains what went wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from nlapi.agent.models.endpoints import CHAT_URL, MESSAGES_URL, ModelEndpoint, ModelProtocol, profile_credential
from nlapi.agent.models.http import ModelHttp, ModelServerError, explain_error, read_events
from nlapi.agent.models.messages import Block, Message, StreamedAnswer, extend_text, token_counts
from nlapi.client.safe_text import single_line
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.tools.definitions.manifest import render_definition

if TYPE_CHECKING:
    from ssl import SSLContext

    from anthropic.types import MessageParam, TextBlockParam, ToolParam
    from anthropic.types.message_create_params import MessageCreateParamsStreaming


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
            # The answer has no field for an error: the text says it.
            prefix = "error: " if block.get("is_error") else ""
            yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": f"{prefix}{block['content']}"}
    if text:
        yield {"role": "user", "content": text}


class ChatReader:
    """The form of requests in Chat Completions, and a reader of its chunks: text is block 0, each call one behind."""

    path = "/chat/completions"

    @staticmethod
    def headers(endpoint: ModelEndpoint) -> dict[str, str]:
        """Return the headers of a request beside those of every one."""
        return {"authorization": f"Bearer {endpoint.secret}"} if endpoint.secret else {}

    @staticmethod
    def body(prompt: Prompt, endpoint: ModelEndpoint) -> dict[str, Any]:
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

    def __init__(self, answer: StreamedAnswer) -> None:
        self._answer = answer

    def read(self, event: Mapping[str, Any]) -> Iterator[str]:
        """Yield the text of a chunk, or of a whole answer. ValueError, KeyError or TypeError for any other."""
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


# That of `anthropic` 2.13, whose types check the body.
API_VERSION = "2026-10-21"


class MessagesReader:
    """The form of requests in the Messages API, and a reader of its events."""

    path = "/v1/messages"

    @staticmethod
    def headers(endpoint: ModelEndpoint) -> dict[str, str]:
        """Return the headers of a request beside those of every one."""
        bearer = {"authorization": f"Bearer {endpoint.secret}"} if endpoint.secret else {}
        return {**bearer, "anthropic-version": API_VERSION, **endpoint.headers}

    @staticmethod
    def body(prompt: Prompt, endpoint: ModelEndpoint) -> Mapping[str, Any]:
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

    def __init__(self, answer: StreamedAnswer) -> None:
        self._answer = answer

    def read(self, event: Mapping[str, Any]) -> Iterator[str]:
        """Yield the text of an event. ValueError, KeyError or TypeError for any other."""
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
            raise ValueError("the stop reason is not text")
        self._answer.stop = stop
        self._answer.details = str(details.get("explanation") or "")
        self._answer.usage |= token_counts(event.get("usage") or {})


def _checked_block(block: object) -> Block:
    """Return a content block at its start. ValueError for one without what is read of it later."""
    if not isinstance(block, dict):
        raise ValueError("a content block is not an object")
    required = {"text": ("text",), "thinking": ("thinking",), "tool_use": ("id", "name")}
    for name in ("type", *required.get(block.get("type", ""), ())):
        if not isinstance(block.get(name), str):
            raise ValueError(f"a content block has no {name}")
    return block


# Errors of reading what is not an answer of the protocol.
MALFORMED = (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request to a model, in the form of the Messages API."""

    system: Sequence[Block]
    messages: Sequence[Message]
    tools: Sequence[dict[str, Any]]
    max_tokens: int


_READERS: Mapping[ModelProtocol, type[MessagesReader | ChatReader]] = {
    ModelProtocol.MESSAGES: MessagesReader,
    ModelProtocol.CHAT: ChatReader,
}


def connect(endpoint: ModelEndpoint, *, max_retries: int) -> ModelConnection:
    """Return a connection; its sockets must not outlive the event loop that they belong to.

    PlannerError for an address that is not a URL.
    """
    if endpoint.platform is not None:
        from nlapi.agent.models.platforms import PlatformConnection

        return PlatformConnection(endpoint, max_retries=max_retries)
    return ModelConnection(endpoint, max_retries=max_retries)


@cache
def ssl_context() -> SSLContext:
    """Return the TLS settings of all connections: reading the certificates of the authorities takes 20 ms of CPU.

    PlannerError where SSL_CERT_FILE names no file of certificates.
    """
    from httpx2 import create_ssl_context

    try:
        return create_ssl_context()
    except OSError as error:
        reason = single_line(error.strerror or str(error))
        message = f"the certificates of the authorities cannot be read: {reason}"
        raise PlannerError(message, hint="check SSL_CERT_FILE") from None


class ModelConnection:
    """A way to a model by the protocol of its endpoint, open until it is left."""

    def __init__(self, endpoint: ModelEndpoint, *, max_retries: int) -> None:
        from httpx2 import InvalidURL

        self._endpoint = endpoint
        self._reader = _READERS[endpoint.protocol]
        base_url, headers, auth = endpoint.base_url, self._reader.headers(endpoint), None
        if endpoint.has_profile:
            profile = profile_credential(base_url)
            auth, headers = profile.auth, {**headers, **profile.headers}
            # An address that the user set counts before that of the profile, as in the SDK.
            base_url = profile.base_url if profile.base_url and base_url == MESSAGES_URL else base_url
        url = f"{base_url.rstrip('/')}{self._reader.path}"
        try:
            self._http = ModelHttp(url, headers, max_retries=max_retries, ssl_context=ssl_context(), auth=auth)
        except InvalidURL:
            raise PlannerError(f"{endpoint.address} is not a URL", hint=f"check {endpoint.address_setting}") from None

    async def __aenter__(self) -> ModelConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def stream(self, prompt: Prompt, answer: StreamedAnswer) -> AsyncGenerator[str, None]:
        """Send one request, stream its response into `answer` and yield the text as it comes.

        PlannerError when the server cannot be reached or refuses, UnfinishedError when the answer broke off.
        """
        import httpx2

        reader = self._reader(answer)
        try:
            async with aclosing(self._events(prompt)) as events:
                async for event in events:
                    for text in reader.read(event):
                        yield text
            answer.finish()
        except (PlannerError, ModelServerError, httpx2.HTTPError, *MALFORMED) as error:
            explained = error if isinstance(error, PlannerError) else explain_error(error, self._endpoint)
            # After the first block the user has seen text, so the exit code differs from that of a plain failure.
            if answer.blocks:
                broken_off = f"the model's answer broke off: {explained.message}"
                raise UnfinishedError(broken_off, hint=explained.hint) from error
            raise explained from error
        if answer.stop is None:
            raise UnfinishedError("the model's answer broke off; nothing of it was run", hint="ask again")

    async def _events(self, prompt: Prompt) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of an answer as the protocol has them. The errors of ModelHttp, or PlannerError."""
        async with (
            self._http.post(self._reader.body(prompt, self._endpoint)) as response,
            aclosing(read_events(response, prompt.max_tokens)) as events,
        ):
            async for event in events:
                yield event


class LoopConnection:
    """A connection that is opened at its first use in an event loop, and closed by that loop at its end.

    The steps of a turn share it: a new one for each step takes two round trips and the certificates of a server.
    """

    def __init__(self, endpoint: ModelEndpoint, *, max_retries: int) -> None:
        self._endpoint = endpoint
        self._max_retries = max_retries
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: AsyncGenerator[ModelConnection, None] | None = None
        self._connection: ModelConnection | None = None

    async def get(self) -> ModelConnection:
        """Return the connection of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._connection is None or self._loop is not loop:
            # An asynchronous generator, because `asyncio.run` closes those that are left open (PEP 525).
            self._connections = self._open()
            self._connection, self._loop = await anext(self._connections), loop
        return self._connection

    async def _open(self) -> AsyncGenerator[ModelConnection, None]:
        async with connect(self._endpoint, max_retries=self._max_retries) as connection:
            yield connection
