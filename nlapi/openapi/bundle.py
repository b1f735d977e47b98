"""Joins a description in several files into one tree, in which every `$ref` is local and nothing is expanded.

The target of a `$ref` to another file is moved under `components` (in Swagger 2.0 `definitions`, `parameters`,
`responses`) under its own name. A target that has no section there (a path item, an operation, a whole `paths`)
replaces the `$ref` in place. The reasons for an own bundler instead of prance: docs/design/005-bundling.md.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from nlapi.errors import DescriptionError
from nlapi.openapi.files import Files
from nlapi.openapi.shapes import EXTENDED, HOMES, SHAPES, TEXTS, VALUES
from nlapi.openapi.targets import Finder, LostError, Target, escape, percent

# Levels of nesting over all files, so that recursion stays below Python's limit; `document` bounds one file.
MAX_DEPTH = 200

# A `$ref` to another file, in JSON or YAML, or text that looks like one: a false match only costs one walk.
ELSEWHERE = re.compile(rb"""\$ref["']?\s*:\s*["']?[^\s"'#]""")

# A value of a discriminator's `mapping` is either a reference or a schema name (OpenAPI 3.1.1 §4.8.25); a slash, a `#`
# or a file suffix marks the reference.
REFERENCE = re.compile(r"[/#]|\.(?:json|ya?ml)$")


def may_be_split(data: bytes) -> bool:
    """Return whether a description may have a `$ref` to another file. Takes 5 ms on GitHub's 13 MB."""
    return bool(ELSEWHERE.search(data))


def bundle(tree: dict[str, Any], files: Files) -> tuple[dict[str, Any], dict[str, str]]:
    """Return `tree`, changed in place, as one description, and the `$ref`s that stay unresolved with the reason of
    each.

    DescriptionError when the description is nested too deep.
    """
    work = _Bundle(tree, files, Finder(tree, files))
    work.run()
    work.name_operations()
    return tree, work.lost


@dataclass(slots=True)
class _Bundle:
    """The state of one bundling. The trees of all files belong to this object and are changed in place.

    `visited`, `moved_nodes` (from a file to the root's components, still to be walked as part of that file) and
    `in_progress` identify a node by its id; the first two also hold it, so that no id is reused.
    """

    tree: dict[str, Any]
    files: Files
    finder: Finder
    lost: dict[str, str] = field(default_factory=dict)
    homes: dict[tuple[Target, str], str] = field(default_factory=dict)
    todo: deque[tuple[Any, str, str]] = field(default_factory=deque)
    done: dict[int, Any] = field(default_factory=dict)
    moved: dict[int, Any] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    links: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    def run(self) -> None:
        """Walk the root, then each moved component as part of the file that it came from."""
        self.todo.append((self.tree, "root", ""))
        for kind in HOMES:
            # Before the walk: a `$ref` met during it must already find the root's own name for its target.
            self.adopt(kind)
        while self.todo:
            self.settle(*self.todo.popleft(), 0)

    def adopt(self, kind: str) -> None:
        """Register each component of the root that is only a `$ref` to a file as the place of its target."""
        section = self.section(kind)
        for name, node in section.items() if isinstance(section, dict) else ():
            ref = node.get("$ref", "#") if isinstance(node, dict) and len(node) == 1 else "#"
            if not isinstance(ref, str) or ref.startswith("#"):
                continue
            try:
                target = self.finder.target(ref, "")
                found, file = self.finder.found(target)
            except LostError:
                continue  # reported when the walk reaches it
            if file and isinstance(found, dict) and (target, kind) not in self.homes:
                self.homes[target, kind] = self.pointer(kind, name)
                self.done[id(node)] = node
                self.move(found, kind, file, section, name)

    def section(self, kind: str, *, make: bool = False) -> Any:
        """Return the map of the root that holds the components of `kind`, or None."""
        node: Any = self.tree
        for key in self.path(kind):
            if make and not isinstance(node.get(key), dict):
                node[key] = {}
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def path(self, kind: str) -> tuple[str, ...]:
        """Return the keys that lead to that map; empty when this version of OpenAPI has no section for the kind."""
        old, new = HOMES.get(kind, ("", ""))
        if "swagger" in self.tree and "openapi" not in self.tree:
            return (old,) if old else ()
        return ("components", new) if new else ()

    def pointer(self, kind: str, name: str) -> str:
        return f"#/{'/'.join(self.path(kind))}/{escape(name)}"

    # Walking a tree

    def walk(self, node: Any, kind: str, file: str, depth: int) -> None:
        """Resolve every `$ref` below `node`, a map of the given kind in `file`."""
        if id(node) in self.done:
            return
        if depth > MAX_DEPTH:
            raise DescriptionError(f"{self.files.root} is nested more than {MAX_DEPTH} levels deep")
        self.done[id(node)] = node
        self.open.add(id(node))
        if kind == "link":
            self.links.append((node, file))
        elif kind == "schema" and "discriminator" in node:
            self.map(node["discriminator"], file)
        shapes = SHAPES[kind]
        for key, value in list(node.items()):  # the walk of the root adds components to it
            if not isinstance(value, dict | list):
                continue
            if key in TEXTS:
                node[key] = self.text(value, file)
            elif key in VALUES:
                node[key] = self.value(value, file)
            elif shape := shapes.get(key) or shapes.get("*"):
                one, many = shape
                node[key] = (self.enter if many else self.settle)(value, one, file, depth + 1)
        self.open.discard(id(node))

    def enter(self, value: Any, kind: str, file: str, depth: int) -> Any:
        """Return the replacement of a list or map of nodes of one kind, with each node resolved."""
        value, file = self.included(value, file)
        if id(value) in self.done or not isinstance(value, dict | list):
            return value
        self.done[id(value)] = value
        self.open.add(id(value))
        for key, one in list(value.items()) if isinstance(value, dict) else enumerate(value):
            extension = kind in EXTENDED and str(key).startswith("x-")
            if not extension and (file or id(one) not in self.moved):
                value[key] = self.settle(one, kind, file, depth)
        self.open.discard(id(value))
        return value

    def settle(self, node: Any, kind: str, file: str, depth: int) -> Any:
        """Return the replacement of one node of the given kind, with its `$ref` resolved."""
        if not isinstance(node, dict):
            return node
        ref = node.get("$ref")
        if isinstance(ref, str) and id(node) not in self.finder.settled:
            if not self.path(kind):
                self.walk(node, kind, file, depth)
                node, file = self.included(node, file)
            else:
                self.finder.settled[id(node)] = node
                self.refer(node, ref, kind, file)
        if isinstance(node, dict):
            self.walk(node, kind, file, depth)
        return node

    def refer(self, node: dict[str, Any], ref: str, kind: str, file: str) -> None:
        """Make the `$ref` of `node` a local one, to a place under `components`."""
        if not file and ref.startswith("#"):
            if ref.startswith("#/x-"):  # the walk skips extensions, so their targets are queued here
                with suppress(LostError):
                    found, file = self.finder.found(self.finder.target(ref, ""))
                    self.todo.append((found, kind, file))
            return
        try:
            node["$ref"] = self.local_ref(ref, kind, file)
        except LostError as error:
            self.lose(node, ref, file, str(error))

    def local_ref(self, ref: str, kind: str, file: str) -> str:
        """Return the local `$ref` for `ref` as written in `file`; LostError when it is unresolved."""
        target = self.finder.target(ref, file)
        return self.home(target, kind) if target.file else f"#{percent(target.pointer)}"

    def map(self, discriminator: Any, file: str) -> None:
        """Make the references among the values of a discriminator's `mapping` local (OpenAPI 3.1.1 §4.8.25)."""
        mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
        if not isinstance(mapping, dict):
            return
        for key, value in mapping.items():
            if isinstance(value, str) and REFERENCE.search(value) and not (value.startswith("#") and not file):
                with suppress(LostError):
                    mapping[key] = self.local_ref(value, "schema", file)

    def name_operations(self) -> None:
        """Make each `operationRef` of a Link into another file refer to that operation under `paths`."""
        operations = {
            id(node): f"#/paths/{escape(path)}/{method}"
            for path, item in (self.tree["paths"].items() if isinstance(self.tree.get("paths"), dict) else ())
            for method, node in (item.items() if isinstance(item, dict) else ())
        }
        for link, file in self.links:
            ref = link.get("operationRef")
            if isinstance(ref, str) and (file or not ref.startswith("#")):
                with suppress(LostError):
                    found, _ = self.included(*self.finder.found(self.finder.target(ref, file)))
                    link["operationRef"] = operations.get(id(found), ref)

    def lose(self, node: dict[str, Any], ref: str, file: str, reason: str) -> None:
        """Keep an unresolved `$ref`, rewritten so that it is unique, and store the reason."""
        ref = f"{file}{ref}" if ref.startswith("#") else ref
        if self.lost.get(ref, reason) != reason:
            ref = f"{ref} in {file or self.files.root}"
        node["$ref"] = ref
        self.finder.settled[id(node)] = node
        self.lost[ref] = reason

    def home(self, target: Target, kind: str) -> str:
        """Return the pointer of `target` in the bundle; the first request moves it there."""
        if (target, kind) not in self.homes:
            found, file = self.finder.found(target)
            section = self.section(kind, make=True)
            names = target.names()
            # Two files may both have a `Pet`: the folders are tried before a number, which says nothing.
            numbered = (f"{names[-1]}_{number}" for number in count(2))
            name = next(one for one in chain(names, numbered) if one not in section)
            self.move(found, kind, file, section, name)
            self.homes[target, kind] = pointer = self.pointer(kind, name)
            self.finder.added.add(pointer)
        return self.homes[target, kind]

    def move(self, found: Any, kind: str, file: str, section: dict[str, Any], name: str) -> None:
        section[name] = self.moved[id(found)] = found
        self.todo.append((found, kind, file))

    def included(self, node: Any, file: str) -> tuple[Any, str]:
        """Return the node at the end of a chain of `$ref`s that has no section under `components`, and its file."""
        beside: dict[str, Any] = {}
        passed: set[int] = set()
        while (
            isinstance(node, dict) and isinstance(ref := node.get("$ref"), str) and id(node) not in self.finder.settled
        ):
            if not file and ref.startswith("#"):
                break
            try:
                found, found_in = self.finder.found(self.finder.target(ref, file))
                passed.add(id(node))
                if id(found) in self.open or id(found) in passed:
                    raise LostError("it leads to what it stands in")
            except LostError as error:
                self.lose(node, ref, file, str(error))
                break
            self.done[id(node)] = node
            # Keys beside a `$ref` of a path item override its target (OpenAPI 3.1.1 §4.8.9); the outermost wins.
            beside = {**{key: value for key, value in node.items() if key != "$ref"}, **beside}
            node, file = found, found_in
        return ({**node, **beside} if beside and isinstance(node, dict) else node), file

    def text(self, value: Any, file: str) -> Any:
        """Return the text of a description that is a file of its own (Redocly's museum keeps code samples so)."""
        ref = value.get("$ref") if isinstance(value, dict) else None
        if not isinstance(ref, str) or ref.startswith("#"):
            return value
        with suppress(LostError, LookupError):
            return self.files.text(self.finder.target(ref, file).file)
        return value

    def value(self, value: Any, file: str) -> Any:
        """Return an example that is a file of its own. It is data: a `$ref` inside it is not a reference."""
        ref = value.get("$ref") if isinstance(value, dict) and len(value) == 1 else None
        if isinstance(ref, str) and not ref.startswith("#"):
            with suppress(LostError):
                return self.finder.found(self.finder.target(ref, file))[0]
        return value
