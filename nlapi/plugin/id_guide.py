"""Says where ids come from: the operation whose answer has the id that an argument, or a field of a body, takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import takewhile

from nlapi.client.safe_text import code_span
from nlapi.english.intents import STOPWORDS
from nlapi.english.words import singular_words, split_words
from nlapi.openapi.spec import Operation, as_map
from nlapi.plugin.names import callable_id
from nlapi.plugin.subjects import body_fields
from nlapi.resources.id_sources import IdSource, IdSources, id_sources
from nlapi.resources.nouns import ID_WORDS, Words, is_id_argument, singular_noun
from nlapi.tools.compile import compile_tool
from nlapi.tools.texts.names import join_names

# Operations named for one kind of id: those that list it for an organization, for a repository and for the user.
MAX_LISTED_SOURCES = 3
# Characters of a text in which it says what a field is.
MAX_FIELD_TEXT = 160

_ID = re.compile(r"(?i)\b(?:g?ids?|uuids?|identifiers?|slugs?)\b")
_ID_OF = re.compile(_ID.pattern + r"`? (?:of|for) (?:an? |the |this )?(?:parent |existing )?([a-z]+(?: [a-z]+)?)")


class IdGuide:
    """The sources of the ids that some operations of one Spec take, all among these operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        spec = operations[0].spec
        shared = id_sources(spec)
        self._sources = shared if shared.index.operations == tuple(operations) else IdSources(spec, operations)
        self._by_operation: dict[Operation, dict[str, IdSource]] = {}
        self._by_field: dict[Operation, dict[str, IdSource]] = {}
        self._by_noun: dict[Words, IdSource | None] = {}

    def for_operation(self, operation: Operation) -> Mapping[str, IdSource]:
        """Return the sources of an operation's ids by argument, required arguments first."""
        if operation not in self._by_operation:
            tool = compile_tool(operation)
            sources = {}
            for name in sorted(tool.places, key=lambda name: name not in tool.required):
                place = tool.places[name]
                # A value that the body repeats from the path, or the id of a new thing, has no source.
                repeated = place[0] == "body" and (place[1] == "id" or operation.parameter("path", place[1]))
                source = None if repeated else self._sources.best_source(operation, place)
                if source is not None:
                    sources[name] = source
            self._by_operation[operation] = sources
        return self._by_operation[operation]

    def for_fields(self, operation: Operation) -> Mapping[str, IdSource]:
        """Return the sources of fields of the body whose texts say that they take the id of a thing, by field.

        Stripe's `customer` is `the ID of the customer`, Asana's `data.assignee` the `gid of a user`.
        """
        if operation not in self._by_field:
            sources = self._by_field[operation] = {}
            for path, field in id_fields(operation):
                nouns = (self._resource_noun(noun) for noun in field_nouns(path.rpartition(".")[2], field))
                # A `category` is one of the API's ad categories, whatever else its text mentions.
                noun = next(filter(None, nouns), ())
                if source := self._of_noun(operation, noun):
                    sources[path] = source
        return self._by_field[operation]

    def _resource_noun(self, noun: Words) -> Words:
        """Return the noun of the listed things that a noun means, or the one longer noun; () where it means none."""
        index = self._sources.index
        if next(iter(index.lists_for_noun(noun)), None) is not None:
            return noun
        longer = {singular_noun(listing) for listing in index.lists_for_longer_nouns(noun)} if noun else set()
        return longer.pop() if len(longer) == 1 else ()

    def _of_noun(self, operation: Operation, noun: Words) -> IdSource | None:
        """Return the list of the things of a noun that needs least; None without one."""
        if noun not in self._by_noun:
            place = ("body", f"{'_'.join(noun)}_id")
            self._by_noun[noun] = self._sources.best_source(operation, place) if noun else None
        source = self._by_noun[noun]
        return source if source is not None and source.operation is not operation else None

    @cached_property
    def common(self) -> Mapping[str, IdSource | None]:
        """The values that most operations take, by the name of the argument."""
        return self._sources.common_values()

    def common_names(self, operations: Sequence[Operation]) -> list[str]:
        """Return the values that most operations take, as far as some operations take them."""
        arguments = {name for operation in operations for name in compile_tool(operation).places}
        return [name for name in self.common if name in arguments]

    def common_lines(self) -> list[str]:
        """Return a line for each value that most operations take: its source, and what that needs itself."""
        lines = []
        for name, source in self.common.items():
            prerequisites = self.for_operation(source.operation).items() if source is not None else ()
            clauses = [
                f", where {code_span(argument, 64)} is from {self._source_text(prerequisite)}"
                for argument, prerequisite in prerequisites
            ]
            lines.append(f"- {code_span(name, 64)}: {self._source_text(source)}{''.join(clauses[:1])}")
        return lines

    def lines(self, operations: Sequence[Operation], limit: int, skill_of: Mapping[Operation, str]) -> Iterator[str]:
        """Yield a line for each kind of id that operations take, most frequent first; `skill_of` has their skills."""
        usage: dict[tuple[str, Words], Counter[IdSource]] = {}
        chained: set[tuple[IdSource, str]] = set()
        for operation in operations:
            for name, source in {**self.for_fields(operation), **self.for_operation(operation)}.items():
                chained |= {(source, argument) for argument in self._prerequisites(source, operation)}
                if name not in self.common:
                    usage.setdefault((name, singular_noun(source.operation)), Counter())[source] += 1
        # `id` may be that of a project here and of a user there: the noun is added only where one name has several.
        names = Counter(name for name, _ in usage)
        for (name, noun), sources in sorted(usage.items(), key=lambda entry: -entry[1].total())[:limit]:
            kind = f" ({' '.join(noun)})" if names[name] > 1 else ""
            skills = {
                entry: f", skill `{skill_of[entry.operation]}`" for entry in sources if entry.operation in skill_of
            }
            source_texts = list(
                dict.fromkeys(
                    f"{self._source_text(entry)}{skills.get(entry, '')}"
                    f"{self._chain_text(entry, chained) if number == 0 else ''}"
                    for number, (entry, _) in enumerate(sources.most_common())
                )
            )
            yield f"- {code_span(name, 64)}{kind} from {join_names(source_texts, MAX_LISTED_SOURCES)}"

    def _prerequisites(self, source: IdSource, operation: Operation) -> Iterator[str]:
        """Yield the ids that a source needs and that the operation does not have: a business, for its ad accounts."""
        available = compile_tool(operation).places
        for argument in compile_tool(source.operation).required:
            if argument not in available and argument not in self.common:
                yield argument

    def _chain_text(self, source: IdSource, chained: Collection[tuple[IdSource, str]]) -> str:
        """Return the clause on the first id that a source needs itself; "" where it needs none, or nothing lists it."""
        for argument, prerequisite in self.for_operation(source.operation).items():
            if (source, argument) in chained:
                return f", where {code_span(argument, 64)} is from {self._source_text(prerequisite)}"
        return ""

    def _source_text(self, source: IdSource | None) -> str:
        if source is None:
            return "ask the user"
        field = f" ({code_span(source.field, 40)})" if source.field else ""
        field = " (the end of `uri`)" if source.field == "uri" else field
        kinds = (
            f"{name}={value if isinstance(value, str) else ','.join(value)}" for (_, name), value in source.narrowing
        )
        return f"`{callable_id(source.operation)}`{''.join(f' with {code_span(kind, 60)}' for kind in kinds)}{field}"


def id_fields(operation: Operation) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the fields of a body that have no id in their name, and whose texts name one, by path."""
    for path, field in body_fields(operation):
        is_id = is_id_argument(("body", path.rpartition(".")[2]))
        if "enum" not in field and not is_id and _ID.search(_text(field)):
            yield path, field


def field_nouns(name: str, field: Mapping[str, object]) -> Iterator[Words]:
    """Yield the nouns of what a field may take the id of: that of its name, then that of its text."""
    yield tuple(word for word in singular_words(name) if word not in ID_WORDS)
    for match in _ID_OF.finditer(_text(field)):
        # `gid of a user to add`, and not `id of volume snapshots` for a volume.
        words = list(takewhile(lambda word: word not in STOPWORDS, split_words(match[1])))
        yield singular_words("_".join(words))


def _text(field: Mapping[str, object]) -> str:
    """Return the beginning of the text of a field, and of the items of a list."""
    texts = (as_map(node).get("description") for node in (field, field.get("items")))
    return " ".join(text[:MAX_FIELD_TEXT] for text in texts if isinstance(text, str))
