"""Lists the tools of a description for MCP: their names, their definitions and the bounded texts about operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nlapi.agent.operation_tools import DESCRIBE, FIND, READ, TOOL_DEFINITIONS
from nlapi.client.safe_text import single_line
from nlapi.errors import UsageError
from nlapi.mcp.settings import Consent, Settings
from nlapi.openapi.gc_paused import gc_paused
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.results.query import QUERY_TOOL
from nlapi.suggestions import suggestion
from nlapi.tools.areas import Area, areas
from nlapi.tools.arguments import may_fill
from nlapi.tools.compile import compile_tool
from nlapi.tools.describe import answer_field_names, summarize_operation
from nlapi.tools.index import MAX_LISTED_TOOLS, Index
from nlapi.tools.manifest import render_definition
from nlapi.tools.names import tool_names
from nlapi.tools.prompt_injection import DESCRIPTION_NOTE
from nlapi.tools.text import label_text, plain_text
from nlapi.tools.tool import Tool
from nlapi.workflows.workflow_tools import NO_WORKFLOW_SET, WorkflowSet, WorkflowTool

CALL = "call"
# The tools that operate a large API; no operation's tool has one of these names, nor that of QUERY_TOOL.
SEARCH_TOOLS = (FIND, DESCRIBE, READ, CALL)
_TOOL_NAMES = (*SEARCH_TOOLS, QUERY_TOOL)

# Operations of a large API that are listed as tools of their own: 20 KB for GitHub's 1,223 operations, where all take
# 2.2 MB.
MAX_SAMPLE_TOOLS = 12

MAX_LISTED_OPERATIONS = 400

# Results of `find`. A summary has at most 120 characters, so that 25 results are a page of some 4,000.
MAX_RESULTS = 25
DEFAULT_RESULTS = 8

_OPERATION = {"type": "string", "description": "The id of an operation, as `find` gives it."}
_ARGUMENTS = {
    "type": "object",
    "description": "Its arguments by name, as `describe` gives them.",
    "additionalProperties": True,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ToolCatalogue:
    """The operations of a Spec that `settings` offer. Costly parts are computed on first use."""

    spec: Spec
    operations: tuple[Operation, ...]
    settings: Settings
    workflows: WorkflowSet = NO_WORKFLOW_SET

    @cached_property
    def _workflow_names(self) -> dict[str, WorkflowTool]:
        reserved = (*_TOOL_NAMES, *self._tool_names.values(), *self._tool_names)
        return self.workflows.tools.named(reserved=reserved, max_length=self.settings.name_length)

    def workflow(self, tool: Tool) -> WorkflowTool | None:
        """Return the workflow that a tool runs; None for the tool of one operation."""
        return self.workflows.tools.tools.get(tool.operation)

    @property
    def workflow_tools(self) -> tuple[Tool, ...]:
        """The tools of the workflows, under their names here."""
        return tuple(entry.tool for entry in self._workflow_names.values())

    def request_text(self, operation: Operation) -> str:
        """Return what is sent for an operation or a workflow, in a few words."""
        entry = self.workflows.tools.tools.get(operation)
        return f"{operation.method} {single_line(operation.path)}" if entry is None else entry.calls_text

    @cached_property
    def _tool_names(self) -> dict[str, str]:
        """Operation id -> name of its tool, the same whichever operations are offered."""
        operations, prefix = self.spec.operations, self.settings.prefix
        names = tool_names(operations, max_length=self.settings.name_length - len(prefix), reserved=_TOOL_NAMES)
        return {operation.id: f"{prefix}{name}" for operation, name in zip(operations, names, strict=True)}

    @cached_property
    def _by_name(self) -> dict[str, Operation]:
        by_tool_name = {self._tool_names[operation.id]: operation for operation in self.operations}
        workflows = {name: entry.operation for name, entry in self._workflow_names.items()}
        return {**{operation.id: operation for operation in self.operations}, **by_tool_name, **workflows}

    @property
    def uses_search(self) -> bool:
        """Whether the API is so large that a client gets a search in place of every tool."""
        # Models choose worse from more than 30 to 50 tools.
        return len(self.operations) > self.settings.max_listed and not self.settings.all_tools

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        return areas(self.spec, self.operations)

    @cached_property
    def index(self) -> Index:
        workflows = self.workflows.tools.operations
        return Index((*self.operations, *workflows)) if workflows else Index.of(self.operations)

    def name(self, operation: Operation) -> str:
        return self._tool_names[operation.id]

    def found_tool(self, operation: Operation) -> Tool:
        """Return the tool of an operation or a workflow that the index found."""
        return next((tool for tool in self.workflow_tools if tool.operation is operation), None) or self.tool(
            operation.id
        )

    def tool(self, name: str) -> Tool:
        """Return the tool of that name, or of the operation with that id, listed or not.

        UsageError suggests the nearest names.
        """
        operation = self._by_name.get(name)
        if operation is None:
            hint = suggestion(name, self._by_name, count=3, otherwise="tools/list names them")
            if self.uses_search:
                hint += f"; the tool {FIND} finds operations by words"
            raise UsageError(f"there is no tool or operation {name[:100]!r}", hint=hint)
        if (entry := self._workflow_names.get(name)) is not None:
            return entry.tool
        return replace(compile_tool(operation), name=self.name(operation))

    @cached_property
    def listed_tools(self) -> tuple[Tool, ...]:
        chosen = tuple(_sample_reads(self.areas)) if self.uses_search else self.operations
        with gc_paused():
            return tuple(self.tool(self.name(operation)) for operation in chosen)


def build_catalogue(
    spec: Spec, operations: Sequence[Operation], settings: Settings, workflows: WorkflowSet = NO_WORKFLOW_SET
) -> ToolCatalogue:
    """Return the ToolCatalogue of the operations that can be called. UsageError when there is none.

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


