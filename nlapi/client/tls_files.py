"""The files of a TLS connection to a server that asks for a certificate, or that a private authority signed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from nlapi.errors import UsageError

_PEM_HINT = "name a file in PEM that you may read"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files in PEM: the authorities to trust in place of the system's, and the caller's own certificate with its key.

    Without `key` the file of the certificate holds both.
    """

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return a context with the files. UsageError that names the faulty file."""
        import httpcore2

        for file in (self.authorities, self.certificate, self.key):
            _check_readable(file)
        if self.authorities is None:
            context = httpcore2.default_ssl_context()
        else:
            try:
                context = ssl.create_default_context(cafile=str(self.authorities))
            except ssl.SSLError:
                raise UsageError(f"{self.authorities} holds no certificate in PEM", hint=_PEM_HINT) from None
        if self.certificate is not None:
            try:
                # Without a callback OpenSSL would ask at the terminal for the password of an encrypted key.
                context.load_cert_chain(self.certificate, self.key, password=self._refuse_password)
            except ssl.SSLError as error:
                names = f"{self.certificate} and {self.key}" if self.key else f"{self.certificate}"
                reason = (error.reason or str(error)).replace("_", " ").lower()
                raise UsageError(f"{names} cannot be used as a certificate with its key: {reason}") from None
        elif self.key is not None:
            raise UsageError(f"{self.key} is a key without a certificate", hint="give the certificate too")
        return context

    def _refuse_password(self) -> str:
        key = self.key or self.certificate
        raise UsageError(f"{key} is encrypted, and nobody can be asked for its password", hint="decrypt it first")


def _check_readable(file: Path | None) -> None:
    try:
        if file is not None:
            with file.open("rb"):
                pass
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=_PEM_HINT) from None
