"""A scripted stand-in for Chat Completions: it takes the scripts of the stand-in for the Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tests.messages_server import Step, message
from tests.servers import Echo, Received, Reply

_REASONS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter"}


class ChatServer(Echo):
    """The stand-in, at `url`/v1. `requests` are the bodies that came, with their tool results as the other one's."""

    def __init__(self, script: Iterable[Step] = (), *, key: str) -> None:
        super().__init__()
        self.script = list(script)
        self.key = key
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self._count = 0

    def reply(self, request: Received) -> Reply:
        if request.header("authorization") != f"Bearer {self.key}":
            return Reply(401, {"error": {"message": "Incorrect API key provided"}})
        body = request.json()
        if fault := _fault(body["messages"]):
            self.refused.append(fault)
            return Reply(400, {"error": {"message": fault}})
        self.requests.append(_as_messages_request(body))
        if not self.script:
            return Reply(400, {"error": {"message": "the script of the stand-in has no step left"}})
        step = self.script.pop(0)
        return self._answer_of(step(self.requests[-1]) if callable(step) else step)

    def _answer_of(self, step: dict[str, Any]) -> Reply:
        if "error" in step:
            headers = {"retry-after": "0", **{name.replace("_", "-"): text for name, text in step["headers"].items()}}
            return Reply(step["status"], {"error": step["error"]}, headers)
        self._count += 1
        events = [json.dumps(chunk) for chunk in chat_chunks(step, self._count)]
        if broken := step.get("broken"):
            events = events[: broken["after"]]
        else:
            events.append("[DONE]")
        text = "".join(f"data: {event}\n\n" for event in events)
        return Reply(200, text.encode(), {"Content-Type": "text/event-stream"})


def chat_chunks(step: dict[str, Any], number: int = 0) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed answer, usage last."""
    calls = 0
    for block in step["content"]:
        if block["type"] == "text":
            yield from (_chunk({"content": part}) for part in _parts(block["text"]))
        elif block["type"] == "tool_use":
            call_input = block["input"]
            arguments = call_input if isinstance(call_input, str) else json.dumps(call_input)
            function = {"name": block["name"], "arguments": ""}
            yield _chunk({"tool_calls": [{"index": calls, "id": f"call_{number}_{calls}", "function": function}]})
            for part in _parts(arguments):
                yield _chunk({"tool_calls": [{"index": calls, "function": {"arguments": part}}]})
            calls += 1
    stop = step.get("stop_reason") or message(*step["content"])["stop_reason"]
    yield _chunk({}, _REASONS.get(stop, stop))
    yield {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}


def _chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _parts(text: str, length: int = 30) -> list[str]:
    return [text[at : at + length] for at in range(0, len(text), length)]


def _fault(messages: list[dict[str, Any]]) -> str:
    """What the real API refuses: calls without an answer directly after them, and answers to no call."""
    waiting: list[str] = []
    for item in messages:
        if item["role"] == "tool":
            if item["tool_call_id"] not in waiting:
                return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'"
            waiting.remove(item["tool_call_id"])
        elif waiting:
            return "an assistant message with 'tool_calls' must be followed by tool messages"
        waiting += [call["id"] for call in item.get("tool_calls", ())]
    return ""


def _as_messages_request(body: dict[str, Any]) -> dict[str, Any]:
    """The request with its last tool results as one message of the Messages API, for scripts that look at them."""
    results: list[dict[str, Any]] = []
    for item in reversed(body["messages"]):
        if item["role"] != "tool":
            break
        results.insert(0, {"type": "tool_result", "tool_use_id": item["tool_call_id"], "content": item["content"]})
    last = {"role": "user", "content": results} if results else body["messages"][-1]
    return {**body, "messages": [*body["messages"], last]}
