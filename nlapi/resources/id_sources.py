"""Finds the operation and the field that give the id for an argument; it gives no source rather than a wrong one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation, Parameter, Spec, as_list, as_map, as_text
from nlapi.resources.answers import json_media
from nlapi.resources.collection_index import CALLER_WORDS, CollectionIndex, collection_index, name_filter
from nlapi.resources.nouns import (
    ID_WORDS,
    NAME_WORDS,
    Words,
    has_collection_name,
    id_field,
    is_id_argument,
    noun_in_name,
    singular_noun,
    target_noun,
    wider_nouns,
)
from nlapi.resources.paging import page_role
from nlapi.resources.paths import FORMATS, Path, Place, Shape, position, segments, shape

LinkedSource = tuple[Operation, str, bool]
"""An operation, the field in its answer or in each entry, and whether it lists."""

_BODY = lazy_pattern(r"^\$response\.body#(?P<path>(?:/[^/]+)+)$")
_PLACES = lexicon.ordered("resources/words", "places")

# Words in the paths of lists without most items of a kind. GitHub's starred repositories once were the source of an
# owner in 16 of 20 skills (docs/design/021-resources.md).
_PARTIAL_LIST_WORDS = lexicon.words("resources/words", "partial_list_words")

# Names of the parameter of a general search that selects the kind of items.
_KIND_PARAMETERS = lexicon.words("resources/words", "kind_parameters")

# The share of fields that items of one kind have in common where their schemas have different names.
_MIN_SHARED_FIELDS = 0.6

_SAYS_ID = lazy_pattern(r"\b(?:id|uuid|primary key)\b", re.IGNORECASE)
_SAYS_NAME = lazy_pattern(r"\bname\b", re.IGNORECASE)
# Numbers that say where an item stands, and of which there are items elsewhere.
_ORDERS = lexicon.words("resources/words", "order_fields")

# The share of operations with a value in their path from which the value is asked for once: a tenant, GitHub's owner
# and repo.
_COMMON_SHARE = 0.4


class LinkedSources:
    """The sources that the Links of some operations name (OpenAPI 3.1.1 §4.8.20)."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = tuple(operations)

    def find_sources(self, operation: Operation, place: Place) -> Iterator[LinkedSource]:
        """Yield the sources that Links name for the value of a place of an operation."""
        for location in (place[0], ""):
            yield from self._sources.get((operation.id, location, place[1]), ())

    def all_sources(self) -> Iterator[tuple[str, str, LinkedSource]]:
        """Yield every source, after the id of the operation that takes its value, and the name of the parameter."""
        for (id, _, name), sources in self._sources.items():
            yield from ((id, name, source) for source in sources)

    @cached_property
    def _sources(self) -> Mapping[tuple[str, str, str], list[LinkedSource]]:
        sources: dict[tuple[str, str, str], list[LinkedSource]] = {}
        spec = self._operations[0].spec if self._operations else None
        if spec is None or not _has_links(spec.document):
            return sources
        for operation in self._operations:
            # The answer of a creation has the id of the new item, which nobody looks up.
            for link in operation.links if operation.effect is Effect.READ else ():
                for name, expression in link.parameters.items():
                    source = _parse_source(operation, expression)
                    if source is not None:
                        # A parameter may be qualified by its location, as in `path.id` (OpenAPI 3.1.1 §4.8.20).
                        location, _, parameter = name.partition(".")
                        key = (location, parameter) if parameter and location in _PLACES else ("", name)
                        sources.setdefault((link.operation_id, *key), []).append(source)
        return sources


def _parse_source(operation: Operation, expression: object) -> LinkedSource | None:
    """Return the source in a runtime expression: in `$response.body#/data/0/id` of an entry, in `#/id` of the item."""
    match = _BODY.match(expression) if isinstance(expression, str) else None
    if match is None:
        return None
    steps = match["path"].strip("/").split("/")
    numbers = [index for index, step in enumerate(steps) if step.isdecimal()]
    field = ".".join(steps[numbers[-1] + 1 :] if numbers else steps)
    return (operation, field, bool(numbers)) if field else None