def _sample_reads(groups: Sequence[Area]) -> Iterator[Operation]:
    """Yield one read without required arguments from each of the largest areas, such as a list."""
    largest = sorted(groups, key=lambda group: -len(group.operations))
    candidates = (
        next((operation for operation in group.operations if _needs_no_arguments(operation)), None) for group in largest
    )
    yield from [operation for operation in candidates if operation is not None][:MAX_SAMPLE_TOOLS]


def _needs_no_arguments(operation: Operation) -> bool:
    if operation.effect is not Effect.READ or operation.deprecated or operation.body is not None:
        return False
    return not any(parameter.required for parameter in operation.parameters)


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


def tool_definitions(catalogue: ToolCatalogue) -> list[dict[str, object]]:
    """Return the definitions of all tools, with that of the tool that reads earlier answers."""
    definitions = api_tool_definitions(catalogue)
    count = len(_search_tool_definitions(catalogue)) if catalogue.uses_search else 0
    return [*definitions[:count], query_tool_definition(), *definitions[count:]]


def api_tool_definitions(catalogue: ToolCatalogue) -> list[dict[str, object]]:
    """Return the definitions of the tools that are of the API."""
    search_tools = [*_search_tool_definitions(catalogue)] if catalogue.uses_search else []
    operations = (_tool_definition(tool, catalogue) for tool in catalogue.listed_tools)
    workflows = (_workflow_definition(tool, catalogue) for tool in catalogue.workflow_tools[:MAX_LISTED_TOOLS])
    return [*search_tools, *operations, *workflows]


def query_tool_definition() -> dict[str, object]:
    """Return the definition of the tool that reads an earlier answer here."""
    definition = next(entry for entry in TOOL_DEFINITIONS if entry["name"] == QUERY_TOOL)
    hints = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
    return {**render_definition(definition, "mcp"), "annotations": hints}


def _tool_definition(tool: Tool, catalogue: ToolCatalogue) -> dict[str, object]:
    """Return the definition of the tool of one operation."""
    return {**_call_definition(tool, catalogue), "outputSchema": answer_schema(answer_field_names(tool.operation))}


