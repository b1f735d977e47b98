"""`nlapi console`: pages on this machine to ask, to answer what waits, and to read the log."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import webbrowser
from contextlib import suppress
from typing import Annotated, Any

from nlapi.cli.options import argument, flag, is_interactive, option
from nlapi.cli.render import console
from nlapi.client_session import is_in_session, is_started_by_model
from nlapi.errors import ConsentError, UsageError, require_extra
from nlapi.serving import open_listener, quiet_server

EPILOG = """nlapi console
nlapi console ads --port 8765
nlapi console openapi.yaml --base-url http://127.0.0.1:8080 --no-browser"""

Apis = Annotated[
    list[str] | None, argument("[API]...", "Further APIs beside the registered ones: a name, a file or a URL.")
]


def console_command(
    apis: Apis = None,
    port: Annotated[int, option("--port -p", "The port; 0 picks a free one.", min=0, max=65535)] = 0,
    host: Annotated[
        str, option("--host", "127.0.0.1 for a browser that does not find names that end in .localhost.")
    ] = "",
    base_url: Annotated[str | None, option("--base-url URL", "Send to this server instead.")] = None,
    no_browser: Annotated[bool, flag("--no-browser", "Do not open a browser.")] = False,
) -> None:
    """Open a page on this machine to ask, to answer what waits, and to read the log.

    It listens on this machine alone, until Ctrl-C. Type the code that it prints into the page once: the browser is then
    paired, and no other one is. Changes are shown on the page and need your consent there.
    """
    require_extra("console", "`nlapi console`")
    _check_person()
    if base_url is not None and len(apis or ()) != 1:
        raise UsageError("--base-url goes with one API", hint="register each with `nlapi api add`")
    if host not in ("", "127.0.0.1"):
        raise UsageError(f"--host {host}: the console is for this machine alone", hint="leave it out, or 127.0.0.1")
    # Cookies of an address go to all of its ports: a name of its own keeps this one's from every other server here.
    name = host or f"nlapi-{secrets.token_hex(4)}.localhost"
    with open_listener("127.0.0.1", port) as (listener, _):
        asyncio.run(_serve(listener, name, apis or [], base_url, opens_browser=not no_browser))
    console.note("stopped")


def _check_person() -> None:
    """ConsentError unless a person has started this in a terminal: whoever sees the code gives consent."""
    if is_in_session() or is_started_by_model(os.getpid()):
        raise ConsentError("a client with a model started this terminal", hint="run it in a terminal of your own")
    if not is_interactive():
        raise ConsentError(
            "the code of the console is shown in a terminal, and there is none", hint="run it in a terminal yourself"
        )


async def _serve(
    listener: socket.socket, name: str, apis: list[str], base_url: str | None, *, opens_browser: bool
) -> None:
    from nlapi.cli.console.site import LocalConsole

    port = listener.getsockname()[1]
    url = f"http://{name}:{port}/"
    site = LocalConsole(apis, base_url, name, port)

    def on_ready() -> None:
        console.write(url)
        console.flush()
        code = site.pairing.code
        console.note(f"code: {code[:4]}-{code[4:]}   (type it into the page; Ctrl-C stops the console)")
        if opens_browser:
            with suppress(webbrowser.Error):
                webbrowser.open(url)

    server: Any = quiet_server(site.app, on_ready)
    async with site:
        await server.serve([listener])
