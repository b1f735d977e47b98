"""The refusals of the sandbox, as problem details of RFC 9457."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of a request at a location such as `query.status[0]` or `body.budget.amount`."""

    location: str
    message: str


class RequestProblem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """A refusal. `detail` states the problem and the correct form; `faults` have one entry for each location."""

    def __init__(
        self, status: int, detail: str, *, faults: Iterable[Fault] = (), headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = tuple(headers)

    def as_dict(self) -> dict[str, object]:
        """Return the members of problem+json, with the extension `errors` (§3.2) for faults at single locations."""
        title = HTTPStatus(self.status).phrase
        problem = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        if self.faults:
            problem["errors"] = [{"where": fault.location, "message": fault.message} for fault in self.faults]
        return problem


def unprocessable(faults: Iterable[Fault]) -> RequestProblem:
    """Return the RequestProblem 422 for values that break their schemas."""
    # Clients print `detail` alone, so it has the first fault and the number of the others.
    fault_list = tuple(faults)
    suffix = f" (and {len(fault_list) - 1} more)" if len(fault_list) > 1 else ""
    return RequestProblem(422, f"{fault_list[0].location}: {fault_list[0].message}{suffix}", faults=fault_list)
