"""`nlapi models`: the models that can plan, and whether there is a key for each."""

from __future__ import annotations

import os

from nlapi.cli.ask.planners import model_settings
from nlapi.cli.options import ListOutput
from nlapi.cli.render import console, table

EPILOG = """nlapi models
nlapi models -o json"""


def models(output: ListOutput = None) -> None:
    """List the models that can plan, with the variable that holds the key of each.

    --model also takes local:NAME for a server on this machine, and openai:NAME.
    """
    from nlapi.agent.models.endpoints import find_endpoint
    from nlapi.agent.models.spending import CLAUDE_VERSIONS, DEFAULT

    settings = model_settings()
    names = (*settings.endpoints, *(name for name in CLAUDE_VERSIONS if name not in settings.endpoints))
    endpoints = {name: find_endpoint(name, os.environ, settings.endpoints) for name in names}
    default = find_endpoint(settings.default or DEFAULT, os.environ, settings.endpoints)
    rows = [
        {
            "name": name,
            "model": endpoint.model,
            "server": endpoint.server_name,
            "key": endpoint.variable if endpoint.has_credential else f"missing: {endpoint.variable}",
            "default": "default" if endpoint.model == default.model else "",
        }
        for name, endpoint in endpoints.items()
    ]
    table.print_list(rows, output, ("name", "model", "key", "default"))
    if not table.is_json(output):
        console.note("The embedded planner needs none of them: `--planner offline`, and whenever it is sure")
