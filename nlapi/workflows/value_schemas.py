"""The schemas of the values in a workflow before it runs, by the descriptions of the operations."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular
from nlapi.openapi.spec import Operation, Spec, as_map
from nlapi.resources.answers import answer_schema
from nlapi.resources.envelope import SchemaView, find_item, find_list
from nlapi.resources.nouns import ID_WORDS, id_field, is_id_argument, singular_noun, target_noun
from nlapi.resources.paths import Place
from nlapi.resources.schemas import SchemaReader, ref_of
from nlapi.workflows.expressions import (
    EACH,
    Accessors,
    Expression,
    ExpressionError,
    ExpressionPart,
    Root,
    first_name,
    parse_expression,
    pointer,
    split_name,
)
from nlapi.workflows.model import ArazzoWorkflow, Selector, WorkflowStep
from nlapi.workflows.sources import LinkedDocument

# Outputs that are outputs of other steps; a real document has two levels.
MAX_HOPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSchema:
    """The schema of a value; {} where nothing is described. `fault` says why the value cannot exist, else ""."""

    schema: Mapping[str, Any] = field(default_factory=dict)
    reader: SchemaReader | None = None
    fault: str = ""

    @property
    def types(self) -> tuple[str, ...]:
        """The JSON types that the value may have, without null; () where nothing is described."""
        types = self.reader.types(self.schema) if self.reader is not None else ()
        return tuple(name for name in types if name != "null")

    @property
    def is_described(self) -> bool:
        """Whether the description describes the value."""
        return bool(self.types)

    @property
    def is_scalar(self) -> bool:
        """Whether the value can only be a text, a number or a truth value."""
        return bool(self.types) and not {"object", "array"} & set(self.types)

    @property
    def flat(self) -> Mapping[str, Any]:
        """The schema without references; {} where nothing is described."""
        return self.reader.flat(self.schema) if self.reader is not None else {}

    @property
    def properties(self) -> Mapping[str, Any]:
        """The properties that an object of this schema may have."""
        return self.reader.properties(self.schema) if self.reader is not None else {}

    def key_of(self, words: tuple[str, ...]) -> str:
        """Return the property whose name has these words; "" for none."""
        return next((key for key in self.properties if name_words(key) == words), "")

    def named(self, name: str, *, want_scalar: bool = False) -> list[str]:
        """Return the properties of a name, however it is written."""
        keys = [key for key in self.properties if name_key(key) == name_key(name)]
        return [key for key in keys if not want_scalar or self.part((key,)).is_scalar]

    def part(self, accessors: Accessors) -> ValueSchema:
        """Return the schema of the part that accessors lead to."""
        value = self
        for position, step in enumerate(accessors):
            if step == EACH and "array" in value.types:
                inner = value.part((0, *accessors[position + 1 :]))
                schema = {"type": "array", "items": inner.schema}
                return inner if inner.fault else ValueSchema(schema=schema, reader=self.reader)
            value = value._member(step, pointer(accessors[: position + 1]))
            if value.fault:
                return value
        return value

    def _member(self, step: str | int, place: str) -> ValueSchema:
        types, properties, additional = self.types, self.properties, self.flat.get("additionalProperties")
        if str(step) in properties:
            return ValueSchema(schema=properties[str(step)], reader=self.reader)
        if "array" in types and str(step).isdecimal():
            return ValueSchema(schema=as_map(self.flat.get("items")), reader=self.reader)
        if isinstance(additional, Mapping):
            return ValueSchema(schema=additional, reader=self.reader)
        if additional is True or (not properties and (not types or "object" in types)):
            return ValueSchema(reader=self.reader)
        return ValueSchema(fault=f"there is no {place}{self._instead}")

    @property
    def _instead(self) -> str:
        """The clause on what there is in the place of a part that is not described."""
        if self.properties:
            return f" in the description; it has {', '.join(list(self.properties)[:8])}"
        return f": it is {'a list' if 'array' in self.types else ' or '.join(self.types)}"


@dataclass(slots=True, kw_only=True)
class ValueSchemas:
    """The schemas of the values of one linked document."""

    linked: LinkedDocument
    readers: dict[Spec, SchemaReader] = field(default_factory=dict)

    def reader(self, spec: Spec) -> SchemaReader:
        """Return the reader of a Spec's schemas, the same one each time."""
        return self.readers.setdefault(spec, SchemaReader(spec))

    def answer(self, operation: Operation) -> ValueSchema:
        """Return the schema of an operation's answer of success."""
        return ValueSchema(schema=as_map(answer_schema(operation)), reader=self.reader(operation.spec))

    def argument(self, operation: Operation, location: str, name: str) -> ValueSchema | None:
        """Return the schema of a parameter, or with location body of a field, or None."""
        reader, body = self.reader(operation.spec), operation.body
        if location != "body":
            parameter = operation.parameter(location, name)
            return ValueSchema(schema=as_map(parameter.schema), reader=reader) if parameter is not None else None
        if body is None:
            return None
        member = ValueSchema(schema=body.schema, reader=reader).part((name,) if name else ())
        return None if member.fault else member

    def of(self, node: Any, workflow: ArazzoWorkflow, step: WorkflowStep | None = None, hops: int = 0) -> ValueSchema:
        """Return the schema of a value; `step` is the one whose answer `$response` is."""
        if isinstance(node, Selector):
            return ValueSchema(fault=self.of(node.context, workflow, step, hops).fault)
        try:
            expression = parse_expression(node) if isinstance(node, str) else None
        except ExpressionError as error:
            return ValueSchema(fault=str(error))
        if hops > MAX_HOPS:
            return ValueSchema(fault=f"{node} leads in circles")
        match expression:
            case Expression(root=Root.INPUTS):
                return self._input(expression, workflow)
            case Expression(root=Root.STEPS):
                return self._step_output(expression, workflow, hops)
            case Expression(root=Root.STATUS_CODE):
                return ValueSchema(schema={"type": "integer"}, reader=self._any_reader())
            case Expression(root=Root.RESPONSE, part=ExpressionPart.BODY) if step is not None:
                return self._answered(step).part(expression.accessors)
            case Expression(root=Root.RESPONSE | Root.URL | Root.METHOD, part=part) if part is not ExpressionPart.BODY:
                return ValueSchema(schema={"type": "string"}, reader=self._any_reader())
        return ValueSchema()

    def _answered(self, step: WorkflowStep) -> ValueSchema:
        operation = self.linked.target(step).operation
        return self.answer(operation) if operation is not None else ValueSchema()

    def _input(self, expression: Expression, workflow: ArazzoWorkflow) -> ValueSchema:
        match = split_name(expression.name, workflow.input_schemas)
        if match is None:
            return ValueSchema(fault=f"the workflow has no input {first_name(expression.name)}")
        schema = workflow.input_schemas[match[0]]
        if not isinstance(schema, Mapping) or "$ref" in schema:
            return ValueSchema()
        return ValueSchema(schema=schema, reader=self._any_reader()).part(match[1])

    def _step_output(self, expression: Expression, workflow: ArazzoWorkflow, hops: int) -> ValueSchema:
        step = workflow.step(expression.owner)
        if step is None:
            return ValueSchema(fault=f"the workflow has no step {expression.owner}")
        match = split_name(expression.name, step.outputs)
        if match is None:
            names = ", ".join(step.outputs) or "none"
            return ValueSchema(fault=f"{step.id} has no output {first_name(expression.name)}; its outputs: {names}")
        output = self.of(step.outputs[match[0]], workflow, step, hops + 1)
        return output if output.fault else output.part(match[1])

    def _any_reader(self) -> SchemaReader | None:
        return next((self.reader(spec) for spec in self.linked.all_specs), None)


