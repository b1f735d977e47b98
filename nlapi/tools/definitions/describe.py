"""Describes an operation to a model at three lengths: its summary, its signature, and all of its arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from nlapi.client.safe_text import code_span, single_line
from nlapi.errors import UsageError
from nlapi.openapi.spec import Operation, as_map
from nlapi.tools.answers.view import answer_fields
from nlapi.tools.arguments import resolve_definition
from nlapi.tools.definitions.argument_text import DETAILS, FULL, SchemaText, shared_parts
from nlapi.tools.definitions.manifest import compact
from nlapi.tools.texts.names import join_names
from nlapi.tools.texts.plain_text import cut_text, plain_text
from nlapi.tools.tool import Tool

MAX_SUMMARY = 120

# In characters; of a longer schema only its upper levels are given. A model reads 60,000 at once.
MAX_SCHEMA = 60_000

# Choices and fields that a signature names; the rest is for `describe_operation`.
MAX_CHOICES = 6
MAX_FIELDS = 8
MAX_OPTIONAL = 12

_OUTLINE_KEYWORDS = ("type", "description", "enum", "format", "default", "minimum", "maximum")


def summarize_operation(operation: Operation) -> str:
    """Return the summary of an operation, on one line."""
    text = single_line(plain_text(operation.summary.strip() or operation.description.strip().partition("\n\n")[0]))
    text = text or f"{operation.method} {single_line(operation.path)}"
    return text if len(text) <= MAX_SUMMARY else f"{text[: MAX_SUMMARY - 1].rstrip()}…"


def signature(tool: Tool, *, kind: str = "") -> str:
    """Return the operation and its arguments on one line, such as `listPets (read): List pets. limit?: integer`.

    `?` marks what may be left out; `…` that there is more than is shown. `kind` is the kind of tool, if not a
    single operation.
    """
    properties = tool.input_schema.get("properties", {})
    definitions = tool.input_schema.get("$defs", {})
    optional = [name for name in properties if name not in tool.required]
    arguments = [f"{name}: {type_text(properties.get(name), definitions)}" for name in tool.required]
    arguments += [f"{name}?: {type_text(properties[name], definitions)}" for name in optional[:MAX_OPTIONAL]]
    if len(optional) > MAX_OPTIONAL:
        arguments.append(f"… {len(optional) - MAX_OPTIONAL} more")
    head = f"{tool.name} ({tool.effect.value}{f', {kind}' if kind else ''}): {summarize_operation(tool.operation)}"
    return single_line(f"{head} | {', '.join(arguments)}" if arguments else head)


def type_text(schema: object, definitions: Mapping[str, object], depth: int = 0) -> str:
    """Return the type of a value in a few words: `integer`, `open|closed`, `string[]`, `{name, age?}`."""
    schema = resolve_definition(schema, definitions)
    if choices := schema.get("enum"):
        visible = "|".join(str(choice)[:40] for choice in choices[:MAX_CHOICES])
        return f"{visible}|…" if len(choices) > MAX_CHOICES else visible
    if "const" in schema:
        return str(schema["const"])[:40]
    kind = schema.get("type")
    kinds = [entry for entry in ([kind] if isinstance(kind, str) else kind or []) if entry != "null"]
    if kinds == ["array"]:
        entry = type_text(schema.get("items"), definitions, depth + 1)
        return f"({entry})[]" if "|" in entry or " " in entry else f"{entry}[]"
    if kinds == ["object"] or "properties" in schema:
        return _object_text(schema, depth)
    branches = schema.get("oneOf") or schema.get("anyOf")
    if branches and depth < 2:
        texts = dict.fromkeys(type_text(branch, definitions, depth + 1) for branch in branches[:MAX_CHOICES])
        return " or ".join(texts)
    text = "|".join(kinds) or "any"
    return f"{text} ({schema['format']})" if "format" in schema and kinds == ["string"] else text


def _object_text(schema: Mapping[str, Any], depth: int) -> str:
    names = list(schema.get("properties", {}))
    if not names or depth > 1:
        return "object"
    required = schema.get("required", ())
    visible = [name if name in required else f"{name}?" for name in names[:MAX_FIELDS]]
    return f"{{{', '.join([*visible, *(['…'] if len(names) > MAX_FIELDS else [])])}}}"


def describe_operation(tool: Tool, *, limit: int = MAX_SCHEMA, argument: str = "") -> dict[str, object]:
    """Return an operation in full, for a model that is about to call it.

    Arguments that take more than `limit` characters are given without their inner levels; `argument`, a dotted name
    such as `spec.template`, opens one of them. UsageError if the argument does not exist.
    """
    operation = tool.operation
    description: dict[str, Any] = {"operation": tool.name, "effect": operation.effect.value}
    schema = compact(tool)
    if argument:
        part = open_argument(schema, argument, operation.id)
        return {**description, "argument": argument, "schema": bound_schema(part, limit)}
    description |= {"description": tool.description[:limit], "arguments": bound_schema(schema, limit)}
    if field_names := answer_field_names(operation):
        description["answers"] = field_names
    linked_ids = dict.fromkeys(link.operation_id for link in operation.links)
    return {**description, "leads_to": list(linked_ids)[:6]} if linked_ids else description


def answer_field_names(operation: Operation) -> str:
    """Return the field names of an answer of success, each on one line."""
    return answer_fields(operation, lambda name: single_line(name)[:64])


def bound_schema(schema: Mapping[str, Any], limit: int) -> dict[str, object]:
    """Return a schema within `limit` characters: the deepest levels that fit, without definitions elsewhere."""
    if _size(schema) <= limit:
        return dict(schema)
    definitions = schema.get("$defs", {})
    outlines = (_outline(schema, definitions, depth) for depth in (4, 3, 2, 1, 0))
    return next((outline for outline in outlines if _size(outline) <= limit), _names_only(schema, limit))


def _size(schema: Mapping[str, object]) -> int:
    return len(json.dumps(schema, default=str, ensure_ascii=False))


def _outline(schema: object, definitions: Mapping[str, object], depth: int) -> dict[str, object]:
    """Return a schema down to `depth` levels of objects; below, objects are the names of their fields."""
    resolved = resolve_definition(schema, definitions)
    outline: dict[str, object] = {key: resolved[key] for key in _OUTLINE_KEYWORDS if key in resolved}
    properties = resolved.get("properties", {})
    if properties and depth <= 0:
        outline["fields"] = list(properties)
    elif properties:
        outline["properties"] = {name: _outline(part, definitions, depth - 1) for name, part in properties.items()}
    if "required" in resolved:
        outline["required"] = resolved["required"]
    if "items" in resolved:
        outline["items"] = _outline(resolved["items"], definitions, depth - 1) if depth > 0 else {}
    for key in ("oneOf", "anyOf"):
        if key in resolved and depth > 0:
            outline[key] = [_outline(branch, definitions, depth - 1) for branch in resolved[key]]
    return outline


def _names_only(schema: Mapping[str, Any], limit: int) -> dict[str, object]:
    names = list(schema.get("properties", {}))
    required = [name for name in schema.get("required", ()) if name in names]
    visible = [*required, *(name for name in names if name not in required)][: max(limit // 40, 1)]
    return {"required": required, "fields": visible, **({"more_fields": len(names) - len(visible)} if names else {})}


def open_argument(schema: Mapping[str, Any], argument: str, operation_id: str) -> Mapping[str, Any]:
    """Return the schema of an argument by its dotted name, with the definitions that it may refer to.

    UsageError with the names that there are if the argument does not exist.
    """
    definitions = schema.get("$defs", {})
    part: Mapping[str, Any] = schema
    for name in argument.split("."):
        inner = next((fields[name] for fields in _property_maps(part, definitions) if name in fields), None)
        if inner is None:
            names = [name for fields in _property_maps(part, definitions) for name in fields]
            hint = (
                f"there are {', '.join(single_line(str(name))[:64] for name in names[:20])}"
                if names
                else "it has no fields"
            )
            raise UsageError(f"{operation_id} has no argument {argument[:100]!r}", hint=hint)
        part = resolve_definition(inner, definitions)
    return {**part, **({"$defs": definitions} if definitions else {})}


def _property_maps(schema: Mapping[str, Any], definitions: Mapping[str, object]) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of an object, of the entries of an array or a map, and of the branches of a union."""
    pending: list[object] = [schema]
    # A filter is often a union with a list of filters, so that a schema may lead to itself.
    visited: set[int] = set()
    while pending:
        resolved = resolve_definition(pending.pop(0), definitions)
        if id(resolved) in visited:
            continue
        visited.add(id(resolved))
        if isinstance(fields := resolved.get("properties"), Mapping):
            yield fields
        pending += [resolved.get("items"), resolved.get("additionalProperties")]
        pending += [part for key in ("oneOf", "anyOf", "allOf") for part in resolved.get(key) or ()]


