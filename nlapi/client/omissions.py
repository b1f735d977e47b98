"""Finds secrets in a text with something in them that a reader never sees: it is left out when the text is shown.

Invisible and control characters, terminal escapes and tags of HTML are removed before a text is shown, which puts a
secret together that was cut by them. So it is looked for in the text as it will be, and masked in the text as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from html import unescape
from unicodedata import category

from nlapi.client.safe_text import INVISIBLE, REMOVED

# Of what `strip_control` leaves, the variation selectors of emoji and the joiners: between letters nobody sees them.
_SELECTORS = "\ufe0e\ufe0f\u200c\u200d"
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9a\x9c-\x9f"
_HEX = "[0-9a-fA-F]"
# The rest of a terminal escape behind ESC, as an escape of JSON or of a shell writes it.
_ANSI = r"(?:\[[0-?]*[ !#-/]*[@-~]|\][^\\\"]{0,200})?"
# Names without a semicolon are read by HTML too, where they are old.
_REFERENCE = rf"(?:[A-Za-z][A-Za-z0-9]{{1,31}};|shy|#[0-9]{{1,20}};?|#[xX]{_HEX}{{1,20}};?)"
_OCTETS = "(?:{0}[c-fC-F]" + _HEX + "(?:{0}[89abAB]" + _HEX + "){{1,3}})"
# Escapes of programming languages, with a backslash more each time that a text is put into another.
_ESCAPE = (
    rf"\\{{0,7}}(?:(?:u001[bB]|x1[bB]|033){_ANSI}|u009[bB][0-?]*[ !#-/]*[@-~]"
    rf"|[ux]\{{0{{0,6}}{_HEX}{{1,6}}\}}|u{_HEX}{{4}}|U{_HEX}{{8}}|x{_HEX}{{2}}|[0-3][0-7]{{2}}|[rn])"
)
# An escape that may stand for a character that is seen.
_READABLE = re.compile(
    r"[\\&%=](?:(?<=\\)(?:[uxU][{0-9a-fA-F]|[0-3][0-7])|(?<=&)[#A-Za-z]|(?<=%)(?:25|[c-fC-Fu])|(?<==)[c-fC-F].=)"
)
_CODE = re.compile(rf"\\+(?:[uUx]\{{?({_HEX}+)\}}?|([0-7]{{3}}))|%(?:25)*u({_HEX}{{4}})|&#(?:([0-9]+)|[xX]({_HEX}+));?")
_OCTET_MARK = re.compile("%(?:25)*|=")


@cache
def _omitted(*, is_ascii: bool) -> re.Pattern[str]:
    """Return the pattern of what is left out of a text, or stands there for a character."""
    alone = rf"[{_CONTROLS}{INVISIBLE}{_SELECTORS}{'' if is_ascii else _marks()}]"
    # One class first and the rest behind it: a search skips all other characters at the speed of C. Repeats are
    # bounded, so that a text of beginnings is read in time that grows with it.
    return re.compile(
        rf"[\\<&%=\]\n\r\u2028\u2029\x1b\x9b{alone[1:]}(?:"
        rf"(?<=\\){_ESCAPE}"
        r"|(?<=<)(?:!--(?:(?!-->)[\s\S]){0,64}-->"
        r"|(?:script|style|template|noscript|svg)\b[^<>]{0,64}>[^<]{0,64}(?=</)"
        r"|!\[CDATA\[|[a-zA-Z/!?][^<>]{0,200}>)"
        r"|(?<=\])\]><!\[CDATA\["
        rf"|(?<=&){_REFERENCE}"
        rf"|(?<==)(?:\r?\n|{_OCTETS.format('=')[4:]}"
        rf"|(?<=%)(?:25){{0,4}}(?:u{_HEX}{{4}}|{_OCTETS.format('%(?:25){0,4}')[len('(?:%(?:25){0,4}') :]}"
        r"|(?<=[\n\r\u2028\u2029])[\n \t]*"
        # What `strip_control` removes; its own patterns find the ends of terminal escapes.
        rf"|(?<=\x1b)(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)"
        r"|[ -/]*[0-~]?)|(?<=\x9b)[0-?]*[ !#-/]*[@-\[\]-~]?"
        # A run at once: an image is hardly anything else.
        rf"|(?<={alone}){alone}*"
        ")"
    )


@cache
def _marks() -> str:
    """Return the combining marks of the Basic Multilingual Plane, by their property."""
    import regex

    # Those beyond it would be tried one by one for each character: 6 s for 10 MB.
    return "".join(regex.findall(r"[\p{Mn}\p{Me}]", "".join(map(chr, range(0x300, 0x10000)))))


@lru_cache(maxsize=4096)
def _shown_as(token: str) -> str:
    """Return the character that an escape or a reference stands for; "" where nobody sees it, or for a tag."""
    if token[0] not in "\\&%=":
        return ""
    match = _CODE.fullmatch(token)
    if match is not None:
        hexadecimal = match[1] or match[3] or match[5]
        code = int(hexadecimal, 16) if hexadecimal else int(match[4]) if match[4] else int(match[2], 8)
        char = chr(code) if code <= 0x10FFFF else ""
    elif token[0] == "&":
        char = unescape(token)
    elif token[0] == "\\" or token.strip() == "=":  # a terminal escape, an end of a line
        char = ""
    else:
        char = bytes.fromhex(_OCTET_MARK.sub("", token)).decode("utf-8", "replace")
    if len(char) > 1 or char == "\ufffd":
        return token
    is_unseen = char and (category(char) in _UNSEEN or _INVISIBLE.match(char))
    return "" if is_unseen else char


_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Mn", "Me")
_INVISIBLE = re.compile(rf"[{INVISIBLE}{_SELECTORS}\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShownText:
    """A text as a reader sees it. `positions` are those of what was left out, `shifts` how much was, up to each.

    `escapes` are the places of the text at which escapes stand, by the positions of what they stand for.
    """

    text: str
    positions: list[int]
    shifts: list[int]
    escapes: dict[int, int]

    @classmethod
    def of(cls, text: str, pattern: re.Pattern[str]) -> _ShownText:
        positions: list[int] = []
        shifts, escapes = [0], dict[int, int]()
        for match in pattern.finditer(text):
            position, char = match.start() - shifts[-1], _shown_as(match[0])
            if char == match[0]:
                continue
            if char:
                escapes[position] = match.start()
            positions.append(position)
            shifts.append(shifts[-1] + match.end() - match.start() - len(char))
        return cls(text=_shown(text, pattern), positions=positions, shifts=shifts, escapes=escapes)

    def start(self, position: int) -> int:
        """Return where the character at a position begins in the whole text."""
        return self.escapes.get(position, position + self.shifts[bisect_right(self.positions, position)])

    def end(self, position: int) -> int:
        """Return where the character at a position ends there."""
        return position + self.shifts[bisect_right(self.positions, position)] + 1


def _shown(text: str, pattern: re.Pattern[str]) -> str:
    # To leave out takes a third of the time, and most texts have no escapes but those of ends of lines.
    return pattern.sub(_shown_match if _READABLE.search(text) else "", text)


def _shown_match(match: re.Match[str]) -> str:
    return _shown_as(match[0])


# Bytes at the end of a stream in which a secret with invisible characters in it may have begun.
MAX_TAIL = 2_048


def mask_across_omissions(text: str, secrets: Sequence[str], mask: str) -> str:
    """Return a text with `mask` in place of each secret that would stand there once what nobody sees is left out.

    The same object where there is none.
    """
    pattern = _omitted(is_ascii=text.isascii())
    plain = _shown(text, pattern)
    if plain == text or not any(secret in plain for secret in secrets):
        return text
    shown = _ShownText.of(text, pattern)
    masked: list[str] = []
    end = 0
    for first, last in sorted(_spans(shown.text, secrets)):
        start = shown.start(first)
        if start < end:  # within the one before
            continue
        masked += (text[end:start], mask)
        end = shown.end(last)
    return "".join((*masked, text[end:]))


def start_of_possible(content: bytes, secrets: Sequence[str]) -> int:
    """Return where in `content` a secret may begin that has invisible characters in it and goes on behind the end."""
    text = content[-MAX_TAIL:].decode("utf-8", "surrogateescape")
    shown = _ShownText.of(text, _removed())
    if not shown.positions:
        return len(content)
    starts = [len(text)]
    for secret in secrets:
        size = next((size for size in range(len(secret) - 1, 0, -1) if shown.text.endswith(secret[:size])), 0)
        first = len(shown.text) - size
        if size and shown.positions[-1] > first:
            starts.append(shown.start(first))
    return len(content) - len(text[min(starts) :].encode("utf-8", "surrogateescape"))


@cache
def _removed() -> re.Pattern[str]:
    """Return the pattern of what nobody sees, as it stands there itself."""
    return re.compile(rf"{REMOVED.pattern}|[{_SELECTORS}{_marks()}]")


def _spans(text: str, secrets: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last character of each secret in a text."""
    for secret in secrets:
        start = text.find(secret)
        while start >= 0:
            yield start, start + len(secret) - 1
            start = text.find(secret, start + len(secret))
