"""The state that the embedded planner keeps in a Plan for the next round, and its JSON form in a transcript."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, TypeAlias

from nlapi.errors import UsageError
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.slots.assignment import nest_values
from nlapi.planner.slots.entities import PendingLookup
from nlapi.planner.slots.preset_values import Values, argument_name, pending_lookup
from nlapi.planner.slots.slot import Slot, SlotCandidate
from nlapi.planner.steps.name_rounds import PLANNER, NamesState
from nlapi.resources.forms import schema_type
from nlapi.tools.plan import JsonObject, Plan, is_remembered
from nlapi.tools.tool import Account, Call, Origin, Tool, ValueSource


def sources_of(best: OperationCandidate, question: str) -> tuple[ValueSource, ...]:
    """Return the sources of what a sentence fills; their places are those in `question`, which may be longer."""
    return tuple(_source(option, question) for option in best.assignment.candidates)


def rivals_of(best: OperationCandidate) -> tuple[Rival, ...]:
    """Return the other readings of the words of an assignment, the likeliest first."""
    by_words = {(option.start, option.end): option for option in best.assignment.candidates}
    text = best.context.sentence.text
    return tuple(
        Rival(
            words=text[rival.start : rival.end],
            replaced=chosen.slot.path,
            path=rival.slot.path,
            value=rival.value,
            sure=round(rival.probability, 3),
        )
        for rival in best.assignment.rivals
        if (chosen := by_words.get((rival.start, rival.end))) is not None
    )


def other_readings(
    candidates: Iterable[OperationCandidate], best: OperationCandidate, question: str
) -> Iterator[tuple[Call, Account]]:
    """Yield the calls of the other candidates that lack no value, with where each value comes from."""
    for other in candidates:
        if other.operation is not best.operation and not other.assignment.missing:
            sources = tuple(
                replace(entry, sure=1.0) if entry.origin is Origin.LOOKUP else entry
                for entry in sources_of(other, question)
            )
            yield Call(tool=other.tool, arguments={}), Account(sources=sources, sentence=question)


def _source(option: SlotCandidate, question: str) -> ValueSource:
    argument, value = argument_name(option.slot), option.value
    if option.end <= option.start:
        return ValueSource(argument=argument, value=_plain(value), origin=_unwritten(value))
    return ValueSource(
        argument=argument,
        value=_plain(value),
        origin=Origin.WORDS if pending_lookup(value) is None else Origin.LOOKUP,
        words=question[option.start : option.end],
        start=option.start,
        end=option.end,
        name=value if isinstance(value, str) and value in option.slot.sole_names else "",
        sure=round(option.probability, 3),
    )


def _unwritten(value: object) -> Origin:
    """Return the origin of a value without words: the only item of its kind, the caller, the state of a verb."""
    return Origin.LOOKUP if pending_lookup(value) is not None or isinstance(value, int | float) else Origin.VERB


def with_completed(
    sources: Sequence[ValueSource], values: Values, slots: Iterable[Slot], known_values: Mapping[str, object]
) -> tuple[ValueSource, ...]:
    """Return the sources of the values that are sent; for those without one, that of a setting or the description."""
    by_argument = {".".join(path): value for path, value in values.items()}
    result = [source for source in sources if source.argument in by_argument]
    explained = {source.argument for source in result}
    slots_by_name = {argument_name(slot): slot for slot in slots}
    result += [
        _completed_source(name, value, slots_by_name.get(name), known_values)
        for name, value in by_argument.items()
        if name not in explained
    ]
    return tuple(result)


def _completed_source(name: str, value: object, slot: Slot | None, known_values: Mapping[str, object]) -> ValueSource:
    setting = name if name in known_values else name.partition(".")[0]
    if setting in known_values:
        origin = Origin.REPLY if is_remembered(known_values, setting) else Origin.SETTING
        return ValueSource(argument=name, value=_plain(value), origin=origin)
    fixed = slot is not None and (slot.has_default or slot.is_constant or (slot.is_nullable and value is None))
    return ValueSource(argument=name, value=_plain(value), origin=Origin.DESCRIPTION if fixed else Origin.NOBODY)


def with_lookup(sources: Iterable[ValueSource], argument: str, id: object, name: str) -> tuple[ValueSource, ...]:
    """Return `sources` with the id that a look-up gave for the words of `argument`, of an item called `name`."""
    return tuple(
        replace(source, value=id, origin=Origin.LOOKUP, name=source.name or name)
        if source.argument == argument
        else source
        for source in sources
    )


def _plain(value: object) -> object:
    if isinstance(value, list):
        return list(map(_plain, value))
    return value.name if isinstance(value, PendingLookup) else value


# (source of the description, operation id) -> Tool; UsageError when the operation no longer exists.
FindTool: TypeAlias = Callable[[str, str], Tool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredItem:
    """An item of a listing with its id; `score`, from 0 to 1, says how well it matches the name in the question."""

    score: float
    id: Any
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A request of a question, with its `calls` as soon as all names in them are resolved.

    One that `waits` refers to what another makes or reads, and is planned after that answer: its calls are then those
    that are foreseen, and `pending` has where their other arguments will come from. `part` is the id of a call that
    the user agrees to before it is sent.
    """

    sentence: str
    calls: tuple[Call, ...] = ()
    used: tuple[str, ...] = ()
    understood: str = ""
    confidence: float = 1.0
    waits: bool = False
    pending: tuple[tuple[str, str], ...] = ()
    part: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether its calls can be sent."""
        return bool(self.calls) and not self.waits


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseState:
    """The requests of a question. The first `sent` of them are in this round or before it.

    `current` is the index of the one that the round is for; None where it sends those since the last such round.
    """

    clauses: tuple[Clause, ...]
    current: int | None = None
    sent: int = 0

    def with_clause(self, index: int, clause: Clause) -> ClauseState:
        """Return the state with another clause at an index."""
        return replace(self, clauses=(*self.clauses[:index], clause, *self.clauses[index + 1 :]))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """The state of a plan of the very call that a question leads to; `used` are the words that its values come from.

    `goal` is the call with the other readings of its words, where there are any, or where it is one of them.
    """

    used: tuple[str, ...] = ()
    clause: ClauseState | None = None
    goal: Goal | None = None

    def to_json(self) -> JsonObject:
        return {"planner": PLANNER, "state": _encode(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another reading of words that an argument of a goal has: `value` at `path`, in place of what is at `replaced`."""

    words: str
    replaced: tuple[str, ...]
    path: tuple[str, ...]
    value: Any
    sure: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The call that a question leads to, with names in it that are still to be looked up.

    `note` says what of the sentence no value uses, `used` has the words that the values come from, and `unused` the
    names, numbers and quotations of the sentence that are in no value. `sentence` is the question, or the clause of it
    that the call is for. Where the call only prepares another one, `outer` is the look-up that it is part of. `rivals`
    are other readings of the same words, and `second_try` has the result of the first reading where this is another
    one. `likelihood` is how likely a change is right where nothing speaks against it.
    """

    tool: Tool
    values: Values
    confidence: float
    question: str
    note: str = ""
    used: tuple[str, ...] = ()
    outer: LookupState | None = None
    sentence: str = ""
    sources: tuple[ValueSource, ...] = ()
    unused: tuple[str, ...] = ()
    rivals: tuple[Rival, ...] = ()
    second_try: str = ""
    likelihood: float = 0.0

    @property
    def final_call(self) -> Call:
        """The call that the question leads to in the end, without the values that are still to be looked up."""
        if self.outer is not None:
            return self.outer.goal.final_call
        values = {path: value for path, value in self.values.items() if pending_lookup(value) is None}
        return Call(tool=self.tool, arguments=nest_values(values))

    @property
    def account(self) -> Account:
        return Account(sources=self.sources, unused=self.unused, sentence=self.sentence)

    def with_id(self, slot: Slot, id: object, name: str = "") -> Goal:
        """Return the goal with an id, of the item called `name`, in place of the look-up in a slot."""
        value = self.values[slot.path]
        # A list may have the id as a number where the path of the same API declares a text.
        if isinstance(id, int) and schema_type(slot.item or slot.schema) == "string":
            id = str(id)
        resolved = (
            [id if isinstance(entry, PendingLookup) else entry for entry in value] if isinstance(value, list) else id
        )
        sources = with_lookup(self.sources, argument_name(slot), resolved, name)
        return replace(self, values={**self.values, slot.path: resolved}, sources=sources)

    def with_whole_name(self, slot: Slot, name: str) -> Goal:
        """Return the goal with more words of the sentence for what is looked up in a slot: its whole name."""
        start = self.sentence.casefold().find(name.casefold())
        words = self.sentence[start : start + len(name)] if start >= 0 else name
        sources = tuple(
            replace(source, words=words, start=start, end=start + len(name) if start >= 0 else -1)
            if source.argument == argument_name(slot)
            else source
            for source in self.sources
        )
        unused = tuple(text for text in self.unused if text.casefold() not in name.casefold())
        return replace(self, sources=sources, unused=unused, note="" if not unused else self.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class EachItem(PendingLookup):
    """The place of an id in a change of each of several items, which `listing` lists and `sentence` describes.

    `ids` are those of the items that were listed before, `count` is their number where the sentence says one.
    """

    listing: Goal
    sentence: str
    ids: tuple[str, ...] = ()
    count: int = 0


class LookupStage(StrEnum):
    """The call of a look-up that was made last."""

    LISTING = "lookup"
    """the listing in which the item is searched"""
    ITEM = "via"
    """the read of the item, for a field that the listing does not have"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupState:
    """The state of a look-up: of the item called `name`, whose id (or `field`) the slot at path `slot` takes.

    `name` is "" where the call that answers is about the caller. `place` is an ordinal or another word that selects by
    order, ONLY or DESCRIBED; "" for a name. With `each` all the items that it describes are taken. `kind` is the noun
    of the items. `pages` counts the pages read so far, and `scored` has their best items. `filtered` says that the
    listing was asked for the name alone.
    """

    goal: Goal
    slot: tuple[str, ...]
    name: str
    kind: str
    stage: LookupStage = LookupStage.LISTING
    field: str = ""
    id_field: str = ""
    id_fields: tuple[str, ...] = ()
    via: str = ""
    place: str = ""
    each: EachItem | None = None
    exact: bool = False
    filtered: bool = False
    pages: int = 1
    scored: tuple[ScoredItem, ...] = ()
    clause: ClauseState | None = None

    def to_json(self) -> JsonObject:
        return {"planner": PLANNER, "state": _encode(self)}


