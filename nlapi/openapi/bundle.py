"""Joins a description in several files into one tree, in which every `$ref` is local and nothing is expanded.

The target of a `$ref` to another file is moved under `components` (in Swagger 2.0 `definitions`, `parameters`,
`responses`) under its own name. A target that has no section there (a path item, an operation, a whole `paths`)
replaces the `$ref` in place. A `$ref` can name any YAML file, such as one with secrets, so only an object of the kind
that is used there becomes a part of the description: the words of the file must not reach a tool by way of an object
whose other keys nobody reads. The reasons for an own bundler instead of prance: docs/design/005-bundling.md.

OpenAPI 3.0 to 3.2 and Swagger 2.0 share one table of which field of which object holds which other objects: a field of
the same name holds the same kind of object in each.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from nlapi.errors import DescriptionError, Issue
from nlapi.openapi.document import METHODS
from nlapi.openapi.fetch import DescriptionFiles
from nlapi.openapi.schema_upgrade import (
    BOUND_KEYWORDS,
    COUNT_KEYWORDS,
    DROPPED_KEYWORDS,
    SCHEMA_KEYWORDS,
    SCHEMA_LIST_KEYWORDS,
    SCHEMA_MAP_KEYWORDS,
)
from nlapi.openapi.spec import escape_step, unescape_step

FieldKind = tuple[str, bool]
"""The kind of object that a field holds; True when it holds a list or map of them."""

COMPONENT_SECTIONS: Mapping[str, tuple[str, str]] = {
    "schema": ("definitions", "schemas"),
    "parameter": ("parameters", "parameters"),
    "response": ("responses", "responses"),
    "requestBody": ("", "requestBodies"),
    "header": ("", "headers"),
    "link": ("", "links"),
    "callback": ("", "callbacks"),
    "securityScheme": ("", "securitySchemes"),
}
"""Kind -> its section in Swagger 2.0 ("" for none) and under `components` in OpenAPI 3. Other kinds have no section."""

EXTENSIBLE_KINDS = frozenset(("pathItem", "response"))
"""Kinds in whose maps a key that begins with `x-` is an extension; in other maps it is a name."""

# A Header Object has the fields of a Parameter Object (OpenAPI 3.1.1 §4.8.21).
PARAMETER_FIELDS: Mapping[str, FieldKind] = {
    "schema": ("schema", False),
    "content": ("media", True),
    "examples": ("example", True),
}

OBJECT_FIELDS: Mapping[str, Mapping[str, FieldKind]] = {
    "root": {
        "info": ("plain", False),
        "servers": ("plain", True),
        "tags": ("plain", True),
        "security": ("plain", True),
        "paths": ("pathItem", True),
        "webhooks": ("pathItem", True),
        "components": ("components", False),
        **{old: (kind, True) for kind, (old, _) in COMPONENT_SECTIONS.items() if old},
        "securityDefinitions": ("securityScheme", True),
    },
    "components": {
        **{new: (kind, True) for kind, (_, new) in COMPONENT_SECTIONS.items()},
        "examples": ("example", True),
        "pathItems": ("pathItem", True),
        "mediaTypes": ("media", True),
    },
    "pathItem": {
        # Descriptions with methods in capitals are read too, see `parse`.
        **dict.fromkeys((*METHODS, *map(str.upper, METHODS)), ("operation", False)),
        "additionalOperations": ("operation", True),
        "parameters": ("parameter", True),
        "servers": ("plain", True),
    },
    "operation": {
        "parameters": ("parameter", True),
        "requestBody": ("requestBody", False),
        "responses": ("response", True),
        "callbacks": ("callback", True),
        "servers": ("plain", True),
        "security": ("plain", True),
        "tags": ("plain", True),
    },
    # The keys of a callback are runtime expressions, so any key may hold a path item (OpenAPI 3.1.1 §4.8.18).
    "callback": {"*": ("pathItem", False)},
    "parameter": PARAMETER_FIELDS,
    "header": PARAMETER_FIELDS,
    "requestBody": {"content": ("media", True)},
    "response": {
        "schema": ("schema", False),
        "content": ("media", True),
        "headers": ("header", True),
        "links": ("link", True),
    },
    "media": {
        "schema": ("schema", False),
        "itemSchema": ("schema", False),
        "examples": ("example", True),
        "encoding": ("encoding", True),
    },
    "encoding": {"headers": ("header", True)},
    "schema": {
        **dict.fromkeys(SCHEMA_MAP_KEYWORDS, ("schema", True)),
        **dict.fromkeys(SCHEMA_LIST_KEYWORDS, ("schema", True)),
        **dict.fromkeys(SCHEMA_KEYWORDS, ("schema", False)),
    },
    **{kind: {} for kind in ("example", "link", "securityScheme", "plain")},
}
"""Kind -> its fields that hold objects; "*" stands for every field."""

TEXT_FIELDS = frozenset(("description", "summary", "title"))
"""Fields that hold texts."""

DATA_FIELDS = frozenset(("example", "value"))
"""Fields that hold data."""


# Nested `$ref`s on the way to one target; more is taken for a ring.
MAX_HOPS = 20

# Levels of nesting over all files, so that recursion stays below Python's limit; `document` bounds one file.
MAX_DEPTH = 200

# A value of a discriminator's `mapping` is either a reference or a schema name (OpenAPI 3.1.1 §4.8.25); a slash, a `#`
# or a file suffix marks the reference.
MAPPING_REFERENCE = re.compile(r"[/#]|\.(?:json|ya?ml)$")


@dataclass(frozen=True, slots=True)
class ReferenceTarget:
    """The target of a `$ref`: `file` is its place, "" the root; `pointer` is "" or begins with a slash."""

    file: str
    pointer: str

    def candidate_names(self) -> list[str]:
        """Return candidate names for a component, best first: the last step, then with its folders in front."""
        path = PurePosixPath(self.file.partition("?")[0])
        steps = [unescape_step(step) for step in self.pointer.split("/") if step] or [path.stem]
        folders = [*path.parts[:-1], *([path.stem] if self.pointer else [])]
        base_name = _identifier(steps[-1]) or "item"
        prefixes = [_identifier(part) for part in folders]
        return [
            base_name,
            *("_".join([*filter(None, prefixes[-count:]), base_name]) for count in range(1, len(prefixes) + 1)),
        ]


class UnresolvedReferenceError(Exception):
    """An unresolved `$ref`; the message is the reason."""


@dataclass(slots=True)
class ReferenceResolver:
    """Resolves targets in a tree and its files.

    `local_nodes` are the nodes, by id, whose `$ref` was made local to the root. `added_pointers` are those of
    components that came from files, which the author of the root did not write.
    """

    tree: dict[str, Any]
    files: DescriptionFiles
    local_nodes: dict[int, object] = field(default_factory=dict)
    added_pointers: set[str] = field(default_factory=set)
    in_progress: set[ReferenceTarget] = field(default_factory=set)

    def target(self, ref: str, file: str) -> ReferenceTarget:
        """Return the target of `ref` as written in `file`."""
        path, _, fragment = ref.partition("#")
        pointer = unquote(fragment)
        if path:
            try:
                return ReferenceTarget(self.files.locate(path, file), "" if pointer == "/" else pointer)
            except LookupError as error:
                raise UnresolvedReferenceError(str(error.args[0])) from None
        file_target, root_target = ReferenceTarget(file, pointer), ReferenceTarget("", pointer)
        # Many write `#/components/...` in every file as if it were the root's; the file's own target still wins.
        added_prefixes = {f"#{'/'.join(pointer.split('/')[:length])}" for length in (3, 4)} & self.added_pointers
        return (
            root_target
            if file and not self.can_resolve(file_target) and not added_prefixes and self.can_resolve(root_target)
            else file_target
        )

    def can_resolve(self, target: ReferenceTarget) -> bool:
        try:
            self.resolve(target)
        except UnresolvedReferenceError:
            return False
        return True

    def resolve(self, target: ReferenceTarget) -> tuple[Any, str]:
        """Return the node of a target and its file; `$ref`s on the way are followed."""
        if target in self.in_progress or len(self.in_progress) > MAX_HOPS:
            raise UnresolvedReferenceError("it leads to itself")
        try:
            node, file = (self.files.tree(target.file) if target.file else self.tree), target.file
        except LookupError as error:
            raise UnresolvedReferenceError(str(error.args[0])) from None
        if target.pointer and not target.pointer.startswith("/"):
            return _find_anchor(node, target), file
        self.in_progress.add(target)
        try:
            for step in map(unescape_step, target.pointer.split("/")[1:]):
                ref = node.get("$ref") if isinstance(node, dict) and step not in node else None
                if isinstance(ref, str):
                    node, file = self.resolve(self.target(ref, "" if id(node) in self.local_nodes else file))
                node = _child(node, step, target.file or self.files.root)
        finally:
            self.in_progress.discard(target)
        return node, file


def _child(node: object, step: str, file: str) -> object:
    if isinstance(node, dict) and step in node:
        return node[step]
    if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
        return node[int(step)]
    raise UnresolvedReferenceError(f"{file} has no such part")


def _find_anchor(tree: object, target: ReferenceTarget) -> object:
    """Return the schema with this `$anchor` (JSON Schema 2020-12 §8.2.2)."""
    # Imported on first use: most descriptions have no anchor.
    from nlapi.schema_validator import local_resolver

    try:
        return local_resolver(tree).lookup(f"#{target.pointer}").contents
    except Exception as error:  # referencing raises KeyError, TypeError and its own errors
        raise UnresolvedReferenceError(f"{target.file} has no anchor {target.pointer}") from error


def _escape_fragment(name: str) -> str:
    """Return a key as a step of a `$ref`'s JSON pointer (RFC 6901 §3 and §6)."""
    return percent_encode(escape_step(name))


