"""Parses request bodies: JSON, forms, multipart, text and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from nlapi.openapi.model import FORM, MULTIPART, Body, Encoding, Media, Parameter, essence, may_be_json
from nlapi.sandbox.parameters import (
    MISSING,
    QueryPairs,
    coerce,
    coerce_tree,
    may_nest,
    percent_decode,
    read_query,
    split_pairs,
    take_brackets,
    wire_shape,
)
from nlapi.sandbox.problem import Fault, RequestProblem, unprocessable
from nlapi.sandbox.schemas import Schemas


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a multipart body; `filename` is None for a field."""

    name: str
    content: bytes
    content_type: str = ""
    filename: str | None = None


def _split_multipart(content: bytes, content_type: str) -> list[Part]:
    """Return the parts of a multipart/form-data body; RequestProblem 400 when it is malformed."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import FormParser, parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise RequestProblem(400, "the Content-Type of a multipart body needs a boundary")
    parts: list[Part] = []

    def on_field(field: Any) -> None:
        parts.append(
            Part(name=_decode_name(field.field_name), content=field.value or b"", content_type=_content_type(field))
        )

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        read = file.file_object.read()
        name = _decode_name(file.file_name)
        parts.append(
            Part(name=_decode_name(file.field_name), content=read, content_type=_content_type(file), filename=name)
        )
        file.close()

    # The parser does not complain about a body that stops early; a sign of the last boundary does.
    end_marks: list[bool] = []
    parser = FormParser(
        "multipart/form-data",
        on_field,
        on_file,
        on_end=lambda: end_marks.append(True),
        boundary=boundary,
        # No temporary files: the body is in memory already, and app.py bounds its size.
        config={"MAX_MEMORY_FILE_SIZE": float("inf")},
    )
    try:
        parser.write(content)
        parser.finalize()
    except FormParserError as error:
        raise RequestProblem(400, f"the body is not multipart/form-data: {error}") from None
    if not end_marks:
        raise RequestProblem(400, "the multipart body ends before its last boundary")
    return parts


def _decode_name(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _content_type(part: Any) -> str:
    return str(part.content_type or "")


def select_media(body: Body, content_type: str) -> Media:
    """Return the described Media for a Content-Type, ranges (`text/*`) last; RequestProblem 415 when there is none."""
    media_type = essence(content_type)
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    for pattern in ranges if media_type else ():
        for media in body.media:
            if essence(media.content_type) == pattern:
                return media
    described = ", ".join(media.content_type for media in body.media)
    sent_type = content_type or "no Content-Type"
    raise RequestProblem(415, f"the body is described as {described}; the request has {sent_type}")


def read_body(media: Media, content: bytes, content_type: str, schemas: Schemas) -> object:
    """Return the value of a body; MISSING for bytes that no schema can check."""
    kind = essence(content_type)
    if may_be_json(kind):
        return read_json(content)
    if kind == FORM:
        return _urlencoded(media, content, schemas)
    if kind == MULTIPART:
        return _multipart(media, _split_multipart(content, content_type), schemas)
    if kind.startswith("text/"):
        if wire_shape(media.schema, schemas) != "primitive":
            return MISSING  # no standard says how an object is written as text
        return coerce(_utf8_text(content), media.schema, schemas)
    return MISSING


def read_json(content: bytes) -> Any:
    """Return the value of strict JSON (RFC 8259); RequestProblem 400 for anything else."""
    # orjson, because json accepts NaN and Infinity.
    import orjson

    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise RequestProblem(400, f"the body is not JSON: {error}") from None


def _utf8_text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise RequestProblem(400, "the body is not UTF-8 text") from None


def _urlencoded(media: Media, content: bytes, schemas: Schemas) -> dict[str, object]:
    pairs = split_pairs(_utf8_text(content))
    value: dict[str, Any] = {}
    for name, schema in schemas.properties(media.schema).items():
        property_value = _form_property(name, schema, media.encoding.get(name), pairs, schemas)
        if property_value is not MISSING:
            value[name] = property_value
    for name in dict.fromkeys(pairs.unused):
        raw = pairs.take(name)
        value[name] = _single_or_list(raw)
    return {**value, **_empty_lists(media, value, schemas)}


def _empty_lists(media: Media, value: Mapping[str, object], schemas: Schemas) -> dict[str, object]:
    """Return the required lists of a form that are not in it: an empty list leaves no trace in a form."""
    required = schemas.flat(media.schema).get("required") or ()
    described = schemas.properties(media.schema)
    absent = [name for name in required if name not in value and name in described]
    return {name: [] for name in absent if wire_shape(described[name], schemas) == "array"}


def _single_or_list(raw: list[str]) -> Any:
    texts = [percent_decode(text) for text in raw]
    return texts[0] if len(texts) == 1 else texts


def _has_style(encoding: Encoding | None) -> bool:
    """Return whether a property is serialised like a query parameter; OpenAPI 3.1.1 §4.8.15.1.2."""
    return encoding is not None and (encoding.style is not None or encoding.explode is not None)


def _form_property(name: str, schema: Any, encoding: Encoding | None, pairs: QueryPairs, schemas: Schemas) -> object:
    """Return a property of a form: by its style if it has one, else as brackets, JSON or repeated names."""
    if not _has_style(encoding):
        # An object is JSON by default (OpenAPI 3.1.1 §4.8.15.1.1), but many clients write brackets without `encoding`.
        bracketed = take_brackets(name, pairs) if may_nest(schema, schemas) else MISSING
        if bracketed is not MISSING:
            return coerce_tree(bracketed, schema, schemas)
        if wire_shape(schema, schemas) == "object" or may_be_json(encoding.content_type or "" if encoding else ""):
            return _json_property(name, pairs)
    style = (encoding.style if encoding else None) or "form"
    explode = encoding.explode if encoding and encoding.explode is not None else style == "form"
    parameter = Parameter(name=name, location="body", required=False, schema=schema, style=style, explode=explode)
    return read_query(parameter, pairs, schemas)


def _json_property(name: str, pairs: QueryPairs) -> Any:
    texts = pairs.take(name)
    if not texts:
        return MISSING
    try:
        return read_json(_single_or_list(texts[:1]).encode())
    except RequestProblem as problem:
        raise unprocessable([Fault(location=f"body.{name}", message=problem.detail)]) from None


def _multipart(media: Media, parts: list[Part], schemas: Schemas) -> dict[str, Any]:
    described = schemas.properties(media.schema)
    value: dict[str, Any] = {}
    styled = [name for name in described if _has_style(media.encoding.get(name))]
    parts = _take_styled(media, styled, parts, value, schemas) if styled else parts
    for part in parts:
        schema = described.get(part.name, {})
        encoding = media.encoding.get(part.name)
        is_array = wire_shape(schema, schemas) == "array"
        item = schemas.flat(schema).get("items", {}) if is_array else schema
        part_value = _part_value(part, item, encoding, schemas)
        if is_array:
            # Each item is a part of its own (RFC 7578 §4.3); one JSON part for the whole list is common as well.
            is_whole_list = isinstance(part_value, list) and wire_shape(item, schemas) != "array"
            value.setdefault(part.name, []).extend(part_value if is_whole_list else [part_value])
        elif part.name in value:
            raise unprocessable([Fault(location=f"body.{part.name}", message="given twice; it is one value")])
        else:
            value[part.name] = part_value
    return {**value, **_empty_lists(media, value, schemas)}


def _take_styled(
    media: Media, names: list[str], parts: list[Part], value: dict[str, object], schemas: Schemas
) -> list[Part]:
    """Add the properties that have a style to `value`, and return the remaining parts."""
    described = schemas.properties(media.schema)
    fields = [part for part in parts if part.filename is None]
    # The reader of queries expects percent-encoding, which parts do not have. The comma stays, as it separates values.
    pairs = QueryPairs(pairs=[(part.name, quote(part.content, safe=",")) for part in fields])
    for name in names:
        property_value = _form_property(name, described[name], media.encoding.get(name), pairs, schemas)
        if property_value is not MISSING:
            value[name] = property_value
    used = {id(fields[position]) for position in pairs.used}
    return [part for part in parts if id(part) not in used]


def _part_value(part: Part, schema: object, encoding: Encoding | None, schemas: Schemas) -> object:
    location = f"body.{part.name}"
    described_types = [essence(text) for text in (encoding.content_type or "").split(",")] if encoding else []
    sent_type = essence(part.content_type) or "text/plain"
    if (
        any(described_types)
        and sent_type not in described_types
        and sent_type.partition("/")[0] + "/*" not in described_types
        and "*/*" not in described_types
    ):
        raise unprocessable(
            [
                Fault(
                    location=location, message=f"the part is described as {', '.join(described_types)}, not {sent_type}"
                )
            ]
        )
    if may_be_json(part.content_type) or wire_shape(schema, schemas) == "object":
        try:
            return read_json(part.content)
        except RequestProblem as problem:
            raise unprocessable([Fault(location=location, message=problem.detail)]) from None
    if part.filename is not None:
        # One character for each byte, so that minLength and maxLength count bytes.
        return part.content.decode("latin-1")
    return coerce(part.content.decode("utf-8", "replace"), schema, schemas)
