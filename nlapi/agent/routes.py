"""The choice of a planner as a configuration of `nlapi.routing`, built in or written by the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.agent.models import DEFAULT, MODELS
from nlapi.errors import UsageError
from nlapi.issue import Level
from nlapi.routing.check import check
from nlapi.routing.nouns import (
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
from nlapi.routing.table import Table, compile

OBJECTIVE = "nlapi.plan"
PLANNER = "planner"
EMBEDDED = "embedded"
CLAUDE: Mapping[str, str] = {id.split("-")[1]: id for id in MODELS}
"""Version -> Claude model: "haiku", "sonnet", "opus", ..."""
CAPS = ("question", "day", "month")

# The names and descriptions are part of the user's routing file and of its error messages.
CONTEXT = (
    Field(name="question", description="The question itself: what a split keeps in its share."),
    Field(name="confidence", type=FieldType.NUMBER, description="How sure the embedded planner is, from 0 to 1."),
    Field(name="complete", type=FieldType.BOOLEAN, description="Does the embedded planner lack nothing for its plan?"),
    Field(name="operations", type=FieldType.INTEGER, description="How many operations there are to choose from."),
    Field(name="length", type=FieldType.INTEGER, description="Characters of the question."),
    Field(name="steps", type=FieldType.INTEGER, description="Calls that were made for this question so far."),
    Field(name="chosen", type=FieldType.BOOLEAN, description="Did the user choose the operation from a menu?"),
    Field(name="key", type=FieldType.BOOLEAN, description="Is there a key for Claude?"),
    *(Field(name=f"spent_{cap}", type=FieldType.NUMBER, description=f"Dollars this {cap} so far.") for cap in CAPS),
)
_MATCH: Mapping[str, Any] = {
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
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "default": {"type": "string"},
        "rules": {"type": "array", "items": _RULE},
        "most": {
            "type": "object",
            "additionalProperties": False,
            "properties": {cap: {"type": "number", "minimum": 0} for cap in CAPS},
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The routing of questions to planners. `caps` are the spending caps in dollars, by question, day and month."""

    table: Table
    sure: float
    """the least confidence at which the embedded planner counts as sure"""
    most: Mapping[str, float] = field(default_factory=dict)
    own: bool = False
    """whether the user wrote it"""

    @property
    def looks_back(self) -> bool:
        """Whether the cost of earlier questions has to be known."""
        fields = {"spent_day", "spent_month"}
        matches = [rule.match for rule in self.table.configuration.rules.values()]
        return any(fields & {*match.when, *match.unless, *match.between} for match in matches)


def built_in(sure: float) -> Routes:
    """Return the default: the embedded planner for a complete plan of at least `min_confidence`, else Claude."""
    match = Match(when={"complete": (True,)}, between={"confidence": Range(least=sure)})
    rule = Rule(name="sure", objective=OBJECTIVE, match=match, shares=_all(EMBEDDED), unit="question", position=10)
    return Routes(table=compile(_configuration([*_house({}), rule], _default()), 1), sure=sure)


def read_routes(document: Any, where: str, *, sure: float) -> Routes:
    """Return the user's routes from a parsed file; UsageError lists every fault in it.

    `source` is the file's name in messages.
    """
    from jsonschema import Draft202012Validator

    faults = [f"{error.json_path[2:]}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(document)]
    _refuse(faults, where)
    most = document.get("most", {})
    # Positions under 10 are left for nlapi's own rules, which come first.
    rules = [_rule(data, 10 + at) for at, data in enumerate(document.get("rules", ()))]
    made = [*_house(most), *rules]
    names = [rule.name for rule in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    _refuse([f"rules.{name}: there are two rules of this name, or nlapi has one" for name in twice], where)
    configuration = _configuration(made, document.get("default", _default()))
    _refuse([_told(one) for one in check(configuration) if one.level is Level.ERROR], where)
    return Routes(table=compile(configuration, 1), sure=sure, most=most, own=True)


def _refuse(faults: Iterable[str], where: str) -> None:
    if told := list(faults):
        hint = f"versions are {', '.join((EMBEDDED, *CLAUDE))}; fields are {', '.join(one.name for one in CONTEXT)}"
        raise UsageError(f"{where} is no routing of planners: {'; '.join(told)}", hint=hint)


def _told(issue: Any) -> str:
    return f"{issue.where}: {issue.message}"


def _house(most: Mapping[str, float]) -> Iterable[Rule]:
    """Yield the rules that precede those of the user: a menu's choice stays, no key means no Claude, and caps hold."""
    matches = {
        "chosen": Match(when={"chosen": (True,)}),
        "no-key": Match(when={"key": (False,)}),
        **{f"most-{cap}": Match(between={f"spent_{cap}": Range(least=most[cap])}) for cap in CAPS if cap in most},
    }
    for position, (name, match) in enumerate(matches.items()):
        yield Rule(
            name=name, objective=OBJECTIVE, match=match, shares=_all(EMBEDDED), unit="question", position=position
        )


def _rule(data: Mapping[str, Any], position: int) -> Rule:
    shares = tuple(Share(version=_ref(one["version"]), percent=float(one["percent"])) for one in data.get("shares", ()))
    return Rule(
        name=data["name"],
        objective=OBJECTIVE,
        match=Match.of(data),
        shares=shares or _all(data["version"]),
        unit="question",
        position=position,
        description=data.get("description", ""),
    )


def _configuration(rules: Iterable[Rule], default: str) -> Configuration:
    versions = [Version(model=PLANNER, name=name) for name in (EMBEDDED, *CLAUDE)]
    objective = Objective(name=OBJECTIVE, title="Plan a question", default=_ref(default), context=CONTEXT)
    return Configuration(
        objectives={OBJECTIVE: objective},
        models={PLANNER: Model(name=PLANNER)},
        versions={one.ref: one for one in versions},
        shards={"local": Shard(name="local")},
        rules={rule.name: rule for rule in rules},
    )


def _default() -> str:
    return next(name for name, id in CLAUDE.items() if id == DEFAULT)


def _ref(version: str) -> VersionRef:
    return VersionRef(model=PLANNER, version=version)


def _all(version: str) -> tuple[Share, ...]:
    return (Share(version=_ref(version), percent=100.0),)
