"""Makes sentences about the operations of a description, each with the call that is right for it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeAlias

import nlapi
from nlapi.english.command_verbs import UPDATE_VERBS
from nlapi.english.words import singular, singular_last, split_words, stem, stems_of
from nlapi.openapi.spec import UPDATE_METHODS, Effect, Spec
from nlapi.tools.tool import Tool

Phrases: TypeAlias = Mapping[str, Sequence[str]]
Pairs: TypeAlias = Iterator[tuple[str, dict[str, Any]]]
"""Sentences with the arguments that are right for them."""

PHRASES: Mapping[str, Phrases] = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text(encoding="utf-8"))
CODES = ("8f3a", "4021", "b81", "77ab", "k-19", "5512", "a1b2c3", "300")
NUMBERS = ("7", "41", "88", "300", "5512")
NAMES = ("Blue Harbor", "Office Move", "winter-sale", "Ada Park", "Q3 Review", "Nightly")
FORMATS = {
    "date": ("1 March 2027", "2027-03-01"),
    "date-time": ("1 March 2027 18:00", "2027-03-01T18:00:00Z"),
    "email": ("ada@example.com", "ada@example.com"),
}
LIMITS = ("limit", "per_page", "page_size", "pagesize", "max_results", "maxresults")
_PLACE = re.compile(r"\{[a-z_]+\}")
_PARAMETER = re.compile(r"\{\+?([^{}]+)\}")
_SUMMARY = re.compile(
    r"(?P<verb>[A-Za-z]+) (?:(?:an?|the|this|existing|single|specific|specified|given) )*"
    r"(?!(?:all|in|off|on|out|up)\b)(?P<object>[A-Za-z -]+?)"
    r"(?: (?:by|with|using|for|from|of|in|given)\b.*)?\.?"
)
_IS_CREATION = re.compile(r"(?i)create|add|new|post")
# Texts with a form of their own, which a name does not have.
_IS_CODED = re.compile(
    r"(?i)id$|url|uri|token|date|time|key|password|lang|country|currency|color|phone|zone|zip|code|type"
)
_IS_CODED_ID = re.compile(r"(?i)url|uri|arn$|date|email|token")
_IS_TEXT_FILTER = re.compile(r"(?i)(name|owner|author|city|category|type|status|tag|email)$")
_IS_TECHNICAL = re.compile(r"(?i)sort|order|fields|format|include|expand|alt|xgafv|pretty|embed")


class Group(StrEnum):
    """What the sentences of a group are."""

    STATED = "stated"
    """changes in the words of an operation's summary"""
    FIELDS = "fields"
    """one field set, or an item created with a name"""
    PEOPLE = "people"
    """changes as people phrase them"""
    UNSAFE = "unsafe"
    """sentences of which nothing may be sent"""
    READS = "reads"
    """lists, filters and single items"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence with the operation and arguments that are right for it; of `unsafe`, with the operation it is near."""

    group: Group
    text: str
    operation: str
    arguments: Mapping[str, Any]


class _Path(NamedTuple):
    """What the path of an operation says: its last literal segment, and the noun and a value for each parameter."""

    last: str
    ends_in_id: bool
    ids: Mapping[str, tuple[str, str]]

    @property
    def words(self) -> dict[str, str]:
        """Return the words for a template; {} where the last segment has no plural."""
        nouns = " ".join(split_words(self.last.removesuffix(".json")))
        noun = _singular(self.last)
        if noun == nouns or not re.fullmatch(r"[a-z ]{3,}", nouns) or nouns.count(" ") > 2:
            return {}
        article = "an" if noun[0] in "aeiou" else "a"
        return {"noun": noun, "nouns": nouns, "a_noun": f"{article} {noun}", **({"id": self.id} if self.ids else {})}

    @property
    def id(self) -> str:
        return list(self.ids.values())[-1][1]

    @property
    def arguments(self) -> dict[str, str]:
        return {parameter: value for parameter, (_, value) in self.ids.items()}


class _Value(NamedTuple):
    """A field in words, and a value for it as a person says it and as the API takes it."""

    field: str
    spoken: str
    value: Any


def sentences_of(spec: Spec, group: Group, random: Random) -> list[Sentence]:
    """Return the sentences of a group about an API: at most one for each operation, several of `unsafe`."""
    return [
        Sentence(group=group, text=text, operation=tool.operation.id, arguments=arguments)
        for tool in nlapi.tools(spec)
        if (tool.effect is Effect.READ) is (group is Group.READS) and (path := _read_path(tool, random)) is not None
        for text, arguments in _GENERATORS[group](PHRASES[group], tool, path, random)
    ]


