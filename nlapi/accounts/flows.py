"""Gets tokens from an authorization server: with a browser and a loopback (RFC 8252), by a code, or for the client."""

from __future__ import annotations

import hmac
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from nlapi.accounts.authorization_server import (
    Endpoints,
    TokenError,
    TokenResponse,
    client_auth_methods,
    endpoint_url,
    is_token,
    lifetime_of,
    post_form,
    request_token,
    request_token_by_password,
    require_secure,
)
from nlapi.accounts.store import ClientAuthMethod, Grant, Login, LoginKind, Secrets, TokenSource, new_secret_id
from nlapi.client.safe_text import single_line
from nlapi.errors import CredentialError, UsageError, file_faults, require_extra
from nlapi.openapi.urls import is_http_url, parse_url

DEFAULT_REDIRECT = "http://127.0.0.1/callback"
# In seconds, for one request of a browser: another program on this machine may connect and say nothing.
REQUEST_SECONDS = 5.0
# A browser also asks for an icon, and a page of the Web may try states.
MAX_REQUESTS = 200

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>nlapi</title>
<body style="font: 1.1em system-ui; margin: 4em"><h1>{title}</h1><p>{text}</p></body></html>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationAnswer:
    """The query of the redirect: names -> values. One that stands there twice is "", and so refused (RFC 6749 §3.1)."""

    parameters: dict[str, str]

    @classmethod
    def of(cls, url: str) -> AuthorizationAnswer:
        pairs = parse_qs(urlsplit(url).query, keep_blank_values=True, max_num_fields=50)
        return cls(parameters={name: values[0] if len(values) == 1 else "" for name, values in pairs.items()})

    def has_state(self, state: str) -> bool:
        """Return whether it answers the request with this state."""
        return hmac.compare_digest(self.parameters.get("state", "").encode(), state.encode())


class LoopbackReceiver:
    """A server on loopback that takes one redirect with the right state. Use it in a `with` block.

    `redirect_uri` is a loopback URL; port 0, or none, takes a free port. CredentialError when the port is taken.
    """

    def __init__(self, redirect_uri: str = DEFAULT_REDIRECT) -> None:
        address = parse_url(redirect_uri)
        if address.scheme != "http" or not address.is_loopback:
            hint = "such as http://127.0.0.1:8765/callback, as you registered it with the API"
            raise UsageError("the redirect URI has to be http on this machine", hint=hint)
        port = urlsplit(redirect_uri).port or 0
        self._path = address.path
        self._answer: AuthorizationAnswer | None = None
        self._state = ""
        self.ignored = 0
        outer = self

        class RedirectHandler(BaseHTTPRequestHandler):
            timeout = REQUEST_SECONDS

            def do_GET(self) -> None:
                outer._receive(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        # On IPv4, to which browsers fall back for `localhost` too.
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET

        class RedirectServer(HTTPServer):
            address_family = family
            allow_reuse_address = False

        with file_faults(
            f"port {port} of this machine, to which the browser would come back, is taken",
            CredentialError,
            hint="--redirect-uri names another, if the API allows it",
        ):
            self._server = RedirectServer(("::1" if family is socket.AF_INET6 else "127.0.0.1", port), RedirectHandler)
        host = f"[{address.host}]" if ":" in address.host else address.host
        self.redirect_uri = f"http://{host}:{self._server.server_address[1]}{address.path}"

    def __enter__(self) -> LoopbackReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def fileno(self) -> int:
        return self._server.fileno()

    def wait(self, state: str, seconds: float, poll: Callable[[], str | None] | None = None) -> AuthorizationAnswer:
        """Return the redirect with `state`. Others are refused and waited past: any page of the Web may send one.

        `poll` may give the address that the browser came to on another machine. CredentialError after `seconds`.
        """
        self._state = state
        end = time.monotonic() + seconds
        self._server.timeout = 0.2 if poll else 1.0
        while self._answer is None and time.monotonic() < end and self.ignored < MAX_REQUESTS:
            self._server.handle_request()
            if poll is not None and self._answer is None and (url := poll()):
                answer = AuthorizationAnswer.of(url)
                if not answer.has_state(state):
                    raise CredentialError("that address is not the answer to this login", hint="begin again")
                self._answer = answer
        if self._answer is None:
            more = f"; {self.ignored} with another state came and were refused" if self.ignored else ""
            message = f"the browser did not come back within {seconds:g} s{more}"
            raise CredentialError(message, hint="--flow device needs no browser on this machine, if the API has it")
        return self._answer

    def _receive(self, handler: BaseHTTPRequestHandler) -> None:
        host = (handler.headers.get("Host") or "").rpartition(":")[0].strip("[]")
        if urlsplit(handler.path).path != self._path or host not in ("127.0.0.1", "localhost", "::1"):
            _reply(handler, 404, "Nothing is here", "This address only waits for a login.")
            return
        answer = AuthorizationAnswer.of(handler.path)
        if not answer.has_state(self._state):
            self.ignored += 1
            text = "This is not the answer to the login that waits here. Nothing was taken from it."
            _reply(handler, 400, "Refused", text)
            return
        self._answer = answer
        if "error" in answer.parameters:
            _reply(handler, 200, "Not logged in", answer.parameters["error"])
        else:
            _reply(handler, 200, "You may close this page", "The login goes on in the terminal.")


def _reply(handler: BaseHTTPRequestHandler, status: int, title: str, text: str) -> None:
    content = _PAGE.format(title=escape(title), text=escape(text[:200])).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.send_header("Content-Length", str(len(content)))
    # The address has the code in it, which no other site and no cache needs to know.
    handler.send_header("Referrer-Policy", "no-referrer")
    handler.send_header("Cache-Control", "no-store")
    handler.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(content)


# In seconds: how long a person may take at the browser, and how often to poll for a device code (RFC 8628 §3.5).
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
    # RFC 8628 §3.1 defines no authentication here; the client uses that of the token endpoint.
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


def log_in_with_password(endpoints: Endpoints, client: OAuthClient, username: str, password: str) -> TokenGrant:
    """Return the tokens for a user name and a password, which are not stored (RFC 6749 §4.3)."""
    require_secure(endpoints.token_url, "token endpoint")
    source = _source(endpoints, client, Grant.PASSWORD, _first_method(endpoints, client))
    tokens = request_token_by_password(source, client.secret, username, password, " ".join(client.scopes))
    return TokenGrant(source=source, tokens=tokens, client_secret=client.secret)


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
