"""The frames in which Docker sends stdout and stderr over one connection (Engine API, "Stream format")."""

from __future__ import annotations

from typing import Any

from nlapi.client.streaming.parser import Parser
from nlapi.client.streaming.text import TextLines

# In bytes: the stream, three zeros, the length of the frame in four bytes, big-endian.
HEADER = 8

# By the number in the header. Docker's own client reads 3 as errors of the daemon.
STREAMS = ("stdin", "stdout", "stderr", "error")


class Frames(Parser):
    """A parser of Docker's frames; an item is `{"stream": "stdout", "text": "..."}`, a line.

    A line may go on in the next frame of its stream, and a frame may hold many lines.
    """

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = ""
        self._left = 0
        self._lines = {stream: TextLines() for stream in STREAMS}

    def feed(self, data: bytes) -> list[Any]:
        items: list[Any] = []
        rest = memoryview(data)
        while rest and not self.is_over:
            if self._left:
                piece, rest = rest[: self._left], rest[self._left :]
                self._left -= len(piece)
                items += _labelled(self._stream, self._lines[self._stream].feed(bytes(piece)))
                continue
            missing = HEADER - len(self._header)
            self._header += rest[:missing]
            rest = rest[missing:]
            if len(self._header) == HEADER:
                self._open_frame()
        return items

    def _open_frame(self) -> None:
        if not is_header(bytes(self._header)):
            self.is_over, self.fault = True, "what follows is not in Docker's frames"
            return
        self._stream = STREAMS[self._header[0]]
        self._left = int.from_bytes(self._header[4:], "big")
        self._header.clear()

    def finish(self) -> list[Any]:
        return [item for stream, lines in self._lines.items() for item in _labelled(stream, lines.finish())]

    def remainder(self) -> list[Any]:
        return [item for stream, lines in self._lines.items() for item in _labelled(stream, lines.remainder())]


def _labelled(stream: str, lines: list[str]) -> list[Any]:
    return [{"stream": stream, "text": line} for line in lines]


def is_header(start: bytes) -> bool:
    """Return whether these bytes can begin a frame."""
    return len(start) >= HEADER and start[0] < len(STREAMS) and start[1:4] == b"\0\0\0"


def may_be_header(start: bytes) -> bool:
    """Return whether these bytes, fewer than a header has, can be the beginning of one."""
    return start[:1] < bytes((len(STREAMS),)) and not start[1:4].strip(b"\0")


def is_framed(content: bytes) -> bool:
    """Return whether a whole body is frames of stdout and stderr, to its last byte."""
    # podman sends logs without a Content-Type; nothing else consists of frames to its last byte by chance.
    position = 0
    while position < len(content):
        header = content[position : position + HEADER]
        size = int.from_bytes(header[4:], "big")
        if not is_header(header) or header[0] not in (1, 2) or not size:
            return False
        position += HEADER + size
    return bool(content) and position == len(content)
