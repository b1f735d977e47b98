"""Plans each question with the embedded planner or a model, as a routing configuration decides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from nlapi.agent.events import Planner, PlannerChosen
from nlapi.agent.models.messages import model_state, request_state
from nlapi.agent.models.spending import CLAUDE_VERSIONS, DEFAULT, MODELS
from nlapi.errors import Issue, Level, UsageError
from nlapi.openapi.spec import Effect
from nlapi.planner.steps.name_rounds import without_name_rounds
from nlapi.routing.check import check
from nlapi.routing.model import (
    Configuration,
    Decision,
    Field,
    FieldType,
    Match,
    Model,
    Objective,
    Range,
    Rule,
    Scalar,
    Shard,
    Share,
    Version,
    VersionRef,
)
from nlapi.routing.table import Table, compile_table
from nlapi.tools.plan import Conversation, Plan, Turn

OBJECTIVE = "nlapi.plan"
PLANNER_MODEL = "planner"
EMBEDDED_VERSION = "embedded"
MODEL_VERSION = "model"
"""the model that is used where none is named: the `default` of models.toml, else a Claude model"""
MODEL_KINDS = ("local", "openai")
"""`local:NAME` and `openai:NAME` are versions by themselves"""
SPENDING_CAPS = ("question", "day", "month")

# The names and descriptions are part of the user's routing file and of its error messages.
CONTEXT = (
    Field(name="question", description="The question itself: what a split keeps in its share."),
    Field(name="confidence", type=FieldType.NUMBER, description="How sure the embedded planner is, from 0 to 1."),
    Field(name="complete", type=FieldType.BOOLEAN, description="Does the embedded planner lack nothing for its plan?"),
    Field(
        name="changes",
        type=FieldType.BOOLEAN,
        description="Does the embedded plan, or a call for it so far, change something?",
    ),
    Field(name="underway", type=FieldType.BOOLEAN, description="Are calls of an embedded plan for it made already?"),
    Field(name="operations", type=FieldType.INTEGER, description="How many operations there are to choose from."),
    Field(name="length", type=FieldType.INTEGER, description="Characters of the question."),
    Field(name="steps", type=FieldType.INTEGER, description="Calls that were made for this question so far."),
    Field(name="chosen", type=FieldType.BOOLEAN, description="Did the user choose the operation from a menu?"),
    Field(name="key", type=FieldType.BOOLEAN, description="Is there a key for a model?"),
    *(
        Field(name=f"spent_{cap}", type=FieldType.NUMBER, description=f"Dollars this {cap} so far.")
        for cap in SPENDING_CAPS
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustLevels:
    """The least confidence at which a plan of the embedded planner is kept although a model could plan.

    None: no such plan is kept.
    """

    read: float | None
    change: float | None

    def of_plan(self, plan: Plan) -> float | None:
        return self.read if plan.effect is Effect.READ else self.change


# `python -m training.trust` on 2,377 complete plans for 3,189 questions, each by forests that have not seen its API: of
# the 375 reads from .889 on 96.3 % are exactly right, of the 107 changes from .975 on 98.1 %. Below, fewer than 9 of 10
# are at the next confidence; for changes also the lower end of the interval (docs/design/056-what-auto-keeps.md).
TRUST_LEVELS = TrustLevels(read=0.889, change=0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerRoutes:
    """The routing of questions to planners. `caps` are the spending caps in dollars, by question, day and month."""

    table: Table
    min_confidence: float
    """the least confidence at which the embedded planner counts as sure without a model"""
    trust: TrustLevels | None = None
    """what the built-in routes go by; None for the routes of the user"""
    caps: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_custom(self) -> bool:
        """Whether the user wrote them."""
        return self.trust is None

    @property
    def models(self) -> frozenset[str]:
        """The versions that are models and may be decided for, as they are written."""
        configuration = self.table.configuration
        shares = [share.version for rule in configuration.rules.values() for share in rule.shares]
        default = configuration.objectives[OBJECTIVE].default
        names = {ref.version for ref in (*shares, default) if ref is not None}
        return frozenset(names - {EMBEDDED_VERSION})

    @property
    def needs_history(self) -> bool:
        """Whether the cost of earlier questions has to be known."""
        fields = {"spent_day", "spent_month"}
        matches = [rule.match for rule in self.table.configuration.rules.values()]
        return any(fields & {*match.when, *match.unless, *match.between} for match in matches)


def default_routes(
    min_confidence: float, *, trust: TrustLevels = TRUST_LEVELS, models: Sequence[str] = ()
) -> PlannerRoutes:
    """Return the default: the embedded planner for a complete plan that `trust` lets pass, else a model.

    A question that the embedded planner is at stays with it from `min_confidence` on: its plan was trusted when it
    began. `models` are the names of the user's own models, which are versions beside those of Claude.
    """
    matches = {"underway": Match(when={"complete": (True,), "underway": (True,)}, between=_from(min_confidence))}
    for name, changes, least in (("sure-read", False, trust.read), ("sure-change", True, trust.change)):
        if least is not None:
            matches[name] = Match(when={"complete": (True,), "changes": (changes,)}, between=_from(least))
    rules = [_embedded_rule(name, match, 10 + index) for index, (name, match) in enumerate(matches.items())]
    configuration = _configuration([*_reserved_rules({}), *rules], MODEL_VERSION, models)
    return PlannerRoutes(table=compile_table(configuration, 1), min_confidence=min_confidence, trust=trust)


def _from(confidence: float) -> Mapping[str, Range]:
    return {"confidence": Range(least=confidence)}


def read_routes(
    document: Any, source: str, *, min_confidence: float, models: Sequence[str] = (), default: str = MODEL_VERSION
) -> PlannerRoutes:
    """Return the user's routes from a parsed file; UsageError lists every fault in it.

    `source` is the file's name in messages, `models` are the names of the user's models, `default` is the version where
    the file names none.
    """
    from jsonschema import Draft202012Validator

    # Rules have the gateway's form without `objective` and `model`, so that one form is learned once; the first rule
    # that matches wins.
    schema = json.loads(files("nlapi").joinpath("agent", "routing_schema.json").read_text(encoding="utf-8"))
    faults = [f"{error.json_path[2:]}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)]
    _raise_faults(faults, source, models)
    caps = document.get("most", {})
    # Positions under 10 are left for nlapi's own rules, which come first.
    rules = [_parse_rule(data, 10 + index) for index, data in enumerate(document.get("rules", ()))]
    all_rules = [*_reserved_rules(caps), *rules]
    names = [rule.name for rule in all_rules]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    same_name = [f"rules.{name}: there are two rules of this name, or nlapi has one" for name in duplicates]
    _raise_faults(same_name, source, models)
    configuration = _configuration(all_rules, document.get("default", default), models)
    _raise_faults(
        [f"{issue.where}: {issue.message}" for issue in check(configuration) if _counts(issue)], source, models
    )
    return PlannerRoutes(table=compile_table(configuration, 1), min_confidence=min_confidence, caps=caps)


def _raise_faults(faults: Iterable[str], source: str, models: Sequence[str]) -> None:
    if fault_list := list(faults):
        versions = (*_named_versions(models), *(f"{kind}:NAME" for kind in MODEL_KINDS))
        fields = (field.name for field in CONTEXT)
        hint = f"versions are {', '.join(versions)}; fields are {', '.join(fields)}"
        raise UsageError(f"{source} is not a routing of planners: {'; '.join(fault_list)}", hint=hint)


def _counts(issue: Issue) -> bool:
    """Return whether an issue is a fault; models have names that versions of the gateway cannot have."""
    is_model_name = issue.rule == "bad-name" and issue.where.startswith("versions.")
    return issue.level is Level.ERROR and not is_model_name


def _reserved_rules(caps: Mapping[str, float]) -> Iterable[Rule]:
    """Yield the rules that precede those of the user: a menu's choice stays, no key means no model, and caps hold."""
    matches = {
        "chosen": Match(when={"chosen": (True,)}),
        "no-key": Match(when={"key": (False,)}),
        **{
            f"most-{cap}": Match(between={f"spent_{cap}": Range(least=caps[cap])})
            for cap in SPENDING_CAPS
            if cap in caps
        },
    }
    for position, (name, match) in enumerate(matches.items()):
        yield _embedded_rule(name, match, position)


