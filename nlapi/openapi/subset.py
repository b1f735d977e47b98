"""Cuts a description down to some of its operations and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from nlapi.openapi.document import METHODS, resolve_pointer
from nlapi.openapi.parts import as_list, as_map, unescape_step
from nlapi.openapi.servers import parse_servers
from nlapi.openapi.spec import EFFECTS_KEY, Spec

SWAGGER_SECTIONS = ("definitions", "parameters", "responses")
"""The sections of Swagger 2.0 that correspond to `components` of OpenAPI 3."""

# Fields at the root that a subset always preserves; anything else stays only if it is referred to.
ROOT_FIELDS = frozenset(
    "openapi swagger info servers host basePath schemes consumes produces security securityDefinitions tags"
    f" externalDocs jsonSchemaDialect components paths {EFFECTS_KEY}".split()
)


def subset(spec: Spec, ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the description of the operations in `ids` (id -> new id), with everything that they refer to.

    Its servers are written as absolute URLs, because the file will be at another location. Parts that differ from the
    Spec's document are copies.
    """
    chosen: dict[str, dict[str, str]] = {}
    for operation in spec.operations:
        if operation.id in ids:
            chosen.setdefault(operation.path, {})[operation.method] = ids[operation.id]
    tree = dict(spec.document)
    tree["paths"] = {path: _cut_path_item(tree, path, methods) for path, methods in chosen.items()}
    tree = _prune(tree, _referenced_parts(tree, spec.document, chosen))
    _write_servers(tree, spec)
    renamed = {old: new for old, new in ids.items() if old != new}
    return _rename_operation_ids(tree, renamed) if renamed else tree


def _cut_path_item(tree: Mapping[str, Any], path: str, ids: Mapping[str, str], *, hide: bool = False) -> dict[str, Any]:
    """Return a path item with the operations in `ids` (method -> id) only; with `hide` the others stay, hidden."""
    item = _follow_path_item(tree, tree["paths"][path])
    result = {key: value for key, value in item.items() if key.lower() not in METHODS and key != "additionalOperations"}
    # Capitals sort first, so that the correct spelling of a method overwrites them, as in `parse`.
    operations = [*((key, item[key]) for key in sorted(item, key=str.islower) if key.lower() in METHODS)]
    operations += as_map(item.get("additionalOperations")).items()
    for key, node in operations:
        method = key.lower() if key.lower() in METHODS else key
        target = result if method in METHODS else result.setdefault("additionalOperations", {})
        if key.upper() in ids and isinstance(node, Mapping):
            target[method] = {**node, "operationId": ids[key.upper()]}
        elif hide and isinstance(node, Mapping):
            target[method] = {**node, "x-nlapi-hide": True}
    return result


def _follow_path_item(tree: Mapping[str, Any], item: Any) -> dict[str, Any]:
    """Return a path item with its `$ref`s followed; keys beside a `$ref` win."""
    siblings: dict[str, Any] = {}
    while isinstance(item, Mapping) and isinstance(ref := item.get("$ref"), str) and ref.startswith("#/"):
        siblings = {**{key: value for key, value in item.items() if key != "$ref"}, **siblings}
        item = resolve_pointer(tree, ref)
    return {**item, **siblings}


PartPath = tuple[str, ...]
"""The keys of a part that is kept or dropped as a whole: `components.schemas.Pet`, `definitions.Pet`."""


def _referenced_parts(tree: dict[str, Any], document: Mapping[str, Any], chosen: Mapping[str, Mapping[str, str]]) -> set[PartPath]:
    """Return the parts that the paths of `tree` refer to, directly or indirectly; all parts when a `$ref` is an anchor.

    A path item of `document` that a `$ref` points into is restored whole, with its other operations hidden.
    """
    reached: set[PartPath] = set()
    todo: list[Any] = [tree["paths"]]
    while todo:
        for ref in _all_refs(todo.pop()):
            if not ref.startswith("#/"):
                if ref.startswith("#"):
                    # An anchor may be in any part, and finding it costs more than a larger file.
                    todo.append({"$ref": "#/components"})
                    todo += ({"$ref": f"#/{key}"} for key in tree if key != "paths")
                continue
            parts = _pointer_keys(ref)
            path = parts[1] if parts[0] == "paths" and len(parts) > 1 else ""
            if path and isinstance(document["paths"].get(path), Mapping) and not _is_resolvable(tree, ref):
                tree["paths"][path] = _cut_path_item(document, path, chosen.get(path, {}), hide=True)
                todo.append(tree["paths"][path])
            part_path = tuple(parts[: 3 if parts[0] == "components" else 2 if parts[0] in SWAGGER_SECTIONS else 1])
            if part_path not in reached and parts[0] != "paths":
                reached.add(part_path)
                with suppress(LookupError, TypeError, ValueError):
                    todo.append(resolve_pointer(tree, "/".join(ref.split("/")[: len(part_path) + 1])))
    return reached


