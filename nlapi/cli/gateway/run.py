"""Builds a gateway of options, and runs its server until it is stopped, with its data plane."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from nlapi.cli.gateway.client import TOKEN
from nlapi.cli.gateway.keys import RoutingKeys, open_ring
from nlapi.cli.gateway.options import (
    Artifacts,
    Database,
    DatabasePassword,
    LogFormat,
    ServerOptions,
    open_database,
)
from nlapi.cli.gateway.state import configured_references, read_configuration
from nlapi.cli.gateway.tokens import TokenFile, check_token_file, make_first_token
from nlapi.cli.options import option, options_of
from nlapi.cli.render import console
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.cli.gateway.planes import PlaneOptions
    from nlapi.gateway.http.app import Gateway
    from nlapi.gateway.http.server import StartingProbes
    from nlapi.gateway.http.tls import ServerCertificate
    from nlapi.gateway.records.logs import EventLog
    from nlapi.gateway.store.store import GatewayStore


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySetup(ServerOptions):
    """The options of the commands that start a gateway, whatever its data plane is."""

    # A field's type carries its option, as in `Setup`.
    database: Database = None
    database_password: DatabasePassword = None
    artifacts: Artifacts = None
    config: Annotated[Path | None, option("--config FILE", "The first configuration, as JSON or YAML.")] = None
    models: Annotated[Path | None, option("--models DIR", "The folder with the sources of versions.")] = None
    allow_source: Annotated[
        list[str] | None,
        option("--allow-source URL", "A prefix that URLs of version sources may have; none by default."),
    ] = None
    allow_key: Annotated[
        list[str] | None,
        option(
            "--allow-key REFERENCE",
            "A key or file that shards may use: env:NAME, file:PATH or file:FOLDER/. Those in --config are allowed.",
        ),
    ] = None
    host: Annotated[str, option("--host", "The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, option("--port -p", "The port; 0 picks a free one.", min=0, max=65535)] = 8700
    allow_host: Annotated[
        list[str] | None, option("--allow-host NAME", "A host name that it accepts; * accepts any.")
    ] = None
    routing_keys: RoutingKeys = None
    key_lifetime: Annotated[
        int,
        option(
            "--key-lifetime SECONDS",
            "How long a routing key is valid, and how long clients keep working while this gateway is down.",
            min=60,
            max=3600,
        ),
    ] = 900
    key_audience: Annotated[
        str | None,
        option(
            "--key-audience NAME",
            "The data plane that accepts the routing keys, such as production. Default: only that of this database.",
        ),
    ] = None
    data_plane_url: Annotated[
        str | None, option("--data-plane-url URL", "Where clients send requests. Default: this gateway.")
    ] = None
    log_format: Annotated[
        LogFormat,
        option("--log-format", "json: a line for each request, decision and message. text: messages only."),
    ] = LogFormat.TEXT
    token_file: TokenFile = None
    training_log: Annotated[
        Path | None, option("--training-log FILE", "Append the input and output of each answered request.")
    ] = None
    shadow_log: Annotated[
        Path | None, option("--shadow-log FILE", "Append each shadow's answer next to the one that was served.")
    ] = None
    keep_revisions: Annotated[int, option("--keep-revisions N", "Never delete the newest N revisions.", min=1)] = 1000
    keep_days: Annotated[
        float,
        option("--keep-days DAYS", "Never delete revisions younger than this; 0: only N counts.", min=0, max=36_500),
    ] = 30

    def host_names(self, others: Iterable[str] = ()) -> list[str]:
        """Return the names that the gateway may be called by, with brackets around an address of IPv6."""
        # The Host header has them too (RFC 3986 §3.2.2).
        return [f"[{self.host}]" if ":" in self.host else self.host, *others, *(self.allow_host or ())]

    def build(self, store: GatewayStore, hosts: Iterable[str] = (), events: EventLog | None = None) -> Gateway:
        """Return a gateway on a store; each request and each decision is a line of `events`, if there is such a log.

        UsageError when an option cannot be used.
        """
        from nlapi.gateway.control.publisher import RetentionPolicy
        from nlapi.gateway.engine import Engine
        from nlapi.gateway.http.app import Gateway
        from nlapi.gateway.records.logs import decision_log
        from nlapi.gateway.records.records import (
            combine_sinks,
            decision_sink,
            shadow_log,
            tracer_from_environment,
            training_log,
        )
        from nlapi.gateway.shards.secret_references import AllowedReferences

        number, config = store.last_number(), self.config
        # A file that is not used is not read either: 10,000 rules take a YAML parser 13 s at each start.
        first_document = read_configuration(config) if config and not number else None
        references = configured_references(config, first_document)
        if config and number:
            console.note(f"{config} is not read: the database has revision {number} already")
        try:
            sinks = [decision_sink(store), *([shadow_log(self.shadow_log)] if self.shadow_log else [])]
            sinks += [decision_log(events)] if events else []
            training = training_log(self.training_log) if self.training_log else None
        except OSError as error:
            raise UsageError(
                f"{error.filename} cannot be written: {error.strerror}", hint="name another file"
            ) from None
        engine = Engine(
            models=self.models or Path(),
            record=combine_sinks(*sinks) if len(sinks) > 1 else sinks[0],
            training=training,
            tracer=tracer_from_environment(os.environ),
            environment=os.environ,
            allowed_keys=AllowedReferences([*(self.allow_key or ()), *references]),
        )
        self._check_urls()
        return Gateway(
            store,
            engine,
            hosts=hosts,
            initial_document=first_document,
            sources=self.allow_source or (),
            events=events,
            retention=RetentionPolicy(revisions=self.keep_revisions, days=self.keep_days),
            keys=open_ring(self.routing_keys, store, os.environ),
            key_lifetime_s=self.key_lifetime,
            key_audience=self.key_audience or "",
            data_plane_url=self.data_plane_url or "",
            artifacts=self.artifacts,
        )

    def _check_urls(self) -> None:
        for source in self.allow_source or ():
            parts = urlsplit(source)
            if parts.scheme not in ("http", "https", "file") or (parts.scheme != "file" and not parts.hostname):
                raise UsageError(
                    f"--allow-source {source} is not an http, https or file URL",
                    hint="such as https://models.example.com/ranker/",
                )
        url = self.data_plane_url or ""
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
            raise UsageError(
                f"--data-plane-url {url} is not an http or https URL", hint="such as http://127.0.0.1:10000"
            )
        if self.key_audience is not None and not self.key_audience.strip():
            raise UsageError("--key-audience is empty", hint="name the data plane, such as production")


setup_options = options_of(GatewaySetup, "setup", is_first=True)
"""Replaces the parameter `setup` of a command by the options of a GatewaySetup."""


def run_gateway(setup: GatewaySetup, plane: PlaneOptions | None, *, names: Iterable[str] = ()) -> None:
    """Open the database, build a gateway on it, and serve until it is stopped; errors that prevent it are raised.

    `names` are those by which it may be called besides `--host` and `--allow-host`.
    """
    from nlapi.gateway.http.server import open_probes
    from nlapi.gateway.records.logs import EventLog

    if setup.port and setup.probe_port == setup.port:
        hint = "give the probes a port of their own"
        raise UsageError(f"--port and --probe-port are both {setup.port}", hint=hint)
    setup.set_boundary(setup.token_file)
    certificate = setup.read_certificate()
    # Opened before the database, which may take minutes to be brought up to date at the first start of a new nlapi.
    with (
        open_probes(setup.host, setup.probe_port) as probes,
        closing(open_database(setup.database, setup.database_password)) as store,
        EventLog(sys.stderr) if setup.log_format is LogFormat.JSON else nullcontext() as events,
    ):
        # One gateway at a time serves from a file: two would commit revisions that the other does not serve.
        store.database.claim()
        hosts = setup.host_names(names)
        gateway = setup.build(store, hosts, events)
        check_token_file(store, setup.token_file)
        # Not before it serves: a start that fails would show a token that nothing takes.
        first_token = partial(make_first_token, gateway.access, store, setup.token_file)
        _serve(gateway, setup, hosts, certificate, probes, events, on_ready=first_token, plane=plane)


def _serve(
    gateway: Gateway,
    setup: GatewaySetup,
    hosts: Iterable[str],
    certificate: ServerCertificate | None,
    probes: StartingProbes | None,
    events: EventLog | None,
    *,
    on_ready: Callable[[], None],
    plane: PlaneOptions | None,
) -> None:
    from nlapi.gateway.http.problems import GatewayProblem
    from nlapi.gateway.http.server import serve as run

    timeouts = setup.timeouts

    def report_ready(url: str) -> None:
        on_ready()
        _show_address(url, notes=events is None)
        if events:
            events.write("ready", {"url": url, "revision": gateway.publisher.revision})

    def on_drain() -> None:
        gateway.begin_drain()
        if events:
            events.write("draining", {"requests_in_flight": gateway.engine.in_flight})

    try:
        run(
            _with_console(gateway, hosts, is_secure=certificate is not None),
            host=setup.host,
            port=setup.port,
            ready=report_ready,
            timeouts=timeouts,
            probe_listener=probes.take() if probes else None,
            on_drain=on_drain,
            certificate=certificate,
            on_bound=lambda url: plane.attach(gateway, url, timeouts) if plane else None,
            before_close=gateway.close_data_plane,
        )
    except SystemExit:
        # uvicorn exits by itself when start-up fails, without the cause.
        if gateway.failure is None:
            raise
    if gateway.failure is not None:
        issues = gateway.failure.issues if isinstance(gateway.failure, GatewayProblem) else ()
        for issue in issues if len(issues) > 1 else ():
            console.note(str(issue))
        raise gateway.failure


def _with_console(gateway: Gateway, hosts: Iterable[str], *, is_secure: bool) -> Any:
    """Return the gateway with its pages in front; the gateway alone without the package that they are made with."""
    if find_spec("jinja2") is None:
        return gateway
    from nlapi.console.gateway.app import GatewayConsole

    return GatewayConsole(gateway, hosts=hosts, is_secure=is_secure)


def _show_address(url: str, *, notes: bool) -> None:
    # The URL alone on standard output, for a script that waits for it.
    console.write(url)
    sys.stdout.flush()
    if not notes:
        return
    console.note(f"the gateway serves on {url}; Ctrl-C stops it. In another terminal:")
    console.note(f'  nlapi ask "which objectives are there?" -a gateway --base-url {url} --auth admin=env:{TOKEN}')
    console.note(f"  nlapi gateway status --base-url {url}")
    if find_spec("jinja2") is not None:
        console.note(f"or in a browser, with the token: {url}/console")
