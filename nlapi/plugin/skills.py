"""Writes the skills of a plugin, one for the whole API and one for each area, and the agent that routes among them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nlapi.client.safe_text import code_span
from nlapi.openapi.model import as_map
from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.argument_settings import common_section
from nlapi.plugin.descriptions import AreaText, agent_description, area_texts, main_description
from nlapi.plugin.id_guide import IdGuide
from nlapi.plugin.markdown import fill_template, inert_line, yaml_string
from nlapi.plugin.names import callable_id
from nlapi.plugin.permissions import MAX_RULES, read_rules
from nlapi.plugin.questions import Question, area_questions, questions
from nlapi.plugin.recipes import Recipe, recipe_index, recipe_usage, recipes_of_area, recipes_section
from nlapi.plugin.reference import reference_files, summary
from nlapi.plugin.samples import argument_words, placeholder, sample_arguments, takes_placeholder
from nlapi.plugin.subjects import subjects
from nlapi.plugin.user_files import weave_notes
from nlapi.tools.areas import Area
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.files import file_form
from nlapi.tools.names import join_names
from nlapi.tools.units import Dimension, WireUnit, tool_units, unit_clause

MAX_SOURCES = 15

_FILE = "@PATH"
_ENTRY = re.compile(r"(?m)^## (\S+)$")

# A SKILL.md with its notes has to stay under 200 lines (Claude Code's own advice is 500); the rest is in the
# references.
MAX_LISTED_OPERATIONS = 40
# Required arguments in the line of an operation: nearly all have fewer, and a remainder says nothing.
MAX_REQUIRED = 12
MAX_UNITS = 8
MAX_NAMES_OF_UNIT = 6
MAX_EXAMPLES = 3

# Of an area with more operations the rest are named without a line of their own, at most so many in a file.
MAX_NAMED = 120

# References of an area that stand apart, with blank lines; more of them are one list, a third of the lines.
MAX_SPACED_FILES = 12


def _area_body(
    area: Area, areas: Sequence[Area], files: Mapping[str, str], ids: IdGuide, values: Mapping[str, str], name: str
) -> str:
    """Return the text of an area's skill below its heading. `files` are its references."""
    area_of = {operation: candidate for candidate in areas for operation in candidate.operations}
    return fill_template(
        "area.md",
        **values,
        operations=_operation_lines(area, files, ids),
        ids=_ids_section(
            area,
            ids,
            {operation: f"{name}:{name}-{home.slug}" for operation, home in area_of.items() if home is not area},
            values["main"],
        ),
        units=_units_section(area),
        examples=examples(area_questions(area), ids, values["command"]),
    )


def _safe_summary(operation: Operation, limit: int) -> str:
    """Return the summary of an operation for a skill."""
    return inert_line(summary(operation, limit), limit)


def _operation_lines(area: Area, files: Mapping[str, str], ids: IdGuide) -> str:
    """Return the operations by the reference that has them, the most usual with a line of their own."""
    by_id = {callable_id(operation): operation for operation in area.operations}
    main = set(_main_operations(area.operations))
    common = set(ids.common_names(area.operations))
    parts = []
    for file, text in files.items():
        members = [by_id[id] for id in _ENTRY.findall(text) if id in by_id]
        lines = [_operation_line(operation, common) for operation in members if operation in main]
        others = [f"`{callable_id(operation)}`" for operation in members if operation not in main]
        named = join_names(others, MAX_NAMED)
        link = f"[{file}](references/{file})"
        if len(files) > MAX_SPACED_FILES:
            head = f"- {link}{', also' if lines and others else ':'} {named}".rstrip() + (
                ":" if lines and others else ""
            )
            parts.append("\n".join([head, *(f"  {line}" for line in lines)]))
        elif lines:
            parts.append("\n".join([f"{link}:", "", *lines, *([f"- also {named}"] if others else [])]))
        else:
            parts.append(f"{link}: {named}")
    return ("\n" if len(files) > MAX_SPACED_FILES else "\n\n").join(parts)


