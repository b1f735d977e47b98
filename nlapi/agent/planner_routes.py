"""The routing of questions to planners: the built-in rules, and those of the user's file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlapi.agent.models import CLAUDE_VERSIONS, DEFAULT, MODELS
from nlapi.errors import UsageError
from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Effect
from nlapi.routing.check import check
from nlapi.routing.model import (
    Configuration,
    Field,
    FieldType,
    Match,
    Model,
    Objective,
    Range,
    Rule,
    Shard,
    Share,
    Version,
    VersionRef,
)
from nlapi.routing.table import Table, compile_table
from nlapi.tools.plan import Plan

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
    """the least confidence at which the embedded planner counts as sure where there is no model"""
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
        raise UsageError(f"{source} is no routing of planners: {'; '.join(fault_list)}", hint=hint)


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
    return Rule(
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