Opener = Callable[[str, str], str]

MAX_TEXT = 8_000
"""Characters of a text that every client shows whole."""

# Share of the text for the arguments themselves; the rest is for the parts that they share.
_ARGUMENT_SHARE = 0.6

# Tried for a part that would not fit.
_LESSER_DETAILS = (DETAILS[4], DETAILS[6])

# Parts without room that are named with the way to open them.
_MAX_NAMED = 12


def operation_text(tool: Tool, opener: Opener, *, limit: int = MAX_TEXT) -> str:
    """Return an operation as Markdown of at most `limit` characters.

    `opener` returns the command that opens a part, from the id of the operation and the path of an argument.
    """
    operation = tool.operation
    head = f"# {operation.id}\n\n{operation_head(operation, 1_200)}"
    tail = operation_tail(operation)
    definitions = as_map(tool.input_schema.get("$defs"))
    drafts = (
        _Draft(text=text, lines=[line for block in text.argument_blocks(tool) for line in block.lines])
        for detail in (FULL, *DETAILS)
        for text in [SchemaText(definitions=definitions, detail=detail, parts=shared_parts([tool]))]
    )
    body = _fitting(drafts, limit - len(head) - len(tail) - 300, partial(opener, operation.id))
    return _joined(head, body, tail)[:limit]


