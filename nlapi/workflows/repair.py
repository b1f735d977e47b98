"""Proposes repairs of a workflow document: each is an edit of it, with its place and its reason; nothing is silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from nlapi.english.words import name_key, name_words, singular_words
from nlapi.openapi.spec import Operation
from nlapi.resources.id_sources import id_sources
from nlapi.resources.nouns import ID_WORDS, is_id_argument, singular_noun, target_noun
from nlapi.resources.paths import Place, position, segments, shape
from nlapi.resources.schemas import ref_of, schema_types
from nlapi.tools.compile import compile_tool
from nlapi.tools.texts.names import unique_name
from nlapi.tools.tool import Tool
from nlapi.workflows.bind import is_implied
from nlapi.workflows.expressions import (
    EACH,
    Accessors,
    Expression,
    ExpressionError,
    ExpressionPart,
    Root,
    describes_status,
    expressions_in,
    parse_expression,
    pointer,
    required_status,
    split_name,
)
from nlapi.workflows.model import ArazzoWorkflow, Criterion, StepParameter, WorkflowStep
from nlapi.workflows.read import with_tree
from nlapi.workflows.sources import LinkedDocument, ask_nested
from nlapi.workflows.value_schemas import (
    ValueSchema,
    ValueSchemas,
    entry_of,
    find_argument_value,
    find_named,
    has_same_words,
    suffix_field,
)


def workflow_node(tree: Mapping[str, Any], id: str) -> dict[str, Any]:
    """Return the node of a workflow in the tree of a document."""
    return _entry(tree["workflows"], "workflowId", id)


def step_node(tree: Mapping[str, Any], workflow_id: str, step_id: str) -> dict[str, Any]:
    """Return the node of a step in the tree of a document."""
    return _entry(workflow_node(tree, workflow_id)["steps"], "stepId", step_id)


def _entry(entries: Any, key: str, id: str) -> dict[str, Any]:
    """Return the first entry with an id; entries that are not objects are in a document that was read without them."""
    return next(entry for entry in entries if isinstance(entry, dict) and entry.get(key) == id)


def list_of(node: Mapping[str, Any], name: str) -> list[Any]:
    """Return the list that a node has by a name; an empty one where it has none, or something else."""
    value = node.get(name)
    return value if isinstance(value, list) else []


def list_in(node: dict[str, Any], name: str) -> list[Any]:
    """Return the list that a node has by a name, to add to it; what is not a list is replaced by one."""
    node[name] = value = list_of(node, name)
    return value


def object_in(node: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object that a node has by a name, to add to it; what is not an object is replaced by one."""
    value = node.get(name)
    node[name] = value = value if isinstance(value, dict) else {}
    return value


def unshared(node: Any) -> Any:
    """Return a copy of a tree in which no part stands twice: an alias of YAML is one node in memory, and two places."""
    if isinstance(node, Mapping):
        return {key: unshared(value) for key, value in node.items()}
    return [unshared(value) for value in node] if isinstance(node, list) else node


