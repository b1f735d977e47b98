"""Small versions on disk and configurations of them, for the tests of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

from nlapi.gateway.engine import Engine
from nlapi.routing.model import (
    Client,
    Configuration,
    Field,
    Model,
    Objective,
    Shadow,
    Shard,
    Version,
    VersionRef,
)
from nlapi.routing.table import compile_table as compiled

ECHO = """
    def predict(value: object) -> object:
        return {{"version": "{name}", "input": value}}
"""


def ref(name: str) -> VersionRef:
    """A version of the model "echo"."""
    return VersionRef(model="echo", version=name)


def write(folder: Path, stages: str, manifest: str = "", files: Mapping[str, str] | None = None) -> Path:
    """A version's folder with these stages."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(dedent(manifest), encoding="utf-8")
    (folder / "stages.py").write_text(dedent(stages), encoding="utf-8")
    for name, text in (files or {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def write_echo(root: Path, *names: str) -> None:
    """Versions that answer with their own name and the input."""
    for name in names:
        write(root / name, ECHO.format(name=name))


OBJECTIVE = Objective(name="greet", default=ref("v1"), context=(Field(name="user"), Field(name="country")))


def configuration(
    *versions: str,
    shards: Iterable[Shard] = (),
    remote: Mapping[str, str] | None = None,
    shadows: Iterable[Shadow] = (),
    clients: Iterable[Client] = (),
    **objective: Any,
) -> Configuration:
    """One objective "greet" of the model "echo"; version NAME is in folder NAME, or on the shard `remote` gives it."""
    placed = remote or {}
    made = [Version(model="echo", name=one, source=one, shard=placed.get(one, "local")) for one in versions]
    return Configuration(
        objectives={"greet": replace(OBJECTIVE, **objective)},
        models={"echo": Model(name="echo")},
        versions={one.ref: one for one in made},
        shards={shard.name: shard for shard in (Shard(name="local"), *shards)},
        shadows={shadow.name: shadow for shadow in shadows},
        clients={client.name: client for client in clients},
    )


PATIENCE_S = 120.0
"""Nothing takes this long unless it waits for what does not come."""


def run(folder: Path, body: Callable[[Engine], Awaitable[None]], **options: Any) -> None:
    """`body` with an engine whose versions are in `folder`; it is drained afterwards."""

    async def whole() -> None:
        engine = Engine(models=folder, **options)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await body(engine)
        finally:
            await engine.drain()

    asyncio.run(whole())


async def publish(engine: Engine, given: Configuration, revision: int = 1) -> None:
    """Compile and publish."""
    await engine.publish(compiled(given, revision), given)
