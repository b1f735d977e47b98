"""The messages of a conversation with a model, in the form of the Messages API, and the state of a plan made by it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nlapi.json_text import parse_json
from nlapi.lazy_pattern import lazy_pattern
from nlapi.tools.plan import JsonObject, Plan, StoredState

Block = dict[str, Any]
Message = dict[str, Any]

PLANNER = "claude"
# Tokens of one answer; what is more is not a count of any. An amount of 400 digits is not a number, either.
MAX_COUNT = 1_000_000_000
_Key = TypeVar("_Key")
_CALL_ID = lazy_pattern(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """The state of a plan of Claude's: the messages of its round, unchanged, so that the next round can send them back.

    `results` has the tool results that the planner made itself, by tool_use id. `usage` is in tokens, and `cost` in
    dollars, None for an unknown model.
    """

    model: str
    messages: tuple[Message, ...] = ()
    results: Mapping[str, Block] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: float | None = None

    def to_json(self) -> JsonObject:
        return {
            "planner": PLANNER,
            "model": self.model,
            "messages": list(self.messages),
            "results": dict(self.results),
            "usage": dict(self.usage),
            "cost": self.cost,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelState:
        """Return the state that `to_json` wrote; keys that a transcript does not have are empty."""
        return cls(
            model=str(data.get("model") or ""),
            messages=tuple(data.get("messages") or ()),
            results=data.get("results") or {},
            usage=data.get("usage") or {},
            cost=data.get("cost"),
        )


def append_content(messages: list[Message], role: str, content: list[Block]) -> None:
    """Add content to the messages; consecutive content of one role becomes one message."""
    # The API refuses empty content, and two messages of one role in a row.
    if not content:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1] = {"role": role, "content": [*messages[-1]["content"], *content]}
    else:
        messages.append({"role": role, "content": list(content)})


def tool_use_ids(messages: Iterable[Message]) -> list[str]:
    return [block["id"] for message in messages for block in message["content"] if block["type"] == "tool_use"]


def model_state(plan: Plan) -> ModelState | None:
    """Return the state in a plan of Claude's; None for a plan of any other planner."""
    return plan.raw if isinstance(plan.raw, ModelState) else None


def request_state(plan: Plan) -> ModelState | None:
    """Return the state of the request to a model that led to a plan: its own, or that which called a workflow."""
    raw = plan.raw.origin if isinstance(plan.raw, StoredState) else plan.raw
    return raw if isinstance(raw, ModelState) else None


def tool_result(id: str, text: str, *, is_error: bool = False) -> Block:
    return {"type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error}


def extend_text(texts: dict[_Key, Any], key: _Key, piece: str) -> None:
    """Append a piece to a text, "" if none exists yet, in time that is linear in the piece."""
    text = texts.get(key, "")
    # With no other reference to it, CPython extends the text in place; a copy for each piece takes minutes.
    texts[key] = ""
    text += piece
    texts[key] = text


def token_counts(usage: Mapping[str, object]) -> dict[str, int]:
    """Return the numbers of tokens in a usage that a server reports. ValueError for anything else."""
    counts: dict[str, int] = {}
    for name, value in usage.items():
        if value is None or not name.endswith("_tokens"):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_COUNT:
            raise ValueError(f"{name} is not a number of tokens")
        counts[name] = int(value)
    return counts


@dataclass(slots=True)
class StreamedAnswer:
    """An answer of the model, during its stream and after it (`stop` is set)."""

    blocks: dict[int, Block] = field(default_factory=dict)
    inputs: dict[int, str] = field(default_factory=dict)
    stop: str | None = None
    details: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    """tool_use id -> what is wrong with its input"""
    number: int = 0
    """the number of messages before it, for ids of calls that the server gives none"""
    used_ids: Collection[str] = ()
    """the ids of the calls before it, which no other may have"""

    @property
    def content(self) -> list[Block]:
        """The content blocks as they can be sent back, without empty texts, which the API refuses."""
        blocks = (self.blocks[index] for index in sorted(self.blocks))
        return [block for block in blocks if block["type"] != "text" or block["text"].strip()]

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.content if block["type"] == "text")

    def call_id(self, id: object, index: int) -> str:
        """Return the id of a call, or one of our own: some servers send none, or the same one twice."""
        taken = {*self.used_ids, *tool_use_ids([{"content": self.blocks.values()}])}
        if isinstance(id, str) and _CALL_ID.fullmatch(id) and id not in taken:
            return id
        new_id = f"call_{self.number}_{index}"
        while new_id in taken:
            new_id += "_"
        return new_id

    def finish(self) -> None:
        """Parse the inputs of the tool_uses once the stream has ended."""
        for index, block in self.blocks.items():
            if index in self.inputs or block["type"] == "tool_use":
                self._read_input(block, self.inputs.get(index, ""))
        # Some servers end as if there were no calls; the answer would count as the last, and its calls be lost.
        if self.stop == "end_turn" and any(block["type"] == "tool_use" for block in self.blocks.values()):
            self.stop = "tool_use"

    def _read_input(self, block: Block, text: str) -> None:
        """Parse the input of a tool_use; without a text of it, its start has the whole."""
        # Strictly: a change with half its arguments must not be sent.
        try:
            value = parse_json(text) if text else block.get("input", {})
        except (ValueError, RecursionError) as error:
            value, fault = None, f"the input is not JSON: {error}"
        else:
            fault = "the input must be a JSON object"
        if isinstance(value, dict):
            block["input"] = value
        else:
            block["input"] = {}
            self.faults[block["id"]] = fault
