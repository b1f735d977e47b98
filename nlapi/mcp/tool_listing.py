"""The tools of a description for MCP: their names, their definitions and the bounded texts about operations."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, islice, zip_longest
from typing import Any

from nlapi.agent.operations.tools import (
    CHANGE,
    DESCRIBE,
    FIND,
    PLAN_DEFINITION,
    PLAN_TOOL,
    READ,
    TOOL_DEFINITIONS,
    OperationTools,
)
from nlapi.client.safe_text import single_line
from nlapi.errors import UsageError
from nlapi.mcp.consent import OUTCOME
from nlapi.mcp.settings import Consent, Settings
from nlapi.openapi.gc_paused import gc_paused
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.effect_arguments import possible_effect
from nlapi.resources.paths import Shape, segments, shape
from nlapi.results.query import QUERY_TOOL
from nlapi.tools.arguments import argument_schema, may_fill
from nlapi.tools.definitions.describe import summarize_operation
from nlapi.tools.definitions.manifest import compact, render_definition
from nlapi.tools.search.areas import Area, areas
from nlapi.tools.texts.names import tool_names
from nlapi.tools.texts.plain_text import label_text, plain_text
from nlapi.tools.texts.prompt_injection import DESCRIPTION_NOTE
from nlapi.tools.tool import Tool
from nlapi.workflows.workflow_tools import NO_WORKFLOW_SET, WorkflowSet, WorkflowTool

# The tools that operate any API; no operation's tool has one of these names, nor that of QUERY_TOOL.
SEARCH_TOOLS = (FIND, DESCRIBE, READ, CHANGE)
_TOOL_NAMES = (*SEARCH_TOOLS, QUERY_TOOL, PLAN_TOOL, OUTCOME)

# Bytes of all definitions: with the instructions of the server 1,300 tokens are always there
# (`python -m benchmarks.agent`).
LIST_ROOM = 4_400
# Bytes of one tool in it, so that there are several, and how many of the most used operations are tried.
MAX_DEFINITION = 800
MAX_CANDIDATES = 60
# Operations of which each may be a tool: with more, not all fit.
MAX_COMPLETE = 20
# Choices of an argument in a brief definition.
MAX_CHOICES = 6

MAX_LISTED_OPERATIONS = 400
MAX_TITLE = 60

TITLES = {
    FIND: "Find operations",
    DESCRIBE: "Describe an operation",
    READ: "Read from the API",
    CHANGE: "Change something",
    QUERY_TOOL: "Read an earlier answer",
    PLAN_TOOL: "Plan",
}

Definition = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class ToolCatalogue:
    """The operations of a Spec that `settings` offer. Costly parts are computed on first use."""

    spec: Spec
    operations: tuple[Operation, ...]
    settings: Settings
    workflows: WorkflowSet = NO_WORKFLOW_SET

    @cached_property
    def names(self) -> dict[Operation, str]:
        """The name of the tool of each operation, the same whichever are offered, and of each workflow."""
        operations, prefix = self.spec.operations, self.settings.prefix
        length = self.settings.name_length
        # With a prefix no name is one of them.
        constant = () if prefix else _TOOL_NAMES
        names = tool_names(operations, max_length=length - len(prefix), reserved=constant)
        prefixed = {operation: f"{prefix}{name}" for operation, name in zip(operations, names, strict=True)}
        reserved = (*_TOOL_NAMES, *prefixed.values(), *(operation.id for operation in operations))
        workflows = self.workflows.tools.named(reserved=reserved, max_length=length)
        return {**prefixed, **{entry.operation: name for name, entry in workflows.items()}}

    @cached_property
    def operation_tools(self) -> OperationTools:
        return operation_tools((self,))

    def workflow(self, tool: Tool) -> WorkflowTool | None:
        """Return the workflow that a tool runs; None for the tool of one operation."""
        return self.workflows.tools.tools.get(tool.operation)

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        return areas(self.spec, self.operations)

    def name(self, operation: Operation) -> str:
        return self.names[operation]

    def tool(self, name: str) -> Tool:
        """Return the tool of that name, or of the operation with that id, listed or not.

        UsageError suggests the nearest names.
        """
        return self.operation_tools.resolve(name)


def operation_tools(catalogues: Sequence[ToolCatalogue]) -> OperationTools:
    """Return the constant set of tools over the APIs, with the names that their operations have here."""
    return OperationTools(
        [catalogue.spec for catalogue in catalogues],
        operations=[operation for catalogue in catalogues for operation in catalogue.operations],
        workflows=[entry.tool for catalogue in catalogues for entry in catalogue.workflows.tools],
        names={operation: name for catalogue in catalogues for operation, name in catalogue.names.items()},
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class OfferedTools:
    """The tools of one API or several for one caller.

    None has an output schema: real answers break their descriptions, and a client then shows an error in place of the
    answer (docs/design/016).
    """

    catalogues: tuple[ToolCatalogue, ...]
    room: int = LIST_ROOM
    """bytes of the definitions"""

    @cached_property
    def operation_tools(self) -> OperationTools:
        only = self.catalogues[0] if len(self.catalogues) == 1 else None
        return operation_tools(self.catalogues) if only is None else only.operation_tools

    @property
    def uses_search(self) -> bool:
        """Whether some operations have no separate tool, so that clients reach them by the constant tools."""
        return len(self.listed_tools) < sum(map(_count, self.catalogues))

    @property
    def reads_only(self) -> bool:
        return all(catalogue.settings.consent is Consent.NEVER for catalogue in self.catalogues)

    @cached_property
    def may_change(self) -> bool:
        """Whether anything that is offered can change something."""
        operations = (operation for entry in self.catalogues for operation in entry.operations)
        workflows = (operation for entry in self.catalogues for operation in entry.workflows.tools.operations)
        effects = (possible_effect(operation) for operation in chain(operations, workflows))
        return not self.reads_only and any(effect is not Effect.READ for effect in effects)

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        """The definitions of all tools in the order of the list."""
        listed = [definition for _, definition in self.listed_tools]
        if self.uses_search:
            return (*self._constant, *listed)
        # Where every operation has a tool, answers are read all the same, and there may be room for plans.
        others = [definition for definition in self._constant if definition["name"] in (QUERY_TOOL, PLAN_TOOL)]
        has_room = sum(map(definition_size, (*others, *listed))) <= self.room
        return (*(others if has_room else others[:1]), *listed)

    @cached_property
    def _constant(self) -> tuple[Definition, ...]:
        """The definitions of the tools that operate any API. A team's calls are logged and limited one by one."""
        is_team = any(catalogue.settings.prefix for catalogue in self.catalogues)
        left_out = {CHANGE, PLAN_TOOL} if self.reads_only else {PLAN_TOOL} if is_team or not self.may_change else ()
        definitions = (*TOOL_DEFINITIONS, PLAN_DEFINITION)
        return tuple(_constant_definition(entry) for entry in definitions if entry["name"] not in left_out)

    @cached_property
    def listed_tools(self) -> tuple[tuple[Tool, Definition], ...]:
        """The tools of single operations and workflows, with their definitions.

        All of a small API, and of one with `all_tools`; of the others the most used that there is room for.
        """
        complete = [catalogue for catalogue in self.catalogues if catalogue.settings.all_tools]
        others = [catalogue for catalogue in self.catalogues if catalogue not in complete]
        with gc_paused():
            every = [(tool, _definition(tool, catalogue)) for catalogue in complete for tool in _tools(catalogue)]
            return (*every, *self._fitting(others))

    def _fitting(self, catalogues: Sequence[ToolCatalogue]) -> list[tuple[Tool, Definition]]:
        if sum(map(_count, catalogues)) <= MAX_COMPLETE:
            every = [(tool, _definition(tool, catalogue)) for catalogue in catalogues for tool in _tools(catalogue)]
            room = self.room - sum(definition_size(entry) for entry in self._constant if entry["name"] == QUERY_TOOL)
            if sum(definition_size(definition) for _, definition in every) <= room:
                return every
        room = self.room - sum(map(definition_size, self._constant))
        chosen = []
        # One of each API in turn.
        ranked = zip_longest(*(list(islice(_most_used(catalogue), MAX_CANDIDATES)) for catalogue in catalogues))
        for tool, catalogue in filter(None, chain.from_iterable(ranked)):
            definition = _definition(tool, catalogue, is_brief=True)
            if (size := definition_size(definition)) <= min(room, MAX_DEFINITION):
                room -= size
                chosen.append((tool, definition))
        return chosen


