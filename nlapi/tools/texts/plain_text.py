"""The plain text of descriptions for a model: without markup that only a browser uses, whole, or cut at a sentence."""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape

from nlapi.client.safe_text import single_line, strip_control
from nlapi.lazy_pattern import lazy_pattern
from nlapi.tools.texts.prompt_injection import DATA_MARK, reads_like_instruction

# Characters of a description; Claude Code cuts near 4,100.
MAX_DESCRIPTION = 4000

# Characters that are read at all; the markup that is removed rarely is four fifths of a text.
MAX_INPUT = 5 * MAX_DESCRIPTION

_URL = r"\((?:https?://|mailto:|[/#.])[^()\s]{0,500}(?:\([^()\s]{0,99}\)[^()\s]{0,500})?(?:\s\"[^\"\n]{0,99}\")?\)"
_LINKED = rf"\[[^\[\]\n]{{1,300}}\]{_URL}"
LINK = lazy_pattern(rf"!?\[([^\[\]\n]{{1,300}})\]{_URL}")
# A sentence that only points to a web page, which a model cannot open. Links and pointers were 167 of 1,526 characters
# a tool on GitHub's description (docs/design/007-what-a-model-is-sent.md).
LINK_SENTENCE = lazy_pattern(
    r"(?:(?<=[.!?:\"”)\n])|^)[ \t]*"
    r"(?:For (?:more|further|additional) (?:information|details|info)|To learn more|(?:Learn|Read) more)\b"
    rf"[^\[\n.]{{0,160}}[\"“]?{_LINKED}(?:(?:,|,? and|,? or)[^\[\n.]{{0,40}}{_LINKED})*[.\"”]{{0,2}}"
    r"(?: (?:in|on) (?:our|the) [\w ]{1,40}(?:documentation|docs|guide|site))?[.\"”]{0,2}(?=\s|$)"
)

TAG = lazy_pattern(
    r"<(/?)(a|b|br|code|div|em|h[1-6]|hr|i|li|ol|p|pre|span|strong|table|tbody|td|th|thead|tr|ul)"
    r"(?:\s[^<>]{0,500})?/?>\n?",
    re.IGNORECASE,
)
_DASHES = r"[ \t]*(?::-+:?|-+:|-{2,})[ \t]*"
# The line under the head of a Markdown table.
TABLE_RULE = lazy_pattern(rf"\n[ \t]*\|?(?:{_DASHES}\|)+(?:{_DASHES})?(?=\n)")


# The repetitions here are bounded, since descriptions come from elsewhere and a pattern must not take quadratic time.
BOLD = lazy_pattern(r"(?<![\w*/`])\*\*(?=\w)([^*\n`]{0,100}[\w.:!?)])\*\*(?![\w*/`])")
# The mark over a note in GitHub's Markdown.
ALERT = lazy_pattern(r"^> ?\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*\n> ?", re.MULTILINE)


@lru_cache(maxsize=20_000)
def plain_text(text: str) -> str:
    """Return text without invisible characters, addresses of links and HTML tags, at most MAX_DESCRIPTION long.

    A text that reads like an instruction to a model stands behind DATA_MARK, once.
    """
    is_instruction = reads_like_instruction(text[:MAX_INPUT]) and not text.startswith(DATA_MARK)
    text = strip_control(text[:MAX_INPUT])
    if "](" in text:
        text = LINK.sub(r"\1", LINK_SENTENCE.sub("", text).strip() or text)
    if "<" in text:
        text = TAG.sub(_replace_tag, text)
    if "--" in text:
        text = TABLE_RULE.sub("", text)
    if " \n" in text or "\t\n" in text:
        text = re.sub(r"(?<![ \t])[ \t]+\n", "\n", text)
    if "\n\n\n" in text:
        text = re.sub(r"\n{3,}", "\n\n", text)
    if "[!" in text:
        text = ALERT.sub(lambda mark: f"{mark[1].title()}: ", text)
    if "**" in text:
        text = BOLD.sub(r"\1", text)
    text = f"{DATA_MARK} {text.strip()}" if is_instruction else text.strip()
    return text if len(text) <= MAX_DESCRIPTION else f"{text[: MAX_DESCRIPTION - 1]}…"


