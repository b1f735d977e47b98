"""Connections to servers of models: each sends a prompt, streams the answer, and explains what went wrong."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from nlapi.agent.endpoints import ModelEndpoint, ModelProtocol
from nlapi.agent.messages import Block, Message, StreamedAnswer, explain_error
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.extras import require_extra

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2
    from anthropic import AsyncAnthropic

# In seconds, of a Retry-After; a longer one ends the attempts.
MAX_WAIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request to a model, in the form of the Messages API."""

    system: Sequence[Block]
    messages: Sequence[Message]
    tools: Sequence[dict[str, Any]]
    max_tokens: int


class ModelConnection(Protocol):
    """A way to a model. `stream` fills `answer` and yields the text as it comes.

    PlannerError when the server cannot be reached or refuses, UnfinishedError when the answer broke off.
    """

    def stream(self, prompt: Prompt, answer: StreamedAnswer) -> AsyncGenerator[str, None]: ...

    async def __aenter__(self) -> ModelConnection: ...

    async def __aexit__(self, *_: object) -> None: ...


def connect(endpoint: ModelEndpoint, *, max_retries: int) -> ModelConnection:
    """Return a connection for one plan: its sockets must not outlive the event loop that they belong to.

    PlannerError for an address that is no URL.
    """
    if endpoint.protocol is ModelProtocol.CHAT:
        from nlapi.agent.chat_completions import ChatConnection

        return ChatConnection(endpoint, max_retries=max_retries, ssl_context=ssl_context())
    require_extra("claude", "planning with a model that speaks the Messages API")
    from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient
    from httpx2 import InvalidURL

    # A redirect would take the conversation, and with 307 and 308 also other headers than the key, to another server.
    http_client = DefaultAsyncHttpxClient(
        verify=ssl_context(), follow_redirects=False, event_hooks={"response": [_limit_wait]}
    )
    try:
        client = AsyncAnthropic(
            api_key=endpoint.key or None,
            auth_token=endpoint.token or None,
            base_url=endpoint.base_url,
            max_retries=max_retries,
            http_client=http_client,
        )
    except InvalidURL:
        raise PlannerError(f"{endpoint.address} is no URL", hint=f"check {endpoint.address_setting}") from None
    return MessagesConnection(client, endpoint)


async def _limit_wait(response: httpx2.Response) -> None:
    """Let the SDK make no further attempt where the server asks to wait long: it would wait, for days and silently."""
    wait = response.headers.get("retry-after", "")
    seconds = float(wait) if wait.isdecimal() else 0.0
    with suppress(ValueError, OverflowError):
        seconds = seconds or parsedate_to_datetime(wait).timestamp() - time.time()
    if seconds > MAX_WAIT:
        response.headers["x-should-retry"] = "false"


@cache
def ssl_context() -> SSLContext:
    """Return the TLS settings of all connections: reading the certificates of the authorities takes 20 ms of CPU."""
    from httpx2 import create_ssl_context

    return create_ssl_context()


class MessagesConnection:
    """A connection by the Messages API, through the SDK; with `is_borrowed` the client is somebody else's to close."""

    def __init__(self, client: AsyncAnthropic, endpoint: ModelEndpoint, *, is_borrowed: bool = False) -> None:
        self._client = client
        self._endpoint = endpoint
        self._is_borrowed = is_borrowed

    async def __aenter__(self) -> MessagesConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._is_borrowed:
            await self._client.close()

    async def stream(self, prompt: Prompt, answer: StreamedAnswer) -> AsyncGenerator[str, None]:
        """Send one request, stream its response into `answer` and yield the text."""
        import httpx2
        from anthropic import AnthropicError

        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "max_tokens": prompt.max_tokens,
            "system": prompt.system,
            "messages": prompt.messages,
            "cache_control": {"type": "ephemeral"},
            "tools": prompt.tools,
            "tool_choice": {"type": "auto"},
        }
        try:
            async with await self._client.messages.create(stream=True, **body) as stream:
                async for text in answer.read(stream):
                    yield text
        except (AnthropicError, httpx2.HTTPError, ValueError, TypeError, AttributeError, KeyError) as error:
            explained = explain_error(error, self._endpoint)
            # After the first block the user has seen text, so the exit code differs from that of a plain failure.
            if answer.blocks:
                raise UnfinishedError(
                    f"the model's answer broke off: {explained.message}", hint=explained.hint
                ) from error
            raise explained from error
        if answer.stop is None:
            raise UnfinishedError("the model's answer broke off; nothing of it was run", hint="ask again")
