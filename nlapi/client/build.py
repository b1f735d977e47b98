"""Builds a Request from an Operation and its values, as described; pure: no I/O, no clock, no credentials.

Values are written as text by `style` and `explode`: RFC 6570 and OpenAPI 3.1.1 §4.8.12.3. One that would lead
a server to another path is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from nlapi.client.message import File, Request
from nlapi.client.safe_text import strip_control
from nlapi.client.server import server_url
from nlapi.errors import ArgumentError
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import (
    FORM,
    MULTIPART,
    TOKEN,
    Encoding,
    Media,
    Operation,
    Parameter,
    Schema,
    Spec,
    essence,
    is_json,
    may_be_json,
)

# `allowReserved` in a query. `#`, `&`, `+`, `[` and `]` are encoded all the same: they would end the value, or mean
# something else, to the server (RFC 3986 §3.4).
RESERVED = ":/?@!$'()*,;="

# `allowReserved` in a path: a slash, a `?` or a `%2F` would end the segment (RFC 3986 §3.3).
SEGMENT_RESERVED = ":@!$'()*,;="

# cookie-octet of RFC 6265 §4.1.1 without `%`, which begins an encoded character.
COOKIE_SAFE = "!#$&'()*+-./:<=>?@[]^_`{|}~"

# Style `cookie` escapes nothing by itself (OpenAPI 3.2.0 §4.12.2.3).
COOKIE_STYLE_SAFE = COOKIE_SAFE + "%"

# token of RFC 9110 §5.6.2, without `%`.
COOKIE_NAME_SAFE = "!#$&'*+-.^_`|~"

# Between the values of a list. Only Swagger 2.0 has them in a path and a header, and the tab anywhere.
DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}

SEPARATORS = {style: quote(mark) for style, mark in DELIMITERS.items()}

# Characters that code pages of Windows turn into a slash or a backslash, beside these.
_SEPARATORS = r"[/\\\u2044\u2215\u2216\u29f5\u29f8\xa5\u20a9]"
# Escapes that a standard forbids and a server once took: of IIS, and overlong UTF-8 of ASCII.
_LENIENT = lazy_pattern(r"%[uU]([0-9a-fA-F]{4})|%[cC][01]%[89a-fA-B][0-9a-fA-F]|%[eE]0%8[01]%[89a-bA-B][0-9a-fA-F]")

# More than any chain of proxies and servers decodes; a value that is still encoded after so many is meant to deceive.
MAX_DECODINGS = 8


def scalar_text(value: object) -> str:
    """Return a value as text: true, false, numbers as in JSON; an object or list inside another value as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise ArgumentError(f"{value} is not a number that can be sent")
    return compact_json(value)


def compact_json(value: object) -> str:
    """Return JSON without white space. ArgumentError for a value that JSON cannot hold."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        raise ArgumentError("the value cannot be written as JSON", hint="NaN, Infinity, or nested too deeply") from None
    except TypeError as error:
        raise ArgumentError(f"the value cannot be written as JSON: {error}") from None


def percent_encode(text: str, *, safe: str = "") -> str:
    """Return the text percent-encoded, except unreserved and `safe` characters. ArgumentError for a lone surrogate."""
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise ArgumentError("the text holds half a character (a lone surrogate)") from None


def _query_text(text: str, reserved: bool) -> str:
    """Return the text percent-encoded; with `reserved`, RESERVED and `%XX` stay as they are (RFC 6570 §3.2.3)."""
    if not reserved:
        return percent_encode(text)
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", text)
    return "".join(piece if index % 2 else percent_encode(piece, safe=RESERVED) for index, piece in enumerate(pieces))


def _item_texts(value: Sequence[object]) -> list[str]:
    """Return the items of a list as texts, without null."""
    return [scalar_text(item) for item in value if item is not None]


def _pair_texts(value: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the names and values of an object as texts, without null."""
    return [(name, scalar_text(item)) for name, item in value.items() if item is not None]


