"""The certificates of the server and of its calls to shards, from files in PEM.

The server's are read again when they change, without an effect on open connections.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from nlapi.errors import UsageError, file_faults
from nlapi.gateway.workers.boundary import shared_boundary

# Seconds between two looks at the files. cert-manager and certbot replace a certificate days before it expires.
CHECK_INTERVAL_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """The files in PEM of a certificate with its chain, of its key, and of the authorities that sign clients' ones."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """a client without a certificate of these authorities is refused; None asks for no certificate"""


class ServerCertificate:
    """The certificate that new connections get. UsageError when its files are not usable at first.

    `context` is for the server. It hands each new connection to a context of the files as they were last read.
    """

    def __init__(self, files: CertificateFiles, *, interval_s: float = CHECK_INTERVAL_S) -> None:
        self.files = files
        shared_boundary.hide(files.key)
        self._interval_s = interval_s
        self._state = _file_state(files)
        self._current = _build_context(files)
        self.context = _build_context(files)
        # The context of a listener cannot be exchanged, and loading files into it is not atomic: a key that does not
        # fit leaves it broken. OpenSSL calls this for clients without SNI as well.
        self.context.sni_callback = self._use_current

    def reload(self) -> bool:
        """Read the files again; return False, with the reason in the log, and keep the certificate if they are bad."""
        try:
            self._current = _build_context(self.files)
        except UsageError as error:
            _log.error("the certificate was not reloaded, the one before stays in use: %s", error)
            return False
        _log.warning("the certificate was reloaded from %s", self.files.certificate)
        return True

    async def watch(self) -> None:
        """Reload when a file has changed, for ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            state = await asyncio.to_thread(_file_state, self.files)
            if state != self._state:
                self._state = state
                await asyncio.to_thread(self.reload)

    def _use_current(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current


def _build_context(files: CertificateFiles) -> ssl.SSLContext:
    """Return a context with the files. UsageError that names the faulty file."""
    for file in (files.certificate, files.key, files.client_ca):
        if file is not None:
            _check_readable(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a callback OpenSSL would ask at the terminal for the password of an encrypted key.
        context.load_cert_chain(files.certificate, files.key, password=lambda: _refuse_password(files.key))
    except ssl.SSLError as error:
        raise _load_error(files, error) from None
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except ssl.SSLError:
            raise UsageError(f"{files.client_ca} holds no certificate in PEM", hint=_PEM_HINT) from None
        context.verify_mode = ssl.CERT_REQUIRED
        # A resumed session is not asked for its certificate again, also when its authority is gone from the file.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
    return context


_PEM_HINT = "it begins with -----BEGIN CERTIFICATE-----"


def _check_readable(file: Path) -> None:
    hint = "name a file in PEM that the gateway's user may read"
    with file_faults(f"{file} cannot be read", UsageError, hint=hint), file.open("rb"):
        pass


def _refuse_password(key: Path) -> str:
    hint = "decrypt it with `openssl pkey`, and let the gateway's user alone read it"
    raise UsageError(f"{key} is encrypted, and nobody can be asked for its password", hint=hint)


def _load_error(files: CertificateFiles, error: ssl.SSLError) -> UsageError:
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        hint = "give the key that the certificate was made for"
        return UsageError(f"{files.key} is not the key of {files.certificate}", hint=hint)
    if b"-----BEGIN CERTIFICATE-----" not in files.certificate.read_bytes():
        return UsageError(f"{files.certificate} holds no certificate in PEM", hint=_PEM_HINT)
    if b"PRIVATE KEY-----" not in files.key.read_bytes():
        return UsageError(f"{files.key} holds no private key in PEM", hint="it begins with -----BEGIN PRIVATE KEY-----")
    reason = (error.reason or str(error)).replace("_", " ").lower()
    message = f"{files.certificate} and {files.key} cannot be used: {reason}"
    return UsageError(message, hint="`openssl x509 -noout -text -in FILE` shows what a certificate holds")


def _file_state(files: CertificateFiles) -> tuple[object, ...]:
    """Return a value that differs when a file was written or replaced."""
    # `stat` follows links: Kubernetes replaces the folder that the links of a mounted secret point into.
    states: list[object] = []
    for file in (files.certificate, files.key, files.client_ca):
        try:
            status = file.stat() if file is not None else None
        except OSError:
            status = None
        states.append((status.st_mtime_ns, status.st_ino, status.st_size) if status else None)
    return tuple(states)


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
            context.load_cert_chain(file, password=lambda: _refuse_client_password(file))
        except ssl.SSLError:
            hint = "give one file in PEM with the certificate, its chain and its private key"
            raise UsageError(f"{file} holds no certificate with its key", hint=hint) from None


def _read_pem(file: Path) -> str:
    faults = file_faults(f"{file} cannot be read", UsageError, hint="make it readable for the gateway's user")
    with faults, os.fdopen(os.open(file, os.O_RDONLY | _NONBLOCK), "rb") as stream:
        content = stream.read(MAX_PEM_BYTES + 1)
    if len(content) > MAX_PEM_BYTES or b"-----BEGIN CERTIFICATE-----" not in content:
        raise UsageError(f"{file} holds no certificate in PEM", hint=_HINT)
    return content.decode("ascii", "replace")


def _refuse_client_password(file: Path) -> str:
    raise UsageError(f"the key in {file} is encrypted", hint="decrypt it with `openssl pkey`")
