"""`nlapi mcp`: an MCP server for any API, or with `--config` for several APIs of a team."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nlapi import bundled, registry
from nlapi.cli import target
from nlapi.cli.options import (
    BaseUrl,
    Deadline,
    Env,
    Exclude,
    Headers,
    Include,
    NoAuth,
    Overlays,
    Root,
    argument,
    flag,
    option,
    options_of,
)
from nlapi.cli.render import console
from nlapi.cli.workflow.registered import OpenedApi, WorkflowOpener, with_registered
from nlapi.client.auth import find_scheme, unknown_scheme_error
from nlapi.credential_references import read_reference, read_variable
from nlapi.errors import CredentialError, UsageError, install_hint, require_extra
from nlapi.mcp.settings import MIN_NAME_LENGTH, Consent, Settings, check_pass_headers
from nlapi.tools.texts.names import MAX_LENGTH

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server

    from nlapi.mcp.access import ResourceServer, TokenTable
    from nlapi.mcp.http import HttpOptions, ListenAddress
    from nlapi.mcp.server import WatchTask
    from nlapi.mcp.server_state import ServerState
    from nlapi.mcp.team import OpenApi, TeamApi, TeamSettings
    from nlapi.mcp.tool_listing import ToolCatalogue
    from nlapi.openapi.spec import Spec
    from nlapi.tools.sending.run import Prepared, Target


# Seconds in which work that an API has accepted is waited for, of the 60 after which clients give up a call.
WAIT_S = 20.0
# Seconds in which the broker of the session has to be there.
BROKER_S = 3.0

EPILOG = """nlapi mcp ads --auth bearer=env:ADS_TOKEN
nlapi mcp openapi.yaml --http 127.0.0.1:8000 --pass-header Authorization
nlapi mcp openapi.yaml --consent never --include tag:orders
nlapi mcp --config team.toml
claude mcp add shop -- nlapi mcp openapi.yaml --auth bearerAuth=env:SHOP_TOKEN"""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpOptions:
    """The options of `nlapi mcp`, in the order of the help text."""

    http: Annotated[str | None, option("--http HOST:PORT", "Serve streamable HTTP there. Default: stdio.")] = None
    base_url: BaseUrl = None
    env: Env = None
    auth: Annotated[
        list[str] | None, option("--auth SCHEME=env:NAME", "A credential of the API, from the environment.")
    ] = field(default=None, repr=False)
    headers: Headers = field(default=None, repr=False)
    no_auth: NoAuth = False
    include: Include = None
    exclude: Exclude = None
    overlays: Overlays = None
    root: Root = None
    all_tools: Annotated[bool, flag("--all-tools", "List a tool for each operation, however many.")] = False
    consent: Annotated[
        Consent,
        option(
            "--consent",
            "Who agrees to changes: the user, asked by elicitation; the client, which asks itself; or nobody.",
        ),
    ] = Consent.ELICIT
    token: Annotated[str | None, option("--token env:NAME", "The bearer token that HTTP clients must send.")] = field(
        default=None, repr=False
    )
    issuer: Annotated[
        str | None, option("--issuer URL", "The authorization server whose tokens HTTP clients may send.")
    ] = None
    audience: Annotated[
        str | None, option("--audience URI", "The audience of those tokens. Default: this server's URL.")
    ] = None
    pass_header: Annotated[
        list[str] | None, option("--pass-header NAME", "A request header to pass from the client to the API.")
    ] = None
    watch: Annotated[bool, flag("--watch", "Read the description again when it changes.")] = False
    name_length: Annotated[
        int, option("--name-length N", "The longest name of a tool.", min=MIN_NAME_LENGTH, max=MAX_LENGTH)
    ] = MAX_LENGTH
    workflows: Annotated[
        list[str] | None,
        option("--workflows FILE", "An Arazzo document; each of its workflows becomes a tool. Repeatable."),
    ] = None
    config: Annotated[
        Path | None, option("--config FILE", "Serve several APIs with the roles and limits in a file.")
    ] = None
    config_schema: Annotated[bool, flag("--config-schema", "Print the JSON Schema of that file.")] = False
    timeout: Deadline = None


Source = Annotated[
    str | None,
    argument("[SOURCE]", "A path, a URL, a registered API, or a bundled name such as ads; none with --config."),
]


@options_of(McpOptions, "options")
def mcp(options: McpOptions, source: Source = None) -> None:
    """Serve an API as an MCP server, over stdio or HTTP.

    A small API gets one tool per operation; a large one gets tools that find, describe and call operations. Each
    workflow is a tool too.

    Reads run. A change is sent once the user agrees to it. Messages go to standard error.
    """
    # Before any import below: the SDK is an extra, `nlapi[mcp]`.
    require_extra("mcp", "`nlapi mcp`")
    if options.config_schema or options.config is not None:
        beside = McpOptions(
            http=options.http, timeout=options.timeout, config=options.config, config_schema=options.config_schema
        )
        if source or options != beside:
            hint = "only --http and --timeout go with --config"
            raise UsageError("with --config the APIs and all about them are in the file", hint=hint)
        if options.config is None:
            from nlapi.mcp.team import SCHEMA

            console.write(bundled.text(SCHEMA).rstrip())
        else:
            serve_team(options.config, options.http, options.timeout)
        return
    if source is None:
        raise UsageError("which API?", hint="nlapi mcp SOURCE, or nlapi mcp --config FILE")
    _serve_api(source, options)


def _serve_api(source: str, options: McpOptions) -> None:
    from nlapi.client.server import explain_server
    from nlapi.mcp import http
    from nlapi.mcp.server import create_server
    from nlapi.mcp.server_state import ServerState
    from nlapi.mcp.tool_listing import build_catalogue
    from nlapi.workflows.workflow_tools import NO_WORKFLOW_SET

    # A literal token would be in the process list and in the shell's history.
    secret = _token(options.token)
    endpoint = _endpoint(options.http, secret, options.issuer) if options.http else None
    if endpoint is None and (secret or options.issuer or options.pass_header):
        hint = "over stdio, --auth SCHEME=env:NAME"
        raise UsageError("--token, --issuer and --pass-header are for --http", hint=hint)
    if endpoint is None and source == "-":
        raise UsageError("standard input is for the client", hint="give the description as a file or a URL")
    api, known_values = target.open_target(
        source, options.base_url, options.auth, options.overlays, options.root, no_auth=options.no_auth, env=options.env
    )
    api = target.with_headers(api, options.headers)
    if api.base_url is None and (note := explain_server(api.spec)):
        console.note(note)
    consent = options.consent
    if endpoint is None:
        api, consent = _in_session(api, consent)
    settings = Settings(
        consent=consent,
        all_tools=options.all_tools,
        name_length=options.name_length,
        pass_headers=check_pass_headers(tuple(options.pass_header or ()), has_token=bool(secret or options.issuer)),
        registered=known_values,
        stored=api.settings,
        limits=replace(target.limits(options.timeout), wait=WAIT_S),
    )

    resource_server = resource_server_of(options.issuer, options.audience, endpoint)
    files = with_registered(source, options.workflows)

    def read(spec: Spec) -> ToolCatalogue:
        opener = WorkflowOpener(apis=[OpenedApi(name=source, target=replace(api, spec=spec), values=known_values)])
        opened = opener.open(files) if files else NO_WORKFLOW_SET
        return build_catalogue(spec, target.select(spec, options.include, options.exclude), settings, opened)

    def anew(served: Spec) -> Spec:
        return target.load_anew(source, options.overlays, options.root, served, options.base_url, options.env)

    server_state = ServerState(target=api, catalogue=read(api.spec), settings=settings, report=console.note)
    watcher = None
    if options.watch:
        watcher = _watch(
            server_state,
            source,
            (*(options.overlays or ()), *files.get(source, ())),
            lambda: read(anew(server_state.spec)),
        )
    server = create_server(server_state, watcher)
    name = f"{server_state.spec.title}: {len(server_state.catalogue.operations):,} operations"
    if endpoint is None:
        _serve_stdio(server, f"{name} over stdio")
    else:
        _serve_http(
            server, endpoint, name, server_state.forget_session, http.HttpOptions(resource_server=resource_server)
        )


class _OwnQuestions:
    """The receipts of a server that asks the user about each change by itself."""

    def take(self, prepared: Prepared) -> str:
        return ""


def _in_session(api: Target, consent: Consent) -> tuple[Target, Consent]:
    """Return the API and who is asked, where the client of a session has started this server.

    Where the hooks of a plugin ask, its broker has the receipts; else the server asks. A command of the model that
    starts a server is not the client, and its server sends no change.
    """
    from nlapi import client_session
    from nlapi.cli.agents.session_channel import open_receipts, session_folder

    if not client_session.is_in_session() or not client_session.is_client_channel(0):
        return api, consent
    folder = session_folder()
    # The hook that starts the broker runs beside this server.
    receipts = open_receipts(folder, wait=BROKER_S) if folder is not None and consent is Consent.ELICIT else None
    if receipts is not None:
        from nlapi.agent.records.receipts import DialogReceipts

        dialog = DialogReceipts(take_digest=receipts.take, report=console.note)
        return replace(api, receipts=dialog, pinned=True), Consent.CLIENT
    # A client that asks by itself (`--consent client`) is one that the user trusts to.
    return replace(api, receipts=_OwnQuestions(), pinned=True), consent


def _token(reference: str | None) -> str:
    """Return the server's bearer token from an `env:NAME` reference. UsageError for a literal token."""
    if reference is None:
        return ""
    if not reference.startswith("env:"):
        raise UsageError(
            "--token takes env:NAME, so that the token is on no command line", hint="--token env:NLAPI_TOKEN"
        )
    name = reference.removeprefix("env:")
    if not (token := read_variable(name, "--token").strip()):
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
        raise UsageError(f"--watch: {sources[0]} is not a file and no URL", hint="what nlapi ships does not change")
    return DescriptionWatch(state=server_state, sources=sources, load=load)


