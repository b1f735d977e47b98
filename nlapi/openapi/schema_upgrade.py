"""Converts schemas of OpenAPI 3.0 to valid ones of 3.1 (JSON Schema 2020-12); no other module knows 3.0.

OpenAPI 3.0.4 §4.7.24 against 3.1.1 §4.8.24: `nullable`, boolean `exclusiveMinimum`, `example`, siblings of `$ref`.
Invalid values (an unknown type, a `required` that is not a list) are sanitized: the result is always a valid schema.

In OpenAPI 3.1.1 §4.8.25.2 and Swagger 2.0 a base schema names the property of its discriminator, and the schemas that
include the base by `allOf` are the choices; JSON Schema has no keyword for this. Each use of such a base becomes an
`anyOf`.
"""

from __future__ import annotations

import json
import math
import re
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Schema, Spec, as_list, as_map, escape_step, read_hints
from nlapi.pattern_size import pattern_refusal

# Syntax of ECMA-262 patterns (JSON Schema 2020-12 §6.3.3) that Python's `re` rejects or reads in another way.
ECMA_ONLY = lazy_pattern(r"\\[pPuc]|\\x\{|\(\?<[a-zA-Z]")
# CPU seconds for the compilation of all patterns of a description that are longer than SHORT_PATTERN characters.
COMPILE_SECONDS = 2.0
SHORT_PATTERN = 100

# Python warns that it may read these as set operations one day; the warning is turned into a refusal.
MAYBE_NESTED_SET = lazy_pattern(r"\[\[|--|&&|~~|\|\|")


class CompileTime:
    """The CPU seconds that the patterns of a description have taken to compile."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Count the patterns of the block here."""
        token = _COMPILE_TIME.set(self)
        try:
            yield
        finally:
            _COMPILE_TIME.reset(token)


_COMPILE_TIME = ContextVar[CompileTime]("compile_time")


def sanitize_pattern(value: object) -> Any:
    """Return an ECMA-262 pattern, or None for one that Python reads in another way: it must not refuse valid values.

    None too for one that is too large to compile, which `check` reports.
    """
    if not isinstance(value, str) or ECMA_ONLY.search(value) or pattern_refusal(value):
        return None
    if len(value) <= SHORT_PATTERN:
        return value if _compiles(value) else None
    spent = _COMPILE_TIME.get(None) or CompileTime()
    if spent.seconds > COMPILE_SECONDS:
        return None
    start = time.thread_time()
    compiles = _compiles(value)
    spent.seconds += time.thread_time() - start
    return value if compiles else None


def _compiles(pattern: str) -> bool:
    try:
        if MAYBE_NESTED_SET.search(pattern):
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)
                re.compile(pattern)
        else:
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, FutureWarning):
        return False
    return True


TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
TYPE_ALIASES = {
    "int": "integer", "int32": "integer", "int64": "integer", "long": "integer", "float": "number",
    "double": "number", "decimal": "number", "bool": "boolean", "str": "string", "text": "string",
    "date": "string", "datetime": "string", "date-time": "string", "file": "string", "list": "array",
    "dict": "object", "map": "object",
}  # fmt: skip
"""Type names that descriptions use and JSON Schema does not have, with the type that is meant."""

COUNT_KEYWORDS = (
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains",
)  # fmt: skip
MAX_INTEGER = 2**63
BOUND_KEYWORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
SCHEMA_MAP_KEYWORDS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
SCHEMA_LIST_KEYWORDS = ("allOf", "anyOf", "oneOf", "prefixItems")
SCHEMA_KEYWORDS = (
    "items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties", "contentSchema",
)  # fmt: skip
# Keywords without meaning to a JSON Schema validator here; the first three are preserved in another form.
DROPPED_KEYWORDS = frozenset((
    "nullable", "example", "discriminator", "xml", "externalDocs", "$schema", "$id", "id", "$ref", "$anchor",
    "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary", "dependencies",
    "collectionFormat",
))  # fmt: skip

# Keywords that only annotate, and so keep their meaning beside a `$ref` in every version.
ANNOTATION_KEYWORDS = frozenset((
    "title", "description", "default", "deprecated", "readOnly", "writeOnly", "example", "examples", "x-nlapi",
    "x-nlapi-name", "x-nlapi-description", "x-nlapi-hide", "x-nlapi-unit", "x-nlapi-names",
))  # fmt: skip

_TELLS_APART = " tells them apart: "
# Choices of a discriminator that are listed in a description; a longer list is left out, to keep the text short.
MAX_DISCRIMINATOR_CHOICES = 30

