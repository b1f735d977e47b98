"""Finds the values of a call that an earlier answer has for the user's own words: the id of a named item."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.changes.mentions import Mention, UserSentence
from nlapi.changes.superlatives import find_extreme, find_superlatives
from nlapi.english.words import name_key, singular, split_words
from nlapi.openapi.spec import Effect, Spec
from nlapi.resources.answers import extract_item, extract_list
from nlapi.resources.identity import FIELD_OBJECTS, IDS, NAMES, field_at, id_path, name_of, text_of
from nlapi.resources.nouns import singular_noun, target_noun
from nlapi.resources.paths import segments
from nlapi.tools.answer_view import lowercase_headers, next_arguments, page_arguments
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.receivers import is_of_same_receiver
from nlapi.tools.tool import Call

# Arguments with the revision of the item that is changed, which optimistic locking needs (Kubernetes' resourceVersion).
_REVISION_NAMES = frozenset("version revision rev etag sha resourceversion lockversion generation ifmatch".split())
# Fields that identify an item for people. Texts about an item are left out: any sentence may have a word of them.
_NAMING_FIELDS = (frozenset(NAMES) | frozenset(IDS)) - {"text", "hash", "digest", "summary", "code"}
# The field of another item: with the same guests as.
_SAME_AS = re.compile(r"\bsame (?P<field>\w+(?: \w+)?) as\b", re.IGNORECASE)
# Characters between `as` and the name of the item: the kind and an article.
_MAX_KIND_LENGTH = 24
# The first letters of a name: the channel starting with.
_PREFIX = re.compile(
    r"\b(?P<kind>\w+)(?: (?:that|which|whose name))? (?:start|begin)(?:s|ing|ning)? with\s+[\"'`“‘]?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMatch:
    """An item of an answer that the user's words name: `name` is the item's, `mention` its position in the sentence."""

    item: Mapping[str, Any]
    id: Any
    name: str
    mention: Mention


def find_match(
    argument: str, value: Any, call: Call, steps: Iterable[Step], sentence: UserSentence
) -> ItemMatch | None:
    """Return the item whose id is `value` and which alone is named by the words of `sentence`; or None.

    Only answers of the same API count, and of them the entries or the item, not their texts. Where several items of one
    operation have the name, and where another sentence has it, there is no match.
    """
    operation = call.tool.operation
    name = argument.rpartition(".")[2]
    place = call.tool.places.get(argument, ("body", name))
    noun = target_noun(operation, place)
    candidates: dict[Any, ItemMatch] = {}
    for step in _answered_steps(steps):
        if not is_of_same_receiver(step.call.tool.operation, operation):
            continue
        for item in _answer_items(step):
            path = id_path(item, place[1] or name, noun)
            id = field_at(item, path) if path else None
            if id is None or (_is_own_id(path) and _is_of_other_kind(step, operation.spec, noun)):
                continue
            if (match := _match_by_name(item, id, path, sentence)) or (
                match := _match_by_filter(step, item, id, sentence)
            ):
                candidates[(step.call.operation_id, str(id))] = match
    id_matches = [(key, candidate) for key, candidate in candidates.items() if str(candidate.id) == str(value)]
    for (operation_id, id), candidate in id_matches:
        # Where two items have the same name, the id is the model's choice and not the user's.
        rivals = (
            key
            for key, rival in candidates.items()
            if key[0] == operation_id and key[1] != id and _overlaps(candidate, rival)
        )
        if next(rivals, None) is None:
            return candidate
    return None


def find_same_field(
    argument: str, value: Any, call: Call, steps: Iterable[Step], sentence: UserSentence
) -> ItemMatch | None:
    """Return the item that the user named for the whole value of an argument: with the same guests as `Kick-off`.

    It is the only item of that name in the answers of the same API, and its field of the argument's name has the value.
    """
    key = name_key(argument)
    mention = next((match for match in _SAME_AS.finditer(sentence.text) if key == name_key(match["field"])), None)
    if mention is None:
        return None
    matches: dict[str, ItemMatch] = {}
    for item in (item for step in _own_steps(call, steps) for item in _answer_items(step)):
        id = field_at(item, id_path(item))
        match = _match_by_name(item, id, id_path(item), sentence)
        # The name is right behind: `the same guests as the event Kick-off`.
        if match is not None and mention.end() <= match.mention.start <= mention.end() + _MAX_KIND_LENGTH:
            matches[str(id)] = match
    if len(matches) != 1:
        return None
    (match,) = matches.values()
    fields = (field for name, field in match.item.items() if name_key(str(name)) == key)
    return match if next(fields, None) == call.arguments.get(argument) else None


def find_prefix_match(
    argument: str, value: Any, call: Call, steps: Iterable[Step], sentence: UserSentence
) -> ItemMatch | None:
    """Return the item that alone has a name with the user's first letters: the channel starting with `ext`.

    The word before is the kind of the argument, and of a list that the same API has answered in full. Its entries are
    items or plain texts.
    """
    for match in _PREFIX.finditer(sentence.text):
        kinds = {singular(word) for word in split_words(argument.rpartition(".")[2])}
        word = next((word for word in sentence.words if word.start <= match.end() < word.end), None)
        if word is None or singular(match["kind"].lower()) not in kinds:
            continue
        lists = [step for step in _own_steps(call, steps) if _list_kind(step) == singular(match["kind"].lower())]
        # Of a list that goes on, another entry may have the same first letters.
        if not lists or lists[-1].result is None or next_arguments(lists[-1].call, lists[-1].result) is not None:
            continue
        ids = {
            str(id)
            for step in lists
            for id, name in _listed_names(step, argument)
            if name.casefold().startswith(word.text.casefold())
        }
        if ids == {str(value)}:
            return ItemMatch(item={}, id=value, name="", mention=word.mention)
    return None


def find_superlative_match(
    argument: str, value: object, call: Call, steps: Iterable[Step], sentence: UserSentence
) -> ItemMatch | None:
    """Return the item that the user named by a superlative: the largest file.

    Its kind is that of the argument and of lists that the same API has answered in full, unfiltered; all of them have
    the same item there, as a second look after a change would name the next one.
    """
    operation = call.tool.operation
    place = call.tool.places.get(argument, ("body", argument.rpartition(".")[2]))
    noun = target_noun(operation, place)
    for superlative in find_superlatives(sentence.text, split_words(operation.spec.title)):
        lists = [step for step in _own_steps(call, steps) if _list_kind(step) == superlative.kind]
        if not lists or superlative.kind not in noun[-1:] or not all(map(_is_complete, lists)):
            continue
        items = [find_extreme(list(_answer_items(step)), superlative) for step in lists]
        ids = {str(field_at(item, id_path(item, place[1], noun))) if item is not None else "" for item in items}
        if ids == {str(value)}:
            return ItemMatch(item=items[0] or {}, id=value, name="", mention=superlative.mention)
    return None


def _is_complete(step: Step) -> bool:
    """Return whether an answer has all items of its kind: nothing was filtered, and there is no page behind it."""
    if step.result is None or step.result.status == 206 or next_arguments(step.call, step.result) is not None:
        return False
    sizes = page_arguments(step.call.tool, sizes=True) - page_arguments(step.call.tool)
    count = sum(1 for _ in _answer_items(step))
    if any(type(limit) is not int or limit <= count for limit in step.call.arguments.values()):
        return False
    # Without its size, a page of a list that has pages may be all or not.
    return set(step.call.arguments) <= sizes and (
        bool(step.call.arguments) or not page_arguments(step.call.tool, sizes=True)
    )


def _list_kind(step: Step) -> str:
    """Return the kind of what a list has, in the singular: `channel` of listChannels, and of /channels."""
    operation = step.call.tool.operation
    return singular((split_words(operation.path.rpartition("/")[2]) or split_words(operation.id))[-1])


def _listed_names(step: Step, argument: str) -> Iterator[tuple[object, str]]:
    """Yield the id and each name of the entries that an answer lists; a plain text is both."""
    if step.result is None or not step.result.ok:
        return
    if isinstance(step.result.data, list):
        yield from ((entry, entry) for entry in step.result.data if isinstance(entry, str))
    for item in _answer_items(step):
        id = field_at(item, id_path(item, argument))
        yield from ((id, name) for _, name in _naming_fields(item) if id is not None)


def _own_steps(call: Call, steps: Iterable[Step]) -> Iterator[Step]:
    """Yield the steps that the same API has answered."""
    operation = call.tool.operation
    return (step for step in _answered_steps(steps) if is_of_same_receiver(step.call.tool.operation, operation))


def find_repeated_item(argument: str, value: object, call: Call, steps: Iterable[Step], ids: Iterable[str]) -> str:
    """Return the name of the item with one of `ids` that has `value` in the same field already; "" where none has.

    An update repeats fields that stay, or has the revision of the item. `ids` are those of the path that the user said,
    or that were looked up for his words.
    """
    operation, target_ids = call.tool.operation, set(ids)
    last = next((segment.parameter for segment in reversed(segments(operation.route)) if segment.parameter), None)
    noun = target_noun(operation, ("path", last)) if last else ()
    is_revision = name_key(argument.rpartition(".")[2]) in _REVISION_NAMES
    if not target_ids or (operation.method not in ("PUT", "PATCH") and not is_revision):
        return ""
    for step in _answered_steps(steps):
        is_own = is_of_same_receiver(step.call.tool.operation, operation)
        if not is_own or _is_of_other_kind(step, operation.spec, noun):
            continue
        for item in _answer_items(step):
            id = field_at(item, id_path(item))
            if id is not None and str(id) in target_ids and _has_value(item, argument, value):
                return name_of(item) or str(id)
    return ""


class _ItemKinds:
    """The kinds of items that have ids of their own in the paths of an API: `user` of /users/{id}."""

    def __init__(self, spec: Spec) -> None:
        places = (
            (operation, ("path", segment.parameter))
            for operation in spec.operations
            for segment in segments(operation.route)
            if segment.parameter
        )
        self.kinds = frozenset(noun[-1] for operation, place in places if (noun := target_noun(operation, place)))


def _is_own_id(path: str) -> bool:
    """Return whether a field has the id of its item, and not that of another one: `id`, and not `owner.id`."""
    return len(split_words(path)) == 1


def _is_of_other_kind(step: Step, spec: Spec, noun: Sequence[str]) -> bool:
    """Return whether the items of an answer are of another kind than `noun`: the id of a channel is none of a user."""
    kind, kinds = singular_noun(step.call.tool.operation), spec.derive(_ItemKinds).kinds
    return bool(noun and kind) and noun[-1] != kind[-1] and noun[-1] in kinds and kind[-1] in kinds


def is_in_answers(value: object, steps: Iterable[Step]) -> bool:
    """Return whether a value is anywhere in the answers."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    needle = text.casefold()
    return bool(needle) and any(
        needle in step.result.text.casefold() for step in _answered_steps(steps) if step.result is not None
    )


