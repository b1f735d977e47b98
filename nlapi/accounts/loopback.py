"""Waits on loopback for the browser that an authorization server sends back (RFC 8252 §7.3)."""

from __future__ import annotations

import hmac
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nlapi.errors import CredentialError, UsageError
from nlapi.openapi.urls import parse_url

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

        try:
            self._server = RedirectServer(("::1" if family is socket.AF_INET6 else "127.0.0.1", port), RedirectHandler)
        except OSError as error:
            message = f"port {port} of this machine, to which the browser would come back, is taken: {error.strerror}"
            raise CredentialError(message, hint="--redirect-uri names another, if the API allows it") from None
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
