"""A server that refuses requests as frameworks and APIs do, for what its description does not say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.servers.client import Client
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

Error = Callable[[str, str, str], Any]
"""The body of an error about a field, of which the name, the value and the path of the request are given."""


def _fastapi(field: str, value: str, path: str) -> Any:
    return {"detail": [{"type": "missing", "loc": ["body", field], "msg": "Field required", "input": {}}]}


def _problem(field: str, value: str, path: str) -> Any:
    entry = {"detail": "is required, as YYYY-MM-DD", "pointer": f"#/{field}"}
    return {"type": "https://example.com/problems/invalid", "title": "Invalid", "status": 422, "errors": [entry]}


def _rails(field: str, value: str, path: str) -> Any:
    return {"errors": {field: ["can't be blank"]}}


def _google(field: str, value: str, path: str) -> Any:
    violation = {"field": "update_mask", "description": "update_mask must be set"}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    message = "Request contains an invalid argument."
    return {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": [detail]}}


def _stripe(field: str, value: str, path: str) -> Any:
    message = f"Missing required param: {field}."
    error = {"code": "parameter_missing", "message": message, "param": field, "type": "invalid_request_error"}
    return {"error": error}


def _django(field: str, value: str, path: str) -> Any:
    return {field: [f'"{value}" is not a valid choice. Choose from low, medium, high.']}


def _spring(field: str, value: str, path: str) -> Any:
    error = {
        "codes": [f"NotBlank.employee.{field}", "NotBlank"], "defaultMessage": "must not be blank",
        "objectName": "employee", "field": field, "rejectedValue": None, "bindingFailure": False,
    }  # fmt: skip
    message = "Validation failed for object='employee'. Error count: 1"
    return {"timestamp": "2027-01-01T00:00:00Z", "status": 400, "error": "Bad Request", "message": message,
            "errors": [error], "path": path}  # fmt: skip


def _aspnet(field: str, value: str, path: str) -> Any:
    reason = rf"The field {field} must match the regular expression '^\d{{4}}-\d{{2}}-\d{{2}}$'."
    errors = {field[:1].upper() + field[1:]: [reason]}
    return {"title": "One or more validation errors occurred.", "status": 400, "errors": errors, "traceId": "00-1"}


def _jsonapi(field: str, value: str, path: str) -> Any:
    pointer = {"pointer": f"/data/attributes/{field}"}
    return {"errors": [{"status": "422", "source": pointer, "title": "Invalid", "detail": f"{field} can't be blank"}]}


def _joi(field: str, value: str, path: str) -> Any:
    return {"statusCode": 400, "error": "Bad Request", "message": f'"{field}" is required'}


def _nest(field: str, value: str, path: str) -> Any:
    return {"statusCode": 400, "message": [f"{field} must be an email", f"{field} should not be empty"],
            "error": "Bad Request"}  # fmt: skip


def _go_swagger(field: str, value: str, path: str) -> Any:
    return {"code": 602, "message": f"{field} in body is required"}


def _express(field: str, value: str, path: str) -> Any:
    return {"errors": [{"type": "field", "value": value, "msg": "Invalid value", "path": field, "location": "body"}]}


def _github(field: str, value: str, path: str) -> Any:
    return {"message": "Validation Failed", "documentation_url": "https://docs.example.com",
            "errors": [{"resource": "Issue", "field": field, "code": "missing_field"}]}  # fmt: skip


def _azure(field: str, value: str, path: str) -> Any:
    message = "The request is not valid. See the details."
    return {"error": {"code": "InvalidParameter", "message": message, "target": field, "details": []}}


def _aws(field: str, value: str, path: str) -> Any:
    reason = f"Value null at '{field}' failed to satisfy constraint: Member must not be null"
    return {
        "__type": "com.amazon.coral.validate#ValidationException",
        "message": f"1 validation error detected: {reason}",
    }


def _nested(field: str, value: str, path: str) -> Any:
    return {"ok": False, "meta": {"validation": {"body": {field: {"kind": "required", "message": "Pick a day"}}}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A resource of the server: its fields, the one that it refuses unless it is as it wants, and how it says so."""

    path: str
    fields: tuple[str, ...]
    refused: str
    error: Error
    status: int = 422
    pattern: str = ".+"


