"""Finds where a value of a call stands in the earlier answers, and how it is found there again with other inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import chain
from typing import Any

from nlapi.agent.records.log import MAX_BODY
from nlapi.changes.tracing import trace_call
from nlapi.client.masking import MASK
from nlapi.client.message import body_size
from nlapi.client.safe_text import single_line
from nlapi.english.command_verbs import is_verb
from nlapi.english.words import name_key, name_words, singular_words, split_words, stem
from nlapi.errors import Issue, UsageError
from nlapi.openapi.credential_parameters import is_unspoken
from nlapi.openapi.jsonpath import node_at
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import answer_schemas, extract_item, extract_list
from nlapi.resources.envelope import LIST_NAMES, WRAPPERS, unwrap_entry, value_at
from nlapi.resources.id_sources import IdSources
from nlapi.resources.identity import id_path, name_path
from nlapi.resources.nouns import (
    ID_WORDS,
    is_id_argument,
    noun_in_name,
    noun_of,
    singular_noun,
    target_noun,
    wider_nouns,
)
from nlapi.resources.paths import Place
from nlapi.tools.answers.view import lowercase_headers, next_arguments, page_arguments
from nlapi.tools.arguments import argument_schema, property_schema
from nlapi.tools.plan import Conversation, Outcome, Step
from nlapi.tools.repetition.ledger import key_argument
from nlapi.tools.sending.files import file_form
from nlapi.tools.tool import Call, Origin, ValueSource
from nlapi.workflows.draft import (
    AnswerValue,
    InputValue,
    ItemChoice,
    Keys,
    StepDraft,
    input_schema,
    reads_as_expression,
)
from nlapi.workflows.value_schemas import has_same_words

# Values of one answer that are searched; a page of 1,000 items with 50 fields has fewer.
MAX_VALUES = 100_000
# Bytes of an answer that is not JSON and may be a value itself, such as an id.
MAX_TEXT = 1_000
_ENVELOPE_NAMES = frozenset((*WRAPPERS, *LIST_NAMES))
# Characters of a place in a message.
MAX_PLACE = 120
# Last words of the names of arguments that say who or what is meant without being called an id.
_IDENTITY_WORDS = frozenset("slug login username handle sha digest ip email emails address".split())
_IDENTITY_FORMATS = frozenset("uuid email uri hostname ipv4 ipv6".split())
# Levels of an entry in which its name may be: `metadata.name`.
_NAME_DEPTH = 2


class Fit(IntEnum):
    """How well a place in an answer fits an argument, the best first."""

    OWN_ID = 0
    """the id of the very kind of item that the argument identifies, or the sign of the next page"""
    SAME_NAME = 1
    RELATED_NAME = 2
    """a name for the same: the `id` of a customer for `customer`, `ts` for `thread_ts`"""
    WHOLE_ANSWER = 3
    """the answer is the value"""
    CREATED_ID = 4
    """the id of what a change created, for an argument that nothing else in the description gives"""
    VALUE_ALONE = 5
    """nothing but the value, which is not a sign of where it came from"""


@dataclass(slots=True, kw_only=True, eq=False)
class Answered:
    """A call of the conversation that was answered, and its draft. `page_of` is the first page of its list."""

    step: Step
    draft: StepDraft
    turn: int = 0
    page_of: Answered | None = None
    names: dict[str, InputValue] = field(default_factory=dict)
    """the inputs that choose an entry of the answer, by the words of the user in lower case"""

    @property
    def operation(self) -> Operation:
        return self.step.call.tool.operation

    @property
    def data(self) -> Any:
        """The body as JSON, or as a text."""
        result = self.step.result
        if result is None or result.data is not None or not result.content:
            return result.data if result is not None else None
        return result.text if body_size(result) <= MAX_TEXT else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLocation:
    """A place of a value in an answer."""

    answered: Answered
    keys: Keys
    fit: Fit

    @property
    def fields(self) -> tuple[str, ...]:
        """The names in `keys`: the same for all entries of a list."""
        return tuple(key for key in self.keys if isinstance(key, str))

    @property
    def text(self) -> str:
        """The step and the place, for messages."""
        keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.keys)
        return f"{self.answered.operation.id} at {single_line(keys).lstrip('.')[:MAX_PLACE] or 'its whole'}"

    @property
    def index(self) -> int | None:
        """The position in `keys` of the last index into a list; None outside of lists."""
        return next((place for place in reversed(range(len(self.keys))) if isinstance(self.keys[place], int)), None)


class UntraceableError(Exception):
    """A value that an answer has, and that cannot be found there again with other inputs."""


def identifies_item(argument: str, call: Call) -> bool:
    """Return whether the value of an argument says which item, user or address a call is about."""
    place = _place(argument, call)
    last_word = split_words(place[1] or argument)[-1:]
    if is_id_argument(place) or not _IDENTITY_WORDS.isdisjoint(last_word):
        return True
    has_format = argument_schema(call.tool, argument).get("format") in _IDENTITY_FORMATS
    return has_format or ("." not in argument and _has_source(call.tool.operation, place))


def find_value(
    argument: str,
    value: Any,
    call: Call,
    earlier: Sequence[Answered],
    source: ValueSource | None,
    worst: Fit = Fit.VALUE_ALONE,
) -> AnswerValue | None:
    """Return where the value of an argument comes from: the place in an answer that fits it; None where none does.

    What a value looks like is not a sign: 5 is found where 583920 is. UntraceableError where the value says which item
    the call is about, and an answer has it in no place that fits, or in several; and where it is in a list, and
    nothing but the value itself says in which entry.
    """
    fitting = _best_locations(argument, value, call, earlier)
    best = fitting[0].fit if fitting else Fit.VALUE_ALONE
    if not fitting or best > worst:
        return None
    if best is not Fit.OWN_ID and identifies_item(argument, call):
        _check_unambiguous(fitting)
    elif best is Fit.VALUE_ALONE:
        return None
    # Of the answers with an item the first made it known; of lists the last was read for this.
    outside = [location for location in fitting if location.index is None]
    alone = [location for location in outside if not _is_map_entry(location, value)]
    if alone:
        name = _output_name(argument, call)
        return AnswerValue(step=alone[0].answered.draft, keys=alone[0].keys, name=name)
    if outside:
        raise UntraceableError(f"it was picked by its key from a map: {outside[0].text}")
    reasons = []
    for location in reversed(fitting):
        try:
            return _chosen(location, argument, call, source)
        except UntraceableError as error:
            reasons.append(str(error))
    raise UntraceableError(reasons[0])


def _best_locations(argument: str, value: Any, call: Call, earlier: Sequence[Answered]) -> list[ValueLocation]:
    """Return the places of earlier answers that fit the value of an argument best, all of one fit."""
    locations = value_locations(argument, value, call, earlier)
    # An answer that repeats what its call was sent with is where a value went, and not where it came from.
    locations = [
        location for location in locations if location.fit is Fit.OWN_ID or not is_argument(location.answered, value)
    ] or locations
    best = min((location.fit for location in locations), default=None)
    return [location for location in locations if location.fit is best]


def _check_unambiguous(fitting: Sequence[ValueLocation]) -> None:
    """Raise UntraceableError where the places of a value that identifies an item are several, or no sign of it."""
    if fitting[0].fit is Fit.VALUE_ALONE:
        raise UntraceableError(f"{fitting[0].text} has the same value by another name")
    places = {(location.answered.draft, location.fields): location.text for location in fitting}
    if len(places) > 1:
        raise UntraceableError(f"{len(places)} places have it: {' and '.join(list(places.values())[:2])}")


def value_locations(argument: str, value: Any, call: Call, earlier: Sequence[Answered]) -> list[ValueLocation]:
    """Return every place of the earlier answers that has the value of an argument."""
    operation, place = call.tool.operation, _place(argument, call)
    pages = page_arguments(call.tool)
    is_size = argument in page_arguments(call.tool, sizes=True) - pages
    locations = []
    for answered in earlier if not is_size else ():
        if argument in pages:
            following = next_arguments(answered.step.call, answered.step.result) if answered.step.result else None
            if answered.operation is not operation or not following or following.get(argument) != value:
                continue
        for keys in _places_of(answered.data, value):
            fit = Fit.OWN_ID if argument in pages else _fit(answered, keys, place, argument, operation)
            locations.append(ValueLocation(answered=answered, keys=keys, fit=fit))
    return locations


def _place(argument: str, call: Call) -> Place:
    """Return the place of an argument; what is inside of one is a field of the body."""
    return call.tool.places.get(argument, ("body", argument.rpartition(".")[2]))


def _places_of(data: Any, value: Any) -> Iterator[Keys]:
    """Yield the keys to each part of an answer that is equal to a value."""
    stack: list[tuple[Keys, Any]] = [((), data)]
    count = 0
    while stack and count < MAX_VALUES:
        keys, node = stack.pop()
        count += 1
        is_part = bool(keys) or not isinstance(node, (Mapping, list))
        if is_part and _is_equal(node, value):
            yield keys
        elif isinstance(node, Mapping):
            stack += reversed([((*keys, str(key)), item) for key, item in node.items()])
        elif isinstance(node, list):
            stack += reversed([((*keys, index), item) for index, item in enumerate(node)])


def _is_equal(node: Any, value: Any) -> bool:
    if isinstance(node, bool) or isinstance(value, bool) or node is None or value is None:
        return node is value
    if isinstance(value, (Mapping, list)) or isinstance(node, (Mapping, list)):
        return bool(value) and type(node) is type(value) and bool(node == value)
    return node != "" and str(node) == str(value)


def _fit(answered: Answered, keys: Keys, place: Place, argument: str, operation: Operation) -> Fit:
    field_keys = [key for key in keys if isinstance(key, str)]
    if not field_keys:
        return Fit.WHOLE_ANSWER
    name, last = place[1] or argument.rpartition(".")[2], field_keys[-1]
    is_bare = ID_WORDS.issuperset(name_words(name))
    # The `id` in `company.id` is that of a company, whatever the operation is about.
    parent = argument.split(".")[-2:-1] if is_bare else []
    target_nouns = list(wider_nouns(singular_words(parent[0]) if parent else target_noun(operation, place)))
    # The `id` of an object is that of what holds it: of a customer in `{"customer": {"id": 5}}`.
    is_held = len(field_keys) > 1 and name_key(field_keys[-2]) not in _ENVELOPE_NAMES
    holders = set(filter(None, [singular_words(field_keys[-2])] if is_held else []))
    nouns = {singular_noun(answered.operation), noun_of(answered.operation)}
    if _is_own_id(answered, keys, name, operation, target_nouns) and not (nouns | holders).isdisjoint(target_nouns):
        return Fit.OWN_ID
    # Two things that are called `id` are the same only where they are of one kind.
    if name_key(last) == name_key(name) and not is_bare:
        return Fit.SAME_NAME
    if ID_WORDS.issuperset(name_words(last)):
        is_related = not (holders or nouns).isdisjoint(target_nouns)
    elif is_id_argument(place) or is_id_argument(("body", last)):
        is_related = noun_in_name(last) in target_nouns
    else:
        is_related = has_same_words(name, last)
    return Fit.RELATED_NAME if is_related else _fit_of_value(answered, keys, operation, place)


def _is_own_id(
    answered: Answered, keys: Keys, name: str, operation: Operation, target_nouns: Sequence[tuple[str, ...]]
) -> bool:
    """Return whether a place is the id of the item that it stands in, for one of the nouns that are wanted."""
    container = node_at(answered.data, keys[:-1])
    if not target_nouns or not isinstance(container, Mapping) or answered.operation.spec is not operation.spec:
        return False
    entry = unwrap_entry(container)
    return id_path(entry if isinstance(entry, Mapping) else container, name, target_nouns[0]) == keys[-1]


def _fit_of_value(answered: Answered, keys: Keys, operation: Operation, place: Place) -> Fit:
    """Return how a place fits whose name says nothing."""
    is_created = answered.operation.effect is not Effect.READ and keys == created_id(answered)
    return Fit.CREATED_ID if is_created and not _has_source(operation, place) else Fit.VALUE_ALONE


def _has_source(operation: Operation, place: Place) -> bool:
    """Return whether the description has an operation that gives the id for a place."""
    return bool(operation.spec.derive(IdSources).find_sources(operation, place))


def _is_map_entry(location: ValueLocation, value: Any) -> bool:
    """Return whether the names that lead to a place are keys of one item among several: the id or the name of it."""
    if str(value) in location.fields:
        return True
    answered = location.answered
    headers = lowercase_headers(answered.step.result) if answered.step.result is not None else {}
    part = extract_list(answered.data, answered.operation, headers)
    return part is not None and part.envelope.is_map and location.keys[: len(part.envelope.keys)] == part.envelope.keys


def _output_name(argument: str, call: Call) -> str:
    """Return a name for a value: that of the argument, or `campaign_id` for an `id`."""
    words = split_words(argument.rpartition(".")[2])
    if words in (["id"], ["ids"]):
        words = [*target_noun(call.tool.operation, _place(argument, call)), "id"]
    text = "_".join(words)
    return text if text.isascii() and text else "value"


def _chosen(location: ValueLocation, argument: str, call: Call, source: ValueSource | None) -> AnswerValue:
    """Return the value of an entry of a list, which is chosen by its name or is the only one."""
    place = location.index
    assert place is not None
    answered = location.answered
    if answered.page_of is not None:
        raise UntraceableError("it was on a further page of a list, and a workflow reads the first alone")
    if any(isinstance(key, int) for key in location.keys[:place]):
        raise UntraceableError("it stands in a list inside of a list")
    list_keys, inner = location.keys[:place], location.keys[place + 1 :]
    entries = node_at(answered.data, list_keys)
    choice = ItemChoice(keys=list_keys) if len(entries) == 1 else None
    for text in (source.name, source.words) if source is not None else ():
        named = (
            field for field in _named_fields(entries[location.keys[place]]) if field[1].casefold() == text.casefold()
        )
        if source is not None and (match := next(named, None)) is not None:
            keys, value = match
            if sum(value_at(other, keys) == value for other in entries) != 1:
                raise UntraceableError(f"several entries of the list are called {value!r}")
            choice = ItemChoice(keys=list_keys, field=keys, name=_name_input(answered, call, argument, source, value))
            break
    if choice is None:
        raise UntraceableError(f"it was picked from a list of {len(entries)} without its name being said")
    return AnswerValue(step=answered.draft, keys=inner, name=_output_name(argument, call), choice=choice)


def _named_fields(entry: Any, depth: int = _NAME_DEPTH) -> list[tuple[Keys, str]]:
    """Return the texts of an entry by their keys, its name first."""
    if not isinstance(entry, Mapping):
        return []
    fields: list[tuple[Keys, str]] = []
    for key, value in entry.items():
        if isinstance(value, str) and value:
            fields.append(((str(key),), value))
        elif isinstance(value, Mapping) and depth > 1:
            fields += [((str(key), *keys), text) for keys, text in _named_fields(value, depth - 1)]
    name = name_path(entry)
    return sorted(fields, key=lambda pair: (".".join(map(str, pair[0])) != name, len(pair[0])))


def _name_input(answered: Answered, call: Call, argument: str, source: ValueSource, text: str) -> InputValue:
    """Return the input that chooses an entry; the same one for the same words."""
    existing = answered.names.get(text.casefold())
    if existing is not None:
        return existing
    noun = target_noun(call.tool.operation, _place(argument, call)) or singular_noun(answered.operation)
    title = " ".join(noun) or "item"
    value = InputValue(
        name="_".join(noun) or "item",
        noun="_".join(noun),
        schema={"type": "string", "description": f"The {title}, by its name."},
        said=source.words,
        example=text,
    )
    answered.names |= {text.casefold(): value, source.words.casefold(): value}
    return value


def is_further_page(answered: Answered, first: Answered) -> bool:
    """Return whether a call reads a further page of the list that an earlier call began."""
    call, before = answered.step.call, first.step.call
    if call.tool.operation is not before.tool.operation or call.effect is not Effect.READ:
        return False
    pages = page_arguments(call.tool)
    changed = {
        name for name in {*call.arguments, *before.arguments} if call.arguments.get(name) != before.arguments.get(name)
    }
    return bool(changed) and changed <= pages and not pages & set(before.arguments)


def created_id(answered: Answered) -> Keys | None:
    """Return the keys to the id of the item that a change answers with; None where it answers with none."""
    result, data = answered.step.result, answered.data
    if result is None or not isinstance(data, Mapping):
        return None
    if extract_list(data, answered.operation, lowercase_headers(result)) is not None:
        return None
    item = extract_item(data, answered.operation) or {}
    path = id_path(item, "id", singular_noun(answered.operation)) if item else ""
    if item.get(path) is None or not name_key(path).endswith(("id", "uid")):
        return None
    holders: dict[Keys, Any] = {(): data} | {(str(key),): inner for key, inner in data.items()}
    matches = (
        keys for keys, holder in holders.items() if isinstance(holder, Mapping) and holder.get(path) == item[path]
    )
    return next(((*keys, path) for keys in matches), None)


def is_id_of_item(location: ValueLocation) -> bool:
    """Return whether a place is the id of the one item that was answered, as of the caller in `{"id": 5, ...}`."""
    item = extract_item(location.answered.data, location.answered.operation)
    return location.index is None and item is not None and location.keys[-1:] == (id_path(item),)


def is_argument(answered: Answered, value: object) -> bool:
    """Return whether a call was sent with a value, so that its answer only repeats it."""
    return any(True for _ in _places_of(dict(answered.step.call.arguments), value))


CONSTANT = "constant"
"""The rule of an Issue about a constant that an answer held as well."""

_USER_ORIGINS = frozenset({Origin.WORDS, Origin.REPLY, Origin.SETTING})
_ANSWER_ORIGINS = frozenset({Origin.LOOKUP, Origin.ANSWER, Origin.NOBODY})

# Names that say nothing of the thing: the `name` of two steps are two inputs, though both had the same value.
_COMMON_NAMES = frozenset("name title label description text body content message status state type value".split())


@dataclass(slots=True)
class InputRegister:
    """The inputs of one workflow. `secrets` are values that may be in no text of it, `issues` what was decided."""

    conversation: Conversation
    values: dict[tuple[str, str, str], InputValue] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    def add_issue(self, issue: Issue) -> None:
        """Add what was decided about a step, once."""
        if issue not in self.issues:
            self.issues.append(issue)

    def add(
        self, name: str, value: Any, words: str, schema: Mapping[str, Any], call: Call, *, is_secret: bool
    ) -> InputValue:
        """Return the input for a value of the user: one for each name and value, but for names that say nothing."""
        common = f"{call.id}{id(call)}" if name.lower() in _COMMON_NAMES else ""
        noun = "_".join(singular_noun(call.tool.operation))
        key = (name_key(f"{noun}_id" if name.lower() in ("id", "ids") else name), f"{value!r}", common)
        if key not in self.values:
            self.values[key] = InputValue(
                name="_".join(split_words(name)),
                noun=noun,
                schema=schema,
                said=words,
                example=value,
                is_secret=is_secret,
            )
            if is_secret and isinstance(value, str) and value:
                self.secrets.append(value)
        return self.values[key]


def answered_call(step: Step, conversation: Conversation, round_steps: tuple[Step, ...], turn: int) -> Answered:
    """Return a call with its account and its draft; a step that was only shown has no answer."""
    call = step.call
    if call.account is None:
        call = replace(call, account=trace_call(call, conversation, round_steps))
    summary = single_line(call.tool.operation.summary).strip()
    status = step.result.status if step.result is not None else None
    draft = StepDraft(tool=call.tool, status=status, content_type=_content_type(step), description=summary)
    return Answered(step=replace(step, call=call), draft=draft, turn=turn)


def answered_before(conversation: Conversation) -> Iterator[Answered]:
    """Yield the calls of a conversation that were answered with success, as they are when none of them is a step."""
    for step in (step for turn in conversation.turns for step in turn.steps):
        if step.outcome is Outcome.ANSWERED and step.result is not None and step.result.ok:
            yield Answered(step=step, draft=StepDraft(tool=step.call.tool))


def _content_type(step: Step) -> str:
    header = step.request.header("content-type") if step.request is not None and step.request.content else None
    return (header or "").partition(";")[0].strip()


@dataclass(slots=True, kw_only=True)
class ValueNodes:
    """The arguments of one call, with inputs and values of earlier answers in the place of what was sent."""

    inputs: InputRegister
    answered: Answered
    earlier: Sequence[Answered]
    others: Sequence[Answered] = ()
    """calls that were answered and are not steps of the workflow, so that it cannot refer to their answers"""
    known_values: Mapping[str, AnswerValue] = field(default_factory=dict)
    """values that stand for a part of an answer which there is not yet"""
    used: list[AnswerValue] = field(default_factory=list)

    @property
    def call(self) -> Call:
        return self.answered.step.call

    def arguments(self) -> dict[str, Any]:
        call = self.call
        nodes = {}
        for name, value in call.arguments.items():
            # The key of a change is made anew in each run, and the first page needs no cursor.
            if name == key_argument(call.tool):
                continue
            schema = argument_schema(call.tool, name)
            if self._is_secret(name, schema) or file_form(call.tool, name) is not None:
                nodes[name] = self._user_input(name, value, schema, None)
            else:
                nodes[name] = self._node(name, value, schema)
        return nodes

    def _is_secret(self, name: str, schema: Mapping[str, Any]) -> bool:
        location, wire = self.call.tool.places.get(name, ("body", name))
        schemes = self.call.tool.operation.spec.security_schemes.values()
        is_key = (location, wire) in {(scheme.location, scheme.name) for scheme in schemes}
        return is_key or is_unspoken(wire, location, dict(schema), str(schema.get("description", "")))

    def _node(self, argument: str, value: Any, schema: Mapping[str, Any]) -> Any:
        is_compound = isinstance(value, (Mapping, list)) and value
        return (self._compound if is_compound else self._leaf)(argument, value, schema)

    def _compound(self, argument: str, value: Any, schema: Mapping[str, Any]) -> Any:
        spec = self.call.tool.operation.spec
        origins = {source.origin for source in self._sources(argument)}
        if origins and not origins & {*_USER_ORIGINS, Origin.VERB}:
            with suppress(UntraceableError):  # its values are looked for one by one
                if location := self._in_answers(argument, value, None):
                    return location
        if isinstance(value, list):
            items = spec.follow(schema.get("items", {}))
            items = items if isinstance(items, Mapping) else {}
            is_plain = not any(isinstance(item, (Mapping, list)) for item in value)
            # The entries of a list that the user said are one input: with other inputs there may be more of them.
            if is_plain and origins and origins <= _USER_ORIGINS:
                return self._user_input(argument, value, schema, self._source(argument, None))
            return [self._node(argument, item, items) for item in value]
        return {
            str(name): self._node(f"{argument}.{name}", item, property_schema(spec, schema, str(name)))
            for name, item in value.items()
        }

    def _leaf(self, argument: str, value: Any, schema: Mapping[str, Any]) -> Any:
        if isinstance(value, str) and value in self.known_values:
            self.used.append(self.known_values[value])
            return self.known_values[value]
        source = self._source(argument, value)
        if schema.get("format") == "password" or MASK in f"{value}":
            return self._user_input(argument, value, schema, source, is_secret=True)
        node = self._chosen_name(value, source) or self._found_in_changes(argument, value)
        return self._of_origin(argument, value, schema, source) if node is None else node

    def _of_origin(self, argument: str, value: Any, schema: Mapping[str, Any], source: ValueSource | None) -> Any:
        """Return what stands for a value by where it came from: a constant where nothing else can."""
        origin = self._origin(source)
        if origin in _USER_ORIGINS:
            is_verb = source is not None and self._is_command(source.words, value)
            return value if is_verb else self._user_input(argument, value, schema, source)
        if (node := self._answered_value(argument, value, schema, source, origin)) is not None:
            return node
        if isinstance(value, str) and reads_as_expression(value):
            return self._user_input(argument, value, schema, source)
        if origin is not Origin.VERB and value not in (None, ""):
            self._warn_of_constant(argument, value)
        return value

    def _answered_value(
        self, argument: str, value: Any, schema: Mapping[str, Any], source: ValueSource | None, origin: Origin
    ) -> AnswerValue | InputValue | None:
        """Return the part of an answer that a value is, an input for an item that is in none; None for a constant."""
        is_item = identifies_item(argument, self.call)
        # A value that the description has too may have come from an answer all the same.
        is_traced = self.call.account is not None and self.call.account.traced
        if origin not in _ANSWER_ORIGINS and not (origin is Origin.DESCRIPTION and is_item and is_traced):
            return None
        reason = ""
        try:
            if (location := self._in_answers(argument, value, source)) is not None:
                return location
        except UntraceableError as error:
            reason = str(error)
        self._check_complete(argument)
        held = value_locations(argument, value, self.call, (*self.earlier, *self.others))
        # The item of this conversation is hardly that of the next: an input asks, a constant would not.
        is_known = is_item and (bool(held) or origin is Origin.ANSWER)
        if origin is not Origin.LOOKUP and not is_known and not any(map(is_id_of_item, held)):
            return None
        if source is not None and str(value).casefold() == source.words.casefold():
            return self._user_input(argument, value, schema, source)
        reason = (
            reason or "".join([f"{place.text} has the same value" for place in held[:1]]) or "no earlier answer has it"
        )
        return self._user_input(argument, value, schema, source, lost_reason=reason)

    def _warn_of_constant(self, argument: str, value: Any) -> None:
        """Warn that an answer held the same value as a constant, which then may be the answer's."""
        locations = value_locations(argument, value, self.call, (*self.earlier, *self.others))
        if locations:
            best = min(locations, key=lambda location: location.fit)
            message = f"its {argument} is a constant, and the answer to {best.text} had the same value"
            hint = "an input or an expression in its place follows it"
            self.inputs.add_issue(Issue.warning(self.call.operation_id, message, hint, CONSTANT))

    def _origin(self, source: ValueSource | None) -> Origin:
        """Return the kind of source of a value: words that the user never wrote stand for an item of an answer."""
        if source is None:
            return Origin.NOBODY
        if source.origin is not Origin.WORDS or not source.words:
            return source.origin
        # `pause it` is planned with the id in the place of `it`.
        words = " ".join(source.words.casefold().split())
        turns = self.inputs.conversation.turns[: self.answered.turn + 1]
        is_written = any(words in " ".join(turn.question.casefold().split()) for turn in turns)
        return Origin.WORDS if is_written else Origin.ANSWER

    def _is_command(self, words: str, value: Any) -> bool:
        """Return whether the words for a value are the verb of the command: `pause` for PAUSED."""
        if not words.isalpha() or not is_verb(stem(words.lower())) or words.casefold() == str(value).casefold():
            return False
        question = self.inputs.conversation.turns[self.answered.turn].question
        start = rf"(?:^|[,;.:]|\band|\bthen|\bplease|\balso)\W*{re.escape(words)}\b"
        return re.search(start, question, re.IGNORECASE) is not None

    def _chosen_name(self, value: Any, source: ValueSource | None) -> InputValue | None:
        """Return the input that chooses an entry of this very answer, where the list is filtered by the same words."""
        names = (str(value).casefold(), source.words.casefold() if source is not None else "")
        return next((self.answered.names[name] for name in names if name in self.answered.names), None)

    def _found_in_changes(self, argument: str, value: Any) -> AnswerValue | None:
        """Return where a change of this conversation answered with a value, which then is not the user's own."""
        if type(value) not in (str, int):
            return None
        changes = [other for other in self.earlier if other.operation.effect is not Effect.READ]
        try:
            location = find_value(argument, value, self.call, changes, None, Fit.WHOLE_ANSWER)
        except UntraceableError:
            return None
        if location is None or location.choice is not None:
            return None
        answered = next(other for other in changes if other.draft is location.step)
        if created_id(answered) != location.keys or is_argument(answered, value):
            return None
        self.used.append(location)
        return location

    def _in_answers(self, argument: str, value: Any, source: ValueSource | None) -> AnswerValue | None:
        location = find_value(argument, value, self.call, self.earlier, source)
        if location is not None:
            self.used.append(location)
            step = next(other.step for other in self.earlier if other.draft is location.step)
            if location.choice is not None and step.result and next_arguments(step.call, step.result) is not None:
                message = "the workflow looks for the item on the first page of the list alone, and there were more"
                self.inputs.add_issue(Issue.warning(step.call.operation_id, message))
        return location

    def _check_complete(self, argument: str) -> None:
        """Raise UsageError where an answer that a value may have come from is stored only in part."""
        for other in self.earlier:
            result = other.step.result
            # A character that the cut went through is dropped.
            if result is not None and other.data is None and body_size(result) >= MAX_BODY - 3:
                raise UsageError(
                    f"the step {self.call.operation_id} cannot be saved: its {argument} may come from the answer to "
                    f"{other.operation.id}, which the transcript has only in part",
                    hint="ask for less at once, and save that conversation",
                )

    def _user_input(
        self,
        argument: str,
        value: Any,
        schema: Mapping[str, Any],
        source: ValueSource | None,
        *,
        is_secret: bool | None = None,
        lost_reason: str = "",
    ) -> InputValue:
        if lost_reason:
            message = f"its {argument} is an input, as it cannot be found again in an answer: {lost_reason}"
            self.inputs.add_issue(Issue.warning(self.call.operation_id, message))
        name = argument.rpartition(".")[2]
        is_file = file_form(self.call.tool, argument) is not None
        if is_secret is None:
            is_secret = self._is_secret(argument, schema) or is_file
        words = source.words if source is not None else ""
        keywords = input_schema(answer_schemas(self.call.tool.operation.spec).reader, schema)
        if is_secret:
            # A run stores no input of these formats.
            keywords["format"] = "binary" if is_file else "password"
        return self.inputs.add(name, value, words, keywords, self.call, is_secret=is_secret)

    def _sources(self, argument: str) -> tuple[ValueSource, ...]:
        return self.call.account.of(argument) if self.call.account is not None else ()

    def _source(self, argument: str, value: Any) -> ValueSource | None:
        """Return the source of a value: that of the argument and the value, else of the argument alone."""
        sources = [source for source in self._sources(argument) if source.argument == argument]
        same = [source for source in sources if str(source.value) == str(value)]
        return next(chain(same, sources), None) if same or len(sources) == 1 or value is None else None
