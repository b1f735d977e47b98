"""The sign-in to the pages of a gateway: a token of its API, which lies in a cookie that no script can read."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from nlapi.console.gateway.api import AsgiApp, GatewayApi, GatewayRefusal, api_target
from nlapi.console.web import SIGN_IN_PATH, PageAnswer, PageRequest, redirect, render, session_cookie
from nlapi.errors import NlapiError
from nlapi.gateway.control.access import Audience, Caller, Role

PAGES = (
    ("/", "Objectives"),
    ("/decisions", "Decisions"),
    ("/revisions", "Revisions"),
    ("/spend", "Spend"),
    ("/shards", "Shards"),
    ("/audit", "Audit"),
)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{8,512}")

Authenticate = Callable[[str], Awaitable[Caller]]
"""from an Authorization header to its caller, as the API has it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySession:
    """A user of the pages, and the API as this user may call it."""

    api: GatewayApi
    name: str = ""
    can_change: bool = False
    about: str = ""
    pages: tuple[tuple[str, str], ...] = PAGES


class TokenSignIn:
    """Asks for a token of the gateway, and checks it with a call of the API."""

    def __init__(self, app: AsgiApp, authenticate: Authenticate, gateway_id: str, *, is_secure: bool) -> None:
        # Browsers send cookies to every port of a host: another gateway on this machine must not get this token.
        self.cookie = f"nlapi_gateway_{sha256(gateway_id.encode()).hexdigest()[:12]}"
        self._app = app
        self._authenticate = authenticate
        self._is_secure = is_secure

    async def session(self, request: PageRequest) -> GatewaySession | None:
        """Return the session of the token in the cookie; None when the gateway does not take it (any more)."""
        token = request.cookies.get(self.cookie, "")
        if not _TOKEN.fullmatch(token):
            return None
        try:
            caller = await self._authenticate(f"Bearer {token}")
        except NlapiError:
            return None
        if caller.audience is not Audience.ADMIN:
            return None
        api = GatewayApi(self._app, token)
        revision = (await api.get("health"))["revision"]
        about = f"revision {revision} · {caller.name} ({caller.role})"
        return GatewaySession(api=api, name=caller.name, can_change=caller.role is not Role.VIEWER, about=about)

    async def answer(self, request: PageRequest) -> PageAnswer:
        """Return the page that asks for a token, or lead to the first page with a token that the API takes."""
        if request.method != "POST":
            return self._page(request, "")
        token = request.form.get("token", "").strip()
        if not _TOKEN.fullmatch(token):
            return self._page(request, "This is not a token.", 401)
        api = GatewayApi(self._app, token)
        try:
            await api.call("GET", api_target("v1", "objectives", limit=1))
        except GatewayRefusal as refusal:
            return self._page(request, f"The gateway does not take it: {refusal.message}.", refusal.status)
        return redirect(request, "/", self._set_cookie(request, token))

    def sign_out(self, request: PageRequest) -> PageAnswer:
        """Return an answer that takes the token out of the browser."""
        return redirect(request, SIGN_IN_PATH, self._set_cookie(request, ""))

    def _set_cookie(self, request: PageRequest, token: str) -> tuple[str, str]:
        return session_cookie(self.cookie, token, request.prefix, is_secure=self._is_secure or request.is_secure)

    def _page(self, request: PageRequest, problem: str, status: int = 200) -> PageAnswer:
        guest = replace(request, session=GatewaySession(api=GatewayApi(self._app, ""), pages=()))
        return render(guest, "gateway/sign_in.html", status=status, problem=problem)
