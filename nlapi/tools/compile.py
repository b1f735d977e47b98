"""The conversion of an Operation into a Tool, with the location of each argument in the request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nlapi.openapi.hints import hidden, hints
from nlapi.openapi.parts import Body, Parameter, Schema, is_form, may_be_json
from nlapi.openapi.spec import Operation, Spec
from nlapi.openapi.uncollected import uncollected
from nlapi.tools.name import argument_name, tool_names
from nlapi.tools.schema import OF_THE_WHOLE, Pool
from nlapi.tools.text import first_sentence, plain, says
from nlapi.tools.tool import Place, Tool

PLACES = ("path", "query", "header", "cookie")
SCALARS = ("string", "integer", "number", "boolean")


def tools(spec: Spec, operations: Iterable[Operation] | None = None) -> tuple[Tool, ...]:
    """Return the Tools of a Spec, or of some of its operations, in their order; hidden operations have none.

    An operation that cannot be converted is left out; `spec.issues` names it.
    """
    chosen = spec.shown if operations is None else operations
    with uncollected():
        return tuple(compile_tool(operation) for operation in chosen if operation.usable)


class _Workshop:
    """The names, the pool of schemas and the tools made so far of one Spec."""

    def __init__(self, spec: Spec) -> None:
        names = tool_names(spec.operations)
        self.names = {operation.id: name for operation, name in zip(spec.operations, names, strict=True)}
        self.pool = Pool(spec)
        self.made: dict[str, Tool] = {}


def compile_tool(operation: Operation) -> Tool:
    """Return the Tool of one operation, the same object each time; its name does not depend on the other tools."""
    workshop = operation.spec.derive(_Workshop)
    if operation.id not in workshop.made:
        workshop.made[operation.id] = _compile(operation, workshop)
    return workshop.made[operation.id]


def _compile(operation: Operation, workshop: _Workshop) -> Tool:
    arguments = _Arguments(workshop.pool)
    for place in PLACES:
        for parameter in operation.parameters:
            if parameter.where == place:
                arguments.add_parameter(parameter)
    if operation.body is not None:
        arguments.add_body(operation.body)
    return Tool(
        name=workshop.names[operation.id],
        description=describe(operation),
        input_schema=arguments.schema(),
        operation=operation,
        places=arguments.places,
        body_rules=arguments.body_rules,
    )


class _Arguments:
    """The arguments of one tool during its construction."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.properties: dict[str, Any] = {}
        self.required: list[str] = []
        self.places: dict[str, Place] = {}
        self.refs: set[str] = set()
        self.additional: Any = False
        self.body_rules: dict[str, Any] = {}

    def schema(self) -> dict[str, Any]:
        """Return the input schema: one self-contained object schema with `$defs`."""
        schema: dict[str, Any] = {"type": "object", "properties": self.properties}
        if self.required:
            schema["required"] = self.required
        schema["additionalProperties"] = self.additional
        if definitions := self.pool.definitions(self.refs):
            schema["$defs"] = definitions
        return schema

    def _portable(self, schema: Any) -> Any:
        portable, refs = self.pool.portable(schema)
        self.refs |= refs
        return portable

    def _add(self, place: Place, schema: Any, description: str, required: bool) -> None:
        wire = place[1] or "body"
        given = hints(schema).name
        name = argument_name(given or wire, place[0], self.places)
        if name != wire and not given:
            description = f"{description} (sent as {wire} in the {place[0]})".strip()
        portable, refs = self.pool.described(schema, description)
        self.properties[name] = portable
        self.refs |= refs
        self.places[name] = place
        if required:
            self.required.append(name)

    def add_parameter(self, parameter: Parameter) -> None:
        if hidden(self.pool.spec.follow(parameter.schema), required=parameter.required):
            return
        description = parameter.description or _description(self.pool.spec, parameter.schema)
        if parameter.deprecated:
            description = f"Deprecated. {description}".strip()
        self._add((parameter.where, parameter.name), parameter.schema, description, parameter.required)

    def add_body(self, body: Body) -> None:
        """Add the body's properties as arguments where they can stand alone, else one argument for the whole body."""
        flat = self.pool.object(body.schema) if _by_property(body.content_type) else None
        if flat is None:
            self._add_whole_body(body)
            return
        unseen = self.pool.unseen(flat)
        properties = {name: one for name, one in flat["properties"].items() if name not in unseen}
        needed = [name for name in flat.get("required", ()) if name in properties]
        for name, schema in properties.items():
            description = _description(self.pool.spec, schema)
            self._add(("body", name), schema, description, body.required and name in needed)
        # Some descriptions require a property that they do not declare. It stays optional here, or nobody could make
        # the call.
        for name in (one for one in flat.get("required", ()) if one not in flat["properties"]):
            self._add(("body", name), {}, "", False)
        self.body_rules = {key: flat[key] for key in OF_THE_WHOLE if key in flat}
        if needed and not body.required:
            self.body_rules["required"] = needed
        if "additionalProperties" in flat:
            self.additional = self._portable(flat["additionalProperties"])
        # More properties are required than are declared, so undeclared ones have to be allowed.
        elif flat.get("minProperties", 0) > len(properties):
            self.additional = True

    def _add_whole_body(self, body: Body) -> None:
        schema, description = body.schema, body.description or _description(self.pool.spec, body.schema)
        if not _by_property(body.content_type):
            description = f"{description} (sent as {body.content_type})".strip()
            if schema.get("type") not in SCALARS:  # nlapi does not write XML, CSV and the like from data
                content = {"contentMediaType": body.content_type, "contentSchema": schema} if schema else {}
                schema = {"type": "string", **content}
        elif is_form(body.content_type):
            schema = _as_fields(schema)
        self._add(("body", ""), schema, description, body.required)


def _by_property(content_type: str) -> bool:
    """Return whether a body of this media type is written from the properties of an object."""
    return may_be_json(content_type) or is_form(content_type)


def _as_fields(schema: Schema) -> Schema:
    """Return the schema of a form's fields: always an object, as nothing else can be encoded as a form.

    A declared type other than object is kept as `contentSchema`, which a model reads and the validator ignores.
    """
    kinds = schema.get("type", "object")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds):
        return {**schema, "type": "object"}
    return {"type": "object", "description": "The fields of the form by their names.", "contentSchema": schema}


def _description(spec: Spec, schema: Any) -> str:
    text = spec.schema(schema).get("description", "")
    return text if isinstance(text, str) else ""


def describe(operation: Operation) -> str:
    """Return the description of an operation for a model: summary, description, method and path."""
    summary, description = plain(operation.summary), plain(operation.description)
    parts = [description] if description else []
    # A summary that the first sentence repeats costs 14 characters a tool on GitHub's description (docs/design/007).
    if summary and not description.startswith(summary) and not says(first_sentence(description), summary):
        parts = [summary, *parts]
    # Some descriptions tell two operations of one path apart by a fragment, which is never sent.
    line = f"{operation.method} {operation.path.partition('#')[0]}"
    text = ". ".join(part.rstrip(".") for part in parts)
    text = f"{text}. ({line})" if text else line
    if operation.deprecated:
        text = f"Deprecated. {text}"
    return plain(text)
