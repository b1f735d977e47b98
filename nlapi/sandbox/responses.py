"""HTTP responses: a HandlerResult with the status, headers and media type of the description."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from nlapi.english import lexicon
from nlapi.english.words import name_key
from nlapi.openapi.model import Media, Response, essence, may_be_json
from nlapi.openapi.spec import Operation
from nlapi.resources.envelope import TOTAL_NAMES
from nlapi.resources.paths import Path, segments
from nlapi.sandbox.handlers import HandlerResult, is_undescribed
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.samples import ABSENT, SampleContext
from nlapi.sandbox.state import SandboxState
from nlapi.sandbox.store import StoredItem

# The smallest valid file of each type, since clients decode what they get.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
GIF = base64.b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
PDF = b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
PDF += b"trailer<</Root 1 0 R>>\n"
PLACEHOLDERS = {"image/png": PNG, "image/gif": GIF, "application/pdf": PDF}
JSON = "application/json"
# The type that is sent for a described range of types, by its first half; JSON for any other.
CONCRETE_TYPES = {"text": "text/plain", "image": "image/png"}

# Headers of the transport, or computed from the answer. A sample of Content-Encoding made every answer unreadable.
COMPUTED_HEADERS = lexicon.words("sandbox/words", "computed_headers")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A response to the client."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""


def problem_response(problem: RequestProblem) -> HttpResponse:
    headers = (("content-type", "application/problem+json"), *problem.headers)
    return HttpResponse(status=problem.status, headers=headers, content=encode_json(problem.as_dict()))


# Statuses whose answers have no body (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
_BODILESS = (204, 205, 304)


def encode_json(value: object) -> bytes:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def build_response(
    state: SandboxState, operation: Operation, result: HandlerResult, *, accept: str, path: str, prefix: str
) -> HttpResponse:
    """Return the response for a HandlerResult, in a media type that the client accepts."""
    status, response = _response(operation, is_created=result.created is not None)
    headers = list(_headers(state, response, result)) if response else []
    if result.created is not None:
        location = _location(state, operation, result.created, path, prefix)
        headers += [("location", location)] if location else []
    media = _media(response, accept) if response else None
    if media is None and result.value is not ABSENT and is_undescribed(operation):
        # Only a status that allows no body cannot stand: 202 with the item is 202.
        if status in _BODILESS:
            status = 201 if result.created is not None else 200
        headers.append(("content-type", JSON))
        return HttpResponse(status=status, headers=tuple(headers), content=encode_json(result.value))
    if media is None or status in _BODILESS:
        return HttpResponse(status=status, headers=tuple(headers))
    content = _content(state, operation, response, media, result)
    content_type = _concrete_type(media.content_type)
    return HttpResponse(status=status, headers=(("content-type", content_type), *headers), content=content)


def _concrete_type(content_type: str) -> str:
    """Return the type of an answer for a described one: a range such as `*/*` is no type of any answer."""
    return CONCRETE_TYPES.get(essence(content_type).partition("/")[0], JSON) if "*" in content_type else content_type


def _response(operation: Operation, *, is_created: bool) -> tuple[int, Response | None]:
    """Return the described status of success, and its Response: 201 for a created item, else the lowest other 2xx.

    201 without a body beside a 200 with one is what generators write for each POST: the 200 is meant.
    """
    described = {
        _status_number(response.status): response
        for response in operation.responses
        if response.status.upper().startswith("2")
    }
    if not described:
        # A description with `default` only, or with errors only, still has to be answered.
        default = operation.response()
        return (201 if is_created else 200) if default and default.media else 204, default
    statuses = sorted(status for status in described if is_created or status != 201) or sorted(described)
    has_bare_201 = 201 in described and not described[201].media and 200 in described and described[200].media
    status = 201 if is_created and 201 in described and not has_bare_201 else statuses[0]
    return status, described[status]


def _status_number(status: str) -> int:
    return int(status) if status.isdecimal() else 200


def _media(response: Response, accept: str) -> Media | None:
    """Return the media type of the answer: JSON where the client accepts it, else the first that it accepts."""
    if not response.media:
        return None
    ranked = sorted(response.media, key=lambda candidate: not may_be_json(candidate.content_type))
    accepted = [essence(part) for part in accept.split(",") if "q=0" not in part.replace("q=0.", "")]
    for media in ranked:
        kind = essence(media.content_type)
        if any(candidate in (kind, "*/*", kind.partition("/")[0] + "/*") for candidate in accepted):
            return media
    # Nothing fits: an answer in another type is allowed, and more useful than 406 (RFC 9110 §12.5.1).
    return ranked[0]


def _content(
    state: SandboxState, operation: Operation, response: Response | None, media: Media, result: HandlerResult
) -> bytes:
    kind = essence(_concrete_type(media.content_type))
    if may_be_json(kind):
        value = result.value
        if value is ABSENT or response is not operation.response():
            known_values = value if isinstance(value, dict) else ABSENT
            value = state.sampler.sample(media.schema, SampleContext(seed=state.seed, path=operation.id), known_values)
        return encode_json(value)
    if kind in PLACEHOLDERS:
        return PLACEHOLDERS[kind]
    example = next((text for text in media.examples if isinstance(text, str)), None)
    if example is not None:
        return example.encode()
    if kind.endswith(("/xml", "+xml")):
        return b"<?xml version='1.0'?><sandbox/>"
    sampled = state.sampler.sample(media.schema, SampleContext(seed=state.seed, path=operation.id, name="text"))
    return sampled.encode() if isinstance(sampled, str) else encode_json(sampled)


def _headers(state: SandboxState, response: Response, result: HandlerResult) -> list[tuple[str, str]]:
    """Return the described headers of a response, each with a sample of its schema."""
    headers = []
    for name, node in response.headers.items():
        if name.lower() in COMPUTED_HEADERS:
            continue
        described = state.schemas.follow(node)
        schema = described.get("schema", {})
        # X-Total-Count, X-Pagination-Total: the total of a list where its body is a bare array.
        word = name_key(name).removeprefix("x").removeprefix("pagination")
        if result.total is not None and word in TOTAL_NAMES:
            value: Any = result.total
        else:
            value = state.sampler.sample(schema, SampleContext(seed=state.seed, path=f"header/{name}", name=name))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not isinstance(value, dict | list) and text.isascii() and text.isprintable():
            headers.append((name.lower(), text))
    return headers


def _location(state: SandboxState, operation: Operation, row: StoredItem, path: str, prefix: str) -> str:
    """Return the path at which a created item can be read; "" when there is none."""
    key = quote(row.key, safe="")
    resource = next((candidate for candidate in state.semantics.resources if candidate.name == row.entity), None)
    current = state.semantics.resource_at(segments(operation.route))
    for collection in resource.collections if resource else ():
        if "GET" not in collection.item_operations:
            continue
        if current is resource and len(collection.path) == len(segments(operation.route)):
            return f"{path.rstrip('/')}/{key}"
        read = collection.item_operations["GET"]
        *parents, item = segments(read.route)
        values = _parent_values(state, tuple(parents), row.scope)
        if values is not None:
            return prefix + read.path.format_map({**values, str(item.parameter): key})
    return ""


def _parent_values(state: SandboxState, path: Path, scope: Mapping[str, str]) -> dict[str, str] | None:
    """Return the path values of an item's parents from its scope; None when one is unknown."""
    values = {parent.parameter: scope.get(parent.name) for parent in state.semantics.parents(path)}
    if None in values.values():
        return None
    return {name: quote(str(value), safe="") for name, value in values.items()}
