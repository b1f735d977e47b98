"""Builds a workflow document of calls whose values are constants, inputs of the user, or parts of earlier answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlapi.client.safe_text import shorten
from nlapi.english.words import split_words
from nlapi.errors import Issue, Level
from nlapi.openapi.spec import Effect, Operation, Schema, Spec, escape_step
from nlapi.resources.paths import Place
from nlapi.resources.schemas import SchemaReader
from nlapi.tools.arguments import plain_values
from nlapi.tools.quantities.units import unit_of
from nlapi.tools.texts.names import unique_name
from nlapi.tools.texts.plain_text import first_sentence, plain_text
from nlapi.tools.tool import Tool
from nlapi.workflows.expressions import (
    ExpressionError,
    embedded_expressions,
    parse_expression,
    pointer,
    with_plain_values,
)
from nlapi.workflows.read import parse_document
from nlapi.workflows.sources import LinkedDocument

EXTENSION = "x-nlapi"

BASE_VERSION, SELECTOR_VERSION = "1.0.1", "1.1.0"
"""The version without selectors, and the first with them."""

# Seconds between two looks at work, and looks: five minutes in all.
RETRY_AFTER, RETRY_LIMIT = 5, 60

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
    is_required: bool = True


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWait:
    """The wait for a state of an item: `keys` lead to it in the answer, `failures` end the wait."""

    keys: Keys
    done: str
    failures: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True, eq=False)
class StepDraft:
    """A call; the leaves of `arguments` are constants, InputValues and AnswerValues, and that of "" is the whole body.

    `status` is that of its answer, None where it has not been made. The answer of a step `is_answer` is an output of
    the workflow, as are its `results`. It is called again until the state of `wait`; the fields at `facts` have to be
    true in its answer.

    Of a step that a description suggests, `values` are the places whose arguments are decided, `prompted_places` are
    optional places that the user is asked for, and `optional` those that are taken where they are given. `outputs` are
    the parts of its answer that are worth a name, and `choice` is the entry of its list that they are of.
    """

    tool: Tool
    id: str = ""
    """the id of the step, "" for that of the operation"""
    verb: str = ""
    noun: str = ""
    answer_noun: str = ""
    """the thing that the results are of, which stands before their names"""
    arguments: dict[str, Any] = field(default_factory=dict)
    values: Mapping[Place, Any] = field(default_factory=dict)
    prompted_places: tuple[Place, ...] = ()
    optional: tuple[Place, ...] = ()
    status: int | None = None
    content_type: str = ""
    description: str = ""
    is_answer: bool = False
    results: tuple[AnswerValue, ...] = ()
    outputs: Mapping[str, Keys] = field(default_factory=dict)
    choice: ItemChoice | None = None
    wait: StateWait | None = None
    facts: tuple[Keys, ...] = ()
    each: Any = None
    """the list of a model's plan for whose entries it is repeated, as it is written; None for a step of a workflow"""

    def answer(self, keys: Keys) -> AnswerValue:
        """Return the part of its answer at some keys; of a list, that of the chosen entry."""
        name = field_name(str(keys[-1]))
        # Behind the list stands the number of an entry, which the choice is in the place of.
        inner = keys if self.choice is None else keys[len(self.choice.keys) + 1 :]
        return AnswerValue(step=self, keys=inner, name=name, choice=self.choice)

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
    summary: str = ""
    description: str = ""
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
    names = _source_names([draft])
    builder = _Builder(draft, names)
    document = parse_document(_tree([builder], names, builder.summary or builder.id, ""))
    examples = {name: value.example for value, name in builder.input_names.items()}
    linked = LinkedDocument(document=document, specs={name: spec for spec, name in names.items()})
    return BuiltDocument(linked=linked, examples=examples, issues=draft.issues)


