"""The charsets that a server may name for a text."""

from __future__ import annotations

import codecs
from functools import lru_cache

# Codecs that decode bytes to text and are the charset of none: host names (RFC 3492), literals of source code, and
# UTF-7, which hides in ASCII what it says (the Encoding Standard forbids it).
_NO_CHARSETS = frozenset(("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"))


def text_charset(name: str) -> str:
    """Return `name` if Python decodes text of that charset; "utf-8" for what is none (`zlib`, `punycode`)."""
    try:
        b" ".decode(name, "replace")
        is_charset = codecs.lookup(name).name.replace("_", "-") not in _NO_CHARSETS
    # ValueError: a name with a zero in it, or a codec that replaces nothing (`idna`).
    except (LookupError, ValueError):
        return "utf-8"
    return name if is_charset else "utf-8"


def named_charset(content_type: str) -> str:
    """Return the charset that a media type names, "utf-8" where it names none that is known (RFC 8259 §8.1)."""
    return text_charset(content_type.partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8")


@lru_cache(maxsize=64)
def is_ascii_superset(charset: str) -> bool:
    """Return whether a text of ASCII has the same bytes in a charset of `text_charset`, and no others do."""
    return codecs.lookup(charset).name in ("utf-8", "ascii")
