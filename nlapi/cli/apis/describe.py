"""`nlapi describe`: the resources of an API, the operations of one, or one operation with its arguments."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from nlapi.cli import target
from nlapi.cli.completion.collect import StoredIds
from nlapi.cli.options import ListOutput, Overlays, Root, Source, argument, flag
from nlapi.cli.render import console, table
from nlapi.cli.workflow.view import mermaid_text
from nlapi.client.safe_text import single_line
from nlapi.english.words import name_key
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Operation, Spec, as_list, as_map
from nlapi.plugin.samples import argument_words, sample_arguments
from nlapi.resources.grouping import Resource
from nlapi.resources.id_sources import id_sources
from nlapi.resources.semantics import OperationKind, semantics_of
from nlapi.tools.answers.view import page_arguments
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.definitions.describe import answer_field_names, summarize_operation, type_text
from nlapi.tools.texts.plain_text import plain_text
from nlapi.tools.tool import Tool

EPILOG = """nlapi describe ads
nlapi describe ads campaign
nlapi describe ads createCampaign
nlapi describe ads --graph > ads.mmd"""


def describe(
    source: Source,
    name: Annotated[str | None, argument("[OPERATION|RESOURCE]", "An operationId, or the name of a resource.")] = None,
    graph: Annotated[bool, flag("--graph", "Draw the resources and how their ids flow, as Mermaid.")] = False,
    output: ListOutput = None,
    overlays: Overlays = None,
    root: Root = None,
) -> None:
    """Show what an API has and what you can do with it, with examples."""
    if graph and name is not None:
        raise UsageError("--graph draws the whole API", hint=f"nlapi describe {source} --graph")
    with console.show_progress("reading the description"):
        spec = target.load(source, overlays, root)
    if graph:
        console.write(resource_graph(spec))
    elif name is None:
        _print_resources(spec, source, resource_records(spec), output)
    elif spec.has(name):
        print_operation(spec.operation(name), source, as_json=table.is_json(output))
    else:
        match = find_resource(spec, name)
        if match is None:
            # The error names the nearest operations.
            spec.operation(name)
            return
        resource, operations = match
        console.note(f"{resource.label}, /{resource.name}")
        _print_operations(operations, output)


def print_operation(operation: Operation, source: str, *, as_json: bool) -> None:
    """Print the description of an operation."""
    from nlapi.cli.completion.collect import stored_ids

    if not operation.usable:
        reasons = "; ".join(issue.message for issue in operation.details.issues)
        raise UsageError(f"{operation.id} cannot be called: {reasons}", hint=f"`nlapi check {source}` says more")
    record = operation_record(operation, source, stored_ids(operation.spec))
    if as_json:
        console.write(console.format_json(record))
        return
    for line in operation_lines(record, shutil.get_terminal_size().columns):
        console.write(line)


def _print_resources(spec: Spec, source: str, records: list[dict[str, Any]], output: ListOutput) -> None:

    if table.is_json(output):
        api = {"api": spec.title, "version": spec.version, "operations": len(spec.visible_operations)}
        console.write(console.format_json({**api, "resources": records}))
        return
    count = console.count_noun(len(spec.visible_operations), "operation")
    console.note(f"{console.plain_text(spec.title)} {spec.version}: {count}")
    for line in resource_lines(records, shutil.get_terminal_size().columns):
        console.write(line)
    console.dim(f"`nlapi describe {source} RESOURCE` lists its operations, `nlapi describe {source} OPERATION` one")


def _print_operations(operations: list[Operation], output: ListOutput) -> None:
    from nlapi.cli.apis.find import operation_row

    rows = [operation_row(operation) for operation in operations]
    shown = [{**row, "request": f"{row['method']} {row['path']}"} for row in rows]
    if table.is_json(output):
        table.print_list(rows, output, ())
    else:
        table.print_table(shown, ("operation", "effect", "request", "summary"))


OTHER = "(other)"
"""The name under which operations stand that are about no resource."""

_VERBS = {
    OperationKind.MERGE: "update",
    OperationKind.REPLACE: "replace",
    OperationKind.ACT: "",
    OperationKind.COMPUTE: "",
}


def operations_by_resource(spec: Spec) -> dict[Resource | None, list[Operation]]:
    """Return the operations of each resource, in the order of the description; None has those of no resource."""
    semantics = semantics_of(spec)
    groups: dict[Resource | None, list[Operation]] = {}
    for operation in spec.visible_operations:
        resource = semantics.classify(operation).resource if operation.usable else None
        groups.setdefault(resource, []).append(operation)
    other = groups.pop(None, [])
    return {**groups, **({None: other} if other else {})}


def resource_records(spec: Spec) -> list[dict[str, Any]]:
    """Return each resource with its operations, and the verbs of what one can do with it."""
    semantics = semantics_of(spec)
    return [
        {
            "resource": (resource.label or resource.name) if resource is not None else OTHER,
            "path": f"/{resource.name}" if resource is not None else "",
            "can": list(dict.fromkeys(filter(None, (_verb(operation) for operation in operations)))),
            "changes": sum(operation.effect is not Effect.READ for operation in operations),
            "below": list(dict.fromkeys(_parent_labels(spec, resource))) if resource is not None else [],
            "operations": [
                {
                    "operation": operation.id,
                    "effect": operation.effect.value,
                    "kind": semantics.classify(operation).kind,
                }
                for operation in operations
            ],
        }
        for resource, operations in operations_by_resource(spec).items()
    ]


def resource_lines(records: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    """Yield each resource with its actions and its parents, for a terminal of `width` columns."""
    counts = Counter(record["resource"] for record in records)
    labels = [
        single_line(record["path"] if counts[record["resource"]] > 1 else record["resource"]) for record in records
    ]
    # A longer name has a separate line.
    column = min(max(map(len, labels), default=0), width // 3)
    for label, record in zip(labels, records, strict=True):
        text = ", ".join(record["can"]) or f"{len(record['operations'])} operations"
        if record["below"]:
            text = f"{text} (of {', '.join(record['below'])})"
        head = f"{label:<{column}}  "
        if len(label) > column:
            yield label
            head = " " * (column + 2)
        yield textwrap.fill(
            single_line(text),
            max(width, column + 20),
            initial_indent=head,
            subsequent_indent=" " * (column + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _verb(operation: Operation) -> str:
    if not operation.usable:
        return ""
    meaning = semantics_of(operation.spec).classify(operation)
    return _VERBS.get(meaning.kind, meaning.kind.value) or meaning.verb


def _parent_labels(spec: Spec, resource: Resource) -> Iterator[str]:
    for parent in semantics_of(spec).all_parents(resource):
        if parent.resource is not None and parent.resource is not resource:
            yield parent.resource.label or parent.resource.name


def find_resource(spec: Spec, name: str) -> tuple[Resource, list[Operation]] | None:
    """Return the resource that a name means (`campaign`, `campaigns`, `ad-accounts`), with its operations, or None."""
    key = name_key(name)
    groups = [(resource, operations) for resource, operations in operations_by_resource(spec).items() if resource]
    for names in (_names, lambda resource: set(resource.aliases)):
        matches = [(resource, operations) for resource, operations in groups if key in names(resource)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            paths = ", ".join(f"/{resource.name}" for resource, _ in matches[:4])
            raise UsageError(f"{name!r} means several resources", hint=f"give the path of one: {paths}")
    return None


def _names(resource: Resource) -> set[str]:
    return {name_key(resource.name), name_key(resource.label), name_key(resource.name.rpartition("/")[2])}


def resource_graph(spec: Spec) -> str:
    """Return a flowchart of Mermaid: each resource, and an arrow for each id of it that another takes."""
    semantics = semantics_of(spec)
    groups = {resource: operations for resource, operations in operations_by_resource(spec).items() if resource}
    names = {resource: f"r{number}" for number, resource in enumerate(groups)}
    lines = ["flowchart LR"]
    for resource, operations in groups.items():
        verbs = ", ".join(dict.fromkeys(filter(None, map(_verb, operations))))
        lines.append(f'  {names[resource]}["{mermaid_text(resource.label or resource.name)}<br/>{_label(verbs)}"]')
    arrows: dict[tuple[str, str, str], str] = {}
    for resource in groups:
        for parent in semantics.all_parents(resource):
            if parent.resource in names and parent.resource is not resource:
                arrows[names[parent.resource], mermaid_text(parent.parameter), names[resource]] = "-->"
        for field, other in semantics.references(resource):
            if other in names:
                arrows.setdefault((names[other], mermaid_text(field), names[resource]), "-.->")
    lines += (f'  {source} {arrow}|"{label}"| {end}' for (source, label, end), arrow in arrows.items())
    return "\n".join(lines)


def _label(text: str) -> str:
    return ", ".join(mermaid_text(word) for word in text.split(", "))


# Choices of one argument that a text for people names; JSON has them all.
MAX_CHOICES = 16
MAX_ARGUMENT = 400
MAX_DESCRIPTION = 1200

ARGUMENT_INDENT = 2
TEXT_INDENT = 6
BLOCK_INDENT = 3


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
    effect = Effect(record["effect"])
    effect_text = effect.phrase if effect is Effect.READ else f"{effect.phrase}: asks first"
    # An operation without a summary has its request in its place, which is on the next line.
    has_summary = record["summary"] != f"{record['method']} {single_line(record['path'])}"
    yield from _wrapped(f"{record['operation']}: {record['summary']}" if has_summary else record["operation"], width)
    yield from _wrapped(f"{record['method']} {record['path']} ({deprecated}{effect_text})", width)
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
    """Return a text in lines of at most `width` columns; a longer word is a separate line."""
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
