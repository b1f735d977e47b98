"""An overlay of better names, groups and examples proposed by Claude, for people to read and never applied."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from nlapi import bundled
from nlapi.agent.connections import ModelConnection, Prompt, connect
from nlapi.agent.endpoints import ModelEndpoint
from nlapi.agent.messages import StreamedAnswer
from nlapi.errors import ArgumentError, PlannerError
from nlapi.openapi.overlay import operation_jsonpath
from nlapi.openapi.spec import Operation, as_list
from nlapi.plugin.markdown import safe_line
from nlapi.tools.arguments import check
from nlapi.tools.compile import compile_tool

PROPOSED_OVERLAY = "overlay.proposed.yaml"

# Operations in one request: some 500 characters each are 25,000 tokens, and the proposals for them fit into MAX_TOKENS.
BATCH_SIZE = 200
MAX_RETRIES = 2
MAX_TOKENS = 16_000
_TEXT = {"type": "string"}
_LIST = {"type": "array", "items": _TEXT}


def _object(required: Sequence[str], **properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


TOOL: dict[str, object] = {
    "name": "propose",
    "description": "Proposes names, groups and examples for operations of the API.",
    "input_schema": _object(
        (),
        names={"type": "array", "items": _object(("operation", "summary"), operation=_TEXT, summary=_TEXT, name=_TEXT)},
        groups={"type": "array", "items": _object(("label", "operations"), label=_TEXT, about=_TEXT, operations=_LIST)},
        examples={
            "type": "array",
            "items": _object(("operation", "argument", "value"), operation=_TEXT, argument=_TEXT, value={}),
        },
    ),
}


async def propose_overlay(operations: Sequence[Operation], endpoint: ModelEndpoint) -> str:
    """Return the overlay as YAML; "" when the model would change nothing.

    Proposals for operations, arguments and values that do not exist, or that do not fit, are left out. PlannerError
    when the API cannot be reached or refuses.
    """
    proposals: list[dict[str, Any]] = []
    async with connect(endpoint, max_retries=MAX_RETRIES) as connection:
        for start in range(0, len(operations), BATCH_SIZE):
            labels = [
                group["label"]
                for proposal in proposals
                for group in _mappings(proposal.get("groups"))
                if "label" in group
            ]
            proposals.append(await _request_proposal(connection, operations[start : start + BATCH_SIZE], labels))
    actions = [action for proposal in proposals for action in _overlay_actions(proposal, operations)]
    if not actions:
        return ""
    spec = operations[0].spec
    head = {"overlay": "1.1.0", "info": {"title": f"Proposed for {safe_line(spec.title, 60)}", "version": "1"}}
    comment = "# Proposed by Claude. Read it, keep what is right, and rename it to overlay.yaml.\n"
    return comment + yaml.safe_dump({**head, "actions": actions}, sort_keys=False, allow_unicode=True, width=110)


async def _request_proposal(
    connection: ModelConnection, operations: Sequence[Operation], labels: Sequence[str]
) -> dict[str, Any]:
    """Return what the model proposes for some of the operations; `labels` are groups that it made of others."""
    operations_json = json.dumps([_operation_summary(block) for block in operations], ensure_ascii=False)
    groups_note = (
        f"Groups that you made of other operations: {json.dumps(list(dict.fromkeys(labels)))}\n\n" if labels else ""
    )
    content = [{"type": "text", "text": f"{groups_note}{operations_json}"}]
    prompt = Prompt(
        system=[{"type": "text", "text": bundled.text("prompts/skills/propose.md")}],
        messages=[{"role": "user", "content": content}],
        tools=[TOOL],
        max_tokens=MAX_TOKENS,
    )
    answer = StreamedAnswer()
    async for _ in connection.stream(prompt, answer):
        pass
    # "auto", as the newest models refuse a forced tool; so an answer may be text alone.
    uses = [block for block in answer.content if block["type"] == "tool_use" and block["id"] not in answer.faults]
    if answer.stop != "tool_use" or not uses:
        reason = answer.text.strip()[:200] or f"it ended with {answer.stop}"
        raise PlannerError(
            f"Claude proposed nothing that can be used: {reason}", hint="try again, or write overlay.yaml"
        )
    proposal = uses[0]["input"]
    return proposal if isinstance(proposal, dict) else {}


def _operation_summary(operation: Operation) -> dict[str, object]:
    tool = compile_tool(operation)
    return {
        "operation": operation.id,
        "request": f"{operation.method} {operation.path}",
        "summary": safe_line(operation.summary, 160),
        "description": safe_line(operation.description, 240),
        "tags": [safe_line(tag, 60) for tag in operation.tags],
        "arguments": list(tool.places)[:20],
    }


def _overlay_actions(proposal: Mapping[str, object], operations: Sequence[Operation]) -> Iterator[dict[str, Any]]:
    """Yield the proposals as actions of an overlay, as far as they fit the description."""
    operation_by_id = {entry.id: entry for entry in operations}
    tags = {tag for entry in operations for tag in entry.tags}
    for entry in _mappings(proposal.get("names")):
        operation, summary = (
            operation_by_id.get(str(entry.get("operation"))),
            safe_line(str(entry.get("summary", "")), 120),
        )
        if operation and summary and summary != operation.summary:
            name = str(entry.get("name", ""))
            hint = {"x-nlapi": {"name": name}} if re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) else {}
            yield {
                "target": operation_jsonpath(operation.path, operation.method),
                "update": {"summary": summary, **hint},
            }
    for entry in _mappings(proposal.get("groups")):
        label, about = safe_line(str(entry.get("label", "")), 60), safe_line(str(entry.get("about", "")), 160)
        members = [operation_by_id[id] for id in _strings(entry.get("operations")) if id in operation_by_id]
        if label and about and members and label not in tags:
            yield {"target": "$", "update": {"tags": [{"name": label, "description": about}]}}
        for operation in members if label else ():
            if operation.tags[:1] != (label,):
                if operation.tags:  # lists are put together by an update, so the old one goes first
                    yield {"target": f"{operation_jsonpath(operation.path, operation.method)}.tags", "remove": True}
                yield {"target": operation_jsonpath(operation.path, operation.method), "update": {"tags": [label]}}
    for entry in _mappings(proposal.get("examples")):
        operation = operation_by_id.get(str(entry.get("operation")))
        if operation and (action := _example_action(operation, str(entry.get("argument")), entry.get("value"))):
            yield action


def _example_action(operation: Operation, argument: str, value: object) -> dict[str, object] | None:
    """Return an example for a parameter, if the description has that and accepts the value."""
    tool = compile_tool(operation)
    location, name = tool.places.get(argument, ("", ""))
    index = _parameter_index(operation, location, name)
    if index is None:
        return None
    # The other required arguments have no value here; only a fault of this one counts.
    arguments = {**dict.fromkeys(tool.required), argument: value}
    try:
        check(tool, arguments)
    except ArgumentError as error:
        if re.search(rf"(?:^|[:;] ){re.escape(argument)}\b", str(error)):
            return None
    return {
        "target": f"{operation_jsonpath(operation.path, operation.method)}.parameters[{index}]",
        "update": {"example": value},
    }


def _parameter_index(operation: Operation, location: str, name: str) -> int | None:
    """Return the index of a parameter in the operation's own list, None where it is inherited or a `$ref`."""
    for index, parameter in enumerate(as_list(operation.node.get("parameters"))):
        if isinstance(parameter, Mapping) and (parameter.get("in"), parameter.get("name")) == (location, name):
            return index
    return None


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in as_list(value) if isinstance(item, Mapping)]


def _strings(value: object) -> list[str]:
    return [item for item in as_list(value) if isinstance(item, str)]
