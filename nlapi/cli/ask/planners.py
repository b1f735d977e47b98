"""Makes planners by the user's settings: the models that he named, the routing between planners, and the caps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi import registry
from nlapi.agent.events import Planner
from nlapi.agent.models.spending import SpendingMeter
from nlapi.cli.ask.events import Targets
from nlapi.cli.options import PlannerName
from nlapi.errors import UsageError, has_extra
from nlapi.local_files import claimed, fault_of, read_file

if TYPE_CHECKING:
    from nlapi.agent.auto import PlannerRoutes
    from nlapi.agent.models.endpoints import ModelEndpoint, ModelSettings
    from nlapi.client.answer_fields import FieldFilter
    from nlapi.openapi.spec import Operation
    from nlapi.workflows.workflow_tools import WorkflowSet

# The embedded planner's confidence below which a plan is a guess: a call asks first, and no call is exit code 7.
ASK_BELOW = 0.4


def model_settings() -> ModelSettings:
    """Return the models and caps of the user's models.toml. UsageError when the file is damaged."""
    from nlapi.agent.models.endpoints import read_model_settings

    return read_model_settings(registry.user_folder("config") / "models.toml", os.environ)


def model_endpoint(model: str | None) -> ModelEndpoint:
    """Return the endpoint of a model; for None that of the default of models.toml, else of a Claude model."""
    from nlapi.agent.models.endpoints import find_endpoint
    from nlapi.agent.models.spending import DEFAULT

    settings = model_settings()
    return find_endpoint(model or settings.default or DEFAULT, os.environ, settings.endpoints)


def can_ask_model(model: str | None = None) -> bool:
    """Return whether there is a key for a model, or a profile and the SDK that reads it."""
    endpoint = model_endpoint(model)
    return bool(endpoint.secret) or (endpoint.has_credential and has_extra("claude"))


def only_process(names: Iterable[str], what: str, hint: str) -> AbstractContextManager[None]:
    """Return a context in which no other process does the work that the names identify.

    NlapiError, which says who does it, where one does. Where nothing can be stored there is no such context: then
    nothing is known about other processes.
    """
    try:
        registry.log_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return nullcontext()
    return claimed(registry.log_folder(), names, f"{what} is running in another process; nothing was sent", hint)


