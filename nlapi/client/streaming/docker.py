"""The frames in which Docker sends stdout and stderr over one connection (Engine API, "Stream format")."""

from __future__ import annotations

from typing import Any

from nlapi.client.streaming.parsers import StreamParser
from nlapi.client.streaming.text import TextLines

# In bytes: the stream, three zeros, the length of the frame in four bytes, big-endian.
FRAME_HEADER_SIZE = 8

# By the number in the header. Docker's own client reads 3 as errors of the daemon.
STREAM_NAMES = ("stdin", "stdout", "stderr", "error")


class DockerFrames(StreamParser):
    """A parser of Docker's frames; an item is `{"stream": "stdout", "text": "..."}`, a line.

    A line may go on in the next frame of its stream, and a frame may hold many lines.
    """

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = ""
        self._bytes_remaining = 0
        self._lines = {stream: TextLines() for stream in STREAM_NAMES}

    def feed(self, data: bytes) -> list[Any]:
        items: list[Any] = []
        remaining = memoryview(data)
        while remaining and not self.is_over:
            if self._bytes_remaining:
                piece, remaining = remaining[: self._bytes_remaining], remaining[self._bytes_remaining :]
                self._bytes_remaining -= len(piece)
                items += _label_lines(self._stream, self._lines[self._stream].feed(bytes(piece)))
                continue
            missing = FRAME_HEADER_SIZE - len(self._header)
            self._header += remaining[:missing]
            remaining = remaining[missing:]
            if len(self._header) == FRAME_HEADER_SIZE:
                self._open_frame()
        return items

    def _open_frame(self) -> None:
        if not is_frame_header(bytes(self._header)):
            self.is_over, self.fault = True, "what follows is not in Docker's frames"
            return
        self._stream = STREAM_NAMES[self._header[0]]
        self._bytes_remaining = int.from_bytes(self._header[4:], "big")
        self._header.clear()

    def finish(self) -> list[Any]:
        return [item for stream, lines in self._lines.items() for item in _label_lines(stream, lines.finish())]

    def remainder(self) -> list[Any]:
        return [item for stream, lines in self._lines.items() for item in _label_lines(stream, lines.remainder())]


def _label_lines(stream: str, lines: list[str]) -> list[Any]:
    return [{"stream": stream, "text": line} for line in lines]


def is_frame_header(start: bytes) -> bool:
    """Return whether these bytes can begin a frame."""
    return len(start) >= FRAME_HEADER_SIZE and start[0] < len(STREAM_NAMES) and start[1:4] == b"\0\0\0"


def may_be_frame_header(start: bytes) -> bool:
    """Return whether these bytes, fewer than a header has, can be the beginning of one."""
    return start[:1] < bytes((len(STREAM_NAMES),)) and not start[1:4].strip(b"\0")


def is_framed(content: bytes) -> bool:
    """Return whether a whole body is frames of stdout and stderr, to its last byte."""
    # podman sends logs without a Content-Type; nothing else consists of frames to its last byte by chance.
    position = 0
    while position < len(content):
        header = content[position : position + FRAME_HEADER_SIZE]
        size = int.from_bytes(header[4:], "big")
        if not is_frame_header(header) or header[0] not in (1, 2) or not size:
            return False
        position += FRAME_HEADER_SIZE + size
    return bool(content) and position == len(content)
