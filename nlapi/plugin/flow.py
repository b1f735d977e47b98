"""Which operation gives the id that another needs: told by links, by paths, by the names of arguments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.fields import answer_schema, properties

IDS = ("id", "uuid", "guid", "number", "key")
NAMES = ("slug", "login", "key", "code", "name", "id")
"""Fields that say which of several things one is, the likeliest first: by an id or number, by a name."""

_FIELD = re.compile(r"\$response\.body#(?:/[^/]+)*/([^/]+)")
_ID = re.compile(r"(?:.*[_-])?ids?|.*[a-z]I[dD]s?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an id comes from: a field of what an operation answers; `field` is "" where no answer is described."""

    operation: Operation
    field: str = ""


class Flow:
    """The flow of ids through some operations of a Spec."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._lists = {
            _shape(one.route): one
            for one in reversed(operations)
            if one.method == "GET" and one.effect is Effect.READ and not one.deprecated
        }
        self._given: dict[tuple[str, str], list[Source]] = {}
        self._named: dict[str, list[Operation]] = {}
        for operation in operations:
            self._link(operation)
            for name, source in _above(operation.route, self._lists):
                if source not in self._named.setdefault(name.lower(), []):
                    self._named[name.lower()].append(source)

    def _link(self, operation: Operation) -> None:
        if operation.effect is not Effect.READ or not _may_link(operation):
            return
        for link in operation.links:
            for name, expression in link.parameters.items():
                field = _FIELD.match(expression) if isinstance(expression, str) else None
                if field:
                    key = link.operation_id, name.rpartition(".")[2]
                    self._given.setdefault(key, []).append(Source(operation=operation, field=field[1]))

    def source(self, operation: Operation, argument: str) -> Source | None:
        """Where the value of an argument comes from; None when nothing is known to give it.

        What stands before it in the path lists it; else a link of the description says so, or another path. A source
        may want nothing itself that the operation does not want too.
        """
        where, wire = compile_tool(operation).places.get(argument, ("", argument))
        if where == "path" and (above := dict(_above(operation.route, self._lists)).get(wire)):
            return Source(operation=above, field=_field(above, wire))
        known = {one.name for one in operation.parameters if one.where == "path"} - {wire}
        candidates = list(self._given.get((operation.id, wire), ()))
        if where == "path" or _ID.fullmatch(wire):
            candidates += [Source(operation=one) for one in self._named.get(wire.lower(), ())]
        open_to = [one for one in candidates if one.operation is not operation and _wants(one.operation) <= known]
        if not open_to:
            return None
        best = min(open_to, key=lambda one: len(_wants(one.operation)))
        return best if best.field else Source(operation=best.operation, field=_field(best.operation, wire))

    def needs(self, operation: Operation) -> list[str]:
        """The arguments of an operation that say which thing is meant, those that it cannot do without first."""
        tool = compile_tool(operation)
        names = [
            name
            for name, (where, wire) in tool.places.items()
            if where == "path" or (_ID.fullmatch(wire) and where in ("query", "body") and wire != "id")
        ]
        return sorted(names, key=lambda name: name not in tool.required)


def flows(operations: Sequence[Operation], flow: Flow) -> tuple[list[tuple[str, Source, int]], list[str]]:
    """Of an area: (argument, where it comes from, how many operations take it), and what only the user can say."""
    times: Counter[str] = Counter()
    sources: dict[str, Counter[str]] = {}
    found: dict[tuple[str, str], Source] = {}
    for operation in operations:
        required = compile_tool(operation).required
        for name in flow.needs(operation):
            source = flow.source(operation, name)
            times[name] += 1 if source or name in required else 0
            if source:
                sources.setdefault(name, Counter())[source.operation.id] += 1
                found[name, source.operation.id] = source
    told = []
    for name, count in times.most_common():
        for id, _ in sources.get(name, Counter()).most_common(1):
            told.append((name, found[name, id], count))
    return told, [name for name, count in times.most_common() if count and name not in sources]


def _wants(operation: Operation) -> set[str]:
    return {one.name for one in operation.parameters if one.required}


def _may_link(operation: Operation) -> bool:
    """Links are looked for only where the description has any: answers are costly to parse."""
    spec: Spec = operation.spec
    if "links" not in spec.memo:
        spec.memo["links"] = _has_links(spec.document)
    return bool(spec.memo["links"])


def _has_links(document: Mapping[str, Any]) -> bool:
    components = document.get("components")
    if isinstance(components, Mapping) and components.get("links"):
        return True
    paths = document.get("paths")
    items = paths.values() if isinstance(paths, Mapping) else ()
    nodes = (node for item in items if isinstance(item, Mapping) for node in item.values() if isinstance(node, Mapping))
    answers = (node.get("responses") for node in nodes)
    each = (one for found in answers if isinstance(found, Mapping) for one in found.values())
    return any(isinstance(one, Mapping) and one.get("links") for one in each)


def _shape(route: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", route.rstrip("/"))


def _above(route: str, lists: Mapping[str, Operation]) -> Iterator[tuple[str, Operation]]:
    """The path parameters of a route whose things are listed by the path before them."""
    for found in re.finditer(r"/\{([^}]*)\}", route):
        listed = lists.get(_shape(route[: found.start()]))
        if listed is not None:
            yield found[1], listed


def _field(operation: Operation, name: str) -> str:
    """The field of a listed thing that tells its `name`: one of that name, or what things are usually told by."""
    plain = {re.sub(r"[_-]", "", one).lower(): one for one in fields(operation)}
    wanted = re.sub(r"[_-]", "", name).lower()
    number = wanted.endswith("number") and "number" in plain
    likely = ("number",) if number else IDS if _ID.fullmatch(name) else NAMES
    return next((plain[one] for one in (wanted, *likely) if one in plain), "")


def fields(operation: Operation) -> list[str]:
    """The fields of what an operation answers; of a list, those of the things in it."""
    return _item(operation, operation.spec.follow(answer_schema(operation)), 0)


def _item(operation: Operation, schema: Any, depth: int) -> list[str]:
    """The fields of the things in a list, or in the list that an answer wraps."""
    follow = operation.spec.follow
    if not isinstance(schema, Mapping) or depth > 3:
        return []
    if "items" in schema:
        return list(properties(follow(schema["items"]), follow))
    found = properties(schema, follow)
    for one in map(follow, found.values()):
        if isinstance(one, Mapping) and "items" in one and (listed := _item(operation, one, depth + 1)):
            return listed
    return list(found)
