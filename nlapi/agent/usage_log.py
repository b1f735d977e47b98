"""Reads from the transcripts what models took: by day and model, and the dollars of a day and a month."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, date, datetime, tzinfo
from pathlib import Path
from typing import Any

from nlapi.agent.transcripts import Record, read_records
from nlapi.agent.usage import UsageTotal, usage_total
from nlapi.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPlan:
    """A plan of a model in a transcript; `question` tells the questions of all transcripts apart."""

    moment: datetime
    question: tuple[str, int]
    model: str
    total: UsageTotal


@dataclass(slots=True, kw_only=True)
class DayUsage:
    """What one model took on one day; a question that two models planned counts for both."""

    day: date
    model: str
    total: UsageTotal = field(default_factory=UsageTotal)
    question_ids: set[tuple[str, int]] = field(default_factory=set)

    @property
    def questions(self) -> int:
        return len(self.question_ids)


def recorded_plans(folder: Path, since: datetime) -> Iterator[RecordedPlan]:
    """Yield the plans of models since a moment (with its zone), by the transcripts in `folder`."""
    for path in sorted(folder.glob("*.jsonl")):
        # Files that ended before are skipped unread: a folder of transcripts only grows.
        try:
            records = read_records(path) if path.stat().st_mtime >= since.timestamp() else []
        except (OSError, UsageError):
            records = []
        questions = 0
        for record in records:
            questions += record.get("event") == "asked"
            raw = record.get("raw") if record.get("event") == "planned" else None
            raw = raw.get("origin", raw) if isinstance(raw, dict) else raw  # of a workflow that a model called
            moment = _moment(record)
            if isinstance(raw, dict) and moment is not None and moment >= since and ("usage" in raw or "cost" in raw):
                model = str(raw.get("model") or "")
                yield RecordedPlan(moment=moment, question=(path.stem, questions), model=model, total=_total(raw))


def usage_by_day(folder: Path, since: datetime, zone: tzinfo | None = None) -> tuple[DayUsage, ...]:
    """Return what each model took on each day of `zone` (the local one if None), the newest day first."""
    days: dict[tuple[date, str], DayUsage] = {}
    for plan in recorded_plans(folder, since):
        day = plan.moment.astimezone(zone).date()
        usage = days.setdefault((day, plan.model), DayUsage(day=day, model=plan.model))
        usage.total += plan.total
        usage.question_ids.add(plan.question)
    return tuple(sorted(days.values(), key=lambda usage: (-usage.day.toordinal(), usage.model)))


def spent_by_period(folder: Path, now: datetime) -> tuple[float, float]:
    """Return the dollars of the day and of the month of `now` (with its zone), by the transcripts in `folder`.

    A plan of unknown cost and a question without a transcript count nothing.
    """
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    plans = list(recorded_plans(folder, day.replace(day=1)))
    return sum(plan.total.usd for plan in plans if plan.moment >= day), sum(plan.total.usd for plan in plans)


def _moment(record: Record) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(record.get("at")))
    except ValueError:
        return None
    # In another zone the first and the last year have times that there are not.
    return moment if moment.tzinfo and MINYEAR < moment.year < MAXYEAR else None


def _total(raw: Mapping[str, Any]) -> UsageTotal:
    """Return what a plan took. Each request has left one message of the model in its state."""
    messages, usage, usd = raw.get("messages"), raw.get("usage"), raw.get("cost")
    message_list = messages if isinstance(messages, list) else []
    requests = sum(isinstance(message, dict) and message.get("role") == "assistant" for message in message_list)
    cost = float(usd) if isinstance(usd, int | float) and math.isfinite(usd) else None
    return usage_total(usage if isinstance(usage, dict) else {}, cost, max(requests, 1))
