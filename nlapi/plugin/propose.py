"""An overlay of better names, groups and examples proposed by Claude, for people to read and never applied."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from nlapi import bundled
from nlapi.agent.claude import BASE_URL
from nlapi.agent.explain import explain
from nlapi.agent.messages import Answer
from nlapi.agent.models import DEFAULT
from nlapi.errors import ArgumentError, PlannerError
from nlapi.openapi.overlay import target_of
from nlapi.openapi.parts import as_list
from nlapi.openapi.spec import Operation
from nlapi.plugin.text import line
from nlapi.tools.check import check
from nlapi.tools.compile import compile_tool

PROPOSED = "overlay.proposed.yaml"

# Operations in one request: some 500 characters each are 25,000 tokens, and the proposals for them fit into MAX_TOKENS.
AT_ONCE = 200
MAX_TOKENS = 16_000
_TEXT = {"type": "string"}
_LIST = {"type": "array", "items": _TEXT}


def _object(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


TOOL: dict[str, Any] = {
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


async def propose(
    operations: Sequence[Operation], *, api_key: str, base_url: str | None = None, model: str = DEFAULT
) -> str:
    """Return the overlay as YAML; "" when Claude would change nothing.

    Proposals for operations, arguments and values that do not exist, or that do not fit, are left out. PlannerError
    when the API cannot be reached or refuses.
    """
    from anthropic import AsyncAnthropic

    found: list[dict[str, Any]] = []
    async with AsyncAnthropic(api_key=api_key, base_url=base_url or BASE_URL) as client:
        for at in range(0, len(operations), AT_ONCE):
            labels = [one["label"] for said in found for one in _maps(said.get("groups")) if "label" in one]
            found.append(await _asked(client, operations[at : at + AT_ONCE], labels, model))
    actions = [action for said in found for action in _actions(said, operations)]
    if not actions:
        return ""
    spec = operations[0].spec
    head = {"overlay": "1.1.0", "info": {"title": f"Proposed for {line(spec.title, 60)}", "version": "1"}}
    told = "# Proposed by Claude. Read it, keep what is right, and rename it to overlay.yaml.\n"
    return told + yaml.safe_dump({**head, "actions": actions}, sort_keys=False, allow_unicode=True, width=110)


async def _asked(client: Any, operations: Sequence[Operation], labels: Sequence[str], model: str) -> dict[str, Any]:
    """Return what Claude proposes for some of the operations; `labels` are groups that it made of others."""
    import httpx2
    from anthropic import AnthropicError

    told = json.dumps([_told(one) for one in operations], ensure_ascii=False)
    said = f"Groups that you made of other operations: {json.dumps(list(dict.fromkeys(labels)))}\n\n" if labels else ""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": MAX_TOKENS,
        "system": bundled.text("prompts/skills/propose.md"),
        "messages": [{"role": "user", "content": f"{said}{told}"}],
        "tools": [TOOL],
        "tool_choice": {"type": "auto"},
    }
    answer = Answer()
    try:
        async with await client.messages.create(stream=True, **body) as stream:
            async for _ in answer.read(stream):
                pass
    except (AnthropicError, httpx2.HTTPError, ValueError) as error:
        raise explain(error, model=model, base_url=str(client.base_url), key=client.api_key or "") from error
    # "auto", as the newest models refuse a forced tool; so an answer may be text alone.
    uses = [one for one in answer.content if one["type"] == "tool_use" and one["id"] not in answer.faults]
    if answer.stop != "tool_use" or not uses:
        why = answer.text.strip()[:200] or f"it ended with {answer.stop}"
        raise PlannerError(f"Claude proposed nothing that can be used: {why}", hint="try again, or write overlay.yaml")
    given = uses[0]["input"]
    return given if isinstance(given, dict) else {}


def _told(operation: Operation) -> dict[str, Any]:
    tool = compile_tool(operation)
    return {
        "operation": operation.id,
        "request": f"{operation.method} {operation.path}",
        "summary": line(operation.summary, 160),
        "description": line(operation.description, 240),
        "tags": [line(tag, 60) for tag in operation.tags],
        "arguments": list(tool.places)[:20],
    }


def _actions(said: Mapping[str, Any], operations: Sequence[Operation]) -> Iterator[dict[str, Any]]:
    """Yield the proposals as actions of an overlay, as far as they fit the description."""
    known = {one.id: one for one in operations}
    tags = {tag for one in operations for tag in one.tags}
    for one in _maps(said.get("names")):
        operation, summary = known.get(str(one.get("operation"))), line(str(one.get("summary", "")), 120)
        if operation and summary and summary != operation.summary:
            name = str(one.get("name", ""))
            hint = {"x-nlapi": {"name": name}} if re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) else {}
            yield {"target": target_of(operation.path, operation.method), "update": {"summary": summary, **hint}}
    for one in _maps(said.get("groups")):
        label, about = line(str(one.get("label", "")), 60), line(str(one.get("about", "")), 160)
        members = [known[id] for id in _texts(one.get("operations")) if id in known]
        if label and about and members and label not in tags:
            yield {"target": "$", "update": {"tags": [{"name": label, "description": about}]}}
        for operation in members if label else ():
            if operation.tags[:1] != (label,):
                if operation.tags:  # lists are put together by an update, so the old one goes first
                    yield {"target": f"{target_of(operation.path, operation.method)}.tags", "remove": True}
                yield {"target": target_of(operation.path, operation.method), "update": {"tags": [label]}}
    for one in _maps(said.get("examples")):
        operation = known.get(str(one.get("operation")))
        if operation and (action := _example(operation, str(one.get("argument")), one.get("value"))):
            yield action


def _example(operation: Operation, argument: str, value: Any) -> dict[str, Any] | None:
    """Return an example for a parameter, if the description has that and accepts the value."""
    tool = compile_tool(operation)
    where, name = tool.places.get(argument, ("", ""))
    raw = _parameter(operation, where, name)
    if raw is None:
        return None
    # The other required arguments have no value here; only a fault of this one counts.
    given = {**dict.fromkeys(tool.required), argument: value}
    try:
        check(tool, given)
    except ArgumentError as error:
        if re.search(rf"(?:^|[:;] ){re.escape(argument)}\b", str(error)):
            return None
    return {"target": f"{target_of(operation.path, operation.method)}.parameters[{raw}]", "update": {"example": value}}


def _parameter(operation: Operation, where: str, name: str) -> int | None:
    """Return the index of a parameter in the operation's own list, None where it is inherited or a `$ref`."""
    node = operation.spec.document.get("paths", {}).get(operation.path, {}).get(operation.method.lower(), {})
    listed = node.get("parameters") if isinstance(node, Mapping) else None
    for at, one in enumerate(as_list(listed)):
        if isinstance(one, Mapping) and (one.get("in"), one.get("name")) == (where, name):
            return at
    return None


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in as_list(value) if isinstance(one, Mapping)]


def _texts(value: Any) -> list[str]:
    return [one for one in as_list(value) if isinstance(one, str)]
