"""Writes the skills of a plugin, one for the whole API and one for each area, and the agent that routes among them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nlapi.client.safe_text import code_span
from nlapi.openapi.hints import read_hints
from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.argument_settings import common_section
from nlapi.plugin.markdown import fill_template, inert_line, yaml_string
from nlapi.plugin.names import callable_id
from nlapi.plugin.recipes import Recipe, recipe_index, recipe_usage, recipes_of_area, recipes_section
from nlapi.plugin.reference import reference_files, summary
from nlapi.plugin.samples import argument_words, sample_arguments
from nlapi.plugin.user_files import weave_notes
from nlapi.resources.id_sources import IdSource, IdSources
from nlapi.resources.nouns import Words, singular_noun
from nlapi.tools.areas import Area
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.names import join_names
from nlapi.tools.units import HUMAN_UNITS, SCALES

MAX_SOURCES = 15

# Operations named for one kind of id: those that list it for an organization, for a repository and for the user.
MAX_LISTED_SOURCES = 3

# A SKILL.md with its notes has to stay under 200 lines (Claude Code's own advice is 500); the rest is in the
# references.
MAX_LISTED_OPERATIONS = 60
MAX_UNITS = 8
MAX_CONSENT = 20
MAX_EXAMPLES = 3

# Operations of a kind that are tried for an example: each try compiles a tool and checks values against its schema.
MAX_TRIED = 12

# In characters. All names and descriptions together stay within MAX_SESSION_TEXT, as they are paid for in every
# session: 1,361 tokens at 3.6 characters, below file_checks.MAX_SESSION_TOKENS. A description shares the rest, and has
# 120 however many there are.
MAX_DESCRIPTION = 480
MIN_DESCRIPTION = 120
MAX_SESSION_TEXT = 4_900


class IdGuide:
    """The sources of the ids that some operations of one Spec take, all among these operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._sources = IdSources(operations[0].spec, operations)
        self._by_operation: dict[Operation, dict[str, IdSource]] = {}

    def for_operation(self, operation: Operation) -> Mapping[str, IdSource]:
        """Return the sources of an operation's ids by argument, required arguments first."""
        if operation not in self._by_operation:
            tool = compile_tool(operation)
            sources = {}
            for name in sorted(tool.places, key=lambda name: name not in tool.required):
                place = tool.places[name]
                # A value that the body repeats from the path, or the id of a new thing, has no source.
                repeated = place[0] == "body" and (place[1] == "id" or operation.parameter("path", place[1]))
                source = None if repeated else self._sources.best_source(operation, place)
                if source is not None:
                    sources[name] = source
            self._by_operation[operation] = sources
        return self._by_operation[operation]

    @cached_property
    def common(self) -> Mapping[str, IdSource | None]:
        """The values that most operations take, by the name of the argument."""
        return self._sources.common_values()

    def common_names(self, operations: Sequence[Operation]) -> list[str]:
        """Return the values that most operations take, as far as some operations take them."""
        arguments = {name for operation in operations for name in compile_tool(operation).places}
        return [name for name in self.common if name in arguments]

    def common_lines(self) -> list[str]:
        """Return a line for each value that most operations take: its source, and what that needs itself."""
        lines = []
        for name, source in self.common.items():
            prerequisites = self.for_operation(source.operation).items() if source is not None else ()
            clauses = [
                f", where {code_span(argument, 64)} is from {self._source_text(prerequisite)}"
                for argument, prerequisite in prerequisites
            ]
            lines.append(f"- {code_span(name, 64)}: {self._source_text(source)}{''.join(clauses[:1])}")
        return lines

    def lines(self, operations: Sequence[Operation], limit: int, skill_of: Mapping[Operation, str]) -> Iterator[str]:
        """Yield a line for each kind of id that operations take, most frequent first; `skill_of` has their skills."""
        usage: dict[tuple[str, Words], Counter[IdSource]] = {}
        chained: set[tuple[IdSource, str]] = set()
        for operation in operations:
            for name, source in self.for_operation(operation).items():
                chained |= {(source, argument) for argument in self._prerequisites(source, operation)}
                if name not in self.common:
                    usage.setdefault((name, singular_noun(source.operation)), Counter())[source] += 1
        # `id` may be that of a project here and of a user there: the noun is added only where one name has several.
        names = Counter(name for name, _ in usage)
        for (name, noun), sources in sorted(usage.items(), key=lambda entry: -entry[1].total())[:limit]:
            kind = f" ({' '.join(noun)})" if names[name] > 1 else ""
            needs = "1 operation needs it" if sources.total() == 1 else f"{sources.total()} operations need it"
            skills = {
                entry: f", skill `{skill_of[entry.operation]}`" for entry in sources if entry.operation in skill_of
            }
            source_texts = list(
                dict.fromkeys(
                    f"{self._source_text(entry)}{skills.get(entry, '')}"
                    f"{self._chain_text(entry, chained) if number == 0 else ''}"
                    for number, (entry, _) in enumerate(sources.most_common())
                )
            )
            yield f"- {code_span(name, 64)}{kind} from {join_names(source_texts, MAX_LISTED_SOURCES)}; {needs}"

    def _prerequisites(self, source: IdSource, operation: Operation) -> Iterator[str]:
        """Yield the ids that a source needs and that the operation does not have: a business, for its ad accounts."""
        available = compile_tool(operation).places
        for argument in compile_tool(source.operation).required:
            if argument not in available and argument not in self.common:
                yield argument

    def _chain_text(self, source: IdSource, chained: Collection[tuple[IdSource, str]]) -> str:
        """Return the clause on the first id that a source needs itself; "" where it needs none, or nothing lists it."""
        for argument, prerequisite in self.for_operation(source.operation).items():
            if (source, argument) in chained:
                return f", where {code_span(argument, 64)} is from {self._source_text(prerequisite)}"
        return ""

    def _source_text(self, source: IdSource | None) -> str:
        if source is None:
            return "ask the user"
        field = f" ({code_span(source.field, 40)})" if source.field else ""
        field = " (the end of `uri`)" if source.field == "uri" else field
        kinds = (
            f"{name}={value if isinstance(value, str) else ','.join(value)}" for (_, name), value in source.narrowing
        )
        return f"`{callable_id(source.operation)}`{''.join(f' with {code_span(kind, 60)}' for kind in kinds)}{field}"


