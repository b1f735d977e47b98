"""Who calls a server over HTTP, and how often they may: tokens (RFC 9068, RFC 9728), roles, rates, calls at once."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nlapi.accounts.authorization_server import discover, exchange, require_secure
from nlapi.client.message import Request
from nlapi.errors import CredentialError, SendError, UsageError
from nlapi.openapi.egress import NetworkScope
from nlapi.openapi.urls import is_http_url, parse_url

SCOPE_KEY = "nlapi.caller"
"""Where the guard of a server puts the TeamCaller of an HTTP request (ASGI scope)."""

MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCaller:
    """Who makes a request: the name of a client, "" if none exists, and its role."""

    name: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTable:
    """The callers by the SHA-256 of their tokens, and by their subjects at the issuer of access tokens.

    `anonymous` is the caller without a token, where there may be one.
    """

    callers: Mapping[bytes, TeamCaller] = field(repr=False)
    anonymous: TeamCaller | None = None
    subjects: Mapping[str, TeamCaller] = field(default_factory=dict)

    @classmethod
    def of(cls, tokens: Mapping[str, TeamCaller], anonymous: TeamCaller | None = None) -> TokenTable:
        """Return the table of tokens -> their callers."""
        return cls(callers={_digest(token): caller for token, caller in tokens.items()}, anonymous=anonymous)

    def of_subject(self, verified: TeamCaller | None) -> TeamCaller | None:
        """Return the caller whose access token the issuer has signed; None for a subject that is not listed."""
        return self.subjects.get(verified.name) if verified is not None else None

    def caller(self, authorization: str) -> TeamCaller | None:
        """Return who sends this Authorization header; None for a token that is missing or wrong."""
        if not authorization and self.anonymous is not None:
            return self.anonymous
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Hashed, and compared with every one, so that the time tells nothing of a token.
        sent, caller = _digest(token.strip()), None
        for digest, candidate in self.callers.items():
            if hmac.compare_digest(sent, digest):
                caller = candidate
        return caller


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(slots=True)
class _Usage:
    """What a client has left: calls of its minute, and those under way."""

    tokens: float
    at: float
    running: int = 0


class CallLimiter:
    """Limits of each client: `calls_per_minute`, as many of which may come at once, and `concurrency`; 0: unlimited.

    `clock` returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._usage: dict[TeamCaller, _Usage] = {}

    @contextmanager
    def admit(self, caller: TeamCaller, calls_per_minute: int, concurrency: int) -> Iterator[None]:
        """Count a call while the block runs. UsageError, with the time to wait, for one too many."""
        usage = self._usage.setdefault(caller, _Usage(float(calls_per_minute), self._clock()))
        if concurrency and usage.running >= concurrency:
            raise UsageError(
                f"{usage.running} calls of this client are under way, and {concurrency} may be",
                hint="wait for one of them to end",
            )
        if calls_per_minute:
            self._take(usage, calls_per_minute)
        usage.running += 1
        try:
            yield
        finally:
            usage.running -= 1

    def _take(self, usage: _Usage, calls_per_minute: int) -> None:
        now, rate = self._clock(), calls_per_minute / MINUTE
        usage.tokens = min(float(calls_per_minute), usage.tokens + (now - usage.at) * rate)
        usage.at = now
        if usage.tokens < 1:
            seconds = max(1, round((1 - usage.tokens) / rate + 0.5))
            raise UsageError(
                f"this client makes more than {calls_per_minute} calls a minute; nothing was sent",
                hint=f"the next may be in {seconds} s",
            )
        usage.tokens -= 1


WELL_KNOWN_RESOURCE = "/.well-known/oauth-protected-resource"
# Signatures with a key pair alone: with a shared secret, or none, the public key of the issuer would sign.
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
# RFC 9068 §2.1; many servers sign access tokens as plain JWTs.
_TYPES = ("at+jwt", "application/at+jwt", "jwt", "")
LEEWAY_S = 60
REFETCH_S = 30.0
"""Seconds between two requests for the keys of the issuer, so that tokens with invented key ids cause no flood."""


