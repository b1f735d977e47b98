"""Access control: bearer tokens for two audiences, stored as hashes, and the roles of admin tokens."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from nlapi.gateway.kept import TokenRecord
from nlapi.gateway.problem import Problem
from nlapi.gateway.store import Store

# The prefix of every secret lets secret scanners recognize one that has leaked.
PREFIX = "nlg_"

# Authors in revisions and the audit log that have no token: a token of that name could pass for them.
RESERVED = frozenset(("gateway", "command-line"))


class Audience(StrEnum):
    """The audience of a token: operators of the gateway (admin), or clients that send requests (serve)."""

    ADMIN = "admin"
    SERVE = "serve"


class Role(StrEnum):
    """The role of an admin token; each role includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


ROLES = tuple(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of a request; `client` is the client of a serve token."""

    name: str = ""
    audience: Audience | None = None
    role: Role | None = None
    client: str = ""


NOBODY = Caller()


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Return a time as text in UTC: 2026-11-25T03:04:05.678901Z."""
    # Always with microseconds, so that the texts sort by time: the store compares them in SQL.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Access:
    """The tokens of a Store, cached by digest and read again after a change."""

    def __init__(self, store: Store, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._clock = clock
        self._seen = -1
        self._known: dict[str, TokenRecord] = {}

    def make(
        self, name: str, audience: Audience, *, role: Role | None = None, client: str = "", days: int = 0
    ) -> tuple[TokenRecord, str]:
        """Create a token; return it with its secret of 256 random bits. Problem 409 when the name is in use."""
        if name in RESERVED:
            hint = "take another name: this one stands for what is done without a token"
            raise Problem(409, f"no token can be called {name!r}", code="reserved", hint=hint)
        secret = PREFIX + secrets.token_urlsafe(32)
        made = self._clock()
        record = TokenRecord(
            name=name,
            digest=digest(secret),
            audience=audience,
            role=(role or Role.VIEWER) if audience is Audience.ADMIN else "",
            client=(client or name) if audience is Audience.SERVE else "",
            created_at=stamp(made),
            expires_at=stamp(made + timedelta(days=days)) if days else None,
        )
        if not self._store.add_token(record):
            raise Problem(
                409, f"there is a token {name!r} already", code="exists", hint="revoke it or take another name"
            )
        return record, secret

    def revoke(self, name: str) -> TokenRecord | None:
        """Remove a token and return it, or None when there is none. Problem 409 for the last admin token."""
        # Without an admin token nobody could create another one over HTTP.
        admins = [one for one in self._store.tokens() if one.role == Role.ADMIN]
        if [one.name for one in admins] == [name]:
            raise Problem(
                409, f"{name!r} is the last token that makes tokens", code="last_admin", hint="make another one"
            )
        return self._store.remove_token(name)

    async def caller(self, authorization: str | None) -> Caller:
        """Return the caller of an Authorization header, or NOBODY without one. Problem 401 when it is invalid.

        It waits for the store only for an unknown token, so that a slow query does not delay other requests.
        """
        if authorization is None:
            return NOBODY
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized("only bearer tokens are taken")
        key = digest(secret.strip())
        version = self._store.token_version()
        if version != self._seen or key not in self._known:
            version = await asyncio.to_thread(self._store.token_version, fresh=True)
            if version != self._seen:
                known = await asyncio.to_thread(self._store.tokens)
                self._known, self._seen = {one.digest: one for one in known}, version
        found = self._known.get(key)
        if found is None:
            raise unauthorized("the token is not known")
        if found.expires_at is not None and stamp(self._clock()) >= found.expires_at:
            raise unauthorized("the token has expired")
        role = Role(found.role) if found.role else None
        return Caller(name=found.name, audience=Audience(found.audience), role=role, client=found.client)


def described(token: TokenRecord) -> str:
    """Return the description of a token for the audit log."""
    days = f" until {token.expires_at[:10]}" if token.expires_at else ""
    return f"token {token.name} ({token.role or f'serve, client {token.client}'}){days}"


def digest(secret: str) -> str:
    """Return the stored form of a secret, its sha256."""
    # A slow hash protects passwords, which can be guessed; 256 random bits cannot, and each request pays for the hash.
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def unauthorized(why: str) -> Problem:
    return Problem(
        401,
        why,
        code="unauthorized",
        hint="send Authorization: Bearer TOKEN; `nlapi gateway token` makes one",
        headers={"WWW-Authenticate": "Bearer"},
    )


def allow(caller: Caller, audiences: frozenset[str], role: str) -> None:
    """Check the caller's audience and role; no audience allows anybody. Problem 401 or 403 when it is refused."""
    if not audiences:
        return
    if caller.audience is None:
        raise unauthorized("this needs a token")
    if caller.audience not in audiences:
        wanted = " or ".join(sorted(audiences))
        raise Problem(403, f"this needs a token of the {wanted} audience, not {caller.audience}", code="wrong_audience")
    if caller.audience is Audience.ADMIN and ROLES.index(caller.role or Role.VIEWER) < ROLES.index(Role(role)):
        raise Problem(403, f"this needs the role {role}; {caller.name} is {caller.role}", code="wrong_role")