def _embedded_rule(name: str, match: Match, position: int) -> Rule:
    return _rule(name, match, _full_share(EMBEDDED_VERSION), position)


def _rule(name: str, match: Match, shares: tuple[Share, ...], position: int, description: str = "") -> Rule:
    return Rule(
        name=name,
        objective=OBJECTIVE,
        match=match,
        shares=shares,
        unit="question",
        position=position,
        description=description,
    )


def _parse_rule(data: Mapping[str, Any], position: int) -> Rule:
    shares = tuple(
        Share(version=_version_ref(share["version"]), percent=float(share["percent"]))
        for share in data.get("shares", ())
    )
    shares = shares or _full_share(data["version"])
    return _rule(data["name"], Match.from_mapping(data), shares, position, data.get("description", ""))


def _configuration(rules: Iterable[Rule], default: str, models: Sequence[str]) -> Configuration:
    rules = tuple(rules)
    written = (default, *(share.version.version for rule in rules for share in rule.shares))
    names = dict.fromkeys((*_named_versions(models), *filter(_is_model, written)))
    versions = [Version(model=PLANNER_MODEL, name=name) for name in names]
    objective = Objective(name=OBJECTIVE, title="Plan a question", default=_version_ref(default), context=CONTEXT)
    return Configuration(
        objectives={OBJECTIVE: objective},
        models={PLANNER_MODEL: Model(name=PLANNER_MODEL)},
        versions={version.ref: version for version in versions},
        shards={"local": Shard(name="local")},
        rules={rule.name: rule for rule in rules},
    )


