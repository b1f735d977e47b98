"""`nlapi gateway status` and `traffic`: what a running gateway serves, as a table and a plot."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from nlapi.cli.gateway.client import GatewayClient, GatewayConnection, connection_options
from nlapi.cli.options import ListOutput, argument, flag, option
from nlapi.cli.render import console
from nlapi.cli.render.table import is_json
from nlapi.client.safe_text import strip_control
from nlapi.errors import NlapiError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


STATUS = "nlapi gateway status continue-watching --once"
TRAFFIC = "nlapi gateway traffic continue-watching --minutes 30"
# Seconds between two drawings of the status.
REFRESH_S = 1.0

Objective = Annotated[str | None, argument("[OBJECTIVE]", "Only this objective.")]
Minutes = Annotated[int, option("--minutes", "Minutes to look back.", min=1, max=1440)]


@connection_options
def status(
    connection: GatewayConnection,
    objective: Objective = None,
    minutes: Minutes = 5,
    once: Annotated[bool, flag("--once", "Show it once instead of every second.")] = False,
    output: ListOutput = None,
) -> None:
    """Show the share, requests per second, latency and errors of each version. Ctrl-C stops it."""
    # Five reads for each drawing, through the gateway's own API: the same operations that `nlapi ask` uses.
    client = GatewayClient(connection)
    filters = {"objective": objective} if objective else {}

    def traffic() -> Any:
        rows = client("getTraffic", {"minutes": minutes, **filters})
        _check_objective(client, objective, rows["data"])
        return rows

    def render() -> RenderableType:
        objective_row = client("getObjective", filters) if filters else None
        objectives = [objective_row] if objective_row else client("listObjectives", {"limit": 200})["data"]
        canaries = client("listCanaries", {"limit": 200, **filters})["data"]
        issues, plane = client("listIssues", {})["issues"], client("getDataPlane", {})
        return status_view(traffic(), objectives, canaries, issues, plane)

    if is_json(output):
        console.write(console.format_json(traffic()))
    elif once:
        draw(render())
    else:
        live(render, REFRESH_S)


def _check_objective(client: GatewayClient, objective: str | None, traffic: Sequence[object]) -> None:
    """Raise RefusedCallError for an objective that the gateway does not have, unless it has traffic of late."""
    # Traffic without rows is an answer, and looked like that of an idle objective when the name was misspelled.
    if objective and not traffic:
        client("getObjective", {"objective": objective})


@connection_options
def traffic(
    connection: GatewayConnection, objective: Objective = None, minutes: Minutes = 15, output: ListOutput = None
) -> None:
    """Plot the traffic shares of versions over time."""
    query = {"minutes": minutes, "points": 60, **({"objective": objective} if objective else {})}
    client = GatewayClient(connection)
    history = client("getTrafficHistory", query)
    _check_objective(client, objective, history["data"])
    if is_json(output):
        console.write(console.format_json(history))
    else:
        draw(history_plot(history["data"], minutes))


COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")
# The character of each version, so that versions are distinct without colours.
MARKS = "█▓▒░#+"
# Lines and columns of a plot; with the labels it fits 80 columns.
HEIGHT = 10
WIDTH = 60
# Columns of a terminal from which on the digests of versions have room.
WIDE_COLUMNS = 100
# Per cent of errors from which on they are red.
RED_FROM = 1.0


def status_view(
    traffic: Mapping[str, object],
    objectives: Sequence[Mapping[str, object]],
    canaries: Sequence[Mapping[str, object]],
    issues: Sequence[Mapping[str, object]] = (),
    plane: Mapping[str, Any] | None = None,
) -> RenderableType:
    """Return the table of getTraffic's rows, with objectives without traffic, and a line for each canary and issue.

    `plane` is the answer of getDataPlane.
    """
    from rich.console import Group
    from rich.text import Text

    lines = [
        Text(strip_control(_canary_line(canary)), style="dim" if canary["state"] == "rolled_back" else "")
        for canary in canaries
    ]
    lines += [
        Text(
            strip_control(f"{issue['where']}: {issue['message']}"),
            style="red" if issue["level"] == "error" else "yellow",
        )
        for issue in issues
    ]
    if plane and plane["kind"] != "embedded":
        lines.insert(0, Text(strip_control(plane_line(plane)), style="" if plane["envoys"] else "red"))
    return Group(_table(traffic, objectives), *lines)


def plane_line(plane: Mapping[str, Any]) -> str:
    """Return the state of a data plane that is not part of the gateway, with the objectives that it carries."""
    envoys, revision = plane["envoys"], plane["revision"]
    late = [envoy["node"] for envoy in envoys if envoy["revision"] < revision]
    state = f"{len(envoys)} connected" + (f", {', '.join(late)} without revision {revision}" if late else "")
    carried = {
        name: [entry["name"] for entry in plane["objectives"] if entry["plane"] == name]
        for name in ("envoy", "mixed", "gateway")
    }
    titles = {"envoy": "carries", "mixed": "carries in part", "gateway": "leaves to the gateway"}
    parts = [f"{titles[name]} {', '.join(names)}" for name, names in carried.items() if names]
    return f"Envoy at {plane['url']}: {'; '.join([state, *parts])}"


def _table(traffic: Mapping[str, Any], objectives: Sequence[Mapping[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = f"revision {traffic['revision']}, the last {traffic['minutes']} minutes"
    table = Table(title=title, title_style="dim", header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("objective", overflow="fold")
    table.add_column("version", overflow="fold")
    is_wide = shutil.get_terminal_size().columns >= WIDE_COLUMNS
    if is_wide:
        table.add_column("digest", no_wrap=True)
    # The column has no room in 80 columns beside the others, and hardly ever anything to show.
    has_fallbacks = any(row["fallback_percent"] for row in traffic["data"])
    for name in ("share", "req/s", "p50 ms", "p99 ms", "errors", *(("fallback",) if has_fallbacks else ())):
        table.add_column(name, justify="right", no_wrap=True)
    previous = ""
    for row in traffic["data"]:
        is_first, previous = row["objective"] != previous, row["objective"]
        errors, fallbacks = (f"{row[name]:.2f} %" for name in ("error_percent", "fallback_percent"))
        table.add_row(
            Text(strip_control(row["objective"]) if is_first else ""),
            Text(strip_control(f"{row['model']}@{row['version']}")),
            *([Text(strip_control(row.get("digest", "").partition(":")[2][:8]))] if is_wide else ()),
            f"{row['share']:.1f} %",
            f"{row['requests_per_second']:.1f}",
            _ms(row["p50_ms"]),
            _ms(row["p99_ms"]),
            Text(errors, style="red" if row["error_percent"] >= RED_FROM else ""),
            *(
                [Text(fallbacks, style="yellow" if row["fallback_percent"] >= RED_FROM else "")]
                if has_fallbacks
                else ()
            ),
        )
    with_traffic = {row["objective"] for row in traffic["data"]}
    for objective in objectives:
        if objective["name"] not in with_traffic:
            default = f"{objective['model']}@{objective['version']}"
            table.add_row(
                Text(strip_control(objective["name"])),
                Text(strip_control(default)),
                *("-" * (5 + is_wide + has_fallbacks)),
                style="dim",
            )
    return table


def _ms(value: float) -> str:
    """Return milliseconds with two or three significant digits: 0.04, 1.3, 250."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _canary_line(canary: Mapping[str, Any]) -> str:
    state = canary["state"].replace("_", " ")
    line = f"canary {canary['name']} is {state}"
    if canary["state"] != "rolled_back":
        line += f", with {canary['percent']:g} % of {canary['objective']}"
        next_steps = [step["percent"] for step in canary.get("steps", ()) if step["percent"] > canary["percent"]]
        line += f", then {next_steps[0]:g} %" if next_steps and canary["state"] == "running" else ""
    reason = canary.get("reason", "").removeprefix("done: ")
    return f"{line}: {reason}" if reason else line


