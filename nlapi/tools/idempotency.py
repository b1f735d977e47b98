"""The idempotency key of a change: the same for every try of one intention, where the API describes a header for it.

An API that is sent the same key twice carries the change out once (draft-ietf-httpapi-idempotency-key-header).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from nlapi.client.digest import is_key_header
from nlapi.openapi.spec import Effect
from nlapi.tools.tool import Tool

Intention = Callable[[str], str]
"""The digest of a request to what names the intention behind it; two tries of one intention have the same name."""


def key_argument(tool: Tool) -> str | None:
    """Return the argument that takes the idempotency key of a change; None where the description has none."""
    if tool.effect is Effect.READ:
        return None
    return next(
        (name for name, (where, wire) in tool.places.items() if where == "header" and is_key_header(wire)), None
    )


def any_key(tool: Tool) -> Mapping[str, Any]:
    """Return some key as an argument, or none: where the header is required, nothing is built without one."""
    return new_key(tool, "") if key_argument(tool) in tool.required else {}


def new_key(tool: Tool, intention: str) -> Mapping[str, Any]:
    """Return the key of an intention as an argument: a UUID, or its digits where only those fit the schema; else {}."""
    from nlapi.tools.validator import VALIDATOR

    name = key_argument(tool)
    if name is None:
        return {}
    hashed = hashlib.sha256(f"{tool.operation.spec.source}\n{tool.operation.id}\n{intention}".encode()).digest()
    key = uuid.UUID(bytes=hashed[:16], version=4)
    validator = VALIDATOR({**tool.input_schema, "required": [], "minProperties": 0})
    fitting = (text for text in (str(key), key.hex) if validator.is_valid({name: text}))
    text = next(fitting, None)
    return {} if text is None else {name: text}


def single_intention() -> Intention:
    """Return an intention that is like no other: that of one run of `nlapi call`, or of one call from Python."""
    id = uuid.uuid4().hex
    return lambda digest: f"{id} {digest}"
