"""Verifies routing keys: who signed, for whom, for which objective, and for how long (RFC 8725)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from nlapi.errors import NlapiError
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.routing_keys.cells import cell_of, deciding_name
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.gateway.routing_keys.key_set import ALGORITHM, MAX_LIFETIME_S
from nlapi.routing.model import BUCKETS, Decision, VersionRef

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec


ISSUER = "nlapi-gateway"
TOKEN_TYPE = "rk+jwt"  # noqa: S105 - the `typ` of a header, so that no JWT of another purpose passes for a key
DEFAULT_AUDIENCE = "nlapi"
# Seconds that the clocks of a gateway and a data plane may differ; chrony keeps machines within milliseconds.
CLOCK_SKEW_S = 5.0
# A key of the longest names is about 1,200 characters, and 2,800 with the longest context; longer ones are refused
# before they are parsed.
MAX_KEY_CHARS = 4096
MAX_CONTEXT_CHARS = 1024
"""characters of a context in a key, of which each may be two in its JSON"""

_TEXTS = ("objective", "client", "cell", "version", "rule")
_NUMBERS = ("bucket", "revision", "iat", "exp")


class KeyRefusedError(NlapiError):
    """A routing key is not accepted. Its message says why, and repeats nothing of the key."""


def store_audience(store_id: str) -> str:
    """Return the audience of the gateways on a store, by default: their own, or that of all for "".

    Two sets of gateways on one machine may have one file of private keys, and a key of one must not open the other.
    """
    return f"{DEFAULT_AUDIENCE}-{store_id}" if store_id else DEFAULT_AUDIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyClaims:
    """The content of a routing key; times are in seconds since 1970."""

    objective: str
    client: str
    cell: str
    bucket: int
    version: VersionRef
    rule: str
    revision: int
    issued_at: int
    expires_at: int


class KeyVerifier:
    """Verifies routing keys of one audience by public keys.

    `public_keys` returns those that are good at present, by kid; `wall_clock` returns seconds since 1970.
    """

    def __init__(
        self,
        public_keys: Callable[[], Mapping[str, ec.EllipticCurvePublicKey]],
        *,
        audience: str = DEFAULT_AUDIENCE,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._public_keys = public_keys
        self._audience = audience
        self._wall_clock = wall_clock

    def verify(self, token: str, *, objective: str = "", client: str = "") -> KeyClaims:
        """Return the claims of a key; "" accepts any objective, or any client. KeyRefusedError when it is not good."""
        claims = self._read(token)
        self.check_time(claims)
        if objective and claims.objective != objective:
            raise KeyRefusedError("the routing key is of another objective")
        if client and claims.client != client:
            raise KeyRefusedError("the routing key is of another client")
        return claims

    def check_time(self, claims: KeyClaims) -> None:
        """KeyRefusedError when a key whose signature was verified before is not good at present."""
        now = self._wall_clock()
        if now >= claims.expires_at + CLOCK_SKEW_S:
            raise KeyRefusedError("the routing key has expired", hint="resolve the objective again")
        if now < claims.issued_at - CLOCK_SKEW_S:
            hint = "compare the clocks of the gateway and of this machine"
            raise KeyRefusedError("the routing key was issued in the future", hint=hint)

    def _read(self, token: str) -> KeyClaims:
        import jwt

        if len(token) > MAX_KEY_CHARS:
            raise KeyRefusedError("the routing key is too long")
        try:
            header = jwt.get_unverified_header(token)
            public_key = self._public_keys().get(str(header.get("kid", "")))
            if public_key is None or header.get("alg") != ALGORITHM or header.get("typ") != TOKEN_TYPE:
                raise KeyRefusedError("the routing key is signed by no key that is good")
            # One algorithm for one kind of key: what a header says is never followed (RFC 8725 §3.1). The times are
            # checked by `check_time`, by this verifier's clock.
            payload: dict[str, Any] = jwt.decode(
                token,
                public_key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=ISSUER,
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "strict_aud": True},
            )
        except jwt.InvalidAudienceError:
            raise KeyRefusedError("the routing key is for another audience") from None
        except jwt.InvalidTokenError:
            raise KeyRefusedError("the routing key is not genuine") from None
        return _parse_claims(payload)


def _parse_claims(payload: Mapping[str, Any]) -> KeyClaims:
    texts = [payload.get(name) for name in _TEXTS]
    numbers = [payload.get(name) for name in _NUMBERS]
    # type() and not isinstance(): true is an int in Python.
    if not all(type(text) is str for text in texts) or not all(type(number) is int for number in numbers):
        raise KeyRefusedError("the routing key lacks a claim")
    try:
        version = VersionRef.parse(payload["version"])
    except ValueError:
        raise KeyRefusedError("the routing key names no version") from None
    lifetime = payload["exp"] - payload["iat"]
    if not 0 < lifetime <= MAX_LIFETIME_S or not 0 <= payload["bucket"] < BUCKETS:
        raise KeyRefusedError("the routing key has a claim that is out of range")
    return KeyClaims(
        objective=payload["objective"],
        client=payload["client"],
        cell=payload["cell"],
        bucket=payload["bucket"],
        version=version,
        rule=payload["rule"],
        revision=payload["revision"],
        issued_at=payload["iat"],
        expires_at=payload["exp"],
    )


# Keys that were verified and are remembered, about 1 KiB each: verifying takes 170 us of CPU, and a look-up 1.
MAX_VERIFIED = 16_384


class KeyAdmission:
    """The checks of routing keys by the public keys of a ring; a signature is verified once."""

    def __init__(self, ring: KeyRing, verifier: KeyVerifier) -> None:
        self._verifier = verifier
        self._verified: dict[str, KeyClaims] = {}
        # What a key that was rotated out has signed is refused, although it was verified before.
        ring.on_change(self._verified.clear)

    def check(self, token: str, *, objective: str, client: str) -> None:
        """GatewayProblem 401 for a key that is not good, 403 for one of another objective or client."""
        claims = self._verified.get(token)
        try:
            if claims is None:
                claims = self._verifier.verify(token)
                if len(self._verified) >= MAX_VERIFIED:
                    self._verified.clear()
                self._verified[token] = claims
            else:
                self._verifier.check_time(claims)
        except KeyRefusedError as error:
            hint = error.hint or f"get another one: POST /v1/objectives/{objective}/resolve"
            raise GatewayProblem(
                401, error.message, code="invalid_routing_key", hint=hint, path="header.X-Routing-Key"
            ) from None
        if claims.objective != objective or claims.client != client:
            foreign = "objective" if claims.objective != objective else "client"
            raise GatewayProblem(
                403,
                f"the routing key is of another {foreign}",
                code="foreign_routing_key",
                hint=f"get one for this request: POST /v1/objectives/{objective}/resolve",
                path="header.X-Routing-Key",
            )


# Seconds: as long as clients continue without a gateway, and as long as a key is good after it was seen by others.
DEFAULT_LIFETIME_S = 900
# A key is signed again after this part of its lifetime, so that every client gets the rest of it.
RENEWAL_SHARE = 1 / 3
# Keys in memory, about 1 KiB each with its parts. At more, the oldest are signed again.
MAX_SIGNED = 65_536

NO_CELL = "-"
"""the cell of a key without a route in a data plane: the name of no cell"""

_Identity: TypeAlias = tuple[str, str, str, int, str, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedKey:
    """A signed routing key; times are in seconds since 1970."""

    token: str
    kid: str
    issued_at: int
    expires_at: int


class KeySigner:
    """Signs the keys of one data plane, and keeps each as long as it is good.

    `lifetime_s` is how long a key is good, `wall_clock` returns seconds since 1970.
    """

    def __init__(
        self,
        ring: KeyRing,
        *,
        audience: str = DEFAULT_AUDIENCE,
        lifetime_s: int = DEFAULT_LIFETIME_S,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._ring = ring
        self._audience = audience
        self._lifetime_s = lifetime_s
        self._wall_clock = wall_clock
        self._signed: dict[_Identity, SignedKey] = {}
        self.signatures = 0
        """the number of keys that were signed"""

    def seconds_left(self, key: SignedKey) -> int:
        """Return the whole seconds for which a key is still good."""
        return max(0, key.expires_at - math.ceil(self._wall_clock()))

    def sign(
        self,
        decision: Decision,
        *,
        client: str,
        bucket: int,
        since: int,
        context: str = "",
        has_route: bool = True,
    ) -> SignedKey:
        """Return a key for a decision. `since` differs for decisions that were made by different rules.

        `context` is the text that a data plane gives the version as the context of the request; "" for none. A key
        without `has_route` is for the gateway's own serving alone.
        """
        import jwt

        rule = deciding_name(decision)
        cell = cell_of(decision) if has_route else NO_CELL
        identity = (client, decision.objective, cell, bucket, rule, since, context)
        key, now = self._ring.signing_key(), self._wall_clock()
        signed = self._signed.get(identity)
        # Also when the clock went back: a key that was issued in the future is refused.
        if signed and signed.kid == key.kid and 0 <= now - signed.issued_at < self._lifetime_s * RENEWAL_SHARE:
            return signed
        issued_at = int(now)
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "objective": decision.objective,
            "client": client,
            "cell": cell,
            "bucket": bucket,
            "version": str(decision.version),
            "rule": rule,
            "revision": decision.revision,
            "iat": issued_at,
            "exp": issued_at + self._lifetime_s,
            **({"context": context} if context else {}),
        }
        headers = {"kid": key.kid, "typ": TOKEN_TYPE}
        signed = SignedKey(
            token=jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers),
            kid=key.kid,
            issued_at=issued_at,
            expires_at=issued_at + self._lifetime_s,
        )
        self.signatures += 1
        self._signed.pop(identity, None)
        if len(self._signed) >= MAX_SIGNED:
            del self._signed[next(iter(self._signed))]
        self._signed[identity] = signed
        return signed
