"""Bytes to a tree: JSON or YAML, its OpenAPI version, and what its `$ref`s lead to."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import orjson

from nlapi.errors import DescriptionError
from nlapi.openapi import overlay
from nlapi.openapi.cache import Cache, Doubles
from nlapi.openapi.issue import Issue, Level

MAX_NODES = 5_000_000
"""Nodes of a tree once its YAML aliases are followed; GitHub's description has 0.6 million."""

MAX_DEPTH = 200
"""Levels of nesting; real descriptions stay under 40."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")

MAX_FLOW_YAML = 1_000_000
"""Characters up to which broken JSON is tried as YAML: libyaml takes 70 times as long as a JSON parser."""

Join = Callable[[dict[str, Any]], tuple[Mapping[str, Any], Mapping[str, str]]]
"""Makes one tree of a description in several files; beside it the `$ref`s that could not be had, and why."""

SUPPORTED = re.compile(r"3\.[0-2](\.\d+)?(-\S+)?")
READABLE = "nlapi reads Swagger 2.0 and OpenAPI 3.0, 3.1 and 3.2"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A description as a tree of dicts, lists, strings, numbers, booleans and None, with string keys only."""

    tree: Mapping[str, Any]
    source: str
    version: str
    issues: tuple[Issue, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    """`$ref`s to other files, and why what they lead to could not be had."""
    hinted: bool = True
    """May there be an `x-nlapi` in it? False spares the search for one."""

    @property
    def minor(self) -> int:
        """0 for OpenAPI 3.0 and Swagger 2.0, whose schemas are nearly the same; 1 for 3.1, 2 for 3.2."""
        return int(self.version[2])

    @property
    def is_swagger(self) -> bool:
        """Is it in Swagger 2.0?"""
        return self.version == "2.0"

    @cached_property
    def _resolver(self) -> Any:
        from referencing import Registry
        from referencing.jsonschema import DRAFT202012

        return Registry[Any]().with_resource("", DRAFT202012.create_resource(self.tree)).resolver()

    def lookup(self, ref: str) -> Any:
        """The node that a `$ref` leads to; LookupError when it leads nowhere or out of the document."""
        if not ref.startswith("#"):
            raise LookupError(f"{ref!r}: {self.lost[ref]}" if ref in self.lost else f"{ref!r} leads into another file")
        try:
            if ref.startswith("#/"):
                return _at(self.tree, ref)
            return self._resolver.lookup(ref).contents
        except Exception as error:  # referencing raises KeyError, TypeError, ValueError and its own, by what it met
            raise LookupError(f"{ref!r} leads nowhere") from error


def read(
    data: bytes,
    source: str,
    *,
    overlays: Sequence[overlay.Overlay] = (),
    cache: Cache | None = None,
    join: Join | None = None,
) -> Document:
    """The Document in `data`, joined with its other files by `join`, with `overlays` laid over it in order.

    DescriptionError, with the line where there is one, when it holds no description.
    """
    tree, doubles = read_tree(data, source, cache)
    if not isinstance(tree, dict):
        raise DescriptionError(f"{source} holds {_kind(tree)}, not an API description", hint=_hint(data))
    version = _version(tree, source)
    tree, lost = join(tree) if join else (tree, {})
    tree, issues = overlay.apply(tree, overlays) if overlays else (tree, ())
    return Document(
        tree=tree,
        source=source,
        version=version,
        issues=(*map(_double, doubles), *issues),
        lost=lost,
        hinted=b"x-nlapi" in data or bool(overlays) or join is not None,
    )


def read_tree(data: bytes, source: str, cache: Cache | None = None) -> tuple[Any, Doubles]:
    """What the JSON or YAML in `data` says, and its duplicate keys; DescriptionError when it is neither."""
    kept = cache.tree(data) if cache else None
    if kept is not None:
        return kept
    tree, doubles = _large_json(data, source), Doubles()
    if tree is None:
        text = _decode(data, source)
        tree, doubles = _json(text, source), _json_doubles(text)
        if tree is None:
            tree, doubles = _yaml(text, source)
    if cache:
        cache.keep_tree(data, tree, doubles)
    return tree, doubles


def _at(tree: Any, pointer: str) -> Any:
    """The node at a JSON pointer (RFC 6901 §6); KeyError, IndexError, ValueError or TypeError when there is none."""
    node = tree
    for part in pointer[2:].split("/"):
        if "%" in part:
            part = unquote(part)
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and not part.isdecimal():
            raise KeyError(part)
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def _large_json(data: bytes, source: str) -> Any:
    """The tree of a large text that is plain JSON in UTF-8, without a copy of it; None for any other."""
    if len(data) <= MAX_FLOW_YAML or data[:1] not in (b"{", b"["):
        return None
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    _bound_depth(tree, source)
    return tree


def _bound_depth(tree: Any, source: str) -> None:
    """Refuse a tree, in which nothing is shared, that is too deep."""
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise DescriptionError(f"{source} is nested more than {MAX_DEPTH} levels deep")
        children = [node.values() if isinstance(node, dict) else node for node in level]
        level = [one for group in children for one in group if type(one) is dict or type(one) is list]


def _decode(data: bytes, source: str) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DescriptionError(
            f"{source} is not UTF-8: line {line} has a byte that cannot be decoded", hint="save it as UTF-8"
        ) from None
    if not text.strip():
        raise DescriptionError(f"{source} is empty")
    if text.lstrip()[:1] == "<":
        raise DescriptionError(
            f"{source} is an HTML or XML page, not an API description",
            hint="give the address of the raw OpenAPI file, often .../openapi.json",
        )
    return text


def _json(text: str, source: str) -> Any:
    """The tree, or None when `text` does not look like JSON, or is small and may still be YAML in flow style."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if len(text) < MAX_FLOW_YAML and _parses_as_yaml(text):
            return None
        raise DescriptionError(
            f"{source}, line {error.lineno}, column {error.colno}: {error.msg}", hint="is the file complete?"
        ) from None
    _bound_depth(tree, source)
    return tree


def _json_doubles(text: str) -> list[tuple[str, int]]:
    """The keys that stand twice in one object of a JSON text, line unknown; large texts are made by programs."""
    found: list[tuple[str, int]] = []
    if len(text) > MAX_FLOW_YAML or text.lstrip()[:1] != "{":
        return found

    def note(pairs: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in pairs}) < len(pairs):
            found.extend((key, 0) for key, times in Counter(key for key, _ in pairs).items() if times > 1)

    with suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=note)
    return found


def _double(double: tuple[str, int]) -> Issue:
    """A duplicate key as an Issue: an ERROR when it is a path or a method, as an operation is lost then."""
    key, line = double
    lost = key.startswith("/") or key in METHODS
    return Issue(
        level=Level.ERROR if lost else Level.WARNING,
        where=f"line {line}" if line else "",
        message=f"duplicate key {key!r}; the last one counts",
        hint="what stood under the first is lost" if lost else "",
    )


def _parses_as_yaml(text: str) -> bool:
    import yaml

    from nlapi.openapi.yaml import load

    try:
        load(text)
    except yaml.YAMLError:
        return False
    return True


def _yaml(text: str, source: str) -> tuple[Any, list[tuple[str, int]]]:
    import yaml

    from nlapi.openapi.yaml import load

    try:
        tree, doubles = load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DescriptionError(
            f"{source}{place}: {error.problem or error.context}", hint="is the file complete?"
        ) from None
    except yaml.YAMLError as error:
        raise DescriptionError(f"{source} is neither JSON nor YAML: {str(error)[:200]}") from None
    _bound(tree, source)
    return _string_keys(tree, {}), doubles


def _bound(tree: Any, source: str) -> None:
    """Refuse a tree that is too deep, or too large once its aliases are followed, without following them all."""
    sizes: dict[int, int] = {}
    open_now: set[int] = set()

    def size(node: Any, depth: int) -> int:
        if not isinstance(node, (dict, list)):
            return 1
        if id(node) in sizes:
            return sizes[id(node)]
        if depth > MAX_DEPTH or id(node) in open_now:
            raise DescriptionError(f"{source} is nested more than {MAX_DEPTH} levels deep")
        open_now.add(id(node))
        children = node.values() if isinstance(node, dict) else node
        total = 1 + sum(size(child, depth + 1) for child in children)
        open_now.discard(id(node))
        sizes[id(node)] = total
        return total

    if size(tree, 0) > MAX_NODES:
        raise DescriptionError(f"{source} grows to more than {MAX_NODES:,} nodes when its aliases are followed")


def _string_keys(node: Any, made: dict[int, Any]) -> Any:
    """The tree with every key a string: YAML reads an unquoted `200:` as a number. What is shared stays shared."""
    if not isinstance(node, (dict, list)):
        return node
    if id(node) not in made:
        made[id(node)] = (
            {key if isinstance(key, str) else _key(key): _string_keys(value, made) for key, value in node.items()}
            if isinstance(node, dict)
            else [_string_keys(item, made) for item in node]
        )
    return made[id(node)]


def _key(key: Any) -> str:
    if key is None or isinstance(key, bool):
        return {True: "true", False: "false", None: "null"}[key]
    return str(key)


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


def _kind(tree: Any) -> str:
    return {list: "a list", str: "text", type(None): "nothing"}.get(type(tree), f"a {type(tree).__name__}")


def _hint(data: bytes) -> str:
    return f"it begins with {data[:1000].decode('utf-8', 'replace').strip()[:40]!r}"
