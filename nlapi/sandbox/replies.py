"""HTTP responses: an Outcome with the status, headers and media type of the description."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from nlapi.openapi.parts import Media, Response, essence, may_be_json
from nlapi.openapi.spec import Operation
from nlapi.resources.envelope import TOTALS
from nlapi.resources.naming import name_key
from nlapi.resources.paths import segments
from nlapi.sandbox.answers import Outcome
from nlapi.sandbox.at import NOTHING, At
from nlapi.sandbox.problem import Problem
from nlapi.sandbox.stage import Stage
from nlapi.sandbox.store import Row

# The smallest valid file of each type, since clients decode what they get.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
GIF = base64.b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
PDF = b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
PDF += b"trailer<</Root 1 0 R>>\n"
PLACEHOLDERS = {"image/png": PNG, "image/gif": GIF, "application/pdf": PDF}

# Headers of the transport, or computed from the answer. A sample of Content-Encoding made every answer unreadable.
OWN_HEADERS = frozenset(
    "connection content-encoding content-length content-type keep-alive location trailer transfer-encoding"
    " upgrade".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response to the client."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""


def refusal(problem: Problem) -> Reply:
    headers = (("content-type", "application/problem+json"), *problem.headers)
    return Reply(status=problem.status, headers=headers, content=encode(problem.as_dict()))


def encode(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def reply(stage: Stage, operation: Operation, outcome: Outcome, *, accept: str, path: str, prefix: str) -> Reply:
    """Return the response for an Outcome, in a media type that the client accepts."""
    status, response = _response(operation, made=outcome.made is not None)
    headers = list(_headers(stage, response, outcome)) if response else []
    if outcome.made is not None:
        location = _location(stage, operation, outcome.made, path, prefix)
        headers += [("location", location)] if location else []
    media = _media(response, accept) if response else None
    if media is None or status in (204, 205, 304):
        return Reply(status=status, headers=tuple(headers))
    content = _content(stage, operation, response, media, outcome)
    return Reply(status=status, headers=(("content-type", media.content_type), *headers), content=content)


def _response(operation: Operation, *, made: bool) -> tuple[int, Response | None]:
    """Return the described status of success, and its Response: 201 for a created item, else the lowest other 2xx."""
    described = {_number(one.status): one for one in operation.responses if one.status.upper().startswith("2")}
    if not described:
        # A description with `default` only, or with errors only, still has to be answered.
        usual = operation.response()
        return (201 if made else 200) if usual and usual.media else 204, usual
    others = sorted(status for status in described if made or status != 201) or sorted(described)
    status = 201 if made and 201 in described else others[0]
    return status, described[status]


def _number(status: str) -> int:
    return int(status) if status.isdecimal() else 200


def _media(response: Response, accept: str) -> Media | None:
    """Return the media type of the answer: JSON where the client accepts it, else the first that it accepts."""
    if not response.media:
        return None
    ranked = sorted(response.media, key=lambda one: not may_be_json(one.content_type))
    wanted = [essence(part) for part in accept.split(",") if "q=0" not in part.replace("q=0.", "")]
    for media in ranked:
        kind = essence(media.content_type)
        if any(one in (kind, "*/*", kind.partition("/")[0] + "/*") for one in wanted):
            return media
    # Nothing fits: an answer in another type is allowed, and more useful than 406 (RFC 9110 §12.5.1).
    return ranked[0]


def _content(stage: Stage, operation: Operation, response: Response | None, media: Media, outcome: Outcome) -> bytes:
    kind = essence(media.content_type)
    if may_be_json(kind):
        value = outcome.value
        if value is NOTHING or response is not operation.response():
            known = value if isinstance(value, dict) else NOTHING
            value = stage.sampler.sample(media.schema, At(seed=stage.seed, path=operation.id), known)
        return encode(value)
    if kind in PLACEHOLDERS:
        return PLACEHOLDERS[kind]
    example = next((one for one in media.examples if isinstance(one, str)), None)
    if example is not None:
        return example.encode()
    if kind.endswith(("/xml", "+xml")):
        return b"<?xml version='1.0'?><sandbox/>"
    sampled = stage.sampler.sample(media.schema, At(seed=stage.seed, path=operation.id, name="text"))
    return sampled.encode() if isinstance(sampled, str) else encode(sampled)


def _headers(stage: Stage, response: Response, outcome: Outcome) -> list[tuple[str, str]]:
    """Return the described headers of a response, each with a sample of its schema."""
    found = []
    for name, node in response.headers.items():
        if name.lower() in OWN_HEADERS:
            continue
        described = stage.schemas.follow(node)
        schema = described.get("schema", {})
        # X-Total-Count, X-Pagination-Total: the total of a list where its body is a bare array.
        word = name_key(name).removeprefix("x").removeprefix("pagination")
        if outcome.total is not None and word in TOTALS:
            value: Any = outcome.total
        else:
            value = stage.sampler.sample(schema, At(seed=stage.seed, path=f"header/{name}", name=name))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not isinstance(value, dict | list) and text.isascii() and text.isprintable():
            found.append((name.lower(), text))
    return found


def _location(stage: Stage, operation: Operation, row: Row, path: str, prefix: str) -> str:
    """Return the path at which a created item can be read; "" when there is none."""
    key = quote(row.key, safe="")
    resource = next((one for one in stage.semantics.resources if one.name == row.entity), None)
    here = stage.semantics.at(segments(operation.route))
    for collection in resource.collections if resource else ():
        if "GET" not in collection.item:
            continue
        if here is resource and len(collection.path) == len(segments(operation.route)):
            return f"{path.rstrip('/')}/{key}"
        values = _values(stage, collection.item["GET"].path, collection.item_path[:-1], row.scope)
        if values is not None:
            return prefix + collection.item["GET"].path.format_map({**values, str(collection.key): key})
    return ""


def _values(stage: Stage, template: str, path: Any, scope: Mapping[str, str]) -> dict[str, str] | None:
    """Return the path values of an item's parents from its scope; None when one is unknown."""
    values = {parent.parameter: scope.get(parent.name) for parent in stage.semantics.parents(path)}
    if None in values.values():
        return None
    return {name: quote(str(value), safe="") for name, value in values.items()}