def is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def encode_path(name: str, value: Any, style: str, explode: bool, *, reserved: bool = False) -> str:
    """Return the expansion of `{name}` in a path.

    Styles simple, label and matrix (RFC 6570 §3.2.2, §3.2.5, §3.2.7), and those with a delimiter of Swagger 2.0.
    """
    prefix, separator, has_label = {"label": (".", ".", False), "matrix": (";", ";", True)}.get(style, ("", ",", False))
    comma = SEPARATORS.get(style, ",")

    def encoded(item: str) -> str:
        return percent_encode(item, safe=SEGMENT_RESERVED if reserved else "")

    joint = separator if explode else comma
    label = percent_encode(name)
    if is_list(value):
        items = [encoded(item) for item in _item_texts(value)]
        if has_label and explode:
            return "".join(f";{label}={item}" if item else f";{label}" for item in items)
        body = joint.join(items)
    elif isinstance(value, Mapping):
        pairs = [(percent_encode(key), encoded(item)) for key, item in _pair_texts(value)]
        if has_label and explode:
            return "".join(f";{key}={item}" if item else f";{key}" for key, item in pairs)
        body = joint.join(f"{key}{'=' if explode else ','}{item}" for key, item in pairs)
    else:
        body = encoded(scalar_text(value))
    if has_label:
        return f";{label}={body}" if body else f";{label}"
    return f"{prefix}{body}"


def style_fields(name: str, value: Any, style: str, explode: bool) -> Iterator[tuple[str, list[str], str]]:
    """Yield (key, items, separator) for each pair that a value is written as, not yet encoded.

    Styles form, spaceDelimited, pipeDelimited and deepObject. An empty list or object yields none, as it is undefined
    (RFC 6570 §2.3).
    """
    separator = DELIMITERS.get(style, ",")
    if style == "deepObject" and (isinstance(value, Mapping) or is_list(value)):
        yield from ((key, [item], separator) for key, item in _deep_object_pairs(name, value))
    elif is_list(value):
        items = _item_texts(value)
        if explode:
            yield from ((name, [item], separator) for item in items)
        elif items:
            yield name, items, separator
    elif isinstance(value, Mapping):
        pairs = _pair_texts(value)
        if explode:
            yield from ((key, [item], separator) for key, item in pairs)
        elif pairs:
            yield name, [part for pair in pairs for part in pair], separator
    else:
        yield name, [scalar_text(value)], separator


def encode_query(name: str, value: object, style: str, explode: bool, *, reserved: bool = False) -> Iterator[str]:
    """Yield the `key=value` pairs of a query parameter or of a property of an urlencoded form; see `style_fields`."""
    for key, items, separator in style_fields(name, value, style, explode):
        joint = "," if separator == "," else percent_encode(separator)
        yield f"{percent_encode(key)}={joint.join(_query_text(item, reserved) for item in items)}"


def _deep_object_pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield (`name[key][0]`, value) for every scalar inside `value`."""
    # OpenAPI leaves nested values and lists undefined; lists go by index, as Stripe's own clients write them.
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _deep_object_pairs(f"{name}[{key}]", item)
    elif is_list(value):
        for index, item in enumerate(value):
            yield from _deep_object_pairs(f"{name}[{index}]", item)
    elif value is not None:
        yield name, scalar_text(value)


def encode_header(value: Any, explode: bool, style: str = "simple") -> str:
    """Return a header's value. ArgumentError for line breaks and other control characters (RFC 9110 §5.5)."""
    if is_list(value):
        text = DELIMITERS.get(style, ",").join(_item_texts(value))
    elif isinstance(value, Mapping):
        text = ",".join(f"{key}={item}" if explode else f"{key},{item}" for key, item in _pair_texts(value))
    else:
        text = scalar_text(value)
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise ArgumentError("a header may not hold line breaks or control characters")
    return text.strip(" \t")


