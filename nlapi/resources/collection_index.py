"""Indexes the collections at the paths of an API, and the operations on each and on one item of it.

It reads paths, ids and methods, so that it costs little even for the largest descriptions; answers are parsed when they
are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular, singular_words
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec
from nlapi.resources.answers import answer_schema, answer_schemas, json_media
from nlapi.resources.nouns import QUERY_WORDS, Words, is_single, noun_of, path_noun, singular_noun
from nlapi.resources.paths import FORMATS, Path, Place, Shape, segments, shape

NAME_FILTERS = tuple(lexicon.text("resources/words", "name_filters").split())
"""Names of the query parameter of a list that filters by name, the most exact first."""

VAGUE_NOUNS = ("item", "entry", "result", "search", "resource", "object", "element")
"""Nouns of paths that do not name the listed kind."""

CALLER_WORDS = frozenset("me my mine self myself current whoami viewer user profile".split())
"""Segments and words of paths for the caller: /me/playlists, /user/repos, /users/current."""

# Words in the names of schemas for the extent of an item: `File--Mini`, `full-repository`.
_ENTITY_QUALIFIERS = lexicon.words("resources/words", "entity_qualifiers")


_IDS = tuple((word,) for word in ("id", "uuid", "guid", "gid", "sid"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """A path with items: `operations` are those on it, `item_operations` those on one item, both by method.

    `item_paths` are the paths of one item, whose last segment is the placeholder of its id, or [].
    """

    path: Path
    operations: dict[str, Operation] = field(default_factory=dict)
    item_operations: dict[str, Operation] = field(default_factory=dict)
    item_paths: list[Path] = field(default_factory=list)

    @cached_property
    def shape(self) -> Shape:
        return shape(self.path)

    @cached_property
    def key(self) -> str | None:
        """The parameter with the id of one item: of Xero's `ContactNumber` and `ContactID` the second."""
        names = [name for path in self.item_paths if (name := path[-1].parameter)]
        return min(names, key=lambda name: name_words(name)[-1:] not in _IDS, default=None)

    @property
    def last_text(self) -> str:
        return self.path[-1].text if self.path else ""

    @property
    def is_only_read(self) -> bool:
        return not self.item_operations and self.operations.keys() <= {"GET", "HEAD"}