def _named_versions(models: Sequence[str]) -> tuple[str, ...]:
    return (EMBEDDED_VERSION, MODEL_VERSION, *CLAUDE_VERSIONS, "local", *models)


def _is_model(name: str) -> bool:
    """Return whether a version is the full name of a model, as `--model` takes it."""
    kind, _, model = name.partition(":")
    return name in MODELS or (kind in MODEL_KINDS and bool(model.strip()))


def version_model(version: str, default: str = DEFAULT) -> str:
    """Return the name of the model that a version stands for; `default` is that of the version `model`."""
    return default if version == MODEL_VERSION else CLAUDE_VERSIONS.get(version, version)


def _version_ref(version: str) -> VersionRef:
    return VersionRef(model=PLANNER_MODEL, version=version)


def _full_share(version: str) -> tuple[Share, ...]:
    return (Share(version=_version_ref(version), percent=100.0),)


# Returns the planner on the model of a name.
MakeModelPlanner = Callable[[str], Planner]


class AutoPlanner:
    """A planner that delegates to `embedded`, or to one made by `make_planner` (None without a model), by `routes`.

    The planner of the last plan of a turn continues it. A model takes over a turn in which the embedded planner is
    stuck, with the steps so far in its messages. `resolve_model` returns the model of a version. `operations` is the
    number of operations to choose from; `spent` returns the dollars that earlier questions of this day and month have
    cost.
    """

    name = "auto"

    def __init__(
        self,
        embedded: Planner,
        make_planner: MakeModelPlanner | None,
        *,
        routes: PlannerRoutes,
        resolve_model: Callable[[str], str] = version_model,
        operations: int = 0,
        spent: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0),
    ) -> None:
        self._embedded = embedded
        self._make_planner = make_planner
        self._resolve_model = resolve_model
        self._model_planners: dict[str, Planner] = {}
        self._routes = routes
        self._operations = operations
        self._spent = spent
        self._earlier_cost: tuple[float, float] | None = None
        self._session_cost = 0.0

    async def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """Yield the output of the planner that routing chooses, after a PlannerChosen where it changes."""
        turn = conversation.current
        # A model finishes its own turns: its plans refer to tool calls that the embedded planner cannot continue.
        states = [state for round in turn.rounds if (state := model_state(round.plan)) is not None]
        if states and self._make_planner is not None:
            if capped_plan := self._cap_plan(turn):
                yield capped_plan
                return
            async for piece in self._stream(
                self._model_planner(states[-1].model or self._resolve_model(MODEL_VERSION)), conversation
            ):
                yield piece
            return
        # The embedded planner costs milliseconds and no money, so its confidence decides whether a model is needed.
        plan = await _plan_of(self._embedded, conversation)
        context = self._context(turn, plan)
        # The names of things that a planner reads before it plans are not the beginning of its plan.
        context["underway"] = bool(without_name_rounds(conversation).current.rounds)
        decision = self._routes.table.decide(OBJECTIVE, context)
        if (version := decision.version.version) == EMBEDDED_VERSION:
            if not turn.rounds:
                yield self._choice_event(self._embedded.name, decision, plan, context)
            yield plan
            return
        model = self._resolve_model(version)
        planner = self._model_planner(model)
        yield self._choice_event(planner.name, decision, plan, context, model)
        async for piece in self._stream(planner, conversation):
            yield piece

    async def _stream(self, planner: Planner, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """Yield the output of a model's planner, and count what its plan costs."""
        async for piece in planner.next(conversation):
            if isinstance(piece, Plan):
                self._session_cost += _plan_cost(piece)
            yield piece

    def _model_planner(self, model: str) -> Planner:
        assert self._make_planner is not None
        if model not in self._model_planners:
            self._model_planners[model] = self._make_planner(model)
        return self._model_planners[model]

    def _context(self, turn: Turn, plan: Plan | None) -> dict[str, Scalar]:
        # The transcripts are read once, and only where a rule of the user is about the spending of a day or month.
        if self._earlier_cost is None:
            self._earlier_cost = self._spent() if self._routes.needs_history else (0.0, 0.0)
        day, month = self._earlier_cost
        context: dict[str, Scalar] = {
            "question": turn.question,
            "operations": self._operations,
            "length": len(turn.question),
            "steps": len(turn.steps),
            "chosen": turn.chosen is not None,
            "key": self._make_planner is not None,
            "spent_question": sum(_plan_cost(round.plan) for round in turn.rounds),
            "spent_day": day + self._session_cost,
            "spent_month": month + self._session_cost,
        }
        if plan is not None:
            effects = {plan.effect, *(step.call.effect for step in turn.steps)}
            is_change = effects != {Effect.READ}
            context |= {"confidence": plan.confidence, "complete": not plan.missing, "changes": is_change}
        return context

    def _cap_plan(self, turn: Turn) -> Plan | None:
        """Return the end of a turn of a model's that has reached a spending cap; None under the caps."""
        context = self._context(turn, None)
        for cap, limit in self._routes.caps.items():
            spent = float(context[f"spent_{cap}"])
            if spent >= limit:
                # The turn ends here because the embedded planner would plan the question from the beginning, and repeat
                # its calls.
                text = f"Stopped: this {cap} has cost ${spent:.4f}, and ${limit:g} is the most that it may."
                return Plan(text=text, confidence=1.0, ended=cap)
        return None

    def _choice_event(
        self, planner: str, decision: Decision, plan: Plan, context: Mapping[str, Scalar], model: str = ""
    ) -> PlannerChosen:
        reason = _choice_reason(decision, plan, self._routes)
        if self._routes.is_custom and decision.rule != "no-key":
            reason = f"{reason}; {decision.reason}"
        return PlannerChosen(planner=planner, model=model, why=reason, decision=decision, context=context)


def _choice_reason(decision: Decision, plan: Plan, routes: PlannerRoutes) -> str:
    assessment = _assessment(plan, routes.min_confidence)
    if decision.version.version == EMBEDDED_VERSION:
        if decision.rule == "no-key" and (plan.missing or plan.confidence < routes.min_confidence):
            return f"it {assessment}, and neither ANTHROPIC_API_KEY nor --model is set"
        return f"it {assessment}"
    if routes.trust is not None and not plan.missing and plan.confidence >= routes.min_confidence:
        least, kind = routes.trust.of_plan(plan), "read" if plan.effect is Effect.READ else "change"
        condition = f"from {least:.0%} on" if least is not None else "never"
        return f"the embedded planner is {plan.confidence:.0%} sure of a {kind}, which is left to it {condition}"
    return f"the embedded planner {assessment}"


def _assessment(plan: Plan, min_confidence: float) -> str:
    if plan.missing:
        return f"lacks {', '.join(missing.argument for missing in plan.missing)}"
    if plan.confidence >= min_confidence:
        # The figure stands beside what was understood: a look-up may have changed it by then.
        return "is sure enough and nothing is missing"
    if not plan.calls and plan.text:
        return f"has no plan ({plan.text.partition('. ')[0].rstrip('.')})"
    return f"is only {plan.confidence:.0%} sure"


def _plan_cost(plan: Plan) -> float:
    state = request_state(plan)
    return (state.cost or 0.0) if state is not None else 0.0


async def _plan_of(planner: Planner, conversation: Conversation) -> Plan:
    return [piece async for piece in planner.next(conversation) if isinstance(piece, Plan)][-1]