def _endpoint(http: str, secret: str, issuer: str | None) -> ListenAddress:
    """Return the address to listen on, which other machines may reach where each caller has a token."""
    from nlapi.mcp.http import parse_listen_address

    return replace(parse_listen_address(http, secret or issuer or ""), token=secret)


def resource_server_of(
    issuer: str | None, audience: str | None, endpoint: ListenAddress | None
) -> ResourceServer | None:
    """Return what checks the access tokens of an issuer. UsageError for an audience that is not said, or of nobody."""
    if issuer is None:
        if audience is not None:
            raise UsageError("--audience goes with --issuer", hint="--issuer URL names the authorization server")
        return None
    if audience is None and endpoint is not None and not endpoint.is_loopback:
        hint = "--audience https://mcp.example.com/mcp, as its clients write it"
        raise UsageError(
            f"the URL of this server behind {endpoint.host} is not known, so nor is its audience", hint=hint
        )
    from nlapi.mcp.access import open_resource_server

    return open_resource_server(issuer, audience or "")


def _serve_stdio(server: Server[Any], note: str) -> None:
    from nlapi.mcp import stdio

    # Standard output is the protocol's channel over stdio, so the note goes to standard error.
    console.note(f"{note}; an MCP client starts this and speaks to it")
    asyncio.run(stdio.serve(server))


