"""The gateway as an ASGI application: each request guarded, checked against the description, and answered."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from nlapi.errors import UsageError
from nlapi.gateway.admin import (
    canaries,
    costs,
    crud,
    decisions,
    llm_fronts,
    objective_description,
    revisions,
    system,
    versions,
)
from nlapi.gateway.admin.api_call import MAX_AUDIT_TARGET, ApiCall, ApiResponse, Handler, operation_handlers, with_etag
from nlapi.gateway.admin.watching import WATCH_OPERATIONS
from nlapi.gateway.control.access import ANONYMOUS, Access, Caller, check_permission, format_time, utc_now
from nlapi.gateway.control.canary_watcher import CanaryWatcher, Edit
from nlapi.gateway.control.codec import decode_configuration
from nlapi.gateway.control.cost_watcher import CostWatcher
from nlapi.gateway.control.publisher import GATEWAY_AUTHOR, Publisher, RetentionPolicy
from nlapi.gateway.control.routing_state import RoutingState
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.client_connection import ABORT_EXTENSION, AsgiConnection
from nlapi.gateway.http.description import GatewayOperation, PathRouter, load_description, percent_decode
from nlapi.gateway.http.probes import PROBE_PATHS, probe_response
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.http.request_guard import BodyChecks, RequestGuard, read_body
from nlapi.gateway.llm.protocols import LlmProtocol, front_protocol
from nlapi.gateway.records.logs import EventLog, RequestEntry
from nlapi.gateway.records.metrics import FINE_INTERVAL_S, EventLoopLag, TrafficHistory
from nlapi.gateway.routing_keys.key_ring import KeyRegistration, KeyRing
from nlapi.gateway.routing_keys.key_verifier import (
    DEFAULT_LIFETIME_S,
    KeyAdmission,
    KeySigner,
    KeyVerifier,
    store_audience,
)
from nlapi.gateway.store.database import StoreError
from nlapi.gateway.store.sqlite import IN_MEMORY
from nlapi.gateway.store.store import AuditEntry, GatewayStore, Revision
from nlapi.gateway.versions.artifacts import ArtifactStore
from nlapi.gateway.versions.library import VersionLibrary
from nlapi.gateway.versions.sources import SourceFinder
from nlapi.gateway.workers.boundary import shared_boundary
from nlapi.serving import Message, Receive, Send, raw_path

if TYPE_CHECKING:
    from nlapi.gateway.envoy.data_plane import EnvoyDataPlane


HANDLERS: Mapping[str, Handler] = {
    **crud.HANDLERS,
    **operation_handlers(canaries, costs, revisions, decisions, system, llm_fronts, versions, objective_description),
}
"""operationId -> the function that carries it out."""

SERVE_OPERATIONS = frozenset(("serveObjective", *llm_fronts.SERVE_OPERATIONS))
"""The operations that run a version for a client, within its limits."""
# Seconds between two denials of unknown callers in the audit log: a flood of them must not fill the disk.
DENIAL_LOG_INTERVAL_S = 1.0
# Seconds between two looks for revisions to delete, and looks without a new revision after which their age counts.
PRUNE_INTERVAL_S = 5.0
PRUNE_CHECKS = 720
# Seconds after which the newest revision of a shared database is looked for even if nothing told of it.
FOLLOW_INTERVAL_S = 5.0
_RESPONSE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_log = logging.getLogger(__name__)


class Gateway:
    """The serving gateway as an ASGI application.

    `hosts` are the host names that it accepts besides those of loopback, `retention` says which old revisions stay,
    `sources` are the prefixes of the URLs that versions may come from. Its lifespan publishes the last revision of the
    store and drains the engine, so the server has to support lifespan. `first` is the configuration document for a
    store that has no revision yet. `artifacts` is the folder for the content of versions, which is beside the file of
    a database if not; a shared database has the content too, and what is in the folder is a copy. `keys` sign the
    routing keys of clients, which send their payloads to `data_plane_url`, or to the gateway itself when it is empty;
    they are for `key_audience`, that of the store when it is empty.
    """

    def __init__(
        self,
        store: GatewayStore,
        engine: Engine,
        *,
        hosts: Iterable[str] = (),
        initial_document: Mapping[str, Any] | None = None,
        sources: Iterable[str] = (),
        events: EventLog | None = None,
        retention: RetentionPolicy | None = None,
        keys: KeyRing | None = None,
        key_lifetime_s: int = DEFAULT_LIFETIME_S,
        key_audience: str = "",
        data_plane_url: str = "",
        wall_clock: Callable[[], float] = time.time,
        artifacts: Path | None = None,
    ) -> None:
        self.store = store
        self.engine = engine
        is_apart = store.is_shared or artifacts is not None
        content = ArtifactStore(artifacts) if is_apart else ArtifactStore.beside(store.path)
        if artifacts is not None:
            content.claim()
        if not store.is_shared and store.path != IN_MEMORY:
            shared_boundary.hide(store.path)
        self.library = VersionLibrary(store, content, SourceFinder(engine.models, content, sources))
        engine.runners.use_folders(self.library.folder)
        engine.budgets.table = store.spending
        engine.judge.store = store.add_outcomes
        store.on_pruned(lambda remaining: self._prune_artifacts())
        self.publisher = Publisher(store, engine, library=self.library, allowed_keys=engine.allowed_keys)
        self.routing_state = RoutingState(lambda: self.publisher.current)
        self.publisher.on_published(self.routing_state.notify)
        self.data_plane: EnvoyDataPlane | None = None
        self.data_plane_url = data_plane_url
        # Gateways that share a database are given the keys that they share; without, these are of this process alone.
        self.keys = keys or KeyRing.beside(":memory:" if store.is_shared else store.path, wall_clock=wall_clock)
        is_registered = store.is_shared and keys is not None
        self.key_registration = KeyRegistration(store, self.keys) if is_registered else None
        self.key_audience = audience = key_audience or store_audience(store.id)
        self.key_signer = KeySigner(self.keys, audience=audience, lifetime_s=key_lifetime_s, wall_clock=wall_clock)
        verifier = KeyVerifier(self.keys.verifying_keys, audience=audience, wall_clock=wall_clock)
        self.key_admission = KeyAdmission(self.keys, verifier)
        self.access = Access(store)
        self.traffic = TrafficHistory(engine.metrics.tallies)
        self.loop_lag = EventLoopLag()
        self.failure: Exception | None = None
        """the error that kept it from starting"""
        self.is_draining = False
        """whether the server is about to stop"""
        self._initial_document = initial_document
        self._events = events
        self._retention = retention or RetentionPolicy()
        self._watcher = CanaryWatcher(
            configuration=lambda: self.publisher.current.configuration,
            metrics=engine.metrics,
            commit=self._commit,
            clock=time.monotonic,
            is_leader=lambda: store.database.is_leader,
        )
        self.cost_watcher = CostWatcher(
            configuration=lambda: self.publisher.current.configuration,
            outcomes=lambda rules: costs.live_outcomes(store, rules),
            commit=self._commit,
            is_leader=lambda: store.database.is_leader,
        )
        self._guard = RequestGuard(hosts)
        self._router = PathRouter(load_description().operations.values())
        self._body_checks = BodyChecks()
        self._last_denial_at = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] == "http":
            if self._events is not None:
                await self._respond_logged(self._events, scope, receive, send)
                return
            answer = await self._respond(scope, receive, send)
            if not answer.streamed:
                await _send_response(send, answer, head=scope["method"] == "HEAD")

    def _prune_artifacts(self) -> None:
        """Delete the content of versions that no stored revision has any more."""
        self.library.prune()

    def use_data_plane(self, plane: EnvoyDataPlane) -> None:
        """Let a data plane carry payloads; it starts and stops with the gateway."""
        self.data_plane = plane
        self.data_plane_url = self.data_plane_url or plane.url
        self.publisher.on_published(self._publish_to_plane)
        self.keys.on_change(plane.renew_keys)

    def _publish_to_plane(self) -> None:
        current = self.publisher.current
        if self.data_plane is not None:
            try:
                self.data_plane.publish(current.configuration, current.table.revision)
            except Exception:  # the revision is committed and served; the data plane still uses the one before
                _log.exception("revision %d does not reach the data plane", current.table.revision)

    async def close_data_plane(self) -> None:
        """Drain the data plane while the gateway still serves what comes through it."""
        plane, self.data_plane = self.data_plane, None
        if plane is not None:
            await plane.stop()

    def begin_drain(self) -> None:
        """Let the readiness probe fail from now on; requests are served as before."""
        self.is_draining = True
        if self.data_plane is not None:
            self.data_plane.begin_drain()
        self.routing_state.notify()

    async def flush(self) -> None:
        """Write every decision so far to the store."""
        await self.engine.recorder.flush()

    async def _respond_logged(self, events: EventLog, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, and write its line to the log."""
        started_at = time.perf_counter()
        entry = RequestEntry(method=scope["method"], path=raw_path(scope))
        answer = await self._respond(scope, receive, send, entry)
        if not answer.streamed:
            await _send_response(send, answer, head=scope["method"] == "HEAD")
        ms = (time.perf_counter() - started_at) * 1000
        events.write("request", entry.members(answer.status, answer.headers.get("X-Request-Id", ""), ms))

    async def _respond(
        self, scope: Message, receive: Receive, send: Send, entry: RequestEntry | None = None
    ) -> ApiResponse:
        operation: GatewayOperation | None = None
        caller = ANONYMOUS
        body_pending = False
        path = raw_path(scope)
        if path in PROBE_PATHS and scope["method"] in ("GET", "HEAD"):
            return probe_response(self, path)
        front = front_protocol(path)
        connection: AsgiConnection | None = None
        try:
            headers = self._guard.check(scope["headers"], scope.get("scheme", "http"))
            authorization = llm_fronts.authorization(headers) if front else headers.get("authorization")
            caller = await self.access.authenticate(authorization)
            match = self._router.match(scope["method"], path)
            operation = match.operation
            if entry is not None:
                entry.operation, entry.caller, entry.client = operation.id, caller.name, caller.client
            check_permission(caller, operation.audiences, operation.role)
            # The limit comes before the body: a client over its limits must not cost the time to read and parse it.
            if operation.id in SERVE_OPERATIONS:
                self.engine.check_limit(match.texts.get("objective", ""), caller.client)
                body_pending = True
                abort = scope.get("extensions", {}).get(ABORT_EXTENSION, {}).get("abort")
                connection = AsgiConnection(receive, send, _RESPONSE_HEADERS, abort=abort)
            elif operation.id in WATCH_OPERATIONS:
                connection = AsgiConnection(receive, send, _RESPONSE_HEADERS)
            content = await read_body(receive, headers, operation.max_body_bytes)
            media_type = headers.get("content-type", "")
            call = ApiCall(
                gateway=self,
                operation=operation.id,
                caller=caller,
                path=match.values,
                query=operation.check_query(_parse_query(scope["query_string"])),
                headers=operation.check_headers(headers),
                body=await self._body_checks.run(operation.check_body, content, media_type, caller.name),
                traceparent=headers.get("traceparent", ""),
                accept=headers.get("accept", ""),
                connection=connection,
                target=path,
            )
            body_pending = False
            answer = await HANDLERS[operation.id](call)
            if operation.is_conditional:
                answer = with_etag(answer, headers.get("if-none-match", ""))
        except Exception as error:
            problem = _as_problem(error, operation)
            if entry is not None:
                entry.problem = problem.code
            if body_pending:  # else a flood of invalid requests would pass the client's rate
                self.engine.charge_refused(caller.client)
            await self._audit(operation, caller, path, problem=problem)
            if connection is not None and connection.started:
                return await _end_stream(connection, problem, front)
            return _problem_response(problem, front)
        if answer.streamed and connection is not None:
            await connection.finish()
        if operation.changes and not answer.revision:
            await self._audit(operation, caller, path, audit_detail=answer.audit_detail)
        return answer

    async def _audit(
        self,
        operation: GatewayOperation | None,
        caller: Caller,
        path: str,
        *,
        problem: GatewayProblem | None = None,
        audit_detail: str = "",
    ) -> None:
        """Add an entry to the audit log for a change, made or refused, and for a caller without access."""
        denied = problem is not None and problem.status in (401, 403, 421)
        if not denied and (operation is None or not operation.changes):
            return
        if denied and caller is ANONYMOUS:
            moment = asyncio.get_running_loop().time()
            if moment - self._last_denial_at < DENIAL_LOG_INTERVAL_S:
                return
            self._last_denial_at = moment
        detail = problem.message if problem else audit_detail
        entry = AuditEntry(
            at=format_time(utc_now()),
            who=caller.name,
            action=operation.id if operation else "",
            target=path[:MAX_AUDIT_TARGET],
            outcome="denied" if denied else "refused" if problem else "done",
            detail=detail[:500],
        )
        try:
            await asyncio.to_thread(self.store.add_audit_entry, entry)
        except StoreError:  # what was done is done, and its revision says who did it
            _log.exception("%s of %s is not in the audit log", entry.action, entry.who)

    async def _commit(self, edit: Edit, reason: str) -> Revision:
        """Publish a change that a watcher decided on."""
        return await self.publisher.change(edit, author=GATEWAY_AUTHOR, reason=reason)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
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
                background = (
                    self._sample_traffic(),
                    self._watcher.watch(),
                    self.cost_watcher.watch(),
                    self.loop_lag.watch(),
                    self._prune_revisions(),
                    self.keys.watch(),
                    *([self._follow_store()] if self.store.is_shared else ()),
                    *([self.key_registration.watch()] if self.key_registration else ()),
                )
                tasks = [asyncio.create_task(work) for work in background]
                self.engine.hosts.open()
                await send({"type": "lifespan.startup.complete"})
            else:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self.close_data_plane()
                await self.engine.drain()
                self.library.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        if self.key_registration is not None:
            await asyncio.to_thread(self.key_registration.join)
        await asyncio.to_thread(self.library.start)
        # Decoding 10,000 rules takes 0.4 s of CPU with the cyclic collector running, and 0.2 s without. What a gateway
        # starts with stays: frozen, later collections pass over it and hold up no request.
        with _collector_paused():
            await self.publisher.start()
        gc.freeze()
        await self.access.refresh()  # so that clients are served even if the database is lost before they come
        if self._initial_document is not None and not self.publisher.revision:
            configuration = decode_configuration(load_description().check("Configuration", self._initial_document))
            try:
                await self.publisher.change_versions(
                    lambda before: revisions.keep_buckets(before, configuration),
                    author=GATEWAY_AUTHOR,
                    reason="the first configuration",
                    expected=0,
                    is_admin=True,
                )
            except GatewayProblem as problem:
                if problem.code != "outdated":
                    raise
                _log.warning("another gateway has made the first revision of %s", self.store.path)
        if self.data_plane is not None:
            await self.data_plane.start()

    async def _follow_store(self) -> None:
        """Publish what other gateways commit, as soon as the store tells of it."""
        changed, loop = asyncio.Event(), asyncio.get_running_loop()
        self.store.database.watch(lambda: loop.call_soon_threadsafe(changed.set))
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_INTERVAL_S):
                    await changed.wait()
            changed.clear()
            try:
                await self.access.refresh()
                await self.publisher.follow()
            except (StoreError, GatewayProblem) as error:  # the watch says once when the database is lost
                _log.debug("the database was not followed: %s", error)
            except Exception:
                _log.exception("the newest revision of the database is not served")

    async def _sample_traffic(self) -> None:
        while True:
            self.traffic.tick()
            await asyncio.sleep(FINE_INTERVAL_S)

    async def _prune_revisions(self) -> None:
        pruned_at = -1
        while True:
            # Without a new revision only age makes one superfluous, and that is counted in days.
            for _ in range(PRUNE_CHECKS):
                if self.publisher.revision != pruned_at:
                    break
                await asyncio.sleep(PRUNE_INTERVAL_S)
            pruned_at = self.publisher.revision
            try:
                count = await self.publisher.prune(self._retention)
                if self.store.is_shared and not count:  # another gateway has pruned, and deleted its own copies only
                    await asyncio.to_thread(self._prune_artifacts)
            except Exception:  # a full disk, for example: what is not deleted today is deleted later
                _log.exception("old revisions were not deleted")
            await asyncio.sleep(PRUNE_INTERVAL_S)