# Levels of objects that are searched, and properties of one answer: recursive schemas have no end.
MAX_DEPTH = 5
MAX_PROPERTIES = 2_000

# Nouns of operations and schemas that are of any kind.
_GENERAL_NOUNS = lexicon.words("workflows/words", "general_nouns")


def find_argument_value(
    value: ValueSchema, source: Operation, operation: Operation, place: Place, *, hint: str = ""
) -> Accessors | None:
    """Return the accessors into a value that lead to what a place of an operation wants; None where nothing fits.

    `source` is the operation that answered the value, `hint` a name that the document has for it: an output's.
    """
    base, entry = entry_of(value)
    names = list(filter(None, (place[1], hint)))
    if nested := next(filter(None, map(partial(_nested_id, entry), names)), None):
        return (*base, *nested)
    noun = singular_noun(source)
    is_other = _is_of_another_kind({*noun, *_schema_words(value, entry)}, operation, place, names)
    if not is_other and (id := _id_of_item(entry, noun, operation, place, names)):
        return (*base, *id)
    # `id` of an item of another kind is not the id that is wanted, though it is called so.
    specific_names = [name for name in names if len(name_words(name)) > 1] if is_other else names
    if scalar := _named_scalar(value, specific_names):
        return scalar
    if entry.is_scalar:
        return base
    return None if is_other else _plain_field(value, base, entry, place, names)


def _schema_words(*values: ValueSchema) -> set[str]:
    """Return the words of the names of schemas."""
    return {word for value in values for word in name_words(ref_of(value.schema).rpartition("/")[2])}


def _named_scalar(value: ValueSchema, names: Iterable[str]) -> Accessors | None:
    """Return the way to the nearest plain value of the first of some names that one has."""
    return next(filter(None, (find_named(value, name, want_scalar=True) for name in names)), None)


def _plain_field(
    value: ValueSchema, base: Accessors, entry: ValueSchema, place: Place, names: list[str]
) -> Accessors | None:
    """Return the way to the field of an item that a name ends in, or to its id."""
    if suffix := next(filter(None, (suffix_field(entry, name) for name in names)), None):
        return (*base, suffix)
    if scalar := _named_scalar(value, (word for name in names for word in name_words(name)[-1:] if word in ID_WORDS)):
        return scalar
    # A path names an item by its id, else by its name: `{version}` of Google's resource names.
    keys = ("id", "name") if place[0] == "path" else ()
    return next(((*base, key) for key in keys if entry.part((key,)).is_scalar), None)


