"""Gets tokens from an authorization server: with a browser, with a code on another device, or for the client itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from nlapi.accounts.authorization_server import Endpoints
from nlapi.accounts.login import ClientAuthMethod, Grant, Login, LoginKind, Secrets, TokenSource
from nlapi.accounts.loopback import LoopbackReceiver
from nlapi.accounts.store import new_secret_id
from nlapi.accounts.token_endpoint import (
    TokenError,
    TokenResponse,
    client_auth_methods,
    endpoint_url,
    is_token,
    lifetime_of,
    post_form,
    request_token,
    require_secure,
)
from nlapi.client.safe_text import single_line
from nlapi.errors import CredentialError
from nlapi.extras import require_extra
from nlapi.openapi.urls import is_http_url, parse_url

# In seconds: how long a person may take at the browser, and how often a device code is asked about (RFC 8628 §3.5).
BROWSER_SECONDS = 300.0
DEFAULT_INTERVAL = 5
MAX_INTERVAL = 60
MAX_DEVICE_SECONDS = 1800


class Person(Protocol):
    """The person who logs in. The methods show an address to open; they return at once."""

    def open_browser(self, url: str) -> None:
        """Open a page, or show its address."""

    def show_code(self, url: str, code: str, complete_url: str) -> None:
        """Show a code and the page to type it into; `complete_url` has the code in it already, "" without one."""

    def typed_address(self) -> str | None:
        """Return the address that the person typed since, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A client that is registered with an authorization server. Without a secret it is a public one."""

    id: str
    secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """Tokens, and where they came from."""

    source: TokenSource
    tokens: TokenResponse
    client_secret: str = field(default="", repr=False)

    def as_login(self, scheme: str, audience: tuple[str, ...]) -> tuple[Login, Secrets]:
        """Return the login for a security scheme, and its secrets."""
        source = self.source if self.tokens.scopes is None else replace(self.source, scopes=self.tokens.scopes)
        login = Login(
            scheme=scheme,
            kind=LoginKind.OAUTH,
            audience=audience,
            created_at=int(time.time()),
            secret_id=new_secret_id(),
            has_refresh_token=bool(self.tokens.refresh_token),
            source=source,
        ).with_lifetime(self.tokens.lifetime)
        secrets = Secrets(
            value=self.tokens.access_token,
            refresh_token=self.tokens.refresh_token,
            client_secret=self.client_secret,
        )
        return login, secrets


def log_in_with_browser(
    endpoints: Endpoints,
    client: OAuthClient,
    person: Person,
    receiver: LoopbackReceiver,
    *,
    seconds: float = BROWSER_SECONDS,
) -> TokenGrant:
    """Return the tokens of the authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636, RFC 8252).

    CredentialError where the person or the server refuses, or nothing comes within `seconds`.
    """
    require_extra("login", "a login with OAuth")
    from authlib.common.security import generate_token
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    require_secure(endpoints.authorization_url, "authorization endpoint")
    require_secure(endpoints.token_url, "token endpoint")
    state, verifier = generate_token(43), generate_token(64)
    url = prepare_grant_uri(
        endpoint_url(endpoints.authorization_url),
        client_id=client.id,
        response_type="code",
        redirect_uri=receiver.redirect_uri,
        scope=" ".join(client.scopes) or None,
        state=state,
        code_challenge=create_s256_code_challenge(verifier),
        code_challenge_method="S256",
    )
    person.open_browser(url)
    answer = receiver.wait(state, seconds, person.typed_address).parameters
    site = parse_url(endpoints.authorization_url).site
    if not endpoints.is_answer_of(answer.get("iss")):
        hint = "if that one is right, --issuer names it" if answer.get("iss") else ""
        raise CredentialError(f"the answer does not come from {site}, but from another authorization server", hint=hint)
    if "error" in answer:
        told = f": {answer['error_description']}" if answer.get("error_description") else ""
        raise TokenError(f"{site} refused the login: {single_line(answer['error'] + told)[:200]}", code=answer["error"])
    if not answer.get("code"):
        raise CredentialError(f"{site} sent the browser back without a code")
    return _request(
        endpoints,
        client,
        Grant.CODE,
        grant_type=Grant.CODE.value,
        code=answer["code"],
        redirect_uri=receiver.redirect_uri,
        code_verifier=verifier,
    )


def log_in_with_device(
    endpoints: Endpoints, client: OAuthClient, person: Person, *, sleep: Callable[[float], None] = time.sleep
) -> TokenGrant:
    """Return the tokens of the device grant (RFC 8628): the person types a code into a page on any device."""
    require_secure(endpoints.device_url, "device endpoint")
    require_secure(endpoints.token_url, "token endpoint")
    # RFC 8628 §3.1 has no authentication here of its own; the client's is that of the token endpoint.
    source = _source(endpoints, client, Grant.DEVICE, _first_method(endpoints, client))
    data = post_form(
        source,
        endpoints.device_url,
        client.secret,
        {"scope": " ".join(client.scopes)},
        secrets=(client.secret,),
        name="device endpoint",
        network=endpoints.network_of(endpoints.device_url).value,
    )
    code, user_code, url = data.get("device_code"), data.get("user_code"), _verification_url(data)
    if not is_token(code) or not isinstance(user_code, str) or not is_http_url(url):
        raise TokenError(f"the device endpoint of {parse_url(endpoints.device_url).site} answered without a code")
    complete = data.get("verification_uri_complete")
    shown = single_line(complete) if isinstance(complete, str) and is_http_url(complete) else ""
    person.show_code(single_line(url)[:500], single_line(user_code)[:100], shown[:500])
    interval = min(max(lifetime_of(data.get("interval", DEFAULT_INTERVAL)), 1), MAX_INTERVAL)
    left = min(lifetime_of(data.get("expires_in")) or MAX_DEVICE_SECONDS, MAX_DEVICE_SECONDS)
    while left > 0:
        sleep(interval)
        left -= interval
        try:
            return _request(endpoints, client, Grant.DEVICE, grant_type=Grant.DEVICE.value, device_code=str(code))
        except TokenError as error:
            if error.code == "slow_down":
                interval = min(interval + DEFAULT_INTERVAL, MAX_INTERVAL)
            elif error.code != "authorization_pending":
                raise
    raise CredentialError("the code was not typed in time", hint="begin again: each login has a code of its own")


def log_in_as_client(endpoints: Endpoints, client: OAuthClient) -> TokenGrant:
    """Return the tokens of the client itself, without a person (RFC 6749 §4.4)."""
    if not client.secret:
        message = "a login of the client itself needs its secret"
        raise CredentialError(message, hint="--client-secret env:NAME, file:PATH or cmd:COMMAND")
    scope = " ".join(client.scopes)
    return _request(endpoints, client, Grant.CLIENT, grant_type=Grant.CLIENT.value, scope=scope)


def _request(endpoints: Endpoints, client: OAuthClient, grant: Grant, **parameters: str) -> TokenGrant:
    """Return the tokens that the endpoint gives, by the first way of authentication that it takes."""
    methods = client_auth_methods(bool(client.secret), endpoints.client_auth_methods)
    for method in methods:
        source = _source(endpoints, client, grant, method)
        try:
            tokens = request_token(source, client.secret, **parameters)
        except TokenError as error:
            # Which form a server takes is known from its metadata alone; a code stays good when a client is refused.
            if error.code != "invalid_client" or method is methods[-1]:
                raise
        else:
            return TokenGrant(source=source, tokens=tokens, client_secret=client.secret)
    raise AssertionError("there is always a way")


def _first_method(endpoints: Endpoints, client: OAuthClient) -> ClientAuthMethod:
    return client_auth_methods(bool(client.secret), endpoints.client_auth_methods)[0]


def _source(endpoints: Endpoints, client: OAuthClient, grant: Grant, method: ClientAuthMethod) -> TokenSource:
    revocation = endpoints.revocation_url
    return TokenSource(
        grant=grant,
        token_url=endpoints.token_url,
        client_id=client.id,
        client_auth=method,
        scopes=client.scopes,
        issuer=endpoints.issuer,
        revocation_url=revocation,
        network=endpoints.network_of(endpoints.token_url).value,
        revocation_network=endpoints.network_of(revocation).value if revocation else "public",
    )


def _verification_url(data: dict[str, Any]) -> str:
    """Return the page for the code; Google calls it `verification_url`."""
    value = data.get("verification_uri") or data.get("verification_url")
    return value if isinstance(value, str) else ""
