"""The idempotency key of a change, the same for every try of one intention, where the API describes a header for it.

An API that gets the same key twice carries the change out once (draft-ietf-httpapi-idempotency-key-header).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nlapi.client.digest import is_idempotency_header
from nlapi.openapi.spec import Effect
from nlapi.tools.tool import Call, Origin, Tool

if TYPE_CHECKING:
    from nlapi.tools.plan import Conversation

# A function from the digest of a request to the name of its intention; two tries of one intention have the same name.
Intention = Callable[[str], str]


def key_argument(tool: Tool) -> str | None:
    """Return the argument that holds the idempotency key of a change; None where the description has none."""
    if tool.effect is Effect.READ:
        return None
    return next(
        (
            name
            for name, (location, wire_name) in tool.places.items()
            if location == "header" and is_idempotency_header(wire_name)
        ),
        None,
    )


def provisional_key(tool: Tool) -> Mapping[str, object]:
    """Return a provisional key as an argument where the header is required, else {}."""
    # The digest that names the intention is that of a built request, and none is built without a required header.
    return new_key(tool, "") if key_argument(tool) in tool.required else {}


def new_key(tool: Tool, intention: str) -> Mapping[str, Any]:
    """Return the key of an intention as an argument; {} where the tool has none, or no key fits its schema.

    The key is a UUID, or its hexadecimal digits where only those fit.
    """
    from nlapi.schema_validator import VALIDATOR

    name = key_argument(tool)
    if name is None:
        return {}
    # A hash and not a random UUID: a conversation that is resumed after a kill has to send the same key
    # (docs/design/025-once.md).
    hashed = hashlib.sha256(f"{tool.operation.spec.source}\n{tool.operation.id}\n{intention}".encode()).digest()
    key = uuid.UUID(bytes=hashed[:16], version=4)
    # The key is checked alone; the other arguments are not known to be complete here.
    validator = VALIDATOR({**tool.input_schema, "required": [], "minProperties": 0})
    candidates = (text for text in (str(key), key.hex) if validator.is_valid({name: text}))
    text = next(candidates, None)
    return {} if text is None else {name: text}


def without_invented_key(call: Call, conversation: Conversation) -> Call:
    """Return a call without an idempotency key that its planner invented."""
    name = key_argument(call.tool)
    if name is None or name not in call.arguments:
        return call
    # A model invents another key for each try, so the API would carry the change out twice.
    key = str(call.arguments[name])
    if call.account is not None and any(source.origin is Origin.REPLY for source in call.account.of(name)):
        return call
    if key and (key in conversation.known_values.values() or any(key in turn.question for turn in conversation.turns)):
        return call
    return replace(call, arguments={argument: value for argument, value in call.arguments.items() if argument != name})
