"""The slots of a Tool, which are its arguments and the properties inside them, and the candidates that fill them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.english.words import name_words, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.credential_parameters import is_unspoken
from nlapi.openapi.spec import UPDATE_METHODS, Effect, Operation, Schema
from nlapi.planner.slots.variants import VariantSet, join_variants, union_of
from nlapi.reading.text import ValueMention
from nlapi.resources.answers import field_schema
from nlapi.resources.forms import MomentForm, hosts_end_in_dot, moment_form, schema_type, sole_property
from nlapi.resources.nouns import spelled_out_noun
from nlapi.tools.arguments import argument_schema
from nlapi.tools.quantities.unit_evidence import likely_money_unit
from nlapi.tools.quantities.units import unit_of
from nlapi.tools.tool import Tool

_HALVES = lexicon.words("planner/slots/words", "moment_halves")
_OPAQUE = lexicon.words("planner/slots/words", "opaque_ends")
_LINKS = lexicon.words("planner/slots/words", "link_ends")
_MAIL_NAMES = lexicon.words("planner/slots/words", "mail_names")

_ONLY = lexicon.pattern("planner/slots/words", "only", re.IGNORECASE)
# Names of a path to a property, and slots of a tool, at most.
_DEEPEST = 3
_MOST = 80
_LISTS = lexicon.pattern("planner/slots/words", "lists_values", re.IGNORECASE)
_LISTED = lazy_pattern(r"`([\w.-]{2,40})`|<code>([\w.-]{2,40})</code>|\*{1,2}([\w.-]{2,40})\*{1,2}|'([\w.-]{2,40})'")
_EXAMPLES = lexicon.pattern("planner/slots/words", "examples", re.IGNORECASE)
_MAPPED = lexicon.pattern("planner/slots/words", "mapped")
# Names of parameters that do not say whose id or name they are.
_BARE = stem_set("planner/slots/words", "bare_names")
# Names of parameters for a search text, whose description may speak of dates.
_SOUGHT = word_set("planner/slots/words", "search_texts") | word_set("planner/slots/words", "search_expressions")
# References and unions of a schema that are followed, at most.
_MOST_STEPS = 12
_LANGUAGE = lazy_pattern(r"[a-z]{2}(?:[-_][A-Z]{2})?")
# A number with marks around it behind its meaning: Moderator = `1`.
_MAPPED_BEHIND = lazy_pattern(r"([A-Za-z][\w ]{1,40}?)\s*[=:]\s*[`'\"](-?\d{1,6})[`'\"]")
_GLUED_ENDS = lazy_pattern(r"(start|end)(date|time)")
_STANDS_FOR = lazy_pattern(r"(?:example|e\.g\.),?:? '?\d+'? for ", re.IGNORECASE)
_AND_FOR = lazy_pattern(r"\band\s+(?=-?\d)")


class Family(StrEnum):
    """The kind of value that a slot takes, by its schema or else by its name."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    DATE = "date"
    TIME = "time"
    EMAIL = "email"
    URL = "url"
    ID = "id"
    TEXT = "text"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slot:
    """One value of a Tool. `path` is the name of the argument and of the properties below it.

    `words` are the stems of its name, `prose` those of its description. `samples` are values that the description
    mentions, `examples` the same in lower case, `glossary` the values that it explains, by their meaning. A `needed`
    slot is required by its object, as soon as that has any value; a `required` one is required in every call. `form` is
    the form of a moment, and `leaf` the path to the one value of each item of a list of objects.
    """

    path: tuple[str, ...]
    words: tuple[str, ...]
    prose: frozenset[str]
    family: Family
    schema: Schema
    description: str
    required: bool
    item: Schema = field(default_factory=dict)
    is_array: bool = False
    is_integer: bool = False
    choices: tuple[object, ...] = ()
    examples: frozenset[str] = frozenset()
    samples: tuple[str, ...] = ()
    glossary: Mapping[str, object] = field(default_factory=dict)
    unit: str = ""
    location: str = ""
    required_by_object: bool = False
    is_nullable: bool = False
    """whether its call sends null where the sentence has no value"""
    variants: tuple[VariantSet, ...] = ()
    """the variants of the objects that it is in, the outermost first"""
    form: MomentForm | None = None
    leaf: tuple[str, ...] = ()
    is_dotted_host: bool = False
    """whether it is named after a DNS name, in an API whose DNS names end in a dot"""
    names: frozenset[str] | None = None
    """the names that the API has for it at the moment, of those in the sentence; None where they are not known"""
    sole_names: frozenset[str] = frozenset()
    """those of its own kind that are names of no other kind"""
    own_names: frozenset[str] = frozenset()
    """those of them that are of the first kind that it takes: a canary's, and not its objective's"""

    @property
    def name(self) -> str:
        """The name of the innermost property."""
        return self.path[-1]

    def item_of(self, value: object) -> object:
        """Return the item of a list that has `value` in its one leaf: {"id": "1234"}; without a leaf the value."""
        for name in reversed(self.leaf):
            value = {name: value}
        return value

    @property
    def has_default(self) -> bool:
        """Whether the schema has a default."""
        return "default" in self.schema

    @property
    def is_constant(self) -> bool:
        """Whether a single value is possible."""
        return "const" in self.schema or len(self.choices) == 1 or self.is_empty

    @property
    def is_empty(self) -> bool:
        """Whether it is an object whose description states that it has no properties."""
        return schema_type(self.schema) == "object" and self.schema.get("properties") == {}


