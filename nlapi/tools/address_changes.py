"""Compares where two versions of a description send a call, and by which credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from nlapi.client.auth import credential_location
from nlapi.client.server import environments, expand_server_url
from nlapi.errors import UsageError
from nlapi.openapi.model import SecurityScheme
from nlapi.openapi.spec import Operation
from nlapi.openapi.urls import is_http_url, parse_url, redact_url
from nlapi.tools.pins import flow_urls, scheme_text


def server_differences(old: Operation, new: Operation) -> Iterator[str]:
    """Yield how the servers of an operation break its calls: another host, scheme, port or base path, or one less.

    Where no server was named, the user names it, and nothing breaks.
    """
    before, after = _addresses(old), _addresses(new)
    if not before:
        return
    if not after:
        yield f"has no server now, where it was sent to {before[0]}"
        return
    if after[0] != before[0]:
        yield f"is sent to {after[0]} now, where it was sent to {before[0]}"
    yield from (f"has no server {address} now" for address in before[1:] if address not in after)
    known, named = old.spec.derive(environments), new.spec.derive(environments)
    for name, url in known.items():
        address = _address(url)
        if name in named and _address(named[name]) != address:
            yield f"has the environment {name} at {_address(named[name])} now, where it was at {address}"
        elif name not in named and address not in (*before, *after):
            yield f"has no environment {name} now, which was at {address}"


def credential_differences(old: Operation, new: Operation) -> Iterator[str]:
    """Yield which credentials of an operation go elsewhere now, or are had elsewhere."""
    for id in dict.fromkeys(id for requirement in old.security for id in requirement):
        before, after = old.spec.security_schemes[id], new.spec.security_schemes.get(id)
        if after is not None and not _takes_old_credential(before, after):
            yield f"has the credential {id!r} as {scheme_text(after)} now, where it was {scheme_text(before)}"


def _takes_old_credential(old: SecurityScheme, new: SecurityScheme) -> bool:
    """Return whether a credential goes where it went, and every address of its flows is as it was."""
    if old.fault or new.fault:
        return bool(old.fault) or not new.fault
    known = {*filter(None, (old.metadata_url, *flow_urls(old.flows)))}
    return credential_location(old) == credential_location(new) and known <= {new.metadata_url, *flow_urls(new.flows)}


def _addresses(operation: Operation) -> tuple[str, ...]:
    """Return the absolute servers of an operation, each once: the first is where its calls go."""
    addresses: dict[str, None] = {}
    for server in operation.servers:
        with suppress(UsageError):
            addresses[_address(expand_server_url(server))] = None
    return tuple(filter(None, addresses))


def _address(url: str) -> str:
    """Return a base URL in one spelling: `https://host:port/path`; "" for one that is not absolute."""
    if not is_http_url(url):
        return ""
    parsed = parse_url(redact_url(url))
    return f"{parsed.site}{parsed.path.rstrip('/')}"
