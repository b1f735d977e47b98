"""Local sockets of one user in a folder, and messages of JSON over them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# In bytes.
MAX_MESSAGE = 8 * 1024 * 1024


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work within a folder: the address of a local socket has at most 107 bytes, and a folder's path may have more."""
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def bind(folder: Path, name: str) -> socket.socket:
    """Return a listening socket for its user alone."""
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        with _inside(folder):
            listener.bind(name)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    listener.listen(64)
    return listener


def open_connection(folder: Path, name: str) -> socket.socket:
    """Return a connection to a socket. ConnectionRefusedError where its process has gone, OSError without one."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        with _inside(folder):
            connection.connect(name)
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
