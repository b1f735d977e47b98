"""The audit log of a server, one line of JSON a call with its consent and outcome, and its metrics for Prometheus."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlapi.client.answer_fields import FieldFilter
from nlapi.client.masking import MASK, secret_mask
from nlapi.errors import ConsentError, UsageError, file_faults
from nlapi.tools.sending.run import Prepared
from nlapi.tools.tool import Tool

if TYPE_CHECKING:
    from nlapi.mcp.tickets import Ticket


class ConsentKind(StrEnum):
    """Who agreed to a call."""

    NONE = "none"
    """nobody yet"""
    READ = "not needed"
    """it only reads"""
    RULE = "rule"
    """a rule of the policy allows it"""
    CLIENT = "client"
    """the client asks by itself"""
    USER = "user"
    """the user, who was shown the request"""


class CallOutcome(StrEnum):
    """What became of a call."""

    ANSWERED = "answered"
    """the API answered, whatever the status; or the server itself, from what it has"""
    ASKED = "asked"
    """the user is asked; the same call comes again with the answer"""
    REFUSED = "refused"
    """nothing was sent: a rule, a limit, no consent, arguments that do not fit"""
    FAILED = "failed"
    """no answer came, and nothing was changed; or a step of the workflow failed"""
    CANCELLED = "cancelled"
    """the client cancelled it; a change may have been carried out"""
    UNKNOWN = "unknown"
    """it was sent, and a change may have been carried out"""


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """One call as the log has it. It is filled while the call is made."""

    client: str = ""
    role: str = ""
    session: str = ""
    tool: str = ""
    api: str = ""
    operation: str = ""
    effect: str = ""
    arguments: object = None
    request: str = ""
    consent: ConsentKind = ConsentKind.NONE
    outcome: CallOutcome = CallOutcome.REFUSED
    status: int | None = None
    reason: str = ""
    milliseconds: int = 0
    ticket: Ticket | None = field(default=None, repr=False)
    """the question that a person said yes to"""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def take_tool(self, tool: Tool, api: str) -> None:
        """Store what a call is about."""
        self.api, self.operation, self.effect = api, tool.operation.id, tool.effect.value

    def take_request(self, prepared: Prepared, hidden: FieldFilter) -> None:
        """Store the request of a call, without secrets; what models may not see of answers is not part of it either."""
        mask = secret_mask(self.secrets)
        arguments = _without_secrets(prepared.written.arguments, prepared.call.tool)
        self.arguments = mask.value(FieldFilter(hidden=hidden.hidden).value(arguments))
        self.effect = prepared.effect.value
        self.request = mask.text(f"{prepared.request.method} {prepared.request.url}")

    def line(self, time: datetime, event: str) -> bytes:
        """Return the line of the log."""
        fields: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "event": event,
            "client": self.client,
            "role": self.role,
            "session": self.session,
            "tool": self.tool,
            "api": self.api,
            "operation": self.operation,
            "effect": self.effect,
            "arguments": self.arguments,
            "request": self.request,
            "consent": self.consent.value,
        }
        if event == "call":
            reason = secret_mask(self.secrets).text(self.reason)[:500]
            fields |= {"outcome": self.outcome.value, "status": self.status, "reason": reason, "ms": self.milliseconds}
        return json.dumps(fields, default=str, separators=(",", ":")).encode() + b"\n"


def _without_secrets(arguments: Mapping[str, Any], tool: Tool) -> dict[str, Any]:
    """Return the arguments with those masked that the description says are secret (`format: password`, `writeOnly`)."""
    properties = tool.input_schema.get("properties")
    schemas: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
    return {name: MASK if _is_secret(schemas.get(name)) else value for name, value in arguments.items()}


def _is_secret(schema: object) -> bool:
    return isinstance(schema, Mapping) and (schema.get("format") == "password" or schema.get("writeOnly") is True)


class AuditTrail:
    """The file of the log, which only the user may read. `clock` returns the time of a line."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        with file_faults(f"the audit log {path} cannot be written", UsageError):
            os.close(self._open())

    def _open(self) -> int:
        # Opened for each line, so that a file that is moved away by a rotation is made anew.
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _write(self, line: bytes) -> None:
        with self._lock:
            handle = self._open()
            try:
                os.write(handle, line)
            finally:
                os.close(handle)

    def write_sending(self, record: CallRecord) -> None:
        """Write that a change is about to be sent. ConsentError when that cannot be written: then it is not sent."""
        try:
            self._write(record.line(self._clock(), "sending"))
        except OSError as error:
            raise ConsentError(
                f"nothing was sent: the audit log of this server cannot be written ({error.strerror})",
                hint="tell who runs it",
            ) from None

    def write_call(self, record: CallRecord) -> str:
        """Write what became of a call; return why it could not be written, or ""."""
        try:
            self._write(record.line(self._clock(), "call"))
        except OSError as error:
            return f"the audit log cannot be written: {error.strerror}"
        return ""


# Seconds; an API answers within milliseconds or, for a report, within a minute.
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class CallMetrics:
    """Counts of calls and their times. Labels are names of the settings, never values of a call."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = registry = CollectorRegistry()
        labels = ("client", "role", "api", "effect")
        self.running = Gauge("nlapi_mcp_calls_running", "Calls under way.", registry=registry)
        self._calls = Counter(
            "nlapi_mcp_calls", "Calls of tools by what became of them.", (*labels, "outcome"), registry=registry
        )
        self._statuses = Counter("nlapi_mcp_answers", "Answers of the APIs.", ("api", "status"), registry=registry)
        self._seconds = Histogram(
            "nlapi_mcp_call_seconds", "Seconds of a call.", ("api", "effect"), buckets=BUCKETS, registry=registry
        )

    def observe(self, record: CallRecord) -> None:
        """Count a call that has ended."""
        labels = (record.client, record.role, record.api, record.effect)
        self._calls.labels(*labels, record.outcome.value).inc()
        if record.status is not None:
            self._statuses.labels(record.api, f"{record.status // 100}xx").inc()
        self._seconds.labels(record.api, record.effect).observe(record.milliseconds / 1000)

    def text(self) -> bytes:
        """Return all metrics."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)
