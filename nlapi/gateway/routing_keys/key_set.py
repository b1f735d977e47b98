"""A set of private routing keys: its document, its public part, and its rotation."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from nlapi.errors import UsageError, require_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

ALGORITHM = "ES256"
"""ECDSA on P-256 with SHA-256 (RFC 7518 §3.4): +4 us in Envoy with its cache, and only public keys outside"""

PublicSet: TypeAlias = dict[str, list[dict[str, str]]]
"""A JWK set (RFC 7517 §5) of public keys."""

# Seconds from a rotation until the new key signs. Gateways look at the file once a second, and data planes get the
# public keys within milliseconds after that (docs/design/041-routing-keys.md).
ACTIVATION_S = 5.0
# Seconds in which the key before a rotation is good for verifying: the longest lifetime of its tokens.
MAX_LIFETIME_S = 3600.0

_COORDINATE_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingKey:
    """A private key with the times, in seconds since 1970, from which it signs and until which it verifies."""

    kid: str
    private: ec.EllipticCurvePrivateKey
    signs_from: float
    retires_at: float | None = None

    def is_retired(self, now: float) -> bool:
        """Return whether its tokens are refused."""
        return self.retires_at is not None and now >= self.retires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """The routing keys of a gateway, the oldest first: one, or two while one takes over from the other."""

    keys: tuple[RoutingKey, ...]

    def signing_key(self, now: float) -> RoutingKey:
        """Return the key that signs at a time."""
        # The clock of this machine may be behind that of the one which rotated: then the oldest signs.
        active = [key for key in self.keys if key.signs_from <= now and not key.is_retired(now)]
        return max(active, key=lambda key: key.signs_from) if active else self.keys[-1 if len(self.keys) == 1 else 0]

    def verifying_keys(self, now: float) -> dict[str, ec.EllipticCurvePublicKey]:
        """Return the public keys that are good at a time, by kid."""
        return {key.kid: key.private.public_key() for key in self.keys if not key.is_retired(now)}

    def public_set(self, now: float) -> PublicSet:
        """Return the public keys that are good at a time as a JWK set."""
        return {"keys": [_public_jwk(key) for key in self.keys if not key.is_retired(now)]}


def generate_set(now: float) -> KeySet:
    """Return a set with one new key, which signs at once."""
    return KeySet(keys=(_generate_key(now),))


def fingerprints(keys: KeySet) -> tuple[str, ...]:
    """Return what identifies the keys of a set without giving them away, the newest last."""
    return tuple(_thumbprint(key.private) for key in keys.keys)


def rotate(keys: KeySet, now: float, overlap_s: float) -> KeySet:
    """Return the set with a new key; the signing key verifies for `overlap_s` seconds more, and any other is dropped.

    Without an overlap the new key is the only one, and signs at once.
    """
    if overlap_s <= 0:
        return generate_set(now)
    before = keys.signing_key(now)
    # Tokens that the old key signs until then have to outlive it.
    retires_at = now + ACTIVATION_S + overlap_s
    return KeySet(keys=(replace(before, retires_at=retires_at), _generate_key(now + ACTIVATION_S)))


def _generate_key(signs_from: float) -> RoutingKey:
    require_extra("gateway", "a routing key")
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    # 72 bits of it: a short name that no other key has.
    return RoutingKey(kid=_thumbprint(private)[:12], private=private, signs_from=signs_from)


class _StoredKey(msgspec.Struct, forbid_unknown_fields=True):
    """A private JWK (RFC 7518 §6.2) with its times."""

    kty: str
    crv: str
    x: str
    y: str
    d: str
    kid: str
    alg: str = ALGORITHM
    use: str = "sig"
    signs_from: float = 0.0
    retires_at: float | None = None


class _StoredSet(msgspec.Struct, forbid_unknown_fields=True):
    """The document of a KeySet."""

    keys: list[_StoredKey]


def encode_set(keys: KeySet) -> bytes:
    """Return the document of a set, with its private keys."""
    stored = []
    for key in keys.keys:
        public = _public_jwk(key)
        private = _encode_number(key.private.private_numbers().private_value)
        stored.append(_StoredKey(**public, d=private, signs_from=key.signs_from, retires_at=key.retires_at))
    return msgspec.json.format(msgspec.json.encode(_StoredSet(keys=stored)))


def decode_set(content: bytes, source: str) -> KeySet:
    """Return the set in a document. UsageError, which names `source` and never a part of the document."""
    try:
        stored = msgspec.json.decode(content, type=_StoredSet).keys
        keys = sorted((_decode_key(key) for key in stored), key=lambda key: key.signs_from)
    except (msgspec.MsgspecError, ValueError, OverflowError):
        # Neither the parser's message nor its cause: both may repeat a part of a private key.
        keys = []
    if not 1 <= len(keys) <= 2 or len({key.kid for key in keys}) != len(keys):
        hint = "it is a JWK set of one or two private EC keys on P-256; `nlapi gateway keys rotate` writes one"
        raise UsageError(f"{source} is not a set of routing keys", hint=hint) from None
    return KeySet(keys=tuple(keys))


def _decode_key(stored: _StoredKey) -> RoutingKey:
    """Return the key of a JWK. ValueError when it is not a private key on P-256, or its parts do not fit."""
    from cryptography.hazmat.primitives.asymmetric import ec

    if (stored.kty, stored.crv, stored.alg) != ("EC", "P-256", ALGORITHM) or not stored.kid:
        raise ValueError("another kind of key")
    private = ec.derive_private_key(_decode_number(stored.d), ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    if (numbers.x, numbers.y) != (_decode_number(stored.x), _decode_number(stored.y)):
        raise ValueError("the public part is of another key")
    return RoutingKey(kid=stored.kid, private=private, signs_from=stored.signs_from, retires_at=stored.retires_at)


def _public_jwk(key: RoutingKey) -> dict[str, str]:
    return {**_curve_point(key.private), "alg": ALGORITHM, "use": "sig", "kid": key.kid}


def _curve_point(private: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = private.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": _encode_number(numbers.x), "y": _encode_number(numbers.y)}


def _thumbprint(private: ec.EllipticCurvePrivateKey) -> str:
    """Return the thumbprint of a key (RFC 7638 §3.1), whatever its kid is."""
    canonical = json.dumps(_curve_point(private), sort_keys=True, separators=(",", ":")).encode()
    return _base64(hashlib.sha256(canonical).digest())


def _encode_number(number: int) -> str:
    return _base64(number.to_bytes(_COORDINATE_BYTES, "big"))


def _decode_number(text: str) -> int:
    content = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if len(content) != _COORDINATE_BYTES:
        raise ValueError("a number of another length")
    return int.from_bytes(content, "big")


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def describe_keys(keys: KeySet, now: float) -> Sequence[tuple[str, str]]:
    """Return the kid and the state of each key: `signs`, `signs later`, `verifies` or `retired`."""
    signing = keys.signing_key(now)
    return [(key.kid, _state(key, signing, now)) for key in keys.keys]


def _state(key: RoutingKey, signing: RoutingKey, now: float) -> str:
    if key.is_retired(now):
        return "retired"
    if key is signing:
        return "signs"
    return "signs later" if key.signs_from > signing.signs_from else "verifies"
