"""Makes sample values for schemas: plausible, distinct by item, and the same for the same seed."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from nlapi.english.words import name_words, singular, singular_words
from nlapi.openapi.spec import Schema
from nlapi.resources.schemas import json_type, schema_types
from nlapi.sandbox import vocabulary
from nlapi.sandbox.fake_values import fake_number, fake_text, scale_example, vary_example
from nlapi.sandbox.schemas import Schemas

# The absence of a value, where None is a value (JSON null).
ABSENT: Any = object()

# (property name, schema, index) -> the id of an existing item, or for an object its fields, or ABSENT.
FindReference = Callable[[str, object, int], Any]

# The depth at which nested values end, for schemas that require themselves.
MAX_DEPTH = 8
# The depth down to which properties refer to items that exist; what is deeper is shown seldom.
REFERENCE_DEPTH = 4
# The depth down to which optional objects and lists are filled; the size of a value grows exponentially with it.
OPTIONAL_DEPTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleContext:
    """The context of a sample value. `index` is the number of the item, `branch` that of a union to try first.

    `sparse` leaves out optional properties; so does a partly known value, unless `full`.
    """

    seed: int
    path: str
    name: str = ""
    noun: str = "item"
    index: int = 0
    depth: int = 0
    refs: tuple[str, ...] = ()
    branch: int = 0
    sparse: bool = False
    full: bool = False
    find_reference: FindReference | None = None

    @property
    def rng(self) -> Random:
        # Seeded by the path and not by the order of calls: the same value whatever was read before.
        return Random(f"{self.seed}/{self.path}/{self.index}")  # noqa: S311 - samples that are the same each time, no secret

    @property
    def rotation(self) -> int:
        """Return the index shifted by the property's name, for values that rotate."""
        # Two enums of one item would otherwise change in step. crc32, because hash() differs between processes.
        return self.index + zlib.crc32(self.name.encode()) % 7

    def child(self, name: str, ref: object) -> SampleContext:
        refs = (*self.refs, ref) if isinstance(ref, str) else self.refs
        noun = "".join(singular_words(self.name)[-1:]) if self.depth else ""
        return replace(
            self,
            path=f"{self.path}.{name}",
            name=name,
            noun=noun or self.noun,
            depth=self.depth + 1,
            refs=refs,
            full=False,
        )

    def item(self, position: int, ref: object) -> SampleContext:
        refs = (*self.refs, ref) if isinstance(ref, str) else self.refs
        index = self.index + position
        return replace(self, path=f"{self.path}[{position}]", index=index, depth=self.depth + 1, refs=refs, full=False)