def encode_cookie(name: str, value: object, explode: bool, style: str = "form") -> Iterator[str]:
    """Yield the `name=value` pairs of a cookie parameter, percent-encoded where RFC 6265 §4.1.1 requires it."""
    safe = COOKIE_STYLE_SAFE if style == "cookie" else COOKIE_SAFE
    for key, items, _ in style_fields(name, value, "form", explode):
        text = ",".join(percent_encode(item, safe=safe) for item in items)
        yield f"{percent_encode(key, safe=COOKIE_NAME_SAFE)}={text}"


def check_segment(value: object, *, has_label: bool = False) -> None:
    """Raise ArgumentError, with the reason, unless `value` and every item of a list or object may stand in a path.

    `has_label`: the parameter's name precedes it (style matrix), so that an empty text leaves no empty segment.
    """
    texts = _scalar_texts(value)
    if not texts:
        raise ArgumentError("a path parameter may not be empty")
    for text in texts:
        if not (has_label and text == ""):
            _check_segment_text(text)


def _scalar_texts(value: Any) -> list[str]:
    """Return the texts that a value is written with: of a scalar, of each item, of each name and value of an object."""
    if isinstance(value, Mapping):
        return [text for pair in _pair_texts(value) for text in pair]
    return _item_texts(value) if is_list(value) else [scalar_text(value)]


def _check_segment_text(text: str) -> None:
    """Check a text as the most lenient server would read it: fully decoded, look-alike characters normalised.

    The text is sent as it is: RFC 6570 §3.2.2 writes a slash as %2F, and many servers read that as a slash.
    """
    # NFKC, as Java servers once took full-width dots for dots; a backslash is a slash to the
    # WHATWG URL parser (docs/design/009).
    plain = unicodedata.normalize("NFKC", _decode_fully(text))
    # Some file systems do not count characters that nobody sees (CVE-2014-9390).
    # The pattern of Braille without a dot is one, too.
    visible = strip_control(plain).replace("\u2800", "")
    if not visible.strip():
        raise ArgumentError("a path parameter may not be empty")
    if re.search(r"[\x00-\x1f\x7f]", plain):
        raise ArgumentError("a path parameter may not hold line breaks or control characters")
    if "" in [segment.strip() for segment in re.split(r"[/\\]", plain)]:
        raise ArgumentError(
            f"{text[:100]!r} has an empty segment: a slash at its start or end, or two in a row",
            hint="give the bare name or id, without slashes around it",
        )
    # What stands behind a semicolon is not part of a segment to servers of Java.
    segments = [segment.partition(";")[0].strip() for segment in re.split(_SEPARATORS, visible)]
    if "." in segments or ".." in segments:
        raise ArgumentError(f"{text[:100]!r} has a dot segment, which leads to another place")


def _lenient_character(match: re.Match[str]) -> str:
    """Return the character of a `%uXXXX` of IIS, or of UTF-8 with more bytes than it needs."""
    if match[1]:
        return chr(int(match[1], 16))
    *_, second, last = (int(octet, 16) for octet in match[0][1:].split("%"))
    return chr((second & 0x3F) << 6 | last & 0x3F) if match[0].count("%") > 2 else chr((second & 3) << 6 | last & 0x3F)


def _decode_fully(text: str) -> str:
    """Return the text percent-decoded until it no longer changes."""
    for _ in range(MAX_DECODINGS):
        plain = unquote(_LENIENT.sub(_lenient_character, text))
        if plain == text:
            return plain
        text = plain
    raise ArgumentError(f"the value is percent-encoded more than {MAX_DECODINGS} times")


OCTET_STREAM = "application/octet-stream"
DEFAULT_ENCODING = Encoding()
# A description that lists these headers for a part gets no second one: they are made from the part's value.
GENERATED_HEADERS = frozenset(("content-type", "content-disposition", "content-transfer-encoding", "content-length"))

