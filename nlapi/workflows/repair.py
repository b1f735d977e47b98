"""Proposes repairs of a workflow document: each is an edit of it, with its place and its reason; nothing is silent."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.paths import Place
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool
from nlapi.workflows.bind import is_implied
from nlapi.workflows.conditions import Comparison, ConditionError, Literal, Operator, parse_condition
from nlapi.workflows.expressions import (
    Expression,
    ExpressionError,
    Part,
    Root,
    parse_expression,
    pointer,
)
from nlapi.workflows.model import StepParameter, Workflow, WorkflowStep
from nlapi.workflows.read import parse_document
from nlapi.workflows.references import References
from nlapi.workflows.repairs import Repair, RepairKind
from nlapi.workflows.required_arguments import RequiredArguments, given_places, step_node, workflow_node
from nlapi.workflows.sources import LinkedDocument
from nlapi.workflows.value_schemas import ValueSchema, ValueSchemas


def repair(linked: LinkedDocument) -> tuple[LinkedDocument, tuple[Repair, ...]]:
    """Return a document with its repairs made, and the list of them; the tree of it can be written to a file."""
    repairer = _Repairer(linked=replace_tree(linked, copy.deepcopy(dict(linked.document.tree))))
    for workflow in linked.document.workflows:
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
    schemas: ValueSchemas = field(init=False)
    workflow: Workflow = field(init=False)
    current: WorkflowStep = field(init=False)
    references: References = field(init=False)

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
        RequiredArguments(references=self.references, tree=self.tree).add(node, tool, where)
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
        self.references = References(
            schemas=self.schemas, workflow=self.workflow, step_id=self.current.id, note=self._note
        )

    def _reload(self) -> None:
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
        described = [response.status for response in operation.responses]
        successes = [status for status in described if status.startswith("2") and status.isdecimal()]
        for criterion in node.get("successCriteria") or ():
            condition = criterion.get("condition") if isinstance(criterion, dict) else None
            status = _expected_success(condition)
            if status is None or str(status) in described or "2XX" in (entry.upper() for entry in described):
                continue
            if not successes:
                continue
            texts = [f"$statusCode == {success}" for success in successes]
            after = " || ".join(texts)
            self._note(
                RepairKind.STATUS,
                f"{where}.successCriteria",
                condition,
                after,
                f"{operation.id} does not answer {status}",
            )
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
            if expression.part is Part.HEADER:
                if expression.bends:
                    after = f"$response.header.{expression.name}"
                    self._note(RepairKind.FORM, place, text, after, expression.bends[0])
                    outputs[name] = after
                continue
            value = answer.part(expression.accessors)
            if value.fault:
                found = self.references.elsewhere(answer, expression.accessors, operation)
                if found is not None:
                    after = f"$response.body{pointer(found)}"
                    self._note(RepairKind.FIND, place, text, after, value.fault)
                    outputs[name] = after
            elif expression.bends:
                after = f"$response.body{pointer(expression.accessors)}"
                self._note(RepairKind.FORM, place, text, after, expression.bends[0])
                outputs[name] = after
        self._reload()
        self._open(self.workflow.id, self.current.id)

    def _parameters(self, node: dict[str, Any], tool: Tool, where: str) -> None:
        """Repair the parameters of a step, and leave out those that its operation does not have."""
        operation, kept = tool.operation, []
        places = set(tool.places.values())
        for parameter in node.get("parameters") or ():
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
            fixed = self.references.argument(parameter.get("value"), operation, place, label)
            if fixed is not None:
                parameter["value"] = fixed
            elif reason := self.references.lost_reason(parameter.get("value")):
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
            if reason := self.references.lost_reason(payload):
                self._note(RepairKind.OMIT, where, payload, None, reason)
                del node["requestBody"]
            return
        payload = self._with_envelope(payload, whole, where)
        for name in list(payload):
            label = f"{where}.{name}"
            member = whole.part((name,))
            if member.fault and (place := _free_place(name, tool, node)) is not None:
                value = payload.pop(name)
                self._note(RepairKind.FORM, label, value, {"in": place[0], "value": value}, f"it is in the {place[0]}")
                node.setdefault("parameters", []).append({"name": place[1], "in": place[0], "value": value})
                continue
            if member.fault:
                self._note(
                    RepairKind.OMIT, label, payload.pop(name), None, f"the body of {tool.operation.id} has no {name}"
                )
                continue
            value = payload[name]
            if isinstance(value, dict):
                self._nested(value, member, label)
                continue
            fixed = self.references.argument(value, tool.operation, ("body", name), label)
            if fixed is not None:
                payload[name] = fixed
            elif reason := self.references.lost_reason(value):
                self._note(RepairKind.OMIT, label, payload.pop(name), None, reason)
        body["payload"] = payload
        if not payload:
            del node["requestBody"]

    def _nested(self, payload: dict[str, Any], schema: ValueSchema, where: str) -> None:
        """Repair the values of an object inside a payload; fields of it that are not described stay."""
        for name, value in list(payload.items()):
            member = schema.part((name,))
            if isinstance(value, dict):
                self._nested(value, member, f"{where}.{name}")
                continue
            fixed = self.references.mend(value, f"{where}.{name}", member)
            if fixed is not None:
                payload[name] = fixed
            elif reason := self.references.lost_reason(value):
                self._note(RepairKind.OMIT, f"{where}.{name}", payload.pop(name), None, reason)

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
            if known and sum(field_name in known for field_name in payload) * 2 > len(payload):
                wrapped = {name: payload}
                self._note(RepairKind.ENVELOPE, where, list(payload), wrapped, f"the body has its fields in {name}")
                return wrapped
        return payload


def _free_place(name: str, tool: Tool, node: Mapping[str, Any]) -> Place | None:
    """Return the parameter that has the name of a payload's field and no value yet; None for none."""
    given = set(given_places(node, tool))
    places = [place for place in tool.places.values() if place[0] != "body" and place[1] == name]
    return places[0] if len(places) == 1 and places[0] not in given else None


def _same_place_name(place: Place, other: Place) -> bool:
    return place[1] == other[1] or (place[0] == other[0] == "header" and place[1].lower() == other[1].lower())


def _expected_success(condition: Any) -> int | None:
    """Return the status of success that a condition compares with and nothing else; None for any other condition."""
    try:
        parsed = parse_condition(condition) if isinstance(condition, str) else None
    except ConditionError:
        return None
    if not isinstance(parsed, Comparison) or parsed.operator is not Operator.EQUAL:
        return None
    is_status = isinstance(parsed.left, Expression) and parsed.left.root is Root.STATUS_CODE
    value = parsed.right.value if isinstance(parsed.right, Literal) else None
    return value if is_status and isinstance(value, int) and 200 <= value < 300 else None
