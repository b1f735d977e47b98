"""Finds where a value of a call stands in the earlier answers, and how it is found there again with other inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from nlapi.client.message import body_size
from nlapi.client.safe_text import single_line
from nlapi.english.words import name_key, name_words, singular_words, split_words
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import extract_item, extract_list
from nlapi.resources.envelope import LIST_NAMES, WRAPPERS, unwrap_entry
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
from nlapi.tools.answer_view import lowercase_headers, next_arguments, page_arguments
from nlapi.tools.arguments import argument_schema
from nlapi.tools.plan import Step
from nlapi.tools.tool import Call, ValueSource
from nlapi.workflows.draft import AnswerValue, InputValue, ItemChoice, Keys, StepDraft
from nlapi.workflows.value_search import has_same_words

# Values of one answer that are searched; a page of 1,000 items with 50 fields has fewer.
MAX_VALUES = 100_000
# Bytes of an answer that is no JSON and may be a value itself, such as an id.
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
    """nothing but the value, which is no sign of where it came from"""


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
        """The body as JSON, or as a text where it is none."""
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
    name = argument.rpartition(".")[2]
    place = call.tool.places.get(argument, ("body", name))
    operation = call.tool.operation
    if is_id_argument(place) or not _IDENTITY_WORDS.isdisjoint(split_words(place[1] or name)[-1:]):
        return True
    schema = argument_schema(call.tool, argument)
    if schema.get("format") in _IDENTITY_FORMATS:
        return True
    return "." not in argument and _has_source(operation, place)


def find_value(
    argument: str,
    value: Any,
    call: Call,
    earlier: Sequence[Answered],
    source: ValueSource | None,
    worst: Fit = Fit.VALUE_ALONE,
) -> AnswerValue | None:
    """Return where the value of an argument comes from: the place in an answer that fits it; None where none does.

    What a value looks like is no sign: 5 is found where 583920 is. UntraceableError where the value says which item
    the call is about, and an answer has it in no place that fits, or in several; and where it is in a list, and
    nothing but the value itself says in which entry.
    """
    locations = value_locations(argument, value, call, earlier)
    # An answer that repeats what its call was sent with is where a value went, and not where it came from.
    locations = [
        location for location in locations if location.fit is Fit.OWN_ID or not is_argument(location.answered, value)
    ] or locations
    best = min((location.fit for location in locations), default=None)
    if best is None or best > worst:
        return None
    fitting = [location for location in locations if location.fit is best]
    if best is not Fit.OWN_ID and identifies_item(argument, call):
        places = {(location.answered.draft, location.fields): location.text for location in fitting}
        if best is Fit.VALUE_ALONE:
            raise UntraceableError(f"{fitting[0].text} has the same value by another name")
        if len(places) > 1:
            raise UntraceableError(f"{len(places)} places have it: {' and '.join(list(places.values())[:2])}")
    elif best is Fit.VALUE_ALONE:
        return None
    # Of the answers with an item the first made it known; of lists the last was read for this.
    outside = [location for location in fitting if location.index is None]
    alone = [location for location in outside if not _is_map_entry(location, value)]
    if alone:
        return _at(alone[0], argument, call)
    if outside:
        raise UntraceableError(f"it was picked by its key from a map: {outside[0].text}")
    reasons = []
    for location in reversed(fitting):
        try:
            return _chosen(location, argument, call, source)
        except UntraceableError as error:
            reasons.append(str(error))
    raise UntraceableError(reasons[0])


def value_locations(argument: str, value: Any, call: Call, earlier: Sequence[Answered]) -> list[ValueLocation]:
    """Return every place of the earlier answers that has the value of an argument."""
    return list(_locations(argument, value, call, earlier))


def _locations(argument: str, value: Any, call: Call, earlier: Sequence[Answered]) -> Iterator[ValueLocation]:
    operation = call.tool.operation
    name = argument.rpartition(".")[2]
    place = call.tool.places.get(argument, ("body", name)) if "." not in argument else ("body", name)
    pages = page_arguments(call.tool)
    sizes = page_arguments(call.tool, sizes=True) - pages
    if argument in sizes:
        return
    for answered in earlier:
        if argument in pages:
            following = next_arguments(answered.step.call, answered.step.result) if answered.step.result else None
            if answered.operation is not operation or not following or following.get(argument) != value:
                continue
        for keys in _places_of(answered.data, value):
            fit = Fit.OWN_ID if argument in pages else _fit(answered, keys, place, argument, operation)
            yield ValueLocation(answered=answered, keys=keys, fit=fit)


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
    name = place[1] or argument.rpartition(".")[2]
    is_bare = ID_WORDS.issuperset(name_words(name))
    # The `id` in `company.id` is that of a company, whatever the operation is about.
    parent = argument.split(".")[-2:-1] if is_bare else []
    noun = singular_words(parent[0]) if parent else target_noun(operation, place)
    container = _at_keys(answered.data, keys[:-1])
    nouns = {singular_noun(answered.operation), noun_of(answered.operation)}
    is_held = len(field_keys) > 1 and name_key(field_keys[-2]) not in _ENVELOPE_NAMES
    holder = singular_words(field_keys[-2]) if is_held else ()
    if isinstance(container, Mapping) and answered.operation.spec is operation.spec:
        entry = unwrap_entry(container)
        own = id_path(entry if isinstance(entry, Mapping) else container, name, noun)
        is_of_kind = bool(noun) and any(wider in nouns or wider == holder for wider in wider_nouns(noun))
        if own == keys[-1] and is_of_kind:
            return Fit.OWN_ID
    last = field_keys[-1]
    # Two things that are called `id` are the same only where they are of one kind.
    if name_key(last) == name_key(name) and not is_bare:
        return Fit.SAME_NAME
    if ID_WORDS.issuperset(name_words(last)):
        # The `id` of an object is that of what holds it: of a customer in `{"customer": {"id": 5}}`.
        is_related = any(wider == holder or (not holder and wider in nouns) for wider in wider_nouns(noun))
    elif is_id_argument(place) or is_id_argument(("body", last)):
        is_related = noun_in_name(last) in list(wider_nouns(noun))
    else:
        is_related = has_same_words(name, last)
    if is_related:
        return Fit.RELATED_NAME
    is_created = answered.operation.effect is not Effect.READ and keys == created_id(answered)
    return Fit.CREATED_ID if is_created and not _has_source(operation, place) else Fit.VALUE_ALONE


def _has_source(operation: Operation, place: Place) -> bool:
    """Return whether the description has an operation that gives the id for a place."""
    return bool(operation.spec.derive(IdSources).find_sources(operation, place))


def _at_keys(data: Any, keys: Iterable[str | int]) -> Any:
    for key in keys:
        data = data[key]
    return data


def _at(location: ValueLocation, argument: str, call: Call) -> AnswerValue:
    name = _output_name(location, argument, call)
    return AnswerValue(step=location.answered.draft, keys=location.keys, name=name)


def _is_map_entry(location: ValueLocation, value: Any) -> bool:
    """Return whether the names that lead to a place are keys of one item among several: the id or the name of it."""
    if str(value) in location.fields:
        return True
    answered = location.answered
    headers = lowercase_headers(answered.step.result) if answered.step.result is not None else {}
    part = extract_list(answered.data, answered.operation, headers)
    return part is not None and part.envelope.is_map and location.keys[: len(part.envelope.keys)] == part.envelope.keys


def _output_name(location: ValueLocation, argument: str, call: Call) -> str:
    """Return a name for a value: that of the argument, or `campaign_id` for an `id`."""
    last = argument.rpartition(".")[2]
    words = split_words(last)
    if words in (["id"], ["ids"]):
        words = [*target_noun(call.tool.operation, call.tool.places.get(argument, ("body", last))), "id"]
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
    entries = _at_keys(answered.data, list_keys)
    name = _output_name(location, argument, call)
    choice = _choice(answered, list_keys, entries, entries[location.keys[place]], call, argument, source)
    return AnswerValue(step=answered.draft, keys=inner, name=name, choice=choice)


def _choice(
    answered: Answered,
    list_keys: Keys,
    entries: Sequence[Any],
    entry: Any,
    call: Call,
    argument: str,
    source: ValueSource | None,
) -> ItemChoice:
    texts = [text for text in (source.name, source.words) if text] if source is not None else []
    for text in texts:
        for keys, value in _named_fields(entry):
            if value.casefold() != text.casefold():
                continue
            if sum(_value_at(other, keys) == value for other in entries) != 1:
                raise UntraceableError(f"several entries of the list are called {value!r}")
            assert source is not None
            return ItemChoice(keys=list_keys, field=keys, name=_name_input(answered, call, argument, source, value))
    if len(entries) == 1:
        return ItemChoice(keys=list_keys)
    raise UntraceableError(f"it was picked from a list of {len(entries)} without its name being said")


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


def _value_at(entry: Any, keys: Keys) -> Any:
    for key in keys:
        entry = entry.get(key) if isinstance(entry, Mapping) else None
    return entry


def _name_input(answered: Answered, call: Call, argument: str, source: ValueSource, text: str) -> InputValue:
    """Return the input that chooses an entry; the same one for the same words."""
    known = answered.names.get(text.casefold())
    if known is not None:
        return known
    last = argument.rpartition(".")[2]
    place = call.tool.places.get(argument, ("body", last))
    noun = target_noun(call.tool.operation, place) or singular_noun(answered.operation)
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
    result = answered.step.result
    data = answered.data
    if result is None or not isinstance(data, Mapping):
        return None
    if extract_list(data, answered.operation, lowercase_headers(result)) is not None:
        return None
    item = extract_item(data, answered.operation)
    path = id_path(item, "id", singular_noun(answered.operation)) if item is not None else ""
    if not name_key(path).endswith(("id", "uid")):
        return None
    nested: list[Keys] = [(str(key),) for key, value in data.items() if isinstance(value, Mapping)]
    for keys in ((), *nested):
        holder = _at_keys(data, keys)
        if path and holder.get(path) is not None and holder.get(path) == (item or {}).get(path):
            return (*keys, path)
    return None


def is_id_of_item(location: ValueLocation) -> bool:
    """Return whether a place is the id of the one item that was answered, as of the caller in `{"id": 5, ...}`."""
    item = extract_item(location.answered.data, location.answered.operation)
    return location.index is None and item is not None and location.keys[-1:] == (id_path(item),)


def is_argument(answered: Answered, value: object) -> bool:
    """Return whether a call was sent with a value, so that its answer only repeats it."""
    return any(True for _ in _places_of(dict(answered.step.call.arguments), value))
