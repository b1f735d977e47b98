"""A collector of OpenTelemetry on loopback that takes OTLP over HTTP, in Protocol Buffers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

# The fields of opentelemetry-proto that the tests look at; others are skipped.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Request": {"resource_spans": (1, "*ResourceSpans")},
    "ResourceSpans": {"resource": (1, "Resource"), "scope_spans": (2, "*ScopeSpans")},
    "Resource": {"attributes": (1, "*KeyValue")},
    "ScopeSpans": {"spans": (2, "*Span")},
    "Span": {"trace_id": (1, ""), "span_id": (2, ""), "parent_span_id": (4, ""), "attributes": (9, "*KeyValue")},
    "KeyValue": {"key": (1, "text"), "value": (2, "Value")},
    "Value": {"string_value": (1, "text")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    """A span as the collector got it; ids in hexadecimal digits."""

    service: str
    trace_id: str
    parent_id: str
    attributes: Mapping[str, str]


@dataclass(slots=True)
class OtlpReceiver:
    """A collector at `url`, with the spans that it got."""

    port: int = 0
    spans: list[ReceivedSpan] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@cache
def _request_class() -> Any:
    file = FileDescriptorProto(name="otlp_receiver.proto", package="otlp", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            entry = message.field.add(name=field_name, number=number)
            is_list = kind.startswith("*")
            entry.label = FieldDescriptorProto.LABEL_REPEATED if is_list else FieldDescriptorProto.LABEL_OPTIONAL
            if kind in ("", "text"):
                entry.type = FieldDescriptorProto.TYPE_STRING if kind else FieldDescriptorProto.TYPE_BYTES
            else:
                entry.type, entry.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".otlp.{kind.lstrip('*')}"
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("otlp.Request"))


def _attributes(entries: Any) -> dict[str, str]:
    return {entry.key: entry.value.string_value for entry in entries}


def _spans(body: bytes) -> Iterator[ReceivedSpan]:
    for group in _request_class().FromString(body).resource_spans:
        service = _attributes(group.resource.attributes).get("service.name", "")
        for scope in group.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    service=service,
                    trace_id=span.trace_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes=_attributes(span.attributes),
                )


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """A collector for as long as the block lasts."""
    state = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            state.paths.add(self.path)
            state.spans += _spans(self._body())
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            if (length := self.headers["content-length"]) is not None:
                return self.rfile.read(int(length))
            body = b""
            while size := int(self.rfile.readline(), 16):  # Envoy sends it in chunks
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
