"""The variants of an object (`oneOf`, `anyOf`): which one is meant, by its tag or by the fields that have values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.schema_upgrade import discriminator_values
from nlapi.openapi.spec import Schema, as_list, as_map

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One variant: the names of its fields, those that it requires, and the value of the tag that selects it."""

    names: frozenset[str]
    required: frozenset[str]
    tag_value: object = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariantSet:
    """The variants of the object at `path`. `tag` is the field whose value selects one, "" where none does."""

    path: Path
    variants: tuple[Variant, ...]
    tag: str = ""

    def selected_by(self, values: Mapping[Path, object]) -> Variant | None:
        """Return the variant that the value of the tag selects; None without one."""
        stated = values.get((*self.path, self.tag)) if self.tag else None
        return next((entry for entry in self.variants if stated is not None and entry.tag_value == stated), None)

    def settle(self, values: Mapping[Path, object], begun: Collection[Path]) -> tuple[dict[Path, object], set[Path]]:
        """Return the value of the tag where the fields that have values leave one variant, and what that requires.

        Where they leave several, the tag is what is required.
        """
        depth = len(self.path)
        filled = {path[depth] for path in begun if len(path) > depth and path[:depth] == self.path} - {self.tag}
        tag_path = (*self.path, self.tag)
        stated = values.get(tag_path) if self.tag else None
        fits = [entry for entry in self.variants if stated is None or entry.tag_value == stated]
        fits = [entry for entry in fits if filled <= entry.names] or fits or list(self.variants)
        if self.tag and stated is None and len(fits) > 1:
            return {}, {tag_path}
        chosen = min(fits, key=lambda entry: len(entry.required - filled))
        tag = {tag_path: chosen.tag_value} if self.tag and stated is None else {}
        return tag, {(*self.path, name) for name in chosen.required}


def union_of(schema: Schema) -> list[Schema]:
    """Return the branches of a union without null; [] without a union."""
    union = schema.get("anyOf") or schema.get("oneOf")
    return [part for part in as_list(union) if isinstance(part, Mapping) and part.get("type") != "null"]


def join_variants(path: Path, schema: Schema, branches: Sequence[Schema]) -> tuple[Schema, VariantSet] | None:
    """Return the object with the fields of all variants, and its variants; None for anything but a union of objects.

    `branches` are those of the union of `schema`, each resolved. What they all require is required.
    """
    if len(branches) < 2 or not all(as_map(branch.get("properties")) for branch in branches):
        return None
    stated_tag, by_schema = discriminator_values(str(schema.get("description", "")))
    refs = [str(part.get("$ref", "")).rpartition("/")[2] for part in union_of(schema)]
    stated = {by_schema[name]: number for number, name in enumerate(refs) if name in by_schema}
    tag, values = _constant_tag(branches)
    # The base of subtypes is not a variant that a tag selects.
    if stated_tag and stated:
        branches = [branches[number] for number in stated.values()]
        tag, values = stated_tag, [*stated]
    variants = tuple(
        Variant(
            names=frozenset(branch["properties"]), required=frozenset(branch.get("required") or ()), tag_value=value
        )
        for branch, value in zip(branches, values, strict=True)
    )
    properties = dict(_joined_properties(branches))
    if tag:
        text = properties.get(tag, {}).get("description", "")
        properties[tag] = {"type": "string", "enum": values, "description": text}
    required = frozenset.intersection(*(variant.required for variant in variants)) | ({tag} if tag else set())
    joined = {**schema, "type": "object", "properties": properties, "required": sorted(required)}
    joined = {key: value for key, value in joined.items() if key not in ("anyOf", "oneOf")}
    return joined, VariantSet(path=path, variants=variants, tag=tag)


def _constant_tag(branches: Sequence[Schema]) -> tuple[str, list[object]]:
    """Return the field that has another constant in each variant, with these; "" where no field does."""
    for name in branches[0]["properties"]:
        values = [_constant(branch["properties"].get(name)) for branch in branches]
        if None not in values and len(set(map(str, values))) == len(values):
            return name, values
    return "", [None] * len(branches)


def _constant(schema: object) -> object:
    node = as_map(schema)
    choices = as_list(node.get("enum"))
    return node.get("const", choices[0] if len(choices) == 1 else None)


def _joined_properties(branches: Sequence[Schema]) -> Iterator[tuple[str, Any]]:
    names = dict.fromkeys(name for branch in branches for name in branch["properties"])
    for name in names:
        schemas = [branch["properties"][name] for branch in branches if name in branch["properties"]]
        distinct = [schema for number, schema in enumerate(schemas) if schema not in schemas[:number]]
        yield name, distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
