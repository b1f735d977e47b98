"""An OAuth authorization server on loopback: authlib's own server classes, with its state in memory.

Its rules are authlib's (RFC 6749, 7009, 7636, 8628); here are only the HTTP around it and what it stores. A refresh
token is good once: one that comes a second time ends the whole login, as RFC 9700 §4.14.2 has it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Payload, OAuth2Request, grants
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialMixin
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc.jwk import RSAKey

from tests.servers import Echo, Received, Reply

USER = "ada"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(ClientMixin):  # type: ignore[misc]
    client_id: str
    secret: str = ""
    auth_methods: tuple[str, ...] = ("none", "client_secret_basic", "client_secret_post")

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        # RFC 8252 §7.3: any port of loopback.
        return urlsplit(redirect_uri).hostname == "127.0.0.1"

    def check_client_secret(self, client_secret: str) -> bool:
        return bool(self.secret) and client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in self.auth_methods and (method == "none") == (not self.secret)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type != "client_credentials" or bool(self.secret)


@dataclass(slots=True, kw_only=True)
class Issued(TokenMixin):  # type: ignore[misc]
    client_id: str
    access_token: str
    refresh_token: str
    scope: str
    lifetime: int
    family: str
    issued_at: float = field(default_factory=time.time)
    is_used: bool = False
    is_gone: bool = False

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.lifetime

    def is_expired(self) -> bool:
        return time.time() > self.issued_at + self.lifetime

    def is_revoked(self) -> bool:
        return self.is_gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Code(AuthorizationCodeMixin):  # type: ignore[misc]
    code: str
    client_id: str
    redirect_uri: str
    scope: str
    challenge: str
    method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCredential(DeviceCredentialMixin):  # type: ignore[misc]
    client_id: str
    scope: str
    user_code: str

    def get_client_id(self) -> str:
        return self.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_user_code(self) -> str:
        return self.user_code

    def is_expired(self) -> bool:
        return False


class _Payload(OAuth2Payload):  # type: ignore[misc]
    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    @property
    def data(self) -> dict[str, str]:
        return dict(self.pairs)

    @property
    def datalist(self) -> dict[str, list[str]]:
        values = defaultdict(list)
        for name, value in self.pairs:
            values[name].append(value)
        return values


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(self, received: Received, url: str) -> None:
        super().__init__(received.method, url + received.target, headers=_Headers(received.headers))
        self._query = received.query
        self._form = parse_qsl(received.body.decode(), keep_blank_values=True)
        self.payload = _Payload([*self._query, *self._form])

    @property
    def args(self) -> dict[str, str]:
        return dict(self._query)

    @property
    def form(self) -> dict[str, str]:
        return dict(self._form)


class _Headers(dict[str, str]):
    """Headers by their names in any case."""

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        super().__init__({name.lower(): value for name, value in pairs})

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class _Server(AuthorizationServer):  # type: ignore[misc]
    """authlib's server with its answers as Replies."""

    def __init__(self, outer: LoopbackAuthorizationServer) -> None:
        super().__init__()
        self.outer = outer

    def query_client(self, client_id: str) -> Client | None:
        return self.outer.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        earlier = getattr(request, "refresh_token", None)
        self.outer.tokens.append(
            Issued(
                client_id=request.client.client_id,
                access_token=token["access_token"],
                refresh_token=token.get("refresh_token", ""),
                scope=token.get("scope", ""),
                lifetime=token["expires_in"],
                family=earlier.family if isinstance(earlier, Issued) else token["access_token"],
            )
        )

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass

    def create_oauth2_request(self, request: Any) -> Any:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Reply:
        return Reply(status, body if isinstance(body, dict) else (body or "").encode(), dict(headers))


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")

    def save_authorization_code(self, code: str, request: Any) -> None:
        data = request.payload.data
        entry = Code(
            code=code,
            client_id=request.client.client_id,
            redirect_uri=data.get("redirect_uri", ""),
            scope=request.scope or "",
            challenge=data.get("code_challenge", ""),
            method=data.get("code_challenge_method", ""),
        )
        self.server.outer.codes[code] = entry

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        entry = self.server.outer.codes.get(code)
        return entry if entry is not None and entry.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.server.outer.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return USER


class _CodeChallenge(CodeChallenge):  # type: ignore[misc]
    def get_authorization_code_challenge(self, authorization_code: Code) -> str:
        return authorization_code.challenge

    def get_authorization_code_challenge_method(self, authorization_code: Code) -> str:
        return authorization_code.method


class _RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    INCLUDE_NEW_REFRESH_TOKEN = True
    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")

    def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
        tokens = self.server.outer.tokens
        token = next((token for token in tokens if token.refresh_token == refresh_token), None)
        if token is None or token.is_gone:
            return None
        if token.is_used:
            self.server.outer.revoke(token.family)
            self.server.outer.reused += 1
            return None
        return token

    def authenticate_user(self, refresh_token: Issued) -> str:
        return USER

    def revoke_old_credential(self, refresh_token: Issued) -> None:
        refresh_token.is_used = True
        self.server.outer.refreshed += 1


