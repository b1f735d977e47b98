"""The rules of the Messages API: what it refuses of a request, in its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.context_edits import edit_fault

TOP = {
    *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", "stop_sequences", "thinking"),
    *("cache_control", "metadata", "output_config", "service_tier", "container", "inference_geo", "speed"),
    *("diagnostics", "user_profile_id", "workspace_id"),
}
TOOL = {
    *("name", "description", "input_schema", "strict", "input_examples", "defer_loading", "cache_control"),
    *("allowed_callers", "eager_input_streaming", "type"),
}
BLOCKS = {
    "text": {"text", "cache_control", "citations"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_use": {"id", "name", "input", "cache_control", "caller"},
    "tool_result": {"tool_use_id", "content", "is_error", "cache_control"},
    "server_tool_use": {"id", "name", "input", "cache_control", "caller"},
    "tool_search_tool_result": {"tool_use_id", "content", "cache_control"},
    "tool_reference": {"tool_name", "cache_control"},
}
USER_BLOCKS = {"tool_result", "tool_reference"}
SEARCH_TOOL = re.compile(r"(tool_search_tool_(?:bm25|regex))(?:_20251119)?")
"""The types of the server's own search for tools, with their name"""


class Refused(Exception):  # noqa: N818 - an answer, not an error of the stand-in
    """What the real API would refuse, in its words."""


def check(body: Any, *, paused: bool = False, betas: str = "") -> None:
    """Raises Refused as the real API does. `paused`: the answer before ended in pause_turn; `betas` is the header."""
    if not isinstance(body, dict):
        raise Refused("The request body is not valid JSON")
    if "context_management" in body and (fault := edit_fault(body["context_management"], betas)):
        raise Refused(fault)
    for key in body.keys() - TOP - {"context_management"}:
        raise Refused(f"{key}: Extra inputs are not permitted")
    for key in ("model", "max_tokens", "messages"):
        if key not in body:
            raise Refused(f"{key}: Field required")
    if not isinstance(body["max_tokens"], int) or body["max_tokens"] < 0:
        raise Refused("max_tokens: Input should be a valid integer")
    kind = body.get("tool_choice", {"type": "auto"}).get("type")
    if kind not in ("auto", "none"):
        raise Refused(f'tool_choice: "{kind}" is not supported by this model')
    if "tool_choice" in body and not body.get("tools"):
        raise Refused("tool_choice may only be specified while providing tools")
    system = body.get("system", [])
    for index, block in enumerate([] if isinstance(system, str) else system):
        _check_block(block, f"system.{index}", ("text",))
    _check_tools(body.get("tools", []))
    _check_messages(body["messages"], paused)
    _check_references(body)
    if "tools" not in body and '"tool_use"' in json.dumps(body["messages"]):
        raise Refused("Requests which include `tool_use` or `tool_result` blocks must define tools")
    _check_breakpoints(body)