def _stated(table: Phrases, tool: Tool, path: _Path, random: Random) -> Pairs:
    operation = tool.operation
    summary = _SUMMARY.fullmatch(operation.summary.strip())
    if summary is None or len(operation.summary.split()) > 7 or summary["object"].count(" ") > 2:
        return
    words = {"verb": singular(summary["verb"].lower()), "object": summary["object"].lower()}
    # "Update the license 7" does not say what shall change.
    is_update = operation.method in UPDATE_METHODS or stem(words["verb"]) in UPDATE_VERBS
    has_body = operation.body is not None and (operation.body.required or is_update)
    if not 1 <= len(path.ids) <= 2 or has_body or _required(tool):
        return
    *outer, (noun, value) = path.ids.values()
    is_item = path.ends_in_id or singular(words["object"].split()[-1]) == noun.split()[-1]
    text = random.choice(table["item" if is_item else "part"]).format(noun=noun, id=value, **words)
    for noun, value in reversed(outer):
        text += random.choice(table["within"]).format(noun=noun, id=value)
    yield text, path.arguments


def _changes(table: Phrases, tool: Tool, path: _Path, random: Random) -> Pairs:
    method = tool.operation.method
    is_item = path.ends_in_id and len(path.ids) == 1
    if not path.words:
        return
    if method == "DELETE" and is_item and "delete" in table and not _required(tool):
        yield random.choice(table["delete"]).format(**path.words), path.arguments
    elif method == "POST" and not path.ids and _IS_CREATION.match(tool.operation.summary or tool.operation.id):
        yield from _creation(table, tool, path, random)
    elif method in UPDATE_METHODS and is_item and not _required(tool):
        yield from _update(table, tool, path, random)


def _creation(table: Phrases, tool: Tool, path: _Path, random: Random) -> Pairs:
    fields = _body_fields(tool)
    title = next((name for name in fields if name.lower() in ("name", "title", "label")), "")
    schema = fields.pop(title, {})
    if schema.get("type") != "string" or "enum" in schema or "pattern" in schema:
        return
    name, required = random.choice(NAMES), _required(tool) - {title}
    values = _values(fields, random)
    chosen = [field for field in values if field in required] or random.sample(sorted(values), min(1, len(values)))
    if "create" in table and not required:
        yield random.choice(table["create"]).format(name=name, **path.words), {title: name}
    elif "create_with" in table and required <= values.keys() and 1 <= len(chosen) <= 3:
        spoken = " and ".join(f"{values[field].field} {values[field].spoken}" for field in chosen)
        text = random.choice(table["create_with"]).format(name=name, fields=spoken, **path.words)
        yield text, {title: name, **{field: values[field].value for field in chosen}}


def _update(table: Phrases, tool: Tool, path: _Path, random: Random) -> Pairs:
    values = _values(_body_fields(tool), random)
    plain = sorted(name for name, value in values.items() if not isinstance(value.value, bool))
    names = sorted(values) if "update_flag" in table else plain
    if not names:
        return
    if "update_two" in table and len(plain) > 1 and random.random() < 0.4:
        name, other = random.sample(plain, 2)
        words = {"field2": values[other].field, "value2": values[other].spoken}
        phrases, arguments = table["update_two"], {other: values[other].value}
    else:
        name, words, arguments = random.choice(names), {}, {}
        kind = "flag" if isinstance(values[name].value, bool) else "text" if values[name].value in NAMES else ""
        phrases = table.get(f"update_{kind}", table["update"])
    words = {**words, **path.words, "field": values[name].field, "value": values[name].spoken}
    yield random.choice(phrases).format(**words), {**path.arguments, name: values[name].value, **arguments}


def _unsafe(table: Phrases, tool: Tool, path: _Path, random: Random) -> Pairs:
    method = tool.operation.method
    is_deletion = method == "DELETE" and path.ends_in_id and len(path.ids) == 1
    if not path.words or not (is_deletion or (method == "POST" and not path.ids)):
        return
    plain = stems_of(" ".join(table["plain_words"])) & _stems_of_api(tool.operation.spec)
    phrases = [(phrase, stems_of(_PLACE.sub("", phrase))) for phrase in table["delete" if is_deletion else "create"]]
    for phrase in random.sample([phrase for phrase, stems in phrases if not plain & stems], 3):
        yield phrase.format(name=random.choice(NAMES), **path.words), {}


def _reads(table: Phrases, tool: Tool, path: _Path, random: Random) -> Pairs:
    words = path.words
    if tool.operation.method != "GET" or not words or len(path.ids) > 1 or _required(tool):
        return
    if path.ids:
        if not path.ends_in_id:
            words |= {"noun": next(noun for noun, _ in path.ids.values())}
        yield random.choice(table["item" if path.ends_in_id else "part"]).format(**words), path.arguments
        return
    schemas = {name: schema for name, schema in _properties(tool).items() if tool.places[name][0] == "query"}
    filters = [filter for name, schema in schemas.items() if (filter := _filter(name, schema, random))]
    if filters and random.random() < 0.7:
        kind, name, value = random.choice(filters)
        text = random.choice(table[kind]).format(field=value.field, value=value.spoken, **words)
        yield text, {name: value.value}
    else:
        yield random.choice(table["list"]).format(**words), {}


