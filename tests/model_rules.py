"""What the real APIs of OpenAI and Google refuse in the tools of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from nlapi import testing
from nlapi.openapi.schema_upgrade import SCHEMA_KEYWORDS, SCHEMA_LIST_KEYWORDS, SCHEMA_MAP_KEYWORDS

SCHEMAS = ("parameters", "parametersJsonSchema", "parameters_json_schema")
"""Where a tool's schema is: Gemini takes both spellings, and its package sends the second."""


def fault(path: str, body: dict[str, Any]) -> str:
    """Why the real API would refuse the tools of a request; "" when it would not."""
    gemini = path.endswith("generateContent")
    tools = body.get("tools", [])
    if gemini:
        tools = [one for tool in tools for one in tool["functionDeclarations"]]
    elif path.endswith("completions"):
        tools = [tool["function"] for tool in tools]
    name = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}" if gemini else r"[a-zA-Z0-9_-]{1,64}")
    if path.endswith("responses"):
        searches = [tool for tool in tools if tool.get("type") == "tool_search"]
        tools = [tool for tool in tools if tool not in searches]
        if not searches and any(tool.get("defer_loading") for tool in tools):
            return "Deferred tools require the tool_search tool."
    elif any("defer_loading" in tool for tool in tools):
        return "Unknown parameter: 'defer_loading'."
    for tool in tools:
        schema = tool[next(key for key in SCHEMAS if key in tool)]
        strict = tool.get("strict", path.endswith("responses")) and not gemini
        if not name.fullmatch(tool["name"]):
            return f"Invalid function name {tool['name']!r}"
        if schema["type"] != "object" or schema.keys() & {"oneOf", "anyOf", "allOf", "enum", "not"}:
            return f"Invalid schema for function {tool['name']!r}: schema must have type 'object'"
        for inner in _schemas(schema):
            if "array" in inner.get("type", ()) and "items" not in inner:
                return f"Invalid schema for function {tool['name']!r}: array schema missing items."
            if strict and set(inner.get("required", ())) != set(inner.get("properties", ())):
                return f"Invalid schema for function {tool['name']!r}: 'required' has to name every property."
    return ""


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all that are in it."""
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            inner = (
                value.values()
                if key in SCHEMA_MAP_KEYWORDS
                else value
                if key in SCHEMA_LIST_KEYWORDS
                else [value] * (key in SCHEMA_KEYWORDS)
            )
            for one in inner:
                yield from _schemas(one)


class ModelServer(testing.ScriptedModel):
    """The scripted model, with the rules."""

    def __init__(self, script: Iterable[testing.ScriptStep] = ()) -> None:
        super().__init__(script, check=fault)
