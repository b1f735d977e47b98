"""Samples the inputs of a workflow from the schemas of the operations that they go to.

Inputs that go to optional query, header and cookie parameters alone are left out: filled at random, cursors and filters
are refused or give empty lists. Ids that must exist are taken from the lists of a sandbox with the same sample data, or
from its items where nothing lists them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import nlapi
from benchmarks.workflows.collection import Case, Use, uses
from benchmarks.workflows.stage import credentials_of
from nlapi.client.auth import authorize
from nlapi.english.words import name_key
from nlapi.errors import NlapiError
from nlapi.openapi.spec import FORM, Body, Operation, Spec, essence, may_be_json
from nlapi.resources.answers import extract_item, extract_list
from nlapi.resources.id_sources import id_sources
from nlapi.resources.identity import field_at, name_of
from nlapi.resources.semantics import OperationKind
from nlapi.sandbox import Sandbox
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.samples import SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.state import SandboxState
from nlapi.sandbox.validation import RawRequest
from nlapi.tools.tool import Missing

_SEED = 17
# Lists that need an id of another list, and so on.
_MAX_CHAIN = 3
_BASE_URL = "https://sandbox.invalid"
_INPUT = re.compile(r"\$inputs\.(?P<name>.+)", re.DOTALL)
_EMBEDDED = re.compile(r"\{\$inputs\.(?P<name>[^{}]+)\}")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A place in an operation that takes an input, or the part `keys` of it; `schema` is None for no such place."""

    operation: Operation
    use: Use
    keys: tuple[str, ...]
    schema: Any
    is_required: bool = False
    is_embedded: bool = False

    @property
    def name(self) -> str:
        keys = [key for key in self.use.keys if isinstance(key, str)]
        return self.use.name or (keys[-1] if keys else "body")


