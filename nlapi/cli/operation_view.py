"""Describes one operation to a person: its arguments, with types and sources of ids, and an example to type."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nlapi.cli import console
from nlapi.cli.id_cache import StoredIds
from nlapi.client.safe_text import single_line
from nlapi.openapi.model import as_list, as_map
from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.questions import argument_words, sample_arguments
from nlapi.resources.id_sources import id_sources
from nlapi.tools.answer_view import page_arguments
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.describe import answer_field_names, summarize_operation, type_text
from nlapi.tools.text import plain_text
from nlapi.tools.tool import Tool

# Choices of one argument that a text for people names; JSON has them all.
MAX_CHOICES = 16
MAX_ARGUMENT = 400
MAX_DESCRIPTION = 1200

ARGUMENT_INDENT = 2
TEXT_INDENT = 6
BLOCK_INDENT = 3

_EFFECTS = {
    Effect.READ: "only reads",
    Effect.WRITE: "changes something: asks first",
    Effect.DESTROY: "takes something away: asks first",
}
_LIMITS = ("minimum", "maximum", "minLength", "maxLength", "pattern")


def operation_record(operation: Operation, source: str, stored: StoredIds | None = None) -> dict[str, Any]:
    """Return the description of an operation as JSON. `source` is the name of the API that examples begin with."""
    tool = compile_tool(operation)
    names = sorted(tool.input_schema["properties"], key=lambda name: name not in tool.required)
    record: dict[str, Any] = {
        "operation": operation.id,
        "effect": operation.effect.value,
        "method": operation.method,
        "path": operation.path,
        "summary": summarize_operation(operation),
        "description": plain_text(operation.description).strip(),
        "arguments": [_argument_record(tool, name, source) for name in names],
        "answers": answer_field_names(operation),
        "leads_to": list(dict.fromkeys(link.operation_id for link in operation.links)),
        "examples": _examples(tool, source, stored),
    }
    if operation.deprecated:
        record["deprecated"] = True
    if page_arguments(tool):
        record["pages"] = True
    return record


def _argument_record(tool: Tool, name: str, source: str) -> dict[str, Any]:
    definitions = as_map(tool.input_schema.get("$defs"))
    schema = argument_schema(tool, name)
    items = argument_schema_items(schema, definitions)
    record: dict[str, Any] = {
        "name": name,
        "in": tool.places.get(name, ("body", name))[0],
        "required": name in tool.required,
        "type": type_text(tool.input_schema["properties"][name], definitions),
    }
    if choices := as_list(schema.get("enum")) or as_list(items.get("enum")):
        record["choices"] = [choice for choice in choices if choice is not None]
    record |= {key: schema[key] for key in ("default", *_LIMITS) if key in schema}
    if text := plain_text(str(schema.get("description") or "")).strip():
        record["description"] = text
    id_source = id_sources(tool.operation.spec).best_source(tool.operation, tool.places.get(name, ("body", name)))
    if id_source is not None and id_source.operation.usable:
        record["from"] = {
            "operation": id_source.operation.id,
            "field": id_source.field,
            "command": f"nlapi call {shlex.quote(source)} {id_source.operation.id}",
        }
    return record


def argument_schema_items(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of the entries of a list; {} for anything else."""
    items = as_map(schema.get("items"))
    ref = items.get("$ref")
    return as_map(definitions.get(str(ref).rpartition("/")[2])) if ref else items


def _examples(tool: Tool, source: str, stored: StoredIds | None) -> list[str]:
    """Return commands to type, with ids of the last lists; else the lists first, and placeholders in capitals."""
    operation = tool.operation
    arguments = sample_arguments(operation, blank=True)
    if arguments is None:
        return []
    for name, value in arguments.items():
        choices = as_list(argument_schema(tool, name).get("enum"))
        if choices and value not in choices:
            arguments[name] = choices[0]
    first: list[str] = []
    for name, value in arguments.items():
        id_source = id_sources(operation.spec).best_source(operation, tool.places.get(name, ("body", name)))
        if id_source is None or not id_source.is_listed or not isinstance(value, str):
            continue
        entries = stored.entries(id_source.operation.id, id_source.field) if stored is not None else ()
        if entries:
            arguments[name] = entries[0][0]
        elif id_source.operation.usable and not compile_tool(id_source.operation).required:
            first.append(f"nlapi call {shlex.quote(source)} {id_source.operation.id}")
    command = f"nlapi call {shlex.quote(source)} {operation.id}{argument_words(arguments)}"
    examples = [*dict.fromkeys(first), command if operation.effect is Effect.READ else f"{command} --dry-run"]
    if operation.effect is Effect.READ and page_arguments(tool):
        examples.append(f"{command} --all -o csv")
    return examples


