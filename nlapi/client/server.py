"""The server of a request, and the servers to which a description may not send it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from nlapi.errors import UsageError
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.egress import ForbiddenAddressError, NetworkScope, check_host
from nlapi.openapi.spec import ABSOLUTE_URL, Operation, Server, Spec, as_list, as_map
from nlapi.openapi.urls import HttpUrl, is_http_url, origin, parse_url, redact_url

_SCHEME = lazy_pattern(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_ENVIRONMENT = lazy_pattern(r"^env|environment|^stage$|^region$", re.IGNORECASE)
_SERVER_WORDS = frozenset(
    "the a an api server servers service url endpoint environment env base host of for our".split()
)
BASE_URL_HINT = "name the server yourself with --base-url"


def server_url(operation: Operation, base_url: str | None = None) -> str:
    """Return the absolute URL that precedes the operation's path, without a slash at its end.

    `base_url` is the user's choice and may be any http(s) URL. Otherwise it is the first absolute one of the
    description's servers (OpenAPI 3.1.1 §4.8.5), as a relative one in a file leads nowhere; one in a network that the
    description has no business with is refused. Raises UsageError with the reason.
    """
    if base_url is not None:
        _check_url(base_url, f"base URL {redact_url(base_url)!r}", _base_url_hint(base_url))
        return base_url.rstrip("/")
    url = next(filter(_SCHEME.match, map(expand_server_url, operation.servers)), "") or expand_server_url(
        operation.servers[0]
    )
    if not _SCHEME.match(url):
        raise _no_server_error(operation, url)
    label = f"server {redact_url(url)!r} of {operation.spec.source}"
    address = _check_url(url, label, BASE_URL_HINT)
    try:
        check_host(address, operation.spec.origin.scope_of(address))
    except ForbiddenAddressError as error:
        reason = f"{label} {error.reason}, and the description does not come from there"
        raise UsageError(reason, hint=BASE_URL_HINT) from None
    return url.rstrip("/")


def site_of(operation: Operation, base_url: str | None = None) -> str:
    """Return the origin that the requests of an operation go to, `http://host:port`; "" without one."""
    with suppress(UsageError):
        return parse_url(server_url(operation, base_url)).site
    return ""


def declares_server(spec: Spec) -> bool:
    """Return whether a description names a server itself; one with none, or only a path, runs where it came from."""
    host = spec.document.get("host")
    urls = [as_map(server).get("url") for server in as_list(spec.document.get("servers"))]
    absolute = (ABSOLUTE_URL.match(url) or url.startswith("//") for url in urls if isinstance(url, str))
    return any(absolute) or (isinstance(host, str) and bool(host.strip()))


def example_base_url(spec: Spec, failed_url: str = "") -> str:
    """Return a base URL that may be the right one, as an example for a person and never for use.

    It differs from `failed_url`: the folder of the description, else `/api` or nothing behind the same host.
    """
    # Prefect's description names no server and needs /api behind the host that served it.
    address = failed_url or spec.source
    if not is_http_url(address):
        return "http://127.0.0.1:8000/api"
    site = parse_url(address).site
    folder = [spec.source.rpartition("/")[0]] if spec.source.startswith(f"{site}/") else []
    return next(url for url in (*folder, f"{site}/api", site) if url != (failed_url.rstrip("/") or site))


def explain_server(spec: Spec) -> str:
    """Return what a user has to provide about where an API runs; "" when its description names a server."""
    if declares_server(spec):
        return ""
    with suppress(UsageError):
        if is_http_url(spec.source):
            default_url = expand_server_url(spec.servers[0]).rstrip("/")
            return f"It names no server: calls go to {default_url}, where it came from, if --base-url says nothing else"
    return f"It names no server: say where it runs, such as --base-url {example_base_url(spec)}"


def _no_server_error(operation: Operation, url: str) -> UsageError:
    """Return the error for a description in a file that has no server, or only its path."""
    path, source = url.strip("/"), operation.spec.source
    if path:
        message, example = f"{source} names no server, only the path {url!r} on it", f"https://HOST/{path}"
    else:
        message, example = f"{source} names no server", example_base_url(operation.spec)
    hint = f"say where the API runs, such as --base-url {example}; {operation.path[:80]} is put behind it"
    return UsageError(message, hint=hint)


def _base_url_hint(base_url: str) -> str:
    """Return a hint for an invalid base URL: the same with http:// in front, where that is a valid one."""
    url = f"http://{base_url}"
    with suppress(UsageError):
        if "://" not in base_url and re.match(r"[\w.-]+(?::\d+)?(?:/|$)", base_url):
            parse_url(url)
            return f"such as {url}"
    return "such as http://127.0.0.1:8080"


