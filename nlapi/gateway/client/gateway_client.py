"""The clients of a gateway, for an event loop and for threads: a cached decision, and the payload sent once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import orjson

from nlapi.errors import ArgumentError, NlapiError, OutcomeUnknownError, SendError, UsageError
from nlapi.gateway.client.decision_cache import DEFAULT_MAX_AGE_S, DEFAULT_MAX_ENTRIES, DecisionCache, ResolvedDecision
from nlapi.gateway.shards.call_headers import CONTEXT_HEADER, JSON_HEADERS, ROUTING_KEY_HEADER, context_json
from nlapi.gateway.shards.client import parse_endpoint
from nlapi.gateway.shards.http_client import AnswerBrokenError, EndpointClient, NoAnswerError, NotSentError
from nlapi.gateway.shards.open_inference import OpenInferenceCodec, TensorCall
from nlapi.routing.model import Context, InputForm, Shard, Version, VersionRef

GATEWAY_PROTOCOL = "gateway"
OPEN_INFERENCE_PROTOCOL = "oip-v2"
_DECIDING = ("rule", "experiment", "cell", "canary", "override")
_PROBLEM_TYPE = "application/problem+json"
# Refusals before anything was run, after which a new key may be accepted. A data plane has no codes beside these.
_KEY_STATUSES = (401, 403, 404)


class _ServingError(NlapiError):
    def __init__(self, status: int, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class ServingRefusedError(_ServingError):
    """The gateway or the data plane refused a request with a 4xx: nothing was run."""

    exit_code = 4


class ServingFailedError(_ServingError):
    """The gateway, the data plane or the version failed with a 5xx."""

    exit_code = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeAnswer:
    """The output of a version, and the decision that chose it."""

    output: Any
    decision: ResolvedDecision
    request_id: str = ""


# A tuple: a frozen dataclass takes 1.5 us to make, and this 0.4.
class RawAnswer(NamedTuple):
    """The status, the media type and the body of an answer."""

    status: int
    media_type: str
    body: bytes
    etag: str = ""
    digest: str = ""
    """the sha256 of the content, in base64, as Repr-Digest has it (RFC 9530)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The content of an answer of resolve."""

    decision: ResolvedDecision
    fields: tuple[str, ...]
    declared: frozenset[str]
    expires_in_s: float


def parse_resolution(body: bytes, base_url: str, data_plane_url: str) -> Resolution:
    """Return the content of an answer of resolve; `data_plane_url` replaces the address in it. SendError."""
    try:
        document = orjson.loads(body)
        decided, destination, configuration = document["decision"], document["destination"], document["objective"]
        decision = ResolvedDecision(
            objective=decided["objective"],
            version=VersionRef(model=decided["model"], version=decided["version"]),
            revision=decided["revision"],
            reason=decided["reason"],
            names={name: decided[name] for name in _DECIDING if name in decided},
            url=_address(destination["url"], base_url, data_plane_url),
            protocol=destination["protocol"],
            codec=_tensor_codec(destination) if destination["protocol"] == OPEN_INFERENCE_PROTOCOL else None,
            routing_key=document.get("routing_key", ""),
            since=document["since"],
            objective_configuration=configuration,
        )
        return Resolution(
            decision=decision,
            fields=tuple(document["fields"]),
            declared=frozenset(field["name"] for field in configuration.get("context", ())),
            expires_in_s=float(document.get("expires_in", 0.0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SendError(
            "the answer of resolve is not that of a gateway", hint=f"check the address: {base_url}"
        ) from None


def _tensor_codec(destination: Mapping[str, Any]) -> OpenInferenceCodec:
    version = Version(
        model="",
        name="",
        input=destination.get("input", {}),
        output=destination.get("output", {}),
        form=InputForm(destination.get("form", InputForm.TENSORS)),
    )
    return OpenInferenceCodec(version, Shard(name=""))


def _address(url: str, base_url: str, data_plane_url: str) -> str:
    if data_plane_url:
        # The path alone is the gateway's to say: the configured address is a listener nearer to this client.
        return data_plane_url + (url if url.startswith("/") else "/" + url.split("://", 1)[1].partition("/")[2])
    return base_url + url if url.startswith("/") else url


def payload_headers(decision: ResolvedDecision, context: Context, token: str, request_id: str) -> dict[str, str]:
    """Return the headers of a payload."""
    headers = dict(JSON_HEADERS)
    if decision.routing_key:
        headers[ROUTING_KEY_HEADER] = decision.routing_key
    if decision.protocol == GATEWAY_PROTOCOL:
        headers["Authorization"] = f"Bearer {token}"
    elif context:
        # A model server must not see the token.
        headers[CONTEXT_HEADER] = context_json(context)
    if request_id:
        headers["X-Request-Id"] = request_id
    return headers


def payload_body(
    decision: ResolvedDecision, content: Any, context: Context, request_id: str
) -> tuple[bytes, TensorCall | None]:
    """Return the body of a payload in the form that its destination takes, and what reading the answer needs of it.

    ArgumentError when the input has no such form.
    """
    if decision.protocol == GATEWAY_PROTOCOL:
        return orjson.dumps({"input": content, "context": context}), None
    if decision.codec is None:
        return orjson.dumps(content), None
    try:
        return decision.codec.encode(content, request_id)
    except ValueError as error:
        raise ArgumentError(
            f"the input has no form as tensors: {error}", hint="see the version's input schema"
        ) from None


def parse_output(
    decision: ResolvedDecision, answer: RawAnswer, request_id: str, call: TensorCall | None
) -> ServeAnswer:
    """Return the output of a version. ServingFailedError when the answer is not of its protocol."""
    try:
        if decision.protocol == GATEWAY_PROTOCOL:
            document = orjson.loads(answer.body)
            return ServeAnswer(
                output=document["output"],
                decision=_served_decision(decision, document["decision"]),
                request_id=document["request_id"],
            )
        if decision.codec is not None and call is not None:
            output = decision.codec.decode(answer.body, call)
        else:
            output = orjson.loads(answer.body)
    except (ValueError, KeyError, TypeError):
        raise ServingFailedError(
            answer.status, f"{decision.version} gave an answer that is not of its protocol", code="version_failed"
        ) from None
    return ServeAnswer(output=output, decision=decision, request_id=request_id)


def _served_decision(decision: ResolvedDecision, decided: Mapping[str, Any]) -> ResolvedDecision:
    """Return the decision that the gateway served by, which may be newer than the client's."""
    version = VersionRef(model=decided["model"], version=decided["version"])
    if version == decision.version and decided["revision"] == decision.revision:
        return decision
    return replace(
        decision,
        version=version,
        revision=decided["revision"],
        reason=decided["reason"],
        names={name: decided[name] for name in _DECIDING if name in decided},
        stale=False,
    )


