"""What a Tool can be told: its arguments and the properties inside them, each as a flat Slot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.planner.language.text import Span
from nlapi.resources.naming import STOPWORDS, split_words, stem
from nlapi.tools.arguments import argument_schema
from nlapi.tools.tool import Tool
from nlapi.tools.units import unit_of

_UPDATES = ("PUT", "PATCH")
_ONLY = re.compile(
    r"\bonly (?:the )?(?:fields?|properties|attributes)\b[^.:]* (?:modified|changed|updated|edited|set)\b[^.:]*"
    r":\s*([^.]+)",
    re.IGNORECASE,
)
"""The only fields that can be modified are: kind, account."""
_DEEPEST = 3
_MOST = 80
_EXAMPLES = re.compile(
    r"(?:such as|e\.?g\.?,?|for example,?|example:?|for instance,?|like|options (?:are|include)|either"
    r"|values?(?!\s+(?:of|for|to|that|in)\b):?|one of)\s*(.{3,160}?)(?:\)|\.\s|\.?$)",
    re.IGNORECASE,
)
_MAPPED = re.compile(
    r"['\"]?(?<![\w.])(-?\d{1,6}|[A-Z0-9]{2,8})['\"]?\s*(?:for|=|:|means|is|represents|corresponds to|to|->|-)\s+"
    r"(?:an? |the )?['\"]?([A-Za-z][\w ]{1,40}?)['\"]?(?=\s*(?:[,;.)\n]|and\b|or\b|$))"
)
_BARE = frozenset(map(stem, "id uuid guid gid sid key uid name slug code number".split()))
"""Names of parameters that do not say of what they are."""
_SOUGHT = frozenset("q query search filter keyword keywords".split())
"""Names of what takes whatever is looked for, though its description may speak of days."""
_STANDS_FOR = re.compile(r"(?:example|e\.g\.),?:? '?\d+'? for ", re.IGNORECASE)
_AND_FOR = re.compile(r"\band\s+(?=-?\d)")


class Family(StrEnum):
    """What kind of value a Slot wants, as far as its schema and its name say."""

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
    """One thing a Tool can be told. `path` is the argument's name and the properties below it.

    `words` are the stems of its own name, `prose` those of its description. `samples` are values its description
    mentions, `examples` the same in lower case, `glossary` what it says a value stands for: words -> value.
    """

    path: tuple[str, ...]
    words: tuple[str, ...]
    prose: frozenset[str]
    family: Family
    schema: Mapping[str, Any]
    description: str
    required: bool
    item: Mapping[str, Any] = field(default_factory=dict)
    many: bool = False
    integer: bool = False
    choices: tuple[Any, ...] = ()
    examples: frozenset[str] = frozenset()
    samples: tuple[str, ...] = ()
    glossary: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    where: str = ""
    needed: bool = False
    """the object that it is in requires it: as soon as anything is said of that object, it is required"""

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def has_default(self) -> bool:
        return "default" in self.schema


def slots_of(tool: Tool) -> tuple[Slot, ...]:
    """Every Slot of `tool`, its arguments first. Only `input_schema` and the units of the operation are read."""
    found: list[Slot] = []
    root = tool.input_schema
    required = frozenset(root.get("required", ()))
    in_body = frozenset(tool.body_rules.get("required", ()))
    for name, schema in _properties(root).items():
        where, wire = tool.places.get(name, ("", name))
        walk = _Walk(root=root, where=where, tool=tool)
        needed = name in required or (where == "body" and wire in in_body)
        found.extend(walk.slots((name,), schema, name in required, (), needed=needed))
    return tuple(_changeable(tool.operation, found)[:_MOST])


def _changeable(operation: Operation, slots: Sequence[Slot]) -> Sequence[Slot]:
    """The slots without the fields of a body that an update says it leaves as they are.

    Where only one of PUT and PATCH says which fields it changes, the other one changes those that it speaks of.
    """
    if operation.method not in _UPDATES:
        return slots
    both = [one for one in operation.spec.operations if one.path == operation.path and one.method in _UPDATES]
    lists = {one: listed[1].lower() for one in both if (listed := _ONLY.search(one.description))}
    text = lists.get(operation) or (f"{operation.summary} {operation.description}".lower() if lists else "")
    names = set(re.findall(r"\w+", text))
    body = [slot for slot in slots if slot.where == "body"]
    kept = [slot for slot in body if slot.path[0].lower() in names]
    return [slot for slot in slots if slot.where != "body" or slot in kept] if kept else slots


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    root: Mapping[str, Any]
    where: str
    tool: Tool

    def slots(
        self, path: tuple[str, ...], raw: Any, required: bool, seen: tuple[str, ...], *, needed: bool
    ) -> Iterator[Slot]:
        ref = raw.get("$ref") if isinstance(raw, Mapping) else None
        if isinstance(ref, str):
            if ref in seen:
                return
            seen = (*seen, ref)
        schema = settle(raw, self.root)
        inner = _properties(schema)
        if inner and len(path) <= _DEEPEST:
            wanted = frozenset(schema.get("required", ()))
            for name, below in inner.items():
                yield from self.slots((*path, name), below, required and name in wanted, seen, needed=name in wanted)
            return
        yield self._slot(path, schema, required=required, needed=needed)

    def _slot(self, path: tuple[str, ...], schema: Mapping[str, Any], *, required: bool, needed: bool) -> Slot:
        many = type_of(schema) == "array"
        item = settle(schema.get("items", {}), self.root) if many else schema
        description = str(schema.get("description") or item.get("description") or "")
        words = (*self._owner(path), *map(stem, split_words(path[-1])))
        choices = tuple(value for value in item.get("enum", ()) if value is not None)
        samples = _samples(description, schema)
        return Slot(
            path=path,
            words=words,
            prose=frozenset(stem(word) for word in split_words(description[:400]) if word not in STOPWORDS),
            family=_family(split_words(path[-1]), item, choices, description),
            schema=schema,
            description=description,
            required=required,
            item=item,
            many=many,
            integer=type_of(item) == "integer",
            choices=choices,
            examples=frozenset(map(str.lower, samples)),
            samples=samples,
            glossary=_glossary(description),
            unit=self._unit(path, words) if type_of(item) in ("integer", "number") else "",
            where=self.where,
            needed=needed,
        )

    def _owner(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The stems of the thing that a parameter is the id of, where only the path says so: /users/{id}."""
        wire = self.tool.places.get(path[0], ("", path[0]))[1]
        before, found, _ = self.tool.operation.path.partition(f"/{{{wire}}}")
        noun = before.rpartition("/")[2]
        bare = self.where == "path" and found and set(map(stem, split_words(path[-1]))) <= _BARE
        return tuple(stem(word) for word in split_words(noun)) if bare and "{" not in noun else ()

    def _unit(self, path: tuple[str, ...], words: tuple[str, ...]) -> str:
        return unit_of(argument_schema(self.tool, *path)) or _unit_by_name(words)


