"""The check that a request carries the credentials of its operation."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

from nlapi.client.credentials import credential_location
from nlapi.openapi.parts import SecurityScheme
from nlapi.openapi.spec import Operation
from nlapi.sandbox.problem import RequestProblem

# The values of a request by location: header (names in lower case), query and cookie, all decoded.
FieldsByLocation = Mapping[str, Mapping[str, str]]


def authenticate(operation: Operation, fields: FieldsByLocation) -> None:
    """Raise Problem 401 unless one alternative of the operation's security is complete, with any non-empty values."""
    if not operation.security:
        return
    schemes = operation.spec.security_schemes
    incomplete = []
    for requirement in operation.security:
        missing = _missing_schemes([schemes[id] for id in requirement if id in schemes], fields)
        if not missing:
            return
        incomplete.append(missing)
    # WWW-Authenticate is required in a 401 (RFC 9110 §15.5.2); it names the alternative that lacks least.
    nearest = min(incomplete, key=len)
    alternatives = " or ".join(dict.fromkeys(" and ".join(map(_describe, schemes_needed)) for schemes_needed in incomplete))
    raise RequestProblem(
        401,
        f"{operation.id} needs a credential: {alternatives}. Any non-empty value will do here",
        headers=[("WWW-Authenticate", _challenge(nearest))],
    )


def _missing_schemes(schemes: Sequence[SecurityScheme], values: FieldsByLocation) -> list[SecurityScheme]:
    """Return the missing schemes of a requirement, one for each header, query parameter or cookie."""
    # Schemes with one location are one credential (docs/design/022-credentials-by-place.md); loopback has no TLS.
    fields = {credential_location(candidate).key: candidate for candidate in reversed(schemes) if candidate.kind != "mutualTLS"}
    filled = {credential_location(candidate).key for candidate in schemes if candidate.kind != "mutualTLS" and has_credential(candidate, values)}
    return [scheme for field, scheme in reversed(fields.items()) if field not in filled]


def has_credential(scheme: SecurityScheme, fields: FieldsByLocation) -> bool:
    """Return whether a request has a credential of this scheme, whatever its value."""
    if scheme.kind == "apiKey":
        name = scheme.name.lower() if scheme.location == "header" else scheme.name
        return bool(fields.get(scheme.location, {}).get(name, "").strip())
    sent_scheme, _, credential = fields["header"].get("authorization", "").partition(" ")
    required_scheme = scheme.scheme if scheme.kind == "http" else "bearer"
    if sent_scheme.lower() != required_scheme or not credential.strip():
        return False
    return required_scheme != "basic" or _is_basic(credential.strip())


def _is_basic(credential: str) -> bool:
    try:
        return b":" in base64.b64decode(credential, validate=True)
    except ValueError:
        return False


def _describe(scheme: SecurityScheme) -> str:
    if scheme.kind == "apiKey":
        return f"{scheme.id} ({scheme.location} {scheme.name})"
    kind = scheme.scheme if scheme.kind == "http" else "bearer"
    return f"{scheme.id} (header Authorization: {kind.title()} ...)"


def _challenge(missing: Iterable[SecurityScheme]) -> str:
    scheme = next(iter(missing))
    if scheme.kind == "apiKey":
        return f'ApiKey realm="sandbox", in="{scheme.location}", name="{scheme.name}"'
    kind = scheme.scheme if scheme.kind == "http" else "bearer"
    return f'{kind.title()} realm="sandbox"'
