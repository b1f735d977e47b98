"""Reads an Arazzo document, 1.0.x or 1.1, from JSON or YAML; what breaks the standard is an Issue and left out.

The structure is that of arazzo.schema.json. What is read here has passed it, so nothing is checked twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from nlapi.errors import DescriptionError, Issue, Level
from nlapi.openapi.document import read_tree
from nlapi.openapi.egress import origin_of
from nlapi.openapi.fetch import fetch
from nlapi.openapi.spec import as_map, as_text
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

if TYPE_CHECKING:
    from jsonschema import ValidationError

T = TypeVar("T")
Named = TypeVar("Named", ArazzoWorkflow, WorkflowStep)

VERSIONS = ("1.0.", "1.1.")

# Workflows with more steps are not read: no person reviews so many.
MAX_STEPS = 1_000

# References from one schema of inputs to another.
MAX_REFERENCES = 10

# The components that an entry of a list may refer to.
_COMPONENTS = {
    "parameters": "parameters",
    "onSuccess": "successActions",
    "successActions": "successActions",
    "onFailure": "failureActions",
    "failureActions": "failureActions",
}

BEND = "bend"
"""The rule of an Issue about what bends the standard and is read all the same."""

Path = tuple[str | int, ...]


def read_document(source: str) -> WorkflowDocument:
    """Return the Arazzo document at a path, a URL, or "-" for standard input. DescriptionError for anything else."""
    fetched = fetch(source)
    tree, repeated = read_tree(fetched.data, fetched.source)
    for key, line in repeated[:1]:
        place = f", line {line}" if line else ""
        raise DescriptionError(f"{fetched.source}{place}: the key {key!r} is there twice", hint="leave one of them")
    document = parse_document(tree, fetched.source)
    return replace(document, origin=origin_of(fetched.source, fetched.network, document.tree))


def parse_document(tree: object, location: str = "") -> WorkflowDocument:
    """Return the document in a JSON tree. DescriptionError when it is not an Arazzo document, or of another version."""
    if not isinstance(tree, Mapping) or "arazzo" not in tree:
        kind = "an OpenAPI description" if isinstance(tree, Mapping) and {"openapi", "swagger"} & set(tree) else "none"
        hint = "`nlapi workflow suggest` makes workflows of a description" if kind != "none" else ""
        raise DescriptionError(f"{location or 'the document'} is not an Arazzo document: it has no `arazzo`", hint=hint)
    version = str(tree["arazzo"])
    if not f"{version}.".startswith(VERSIONS):
        raise DescriptionError(f"{location or 'the document'} is Arazzo {version}", hint="nlapi reads 1.0 and 1.1")
    issues: list[Issue] = []
    reader = _DocumentReader(tree=_valid_part(dict(tree), issues), issues=issues)
    return reader.document(version, location, tree)


def with_tree(document: WorkflowDocument, tree: dict[str, Any]) -> WorkflowDocument:
    """Return a document that was edited: the structure of its tree is looked at again where it was not sound."""
    if any(issue.level is Level.ERROR for issue in document.issues):
        return parse_document(tree, document.location)
    return _DocumentReader(tree=tree).document(document.version, document.location, tree)


def _valid_part(tree: Mapping[str, Any], issues: list[Issue]) -> Mapping[str, Any]:
    """Return a document without what breaks the standard; `issues` gets each such part."""
    faults = dict(_too_long(tree))
    issues += (Issue.error(_location(tree, path), message) for path, message in faults.items())
    tree = _without(tree, frozenset(faults), ())
    errors = _faults(tree)
    for path, (message, is_bend) in errors.items():
        issues.append(
            Issue.warning(_location(tree, path), message, rule=BEND)
            if is_bend
            else Issue.error(_location(tree, path), message)
        )
    # Without a part its list may be empty, which breaks the standard too. A missing part cannot be left out.
    while left_out := frozenset(path for path, (_, is_bend) in errors.items() if path and not is_bend):
        tree = _without(tree, left_out, ())
        errors = _faults(tree)
    return tree


def _faults(tree: Mapping[str, Any]) -> dict[Path, tuple[str, bool]]:
    """Return what breaks the standard by its path: a message, and whether it is read all the same."""
    return {tuple(error.absolute_path): (_message(error), _is_bend(error)) for error in _validator().iter_errors(tree)}


def _too_long(tree: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the workflows with too many steps, which are not looked at."""
    workflows = tree.get("workflows")
    for index, workflow in enumerate(workflows if isinstance(workflows, list) else ()):
        steps = workflow.get("steps") if isinstance(workflow, Mapping) else None
        if isinstance(steps, list) and len(steps) > MAX_STEPS:
            yield ("workflows", index), f"{len(steps):,} steps; {MAX_STEPS:,} are the most that are read"


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    from nlapi.schema_validator import strict_class

    schema = json.loads(files("nlapi.workflows").joinpath("arazzo.schema.json").read_text(encoding="utf-8"))
    return strict_class(Draft202012Validator)(schema)


