"""Arguments that are credentials (a `token` in the query): no sentence fills them, and none is asked for in vain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nlapi.planner.slots import Slot
from nlapi.resources.naming import pieces
from nlapi.tools.tool import Tool

_NAMES = frozenset(
    (
        "token",
        "access token",
        "api token",
        "auth token",
        "authentication token",
        "bearer token",
        "session token",
        "api key",
        "apikey",
        "app key",
        "auth key",
        "access key",
        "secret key",
        "client secret",
        "authorization",
        "x api key",
        "x auth token",
    )
)
_BARE_CREDENTIALS = frozenset(("key", "token", "secret", "appid", "app id"))
"""Names of credentials where the description says that they are, and of something else where it does not."""
_SAID = re.compile(
    r"\b(?:authentication|authorization|auth|api|access|bearer|oauth)\s+(?:token|key|secret|credential)s?\b|\bcredentials?\b",
    re.IGNORECASE,
)


def is_credential(name: str, where: str, schema: Mapping[str, Any], description: str = "") -> bool:
    """Is an argument what the caller proves itself with, by its name, or by its format and its description?

    A body may well be about tokens (revoke a token), so there its description has to say so too.
    """
    called = " ".join(pieces(name))
    said = _SAID.search(description) is not None
    named = called in _NAMES or (called in _BARE_CREDENTIALS and said)
    if where == "body":
        return said and (named or schema.get("format") == "password")
    return named or (schema.get("format") == "password" and said)


def without_credentials(tool: Tool) -> Tool:
    """`tool` that requires none of the arguments which the credentials of its security stand for.

    They stay among its arguments, as a user may give them by name (`--set key=...`) where he has no credential.
    """
    if not any(tool.operation.security):
        return tool
    properties = tool.input_schema.get("properties", {})
    held = {name for name, schema in properties.items() if _is_credential(tool, name, schema)}
    if not held:
        return tool
    schema = {**tool.input_schema, "required": [name for name in tool.required if name not in held]}
    return replace(tool, input_schema=schema)


def _is_credential(tool: Tool, name: str, schema: Any) -> bool:
    where, wire = tool.places.get(name, ("body", name))
    known = schema if isinstance(schema, Mapping) else {}
    return is_credential(wire, where, known, str(known.get("description", "")))


def is_secret(slot: Slot, tool: Tool) -> bool:
    """Is a slot a credential: by what it says, or as it is sent where a key of one of the API's security schemes is?"""
    if len(slot.path) != 1:
        return False
    schemes = tool.operation.spec.security_schemes.values()
    keys = {(scheme.where, scheme.name) for scheme in schemes if scheme.kind == "apiKey"}
    return (slot.where, slot.name) in keys or is_credential(slot.name, slot.where, slot.schema, slot.description)
