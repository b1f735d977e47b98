"""Records served requests off the request's path: as lines of a file, as OpenTelemetry spans, and in the store."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from nlapi.errors import UsageError, install_hint
from nlapi.gateway.control.access import format_time
from nlapi.gateway.control.codec import Json
from nlapi.gateway.inference import TokenUsage
from nlapi.gateway.store.database import StoreError
from nlapi.gateway.store.spending import SpendingKey, SpendingSum
from nlapi.gateway.store.store import GatewayStore
from nlapi.gateway.workers.boundary import shared_boundary
from nlapi.local_files import append_lines
from nlapi.routing.model import Context, Decision, VersionRef

_log = logging.getLogger(__name__)

# Records that wait to be written; more are dropped and counted, as a store that cannot write must not fill the memory.
# At the 4,407 requests a second of benchmarks/GATEWAY.md it is full after 4.5 s.
MAX_WAITING_RECORDS = 20_000

BATCH_SIZE = 500

NS_PER_MS = 1_000_000
"""nanoseconds in a millisecond"""
# Milliseconds that the last batch may take at the end of the process; an exporter that is away must not delay it more.
FLUSH_TIMEOUT_MS = 5000


class Record(Struct, frozen=True, kw_only=True):
    """One request that reached a version, or one copy that the shadow `shadow` answered."""

    at: float
    """seconds since 1970"""
    request_id: str
    decision: Decision
    decision_document: Mapping[str, object]
    """the decision as answers have it, one object for all requests of its kind"""
    version: VersionRef
    """the version that answered"""
    digest: str = ""
    """the digest of its content; "" for a version on a remote shard"""
    client: str
    context: Context
    input: Any
    output: Any
    """None when it failed"""
    error: str
    """the reason of a failure, or \"\""""
    ms: float
    stages: Mapping[str, float]
    attempts: int
    fallback: bool
    fallback_reason: str = ""
    """the failure of the decided version, when the fallback answered"""
    synthetic: bool
    shadow: str = ""
    served_output: Any = None
    """the output that the client received, when this is a copy"""
    usage: TokenUsage | None = None
    streamed: bool = False
    """whether the client received events, which are not kept as an output"""


Sink = Callable[[Sequence[Record]], None]
"""Writes one batch of records; it is called in a thread."""


def _training_records(records: Iterable[Record]) -> list[Record]:
    """Return the records that a model may be trained on: real traffic that was answered."""
    return [
        record
        for record in records
        if not record.synthetic and not record.shadow and not record.error and not record.streamed
    ]


def training_log(file: Path) -> Sink:
    """Return a Sink that appends a line of JSON with input, output and version of each record to a file."""
    return _line_sink(file, _example_json)


def shadow_log(file: Path) -> Sink:
    """Return a Sink that appends a line of JSON for each copy: the shadow's output beside the served one."""
    write = _line_sink(file, _comparison_json)
    return lambda records: write([record for record in records if record.shadow])


def combine_sinks(*sinks: Sink) -> Sink:
    """Return a Sink that calls all of `sinks`."""

    def write(records: Sequence[Record]) -> None:
        for sink in sinks:
            sink(records)

    return write


def _line_sink(file: Path, as_dict: Callable[[Record], dict[str, Any]]) -> Sink:
    """Return a Sink that appends lines to a file. OSError when the file cannot be opened."""

    shared_boundary.hide(file)

    # Mode 0600: the lines hold what people asked. Opened again for each batch, which survives a rotation of the file.
    def open_log() -> int:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def write(records: Sequence[Record]) -> None:
        if not records:
            return
        content = b"".join(orjson.dumps(as_dict(record), option=_ORJSON_OPTIONS, default=str) for record in records)
        log = open_log()
        try:
            append_lines(log, content)
        finally:
            os.close(log)

    os.close(open_log())  # a path that cannot be written is reported at start, and not at the first request
    return write


_ORJSON_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


def _example_json(record: Record) -> dict[str, Any]:
    return {
        "at": record.at,
        "request_id": record.request_id,
        "objective": record.decision.objective,
        "version": str(record.version),
        "digest": record.digest,
        "context": dict(record.context),
        "input": record.input,
        "output": record.output,
    }


def _comparison_json(record: Record) -> dict[str, Any]:
    comparison = {
        "shadow": record.shadow,
        "served_version": str(record.decision.version),
        "served": record.served_output,
        "error": record.error,
    }
    return {**_example_json(record), **comparison, "ms": round(record.ms, 3), "synthetic": record.synthetic}


