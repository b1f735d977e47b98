"""Reads a description, in JSON or YAML, as one tree with its version, files and overlays, and resolves its `$ref`s."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from nlapi.errors import DescriptionError, Issue, Level
from nlapi.openapi.cache import Cache, DuplicateKeys
from nlapi.openapi.schema_upgrade import CompileTime, SubtypeFamily, expand_subtypes, subtype_families, upgrade_schema
from nlapi.openapi.spec import unescape_step

if TYPE_CHECKING:
    from nlapi.openapi.overlay import Overlay

# Nodes of a tree once its YAML aliases are followed; GitHub's description has 0.6 million.
MAX_NODES = 5_000_000

# Opening braces and brackets of a JSON text: each takes 250 bytes of memory or more. The largest description has
# 880,000.
MAX_OBJECTS = 1_000_000

# Commas of a JSON text: each takes 8 to 60 bytes of memory. The largest description has 1,022,000.
MAX_VALUES = 3_000_000

# Levels of nesting; real descriptions stay under 40.
MAX_DEPTH = 200

# The first bytes of a text that is not UTF-8: a byte order mark, or zeros around an ASCII character (YAML 1.2.2 §5.2).
ENCODINGS = {
    re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"): "utf-32",
    re.compile(rb"\xff\xfe|\xfe\xff"): "utf-16",
    re.compile(rb"[^\0]\0\0\0"): "utf-32-le",
    re.compile(rb"\0\0\0[^\0]"): "utf-32-be",
    re.compile(rb"[^\0]\0"): "utf-16-le",
    re.compile(rb"\0[^\0]"): "utf-16-be",
}

# Bytes of a JSON text up to which its duplicate keys are searched, which takes 3 s at this size.
MAX_DUPLICATE_SEARCH = 32_000_000

# Characters up to which broken JSON is tried as YAML: libyaml takes 70 times as long as a JSON parser.
MAX_FLOW_YAML = 1_000_000

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")

Join = Callable[[dict[str, Any]], tuple[Mapping[str, Any], Mapping[str, str], tuple[Issue, ...]]]
"""Joins a description in several files into one tree; the second result maps unresolved `$ref`s to their reasons."""

# A suffix such as `-rc1` is accepted: it marks a pre-release of the same minor version.
SUPPORTED = re.compile(r"3\.[0-2](\.\d+)?(-\S+)?")
READABLE = "nlapi reads Swagger 2.0 and OpenAPI 3.0, 3.1 and 3.2"


def read_tree(data: bytes, source: str, cache: Cache | None = None) -> tuple[object, DuplicateKeys]:
    """Return the tree of the JSON or YAML in `data`, and its duplicate keys; DescriptionError when it is neither."""
    cached = cache.load_tree(data) if cache else None
    if cached is not None:
        return cached
    tree, duplicates = _large_json(data, source) or _read_text(_decode(data, source), source)
    if cache:
        cache.store_tree(data, tree, duplicates)
    return tree, duplicates


def _large_json(data: bytes, source: str) -> tuple[object, DuplicateKeys] | None:
    """Return the tree of a large plain JSON text in UTF-8, read without a copy of it; None for any other text."""
    if len(data) <= MAX_FLOW_YAML or data[:1] not in (b"{", b"["):
        return None
    _check_counts(data.count(b"{") + data.count(b"["), data.count(b","), source)
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    keys = _count_keys(tree, source)
    return tree, _json_duplicate_keys(data) if len(data) <= MAX_DUPLICATE_SEARCH and _may_have_duplicates(
        data, keys
    ) else DuplicateKeys()


def _check_counts(objects: int, values: int, source: str) -> None:
    """Refuse a JSON text with too many opening brackets or commas, before it is parsed and takes the memory."""
    for count, limit, unit in ((objects, MAX_OBJECTS, "objects and lists"), (values, MAX_VALUES, "values")):
        if count > limit:
            raise DescriptionError(
                f"{source} is too large: about {count:,} {unit}; nlapi reads up to {limit:,}", hint="split it"
            )


def _count_keys(tree: Any, source: str) -> int:
    """Return the number of keys of a tree without aliases; DescriptionError when it is too deep."""
    level, depth, keys = [tree], 0, 0
    while level:
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise DescriptionError(f"{source} is nested more than {MAX_DEPTH} levels deep")
        keys += sum(len(node) for node in level if type(node) is dict)
        children = [node.values() if type(node) is dict else node for node in level]
        level = [child for group in children for child in group if type(child) is dict or type(child) is list]
    return keys


def _may_have_duplicates(data: bytes, keys: int) -> bool:
    """Return whether a JSON text has more keys than its tree. Counts quotes before colons: 20 ms for 13 MB.

    Unusual white space, or a key that ends in a backslash, gives True, which costs an exact search.
    """
    for mark in (b'":', b'" :'):
        keys -= data.count(mark) - data.count(b"\\" + mark)
        if not keys:
            return False
    return True


def _decode(data: bytes, source: str) -> str:
    encoding = next((name for mark, name in ENCODINGS.items() if mark.match(data)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DescriptionError(
            f"{source} is not {encoding.removesuffix('-sig').upper()}: line {line} has a byte that cannot be decoded",
            hint="save it as UTF-8",
        ) from None
    if not text.strip():
        raise DescriptionError(f"{source} is empty")
    # The address of a documentation page is easily given in place of the raw file.
    if text.lstrip()[:1] == "<":
        raise DescriptionError(
            f"{source} is an HTML or XML page, not an API description",
            hint="give the address of the raw OpenAPI file, often .../openapi.json",
        )
    return text


def _read_text(text: str, source: str) -> tuple[object, DuplicateKeys]:
    """Return the tree of a text: as JSON if it looks like it, else, or if it is small flow style, as YAML."""
    if text.lstrip()[:1] not in ("{", "["):
        return _read_yaml(text, source)
    _check_counts(text.count("{") + text.count("["), text.count(","), source)
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if len(text) < MAX_FLOW_YAML and _parses_as_yaml(text):
            return _read_yaml(text, source)
        raise DescriptionError(
            f"{source}, line {error.lineno}, column {error.colno}: {error.msg}", hint="is the file complete?"
        ) from None
    _count_keys(tree, source)
    return tree, _json_duplicate_keys(text)


def _json_duplicate_keys(text: str | bytes) -> DuplicateKeys:
    """Return the keys that occur twice in one object of a JSON text, without their lines."""
    duplicates = DuplicateKeys()

    def note(pairs: list[tuple[str, object]]) -> None:
        if len({key for key, _ in pairs}) < len(pairs):
            duplicates.extend((key, 0) for key, times in Counter(key for key, _ in pairs).items() if times > 1)

    with suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=note)
    return duplicates


def _parses_as_yaml(text: str) -> bool:
    import yaml

    from nlapi.openapi.yaml import TooManyNodesError, load

    try:
        load(text)
    except (yaml.YAMLError, TooManyNodesError):
        return False
    return True


def _read_yaml(text: str, source: str) -> tuple[object, DuplicateKeys]:
    import yaml

    from nlapi.openapi.yaml import MAX_NODES as MAX_YAML_NODES
    from nlapi.openapi.yaml import TooManyNodesError, load

    try:
        tree, duplicates = load(text)
    except TooManyNodesError:
        raise DescriptionError(f"{source} is too large: more than {MAX_YAML_NODES:,} nodes", hint="split it") from None
    except yaml.MarkedYAMLError as error:
        if (with_spaces := _tabs_to_spaces(text)) != text:
            return _read_yaml(with_spaces, source)
        raise _yaml_error(error, text, source) from None
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())[:200]
        raise DescriptionError(f"{source} is neither JSON nor YAML: {message}") from None
    _check_size(tree, source)
    return tree, duplicates


def _tabs_to_spaces(text: str) -> str:
    """Return the text with spaces instead of tabs as indentation, if it has only tabs there."""
    if re.search(r"^\t* ", text, re.MULTILINE):
        return text
    return re.sub(r"^\t+", lambda tabs: "  " * len(tabs[0]), text, flags=re.MULTILINE)


def _yaml_error(error: Any, text: str, source: str) -> DescriptionError:
    """Return the error of a YAML text, with its position and a hint."""
    mark = error.problem_mark or error.context_mark
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem, hint = error.problem or error.context, "is the file complete?"
    if problem == "but found another document":
        problem, hint = "a second document begins here", "leave one in the file"
    elif mark and text.splitlines()[mark.line : mark.line + 1] and "\t" in text.splitlines()[mark.line]:
        hint = "YAML is indented with spaces, and this line has a tab"
    return DescriptionError(f"{source}{place}: {problem}", hint=hint)


def _check_size(tree: object, source: str) -> None:
    """Refuse a tree that is too deep, or too large once its aliases are followed, without following each one."""
    sizes: dict[int, int] = {}
    in_progress: set[int] = set()

    def size(node: object, depth: int) -> int:
        if not isinstance(node, (dict, list)):
            return 1
        # Each shared node is sized once: a "billion laughs" text has few nodes and grows by its aliases.
        if id(node) in sizes:
            return sizes[id(node)]
        if depth > MAX_DEPTH or id(node) in in_progress:
            raise DescriptionError(f"{source} is nested more than {MAX_DEPTH} levels deep")
        in_progress.add(id(node))
        children = node.values() if isinstance(node, dict) else node
        total = 1 + sum(size(child, depth + 1) for child in children)
        in_progress.discard(id(node))
        sizes[id(node)] = total
        return total

    if size(tree, 0) > MAX_NODES:
        raise DescriptionError(f"{source} grows to more than {MAX_NODES:,} nodes when its aliases are followed")


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
        from nlapi.schema_validator import local_resolver

        return local_resolver(self.tree)

    @cached_property
    def _compile_time(self) -> CompileTime:
        return CompileTime()

    @cached_property
    def _families(self) -> Mapping[str, SubtypeFamily]:
        return subtype_families(self.tree)

    def schema(self, node: object, *, is_component: bool = False) -> Any:
        """Return a schema in the 3.1 dialect; `is_component` for a component, as opposed to a use of one."""
        with self._compile_time.spent():
            schema = upgrade_schema(node, self.minor)
        return expand_subtypes(schema, self._families, is_component=is_component) if self._families else schema

    def follow(self, node: object) -> Any:
        """Return what a chain of `$ref`s leads to. LookupError, with the reason, where that is nothing."""
        visited: set[str] = set()
        while isinstance(node, Mapping) and isinstance(ref := node.get("$ref"), str):
            if ref in visited:
                raise LookupError(f"{ref!r} leads to itself")
            visited.add(ref)
            node = self.lookup(ref)
        return node

    def lookup(self, ref: str) -> Any:
        """Return the node that a `$ref` refers to; LookupError if none exists or it is in another file."""
        if not ref.startswith("#"):
            raise LookupError(
                f"{ref!r}: {self.unresolved[ref]}" if ref in self.unresolved else f"{ref!r} leads into another file"
            )
        try:
            if ref.startswith("#/"):
                # Pointers are nearly all references and are resolved here; the registry, slower to build, is for
                # `$anchor` only.
                return resolve_pointer(self.tree, ref)
            return self._resolver.lookup(ref).contents
        except Exception as error:  # referencing raises KeyError, TypeError, ValueError and its own errors
            raise LookupError(f"{ref!r} leads nowhere") from error


def read_document(
    data: bytes,
    source: str,
    *,
    overlays: Sequence[Overlay] = (),
    cache: Cache | None = None,
    join: Join | None = None,
) -> Document:
    """Return the Document in `data`, joined with its other files by `join`, with `overlays` applied in order.

    DescriptionError, with the line if known, when it holds no description.
    """
    tree, duplicates = read_tree(data, source, cache)
    if not isinstance(tree, dict):
        hint = f"it begins with {data[:1000].decode('utf-8', 'replace').strip()[:40]!r}"
        kind = {list: "a list", str: "text", type(None): "nothing"}.get(type(tree), f"a {type(tree).__name__}")
        raise DescriptionError(f"{source} holds {kind}, not an API description", hint=hint)
    # Before joining: files of a description that nlapi cannot read are not fetched.
    version = _version(tree, source)
    tree, unresolved, join_issues = join(tree) if join else (tree, {}, ())
    document = Document(
        tree=tree,
        source=source,
        version=version,
        issues=(*map(_duplicate_key_issue, duplicates), *join_issues),
        unresolved=unresolved,
        may_have_hints=b"x-nlapi" in data or join is not None,
    )
    return add_overlays(document, overlays) if overlays else document


def add_overlays(document: Document, overlays: Sequence[Overlay]) -> Document:
    """Return a copy of a Document with overlays applied in order. DescriptionError when it grows too large."""
    from nlapi.openapi.overlay import apply_overlays

    tree, issues = apply_overlays(document.tree, overlays)
    return replace(document, tree=tree, issues=(*document.issues, *issues), may_have_hints=True)


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


def _version(tree: Mapping[str, object], source: str) -> str:
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
