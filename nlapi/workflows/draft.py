"""Builds a workflow document of calls whose values are constants, inputs of the user, or parts of earlier answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlapi.english.words import split_words
from nlapi.errors import Issue, Level
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.tools.tool import Tool
from nlapi.workflows.expressions import ExpressionError, embedded_expressions, parse_expression, pointer
from nlapi.workflows.model import (
    ArazzoWorkflow,
    Criterion,
    CriterionKind,
    Selector,
    Source,
    StepBody,
    StepParameter,
    WorkflowDocument,
    WorkflowStep,
)
from nlapi.workflows.sources import LinkedDocument
from nlapi.workflows.write import BASE_VERSION, SELECTOR_VERSION

EXTENSION = "x-nlapi"

Keys = tuple[str | int, ...]
"""Keys and indexes into an answer, outermost first."""

_BODY = "$response.body"


@dataclass(slots=True, kw_only=True, eq=False)
class InputValue:
    """A value that the user gives; `noun` is the thing that it is about, for a second input of the same name.

    `said` are the words that it had, and `example` is the value that they meant, in the unit of the wire.
    """

    name: str
    noun: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""
    example: Any = None
    is_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChoice:
    """The entry of the list at `keys` whose `field` is the text that the user gives; without a name the only entry."""

    keys: Keys
    field: Keys = ()
    name: InputValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerValue:
    """A part of the answer to a step, at `keys` of the body, or of the entry that is chosen in it."""

    step: StepDraft
    keys: Keys
    name: str
    choice: ItemChoice | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class StepDraft:
    """A call; the leaves of `arguments` are constants, InputValues and AnswerValues.

    `status` is that of its answer, None where it has not been made. The answer of a step `is_answer` is an output of
    the workflow, as are its `results`.
    """

    tool: Tool
    id: str = ""
    """the id of the step, "" for that of the operation"""
    arguments: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    content_type: str = ""
    description: str = ""
    is_answer: bool = False
    results: tuple[AnswerValue, ...] = ()

    @property
    def operation(self) -> Operation:
        return self.tool.operation


@dataclass(slots=True, kw_only=True)
class WorkflowDraft:
    """The steps of a workflow in order. `said` are the sentences of the user that it is made of.

    `locations` has where the description of each API is, for those where it is not that of the Spec. `issues` say what
    a reader of the document has to know of it.
    """

    steps: Sequence[StepDraft]
    id: str = ""
    said: Sequence[str] = ()
    locations: Mapping[Spec, str] = field(default_factory=dict)
    issues: Sequence[Issue] = ()


def reads_as_expression(text: str) -> bool:
    """Return whether a text would be evaluated in a document; the standard has no way to write it as a constant."""
    try:
        return parse_expression(text) is not None or next(embedded_expressions(text), None) is not None
    except ExpressionError:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltDocument:
    """The document with the workflow of a draft, linked. `examples` are the values that its inputs had."""

    linked: LinkedDocument
    examples: Mapping[str, Any]
    issues: Sequence[Issue] = ()


def build_document(draft: WorkflowDraft) -> BuiltDocument:
    """Return the document with the workflow of a draft."""
    builder = _Builder(draft)
    specs = {name: spec for spec, name in builder.source_names.items()}
    examples = {name: value.example for value, name in builder.input_names.items()}
    return BuiltDocument(
        linked=LinkedDocument(document=builder.document(), specs=specs), examples=examples, issues=draft.issues
    )


class _Builder:
    """The building of one document: the names of its steps, inputs, outputs and sources."""

    def __init__(self, draft: WorkflowDraft) -> None:
        self.draft = draft
        self.step_ids = _unique_names(
            draft.steps, lambda step: re.sub(r"[^\w-]+", "_", step.id or step.operation.id, flags=re.A)
        )
        values = [value for step in draft.steps for value in _leaves(step)]
        chosen = [value.choice.name for value in values if isinstance(value, AnswerValue) and value.choice]
        named = [value for value in (*chosen, *values) if isinstance(value, InputValue)]
        order = {id(value): index for index, step in enumerate(draft.steps) for value in _inputs_of(step, draft.steps)}
        self.inputs = sorted(dict.fromkeys(named), key=lambda value: order.get(id(value), 0))
        self.input_names = _input_names(self.inputs)
        specs = tuple(dict.fromkeys(step.operation.spec for step in draft.steps))
        self.source_names = _unique_names(specs, lambda spec: "_".join(split_words(spec.title)[:4]) or "api")
        self.outputs: dict[StepDraft, dict[str, AnswerValue]] = {step: {} for step in draft.steps}
        for value in (*values, *(result for step in draft.steps for result in step.results)):
            if isinstance(value, AnswerValue):
                self._add_output(value)

    def _add_output(self, value: AnswerValue) -> None:
        outputs = self.outputs[value.step]
        if any(_is_same(value, other) for other in outputs.values()):
            return
        name, number = value.name, 2
        while name in outputs:
            name, number = f"{value.name}_{number}", number + 1
        outputs[name] = value

    def document(self) -> WorkflowDocument:
        draft = self.draft
        steps = tuple(map(self._step, draft.steps))
        first = next(iter(draft.said), "")
        workflow = ArazzoWorkflow(
            id=draft.id or "-".join(split_words(first)[:6]) or self.step_ids[draft.steps[0]],
            summary=first,
            steps=steps,
            inputs=self._input_schema(),
            outputs=dict(self._workflow_outputs()),
            extensions={EXTENSION: self._extension()},
        )
        has_selectors = any(isinstance(node, Selector) for step in steps for node in step.outputs.values())
        return WorkflowDocument(
            version=SELECTOR_VERSION if has_selectors else BASE_VERSION,
            title=first or workflow.id,
            sources=tuple(
                Source(name=name, url=draft.locations.get(spec) or spec.registered or spec.source)
                for spec, name in self.source_names.items()
            ),
            workflows=(workflow,),
        )

    def _extension(self) -> dict[str, Any]:
        effects = Counter(str(step.operation.effect) for step in self.draft.steps)
        said: dict[str, Any] = {"said": list(self.draft.said)} if self.draft.said else {}
        warnings = [str(issue) for issue in self.draft.issues if issue.level is Level.WARNING]
        said |= {"warnings": warnings} if warnings else {}
        return {**said, "effects": {name: effects[name] for name in map(str, Effect) if name in effects}}

    def _input_schema(self) -> dict[str, Any]:
        if not self.inputs:
            return {}
        properties = {}
        for value, name in self.input_names.items():
            hints = {"said": value.said} if value.said and not value.is_secret else {}
            if value.example is not None and not value.is_secret:
                hints |= {"example": value.example}
            properties[name] = {**value.schema, **({EXTENSION: hints} if hints else {})}
        return {"type": "object", "properties": properties, "required": list(properties)}

    def _workflow_outputs(self) -> Iterator[tuple[str, str]]:
        names: set[str] = set()
        for step in self.draft.steps:
            for name in [
                *(self._output_name(result) for result in step.results),
                *(["answer"] if step.is_answer else []),
            ]:
                unique = name if name not in names else f"{self.step_ids[step]}_{name}"
                names.add(unique)
                yield unique, f"$steps.{self.step_ids[step]}.outputs.{name}"

    def _step(self, step: StepDraft) -> WorkflowStep:
        parameters = []
        fields: dict[str, Any] = {}
        body: StepBody | None = None
        for argument, node in step.arguments.items():
            location, name = step.tool.places.get(argument, ("body", argument))
            value = self._node(node)
            if location != "body":
                parameters.append(StepParameter(name=name, location=location, value=value))
            elif name:
                fields[name] = value
            else:
                body = StepBody(payload=value, content_type=self._content_type(step))
        if fields:
            body = StepBody(payload=fields, content_type=self._content_type(step))
        return WorkflowStep(
            id=self.step_ids[step],
            description=step.description,
            operation_id=self._operation_id(step.operation),
            operation_path=self._operation_path(step.operation),
            parameters=tuple(parameters),
            body=body,
            criteria=tuple(self._criteria(step)),
            outputs={
                **{name: self._output(value) for name, value in self.outputs[step].items()},
                **({"answer": _BODY} if step.is_answer else {}),
            },
            extensions={EXTENSION: {"title": step.operation.summary, "effect": str(step.operation.effect)}},
        )

    def _content_type(self, step: StepDraft) -> str:
        body = step.operation.body
        return step.content_type or (body.content_type if body is not None and body.media else "")

    def _operation_id(self, operation: Operation) -> str:
        """Return the operationId as a step names it; "" for an operation without one of its own."""
        if operation.node.get("operationId") != operation.id:
            return ""
        is_only = len(self.source_names) == 1
        return operation.id if is_only else f"$sourceDescriptions.{self.source_names[operation.spec]}.{operation.id}"

    def _operation_path(self, operation: Operation) -> str:
        """Return the place of an operation without an operationId; "" for one that has it."""
        if self._operation_id(operation):
            return ""
        path = operation.path.replace("~", "~0").replace("/", "~1")
        name = self.source_names[operation.spec]
        return f"{{$sourceDescriptions.{name}.url}}#/paths/{path}/{operation.method.lower()}"

    def _criteria(self, step: StepDraft) -> Iterator[Criterion]:
        """Yield the criteria: the status that was seen, and that each choice is of exactly one entry."""
        described = {response.status.upper() for response in step.operation.responses}
        if step.status is not None and {str(step.status), f"{step.status // 100}XX", "DEFAULT"} & described:
            yield Criterion(condition=f"$statusCode == {step.status}")
        else:
            yield Criterion(condition="$statusCode >= 200 && $statusCode < 300")
        choices = dict.fromkeys(value.choice for value in self.outputs[step].values() if value.choice is not None)
        for choice in choices:
            condition = f"$[?count({self._path(choice)}) == 1]"
            yield Criterion(condition=condition, kind=CriterionKind.JSONPATH, context=_BODY)

    def _path(self, choice: ItemChoice) -> str:
        """Return the JSONPath of the entries that a choice is of."""
        if choice.name is None:
            return f"${_json_path(choice.keys)}[*]"
        return (
            f"${_json_path(choice.keys)}[?@{_json_path(choice.field)} == '{{$inputs.{self.input_names[choice.name]}}}']"
        )

    def _output(self, value: AnswerValue) -> Any:
        if value.choice is None:
            return f"{_BODY}{pointer(value.keys)}"
        if value.choice.name is None:
            return f"{_BODY}{pointer((*value.choice.keys, 0, *value.keys))}"
        return Selector(context=_BODY, selector=f"{self._path(value.choice)}{_json_path(value.keys)}")

    def _output_name(self, value: AnswerValue) -> str:
        return next(name for name, other in self.outputs[value.step].items() if _is_same(value, other))

    def _node(self, node: Any) -> Any:
        if isinstance(node, InputValue):
            return f"$inputs.{self.input_names[node]}"
        if isinstance(node, AnswerValue):
            return f"$steps.{self.step_ids[node.step]}.outputs.{self._output_name(node)}"
        if isinstance(node, Mapping):
            return {str(name): self._node(value) for name, value in node.items()}
        if isinstance(node, (list, tuple)):
            return [self._node(value) for value in node]
        return node


def _is_same(first: AnswerValue, second: AnswerValue) -> bool:
    return first.step is second.step and (first.keys, first.choice) == (second.keys, second.choice)


def _leaves(node: Any) -> Iterator[Any]:
    if isinstance(node, StepDraft):
        node = node.arguments
    if isinstance(node, Mapping):
        for value in node.values():
            yield from _leaves(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _leaves(value)
    else:
        yield node


def _inputs_of(step: StepDraft, steps: Iterable[StepDraft]) -> Iterator[InputValue]:
    """Yield the inputs that a step uses: those of its arguments, and those that choose an entry of its answer."""
    yield from (value for value in _leaves(step) if isinstance(value, InputValue))
    for value in (value for other in steps for value in _leaves(other)):
        choice = value.choice if isinstance(value, AnswerValue) and value.step is step else None
        if choice is not None and choice.name is not None:
            yield choice.name


def _input_names(inputs: Sequence[InputValue]) -> dict[InputValue, str]:
    """Return a name for each input; where several have one, that of the thing stands before it."""
    base = {value: "_".join(split_words(value.name)) or "value" for value in inputs}
    base |= {value: f"{value.noun}_id" for value, name in base.items() if name in ("id", "ids") and value.noun}
    counts = Counter(base.values())
    return _unique_names(
        inputs,
        lambda value: (
            f"{value.noun}_{base[value]}"
            if counts[base[value]] > 1 and value.noun and not base[value].startswith(value.noun)
            else base[value]
        ),
    )


def _unique_names(entries: Iterable[Any], name: Any) -> dict[Any, str]:
    """Return a name for each entry, with a number behind the second of a name."""
    names: dict[Any, str] = {}
    for entry in entries:
        text, number = name(entry), 2
        while text in names.values():
            text, number = f"{name(entry)}_{number}", number + 1
        names[entry] = text
    return names


def _json_path(keys: Keys) -> str:
    """Return keys as segments of a JSONPath (RFC 9535 §2.5)."""
    segments = []
    for key in keys:
        if isinstance(key, int):
            segments.append(f"[{key}]")
        elif re.fullmatch(r"[A-Za-z_]\w*", key, re.A):
            segments.append(f".{key}")
        else:
            text = key.replace("\\", "\\\\").replace("'", "\\'")
            segments.append(f"['{text}']")
    return "".join(segments)
