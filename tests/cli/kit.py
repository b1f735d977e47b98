"""What the tests of the command line share: ways to run it, a small description, and its API on loopback."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlapi.cli.main import main
from tests.servers import Echo, Received, Reply

NLAPI = str(Path(sys.executable).with_name("nlapi"))
SHARED = Path(__file__).parents[3] / "shared"
PATIENCE = 120
"""Seconds after which a dialogue is given up; nothing waits this long unless it hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """The one line on standard error; AssertionError unless it is one `error: ` line and no more."""
        assert self.err.startswith("error: "), self.err
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n"), self.err
        return self.err.removeprefix("error: ").strip()


class _Stream(io.TextIOWrapper):
    """A standard stream in memory."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", newline="")

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode("utf-8", "surrogateescape")


def run(*words: str, stdin: str | bytes = "") -> Ran:
    """`nlapi` with these words, in this process: all of the command but the start of the interpreter."""
    out, err = _Stream(), _Stream()
    given = stdin.encode() if isinstance(stdin, str) else stdin
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["nlapi", *words], _Stream(given)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        return Ran(code=int(end.code or 0), out=out.text, err=err.text)
    finally:
        sys.argv, sys.stdin = before
    raise AssertionError("main returned")


def command(*words: str, stdin: str | None = None, **env: str) -> Ran:
    """The real `nlapi` command with these words, its streams no terminals."""
    done = subprocess.run(
        [NLAPI, *words],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=PATIENCE,
    )
    return Ran(code=done.returncode, out=done.stdout, err=done.stderr)


class Dialogue:
    """A running command at a terminal. What is to be read from it is waited for, never slept for."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.seen = ""
        self._from = 0

    def expect(self, text: str) -> None:
        """Waits until the terminal shows `text`, after what was expected before."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen[self._from :]:
            assert time.monotonic() < end and self._read(), f"never saw {text!r} in {self.seen!r}"
        self._from = self.seen.index(text, self._from) + len(text)

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, again when nothing comes of it: one that falls between a prompt and its `select` is lost in C."""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            if select.select([self.terminal], [], [], 1.0)[0]:
                return

    def break_off(self) -> int:
        """Ctrl-C until the command is over; its exit code."""
        while self.process.poll() is None:
            self.interrupt()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
            self._read()
        return self.end()

    def end(self) -> int:
        """The exit code, once the command is over."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.terminal], [], [], PATIENCE)
        try:
            data = os.read(self.terminal, 65536) if ready else b""
        except OSError:  # EIO: nobody holds the other end any more
            data = b""
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def dialogue(*words: str, stdout: Any = None, lines: int = 0) -> Iterator[Dialogue]:
    """The real `nlapi` command at a terminal of its own; with `stdout` (a file), only its input and its errors.

    The terminal does not tell its size, unless it has a number of lines.
    """
    terminal, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (lines, 80 if lines else 0))
    process = subprocess.Popen([NLAPI, *words], stdin=theirs, stdout=stdout or theirs, stderr=theirs)
    with _at_terminal(process, terminal, theirs) as talk:
        yield talk


TAKES_TERMINAL = """
import contextlib, fcntl, os, sys, termios
with contextlib.suppress(OSError):
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def shell_dialogue(*command: str, env: Mapping[str, str], lines: int = 0) -> Iterator[Dialogue]:
    """A shell, or another command, at a terminal of its own, whose jobs it controls; there `\x03` is Ctrl-C.

    The shell inherits the terminal. If it opened it by a path, nobody would hold it until then, and a read would fail.
    """
    terminal, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (lines, 80 if lines else 0))
    process = subprocess.Popen(
        [sys.executable, "-c", TAKES_TERMINAL, *command],
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    with _at_terminal(process, terminal, theirs) as talk:
        yield talk


@contextmanager
def _at_terminal(process: subprocess.Popen[bytes], terminal: int, theirs: int) -> Iterator[Dialogue]:
    os.close(theirs)
    try:
        yield Dialogue(process, terminal)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _operation(id: str, summary: str, parameters: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
    responses = {"200": {"description": "ok"}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": responses, **more}


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _body(content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {content_type: {"schema": schema}}}}


NOTE = {"name": "note", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The id of a note"}
NEW = {
    "type": "object",
    "required": ["title"],
    "properties": {
        "title": {"type": "string"},
        "points": {"type": "integer"},
        "labels": {"type": "array", "items": {"type": "string"}},
        "extra": {"type": "object"},
    },
}
UPLOAD = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}, "caption": {"type": "string"}},
}
FILTERS = [
    _query("status", type="string", enum=["open", "done"]),
    _query("limit", type="integer"),
    _query("pinned", type="boolean"),
    _query("label", type="array", items={"type": "string"}),
    _query("filter[owner]", type="string"),
]
NOTES: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Notes", "version": "1"},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {
        "/notes": {
            "get": _operation("listNotes", "List notes", FILTERS),
            "post": _operation("createNote", "Create a note", **_body("application/json", NEW)),
        },
        "/notes/{note}": {
            "get": _operation("getNote", "Get a note", [NOTE]),
            "delete": _operation("deleteNote", "Delete a note", [NOTE]),
        },
        "/notes/{note}/file": {
            "post": _operation("attachFile", "Attach a file to a note", [NOTE], **_body("multipart/form-data", UPLOAD)),
            "put": _operation("putFile", "Put a file", [NOTE], **_body("application/octet-stream", {})),
        },
    },
}
BEARER = {
    "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    "security": [{"token": []}],
}


def notes(folder: Path, url: str = "http://127.0.0.1:9", **more: Any) -> str:
    """The path of the small description, with its API at `url`; `more` is added to its top."""
    file = folder / "notes.json"
    file.write_text(json.dumps({**NOTES, "servers": [{"url": url}], **more}))
    return str(file)


def notes_api() -> Echo:
    """An API for it: two notes, and whatever is created is note n3."""
    kept = [{"id": "n1", "title": "Milk", "status": "open"}, {"id": "n2", "title": "Rent", "status": "done"}]

    def answer(request: Received) -> Reply:
        if request.method == "POST":
            return Reply(201, {"id": "n3", **request.json()})
        if request.method == "DELETE":
            return Reply(204)
        if request.path == "/notes":
            wanted = dict(request.query).get("status")
            return Reply(200, {"items": [note for note in kept if wanted in (None, note["status"])]})
        found = [note for note in kept if request.path == f"/notes/{note['id']}"]
        return Reply(200, found[0]) if found else Reply(404, {"title": "no such note"})

    return Echo(answer)
