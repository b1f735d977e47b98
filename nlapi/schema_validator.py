"""Validates against JSON Schemas that others wrote: nothing is retrieved, and patterns are tried within their bounds.

No other module gives a schema or a description to a library that could follow a reference out of it
(docs/design/075-one-resolver.md).
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import attrs
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from nlapi.patterns import PatternError, TooLargeError, pattern_matches, search_pattern

Faults = Iterator[ValidationError]
Mismatch = Callable[[str, str], str]
"""Returns why a text does not match a pattern, or ""."""

# Levels of `$ref`s and choices that are followed for `unevaluatedProperties`; more is a ring.
MAX_REFERENCES = 50


def _multiple_of(_: object, step: float, value: object, __: object) -> Faults:
    """Yield a fault unless `value` is a multiple of `step` in decimal: 19.99 is a multiple of 0.01."""
    # jsonschema divides binary floats, by which 19.99 is not a multiple of 0.01.
    is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    is_number = is_number and not isinstance(value, bool)
    if is_number and Fraction(str(value)) % Fraction(str(step)):
        yield ValidationError(f"{value!r} is not a multiple of {step}")


def _unique_items(_: object, is_unique: object, value: object, __: object) -> Faults:
    """Yield a fault for two equal items, in time that grows with their number."""
    # jsonschema compares each item that cannot be sorted with each: minutes for 20,000 objects.
    if is_unique and isinstance(value, list) and len({_canonical(item) for item in value}) < len(value):
        yield ValidationError(f"{reprlib.repr(value)} has non-unique elements")


def _canonical(value: Any) -> Hashable:
    """Return what is equal for equal JSON values: 1 and 1.0 are, 1 and true are not (JSON Schema 2020-12 §4.2.2)."""
    if isinstance(value, dict):
        return "object", frozenset((name, _canonical(item)) for name, item in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_canonical, value))
    return isinstance(value, bool), value


def _pattern(mismatch: Mismatch, _: object, expression: str, value: object, __: object) -> Faults:
    if isinstance(value, str) and (fault := mismatch(expression, value)):
        yield ValidationError(fault)


def _pattern_properties(mismatch: Mismatch, validator: Any, patterns: Any, value: object, _: object) -> Faults:
    for name, item in value.items() if isinstance(value, dict) else ():
        for expression, schema in patterns.items():
            if not mismatch(expression, name):
                yield from validator.descend(item, schema, path=name, schema_path=expression)


def _additional_properties(mismatch: Mismatch, validator: Any, additional: Any, value: Any, schema: Any) -> Faults:
    """Yield the faults of the properties that a schema does not name; `closed_name` is the one that it forbids."""
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, item in value.items() if isinstance(value, dict) else ():
        if name in declared or not all(mismatch(expression, name) for expression in patterns):
            continue
        if additional is False:
            error: Any = ValidationError(f"{name!r} is not one of its properties")
            error.closed_name = name
            yield error
        else:
            yield from validator.descend(item, additional, path=name)


def _unevaluated_properties(mismatch: Mismatch, validator: Any, unevaluated: Any, value: Any, schema: Any) -> Faults:
    if not isinstance(value, dict):
        return
    for name in value.keys() - _evaluated_names(mismatch, validator, value, schema, 0):
        if unevaluated is False:
            yield ValidationError(f"{name!r} is not one of its properties")
        else:
            yield from validator.descend(value[name], unevaluated, path=name)


def _evaluated_names(mismatch: Mismatch, validator: Any, value: dict[str, Any], schema: Any, depth: int) -> set[str]:
    """Return the names of the properties that a schema or the schemas in it have a say on (JSON Schema 2020-12 §11.3).

    All of them behind a reference that cannot be followed, so that nothing is refused for it.
    """
    if not isinstance(schema, dict):
        return set()
    # What a valid schema in it says of all other properties, it says of all.
    is_total = "additionalProperties" in schema or "$dynamicRef" in schema
    if is_total or (depth and "unevaluatedProperties" in schema) or depth > MAX_REFERENCES:
        return set(value)
    names = set(schema.get("properties", {})) & value.keys()
    patterns = schema.get("patternProperties", {})
    names |= {name for name in value if any(not mismatch(expression, name) for expression in patterns)}
    applied = [choice for key in ("allOf", "anyOf", "oneOf") for choice in schema.get(key, ())]
    applied += [choice for name, choice in schema.get("dependentSchemas", {}).items() if name in value]
    if "if" in schema:
        is_met = validator.evolve(schema=schema["if"]).is_valid(value)
        applied += [schema[key] for key in (("if", "then") if is_met else ("else",)) if key in schema]
    for choice in applied:
        if validator.evolve(schema=choice).is_valid(value):
            names |= _evaluated_names(mismatch, validator, value, choice, depth + 1)
    if "$ref" in schema:
        try:
            resolved = validator._resolver.lookup(schema["$ref"])
        except (LookupError, AttributeError):
            return set(value)
        target = validator.evolve(schema=resolved.contents, _resolver=resolved.resolver)
        names |= _evaluated_names(mismatch, target, value, resolved.contents, depth + 1)
    return names


def _any_choice(validator: Any, choices: Any, value: Any, _: object) -> Faults:
    """Yield a fault unless at least one choice fits.

    JSON Schema asks for exactly one. Choices overlap in most descriptions (objects that allow other properties), so
    that rule would leave no way to call such an operation; the API decides which choice it takes a value for.
    """
    context: list[ValidationError] = []
    for index, choice in enumerate(choices):
        faults = list(validator.descend(value, choice, schema_path=index))
        if not faults:
            return
        context.extend(faults)
    yield ValidationError(f"{value!r} is not valid under any of the given schemas", context=context)


def whole_object_keywords(described: Callable[[Any, Any], Collection[str]]) -> dict[str, Any]:
    """Return keywords that read `additionalProperties` as a statement about the whole of an `allOf`, as tools do.

    By the letter of JSON Schema nothing would fit an `allOf` one part of which forbids the properties of another.
    `described` returns the names that a schema and the schemas in it describe.
    """
    check = _pattern_keywords(pattern_matches)["additionalProperties"]

    def all_of(validator: Any, parts: Any, value: Any, schema: Any) -> Faults:
        for index, part in enumerate(parts):
            for error in validator.descend(value, part, schema_path=index):
                name = next(iter(error.path), getattr(error, "closed_name", None))
                if not _is_additional(error) or name not in described(validator, schema):
                    yield error

    def additional_properties(validator: Any, additional: Any, value: Any, schema: Any) -> Faults:
        names = described(validator, schema) if additional is False and "allOf" in schema else ()
        yield from check(
            validator, additional, value, {**schema, "properties": dict.fromkeys(names)} if names else schema
        )

    return {"allOf": all_of, "additionalProperties": additional_properties}


def _is_additional(error: Any) -> bool:
    """Return whether a fault is one of `additionalProperties` at the top of a schema, and not of a property in it."""
    keys = (
        key for key in error.schema_path if key in ("properties", "patternProperties", "items", "additionalProperties")
    )
    return next(keys, "") == "additionalProperties"


def _described_names(validator: Any, schema: Any, depth: int = 0) -> set[str]:
    """Return the names of the properties that a schema, its parts and what it refers to describe."""
    if not isinstance(schema, dict) or depth > MAX_REFERENCES:
        return set()
    names = set(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        names |= _described_names(validator, part, depth + 1)
    if "$ref" in schema:
        try:
            resolved = validator._resolver.lookup(schema["$ref"])
        except LookupError:
            return names
        target = validator.evolve(schema=resolved.contents, _resolver=resolved.resolver)
        names |= _described_names(target, resolved.contents, depth + 1)
    return names


def _mismatch(matches: Callable[[str, str], bool], expression: str, value: str) -> str:
    """Return the reason why `value` does not match, or "". What cannot be decided is a fault."""
    try:
        is_match = matches(expression, value)
    except TooLargeError as error:
        return f"{value!r} cannot be checked: the pattern {error}"
    except TimeoutError:
        return f"{value!r} takes too long to check against {expression!r}"
    except PatternError as error:
        return f"{value!r} cannot be checked: {error}"
    return "" if is_match else f"{value!r} does not match {expression!r}"


def _pattern_keywords(matches: Callable[[str, str], bool]) -> dict[str, Any]:
    """Return the keywords by which jsonschema itself tries patterns without a bound."""
    mismatch = partial(_mismatch, matches)
    return {
        "pattern": partial(_pattern, mismatch),
        "patternProperties": partial(_pattern_properties, mismatch),
        "additionalProperties": partial(_additional_properties, mismatch),
        "unevaluatedProperties": partial(_unevaluated_properties, mismatch),
    }


# Without a `retrieve`, so that a lookup beyond the schema and the meta-schemas is an error.
_CLOSED: Registry[Any] = Registry()


def validator_class(base: Any, keywords: Mapping[str, Any]) -> Any:
    """Return jsonschema's class `base` with other keywords, whose validators retrieve nothing.

    A reference out of the schema is an error of the library where it is reached. A `$schema` within the schema selects
    no other class, which would retrieve and try patterns without a bound.
    """
    extended: Any = extend(base, keywords)  # type: ignore[no-untyped-call]  # jsonschema's stubs leave it untyped
    parts = [(part.name, part.alias) for part in attrs.fields(extended) if part.init]

    def evolve(self: Any, **changes: Any) -> Any:
        # jsonschema's own looks for another class in the schema, and that of attrs for the fields of this one.
        evolved = object.__new__(extended)
        for name, alias in parts:
            setattr(evolved, name, changes[alias] if alias in changes else getattr(self, name))
        evolved.__attrs_post_init__()
        return evolved

    extended.evolve = evolve
    initialize, descend = extended.__init__, extended.descend

    def descend_with_base(self: Any, instance: Any, schema: Any, *path: Any, resolver: Any = None, **paths: Any) -> Any:
        # jsonschema makes a resource of each part of a schema, to ask whether it has another base than its parent.
        if resolver is None and isinstance(schema, dict) and "$id" not in schema and "id" not in schema:
            resolver = self._resolver
        return descend(self, instance, schema, *path, resolver=resolver, **paths)

    def closed(self: Any, schema: Any, **options: Any) -> None:
        initialize(self, schema, **{"registry": _CLOSED, **options})

    extended.__init__, extended.descend = closed, descend_with_base
    return extended


def strict_class(base: Any) -> Any:
    """Return jsonschema's class `base` by the letter: patterns are those of ECMA-262, and an invalid one refuses."""
    keywords = _pattern_keywords(partial(search_pattern, is_ascii=True))
    return validator_class(base, {name: rule for name, rule in keywords.items() if name in base.VALIDATORS})


def local_resolver(tree: Any) -> Any:
    """Return the resolver of references within a document; any other is an error of the library."""
    return Registry[Any]().with_resource("", DRAFT202012.create_resource(tree)).resolver()


# jsonschema's class for Draft 2020-12, with choices that may overlap, and parts that describe one object.
VALIDATOR: Any = validator_class(
    Draft202012Validator,
    {
        "multipleOf": _multiple_of,
        "uniqueItems": _unique_items,
        "oneOf": _any_choice,
        **_pattern_keywords(pattern_matches),
        **whole_object_keywords(_described_names),
    },
)
