"""Explains in plain words why a server cannot be reached, from the error of a transport."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

# X509_V_ERR_CERT_HAS_EXPIRED, _NOT_YET_VALID, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH: `ssl` has no names for them.
_EXPIRED, _NOT_YET, _OTHER_HOST, _OTHER_IP = 10, 9, 62, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """A `reason` and a `hint`. `is_final`: another attempt would end the same way."""

    reason: str
    hint: str = ""
    is_final: bool = False


def explain_unreachable(error: BaseException) -> Unreachable | None:
    """Return the reason why no connection was made; None for another kind of error."""
    for cause in causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable(reason="connection refused")
        if isinstance(cause, socket.gaierror):
            return Unreachable(reason="the host name is not known")
        # Before SSLError, its base class. It is final: no retry changes a certificate.
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"its TLS certificate is not trusted: {cause.verify_message.rstrip('.')}"
            return Unreachable(reason=reason, hint=_of_certificate(cause.verify_code), is_final=True)
        if isinstance(cause, ssl.SSLError):
            return Unreachable(reason="it does not answer in TLS", hint="is it an http:// address?")
    return None


def _of_certificate(code: int) -> str:
    if code in (_EXPIRED, _NOT_YET):
        return "whoever runs it has to renew the certificate"
    if code in (_OTHER_HOST, _OTHER_IP):
        return "name the host as its certificate does"
    return (
        "if you know this server, set SSL_CERT_FILE to a file with its certificate, or with that of whoever signed it"
    )


def causes(error: BaseException) -> Iterable[BaseException]:
    """Yield an error and everything below it: causes, contexts and the members of groups."""
    seen, queue = set[int](), [error]
    while queue:
        current = queue.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        members = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        queue += [below for below in (current.__cause__, current.__context__, *members) if below is not None]