def _main_operations(operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations that have a line: of many, those that are not deprecated and least deep in the API."""
    order = sorted(operations, key=lambda operation: (operation.deprecated, operation.path.count("/")))
    return order[:MAX_LISTED_OPERATIONS]


def _operation_line(operation: Operation, common: Collection[str]) -> str:
    required = [code_span(name, 40) for name in compile_tool(operation).required if name not in common]
    arguments = f"; {join_names(required, MAX_REQUIRED)}" if required else ""
    deprecated = "deprecated, " if operation.deprecated else ""
    return f"- `{callable_id(operation)}` ({deprecated}{operation.effect}{arguments}): {_safe_summary(operation, 100)}"


def _ids_section(area: Area, ids: IdGuide, elsewhere: Mapping[Operation, str], main: str) -> str:
    lines = list(ids.lines(area.operations, MAX_SOURCES, elsewhere))
    common = [code_span(name, 64) for name in ids.common_names(area.operations)]
    if common and elsewhere:
        lines.insert(0, f"- {join_names(common, 8)}: required by most operations, see the skill `{main}`")
    elif common:
        lines = [*ids.common_lines(), *lines]
    return "\n".join(["## Where ids come from", "", *lines]) if lines else ""


def _units_section(area: Area) -> str:
    """Return what an area's values are counted in, and how amounts, times and files are given."""
    names_by_unit: dict[str, tuple[WireUnit, dict[str, None]]] = {}
    files: dict[str, None] = {}
    formats: set[object] = set()
    for tool in map(compile_tool, area.operations):
        for path, unit in tool_units(tool).items():
            names_by_unit.setdefault(unit_clause(unit), (unit, {}))[1][code_span(path, 64)] = None
        files |= {f"`{name}=@PATH`": None for name in tool.places if file_form(tool, name) is not None}
        formats |= {as_map(schema).get("format") for schema in tool.input_schema["properties"].values()}
    lines = []
    for clause, (unit, names) in list(names_by_unit.items())[:MAX_UNITS]:
        scale = f", {1 / unit.size:,f} to one {_ONE_OF[unit.dimension]}" if unit.size < 1 else ""
        lines.append(f"- {join_names(list(names), MAX_NAMES_OF_UNIT)}: {clause}{scale}")
    if formats & {"date", "date-time"}:
        lines.append("- Dates are `2026-12-01`; times have their zone, as `2026-12-01T09:00:00Z` (UTC) or `+02:00`")
    lines += [f"- Files: {join_names(list(files), MAX_NAMES_OF_UNIT)}"] if files else []
    return "\n".join(["## Units, times and files", "", *lines]) if lines else ""


_ONE_OF = {
    Dimension.MONEY: "unit of the currency",
    Dimension.TIME: "second",
    Dimension.DATA: "byte",
    Dimension.SHARE: "per cent",
}


def examples(questions: Sequence[Question], ids: IdGuide, command: str) -> str:
    """Return up to three sentences of a person with the commands that they come to."""
    texts = list(filter(None, (_example(question, ids, command) for question in questions)))[:MAX_EXAMPLES]
    note = "Ids are samples: take those of the look-up. After a yes, the same command with `--yes` for `--dry-run`."
    is_change = any("--dry-run" in text for text in texts)
    return "\n\n".join([*(["## Examples"] if texts else []), *texts, *([note] if is_change else [])])


def _example(question: Question, ids: IdGuide, command: str) -> str:
    operation = question.operation
    sources = ids.for_operation(operation)
    sample = sample_arguments(operation)
    if sample is None:
        sample = sample_arguments(operation, blank=True) or {}
        tool = compile_tool(operation)
        if not sample or not all(takes_placeholder(argument_schema(tool, name)) for name in sample):
            return ""
    if question.arguments:
        # A sample has a value for a body that would be empty, and here there is one.
        sample = {name: value for name, value in sample.items() if name in compile_tool(operation).required}
    required = _with_placeholders(operation, sample, ids)
    lookups = [
        (source.operation, sample_arguments(source.operation, blank=True))
        for name, source in sources.items()
        if name in required and name not in ids.common
    ]
    lines = list(
        dict.fromkeys(
            f"{command} {callable_id(source)}{argument_words(_with_placeholders(source, given, ids))}"
            for source, given in lookups
            if given is not None and source is not operation
        )
    )
    call = f"{command} {callable_id(operation)}{argument_words({**required, **question.arguments})}"
    lines.append(call if operation.effect is Effect.READ else f"{call} --dry-run")
    block = "\n".join(lines)
    return f'"{question.text}"\n\n```\n{block}\n```'


def _with_placeholders(operation: Operation, arguments: Mapping[str, object], ids: IdGuide) -> dict[str, object]:
    """Return arguments in which a file, and an id that is looked up, is a placeholder, where one is taken."""
    looked_up = {*ids.for_operation(operation), *ids.common}
    tool = compile_tool(operation)
    return {
        name: _FILE
        if file_form(tool, name) is not None
        else placeholder(name)
        if name in looked_up and takes_placeholder(argument_schema(tool, name))
        else value
        for name, value in arguments.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The data that all texts of a plugin share. `values` are those of every template, `notes` are people's."""

    name: str
    title: str
    subject: str
    """the title without the words for what an API is"""
    about: str
    areas: tuple[Area, ...]
    ids: IdGuide
    values: Mapping[str, str]
    notes: Mapping[str, str]
    settings: tuple[str, ...] = ()
    """the arguments that have a setting"""
    recipes: tuple[Recipe, ...] = ()

    @property
    def operations(self) -> list[Operation]:
        return [operation for area in self.areas for operation in area.operations]

    def allowed(self, own: Sequence[Operation], text: str) -> str:
        """Return the permission rules of a skill with these operations and this text."""
        return read_rules(self.values["command"], self.values["tools"], self.operations, own, text)

    @property
    def has_area_skills(self) -> bool:
        """Whether areas are skills of their own."""
        return len(self.areas) > 1

    def skill_name(self, area: Area) -> str:
        return f"{self.name}-{area.slug}" if self.has_area_skills else self.name


def build_skills(outline: Outline) -> dict[str, str]:
    """Return path under `skills/` -> text."""
    described = _area_texts(outline) if outline.has_area_skills else {}
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
            texts |= _area_skill(outline, area, bodies[skill_name], described[area.slug].description)
    description = main_description(outline.subject, outline.areas)
    rows = "\n".join(
        _area_row(outline, area, described[area.slug].row) for area in outline.areas if area.slug in described
    )
    body = [fill_template("rules.md", **outline.values)]
    if outline.has_area_skills:
        common = common_section(outline.ids.common_lines(), outline.settings, outline.values["command"])
        body += [fill_template("where.md", rows=rows), common]
        body += [recipe_index(outline.recipes, outline.values["command"])]
        body += [examples(questions(outline.areas, 3 * MAX_EXAMPLES), outline.ids, outline.values["command"])]
    else:
        body += list(bodies.values())
        body += [recipe_usage(outline.recipes, outline.values["command"])]
        body += [common_section([""], outline.settings, outline.values["command"])] if outline.settings else []
    reads = [operation for operation in outline.operations if operation.effect is Effect.READ]
    index = fill_template(
        "skill.md",
        **outline.values,
        allowed=outline.allowed(reads if len(reads) <= MAX_RULES else (), "\n\n".join(body)),
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


def _area_texts(outline: Outline) -> dict[str, AreaText]:
    names = sum(len(outline.skill_name(area)) for area in outline.areas) + 2 * len(outline.name)
    fixed = main_description(outline.subject, outline.areas), agent_description(outline.subject)
    return area_texts(outline.subject, outline.areas, names + sum(map(len, fixed)))


def _area_skill(outline: Outline, area: Area, body: str, description: str) -> dict[str, str]:
    skill_name, label = outline.skill_name(area), inert_line(area.label, 80)
    about = inert_line(area.about, 200).rstrip(".")
    count = len(area.operations)
    about = about or f"{count} {'operation' if count == 1 else 'operations'} of {outline.title}"
    text = fill_template(
        "skill.md",
        **outline.values,
        allowed=outline.allowed(area.operations, body),
        name=skill_name,
        description=yaml_string(description),
        heading=f"{outline.title}: {label}",
        about=f"{about}.",
        body=body,
        notes="@notes@",
    )
    return weave_notes(skill_name, text, _note_names(outline, area), outline.notes)


def build_agent(outline: Outline) -> str:
    """Return the agent that turns a goal into calls of several areas."""
    rows = "\n".join(_area_row(outline, area, "") for area in outline.areas)
    ids = [*outline.ids.common_lines(), *outline.ids.lines(outline.operations, MAX_SOURCES, {})]
    return fill_template(
        "agent.md",
        **outline.values,
        name=outline.name,
        description=yaml_string(agent_description(outline.subject)),
        title=outline.title,
        rows=rows,
        ids="\n".join(ids) or "The user names things as the API does.",
    )


def _area_row(outline: Outline, area: Area, text: str) -> str:
    """Return the row of an area in an index: a text, else that of its tag, else what one does with its things."""
    about = text or inert_line(area.about, 120).rstrip(".") or _actions(area)
    sentence = about if not about or about.endswith(("?", "!", "…")) else f"{about[:1].upper()}{about[1:]}."
    skill = f"{outline.name}:{outline.skill_name(area)}"
    return f"- {inert_line(area.label, 80)} ({len(area.operations)}): {sentence} `{skill}`"


def _actions(area: Area) -> str:
    """Return what one does with the first things of an area: `create campaigns, find ad sets, change history`."""
    return ", ".join(
        subject.name if verb == "report" else f"{verb} {subject.name}"
        for subject in subjects(area.operations, area.label)[:3]
        for verb in subject.verbs[:1]
    )
