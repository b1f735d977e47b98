"""A description in several files to one tree, in which every `$ref` is local and nothing is expanded.

What a `$ref` leads to is moved under `components` (in Swagger 2.0 `definitions`, `parameters`, `responses`) and keeps
its name. What has no place there (a path item, an operation, a whole `paths`) is put where the `$ref` stood. Why this
is ours and not prance's: docs/design/005-bundling.md.
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

MAX_DEPTH = 200
"""Levels of nesting, over all files; a single file has its own bound."""

ELSEWHERE = re.compile(rb"""\$ref["']?\s*:\s*["']?[^\s"'#]""")
"""A `$ref` to another file, in JSON or YAML, or a text that looks like one."""

REFERENCE = re.compile(r"[/#]|\.(?:json|ya?ml)$")
"""What tells a reference among the values of a discriminator's `mapping` from the name of a schema."""


def may_be_split(data: bytes) -> bool:
    """Could this description have a `$ref` to another file? 5 ms for GitHub's 13 MB."""
    return bool(ELSEWHERE.search(data))


def bundle(tree: dict[str, Any], files: Files) -> tuple[dict[str, Any], dict[str, str]]:
    """`tree`, changed in place, as one description; and each `$ref` that stayed -> why what it leads to is not there.

    DescriptionError when it is nested too deep.
    """
    work = _Bundle(tree, files, Finder(tree, files))
    work.run()
    work.name_operations()
    return tree, work.lost


@dataclass(slots=True)
class _Bundle:
    """One tree on its way. The trees of all files are this object's own, and are changed in place.

    `done` (walked), `moved` (from a file to the root's components, to be walked as part of that file) and `open` (being
    walked) know a node by its id; the first two hold it, too, so that no id comes twice.
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
        self.todo.append((self.tree, "root", ""))
        for kind in HOMES:
            self.adopt(kind)
        while self.todo:
            self.settle(*self.todo.popleft(), 0)

    def adopt(self, kind: str) -> None:
        """A component of the root that is nothing but a `$ref` to a file becomes the home of what is there."""
        section = self.section(kind)
        for name, node in section.items() if isinstance(section, dict) else ():
            ref = node.get("$ref", "#") if isinstance(node, dict) and len(node) == 1 else "#"
            if not isinstance(ref, str) or ref.startswith("#"):
                continue
            try:
                target = self.finder.target(ref, "")
                found, file = self.finder.found(target)
            except LostError:
                continue  # told of when the walk comes by
            if file and isinstance(found, dict) and (target, kind) not in self.homes:
                self.homes[target, kind] = self.pointer(kind, name)
                self.done[id(node)] = node
                self.move(found, kind, file, section, name)

    def section(self, kind: str, *, make: bool = False) -> Any:
        """The map of the root that holds the components of a kind, if there is one."""
        node: Any = self.tree
        for key in self.path(kind):
            if make and not isinstance(node.get(key), dict):
                node[key] = {}
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def path(self, kind: str) -> tuple[str, ...]:
        """The keys that lead to that map; none when this version of OpenAPI has no place for the kind."""
        old, new = HOMES.get(kind, ("", ""))
        if "swagger" in self.tree and "openapi" not in self.tree:
            return (old,) if old else ()
        return ("components", new) if new else ()

    def pointer(self, kind: str, name: str) -> str:
        return f"#/{'/'.join(self.path(kind))}/{escape(name)}"

    # Going through a tree

    def walk(self, node: Any, kind: str, file: str, depth: int) -> None:
        """Settles every `$ref` below `node`, which is a map of that kind in `file`."""
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
        """What is to stand in place of a list or a map of nodes of a kind."""
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
        """What is to stand in place of one node of a kind, its `$ref` settled."""
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
        """Makes the `$ref` of `node` a local one, to a home under `components`."""
        if not file and ref.startswith("#"):
            if ref.startswith("#/x-"):  # the walk does not go there by itself
                with suppress(LostError):
                    found, file = self.finder.found(self.finder.target(ref, ""))
                    self.todo.append((found, kind, file))
            return
        try:
            target = self.finder.target(ref, file)
            node["$ref"] = self.home(target, kind) if target.file else f"#{percent(target.pointer)}"
        except LostError as error:
            self.lose(node, ref, file, str(error))

    def map(self, discriminator: Any, file: str) -> None:
        """Makes the references among the values of a discriminator's `mapping` local ones (OpenAPI 3.1.1 §4.8.25)."""
        mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
        if not isinstance(mapping, dict):
            return
        for key, value in mapping.items():
            if isinstance(value, str) and REFERENCE.search(value) and not (value.startswith("#") and not file):
                with suppress(LostError):
                    target = self.finder.target(value, file)
                    mapping[key] = self.home(target, "schema") if target.file else f"#{percent(target.pointer)}"

    def name_operations(self) -> None:
        """Makes each `operationRef` of a Link that leads into another file lead to that operation under `paths`."""
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
        """The `$ref` stays, so written that it can be no other; whoever follows it is told the reason."""
        ref = f"{file}{ref}" if ref.startswith("#") else ref
        if self.lost.get(ref, reason) != reason:
            ref = f"{ref} in {file or self.files.root}"
        node["$ref"] = ref
        self.finder.settled[id(node)] = node
        self.lost[ref] = reason

    def home(self, target: Target, kind: str) -> str:
        """Where `target` stands in the bundle; it is moved there when it is first asked for."""
        if (target, kind) not in self.homes:
            found, file = self.finder.found(target)
            section = self.section(kind, make=True)
            names = target.names()
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
        """What stands at the end of the `$ref`s of a node that has no home of its own, and its file."""
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
            beside = {**{key: value for key, value in node.items() if key != "$ref"}, **beside}
            node, file = found, found_in
        return ({**node, **beside} if beside and isinstance(node, dict) else node), file

    def text(self, value: Any, file: str) -> Any:
        """The text that a description in a file of its own is."""
        ref = value.get("$ref") if isinstance(value, dict) else None
        if not isinstance(ref, str) or ref.startswith("#"):
            return value
        with suppress(LostError, LookupError):
            return self.files.text(self.finder.target(ref, file).file)
        return value

    def value(self, value: Any, file: str) -> Any:
        """An example in a file of its own; it is data, and no `$ref` in it is one."""
        ref = value.get("$ref") if isinstance(value, dict) and len(value) == 1 else None
        if isinstance(ref, str) and not ref.startswith("#"):
            with suppress(LostError):
                return self.finder.found(self.finder.target(ref, file))[0]
        return value
