"""Cuts a description down to some of its operations and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from nlapi.openapi.document import METHODS, at
from nlapi.openapi.parts import as_list, as_map, unescape_step
from nlapi.openapi.servers import servers
from nlapi.openapi.spec import EFFECTS_KEY, Spec

SECTIONS = ("definitions", "parameters", "responses")
"""The sections of Swagger 2.0 that correspond to `components` of OpenAPI 3."""

# Fields at the root that a subset always preserves; anything else stays only if it is referred to.
TOP = frozenset(
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
    tree["paths"] = {path: _item(tree, path, methods) for path, methods in chosen.items()}
    tree = _pruned(tree, _reached(tree, spec.document, chosen))
    _place(tree, spec)
    renamed = {old: new for old, new in ids.items() if old != new}
    return _renamed(tree, renamed) if renamed else tree


def _item(tree: Mapping[str, Any], path: str, ids: Mapping[str, str], *, hide: bool = False) -> dict[str, Any]:
    """Return a path item with the operations in `ids` (method -> id) only; with `hide` the others stay, hidden."""
    item = _whole(tree, tree["paths"][path])
    kept = {key: value for key, value in item.items() if key.lower() not in METHODS and key != "additionalOperations"}
    # Capitals sort first, so that the correct spelling of a method overwrites them, as in `parse`.
    listed = [*((key, item[key]) for key in sorted(item, key=str.islower) if key.lower() in METHODS)]
    listed += as_map(item.get("additionalOperations")).items()
    for key, node in listed:
        method = key.lower() if key.lower() in METHODS else key
        home = kept if method in METHODS else kept.setdefault("additionalOperations", {})
        if key.upper() in ids and isinstance(node, Mapping):
            home[method] = {**node, "operationId": ids[key.upper()]}
        elif hide and isinstance(node, Mapping):
            home[method] = {**node, "x-nlapi-hide": True}
    return kept


def _whole(tree: Mapping[str, Any], item: Any) -> dict[str, Any]:
    """Return a path item with its `$ref`s followed; keys beside a `$ref` win."""
    beside: dict[str, Any] = {}
    while isinstance(item, Mapping) and isinstance(ref := item.get("$ref"), str) and ref.startswith("#/"):
        beside = {**{key: value for key, value in item.items() if key != "$ref"}, **beside}
        item = at(tree, ref)
    return {**item, **beside}


Home = tuple[str, ...]
"""The keys of a part that is kept or dropped as a whole: `components.schemas.Pet`, `definitions.Pet`."""


def _reached(tree: dict[str, Any], document: Mapping[str, Any], chosen: Mapping[str, Mapping[str, str]]) -> set[Home]:
    """Return the parts that the paths of `tree` refer to, directly or indirectly; all parts when a `$ref` is an anchor.

    A path item of `document` that a `$ref` points into is restored whole, with its other operations hidden.
    """
    reached: set[Home] = set()
    todo: list[Any] = [tree["paths"]]
    while todo:
        for ref in _refs(todo.pop()):
            if not ref.startswith("#/"):
                if ref.startswith("#"):
                    # An anchor may be in any part, and finding it costs more than a larger file.
                    todo.append({"$ref": "#/components"})
                    todo += ({"$ref": f"#/{key}"} for key in tree if key != "paths")
                continue
            parts = _parts(ref)
            path = parts[1] if parts[0] == "paths" and len(parts) > 1 else ""
            if path and isinstance(document["paths"].get(path), Mapping) and not _leads(tree, ref):
                tree["paths"][path] = _item(document, path, chosen.get(path, {}), hide=True)
                todo.append(tree["paths"][path])
            home = tuple(parts[: 3 if parts[0] == "components" else 2 if parts[0] in SECTIONS else 1])
            if home not in reached and parts[0] != "paths":
                reached.add(home)
                with suppress(LookupError, TypeError, ValueError):
                    todo.append(at(tree, "/".join(ref.split("/")[: len(home) + 1])))
    return reached


def _leads(tree: Mapping[str, Any], ref: str) -> bool:
    try:
        at(tree, ref)
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _pruned(tree: Mapping[str, Any], reached: set[Home]) -> dict[str, Any]:
    """Return `tree` without the parts that nothing in it refers to."""
    tops = {home[0] for home in reached}
    kept = {key: value for key, value in tree.items() if key in TOP or key in tops}
    for section in SECTIONS:
        if isinstance(kept.get(section), Mapping) and (section,) not in reached:
            kept[section] = {name: one for name, one in kept[section].items() if (section, name) in reached}
    if isinstance(kept.get("components"), Mapping) and ("components",) not in reached:
        sections = {kind: _only(kind, nodes, reached) for kind, nodes in kept["components"].items()}
        kept["components"] = {kind: nodes for kind, nodes in sections.items() if nodes}
    return kept


def _only(kind: str, nodes: Any, reached: set[Home]) -> Any:
    # Security requirements name schemes without a `$ref`, so all schemes stay.
    if kind == "securitySchemes" or ("components", kind) in reached:
        return nodes
    return {name: one for name, one in as_map(nodes).items() if ("components", kind, name) in reached}


def _parts(ref: str) -> list[str]:
    return [unescape_step(unquote(part)) for part in ref[2:].split("/")]


def _refs(node: Any) -> Iterator[str]:
    """Yield every `$ref` below a node, and every schema that a discriminator names (OpenAPI 3.1.1 §4.8.25)."""
    todo = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            todo.extend(one)
        elif isinstance(one, Mapping):
            if isinstance(one.get("$ref"), str):
                yield one["$ref"]
            for name in as_map(one.get("mapping")).values():
                if isinstance(name, str):
                    yield name if "/" in name else f"#/components/schemas/{name}"
            todo.extend(one.values())


def _place(tree: dict[str, Any], spec: Spec) -> None:
    """Write the servers of a description that came from a URL as absolute URLs."""
    if not spec.source.startswith(("http://", "https://")):
        return
    if "swagger" in tree and "openapi" not in tree:
        scheme, _, rest = spec.servers[0].url.partition("://")
        tree |= {"host": rest.partition("/")[0]} if not tree.get("host") else {}
        tree |= {"schemes": [scheme]} if not tree.get("schemes") else {}
        return
    tree["servers"] = _absolute(tree.get("servers"), spec.source) or [{"url": spec.servers[0].url}]
    for item in tree["paths"].values():
        for node in (item, *(one for key, one in item.items() if key in METHODS and isinstance(one, dict))):
            if node.get("servers"):
                node["servers"] = _absolute(node["servers"], spec.source)


def _absolute(listed: Any, source: str) -> list[dict[str, Any]]:
    usable = [node for node in as_list(listed) if isinstance(node, Mapping) and isinstance(node.get("url"), str)]
    return [{**node, "url": one.url} for node, one in zip(usable, servers(usable, source), strict=True)]


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    """Return the tree with the operationIds of its Links renamed like those of the operations."""
    if isinstance(node, list):
        return [_renamed(one, names) for one in node]
    if not isinstance(node, Mapping):
        return node
    named = node.get("operationId")
    new = {"operationId": names[named]} if isinstance(named, str) and named in names else {}
    return {key: _renamed(value, names) for key, value in node.items()} | new