def label_text(text: str, limit: int) -> str:
    """Return a title or a label of a description on one line, at most `limit` characters long."""
    return single_line(plain_text(text))[:limit]


def _replace_tag(match: re.Match[str]) -> str:
    name, closing = match[2].lower(), bool(match[1])
    if name == "code":
        return "`"
    if name == "li":
        return "" if closing else "\n- "
    if name in ("a", "b", "em", "i", "span", "strong"):
        return "\n" if match[0].endswith("\n") else ""
    return " " if name in ("td", "th") else "\n"


# Code (which Claude Code runs after a `!`), a tag, or a cell of a table.
_MARKUP_CHARACTERS = str.maketrans({"`": "'", "<": "‹", ">": "›", "|": "¦"})

_LINK_MARK = lazy_pattern(r"(!?)\[([^\[\]]*)\]\(|\]\s*[\[(:]")
# Each branch begins with its mark, so that the search goes from mark to mark.
_EMPHASIS = lazy_pattern(r"\*\*{0,2}(?=\S)|\*(?<=\S\*)\*{0,2}|_(?<!\w_)_{0,2}(?=\S)|_(?<=\S_)_{0,2}(?!\w)")


def _unescaped(text: str) -> str:
    return unescape(text) if "&" in text else text


def safe_line(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text` on one line, in which nothing is markup, code or a link."""
    text = single_line(_unescaped(plain_text(_unescaped(text))))
    if "]" in text:
        text = _LINK_MARK.sub(lambda match: f"{match[2] or ''} (", text)
    if "*" in text or "_" in text:
        text = _EMPHASIS.sub("", text)
    text = text.translate(_MARKUP_CHARACTERS).strip("# ")
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


# What a sentence says of what a value may be: of a text that is cut, these sentences stay.
_RESTRICTION = lazy_pattern(
    r"\b(?:must|may not|cannot|can.?t|can not|only|required?s?|max(?:imum)?|min(?:imum)?|at least|at most|no more than"
    r"|up to|not (?:be|supported|allowed)|invalid|ignored|defaults?|exactly|limit(?:ed)?|between|valid|allowed|unless"
    r"|unique|deprecated|multiplied|in order to)\b",
    re.IGNORECASE,
)
_SENTENCE_END = lazy_pattern(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!\bEx\.)(?<!\bvs\.)\s+(?=[A-Z0-9\"'(•*-])")


@lru_cache(maxsize=20_000)
def cut_text(text: str, limit: int) -> tuple[str, bool]:
    """Return a text on one line in about `limit` characters, and whether something of it is left out.

    It is cut between sentences. The first one stays, and those that restrict a value go before the others; they may
    take half as much again.
    """
    line = safe_line(text, MAX_DESCRIPTION)
    if len(line) <= limit or not limit:
        return (line, False) if limit else ("", bool(line))
    sentences = _SENTENCE_END.split(line)
    size, chosen = len(sentences[0]), {0}
    restricting = [index for index, sentence in enumerate(sentences) if index and _RESTRICTION.search(sentence)]
    others = [index for index in range(1, len(sentences)) if index not in restricting]
    for index, room in (*((index, limit * 3 // 2) for index in restricting), *((index, limit) for index in others)):
        if size + len(sentences[index]) < room:
            chosen.add(index)
            size += 1 + len(sentences[index])
    result = " ".join(sentences[index] for index in sorted(chosen))
    if len(result) > limit * 2:
        result = result[: limit * 2].rpartition(" ")[0]
    return result, len(result) < len(line)


def has_words_of(sentence: str, summary: str) -> bool:
    """Return whether `sentence` has every word of `summary`, in any order and inflection."""
    return _content_words(summary) <= _content_words(sentence)


def first_sentence(text: str) -> str:
    """Return the text up to the end of its first sentence or line."""
    return re.split(r"(?<=[.!?])\s|\n", text, maxsplit=1)[0]


_WORD = lazy_pattern(r"\w+")
_SMALL_WORDS = frozenset(("a", "an", "the", "for", "of", "to", "in", "on", "by", "with", "and"))


def _content_words(text: str) -> set[str]:
    words = _WORD.findall(text.lower())
    return {word[:-1].removesuffix("e") if word[-1] == "s" else word for word in words} - _SMALL_WORDS