def _is_resolvable(tree: Mapping[str, Any], ref: str) -> bool:
    try:
        resolve_pointer(tree, ref)
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _prune(tree: Mapping[str, Any], reached: set[PartPath]) -> dict[str, Any]:
    """Return `tree` without the parts that nothing in it refers to."""
    tops = {part_path[0] for part_path in reached}
    result = {key: value for key, value in tree.items() if key in ROOT_FIELDS or key in tops}
    for section in SWAGGER_SECTIONS:
        if isinstance(result.get(section), Mapping) and (section,) not in reached:
            result[section] = {name: part for name, part in result[section].items() if (section, name) in reached}
    if isinstance(result.get("components"), Mapping) and ("components",) not in reached:
        sections = {kind: _prune_section(kind, nodes, reached) for kind, nodes in result["components"].items()}
        result["components"] = {kind: nodes for kind, nodes in sections.items() if nodes}
    return result


def _prune_section(kind: str, nodes: Any, reached: set[PartPath]) -> Any:
    # Security requirements name schemes without a `$ref`, so all schemes stay.
    if kind == "securitySchemes" or ("components", kind) in reached:
        return nodes
    return {name: part for name, part in as_map(nodes).items() if ("components", kind, name) in reached}


def _pointer_keys(ref: str) -> list[str]:
    return [unescape_step(unquote(part)) for part in ref[2:].split("/")]


def _all_refs(node: Any) -> Iterator[str]:
    """Yield every `$ref` below a node, and every schema that a discriminator names (OpenAPI 3.1.1 §4.8.25)."""
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, list):
            todo.extend(current)
        elif isinstance(current, Mapping):
            if isinstance(current.get("$ref"), str):
                yield current["$ref"]
            for name in as_map(current.get("mapping")).values():
                if isinstance(name, str):
                    yield name if "/" in name else f"#/components/schemas/{name}"
            todo.extend(current.values())


def _write_servers(tree: dict[str, Any], spec: Spec) -> None:
    """Write the servers of a description that came from a URL as absolute URLs."""
    if not spec.source.startswith(("http://", "https://")):
        return
    if "swagger" in tree and "openapi" not in tree:
        scheme, _, location = spec.servers[0].url.partition("://")
        tree |= {"host": location.partition("/")[0]} if not tree.get("host") else {}
        tree |= {"schemes": [scheme]} if not tree.get("schemes") else {}
        return
    tree["servers"] = _absolute_servers(tree.get("servers"), spec.source) or [{"url": spec.servers[0].url}]
    for item in tree["paths"].values():
        for node in (item, *(operation for key, operation in item.items() if key in METHODS and isinstance(operation, dict))):
            if node.get("servers"):
                node["servers"] = _absolute_servers(node["servers"], spec.source)


def _absolute_servers(listed: Any, source: str) -> list[dict[str, Any]]:
    usable = [node for node in as_list(listed) if isinstance(node, Mapping) and isinstance(node.get("url"), str)]
    return [{**node, "url": server.url} for node, server in zip(usable, parse_servers(usable, source), strict=True)]


def _rename_operation_ids(node: Any, names: Mapping[str, str]) -> Any:
    """Return the tree with the operationIds of its Links renamed like those of the operations."""
    if isinstance(node, list):
        return [_rename_operation_ids(child, names) for child in node]
    if not isinstance(node, Mapping):
        return node
    operation_id = node.get("operationId")
    new = {"operationId": names[operation_id]} if isinstance(operation_id, str) and operation_id in names else {}
    return {key: _rename_operation_ids(value, names) for key, value in node.items()} | new
