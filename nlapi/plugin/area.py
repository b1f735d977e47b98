"""The skill of an area: its operations, what needs consent, id sources, units and examples."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nlapi.openapi.hints import hints
from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.ids import MAX_SOURCES, Ids
from nlapi.plugin.names import callable_id
from nlapi.plugin.reference import summary
from nlapi.plugin.samples import sample, words
from nlapi.plugin.text import code, inert, listed, template
from nlapi.tools.areas import Area
from nlapi.tools.compile import compile_tool
from nlapi.tools.units import SAID, SCALES
from nlapi.tools.walk import schema_at

# A SKILL.md with its notes has to stay under 200 lines (Claude Code's own advice is 500); the rest is in the
# references.
MAX_LISTED = 60
MAX_UNITS = 8
MAX_CONSENT = 20
EXAMPLES = 3

# Operations of a kind that are tried for an example: each try compiles a tool and checks values against its schema.
TRIED = 12


def area_body(
    area: Area, areas: Sequence[Area], files: Mapping[str, str], ids: Ids, values: Mapping[str, str], name: str
) -> str:
    """Return the text of an area's skill below its heading. `files` are its references."""
    homes = {one: other for other in areas for one in other.operations}
    return template(
        "area.md",
        **values,
        references=", ".join(f"[{file}](references/{file})" for file in files),
        operations=_operations(area),
        consent=_consent(area),
        ids=_ids(
            area, ids, {one: f"{name}:{name}-{at.slug}" for one, at in homes.items() if at is not area}, values["main"]
        ),
        units=_units(area),
        examples=examples(area.operations, ids, values["command"]),
    )


def said(operation: Operation, limit: int) -> str:
    """Return the summary of an operation for a skill."""
    return inert(summary(operation, limit), limit)


def _operations(area: Area) -> str:
    likely = set(_likely(area.operations))
    lines = [_line(one) for one in area.operations if one in likely]
    more = len(area.operations) - len(lines)
    return "\n".join([*lines, *([f"- and {more} more, in the references"] if more else [])])


def _likely(operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations that a skill lists: of many, those that are not deprecated and least deep in the API."""
    order = sorted(operations, key=lambda one: (one.deprecated, one.path.count("/")))
    return order[:MAX_LISTED]


def _line(operation: Operation) -> str:
    required = [code(name, 40) for name in compile_tool(operation).required]
    takes = f"; {listed(required, 4)}" if required else ""
    deprecated = "deprecated, " if operation.deprecated else ""
    return f"- `{callable_id(operation)}` ({deprecated}{operation.effect}{takes}): {said(operation, 100)}"


def _consent(area: Area) -> str:
    lines = []
    for effect, does in ((Effect.WRITE, "Changes something"), (Effect.DESTROY, "Takes something away")):
        names = [f"`{callable_id(one)}`" for one in area.operations if one.effect is effect]
        lines += [f"{does}: {listed(names, MAX_CONSENT)}."] if names else []
    return "\n".join(["## What needs consent", "", *lines] if lines else ["Nothing here changes anything."])


def _ids(area: Area, ids: Ids, elsewhere: Mapping[Operation, str], main: str) -> str:
    lines = list(ids.lines(area.operations, MAX_SOURCES, elsewhere))
    common = [code(name, 64) for name in ids.taken(area.operations)]
    if common and elsewhere:
        lines.insert(0, f"- {listed(common, 8)}: the same in most operations, see the skill `{main}`")
    elif common:
        lines = [*ids.common_lines(), *lines]
    return "\n".join(["## Where ids come from", "", *lines]) if lines else ""


def _units(area: Area) -> str:
    found: dict[str, dict[str, None]] = {}
    for operation in area.operations:
        for name in compile_tool(operation).places:
            if (unit := hints(schema_at(compile_tool(operation), name)).unit) in SCALES:
                found.setdefault(unit, {})[code(name, 64)] = None
    lines = []
    for unit, names in list(found.items())[:MAX_UNITS]:
        whole, example = SAID.get(unit, ("unit of the currency", "50 USD"))
        how = f"a number is in {unit.replace('_', ' ')}, {SCALES[unit]:,f} to one {whole}; say `'{example}'` instead"
        lines.append(f"- {listed(list(names), 8)}: {how}")
    return "\n".join(["## Units", "", *lines]) if lines else ""


def examples(operations: Sequence[Operation], ids: Ids, command: str) -> str:
    """Return up to three examples with their commands: a list, one item of it, a change."""
    shown: list[str] = []
    used: set[str] = set()
    kinds = (
        [one for one in operations if one.effect is Effect.READ and not compile_tool(one).required],
        [one for one in operations if one.effect is Effect.READ and compile_tool(one).required],
        [one for one in operations if one.effect is Effect.WRITE and compile_tool(one).required],
        [one for one in operations if one.effect is Effect.DESTROY],
        list(operations),
    )
    # Twice through the kinds, as an API of three lists has three examples all the same; placeholders in capitals only
    # where no values could be derived.
    for kind, blank in (*((kind, False) for kind in (*kinds, *kinds)), *((kind, True) for kind in (*kinds, *kinds))):
        for operation in [one for one in kind if one.id not in used and not one.deprecated][:TRIED]:
            if len(shown) < EXAMPLES and (text := _example(operation, ids, command, blank=blank)):
                shown.append(text)
                used.add(operation.id)
                break
    return "\n\n".join([*(["## Examples"] if shown else []), *shown])


def _example(operation: Operation, ids: Ids, command: str, *, blank: bool) -> str:
    given = sample(operation, blank=blank)
    if given is None:
        return ""
    sources = {name: one for name, one in ids.of(operation).items() if name in given and name not in ids.common}
    firsts = ((one.operation, sample(one.operation)) for one in sources.values())
    lines = list(dict.fromkeys(f"{command} {callable_id(one)}{words(got)}" for one, got in firsts if got is not None))
    call = f"{command} {callable_id(operation)}{words(given)}"
    asks = operation.effect is not Effect.READ
    lines += [f"{call} --dry-run", f"{call} --yes"] if asks else [call]
    told = [f"{name} {value}" for name, value in given.items() if isinstance(value, str) and not value.isupper()]
    wish = re.sub(r'["“”]', "'", said(operation, 90)) + (f" ({', '.join(told[:3])})" if told and asks else "")
    block = "\n".join(lines)
    after = "\nThe last line only after a yes." if asks else ""
    by_name = ", by a name that is looked up first" if len(lines) > 1 + asks else ""
    return f'"{inert(wish, 160)}"{by_name}:\n\n```\n{block}\n```{after}'
