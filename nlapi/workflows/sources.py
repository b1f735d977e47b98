"""Opens the source descriptions of a document, and finds the operation or workflow that a step calls."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import urljoin

from nlapi.api import load
from nlapi.errors import Issue, NlapiError, UsageError
from nlapi.openapi.egress import NetworkScope
from nlapi.openapi.fetch import STANDARD_INPUT, within_networks
from nlapi.openapi.spec import Operation, Spec, essence, unescape_step
from nlapi.openapi.urls import is_http_url, parse_url, redact_url
from nlapi.registry import find_registration, is_name
from nlapi.suggestions import suggestion
from nlapi.workflows.model import ArazzoWorkflow, SourceKind, StepParameter, WorkflowDocument, WorkflowStep
from nlapi.workflows.read import read_document

Loader = Callable[[str], Spec]

# `{$sourceDescriptions.NAME.url}#/paths/~1pets/get` is the standard's form (Arazzo 1.0.1, Step Object); all 603 of the
# public collection have `NAME#/paths/...` (shared measurement over 956 workflows).
_OPERATION_PATH = re.compile(
    r"(?:\{?\$sourceDescriptions\.(?P<name>[\w-]+)(?:\.url)?\}?|(?P<bare>[^#{}]*))#?/?paths/(?P<path>.+)/(?P<method>\w+)"
)

_SOURCE_NAME = re.compile(r"\{?\$sourceDescriptions\.([\w-]+)")

# Documents on the way from one to another: real ones have one level.
MAX_DOCUMENTS = 20

# Characters of an operationPath that are read: a path and its source.
MAX_OPERATION_PATH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTarget:
    """What a step calls: an operation, or a workflow of `document`. `issues` are the bends on the way to it."""

    operation: Operation | None = None
    workflow: ArazzoWorkflow | None = None
    document: LinkedDocument | None = None
    issues: tuple[Issue, ...] = ()

    @property
    def fault(self) -> str:
        """Why the step calls nothing; "" where it calls something."""
        if self.operation is not None or self.workflow is not None:
            return ""
        return str(self.issues[0]) if self.issues else "it calls nothing"


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedDocument:
    """A document with its sources opened: Specs and other documents, by the names that the document gives them."""

    document: WorkflowDocument
    specs: Mapping[str, Spec] = field(default_factory=dict)
    documents: Mapping[str, LinkedDocument] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()

    @cached_property
    def all_specs(self) -> tuple[Spec, ...]:
        """The Specs of this document and of those that it refers to, each once."""
        nested = (spec for linked in self.documents.values() for spec in linked.all_specs)
        return tuple(dict.fromkeys((*self.specs.values(), *nested)))

    @cached_property
    def workflows(self) -> Mapping[str, ArazzoWorkflow]:
        """The workflows of the document by their ids."""
        return {workflow.id: workflow for workflow in self.document.workflows}

    @property
    def stored_sources(self) -> dict[str, str]:
        """Where its descriptions are, by the names of its sources, as a transcript stores it."""
        return {name: spec.registered or stored_location(spec.source) for name, spec in self.specs.items()}

    def target(self, step: WorkflowStep) -> StepTarget:
        """Return what a step calls; without operation and workflow, `issues` says why."""
        name = _SOURCE_NAME.match(step.operation_id or step.operation_path)
        kinds = (source.kind for source in self.document.sources if name and source.name == name[1])
        if step.channel or next(kinds, None) is SourceKind.ASYNCAPI:
            return _failure("the step is on a channel of AsyncAPI, which nlapi does not run", "the other steps run")
        if step.workflow_id:
            return self.called(step.workflow_id)
        if step.operation_id:
            target = self._operation(step.operation_id, step)
        else:
            target = self._operation_at(step.operation_path)
        content_type = step.body.content_type if step.body is not None else ""
        return replace(target, issues=(*target.issues, *_content_type_issues(target, content_type)))

    def called(self, id: str) -> StepTarget:
        """Return the workflow that an id refers to; without one, `issues` says why."""
        name, _, rest = id.removeprefix("$sourceDescriptions.").partition(".")
        linked = self.documents.get(name) if id.startswith("$") else None
        linked, id = (linked, rest) if linked is not None else (self, id)
        workflow = linked.workflows.get(id)
        if workflow is None:
            ids = ", ".join(entry.id for entry in linked.document.workflows)
            return _failure(f"there is no workflow {id}", f"the document's workflows: {ids}")
        return StepTarget(workflow=workflow, document=linked)

    def _operation(self, id: str, step: WorkflowStep) -> StepTarget:
        """Return the operation with an id, which is `$sourceDescriptions.NAME.ID` where several sources have it."""
        # An operationId may have dots, and may begin with a source's name: the whole text is tried first.
        matches = [spec.operation(id) for spec in self.specs.values() if spec.has(id)]
        if not matches and id.startswith("$sourceDescriptions."):
            name, _, rest = id.removeprefix("$sourceDescriptions.").partition(".")
            spec = self.specs.get(name)
            if spec is None:
                return _failure(f"there is no source {name}", f"its sources: {', '.join(self.specs)}")
            id, matches = rest, [spec.operation(rest)] if spec.has(rest) else []
        if len(matches) > 1:
            return _failure(
                f"several sources have an operation {id}", f"write $sourceDescriptions.{next(iter(self.specs))}.{id}"
            )
        if not matches:
            ids = [operation.id for spec in self.specs.values() for operation in spec.operations]
            hint = suggestion(id, ids, otherwise="`nlapi find` searches one")
            return _failure(f"no source has an operation {id}", hint)
        # Some descriptions break the standard.
        same = matches[0].spec.derive(_operations_by_declared_id).get(id, [])
        if len(same) < 2:
            return StepTarget(operation=matches[0])
        # Some descriptions have one id for GET /customers and GET /customers/{id}: the step's path parameters decide.
        path_names = {parameter.name for parameter in step.parameters if parameter.location == "path"}
        fitting = [
            one for one in same if {field.name for field in one.parameters if field.location == "path"} == path_names
        ]
        if len(fitting) == 1:
            return StepTarget(operation=fitting[0])
        paths = ", ".join(f"{operation.method} {operation.path}" for operation in same)
        return _failure(f"several operations have the id {id}: {paths}", "name one by its operationPath")

    def _operation_at(self, text: str) -> StepTarget:
        """Return the operation that an operationPath names, in the standard's form or as it is written in practice."""
        match = _OPERATION_PATH.fullmatch(text.strip()) if len(text) <= MAX_OPERATION_PATH else None
        if match is None:
            form = "{$sourceDescriptions.NAME.url}#/paths/~1pets/get"
            return _failure(f"{text[:80]!r} is not an operationPath", f"its form: {form}")
        name = match["name"] or (match["bare"] or "").strip()
        spec = self.specs.get(name)
        if spec is None and len(self.specs) == 1 and not match["name"]:
            spec = next(iter(self.specs.values()))
        if spec is None:
            return _failure(f"there is no source {name!r}", f"its sources: {', '.join(self.specs)}")
        path, method = unescape_step(match["path"]), match["method"].upper()
        path = path if path.startswith("/") else f"/{path}"
        bend = Issue.warning("", f"operationPath {text!r} is not in the standard's form", rule="operation-path")
        issues = () if match["name"] and text.startswith("{") else (bend,)
        for operation in spec.operations:
            if operation.method == method and operation.path == path:
                return StepTarget(operation=operation, issues=issues)
        return _failure(f"there is no operation {method} {path}", "`nlapi find` searches a description")


