"""A gateway with nothing but its serving endpoints, on loopback, and a load of requests for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from nlapi.gateway.engine import Engine
from nlapi.gateway.server import running
from nlapi.gateway.serving import MetricsEndpoint, serve_endpoint
from nlapi.routing.nouns import Configuration
from tests.gateway.versions import publish


def client_of(scope: Any) -> str:
    """Clients say who they are, in place of tokens."""
    return dict(scope["headers"]).get(b"x-client", b"").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Gateway:
    """A gateway that runs at `url`; its engine lives in the server's loop."""

    def __init__(self, folder: Path, configuration: Configuration, **options: Any) -> None:
        self.url = ""
        self._folder = folder
        self._first = configuration
        self._options = options
        self._loop: asyncio.AbstractEventLoop
        self.engine: Engine
        self.app = Starlette(lifespan=self._live)

    @asynccontextmanager
    async def _live(self, app: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self.engine = Engine(models=self._folder, **self._options)
        serve = serve_endpoint(self.engine, authorize=client_of)
        app.router.routes.append(Route(serve.PATH, serve, methods=["POST"]))
        app.router.routes.append(Route(MetricsEndpoint.PATH, MetricsEndpoint(self.engine)))
        await publish(self.engine, self._first)
        yield
        await self.engine.drain()

    def publish(self, configuration: Configuration, revision: int) -> None:
        """Publish, and come back when it decides."""
        asyncio.run_coroutine_threadsafe(publish(self.engine, configuration, revision), self._loop).result(60)

    def ask(self, document: Any, objective: str = "greet", **headers: str) -> Answer:
        """One request on a connection of its own. A document of bytes is sent as it is."""
        connection = self.connect()
        try:
            return ask(connection, document, objective, **headers)
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """A connection for several requests."""
        return http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)


def ask(connection: http.client.HTTPConnection, document: Any, objective: str = "greet", **headers: str) -> Answer:
    """One request. Header names are given with underscores."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("content-type", "application/json")
    connection.request("POST", f"/v1/objectives/{objective}/serve", body, named)
    response = connection.getresponse()
    content = response.read()
    return Answer(status=response.status, headers=dict(response.getheaders()), body=json.loads(content))


@contextmanager
def gateway(folder: Path, configuration: Configuration, **options: Any) -> Iterator[Gateway]:
    """A gateway whose versions are in `folder`, for as long as the block lasts."""
    made = Gateway(folder, configuration, **options)
    with running(made.app) as url:
        made.url = url
        yield made


@dataclass(slots=True)
class Load:
    """Requests from several clients at once, until it is stopped."""

    gateway: Gateway
    clients: int = 4
    answers: list[Answer] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Send requests from now on."""
        self._threads = [threading.Thread(target=self._ask_on, args=(number,)) for number in range(self.clients)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the last answers; `stopping` is what stops the clients."""
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.join()

    def _ask_on(self, number: int) -> None:
        connection = self.gateway.connect()
        count = 0
        while not self.stopping.is_set():
            document = {"input": {"n": count}, "context": {"user": f"u{number}-{count % 50}"}}
            self.answers.append(ask(connection, document))
            count += 1
        connection.close()

    def more(self, count: int) -> None:
        """Come back when so many more requests were answered."""
        wanted = len(self.answers) + count
        while len(self.answers) < wanted and any(thread.is_alive() for thread in self._threads):
            self.stopping.wait(0.001)