def _filter(name: str, schema: Mapping[str, Any], random: Random) -> tuple[str, str, _Value] | None:
    """Return the kind of phrase for a parameter, its name and a value; None for one that filters nothing."""
    if name.lower() in (*LIMITS, "page"):
        number = random.choice((5, 7, 12))
        fits = _allows(schema, number)
        kind = "page" if name.lower() == "page" else "limit"
        return (kind, name, _Value(name, str(number), number)) if fits and schema.get("type") == "integer" else None
    value = None if _IS_TECHNICAL.search(name) else _value(name, schema, random)
    is_text = value is not None and "enum" not in schema and schema.get("type") == "string"
    is_number = schema.get("type") in ("integer", "number")
    if value is None or is_number or (is_text and not _IS_TEXT_FILTER.search(name)):
        return None
    return "filter", name, value


_GENERATORS: Mapping[Group, Callable[[Phrases, Tool, _Path, Random], Pairs]] = {
    Group.STATED: _stated,
    Group.FIELDS: _changes,
    Group.PEOPLE: _changes,
    Group.UNSAFE: _unsafe,
    Group.READS: _reads,
}


def _read_path(tool: Tool, random: Random) -> _Path | None:
    """Return what the path says; None where a parameter has no noun before it, or a value with a form of its own."""
    ids: dict[str, tuple[str, str]] = {}
    segments = tool.operation.route.strip("/").split("/")
    for before, segment in pairwise(("", *segments)):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None and "{" not in segment:
            continue
        noun = "" if "{" in before else _singular(before)
        if parameter is None or not noun or re.fullmatch(r"v \d.*|api", noun):
            return None
        schema = _properties(tool).get(parameter[1], {})
        is_number = schema.get("type") in ("integer", "number")
        if _IS_CODED_ID.search(parameter[1]) or (not is_number and schema.keys() & {"enum", "format", "pattern"}):
            return None
        used = {value for _, value in ids.values()}
        ids[parameter[1]] = (noun, random.choice([v for v in (NUMBERS if is_number else CODES) if v not in used]))
    last = next((segment for segment in reversed(segments) if "{" not in segment), "")
    return _Path(last, "{" in segments[-1], ids)


def _singular(segment: str) -> str:
    return " ".join(singular_last(tuple(split_words(segment.removesuffix(".json")))))


def _properties(tool: Tool) -> Mapping[str, Mapping[str, Any]]:
    """Return the schemas of the arguments, those that are references to definitions with what is defined."""
    definitions = tool.input_schema.get("$defs", {})
    properties = tool.input_schema.get("properties", {}).items()
    return {name: {**definitions.get(schema.get("$ref", "")[8:], {}), **schema} for name, schema in properties}


def _required(tool: Tool) -> set[str]:
    """Return the required arguments that are not in the path."""
    return {name for name in tool.required if tool.places.get(name, ("body", ""))[0] != "path"}


def _body_fields(tool: Tool) -> dict[str, Mapping[str, Any]]:
    properties = _properties(tool).items()
    return {name: schema for name, schema in properties if tool.places.get(name, ("body", ""))[0] == "body"}


@lru_cache(maxsize=1)
def _stems_of_api(spec: Spec) -> frozenset[str]:
    operations = spec.visible_operations
    texts = " ".join(f"{operation.id} {operation.summary} {operation.path}" for operation in operations)
    return frozenset(map(stem, split_words(texts)))


def _values(fields: Mapping[str, Mapping[str, Any]], random: Random) -> dict[str, _Value]:
    return {name: value for name, schema in fields.items() if (value := _value(name, schema, random))}


def _value(name: str, schema: Mapping[str, Any], random: Random) -> _Value | None:
    """Return a value for an argument; None where its words are many, or its values have a form of their own."""
    field, kind, choices = " ".join(split_words(name)), schema.get("type"), schema.get("enum")
    if field.count(" ") > 2 or schema.get("readOnly"):
        return None
    if choices:
        choice = random.choice(choices)
        is_choice = len(choices) > 1 and isinstance(choice, str) and choice
        return _Value(field, choice.lower().replace("_", " "), choice) if is_choice else None
    if kind == "boolean":
        flag = random.choice((True, False))
        return _Value(field, str(flag).lower(), flag)
    form = "email" if name.lower().endswith("email") else schema.get("format")
    if kind == "string" and form in FORMATS:
        return _Value(field, *FORMATS[form])
    if form in FORMATS or _IS_CODED.search(name):
        return None
    if kind in ("integer", "number"):
        number = random.randint(2, 90)
        return _Value(field, str(number), number) if _allows(schema, number) else None
    text = random.choice(NAMES)
    return _Value(field, text, text) if kind == "string" and not schema.keys() & {"format", "pattern"} else None


def _allows(schema: Mapping[str, Any], number: int) -> bool:
    return bool(schema.get("minimum", 0) <= number <= schema.get("maximum", 100))
