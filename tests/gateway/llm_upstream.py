"""A scripted upstream of LLMs on loopback: the model's name in a request says how it answers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

WORDS = ("Good", " morning", ", Brazil")
PATIENCE_S = 120.0


@dataclass
class Upstream:
    """What the upstream received; `gone` is set when a client closed a connection that was held open."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)


@contextmanager
def upstream() -> Iterator[Upstream]:
    """An upstream in a thread for as long as the block lasts."""
    state = Upstream()
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(lambda reader, writer: _talk(state, reader, writer), "127.0.0.1", 0)
        state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        server.close()
        talks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)  # connections close a step later

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S)
    try:
        yield state
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_S)
        loop.close()


async def _talk(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
            body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
            state.paths.append(line.split(" ")[1])
            state.headers.append(headers)
            state.requests.append(body)
            if not await _answer(state, line.split(" ")[1], body, reader, writer):
                break
    except (EOFError, OSError):
        pass
    except asyncio.CancelledError:
        writer.transport.abort()
    finally:
        writer.close()


async def _answer(
    state: Upstream, path: str, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Answer one request; false when the connection ends with it."""
    model = body["model"]
    if model.startswith("status-"):
        error = {"error": {"message": f"no: sk-upstream-secret \u0007 {model}", "type": "x"}}
        _write(writer, int(model.removeprefix("status-")), json.dumps(error).encode())
    elif model == "lies":  # promises more than it sends
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{}")
        return False
    elif model == "no-json":
        _write(writer, 200, b"<html>")
    elif model == "closes":
        return False
    elif body.get("stream"):
        return await _stream(state, path, body, reader, writer)
    else:
        answer = _whole_answer(path, body)
        _write(writer, 200, json.dumps(answer).encode())
    return model != "hangs-up"


async def _stream(
    state: Upstream, path: str, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    model, anthropic = body["model"], path.endswith("/messages")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    if model == "empty":
        writer.write(b"0\r\n\r\n")
        return True
    if model == "silent":
        await _hold(state, reader)
        return False
    events = _anthropic_events(body) if anthropic else _openai_events(body)
    if path.endswith("/responses"):
        events = _response_events(body)
    number = 0
    async for event in events:
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await writer.drain()
        number += 1
        if model == "breaks" and number == 2:
            return False
        if model == "holds" and number == 2:
            await _hold(state, reader)
            return False
        if model == "unfinished" and number == 3:
            break
    if model == "endless":
        while True:
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    return True


async def _hold(state: Upstream, reader: asyncio.StreamReader) -> None:
    state.held.set()
    await reader.read(1)
    state.gone.set()


def _write(writer: asyncio.StreamWriter, status: int, content: bytes) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)


def _whole_answer(path: str, body: dict[str, Any]) -> dict[str, Any]:
    if path.endswith("/embeddings"):
        row = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        return {"object": "list", "model": body["model"], "data": [row], "usage": usage}
    if path.endswith("/responses"):
        return _response(body)
    if path.endswith(("/count_tokens", "/input_tokens")):
        return {"input_tokens": 42}
    return _message(body) if path.endswith("/messages") else _completion(body)


def _response(body: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "output_text", "text": "".join(WORDS), "annotations": []}]
    message = {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    details = {"input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": 20, "output_tokens": 3, "total_tokens": 23, **details}
    return {"id": "r1", "object": "response", "created_at": 1, "status": "completed",
            "model": body["model"], "output": [message], "parallel_tool_calls": True, "tool_choice": "auto",
            "tools": [], "usage": usage}  # fmt: skip


async def _response_events(body: dict[str, Any]) -> AsyncIterator[bytes]:
    def event(name: str, **more: Any) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'type': name, 'sequence_number': 0, **more})}\n\n".encode()

    yield event("response.created", response={**_response(body), "usage": None})
    for word in WORDS:
        part = {"item_id": "m1", "output_index": 0, "content_index": 0, "delta": word, "logprobs": []}
        yield event("response.output_text.delta", **part)
    yield event("response.completed", response=_response(body))


def _text(body: dict[str, Any]) -> str:
    return 'Well: {"quality": 0.25}' if body["model"] == "critic" else "".join(WORDS)


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _text(body)}
    if body.get("tools"):
        name = body["tools"][0]["function"]["name"]
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": '{"city": "Recife"}'}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    answer = {"id": "c1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]}
    usage = {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}
    return answer if body["model"] == "no-usage" else {**answer, "usage": usage}


async def _openai_events(body: dict[str, Any]) -> AsyncIterator[bytes]:
    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        return b"data: " + json.dumps({**chunk, "choices": choices, **more}).encode() + b"\n\n"

    def delta(content: dict[str, Any], reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": content, "finish_reason": reason}]

    yield event(delta({"role": "assistant", "content": ""}))
    for word in WORDS:
        yield event(delta({"content": word}))
    yield event(delta({}, "stop"))
    if body.get("stream_options", {}).get("include_usage") and body["model"] != "no-usage":
        details = {"cached_tokens": 10}
        yield event([], usage={"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23,
                               "prompt_tokens_details": details})  # fmt: skip
    yield b"data: [DONE]\n\n"


def _message(body: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": _text(body)}]
    if body.get("tools"):
        content = [{"type": "tool_use", "id": "t1", "name": body["tools"][0]["name"], "input": {"city": "Recife"}}]
    usage = {"input_tokens": 12, "cache_read_input_tokens": 8, "output_tokens": 3}
    return {"id": "m1", "type": "message", "role": "assistant", "model": body["model"], "content": content,
            "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}  # fmt: skip


async def _anthropic_events(body: dict[str, Any]) -> AsyncIterator[bytes]:
    def event(kind: str, **members: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()

    message = {**_message(body), "content": [], "stop_reason": None}
    message["usage"] = {**message["usage"], "output_tokens": 1}
    yield event("message_start", message=message)
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in WORDS:
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield event("content_block_stop", index=0)
    yield event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 3})
    yield event("message_stop")