def slots_of(tool: Tool) -> tuple[Slot, ...]:
    """Return the slots of a tool in the order of its input schema."""
    slots: list[Slot] = []
    root = tool.input_schema
    required = frozenset(root.get("required", ()))
    in_body = frozenset(tool.body_rules.get("required", ()))
    for name, schema in _properties(root).items():
        location, wire = tool.places.get(name, ("", name))
        walk = _SlotWalk(root=root, location=location, tool=tool)
        needed = name in required or (location == "body" and wire in in_body)
        slots.extend(walk.slots((name,), schema, name in required, (), needed=needed, beside=_properties(root)))
    return tuple(_changeable(tool.operation, slots)[:_MOST])


def _changeable(operation: Operation, slots: Sequence[Slot]) -> Sequence[Slot]:
    """Return the slots without the fields of a body that an update does not change, by its description.

    Where only one of PUT and PATCH lists the fields that it changes, the other one changes those that it mentions.
    """
    if operation.method not in UPDATE_METHODS:
        return slots
    updates = [update for update in operation.spec.operations if update.path == operation.path]
    lists = {
        update: match[1].lower()
        for update in updates
        if update.method in UPDATE_METHODS and (match := _ONLY.search(update.description))
    }
    text = lists.get(operation) or (f"{operation.summary} {operation.description}".lower() if lists else "")
    names = set(re.findall(r"\w+", text))
    changed = [slot for slot in slots if slot.location == "body" and slot.path[0].lower() in names]
    return [slot for slot in slots if slot.location != "body" or slot in changed] if changed else slots


def slots_of_variant(slots: tuple[Slot, ...], values: Mapping[tuple[str, ...], object]) -> tuple[Slot, ...]:
    """Return the slots without those of variants that the value of a tag excludes; the others that the chosen variant
    requires are required.
    """
    for variants in dict.fromkeys(entry for slot in slots for entry in slot.variants):
        variant, depth = variants.selected_by(values), len(variants.path)
        if variant is not None:
            inside = {slot: slot.path[depth] for slot in slots if variants in slot.variants}
            required = {
                slot for slot, name in inside.items() if name in variant.required and len(slot.path) == depth + 1
            }
            slots = tuple(
                replace(slot, required=True) if slot in required else slot
                for slot in slots
                if slot not in inside or inside[slot] in variant.names
            )
    return slots


_DNS = stem_set("resources/words", "dns_names")


