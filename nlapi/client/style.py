"""Writes parameter values as text, by `style` and `explode`: RFC 6570 and OpenAPI 3.1.1 §4.8.12.3.

A value that would lead a server to another path is refused.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from nlapi.client.safe_text import strip_control
from nlapi.errors import ArgumentError

# `allowReserved` in a query. `#`, `&`, `+`, `[` and `]` are encoded all the same: they would end the value, or mean
# something else, to the server (RFC 3986 §3.4).
RESERVED = ":/?@!$'()*,;="

# `allowReserved` in a path: a slash, a `?` or a `%2F` would end the segment (RFC 3986 §3.3).
SEGMENT_RESERVED = ":@!$'()*,;="

# cookie-octet of RFC 6265 §4.1.1 without `%`, which begins an encoded character.
COOKIE_SAFE = "!#$&'()*+-./:<=>?@[]^_`{|}~"

# Style `cookie` escapes nothing by itself (OpenAPI 3.2.0 §4.12.2.3).
COOKIE_STYLE_SAFE = COOKIE_SAFE + "%"

# token of RFC 9110 §5.6.2, without `%`.
COOKIE_NAME_SAFE = "!#$&'*+-.^_`|~"

# Between the values of a list. Only Swagger 2.0 has them in a path and a header, and the tab anywhere.
DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}

SEPARATORS = {style: quote(mark) for style, mark in DELIMITERS.items()}

# Characters that code pages of Windows turn into a slash or a backslash, beside these.
_SEPARATORS = r"[/\\\u2044\u2215\u2216\u29f5\u29f8\xa5\u20a9]"
# Escapes that a standard forbids and a server once took: of IIS, and overlong UTF-8 of ASCII.
_LENIENT = re.compile(r"%[uU]([0-9a-fA-F]{4})|%[cC][01]%[89a-fA-B][0-9a-fA-F]|%[eE]0%8[01]%[89a-bA-B][0-9a-fA-F]")

# More than any chain of proxies and servers decodes; a value that is still encoded after so many is meant to deceive.
MAX_DECODINGS = 8


def scalar_text(value: object) -> str:
    """Return a value as text: true, false, numbers as in JSON; an object or list inside another value as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise ArgumentError(f"{value} is not a number that can be sent")
    return compact_json(value)


def compact_json(value: object) -> str:
    """Return JSON without white space. ArgumentError for a value that JSON cannot hold."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        raise ArgumentError("the value cannot be written as JSON", hint="NaN, Infinity, or nested too deeply") from None
    except TypeError as error:
        raise ArgumentError(f"the value cannot be written as JSON: {error}") from None


def percent_encode(text: str, *, safe: str = "") -> str:
    """Return the text percent-encoded, except unreserved and `safe` characters. ArgumentError for a lone surrogate."""
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise ArgumentError("the text holds half a character (a lone surrogate)") from None


def _query_text(text: str, reserved: bool) -> str:
    """Return the text percent-encoded; with `reserved`, RESERVED and `%XX` stay as they are (RFC 6570 §3.2.3)."""
    if not reserved:
        return percent_encode(text)
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", text)
    return "".join(piece if index % 2 else percent_encode(piece, safe=RESERVED) for index, piece in enumerate(pieces))


def _item_texts(value: Sequence[object]) -> list[str]:
    """Return the items of a list as texts, without null."""
    return [scalar_text(item) for item in value if item is not None]


def _pair_texts(value: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the names and values of an object as texts, without null."""
    return [(name, scalar_text(item)) for name, item in value.items() if item is not None]


def is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def encode_path(name: str, value: Any, style: str, explode: bool, *, reserved: bool = False) -> str:
    """Return the expansion of `{name}` in a path.

    Styles simple, label and matrix (RFC 6570 §3.2.2, §3.2.5, §3.2.7), and those with a delimiter of Swagger 2.0.
    """
    prefix, separator, has_label = {"label": (".", ".", False), "matrix": (";", ";", True)}.get(style, ("", ",", False))
    comma = SEPARATORS.get(style, ",")

    def encoded(item: str) -> str:
        return percent_encode(item, safe=SEGMENT_RESERVED if reserved else "")

    joint = separator if explode else comma
    label = percent_encode(name)
    if is_list(value):
        items = [encoded(item) for item in _item_texts(value)]
        if has_label and explode:
            return "".join(f";{label}={item}" if item else f";{label}" for item in items)
        body = joint.join(items)
    elif isinstance(value, Mapping):
        pairs = [(percent_encode(key), encoded(item)) for key, item in _pair_texts(value)]
        if has_label and explode:
            return "".join(f";{key}={item}" if item else f";{key}" for key, item in pairs)
        body = joint.join(f"{key}{'=' if explode else ','}{item}" for key, item in pairs)
    else:
        body = encoded(scalar_text(value))
    if has_label:
        return f";{label}={body}" if body else f";{label}"
    return f"{prefix}{body}"


def style_fields(name: str, value: Any, style: str, explode: bool) -> Iterator[tuple[str, list[str], str]]:
    """Yield (key, items, separator) for each pair that a value is written as, not yet encoded.

    Styles form, spaceDelimited, pipeDelimited and deepObject. An empty list or object yields none, as it is undefined
    (RFC 6570 §2.3).
    """
    separator = DELIMITERS.get(style, ",")
    if style == "deepObject" and (isinstance(value, Mapping) or is_list(value)):
        yield from ((key, [item], separator) for key, item in _deep_object_pairs(name, value))
    elif is_list(value):
        items = _item_texts(value)
        if explode:
            yield from ((name, [item], separator) for item in items)
        elif items:
            yield name, items, separator
    elif isinstance(value, Mapping):
        pairs = _pair_texts(value)
        if explode:
            yield from ((key, [item], separator) for key, item in pairs)
        elif pairs:
            yield name, [part for pair in pairs for part in pair], separator
    else:
        yield name, [scalar_text(value)], separator


