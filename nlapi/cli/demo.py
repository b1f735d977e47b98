"""`nlapi demo`: the main job, on this machine, from beginning to end."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo() -> None:
    """Show the main job."""