SCHEMA_SECTIONS = ("components", "schemas"), ("definitions",)


def _sanitize_required(value: object) -> object:
    names = [as_name(name) for name in value if as_name(name)] if isinstance(value, list) else []
    return list(dict.fromkeys(names)) or None


def as_name(value: object) -> str:
    """Return a name, also one that YAML read as a number or boolean; "" for any other value."""
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, bool | int) else ""


def _sanitize_dependent_required(value: object) -> object:
    names = {key: _sanitize_required(entry) for key, entry in value.items()} if isinstance(value, dict) else {}
    return {key: entry for key, entry in names.items() if entry} or None


def _unique_values(values: list[object]) -> list[object]:
    """Return the values without duplicates, in order."""
    if all(type(value) is str for value in values):
        return list(dict.fromkeys(values))
    # By type and repr: 1, 1.0 and True are equal in Python and distinct in JSON, and maps are not hashable.
    unique: dict[tuple[type, str], object] = {}
    for value in values:
        unique.setdefault((type(value), repr(value)), value)
    return list(unique.values())


def _sanitize_count(value: object) -> object:
    number = _finite_number(value)
    # JSON integers of more than 64 bits are not written by every library, and no value has so many parts.
    return int(number) if number is not None and 0 <= number < MAX_INTEGER and number == int(number) else None


def _finite_number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value) if isinstance(value, str) or not -MAX_INTEGER <= value < 2 * MAX_INTEGER else value
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):
        return None


def _sanitize_multiple(value: object) -> object:
    number = _finite_number(value)
    return number if number is not None and number > 0 else None


def _convert_to_type(value: object, types: list[str]) -> object:
    """Return a choice or default in the type of its schema: YAML reads `enum: [1, 2]` of strings as integers."""
    is_scalar, is_text = not {"boolean", "integer", "number"}.isdisjoint(types), "string" in types
    if isinstance(value, bool | int | float) and is_text and not is_scalar:
        return json.dumps(value)
    if isinstance(value, str) and is_scalar and not is_text:
        with suppress(ValueError, RecursionError):
            parsed = json.loads(value)
            if isinstance(parsed, bool):
                return parsed
            number = _finite_number(parsed)
            return value if number is None else number
    return value


def _normalize_types(declared: object) -> list[str]:
    """Return the JSON Schema types meant by an unknown `type`, or by a list of types."""
    names = [declared] if isinstance(declared, str) else as_list(declared)
    types = [TYPE_ALIASES.get(str(name).lower(), str(name).lower()) for name in names]
    return list(dict.fromkeys(name for name in types if name in TYPES))


SANITIZERS: dict[str, Callable[[object], object]] = {
    **dict.fromkeys(COUNT_KEYWORDS, _sanitize_count),
    **dict.fromkeys(BOUND_KEYWORDS, lambda value: value if isinstance(value, bool) else _finite_number(value)),
    **dict.fromkeys(
        ("title", "description", "format", "$comment", "contentEncoding", "contentMediaType"),
        lambda value: value if isinstance(value, str) else None,
    ),
    **dict.fromkeys(
        ("uniqueItems", "readOnly", "writeOnly", "deprecated"), lambda value: value if isinstance(value, bool) else None
    ),
    "dependentRequired": _sanitize_dependent_required,
    "required": _sanitize_required,
    "enum": lambda value: _unique_values(value) or None if isinstance(value, list) else None,
    "pattern": sanitize_pattern,
    "multipleOf": _sanitize_multiple,
}


