"""The skill of an area: its operations, what needs consent, id sources, units and examples."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nlapi.openapi.hints import read_hints
from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.ids import MAX_SOURCES, IdGuide
from nlapi.plugin.names import callable_id
from nlapi.plugin.reference import summary
from nlapi.plugin.samples import sample_arguments, argument_words
from nlapi.plugin.markdown import code_span, inert_line, join_names, fill_template
from nlapi.tools.areas import Area
from nlapi.tools.compile import compile_tool
from nlapi.tools.units import HUMAN_UNITS, SCALES
from nlapi.tools.walk import argument_schema

# A SKILL.md with its notes has to stay under 200 lines (Claude Code's own advice is 500); the rest is in the
# references.
MAX_LISTED_OPERATIONS = 60
MAX_UNITS = 8
MAX_CONSENT = 20
MAX_EXAMPLES = 3

# Operations of a kind that are tried for an example: each try compiles a tool and checks values against its schema.
MAX_TRIED = 12


def area_body(
    area: Area, areas: Sequence[Area], files: Mapping[str, str], ids: IdGuide, values: Mapping[str, str], name: str
) -> str:
    """Return the text of an area's skill below its heading. `files` are its references."""
    area_of = {operation: candidate for candidate in areas for operation in candidate.operations}
    return fill_template(
        "area.md",
        **values,
        references=", ".join(f"[{file}](references/{file})" for file in files),
        operations=_operation_lines(area),
        consent=_consent_section(area),
        ids=_ids_section(
            area, ids, {operation: f"{name}:{name}-{home.slug}" for operation, home in area_of.items() if home is not area}, values["main"]
        ),
        units=_units_section(area),
        examples=examples(area.operations, ids, values["command"]),
    )


def safe_summary(operation: Operation, limit: int) -> str:
    """Return the summary of an operation for a skill."""
    return inert_line(summary(operation, limit), limit)


def _operation_lines(area: Area) -> str:
    main = set(_main_operations(area.operations))
    lines = [_operation_line(operation) for operation in area.operations if operation in main]
    more = len(area.operations) - len(lines)
    return "\n".join([*lines, *([f"- and {more} more, in the references"] if more else [])])


def _main_operations(operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations that a skill lists: of many, those that are not deprecated and least deep in the API."""
    order = sorted(operations, key=lambda operation: (operation.deprecated, operation.path.count("/")))
    return order[:MAX_LISTED_OPERATIONS]


def _operation_line(operation: Operation) -> str:
    required = [code_span(name, 40) for name in compile_tool(operation).required]
    arguments = f"; {join_names(required, 4)}" if required else ""
    deprecated = "deprecated, " if operation.deprecated else ""
    return f"- `{callable_id(operation)}` ({deprecated}{operation.effect}{arguments}): {safe_summary(operation, 100)}"


def _consent_section(area: Area) -> str:
    lines = []
    for effect, effect_text in ((Effect.WRITE, "Changes something"), (Effect.DESTROY, "Takes something away")):
        names = [f"`{callable_id(operation)}`" for operation in area.operations if operation.effect is effect]
        lines += [f"{effect_text}: {join_names(names, MAX_CONSENT)}."] if names else []
    return "\n".join(["## What needs consent", "", *lines] if lines else ["Nothing here changes anything."])


def _ids_section(area: Area, ids: IdGuide, elsewhere: Mapping[Operation, str], main: str) -> str:
    lines = list(ids.lines(area.operations, MAX_SOURCES, elsewhere))
    common = [code_span(name, 64) for name in ids.common_names(area.operations)]
    if common and elsewhere:
        lines.insert(0, f"- {join_names(common, 8)}: the same in most operations, see the skill `{main}`")
    elif common:
        lines = [*ids.common_lines(), *lines]
    return "\n".join(["## Where ids come from", "", *lines]) if lines else ""


def _units_section(area: Area) -> str:
    names_by_unit: dict[str, dict[str, None]] = {}
    for operation in area.operations:
        for name in compile_tool(operation).places:
            if (unit := read_hints(argument_schema(compile_tool(operation), name)).unit) in SCALES:
                names_by_unit.setdefault(unit, {})[code_span(name, 64)] = None
    lines = []
    for unit, names in list(names_by_unit.items())[:MAX_UNITS]:
        unit_noun, example = HUMAN_UNITS.get(unit, ("unit of the currency", "50 USD"))
        explanation = f"a number is in {unit.replace('_', ' ')}, {SCALES[unit]:,f} to one {unit_noun}; say `'{example}'` instead"
        lines.append(f"- {join_names(list(names), 8)}: {explanation}")
    return "\n".join(["## Units", "", *lines]) if lines else ""


def examples(operations: Sequence[Operation], ids: IdGuide, command: str) -> str:
    """Return up to three examples with their commands: a list, one item of it, a change."""
    texts: list[str] = []
    used_ids: set[str] = set()
    kinds = (
        [candidate for candidate in operations if candidate.effect is Effect.READ and not compile_tool(candidate).required],
        [candidate for candidate in operations if candidate.effect is Effect.READ and compile_tool(candidate).required],
        [candidate for candidate in operations if candidate.effect is Effect.WRITE and compile_tool(candidate).required],
        [candidate for candidate in operations if candidate.effect is Effect.DESTROY],
        list(operations),
    )
    # Twice through the kinds, as an API of three lists has three examples all the same; placeholders in capitals only
    # where no values could be derived.
    for kind, blank in (*((kind, False) for kind in (*kinds, *kinds)), *((kind, True) for kind in (*kinds, *kinds))):
        for operation in [candidate for candidate in kind if candidate.id not in used_ids and not candidate.deprecated][:MAX_TRIED]:
            if len(texts) < MAX_EXAMPLES and (text := _example(operation, ids, command, blank=blank)):
                texts.append(text)
                used_ids.add(operation.id)
                break
    return "\n\n".join([*(["## Examples"] if texts else []), *texts])


def _example(operation: Operation, ids: IdGuide, command: str, *, blank: bool) -> str:
    arguments = sample_arguments(operation, blank=blank)
    if arguments is None:
        return ""
    sources = {name: source for name, source in ids.for_operation(operation).items() if name in arguments and name not in ids.common}
    lookups = ((source.operation, sample_arguments(source.operation)) for source in sources.values())
    lines = list(dict.fromkeys(f"{command} {callable_id(source)}{argument_words(lookup_arguments)}" for source, lookup_arguments in lookups if lookup_arguments is not None))
    call = f"{command} {callable_id(operation)}{argument_words(arguments)}"
    is_change = operation.effect is not Effect.READ
    lines += [f"{call} --dry-run", f"{call} --yes"] if is_change else [call]
    values = [f"{name} {value}" for name, value in arguments.items() if isinstance(value, str) and not value.isupper()]
    goal = re.sub(r'["“”]', "'", safe_summary(operation, 90)) + (f" ({', '.join(values[:3])})" if values and is_change else "")
    block = "\n".join(lines)
    note = "\nThe last line only after a yes." if is_change else ""
    by_name = ", by a name that is looked up first" if len(lines) > 1 + is_change else ""
    return f'"{inert_line(goal, 160)}"{by_name}:\n\n```\n{block}\n```{note}'
