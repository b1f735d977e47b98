"""What a server makes of a request: parameters and bodies back to values, written from the standards alone.

RFC 6570, RFC 3986, RFC 7578, WHATWG URL (urlencoded), OpenAPI 3.1.1 §4.8.12. Nothing of nlapi is used. Every value
comes back as text, in a list or a dict where `kind` is "array" or "object": the wire does not say more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_plus

SEPARATORS = {"form": ",", "simple": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


def plain(text: str) -> str:
    return unquote(text, errors="strict")


def joined(text: str, kind: str, separator: str, *, pairs: str = "") -> Any:
    """`a,b` as a list, `k,v,k,v` as a dict; with `pairs` = "=", `k=v,k=v` as a dict."""
    if kind == "primitive":
        return plain(text)
    items = text.split(separator)
    if kind == "array":
        return [plain(item) for item in items]
    if pairs:
        split = [item.partition(pairs) for item in items]
        return {plain(key): plain(value) for key, _, value in split}
    return {plain(key): plain(value) for key, value in zip(items[::2], items[1::2], strict=True)}


def path_value(segment: str, name: str, style: str, explode: bool, kind: str) -> Any:
    """RFC 6570 §3.2.2 (simple), §3.2.5 (label), §3.2.7 (matrix)."""
    mark = "=" if explode else ""
    if style == "simple":
        return joined(segment, kind, ",", pairs=mark)
    if style == "label":
        assert segment.startswith(".")
        return joined(segment[1:], kind, "." if explode else ",", pairs=mark)
    assert segment.startswith(";")
    if explode and kind == "object":
        return joined(segment[1:], kind, ";", pairs="=")
    if explode and kind == "array":
        pieces = [piece.partition("=") for piece in segment[1:].split(";")]
        assert {plain(key) for key, _, _ in pieces} == {name}
        return [plain(value) for _, _, value in pieces]
    key, _, text = segment[1:].partition("=")
    assert plain(key) == name
    return joined(text, kind, ",")


def query_value(query: str, name: str, style: str, explode: bool, kind: str) -> Any:
    """RFC 6570 §3.2.8 and OpenAPI 3.1.1 §4.8.12.3; None when the parameter is not there."""
    pairs = [piece.partition("=") for piece in query.split("&") if piece]
    if kind == "primitive":
        found = [plain(value) for key, _, value in pairs if plain(key) == name]
        return found[0] if found else None
    if style == "deepObject":
        return tree([(plain(key), plain(value)) for key, _, value in pairs], name)
    if explode and kind == "array":
        return [plain(value) for key, _, value in pairs if plain(key) == name] or None
    if explode:
        return {plain(key): plain(value) for key, _, value in pairs} or None
    found = [value for key, _, value in pairs if plain(key) == name]
    return joined(found[0], kind, SEPARATORS[style]) if found else None


def tree(pairs: list[tuple[str, str]], name: str) -> Any:
    """`name[a][0]=x` back to {"a": {"0": "x"}}."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if not key.startswith(f"{name}["):
            continue
        steps = re.findall(r"\[([^\]]*)\]", key.removeprefix(name))
        node = found
        for step in steps[:-1]:
            node = node.setdefault(step, {})
        node[steps[-1]] = value
    return found or None


def header_value(text: str, explode: bool, kind: str) -> Any:
    """Style simple, without percent-encoding: a header is not a URL."""
    if kind == "primitive":
        return text
    items = text.split(",")
    if kind == "array":
        return items
    if explode:
        return dict(item.split("=", 1) for item in items)
    return dict(zip(items[::2], items[1::2], strict=True))


def cookie_value(header: str, name: str, explode: bool, kind: str) -> Any:
    """Style form in a Cookie header: RFC 6265 §4.2.1, several pairs where it is exploded."""
    pairs = [piece.partition("=") for piece in header.split("; ")]
    if explode and kind == "object":
        return {plain(key): plain(value) for key, _, value in pairs}
    found = [value for key, _, value in pairs if plain(key) == name]
    if explode and kind == "array":
        return [plain(value) for value in found]
    return joined(found[0], kind, ",")


def form(body: bytes) -> list[tuple[str, str]]:
    """application/x-www-form-urlencoded, in order."""
    pairs = [piece.partition("=") for piece in body.decode("ascii").split("&") if piece]
    return [(unquote_plus(key, errors="strict"), unquote_plus(value, errors="strict")) for key, _, value in pairs]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body. `filename` is None where the part has none."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes


def multipart(content_type: str, body: bytes) -> list[Part]:
    """multipart/form-data (RFC 7578 §4, RFC 2046 §5.1.1), in order."""
    boundary = re.fullmatch(r'multipart/form-data; boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70})"?', content_type)
    assert boundary
    first, *pieces, last = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())
    assert first == b""
    assert last in (b"--", b"--\r\n")
    return [_part(piece) for piece in pieces]


def _part(piece: bytes) -> Part:
    head, blank, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    assert blank
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    disposition = headers.pop("Content-Disposition")
    assert disposition.startswith("form-data; name=")
    name, content_type = _quoted(disposition, "name"), headers.pop("Content-Type", None)
    assert name is not None
    assert not headers
    return Part(name, _quoted(disposition, "filename"), content_type, data)


def _quoted(disposition: str, name: str) -> str | None:
    found = re.search(rf'; {name}="([^"\r\n]*)"', disposition)
    return found[1].replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n") if found else None
