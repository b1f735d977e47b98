"""Trust in the servers of a shard: a private authority, and the certificate that the gateway shows them."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from nlapi.errors import UsageError

# A bundle of the public authorities has 0.25 MB.
MAX_PEM_BYTES = 2**20
# A named pipe would block the thread. Windows has neither the pipe nor the flag.
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_HINT = "name a file in PEM, which begins with -----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """The files in PEM of the only authorities that are trusted, and of a client certificate with its key."""

    ca: Path | None = None
    """None trusts the authorities of the system, or of SSL_CERT_FILE"""
    certificate: Path | None = None

    def build_context(self) -> ssl.SSLContext | None:
        """Return the context of connections, or None without files. UsageError that names the faulty file."""
        if self.ca is None and self.certificate is None:
            return None
        context = ssl.create_default_context(cadata=self.read_ca() if self.ca else None)
        if self.certificate is not None:
            self._load_certificate(context, self.certificate)
        return context

    def read_ca(self) -> str | None:
        """Return the authorities as PEM, or None for those of the system. UsageError when the file has none."""
        if self.ca is None:
            return None
        pem = _read_pem(self.ca)
        try:
            ssl.create_default_context(cadata=pem)
        except (ssl.SSLError, ValueError):
            raise UsageError(f"{self.ca} holds no certificate of an authority", hint=_HINT) from None
        return pem

    def read_certificate(self) -> str | None:
        """Return the client's certificate with its key as PEM. UsageError when they cannot be used."""
        if self.certificate is None:
            return None
        pem = _read_pem(self.certificate)
        self._load_certificate(ssl.create_default_context(), self.certificate)
        return pem

    def _load_certificate(self, context: ssl.SSLContext, file: Path) -> None:
        _read_pem(file)
        try:
            # Without a callback OpenSSL would ask at the terminal for the password of an encrypted key.
            context.load_cert_chain(file, password=lambda: _refuse_password(file))
        except ssl.SSLError:
            hint = "give one file in PEM with the certificate, its chain and its private key"
            raise UsageError(f"{file} holds no certificate with its key", hint=hint) from None


def _read_pem(file: Path) -> str:
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | _NONBLOCK), "rb") as stream:
            content = stream.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        hint = "make it readable for the gateway's user"
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    if len(content) > MAX_PEM_BYTES or b"-----BEGIN CERTIFICATE-----" not in content:
        raise UsageError(f"{file} holds no certificate in PEM", hint=_HINT)
    return content.decode("ascii", "replace")


def _refuse_password(file: Path) -> str:
    raise UsageError(f"the key in {file} is encrypted", hint="decrypt it with `openssl pkey`")
