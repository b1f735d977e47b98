"""What streaming an LLM through the gateway costs, and what its neighbours feel; writes benchmarks/GATEWAY_LLM.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.load import Run, cpu_seconds, paced, request, server
from benchmarks.ports import free_port

PAGE = Path(__file__).with_name("GATEWAY_LLM.md")
STREAMS, EVENTS, EVENT_S = 100, 100, 0.05
"""100 streams of 100 events, 20 a second: 2,000 events a second while all of them run."""
START_S = 0.02
"""Seconds between the starts of two streams: all run at once after two seconds."""
THINKING_S = 0.2
"""Seconds that the upstream takes to its first event."""
SMALL_RATE, SMALL_S = 400.0, 5.0
ROUNDS = 2
GOAL_MS = 5.0
POLITE = 10
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CHAT = "/openai/v1/chat/completions"
LITELLM = """
model_list:
  - model_name: writer
    litellm_params: {{model: openai/writer, api_key: none, api_base: "{url}/v1"}}
general_settings: {{master_key: "sk-local"}}
"""


@dataclass(slots=True)
class Streamed:
    """What 100 streams came to, in ms: the way of the request and of the first event, and of every event."""

    first: list[float] = field(default_factory=list)
    events: list[float] = field(default_factory=list)
    failed: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_llm", description=__doc__)
    parser.add_argument("--litellm", type=Path, metavar="VENV", help="an environment that has litellm[proxy]")
    parser.add_argument("--role", choices=["upstream", "gateway"], help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role == "upstream":
        _run_loop(_upstream(int(options.arguments[0])))
    elif options.role == "gateway":
        _gateway(int(options.arguments[0]), options.arguments[1], Path(options.arguments[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            lines = list(report(Path(folder), options.litellm))
        PAGE.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return 0


def report(folder: Path, litellm: Path | None) -> Iterator[str]:
    """The page, line by line, printed as it is made."""
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    load = f"load {os.getloadavg()[0]:.1f} before it began"
    yield from said("# What an LLM behind the gateway costs", "")
    yield from said(f"`python -m benchmarks.gateway_llm`, {where}, {load}, {datetime.now(UTC):%Y-%m-%d}.")
    yield from said(f"{STREAMS} streams of {EVENTS} events, {1 / EVENT_S:.0f} a second each, of a scripted upstream.")
    yield from said(f"Meanwhile another client sends {SMALL_RATE:.0f} small calls a second.", "")
    with suppress(PermissionError):  # what else runs on the machine is not what is measured
        os.nice(-POLITE)
    with upstream() as port, gateway(folder, port) as (pid, at, tokens):
        asked = _asking("writer", {"Authorization": f"Bearer {tokens['app']}"}, CHAT)
        small = request("/v1/objectives/noop/serve", {"input": {"x": 1}}, {"Authorization": f"Bearer {tokens['web']}"})
        asked_directly = _asking("writer", {}, "/v1/chat/completions")
        direct, through, alone, beside = Streamed(), Streamed(), Run(), Run()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
            calls = partial(paced, at, small, rate=SMALL_RATE, seconds=SMALL_S)
            for _ in range(ROUNDS):
                alone.latencies += executor.submit(calls).result().latencies
                # The same small calls meanwhile, so that both ways share the cores with as much else.
                waiting = executor.submit(calls)
                _add(direct, streams(port, asked_directly))
                waiting.result()
                waiting = executor.submit(calls)
                _add(through, streams(at, asked))
                beside.latencies += waiting.result().latencies
        # Without neighbours, so that the CPU time is that of the streams.
        before = cpu_seconds(pid)
        quiet = streams(at, asked)
        call_s = (cpu_seconds(pid) - before) / STREAMS
        yield from said("| | upstream itself | through the gateway |", "|---|---|---|")
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            for way, ours, theirs in (
                ("request and first event", through.first, direct.first),
                ("every event", through.events, direct.events),
            ):
                yield from said(f"| {way}, {name} | {_at(theirs, share):.2f} ms | {_at(ours, share):.2f} ms |")
        added = [_at(through.first, share) - _at(direct.first, share) for share in (0.5, 0.99)]
        yield from said(
            "", f"The first token comes {added[0]:.1f} ms later than the upstream's (p99 {added[1]:.1f} ms)."
        )
        event_us = call_s * STREAMS / len(quiet.events) * 1e6
        yield from said(f"The goal was {GOAL_MS:g} ms. CPU of the gateway: **{event_us:.0f} us a streamed event**, the")
        yield from said(f"rest of its call included; {call_s * 1e3:.1f} ms a call. Small calls beside the streams take")
        ratios = [_at(beside.latencies, share) / _at(alone.latencies, share) for share in (0.5, 0.99)]
        yield from said(f"{ratios[0]:.2f} times as long as alone (p99 {ratios[1]:.2f} times).")
        failed = direct.failed + through.failed + quiet.failed
        yield from said(f"Streams that were not whole: {failed}. Memory of the gateway: {_memory(pid):.0f} MiB.")
        if litellm is not None:
            yield from said(*_litellm(litellm, folder, port, call_s))


def said(*lines: str) -> Iterator[str]:
    for line in lines:
        print(line, flush=True)
        yield line


def _litellm(environment: Path, folder: Path, port: int, call_s: float) -> Iterator[str]:
    """The same streams through LiteLLM's proxy."""
    file, at = folder / "litellm.yaml", free_port()
    file.write_text(LITELLM.format(url=f"http://127.0.0.1:{port}"), encoding="utf-8")
    command = [str(environment / "bin" / "litellm"), "--config", str(file), "--port", str(at), "--host", "127.0.0.1"]
    with server(command, at, patience_s=120, env={**os.environ, "NO_DOCS": "True"}) as pid:
        asked = _asking("writer", {"Authorization": "Bearer sk-local"}, "/v1/chat/completions")
        streams(at, asked, count=4)
        before = cpu_seconds(pid)
        through = streams(at, asked)
        spent = (cpu_seconds(pid) - before) / STREAMS
        yield f"LiteLLM's proxy, the same: {spent * 1e3:.1f} ms of CPU a call ({spent / call_s:.1f} times ours),"
        yield f"request and first event p50 {_at(through.first, 0.5):.0f} ms, p99 {_at(through.first, 0.99):.0f} ms,"
        yield f"{through.failed} not whole, {_memory(pid):.0f} MiB."


