"""`nlapi gateway`: start the serving gateway, make tokens, and show its traffic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli import control_plane, gateway_keys, gateway_state, gateway_traffic
from nlapi.cli import gateway_host as hosting
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
    OtlpPercent,
    OtlpUrl,
    ShardCa,
    ShardCert,
    ShardKey,
    read_telemetry,
    serve_plane,
)
from nlapi.cli.gateway_run import DatabaseOptions, ListenOptions, build_gateway, run_gateway
from nlapi.cli.gateway_tokens import TokenFile, token
from nlapi.cli.options import FLAG
from nlapi.errors import UsageError
from nlapi.extras import require_extra

if TYPE_CHECKING:
    from nlapi.gateway.app import Gateway
    from nlapi.gateway.logs import EventLog
    from nlapi.gateway.store import GatewayStore

EXAMPLE = "examples/gateway"

app = typer.Typer(
    name="gateway",
    help="Ask for an objective, get the right model: the serving gateway.",
    no_args_is_help=True,
    epilog="""nlapi gateway serve --example
nlapi gateway status
nlapi ask "what serves continue-watching in Brazil?" -a gateway --auth admin=env:NLAPI_GATEWAY_TOKEN""",
)


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
    otlp: OtlpUrl = None,
    otlp_percent: OtlpPercent = 100,
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
    from nlapi.gateway.revision_history import RetentionPolicy
    from nlapi.gateway.server import ServerTimeouts

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
        otlp=read_telemetry(otlp, otlp_percent),
    )
    # The Host header has brackets around an IPv6 address (RFC 3986 §3.2.2).
    hosts = [f"[{host}]" if ":" in host else host, *(allow_host or ())]

    def build(store: GatewayStore, events: EventLog | None) -> Gateway:
        return build_gateway(
            store,
            config,
            models,
            hosts,
            training=training_log,
            shadows=shadow_log,
            sources=allow_source or (),
            keys=allow_key or (),
            events=events,
            retention=RetentionPolicy(revisions=keep_revisions, days=keep_days),
            key_options=KeyOptions(routing_keys, key_lifetime, key_audience, data_plane_url or ""),
            artifacts=artifacts,
        )

    run_gateway(
        build,
        DatabaseOptions(database, database_password),
        ListenOptions(host, port, probe_port, timeouts, certificate),
        log_format=log_format,
        token_file=token_file,
        plane=plane,
        audience=key_audience,
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
