"""The fields of listed items, and the words by which sentences name items and fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nlapi.english import lexicon
from nlapi.english.lexicon import stems
from nlapi.english.words import name_words, split_words, stem, stems_of
from nlapi.english.words import plural as plural_word
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import field_schema
from nlapi.resources.identity import Item, columns, fields_of, id_of, is_empty, name_of, text_of
from nlapi.resources.nouns import singular_noun
from nlapi.tools.quantities.value_format import is_date, moment_of, number_of

SILENT_STEMS = stems(
    "planner/answering/words", "silent"
)  # stems in the name of a field that people leave out when they ask for it
_SHORTEST_BEGINNING = 4  # letters from which the beginning of a word stands for it


def field_stems(path: str) -> frozenset[str]:
    """Return the stems by which people ask for a field: daily_budget_micros -> daily budget."""
    words = stems_of(path.rpartition(".")[2])
    return words - SILENT_STEMS or words


def is_word_of(asked_stem: str, word: str) -> bool:
    """Return whether a stem of a question is the stem of a field, or begins it: star of stargazers."""
    return asked_stem == word or (len(asked_stem) >= _SHORTEST_BEGINNING and word.startswith(asked_stem))


def field_words(path: str) -> str:
    """Return the words for a field in a sentence."""
    return " ".join(word for word in split_words(path.rpartition(".")[2]) if word not in ("micros", "micro")) or path


def singular_name(operation: Operation) -> str:
    """Return the noun of the items of an operation in the singular: ad set."""
    return " ".join(singular_noun(operation)) or "result"


def plural_name(operation: Operation) -> str:
    """Return the noun of the items of an operation in the plural: ad sets."""
    *before, last = singular_noun(operation) or ("result",)
    return " ".join((*before, plural_word(last)))


def count_phrase(count: int, operation: Operation) -> str:
    return f"1 {singular_name(operation)}" if count == 1 else f"{count:,} {plural_name(operation)}"


def full_item_label(operation: Operation, item: Item) -> str:
    """Return an item with its noun, name and id: The campaign Back to School (cmp_1)."""
    words = singular_noun(operation)
    name, id = name_of(item, words), id_of(item, noun=words)
    parts = ["The", singular_name(operation), *([name] if name else [])]
    if id is not None and str(id) != name:
        parts.append(f"({id})" if name else str(id))
    return " ".join(parts)


def item_label(item: Item, items: Sequence[Item] = ()) -> str:
    """Return the name of an item, with its id where others have the same name; else its id."""
    name, id = name_of(item), id_of(item)
    if not name:
        return str(id) if id is not None else "one without a name"
    return f"{name} ({id})" if sum(name_of(entry) == name for entry in items) > 1 and id is not None else name


def value_word(value: object) -> str:
    """Return a value of a field as words: `in progress` for IN_PROGRESS."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text.lower().replace("_", " ") if text.isupper() or "_" in text else text


def join_words(names: Iterable[str], word: str = "and") -> str:
    """Return names as a sentence lists them: a, b and c."""
    texts = list(names)
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}"


_STATES = stems("planner/answering/words", "states")  # words for a state: people say one where an API has another
_IDENTIFYING = stems("planner/answering/words", "identifying")  # stems that tell in which way a field names an item
# Maps by keys that users choose, read a level deeper than other objects.
_LABELS = lexicon.ordered("planner/answering/words", "labels")


@dataclass(frozen=True, kw_only=True, eq=False)
class RowFields:
    """The items of a list, and their fields by path."""

    items: tuple[Item, ...]
    operation: Operation

    @cached_property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """The fields of each item by their path, two levels deep and those in labels."""
        return tuple(_cells(item) for item in self.items)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The fields that any of the items has, the most telling first."""
        first = columns(self.items, singular_noun(self.operation))
        paths = dict.fromkeys((*first, *(path for row in self.rows for path in row)))
        return tuple(path for path in paths if field_stems(path))  # a field without a name is never asked for

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the items."""
        words = singular_noun(self.operation)
        return frozenset(filter(None, (name_of(item, words) for item in self.items)))

    def values(self, path: str) -> list[Any]:
        """Return the values of a field, None for an item without it."""
        return [row.get(path) for row in self.rows]

    def texts(self, path: str) -> list[tuple[str, ...]]:
        """Return the texts of a field for each item: one, those of a list, or none."""
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
        """Return the values that a field may have by its schema."""
        schema = field_schema(self.operation, path) or {}
        items = schema.get("items")
        listed = schema.get("enum") or (items.get("enum") if isinstance(items, Mapping) else None)
        return [value for value in listed or () if isinstance(value, str)]

    def path_of(self, words: Sequence[str]) -> str:
        """Return the field that stems of a question name; "" for none."""
        return next(iter(self.paths_of(words)), "")

    def paths_of(self, words: Sequence[str]) -> list[str]:
        """Return the fields that stems of a question name, the likeliest first.

        An exact name goes before one with a further word for a name, an id or a time; a word for a state may name the
        state in an object of that name.
        """
        asked_stems = frozenset(words)
        if not asked_stems:
            return []
        exact = [path for path in self.paths if asked_stems in (_stems(path), field_stems(path))]
        whole = [path for path in self.paths if stems_of(path) == asked_stems]
        if exact or whole:
            return exact or whole
        if asked_stems <= _STATES:
            state_paths = [
                path for path in self.paths if stem(path.partition(".")[0].lower()) in asked_stems and "." in path
            ]
            return [path for path in dict.fromkeys((*state_paths, *self.paths)) if _last(path) in _STATES]
        core = [path for path in self.paths if core_stems(path) == asked_stems]
        return core or [
            path
            for path in self.paths
            if (path_stems := core_stems(path)) < asked_stems
            and path_stems
            and asked_stems - path_stems <= SILENT_STEMS
        ]


def _cells(item: Item) -> dict[str, object]:
    cells = fields_of(item)
    for path, value in tuple(cells.items()):
        name = path.rpartition(".")[2]
        if isinstance(value, Mapping) and (name.lower() in _LABELS or text_of(value, name)):
            cells |= {f"{path}.{key}": inner for key, inner in value.items() if not isinstance(inner, Mapping)}
    return cells


def core_stems(path: str) -> frozenset[str]:
    """Return the stems of a field without those for a name, an id or a time: node of nodeName."""
    return field_stems(path) - _IDENTIFYING


def texts_of(value: object) -> tuple[str, ...]:
    """Return the texts of a value: itself, the text that an object stands for, those of a list."""
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
