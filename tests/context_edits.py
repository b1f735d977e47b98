"""The edits that the Messages API makes in a conversation where the request asks for them: `context_management`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.prompt_cache import prompt_blocks

BETAS = {
    "clear_tool_uses_20250919": "context-management-2025-06-27",
    "clear_thinking_20251015": "context-management-2025-06-27",
    "compact_20260112": "compact-2026-01-12",
}
"""Type of an edit -> the beta that has it"""

_FIELDS = {
    "clear_tool_uses_20250919": {"trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs"},
    "clear_thinking_20251015": {"keep"},
    "compact_20260112": {"trigger", "instructions", "pause_after_compaction"},
}
_TRIGGER = {"type": "input_tokens", "value": 100_000}
_KEEP = 3


def edit_fault(config: Any, betas: str) -> str:
    """What the real API refuses of a `context_management`; "" where it takes it."""
    if not any(beta in betas for beta in BETAS.values()):
        return "context_management: Extra inputs are not permitted"
    if not isinstance(config, dict) or config.keys() - {"edits"}:
        return "context_management: Input should be an object with edits"
    for index, edit in enumerate(config.get("edits", [])):
        where = f"context_management.edits.{index}"
        kind = edit.get("type")
        if kind not in BETAS or BETAS[kind] not in betas:
            return f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        for key in edit.keys() - _FIELDS[kind] - {"type"}:
            return f"{where}.{kind}.{key}: Extra inputs are not permitted"
        for key in ("trigger", "keep", "clear_at_least"):
            value = edit.get(key)
            if isinstance(value, dict) and not isinstance(value.get("value", 0), int):
                return f"{where}.{kind}.{key}.value: Input should be a valid integer"
    return ""


def edited(body: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The request as the model sees it, and the edits that were applied. A compaction is not made here."""
    applied = []
    for edit in (body.get("context_management") or {}).get("edits", []):
        if edit["type"] == "clear_tool_uses_20250919":
            body, report = _clear_tool_uses(body, edit)
            applied += [report] if report else []
    return body, applied


def _clear_tool_uses(body: dict[str, Any], edit: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    trigger = edit.get("trigger", _TRIGGER)
    uses = [
        block
        for message in body["messages"]
        for block in (message["content"] if isinstance(message["content"], list) else [])
        if block["type"] == "tool_use"
    ]
    size = len(uses) if trigger["type"] == "tool_uses" else _tokens(body)
    clearable = [block["id"] for block in uses if block["name"] not in (edit.get("exclude_tools") or ())]
    keep = edit.get("keep", {}).get("value", _KEEP)
    ids = set(clearable[: len(clearable) - keep] if keep else clearable)
    if size <= trigger["value"] or not ids:
        return body, {}
    messages = [_cleared(message, ids, bool(edit.get("clear_tool_inputs"))) for message in body["messages"]]
    smaller = {**body, "messages": messages}
    saved = _tokens(body) - _tokens(smaller)
    if saved < edit.get("clear_at_least", {}).get("value", 0):
        return body, {}
    report = {"type": edit["type"], "cleared_tool_uses": len(ids), "cleared_input_tokens": saved}
    return smaller, report


def _cleared(message: dict[str, Any], ids: set[str], inputs: bool) -> dict[str, Any]:
    if isinstance(message["content"], str):
        return message
    content = []
    for block in message["content"]:
        if block["type"] == "tool_result" and block["tool_use_id"] in ids:
            block = {**block, "content": "[cleared to save context]"}
        if block["type"] == "tool_use" and block["id"] in ids and inputs:
            block = {**block, "input": {}}
        content.append(block)
    return {**message, "content": content}


def _tokens(body: dict[str, Any]) -> int:
    return round(max((block.tokens for block in prompt_blocks(body)), default=0))