@dataclass(frozen=True, slots=True, kw_only=True)
class _SlotWalk:
    root: Schema
    location: str
    tool: Tool

    def slots(
        self,
        path: tuple[str, ...],
        raw: object,
        required: bool,
        parents: tuple[str, ...],
        *,
        needed: bool,
        beside: Iterable[str],
        variants: tuple[VariantSet, ...] = (),
    ) -> Iterator[Slot]:
        """Return the slots of a schema; of one that contains itself (a `$ref` among its parents) none.

        `beside` are the names of the properties of the same object, `variants` those of the objects around it.
        """
        ref = raw.get("$ref") if isinstance(raw, Mapping) else None
        if isinstance(ref, str):
            if ref in parents:
                return
            parents = (*parents, ref)
        schema = resolve_schema(raw, self.root)
        if types := _types_of_union(raw, self.root):
            schema = {"type": types, "description": schema.get("description", "")}
        followed = _follow(raw, self.root)
        branches = [resolve_schema(part, self.root) for part in union_of(followed)] if len(path) <= _DEEPEST else []
        if (joined := join_variants(path, followed, branches)) is not None:
            schema, variants = joined[0], (*variants, joined[1])
        inner = _properties(schema)
        if inner and len(path) <= _DEEPEST:
            names = frozenset(schema.get("required", ()))
            for name, below in inner.items():
                if name[:1] == "{":
                    continue  # a name that stands for any: {quantity}
                also, is_needed = required and name in names, name in names
                yield from self.slots(
                    (*path, name), below, also, parents, needed=is_needed, beside=inner, variants=variants
                )
            return
        if language := _language_of(schema):
            schema = {"type": "string", "description": schema.get("description", "")}
        slot = self._slot(path, schema, required=required, needed=needed, beside=beside)
        slot = replace(slot, path=(*path, language)) if language else slot
        yield replace(slot, variants=variants, is_nullable=_allows_null(followed))

    def _slot(
        self, path: tuple[str, ...], schema: Schema, *, required: bool, needed: bool, beside: Iterable[str]
    ) -> Slot:
        many = schema_type(schema) == "array"
        entry = resolve_schema(schema.get("items", {}), self.root) if many else schema
        leaf, item = self._leaf(entry) if many else ((), entry)
        described = (schema.get("description"), entry.get("description"), item.get("description"))
        description = next((str(text) for text in described if text), "")
        words = (
            *self._owner(path),
            *self._spelled_out(path),
            *(stem(word) for part in (path[-1], *leaf) for name in name_words(part) for word in _split_end(name)),
        )
        choices = tuple(value for value in item.get("enum", ()) if value is not None)
        choices = choices or (_listed_values(description) if schema_type(item) == "string" and not leaf else ())
        samples = (*_samples(description, schema), *self._filtered_choices(path, item)) if not leaf else ()
        named = list(name_words((*path, *leaf)[-1]))
        form = moment_form(named, {**schema, **item}, description, is_half=_is_half(named, beside))
        form = None if _SOUGHT.intersection(named) else form
        return Slot(
            path=path,
            words=words,
            prose=frozenset(stem(word) for word in split_words(description[:400]) if word not in STOPWORDS),
            family=_family(named, item, choices, form),
            schema=schema,
            description=description,
            required=required,
            item=item,
            is_array=many,
            is_integer=schema_type(item) == "integer",
            choices=choices,
            examples=frozenset(map(str.lower, samples)),
            samples=samples,
            glossary=_glossary(description) if not leaf else {},
            unit=self._unit(path, words) if schema_type(item) in ("integer", "number") else "",
            location=self.location,
            required_by_object=needed,
            form=form,
            leaf=leaf,
            is_dotted_host=_DNS.issuperset(words) and self.tool.operation.spec.derive(hosts_end_in_dot),
        )

    def _filtered_choices(self, path: tuple[str, ...], item: Schema) -> Iterator[str]:
        """Yield the choices of the field that a filter is named after, where the filter itself states none."""
        operation = self.tool.operation
        is_filter = operation.effect is Effect.READ and self.location == "query"
        if is_filter and schema_type(item) == "string" and "enum" not in item:
            field = field_schema(operation, path[0]) or {}
            yield from (value for value in field.get("enum") or () if isinstance(value, str) and value)

    def _leaf(self, entry: Schema) -> tuple[tuple[str, ...], Schema]:
        """Return the path to the one value that an item of a list has, with its schema; () for an item of several."""
        leaf: tuple[str, ...] = ()
        item = entry
        while len(leaf) < _DEEPEST and schema_type(item) == "object" and (name := sole_property(item)):
            leaf, item = (*leaf, name), resolve_schema(_properties(item)[name], self.root)
        is_plain = schema_type(item) in ("string", "integer", "number", "") and not item.get("enum")
        return (leaf, item) if is_plain else ((), entry)

    def _owner(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return the stems of the resource of a parameter where only the path has them: /users/{id}."""
        wire = self.tool.places.get(path[0], ("", path[0]))[1]
        before, segment, _ = self.tool.operation.path.partition(f"/{{{wire}}}")
        noun = before.rpartition("/")[2]
        bare = self.location == "path" and segment and stems_of(path[-1]) <= _BARE
        return tuple(stem(word) for word in split_words(noun)) if bare and "{" not in noun else ()

    def _spelled_out(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return the stems of the noun that the name of a parameter abbreviates: organization unit, of `orgid`."""
        place = self.tool.places.get(path[0], ("", path[0]))
        noun = spelled_out_noun(self.tool.operation, place) if len(path) == 1 else ()
        return tuple(stem(word) for word in noun)

    def _unit(self, path: tuple[str, ...], words: tuple[str, ...]) -> str:
        return unit_of(argument_schema(self.tool, *path)) or likely_money_unit(words)


def _follow(schema: object, root: Schema) -> Schema:
    """Return the schema at the end of its `$ref`s, with what stands beside them."""
    for _ in range(_MOST_STEPS):
        ref = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(schema, Mapping) or not isinstance(ref, str):
            break
        target: Any = root
        for step in ref.removeprefix("#/").split("/"):
            target = target.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, Mapping) else {}
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema if isinstance(schema, Mapping) else {}


