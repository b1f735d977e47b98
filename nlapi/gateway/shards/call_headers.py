"""The headers of a call of a version on another server: its subject, and the caller's context and trace.

It has the one list of the headers by which gateway, data plane, shards and hosts speak to each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

import orjson

from nlapi.gateway.inference import InferenceRequest
from nlapi.gateway.routing_keys.cells import cell_of, deciding_name
from nlapi.routing.model import Context, VersionRef

MODEL_HEADER = "Nlapi-Model"
VERSION_HEADER = "Nlapi-Version"
"""of a call the version that is to run, of an answer the one that ran"""
CONTEXT_HEADER = "Nlapi-Context"
ROUTING_KEY_HEADER = "X-Routing-Key"
TIMEOUT_HEADER = "Nlapi-Timeout-Ms"
OBJECTIVE_HEADER = "Nlapi-Objective"
CLIENT_HEADER = "Nlapi-Client"
CELL_HEADER = "Nlapi-Cell"
RULE_HEADER = "Nlapi-Rule"
"""the override, canary, experiment or rule that decided"""
REVISION_HEADER = "Nlapi-Revision"

INTERNAL_HEADERS = (
    *(MODEL_HEADER, VERSION_HEADER, CONTEXT_HEADER, ROUTING_KEY_HEADER),
    *(TIMEOUT_HEADER, OBJECTIVE_HEADER, CLIENT_HEADER),
    *(CELL_HEADER, RULE_HEADER, REVISION_HEADER),
)
"""what a shard or a host believes of a request: a client's own never reaches it, and no shard is configured with one"""

REQUEST_ID_HEADER = "X-Request-Id"

JSON_HEADERS: Mapping[str, str] = {"Content-Type": "application/json", "Accept": "application/json"}


def version_headers(ref: VersionRef) -> dict[str, str]:
    """Return the headers that all calls of a version have."""
    return {
        **JSON_HEADERS,
        MODEL_HEADER: quote(ref.model, safe=""),
        VERSION_HEADER: quote(ref.version, safe=""),
    }


def request_headers(request: InferenceRequest) -> dict[str, str]:
    """Return the headers that one request adds: who asks for what, what decided, its context, its id and its trace."""
    names = {OBJECTIVE_HEADER: request.objective, CLIENT_HEADER: request.client}
    if (decision := request.decision) is not None:
        names |= {CELL_HEADER: cell_of(decision), RULE_HEADER: deciding_name(decision)}
        names[REVISION_HEADER] = str(decision.revision)
    # The signs in the name of a cell are those of a header too, as Envoy writes them.
    headers = {name: quote(value, safe="@+!") for name, value in names.items() if value}
    if request.context:
        headers[CONTEXT_HEADER] = context_json(request.context)
    # A client chooses its request id, which may not fit into a header.
    if request.request_id.isalnum() and request.request_id.isascii():
        headers[REQUEST_ID_HEADER] = request.request_id
    if request.traceparent:
        headers["traceparent"] = quote(request.traceparent, safe="")
    return headers


def context_json(context: Context) -> str:
    """Return a context as JSON that a header may hold: ASCII, and no DEL (RFC 9110 §5.5)."""
    # orjson takes 0.3 us and json 2.5, but orjson writes UTF-8.
    with suppress(TypeError):  # an integer of more than 64 bits
        content = orjson.dumps(context)
        if content.isascii() and b"\x7f" not in content:
            return content.decode("ascii")
    return json.dumps(dict(context), separators=(",", ":")).replace("\x7f", "\\u007f")


def encode_server_timing(stages: Mapping[str, float]) -> str:
    """Return the value of a Server-Timing header (W3C) for milliseconds by stage."""
    return ", ".join(f"{name};dur={ms:.3f}" for name, ms in stages.items())


def decode_server_timing(value: str) -> dict[str, float]:
    """Return milliseconds by name; entries without a duration are left out."""
    stages = {}
    for name, *parameters in (entry.split(";") for entry in value.split(",")):
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            if key.strip() == "dur":
                with suppress(ValueError):
                    stages[name.strip()] = float(text)
    return stages
