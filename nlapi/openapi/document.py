"""Reads a description as one tree with its version, files and overlays, and resolves its `$ref`s."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from nlapi.errors import DescriptionError
from nlapi.issue import Issue, Level
from nlapi.openapi import overlay
from nlapi.openapi.cache import Cache
from nlapi.openapi.parts import unescape_step
from nlapi.openapi.subtypes import SubtypeFamily, subtype_families, expand_subtypes
from nlapi.openapi.tree import read_tree
from nlapi.openapi.upgrade import upgrade_schema

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")

Join = Callable[[dict[str, Any]], tuple[Mapping[str, Any], Mapping[str, str]]]
"""Joins a description in several files into one tree; the second result maps unresolved `$ref`s to their reasons."""

# A suffix such as `-rc1` is accepted: it marks a pre-release of the same minor version.
SUPPORTED = re.compile(r"3\.[0-2](\.\d+)?(-\S+)?")
READABLE = "nlapi reads Swagger 2.0 and OpenAPI 3.0, 3.1 and 3.2"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A description as a tree of dicts, lists, strings, numbers, booleans and None, with string keys only."""

    tree: Mapping[str, Any]
    source: str
    version: str
    issues: tuple[Issue, ...] = ()
    unresolved: Mapping[str, str] = field(default_factory=dict)
    """Unresolved `$ref`s to other files, each with its reason."""
    may_have_hints: bool = True
    """Whether an `x-nlapi` key may occur; False saves the search in every schema."""

    @property
    def minor(self) -> int:
        """Return 0 for OpenAPI 3.0 and Swagger 2.0, whose schemas are nearly the same; 1 for 3.1, 2 for 3.2."""
        return int(self.version[2])

    @property
    def is_swagger(self) -> bool:
        return self.version == "2.0"

    @cached_property
    def _resolver(self) -> Any:
        # Imported on first use: most descriptions have no anchor.
        from referencing import Registry
        from referencing.jsonschema import DRAFT202012

        return Registry[Any]().with_resource("", DRAFT202012.create_resource(self.tree)).resolver()

    @cached_property
    def _families(self) -> Mapping[str, SubtypeFamily]:
        return subtype_families(self.tree)

    def schema(self, node: Any, *, is_component: bool = False) -> Any:
        """Return a schema in the 3.1 dialect; `is_component` for a component, as opposed to a use of one."""
        schema = upgrade_schema(node, self.minor)
        return expand_subtypes(schema, self._families, is_component=is_component) if self._families else schema

    def lookup(self, ref: str) -> Any:
        """Return the node that a `$ref` refers to; LookupError when there is none or it is in another file."""
        if not ref.startswith("#"):
            raise LookupError(f"{ref!r}: {self.unresolved[ref]}" if ref in self.unresolved else f"{ref!r} leads into another file")
        try:
            if ref.startswith("#/"):
                # Pointers are nearly all references and are resolved here; the registry, slower to build, is for
                # `$anchor` only.
                return resolve_pointer(self.tree, ref)
            return self._resolver.lookup(ref).contents
        except Exception as error:  # referencing raises KeyError, TypeError, ValueError and its own, by what it met
            raise LookupError(f"{ref!r} leads nowhere") from error


def read_document(
    data: bytes,
    source: str,
    *,
    overlays: Sequence[overlay.Overlay] = (),
    cache: Cache | None = None,
    join: Join | None = None,
) -> Document:
    """Return the Document in `data`, joined with its other files by `join`, with `overlays` applied in order.

    DescriptionError, with the line if known, when it holds no description.
    """
    tree, duplicates = read_tree(data, source, cache)
    if not isinstance(tree, dict):
        hint = f"it begins with {data[:1000].decode('utf-8', 'replace').strip()[:40]!r}"
        raise DescriptionError(f"{source} holds {_type_name(tree)}, not an API description", hint=hint)
    # Before joining: files of a description that nlapi cannot read are not fetched.
    version = _version(tree, source)
    tree, unresolved = join(tree) if join else (tree, {})
    tree, issues = overlay.apply_overlays(tree, overlays) if overlays else (tree, ())
    return Document(
        tree=tree,
        source=source,
        version=version,
        issues=(*map(_duplicate_key_issue, duplicates), *issues),
        unresolved=unresolved,
        may_have_hints=b"x-nlapi" in data or bool(overlays) or join is not None,
    )


def resolve_pointer(tree: Any, pointer: str) -> Any:
    """Return the node at a JSON pointer (RFC 6901 §6); KeyError, IndexError, ValueError or TypeError when there is
    none.
    """
    node = tree
    for part in pointer[2:].split("/"):
        part = unescape_step(unquote(part))
        if isinstance(node, list) and not part.isdecimal():
            raise KeyError(part)
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def _duplicate_key_issue(duplicate: tuple[str, int]) -> Issue:
    """Return the Issue of a duplicate key: an ERROR for a path or method, because an operation is lost then."""
    key, line = duplicate
    loses_operation = key.startswith("/") or key in METHODS
    return Issue(
        level=Level.ERROR if loses_operation else Level.WARNING,
        where=f"line {line}" if line else "",
        message=f"duplicate key {key!r}; the last one counts",
        hint="what stood under the first is lost" if loses_operation else "",
    )


def _version(tree: Mapping[str, Any], source: str) -> str:
    swagger = tree.get("swagger", tree.get("swaggerVersion"))
    if swagger is not None and "openapi" not in tree:
        if str(swagger) in ("2.0", "2"):
            return "2.0"
        raise DescriptionError(
            f"{source} is in Swagger {swagger}, which nlapi does not read",
            hint=f"{READABLE}; convert it, for example with npx api-spec-converter",
        )
    if "openapi" not in tree:
        raise DescriptionError(
            f"{source} has no `openapi` key: it does not say which version of OpenAPI it is in", hint=READABLE
        )
    version = str(tree["openapi"])
    if not SUPPORTED.fullmatch(version):
        raise DescriptionError(f"{source} is in OpenAPI version {version!r}", hint=READABLE)
    return version if version.count(".") > 1 else f"{version}.0"


def _type_name(tree: Any) -> str:
    return {list: "a list", str: "text", type(None): "nothing"}.get(type(tree), f"a {type(tree).__name__}")