def _language_of(schema: Schema) -> str:
    """Return the first language of a map of texts by language, as its example has them; "" for anything else."""
    examples, texts = schema.get("examples"), schema.get("additionalProperties")
    example = examples[0] if isinstance(examples, list) and examples else None
    is_map = isinstance(texts, Mapping) and texts.get("type") == "string" and isinstance(example, Mapping)
    keys = list(example) if is_map and isinstance(example, Mapping) else []
    return keys[0] if keys and all(map(_LANGUAGE.fullmatch, keys)) else ""


def _allows_null(schema: Schema) -> bool:
    union = schema.get("anyOf") or schema.get("oneOf") or ()
    types = schema.get("type")
    return (isinstance(types, list) and "null" in types) or any(part == {"type": "null"} for part in union)


def resolve_schema(schema: object, root: Schema) -> Schema:
    """Return a schema with its `$ref`, `allOf` and nullable unions resolved as far as a planner needs."""
    for _ in range(_MOST_STEPS):
        if not isinstance(schema, Mapping):
            return {}
        schema = _follow(schema, root)
        union = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(union, list) and "properties" not in schema and "type" not in schema:
            some = union_of(schema)
            if not some:
                return {}
            schema = {**some[0], **{key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}}
            continue
        if isinstance(schema.get("allOf"), list):
            schema = _merged(schema, root)
            continue
        return schema
    return {}


def _types_of_union(schema: object, root: Schema) -> list[str]:
    """Return the types of a union of plain strings and integers, the strings first: of an id or a uuid; [] for any
    other schema.
    """
    union = union_of(_follow(schema, root)) if isinstance(schema, Mapping) else []
    parts = [resolve_schema(part, root) for part in union]
    types = {"" if "enum" in part else schema_type(part) for part in parts}
    formats = {(schema_type(part), part.get("format")) for part in parts}
    return sorted(types, reverse=True) if len(formats) > 1 and types <= {"string", "integer"} else []


def _merged(schema: Schema, root: Schema) -> Schema:
    merged: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for part in (*schema["allOf"], {key: value for key, value in schema.items() if key != "allOf"}):
        settled = resolve_schema(part, root)
        properties |= settled.get("properties") or {}
        required += settled.get("required") or []
        merged |= settled
    if properties:
        merged["properties"] = properties
    if required:
        merged["required"] = required
    return merged


def _properties(schema: Schema) -> Schema:
    inner = schema.get("properties")
    return inner if isinstance(inner, Mapping) else {}


def _is_half(name: Sequence[str], beside: Iterable[str]) -> bool:
    """Return whether another field takes the time of day of a day, or the day of a time of day: end_date, end_time."""
    others = (split_words(other) for other in beside)
    if not name or name[-1] not in _HALVES:
        return False
    lasts = ("time", "hour") if name[-1] in ("date", "day") else ("date", "day")
    return any(other[-1:] and other[-1] in lasts and other[:-1] in (list(name[:-1]), []) for other in others)


def _family(words: list[str], item: Schema, choices: tuple[object, ...], form: MomentForm | None) -> Family:
    kind, format = schema_type(item), item.get("format", "")
    if kind == "boolean" or ({str(value).lower() for value in choices} >= {"true", "false"}):
        return Family.BOOLEAN
    if choices:
        return Family.CHOICE
    if kind in ("integer", "number"):
        return Family.NUMBER if form is None else Family.DATE
    if kind and kind != "string":
        return Family.OPEN
    if format in ("email", "uri", "url", "uuid"):
        return {"email": Family.EMAIL, "uuid": Family.ID}.get(format, Family.URL)
    last = words[-1] if words else ""
    if last in _OPAQUE and not format:
        return Family.ID
    if form is not None and not form.is_guess:
        return Family.TIME if form.clock_layout else Family.DATE
    if last in _MAIL_NAMES:
        return Family.EMAIL
    return Family.URL if last in _LINKS else Family.TEXT


