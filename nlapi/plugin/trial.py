"""Runs the commands of a skill against a sandbox of their API before they are written, in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from nlapi.api import build
from nlapi.client.auth import authorize
from nlapi.client.message import File, Request, Result
from nlapi.openapi.spec import Operation, Spec
from nlapi.plugin.id_guide import IdGuide
from nlapi.plugin.samples import sample_arguments, sample_value
from nlapi.resources.answers import extract_item, extract_list
from nlapi.resources.identity import field_at, name_of
from nlapi.resources.semantics import OperationKind, semantics_of
from nlapi.sandbox.server import HttpResponse, Sandbox
from nlapi.sandbox.validation import RawRequest
from nlapi.tools.compile import compile_tool
from nlapi.tools.sending.files import FileForm, file_form
from nlapi.workflows.engine import RunState, WorkflowRun
from nlapi.workflows.outline import WorkflowOutline
from nlapi.workflows.planner import exchange_of
from nlapi.workflows.sources import LinkedDocument

_BASE_URL = "https://sandbox.invalid"
# Look-ups that need an id of another look-up, and so on.
_MAX_DEPTH = 3

Call = tuple[Operation, Mapping[str, object]]
"""An operation and its arguments as they are written: an id that is looked up has a placeholder, or a made-up value."""


class Trial:
    """A sandbox in which the calls of texts are tried; the ids of things are those that it has."""

    def __init__(self, spec: Spec, ids: IdGuide) -> None:
        self._spec, self._ids = spec, ids
        # More than one of each kind would cost a large description more than all of its texts.
        self._sandbox = Sandbox(spec, samples=1)
        schemes = spec.security_schemes.items()
        self._credentials = {id: "a:b" if scheme.scheme == "basic" else "a" for id, scheme in schemes}
        self._read_ids: dict[tuple[Operation, str], Any] = {}
        self._answers: dict[tuple[Operation, str], bytes | None] = {}

    def succeeds(self, calls: Sequence[Call]) -> bool:
        """Return whether the sandbox takes each of some calls, in their order."""
        return all(self._answer(operation, arguments, 0) is not None for operation, arguments in calls)

    def runs(self, linked: LinkedDocument, tree: WorkflowOutline) -> bool:
        """Return whether the sandbox takes each call of a workflow, whose required inputs are sampled.

        Whether the work that it waits for ends, or a check says yes, is for the API alone to say.
        """
        # Its steps build on each other, so nothing is taken back, and the next workflow has a separate sandbox.
        with Sandbox(self._spec, samples=1) as sandbox:
            run = WorkflowRun(linked=linked, workflow=tree.workflow, inputs=self._inputs(tree))
            while bound := run.next_calls():
                call = bound[0].call
                sent = self._send(sandbox, call.tool.operation, call.arguments, is_trial=False)
                if sent is None:
                    return False
                request, response = sent
                result = Result(status=response.status, headers=response.headers, content=response.content)
                report = run.finish(call, exchange_of(call, request, result))
                if report.failure:
                    return not report.lost
        return run.state is RunState.DONE

    def _inputs(self, tree: WorkflowOutline) -> dict[str, Any]:
        """Return a value for each required input, by the first argument that it is for."""
        values: dict[str, Any] = {}
        for entry in tree.entries:
            if entry.operation is None or entry.bound is None:
                continue
            for argument, text in entry.bound.pending:
                name = text.removeprefix("$inputs.")
                if name in tree.workflow.required_inputs and name not in values:
                    values[name] = self._input(entry.operation, argument)
        return values

    def _input(self, operation: Operation, argument: str) -> Any:
        """Return the id of a thing, the name of one that is listed, or a sample."""
        tool = compile_tool(operation)
        if argument not in tool.places:
            # The whole body, of which one field is enough.
            sample = sample_arguments(operation, blank=True) or {}
            return {tool.places[name][1]: value for name, value in sample.items() if tool.places[name][0] == "body"}
        value = self._id(operation, argument, 0) or self._listed_name(operation, argument)
        return sample_value(operation, argument) if value is None else value

    def _listed_name(self, operation: Operation, argument: str) -> Any:
        """Return the name of the first item of a list that is searched by it; None for any other argument."""
        tool = compile_tool(operation)
        if semantics_of(operation.spec).classify(operation).kind is not OperationKind.LIST:
            return None
        arguments = {name: sample_value(operation, name) for name in tool.required if name != argument}
        items = _items(operation, self._answer(operation, arguments, 0)) if argument not in tool.required else None
        return name_of(items[0]) or None if items else None

    def _answer(self, operation: Operation, arguments: Mapping[str, object], depth: int) -> bytes | None:
        """Return the body of a successful answer; None for a refusal."""
        values = dict(arguments)
        for name in arguments if depth < _MAX_DEPTH else ():
            id = self._id(operation, name, depth)
            values[name] = values[name] if id is None else id
        key = operation, repr(values)
        if key not in self._answers:
            # What a trial changes is taken back: the same call has the same answer.
            sent = self._send(self._sandbox, operation, values, is_trial=True)
            self._answers[key] = sent[1].content if sent is not None else None
        return self._answers[key]

    def _send(
        self, sandbox: Sandbox, operation: Operation, arguments: Mapping[str, Any], *, is_trial: bool
    ) -> tuple[Request, HttpResponse] | None:
        """Return a request and its answer; None where it cannot be built, or is refused."""
        tool = compile_tool(operation)
        file = File("example", b"example")
        values = {
            name: value if (form := file_form(tool, name)) is None else [file] if form is FileForm.MANY else file
            for name, value in arguments.items()
        }
        try:
            request = build(self._spec, operation.id, values, base_url=_BASE_URL)
            request = authorize(request, operation, self._credentials, base_url=_BASE_URL).request
            url = urlsplit(request.url)
            headers = {name.lower(): value for name, value in request.headers}
            content = request.content or b""
            raw = RawRequest(method=request.method, path=url.path, query=url.query, headers=headers, content=content)
            response = sandbox.respond(raw, is_trial=is_trial)
        except Exception:
            # A refusal, or a fault of the sandbox: either way nothing has shown that the call works.
            return None
        return (request, response) if response.status < 400 else None

    def _id(self, operation: Operation, name: str, depth: int) -> Any:
        """Return the id that a look-up gives for an argument, else one that the sandbox has; None for no id."""
        key = (operation, name)
        if key not in self._read_ids:
            self._read_ids[key] = None
            self._read_ids[key] = self._listed_id(operation, name, depth) or self._stored_id(operation, name)
        return self._read_ids[key]

    def _listed_id(self, operation: Operation, name: str, depth: int) -> Any:
        source = self._ids.for_operation(operation).get(name)
        arguments = sample_arguments(source.operation, blank=True) if source is not None else None
        if source is None or arguments is None:
            return None
        items = _items(source.operation, self._answer(source.operation, arguments, depth + 1))
        value = field_at(items[0], source.field) if source.field and items else None
        return value if isinstance(value, str | int) and not isinstance(value, bool) else None

    def _stored_id(self, operation: Operation, name: str) -> Any:
        location, wire = compile_tool(operation).places.get(name, ("", ""))
        return self._sandbox.stored_id(operation, wire) if location == "path" else None


def _items(operation: Operation, content: bytes | None) -> list[Any]:
    """Return the items of a list in an answer, else its one item."""
    try:
        answer = json.loads(content or b"")
    except ValueError:
        return []
    part = extract_list(answer, operation)
    item = extract_item(answer, operation) if part is None else None
    return list(part.entries) if part is not None else [item] if item is not None else []
