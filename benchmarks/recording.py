"""Draws docs/session.svg, the picture of a session in the README, from a real one.

usage: python -m benchmarks.recording [FILE]     (some seconds; `make recording` writes docs/session.svg)

The commands run at a terminal, against a sandbox of the bundled API. The picture shows what the terminal shows, except
that the sandbox has the address of the documents.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

import nlapi
from nlapi.sandbox import running

ROOT = Path(__file__).parent.parent
WIDTH = 108
PATIENCE = 60  # seconds for one command
ADDRESS = "http://127.0.0.1:8080"

SETUP = f"nlapi api add demo ads --base-url {ADDRESS} --auth bearer=env:TOKEN"
SESSION = (
    ('nlapi ask "top 3 campaigns by daily budget" -a demo', ""),
    ('nlapi ask "pause the campaign Summer Sale" -a demo', "y"),
)
"""The commands, each with the answer to its question."""

_QUESTION = b"edit]: "
# The cursor hidden and shown, a line up, a line erased.
_CURSOR = re.compile(r"\x1b\[(?:\?25[lh]|1A|2K)")
# The picture without fonts from the Internet.
_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def terminal_output(command: str, answer: str, environment: dict[str, str]) -> str:
    """Run a command at a terminal, answer its question, and return what it wrote."""
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    program = Path(sys.executable).with_name("nlapi")
    process = subprocess.Popen(
        [program, *shlex.split(command)[1:]], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    is_answered = not answer
    end = time.monotonic() + PATIENCE
    while select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        seen += part
        if not is_answered and _QUESTION in seen:
            os.write(terminal, f"{answer}\n".encode())
            is_answered = True
    os.close(terminal)
    process.terminate()
    process.wait()
    return seen.decode()


def visible_lines(output: str) -> list[str]:
    """Return the lines that stay on the screen: of a line that is drawn over, the last state."""
    lines = [_CURSOR.sub("", line.rstrip("\r").rpartition("\r")[2]) for line in output.split("\n")]
    return [line.rstrip() for line in lines if "reading the description" not in line]


def main() -> None:
    """Run the session and write the picture."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "session.svg"
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    with running(nlapi.load("ads")) as server, tempfile.TemporaryDirectory() as folder:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("NLAPI_", "ANTHROPIC_"))
        }
        environment |= {f"NLAPI_{kind}_DIR": f"{folder}/{kind}" for kind in ("CONFIG", "STATE", "CACHE")}
        environment |= {"TOKEN": "any", "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
        environment.pop("NO_COLOR", None)
        terminal_output(SETUP.replace(ADDRESS, server.url), "", environment)
        for command, answer in SESSION:
            console.print(Text(f"$ {command}", style="bold"))
            for line in visible_lines(terminal_output(command, answer, environment)):
                console.print(Text.from_ansi(line.replace(server.url, ADDRESS)))
    picture = console.export_svg(title="nlapi", theme=MONOKAI, unique_id="session")
    target.write_text(_FONTS.sub("", picture), encoding="utf-8")


if __name__ == "__main__":
    main()
