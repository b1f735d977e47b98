"""Checks a request against its description, credentials included; each fault has its location."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from nlapi.client.auth import credential_location
from nlapi.openapi.spec import (
    FORM,
    MULTIPART,
    Body,
    Encoding,
    Media,
    Operation,
    Parameter,
    SecurityScheme,
    essence,
    may_be_json,
)
from nlapi.sandbox import parameters as wire
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
from nlapi.sandbox.routes import take_path_query
from nlapi.sandbox.schemas import Schemas
from nlapi.suggestions import suggestion


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
    """Return the described Media for a Content-Type, ranges (`text/*`) last; RequestProblem 415 if none exists."""
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
            # Each item is a separate part (RFC 7578 §4.3); one JSON part for the whole list is common as well.
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
        message = f"the part is described as {', '.join(described_types)}, not {sent_type}"
        raise unprocessable([Fault(location=location, message=message)])
    if may_be_json(part.content_type) or wire_shape(schema, schemas) == "object":
        try:
            return read_json(part.content)
        except RequestProblem as problem:
            raise unprocessable([Fault(location=location, message=problem.detail)]) from None
    if part.filename is not None:
        # One character for each byte, so that minLength and maxLength count bytes.
        return part.content.decode("latin-1")
    return coerce(part.content.decode("utf-8", "replace"), schema, schemas)


# The values of a request by location: header (names in lower case), query and cookie, all decoded.
FieldsByLocation = Mapping[str, Mapping[str, str]]

# Header parameters of these names are ignored; OpenAPI 3.1.1 §4.8.12.1.
IGNORED_HEADERS = frozenset(("accept", "content-type", "authorization"))


def authenticate(operation: Operation, fields: FieldsByLocation) -> None:
    """Raise RequestProblem 401 unless one alternative of the operation's security is complete; any values will do."""
    if not operation.security:
        return
    schemes = operation.spec.security_schemes
    incomplete = []
    for requirement in operation.security:
        missing = _missing_schemes([schemes[id] for id in requirement if id in schemes], fields)
        if not missing:
            return
        incomplete.append(missing)
    # WWW-Authenticate is required in a 401 (RFC 9110 §15.5.2); it names the alternative that lacks least.
    nearest = min(incomplete, key=len)
    alternatives = " or ".join(
        dict.fromkeys(" and ".join(map(_describe, schemes_needed)) for schemes_needed in incomplete)
    )
    raise RequestProblem(
        401,
        f"{operation.id} needs a credential: {alternatives}. Any non-empty value will do here",
        headers=[("WWW-Authenticate", _challenge(nearest))],
    )


def take_body_credentials(operation: Operation, incoming: RawRequest) -> tuple[dict[str, str], RawRequest]:
    """Return the credentials in the body of a request, and the request without them: they are not part of its data."""
    names = {scheme.name for scheme in _schemes_of(operation) if scheme.location == "body"}
    kind = incoming.headers.get("content-type", "")
    if not names or not incoming.content:
        return {}, incoming
    if may_be_json(kind):
        try:
            data = json.loads(incoming.content)
        except ValueError:
            return {}, incoming
        if not isinstance(data, dict) or not names & data.keys():
            return {}, incoming
        taken = {name: value for name in names if isinstance(value := data.pop(name, None), str)}
        return taken, replace(incoming, content=json.dumps(data).encode())
    if essence(kind) != FORM:
        return {}, incoming
    pairs = parse_qsl(incoming.content.decode("utf-8", "replace"), keep_blank_values=True)
    rest = urlencode([(name, value) for name, value in pairs if name not in names])
    return {name: value for name, value in pairs if name in names}, replace(incoming, content=rest.encode())


def _schemes_of(operation: Operation) -> Iterator[SecurityScheme]:
    """Yield the security schemes that a request for an operation may have credentials for."""
    schemes = operation.spec.security_schemes
    for id in (*(id for requirement in operation.security for id in requirement), *operation.optional_credentials):
        if id in schemes:
            yield schemes[id]


def _missing_schemes(schemes: Sequence[SecurityScheme], values: FieldsByLocation) -> list[SecurityScheme]:
    """Return the missing schemes of a requirement, one for each header, query parameter or cookie."""
    # Schemes with one location are one credential (docs/design/022-credentials-by-place.md); loopback has no TLS.
    fields = {
        credential_location(candidate).key: candidate
        for candidate in reversed(schemes)
        if candidate.kind != "mutualTLS"
    }
    filled = {
        credential_location(candidate).key
        for candidate in schemes
        if candidate.kind != "mutualTLS" and _has_credential(candidate, values)
    }
    return [scheme for field, scheme in reversed(fields.items()) if field not in filled]