SHAPES = (
    Shape(path="/fastapi/reports", fields=("name", "region", "currency"), refused="region", error=_fastapi),
    Shape(path="/problems/meetings", fields=("title", "starts_on", "room"), refused="starts_on", error=_problem),
    Shape(path="/rails/books", fields=("title", "author", "isbn"), refused="isbn", error=_rails),
    Shape(path="/stripe/charges", fields=("amount", "currency"), refused="currency", error=_stripe, status=400),
    Shape(
        path="/django/tickets", fields=("title", "priority"), refused="priority", error=_django, status=400,
        pattern="low|medium|high",
    ),
    Shape(path="/spring/employees", fields=("name", "email", "team"), refused="email", error=_spring, status=400),
    Shape(
        path="/aspnet/trips", fields=("name", "startDate"), refused="startDate", error=_aspnet, status=400,
        pattern=r"\d{4}-\d\d-\d\d",
    ),
    Shape(path="/jsonapi/labels", fields=("name", "color"), refused="color", error=_jsonapi),
    Shape(path="/joi/boards", fields=("name", "owner"), refused="owner", error=_joi, status=400),
    Shape(path="/nest/visitors", fields=("name", "email", "host"), refused="email", error=_nest, status=400),
    Shape(path="/goswagger/parcels", fields=("label", "recipient"), refused="recipient", error=_go_swagger),
    Shape(
        path="/express/lockers", fields=("size", "owner"), refused="size", error=_express, status=400, pattern="S|M|L"
    ),
    Shape(path="/github/issues", fields=("title", "assignee", "body"), refused="assignee", error=_github),
    Shape(path="/azure/disks", fields=("name", "sku", "size"), refused="sku", error=_azure, status=400),
    Shape(path="/aws/streams", fields=("name", "shard_count"), refused="shard_count", error=_aws, status=400),
    Shape(path="/nested/badges", fields=("name", "valid_until"), refused="valid_until", error=_nested),
)  # fmt: skip
DEVICES = "/google/devices"


def description() -> dict[str, Any]:
    """Return the description, which requires no field."""
    paths: dict[str, Any] = {}
    for shape in SHAPES:
        noun = shape.path.rpartition("/")[2].removesuffix("s")
        paths[shape.path] = {"post": _operation(f"create_{noun}", f"Create a {noun}", shape.fields, shape.path)}
    mask = {"name": "update_mask", "in": "query", "schema": {"type": "string"}}
    device = {"name": "device", "in": "path", "required": True, "schema": {"type": "string"}}
    update = _operation("update_device", "Update a device", ("display_name", "room"), DEVICES)
    paths[f"{DEVICES}/{{device}}"] = {"patch": update | {"parameters": [device, mask]}}
    return {"openapi": "3.1.0", "info": {"title": "Office", "version": "1"}, "paths": paths}


def _operation(id: str, summary: str, fields: tuple[str, ...], path: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in fields}}
    media = "application/x-www-form-urlencoded" if path.startswith("/stripe") else "application/json"
    body = {"content": {media: {"schema": schema}}}
    return {
        "operationId": id,
        "summary": summary,
        "requestBody": body,
        "responses": {"200": {"description": "ok"}},
    }


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        item = self.items.get(self.path)
        self._reply(HTTPStatus.OK if item else HTTPStatus.NOT_FOUND, item or {"error": "not found"})

    def do_POST(self) -> None:
        shape = next(shape for shape in SHAPES if shape.path == self.path)
        body = self._body()
        value = str(body.get(shape.refused, ""))
        if not re.fullmatch(shape.pattern, value):
            self._reply(shape.status, shape.error(shape.refused, value, self.path))
            return
        place = f"{self.path}/{1 + sum(path.startswith(self.path) for path in self.items)}"
        self.items[place] = body
        self._reply(HTTPStatus.CREATED, body)

    def do_PATCH(self) -> None:
        parts = urlsplit(self.path)
        if "update_mask" not in parse_qs(parts.query):
            self._reply(HTTPStatus.BAD_REQUEST, _google("", "", parts.path))
            return
        self.items[parts.path].update(self._body())
        self._reply(HTTPStatus.OK, self.items[parts.path])

    @property
    def items(self) -> dict[str, dict[str, Any]]:
        assert isinstance(self.server, _Office)
        return self.server.items

    def _body(self) -> dict[str, Any]:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if "json" in self.headers.get("Content-Type", ""):
            return dict(json.loads(content))
        return {name: values[-1] for name, values in parse_qs(content).items()}

    def _reply(self, status: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Office(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.items: dict[str, dict[str, Any]] = {f"{DEVICES}/d1": {"display_name": "Light", "room": "Hall"}}


class Shapes(Server):
    """The server, in this process."""

    name = "shapes"
    description = ""

    def install(self) -> str:
        return ""

    def start(self) -> None:
        self.office = _Office()
        self.port = self.office.server_address[1]
        Thread(target=self.office.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        (self.folder / "description.json").write_text(json.dumps(description()), encoding="utf-8")

    def stop(self) -> None:
        self.office.shutdown()
        self.office.server_close()

    def restore(self) -> None:
        """Leave all as it is: no sentence is about what another one made."""

    def snapshot(self) -> State:
        items: Mapping[str, Any] = self.office.items
        return items

    @property
    def client(self) -> Client:
        return Client(port=self.port)

    def description_file(self) -> Any:
        return self.folder / "description.json"
