"""Tells for each argument that takes an id which operation gives it, and in which field; silent rather than far off."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from nlapi.openapi.parts import Parameter
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.links import LinkedSources
from nlapi.resources.naming import name_key, name_words, singular, singular_words
from nlapi.resources.nouns import FORMATS, QUERY_WORDS, thing_words
from nlapi.resources.paths import Path, Shape, segments, shape
from nlapi.resources.resource import Words, name_filter, resources_of, schema_nouns

Place = tuple[str, str]

ID_WORDS = frozenset("id ids uuid uuids guid guids gid sid uid key keys number numbers identifier".split())
"""Last words of the names of what takes an id."""

NAME_WORDS = frozenset("name slug login username handle code tag sha digest ip email address".split())
"""Last words of the names of what takes another field that tells a thing from others."""

_ID_FIELDS = ("id", "uuid", "guid", "gid", "uid", "sid", "identifier", "key", "number")
_NAME_FIELDS = ("slug", "login", "username", "handle", "key", "code", "name", "displayname", "id", "uuid")
_NO_IDS = frozenset(
    """
    path format version language lang locale type status state kind category filter scope field date year month day hour
    page limit offset size count query q term text extension action mode side position depth width height latitude
    longitude lat lng lon zoom radius from to start end x y z currency country logpath wildcard
    """.split()
)
"""Last words of the names of path parameters that say how or when, not which thing."""

_ASIDE = frozenset("trash trashed archived deleted removed starred blocked hidden pending recent expired".split())
"""Words of the paths of lists in which most things of a kind are not."""

_KINDS = frozenset("type types kind kinds object objecttype entity entitytype resource resourcetype in".split())
"""What the parameter of a general search is called that says what kind of thing to look for."""

_FOREIGN = frozenset("external foreign client remote legacy custom reference tracking request app idp third".split())
"""Qualifiers of ids that another system gives out."""

_ALIKE = 0.6
"""The share of fields that things of one kind have in common where their schemas are called otherwise."""

_COMMON = 0.4
"""The share of operations that take a value in their path for it to be one that is asked for once."""


class Grounds(IntEnum):
    """Why an operation is taken for the source of an id, the surest first."""

    LIST_LINK = 0
    PATH = 1
    NOUN = 2
    PART = 3
    CALLER = 4
    SEARCH = 5
    LINK = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class IdSource:
    """An operation whose answer gives an id: in `field` of each thing that it lists, or of the thing that it answers.

    `field` is a path such as `owner.login`; "" where no answer is described. `uri` stands for the end of an address.
    `narrowing` are values by place that make a general search look for things of the kind: type=artist.
    """

    operation: Operation
    field: str
    grounds: Grounds
    listed: bool = True
    narrowing: tuple[tuple[Place, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonValue:
    """A value that much of an API takes in its paths: an account, a tenant, a project. `share` is of all operations."""

    name: str
    share: float
    source: IdSource | None


class IdSources:
    """The sources of the ids of one Spec."""

    def __init__(self, spec: Spec) -> None:
        self.resources = resources_of(spec)
        self.links = LinkedSources(self.resources.operations)
        self._found: dict[tuple[Operation, Place], tuple[IdSource, ...]] = {}

    def of(self, operation: Operation, place: Place) -> tuple[IdSource, ...]:
        """Return the sources of the value at a place of an operation, the best first; () where none is near."""
        key = operation, place
        if key not in self._found:
            self._found[key] = ()  # an id that is needed for its own source has none
            self._found[key] = tuple(self._sources(operation, place))
        return self._found[key]

    def _sources(self, operation: Operation, place: Place) -> Iterator[IdSource]:
        where, name = place
        parameter = operation.parameter(where, name) if where != "body" else None
        if not takes_id(place, parameter):
            return
        seen: set[Operation] = set()
        for source in self._candidates(operation, place, parameter):
            if source.operation is not operation and source.operation not in seen:
                seen.add(source.operation)
                yield source

    def _candidates(self, operation: Operation, place: Place, parameter: Parameter | None) -> Iterator[IdSource]:
        linked = list(self.links.of(operation, place))
        for source, field, listed in linked:
            if listed:
                yield IdSource(operation=source, field=field, grounds=Grounds.LIST_LINK)
        if place[0] == "path":
            yield from self._above(operation, place[1], parameter)
        yield from self._by_noun(operation, place, parameter)
        if place[0] == "path":
            yield from self._by_part(operation, place[1])
            yield from self._of_caller(operation, place[1])
        yield from self._general_searches(operation, place)
        for source, field, listed in linked:
            if not listed:
                yield IdSource(operation=source, field=field, grounds=Grounds.LINK, listed=False)

    def _above(self, operation: Operation, name: str, parameter: Parameter | None) -> Iterator[IdSource]:
        """What lists at the path before the placeholder, or searches right below that."""
        path = segments(operation.route)
        at = next((at for at, segment in enumerate(path) if segment.parameter == name), 0)
        noun = target_noun(operation, ("path", name))
        if not at or self._is_scope(path[: at + 1], noun):
            return
        there = self._at(path[:at])
        listing = [one for one in there if self.resources.is_list(one) and not _wants_ids(one)]
        for one in (*listing, *self._searches(path[:at])):
            field = self.field(one, name, noun, parameter)
            if field is not None and one is not operation:
                yield IdSource(operation=one, field=field, grounds=Grounds.PATH)
        only = next((one for one in there if one.method == "GET" and not listing), None)
        if only is not None and (field := self.field(only, name, noun, parameter)) and not _wants_ids(only):
            yield IdSource(operation=only, field=field, grounds=Grounds.PATH, listed=False)

    def _at(self, path: Path) -> Sequence[Operation]:
        """The operations at a path; one that ends in a placeholder counts if it lists: /repositories/{workspace}."""
        if path and path[-1].parameter:
            above = self.resources.collection(path[:-1])
            return [one for one in above.item.values() if self.resources.is_list(one)] if above is not None else []
        collection = self.resources.collection(path)
        return list(collection.at.values()) if collection is not None else []

    def _is_scope(self, path: Path, noun: Words) -> bool:
        """Whether a path that ends in a placeholder shows a list of other things, and no thing of its own."""
        before = singular_words(path[-2].text) if not path[-2].parameter else ()
        return bool(self._at(path)) and before != noun

    def _searches(self, path: Path) -> Iterator[Operation]:
        """The operations that read a collection through a segment of its own: /containers/json, /flows/filter."""
        wanted = shape(path)
        found = []
        for place, collection in self.resources.collections.items():
            if len(place) == len(wanted) + 1 and place[: len(wanted)] == wanted and _is_query(place):
                found += [one for one in collection.at.values() if self.resources.is_list(one) and not _wants_ids(one)]
        yield from sorted(found, key=lambda one: (one.route.rpartition("/")[2] not in FORMATS, one.deprecated))

    def _by_noun(self, operation: Operation, place: Place, parameter: Parameter | None) -> Iterator[IdSource]:
        """What lists things of the noun elsewhere, the nearest first."""
        noun = target_noun(operation, place)
        for words in _nouns(noun, whole=place[0] == "path"):
            name = place[1] if words == noun else f"{'_'.join(words)}_id"
            for listings in self._listings(words, everywhere=place[0] != "path"):
                fitting = []
                for one in listings:
                    field = self.field(one, name, words, parameter)
                    if field is not None and self._may_give(one, operation, place):
                        fitting.append(IdSource(operation=one, field=field, grounds=Grounds.NOUN))
                fitting.sort(key=lambda source: self._distance(source.operation, operation))
                if fitting:
                    yield from fitting
                    return

    def _listings(self, noun: Words, *, everywhere: bool) -> Iterator[Iterable[Operation]]:
        """What lists things of a noun by its path, and if nothing of that does, by the schemas of its answer."""
        if everywhere:
            yield dict.fromkeys((*self.resources.lists_of(noun), *self.resources.lists_by_schema(noun)))
        else:
            yield self.resources.lists_of(noun)
            yield self.resources.lists_by_schema(noun)

    def _is_nested(self, operation: Operation, name: str) -> bool:
        """Whether a placeholder stands below another one, behind a noun of its own: /instances/{id}/backups/{id}."""
        path = segments(operation.route)
        at = next((at for at, segment in enumerate(path) if segment.parameter == name), 0)
        return at > 0 and not path[at - 1].parameter and any(segment.parameter for segment in path[:at])

    def _may_give(self, source: Operation, operation: Operation, place: Place) -> bool:
        """Whether what a source lists may be what is wanted: what is added or filtered by is not there already."""
        if source is operation or not self._is_open(source, operation, place):
            return False
        if place[0] == "path":
            return self._agree(source, operation, place[1])
        below = source.route.startswith(operation.route)
        return not below and (self.resources.is_home(source) or "{" not in source.route)

    def _agree(self, source: Operation, operation: Operation, name: str) -> bool:
        """Whether what a source lists is what the path up to a placeholder shows: by their schemas, if both say it."""
        path = segments(operation.route)
        at = next((at for at, segment in enumerate(path) if segment.parameter == name), 0)
        collection = self.resources.collection(path[:at])
        shown = collection.item.get("GET") if collection is not None else None
        if shown is None:
            return True
        one, other = (self.resources.schemas.entry_schema(each) for each in (shown, source))
        own, listed = set(schema_nouns(one)), set(schema_nouns(other))
        if not own or not listed or own & listed:
            return True
        reader = self.resources.schemas.reader
        first, second = set(reader.properties(one)), set(reader.properties(other))
        return len(first & second) >= _ALIKE * min(len(first), len(second))

    def _general_searches(self, operation: Operation, place: Place) -> Iterator[IdSource]:
        """Searches that are told what kind of thing to look for: /search?type=artist."""
        noun = target_noun(operation, place)
        for one in self.resources.searches if noun else ():
            for parameter in (parameter for parameter in one.parameters if name_key(parameter.name) in _KINDS):
                many = parameter.schema.get("items")
                choices = (many if isinstance(many, Mapping) else parameter.schema).get("enum")
                for choice in choices if isinstance(choices, list) else ():
                    if isinstance(choice, str) and singular_words(choice) == noun and one is not operation:
                        value: Any = [choice] if isinstance(many, Mapping) else choice
                        narrowing = (((parameter.where, parameter.name), value),)
                        yield IdSource(operation=one, field="", grounds=Grounds.SEARCH, narrowing=narrowing)

    def _of_caller(self, operation: Operation, name: str) -> Iterator[IdSource]:
        """What tells of the caller, if it has a field of the very name, or the one value of a list called so."""
        words = name_words(name)
        if set(words) <= ID_WORDS | NAME_WORDS:
            return
        reader = self.resources.schemas.reader
        for one in self.resources.callers:
            described = reader.properties(self.resources.schemas.entry_schema(one))
            exact = (key for key in described if name_words(key) == words)
            field = next(exact, "") or next((key for key in described if singular_words(key) == words), "")
            if field and one is not operation and "object" not in reader.types(described[field]):
                yield IdSource(operation=one, field=field, grounds=Grounds.CALLER, listed=False)

    def _by_part(self, operation: Operation, name: str) -> Iterator[IdSource]:
        """Where a thing has two ids (/repos/{owner}/{repo}): the first is a part of what lists the second."""
        path = segments(operation.route)
        at = next((at for at, segment in enumerate(path) if segment.parameter == name), len(path))
        second = path[at + 1].parameter if at + 1 < len(path) else None
        for source in self.of(operation, ("path", second)) if second else ():
            entry = self.resources.schemas.entry_schema(source.operation)
            field = self._part(entry, name)
            if field:
                yield IdSource(operation=source.operation, field=field, grounds=Grounds.PART)

    def _part(self, entry: Any, name: str) -> str:
        """The field of the object in an entry that is called like an argument: `owner.login` for `owner`."""
        reader = self.resources.schemas.reader
        for key, schema in reader.properties(entry).items():
            if name_key(key) == name_key(name):
                inner = {name_key(one): one for one in reader.properties(schema)}
                field = next((inner[one] for one in _NAME_FIELDS if one in inner), None)
                return f"{key}.{field}" if field else "" if inner else key
        return ""

    def reference(self, answering: Operation, operation: Operation, place: Place) -> str:
        """Return the field in which what an operation answers refers to another thing, whose id goes to a place.

        Links say it, or the field is called like the argument: the `owner_id` of a car is the id of an owner.
        """
        linked = (field for source, field, _ in self.links.of(operation, place) if source is answering)
        named = next((field for field in linked if field != "id"), "")
        described = self.resources.schemas.reader.properties(self.resources.schemas.entry_schema(answering))
        return named or next((key for key in described if name_key(key) == name_key(place[1]) != "id"), "")

    def field(self, listing: Operation, name: str, noun: Words, parameter: Parameter | None) -> str | None:
        """Return the field of what is listed that an argument takes; "" where no field is described, None for none."""
        entry = self.resources.schemas.entry_schema(listing)
        reader = self.resources.schemas.reader
        if not entry or not reader.properties(entry):
            types = reader.types(entry) if entry else ()
            return "" if not types or types == ("string",) or "object" in types else None
        if thing_words(listing) == noun and name_words(name)[-1:] == ("id",):
            name = "id"  # a thing that has both is told apart by its id: its `room_id` is for something else
        return self._field_in(entry, name, noun, parameter) or None

    def _field_in(self, entry: Any, name: str, noun: Words, parameter: Parameter | None) -> str:
        reader = self.resources.schemas.reader
        described = {name_key(key): (key, schema) for key, schema in reader.properties(entry).items()}
        types = set(reader.types(parameter.schema)) - {"null"} if parameter is not None else set()

        def fits(wanted: str) -> bool:
            own = set(reader.types(described[wanted][1])) - {"null"}
            # A text may hold a number; where a whole number is wanted, descriptions are careless of `id` alone.
            same = not types or not own or "string" in types or wanted == "id" or own <= {"integer", "number"}
            return same and not own & {"array", "object", "boolean"}

        opaque = "id" in described and "string" in reader.types(described["id"][1])
        text = parameter.description.lower() if parameter is not None else ""
        takes = types == {"integer"} or _says_id(text) or (opaque and not _says_name(text))
        names = _field_names(name, noun, takes=takes)
        if name_words(name)[-1:] == ("slug",):  # the name of a thing is no slug of it; a uuid may be taken for one
            names = iter((name_key(name), f"{''.join(noun)}slug", "slug", *(("uuid",) if "uuid" in text else ())))
        for wanted in names:
            if wanted in described and fits(wanted):
                return described[wanted][0]
        for holder in ("metadata", "attributes", "fields"):
            if holder in described:
                inner = {name_key(key): key for key in reader.properties(described[holder][1])}
                for wanted in _field_names(name, noun, takes=False):
                    if wanted in inner and wanted != "".join(noun):
                        return f"{described[holder][0]}.{inner[wanted]}"
        return "uri" if parameter is not None and parameter.where == "path" and "uri" in described else ""

    def _is_open(self, source: Operation, operation: Operation, place: Place) -> bool:
        """Whether a source wants nothing but what the operation takes too, or one id that can be listed first.

        What is kept below another thing is listed below that: no backup of a database is one of a machine.
        """
        name = place[1]
        taken = {name_key(one.name) for one in operation.parameters if one.where == "path"} - {name_key(name)}
        wanted = [one for one in source.parameters if one.required and "default" not in one.schema]
        sought = name_filter(one.name for one in wanted if one.where == "query")  # filled with the name looked for
        lacking = [one for one in wanted if name_key(one.name) not in taken and one.name != sought]
        if not lacking:
            return True
        if place[0] == "path" and self._is_nested(operation, name):
            return False
        if len(lacking) > 1 or lacking[0].where != "path" or name_key(lacking[0].name) == name_key(name):
            return False
        above = self.of(source, ("path", lacking[0].name))
        return any(not any(one.required for one in first.operation.parameters) for first in above)

    def _distance(self, source: Operation, operation: Operation) -> tuple[bool, bool, int, bool, int, int]:
        """How far a source is: aside, not where things are kept, asking for more, not the caller's, another path."""
        own, other = segments(operation.route), segments(source.route)
        shared = 0
        while shared < min(len(own), len(other)) and own[shared].text == other[shared].text:
            shared += 1
        taken = {name_key(one.name) for one in operation.parameters if one.where == "path"}
        more = sum(one.required and name_key(one.name) not in taken for one in source.parameters)
        aside = any(word in _ASIDE for segment in other for word in name_words(segment.text))
        away = not self.resources.is_home(source)
        return source.deprecated or aside, away, more, not self.resources.is_mine(source), -shared, len(other)

    def common_values(self) -> tuple[CommonValue, ...]:
        """Return the values that much of the API takes in its paths, with their sources, the most wanted first."""
        operations = self.resources.operations
        taking: Counter[str] = Counter()
        first: dict[str, Operation] = {}
        for operation in operations:
            for segment in segments(operation.route):
                if segment.parameter and takes_id(("path", segment.parameter), None):
                    taking[segment.parameter] += 1
                    first.setdefault(segment.parameter, operation)
        found = []
        for name, count in taking.most_common():
            if count >= _COMMON * len(operations) and name_key(name) not in ("id", "key", "name"):
                sources = self.of(first[name], ("path", name))
                found.append(
                    CommonValue(name=name, share=count / len(operations), source=sources[0] if sources else None)
                )
        return tuple(found)