def _has_credential(scheme: SecurityScheme, fields: FieldsByLocation) -> bool:
    """Return whether a request has a credential of this scheme, whatever its value."""
    if scheme.kind == "apiKey":
        name = scheme.name.lower() if scheme.location == "header" else scheme.name
        return bool(fields.get(scheme.location, {}).get(name, "").strip())
    sent_scheme, _, credential = fields["header"].get("authorization", "").partition(" ")
    required_scheme = _http_scheme(scheme)
    if sent_scheme.lower() != required_scheme or not credential.strip():
        return False
    return required_scheme != "basic" or _is_basic(credential.strip())


def _is_basic(credential: str) -> bool:
    try:
        return b":" in base64.b64decode(credential, validate=True)
    except ValueError:
        return False


def _describe(scheme: SecurityScheme) -> str:
    if scheme.kind == "apiKey":
        return f"{scheme.id} ({scheme.location} {scheme.name})"
    return f"{scheme.id} (header Authorization: {_http_scheme(scheme).title()} ...)"


def _challenge(missing: Iterable[SecurityScheme]) -> str:
    scheme = next(iter(missing))
    if scheme.kind == "apiKey":
        return f'ApiKey realm="sandbox", in="{scheme.location}", name="{scheme.name}"'
    return f'{_http_scheme(scheme).title()} realm="sandbox"'


def _http_scheme(scheme: SecurityScheme) -> str:
    """Return the scheme of the Authorization header; OAuth 2 and OpenID Connect send bearer tokens."""
    return scheme.scheme if scheme.kind == "http" else "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest:
    """A request before it is checked: `path` and `query` percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def cookies(self) -> dict[str, str]:
        jar = SimpleCookie()
        try:
            jar.load(self.headers.get("cookie", ""))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in jar.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidRequest:
    """The values of a valid request. `body` is MISSING without a body, or when it is only bytes."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    headers: Mapping[str, Any]
    cookies: Mapping[str, object]
    body: Any = MISSING


def check_request(operation: Operation, raw: Mapping[str, str], incoming: RawRequest, schemas: Schemas) -> ValidRequest:
    """Return the values of a request; RequestProblem 400, 404, 415 or 422 when the description forbids it."""
    pairs = split_pairs(incoming.query)
    raw = {**raw, **take_path_query(operation, pairs)}
    values: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
    faults: list[Fault] = []
    for parameter in operation.parameters:
        if parameter.location == "header" and parameter.name.lower() in IGNORED_HEADERS:
            continue
        value = _read(parameter, raw, pairs, incoming, schemas)
        if value is MISSING and parameter.required:
            # An empty object or list has no pairs in the query, so nothing distinguishes it from its absence.
            value = wire.empty_value(parameter, schemas)
        if value is MISSING:
            if parameter.required:
                faults.append(Fault(location=f"{parameter.location}.{parameter.name}", message="is required"))
            continue
        values[parameter.location][parameter.name] = value
        faults += _value_faults(parameter, value, schemas)
    _take_unmatched(operation, pairs, values["query"], faults, schemas)
    body = _body(operation, incoming, schemas, faults)
    if faults:
        raise unprocessable(faults)
    return ValidRequest(
        path=values["path"], query=values["query"], headers=values["header"], cookies=values["cookie"], body=body
    )


def _read(
    parameter: Parameter, raw: Mapping[str, str], pairs: QueryPairs, incoming: RawRequest, schemas: Schemas
) -> object:
    if parameter.content_type is not None:
        return _read_content(parameter, raw, pairs, incoming, schemas)
    if parameter.location == "query":
        return wire.read_query(parameter, pairs, schemas)
    text = _raw_value(parameter, raw, incoming)
    if text is None:
        return MISSING
    if parameter.location == "path":
        return wire.read_path(parameter, text, schemas)
    if parameter.location == "header":
        return wire.read_header(parameter, text, schemas)
    return wire.read_cookie(parameter, text, schemas)


def _raw_value(parameter: Parameter, raw: Mapping[str, str], incoming: RawRequest) -> str | None:
    if parameter.location == "path":
        return raw.get(parameter.name)
    if parameter.location == "header":
        return incoming.headers.get(parameter.name.lower())
    return incoming.cookies.get(parameter.name)


def _read_content(
    parameter: Parameter, raw: Mapping[str, str], pairs: QueryPairs, incoming: RawRequest, schemas: Schemas
) -> object:
    """Return the value of a parameter with `content`, a text of that media type; OpenAPI 3.1.1 §4.8.12.4."""
    if parameter.style == "querystring":
        return _read_querystring(parameter, pairs, incoming, schemas)
    if parameter.location == "query":
        raw_values = pairs.take(parameter.name)
        text = wire.percent_decode(raw_values[-1]) if raw_values else None
    else:
        text = _raw_value(parameter, raw, incoming)
        if text is not None and parameter.location == "path":
            text = wire.percent_decode(text, plus=False)
    if text is None:
        return MISSING
    if not may_be_json(parameter.content_type or ""):
        return text
    try:
        return read_json(text.encode())
    except RequestProblem:
        location = f"{parameter.location}.{parameter.name}"
        raise unprocessable([Fault(location=location, message=f"is not JSON: {text[:80]}")]) from None


