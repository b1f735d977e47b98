"""Reads the body of one answer as it comes: decoded piece by piece, bounded, and divided into items."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.client.masking import SecretMask, StreamMask
from nlapi.client.message import EndReason, Framing, Limits, Result
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
from nlapi.client.streaming.rule import UNKNOWN, Evidence, Expectation, classify, is_generic

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
            self.framing = Framing.LINES  # a container with a terminal sends its output as it is
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


# No server codes a body twice in earnest; a chain of forty is an attack on memory (CVE-2022-32206 in curl).
MAX_CODINGS = 2

# 256 KB of output at a time: a bomb of a few KB that inflates to gigabytes is noticed after one such piece.
_OUTPUT_CHUNK = 1 << 18


class BodyDecodeError(Exception):
    """A body that is too large, damaged, incomplete, or in a coding that nlapi cannot read."""


class BodyTooLargeError(BodyDecodeError):
    """A body larger than allowed; the bytes up to the limit have been decoded."""


class Decoder:
    """A decoder for `Content-Encoding` (RFC 9110 §8.4). No stage takes or gives more than `max_bytes`."""

    def __init__(self, codings: str, max_bytes: int) -> None:
        names = [name for name in (part.strip() for part in codings.split(",")) if name.lower() not in ("", "identity")]
        if len(names) > MAX_CODINGS:
            raise BodyDecodeError(
                f"the body is in {len(names)} content codings at once; nlapi undoes at most {MAX_CODINGS}"
            )
        for name in names:
            # The Accept-Encoding that nlapi sends names no other (RFC 9110 §12.5.3); x-gzip is gzip (§8.4.1.3).
            if name.lower() not in ("gzip", "x-gzip", "deflate"):
                raise BodyDecodeError(f"the body is in the content coding {name!r}, which nlapi did not ask for")
        self._stages = [_Inflate(name) for name in reversed(names)]
        self._counts = [0] * (len(names) + 1)
        self._max_bytes = max_bytes
        self._output = bytearray()
        self._read_position = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body as received."""
        for piece in self._decode_stages(0, data):
            self._output += piece

    def take(self) -> bytes:
        """Return what has been decoded since the last call."""
        start, self._read_position = self._read_position, len(self._output)
        return bytes(self._output[start:])

    @property
    def decoded(self) -> bytes:
        """All bytes decoded so far."""
        return bytes(self._output)

    def finish(self) -> bytes:
        """Return the whole body. BodyDecodeError when a coding did not come to its end."""
        if self._counts[0] and not all(stage.is_finished for stage in self._stages):
            raise BodyDecodeError("the compressed body is cut off")
        return bytes(self._output)

    def _decode_stages(self, stage: int, data: bytes) -> Iterator[bytes]:
        self._counts[stage] += len(data)
        excess = max(self._counts[stage] - self._max_bytes, 0)
        is_last = stage == len(self._stages)
        if is_last:
            yield data[: len(data) - excess]
        if excess:
            raise BodyTooLargeError(f"the body is larger than {self._max_bytes:,} bytes")
        if not is_last:
            for piece in self._stages[stage].feed(data):
                yield from self._decode_stages(stage + 1, piece)


