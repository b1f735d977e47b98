"""Loads YAML by the core schema of YAML 1.2, through libyaml, and reports duplicate keys."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as _Base  # type: ignore[assignment]  # the same face, no common type

# Entries that merge keys (`<<`) may add to a document; chained, they grow with the square of its length.
MAX_SPREAD = 1_000_000

# Nodes of a document, keys and values alike, without its aliases: each takes 370 bytes until all is read. The largest
# description has 1.9 million values.
MAX_NODES = 4_000_000

# Digits of an integer: a JSON number (a double) ends at 309, and `int` takes quadratic time.
MAX_DIGITS = 300

_TAG = "tag:yaml.org,2002:"


class TooManyNodesError(Exception):
    """A document with more than MAX_NODES nodes."""


class _Loader(_Base):
    """YAML 1.2 core schema: `no` and `on` are strings, dates stay strings, 0o17 is octal (YAML 1.2.2 §10.3.2)."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[tuple[str, int]] = []
        self.spread = 0
        self.nodes = 0

    def descend_resolver(self, current_node: object, current_index: object) -> None:
        """Count the nodes; PyYAML calls this for each, for resolvers by path, which are not used here."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise TooManyNodesError

    def ascend_resolver(self) -> None:
        """Do nothing: resolvers by path do not exist here."""

    def flatten_mapping(self, node: Any) -> None:
        """Expand merge keys: the map's own keys win, then those of the map that is merged first."""
        merged = [value for key, value in node.value if key.tag == f"{_TAG}merge"]
        if not merged:
            return
        node.value = [pair for pair in node.value if pair[0].tag != f"{_TAG}merge"]
        local_keys = {str(key.value) for key, _ in node.value}
        pairs: dict[str, Any] = {}
        for value in merged:
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(source, yaml.MappingNode):
                    raise yaml.constructor.ConstructorError(None, None, "only a map can be merged", source.start_mark)
                self.flatten_mapping(source)
                for pair in source.value:
                    pairs.setdefault(str(pair[0].value), pair)
        node.value += [pair for name, pair in pairs.items() if name not in local_keys]
        self.spread += len(pairs)
        if self.spread > MAX_SPREAD:
            raise yaml.constructor.ConstructorError(None, None, "its merge keys grow too large", node.start_mark)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[object, object]:
        """Return a map whose keys are texts as written: an unquoted `200:` or `true:` is a name, not a value."""
        self.flatten_mapping(node)
        mapping: dict[object, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key_node.start_mark)
            key = key_node.value
            if key in mapping:
                self.duplicates.append((key, key_node.start_mark.line + 1))
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping


_Loader.yaml_implicit_resolvers = {}  # PyYAML's own are those of YAML 1.1
for _name, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _integer(loader: Any, node: Any) -> float | str:
    """Return a number, or the text as written where it has more than MAX_DIGITS characters.

    An integer of more than 64 bits is a float, as in a description in JSON: one in YAML and its copy in JSON are the
    same.
    """
    text: str = loader.construct_scalar(node)
    if len(text) > MAX_DIGITS:
        return text
    number = int(text, 0) if text.lstrip("+-")[:2] in ("0o", "0x") else int(text)
    return number if -(2**63) <= number < 2**64 else float(number)


def _float(loader: Any, node: Any) -> float | str:
    """Return a number, or the text as written where JSON has no such number (.inf, .nan, 1e999)."""
    number: float = loader.construct_yaml_float(node)
    return number if math.isfinite(number) else str(node.value)


def _text(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node))


def _reject(loader: Any, node: Any) -> None:
    loader.construct_undefined(node)


def _mapping(loader: Any, node: Any) -> object:
    result: dict[Any, Any] = {}
    yield result
    result.update(loader.construct_mapping(node))


_Loader.add_constructor(f"{_TAG}int", _integer)
_Loader.add_constructor(f"{_TAG}float", _float)
_Loader.add_constructor(f"{_TAG}map", _mapping)
for _name in ("binary", "timestamp"):
    _Loader.add_constructor(f"{_TAG}{_name}", _text)
for _name in ("set", "omap", "pairs"):  # JSON has none of them
    _Loader.add_constructor(f"{_TAG}{_name}", _reject)


def load(text: str) -> tuple[Any, list[tuple[str, int]]]:
    """Return the one document in `text`, and its duplicate keys as (key, line). yaml.YAMLError when it is not YAML."""
    loader = _Loader(text)
    try:
        return loader.get_single_data(), loader.duplicates
    except (
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:  # a tag that its value does not fit, or too deep
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from None
    finally:
        loader.dispose()
