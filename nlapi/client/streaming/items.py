"""The items of one answer, if it streams, from its head and its bytes as they come."""

from __future__ import annotations

import codecs
import re
from typing import Any

from nlapi.client.message import Framing
from nlapi.client.streaming.parsers import (
    FRAME_HEADER_SIZE,
    DockerFrames,
    JsonLines,
    JsonValues,
    ServerSentEvents,
    StreamParser,
    TextLines,
    is_frame_header,
    is_framed,
    may_be_frame_header,
)
from nlapi.client.streaming.rule import Evidence, Expectation, classify, is_generic

# The first value of an ordinary JSON answer has to end within so many bytes for a second one to be looked for, so that
# no large document is scanned: a line of Docker's progress has about 100.
MAX_PROBE = 64 * 1024

# Bytes that no text has: tab to CR and ESC (colours in a log) do occur.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class ItemReader:
    """A reader that divides the body of one answer into items, if it streams.

    `is_stream` may change with the first bytes: it becomes true when one JSON value follows another, as no JSON text
    does (RFC 8259 §2), and false when a supposed text is binary.
    """

    def __init__(self, content_type: str, expected: Expectation, *, has_length: bool) -> None:
        self._evidence, self.framing = classify(content_type, expected)
        self._is_generic = is_generic(content_type)
        self._charset = content_type.partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8"
        self._start = b""
        self._pending: list[object] = []
        self._count = 0
        self._bytes = 0
        if self._evidence is Evidence.NONE and has_length:
            self.framing = None  # it ends at its length, so it need not be divided
        self._parser = None if self.framing in (None, Framing.FRAMES) else self._create_parser(self.framing)
        self.is_stream = self._evidence is not Evidence.NONE

    @property
    def is_sniffing(self) -> bool:
        """Whether the first bytes are still needed to tell how the body divides."""
        return self.framing is Framing.FRAMES and self._parser is None

    @property
    def has_pending(self) -> bool:
        """Whether items wait, as what has come may be an answer that does not stream."""
        return bool(self._pending)

    @property
    def is_idle(self) -> bool:
        """Whether the bytes that follow are ignored."""
        return self._parser is None and not self.is_sniffing

    @property
    def is_typed(self) -> bool:
        """Whether the media type alone makes it a stream."""
        return self._evidence is Evidence.TYPED

    @property
    def is_over(self) -> bool:
        """Whether nothing more follows by the body's own account, or nothing that can be divided (`fault`)."""
        return self._parser is not None and self._parser.is_over

    @property
    def fault(self) -> str:
        return self._parser.fault if self._parser is not None else ""

    def feed(self, data: bytes) -> list[Any]:
        """Return the items that these bytes complete."""
        self._bytes += len(data)
        if self.is_sniffing:
            self._start += data
            if len(self._start) < FRAME_HEADER_SIZE:
                return []
            data = self._choose_parser()
        self._pending += self._parser.feed(data) if self._parser is not None else []
        return self._release()

    def finish(self, content: bytes) -> list[Any] | None:
        """Return the items that the end of the body completes; None when all of `content` is an ordinary answer."""
        self._divide_start()
        if self._parser is not None:
            self._pending += self._parser.finish()
        elif self._is_generic and self._evidence is Evidence.NONE and is_framed(content):
            frames = DockerFrames()
            self.framing = Framing.FRAMES
            return [*frames.feed(content), *frames.finish()]
        items, self._pending = self._pending, []
        return items if self._is_divided(items) else None

    def cut(self) -> list[Any]:
        """Return the readable items of a body that is cut here, without those returned before.

        The beginning of an item counts only where it is text, and nothing else has come.
        """
        self._divide_start()
        items, self._pending = self._pending, []
        # A model's tokens as text/plain may come for minutes without a line's end.
        if not items and not self._count and self._parser is not None:
            items = self._parser.remainder()
        self._count += len(items)
        return items

    def _divide_start(self) -> None:
        """Divide a body that is shorter than the header of a frame."""
        if self.is_sniffing and self._start:
            start = self._choose_parser()
            self._pending += self._parser.feed(start) if self._parser is not None else []

    def _release(self) -> list[object]:
        """Return the items that may be passed on by now, once."""
        if self._evidence is Evidence.NONE:
            self._probe()
        if not self.is_stream or self._may_be_document():
            return []
        items, self._pending = self._pending, []
        self._count += len(items)
        return items

    def _probe(self) -> None:
        """Decide whether an answer without evidence of a stream is more than one JSON text, as Docker's /build is."""
        if not _are_values(self._pending, self._parser) or (not self._pending and self._bytes > MAX_PROBE):
            self._parser = self.framing = None
            self._pending = []
        elif len(self._pending) > 1:
            self._evidence, self.is_stream = Evidence.DESCRIBED, True

    def _may_be_document(self) -> bool:
        """Return whether all that has come is a list: an ordinary answer, unless another value follows."""
        is_first = self.framing is Framing.JSON_VALUES and not self.is_typed and not self._count
        return is_first and len(self._pending) == 1 and isinstance(self._pending[0], list)

    def _is_divided(self, items: list[object]) -> bool:
        """Return whether an answer that came to its end is its items.

        One JSON text is not, nor is a text that nobody asked to have in lines.
        """
        if self._parser is None:
            return False
        if self.framing is Framing.JSON_VALUES and not self.is_typed:
            count = self._count + len(items)
            return count > 1 and (self.is_stream or _are_values(items, self._parser))
        return self.framing is not Framing.LINES or self._evidence > Evidence.DESCRIBED

    def _choose_parser(self) -> bytes:
        """Choose the parser by the first bytes, and return these."""
        start, self._start = self._start, b""
        if is_frame_header(start) or (len(start) < FRAME_HEADER_SIZE and may_be_frame_header(start)):
            self._parser = DockerFrames()
        elif self.is_typed:
            self.framing = Framing.LINES  # a container with a terminal sends what it writes as it is
        elif start.lstrip()[:1] in (b"{", b"["):
            self.framing = Framing.JSON_VALUES
        elif _is_text(start):
            self.framing = Framing.LINES
        else:
            self.framing, self.is_stream = None, False
        if self.framing is not None and self._parser is None:
            self._parser = self._create_parser(self.framing)
        return start

    def _create_parser(self, framing: Framing) -> StreamParser:
        match framing:
            case Framing.EVENTS:
                return ServerSentEvents()
            case Framing.JSON_LINES:
                return JsonLines()
            case Framing.JSON_VALUES:
                return JsonValues()
            case Framing.FRAMES:
                return DockerFrames()
            case Framing.LINES:
                return TextLines(self._charset)


def _are_values(items: list[object], parser: StreamParser | None) -> bool:
    """Return whether all items are objects and lists, the only unambiguous ones in a row of JSON texts."""
    malformed = parser.malformed if isinstance(parser, JsonValues) else 0
    return not malformed and all(isinstance(item, dict | list) for item in items)


def _is_text(start: bytes) -> bool:
    """Return whether these bytes can begin a text in UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(start) is None
