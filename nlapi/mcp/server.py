"""Serves one API or several by the SDK's server: texts, resources, prompts, completion, and new descriptions."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import unquote

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

from nlapi import bundled
from nlapi.agent.operations.tools import CHANGE, DESCRIBE, FIND, READ
from nlapi.client.safe_text import strip_all
from nlapi.client.send import open_client
from nlapi.errors import NlapiError, UsageError
from nlapi.mcp.answers import ANSWER_PREFIX, answer_page, answer_pages, answer_uri, call_text
from nlapi.mcp.approval import EXTENSIONS, PANEL_URI, offered_definitions, panel
from nlapi.mcp.calling import call_tool
from nlapi.mcp.consent import Context
from nlapi.mcp.server_state import ServerState, answer_owner
from nlapi.mcp.settings import Consent
from nlapi.mcp.tool_listing import ToolCatalogue, describe_area, offered_tools, operation_line
from nlapi.openapi.urls import is_http_url
from nlapi.resources.id_sources import IdSources
from nlapi.results.store import StoredResult
from nlapi.tools.arguments import argument_schema
from nlapi.tools.definitions.describe import describe_operation
from nlapi.tools.search.areas import Area
from nlapi.tools.texts.plain_text import label_text
from nlapi.tools.texts.prompt_injection import DESCRIPTION_NOTE
from nlapi.tools.tool import Tool
from nlapi.version import __version__

if TYPE_CHECKING:
    from nlapi.openapi.cache import Cache


MAX_VALUES = 100
"""Of one answer, as the protocol has it."""

# Things of one stored list that are looked at for ids.
MAX_ITEMS = 1_000


def complete(
    catalogues: Sequence[ToolCatalogue], stored: Iterable[StoredResult], params: types.CompleteRequestParams
) -> types.CompleteResult:
    """Return the values of an argument of a prompt or of an address that begin with what was typed, then those that
    have it elsewhere."""
    context = params.context.arguments if params.context and params.context.arguments else {}
    values = list(dict.fromkeys(_candidates(catalogues, tuple(stored), params.ref, params.argument.name, context)))
    typed = params.argument.value.casefold()
    begin = [value for value in values if value.casefold().startswith(typed)]
    matches = [*begin, *(value for value in values if typed in value.casefold() and value not in set(begin))]
    completion = types.Completion(values=matches[:MAX_VALUES], total=len(matches), has_more=len(matches) > MAX_VALUES)
    return types.CompleteResult(completion=completion)


def _candidates(
    catalogues: Sequence[ToolCatalogue],
    stored: tuple[StoredResult, ...],
    ref: types.ResourceTemplateReference | types.PromptReference,
    argument: str,
    context: dict[str, str],
) -> Iterator[str]:
    if not isinstance(ref, types.ResourceTemplateReference):
        return  # a prompt takes a goal in the user's own words
    match argument:
        case "operation":
            yield from (catalogue.name(operation) for catalogue in catalogues for operation in catalogue.operations)
        case "result":
            yield from (answer.handle for answer in stored)
        case "page":
            pages = (answer_pages(answer) for answer in stored if answer.handle == context.get("result"))
            yield from map(str, range(1, next(pages, 0) + 1))
        case "argument" | "value":
            tool = _tool(catalogues, context.get("operation", ""))
            if tool is not None and argument == "argument":
                yield from tool.places
            elif tool is not None and (name := context.get("argument", "")) in tool.places:
                yield from argument_choices(tool, name)
                yield from _known_ids(tool, name, stored)


def _tool(catalogues: Iterable[ToolCatalogue], name: str) -> Tool | None:
    for catalogue in catalogues:
        with suppress(UsageError):
            return catalogue.tool(name)
    return None


def argument_choices(tool: Tool, name: str) -> Iterator[str]:
    """Yield the values that an argument may have, where its schema names them all."""
    schema = argument_schema(tool, name)
    items = schema.get("items")
    for part in (schema, items if isinstance(items, dict) else {}):
        choices = part.get("enum", [part["const"]] if "const" in part else ())
        if isinstance(choices, (list, tuple)):
            yield from (str(choice) for choice in choices if isinstance(choice, (str, int, float)))
        if part.get("type") == "boolean":
            yield from ("true", "false")


def _known_ids(tool: Tool, name: str, stored: Iterable[StoredResult]) -> Iterator[str]:
    """Yield the ids of an argument's kind in the lists that the client was answered, the newest list first."""
    operation = tool.operation
    source = IdSources(operation.spec, operation.spec.operations).best_source(operation, tool.places[name])
    if source is None:
        return
    for answer in reversed(tuple(stored)):
        if answer.call.tool.operation is source.operation:
            yield from _field_values(answer.result.data, source.field, MAX_ITEMS)


