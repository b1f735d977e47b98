"""Finds the endpoints of an authorization server (RFC 8414, OpenID Connect), and asks its token endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from nlapi.accounts.store import ClientAuthMethod, Grant, TokenSource
from nlapi.client.masking import redact
from nlapi.client.message import Limits, Request, Result
from nlapi.client.safe_text import single_line
from nlapi.errors import CredentialError, OutcomeUnknownError, SendError, UsageError, require_extra
from nlapi.openapi.egress import NetworkOrigin, NetworkScope
from nlapi.openapi.spec import SecurityScheme, Spec, as_map
from nlapi.openapi.urls import is_http_url, parse_url
from nlapi.wait import wait

# Answers of authorization servers are small: a token of Entra ID has 3 KB, its metadata 2 KB.
SERVER_LIMITS = Limits(deadline=20.0, max_bytes=256 * 1024, max_redirects=0, retries=1)
MAX_TOKEN_LENGTH = 32 * 1024
# In seconds. What claims to live longer is renewed when the API refuses it.
MAX_LIFETIME = 10 * 365 * 24 * 3600
MAX_REASON = 200

# The parameters of the grants, and those by which a server takes the request from elsewhere (RFC 9101, RFC 9126) or
# answers in another way, without marks between their words.
_STATED = frozenset((
    "clientid", "clientsecret", "clientassertion", "clientassertiontype", "granttype", "responsetype", "responsemode",
    "redirecturi", "scope", "state", "code", "codechallenge", "codechallengemethod", "codeverifier", "devicecode",
    "refreshtoken", "token", "tokentypehint", "request", "requesturi", "assertion", "username", "password",
))  # fmt: skip


class TokenError(CredentialError):
    """An authorization server gave no token. `code` is its error (RFC 6749 §5.2), "" where it answered otherwise."""

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponse:
    """The tokens of a successful answer (RFC 6749 §5.1). `lifetime` is in seconds, 0 where the server does not say."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    lifetime: int = 0
    scopes: tuple[str, ...] | None = None


def require_secure(url: str, name: str) -> None:
    """Raise CredentialError for an endpoint that secrets would reach in the clear, on a network."""
    address = parse_url(url)
    if address.scheme != "https" and not address.is_loopback:
        message = f"the {name} {address.site} is not https, so that anybody on the way could read the login"
        raise CredentialError(message, hint="name an https server with --issuer; nothing was sent")


def endpoint_url(url: str) -> str:
    """Return the URL of an endpoint without a fragment and what nlapi alone states to it (RFC 6749 §3.1 and §3.2).

    A name counts as any framework may read it: `Redirect-URI[]`, `state;`.
    """
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    other = [(name, value) for name, value in pairs if _plain_name(name) not in _STATED]
    return parts._replace(query=urlencode(other, errors="surrogateescape"), fragment="").geturl()


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.partition("[")[0].casefold())


_TOKEN_ENDPOINT = "token endpoint"  # noqa: S105 - a name in messages
# Statuses of a server that reads no form, or not that one.
_NO_FORM = ("400", "415", "422")


def request_token(source: TokenSource, client_secret: str, **parameters: str) -> TokenResponse:
    """Return the tokens that a grant gives (`grant_type` and others, as `prepare_token_request` of authlib takes them).

    TokenError where the server gives none, SendError where it cannot be reached.
    """
    secrets = (client_secret, *(parameters.get(name, "") for name in ("code", "refresh_token", "device_code")))
    data = post_form(source, source.token_url, client_secret, parameters, secrets=secrets, name=_TOKEN_ENDPOINT)
    return _parse_token(data, parse_url(source.token_url).site)


def request_token_by_password(
    source: TokenSource, client_secret: str, username: str, password: str, scope: str
) -> TokenResponse:
    """Return the tokens for a user name and a password (RFC 6749 §4.3), as `request_token`.

    Servers that describe this grant and take no form (Airflow, and others on FastAPI) are asked with JSON.
    """
    parameters = {"username": username, "password": password}
    site, secrets = parse_url(source.token_url).site, (client_secret, password)
    try:
        form = {"grant_type": "password", "scope": scope, **parameters}
        data = post_form(source, source.token_url, client_secret, form, secrets=secrets, name=_TOKEN_ENDPOINT)
    except TokenError as error:
        if error.code not in _NO_FORM:
            raise
        headers = (("Accept", "application/json"), ("Content-Type", "application/json"))
        url, content = endpoint_url(source.token_url), json.dumps(parameters).encode()
        result = exchange(
            Request(method="POST", url=url, headers=headers, content=content), NetworkScope(source.network)
        )
        data = _object_of(result, site, _TOKEN_ENDPOINT, secrets)
    # Airflow's answer leaves out the type, which RFC 6749 §5.1 requires.
    return _parse_token(data, site, default_type="bearer")


