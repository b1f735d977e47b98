"""Values inside an argument, written as a path: `input.currency=EUR` sets a property of the argument `input`."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.model import as_map
from nlapi.tools.arguments import MAX_TYPE_DEPTH, allowed_types, coerce, resolve_definition
from nlapi.tools.tool import Tool

_COMBINERS = ("allOf", "anyOf", "oneOf")


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedArgument:
    """A value of a tool by its `path`: an argument, and the properties inside it. `schema` is that of the value."""

    path: tuple[str, ...]
    schema: Mapping[str, object]
    definitions: Mapping[str, object]

    def coerce(self, text: str) -> object:
        """Return a text in the type of the value."""
        return coerce(text, self.schema, self.definitions)


def find_argument(tool: Tool, name: str) -> NestedArgument | None:
    """Return the value that a name such as `limit` or `input.currency` means; None when the tool takes none.

    The name of an argument or of a property may have dots itself. A map takes any property.
    """
    definitions = as_map(tool.input_schema.get("$defs"))
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        argument = ".".join(parts[:count])
        if argument in tool.input_schema["properties"]:
            schema = as_map(tool.input_schema["properties"][argument])
            match = _find_property(schema, parts[count:], definitions)
            if match is not None:
                path, inner = match
                return NestedArgument(path=(argument, *path), schema=inner, definitions=definitions)
    return None


def nearest_names(tool: Tool, name: str) -> list[str]:
    """Return the names of values of a tool that are near to a name which it does not take, the nearest first."""
    definitions = as_map(tool.input_schema.get("$defs"))
    names = list(tool.input_schema["properties"])
    argument, dot, _ = name.partition(".")
    if dot and argument in names:
        schema = as_map(tool.input_schema["properties"][argument])
        names = [f"{argument}.{inner}" for part in _parts(schema, definitions) for inner in _properties(part)]
    return difflib.get_close_matches(name, names, n=3)


def with_nested(arguments: Mapping[str, Any], values: Mapping[tuple[str, ...], object]) -> dict[str, Any]:
    """Return the arguments with the values set inside them. ValueError with the name of what is no object."""
    result = dict(arguments)
    copied: set[str] = set()
    for path, value in values.items():
        if path[0] in result and path[0] not in copied:
            result[path[0]] = copy.deepcopy(result[path[0]])
        copied.add(path[0])
        parent: Any = result
        for depth, step in enumerate(path[:-1], 1):
            parent = parent.setdefault(step, {})
            if not isinstance(parent, dict):
                raise ValueError(".".join(path[:depth]))
        parent[path[-1]] = value
    return result


def _find_property(
    schema: Mapping[str, Any], parts: list[str], definitions: Mapping[str, Any]
) -> tuple[tuple[str, ...], Mapping[str, object]] | None:
    """Return the path and the schema of a property by the parts of its name; None where there is none."""
    if not parts:
        return (), schema
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        for part in _parts(schema, definitions):
            declared = _properties(part).get(name)
            match = _find_property(as_map(declared), parts[count:], definitions) if declared is not None else None
            if match is not None:
                return (name, *match[0]), match[1]
    # The keys of a map are anybody's: the first dot ends a key where the value is an object, else the key has dots.
    for extra in _additional_schemas(schema, definitions):
        for count in range(1, len(parts) + 1) if "object" not in allowed_types(extra, definitions) else (1,):
            match = _find_property(extra, parts[count:], definitions)
            if match is not None:
                return (".".join(parts[:count]), *match[0]), match[1]
    return None


def _additional_schemas(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas of properties that a schema does not name; nothing for one that takes no others."""
    types = allowed_types(schema, definitions)
    if types and "object" not in types:
        return
    parts = list(_parts(schema, definitions))
    if any(part.get("additionalProperties") is False for part in parts):
        return
    declared = [part["additionalProperties"] for part in parts if "additionalProperties" in part]
    yield from (as_map(node) for node in declared if isinstance(node, Mapping))
    # JSON Schema takes any property where nothing is said; beside named ones that is hardly ever meant.
    if not any(isinstance(node, Mapping) for node in declared) and not any(map(_properties, parts)):
        yield {}


def _parts(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield a schema, its references followed, and those that it combines."""
    schema = resolve_definition(schema, definitions)
    yield schema
    for combiner in _COMBINERS if depth < MAX_TYPE_DEPTH else ():
        for part in schema.get(combiner, ()):
            if isinstance(part, Mapping):
                yield from _parts(part, definitions, depth + 1)


def _properties(schema: Mapping[str, Any]) -> Mapping[str, object]:
    return as_map(schema.get("properties"))
