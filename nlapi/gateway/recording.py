"""The sink that writes the engine's records to the store, in the form of `Recorded` in specs/gateway.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from nlapi.gateway.access import stamp
from nlapi.gateway.codec import Json, encode_decision
from nlapi.gateway.record import Record, Sink
from nlapi.gateway.store import Store


def recorder(store: Store) -> Sink:
    """Return a Sink that stores the decisions on requests, without inputs and outputs."""

    # Copies are left out: a shadow's answer is no decision, and simulate would replay its request twice.
    def write(records: Sequence[Record]) -> None:
        store.add_decisions(recorded(one) for one in records if not one.shadow)

    return write


def recorded(one: Record) -> Json:
    """Return a record as `Recorded` in specs/gateway.yaml describes it."""
    said = encode_decision(one.decision)
    said.pop("shadows", None)
    return {
        "request_id": one.request_id,
        "at": stamp(datetime.fromtimestamp(one.at, UTC)),
        **said,
        "client": one.client,
        "context": dict(one.context),
        "total_ms": round(one.ms, 3),
        "stages_ms": {name: round(ms, 3) for name, ms in one.stages.items()},
        "attempts": one.attempts,
        "fallback": one.fallback,
        "synthetic": one.synthetic,
        "error": one.error,
    }
