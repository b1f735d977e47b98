"""Plans each question with the embedded planner or a Claude model, as a routing configuration decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlapi.agent.events import Planner, PlannerChosen
from nlapi.agent.messages import model_state
from nlapi.agent.models import DEFAULT, MODELS
from nlapi.errors import UsageError
from nlapi.issue import Level
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
CLAUDE_VERSIONS: Mapping[str, str] = {id.split("-")[1]: id for id in MODELS}
"""Version -> Claude model: "haiku", "sonnet", "opus", ..."""
SPENDING_CAPS = ("question", "day", "month")

# The names and descriptions are part of the user's routing file and of its error messages.
CONTEXT = (
    Field(name="question", description="The question itself: what a split keeps in its share."),
    Field(name="confidence", type=FieldType.NUMBER, description="How sure the embedded planner is, from 0 to 1."),
    Field(name="complete", type=FieldType.BOOLEAN, description="Does the embedded planner lack nothing for its plan?"),
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
_MATCH: Mapping[str, object] = {
    "when": {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}},
    "unless": {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}},
    "between": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"least": {"type": "number"}, "below": {"type": "number"}},
        },
    },
}
_SHARE = {
    "type": "object",
    "required": ["version", "percent"],
    "additionalProperties": False,
    "properties": {"version": {"type": "string"}, "percent": {"type": "number"}},
}
_RULE = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "oneOf": [{"required": ["version"]}, {"required": ["shares"]}],
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "version": {"type": "string"},
        "shares": {"type": "array", "items": _SHARE},
        **_MATCH,
    },
}
# The user's file. Rules have the gateway's form without `objective` and `model`, so that one form is learned once; the
# first rule that matches wins.
SCHEMA: Mapping[str, object] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "default": {"type": "string"},
        "rules": {"type": "array", "items": _RULE},
        "most": {
            "type": "object",
            "additionalProperties": False,
            "properties": {cap: {"type": "number", "minimum": 0} for cap in SPENDING_CAPS},
        },
    },
}

# Returns the planner on the model of a name.
MakeModelPlanner = Callable[[str], Planner]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerRoutes:
    """The routing of questions to planners. `caps` are the spending caps in dollars, by question, day and month."""

    table: Table
    min_confidence: float
    """the least confidence at which the embedded planner counts as sure"""
    caps: Mapping[str, float] = field(default_factory=dict)
    is_custom: bool = False
    """whether the user wrote it"""

    @property
    def needs_history(self) -> bool:
        """Whether the cost of earlier questions has to be known."""
        fields = {"spent_day", "spent_month"}
        matches = [rule.match for rule in self.table.configuration.rules.values()]
        return any(fields & {*match.when, *match.unless, *match.between} for match in matches)


def default_routes(min_confidence: float, *, models: Sequence[str] = ()) -> PlannerRoutes:
    """Return the default: the embedded planner for a complete plan of at least `min_confidence`, else a model.

    `models` are the names of the user's own models, which are versions beside those of Claude.
    """
    match = Match(when={"complete": (True,)}, between={"confidence": Range(least=min_confidence)})
    rule = Rule(
        name="sure",
        objective=OBJECTIVE,
        match=match,
        shares=_full_share(EMBEDDED_VERSION),
        unit="question",
        position=10,
    )
    configuration = _configuration([*_reserved_rules({}), rule], _default_version(), models)
    return PlannerRoutes(table=compile_table(configuration, 1), min_confidence=min_confidence)


def read_routes(document: Any, source: str, *, min_confidence: float, models: Sequence[str] = ()) -> PlannerRoutes:
    """Return the user's routes from a parsed file; UsageError lists every fault in it.

    `source` is the file's name in messages, `models` are the names of the user's models.
    """
    from jsonschema import Draft202012Validator

    faults = [f"{error.json_path[2:]}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(document)]
    _raise_faults(faults, source, models)
    caps = document.get("most", {})
    # Positions under 10 are left for nlapi's own rules, which come first.
    rules = [_parse_rule(data, 10 + index) for index, data in enumerate(document.get("rules", ()))]
    all_rules = [*_reserved_rules(caps), *rules]
    names = [rule.name for rule in all_rules]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    same_name = [f"rules.{name}: there are two rules of this name, or nlapi has one" for name in duplicates]
    _raise_faults(same_name, source, models)
    configuration = _configuration(all_rules, document.get("default", _default_version()), models)
    _raise_faults([_issue_text(issue) for issue in check(configuration) if issue.level is Level.ERROR], source, models)
    return PlannerRoutes(
        table=compile_table(configuration, 1), min_confidence=min_confidence, caps=caps, is_custom=True
    )


def _raise_faults(faults: Iterable[str], source: str, models: Sequence[str]) -> None:
    if fault_list := list(faults):
        versions, fields = (EMBEDDED_VERSION, *CLAUDE_VERSIONS, *models), (field.name for field in CONTEXT)
        hint = f"versions are {', '.join(versions)}; fields are {', '.join(fields)}"
        raise UsageError(f"{source} is no routing of planners: {'; '.join(fault_list)}", hint=hint)


def _issue_text(issue: Any) -> str:
    return f"{issue.where}: {issue.message}"


def _reserved_rules(caps: Mapping[str, float]) -> Iterable[Rule]:
    """Yield the rules that precede those of the user: a menu's choice stays, no key means no Claude, and caps hold."""
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
        yield Rule(
            name=name,
            objective=OBJECTIVE,
            match=match,
            shares=_full_share(EMBEDDED_VERSION),
            unit="question",
            position=position,
        )


