"""An API that counts the changes it carries out by what they mean, and answers with faults; its description."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from tests.servers import Echo, Received, Reply, read_request

Text = {"type": "string"}
MEANING = re.compile(r"k\d{5}[ab]?")
"""What a change is called by, in its path or body, however it is worded: the id of the intention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How one request is answered: whether it is carried out, and what comes back (`reply` None: nothing whole).

    `raw` is sent instead of a whole answer; then the connection is reset, or with `silent` left open.
    """

    name: str
    carries: bool
    reply: Reply | None = None
    raw: bytes = b""
    silent: bool = False
    cancels: bool = False

    @property
    def may_be_tried_again(self) -> bool:
        """Whether the answer says plainly that nothing was done."""
        return self.reply is not None and self.reply.status in (409, 422, 429)


_CUT_HEAD, _CUT_BODY = (
    b"HTTP/1.1 201 Created\r\nContent-Ty",
    b'HTTP/1.1 201 Created\r\nContent-Length: 90\r\n\r\n{"id": "',
)
FAULTS = (
    Fault(name="201", carries=True, reply=Reply(201, {"id": "n1"})),
    Fault(name="200", carries=True, reply=Reply(200, {"ok": True})),
    Fault(name="204", carries=True, reply=Reply(204)),
    Fault(name="reset before", carries=False),
    Fault(name="reset after", carries=True),
    Fault(name="cut in the head", carries=True, raw=_CUT_HEAD),
    Fault(name="cut in the body", carries=True, raw=_CUT_BODY),
    Fault(name="cut, not carried out", carries=False, raw=_CUT_BODY),
    Fault(name="no HTTP", carries=True, raw=b"\x15\x03\x01\x00\x02\x02\x16"),
    Fault(name="500 carried out", carries=True, reply=Reply(500, {"title": "oops"})),
    Fault(name="500 not carried out", carries=False, reply=Reply(500, {"title": "oops"})),
    Fault(name="502 carried out", carries=True, reply=Reply(502)),
    Fault(name="503 Retry-After", carries=False, reply=Reply(503, headers={"Retry-After": "0"})),
    Fault(name="504 carried out", carries=True, reply=Reply(504)),
    Fault(name="303 carried out", carries=True, reply=Reply(303, headers={"Location": "/budgets"})),
    Fault(name="307 not carried out", carries=False, reply=Reply(307, headers={"Location": "/elsewhere"})),
    Fault(name="408 carried out", carries=True, reply=Reply(408)),
    Fault(name="409", carries=False, reply=Reply(409)),
    Fault(name="422", carries=False, reply=Reply(422, {"title": "no"})),
    Fault(name="429", carries=False, reply=Reply(429)),
    Fault(name="time-out, carried out", carries=True, silent=True),
    Fault(name="time-out, not carried out", carries=False, silent=True),
    Fault(name="time-out in the body", carries=True, raw=_CUT_BODY, silent=True),
    Fault(name="Ctrl-C, carried out", carries=True, silent=True, cancels=True),
    Fault(name="Ctrl-C, not carried out", carries=False, silent=True, cancels=True),
)
CARRIED_OUT = FAULTS[0]


class CountingApi(Echo):
    """Answers the first change of an intention with its fault, every other as a plain success.

    `sent` and `carried` count the changes by their meaning, whatever key, wording or optional argument they have.
    `hooks` are called when a change of an intention has come and was carried out, or not. A GET answers what was
    carried out; with `blind` it answers 500.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, Fault] = {}
        self.hooks: dict[str, Callable[[], None]] = {}
        self.sent: Counter[str] = Counter()
        self.carried: Counter[str] = Counter()
        self.keys: dict[str, set[str]] = {}
        self.amounts: dict[str, set[str]] = {}
        self.looks = 0
        self.blind = False
        self._counting = threading.Lock()

    def talk(self, connection: socketserver.StreamRequestHandler) -> None:
        while request := read_request(connection.rfile):
            if request.method in ("GET", "HEAD"):
                self.looks += 1
                connection.wfile.write(self._seen(request).raw())
                continue
            fault, meant = self._take(request)
            if hook := self.hooks.pop(meant, None):
                hook()
            if fault.reply is not None:
                connection.wfile.write(fault.reply.raw())
                continue
            connection.wfile.write(fault.raw)
            if fault.silent:
                connection.rfile.read(1)
            else:
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                connection.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.request.close()
            return

    def _take(self, request: Received) -> tuple[Fault, str]:
        text = unquote_plus(f"{request.target} {request.body.decode()}").lower()
        found = MEANING.search(text)
        meant = found.group() if found else "?"
        with self._counting:
            fault = self.faults.get(meant, CARRIED_OUT) if not self.sent[meant] else CARRIED_OUT
            self.sent[meant] += 1
            self.carried[meant] += fault.carries
            self.keys.setdefault(meant, set()).add(request.header("idempotency-key") or "")
            self.amounts.setdefault(meant, set()).update(re.findall(r"(?:micros|cents|units)\W+(\d+)", text))
        return fault, meant

    def _seen(self, request: Received) -> Reply:
        if self.blind:
            return Reply(500)
        names = [name for name, count in self.carried.items() if count][-50:]
        things = [{"id": name, "name": f"Plan {name}", "text": f"Hello {name}"} for name in names]
        return Reply(
            200, things[0] if things and MEANING.search(request.target) and "messages" not in request.target else things
        )


def _operation(id: str, summary: str, *parameters: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": ANSWER, **more}


def _takes(kind: str, required: list[str], **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": Text}


ANSWER = {"200": {"description": "done"}}
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MICROS = {"type": "integer", "description": "An amount in micros", "x-nlapi": {"unit": "micros"}}
CENTS = {"type": "integer", "description": "An amount in cents", "x-nlapi": {"unit": "cents"}}
KEY = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 64}}
DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Ledger", "version": "1", "description": "Budgets, messages, payments and stock."},
    "paths": {
        "/budgets": {
            "get": _operation("listBudgets", "List budgets"),
            "post": _operation(
                "createBudget",
                "Create a budget",
                KEY,
                **_takes(JSON, ["name", "daily_limit_micros"], name=Text, daily_limit_micros=MICROS, note=Text),
            ),
        },
        "/channels/{channel}/messages": {
            "get": _operation("listMessages", "List the messages of a channel", _path("channel")),
            "post": _operation(
                "sendMessage",
                "Send a message to a channel",
                _path("channel"),
                **_takes(JSON, ["text"], text=Text, silent={"type": "boolean"}, note=Text),
            ),
        },
        "/invoices/{invoice}": {"get": _operation("getInvoice", "Show an invoice", _path("invoice"))},
        "/invoices/{invoice}/payments": {
            "post": _operation(
                "payInvoice",
                "Pay an invoice",
                _path("invoice"),
                **_takes(FORM, ["amount_cents"], amount_cents=CENTS, note=Text),
            )
        },
        "/items/{item}/restock": {
            "post": _operation(
                "restockItem",
                "Restock an item",
                _path("item"),
                **_takes(JSON, ["units"], units={"type": "integer"}, note=Text),
            )
        },
    },
}


def described(url: str) -> str:
    return json.dumps({**DESCRIPTION, "servers": [{"url": url}]})
