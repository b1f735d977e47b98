"""`nlapi gateway control-plane` starts the gateway that `nlapi gateway serve` starts, with the same options."""

from __future__ import annotations

from pathlib import Path

import typer

from nlapi.cli.gateway.commands import app
from tests.cli.kit import run

# What concerns an Envoy that `serve` runs beside itself, and its example.
OF_SERVE_ALONE = {"example", "data_plane", "envoy", "envoy_workers", "envoy_log"}


def options(command: str) -> dict[str, tuple[object, ...]]:
    """The options of a command: name -> their words and default."""
    group = typer.main.get_command(app)
    parameters = group.commands[command].params  # type: ignore[attr-defined]
    return {item.name: (tuple(item.opts), item.default) for item in parameters}


def test_both_commands_have_the_options_of_a_gateway() -> None:
    serve, control_plane = options("serve"), options("control-plane")
    assert set(serve) - set(control_plane) == OF_SERVE_ALONE
    shared = set(serve) & set(control_plane)
    assert {"allow_key", "allow_source", "keep_revisions", "keep_days", "training_log"} <= shared
    assert {name: serve[name] for name in shared} == {name: control_plane[name] for name in shared}


def test_what_the_gateway_refuses_of_them_is_refused_by_both(tmp_path: Path) -> None:
    words = ["--database", str(tmp_path / "gateway.db"), "--port", "0", "--allow-source"]
    for command in ("serve", "control-plane"):
        refused = run("gateway", command, *words, "models.example.com")
        assert refused.code == 2
        assert "--allow-source models.example.com is not an http, https or file URL" in refused.complaint
