"""Defines what a user writes into a request beside its arguments: headers, a body, and pairs of the query."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote

from nlapi.client.auth import is_credential_header
from nlapi.client.message import Request
from nlapi.errors import UsageError
from nlapi.openapi.spec import TOKEN, Spec, overrides_request
from nlapi.resources.effect_arguments import METHOD_PARAMETERS
from nlapi.tools.tool import Tool

# Headers that the connection is made of (RFC 9110 §7.2, RFC 9112 §6): another value would garble the request.
_CONNECTION_HEADERS = frozenset("host content-length transfer-encoding connection upgrade te trailer expect".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestChanges:
    """Parts of a request that its user wrote. A header replaces those of the same name; `content` is the whole body."""

    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    query: tuple[tuple[str, str], ...] = ()

    def apply(self, request: Request) -> Request:
        """Return a request with these parts."""
        names = {name.lower() for name, _ in self.headers}
        headers = (*(pair for pair in request.headers if pair[0].lower() not in names), *self.headers)
        url = request.url
        if self.query:
            pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self.query)
            url = f"{url}{'&' if '?' in url else '?'}{pairs}"
        content = request.content if self.content is None else self.content
        return replace(request, url=url, headers=headers, content=content)

    @property
    def values(self) -> object:
        """Return the value of a body that is given whole, as JSON or a form."""
        content = self.content or b""
        with suppress(ValueError, RecursionError):
            return json.loads(content)
        return dict(parse_qsl(content.decode("latin-1")))

    def relax(self, tool: Tool) -> Tool:
        """Return a tool without the arguments of its body where the body is given whole."""
        if self.content is None:
            return tool
        properties = {
            name: schema
            for name, schema in tool.input_schema["properties"].items()
            if tool.places.get(name, ("body", name))[0] != "body"
        }
        required = [name for name in tool.required if name in properties]
        schema = {**tool.input_schema, "properties": properties, "required": required}
        return replace(tool, input_schema=schema, body_rules={})


NO_CHANGES = RequestChanges()


def parse_headers(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return headers written as `NAME: VALUE`. UsageError for anything else, without its text: it may be a credential.

    A header that the connection is made of is refused (RFC 9110 §7.2).
    """
    headers: list[tuple[str, str]] = []
    for text in texts:
        name, mark, value = text.partition(":")
        name, value = name.strip(), value.strip()
        if not mark or not TOKEN.fullmatch(name):
            raise UsageError("-H takes NAME:VALUE", hint="such as -H 'Accept: application/json'")
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value) or not _is_latin(value):
            raise UsageError(f"-H {name}: the value has characters that a header cannot hold")
        if name.lower() in _CONNECTION_HEADERS:
            raise UsageError(f"-H {name} is written by nlapi itself", hint="leave it out")
        refuse_override(name)
        if any(name.lower() == other.lower() for other, _ in headers):
            raise UsageError(f"-H {name} is given twice", hint=f"a list is one header: -H '{name}: a, b'")
        headers.append((name, value))
    return tuple(headers)


def split_headers(
    spec: Spec, headers: Sequence[tuple[str, str]]
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Return the headers that are credentials, by their names or the schemes of an API, and the others."""
    secret = tuple(pair for pair in headers if is_credential_header(spec, pair[0]))
    return secret, tuple(pair for pair in headers if pair not in secret)


def refuse_override(name: str) -> None:
    """Raise UsageError for the name of a header or parameter by which servers take another method or path."""
    if name.lower() in METHOD_PARAMETERS or overrides_request(name):
        raise UsageError(f"{name} would make another request of this one", hint="call that method or path itself")


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
