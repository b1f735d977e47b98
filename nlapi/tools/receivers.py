"""Says who gets a request: an API as its description has it, at the origin that the request goes to.

One description may send its operations to several origins, and what one of them has answered is not another's to have.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nlapi.client.message import Request
from nlapi.client.safe_text import single_line
from nlapi.client.server import site_of
from nlapi.errors import UsageError
from nlapi.openapi.spec import Operation, Spec
from nlapi.openapi.urls import parse_url

if TYPE_CHECKING:
    from nlapi.tools.plan import Step


@dataclass(frozen=True, slots=True)
class Receiver:
    """The description of an API with one of the origins that it sends to; "" where it names none."""

    spec: Spec
    site: str

    @property
    def title(self) -> str:
        """Return the title of the description as one line of a text for a person."""
        return single_line(self.spec.title)


def receiver_of(operation: Operation, request: Request | None = None, base_url: str | None = None) -> Receiver:
    """Return the receiver of a call: of its request where it is built, else by the operation's server."""
    if request is not None:
        with suppress(UsageError):
            return Receiver(operation.spec, parse_url(request.url).site)
    return Receiver(operation.spec, site_of(operation, base_url))


def is_of_same_receiver(operation: Operation, other: Operation) -> bool:
    """Return whether two operations go to one origin of one description, by their servers."""
    return operation.spec is other.spec and receiver_of(operation) == receiver_of(other)


@dataclass(frozen=True, slots=True)
class Receivers:
    """The receivers of the calls beside one whose request is built.

    `moved` is the one that all calls of its description go to, where the user has named their place; else None.
    """

    moved: Receiver | None = None

    @classmethod
    def beside(cls, operation: Operation, request: Request) -> Receivers:
        """Return the receivers of calls beside that of an operation with this request."""
        receiver = receiver_of(operation, request)
        return cls(receiver if receiver != receiver_of(operation) else None)

    def of_step(self, step: Step) -> Receiver:
        return self.of(step.call.tool.operation, step.request)

    def of(self, operation: Operation, request: Request | None = None) -> Receiver:
        """Return the receiver of a call."""
        if request is None and self.moved is not None and self.moved.spec is operation.spec:
            return self.moved
        return receiver_of(operation, request)
