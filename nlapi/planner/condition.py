"""A condition that a question sets on the things of a list, and the question while its conditions are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlapi.planner.row_fields import RowFields, core_stems
from nlapi.planner.language.english.text import Kind, Sentence, Span, Token
from nlapi.resources.naming import pieces, stem

_NEGATIONS = frozenset(
    "not non without except excluding outside besides never neither nor no isn't aren't wasn't weren't doesn't".split()
)
_NEGATION_PAIRS = frozenset((("other", "than"), ("apart", "from"), ("aside", "from"), ("instead", "of")))
_LINKS = frozenset("is are was were be being = == : equal equals equalling to of set as in the a an any".split())
"""What may stand between a field and its value, or between a negation and what it denies."""


_LEADING = frozenset("in on to by with from at for as of the a an".split())
"""What may stand between a participle and the value that it leads to."""


FILLER = frozenset(
    map(
        stem,
        """
        account amount anything attribute available called column configured contain count current currently data detail
        different display distinct entry everything exist existing field full have having host include including info
        information instance item kind list many moment name named number object one ones onto our out overview own
        present property quantity quick quickly record registered report resource respective result row separate server
        service set single so something sort stuff summary system table thing together total type unique value various
        way work run group grouped broken down overall altogether combined average mean per each every entire whole
        since before after until till during within between above below less least greater than
        cluster system database environment tenant platform registry catalog catalogue
        actually really maybe currently today now right again another other rest else possible able back come go going
        """.split(),
    )
) - {stem("run"), stem("broken")}
"""Stems of words that set no condition by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What the field at `path`, or with "" the whole row, has to be.

    `text` says it in words: `status active`, `price over 20`.
    """

    path: str
    text: str
    holds: Callable[[Any], bool]

    def holds_in(self, row: Mapping[str, Any]) -> bool:
        return self.holds(row.get(self.path) if self.path else row)


@dataclass(kw_only=True)
class QuestionReading:
    """A question, and which of its tokens are understood so far."""

    sentence: Sentence
    fields: RowFields
    noun: frozenset[str]
    """the stems of what is listed"""
    understood: set[int] = field(default_factory=set)

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self.sentence.tokens

    def text(self, first: int, last: int) -> str:
        """The text of the tokens from `first` to before `last`."""
        return self.sentence.text[self.tokens[first].start : self.tokens[last - 1].end]

    def take(self, first: int, last: int) -> None:
        self.understood.update(range(first, last))

    def take_text(self, start: int, end: int) -> None:
        """Mark the tokens that overlap with a stretch of characters."""
        self.understood.update(at for at, token in enumerate(self.tokens) if token.start < end and token.end > start)

    def take_words(self, words: Sequence[str]) -> bool:
        """Mark every run of tokens with these words, in whatever form; whether there was one."""
        stems = tuple(map(stem, words))
        found = False
        for at in range(len(self.tokens)):
            last, left = at, stems
            while left and last < len(self.tokens):
                own = tuple(map(stem, pieces(self.tokens[last].text)))
                if not own or left[: len(own)] != own:
                    break
                left, last = left[len(own) :], last + 1
            if stems and not left:
                self.take(at, last)
                found = True
        return found

    def is_free(self, first: int, last: int) -> bool:
        return not any(at in self.understood for at in range(first, last))

    def span_of(self, first: int, last: int) -> Span | None:
        """The name, the quotation or the literal that a run of tokens is."""
        kinds = (Kind.NAME, Kind.QUOTED, Kind.LITERAL, Kind.CALLED)
        return next(
            (span for span in self.sentence.spans if (span.first, span.last) == (first, last) and span.kind in kinds),
            None,
        )

    def is_quoted(self, first: int, last: int) -> bool:
        """Whether a run of tokens has a part of a quotation in it."""
        quoted = (span for span in self.sentence.spans if span.kind is Kind.QUOTED)
        return any(span.first < last and first < span.last for span in quoted)

    def is_negated(self, first: int) -> bool:
        """Whether a negation stands before a token, with nothing but linking words between."""
        at = first - 1
        while at >= 0 and at >= first - 4:
            lower = self.tokens[at].lower.replace("’", "'")
            pair = (self.tokens[at - 1].lower, lower) if at else ("", lower)
            if lower in _NEGATIONS or pair in _NEGATION_PAIRS:
                self.take(at - (pair in _NEGATION_PAIRS), first)
                return True
            if lower not in _LINKS:
                return False
            at -= 1
        return False

    def field_beside(self, first: int, last: int, paths: Iterable[str]) -> str:
        """The field of `paths` whose words stand next to a run of tokens; "" for none. The words are marked."""
        for path in paths:
            whole = frozenset(map(stem, pieces(path.rpartition(".")[2])))
            for words in dict.fromkeys((whole, core_stems(path))):
                for start, end in (*self._before(first, len(words)), *self._after(last, len(words))):
                    if words and frozenset(token.stem for token in self.tokens[start:end]) == words:
                        self.take(min(start, first), max(end, last))
                        return path
        return ""

    def verb_before(self, first: int) -> tuple[str, int]:
        """The stem of the participle that leads to a run of tokens, and where it stands: written in, assigned to."""
        at = first - 1
        while at > 0 and first - at < 4 and (self.tokens[at].lower in _LEADING or at in self.understood):
            at -= 1
        token = self.tokens[at] if at >= 0 else None
        if token is None or not token.word or not token.lower.endswith(("ed", "ing", "en", "wn", "lt")):
            return "", first
        return token.stem, at

    def _before(self, first: int, size: int) -> Iterable[tuple[int, int]]:
        at = first
        while at > 0 and self.tokens[at - 1].lower in _LINKS | _NEGATIONS and first - at < 4:
            at -= 1
        return [(end - size, end) for end in dict.fromkeys((first, at)) if end >= size]

    def _after(self, last: int, size: int) -> Iterable[tuple[int, int]]:
        return [(last, last + size)] if last + size <= len(self.tokens) else []
