"""The names that an API has at the moment, as values that a sentence may mean, where its description has `names`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nlapi.english.words import split_words, stem
from nlapi.openapi.hints import read_hints
from nlapi.openapi.model import as_map
from nlapi.openapi.spec import Spec
from nlapi.planner.slots.slot import Slot
from nlapi.tools.arguments import argument_schema
from nlapi.tools.tool import Call, Tool

# Names of a place that are compared with a sentence, at most: a gateway of 10,000 rules has as many names.
MAX_NAMES = 20_000
_PLACE = re.compile(r"(?P<operation>[^#\s]+)#(?P<pointer>(?:/[^/\s]+)+)")


def name_places(spec: Spec) -> Mapping[str, tuple[str, ...]]:
    """Return the JSON Pointers of names by the id of the read that answers them; {} where the description has none."""
    schemas = as_map(as_map(spec.document.get("components")).get("schemas"))
    places: dict[str, dict[str, None]] = {}
    for schema in schemas.values():
        for place in _PLACE.finditer(read_hints(schema).names):
            places.setdefault(place["operation"], {})[place["pointer"]] = None
    return {operation: tuple(pointers) for operation, pointers in places.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNames:
    """The names that answers have, by (source of the description, place as in `names`)."""

    by_place: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, answers: Sequence[tuple[Call, object]]) -> LiveNames:
        """Return the names in the decoded answers of calls of `name_reads`."""
        names: dict[tuple[str, str], tuple[str, ...]] = {}
        for call, data in answers:
            operation = call.tool.operation
            for pointer in name_places(operation.spec).get(operation.id, ()):
                texts = dict.fromkeys(value for value in _values(data, pointer.split("/")[1:]) if value)
                names[operation.spec.source, f"{operation.id}#{pointer}"] = tuple(texts)[:MAX_NAMES]
        return cls(by_place=names)

    @property
    def all(self) -> frozenset[str]:
        """The names of all places."""
        return frozenset(name for names in self.by_place.values() for name in names)

    def mentioned(self, text: str) -> LiveNames:
        """Return the names all of whose words are in a text."""
        stems = frozenset(map(stem, split_words(text)))
        return LiveNames(
            by_place={
                place: tuple(name for name in names if (words := _stems(name)) and words <= stems)
                for place, names in self.by_place.items()
            }
        )

    def samples_of(self, slot: Slot, tool: Tool) -> Slot:
        """Return the slot with the names that it takes as its samples; as it is where none are known."""
        if not self.by_place:
            return slot
        source = tool.operation.spec.source
        places = [(source, place) for place in read_hints(argument_schema(tool, *slot.path)).names.split()]
        if not any(place in self.by_place for place in places):
            return slot
        names = tuple(dict.fromkeys(name for place in places for name in self.by_place.get(place, ())))
        own_names = frozenset(self.by_place.get(places[0], ()))
        with_names = replace(slot, names=frozenset(names), own_names=own_names)
        return replace(with_names, samples=names, examples=frozenset(map(str.lower, names))) if names else with_names


def _stems(name: str) -> frozenset[str]:
    return frozenset(map(stem, split_words(name)))


def _values(data: object, steps: Sequence[str]) -> Iterator[str]:
    """Yield the texts at a place of an answer; `*` is every entry of a list."""
    if not steps:
        if isinstance(data, str):
            yield data
    elif steps[0] == "*":
        for entry in data if isinstance(data, list) else ():
            yield from _values(entry, steps[1:])
    elif isinstance(data, Mapping):
        yield from _values(data.get(steps[0]), steps[1:])
