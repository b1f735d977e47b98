"""Signs routing keys, one for all requests of a client that get the same decision."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from nlapi.gateway.routing_keys.cells import cell_of
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.gateway.routing_keys.key_set import ALGORITHM
from nlapi.gateway.routing_keys.key_verifier import DEFAULT_AUDIENCE, ISSUER, TOKEN_TYPE
from nlapi.routing.model import Decision

# Seconds: as long as clients go on without a gateway, and as long as a key is good after it was seen by others.
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

        rule = decision.override or decision.canary or decision.experiment or decision.rule or "default"
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
