"""Resolves `$ref`s across the files of a description."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from nlapi.openapi.files import DescriptionFiles
from nlapi.openapi.parts import escape_step, unescape_step

# Nested `$ref`s on the way to one target; more is taken for a ring.
MAX_HOPS = 20


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
        return [base_name, *("_".join([*filter(None, prefixes[-count:]), base_name]) for count in range(1, len(prefixes) + 1))]


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
    local_nodes: dict[int, Any] = field(default_factory=dict)
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
        return root_target if file and not self.can_resolve(file_target) and not added_prefixes and self.can_resolve(root_target) else file_target

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


def _child(node: Any, step: str, file: str) -> Any:
    if isinstance(node, dict) and step in node:
        return node[step]
    if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
        return node[int(step)]
    raise UnresolvedReferenceError(f"{file} has no such part")


def _find_anchor(tree: Any, target: ReferenceTarget) -> Any:
    """Return the schema with this `$anchor` (JSON Schema 2020-12 §8.2.2)."""
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    try:
        registry = Registry[Any]().with_resource("", DRAFT202012.create_resource(tree))
        return registry.resolver().lookup(f"#{target.pointer}").contents
    except Exception as error:  # referencing raises KeyError, TypeError and errors of its own
        raise UnresolvedReferenceError(f"{target.file} has no anchor {target.pointer}") from error


def escape_fragment(name: str) -> str:
    """Return a key as a step of a `$ref`'s JSON pointer (RFC 6901 §3 and §6)."""
    return percent_encode(escape_step(name))


def percent_encode(pointer: str) -> str:
    """Return a JSON pointer as the fragment of a `$ref`, in which `%` begins an escape."""
    return pointer.replace("%", "%25")


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.")