def percent_encode(pointer: str) -> str:
    """Return a JSON pointer as the fragment of a `$ref`, in which `%` begins an escape."""
    return pointer.replace("%", "%25")


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.")


def bundle(
    tree: dict[str, object], files: DescriptionFiles
) -> tuple[dict[str, object], dict[str, str], tuple[Issue, ...]]:
    """Return `tree`, changed in place, as one description, the `$ref`s that stay unresolved with the reason of each,
    and Issues for those that are left out.

    DescriptionError when the description is nested too deep.
    """
    bundler = _Bundler(tree, files, ReferenceResolver(tree, files))
    bundler.run()
    bundler.resolve_operation_refs()
    # Last, as a `$ref` may lead to a part of a file whose name is not a keyword of the schema around it.
    restrict(bundler.parts)
    return tree, bundler.unresolved, tuple(bundler.issues)


@dataclass(slots=True)
class _Bundler:
    """The state of one bundling. The trees of all files belong to this object and are changed in place.

    `visited`, `moved_nodes` (from a file to the root's components, still to be walked as part of that file) and
    `in_progress` identify a node by its id; the first two also hold it, so that no id is reused.
    """

    tree: dict[str, Any]
    files: DescriptionFiles
    resolver: ReferenceResolver
    unresolved: dict[str, str] = field(default_factory=dict)
    component_pointers: dict[tuple[ReferenceTarget, str], str] = field(default_factory=dict)
    queue: deque[tuple[object, str, str]] = field(default_factory=deque)
    visited: dict[int, object] = field(default_factory=dict)
    moved_nodes: dict[int, object] = field(default_factory=dict)
    in_progress: set[int] = field(default_factory=set)
    links: list[tuple[dict[str, object], str]] = field(default_factory=list)
    parts: list[tuple[object, str, bool]] = field(default_factory=list)
    """The nodes that came from other files, each with its kind and whether it is a collection of those."""
    issues: list[Issue] = field(default_factory=list)

    def run(self) -> None:
        """Walk the root, then each moved component as part of the file that it came from."""
        self.queue.append((self.tree, "root", ""))
        for kind in COMPONENT_SECTIONS:
            # Before the walk: a `$ref` met during it must already find the root's own name for its target.
            self.register_references(kind)
        while self.queue:
            self.resolve_node(*self.queue.popleft(), 0)

    def register_references(self, kind: str) -> None:
        """Register each component of the root that is only a `$ref` to a file as the place of its target."""
        section = self.section(kind)
        for name, node in section.items() if isinstance(section, dict) else ():
            ref = node.get("$ref", "#") if isinstance(node, dict) and len(node) == 1 else "#"
            if not isinstance(ref, str) or ref.startswith("#"):
                continue
            try:
                target = self.resolver.target(ref, "")
                target_node, file = self.resolver.resolve(target)
            except UnresolvedReferenceError:
                continue  # reported when the walk reaches it
            if (
                file
                and isinstance(target_node, dict)
                and is_part(target_node, kind)
                and (target, kind) not in self.component_pointers
            ):
                self.component_pointers[target, kind] = self.pointer(kind, name)
                self.visited[id(node)] = node
                self.move(target_node, kind, file, section, name)

    def section(self, kind: str, *, make: bool = False) -> Any:
        """Return the map of the root that holds the components of `kind`, or None."""
        node: Any = self.tree
        for key in self.section_path(kind):
            if make and not isinstance(node.get(key), dict):
                node[key] = {}
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def section_path(self, kind: str) -> tuple[str, ...]:
        """Return the keys that lead to that map; empty when this version of OpenAPI has no section for the kind."""
        old, new = COMPONENT_SECTIONS.get(kind, ("", ""))
        if "swagger" in self.tree and "openapi" not in self.tree:
            return (old,) if old else ()
        return ("components", new) if new else ()

    def pointer(self, kind: str, name: str) -> str:
        return f"#/{'/'.join(self.section_path(kind))}/{_escape_fragment(name)}"

    # Walking a tree

    def resolve_below(self, node: Any, kind: str, file: str, depth: int) -> None:
        """Resolve every `$ref` below `node`, a map of the given kind in `file`."""
        if id(node) in self.visited:
            return
        if depth > MAX_DEPTH:
            raise DescriptionError(f"{self.files.root} is nested more than {MAX_DEPTH} levels deep")
        self.visited[id(node)] = node
        self.in_progress.add(id(node))
        if kind == "link":
            self.links.append((node, file))
        elif kind == "schema" and "discriminator" in node:
            self.resolve_mapping(node["discriminator"], file)
        fields = OBJECT_FIELDS[kind]
        for key, value in list(node.items()):  # the walk of the root adds components to it
            if not isinstance(value, dict | list):
                continue
            if key in TEXT_FIELDS or key in DATA_FIELDS:
                self.drop_file(node, key, file)
            elif field_kind := fields.get(key) or fields.get("*"):
                child_kind, is_collection = field_kind
                node[key] = (self.resolve_children if is_collection else self.resolve_node)(
                    value, child_kind, file, depth + 1
                )
        self.in_progress.discard(id(node))

    def resolve_children(self, value: object, kind: str, file: str, depth: int) -> object:
        """Return the replacement of a list or map of nodes of one kind, with each node resolved."""
        value, file = self.follow_inline(value, file)
        if file:
            self.parts.append((value, kind, True))
        if id(value) in self.visited or not isinstance(value, dict | list):
            return value
        self.visited[id(value)] = value
        self.in_progress.add(id(value))
        for key, child in list(value.items()) if isinstance(value, dict) else enumerate(value):
            extension = kind in EXTENSIBLE_KINDS and str(key).startswith("x-")
            if not extension and (file or id(child) not in self.moved_nodes):
                value[key] = self.resolve_node(child, kind, file, depth)
        self.in_progress.discard(id(value))
        return value

    def resolve_node(self, node: object, kind: str, file: str, depth: int) -> object:
        """Return the replacement of one node of the given kind, with its `$ref` resolved."""
        if not isinstance(node, dict):
            return node
        ref = node.get("$ref")
        if isinstance(ref, str) and id(node) not in self.resolver.local_nodes:
            if not self.section_path(kind):
                self.resolve_below(node, kind, file, depth)
                node, file = self.follow_inline(node, file, kind)
                if file:
                    self.parts.append((node, kind, False))
            else:
                self.resolver.local_nodes[id(node)] = node
                self.resolve_reference(node, ref, kind, file)
        if isinstance(node, dict):
            self.resolve_below(node, kind, file, depth)
        return node

    def resolve_reference(self, node: dict[str, object], ref: str, kind: str, file: str) -> None:
        """Make the `$ref` of `node` a local one, to a place under `components`."""
        if not file and ref.startswith("#"):
            if ref.startswith("#/x-"):  # the walk skips extensions, so their targets are queued here
                with suppress(UnresolvedReferenceError):
                    target_node, file = self.resolver.resolve(self.resolver.target(ref, ""))
                    self.queue.append((target_node, kind, file))
            return
        try:
            node["$ref"] = self.local_ref(ref, kind, file)
        except UnresolvedReferenceError as error:
            self.keep_unresolved(node, ref, file, str(error))

    def local_ref(self, ref: str, kind: str, file: str) -> str:
        """Return the local `$ref` for `ref` as written in `file`; UnresolvedReferenceError when it is unresolved."""
        target = self.resolver.target(ref, file)
        return self.component_pointer(target, kind) if target.file else f"#{percent_encode(target.pointer)}"

    def resolve_mapping(self, discriminator: object, file: str) -> None:
        """Make the references among the values of a discriminator's `mapping` local (OpenAPI 3.1.1 §4.8.25)."""
        mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
        if not isinstance(mapping, dict):
            return
        for key, value in mapping.items():
            if isinstance(value, str) and MAPPING_REFERENCE.search(value) and not (value.startswith("#") and not file):
                with suppress(UnresolvedReferenceError):
                    mapping[key] = self.local_ref(value, "schema", file)

    def resolve_operation_refs(self) -> None:
        """Make each `operationRef` of a Link into another file refer to that operation under `paths`."""
        operations = {
            id(node): f"#/paths/{_escape_fragment(path)}/{method}"
            for path, item in (self.tree["paths"].items() if isinstance(self.tree.get("paths"), dict) else ())
            for method, node in (item.items() if isinstance(item, dict) else ())
        }
        for link, file in self.links:
            ref = link.get("operationRef")
            if isinstance(ref, str) and (file or not ref.startswith("#")):
                with suppress(UnresolvedReferenceError):
                    target_node, _ = self.follow_inline(*self.resolver.resolve(self.resolver.target(ref, file)))
                    link["operationRef"] = operations.get(id(target_node), ref)

    def keep_unresolved(self, node: dict[str, object], ref: str, file: str, reason: str) -> None:
        """Keep an unresolved `$ref`, rewritten so that it is unique, and store the reason."""
        ref = f"{file}{ref}" if ref.startswith("#") else ref
        if self.unresolved.get(ref, reason) != reason:
            ref = f"{ref} in {file or self.files.root}"
        node["$ref"] = ref
        self.resolver.local_nodes[id(node)] = node
        self.unresolved[ref] = reason

    def component_pointer(self, target: ReferenceTarget, kind: str) -> str:
        """Return the pointer of `target` in the bundle; the first request moves it there."""
        if (target, kind) not in self.component_pointers:
            target_node, file = self.resolver.resolve(target)
            if not is_part(target_node, kind):
                raise UnresolvedReferenceError(_no_part_reason(target, kind))
            section = self.section(kind, make=True)
            names = target.candidate_names()
            # Two files may both have a `Pet`: the folders are tried before a number, which says nothing.
            numbered_names = (f"{names[-1]}_{number}" for number in count(2))
            name = next(candidate for candidate in chain(names, numbered_names) if candidate not in section)
            self.move(target_node, kind, file, section, name)
            self.component_pointers[target, kind] = pointer = self.pointer(kind, name)
            self.resolver.added_pointers.add(pointer)
        return self.component_pointers[target, kind]

    def move(self, node: object, kind: str, file: str, section: dict[str, object], name: str) -> None:
        section[name] = self.moved_nodes[id(node)] = node
        if file:
            self.parts.append((node, kind, False))
        self.queue.append((node, kind, file))

    def follow_inline(self, node: object, file: str, kind: str = "") -> tuple[object, str]:
        """Return the node at the end of a chain of `$ref`s that has no section under `components`, and its file.

        With a `kind` it must be an object of that; else a list or map of objects.
        """
        siblings: dict[str, Any] = {}
        visited: set[int] = set()
        while (
            isinstance(node, dict)
            and isinstance(ref := node.get("$ref"), str)
            and id(node) not in self.resolver.local_nodes
        ):
            if not file and ref.startswith("#"):
                break
            try:
                target = self.resolver.target(ref, file)
                target_node, target_file = self.resolver.resolve(target)
                visited.add(id(node))
                if id(target_node) in self.in_progress or id(target_node) in visited:
                    raise UnresolvedReferenceError("it leads back to a part that contains it")
                if not (is_part(target_node, kind) if kind else isinstance(target_node, dict | list)):
                    raise UnresolvedReferenceError(_no_part_reason(target, kind or "list or map"))
            except UnresolvedReferenceError as error:
                self.keep_unresolved(node, ref, file, str(error))
                break
            self.visited[id(node)] = node
            # Keys beside a `$ref` of a path item override its target (OpenAPI 3.1.1 §4.8.9); the outermost wins.
            siblings = {**{key: value for key, value in node.items() if key != "$ref"}, **siblings}
            node, file = target_node, target_file
        return ({**node, **siblings} if siblings and isinstance(node, dict) else node), file

    def drop_file(self, node: dict[str, object], key: str, file: str) -> None:
        """Remove a text or data that is to be read from a file: what is read there has no form that could be checked.

        Redocly's museum description has such texts.
        """
        value = node[key]
        ref = value.get("$ref") if isinstance(value, dict) and (key in TEXT_FIELDS or len(value) == 1) else None
        if isinstance(ref, str) and not ref.startswith("#"):
            del node[key]
            where = f"{file or self.files.root}: {key}"
            message = f"{ref[:100]!r} is not read: only objects of a description may be in other files"
            self.issues.append(Issue.warning(where, message, "write it out where it is used"))


