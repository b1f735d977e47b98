"""The refusals of the gateway as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from nlapi.errors import NlapiError
from nlapi.issue import Issue, Level

# Issues in one answer: a configuration of 10,000 rules may have as many faults.
MOST_ISSUES = 50


class Problem(NlapiError):  # noqa: N818 - the name that RFC 9457 gives it
    """A refusal with its HTTP `status`.

    `code` is its kind for programs ("unknown_objective"), `path` the faulty location in the request
    ("body.when.country[0]"), `issues` all faults when there are several, `headers` the extra headers of the answer.
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
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.path = path
        self.issues = tuple(issues)
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, Any]:
        """Return the members of application/problem+json; `errors` has one item for each faulty location."""
        said: dict[str, Any] = {
            # RFC 9457 §4.2.1: without a type of its own a problem is "about:blank", whose title is the status phrase.
            "type": f"urn:nlapi:problem:{self.code}" if self.code else "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
        }
        if self.hint:
            said["hint"] = self.hint
        issues = self.issues or (
            (Issue.error(self.path, self.message.removeprefix(f"{self.path}: ")),) if self.path else ()
        )
        if issues:
            said["errors"] = [issue_as_dict(issue) for issue in issues[:MOST_ISSUES]]
        return said


def issue_as_dict(issue: Issue) -> dict[str, Any]:
    """Return an Issue as specs/gateway.yaml describes it, without empty members."""
    said = {"level": str(issue.level), "where": issue.where, "message": issue.message}
    return said | {key: value for key, value in (("hint", issue.hint), ("rule", issue.rule)) if value}


def not_found(kind: str, name: str, known: Iterable[str]) -> Problem:
    """Return the 404 for a missing object of a `kind` ("objective"); the hint is the nearest of the `known` names."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    some = (
        f"there are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" if names else f"there is no {kind} yet"
    )
    return Problem(
        404,
        f"there is no {kind} {name[:80]!r}",
        code=f"unknown_{kind}",
        hint=f"the nearest is {near[0]}" if near else some,
    )


def unprocessable(issues: Iterable[Issue], *, code: str = "invalid_request", hint: str = "") -> Problem:
    """Return the 422 for invalid values or an invalid configuration; its detail is the first ERROR."""
    found = sorted(issues, key=lambda issue: list(Level).index(issue.level))
    first = found[0]
    wrong = sum(issue.level is Level.ERROR for issue in found)
    rest = f" (and {wrong - 1} more)" if wrong > 1 else ""
    detail = f"{first.where}: {first.message}{rest}" if first.where else f"{first.message}{rest}"
    return Problem(422, detail, code=code, hint=hint or first.hint, path=first.where, issues=found)