def id_sources(spec: Spec) -> IdSources:
    """Return the IdSources of a Spec, which live as long as it does."""
    return spec.derive(IdSources)


def takes_id(place: Place, parameter: Parameter | None) -> bool:
    """Whether what goes to a place tells which thing is meant: every path parameter but those of closed choices."""
    where, name = place
    words = name_words(name)
    if parameter is not None and ("enum" in parameter.schema or parameter.schema.get("type") == "boolean"):
        return False
    if where == "path":
        return bool(words) and (words[-1] not in _NO_IDS or words[-1] in ID_WORDS)
    if words in (("id",), ("ids",), ("uuid",), ("uuids",)):
        return True
    return len(words) > 1 and (words[-1] in ID_WORDS - {"number", "numbers", "key", "keys"} or words[0] == "id")


def target_noun(operation: Operation, place: Place) -> Words:
    """Return what the value at a place identifies, in the singular: by its name, else by the path in front of it.

    `campaign_id` identifies a campaign, the `id` of /campaigns/{id} too; () where nothing says it.
    """
    words = name_words(place[1])
    bare = [word for word in words if word not in ID_WORDS and word not in ("or", "by")]
    if len(bare) > 1 and words[-1] in NAME_WORDS:
        bare = bare[:-1]
    if bare and not (len(bare) == 1 and bare[0] in NAME_WORDS - {"username"}):
        return (*bare[:-1], singular(bare[-1]))
    if place[0] != "path":
        return thing_words(operation) if not bare else ()
    path = segments(operation.route)
    at = next((at for at, segment in enumerate(path) if segment.parameter == place[1]), 0)
    before = [segment for segment in path[:at] if not segment.parameter]
    found = name_words(before[-1].text) if before else ()
    return (*found[:-1], singular(found[-1])) if found else ()


