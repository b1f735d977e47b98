"""Serves one API or several over MCP by the SDK's server, and notices changes of a description."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import mcp_types as types
from anyio.abc import TaskStatus
from mcp.server.caching import CacheHint
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
from mcp_types.methods import CacheableMethod

from nlapi.client.send import open_client
from nlapi.errors import NlapiError, UsageError
from nlapi.mcp import instructions
from nlapi.mcp.answers import ANSWER_PREFIX, answer_page
from nlapi.mcp.calling import call_tool
from nlapi.mcp.completion import complete
from nlapi.mcp.consent import Context
from nlapi.mcp.server_state import ServerState, answer_owner
from nlapi.mcp.tool_listing import ToolCatalogue, api_tool_definitions, query_tool_definition, tool_definitions
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
_T = TypeVar("_T")


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


class Offer(Protocol):
    """What a server offers to each of its callers."""

    title: str
    instructions: str

    def states(self, context: Context) -> tuple[ServerState, ...]:
        """Return the APIs of the caller of a request, in their order; never none."""
        ...

    def all_states(self) -> tuple[ServerState, ...]:
        """Return those of all callers."""
        ...


class SingleOffer:
    """One API, the same for everybody."""

    def __init__(self, state: ServerState) -> None:
        self._states = (state,)
        self.title = instructions.api_title(state.catalogue)
        self.instructions = instructions.server_instructions(state.catalogue)

    def states(self, context: Context) -> tuple[ServerState, ...]:
        return self._states

    def all_states(self) -> tuple[ServerState, ...]:
        return self._states


def create_server(state: ServerState, watch: WatchTask | None = None) -> ApiServer:
    """Return the server of an API, with connections shared by its calls, and `watch` as a task beside it."""
    return serve_offer(SingleOffer(state), watch)


def serve_offer(offer: Offer, watch: WatchTask | None = None, *, ttl_seconds: int = 0) -> ApiServer:
    """Return a server; clients may keep its lists for `ttl_seconds` (MCP 2026-07-28)."""
    # Clients of 2026-07-28 subscribe to the bus; those of 2025 get a notification in each session.
    bus = InMemorySubscriptionBus()

    async def notify_clients() -> None:
        for event in (ToolsListChanged(), PromptsListChanged(), ResourcesListChanged()):
            await bus.publish(event)
        for session in {id: session for state in offer.all_states() for id, session in state.sessions.items()}.values():
            await session.send_tool_list_changed()
            await session.send_prompt_list_changed()
            await session.send_resource_list_changed()

    @asynccontextmanager
    async def lifespan(_: Server[None]) -> AsyncIterator[None]:
        async with open_client() as client, anyio.create_task_group() as tasks:
            for state in offer.all_states():
                state.client = client
            if watch is not None:
                await tasks.start(watch, notify_clients)
            yield
            tasks.cancel_scope.cancel()

    handlers = _Handlers(offer)
    # Roles see other lists, so that what one caller got is not for another.
    hint = CacheHint(ttl_ms=ttl_seconds * 1_000, scope="private")
    lists: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/templates/list")
    server = ApiServer(
        "nlapi",
        title=offer.title,
        version=__version__,
        instructions=offer.instructions,
        cache_hints=dict.fromkeys(lists, hint) if ttl_seconds else None,
        lifespan=lifespan,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_resource_templates,
        on_read_resource=handlers.read_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_completion=handlers.complete,
        on_subscriptions_listen=ListenHandler(bus),
    )
    server.add_notification_handler("notifications/initialized", types.NotificationParams, handlers.initialized)
    return server


class _Handlers:
    def __init__(self, offer: Offer) -> None:
        self.offer = offer

    async def initialized(self, context: Context, params: types.NotificationParams) -> None:
        self.offer.states(context)[0].remember_session(context)

    async def list_tools(self, context: Context, params: PageParams) -> types.ListToolsResult:
        states = self.offer.states(context)
        if len(states) == 1:
            definitions = tool_definitions(states[0].catalogue)
        else:
            definitions = [tool for state in states for tool in api_tool_definitions(state.catalogue)]
            definitions.append(query_tool_definition())
        return types.ListToolsResult(tools=[types.Tool.model_validate(definition) for definition in definitions])

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        states = self.offer.states(context)
        # No prefix is the beginning of another one (`team_settings`).
        state = next((state for state in states if params.name.startswith(state.settings.prefix)), states[0])
        return await call_tool(state, context, params)

    async def list_resources(self, context: Context, params: PageParams) -> types.ListResourcesResult:
        states = self.offer.states(context)
        resources = [area for state in states for area in instructions.list_resources(state.catalogue, ())]
        stored = states[0].answers.listed(answer_owner(context, states[0].settings))
        return types.ListResourcesResult(resources=[*resources, *instructions.answer_resources(stored)])

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
        states = self.offer.states(context)
        if not uri.startswith(ANSWER_PREFIX):
            return _first_result(states, lambda state: instructions.read_resource(uri, state.catalogue))
        handle, _, page = uri.removeprefix(ANSWER_PREFIX).partition("/")
        stored = states[0].answers.get(answer_owner(context, states[0].settings), handle)
        # int() alone accepts "١" and "1_0", and is slow on a number of a million digits.
        text = answer_page(stored, int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1)
        return types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)

    async def list_prompts(self, context: Context, params: PageParams) -> types.ListPromptsResult:
        states = self.offer.states(context)
        return types.ListPromptsResult(
            prompts=[prompt for state in states for prompt in instructions.list_prompts(state.catalogue)]
        )

    async def get_prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        goal = (params.arguments or {}).get("goal") or ""
        states = self.offer.states(context)
        try:
            return _first_result(states, lambda state: instructions.get_prompt(params.name, goal, state.catalogue))
        except NlapiError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None

    async def complete(self, context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        states = self.offer.states(context)
        stored = states[0].answers.listed(answer_owner(context, states[0].settings))
        return complete(tuple(state.catalogue for state in states), stored, params)


def _first_result(states: Sequence[ServerState], find: Callable[[ServerState], _T]) -> _T:
    """Return the first result of the APIs; the error of the last where none has any."""
    for state in states[:-1]:
        with suppress(UsageError):
            return find(state)
    return find(states[-1])


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