def document_tree(drafts: Sequence[WorkflowDraft], title: str, summary: str = "") -> dict[str, Any]:
    """Return the JSON tree of the document with the workflows of some drafts."""
    names = _source_names(drafts)
    return _tree([_Builder(draft, names) for draft in drafts], names, title, summary)


def _source_names(drafts: Sequence[WorkflowDraft]) -> dict[Spec, str]:
    specs = dict.fromkeys(step.operation.spec for draft in drafts for step in draft.steps)
    return _unique_names(specs, lambda spec: "_".join(split_words(spec.title)[:4]) or "api")


def _tree(builders: Sequence[_Builder], names: Mapping[Spec, str], title: str, summary: str) -> dict[str, Any]:
    locations = {spec: url for builder in builders for spec, url in builder.draft.locations.items()}
    has_selectors = any(isinstance(node, dict) for builder in builders for node in builder.output_nodes)
    return {
        "arazzo": SELECTOR_VERSION if has_selectors else BASE_VERSION,
        "info": {"title": title, **_filled(summary=summary), "version": "1.0.0"},
        "sourceDescriptions": [
            {"name": name, "url": locations.get(spec) or spec.registered or spec.source, "type": "openapi"}
            for spec, name in names.items()
        ],
        "workflows": [builder.workflow() for builder in builders],
    }


