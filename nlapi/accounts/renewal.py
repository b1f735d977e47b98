"""Renews tokens before they end, or when an API refuses them; of many processes at once, one asks for it."""

from __future__ import annotations

from dataclasses import replace

from nlapi.accounts.login import Grant, Login, LoginKind, Secrets, SecretStorage
from nlapi.accounts.store import LoginKey, LoginStore
from nlapi.accounts.token_endpoint import TokenError, post_form, request_token
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
