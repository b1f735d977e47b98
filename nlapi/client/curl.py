"""A Request as a curl command for a POSIX shell, with environment variables in place of credentials."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from shlex import quote
from urllib.parse import quote as percent

from nlapi.client.auth import Credential, CredentialLocation, alternatives, choose_alternative, is_same_api
from nlapi.client.message import Request
from nlapi.errors import UsageError
from nlapi.openapi.spec import TOKEN, Operation, SecurityScheme

# In bytes. Linux takes at most 128 KB in one argument (MAX_ARG_STRLEN, 32 pages), quoting included.
MAX_INLINE_BODY = 100_000


def to_curl(
    request: Request,
    operation: Operation | None = None,
    scheme_ids: Collection[str] = (),
    *,
    base_url: str | None = None,
    variables: Mapping[str, str] | None = None,
    preferred: Collection[str] = (),
    no_auth: bool = False,
) -> str:
    """Return the curl command that sends the request `send` would send, without any credential in it.

    A variable stands in place of each credential of the alternative that the schemes in `scheme_ids` satisfy (the first
    alternative, if none is): the one that `variables` has for the scheme, else one such as `$BEARERAUTH_TOKEN`; with
    `no_auth` only of those that the user states. A binary, multipart or very large body is read from `body.bin`, and a
    comment at the end of the line says what must be in it. UsageError when a header cannot be written.
    """
    additions: list[tuple[CredentialLocation, str]] = []
    if operation is not None and is_same_api(operation, request.url, base_url):
        chosen = choose_alternative(operation, scheme_ids, preferred, no_auth=no_auth)
        if chosen is None:
            chosen = next(iter(alternatives(operation)), ())
        additions = [(entry.location, _credential_variable(entry, scheme_ids, variables or {})) for entry in chosen]
    words = ["curl", *_method_option(request)]
    if re.search(r"[\[\]{}]", request.url):
        # Without it curl expands brackets and braces to several requests.
        words.append("--globoff")
    if any(segment.lower().replace("%2e", ".") in (".", "..") for segment in request.url.split("?")[0].split("/")):
        words.append("--path-as-is")
    words += _header_options(request, additions)
    fields = [(location.name, variable) for location, variable in additions if location.in_ == "body"]
    body, note = _body_options(request) if not fields else (_filled_body(request, operation, fields), "")
    words += [*body, _url_word(request.url, additions)]
    return " ".join(words) + note


# The shortest line that sends the same: people read and edit it.
def _method_option(request: Request) -> list[str]:
    """Return the option for the method; none when curl uses that method anyway."""
    if request.method == "HEAD":
        return ["--head"]
    implied = "GET" if request.content is None else "POST"
    return [] if request.method == implied else ["-X", quote(request.method)]


def _header_options(request: Request, additions: list[tuple[CredentialLocation, str]]) -> Iterator[str]:
    replaced = {location.name.lower() for location, _ in additions if location.in_ == "header"}
    cookies = [(location.name, variable) for location, variable in additions if location.in_ == "cookie"]
    cookie_values = []
    for name, value in request.headers:
        if name.lower() == "cookie" and cookies:
            cookie_values.append(value)
        elif name.lower() not in replaced:
            yield from ("-H", quote(_header_text(name, value)))
    if request.content is not None and request.header("content-type") is None:
        yield from ("-H", "'Content-Type:'")  # else curl adds the type of a form
    for location, variable in additions:
        if location.in_ == "header" and location.prefix == "Basic ":
            yield from ("-u", f'"${variable}"')
        elif location.in_ == "header":
            yield from ("-H", _shell_word((f"{location.name}: {location.prefix}", variable)))
    if cookies:
        start = "".join(f"{value}; " for value in cookie_values)
        names = [f"Cookie: {start}{cookies[0][0]}=", *(f"; {name}=" for name, _ in cookies[1:])]
        yield from ("-H", _shell_word(*zip(names, (variable for _, variable in cookies), strict=True)))


def _shell_word(*pieces: tuple[str, str]) -> str:
    """Return a shell word of (text, variable) pieces, with single quotes around text that a shell would interpret."""
    if all(re.fullmatch(r"[\w .,:;=/+-]*", text) for text, _ in pieces):
        return '"' + "".join(f"{text}${variable}" for text, variable in pieces) + '"'
    return "".join(f'{quote(text)}"${variable}"' for text, variable in pieces)


def _header_text(name: str, value: str) -> str:
    """Return a header as curl expects it; `Name;` sends an empty one."""
    if not TOKEN.fullmatch(name) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise UsageError(f"the header {name[:100]!r} cannot be sent")
    return f"{name}: {value}" if value.strip() else f"{name};"


def _body_options(request: Request) -> tuple[list[str], str]:
    if request.content is None:
        return [], ""
    text = _inline_body(request)
    if text is not None:
        # Not --data, which would read a file when the body begins with "@".
        return ["--data-raw", quote(text)], ""
    kind = request.header("content-type") or "the body"
    return ["--data-binary", "@body.bin"], f"  # body.bin: {len(request.content)} bytes, {re.sub(r'[^ -~]', '', kind)}"


def _filled_body(request: Request, operation: Operation | None, fields: list[tuple[str, str]]) -> list[str]:
    """Return the options for a body with variables in place of credentials."""
    described = operation.body.content_type if operation is not None and operation.body is not None else ""
    from nlapi.client.auth import body_gaps

    gaps = body_gaps(request, [name for name, _ in fields], described)
    words = [f'{quote(piece)}"${variable}"' for piece, (_, variable) in zip(gaps.pieces, fields, strict=False)]
    end = quote(gaps.pieces[-1]) if gaps.pieces[-1] else ""
    header = [] if request.header("content-type") else ["-H", quote(f"Content-Type: {gaps.content_type}")]
    return [*header, "--data-raw", "".join(words) + end]


def _inline_body(request: Request) -> str | None:
    """Return the body if it can stand on a command line, else None."""
    content = request.content or b""
    if len(content) > MAX_INLINE_BODY or (request.header("content-type") or "").lower().startswith("multipart/"):
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text) else text


def _url_word(url: str, additions: list[tuple[CredentialLocation, str]]) -> str:
    text = quote(url.partition("#")[0])
    for location, variable in additions:
        if location.in_ == "query":
            mark = "&" if "?" in text else "?"
            text += _shell_word((f"{mark}{percent(location.name, safe='')}=", variable))
    return text


def _credential_variable(credential: Credential, scheme_ids: Collection[str], variables: Mapping[str, str]) -> str:
    """Return the variable of the id under which a credential was given, else one made from the first id."""
    id = next(iter(credential.matching_ids(scheme_ids)), credential.id)
    return variables.get(id) or _variable_name(next(scheme for scheme in credential.schemes if scheme.id == id))


def _variable_name(scheme: SecurityScheme) -> str:
    kind = {"apiKey": "KEY"}.get(scheme.kind, "USER_PASSWORD" if scheme.scheme == "basic" else "TOKEN")
    name = re.sub(r"[^A-Z0-9]+", "_", scheme.id.upper()).strip("_") or "API"
    name = f"API_{name}" if name[0].isdigit() else name
    return name if name.endswith(f"_{kind}") else f"{name}_{kind}"
