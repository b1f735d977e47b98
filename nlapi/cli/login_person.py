"""The person at the terminal during a login: what they type unseen, and the pages that they open."""

from __future__ import annotations

import getpass
import os
import select
import sys

from nlapi.cli import console
from nlapi.cli.options import is_interactive
from nlapi.cli.prompts import read_line
from nlapi.client.auth import credential_kind
from nlapi.client.safe_text import single_line, strip_control
from nlapi.errors import MissingCredentialError
from nlapi.openapi.model import SecurityScheme
from nlapi.openapi.urls import parse_url


class TerminalPerson:
    """The Person of nlapi/accounts/flows.py at a terminal. Without a browser, addresses are only shown."""

    def __init__(self, *, opens_browser: bool) -> None:
        self._opens_browser = opens_browser
        self._can_type = not opens_browser and sys.stdin.isatty() and os.name == "posix"

    def open_browser(self, url: str) -> None:
        if self._opens_browser and _open(url):
            console.note(f"Your browser shows {parse_url(url).site}: log in there. If it does not, open\n{url}")
            return
        console.note(f"Open this in a browser, and log in there:\n{url}")
        if self._can_type:
            console.note("If that browser is on another machine, paste the address here that it ends at.")

    def show_code(self, url: str, code: str, complete_url: str) -> None:
        if self._opens_browser and complete_url:
            _open(complete_url)
        console.note(f"Open {url} on any device, and type the code {code}")

    def typed_address(self) -> str | None:
        if not self._can_type or not select.select([sys.stdin], [], [], 0)[0]:
            return None
        line = sys.stdin.readline()
        self._can_type = bool(line)
        return line.strip() or None


def _open(url: str) -> bool:
    """Open a page in a browser with windows; False where there is none."""
    # Without a display `webbrowser` starts a text browser in this very terminal.
    has_windows = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if not (has_windows or os.environ.get("BROWSER")):
        return False
    import threading
    import webbrowser

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # Some wait until they are closed, while the answer that closes them is waited for here.
    threading.Thread(target=browser.open, args=(url,), daemon=True).start()
    return True


def ask_secret(prompt: str) -> str:
    """Return what the person types unseen; without a terminal, the next line of standard input.

    MissingCredentialError where there is nothing.
    """
    if is_interactive():
        try:
            text = getpass.getpass(f"{strip_control(prompt)}: ", stream=sys.stderr)
        except EOFError:
            text = ""
    else:
        text = sys.stdin.readline()
    if not (text := text.strip()):
        hint = "pipe it in, or name where it is: --reference env:NAME, file:PATH or cmd:COMMAND"
        raise MissingCredentialError(f"{single_line(prompt)}: nothing came", hint=hint)
    return text


def ask_credential(scheme: SecurityScheme) -> str:
    """Return the credential for a scheme, typed unseen; of basic, the name is seen."""
    about = single_line(scheme.description)[:200]
    if about and is_interactive():
        console.note(about)
    if scheme.kind == "http" and scheme.scheme == "basic" and is_interactive():
        name = (read_line("user name: ") or "").strip()
        if ":" in name:
            return name
        return f"{name}:{ask_secret('password')}"
    return ask_secret(f"{scheme.id} ({credential_kind(scheme)})")
