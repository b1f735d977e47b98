"""Finds where a value of a call stands in the earlier answers, and how it is found there again with other inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from nlapi.client.message import body_size
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import extract_item, extract_list
from nlapi.resources.envelope import unwrap_entry
from nlapi.resources.identity import id_path, name_path
from nlapi.resources.naming import name_key, split_words
from nlapi.resources.nouns import noun_of, singular_noun, target_noun, wider_nouns
from nlapi.resources.paths import Place
from nlapi.tools.answer_view import lowercase_headers, next_arguments, page_arguments
from nlapi.tools.plan import Step
from nlapi.tools.tool import Call, ValueSource
from nlapi.workflows.draft import AnswerValue, InputValue, ItemChoice, Keys, StepDraft

# Values of one answer that are searched; a page of 1,000 items with 50 fields has fewer.
MAX_VALUES = 100_000
# Bytes of an answer that is no JSON and may be a value itself, such as an id.
MAX_TEXT = 1_000
# Levels of an entry in which its name may be: `metadata.name`.
_NAME_DEPTH = 2


class Fit(IntEnum):
    """How well a place in an answer fits an argument, the best first."""

    OWN_ID = 0
    """the id of the very kind of item that the argument identifies, or the sign of the next page"""
    SAME_NAME = 1
    VALUE_ALONE = 2
    """nothing but the value"""


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
    def index(self) -> int | None:
        """The position in `keys` of the last index into a list; None outside of lists."""
        return next((place for place in reversed(range(len(self.keys))) if isinstance(self.keys[place], int)), None)


class UntraceableError(Exception):
    """A value that an answer has, and that cannot be found there again with other inputs."""


def is_distinctive(value: object) -> bool:
    """Return whether a value would hardly be in an answer by chance."""
    if isinstance(value, bool) or value is None:
        return False
    text = str(value)
    return len(text) >= (5 if isinstance(value, int) else 6) and any(map(str.isdigit, text))


def find_value(
    argument: str, value: Any, call: Call, earlier: Sequence[Answered], source: ValueSource | None
) -> AnswerValue | None:
    """Return where the value of an argument comes from; None where no answer has it.

    UntraceableError where answers have it, and not in one place that is told without its own value.
    """
    locations = list(_locations(argument, value, call, earlier))
    best = min((location.fit for location in locations), default=None)
    if best is None:
        return None
    fitting = [location for location in locations if location.fit is best]
    if best is Fit.VALUE_ALONE:
        if not is_distinctive(value):
            return None
        if len(fitting) > 1:
            raise UntraceableError(f"{len(fitting)} places of the answers have it")
    # Of the answers with an item the first made it known; of lists the last was read for this.
    alone = [location for location in fitting if location.index is None]
    if alone:
        return _at(alone[0], argument, call)
    reasons = []
    for location in reversed(fitting):
        try:
            return _chosen(location, argument, call, source)
        except UntraceableError as error:
            reasons.append(str(error))
    raise UntraceableError(reasons[0])


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
    if not field_keys or isinstance(keys[-1], int):
        return Fit.VALUE_ALONE
    name = place[1] or argument.rpartition(".")[2]
    noun = target_noun(operation, place)
    container = _at_keys(answered.data, keys[:-1])
    if isinstance(container, Mapping) and answered.operation.spec is operation.spec:
        entry = unwrap_entry(container)
        own = id_path(entry if isinstance(entry, Mapping) else container, name, noun)
        nouns = {singular_noun(answered.operation), noun_of(answered.operation)}
        holder = tuple(split_words(field_keys[-2])) if len(field_keys) > 1 else ()
        is_of_kind = bool(noun) and any(wider in nouns or wider == holder for wider in wider_nouns(noun))
        if own == keys[-1] and is_of_kind:
            return Fit.OWN_ID
    if name_key(str(keys[-1])) == name_key(name):
        return Fit.SAME_NAME
    return Fit.VALUE_ALONE


def _at_keys(data: Any, keys: Iterable[str | int]) -> Any:
    for key in keys:
        data = data[key]
    return data


def _at(location: ValueLocation, argument: str, call: Call) -> AnswerValue:
    name = _output_name(location, argument, call)
    return AnswerValue(step=location.answered.draft, keys=location.keys, name=name)


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


def is_argument(answered: Answered, value: object) -> bool:
    """Return whether a call was sent with a value, so that its answer only repeats it."""
    return any(True for _ in _places_of(dict(answered.step.call.arguments), value))
