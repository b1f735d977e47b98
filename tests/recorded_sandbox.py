"""A sandbox behind a recorder: every request that comes is in its log, and a fault may take the place of an answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import httpx2

from nlapi.openapi.spec import Spec
from nlapi.sandbox import running
from tests.servers import Echo, Received, Reply

Fault = Callable[[Received, int], Reply | None]
"""A function of a request and its number, from 0; None: the sandbox answers."""

_PASSED_ON = ("authorization", "content-type", "accept", "idempotency-key")


def no_fault(request: Received, number: int) -> Reply | None:
    return None


class RecordedSandbox(Echo):
    """The sandbox of a Spec on loopback; `received` has the requests in the order in which they came."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.fault: Fault = no_fault
        self._stack = ExitStack()

    def __enter__(self) -> RecordedSandbox:
        sandbox = self._stack.enter_context(running(self.spec))
        self._http = self._stack.enter_context(httpx2.Client(base_url=sandbox.url, timeout=30))
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._stack.close()

    @property
    def log(self) -> list[str]:
        """The requests as `METHOD target`."""
        return [f"{request.method} {request.target}" for request in self.received]

    def reply(self, request: Received) -> Reply:
        return self.fault(request, len(self.received) - 1) or self.forward(request)

    def forward(self, request: Received) -> Reply:
        """Return the sandbox's answer to a request."""
        headers = {name: value for name, value in request.headers if name.lower() in _PASSED_ON}
        answer = self._http.request(request.method, request.target, headers=headers, content=request.body)
        content_type = answer.headers.get("content-type")
        return Reply(answer.status_code, answer.content, {"Content-Type": content_type} if content_type else {})

    def look(self, target: str) -> object:
        """Return what the sandbox has at a path, past the log."""
        answer = self._http.get(target, headers={"authorization": "Bearer any"})
        assert answer.status_code == 200, answer.text
        return answer.json()
