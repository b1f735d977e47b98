"""The whole gateway on loopback with a configuration of the tests, and a load of requests for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nlapi.gateway.control.access import Audience, Role
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.server import run_in_thread
from nlapi.gateway.records.records import decision_sink
from nlapi.gateway.store.store import GatewayStore
from nlapi.routing.model import Configuration
from tests.gateway.versions import PATIENCE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Served:
    """A gateway that runs at `url`. Each client that asks has a token of its own."""

    def __init__(self, app: Gateway) -> None:
        self.url = ""
        self.app = app
        self._loop: asyncio.AbstractEventLoop
        self._tokens: dict[str, str] = {}

    @property
    def engine(self) -> Engine:
        return self.app.engine

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._loop = asyncio.get_running_loop()
        await self.app(scope, receive, send)

    def publish(self, configuration: Configuration) -> int:
        """Commit and publish; the number of the revision, which decides when this comes back."""
        change = self.app.publisher.change(lambda _: configuration, author="test")
        return asyncio.run_coroutine_threadsafe(change, self._loop).result(60).number

    def roll_back(self, number: int) -> int:
        """A new revision with the configuration of an old one."""
        back = self.app.publisher.roll_back(number, author="test")
        return asyncio.run_coroutine_threadsafe(back, self._loop).result(60).number

    def token(self, client: str) -> str:
        if client not in self._tokens:
            self._tokens[client] = self.app.access.create_token(client, Audience.SERVE)[1]
        return self._tokens[client]

    def ask(self, document: Any, *, client: str = "web", objective: str = "greet") -> Answer:
        """One request on a connection of its own."""
        with self.connect(client) as ask:
            return ask(document, objective)

    def viewer(self) -> str:
        """A token that may read everything."""
        return self.app.access.create_token("reader", Audience.ADMIN, role=Role.VIEWER)[1]

    @contextmanager
    def connect(self, client: str = "web") -> Iterator[Asking]:
        """A connection for several requests of a client."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=120)
        yield Asking(connection, self.token(client))
        connection.close()


@dataclass(frozen=True, slots=True)
class Asking:
    """Sends requests of one client over one connection."""

    connection: http.client.HTTPConnection
    token: str

    def __call__(self, document: Any, objective: str = "greet") -> Answer:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        self.connection.request("POST", f"/v1/objectives/{objective}/serve", json.dumps(document).encode(), headers)
        response = self.connection.getresponse()
        content = response.read()
        return Answer(status=response.status, headers=dict(response.getheaders()), body=json.loads(content))


@contextmanager
def gateway(folder: Path, configuration: Configuration) -> Iterator[Served]:
    """A gateway whose versions are in `folder`, for as long as the block lasts; the configuration is revision 1."""
    store = GatewayStore()
    served = Served(Gateway(store, Engine(models=folder, record=decision_sink(store))))
    with run_in_thread(served, on_drain=served.app.begin_drain) as url:
        served.url = url
        served.publish(configuration)
        yield served
    store.close()


@dataclass(slots=True)
class Load:
    """Requests from several clients at once, until it is stopped."""

    gateway: Served
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
        count = 0
        with self.gateway.connect(f"client-{number}") as ask:
            while not self.stopping.is_set():
                document = {"input": {"n": count}, "context": {"user": f"u{number}-{count % 50}"}}
                self.answers.append(ask(document))
                count += 1

    def more(self, count: int) -> None:
        """Come back when so many more requests were answered."""
        wanted = len(self.answers) + count
        self.until(lambda: len(self.answers) >= wanted)

    def until(self, condition: Callable[[], bool]) -> None:
        """Come back when it is so. AssertionError when the clients have failed, or it takes too long."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert all(thread.is_alive() for thread in self._threads), "a client of the load failed"
            assert time.monotonic() < end, "what was waited for did not come"
            self.stopping.wait(0.001)
