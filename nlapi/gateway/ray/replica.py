"""A replica of a version on Ray Serve: the deployment that Ray builds, and the ASGI application that answers calls."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from nlapi.credential_references import read_reference
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.http.request_guard import RequestGuard, read_body
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.ray.content import fetch_content
from nlapi.gateway.shards.call_headers import (
    CLIENT_HEADER,
    CONTEXT_HEADER,
    OBJECTIVE_HEADER,
    TIMEOUT_HEADER,
    encode_server_timing,
)
from nlapi.gateway.versions.artifacts import ArtifactStore
from nlapi.gateway.workers.processes import SHADOW_NICENESS, SoleRunner, open_sole_runner
from nlapi.routing.model import Context
from nlapi.serving import Message, Receive, Send, send_content

if TYPE_CHECKING:
    from ray.serve import Application

DEPLOYMENT = "HostedVersion"
"""the name of the one deployment of an application"""
MAX_INPUT_BYTES = 4 * 2**20
DEFAULT_TIMEOUT_S = 30.0
"""seconds of a call that does not say how long its answer may take"""
MAX_TIMEOUT_S = 600.0

# 429 alone says that nothing was run, so that a call that is not idempotent may go to another replica.
_STATUS = {
    FailureKind.TIMEOUT: 504,
    FailureKind.UNAVAILABLE: 429,
    FailureKind.OVER_SHARE: 429,
    FailureKind.INVALID: 422,
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSettings:
    """What a replica needs: its content, and the gateways that have it. They are the arguments of the application."""

    digest: str
    shadow: bool
    gateways: tuple[str, ...]
    token: str
    """the reference of a token for hosts, `env:NAME` or `file:PATH`, as the node of the replica has it"""
    data: str = ""
    """the folder on its node that keeps contents; a temporary one when empty"""

    @classmethod
    def from_json(cls, arguments: Mapping[str, Any]) -> ReplicaSettings:
        return cls(**{**arguments, "gateways": tuple(arguments["gateways"])})


class ReplicaApp:
    """The ASGI application of one content: POST with an input gives the output."""

    def __init__(self, runner: SoleRunner) -> None:
        self.runner = runner
        # Any host name, as Envoy passes on that of its client; pages of other sites are refused by their origin.
        self._guard = RequestGuard(("*",))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.runner.close()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        timing, is_gateway = "", False
        try:
            headers = self._guard.check(scope["headers"], scope.get("scheme", "http"))
            # Envoy gives what it gets to the caller, who must not read where code is and how it failed.
            is_gateway = TIMEOUT_HEADER.lower() in headers
            body = await read_body(receive, headers, MAX_INPUT_BYTES)
            if scope["method"] != "POST":
                status, answer = 405, _error_body("a version is called with POST")
            else:
                result = await self.runner.run(_read_request(headers, body), _timeout_s(headers), repeatable=False)
                status, answer, timing = 200, _encode_output(result), encode_server_timing(result.stages)
        except GatewayProblem as problem:
            status, answer = problem.status, _error_body(problem.message)
        except InferenceError as error:
            if not is_gateway and error.kind is FailureKind.ERROR:
                _log.warning("a call failed: %s", error)
            is_public = is_gateway or error.kind is not FailureKind.ERROR
            status = _STATUS.get(error.kind, 500)
            answer = _error_body(str(error) if is_public else "the version failed; the log of its replica says how")
        except Exception:
            _log.exception("a call failed")
            status, answer = 500, _error_body("the replica failed; its log says how")
        extra = [(b"server-timing", timing.encode("latin-1"))] if timing else []
        await send_content(send, status, answer, "application/json", *extra)


def open_app(settings: ReplicaSettings) -> ReplicaApp:
    """Load the content of a replica. NlapiError when it cannot be read or loaded."""
    artifacts = ArtifactStore(Path(settings.data) if settings.data else None)
    # A damaged copy, as of a full disk, is read again.
    if not artifacts.is_sound(settings.digest):
        token = read_reference(settings.token, "--token")
        fetch_content(settings.digest, settings.gateways, token, artifacts)
    folder = artifacts.path(settings.digest)
    if settings.shadow:
        with suppress(OSError):
            os.nice(SHADOW_NICENESS)
    return ReplicaApp(open_sole_runner(folder.name, folder.parent, digest=settings.digest))


_opened: list[ReplicaApp] = []
"""the application of this process, as Ray runs each replica in a process of its own"""


def build(arguments: dict[str, Any]) -> Application:
    """Return the application of a version, as Ray Serve's configuration names it: `nlapi.gateway.ray.replica:build`."""
    from ray import serve

    settings = ReplicaSettings.from_json(arguments)

    def open_once() -> ReplicaApp:
        app = open_app(settings)
        _opened[:] = [app]
        return app

    @serve.ingress(open_once)
    class HostedVersion:
        def check_health(self) -> None:
            """Raise when the version cannot answer any more, so that Ray replaces the replica."""
            for app in _opened:
                app.runner.check_health()

    return serve.deployment(HostedVersion, name=DEPLOYMENT).bind()


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