def _field_values(value: object, field: str, limit: int) -> Iterator[str]:
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else ()
    for item in items[:limit]:
        if isinstance(item, dict) and isinstance(item.get(field), (str, int)):
            yield str(item[field])
        elif isinstance(item, list):
            yield from _field_values(item, field, limit)


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
        self.title = api_title(state.catalogue)
        self.instructions = server_instructions(state.catalogue)

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
            try:
                yield
            finally:
                # What a person has agreed to is sent to its end, also where a signal ends the server.
                with anyio.CancelScope(shield=True):
                    for tickets in {state.tickets for state in offer.all_states()}:
                        await tickets.close()
            tasks.cancel_scope.cancel()

    handlers = _Handlers(offer)
    # Roles see other lists, so that what one caller got is not for another.
    hint = CacheHint(ttl_ms=ttl_seconds * 1_000, scope="private")
    lists: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/templates/list")
    server = ApiServer(
        "nlapi",
        title=offer.title,
        icons=_icons(offer.all_states()),
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
    server.extensions.update(EXTENSIONS)
    server.add_notification_handler("notifications/initialized", types.NotificationParams, handlers.initialized)
    return server


def _icons(states: Sequence[ServerState]) -> list[types.Icon] | None:
    """Return the logo of the one API, which many descriptions name (`x-logo`)."""
    infos = [state.spec.document.get("info") for state in states[:1]]
    logos = [info.get("x-logo") for info in infos if isinstance(info, Mapping)]
    urls = [logo.get("url") for logo in logos if isinstance(logo, Mapping)]
    is_one = len({state.spec for state in states}) == 1
    icons = [types.Icon(src=url) for url in urls if isinstance(url, str) and url.startswith("https://")]
    return icons or None if is_one else None


class _Handlers:
    def __init__(self, offer: Offer) -> None:
        self.offer = offer

    async def initialized(self, context: Context, params: types.NotificationParams) -> None:
        self.offer.states(context)[0].remember_session(context)

    async def list_tools(self, context: Context, params: PageParams) -> types.ListToolsResult:
        catalogues = tuple(state.catalogue for state in self.offer.states(context))
        definitions = offered_definitions(catalogues, context)
        return types.ListToolsResult(tools=[types.Tool.model_validate(entry) for entry in definitions])

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        return await call_tool(self.offer.states(context), context, params)

    async def list_resources(self, context: Context, params: PageParams) -> types.ListResourcesResult:
        states = self.offer.states(context)
        resources = [area for state in states for area in list_resources(state.catalogue, ())]
        stored = states[0].answers.listed(answer_owner(context, states[0].settings))
        return types.ListResourcesResult(resources=[*resources, *answer_resources(stored)])

    async def list_resource_templates(self, context: Context, params: PageParams) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=resource_templates())

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            return types.ReadResourceResult(contents=[self._read(context, params.uri)])
        except NlapiError as error:
            raise MCPError(types.INVALID_PARAMS, str(error), {"uri": params.uri}) from None

    def _read(self, context: Context, uri: str) -> types.TextResourceContents:
        if uri == PANEL_URI:
            return panel()
        states = self.offer.states(context)
        if not uri.startswith(ANSWER_PREFIX):
            return _first_result(states, lambda state: read_resource(uri, state.catalogue))
        handle, _, page = uri.removeprefix(ANSWER_PREFIX).partition("/")
        stored = states[0].answers.get(answer_owner(context, states[0].settings), handle)
        # int() alone accepts "١" and "1_0", and is slow on a number of a million digits.
        text = answer_page(stored, int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1)
        return types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)

    async def list_prompts(self, context: Context, params: PageParams) -> types.ListPromptsResult:
        states = self.offer.states(context)
        return types.ListPromptsResult(prompts=[prompt for state in states for prompt in list_prompts(state.catalogue)])

    async def get_prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        goal = (params.arguments or {}).get("goal") or ""
        states = self.offer.states(context)
        try:
            return _first_result(states, lambda state: get_prompt(params.name, goal, state.catalogue))
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
            # Editors replace a file by rename, so for a moment it may be missing.
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