class _DeviceGrant(DeviceCodeGrant):  # type: ignore[misc]
    def query_device_credential(self, device_code: str) -> DeviceCredential | None:
        return self.server.outer.devices.get(device_code)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        outer = self.server.outer
        outer.device_polls += 1
        return (USER, outer.approves) if outer.device_polls > outer.pending_polls else None

    def should_slow_down(self, credential: DeviceCredential) -> bool:
        return False


class _DeviceEndpoint(DeviceAuthorizationEndpoint):  # type: ignore[misc]
    INTERVAL = 1

    def get_verification_uri(self) -> str:
        return f"{self.server.outer.url}/device"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        entry = DeviceCredential(client_id=client_id, scope=scope or "", user_code=data["user_code"])
        self.server.outer.devices[data["device_code"]] = entry


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")

    def query_token(self, token_string: str, token_type_hint: str) -> Issued | None:
        tokens = self.server.outer.tokens
        return next((token for token in tokens if token_string in (token.refresh_token, token.access_token)), None)

    def revoke_token(self, token: Issued, request: Any) -> None:
        self.server.outer.revoke(token.family)


class _SignedTokens(JWTBearerTokenGenerator):  # type: ignore[misc]
    """Access tokens that are JWTs for one audience."""

    def __init__(self, outer: LoopbackAuthorizationServer) -> None:
        super().__init__(outer.url, expires_generator=lambda client, grant_type: outer.lifetime)
        self.outer = outer

    def get_jwks(self) -> RSAKey | None:
        return self.outer.signing_key

    def get_audiences(self, client: Client, user: Any, scope: str) -> str:
        return self.outer.audience


class LoopbackAuthorizationServer(Echo):
    """The server, with the API's own paths beside it: everything that is no endpoint needs a token that is good.

    `lie` may answer in place of the token endpoint. `approves`: the person says yes. `pending_polls` are the polls of a
    device before that. `lifetime` is that of an access token, in seconds. With `audience` they are JWTs; `/jwks` has
    their key.
    """

    def __init__(self, *clients: Client, lifetime: int = 3600, audience: str = "") -> None:
        super().__init__()
        self.audience = audience
        self.signing_key = RSAKey.generate_key(2048, {"kid": "k1"}) if audience else None
        self.clients = {client.client_id: client for client in clients}
        self.lifetime = lifetime
        self.tokens: list[Issued] = []
        self.codes: dict[str, Code] = {}
        self.devices: dict[str, DeviceCredential] = {}
        self.approves = True
        self.pending_polls = 0
        self.device_polls = 0
        self.refreshed = 0
        self.reused = 0
        self.lie: Callable[[Received], Reply] | None = None
        self.metadata: dict[str, Any] = {}
        self.api_calls: list[Received] = []
        self._guard = threading.Lock()
        self._oauth = self._build()

    def _build(self) -> _Server:
        server = _Server(self)
        generator = BearerTokenGenerator(
            lambda **_: f"at-{generate_token(30)}",
            lambda **_: f"rt-{generate_token(30)}",
            lambda client, grant_type: self.lifetime,
        )
        server.register_token_generator("default", _SignedTokens(self) if self.audience else generator)
        server.register_grant(_CodeGrant, [_CodeChallenge(required=True)])
        server.register_grant(_RefreshGrant)
        server.register_grant(grants.ClientCredentialsGrant)
        server.register_grant(_DeviceGrant)
        server.register_endpoint(_DeviceEndpoint)
        server.register_endpoint(_Revocation)
        return server

    def revoke(self, family: str) -> None:
        for token in self.tokens:
            if token.family == family:
                token.is_gone = True

    def revoke_all(self) -> None:
        for token in self.tokens:
            token.is_gone = True

    def is_good(self, access_token: str) -> bool:
        return any(t.access_token == access_token and not (t.is_gone or t.is_expired()) for t in self.tokens)

    def reply(self, request: Received) -> Reply:
        with self._guard:
            return self._reply(request)

    def _reply(self, request: Received) -> Reply:
        if "/.well-known/" in request.path:
            return Reply(200, self._metadata()) if request.path.endswith("/openid-configuration") else Reply(404)
        if request.path == "/jwks" and self.signing_key is not None:
            return Reply(200, {"keys": [self.signing_key.as_dict(private=False)]})
        if request.path == "/token":
            if self.lie is not None:
                return self.lie(request)
            return self._oauth.create_token_response(_Request(request, self.url))
        if request.path == "/authorize":
            return self._authorize(_Request(request, self.url))
        for path, endpoint in (("/device", "device_authorization"), ("/revoke", "revocation")):
            if request.path == path:
                return self._oauth.create_endpoint_response(endpoint, _Request(request, self.url))
        return self._call(request)

    def _authorize(self, request: _Request) -> Reply:
        try:
            grant = self._oauth.get_consent_grant(request, end_user=USER)
        except OAuth2Error as error:
            return Reply(400, json.dumps(dict(error.get_body())).encode())
        user = USER if self.approves else None
        return self._oauth.create_authorization_response(request, grant_user=user, grant=grant)

    def _call(self, request: Received) -> Reply:
        self.api_calls.append(request)
        token = (request.header("authorization") or "").removeprefix("Bearer ")
        if not self.is_good(token):
            return Reply(401, {"error": "no"}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return Reply(200, {"path": request.path, "echo": request.header("authorization")})

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
            "revocation_endpoint": f"{self.url}/revoke",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            **self.metadata,
        }
