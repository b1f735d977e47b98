"""Sample values for schemas: plausible, distinct by item, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nlapi.openapi.parts import Schema
from nlapi.resources.naming import name_words, singular
from nlapi.resources.schemas import json_type, schema_types
from nlapi.sandbox import vocabulary
from nlapi.sandbox.at import NOTHING, At
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.texts import number, scaled, text, vary

# The depth at which nested values end, for schemas that require themselves.
DEEPEST = 8
# The depth down to which optional objects and lists are filled; the size of a value grows exponentially with it.
RICH = 2


class Sampler:
    """A generator of values for the schemas of one Spec."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def sample(self, schema: Any, at: At, known: Any = NOTHING) -> Any:
        """Return a valid value that contains what is known of it; the first attempt when none is valid."""
        # From the fullest form to the barest: optional and known values are dropped only when they break the schema.
        first = NOTHING
        for sparse, given in ((at.sparse, known), (True, known), (True, NOTHING)):
            for pick in range(4):
                value = self.make(schema, replace(at, pick=pick, sparse=sparse), given)
                first = value if first is NOTHING else first
                value = self.mended(schema, value)
                if value is not NOTHING:
                    return value
                if not self._has_choice(schema):
                    break
        return first

    def _has_choice(self, schema: Any) -> bool:
        flat = self.schemas.flat(schema)
        return any(self.schemas.branches(self.schemas.flat(one)) for one in (flat, *self._parts(flat)))

    def _parts(self, flat: Schema) -> Iterator[Any]:
        yield from (flat.get("properties") or {}).values()
        if isinstance(flat.get("items"), Mapping):
            yield flat["items"]

    def mended(self, schema: Any, value: Any) -> Any:
        """Return the value without the optional parts that break the schema; NOTHING when that is not enough."""
        # Removing a part may break another rule (minProperties, dependentRequired), hence several rounds.
        for _ in range(8):
            errors = list(zip(self.schemas.errors(schema, value, "read"), range(20), strict=False))
            if not errors:
                return value
            paths = {tuple(error.absolute_path) for error, _ in errors}
            if () in paths:
                return NOTHING
            for path in paths:
                _prune(value, path)
        return NOTHING

    def make(self, schema: Any, at: At, known: Any = NOTHING) -> Any:
        """Return a value by the schema's keywords, without validating it."""
        flat = self.schemas.flat(schema)
        branches = self.schemas.branches(flat)
        if branches and at.depth < DEEPEST and "enum" not in flat and "const" not in flat:
            return self.make(self.schemas.narrowed(flat, self._branch(branches, at, known)), at, known)
        if known is not NOTHING and not isinstance(known, dict | list):
            return known
        if "const" in flat:
            return flat["const"]
        kinds = [kind for kind in schema_types(flat) if kind != "null"] or list(schema_types(flat))
        kind = json_type(known) if known is not NOTHING else kinds[0] if kinds else "string"
        if kind == "object":
            return self._object(flat, at, known)
        if kind == "array":
            return self._array(flat, at, known)
        return self._scalar(flat, kind, at)

    def _branch(self, branches: tuple[Schema, ...], at: At, known: Any) -> Schema:
        if known is NOTHING:
            # A union of single values is an enum whose values are explained.
            turn = at.turn if all("const" in branch for branch in branches) else 0
            return branches[(turn + at.pick) % len(branches)]
        ranked = sorted(branches, key=lambda branch: -self._kinship(branch, known))
        return ranked[at.pick % len(ranked)]

    def _kinship(self, branch: Schema, known: Any) -> int:
        """Return a score for how well a known value fits a branch of a union, higher is better."""
        kinds = self.schemas.types(branch)
        kind = json_type(known)
        if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
            return -1000
        if not isinstance(known, dict):
            return 1 if self.schemas.valid(branch, known) else 0
        described = self.schemas.properties(branch)
        score = sum(1 for name in known if name in described) - sum(
            1 for name in branch.get("required") or () if name not in known
        )
        for name in known.keys() & described.keys():
            one = self.schemas.flat(described[name])
            # A discriminator's value decides more than any number of shared properties.
            if ("const" in one or "enum" in one) and not self.schemas.valid(one, known[name]):
                score -= 100
        return score

    def _object(self, flat: Schema, at: At, known: Any) -> dict[str, Any]:
        given, made = self._given(flat, at, known), dict[str, Any]()
        required = frozenset(flat.get("required") or ())
        sparse = at.sparse or (known is not NOTHING and not at.full)
        described = flat.get("properties") or {}
        for name, schema in described.items():
            one = self.schemas.flat(schema)
            if one.get("writeOnly") is True:
                continue
            ref = _ref(schema)
            inner = at.under(name, ref)
            if name in given:
                made[name] = self.make(schema, inner, given[name])
            elif name in required or (not sparse and self._wanted(one, ref, at)):
                made[name] = self.make(schema, inner)
        more = flat.get("additionalProperties")
        if given and (more not in (None, False) or (not described and more is not False)):
            made.update({name: value for name, value in given.items() if name not in described})
        self._fill_map(flat, made, required, at, sparse)
        return made

    def _given(self, flat: Schema, at: At, known: Any) -> dict[str, Any]:
        """Return what is known of an object, merged over the schema's example for this index."""
        examples = [one for one in flat.get("examples") or () if isinstance(one, dict)]
        example = examples[at.index] if at.index < len(examples) else {}
        if not isinstance(known, dict):
            return example
        return {**example, **known} if at.full else known

    def _wanted(self, flat: Schema, ref: str | None, at: At) -> bool:
        """Return whether to fill an optional property: it is not its own ancestor, and not too deep."""
        if ref in at.refs or flat.get("deprecated") is True:
            return False
        simple = not {"object", "array"} & set(self.schemas.types(flat))
        return at.depth < RICH + 1 if simple else at.depth < RICH

    def _fill_map(self, flat: Schema, made: dict[str, Any], required: frozenset[str], at: At, sparse: bool) -> None:
        more = flat.get("additionalProperties")
        inner = more if isinstance(more, Mapping) else {"type": "string"}
        for name in required - made.keys():
            if name not in (flat.get("properties") or {}):
                made[name] = self.make(inner, at.under(name, _ref(inner)))
        least = int(flat.get("minProperties", 0))
        wanted = max(least, 0 if sparse or not isinstance(more, Mapping) or at.depth >= RICH or made else 2)
        names = self.schemas.flat(flat.get("propertyNames", {})).get("enum") or ()
        for position in range(wanted - len(made) if more is not False else 0):
            name = str(names[position]) if position < len(names) else f"key{position + 1}"
            made.setdefault(name, self.make(inner, at.under(name, _ref(inner))))

    def _array(self, flat: Schema, at: At, known: Any) -> list[Any]:
        items = flat.get("items", {}) if flat.get("items") is not False else {}
        ref = _ref(items)
        if known is not NOTHING:
            return [self.make(items, at.item(place, ref), one) for place, one in enumerate(known)]
        leading = flat.get("prefixItems") or []
        made = [self.make(schema, at.item(place, _ref(schema))) for place, schema in enumerate(leading)]
        examples = next((one for one in flat.get("examples") or () if isinstance(one, list)), [])
        count = self._count(flat, ref, at, len(examples))
        for place in range(len(made), count):
            given = examples[place] if place < len(examples) else NOTHING
            value = self.make(items, at.item(place, ref), given)
            if flat.get("uniqueItems") and value in made:
                value = self._fresh(items, at, ref, made, place)
            if value is not NOTHING:
                made.append(value)
        return made

    def _count(self, flat: Schema, ref: str | None, at: At, examples: int) -> int:
        least, most = int(flat.get("minItems", 0)), flat.get("maxItems")
        quiet = name_words(at.name) and singular(name_words(at.name)[-1]) in vocabulary.QUIET
        wanted = 0 if ref in at.refs or quiet else 2 if at.depth <= RICH else 1
        wanted = max(examples, wanted) if wanted else 0
        if at.depth >= DEEPEST:
            wanted = 0
        return max(least, wanted if most is None else min(wanted, int(most)))

    def _fresh(self, items: Any, at: At, ref: str | None, made: list[Any], place: int) -> Any:
        """Return an item that the list does not contain, or NOTHING after a few attempts."""
        for jump in range(1, 12):
            value = self.make(items, at.item(place + jump, ref))
            if value not in made:
                return value
        return NOTHING

    def _scalar(self, flat: Schema, kind: str, at: At) -> Any:
        if at.refer is not None and kind in ("string", "integer"):
            found = at.refer(at.name, at.index)
            if found is not NOTHING and self.schemas.valid(flat, found):
                return found
        choices = [one for one in flat.get("enum") or () if one is not None]
        if choices:
            return choices[at.turn % len(choices)]
        if kind == "boolean":
            return _boolean(at)
        if kind == "null":
            return None
        examples = [one for one in (*(flat.get("examples") or ()), *_default(flat)) if self.schemas.valid(flat, one)]
        examples = [one for one in examples if one is not None]
        made = self._from(examples, flat, kind, at)
        return made if not examples or self.schemas.valid(flat, made) else examples[0]

    def _from(self, examples: list[Any], flat: Schema, kind: str, at: At) -> Any:
        rng = at.rng
        if kind == "string":
            strings = [one for one in examples if isinstance(one, str)]
            if at.index < len(strings) or (len(strings) > 1 and not _telling(at.name)):
                return strings[at.index % len(strings)]
            if strings:
                return vary(strings[0], flat, at.name, at.thing, at.index, rng)
            return text(flat, at.name, at.thing, at.index, rng)
        is_id = name_words(at.name)[-1:] == ("id",)
        whole = kind == "integer" or (kind == "number" and is_id)
        numbers = [one for one in examples if isinstance(one, int | float) and not isinstance(one, bool)]
        if numbers and not (is_id and at.index):
            return scaled(numbers[0], flat, at.index, whole=whole)
        return number(flat, at.name, at.index, rng, whole=whole)


def _prune(value: Any, path: tuple[Any, ...]) -> None:
    """Delete the part of a value at a path, unless it has gone with a part around it."""
    with suppress(LookupError, TypeError):
        for part in path[:-1]:
            value = value[part]
        del value[path[-1]]


def _ref(schema: Any) -> str | None:
    """Return the `$ref` of a schema or of its array's items, by which a recursion is found; else None."""
    if not isinstance(schema, Mapping):
        return None
    ref = schema.get("$ref")
    if isinstance(ref, str):
        return ref
    items = schema.get("items")
    found = items.get("$ref") if isinstance(items, Mapping) else None
    return found if isinstance(found, str) else None


def _default(flat: Schema) -> tuple[Any, ...]:
    return (flat["default"],) if "default" in flat else ()


def _boolean(at: At) -> bool:
    parts = set(name_words(at.name))
    if parts & vocabulary.NO:
        return False
    return True if parts & vocabulary.YES else at.turn % 2 == 0


def _telling(name: str) -> bool:
    """Return whether a property identifies an item by its name, so that its values should not repeat."""
    parts = name_words(name)
    return bool(parts) and parts[-1] in ("id", "name", "title", "key", "email")
