"""Text divided into lines."""

from __future__ import annotations

import codecs

from nlapi.client.streaming.parsers import StreamParser


class TextLines(StreamParser):
    """A parser of text; an item is a line without its end.

    Lines end with LF or CRLF alone: `str.splitlines` also cuts at form feeds and at U+2028, which logs hold.
    """

    def __init__(self, charset: str = "utf-8") -> None:
        self._decoder = _create_decoder(charset)
        self._line: list[str] = []  # pieces of a line, joined once: a line may be as long as the body

    def feed(self, data: bytes) -> list[str]:
        first, *following = self._decoder.decode(data).split("\n")
        self._line.append(first)
        lines: list[str] = []
        for text in following:
            lines.append("".join(self._line).removesuffix("\r"))
            self._line = [text]
        return lines

    def finish(self) -> list[str]:
        self._line.append(self._decoder.decode(b"", final=True))
        return self.remainder()

    def remainder(self) -> list[str]:
        """Return the line that has no end yet, without a character that was cut in two."""
        line = "".join(self._line).removesuffix("\r")
        self._line = []
        return [line] if line else []


def _create_decoder(charset: str) -> codecs.IncrementalDecoder:
    """Return a decoder of `charset`, or of UTF-8 where Python has none or one that gives no text (`zlib`)."""
    try:
        b" ".decode(charset, "replace")
        if codecs.lookup(charset).name != "utf-8":
            return codecs.getincrementaldecoder(charset)("replace")
    except (LookupError, ValueError):
        pass
    return codecs.getincrementaldecoder("utf-8-sig")("replace")