def settle(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with its `$ref`, `allOf` and nullable unions resolved as far as a planner needs."""
    for _ in range(12):
        if not isinstance(schema, Mapping):
            return {}
        ref = schema.get("$ref")
        if isinstance(ref, str):
            target: Any = root
            for step in ref.removeprefix("#/").split("/"):
                target = (
                    target.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, Mapping) else {}
                )
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
            continue
        union = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(union, list) and "properties" not in schema and "type" not in schema:
            some = [part for part in union if isinstance(part, Mapping) and part.get("type") != "null"]
            if not some:
                return {}
            schema = {**some[0], **{key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}}
            continue
        if isinstance(schema.get("allOf"), list):
            schema = _merged(schema, root)
            continue
        return schema
    return {}


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    whole: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for part in (*schema["allOf"], {key: value for key, value in schema.items() if key != "allOf"}):
        known = settle(part, root)
        properties |= known.get("properties") or {}
        required += known.get("required") or []
        whole |= known
    return {
        **whole,
        **({"properties": properties} if properties else {}),
        **({"required": required} if required else {}),
    }


def type_of(schema: Mapping[str, Any]) -> str:
    """The one type that a schema is about; "" when it does not say."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "")
    return (
        kind if isinstance(kind, str) else "array" if "items" in schema else "object" if "properties" in schema else ""
    )


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = schema.get("properties")
    return inner if isinstance(inner, Mapping) else {}


def _family(words: list[str], item: Mapping[str, Any], choices: tuple[Any, ...], description: str) -> Family:
    kind, form = type_of(item), item.get("format", "")
    if kind == "boolean" or ({str(value).lower() for value in choices} >= {"true", "false"}):
        return Family.BOOLEAN
    if choices:
        return Family.CHOICE
    if kind in ("integer", "number"):
        return Family.NUMBER
    if kind and kind != "string":
        return Family.OPEN
    if form in ("date", "date-time"):
        return Family.DATE
    if form in ("email", "uri", "url", "uuid", "time"):
        return {"email": Family.EMAIL, "time": Family.TIME, "uuid": Family.ID}.get(form, Family.URL)
    return _by_name(words, description)


def _by_name(words: list[str], description: str) -> Family:
    last = words[-1] if words else ""
    lower = description.lower()
    if last in ("id", "uuid", "guid", "key", "uid", "token", "hash", "sha"):
        return Family.ID
    if "date" in words or (not _SOUGHT & set(words) and re.search(r"yyyy|mm/dd|dd/mm|iso.?8601", lower)):
        return Family.DATE
    if last in ("time", "hour") or re.search(r"\bhh:mm", lower):
        return Family.TIME
    if last == "email":
        return Family.EMAIL
    if last in ("url", "uri", "link", "website"):
        return Family.URL
    return Family.TEXT


def _unit_by_name(words: tuple[str, ...]) -> str:
    for word, unit in (("micro", "micros"), ("cent", "cents")):
        if word in words:
            return unit
    return ""


def _samples(description: str, schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Values that a description mentions."""
    found: list[str] = []
    if description.lower().startswith("set to "):
        return ()  # what it always is
    for match in _EXAMPLES.finditer(description):
        text = match.group(1)
        quoted = re.findall(r"['\"“]([^'\"“”]{1,60})['\"”]", text)
        found += quoted if quoted else re.split(r",\s*(?:and|or)?\s*|\s+(?:and|or)\s+", text)
    found += re.findall(r"(?<!\w)['\"“]([^'\"“”]{2,40})['\"”](?!\w)", description)
    listed = schema.get("examples")
    found += [value for value in (listed if isinstance(listed, list) else ()) if isinstance(value, str)]
    clean = [value for one in found if 1 < len(value := one.strip(" .'\"")) <= 60]
    return tuple(dict.fromkeys([*clean, *(re.sub(r"(?<=[a-z])[-_](?=[a-z])", " ", value) for value in clean)]))


def _glossary(description: str) -> Mapping[str, Any]:
    """`1 for Bangkok, 2 for Chiang Mai` -> {"bangkok": 1, "chiang mai": 2}."""
    found: dict[str, Any] = {}
    for match in _MAPPED.finditer(_AND_FOR.sub("", description)):
        value, meaning = match.groups()
        found[meaning.strip().lower()] = int(value) if value.lstrip("-").isdigit() else value
    numbers = all(isinstance(value, int) for value in found.values())
    return found if len(found) > 1 or (numbers and _STANDS_FOR.search(description)) else {}


_NAMES = frozenset(
    (
        "token",
        "access token",
        "api token",
        "auth token",
        "authentication token",
        "bearer token",
        "session token",
        "api key",
        "apikey",
        "app key",
        "auth key",
        "access key",
        "secret key",
        "client secret",
        "authorization",
        "x api key",
        "x auth token",
    )
)
_BARE_CREDENTIALS = frozenset(("key", "token", "secret", "appid", "app id"))
"""Names of credentials where the description says that they are, and of something else where it does not."""
_SAID = re.compile(
    r"\b(?:authentication|authorization|auth|api|access|bearer|oauth)\s+(?:token|key|secret|credential)s?\b|\bcredentials?\b",
    re.IGNORECASE,
)


def is_credential(name: str, where: str, schema: Mapping[str, Any], description: str = "") -> bool:
    """Is an argument what the caller proves itself with, by its name, or by its format and its description?

    A body may well be about tokens (revoke a token), so there its description has to say so too.
    """
    called = " ".join(split_words(name))
    said = _SAID.search(description) is not None
    named = called in _NAMES or (called in _BARE_CREDENTIALS and said)
    if where == "body":
        return said and (named or schema.get("format") == "password")
    return named or (schema.get("format") == "password" and said)


def without_credentials(tool: Tool) -> Tool:
    """`tool` that requires none of the arguments which the credentials of its security stand for.

    They stay among its arguments, as a user may give them by name (`--set key=...`) where he has no credential.
    """
    if not any(tool.operation.security):
        return tool
    properties = tool.input_schema.get("properties", {})
    held = {name for name, schema in properties.items() if _is_credential(tool, name, schema)}
    if not held:
        return tool
    schema = {**tool.input_schema, "required": [name for name in tool.required if name not in held]}
    return replace(tool, input_schema=schema)


def _is_credential(tool: Tool, name: str, schema: Any) -> bool:
    where, wire = tool.places.get(name, ("body", name))
    known = schema if isinstance(schema, Mapping) else {}
    return is_credential(wire, where, known, str(known.get("description", "")))


def is_secret(slot: Slot, tool: Tool) -> bool:
    """Is a slot a credential: by what it says, or as it is sent where a key of one of the API's security schemes is?"""
    if len(slot.path) != 1:
        return False
    schemes = tool.operation.spec.security_schemes.values()
    keys = {(scheme.location, scheme.name) for scheme in schemes if scheme.kind == "apiKey"}
    return (slot.where, slot.name) in keys or is_credential(slot.name, slot.where, slot.schema, slot.description)


_DAYS = {Family.CHOICE, Family.DATE}
"""The last 30 days are told either by a word for them or by the days themselves."""
LOW, HIGH = 0.2, 1.9
"""The score of an option that is surely wrong, and of one that is surely right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to fill a slot. `spans` are what it uses up; `shared` options may be taken from the same words.

    `span` is what the value was read from, `how` what was made of it (see values.py, choices.py), and `evidence` what
    else the reader of a choice or a flag saw. `sure` is the probability that it is right.
    """

    slot: Slot
    value: Any
    start: int
    end: int
    span: Span | None = None
    spans: tuple[Span, ...] = ()
    shared: bool = False
    how: str = ""
    evidence: Sequence[float] = ()
    sure: float = 0.0

    @property
    def score(self) -> float:
        """`sure` on the scale of the scores of operations: above about 1 it is likely, below 0.5 it is not."""
        return LOW + (HIGH - LOW) * self.sure

    @property
    def narrows(self) -> bool:
        """Whether the request says less with it than without: a flag that is set as by default says nothing."""
        return not (self.value is True and self.slot.schema.get("default") is True)

    def collides(self, other: Option) -> bool:
        kinds = {self.slot.family, other.slot.family}
        if self.shared and other.shared and self.value != other.value and kinds != _DAYS:
            return self.slot.words == other.slot.words
        return self.start < other.end and other.start < self.end
