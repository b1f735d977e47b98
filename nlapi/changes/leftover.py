"""Finds the words of a sentence with a value that no argument of a call has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from nlapi.changes.figures import parse_number
from nlapi.changes.lexicon import is_verb
from nlapi.changes.mentions import UserSentence, SentenceWord
from nlapi.resources.naming import STOPWORDS, split_words, singular, stem
from nlapi.tools.account import ValueSource
from nlapi.tools.tool import Call

# The start of another command: a conjunction or a stop before a verb.
_CLAUSE_START = re.compile(r"(?:,?\s+(?:and then|and|then)\s+|\s*;\s*|\.\s+|,\s+)(?=(?:please\s+|also\s+)?([A-Za-z]+))")


def find_unused_words(sentence: UserSentence, call: Call, used_sources: Iterable[ValueSource], call_sources: Iterable[ValueSource]) -> tuple[str, ...]:
    """Return the quoted texts, numbers, ids and names that no source in `used_sources` has, as they are written.

    A clause that begins with a verb of its own, and of which `call_sources` have no word, is another change with its
    own values.
    """
    spans = [(source.start, source.end) for source in used_sources if source.start >= 0]
    call_spans = [(source.start, source.end) for source in call_sources if source.start >= 0]
    call_stems = _call_stems(call)
    clauses = split_clauses(sentence.text)
    unrelated_clauses = [span for span in clauses[1:] if not _overlaps_any(span, call_spans)] if _overlaps_any(clauses[0], call_spans) else []
    unrelated_clauses += [clauses[0]] if call_spans and len(clauses) > 1 and not _overlaps_any(clauses[0], call_spans) else []
    unused = []
    for index, word in enumerate(sentence.words):
        if _overlaps_any((word.start, word.end), spans) or _overlaps_any((word.start, word.end), unrelated_clauses):
            continue
        if _is_value_word(word, index, call_stems):
            unused.append(word.text)
    return tuple(dict.fromkeys(unused))


def _is_value_word(word: SentenceWord, index: int, call_stems: frozenset[str]) -> bool:
    """Return whether a word is a value: quoted, with a figure in it, or written as a name."""
    if word.is_quoted:
        return any(map(str.isalnum, word.text))
    lower = word.text.lower().removesuffix("'s")
    if any(map(str.isdigit, lower)):
        return parse_number(word) is not None or len(lower) > 1
    if lower in STOPWORDS or not any(map(str.isalpha, lower)):
        return False
    if re.search(r"\w[@/:._-]\w", word.text) or word.text[0] in "#@":
        return not {stem(piece) for piece in split_words(lower)} <= call_stems
    stems = {stem(piece) for piece in split_words(lower)}
    # A capital at the start of a sentence, or of the verb behind `Please`, is no mark of a name.
    is_name = word.text[:1].isupper() and index > 0 and word.text not in ("I", "API", "PM", "AM")
    return is_name and not stems <= call_stems and not (is_verb(stem(lower)) and index <= 1)


def _call_stems(call: Call) -> frozenset[str]:
    """Return the stems of the names of the operation, its API and its arguments."""
    operation = call.tool.operation
    names = (operation.id, operation.summary, operation.path, *operation.tags, operation.spec.title, *call.tool.places)
    words = {piece for name in names for piece in split_words(name)}
    return frozenset(stem(form) for word in words for form in (word, singular(word)))


def split_clauses(text: str) -> list[tuple[int, int]]:
    """Return the positions of the clauses of a text that begin with a verb of their own."""
    cuts = [match.end() for match in _CLAUSE_START.finditer(text) if is_verb(stem(match[1].lower()))]
    return list(pairwise([0, *cuts, len(text)]))


def _overlaps_any(span: tuple[int, int], spans: Iterable[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in spans)
