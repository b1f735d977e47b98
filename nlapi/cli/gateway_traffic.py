"""`nlapi gateway status` and `traffic`: what a running gateway serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from nlapi.cli import console
from nlapi.cli.gateway_client import GatewayClient, GatewayConnection, connection_options
from nlapi.cli.options import ListOutput, argument, flag, option
from nlapi.cli.table import is_json

if TYPE_CHECKING:
    from rich.console import RenderableType

STATUS = "nlapi gateway status continue-watching --once"
TRAFFIC = "nlapi gateway traffic continue-watching --minutes 30"
# Seconds between two drawings of the status.
REFRESH_S = 1.0

Objective = Annotated[str | None, argument("[OBJECTIVE]", "Only this objective.")]
Minutes = Annotated[int, option("--minutes", "How far to look back.", min=1, max=1440)]


@connection_options
def status(
    connection: GatewayConnection,
    objective: Objective = None,
    minutes: Minutes = 5,
    once: Annotated[bool, flag("--once", "Show it once, not again each second.")] = False,
    output: ListOutput = None,
) -> None:
    """Show each version's share, requests a second, latency and errors. Ctrl-C stops it."""
    from nlapi.cli import gateway_view as view

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
        return view.status(traffic(), objectives, canaries, issues, plane)

    if is_json(output):
        console.write(console.format_json(traffic()))
    elif once:
        view.draw(render())
    else:
        view.live(render, REFRESH_S)


def _check_objective(client: GatewayClient, objective: str | None, traffic: Sequence[object]) -> None:
    """Raise RefusedCallError for an objective that the gateway does not have, unless it has traffic of late."""
    # Traffic without rows is an answer, and looked like that of an idle objective when the name was misspelled.
    if objective and not traffic:
        client("getObjective", {"objective": objective})


@connection_options
def traffic(
    connection: GatewayConnection, objective: Objective = None, minutes: Minutes = 15, output: ListOutput = None
) -> None:
    """Plot the shares of the traffic by version over time."""
    from nlapi.cli.gateway_view import draw, history_plot

    query = {"minutes": minutes, "points": 60, **({"objective": objective} if objective else {})}
    client = GatewayClient(connection)
    history = client("getTrafficHistory", query)
    _check_objective(client, objective, history["data"])
    if is_json(output):
        console.write(console.format_json(history))
    else:
        draw(history_plot(history["data"], minutes))
