"""The router: from a method and a path to an operation of the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import unquote

from nlapi.gateway.description import Operation
from nlapi.gateway.problem import Problem


class Addresses:
    """The operations of the gateway by path and method."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._fixed: dict[str, dict[str, Operation]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Operation]]] = {}
        for one in operations:
            # A path without parameters is one look-up in a dict; only the others cost a regular expression each.
            if "{" not in one.path:
                self._fixed.setdefault(one.path, {})[one.method] = one
            else:
                # RFC 3986 §3.3: a value in a path has no slash; one that is encoded as %2F is decoded after the match.
                literal = re.escape(one.path).replace(r"\{", "{").replace(r"\}", "}")
                pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", literal))
                self._patterns.setdefault(one.path, (pattern, {}))[1][one.method] = one

    def match(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """Return the operation and the values in the path. Problem 404 or 405."""
        found, values = self._find(path)
        method = "GET" if method == "HEAD" else method  # RFC 9110 §9.3.2; the server drops the body
        if found is None:
            hint = self._nearest(method, path)
            raise Problem(404, f"there is no path {path[:80]!r}", code="unknown_path", hint=hint)
        operation = found.get(method)
        if operation is None:
            allowed = ", ".join(sorted({*found, *(("HEAD",) if "GET" in found else ())}))
            message = f"{path[:200]} takes {allowed}, not {method[:20]}"
            hint = self._nearest(method, path)
            raise Problem(405, message, code="method", hint=hint, headers={"Allow": allowed})
        return operation, values

    def _nearest(self, method: str, path: str) -> str:
        """Return a hint with the nearest path that has the method; "" when there is none."""
        patterns = {name: found for name, (_, found) in self._patterns.items()}
        those = {
            re.sub(r"\{\w+\}", "", name): name for name, found in {**self._fixed, **patterns}.items() if method in found
        }
        near = get_close_matches(path[:100], those, n=1, cutoff=0.0)
        return f"the nearest that takes {method} is {those[near[0]]}" if near else ""

    def _find(self, path: str) -> tuple[dict[str, Operation] | None, dict[str, str]]:
        if path in self._fixed:
            return self._fixed[path], {}
        for pattern, operations in self._patterns.values():
            if matched := pattern.fullmatch(path):
                return operations, {name: decoded(text) for name, text in matched.groupdict().items()}
        return None, {}


def decoded(text: str) -> str:
    """Decode percent-encoded text. Problem 400 when it is not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Problem(400, "the address is not UTF-8", code="malformed_path", path="path") from None
