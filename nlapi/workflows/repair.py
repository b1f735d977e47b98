"""Proposes repairs of a workflow document: each is an edit of it, with its place and its reason; nothing is silent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from nlapi.english.words import name_key, name_words, singular_words
from nlapi.openapi.spec import Operation, as_map, escape_step
from nlapi.resources.id_sources import id_sources
from nlapi.resources.nouns import ID_WORDS, singular_noun, target_noun
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
    ExpressionPart,
    Root,
    expressions_in,
    pointer,
    read_expression,
    split_name,
)
from nlapi.workflows.model import ArazzoWorkflow, StepParameter, WorkflowStep
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


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def repair(linked: LinkedDocument) -> tuple[LinkedDocument, tuple[Repair, ...]]:
    """Return a document with its repairs made, and the list of them; the tree of it can be written to a file."""
    repairer = _Repairer(replace_tree(linked, unshared(linked.document.tree)))
    for workflow in linked.document.workflows:
        for step in workflow.steps:
            repairer.repair_step(workflow.id, step.id)
    return repairer.linked, tuple(repairer.repairs)


def replace_tree(linked: LinkedDocument, tree: dict[str, Any]) -> LinkedDocument:
    """Return a linked document with another tree and the same sources."""
    return ask_nested(replace(linked, document=with_tree(linked.document, tree)))


class _Repairer:
    """The repair of one document, step by step: what is under repair is of the edited tree.

    `node` is the node of the step, `tool` that of its operation, and `where` the place of the step.
    """

    workflow: ArazzoWorkflow
    step: WorkflowStep
    node: dict[str, Any]
    tool: Tool
    where: str

    def __init__(self, linked: LinkedDocument) -> None:
        self.linked = linked
        self.schemas = ValueSchemas(linked=linked)
        self.repairs: list[Repair] = []
        # The number of repairs that `linked` has.
        self.loaded = 0

    @property
    def tree(self) -> Any:
        return self.linked.document.tree

    @property
    def operation(self) -> Operation:
        return self.tool.operation

    def _schema(self, place: Place) -> ValueSchema | None:
        """Return the schema of a place of the operation; None where it has no such place."""
        return self.schemas.argument(self.operation, *place)

    def repair_step(self, workflow_id: str, step_id: str) -> None:
        """Repair one step; the steps that it refers to are repaired already."""
        self._open(workflow_id, step_id)
        operation = self.linked.target(self.step).operation
        if operation is None:
            return
        self.node, self.tool = step_node(self.tree, workflow_id, step_id), compile_tool(operation)
        self.where = f"workflows.{workflow_id}.steps.{step_id}"
        self._operation_path()
        self._step_outputs()
        self._parameters()
        self._payload()
        self._reload()
        self._required_arguments()
        self._reload()

    def _open(self, workflow_id: str, step_id: str) -> None:
        self.workflow = self.linked.document.workflow(workflow_id)
        self.step = next(step for step in self.workflow.steps if step.id == step_id)

    def _reload(self) -> None:
        # Each edit has its repair, and a document of many steps takes long to read.
        if self.loaded < len(self.repairs):
            self.loaded = len(self.repairs)
            self.linked = replace_tree(self.linked, self.tree)
            self.schemas = ValueSchemas(linked=self.linked, readers=self.schemas.readers)
            self._open(self.workflow.id, self.step.id)

    def _note(self, kind: RepairKind, where: str, before: Any, after: Any, reason: str) -> None:
        self.repairs.append(Repair(kind=kind, where=where, before=before, after=after, reason=reason))

    def _operation_path(self) -> None:
        node, operation = self.node, self.operation
        if "operationPath" not in node or not self.linked.target(self.step).issues:
            return
        name = next((name for name, spec in self.linked.specs.items() if spec is operation.spec), "")
        form = f"{{$sourceDescriptions.{name}.url}}#/paths/{escape_step(operation.path)}/{operation.method.lower()}"
        self._note(RepairKind.FORM, f"{self.where}.operationPath", node["operationPath"], form, "the standard's form")
        node["operationPath"] = form

    def _step_outputs(self) -> None:
        """Move outputs to where the answer has them, and write them as the standard does."""
        answer = self.schemas.answer(self.operation)
        outputs: Any = self.node.get("outputs")
        for name, text in list(outputs.items()) if isinstance(outputs, dict) else ():
            expression = read_expression(text)
            if expression is None or expression.root is not Root.RESPONSE:
                continue
            is_header = expression.part is ExpressionPart.HEADER
            fault = "" if is_header else answer.part(expression.accessors).fault
            after = ""
            if fault:
                accessors = self._elsewhere(answer, expression.accessors, self.operation)
                after = self._request_value(expression.accessors, answer)
                after = after or ("" if accessors is None else f"$response.body{pointer(accessors)}")
            elif expression.bends:
                part = f"header.{expression.name}" if is_header else f"body{pointer(expression.accessors)}"
                after = f"$response.{part}"
            if after:
                kind = RepairKind.FIND if fault else RepairKind.FORM
                self._note(kind, f"{self.where}.outputs.{name}", text, after, fault or expression.bends[0])
                outputs[name] = after
        self._reload()

    def _request_value(self, accessors: Accessors, answer: ValueSchema) -> str:
        """Return the expression of the request's value under the name of an output; "" for nothing.

        Some APIs do not answer what was sent: a user's name stands in the request, and the answer has an id.
        """
        if len(accessors) != 1 or find_named(answer, str(accessors[0])) is not None:
            return ""
        name = str(accessors[0])
        if name in as_map(as_map(self.node.get("requestBody")).get("payload")):
            return f"$request.body{pointer(accessors)}"
        places = (_place_of(as_map(parameter)) for parameter in list_of(self.node, "parameters"))
        location = next(
            (place[0] for place in places if place[1] == name and place[0] in ("path", "query", "header")), ""
        )
        return f"$request.{location}.{name}" if location else ""

    def _parameters(self) -> None:
        """Repair the parameters of a step, and leave out those that its operation does not have."""
        for parameter in [*list_of(self.node, "parameters")]:
            is_whole = isinstance(parameter, dict) and {"name", "value"} <= parameter.keys()
            if is_whole and not self._parameter(parameter):
                # At once: the document is read again for the next one.
                self.node["parameters"] = [entry for entry in self.node["parameters"] if entry is not parameter]
        if not list_of(self.node, "parameters"):
            self.node.pop("parameters", None)

    def _parameter(self, parameter: dict[str, Any]) -> bool:
        """Repair a parameter; where it cannot be sent, return False."""
        place = _place_of(parameter)
        label = f"{self.where}.parameters.{place[1]}"
        if place not in self.tool.places.values():
            same = self._same_parameter(place)
            if same is None:
                entry = StepParameter(name=place[1], location=place[0], value=None)
                reason = f"{self.operation.id} has no such parameter"
                reason = "it follows from the call" if is_implied(self.operation, entry, []) else reason
                self._note(RepairKind.OMIT, label, parameter["value"], None, reason)
                return False
            before = dict(parameter)
            parameter["in"], parameter["name"] = place = same
            self._note(RepairKind.FORM, label, before, dict(parameter), f"it is in the {place[0]}")
        self._fill_single_choice(parameter, place, label)
        return self._repair_value(parameter, "value", place, label, self._schema(place))

    def _same_parameter(self, place: Place) -> Place | None:
        """Return the one parameter that has the name of a place, however it is written."""
        places = set(self.tool.places.values())
        same = [entry for entry in places if entry[0] != "body" and name_key(entry[1]) == name_key(place[1])]
        return same[0] if len(same) == 1 else None

    def _payload(self) -> None:
        """Repair the payload of a step: its envelope, fields that the body does not have, and its values."""
        body = self.node.get("requestBody")
        if not isinstance(body, dict) or "payload" not in body:
            return
        where = f"{self.where}.payload"
        whole = self._schema(("body", ""))
        payload, reason = body["payload"], ""
        if whole is None:
            reason = f"{self.operation.id} takes no body"
        elif not isinstance(payload, dict):
            self._input_type(payload, whole)
            reason = self._lost_reason(payload)
        else:
            body["payload"] = payload = self._with_envelope(payload, whole, where)
            self._fields(payload, where)
        if reason:
            self._note(RepairKind.OMIT, where, payload, None, reason)
        if reason or payload == {}:
            del self.node["requestBody"]

    def _fields(self, payload: dict[str, Any], where: str) -> None:
        """Repair the fields of a payload: each stays, goes to the parameter that is meant, or is left out."""
        places = self.tool.places.values()
        is_flat = ("body", "") not in places
        is_closed = is_flat and self.tool.input_schema.get("additionalProperties") is False
        # A field that an open body allows is none that has the name of a parameter.
        others = {name for location, name in places if location != "body" and is_flat}
        for name in list(payload):
            label, place = f"{where}.{name}", ("body", str(name))
            target = self._schema(place)
            if place not in places and (is_closed or name in others or target is None):
                self._move(payload.pop(name), str(name), payload, label)
            elif isinstance(payload[name], dict) and target is not None:
                self._nested(payload[name], target, label)
            else:
                self._repair_value(payload, name, place, label, target)

    def _move(self, value: Any, name: str, payload: dict[str, Any], where: str) -> None:
        """Give the value of a field that the body does not have to the parameter or the field that is meant."""
        self._reload()
        place = self._free_place(name, value)
        value = self._argument(value, place, where) if place is not None else value
        target = self._schema(place) if place is not None else None
        if place is None or self._lost_reason(value) or self._unfit_reason(value, target):
            self._note(RepairKind.OMIT, where, value, None, f"the body of {self.operation.id} does not take {name}")
            return
        self._note(RepairKind.FORM, where, {name: value}, {place[1]: value}, f"it is {place[1]} in the {place[0]}")
        if place[0] == "body":
            payload[place[1]] = value
            return
        self._set_parameter(place, value)

    def _free_place(self, name: str, value: Any) -> Place | None:
        """Return the place that the field of a payload is meant for, by its name or by the thing in the path.

        None for none, or where the place has a value: but a value of an earlier step goes before a mere input.
        """
        matches = [place for place in self.tool.places.values() if _matches_field(name, place, self.operation)]
        places = [place for place in matches if place[0] != "body"] or matches
        if len(places) != 1:
            return None
        present_value = (
            str(self.step.arguments.get(places[0], "$inputs.")) if _step_reference(value) is not None else ""
        )
        return places[0] if places[0] not in self.step.arguments or present_value.startswith("$inputs.") else None

    def _set_parameter(self, place: Place, value: Any) -> None:
        """Give a parameter a value in the place of one that it may have."""
        parameters = list_in(self.node, "parameters")
        before = [entry for entry in parameters if _place_of(as_map(entry)) == place]
        parameters[:] = [entry for entry in parameters if entry not in before]
        parameters.append({"name": place[1], "in": place[0], "value": value})
        for entry in before:
            self._release_input(str(entry.get("value")))

    def _fill_single_choice(self, parameter: dict[str, Any], place: Place, where: str) -> None:
        """Give a parameter the one value that it takes: the `op` by which operations of one path differ."""
        target, before = self._schema(place), parameter["value"]
        choices = target.flat.get("enum") if target is not None else None
        if isinstance(choices, list) and len(choices) == 1 and str(before).startswith("$"):
            parameter["value"] = choices[0]
            self._note(RepairKind.FORM, where, before, choices[0], "it takes no other value")
            self._release_input(before)

    def _release_input(self, text: str) -> None:
        """Require an input no more whose expression stands nowhere else in the workflow."""
        workflow = workflow_node(self.tree, self.workflow.id)
        if text not in expressions_in({**workflow, "inputs": None}):
            required = list_of(workflow.get("inputs") or {}, "required")
            required[:] = [name for name in required if f"$inputs.{name}" != text]

    def _repair_value(
        self, holder: dict[str, Any], name: str, place: Place, where: str, target: ValueSchema | None
    ) -> bool:
        """Repair the value that a parameter or a payload has by a name; where it cannot be sent, return False."""
        holder[name] = value = self._argument(holder[name], place, where, target)
        self._input_type(value, target)
        reason = self._lost_reason(value) or self._unfit_reason(value, target)
        if reason:
            self._note(RepairKind.OMIT, where, holder.pop(name), None, reason)
        return not reason

    def _nested(self, payload: dict[str, Any], schema: ValueSchema, where: str) -> None:
        """Repair the values of an object inside a payload; fields of it that are not described stay."""
        for name, value in list(payload.items()):
            member, label = schema.part((name,)), f"{where}.{name}"
            if isinstance(value, dict):
                self._nested(value, member, label)
            else:
                self._repair_value(payload, name, ("body", str(name)), label, member)

    def _input_type(self, value: Any, target: ValueSchema | None) -> None:
        """Give an input the type that the operation takes, where the document says an object or a list of another."""
        name = str(value).removeprefix("$inputs.") if str(value).startswith("$inputs.") else ""
        properties = as_map(workflow_node(self.tree, self.workflow.id).get("inputs")).get("properties")
        if not isinstance(properties, dict) or not name or target is None or not target.types:
            return
        types = set(schema_types(as_map(properties.get(name))))
        # A whole number is a number.
        if not types or types & {*target.types, "string", *(("integer",) if "number" in target.types else ())}:
            return
        reason = f"{self.operation.id} takes {' or '.join(target.types)}"
        after = {"type": target.types[0] if len(target.types) == 1 else list(target.types)}
        self._note(RepairKind.TYPE, f"workflows.{self.workflow.id}.inputs.{name}", properties[name], after, reason)
        properties[name] = after

    def _with_envelope(self, payload: dict[str, Any], whole: ValueSchema, where: str) -> dict[str, Any]:
        """Return a payload in the envelope of the body, where its fields are those inside of it."""
        if not payload or any(name in whole.properties for name in payload):
            return payload
        # The only object of a body is its envelope, whatever the document calls the fields in it.
        is_only = len(whole.properties) == 1
        for name in whole.properties:
            inner = whole.part((name,)).properties
            fields = {old: _field_name(str(old), inner) if is_only else str(old) for old in payload}
            renames = {old: new for old, new in fields.items() if new in inner}
            is_envelope = bool(renames) if is_only else len(renames) * 2 > len(payload)
            if is_envelope and len(set(renames.values())) == len(renames):
                wrapped = {name: {renames[old]: value for old, value in payload.items() if old in renames}}
                self._note(RepairKind.ENVELOPE, where, list(payload), wrapped, f"the body has its fields in {name}")
                for old in payload.keys() - renames.keys():
                    self._note(RepairKind.OMIT, f"{where}.{old}", payload[old], None, f"{name} has no such field")
                return wrapped
        return payload

    # --- references to the outputs of earlier steps

    def _elsewhere(
        self, value: ValueSchema, accessors: Accessors, operation: Operation | None = None
    ) -> Accessors | None:
        """Return where a value has the part that wrong accessors mean: in its item, else at the nearest such name."""
        base, entry = entry_of(value)
        if value.is_scalar:
            return ()
        names = tuple(part for step in accessors for part in str(step).split(".") if not part.isdecimal())
        for candidate in (accessors, names):
            if candidate and entry.part(candidate).is_described:
                return (*base, *candidate)
        # `#/0/code` of a list of codes is the code itself.
        prefixes = (accessors[:end] for end in range(len(accessors) - 1, 0, -1))
        prefix = next((prefix for prefix in prefixes if value.part(prefix).is_scalar), None)
        if prefix is not None or not names:
            return prefix
        return _nearest_part(value, names) or _part_by_noun(value, names, operation)

    def _argument(self, node: Any, place: Place, where: str, target: ValueSchema | None = None) -> Any:
        """Return the repaired value of an argument. `target` is the schema of it, or of a field inside of it."""
        target = target or self._schema(place)
        node = self._mended(node, where)
        value = self.schemas.of(node, self.workflow)
        if value.fault:
            return self._moved_output(node, place, where)
        # One value stands for a list of one.
        if target is not None and target.types == ("array",):
            target = target.part((0,)) if not value.part((0,)).is_scalar else None
        source = self._source(node)
        answering = self._called(source[0]) if source is not None else None
        if target is None or source is None or answering is None or not target.is_scalar:
            return node
        step, name, accessors = source
        part = find_argument_value(value, answering, self.operation, place, hint=name)
        if not part:
            return node
        after = f"$steps.{step.id}.outputs.{name}{pointer((*accessors, *part))}"
        self._note(RepairKind.TAKE, where, node, after, f"{place[1]} takes {' or '.join(target.types)}")
        return after

    def _moved_output(self, node: Any, place: Place, where: str) -> Any:
        """Return a reference whose output, which the answer does not have, is set to what the argument wants of it.

        Of an output that the answer has, it is the part that the argument wants.
        """
        source = self._source(node)
        answering = self._called(source[0]) if source is not None else None
        if source is None or answering is None:
            return node
        step, name, accessors = source
        before = step.outputs[name]
        output = self.schemas.of(before, self.workflow, step)
        if not output.fault:
            part = self._argument_part(output, answering, place, accessors)
            if not part:
                return node
            after = f"$steps.{step.id}.outputs.{name}{pointer(part)}"
            self._note(RepairKind.FIND, where, node, after, f"{place[1]} wants it")
            return after
        answer = self.schemas.answer(answering)
        # `details.chapters[0].number` fits an answer that is the details themselves.
        is_whole = bool(accessors) and answer.part(accessors).is_described
        target_part = () if is_whole else find_argument_value(answer, answering, self.operation, place, hint=name)
        outputs = step_node(self.tree, self.workflow.id, step.id)["outputs"]
        after = f"$response.body{pointer(target_part or ())}"
        # Another argument of this step may have moved it already.
        if (not target_part and not is_whole) or outputs[name] not in (before, after):
            return node
        reference = f"$steps.{step.id}.outputs.{name}{pointer(accessors if is_whole else ())}"
        if outputs[name] == before:
            outputs[name] = after
            place_of_output = f"workflows.{self.workflow.id}.steps.{step.id}.outputs.{name}"
            self._note(RepairKind.FIND, place_of_output, before, after, f"{place[1]} of {self.step.id} wants it")
            if reference != node:
                self._note(RepairKind.FIND, where, node, reference, "the output is the value itself")
            self._reload()
        return reference

    def _argument_part(self, output: ValueSchema, source: Operation, place: Place, accessors: Accessors) -> Accessors:
        """Return the way to what an argument wants of an output, where the document's accessors lead nowhere."""
        name = "".join(map(str, accessors[-1:]))
        part = find_argument_value(output, source, self.operation, place, hint=name)
        # The `key` of an episode is not the `podcastKey` that the document wants of it.
        if not part:
            return ()
        is_named = name_key(str(part[-1])) in (name_key(place[1]), name_key(name))
        return part if is_named or set(name_words(name)) <= ID_WORDS else ()

    def _mended(self, node: Any, where: str) -> Any:
        """Return a value, which if it refers to a step's output has its accessors mended."""
        expression = _step_reference(node)
        step = self.workflow.step(expression.owner) if expression is not None else None
        if expression is None or step is None:
            return node
        match = split_name(expression.name, step.outputs)
        if match is None:
            return self._renamed(node, expression.name, step, where)
        name, accessors, bend = match
        base = f"$steps.{step.id}.outputs.{name}"
        value = self.schemas.of(base, self.workflow)
        part = value.part(accessors)
        if value.fault or (not part.fault and (not bend or EACH in accessors)):
            return node
        elsewhere = self._elsewhere(value, accessors) if part.fault else accessors
        if elsewhere is None:
            return node
        after = f"{base}{pointer(elsewhere)}"
        self._note(RepairKind.FIND if part.fault else RepairKind.FORM, where, node, after, part.fault or bend)
        return after

    def _renamed(self, node: str, text: str, step: WorkflowStep, where: str) -> str:
        """Return a reference to the output of a step that has nearly the name, or is its only one."""
        name = text.partition("#")[0].partition(".")[0]
        similar = [output for output in step.outputs if has_same_words(output, name)]
        outputs = similar if len(similar) == 1 else list(step.outputs)
        renamed = f"{outputs[0]}{text[len(name) :]}" if len(outputs) == 1 else ""
        if not renamed or split_name(renamed, step.outputs) is None:
            return node
        after = f"$steps.{step.id}.outputs.{renamed}"
        self._note(RepairKind.FIND, where, node, after, f"{step.id} has no output {name}")
        return str(self._mended(after, where))

    def _lost_reason(self, node: Any) -> str:
        """Return why an expression in a value has none; "" where each has one."""
        faults = (self.schemas.of(text, self.workflow).fault for text in expressions_in(node))
        return next(filter(None, faults), "")

    def _unfit_reason(self, node: Any, target: ValueSchema | None) -> str:
        """Return why a whole object or list cannot stand for one value; "" where it can, or nothing is known."""
        value = self.schemas.of(node, self.workflow) if _step_reference(node) is not None else ValueSchema()
        types, target_types = set(value.types), set(target.types if target is not None else ())
        # One value stands for a list of one, and a number for its text.
        is_plain = bool(types - {"object", "array", "null"})
        stands = is_plain and bool(target_types) and ("array" in target_types or "object" not in target_types)
        if not types or not target_types or types & target_types or stands:
            return ""
        return f"it is {' or '.join(value.types)}, and nothing in it is plainly the value"

    def _source(self, node: Any) -> tuple[WorkflowStep, str, Accessors] | None:
        """Return the step, the name and the accessors of the output that a value is; None for any other value."""
        expression = _step_reference(node)
        step = self.workflow.step(expression.owner) if expression is not None else None
        match = split_name(expression.name, step.outputs) if expression is not None and step is not None else None
        return (step, match[0], match[1]) if step is not None and match is not None else None

    def _called(self, step: WorkflowStep) -> Operation | None:
        return self.linked.target(step).operation

    # --- required arguments

    def _required_arguments(self) -> None:
        """Give the required arguments that the step lacks: of an earlier step, else by a new input."""
        tool = self.tool
        for name in self._lacking():
            place = tool.places[name]
            value = self._earlier_value(place)
            kind = RepairKind.ASK if value is None else RepairKind.HAND_ON
            value = value or self._new_input(name)
            _add_argument(self.node, place, value)
            reason = f"{tool.operation.id} requires {place[1] or 'a body'}"
            self._note(kind, f"{self.where}.{place[1] or 'payload'}", None, value, reason)

    def _lacking(self) -> list[str]:
        """Return the arguments that are required and that the step does not give."""
        tool, step = self.tool, self.step
        places, required = set(step.arguments), list(tool.required)
        by_place = {place: name for name, place in tool.places.items()}
        # An empty payload is left out without a word.
        payload = step.body.payload if step.body is not None and "requestBody" in self.node else None
        if payload is not None and (not isinstance(payload, Mapping) or ("body", "") in by_place):
            places |= {place for place in by_place if place[0] == "body"}
        elif payload is not None:
            # What an optional body requires once it is sent.
            needed = (("body", name) for name in tool.body_rules.get("required", ()))
            required += (by_place[place] for place in needed if place in by_place)
        return [name for name in required if tool.places[name] not in places]

    def _earlier_value(self, place: Place) -> str | None:
        """Return the value that an earlier step has for a place: its argument of that name, or an id of its answer."""
        earlier = [
            (step, source)
            for step in reversed(self.workflow.steps[: self.workflow.steps.index(self.step)])
            if (source := self._called(step)) is not None and source.spec is self.operation.spec
        ]
        values = (entry.value for step, source in earlier for entry in self._same_parameters(step, source, place))
        if argument := next((value for value in values if not self._lost_reason(value)), None):
            return str(argument)
        ids = (self._answered_id(step, source, place) for step, source in earlier)
        return next(filter(None, ids), None)

    def _same_parameters(self, step: WorkflowStep, source: Operation, place: Place) -> Iterator[StepParameter]:
        """Yield the parameters of a step, which calls `source`, that are of one name and one thing with a place."""
        noun = target_noun(self.operation, place)
        for entry in step.parameters:
            is_same = entry.location == place[0] and name_key(entry.name) == name_key(place[1])
            # `id` of a sentence is not that of its book.
            if is_same and isinstance(entry.value, str) and target_noun(source, (entry.location, entry.name)) == noun:
                yield entry

    def _answered_id(self, step: WorkflowStep, source: Operation, place: Place) -> str | None:
        """Return the id that a step answered for a place, as an output of it that is added where it has none."""
        if not _answers_item_of(source, self.operation, place):
            return None
        part = find_argument_value(self.schemas.answer(source), source, self.operation, place)
        if part is None:
            return None
        text = f"$response.body{pointer(part)}"
        name = next((name for name, node in step.outputs.items() if node == text), "")
        if not name:
            name = unique_name(place[1], step.outputs, "_")
            object_in(step_node(self.tree, self.workflow.id, step.id), "outputs")[name] = text
        return f"$steps.{step.id}.outputs.{name}"

    def _new_input(self, name: str) -> str:
        """Return an expression for a new required input, or for the one of that name that the workflow has."""
        inputs = object_in(workflow_node(self.tree, self.workflow.id), "inputs")
        if "$ref" in inputs:
            # A schema of the components is shared by workflows: this one gets its own.
            inputs.clear()
            inputs.update(unshared(self.workflow.inputs))
        inputs.setdefault("type", "object")
        properties = object_in(inputs, "properties")
        schema = self.tool.input_schema["properties"].get(name, {})
        if name not in properties:
            properties[name] = schema
            if used := _used_definitions(schema, self.tool.input_schema.get("$defs", {})):
                object_in(inputs, "$defs").update(used)
        required = list_in(inputs, "required")
        if name not in required:
            required.append(name)
        return f"$inputs.{name}"


