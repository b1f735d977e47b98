"""Writes an operation, or one of its arguments, as Markdown within a size, and names what is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from nlapi.client.safe_text import code_span
from nlapi.openapi.model import as_map
from nlapi.openapi.spec import Operation
from nlapi.tools.answer_view import answer_fields
from nlapi.tools.argument_text import DETAILS, FULL, SchemaText, shared_parts
from nlapi.tools.describe import open_argument
from nlapi.tools.names import join_names
from nlapi.tools.text import cut_text
from nlapi.tools.tool import Tool

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
        _Draft(text=text, lines=text.argument_lines(tool))
        for detail in (FULL, *DETAILS)
        for text in [SchemaText(definitions=definitions, detail=detail, parts=shared_parts([tool]))]
    )
    body = _fitting(drafts, limit - len(head) - len(tail) - 300, partial(opener, operation.id))
    return _joined(head, body, tail)[:limit]


def argument_text(tool: Tool, argument: str, opener: Opener, *, limit: int = MAX_TEXT) -> str:
    """Return one argument, or a part of it by its dotted name, as Markdown. UsageError when there is none."""
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
    return _joined(head, _fitting(drafts, limit - len(head) - 300, partial(opener, tool.operation.id)))[:limit]


def operation_head(operation: Operation, limit: int) -> str:
    """Return what an operation does: its effect, its request, and its description in about `limit` characters."""
    about, is_cut = cut_text(f"{operation.summary.rstrip('. ')}. {operation.description}".lstrip(". "), limit)
    deprecated = "deprecated, " if operation.deprecated else ""
    head = f"{deprecated}{operation.effect.value}: {code_span(f'{operation.method} {operation.path}', 200)}"
    return f"{head}. {about}{' …' if is_cut else ''}" if about else head


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
        body.append("\n".join(["Left out here:", *named, *_count_line(len(others) - _MAX_NAMED)]))
    if "…" in "".join(body):
        body.append(f"`…` marks what is left out: `{opener('ARGUMENT.PATH')}` opens it.")
    return "\n\n".join(body)


def _count_line(count: int) -> list[str]:
    return [f"- … {count} more, inside of these"] if count > 0 else []


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
