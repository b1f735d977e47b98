"""Defines Login, a stored credential of one API and scheme, and Secrets, what of it is secret."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from enum import StrEnum

# In seconds. A token that ends within this time, or within a tenth of its lifetime, is renewed before it is sent: a
# request takes up to 30 s, and a token of one minute must not be renewed at each call.
LEEWAY = 30


class LoginKind(StrEnum):
    """The kinds of logins: a value that the user typed, a reference to one, or tokens of an authorization server."""

    VALUE = "value"
    REFERENCE = "reference"
    OAUTH = "oauth"


class SecretStorage(StrEnum):
    """The places of a login's secrets. NONE: it is a reference, and has none."""

    KEYRING = "keyring"
    FILE = "file"
    NONE = "none"


class ClientAuthMethod(StrEnum):
    """The ways in which a client authenticates to a token endpoint (RFC 8414 §2)."""

    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"


class Grant(StrEnum):
    """The grants by which a login got its tokens (RFC 6749 §4.1 and §4.4, RFC 8628)."""

    CODE = "authorization_code"
    DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
    CLIENT = "client_credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSource:
    """The authorization server of a login, as it was when the user logged in, and the client there.

    `revocation_url` is "" where the server has none. `issuer` is "" where only the description names the endpoints.
    `network` is the scope of the token endpoint (nlapi/openapi/egress.py), a NetworkScope by value.
    """

    grant: Grant
    token_url: str
    client_id: str
    client_auth: ClientAuthMethod = ClientAuthMethod.NONE
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    revocation_url: str = ""
    network: str = "public"
    revocation_network: str = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What of a login is secret. `value` is what is sent: a key, USER:PASSWORD or an access token."""

    value: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(text for text in (self.value, self.refresh_token, self.client_secret) if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A stored login; its secrets are apart. `scheme` is the id of the security scheme that it is for.

    `audience` are the sites (`https://host:port`) of the servers that it may go to. Times are in seconds since 1970;
    `expires_at` is 0 where it is not known. `lifetime` is that of a new token, in seconds. `ended` says why the
    authorization server renews it no more, "" while it does.
    """

    scheme: str
    kind: LoginKind
    audience: tuple[str, ...]
    created_at: int
    secret_id: str
    has_refresh_token: bool = False
    storage: SecretStorage = SecretStorage.NONE
    reference: str = ""
    source: TokenSource | None = None
    expires_at: int = 0
    lifetime: int = 0
    ended: str = ""

    def is_expired(self, now: float | None = None) -> bool:
        """Return whether the token has ended, or will before a request could be answered."""
        leeway = min(LEEWAY, self.lifetime // 10)
        return bool(self.expires_at) and (time.time() if now is None else now) >= self.expires_at - leeway

    @property
    def is_renewable(self) -> bool:
        """Return whether a new token can be had without the user."""
        if self.source is None or self.ended:
            return False
        return self.has_refresh_token or self.source.grant is Grant.CLIENT

    def with_lifetime(self, seconds: int) -> Login:
        """Return the login with a new token that ends after `seconds`; 0 where it is not known."""
        ends = int(time.time()) + seconds if seconds else 0
        return replace(self, expires_at=ends, lifetime=seconds, ended="")