def argument_text(tool: Tool, argument: str, opener: Opener) -> str:
    """Return one argument, or a part of it by its dotted name, as Markdown. UsageError if none exists."""
    schema = open_argument(tool.input_schema, argument, tool.operation.id)
    definitions = as_map(schema.get("$defs"))
    own = {key: value for key, value in schema.items() if key != "$defs"}
    head = f"# {tool.operation.id}: {code_span(argument, 200)}"
    drafts = (
        _Draft(
            text=text,
            lines=text.field_lines(argument.rpartition(".")[2], own, required=False, path=argument),
        )
        for detail in (FULL, *DETAILS)
        for text in [
            SchemaText(
                definitions=definitions,
                detail=detail,
                parts=shared_parts([replace(tool, input_schema={"properties": {argument: own}, "$defs": definitions})]),
            )
        ]
    )
    return _joined(head, _fitting(drafts, MAX_TEXT - len(head) - 300, partial(opener, tool.operation.id)))[:MAX_TEXT]


def operation_head(operation: Operation, limit: int) -> str:
    """Return what an operation does: its effect, its request, and its description in about `limit` characters."""
    about, is_cut = cut_text(about_text(operation), limit)
    deprecated = "deprecated, " if operation.deprecated else ""
    head = f"{deprecated}{operation.effect.value}: {code_span(f'{operation.method} {operation.path}', 200)}"
    return f"{head}. {about}{' …' if is_cut else ''}" if about else head


def about_text(operation: Operation) -> str:
    return f"{operation.summary.rstrip('. ')}. {operation.description}".lstrip(". ")


def operation_tail(operation: Operation) -> str:
    """Return what an operation answers, and the operations that it leads on to."""
    lines = []
    if answer := answer_fields(operation, lambda name: code_span(name, 64)):
        lines.append(f"Answers with {answer}.")
    targets = dict.fromkeys(link.operation_id for link in operation.links)
    linked = (operation.spec.operation(id) for id in targets)
    if names := join_names([target.id for target in linked if target.usable and not target.hidden], 6):
        lines.append(f"Leads on to {names}.")
    return "\n\n".join(lines)


class _Draft:
    """The lines of arguments in one detail, before their parts."""

    def __init__(self, *, text: SchemaText, lines: list[str]) -> None:
        self.text = text
        self.lines = lines
        self.size = sum(map(len, lines)) + len(lines)


def _fitting(drafts: Iterator[_Draft], room: int, opener: Callable[[str], str]) -> str:
    """Return the first draft that fits with all of its parts, else one with the parts that fit."""
    chosen: _Draft | None = None
    for draft in drafts:
        sections, others = fitting_parts(draft.text, max(room - draft.size, 0))
        if draft.size <= room and not others:
            return _body(draft, sections, {}, opener)
        if draft.size <= room * _ARGUMENT_SHARE and chosen is None:
            chosen = draft
        last = draft
    draft = chosen or last
    size = 0
    lines: list[str] = []
    for line in draft.lines:
        size += len(line) + 1
        if size > room - 200:
            lines.append(f"- … {len(draft.lines) - len(lines)} more lines")
            break
        lines.append(line)
    draft.lines = lines
    sections, others = fitting_parts(draft.text, max(room - draft.size - 80 * _MAX_NAMED, 0))
    return _body(draft, sections, others, opener)


def fitting_parts(text: SchemaText, room: int) -> tuple[list[str], Mapping[str, str]]:
    """Return the sections of the parts that a text refers to and has room for, and the paths of the others."""
    sections: dict[str, str] = {}
    others: dict[str, str] = {}
    while pending := [name for name in text.used_parts if name not in sections and name not in others]:
        name = pending[0]
        section = _part_section(text, name, room - 2)
        if section:
            sections[name] = section
            room -= len(section) + 2
        else:
            others[name] = text.used_parts[name]
    return list(sections.values()), others


def _part_section(text: SchemaText, name: str, room: int) -> str:
    """Return the section of a part, with less detail where it would not fit; "" where none fits."""
    for detail in (text.detail, *_LESSER_DETAILS):
        section = text.part_section(name, detail)
        if len(section.text) <= room:
            for part, path in section.parts.items():
                text.used_parts.setdefault(part, f"{text.used_parts[name]}{path}")
            return section.text
    return ""


def _body(draft: _Draft, sections: list[str], others: Mapping[str, str], opener: Callable[[str], str]) -> str:
    body = ["\n".join(draft.lines)] if draft.lines else []
    body += ["## Parts", *sections] if sections else []
    if others:
        named = [f"- {name}: `{opener(path)}`" for name, path in list(others.items())[:_MAX_NAMED]]
        named += [f"- … {len(others) - _MAX_NAMED} more, inside of these"] if len(others) > _MAX_NAMED else []
        body.append("\n".join(["Left out here:", *named]))
    if "…" in "".join(body):
        body.append(f"`…` marks what is left out: `{opener('ARGUMENT.PATH')}` opens it.")
    return "\n\n".join(body)


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
