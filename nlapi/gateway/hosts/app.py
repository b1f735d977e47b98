"""The serving host as an ASGI application: it runs versions for gateways, and answers probes and metrics."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import unquote

import orjson

from nlapi.gateway.hosts.messages import HostedContent, encode_server_timing
from nlapi.gateway.hosts.registration import HostedVersions, HostIdentity, HostRegistrations
from nlapi.gateway.http.probes import LIVE_PATH, READY_PATH
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.http.request_guard import RequestGuard, read_body
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.records.exposition import escape_label, header_lines
from nlapi.gateway.records.metrics import CONTENT_TYPE, EventLoopLag, process_lines
from nlapi.gateway.shards.call_headers import (
    CLIENT_HEADER,
    CONTEXT_HEADER,
    DIGEST_HEADER,
    MODEL_HEADER,
    OBJECTIVE_HEADER,
    SHADOW_HEADER,
    TIMEOUT_HEADER,
    VERSION_HEADER,
)
from nlapi.gateway.versions.artifacts import ArtifactStore
from nlapi.routing.model import Context, VersionRef
from nlapi.serving import Message, Receive, Send, raw_path, send_content

METRICS_PATH = "/metrics"
MAX_INPUT_BYTES = 4 * 2**20
DEFAULT_TIMEOUT_S = 30.0
"""seconds of a call that does not say how long its answer may take"""
MAX_TIMEOUT_S = 600.0

# 429 and 421 alone say that nothing was run, so that a call that is not idempotent may go to another host.
_STATUS = {
    FailureKind.TIMEOUT: 504,
    FailureKind.UNAVAILABLE: 429,
    FailureKind.OVER_SHARE: 429,
    FailureKind.INVALID: 422,
}
_log = logging.getLogger(__name__)


class ServingHostApp:
    """A serving host. Its lifespan has to be run; `announce` registers it once it accepts calls."""

    def __init__(self, gateways: tuple[str, ...], identity: HostIdentity, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self.versions = HostedVersions(artifacts, self._report)
        self._registrations = HostRegistrations(gateways, identity, self.versions, artifacts)
        self._tasks: list[asyncio.Task[None]] = []
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._lag = EventLoopLag()
        # Any host name, as Envoy passes on that of its client; pages of other sites are refused by their origin.
        self._guard = RequestGuard(("*",))
        self.is_draining = False

    def announce(self, url: str) -> None:
        """Register at the gateways as callable at `url`, from now on. Call it in the event loop that serves."""
        loop = asyncio.get_running_loop()
        works = (self._registrations.run(url), self.versions.run(), self._lag.watch())
        self._tasks += [loop.create_task(work) for work in works]

    def begin_drain(self) -> None:
        """Tell the gateways that it stops; calls that come all the same are served."""
        self.is_draining = True
        if self._tasks:
            self._tasks[0].cancel()  # no further registration
            self._tasks.append(asyncio.get_running_loop().create_task(self._registrations.leave()))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.to_thread(self._artifacts.sweep)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.versions.close()
        self._artifacts.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _report(self) -> None:
        self._registrations.report()

    async def _respond(self, scope: Message, receive: Receive, send: Send) -> None:
        method, path = scope["method"], raw_path(scope)
        if path in ("", "/") and method == "POST":
            await self._serve(scope, receive, send)
        elif method in ("GET", "HEAD") and path in (LIVE_PATH, READY_PATH):
            status = self._readiness() if path == READY_PATH else "ok"
            await _send_json(send, 200 if status == "ok" else 503, {"status": status})
        elif method == "GET" and path == METRICS_PATH:
            text = "\n".join([*chain(self._metric_lines(), self._lag.lines(), process_lines()), ""])
            await send_content(send, 200, text.encode(), CONTENT_TYPE)
        else:
            hint = f"a host takes POST /, and GET {LIVE_PATH}, {READY_PATH} and {METRICS_PATH}"
            await _send_json(send, 404, {"error": "there is no such path", "hint": hint})

    def _readiness(self) -> str:
        if self.is_draining:
            return "draining"
        return "ok" if self.versions.is_complete else "starting"

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        ref = VersionRef(model="", version="")
        try:
            headers = self._guard.check(scope["headers"], scope.get("scheme", "http"))
            ref = VersionRef(
                model=unquote(headers.get(MODEL_HEADER.lower(), "")),
                version=unquote(headers.get(VERSION_HEADER.lower(), "")),
            )
            digest = headers.get(DIGEST_HEADER.lower(), "")
            content = HostedContent(digest=digest, shadow=SHADOW_HEADER.lower() in headers) if digest else None
            version = self.versions.find(content, ref)
            body = await read_body(receive, headers, MAX_INPUT_BYTES)
            if version is None:
                status, answer, timing = 421, _error_body(f"{ref} is not loaded here"), ""
            else:
                with version.call() as runner:
                    request = _read_request(headers, body)
                    result = await runner.run(request, _timeout_s(headers), repeatable=False)
                status, answer, timing = 200, _encode_output(result), encode_server_timing(result.stages)
        except GatewayProblem as problem:
            status, answer, timing = problem.status, _error_body(problem.message), ""
        except InferenceError as error:
            status, answer, timing = _STATUS.get(error.kind, 500), _error_body(str(error)), ""
        except Exception:
            _log.exception("a call of %s failed", ref)
            status, answer, timing = 500, _error_body("the host failed; its log says how"), ""
        # The names of other versions are anybody's, and each would be a time series.
        is_hosted = ref in self.versions.refs
        self._requests[ref.model if is_hosted else "", ref.version if is_hosted else "", status] += 1
        extra = [(b"server-timing", timing.encode("latin-1"))] if timing else []
        await send_content(send, status, answer, "application/json", *extra)

    def _metric_lines(self) -> Iterator[str]:
        yield from header_lines("nlapi_host_requests_total", "counter", "Calls of each version, by the status.")
        for (model, version, status), count in self._requests.items():
            labels = f'model="{escape_label(model)}",version="{escape_label(version)}",status="{status}"'
            yield f"nlapi_host_requests_total{{{labels}}} {count}"
        yield from header_lines("nlapi_host_requests_in_flight", "gauge", "Calls that it works on.")
        yield f"nlapi_host_requests_in_flight {self.versions.in_flight}"
        yield from header_lines("nlapi_host_versions", "gauge", "Contents of versions, by their state.")
        yield f'nlapi_host_versions{{state="ready"}} {len(self.versions.ready)}'
        yield f'nlapi_host_versions{{state="failed"}} {len(self.versions.failed)}'


def _read_request(headers: Mapping[str, str], body: bytes) -> InferenceRequest:
    """Return the call. GatewayProblem 400 when it is not JSON."""
    try:
        # orjson and not `load_json`: the gateway has checked the input, and encodes it with orjson.
        value = orjson.loads(body)
        context: Any = orjson.loads(headers.get(CONTEXT_HEADER.lower(), "{}"))
    except ValueError:
        raise GatewayProblem(400, "the input or the context is not JSON", code="malformed_json") from None
    if not isinstance(context, dict):
        raise GatewayProblem(400, "the context is not a JSON object", code="malformed_json")
    checked: Context = context
    return InferenceRequest(
        input=value,
        context=checked,
        client=unquote(headers.get(CLIENT_HEADER.lower(), "")),
        objective=unquote(headers.get(OBJECTIVE_HEADER.lower(), "")),
        request_id=headers.get("x-request-id", ""),
        traceparent=headers.get("traceparent", ""),
    )


def _timeout_s(headers: Mapping[str, str]) -> float:
    """Return the seconds that a call may take, as its gateway or Envoy says."""
    text = headers.get(TIMEOUT_HEADER.lower()) or headers.get("x-envoy-expected-rq-timeout-ms", "")
    return min(int(text) / 1000, MAX_TIMEOUT_S) if text.isdigit() and len(text) < 10 else DEFAULT_TIMEOUT_S


def _encode_output(result: InferenceResult) -> bytes:
    """Return the output as JSON. InferenceError when it is not."""
    try:
        return orjson.dumps(result.output, option=orjson.OPT_SERIALIZE_NUMPY)
    except (TypeError, UnicodeEncodeError) as error:
        raise InferenceError(FailureKind.ERROR, "the output is not JSON", executed=True) from error


def _error_body(text: str) -> bytes:
    """Return an error in the form of the Open Inference Protocol."""
    return orjson.dumps({"error": text})


async def _send_json(send: Send, status: int, body: Mapping[str, str]) -> None:
    await send_content(send, status, orjson.dumps(body), "application/json")
