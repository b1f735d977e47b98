"""Values that fit a JSON Schema, at random: an empty text here, a comma there, an optional property now and then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

try:
    from re import _parser as regexes  # type: ignore[attr-defined]
except ImportError:
    import sre_parse as regexes

MAX_DEPTH = 5
"""Levels of values inside values below which only what is required is made."""

MAX_REPEAT = 6
TEXTS = (
    "a",
    "red",
    "a b",
    "x,y",
    "100%",
    "é",
    "日本",
    "a&b=c",
    "a+b",
    "#1",
    "q?",
    "50%25",
    "[0]",
    '"',
    "'",
    "a;b",
    "@home",
    "true",
    "0",
)
FORMATS = {
    "date": "2026-02-28",
    "date-time": "2026-02-28T13:14:15Z",
    "time": "13:14:15Z",
    "uuid": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "email": "one+two@example.com",
    "uri": "https://example.com/a?b=c&d=%20#e",
    "url": "https://example.com/a?b=c&d=%20#e",
    "hostname": "a.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "byte": "aGVsbG8=",
}


class UnfitError(Exception):
    """No value was found that fits."""


class Values:
    """Makes values for the schemas of one tool. `random` decides; the same seed gives the same values."""

    def __init__(self, random: Random, definitions: Mapping[str, Any]) -> None:
        self.random = random
        self.definitions = definitions

    def of(self, schema: Any, depth: int = 0) -> Any:
        """A value that most likely fits; UnfitError where none can be found. The caller validates."""
        if schema is False or depth > 40:
            raise UnfitError
        schema = self._plain({} if schema is True else schema)
        if schema.get("nullable") and self.random.random() < 0.2:
            return None
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self.random.choice(schema["enum"])
        kind = self._kind(schema)
        if kind in ("object", "array", "string"):
            return {"object": self._object, "array": self._array, "string": self._text}[kind](schema, depth)
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        return None if kind == "null" else self.random.choice((True, False))

    def _plain(self, schema: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
        """The schema with `$ref` followed, `allOf` joined, and one branch chosen of each union."""
        if depth > 20:
            raise UnfitError
        result = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
        parts = list(schema.get("allOf", ()))
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name not in self.definitions:
                raise UnfitError
            parts.append(self.definitions[name])
        parts += [self.random.choice(schema[key]) for key in ("anyOf", "oneOf") if schema.get(key)]
        for part in parts:
            if part is False:
                raise UnfitError
            if isinstance(part, Mapping):
                result = _joined(result, self._plain(part, depth + 1))
        return result

    def _read_only(self, schema: Any) -> bool:
        for _ in range(20):
            if isinstance(schema, Mapping) and not schema.get("readOnly") and "$ref" in schema:
                schema = self.definitions.get(schema["$ref"].rpartition("/")[2])
        return isinstance(schema, Mapping) and schema.get("readOnly") is True

    def _kind(self, schema: Mapping[str, Any]) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, str):
            return kinds
        if kinds:
            return str(self.random.choice(kinds))
        if "properties" in schema or "required" in schema:
            return "object"
        return "array" if "items" in schema else self.random.choice(("string", "string", "integer", "boolean"))

    def _text(self, schema: Mapping[str, Any], depth: int) -> str:
        known, pattern = FORMATS.get(schema.get("format", "")), schema.get("pattern", "")
        if known and re.search(pattern, known):
            return known
        if pattern:
            text = self._matching(pattern)
        else:
            text = self.random.choice(TEXTS) if depth != 0 or self.random.random() > 0.05 else ""
        while len(text) < schema.get("minLength", 0):
            text += self.random.choice("abcdefgh01")
        return text[: schema["maxLength"]] if "maxLength" in schema else text

    def _matching(self, pattern: str) -> str:
        try:
            return self._expanded(regexes.parse(pattern))
        except re.error:
            raise UnfitError from None

    def _expanded(self, parsed: Any) -> str:
        return "".join(self._atom(str(kind).rpartition(".")[2], value) for kind, value in parsed)

    def _atom(self, kind: str, value: Any) -> str:
        if kind == "LITERAL":
            return chr(value)
        if kind == "IN":
            return self._of_set(value)
        if kind in ("ANY", "NOT_LITERAL"):
            return self.random.choice([one for one in "abc1" if one != value])
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, inner = value
            times = self.random.randint(low, max(low, min(int(high), low + MAX_REPEAT)))
            return "".join(self._expanded(inner) for _ in range(times))
        if kind == "SUBPATTERN":
            return self._expanded(value[-1])
        if kind == "BRANCH":
            return self._expanded(self.random.choice(value[1]))
        if kind in ("AT", "ASSERT", "ASSERT_NOT"):
            return ""
        raise UnfitError

    def _of_set(self, items: Any) -> str:
        if str(items[0][0]).endswith("NEGATE"):
            return self.random.choice("abxyz019")
        kind, value = self.random.choice(items)
        name = str(kind).rpartition(".")[2]
        if name == "RANGE":
            return chr(self.random.randint(value[0], value[1]))
        if name == "CATEGORY":
            return self.random.choice(
                {"CATEGORY_DIGIT": "0123456789", "CATEGORY_SPACE": " "}.get(str(value), "abcXYZ19")
            )
        return chr(value)

    def _number(self, schema: Mapping[str, Any], kind: str) -> int | float:
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is None:
            low = 0 if high is None else high - 100
        if high is None:
            high = low + 100
        step = schema.get("multipleOf", 1 if kind == "integer" else None)
        if step is None:
            return self.random.choice((round(self.random.uniform(low, high), 3), int(low) + 1))
        first, last = -(-low // step), high // step
        if "exclusiveMinimum" in schema and first * step == low:
            first += 1
        if "exclusiveMaximum" in schema and last * step == high:
            last -= 1
        if first > last:
            raise UnfitError
        return self.random.randint(int(first), int(last)) * step

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", 10**6)
        more = 0 if depth > MAX_DEPTH else self.random.choice((0, 1, 1, 2, 3))
        wanted = min(max(least + more if least else more, least), most)
        if wanted > 1000:
            raise UnfitError
        items: list[Any] = []
        for _ in range(wanted * (5 if schema.get("uniqueItems") else 1)):
            item = self.of(schema.get("items", {"type": "string"}), depth + 1)
            if len(items) < wanted and not (schema.get("uniqueItems") and item in items):
                items.append(item)
        return items

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        share = 0.0 if depth > MAX_DEPTH else 0.7 if len(properties) < 12 else 0.2
        made: dict[str, Any] = {}
        for name in dict.fromkeys((*properties, *required)):
            if self._read_only(properties.get(name)):
                continue
            if name in required:
                made[name] = self.of(properties.get(name, {}), depth + 1)
            elif self.random.random() < share:
                try:
                    made[name] = self.of(properties[name], depth + 1)
                except UnfitError:
                    continue
        further = schema.get("additionalProperties")
        least = schema.get("minProperties", 0)
        for name in (one for one in properties if one not in made and not self._read_only(properties[one])):
            if len(made) < least:  # what a description names comes before what it does not
                made[name] = self.of(properties[name], depth + 1)
        if isinstance(further, Mapping) or (further is not False and len(made) < least):
            for name in ("x", "k-1", "second key", "d")[: max(least - len(made), self.random.randint(0, 2))]:
                made.setdefault(name, self.of(further if isinstance(further, Mapping) else {}, depth + 1))
        return made


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    joined = {**other, **one}
    if "properties" in one and "properties" in other:
        both = one["properties"].keys() & other["properties"].keys()
        joined["properties"] = {
            **other["properties"], **one["properties"],
            **{name: {"allOf": [one["properties"][name], other["properties"][name]]} for name in both},
        }  # fmt: skip
    if required := [*one.get("required", ()), *other.get("required", ())]:
        joined["required"] = list(dict.fromkeys(required))
    if "enum" in one and "enum" in other:
        joined["enum"] = [choice for choice in one["enum"] if choice in other["enum"]]
    for key, best in (("minimum", max), ("maximum", min), ("minLength", max), ("maxLength", min), ("minItems", max)):
        if key in one and key in other:
            joined[key] = best(one[key], other[key])
    kinds = [set([s["type"]] if isinstance(s["type"], str) else s["type"]) for s in (one, other) if "type" in s]
    if len(kinds) == 2:
        common = kinds[0] & kinds[1] or ({"integer"} if {"integer", "number"} <= kinds[0] | kinds[1] else set())
        if not common:
            raise UnfitError
        joined["type"] = sorted(common)
    return joined


def nested(value: Any) -> int:
    """How many levels of objects and lists there are in a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(nested, inner), default=0)
