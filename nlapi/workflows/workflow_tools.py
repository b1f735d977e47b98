"""Workflows as tools: each is an operation of a generated description, whose arguments are the inputs.

So whatever knows operations knows workflows too: the search, the slots of a sentence, the manifests, the checks of a
change (docs/design/064-workflows-as-tools.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from nlapi.client.safe_text import count_noun, shorten, single_line
from nlapi.errors import ArgumentError, UsageError
from nlapi.openapi.document import Document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import EFFECTS_KEY, Effect, Operation, Spec, as_map
from nlapi.tools.arguments import check
from nlapi.tools.compile import compile_tool
from nlapi.tools.quantities.units import to_wire_units
from nlapi.tools.sending.run import Target, locate_arguments
from nlapi.tools.texts.names import MAX_LENGTH, tool_names, unique_name
from nlapi.tools.texts.plain_text import plain_text
from nlapi.tools.tool import Call, Tool
from nlapi.workflows.model import ArazzoWorkflow
from nlapi.workflows.outline import WorkflowOutline, outline
from nlapi.workflows.sources import LinkedDocument

# Steps that the description of a tool names.
MAX_STEPS = 12

# Characters of what a document says about a workflow.
MAX_ABOUT = 1_000

_EFFECT_TEXTS = {Effect.WRITE: "changes something", Effect.DESTROY: "takes something away"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkflowTool:
    """A workflow with the tool that it is. The effect of the tool is the gravest of its steps."""

    linked: LinkedDocument
    workflow: ArazzoWorkflow
    tool: Tool
    calls: tuple[Operation, ...]
    """the operations of its steps, in order"""

    @property
    def operation(self) -> Operation:
        return self.tool.operation

    @property
    def effect(self) -> Effect:
        return self.tool.effect

    @property
    def specs(self) -> frozenset[Spec]:
        """The APIs that it may call."""
        return frozenset(self.linked.all_specs)

    def inputs(self, call: Call) -> dict[str, Any]:
        """Return the inputs of a call, amounts in wire units. ArgumentError where they break the schema."""
        arguments = to_wire_units(self.tool, call.arguments)
        check(self.tool, arguments)
        values = locate_arguments(self.tool, arguments)
        body = values.get(("body", ""))
        if body is not None and not isinstance(body, Mapping):
            raise ArgumentError(f"the inputs of {self.workflow.id} are not an object")
        return dict(body or {name: value for (location, name), value in values.items() if location == "body" and name})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTools:
    """The workflows of some documents as tools, by their operations. `left_out` has the reasons for the others."""

    tools: Mapping[Operation, WorkflowTool]
    left_out: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[WorkflowTool]:
        return iter(self.tools.values())

    def __len__(self) -> int:
        return len(self.tools)

    def of(self, call: Call) -> WorkflowTool | None:
        """Return the workflow that a call runs; None for the call of an operation of an API."""
        return self.tools.get(call.tool.operation)

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(self.tools)

    def named(self, *, reserved: Iterable[str] = (), max_length: int = MAX_LENGTH) -> dict[str, WorkflowTool]:
        """Return the workflows by names of tools that differ from each other and from the `reserved` ones."""
        names = tool_names(self.operations, reserved=reserved, max_length=max_length)
        return {
            name: replace(entry, tool=replace(entry.tool, name=name)) for name, entry in zip(names, self, strict=True)
        }


NO_WORKFLOWS = WorkflowTools(tools={})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSet:
    """Workflows as tools, with the Targets and the registered values by argument of all APIs that they call."""

    tools: WorkflowTools = NO_WORKFLOWS
    targets: Mapping[Spec, Target] = field(default_factory=dict)
    defaults: Mapping[Spec, Mapping[str, Any]] = field(default_factory=dict)

    def within(self, spec: Spec, operations: Collection[Operation], *, reads_only: bool = False) -> WorkflowSet:
        """Return those that call no operation of an API but these, and with `reads_only` change nothing."""
        allowed = frozenset(operations)
        tools = {
            operation: entry
            for operation, entry in self.tools.tools.items()
            if all(call.spec is not spec or call in allowed for call in entry.calls)
            and not (reads_only and entry.effect is not Effect.READ)
        }
        return replace(self, tools=replace(self.tools, tools=tools))


NO_WORKFLOW_SET = WorkflowSet()


def workflow_tools(documents: Iterable[LinkedDocument]) -> WorkflowTools:
    """Return the workflows of linked documents as tools, without those that can never run."""
    tools: dict[Operation, WorkflowTool] = {}
    left_out: list[str] = []
    ids: set[str] = set()
    for linked in documents:
        left_out += [str(issue) for issue in linked.issues]
        usable: dict[str, WorkflowOutline] = {}
        for workflow in linked.document.workflows:
            try:
                tree = outline(linked, workflow, {})
                broken = [entry for entry in tree.entries if entry.operation is None and entry.workflow is None]
                reason = "" if tree.operations else "it calls nothing"
                reason = single_line(f"{broken[0].path}: {broken[0].fault}") if broken else reason
            except UsageError as error:
                reason = str(error)
            if reason:
                left_out.append(f"the workflow {single_line(workflow.id)} cannot run: {reason}")
            else:
                id = unique_name(workflow.id, ids)
                ids.add(id)
                usable[id] = tree
        for operation in parse_document(_description(linked, usable)).operations if usable else ():
            if operation.usable:
                tree = usable[operation.id]
                tool = replace(compile_tool(operation), description=_about(tree))
                tools[operation] = WorkflowTool(linked=linked, workflow=tree.workflow, tool=tool, calls=tree.operations)
            else:
                left_out.append(f"the workflow {single_line(operation.id)} has inputs that are not arguments")
    return WorkflowTools(tools=tools, left_out=tuple(left_out))


def _description(linked: LinkedDocument, trees: Mapping[str, WorkflowOutline]) -> Document:
    """Return the OpenAPI description in which each workflow is an operation."""
    document = linked.document
    paths = {f"/{quote(id, safe='')}": {"post": _operation(id, tree)} for id, tree in trees.items()}
    tree = {
        "openapi": "3.1.0",
        "info": {"title": document.title, "version": document.version},
        # `$ref`s in inputs lead to the components of the document.
        "components": dict(as_map(document.tree.get("components"))),
        "paths": paths,
        EFFECTS_KEY: "stated",
    }
    return Document(tree=tree, source=document.location or document.title, version="3.1.0")


def _operation(id: str, tree: WorkflowOutline) -> dict[str, Any]:
    workflow = tree.workflow
    node: dict[str, Any] = {
        "operationId": id,
        "summary": workflow.summary,
        "description": workflow.description,
        "x-nlapi-effect": str(tree.effect),
        "responses": {"200": {"description": "the outputs"}},
    }
    if schemas := workflow.input_schemas:
        # What has a default need not be given: the run fills it in.
        required = [name for name in workflow.required_inputs if "default" not in as_map(schemas.get(name))]
        schema = {"type": "object", **workflow.inputs, "required": required}
        content = {"application/json": {"schema": schema}}
        node["requestBody"] = {"required": bool(required), "content": content}
    return node


def _about(tree: WorkflowOutline) -> str:
    """Return the description of the tool of a workflow: its purpose, its calls, and its effect."""
    workflow, calls = tree.workflow, tree.operations
    lines = (single_line(plain_text(text)).rstrip(".") for text in (workflow.summary, workflow.description))
    texts = dict.fromkeys(lines)
    about = ". ".join(text for text in texts if text) or single_line(workflow.id)
    about = shorten(about, MAX_ABOUT)
    names = [single_line(operation.id) for operation in calls[:MAX_STEPS]]
    names += [f"{len(calls) - MAX_STEPS} more"] if len(calls) > MAX_STEPS else []
    effect = "It only reads"
    if tree.effect is not Effect.READ:
        effect = f"It {_EFFECT_TEXTS[tree.effect]}: {count_noun(len(tree.changes), 'change')}"
    outputs = f" Answers with {', '.join(map(single_line, workflow.outputs))}." if workflow.outputs else ""
    return f"{about}. A workflow of {count_noun(len(calls), 'call')}: {', '.join(names)}. {effect}.{outputs}"