def _read_querystring(parameter: Parameter, pairs: QueryPairs, incoming: RawRequest, schemas: Schemas) -> object:
    """Return the value of a `querystring` parameter, which is the whole query; OpenAPI 3.2.0 §4.12.2.2."""
    pairs.used.update(range(len(pairs.pairs)))
    if not incoming.query:
        return MISSING
    kind = essence(parameter.content_type or "")
    is_form = kind == FORM
    text = incoming.query if is_form else wire.percent_decode(incoming.query, plus=False)
    return read_body(Media(content_type=kind, schema=parameter.schema), text.encode(), kind, schemas)


def _value_faults(parameter: Parameter, value: object, schemas: Schemas) -> list[Fault]:
    if value == "" and parameter.allow_empty:
        return []
    location = f"{parameter.location}.{parameter.name}"
    faults = schemas.faults(parameter.schema, value, location)
    # The mistake of many clients: a list is sent as `a%2Cb`, one value with a comma in it.
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if faults and any(isinstance(text, str) and "," in text for text in texts):
        hint = "; a comma between values is written plain, not percent-encoded"
        return [Fault(location=fault.location, message=fault.message + hint) for fault in faults]
    return faults


def _take_unmatched(
    operation: Operation, pairs: QueryPairs, query: dict[str, Any], faults: list[Fault], schemas: Schemas
) -> None:
    """Assign query names without a parameter to a credential or a free-form object; RequestProblem 400 for others."""
    for scheme in _schemes_of(operation):
        if scheme.kind == "apiKey" and scheme.location == "query":
            pairs.take(scheme.name)
    described = [parameter for parameter in operation.parameters if parameter.location == "query"]
    owner = next(
        (
            candidate
            for candidate in described
            if not candidate.content_type and wire.takes_any_name(candidate, schemas)
        ),
        None,
    )
    if pairs.unused and owner is not None:
        value = {**query.get(owner.name, {}), **wire.take_free_properties(owner, pairs, schemas)}
        query[owner.name] = value
        faults[:] = [fault for fault in faults if fault.location != f"query.{owner.name}"]
        faults += _value_faults(owner, value, schemas)
    if pairs.unused:
        raise _unknown_names(pairs.unused, [parameter.name for parameter in described], operation)


def _unknown_names(names: list[str], described: list[str], operation: Operation) -> RequestProblem:
    faults = []
    for name in dict.fromkeys(names):
        hint = suggestion(name, described)
        message = f"is not a query parameter of {operation.id}" + (f"; {hint}" if hint else "")
        faults.append(Fault(location=f"query.{name}", message=message))
    suffix = f"; it has {', '.join(described)}" if described else "; it has none"
    return RequestProblem(400, f"{faults[0].location}: {faults[0].message}{suffix}", faults=faults)


def _body(operation: Operation, incoming: RawRequest, schemas: Schemas, faults: list[Fault]) -> object:
    body, content = operation.body, incoming.content
    if body is None:
        if content:
            raise RequestProblem(400, f"{operation.id} takes no request body")
        return MISSING
    if not content and (body.required or may_be_json(incoming.content_type)):
        if body.required:
            raise RequestProblem(400, f"{operation.id} needs a request body ({body.content_type})")
        return MISSING
    if not content:
        return MISSING
    media = select_media(body, incoming.content_type)
    value = read_body(media, content, incoming.content_type, schemas)
    if value is MISSING:
        return MISSING
    value = _without_read_only(value, media.schema, schemas)
    try:
        faults += schemas.faults(media.schema, value, "body")
    except RecursionError:
        # jsonschema recurses with the value: a few thousand brackets are enough.
        raise RequestProblem(400, "the body is nested too deeply") from None
    return value


def _without_read_only(value: object, schema: object, schemas: Schemas, depth: int = 6) -> object:
    """Return a value without its readOnly properties."""
    # Ignored and not refused: many clients send back the whole item that they read.
    if isinstance(value, list) and depth:
        items = schemas.flat(schema).get("items", {})
        return [_without_read_only(item, items, schemas, depth - 1) for item in value]
    if not isinstance(value, dict) or not depth:
        return value
    described = schemas.properties(schema)
    writable_fields = {
        name: item for name, item in value.items() if schemas.flat(described.get(name, {})).get("readOnly") is not True
    }
    return {
        name: _without_read_only(item, described.get(name, {}), schemas, depth - 1)
        for name, item in writable_fields.items()
    }
