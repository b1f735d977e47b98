"""Explains in plain words why a server cannot be reached, from the error of a transport."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# X509_V_ERR_CERT_HAS_EXPIRED, _NOT_YET_VALID, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH: `ssl` has no names for them.
_EXPIRED, _NOT_YET, _HOST_MISMATCH, _IP_MISMATCH = 10, 9, 62, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFailure:
    """A `reason` and a `hint`. `is_final`: another attempt would end the same way."""

    reason: str
    hint: str = ""
    is_final: bool = False


def explain_connection_error(error: BaseException) -> ConnectionFailure | None:
    """Return the reason why no connection was made; None for another kind of error."""
    import socket
    import ssl

    for cause in error_causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return ConnectionFailure(reason="connection refused")
        if isinstance(cause, socket.gaierror):
            return ConnectionFailure(reason="the host name is not known")
        # Before SSLError, its base class. It is final: no retry changes a certificate.
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"its TLS certificate is not trusted: {cause.verify_message.rstrip('.')}"
            return ConnectionFailure(reason=reason, hint=_certificate_hint(cause.verify_code), is_final=True)
        if isinstance(cause, ssl.SSLError):
            return ConnectionFailure(reason="it does not answer in TLS", hint="is it an http:// address?")
    return None


def _certificate_hint(code: int) -> str:
    if code in (_EXPIRED, _NOT_YET):
        return "whoever runs it has to renew the certificate"
    if code in (_HOST_MISMATCH, _IP_MISMATCH):
        return "name the host as its certificate does"
    return (
        "if you know this server, set SSL_CERT_FILE to a file with its certificate, or with that of whoever signed it"
    )


def error_causes(error: BaseException) -> Iterable[BaseException]:
    """Yield an error and everything below it: causes, contexts and the members of groups."""
    visited, queue = set[int](), [error]
    while queue:
        current = queue.pop()
        if id(current) in visited:
            continue
        visited.add(id(current))
        yield current
        members = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        queue += [cause for cause in (current.__cause__, current.__context__, *members) if cause is not None]
