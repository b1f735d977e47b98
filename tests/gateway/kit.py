"""A gateway with three objectives for tests, on a real server in a thread, and a client that speaks to it."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jsonschema import Draft202012Validator

from nlapi.console.gateway.app import GatewayConsole
from nlapi.gateway.control.access import Audience, Role
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.description import load_description
from nlapi.gateway.http.server import DEFAULT_TIMEOUTS, ServerTimeouts, run_in_thread
from nlapi.gateway.records.records import decision_sink
from nlapi.gateway.store.store import GatewayStore

STAGES = """
def predict(value: object) -> object:
    return {{"version": "{name}", "input": value}}
"""
VERSIONS = {"ranker": ("v7", "v8", "v9"), "fraud": ("v1", "v2"), "popular": ("v1",)}
FIELDS = [{"name": name} for name in ("user", "country", "device", "surface")]
CONTEXT = [*FIELDS, {"name": "age", "type": "integer"}]


def document() -> dict[str, Any]:
    """A configuration of three objectives, as JSON, that the caller may change."""
    whole = {
        "objectives": [
            {"name": "continue-watching", "owner": "growth", "model": "ranker", "version": "v7", "context": CONTEXT,
             "input": {"type": "object", "properties": {"titles": {"type": "array", "items": {"type": "string"}}}}},
            {"name": "payment-fraud", "title": "Payment fraud", "owner": "risk", "model": "fraud", "version": "v1",
             "idempotent": False, "context": FIELDS},
            {"name": "recommend", "model": "popular", "version": "v1", "context": FIELDS},
        ],
        "models": [{"name": name} for name in VERSIONS],
        "versions": [
            {"model": model, "version": version, "source": f"{model}-{version}"}
            for model, versions in VERSIONS.items()
            for version in versions
        ],
        "shards": [{"name": "local"}],
        "clients": [{"name": "web"}],
    }  # fmt: skip
    return deepcopy(whole)


def write_models(folder: Path) -> None:
    """The versions' folders: each answers with its own name and its input."""
    for model, versions in VERSIONS.items():
        for version in versions:
            place = folder / f"{model}-{version}"
            place.mkdir(parents=True)
            (place / "model.toml").write_text("", encoding="utf-8")
            (place / "stages.py").write_text(STAGES.format(name=version), encoding="utf-8")


STORES: list[Callable[[Path], GatewayStore]] = [lambda folder: GatewayStore(folder / "gateway.db")]
"""The last one opens the store of a folder; tests/scale/test_postgres_suite.py runs the same tests with another."""


def open_store(folder: Path) -> GatewayStore:
    return STORES[-1](folder)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `json()` is its body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


def as_described(method: str, path: str, reply: Reply) -> None:
    """Is this an answer that the description has for this request?"""
    tree = load_description().tree
    for template, item in tree["paths"].items():
        if method.lower() in item and re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            responses = item[method.lower()]["responses"]
            node = responses.get(str(reply.status)) or responses.get("default")
            assert node is not None, f"{method} {template} describes no {reply.status}"
            if "$ref" in node:
                node = tree["components"]["responses"][node["$ref"].rpartition("/")[2]]
            if reply.status == 304:
                assert not reply.content
                assert "content-type" not in reply.headers
                return
            media_type = reply.headers["content-type"].partition(";")[0]
            assert media_type in node["content"], f"{method} {template} {reply.status} is {media_type}"
            if media_type.endswith("json"):
                schema = {**node["content"][media_type]["schema"], "components": tree["components"]}
                Draft202012Validator(schema).validate(reply.json())
            return


@dataclass
class Talk:
    """Speaks to a gateway as the bearer of one token."""

    port: int
    token: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    app: Gateway | None = None

    def as_(self, name: str) -> Talk:
        """The same gateway as somebody else."""
        return Talk(self.port, self.tokens.get(name, name), self.tokens, self.app)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        **query: Any,
    ) -> Reply:
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None or content is not None:
            given["Content-Type"] = "application/json"
            content = json.dumps(body).encode() if content is None else content
        target = quote(path) + (f"?{urlencode(query)}" if query else "")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, target, body=content, headers={**given, **(headers or {})})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            reply = Reply(answer.status, found, answer.read())
            as_described(method, path, reply)
            return reply
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The body of an answer that has to be a success."""
        answer = self(method, path, body, **query)
        assert 200 <= answer.status < 300, (answer.status, answer.content[:500])
        return answer.json()

    def refused(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The problem of an answer that has to be refused with this status."""
        answer = self(method, path, body, **more)
        assert answer.status == status, (answer.status, answer.content[:500])
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        return problem

    def raw(self, content: bytes) -> bytes:
        """All that a gateway answers to raw bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=120) as sock:
            sock.sendall(content)
            first = sock.recv(65536)
            sock.shutdown(socket.SHUT_WR)
            return first + b"".join(iter(lambda: sock.recv(65536), b""))


@contextmanager
def gateway(
    folder: Path,
    *,
    publish: bool = True,
    hosts: tuple[str, ...] = (),
    timeouts: ServerTimeouts = DEFAULT_TIMEOUTS,
    sources: tuple[str, ...] = (),
    wall_clock: Callable[[], float] = time.time,
    has_pages: bool = False,
) -> Iterator[Talk]:
    """A gateway for as long as the `with` block lasts, spoken to by its admin. Other tokens are in `tokens`."""
    if not (folder / "models").exists():
        write_models(folder / "models")
    store = open_store(folder)
    engine = Engine(models=folder / "models", record=decision_sink(store))
    app = Gateway(store, engine, hosts=hosts, sources=sources, wall_clock=wall_clock)
    tokens = _tokens(app)
    server = GatewayConsole(app, hosts=hosts) if has_pages else app
    with run_in_thread(server, timeouts=timeouts, on_drain=app.begin_drain) as url:
        talk = Talk(int(url.rpartition(":")[2]), tokens["admin"], tokens, app)
        if publish and not app.publisher.revision:
            talk.ok("PUT", "/v1/configuration", document(), why="the first")
        yield talk
    store.close()


@contextmanager
def gateway_again(folder: Path) -> Iterator[Talk]:
    """The gateway of a folder after a restart, whose client `web` has a new token."""
    with gateway(folder) as talk:
        assert talk.app is not None
        talk.tokens["web"] = talk.app.access.create_token(f"web-{talk.port}", Audience.SERVE)[1]
        yield talk


def _tokens(app: Gateway) -> dict[str, str]:
    made = {}
    for role in Role:
        if not any(one.name == role for one in app.store.tokens()):
            made[str(role)] = app.access.create_token(str(role), Audience.ADMIN, role=role)[1]
    if not any(one.name == "web" for one in app.store.tokens()):
        made["web"] = app.access.create_token("web", Audience.SERVE)[1]
    if not made:  # opened again: the old secrets are not known any more
        made["admin"] = app.access.create_token(f"again-{len(app.store.tokens())}", Audience.ADMIN, role=Role.ADMIN)[1]
    return made
