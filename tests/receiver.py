"""What a server makes of a whole request that it knows from the description alone; nothing of nlapi is used.

OpenAPI 3.0 to 3.2 and Swagger 2.0. As `decoder` gives every value, so does this: as text where the wire holds text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tests import decoder

Place = tuple[str, str]
STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form", "cookie"),
}
"""OpenAPI 3.2 §4.12.2: what each place knows, its default first."""

COLLECTIONS = {"csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|"}
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as a server sees it."""

    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


def kind(value: Any) -> str:
    return "object" if isinstance(value, Mapping) else "array" if isinstance(value, list) else "primitive"


def text(value: Any) -> Any:
    """A value inside a list or object of a style: text, or JSON where it is no text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def written(value: Any) -> Any:
    """A value as a style writes it, which knows one level; None for what it does not write (RFC 6570 §2.3)."""
    if isinstance(value, Mapping):
        return {key: text(item) for key, item in value.items() if item is not None} or None
    if isinstance(value, list):
        return [text(item) for item in value if item is not None] or None
    return None if value is None else text(value)


def indexed(value: Any) -> Any:
    """A value as deepObject writes it: as deep as it is, lists by index; None for what is not written."""
    if not isinstance(value, Mapping | list):
        return written(value)
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    found = {str(key): inner for key, item in items if (inner := indexed(item)) is not None}
    return found or None


def _texts(value: Any) -> list[str]:
    """What stands between marks: the values and keys of one level."""
    items = (*value, *value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
    return [str(text(item)) for item in items]


def _keys(value: Any) -> list[str]:
    """The keys of a value, as deep as it is."""
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [*(value if isinstance(value, Mapping) else ()), *(key for item in items for key in _keys(item))]


class Server:
    """One operation of a description, as `tree`."""

    def __init__(self, tree: Mapping[str, Any], path: str, method: str) -> None:
        self.tree = tree
        self.swagger = "swagger" in tree
        self.path = path
        self.item = self._follow(tree["paths"][path])
        self.node = self.item[method]
        self.parameters = {(one["in"], one["name"]): one for one in self._listed()}

    def misread(self, sent: Sent, expected: Mapping[Place, Any]) -> Iterator[str]:
        """Each value of `expected`, by its place, that the request does not say again."""
        for (where, name), value in expected.items():
            if where == "body":
                continue
            node = self.parameters.get((where, name), {})
            want = self._wanted(node, value)
            try:
                got = self._parameter(sent, node, where, name, value) if want is not None else None
            except (AssertionError, ValueError, IndexError, KeyError, AttributeError) as error:
                got = f"{type(error).__name__}: {error}"
            if got != want:
                yield f"{where} {name}: {value!r} came back as {got!r}"
        body = {name: value for (where, name), value in expected.items() if where == "body"}
        if body:
            yield from self._body(sent, body.get("", body))

    def ambiguous(self, expected: Mapping[Place, Any]) -> bool:
        """May no server tell the values apart, by the standards themselves?

        Two parameters side by side in a path; an exploded object in a query or cookie with the key of another, or
        beside another one; a value that holds the mark between values where that mark is not encoded (OpenAPI 3.1.1
        §4.8.12.3).
        """
        beside = set(re.findall(r"\{([^{}]+)\}(?=\{)|(?<=\})\{([^{}]+)\}", self.path))
        keys = [(where, name) for where, name in self.parameters if where in ("query", "cookie")]
        spread: Counter[str] = Counter()
        for (where, name), value in expected.items():
            node = self.parameters.get((where, name), {})
            if where == "body" or "content" in node:
                continue
            style, explode = self._style(node, where)
            if where in ("query", "cookie") and style != "deepObject" and explode and kind(value) == "object":
                keys += [(where, key) for key in value if key != name]
                spread[where] += 1
            if kind(value) != "primitive" or style == "cookie":
                between = _keys(value) if style == "deepObject" else _texts(value)
                if where == "header" and any(one != one.strip(" \t") for one in between):
                    return True  # RFC 9110 §5.5: white space around a value is not part of it
                if any(mark in one for mark in self._marks(node) for one in between):
                    return True
        return bool(beside) or len(keys) > len(set(keys)) or any(number > 1 for number in spread.values())

    def _marks(self, node: Mapping[str, Any]) -> str:
        """What may not stand in a value of a list or an object of this parameter."""
        if self.swagger:
            format = node.get("collectionFormat", "csv")
            return "," if node.get("in") == "header" and format == "csv" else COLLECTIONS.get(format, "").strip(",")
        style, explode = self._style(node, node.get("in", "query"))
        if node.get("in") == "header":
            return ",="
        marks = {"label": "." if explode else "", "spaceDelimited": " ", "pipeDelimited": "|", "deepObject": "[]"}
        return {**marks, "cookie": "%"}.get(style, "")

    def _follow(self, node: Any) -> Any:
        while isinstance(node, Mapping) and "$ref" in node:
            ref, node = node["$ref"], self.tree
            for part in ref[2:].split("/"):
                part = unquote(part).replace("~1", "/").replace("~0", "~")
                node = node[int(part)] if isinstance(node, list) else node[part]
        return node

    def _listed(self) -> Iterator[Mapping[str, Any]]:
        for owner in (self.item, self.node):
            yield from map(self._follow, owner.get("parameters") or ())

    def _style(self, node: Mapping[str, Any], where: str) -> tuple[str, bool]:
        style = node.get("style")
        style = style if style in STYLES[where] else STYLES[where][0]
        explode = node.get("explode")
        return style, explode if isinstance(explode, bool) else style in ("form", "deepObject", "cookie")

    def _wanted(self, node: Mapping[str, Any], value: Any) -> Any:
        if "content" in node:
            return value
        if node.get("in") == "header" and isinstance(value, str):
            return value.strip(" \t")  # RFC 9110 §5.5: white space around it is not part of it
        return (
            indexed(value)
            if self._style(node, node.get("in", "path"))[0] == "deepObject" and kind(value) != "primitive"
            else written(value)
        )

    def _parameter(self, sent: Sent, node: Mapping[str, Any], where: str, name: str, value: Any) -> Any:
        if self.swagger and kind(value) == "array":
            return self._collection(sent, node, where, name)
        style, explode = self._style(node, where)
        form = "primitive" if "content" in node else kind(value)
        got = self._raw(sent, where, name, style, explode, form)
        if "content" not in node:
            return got
        return json.loads(got) if "json" in next(iter(node["content"])) else got

    def _raw(self, sent: Sent, where: str, name: str, style: str, explode: bool, form: str) -> Any:
        if where == "path":
            return decoder.path_value(self._segment(sent, name), name, style, explode, form)
        if where == "query":
            pairs = self._query(sent, name, spread=form == "object" and explode and style != "deepObject")
            return decoder.query_value(
                pairs, name, style, explode, "object" if style == "deepObject" and form == "array" else form
            )
        if where == "header":
            return decoder.header_value(sent.header(name), explode, form)
        cookies = sent.header("Cookie")
        if form == "object" and explode:
            others = {key for place, key in self.parameters if place == "cookie"} - {name}
            cookies = "; ".join(one for one in cookies.split("; ") if unquote(one.partition("=")[0]) not in others)
        return decoder.cookie_value(cookies, name, explode, form)

    def _collection(self, sent: Sent, node: Mapping[str, Any], where: str, name: str) -> Any:
        """A list as Swagger 2.0 has it (§ Parameter Object, collectionFormat)."""
        format = node.get("collectionFormat", "csv")
        if where == "header":
            return sent.header(name).split(COLLECTIONS[format])
        if format == "multi":
            return decoder.query_value(self._query(sent, name), name, "form", True, "array")
        raw = self._segment(sent, name) if where == "path" else self._value(self._query(sent, name))
        separator = "," if format == "csv" else quote(COLLECTIONS[format])
        return [decoder.plain(item) for item in raw.split(separator)]

    def _value(self, query: str) -> str:
        return query.partition("=")[2]

    def _segment(self, sent: Sent, name: str) -> str:
        route = self.path.partition("#")[0].partition("?")[0]
        names = re.findall(r"\{([^{}]+)\}", route)
        literals = [re.escape(quote(part, safe=VISIBLE)) for part in re.split(r"\{[^{}]+\}", route)]
        found = re.search("([^/]*)".join(literals) + "$", urlsplit(sent.url).path)
        assert found, "the path is another one"
        return found[names.index(name) + 1]

    def _query(self, sent: Sent, name: str, *, spread: bool = False) -> str:
        """The pairs of one parameter; for an exploded object those that are nobody else's."""
        pairs = urlsplit(sent.url).query.split("&")
        if not spread:
            # The key is decoded by itself: a `=` in it is %3D.
            keys = [decoder.plain(pair.partition("=")[0]).partition("[")[0] for pair in pairs]
            return "&".join(pair for pair, key in zip(pairs, keys, strict=True) if key == name.partition("[")[0])
        others = {other for where, other in self.parameters if where == "query"} - {name}
        fixed = self.path.partition("#")[0].partition("?")[2].split("&")
        own = [pair for pair in pairs if pair not in fixed and decoder.plain(pair.partition("=")[0]) not in others]
        return "&".join(pair for pair in own if not any(decoder.plain(pair).startswith(f"{one}[") for one in others))

    def _body(self, sent: Sent, value: Any) -> Iterator[str]:
        content_type = sent.header("Content-Type")
        essence = content_type.partition(";")[0].strip().lower()
        content = sent.content or b""
        if essence == "multipart/form-data":
            yield from self._parts(decoder.multipart(content_type, content), value)
        elif essence == "application/x-www-form-urlencoded":
            yield from self._form(content, value, self._encoding(content_type))
        elif essence.endswith(("/json", "+json")):
            if json.loads(content) != value:
                yield f"body: {value!r} came back as {content[:200]!r}"
        elif content.decode() != text(value):
            yield f"body: {value!r} came back as {content[:200]!r}"

    def _encoding(self, content_type: str) -> Mapping[str, Any]:
        if self.swagger:
            named = {name: one for (where, name), one in self.parameters.items() if where == "formData"}
            return {name: {"format": one.get("collectionFormat", "csv")} for name, one in named.items()}
        media = self._follow(self.node["requestBody"])["content"][content_type]
        return media.get("encoding") or {}

    def _form(self, content: bytes, value: Mapping[str, Any], encoding: Mapping[str, Any]) -> Iterator[str]:
        """application/x-www-form-urlencoded (OpenAPI 3.1.1 §4.8.15): lists repeat, objects are JSON, unless styled."""
        pairs = decoder.form(content)
        for name, item in value.items():
            own = encoding.get(name) or {}
            found = [text for key, text in pairs if key == name]
            want = written(item)
            if own.get("style") == "deepObject" and kind(item) != "primitive":
                got, want = decoder.tree(pairs, name), indexed(item)
            elif kind(item) == "object" and not {"style", "explode"} & set(own):
                got, want = json.loads(found[0]), item
            elif kind(item) == "array" and (own.get("format", "multi") != "multi" or own.get("explode") is False):
                got = self._joined(content, name, own)
            elif kind(item) == "object":
                got = {key: dict(pairs).get(key) for key in item} if own.get("explode", True) else found
                want = (
                    want
                    if own.get("explode", True)
                    else [",".join(part for pair in (want or {}).items() for part in pair)]
                )
            else:
                got = found or None if kind(item) == "array" else found[0] if found else None
            if got != want:
                yield f"form {name}: {item!r} came back as {got!r}"

    def _joined(self, content: bytes, name: str, own: Mapping[str, Any]) -> list[str] | None:
        """A list that stands in one pair: taken apart before it is decoded, as a comma in a value is encoded."""
        mark = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(own.get("style", ""), ",")
        mark = COLLECTIONS.get(own.get("format", ""), mark)
        pairs = [piece.partition("=") for piece in content.decode("ascii").split("&")]
        found = [raw for key, _, raw in pairs if decoder.plain(key) == name]
        return [decoder.plain(one) for one in found[0].split("," if mark == "," else quote(mark))] if found else None

    def _parts(self, parts: list[decoder.Part], value: Mapping[str, Any]) -> Iterator[str]:
        for name, item in value.items():
            found = [part for part in parts if part.name == name]
            sent = [one for one in (item if isinstance(item, list) else [item]) if one is not None]
            got = [
                json.loads(part.data) if kind(one) != "primitive" else part.data.decode()
                for part, one in zip(found, sent, strict=False)
            ]
            if len(found) != len(sent) or got != [one if kind(one) != "primitive" else text(one) for one in sent]:
                yield f"part {name}: {item!r} came back as {[part.data for part in found]!r}"
