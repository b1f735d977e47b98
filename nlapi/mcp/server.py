"""The SDK's server with handlers for one API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
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
from nlapi.mcp.calling import call_tool
from nlapi.mcp.consent import Context
from nlapi.mcp.forms import tool_definitions
from nlapi.mcp.server_state import ServerState, has_own_session, answer_owner
from nlapi.version import __version__

PageParams = types.PaginatedRequestParams | None
ChangeNotifier = Callable[[], Coroutine[Any, Any, None]]


class WatchTask(Protocol):
    """A task beside the server that calls `changed` whenever the description has changed."""

    async def __call__(self, notify_clients: ChangeNotifier, *, task_status: TaskStatus[None]) -> None: ...


class ApiServer(Server[None]):
    """A server that announces, on every transport, that its lists may change."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
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
        answers = state.answers.for_owner(answer_owner(context, state.settings)) if has_own_session(context) else []
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
        if not uri.startswith("nlapi://answer/"):
            return instructions.read_resource(uri, state.catalogue)
        id, _, page = uri.removeprefix("nlapi://answer/").partition("/")
        answer = state.answers.get(id, answer_owner(context, state.settings))
        # int() alone accepts "١" and "1_0", and is slow on a number of a million digits.
        text = answer.page(int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1)
        return types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)

    async def list_prompts(self, context: Context, params: PageParams) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=instructions.list_prompts(self.state.catalogue))

    async def get_prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        try:
            goal = (params.arguments or {}).get("goal") or ""
            return instructions.get_prompt(params.name, goal, self.state.catalogue)
        except NlapiError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None
