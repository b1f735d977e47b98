"""`nlapi gateway`: start the serving gateway, make tokens for it, and watch what it serves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import show, target
from nlapi.cli.gateway_token import TOKEN, Database, TokenFile, database_file, first_token, token
from nlapi.cli.options import FLAG, Auth, ListOutput
from nlapi.cli.table import is_json
from nlapi.errors import CredentialError, NlapiError, UsageError
from nlapi.extras import require_extra

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nlapi.gateway.app import Gateway
    from nlapi.gateway.store import Store

EXAMPLE = "examples/gateway"
EVERY_S = 1.0

app = typer.Typer(
    name="gateway",
    help="Ask for an objective, get the right model: the serving gateway.",
    no_args_is_help=True,
    epilog="""nlapi gateway serve --example
nlapi gateway status
nlapi ask "what serves continue-watching in Brazil?" -a gateway --auth admin=env:NLAPI_GATEWAY_TOKEN""",
)


Url = Annotated[
    str | None,
    typer.Option("--base-url", "--url", metavar="URL", help="Where the gateway is: http://127.0.0.1:8700."),
]
Objective = Annotated[str | None, typer.Argument(metavar="[OBJECTIVE]", help="Only this objective.")]
Minutes = Annotated[int, typer.Option("--minutes", min=1, max=1440, help="How far to look back.")]


@app.command(epilog="nlapi gateway serve --config gateway.json --models models/")
def serve(
    database: Database = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The first configuration, as JSON or YAML.")
    ] = None,
    models: Annotated[Path | None, typer.Option("--models", metavar="DIR", help="Where versions' sources are.")] = None,
    example: Annotated[
        bool, typer.Option("--example", metavar=FLAG, help="Serve the three objectives that nlapi ships.")
    ] = False,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = 8700,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A name it may be called by; * is any.")
    ] = None,
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
) -> None:
    """Start the gateway on this machine, and serve until it is stopped.

    It goes on with the last revision of its database. When that has no token yet, the first one is made and shown
    this once.
    """
    from nlapi.gateway.store import Store

    require_extra("gateway", "`nlapi gateway serve`")
    if example and (config or models):
        raise UsageError("--example brings its own configuration and models", hint="leave out --config and --models")
    if example:
        from nlapi import bundled

        folder = bundled.folder(EXAMPLE)
        config, models = folder / "configuration.json", folder / "models"
    store = Store(database_file(database))
    try:
        store.claim()
        hosts = [f"[{host}]" if ":" in host else host, *(allow_host or ())]
        gateway = make(store, config, models, hosts, training=training_log, shadows=shadow_log)
        first_token(gateway.access, store, token_file)
        _run(gateway, host, port)
    finally:
        store.close()


def make(
    store: Store,
    config: Path | None,
    models: Path | None,
    hosts: Iterable[str] = (),
    *,
    training: Path | None = None,
    shadows: Path | None = None,
) -> Gateway:
    """The gateway on a store; `config` is the first configuration of one that has none, the last are logs."""
    from nlapi.gateway.app import Gateway
    from nlapi.gateway.engine import Engine
    from nlapi.gateway.record import both, shadow_log, training_log
    from nlapi.gateway.recording import recorder
    from nlapi.gateway.trace import configured

    first = _document(config) if config else None
    if first is not None and store.last_number():
        show.note(f"{config} is not read: the database has revision {store.last_number()} already")
    try:
        record = both(recorder(store), shadow_log(shadows)) if shadows else recorder(store)
        learning = training_log(training) if training else None
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}", hint="name another file") from None
    engine = Engine(models=models or Path(), record=record, training=learning, tracer=configured(os.environ))
    return Gateway(store, engine, hosts=hosts, first=first)


def _run(gateway: Gateway, host: str, port: int) -> None:
    """Serves until it is stopped. What kept it from starting is raised: the server itself only exits."""
    from nlapi.gateway.server import serve as run

    try:
        run(gateway, host=host, port=port, ready=_ready)
    except SystemExit:
        if gateway.failure is None:
            raise
    if gateway.failure is not None:
        raise gateway.failure


def _document(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="give a configuration as JSON or YAML") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no configuration", hint="GET /v1/configuration of a gateway gives one")
    return found


def _ready(url: str) -> None:
    show.write(url)
    sys.stdout.flush()
    show.note(f"the gateway serves on {url}; Ctrl-C stops it. In another terminal:")
    show.note(f'  nlapi ask "which objectives are there?" -a gateway --base-url {url} --auth admin=env:{TOKEN}')
    show.note(f"  nlapi gateway status --base-url {url}")


app.command(epilog="nlapi gateway token ana --for operator --days 30")(token)


@app.command(epilog="nlapi gateway status continue-watching --once")
def status(
    objective: Objective = None,
    url: Url = None,
    auth: Auth = None,
    minutes: Minutes = 5,
    once: Annotated[bool, typer.Option("--once", metavar=FLAG, help="Show it once, not again each second.")] = False,
    output: ListOutput = None,
) -> None:
    """Show how each version is doing: its share, requests a second, latency and errors. Ctrl-C stops it."""
    from nlapi.cli import gateway_view as view

    ask = _Asking(url, auth)
    only = {"objective": objective} if objective else {}

    def traffic() -> Any:
        return ask("getTraffic", {"minutes": minutes, **only})

    def drawn() -> RenderableType:
        named = ask("getObjective", only) if only else None
        objectives = [named] if named else ask("listObjectives", {"limit": 200})["data"]
        return view.status(traffic(), objectives, ask("listCanaries", {"limit": 200, **only})["data"])

    if is_json(output):
        show.write(show.json_text(traffic()))
    elif once:
        view.draw(drawn())
    else:
        view.live(drawn, EVERY_S)


@app.command(epilog="nlapi gateway traffic continue-watching --minutes 30")
def traffic(
    objective: Objective = None, url: Url = None, auth: Auth = None, minutes: Minutes = 15, output: ListOutput = None
) -> None:
    """Plot how the shares of the traffic moved between versions."""
    from nlapi.cli.gateway_view import draw, history_plot

    query = {"minutes": minutes, "points": 60, **({"objective": objective} if objective else {})}
    found = _Asking(url, auth)("getTrafficHistory", query)
    if is_json(output):
        show.write(show.json_text(found))
    else:
        draw(history_plot(found["data"], minutes))


class _Asking:
    """Calls operations of the gateway, through the same pipeline as every other API."""

    def __init__(self, url: str | None, auth: list[str] | None) -> None:
        given = auth or ([f"admin=env:{TOKEN}"] if os.environ.get(TOKEN) else [])
        self._target, _ = target.open_target("gateway", url, given)

    def __call__(self, operation: str, arguments: dict[str, Any]) -> Any:
        import nlapi

        credentials = self._target.credentials
        if not credentials:
            raise CredentialError(
                f"the gateway wants a token, and the environment has no {TOKEN}",
                hint=f"export {TOKEN}=..., which `nlapi gateway serve` shows once, or `nlapi gateway token NAME` makes",
            )
        result = nlapi.call(
            self._target.spec, operation, arguments, base_url=self._target.base_url, auth=dict(credentials)
        )
        if not result.ok:
            problem = result.data if isinstance(result.data, dict) else {}
            raise NlapiError(
                f"the gateway answered {result.status}: {problem.get('detail', '')}", hint=str(problem.get("hint", ""))
            )
        return result.data
