"""The credentials of an API at the beginning of a run: what is given for it, what is registered, and stored logins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nlapi.client.auth import CredentialContext, find_scheme
from nlapi.client.server import server_sites, server_url
from nlapi.errors import MissingCredentialError, UsageError
from nlapi.openapi.spec import Spec
from nlapi.openapi.urls import parse_url
from nlapi.registry import resolve_credential, user_folder

if TYPE_CHECKING:
    from nlapi.accounts.session import LoginSession


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedCredentials:
    """Credentials by scheme id, what is known of them, and the logins among them; None where none is stored."""

    values: Mapping[str, str] = field(repr=False)
    account: CredentialContext
    logins: LoginSession | None = field(default=None, repr=False)


def open_credentials(
    spec: Spec, name: str, *, given: Mapping[str, str], registered: Mapping[str, str], base_url: str | None = None
) -> OpenedCredentials:
    """Return the credentials for calls of an API: those `given` for this run, then the `registered`, then logins.

    `name` is that of the API, "" for one without logins. Both maps have values or references (`env:NAME`, `file:PATH`,
    `cmd:COMMAND`). A login that is for no server yet is for `base_url`, which the user has named, from now on.
    MissingCredentialError when there is nothing where one points, and no login for that scheme.
    """
    values = {id: resolve_credential(id, text) for id, text in given.items()}
    logins = _open_logins(name, lambda id: id not in given and find_scheme(spec, id) is not None) if name else None
    if logins is not None and base_url is not None:
        logins.bind(parse_url(base_url).site)
    stored = logins.credentials if logins is not None else {}
    for id, text in registered.items():
        if id not in values:
            try:
                values[id] = resolve_credential(id, text)
            except MissingCredentialError:
                if id not in stored:
                    raise
    used = {id: value for id, value in stored.items() if id not in values}
    audiences = {id: sites for id, sites in logins.audiences.items() if id in used} if logins is not None else {}
    account = CredentialContext(name=name, audiences=audiences, preferred=frozenset(given))
    return OpenedCredentials(values={**used, **values}, account=account, logins=logins)


def _open_logins(name: str, is_used: Callable[[str], bool]) -> LoginSession | None:
    # Most runs have no login, and need nothing of what reads one.
    if not (user_folder("config") / "logins").is_dir():
        return None
    from nlapi.accounts.session import open_logins

    return open_logins(name, is_used)


def audience_of(spec: Spec, base_url: str | None = None) -> tuple[str, ...]:
    """Return the sites that a login for an API is for: of `base_url`, else of the servers that its calls go to.

    A server that only an operation names does not count (`is_same_api`), nor does another environment, such as a
    sandbox that the description lists behind the server in use. () where the description names no server.
    """
    if base_url is not None:
        return (parse_url(base_url).site,)
    named = server_sites(spec.servers)
    sites: dict[str, None] = {}
    for operation in spec.operations:
        with suppress(UsageError):
            sites[parse_url(server_url(operation)).site] = None
    return tuple(site for site in sites if site in named)
