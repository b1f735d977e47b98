"""The broker of a client's session: keeps credentials and receipts in its memory, and sends the confirmed requests.

It is one process with one loop, and a fork for each connection. The forks ask it over their own pair of sockets
(docs/design/083-receipts.md).
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import selectors
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol

from nlapi.cli.agents.session_channel import EVENTS, OUTPUT_VARIABLES, SOCKET
from nlapi.client_session import PluginSign, has_outer_client
from nlapi.local_sockets import bind, receive_message, send_message
from nlapi.processes import ProcessInfo, ancestors, hide_memory, is_channel_from, peer_of, process_info
from nlapi.system import IS_LINUX

# inotify(7). A mark that is made, or written again; and a folder on the way to it that is moved, replaced or closed.
_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x4, 0x8, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_MADE = _CREATE | _CLOSE_WRITE | _MOVED_TO | _MODIFY
_PLACE = _CREATE | _MOVED_FROM | _MOVED_TO | _DELETE | _ATTRIB
_SELF = _ATTRIB | _DELETE_SELF | _MOVE_SELF
_HEADER = struct.Struct("iIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderNews:
    """What has happened since the last look: the marks that were made, and whether the way to them was touched."""

    marks: tuple[str, ...] = ()
    is_touched: bool = False


class SessionWatch(Protocol):
    """Tells what happens to the marks of a session, and to the files that make them, to the broker alone.

    A hook makes a mark for each event of the client. The model's shell may remove it, or move a folder away while a
    hook looks for it and back again: the queue of inotify(7) holds both, and no other process can read or empty it.
    """

    def read(self) -> FolderNews:
        """Return the news since the last call."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that can be read from where there are news, or -1."""
        ...


def watch_session(marks: Path, files: Iterable[Path]) -> SessionWatch:
    """Watch the folder of the marks, and all names on the way to it and to the files, from now on."""
    if IS_LINUX:
        with suppress(OSError, AttributeError):
            return _KernelWatch(marks, files)
    return _PolledWatch(marks)


