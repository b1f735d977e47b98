"""What the sandbox says when it refuses: RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with a request. `where` is its place: `query.status[0]`, `body.budget.amount`."""

    where: str
    message: str


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """A refusal. `detail` says what is wrong and what would be right; `faults` name each place."""

    def __init__(
        self, status: int, detail: str, *, faults: Iterable[Fault] = (), headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = tuple(headers)

    def as_dict(self) -> dict[str, Any]:
        """The members of problem+json; `errors` is there when single places are at fault."""
        title = HTTPStatus(self.status).phrase
        problem = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        if self.faults:
            problem["errors"] = [{"where": fault.where, "message": fault.message} for fault in self.faults]
        return problem


def unprocessable(faults: Iterable[Fault]) -> Problem:
    """The 422 for values that break their schemas; its detail is the first fault."""
    found = tuple(faults)
    rest = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Problem(422, f"{found[0].where}: {found[0].message}{rest}", faults=found)
