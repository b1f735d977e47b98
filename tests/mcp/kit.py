"""What the tests of `nlapi mcp` share: a server for an API, and the SDK's own client, in both eras of the protocol."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp import Client, ClientSession, StdioServerParameters
from mcp.client.extension import advertise

from nlapi.mcp.server import create_server
from nlapi.mcp.server_state import ServerState
from nlapi.mcp.settings import Consent, Settings
from nlapi.mcp.tool_listing import build_catalogue
from nlapi.openapi.spec import Spec
from nlapi.tools.sending.run import Target

NLAPI = str(Path(sys.executable).with_name("nlapi"))
ERAS = ("legacy", "2026-07-28")
"""The handshake of 2025 and the protocol of 2026, in which a question to the user is an answer to its call."""

SECRET = "sandbox-token-4711"


def served(spec: Spec, url: str, *, consent: str = "elicit", **settings: Any) -> ServerState:
    """The API of a Spec at `url`, offered as `settings` say."""
    chosen = Settings(consent=Consent(consent), **settings)
    credentials = {id: SECRET for id, scheme in spec.security_schemes.items() if not scheme.fault}
    target = Target(spec=spec, base_url=url, credentials=credentials)
    return ServerState(
        target=target,
        catalogue=build_catalogue(spec, spec.visible_operations, chosen),
        settings=chosen,
        report=told.append,
    )


told: list[str] = []
"""What servers in this process told the person who started them."""


class User:
    """Answers every question with `action`, and keeps what was asked."""

    def __init__(self, action: str = "accept", *, send: bool = True) -> None:
        self.asked: list[str] = []
        self._answer: dict[str, Any] = {"action": action}
        if action == "accept":
            self._answer["content"] = {"send": send}

    async def __call__(self, context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(params.message)
        return types.ElicitResult(**self._answer)


def talk(
    api: ServerState, says: Callable[[Client], Awaitable[Any]], *, mode: str = "legacy", user: User | None = None
) -> Any:
    """What `says` makes of a client of a server in this process."""

    async def run() -> Any:
        async with Client(create_server(api), mode=mode, elicitation_callback=user) as client:
            return await says(client)

    return asyncio.run(run())


def call(
    api: ServerState,
    name: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    mode: str = "legacy",
    user: User | None = None,
) -> types.CallToolResult:
    """What one call is answered."""

    async def says(client: Client) -> types.CallToolResult:
        return await client.call_tool(name, dict(arguments or {}))

    return talk(api, says, mode=mode, user=user)


def text(result: types.CallToolResult) -> str:
    """What a model reads of an answer."""
    return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))


@asynccontextmanager
async def started(
    *words: str,
    env: Mapping[str, str] | None = None,
    mode: str = "legacy",
    user: User | None = None,
    errors: Path | None = None,
    kind: type[Client] = Client,
    **more: Any,
) -> AsyncIterator[Client]:
    """A client of `nlapi mcp` with these words, over stdio, with standard error in a file."""
    from mcp.client.stdio import stdio_client

    given = {
        **{name: value for name, value in os.environ.items() if name.startswith(("NLAPI_", "PYTHONPATH"))},
        **(env or {}),
    }
    parameters = StdioServerParameters(command=NLAPI, args=["mcp", *words], env=given)
    with (errors or Path(os.devnull)).open("a") as log:
        async with kind(stdio_client(parameters, log), mode=mode, elicitation_callback=user, **more) as client:
            yield client


def names(tools: Iterable[types.Tool]) -> list[str]:
    return [tool.name for tool in tools]


PANELS = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})


class Panel:
    """What a host does with an answer that waits: it gives the panel the metadata, and lets it call its tools."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def review(self, waiting: Any) -> Any:
        return (await self.client.call_tool("nlapi_review", {"ticket": self.ticket(waiting)})).structured_content

    async def decide(self, waiting: Any, answer: str = "yes", **wrong: str) -> Any:
        shown = await self.review(waiting)
        values = {
            "ticket": self.ticket(waiting),
            "digest": shown.get("digest", ""),
            "token": f"{waiting.meta['nlapi/approval']}.{shown.get('half', '')}",
            "answer": answer,
        }
        return await self.client.call_tool("nlapi_decide", {**values, **wrong})

    async def outcome(self, waiting: Any) -> Any:
        return await self.client.call_tool("outcome", {"ticket": self.ticket(waiting)})

    def ticket(self, waiting: Any) -> str:
        return str(waiting.structured_content["ticket"])


class UrlSession(ClientSession):
    """A client that opens pages and puts no forms."""

    def _build_capabilities(self, version: str) -> types.ClientCapabilities:
        capabilities = super()._build_capabilities(version)
        only = types.ElicitationCapability(url=types.UrlElicitationCapability())
        return capabilities.model_copy(update={"elicitation": only})


class UrlClient(Client):
    """A client of the SDK with `UrlSession`."""

    async def _build_session(self, exit_stack: Any) -> ClientSession:
        session = await super()._build_session(exit_stack)
        session.__class__ = UrlSession
        return session
