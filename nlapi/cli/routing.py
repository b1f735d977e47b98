"""Where the user says which planner answers which question: a file that is named, or one in the folder of settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.errors import UsageError
from nlapi.registry import user_folder

if TYPE_CHECKING:
    from nlapi.agent.routes import Routes

FILE = "routing.json"
HINT = "the guide shows one, under Routing"


def routes(given: Path | None, *, sure: float) -> Routes:
    """The routing in the file that is named, else in the user's settings, else the built-in one."""
    from nlapi.agent.routes import built_in, read_routes

    file = given or user_folder("config") / FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if given is None:
            return built_in(sure)
        raise UsageError(f"there is no file {given}", hint=HINT) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}", hint=HINT) from None
    return read_routes(document, str(file), sure=sure)