def is_key_refusal(answer: RawAnswer) -> bool:
    """Return whether a payload was refused before anything was run, as its key or its cell is not good any more."""
    # A model server's own 404 is not a problem document.
    return answer.status in _KEY_STATUSES and answer.media_type == _PROBLEM_TYPE


def answer_error(answer: RawAnswer) -> NlapiError:
    """Return the error for an answer that is not a success."""
    problem: Mapping[str, Any] = {}
    if answer.media_type.endswith("json"):
        try:
            document = orjson.loads(answer.body)
        except ValueError:
            document = None
        problem = document if isinstance(document, dict) else {}
    code = str(problem.get("type", "")).rpartition(":")[2]
    message = str(problem.get("detail") or f"the answer is a {answer.status}")
    error = ServingRefusedError if 400 <= answer.status < 500 else ServingFailedError
    return error(answer.status, message, code=code, hint=str(problem.get("hint", "")))


# Seconds that an idle connection stays open: less than the 75 s of a gateway, and the 3,600 s of Envoy.
IDLE_S = 60.0
CONNECT_S = 2.0
# Seconds of a resolve; it takes about 1 ms where the gateway is well.
RESOLVE_TIMEOUT_S = 2.0
# Seconds that the gateway holds a question about the routing, and from one to the next when it does not.
WATCH_WAIT_S = 30.0
WATCH_PAUSE_S = 1.0
# Seconds beyond the objective's own time, in which the gateway says that its version was too slow.
GRACE_S = 1.0
DEFAULT_TIMEOUT_MS = 1000
MAX_ANSWER_BYTES = 64 * 2**20
_NO_CONTEXT: Context = {}


