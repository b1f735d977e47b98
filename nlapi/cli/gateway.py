"""`nlapi gateway`: start the serving gateway, make tokens, and show its traffic."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import closing, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from nlapi.cli import console, control_plane, gateway_keys, gateway_state, gateway_traffic
from nlapi.cli import gateway_host as hosting
from nlapi.cli.gateway_client import TOKEN
from nlapi.cli.gateway_keys import DataPlaneUrl, KeyAudience, KeyLifetime, KeyOptions, RoutingKeys
from nlapi.cli.gateway_options import (
    Artifacts,
    Database,
    DatabasePassword,
    DrainDelay,
    DrainTimeout,
    KeepAlive,
    LogFormat,
    LogFormatOption,
    ProbePort,
    ReadTimeout,
    TlsCert,
    TlsClientCa,
    TlsKey,
    add_audit_entry,
    key_base,
    open_database,
    read_certificate,
)
from nlapi.cli.gateway_planes import (
    ENVOY_PORT,
    AccessLog,
    DataPlaneKind,
    DataPlaneOption,
    EnvoyHost,
    EnvoyLog,
    EnvoyPort,
    EnvoyProgram,
    EnvoyWorkers,
    ShardCa,
    ShardCert,
    ShardKey,
    serve_plane,
)
from nlapi.cli.gateway_run import run_gateway
from nlapi.cli.gateway_state import configured_references, read_configuration
from nlapi.cli.options import FLAG
from nlapi.errors import NlapiError, UsageError
from nlapi.extras import require_extra

if TYPE_CHECKING:
    from nlapi.gateway.access import Access
    from nlapi.gateway.app import Gateway
    from nlapi.gateway.logs import EventLog
    from nlapi.gateway.revision_history import RetentionPolicy
    from nlapi.gateway.store import GatewayStore, TokenRecord

SERVE_TOKEN = "NLAPI_SERVE_TOKEN"  # noqa: S105 - the name of a variable; the admin's token stays in the other one
HOST_TOKEN = "NLAPI_HOST_TOKEN"  # noqa: S105 - the name of a variable
# The name of the token of a gateway that has none.
FIRST_TOKEN_NAME = "first-admin"  # noqa: S105 - a name

EXAMPLE = "examples/gateway"

app = typer.Typer(
    name="gateway",
    help="Ask for an objective, get the right model: the serving gateway.",
    no_args_is_help=True,
    epilog="""nlapi gateway serve --example
nlapi gateway status
nlapi ask "what serves continue-watching in Brazil?" -a gateway --auth admin=env:NLAPI_GATEWAY_TOKEN""",
)


class TokenKind(StrEnum):
    """The role of a new token, `serve` for a client's token, or `host` for that of a serving host."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    SERVE = "serve"
    HOST = "host"


_TOKEN_VARIABLES = {TokenKind.SERVE: SERVE_TOKEN, TokenKind.HOST: HOST_TOKEN}

TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="Write the token there, for the user alone; print nothing."),
]


def make_first_token(access: Access, store: GatewayStore, file: Path | None) -> None:
    """Make the admin's token of a gateway that serves and has no token, which nobody could operate otherwise."""
    from nlapi.gateway.access import Audience, Role
    from nlapi.gateway.problems import GatewayProblem

    if not store.tokens():
        try:
            record, secret = access.create_token(FIRST_TOKEN_NAME, Audience.ADMIN, role=Role.ADMIN)
        except GatewayProblem:  # another gateway on the same database has made it just now
            return
        _add_token_entry(store, "createToken", record)
        _deliver_secret(secret, file, "the first token, for an admin; it is shown this once:")


def check_token_file(store: GatewayStore, file: Path | None) -> None:
    """Raise NlapiError when the first token could not be written, before the gateway starts."""
    if file is not None and not store.tokens() and (file.exists() or not file.parent.is_dir()):
        reason = "it is there already" if file.exists() else f"there is no folder {file.parent}"
        raise NlapiError(f"{file} cannot be written: {reason}", hint="name a file that is not there")


def _deliver_secret(secret: str, file: Path | None, description: str, variable: str = TOKEN) -> None:
    """Show a secret on standard error, or write it to a new file that only the user can read."""
    if file is None:
        console.note(f"{description}\n  export {variable}={secret}")
        return
    try:
        # O_EXCL: an existing file may be a link, or may be readable by others.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise NlapiError(f"{file} cannot be written: {error.strerror}", hint="name a file that is not there") from None
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(f"{secret}\n")
    console.note(f"the token is in {file}, for you alone")


