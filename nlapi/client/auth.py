"""Adds to a Request the credentials that its operation requires, and says what is missing."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote_plus

from nlapi.client.credentials import (
    Alternative,
    Credential,
    CredentialLocation,
    alternatives,
    location_of,
)
from nlapi.client.message import Request
from nlapi.client.server import expanded
from nlapi.errors import CredentialError, MissingCredentialError, UsageError
from nlapi.openapi.address import origin, parse
from nlapi.openapi.parts import SecurityScheme
from nlapi.openapi.spec import Operation

_TELLING = re.compile(r"auth|cookie|key|passw|secret|session|sign|token", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorized:
    """A Request with its credentials, and the strings that may not be shown (`send` and `redact` take them)."""

    request: Request = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    schemes: tuple[str, ...] = ()


def authorize(
    request: Request, operation: Operation, credentials: Mapping[str, str], *, base_url: str | None = None
) -> Authorized:
    """`request` with what the operation's security asks for (OpenAPI 3.1.1 §4.8.30), out of `credentials` by scheme id.

    The first alternative is used for which every credential is there, or a later one that has all of it and more: whom
    to act for may be a second credential. An operation without security gets none, even if some are given.

    Credentials go to the API's own origins and to that of `base_url`, which the user named; elsewhere an operation goes
    without, and one that cannot raises. CredentialError says what is missing or wrong with one.
    """
    _check(operation, credentials)
    chosen = alternative(operation, credentials)
    if chosen is None:
        raise _missing(operation)
    if not chosen:
        return Authorized(request=request)
    if not same_api(operation, request.url, base_url):
        if not all(operation.security):  # it may be called without, too
            return Authorized(request=request)
        raise _elsewhere(operation, request.url)
    secrets: list[str] = []
    used: list[str] = []
    for credential in chosen:
        ids = credential.given_ids(credentials)
        value = _value(operation, credential, {id: credentials[id].strip() for id in ids})
        request = _add(request, credential.location, value)
        secrets += (value, *(part for id in ids for part in secret_parts(credentials[id])))
        used += ids
    return Authorized(request=request, secrets=tuple(dict.fromkeys(secrets)), schemes=tuple(used))


def alternative(operation: Operation, given: Collection[str]) -> Alternative | None:
    """The alternative of the operation's security that is used when credentials for the schemes in `given` are there.

    An empty one means that no credential is added, None that none of the alternatives can be satisfied.
    """
    if not operation.security:
        return ()

    def used(credentials: Alternative) -> set[str]:
        return {id for credential in credentials for id in credential.given_ids(given)}

    usable = [one for one in alternatives(operation) if all(credential.given_ids(given) for credential in one)]
    chosen = next(filter(None, usable), () if usable else None)
    for one in usable:
        if chosen and used(chosen) < used(one):
            chosen = one
    return chosen


def same_api(operation: Operation, url: str, base_url: str | None = None) -> bool:
    """Does `url` lead to the API's own origin: one of the description's own `servers`, or the user's `base_url`?

    A server that only a path or an operation names is not enough: a description that has been tampered with in one
    place would carry the user's credential away.
    """
    servers = operation.spec.servers
    own = {origin(base_url)} if base_url else set()
    for server in servers:
        with suppress(UsageError):
            own.add(origin(expanded(server)))
    there = origin(url)
    return there is not None and there in own


def _value(operation: Operation, credential: Credential, given: Mapping[str, str]) -> str:
    """What goes to the location of a credential, `given` under one id or more. CredentialError if they differ."""
    value, *others = (_encoded(scheme, given[scheme.id]) for scheme in credential.schemes if scheme.id in given)
    if any(other != value for other in others):
        location = credential.location
        raise CredentialError(
            f"{' and '.join(given)} are one credential of {operation.id}, in the {location.where} {location.name}, "
            "and were given different values",
            hint=f"give it once: {_option(credential)}",
        )
    return value


def _encoded(scheme: SecurityScheme, credential: str) -> str:
    """A credential as it goes behind the prefix of its location (OpenAPI 3.1.1 §4.8.27), or a CredentialError."""
    if scheme.kind == "apiKey":
        if scheme.where == "cookie" and ";" in credential:
            raise CredentialError(f"the credential for {scheme.id} has a semicolon in it, which a cookie cannot hold")
        return credential
    if scheme.kind == "http" and scheme.scheme == "basic":
        return _basic(scheme, credential)
    word = location_of(scheme).prefix.rstrip()
    return re.sub(rf"^{re.escape(word)}\s+", "", credential, flags=re.IGNORECASE)


def _basic(scheme: SecurityScheme, credential: str) -> str:
    coded = re.match(r"basic\s+(\S+)$", credential, re.IGNORECASE)
    if not coded and ":" not in credential:
        raise CredentialError(
            f"the credential for {scheme.id} has to be USER:PASSWORD", hint="an empty password is written USER:"
        )
    return coded[1] if coded else b64encode(credential.encode("utf-8", "replace")).decode()


def secret_parts(credential: str) -> tuple[str, ...]:
    """A credential and what of it is secret on its own: all behind `Bearer` or the like, and the password of a user."""
    whole = credential.strip()
    parts = (whole, whole.partition(" ")[2].strip(), whole.partition(":")[2])
    return tuple(dict.fromkeys(part for part in parts if part))


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What may not be shown of headers that a user added: the values of those whose names say that they are secret."""
    return tuple(part for name, value in headers.items() if _TELLING.search(name) for part in secret_parts(value))


