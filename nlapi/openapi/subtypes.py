"""Expands a schema with a discriminator to the choice of its subtypes.

In OpenAPI 3.1.1 §4.8.25.2 and Swagger 2.0 a base schema names the property, and the schemas that include the base by
`allOf` are the choices; JSON Schema has no keyword for this. Each use of such a base becomes an `anyOf`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.parts import as_list, as_map, escape_step
from nlapi.openapi.upgrade import IN_LISTS, IN_MAPS, IN_PLACE, MAX_DISCRIMINATED, discriminate

SECTIONS = ("components", "schemas"), ("definitions",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A base schema and the `$ref`s of its subtypes; `values` are those of its discriminator, `name` the property."""

    base: str
    made: tuple[str, ...]
    name: str
    values: Mapping[str, str]

    def choice(self, beside: Mapping[str, Any]) -> dict[str, Any]:
        """Return the replacement of a `$ref` to the base, with its sibling keywords. The base is last: it accepts any
        rest.
        """
        made = [{"$ref": ref} for ref in self.made]
        schema: dict[str, Any] = {"anyOf": [*made, {"$ref": self.base}], **beside}
        discriminate(schema, {"propertyName": self.name, "mapping": dict(self.values)}, made)
        return schema


def families(tree: Mapping[str, Any]) -> Mapping[str, Family]:
    """Return the families of a description by the `$ref` of their base, without those of over MAX_DISCRIMINATED
    subtypes.
    """
    schemas = dict(_schemas(tree))
    bases = {
        ref: one for ref, one in schemas.items() if one.get("discriminator") and not {"oneOf", "anyOf"} & one.keys()
    }
    # Most descriptions have no discriminator: only they pay for the search of subtypes.
    if not bases:
        return {}
    below: dict[str, list[str]] = defaultdict(list)
    for ref, schema in schemas.items():
        for part in as_list(schema.get("allOf")):
            if isinstance(part, Mapping) and isinstance(part.get("$ref"), str):
                below[part["$ref"]].append(ref)
    found = (_family(ref, one["discriminator"], schemas, below) for ref, one in bases.items())
    return {family.base: family for family in found if family and 0 < len(family.made) <= MAX_DISCRIMINATED}


def _schemas(tree: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for section in SECTIONS:
        node = tree
        for key in section:
            node = node.get(key) if isinstance(node, Mapping) else None
        for name, schema in as_map(node).items():
            if isinstance(schema, Mapping):
                yield f"#/{'/'.join(section)}/{escape_step(name)}", schema


def _family(
    base: str, discriminator: Any, schemas: Mapping[str, Mapping[str, Any]], below: Mapping[str, list[str]]
) -> Family | None:
    given = discriminator if isinstance(discriminator, Mapping) else {"propertyName": discriminator}
    name, mapping = given.get("propertyName"), given.get("mapping")
    if not isinstance(name, str):
        return None
    section = base.rpartition("/")[0]
    named = {
        value: to if to.startswith("#") else f"{section}/{to}"
        for value, to in as_map(mapping).items()
        if isinstance(to, str)
    }
    made: dict[str, None] = {}
    todo = [*below.get(base, ()), *(to for to in named.values() if to in schemas)]
    while todo and len(made) <= MAX_DISCRIMINATED:
        ref = todo.pop(0)
        if ref != base and ref not in made:
            made[ref] = None
            todo.extend(below.get(ref, ()))
    stated = {ref: schemas[ref].get("x-ms-discriminator-value") for ref in made}  # as Azure's descriptions have it
    own = {value: ref for ref, value in stated.items() if isinstance(value, str)}
    values = own | {value: to for value, to in named.items() if to in made}
    return Family(base=base, made=tuple(made), name=name, values=values)


def widened(schema: Any, known: Mapping[str, Family], *, named: bool = False) -> Any:
    """Return an upgraded schema in which each use of a base allows its subtypes.

    With `is_component` the bases in the `allOf` at its top stay: the schema is made from them.
    """
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        family = known.get(schema["$ref"])
        return family.choice({key: one for key, one in schema.items() if key != "$ref"}) if family else schema
    result = dict(schema)
    for key, value in schema.items():
        if key in IN_MAPS and isinstance(value, dict):
            result[key] = {name: widened(one, known) for name, one in value.items()}
        elif key in IN_LISTS and isinstance(value, list):
            # A subtype includes its base by `allOf`; widening that would make it include itself.
            own = named and key == "allOf"
            result[key] = [
                one if own and isinstance(one, dict) and "$ref" in one else widened(one, known) for one in value
            ]
        elif key in IN_PLACE:
            result[key] = widened(value, known)
    return result