Values = Mapping[tuple[str, str], Any]
"""(location, name) -> value; ("body", "") is the whole body, ("body", name) one property of it."""


def write_body(media: Media, value: Any, spec: Spec) -> tuple[str, bytes]:
    """Return the content type and the bytes of a body. ArgumentError when the media type cannot hold the value."""
    kind = essence(media.content_type)
    if kind == MULTIPART:
        return _multipart(media, _require_object(value, kind), spec)
    if isinstance(value, File):
        return value.content_type if "*" in kind else media.content_type, value.data
    if may_be_json(kind):
        # A File is a `str`: its name would be sent in place of its content.
        value = {name: _with_file_texts(item) for name, item in value.items()} if isinstance(value, Mapping) else value
        content_type = media.content_type if is_json(media.content_type) else "application/json"
        return content_type, _encode_utf8(compact_json(value))
    if kind == FORM:
        return media.content_type, "&".join(_form_pairs(value, media.encoding)).encode()
    if isinstance(value, Mapping) or is_list(value):
        raise ArgumentError(f"nlapi cannot write {kind} from an object", hint="give the body as text")
    return media.content_type if "*" not in kind else OCTET_STREAM, _encode_utf8(scalar_text(value))


def _with_file_texts(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_with_file_texts(item) for item in value]
    return file_text(value) if isinstance(value, File) else value


def file_text(file: File) -> str:
    """Return the text of a file. ArgumentError for other bytes."""
    try:
        return file.data.decode()
    except UnicodeDecodeError:
        message = f"the file {file} is not text, and this argument takes only text"
        raise ArgumentError(message, hint="give its base64, if the API takes that") from None