class _Inflate:
    """One gzip or deflate stage."""

    def __init__(self, name: str) -> None:
        self._gzip = name.lower() != "deflate"
        self._is_first_piece = True
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 16 if self._gzip else zlib.MAX_WBITS)

    @property
    def is_finished(self) -> bool:
        return self._zlib.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        pending = False  # zlib may have taken all of its input and still hold some output
        while data or pending:
            if self._zlib.eof:
                # Zeros that pad a file to a whole block are ignored, as gzip(1) does.
                if not data.strip(b"\0"):
                    return
                self._zlib = self._next_member()
            piece = self._decompress(data)
            self._is_first_piece = False
            if piece:
                yield piece
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            pending = bool(piece) and not self._zlib.eof

    def _next_member(self) -> zlib._Decompress:
        """Return a decompressor for the next member: gzip may have several (RFC 1952 §2.2), deflate has one."""
        if not self._gzip:
            raise BodyDecodeError("the body goes on after the end of its deflate coding")
        return zlib.decompressobj(zlib.MAX_WBITS | 16)

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._zlib.decompress(data, _OUTPUT_CHUNK)
        except zlib.error:
            if self._is_first_piece and not self._gzip:
                # Some servers send deflate without its zlib wrapper, against RFC 9110 §8.4.1.2, which notes it.
                self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
                self._is_first_piece = False
                return self._decompress(data)
            name = "gzip" if self._gzip else "deflate"
            raise BodyDecodeError(f"the body says that it is {name}, and is not or is damaged") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The next bytes of a streaming answer, and the items that are complete with them.

    `head` is its Result without a body. Secrets are masked, so that the bytes may lag a little behind.
    """

    head: Result
    framing: Framing
    data: bytes
    items: tuple[Any, ...]


PieceListener = Callable[[Piece], None]
"""A function called with each Piece of a streaming answer, as it comes."""


@dataclass(slots=True, kw_only=True)
class BodyReader:
    """A reader that takes the bytes of a body and gives the Result of what has come.

    `head` is the Result so far, `masked_head` the same with secrets masked. `on_stream` is called when the answer turns
    out to stream, and when it does not after all. Once `is_over`, nothing more is to be read.
    """

    head: Result
    masked_head: Result
    expected: Expectation
    limits: Limits
    mask: SecretMask
    watch: PieceListener | None
    on_stream: Callable[[bool], None]
    items: list[Any] = field(default_factory=list)
    ended: EndReason = EndReason.COMPLETE
    fault: str = ""
    is_over: bool = False
    has_emitted: bool = False
    _size: int = field(init=False, default=0)
    _decoder: Decoder = field(init=False)
    _reader: ItemReader = field(init=False)
    _stream_mask: StreamMask | None = field(init=False, default=None)
    _unemitted: bytearray = field(init=False, default_factory=bytearray)

    def __post_init__(self) -> None:
        self._decoder = Decoder(self.head.list_header("content-encoding"), self.limits.max_bytes)
        has_length = self.head.header("content-length") is not None
        content_type = self.head.header("content-type") or ""
        if self.head.ok:
            self._reader = ItemReader(content_type, self.expected, has_length=has_length)
        else:  # an error is read whole: its text says what was wrong
            self._reader = ItemReader("", UNKNOWN, has_length=has_length)
        if self._reader.is_stream:
            self.on_stream(True)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes as they came. BodyDecodeError for a fault in a body that is not a stream."""
        fault: BodyDecodeError | None = None
        try:
            self._decoder.feed(chunk)
        except BodyDecodeError as error:
            fault = error
        # What was decoded before the fault counts: a coding that breaks off gives the items before it.
        for data in self._portions():
            self._divide(data)
            if self.is_over:
                return
        if fault is None:
            return
        if not self.can_end(EndReason.BROKEN):
            raise fault
        self._end(EndReason.SIZE if isinstance(fault, BodyTooLargeError) else EndReason.BROKEN, str(fault))

    def finish(self, elapsed: float) -> Result:
        """Return the Result of a body that was read to its end, or far enough.

        BodyDecodeError when a content coding did not come to its end, and nothing of a stream has come.
        """
        if self.is_over:
            return self.cut(self.ended, elapsed, self.fault)
        try:
            content = self._decoder.finish()
        except BodyDecodeError as error:
            if self.can_end(EndReason.BROKEN):
                return self.cut(EndReason.BROKEN, elapsed, str(error))
            raise
        last_items = self._reader.finish(content)
        if last_items is not None and self._items_remaining is not None and len(last_items) > self._items_remaining:
            last_items, self.ended = last_items[: self._items_remaining], EndReason.ITEMS
        if last_items is not None or self.has_emitted:
            self._emit(last_items or [], is_last=True)
        return self._result(elapsed, is_divided=last_items is not None)

    def can_end(self, ended: EndReason) -> bool:
        """Return whether what has come can be given as an incomplete answer."""
        if not self._reader.is_stream:
            return False
        if last_items := self._reader.cut():
            self._emit(last_items)
        if self.items:
            return True
        # A watch in which nothing happened is an empty answer at its deadline. One that broke off with nothing is an
        # error.
        is_silent = not self._decoder.decoded.strip()
        return ended is EndReason.DEADLINE and (is_silent or self._reader.is_typed)

    def cut(self, ended: EndReason, elapsed: float, fault: str = "") -> Result:
        """Return the Result of what has come; valid only where `can_end`."""
        self._emit([], is_last=True)
        self._end(ended, fault)
        return self._result(elapsed, is_divided=True)

    @property
    def may_be_endless(self) -> bool:
        """Whether bytes came of a body without a stated length."""
        return bool(self._decoder.decoded) and self.head.header("content-length") is None

    @property
    def _items_remaining(self) -> int | None:
        """The number of items that may still come; None where that is not bounded."""
        return None if self.limits.items is None else self.limits.items - len(self.items)

    def _portions(self) -> Iterator[bytes]:
        """Yield the decoded bytes, line by line where the number of items is bounded."""
        if self._reader.is_idle:
            return
        data = self._decoder.take()
        if self.limits.items is None:
            yield data
            return
        # One chunk may hold hundreds of items; `content` must end with the last that counts.
        start = 0
        while start < len(data):
            end = data.find(b"\n", start) + 1 or len(data)
            yield data[start:end]
            start = end

    def _divide(self, data: bytes) -> None:
        was_stream = self._reader.is_stream
        self._unemitted += data
        self._size += len(data)
        items = self._reader.feed(data)
        if self._reader.is_stream != was_stream:
            self.on_stream(self._reader.is_stream)
        if self.watch is None or self._reader.is_idle:
            self._unemitted.clear()
        if not self._reader.is_stream:
            return
        self._emit(items[: self._items_remaining])
        if self._items_remaining == 0:
            self._end(EndReason.ITEMS)
        elif self._reader.is_over:
            self._end(EndReason.BROKEN if self._reader.fault else EndReason.COMPLETE, self._reader.fault)

    def _emit(self, items: list[object], *, is_last: bool = False) -> None:
        items = [self._mask_item(item) for item in items]
        self.items += items
        if self.watch is None or self._reader.is_sniffing or self._reader.has_pending or self._reader.framing is None:
            return
        if self._stream_mask is None:
            self._stream_mask = StreamMask(self.mask)
        data = self._stream_mask.feed(bytes(self._unemitted)) + (self._stream_mask.finish() if is_last else b"")
        self._unemitted.clear()
        if data or items:
            self.has_emitted = True
            framing = self._reader.framing
            self.watch(Piece(head=self.masked_head, framing=framing, data=data, items=tuple(items)))

    def _mask_item(self, item: object) -> object:
        try:
            return self.mask.value(item)
        except RecursionError:
            return "an item that is nested too deep to read"

    def _end(self, ended: EndReason, fault: str = "") -> None:
        self.ended, self.fault, self.is_over = ended, fault, True

    def _result(self, elapsed: float, *, is_divided: bool) -> Result:
        content = self._decoder.decoded
        if self.ended is EndReason.ITEMS:
            content = content[: self._size]
        result = replace(self.head, content=content, elapsed=elapsed)
        if not is_divided:
            return result
        items, framing = tuple(self.items), self._reader.framing
        return replace(result, items=items, framing=framing, ended=self.ended, fault=self.fault)
