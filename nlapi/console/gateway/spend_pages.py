"""The page of what language models took since the gateway was started: requests, tokens and dollars, and budgets."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from nlapi.console.web import PageAnswer, PageRequest, render

_SAMPLE = re.compile(r"nlapi_llm_(?P<kind>tokens|cost_dollars)_total\{(?P<labels>.*)\} (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(slots=True, kw_only=True)
class SpendLine:
    """What one client spent on one version for one objective; `tokens` by their kind."""

    objective: str
    version: str
    client: str
    tokens: dict[str, int] = field(default_factory=dict)
    dollars: float = 0.0


async def show_spend(request: PageRequest) -> PageAnswer:
    """Show what was spent since the start, the most first, beside the budgets."""
    api = request.session.api
    metrics, objectives, clients = await asyncio.gather(
        api.get("metrics"), api.get("v1", "objectives", limit=200), api.get("v1", "clients", limit=200)
    )
    lines = sorted(_lines(metrics), key=lambda line: -line.dollars)
    limits = [
        (kind, row) for kind, listing in (("objective", objectives), ("client", clients)) for row in listing["data"]
    ]
    budgets = [(kind, row) for kind, row in limits if any("_per_" in name and row[name] for name in row)]
    return render(
        request, "gateway/spend.html", lines=lines, total=sum(line.dollars for line in lines), budgets=budgets
    )


def _lines(metrics: str) -> Iterator[SpendLine]:
    """Yield the spendings in the text of the gateway's metrics."""
    lines: dict[tuple[str, str, str], SpendLine] = {}
    for sample in _SAMPLE.finditer(metrics):
        labels = defaultdict(
            str, ((name, _ESCAPE.sub(r"\1", value)) for name, value in _LABEL.findall(sample["labels"]))
        )
        key = labels["objective"], f"{labels['model']}@{labels['version']}", labels["client"]
        line = lines.setdefault(key, SpendLine(objective=key[0], version=key[1], client=key[2]))
        if sample["kind"] == "tokens":
            line.tokens[labels["kind"]] = int(float(sample["value"]))
        else:
            line.dollars = float(sample["value"])
    yield from lines.values()
