"""The problems of serving, each with its status, code and next step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches

from nlapi.gateway.calls import Failed, FailureKind
from nlapi.gateway.problem import Problem
from nlapi.routing.nouns import VersionRef

# A client or a proxy may repeat a request after 503 alone: 502 and 504 say that the version may have been executed.
_STATUS = {
    FailureKind.ERROR: (502, "version_failed"),
    FailureKind.INVALID: (502, "version_failed"),
    FailureKind.TIMEOUT: (504, "version_too_slow"),
    FailureKind.UNAVAILABLE: (503, "version_unavailable"),
}


def invalid(message: str, path: str, hint: str = "") -> Problem:
    """Return the 422 for an input or a context that breaks its schema, at `path` of the request."""
    return Problem(422, f"{path}: {message}", code="invalid_request", path=path, hint=hint)


def too_many(client: str, what: str, retry_after_s: float) -> Problem:
    """Return the 429 for a client that is over its limit."""
    return Problem(
        429,
        f"client {client!r} is over its limit of {what}",
        code="too_many_requests",
        hint="wait as long as Retry-After says",
        headers={"Retry-After": str(max(1, math.ceil(retry_after_s)))},  # RFC 9110 §10.2.3: whole seconds
    )


def failed(version: VersionRef, failure: Failed) -> Problem:
    """Return the 502, 503 or 504 for a version that failed, when no fallback answered."""
    status, code = _STATUS[failure.kind]
    hint = "send it again later, or give the objective a fallback version"
    headers = {"Retry-After": "1"} if status == 503 else {}
    return Problem(status, f"{version} failed: {failure.message}", code=code, hint=hint, headers=headers)


def draining() -> Problem:
    """Return the 503 for a request that arrives while the gateway stops."""
    hint = "send the request again, elsewhere or later"
    return Problem(503, "the gateway is stopping", code="draining", hint=hint, headers={"Retry-After": "1"})


def unpublished() -> Problem:
    """Return the 503 for a request before the first revision."""
    return Problem(503, "nothing is published yet", code="unpublished", hint="publish a configuration")


def declared(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the context field nearest to `name`, or all declared fields."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)  # as in problem.not_found
    if near:
        return f"the nearest is {near[0]}"
    return f"it declares {', '.join(names)}" if names else "it declares none"
