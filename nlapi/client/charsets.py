"""The charsets that a server may name for a text."""

from __future__ import annotations

import codecs

# Codecs that decode bytes to text and are the charset of none: host names (RFC 3492), literals of source code.
_NO_CHARSETS = frozenset(("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"))


def text_charset(name: str) -> str:
    """Return `name` if Python decodes text of that charset; "utf-8" for what is none (`zlib`, `punycode`)."""
    try:
        b" ".decode(name, "replace")
        is_charset = codecs.lookup(name).name.replace("_", "-") not in _NO_CHARSETS
    # ValueError: a name with a zero in it, or a codec that replaces nothing (`idna`).
    except (LookupError, ValueError):
        return "utf-8"
    return name if is_charset else "utf-8"
