"""Defines the parts of an Arazzo document, 1.0.x and 1.1: workflows, their steps, criteria and actions.

A value is JSON in which a text may be a runtime expression or have some embedded, and an object may be a Selector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nlapi.errors import Issue, UsageError
from nlapi.openapi.egress import NetworkOrigin


class SourceKind(StrEnum):
    """The type of a source description (Arazzo 1.1 §5.3)."""

    OPENAPI = "openapi"
    ARAZZO = "arazzo"
    ASYNCAPI = "asyncapi"


class StepActionKind(StrEnum):
    """The type of a success or failure action."""

    END = "end"
    GOTO = "goto"
    RETRY = "retry"


class CriterionKind(StrEnum):
    """The language of a criterion's condition, or of a selector."""

    SIMPLE = "simple"
    REGEX = "regex"
    JSONPATH = "jsonpath"
    JSONPOINTER = "jsonpointer"
    XPATH = "xpath"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source description: the name that the document uses, and where it is, as written."""

    name: str
    url: str
    kind: SourceKind = SourceKind.OPENAPI


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A part of structured data, chosen by an expression of another language (Arazzo 1.1, Selector Object)."""

    context: str
    selector: str
    kind: CriterionKind = CriterionKind.JSONPATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """An assertion on a step's answer; `context` is an expression, "" for a simple condition."""

    condition: str
    kind: CriterionKind = CriterionKind.SIMPLE
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAction:
    """What follows a step that succeeded or failed, where all `criteria` hold.

    `retry_after` is in seconds; `retry_limit` is the number of further attempts, 1 where the document has none.
    """

    name: str
    kind: StepActionKind
    workflow_id: str = ""
    step_id: str = ""
    retry_after: float = 0.0
    retry_limit: int = 1
    criteria: tuple[Criterion, ...] = ()
    parameters: tuple[StepParameter, ...] = ()
    """the inputs of the workflow that a goto leads to"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepParameter:
    """A value for a parameter; `location` is path, query, querystring, header or cookie, "" for a workflow's input."""

    name: str
    value: Any
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A value that replaces the part of a payload at `target`, a JSON pointer or a JSONPath."""

    target: str
    value: Any
    kind: CriterionKind = CriterionKind.JSONPOINTER


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBody:
    """The request body of a step; `payload` is None where the replacements are all."""

    payload: Any = None
    content_type: str = ""
    replacements: tuple[Replacement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStep:
    """One call of an operation, or of another workflow: one of the first three fields is set.

    `channel` is the channel of AsyncAPI, or the step's action there; nlapi runs no such step.
    `timeout` is in seconds, None for no limit of the document's.
    """

    id: str
    operation_id: str = ""
    operation_path: str = ""
    workflow_id: str = ""
    channel: str = ""
    description: str = ""
    parameters: tuple[StepParameter, ...] = ()
    body: StepBody | None = None
    criteria: tuple[Criterion, ...] = ()
    on_success: tuple[StepAction, ...] = ()
    on_failure: tuple[StepAction, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    timeout: float | None = None

    @property
    def target(self) -> str:
        """The operation or workflow that the step calls, as written."""
        return self.operation_id or self.operation_path or self.workflow_id

    @property
    def values(self) -> Iterator[tuple[str, Any]]:
        """The values that the step sends, each with its place in it."""
        yield from ((f"parameters.{entry.name}", entry.value) for entry in self.parameters)
        if self.body is not None:
            yield "payload", self.body.payload
            yield from ((f"replacements.{entry.target}", entry.value) for entry in self.body.replacements)

    @property
    def arguments(self) -> dict[tuple[str, str], Any]:
        """The values of its parameters, and of the fields of its payload, by location and name."""
        payload = self.body.payload if self.body is not None else None
        fields = payload if isinstance(payload, Mapping) else {}
        parameters = {(entry.location, entry.name): entry.value for entry in self.parameters}
        return parameters | {("body", str(name)): node for name, node in fields.items()}

    @property
    def actions(self) -> tuple[StepAction, ...]:
        """What follows its success, then what follows its failure."""
        return (*self.on_success, *self.on_failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArazzoWorkflow:
    """A sequence of steps; `inputs` is a JSON Schema 2020-12."""

    id: str
    steps: tuple[WorkflowStep, ...]
    summary: str = ""
    description: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    success_actions: tuple[StepAction, ...] = ()
    failure_actions: tuple[StepAction, ...] = ()
    parameters: tuple[StepParameter, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def step(self, id: str) -> WorkflowStep | None:
        """Return the step with an id."""
        return next((step for step in self.steps if step.id == id), None)

    @property
    def required_inputs(self) -> tuple[str, ...]:
        """The names of the inputs that the document says are required."""
        required = self.inputs.get("required")
        return tuple(name for name in required if isinstance(name, str)) if isinstance(required, list) else ()

    @property
    def input_schemas(self) -> Mapping[str, Any]:
        """The schema of each input by its name."""
        properties = self.inputs.get("properties")
        return properties if isinstance(properties, Mapping) else {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkflowDocument:
    """An Arazzo document. `location` is where it was read from; `tree` is the JSON of it, with `$ref`s of inputs.

    `issues` has what could not be read, and every place where the document bends the standard.
    """

    version: str
    title: str
    workflows: tuple[ArazzoWorkflow, ...]
    sources: tuple[Source, ...] = ()
    location: str = ""
    issues: tuple[Issue, ...] = ()
    tree: Mapping[str, Any] = field(default_factory=dict)
    origin: NetworkOrigin = field(default_factory=NetworkOrigin)
    """Who named its sources, which decides on the networks that they may be in."""

    def find(self, id: str) -> ArazzoWorkflow | None:
        """Return the workflow with an id."""
        return next((workflow for workflow in self.workflows if workflow.id == id), None)

    def workflow(self, id: str = "") -> ArazzoWorkflow:
        """Return the workflow with an id, the only one for ""; UsageError with the choices if none exists."""
        only = self.workflows[0] if len(self.workflows) == 1 else None
        if (named := self.find(id) if id else only) is not None:
            return named
        raise self._no_workflow(id)

    def _no_workflow(self, id: str) -> UsageError:
        unread = f"workflows.{id}." if id else "workflows"
        if left_out := next((issue for issue in self.issues if f"{issue.where}.".startswith(unread)), None):
            return UsageError(f"the workflow cannot be read: {left_out}", hint="`nlapi workflow check` has each fault")
        names = ", ".join(entry.id for entry in self.workflows) or "none"
        message = f"{self.location or self.title} has no workflow {id}" if id else "several workflows, and none named"
        return UsageError(message, hint=f"its workflows: {names}")
