"""The other side of a session's broker: hands it an event, a command or a server, and waits for its answer.

It imports little: in a session each command and each question of a hook waits for it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nlapi.client_session import SESSION_VARIABLE, PluginSign, client_of
from nlapi.errors import NlapiError
from nlapi.local_sockets import open_connection, receive_message, send_message

SOCKET = "broker"
EVENTS = "events"

# The variables of a command that its output depends on; nothing else of its environment counts.
OUTPUT_VARIABLES = ("COLUMNS", "LINES", "TERM", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE")

# Seconds. A broker starts beside the session, in less than one; a question may take as long as a description to load.
STARTING_S = 5.0
ANSWER_S = 120.0


def session_folder() -> Path | None:
    """Return the folder of the session that a hook or a server of a client is started in; None outside of one."""
    data, id = os.environ.get("CLAUDE_PLUGIN_DATA"), os.environ.get("CLAUDE_CODE_SESSION_ID")
    return Path(data) / id if data and id else None


def session_folders() -> list[Path]:
    """Return the folders of the brokers that the environment names, in the order of their variables."""
    names = sorted(name for name in os.environ if SESSION_VARIABLE.fullmatch(name))
    return [Path(os.environ[name]) for name in names if os.environ[name]]


def connect(folder: Path, *, wait: float = 0.0, is_coming: bool = False) -> socket.socket | None:
    """Return a connection to the broker of a folder; None if none exists within `wait` seconds.

    Only where it `is_coming` is a folder waited for that is not there.
    """
    end = time.monotonic() + wait
    while True:
        try:
            return open_connection(folder, SOCKET)
        except ConnectionRefusedError:
            return None
        except OSError:
            pass
        # Without a socket in it, the broker is about to start.
        if time.monotonic() >= end or not (is_coming or folder.exists()):
            return None
        time.sleep(0.02)


def ask_about_event(folder: Path, descriptor: int) -> dict[str, Any] | None:
    """Return the broker's answer to the event of a hook, which it reads from the descriptor itself.

    None without a broker, or where it cannot tell that the event is the client's: then nothing was read.
    """
    connection = connect(folder, wait=STARTING_S)
    if connection is None:
        return None
    with connection, suppress(OSError, EOFError, ValueError):
        connection.settimeout(ANSWER_S)
        send_message(connection, {"do": "event"}, [descriptor])
        answer, _ = receive_message(connection)
        return None if "refused" in answer else answer
    return None


def hand_over(folder: Path, kind: str, words: Sequence[str]) -> int | None:
    """Have the broker run a command with the streams of this process, and return its exit code.

    None without a broker. NlapiError where it ended before the command did.
    """
    connection = connect(folder, wait=STARTING_S)
    if connection is None:
        return None
    environment = {name: os.environ[name] for name in OUTPUT_VARIABLES if name in os.environ}
    message = {"do": kind, "words": list(words), "folder": str(Path.cwd()), "environment": environment}
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    try:
        with connection:
            send_message(connection, message, [0, 1, 2])
            answer, _ = receive_message(connection)
            return int(answer["code"])
    except (OSError, EOFError, ValueError, KeyError):
        hint = "look whether it was carried out before it is run again; a new session starts its broker anew"
        raise NlapiError("the broker of this session ended before the command did", hint=hint) from None


def answer_question() -> int | None:
    """Print the broker's answer to the event of a hook, on standard input; None outside of a session."""
    folder = session_folder()
    answer = ask_about_event(folder, 0) if folder is not None else None
    if answer is None:
        return None
    print(json.dumps(answer) if answer else "", end="")
    return 0


def hand_to_session(words: Sequence[str]) -> int | None:
    """Have the first broker that is there run a command of nlapi, and return its exit code; None without any."""
    codes = (hand_over(folder, "nlapi", words) for folder in session_folders())
    return next((code for code in codes if code is not None), None)


class BrokerReceipts:
    """The receipts of a session, for a server that its client has started: asked for by the server's own connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        # Beside that of the broker, which the model's shell may end.
        client = client_of(os.getpid())
        self._sign = PluginSign(client) if client is not None else None

    def take(self, request_digest: str) -> str:
        try:
            send_message(self._connection, {"take": request_digest})
            answer, _ = receive_message(self._connection)
            return str(answer["reason"])
        except (OSError, EOFError, ValueError, KeyError):
            return "the broker of this session has ended; start a new session"


def open_receipts(folder: Path, *, wait: float) -> BrokerReceipts | None:
    """Return the receipts of the session, for a server whose standard input is the client's; None without a broker."""
    connection = connect(folder, wait=wait, is_coming=True)
    if connection is None:
        return None
    try:
        connection.settimeout(ANSWER_S)
        send_message(connection, {"do": "serve"}, [0])
        answer, _ = receive_message(connection)
    except (OSError, EOFError, ValueError):
        answer = {"refused": True}
    if "refused" in answer:
        connection.close()
        return None
    return BrokerReceipts(connection)
