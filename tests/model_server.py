"""A scripted stand-in for the OpenAI and Gemini APIs, over real HTTP on loopback.

    with ModelServer([use("listPets", {"limit": 2}), say("Two.")]) as server:
        ...                       # point OPENAI_BASE_URL at server.url + "/v1", GOOGLE_GEMINI_BASE_URL at server.url
    server.requests               # the bodies that came, parsed

Each request takes the next step of the script: an answer, or a function of the request that makes one. It serves Chat
Completions, Responses and generateContent, none of them streamed. Tools that the real APIs would refuse get a 400.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from nlapi.openapi.schema_upgrade import SCHEMA_KEYWORDS, SCHEMA_LIST_KEYWORDS, SCHEMA_MAP_KEYWORDS
from tests.servers import QuietHTTPServer

Answer = dict[str, Any]
Step = Answer | Callable[[dict[str, Any]], Answer]


def say(text: str) -> Answer:
    return {"text": text}


def use(name: str, arguments: Any) -> Answer:
    """One tool call. `arguments` may be anything; a str is sent as it is, as JSON that may be broken."""
    return {"name": name, "arguments": arguments}


def told(request: dict[str, Any]) -> str:
    """What the last tool call of a conversation was answered."""
    if "contents" in request:
        return str(request["contents"][-1]["parts"][-1]["functionResponse"]["response"])
    last = (request.get("messages") or request["input"])[-1]
    # Some frameworks put the answer of a tool into a message of the user's.
    return str(last["content"] if "content" in last else last["output"])


# ---- the three forms -------------------------------------------------------------------------------------------


def chat(step: Answer, number: int, model: str) -> Answer:
    function = {"name": step.get("name"), "arguments": _json(step)}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    message = {"role": "assistant", "content": step.get("text"), "refusal": None}
    used = "name" in step
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if used else "stop", "logprobs": None}
    choice["message"] |= {"tool_calls": [call]} if used else {}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    answered = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 0, "model": model}
    return {**answered, "choices": [choice], "usage": usage}


def responses(step: Answer, number: int, model: str) -> Answer:
    text = {"type": "output_text", "text": step.get("text", ""), "annotations": []}
    item: Answer = {"type": "message", "role": "assistant", "content": [text]}
    if "name" in step:
        item = {"type": "function_call", "call_id": f"call_{number}", "name": step["name"], "arguments": _json(step)}
    item |= {"id": f"item_{number}", "status": "completed"}
    plain = {"id": f"resp_{number}", "object": "response", "created_at": 0, "status": "completed", "model": model}
    return {**plain, "output": [item], "tools": [], "tool_choice": "auto", "parallel_tool_calls": True}


def generate(step: Answer, number: int, model: str) -> Answer:
    used = {"functionCall": {"name": step.get("name"), "args": step.get("arguments")}}
    part = used if "name" in step else {"text": step["text"]}
    candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    return {"candidates": [candidate], "modelVersion": model, "responseId": str(number)}


def _json(step: Answer) -> str:
    arguments = step.get("arguments")
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


FORMS = {"completions": chat, "responses": responses, "generateContent": generate}
"""What the path of each ends in."""


# ---- the rules of the real APIs --------------------------------------------------------------------------------


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


# ---- the server ------------------------------------------------------------------------------------------------


class ModelServer:
    """The stand-in. `refused` is what was wrong with the requests that were answered 400."""

    def __init__(self, script: Iterable[Step] = ()) -> None:
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self._server = QuietHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.stand_in = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ModelServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Answer]:
        form = next((form for end, form in FORMS.items() if path.endswith(end)), None)
        wrong = fault(path, body) if form else f"nothing is served at {path}"
        if form is None or wrong or not self.script:
            self.refused.append(wrong or "the script has no step left")
            return 400, {"error": {"code": 400, "message": self.refused[-1], "type": "invalid_request_error"}}
        self.requests.append(body)
        step = self.script.pop(0)
        model = body.get("model") or path.rpartition("/")[2].partition(":")[0]
        return 200, form(step(body) if callable(step) else step, len(self.requests), model)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        status, answer = self.server.stand_in.answer(self.path.partition("?")[0], body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
