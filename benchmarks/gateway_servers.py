"""The servers that benchmarks/gateway.py measures, one a process: `python -m benchmarks.gateway_servers KIND PORT`."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.routing import Route

from nlapi.gateway.control.access import Access, Audience
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.server import serve
from nlapi.gateway.records.records import decision_sink
from nlapi.gateway.store.store import GatewayStore
from nlapi.routing.model import (
    Client,
    Configuration,
    Field,
    Match,
    Model,
    Objective,
    Rule,
    Shadow,
    Shard,
    ShardProtocol,
    Share,
    Version,
    VersionRef,
)

RULES = 220
V1, V2 = (VersionRef(model="noop", version=name) for name in ("v1", "v2"))
COUNTRIES = [first + second for first in ascii_uppercase for second in ascii_uppercase]
CONTEXT = {"user": "u42", "country": COUNTRIES[7], "device": "tv"}
INPUT = {"user": "u1", "titles": [1, 2, 3, 4]}
SLOW_S = 0.5
FLOOD_RATE = 50.0


def configuration(shadow: str = "") -> Configuration:
    """One objective of 220 rules whose versions give back their input; `shadow` is the address of a shadow's shard."""
    schema = {"type": "object", "required": ["titles"], "properties": {"titles": {"type": "array"}}}
    objective = Objective(
        name="noop", default=V1, input=schema, output=schema, timeout_ms=5000,
        context=(Field(name="user"), Field(name="country"), Field(name="device")),
    )  # fmt: skip
    rules = {}
    for number in range(RULES):
        match = Match(when={"country": (COUNTRIES[number],), "device": ("tv",)})
        shares = (Share(version=V1, percent=50.0), Share(version=V2, percent=50.0))
        rules[f"r{number}"] = Rule(name=f"r{number}", objective="noop", match=match, shares=shares, position=number)
    versions = {ref: Version(model="noop", name=ref.version, source=ref.version) for ref in (V1, V2)}
    shards, shadows = {"local": Shard(name="local")}, {}
    if shadow:
        slow = Version(model="noop", name="slow", shard="far")
        versions[slow.ref] = slow
        shards["far"] = Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(shadow,))
        shadows["slow"] = Shadow(name="slow", objective="noop", version=slow.ref)
    return Configuration(
        objectives={"noop": objective},
        models={"noop": Model(name="noop")},
        versions=versions,
        shards=shards,
        rules=rules,
        shadows=shadows,
        clients={"flood": Client(name="flood", rate=FLOOD_RATE, burst=50), "calm": Client(name="calm")},
    )


class Served:
    """The whole gateway as it is served: tokens, checks, routing, a local version, decisions recorded in a file.

    `/roll` publishes a revision, rolls it back and says how long that took. The clients' tokens go to a file.
    """

    def __init__(self, folder: Path, tokens: Path, *, mode: str, record: bool, shadow: str) -> None:
        for name in ("v1", "v2"):
            (folder / name).mkdir()
            (folder / name / "model.toml").write_text(f'[run]\nmode = "{mode}"\n')
            (folder / name / "stages.py").write_text("def predict(value):\n    return value\n")
        self._folder, self._record, self._shadow = folder, record, shadow
        self._store = GatewayStore(folder / "gateway.db")
        access = Access(self._store)
        made = {name: access.create_token(name, Audience.SERVE)[1] for name in ("flood", "calm")}
        tokens.write_text(json.dumps(made))
        self._gateway: Gateway

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            sink = decision_sink(self._store) if self._record else None
            self._gateway = Gateway(self._store, Engine(models=self._folder, record=sink))
            made = configuration(self._shadow)
            await self._gateway.publisher.change(lambda _: made, author="benchmark")
        if scope["type"] == "http" and scope["path"] == "/roll":
            await answer(send, await self._roll())
            return
        await self._gateway(scope, receive, send)

    async def _roll(self) -> dict[str, float]:
        publisher, engine = self._gateway.publisher, self._gateway.engine
        both = publisher.current.configuration
        changed = replace(both, rules={**both.rules, "r0": replace(both.rules["r0"], position=1000)})
        number = (await publisher.change(lambda _: changed, author="benchmark")).number
        before = time.perf_counter()
        rolling = asyncio.create_task(publisher.roll_back(number - 1, author="benchmark"))
        while engine.revision == number:  # noqa: ASYNC110 - the engine tells nobody, and need not
            await asyncio.sleep(0.0002)
        effect = time.perf_counter() - before
        await rolling
        return {"effect_ms": effect * 1000, "told_ms": (time.perf_counter() - before) * 1000}


async def answer(send: Any, document: Mapping[str, Any]) -> None:
    body = orjson.dumps(document)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Echo:
    """Reads JSON and gives it back, after a pause."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        if self._pause_s:
            await asyncio.sleep(self._pause_s)
        await answer(send, orjson.loads(message["body"]))


def bare(pause_s: float = 0.0) -> Starlette:
    """A starlette application that does nothing else."""
    return Starlette(routes=[Route("/{rest:path}", Echo(pause_s), methods=["POST"])])


def main(kind: str, port: str, *more: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if kind.startswith("gateway"):
            tokens, shadow = Path(more[0]), (more[1] if len(more) > 1 else "")
            mode, record = ("process" if kind == "gateway-process" else "inline"), kind != "gateway-quiet"
            app: Any = Served(Path(folder), tokens, mode=mode, record=record, shadow=shadow)
        else:
            app = bare(SLOW_S if kind == "slow" else 0.0)
        serve(app, port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
