"""Parsing of parameters by their style; OpenAPI 3.1.1 §4.8.12.3 and RFC 6570.

A delimiter separates values only where it is not percent-encoded, except that spaces and pipes are always encoded.
It shares no code with nlapi.client, so that it is an independent check of the requests that nlapi builds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_plus

from nlapi.openapi.parts import Parameter
from nlapi.sandbox.coerce import coerce, coerce_array, coerce_object, coerce_tree
from nlapi.sandbox.problem import Fault, Problem, unprocessable
from nlapi.sandbox.schemas import Schemas

# The value of an absent parameter; None is JSON null.
MISSING: Any = object()

SPLITTERS = {
    "form": re.compile(","),
    "pipeDelimited": re.compile(r"\||%7C", re.IGNORECASE),
    "spaceDelimited": re.compile(r"%20|\+"),
    "tabDelimited": re.compile(r"\t|%09"),
}
# Delimiters in a header, where nothing is percent-encoded; a comma for every other style. tabDelimited is Swagger
# 2.0's `tsv`.
MARKS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}

BRACKETS = re.compile(r"\[([^\[\]]*)\]")


@dataclass(slots=True, kw_only=True)
class Pairs:
    """The pairs of a query or form in order, with decoded names and raw values; `used` are positions already read."""

    pairs: Sequence[tuple[str, str]]
    used: set[int] = field(default_factory=set)

    def take(self, name: str) -> list[str]:
        """Return the raw values of a name, and mark them as used."""
        places = [place for place, (one, _) in enumerate(self.pairs) if one == name]
        self.used.update(places)
        return [self.pairs[place][1] for place in places]

    @property
    def unused(self) -> list[str]:
        return [name for place, (name, _) in enumerate(self.pairs) if place not in self.used]


def split_pairs(text: str) -> Pairs:
    """Return the pairs of a raw query string or an urlencoded body."""
    split = [part.partition("=") for part in text.split("&") if part]
    return Pairs(pairs=[(decoded(name), value) for name, _, value in split])


def decoded(raw: str, *, plus: bool = True) -> str:
    """Return percent-decoded text; Problem 400 for a stray percent sign or bytes that are no UTF-8."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", raw):
        raise Problem(400, f"{raw[:80]!r} has a percent sign that encodes nothing")
    try:
        return (unquote_plus if plus else unquote)(raw, errors="strict")
    except UnicodeDecodeError:
        raise Problem(400, f"{raw[:80]!r} is not percent-encoded UTF-8") from None


def shape(schema: Any, schemas: Schemas) -> str:
    """Return the layout of a schema's values on the wire: "array", "object" or "primitive"."""
    types = schemas.types(schema)
    if "array" in types:
        return "array"
    return "object" if "object" in types and "string" not in types else "primitive"


def nests(schema: Any, schemas: Schemas) -> bool:
    """Return whether a value of this schema may be an object or an array, among other types."""
    return bool({"object", "array"} & set(schemas.types(schema)))


def read_query(parameter: Parameter, pairs: Pairs, schemas: Schemas) -> Any:
    """Return the value of a query or form parameter, or MISSING. Problem 422 for a repeated single value."""
    schema, kind = parameter.schema, shape(parameter.schema, schemas)
    if parameter.style == "deepObject" and nests(schema, schemas):
        tree = take_brackets(parameter.name, pairs)
        if tree is not MISSING or kind != "primitive":
            return MISSING if tree is MISSING else coerce_tree(tree, schema, schemas)
    # The default for an object in a query: its properties are pairs, and the parameter's own name is nowhere.
    if kind == "object" and parameter.style == "form" and parameter.explode:
        return _exploded_object(parameter, pairs, schemas)
    raw = pairs.take(parameter.name)
    if not raw:
        return MISSING
    if kind == "array" and (parameter.explode or len(raw) > 1):
        if not parameter.explode:
            _refuse_repeated(parameter, raw)
        return coerce_array([decoded(one) for one in raw], schema, schemas)
    _refuse_repeated(parameter, raw)
    if kind == "primitive":
        text = decoded(raw[0])
        return text if not text and parameter.allow_empty else coerce(text, schema, schemas)
    splitter = SPLITTERS.get(parameter.style, SPLITTERS["form"])
    parts = [decoded(part) for part in splitter.split(raw[0])] if raw[0] else []
    return coerce_array(parts, schema, schemas) if kind == "array" else _flat_object(parameter, parts, schemas)


def _refuse_repeated(parameter: Parameter, raw: Sequence[str]) -> None:
    if len(raw) > 1:
        message = f"given {len(raw)} times; it is written once"
        message += ", its values separated" if parameter.style in SPLITTERS and not parameter.explode else ""
        raise unprocessable([Fault(where=f"{parameter.where}.{parameter.name}", message=message)])


def take_brackets(name: str, pairs: Pairs) -> Any:
    """Return `name[a]=1&name[b][c]=2` as {"a": "1", "b": {"c": "2"}}, texts decoded; MISSING when there is none."""
    tree: dict[str, Any] = {}
    for place, (key, raw) in enumerate(pairs.pairs):
        rest = key[len(name) :]
        if not key.startswith(name) or not re.fullmatch(r"(\[[^\[\]]*\])+", rest):
            continue
        pairs.used.add(place)
        _hang(tree, BRACKETS.findall(rest), decoded(raw))
    return tree or MISSING