def _is_bend(error: ValidationError) -> bool:
    return isinstance(error.schema, Mapping) and error.schema.get("x-bend") is True


def _message(error: ValidationError) -> str:
    """Return in words what is wrong with a part."""
    name = error.absolute_path[-1] if error.absolute_path else "it"
    message = error.schema.get("x-message") if isinstance(error.schema, Mapping) else None
    match error.validator:
        case "required" | "dependentRequired":
            return f"{error.message.split(chr(39))[1]} is missing"
        case _ if message:
            return str(message)
        case "type":
            kinds: Any = error.validator_value
            text = kinds if isinstance(kinds, str) else " or ".join(kinds)
            return f"its type has to be {text.replace('string', 'text')}"
        case "enum":
            choices: Any = error.validator_value
            return f"{name}: {str(error.instance)[:60]!r} is not one of {', '.join(choices)}"
    return _MESSAGES.get(str(error.validator), error.message[:200])


_MESSAGES = {
    "minItems": "it is empty",
    "minLength": "it is empty",
    "uniqueItems": "an entry is there twice",
}


def _without(node: Any, left_out: frozenset[Path], path: Path) -> Any:
    """Return a copy of a value without the parts at some paths."""
    if isinstance(node, Mapping):
        return {
            key: _without(value, left_out, (*path, key)) for key, value in node.items() if (*path, key) not in left_out
        }
    if isinstance(node, list):
        places = [((*path, index), value) for index, value in enumerate(node)]
        return [_without(value, left_out, place) for place, value in places if place not in left_out]
    return node


def _location(tree: Any, path: Path) -> str:
    """Return a path in words: workflows.ID.steps.ID.parameters[0]."""
    text = ""
    for key in path:
        tree = tree[key]
        id = isinstance(tree, Mapping) and (tree.get("stepId") or tree.get("workflowId") or tree.get("name"))
        is_named = text.endswith(("workflows", "steps", "sourceDescriptions")) and isinstance(id, str)
        separator = "." if text else ""
        text += f"[{key}]" if isinstance(key, int) and not is_named else f"{separator}{id if is_named else key}"
    return text