def token(
    name: Annotated[str, typer.Argument(help="Whose it is; it stands as who in revisions.")],
    kind: Annotated[
        TokenKind, typer.Option("--for", help="A role, serve for a client that calls, or host.")
    ] = TokenKind.VIEWER,
    client: Annotated[
        str | None, typer.Option("--client", help="The client of a serve token, if not its name.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=0, max=3650, help="How long it is good for; 0 is for ever.")] = 0,
    revoke: Annotated[bool, typer.Option("--revoke", metavar=FLAG, help="Make the token useless instead.")] = False,
    database: Database = None,
    database_password: DatabasePassword = None,
    token_file: TokenFile = None,
) -> None:
    """Make a token for a gateway whose database is on this machine, or a shared one. Its secret is shown once."""
    from nlapi.gateway.access import Access, Audience, Role
    from nlapi.gateway.codec import slug

    store = open_database(database, database_password)
    path = store.path
    try:
        access = Access(store)
        if revoke:
            revoked = access.revoke_token(slug(name))
            if revoked is None:
                raise UsageError(
                    f"there is no token {name!r} in {path}", hint="name another one, or another --database"
                )
            _add_token_entry(store, "revokeToken", revoked)
            console.note(f"{name} is revoked")
            return
        is_client = kind is TokenKind.SERVE
        if client and not is_client:
            raise UsageError("only a serve token has a client", hint="give --for serve")
        is_operator = kind not in (TokenKind.SERVE, TokenKind.HOST)
        audience = Audience.ADMIN if is_operator else Audience(kind)
        role = Role(kind) if is_operator else None
        record, secret = access.create_token(slug(name), audience, role=role, client=slug(client or ""), days=days)
        _add_token_entry(store, "createToken", record)
        description = f"a token for {name} ({kind}) of the gateway whose database is {path}; it is shown this once:"
        _deliver_secret(secret, token_file, description, _TOKEN_VARIABLES.get(kind, TOKEN))
    finally:
        store.close()


def _add_token_entry(store: GatewayStore, action: str, token: TokenRecord) -> None:
    from nlapi.gateway.access import describe_token

    add_audit_entry(store, action, describe_token(token))


@app.command(epilog="nlapi gateway serve --config gateway.json --models models/")
def serve(
    database: Database = None,
    database_password: DatabasePassword = None,
    artifacts: Artifacts = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The first configuration, as JSON or YAML.")
    ] = None,
    models: Annotated[Path | None, typer.Option("--models", metavar="DIR", help="Where versions' sources are.")] = None,
    example: Annotated[
        bool, typer.Option("--example", metavar=FLAG, help="Serve the three objectives that nlapi ships.")
    ] = False,
    allow_source: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-source", metavar="URL", help="What the URL of a version's source may begin with; none by default."
        ),
    ] = None,
    allow_key: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-key",
            metavar="REFERENCE",
            help="A key or file that shards may use: env:NAME, file:PATH or file:FOLDER/; those in --config always.",
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = 8700,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A name it may be called by; * is any.")
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    probe_port: ProbePort = None,
    keep_alive: KeepAlive = 75,
    read_timeout: ReadTimeout = 60,
    drain_timeout: DrainTimeout = 30,
    drain_delay: DrainDelay = 0,
    routing_keys: RoutingKeys = None,
    key_lifetime: KeyLifetime = 900,
    key_audience: KeyAudience = "nlapi",
    data_plane_url: DataPlaneUrl = None,
    data_plane: DataPlaneOption = DataPlaneKind.EMBEDDED,
    envoy: EnvoyProgram = None,
    envoy_host: EnvoyHost = "127.0.0.1",
    envoy_port: EnvoyPort = ENVOY_PORT,
    envoy_workers: EnvoyWorkers = 0,
    envoy_log: EnvoyLog = None,
    envoy_access_log: AccessLog = None,
    shard_ca: ShardCa = None,
    shard_cert: ShardCert = None,
    shard_key: ShardKey = None,
    log_format: LogFormatOption = LogFormat.TEXT,
    token_file: TokenFile = None,
    training_log: Annotated[
        Path | None,
        typer.Option(
            "--training-log", metavar="FILE", help="Add input and output of each real request that was answered."
        ),
    ] = None,
    shadow_log: Annotated[
        Path | None,
        typer.Option("--shadow-log", metavar="FILE", help="Add what each shadow answered, beside what was served."),
    ] = None,
    keep_revisions: Annotated[
        int, typer.Option("--keep-revisions", min=1, metavar="N", help="Never delete the newest N revisions.")
    ] = 1000,
    keep_days: Annotated[
        float,
        typer.Option(
            "--keep-days", min=0, max=36_500, metavar="DAYS", help="Never delete younger revisions; 0: by N only."
        ),
    ] = 30,
) -> None:
    """Start the gateway on this machine, and serve until it is stopped.

    It continues with the last revision of its database, and deletes old ones that nothing needs. When there is no
    token yet, the first one is made and shown once.
    """
    from nlapi.gateway.logs import EventLog
    from nlapi.gateway.revision_history import RetentionPolicy
    from nlapi.gateway.server import ServerTimeouts
    from nlapi.gateway.starting_probes import open_probes

    require_extra("gateway", "`nlapi gateway serve`")
    timeouts = ServerTimeouts(
        keep_alive_s=keep_alive, read_s=read_timeout, drain_s=drain_timeout, drain_delay_s=drain_delay
    )
    if example and (config or models):
        raise UsageError("--example brings its own configuration and models", hint="leave out --config and --models")
    if example:
        from nlapi import bundled

        folder = bundled.folder(EXAMPLE)
        config, models = folder / "configuration.json", folder / "models"
    if port and probe_port == port:
        raise UsageError(f"--port and --probe-port are both {port}", hint="give the probes a port of their own")
    certificate = read_certificate(tls_cert, tls_key, tls_client_ca)
    plane = serve_plane(
        data_plane,
        tls=(tls_cert, tls_key, tls_client_ca),
        shard_files=(shard_ca, shard_cert, shard_key),
        host=envoy_host,
        port=envoy_port,
        program=envoy,
        workers=envoy_workers,
        log=envoy_log,
        access_log=envoy_access_log,
    )
    # Opened before the database, which may take minutes to be brought up to date at the first start of a new nlapi.
    with open_probes(host, probe_port) as probes, closing(open_database(database, database_password)) as store:
        # One gateway at a time serves from a file: two would commit revisions that the other does not serve.
        store.claim()
        # The Host header has brackets around an IPv6 address (RFC 3986 §3.2.2).
        hosts = [f"[{host}]" if ":" in host else host, *(allow_host or ())]
        retention = RetentionPolicy(revisions=keep_revisions, days=keep_days)
        with EventLog(sys.stderr) if log_format is LogFormat.JSON else nullcontext() as events:
            gateway = build_gateway(
                store,
                config,
                models,
                hosts,
                training=training_log,
                shadows=shadow_log,
                sources=allow_source or (),
                keys=allow_key or (),
                events=events,
                retention=retention,
                key_options=KeyOptions(routing_keys, key_lifetime, key_audience, data_plane_url or ""),
                artifacts=artifacts,
            )
            check_token_file(store, token_file)
            run_gateway(
                gateway,
                host,
                port,
                timeouts,
                probes,
                certificate,
                events,
                # Not before: a start that fails would show a token that nothing takes.
                on_ready=lambda: make_first_token(gateway.access, store, token_file),
                plane=plane,
                audience=key_audience,
            )