def _content_type_issues(target: StepTarget, content_type: str) -> Iterator[Issue]:
    """Yield a warning where a step wants its body in another media type than the one that is sent."""
    body = target.operation.body if target.operation is not None else None
    if body is not None and content_type and essence(content_type) != essence(body.content_type):
        yield Issue.warning("", f"the body is sent as {body.content_type}, and not as {content_type}")


def _operations_by_declared_id(spec: Spec) -> dict[str, list[Operation]]:
    operations: dict[str, list[Operation]] = {}
    for operation in spec.operations:
        operations.setdefault(str(operation.node.get("operationId", "")), []).append(operation)
    return operations


def _failure(message: str, hint: str = "") -> StepTarget:
    return StepTarget(issues=(Issue.error("", message, hint, rule="step-target"),))


def link(
    document: WorkflowDocument,
    *,
    sources: Mapping[str, str] | None = None,
    loader: Loader = load,
    opened: Mapping[str, LinkedDocument | None] | None = None,
) -> LinkedDocument:
    """Return a document with its sources opened; one that cannot be is an Issue.

    `sources` overrides where a source is, by its name: a path, a URL, or the name of a registered API. `opened` are the
    documents that are open already, by location; None for one that is being opened.
    """
    by_location: dict[str, LinkedDocument | None] = {**(opened or {}), document.location: None}
    specs: dict[str, Spec] = {}
    documents: dict[str, LinkedDocument] = {}
    issues: list[Issue] = []
    for source in document.sources:
        where = f"sourceDescriptions.{source.name}"
        named = (sources or {}).get(source.name)
        location = named or locate(source.url, document.location)
        scope = (
            NetworkScope.ANY if named or not is_http_url(location) else document.origin.scope_of(parse_url(location))
        )
        try:
            # A pipe or a device has no end.
            mode = _mode(Path(location))
            if not named and mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise UsageError(f"{location} is not a file")
            with within_networks(scope):
                if source.kind is SourceKind.OPENAPI:
                    specs[source.name] = loader(location)
                elif source.kind is SourceKind.ARAZZO:
                    documents[source.name] = _link_nested(location, loader, by_location)
        except NlapiError as error:
            hint = f"--source {source.name}=PATH says where it is"
            # Without the hint, which quotes how the file begins: the document may name one that is not a description.
            issues.append(Issue.error(where, error.message, hint, rule="source"))
    for name in set(sources or ()) - {source.name for source in document.sources}:
        names = ", ".join(source.name for source in document.sources)
        raise UsageError(f"the document has no source {name}", hint=f"its sources: {names}")
    return ask_nested(LinkedDocument(document=document, specs=specs, documents=documents, issues=tuple(issues)))


