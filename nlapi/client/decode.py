"""Content codings of a body, decoded piece by piece under a size limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

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
        names = [name for name in (part.strip().lower() for part in codings.split(",")) if name not in ("", "identity")]
        if len(names) > MAX_CODINGS:
            raise BodyDecodeError(f"the body is in {len(names)} content codings at once; nlapi undoes at most {MAX_CODINGS}")
        for name in names:
            # The Accept-Encoding that nlapi sends names no other (RFC 9110 §12.5.3); x-gzip is gzip (§8.4.1.3).
            if name not in ("gzip", "x-gzip", "deflate"):
                raise BodyDecodeError(f"the body is in the content coding {name[:40]!r}, which nlapi did not ask for")
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
        """Return the whole body. BodyError when a coding did not come to its end."""
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
        self._gzip = name != "deflate"
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
