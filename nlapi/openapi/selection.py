"""Selects operations of a description by tag, id, method or path, and cuts the description down to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from nlapi.errors import Issue
from nlapi.openapi.document import METHODS, resolve_pointer
from nlapi.openapi.egress import ORIGIN_KEY
from nlapi.openapi.schema_upgrade import subtypes_by_base
from nlapi.openapi.spec import EFFECTS_KEY, Operation, Spec, as_list, as_map, parse_servers, unescape_step
from nlapi.openapi.urls import is_http_url
from nlapi.suggestions import nearest

FIELDS = ("tag", "id", "path", "method")

SWAGGER_SECTIONS = ("definitions", "parameters", "responses")
"""The sections of Swagger 2.0 that correspond to `components` of OpenAPI 3."""

# Fields at the root that a subset always preserves; anything else stays only if it is referred to.
ROOT_FIELDS = frozenset(
    "openapi swagger info servers host basePath schemes consumes produces security securityDefinitions tags"
    f" externalDocs jsonSchemaDialect components paths {EFFECTS_KEY}".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The selected operations, in the order of the description, and an Issue for each filter that matches none."""

    operations: tuple[Operation, ...]
    issues: tuple[Issue, ...] = ()


def select_operations(
    spec: Spec, include: Iterable[str] = (), exclude: Iterable[str] = (), *, option: str = "include"
) -> Selection:
    """Return the operations that match any of `include` (all, when empty) and none of `exclude`.

    A filter is a glob with a field in front: `tag:campaigns`, `id:list*`, `path:/campaigns/*`, `method:GET`. Without a
    field it matches the id or the path. `*` also matches slashes; tags and methods match in any case. An operation that
    the description hides (`x-nlapi: {hide: true}`) is never selected. An Issue calls `include` by the name `option`.
    """
    visible = tuple(operation for operation in spec.operations if not operation.hidden)
    include, exclude = _as_tuple(include), _as_tuple(exclude)
    included, unmatched_includes = _match_patterns(visible, include)
    excluded, unmatched_excludes = _match_patterns(visible, exclude)
    chosen = tuple(
        operation for operation in visible if (operation in included or not include) and operation not in excluded
    )
    issues = (
        *(_unmatched_issue(spec, option, pattern) for pattern in unmatched_includes),
        *(_unmatched_issue(spec, "exclude", pattern) for pattern in unmatched_excludes),
    )
    return Selection(operations=chosen, issues=issues)


