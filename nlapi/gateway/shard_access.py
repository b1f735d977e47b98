"""The gateway's access to the servers of a shard: their key, headers and certificates, each by reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nlapi.errors import UsageError
from nlapi.gateway.client_tls import ClientTls
from nlapi.gateway.secret_references import AllowedReferences, SecretReference, is_reference, refusal_hint
from nlapi.routing.model import Shard

# A shorter value stands in ordinary texts too, and to strike it out would garble them.
MIN_SECRET_CHARS = 8


class ShardAccess:
    """The key, the headers and the certificates of one shard, read where its references point."""

    def __init__(self, shard: Shard, environment: Mapping[str, str], allowed: AllowedReferences) -> None:
        self.shard = shard
        self._refused = allowed.refused(shard)
        self._key = SecretReference(shard.key, environment) if shard.key else None
        self._headers = {
            name.lower(): SecretReference(value, environment) if is_reference(value) else value
            for name, value in shard.headers.items()
        }
        self.tls = ClientTls(ca=_path(shard.ca), certificate=_path(shard.certificate))

    def prepare(self) -> None:
        """Read key and headers once. UsageError for what is missing, and for a reference that is not allowed."""
        self.read_key()
        self.read_headers()

    def read_key(self) -> str:
        """Return the key, or "" without one. UsageError, also when one of the shard's references is not allowed."""
        if self._refused:
            raise UsageError(f"{self._refused} is not allowed", hint=refusal_hint(self._refused))
        return self._key.read() if self._key else ""

    def read_headers(self) -> dict[str, str]:
        """Return the shard's extra headers. UsageError when a reference leads to no value."""
        return {
            name: value.read() if isinstance(value, SecretReference) else value for name, value in self._headers.items()
        }

    def request_headers(self) -> dict[str, str]:
        """Return the headers of a call of a model server: the shard's, with its key as a bearer token. UsageError."""
        key = self.read_key()
        return ({"authorization": f"Bearer {key}"} if key else {}) | self.read_headers()


def secret_texts(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return what of the values of headers no text of a server may repeat."""
    return tuple(
        text
        for value in headers.values()
        for text in (value, value.removeprefix("Bearer "))
        if len(text) >= MIN_SECRET_CHARS
    )


def _path(reference: str) -> Path | None:
    return Path(reference.removeprefix("file:")) if reference else None
