"""A Request built from an Operation and its values, as the description asks. Pure: no I/O, no clock, no credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.client import style
from nlapi.client.body import form_pairs, write_body
from nlapi.client.message import Request
from nlapi.client.segment import check_segment
from nlapi.client.server import server_url
from nlapi.errors import ArgumentError
from nlapi.openapi.parts import FORM, Parameter, essence, is_json
from nlapi.openapi.spec import Operation

Values = Mapping[tuple[str, str], Any]
"""(location, name) -> value; ("body", "") is the whole body, ("body", name) one property of it."""


def build(operation: Operation, values: Values, *, base_url: str | None = None, partial: bool = False) -> Request:
    """Return the Request for `values`, which are taken to fit their schemas. A value of None counts as absent.

    With `partial`, a path parameter without a value stays `{name}`: such a Request is for display only.

    Raises ArgumentError when a value can never be sent (an empty path segment, a line break in a header), UsageError
    when there is no server that it may be sent to.
    """
    arguments = [(parameter, values[parameter.location, parameter.name]) for parameter in _parameters_with_value(operation, values, partial)]
    url = server_url(operation, base_url) + _build_path(operation, arguments)
    pairs = [pair for parameter, value in arguments if parameter.location == "query" for pair in _query_pairs(parameter, value)]
    if pairs := [*_fixed_query(operation, arguments), *pairs]:
        url = f"{url}?{'&'.join(pairs)}"
    headers = [
        (
            parameter.name,
            _prefix_error(parameter, style.encode_header, _content_value(parameter, value), parameter.explode, parameter.style),
        )
        for parameter, value in arguments
        if parameter.location == "header"
    ]
    if cookies := [
        pair for parameter, value in arguments if parameter.location == "cookie" for pair in _cookie_pairs(parameter, value)
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


def _content_value(parameter: Parameter, value: Any) -> Any:
    """Return the value, as a text when the parameter is described by `content` (OpenAPI 3.1.1 §4.8.12.2.2)."""
    if parameter.content_type is None:
        return value
    return style.compact_json(value) if is_json(parameter.content_type) else style.scalar_text(value)


def _build_path(operation: Operation, arguments: list[tuple[Parameter, Any]]) -> str:
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


def _fixed_query(operation: Operation, arguments: list[tuple[Parameter, Any]]) -> Iterator[str]:
    """Yield the pairs behind a `?` of the path itself, except those that a query parameter replaces."""
    if not operation.fixed_query:
        return
    query_names = {parameter.name for parameter in operation.parameters if parameter.location == "query"}
    texts = {parameter.name: _expand(parameter, value) for parameter, value in arguments if parameter.location == "path"}
    for pair in operation.fixed_query.split("&"):
        name, _, value = pair.partition("=")
        if name not in query_names and value.strip("{}") not in query_names:
            yield _encode_non_ascii(_fill_template(pair, texts))


def _fill_template(template: str, texts: Mapping[str, str]) -> str:
    """Return the template with `texts` in place of their names in braces."""
    return re.sub(r"\{([^{}]+)\}", lambda match: texts.get(match[1], match[0]), template)


def _encode_non_ascii(text: str) -> str:
    """Return the text with white space and non-ASCII characters percent-encoded, as a URL cannot hold them."""
    return re.sub(r"[^\x21-\x7e]", lambda match: style.percent_encode(match[0]), text)


def _path_segment(parameter: Parameter, value: Any) -> str:
    """Return the text of a parameter in the path, or refuse it (docs/design/009)."""
    # In style matrix the name precedes the value, so that an empty one leaves `;color` and no empty segment.
    _prefix_error(parameter, check_segment, _content_value(parameter, value), named=parameter.style == "matrix")
    return _expand(parameter, value)


def _expand(parameter: Parameter, value: Any) -> str:
    content, reserved = _content_value(parameter, value), parameter.allow_reserved
    text = _prefix_error(parameter, style.encode_path, parameter.name, content, parameter.style, parameter.explode, reserved=reserved)
    assert isinstance(text, str)
    return text


def _query_pairs(parameter: Parameter, value: Any) -> Iterator[str]:
    if parameter.style == "querystring":
        yield from _prefix_error(parameter, _querystring, parameter, value)
        return
    if parameter.content_type is not None:
        yield f"{style.percent_encode(parameter.name)}={style.percent_encode(_prefix_error(parameter, _content_value, parameter, value))}"
        return
    reserved = parameter.allow_reserved
    pairs = style.encode_query(parameter.name, value, parameter.style, parameter.explode, reserved=reserved)
    yield from _prefix_error(parameter, list, pairs)


def _querystring(parameter: Parameter, value: Any) -> list[str]:
    """Return the pairs of a query that is one parameter (`in: querystring`, OpenAPI 3.2.0 §4.12.2.2)."""
    if essence(parameter.content_type or "") == FORM:
        return form_pairs(value, {})
    return [style.percent_encode(_content_value(parameter, value))]


def _cookie_pairs(parameter: Parameter, value: Any) -> Iterator[str]:
    content = _content_value(parameter, value)
    yield from _prefix_error(parameter, list, style.encode_cookie(parameter.name, content, parameter.explode, parameter.style))


def _accept_header(operation: Operation) -> str:
    """Return the media types of a successful response for the Accept header, JSON first."""
    response = operation.response()
    types = [media.content_type for media in response.media] if response else []
    return ", ".join(sorted(dict.fromkeys(types), key=lambda content_type: not is_json(content_type)))


def _body_value(operation: Operation, values: Values) -> Any:
    """Return the whole body, assembled from its properties if it comes in parts; _ABSENT when there is none to send."""
    if ("body", "") in values:
        return values["body", ""]
    parts = {name: value for (location, name), value in values.items() if location == "body"}
    # A required body whose properties were all left out is `{}`: no body at all would break `required` (§4.8.13.1).
    if parts or (operation.body is not None and operation.body.required):
        return parts
    return _ABSENT
