"""The gateway as an ASGI application: each request guarded, checked against the description, and answered."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from nlapi.errors import UsageError
from nlapi.gateway.access import NOBODY, Access, Caller, allow, now, stamp
from nlapi.gateway.addresses import Addresses, decoded
from nlapi.gateway.admin import canaries, decisions, nouns, revisions, system
from nlapi.gateway.admin.call import Answer, Call, Handler
from nlapi.gateway.canary import Edit, Watcher
from nlapi.gateway.codec import decode_configuration
from nlapi.gateway.description import Operation, description
from nlapi.gateway.engine import Engine
from nlapi.gateway.guard import Guard
from nlapi.gateway.kept import Entry, Revision
from nlapi.gateway.problem import Problem
from nlapi.gateway.publish import ITSELF, Publisher
from nlapi.gateway.store import Store
from nlapi.gateway.traffic import FINE_S, Traffic
from nlapi.serving import Message, Receive, Send, raw_path

HANDLERS: Mapping[str, Handler] = {
    **nouns.HANDLERS,
    **canaries.HANDLERS,
    **revisions.HANDLERS,
    **decisions.HANDLERS,
    **system.HANDLERS,
}
"""operationId -> the function that carries it out."""

SERVE = "serveObjective"
# Seconds between two denials of unknown callers in the audit log: a flood of them must not fill the disk.
DENIALS_S = 1.0
# Bytes: a body of this size or more is parsed and validated in a thread, so that other requests are served meanwhile.
LONG = 128 * 1024
# A body that is too large is read up to this multiple of the limit before the connection closes; see `_body`.
SKIPPED = 4
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_log = logging.getLogger(__name__)


class Gateway:
    """The serving gateway as an ASGI application.

    `hosts` are the host names that it accepts besides those of loopback. Its lifespan publishes the last revision of
    the store and drains the engine, so the server has to support lifespan. `first` is the configuration document for a
    store that has no revision yet.
    """

    def __init__(
        self, store: Store, engine: Engine, *, hosts: Iterable[str] = (), first: Mapping[str, Any] | None = None
    ) -> None:
        self.store = store
        self.engine = engine
        self.publisher = Publisher(store, engine)
        self.access = Access(store)
        self.traffic = Traffic(engine.metrics.tallies)
        self.failure: Exception | None = None
        """the error that kept it from starting"""
        self._first = first
        self._watcher = Watcher(
            configuration=lambda: self.publisher.current.configuration,
            metrics=engine.metrics,
            commit=self._commit,
            clock=time.monotonic,
        )
        self._guard = Guard(hosts)
        self._routes = Addresses(description().operations.values())
        self._denied = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            await _send(send, answer, head=scope["method"] == "HEAD")

    async def flush(self) -> None:
        """Write every decision so far to the store."""
        await self.engine.recorder.flush()

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        operation: Operation | None = None
        caller = NOBODY
        unread = False
        path = raw_path(scope)
        try:
            headers = self._guard.check(scope["headers"])
            caller = await self.access.caller(headers.get("authorization"))
            operation, values = self._routes.match(scope["method"], path)
            allow(caller, operation.audiences, operation.role)
            # The limit comes before the body: a client over its limits must not cost the time to read and parse it.
            if operation.id == SERVE:
                self.engine.check_limit(values["objective"], caller.client)
                unread = True
            content = await _body(receive, headers, operation.largest)
            media_type = headers.get("content-type", "")
            call = Call(
                gateway=self,
                operation=operation.id,
                caller=caller,
                path=operation.check_path(values),
                query=operation.check_query(_pairs(scope["query_string"])),
                headers=operation.check_headers(headers),
                body=operation.check_body(content, media_type)
                if len(content) < LONG
                else await asyncio.to_thread(operation.check_body, content, media_type),
                trace=headers.get("traceparent", ""),
            )
            unread = False
            answer = await HANDLERS[operation.id](call)
        except Exception as error:
            problem = _problem(error, operation)
            if unread:  # else a flood of invalid requests would pass the client's rate
                self.engine.spend(caller.client)
            await self._audit(operation, caller, path, problem=problem)
            return _refusal(problem)
        if operation.changes:
            told = f"revision {answer.made}" if answer.made else answer.told
            await self._audit(operation, caller, path, told=told)
        return answer

    async def _audit(
        self, operation: Operation | None, caller: Caller, path: str, *, problem: Problem | None = None, told: str = ""
    ) -> None:
        """Add an entry to the audit log for a change, made or refused, and for a caller without access."""
        denied = problem is not None and problem.status in (401, 403, 421)
        if not denied and (operation is None or not operation.changes):
            return
        if denied and caller is NOBODY:
            moment = asyncio.get_running_loop().time()
            if moment - self._denied < DENIALS_S:
                return
            self._denied = moment
        detail = problem.message if problem else told
        entry = Entry(
            at=stamp(now()),
            who=caller.name,
            action=operation.id if operation else "",
            target=path[:300],
            outcome="denied" if denied else "refused" if problem else "done",
            detail=detail[:500],
        )
        try:
            await asyncio.to_thread(self.store.add_entry, entry)
        except sqlite3.Error:  # what was done is done, and its revision says who did it
            _log.exception("%s of %s is not in the audit log", entry.action, entry.who)

    async def _commit(self, edit: Edit, why: str) -> Revision:
        """Publish a change that the canary watcher decided on."""
        return await self.publisher.change(edit, who=ITSELF, why=why)

    async def _live(self, receive: Receive, send: Send) -> None:
        tasks: list[asyncio.Task[None]] = []
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except Exception as error:
                    self.failure = error
                    await send({"type": "lifespan.startup.failed"})  # whoever started it raises what `failure` is
                    return
                tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._watcher.watch())]
                await send({"type": "lifespan.startup.complete"})
            else:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self.engine.drain()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        await self.publisher.start()
        if self._first is not None and not self.publisher.revision:
            given = decode_configuration(description().check("Configuration", self._first))
            await self.publisher.change(lambda _: given, who=ITSELF, why="the first configuration")

    async def _tick(self) -> None:
        while True:
            self.traffic.tick()
            await asyncio.sleep(FINE_S)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    if not query:
        return []
    parts = [part.partition("=") for part in query.decode("latin-1").split("&") if part]
    return [(decoded(name.replace("+", " ")), decoded(value.replace("+", " "))) for name, _, value in parts]


async def _body(receive: Receive, headers: Mapping[str, str], largest: int) -> bytes:
    """Return the whole body. Problem 413 when it is larger than `largest` bytes, 415 for a content encoding."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "packed bodies are not taken", code="media_type", path="header.content-encoding")
    declared = headers.get("content-length", "0")
    chunks: list[bytes] = []
    size, skips = 0, declared.isdigit() and int(declared) > largest
    if skips and "expect" in headers:  # RFC 9110 §10.1.1: the client waits for an answer before it sends the body
        raise _too_large(largest)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "the client went away before the body was complete", code="incomplete")
        size += len(message.get("body", b""))
        skips = skips or size > largest
        if not skips:
            chunks.append(message.get("body", b""))
        # Closing at once would reset the connection, and a client that still sends would never see the 413.
        if not message.get("more_body", False) or size > SKIPPED * largest:
            break
    if skips:
        raise _too_large(largest)
    return b"".join(chunks)