@dataclass(slots=True, kw_only=True)
class _DocumentReader:
    """The reading of a document whose structure is valid; `issues` grows with what leads nowhere or is there twice."""

    tree: Mapping[str, Any]
    issues: list[Issue] = field(default_factory=list)

    def document(self, version: str, location: str, tree: Mapping[str, Any]) -> WorkflowDocument:
        info = self.tree.get("info", {})
        sources = tuple(self._list(self.tree, "sourceDescriptions", "", _source))
        workflows = self._by_id("workflows", self._list(self.tree, "workflows", "", self._workflow))
        self._report_duplicates("sourceDescriptions", [source.name for source in sources])
        return WorkflowDocument(
            version=version,
            title=as_text(info.get("title")),
            sources=sources,
            workflows=workflows,
            location=location,
            issues=tuple(dict.fromkeys(self.issues)),
            tree=tree,
        )

    def _workflow(self, node: Mapping[str, Any], where: str) -> ArazzoWorkflow:
        where = f"workflows.{node['workflowId']}"
        steps = self._by_id(f"{where}.steps", self._list(node, "steps", where, self._step))
        return ArazzoWorkflow(
            id=node["workflowId"],
            steps=steps,
            summary=node.get("summary", ""),
            description=node.get("description", ""),
            inputs=self._inputs(node.get("inputs"), f"{where}.inputs"),
            depends_on=tuple(node.get("dependsOn", ())),
            success_actions=tuple(self._list(node, "successActions", where, self._action)),
            failure_actions=tuple(self._list(node, "failureActions", where, self._action)),
            parameters=self._parameters(node, where),
            outputs=_read_value(node.get("outputs", {})),
        )

    def _step(self, node: Mapping[str, Any], where: str) -> WorkflowStep:
        where = f"{where.rpartition('[')[0]}.{node['stepId']}"
        timeout = node.get("timeout")
        return WorkflowStep(
            id=node["stepId"],
            operation_id=node.get("operationId", ""),
            operation_path=node.get("operationPath", ""),
            workflow_id=node.get("workflowId", ""),
            channel=node.get("channelPath") or node.get("action", ""),
            description=node.get("description", ""),
            parameters=self._parameters(node, where),
            body=_body(node["requestBody"]) if "requestBody" in node else None,
            criteria=tuple(map(_criterion, node.get("successCriteria", ()))),
            on_success=tuple(self._list(node, "onSuccess", where, self._action)),
            on_failure=tuple(self._list(node, "onFailure", where, self._action)),
            outputs=_read_value(node.get("outputs", {})),
            depends_on=tuple(node.get("dependsOn", ())),
            timeout=timeout / 1000 if timeout is not None else None,
        )

    def _parameters(self, node: Mapping[str, Any], where: str) -> tuple[StepParameter, ...]:
        """Return the parameters of a step or workflow: none of them twice (Arazzo 1.1, Step Object)."""
        parameters = tuple(self._list(node, "parameters", where, _parameter))
        for (name, location), count in Counter((entry.name, entry.location) for entry in parameters).items():
            if count > 1:
                self._error(f"{where}.parameters.{name}", f"the {location or 'input'} {name} is given {count} times")
        return parameters

    def _action(self, node: Mapping[str, Any], where: str) -> StepAction:
        kind = StepActionKind(node["type"])
        workflow_id, step_id = node.get("workflowId", ""), node.get("stepId", "")
        # The published schema of 1.0 requires one of both of a retry; the step itself says nothing more.
        is_own = bool(step_id) and where.rpartition(".")[0].endswith(f".{step_id}")
        if kind is StepActionKind.RETRY and (workflow_id or step_id) and not is_own:
            message = f"a retry that runs {step_id or workflow_id} before it is not supported"
            self._error(where, message, "write it as a goto")
        return StepAction(
            name=node["name"],
            kind=kind,
            workflow_id=workflow_id,
            step_id=step_id,
            parameters=self._parameters(node, where),
            retry_after=float(node.get("retryAfter", 0)),
            retry_limit=node.get("retryLimit", 1),
            criteria=tuple(map(_criterion, node.get("criteria", ()))),
        )

    def _inputs(self, node: Any, where: str) -> Mapping[str, Any]:
        """Return the schema of the inputs, with references to the components followed, those of its properties too."""
        schema = self._followed(as_map(node), where)
        properties = as_map(schema.get("properties"))
        references = {name: value for name, value in properties.items() if "$ref" in as_map(value)}
        followed = {name: self._followed(value, f"{where}.{name}") for name, value in references.items()}
        return {**schema, "properties": {**properties, **followed}} if followed else schema

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

    def _list(
        self, node: Mapping[str, Any], name: str, where: str, read: Callable[[Mapping[str, Any], str], T]
    ) -> Iterator[T]:
        """Yield the entries of a list, with Reusable Objects replaced by what they refer to."""
        where = f"{where}.{name}" if where else name
        for index, entry in enumerate(node.get(name, ())):
            place = f"{where}[{index}]"
            if "reference" in entry:
                kind, _, id = entry["reference"].removeprefix("$components.").partition(".")
                component = self.tree.get("components", {}).get(kind, {}).get(id)
                if component is None or kind != _COMPONENTS[name]:
                    self._error(place, f"{entry['reference']} leads nowhere")
                    continue
                entry = {**component, "value": entry["value"]} if "value" in entry else component
            yield read(entry, place)

    def _by_id(self, where: str, entries: Iterable[Named]) -> tuple[Named, ...]:
        """Return the entries without those that have the id of an earlier one."""
        read = list(entries)
        self._report_duplicates(where, [entry.id for entry in read])
        by_id: dict[str, Named] = {}
        for entry in read:
            by_id.setdefault(entry.id, entry)
        return tuple(by_id.values())

    def _report_duplicates(self, where: str, names: list[str]) -> None:
        for name, count in Counter(names).items():
            if count > 1:
                self._error(f"{where}.{name}", f"{name} stands {count} times; only the first is read")

    def _error(self, where: str, message: str, hint: str = "") -> None:
        self.issues.append(Issue(level=Level.ERROR, where=where, message=message, hint=hint))