def post_form(
    source: TokenSource,
    url: str,
    client_secret: str,
    parameters: Mapping[str, str],
    *,
    secrets: tuple[str, ...],
    name: str,
    network: str | None = None,
    may_be_empty: bool = False,
) -> dict[str, Any]:
    """Return the JSON object that an endpoint answers to a form with the client's authentication.

    TokenError where it answers anything else. `secrets` are masked in errors. With `may_be_empty` any body of a
    success is taken as an empty object.
    """
    require_extra("login", "a login with OAuth")
    from authlib.oauth2.auth import ClientAuth
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    require_secure(url, name)
    values = dict(parameters)
    url = endpoint_url(url)
    body = prepare_token_request(values.pop("grant_type", ""), **values).removeprefix("grant_type=&")
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    try:
        client = ClientAuth(source.client_id, client_secret or None, source.client_auth.value)
        # A password may be enough, without a client that was registered.
        url, headers, body = client.prepare("POST", url, headers, body) if source.client_id else (url, headers, body)
    except UnicodeEncodeError:
        message = "the client id or its secret has a character that HTTP Basic cannot carry"
        raise CredentialError(message, hint="was it copied whole, and only it?") from None
    request = Request(method="POST", url=url, headers=tuple(headers.items()), content=body.encode())
    result = exchange(request, NetworkScope(network or source.network))
    if may_be_empty and result.ok:
        return {}
    return _object_of(result, parse_url(url).site, name, secrets)


def exchange(request: Request, scope: NetworkScope) -> Result:
    """Return the answer of an authorization server, within limits, without redirects, and from the networks of `scope`.

    Nothing in it is masked: it may repeat a token that has to be stored as it is.
    """
    from nlapi.client.send import send

    try:
        return wait(send(request, limits=SERVER_LIMITS, scope=scope))
    except OutcomeUnknownError as error:
        # The caller has sent nothing to the API yet, so that no change of its is in doubt.
        message = error.message.removesuffix("; it may or may not have been carried out")
        raise SendError(f"the login failed: {message}", hint="try again; `nlapi auth login` begins anew") from None


def _object_of(result: Result, site: str, name: str, secrets: tuple[str, ...]) -> dict[str, Any]:
    try:
        data = json.loads(result.content or b"null")
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and "error" in data:
        # RFC 6749 §5.2; GitHub answers so with status 200.
        code = data["error"] if isinstance(data["error"], str) else ""
        told = data.get("error_description")
        reason = f": {told}" if isinstance(told, str) and told else ""
        text = single_line(redact(f"{code or 'an error'}{reason}", secrets))[:MAX_REASON]
        raise TokenError(f"the {name} of {site} refused: {text}", code=code)
    if result.status in (301, 302, 303, 307, 308):
        message = f"the {name} of {site} redirects to another place; nlapi did not follow it with a login"
        raise TokenError(message, hint="name the right server with --issuer")
    if not result.ok or not isinstance(data, dict):
        kind = result.content_type or "an unnamed type"
        message = f"the {name} of {site} answered {result.status} with {kind[:80]}, not a JSON object"
        raise TokenError(message, hint="is it the right server? --issuer names another", code=str(result.status))
    return data


