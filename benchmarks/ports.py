"""Ports of 127.0.0.1 for servers that must know theirs before they start."""

from __future__ import annotations

import random
import socket

_PORTS = range(20_000, 32_000)
"""Below the ports that systems give to whoever asks for any (32,768 up on Linux, 49,152 up elsewhere): between the
choice and the start of the server, no other server of a test or a benchmark and no connection takes one of these."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    while not _is_free(port := random.SystemRandom().choice(_PORTS)):
        pass
    return port


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
