"""The skills of a plugin, one for the whole API and one for each area, and the agent that routes among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.area import area_body, examples, safe_summary
from nlapi.plugin.ids import MAX_SOURCES, IdGuide
from nlapi.plugin.user_files import weave_notes
from nlapi.plugin.reference import reference_files, summary
from nlapi.plugin.markdown import inert_line, join_names, yaml_string, fill_template
from nlapi.tools.areas import Area

# In characters. All names and descriptions together stay within MAX_SESSION_TEXT, as they are paid for in every session: 1,361
# tokens at 3.6 characters, below file_checks.MAX_SESSION_TOKENS. A description shares the rest, and has 120 however many there are.
MAX_DESCRIPTION = 480
MIN_DESCRIPTION = 120
MAX_SESSION_TEXT = 4_900


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
        bodies[skill_name] = area_body(area, outline.areas, files, outline.ids, outline.values, outline.name)
        if outline.has_area_skills:
            texts |= _area_skill(outline, area, bodies[skill_name], room)
    parts = join_names([inert_line(area.label, 40) for area in outline.areas], 24)
    purpose = "Used to look up or change anything in it, or several of these at once"
    description = f"{_shorten(f'Operates {outline.title} in plain English: {parts}', room - len(purpose))}. {purpose}."
    rows = "\n".join(_area_row(outline, area) for area in outline.areas)
    body = [fill_template("rules.md", **outline.values)]
    if outline.has_area_skills:
        operations = [item for area in outline.areas for item in area.operations]
        common = "\n".join(outline.ids.common_lines())
        body += [fill_template("where.md", rows=rows), fill_template("common.md", values=common) if common else ""]
        body += [examples(operations, outline.ids, outline.values["command"])]
    else:
        body += list(bodies.values())
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
    area_notes = {name for area in outline.areas for name in _note_names(outline, area)} if outline.has_area_skills else set()
    return {**weave_notes(outline.name, index, [item for item in outline.notes if item not in area_notes], outline.notes), **texts}


def _note_names(outline: Outline, area: Area) -> tuple[str, str]:
    return area.slug, outline.skill_name(area)


def _area_skill(outline: Outline, area: Area, body: str, room: int) -> dict[str, str]:
    skill_name, label = outline.skill_name(area), inert_line(area.label, 80)
    about = inert_line(area.about, 200).rstrip(".")
    actions = join_names([safe_summary(operation, 60).lower() for operation in alternate_effects(area.operations)], 8)
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
    purpose = f"Brings about an outcome in {outline.title} that takes several calls, across "
    purpose += f"{join_names([inert_line(area.label, 30) for area in outline.areas], 6)}. Shows every change before it is made."
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


def alternate_effects(operations: Sequence[Operation]) -> list[Operation]:
    """Return reads and changes in turn: the first of each say most about an area."""
    reads = [operation for operation in operations if operation.effect is Effect.READ]
    changes = [operation for operation in operations if operation.effect is not Effect.READ]
    pairs = [operation for pair in zip(reads, changes, strict=False) for operation in pair]
    return pairs + reads[len(changes) :] + changes[len(reads) :]


def _area_row(outline: Outline, area: Area) -> str:
    about = inert_line(area.about, 120).rstrip(".") or join_names([safe_summary(operation, 50) for operation in alternate_effects(area.operations)], 3)
    sentence = about if about.endswith(("?", "!", "…")) else f"{about}."
    return f"- {inert_line(area.label, 80)} ({len(area.operations)}): {sentence} `{outline.name}:{outline.skill_name(area)}`"


def example_prompts(groups: Sequence[Area], limit: int) -> list[str]:
    """Return example prompts from the summaries: of each area in turn a read, then a change."""
    columns = [alternate_effects(group.operations) for group in groups]
    depth = max(map(len, columns), default=0)
    # Row by row, so that a list that is cut has something of every area.
    ordered = [column[row] for row in range(depth) for column in columns if row < len(column)]
    goals = dict.fromkeys(summary(operation, 80) for operation in ordered if not operation.deprecated and operation.summary)
    return list(goals)[:limit]
