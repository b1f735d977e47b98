"""Gives required arguments that a step lacks: the value of an earlier step, else a new input of the workflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.english.words import name_key
from nlapi.openapi.spec import Operation
from nlapi.resources.id_sources import id_sources
from nlapi.resources.nouns import is_id_argument, target_noun
from nlapi.resources.paths import Place, position, segments, shape
from nlapi.tools.tool import Tool
from nlapi.workflows.expressions import pointer
from nlapi.workflows.model import WorkflowStep
from nlapi.workflows.references import StepReferences
from nlapi.workflows.repairs import RepairKind
from nlapi.workflows.tree_nodes import list_in, list_of, object_in, step_node, unshared, workflow_node
from nlapi.workflows.value_schemas import ValueSchema
from nlapi.workflows.value_search import find_argument_value


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
            name = _free_name(place[1], step.outputs)
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
            input_name = _free_name(f"{self.references.step_id}_{name}".replace("-", "_"), properties)
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
    # A creation is no source of an id to look up: POST /orders answers the one of /orders/{id}.
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


def _free_name(name: str, names: Mapping[str, Any]) -> str:
    free, number = name, 2
    while free in names:
        free, number = f"{name}_{number}", number + 1
    return free


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
