"""The logins of one API during a run: their values, their servers, and new tokens before the old ones end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from nlapi.accounts.authorization_server import TokenError, post_form, request_token
from nlapi.accounts.store import Grant, Login, LoginKey, LoginKind, LoginStore, Secrets, SecretStorage
from nlapi.errors import CredentialError, NlapiError

# RFC 6749 §5.2: the refresh token, or the client, is good no more, and asking again cannot help.
_FINAL = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})


def renew(store: LoginStore, key: LoginKey, refused: str = "") -> tuple[Login, Secrets]:
    """Return a login with a token that can be sent, renewed where it has ended or is the one that an API `refused`.

    A login that another process has renewed meanwhile is taken from the store. CredentialError where it cannot be
    renewed, with the command that logs in again; SendError where the authorization server cannot be reached.
    """
    with store.lock(key):
        # Read again under the lock: a refresh token that rotates may be used once (RFC 9700 §4.14.2).
        login, secrets = store.read_secrets(key)
        if not (login.is_expired() or (refused and secrets.value == refused)):
            return login, secrets
        if login.source is None or not login.is_renewable:
            raise _ended(key, login)
        try:
            renewed, new_secrets = _request(login, secrets)
        except TokenError as error:
            if error.code not in _FINAL:
                raise
            store.write(key, replace(login, ended=error.code), secrets, _storage_of(login))
            raise _ended(key, replace(login, ended=error.code)) from None
        store.write(key, renewed, new_secrets, _storage_of(login))
        return renewed, new_secrets


def _storage_of(login: Login) -> SecretStorage | None:
    # A keyring that has been locked meanwhile must not cost the new token: then it goes into the file.
    return SecretStorage.FILE if login.storage is SecretStorage.FILE else None


def _request(login: Login, secrets: Secrets) -> tuple[Login, Secrets]:
    source = login.source
    assert source is not None
    if source.grant is Grant.CLIENT:
        scope = " ".join(source.scopes)
        tokens = request_token(source, secrets.client_secret, grant_type=Grant.CLIENT.value, scope=scope)
    else:
        tokens = request_token(
            source, secrets.client_secret, grant_type="refresh_token", refresh_token=secrets.refresh_token
        )
    # Without a new refresh token the old one stays good (RFC 6749 §6).
    kept = tokens.refresh_token or secrets.refresh_token
    new_secrets = replace(secrets, value=tokens.access_token, refresh_token=kept)
    scopes = source.scopes if tokens.scopes is None else tokens.scopes
    renewed = replace(login, source=replace(source, scopes=scopes), has_refresh_token=bool(kept))
    return renewed.with_lifetime(tokens.lifetime), new_secrets


def revoke(login: Login, secrets: Secrets) -> str:
    """Ask the authorization server to forget a login (RFC 7009). Return why it did not; "" where it did or need not."""
    if login.source is None or not login.source.revocation_url:
        return "" if login.kind is not LoginKind.OAUTH else "its server has no address for that"
    token = secrets.refresh_token or secrets.value
    hint = "refresh_token" if secrets.refresh_token else "access_token"
    try:
        post_form(
            login.source,
            login.source.revocation_url,
            secrets.client_secret,
            {"token": token, "token_type_hint": hint},
            secrets=secrets.texts,
            name="revocation endpoint",
            network=login.source.revocation_network,
            may_be_empty=True,
        )
    except NlapiError as error:
        return error.message
    return ""


def _ended(key: LoginKey, login: Login) -> CredentialError:
    reason = f": the server says {login.ended}" if login.ended else ""
    return CredentialError(f"the login {key} has ended{reason}; nothing was sent", hint=f"`nlapi auth login {key}`")


@dataclass(slots=True, kw_only=True)
class _Held:
    """A login as this run has it. `values` are all that it had, the newest last."""

    key: LoginKey
    login: Login
    secrets: Secrets
    values: list[str]


class LoginSession:
    """The logins of one API, read once; `None` in place of one where the API has none (`open_logins`)."""

    def __init__(self, store: LoginStore, entries: Mapping[str, _Held], faults: Mapping[str, CredentialError]) -> None:
        self._store = store
        self._entries = dict(entries)
        self.faults = dict(faults)
        """scheme id -> why its login cannot be used"""
        self._secrets: dict[str, None] = {}
        for entry in self._entries.values():
            self._remember(entry)

    @property
    def credentials(self) -> dict[str, str]:
        """The values as they are now, by scheme id."""
        return {scheme: entry.secrets.value for scheme, entry in self._entries.items()}

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything secret that the logins have or had during this run."""
        return tuple(self._secrets)

    @property
    def audiences(self) -> dict[str, tuple[str, ...]]:
        """The sites that the logins are for, by scheme id."""
        return {scheme: entry.login.audience for scheme, entry in self._entries.items()}

    def bind(self, site: str) -> None:
        """Make the logins that are for no server yet logins for `site`, which the user has named."""
        for entry in self._entries.values():
            if not entry.login.audience:
                self._store.extend(entry.key, site)
                entry.login = replace(entry.login, audience=(site,))

    def stored_schemes(self, credentials: Mapping[str, str]) -> frozenset[str]:
        """Return the schemes whose value in `credentials` is, or was, that of the login."""
        return frozenset(
            id for id, value in credentials.items() if id in self._entries and value in self._entries[id].values
        )

    async def with_valid_tokens(self, credentials: Mapping[str, str], schemes: Collection[str]) -> dict[str, str]:
        """Return `credentials` with the newest values of the logins for `schemes`, renewed where they have ended.

        CredentialError where a login has ended for good.
        """
        stored = self.stored_schemes(credentials) & frozenset(schemes)
        for scheme in stored:
            if self._entries[scheme].login.is_expired():
                await self._renew(scheme)
        return {**credentials, **{scheme: self._entries[scheme].secrets.value for scheme in stored}}

    async def with_new_tokens(self, credentials: Mapping[str, str], schemes: Collection[str]) -> dict[str, str] | None:
        """Return `credentials` with new tokens for those that an API has refused; None if nothing can renew them."""
        changed = {}
        for scheme in self.stored_schemes(credentials) & frozenset(schemes):
            entry = self._entries[scheme]
            if entry.login.kind is LoginKind.OAUTH and entry.login.is_renewable:
                # The answer of the API stands without a new token: it says more than a failed renewal.
                with suppress(NlapiError):
                    await self._renew(scheme, refused=credentials[scheme])
            if entry.secrets.value != credentials[scheme]:
                changed[scheme] = entry.secrets.value
        return {**credentials, **changed} if changed else None

    async def _renew(self, scheme: str, refused: str = "") -> None:
        entry = self._entries[scheme]
        # In one thread from lock to release: it waits for other processes, while this event loop serves other calls.
        entry.login, entry.secrets = await asyncio.to_thread(renew, self._store, entry.key, refused)
        entry.values.append(entry.secrets.value)
        self._remember(entry)

    def _remember(self, entry: _Held) -> None:
        self._secrets.update(dict.fromkeys(entry.secrets.texts))


def open_logins(api: str, is_used: Callable[[str], bool], *, store: LoginStore | None = None) -> LoginSession | None:
    """Return the logins of an API for the schemes that `is_used` says; None where it has none.

    A login that cannot be read (a locked keyring) is a fault, which counts where a call needs that credential.
    """
    store = store if store is not None else LoginStore()
    entries: dict[str, _Held] = {}
    faults: dict[str, CredentialError] = {}
    for key in store.list_keys(api):
        if not is_used(key.scheme):
            continue
        try:
            login, secrets = store.read_secrets(key)
        except CredentialError as error:
            faults[key.scheme] = error
        else:
            entries[key.scheme] = _Held(key=key, login=login, secrets=secrets, values=[secrets.value])
    return LoginSession(store, entries, faults) if entries or faults else None
