"""What the skill of an area says: its operations, what needs consent, where ids come from, units, examples at work."""

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

MAX_LISTED = 60
"""Operations that a skill lists one by one."""

MAX_UNITS = 8
MAX_CONSENT = 20
EXAMPLES = 3
TRIED = 12
"""Operations of a kind that are tried for an example."""


def area_body(
    area: Area, areas: Sequence[Area], files: Mapping[str, str], ids: Ids, values: Mapping[str, str], name: str
) -> str:
    """The text of an area's skill below its heading. `files` are its references."""
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
    """What an operation does, as a skill says it."""
    return inert(summary(operation, limit), limit)


def _operations(area: Area) -> str:
    likely = set(_likely(area.operations))
    lines = [_line(one) for one in area.operations if one in likely]
    more = len(area.operations) - len(lines)
    return "\n".join([*lines, *([f"- and {more} more, in the references"] if more else [])])


def _likely(operations: Sequence[Operation]) -> list[Operation]:
    """The operations that a skill names: of many, those that are not deprecated and the least deep in the API."""
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
    """Up to three things that a user may want, with the commands: a list, one thing of it, a change."""
    shown: list[str] = []
    used: set[str] = set()
    kinds = (
        [one for one in operations if one.effect is Effect.READ and not compile_tool(one).required],
        [one for one in operations if one.effect is Effect.READ and compile_tool(one).required],
        [one for one in operations if one.effect is Effect.WRITE and compile_tool(one).required],
        [one for one in operations if one.effect is Effect.DESTROY],
        list(operations),
    )
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