def _area_body(
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
            area,
            ids,
            {operation: f"{name}:{name}-{home.slug}" for operation, home in area_of.items() if home is not area},
            values["main"],
        ),
        units=_units_section(area),
        examples=examples(area.operations, ids, values["command"]),
    )


def _safe_summary(operation: Operation, limit: int) -> str:
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
    return f"- `{callable_id(operation)}` ({deprecated}{operation.effect}{arguments}): {_safe_summary(operation, 100)}"


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
        explanation = (
            f"a number is in {unit.replace('_', ' ')}, {SCALES[unit]:,f} to one {unit_noun}; say `'{example}'` instead"
        )
        lines.append(f"- {join_names(list(names), 8)}: {explanation}")
    return "\n".join(["## Units", "", *lines]) if lines else ""


def examples(operations: Sequence[Operation], ids: IdGuide, command: str) -> str:
    """Return up to three examples with their commands: a list, one item of it, a change."""
    texts: list[str] = []
    used_ids: set[str] = set()
    kinds = (
        [
            candidate
            for candidate in operations
            if candidate.effect is Effect.READ and not compile_tool(candidate).required
        ],
        [candidate for candidate in operations if candidate.effect is Effect.READ and compile_tool(candidate).required],
        [
            candidate
            for candidate in operations
            if candidate.effect is Effect.WRITE and compile_tool(candidate).required
        ],
        [candidate for candidate in operations if candidate.effect is Effect.DESTROY],
        list(operations),
    )
    # Twice through the kinds, as an API of three lists has three examples all the same; placeholders in capitals only
    # where no values could be derived.
    for kind, blank in (*((kind, False) for kind in (*kinds, *kinds)), *((kind, True) for kind in (*kinds, *kinds))):
        for operation in [candidate for candidate in kind if candidate.id not in used_ids and not candidate.deprecated][
            :MAX_TRIED
        ]:
            if len(texts) < MAX_EXAMPLES and (text := _example(operation, ids, command, blank=blank)):
                texts.append(text)
                used_ids.add(operation.id)
                break
    return "\n\n".join([*(["## Examples"] if texts else []), *texts])


