"""The interface of parsers of streaming bodies: bytes in as they come, whole items out."""

from __future__ import annotations

import json
from typing import Any


class StreamParser:
    """A parser that divides a body into its items.

    `is_over`: nothing more follows by the body's own account. `fault` says why nothing after the last item can be read.
    """

    is_over = False
    fault = ""

    def feed(self, data: bytes) -> list[Any]:
        """Return the items that are complete with these next bytes of the body, however they are cut."""
        raise NotImplementedError

    def finish(self) -> list[Any]:
        """Return the items that the end of the body completes."""
        return []

    def remainder(self) -> list[Any]:
        """Return the readable beginning of an item that was cut; empty where a beginning means nothing."""
        return []


def parse_json_or_text(data: bytes) -> tuple[Any, bool]:
    """Return `(value, True)` of a JSON text, or the text itself and False."""
    # One bad line must not lose the rest: servers mix a plain error message into a stream of JSON.
    try:
        return json.loads(data), True
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace").strip(), False
