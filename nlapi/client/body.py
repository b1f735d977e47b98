"""Request bodies written from values: JSON, forms, multipart, text and bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any
from urllib.parse import quote

from nlapi.client.message import File
from nlapi.client.style import compact_json, style_fields, encode_header, is_list, encode_query, scalar_text
from nlapi.errors import ArgumentError
from nlapi.openapi.headers import TOKEN
from nlapi.openapi.parts import FORM, MULTIPART, Encoding, Media, Schema, as_map, essence, is_json, may_be_json
from nlapi.openapi.spec import Spec

OCTET_STREAM = "application/octet-stream"
DEFAULT_ENCODING = Encoding()
# A description that lists these headers for a part gets no second one: they are made from the part's value.
GENERATED_HEADERS = frozenset(("content-type", "content-disposition", "content-transfer-encoding", "content-length"))


def write_body(media: Media, value: Any, spec: Spec) -> tuple[str, bytes]:
    """Return the content type and the bytes of a body. ArgumentError when the media type cannot hold the value."""
    kind = essence(media.content_type)
    if kind == MULTIPART:
        return _multipart(media, _require_object(value, kind), spec)
    if isinstance(value, File):
        return value.content_type if "*" in kind else media.content_type, value.data
    # A File is a `str`: without this check its name would be sent in place of its bytes.
    for name, item in as_map(value).items():
        if isinstance(item, File) or (is_list(item) and any(isinstance(element, File) for element in item)):
            raise ArgumentError(f"{name}: a file cannot be part of a body of type {kind}", hint="give its text")
    if may_be_json(kind):
        content_type = media.content_type if is_json(media.content_type) else "application/json"
        return content_type, _encode_utf8(compact_json(value))
    if kind == FORM:
        return media.content_type, "&".join(form_pairs(value, media.encoding)).encode()
    if isinstance(value, Mapping) or is_list(value):
        raise ArgumentError(f"nlapi cannot write {kind} from an object", hint="give the body as text")
    return media.content_type if "*" not in kind else OCTET_STREAM, _encode_utf8(scalar_text(value))


def _require_object(value: Any, essence: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ArgumentError(f"a body of type {essence} is written from an object")
    return value


def _encode_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ArgumentError("the body holds half a character (a lone surrogate)") from None


def form_pairs(value: Any, encodings: Mapping[str, Encoding]) -> list[str]:
    """Return the pairs of an urlencoded form, each property written as a query parameter (OpenAPI 3.1.1 §4.8.15)."""
    pairs: list[str] = []
    for name, item in _require_object(value, FORM).items():
        encoding = encodings.get(name, DEFAULT_ENCODING)
        text, style, explode = _property_style(item, encoding)
        pairs += [] if item is None else encode_query(name, text, style, explode, reserved=encoding.allow_reserved)
    return pairs


def _property_style(value: Any, encoding: Encoding) -> tuple[Any, str, bool]:
    """Return (value, style, explode) for a form property: lists repeat, objects are JSON unless they have a style."""
    style = encoding.style or "form"
    explode = encoding.explode if encoding.explode is not None else style in ("form", "deepObject")
    as_json = isinstance(value, Mapping) or is_json(encoding.content_type or "")
    return (compact_json(value) if as_json and not _has_style(encoding) else value), style, explode


def _has_style(encoding: Encoding) -> bool:
    return encoding.style is not None or encoding.explode is not None


def _multipart(media: Media, value: Mapping[str, Any], spec: Spec) -> tuple[str, bytes]:
    """Return a multipart/form-data body (RFC 7578).

    The boundary is derived from the parts, so that the same values always give the same bytes: a preview, its digest
    and the bytes sent agree.
    """
    properties = _merged_properties(spec.schema(media.schema), spec)
    parts = [
        part
        for name, item in value.items()
        for part in _write_parts(name, item, spec.schema(properties.get(name)), media.encoding.get(name, DEFAULT_ENCODING), spec)
    ]
    boundary = f"nlapi-{hashlib.sha256(b''.join(parts)).hexdigest()[:32]}"
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    return f"{MULTIPART}; boundary={boundary}", body + b"--%b--\r\n" % boundary.encode()


def _merged_properties(schema: Any, spec: Spec, ancestors: tuple[int, ...] = ()) -> Mapping[str, Any]:
    """Return the properties of a schema and of its `allOf`; a schema within itself adds nothing."""
    merged: dict[str, Any] = {}
    for part in map(spec.schema, schema.get("allOf", ())):
        if id(part) not in ancestors:
            merged.update(_merged_properties(part, spec, (*ancestors, id(part))))
    return {**merged, **schema.get("properties", {})}


def _write_parts(name: str, value: Any, schema: Schema, encoding: Encoding, spec: Spec) -> Iterator[bytes]:
    if value is None:
        return
    # With style or explode, OpenAPI 3.1.1 §4.8.15.1.2 ignores contentType, so these parts go out without one.
    if _has_style(encoding):
        for key, texts, separator in style_fields(name, *_property_style(value, encoding)):
            yield _write_part(key, _encode_utf8(separator.join(texts)), headers=_part_headers(encoding, spec))
        return
    if is_list(value):
        items = spec.schema(schema.get("items"))
        for item in value:
            yield from _write_parts(name, item, items, encoding, spec)
        return
    content_type = (encoding.content_type or "").partition(",")[0].strip()
    filename = ""
    if isinstance(value, File):
        data, filename = value.data, value.filename
        content_type = _choose_file_type(encoding.content_type or "", value.content_type)
    elif isinstance(value, Mapping):
        data, content_type = _encode_utf8(compact_json(value)), content_type or "application/json"
    else:
        data = _encode_utf8(compact_json(value) if is_json(content_type) else scalar_text(value))
        if file_type := _file_content_type(schema, content_type):
            filename, content_type = name, file_type
    yield _write_part(name, data, filename, content_type, _part_headers(encoding, spec))


def _part_headers(encoding: Encoding, spec: Spec) -> str:
    """Return the header lines of a part that the description fixes: by `const`, a single choice or a default."""
    lines = ""
    for name, node in encoding.headers.items():
        schema = spec.schema(spec.schema(node).get("schema"))
        choices = schema.get("enum")
        single = choices if isinstance(choices, list) and len(choices) == 1 else [schema.get("default")]
        value = schema.get("const", single[0])
        if value is not None and TOKEN.fullmatch(name) and name.lower() not in GENERATED_HEADERS:
            lines += f"\r\n{name}: {encode_header(value, explode=False)}"
    return lines


def _choose_file_type(allowed: str, file_type: str) -> str:
    """Return the type of a file where its encoding's `contentType` (`image/png, image/*`) allows it, else the first."""
    types = [media_type.strip() for media_type in allowed.split(",") if media_type.strip()]
    if not types or any(fnmatch(file_type, media_type) for media_type in types):
        return file_type
    return file_type if "*" in types[0] else types[0]