# Areas with a separate prompt, as many as a plugin has skills.
MAX_PROMPTS = 20

# Lines of a prompt: the whole of a larger area is a resource, which a client reads when it needs it.
MAX_PROMPT_LINES = 60
GENERAL_PROMPT = "operate"
_CHANGE_RULES = {
    Consent.ELICIT: "- The user is asked before a change is sent, and sees the request; without a yes nothing is.",
    Consent.CLIENT: "- Before a change, tell the user what it does; the client asks whether it may be made.",
    Consent.NEVER: "- Nothing can be changed here; only operations that read are offered.",
}


def api_title(catalogue: ToolCatalogue) -> str:
    """Return the title of the API on one line."""
    return label_text(catalogue.spec.title, 80)


def server_instructions(catalogue: ToolCatalogue) -> str:
    """Return the instructions for a model: the server as a whole."""
    count = f"{len(catalogue.operations):,}"
    return _fill_template("instructions.md", title=api_title(catalogue), count=count, **_template_values(catalogue))


def _template_values(catalogue: ToolCatalogue) -> dict[str, str]:
    usage = "- Each tool is one operation."
    if offered_tools((catalogue,)).uses_search:
        change_tool = "" if catalogue.settings.consent is Consent.NEVER else f" or `{CHANGE}`"
        usage = f"- `{FIND}` finds operations, `{DESCRIBE}` tells what one takes, then `{READ}`{change_tool}."
    if catalogue.workflows.tools:
        usage += "\n- A workflow makes several calls and answers with their outcome."
    return {"how": usage, "changes": _CHANGE_RULES[catalogue.settings.consent]}


def _fill_template(name: str, **values: str) -> str:
    return Template(bundled.text(f"prompts/mcp/{name}")).substitute(values)


def list_resources(catalogue: ToolCatalogue, stored: Iterable[StoredResult]) -> list[types.Resource]:
    """Return the areas of the API, and the answers stored for the client."""
    areas = [
        types.Resource(
            uri=area_uri(group, catalogue),
            name=f"{catalogue.settings.prefix}{group.slug}",
            title=label_text(group.label, 80),
            description=f"{len(group.operations)} operations",
            mime_type="text/markdown",
        )
        for group in catalogue.areas
    ]
    return [*areas, *answer_resources(stored)]


def answer_resources(stored: Iterable[StoredResult]) -> list[types.Resource]:
    """Return the answers that are stored for a client."""
    return [
        types.Resource(
            uri=answer_uri(answer),
            name=f"answer-{answer.handle}",
            description=f"The whole answer to {call_text(answer.call)}, in {answer_pages(answer)} pages",
            mime_type="text/plain",
        )
        for answer in stored
    ]


def area_uri(group: Area, catalogue: ToolCatalogue) -> str:
    """Return the address of an area, unique among the APIs of a server."""
    return f"nlapi://area/{catalogue.settings.prefix}{group.slug}"


def resource_templates() -> list[types.ResourceTemplate]:
    return [
        types.ResourceTemplate(
            uri_template="nlapi://operation/{operation}",
            name="operation",
            description="What an operation does, takes and answers.",
            mime_type="application/json",
        ),
        types.ResourceTemplate(
            uri_template="nlapi://argument/{operation}/{argument}/{value}",
            name="argument",
            description="One argument of an operation, with its schema and its choices. Completion lists values.",
            mime_type="application/json",
        ),
        types.ResourceTemplate(
            uri_template="nlapi://answer/{result}/{page}",
            name="answer",
            description="A page of an answer that was too long to show.",
            mime_type="text/plain",
        ),
    ]


