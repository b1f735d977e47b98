"""Finds the values that operations take, and where the answers of others have them."""

from __future__ import annotations

from collections.abc import Iterator

from nlapi.english.words import name_key
from nlapi.openapi.credential_parameters import is_unspoken
from nlapi.openapi.model import Schema, is_form, is_json
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.grouping import Resource
from nlapi.resources.id_sources import id_sources
from nlapi.resources.nouns import target_noun
from nlapi.resources.paths import Place
from nlapi.resources.semantics import OperationKind, semantics_of
from nlapi.workflows.chain_model import Keys, StateWait
from nlapi.workflows.chain_words import NAME_FIELDS, STATE_NAMES, waited_states


class ValueFlow:
    """The values that go from one operation of a Spec to another."""

    def __init__(self, spec: Spec) -> None:
        self.semantics = semantics_of(spec)
        self.answers = self.semantics.answers
        self.reader = self.answers.reader
        self.sources = id_sources(spec)

    def answer_keys(self, operation: Operation, path: str) -> Keys | None:
        """Return the keys to a field of the item, or of the first entry, in an answer; None where it has no such."""
        list_part = self.answers.list_part(operation)
        part = list_part or self.answers.item_part(operation)
        if part is None or part.is_map:
            return None
        keys = (*part.keys, *(("0",) if part.is_list else ()))
        schema = part.schema
        inner = self.reader.properties(schema)
        if len(inner) == 1 and "object" in self.reader.types(next(iter(inner.values()))):
            keys, schema = (*keys, next(iter(inner))), next(iter(inner.values()))
        names = self._field_keys(schema, path)
        return (*keys, *names) if names else None

    def _field_keys(self, schema: object, path: str) -> Keys:
        """Return the names that a path such as `metadata.name` has in a schema; () where it has none such."""
        properties = self.reader.properties(schema)
        if path in properties:
            return (path,)
        head, _, rest = path.partition(".")
        if not rest or head not in properties:
            return ()
        inner = self._field_keys(properties[head], rest)
        return (head, *inner) if inner else ()

    def id_keys(self, answering: Operation, operation: Operation, place: Place) -> Keys | None:
        """Return the keys to the id, in the answer of one operation, that a place of another takes."""
        location, name = place
        parameter = operation.parameter(location, name) if location != "body" else None
        path = self.sources.argument_field(answering, name, target_noun(operation, place), parameter)
        keys = self.answer_keys(answering, path) if path and path != "uri" else None
        return keys if keys is not None and self._fits(answering, path or "", operation, place) else None

    def _fits(self, answering: Operation, path: str, operation: Operation, place: Place) -> bool:
        """Return whether the types of a field and of a place have one in common."""
        field_schema = self.answers.field_schema(answering, path)
        given = set(self.reader.types(field_schema)) - {"null"} if field_schema is not None else set()
        taken = set(self.reader.types(self.place_schema(operation, place))) - {"null"}
        if "array" in taken or "object" in taken:
            return False
        return not given or not taken or bool(given & taken) or "string" in taken or given == {"integer"} == taken

    def place_schema(self, operation: Operation, place: Place) -> Schema:
        """Return the flat schema of a place of an operation."""
        location, name = place
        if location != "body":
            parameter = operation.parameter(location, name)
            return self.reader.flat(parameter.schema) if parameter is not None else {}
        properties = self.reader.properties(operation.body.schema) if operation.body is not None else {}
        return self.reader.flat(properties.get(name, {}))

    def required_places(self, operation: Operation) -> tuple[Place, ...]:
        """Return the places that a call has to fill, without the credentials that its security schemes provide."""
        stated = [(entry.location, entry.name) for entry in operation.parameters if entry.required]
        required = (*stated, *self.semantics.index.required(operation), *self._creation_places(operation))
        has_security = any(operation.security)
        return tuple(
            dict.fromkeys(
                place
                for place in required
                if not (has_security and self.is_secret(operation, place))
                and not (place[0] == "body" and self.place_schema(operation, place).get("readOnly"))
            )
        )

    def is_secret(self, operation: Operation, place: Place) -> bool:
        """Return whether a parameter authenticates the caller."""
        parameter = operation.parameter(*place)
        return parameter is not None and is_unspoken(
            parameter.name, parameter.location, parameter.schema, parameter.description
        )

    def _creation_places(self, operation: Operation) -> Iterator[Place]:
        """Yield what an optional body requires of a new item: without a body, nothing is created."""
        body = operation.body
        if body is not None and self.semantics.classify(operation).kind is OperationKind.CREATE:
            yield from (("body", name) for name in self.reader.flat(body.schema).get("required") or ())

    def takes_one(self, operation: Operation) -> bool:
        """Return whether the body is that of one item, in JSON or a form."""
        body = operation.body
        if body is None or not (is_json(body.content_type) or is_form(body.content_type)):
            return False
        return "object" in self.reader.types(body.schema) and bool(self.reader.properties(body.schema))

    def is_upload(self, operation: Operation) -> bool:
        properties = self.reader.properties(operation.body.schema) if operation.body is not None else {}
        return any(self.reader.flat(schema).get("format") == "binary" for schema in properties.values())

    def name_places(self, operation: Operation) -> tuple[Place, ...]:
        """Return the place of the name of the new item, where the body does not require one."""
        names = self.reader.properties(operation.body.schema) if operation.body is not None else {}
        name = next((name for key in NAME_FIELDS for name in names if name_key(name) == key), "")
        schema = self.place_schema(operation, ("body", name)) if name else {}
        return (("body", name),) if name and not schema.get("readOnly") else ()

    def item_outputs(self, resource: Resource, operation: Operation) -> dict[str, Keys]:
        """Return the outputs of a step that answers with an item: its id and its state."""
        outputs: dict[str, Keys] = {}
        for path in (resource.id_path, *(name for name in resource.properties if name_key(name) in STATE_NAMES[:2])):
            if path and (keys := self.answer_keys(operation, path)) is not None:
                outputs[path.rpartition(".")[2]] = keys
        return outputs

    def state_wait(self, resource: Resource, read: Operation) -> StateWait | None:
        """Return the wait for the work on an item, by the described choices of its state; None where it does none."""
        properties = self.reader.properties(self.answers.entry_schema(read))
        name = next((entry for key in STATE_NAMES for entry in properties if name_key(entry) == key), "")
        choices = self.reader.flat(properties.get(name, {})).get("enum") or ()
        done, failures = waited_states(resource, [choice for choice in choices if isinstance(choice, str)])
        keys = self.answer_keys(read, name) if done else None
        return StateWait(keys=keys, done=done, failures=failures) if keys is not None else None