@dataclass(kw_only=True)
class PlannerFactory:
    """Makes the planners of a session; `spending` counts what all of them cost, `routing` is the file of --routing.

    With `workflows`, each planner runs those of them that it is asked for.
    """

    targets: Targets
    workflows: WorkflowSet | None = None
    routing: Path | None = None
    spending: SpendingMeter = field(default_factory=SpendingMeter)

    @cached_property
    def _settings(self) -> ModelSettings:
        return model_settings()

    def create(self, name: PlannerName, model: str | None = None) -> Planner:
        """Return the planner of a name; `auto` routes each question. `model` is used in place of every other model."""
        if self.routing is not None and name is not PlannerName.AUTO:
            reason = f"--routing decides between planners, and --planner {name} is one"
            raise UsageError(reason, hint="give one of the two")
        return self._with_workflows(self._without_workflows(name, model), name)

    def _without_workflows(self, name: PlannerName, model: str | None) -> Planner:
        if name is PlannerName.OFFLINE:
            return self._embedded()
        return self._auto(model) if name is PlannerName.AUTO else self._on_model(model or self._default_model)

    def _with_workflows(self, planner: Planner, name: PlannerName) -> Planner:
        """Return a planner that runs workflows too: those that a sentence means, or that a model calls."""
        if self.workflows is None or not self.workflows.tools:
            return planner
        from nlapi.workflows.delegation import WorkflowDelegate
        from nlapi.workflows.plain_match import PlainMatcher

        opened = self.workflows
        # A model that the user chose reads the sentence itself.
        find = (
            None if name in (PlannerName.MODEL, PlannerName.CLAUDE) else PlainMatcher(opened.tools, tuple(self.targets))
        )
        return WorkflowDelegate(
            base=planner, workflows=opened.tools, targets=opened.targets, defaults=opened.defaults, find=find
        )

    @property
    def choices(self) -> tuple[str, ...]:
        """The names that a person may choose a planner by."""
        from nlapi.agent.models.spending import CLAUDE_VERSIONS

        planners = (str(PlannerName.AUTO), str(PlannerName.OFFLINE))
        return (*planners, *CLAUDE_VERSIONS, *self._settings.endpoints, "local:NAME", "openai:NAME")

    def endpoint(self, model: str | None) -> ModelEndpoint:
        """Return the endpoint of a model; that of the default for None."""
        return model_endpoint(model)

    def check_model(self, name: str) -> None:
        """Raise UsageError for a name that no model can have."""
        from nlapi.agent.models.spending import CLAUDE_VERSIONS

        # A server of the user's own behind the address of Anthropic may have models of any name.
        is_model = name in self._settings.endpoints or name in CLAUDE_VERSIONS or name.startswith(("claude-", "local"))
        if not is_model and ":" not in name and not os.environ.get("ANTHROPIC_BASE_URL"):
            raise UsageError(f"there is no model {name!r}", hint=f"there are {', '.join(self.choices)}")

    def _embedded(self) -> Planner:
        from nlapi.planner.planner import OfflinePlanner

        return OfflinePlanner(tuple(self.targets))

    def _on_model(self, model: str) -> Planner:
        from nlapi.agent.models.planner import ModelPlanner
        from nlapi.workflows.plan_writer import deferred_chain

        specs = tuple(self.targets)
        workflows = () if self.workflows is None else tuple(entry.tool for entry in self.workflows.tools)
        return ModelPlanner(
            specs,
            model_endpoint(model),
            spending=self.spending,
            workflows=workflows,
            chains=deferred_chain,
            fields=self._hidden_fields,
        )

    def _hidden_fields(self, operation: Operation) -> FieldFilter:
        """Return what of an operation's answers a model is shown, as the user's policy says."""
        from nlapi.client.answer_fields import FieldFilter
        from nlapi.tools.sending.run import model_fields

        target = self.targets.get(operation.spec)
        return FieldFilter() if target is None else model_fields(operation, target)

    @property
    def _default_model(self) -> str:
        from nlapi.agent.models.spending import DEFAULT

        return self._settings.default or DEFAULT

    def _auto(self, model: str | None) -> Planner:
        """Return the planner that routes: by default to the embedded one where that is sure, else to a model."""
        from nlapi.agent.auto import EMBEDDED_VERSION, MODEL_VERSION, AutoPlanner, version_model

        def resolve_model(version: str) -> str:
            return model or version_model(version, self._default_model)

        has_model = can_ask_model(model)
        routes = self._routes(MODEL_VERSION if has_model else EMBEDDED_VERSION)
        # Every model is looked up, so that one that there is not is an error at once.
        usable = [can_ask_model(resolve_model(version)) for version in routes.models]
        return AutoPlanner(
            self._embedded(),
            self._on_model if has_model or any(usable) else None,
            routes=routes,
            resolve_model=resolve_model,
            operations=sum(len(spec.operations) for spec in self.targets),
            spent=_current_costs,
        )

    def _routes(self, default: str) -> PlannerRoutes:
        """Return the routing of `--routing FILE`, else of the user's settings, else the built-in one."""
        from nlapi.agent.auto import default_routes, read_routes

        hint = "the guide shows one, under Routing"
        models = tuple(self._settings.endpoints)
        file = self.routing or registry.user_folder("config") / "routing.json"
        try:
            content = file.read_bytes() if self.routing is not None else read_file(file)
            if content is None:
                return default_routes(ASK_BELOW, models=models)
            document = json.loads(content)
        except FileNotFoundError:
            raise UsageError(f"there is no file {file}", hint=hint) from None
        except (OSError, ValueError) as error:
            raise UsageError(fault_of(file, error), hint=hint) from None
        return read_routes(document, str(file), min_confidence=ASK_BELOW, models=models, default=default)


def _current_costs() -> tuple[float, float]:
    """Return the cost in dollars of today and of this month, by the user's local time, from the transcripts."""
    from datetime import datetime

    from nlapi.agent.records.transcripts import spent_by_period

    return spent_by_period(registry.log_folder(), datetime.now().astimezone())