class CollectionIndex:
    """An index of the collections of one Spec, or of some of its operations. What is derived is computed once.

    `collection_index` returns that of a Spec.
    """

    def __init__(self, spec: Spec, operations: Iterable[Operation] | None = None) -> None:
        self.spec = spec
        self.schemas = answer_schemas(spec)
        # An operation that cannot be called is not a source of anything.
        selected = spec.operations if operations is None else operations
        self.operations = tuple(operation for operation in selected if operation.usable)
        self._lists: dict[Operation, bool] = {}
        self._nouns: dict[Operation, tuple[Words, ...]] = {}
        self._required: dict[Operation, tuple[Place, ...]] = {}

    @cached_property
    def collections(self) -> Mapping[Shape, Collection]:
        """Every path of the API that is not one item of another, by its shape."""
        collections: dict[Shape, Collection] = {}
        for operation in self.operations:
            path = segments(operation.route)
            if len(path) > 1 and self._is_single_id(operation, path[-1].parameter):
                collection = collections.setdefault(shape(path[:-1]), Collection(path=path[:-1]))
                collection.item_operations.setdefault(operation.method, operation)
                if path not in collection.item_paths:
                    collection.item_paths.append(path)
            else:
                collections.setdefault(shape(path), Collection(path=path)).operations.setdefault(
                    operation.method, operation
                )
        return collections

    def _is_single_id(self, operation: Operation, name: str | None) -> bool:
        """Return whether a placeholder takes one id, and no list of them."""
        parameter = operation.parameter("path", name) if name else None
        types = self.schemas.reader.types(parameter.schema) if parameter is not None else ()
        return name is not None and {"array", "object", "boolean"}.isdisjoint(types)

    def required(self, operation: Operation) -> tuple[Place, ...]:
        """Return the places that a call must fill: parameters, and properties of a body."""
        if operation not in self._required:
            required_parameters = (
                parameter
                for parameter in operation.parameters
                if parameter.required and "default" not in parameter.schema
            )
            body = self.schemas.reader.flat(operation.body.schema) if operation.body and operation.body.required else {}
            body_places = (("body", name) for name in body.get("required") or ())
            self._required[operation] = (
                *((parameter.location, parameter.name) for parameter in required_parameters),
                *body_places,
            )
        return self._required[operation]

    def collection(self, path: Path) -> Collection | None:
        return self.collections.get(shape(path))

    @cached_property
    def _reads_by_noun(self) -> Mapping[str, tuple[Operation, ...]]:
        """The operations that may read, by their noun in the singular, written as one word."""
        reads: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.operations:
            # POSTs are in it whatever they do: their effect is costly, and is classified only for those of a matching
            # noun.
            if operation.method in READ_METHODS or operation.method == "POST":
                reads["".join(singular_noun(operation))].append(operation)
        return {noun: tuple(operations) for noun, operations in reads.items()}

    def is_list(self, operation: Operation) -> bool:
        """Return whether an operation reads a list, by its schema, else by the plural in its path."""
        if operation not in self._lists:
            self._lists[operation] = operation.effect is Effect.READ and self._answers_with_list(operation)
        return self._lists[operation]

    def _answers_with_list(self, operation: Operation) -> bool:
        media = json_media(operation)
        if media is not None and media.schema:
            view = self.schemas.schema_view(operation)
            if self.schemas.list_envelope(operation) is not None:
                return True
            types = self.schemas.reader.types(media.schema)
            if types and {"array", "object", "string"}.isdisjoint(types):
                return False  # how many there are, or whether
            if view is not None and any(True for _ in view.names):
                return is_plural(operation) and self._has_item_schema(operation)
        return is_plural(operation) or self.is_query(operation)

    def is_query(self, operation: Operation) -> bool:
        """Return whether a path ends in a way of reading a collection: /films/search, /pets/findByStatus."""
        path = segments(operation.route)
        words = name_words(path[-1].text) if path and not path[-1].parameter else ()
        return not (QUERY_WORDS | FORMATS).isdisjoint((*words[:1], *words[-1:]))

    @cached_property
    def searches(self) -> tuple[Operation, ...]:
        """The reads without a collection that search everything: /search."""
        queries = (
            operation for operation in self.operations if self.is_query(operation) and operation.effect is Effect.READ
        )
        return tuple(operation for operation in queries if set(path_noun(operation)) <= QUERY_WORDS)

    def _has_item_schema(self, operation: Operation) -> bool:
        """Return whether a plural path answers with the schema of one item, by the POST to it or the GET below it."""
        collection = self.collection(segments(operation.route))
        # Some descriptions have the schema of one item for the answer of a list; the path is then right.
        nouns = set(schema_nouns(answer_schema(operation)))
        if collection is None:
            return False
        creation, item_read = collection.operations.get("POST"), collection.item_operations.get("GET")
        of_items = [entry for entry in (creation, item_read) if entry is not None]
        if any(nouns & set(schema_nouns(answer_schema(entry))) for entry in of_items):
            return True
        properties = self.schemas.reader.properties
        body = creation.body if creation is not None else None
        inputs = properties(body.schema) if body is not None else {}
        return bool(inputs) and inputs.keys() == properties(answer_schema(operation)).keys()

    def lists_for_noun(self, noun: Words) -> Iterator[Operation]:
        """Yield the operations that list items of a noun in the singular, by their path, or else by their answer.

        Those found by their answer alone, as /folders/{id}/items lists files, come last.
        """
        candidates = self._reads_by_noun.get("".join(noun), ())
        yield from (entry for entry in candidates if self.is_list(entry) and not self._is_owner_noun(entry, noun))
        yield from (operation for operation in self._lists_by_answer_noun.get(noun, ()) if operation not in candidates)

    def lists_for_longer_nouns(self, noun: Words) -> Iterator[Operation]:
        """Yield the lists of items with a longer noun: those of metadata templates for a template."""
        for longer_noun, operations in self._lists_by_schema_noun.items():
            if longer_noun[-len(noun) :] == noun != longer_noun:
                yield from operations

    def _is_owner_noun(self, operation: Operation, noun: Words) -> bool:
        """Return whether a singular noun at the end of a path is the owner of the items: /templates/enterprise."""
        nouns = self.entry_nouns(operation) if noun_of(operation) == noun else ()
        return bool(nouns) and not any(noun[-1] in "".join(words) for words in nouns)

    def lists_by_schema(self, noun: Words) -> Iterator[Operation]:
        """Yield the lists whose entries have a schema named like the noun, whatever their path is."""
        yield from self._lists_by_schema_noun.get(noun, ())

    @cached_property
    def _lists_by_answer_noun(self) -> Mapping[Words, list[Operation]]:
        """Lists whose path does not name the listed kind, by the nouns of their answer: /folders/{id}/items."""
        lists: dict[Words, list[Operation]] = defaultdict(list)
        for operation in self.operations:
            noun = singular_noun(operation)
            if (not noun or noun[-1] in VAGUE_NOUNS or self.is_query(operation)) and self.is_list(operation):
                for answer_noun in dict.fromkeys(self.answer_nouns(operation)):
                    lists[answer_noun].append(operation)
        return lists

    @cached_property
    def _lists_by_schema_noun(self) -> Mapping[Words, tuple[Operation, ...]]:
        lists: dict[Words, list[Operation]] = defaultdict(list)
        for operation in self.operations:
            if self.is_list(operation):
                for noun in self.entry_nouns(operation):
                    lists[noun].append(operation)
        return {noun: tuple(operations) for noun, operations in lists.items()}

    def answer_nouns(self, operation: Operation) -> Iterator[Words]:
        """Yield the nouns of a list by its answer: the name of the array, the names of the schemas of its entries."""
        envelope = self.schemas.list_envelope(operation)
        if envelope is not None and envelope.keys:
            yield singular_words(envelope.keys[-1])
        yield from self.entry_nouns(operation)

    def entry_nouns(self, operation: Operation) -> tuple[Words, ...]:
        """Return the nouns in the names of the schemas of an operation's entries, or of its item."""
        if operation not in self._nouns:
            self._nouns[operation] = tuple(dict.fromkeys(schema_nouns(self.schemas.entry_schema(operation))))
        return self._nouns[operation]

    def item_read(self, listing: Operation) -> Operation | None:
        """Return the operation that reads one of the items that another lists."""
        return self.item_read_at(segments(listing.route))

    def item_read_at(self, path: Path) -> Operation | None:
        """Return the operation that reads one of the items at a path."""
        collection = self.collection(path)
        return collection.item_operations.get("GET") if collection is not None else None

    def is_canonical(self, operation: Operation) -> bool:
        """Return whether the items that an operation lists are created or read one by one at its path."""
        path = segments(operation.route)
        if path and shape(path)[-1] is not None and set(name_words(path[-1].text)) & QUERY_WORDS:
            # /films/search lists the films of /films.
            path = path[:-1]
        collection = self.collection(path)
        return collection is not None and ("GET" in collection.item_operations or "POST" in collection.operations)

    def is_about_caller(self, operation: Operation) -> bool:
        """Return whether a path is about the caller: /user/repos, /me/playlists."""
        literal = [part.text for part in segments(operation.route) if not part.parameter]
        return any(text.lower() in CALLER_WORDS or "{" in text for text in literal[:-1])

    @cached_property
    def caller_reads(self) -> tuple[Operation, ...]:
        """The reads of the caller without a required argument: /me, /auth/identity, the shortest path first."""
        nouns = CALLER_WORDS | {"identity", "userinfo", "auth"}
        gets = (entry for entry in self.operations if entry.method == "GET" and "{" not in entry.path)
        reads = (entry for entry in gets if not entry.deprecated and set() < set(noun_of(entry)) <= nouns)
        without_arguments = (entry for entry in reads if not any(part.required for part in entry.parameters))
        return tuple(sorted(without_arguments, key=lambda operation: len(operation.path)))

    @property
    def caller_read(self) -> Operation | None:
        """The operation that reads the caller, or None."""
        reads = (operation for operation in self.caller_reads if set(noun_of(operation)) <= CALLER_WORDS)
        return next(reads, next(iter(self.caller_reads), None))


def collection_index(spec: Spec) -> CollectionIndex:
    """Return the CollectionIndex of a Spec, computed once."""
    return spec.derive(CollectionIndex)


def name_filter(names: Iterable[str]) -> str | None:
    """Return the name among those of query parameters that filters by name, or None."""
    # Parameters are spelled in every case: nameContains, name_contains, name-contains.
    keyed = {name_key(name): name for name in names}
    return next((keyed[name] for name in NAME_FILTERS if name in keyed), None)


def schema_nouns(schema: object) -> Iterator[Words]:
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
