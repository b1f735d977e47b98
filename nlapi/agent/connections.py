"""Connections to servers of models: each sends a prompt, streams the answer, and explains what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from nlapi.agent.chat_completions import ChatCodec
from nlapi.agent.endpoints import MESSAGES_URL, ModelEndpoint, ModelProtocol
from nlapi.agent.messages import Block, Message, StreamedAnswer
from nlapi.agent.messages_api import MessagesCodec
from nlapi.agent.model_errors import explain_error
from nlapi.agent.model_http import ModelHttp, ModelServerError, read_events
from nlapi.agent.sdk_profiles import profile_credential
from nlapi.client.safe_text import single_line
from nlapi.errors import PlannerError, UnfinishedError

if TYPE_CHECKING:
    from ssl import SSLContext

# Errors of reading what is no answer of the protocol.
_MALFORMED = (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request to a model, in the form of the Messages API."""

    system: Sequence[Block]
    messages: Sequence[Message]
    tools: Sequence[dict[str, Any]]
    max_tokens: int


class AnswerReader(Protocol):
    """Fills a StreamedAnswer from the events of a protocol; what is none of it raises one of the built-in errors."""

    def read(self, event: Mapping[str, Any]) -> Iterator[str]: ...

    def finish(self) -> None: ...


class ProtocolCodec(Protocol):
    """The form of requests and answers in a protocol; `path` is that of its requests, below the base URL."""

    @property
    def path(self) -> str: ...

    def headers(self, endpoint: ModelEndpoint) -> dict[str, str]: ...

    def body(self, prompt: Prompt, endpoint: ModelEndpoint) -> Mapping[str, Any]: ...

    def reader(self, answer: StreamedAnswer) -> AnswerReader: ...


_CODECS: Mapping[ModelProtocol, ProtocolCodec] = {
    ModelProtocol.MESSAGES: MessagesCodec(),
    ModelProtocol.CHAT: ChatCodec(),
}


def connect(endpoint: ModelEndpoint, *, max_retries: int) -> ModelConnection:
    """Return a connection; its sockets must not outlive the event loop that they belong to.

    PlannerError for an address that is no URL.
    """
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
        self._codec = codec = _CODECS[endpoint.protocol]
        base_url, headers, auth = endpoint.base_url, codec.headers(endpoint), None
        if endpoint.has_profile:
            profile = profile_credential(base_url)
            auth, headers = profile.auth, {**headers, **profile.headers}
            # An address that the user set counts before that of the profile, as in the SDK.
            base_url = profile.base_url if profile.base_url and base_url == MESSAGES_URL else base_url
        url = f"{base_url.rstrip('/')}{codec.path}"
        try:
            self._http = ModelHttp(url, headers, max_retries=max_retries, ssl_context=ssl_context(), auth=auth)
        except InvalidURL:
            raise PlannerError(f"{endpoint.address} is no URL", hint=f"check {endpoint.address_setting}") from None

    async def __aenter__(self) -> ModelConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def stream(self, prompt: Prompt, answer: StreamedAnswer) -> AsyncGenerator[str, None]:
        """Send one request, stream its response into `answer` and yield the text as it comes.

        PlannerError when the server cannot be reached or refuses, UnfinishedError when the answer broke off.
        """
        import httpx2

        reader = self._codec.reader(answer)
        try:
            async with (
                self._http.post(self._codec.body(prompt, self._endpoint)) as response,
                aclosing(read_events(response, prompt.max_tokens)) as events,
            ):
                async for event in events:
                    for text in reader.read(event):
                        yield text
            reader.finish()
        except (ModelServerError, httpx2.HTTPError, *_MALFORMED) as error:
            explained = explain_error(error, self._endpoint)
            # After the first block the user has seen text, so the exit code differs from that of a plain failure.
            if answer.blocks:
                message = f"the model's answer broke off: {explained.message}"
                raise UnfinishedError(message, hint=explained.hint) from error
            raise explained from error
        if answer.stop is None:
            raise UnfinishedError("the model's answer broke off; nothing of it was run", hint="ask again")


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
