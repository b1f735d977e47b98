"""The metrics of a server, in the format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nlapi.mcp.audit import CallRecord

# Seconds; an API answers within milliseconds or, for a report, within a minute.
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class CallMetrics:
    """Counts of calls and their times. Labels are names of the settings, never values of a call."""

    def __init__(self) -> None:
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
        return generate_latest(self._registry)
