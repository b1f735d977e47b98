"""The sink that writes the engine's records to the store, in the form of `Recorded` in specs/gateway.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from nlapi.gateway.access import format_time
from nlapi.gateway.codec import Json, encode_decision
from nlapi.gateway.record import Record, Sink
from nlapi.gateway.store import GatewayStore


def decision_sink(store: GatewayStore) -> Sink:
    """Return a Sink that stores the decisions on requests, without inputs and outputs."""

    # Copies are left out: a shadow's answer is no decision, and simulate would replay its request twice.
    def write(records: Sequence[Record]) -> None:
        store.add_decisions(decision_json(record) for record in records if not record.shadow)

    return write


def decision_json(record: Record) -> Json:
    """Return a record as `Recorded` in specs/gateway.yaml describes it."""
    decision = encode_decision(record.decision)
    decision.pop("shadows", None)
    return {
        "request_id": record.request_id,
        "at": format_time(datetime.fromtimestamp(record.at, UTC)),
        **decision,
        "client": record.client,
        "context": dict(record.context),
        "total_ms": round(record.ms, 3),
        "stages_ms": {name: round(ms, 3) for name, ms in record.stages.items()},
        "attempts": record.attempts,
        "fallback": record.fallback,
        "synthetic": record.synthetic,
        "error": record.error,
    }