def _no_part_reason(target: ReferenceTarget, kind: str) -> str:
    return f"{target.file or 'the description'}{'#' * bool(target.pointer)}{target.pointer} is not a valid {kind}"


_DOCUMENTATION = ("summary", "description")
_SCHEMA_FIELDS = frozenset(
    (
        *SCHEMA_MAP_KEYWORDS, *SCHEMA_LIST_KEYWORDS, *SCHEMA_KEYWORDS, *COUNT_KEYWORDS, *BOUND_KEYWORDS,
        *DROPPED_KEYWORDS, "type", "enum", "const", "format", "multipleOf", "pattern", "required", "uniqueItems",
        "dependentRequired", "additionalItems", "title", "description", "default", "deprecated", "readOnly",
        "writeOnly", "examples", "contentEncoding", "contentMediaType", "$comment",
    )
)  # fmt: skip
_FIELDS: Mapping[str, frozenset[str]] = {
    kind: frozenset((*OBJECT_FIELDS[kind], *_DOCUMENTATION, *names))
    for kind, names in {
        "parameter": ("name", "in", "required", "style", "explode", "type", "items", "example", "enum", "default"),
        "header": ("required", "style", "explode", "type", "items", "example", "enum", "default"),
        "requestBody": ("required",),
        "response": ("examples",),
        "media": ("example", "prefixEncoding", "itemEncoding"),
        "encoding": ("contentType", "style", "explode", "allowReserved"),
        "link": ("operationId", "operationRef", "parameters", "requestBody", "server"),
        "securityScheme": ("type", "name", "in", "scheme", "flows", "flow", "openIdConnectUrl", "bearerFormat"),
        "example": ("value", "dataValue", "serializedValue", "externalValue"),
        "pathItem": (),
        "operation": ("operationId", "deprecated", "consumes", "produces", "schemes", "externalDocs"),
    }.items()
} | {"schema": _SCHEMA_FIELDS}
"""Kind -> the fields of its objects. A kind that is not here has any keys: a map, or an object without texts."""