@contextmanager
def _collector_paused() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parse_query(query: bytes) -> list[tuple[str, str]]:
    if not query:
        return []
    parts = [part.partition("=") for part in query.decode("latin-1").split("&") if part]
    return [
        (percent_decode(name.replace("+", " ")), percent_decode(value.replace("+", " "))) for name, _, value in parts
    ]


def _as_problem(error: Exception, operation: GatewayOperation | None) -> GatewayProblem:
    """Return the problem that answers an error; an unexpected error is logged, and its text is not sent."""
    if isinstance(error, GatewayProblem):
        return error
    if isinstance(error, UsageError):
        return GatewayProblem(422, error.message, hint=error.hint, code="invalid_request")
    if isinstance(error, StoreError):  # an address or a name of the database is for operators
        _log.warning("%s failed: %s", operation.id if operation else "a request", error)
        detail, hint = "the database of the gateway cannot be used now", "repeat the request later"
        return GatewayProblem(503, error.message, detail=detail, hint=hint, code="store_unavailable")
    _log.error("%s failed", operation.id if operation else "a request", exc_info=error)
    return GatewayProblem(500, "the gateway failed; its log says how", code="internal")


async def _end_stream(connection: AsgiConnection, problem: GatewayProblem, front: LlmProtocol | None) -> ApiResponse:
    """End a stream that failed after its first event with an event that says why."""
    # The status is sent already: without the event a broken answer would look like a whole one.
    event = front.error_event(problem) if front else b"event: error\ndata: " + orjson.dumps(problem.as_dict()) + b"\n\n"
    await connection.finish(event)
    return ApiResponse(body=None, headers={"X-Request-Id": connection.request_id}, streamed=True)


