"""A console of this machine on loopback, and a browser without scripts that looks at it."""

from __future__ import annotations

import asyncio
import html
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from nlapi.cli.console.site import LocalConsole
from nlapi.serving import open_listener, quiet_server

NAME = "nlapi-0badcafe.localhost"


@dataclass
class Browser:
    """Keeps cookies and follows redirects; `text` is the page that it shows."""

    port: int
    host: str = NAME
    cookies: dict[str, str] = field(default_factory=dict)
    text: str = ""
    status: int = 0
    policy: str = ""

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(self, path: str, **headers: str) -> str:
        return self._send("GET", path, None, headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> str:
        """Send a form from this console's page, unless `origin` is another's."""
        return self._send("POST", path, form, {"origin": self.origin, **headers})

    def press(self, button: str, **values: str) -> str:
        """Send the form that has a button of this text, with what is typed into it."""
        for whole in re.findall(r"<form.*?</form>", self.text, re.DOTALL):
            found = re.search(rf"<button([^>]*)>{re.escape(button)}</button>", whole)
            if found is not None:
                form = {**self._fields(whole), **values}
                name, value = (re.search(rf'{key}="([^"]*)"', found[1]) for key in ("name", "value"))
                if name is not None and value is not None:
                    form[name[1]] = value[1]
                action = re.search(r'action="([^"]*)"', whole)
                assert action is not None
                self.sent = action[1], form
                return self.post(*self.sent)
        raise AssertionError(f"no button {button!r} in {self.text}")

    def again(self) -> str:
        """Send the last form once more, as a second click does."""
        return self.post(*self.sent)

    def _fields(self, form: str) -> dict[str, str]:
        fields = {}
        for tag in re.findall(r"<input[^>]*>", form):
            name, value = (re.search(rf'\b{key}="([^"]*)"', tag) for key in ("name", "value"))
            if name is not None and 'type="radio"' not in tag and 'type="checkbox"' not in tag:
                fields[name[1]] = html.unescape(value[1]) if value is not None else ""
        return fields

    def _send(self, method: str, path: str, form: Mapping[str, str] | None, headers: dict[str, str]) -> str:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"host": f"{self.host}:{self.port}", **({"cookie": cookie} if cookie else {}), **headers}
        url = f"http://127.0.0.1:{self.port}{path}"
        answer = httpx2.request(method, url, data=form, headers=sent, timeout=60)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        if answer.status_code == 303:
            return self._send("GET", answer.headers["location"], None, {})
        self.status, self.text = answer.status_code, answer.text
        self.policy = answer.headers["content-security-policy"]
        return self.text


@dataclass(frozen=True)
class Served:
    """A running console and its pairing code."""

    port: int
    code: str

    def browser(self, **more: Any) -> Browser:
        return Browser(self.port, **more)

    def paired(self) -> Browser:
        browser = self.browser()
        browser.post("/sign-in", {"code": self.code})
        assert browser.status == 200, browser.text
        return browser


@contextmanager
def console(*apis: str, base_url: str | None = None) -> Iterator[Served]:
    """Serve a console in a thread."""
    with open_listener("127.0.0.1", 0) as (listener, _):
        port = listener.getsockname()[1]
        site = LocalConsole([*apis], base_url, NAME, port)
        ready = threading.Event()
        server = quiet_server(site.app, ready.set)

        async def serve() -> None:
            async with site:
                await server.serve([listener])

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        try:
            assert ready.wait(60)
            yield Served(port, site.pairing.code)
        finally:
            server.stop()
            thread.join(60)