OfflineState: TypeAlias = CallState | LookupState | NamesState


def state_of(plan: Plan) -> OfflineState | None:
    """Return the state in a plan; None for a plan that ends a turn, and for one of another planner."""
    return plan.raw if isinstance(plan.raw, CallState | LookupState | NamesState) else None


def clause_of(plan: Plan) -> ClauseState | None:
    """Return the requests that a plan is a round for; None where the question is a single one."""
    state = state_of(plan)
    return state.clause if state is not None else None


def with_clauses(plan: Plan, clauses: ClauseState) -> Plan:
    """Return the plan as a round for several requests, without its alternatives."""
    # An alternative replaces the whole question once the user picks it, so the other clauses would be lost.
    state = replace(state_of(plan) or CallState(), clause=clauses)
    return replace(plan, raw=state, alternatives=())


def goal_of(plan: Plan) -> Goal | None:
    """Return the goal that the look-ups of a plan are for; None where it has none."""
    state = state_of(plan)
    goal = state.goal if isinstance(state, LookupState) else None
    while goal is not None and goal.outer is not None:
        goal = goal.outer.goal
    return goal


def account_of(plan: Plan) -> Account | None:
    """Return the account of the call that a plan leads to; None for a plan without calls."""
    goal = goal_of(plan)
    return goal.account if goal is not None else plan.calls[-1].account if plan.calls else None