def _sanitize_keyword(keyword: str, value: object) -> object:
    """Return the sanitized value of a keyword, or None when it has no meaning."""
    sanitize = SANITIZERS.get(keyword)
    return sanitize(value) if sanitize else value


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the schemas directly inside one of the 3.1 dialect, each after its location: `items`, `allOf[0]`."""
    for key, value in schema.items():
        if key in SCHEMA_KEYWORDS:
            yield key, value
        elif key in SCHEMA_LIST_KEYWORDS:
            yield from ((f"{key}[{index}]", child) for index, child in enumerate(value))
        elif key in SCHEMA_MAP_KEYWORDS:
            yield from ((f"{key}.{name}", child) for name, child in value.items())


def upgrade_schema(node: Any, minor: int) -> Any:
    """Return the schema in the 3.1 dialect, as new dicts throughout; `$ref`s are preserved. `minor` is 0 for OpenAPI
    3.0.
    """
    if isinstance(node, bool):
        return node
    if not isinstance(node, dict):
        return {}
    if isinstance(node.get("$ref"), str):
        return _upgrade_reference(node, minor)
    schema: dict[str, Any] = {}
    for key, value in node.items():
        if key in DROPPED_KEYWORDS or (key.startswith("x-") and not key.startswith("x-nlapi")):
            continue
        handler = HANDLERS.get(key)
        upgraded = handler(value, minor) if handler else _sanitize_keyword(key, value)
        if upgraded is not None:
            schema[key] = upgraded
    _upgrade_type(schema, node)
    _upgrade_bounds(schema)
    _upgrade_examples(schema, node)
    if "discriminator" in node and (choices := schema.get("oneOf") or schema.get("anyOf")):
        _describe_discriminator(schema, node["discriminator"], choices)
    if any(key.startswith("x-nlapi") for key in schema) and (text := read_hints(schema).description):
        schema["description"] = text
    return schema


def _upgrade_reference(node: Mapping[str, Any], minor: int) -> dict[str, Any]:
    """Return a `$ref` with its siblings; OpenAPI 3.0 ignores those that constrain, except `nullable`."""
    reference = {"$ref": node["$ref"]}
    siblings = {
        key: value
        for key, value in node.items()
        if key in ANNOTATION_KEYWORDS or (minor and key not in DROPPED_KEYWORDS)
    }
    upgraded_siblings: dict[str, Any] = upgrade_schema(siblings, minor)
    # Beside a `$ref` a constraint applies too from 3.1 on; `allOf` states it for tools that ignore siblings.
    if set(upgraded_siblings) - ANNOTATION_KEYWORDS:
        return {**upgraded_siblings, "allOf": [reference, *upgraded_siblings.get("allOf", ())]}
    if _is_nullable(node):
        return {"anyOf": [reference, {"type": "null"}], **upgraded_siblings}
    return {**reference, **upgraded_siblings}


def _upgrade_map(value: object, minor: int) -> Any:
    if not isinstance(value, dict):
        return None
    return {str(key): upgrade_schema(child, minor) for key, child in value.items() if isinstance(child, dict | bool)}


def _upgrade_pattern_properties(value: Any, minor: int) -> Any:
    schemas = _upgrade_map(value, minor) or {}
    return {key: schema for key, schema in schemas.items() if sanitize_pattern(key) is not None} or None


def _upgrade_list(value: object, minor: int) -> object:
    schemas = [child for child in value if isinstance(child, dict | bool)] if isinstance(value, list) else []
    return [upgrade_schema(child, minor) for child in schemas] or None


def _upgrade_subschema(value: object, minor: int) -> object:
    if isinstance(value, list):  # draft 4: items as a tuple
        return upgrade_schema(value[0], minor) if value else None
    return upgrade_schema(value, minor) if isinstance(value, dict | bool) else None


HANDLERS: dict[str, Callable[[object, int], object]] = {
    **dict.fromkeys(SCHEMA_MAP_KEYWORDS, _upgrade_map),
    **dict.fromkeys(SCHEMA_LIST_KEYWORDS, _upgrade_list),
    **dict.fromkeys(SCHEMA_KEYWORDS, _upgrade_subschema),
    "patternProperties": _upgrade_pattern_properties,
}


def _upgrade_type(schema: dict[str, Any], node: Mapping[str, object]) -> None:
    declared = schema.pop("type", None)
    types = [declared] if isinstance(declared, str) and declared in TYPES else _normalize_types(declared)
    if declared == "file":
        schema["format"] = "binary"
    if not types:
        types = _implied_types(schema)
    if types == ["array"] and "enum" in schema and not any(isinstance(entry, list) for entry in schema["enum"]):
        _move_choices_to_items(schema)
    if "enum" in schema and types:
        schema["enum"] = _unique_values([_convert_to_type(choice, types) for choice in schema["enum"]])
    if "default" in schema and types:
        schema["default"] = _convert_to_type(schema["default"], types)
    if _is_nullable(node):
        _allow_null(schema, types)
    if types:
        schema["type"] = types[0] if len(types) == 1 else types


def _move_choices_to_items(schema: dict[str, Any]) -> None:
    """Move choices that are one level too high to the items: no list is one of them."""
    choices, items = schema.pop("enum"), schema.get("items", {})
    if isinstance(items, Mapping) and not {"$ref", "enum"} & items.keys():
        types = _normalize_types(items.get("type"))
        schema["items"] = {
            "enum": [_convert_to_type(choice, types) for choice in choices] if types else choices,
            **items,
        }


def _is_nullable(node: Mapping[str, object]) -> bool:
    """Return whether null is allowed: `nullable` of OpenAPI 3.0, or `x-nullable` of Swagger 2.0 descriptions."""
    return node.get("nullable") is True or node.get("x-nullable") is True


def _implied_types(schema: Mapping[str, object]) -> list[str]:
    """Return the only type that a schema without one can have."""
    if "properties" in schema or isinstance(schema.get("additionalProperties"), dict):
        return ["object"]
    return ["array"] if "items" in schema and not isinstance(schema["items"], bool) else []


def _allow_null(schema: dict[str, Any], types: list[str]) -> None:
    if types and "null" not in types:
        types.append("null")
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    for key in ("oneOf", "anyOf"):
        if key in schema and not types:
            schema[key] = [*schema[key], {"type": "null"}]
    if "allOf" in schema and not types:
        schema["anyOf"] = [{"allOf": schema.pop("allOf")}, {"type": "null"}]


def _upgrade_bounds(schema: dict[str, object]) -> None:
    for inclusive, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
        if isinstance(schema.get(inclusive), bool):
            del schema[inclusive]


def _describe_discriminator(schema: dict[str, object], discriminator: object, choices: list[Any]) -> None:
    """Add to the description which value selects which choice: JSON Schema has no discriminator (3.1.1 §4.8.25)."""
    if not isinstance(discriminator, Mapping) or not isinstance(discriminator.get("propertyName"), str):
        return  # Swagger 2.0 has a plain name, beside no choice
    mapping = discriminator.get("mapping")
    schema_names = (
        {value: str(ref).rpartition("/")[2] for value, ref in mapping.items()} if isinstance(mapping, Mapping) else {}
    )
    refs = (choice["$ref"].rpartition("/")[2] for choice in choices if isinstance(choice.get("$ref"), str))
    schema_names |= {name: name for name in refs if name not in schema_names.values()}
    values = [value if value == name else f"{value} for {name}" for value, name in schema_names.items()]
    if 0 < len(values) <= MAX_DISCRIMINATOR_CHOICES:
        note = f"{discriminator['propertyName']}{_TELLS_APART}{', '.join(values)}."
        schema["description"] = f"{schema.get('description', '')} {note}".strip()


def discriminator_values(description: str) -> tuple[str, dict[str, str]]:
    """Return the property of a discriminator and its values by the names of the schemas, from the note about it."""
    head, mark, tail = description.rpartition(_TELLS_APART)
    pairs = [entry.partition(" for ") for entry in tail.removesuffix(".").split(", ")] if mark else []
    return head.split()[-1] if mark else "", {name or value: value for value, _, name in pairs}


def _upgrade_examples(schema: dict[str, object], node: Mapping[str, object]) -> None:
    declared = schema.pop("examples", None)
    if isinstance(declared, list):
        examples = declared
    elif isinstance(declared, dict):  # Media Type style examples, where a list belongs
        examples = [value.get("value") for value in declared.values() if isinstance(value, dict) and "value" in value]
    else:
        examples = []
    if "example" in node:
        examples = [node["example"], *examples]
    if examples:
        schema["examples"] = examples


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtypeFamily:
    """A base schema and the `$ref`s of its subtypes; `values` are those of its discriminator, `name` the property."""

    base: str
    subtypes: tuple[str, ...]
    name: str
    values: Mapping[str, str]

    def any_of(self, siblings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the replacement of a `$ref` to the base, with its sibling keywords. The base is last: it accepts any
        rest.
        """
        choices = [{"$ref": ref} for ref in self.subtypes]
        schema: dict[str, Any] = {"anyOf": [*choices, {"$ref": self.base}], **siblings}
        _describe_discriminator(schema, {"propertyName": self.name, "mapping": dict(self.values)}, choices)
        return schema