class Sampler:
    """A generator of values for the schemas of one Spec."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas
        # By the identity of the schema, which is stored with them.
        self._valid_examples: dict[int, tuple[Schema, Sequence[object]]] = {}

    def sample(self, schema: object, context: SampleContext, known_value: object = ABSENT) -> Any:
        """Return a valid value that contains what is known of it; the first attempt when none is valid."""
        # From the fullest form to the barest: optional and known values are dropped only when they break the schema.
        first_value = ABSENT
        for sparse, partial_value in ((context.sparse, known_value), (True, known_value), (True, ABSENT)):
            for pick in range(4):
                attempt = replace(context, branch=pick, sparse=sparse)
                value = self.generate(schema, attempt, partial_value)
                first_value = value if first_value is ABSENT else first_value
                repaired = self.repair(schema, value)
                if repaired is ABSENT and isinstance(partial_value, dict):
                    # Two schemas of one item may disagree on a field deep inside: the others stay as they are known.
                    fitting = self._without_faults(schema, value, partial_value)
                    repaired = self.repair(schema, self.generate(schema, attempt, fitting))
                if repaired is not ABSENT:
                    return repaired
                if not self._has_choice(schema):
                    break
        return first_value

    def _without_faults(self, schema: object, value: object, known_value: dict[str, Any]) -> dict[str, Any]:
        """Return what is known without the parts that break the schema in a value made of it."""
        fitting: dict[str, Any] = copy.deepcopy(known_value)
        for error, _ in zip(self.schemas.errors(schema, value, "read"), range(20), strict=False):
            _prune(fitting, tuple(error.absolute_path))
        return fitting

    def _has_choice(self, schema: object) -> bool:
        flat = self.schemas.flat(schema)
        return any(self.schemas.branches(self.schemas.flat(part)) for part in (flat, *self._parts(flat)))

    def _parts(self, flat: Schema) -> Iterator[object]:
        yield from (flat.get("properties") or {}).values()
        if isinstance(flat.get("items"), Mapping):
            yield flat["items"]

    def repair(self, schema: Any, value: Any) -> Any:
        """Return the value without the optional parts that break the schema; ABSENT when that is not enough.

        A value with such parts stays as it is: the result is a copy.
        """
        # Removing a part may break another rule (minProperties, dependentRequired), hence several rounds.
        for attempt in range(8):
            errors = list(zip(self.schemas.errors(schema, value, "read"), range(20), strict=False))
            if not errors:
                return value
            paths = {tuple(error.absolute_path) for error, _ in errors}
            if () in paths:
                return ABSENT
            value = value if attempt else copy.deepcopy(value)
            for path in paths:
                _prune(value, path)
        return ABSENT

    def generate(self, schema: object, context: SampleContext, known_value: object = ABSENT) -> Any:
        """Return a value by the schema's keywords, without validating it."""
        flat = self.schemas.flat(schema)
        branches = self.schemas.branches(flat)
        if known_value is ABSENT and context.find_reference is not None and 0 < context.depth <= REFERENCE_DEPTH:
            known_value = self._find_reference(schema, flat, context)
            context = context if known_value is ABSENT else replace(context, full=True)
        if branches and context.depth < MAX_DEPTH and "enum" not in flat and "const" not in flat:
            return self.generate(
                self.schemas.with_branch(flat, self._branch(branches, context, known_value)), context, known_value
            )
        if _is_known_scalar(known_value):
            return _in_type(known_value, schema_types(flat))
        if "const" in flat:
            return flat["const"]
        kinds = [kind for kind in schema_types(flat) if kind != "null"] or list(schema_types(flat))
        kind = json_type(known_value) if known_value is not ABSENT else kinds[0] if kinds else "string"
        if kind == "object":
            return self._object(flat, context, known_value)
        if kind == "array":
            return self._array(flat, context, known_value)
        return self._scalar(flat, kind, context)

    def _find_reference(self, schema: object, flat: Schema, context: SampleContext) -> Any:
        """Return what is known of a property that refers to an existing item; ABSENT for any other property."""
        types = self.schemas.types(flat)
        if context.find_reference is None or not (not types or {"object", "string", "integer", "number"} & set(types)):
            return ABSENT
        reference = context.find_reference(context.name, schema, context.index)
        is_usable = isinstance(reference, dict) or (reference is not ABSENT and self.schemas.valid(flat, reference))
        return reference if is_usable else ABSENT

    def _branch(self, branches: tuple[Schema, ...], context: SampleContext, known_value: object) -> Schema:
        if known_value is ABSENT:
            # A union of single values is an enum whose values are explained.
            turn = context.rotation if all("const" in branch for branch in branches) else 0
            return branches[(turn + context.branch) % len(branches)]
        ranked = sorted(branches, key=lambda branch: -self._fit_score(branch, known_value))
        return ranked[context.branch % len(ranked)]

    def _fit_score(self, branch: Schema, known_value: object) -> int:
        """Return a score for how well a known value fits a branch of a union, higher is better."""
        kinds = self.schemas.types(branch)
        kind = json_type(known_value)
        if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
            return -1000
        if not isinstance(known_value, dict):
            return 1 if self.schemas.valid(branch, known_value) else 0
        described = self.schemas.properties(branch)
        score = sum(1 for name in known_value if name in described) - sum(
            1 for name in branch.get("required") or () if name not in known_value
        )
        for name in known_value.keys() & described.keys():
            property_schema = self.schemas.flat(described[name])
            # A discriminator's value decides more than any number of shared properties.
            if ("const" in property_schema or "enum" in property_schema) and not self.schemas.valid(
                property_schema, known_value[name]
            ):
                score -= 100
        return score

    def _object(self, flat: Schema, context: SampleContext, known_value: object) -> dict[str, object]:
        known_fields, result = self._known_fields(flat, context, known_value), dict[str, Any]()
        required = frozenset(flat.get("required") or ())
        sparse = context.sparse or (known_value is not ABSENT and not context.full)
        described = flat.get("properties") or {}
        for name, schema in described.items():
            flat_property = self.schemas.flat(schema)
            if flat_property.get("writeOnly") is True:
                continue
            known_field = known_fields.get(name, ABSENT)
            if _is_known_scalar(known_field) and not self.schemas.branches(flat_property):
                result[name] = _in_type(known_field, schema_types(flat_property))
            elif (
                known_field is not ABSENT
                or name in required
                or (not sparse and self._is_filled(flat_property, _reference_of(schema), context))
            ):
                # What a list holds is not yet above its items: else no list in an object would have any.
                inner = context.child(name, schema.get("$ref") if isinstance(schema, Mapping) else None)
                result[name] = self.generate(schema, inner, known_field)
        additional = flat.get("additionalProperties")
        if known_fields and (additional not in (None, False) or (not described and additional is not False)):
            result.update({name: value for name, value in known_fields.items() if name not in described})
        self._fill_map(flat, result, required, context, sparse)
        return result

    def _known_fields(self, flat: Schema, context: SampleContext, known_value: object) -> dict[str, object]:
        """Return what is known of an object, merged over the schema's example for this index."""
        examples = [candidate for candidate in flat.get("examples") or () if isinstance(candidate, dict)]
        example = examples[context.index] if context.index < len(examples) else {}
        if not isinstance(known_value, dict):
            return example
        return {**example, **known_value} if context.full else known_value

    def _is_filled(self, flat: Schema, ref: str | None, context: SampleContext) -> bool:
        """Return whether to fill an optional property: it is not its own ancestor, and not too deep."""
        if ref in context.refs or flat.get("deprecated") is True:
            return False
        simple = not {"object", "array"} & set(self.schemas.types(flat))
        return context.depth < OPTIONAL_DEPTH + 1 if simple else context.depth < OPTIONAL_DEPTH

    def _fill_map(
        self, flat: Schema, result: dict[str, object], required: frozenset[str], context: SampleContext, sparse: bool
    ) -> None:
        additional = flat.get("additionalProperties")
        inner = additional if isinstance(additional, Mapping) else {"type": "string"}
        for name in required - result.keys():
            if name not in (flat.get("properties") or {}):
                result[name] = self.generate(inner, context.child(name, _reference_of(inner)))
        min_count = int(flat.get("minProperties", 0))
        count = max(
            min_count,
            0 if sparse or not isinstance(additional, Mapping) or context.depth >= OPTIONAL_DEPTH or result else 2,
        )
        names = self.schemas.flat(flat.get("propertyNames", {})).get("enum") or ()
        for position in range(count - len(result) if additional is not False else 0):
            name = str(names[position]) if position < len(names) else f"key{position + 1}"
            result.setdefault(name, self.generate(inner, context.child(name, _reference_of(inner))))

    def _array(self, flat: Schema, context: SampleContext, known_value: Any) -> list[object]:
        items = flat.get("items", {}) if flat.get("items") is not False else {}
        ref = _reference_of(items)
        if known_value is not ABSENT:
            return [
                self.generate(items, context.item(position, ref), item) for position, item in enumerate(known_value)
            ]
        leading = flat.get("prefixItems") or []
        result = [
            self.generate(schema, context.item(position, _reference_of(schema)))
            for position, schema in enumerate(leading)
        ]
        examples = next((item for item in flat.get("examples") or () if isinstance(item, list)), [])
        count = self._count(flat, ref, context, len(examples))
        for position in range(len(result), count):
            example = examples[position] if position < len(examples) else ABSENT
            value = self.generate(items, context.item(position, ref), example)
            if flat.get("uniqueItems") and value in result:
                value = self._distinct_item(items, context, ref, result, position)
            if value is not ABSENT:
                result.append(value)
        return result

    def _count(self, flat: Schema, ref: str | None, context: SampleContext, examples: int) -> int:
        min_items, max_items = int(flat.get("minItems", 0)), flat.get("maxItems")
        is_empty = name_words(context.name) and singular(name_words(context.name)[-1]) in vocabulary.EMPTY_LISTS
        count = 0 if ref in context.refs or is_empty else 2 if context.depth <= OPTIONAL_DEPTH else 1
        count = max(examples, count) if count else 0
        if context.depth >= MAX_DEPTH:
            count = 0
        return max(min_items, count if max_items is None else min(count, int(max_items)))

    def _distinct_item(
        self, items: object, context: SampleContext, ref: str | None, existing: list[object], position: int
    ) -> object:
        """Return an item that the list does not contain, or ABSENT after a few attempts."""
        for jump in range(1, 12):
            value = self.generate(items, context.item(position + jump, ref))
            if value not in existing:
                return value
        return ABSENT

    def _scalar(self, flat: Schema, kind: str, context: SampleContext) -> object:
        choices = [candidate for candidate in flat.get("enum") or () if candidate is not None]
        if choices:
            return choices[context.rotation % len(choices)]
        if kind == "boolean":
            return _boolean(context)
        if kind == "null":
            return None
        examples = self._examples(flat)
        generated = self._from_examples(examples, flat, kind, context)
        return generated if not examples or self.schemas.valid(flat, generated) else examples[0]

    def _examples(self, flat: Schema) -> Sequence[object]:
        """Return the examples of a flat schema, and its default, that it allows itself."""
        if id(flat) not in self._valid_examples:
            candidates = (*(flat.get("examples") or ()), *((flat["default"],) if "default" in flat else ()))
            valid = [entry for entry in candidates if entry is not None and self.schemas.valid(flat, entry)]
            self._valid_examples[id(flat)] = flat, valid
        return self._valid_examples[id(flat)][1]

    def _from_examples(self, examples: Sequence[object], flat: Schema, kind: str, context: SampleContext) -> object:
        rng = context.rng
        if kind == "string":
            strings = [example for example in examples if isinstance(example, str)]
            if context.index < len(strings) or (len(strings) > 1 and not _is_identifying(context.name)):
                return strings[context.index % len(strings)]
            if strings:
                return vary_example(strings[0], flat, context.name, context.noun, context.index, rng)
            return fake_text(flat, context.name, context.noun, context.index, rng)
        is_id = name_words(context.name)[-1:] == ("id",)
        is_integer = kind == "integer" or (kind == "number" and is_id)
        numbers = [
            example for example in examples if isinstance(example, int | float) and not isinstance(example, bool)
        ]
        if numbers and not (is_id and context.index):
            return scale_example(numbers[0], flat, context.index, is_integer=is_integer)
        return fake_number(flat, context.name, context.index, rng, is_integer=is_integer)