# Its value is shown as it is, so that no other key may stand beside it: a variable of a deployment has `value` too.
_CLOSED_KINDS = frozenset(("example",))


def is_part(node: object, kind: str) -> bool:
    """Return whether a node of another file can be an object of a kind: it has a field of that kind, or no field."""
    if not isinstance(node, dict):
        return kind == "schema" and isinstance(node, bool)
    if not node or "$ref" in node or kind not in _FIELDS:
        return True
    known = [key in _FIELDS[kind] for key in node if not str(key).startswith("x-")]
    return all(known) if kind in _CLOSED_KINDS else any(known)


def restrict(parts: Iterable[tuple[object, str, bool]]) -> None:
    """Remove what no object of its kind has from nodes of other files, in place.

    Each part is a node, its kind, and whether it is a list or map of nodes of that kind.
    """
    todo, visited = list(parts), set[tuple[int, str, bool]]()
    while todo:
        part = node, kind, is_collection = todo.pop()
        if not isinstance(node, dict | list) or (key := (id(node), kind, is_collection)) in visited:
            continue
        visited.add(key)
        if is_collection:
            todo += [(child, kind, False) for child in _keep_parts(*part[:2])]
        elif isinstance(node, dict):
            if kind == "schema":
                for name in [name for name in node if name not in _SCHEMA_FIELDS and not str(name).startswith("x-")]:
                    del node[name]
            fields = OBJECT_FIELDS[kind]
            todo += [(value, *field) for name, value in node.items() if (field := fields.get(name) or fields.get("*"))]


def _keep_parts(nodes: object, kind: str) -> Iterable[object]:
    """Remove what is not an object of a kind from a list or map of them, and return the rest."""
    if isinstance(nodes, list):
        nodes[:] = [node for node in nodes if is_part(node, kind)]
        return nodes
    assert isinstance(nodes, dict)
    for name in [name for name, node in nodes.items() if not is_part(node, kind) and not str(name).startswith("x-")]:
        del nodes[name]
    return nodes.values()
