"""A JSON client on http.client, independent of nlapi, that seeds servers and looks at their state."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UNAVAILABLE = 503
RETRIES = 10


class StatusError(Exception):
    """An answer of 400 or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Requests to one server on loopback, below `prefix`."""

    port: int
    prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 30.0

    def get(self, path: str) -> Any:
        return self.send("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.send("POST", path, body)

    def delete(self, path: str) -> Any:
        return self.send("DELETE", path)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of the answer, its text where it is no JSON. StatusError for 400 and more."""
        status, text = self.raw(method, path, body)
        for _ in range(RETRIES):
            if status != UNAVAILABLE:
                break
            # Prefect answers so while its database is locked by another request.
            time.sleep(0.2)
            status, text = self.raw(method, path, body)
        if status >= 400:
            raise StatusError(f"{method} {path}: {status} {text[:300]}")
        try:
            return json.loads(text) if text else None
        except ValueError:
            return text

    def answers(self, path: str) -> bool:
        """Tell whether the server answers a GET with less than 400."""
        try:
            return self.raw("GET", path)[0] < 400
        except (OSError, http.client.HTTPException):
            return False

    def raw(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Return the status and the text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.seconds)
        try:
            content = None if body is None else json.dumps(body).encode()
            headers = {"Accept": "application/json", **self.headers}
            if content is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, self.prefix + path, content, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