@lru_cache(maxsize=64)
def offered_tools(catalogues: tuple[ToolCatalogue, ...], room: int = LIST_ROOM) -> OfferedTools:
    """Return the tools over the APIs of a caller, computed once for all callers that have the same."""
    return OfferedTools(catalogues=catalogues, room=room)


def _count(catalogue: ToolCatalogue) -> int:
    return len(catalogue.operations) + len(catalogue.workflows.tools)


def _tools(catalogue: ToolCatalogue) -> Iterator[Tool]:
    """Yield the tools of all operations and workflows of an API."""
    for operation in (*catalogue.operations, *catalogue.workflows.tools.operations):
        yield catalogue.operation_tools.tool(operation)


def _most_used(catalogue: ToolCatalogue) -> Iterator[tuple[Tool, ToolCatalogue]]:
    """Yield the tools of an API, workflows first and then the most used operations."""
    for operation in (*catalogue.workflows.tools.operations, *main_operations(catalogue.operations)):
        yield catalogue.operation_tools.tool(operation), catalogue


def definition_size(definition: Definition) -> int:
    """Return the bytes of a definition in the list of tools, where texts are JSON with characters as they are."""
    return len(json.dumps(definition, ensure_ascii=False, separators=(",", ":"), default=str).encode())


def build_catalogue(
    spec: Spec, operations: Sequence[Operation], settings: Settings, workflows: WorkflowSet = NO_WORKFLOW_SET
) -> ToolCatalogue:
    """Return the ToolCatalogue of the operations that can be called. UsageError if none exists.

    A workflow is left out where one of its operations is not among them.
    """
    reads_only = settings.consent is Consent.NEVER
    callable_operations = tuple(
        operation
        for operation in operations
        if operation.usable and (operation.effect is Effect.READ or not reads_only)
    )
    if not callable_operations:
        kind = "read " if reads_only else ""
        raise UsageError(f"{spec.title} has no {kind}operation left to offer", hint="`nlapi check` says what is wrong")
    usable = workflows.within(spec, callable_operations, reads_only=reads_only)
    return ToolCatalogue(spec=spec, operations=callable_operations, settings=settings, workflows=usable)