def _nearest_part(value: ValueSchema, names: tuple[str, ...]) -> Accessors | None:
    """Return the way to the nearest part of a value with the last of some names; None for none."""
    part = find_named(value, names[-1])
    # `product.custom_fields[0].id` is not the product's own id.
    is_id = bool(ID_WORDS.intersection(name_words(names[-1])[-1:]))
    if part is not None and len(names) > 1 and is_id and names[-2] not in part:
        return None
    return part


def _part_by_noun(value: ValueSchema, names: tuple[str, ...], operation: Operation | None) -> Accessors | None:
    """Return the way to the answer, list or item of an operation that a name is the noun of, or to its field."""
    noun = singular_noun(operation) if operation is not None else ()
    # The whole answer, its list or its item, is called by its schema's name, or by its noun.
    if operation is not None and names == (ref_of(value.schema).rpartition("/")[2],):
        return ()
    if not noun or len(names) > 1:
        return None
    base, entry = entry_of(value)
    if singular_words(names[0])[-1:] == noun[-1:]:
        return base[:-1] if base[-1:] == (0,) else base
    # `offering_id` of a list of offerings is the `id` of its first one.
    suffix = suffix_field(entry, names[0]) if noun[-1] in name_words(names[0])[:-1] else None
    return (*base, suffix) if suffix is not None else None