def _problem_response(problem: GatewayProblem, front: LlmProtocol | None = None) -> ApiResponse:
    closes_connection = problem.status == 413 or problem.code == "framing"
    headers = dict(problem.headers) | ({"Connection": "close"} if closes_connection else {})
    if front:  # the clients of that protocol read errors of its form
        return ApiResponse(body=front.error_body(problem), status=problem.status, headers=headers)
    return ApiResponse(
        body=problem.as_dict(), status=problem.status, headers=headers, media_type="application/problem+json"
    )


async def _send_response(send: Send, answer: ApiResponse, *, head: bool) -> None:
    try:
        content = _encode_body(answer.body)
    except (TypeError, UnicodeEncodeError):
        answer = _problem_response(GatewayProblem(502, "the output is not JSON", code="version_failed"))
        content = orjson.dumps(answer.body)
    headers: list[tuple[bytes, bytes]] = []
    if answer.status != 304:
        headers.append((b"content-type", answer.media_type.encode("latin-1")))
        headers.append((b"content-length", b"%d" % len(content)))
    headers += _RESPONSE_HEADERS if "Cache-Control" not in answer.headers else _RESPONSE_HEADERS[:1]
    for name, value in answer.headers.items():
        headers.append((name.lower().encode("latin-1"), str(value).encode("latin-1")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else content})


def _encode_body(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