def has_answers(steps: Iterable[Step]) -> bool:
    """Return whether any API has answered, so that an answer may have told a model what to plan."""
    return any(step.result is not None for step in steps)


def _answered_steps(steps: Iterable[Step]) -> Iterator[Step]:
    return (step for step in steps if step.outcome is Outcome.ANSWERED and step.result is not None)


def _answer_items(step: Step) -> Iterator[Mapping[str, object]]:
    """Yield the entries that an answer lists, or its one item."""
    if step.result is None or not step.result.ok:
        return
    answer_list = extract_list(step.result.data, step.call.tool.operation, lowercase_headers(step.result))
    entries = (
        answer_list.entries if answer_list is not None else (extract_item(step.result.data, step.call.tool.operation),)
    )
    yield from (entry for entry in entries if isinstance(entry, Mapping))


def _match_by_name(item: Mapping[str, object], id: object, path: str, sentence: UserSentence) -> ItemMatch | None:
    """Return the match of an item by the longest of its names that is in the sentence as a whole."""
    matches: list[ItemMatch] = []
    for key, field in _naming_fields(item):
        mention = sentence.find_mention(field) if key != path or field == str(id) else None
        if mention is not None and len(field) > 1:
            matches.append(ItemMatch(item=item, id=id, name=field, mention=mention))
    return max(matches, key=lambda match: len(match.name), default=None)