def expand_server_url(server: Server) -> str:
    """Return the server's URL with its variables at their defaults (OpenAPI 3.1.1 §4.8.6)."""

    def value(match: re.Match[str]) -> str:
        variable = server.variables.get(match[1])
        if variable is None:
            raise UsageError(f"server {server.url!r} uses {{{match[1]}}}, which is not described", hint=BASE_URL_HINT)
        # `default` is required, yet descriptions leave it out; a single choice leaves no doubt, the first of several is
        # a guess that the preview shows.
        return variable.default or (variable.enum[0] if variable.enum else "")

    return re.sub(r"\{([^{}]+)\}", value, server.url)


def expanded_urls(servers: Iterable[Server]) -> Iterator[str]:
    """Yield the URLs of servers as `expand_server_url` returns them; one that has none is left out."""
    for server in servers:
        with suppress(UsageError):
            yield expand_server_url(server)


def server_sites(servers: Iterable[Server]) -> tuple[str, ...]:
    """Return the sites of servers, each once, in their order."""
    sites: dict[str, None] = {}
    for url in expanded_urls(servers):
        with suppress(UsageError):
            sites[parse_url(url).site] = None
    return tuple(sites)


def environments(spec: Spec) -> dict[str, str]:
    """Return the base URLs of the servers of a description by the names of their environments.

    A name is the description of the server (`Sandbox`), or a choice of a variable that is called so (`environment`).
    """
    found: dict[str, str] = {}
    for server in spec.servers:
        choices = next(
            (
                (name, variable)
                for name, variable in server.variables.items()
                if _ENVIRONMENT.search(name) and variable.enum
            ),
            None,
        )
        with suppress(UsageError):
            if choices is not None:
                for choice in choices[1].enum:
                    url = expand_server_url(replace(server, url=server.url.replace(f"{{{choices[0]}}}", choice)))
                    found.setdefault(_environment_name(choice), url)
            elif name := _environment_name(server.description):
                found.setdefault(name, expand_server_url(server))
    return {name: url for name, url in found.items() if origin(url) is not None}


def _environment_name(text: str) -> str:
    """Return a server's description as a name for `--env`: `Production server` -> production."""
    words = [word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in _SERVER_WORDS]
    return "-".join(words) if 0 < len(words) <= 3 else ""


def _check_url(url: str, label: str, hint: str) -> HttpUrl:
    try:
        address = parse_url(url)
    except UsageError as error:
        raise UsageError(f"{label}: {error.message}", hint=hint) from None
    if "?" in url or "#" in url or "\\" in url:
        raise UsageError(f"{label} has a query, a fragment or a backslash in it", hint=hint)
    # WHATWG URL takes %2e for a dot, so a proxy or server may climb out of the base path.
    if any(segment in (".", "..") for segment in re.sub("%2e", ".", address.path, flags=re.I).split("/")):
        raise UsageError(f"{label} has dot segments in its path", hint=hint)
    return address


def network_scope(operation: Operation, base_url: str | None = None, *, is_users: bool = True) -> NetworkScope:
    """Return the networks that the server of an operation may be in: any where the user named it.

    Without `is_users` the base URL is one of the description's own. UsageError as `server_url`.
    """
    if base_url is not None and is_users:
        return NetworkScope.ANY
    return operation.spec.origin.scope_of(parse_url(server_url(operation, base_url)))
