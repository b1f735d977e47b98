"""Reads what `nlapi call` is to send: an operation or a path, arguments, headers, a body."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.cli.options import parse_pairs
from nlapi.client.auth import alternatives, credential_location
from nlapi.errors import UsageError
from nlapi.json_text import parse_json, repeated_key
from nlapi.tools.request_changes import NO_CHANGES, RequestChanges, parse_headers
from nlapi.tools.tool import Call, Tool

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation
    from nlapi.tools.run import Target

# A header of such a name is masked wherever the request is shown.
_SECRET_HEADER = re.compile(r"(?i)auth|cookie|token|secret|passw|credential|api-?key|signature|session")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call, the target that it goes to, and what the user wrote into the request beside its arguments."""

    call: Call
    target: Target
    changes: RequestChanges = NO_CHANGES


def read_call(
    target: Target,
    words: Sequence[str],
    known_values: Mapping[str, str],
    *,
    args: str | None = None,
    headers: Sequence[str] = (),
    raw_body: str | None = None,
) -> CallRequest:
    """Return the call of an operation and its `KEY=VALUE` pairs, or of a method and a path.

    A header that is a credential goes to the API's own servers alone and is masked; where the operation wants one
    there, it is the credential.
    """
    from nlapi.cli.arguments import parse_arguments
    from nlapi.tools.compile import compile_tool

    name, *pairs = words
    query: tuple[tuple[str, str], ...] = ()
    from_path: Mapping[str, object] = {}
    if _is_direct(target, name, pairs):
        from nlapi.tools.direct_request import find_direct

        direct = find_direct(target.spec, name.upper(), pairs[0], base_url=target.base_url, rules=target.rules)
        tool, query, from_path, pairs = direct.tool, direct.query, direct.arguments, pairs[1:]
        if pairs and not direct.is_described:
            hint = "write them into the path, or give --raw-body"
            raise UsageError(f"{name} {words[1]} is not described, so it takes no arguments", hint=hint)
        known_values = {key: value for key, value in known_values.items() if key not in from_path}
    else:
        tool = compile_tool(target.spec.operation(name))
    target, pairs = _take_credentials(target, pairs, tool)
    content, sent = None, parse_headers(headers)
    if raw_body is not None:
        if args == "-" and raw_body == "-":
            raise UsageError("standard input cannot be both --args and --raw-body", hint="give one of them as a file")
        content = _read_body(raw_body)
        if repeated := repeated_key(content):
            raise UsageError(f"--raw-body: {repeated}", hint="a server takes the first or the last of them")
        if not any(header.lower() == "content-type" for header, _ in sent):
            sent = (*sent, ("content-type", _content_type(tool.operation, content)))
    secret, plain = _split_headers(tool, sent)
    changes = RequestChanges(headers=plain, content=content, query=query)
    # Beside a whole body, registered values for properties of it have no place.
    arguments = parse_arguments(changes.relax(tool), known_values=known_values, json_text=args, pairs=pairs)
    if twice := next(iter(from_path.keys() & arguments.keys()), ""):
        raise UsageError(f"{twice} is given twice: in {words[1]} and beside it", hint="it takes one value")
    return CallRequest(
        call=Call(tool=tool, arguments={**from_path, **arguments}),
        target=_with_headers(target, tool, secret),
        changes=changes,
    )


def _take_credentials(target: Target, pairs: list[str], tool: Tool) -> tuple[Target, list[str]]:
    """Return the Target with the credentials among `KEY=VALUE` pairs, and the other pairs."""
    from nlapi.cli.target import take_credentials

    arguments = tool.input_schema["properties"]
    own = {pair: name for pair in pairs if (name := credential_name(target, pair)) and name not in arguments}
    if not own:
        return target, pairs
    given = parse_pairs([pair for pair in pairs if pair in own], "KEY=VALUE")
    return take_credentials(target, given)[0], [pair for pair in pairs if pair not in own]


def credential_name(target: Target, pair: str) -> str:
    """Return the name in `KEY=VALUE` where that is a credential of the API; else ""."""
    name, mark, _ = pair.partition("=")
    return name if mark and target.spec.credential_parameters.scheme_of(name) is not None else ""


def _is_direct(target: Target, name: str, pairs: Sequence[str]) -> bool:
    """Return whether the words are a method and a path; an operation may be called `GET`."""
    from nlapi.tools.direct_request import METHODS

    return name.upper() in METHODS and bool(pairs) and not target.spec.has(name)


def _read_body(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"{text[1:]} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _content_type(operation: Operation, content: bytes) -> str:
    """Return the content type of a body: the one that the operation describes, else that of what it looks like."""
    if operation.body is not None and "*" not in operation.body.content_type:
        return operation.body.content_type
    try:
        parse_json(content)
    except (ValueError, RecursionError):
        return "application/octet-stream"
    return "application/json"


def is_secret_header(name: str) -> bool:
    """Return whether a header of this name is taken for a credential, whatever the API describes."""
    return _SECRET_HEADER.search(name) is not None


def _split_headers(
    tool: Tool, headers: Sequence[tuple[str, str]]
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Return the headers that are credentials, and the others."""
    wanted = _credential_headers(tool.operation)
    secret = tuple(pair for pair in headers if pair[0].lower() in wanted or is_secret_header(pair[0]))
    return secret, tuple(pair for pair in headers if pair not in secret)


def _credential_headers(operation: Operation) -> set[str]:
    schemes = (
        scheme for credentials in alternatives(operation) for credential in credentials for scheme in credential.schemes
    )
    locations = map(credential_location, schemes)
    return {location.name.lower() for location in locations if location.in_ == "header"}


def _with_headers(target: Target, tool: Tool, headers: Sequence[tuple[str, str]]) -> Target:
    if not headers:
        return target
    is_credential = any(name.lower() in _credential_headers(tool.operation) for name, _ in headers)
    return replace(target, headers={**target.headers, **dict(headers)}, no_auth=target.no_auth or is_credential)