def _nested_id(entry: ValueSchema, name: str) -> Accessors | None:
    """Return the way to the id of an object of an item: `new_project_gid` is `new_project.gid`. None for none.

    Only the item's own fields are meant: an object deeper inside belongs to something else.
    """
    *words, last = name_words(name) or ("",)
    holder = entry.key_of(tuple(words)) if last in ID_WORDS else ""
    if not holder:
        return None
    field = entry.part((holder,)).key_of((last,))
    return (holder, field) if field and entry.part((holder, field)).is_scalar else None


def _is_of_another_kind(item: set[str], operation: Operation, place: Place, names: list[str]) -> bool:
    """Return whether an item, by the words for it, is plainly not of the kind that a place identifies.

    A comment's id is not `media_id`, though both are ids.
    """
    named = [words[-2] for name in names if len(words := name_words(name)) > 1 and words[-1] in ID_WORDS]
    kinds = set(map(singular, named or target_noun(operation, place)[-1:]))
    # A word that says nothing of the kind does not hide those that do: a `CommentEntry` is a comment.
    item, kinds = item - _GENERAL_NOUNS, kinds - _GENERAL_NOUNS
    if not item or not kinds:
        return False
    return not any(kind.endswith(word) or word.endswith(kind) for kind in kinds for word in item)


def _id_of_item(
    entry: ValueSchema, noun: tuple[str, ...], operation: Operation, place: Place, names: list[str]
) -> Accessors:
    """Return the way to the field of an item of a noun by which a place of an operation identifies it; () for none."""
    if field := _named_id(entry, noun, names):
        return (field,)
    parameter = operation.parameter(*place) if place[0] != "body" else None
    # `custom_field` of a custom field wants its id, though no word of it says so.
    is_item = bool(noun) and name_words(place[1])[-len(noun) :] == noun
    if entry.reader is None or not (is_item or is_id_argument(place, parameter)):
        return ()
    target = target_noun(operation, place) or noun
    path = id_field(entry.reader, entry.schema, place[1], target, noun, parameter) or ""
    accessors: Accessors = tuple(path.split("."))
    return accessors if path != "uri" and entry.part(accessors).is_scalar else ()


def _named_id(entry: ValueSchema, noun: tuple[str, ...], names: list[str]) -> str:
    """Return the field that a name has behind the noun: `gid` of a time period is its `time_period_gid`."""
    ids = (name_words(name)[-1:] for name in names if name_words(name)[-2:-1] == noun[-1:] != ())
    fields = (entry.key_of(last) for last in ids if ID_WORDS.issuperset(last))
    return next((field for field in fields if field and entry.part((field,)).is_scalar), "")


def suffix_field(entry: ValueSchema, name: str) -> str | None:
    """Return the one plain field of an item that a name ends in, or that ends in it; None for none, or several.

    `main_location_id` of an item is its `id`, and `token` its `access_token`.
    """
    fields = [key for key in entry.properties if entry.part((key,)).is_scalar]
    last = [key for key in fields if name_words(key) == name_words(name)[-1:]]
    matches = last or [key for key in fields if has_same_words(name, key)]
    return matches[0] if len(matches) == 1 else None


def entry_of(value: ValueSchema) -> tuple[Accessors, ValueSchema]:
    """Return the way to the item in a value, through its envelope and the first entry of its list, and its schema."""
    if value.reader is None:
        return (), value
    view = SchemaView(value.schema, value.reader)
    envelope = find_list(view)
    is_list = envelope is not None and not envelope.is_map
    keys: Accessors = (*envelope.keys, 0) if envelope is not None and is_list else find_item(view)
    return keys, value.part(keys)


def find_named(value: ValueSchema, name: str, *, want_scalar: bool = False) -> Accessors | None:
    """Return the accessors to the nearest property of a name, at any level; None for none, or for several as near."""
    queue: deque[tuple[Accessors, ValueSchema]] = deque([((), value)])
    matches: list[Accessors] = []
    count, depth = 0, 2 * MAX_DEPTH
    while queue and count < MAX_PROPERTIES and len(queue[0][0]) <= depth:
        accessors, part = queue.popleft()
        if "array" in part.types:
            queue.append(((*accessors, 0), part.part((0,))))
        queue += (((*accessors, key), part.part((key,))) for key in part.properties)
        count += len(part.properties)
        matches += ((*accessors, key) for key in part.named(name, want_scalar=want_scalar))
        if matches:  # what is farther away is another one
            depth = len(matches[0]) - 1
    return matches[0] if len(matches) == 1 else None


def has_same_words(first: str, second: str) -> bool:
    """Return whether two names have the same words, or one ends in those of the other."""
    words, other = name_words(first), name_words(second)
    return bool(words) and bool(other) and (words[-len(other) :] == other or other[-len(words) :] == words)