def texts_used(plans: Iterable[Plan]) -> tuple[str, ...]:
    """Return the texts of a question that the arguments and the look-ups of plans have used."""
    texts: list[str] = []
    for plan in plans:
        match state_of(plan):
            case CallState(used=used):
                texts += used
            case LookupState(goal=goal, name=name, place=place, kind=kind):
                texts += [*goal.used, *filter(None, (name, place, kind))]
    return tuple(dict.fromkeys(texts))


def decode_state(data: Mapping[str, Any], find_tool: FindTool) -> OfflineState:
    """Return the state that `to_json` wrote. UsageError for any other text."""
    try:
        state = _decode(data["state"], find_tool)
    except (KeyError, TypeError, ValueError):
        state = None
    if not isinstance(state, CallState | LookupState | NamesState):
        message = "the transcript has a plan that this version of nlapi cannot continue"
        raise UsageError(message, hint="ask the question again in a new conversation")
    return state


_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(CallState, LookupState, NamesState, ClauseState, Clause, Goal, Rival, ScoredItem),
        *(PendingLookup, EachItem, Call, Account, ValueSource),
    )
}
_ENUMS: dict[str, type[StrEnum]] = {"origin": Origin, "stage": LookupStage}


def _encode(value: Any) -> Any:
    """Return a value of a state as JSON: objects by the name of their class, without the fields that have a default."""
    match value:
        case Tool():
            return {"$": "Tool", "source": value.operation.spec.source, "operation": value.operation.id}
        case tuple():
            return list(map(_encode, value))
        case list():
            return {"$": "list", "entries": list(map(_encode, value))}
        case Mapping():
            return {"$": "mapping", "entries": [[_encode(key), _encode(entry)] for key, entry in value.items()]}
    if type(value).__name__ not in _KINDS:
        return value
    entries = {entry.name: getattr(value, entry.name) for entry in fields(value) if entry.init}
    defaults = {entry.name: entry.default for entry in fields(value)}
    stored = {name: _encode(entry) for name, entry in entries.items() if entry != defaults[name]}
    return {"$": type(value).__name__, **stored}


def _decode(data: Any, find_tool: FindTool) -> Any:
    if isinstance(data, list):
        return tuple(_decode(entry, find_tool) for entry in data)
    if not isinstance(data, Mapping):
        return data
    match data["$"]:
        case "Tool":
            return find_tool(data["source"], data["operation"])
        case "list":
            return [_decode(entry, find_tool) for entry in data["entries"]]
        case "mapping":
            return {_decode(key, find_tool): _decode(entry, find_tool) for key, entry in data["entries"]}
    values = {name: _decode(entry, find_tool) for name, entry in data.items() if name != "$"}
    enums = {name: kind(values[name]) for name, kind in _ENUMS.items() if name in values}
    return _KINDS[data["$"]](**values | enums)
