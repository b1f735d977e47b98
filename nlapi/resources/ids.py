"""The kinds of ids that fields take (names that people choose, codes, unknown), and what a code is an id of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from nlapi.english import lexicon
from nlapi.english.lexicon import words as word_set
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Operation, Schema, Spec, as_list
from nlapi.resources.answers import extract_item, extract_list, field_schema, json_media
from nlapi.resources.forms import schema_type
from nlapi.resources.identity import id_of
from nlapi.resources.nouns import Words, noun_in_path, singular_noun, target_noun


class IdKind(StrEnum):
    """The kind of the ids that a field takes."""

    NEW = "new"  # the key of an item that the call makes
    NATURAL = "natural"  # a name that people choose: bucket_name, slug
    OPAQUE = "opaque"  # a code that the API gives out: a UUID, a number
    UNKNOWN = "unknown"  # a text, of which nothing says more


NATURAL_NAMES = word_set("resources/words", "natural_ids")
_NAMED = lexicon.pattern("resources/words", "named", re.IGNORECASE)
_GIVEN_OUT = lexicon.pattern("resources/words", "given_out", re.IGNORECASE)
# A code has a figure or nothing but capitals; longer words of hexadecimal letters alone are rare.
_CODE = lazy_pattern(r"(?=.*\d)[\w.:-]{4,}|[A-Z]{5,}")
_WORD = lazy_pattern(r"[a-z][a-z._-]*[a-z]", re.IGNORECASE)
_TRIED = lexicon.ordered("resources/words", "tried")


def id_kind(name: Sequence[str], schema: Schema, description: str, *, has_name: bool) -> IdKind:
    """Return the kind of the ids of a field, of which nothing is made.

    `name` are the words of its name. `has_name` says that the items that are listed have a name besides this id.
    """
    if schema_type(schema) in ("integer", "number") or schema.get("format") == "uuid" or _refuses_words(schema):
        return IdKind.OPAQUE
    examples = [text for text in _examples(schema) if isinstance(text, str)]
    if not NATURAL_NAMES.isdisjoint(name[-1:]) or _NAMED.match(description) or any(map(_WORD.fullmatch, examples)):
        return IdKind.NATURAL
    if has_name or _GIVEN_OUT.search(description) or any(map(_CODE.fullmatch, examples)):
        return IdKind.OPAQUE
    return IdKind.UNKNOWN


def _refuses_words(schema: Schema) -> bool:
    """Return whether the pattern or the length of a schema refuses every name that people give."""
    shortest, pattern = schema.get("minLength"), schema.get("pattern")
    if isinstance(shortest, int) and shortest > max(map(len, _TRIED)):
        return True
    if not isinstance(pattern, str):
        return False

    # The pattern comes from a description, and may take long to match: it is bounded.
    from nlapi.patterns import bounded_pattern

    return not any(map(bounded_pattern(pattern).matches, _TRIED))


# The letters that a code begins with: tl_ of tl_204, INV- of INV-3301.
_PREFIX = lazy_pattern(r"([A-Za-z]{1,12}[_-]?)(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{1,40}")
# Operations up to which the examples of all are read.
_MAX_OPERATIONS = 300


def code_nouns(spec: Spec, code: str) -> frozenset[str]:
    """Return the last words of the nouns of the items whose ids begin with the letters of a code, by the examples of a
    description: {"tool"} for tl_204.
    """
    match = _PREFIX.fullmatch(code)
    return spec.derive(_nouns_by_prefix).get(match[1], frozenset()) if match is not None else frozenset()


def is_id_of_other(spec: Spec, code: str, noun: str) -> bool:
    """Return whether a code is the id of another kind of item than `noun`, whose own ids begin otherwise."""
    nouns, all_nouns = code_nouns(spec, code), spec.derive(_nouns_by_prefix).values()
    return bool(nouns) and noun not in nouns and any(noun in others for others in all_nouns)


def item_kinds(spec: Spec) -> frozenset[Words]:
    """Return the nouns of the collections whose items a path takes: (account,) and (account, number)."""
    return spec.derive(_item_kinds)


def _item_kinds(spec: Spec) -> frozenset[Words]:
    places = ((entry, parameter.name) for entry in spec.operations for parameter in entry.parameters)
    return frozenset(noun_in_path(entry, name) for entry, name in places if f"{{{name}}}" in entry.path)


def item_nouns(spec: Spec) -> frozenset[str]:
    """Return the last words of the nouns of the items that a path takes by an id: order, of /orders/{id}, and of
    /organisations/{partyId} both nouns.
    """
    return spec.derive(_item_nouns)


def _item_nouns(spec: Spec) -> frozenset[str]:
    places = ((entry, ("path", parameter.name)) for entry in spec.operations for parameter in entry.parameters)
    taken = ((operation, place) for operation, place in places if f"{{{place[1]}}}" in operation.path)
    nouns = (noun for entry, place in taken for noun in (target_noun(entry, place), noun_in_path(entry, place[1])))
    return frozenset(noun[-1] for noun in nouns if noun)


def _nouns_by_prefix(spec: Spec) -> Mapping[str, frozenset[str]]:
    nouns: defaultdict[str, set[str]] = defaultdict(set)
    for operation in spec.operations if len(spec.operations) <= _MAX_OPERATIONS else ():
        for noun, id in _stated_ids(operation):
            if noun and isinstance(id, str) and (match := _PREFIX.fullmatch(id)) is not None:
                nouns[match[1]].add(noun[-1])
    return {prefix: frozenset(words) for prefix, words in nouns.items()}


def _stated_ids(operation: Operation) -> Iterator[tuple[Words, object]]:
    """Yield the example ids of an operation with the noun of the item: those of its path, and of its answer."""
    for parameter in operation.parameters:
        if parameter.location == "path":
            noun = target_noun(operation, ("path", parameter.name))
            yield from ((noun, example) for example in _examples(parameter.schema))
    if operation.method == "GET":
        noun, media = singular_noun(operation), json_media(operation)
        argument = _item_parameter(operation)
        yield from ((noun, example) for example in _examples(field_schema(operation, "id") or {}))
        for example in media.examples if media is not None else ():
            listed = extract_list(example, operation)
            items = listed.object_entries if listed is not None else (extract_item(example, operation),)
            yield from ((noun, id_of(item, argument, noun)) for item in items if item is not None)


def _item_parameter(operation: Operation) -> str:
    """Return the parameter that takes the id of an item that an operation lists or reads; "" without one."""
    path = operation.path.rstrip("/").rpartition("/{")[0] or operation.path.rstrip("/")
    items = (entry.path.rpartition("/{") for entry in operation.spec.operations)
    return next((name.rstrip("}") for above, _, name in items if above == path and name.endswith("}")), "")


def _examples(schema: Schema) -> tuple[object, ...]:
    return (schema.get("example"), *as_list(schema.get("examples")))
