"""The conversion of an Operation into a Tool, with the location of each argument in the request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nlapi.openapi.hints import is_hidden, read_hints
from nlapi.openapi.parts import Body, Parameter, Schema, is_form, may_be_json
from nlapi.openapi.spec import Operation, Spec
from nlapi.openapi.gc_paused import gc_paused
from nlapi.tools.name import argument_name, tool_names
from nlapi.tools.schema import OBJECT_CONSTRAINTS, SchemaPool
from nlapi.tools.text import first_sentence, plain_text, has_words_of
from nlapi.tools.tool import Place, Tool

PARAMETER_LOCATIONS = ("path", "query", "header", "cookie")
SCALAR_TYPES = ("string", "integer", "number", "boolean")


def tools(spec: Spec, operations: Iterable[Operation] | None = None) -> tuple[Tool, ...]:
    """Return the Tools of a Spec, or of some of its operations, in their order; hidden operations have none.

    An operation that cannot be converted is left out; `spec.issues` names it.
    """
    selected = spec.visible_operations if operations is None else operations
    with gc_paused():
        return tuple(compile_tool(operation) for operation in selected if operation.usable)


class _ToolFactory:
    """The names, the pool of schemas and the tools made so far of one Spec."""

    def __init__(self, spec: Spec) -> None:
        names = tool_names(spec.operations)
        self.names = {operation.id: name for operation, name in zip(spec.operations, names, strict=True)}
        self.pool = SchemaPool(spec)
        self.tools: dict[str, Tool] = {}


def compile_tool(operation: Operation) -> Tool:
    """Return the Tool of one operation, the same object each time; its name does not depend on the other tools."""
    factory = operation.spec.derive(_ToolFactory)
    if operation.id not in factory.tools:
        factory.tools[operation.id] = _compile(operation, factory)
    return factory.tools[operation.id]


def _compile(operation: Operation, factory: _ToolFactory) -> Tool:
    arguments = _ArgumentBuilder(factory.pool)
    for location in PARAMETER_LOCATIONS:
        for parameter in operation.parameters:
            if parameter.location == location:
                arguments.add_parameter(parameter)
    if operation.body is not None:
        arguments.add_body(operation.body)
    return Tool(
        name=factory.names[operation.id],
        description=describe(operation),
        input_schema=arguments.schema(),
        operation=operation,
        places=arguments.places,
        body_rules=arguments.body_rules,
    )


class _ArgumentBuilder:
    """The arguments of one tool during its construction."""

    def __init__(self, pool: SchemaPool) -> None:
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

    def _add(self, location: Place, schema: Any, description: str, required: bool) -> None:
        wire_name = location[1] or "body"
        hinted_name = read_hints(schema).name
        name = argument_name(hinted_name or wire_name, location[0], self.places)
        if name != wire_name and not hinted_name:
            description = f"{description} (sent as {wire_name} in the {location[0]})".strip()
        portable, refs = self.pool.portable_described(schema, description)
        self.properties[name] = portable
        self.refs |= refs
        self.places[name] = location
        if required:
            self.required.append(name)

    def add_parameter(self, parameter: Parameter) -> None:
        if is_hidden(self.pool.spec.follow(parameter.schema), required=parameter.required):
            return
        description = parameter.description or _schema_description(self.pool.spec, parameter.schema)
        if parameter.deprecated:
            description = f"Deprecated. {description}".strip()
        self._add((parameter.location, parameter.name), parameter.schema, description, parameter.required)

    def add_body(self, body: Body) -> None:
        """Add the body's properties as arguments where they can stand alone, else one argument for the whole body."""
        flat = self.pool.flat_object(body.schema) if _has_properties(body.content_type) else None
        if flat is None:
            self._add_whole_body(body)
            return
        hidden_names = self.pool.hidden_properties(flat)
        properties = {name: name_or_schema for name, name_or_schema in flat["properties"].items() if name not in hidden_names}
        required_names = [name for name in flat.get("required", ()) if name in properties]
        for name, schema in properties.items():
            description = _schema_description(self.pool.spec, schema)
            self._add(("body", name), schema, description, body.required and name in required_names)
        # Some descriptions require a property that they do not declare. It stays optional here, or nobody could make
        # the call.
        for name in (name_or_schema for name_or_schema in flat.get("required", ()) if name_or_schema not in flat["properties"]):
            self._add(("body", name), {}, "", False)
        self.body_rules = {key: flat[key] for key in OBJECT_CONSTRAINTS if key in flat}
        if required_names and not body.required:
            self.body_rules["required"] = required_names
        if "additionalProperties" in flat:
            self.additional = self._portable(flat["additionalProperties"])
        # More properties are required than are declared, so undeclared ones have to be allowed.
        elif flat.get("minProperties", 0) > len(properties):
            self.additional = True

    def _add_whole_body(self, body: Body) -> None:
        schema, description = body.schema, body.description or _schema_description(self.pool.spec, body.schema)
        if not _has_properties(body.content_type):
            description = f"{description} (sent as {body.content_type})".strip()
            if schema.get("type") not in SCALAR_TYPES:  # nlapi does not write XML, CSV and the like from data
                content = {"contentMediaType": body.content_type, "contentSchema": schema} if schema else {}
                schema = {"type": "string", **content}
        elif is_form(body.content_type):
            schema = _form_schema(schema)
        self._add(("body", ""), schema, description, body.required)


def _has_properties(content_type: str) -> bool:
    """Return whether a body of this media type is written from the properties of an object."""
    return may_be_json(content_type) or is_form(content_type)


def _form_schema(schema: Schema) -> Schema:
    """Return the schema of a form's fields: always an object, as nothing else can be encoded as a form.

    A declared type other than object is kept as `contentSchema`, which a model reads and the validator ignores.
    """
    kinds = schema.get("type", "object")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds):
        return {**schema, "type": "object"}
    return {"type": "object", "description": "The fields of the form by their names.", "contentSchema": schema}


def _schema_description(spec: Spec, schema: Any) -> str:
    text = spec.schema(schema).get("description", "")
    return text if isinstance(text, str) else ""


def describe(operation: Operation) -> str:
    """Return the description of an operation for a model: summary, description, method and path."""
    summary, description = plain_text(operation.summary), plain_text(operation.description)
    parts = [description] if description else []
    # A summary that the first sentence repeats costs 14 characters a tool on GitHub's description (docs/design/007).
    if summary and not description.startswith(summary) and not has_words_of(first_sentence(description), summary):
        parts = [summary, *parts]
    # Some descriptions tell two operations of one path apart by a fragment, which is never sent.
    line = f"{operation.method} {operation.path.partition('#')[0]}"
    text = ". ".join(part.rstrip(".") for part in parts)
    text = f"{text}. ({line})" if text else line
    if operation.deprecated:
        text = f"Deprecated. {text}"
    return plain_text(text)
