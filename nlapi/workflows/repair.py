"""Proposes repairs of a workflow document: each is an edit of it, with its place and its reason; nothing is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.english.words import name_words
from nlapi.openapi.spec import Operation
from nlapi.resources.nouns import ID_WORDS
from nlapi.resources.paths import Place
from nlapi.resources.schemas import schema_types
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool
from nlapi.workflows.bind import is_implied
from nlapi.workflows.expressions import (
    Accessors,
    ExpressionError,
    ExpressionPart,
    Root,
    parse_expression,
    pointer,
)
from nlapi.workflows.model import ArazzoWorkflow, Criterion, StepParameter, WorkflowStep
from nlapi.workflows.read import MAX_STEPS, parse_document
from nlapi.workflows.references import StepReferences
from nlapi.workflows.repairs import Repair, RepairKind
from nlapi.workflows.required_arguments import RequiredArguments, given_places
from nlapi.workflows.sources import LinkedDocument
from nlapi.workflows.statuses import describes_status, required_status
from nlapi.workflows.tree_nodes import list_in, list_of, step_node, unshared, workflow_node
from nlapi.workflows.value_schemas import ValueSchema, ValueSchemas
from nlapi.workflows.value_search import find_named


def repair(linked: LinkedDocument) -> tuple[LinkedDocument, tuple[Repair, ...]]:
    """Return a document with its repairs made, and the list of them; the tree of it can be written to a file."""
    repairer = _Repairer(linked=replace_tree(linked, unshared(linked.document.tree)))
    for workflow in linked.document.workflows:
        # The check refuses it, and each repair reads the document again.
        if len(workflow.steps) > MAX_STEPS:
            continue
        for step in workflow.steps:
            repairer.step(workflow.id, step.id)
        repairer.outputs(workflow.id)
    return repairer.linked, tuple(repairer.repairs)


def replace_tree(linked: LinkedDocument, tree: dict[str, Any]) -> LinkedDocument:
    """Return a linked document with another tree and the same sources."""
    document = parse_document(tree, linked.document.location)
    return LinkedDocument(document=document, specs=linked.specs, documents=linked.documents, issues=linked.issues)


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
        """Repair one step; what it uses of earlier ones is repaired already."""
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
        """Return the expression of what the request of a step has under the name of an output; "" for nothing.

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
        """Repair the fields of a payload: each stays, goes to the parameter of its name, is renamed or left out."""
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
        place = _free_place(name, tool, node) or _renamed_field(name, payload, tool)
        fixed = self._argument(value, operation, place, where) if place is not None else None
        value = fixed if fixed is not None else value
        if place is not None and not self._unusable(value, operation, place):
            kind, reason = RepairKind.FORM, f"it is {place[1]} in the {place[0]}"
            self._note(kind, where, {name: value}, {place[1]: value}, reason)
            if place[0] == "body":
                payload[place[1]] = value
            else:
                list_in(node, "parameters").append({"name": place[1], "in": place[0], "value": value})
            return
        self._note(RepairKind.OMIT, where, value, None, f"the body of {operation.id} does not take {name}")

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


def _free_place(name: str, tool: Tool, node: Mapping[str, Any]) -> Place | None:
    """Return the parameter that has the name of a payload's field and no value yet; None for none."""
    given = set(given_places(node, tool))
    places = [place for place in tool.places.values() if place[0] != "body" and place[1] == name]
    return places[0] if len(places) == 1 and places[0] not in given else None


def _renamed_field(name: str, payload: Mapping[str, Any], tool: Tool) -> Place | None:
    """Return the one field of a body that is nearly called so and has no value yet: `custom_field` for its `_gid`."""
    fields = {place[1]: place for place in tool.places.values() if place[0] == "body" and place[1] not in payload}
    found = _field_name(name, {field_name: {} for field_name in fields if field_name})
    return fields[found] if found is not None else None


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
    return place[1] == other[1] or (place[0] == other[0] == "header" and place[1].lower() == other[1].lower())
