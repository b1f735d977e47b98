"""The check that a request carries the credentials of its operation."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

from nlapi.client.credentials import location_of
from nlapi.openapi.parts import SecurityScheme
from nlapi.openapi.spec import Operation
from nlapi.sandbox.problem import Problem

# The values of a request by location: header (names in lower case), query and cookie, all decoded.
Fields = Mapping[str, Mapping[str, str]]


def authenticate(operation: Operation, carried: Fields) -> None:
    """Raise Problem 401 unless one alternative of the operation's security is complete, with any non-empty values."""
    if not operation.security:
        return
    schemes = operation.spec.security_schemes
    wanted = []
    for requirement in operation.security:
        missing = _missing([schemes[id] for id in requirement if id in schemes], carried)
        if not missing:
            return
        wanted.append(missing)
    # WWW-Authenticate is required in a 401 (RFC 9110 §15.5.2); it names the alternative that lacks least.
    nearest = min(wanted, key=len)
    told = " or ".join(dict.fromkeys(" and ".join(map(_describe, one)) for one in wanted))
    raise Problem(
        401,
        f"{operation.id} needs a credential: {told}. Any non-empty value will do here",
        headers=[("WWW-Authenticate", _challenge(nearest))],
    )


def _missing(schemes: Sequence[SecurityScheme], carried: Fields) -> list[SecurityScheme]:
    """Return the missing schemes of a requirement, one for each header, query parameter or cookie."""
    # Schemes with one location are one credential (docs/design/022-credentials-by-place.md); loopback has no TLS.
    fields = {location_of(one).field: one for one in reversed(schemes) if one.kind != "mutualTLS"}
    filled = {location_of(one).field for one in schemes if one.kind != "mutualTLS" and present(one, carried)}
    return [scheme for field, scheme in reversed(fields.items()) if field not in filled]


def present(scheme: SecurityScheme, carried: Fields) -> bool:
    """Return whether a request has a credential of this scheme, whatever its value."""
    if scheme.kind == "apiKey":
        name = scheme.name.lower() if scheme.where == "header" else scheme.name
        return bool(carried.get(scheme.where, {}).get(name, "").strip())
    given, _, credential = carried["header"].get("authorization", "").partition(" ")
    wanted = scheme.scheme if scheme.kind == "http" else "bearer"
    if given.lower() != wanted or not credential.strip():
        return False
    return wanted != "basic" or _basic(credential.strip())


def _basic(credential: str) -> bool:
    try:
        return b":" in base64.b64decode(credential, validate=True)
    except ValueError:
        return False


def _describe(scheme: SecurityScheme) -> str:
    if scheme.kind == "apiKey":
        return f"{scheme.id} ({scheme.where} {scheme.name})"
    kind = scheme.scheme if scheme.kind == "http" else "bearer"
    return f"{scheme.id} (header Authorization: {kind.title()} ...)"


def _challenge(missing: Iterable[SecurityScheme]) -> str:
    scheme = next(iter(missing))
    if scheme.kind == "apiKey":
        return f'ApiKey realm="sandbox", in="{scheme.where}", name="{scheme.name}"'
    kind = scheme.scheme if scheme.kind == "http" else "bearer"
    return f'{kind.title()} realm="sandbox"'