def _parse_rule(data: Mapping[str, Any], position: int) -> Rule:
    shares = tuple(
        Share(version=_version_ref(share["version"]), percent=float(share["percent"]))
        for share in data.get("shares", ())
    )
    return Rule(
        name=data["name"],
        objective=OBJECTIVE,
        match=Match.from_mapping(data),
        shares=shares or _full_share(data["version"]),
        unit="question",
        position=position,
        description=data.get("description", ""),
    )


def _configuration(rules: Iterable[Rule], default: str, models: Sequence[str]) -> Configuration:
    names = dict.fromkeys((EMBEDDED_VERSION, *CLAUDE_VERSIONS, *models))
    versions = [Version(model=PLANNER_MODEL, name=name) for name in names]
    objective = Objective(name=OBJECTIVE, title="Plan a question", default=_version_ref(default), context=CONTEXT)
    return Configuration(
        objectives={OBJECTIVE: objective},
        models={PLANNER_MODEL: Model(name=PLANNER_MODEL)},
        versions={version.ref: version for version in versions},
        shards={"local": Shard(name="local")},
        rules={rule.name: rule for rule in rules},
    )


def _default_version() -> str:
    return next(name for name, id in CLAUDE_VERSIONS.items() if id == DEFAULT)


def _version_ref(version: str) -> VersionRef:
    return VersionRef(model=PLANNER_MODEL, version=version)


def _full_share(version: str) -> tuple[Share, ...]:
    return (Share(version=_version_ref(version), percent=100.0),)