def encode_query(name: str, value: object, style: str, explode: bool, *, reserved: bool = False) -> Iterator[str]:
    """Yield the `key=value` pairs of a query parameter or of a property of an urlencoded form; see `style_fields`."""
    for key, items, separator in style_fields(name, value, style, explode):
        joint = "," if separator == "," else percent_encode(separator)
        yield f"{percent_encode(key)}={joint.join(_query_text(item, reserved) for item in items)}"


def _deep_object_pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield (`name[key][0]`, value) for every scalar inside `value`."""
    # OpenAPI leaves nested values and lists undefined; lists go by index, as Stripe's own clients write them.
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _deep_object_pairs(f"{name}[{key}]", item)
    elif is_list(value):
        for index, item in enumerate(value):
            yield from _deep_object_pairs(f"{name}[{index}]", item)
    elif value is not None:
        yield name, scalar_text(value)


def encode_header(value: Any, explode: bool, style: str = "simple") -> str:
    """Return a header's value. ArgumentError for line breaks and other control characters (RFC 9110 §5.5)."""
    if is_list(value):
        text = DELIMITERS.get(style, ",").join(_item_texts(value))
    elif isinstance(value, Mapping):
        text = ",".join(f"{key}={item}" if explode else f"{key},{item}" for key, item in _pair_texts(value))
    else:
        text = scalar_text(value)
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise ArgumentError("a header may not hold line breaks or control characters")
    return text.strip(" \t")


def encode_cookie(name: str, value: object, explode: bool, style: str = "form") -> Iterator[str]:
    """Yield the `name=value` pairs of a cookie parameter, percent-encoded where RFC 6265 §4.1.1 requires it."""
    safe = COOKIE_STYLE_SAFE if style == "cookie" else COOKIE_SAFE
    for key, items, _ in style_fields(name, value, "form", explode):
        text = ",".join(percent_encode(item, safe=safe) for item in items)
        yield f"{percent_encode(key, safe=COOKIE_NAME_SAFE)}={text}"


def check_segment(value: object, *, has_label: bool = False) -> None:
    """Raise ArgumentError, with the reason, unless `value` and every item of a list or object may stand in a path.

    `has_label`: the parameter's name precedes it (style matrix), so that an empty text leaves no empty segment.
    """
    texts = _scalar_texts(value)
    if not texts:
        raise ArgumentError("a path parameter may not be empty")
    for text in texts:
        if not (has_label and text == ""):
            _check_segment_text(text)


def _scalar_texts(value: Any) -> list[str]:
    """Return the texts that a value is written with: of a scalar, of each item, of each name and value of an object."""
    if isinstance(value, Mapping):
        return [text for pair in _pair_texts(value) for text in pair]
    return _item_texts(value) if is_list(value) else [scalar_text(value)]


def _check_segment_text(text: str) -> None:
    """Check a text as the most lenient server would read it: fully decoded, look-alike characters normalised.

    The text is sent as it is: RFC 6570 §3.2.2 writes a slash as %2F, and many servers read that as a slash.
    """
    # NFKC, as Java servers once took full-width dots for dots; a backslash is a slash to the
    # WHATWG URL parser (docs/design/009).
    plain = unicodedata.normalize("NFKC", _decode_fully(text))
    # Some file systems do not count characters that nobody sees (CVE-2014-9390).
    # The pattern of Braille without a dot is one, too.
    visible = strip_control(plain).replace("\u2800", "")
    if not visible.strip():
        raise ArgumentError("a path parameter may not be empty")
    if re.search(r"[\x00-\x1f\x7f]", plain):
        raise ArgumentError("a path parameter may not hold line breaks or control characters")
    if "" in [segment.strip() for segment in re.split(r"[/\\]", plain)]:
        raise ArgumentError(
            f"{text[:100]!r} has an empty segment: a slash at its start or end, or two in a row",
            hint="give the bare name or id, without slashes around it",
        )
    # What stands behind a semicolon is no part of a segment to servers of Java.
    segments = [segment.partition(";")[0].strip() for segment in re.split(_SEPARATORS, visible)]
    if "." in segments or ".." in segments:
        raise ArgumentError(f"{text[:100]!r} has a dot segment, which leads to another place")


def _lenient_character(match: re.Match[str]) -> str:
    """Return the character of a `%uXXXX` of IIS, or of UTF-8 with more bytes than it needs."""
    if match[1]:
        return chr(int(match[1], 16))
    *_, second, last = (int(octet, 16) for octet in match[0][1:].split("%"))
    return chr((second & 0x3F) << 6 | last & 0x3F) if match[0].count("%") > 2 else chr((second & 3) << 6 | last & 0x3F)


def _decode_fully(text: str) -> str:
    """Return the text percent-decoded until it no longer changes."""
    for _ in range(MAX_DECODINGS):
        plain = unquote(_LENIENT.sub(_lenient_character, text))
        if plain == text:
            return plain
        text = plain
    raise ArgumentError(f"the value is percent-encoded more than {MAX_DECODINGS} times")