def registered_arguments(tool: Tool, settings: Settings) -> dict[str, object]:
    """Return the values that the user registered for the arguments of a tool."""
    # Registered values are texts; a tool of which none is registered must not pay for this import.
    from nlapi.tools.arguments import coerce_arguments

    return coerce_arguments({name: value for name, value in settings.registered.items() if name in tool.places}, tool)


def describe_area(group: Area, catalogue: ToolCatalogue) -> str:
    """Return an area of operations as Markdown, one operation a line."""
    lines = [f"# {label_text(group.label, 80)}", "", f"({DESCRIPTION_NOTE})", ""]
    if group.about:
        lines += [single_line(plain_text(group.about))[:500], ""]
    lines += [operation_line(operation, catalogue) for operation in group.operations[:MAX_LISTED_OPERATIONS]]
    if (more := len(group.operations) - MAX_LISTED_OPERATIONS) > 0:
        lines.append(f"- and {more:,} more")
    return "\n".join(lines)


def operation_line(operation: Operation, catalogue: ToolCatalogue) -> str:
    return f"- {catalogue.name(operation)} ({operation.effect.value}): {summarize_operation(operation)}"


def _constant_definition(definition: Definition) -> Definition:
    """Return the definition of one of the constant tools, with its title and hints."""
    name = definition["name"]
    hints = {"readOnlyHint": True} if name not in (CHANGE, PLAN_TOOL) else {}
    hints |= {"openWorldHint": False} if name not in (READ, CHANGE, PLAN_TOOL) else {}
    return {**render_definition(definition, "mcp"), "title": TITLES[name], "annotations": hints}