def _naming_fields(item: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, field in item.items():
        if name_key(str(key)) in _NAMING_FIELDS or name_key(str(key)).endswith("name"):
            text = text_of(field, str(key)) or (str(field) if type(field) is int else "")
            if text:
                yield str(key), text.removeprefix("/")
        elif name_key(str(key)) in FIELD_OBJECTS and isinstance(field, Mapping):
            yield from ((f"{key}.{inner}", text) for inner, text in _naming_fields(field))


def _match_by_filter(step: Step, item: Mapping[str, object], id: object, sentence: UserSentence) -> ItemMatch | None:
    """Return the only item of a list that was filtered by a text of the user's."""
    if step.call.effect is not Effect.READ or len(list(_answer_items(step))) != 1:
        return None
    schemas = step.call.tool.input_schema.get("properties", {})
    for argument, value in step.call.arguments.items():
        location = step.call.tool.places.get(argument, ("body", argument))[0]
        schema = schemas.get(argument, {})
        # An id in the path or a choice selects many items alike, and names none.
        if location == "path" or not isinstance(value, str) or "enum" in schema or not any(map(str.isalpha, value)):
            continue
        if mention := sentence.find_mention(value):
            return ItemMatch(item=item, id=id, name=name_of(item), mention=mention)
    return None


def _overlaps(first: ItemMatch, second: ItemMatch) -> bool:
    """Return whether the same words name both; words of a longer name do not name the shorter one inside."""
    if first.mention.end <= second.mention.start or second.mention.end <= first.mention.start:
        return False
    return len(second.mention.words) >= len(first.mention.words)


def _has_value(item: Mapping[str, object], argument: str, value: object) -> bool:
    last_key = name_key(argument.rpartition(".")[2])
    field = field_at(item, argument)
    if field is None:
        fields = {name_key(str(key)): field_value for key, field_value in item.items()}
        field = fields.get(last_key) if "." not in argument else None
        if field is None and last_key in _REVISION_NAMES:
            field = next((field_value for key, field_value in fields.items() if key in _REVISION_NAMES), None)
    return field == value or (isinstance(field, list) and value in field)