def subtype_families(tree: Mapping[str, object]) -> Mapping[str, SubtypeFamily]:
    """Return the families of a description by the `$ref` of their base, without those of over
    MAX_DISCRIMINATOR_CHOICES subtypes.
    """
    return {
        family.base: family
        for family in _all_families(tree, MAX_DISCRIMINATOR_CHOICES + 1)
        if len(family.subtypes) <= MAX_DISCRIMINATOR_CHOICES
    }


def subtypes_by_base(tree: Mapping[str, object]) -> Mapping[str, tuple[str, ...]]:
    """Return the `$ref`s of all subtypes of each base of a discriminator, however many, by the `$ref` of the base."""
    return {family.base: family.subtypes for family in _all_families(tree, None)}


def _all_families(tree: Mapping[str, object], limit: int | None) -> Iterator[SubtypeFamily]:
    """Yield the families of a description, each with at most `limit` subtypes."""
    schemas = dict(_named_schemas(tree))
    bases = {
        ref: base_schema
        for ref, base_schema in schemas.items()
        if base_schema.get("discriminator") and not {"oneOf", "anyOf"} & base_schema.keys()
    }
    # Most descriptions have no discriminator: only they pay for the search of subtypes.
    if not bases:
        return
    direct_subtypes: dict[str, list[str]] = defaultdict(list)
    for ref, schema in schemas.items():
        for part in as_list(schema.get("allOf")):
            if isinstance(part, Mapping) and isinstance(part.get("$ref"), str):
                direct_subtypes[part["$ref"]].append(ref)
    for ref, base_schema in bases.items():
        family = _subtype_family(ref, base_schema["discriminator"], schemas, direct_subtypes, limit)
        if family is not None and family.subtypes:
            yield family


