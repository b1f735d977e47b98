"""Finds the position of a text in a sentence, as whole words and never as a piece of one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from nlapi.english.words import split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.resources.naming import STOPWORDS

_CHUNK = lazy_pattern(r"\S+")
_EDGES = "\"'`“”‘’«»()[]{}<>,;:!?"
QUOTED = lazy_pattern(r"\"([^\"]*)\"|“([^”]*)”|«([^»]*)»|`([^`]*)`|(?<!\w)['‘]([^'’]*)['’](?!\w)")
# Marks before a word that may be a part of it or not: #general, @ada.
_SIGILS = "#@~$€£¥"
_POSSESSIVE = lazy_pattern(r"['’]s?$")
# Separators of values that are written as one word: acme/web, nginx:1.25.
_PAIR_SEPARATOR = lazy_pattern(r"[/:]")
_LABEL = lazy_pattern(r"([A-Za-z][\w.-]*)=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Words of a sentence, from `start` to before `end`."""

    words: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceWord:
    """A text between blanks, or between quotes, without the marks around it."""

    text: str
    start: int
    end: int
    is_quoted: bool = False

    @property
    def mention(self) -> Mention:
        return Mention(words=self.text, start=self.start, end=self.end)


@dataclass(frozen=True, kw_only=True)
class UserSentence:
    """A message of the user with its words."""

    text: str

    @cached_property
    def words(self) -> tuple[SentenceWord, ...]:
        return tuple(_split_words(self.text))

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all words that are not quoted."""
        return frozenset(stem(piece) for word in self.words if not word.is_quoted for piece in split_words(word.text))

    def find_mention(
        self, text: str, label_stems: Collection[str] = (), sibling_values: Collection[str] = ()
    ) -> Mention | None:
        """Return the position of `text`, in any case of its letters; None where it is absent, or only inside a word.

        `label_stems` are the stems of labels that a value may have (`limit=5`). `sibling_values` are the other values
        of the call, in small letters: of values written as one word (`acme/web`) each part must be one of them.
        """
        target = " ".join(text.split())
        if not any(map(str.isalnum, target)):
            return self._find_quoted(target)
        # A value may have been written with other blanks, or over two lines.
        pattern = r"\s+".join(map(re.escape, target.split(" ")))
        starts, ends = self._edges(frozenset(label_stems), frozenset(sibling_values))
        for match in re.finditer(pattern, self.text, re.IGNORECASE):
            start, end = match.span()
            is_whole = start in starts and end in ends and self._is_whole(start, end)
            if is_whole and _is_same_spelling(text, self.text[start:end]):
                return Mention(words=self.text[start:end], start=start, end=end)
        return None

    def _find_quoted(self, target: str) -> Mention | None:
        """Return the position of a text without a letter or a figure, which counts only between quotes."""
        for word in self.words:
            if word.is_quoted and word.text == target and target:
                return word.mention
        return None

    def _edges(self, label_stems: frozenset[str], sibling_values: frozenset[str]) -> tuple[set[int], set[int]]:
        """Return the positions where a value may begin, and those where it may end."""
        starts, ends = set(), set()
        for word in self.words:
            starts.add(word.start)
            ends.add(word.end)
            if word.is_quoted:
                continue
            if word.text[0] in _SIGILS:
                starts.add(word.start + 1)
            if possessive := _POSSESSIVE.search(word.text):
                ends.add(word.start + possessive.start())
            if word.end < len(self.text) and self.text[word.end] == ".":
                ends.add(word.end + 1)  # the final dot of a host name
            if (label := _LABEL.match(word.text)) and not label_stems.isdisjoint(map(stem, split_words(label[1]))):
                starts.add(word.start + label.end())
            cuts = [match.start() for match in _PAIR_SEPARATOR.finditer(word.text)]
            if cuts and all(part.lower() in sibling_values for part in _PAIR_SEPARATOR.split(word.text)):
                ends.update(word.start + separator for separator in cuts)
                starts.update(word.start + separator + 1 for separator in cuts)
        return starts, ends

    def _is_whole(self, start: int, end: int) -> bool:
        """Return whether no quoted text is cut, and the text is more than a stopword."""
        for word in self.words:
            if word.is_quoted and word.start < end and start < word.end and not (start <= word.start < word.end <= end):
                return False
            if word.is_quoted and (word.start, word.end) == (start, end):
                return True
        # A list called `all` would otherwise be named by every sentence with that word.
        mentioned = self.text[start:end]
        return not (mentioned.isalpha() and mentioned.lower() in STOPWORDS)


def _is_same_spelling(value: str, words: str) -> bool:
    """Return whether a value has the letters and the blanks of the user's words, where only their case may differ.

    Unicode folds other letters to those of ASCII (the sign of Kelvin to k), and a line break in a value is no blank.
    """
    letters, user_letters = "".join(value.split()), "".join(words.split())
    gaps, user_gaps = re.findall(r"\s+", value), re.findall(r"\s+", words)
    return (
        len(letters) == len(user_letters)
        and all(
            letter in (user, user.lower(), user.upper()) for letter, user in zip(letters, user_letters, strict=True)
        )
        and len(gaps) == len(user_gaps)
        and all(gap in (" ", user_gap) for gap, user_gap in zip(gaps, user_gaps, strict=True))
    )


def has_other_case(id: str, words: str) -> bool:
    """Return whether an id may be another one than that of the user's words: dQw4 and DqW4.

    Small letters for capitals (abc-1) are the user's, and so is any case without figures, which is a name.
    """
    has_figures = any(map(str.isdigit, id)) and "@" not in id and " " not in id
    return has_figures and id != words and not all(text in (text.lower(), text.upper()) for text in (id, words))


def _split_words(text: str) -> Iterator[SentenceWord]:
    """Yield the quoted texts and the words between them, in order."""
    position = 0
    for match in QUOTED.finditer(text):
        yield from split_unquoted(text, position, match.start())
        group = next(number for number in range(1, 6) if match[number] is not None)
        start, end = match.span(group)
        if start < end:
            yield SentenceWord(text=text[start:end], start=start, end=end, is_quoted=True)
        position = match.end()
    yield from split_unquoted(text, position, len(text))


def split_unquoted(text: str, begin: int, stop: int) -> Iterator[SentenceWord]:
    """Yield the texts between blanks from `begin` to before `stop`, without the marks around them."""
    for match in _CHUNK.finditer(text, begin, stop):
        start, end = match.span()
        while start < end and text[start] in _EDGES:
            start += 1
        while end > start and text[end - 1] in _EDGES + ".":
            end -= 1
        if start < end:
            yield SentenceWord(text=text[start:end], start=start, end=end)
