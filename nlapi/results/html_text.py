"""Reads the text of an HTML document that a browser shows, in time linear in its length."""

from __future__ import annotations

import html
import re

from nlapi.english import lexicon

# Elements whose text is for a browser, and those of them whose text ends only at their own end tag.
_HIDDEN_ELEMENTS = frozenset(("script", "style", "template", "noscript", "svg"))
_RAW_ELEMENTS = frozenset(("script", "style"))
_BLOCK_ELEMENTS = lexicon.words("results/words", "block_elements")
_CELL_ELEMENTS = frozenset(("td", "th"))

_MARKUP = re.compile(r"<(?=[a-zA-Z/!?])")
# Quotes count behind `=` only, as in HTML. Possessive: a failed match is not tried in other ways.
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*+)(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+>""")
_LONG_NUMBER = re.compile(r"&#((?:[xX][0-9a-fA-F]|[0-9])[0-9a-fA-F]{30})")
_RAW_ENDS = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in _RAW_ELEMENTS}


def visible_text(document: str) -> str:
    """Return the text of a document, one block a line; its title where there is no other."""
    # Not `html.parser`: it takes minutes for 200 kB of tags or comments that do not end (Python 3.11).
    parts: list[str] = []
    title: list[str] = []
    hidden_depth, in_title, position = 0, False, 0
    while (markup := _MARKUP.search(document, position)) is not None:
        target = title if in_title else parts
        if in_title or not hidden_depth:
            target.append(_unescape(document[position : markup.start()]))
        tag = _TAG.match(document, markup.start())
        if tag is None:
            position = _end_of_other_markup(document, markup.start())
            continue
        position = tag.end()
        is_end, name = bool(tag[1]), tag[2].lower()
        if name == "title" and not hidden_depth:
            in_title = not is_end
        elif name == "body":
            hidden_depth = 0
        elif name in _HIDDEN_ELEMENTS and not tag[0].endswith("/>"):
            hidden_depth = max(hidden_depth + (-1 if is_end else 1), 0)
        if name in _RAW_ELEMENTS and not is_end:
            end = _RAW_ENDS[name].search(document, position)
            position = end.start() if end else len(document)
            hidden_depth += tag[0].endswith("/>")  # such a tag opens the element, too
        if name in _BLOCK_ELEMENTS:
            parts.append("\n")
        elif name in _CELL_ELEMENTS and not is_end:
            parts.append(" | ")
    if not hidden_depth:
        (title if in_title else parts).append(_unescape(document[position:]))
    return _lines(parts) or _lines(title)


def _unescape(text: str) -> str:
    """Return a text with its character references resolved; a number of more digits than any character stays."""
    # Python reads no number of more than 4,300 digits.
    return html.unescape(_LONG_NUMBER.sub(r"&amp;#\1", text))


def _end_of_other_markup(document: str, start: int) -> int:
    """Return where a comment, a declaration or a stray end tag ends; one without an end hides all that follows."""
    closing = "-->" if document.startswith("<!--", start) else ">"
    end = document.find(closing, start)
    return end + len(closing) if end >= 0 else len(document)


def _lines(parts: list[str]) -> str:
    lines = (" ".join(line.split()).strip("| ") for line in "".join(parts).splitlines())
    return "\n".join(line for line in lines if line)
