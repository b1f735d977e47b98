"""The table of what a request costs each way, on the page of Envoy: written by one benchmark, and read by another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).with_name("GATEWAY_ENVOY.md")
HEADING = "## CPU of the proxy"

# The rows of the table that others read.
PLAIN = "plain Envoy"
MOST_ROUTES = "nlapi's Envoy, 10,000 routes of 100 objectives, 10,000 keys in use"
EMBEDDED = "embedded engine"
RESOLVE = "resolve, without the payload"
LITELLM = "LiteLLM's proxy"
RAY = "Ray Serve, its replica included"

_FIGURE = re.compile(r"[\d,]+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU of a request in microseconds, its multiple of a plain Envoy, and latencies in ms; p99 is 0 for too few."""

    us: float
    multiple: float
    p50: float
    p99: float


def cost_table(payloads: Sequence[str], rows: Mapping[str, Mapping[str, Cost]]) -> str:
    """Return the table in Markdown."""
    head = "| us of CPU a request (times a plain Envoy); p50 / p99 in ms |"
    lines = [head + "".join(f" {name} | |" for name in payloads), "|---|" + "---|---|" * len(payloads)]
    for name, costs in rows.items():
        cells = "".join(f" {_cpu(costs[payload])} | {_latency(costs[payload])} |" for payload in payloads)
        lines.append(f"| {name} |{cells}")
    return "\n".join(lines)


def _cpu(cost: Cost) -> str:
    return f"{cost.us:,.0f} ({cost.multiple:,.{2 if cost.multiple < 10 else 0}f})"


def _latency(cost: Cost) -> str:
    return f"{_ms(cost.p50)} / {_ms(cost.p99) if cost.p99 else '-'}"


def _ms(value: float) -> str:
    return f"{value:.{1 if value < 10 else 0}f}"


def write_table(table: str, note: str) -> None:
    """Put the table and its note in the place of those on the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"{HEADING}\n")
    # The table ends with the first empty line after it.
    after = rest.partition("\n|")[2].partition("\n\n")[2]
    PAGE.write_text(f"{before}{HEADING}\n\n{note}\n\n{table}\n\n{after}", encoding="utf-8")


def read_costs() -> dict[str, dict[str, float]]:
    """Return the microseconds on the page, by row and payload. ValueError when it has no such table."""
    return parse_costs(PAGE.read_text(encoding="utf-8"))


def parse_costs(page: str) -> dict[str, dict[str, float]]:
    """Return the microseconds in the table of a page."""
    _, found, rest = page.partition(f"{HEADING}\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    if not found or not lines:
        raise ValueError(f"{PAGE.name} has no table below {HEADING!r}")
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    costs = {}
    for cells in rows:
        if len(cells) != len(head):
            break  # the next table
        figures = {payload: _FIGURE.match(cell) for payload, cell in zip(head[1:], cells[1:], strict=True) if payload}
        costs[cells[0]] = {payload: float(match[0].replace(",", "")) for payload, match in figures.items() if match}
    return costs
