"""The accounting of the Messages API: the tokens of a request that the prompt cache has, that it gets, and the others.

A prefix is tools, system and messages, in this order. It is stored at each breakpoint where it is long enough, and
found again from a breakpoint back over 20 blocks. Deferred tools are no part of it: a `tool_reference` has their
definition in its own place. Tokens are bytes / 4.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LOOKBACK = 20
MINIMUM = {"claude-haiku": 4096, "claude-opus": 512, "claude-fable": 512}
"""Tokens that a prefix has at least to be stored, by the beginning of the model's name (providers' tables, 2026-10)"""
COMMON_MINIMUM = 1024

_UNCACHED_KINDS = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptBlock:
    """A block of a prompt: the digest of the prompt up to its end, the tokens up to there, and its breakpoint."""

    digest: str
    tokens: float
    is_breakpoint: bool


class PromptCache:
    """The prefixes that were stored. It forgets none: a test takes less than five minutes."""

    def __init__(self) -> None:
        self._stored: set[str] = set()

    def usage(self, body: dict[str, Any], output: int = 20) -> dict[str, int]:
        """The `usage` of the answer to a request, whose prefixes are stored."""
        blocks = list(prompt_blocks(body))
        marked = [index for index, block in enumerate(blocks) if block.is_breakpoint]
        minimum = next((size for name, size in MINIMUM.items() if body["model"].startswith(name)), COMMON_MINIMUM)
        read = max((self._found(blocks, index) for index in marked), default=0.0)
        stored = [blocks[index] for index in marked if blocks[index].tokens >= minimum]
        self._stored |= {block.digest for block in stored}
        written = max((block.tokens for block in stored), default=0.0)
        total = blocks[-1].tokens if blocks else 0.0
        return {
            "input_tokens": round(total - max(written, read)),
            "cache_creation_input_tokens": round(max(written - read, 0)),
            "cache_read_input_tokens": round(read),
            "output_tokens": output,
        }

    def _found(self, blocks: list[PromptBlock], index: int) -> float:
        """The tokens of the longest stored prefix that ends at a breakpoint or at most 20 blocks before it."""
        for block in reversed(blocks[max(0, index - LOOKBACK) : index + 1]):
            if block.digest in self._stored:
                return block.tokens
        return 0.0


def prompt_blocks(body: dict[str, Any]) -> Iterator[PromptBlock]:
    """The blocks of a request in the order in which they are cached."""
    parts = list(_parts(body))
    # Without a place of its own, the mark is at the last block that can have one.
    last = max((index for index, (_, block) in enumerate(parts) if _can_be_marked(block)), default=-1)
    # What a part of the prompt depends on besides its blocks: another model has a cache of its own.
    digest = hashlib.sha256(body["model"].encode())
    tokens, is_in_messages = 0.0, False
    for index, (place, block) in enumerate(parts):
        if place == "messages" and not is_in_messages:
            is_in_messages = True
            digest.update(_bytes([body.get("tool_choice"), body.get("thinking")]))
        content = _bytes({key: value for key, value in block.items() if key != "cache_control"})
        digest.update(content)
        tokens += len(content) / 4
        is_marked = "cache_control" in block or (index == last and "cache_control" in body)
        yield PromptBlock(digest=digest.hexdigest(), tokens=tokens, is_breakpoint=is_marked)


def _parts(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    tools = body.get("tools", [])
    yield from (("tools", tool) for tool in tools if not tool.get("defer_loading"))
    deferred = {tool["name"]: tool for tool in tools if tool.get("defer_loading")}
    system = body.get("system", [])
    yield from (
        ("system", block) for block in ([{"type": "text", "text": system}] if isinstance(system, str) else system)
    )
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        yield from (("messages", {"role": message["role"], **_expanded(block, deferred)}) for block in blocks)


def _expanded(block: dict[str, Any], deferred: Mapping[str, Any]) -> dict[str, Any]:
    """The block with the definitions of the tools that its references name."""
    if block["type"] != "tool_result" or isinstance(block.get("content", ""), str):
        return block
    content = [{**inner, **deferred.get(inner.get("tool_name", ""), {})} for inner in block["content"]]
    return {**block, "content": content}


def _can_be_marked(block: dict[str, Any]) -> bool:
    return block.get("type") not in _UNCACHED_KINDS


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
