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
    KnownValues,
    Model,
    NoAuth,
    NoLog,
    Planner,
    PlannerName,
    Routing,
    Sources,
    ConversationOutput,
    Yes,
    YesTo,
)
from nlapi.openapi.urls import redact_url


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
    output: ConversationOutput = None
    known_values: KnownValues = None
    base_url: BaseUrl = None
    auth: Auth = field(default=None, repr=False)
    no_auth: NoAuth = False
    timeout: Deadline = None
    events: Events = None
    no_log: NoLog = False

    @property
    def log_fields(self) -> dict[str, Any]:
        """The values that a transcript stores, so that the conversation can be resumed; no credential is in them."""
        references = [text for text in self.auth or () if text.partition("=")[2].startswith("env:")]
        apis = [str(Path(name).resolve()) if Path(name).is_file() else redact_url(name) for name in self.sources or ()]
        base_url = self.base_url and redact_url(self.base_url)
        return {"apis": apis, "base_url": base_url, "auth": references, "no_auth": self.no_auth}


def conversation_options(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that replaces a command's `setup` by options, one for each field of Setup not in `without`."""
    types = get_type_hints(Setup, include_extras=True)
    chosen = [item for item in fields(Setup) if item.name not in without]

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        parameters = [item.replace(annotation=hints[item.name]) for item in inspect.signature(command).parameters.values()]
        plain_parameters = [item for item in parameters if item.name != "setup"]
        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter(item.name, keyword, default=item.default, annotation=types[item.name]) for item in chosen
        ]

        def run(**values: Any) -> None:
            setup = Setup(**{item.name: values.pop(item.name) for item in chosen})
            command(**values, setup=setup)

        # typer reads a command's options from its signature and annotations.
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature([*plain_parameters, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {item.name: item.annotation for item in (*plain_parameters, *added)}
        return run

    return with_options
