"""A sentence as its tokens, the mentions in it that may be values of arguments, and whether it is English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS
from nlapi.english.lexicon import stems, table, words
from nlapi.english.words import stem
from nlapi.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from nlapi.reading.dates import ParsedDate
    from nlapi.reading.numbers import ParsedNumber

FILLER_STEMS = stems("reading/words", "filler")
"""Stems of words that set no condition by themselves."""


class MentionKind(StrEnum):
    """The look of a mention."""

    QUOTED = "quoted"
    TITLE = "called"
    NUMBER = "number"
    DATE = "date"
    LITERAL = "literal"
    NAME = "name"
    PHRASE = "phrase"
    JSON = "json"
    CHOICE = "choice"  # words that name one of the values of a closed set
    FLAG = "flag"  # words that name a boolean


ALTERNATIVE_FORMS = lexicon.words("reading/words", "alternative_forms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A word or a mark as it is written, from character `start` to before `end`.

    `lower` and `stem` are of the word that it is read as, which is another one where it is misspelt, or where the API
    has another verb for a command.
    """

    text: str
    start: int
    end: int
    lower: str
    stem: str
    word: bool


_TOKEN = lazy_pattern(
    r"[A-Z](?:\.[A-Z])+(?!\w)(?:\.(?=\s+\w))?|[A-Za-z](?:#|\+\+)(?!\w)|[^\W_]+(?:['’\-_][^\W_]+)*(?:['’]s\b)?|[^\w\s]|_"
)