def operation_lines(record: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield the lines of a description for a terminal of `width` columns."""
    deprecated = "deprecated; " if record.get("deprecated") else ""
    effect = _EFFECTS[Effect(record["effect"])]
    # An operation without a summary has its request in its place, which is on the next line.
    has_summary = record["summary"] != f"{record['method']} {single_line(record['path'])}"
    yield from _wrapped(f"{record['operation']}: {record['summary']}" if has_summary else record["operation"], width)
    yield from _wrapped(f"{record['method']} {record['path']} ({deprecated}{effect})", width)
    description = console.shorten(record["description"], MAX_DESCRIPTION)
    if description and single_line(description) != record["summary"]:
        yield ""
        for paragraph in description.splitlines():
            yield from _wrapped(single_line(paragraph), width) or [""]
    if record["arguments"]:
        yield "\nARGUMENTS (* is required)"
        for argument in record["arguments"]:
            yield from _argument_lines(argument, width)
    if record["answers"]:
        yield "\nANSWER"
        yield from _wrapped(record["answers"], width, BLOCK_INDENT)
    if record["leads_to"]:
        yield "\nLEADS TO"
        yield from _wrapped(", ".join(map(single_line, record["leads_to"])), width, BLOCK_INDENT)
    if record["examples"]:
        yield "\nEXAMPLE" if len(record["examples"]) == 1 else "\nEXAMPLES"
        # Never wrapped: a command that is copied has to stay one line.
        yield from (f"   {single_line(example)}" for example in record["examples"])


def _argument_lines(argument: Mapping[str, Any], width: int) -> Iterator[str]:
    name = f"{single_line(argument['name'])}{'*' if argument['required'] else ''}"
    choices = argument.get("choices", ())
    kind = single_line(argument["type"])
    if choices:
        more = f" and {len(choices) - MAX_CHOICES} more" if len(choices) > MAX_CHOICES else ""
        several = "several of " if kind.endswith("[]") else ""
        kind = f"{several}{' | '.join(single_line(str(choice)) for choice in choices[:MAX_CHOICES])}{more}"
    facts = [kind, *_limit_texts(argument)]
    if "default" in argument:
        facts.append(f"default {console.shorten(single_line(str(argument['default'])), 40)}")
    yield from _wrapped(f"{name}  {', '.join(facts)}", width, ARGUMENT_INDENT)
    if about := argument.get("description"):
        yield from _wrapped(console.shorten(single_line(about), MAX_ARGUMENT), width, TEXT_INDENT)
    if origin := argument.get("from"):
        field = f"{single_line(origin['field'])} of " if origin["field"] else ""
        yield from _wrapped(f"from: {field}{single_line(origin['operation'])}", width, TEXT_INDENT)


def _limit_texts(argument: Mapping[str, Any]) -> list[str]:
    low, high = argument.get("minimum"), argument.get("maximum")
    texts = []
    if low is not None and high is not None:
        texts.append(f"{low} to {high}")
    elif low is not None:
        texts.append(f"at least {low}")
    elif high is not None:
        texts.append(f"at most {high}")
    if (longest := argument.get("maxLength")) is not None:
        texts.append(f"at most {longest} characters")
    return texts


def _wrapped(text: str, width: int, indent: int = 0) -> Sequence[str]:
    """Return a text in lines of at most `width` columns; a longer word is a line of its own."""
    indent = min(indent, max(width // 8, 1)) if indent else 0
    # What continues the name of an argument is indented by two more.
    first, rest = " " * indent, " " * (indent + 2 if indent == ARGUMENT_INDENT else indent)
    return textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
