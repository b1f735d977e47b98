"""Access control: bearer tokens for two audiences, stored as hashes, and the roles of admin tokens."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.store.database import StoreUnavailableError
from nlapi.gateway.store.store import GatewayStore, TokenRecord

# The prefix of every secret lets secret scanners recognize one that has leaked.
SECRET_PREFIX = "nlg_"  # noqa: S105 - the prefix alone

# Authors in revisions and the audit log that have no token: a token of that name could pass for them.
RESERVED_NAMES = frozenset(("gateway", "command-line"))


class Audience(StrEnum):
    """The audience of a token: operators of the gateway (admin), clients that send requests (serve), or hosts, which
    are Ray clusters (host).
    """

    ADMIN = "admin"
    SERVE = "serve"
    HOST = "host"


class Role(StrEnum):
    """The role of an admin token; each role includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


ROLES = tuple(Role)

# Callers by the header with their token. Few tokens exist, but a header may have any number of spaces in it.
MAX_KNOWN_CALLERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of a request; `client` is the client of a serve token."""

    name: str = ""
    audience: Audience | None = None
    role: Role | None = None
    client: str = ""


ANONYMOUS = Caller()


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """Return a time as text in UTC: 2026-11-25T03:04:05.678901Z."""
    # Always with microseconds, so that the texts sort by time: the store compares them in SQL.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Access:
    """The tokens of a GatewayStore, cached by digest and read again after a change."""

    def __init__(self, store: GatewayStore, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._clock = clock
        self._token_version = -1
        self._tokens_by_digest: dict[str, TokenRecord] = {}
        self._callers: dict[str, tuple[Caller, str | None]] = {}
        """Authorization header of a valid token -> its caller, and when the token expires"""

    def create_token(
        self, name: str, audience: Audience, *, role: Role | None = None, client: str = "", days: int = 0
    ) -> tuple[TokenRecord, str]:
        """Create a token; return it with its secret of 256 random bits. GatewayProblem 409 when the name is in use."""
        if name in RESERVED_NAMES:
            hint = "take another name: this one marks changes that were made without a token"
            raise GatewayProblem(409, f"no token can be called {name!r}", code="reserved", hint=hint)
        secret = SECRET_PREFIX + secrets.token_urlsafe(32)
        created = self._clock()
        record = TokenRecord(
            name=name,
            digest=hash_secret(secret),
            audience=audience,
            role=(role or Role.VIEWER) if audience is Audience.ADMIN else "",
            client=(client or name) if audience is Audience.SERVE else "",
            created_at=format_time(created),
            expires_at=format_time(created + timedelta(days=days)) if days else None,
        )
        if not self._store.add_token(record):
            raise GatewayProblem(
                409, f"there is a token {name!r} already", code="exists", hint="revoke it or take another name"
            )
        return record, secret

    def revoke_token(self, name: str) -> TokenRecord | None:
        """Remove a token and return it, or None if none exists. GatewayProblem 409 for the last admin token."""
        # Without an admin token nobody could create another one over HTTP.
        admins = [token for token in self._store.tokens() if token.role == Role.ADMIN]
        if [token.name for token in admins] == [name]:
            raise GatewayProblem(
                409, f"{name!r} is the last token that makes tokens", code="last_admin", hint="make another one"
            )
        return self._store.remove_token(name)

    async def authenticate(self, authorization: str | None) -> Caller:
        """Return the caller of an Authorization header, ANONYMOUS without one. GatewayProblem 401 when it is invalid.

        It waits for the store only for an unknown token, so that a slow query does not delay other requests.
        """
        if authorization is None:
            return ANONYMOUS
        entry = self._callers.get(authorization)
        if entry is None or self._store.token_version() != self._token_version:
            entry = await self._find_caller(authorization)
        caller, expires_at = entry
        if expires_at is not None and format_time(self._clock()) >= expires_at:
            raise unauthorized_problem("the token has expired")
        return caller

    async def _find_caller(self, authorization: str) -> tuple[Caller, str | None]:
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized_problem("only bearer tokens are taken")
        digest_key = hash_secret(secret.strip())
        version = self._store.token_version()
        if version != self._token_version or digest_key not in self._tokens_by_digest:
            try:
                await self.refresh()
            except StoreUnavailableError:  # who is known is served without the database
                if digest_key not in self._tokens_by_digest:
                    raise
        token = self._tokens_by_digest.get(digest_key)
        if token is None:
            raise unauthorized_problem("the token is not known")
        role = Role(token.role) if token.role else None
        caller = Caller(name=token.name, audience=Audience(token.audience), role=role, client=token.client)
        if len(self._callers) >= MAX_KNOWN_CALLERS:
            self._callers.clear()
        self._callers[authorization] = entry = caller, token.expires_at
        return entry

    async def refresh(self) -> None:
        """Read the tokens again, if they have changed. StoreError when that is not possible."""
        version = await asyncio.to_thread(self._store.token_version, fresh=True)
        if version != self._token_version:
            tokens = await asyncio.to_thread(self._store.tokens)
            self._tokens_by_digest, self._token_version = {record.digest: record for record in tokens}, version
            self._callers = {}


def describe_token(token: TokenRecord) -> str:
    """Return the description of a token for the audit log."""
    days = f" until {token.expires_at[:10]}" if token.expires_at else ""
    client = f", client {token.client}" if token.client else ""
    return f"token {token.name} ({token.role or token.audience}{client}){days}"


def hash_secret(secret: str) -> str:
    """Return the stored form of a secret, its sha256."""
    # A slow hash protects passwords, which can be guessed; 256 random bits cannot, and each request pays for the hash.
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def unauthorized_problem(message: str) -> GatewayProblem:
    return GatewayProblem(
        401,
        message,
        code="unauthorized",
        hint="send Authorization: Bearer TOKEN; `nlapi gateway token` makes one",
        headers={"WWW-Authenticate": "Bearer"},
    )


def check_permission(caller: Caller, audiences: frozenset[str], role: str) -> None:
    """Check the caller's audience and role; no audience allows anybody. GatewayProblem 401 or 403 when refused."""
    if not audiences:
        return
    if caller.audience is None:
        raise unauthorized_problem("this needs a token")
    if caller.audience not in audiences:
        required_audiences = " or ".join(sorted(audiences))
        raise GatewayProblem(
            403,
            f"this needs a token of the {required_audiences} audience, not {caller.audience}",
            code="wrong_audience",
        )
    if caller.audience is Audience.ADMIN and ROLES.index(caller.role or Role.VIEWER) < ROLES.index(Role(role)):
        raise GatewayProblem(403, f"this needs the role {role}; {caller.name} is {caller.role}", code="wrong_role")