def _file_content_type(schema: Schema, content_type: str) -> str:
    """Return the content type of a part sent as a file, by its schema or its encoding; "" for any other part."""
    declared_type = str(schema.get("contentMediaType", ""))
    if schema.get("format") == "binary" or declared_type == OCTET_STREAM:
        return content_type or declared_type or OCTET_STREAM
    if not content_type and "contentEncoding" not in schema:
        content_type = declared_type
    return "" if is_json(content_type) or content_type.startswith("text/") else content_type


def _write_part(name: str, data: bytes, filename: str = "", content_type: str = "", headers: str = "") -> bytes:
    # RFC 7578 §4.2: the name and the filename are parameters of Content-Disposition, which comes first.
    head = f'Content-Disposition: form-data; name="{_quote_name(name)}"'
    if filename:
        head += f'; filename="{_quote_name(filename)}"'
    if content_type:
        if any(ord(char) < 32 for char in content_type):
            raise ArgumentError(f"the content type of {name!r} holds control characters")
        head += f"\r\nContent-Type: {content_type}"
    return _encode_utf8(head + headers) + b"\r\n\r\n" + data


def _quote_name(text: str) -> str:
    """Return a name quoted as browsers do: the WHATWG multipart/form-data encoding algorithm."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return quote(text, errors="replace")
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
