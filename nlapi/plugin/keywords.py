"""Chooses the words by which a person would know an area: those of its fields, of what it sets off, and of reports."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from nlapi.english import lexicon
from nlapi.english.words import split_words, stem
from nlapi.openapi.model import as_list, as_map
from nlapi.openapi.spec import READ_METHODS, Operation
from nlapi.resources.answers import answer_schemas
from nlapi.resources.naming import STOPWORDS
from nlapi.tools.areas import Area
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool
from nlapi.tools.word_similarity import rarity

# Stems that tell no area of an API from another: those of lists, ids, formats and bookkeeping.
_COMMON_STEMS = lexicon.stems("plugin/words", "of_any_area")
# Share of the areas that have a word from which on it tells none of them.
MAX_AREA_SHARE = 0.3
MAX_PROPERTIES = 40
MAX_PHRASE = 2
# Rarity in English above which a word is one of programs, and not of people: `gte`, `ias`, `jitconfig`.
MAX_RARITY = 0.97
# A long word that the table does not have is one of the field (`salesforce`, `tagline`), a short one an abbreviation.
MIN_LONG = 6
# How much a word of an inner object, of a value and of a summary counts, next to a field of the thing itself.
_INNER_WEIGHT, _VALUE_WEIGHT, _SUMMARY_WEIGHT = 0.4, 1.0, 0.2
MAIN_WEIGHT = 3.0
MAX_SUMMARY = 100
# Rarity below which a word of a sentence is one of any sentence: another, back, see.
MIN_SUMMARY_RARITY = 0.5
# Names of arguments whose values are what is set off; and of such whose values every thing has.
_COMMANDS = (["type"], ["action"], ["event"])
_STATES = (["status"], ["statuses"], ["state"], ["states"])
_PLAIN_WORD = re.compile(r"[a-z]{3,24}")


class Keywords:
    """The words by which each area of an API is told from the others."""

    def __init__(self, areas: Sequence[Area], main: Collection[Operation]) -> None:
        """Read the operations; those in `main` are about the first thing of their area, and count more."""
        self._phrases: dict[str, dict[str, float]] = {}
        for area in areas:
            weights: dict[str, float] = {}
            for operation in area.operations:
                factor = MAIN_WEIGHT if operation in main else 1.0
                for phrase, weight in _operation_phrases(operation).items():
                    weights[phrase] = weights.get(phrase, 0.0) + factor * weight
            self._phrases[area.slug] = weights
        self._areas = Counter(
            root
            for weights in self._phrases.values()
            for root in {stem(word) for phrase in weights for word in phrase.split()}
        )

    def of(self, area: Area, known: str) -> list[str]:
        """Return the phrases of an area that few others have, most telling first, each with a word not in `known`."""
        total = len(self._phrases)
        scores = {
            phrase: math.log(1 + weight) * min(self._telling(word, total) for word in phrase.split())
            for phrase, weight in self._phrases[area.slug].items()
        }
        said = {stem(word) for word in split_words(known)}
        chosen = []
        for phrase in sorted(scores, key=lambda phrase: (-scores[phrase], phrase)):
            roots = {stem(word) for word in phrase.split()}
            if scores[phrase] > 0 and not roots & said:
                chosen.append(phrase)
                said |= roots
        return chosen

    def _telling(self, word: str, total: int) -> float:
        """Return how much a word tells of an area: nothing where half of them have it."""
        count = self._areas[stem(word)]
        return math.log(1 + total / count) if count <= max(1, total * MAX_AREA_SHARE) else 0.0


def _operation_phrases(operation: Operation) -> dict[str, float]:
    """Return the phrases of an operation with their weights, each once."""
    weights: dict[str, float] = {}
    for phrase, weight in _weighted_phrases(operation):
        if phrase:
            weights[phrase] = max(weight, weights.get(phrase, 0.0))
    return weights


def _weighted_phrases(operation: Operation) -> Iterator[tuple[str, float]]:
    tool = compile_tool(operation)
    for name, (location, _) in tool.places.items():
        if location == "query":
            yield _phrase(name), 1.0
        # What is asked of a report is a value: impressions, spend, age.
        if operation.method in READ_METHODS and split_words(name)[-1:] not in _STATES:
            values = value_choices(tool, argument_definition(tool, name))
            yield from ((_phrase(value), _VALUE_WEIGHT) for value in values)
    for path, field in body_fields(operation):
        name = path.rpartition(".")[2]
        yield _phrase(name), 1.0
        # What is set off is a value as well: reboot, resize.
        if split_words(name)[-1:] in _COMMANDS:
            yield from ((_phrase(value), _VALUE_WEIGHT) for value in value_choices(tool, field))
        properties = answer_schemas(operation.spec).reader.properties(field)
        yield from ((_phrase(inner), _INNER_WEIGHT) for inner in list(properties)[:MAX_PROPERTIES])
    for word in _plain_words(split_words(operation.summary[:MAX_SUMMARY])):
        if rarity(stem(word)) >= MIN_SUMMARY_RARITY:
            yield word, _SUMMARY_WEIGHT


def body_fields(operation: Operation) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the fields of a body by path, of one that is a single object ({"data": {...}}) those of the object."""
    tool = compile_tool(operation)
    reader = answer_schemas(operation.spec).reader
    names = [name for name, (location, _) in tool.places.items() if location == "body"]
    for name in names:
        field = argument_definition(tool, name)
        inner = reader.properties(field) if len(names) == 1 else {}
        prefix = f"{name}." if tool.places[name][1] else ""
        yield from ((f"{prefix}{key}", as_map(value)) for key, value in inner.items())
        if not inner and prefix:
            yield name, field


def _phrase(name: str) -> str:
    """Return what a person says of a field: `bid_micro_amount` is a bid amount; "" where it is a word of programs."""
    words = split_words(name)
    plain = _plain_words(words)
    rest = [word for word in words if word not in plain and stem(word) not in _COMMON_STEMS]
    return "" if rest or len(plain) > MAX_PHRASE else " ".join(plain)


def _plain_words(words: Iterable[str]) -> list[str]:
    return [
        word
        for word in words
        if _PLAIN_WORD.fullmatch(word)
        and word not in STOPWORDS
        and stem(word) not in _COMMON_STEMS
        and (rarity(stem(word)) <= MAX_RARITY or len(word) >= MIN_LONG)
    ]


def value_choices(tool: Tool, schema: Mapping[str, object]) -> list[str]:
    """Return the texts that a value may be, or the items of its list."""
    target = str(as_map(schema.get("items")).get("$ref", "")).rpartition("/")[2]
    items = as_map(as_map(tool.input_schema.get("$defs")).get(target)) or as_map(schema.get("items"))
    values = [*as_list(schema.get("enum")), *as_list(items.get("enum"))]
    return [value for value in values if isinstance(value, str)][:MAX_PROPERTIES]


def argument_definition(tool: Tool, name: str) -> Mapping[str, object]:
    """Return the schema of an argument, of a reference that of its target."""
    schema = as_map(tool.input_schema["properties"].get(name))
    target = str(schema.get("$ref", "")).rpartition("/")[2]
    return {**as_map(as_map(tool.input_schema.get("$defs")).get(target)), **schema} if target else schema
