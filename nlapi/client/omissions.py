"""Finds secrets in a text with something in them that a reader never sees: it is left out when the text is shown.

Invisible and control characters, terminal escapes and tags of HTML are removed before a text is shown, which puts a
secret together that was cut by them. So it is looked for in the text as it will be, and masked in the text as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from nlapi.client.safe_text import INVISIBLE, REMOVED

# The characters of `safe_text.INVISIBLE` and the control characters, and halves of those with more than four digits
# (tests/client/test_client_masking.py compares the two lists).
_CODES = (
    "(?:00(?:0[0-8bBcCdDeEfF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F]|[aA][dD])|034[fF]|060[0-5]|061[cC]|06[dD][dD]|070[fF]"
    "|089[01]|08[eE]2|115[fF]|1160|17[bB][45]"
    "|180[b-fB-F]|20(?:0[b-fB-F]|2[89a-eA-E]|6[0-9a-fA-F])|3164|[dD][89a-fA-F][0-9a-fA-F]{2}|[eE][0-9a-fA-F]{3}"
    "|[fF](?:[0-8][0-9a-fA-F]{2}|[eE]0[0-9a-dA-D]|[eE][fF]{2}|[fF][aA]0|[fF]{2}[0-9abAB]))"
)
# References by any number: none is in a form of a secret that is looked for here.
_NUMBER = "(?:#[0-9]{1,20};?|#[xX][0-9a-fA-F]{1,20};?)"
_NAMES = "(?:shy|zwnj|zwj|lrm|rlm|ZeroWidthSpace|NoBreak|InvisibleComma|InvisibleTimes|ApplyFunction|af|ic|it)"
# The rest of a terminal escape behind ESC, as an escape of JSON writes it.
_ANSI = r"(?:\[[0-?]*[ !#-/]*[@-~]|\][^\\\"]{0,200})?"

# What is left out by itself, and begins nothing longer.
_ALONE = rf"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9a\x9c-\x9f{INVISIBLE}]"

# One class first and the rest behind it: a search skips all other characters at the speed of C. Repeats are bounded,
# so that a text of beginnings is read in time that grows with it.
_OMITTED = re.compile(
    rf"[\\<&=\]\n\r\u2028\u2029\x00-\x08\x0b-\x1f\x7f-\x9f{INVISIBLE}](?:"
    rf"(?<=\\)\\{{0,7}}(?:u001[bB]{_ANSI}|u009[bB][0-?]*[ !#-/]*[@-~]|u{_CODES}|[rn])"
    r"|(?<=<)(?:!--(?:(?!-->)[\s\S]){0,64}-->"
    r"|(?:script|style|template|noscript|svg)\b[^<>]{0,64}>[^<]{0,64}(?=</)"
    r"|!\[CDATA\[|[a-zA-Z/!?][^<>]{0,200}>)"
    r"|(?<=\])\]><!\[CDATA\["
    rf"|(?<=&)(?:{_NAMES};?|{_NUMBER})"
    r"|(?<==)\r?\n"
    r"|(?<=[\n\r\u2028\u2029])[\n \t]*"
    # What `strip_control` removes; its own patterns find the ends of terminal escapes.
    rf"|(?<=\x1b)(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)"
    r"|[ -/]*[0-~]?)|(?<=\x9b)[0-?]*[ !#-/]*[@-\[\]-~]?"
    # A run at once: an image is hardly anything else.
    rf"|(?<={_ALONE}){_ALONE}*"
    ")"
)

# Bytes at the end of a stream in which a secret with invisible characters in it may have begun.
MAX_TAIL = 2_048


def mask_across_omissions(text: str, secrets: Sequence[str], mask: str) -> str:
    """Return a text with `mask` in place of each secret that would stand there once what nobody sees is left out.

    The same object where there is none.
    """
    shown = _OMITTED.sub("", text)
    if len(shown) == len(text) or not any(secret in shown for secret in secrets):
        return text
    positions, shifts = _shifts(_OMITTED, text)
    masked: list[str] = []
    end = 0
    for first, last in sorted(_spans(shown, secrets)):
        start = first + shifts[bisect_right(positions, first)]
        if start < end:  # within the one before
            continue
        masked += (text[end:start], mask)
        end = last + shifts[bisect_right(positions, last)] + 1
    return "".join((*masked, text[end:]))


def start_of_possible(content: bytes, secrets: Sequence[str]) -> int:
    """Return where in `content` a secret may begin that has invisible characters in it and goes on behind the end."""
    tail = content[-MAX_TAIL:]
    text = tail.decode("utf-8", "surrogateescape")
    positions, shifts = _shifts(REMOVED, text)
    if len(shifts) == 1:
        return len(content)
    shown = REMOVED.sub("", text)
    starts = [len(text)]
    for secret in secrets:
        size = next((size for size in range(len(secret) - 1, 0, -1) if shown.endswith(secret[:size])), 0)
        first = len(shown) - size
        if size and positions[-1] > first:
            starts.append(first + shifts[bisect_right(positions, first)])
    return len(content) - len(text[min(starts) :].encode("utf-8", "surrogateescape"))


def _shifts(pattern: re.Pattern[str], text: str) -> tuple[list[int], list[int]]:
    """Return the positions without the matches at which they stood, and how much is left out up to each."""
    positions: list[int] = []
    shifts = [0]
    for match in pattern.finditer(text):
        positions.append(match.start() - shifts[-1])
        shifts.append(shifts[-1] + match.end() - match.start())
    return positions, shifts


def _spans(text: str, secrets: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last character of each secret in a text."""
    for secret in secrets:
        start = text.find(secret)
        while start >= 0:
            yield start, start + len(secret) - 1
            start = text.find(secret, start + len(secret))