def _check_breakpoints(body: dict[str, Any]) -> None:
    marks = list(_marks([body.get("tools", []), body.get("system", []), body["messages"]]))
    marks += [body["cache_control"]] if "cache_control" in body else []
    if len(marks) > 4:
        raise Refused(f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
    lives = []
    for mark in marks:
        if not isinstance(mark, dict) or mark.get("type") != "ephemeral" or mark.keys() - {"type", "ttl"}:
            raise Refused("cache_control: Input should be an object of type 'ephemeral'")
        lives.append(mark.get("ttl", "5m"))
        if lives[-1] not in ("5m", "1h"):
            raise Refused("cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
    if "1h" in lives[lives.index("5m") :] if "5m" in lives else False:
        raise Refused("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")


def _marks(value: Any) -> Iterator[Any]:
    """The breakpoints in tools, system and messages, in the order of the prompt; schemas and inputs have none."""
    if isinstance(value, dict):
        if "cache_control" in value:
            yield value["cache_control"]
        yield from _marks(value.get("content", []))
    elif isinstance(value, list):
        for item in value:
            yield from _marks(item)


def _check_references(body: dict[str, Any]) -> None:
    """A reference leads to a deferred tool, whose definition then stands there."""
    names = {tool["name"] for tool in body.get("tools", []) if "input_schema" in tool}
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            inner = block.get("content", []) if block["type"] in ("tool_result", "tool_search_tool_result") else []
            references = inner.get("tool_references", []) if isinstance(inner, dict) else inner
            for reference in references if isinstance(references, list) else ():
                if reference.get("type") == "tool_reference" and reference.get("tool_name") not in names:
                    raise Refused(f"Tool reference '{reference.get('tool_name')}' not found in available tools")


def _check_tools(tools: list[dict[str, Any]]) -> None:
    names = [tool.get("name") for tool in tools]
    if tools and all(tool.get("defer_loading") for tool in tools):
        raise Refused("All tools have defer_loading set. At least one tool must be non-deferred.")
    for index, tool in enumerate(tools):
        where = f"tools.{index}.custom"
        if search := SEARCH_TOOL.fullmatch(str(tool.get("type", ""))):
            if tool.get("name") != search[1] or tool.keys() - {"type", "name", "cache_control", "allowed_callers"}:
                raise Refused(f"tools.{index}.{tool['type']}: Input should have the name '{search[1]}' and no schema")
            continue
        if tool.get("type", "custom") != "custom":
            raise Refused(f"tools.{index}: Input tag '{tool['type']}' does not match any of the expected tags")
        if not isinstance(tool.get("defer_loading", False), bool):
            raise Refused(f"{where}.defer_loading: Input should be a valid boolean")
        if tool.get("defer_loading") and "cache_control" in tool:
            raise Refused(f"{where}: Tool cannot have both defer_loading=true and cache_control set.")
        for key in tool.keys() - TOOL:
            raise Refused(f"{where}.{key}: Extra inputs are not permitted")
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(tool.get("name"))):
            raise Refused(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if names.count(tool["name"]) > 1:
            raise Refused("tools: Tool names must be unique.")
        _check_schema(tool.get("input_schema"), f"{where}.input_schema")


def _check_schema(schema: Any, where: str) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise Refused(f"{where}.type: Input should be 'object'")
    if schema.keys() & {"oneOf", "anyOf", "allOf"}:
        raise Refused(f"{where}: input_schema does not support oneOf, allOf, or anyOf at the top level")
    for name in schema.get("properties", {}):
        if not re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name):
            raise Refused(f"{where}.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'")
    try:
        Draft202012Validator.check_schema(schema)
        resolver = Registry().resolver_with_root(Resource(contents=schema, specification=DRAFT202012))
        for ref in _refs(schema):
            resolver.lookup(ref)
    except (SchemaError, Unresolvable) as fault:
        raise Refused(f"{where}: JSON schema is invalid. It must match JSON Schema draft 2020-12 ({fault})") from fault


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _refs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _refs(item)


def _check_messages(messages: list[dict[str, Any]], paused: bool) -> None:
    if not messages:
        raise Refused("messages: at least one message is required")
    if messages[0]["role"] != "user":
        raise Refused("messages: first message must use the user role")
    if messages[-1]["role"] != "user" and not paused:
        raise Refused("This model does not support assistant message prefill. It must end with a user message.")
    used: list[str] = []
    waiting: list[str] = []
    for index, item in enumerate(messages):
        where = f"messages.{index}"
        content = _check_content(item, where)
        answered = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        for id in answered:
            if id not in waiting:
                raise Refused(f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {id}")
        first = all(block["type"] == "tool_result" for block in content[: len(answered)])
        _check_answered(index, [id for id in waiting if id not in answered or not first])
        waiting = [block["id"] for block in content if block["type"] == "tool_use"]
        used += waiting
    _check_answered(len(messages), waiting)
    if len(set(used)) < len(used):
        raise Refused("messages: `tool_use` ids must be unique")


def _check_answered(index: int, missing: list[str]) -> None:
    if missing:
        ids = ", ".join(missing)
        text = f"`tool_use` ids were found without `tool_result` blocks immediately after: {ids}. Each `tool_use`"
        raise Refused(f"messages.{index - 1}: {text} block must have a corresponding `tool_result` block in the next")


def _check_content(item: dict[str, Any], where: str) -> list[dict[str, Any]]:
    if item.keys() != {"role", "content"} or item["role"] not in ("user", "assistant"):
        raise Refused(f"{where}: a message is a role and a content")
    content = [{"type": "text", "text": item["content"]}] if isinstance(item["content"], str) else item["content"]
    if not content:
        raise Refused(f"{where}: all messages must have non-empty content")
    allowed = ("text", "tool_result") if item["role"] == "user" else tuple(BLOCKS.keys() - USER_BLOCKS)
    for number, block in enumerate(content):
        _check_block(block, f"{where}.content.{number}", allowed)
    return content


def _check_block(block: dict[str, Any], where: str, allowed: tuple[str, ...]) -> None:
    kind = block.get("type")
    if kind not in allowed:
        raise Refused(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    for key in block.keys() - BLOCKS[kind] - {"type"}:
        raise Refused(f"{where}.{kind}.{key}: Extra inputs are not permitted")
    if kind == "tool_reference" and not isinstance(block.get("tool_name"), str):
        raise Refused(f"{where}.tool_reference.tool_name: Field required")
    if kind == "text" and not block["text"].strip():
        raise Refused(f"{where}.text: text content blocks must contain non-whitespace text")
    if kind == "thinking" and not block.get("signature"):
        raise Refused(f"{where}.thinking.signature: Field required")
    if kind == "tool_use" and not (
        isinstance(block.get("input"), dict) and re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"])
    ):
        raise Refused(f"{where}.tool_use: Input should be a valid dictionary, and id match '^[a-zA-Z0-9_-]+$'")
    if kind == "tool_result" and not isinstance(block.get("content", ""), str):
        for number, inner in enumerate(block["content"]):
            _check_block(inner, f"{where}.tool_result.content.{number}", ("text", "tool_reference"))