def _as_tuple(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the filters as a tuple; a single text is one filter."""
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def _match_patterns(operations: Sequence[Operation], patterns: Iterable[str]) -> tuple[set[Operation], list[str]]:
    """Return the operations that some pattern matches, and the patterns that match none."""
    matched: set[Operation] = set()
    unmatched: list[str] = []
    for pattern in patterns:
        matching = [operation for operation in operations if matches(operation, pattern)]
        matched.update(matching)
        if not matching:
            unmatched.append(pattern)
    return matched, unmatched


def matches(operation: Operation, pattern: str) -> bool:
    """Return whether `pattern` matches this operation."""
    field, colon, glob = pattern.partition(":")
    if not colon or field not in FIELDS:
        # Ids contain colons too (`pets:list`), so a pattern with an unknown field is matched whole.
        return any(fnmatchcase(text, _literal(pattern)) for text in (operation.id, operation.path))
    if field == "tag":
        return any(fnmatchcase(tag.casefold(), _literal(glob.casefold())) for tag in operation.tags)
    if field == "method":
        return fnmatchcase(operation.method, _literal(glob.upper()))
    return fnmatchcase(operation.id if field == "id" else operation.path, _literal(glob))


def _literal(glob: str) -> str:
    """Return a glob in which brackets are literal: ids and paths contain them, and no user means a character set."""
    return glob.replace("[", "[[]")


def _unmatched_issue(spec: Spec, option: str, pattern: str) -> Issue:
    field, colon, glob = pattern.partition(":")
    names_by_field: dict[str, list[str]] = {
        "tag": sorted({tag for operation in spec.operations for tag in operation.tags}),
        "method": sorted({operation.method for operation in spec.operations}),
        "path": [operation.path for operation in spec.operations],
        "id": [operation.id for operation in spec.operations],
    }
    if not colon or field not in FIELDS:
        field, glob = "path" if pattern.startswith("/") else "id", pattern
    near = nearest(glob, names_by_field[field], 3)
    # Tags and methods are few enough to list; ids and paths are not.
    choices = near or names_by_field[field][:12] if field in ("tag", "method") else near
    hint = (
        f"{field}s here are such as {', '.join(choices)}"
        if choices
        else f"a filter is {', '.join(f'{field}:GLOB' for field in FIELDS)}, or an id or path"
    )
    return Issue.warning("", f"--{option} {pattern!r} is about no operation", hint)


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


def _follow_path_item(tree: Mapping[str, object], item: Any) -> dict[str, Any]:
    """Return a path item with its `$ref`s followed; keys beside a `$ref` win."""
    siblings: dict[str, Any] = {}
    while isinstance(item, Mapping) and isinstance(ref := item.get("$ref"), str) and ref.startswith("#/"):
        siblings = {**{key: value for key, value in item.items() if key != "$ref"}, **siblings}
        item = resolve_pointer(tree, ref)
    return {**item, **siblings}


PartPath = tuple[str, ...]
"""The keys of a part that is kept or dropped as a whole: `components.schemas.Pet`, `definitions.Pet`."""


def _referenced_parts(
    tree: dict[str, Any], document: Mapping[str, Any], chosen: Mapping[str, Mapping[str, str]]
) -> set[PartPath]:
    """Return the parts that the paths of `tree` refer to, directly or indirectly; all parts when a `$ref` is an anchor.

    A base schema with a discriminator refers to its subtypes, which only name it in their `allOf`. A path item of
    `document` that a `$ref` points into is restored whole, with its other operations hidden.
    """
    subtypes = {_part_path(base): refs for base, refs in subtypes_by_base(document).items()}
    reached: set[PartPath] = set()
    used_bases: set[PartPath] = set()
    todo: list[Any] = [tree["paths"]]
    while todo:
        part = todo.pop()
        # A subtype is made from its base, and is not a use of it that allows the other subtypes.
        own_bases = _own_bases(part) if subtypes else frozenset()
        for ref in _all_refs(part):
            if not ref.startswith("#/"):
                if ref.startswith("#"):
                    # An anchor may be in any part, and finding it costs more than a larger file.
                    todo.append({"$ref": "#/components"})
                    todo += ({"$ref": f"#/{key}"} for key in tree if key != "paths")
                continue
            keys, part_path = _pointer_keys(ref), _part_path(ref)
            path = keys[1] if keys[0] == "paths" and len(keys) > 1 else ""
            if path and isinstance(document["paths"].get(path), Mapping) and not _is_resolvable(tree, ref):
                tree["paths"][path] = _cut_path_item(document, path, chosen.get(path, {}), hide=True)
                todo.append(tree["paths"][path])
            if part_path in subtypes and part_path not in used_bases and ref not in own_bases:
                used_bases.add(part_path)
                todo += ({"$ref": subtype} for subtype in subtypes[part_path])
            if part_path not in reached and keys[0] != "paths":
                reached.add(part_path)
                with suppress(LookupError, TypeError, ValueError):
                    todo.append(resolve_pointer(tree, "/".join(ref.split("/")[: len(part_path) + 1])))
    return reached


def _part_path(ref: str) -> PartPath:
    """Return the path of the part that a `$ref` points to or into."""
    keys = _pointer_keys(ref)
    return keys[: 3 if keys[0] == "components" else 2 if keys[0] in SWAGGER_SECTIONS else 1]


def _own_bases(part: object) -> frozenset[str]:
    """Return the `$ref`s in the `allOf` at the top of a part, where it refers to them nowhere else."""
    refs = [item["$ref"] for item in as_list(as_map(part).get("allOf")) if isinstance(as_map(item).get("$ref"), str)]
    return frozenset(ref for ref in refs if sum(ref == other for other in _all_refs(part)) == refs.count(ref))


def _is_resolvable(tree: Mapping[str, object], ref: str) -> bool:
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


def _prune_section(kind: str, nodes: object, reached: set[PartPath]) -> object:
    # Security requirements name schemes without a `$ref`, so all schemes stay.
    if kind == "securitySchemes" or ("components", kind) in reached:
        return nodes
    return {name: part for name, part in as_map(nodes).items() if ("components", kind, name) in reached}


@lru_cache(maxsize=4096)
def _pointer_keys(ref: str) -> PartPath:
    return tuple(unescape_step(unquote(part)) for part in ref[2:].split("/"))


def _all_refs(node: object) -> Iterator[str]:
    """Yield every `$ref` below a node, and every schema that a discriminator names (OpenAPI 3.1.1 §4.8.25)."""
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, list):
            todo.extend(current)
        elif not isinstance(current, str) and isinstance(current, Mapping):
            if isinstance(current.get("$ref"), str):
                yield current["$ref"]
            for name in as_map(current.get("mapping")).values():
                if isinstance(name, str):
                    yield name if "/" in name else f"#/components/schemas/{name}"
            todo.extend(current.values())


def _write_servers(tree: dict[str, Any], spec: Spec) -> None:
    """Write the servers of a description that came from a URL as absolute URLs, and where it came from."""
    if not spec.origin.url:
        return
    # A file may name private servers, and the copy becomes one.
    tree[ORIGIN_KEY] = spec.origin.as_extension()
    if not is_http_url(spec.source):
        return
    if "swagger" in tree and "openapi" not in tree:
        scheme, _, location = spec.servers[0].url.partition("://")
        tree |= {"host": location.partition("/")[0]} if not tree.get("host") else {}
        tree |= {"schemes": [scheme]} if not tree.get("schemes") else {}
        return
    tree["servers"] = _absolute_servers(tree.get("servers"), spec.source) or [{"url": spec.servers[0].url}]
    for item in tree["paths"].values():
        for node in (
            item,
            *(operation for key, operation in item.items() if key in METHODS and isinstance(operation, dict)),
        ):
            if node.get("servers"):
                node["servers"] = _absolute_servers(node["servers"], spec.source)


def _absolute_servers(listed: object, source: str) -> list[dict[str, object]]:
    usable = [node for node in as_list(listed) if isinstance(node, Mapping) and isinstance(node.get("url"), str)]
    return [{**node, "url": server.url} for node, server in zip(usable, parse_servers(usable, source), strict=True)]


def _rename_operation_ids(node: object, names: Mapping[str, str]) -> Any:
    """Return the tree with the operationIds of its Links renamed like those of the operations."""
    if isinstance(node, list):
        return [_rename_operation_ids(child, names) for child in node]
    if not isinstance(node, Mapping):
        return node
    operation_id = node.get("operationId")
    new = {"operationId": names[operation_id]} if isinstance(operation_id, str) and operation_id in names else {}
    return {key: _rename_operation_ids(value, names) for key, value in node.items()} | new
