"""The console of this machine as an ASGI application: who may look at it, and the sign by which MCP servers find it."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType

from nlapi.cli.console.api_pages import ApiPages
from nlapi.cli.console.ask_pages import AskPages
from nlapi.cli.console.log_pages import LogPages
from nlapi.cli.console.runs import Runs
from nlapi.cli.console.waiting_pages import WaitingPages
from nlapi.console.web import SIGN_IN_PATH, PageAnswer, PageApp, PageRequest, redirect, render, session_cookie
from nlapi.mcp.console_sign import ConsoleSign
from nlapi.mcp.terminal_questions import new_code

CODE_LENGTH = 8
MAX_WRONG = 5

COOKIE = "nlapi-console"

PAGES = (("/", "Ask"), ("/waiting", "Waiting"), ("/log", "Log"), ("/costs", "Costs"), ("/apis", "APIs"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedBrowser:
    """What each page shows of the console around it; `waiting` is the number of questions that wait."""

    waiting: int
    about: str

    @property
    def pages(self) -> list[tuple[str, str]]:
        """The paths and the names of the pages."""
        mark = f" ({self.waiting})" if self.waiting else ""
        return [(path, name + (mark if path == "/waiting" else "")) for path, name in PAGES]


@dataclass(slots=True, kw_only=True)
class Pairing:
    """Pairs one browser, by the code; five wrong codes end it until the console is started again.

    The key of a browser is in this process alone. `count` tells how many questions wait.
    """

    code: str
    about: str
    count: Callable[[], Awaitable[int]]
    cookie: str = COOKIE
    wrong: int = 0
    keys: set[str] = field(default_factory=set)

    async def session(self, request: PageRequest) -> PairedBrowser | None:
        """Return what a paired browser sees; None for any other."""
        offered = request.cookies.get(self.cookie, "").encode("utf-8", "replace")
        if not any(hmac.compare_digest(offered, key.encode()) for key in self.keys):
            return None
        return PairedBrowser(waiting=await self.count(), about=self.about)

    async def answer(self, request: PageRequest) -> PageAnswer:
        """Return the page that asks for the code, or pair the browser that has it."""
        if request.method != "POST":
            return self._form(request, "")
        typed = "".join(request.form.get("code", "").lower().split()).replace("-", "")
        is_open = bool(self.code) and self.wrong < MAX_WRONG
        if is_open and hmac.compare_digest(typed.encode("utf-8", "replace"), self.code.encode()):
            self.code, key = "", secrets.token_urlsafe(32)
            self.keys.add(key)
            return redirect(request, "/", session_cookie(self.cookie, key, request.prefix))
        self.wrong += is_open
        return self._form(request, "That is not the code.", 403)

    def _form(self, request: PageRequest, fault: str, status: int = 200) -> PageAnswer:
        is_open = bool(self.code) and self.wrong < MAX_WRONG
        return render(request, "local/pair.html", status=status, fault=fault, is_open=is_open, action=SIGN_IN_PATH)


class LocalConsole:
    """The pages of `nlapi console` on one name and port; the runs end with it."""

    def __init__(self, apis: list[str], base_url: str | None, host: str, port: int) -> None:
        self._runs = Runs()
        waiting = WaitingPages(runs=self._runs)
        ask = AskPages(sources=apis, base_url=base_url, runs=self._runs)
        self.pairing = Pairing(
            code=new_code(CODE_LENGTH), about=f"{host}:{port}", count=waiting.count, cookie=f"{COOKIE}-{port}"
        )
        routes = {**ask.routes, **waiting.routes, **LogPages(runs=self._runs).routes, **ApiPages(ask=ask).routes}
        self.app = PageApp(routes, self.pairing, hosts=(host,), only_hosts=True)
        self._sign = ConsoleSign(host, port)

    async def __aenter__(self) -> LocalConsole:
        await self._sign.show()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sign.close()
        await asyncio.shield(self._runs.end())
