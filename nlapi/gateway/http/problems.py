"""Defines the refusals of the gateway as RFC 9457 problem details, each with its status, code and next step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from nlapi.errors import Issue, Level, NlapiError
from nlapi.gateway.inference import FailureKind, InferenceError
from nlapi.routing.model import VersionRef
from nlapi.suggestions import suggestion

# Issues in one answer: a configuration of 10,000 rules may have as many faults.
MAX_ISSUES = 50

# A client or a proxy may repeat a request after 503 alone: 502 and 504 say that the version may have been executed.
_FAILURES = {
    FailureKind.ERROR: (502, "version_failed", "failed"),
    FailureKind.INVALID: (502, "version_failed", "refused the input, or gave an output that does not fit"),
    FailureKind.TIMEOUT: (504, "version_too_slow", "gave no answer in time"),
    FailureKind.UNAVAILABLE: (503, "version_unavailable", "is not available"),
    FailureKind.OVER_SHARE: (503, "over_share", "was not called, as too many calls are in flight"),
    FailureKind.REFUSED: (400, "refused_by_model", "refused the request"),
    FailureKind.CANCELED: (400, "incomplete", "was not waited for"),
}
"""The status, the code and the text for each failure of a version."""


class GatewayProblem(NlapiError):  # noqa: N818 - the name that RFC 9457 gives it
    """A refusal with its HTTP `status`.

    `code` is its kind for programs ("unknown_objective"), `path` the faulty location in the request
    ("body.when.country[0]"), `issues` all faults when there are several, `headers` the extra headers of the answer.
    `detail` is the message for the caller where the message itself is for operators alone.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        path: str = "",
        issues: Iterable[Issue] = (),
        headers: Mapping[str, str] | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.detail = detail or message
        self.status = status
        self.code = code
        self.path = path
        self.issues = tuple(issues)
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, Any]:
        """Return the members of application/problem+json; `errors` has one item for each faulty location."""
        members: dict[str, Any] = {
            # RFC 9457 §4.2.1: without a type a problem is "about:blank", whose title is the status phrase.
            "type": f"urn:nlapi:problem:{self.code}" if self.code else "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.hint:
            members["hint"] = self.hint
        issues = self.issues or (
            (Issue.error(self.path, self.message.removeprefix(f"{self.path}: ")),) if self.path else ()
        )
        if issues:
            members["errors"] = [issue_json(issue) for issue in issues[:MAX_ISSUES]]
        return members


def issue_json(issue: Issue) -> dict[str, Any]:
    """Return an Issue as specs/gateway.yaml describes it, without empty members."""
    members = {"level": str(issue.level), "where": issue.where, "message": issue.message}
    return members | {key: value for key, value in (("hint", issue.hint), ("rule", issue.rule)) if value}


def unknown_object(kind: str, name: str, known_names: Iterable[str]) -> GatewayProblem:
    """Return the 404 for a missing object of a `kind` ("objective"); the hint is the nearest of the `known_names`."""
    names = sorted(known_names)
    first = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
    listing = first if names else f"there is no {kind} yet"
    return GatewayProblem(
        404,
        f"there is no {kind} {name[:80]!r}",
        code=f"unknown_{kind}",
        hint=suggestion(name, names, otherwise=listing),
    )


def unprocessable(issues: Iterable[Issue], *, code: str = "invalid_request", hint: str = "") -> GatewayProblem:
    """Return the 422 for invalid values or an invalid configuration; its detail is the first ERROR."""
    ordered_issues = sorted(issues, key=lambda issue: list(Level).index(issue.level))
    first = ordered_issues[0]
    error_count = sum(issue.level is Level.ERROR for issue in ordered_issues)
    remainder = f" (and {error_count - 1} more)" if error_count > 1 else ""
    detail = f"{first.where}: {first.message}{remainder}" if first.where else f"{first.message}{remainder}"
    return GatewayProblem(422, detail, code=code, hint=hint or first.hint, path=first.where, issues=ordered_issues)


def invalid_request(message: str, path: str, hint: str = "") -> GatewayProblem:
    """Return the 422 for an input or a context that breaks its schema, at `path` of the request."""
    return GatewayProblem(422, f"{path}: {message}", code="invalid_request", path=path, hint=hint)


def rate_limited(name: str, limit: str, retry_after_s: float, *, kind: str = "client") -> GatewayProblem:
    """Return the 429 for a client, a key or an objective that is over its limit."""
    return GatewayProblem(
        429,
        f"{kind} {name!r} is over its limit of {limit}",
        code="too_many_requests",
        hint="wait as long as Retry-After says",
        headers={"Retry-After": str(max(1, math.ceil(retry_after_s)))},  # RFC 9110 §10.2.3: whole seconds
    )


def version_failed(version: VersionRef, failure: InferenceError, request_id: str = "") -> GatewayProblem:
    """Return the 502, 503 or 504 for a version that failed, when no fallback answered.

    The reason is for operators alone: it names addresses, files and lines of code. The recorded decision has it.
    """
    status, code, text = _FAILURES[failure.kind]
    headers = {"X-Request-Id": request_id} if request_id else {}
    if failure.is_public:
        if failure.status:
            status, code = failure.status, "refused_by_model"
        hint = failure.hint or "send it again later, or give it a fallback version"
        headers |= {"Retry-After": "1"} if status == 503 else {}
        return GatewayProblem(status, f"{version} failed: {failure.message}", code=code, hint=hint, headers=headers)
    cause = f"; GET /v1/decisions/{request_id} has the reason, for operators" if request_id else ""
    hint = f"send it again later, or give the objective a fallback version{cause}"
    if failure.kind is FailureKind.OVER_SHARE:
        hint = "have fewer requests in flight, or raise the shard's concurrency or its share"
    if status == 503:
        headers["Retry-After"] = "1"
    message, detail = f"{version} failed: {failure.message}", f"{version} {text}"
    if failure.kind is FailureKind.OVER_SHARE:  # it names the caller's own objective or client
        message = detail = f"{version} was not called: {failure.message}"
    return GatewayProblem(status, message, code=code, hint=hint, headers=headers, detail=detail)


def other_protocol(objective: str, version: VersionRef, protocol: str, requested_protocol: str) -> GatewayProblem:
    """Return the 400 for a request in the protocol of one LLM that is decided to a version of another protocol."""
    paths = {"openai": "/openai/v1/chat/completions", "anthropic": "/anthropic/v1/messages"}
    path = paths.get(protocol, f"/v1/objectives/{objective}/serve")
    message = f"{objective} is served by {version}, which is not of the protocol {requested_protocol}"
    return GatewayProblem(
        400, message, code="other_protocol", hint=f"send it to {path}, or route it to another version"
    )


def draining_problem() -> GatewayProblem:
    """Return the 503 for a request that arrives while the gateway stops."""
    hint = "send the request again, elsewhere or later"
    return GatewayProblem(503, "the gateway is stopping", code="draining", hint=hint, headers={"Retry-After": "1"})


def unpublished_problem() -> GatewayProblem:
    """Return the 503 for a request before the first revision."""
    return GatewayProblem(
        503, "nothing is published yet", code="unpublished", hint="PUT /v1/configuration makes a revision"
    )


def nearest_or_all(name: str, names: Iterable[str], verb: str = "takes") -> str:
    """Return a hint that names the nearest of the names to `name`, or all of them."""
    ordered = sorted(names)
    return suggestion(name, ordered, otherwise=f"it {verb} {', '.join(ordered) or 'none'}")
