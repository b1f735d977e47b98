"""Finds the values of a call that an earlier answer has for the user's own words: the id of a named item."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.changes.mentions import Mention, Sentence
from nlapi.openapi.spec import Effect
from nlapi.resources.answers import list_in, thing_in
from nlapi.resources.fields import HOLDERS, field_at, text_of
from nlapi.resources.id_fields import target_noun
from nlapi.resources.identity import IDS, NAMES, id_path, name_of
from nlapi.resources.naming import name_key
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from nlapi.tools.view import headers_of

# Arguments with the revision of the item that is changed, which optimistic locking needs (Kubernetes' resourceVersion).
_REVISIONS = frozenset("version revision rev etag sha resourceversion lockversion generation ifmatch".split())
# Fields that identify an item for people. Texts about an item are left out: any sentence may have a word of them.
_NAMING = (frozenset(NAMES) | frozenset(IDS)) - {"text", "hash", "digest", "summary", "code"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An item of an answer that the user's words name: `name` is the item's, `mention` its position in the sentence."""

    thing: Mapping[str, Any]
    id: Any
    name: str
    mention: Mention


def matched(argument: str, value: Any, call: Call, steps: Iterable[Step], sentence: Sentence) -> Match | None:
    """Return the item whose id is `value` and which alone is named by the words of `sentence`; or None.

    Only answers of the same API count, and of them the entries or the item, not their texts. Where several items of one
    operation have the name, and where another sentence has it, there is no match.
    """
    operation = call.tool.operation
    name = argument.rpartition(".")[2]
    place = call.tool.places.get(argument, ("body", name))
    noun = target_noun(operation, place)
    candidates: dict[Any, Match] = {}
    for step in _answered(steps):
        if step.call.tool.operation.spec is not operation.spec:
            continue
        for thing in _things(step):
            path = id_path(thing, place[1] or name, noun)
            id = field_at(thing, path) if path else None
            if id is None:
                continue
            if (found := _named(thing, id, path, sentence)) or (found := _filtered(step, thing, id, sentence)):
                candidates[(step.call.operation_id, str(id))] = found
    hits = [(at, one) for at, one in candidates.items() if str(one.id) == str(value)]
    for (by, id), one in hits:
        # Where two items have the same name, the id is the model's choice and not the user's.
        rivals = (at for at, other in candidates.items() if at[0] == by and at[1] != id and _overlaps(one, other))
        if next(rivals, None) is None:
            return one
    return None


def unchanged(argument: str, value: Any, call: Call, steps: Iterable[Step], ids: Iterable[str]) -> str:
    """Return the name of the item with one of `ids` that has `value` in the same field already; "" where none has.

    An update repeats fields that stay, or has the revision of the item. `ids` are those of the path that the user said,
    or that were looked up for his words.
    """
    operation, wanted = call.tool.operation, set(ids)
    revision = name_key(argument.rpartition(".")[2]) in _REVISIONS
    if not wanted or (operation.method not in ("PUT", "PATCH") and not revision):
        return ""
    for step in _answered(steps):
        if step.call.tool.operation.spec is not operation.spec:
            continue
        for thing in _things(step):
            id = field_at(thing, id_path(thing))
            if id is not None and str(id) in wanted and _has(thing, argument, value):
                return name_of(thing) or str(id)
    return ""


def is_in_answers(value: Any, steps: Iterable[Step]) -> bool:
    """Return whether a value is anywhere in the answers."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    needle = text.casefold()
    return bool(needle) and any(
        needle in step.result.text.casefold() for step in _answered(steps) if step.result is not None
    )


def has_answers(steps: Iterable[Step]) -> bool:
    """Return whether any API has answered, so that an answer may have told a model what to plan."""
    return any(step.result is not None for step in steps)


def _answered(steps: Iterable[Step]) -> Iterator[Step]:
    return (step for step in steps if step.outcome is Outcome.DONE and step.result is not None)


def _things(step: Step) -> Iterator[Mapping[str, Any]]:
    """Yield the entries that an answer lists, or its one item."""
    if step.result is None or not step.result.ok:
        return
    listed = list_in(step.result.data, step.call.tool.operation, headers_of(step.result))
    entries = listed.entries if listed is not None else (thing_in(step.result.data, step.call.tool.operation),)
    yield from (entry for entry in entries if isinstance(entry, Mapping))


def _named(thing: Mapping[str, Any], id: Any, path: str, sentence: Sentence) -> Match | None:
    """Return the match of an item by the longest of its names that is in the sentence as a whole."""
    found: list[Match] = []
    for key, field in _naming_fields(thing):
        mention = sentence.mention(field) if key != path or field == str(id) else None
        if mention is not None and len(field) > 1:
            found.append(Match(thing=thing, id=id, name=field, mention=mention))
    return max(found, key=lambda one: len(one.name), default=None)


def _naming_fields(thing: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, field in thing.items():
        if name_key(str(key)) in _NAMING or name_key(str(key)).endswith("name"):
            text = text_of(field, str(key)) or (str(field) if type(field) is int else "")
            if text:
                yield str(key), text.removeprefix("/")
        elif name_key(str(key)) in HOLDERS and isinstance(field, Mapping):
            yield from ((f"{key}.{inner}", text) for inner, text in _naming_fields(field))


def _filtered(step: Step, thing: Mapping[str, Any], id: Any, sentence: Sentence) -> Match | None:
    """Return the only item of a list that was filtered by a text of the user's."""
    if step.call.tool.effect is not Effect.READ or len(list(_things(step))) != 1:
        return None
    schemas = step.call.tool.input_schema.get("properties", {})
    for argument, value in step.call.arguments.items():
        where = step.call.tool.places.get(argument, ("body", argument))[0]
        schema = schemas.get(argument, {})
        # An id in the path or a choice selects many items alike, and names none.
        if where == "path" or not isinstance(value, str) or "enum" in schema or not any(map(str.isalpha, value)):
            continue
        if mention := sentence.mention(value):
            return Match(thing=thing, id=id, name=name_of(thing), mention=mention)
    return None


def _overlaps(one: Match, other: Match) -> bool:
    """Return whether the same words name both; words of a longer name do not name the shorter one inside."""
    if one.mention.end <= other.mention.start or other.mention.end <= one.mention.start:
        return False
    return len(other.mention.words) >= len(one.mention.words)


def _has(thing: Mapping[str, Any], argument: str, value: Any) -> bool:
    last = name_key(argument.rpartition(".")[2])
    field = field_at(thing, argument)
    if field is None:
        local = {name_key(str(key)): one for key, one in thing.items()}
        field = local.get(last) if "." not in argument else None
        if field is None and last in _REVISIONS:
            field = next((one for key, one in local.items() if key in _REVISIONS), None)
    return field == value or (isinstance(field, list) and value in field)
