"""Reads an Arazzo document, 1.0.x or 1.1, from JSON or YAML; what cannot be read is an Issue and left out."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from nlapi.errors import DescriptionError, Issue, Level
from nlapi.openapi.document import read_tree
from nlapi.openapi.egress import origin_of
from nlapi.openapi.fetch import fetch
from nlapi.openapi.spec import as_text
from nlapi.workflows.model import (
    ArazzoWorkflow,
    Criterion,
    CriterionKind,
    Replacement,
    Selector,
    Source,
    SourceKind,
    StepAction,
    StepActionKind,
    StepBody,
    StepParameter,
    WorkflowDocument,
    WorkflowStep,
)

T = TypeVar("T")

SUPPORTED = re.compile(r"1\.[01](\.\d+)?(-\S+)?")

# Workflows with more steps are read, and refused by the check: no person reviews so many.
MAX_STEPS = 1_000

# References from one schema of inputs to another.
MAX_REFERENCES = 10

LOCATIONS = ("path", "query", "querystring", "header", "cookie")

# JSONPath versions that mean the same for the paths that real documents have (Arazzo 1.1, Expression Type Object).
_JSONPATH_VERSIONS = ("rfc9535", "draft-goessner-dispatch-jsonpath-00")


def read_document(source: str) -> WorkflowDocument:
    """Return the Arazzo document at a path, a URL, or "-" for standard input. DescriptionError when it is none."""
    fetched = fetch(source)
    tree, repeated = read_tree(fetched.data, fetched.source)
    for key, line in repeated[:1]:
        place = f", line {line}" if line else ""
        raise DescriptionError(f"{fetched.source}{place}: the key {key!r} is there twice", hint="leave one of them")
    document = parse_document(tree, fetched.source)
    return replace(document, origin=origin_of(fetched.source, fetched.network, document.tree))


def parse_document(tree: object, location: str = "") -> WorkflowDocument:
    """Return the document in a JSON tree. DescriptionError when it is no Arazzo document, or of another version."""
    if not isinstance(tree, Mapping) or "arazzo" not in tree:
        kind = "an OpenAPI description" if isinstance(tree, Mapping) and {"openapi", "swagger"} & set(tree) else "none"
        hint = "`nlapi workflow suggest` makes workflows of a description" if kind != "none" else ""
        raise DescriptionError(f"{location or 'the document'} is not an Arazzo document: it has no `arazzo`", hint=hint)
    version = str(tree["arazzo"])
    if not SUPPORTED.fullmatch(version):
        raise DescriptionError(f"{location or 'the document'} is Arazzo {version}", hint="nlapi reads 1.0 and 1.1")
    return _DocumentReader(tree=tree, location=location).document(version)


class _UnreadableError(Exception):
    """A part that cannot be read; its list goes on without it."""

    def __init__(self, where: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.issue = Issue.error(where, message, hint)


@dataclass(slots=True, kw_only=True)
class _DocumentReader:
    """The reading of one document; `issues` grows with each part that is wrong."""

    tree: Mapping[str, Any]
    location: str
    issues: list[Issue] = field(default_factory=list)

    def document(self, version: str) -> WorkflowDocument:
        info = self._map(self.tree.get("info"), "info")
        sources = tuple(self._list(self.tree, "sourceDescriptions", "", self._source))
        workflows = tuple(self._list(self.tree, "workflows", "", self._workflow))
        if not workflows:
            self._error("workflows", "the document has no workflow that can be read")
        self._report_duplicates("workflows", [workflow.id for workflow in workflows])
        self._report_duplicates("sourceDescriptions", [source.name for source in sources])
        return WorkflowDocument(
            version=version,
            title=as_text(info.get("title")),
            summary=as_text(info.get("summary")),
            description=as_text(info.get("description")),
            sources=sources,
            workflows=_first_of_each(workflows),
            location=self.location,
            issues=tuple(self.issues),
            tree=self.tree,
        )

    def _source(self, node: Mapping[str, Any], where: str) -> Source:
        name, url = as_text(node.get("name")), as_text(node.get("url"))
        if not name or not url:
            raise _UnreadableError(where, "a source needs a name and a url")
        try:
            kind = SourceKind(node.get("type", "openapi"))
        except ValueError:
            raise _UnreadableError(
                where, f"type {node.get('type')!r} is not one of openapi, arazzo, asyncapi"
            ) from None
        if kind is SourceKind.ASYNCAPI:
            self._warn(where, "AsyncAPI sources are not read: steps with a channel cannot be run")
        return Source(name=name, url=url, kind=kind)

    def _workflow(self, node: Mapping[str, Any], where: str) -> ArazzoWorkflow:
        id = as_text(node.get("workflowId"))
        if not id:
            raise _UnreadableError(where, "a workflow needs a workflowId")
        where = f"workflows.{id}"
        steps = tuple(self._list(node, "steps", where, self._step))
        if not steps:
            raise _UnreadableError(f"{where}.steps", "the workflow has no step that can be read")
        self._report_duplicates(f"{where}.steps", [step.id for step in steps])
        return ArazzoWorkflow(
            id=id,
            steps=_first_of_each(steps),
            summary=as_text(node.get("summary")),
            description=as_text(node.get("description")),
            inputs=self._inputs(node.get("inputs"), f"{where}.inputs"),
            depends_on=self._texts(node, "dependsOn", where),
            success_actions=tuple(self._list(node, "successActions", where, self._action)),
            failure_actions=tuple(self._list(node, "failureActions", where, self._action)),
            parameters=self._parameters(node, where),
            outputs=self._outputs(node, where),
            extensions=_extensions(node),
        )

    def _step(self, node: Mapping[str, Any], where: str) -> WorkflowStep:
        id = as_text(node.get("stepId"))
        if not id:
            raise _UnreadableError(where, "a step needs a stepId")
        where = f"{where.rpartition('[')[0]}.{id}"
        targets = [name for name in ("operationId", "operationPath", "workflowId") if as_text(node.get(name))]
        if "channelPath" in node:
            raise _UnreadableError(where, "the step is on a channel of AsyncAPI, which nlapi does not run")
        if len(targets) != 1:
            has = " and ".join(targets) or "none"
            raise _UnreadableError(
                where, f"a step needs one of operationId, operationPath and workflowId; it has {has}"
            )
        timeout: Any = node.get("timeout")
        is_number = _is_count(timeout) and bool(timeout)
        if timeout is not None and not is_number:
            self._warn(f"{where}.timeout", "not a number of milliseconds; it is left out")
        return WorkflowStep(
            id=id,
            operation_id=as_text(node.get("operationId")),
            operation_path=as_text(node.get("operationPath")),
            workflow_id=as_text(node.get("workflowId")),
            description=as_text(node.get("description")),
            parameters=self._parameters(node, where),
            body=self._body(node.get("requestBody"), f"{where}.requestBody"),
            criteria=tuple(self._list(node, "successCriteria", where, self._criterion)),
            on_success=tuple(self._list(node, "onSuccess", where, self._action)),
            on_failure=tuple(self._list(node, "onFailure", where, self._action)),
            outputs=self._outputs(node, where),
            depends_on=self._texts(node, "dependsOn", where),
            timeout=float(timeout) / 1000 if is_number else None,
            extensions=_extensions(node),
        )

    def _parameters(self, node: Mapping[str, Any], where: str) -> tuple[StepParameter, ...]:
        """Return the parameters of a step or workflow: none of them twice (Arazzo 1.1, Step Object)."""
        parameters = tuple(self._list(node, "parameters", where, self._parameter))
        for (name, location), count in Counter((entry.name, entry.location) for entry in parameters).items():
            if count > 1:
                self._error(f"{where}.parameters.{name}", f"the {location or 'input'} {name} is given {count} times")
        return parameters

    def _parameter(self, node: Mapping[str, Any], where: str) -> StepParameter:
        name, location = as_text(node.get("name")), node.get("in") or ""
        if not name or "value" not in node:
            raise _UnreadableError(where, "a parameter needs a name and a value")
        if location not in ("", *LOCATIONS):
            raise _UnreadableError(where, f"in: {location!r} is not one of {', '.join(LOCATIONS)}")
        return StepParameter(name=name, location=location, value=self._value(node["value"], f"{where}.value"))

    def _body(self, node: object, where: str) -> StepBody | None:
        if node is None:
            return None
        body = self._map(node, where)
        return StepBody(
            payload=self._value(body.get("payload"), f"{where}.payload"),
            content_type=as_text(body.get("contentType")),
            replacements=tuple(self._list(body, "replacements", where, self._replacement)),
        )

    def _replacement(self, node: Mapping[str, Any], where: str) -> Replacement:
        target = as_text(node.get("target"))
        if not target or "value" not in node:
            raise _UnreadableError(where, "a replacement needs a target and a value")
        likely = CriterionKind.JSONPATH if target.startswith("$") else CriterionKind.JSONPOINTER
        kind = self._kind(node.get("targetSelectorType"), where, default=likely)
        if kind is CriterionKind.XPATH or (kind is CriterionKind.JSONPOINTER and not target.startswith("/")):
            raise _UnreadableError(f"{where}.target", f"{target!r} is not a JSON pointer; XPath is not supported")
        return Replacement(target=target, value=self._value(node["value"], f"{where}.value"), kind=kind)

    def _criterion(self, node: Mapping[str, Any], where: str) -> Criterion:
        # A condition that is no text (`condition: true`) is read as one.
        condition = node.get("condition")
        condition = str(condition).lower() if isinstance(condition, bool) else as_text(condition)
        if not condition.strip():
            raise _UnreadableError(where, "a criterion needs a condition")
        kind = self._kind(node.get("type"), where, default=CriterionKind.SIMPLE)
        context = as_text(node.get("context"))
        if kind is CriterionKind.XPATH:
            raise _UnreadableError(where, "XPath is not supported: nlapi reads JSON", "write it as jsonpath")
        if kind is not CriterionKind.SIMPLE and not context:
            raise _UnreadableError(where, f"a criterion of type {kind} needs a context", "context: $response.body")
        return Criterion(condition=condition, kind=kind, context=context)

    def _kind(self, node: object, where: str, *, default: CriterionKind) -> CriterionKind:
        """Return the type of a criterion or selector, which may be an Expression Type Object."""
        version = ""
        if isinstance(node, Mapping):
            version, node = as_text(node.get("version")), node.get("type")
        if node is None:
            return default
        try:
            kind = CriterionKind(str(node))
        except ValueError:
            raise _UnreadableError(
                f"{where}.type", f"{node!r} is not one of simple, regex, jsonpath, jsonpointer, xpath"
            ) from None
        if kind is CriterionKind.JSONPATH and version and version not in _JSONPATH_VERSIONS:
            self._warn(f"{where}.type", f"version {version!r} is read as rfc9535")
        return kind

    def _action(self, node: Mapping[str, Any], where: str) -> StepAction:
        try:
            kind = StepActionKind(as_text(node.get("type")))
        except ValueError:
            raise _UnreadableError(where, f"type {node.get('type')!r} is not one of end, goto, retry") from None
        retry_after, retry_limit = node.get("retryAfter", 0), node.get("retryLimit", 1)
        if kind is StepActionKind.RETRY and not (_is_count(retry_after) and _is_count(retry_limit)):
            raise _UnreadableError(where, "retryAfter and retryLimit are numbers from 0")
        workflow_id, step_id = as_text(node.get("workflowId")), as_text(node.get("stepId"))
        if kind is StepActionKind.GOTO and bool(workflow_id) is bool(step_id):
            raise _UnreadableError(where, "a goto needs a stepId or a workflowId, and not both")
        # The published schema of 1.0 requires one of both of a retry; the step itself says nothing more.
        is_own = bool(step_id) and where.rpartition(".")[0].endswith(f".{step_id}")
        if kind is StepActionKind.RETRY and (workflow_id or step_id) and not is_own:
            message = f"a retry that runs {step_id or workflow_id} before it is not supported"
            raise _UnreadableError(where, message, "write it as a goto")
        return StepAction(
            name=as_text(node.get("name")) or kind.value,
            kind=kind,
            workflow_id=workflow_id,
            step_id=step_id,
            retry_after=float(retry_after) if _is_count(retry_after) else 0.0,
            retry_limit=int(retry_limit) if _is_count(retry_limit) else 1,
            criteria=tuple(self._list(node, "criteria", where, self._criterion)),
        )

    def _outputs(self, node: Mapping[str, Any], where: str) -> dict[str, Any]:
        outputs = self._map(node.get("outputs"), f"{where}.outputs")
        return {str(name): self._value(value, f"{where}.outputs.{name}") for name, value in outputs.items()}

    def _inputs(self, node: object, where: str) -> Mapping[str, Any]:
        """Return the schema of the inputs, with references to the components followed, those of its properties too."""
        schema = self._followed(self._map(node, where), where)
        properties = schema.get("properties")
        if not isinstance(properties, Mapping) or not any(map(_has_reference, properties.values())):
            return schema
        followed = {
            name: self._followed(value, f"{where}.{name}") if _has_reference(value) else value
            for name, value in properties.items()
        }
        return {**schema, "properties": followed}

    def _followed(self, schema: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        """Return a schema, or the one of the same document that it refers to."""
        for _ in range(MAX_REFERENCES):
            reference = as_text(schema.get("$ref"))
            if not reference.startswith("#/") or reference.startswith("#/$defs/"):
                return schema
            target = _follow_pointer(self.tree, reference[2:])
            if not isinstance(target, Mapping):
                self._error(where, f"{reference} leads nowhere")
                return {}
            schema = target
        self._error(where, "it refers to itself")
        return {}

    def _value(self, node: object, where: str) -> Any:
        """Return a value with its Selector Objects as Selectors."""
        if isinstance(node, Mapping):
            if set(node) >= {"context", "selector", "type"} and as_text(node["context"]).startswith("$"):
                kind = self._kind(node["type"], where, default=CriterionKind.JSONPATH)
                if kind is CriterionKind.XPATH:
                    self._error(where, "XPath is not supported: nlapi reads JSON", "write it as jsonpath")
                return Selector(context=node["context"], selector=as_text(node["selector"]), kind=kind)
            return {str(name): self._value(value, where) for name, value in node.items()}
        if isinstance(node, list):
            return [self._value(value, where) for value in node]
        return node

    def _list(
        self, node: Mapping[str, Any], name: str, where: str, read: Callable[[Mapping[str, Any], str], T]
    ) -> Iterator[T]:
        """Yield the entries of a list that can be read, with Reusable Objects replaced by what they refer to."""
        entries, where = node.get(name), f"{where}.{name}" if where else name
        if entries is None:
            return
        if not isinstance(entries, list):
            self._error(where, "not a list")
            return
        for index, entry in enumerate(entries):
            place = f"{where}[{index}]"
            if not isinstance(entry, Mapping):
                self._error(place, "not an object")
                continue
            try:
                if isinstance(entry.get("reference"), str):
                    entry = self._reusable(entry, place)
                yield read(entry, place)
            except _UnreadableError as error:
                self.issues.append(error.issue)

    def _reusable(self, node: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        """Return the component that a Reusable Object refers to, with its own value for a parameter."""
        reference = node["reference"]
        kind, _, name = reference.removeprefix("$components.").partition(".")
        component = _follow_pointer(self.tree, f"components/{kind}/{name}")
        if not reference.startswith("$components.") or not isinstance(component, Mapping):
            raise _UnreadableError(where, f"{reference} leads nowhere")
        return {**component, "value": node["value"]} if "value" in node else component

    def _texts(self, node: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
        entries = node.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            self._error(f"{where}.{name}", "not a list of texts")
            return ()
        return tuple(entries)

    def _map(self, node: object, where: str) -> Mapping[str, Any]:
        if node is not None and not isinstance(node, Mapping):
            self._error(where, "not an object")
        return node if isinstance(node, Mapping) else {}

    def _report_duplicates(self, where: str, names: list[str]) -> None:
        for name, count in Counter(names).items():
            if count > 1:
                self._error(f"{where}.{name}", f"{name} stands {count} times; only the first is read")

    def _error(self, where: str, message: str, hint: str = "") -> None:
        self.issues.append(Issue(level=Level.ERROR, where=where, message=message, hint=hint))

    def _warn(self, where: str, message: str) -> None:
        self.issues.append(Issue(level=Level.WARNING, where=where, message=message))


Named = TypeVar("Named", ArazzoWorkflow, WorkflowStep)


def _first_of_each(entries: tuple[Named, ...]) -> tuple[Named, ...]:
    """Return the entries without those that have the id of an earlier one."""
    by_id: dict[str, Named] = {}
    for entry in entries:
        by_id.setdefault(entry.id, entry)
    return tuple(by_id.values())


def _extensions(node: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if isinstance(name, str) and name.startswith("x-")}


def _follow_pointer(tree: object, pointer: str) -> object:
    for step in pointer.split("/"):
        tree = tree.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(tree, Mapping) else None
    return tree


def _has_reference(schema: object) -> bool:
    return isinstance(schema, Mapping) and "$ref" in schema


def _is_count(value: Any) -> bool:
    # YAML has `.inf`, and integers that no float holds.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max