def _named_schemas(tree: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    for section in SCHEMA_SECTIONS:
        node = tree
        for key in section:
            node = node.get(key) if isinstance(node, Mapping) else None
        for name, schema in as_map(node).items():
            if isinstance(schema, Mapping):
                yield f"#/{'/'.join(section)}/{escape_step(name)}", schema


def _subtype_family(
    base: str,
    discriminator: object,
    schemas: Mapping[str, Mapping[str, object]],
    direct_subtypes: Mapping[str, list[str]],
    limit: int | None,
) -> SubtypeFamily | None:
    definition = discriminator if isinstance(discriminator, Mapping) else {"propertyName": discriminator}
    name, mapping = definition.get("propertyName"), definition.get("mapping")
    if not isinstance(name, str):
        return None
    section = base.rpartition("/")[0]
    mapped_refs = {
        value: target if target.startswith("#") else f"{section}/{target}"
        for value, target in as_map(mapping).items()
        if isinstance(target, str)
    }
    subtypes: dict[str, None] = {}
    todo = [*direct_subtypes.get(base, ()), *(target for target in mapped_refs.values() if target in schemas)]
    while todo and (limit is None or len(subtypes) < limit):
        ref = todo.pop(0)
        if ref != base and ref not in subtypes:
            subtypes[ref] = None
            todo.extend(direct_subtypes.get(ref, ()))
    stated = {ref: schemas[ref].get("x-ms-discriminator-value") for ref in subtypes}  # as Azure's descriptions have it
    stated_values = {value: ref for ref, value in stated.items() if isinstance(value, str)}
    values = stated_values | {value: target for value, target in mapped_refs.items() if target in subtypes}
    return SubtypeFamily(base=base, subtypes=tuple(subtypes), name=name, values=values)


def expand_subtypes(
    schema: object, families_by_ref: Mapping[str, SubtypeFamily], *, is_component: bool = False
) -> object:
    """Return an upgraded schema in which each use of a base allows its subtypes.

    With `is_component` the bases in the `allOf` at its top stay: the schema is made from them.
    """
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        family = families_by_ref.get(schema["$ref"])
        return family.any_of({key: child for key, child in schema.items() if key != "$ref"}) if family else schema
    result = dict(schema)
    for key, value in schema.items():
        if key in SCHEMA_MAP_KEYWORDS and isinstance(value, dict):
            result[key] = {name: expand_subtypes(child, families_by_ref) for name, child in value.items()}
        elif key in SCHEMA_LIST_KEYWORDS and isinstance(value, list):
            # A subtype includes its base by `allOf`; widening that would make it include itself.
            lists_bases = is_component and key == "allOf"
            result[key] = [
                child
                if lists_bases and isinstance(child, dict) and "$ref" in child
                else expand_subtypes(child, families_by_ref)
                for child in value
            ]
        elif key in SCHEMA_KEYWORDS:
            result[key] = expand_subtypes(value, families_by_ref)
    return result


def schema_refs(schema: object) -> Iterator[str]:
    """Yield the `$ref`s in a schema in the 3.1 dialect, not those behind them."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if not isinstance(node, Mapping):
            continue
        if "$ref" in node:
            yield node["$ref"]
        todo.extend(child for _, child in subschemas(node))


# Schemas that a `$ref` may combine. The largest of 207 real descriptions has 47 `$ref`s (an `anyOf` of webhook events).
MAX_COMBINED = 5_000

CYCLIC_REASON = "leads to itself"
LARGE_REASON = f"combines more than {MAX_COMBINED:,} schemas"
UNCHECKED_REASONS = (CYCLIC_REASON, LARGE_REASON)
"""Ends of the reasons of `$ref`s that are there, and that any value is taken for."""

# `$ref`s of one ring that are searched; a longer ring counts as cyclic, so that a hostile description ends in time.
MAX_CYCLE = 2_000

# Keywords beside the lists whose schema applies to the same value, not to a part of it.
SAME_VALUE_KEYWORDS = ("not", "if", "then", "else")


class _RefMemo:
    """The memo of one Spec's `$ref`s. In `targets` a text is the reason why one is unresolved."""

    def __init__(self, spec: Spec) -> None:
        self.cyclic: dict[str, bool] = {}
        self.leads_to_cycle: dict[str, bool | None] = {}  # None: still being walked
        self.same_value: dict[str, list[str]] = {}
        self.targets: dict[str, tuple[str, ...] | str] = {}
        self.valid: set[str] = set()


def is_cyclic(spec: Spec, ref: str) -> bool:
    """Return whether a `$ref` leads to itself before any part of the value, so that the schema constrains nothing."""
    if not _leads_to_cycle(spec, ref):
        return False
    cyclic = spec.derive(_RefMemo).cyclic
    if ref not in cyclic:
        todo, visited = _same_value_refs(spec, ref), set[str]()
        while todo and len(visited) < MAX_CYCLE:
            current = todo.pop()
            if current not in visited:
                visited.add(current)
                todo.extend(_same_value_refs(spec, current))
        cyclic[ref] = ref in visited or bool(todo)
    return cyclic[ref]


def _leads_to_cycle(spec: Spec, ref: str) -> bool:
    """Return whether a `$ref` leads into a ring. One depth-first walk answers for everything on the way."""
    states = spec.derive(_RefMemo).leads_to_cycle
    if ref in states:
        return states[ref] is not False
    states[ref] = None
    # An explicit stack: a chain of 10,000 `$ref`s would exceed Python's recursion limit.
    walk, in_cycle = [(ref, iter(_same_value_refs(spec, ref)))], set[str]()
    while walk:
        current, remaining = walk[-1]
        for target in remaining:
            if target not in states:
                states[target] = None
                walk.append((target, iter(_same_value_refs(spec, target))))
                break
            if states[target] is not False:
                in_cycle.add(current)
        else:
            walk.pop()
            states[current] = current in in_cycle
            if walk and current in in_cycle:
                in_cycle.add(walk[-1][0])
    return states[ref] is not False


def _same_value_refs(spec: Spec, ref: str) -> list[str]:
    """Return the `$ref`s that apply to the same value as this one."""
    memo = spec.derive(_RefMemo).same_value
    if ref not in memo:
        collected: list[str] = []
        try:
            todo = [spec.lookup(ref)]
        except LookupError:
            todo = []
        while todo:
            node = todo.pop()
            if isinstance(node, Mapping):
                collected += [node["$ref"]] if "$ref" in node else []
                todo += [child for key in ("allOf", "anyOf", "oneOf") for child in node.get(key, ())]
                todo += [node[key] for key in SAME_VALUE_KEYWORDS if key in node]
        memo[ref] = collected
    return list(memo[ref])


def unresolved_refs(spec: Spec, schema: Schema) -> dict[str, str]:
    """Return the unresolved and cyclic `$ref`s in `schema` and behind it, each with its reason."""
    targets, valid = spec.derive(_RefMemo).targets, spec.derive(_RefMemo).valid
    unresolved: dict[str, str] = {}
    todo, visited = list(schema_refs(schema)), set[str]()
    while todo:
        ref = todo.pop()
        if ref in visited or ref in valid:
            continue
        visited.add(ref)
        if ref not in targets:
            try:
                targets[ref] = tuple(schema_refs(spec.lookup(ref)))
            except LookupError as error:
                targets[ref] = str(error.args[0])
        further = targets[ref]
        if isinstance(further, str):
            unresolved[ref] = further
        else:
            todo.extend(further)
            if is_cyclic(spec, ref):
                unresolved[ref] = f"{ref!r} {CYCLIC_REASON}"
    # A whole closure without fault is skipped by later schemas; most share their definitions.
    if not unresolved:
        valid |= visited
    return unresolved
