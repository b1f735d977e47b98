"""Finds the words of a sentence with a value that no argument of a call has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from nlapi.changes.figures import figure_of
from nlapi.changes.lexicon import is_verb
from nlapi.changes.mentions import Sentence, Word
from nlapi.resources.naming import STOPWORDS, pieces, singular, stem
from nlapi.tools.account import Source
from nlapi.tools.tool import Call

# The start of another command: a conjunction or a stop before a verb.
_CLAUSE = re.compile(r"(?:,?\s+(?:and then|and|then)\s+|\s*;\s*|\.\s+|,\s+)(?=(?:please\s+|also\s+)?([A-Za-z]+))")


def unused_words(sentence: Sentence, call: Call, used: Iterable[Source], of_call: Iterable[Source]) -> tuple[str, ...]:
    """Return the quoted texts, numbers, ids and names that no source in `used_sources` has, as they are written.

    A clause that begins with a verb of its own, and of which `call_sources` have no word, is another change with its
    own values.
    """
    spans = [(one.start, one.end) for one in used if one.start >= 0]
    mine = [(one.start, one.end) for one in of_call if one.start >= 0]
    own = _own_words(call)
    clauses = clauses_of(sentence.text)
    elsewhere = [span for span in clauses[1:] if not _touches(span, mine)] if _touches(clauses[0], mine) else []
    elsewhere += [clauses[0]] if mine and len(clauses) > 1 and not _touches(clauses[0], mine) else []
    left = []
    for place, word in enumerate(sentence.words):
        if _touches((word.start, word.end), spans) or _touches((word.start, word.end), elsewhere):
            continue
        if _matters(word, place, own):
            left.append(word.text)
    return tuple(dict.fromkeys(left))


def _matters(word: Word, place: int, own: frozenset[str]) -> bool:
    """Return whether a word is a value: quoted, with a figure in it, or written as a name."""
    if word.is_quoted:
        return any(map(str.isalnum, word.text))
    lower = word.text.lower().removesuffix("'s")
    if any(map(str.isdigit, lower)):
        return figure_of(word) is not None or len(lower) > 1
    if lower in STOPWORDS or not any(map(str.isalpha, lower)):
        return False
    if re.search(r"\w[@/:._-]\w", word.text) or word.text[0] in "#@":
        return not {stem(piece) for piece in pieces(lower)} <= own
    stems = {stem(piece) for piece in pieces(lower)}
    # A capital at the start of a sentence, or of the verb behind `Please`, is no mark of a name.
    named = word.text[:1].isupper() and place > 0 and word.text not in ("I", "API", "PM", "AM")
    return named and not stems <= own and not (is_verb(stem(lower)) and place <= 1)


def _own_words(call: Call) -> frozenset[str]:
    """Return the stems of the names of the operation, its API and its arguments."""
    operation = call.tool.operation
    names = (operation.id, operation.summary, operation.path, *operation.tags, operation.spec.title, *call.tool.places)
    words = {piece for name in names for piece in pieces(name)}
    return frozenset(stem(form) for word in words for form in (word, singular(word)))


def clauses_of(text: str) -> list[tuple[int, int]]:
    """Return the positions of the clauses of a text that begin with a verb of their own."""
    cuts = [match.end() for match in _CLAUSE.finditer(text) if is_verb(stem(match[1].lower()))]
    return list(pairwise([0, *cuts, len(text)]))


def _touches(span: tuple[int, int], spans: Iterable[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in spans)