def _hang(tree: dict[str, Any], path: list[str], text: str) -> None:
    """Add a text to the tree at a path of names; a repeated name, or one that ends in `[]`, makes a list."""
    many = len(path) > 1 and path[-1] == ""
    *parents, last = path[:-1] if many else path
    for name in parents:
        below = tree.setdefault(name, {})
        if not isinstance(below, dict):
            raise Problem(400, f"[{name}] is given both a value and properties")
        tree = below
    if last in tree and isinstance(tree[last], dict):
        raise Problem(400, f"[{last}] is given both a value and properties")
    if last in tree:
        old = tree[last]
        tree[last] = [*(old if isinstance(old, list) else [old]), text]
    else:
        tree[last] = [text] if many else text


def _exploded_object(parameter: Parameter, pairs: Pairs, schemas: Schemas) -> Any:
    """Return an exploded object, whose property names are names in the query, or MISSING."""
    found = {}
    for name in schemas.properties(parameter.schema):
        if raw := pairs.take(name):
            found[name] = decoded(raw[0]) if len(raw) == 1 else [decoded(one) for one in raw]
    return coerce_object(found, parameter.schema, schemas) if found else MISSING


def take_free(parameter: Parameter, pairs: Pairs, schemas: Schemas) -> dict[str, Any]:
    """Return the unused pairs as properties of an exploded object with free properties."""
    names = dict.fromkeys(pairs.unused)
    return coerce_object({name: decoded(pairs.take(name)[-1]) for name in names}, parameter.schema, schemas)


def spreads(parameter: Parameter, schemas: Schemas) -> bool:
    """Return whether each property of a parameter is a pair of its own, so that an empty object is invisible."""
    if parameter.where != "query" or parameter.content_type or shape(parameter.schema, schemas) != "object":
        return False
    return parameter.style == "deepObject" or (parameter.style == "form" and parameter.explode)


def owns_any(parameter: Parameter, schemas: Schemas) -> bool:
    """Return whether a parameter may own any query name: an exploded form object with free properties."""
    if parameter.style != "form" or not parameter.explode or shape(parameter.schema, schemas) != "object":
        return False
    flat = schemas.flat(parameter.schema)
    return flat.get("additionalProperties", not flat.get("properties")) is not False


def read_path(parameter: Parameter, raw: str, schemas: Schemas) -> Any:
    """Return the value of a path parameter in simple, label or matrix style. Problem 404 without the style's prefix."""
    name, explode = parameter.name, parameter.explode
    if parameter.style == "label":
        body = _after(".", raw, parameter)
        return _delimited(parameter, body, "." if explode else ",", schemas)
    if parameter.style != "matrix":
        return _delimited(parameter, raw, ",", schemas)
    body = _after(";", raw, parameter)
    kind = shape(parameter.schema, schemas)
    if kind == "object" and explode:
        return _delimited(parameter, body, ";", schemas)
    marks = [part.partition("=") for part in body.split(";")]
    # 404 and not 422: a path without the style's mark is no path of this operation.
    if any(decoded(key, plus=False) != name for key, _, _ in marks) or (len(marks) > 1 and not (kind == "array")):
        raise Problem(404, f"path parameter {name} is written ;{name}=VALUE, not {raw!r}")
    if kind == "array" and explode:
        return coerce_array([decoded(value, plus=False) for _, _, value in marks], parameter.schema, schemas)
    return _delimited(parameter, marks[0][2], ",", schemas)


def _after(mark: str, raw: str, parameter: Parameter) -> str:
    if not raw.startswith(mark):
        raise Problem(404, f"path parameter {parameter.name} ({parameter.style}) begins with {mark!r}, not {raw!r}")
    return raw[1:]


def read_header(parameter: Parameter, raw: str, schemas: Schemas) -> Any:
    """Return the value of a header in simple or delimited style, not percent-encoded; OpenAPI 3.1.1 §4.8.12.2."""
    kind = shape(parameter.schema, schemas)
    if kind == "primitive":
        return coerce(raw.strip(), parameter.schema, schemas)
    parts = [part.strip() for part in raw.split(MARKS.get(parameter.style, ","))]
    if kind == "array":
        return coerce_array(parts, parameter.schema, schemas)
    return _object(parameter, parts, schemas)


def read_cookie(parameter: Parameter, raw: str, schemas: Schemas) -> Any:
    """Return the value of a cookie in form style, one cookie for all values."""
    return _delimited(parameter, raw, ",", schemas)


def _delimited(parameter: Parameter, raw: str, delimiter: str, schemas: Schemas) -> Any:
    kind = shape(parameter.schema, schemas)
    if kind == "primitive":
        return coerce(decoded(raw, plus=False), parameter.schema, schemas)
    split = SPLITTERS[parameter.style].split(raw) if parameter.style in MARKS else raw.split(delimiter)
    parts = [decoded(part, plus=False) for part in split]
    if kind == "array":
        return coerce_array(parts, parameter.schema, schemas)
    return _object(parameter, parts, schemas)


def _object(parameter: Parameter, parts: list[str], schemas: Schemas) -> dict[str, Any]:
    if not parameter.explode:
        return _flat_object(parameter, parts, schemas)
    split = [part.partition("=") for part in parts]
    return coerce_object({name: value for name, _, value in split}, parameter.schema, schemas)


def _flat_object(parameter: Parameter, parts: list[str], schemas: Schemas) -> dict[str, Any]:
    """Return `R,100,G,200` as {"R": 100, "G": 200}. Problem 422 for an odd number of parts."""
    if len(parts) % 2:
        message = "an object is written as name,value,name,value"
        raise unprocessable([Fault(where=f"{parameter.where}.{parameter.name}", message=message)])
    return coerce_object(dict(zip(parts[::2], parts[1::2], strict=True)), parameter.schema, schemas)
