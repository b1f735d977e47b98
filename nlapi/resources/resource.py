"""Indexes the collections at the paths of an API, and the operations on each and on one item of it.

It reads paths, ids and methods, so that it costs little even for the largest descriptions; answers are parsed when they
are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec
from nlapi.resources.answers import answer_schema, answer_schemas, json_media
from nlapi.resources.id_fields import Words
from nlapi.resources.naming import name_key, name_words, singular, singular_words
from nlapi.resources.nouns import QUERY_WORDS, is_single, noun_of, path_noun, thing_words
from nlapi.resources.paths import FORMATS, Path, Place, Shape, segments, shape

NAME_FILTERS = (
    *("name", "q", "query", "search", "title", "keyword", "filtername", "namecontains", "searchterm", "text", "term"),
    *("searchtext", "searchstring", "searchquery", "keywords"),
)
"""Names of the query parameter of a list that filters by name, the most exact first."""

VAGUE = ("item", "entry", "result", "search", "resource", "object", "element")
"""Nouns of paths that do not name the listed kind."""

CALLER_WORDS = frozenset("me my mine self myself current whoami viewer user profile".split())
"""Segments and words of paths for the caller: /me/playlists, /user/repos, /users/current."""

# Words in the names of schemas for the extent of an item: `File--Mini`, `full-repository`.
_ENTITY_QUALIFIERS = frozenset(
    "full mini simple minimal base basic short summary detail details info item list response dto model".split()
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collection:
    """A path with items: `operations` are those on it, `item_operations` those on one item, both by method.

    `item_paths` are the paths of one item, whose last segment is the placeholder of its id; [] where there is none.
    """

    path: Path
    at: dict[str, Operation] = field(default_factory=dict)
    item: dict[str, Operation] = field(default_factory=dict)
    item_path: list[Path] = field(default_factory=list)

    @property
    def shape(self) -> Shape:
        return shape(self.path)

    @property
    def key(self) -> str | None:
        """The parameter with the id of one item."""
        return self.item_path[0][-1].parameter if self.item_path else None


class Resources:
    """An index of the collections of one Spec, or of some of its operations. What is derived is computed once.

    `collection_index` returns that of a Spec.
    """

    def __init__(self, spec: Spec, operations: Iterable[Operation] | None = None) -> None:
        self.spec = spec
        self.schemas = answer_schemas(spec)
        # An operation that cannot be called is no source of anything.
        chosen = spec.operations if operations is None else operations
        self.operations = tuple(operation for operation in chosen if operation.usable)
        self._lists: dict[Operation, bool] = {}
        self._nouns: dict[Operation, tuple[Words, ...]] = {}
        self._required: dict[Operation, tuple[Place, ...]] = {}

    @cached_property
    def collections(self) -> Mapping[Shape, Collection]:
        """Every path of the API that is not one item of another, by its shape."""
        found: dict[Shape, Collection] = {}
        for operation in self.operations:
            path = segments(operation.route)
            if len(path) > 1 and self._names_one(operation, path[-1].parameter):
                collection = found.setdefault(shape(path[:-1]), Collection(path=path[:-1]))
                collection.item.setdefault(operation.method, operation)
                if path not in collection.item_path:
                    collection.item_path.append(path)
            else:
                found.setdefault(shape(path), Collection(path=path)).at.setdefault(operation.method, operation)
        return found

    def _names_one(self, operation: Operation, name: str | None) -> bool:
        """Return whether a placeholder takes one id, and no list of them."""
        parameter = operation.parameter("path", name) if name else None
        types = self.schemas.reader.types(parameter.schema) if parameter is not None else ()
        return name is not None and {"array", "object", "boolean"}.isdisjoint(types)

    def required(self, operation: Operation) -> tuple[Place, ...]:
        """Return the places that a call must fill: parameters, and properties of a body."""
        if operation not in self._required:
            asked = (one for one in operation.parameters if one.required and "default" not in one.schema)
            body = self.schemas.reader.flat(operation.body.schema) if operation.body and operation.body.required else {}
            bodily = (("body", name) for name in body.get("required") or ())
            self._required[operation] = (*((one.where, one.name) for one in asked), *bodily)
        return self._required[operation]

    def collection(self, path: Path) -> Collection | None:
        return self.collections.get(shape(path))

    @cached_property
    def _reads(self) -> Mapping[str, tuple[Operation, ...]]:
        """The operations that may read, by their noun in the singular, written as one word."""
        found: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.operations:
            # POSTs are in it whatever they do: their effect is costly, and is classified only for those of a matching
            # noun.
            if operation.method in READ_METHODS or operation.method == "POST":
                found["".join(thing_words(operation))].append(operation)
        return {noun: tuple(operations) for noun, operations in found.items()}

    def is_list(self, operation: Operation) -> bool:
        """Return whether an operation reads a list, by its schema, else by the plural in its path."""
        if operation not in self._lists:
            self._lists[operation] = operation.effect is Effect.READ and self._answers_with_list(operation)
        return self._lists[operation]

    def _answers_with_list(self, operation: Operation) -> bool:
        media = json_media(operation)
        if media is not None and media.schema:
            view = self.schemas.view(operation)
            if self.schemas.list_of(operation) is not None:
                return True
            types = self.schemas.reader.types(media.schema)
            if types and {"array", "object", "string"}.isdisjoint(types):
                return False  # how many there are, or whether
            if view is not None and any(True for _ in view.names):
                return is_plural(operation) and self._is_described_by_its_thing(operation)
        return is_plural(operation) or self.is_query(operation)

    def is_query(self, operation: Operation) -> bool:
        """Return whether a path ends in a way of reading a collection: /films/search, /pets/findByStatus."""
        path = segments(operation.route)
        words = name_words(path[-1].text) if path and not path[-1].parameter else ()
        return not (QUERY_WORDS | FORMATS).isdisjoint((*words[:1], *words[-1:]))

    @cached_property
    def searches(self) -> tuple[Operation, ...]:
        """The reads without a collection of their own that search everything: /search."""
        queries = (one for one in self.operations if self.is_query(one) and one.effect is Effect.READ)
        return tuple(one for one in queries if set(path_noun(one)) <= QUERY_WORDS)

    def _is_described_by_its_thing(self, operation: Operation) -> bool:
        """Return whether a plural path answers with the schema of one item, by the POST to it or the GET below it."""
        collection = self.collection(segments(operation.route))
        # Some descriptions have the schema of one item for the answer of a list; the path is then right.
        own = set(schema_nouns(answer_schema(operation)))
        if collection is None:
            return False
        maker, shown = collection.at.get("POST"), collection.item.get("GET")
        if any(own & set(schema_nouns(answer_schema(other))) for other in (maker, shown) if other is not None):
            return True
        properties = self.schemas.reader.properties
        taken = properties(maker.body.schema) if maker is not None and maker.body is not None else {}
        return bool(taken) and taken.keys() == properties(answer_schema(operation)).keys()

    def lists_of(self, noun: Words) -> Iterator[Operation]:
        """Yield the operations that list items of a noun in the singular, by their path, or else by their answer.

        Those found by their answer alone, as /folders/{id}/items lists files, come last.
        """
        named = self._reads.get("".join(noun), ())
        yield from (one for one in named if self.is_list(one) and not self._is_scoped(one, noun))
        yield from (one for one in self._vague.get(noun, ()) if one not in named)

    def lists_ending(self, noun: Words) -> Iterator[Operation]:
        """Yield the lists of items with a longer noun: those of metadata templates for a template."""
        for longer, operations in self._by_schema.items():
            if longer[-len(noun) :] == noun != longer:
                yield from operations

    def _is_scoped(self, operation: Operation, noun: Words) -> bool:
        """Return whether a singular noun at the end of a path is the owner of the items: /templates/enterprise."""
        nouns = self.entry_nouns(operation) if noun_of(operation) == noun else ()
        return bool(nouns) and not any(noun[-1] in "".join(words) for words in nouns)

    def lists_by_schema(self, noun: Words) -> Iterator[Operation]:
        """Yield the lists whose entries have a schema named like the noun, whatever their path is."""
        yield from self._by_schema.get(noun, ())

    @cached_property
    def _vague(self) -> Mapping[Words, list[Operation]]:
        """Lists whose path does not name the listed kind, by the nouns of their answer: /folders/{id}/items."""
        found: dict[Words, list[Operation]] = defaultdict(list)
        for operation in self.operations:
            noun = thing_words(operation)
            if (not noun or noun[-1] in VAGUE or self.is_query(operation)) and self.is_list(operation):
                for named in dict.fromkeys(self.answer_nouns(operation)):
                    found[named].append(operation)
        return found

    @cached_property
    def _by_schema(self) -> Mapping[Words, tuple[Operation, ...]]:
        found: dict[Words, list[Operation]] = defaultdict(list)
        for operation in self.operations:
            if self.is_list(operation):
                for noun in self.entry_nouns(operation):
                    found[noun].append(operation)
        return {noun: tuple(operations) for noun, operations in found.items()}

    def answer_nouns(self, operation: Operation) -> Iterator[Words]:
        """Yield the nouns of a list by its answer: the name of the array, the names of the schemas of its entries."""
        envelope = self.schemas.list_of(operation)
        if envelope is not None and envelope.keys:
            yield singular_words(envelope.keys[-1])
        yield from self.entry_nouns(operation)

    def entry_nouns(self, operation: Operation) -> tuple[Words, ...]:
        """Return the nouns in the names of the schemas of an operation's entries, or of its item."""
        if operation not in self._nouns:
            self._nouns[operation] = tuple(dict.fromkeys(schema_nouns(self.schemas.entry_schema(operation))))
        return self._nouns[operation]

    def shows(self, listing: Operation) -> Operation | None:
        """Return the operation that reads one of the items that another lists."""
        return self.shown_at(segments(listing.route))

    def shown_at(self, path: Path) -> Operation | None:
        """Return the operation that reads one of the items at a path."""
        collection = self.collection(path)
        return collection.item.get("GET") if collection is not None else None

    def is_home(self, operation: Operation) -> bool:
        """Return whether the items that an operation lists are created or read one by one at its path."""
        path = segments(operation.route)
        if path and shape(path)[-1] is not None and set(name_words(path[-1].text)) & QUERY_WORDS:
            # /films/search lists the films of /films.
            path = path[:-1]
        collection = self.collection(path)
        return collection is not None and ("GET" in collection.item or "POST" in collection.at)

    def is_mine(self, operation: Operation) -> bool:
        """Return whether a path is about the caller: /user/repos, /me/playlists."""
        literal = [part.text for part in segments(operation.route) if not part.parameter]
        return any(text.lower() in CALLER_WORDS or "{" in text for text in literal[:-1])

    @cached_property
    def callers(self) -> tuple[Operation, ...]:
        """The reads of the caller without a required argument: /me, /auth/identity, the shortest path first."""
        whole = (one for one in self.operations if one.method == "GET" and "{" not in one.path and not one.deprecated)
        told = CALLER_WORDS | {"identity", "userinfo", "auth"}
        mine = (one for one in whole if (noun := noun_of(one)) and set(noun) <= told)
        alone = (one for one in mine if not any(parameter.required for parameter in one.parameters))
        return tuple(sorted(alone, key=lambda one: len(one.path)))

    @property
    def caller(self) -> Operation | None:
        """The operation that reads the caller; None where there is none."""
        mine = (one for one in self.callers if set(noun_of(one)) <= CALLER_WORDS)
        return next(mine, next(iter(self.callers), None))

    def by_name(self, operation: Operation) -> Operation | None:
        """Return the variant of an operation that takes the name of its item: `/variables/name/{name}`; or None."""
        path = segments(operation.route)
        place = max((place for place, segment in enumerate(path) if segment.parameter), default=0)
        for twin in self.operations if place else ():
            other = segments(twin.route)
            if twin.method != "GET" or len(other) != place + 2 or shape(other[:place]) != shape(path[:place]):
                continue
            if other[-1].parameter and not other[-2].parameter and _says_name(other[-2].text):
                return twin
        return None