def tokenize(text: str) -> tuple[Token, ...]:
    """Return the words and the marks of a text."""
    return tuple(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        piece = match.group()
        word = piece[0].isalnum()
        lower = piece.lower()
        base = lower[:-2] if lower.endswith(("'s", "’s")) else lower
        yield Token(text=piece, start=match.start(), end=match.end(), lower=lower, stem=stem(base), word=word)


_COMPOUND = lazy_pattern(r"[a-z]+(?:[_-][A-Za-z]+)+|[A-Za-z]?[a-z]+(?:[A-Z][a-z]+)+")


def parts_of_token(token: Token, words_of: Callable[[str], Sequence[str]]) -> Iterator[Token]:
    """Yield a token for each of the words that a name is written of (renewAuto, renew_auto), by `words_of`; else the
    token itself.
    """
    end = token.start
    for word in words_of(token.text) if _COMPOUND.fullmatch(token.text) else ():
        start = token.start + token.text.lower().index(word, end - token.start)
        end = start + len(word)
        yield Token(text=word, start=start, end=end, lower=word, stem=stem(word), word=True)
    if end == token.start:
        yield token


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Words of a sentence, from `start` to before `end`."""

    words: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """The reason for what a sentence says: its words from `start` to before `end`, behind those that lead it."""

    lead: int
    start: int
    end: int

    def holds(self, start: int, end: int) -> bool:
        """Return whether some of the characters from `start` to before `end` are of the reason."""
        return self.lead < end and start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """A value from `start` to before `end`, and `to` another one: from `lead` on, or from `new` behind its article."""

    start: int
    end: int
    lead: int
    new: int

    def has_old(self, start: int, end: int) -> bool:
        """Return whether the characters from `start` to before `end` are of the old value."""
        return self.start <= start < end <= self.end

    def begins_new(self, start: int) -> bool:
        """Return whether the new value begins at a character."""
        return self.lead <= start <= self.new


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueMention:
    """A text of the sentence that may be a value: its tokens from `first` to before `last`.

    `form` says more of a kind: url, email, uuid, id of a LITERAL; plain, money, percent of a NUMBER.
    """

    kind: MentionKind
    text: str
    start: int
    end: int
    first: int
    last: int
    value: Any = None
    form: str = ""
    currency: str = ""
    whole: bool = True


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A question, its tokens and its mentions: all that the later stages read of the question."""

    text: str
    today: date
    tokens: tuple[Token, ...]
    mentions: tuple[ValueMention, ...] = field(default=())
    moments: tuple[ParsedDate, ...] = ()
    numbers: tuple[ParsedNumber, ...] = ()
    zone: tzinfo = UTC
    """the zone of the user, in which a time of day is unless the sentence says another"""
    reason: Reason | None = None

    def of_kind(self, *kinds: MentionKind) -> tuple[ValueMention, ...]:
        """Return the mentions of some kinds, in order."""
        return tuple(mention for mention in self.mentions if mention.kind in kinds)

    def word_before(self, at: int) -> str:
        """Return the word before a token in small letters; "" at the beginning."""
        return self.tokens[at - 1].lower if at else ""

    @cached_property
    def stems(self) -> tuple[str, ...]:
        return tuple(token.stem for token in self.tokens)

    @cached_property
    def stem_set(self) -> frozenset[str]:
        return frozenset(self.stems)

    @cached_property
    def content_stems(self) -> frozenset[str]:
        """The stems of all words but stopwords."""
        return frozenset(token.stem for token in self.tokens if token.word and token.lower not in STOPWORDS)

    @cached_property
    def value_positions(self) -> frozenset[int]:
        """Positions of the tokens that are part of a number, a date, a quotation or a literal."""
        kinds = (MentionKind.NUMBER, MentionKind.DATE, MentionKind.QUOTED, MentionKind.LITERAL)
        return frozenset(
            at for mention in self.mentions if mention.kind in kinds for at in range(mention.first, mention.last)
        )

    @cached_property
    def title_positions(self) -> frozenset[int]:
        """Positions of the tokens in names of several words, which are not context of the words beside them."""
        names = [
            mention
            for mention in self.mentions
            if mention.kind is MentionKind.NAME and mention.last - mention.first > 1 and not mention.form
        ]
        plain = [mention for mention in names if not {"id", "number"} & set(self.stems[mention.first : mention.last])]
        return frozenset(at for mention in plain for at in range(mention.first, mention.last))

    @cached_property
    def date_positions(self) -> frozenset[int]:
        """Positions of the tokens that are part of a date."""
        return frozenset(
            at
            for mention in self.mentions
            if mention.kind is MentionKind.DATE
            for at in range(mention.first, mention.last)
        )

    def in_address(self, mention: ValueMention) -> bool:
        """Return whether `span` is a part of an address."""
        return any(address.start <= mention.start < mention.end < address.end for address in self._addresses)

    @cached_property
    def _addresses(self) -> tuple[ValueMention, ...]:
        return tuple(mention for mention in self.mentions if mention.form == "address")

    def in_title(self, mention: ValueMention, *, further: bool = False) -> bool:
        """Return whether a mention is a part of the words behind called, named, titled; with `further` not the last."""
        return any(
            title.start <= mention.start < title.end and (not further or mention.end < title.end)
            for title in self._titles
        )

    @cached_property
    def _titles(self) -> tuple[ValueMention, ...]:
        return self.of_kind(MentionKind.TITLE)

    @cached_property
    def mention_features(self) -> dict[ValueMention, list[float]]:
        """The features of each mention by itself, filled when first computed: they are the same for all operations."""
        return {}

    def without_values(self, is_resource_word: Callable[[str], bool]) -> str:
        """Return the words that may name an operation, with spaces for quotations, literals and names of several words.

        A token has the word that it is read as.
        `names` tells whether a stem names a resource of the API; such words stay.
        """
        text = self.text
        values = [
            mention
            for mention in self.mentions
            if mention.kind in (MentionKind.QUOTED, MentionKind.LITERAL, MentionKind.JSON)
        ]
        # An id without figures (user_profile) may be the name of a resource as well.
        resource_ids = {
            mention for mention in values if mention.form == "id" and not any(map(str.isdigit, mention.text))
        }
        hidden = [(mention.start, mention.end) for mention in values if mention not in resource_ids]
        tokens = [self.tokens[at] for at in self.title_positions]
        hidden += [(token.start, token.end) for token in tokens if not is_resource_word(token.stem)]
        for start, end in hidden:
            text = text[:start] + " " * (end - start) + text[end:]
        for token in reversed(self.tokens):
            if token.lower != token.text.lower() and text[token.start : token.end].strip():
                text = text[: token.start] + token.lower + text[token.end :]
        return text


_ENGLISH = words("reading/words", "english")
_FOREIGN = {name: frozenset(text.split()) - _ENGLISH for name, text in table("reading/words", "foreign_words").items()}
_SCRIPTS = table("reading/words", "scripts")
_LEAST = 2  # little words of a language that are needed: one alone may be a name (la, die)


def foreign_language(sentence: Sentence) -> str:
    """Return the language that a sentence is plainly in, when that is not English; else ""."""
    text = sentence.text
    for mention in sentence.mentions:
        if mention.kind in (MentionKind.QUOTED, MentionKind.JSON, MentionKind.LITERAL):
            text = text[: mention.start] + " " * (mention.end - mention.start) + text[mention.end :]
    letters = [char for char in text if char.isalpha()]
    scripts = [script for char in letters if not char.isascii() and (script := _script(char))]
    # A third, because names and terms of the API stay in Latin letters.
    if len(scripts) * 3 > len(letters):
        kana = next((script for script in ("HIRAGANA", "KATAKANA") if script in scripts), "")
        return _SCRIPTS[kana or scripts[0]]
    lowered = re.findall(r"[^\W\d_]+", text.lower())
    english = sum(word in _ENGLISH for word in lowered)
    counts = {name: sum(word in vocabulary for word in lowered) for name, vocabulary in _FOREIGN.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= _LEAST and counts[best] > english else ""


def _script(char: str) -> str:
    return next((script for script in _SCRIPTS if unicodedata.name(char, "").startswith(script)), "")
