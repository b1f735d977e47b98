"""Schemas of a description, ready to be asked: followed, merged over allOf, and checked against values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nlapi.openapi.parts import Schema
from nlapi.openapi.spec import Spec
from nlapi.sandbox.formats import checker
from nlapi.sandbox.problem import Fault
from nlapi.tools.validator import VALIDATOR

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

UNIONS = ("oneOf", "anyOf")
MOST_FAULTS = 20


class Schemas:
    """The schemas of one Spec. What is computed for a schema is kept, by its identity."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._flat: dict[int, tuple[Any, Schema]] = {}
        self._validators: dict[tuple[int, str], tuple[Any, Validator]] = {}

    def follow(self, schema: Any) -> Schema:
        """The schema behind any `$ref` at its top; {} for one that leads nowhere."""
        try:
            followed = self.spec.follow(schema)
        except LookupError:
            return {}
        return followed if isinstance(followed, Mapping) else {}

    def flat(self, schema: Any) -> Schema:
        """The schema with its `$ref` and `allOf` merged into one; unions stay."""
        known = self._flat.get(id(schema))
        if known is None:
            known = (schema, self._merged(schema, frozenset()))
            self._flat[id(schema)] = known
        return known[1]

    def _merged(self, schema: Any, seen: frozenset[str]) -> Schema:
        if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
            if schema["$ref"] in seen:
                return {}
            seen = seen | {schema["$ref"]}
        found = self.follow(schema)
        if "allOf" not in found:
            return found
        merged: Schema = {}
        for part in found["allOf"]:
            merged = merge(merged, self._merged(part, seen))
        return merge(merged, {key: value for key, value in found.items() if key != "allOf"})

    def branches(self, schema: Schema) -> tuple[Schema, ...]:
        """The branches of a flat schema's union, each flat and without null; () when it is none."""
        for key in UNIONS:
            if isinstance(schema.get(key), list):
                flat = tuple(self.flat(branch) for branch in schema[key])
                return tuple(branch for branch in flat if types(branch) != ("null",)) or flat
        return ()

    def narrowed(self, schema: Schema, branch: Schema) -> Schema:
        """A flat schema with one branch of its union merged in, and flat again."""
        rest = {key: value for key, value in schema.items() if key not in UNIONS}
        return merge(rest, branch)

    def properties(self, schema: Any, depth: int = 3) -> dict[str, Schema]:
        """Every property that an object of this schema may have, over all branches of its unions."""
        flat = self.flat(schema)
        found = dict(flat.get("properties") or {})
        for branch in self.branches(flat) if depth else ():
            found = {**self.properties(branch, depth - 1), **found}
        return found

    def types(self, schema: Any, depth: int = 4) -> tuple[str, ...]:
        """The JSON types that the schema allows, over its unions; () when it says nothing."""
        flat = self.flat(schema)
        own = types(flat)
        if own or not depth:
            return own
        found = [name for key in UNIONS for branch in flat.get(key) or () for name in self.types(branch, depth - 1)]
        return tuple(dict.fromkeys(found))

    def faults(self, schema: Any, value: Any, where: str, *, written: bool = True) -> list[Fault]:
        """What is wrong with a value. `written`: it comes from a client, so readOnly properties are not required."""
        found = []
        for error in self.errors(schema, value, "write" if written else "read"):
            found.append(_fault(error, where))
            if len(found) == MOST_FAULTS:
                break
        return found

    def valid(self, schema: Any, value: Any, mode: str = "read") -> bool:
        return next(self.errors(schema, value, mode), None) is None

    def errors(self, schema: Any, value: Any, mode: str) -> Iterator[Any]:
        """jsonschema's ValidationErrors. A schema that is itself broken forbids nothing."""
        import re

        known = self._validators.get((id(schema), mode))
        if known is None:
            known = (schema, self._classes[mode](schema, format_checker=self._formats))
            self._validators[id(schema), mode] = known
        try:
            yield from known[1].iter_errors(value)
        except (re.error, LookupError, TypeError):
            return

    @cached_property
    def _formats(self) -> Any:
        return checker()

    @cached_property
    def _classes(self) -> dict[str, Any]:
        return {mode: self._validator_class(hidden) for mode, hidden in (("write", "readOnly"), ("read", "writeOnly"))}

    def _validator_class(self, hidden: str) -> Any:
        """nlapi's own validator with `$ref` through Spec.lookup, and properties marked `hidden` never required."""
        from jsonschema.exceptions import ValidationError
        from jsonschema.validators import extend

        def ref(validator: Any, ref: Any, instance: Any, schema: Any) -> Iterator[Any]:
            yield from validator.descend(instance, self.spec.lookup(ref))

        def required(validator: Any, names: Any, instance: Any, schema: Any) -> Iterator[Any]:
            for name in names if isinstance(instance, dict) else ():
                if name not in instance:
                    described = self.flat((schema.get("properties") or {}).get(name, {}))
                    if described.get(hidden) is not True:
                        yield ValidationError(f"{name!r} is required")

        derive: Any = extend
        return derive(VALIDATOR, {"$ref": ref, "required": required})


def types(schema: Schema) -> tuple[str, ...]:
    """The types a flat schema names, or shows by its keywords; () when it says nothing."""
    given = schema.get("type")
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list):
        return tuple(given)
    if "properties" in schema or "additionalProperties" in schema:
        return ("object",)
    if "items" in schema or "prefixItems" in schema:
        return ("array",)
    values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    return tuple(dict.fromkeys(type_of(value) for value in values))


def type_of(value: Any) -> str:
    """The JSON type of a value."""
    kinds = ((bool, "boolean"), (type(None), "null"), (int, "integer"), (float, "number"), (str, "string"))
    return next((name for kind, name in (*kinds, (dict, "object")) if isinstance(value, kind)), "array")


def merge(left: Schema, right: Schema) -> Schema:
    """A schema that asks what both ask; where that cannot be written simply, what the right one asks."""
    merged = dict(left)
    for key, value in right.items():
        old = merged.get(key)
        if old is None or old == value:
            merged[key] = value
        elif key == "properties":
            merged[key] = {**old, **{name: _both(old.get(name), one) for name, one in value.items()}}
        elif key == "required":
            merged[key] = [*old, *(name for name in value if name not in old)]
        elif key == "enum":
            merged[key] = [one for one in value if one in old] or value
        elif key.startswith("min") and isinstance(value, int | float):
            merged[key] = max(old, value)
        elif key.startswith("max") and isinstance(value, int | float):
            merged[key] = min(old, value)
        else:
            merged[key] = value
    return merged


def _both(old: Any, new: Any) -> Any:
    return new if old is None or old == new else {"allOf": [old, new]}


def _fault(error: Any, where: str) -> Fault:
    """A ValidationError as a Fault; of a union, the branch that came nearest."""
    from jsonschema.exceptions import best_match

    while error.context:
        nearer = best_match(iter(error.context))
        if nearer is None or nearer is error:
            break
        nearer.parent = error
        error = nearer
    place = where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    message = error.message if len(error.message) <= 300 else error.message[:300] + "..."
    return Fault(where=place, message=message)