def _require_object(value: object, essence: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ArgumentError(f"a body of type {essence} is written from an object")
    return value


def _encode_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ArgumentError("the body holds half a character (a lone surrogate)") from None


def _form_pairs(value: object, encodings: Mapping[str, Encoding]) -> list[str]:
    """Return the pairs of an urlencoded form, each property written as a query parameter (OpenAPI 3.1.1 §4.8.15)."""
    pairs: list[str] = []
    for name, item in _require_object(value, FORM).items():
        files = item if is_list(item) else [item]
        if any(isinstance(file, File) for file in files):
            # A form carries any bytes (WHATWG URL §5.2).
            pairs += [f"{quote_plus(name)}={quote_plus(file.data)}" for file in files if isinstance(file, File)]
            continue
        encoding = encodings.get(name, DEFAULT_ENCODING)
        text, style, explode = _property_style(item, encoding)
        pairs += [] if item is None else encode_query(name, text, style, explode, reserved=encoding.allow_reserved)
    return pairs


def _property_style(value: object, encoding: Encoding) -> tuple[object, str, bool]:
    """Return (value, style, explode) for a form property: lists repeat, objects are JSON unless they have a style."""
    style = encoding.style or "form"
    explode = encoding.explode if encoding.explode is not None else style in ("form", "deepObject")
    as_json = isinstance(value, Mapping) or is_json(encoding.content_type or "")
    return (compact_json(value) if as_json and not _has_style(encoding) else value), style, explode


def _has_style(encoding: Encoding) -> bool:
    return encoding.style is not None or encoding.explode is not None


def _multipart(media: Media, value: Mapping[str, object], spec: Spec) -> tuple[str, bytes]:
    """Return a multipart/form-data body (RFC 7578).

    The boundary is derived from the parts, so that the same values always give the same bytes: a preview, its digest
    and the bytes sent agree.
    """
    properties = _merged_properties(spec.schema(media.schema), spec)
    parts = [
        part
        for name, item in value.items()
        for part in _write_parts(
            name, item, spec.schema(properties.get(name)), media.encoding.get(name, DEFAULT_ENCODING), spec
        )
    ]
    boundary = f"nlapi-{hashlib.sha256(b''.join(parts)).hexdigest()[:32]}"
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    return f"{MULTIPART}; boundary={boundary}", body + b"--%b--\r\n" % boundary.encode()


def _merged_properties(schema: Any, spec: Spec, visited: dict[int, object] | None = None) -> Mapping[str, object]:
    """Return the properties of a schema and of its `allOf`; a schema that is merged already adds nothing."""
    merged: dict[str, Any] = {}
    visited = {} if visited is None else visited
    for part in map(spec.schema, schema.get("allOf", ())):
        if id(part) not in visited:
            visited[id(part)] = part  # stored, so that its id is not used again
            merged.update(_merged_properties(part, spec, visited))
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


def build(operation: Operation, values: Values, *, base_url: str | None = None, partial: bool = False) -> Request:
    """Return the Request for `values`, which are taken to fit their schemas. A value of None counts as absent.

    With `partial`, a path parameter without a value stays `{name}`: such a Request is for display only.

    Raises ArgumentError when a value can never be sent (an empty path segment, a line break in a header), UsageError
    without a server that it may be sent to.
    """
    arguments = [
        (parameter, values[parameter.location, parameter.name])
        for parameter in _parameters_with_value(operation, values, partial)
    ]
    url = server_url(operation, base_url) + _build_path(operation, arguments)
    pairs = [
        pair
        for parameter, value in arguments
        if parameter.location == "query"
        for pair in _query_pairs(parameter, value)
    ]
    if pairs := [*_fixed_query(operation, arguments), *pairs]:
        url = f"{url}?{'&'.join(pairs)}"
    headers = [
        (
            parameter.name,
            _prefix_error(
                parameter, encode_header, _content_value(parameter, value), parameter.explode, parameter.style
            ),
        )
        for parameter, value in arguments
        if parameter.location == "header"
    ]
    if cookies := [
        pair
        for parameter, value in arguments
        if parameter.location == "cookie"
        for pair in _cookie_pairs(parameter, value)
    ]:
        headers.append(("Cookie", "; ".join(cookies)))
    if accept := _accept_header(operation):
        headers.append(("Accept", accept))
    content = None
    body = _body_value(operation, values)
    if body is not _ABSENT and operation.body is not None:
        content_type, content = write_body(operation.body.media[0], body, operation.spec)
        headers.append(("Content-Type", content_type))
    return Request(method=operation.method, url=url, headers=tuple(headers), content=content)


# None is a body that can be sent (JSON null), so it cannot stand for "no body".
_ABSENT = object()


def _parameters_with_value(operation: Operation, values: Values, partial: bool) -> Iterator[Parameter]:
    for parameter in operation.parameters:
        if values.get((parameter.location, parameter.name)) is not None:
            yield parameter
        elif parameter.location == "path" and not partial:
            raise ArgumentError(f"path parameter {parameter.name!r} has no value")


def _prefix_error(parameter: Parameter, function: Any, *arguments: Any, **options: Any) -> Any:
    """Return `function(...)`, with the name of the parameter in front of the message of an ArgumentError."""
    try:
        return function(*arguments, **options)
    except ArgumentError as error:
        raise ArgumentError(f"{parameter.name}: {error.message}", hint=error.hint) from None


def _content_value(parameter: Parameter, value: object) -> Any:
    """Return the value, as a text when the parameter is described by `content` (OpenAPI 3.1.1 §4.8.12.2.2)."""
    if parameter.content_type is None:
        return value
    return compact_json(value) if is_json(parameter.content_type) else scalar_text(value)


def _build_path(operation: Operation, arguments: list[tuple[Parameter, object]]) -> str:
    """Return the path with its parameters filled in."""
    texts = {
        parameter.name: _path_segment(parameter, value)
        for parameter, value in arguments
        if parameter.location == "path" and f"{{{parameter.name}}}" in operation.route
    }
    path = _fill_template(operation.route, texts)
    # Each value passed `check_segment`, but `{a}{b}` with "." twice is ".." all the same (docs/design/009).
    for segment in path.split("/"):
        if segment in (".", ".."):
            raise ArgumentError(f"the path would be {path!r}: a dot segment leads to another place")
    return _encode_non_ascii(path)


def _fixed_query(operation: Operation, arguments: list[tuple[Parameter, object]]) -> Iterator[str]:
    """Yield the pairs behind a `?` of the path itself, except those that a query parameter replaces."""
    if not operation.fixed_query:
        return
    query_names = {parameter.name for parameter in operation.parameters if parameter.location == "query"}
    texts = {
        parameter.name: _expand(parameter, value) for parameter, value in arguments if parameter.location == "path"
    }
    for pair in operation.fixed_query.split("&"):
        name, _, value = pair.partition("=")
        if name not in query_names and value.strip("{}") not in query_names:
            yield _encode_non_ascii(_fill_template(pair, texts))


def _fill_template(template: str, texts: Mapping[str, str]) -> str:
    """Return the template with `texts` in place of their names in braces."""
    return re.sub(r"\{([^{}]+)\}", lambda match: texts.get(match[1], match[0]), template)


def _encode_non_ascii(text: str) -> str:
    """Return the text with white space and non-ASCII characters percent-encoded, as a URL cannot hold them."""
    return re.sub(r"[^\x21-\x7e]", lambda match: percent_encode(match[0]), text)


def _path_segment(parameter: Parameter, value: object) -> str:
    """Return the text of a parameter in the path, or refuse it (docs/design/009)."""
    # In style matrix the name precedes the value, so that an empty one leaves `;color` and no empty segment.
    _prefix_error(parameter, check_segment, _content_value(parameter, value), has_label=parameter.style == "matrix")
    return _expand(parameter, value)


def _expand(parameter: Parameter, value: object) -> str:
    content, reserved = _content_value(parameter, value), parameter.allow_reserved
    text = _prefix_error(
        parameter, encode_path, parameter.name, content, parameter.style, parameter.explode, reserved=reserved
    )
    assert isinstance(text, str)
    return text


def _query_pairs(parameter: Parameter, value: Any) -> Iterator[str]:
    if parameter.style == "querystring":
        yield from _prefix_error(parameter, _querystring, parameter, value)
        return
    if parameter.content_type is not None:
        content = _prefix_error(parameter, _content_value, parameter, value)
        yield f"{percent_encode(parameter.name)}={percent_encode(content)}"
        return
    reserved = parameter.allow_reserved
    pairs = encode_query(parameter.name, value, parameter.style, parameter.explode, reserved=reserved)
    yield from _prefix_error(parameter, list, pairs)


def _querystring(parameter: Parameter, value: Any) -> list[str]:
    """Return the pairs of a query that is one parameter (`in: querystring`, OpenAPI 3.2.0 §4.12.2.2)."""
    if essence(parameter.content_type or "") == FORM:
        return _form_pairs(value, {})
    return [percent_encode(_content_value(parameter, value))]


def _cookie_pairs(parameter: Parameter, value: Any) -> Iterator[str]:
    content = _content_value(parameter, value)
    yield from _prefix_error(
        parameter, list, encode_cookie(parameter.name, content, parameter.explode, parameter.style)
    )


def _accept_header(operation: Operation) -> str:
    """Return the media types of a successful response for the Accept header, JSON first."""
    response = operation.response()
    types = [media.content_type for media in response.media] if response else []
    return ", ".join(sorted(dict.fromkeys(types), key=lambda content_type: not is_json(content_type)))


def _body_value(operation: Operation, values: Values) -> object:
    """Return the whole body, assembled from its properties if it comes in parts; _ABSENT if none exists to send."""
    if ("body", "") in values:
        return values["body", ""]
    parts = {name: value for (location, name), value in values.items() if location == "body"}
    # A required body whose properties were all left out is `{}`: no body at all would break `required` (§4.8.13.1).
    if parts or (operation.body is not None and operation.body.required):
        return parts
    return _ABSENT
