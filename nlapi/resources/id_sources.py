"""Finds the operation and the field that give the id for an argument; it gives no source rather than a wrong one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nlapi.openapi.parts import Parameter, as_list
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import json_media
from nlapi.resources.id_fields import (
    ID_WORDS,
    NAME_WORDS,
    Words,
    id_field,
    named_noun,
    names_item,
    takes_id,
    target_noun,
    wider_nouns,
)
from nlapi.resources.links import LinkedSources
from nlapi.resources.naming import name_key, name_words, singular_words
from nlapi.resources.nouns import thing_words
from nlapi.resources.paths import FORMATS, Path, Place, Shape, position, segments, shape
from nlapi.resources.resource import CALLER_WORDS, Resources, name_filter, resources_of

# Words in the paths of lists without most items of a kind. GitHub's starred repositories once were the source of an
# owner in 16 of 20 skills (docs/design/021-resources.md).
_ASIDE = frozenset("trash trashed archived deleted removed starred blocked hidden pending recent expired watch".split())

# Names of the parameter of a general search that selects the kind of items.
_KINDS = frozenset("type types kind kinds object objecttype entity entitytype resource resourcetype in".split())

# The share of fields that items of one kind have in common where their schemas have different names.
_ALIKE = 0.6

# The share of operations with a value in their path from which the value is asked for once: a tenant, GitHub's owner
# and repo.
_COMMON = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class IdSource:
    """An operation whose answer has an id: in `field` of each item that it lists, or of the item that it answers.

    `field` is a path such as `owner.login`; "" where no answer is described. `uri` means the last segment of an
    address. `narrowing` are values by place with which a general search lists the kind alone: type=artist.
    """

    operation: Operation
    field: str
    listed: bool = True
    narrowing: tuple[tuple[Place, Any], ...] = ()


class IdSources:
    """The sources of the ids of one Spec; of some `operations`, those that are among them."""

    def __init__(self, spec: Spec, some: Iterable[Operation] | None = None) -> None:
        self.resources = resources_of(spec) if some is None else Resources(spec, some)
        self.links = LinkedSources(self.resources.operations)
        self.reader = self.resources.schemas.reader
        self._found: dict[tuple[Operation, Place], tuple[IdSource, ...]] = {}
        self._fields: dict[tuple[Operation, str, Words, int], str | None] = {}

    def of(self, operation: Operation, place: Place) -> tuple[IdSource, ...]:
        """Return the sources of the value for a place of an operation, the best first; () where none is near."""
        key = operation, place
        if key not in self._found:
            self._found[key] = ()  # an id that is needed for its own source has none
            self._found[key] = tuple(self._sources(operation, place))
        return self._found[key]

    def first(self, operation: Operation, place: Place) -> IdSource | None:
        """Return the best source, without a search for the others."""
        return next(iter(self._found.get((operation, place)) or self._sources(operation, place)), None)

    def _sources(self, operation: Operation, place: Place) -> Iterator[IdSource]:
        where, name = place
        parameter = operation.parameter(where, name) if where != "body" else None
        if not takes_id(place, parameter) and not names_item(operation, place):
            return
        seen: set[Operation] = set()
        for source in self._candidates(operation, place, parameter):
            if source.operation is not operation and source.operation not in seen:
                seen.add(source.operation)
                yield source

    def _candidates(self, operation: Operation, place: Place, parameter: Parameter | None) -> Iterator[IdSource]:
        linked = list(self.links.of(operation, place))
        if place[0] == "path":
            yield from self._above(operation, place[1], parameter)
        for source, field, listed in linked:
            if listed:
                yield IdSource(operation=source, field=field)
        yield from self._by_noun(operation, place, parameter)
        if place[0] == "path":
            yield from self._by_part(operation, place[1])
            yield from self._of_caller(operation, place[1])
        yield from self._general_searches(operation, place)
        for source, field, listed in linked:
            if not listed:
                yield IdSource(operation=source, field=field, listed=False)

    def _above(self, operation: Operation, name: str, parameter: Parameter | None) -> Iterator[IdSource]:
        """Yield lists at the path before the placeholder, searches below that path, and the caller's own item there."""
        path = segments(operation.route)
        at = position(path, name)
        noun = target_noun(operation, ("path", name))
        # Kubernetes has /watch/... beside each list: a stream of events, which is no list to look up a name in.
        elsewhere = self._adds(operation, name) or "watch" in _literal_words(path[:at])
        if not at or elsewhere or self._is_scope(path[: at + 1], noun):
            return
        there = self._at(path[:at])
        listing = [one for one in there if self.resources.is_list(one) and not self._wants_ids(one)]
        if not there and path[at - 1].parameter:  # /peers/{ip}/{name}: what lists them has both
            both = filter(self.resources.is_list, self._at(path[: at - 1]))
            listing = [one for one in both if name_key(self.field(one, name, noun, parameter) or "") == name_key(name)]
        for one in (*listing, *self._searches(path[:at])):
            field = self.field(one, name, noun, parameter)
            if field is not None and one is not operation:
                yield IdSource(operation=one, field=field)
        only = [one for one in there if one.method == "GET" and not self._wants_ids(one)]
        # Without a list, the GET at that path may answer with an item that has the id.
        for one in (*only, *self._callers(path[:at], noun)) if not listing else ():
            if field := self.field(one, name, noun, parameter):
                yield IdSource(operation=one, field=field, listed=False)

    def _adds(self, operation: Operation, name: str) -> bool:
        """Return whether an operation adds an existing item to others: PUT /teams/{id}/members/{username}."""
        path = segments(operation.route)
        if operation.method != "PUT" or operation.body is not None or path[-1].parameter != name:
            return False
        shown = self.resources.shown_at(path[:-1])
        return shown is None or json_media(shown) is None

    def _callers(self, path: Path, noun: Words) -> Iterator[Operation]:
        """Yield the read of the caller's own item of a collection: /applications/@me. A user needs more than that."""
        for word in CALLER_WORDS if noun and noun[-1] not in (*CALLER_WORDS, "member", "person") else ():
            for text in (word, f"@{word}"):
                if (own := self.resources.collections.get((*shape(path), text))) and "GET" in own.at:
                    yield own.at["GET"]

    def _at(self, path: Path) -> Sequence[Operation]:
        """Return the operations at a path; at a placeholder those that list: /repositories/{workspace}."""
        if path and path[-1].parameter:
            above = self.resources.collection(path[:-1])
            return [one for one in above.item.values() if self.resources.is_list(one)] if above is not None else []
        collection = self.resources.collection(path)
        return list(collection.at.values()) if collection is not None else []

    def _is_scope(self, path: Path, noun: Words) -> bool:
        """Return whether a path that ends in a placeholder lists other items, and has none of its own."""
        return bool(self._at(path)) and (() if path[-2].parameter else singular_words(path[-2].text)) != noun

    def _searches(self, path: Path) -> Iterable[Operation]:
        """Return the operations that read a collection through a segment: /containers/json, /flows/filter."""
        there = self._queries.get(shape(path), ())
        found = [one for one in there if self.resources.is_list(one) and not self._wants_ids(one)]
        return sorted(found, key=lambda one: (one.route.rpartition("/")[2] not in FORMATS, one.deprecated))

    def _wants_ids(self, operation: Operation) -> bool:
        """Return whether a list requires the ids of the items that it lists: GET /artists?ids=."""
        names = (name_words(name) for where, name in self.resources.required(operation) if where != "path")
        return any(words[-1:] in (("ids",), ("uris",)) for words in names)

    @cached_property
    def _queries(self) -> Mapping[Shape, list[Operation]]:
        """The operations right below another path that name a way of reading it, by that path."""
        found: dict[Shape, list[Operation]] = defaultdict(list)
        for operation in filter(self.resources.is_query, self.resources.operations):
            found[shape(segments(operation.route))[:-1]].append(operation)
        return found

    def _by_noun(self, operation: Operation, place: Place, parameter: Parameter | None) -> Iterator[IdSource]:
        """Yield lists of items of the noun elsewhere, the nearest first."""
        noun = target_noun(operation, place)
        elsewhere = place[0] != "path" or self._adds(operation, place[1])
        for words in wider_nouns(noun) if place[0] != "path" else (noun,):
            name = place[1] if words == noun else f"{'_'.join(words)}_id"
            for listings in self._listings(words, place, elsewhere=elsewhere):
                fitting = False
                for one in sorted(listings, key=lambda listing: self._distance(listing, operation)):
                    field = self.field(one, name, words, parameter)
                    if field is not None and self._may_give(one, operation, place, elsewhere=elsewhere):
                        fitting = True
                        yield IdSource(operation=one, field=field)
                if fitting:
                    return

    def _listings(self, noun: Words, place: Place, *, elsewhere: bool) -> Iterator[Iterable[Operation]]:
        """Yield lists of items of a noun by their path, then those by the schemas of their answers.

        Last are lists of items with a longer noun and a field named like the argument.
        """
        if elsewhere:
            yield dict.fromkeys((*self.resources.lists_of(noun), *self.resources.lists_by_schema(noun)))
            return
        yield self.resources.lists_of(noun)
        yield self.resources.lists_by_schema(noun)
        longer = self.resources.lists_ending(noun) if named_noun(place[1]) else ()
        entries = ((one, self.resources.schemas.entry_schema(one)) for one in longer)
        yield [one for one, entry in entries if name_key(place[1]) in map(name_key, self.reader.properties(entry))]

    def _is_nested(self, operation: Operation, name: str) -> bool:
        """Return whether a placeholder is below another one, behind a noun of its own: /instances/{id}/backups/{id}."""
        path = segments(operation.route)
        at = position(path, name)
        return at > 0 and not path[at - 1].parameter and any(segment.parameter for segment in path[:at])

    def _may_give(self, source: Operation, operation: Operation, place: Place, *, elsewhere: bool) -> bool:
        """Return whether the listed items may be the target: an item to add is not in the list of those added."""
        if source is operation or not self._is_open(source, operation, place):
            return False
        if not elsewhere:
            return self._agree(source, operation, place[1])
        there = operation.route.rpartition("/")[0] if place[0] == "path" else operation.route
        return not source.route.startswith(there) and (self.resources.is_home(source) or "{" not in source.route)

    def _agree(self, source: Operation, operation: Operation, name: str) -> bool:
        """Return whether a source lists the items that the path up to a placeholder shows, as far as schemas tell."""
        path = segments(operation.route)
        shown = self.resources.shown_at(path[: position(path, name)])
        if shown is None or self.resources.is_list(shown):
            return True
        nouns, others = self.resources.entry_nouns(shown), self.resources.entry_nouns(source)
        if not nouns or not others or not set(nouns).isdisjoint(others):
            return True
        schemas = map(self.resources.schemas.entry_schema, (shown, source))
        first, second = (set(self.reader.properties(schema)) for schema in schemas)
        return len(first & second) >= _ALIKE * min(len(first), len(second))

    def _general_searches(self, operation: Operation, place: Place) -> Iterator[IdSource]:
        """Yield searches over several kinds of items with the kind as a parameter: /search?type=artist."""
        noun = target_noun(operation, place)
        for one in self.resources.searches if noun else ():
            for parameter in (parameter for parameter in one.parameters if name_key(parameter.name) in _KINDS):
                many = parameter.schema.get("items")
                for choice in as_list((many if isinstance(many, Mapping) else parameter.schema).get("enum")):
                    if isinstance(choice, str) and singular_words(choice) == noun and one is not operation:
                        value: Any = [choice] if isinstance(many, Mapping) else choice
                        narrowing = (((parameter.where, parameter.name), value),)
                        entry = self.resources.schemas.searched_schema(one, noun)
                        field = id_field(self.reader, entry, place[1], noun, noun) or ""
                        yield IdSource(operation=one, field=field, narrowing=narrowing)

    def _of_caller(self, operation: Operation, name: str) -> Iterator[IdSource]:
        """Yield reads of the caller with a field of the same name, or with the one value of a list of that name."""
        words = name_words(name)
        if set(words) <= ID_WORDS | NAME_WORDS:
            return
        for one in self.resources.callers:
            described = self.reader.properties(self.resources.schemas.entry_schema(one))
            exact = (key for key in described if name_words(key) == words)
            field = next(exact, "") or next((key for key in described if singular_words(key) == words), "")
            if field and one is not operation and "object" not in self.reader.types(described[field]):
                yield IdSource(operation=one, field=field, listed=False)

    def _by_part(self, operation: Operation, name: str) -> Iterator[IdSource]:
        """Yield, for an item with two ids (/repos/{owner}/{repo}), the list of the second with the first as a part."""
        path = segments(operation.route)
        second = next((segment.parameter for segment in path[position(path, name) + 1 :][:1]), None)
        for source in self.of(operation, ("path", second)) if second else ():
            field = self.field(source.operation, name, named_noun(name), None)
            if field and name_key(field.partition(".")[0]) == name_key(name):
                yield IdSource(operation=source.operation, field=field)

    def reference(self, answering: Operation, operation: Operation, place: Place) -> str:
        """Return the field of an operation's answer with the id of another item, which a place takes; "" without one.

        It is named by Links, or like the argument: the `owner_id` of a car is the id of an owner.
        """
        linked = (field for source, field, _ in self.links.of(operation, place) if source is answering)
        named = next((field for field in linked if field != "id"), "")
        described = self.reader.properties(self.resources.schemas.entry_schema(answering))
        return named or next((key for key in described if name_key(key) == name_key(place[1]) != "id"), "")

    def field(self, listing: Operation, name: str, noun: Words, parameter: Parameter | None) -> str | None:
        """Return the field of the listed items that an argument takes; "" without described fields, None for none."""
        key = listing, name, noun, id(parameter)  # the parameters of a description are many times the same ones
        if key not in self._fields:
            entry = self.resources.schemas.entry_schema(listing)
            if entry and self.reader.properties(entry):
                self._fields[key] = id_field(self.reader, entry, name, noun, thing_words(listing), parameter)
            else:
                types = self.reader.types(entry) if entry else ()
                self._fields[key] = "" if not types or types == ("string",) or "object" in types else None
        return self._fields[key]

    def _is_open(self, source: Operation, operation: Operation, place: Place) -> bool:
        """Return whether a source requires only values of the operation, or one id that can be listed first.

        Items below another item are listed below that: no backup of a database is one of a machine.
        """
        name = place[1]
        taken = {name_key(one.name) for one in operation.parameters if one.where == "path"} - {name_key(name)}
        wanted = self.resources.required(source)
        sought = name_filter(one for where, one in wanted if where != "path")  # filled with the name looked for
        lacking = [(where, one) for where, one in wanted if name_key(one) not in taken and one != sought]
        if not lacking:
            return True
        if place[0] == "path" and self._is_nested(operation, name):
            return False
        # Two missing ids mean two more look-ups, each of which may be ambiguous.
        if len(lacking) > 1 or lacking[0][0] != "path" or name_key(lacking[0][1]) == name_key(name):
            return False
        above = self.of(source, lacking[0])
        return any(not any(one.required for one in first.operation.parameters) for first in above)

    def _distance(self, source: Operation, operation: Operation) -> tuple[bool, bool, int, int, bool, int, int]:
        """Return the sort key by which sources are ordered, the nearest first."""
        own, other = segments(operation.route), segments(source.route)
        # A deprecated or partial list is the last choice, whatever else is near about it.
        shared = 0
        while shared < min(len(own), len(other)) and own[shared].text == other[shared].text:
            shared += 1
        taken = {name_key(one.name) for one in operation.parameters if one.where == "path"}
        more = sum(name_key(one) not in taken for _, one in self.resources.required(source))
        within = sum(segment.parameter is not None for segment in own[:shared])
        aside = not _ASIDE.isdisjoint(_literal_words(other))
        away = not self.resources.is_home(source)
        mine = self.resources.is_mine(source)
        return source.deprecated or aside, away, more, -within, not mine, -shared, len(other)

    def common_values(self) -> Mapping[str, IdSource | None]:
        """Return the sources of the values that most paths begin with: an account, a tenant, owner and project."""
        taking: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.resources.operations:
            for segment in segments(operation.route)[:-1]:
                if segment.parameter and takes_id(("path", segment.parameter)):
                    taking[segment.parameter].append(operation)
        least = _COMMON * len(self.resources.operations)
        common = {name: some[0] for name, some in taking.items() if len(some) >= least}
        generic = ID_WORDS | NAME_WORDS
        return {
            name: self.first(one, ("path", name)) for name, one in common.items() if set(name_words(name)) - generic
        }


def id_sources(spec: Spec) -> IdSources:
    """Return the IdSources of a Spec, computed once."""
    return spec.derive(IdSources)


def _literal_words(path: Path) -> set[str]:
    return {word for segment in path if not segment.parameter for word in name_words(segment.text)}
