"""The pages of a gateway under /console, in front of its API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from nlapi.console.gateway import objective_pages, record_pages
from nlapi.console.gateway.reviews import Reviews
from nlapi.console.gateway.session import TokenSignIn
from nlapi.console.web import PageAnswer, PageApp, PageHandler, PageRequest
from nlapi.serving import Message, Receive, Send, raw_path

if TYPE_CHECKING:
    from nlapi.gateway.http.app import Gateway

PREFIX = "/console"


class GatewayConsole:
    """The ASGI application of a gateway with its pages: what is not below /console is the gateway's own.

    `hosts` are the host names that the gateway accepts besides those of loopback, `is_secure` says that it speaks TLS.
    """

    def __init__(self, gateway: Gateway, *, hosts: Iterable[str] = (), is_secure: bool = False) -> None:
        self._gateway = gateway
        sign_in = TokenSignIn(gateway, gateway.access.authenticate, gateway.store.id, is_secure=is_secure)
        self._pages = PageApp(_routes(sign_in), sign_in, prefix=PREFIX, hosts=hosts)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request for a page, and pass all others on."""
        is_page = scope["type"] == "http" and f"{raw_path(scope)}/".startswith(f"{PREFIX}/")
        await (self._pages if is_page else self._gateway)(scope, receive, send)


def _routes(sign_in: TokenSignIn) -> Mapping[tuple[str, str], PageHandler]:
    async def sign_out(request: PageRequest) -> PageAnswer:
        return sign_in.sign_out(request)

    reviews = Reviews()
    return {
        ("GET", "/"): objective_pages.list_objectives,
        ("GET", "/objectives/{objective}"): objective_pages.show_objective,
        ("GET", "/change/{action}"): reviews.show,
        ("POST", "/change/{action}"): reviews.answer,
        ("GET", "/changed/{review}"): reviews.show_outcome,
        ("GET", "/decisions"): record_pages.list_decisions,
        ("GET", "/decisions/{request_id}"): record_pages.show_decision,
        ("GET", "/revisions"): record_pages.list_revisions,
        ("GET", "/revisions/{revision}"): record_pages.show_revision,
        ("GET", "/audit"): record_pages.list_audit_entries,
        ("GET", "/spend"): record_pages.show_spend,
        ("GET", "/shards"): record_pages.list_shards,
        ("POST", "/sign-out"): sign_out,
    }