class InputSource:
    """Makes the inputs for the workflows of one API; its own sandbox has the sample data that the runners meet."""

    def __init__(self, spec: Spec, *, seed: int = 0) -> None:
        self.spec = spec
        self._operations = {(operation.method, operation.path): operation for operation in spec.operations}
        self._schemas = Schemas(spec)
        self._sampler = Sampler(self._schemas)
        self._sources = id_sources(spec)
        self._credentials = credentials_of(spec)
        self._sandbox = Sandbox(spec, seed=seed)
        self._state = SandboxState.of(spec, seed=seed, database=":memory:")

    def close(self) -> None:
        self._sandbox.close()
        self._state.store.close()

    def inputs(self, case: Case, *, all_inputs: bool = False) -> dict[str, Any]:
        """Return values for the inputs of a workflow, the same each time; optional ones with `all_inputs`."""
        targets: dict[str, list[Target]] = {}
        for name, target in self._targets(case):
            targets.setdefault(name, []).append(target)
        values: dict[str, Any] = {}
        # Path parameters first, in the order of the steps: lists below them need their values.
        for name in sorted(targets, key=lambda name: all(target.use.location != "path" for target in targets[name])):
            needed = [
                target for target in targets[name] if all_inputs or target.is_required or target.use.location == "body"
            ]
            if needed:
                values[name] = self._input_value(case, name, needed, values)
        return {name: values[name] for name in case.inputs if name in values}

    def answer(self, missing: Missing) -> Any:
        """Return the answer to a question for an argument of a step."""
        name = missing.argument.rpartition("/")[2].partition(".")[2]
        place = missing.tool.places.get(name, ("body", name))
        operation = missing.tool.operation
        parameter = operation.parameter(*place) if place[0] != "body" else None
        if parameter is not None:
            schema = parameter.schema
        else:
            whole = operation.body.schema if operation.body is not None else {}
            schema = self._schemas.properties(whole).get(place[1], missing.schema) if place[1] else whole
        value = self._existing_id(operation, place, {})
        return value if value is not None and self._fits(schema, value) else self.sample(schema, place[1])

    def _targets(self, case: Case) -> Iterator[tuple[str, Target]]:
        for use in uses(case):
            operation = self._operations.get((use.step.method, use.step.path))
            for text, is_embedded in _input_texts(use.expression):
                name, keys = _split_name(text, case.inputs)
                if operation is not None and name:
                    yield name, self._target(case, operation, use, keys, is_embedded=is_embedded)

    def _is_text(self, case: Case, expression: str) -> bool:
        declared = case.inputs.get(expression.removeprefix("$inputs."))
        return isinstance(declared, Mapping) and declared.get("type", "string") == "string"

    def _target(
        self, case: Case, operation: Operation, use: Use, keys: tuple[str, ...], *, is_embedded: bool
    ) -> Target:
        schema: Any = None
        is_required = False
        if use.location == "body" and operation.body is not None:
            schema, is_required = operation.body.schema, operation.body.required
            if not has_fields(operation.body) and not use.keys and self._is_text(case, use.expression):
                schema = {"type": "string"}
            for key in use.keys:
                flat = self._schemas.flat(schema)
                is_required = is_required and key in (flat.get("required") or ())
                schema = flat.get("items") if isinstance(key, int) else self._schemas.properties(flat).get(key)
                if schema is None:
                    break
        elif parameter := operation.parameter(use.location, use.name):
            schema, is_required = parameter.schema, parameter.required
        return Target(
            operation=operation,
            use=use,
            keys=keys,
            schema=schema,
            is_required=is_required,
            is_embedded=is_embedded,
        )

    def _input_value(self, case: Case, name: str, targets: Sequence[Target], known: Mapping[str, Any]) -> Any:
        """Return a value that fits as many of the targets as possible, the paths and required ones first."""
        ranked = sorted(targets, key=lambda target: (target.use.location != "path", not target.is_required))
        if any(target.keys for target in ranked):
            result: dict[str, Any] = {}
            for target in ranked:
                _put(result, target.keys, lambda target=target: self._target_value(case, name, target, known))
            return result
        # The value that fits most of the places: a number in a path is sent as the same text, a body tells 5 from "5".
        values = [self._target_value(case, name, target, known) for target in ranked]
        values += [reading for value in values[:1] for reading in _readings(value)]
        schemas = [target.schema for target in ranked if target.schema is not None]
        return max(values, key=lambda value: sum(self._fits(schema, value) for schema in schemas))

    def _fits(self, schema: Any, value: Any) -> bool:
        return self._schemas.valid(schema, value, "write")

    def _target_value(self, case: Case, name: str, target: Target, known: Mapping[str, Any]) -> Any:
        declared = case.inputs.get(name)
        schema = target.schema if target.schema is not None else declared
        if target.is_embedded:
            schema = {"type": "string"}
        place = (target.use.location, target.name)
        if target.use.location != "body" or len(target.use.keys) == 1:
            value = self._existing_id(target.operation, place, known)
            readings = (value, str(value), *_readings(value)) if value is not None else ()
            if (fitting := next((reading for reading in readings if self._fits(schema, reading)), None)) is not None:
                return fitting
        return self._search_word(target.operation, place, known) or self.sample(schema, target.name)

    def _search_word(self, operation: Operation, place: tuple[str, str], known: Mapping[str, Any]) -> Any:
        """Return a text by which a list has an entry, where the sampled one finds none; None for other places.

        A user searches for what exists: the value of the field with that name in an item, else the item's name.
        """
        role = self._state.semantics.classify(operation)
        parameter = operation.parameter(*place)
        if place[0] != "query" or role.kind is not OperationKind.LIST or role.resource is None or parameter is None:
            return None
        sampled = self.sample(parameter.schema, place[1])
        if not isinstance(sampled, str) or self._lists(operation, place[1], sampled, known):
            return None
        items = [row.data for row in self._state.fixtures.rows(role.resource, {})]
        fields = [(item.get(place[1]), name_of(item), *item.values()) for item in items]
        texts = [text for values in fields for text in values if isinstance(text, str) and text]
        fitting = (text for text in texts if self._fits(parameter.schema, text))
        return next((text for text in fitting if self._lists(operation, place[1], text, known)), None)

    def _lists(self, operation: Operation, name: str, value: Any, known: Mapping[str, Any]) -> bool:
        answer = self._read(operation, {**known, name: value}, 0)
        items = extract_list(answer, operation) if answer is not None else None
        return items is not None and bool(items.entries)

    def sample(self, schema: Any, name: str) -> Any:
        """Return a value that a request may have by its schema."""
        context = SampleContext(seed=_SEED, path=f"inputs/{name}", name=name)
        value = self._sampler.sample(schema, context)
        if self._fits(schema, value):
            return value
        completed = self._with_write_only(schema, value, context)
        return completed if self._fits(schema, completed) else value

    def _with_write_only(self, schema: Any, value: Any, context: SampleContext) -> Any:
        """Return an object with its required properties that are never read, such as a password."""
        flat = self._schemas.flat(schema)
        if not isinstance(value, dict):
            return value
        properties = self._schemas.properties(flat)
        missing = [key for key in flat.get("required") or () if key not in value and key in properties]
        result = {
            key: self._with_write_only(properties.get(key, {}), inner, context.child(key, None))
            for key, inner in value.items()
        }
        return {**result, **{key: self.sample(properties[key], key) for key in missing}}

    def _existing_id(
        self, operation: Operation, place: tuple[str, str], known: Mapping[str, Any], depth: int = 0
    ) -> Any:
        """Return an id that the sandbox lists for a place of an operation, None where nothing lists it."""
        for source in self._sources.find_sources(operation, place)[:3] if depth < _MAX_CHAIN else ():
            answer = self._read(source.operation, known, depth)
            if answer is None:
                continue
            items = extract_list(answer, source.operation) if source.is_listed else None
            item = items.entries[0] if items and items.entries else extract_item(answer, source.operation)
            value = field_at(item, source.field) if source.field and item is not None else item
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return value
        return self._stored_id(operation, place[1], known) if place[0] == "path" else None

    def _stored_id(self, operation: Operation, name: str, known: Mapping[str, Any]) -> Any:
        """Return the id of an item that the sandbox has where nothing lists it: a user would know one."""
        role, fixtures = self._state.semantics.classify(operation), self._state.fixtures
        same_names = {name_key(other): str(value) for other, value in known.items()}
        scope: dict[str, str] = {}
        for parent in role.parents:
            rows = fixtures.rows(parent.resource, scope) if parent.resource is not None else []
            if parent.parameter == name:
                return self._state.ids.typed_id(parent.resource, rows[0].key) if parent.resource and rows else None
            if key := same_names.get(name_key(parent.parameter), rows[0].key if rows else ""):
                scope[parent.name] = key
        if role.key != name or role.resource is None:
            return None
        rows = fixtures.rows(role.resource, scope)
        return self._state.ids.typed_id(role.resource, rows[0].key) if rows else None

    def _read(self, operation: Operation, known: Mapping[str, Any], depth: int) -> Any:
        """Return the sandbox's answer to an operation with its required values alone, None where it refuses."""
        if operation.method != "GET":
            return None
        arguments: dict[str, Any] = {}
        same_names = {name_key(name): value for name, value in known.items()}
        for parameter in operation.parameters:
            if not parameter.required:
                continue
            value = same_names.get(name_key(parameter.name))
            if value is None:
                place = (parameter.location, parameter.name)
                value = self._existing_id(operation, place, known, depth + 1)
            if value is None:
                value = self.sample(parameter.schema, parameter.name)
            arguments[parameter.name] = value
        try:
            built = nlapi.build(self.spec, operation.id, arguments, base_url=_BASE_URL)
            request = authorize(built, operation, self._credentials, base_url=_BASE_URL).request
        except NlapiError:
            return None
        url = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers}
        incoming = RawRequest(method="GET", path=url.path, query=url.query, headers=headers, content=b"")
        with suppress(RequestProblem, ValueError):
            return json.loads(self._sandbox.respond(incoming).content)
        return None


