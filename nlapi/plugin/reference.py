"""The reference of a plugin: every operation with its arguments and answers, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.client.safe_text import code_span
from nlapi.openapi.model import as_map
from nlapi.openapi.spec import Operation
from nlapi.plugin.markdown import fill_template, safe_line
from nlapi.plugin.names import callable_id
from nlapi.tools.answer_view import answer_fields
from nlapi.tools.areas import Area, Group
from nlapi.tools.compile import compile_tool
from nlapi.tools.names import join_names

# Of one file: what a model reads at once.
MAX_OPERATIONS = 50
MAX_CHARACTERS = 9_000
# Of one area, whose skill has a line or more for each: a larger area has larger files.
MAX_FILES = 24

# An area of more groups is one file in parts: its skill has a link to each file, all on one line.
MAX_GROUPS = 12

MAX_ABOUT = 400
MAX_ARGUMENT = 200
MAX_ARGUMENTS = 40
# Choices, properties or fields that are named; `--about` has the rest.
MAX_NAMES = 16

# The beginning of the sentence on the unit of an amount, which is never cut off: a wrong unit is a wrong budget.
UNIT_SENTENCE = "A number is in "

MAX_DEPTH = 3


def reference_files(area: Area, title: str, command: str) -> dict[str, str]:
    """Return file name -> text: one file a group, or several where it is too large for a model to read at once."""
    joint = Group(slug=area.slug, label=area.label, about="", operations=area.operations)
    groups = area.groups if len(area.groups) <= MAX_GROUPS else (joint,)
    return {file: text for group in groups for file, text in _group_files(group, title, command).items()}


def _group_files(group: Group, title: str, command: str) -> dict[str, str]:
    parts = list(
        _split_entries(
            [(callable_id(operation), _operation_entry(operation, command)) for operation in group.operations]
        )
    )
    files = {}
    for number, part in enumerate(parts, 1):
        name = group.slug if number == 1 else f"{group.slug}-{number}"
        files[f"{name}.md"] = fill_template(
            "reference.md",
            label=safe_line(group.label, 80) + (f" ({number} of {len(parts)})" if len(parts) > 1 else ""),
            title=title,
            command=command,
            operations=", ".join(id for id, _ in part),
            entries="\n\n".join(text for _, text in part),
        )
    return files


def summary(operation: Operation, limit: int) -> str:
    """Return the summary of an operation on one line."""
    text = operation.summary.strip() or operation.description.strip().partition("\n\n")[0]
    return safe_line(text, limit).rstrip(".") or f"{operation.method} {safe_line(operation.path, limit)}"


def _split_entries(entries: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    part: list[tuple[str, str]] = []
    size = 0
    limit = max(MAX_CHARACTERS, sum(len(text) for _, text in entries) // MAX_FILES)
    for entry in entries:
        if part and (len(part) == MAX_OPERATIONS or size + len(entry[1]) > limit):
            yield part
            part, size = [], 0
        part.append(entry)
        size += len(entry[1])
    yield part


def _operation_entry(operation: Operation, command: str) -> str:
    tool = compile_tool(operation)
    about = safe_line(f"{operation.summary.rstrip('. ')}. {operation.description}".lstrip(". "), MAX_ABOUT)
    deprecated = "deprecated, " if operation.deprecated else ""
    head = f"{deprecated}{operation.effect.value}: {code_span(f'{operation.method} {operation.path}', 200)}"
    lines = [f"## {callable_id(operation)}", "", f"{head}. {about}" if about else head]
    properties = tool.input_schema["properties"]
    definitions = tool.input_schema.get("$defs", {})
    order = sorted(properties, key=lambda name: name not in tool.required)
    if order:
        lines.append("")
    lines += (
        _argument_line(name, properties[name], definitions, required=name in tool.required)
        for name in order[:MAX_ARGUMENTS]
    )
    if len(order) > MAX_ARGUMENTS:
        more = ", ".join(code_span(name, 64) for name in order[MAX_ARGUMENTS : MAX_ARGUMENTS + MAX_NAMES])
        lines.append(f"- {len(order) - MAX_ARGUMENTS} more, such as {more}: `{command} --about` has them all")
    if answer := answer_fields(operation, lambda name: code_span(name, 64)):
        lines += ["", f"Answers with {answer}."]
    if linked := _linked_operations(operation):
        lines += ["", f"Leads on to {linked}."]
    return "\n".join(lines)


def _argument_line(name: str, schema: object, definitions: Mapping[str, object], *, required: bool) -> str:
    node = as_map(schema)
    description, mark, unit = _description_with_unit(node, definitions).rpartition(UNIT_SENTENCE)
    about = (
        f"{safe_line(description, MAX_ARGUMENT)} {mark}{safe_line(unit, MAX_ARGUMENT)}".strip()
        if mark
        else safe_line(unit, MAX_ARGUMENT)
    )
    kind = f"{'required, ' if required else ''}{_value_kind(node, definitions)}"
    default = f", {code_span(node['default'], 40)} if not given" if "default" in node else ""
    return f"- {code_span(name, 64)} ({kind}{default}){f': {about}' if about else ''}"


def _description_with_unit(node: Mapping[str, object], definitions: Mapping[str, object]) -> str:
    """Return the description of a schema, with the unit that only the definition it refers to may state."""
    text = str(node.get("description", ""))
    target = definitions.get(str(node.get("$ref", "")).rpartition("/")[2])
    shared = str(target.get("description", "")) if isinstance(target, Mapping) else ""
    return (
        f"{text} {UNIT_SENTENCE}{shared.rpartition(UNIT_SENTENCE)[2]}"
        if UNIT_SENTENCE in shared and UNIT_SENTENCE not in text
        else text
    )


def _value_kind(schema: object, definitions: Mapping[str, object], depth: int = 0) -> str:
    """Return the kind of a value in a few words."""
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return "any value"
    if isinstance(ref := schema.get("$ref"), str):
        return _value_kind(definitions.get(ref.rpartition("/")[2]), definitions, depth + 1)
    if "const" in schema:
        return code_span(schema["const"], 40)
    if "enum" in schema:
        return f"one of {join_names([code_span(item, 40) for item in schema['enum']], MAX_NAMES)}"
    for key in ("oneOf", "anyOf"):
        if key in schema and "properties" not in schema:
            kinds = dict.fromkeys(_value_kind(item, definitions, depth + 1) for item in schema[key][:4])
            return " or ".join(kinds)
    types = schema.get("type", ())
    type_names = [types] if isinstance(types, str) else list(types)
    return " or ".join(_typed_kind(item, schema, definitions, depth) for item in type_names) or _object_kind(
        schema, "any value"
    )


def _typed_kind(kind: str, schema: Mapping[str, object], definitions: Mapping[str, object], depth: int) -> str:
    if kind == "array":
        items = _value_kind(schema["items"], definitions, depth + 1) if "items" in schema else "any value"
        return f"list of {items}"
    if kind == "object":
        return _object_kind(schema, "object")
    if kind in ("integer", "number") and isinstance(schema.get("minimum", schema.get("maximum")), int | float):
        return f"{kind} from {schema.get('minimum', '…')} to {schema.get('maximum', '…')}"
    format = schema.get("format")
    return f"{kind}, {safe_line(format, 30)}" if kind == "string" and isinstance(format, str) else safe_line(kind, 30)


def _object_kind(schema: Mapping[str, Any], otherwise: str) -> str:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return otherwise
    required = schema.get("required", ())
    names = [code_span(name, 64) + ("*" if name in required else "") for name in properties]
    return f"object of {join_names(names, MAX_NAMES)}"


def _linked_operations(operation: Operation) -> str:
    targets = dict.fromkeys(link.operation_id for link in operation.links)
    operations = (operation.spec.operation(id) for id in targets)
    return join_names([callable_id(target) for target in operations if target.usable and not target.hidden], 6)