def _samples(description: str, schema: Schema) -> tuple[str, ...]:
    """Return the values that a description mentions; none where it has the only value: Set to x."""
    if description.lower().startswith("set to "):
        return ()
    # Values with a hyphen are spoken without it: best-effort, best effort.
    values: list[str] = []
    for match in _EXAMPLES.finditer(description):
        text = match.group(1)
        quoted = re.findall(r"['\"“]([^'\"“”]{1,60})['\"”]", text)
        values += quoted if quoted else re.split(r",\s*(?:and|or)?\s*|\s+(?:and|or)\s+", text)
    values += re.findall(r"(?<!\w)['\"“]([^'\"“”]{2,40})['\"”](?!\w)", description)
    listed = schema.get("examples")
    values += [value for value in (listed if isinstance(listed, list) else ()) if isinstance(value, str)]
    clean = [value for text in values if 1 < len(value := text.strip(" .'\"")) <= 60]
    return tuple(dict.fromkeys([*clean, *(re.sub(r"(?<=[a-z])[-_](?=[a-z])", " ", value) for value in clean)]))


def _listed_values(description: str) -> tuple[str, ...]:
    """Return the values that a description lists as the only ones, each with marks around it; () for fewer than two."""
    listed = _LISTS.search(description)
    text = description[listed.end() :].replace("\\", "") if listed is not None else ""
    values = (next(filter(None, match.groups())) for match in _LISTED.finditer(text))
    found = tuple(dict.fromkeys(values))
    return found if len(found) > 1 else ()


def _split_end(word: str) -> Iterator[str]:
    """Yield the words of the end of a period in one word: starttime."""
    ends = _GLUED_ENDS.fullmatch(word)
    yield from ends.groups() if ends is not None else (word,)


def _glossary(description: str) -> Mapping[str, object]:
    """Return the values that a description explains, by meaning: 1 for Bangkok, 2 for Chiang Mai."""
    values: dict[str, str | int] = {}
    for match in _MAPPED.finditer(_AND_FOR.sub("", description)):
        value, meaning = match.groups()
        values[meaning.strip().lower()] = int(value) if value.lstrip("-").isdigit() else value
    for meaning, number in _MAPPED_BEHIND.findall(description):
        values.setdefault(meaning.strip().lower(), int(number))
    numbers = all(isinstance(value, int) for value in values.values())
    return values if len(values) > 1 or (numbers and _STANDS_FOR.search(description)) else {}


def is_secret(slot: Slot, tool: Tool) -> bool:
    """Return whether a slot is a credential: by its description or the security schemes of the API."""
    if len(slot.path) != 1:
        return False
    schemes = tool.operation.spec.security_schemes.values()
    keys = {(scheme.location, scheme.name) for scheme in schemes if scheme.kind == "apiKey"}
    return (slot.location, slot.name) in keys or is_unspoken(slot.name, slot.location, slot.schema, slot.description)


# The last 30 days are a choice or two dates, and not both.
_DAYS = {Family.CHOICE, Family.DATE}
# The conversion of a day that is both bounds of what is listed, without a forest.
DAY_CONVERSION = "day"
# Scores of a candidate of the probabilities 0 and 1.
LOW_SCORE, HIGH_SCORE = 0.2, 1.9


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCandidate:
    """A value for a slot. `spans` are the mentions that it uses; `shared` candidates may use the same words.

    `span` is the mention that the value is read from, `how` its conversion (values.HOW), `evidence` further features of
    a choice or a flag (choices.EVIDENCE). `remainder` are the words of the mention that its slot cannot carry, `beside`
    the mentions elsewhere that are a part of the value. `sure` is the probability that it is right.
    """

    slot: Slot
    value: Any
    start: int
    end: int
    mention: ValueMention | None = None
    mentions: tuple[ValueMention, ...] = ()
    shared: bool = False
    conversion: str = ""
    remainder: tuple[ValueMention, ...] = ()
    beside: tuple[ValueMention, ...] = ()
    evidence: Sequence[float] = ()
    probability: float = 0.0

    @property
    def narrows(self) -> bool:
        """Whether the request is narrower with it: a flag that is set as by default narrows nothing."""
        return not (self.value is True and self.slot.schema.get("default") is True)

    def collides(self, rival: SlotCandidate) -> bool:
        """Return whether two candidates use the same words, and may not share them."""
        if self.conversion == rival.conversion == DAY_CONVERSION:
            return self.slot is rival.slot
        families = {self.slot.family, rival.slot.family}
        if self.shared and rival.shared and self.value != rival.value and families != _DAYS:
            return self.slot.words == rival.slot.words
        return self.start < rival.end and rival.start < self.end
