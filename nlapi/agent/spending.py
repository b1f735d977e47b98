"""The cost of earlier questions, by their transcripts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from nlapi.agent.log import read_records


def spent_by_period(folder: Path, now: datetime) -> tuple[float, float]:
    """Return the dollars of the day and of the month of `now` (with its zone), by the transcripts in `folder`.

    A plan of unknown cost and a question without a transcript count nothing.
    """
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    costs = [
        (moment, cost)
        for path in folder.glob("*.jsonl")
        # Files of earlier months are skipped unread: a folder of transcripts only grows.
        if path.stat().st_mtime >= month.timestamp()
        for record in read_records(path)
        if (moment := _moment(record)) is not None and moment >= month and (cost := _cost(record))
    ]
    return sum(cost for moment, cost in costs if moment >= day), sum(cost for _, cost in costs)


def _moment(record: dict[str, Any]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(record.get("at")))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _cost(record: dict[str, Any]) -> float:
    raw = record.get("raw") if record.get("event") == "planned" else None
    cost = raw.get("cost") if isinstance(raw, dict) else None
    return float(cost) if isinstance(cost, (int, float)) else 0.0