def _definition(tool: Tool, catalogue: ToolCatalogue, *, is_brief: bool = False) -> Definition:
    """Return the definition of the tool of an operation or a workflow; a brief one leaves out what can be asked for."""
    # Values that the user registered with the API are not required of a model.
    registered, stored = catalogue.settings.registered, catalogue.settings.stored
    required = [name for name in tool.required if name not in registered and not may_fill(tool, name, stored)]
    schema = (_brief_schema if is_brief else compact)(tool)
    if "required" in schema and len(required) < len(tool.required):
        schema["required"] = required
    title = label_text(tool.operation.summary, MAX_TITLE) or tool.operation.id[:MAX_TITLE]
    definition: Definition = {**tool.as_dict("mcp"), "inputSchema": schema, "title": title}
    if is_brief:
        definition["description"] = f"{title}. (`{DESCRIBE}`)"
    return definition


def _brief_schema(tool: Tool) -> dict[str, Any]:
    """Return the names of the arguments with their types and choices; `describe` has the rest."""
    properties = {
        name: {key: value for key, value in argument_schema(tool, name).items() if _is_brief(key, value)}
        for name in tool.input_schema.get("properties", {})
    }
    return {"type": "object", "properties": properties, **({"required": list(tool.required)} if tool.required else {})}


def _is_brief(key: str, value: object) -> bool:
    return key == "type" or (key == "enum" and isinstance(value, list) and len(value) <= MAX_CHOICES)


# What is done to a resource, the most usual first: people list and look up far more than they create and update. A
# deletion is not among the tools to have at hand.
KIND_WEIGHTS = {"list": 4.0, "get": 3.0, "create": 3.0, "update": 2.5, "search": 2.0, "action": 0.5}

# Of each required argument, and of each literal part of the path behind the first.
ARGUMENT_COST = 0.3
DEPTH_COST = 0.2

# Least share of operations on items for paths to name the resources.
MIN_ITEM_SHARE = 0.2


def main_operations(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Return the operations, the most used first, without deprecated ones and deletions.

    A resource counts by the operations on its items and beneath them; where paths have no items, by those of its tag.
    """
    paths = {operation: shape(segments(operation.route)) for operation in operations}
    beneath = Counter(prefix for path in paths.values() for prefix in _prefixes(path))
    has_items = sum(None in path for path in paths.values()) >= MIN_ITEM_SHARE * len(paths)
    tagged = Counter(operation.tags[0] for operation in operations if operation.tags and not has_items)
    scores: dict[Operation, float] = {}
    for operation, path in paths.items():
        item = path if path[-1:] == (None,) else (*path, None)
        kind = _kind(operation, path, has_items=beneath[item] > 0)
        if kind and not operation.deprecated:
            resource = beneath[item] or sum(tagged[tag] for tag in operation.tags[:1]) / 4
            required = sum(parameter.required for parameter in operation.parameters)
            cost = ARGUMENT_COST * required + DEPTH_COST * sum(part is not None for part in path[1:])
            scores[operation] = math.log2(1 + resource) + KIND_WEIGHTS[kind] - cost
    return tuple(sorted(scores, key=lambda operation: -scores[operation]))


def _prefixes(path: Shape) -> list[Shape]:
    return [path[:length] for length in range(1, len(path) + 1)]


def _kind(operation: Operation, path: Shape, *, has_items: bool) -> str:
    """Return what an operation does to its resource, as a key of KIND_WEIGHTS; "" for a deletion."""
    if operation.effect is Effect.DESTROY:
        return ""
    if operation.effect is Effect.READ:
        return _read_kind(operation, path)
    if path[-1:] == (None,):
        return "update" if operation.method in ("PUT", "PATCH", "POST") else "action"
    return "create" if operation.method == "POST" and has_items else "action"


def _read_kind(operation: Operation, path: Shape) -> str:
    if operation.method != "GET":
        return "search" if operation.method == "POST" else ""
    return "get" if path[-1:] == (None,) else "list"