def read_resource(uri: str, catalogue: ToolCatalogue) -> types.TextResourceContents:
    """Return the resource of an area or an operation. UsageError if none exists."""
    kind, _, name = uri.removeprefix("nlapi://").partition("/")
    if kind == "area":
        group = next((candidate for candidate in catalogue.areas if area_uri(candidate, catalogue) == uri), None)
        if group is not None:
            return types.TextResourceContents(uri=uri, mime_type="text/markdown", text=describe_area(group, catalogue))
    if kind == "operation":
        content = {"note": DESCRIPTION_NOTE, **describe_operation(catalogue.tool(unquote(name)))}
        description = json.dumps(strip_all(content), ensure_ascii=False, indent=1, default=str)
        return types.TextResourceContents(uri=uri, mime_type="application/json", text=description)
    if kind == "argument":
        operation, argument, value = (*map(unquote, name.split("/", 2)), "", "")[:3]
        return _read_argument(uri, catalogue.tool(operation), argument, value)
    raise UsageError(f"there is no resource {uri[:200]!r}", hint="resources/list names them")


def _read_argument(uri: str, tool: Tool, argument: str, value: str) -> types.TextResourceContents:
    """Return an argument's schema; with a value, also the choices that there are."""
    if argument not in tool.places:
        raise UsageError(
            f"{tool.operation.id} has no argument {argument[:100]!r}", hint=f"it has {', '.join(tool.places)}"
        )
    record: dict[str, object] = {"operation": tool.operation.id, "argument": argument}
    record["schema"] = argument_schema(tool, argument)
    if value:
        record |= {"value": value, "choices": list(argument_choices(tool, argument))}
    text = json.dumps(record, ensure_ascii=False, indent=1, default=str)
    return types.TextResourceContents(uri=uri, mime_type="application/json", text=text)


def list_prompts(catalogue: ToolCatalogue) -> list[types.Prompt]:
    """Return a prompt for the whole API and one for each area, unless there are too many areas."""
    goal = types.PromptArgument(name="goal", description="What you want, in your own words.", required=False)
    api = api_title(catalogue)
    general_prompt = types.Prompt(
        name=f"{catalogue.settings.prefix}{GENERAL_PROMPT}", title=api, description=f"Operate {api}.", arguments=[goal]
    )
    areas = [
        types.Prompt(
            name=_prompt_name(group, catalogue),
            title=label_text(group.label, 80),
            description=f"Operate {api}: {label_text(group.label, 80)}.",
            arguments=[goal],
        )
        for group in _prompt_areas(catalogue)
    ]
    return [general_prompt, *areas]


def get_prompt(name: str, goal: str, catalogue: ToolCatalogue) -> types.GetPromptResult:
    """Return the text of a prompt. UsageError if none exists."""
    areas = _prompt_areas(catalogue)
    group = next((candidate for candidate in areas if _prompt_name(candidate, catalogue) == name), None)
    if group is None and name != f"{catalogue.settings.prefix}{GENERAL_PROMPT}":
        raise UsageError(f"there is no prompt {name[:100]!r}", hint="prompts/list names them")
    label = label_text(group.label, 80) if group else f"{len(catalogue.operations):,} operations"
    lines = list(_operation_lines(group, catalogue) if group else _area_lines(catalogue))
    text = _fill_template(
        "area.md",
        title=api_title(catalogue),
        label=label,
        goal=goal.strip() or "Ask me what I want to do.",
        operations="\n".join(lines),
        **_template_values(catalogue),
    )
    message = types.PromptMessage(role="user", content=types.TextContent(text=text))
    return types.GetPromptResult(description=f"{api_title(catalogue)}: {label}", messages=[message])


# A client lists prompts as commands of the user: more than a screen of them hides the user's own. One area alone is the
# whole, which has its prompt already.
def _prompt_areas(catalogue: ToolCatalogue) -> tuple[Area, ...]:
    return catalogue.areas if 1 < len(catalogue.areas) <= MAX_PROMPTS else ()


def _prompt_name(group: Area, catalogue: ToolCatalogue) -> str:
    return f"{catalogue.settings.prefix}{GENERAL_PROMPT}-{group.slug}"


def _operation_lines(group: Area, catalogue: ToolCatalogue) -> Iterator[str]:
    yield from (operation_line(operation, catalogue) for operation in group.operations[:MAX_PROMPT_LINES])
    if (more := len(group.operations) - MAX_PROMPT_LINES) > 0:
        yield f"- and {more} more: {area_uri(group, catalogue)}"


def _area_lines(catalogue: ToolCatalogue) -> Iterator[str]:
    for group in catalogue.areas[:MAX_PROMPT_LINES]:
        yield f"- {label_text(group.label, 80)}: {len(group.operations)} operations ({area_uri(group, catalogue)})"
