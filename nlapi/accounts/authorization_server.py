"""Finds the endpoints of an authorization server: in the description, or by discovery (RFC 8414, OpenID Connect)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from nlapi.accounts.login import Grant
from nlapi.accounts.token_endpoint import exchange, require_secure
from nlapi.client.message import Request
from nlapi.errors import CredentialError, SendError, UsageError
from nlapi.openapi.egress import NetworkOrigin, NetworkScope
from nlapi.openapi.model import SecurityScheme, as_map
from nlapi.openapi.spec import Spec
from nlapi.openapi.urls import is_http_url, parse_url

WELL_KNOWN = "/.well-known/"
# OpenID Connect puts it behind the issuer's path, RFC 8414 before it; servers of both kinds are asked.
OPENID_SUFFIX = "openid-configuration"
OAUTH_SUFFIX = "oauth-authorization-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The endpoints of an authorization server; "" for what it has not.

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
        return (*grants, Grant.CLIENT) if self.token_url else tuple(grants)


# OpenAPI 3.1.1 §4.8.28, and 3.2's deviceAuthorization.
_FLOWS = {"authorizationCode": Grant.CODE, "deviceAuthorization": Grant.DEVICE, "clientCredentials": Grant.CLIENT}


def described_grants(scheme: SecurityScheme) -> tuple[Grant, ...]:
    """Return the grants that a security scheme describes and nlapi has, the best for a person first."""
    return tuple(grant for name, grant in _FLOWS.items() if name in scheme.flows)


def described_endpoints(spec: Spec, scheme: SecurityScheme, grant: Grant) -> Endpoints:
    """Return the endpoints that a security scheme describes for a grant; empty ones where it has none."""
    names = [name for name, described in _FLOWS.items() if described is grant and name in scheme.flows]
    flow: Mapping[str, Any] = as_map(scheme.flows[names[0]]) if names else {}

    def url(name: str) -> str:
        value = flow.get(name)
        if not isinstance(value, str) or not value.strip():
            return ""
        # A relative URL is relative to the description (OpenAPI 3.1.1 §4.6).
        whole = urljoin(spec.source, value.strip()) if is_http_url(spec.source) else value.strip()
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
        # What the metadata names elsewhere is named by a document of the Internet, and not by the user.
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