def _example(operation: Operation, ids: IdGuide, command: str, *, blank: bool) -> str:
    arguments = sample_arguments(operation, blank=blank)
    if arguments is None:
        return ""
    sources = {
        name: source
        for name, source in ids.for_operation(operation).items()
        if name in arguments and name not in ids.common
    }
    lookups = ((source.operation, sample_arguments(source.operation)) for source in sources.values())
    lines = list(
        dict.fromkeys(
            f"{command} {callable_id(source)}{argument_words(lookup_arguments)}"
            for source, lookup_arguments in lookups
            if lookup_arguments is not None
        )
    )
    call = f"{command} {callable_id(operation)}{argument_words(arguments)}"
    is_change = operation.effect is not Effect.READ
    lines += [f"{call} --dry-run", f"{call} --yes"] if is_change else [call]
    values = [f"{name} {value}" for name, value in arguments.items() if isinstance(value, str) and not value.isupper()]
    goal = re.sub(r'["“”]', "'", _safe_summary(operation, 90)) + (
        f" ({', '.join(values[:3])})" if values and is_change else ""
    )
    block = "\n".join(lines)
    note = "\nThe last line only after a yes." if is_change else ""
    by_name = ", by a name that is looked up first" if len(lines) > 1 + is_change else ""
    return f'"{inert_line(goal, 160)}"{by_name}:\n\n```\n{block}\n```{note}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The data that all texts of a plugin share. `values` are those of every template, `notes` are people's."""

    name: str
    title: str
    about: str
    areas: tuple[Area, ...]
    ids: IdGuide
    values: Mapping[str, str]
    notes: Mapping[str, str]
    settings: tuple[str, ...] = ()
    """the arguments that have a setting"""
    recipes: tuple[Recipe, ...] = ()

    @property
    def has_area_skills(self) -> bool:
        """Whether areas are skills of their own."""
        return len(self.areas) > 1

    def skill_name(self, area: Area) -> str:
        return f"{self.name}-{area.slug}" if self.has_area_skills else self.name


def build_skills(outline: Outline) -> dict[str, str]:
    """Return path under `skills/` -> text."""
    names = sum(len(outline.skill_name(area)) for area in outline.areas) + 2 * len(outline.name)
    room = max(MIN_DESCRIPTION, min(MAX_DESCRIPTION, (MAX_SESSION_TEXT - names) // (len(outline.areas) + 2)))
    texts: dict[str, str] = {}
    bodies: dict[str, str] = {}
    for area in outline.areas:
        files = reference_files(area, outline.title, outline.values["command"])
        skill_name = outline.skill_name(area)
        texts |= {f"{skill_name}/references/{file}": text for file, text in files.items()}
        text = _area_body(area, outline.areas, files, outline.ids, outline.values, outline.name)
        recipes = recipes_of_area(outline.recipes, area.operations)
        section = recipes_section(recipes, outline.values["command"], outline.settings)
        bodies[skill_name] = "\n\n".join(filter(None, (text, section)))
        if outline.has_area_skills:
            texts |= _area_skill(outline, area, bodies[skill_name], room)
    parts = join_names([inert_line(area.label, 40) for area in outline.areas], 24)
    purpose = "Used to look up or change anything in it, or several of these at once"
    description = f"{_shorten(f'Operates {outline.title} in plain English: {parts}', room - len(purpose))}. {purpose}."
    rows = "\n".join(_area_row(outline, area) for area in outline.areas)
    body = [fill_template("rules.md", **outline.values)]
    if outline.has_area_skills:
        operations = [item for area in outline.areas for item in area.operations]
        common = common_section(outline.ids.common_lines(), outline.settings, outline.values["command"])
        body += [fill_template("where.md", rows=rows), common]
        body += [recipe_index(outline.recipes, outline.values["command"])]
        body += [examples(operations, outline.ids, outline.values["command"])]
    else:
        body += list(bodies.values())
        body += [recipe_usage(outline.recipes, outline.values["command"])]
        body += [common_section([""], outline.settings, outline.values["command"])] if outline.settings else []
    index = fill_template(
        "skill.md",
        **outline.values,
        name=outline.name,
        description=yaml_string(description),
        heading=outline.title,
        about=outline.about,
        body="\n\n".join(body),
        notes="@notes@",
    )
    area_notes = (
        {name for area in outline.areas for name in _note_names(outline, area)} if outline.has_area_skills else set()
    )
    return {
        **weave_notes(outline.name, index, [item for item in outline.notes if item not in area_notes], outline.notes),
        **texts,
    }


def _note_names(outline: Outline, area: Area) -> tuple[str, str]:
    return area.slug, outline.skill_name(area)


def _area_skill(outline: Outline, area: Area, body: str, room: int) -> dict[str, str]:
    skill_name, label = outline.skill_name(area), inert_line(area.label, 80)
    about = inert_line(area.about, 200).rstrip(".")
    actions = join_names([_safe_summary(operation, 60).lower() for operation in _alternate_effects(area.operations)], 8)
    description = f"Handles {label} of {outline.title}{f' ({about})' if about else ''}. Used to: {actions}."
    text = fill_template(
        "skill.md",
        **outline.values,
        name=skill_name,
        description=yaml_string(_shorten(description, room)),
        heading=f"{outline.title}: {label}",
        about=about or f"{len(area.operations)} operations of {outline.title}.",
        body=body,
        notes="@notes@",
    )
    return weave_notes(skill_name, text, _note_names(outline, area), outline.notes)


def build_agent(outline: Outline) -> str:
    """Return the agent that turns a goal into calls of several areas."""
    rows = "\n".join(_area_row(outline, area) for area in outline.areas)
    operations = [operation for area in outline.areas for operation in area.operations]
    ids = [*outline.ids.common_lines(), *outline.ids.lines(operations, MAX_SOURCES, {})]
    area_names = join_names([inert_line(area.label, 30) for area in outline.areas], 6)
    purpose = f"Brings about an outcome in {outline.title} that takes several calls, across {area_names}. "
    purpose += "Shows every change before it is made."
    return fill_template(
        "agent.md",
        **outline.values,
        name=outline.name,
        description=yaml_string(_shorten(purpose, 200)),
        title=outline.title,
        rows=rows,
        ids="\n".join(ids) or "The user names things as the API does.",
    )


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _alternate_effects(operations: Sequence[Operation]) -> list[Operation]:
    """Return reads and changes in turn: the first of each say most about an area."""
    reads = [operation for operation in operations if operation.effect is Effect.READ]
    changes = [operation for operation in operations if operation.effect is not Effect.READ]
    pairs = [operation for pair in zip(reads, changes, strict=False) for operation in pair]
    return pairs + reads[len(changes) :] + changes[len(reads) :]


def _area_row(outline: Outline, area: Area) -> str:
    about = inert_line(area.about, 120).rstrip(".") or join_names(
        [_safe_summary(operation, 50) for operation in _alternate_effects(area.operations)], 3
    )
    sentence = about if about.endswith(("?", "!", "…")) else f"{about}."
    skill = f"{outline.name}:{outline.skill_name(area)}"
    return f"- {inert_line(area.label, 80)} ({len(area.operations)}): {sentence} `{skill}`"


def example_prompts(groups: Sequence[Area], limit: int) -> list[str]:
    """Return example prompts from the summaries: of each area in turn a read, then a change."""
    columns = [_alternate_effects(group.operations) for group in groups]
    depth = max(map(len, columns), default=0)
    # Row by row, so that a list that is cut has something of every area.
    ordered = [column[row] for row in range(depth) for column in columns if row < len(column)]
    goals = dict.fromkeys(
        summary(operation, 80) for operation in ordered if not operation.deprecated and operation.summary
    )
    return list(goals)[:limit]
