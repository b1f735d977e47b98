"""`nlapi mcp`: an MCP server for any API."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi import registry
from nlapi.cli import console, target
from nlapi.cli.options import FLAG, BaseUrl, Deadline, Exclude, Include, NoAuth, Overlays, Root, Source
from nlapi.cli.workflow_registered import OpenedApi, WorkflowOpener, with_registered
from nlapi.errors import CredentialError, UsageError
from nlapi.extras import require_extra
from nlapi.mcp.settings import MIN_NAME_LENGTH, Consent, Settings, check_pass_headers
from nlapi.tools.names import MAX_LENGTH

if TYPE_CHECKING:
    from nlapi.mcp.http import ListenAddress
    from nlapi.mcp.server import WatchTask
    from nlapi.mcp.server_state import ServerState
    from nlapi.mcp.tool_listing import ToolCatalogue
    from nlapi.openapi.spec import Spec

EPILOG = """nlapi mcp ads --auth bearer=env:ADS_TOKEN
nlapi mcp openapi.yaml --http 127.0.0.1:8000 --pass-header Authorization
nlapi mcp openapi.yaml --consent never --include tag:orders
claude mcp add shop -- nlapi mcp openapi.yaml --auth bearerAuth=env:SHOP_TOKEN"""


def mcp(
    source: Source,
    http: Annotated[
        str | None, typer.Option("--http", metavar="HOST:PORT", help="Serve streamable HTTP there; stdio if not given.")
    ] = None,
    base_url: BaseUrl = None,
    auth: Annotated[
        list[str] | None,
        typer.Option("--auth", metavar="SCHEME=env:NAME", help="A credential of the API, from the environment."),
    ] = None,
    no_auth: NoAuth = False,
    include: Include = None,
    exclude: Exclude = None,
    overlays: Overlays = None,
    root: Root = None,
    all_tools: Annotated[
        bool, typer.Option("--all-tools", metavar=FLAG, help="List a tool for each operation of a large API too.")
    ] = False,
    consent: Annotated[
        Consent,
        typer.Option(
            "--consent",
            help="Who agrees to changes: the user, asked by elicitation; the client, which asks itself; or nobody.",
        ),
    ] = Consent.ELICIT,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="env:NAME", help="The bearer token that HTTP clients have to send."),
    ] = None,
    pass_header: Annotated[
        list[str] | None,
        typer.Option("--pass-header", metavar="NAME", help="A header of the client's requests that the API gets."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", metavar=FLAG, help="Read the description again when it changes.")
    ] = False,
    name_length: Annotated[
        int,
        typer.Option(
            "--name-length", metavar="N", min=MIN_NAME_LENGTH, max=MAX_LENGTH, help="The longest name of a tool."
        ),
    ] = MAX_LENGTH,
    workflows: Annotated[
        list[str] | None,
        typer.Option(
            "--workflows", metavar="FILE", help="An Arazzo document, each workflow of which is a tool; may be repeated."
        ),
    ] = None,
    timeout: Deadline = None,
) -> None:
    """Serve any API as an MCP server: over stdio for a client that starts it, or over HTTP.

    A small API has a tool for each operation; a large one has tools that find, describe and call operations. Each
    workflow, of --workflows or registered with the API, is one tool.

    Reads run, a change is sent when the user agrees to it. Messages go to standard error.
    """
    # Before any import below: the SDK is an extra, `nlapi[mcp]`.
    require_extra("mcp", "`nlapi mcp`")
    from nlapi.client.server import explain_server
    from nlapi.mcp.http import parse_listen_address
    from nlapi.mcp.server_state import ServerState
    from nlapi.mcp.tool_listing import build_catalogue
    from nlapi.workflows.workflow_tools import NO_WORKFLOW_SET

    # A literal token would be in the process list and in the shell's history.
    secret = _token(token)
    endpoint = parse_listen_address(http, secret) if http else None
    if endpoint is None and (secret or pass_header):
        raise UsageError("--token and --pass-header are for --http", hint="over stdio, --auth SCHEME=env:NAME")
    if endpoint is None and source == "-":
        raise UsageError("standard input is for the client", hint="give the description as a file or a URL")
    api, known_values = target.open_target(source, base_url, auth, overlays, root, no_auth=no_auth)
    if api.base_url is None and (note := explain_server(api.spec)):
        console.note(note)
    settings = Settings(
        consent=consent,
        all_tools=all_tools,
        name_length=name_length,
        pass_headers=check_pass_headers(tuple(pass_header or ()), has_token=bool(secret)),
        registered=known_values,
        stored=api.settings,
        limits=target.limits(timeout),
    )

    files = with_registered(source, workflows)

    def read(spec: Spec) -> ToolCatalogue:
        opener = WorkflowOpener(apis=[OpenedApi(name=source, target=replace(api, spec=spec), values=known_values)])
        opened = opener.open(files) if files else NO_WORKFLOW_SET
        return build_catalogue(spec, target.select(spec, include, exclude), settings, opened)

    server_state = ServerState(target=api, catalogue=read(api.spec), settings=settings, report=console.note)
    watcher = None
    if watch:
        watcher = _watch(
            server_state,
            source,
            (*(overlays or ()), *files.get(source, ())),
            lambda: read(target.load(source, overlays, root)),
        )
    _serve(server_state, watcher, endpoint)


def _token(reference: str | None) -> str:
    """Return the server's bearer token from an `env:NAME` reference. UsageError for a literal token."""
    if reference is None:
        return ""
    if not reference.startswith("env:"):
        raise UsageError(
            "--token takes env:NAME, so that the token is on no command line", hint="--token env:NLAPI_TOKEN"
        )
    name = reference.removeprefix("env:")
    if not (token := registry.read_variable(name, "--token").strip()):
        raise CredentialError(f"the environment's {name} holds only spaces", hint="without --token there is no token")
    return token


def _watch(
    server_state: ServerState, source: str, others: Sequence[str], load: Callable[[], ToolCatalogue]
) -> WatchTask:
    from nlapi.mcp.server import DescriptionWatch
    from nlapi.openapi.urls import is_http_url

    registered = registry.find_registration(source) or registry.Registration(source=source)
    sources = (registered.source, *registered.overlays, *others)
    # A bundled description is neither, and never changes: a watch of it would be a mistake in the command.
    if not is_http_url(sources[0]) and not Path(sources[0]).expanduser().is_file():
        raise UsageError(f"--watch: {sources[0]} is no file and no URL", hint="what nlapi ships does not change")
    return DescriptionWatch(state=server_state, sources=sources, load=load)


def _serve(server_state: ServerState, watcher: WatchTask | None, endpoint: ListenAddress | None) -> None:
    from nlapi.mcp import http, stdio
    from nlapi.mcp.server import create_server

    server = create_server(server_state, watcher)
    count = len(server_state.catalogue.operations)
    if endpoint is None:
        # Standard output is the protocol's channel over stdio, so the note goes to standard error.
        console.note(
            f"{server_state.spec.title}: {count:,} operations over stdio; an MCP client starts this and speaks to it"
        )
        asyncio.run(stdio.serve(server))
        return

    def on_ready(url: str) -> None:
        console.write(url)
        sys.stdout.flush()
        console.note(f"{server_state.spec.title}: {count:,} operations; Ctrl-C stops it")

    asyncio.run(http.serve(server, endpoint, on_ready, server_state.forget_session))