class _Builder:
    """The building of one workflow: the names of its steps, inputs and outputs."""

    def __init__(self, draft: WorkflowDraft, source_names: Mapping[Spec, str]) -> None:
        self.draft = draft
        self.source_names = source_names
        self.step_ids = _unique_names(
            draft.steps, lambda step: re.sub(r"[^\w-]+", "_", step.id or step.operation.id, flags=re.A)
        )
        values = list(plain_values([step.arguments for step in draft.steps]))
        chosen = [
            (value.step, value.choice.name) for value in values if isinstance(value, AnswerValue) and value.choice
        ]
        inputs: dict[InputValue, None] = {}
        for step in draft.steps:
            # Those that choose an entry of its answer, and those of its arguments, where they are used last.
            names = [*(name for other, name in chosen if other is step), *plain_values(step.arguments)]
            for value in names:
                if isinstance(value, InputValue):
                    inputs.pop(value, None)
                    inputs[value] = None
        self.input_names = _input_names(list(inputs))
        self.summary = draft.summary or next(iter(draft.said), "")
        self.id = draft.id or "-".join(split_words(self.summary)[:6]) or self.step_ids[draft.steps[0]]
        self.outputs: dict[StepDraft, dict[str, AnswerValue]] = {step: {} for step in draft.steps}
        for value in (*values, *(result for step in draft.steps for result in step.results)):
            if isinstance(value, AnswerValue) and not any(
                _is_same(value, other) for other in self.outputs[value.step].values()
            ):
                outputs = self.outputs[value.step]
                outputs[unique_name(value.name, outputs, "_")] = value

    @property
    def output_nodes(self) -> Iterator[Any]:
        yield from (self._output(value) for outputs in self.outputs.values() for value in outputs.values())

    def workflow(self) -> dict[str, Any]:
        draft = self.draft
        properties = {name: self._input(value) for value, name in self.input_names.items()}
        required = [name for value, name in self.input_names.items() if value.is_required]
        inputs = {"type": "object", "properties": properties, "required": required} if properties else {}
        return {
            "workflowId": self.id,
            **_filled(summary=self.summary, description=draft.description, inputs=inputs),
            "steps": [self._step(step) for step in draft.steps],
            **_filled(outputs=dict(self._workflow_outputs())),
            **({EXTENSION: self._extension()} if draft.said else {}),
        }

    def _extension(self) -> dict[str, Any]:
        effects = Counter(str(step.operation.effect) for step in self.draft.steps)
        warnings = [str(issue) for issue in self.draft.issues if issue.level is Level.WARNING]
        counts = {name: effects[name] for name in map(str, Effect) if name in effects}
        return {"said": list(self.draft.said), **_filled(warnings=warnings), "effects": counts}

    def _input(self, value: InputValue) -> dict[str, Any]:
        hints: dict[str, Any] = {"said": value.said} if value.said and not value.is_secret else {}
        if value.example is not None and not value.is_secret:
            hints |= {"example": value.example}
        return {**value.schema, **({EXTENSION: hints} if hints else {})}

    def _workflow_outputs(self) -> Iterator[tuple[str, str]]:
        names: set[str] = set()
        for step in self.draft.steps:
            results = [self._output_name(result) for result in step.results]
            for name in (*results, *(["answer"] if step.is_answer else [])):
                plain = f"{step.answer_noun}_{name}" if step.answer_noun else name
                unique = plain if plain not in names else f"{self.step_ids[step]}_{name}"
                names.add(unique)
                yield unique, f"$steps.{self.step_ids[step]}.outputs.{name}"

    def _step(self, step: StepDraft) -> dict[str, Any]:
        parameters, fields, payload = [], dict[str, Any](), None
        for argument, node in step.arguments.items():
            location, name = step.tool.places.get(argument, ("body", argument))
            value = with_plain_values(node, self._expression)
            if location != "body":
                parameters.append({"name": name, "in": location, "value": value})
            elif name:
                fields[name] = value
            else:
                payload = value
        payload = fields or payload
        operation = step.operation
        content_type = step.content_type or (
            operation.body.content_type if operation.body and operation.body.media else ""
        )
        body = {**_filled(contentType=content_type), "payload": payload} if payload is not None else {}
        outputs = {name: self._output(value) for name, value in self.outputs[step].items()}
        hints = {EXTENSION: {"title": operation.summary, "effect": str(operation.effect)}} if self.draft.said else {}
        return {
            "stepId": self.step_ids[step],
            **_filled(description=step.description),
            **self._target(operation),
            **_filled(parameters=parameters, requestBody=body),
            "successCriteria": list(self._criteria(step)),
            **_filled(onFailure=list(self._retries(step))),
            **_filled(outputs={**outputs, **({"answer": _BODY} if step.is_answer else {})}),
            **hints,
        }

    def _target(self, operation: Operation) -> dict[str, str]:
        """Return the field that names an operation: by its operationId, or by its path where it has no operationId."""
        name = self.source_names[operation.spec]
        if operation.node.get("operationId") == operation.id:
            is_only = len(self.source_names) == 1
            return {"operationId": operation.id if is_only else f"$sourceDescriptions.{name}.{operation.id}"}
        place = f"/paths/{escape_step(operation.path)}/{operation.method.lower()}"
        return {"operationPath": f"{{$sourceDescriptions.{name}.url}}#{place}"}

    def _criteria(self, step: StepDraft) -> Iterator[dict[str, str]]:
        """Yield the status that was seen, what has to hold in the answer, and that each choice is of one entry."""
        described = {response.status.upper() for response in step.operation.responses}
        if step.status is not None and {str(step.status), f"{step.status // 100}XX", "DEFAULT"} & described:
            yield {"condition": f"$statusCode == {step.status}"}
        else:
            yield {"condition": "$statusCode >= 200 && $statusCode < 300"}
        yield from ({"condition": f"{_BODY}{pointer(keys)} == true"} for keys in step.facts)
        if step.wait is not None:
            yield {"condition": f"{_BODY}{pointer(step.wait.keys)} == '{step.wait.done}'"}
        for choice in dict.fromkeys(value.choice for value in self.outputs[step].values() if value.choice is not None):
            yield {"context": _BODY, "condition": f"$[?count({self._path(choice)}) == 1]", "type": "jsonpath"}

    def _retries(self, step: StepDraft) -> Iterator[dict[str, Any]]:
        """Yield the retry of a wait, which ends where the work fails."""
        if step.wait is None:
            return
        place = f"{_BODY}{pointer(step.wait.keys)}"
        going_on = [{"condition": f"{place} != '{state}'"} for state in step.wait.failures]
        yield {
            "name": "look-again",
            "type": "retry",
            # A retry needs no step, but the published schema of 1.0 requires one.
            "stepId": self.step_ids[step],
            "retryAfter": RETRY_AFTER,
            "retryLimit": RETRY_LIMIT,
            "criteria": [next(self._criteria(step)), *going_on],
        }

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
        selector = f"{self._path(value.choice)}{_json_path(value.keys)}"
        return {"context": _BODY, "selector": selector, "type": "jsonpath"}

    def _output_name(self, value: AnswerValue) -> str:
        return next(name for name, other in self.outputs[value.step].items() if _is_same(value, other))

    def _expression(self, value: Any) -> Any:
        """Return a value of the document: an expression for an input and a part of an answer."""
        if isinstance(value, InputValue):
            return f"$inputs.{self.input_names[value]}"
        if isinstance(value, AnswerValue):
            return f"$steps.{self.step_ids[value.step]}.outputs.{self._output_name(value)}"
        return value