def _workflow_definition(tool: Tool, catalogue: ToolCatalogue) -> dict[str, object]:
    """Return the definition of the tool of a workflow, whose answer is the outcome of its run."""
    schema = {
        "type": "object",
        "properties": {
            "workflow": {"type": "string"},
            "state": {"type": "string"},
            "outputs": {"type": "object"},
            "failure": {"type": "string"},
            "steps": {"type": "array"},
            "not_run": {"type": "array", "description": "the steps that a run that failed did not come to"},
        },
    }
    return {**_call_definition(tool, catalogue), "outputSchema": schema}


def _call_definition(tool: Tool, catalogue: ToolCatalogue) -> dict[str, object]:
    # Values that the user registered with the API are not required of a model.
    definition = tool.as_dict("mcp")
    registered, stored = catalogue.settings.registered, catalogue.settings.stored
    required = [name for name in tool.required if name not in registered and not may_fill(tool, name, stored)]
    if len(required) < len(tool.required):
        definition["inputSchema"] = {**tool.input_schema, "required": required}
    return definition


def answer_schema(field_names: str = "") -> dict[str, object]:
    """Return the output schema of a tool that calls the API: the frame of an answer, with data of any kind."""
    # Real answers break their descriptions, and a client then shows an error in place of the answer. So the fields that
    # a description promises are only named in a text; their schemas would take 17 times the room for GitHub's
    # (design/016).
    data = {"description": f"As described: {field_names}"} if field_names else {}
    return {
        "type": "object",
        "properties": {
            "status": {"type": ["integer", "null"]},
            "work": {"type": "string"},
            "data": data,
            "columns": {"type": "array"},
            "rows": {"type": "array"},
            "text": {"type": "string"},
            "next": {"type": "object"},
            "result": {"type": "string"},
            "whole": {"type": "string"},
            "error": {"type": "string"},
            "reason": {"type": "string"},
        },
        "required": ["status"],
    }


def _search_tool_definitions(catalogue: ToolCatalogue) -> list[dict[str, object]]:
    count, prefix = len(catalogue.operations), catalogue.settings.prefix
    # Of several APIs each says which it is; one alone has its name in the server's.
    of_api = f" of {single_line(catalogue.spec.title)[:80]}" if prefix else ""
    text = {"type": "string"}
    words = {**text, "description": "a few English words: the action and the thing, `pause campaign`"}
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": DEFAULT_RESULTS}
    call = {"operation": _OPERATION, "arguments": _ARGUMENTS}
    definitions = [
        _search_tool_definition(
            FIND, f"Find the operations, of {count:,}{of_api}, that do something.", {"words": words, "limit": limit}
        ),
        _search_tool_definition(
            DESCRIBE,
            "Tell what an operation does and takes, as JSON Schema, or the inside of one argument.",
            {"operation": _OPERATION, "argument": {**text, "description": "to open one: spec.template"}},
        ),
        _search_tool_definition(READ, f"Call an operation{of_api} that only reads.", call, calls_api=True),
    ]
    if catalogue.settings.consent is not Consent.NEVER:
        definitions.append(
            _search_tool_definition(
                CALL, f"Call any operation{of_api}, also one that changes something.", call, calls_api=True
            )
        )
    return [{**definition, "name": f"{prefix}{definition['name']}"} for definition in definitions]


def _search_tool_definition(
    name: str, description: str, properties: dict[str, object], *, calls_api: bool = False
) -> dict[str, object]:
    only_reads = name != CALL
    hints = {"readOnlyHint": only_reads, "destructiveHint": not only_reads, "idempotentHint": only_reads}
    required = [key for key in properties if key not in ("limit", "arguments", "argument")]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {
        "name": name,
        "description": description,
        "inputSchema": schema,
        "annotations": {**hints, "openWorldHint": calls_api},
        **({"outputSchema": answer_schema()} if calls_api else {}),
    }
