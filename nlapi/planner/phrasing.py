"""Words for sentences about answers: what things and their fields are called, and how one of them is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nlapi.openapi.spec import Operation
from nlapi.resources.fields import Thing
from nlapi.resources.identity import id_of, name_of
from nlapi.resources.naming import pieces, stem
from nlapi.resources.naming import plural as plural_word
from nlapi.resources.nouns import thing_words

SILENT = frozenset(map(stem, "id at on date time micros micro amount value count number is has".split()))
"""Stems in the name of a field that nobody says when they ask for it."""

_SHORTEST_BEGINNING = 4
"""Letters from which the beginning of a word stands for it."""


def field_stems(path: str) -> frozenset[str]:
    """Return the stems by which people ask for a field: daily_budget_micros -> daily budget."""
    words = frozenset(map(stem, pieces(path.rpartition(".")[2])))
    return words - SILENT or words


def is_word_of(said: str, word: str) -> bool:
    """Whether a stem that people say is one of a field's, or begins it: star of stargazers."""
    return said == word or (len(said) >= _SHORTEST_BEGINNING and word.startswith(said))


def field_words(path: str) -> str:
    """Return what a field is called in a sentence."""
    return " ".join(word for word in pieces(path.rpartition(".")[2]) if word not in ("micros", "micro")) or path


def noun(operation: Operation) -> str:
    """Return what an operation answers with, for one: ad set."""
    return " ".join(thing_words(operation)) or "result"


def plural(operation: Operation) -> str:
    """Return what an operation answers with, for several: ad sets."""
    *before, last = thing_words(operation) or ("result",)
    return " ".join((*before, plural_word(last)))


def counted(count: int, operation: Operation) -> str:
    return f"1 {noun(operation)}" if count == 1 else f"{count:,} {plural(operation)}"


def label(operation: Operation, thing: Thing) -> str:
    """Return a thing with its noun, name and id: The campaign Back to School (cmp_1)."""
    words = thing_words(operation)
    name, id = name_of(thing, words), id_of(thing, noun=words)
    parts = ["The", noun(operation), *([name] if name else [])]
    if id is not None and str(id) != name:
        parts.append(f"({id})" if name else str(id))
    return " ".join(parts)


def called(thing: Thing, things: Sequence[Thing] = ()) -> str:
    """Return what a thing is called: its name, with its id where others have the same name; else its id."""
    name, id = name_of(thing), id_of(thing)
    if not name:
        return str(id) if id is not None else "one without a name"
    return f"{name} ({id})" if sum(name_of(one) == name for one in things) > 1 and id is not None else name


def value_word(value: object) -> str:
    """Return one of the values of a field as a word: IN_PROGRESS -> in progress."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text.lower().replace("_", " ") if text.isupper() or "_" in text else text


def joined(names: Iterable[str], word: str = "and") -> str:
    """Return names as a sentence lists them: a, b and c."""
    every = list(names)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} {word} {every[-1]}"
