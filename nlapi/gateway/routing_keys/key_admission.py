"""Checks the routing keys that come with requests to the gateway itself."""

from __future__ import annotations

from nlapi.gateway.problems import GatewayProblem
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.gateway.routing_keys.key_verifier import KeyClaims, KeyRefusedError, KeyVerifier

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
