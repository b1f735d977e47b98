"""The nodes that a JSONPath (RFC 9535) selects."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

NodePath = tuple[Any, ...]
"""The keys and indexes from the root to a node."""


@cache
def _environment(*, strict: bool) -> Any:
    # Imported here: python-jsonpath is needed only where there is a JSONPath, and `regex` where there is a pattern.
    from jsonpath import JSONPathEnvironment, JSONPathError
    from jsonpath.function_extensions import Match, Search

    from nlapi.patterns import PatternError, search_pattern

    def matches(value: object, pattern: str) -> bool:
        try:
            return isinstance(value, str) and search_pattern(pattern, value)
        except PatternError:  # RFC 9535 §2.4.6: it matches nothing
            return False
        except TimeoutError:
            raise JSONPathError(f"the pattern {pattern[:60]!r} takes too long", token=None) from None

    # The pattern may be a part of the answer that it is tried against, and the library's own functions have no bound.
    class BoundedMatch(Match):
        def __call__(self, value: object, pattern: object) -> bool:
            return isinstance(pattern, str) and matches(value, f"^(?:{pattern})$")

    class BoundedSearch(Search):
        def __call__(self, value: object, pattern: object) -> bool:
            return isinstance(pattern, str) and matches(value, pattern)

    environment = JSONPathEnvironment(strict=strict)
    environment.function_extensions |= {"match": BoundedMatch(), "search": BoundedSearch()}
    return environment


@lru_cache(maxsize=256)
def compile_jsonpath(path: str, *, strict: bool = True) -> Any:
    """Return a JSONPath as python-jsonpath has it; ValueError, with the fault, for any other text.

    Without `strict` the library's own extensions of the standard are read too.
    """
    from jsonpath import JSONPathError

    try:
        return _environment(strict=strict).compile(path)
    except JSONPathError as error:
        raise ValueError(f"{path!r} is not a JSONPath: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ValueError(f"{path!r} goes too deep") from None


def node_paths(tree: Any, path: str, *, strict: bool = True) -> list[NodePath]:
    """Return the locations of the nodes that a JSONPath selects, each once.

    ValueError when it is invalid, or a pattern in it takes too long.
    """
    from jsonpath import JSONPathError

    try:
        # One node may be selected twice (`$..['a','a']`).
        return list(dict.fromkeys(tuple(match.parts) for match in compile_jsonpath(path, strict=strict).finditer(tree)))
    except JSONPathError as error:
        raise ValueError(f"{path!r} cannot be applied: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ValueError(f"{path!r} goes too deep") from None


def node_at(tree: Any, location: NodePath) -> Any:
    """Return the node at a location that `node_paths` gave."""
    for part in location:
        tree = tree[part]
    return tree
