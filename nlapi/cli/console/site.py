"""The console of this machine as one ASGI application, and the sign by which MCP servers of this user find it."""

from __future__ import annotations

import asyncio
from types import TracebackType

from nlapi.cli.console.api_pages import ApiPages
from nlapi.cli.console.ask_pages import AskPages
from nlapi.cli.console.log_pages import LogPages
from nlapi.cli.console.pairing import CODE_LENGTH, COOKIE, Pairing
from nlapi.cli.console.runs import Runs
from nlapi.cli.console.waiting_pages import WaitingPages
from nlapi.console.web import PageApp
from nlapi.mcp.console_sign import ConsoleSign
from nlapi.mcp.terminal_questions import new_code


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
