"""The router: from a method and a path to an operation of the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import unquote

from nlapi.gateway.description import GatewayOperation
from nlapi.gateway.problem import GatewayProblem


class PathRouter:
    """The operations of the gateway by path and method."""

    def __init__(self, operations: Iterable[GatewayOperation]) -> None:
        self._fixed_paths: dict[str, dict[str, GatewayOperation]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, GatewayOperation]]] = {}
        for operation in operations:
            # A path without parameters is one look-up in a dict; only the others cost a regular expression each.
            if "{" not in operation.path:
                self._fixed_paths.setdefault(operation.path, {})[operation.method] = operation
            else:
                # RFC 3986 §3.3: a value in a path has no slash; one that is encoded as %2F is decoded after the match.
                literal = re.escape(operation.path).replace(r"\{", "{").replace(r"\}", "}")
                pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", literal))
                self._patterns.setdefault(operation.path, (pattern, {}))[1][operation.method] = operation

    def match(self, method: str, path: str) -> tuple[GatewayOperation, dict[str, str]]:
        """Return the operation and the values in the path. Problem 404 or 405."""
        by_method, values = self._match_path(path)
        method = "GET" if method == "HEAD" else method  # RFC 9110 §9.3.2; the server drops the body
        if by_method is None:
            hint = self._nearest_hint(method, path)
            raise GatewayProblem(404, f"there is no path {path[:80]!r}", code="unknown_path", hint=hint)
        operation = by_method.get(method)
        if operation is None:
            allowed = ", ".join(sorted({*by_method, *(("HEAD",) if "GET" in by_method else ())}))
            message = f"{path[:200]} takes {allowed}, not {method[:20]}"
            hint = self._nearest_hint(method, path)
            raise GatewayProblem(405, message, code="method", hint=hint, headers={"Allow": allowed})
        return operation, values

    def _nearest_hint(self, method: str, path: str) -> str:
        """Return a hint with the nearest path that has the method; "" when there is none."""
        patterns = {name: by_method for name, (_, by_method) in self._patterns.items()}
        paths_by_text = {
            re.sub(r"\{\w+\}", "", name): name for name, by_method in {**self._fixed_paths, **patterns}.items() if method in by_method
        }
        matches = get_close_matches(path[:100], paths_by_text, n=1, cutoff=0.0)
        return f"the nearest that takes {method} is {paths_by_text[matches[0]]}" if matches else ""

    def _match_path(self, path: str) -> tuple[dict[str, GatewayOperation] | None, dict[str, str]]:
        if path in self._fixed_paths:
            return self._fixed_paths[path], {}
        for pattern, operations in self._patterns.values():
            if path_match := pattern.fullmatch(path):
                return operations, {name: percent_decode(text) for name, text in path_match.groupdict().items()}
        return None, {}


def percent_decode(text: str) -> str:
    """Decode percent-encoded text. Problem 400 when it is not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise GatewayProblem(400, "the address is not UTF-8", code="malformed_path", path="path") from None