def has_fields(body: Body) -> bool:
    """Return whether a body may be an object: JSON or a form, and no plain text, file or message."""
    return may_be_json(body.content_type) or essence(body.content_type) in (FORM, "multipart/form-data")


def _input_texts(expression: str) -> Iterator[tuple[str, bool]]:
    """Yield the names of inputs in an expression as written, and whether each is a part of a text."""
    if match := _INPUT.fullmatch(expression.strip()):
        yield match["name"], False
    else:
        yield from ((match["name"], True) for match in _EMBEDDED.finditer(expression))


def _split_name(text: str, declared: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the declared input that a text begins with, and the keys after it; ("", ()) for none."""
    names = [name for name in declared if text == name or text.startswith((f"{name}.", f"{name}#/"))]
    if not names:
        return "", ()
    name = max(names, key=len)
    rest = text[len(name) :].lstrip(".#/")
    return name, tuple(key for key in re.split(r"[./]", rest) if key)


def _put(tree: dict[str, Any], keys: tuple[str, ...], make: Any) -> None:
    for key in keys[:-1]:
        inner = tree.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        tree = inner
    if keys and keys[-1] not in tree:
        tree[keys[-1]] = make()


def _readings(value: Any) -> Iterator[Any]:
    """Yield the values of JSON that are the same text in a path."""
    if isinstance(value, str):
        with suppress(ValueError):
            yield json.loads(value)
    else:
        yield json.dumps(value)