class Recorder:
    """A queue of records that go to `sink` every `interval_s` seconds or 500 records, off the request's path.

    `training` receives those that a model may be trained on.
    """

    def __init__(self, sink: Sink | None, training: Sink | None = None, *, interval_s: float = 0.5) -> None:
        self._sink = sink
        self._training = training
        self._interval_s = interval_s
        self._waiting: deque[Record] = deque()
        self._task: asyncio.Task[None] | None = None
        self._full = asyncio.Event()
        self._writing = asyncio.Lock()
        self._is_closing = False
        self.dropped = 0

    @property
    def is_enabled(self) -> bool:
        """Whether any sink is configured."""
        return self._sink is not None or self._training is not None

    def add(self, record: Record) -> None:
        """Queue a record for the next batch."""
        if len(self._waiting) >= MAX_WAITING_RECORDS:
            self.dropped += 1
            return
        self._waiting.append(record)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_loop())
        if len(self._waiting) == BATCH_SIZE:
            self._full.set()

    async def flush(self) -> None:
        """Write all queued records, after those that are being written."""
        async with self._writing:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH_SIZE, len(self._waiting)))]
                await self._write(self._sink, batch)
                await self._write(self._training, _training_records(batch))

    async def close(self) -> None:
        """Write all queued records and stop."""
        # The loop ends by itself: a batch that is cancelled before its thread has begun would be lost.
        self._is_closing = True
        self._full.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._task, self._is_closing = None, False
        await self.flush()

    async def _write(self, sink: Sink | None, batch: list[Record]) -> None:
        if sink is None or not batch:
            return
        try:
            await asyncio.to_thread(sink, batch)
        except StoreError as error:
            self.dropped += len(batch)
            _log.warning("%d decisions could not be recorded: %s", len(batch), error)
        except Exception:
            # A full disk must not stop the serving: the records are counted as dropped instead.
            self.dropped += len(batch)
            _log.exception("%d decisions could not be recorded", len(batch))

    async def _write_loop(self) -> None:
        while not self._is_closing:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._full.wait()
            except TimeoutError:
                pass
            self._full.clear()
            await self.flush()


class Tracer:
    """Creates a span for each answered request with the OpenTelemetry SDK of the process, by the recorded times."""

    def __init__(self, provider: Any, propagator: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("nlapi.gateway")
        self._propagator = propagator

    def close(self) -> None:
        """Send the pending spans."""
        # The SDK flushes at exit, but a process that ends by a signal never runs its exit handlers.
        self._provider.force_flush(FLUSH_TIMEOUT_MS)

    def trace(self, record: Record, parent: str) -> None:
        """Create one span for the request with one child for each stage."""
        # Imported here: OpenTelemetry is an optional dependency.
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        start = int(record.at * 1000 * NS_PER_MS)
        parent_context = self._propagator.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(
            f"serve {record.decision.objective}",
            context=parent_context,
            kind=SpanKind.SERVER,
            start_time=start,
            attributes=_span_attributes(record),
        )
        span_context = set_span_in_context(span)
        at = start
        for stage, ms in record.stages.items():
            stage_span = self._tracer.start_span(stage, context=span_context, start_time=at)
            at += int(ms * NS_PER_MS)
            stage_span.end(end_time=at)
        if record.error:
            span.set_status(Status(StatusCode.ERROR, record.error))
        span.end(end_time=start + int(record.ms * NS_PER_MS))


def tracer_from_environment(environment: Mapping[str, str]) -> Tracer | None:
    """Return a Tracer for the SDK of the process, or for OpenTelemetry's environment variables.

    None when neither is configured. UsageError for an exporter that is not installed.
    """
    exporter_name = environment.get("OTEL_TRACES_EXPORTER", "")
    exporter = exporter_name or ("otlp" if any(environment.get(variable) for variable in _ENDPOINT_VARIABLES) else "")
    try:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        if exporter in ("", "none"):
            return None
        raise _missing_exporter(exporter) from None
    provider: Any = trace.get_tracer_provider()
    if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        if exporter in ("", "none"):
            return None  # the API is installed without an SDK, and its spans go nowhere
        provider = _create_provider(exporter, environment)
    return Tracer(provider, TraceContextTextMapPropagator())


_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE_NAME = "nlapi-gateway"


def _create_provider(exporter: str, environment: Mapping[str, str]) -> Any:
    """Return an SDK provider that sends batches to an exporter."""
    # The SDK reads its other variables itself (sampler, endpoint, ...); its exporters register as entry points.
    from importlib.metadata import entry_points

    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise _missing_exporter(exporter) from None
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    entry_name = f"otlp_proto_{(protocol or 'http').partition('/')[0]}" if exporter == "otlp" else exporter
    entry_point = next(iter(entry_points(group="opentelemetry_traces_exporter", name=entry_name)), None)
    if entry_point is None:
        raise _missing_exporter(exporter)
    service = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE_NAME}
    provider = TracerProvider(resource=Resource.create(service))
    provider.add_span_processor(BatchSpanProcessor(entry_point.load()()))
    return provider


