"""The names of an operation's arguments, read from the raw description without parsing the operation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from nlapi.openapi.parts import as_list, as_map
from nlapi.openapi.spec import Operation

# The index reads every operation of an API (GitHub's 1,223 in 81 ms, benchmarks/RESULTS.md), so `allOf` and `$ref` are
# followed two levels only.
_MAX_SCHEMA_DEPTH = 2
# The names of a larger body say little about what the operation does, and would lengthen the document in BM25.
_MAX_PROPERTIES = 40


def argument_names(operation: Operation) -> list[str]:
    """Return the names of the parameters and of the top-level properties of the body.

    A referenced parameter is named by the last segment of its `$ref`. Malformed parts are skipped.
    """
    document = operation.spec.document
    item = as_map(as_map(document.get("paths")).get(operation.path))
    node = as_map(item.get(operation.method.lower()))
    names: list[str] = []
    for parameter in (*as_list(item.get("parameters")), *as_list(node.get("parameters"))):
        if not isinstance(parameter, Mapping):
            continue
        if parameter.get("in") == "body":
            names += _properties(document, parameter.get("schema"), _MAX_SCHEMA_DEPTH)
        else:
            names.append(str(parameter.get("name") or str(parameter.get("$ref", "")).rpartition("/")[2]))
    if body := node.get("requestBody"):
        media = next(iter(as_map(_resolve(document, body).get("content")).values()), None)
        names += _properties(document, as_map(media).get("schema"), _MAX_SCHEMA_DEPTH)
    return names


def _properties(document: Mapping[str, Any], schema: Any, depth: int) -> list[str]:
    schema = _resolve(document, schema)
    names = [str(name) for name in islice(as_map(schema.get("properties")), _MAX_PROPERTIES)]
    for part in as_list(schema.get("allOf")) if depth else ():
        names += _properties(document, part, depth - 1)
    return names


def _resolve(document: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    """Return a node with its `$ref` resolved within the document; {} where the target is no object."""
    for _ in range(_MAX_SCHEMA_DEPTH):
        ref = as_map(node).get("$ref")
        if not isinstance(ref, str):
            break
        node = document
        for part in ref.lstrip("#/").split("/"):
            # RFC 6901 §4: `~1` is decoded before `~0`, or `~01` would become `/`.
            node = as_map(node).get(part.replace("~1", "/").replace("~0", "~"))
    return as_map(node)