def _is_known_scalar(value: object) -> bool:
    return value is not ABSENT and not isinstance(value, dict | list)


def _in_type(value: object, types: tuple[str, ...]) -> object:
    """Return a value in a type that a schema wants: two schemas of one item may have its id as a number and a text."""
    kind = json_type(value)
    if not types or kind in types:
        return value
    if kind == "integer" and "string" in types and "number" not in types:
        return str(value)
    return int(value) if isinstance(value, str) and "integer" in types and value.isdecimal() else value


def _prune(value: Any, path: tuple[Any, ...]) -> None:
    """Delete the part of a value at a path, unless it has gone with a part around it."""
    with suppress(LookupError, TypeError):
        # The whole value has no place to be deleted from.
        for part in path[:-1]:
            value = value[part]
        del value[path[-1]]


def _reference_of(schema: object) -> str | None:
    """Return the `$ref` of a schema or of its array's items, by which a recursion is found; else None."""
    if not isinstance(schema, Mapping):
        return None
    ref = schema.get("$ref")
    if isinstance(ref, str):
        return ref
    items = schema.get("items")
    item_ref = items.get("$ref") if isinstance(items, Mapping) else None
    return item_ref if isinstance(item_ref, str) else None


def _boolean(context: SampleContext) -> bool:
    parts = set(name_words(context.name))
    if parts & vocabulary.FALSE_WORDS:
        return False
    return True if parts & vocabulary.TRUE_WORDS else context.rotation % 2 == 0


def _is_identifying(name: str) -> bool:
    """Return whether a property identifies an item by its name, so that its values should not repeat."""
    parts = name_words(name)
    return bool(parts) and parts[-1] in ("id", "name", "title", "key", "email")
