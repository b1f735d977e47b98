"""What `nlapi gateway` draws: the table of versions, and the plot of shares over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlapi.client.clean import clean

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")
MARKS = "█▓▒░#+"
"""What a version is drawn with, so that it can be told from the others without colours."""
HEIGHT = 10
BAD = 1.0
"""Errors in per cent from which on they are shown in red."""


def status_table(traffic: Mapping[str, Any]) -> Table:
    """A row for each objective and version, from the answer of getTraffic."""
    from rich.table import Table
    from rich.text import Text

    title = f"revision {traffic['revision']}, the last {traffic['minutes']} minutes"
    table = Table(title=title, title_style="dim", header_style="bold")
    table.add_column("objective")
    table.add_column("version")
    for name in ("share", "req/s", "p50 ms", "p99 ms", "errors"):
        table.add_column(name, justify="right")
    before = ""
    for row in traffic["data"]:
        first, before = row["objective"] != before, row["objective"]
        errors = f"{row['error_percent']:.2f} %"
        table.add_row(
            Text(clean(row["objective"]) if first else ""),
            Text(clean(f"{row['model']}@{row['version']}")),
            f"{row['share']:.1f} %",
            f"{row['requests_per_second']:.1f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            Text(errors, style="red" if row["error_percent"] >= BAD else ""),
        )
    if not traffic["data"]:
        table.add_row("nothing was served", *[""] * 6, style="dim")
    return table


def history_plot(points: Sequence[Mapping[str, Any]], minutes: int) -> RenderableType:
    """Shares over time, stacked, a plot for each objective, from the answer of getTrafficHistory."""
    from rich.console import Group
    from rich.text import Text

    names = sorted({point["objective"] for point in points})
    if not names:
        return Text(f"nothing was served in the last {minutes} minutes", style="dim")
    return Group(*(_plot(name, [one for one in points if one["objective"] == name], minutes) for name in names))


def _plot(objective: str, points: Sequence[Mapping[str, Any]], minutes: int) -> RenderableType:
    from rich.text import Text

    versions = sorted({version for point in points for version in point["shares"]})
    columns = [_column(point["shares"], versions) if point["requests"] else None for point in points]
    text = Text(f"{clean(objective)}, the last {minutes} minutes\n", style="bold")
    for level in reversed(range(HEIGHT)):
        label = f"{100 * (level + 1) // HEIGHT:>4} % " if level in (HEIGHT - 1, HEIGHT // 2 - 1) else " " * 7
        text.append(f"{label}|", style="not bold dim")
        for column in columns:
            if column is None:
                text.append(" ")
                continue
            at = column[level]
            text.append(MARKS[at % len(MARKS)], style=f"not bold {COLOURS[at % len(COLOURS)]}")
        text.append("\n")
    text.append(" " * 8 + "-" * len(columns) + "\n" + " " * 8, style="not bold dim")
    for at, version in enumerate(versions):
        text.append(f"{MARKS[at % len(MARKS)]} {clean(version)}  ", style=f"not bold {COLOURS[at % len(COLOURS)]}")
    text.append("\n")
    return text


def _column(shares: Mapping[str, float], versions: Sequence[str]) -> list[int]:
    """Which version each of the HEIGHT levels belongs to, from the bottom up."""
    column: list[int] = []
    total = 0.0
    for at, version in enumerate(versions):
        total += shares.get(version, 0.0)
        column += [at] * (round(total * HEIGHT / 100) - len(column))
    return (column + [len(versions) - 1] * HEIGHT)[:HEIGHT]


def draw(what: RenderableType) -> None:
    """Draws once, on standard output."""
    from rich.console import Console

    Console(highlight=False).print(what)


def live(make: Callable[[], RenderableType], every_s: float) -> None:
    """Draws again and again, until Ctrl-C."""
    import time

    from rich.live import Live

    with Live(make(), auto_refresh=False, screen=False) as screen:
        while True:
            time.sleep(every_s)
            screen.update(make(), refresh=True)
