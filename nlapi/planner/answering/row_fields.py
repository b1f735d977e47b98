"""Words for sentences about answers: what things and their fields are called, and how one of them is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.answers import field_schema
from nlapi.resources.identity import Item, columns, fields_of, id_of, is_empty, name_of, text_of
from nlapi.resources.naming import name_words, split_words, stem
from nlapi.resources.naming import plural as plural_word
from nlapi.resources.nouns import singular_noun
from nlapi.tools.value_format import is_date, moment_of, number_of

SILENT = frozenset(map(stem, "id at on date time micros micro amount value count number is has".split()))
"""Stems in the name of a field that nobody says when they ask for it."""

_SHORTEST_BEGINNING = 4
"""Letters from which the beginning of a word stands for it."""


def field_stems(path: str) -> frozenset[str]:
    """Return the stems by which people ask for a field: daily_budget_micros -> daily budget."""
    words = frozenset(map(stem, split_words(path.rpartition(".")[2])))
    return words - SILENT or words


def is_word_of(said: str, word: str) -> bool:
    """Whether a stem that people say is one of a field's, or begins it: star of stargazers."""
    return said == word or (len(said) >= _SHORTEST_BEGINNING and word.startswith(said))


def field_words(path: str) -> str:
    """Return what a field is called in a sentence."""
    return " ".join(word for word in split_words(path.rpartition(".")[2]) if word not in ("micros", "micro")) or path


def noun(operation: Operation) -> str:
    """Return what an operation answers with, for one: ad set."""
    return " ".join(singular_noun(operation)) or "result"


def plural(operation: Operation) -> str:
    """Return what an operation answers with, for several: ad sets."""
    *before, last = singular_noun(operation) or ("result",)
    return " ".join((*before, plural_word(last)))


def counted(count: int, operation: Operation) -> str:
    return f"1 {noun(operation)}" if count == 1 else f"{count:,} {plural(operation)}"


def label(operation: Operation, thing: Item) -> str:
    """Return a thing with its noun, name and id: The campaign Back to School (cmp_1)."""
    words = singular_noun(operation)
    name, id = name_of(thing, words), id_of(thing, noun=words)
    parts = ["The", noun(operation), *([name] if name else [])]
    if id is not None and str(id) != name:
        parts.append(f"({id})" if name else str(id))
    return " ".join(parts)


def called(thing: Item, things: Sequence[Item] = ()) -> str:
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


_STATES = frozenset(map(stem, "status state phase health lifecycle condition".split()))
"""Words for how a thing is doing: people say one where an API has another."""

_IDENTIFYING = frozenset(map(stem, "name key code slug uuid login email".split()))
"""Stems in the name of a field that tell in what way it names something."""

_LABELS = ("labels", "annotations", "tags")
"""Maps of values by keys that users choose; they are looked into deeper than other objects."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RowFields:
    """The things of a list, and their fields by path."""

    things: tuple[Item, ...]
    operation: Operation

    @cached_property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """The fields of each thing by their path, two levels deep and those in labels."""
        return tuple(_cells(thing) for thing in self.things)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The fields that any of the things has, the most telling first."""
        first = columns(self.things, singular_noun(self.operation))
        paths = dict.fromkeys((*first, *(path for row in self.rows for path in row)))
        return tuple(path for path in paths if field_stems(path))  # a field without a name is never asked for

    @cached_property
    def names(self) -> frozenset[str]:
        """What the things are called."""
        words = singular_noun(self.operation)
        return frozenset(filter(None, (name_of(thing, words) for thing in self.things)))

    def values(self, path: str) -> list[Any]:
        """The values of a field, None where a thing has none."""
        return [row.get(path) for row in self.rows]

    def texts(self, path: str) -> list[tuple[str, ...]]:
        """What a field says of each thing, in texts: one, those of a list, or none."""
        return [texts_of(value) for value in self.values(path)]

    def is_numeric(self, path: str) -> bool:
        present = [value for value in self.values(path) if value is not None]
        return bool(present) and all(number_of(value) is not None for value in present)

    def is_temporal(self, path: str) -> bool:
        present = [value for value in self.values(path) if value not in (None, "")]
        return bool(present) and all(is_date(value) or moment_of(path, value) is not None for value in present)

    def is_flag(self, path: str) -> bool:
        present = [value for value in self.values(path) if value is not None]
        return bool(present) and all(isinstance(value, bool) for value in present)

    def choices(self, path: str) -> list[str]:
        """The values that a field may have by its schema."""
        schema = field_schema(self.operation, path) or {}
        items = schema.get("items")
        listed = schema.get("enum") or (items.get("enum") if isinstance(items, Mapping) else None)
        return [value for value in listed or () if isinstance(value, str)]

    def path_of(self, words: Sequence[str]) -> str:
        """The field that stems of a question name; "" where none is called so."""
        return next(iter(self.paths_of(words)), "")

    def paths_of(self, words: Sequence[str]) -> list[str]:
        """The fields that stems of a question name, the likeliest first.

        Those that are called just so go before those whose name says besides that it is a name, an id or a time, and
        those before the state in an object of the name.
        """
        named = frozenset(words)
        if not named:
            return []
        exact = [path for path in self.paths if named in (_stems(path), field_stems(path))]
        whole = [path for path in self.paths if frozenset(map(stem, split_words(path))) == named]
        if exact or whole:
            return exact or whole
        if named <= _STATES:
            held = [path for path in self.paths if stem(path.partition(".")[0].lower()) in named and "." in path]
            return [path for path in dict.fromkeys((*held, *self.paths)) if _last(path) in _STATES]
        core = [path for path in self.paths if core_stems(path) == named]
        return core or [
            path for path in self.paths if (own := core_stems(path)) < named and own and named - own <= SILENT
        ]


def _cells(thing: Item) -> dict[str, Any]:
    cells = fields_of(thing)
    for path, value in tuple(cells.items()):
        name = path.rpartition(".")[2]
        if isinstance(value, Mapping) and (name.lower() in _LABELS or text_of(value, name)):
            cells |= {f"{path}.{key}": inner for key, inner in value.items() if not isinstance(inner, Mapping)}
    return cells


def core_stems(path: str) -> frozenset[str]:
    """Return the stems of a field without those that say that it is a name, an id or a time: nodeName -> node."""
    return field_stems(path) - _IDENTIFYING


def texts_of(value: Any) -> tuple[str, ...]:
    """Return what a value says in texts: itself, the text that an object stands for, those of a list."""
    if isinstance(value, list):
        return tuple(text for entry in value for text in texts_of(entry))
    if isinstance(value, Mapping):
        text = text_of(value) or name_of(value)
        return (text,) if text else ()
    if is_empty(value) or isinstance(value, bool):
        return ()
    return (str(value).removeprefix("/"),)


def _stems(path: str) -> frozenset[str]:
    return frozenset(map(stem, name_words(path.rpartition(".")[2])))


def _last(path: str) -> str:
    words = name_words(path.rpartition(".")[2])
    return stem(words[-1]) if words else ""