def _filled(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a content."""
    return {name: value for name, value in fields.items() if value}


def _is_same(first: AnswerValue, second: AnswerValue) -> bool:
    return first.step is second.step and (first.keys, first.choice) == (second.keys, second.choice)


def _input_names(inputs: Sequence[InputValue]) -> dict[InputValue, str]:
    """Return a name for each input; where several have one, that of the thing stands before it."""
    base = {value: field_name(value.name) for value in inputs}
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


def field_name(text: str) -> str:
    """Return a text as the name of an input or an output, in which a `-` would be read as a minus."""
    return "_".join(re.findall(r"[A-Za-z0-9_]+", text)) or "value"


def _unique_names(entries: Iterable[Any], name: Callable[[Any], str]) -> dict[Any, str]:
    """Return a name for each entry, with a number behind the second of a name."""
    names: dict[Any, str] = {}
    for entry in entries:
        names[entry] = unique_name(name(entry), names.values(), "_")
    return names


# Keywords of a schema that an input takes over: all that need no other part of the description.
_COPIED = (
    *("type", "format", "enum", "const", "default", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "multipleOf", "contentMediaType"),
)
# Levels of objects in the schema of an input.
MAX_DEPTH = 3
MAX_TEXT = 200


def input_schema(
    reader: SchemaReader, schema: object, text: str = "", *, unit: str = "", depth: int = MAX_DEPTH
) -> dict[str, Any]:
    """Return a schema without references, at most `depth` levels deep, with one sentence of description."""
    flat: Schema = reader.flat(schema)
    result: dict[str, Any] = {key: flat[key] for key in _COPIED if key in flat}
    unit = unit or unit_of(flat)
    about = sentence(text or str(flat.get("description") or ""))
    if unit:
        about = f"{about} In {unit.replace('_', ' ')}.".strip()
    properties = reader.properties(flat)
    if properties and depth:
        result["type"] = result.get("type", "object")
        result["properties"] = {
            name: input_schema(reader, inner, depth=depth - 1)
            for name, inner in properties.items()
            if not reader.flat(inner).get("readOnly")
        }
        required = [name for name in flat.get("required") or () if name in result["properties"]]
        result |= {"required": required} if required else {}
    if isinstance(flat.get("items"), Mapping) and depth:
        result["items"] = input_schema(reader, flat["items"], depth=depth - 1)
    types = reader.types(flat)
    if "type" not in result and types:
        result["type"] = types[0] if len(types) == 1 else list(types)
    return {**_filled(description=about), **result, **({EXTENSION: {"unit": unit}} if unit else {})}


def sentence(text: str) -> str:
    """Return the first sentence of a text of the description, in one line."""
    return shorten(" ".join(first_sentence(plain_text(text).strip()).split()), MAX_TEXT)


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