def with_source_urls(tree: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """Return a document whose sources have other addresses, by the name of each."""
    if not urls:
        return dict(tree)
    sources = [
        {**source, "url": urls[source["name"]]}
        if isinstance(source, Mapping) and source.get("name") in urls
        else source
        for source in list_of(tree, "sourceDescriptions")
    ]
    return {**tree, "sourceDescriptions": sources}


class RepairKind(StrEnum):
    """The kind of a repair. The values stand in the JSON of `nlapi workflow repair`."""

    FORM = "form"
    """written as the standard has it; the meaning stays"""
    TAKE = "take"
    """the value is taken out of a whole answer"""
    FIND = "find"
    """the output is elsewhere in the answer"""
    ENVELOPE = "envelope"
    """the fields stand in the envelope that the body has"""
    OMIT = "omit"
    """the operation does not have it"""
    HAND_ON = "hand on"
    """a value of an earlier step is passed on"""
    ASK = "ask"
    """a required value that nothing gives becomes an input"""
    TYPE = "type"
    """the input has the type that the operation takes"""
    STATUS = "status"
    """the status that the operation describes"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One edit: what stood at `where`, what stands there now, and why. None for nothing."""

    kind: RepairKind
    where: str
    before: Any
    after: Any
    reason: str

    def __str__(self) -> str:
        before, after = _short(self.before), _short(self.after)
        change = f"{before} -> {after}" if self.before is not None and self.after is not None else before or after
        verb = "" if self.after is not None else "left out: "
        verb = verb or ("added: " if self.before is None else "")
        return f"{self.kind}: {self.where}: {verb}{change} ({self.reason})"


Note = Callable[[RepairKind, str, Any, Any, str], None]
"""Records a repair: its kind, its place, what stood there, what stands there now, and the reason."""


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def repair(linked: LinkedDocument) -> tuple[LinkedDocument, tuple[Repair, ...]]:
    """Return a document with its repairs made, and the list of them; the tree of it can be written to a file."""
    repairer = _Repairer(linked=replace_tree(linked, unshared(linked.document.tree)))
    for workflow in linked.document.workflows:
        for step in workflow.steps:
            repairer.step(workflow.id, step.id)
        repairer.outputs(workflow.id)
    return repairer.linked, tuple(repairer.repairs)


def replace_tree(linked: LinkedDocument, tree: dict[str, Any]) -> LinkedDocument:
    """Return a linked document with another tree and the same sources."""
    return ask_nested(replace(linked, document=with_tree(linked.document, tree)))


@dataclass(slots=True, kw_only=True)
class _Repairer:
    linked: LinkedDocument
    repairs: list[Repair] = field(default_factory=list)
    reloaded: int = 0
    """the number of repairs that `linked` has"""
    schemas: ValueSchemas = field(init=False)
    workflow: ArazzoWorkflow = field(init=False)
    current: WorkflowStep = field(init=False)
    references: StepReferences = field(init=False)

    def __post_init__(self) -> None:
        self.schemas = ValueSchemas(linked=self.linked)

    @property
    def tree(self) -> Any:
        return self.linked.document.tree

    def step(self, workflow_id: str, step_id: str) -> None:
        """Repair one step; the steps that it refers to are repaired already."""
        self._open(workflow_id, step_id)
        node = step_node(self.tree, workflow_id, step_id)
        operation = self.linked.target(self.current).operation
        if operation is None:
            return
        where = f"workflows.{workflow_id}.steps.{step_id}"
        self._operation_path(node, operation, where)
        self._criteria(node, operation, where)
        self._step_outputs(node, operation, where)
        tool = compile_tool(operation)
        self._parameters(node, tool, where)
        self._payload(node, tool, where)
        self._reload()
        self._open(workflow_id, step_id)
        RequiredArguments(references=self.references).add(node, tool, where)
        self._reload()

    def outputs(self, workflow_id: str) -> None:
        """Repair the outputs of a workflow."""
        self._open(workflow_id)
        outputs: Any = workflow_node(self.tree, workflow_id).get("outputs")
        for name, value in list(outputs.items()) if isinstance(outputs, dict) else ():
            where = f"workflows.{workflow_id}.outputs.{name}"
            fixed = self.references.mend(value, where)
            if fixed is not None:
                outputs[name] = fixed
        self._reload()

    def _open(self, workflow_id: str, step_id: str = "") -> None:
        self.workflow = self.linked.document.workflow(workflow_id)
        step = self.workflow.step(step_id) if step_id else None
        self.current = step if step is not None else WorkflowStep(id="")
        self.references = StepReferences(
            schemas=self.schemas, workflow=self.workflow, step_id=self.current.id, note=self._note, tree=self.tree
        )

    def _reload(self) -> None:
        # Each edit has its repair, and a document of many steps takes long to read.
        if self.reloaded == len(self.repairs):
            return
        self.reloaded = len(self.repairs)
        self.linked = replace_tree(self.linked, self.tree)
        self.schemas = ValueSchemas(linked=self.linked, readers=self.schemas.readers)

    def _note(self, kind: RepairKind, where: str, before: Any, after: Any, reason: str) -> None:
        self.repairs.append(Repair(kind=kind, where=where, before=before, after=after, reason=reason))

    def _operation_path(self, node: dict[str, Any], operation: Operation, where: str) -> None:
        if "operationPath" not in node or not self.linked.target(self.current).issues:
            return
        name = next((name for name, spec in self.linked.specs.items() if spec is operation.spec), "")
        path = operation.path.replace("~", "~0").replace("/", "~1")
        form = f"{{$sourceDescriptions.{name}.url}}#/paths/{path}/{operation.method.lower()}"
        self._note(RepairKind.FORM, f"{where}.operationPath", node["operationPath"], form, "the standard's form")
        node["operationPath"] = form

    def _criteria(self, node: dict[str, Any], operation: Operation, where: str) -> None:
        """Replace a status of success that the operation does not describe by the one that it does."""
        statuses = [response.status for response in operation.responses]
        successes = [status for status in statuses if status.startswith("2") and status.isdecimal()]
        after = " || ".join(f"$statusCode == {success}" for success in successes)
        where = f"{where}.successCriteria"
        for criterion in list_of(node, "successCriteria"):
            before = criterion.get("condition") if isinstance(criterion, dict) else None
            status = required_status(Criterion(condition=before)) if isinstance(before, str) else None
            if not after or status is None or not 200 <= status < 300:
                continue
            if not describes_status(operation, status, by_default=False):
                self._note(RepairKind.STATUS, where, before, after, f"{operation.id} does not answer {status}")
                criterion["condition"] = after

    def _step_outputs(self, node: dict[str, Any], operation: Operation, where: str) -> None:
        """Move outputs to where the answer has them."""
        answer = self.schemas.answer(operation)
        outputs: Any = node.get("outputs")
        for name, text in list(outputs.items()) if isinstance(outputs, dict) else ():
            place = f"{where}.outputs.{name}"
            try:
                expression = parse_expression(text) if isinstance(text, str) else None
            except ExpressionError:
                continue
            if expression is None or expression.root is not Root.RESPONSE:
                continue
            if expression.part is ExpressionPart.HEADER:
                if expression.bends:
                    after = f"$response.header.{expression.name}"
                    self._note(RepairKind.FORM, place, text, after, expression.bends[0])
                    outputs[name] = after
                continue
            value = answer.part(expression.accessors)
            if value.fault:
                after = self._request_value(node, expression.accessors, operation)
                found = self.references.elsewhere(answer, expression.accessors, operation) if not after else None
                if found is not None:
                    after = f"$response.body{pointer(found)}"
                if after:
                    self._note(RepairKind.FIND, place, text, after, value.fault)
                    outputs[name] = after
            elif expression.bends:
                after = f"$response.body{pointer(expression.accessors)}"
                self._note(RepairKind.FORM, place, text, after, expression.bends[0])
                outputs[name] = after
        self._reload()
        self._open(self.workflow.id, self.current.id)

    def _request_value(self, node: Mapping[str, Any], accessors: Accessors, operation: Operation) -> str:
        """Return the expression of the request's value under the name of an output; "" for nothing.

        Some APIs do not answer what was sent: a user's name stands in the request, and the answer has an id.
        """
        if len(accessors) != 1 or find_named(self.schemas.answer(operation), str(accessors[0])) is not None:
            return ""
        name, body = str(accessors[0]), node.get("requestBody")
        payload = body.get("payload") if isinstance(body, Mapping) else None
        if isinstance(payload, Mapping) and name in payload:
            return f"$request.body{pointer(accessors)}"
        for parameter in list_of(node, "parameters"):
            if (
                isinstance(parameter, Mapping)
                and parameter.get("name") == name
                and parameter.get("in") in ("path", "query", "header")
            ):
                return f"$request.{parameter['in']}.{name}"
        return ""

    def _parameters(self, node: dict[str, Any], tool: Tool, where: str) -> None:
        """Repair the parameters of a step, and leave out those that its operation does not have."""
        operation, kept = tool.operation, []
        places = set(tool.places.values())
        for parameter in list_of(node, "parameters"):
            if not isinstance(parameter, dict) or "reference" in parameter or "name" not in parameter:
                kept.append(parameter)
                continue
            place = str(parameter.get("in", "")), str(parameter["name"])
            label = f"{where}.parameters.{place[1]}"
            if place not in places:
                elsewhere = [entry for entry in places if _same_place_name(entry, place) and entry[0] != "body"]
                entry = StepParameter(name=place[1], location=place[0], value=None)
                if len(elsewhere) != 1:
                    is_known = is_implied(operation, entry, [])
                    reason = "it follows from the call" if is_known else f"{operation.id} has no such parameter"
                    self._note(RepairKind.OMIT, label, parameter.get("value"), None, reason)
                    continue
                before = dict(parameter)
                place = elsewhere[0]
                parameter["in"], parameter["name"] = place
                self._note(RepairKind.FORM, label, before, dict(parameter), f"it is in the {place[0]}")
            fixed = self._argument(parameter.get("value"), operation, place, label)
            if fixed is not None:
                parameter["value"] = fixed
            self._fill_single_choice(parameter, operation, place, label)
            self._input_type(parameter.get("value"), operation, place)
            if reason := self._unusable(parameter.get("value"), operation, place):
                self._note(RepairKind.OMIT, label, parameter.get("value"), None, reason)
                continue
            kept.append(parameter)
        if "parameters" in node:
            node["parameters"] = kept
            if not kept:
                del node["parameters"]

    def _payload(self, node: dict[str, Any], tool: Tool, where: str) -> None:
        """Repair the payload of a step: its envelope, fields that the body does not have, and its values."""
        body = node.get("requestBody")
        if not isinstance(body, dict) or "payload" not in body:
            return
        where = f"{where}.payload"
        whole = self.schemas.argument(tool.operation, "body", "")
        payload = body["payload"]
        if whole is None:
            self._note(RepairKind.OMIT, where, payload, None, f"{tool.operation.id} takes no body")
            del node["requestBody"]
            return
        if not isinstance(payload, dict):
            self._input_type(payload, tool.operation, ("body", ""))
            if reason := self.references.lost_reason(payload):
                self._note(RepairKind.OMIT, where, payload, None, reason)
                del node["requestBody"]
            return
        payload = self._with_envelope(payload, whole, where)
        self._fields(payload, node, tool, where)
        body["payload"] = payload
        if not payload:
            del node["requestBody"]

    def _fields(self, payload: dict[str, Any], node: dict[str, Any], tool: Tool, where: str) -> None:
        """Repair the fields of a payload: each stays, goes to the parameter that is meant, or is left out."""
        operation = tool.operation
        is_flat = ("body", "") not in tool.places.values()
        for name in list(payload):
            label, value, place = f"{where}.{name}", payload[name], ("body", str(name))
            target = self.schemas.argument(operation, *place)
            allows_more = not is_flat or tool.input_schema.get("additionalProperties") is not False
            is_parameter = is_flat and any(entry[0] != "body" and entry[1] == name for entry in tool.places.values())
            if place not in tool.places.values() and (is_parameter or not allows_more or target is None):
                payload.pop(name)
                self._move(value, str(name), payload, node, tool, label)
                continue
            if isinstance(value, dict) and target is not None:
                self._nested(value, target, operation, label)
                continue
            fixed = self._argument(value, operation, place, label)
            if fixed is not None:
                payload[name] = fixed
            self._input_type(payload[name], operation, place)
            if reason := self._unusable(payload[name], operation, place):
                self._note(RepairKind.OMIT, label, payload.pop(name), None, reason)

    def _move(
        self, value: Any, name: str, payload: dict[str, Any], node: dict[str, Any], tool: Tool, where: str
    ) -> None:
        """Give the value of a field that the body does not have to the parameter or the field that is meant."""
        operation = tool.operation
        place = _free_place(name, value, tool, node)
        fixed = self._argument(value, operation, place, where) if place is not None else None
        value = fixed if fixed is not None else value
        if place is not None and not self._unusable(value, operation, place):
            kind, reason = RepairKind.FORM, f"it is {place[1]} in the {place[0]}"
            self._note(kind, where, {name: value}, {place[1]: value}, reason)
            if place[0] == "body":
                payload[place[1]] = value
            else:
                self._set_parameter(node, place, value)
            return
        self._note(RepairKind.OMIT, where, value, None, f"the body of {operation.id} does not take {name}")

    def _fill_single_choice(self, parameter: dict[str, Any], operation: Operation, place: Place, where: str) -> None:
        """Give a parameter the one value that it takes: the `op` by which operations of one path are told apart."""
        target = self.schemas.argument(operation, *place)
        choices = target.reader.flat(target.schema).get("enum") if target is not None and target.reader else None
        before = parameter.get("value")
        if not isinstance(choices, list) or len(choices) != 1 or not isinstance(before, str) or before[:1] != "$":
            return
        parameter["value"] = choices[0]
        self._note(RepairKind.FORM, where, before, choices[0], "it takes no other value")
        self._release_input(before)

    def _set_parameter(self, node: dict[str, Any], place: Place, value: Any) -> None:
        """Give a parameter a value, in place of one that stands there."""
        parameters = list_in(node, "parameters")
        before = next((entry for entry in parameters if _place_of(entry) == place), None)
        if before is not None:
            parameters.remove(before)
        parameters.append({"name": place[1], "in": place[0], "value": value})
        if before is not None:
            self._release_input(str(before.get("value")))

    def _release_input(self, text: str) -> None:
        """Require an input no more whose expression stands nowhere else in the workflow."""
        workflow = workflow_node(self.tree, self.workflow.id)
        if text not in expressions_in({**workflow, "inputs": None}):
            required = list_of(workflow.get("inputs") or {}, "required")
            required[:] = [name for name in required if f"$inputs.{name}" != text]

    def _input_type(self, value: Any, operation: Operation, place: Place) -> None:
        """Give an input the type that the operation takes, where the document says an object or a list of another."""
        name = value.removeprefix("$inputs.") if isinstance(value, str) and value.startswith("$inputs.") else ""
        inputs = workflow_node(self.tree, self.workflow.id).get("inputs")
        properties = inputs.get("properties") if isinstance(inputs, Mapping) else None
        stated = properties.get(name) if isinstance(properties, dict) else None
        target = self.schemas.argument(operation, *place)
        types = schema_types(stated) if isinstance(stated, Mapping) else ()
        if not isinstance(properties, dict) or not types or "string" in types or target is None or not target.types:
            return
        if set(types) & set(target.types) or ("integer" in types and "number" in target.types):
            return
        reason = f"{operation.id} takes {' or '.join(target.types)}"
        after = {"type": target.types[0] if len(target.types) == 1 else list(target.types)}
        self._note(RepairKind.TYPE, f"workflows.{self.workflow.id}.inputs.{name}", dict(stated or {}), after, reason)
        properties[name] = after

    def _argument(
        self, value: Any, operation: Operation, place: Place, where: str, target: ValueSchema | None = None
    ) -> Any:
        """Return the repaired value of an argument; None where nothing is to be repaired, or can be."""
        count = len(self.repairs)
        fixed = self.references.argument(value, operation, place, where, target)
        if any(".outputs." in repair.where for repair in self.repairs[count:]):
            # An output of an earlier step has moved, and what is known of the values with it.
            self._reload()
            self._open(self.workflow.id, self.current.id)
        return fixed

    def _unusable(self, value: Any, operation: Operation, place: Place) -> str:
        """Return why a value cannot be sent; "" where it can."""
        reason = self.references.lost_reason(value)
        return reason or self.references.unfit_reason(value, self.schemas.argument(operation, *place))

    def _nested(self, payload: dict[str, Any], schema: ValueSchema, operation: Operation, where: str) -> None:
        """Repair the values of an object inside a payload; fields of it that are not described stay."""
        for name, value in list(payload.items()):
            member, label = schema.part((name,)), f"{where}.{name}"
            if isinstance(value, dict):
                self._nested(value, member, operation, label)
                continue
            fixed = self._argument(value, operation, ("body", str(name)), label, member)
            if fixed is not None:
                payload[name] = fixed
            reason = self.references.lost_reason(payload[name])
            if reason := reason or self.references.unfit_reason(payload[name], member):
                self._note(RepairKind.OMIT, label, payload.pop(name), None, reason)

    def _with_envelope(self, payload: dict[str, Any], whole: ValueSchema, where: str) -> dict[str, Any]:
        """Return a payload in the envelope of the body, where its fields are those inside of it."""
        if whole.reader is None or not payload:
            return payload
        properties = whole.reader.properties(whole.schema)
        if not properties or any(name in properties for name in payload):
            return payload
        for name, schema in properties.items():
            inner = ValueSchema(schema=schema if isinstance(schema, Mapping) else {}, reader=whole.reader)
            known = inner.reader.properties(inner.schema) if inner.reader is not None else {}
            # The only object of a body is its envelope, whatever the document calls the fields in it.
            is_only = len(properties) == 1
            fields = {old: _field_name(str(old), known) if is_only else str(old) for old in payload}
            renames = {old: new for old, new in fields.items() if new in known}
            is_envelope = bool(renames) if is_only else len(renames) * 2 > len(payload)
            if is_envelope and len(set(renames.values())) == len(renames):
                wrapped = {name: {renames[old]: value for old, value in payload.items() if old in renames}}
                self._note(RepairKind.ENVELOPE, where, list(payload), wrapped, f"the body has its fields in {name}")
                for old in payload:
                    if old not in renames:
                        reason = f"{name} has no such field"
                        self._note(RepairKind.OMIT, f"{where}.{old}", payload[old], None, reason)
                return wrapped
        return payload


def _free_place(name: str, value: Any, tool: Tool, node: Mapping[str, Any]) -> Place | None:
    """Return the place that the field of a payload is meant for, by its name or by the thing in the path.

    None for none, or where the place has a value: but a value of an earlier step goes before a mere input.
    """
    values = dict.fromkeys(given_places(node, tool))
    values |= {_place_of(entry): entry.get("value") for entry in list_of(node, "parameters") if isinstance(entry, dict)}
    is_replaceable = {
        place: _is_step_reference(value) and str(text).startswith("$inputs.") for place, text in values.items()
    }
    matches = [place for place in tool.places.values() if place[1] and _matches_field(name, place, tool.operation)]
    places = [place for place in matches if place[0] != "body"] or matches
    return places[0] if len(places) == 1 and is_replaceable.get(places[0], True) else None


def _matches_field(name: str, place: Place, operation: Operation) -> bool:
    """Return whether a name is that of a parameter: `document_id` is the `id` of /documents/{id}/send."""
    words = name_words(name)
    is_id = place[0] == "path" and set(name_words(place[1])) <= ID_WORDS and words[-1:] and words[-1] in ID_WORDS
    return "".join(words) == name_key(place[1]) or (
        bool(is_id) and singular_words("_".join(words[:-1]))[-1:] == target_noun(operation, place)[-1:] != ()
    )


def _place_of(parameter: Mapping[str, Any]) -> Place:
    return str(parameter.get("in", "")), str(parameter.get("name", ""))


def _field_name(name: str, known: Mapping[str, Any]) -> str | None:
    """Return the field that a name is, or nearly is; None for none, or several."""
    if name in known:
        return name
    words = name_words(name)
    stem = words[:-1] if len(words) > 1 and words[-1] in ID_WORDS else words
    matches = [key for key in known if _same_words(words, name_words(key)) or _same_words(stem, name_words(key))]
    return matches[0] if len(matches) == 1 else None


def _same_words(words: tuple[str, ...], other: tuple[str, ...]) -> bool:
    without = other[:-1] if len(other) > 1 and other[-1] in ID_WORDS else other
    return words in (other, without)


def _same_place_name(place: Place, other: Place) -> bool:
    return name_key(place[1]) == name_key(other[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReferences:
    """The references in one step of a workflow; "" for `step_id` in the outputs of the workflow."""

    schemas: ValueSchemas
    workflow: ArazzoWorkflow
    step_id: str
    note: Note
    tree: Mapping[str, Any]
    """the document that is edited"""

    def elsewhere(
        self, value: ValueSchema, accessors: Accessors, operation: Operation | None = None
    ) -> Accessors | None:
        """Return where a value has the part that wrong accessors mean: in its item, else at the nearest such name."""
        base, entry = entry_of(value)
        if value.is_scalar:
            return ()
        texts = (part for step in accessors for part in str(step).split("."))
        names = tuple(text for text in texts if not text.isdecimal())
        for candidate in (accessors, names):
            if candidate and not entry.part(candidate).fault and entry.part(candidate).is_described:
                return (*base, *candidate)
        # `#/0/code` of a list of codes is the code itself.
        prefixes = (accessors[:end] for end in range(len(accessors) - 1, 0, -1))
        prefix = next((prefix for prefix in prefixes if value.part(prefix).is_scalar), None)
        if prefix is not None or not names:
            return prefix
        found = find_named(value, str(names[-1]))
        # `product.custom_fields[0].id` is not the product's own id.
        if found is not None and len(names) > 1 and name_words(names[-1])[-1:][0] in ID_WORDS:
            found = found if names[-2] in found else None
        if found is not None or operation is None or len(names) != 1:
            return found
        whole = self._named_whole(value, names[0], operation)
        noun = singular_noun(operation)
        if whole is not None or not noun or noun[-1] not in name_words(names[0])[:-1]:
            return whole
        # `offering_id` of a list of offerings is the `id` of its first one.
        suffix = suffix_field(entry, names[0])
        return (*base, suffix) if suffix is not None else None

    def _named_whole(self, value: ValueSchema, name: str, operation: Operation) -> Accessors | None:
        """Return the way to the list or the item of an answer that is called by its noun, or by its schema's name."""
        noun = singular_noun(operation)
        is_whole = ref_of(value.schema).rpartition("/")[2] == name
        if not is_whole and (not noun or singular_words(name)[-1:] != noun[-1:]):
            return None
        base, _ = entry_of(value)
        return () if is_whole else base[:-1] if base and base[-1] == 0 else base

    def argument(
        self, node: Any, operation: Operation, place: Place, where: str, target: ValueSchema | None = None
    ) -> Any:
        """Return the repaired value of an argument; None where nothing is to be repaired, or can be.

        `target` is the schema of a field inside of an argument.
        """
        target = target or self.schemas.argument(operation, *place)
        fixed = self.mend(node, where, target)
        node = fixed if fixed is not None else node
        value = self.schemas.of(node, self.workflow) if isinstance(node, str) else ValueSchema()
        if value.fault and (moved := self._moved_output(node, operation, place, where)):
            return moved
        # One value stands for a list of one.
        if target is not None and target.types == ("array",):
            if value.part((0,)).is_scalar:
                return fixed
            target = target.part((0,))
        if target is None or value.fault or not target.is_scalar or not value.is_described:
            return fixed
        if set(value.types) & {"string", "number", "integer", "boolean"} or not _is_step_reference(node):
            return fixed
        output = node.rpartition(".")[2].partition("#")[0]
        source = self._source_operation(node)
        found = find_argument_value(value, source, operation, place, hint=output)
        if not found:
            return fixed
        after = f"{node.partition('#')[0]}{pointer((*_pointer_of(node), *found))}"
        self.note(RepairKind.TAKE, where, node, after, f"{place[1]} takes {' or '.join(target.types)}")
        return after

    def _moved_output(self, node: Any, operation: Operation, place: Place, where: str) -> str | None:
        """Return a reference whose output, which the answer does not have, is set to what the argument wants of it.

        Of an output that the answer has, it is the part that the argument wants.
        """
        expression = _parse(node)
        step = self.workflow.step(expression.owner) if expression is not None else None
        source = self.schemas.linked.target(step).operation if step is not None else None
        if expression is None or step is None or source is None or self._runs_later(node):
            return None
        found = split_name(expression.name, step.outputs)
        if found is None:
            return None
        output = self.schemas.of(step.outputs[found[0]], self.workflow, step)
        if not output.fault:
            part = self._argument_part(output, source, operation, place, found[1])
            after = f"$steps.{step.id}.outputs.{found[0]}{pointer(part)}"
            if part:
                self.note(RepairKind.FIND, where, node, after, f"{place[1]} wants it")
            return after if part else None
        answer = self.schemas.answer(source)
        whole = answer.part(found[1])
        # `details.chapters[0].number` fits an answer that is the details themselves.
        is_whole = bool(found[1]) and whole.is_described and not whole.fault
        accessors = () if is_whole else find_argument_value(answer, source, operation, place, hint=found[0])
        if not accessors and not is_whole:
            return None
        before, after = step.outputs[found[0]], f"$response.body{pointer(accessors or ())}"
        reference = f"$steps.{step.id}.outputs.{found[0]}{pointer(found[1] if is_whole else ())}"
        outputs = step_node(self.tree, self.workflow.id, step.id)["outputs"]
        if outputs[found[0]] == after:
            return reference
        # Another argument of this step has moved it already.
        if outputs[found[0]] != before:
            return None
        outputs[found[0]] = after
        place_of_output = f"workflows.{self.workflow.id}.steps.{step.id}.outputs.{found[0]}"
        self.note(RepairKind.FIND, place_of_output, before, after, f"{place[1]} of {self.step_id} wants it")
        if reference != node:
            self.note(RepairKind.FIND, where, node, reference, "the output is the value itself")
        return reference

    def _argument_part(
        self, output: ValueSchema, source: Operation, operation: Operation, place: Place, accessors: Accessors
    ) -> Accessors:
        """Return the way to what an argument wants of an output, where the document's accessors lead nowhere."""
        name = str(accessors[-1]) if accessors else ""
        part = find_argument_value(output, source, operation, place, hint=name) if name else None
        # The `key` of an episode is not the `podcastKey` that the document wants of it.
        if not part:
            return ()
        is_named = name_key(str(part[-1])) in (name_key(place[1]), name_key(name))
        return part if is_named or set(name_words(name)) <= ID_WORDS else ()

    def mend(self, node: Any, where: str, target: ValueSchema | None = None) -> str | None:
        """Return a reference to a step's output with its accessors mended; None where it is right, or cannot be."""
        expression = _parse(node)
        step = self.workflow.step(expression.owner) if expression is not None else None
        if expression is None or step is None:
            return None
        found = split_name(expression.name, step.outputs)
        if found is None:
            return self._renamed(node, expression.owner, expression.name, step, where)
        name, accessors, bend = found
        base = f"$steps.{step.id}.outputs.{name}"
        value = self.schemas.of(base, self.workflow)
        if value.fault:
            return None
        part = value.part(accessors)
        if part.fault:
            elsewhere = self.elsewhere(value, accessors)
            if elsewhere is None:
                # The output may be the value itself: `outputs.user_id.id` of a text.
                if value.is_scalar and (target is None or target.is_scalar):
                    self.note(RepairKind.FIND, where, node, base, part.fault)
                    return base
                return None
            after = f"{base}{pointer(elsewhere)}"
            self.note(RepairKind.FIND, where, node, after, part.fault)
            return after
        if bend and EACH not in accessors:
            after = f"{base}{pointer(accessors)}"
            self.note(RepairKind.FORM, where, node, after, bend)
            return after
        return None

    def _renamed(self, node: str, owner: str, text: str, step: WorkflowStep, where: str) -> str | None:
        """Return a reference to the output of a step that has nearly the name; None for none, or several."""
        name = text.partition("#")[0].partition(".")[0]
        similar = [output for output in step.outputs if has_same_words(output, name)]
        if len(similar) != 1 and len(step.outputs) == 1:
            similar = list(step.outputs)
        if len(similar) != 1:
            return None
        renamed = f"{similar[0]}{text[len(name) :]}"
        if split_name(renamed, step.outputs) is None:
            return None
        after = f"$steps.{owner}.outputs.{renamed}"
        self.note(RepairKind.FIND, where, node, after, f"{owner} has no output {name}")
        return self.mend(after, where) or after

    def lost_reason(self, node: Any) -> str:
        for text in expressions_in(node):
            fault = self.schemas.of(text, self.workflow).fault
            if fault:
                return fault
            if earlier := self._runs_later(text):
                return earlier
        return ""

    def unfit_reason(self, node: Any, target: ValueSchema | None) -> str:
        """Return why a whole object or list cannot stand for one value; "" where it can, or nothing is known."""
        value = self.schemas.of(node, self.workflow) if _is_step_reference(node) else ValueSchema()
        if target is None or not value.is_described or value.fault:
            return ""
        types, target_types = set(value.types), set(target.types)
        is_plain = bool(types - {"object", "array", "null"})
        # One value stands for a list of one, and a number for its text.
        if not types or not target_types or types & target_types:
            return ""
        if is_plain and (target.is_scalar or "array" in target_types):
            return ""
        return f"it is {' or '.join(value.types)}, and nothing in it is plainly the value"

    def _runs_later(self, text: str) -> str:
        try:
            expression = parse_expression(text)
        except ExpressionError:
            return ""
        ids = [step.id for step in self.workflow.steps]
        if expression is None or expression.root is not Root.STEPS or self.step_id not in ids:
            return ""
        is_later = expression.owner in ids and ids.index(expression.owner) >= ids.index(self.step_id)
        return f"{expression.owner} runs later" if is_later else ""

    def _source_operation(self, node: str) -> Operation | None:
        expression = _parse(node)
        step = self.workflow.step(expression.owner) if expression is not None else None
        return self.schemas.linked.target(step).operation if step is not None else None


def _parse(node: Any) -> Expression | None:
    """Return the expression that a reference to a step's output is; None for anything else."""
    try:
        return parse_expression(node) if _is_step_reference(node) else None
    except ExpressionError:
        return None


def _is_step_reference(node: Any) -> bool:
    return isinstance(node, str) and node.startswith("$steps.")


def _pointer_of(node: str) -> Accessors:
    _, mark, text = node.partition("#")
    if not mark:
        return ()
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.removeprefix("/").split("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredArguments:
    """The required arguments of one step."""

    references: StepReferences

    def add(self, node: dict[str, Any], tool: Tool, where: str) -> None:
        """Give the required arguments that the step lacks: of an earlier step, else by a new input."""
        given = set(given_places(node, tool))
        has_body = any(location == "body" for location, _ in given)
        # What an optional body requires once it is sent.
        needed = tool.body_rules.get("required", ()) if has_body and ("body", "") not in given else ()
        by_place = {place: name for name, place in tool.places.items()}
        names = [by_place[("body", name)] for name in needed if ("body", name) in by_place]
        for name in (*tool.required, *names):
            place = tool.places[name]
            if place in given or (place[0] == "body" and ("body", "") in given):
                continue
            value = self._earlier_value(tool.operation, place)
            kind, reason = RepairKind.HAND_ON, f"{tool.operation.id} requires {place[1] or 'a body'}"
            if value is None:
                value, kind = self._new_input(tool, name, where), RepairKind.ASK
            self._add_argument(node, place, value)
            self.references.note(kind, f"{where}.{place[1] or 'payload'}", None, value, reason)

    def _earlier_value(self, operation: Operation, place: Place) -> str | None:
        """Return the value that an earlier step has for a place: its argument of that name, or an id of its answer."""
        steps, noun = self.references.workflow.steps, target_noun(operation, place)
        earlier = steps[: [step.id for step in steps].index(self.references.step_id)]
        for step in reversed(earlier):
            for parameter in step.parameters:
                is_same = parameter.location == place[0] and name_key(parameter.name) == name_key(place[1])
                source = self.references.schemas.linked.target(step).operation
                is_same_api = source is not None and source.spec is operation.spec
                # `id` of a sentence is not that of its book.
                if source is None or target_noun(source, (parameter.location, parameter.name)) != noun:
                    continue
                value = parameter.value
                if is_same and is_same_api and isinstance(value, str) and not self.references.lost_reason(value):
                    return value
        parameter_node = operation.parameter(*place) if place[0] != "body" else None
        if not is_id_argument(place, parameter_node):
            return None
        for step in reversed(earlier):
            source = self.references.schemas.linked.target(step).operation
            if source is None or source.spec is not operation.spec:
                continue
            if (value := self._answered_id(step, source, operation, place)) is not None:
                return value
        return None

    def _answered_id(self, step: WorkflowStep, source: Operation, operation: Operation, place: Place) -> str | None:
        """Return the id that a step answered for a place, as an output of it that is added where it has none."""
        if not _answers_item_of(source, operation, place):
            return None
        found = find_argument_value(self.references.schemas.answer(source), source, operation, place)
        if found is None:
            return None
        text = f"$response.body{pointer(found)}"
        name = next((name for name, node in step.outputs.items() if node == text), "")
        if not name:
            name = unique_name(place[1], step.outputs, "_")
            source_node = step_node(self.references.tree, self.references.workflow.id, step.id)
            object_in(source_node, "outputs")[name] = text
        return f"$steps.{step.id}.outputs.{name}"

    def _new_input(self, tool: Tool, name: str, where: str) -> str:
        """Return an expression for a new required input, or for the one of that name that the workflow has."""
        workflow = self.references.workflow
        inputs = object_in(workflow_node(self.references.tree, workflow.id), "inputs")
        if "$ref" in inputs:
            # A schema of the components is shared by workflows: this one gets its own.
            inputs.clear()
            inputs.update(unshared(workflow.inputs))
        inputs.setdefault("type", "object")
        properties = object_in(inputs, "properties")
        input_name = name
        if input_name in properties and not self._fits_input(properties[input_name], tool, name):
            input_name = unique_name(f"{self.references.step_id}_{name}".replace("-", "_"), properties, "_")
        if input_name not in properties:
            schema = tool.input_schema["properties"].get(name, {})
            definitions = tool.input_schema.get("$defs", {})
            properties[input_name] = schema
            if used := _used_definitions(schema, definitions):
                object_in(inputs, "$defs").update(used)
        required = list_in(inputs, "required")
        if input_name not in required:
            required.append(input_name)
        return f"$inputs.{input_name}"

    def _fits_input(self, schema: Any, tool: Tool, name: str) -> bool:
        """Return whether an input that stands already may be the value of an argument: it has the same type."""
        reader = self.references.schemas.reader(tool.operation.spec)
        wanted = ValueSchema(schema=tool.input_schema["properties"].get(name, {}), reader=reader)
        given = ValueSchema(schema=schema if isinstance(schema, Mapping) else {}, reader=wanted.reader)
        return not given.types or bool(set(given.types) & {*wanted.types, "string"}) or given.types == wanted.types

    def _add_argument(self, node: dict[str, Any], place: Place, value: str) -> None:
        location, name = place
        if location != "body":
            list_in(node, "parameters").append({"name": name, "in": location, "value": value})
            return
        body = object_in(node, "requestBody")
        if "payload" not in body:
            body.setdefault("contentType", "application/json")
        if not name:
            body["payload"] = value
            return
        payload = body.get("payload")
        body["payload"] = {**(payload if isinstance(payload, dict) else {}), name: value}


def _answers_item_of(source: Operation, operation: Operation, place: Place) -> bool:
    """Return whether an operation answers the item, or a list of the items, that a place of another identifies."""
    sources = id_sources(operation.spec).find_sources(operation, place)
    if any(entry.operation is source for entry in sources):
        return True
    # A creation is not a source of an id to look up: POST /orders answers the one of /orders/{id}.
    path, other = segments(operation.route), segments(source.route)
    index = position(path, place[1])
    return place[0] == "path" and index > 0 and shape(path[:index]) == shape(other)


def given_places(node: Mapping[str, Any], tool: Tool) -> Iterator[Place]:
    """Yield the places of an operation that a step gives a value for."""
    for parameter in list_of(node, "parameters"):
        if isinstance(parameter, Mapping):
            yield str(parameter.get("in", "")), str(parameter.get("name", ""))
            reference = str(parameter.get("reference", ""))
            if reference:
                yield from (place for place in tool.places.values() if place[1] == reference.rpartition(".")[2])
    body = node.get("requestBody")
    if isinstance(body, Mapping) and "payload" in body:
        payload = body["payload"]
        yield from (("body", str(name)) for name in payload) if isinstance(payload, Mapping) else (("body", ""),)
        if isinstance(payload, Mapping) and ("body", "") in tool.places.values():
            yield ("body", "")


def _used_definitions(schema: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definitions that a schema refers to, directly or not."""
    used: dict[str, Any] = {}
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            name = str(node.get("$ref", "")).removeprefix("#/$defs/")
            if name in definitions and name not in used:
                used[name] = definitions[name]
                pending.append(definitions[name])
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return used
