"""A stand-in for the name service: tests say where names lead, and nothing is connected to outside this machine."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

_ACTIVE: list[Lookups] = []


class Lookups:
    """The names that were looked up, and the addresses outside this machine that were to be connected to."""

    def __init__(self, table: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._table = table
        self.names: list[str] = []
        self.refused: list[str] = []

    def answer(self, host: str) -> Sequence[str] | None:
        """The addresses of a name; each lookup takes the next entry of the table, the last one stays."""
        if host not in self._table:
            return None
        self.names.append(host)
        answers = self._table[host]
        return answers[min(self.names.count(host), len(answers)) - 1]


@contextmanager
def lookups(table: Mapping[str, Sequence[Sequence[str]]]) -> Iterator[Lookups]:
    """Answer for the names of `table` while the block lasts: name -> the addresses of each lookup in turn."""
    _watch_connections()
    names, real = Lookups(table), socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        addresses = names.answer(text) if isinstance(text, str) else None
        if addresses is None:
            return real(host, port, *args, **options)
        return [row for address in addresses for row in real(address, port, *args, **options)]

    socket.getaddrinfo = getaddrinfo
    _ACTIVE.append(names)
    try:
        yield names
    finally:
        _ACTIVE.remove(names)
        socket.getaddrinfo = real


def _refuse_others(event: str, args: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not _ACTIVE or not isinstance(args[1], tuple):
        return
    address = str(args[1][0]).partition("%")[0]
    if not ipaddress.ip_address(address).is_loopback:
        for names in _ACTIVE:
            names.refused.append(address)
        raise ConnectionRefusedError(111, "not in tests")


@cache
def _watch_connections() -> None:
    # An audit hook cannot be removed again, and costs something at every event.
    sys.addaudithook(_refuse_others)
