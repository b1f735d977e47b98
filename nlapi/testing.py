"""Stand-ins for the tests of a program that uses nlapi: a model that follows a script, and an API that was recorded.

    with ScriptedModel([use("find", {"words": "pets"}), say("There are two.")]) as model:
        ...                       # OPENAI_BASE_URL is model.url + "/v1", ANTHROPIC_BASE_URL is model.url
    with RecordedApi(spec, "pets.json") as api:
        ...                       # base_url=api.url; the first run records, later ones send nothing

Both are servers on loopback, and need no key and no extra.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import PathLike
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

from nlapi.client.masking import redact
from nlapi.errors import UsageError
from nlapi.local_files import write_file
from nlapi.openapi.spec import Spec

Answer = dict[str, Any]
ScriptStep = Answer | Callable[[dict[str, Any]], Answer]
"""an answer, or a function of the request that makes one"""
_Reply = tuple[int, Mapping[str, str], bytes]

# Headers of a request that reach the API while it is recorded, but those of the connection.
_OWN_HEADERS = frozenset(("host", "connection", "content-length", "accept-encoding", "transfer-encoding"))
# Headers of an answer that are recorded: what nlapi reads. A cookie is a credential.
_RECORDED_HEADERS = ("content-type", "link", "location", "etag", "last-modified", "retry-after")


def say(text: str) -> Answer:
    """Return the answer of a model that ends its turn."""
    return {"text": text}


def use(name: str, arguments: object) -> Answer:
    """Return one call of a tool. A text as `arguments` is sent as it is, as JSON that may be broken."""
    return {"name": name, "arguments": arguments}


def tool_answer(request: Mapping[str, Any]) -> str:
    """Return the answer to the last tool call of a request, which a function in a script looks at."""
    if "contents" in request:
        return str(request["contents"][-1]["parts"][-1]["functionResponse"]["response"])
    last = (request.get("messages") or request["input"])[-1]
    content = last["content"] if "content" in last else last["output"]
    # Some frameworks put the answer of a tool into a message of the user's.
    blocks = content if isinstance(content, list) else [{"content": content}]
    return "\n".join(str(block.get("content", block.get("text", ""))) for block in blocks)


class _Loopback:
    """A server on loopback that runs for the time of a `with` block."""

    def __init__(self) -> None:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def log_message(self, *_: object) -> None:
                pass

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, headers, content = stand_in._respond(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> _Reply:
        raise NotImplementedError


class ScriptedModel(_Loopback):
    """A model behind Messages, Chat Completions, Responses and generateContent: each request takes the next step.

    Nothing is streamed. `requests` are the bodies that came; `refused` says what was wrong with those that were
    answered 400. `check` returns why a request is refused, by its path and body; "" for none.
    """

    def __init__(
        self, script: Iterable[ScriptStep] = (), *, check: Callable[[str, dict[str, Any]], str] = lambda path, body: ""
    ) -> None:
        super().__init__()
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self._check = check

    def _respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> _Reply:
        with self._lock:
            status, answer = self._answer(target.partition("?")[0], json.loads(body or b"{}"))
        return status, {"content-type": "application/json"}, json.dumps(answer).encode()

    def _answer(self, path: str, body: dict[str, Any]) -> tuple[int, Answer]:
        form = next((form for end, form in _FORMS.items() if path.endswith(end)), None)
        fault = "" if form is not None else f"nothing is served at {path}"
        fault = fault or ("answers are not streamed here" if body.get("stream") else self._check(path, body))
        if form is None or fault or not self.script:
            self.refused.append(fault or "the script has no step left")
            return 400, {"error": {"code": 400, "message": self.refused[-1], "type": "invalid_request_error"}}
        self.requests.append(body)
        step = self.script.pop(0)
        model = body.get("model") or path.rpartition("/")[2].partition(":")[0]
        return 200, form(step(body) if callable(step) else step, len(self.requests), model)


def _messages(step: Answer, number: int, model: str) -> Answer:
    used = {"type": "tool_use", "id": f"toolu_{number}", "name": step.get("name"), "input": step.get("arguments")}
    content = [used if "name" in step else {"type": "text", "text": step["text"]}]
    usage = {"input_tokens": 1, "output_tokens": 1}
    answer = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": model, "usage": usage}
    return {**answer, "content": content, "stop_reason": "tool_use" if "name" in step else "end_turn"}


def _completions(step: Answer, number: int, model: str) -> Answer:
    function = {"name": step.get("name"), "arguments": _json(step)}
    called = {"tool_calls": [{"id": f"call_{number}", "type": "function", "function": function}]}
    message = {"role": "assistant", "content": step.get("text"), "refusal": None, **(called if "name" in step else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "name" in step else "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    answer = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 0, "model": model}
    return {**answer, "choices": [{**choice, "logprobs": None}], "usage": usage}


def _responses(step: Answer, number: int, model: str) -> Answer:
    text = {"type": "output_text", "text": step.get("text", ""), "annotations": []}
    item: Answer = {"type": "message", "role": "assistant", "content": [text]}
    if "name" in step:
        item = {"type": "function_call", "call_id": f"call_{number}", "name": step["name"], "arguments": _json(step)}
    item |= {"id": f"item_{number}", "status": "completed"}
    answer = {"id": f"resp_{number}", "object": "response", "created_at": 0, "status": "completed", "model": model}
    return {**answer, "output": [item], "tools": [], "tool_choice": "auto", "parallel_tool_calls": True}


def _generate(step: Answer, number: int, model: str) -> Answer:
    used = {"functionCall": {"name": step.get("name"), "args": step.get("arguments")}}
    part = used if "name" in step else {"text": step["text"]}
    candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    return {"candidates": [candidate], "modelVersion": model, "responseId": str(number)}


def _json(step: Answer) -> str:
    arguments = step.get("arguments")
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


_FORMS = {"/messages": _messages, "completions": _completions, "responses": _responses, "generateContent": _generate}
"""the end of a path -> the form of its answer"""


class RecordedApi(_Loopback):
    """An API as it answered once. Without the file, the first run passes requests on to the API and records them.

    With the file nothing leaves this machine: a request has the answers that it had, in their order, and the last one
    from then on. One that was not recorded is answered 501 and stands in `missing`. What is recorded has no
    credential: no header of a request, no query argument that is one by the description, and none of `secrets` or of
    the credentials that were sent, wherever the API repeats them.
    """

    def __init__(
        self, spec: Spec, file: str | PathLike[str], *, base_url: str = "", secrets: Iterable[str] = ()
    ) -> None:
        self.file = Path(file)
        self.is_recording = not self.file.exists()
        self.missing: list[str] = []
        self._scheme_of = spec.credential_parameters.scheme_of
        self._key_names = {scheme.name.lower() for scheme in spec.security_schemes.values() if scheme.name}
        self._secrets = tuple(secrets)
        stored = {} if self.is_recording else json.loads(self.file.read_text("utf-8"))
        server = next((server.url for server in spec.servers), "")
        self._base_url: str = stored.get("base_url") or (base_url or server).rstrip("/")
        self._exchanges: list[dict[str, Any]] = stored.get("exchanges", [])
        self._counts: dict[tuple[str, str, str], int] = {}
        if self.is_recording and not self._base_url.startswith(("http://", "https://")):
            raise UsageError(f"{spec.title} names no server to record", hint='base_url="https://..."')
        super().__init__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        # A test that failed half way would leave half a recording.
        if self.is_recording and error[0] is None:
            stored = {"base_url": self._base_url, "exchanges": self._exchanges}
            write_file(self.file, f"{json.dumps(stored, indent=1)}\n")

    def _respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> _Reply:
        path, _, query = target.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        sent = [value.rpartition(" ")[2] for name, value in (*headers.items(), *pairs) if self._is_credential(name)]
        secrets = (*self._secrets, *filter(None, sent))
        plain = urlencode([pair for pair in pairs if not self._is_credential(pair[0])])
        target_text = redact(f"{path}?{plain}" if plain else path, secrets)
        key = method, target_text, redact(body.decode("utf-8", "backslashreplace"), secrets)
        with self._lock:
            entry = self._record(key, target, headers, body, secrets) if self.is_recording else self._find(key)
        # Links of answers lead back here.
        shown = {name: value.replace(self._base_url, self.url) for name, value in entry["headers"].items()}
        text: str = entry["body"].replace(self._base_url, self.url)
        return entry["status"], shown, text.encode("utf-8", "surrogateescape")

    def _is_credential(self, name: str) -> bool:
        is_key = name.lower() in self._key_names or self._scheme_of(name) is not None
        return is_key or name.lower() in ("authorization", "cookie")

    def _record(
        self, key: tuple[str, str, str], target: str, headers: Mapping[str, str], body: bytes, secrets: tuple[str, ...]
    ) -> dict[str, Any]:
        import httpx2

        passed = {name: value for name, value in headers.items() if name.lower() not in _OWN_HEADERS}
        answer = httpx2.request(key[0], f"{self._base_url}{target}", headers=passed, content=body, timeout=30)
        shown = {name: redact(answer.headers[name], secrets) for name in _RECORDED_HEADERS if name in answer.headers}
        content = redact(answer.content.decode("utf-8", "surrogateescape"), secrets)
        self._exchanges.append({"request": list(key), "status": answer.status_code, "headers": shown, "body": content})
        return self._exchanges[-1]

    def _find(self, key: tuple[str, str, str]) -> dict[str, Any]:
        matches = [entry for entry in self._exchanges if tuple(entry["request"]) == key]
        if not matches:
            self.missing.append(f"{key[0]} {key[1]}")
            fault = f"{key[0]} {key[1]} is not in {self.file.name}: delete the file to record it anew"
            return {"status": 501, "headers": {"content-type": "application/json"}, "body": json.dumps(fault)}
        count = self._counts[key] = self._counts.get(key, 0) + 1
        return matches[min(count, len(matches)) - 1]
