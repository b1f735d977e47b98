"""The sources of ids among the operations of a plugin, in the words of skills."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from nlapi.openapi.spec import Operation
from nlapi.plugin.names import callable_id
from nlapi.plugin.text import code, listed
from nlapi.resources.id_fields import Words
from nlapi.resources.id_sources import IdSource, IdSources
from nlapi.resources.nouns import thing_words
from nlapi.tools.compile import compile_tool

MAX_SOURCES = 15

# Operations named for one kind of id: those that list it for an organization, for a repository and for the user.
MAX_LISTED = 3


class Ids:
    """The sources of the ids that some operations of one Spec take, all among these operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._sources = IdSources(operations[0].spec, operations)
        self._found: dict[Operation, dict[str, IdSource]] = {}

    def of(self, operation: Operation) -> Mapping[str, IdSource]:
        """Return the sources of an operation's ids by argument, required arguments first."""
        if operation not in self._found:
            tool = compile_tool(operation)
            found = {}
            for name in sorted(tool.places, key=lambda name: name not in tool.required):
                place = tool.places[name]
                # A value that the body repeats from the path, or the id of a new thing, has no source.
                repeated = place[0] == "body" and (place[1] == "id" or operation.parameter("path", place[1]))
                source = None if repeated else self._sources.first(operation, place)
                if source is not None:
                    found[name] = source
            self._found[operation] = found
        return self._found[operation]

    @cached_property
    def common(self) -> Mapping[str, IdSource | None]:
        """The values that most operations take, by the name of the argument."""
        return self._sources.common_values()

    def taken(self, operations: Sequence[Operation]) -> list[str]:
        """Return the values that most operations take, as far as some operations take them."""
        taken = {name for one in operations for name in compile_tool(one).places}
        return [name for name in self.common if name in taken]

    def common_lines(self) -> list[str]:
        """Return a line for each value that most operations take: its source, and what that needs itself."""
        lines = []
        for name, source in self.common.items():
            above = self.of(source.operation).items() if source is not None else ()
            after = [f", where {code(first, 64)} is from {self._from(other)}" for first, other in above]
            lines.append(f"- {code(name, 64)}: {self._from(source)}{''.join(after[:1])}")
        return lines

    def lines(self, operations: Sequence[Operation], limit: int, elsewhere: Mapping[Operation, str]) -> Iterator[str]:
        """Yield a line for each kind of id that operations take, most frequent first; `elsewhere` has their skills."""
        wanted: dict[tuple[str, Words], Counter[IdSource]] = {}
        for operation in operations:
            for name, source in self.of(operation).items():
                if name not in self.common:
                    wanted.setdefault((name, thing_words(source.operation)), Counter())[source] += 1
        # `id` may be that of a project here and of a user there: the noun is added only where one name has several.
        names = Counter(name for name, _ in wanted)
        for (name, noun), sources in sorted(wanted.items(), key=lambda one: -one[1].total())[:limit]:
            kind = f" ({' '.join(noun)})" if names[name] > 1 else ""
            needs = "1 operation needs it" if sources.total() == 1 else f"{sources.total()} operations need it"
            skills = {one: f", skill `{elsewhere[one.operation]}`" for one in sources if one.operation in elsewhere}
            given = list(dict.fromkeys(f"{self._from(one)}{skills.get(one, '')}" for one, _ in sources.most_common()))
            yield f"- {code(name, 64)}{kind} from {listed(given, MAX_LISTED)}; {needs}"

    def _from(self, source: IdSource | None) -> str:
        if source is None:
            return "ask the user"
        field = f" ({code(source.field, 40)})" if source.field else ""
        field = " (the end of `uri`)" if source.field == "uri" else field
        kinds = (
            f"{name}={','.join(value) if isinstance(value, list) else value}" for (_, name), value in source.narrowing
        )
        return f"`{callable_id(source.operation)}`{''.join(f' with {code(kind, 60)}' for kind in kinds)}{field}"
