"""Builds a gateway of options, and runs its server until it is stopped, with its data plane."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nlapi.cli import console
from nlapi.cli.gateway_client import TOKEN
from nlapi.cli.gateway_keys import KeyOptions
from nlapi.cli.gateway_options import LogFormat, key_base, open_database
from nlapi.cli.gateway_state import configured_references, read_configuration
from nlapi.cli.gateway_tokens import check_token_file, make_first_token
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.cli.gateway_planes import PlaneOptions
    from nlapi.gateway.app import Gateway
    from nlapi.gateway.logs import EventLog
    from nlapi.gateway.revision_history import RetentionPolicy
    from nlapi.gateway.server import ServerTimeouts
    from nlapi.gateway.starting_probes import StartingProbes
    from nlapi.gateway.store import GatewayStore
    from nlapi.gateway.tls import ServerCertificate


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """Where a gateway keeps its state: a file or a URL, and the reference to the password of the latter."""

    database: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Where and how a gateway listens."""

    host: str
    port: int
    probe_port: int | None
    timeouts: ServerTimeouts
    certificate: ServerCertificate | None


BuildGateway = Callable[["GatewayStore", "EventLog | None"], "Gateway"]


def run_gateway(
    build: BuildGateway,
    database: DatabaseOptions,
    listen: ListenOptions,
    *,
    log_format: LogFormat,
    token_file: Path | None,
    plane: PlaneOptions | None,
    audience: str,
) -> None:
    """Open the database, build a gateway on it, and serve until it is stopped; errors that prevent it are raised."""
    from nlapi.gateway.logs import EventLog
    from nlapi.gateway.starting_probes import open_probes

    # Opened before the database, which may take minutes to be brought up to date at the first start of a new nlapi.
    with (
        open_probes(listen.host, listen.probe_port) as probes,
        closing(open_database(database.database, database.password)) as store,
        EventLog(sys.stderr) if log_format is LogFormat.JSON else nullcontext() as events,
    ):
        # One gateway at a time serves from a file: two would commit revisions that the other does not serve.
        store.claim()
        gateway = build(store, events)
        check_token_file(store, token_file)
        # Not before it serves: a start that fails would show a token that nothing takes.
        first_token = partial(make_first_token, gateway.access, store, token_file)
        _serve(gateway, listen, probes, events, on_ready=first_token, plane=plane, audience=audience)


def _serve(
    gateway: Gateway,
    listen: ListenOptions,
    probes: StartingProbes | None,
    events: EventLog | None,
    *,
    on_ready: Callable[[], None],
    plane: PlaneOptions | None,
    audience: str,
) -> None:
    from nlapi.gateway.problems import GatewayProblem
    from nlapi.gateway.server import serve as run

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
            gateway,
            host=listen.host,
            port=listen.port,
            ready=report_ready,
            timeouts=listen.timeouts,
            probe_listener=probes.take() if probes else None,
            on_drain=on_drain,
            certificate=listen.certificate,
            on_bound=lambda url: plane.attach(gateway, url, audience, listen.timeouts) if plane else None,
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


def _show_address(url: str, *, notes: bool) -> None:
    # The URL alone on standard output, for a script that waits for it.
    console.write(url)
    sys.stdout.flush()
    if not notes:
        return
    console.note(f"the gateway serves on {url}; Ctrl-C stops it. In another terminal:")
    console.note(f'  nlapi ask "which objectives are there?" -a gateway --base-url {url} --auth admin=env:{TOKEN}')
    console.note(f"  nlapi gateway status --base-url {url}")


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
