"""A sentence as its tokens, and the mentions in it that may be values of arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any

from nlapi.resources.naming import STOPWORDS


class Kind(StrEnum):
    """The look of a mention."""

    QUOTED = "quoted"
    CALLED = "called"
    NUMBER = "number"
    DATE = "date"
    LITERAL = "literal"
    NAME = "name"
    PHRASE = "phrase"
    JSON = "json"
    CHOICE = "choice"  # words that name one of the values of a closed set
    FLAG = "flag"  # words that name a boolean


# Forms of a NAME that is offered beside a shorter one: Denver, Colorado; Back to School; Vol 2.
LOOSE = frozenset(("place", "joined", "numbered", "address", "part"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A word or a mark; `start` and `end` are character positions."""

    text: str
    start: int
    end: int
    lower: str
    stem: str
    word: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Span:
    """A text of the sentence that may be a value: its tokens from `first` to before `last`.

    `form` says more of a kind: url, email, uuid, id of a LITERAL; plain, money, percent of a NUMBER.
    """

    kind: Kind
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
    spans: tuple[Span, ...] = field(default=())

    @cached_property
    def stems(self) -> tuple[str, ...]:
        return tuple(token.stem for token in self.tokens)

    @cached_property
    def stem_set(self) -> frozenset[str]:
        return frozenset(self.stems)

    @cached_property
    def words(self) -> frozenset[str]:
        """The stems of all words but stopwords."""
        return frozenset(token.stem for token in self.tokens if token.word and token.lower not in STOPWORDS)

    @cached_property
    def valued(self) -> frozenset[int]:
        """Positions of the tokens that are part of a number, a date, a quotation or a literal."""
        kinds = (Kind.NUMBER, Kind.DATE, Kind.QUOTED, Kind.LITERAL)
        return frozenset(at for span in self.spans if span.kind in kinds for at in range(span.first, span.last))

    @cached_property
    def titled(self) -> frozenset[int]:
        """Positions of the tokens in names of several words, which are no context of the words beside them."""
        names = [span for span in self.spans if span.kind is Kind.NAME and span.last - span.first > 1 and not span.form]
        plain = [span for span in names if not {"id", "number"} & set(self.stems[span.first : span.last])]
        return frozenset(at for span in plain for at in range(span.first, span.last))

    @cached_property
    def dated(self) -> frozenset[int]:
        """Positions of the tokens that are part of a date."""
        return frozenset(at for span in self.spans if span.kind is Kind.DATE for at in range(span.first, span.last))

    def in_address(self, span: Span) -> bool:
        """Return whether `span` is a part of an address."""
        return any(address.start <= span.start < span.end < address.end for address in self._addresses)

    @cached_property
    def _addresses(self) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.form == "address")

    def in_called(self, span: Span) -> bool:
        """Return whether `span` is a part of the words behind called, named, titled."""
        return any(title.start <= span.start < title.end for title in self._called)

    @cached_property
    def _called(self) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.kind is Kind.CALLED)

    @cached_property
    def traits(self) -> dict[Span, list[float]]:
        """The features of each mention by itself, filled when first computed: they are the same for all operations."""
        return {}

    def about(self, names: Callable[[str], bool]) -> str:
        """Return the text with spaces for quotations, literals and names of several words, which name no operation.

        `names` tells whether a stem names a resource of the API; such words stay.
        """
        text = self.text
        values = [span for span in self.spans if span.kind in (Kind.QUOTED, Kind.LITERAL, Kind.JSON)]
        # An id without figures (user_profile) may be the name of a resource as well.
        words = {span for span in values if span.form == "id" and not any(map(str.isdigit, span.text))}
        hidden = [(span.start, span.end) for span in values if span not in words]
        tokens = [self.tokens[at] for at in self.titled]
        hidden += [(token.start, token.end) for token in tokens if not names(token.stem)]
        for start, end in hidden:
            text = text[:start] + " " * (end - start) + text[end:]
        return text