def _serve_http(
    server: Server[Any], address: ListenAddress, name: str, on_session_end: Callable[[str], None], options: HttpOptions
) -> None:
    from nlapi.mcp import http

    def on_ready(url: str) -> None:
        console.write(url)
        sys.stdout.flush()
        console.note(f"{name}; Ctrl-C stops it")

    asyncio.run(http.serve(server, address, on_ready, on_session_end, options))


def serve_team(file: Path, http: str | None, timeout: float | None) -> None:
    """Serve what a file says, over stdio or HTTP; `http` replaces its address."""
    from nlapi.mcp.audit import AuditTrail, CallMetrics
    from nlapi.mcp.http import HttpOptions
    from nlapi.mcp.server import serve_offer
    from nlapi.mcp.team import TeamOffer, read_team

    settings = read_team(file)
    http = http or settings.http or None
    if http is None and not settings.role:
        raise UsageError(f"{file}: over stdio there is no token", hint='[server] role = "..." says what it may do')
    if settings.traces:
        _export_traces(settings.traces)
    callers = _token_table(settings)
    metrics = CallMetrics() if settings.metrics and http else None
    offer = TeamOffer(
        settings,
        [_open(api, file.parent) for api in settings.apis],
        report=console.note,
        audit=AuditTrail(file.parent / Path(settings.audit).expanduser()) if settings.audit else None,
        metrics=metrics,
        limits=replace(target.limits(timeout), wait=WAIT_S),
    )
    server = serve_offer(offer, ttl_seconds=settings.ttl_seconds)
    names = ", ".join(api.name for api in settings.apis)
    if http is None:
        _serve_stdio(server, f"{names}: over stdio, as {settings.role}")
        return
    address = _listen_address(file, settings, http)
    options = HttpOptions(
        callers=callers,
        metrics=metrics.text if metrics is not None else None,
        metrics_token=_read(settings.metrics, "[server] metrics") if metrics is not None else "",
        stateless=settings.stateless,
        resource_server=resource_server_of(settings.issuer or None, settings.audience or None, address),
    )

    clients = console.count_noun(len(settings.clients), "client")
    _serve_http(server, address, f"{names}: {clients}", offer.forget_session, options)


