"""Resolves `$ref`s across the files of a description."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from nlapi.openapi.files import Files
from nlapi.openapi.parts import escape_step, unescape_step

# Nested `$ref`s on the way to one target; more is taken for a ring.
MAX_HOPS = 20


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a `$ref`: `file` is its place, "" the root; `pointer` is "" or begins with a slash."""

    file: str
    pointer: str

    def names(self) -> list[str]:
        """Return candidate names for a component, best first: the last step, then with its folders in front."""
        path = PurePosixPath(self.file.partition("?")[0])
        steps = [unescape_step(step) for step in self.pointer.split("/") if step] or [path.stem]
        before = [*path.parts[:-1], *([path.stem] if self.pointer else [])]
        own = _word(steps[-1]) or "item"
        prefixes = [_word(part) for part in before]
        return [own, *("_".join([*filter(None, prefixes[-count:]), own]) for count in range(1, len(prefixes) + 1))]


class LostError(Exception):
    """An unresolved `$ref`; the message is the reason."""


@dataclass(slots=True)
class Finder:
    """Resolves targets in a tree and its files.

    `local_nodes` are the nodes, by id, whose `$ref` was made local to the root. `added_pointers` are those of
    components that came from files, which the author of the root did not write.
    """

    tree: dict[str, Any]
    files: Files
    settled: dict[int, Any] = field(default_factory=dict)
    added: set[str] = field(default_factory=set)
    following: set[Target] = field(default_factory=set)

    def target(self, ref: str, file: str) -> Target:
        """Return the target of `ref` as written in `file`."""
        path, _, fragment = ref.partition("#")
        pointer = unquote(fragment)
        if path:
            try:
                return Target(self.files.place(path, file), "" if pointer == "/" else pointer)
            except LookupError as error:
                raise LostError(str(error.args[0])) from None
        own, of_root = Target(file, pointer), Target("", pointer)
        # Many write `#/components/...` in every file as if it were the root's; the file's own target still wins.
        added = {f"#{'/'.join(pointer.split('/')[:length])}" for length in (3, 4)} & self.added
        return of_root if file and not self.has(own) and not added and self.has(of_root) else own

    def has(self, target: Target) -> bool:
        try:
            self.found(target)
        except LostError:
            return False
        return True

    def found(self, target: Target) -> tuple[Any, str]:
        """Return the node of a target and its file; `$ref`s on the way are followed."""
        if target in self.following or len(self.following) > MAX_HOPS:
            raise LostError("it leads to itself")
        try:
            node, file = (self.files.tree(target.file) if target.file else self.tree), target.file
        except LookupError as error:
            raise LostError(str(error.args[0])) from None
        if target.pointer and not target.pointer.startswith("/"):
            return _anchored(node, target), file
        self.following.add(target)
        try:
            for step in map(unescape_step, target.pointer.split("/")[1:]):
                through = node.get("$ref") if isinstance(node, dict) and step not in node else None
                if isinstance(through, str):
                    node, file = self.found(self.target(through, "" if id(node) in self.settled else file))
                node = _below(node, step, target.file or self.files.root)
        finally:
            self.following.discard(target)
        return node, file


def _below(node: Any, step: str, file: str) -> Any:
    if isinstance(node, dict) and step in node:
        return node[step]
    if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
        return node[int(step)]
    raise LostError(f"{file} has no such part")


def _anchored(tree: Any, target: Target) -> Any:
    """Return the schema with this `$anchor` (JSON Schema 2020-12 §8.2.2)."""
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    try:
        registry = Registry[Any]().with_resource("", DRAFT202012.create_resource(tree))
        return registry.resolver().lookup(f"#{target.pointer}").contents
    except Exception as error:  # referencing raises KeyError, TypeError and errors of its own
        raise LostError(f"{target.file} has no anchor {target.pointer}") from error


def escape(name: str) -> str:
    """Return a key as a step of a `$ref`'s JSON pointer (RFC 6901 §3 and §6)."""
    return percent(escape_step(name))


def percent(pointer: str) -> str:
    """Return a JSON pointer as the fragment of a `$ref`, in which `%` begins an escape."""
    return pointer.replace("%", "%25")


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.")