def history_plot(points: Sequence[Mapping[str, Any]], minutes: int) -> RenderableType:
    """Return a stacked plot of the shares over time for each objective, from the answer of getTrafficHistory."""
    from rich.console import Group
    from rich.text import Text

    names = sorted({point["objective"] for point in points})
    if not names:
        return Text(f"nothing was served in the last {minutes} minutes", style="dim")
    return Group(*(_plot(name, [row for row in points if row["objective"] == name], minutes) for name in names))


def _plot(objective: str, points: Sequence[Mapping[str, Any]], minutes: int) -> RenderableType:
    from rich.text import Text

    versions = sorted({version for point in points for version in point["shares"]})
    width = max(1, WIDTH // len(points))
    columns = [_column(point["shares"], versions) if point["requests"] else None for point in points]
    text = Text(f"{strip_control(objective)}, the last {minutes} minutes\n", style="bold")
    for level in reversed(range(HEIGHT)):
        label = f"{100 * (level + 1) // HEIGHT:>4} % " if level in (HEIGHT - 1, HEIGHT // 2 - 1) else " " * 7
        text.append(f"{label}|", style="not bold dim")
        for column in columns:
            if column is None:
                text.append(" " * width)
                continue
            index = column[level]
            text.append(MARKS[index % len(MARKS)] * width, style=f"not bold {COLOURS[index % len(COLOURS)]}")
        text.append("\n")
    text.append(f"{' ' * 8}{'-' * width * len(columns)}\n", style="not bold dim")
    start_label = f"{minutes} minute{'s' if minutes > 1 else ''} ago"
    text.append(f"{' ' * 8}{start_label:<{width * len(columns) - 3}}now\n", style="not bold dim")
    text.append(" " * 8)
    for index, version in enumerate(versions):
        text.append(
            f"{MARKS[index % len(MARKS)]} {strip_control(version)}  ", style=f"not bold {COLOURS[index % len(COLOURS)]}"
        )
    text.append("\n")
    return text


def _column(shares: Mapping[str, float], versions: Sequence[str]) -> list[int]:
    """Return the index of the version at each of the HEIGHT levels, from the bottom up."""
    column: list[int] = []
    total = 0.0
    for index, version in enumerate(versions):
        total += shares.get(version, 0.0)
        # Sums are rounded, not shares: the rounding errors do not add up.
        column += [index] * (round(total * HEIGHT / 100) - len(column))
    return (column + [len(versions) - 1] * HEIGHT)[:HEIGHT]


def draw(renderable: RenderableType) -> None:
    """Print to standard output."""
    from rich.console import Console

    Console(highlight=False).print(renderable)


def live(render: Callable[[], RenderableType], interval_s: float) -> None:
    """Draw again at an interval until Ctrl-C; an error is shown below the last drawing."""
    import time

    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    last = render()
    with Live(last, auto_refresh=False, screen=False) as screen:
        while True:
            time.sleep(interval_s)
            try:
                last = render()
                screen.update(last, refresh=True)
            # A gateway that restarts does not answer for some seconds. Only the first drawing may fail.
            except NlapiError as error:
                screen.update(Group(last, Text(error.message, style="red")), refresh=True)
