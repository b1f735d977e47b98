"""Parses a `servers` list and reports its faults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from nlapi.issue import Issue
from nlapi.openapi.parts import Server, ServerVariable, as_list, as_map

ABSOLUTE_URL = re.compile(r"[a-zA-Z{][\w{}+.-]*:|\{")
"""The start of a URL that is absolute, or may be once its variables are replaced."""


def parse_servers(node: Any, source: str) -> tuple[Server, ...]:
    """Return the Servers of a list; relative URLs resolve against the source of the description (RFC 3986 §5)."""
    return tuple(
        Server(
            url=_resolve_server_url(item["url"].strip() or "/", source),
            description=item["description"] if isinstance(item.get("description"), str) else "",
            variables=dict(_parse_variables(item.get("variables"))),
        )
        for item in as_list(node)
        if isinstance(item, Mapping) and isinstance(item.get("url"), str)
    )


def _resolve_server_url(url: str, source: str) -> str:
    # A network-path reference (RFC 3986 §4.2) from a local file has no scheme to inherit: https.
    if url.startswith("//"):
        return f"{'http' if source.startswith('http://') else 'https'}:{url}"
    if not source.startswith(("http://", "https://")) or ABSOLUTE_URL.match(url):
        return url
    return urljoin(source, url)


def _parse_variables(node: Any) -> Iterator[tuple[str, ServerVariable]]:
    for name, value in as_map(node).items():
        if isinstance(value, Mapping):
            description = value.get("description")
            yield (
                str(name),
                ServerVariable(
                    default=_scalar(value.get("default")),
                    enum=tuple(map(_scalar, as_list(value.get("enum")))),
                    description=description if isinstance(description, str) else "",
                ),
            )


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def server_issues(servers: Iterable[Server], location: str) -> Iterator[Issue]:
    """Yield warnings about the variables of servers; --base-url can replace the server, so nothing is unusable."""
    for server in servers:
        for name in re.findall(r"\{([^{}]+)\}", server.url):
            variable = server.variables.get(name)
            if variable is None:
                message, hint = f"server {server.url!r} uses {{{name}}}, which is not described", "give it a default"
            # `default` is required (OpenAPI 3.1.1 §4.8.6), but often missing beside an enum.
            elif variable.enum and not variable.default:
                message, hint = f"{{{name}}} has no default; {variable.enum[0]!r} is used", ""
            elif variable.enum and variable.default not in variable.enum:
                message = f"the default {variable.default!r} of {{{name}}} is none of its choices"
                hint = f"choices are {', '.join(variable.enum[:12])}"
            else:
                continue
            yield Issue.warning(location, message, hint)