class AsyncClient:
    """A client of a gateway. Use it in one event loop, and close it.

    `url` is the gateway's address and `token` a token of the serve audience. `data_plane_url` is where payloads go, if
    not where the gateway says. A decision is cached for `max_age_s` seconds, or until the gateway reports a change;
    while the gateway cannot be asked the last one serves, with `stale`, as long as its key is good. UsageError for an
    address that is not a URL.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        data_plane_url: str = "",
        max_age_s: float = DEFAULT_MAX_AGE_S,
        max_entries: int = DEFAULT_MAX_ENTRIES,
        resolve_timeout_s: float = RESOLVE_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = parse_endpoint(url)
        self._data_plane_url = parse_endpoint(data_plane_url) if data_plane_url else ""
        self._token = token
        self._resolve_timeout_s = resolve_timeout_s
        self._http = EndpointClient(IDLE_S)
        self._cache = DecisionCache(max_age_s=max_age_s, max_entries=max_entries, clock=clock)
        self._pending: dict[tuple[object, ...], asyncio.Task[ResolvedDecision]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._watched: tuple[str, ...] = ()
        self.revision = 0
        """the newest revision of the gateway that is known here"""

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        tasks = [task for task in (self._watch, *self._pending.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watch = None
        await self._http.close()

    def cached(self, objective: str, context: Context = _NO_CONTEXT) -> ResolvedDecision | None:
        """Return the decision for a context if it is known here and fresh, or None. Safe in any thread."""
        try:
            return self._cache.fresh(objective, context)
        except TypeError:  # a value that is not a scalar, which the gateway refuses with the reason
            return None

    async def resolve(self, objective: str, context: Context = _NO_CONTEXT) -> ResolvedDecision:
        """Return the decision for a context, from the cache if it is fresh.

        ServingRefusedError when the gateway refuses it, SendError or ServingFailedError when it cannot be asked and no
        decision is left from before.
        """
        return self.cached(objective, context) or await self._resolve_shared(objective, context)

    async def serve(
        self,
        objective: str,
        content: Any,
        context: Context = _NO_CONTEXT,
        *,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> ServeAnswer:
        """Send an input to the version that is decided on, and return its output.

        It is sent once; again with a new key where the first was refused before anything was run. ServingRefusedError
        for a 4xx, ServingFailedError for a 5xx, SendError without an answer, OutcomeUnknownError when the objective is
        not idempotent and may have been served.
        """
        decision = await self.resolve(objective, context)
        answer, call = await self._send_payload(decision, content, context, request_id, timeout_s)
        if is_key_refusal(answer):
            self._cache.drop(decision)
            renewed = await self._resolve_shared(objective, context)
            if renewed.routing_key != decision.routing_key or renewed.url != decision.url:
                decision = renewed
                answer, call = await self._send_payload(decision, content, context, request_id, timeout_s)
        if not 200 <= answer.status < 300:
            raise answer_error(answer)
        served = parse_output(decision, answer, request_id, call)
        if served.decision.version != decision.version:
            self._cache.drop(decision)
        return served

    async def _send_payload(
        self, decision: ResolvedDecision, content: Any, context: Context, request_id: str, timeout_s: float | None
    ) -> tuple[RawAnswer, TensorCall | None]:
        configuration = decision.objective_configuration
        if timeout_s is None:
            timeout_s = _number(configuration.get("timeout_ms"), DEFAULT_TIMEOUT_MS) / 1000 + GRACE_S
        repeatable = configuration.get("idempotent") is not False
        headers = payload_headers(decision, context, self._token, request_id)
        body, call = payload_body(decision, content, context, request_id)
        return await self._post(decision.url, headers, body, timeout_s, repeatable=repeatable), call

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float, *, repeatable: bool
    ) -> RawAnswer:
        unanswered = SendError if repeatable else OutcomeUnknownError
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._http.post(url, headers, body, connect_s=CONNECT_S, repeatable=repeatable)
                try:
                    content = await answer.read_all(MAX_ANSWER_BYTES)
                finally:
                    answer.close()
        except NotSentError as error:
            raise SendError(f"{_origin(url)} does not answer: {error}", hint="nothing was sent; try again") from None
        except NoAnswerError as error:
            raise unanswered(f"{_origin(url)} gave no answer: {error}") from None
        except AnswerBrokenError as error:
            raise unanswered(f"{_origin(url)} gave an answer that is not whole: {error}") from None
        except TimeoutError:
            raise unanswered(f"{_origin(url)} gave no answer within {timeout_s:g} s") from None
        return RawAnswer(status=answer.status, media_type=answer.media_type, body=content)

    async def _resolve_shared(self, objective: str, context: Context) -> ResolvedDecision:
        """Return the gateway's decision; calls with the same context at the same time share one question."""
        try:
            key: tuple[object, ...] = (
                objective,
                *sorted((name, type(value), value) for name, value in context.items()),
            )
            task = self._pending.get(key)
        except TypeError:
            return await self._resolve_now(objective, context)
        if task is None:
            task = self._pending[key] = asyncio.create_task(self._resolve_now(objective, context))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: tuple[object, ...], task: asyncio.Task[ResolvedDecision]) -> None:
        self._pending.pop(key, None)
        if not task.cancelled():
            task.exception()  # looked at here, as every caller may have given up

    async def _resolve_now(self, objective: str, context: Context) -> ResolvedDecision:
        try:
            return await self._ask(objective, context)
        except (SendError, ServingFailedError) as error:
            return self._stale_decision(objective, context, error)
        except ServingRefusedError as error:
            if error.status not in (408, 429):
                raise
            return self._stale_decision(objective, context, error)

    def _stale_decision(self, objective: str, context: Context, error: NlapiError) -> ResolvedDecision:
        try:
            stale = self._cache.stale(objective, context)
        except TypeError:
            stale = None
        if stale is None:
            raise error
        return stale

    async def _ask(self, objective: str, context: Context) -> ResolvedDecision:
        asked_at = self._cache.now()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        url = f"{self._url}/v1/objectives/{quote(objective, safe='')}/resolve"
        body = orjson.dumps({"context": dict(context)})
        answer = await self._post(url, headers, body, self._resolve_timeout_s, repeatable=True)
        if answer.status != 200:
            raise answer_error(answer)
        resolution = parse_resolution(answer.body, self._url, self._data_plane_url)
        decision = resolution.decision
        # The name as it was asked for: `Payment Fraud` is payment-fraud to the gateway.
        if decision.objective == objective and resolution.expires_in_s:
            self._cache.store(
                decision,
                context,
                fields=resolution.fields,
                declared=resolution.declared,
                asked_at=asked_at,
                expires_in_s=resolution.expires_in_s,
            )
            self._watch_objectives()
        self.revision = max(self.revision, decision.revision)
        return decision

    def _watch_objectives(self) -> None:
        """Watch the routing of all cached objectives; the question is asked anew when there is another objective."""
        objectives = self._cache.objectives
        if objectives != self._watched or self._watch is None or self._watch.done():
            if self._watch is not None:
                self._watch.cancel()
            self._watched = objectives
            self._watch = asyncio.create_task(self._watch_routing(objectives))

    async def _watch_routing(self, objectives: tuple[str, ...]) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self._url}/v1/routing?{urlencode({'objectives': ','.join(objectives), 'wait': WATCH_WAIT_S})}"

        async def ask(etag: str) -> RawAnswer:
            tag = {"If-None-Match": etag} if etag else {}
            return await get(self._http, url, {**headers, **tag}, WATCH_WAIT_S + self._resolve_timeout_s)

        async def take(answer: RawAnswer) -> None:
            document = orjson.loads(answer.body)
            self._cache.update(document["objectives"])
            self.revision = max(self.revision, int(document["revision"]))

        await follow(ask, take)


