"""Local sockets of one user in a folder, and messages of JSON over them."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# In bytes.
MAX_MESSAGE = 8 * 1024 * 1024
# In bytes: the longest address of a local socket on all systems (unix(7) has 107, macOS 103).
MAX_ADDRESS = 100

_WORKING_FOLDER = threading.Lock()


@contextmanager
def _address(folder: Path, name: str) -> Iterator[str]:
    """Yield the address of a socket; where its path is too long for one, within its folder."""
    if len(os.fsencode(folder / name)) <= MAX_ADDRESS:
        yield str(folder / name)
        return
    # All threads are in that folder meanwhile.
    with _WORKING_FOLDER:
        before = os.open(".", os.O_RDONLY)
        try:
            os.chdir(folder)
            yield name
        finally:
            os.fchdir(before)
            os.close(before)


def bind(folder: Path, name: str) -> socket.socket:
    """Return a listening socket for its user alone."""
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        with _address(folder, name) as address:
            listener.bind(address)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    listener.listen(64)
    return listener


def open_connection(folder: Path, name: str, seconds: float | None = None) -> socket.socket:
    """Return a connection to a socket. ConnectionRefusedError where its process has gone, OSError without one.

    Nothing on it takes longer than `seconds`: the process may be stopped, and then its queue is full at some time.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    try:
        with _address(folder, name) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def send_message(connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message, with open files."""
    data = json.dumps(message).encode("utf-8", "surrogatepass") + b"\n"
    sent = socket.send_fds(connection, [data], list(descriptors)) if descriptors else connection.send(data)
    if sent < len(data):  # nothing more may be sent, not even no bytes: the other side may have answered and closed
        connection.sendall(data[sent:])


def receive_message(connection: socket.socket, files: int = 0) -> tuple[dict[str, Any], list[int]]:
    """Return one message and the open files that came with it. EOFError where the other side has gone."""
    data, descriptors = b"", []
    while not data.endswith(b"\n"):
        if files:
            piece, received, _, _ = socket.recv_fds(connection, 65_536, files)
            descriptors += received
        else:
            piece = connection.recv(65_536)
        if not piece or len(data) > MAX_MESSAGE:
            raise EOFError
        data += piece
    message: dict[str, Any] = json.loads(data)
    return message, descriptors