def _nouns(noun: Words, *, whole: bool) -> Iterator[Words]:
    """A noun, and without its qualifiers: what takes a `source_account_id` takes the id of an account."""
    if noun:
        yield noun
    for start in range(1, len(noun)):
        if not whole and noun[start - 1] not in _FOREIGN:
            yield noun[start:]


def _says_id(text: str) -> bool:
    """Whether the description of an argument speaks of an id, and of no name."""
    return re.search(r"\b(?:id|ids|identifier|uuid|guid)\b", text) is not None and not _says_name(text)


def _says_name(text: str) -> bool:
    return re.search(r"\b(?:name|login|slug|handle|username)\b", text) is not None


def _field_names(name: str, noun: Words, *, takes: bool) -> Iterator[str]:
    """What the field of a thing may be called whose value an argument takes, the likeliest first.

    `takes` says that an argument which is called like the thing itself (`customer`) takes its id and not its name.
    """
    key, words = name_key(name), name_words(name)
    last = words[-1] if words else ""
    thing = "".join(noun)
    yield key
    if last in ("number", "numbers"):
        yield from (f"{thing}number", "number")
        return
    if last in NAME_WORDS and len(words) > 1:
        yield last
    if last in ID_WORDS or words[:1] == ("id",) or (takes and last not in NAME_WORDS):
        yield from (last.removesuffix("s"), f"{thing}id", f"{thing}uuid", f"{thing}key")
        yield from _ID_FIELDS
    elif key == thing or last in NAME_WORDS:
        yield from (f"{thing}name", *_NAME_FIELDS)


def _is_query(path: Shape) -> bool:
    """Whether the last segment of a path says how what is before it is read."""
    return path[-1] is not None and not (QUERY_WORDS | FORMATS).isdisjoint(name_words(path[-1]))


def _wants_ids(operation: Operation) -> bool:
    """Whether a list has to be told the very ids of what it lists: GET /artists?ids=."""
    names = (name_words(one.name) for one in operation.parameters if one.required and one.where == "query")
    return any(words[-1:] in (("ids",), ("uris",)) for words in names)
