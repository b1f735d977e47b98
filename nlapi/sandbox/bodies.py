"""Parsing of request bodies: JSON, forms, multipart, text and bytes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from nlapi.openapi.parts import FORM, MULTIPART, Body, Encoding, Media, Parameter, essence, may_be_json
from nlapi.sandbox.coerce import coerce, coerce_tree
from nlapi.sandbox.multipart import Part, split_multipart
from nlapi.sandbox.parameters import MISSING, Pairs, decoded, nests, read_query, shape, split_pairs, take_brackets
from nlapi.sandbox.problem import Fault, Problem, unprocessable
from nlapi.sandbox.schemas import Schemas


def choose(body: Body, content_type: str) -> Media:
    """Return the described Media for a Content-Type, ranges such as `text/*` last; Problem 415 when there is none."""
    wanted = essence(content_type)
    ranges = (wanted, wanted.partition("/")[0] + "/*", "*/*")
    for one in ranges if wanted else ():
        for media in body.media:
            if essence(media.content_type) == one:
                return media
    described = ", ".join(media.content_type for media in body.media)
    given = content_type or "no Content-Type"
    raise Problem(415, f"the body is described as {described}; the request has {given}")


def read_body(media: Media, content: bytes, content_type: str, schemas: Schemas) -> Any:
    """Return the value of a body; MISSING for bytes that no schema can check."""
    kind = essence(content_type)
    if may_be_json(kind):
        return read_json(content)
    if kind == FORM:
        return _urlencoded(media, content, schemas)
    if kind == MULTIPART:
        return _multipart(media, split_multipart(content, content_type), schemas)
    if kind.startswith("text/"):
        return coerce(_text(content), media.schema, schemas)
    return MISSING


def read_json(content: bytes) -> Any:
    """Return the value of strict JSON (RFC 8259); Problem 400 for anything else."""
    # orjson, because json accepts NaN and Infinity.
    import orjson

    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error}") from None


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Problem(400, "the body is not UTF-8 text") from None


def _urlencoded(media: Media, content: bytes, schemas: Schemas) -> dict[str, Any]:
    pairs = split_pairs(_text(content))
    value: dict[str, Any] = {}
    for name, schema in schemas.properties(media.schema).items():
        found = _form_property(name, schema, media.encoding.get(name), pairs, schemas)
        if found is not MISSING:
            value[name] = found
    for name in dict.fromkeys(pairs.unused):
        raw = pairs.take(name)
        value[name] = _plain(raw)
    return value


def _plain(raw: list[str]) -> Any:
    texts = [decoded(one) for one in raw]
    return texts[0] if len(texts) == 1 else texts


def _has_style(encoding: Encoding | None) -> bool:
    """Return whether a property is serialised like a query parameter; OpenAPI 3.1.1 §4.8.15.1.2."""
    return encoding is not None and (encoding.style is not None or encoding.explode is not None)


def _form_property(name: str, schema: Any, encoding: Encoding | None, pairs: Pairs, schemas: Schemas) -> Any:
    """Return a property of a form: by its style if it has one, else as brackets, JSON or repeated names."""
    if not _has_style(encoding):
        # An object is JSON by default (OpenAPI 3.1.1 §4.8.15.1.1), but many clients write brackets without `encoding`.
        bracketed = take_brackets(name, pairs) if nests(schema, schemas) else MISSING
        if bracketed is not MISSING:
            return coerce_tree(bracketed, schema, schemas)
        if shape(schema, schemas) == "object" or may_be_json(encoding.content_type or "" if encoding else ""):
            return _json_property(name, pairs)
    style = (encoding.style if encoding else None) or "form"
    explode = encoding.explode if encoding and encoding.explode is not None else style == "form"
    parameter = Parameter(name=name, where="body", required=False, schema=schema, style=style, explode=explode)
    return read_query(parameter, pairs, schemas)


def _json_property(name: str, pairs: Pairs) -> Any:
    texts = pairs.take(name)
    if not texts:
        return MISSING
    try:
        return read_json(_plain(texts[:1]).encode())
    except Problem as problem:
        raise unprocessable([Fault(where=f"body.{name}", message=problem.detail)]) from None


def _multipart(media: Media, parts: list[Part], schemas: Schemas) -> dict[str, Any]:
    described = schemas.properties(media.schema)
    value: dict[str, Any] = {}
    styled = [name for name in described if _has_style(media.encoding.get(name))]
    parts = _take_styled(media, styled, parts, value, schemas) if styled else parts
    for part in parts:
        schema = described.get(part.name, {})
        encoding = media.encoding.get(part.name)
        many = shape(schema, schemas) == "array"
        item = schemas.flat(schema).get("items", {}) if many else schema
        found = _part_value(part, item, encoding, schemas)
        if many:
            # Each item is a part of its own (RFC 7578 §4.3); one JSON part for the whole list is common as well.
            whole = isinstance(found, list) and shape(item, schemas) != "array"
            value.setdefault(part.name, []).extend(found if whole else [found])
        elif part.name in value:
            raise unprocessable([Fault(where=f"body.{part.name}", message="given twice; it is one value")])
        else:
            value[part.name] = found
    return value


def _take_styled(
    media: Media, names: list[str], parts: list[Part], value: dict[str, Any], schemas: Schemas
) -> list[Part]:
    """Add the properties that have a style to `value`, and return the remaining parts."""
    described = schemas.properties(media.schema)
    fields = [part for part in parts if part.filename is None]
    # The reader of queries expects percent-encoding, which parts do not have. The comma stays, as it separates values.
    pairs = Pairs(pairs=[(part.name, quote(part.content, safe=",")) for part in fields])
    for name in names:
        found = _form_property(name, described[name], media.encoding.get(name), pairs, schemas)
        if found is not MISSING:
            value[name] = found
    used = {id(fields[place]) for place in pairs.used}
    return [part for part in parts if id(part) not in used]


def _part_value(part: Part, schema: Any, encoding: Encoding | None, schemas: Schemas) -> Any:
    where = f"body.{part.name}"
    wanted = [essence(one) for one in (encoding.content_type or "").split(",")] if encoding else []
    given = essence(part.content_type) or "text/plain"
    if any(wanted) and given not in wanted and given.partition("/")[0] + "/*" not in wanted and "*/*" not in wanted:
        raise unprocessable([Fault(where=where, message=f"the part is described as {', '.join(wanted)}, not {given}")])
    if may_be_json(part.content_type) or shape(schema, schemas) == "object":
        try:
            return read_json(part.content)
        except Problem as problem:
            raise unprocessable([Fault(where=where, message=problem.detail)]) from None
    if part.filename is not None:
        # One character for each byte, so that minLength and maxLength count bytes.
        return part.content.decode("latin-1")
    return coerce(part.content.decode("utf-8", "replace"), schema, schemas)
