"""A scripted stand-in for the Anthropic Messages API, over real HTTP on loopback.

    with MessagesServer([say("Hello"), use("listPets", {"limit": 2}), error(529)]) as server:
        ...                       # point ANTHROPIC_BASE_URL, or a client's base_url, at server.url
    server.requests               # the bodies that came, parsed

Each request takes the next step of the script: a message, an error, or a function of the request that makes one.
A request that the real API would refuse is answered 400 as the real one does, and uses up no step.
`python tests/messages_server.py SCRIPT.json` serves a script of `{"content": [...], "stop_reason": ...}` objects.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script, from any folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.context_edits import edited
from tests.messages_rules import Refused, check
from tests.prompt_cache import PromptCache
from tests.servers import QuietHTTPServer

Step = dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]]

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
MESSAGES = {
    401: "invalid x-api-key",
    429: "This request would exceed your organization's rate limit of 50 requests per minute.",
    500: "Internal server error",
    529: "Overloaded",
}


# ---- the steps of a script -------------------------------------------------------------------------------------


def message(*content: dict[str, Any], stop: str | None = None, **more: Any) -> dict[str, Any]:
    """An answer. `stop` is its stop_reason: tool_use when it holds one, else end_turn."""
    used = any(block["type"] == "tool_use" for block in content)
    return {"content": list(content), "stop_reason": stop or ("tool_use" if used else "end_turn"), **more}


def say(text: str, *, stop: str | None = None, **more: Any) -> dict[str, Any]:
    return message(text_block(text), stop=stop, **more)


def use(name: str, input: Any, *, text: str = "", stop: str | None = None) -> dict[str, Any]:
    """One tool call, after a text. `input` may be anything; a str is sent as it is, as JSON that may be broken."""
    return message(*([text_block(text)] if text else []), tool_use(name, input), stop=stop)


def tool_search(words: str, *names: str) -> list[dict[str, Any]]:
    """The blocks of a search of the API's own for deferred tools, with the names of those that it found."""
    id = f"srvtoolu_{len(words)}"
    found = [{"type": "tool_reference", "tool_name": name} for name in names]
    content = {"type": "tool_search_tool_search_result", "tool_references": found}
    use = {"type": "server_tool_use", "id": id, "name": "tool_search_tool_bm25", "input": {"query": words}}
    return [use, {"type": "tool_search_tool_result", "tool_use_id": id, "content": content}]


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def thinking(text: str, signature: str = "c2lnbmF0dXJl") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def tool_use(name: str, input: Any, id: str = "") -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def error(status: int, text: str = "", **headers: str) -> dict[str, Any]:
    """An error. The client is told to retry after a millisecond, so that tests don't wait."""
    text = text or MESSAGES.get(status, "an error")
    return {"error": {"type": KINDS[status], "message": text}, "status": status, "headers": headers}


def broken(step: dict[str, Any], *, after: int, kind: str = "") -> dict[str, Any]:
    """The answer broken off `after` events: by an error event of that `kind`, or by silence."""
    return {**step, "broken": {"after": after, "kind": kind}}


def results(request: dict[str, Any]) -> list[str]:
    """The texts of the tool_results in the last message of a request, one a result: what a scripted step looks at."""
    content = request["messages"][-1]["content"]
    blocks = [] if isinstance(content, str) else [block for block in content if block["type"] == "tool_result"]
    return [_text(block["content"]) for block in blocks]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)


# ---- the server ------------------------------------------------------------------------------------------------


