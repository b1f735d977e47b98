"""Serves one API over MCP by the SDK's server, and notices changes of its description."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread
import mcp_types as types
from anyio.abc import TaskStatus
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError

from nlapi.client.send import open_client
from nlapi.errors import NlapiError
from nlapi.mcp import instructions
from nlapi.mcp.answers import ANSWER_PREFIX, answer_page
from nlapi.mcp.calling import call_tool
from nlapi.mcp.consent import Context
from nlapi.mcp.server_state import ServerState, answer_owner
from nlapi.mcp.tool_listing import ToolCatalogue, tool_definitions
from nlapi.openapi.urls import is_http_url
from nlapi.version import __version__

if TYPE_CHECKING:
    from nlapi.openapi.cache import Cache

PageParams = types.PaginatedRequestParams | None
ChangeNotifier = Callable[[], Coroutine[Any, Any, None]]

# In seconds between two checks of the files: a `stat` each.
FILE_INTERVAL = 1.0

# In seconds between two requests. The server answers 304 where it knows ETag or Last-Modified.
URL_INTERVAL = 30.0

Fingerprints = dict[str, object]


class WatchTask(Protocol):
    """A task beside the server that calls `changed` whenever the description has changed."""

    async def __call__(self, notify_clients: ChangeNotifier, *, task_status: TaskStatus[None]) -> None: ...


class ApiServer(Server[None]):
    """A server that announces, on every transport, that its lists may change."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, object]] | None = None,
        extensions: dict[str, dict[str, object]] | None = None,
    ) -> InitializationOptions:
        # The SDK's transports ask for the options themselves and pass none, so they are set here.
        lists = NotificationOptions(tools_changed=True, prompts_changed=True, resources_changed=True)
        return super().create_initialization_options(lists, experimental_capabilities, extensions)


def create_server(state: ServerState, watch: WatchTask | None = None) -> ApiServer:
    """Return the server of an API, with connections shared by its calls, and `watch` as a task beside it."""
    # Clients of 2026-07-28 subscribe to the bus; those of 2025 get a notification in each session.
    bus = InMemorySubscriptionBus()

    async def notify_clients() -> None:
        for event in (ToolsListChanged(), PromptsListChanged(), ResourcesListChanged()):
            await bus.publish(event)
        for session in list(state.sessions.values()):
            await session.send_tool_list_changed()
            await session.send_prompt_list_changed()
            await session.send_resource_list_changed()

    @asynccontextmanager
    async def lifespan(_: Server[None]) -> AsyncIterator[None]:
        async with open_client() as state.client, anyio.create_task_group() as tasks:
            if watch is not None:
                await tasks.start(watch, notify_clients)
            yield
            tasks.cancel_scope.cancel()

    handlers = _Handlers(state)
    server = ApiServer(
        "nlapi",
        title=instructions.api_title(state.catalogue),
        version=__version__,
        instructions=instructions.server_instructions(state.catalogue),
        lifespan=lifespan,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_resource_templates,
        on_read_resource=handlers.read_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_subscriptions_listen=ListenHandler(bus),
    )
    server.add_notification_handler("notifications/initialized", types.NotificationParams, handlers.initialized)
    return server


class _Handlers:
    def __init__(self, state: ServerState) -> None:
        self.state = state

    async def initialized(self, context: Context, params: types.NotificationParams) -> None:
        self.state.remember_session(context)

    async def list_tools(self, context: Context, params: PageParams) -> types.ListToolsResult:
        tools = [types.Tool.model_validate(definition) for definition in tool_definitions(self.state.catalogue)]
        return types.ListToolsResult(tools=tools)

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        return await call_tool(self.state, context, params)

    async def list_resources(self, context: Context, params: PageParams) -> types.ListResourcesResult:
        state = self.state
        answers = state.answers.listed(answer_owner(context, state.settings))
        return types.ListResourcesResult(resources=instructions.list_resources(state.catalogue, answers))

    async def list_resource_templates(self, context: Context, params: PageParams) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=instructions.resource_templates())

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            return types.ReadResourceResult(contents=[self._read(context, params.uri)])
        except NlapiError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None

    def _read(self, context: Context, uri: str) -> types.TextResourceContents:
        state = self.state
        if not uri.startswith(ANSWER_PREFIX):
            return instructions.read_resource(uri, state.catalogue)
        handle, _, page = uri.removeprefix(ANSWER_PREFIX).partition("/")
        stored = state.answers.get(answer_owner(context, state.settings), handle)
        # int() alone accepts "١" and "1_0", and is slow on a number of a million digits.
        text = answer_page(stored, int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1)
        return types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)

    async def list_prompts(self, context: Context, params: PageParams) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=instructions.list_prompts(self.state.catalogue))

    async def get_prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        try:
            goal = (params.arguments or {}).get("goal") or ""
            return instructions.get_prompt(params.name, goal, self.state.catalogue)
        except NlapiError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptionWatch:
    """A task that serves a description anew when one of its `sources`, or of its files on this machine, has changed.

    `load` reads it.
    """

    state: ServerState
    sources: tuple[str, ...]
    load: Callable[[], ToolCatalogue]

    async def __call__(self, notify_clients: ChangeNotifier, *, task_status: TaskStatus[None]) -> None:
        """Run until cancelled. A description that cannot be read leaves the old one in its place."""
        remote = any(is_http_url(source) for source in self.sources)
        fingerprints = await anyio.to_thread.run_sync(self._fingerprints)
        task_status.started()
        while True:
            await asyncio.sleep(URL_INTERVAL if remote else FILE_INTERVAL)
            current = await anyio.to_thread.run_sync(self._fingerprints)
            # Editors replace a file by rename, so for a moment there may be none.
            if current == fingerprints or any(current[source] is None for source in self.sources):
                continue
            fingerprints = current
            try:
                catalogue = await anyio.to_thread.run_sync(self.load)
            except NlapiError as error:
                self.state.report(f"the description has changed and cannot be used, the old one stays: {error}")
                continue
            self.state.replace_catalogue(catalogue)
            fingerprints = {**await anyio.to_thread.run_sync(self._fingerprints), **fingerprints}
            fingerprints = {watched: fingerprints[watched] for watched in self._watched_sources()}
            self.state.report(f"the description has changed: {len(catalogue.operations):,} operations now")
            await notify_clients()

    def _watched_sources(self) -> list[str]:
        """Return the sources, and the other files of the description that are on this machine."""
        files = (file for file in self.state.spec.files if not is_http_url(file))
        return list(dict.fromkeys((*self.sources, *files)))

    def _fingerprints(self) -> Fingerprints:
        """Return a fingerprint of each source, which differs once it has changed; None for one that cannot be read."""
        cache = self.state.spec.cache
        return {
            source: _url_fingerprint(source, cache) if is_http_url(source) else _file_fingerprint(source)
            for source in self._watched_sources()
        }


def _file_fingerprint(source: str) -> tuple[int, ...] | None:
    try:
        status = Path(source).expanduser().stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _url_fingerprint(source: str, cache: Cache | None) -> str | None:
    from nlapi.openapi.fetch import fetch

    try:
        return hashlib.sha256(fetch(source, cache=cache).data).hexdigest()
    except NlapiError:
        return None
