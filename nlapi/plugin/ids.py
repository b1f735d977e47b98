"""The sources of ids among the operations of a plugin, in the words of skills."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from nlapi.openapi.spec import Operation
from nlapi.plugin.names import callable_id
from nlapi.plugin.markdown import code_span, join_names
from nlapi.resources.id_fields import Words
from nlapi.resources.id_sources import IdSource, IdSources
from nlapi.resources.nouns import singular_noun
from nlapi.tools.compile import compile_tool

MAX_SOURCES = 15

# Operations named for one kind of id: those that list it for an organization, for a repository and for the user.
MAX_LISTED_SOURCES = 3


class IdGuide:
    """The sources of the ids that some operations of one Spec take, all among these operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._sources = IdSources(operations[0].spec, operations)
        self._by_operation: dict[Operation, dict[str, IdSource]] = {}

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
            clauses = [f", where {code_span(argument, 64)} is from {self._source_text(prerequisite)}" for argument, prerequisite in prerequisites]
            lines.append(f"- {code_span(name, 64)}: {self._source_text(source)}{''.join(clauses[:1])}")
        return lines

    def lines(self, operations: Sequence[Operation], limit: int, skill_of: Mapping[Operation, str]) -> Iterator[str]:
        """Yield a line for each kind of id that operations take, most frequent first; `skill_of` has their skills."""
        usage: dict[tuple[str, Words], Counter[IdSource]] = {}
        for operation in operations:
            for name, source in self.for_operation(operation).items():
                if name not in self.common:
                    usage.setdefault((name, singular_noun(source.operation)), Counter())[source] += 1
        # `id` may be that of a project here and of a user there: the noun is added only where one name has several.
        names = Counter(name for name, _ in usage)
        for (name, noun), sources in sorted(usage.items(), key=lambda entry: -entry[1].total())[:limit]:
            kind = f" ({' '.join(noun)})" if names[name] > 1 else ""
            needs = "1 operation needs it" if sources.total() == 1 else f"{sources.total()} operations need it"
            skills = {entry: f", skill `{skill_of[entry.operation]}`" for entry in sources if entry.operation in skill_of}
            source_texts = list(dict.fromkeys(f"{self._source_text(entry)}{skills.get(entry, '')}" for entry, _ in sources.most_common()))
            yield f"- {code_span(name, 64)}{kind} from {join_names(source_texts, MAX_LISTED_SOURCES)}; {needs}"

    def _source_text(self, source: IdSource | None) -> str:
        if source is None:
            return "ask the user"
        field = f" ({code_span(source.field, 40)})" if source.field else ""
        field = " (the end of `uri`)" if source.field == "uri" else field
        kinds = (
            f"{name}={','.join(value) if isinstance(value, list) else value}" for (_, name), value in source.narrowing
        )
        return f"`{callable_id(source.operation)}`{''.join(f' with {code_span(kind, 60)}' for kind in kinds)}{field}"