def _asking(model: str, headers: Mapping[str, str], path: str) -> bytes:
    messages = [{"role": "user", "content": "Write about the sea. " * 20}]
    return request(path, {"model": model, "messages": messages, "stream": True}, headers)


def _add(total: Streamed, more: Streamed) -> None:
    total.first += more.first
    total.events += more.events
    total.failed += more.failed


def _at(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _memory(pid: int) -> float:
    """MiB of a process and its children."""
    total, waiting = 0, [pid]
    while waiting:
        number = waiting.pop()
        status = Path(f"/proc/{number}/status").read_text(encoding="ascii")
        total += int((status.partition("VmRSS:")[2].split() or ["0"])[0])  # a process that ends has none
        for task in Path(f"/proc/{number}/task").iterdir():
            waiting += map(int, (task / "children").read_text().split())
    return total / 1024


# the client


def streams(port: int, sent: bytes, *, count: int = STREAMS, events: int = EVENTS) -> Streamed:
    """Start streams one after the other and read all of them to their ends."""
    result = Streamed()

    async def stream(number: int) -> None:
        await asyncio.sleep(number * START_S)
        asked_at = time.monotonic_ns()  # a connection is opened for the request, as the gateway opens one
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await _read(reader, asked_at, result, events)
        writer.close()

    async def whole() -> None:
        await asyncio.gather(*(stream(number) for number in range(count)))

    _run_loop(whole())
    return result


async def _read(reader: asyncio.StreamReader, asked_at: int, result: Streamed, least: int) -> None:
    seen = 0
    while line := await reader.readline():
        if line.startswith(b"data: [DONE]"):
            break
        if not line.startswith(b"data: {"):
            continue
        now = time.monotonic_ns()
        choices = json.loads(line[6:]).get("choices")
        content = choices[0]["delta"].get("content") if choices else ""
        if not content:
            continue
        received_at, sent_at = map(int, content.split())
        if not seen:
            result.first.append((received_at - asked_at + now - sent_at) / 1e6)
        result.events.append((now - sent_at) / 1e6)
        seen += 1
    result.failed += seen < least


# the servers


@contextmanager
def upstream() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.gateway_llm", "--role", "upstream", str(port)]
    with server(command, port):
        yield port


@contextmanager
def gateway(folder: Path, upstream_port: int) -> Iterator[tuple[int, int, dict[str, str]]]:
    """A gateway in a process of its own: its pid, its port, and the tokens of its clients."""
    port, tokens = free_port(), folder / "tokens.json"
    url = f"http://127.0.0.1:{upstream_port}"
    command = [sys.executable, "-m", "benchmarks.gateway_llm", "--role", "gateway", str(port), url, str(tokens)]
    with server(command, port) as pid:
        yield pid, port, json.loads(tokens.read_text(encoding="utf-8"))


def _gateway(port: int, url: str, tokens: Path) -> None:
    from nlapi.gateway.control.access import Access, Audience
    from nlapi.gateway.engine import Engine
    from nlapi.gateway.http.app import Gateway
    from nlapi.gateway.http.server import serve
    from nlapi.gateway.records.records import decision_sink
    from nlapi.gateway.shards.secret_references import AllowedReferences
    from nlapi.gateway.store.store import GatewayStore

    models = tokens.parent / "models"
    (models / "noop").mkdir(parents=True)
    (models / "noop" / "model.toml").write_text('[run]\nmode = "inline"\n', encoding="utf-8")
    (models / "noop" / "stages.py").write_text("def predict(value):\n    return value\n", encoding="utf-8")
    store = GatewayStore(tokens.parent / "gateway.db")
    access = Access(store)
    made = {name: access.create_token(name, Audience.SERVE)[1] for name in ("app", "web")}
    document: dict[str, Any] = {
        "objectives": [
            {"name": "writer", "model": "writer", "version": "v1", "timeout_ms": 60_000},
            {"name": "noop", "model": "noop", "version": "v1"},
        ],
        "models": [{"name": "writer"}, {"name": "noop"}],
        "versions": [
            {"model": "writer", "version": "v1", "shard": "llm", "input_price": 1, "output_price": 4},
            {"model": "noop", "version": "v1", "source": "noop"},
        ],
        "shards": [{"name": "local"}, {"name": "llm", "protocol": "openai", "endpoints": [f"{url}/v1"],
                                       "key": "env:LLM_KEY", "concurrency": 1000}],
        "clients": [{"name": "app", "tokens_per_day": 1_000_000_000}],
    }  # fmt: skip
    engine = Engine(models=models, record=decision_sink(store), environment={"LLM_KEY": "sk-none"},
                    allowed_keys=AllowedReferences(["env:LLM_KEY"]))  # fmt: skip
    tokens.write_text(json.dumps(made), encoding="utf-8")
    serve(Gateway(store, engine, initial_document=document), port=port)


async def _upstream(port: int) -> None:
    """Answer each request with events that hold when it came and when they were sent, in ns."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
                received_at = time.monotonic_ns()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                await asyncio.sleep(THINKING_S)
                for _ in range(EVENTS):
                    content = f"{received_at} {time.monotonic_ns()}"
                    _send(writer, [{"index": 0, "delta": {"content": content}, "finish_reason": None}])
                    await asyncio.sleep(EVENT_S)
                if b"include_usage" in body:
                    _send(writer, [], usage={"prompt_tokens": 100, "completion_tokens": EVENTS})
                writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        except (EOFError, OSError):
            writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", port, backlog=1024)
    await listener.serve_forever()


def _send(writer: asyncio.StreamWriter, choices: list[dict[str, Any]], **more: Any) -> None:
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
    event = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    writer.write(b"%x\r\n%s\r\n" % (len(event), event))


def _run_loop(work: Any) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    sys.exit(main())