def build_gateway(
    store: GatewayStore,
    config: Path | None,
    models: Path | None,
    hosts: Iterable[str] = (),
    *,
    training: Path | None = None,
    shadows: Path | None = None,
    sources: Iterable[str] = (),
    keys: Iterable[str] = (),
    events: EventLog | None = None,
    retention: RetentionPolicy | None = None,
    key_options: KeyOptions | None = None,
    artifacts: Path | None = None,
) -> Gateway:
    """Return a gateway on a store.

    `config` is used when the store has none, `training` and `shadows` are log files, `sources` are the prefixes of the
    URLs that versions may come from, and `keys` the references that LLMs may use besides those in `config`. Each
    request and each decision is a line of `events`, if there is such a log. `artifacts` is the folder for the files of
    versions, where they are not beside the database.
    UsageError when one of them cannot be used.
    """
    from nlapi.gateway.allowed_references import AllowedReferences
    from nlapi.gateway.app import Gateway
    from nlapi.gateway.engine import Engine
    from nlapi.gateway.logs import decision_log
    from nlapi.gateway.records import combine_sinks, decision_sink, shadow_log, tracer_from_environment, training_log

    # A file that is not used is not read either: 10,000 rules take a YAML parser 13 s at each start.
    first_document = read_configuration(config) if config and not store.last_number() else None
    references = configured_references(config, first_document)
    if config and store.last_number():
        console.note(f"{config} is not read: the database has revision {store.last_number()} already")
    try:
        sinks = [decision_sink(store), *([shadow_log(shadows)] if shadows else [])]
        sinks += [decision_log(events)] if events else []
        training_recorder = training_log(training) if training else None
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}", hint="name another file") from None
    engine = Engine(
        models=models or Path(),
        record=combine_sinks(*sinks) if len(sinks) > 1 else sinks[0],
        training=training_recorder,
        tracer=tracer_from_environment(os.environ),
        environment=os.environ,
        allowed_keys=AllowedReferences([*keys, *references]),
    )
    for source in sources:
        parts = urlsplit(source)
        if parts.scheme not in ("http", "https", "file") or (parts.scheme != "file" and not parts.hostname):
            raise UsageError(
                f"--allow-source {source} is no http, https or file URL",
                hint="such as https://models.example.com/ranker/",
            )
    return Gateway(
        store,
        engine,
        hosts=hosts,
        initial_document=first_document,
        sources=sources,
        events=events,
        retention=retention,
        **(key_options or KeyOptions()).gateway_arguments(key_base(store), os.environ),
        artifacts=artifacts,
    )


app.command(epilog="nlapi gateway token ana --for operator --days 30")(token)


app.command(epilog=gateway_traffic.STATUS)(gateway_traffic.status)
app.command(epilog=gateway_traffic.TRAFFIC)(gateway_traffic.traffic)
app.command(epilog=hosting.EPILOG)(hosting.host)
app.command(epilog=gateway_state.APPLY)(gateway_state.apply)
app.add_typer(gateway_keys.app)
app.command("control-plane", epilog=control_plane.EXAMPLE)(control_plane.control_plane)
app.command("diff", epilog=gateway_state.DIFF)(gateway_state.diff_file)
app.command(epilog=gateway_state.EXPORT)(gateway_state.export)