def _source(node: Mapping[str, Any], _: str) -> Source:
    return Source(name=node["name"], url=node["url"], kind=SourceKind(node.get("type", "openapi")))


def _parameter(node: Mapping[str, Any], _: str) -> StepParameter:
    return StepParameter(name=node["name"], location=node.get("in", ""), value=_read_value(node["value"]))


def _body(node: Mapping[str, Any]) -> StepBody:
    return StepBody(
        payload=_read_value(node.get("payload")),
        content_type=node.get("contentType", ""),
        replacements=tuple(map(_replacement, node.get("replacements", ()))),
    )


def _replacement(node: Mapping[str, Any]) -> Replacement:
    target = node["target"]
    likely = CriterionKind.JSONPATH if target.startswith("$") else CriterionKind.JSONPOINTER
    kind = _kind(node["targetSelectorType"]) if "targetSelectorType" in node else likely
    # A pointer begins with a slash: what does not is a path of XML.
    is_pointer = kind is not CriterionKind.JSONPOINTER or target.startswith("/")
    return Replacement(
        target=target, value=_read_value(node["value"]), kind=kind if is_pointer else CriterionKind.XPATH
    )


def _criterion(node: Mapping[str, Any]) -> Criterion:
    # A condition that is not a text (`condition: true`) is read as one.
    condition = node["condition"]
    condition = str(condition).lower() if isinstance(condition, bool) else condition
    return Criterion(condition=condition, kind=_kind(node.get("type", "simple")), context=node.get("context", ""))


def _kind(node: Any) -> CriterionKind:
    """Return the type of a criterion or selector, which may be an Expression Type Object."""
    return CriterionKind(node["type"] if isinstance(node, Mapping) else node)


def _read_value(node: Any) -> Any:
    """Return a value with its Selector Objects as Selectors."""
    if isinstance(node, Mapping):
        if _is_selector(node):
            return Selector(context=node["context"], selector=node["selector"], kind=_kind(node["type"]))
        return {str(name): _read_value(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_read_value(value) for value in node]
    return node


def _is_selector(node: Mapping[str, Any]) -> bool:
    """Return whether an object of a payload is a Selector Object, and not one of the API with the same names."""
    if not set(node) >= {"context", "selector", "type"} or not as_text(node["selector"]):
        return False
    kind = node["type"].get("type") if isinstance(node["type"], Mapping) else node["type"]
    return as_text(node["context"]).startswith("$") and kind in ("jsonpath", "jsonpointer", "xpath")


def _follow_pointer(tree: object, pointer: str) -> object:
    for step in pointer.split("/"):
        tree = tree.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(tree, Mapping) else None
    return tree
