"""Writes a workflow document as YAML or JSON, in the order of the standard, in the lowest version that can say it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from nlapi.workflows.model import (
    ArazzoWorkflow,
    Criterion,
    CriterionKind,
    Replacement,
    Selector,
    Source,
    StepAction,
    StepActionKind,
    StepBody,
    StepParameter,
    WorkflowDocument,
    WorkflowStep,
)

BASE_VERSION, SELECTOR_VERSION = "1.0.1", "1.1.0"
"""The version without, and the first with, selectors, timeouts, dependencies of steps and whole query strings."""

_WIDTH = 110
_INPUTS_REFERENCE = "#/components/inputs/"
# Plain scalars that another reader of YAML takes for something else: PyYAML writes by 1.1, most read by 1.2.
_NUMBER_LIKE = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:e[-+]?\d+)?|0o[0-7]+|0x[\da-f]+", re.IGNORECASE)

# Line ends of YAML 1.1 that 1.2 took back; in a block or a plain text a reader turns them into others.
_OTHER_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")


class DocumentFormat(StrEnum):
    """The format of a document file."""

    YAML = "yaml"
    JSON = "json"


def render(document: WorkflowDocument | Mapping[str, Any], format: DocumentFormat = DocumentFormat.YAML) -> str:
    """Return a document, or its JSON tree, as the text of a file."""
    tree = document_tree(document) if isinstance(document, WorkflowDocument) else document
    if format is DocumentFormat.JSON:
        return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    return yaml_text(tree)


def yaml_text(tree: object) -> str:
    """Return JSON data as YAML."""
    import yaml

    text: str = yaml.dump(tree, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


@cache
def _dumper() -> Any:
    # Imported here: PyYAML takes long, and a JSON document does without. The dumper in C has no block texts of choice.
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: object) -> bool:
            return True

    def represent_text(dumper: Any, text: str) -> Any:
        style = None
        if _OTHER_LINE_ENDS.search(text):
            style = '"'
        elif "\n" in text:
            style = "|"
        elif _NUMBER_LIKE.fullmatch(text):
            style = "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent_text)
    return Dumper


def document_tree(document: WorkflowDocument) -> dict[str, Any]:
    """Return the JSON tree of a document.

    References to components are written out, but for those inside the schemas of inputs, whose components are kept.
    `arazzo` is the version of the document, raised to the lowest that has all that the document uses.
    """
    read_info = document.tree.get("info")
    info = read_info if isinstance(read_info, Mapping) else {}
    workflows = [_workflow(workflow) for workflow in document.workflows]
    return {
        "arazzo": _version(document, workflows),
        "info": {
            "title": document.title,
            **_texts(summary=document.summary, description=document.description),
            "version": str(info.get("version") or "1.0.0"),
            **_extensions(info),
        },
        "sourceDescriptions": list(map(_source, document.sources)),
        "workflows": workflows,
        **_components(document.tree, workflows),
        **_extensions(document.tree),
    }


def _version(document: WorkflowDocument, workflows: object) -> str:
    """Return the version of a document, or that of the selectors where it uses more than its version has."""
    if not document.version.startswith("1.0"):
        return document.version
    steps = [step for workflow in document.workflows for step in workflow.steps]
    needs_more = (
        any(step.timeout is not None or step.depends_on for step in steps)
        or any(parameter.location == "querystring" for step in steps for parameter in step.parameters)
        or any(source.kind == "asyncapi" for source in document.sources)
        or any("targetSelectorType" in node for node in _objects(workflows))
        or any(set(node) == {"context", "selector", "type"} for node in _objects(workflows))
    )
    return SELECTOR_VERSION if needs_more else document.version


def _objects(node: object) -> Iterator[Mapping[str, Any]]:
    """Yield all objects of a tree."""
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)


def _components(tree: Mapping[str, Any], workflows: object) -> dict[str, Any]:
    """Return the components with the schemas that inputs still refer to, at any depth."""
    components = tree.get("components")
    schemas = components.get("inputs") if isinstance(components, Mapping) else None
    if not isinstance(schemas, Mapping):
        return {}
    is_used = any(str(node.get("$ref", "")).startswith(_INPUTS_REFERENCE) for node in _objects(workflows))
    return {"components": {"inputs": dict(schemas)}} if is_used else {}


def _source(source: Source) -> dict[str, Any]:
    return {"name": source.name, "url": source.url, "type": str(source.kind)}


def _workflow(workflow: ArazzoWorkflow) -> dict[str, Any]:
    return {
        "workflowId": workflow.id,
        **_texts(summary=workflow.summary, description=workflow.description),
        **({"inputs": dict(workflow.inputs)} if workflow.inputs else {}),
        **_list("dependsOn", workflow.depends_on, str),
        "steps": list(map(_step, workflow.steps)),
        **_list("successActions", workflow.success_actions, _action),
        **_list("failureActions", workflow.failure_actions, _action),
        **_outputs(workflow.outputs),
        **_list("parameters", workflow.parameters, _parameter),
        **workflow.extensions,
    }


def _step(step: WorkflowStep) -> dict[str, Any]:
    target = _texts(operationId=step.operation_id, operationPath=step.operation_path, workflowId=step.workflow_id)
    return {
        "stepId": step.id,
        **_texts(description=step.description),
        **target,
        **_list("dependsOn", step.depends_on, str),
        **_list("parameters", step.parameters, _parameter),
        **({"requestBody": _body(step.body)} if step.body is not None else {}),
        **_list("successCriteria", step.criteria, _criterion),
        **_list("onSuccess", step.on_success, _action),
        **_list("onFailure", step.on_failure, _action),
        **_outputs(step.outputs),
        **({"timeout": round(step.timeout * 1000)} if step.timeout is not None else {}),
        **step.extensions,
    }


def _parameter(parameter: StepParameter) -> dict[str, Any]:
    return {"name": parameter.name, **_texts(**{"in": parameter.location}), "value": _value(parameter.value)}


def _body(body: StepBody) -> dict[str, Any]:
    return {
        **_texts(contentType=body.content_type),
        **({"payload": _value(body.payload)} if body.payload is not None else {}),
        **_list("replacements", body.replacements, _replacement),
    }


def _replacement(replacement: Replacement) -> dict[str, Any]:
    # Without the type a reader takes the target for a JSONPath or a pointer by its first character.
    likely = CriterionKind.JSONPATH if replacement.target.startswith("$") else CriterionKind.JSONPOINTER
    kind = {} if replacement.kind is likely else {"targetSelectorType": str(replacement.kind)}
    return {"target": replacement.target, **kind, "value": _value(replacement.value)}


def _criterion(criterion: Criterion) -> dict[str, Any]:
    is_simple = criterion.kind is CriterionKind.SIMPLE
    type = {} if is_simple else {"type": str(criterion.kind)}
    return {**_texts(context=criterion.context), "condition": criterion.condition, **type}


def _action(action: StepAction) -> dict[str, Any]:
    is_retry = action.kind is StepActionKind.RETRY
    retry = {"retryAfter": _number(action.retry_after), "retryLimit": action.retry_limit} if is_retry else {}
    return {
        "name": action.name,
        "type": str(action.kind),
        **_texts(workflowId=action.workflow_id, stepId=action.step_id),
        **retry,
        **_list("criteria", action.criteria, _criterion),
    }


def _outputs(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"outputs": {name: _value(value) for name, value in outputs.items()}} if outputs else {}


def _value(value: Any) -> Any:
    """Return a value with its Selectors as Selector Objects."""
    if isinstance(value, Selector):
        return {"context": value.context, "selector": value.selector, "type": str(value.kind)}
    if isinstance(value, Mapping):
        return {name: _value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(item) for item in value]
    return value


def _number(number: float) -> int | float:
    return int(number) if number == int(number) else number


def _texts(**fields: str) -> dict[str, str]:
    """Return the fields that are not empty."""
    return {name: text for name, text in fields.items() if text}


def _list(name: str, entries: Iterable[Any], write: Callable[[Any], Any]) -> dict[str, list[Any]]:
    written = list(map(write, entries))
    return {name: written} if written else {}


def _extensions(node: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if isinstance(name, str) and name.startswith("x-")}
