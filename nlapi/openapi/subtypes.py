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
from nlapi.openapi.upgrade import SCHEMA_LIST_KEYWORDS, SCHEMA_MAP_KEYWORDS, SCHEMA_KEYWORDS, MAX_DISCRIMINATOR_CHOICES, describe_discriminator

SCHEMA_SECTIONS = ("components", "schemas"), ("definitions",)


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
        describe_discriminator(schema, {"propertyName": self.name, "mapping": dict(self.values)}, choices)
        return schema


def subtype_families(tree: Mapping[str, Any]) -> Mapping[str, SubtypeFamily]:
    """Return the families of a description by the `$ref` of their base, without those of over MAX_DISCRIMINATED
    subtypes.
    """
    schemas = dict(_named_schemas(tree))
    bases = {
        ref: base_schema for ref, base_schema in schemas.items() if base_schema.get("discriminator") and not {"oneOf", "anyOf"} & base_schema.keys()
    }
    # Most descriptions have no discriminator: only they pay for the search of subtypes.
    if not bases:
        return {}
    direct_subtypes: dict[str, list[str]] = defaultdict(list)
    for ref, schema in schemas.items():
        for part in as_list(schema.get("allOf")):
            if isinstance(part, Mapping) and isinstance(part.get("$ref"), str):
                direct_subtypes[part["$ref"]].append(ref)
    candidates = (_subtype_family(ref, base_schema["discriminator"], schemas, direct_subtypes) for ref, base_schema in bases.items())
    return {family.base: family for family in candidates if family and 0 < len(family.subtypes) <= MAX_DISCRIMINATOR_CHOICES}


def _named_schemas(tree: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for section in SCHEMA_SECTIONS:
        node = tree
        for key in section:
            node = node.get(key) if isinstance(node, Mapping) else None
        for name, schema in as_map(node).items():
            if isinstance(schema, Mapping):
                yield f"#/{'/'.join(section)}/{escape_step(name)}", schema


def _subtype_family(
    base: str, discriminator: Any, schemas: Mapping[str, Mapping[str, Any]], direct_subtypes: Mapping[str, list[str]]
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
    while todo and len(subtypes) <= MAX_DISCRIMINATOR_CHOICES:
        ref = todo.pop(0)
        if ref != base and ref not in subtypes:
            subtypes[ref] = None
            todo.extend(direct_subtypes.get(ref, ()))
    stated = {ref: schemas[ref].get("x-ms-discriminator-value") for ref in subtypes}  # as Azure's descriptions have it
    stated_values = {value: ref for ref, value in stated.items() if isinstance(value, str)}
    values = stated_values | {value: target for value, target in mapped_refs.items() if target in subtypes}
    return SubtypeFamily(base=base, subtypes=tuple(subtypes), name=name, values=values)


def expand_subtypes(schema: Any, families_by_ref: Mapping[str, SubtypeFamily], *, is_component: bool = False) -> Any:
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
                child if lists_bases and isinstance(child, dict) and "$ref" in child else expand_subtypes(child, families_by_ref) for child in value
            ]
        elif key in SCHEMA_KEYWORDS:
            result[key] = expand_subtypes(value, families_by_ref)
    return result