async def get(http: EndpointClient, url: str, headers: Mapping[str, str], timeout_s: float) -> RawAnswer:
    """Return the whole answer to a GET. SendError without one."""
    try:
        async with asyncio.timeout(timeout_s):
            answer = await http.get(url, headers, connect_s=CONNECT_S)
            try:
                body = await answer.read_all(MAX_ANSWER_BYTES)
            finally:
                answer.close()
    except (NotSentError, NoAnswerError, AnswerBrokenError) as error:
        raise SendError(f"{_origin(url)} does not answer: {error}", hint="try again") from None
    except TimeoutError:
        raise SendError(f"{_origin(url)} gave no answer within {timeout_s:g} s", hint="try again") from None
    digest = answer.header("Repr-Digest").removeprefix("sha-256=:").removesuffix(":")
    return RawAnswer(
        status=answer.status, media_type=answer.media_type, body=body, etag=answer.header("ETag"), digest=digest
    )


async def follow(
    ask: Callable[[str], Awaitable[RawAnswer]],
    take: Callable[[RawAnswer], Awaitable[None]],
    etag: str = "",
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Ask without end with the tag of the last answer, and give each new one to `take`.

    `ask` waits at the gateway for up to WATCH_WAIT_S. What cannot be read is asked for again after a pause. `report`
    gets the fault of each answer, "" for a good one.
    """
    pause_s = WATCH_PAUSE_S
    while True:
        started_at = time.monotonic()
        is_good = False
        try:
            answer = await ask(etag)
            if answer.status == 200:
                await take(answer)
                # One without a tag, or with the same, did not wait for a change, and the next may not either.
                is_good, etag, pause_s = answer.etag not in ("", etag), answer.etag, WATCH_PAUSE_S
            elif answer.status == 304:
                is_good = time.monotonic() - started_at > WATCH_PAUSE_S
            report("" if answer.status in (200, 304) else str(answer_error(answer)))
        except (SendError, ValueError, KeyError, TypeError) as error:
            report(str(error))
        if is_good:
            pause_s = WATCH_PAUSE_S
            continue
        # A gateway that is gone, or that stops, is not asked without pause.
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, WATCH_WAIT_S)


def _number(value: object, default: float) -> float:
    return value if isinstance(value, int | float) else default


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


T = TypeVar("T")


class LoopThread:
    """An event loop in a thread of its own, for callers in other threads; the thread starts with the first work."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there, and return its result. UsageError after `close`."""
        return asyncio.run_coroutine_threadsafe(work, self._loop or self._start(work)).result()

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run the last work there if there was any, and end the thread. UsageError in that thread, which goes on."""
        if threading.current_thread() is self._thread:
            last.close()
            raise UsageError("a callback cannot close what calls it", hint="close it in another thread")
        with self._lock:
            self._is_closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            last.close()
            return
        asyncio.run_coroutine_threadsafe(last, loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                work.close()
                raise UsageError("the client is closed", hint="make another one")
            if self._loop is None:
                self._loop = _new_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._loop


class BlockingClient:
    """A client of a gateway that any number of threads may use; `nlapi.gateway.Client`. Close it.

    Its arguments and errors are those of `AsyncClient`.
    """

    # The asynchronous client has the cache, the watch and the connections for all threads. A cached decision is read
    # in the caller's thread; a payload crosses to the other thread and back, which with aiohttp is cheaper than httpx2
    # in the caller's thread (docs/design/042-gateway-clients.md).

    def __init__(
        self,
        url: str,
        token: str,
        *,
        data_plane_url: str = "",
        max_age_s: float = DEFAULT_MAX_AGE_S,
        max_entries: int = DEFAULT_MAX_ENTRIES,
        resolve_timeout_s: float = RESOLVE_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = AsyncClient(
            url,
            token,
            data_plane_url=data_plane_url,
            max_age_s=max_age_s,
            max_entries=max_entries,
            resolve_timeout_s=resolve_timeout_s,
            clock=clock,
        )
        self._loop = LoopThread("nlapi gateway client")

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def revision(self) -> int:
        """The newest revision of the gateway that is known here; 0 before the first answer."""
        return self._client.revision

    def resolve(self, objective: str, context: Context = _NO_CONTEXT) -> ResolvedDecision:
        """Return the decision for a context, from the cache if it is fresh; errors as `AsyncClient.resolve`."""
        return self._client.cached(objective, context) or self._loop.run(self._client.resolve(objective, context))

    def serve(
        self,
        objective: str,
        content: Any,
        context: Context = _NO_CONTEXT,
        *,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> ServeAnswer:
        """Send an input to the version that is decided on, and return its output; errors as `AsyncClient.serve`."""
        return self._loop.run(
            self._client.serve(objective, content, context, request_id=request_id, timeout_s=timeout_s)
        )

    def close(self) -> None:
        """Close its connections and end its thread."""
        self._loop.close(self._client.close())


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # it does not exist for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