def _too_large(largest: int) -> Problem:
    return Problem(413, f"the body is larger than {largest:,} bytes", code="too_large", path="body")


def _problem(error: Exception, operation: Operation | None) -> Problem:
    """Return the problem that answers an error; an unexpected error is logged, and its text is not sent."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, UsageError):
        return Problem(422, error.message, hint=error.hint, code="invalid_request")
    _log.error("%s failed", operation.id if operation else "a request", exc_info=error)
    return Problem(500, "the gateway failed; its log says how", code="internal")


def _refusal(problem: Problem) -> Answer:
    closes = problem.status == 413 or problem.code == "framing"
    headers = dict(problem.headers) | ({"Connection": "close"} if closes else {})
    return Answer(body=problem.as_dict(), status=problem.status, headers=headers, media_type="application/problem+json")


async def _send(send: Send, answer: Answer, *, head: bool) -> None:
    try:
        content = answer.body.encode() if isinstance(answer.body, str) else orjson.dumps(answer.body, option=_NUMPY)
    except (TypeError, UnicodeEncodeError):
        answer = _refusal(Problem(502, "the output is not JSON", code="version_failed"))
        content = orjson.dumps(answer.body)
    headers = [
        (b"content-type", answer.media_type.encode("latin-1")),
        (b"content-length", str(len(content)).encode()),
        *_ALWAYS,
        *((name.lower().encode("latin-1"), str(value).encode("latin-1")) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else content})


_NUMPY = orjson.OPT_SERIALIZE_NUMPY
