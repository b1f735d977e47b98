"""Request bodies off the wire: JSON, forms, multipart, text and bytes."""

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
    """The described Media that a Content-Type is of, ranges last; Problem 415 when there is none."""
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
    """The value of a body; MISSING when its bytes have no value that a schema could judge."""
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
    """Strict JSON: UTF-8, no NaN, no comments, no trailing commas; Problem 400 for anything else."""
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
    """Is a property written like a query parameter? Then its contentType is ignored (OpenAPI 3.1.1 §4.8.15.1.2)."""
    return encoding is not None and (encoding.style is not None or encoding.explode is not None)


def _form_property(name: str, schema: Any, encoding: Encoding | None, pairs: Pairs, schemas: Schemas) -> Any:
    """One property of a form: by its style if it has one, else JSON, brackets or repeated names."""
    if not _has_style(encoding):
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
            # Each item is a part of its own; that the whole list is one part of JSON is common as well.
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
    """Puts the properties that have a style into `value`; the parts that are left."""
    described = schemas.properties(media.schema)
    fields = [part for part in parts if part.filename is None]
    # Nothing is percent-encoded in a part, and everything is in a query; a comma is what separates values.
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
        # Bytes one to one, so that the lengths in the schema count bytes.
        return part.content.decode("latin-1")
    return coerce(part.content.decode("utf-8", "replace"), schema, schemas)