class AutoPlanner:
    """A planner that delegates to `embedded` or to a planner made by `claude` (None without a key), as `routes` decide.

    The planner of the last plan of a turn continues it. Claude takes over a turn in which the embedded planner is
    stuck, with the steps so far in its messages. `operations` is the number of operations to choose from; `spent`
    returns the dollars that earlier questions of this day and month have cost.
    """

    name = "auto"

    def __init__(
        self,
        embedded: Planner,
        claude: MakeModelPlanner | None,
        *,
        routes: PlannerRoutes,
        operations: int = 0,
        spent: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0),
    ) -> None:
        self._embedded = embedded
        self._make_claude = claude
        self._claude_planners: dict[str, Planner] = {}
        self._routes = routes
        self._operations = operations
        self._spent = spent
        self._earlier_cost: tuple[float, float] | None = None
        self._session_cost = 0.0

    async def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """Yield the output of the planner that routing chooses, after a PlannerChosen where it changes."""
        turn = conversation.current
        # Claude finishes its own turns: its plans refer to tool calls that the embedded planner cannot continue.
        if turn.rounds and (state := model_state(turn.rounds[-1].plan)) is not None and self._make_claude is not None:
            if capped_plan := self._cap_plan(turn):
                yield capped_plan
                return
            async for piece in self._stream_claude(self._claude(state.model or DEFAULT), conversation):
                yield piece
            return
        # The embedded planner costs milliseconds and no money, so its confidence decides whether Claude is needed.
        plan = await _plan_of(self._embedded, conversation)
        context = self._context(turn, plan)
        decision = self._routes.table.decide(OBJECTIVE, context)
        if (version := decision.version.version) == EMBEDDED_VERSION:
            if not turn.rounds:
                yield self._choice_event(self._embedded.name, decision, plan, context)
            yield plan
            return
        claude = self._claude(CLAUDE_VERSIONS.get(version, version))
        yield self._choice_event(claude.name, decision, plan, context)
        async for piece in self._stream_claude(claude, conversation):
            yield piece

    async def _stream_claude(
        self, claude: Planner, conversation: Conversation
    ) -> AsyncIterator[str | PlannerChosen | Plan]:
        async for piece in claude.next(conversation):
            if isinstance(piece, Plan):
                self._session_cost += _plan_cost(piece)
            yield piece

    def _claude(self, model: str) -> Planner:
        assert self._make_claude is not None
        if model not in self._claude_planners:
            self._claude_planners[model] = self._make_claude(model)
        return self._claude_planners[model]

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
            "key": self._make_claude is not None,
            "spent_question": sum(_plan_cost(round.plan) for round in turn.rounds),
            "spent_day": day + self._session_cost,
            "spent_month": month + self._session_cost,
        }
        if plan is not None:
            context |= {"confidence": plan.confidence, "complete": not plan.missing}
        return context

    def _cap_plan(self, turn: Turn) -> Plan | None:
        """Return the end of a turn of Claude's that has reached a spending cap; None under the caps."""
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
        self, planner: str, decision: Decision, plan: Plan, context: Mapping[str, Scalar]
    ) -> PlannerChosen:
        reason = _choice_reason(decision, plan, self._routes.min_confidence)
        if self._routes.is_custom and decision.rule != "no-key":
            reason = f"{reason}; {decision.reason}"
        return PlannerChosen(planner=planner, why=reason, decision=decision, context=context)


def _choice_reason(decision: Decision, plan: Plan, min_confidence: float) -> str:
    """Return the reason for the choice of a planner, for the user."""
    assessment = _assessment(plan, min_confidence)
    if decision.version.version != EMBEDDED_VERSION:
        return f"the embedded planner {assessment}"
    if decision.rule == "no-key" and (plan.missing or plan.confidence < min_confidence):
        return f"it {assessment}, and there is no ANTHROPIC_API_KEY, or --model, to ask a model with"
    return f"it {assessment}"


def _assessment(plan: Plan, min_confidence: float) -> str:
    if plan.missing:
        return f"lacks {', '.join(missing.argument for missing in plan.missing)}"
    if plan.confidence >= min_confidence:
        return f"is {plan.confidence:.0%} sure and nothing is missing"
    if not plan.calls and plan.text:
        return f"has no plan ({plan.text.partition('. ')[0].rstrip('.')})"
    return f"is only {plan.confidence:.0%} sure"


def _plan_cost(plan: Plan) -> float:
    state = model_state(plan)
    return (state.cost or 0.0) if state is not None else 0.0


async def _plan_of(planner: Planner, conversation: Conversation) -> Plan:
    return [piece async for piece in planner.next(conversation) if isinstance(piece, Plan)][-1]
