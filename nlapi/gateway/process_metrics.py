"""Metrics of the gateway as a process: requests by client, the event loop, and what the operating system counts."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate

from nlapi.gateway.exposition import escape_label, header_lines
from nlapi.version import __version__

# Each client is three time series and more in Prometheus, for ever. Those beyond this number are one label value.
MAX_CLIENT_LABELS = 200
OTHER_CLIENTS = "other"

# Seconds between two measurements of the lag. 4 wake-ups a second cost 0.03 % of a core.
LAG_INTERVAL_S = 0.25
LAG_BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ClientMetrics:
    """The requests of each client by outcome: "ok", "error" when no version answered, or "refused"."""

    # No lock: all observations are made in the event loop.
    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._labels: set[str] = set()

    def observe(self, client: str, outcome: str, seconds: float = 0.0) -> None:
        """Count a request that took some seconds."""
        label = client
        if client not in self._labels:
            if len(self._labels) < MAX_CLIENT_LABELS:
                self._labels.add(client)
            else:
                label = OTHER_CLIENTS
        self._requests[label, outcome] += 1
        self._seconds[label] += seconds

    def lines(self) -> Iterator[str]:
        """Yield the lines in the Prometheus text format."""
        yield from header_lines(
            "nlapi_client_requests_total", "counter", "Requests of each client, by what came of them."
        )
        for (client, outcome), count in self._requests.items():
            yield f'nlapi_client_requests_total{{client="{escape_label(client)}",outcome="{outcome}"}} {count}'
        help_text = "Seconds that the requests of each client took."
        yield from header_lines("nlapi_client_request_seconds_total", "counter", help_text)
        for client, seconds in self._seconds.items():
            yield f'nlapi_client_request_seconds_total{{client="{escape_label(client)}"}} {seconds:.6f}'


class EventLoopLag:
    """A histogram of how late the event loop runs what is due: everything that serves waits that long as well."""

    def __init__(self) -> None:
        self._buckets = [0] * (len(LAG_BOUNDS_S) + 1)
        self._sum_s = 0.0

    async def watch(self) -> None:
        """Measure, for ever."""
        while True:
            due = time.perf_counter() + LAG_INTERVAL_S
            await asyncio.sleep(LAG_INTERVAL_S)
            lag = max(0.0, time.perf_counter() - due)
            self._buckets[bisect_left(LAG_BOUNDS_S, lag)] += 1
            self._sum_s += lag

    def lines(self) -> Iterator[str]:
        """Yield the lines in the Prometheus text format."""
        name = "nlapi_event_loop_lag_seconds"
        yield from header_lines(name, "histogram", "How late the event loop runs what is due, sampled.")
        *counts, total = accumulate(self._buckets)
        for bound, count in zip(LAG_BOUNDS_S, counts, strict=True):
            yield f'{name}_bucket{{le="{bound:g}"}} {count}'
        yield f'{name}_bucket{{le="+Inf"}} {total}'
        yield f"{name}_sum {self._sum_s:.6f}"
        yield f"{name}_count {total}"


def process_lines() -> Iterator[str]:
    """Yield the version, and what prometheus_client tells of a process: CPU, memory, files, start, collections."""
    yield from header_lines("nlapi_build_info", "gauge", "The version of nlapi.")
    yield f'nlapi_build_info{{version="{escape_label(__version__)}"}} 1'
    try:
        from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
    except ImportError:  # `nlapi demo` serves without the extra
        return
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    yield from generate_latest(registry).decode().splitlines()