class MessagesServer:
    """The stand-in. `key` is the only API key it accepts (None: any), `models` the models it has (by prefix).

    With a `cache` the usage of an answer is what the request takes, by the rules of the prompt cache; without, it is
    the same for each request. The usage that a step has goes before both.
    """

    def __init__(
        self,
        script: Iterable[Step] = (),
        *,
        key: str | None = None,
        models: tuple[str, ...] = ("claude-",),
        cache: PromptCache | None = None,
    ) -> None:
        self.script = list(script)
        self.key = key
        self.models = models
        self.cache = cache
        self.usages: list[dict[str, int]] = []
        """The usage of each answer that was counted."""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refused: list[str] = []
        """What was wrong with the requests that were answered 400."""
        self._count = 0
        self._paused = False
        self._lock = threading.Lock()
        self._server = QuietHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.stand_in = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> MessagesServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, headers: dict[str, str], raw: bytes) -> dict[str, Any]:
        """The step for a request: the next of the script, or an error of the real API."""
        with self._lock:
            self.headers.append(headers)
            key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
            if not key or (self.key is not None and key != self.key):
                return error(401)
            try:
                body = json.loads(raw)
                if "anthropic-version" not in headers:
                    raise Refused("anthropic-version: header is required")
                check(body, paused=self._paused, betas=headers.get("anthropic-beta", ""))
            except (Refused, ValueError) as fault:
                self.refused.append(str(fault))
                return error(400, str(fault))
            self.requests.append(body)
            if not body["model"].startswith(self.models):
                return error(404, f"model: {body['model']}")
            if not self.script:
                return error(400, "the script of the stand-in has no step left")
            step = self.script.pop(0)
            return self._completed(step(body) if callable(step) else step, body)

    def _completed(self, step: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """The step with what every message of the real API has."""
        if "error" in step:
            return step
        self._count += 1
        self._paused = step.get("stop_reason") == "pause_turn"
        content = [dict(block) for block in step["content"]]
        for number, block in enumerate(content):
            if block["type"] == "tool_use":
                block["id"] = block.get("id") or f"toolu_{self._count:02}_{number}"
        usage = {
            "input_tokens": 100,
            "output_tokens": 20,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        }
        body, edits = edited(body)
        if self.cache is not None:
            usage = self.cache.usage(body)
            self.usages.append(usage)
        if "context_management" in body:
            step = {"context_management": {"applied_edits": edits}, **step}
        plain = {"id": f"msg_{self._count:02}", "type": "message", "role": "assistant", "model": body["model"]}
        last = {"stop_sequence": None, "stop_details": None, "usage": usage, "stream": body.get("stream") is True}
        return {"stop_reason": message(*content)["stop_reason"], **plain, **last, **step, "content": content}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        stand_in: MessagesServer = self.server.stand_in
        if self.path.partition("?")[0] != "/v1/messages":
            return self._json(404, {"type": "error", "error": {"type": "not_found_error", "message": "Not found"}}, {})
        headers = {name.lower(): value for name, value in self.headers.items()}
        step = stand_in.answer(headers, raw)
        if "error" in step:
            body = {"type": "error", "error": step["error"], "request_id": "req_stand_in"}
            return self._json(step.get("status", 400), body, {"retry-after-ms": "1", **step.get("headers", {})})
        if step["stream"]:
            with suppress(OSError):  # the client hung up, as it does at the end of its time
                self._stream(step)
            return None
        return self._json(200, {key: value for key, value in step.items() if key not in ("stream", "broken")}, {})

    def _json(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "request-id": "req_stand_in", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, step: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        broken = step.get("broken")
        for number, event in enumerate(events(step)):
            if broken and number == broken["after"]:
                if broken["kind"]:
                    fault = {"type": broken["kind"], "message": broken["kind"].replace("_", " ")}
                    self._event({"type": "error", "error": fault})
                break
            self._event(event)
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: dict[str, Any]) -> None:
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def events(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a streamed answer, in the order of the real API."""
    kept = ("id", "type", "role", "model", "usage", "stop_sequence", "stop_details")
    start = {key: step[key] for key in kept} | {"content": [], "stop_reason": None}
    start["usage"] = {**step["usage"], "output_tokens": 1}
    yield {"type": "message_start", "message": start}
    yield {"type": "ping"}
    for index, block in enumerate(step["content"]):
        empty, deltas = _streamed(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {key: step[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    edits = {"context_management": step["context_management"]} if "context_management" in step else {}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": step["usage"]["output_tokens"]}, **edits}
    yield {"type": "message_stop"}


def _streamed(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it starts, and the deltas that fill it."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": part} for part in _parts(block["text"])]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": part} for part in _parts(block["thinking"])]
        last = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, last]
    if block["type"] == "tool_use":
        given = block["input"]
        text = given if isinstance(given, str) else json.dumps(given)
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", *_parts(text))]
        return {**block, "input": {}}, deltas
    return block, []


def _parts(text: str, length: int = 7) -> list[str]:
    return [text[at : at + length] for at in range(0, len(text), length)]


def main() -> None:
    script = json.loads(Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else [say("Hello from the stand-in.")]
    with MessagesServer(script) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