def _add(request: Request, location: CredentialLocation, value: str) -> Request:
    """`request` with the value at its location, in place of anything that was there under the same name."""
    value = location.prefix + value
    if location.where == "query":
        return replace(
            request, url=with_query(request.url, location.name, quote(value.encode("utf-8", "replace"), safe=""))
        )
    if location.where == "cookie":
        pairs = [pair.strip() for name, line in request.headers if name.lower() == "cookie" for pair in line.split(";")]
        kept = [pair for pair in pairs if pair and pair.partition("=")[0] != location.name]
        others = tuple(header for header in request.headers if header[0].lower() != "cookie")
        return replace(request, headers=(*others, ("Cookie", "; ".join([*kept, f"{location.name}={value}"]))))
    others = tuple(header for header in request.headers if header[0].lower() != location.name.lower())
    return replace(request, headers=(*others, (location.name, value)))


def with_query(url: str, name: str, value: str) -> str:
    """`url` with `name=value` at the end of its query, in place of others of that name. `value` is encoded already."""
    base, _, query = url.partition("#")[0].partition("?")
    pairs = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != name]
    pairs.append(f"{quote(name, safe='')}={value}")
    return f"{base}?{'&'.join(pairs)}"


def _check(operation: Operation, credentials: Mapping[str, str]) -> None:
    known = operation.spec.security_schemes
    for id, credential in credentials.items():
        if id not in known:
            names = ", ".join(known) or "none"
            raise CredentialError(
                f"{operation.spec.source} has no security scheme {id!r}", hint=f"its security schemes: {names}"
            )
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]", credential):
            raise CredentialError(
                f"the credential for {id} has a line break or another control character in it",
                hint="it was not sent; was it copied whole, and only it?",
            )
        if not credential.strip():
            raise CredentialError(f"the credential for {id} is empty", hint=f"--auth {id}=env:NAME")


def _missing(operation: Operation) -> CredentialError:
    accepted = alternatives(operation)
    if not accepted:
        schemes = operation.spec.security_schemes
        fault = next(schemes[id].fault for wanted in operation.security for id in wanted if schemes[id].fault)
        return CredentialError(
            f"{operation.id} cannot be called: its security is {fault}",
            hint="--no-auth sends it without a credential, where the API takes that",
        )
    names = " or ".join(" and ".join(f"{one.id} ({one.kind})" for one in credentials) for credentials in accepted)
    options = ", or ".join(" ".join(map(_option, credentials)) for credentials in accepted)
    return MissingCredentialError(
        f"{operation.id} needs a credential: {names}",
        hint=f"{options}, where NAME is the environment variable that holds it; --no-auth if the API takes none"
        " (in Python: auth)",
    )


def _elsewhere(operation: Operation, url: str) -> CredentialError:
    return CredentialError(
        f"{operation.id} is at {parse(url).site}, which is not one of the API's own servers; "
        "no credential was sent there",
        hint="if you trust it, name it yourself with --base-url",
    )


def _option(credential: Credential) -> str:
    return f"--auth {credential.id}=env:NAME"