def _missing_exporter(exporter: str) -> UsageError:
    hint = f"{install_hint('otel')}, or unset the OTEL_ variables"
    return UsageError(f"traces should go to {exporter!r}, and there is no such exporter", hint=hint)


def _span_attributes(record: Record) -> Mapping[str, Any]:
    decision = record.decision
    attributes = {
        "nlapi.objective": decision.objective,
        "nlapi.model": record.version.model,
        "nlapi.version": record.version.version,
        "nlapi.version.digest": record.digest,
        "nlapi.shard": decision.shard,
        "nlapi.revision": decision.revision,
        "nlapi.rule": decision.rule,
        "nlapi.experiment": decision.experiment,
        "nlapi.cell": decision.cell,
        "nlapi.canary": decision.canary,
        "nlapi.request_id": record.request_id,
        "nlapi.attempts": record.attempts,
        "nlapi.fallback": record.fallback,
        "nlapi.synthetic": record.synthetic,
    }
    return {name: value for name, value in attributes.items() if value != ""}


def decision_sink(store: GatewayStore) -> Sink:
    """Return a Sink that stores the decisions on requests, without inputs and outputs."""

    # Copies are left out: a shadow's answer is not a decision, and simulate would replay its request twice. What it
    # took was spent all the same.
    def write(records: Sequence[Record]) -> None:
        store.add_decisions(decision_json(record) for record in records if not record.shadow)
        store.spending.add_days(_spending(records))

    return write


def _spending(records: Sequence[Record]) -> dict[SpendingKey, SpendingSum]:
    """Return the usage of language models in records, by day, objective, version and client."""
    sums: defaultdict[SpendingKey, SpendingSum] = defaultdict(SpendingSum)
    for record in records:
        if usage := record.usage:
            day, version = format_time(datetime.fromtimestamp(record.at, UTC))[:10], record.version
            client = f"shadow:{record.shadow}" if record.shadow else record.client
            total = sums[SpendingKey(day, record.decision.objective, version.model, version.version, client)]
            total.answers += 1
            total.input_tokens += usage.input_tokens
            total.cached_tokens += usage.cached_tokens
            total.output_tokens += usage.output_tokens
            total.dollars += usage.cost_usd
    return sums


def decision_json(record: Record) -> Json:
    """Return a record as `Recorded` in specs/gateway.yaml describes it."""
    decision = {name: value for name, value in record.decision_document.items() if name != "shadows"}
    llm = {"streamed": record.streamed, "usage": usage_json(record.usage)} if record.usage else {}
    return {
        "request_id": record.request_id,
        "at": format_time(datetime.fromtimestamp(record.at, UTC)),
        **decision,
        **({"digest": record.digest} if record.digest else {}),
        "client": record.client,
        "context": dict(record.context),
        "total_ms": round(record.ms, 3),
        "stages_ms": {name: round(ms, 3) for name, ms in record.stages.items()},
        "attempts": record.attempts,
        "fallback": record.fallback,
        **({"answered_by": str(record.version), "fallback_reason": record.fallback_reason} if record.fallback else {}),
        "synthetic": record.synthetic,
        "error": record.error,
        **llm,
    }


def usage_json(usage: TokenUsage) -> Json:
    """Return the usage of an LLM as `Usage` in specs/gateway.yaml describes it."""
    members: Json = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": round(usage.cost_usd, 9),
    }
    if usage.cached_tokens:
        members["cached_tokens"] = usage.cached_tokens
    if usage.first_token_ms:
        members["first_token_ms"] = round(usage.first_token_ms, 3)
    return members | ({"estimated": True} if usage.estimated else {})