def ask_nested(linked: LinkedDocument) -> LinkedDocument:
    """Return a document whose workflows have the required inputs of those that they run and give nothing for.

    So each face asks for them before the first call, as for any input.
    """
    asking: dict[str, ArazzoWorkflow] = {}
    for workflow in linked.document.workflows:
        _ask_nested(workflow, linked, asking)
    if all(asking[workflow.id] is workflow for workflow in linked.document.workflows):
        return linked
    return replace(linked, document=replace(linked.document, workflows=tuple(asking.values())))


def _ask_nested(workflow: ArazzoWorkflow, linked: LinkedDocument, asking: dict[str, ArazzoWorkflow]) -> ArazzoWorkflow:
    if workflow.id in asking:
        return asking[workflow.id]
    # Workflows that run each other in circles are a finding of the check.
    asking[workflow.id] = workflow
    properties, required, steps = dict(workflow.input_schemas), list(workflow.required_inputs), []
    for step in workflow.steps:
        child = linked.target(step).workflow if step.workflow_id else None
        if child is not None and linked.workflows.get(child.id) is child:
            child = _ask_nested(child, linked, asking)
        names = {parameter.name for parameter in step.parameters}
        for name in child.required_inputs if child is not None else ():
            schema = child.input_schemas.get(name, {}) if child is not None else {}
            if name in names or (isinstance(schema, Mapping) and "default" in schema):
                continue
            input_name = name if name not in properties else f"{step.id}_{name}"
            properties[input_name] = schema
            required.append(input_name)
            parameter = StepParameter(name=name, value=f"$inputs.{input_name}")
            step = replace(step, parameters=(*step.parameters, parameter))
        steps.append(step)
    if len(required) > len(workflow.required_inputs):
        inputs = {**workflow.inputs, "type": "object", "properties": properties, "required": required}
        asking[workflow.id] = replace(workflow, steps=tuple(steps), inputs=inputs)
    return asking[workflow.id]


def _link_nested(location: str, loader: Loader, by_location: dict[str, LinkedDocument | None]) -> LinkedDocument:
    """Return the document at a location, opened once. UsageError where it refers to one that is being opened."""
    if location not in by_location:
        if len(by_location) > MAX_DOCUMENTS:
            raise UsageError(f"the documents refer to more than {MAX_DOCUMENTS} others")
        by_location[location] = None
        document = read_document(location)
        by_location[location] = link(document, loader=loader, opened=by_location)
    linked = by_location[location]
    if linked is None:
        raise UsageError(f"documents refer to each other in circles: {location}")
    return linked


def stored_location(source: str) -> str:
    """Return a source as a transcript stores it: the whole path of a file, and no credential in a URL."""
    return str(Path(source).resolve()) if Path(source).is_file() else redact_url(source)


def locate(url: str, document: str) -> str:
    """Return where a source is: its URL against that of the document, or a path beside it.

    A name without a separator that is not a file beside the document is that of a registered or bundled description.
    """
    if is_http_url(url) or "://" in url:
        return url
    if is_http_url(document):
        return urljoin(document, url)
    beside = Path(document).parent / url if document and document != STANDARD_INPUT else Path(url)
    return url if is_name(url) and not stat.S_ISREG(_mode(beside)) else str(beside)


def _mode(path: Path) -> int:
    """Return the kind of what a path leads to, as `stat` has it; 0 for nothing."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def registered_workflows(name: str) -> tuple[WorkflowDocument, ...]:
    """Return the documents that `nlapi api add NAME SOURCE --workflows FILE` registered, read anew.

    UsageError for a name that is not registered, DescriptionError for a document that can no longer be read.
    """
    registration = find_registration(name)
    if registration is None:
        raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
    return tuple(map(read_document, registration.workflows))


def source_of(document: WorkflowDocument, name: str) -> dict[str, str]:
    """Return where the source of a document is, by its name: the API `name`, where the document has one alone."""
    descriptions = [source for source in document.sources if source.kind is SourceKind.OPENAPI]
    return {descriptions[0].name: name} if len(descriptions) == 1 else {}