def _steps(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield each folder on the way to a path with the name that leads on, as written and with links resolved."""
    for way in {path.absolute(), path.resolve()}:
        for step in (way, *way.parents):
            if step.name:
                yield step.parent, step.name


class _KernelWatch:
    """The news of inotify(7)."""

    def __init__(self, marks: Path, files: Iterable[Path]) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._names: dict[int, set[str]] = {}
        for path in (marks, *files):
            for folder, name in _steps(path):
                self._names.setdefault(self._add(folder, _PLACE), set()).add(name)
        self._marks = self._add(marks, _MADE | _SELF)

    def _add(self, folder: Path, mask: int) -> int:
        number: int = self._library.inotify_add_watch(self._descriptor, os.fsencode(folder), mask)
        if number < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(folder))
        return number

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> FolderNews:
        marks: dict[str, None] = {}
        is_touched = False
        for number, mask, name in self._events():
            if mask & (_OVERFLOW | _UNMOUNT | _IGNORED):
                is_touched = True
            elif number == self._marks and name:
                marks[name] = None
            elif number == self._marks or name in self._names.get(number, ()):
                is_touched = True
        return FolderNews(marks=tuple(marks), is_touched=is_touched)

    def _events(self) -> Iterator[tuple[int, int, str]]:
        with suppress(BlockingIOError):
            while data := os.read(self._descriptor, 65_536):
                position = 0
                while position < len(data):
                    number, mask, _, length = _HEADER.unpack_from(data, position)
                    position += _HEADER.size
                    yield number, mask, os.fsdecode(data[position : position + length].rstrip(b"\0"))
                    position += length


@dataclass(slots=True)
class _PolledWatch:
    """The news by looking, without an inotify: a mark that is removed between two looks is a touch."""

    folder: Path
    seen: set[str] = field(default_factory=set)
    changed: int = 0

    def fileno(self) -> int:
        return -1

    def read(self) -> FolderNews:
        try:
            changed = self.folder.stat().st_ctime_ns
            names = {path.name for path in self.folder.iterdir()} - self.seen
        except OSError:
            return FolderNews(is_touched=True)
        is_touched = changed != self.changed and not names and self.changed != 0
        self.changed = changed
        self.seen |= names
        return FolderNews(marks=tuple(names), is_touched=is_touched)


# Seconds between a question and the sending of its requests: a person may have to look something up.
LIFETIME_S = 900.0

Owner = Literal["shell", "server"]

UNASKED = "nobody was asked about this request"
INTERVENED = "something else was done since the question about it"
USED = "the receipt for it is used up"
EXPIRED = f"the question about it is more than {LIFETIME_S / 60:g} minutes old"
STRANGER = "it does not come from the command that was asked about"


@dataclass(slots=True, kw_only=True)
class ReceiptQuestion:
    """The requests of one event whose question the user saw, by their digests.

    `asked` is when the hook of the event was started, on the clock of ProcessInfo. `process` is the command that the
    first receipt was taken by: the others are for it alone.
    """

    event: str
    owner: Owner
    asked: float
    expires: float
    remaining: Counter[str]
    process: int = 0


@dataclass(slots=True, kw_only=True)
class ReceiptBook:
    """The open question, and why earlier receipts are worth nothing any more.

    There is one question at a time: any further event of the client takes the receipts of the one before away, as a
    denial is not an event, and the next command is the first that could use what was denied.
    """

    clock: Callable[[], float] = time.monotonic
    question: ReceiptQuestion | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def begin_event(self, event: str) -> None:
        """Remove the requests of another event."""
        if self.question is not None and self.question.event != event:
            self._end(INTERVENED)

    def withdraw(self, reason: str) -> None:
        """Remove all requests."""
        self._end(reason)

    def add(self, event: str, digests: Iterable[str], owner: Owner, asked: float) -> None:
        """Write receipts for the requests in the question of an event."""
        self._end(INTERVENED)
        remaining = Counter(digests)
        if remaining:
            expires = self.clock() + LIFETIME_S
            self.question = ReceiptQuestion(event=event, owner=owner, asked=asked, expires=expires, remaining=remaining)

    def has_sent(self, digests: Iterable[str]) -> bool:
        """Return whether one of the requests was confirmed and sent before."""
        return any(self.reasons.get(digest) == USED for digest in digests)

    def take(self, request_digest: str, owner: Owner, process: ProcessInfo | None) -> str:
        """Use up the receipt for a request of a command that is, or runs under, `process`, a child of the client.

        Return why none exists, or "".
        """
        question = self.question
        if question is None or request_digest not in question.remaining:
            return self.reasons.get(request_digest, UNASKED)
        if self.clock() > question.expires:
            self._end(EXPIRED)
            return EXPIRED
        if question.owner != owner or process is None:
            return STRANGER
        # A command that ran before the question does not belong to it.
        if owner == "shell" and (process.started < question.asked or question.process not in (0, process.pid)):
            return STRANGER
        question.process = process.pid
        question.remaining[request_digest] -= 1
        if not question.remaining[request_digest]:
            del question.remaining[request_digest]
            self.reasons[request_digest] = USED
        return ""

    def _end(self, reason: str) -> None:
        if self.question is not None:
            self.reasons |= dict.fromkeys(self.question.remaining, reason)
        self.question = None


# Seconds between two looks at whether the session is still there, and without any message after which it is taken for
# over: one that is resumed the next morning starts its broker anew.
LOOK_S = 1.0
IDLE_S = 12 * 3600.0
# Seconds in which the first message of a connection, and the event of a hook, have to come.
MESSAGE_S = 10.0

FOLDER_CHANGED = "the folder of this session, or a hook of the plugin, was changed; start a new session"
TOUCHED = "a folder of this session was moved or changed since the question about it"
NESTED = "the client that asked runs in the session of another one, whose user was not asked"
SENT_BEFORE = "This request was sent before in this session: check its result before you send it again."
UNATTESTED = "it cannot be told whether this event is the client's"

Answerer = Callable[[dict[str, Any]], tuple[dict[str, Any], tuple[str, ...], Owner]]
"""Turns an event into the answer of its hook, the digests of the requests that it asks about, and who may send them."""
Runner = Callable[[str, list[str], "ForkReceipts"], int]
"""Runs a command of a kind (`command`, `nlapi`) with the streams of the process, and returns its exit code."""


@dataclass(slots=True, kw_only=True)
class _Fork:
    """A fork that serves a connection; `tool` is the child of the client that the other side runs under."""

    pid: int
    tool: ProcessInfo | None


class ForkReceipts:
    """The receipts as a fork of the broker asks for them."""

    def __init__(self, control: socket.socket, owner: Owner) -> None:
        self._control = control
        self._owner: Owner = owner

    def take(self, request_digest: str) -> str:
        send_message(self._control, {"take": request_digest, "owner": self._owner})
        try:
            answer, _ = receive_message(self._control)
        except (OSError, EOFError):
            return "the broker of this session has ended; start a new session"
        return str(answer["reason"])


@dataclass(slots=True, kw_only=True)
class SessionBroker:
    """The broker of the session whose folder is `folder`, for the plugin that `answer` and `run` know.

    `prepare` is called before a connection is served: all later ones have the modules that it loads. `programs` are the
    files of the plugin that tell of events: if one has changed, no event can be relied on.
    """

    folder: Path
    programs: tuple[Path, ...]
    client: ProcessInfo
    prepare: Callable[[], object]
    answer: Answerer
    run: Runner
    book: ReceiptBook = field(default_factory=ReceiptBook)
    forks: dict[socket.socket, _Fork] = field(default_factory=dict)
    listener: socket.socket = field(init=False)
    watch: SessionWatch = field(init=False)
    state: tuple[object, ...] = field(init=False)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    is_nested: bool = False

    def serve(self) -> None:
        """Serve until the client, or the folder of the session, is gone."""
        self.is_nested = has_outer_client(self.client)
        sign = PluginSign(self.client)
        self.watch = watch_session(self.folder / EVENTS, self.programs)
        self.listener = bind(self.folder, SOCKET)
        self.state = self._folder_state()
        self.selector.register(self.listener, selectors.EVENT_READ)
        if self.watch.fileno() >= 0:
            self.selector.register(self.watch.fileno(), selectors.EVENT_READ)
        heard = time.monotonic()
        while self._is_session_alive() and time.monotonic() - heard < IDLE_S:
            ready = self.selector.select(LOOK_S)
            sign.show()
            # What happens to other names in a watched folder is not a sign of the session.
            if self._read_events() or any(isinstance(key.fileobj, socket.socket) for key, _ in ready):
                heard = time.monotonic()
            for key, _ in ready:
                if key.fileobj is self.listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._hear(key.fileobj)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass

    def _is_session_alive(self) -> bool:
        client = process_info(self.client.pid)
        return client is not None and client.started == self.client.started and (self.folder / EVENTS).is_dir()

    def _folder_state(self) -> tuple[object, ...]:
        """Return what changes when a file is replaced or written to; no program can set a time of change back."""
        try:
            folder, events, parent = self.folder.stat(), (self.folder / EVENTS).stat(), self.folder.parent.stat()
            programs = tuple(
                (program.st_ino, program.st_ctime_ns) for program in (path.stat() for path in self.programs)
            )
        except OSError:
            return ()
        return folder.st_ino, folder.st_ctime_ns, events.st_ino, parent.st_ino, programs

    def _is_sound(self) -> bool:
        """Return whether the marks and the programs that make them are those of the beginning."""
        return bool(self.state) and self._folder_state() == self.state

    def _read_events(self) -> bool:
        """Take receipts away for events that a hook has told of, by a mark with the id of its call as its name.

        Return whether there were any.
        """
        news = self.watch.read()
        for mark in news.marks:
            self.book.begin_event(mark)
            if self.watch.fileno() >= 0:
                with suppress(OSError):
                    (self.folder / EVENTS / mark).unlink()
        if news.is_touched:
            self.book.withdraw(TOUCHED)
        return bool(news.marks)

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        peer = peer_of(connection)
        chain = [*ancestors(peer)]
        tool = next((process for process in chain if process.parent == self.client.pid), None)
        with suppress(Exception):
            self.prepare()
        control, end = socket.socketpair()
        pid = os.fork()
        if not pid:
            self.selector.close()
            control.close()
            self.listener.close()
            if self.watch.fileno() >= 0:
                os.close(self.watch.fileno())
            _serve_connection(self, connection, end)
        end.close()
        connection.close()
        self.forks[control] = _Fork(pid=pid, tool=tool)
        self.selector.register(control, selectors.EVENT_READ)

    def _hear(self, control: socket.socket) -> None:
        """Answer a message of a fork."""
        try:
            message, _ = receive_message(control)
        except (OSError, EOFError, ValueError):
            self.selector.unregister(control)
            control.close()
            del self.forks[control]
            return
        # An event that arrived before this message counts before it.
        self._read_events()
        tool = self.forks[control].tool
        if "event" in message:
            self.book.begin_event(message["event"])
            # Once known it stays so: what has started the client may end.
            self.is_nested = self.is_nested or has_outer_client(self.client)
            if tool is not None and message["digests"] and self._is_sound():
                self.book.add(message["event"], message["digests"], message["owner"], tool.started)
            reason = ""
        elif self.is_nested:
            reason = NESTED
        elif not self._is_sound():
            reason = FOLDER_CHANGED
        else:
            reason = self.book.take(message["take"], message["owner"], tool)
        with suppress(OSError):
            send_message(control, {"reason": reason})


def _serve_connection(broker: SessionBroker, connection: socket.socket, control: socket.socket) -> NoReturn:
    """Serve one connection in a fork, and end it."""
    code = 0
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        connection.settimeout(MESSAGE_S)
        message, descriptors = receive_message(connection, files=3)
        connection.settimeout(None)
        match message.get("do"):
            case "event":
                send_message(connection, _answer_event(broker, descriptors, control))
            case "serve":
                _serve_client_server(broker, connection, descriptors, control)
            case "command" | "nlapi" as kind:
                code = _run_command(broker, kind, message, descriptors, connection, control)
                send_message(connection, {"code": code})
    except BaseException:  # the process ends whatever happens, and the other side notices
        code = 1
    os._exit(code)


def _answer_event(broker: SessionBroker, descriptors: list[int], control: socket.socket) -> dict[str, Any]:
    """Return the answer to the event of a hook, read from the client itself, and write its receipts."""
    # Only the client can write into the other end of this socket, so no command of the model can say what was asked.
    if not descriptors or not is_channel_from(descriptors[0], broker.client.pid):
        return {"refused": UNATTESTED}
    event = json.loads(_read_all(descriptors[0]))
    answer, digests, owner = broker.answer(event)
    if answer and broker.book.has_sent(digests):
        output = answer["hookSpecificOutput"]
        output["permissionDecisionReason"] = f"{output['permissionDecisionReason']}\n\n{SENT_BEFORE}"
    send_message(control, {"event": str(event.get("tool_use_id", "")), "digests": digests, "owner": owner})
    receive_message(control)
    return answer


def _read_all(descriptor: int) -> bytes:
    """Return all that comes from a descriptor, within MESSAGE_S seconds."""
    end, data = time.monotonic() + MESSAGE_S, b""
    while (remaining := end - time.monotonic()) > 0 and select.select([descriptor], [], [], remaining)[0]:
        if not (piece := os.read(descriptor, 65_536)):
            break
        data += piece
    return data


def _serve_client_server(
    broker: SessionBroker, connection: socket.socket, descriptors: list[int], control: socket.socket
) -> None:
    """Give receipts to a server that the client has started, for as long as it is connected."""
    if not descriptors or not is_channel_from(descriptors[0], broker.client.pid):
        send_message(connection, {"refused": UNATTESTED})
        return
    for descriptor in descriptors:
        os.close(descriptor)
    send_message(connection, {"served": True})
    receipts = ForkReceipts(control, "server")
    with suppress(OSError, EOFError):
        while True:
            message, _ = receive_message(connection)
            send_message(connection, {"reason": receipts.take(str(message["take"]))})


def _run_command(
    broker: SessionBroker,
    kind: str,
    message: Mapping[str, Any],
    descriptors: list[int],
    connection: socket.socket,
    control: socket.socket,
) -> int:
    """Run a command in the place of the process that handed it over, with its streams and in its folder."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # A proxy, or a place for programs, is for the client's environment to say, and not for a command.
    os.environ.update(
        {name: str(message["environment"][name]) for name in OUTPUT_VARIABLES if name in message["environment"]}
    )
    os.chdir(message["folder"])
    threading.Thread(target=_stop_with, args=(connection,), daemon=True).start()
    return broker.run(kind, [str(word) for word in message["words"]], ForkReceipts(control, "shell"))


def _stop_with(connection: socket.socket) -> None:
    """Interrupt this process when the other side of a connection is gone."""
    with suppress(OSError):
        while connection.recv(4096):
            pass
    os.kill(os.getpid(), signal.SIGINT)


def start_detached() -> None:
    """Detach this process, so that it does not end with the hook that started it."""
    hide_memory()
    with suppress(OSError):
        os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