def _matches_field(name: str, place: Place, operation: Operation) -> bool:
    """Return whether a name is that of a parameter: `document_id` is the `id` of /documents/{id}/send."""
    *words, last = name_words(name) or ("",)
    is_id = place[0] == "path" and last in ID_WORDS and ID_WORDS.issuperset(name_words(place[1]))
    is_of_item = is_id and singular_words("_".join(words))[-1:] == target_noun(operation, place)[-1:] != ()
    return is_of_item or name_key(name) == name_key(place[1])


def _place_of(parameter: Mapping[str, Any]) -> Place:
    return str(parameter.get("in", "")), str(parameter.get("name", ""))


def _field_name(name: str, fields: Collection[str]) -> str | None:
    """Return the field that a name is, or nearly is; None for none, or several."""
    if name in fields:
        return name
    matches = [key for key in fields if {name_words(name), _without_id(name)} & {name_words(key), _without_id(key)}]
    return matches[0] if len(matches) == 1 else None


def _without_id(name: str) -> tuple[str, ...]:
    words = name_words(name)
    return words[:-1] if len(words) > 1 and words[-1] in ID_WORDS else words


def _step_reference(node: Any) -> Expression | None:
    """Return the expression that a reference to a step's output is; None for anything else."""
    expression = read_expression(node)
    return expression if expression is not None and expression.root is Root.STEPS else None


def _add_argument(node: dict[str, Any], place: Place, value: str) -> None:
    location, name = place
    if location != "body":
        list_in(node, "parameters").append({"name": name, "in": location, "value": value})
        return
    body = object_in(node, "requestBody")
    if "payload" not in body:
        body.setdefault("contentType", "application/json")
    body["payload"] = {**as_map(body.get("payload")), name: value} if name else value


def _answers_item_of(source: Operation, operation: Operation, place: Place) -> bool:
    """Return whether an operation answers the item, or a list of the items, that a place of another identifies."""
    sources = id_sources(operation.spec).find_sources(operation, place)
    if any(entry.operation is source for entry in sources):
        return True
    # A creation is not a source of an id to look up: POST /orders answers the one of /orders/{id}.
    path, other = segments(operation.route), segments(source.route)
    index = position(path, place[1])
    return index > 0 and shape(path[:index]) == shape(other)


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
