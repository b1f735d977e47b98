"""The nodes that a JSONPath (RFC 9535) selects."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

NodePath = tuple[Any, ...]
"""The keys and indexes from the root to a node."""


@cache
def _environment() -> Any:
    # Imported here: python-jsonpath is needed only where there is a JSONPath.
    from jsonpath import JSONPathEnvironment

    return JSONPathEnvironment(strict=True)


@lru_cache(maxsize=256)
def _compile(path: str) -> Any:
    from jsonpath import JSONPathError

    try:
        return _environment().compile(path)
    except JSONPathError as error:
        raise ValueError(f"{path!r} is not a JSONPath: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ValueError(f"{path!r} goes too deep") from None


def check_jsonpath(path: str) -> None:
    """Raise ValueError, with the fault, where a text is no JSONPath."""
    _compile(path)


def node_paths(tree: Any, path: str) -> list[NodePath]:
    """Return the locations of the nodes that a JSONPath selects, each once. ValueError when it is none."""
    from jsonpath import JSONPathError

    try:
        # One node may be selected twice (`$..['a','a']`).
        return list(dict.fromkeys(tuple(match.parts) for match in _compile(path).finditer(tree)))
    except JSONPathError as error:
        raise ValueError(f"{path!r} cannot be applied: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ValueError(f"{path!r} goes too deep") from None


def node_at(tree: Any, location: NodePath) -> Any:
    """Return the node at a location that `node_paths` gave."""
    for part in location:
        tree = tree[part]
    return tree