def _listen_address(file: Path, settings: TeamSettings, http: str) -> ListenAddress:
    """Return the address to listen on. UsageError where nobody could call, or anybody from another machine."""
    from nlapi.mcp.http import parse_listen_address

    if not settings.clients and not settings.role:
        raise UsageError(f"{file}: nobody may call", hint='[clients.NAME] token = "env:...", or [server] role = "..."')
    # The tokens of the clients are checked at each request, in the place of the one token of the address.
    address = replace(parse_listen_address(http, "of the clients"), token="")
    if settings.role and not address.is_loopback:
        message = f"{file}: {address.host} can be reached from other machines, and [server] role is for whoever calls"
        raise UsageError(message, hint="give each client a token, and no role without one")
    return address


def _open(api: TeamApi, folder: Path) -> OpenApi:
    """Return an API with its credentials. A file is seen from the folder of the settings."""
    from nlapi.mcp.team import OpenApi

    overlays = [_located(overlay, folder) for overlay in api.overlays]
    auth = [f"{scheme}={reference}" for scheme, reference in api.auth.items()]
    opened, values = target.open_target(
        _located(api.source, folder), api.base_url, auth or None, overlays, no_auth=api.no_auth
    )
    opened = _checked(opened, api)
    changes = {scheme: _read(text, f"[apis.{api.name}] change_auth") for scheme, text in api.change_auth.items()}
    return OpenApi(
        api=api, target=opened, change_credentials=changes if changes else None, values={**values, **api.known}
    )


def _checked(opened: Target, api: TeamApi) -> Target:
    """Return the target; UsageError for a credential of a scheme that the API has not."""
    for table, schemes in (("auth", api.auth), ("change_auth", api.change_auth)):
        for scheme in schemes:
            if find_scheme(opened.spec, scheme) is None:
                error = unknown_scheme_error(opened.spec, scheme)
                raise UsageError(f"[apis.{api.name}] {table}: {error.message}", hint=error.hint)
    return opened


def _located(source: str, folder: Path) -> str:
    path = folder / Path(source).expanduser()
    return str(path) if "://" not in source and path.is_file() else source


def _read(reference: str, place: str) -> str:
    """Return the secret that is referred to. CredentialError where it is not there or empty."""
    if not (value := read_reference(reference, place).strip()):
        raise CredentialError(f"{place}: {reference} holds only spaces")
    return value


def _token_table(settings: TeamSettings) -> TokenTable:
    from nlapi.mcp.access import TeamCaller, TokenTable

    tokens: dict[str, TeamCaller] = {}
    subjects = {c.subject: TeamCaller(name=c.name, role=c.role) for c in settings.clients if c.subject}
    for client in settings.clients:
        if client.subject:
            continue
        token = _read(client.token, f"[clients.{client.name}] token")
        if token in tokens:
            raise UsageError(f"[clients.{client.name}] has the token of {tokens[token].name}", hint="give each its own")
        tokens[token] = TeamCaller(name=client.name, role=client.role)
    table = TokenTable.of(tokens, TeamCaller(role=settings.role) if settings.role else None)
    return replace(table, subjects=subjects)


def _export_traces(url: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send the spans that the SDK of MCP makes of each message to a collector."""
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UsageError(
            "[server] traces needs OpenTelemetry, which is not installed", hint=install_hint("otel")
        ) from None
    name = environment.get("OTEL_SERVICE_NAME", "nlapi-mcp")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