@dataclass(slots=True, kw_only=True)
class IssuerKeys:
    """The public keys of an issuer by their ids; they are asked for again where a token names another one."""

    fetch: Callable[[], list[Mapping[str, Any]]]
    clock: Callable[[], float] = time.monotonic
    _keys: list[Mapping[str, Any]] = field(default_factory=list, init=False)
    _fetched_at: float = field(default=float("-inf"), init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def find(self, id: str | None) -> list[Mapping[str, Any]]:
        """Return the keys that a token of this key id may be signed with: all that have no id, where it names none."""
        if matches := self._matches(id):
            return matches
        with self._guard:
            if self.clock() - self._fetched_at >= REFETCH_S:
                self._fetched_at = self.clock()
                try:
                    self._keys = self.fetch()
                except (SendError, CredentialError):
                    return []
        return self._matches(id)

    def load(self) -> None:
        """Ask for the keys. CredentialError or SendError if none exists."""
        self._keys, self._fetched_at = self.fetch(), self.clock()

    def _matches(self, id: str | None) -> list[Mapping[str, Any]]:
        return [key for key in self._keys if id is None or key.get("kid") in (id, None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceServer:
    """A server whose callers have access tokens of `issuer` for `audience`; "" is its own URL, `resource`."""

    issuer: str
    keys: IssuerKeys
    audience: str = ""
    resource: str = ""

    @property
    def metadata_paths(self) -> tuple[str, ...]:
        """Return the paths at which the metadata is: behind the origin, with the path of the resource and without."""
        path = parse_url(self.resource).path.rstrip("/")
        return (f"{WELL_KNOWN_RESOURCE}{path}", WELL_KNOWN_RESOURCE)

    def metadata(self) -> dict[str, object]:
        """Return the metadata of RFC 9728 §2."""
        servers, methods = [self.issuer], ["header"]
        return {"resource": self.resource, "authorization_servers": servers, "bearer_methods_supported": methods}

    def challenge(self, *, has_token: bool) -> str:
        """Return the WWW-Authenticate header of a refusal (RFC 6750 §3, RFC 9728 §5.1)."""
        url = f"{parse_url(self.resource).site}{self.metadata_paths[0]}"
        error = 'error="invalid_token", ' if has_token else ""
        return f'Bearer {error}resource_metadata="{url}"'

    def caller(self, authorization: str) -> TeamCaller | None:
        """Return whose access token an Authorization header has, by its subject; None for one that is not good."""
        import jwt

        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer":
            return None
        try:
            header = jwt.get_unverified_header(token)
            if str(header.get("typ", "")).lower() not in _TYPES:
                return None
            id = header.get("kid")
            for key in self.keys.find(id if isinstance(id, str) else None):
                claims = self._claims(token, key)
                if claims is not None:
                    return TeamCaller(name=str(claims.get("sub") or claims.get("client_id") or ""))
        except jwt.PyJWTError:
            return None
        return None

    def _claims(self, token: str, key: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the claims of a token that this key has signed for this server; None for another one."""
        import jwt

        algorithms = _ALGORITHMS.get(str(key.get("kty")), ())
        if named := key.get("alg"):
            algorithms = tuple(algorithm for algorithm in algorithms if algorithm == named)
        if not algorithms or key.get("use", "sig") != "sig":
            return None
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                jwt.PyJWK(dict(key), algorithm=algorithms[0]).key,
                algorithms=list(algorithms),
                audience=self.audience or self.resource,
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return claims


def open_resource_server(issuer: str, audience: str) -> ResourceServer:
    """Return the resource server of an issuer, whose metadata and keys are asked for.

    `audience` is the one that tokens must name; if it is a URL, it is also the address that clients know.
    UsageError or CredentialError where the issuer publishes nothing that can be used.
    """
    endpoints = discover(issuer, NetworkScope.ANY)
    if not endpoints.keys_url:
        raise CredentialError(f"the metadata of {endpoints.issuer} names no keys (jwks_uri)")
    require_secure(endpoints.keys_url, "key set")
    network = endpoints.network_of(endpoints.keys_url)

    def fetch() -> list[Mapping[str, Any]]:
        request = Request(method="GET", url=endpoints.keys_url, headers=(("Accept", "application/json"),))
        try:
            data = json.loads(exchange(request, network).content or b"null")
        except (ValueError, RecursionError):
            data = None
        keys = data.get("keys") if isinstance(data, dict) else None
        if not isinstance(keys, list):
            raise CredentialError(f"{parse_url(endpoints.keys_url).site} publishes no key set of an issuer")
        return [key for key in keys if isinstance(key, dict)]

    keys = IssuerKeys(fetch=fetch)
    keys.load()
    resource = audience if is_http_url(audience) else ""
    return ResourceServer(issuer=endpoints.issuer, keys=keys, audience=audience, resource=resource)