def _parse_token(data: Mapping[str, Any], site: str, *, default_type: str = "") -> TokenResponse:
    """Return the tokens of an answer. TokenError where they cannot be used as bearer tokens."""
    token, kind = data.get("access_token"), data.get("token_type")
    kind = default_type if kind is None else kind
    if not is_token(token):
        raise TokenError(f"the token endpoint of {site} answered without a usable access token")
    # RFC 6749 §7.1: a client must not use a token of a type that it does not understand.
    if not isinstance(kind, str) or kind.lower() != "bearer":
        shown = f"of the type {single_line(str(kind))[:40]!r}" if kind else "without a type"
        message = f"the token endpoint of {site} gave a token {shown}, and nlapi sends bearer tokens only"
        raise TokenError(message, hint="`nlapi auth login API SCHEME --reference env:NAME` takes a token of your own")
    refresh = data.get("refresh_token")
    scope = data.get("scope")
    return TokenResponse(
        access_token=str(token),
        refresh_token=str(refresh) if is_token(refresh) else "",
        lifetime=lifetime_of(data.get("expires_in")),
        scopes=tuple(scope.split()) if isinstance(scope, str) else None,
    )


def is_token(value: object) -> bool:
    """Return whether a value can be sent as a token: one line of visible ASCII (RFC 6749 appendix A.12)."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TOKEN_LENGTH and all("!" <= char <= "~" for char in value)


def lifetime_of(value: object) -> int:
    """Return `expires_in` in seconds; 0 where it is missing or makes no sense. Some servers write it as text."""
    try:
        seconds = int(float(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0
    except (ValueError, OverflowError):
        return 0
    return min(seconds, MAX_LIFETIME) if seconds > 0 else 0


def client_auth_methods(has_secret: bool, supported: tuple[str, ...]) -> tuple[ClientAuthMethod, ...]:
    """Return the ways to authenticate the client, the best first: those that the server names, or both forms."""
    if not has_secret:
        return (ClientAuthMethod.NONE,)
    both = (ClientAuthMethod.BASIC, ClientAuthMethod.POST)
    return tuple(method for method in both if method.value in supported) or both


WELL_KNOWN = "/.well-known/"
# OpenID Connect puts it behind the issuer's path, RFC 8414 before it; servers of both kinds are asked.
OPENID_SUFFIX = "openid-configuration"
OAUTH_SUFFIX = "oauth-authorization-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The endpoints of an authorization server; "" for one it lacks.

    `origin` is who named them, which decides on the networks that they may be in (docs/design/070-egress.md). `issuer`
    is "" unless it was discovered; `names_itself`: its answers carry the issuer (RFC 9207). `scopes` are those that
    the description names for the grants.
    """

    origin: NetworkOrigin
    authorization_url: str = ""
    token_url: str = ""
    device_url: str = ""
    revocation_url: str = ""
    keys_url: str = ""
    issuer: str = ""
    names_itself: bool = False
    client_auth_methods: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    def network_of(self, url: str) -> NetworkScope:
        """Return the networks that an endpoint may be in."""
        return self.origin.scope_of(parse_url(url))

    def is_answer_of(self, issuer: str | None) -> bool:
        """Return whether an answer with this `iss`, or with none, may be one of this server (RFC 9207 §2.4).

        That of another server would give its code away here (mix-up). Where no issuer is known, the page that the
        person was sent to has to be of the same origin.
        """
        if issuer is None:
            return not self.names_itself
        if self.issuer:
            return issuer == self.issuer
        try:
            return parse_url(issuer).site == parse_url(self.authorization_url).site
        except UsageError:
            return False

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Return the grants that the server has endpoints for, the best for a person first."""
        grants = [Grant.CODE] if self.authorization_url and self.token_url else []
        grants += [Grant.DEVICE] if self.device_url and self.token_url else []
        return (*grants, Grant.CLIENT, Grant.PASSWORD) if self.token_url else tuple(grants)


# OpenAPI 3.1.1 §4.8.28, and 3.2's deviceAuthorization.
_FLOWS = {
    "authorizationCode": Grant.CODE,
    "deviceAuthorization": Grant.DEVICE,
    "clientCredentials": Grant.CLIENT,
    "password": Grant.PASSWORD,
}


def described_grants(scheme: SecurityScheme) -> tuple[Grant, ...]:
    """Return the grants that a security scheme describes and nlapi has, the best for a person first."""
    return tuple(grant for name, grant in _FLOWS.items() if name in scheme.flows)


def described_endpoints(spec: Spec, scheme: SecurityScheme, grant: Grant, base_url: str = "") -> Endpoints:
    """Return the endpoints that a security scheme describes for a grant; empty ones where it has none.

    `base_url` is where the user says that the API runs: a relative URL of a description in a file is relative to that.
    """
    names = [name for name, described in _FLOWS.items() if described is grant and name in scheme.flows]
    flow: Mapping[str, Any] = as_map(scheme.flows[names[0]]) if names else {}

    def url(name: str) -> str:
        value = flow.get(name)
        if not isinstance(value, str) or not value.strip():
            return ""
        # A relative URL is relative to the description (OpenAPI 3.1.1 §4.6).
        base = spec.source if is_http_url(spec.source) else base_url and f"{base_url.rstrip('/')}/"
        whole = urljoin(base, value.strip())
        return whole if is_http_url(whole) else ""

    return Endpoints(
        origin=spec.origin,
        authorization_url=url("authorizationUrl"),
        token_url=url("tokenUrl"),
        device_url=url("deviceAuthorizationUrl"),
        scopes=tuple(as_map(flow.get("scopes"))),
    )


def discover(issuer: str, network: NetworkScope) -> Endpoints:
    """Return the endpoints that an issuer publishes. `issuer` may also be the URL of its metadata.

    `network` are the networks that the issuer may be in: any where the user named it. CredentialError where it
    publishes nothing that can be used.
    """
    require_secure(issuer, "issuer")
    tried: list[str] = []
    for url in _metadata_urls(issuer):
        try:
            result = exchange(Request(method="GET", url=url, headers=(("Accept", "application/json"),)), network)
        except SendError as error:
            tried.append(error.message)
            continue
        try:
            data = json.loads(result.content) if result.ok else None
        except (ValueError, RecursionError):
            data = None
        if isinstance(data, dict) and isinstance(data.get("issuer"), str):
            return _parse_metadata(data, issuer, network)
        tried.append(f"{url} answered {result.status} without metadata")
    message = f"{parse_url(issuer).site} publishes no metadata of an authorization server: {'; '.join(tried)[:400]}"
    raise CredentialError(message, hint="give its issuer as it writes it, such as --issuer https://login.example.com")


def _metadata_urls(issuer: str) -> Iterator[str]:
    if WELL_KNOWN in issuer:
        yield issuer
        return
    address = parse_url(issuer)
    path = address.path.rstrip("/")
    yield f"{address.site}{path}{WELL_KNOWN}{OPENID_SUFFIX}"
    yield f"{address.site}{WELL_KNOWN}{OAUTH_SUFFIX}{path}"
    if path:
        yield f"{address.site}{WELL_KNOWN}{OPENID_SUFFIX}{path}"


def _parse_metadata(data: Mapping[str, Any], metadata_url: str, network: NetworkScope) -> Endpoints:
    issuer = str(data["issuer"])
    # RFC 8414 §3.3: metadata of one issuer under the address of another would mix the two up.
    if not _is_issuer_of(issuer, metadata_url):
        message = f"{parse_url(metadata_url).site} publishes the metadata of another issuer, {issuer[:200]!r}"
        raise CredentialError(message, hint="if that one is right, give it with --issuer")

    def url(name: str) -> str:
        value = data.get(name)
        if not isinstance(value, str) or not is_http_url(value):
            return ""
        try:
            require_secure(value, name.replace("_", " "))
        except UsageError as error:
            raise CredentialError(error.message, hint=error.hint) from None
        return value

    methods = data.get("token_endpoint_auth_methods_supported")
    return Endpoints(
        # An address elsewhere comes from a document on the Internet, and not from the user.
        origin=NetworkOrigin(url=metadata_url, network=network),
        authorization_url=url("authorization_endpoint"),
        token_url=url("token_endpoint"),
        device_url=url("device_authorization_endpoint"),
        revocation_url=url("revocation_endpoint"),
        keys_url=url("jwks_uri"),
        issuer=issuer,
        names_itself=data.get("authorization_response_iss_parameter_supported") is True,
        client_auth_methods=tuple(map(str, methods)) if isinstance(methods, list) else (),
    )


def _is_issuer_of(issuer: str, metadata_url: str) -> bool:
    try:
        if WELL_KNOWN not in metadata_url:
            return issuer.rstrip("/") == metadata_url.rstrip("/")
        return any(url.rstrip("/") == metadata_url.rstrip("/") for url in _metadata_urls(issuer))
    except UsageError:
        return False
