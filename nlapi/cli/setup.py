"""The options of a conversation that `ask`, `chat` and `log resume` share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from nlapi.cli.options import (
    Across,
    Auth,
    BaseUrl,
    Deadline,
    DryRun,
    Events,
    Known,
    Model,
    NoAuth,
    NoLog,
    Planner,
    PlannerName,
    Routing,
    Sources,
    Told,
    Yes,
    YesTo,
)
from nlapi.openapi.address import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The values of the options, one field each, in the order of the help text."""

    # A field's type carries its option: `conversation_options` makes the parameters of a command from these fields.
    sources: Sources = None
    planner: Planner = PlannerName.AUTO
    model: Model = None
    routing: Routing = None
    dry_run: DryRun = False
    yes: Yes = False
    yes_to: YesTo = None
    across: Across = False
    output: Told = None
    known: Known = None
    base_url: BaseUrl = None
    auth: Auth = field(default=None, repr=False)
    no_auth: NoAuth = False
    timeout: Deadline = None
    events: Events = None
    no_log: NoLog = False

    @property
    def kept(self) -> dict[str, Any]:
        """The values that a transcript stores, so that the conversation can be resumed; no credential is in them."""
        references = [text for text in self.auth or () if text.partition("=")[2].startswith("env:")]
        apis = [str(Path(name).resolve()) if Path(name).is_file() else shown(name) for name in self.sources or ()]
        base_url = self.base_url and shown(self.base_url)
        return {"apis": apis, "base_url": base_url, "auth": references, "no_auth": self.no_auth}


def options_of_setup(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that replaces a command's `setup` by options, one for each field of Setup not in `without`."""
    types = get_type_hints(Setup, include_extras=True)
    chosen = [one for one in fields(Setup) if one.name not in without]

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = [one.replace(annotation=hints[one.name]) for one in inspect.signature(command).parameters.values()]
        kept = [one for one in own if one.name != "setup"]
        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter(one.name, keyword, default=one.default, annotation=types[one.name]) for one in chosen
        ]

        def run(**values: Any) -> None:
            setup = Setup(**{one.name: values.pop(one.name) for one in chosen})
            command(**values, setup=setup)

        # typer reads a command's options from its signature and annotations.
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in (*kept, *added)}
        return run

    return with_options
