"""The problems of serving, each with its status, code and next step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches

from nlapi.gateway.inference import InferenceError, FailureKind
from nlapi.gateway.problem import GatewayProblem
from nlapi.routing.nouns import VersionRef

# A client or a proxy may repeat a request after 503 alone: 502 and 504 say that the version may have been executed.
_FAILURE_STATUS = {
    FailureKind.ERROR: (502, "version_failed"),
    FailureKind.INVALID: (502, "version_failed"),
    FailureKind.TIMEOUT: (504, "version_too_slow"),
    FailureKind.UNAVAILABLE: (503, "version_unavailable"),
}


def invalid_request(message: str, path: str, hint: str = "") -> GatewayProblem:
    """Return the 422 for an input or a context that breaks its schema, at `path` of the request."""
    return GatewayProblem(422, f"{path}: {message}", code="invalid_request", path=path, hint=hint)


def rate_limited(client: str, limit: str, retry_after_s: float) -> GatewayProblem:
    """Return the 429 for a client that is over its limit."""
    return GatewayProblem(
        429,
        f"client {client!r} is over its limit of {limit}",
        code="too_many_requests",
        hint="wait as long as Retry-After says",
        headers={"Retry-After": str(max(1, math.ceil(retry_after_s)))},  # RFC 9110 §10.2.3: whole seconds
    )


def version_failed(version: VersionRef, failure: InferenceError) -> GatewayProblem:
    """Return the 502, 503 or 504 for a version that failed, when no fallback answered."""
    status, code = _FAILURE_STATUS[failure.kind]
    hint = "send it again later, or give the objective a fallback version"
    headers = {"Retry-After": "1"} if status == 503 else {}
    return GatewayProblem(status, f"{version} failed: {failure.message}", code=code, hint=hint, headers=headers)


def draining_problem() -> GatewayProblem:
    """Return the 503 for a request that arrives while the gateway stops."""
    hint = "send the request again, elsewhere or later"
    return GatewayProblem(503, "the gateway is stopping", code="draining", hint=hint, headers={"Retry-After": "1"})


def unpublished_problem() -> GatewayProblem:
    """Return the 503 for a request before the first revision."""
    return GatewayProblem(503, "nothing is published yet", code="unpublished", hint="publish a configuration")


def declared_fields_hint(name: str, fields: Iterable[str]) -> str:
    """Return a hint that names the context field nearest to `name`, or all declared fields."""
    names = sorted(fields)
    matches = get_close_matches(name, names, n=1, cutoff=0.5)  # as in problem.not_found
    if matches:
        return f"the nearest is {matches[0]}"
    return f"it declares {', '.join(names)}" if names else "it declares none"