def resources_of(spec: Spec) -> Resources:
    """Return the CollectionIndex of a Spec, computed once."""
    return spec.derive(Resources)


def name_filter(names: Iterable[str]) -> str | None:
    """Return the name among those of query parameters that filters by name; None where there is none."""
    # Parameters are spelled in every case: nameContains, name_contains, name-contains.
    keyed = {name_key(name): name for name in names}
    return next((keyed[name] for name in NAME_FILTERS if name in keyed), None)


def schema_nouns(schema: Any) -> Iterator[Words]:
    """Yield the nouns in the names of the schemas that a schema refers to: `File--Mini` is a file."""
    parts = [schema]
    if isinstance(schema, Mapping):
        parts += [part for key in ("oneOf", "anyOf", "allOf") for part in schema.get(key) or ()]
    for part in parts:
        ref = part.get("$ref") if isinstance(part, Mapping) else None
        if isinstance(ref, str):
            words = [word for word in singular_words(ref.rpartition("/")[2]) if word.isalpha()]
            noun = tuple(word for word in words if word not in _ENTITY_QUALIFIERS)
            if noun:
                yield (*noun[:-1], singular(noun[-1]))


def is_plural(operation: Operation) -> bool:
    """Return whether a GET is at a path with a plural noun, and not at one of its items."""
    noun = noun_of(operation)
    return operation.method == "GET" and bool(noun) and singular(noun[-1]) != noun[-1] and not is_single(operation)


def _says_name(text: str) -> bool:
    words = name_words(text)
    return words[-1:] in (("name",), ("names",), ("slug",), ("key",), ("email",)) and words[:-1] in ((), ("by",))
