"""Lets standard output and error show any text, whatever encoding a terminal has; it imports next to nothing."""

from __future__ import annotations

import codecs
import io

# What a code page without these characters shows in their place; cp437 has none of the dots, cp1252 no arrow.
_PLAIN = (
    {"…": "...", "─": "-", "━": "-", "│": "|", "→": "->", "←": "<-", "·": "-", "×": "x", "“": '"', "”": '"'}
    | {
        "‘": "'",
        "’": "'",
        "–": "-",
        "—": "-",
        "\u00a0": " ",
    }
    | dict(zip("▁▂▃▄▅▆▇█", "_.-:=+*#", strict=True))
)
_ERRORS = "nlapi-plain"


def adapt_stream(stream: object) -> None:
    """Let a stream write what its encoding lacks: dots and lines as ASCII, any other character as its number."""
    if isinstance(stream, io.TextIOWrapper):
        codecs.register_error(_ERRORS, _plain_character)
        stream.reconfigure(errors=_ERRORS)


def _plain_character(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = (_PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode() for char in text)
    return "".join(plain), error.end


def can_write(text: str, encoding: str) -> bool:
    """Return whether an encoding has all characters of a text."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