def _has_links(document: Mapping[str, object]) -> bool:
    """Return whether a description has any Link, as answers are costly to parse only to find none."""
    if as_map(document.get("components")).get("links"):
        return True
    nodes = (node for item in as_map(document.get("paths")).values() for node in as_map(item).values())
    answers = (response for node in nodes for response in as_map(as_map(node).get("responses")).values())
    return any(as_map(response).get("links") for response in answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdSource:
    """An operation whose answer has an id: in `field` of each item that it lists, or of the item that it answers.

    `field` is a path such as `owner.login`; "" where no answer is described. `uri` means the last segment of an
    address. `narrowing` are values by place with which a general search lists the kind alone: type=artist.
    """

    operation: Operation
    field: str
    is_listed: bool = True
    narrowing: tuple[tuple[Place, str | tuple[str, ...]], ...] = ()


class IdSources:
    """The sources of the ids of one Spec; of some `operations`, those that are among them."""

    def __init__(self, spec: Spec, operations: Iterable[Operation] | None = None) -> None:
        self.index = collection_index(spec) if operations is None else CollectionIndex(spec, operations)
        self.links = LinkedSources(self.index.operations)
        self.reader = self.index.schemas.reader
        self._sources_by_place: dict[tuple[Operation, Place], tuple[IdSource, ...]] = {}
        self._fields: dict[tuple[Operation, str, Words, int], str | None] = {}
        self._ranks: dict[Operation, tuple[Path, Sequence[str], bool, bool, bool]] = {}

    def find_sources(self, operation: Operation, place: Place) -> tuple[IdSource, ...]:
        """Return the sources of the value for a place of an operation, the best first; () where none is near."""
        key = operation, place
        if key not in self._sources_by_place:
            self._sources_by_place[key] = ()  # an id that is needed for its own source has none
            self._sources_by_place[key] = tuple(self._sources(operation, place))
        return self._sources_by_place[key]

    def best_source(self, operation: Operation, place: Place) -> IdSource | None:
        """Return the best source, without a search for the others."""
        return next(iter(self._sources_by_place.get((operation, place)) or self._sources(operation, place)), None)

    def _sources(self, operation: Operation, place: Place) -> Iterator[IdSource]:
        location, name = place
        parameter = operation.parameter(location, name) if location != "body" else None
        if not is_id_argument(place, parameter) and not has_collection_name(operation, place):
            parameter = self._reference(operation, place, parameter)
            if parameter is None:
                return
        visited: set[Operation] = set()
        for source in self._candidates(operation, place, parameter):
            if source.operation is not operation and source.operation not in visited:
                visited.add(source.operation)
                yield source

    def _reference(self, operation: Operation, place: Place, parameter: Parameter | None) -> Parameter | None:
        """Return a parameter, or a field of a body as one, that refers to an item by its id without a name that says
        so: a `project` that is a number, or by its description; None for any other value.
        """
        location, name = place
        if location == "body" and operation.body is not None:
            node = self.reader.properties(operation.body.schema).get(name, {})
            text = as_text(self.reader.flat(node).get("description"))
            parameter = Parameter(name=name, location=location, required=False, schema=node, description=text)
        if parameter is None or location not in ("query", "body"):
            return None
        schema, types = self.reader.flat(parameter.schema), set(self.reader.types(parameter.schema)) - {"null"}
        noun = noun_in_name(name)
        if not noun or name_key(name) in _ORDERS or page_role(name, tuple(types)) or "enum" in schema:
            return None
        text = parameter.description
        says_id = types <= {"integer", "string"} and bool(_SAYS_ID.search(text)) and not _SAYS_NAME.search(text)
        is_id = types == {"integer"} or says_id or schema.get("format") == "uuid"
        return parameter if is_id and any(self.index.lists_for_noun(noun)) else None

    def _candidates(self, operation: Operation, place: Place, parameter: Parameter | None) -> Iterator[IdSource]:
        links = list(self.links.find_sources(operation, place))
        if place[0] == "path":
            yield from self._from_path_before(operation, place[1], parameter)
        for source, field, is_listed in links:
            if is_listed:
                yield IdSource(operation=source, field=field)
        partial_lists: list[IdSource] = []
        for entry in self._from_lists_of_noun(operation, place, parameter):
            # What lists the trash alone is not a source for what is elsewhere, unless the operation is about the trash.
            if self._is_partial(entry.operation):
                partial_lists.append(entry)
            else:
                yield entry
        if place[0] == "path":
            yield from self._from_second_id(operation, place[1])
            yield from self._from_caller(operation, place[1])
        yield from self._from_general_searches(operation, place)
        yield from partial_lists if self._is_partial(operation) else ()
        for source, field, is_listed in links:
            if not is_listed:
                yield IdSource(operation=source, field=field, is_listed=False)

    def _from_path_before(self, operation: Operation, name: str, parameter: Parameter | None) -> Iterator[IdSource]:
        """Yield lists at the path before the placeholder, searches below that path, and the caller's own item there."""
        path = segments(operation.route)
        index = position(path, name)
        noun = target_noun(operation, ("path", name))
        # Kubernetes has /watch/... beside each list: a stream of events, which is not a list to look up a name in.
        is_elsewhere = self._adds_existing(operation, name) or "watch" in _literal_words(path[:index])
        if not index or is_elsewhere or self._is_scope(path[: index + 1], noun):
            return
        operations = self._operations_at(path[:index])
        usable = [candidate for candidate in operations if not self._requires_ids(candidate)]
        lists = list(filter(self.index.is_list, usable))
        if not operations and path[index - 1].parameter:  # /peers/{ip}/{name}: what lists them has both
            parent_lists = filter(self.index.is_list, self._operations_at(path[: index - 1]))
            lists = [
                candidate
                for candidate in parent_lists
                if name_key(self.argument_field(candidate, name, noun, parameter) or "") == name_key(name)
            ]
        for candidate in (*lists, *self._searches(path[:index])):
            field = self.argument_field(candidate, name, noun, parameter)
            if field is not None and candidate is not operation:
                yield IdSource(operation=candidate, field=field)
        reads = [candidate for candidate in usable if candidate.method == "GET"]
        # Without a list, the GET at that path may answer with an item that has the id.
        for candidate in (*reads, *self._caller_reads(path[:index], noun)) if not lists else ():
            if field := self.argument_field(candidate, name, noun, parameter):
                yield IdSource(operation=candidate, field=field, is_listed=False)

    def _adds_existing(self, operation: Operation, name: str) -> bool:
        """Return whether an operation adds an existing item to others: PUT /teams/{id}/members/{username}."""
        path = segments(operation.route)
        if operation.method != "PUT" or operation.body is not None or path[-1].parameter != name:
            return False
        item_read = self.index.item_read_at(path[:-1])
        return item_read is None or json_media(item_read) is None

    def _caller_reads(self, path: Path, noun: Words) -> Iterator[Operation]:
        """Yield the read of the caller's own item of a collection: /applications/@me. A user needs more than that."""
        collections, start = self.index.collections, shape(path)
        for word in CALLER_WORDS if noun and noun[-1] not in (*CALLER_WORDS, "member", "person") else ():
            for text in (word, f"@{word}"):
                if (collection := collections.get((*start, text))) and "GET" in collection.operations:
                    yield collection.operations["GET"]

    def _operations_at(self, path: Path) -> Sequence[Operation]:
        """Return the operations at a path; at a placeholder those that list: /repositories/{workspace}."""
        if path and path[-1].parameter:
            parent = self.index.collection(path[:-1])
            return (
                [operation for operation in parent.item_operations.values() if self.index.is_list(operation)]
                if parent is not None
                else []
            )
        collection = self.index.collection(path)
        return list(collection.operations.values()) if collection is not None else []

    def _is_scope(self, path: Path, noun: Words) -> bool:
        """Return whether a path that ends in a placeholder lists other items, and not its own."""
        return bool(self._operations_at(path)) and (() if path[-2].parameter else singular_words(path[-2].text)) != noun

    def _searches(self, path: Path) -> Iterable[Operation]:
        """Return the operations that read a collection through a segment: /containers/json, /flows/filter."""
        queries = self._queries.get(shape(path), ())
        searches = [search for search in queries if self.index.is_list(search) and not self._requires_ids(search)]
        return sorted(searches, key=lambda search: (search.route.rpartition("/")[2] not in FORMATS, search.deprecated))

    def _requires_ids(self, operation: Operation) -> bool:
        """Return whether a list requires the ids of the items that it lists: GET /artists?ids=."""
        names = (name_words(name) for location, name in self.index.required(operation) if location != "path")
        return any(words[-1:] in (("ids",), ("uris",)) for words in names)

    @cached_property
    def _queries(self) -> Mapping[Shape, list[Operation]]:
        """The operations right below another path that name a way of reading it, by that path."""
        queries: dict[Shape, list[Operation]] = defaultdict(list)
        for operation in filter(self.index.is_query, self.index.operations):
            queries[shape(segments(operation.route))[:-1]].append(operation)
        return queries

    def _from_lists_of_noun(
        self, operation: Operation, place: Place, parameter: Parameter | None
    ) -> Iterator[IdSource]:
        """Yield lists of items of the noun elsewhere, the nearest first."""
        noun = target_noun(operation, place)
        is_elsewhere = place[0] != "path" or self._adds_existing(operation, place[1])
        for words in wider_nouns(noun) if place[0] != "path" else (noun,):
            name = place[1] if words == noun else f"{'_'.join(words)}_id"
            for listings in self._listings(words, place, is_elsewhere=is_elsewhere):
                has_match = False
                for candidate in self._by_distance(listings, operation):
                    field = self.argument_field(candidate, name, words, parameter)
                    if field is not None and self._may_list_target(
                        candidate, operation, place, is_elsewhere=is_elsewhere
                    ):
                        has_match = True
                        yield IdSource(operation=candidate, field=field)
                if has_match:
                    return

    def _listings(self, noun: Words, place: Place, *, is_elsewhere: bool) -> Iterator[Iterable[Operation]]:
        """Yield lists of items of a noun by their path, then those by the schemas of their answers.

        Last are lists of items with a longer noun and a field named like the argument.
        """
        if is_elsewhere:
            yield dict.fromkeys((*self.index.lists_for_noun(noun), *self.index.lists_by_schema(noun)))
            return
        yield self.index.lists_for_noun(noun)
        yield self.index.lists_by_schema(noun)
        longer_lists = self.index.lists_for_longer_nouns(noun) if noun_in_name(place[1]) else ()
        entries = ((listing, self.index.schemas.entry_schema(listing)) for listing in longer_lists)
        yield [
            listing for listing, entry in entries if name_key(place[1]) in map(name_key, self.reader.properties(entry))
        ]

    def _is_nested(self, operation: Operation, name: str) -> bool:
        """Return whether a placeholder is below another one, behind another noun: /instances/{id}/backups/{id}."""
        path = segments(operation.route)
        index = position(path, name)
        return index > 0 and not path[index - 1].parameter and any(segment.parameter for segment in path[:index])

    def _may_list_target(self, source: Operation, operation: Operation, place: Place, *, is_elsewhere: bool) -> bool:
        """Return whether the listed items may be the target: an item to add is not in the list of those added."""
        if source is operation or not self._is_callable(source, operation, place):
            return False
        if not is_elsewhere:
            return self._have_same_items(source, operation, place[1])
        target_route = operation.route.rpartition("/")[0] if place[0] == "path" else operation.route
        return not source.route.startswith(target_route) and (
            self.index.is_canonical(source) or "{" not in source.route
        )

    def _have_same_items(self, source: Operation, operation: Operation, name: str) -> bool:
        """Return whether a source lists the items that the path up to a placeholder shows, as far as schemas tell."""
        path = segments(operation.route)
        item_read = self.index.item_read_at(path[: position(path, name)])
        if item_read is None or self.index.is_list(item_read):
            return True
        nouns, source_nouns = self.index.entry_nouns(item_read), self.index.entry_nouns(source)
        if not nouns or not source_nouns or not set(nouns).isdisjoint(source_nouns):
            return True
        schemas = map(self.index.schemas.entry_schema, (item_read, source))
        first, second = (set(self.reader.properties(schema)) for schema in schemas)
        return len(first & second) >= _MIN_SHARED_FIELDS * min(len(first), len(second))

    def _from_general_searches(self, operation: Operation, place: Place) -> Iterator[IdSource]:
        """Yield searches over several kinds of items with the kind as a parameter: /search?type=artist."""
        noun = target_noun(operation, place)
        for search in self.index.searches if noun else ():
            for parameter in (entry for entry in search.parameters if name_key(entry.name) in _KIND_PARAMETERS):
                items = parameter.schema.get("items")
                for choice in as_list((items if isinstance(items, Mapping) else parameter.schema).get("enum")):
                    if isinstance(choice, str) and singular_words(choice) == noun and search is not operation:
                        value = (choice,) if isinstance(items, Mapping) else choice
                        narrowing = (((parameter.location, parameter.name), value),)
                        entry = self.index.schemas.search_entry_schema(search, noun)
                        field = id_field(self.reader, entry, place[1], noun, noun) or ""
                        yield IdSource(operation=search, field=field, narrowing=narrowing)

    def _from_caller(self, operation: Operation, name: str) -> Iterator[IdSource]:
        """Yield reads of the caller with a field of the same name, or with the one value of a list of that name."""
        words = name_words(name)
        if set(words) <= ID_WORDS | NAME_WORDS:
            return
        for caller_read in self.index.caller_reads:
            properties = self.reader.properties(self.index.schemas.entry_schema(caller_read))
            exact = (key for key in properties if name_words(key) == words)
            field = next(exact, "") or next((key for key in properties if singular_words(key) == words), "")
            if field and caller_read is not operation and "object" not in self.reader.types(properties[field]):
                yield IdSource(operation=caller_read, field=field, is_listed=False)

    def _from_second_id(self, operation: Operation, name: str) -> Iterator[IdSource]:
        """Yield, for an item with two ids (/repos/{owner}/{repo}), the list of the second with the first as a part."""
        path = segments(operation.route)
        second = next((segment.parameter for segment in path[position(path, name) + 1 :][:1]), None)
        for source in self.find_sources(operation, ("path", second)) if second else ():
            field = self.argument_field(source.operation, name, noun_in_name(name), None)
            if field and name_key(field.partition(".")[0]) == name_key(name):
                yield IdSource(operation=source.operation, field=field)

    def reference_field(self, answering: Operation, operation: Operation, place: Place) -> str:
        """Return the field of an operation's answer with the id of another item, which a place takes; "" without one.

        It is named by Links, or like the argument: the `owner_id` of a car is the id of an owner.
        """
        linked_fields = (field for source, field, _ in self.links.find_sources(operation, place) if source is answering)
        linked_field = next((field for field in linked_fields if field != "id"), "")
        properties = self.reader.properties(self.index.schemas.entry_schema(answering))
        return linked_field or next((key for key in properties if name_key(key) == name_key(place[1]) != "id"), "")

    def argument_field(self, listing: Operation, name: str, noun: Words, parameter: Parameter | None) -> str | None:
        """Return the field of the listed items that an argument takes; "" without described fields, None for none."""
        key = listing, name, noun, id(parameter)  # the parameters of a description are many times the same ones
        if key not in self._fields:
            entry = self.index.schemas.entry_schema(listing)
            if entry and self.reader.properties(entry):
                self._fields[key] = id_field(self.reader, entry, name, noun, singular_noun(listing), parameter)
            else:
                types = self.reader.types(entry) if entry else ()
                self._fields[key] = "" if not types or types == ("string",) or "object" in types else None
        return self._fields[key]

    def _is_callable(self, source: Operation, operation: Operation, place: Place) -> bool:
        """Return whether a source requires only values of the operation, or one id that can be listed first.

        Items below another item are listed below that: no backup of a database is one of a machine.
        """
        name = place[1]
        path_names = {name_key(entry.name) for entry in operation.parameters if entry.location == "path"}
        available = path_names - {name_key(name)}
        required = self.index.required(source)
        # Filled with the name looked for.
        filter_name = name_filter(entry for location, entry in required if location != "path")
        missing = [part for part in required if name_key(part[1]) not in available and part[1] != filter_name]
        if not missing:
            return True
        if place[0] == "path" and self._is_nested(operation, name):
            return False
        # Two missing ids mean two more look-ups, each of which may be ambiguous.
        if len(missing) > 1 or missing[0][0] != "path" or name_key(missing[0][1]) == name_key(name):
            return False
        parent_sources = self.find_sources(source, missing[0])
        return any(not any(entry.required for entry in first.operation.parameters) for first in parent_sources)

    def _by_distance(self, sources: Iterable[Operation], operation: Operation) -> list[Operation]:
        """Return the sources of an id of an operation, the nearest first."""
        path = segments(operation.route)
        available = {name_key(entry.name) for entry in operation.parameters if entry.location == "path"}

        def distance(source: Operation) -> tuple[bool, bool, int, int, bool, int, int]:
            source_path, required, is_last, is_canonical, is_about_caller = self._rank(source)
            shared = 0
            while shared < min(len(path), len(source_path)) and path[shared].text == source_path[shared].text:
                shared += 1
            return (
                # A deprecated or partial list is the last choice, whatever else is near about it.
                is_last,
                not is_canonical,
                sum(key not in available for key in required),
                -sum(segment.parameter is not None for segment in path[:shared]),
                not is_about_caller,
                -shared,
                len(source_path),
            )

        return sorted(sources, key=distance)

    def _rank(self, source: Operation) -> tuple[Path, Sequence[str], bool, bool, bool]:
        """Return what the distance of a source from any operation is made of: each is near many."""
        if source not in self._ranks:
            self._ranks[source] = (
                segments(source.route),
                [name_key(entry) for _, entry in self.index.required(source)],
                source.deprecated or self._is_partial(source),
                self.index.is_canonical(source),
                self.index.is_about_caller(source),
            )
        return self._ranks[source]

    def _is_partial(self, listing: Operation) -> bool:
        return not _PARTIAL_LIST_WORDS.isdisjoint(_literal_words(segments(listing.route)))

    def common_values(self) -> Mapping[str, IdSource | None]:
        """Return the sources of the values that most paths begin with: an account, a tenant, owner and project."""
        operations_by_name: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.index.operations:
            for segment in segments(operation.route)[:-1]:
                if segment.parameter and is_id_argument(("path", segment.parameter)):
                    operations_by_name[segment.parameter].append(operation)
        min_count = _COMMON_SHARE * len(self.index.operations)
        return {
            name: self.best_source(operations[0], ("path", name))
            for name, operations in operations_by_name.items()
            if len(operations) >= min_count and set(name_words(name)) - ID_WORDS - NAME_WORDS
        }


def id_sources(spec: Spec) -> IdSources:
    """Return the IdSources of a Spec, computed once."""
    return spec.derive(IdSources)


def _literal_words(path: Path) -> set[str]:
    return {word for segment in path if not segment.parameter for word in name_words(segment.text)}
