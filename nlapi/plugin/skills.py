"""The skills of a plugin, one for the whole API and one for each area, and the agent that routes among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.area import area_body, examples, said
from nlapi.plugin.ids import MAX_SOURCES, Ids
from nlapi.plugin.notes import woven
from nlapi.plugin.reference import references, summary
from nlapi.plugin.text import inert, listed, quoted, template
from nlapi.tools.areas import Area

# In characters. All names and descriptions together stay within ALWAYS_ON, as they are paid for in every session: 1,361
# tokens at 3.6 characters, below limits.MAX_TOKENS. A description shares the rest, and has 120 however many there are.
MAX_DESCRIPTION = 480
FEW = 120
ALWAYS_ON = 4_900


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The data that all texts of a plugin share. `values` are those of every template, `notes` are people's."""

    name: str
    title: str
    about: str
    areas: tuple[Area, ...]
    ids: Ids
    values: Mapping[str, str]
    notes: Mapping[str, str]

    @property
    def split(self) -> bool:
        """Whether areas are skills of their own."""
        return len(self.areas) > 1

    def home(self, area: Area) -> str:
        return f"{self.name}-{area.slug}" if self.split else self.name


def skills(outline: Outline) -> dict[str, str]:
    """Return path under `skills/` -> text."""
    names = sum(len(outline.home(area)) for area in outline.areas) + 2 * len(outline.name)
    room = max(FEW, min(MAX_DESCRIPTION, (ALWAYS_ON - names) // (len(outline.areas) + 2)))
    made: dict[str, str] = {}
    bodies: dict[str, str] = {}
    for area in outline.areas:
        files = references(area, outline.title, outline.values["command"])
        home = outline.home(area)
        made |= {f"{home}/references/{file}": text for file, text in files.items()}
        bodies[home] = area_body(area, outline.areas, files, outline.ids, outline.values, outline.name)
        if outline.split:
            made |= _area_skill(outline, area, bodies[home], room)
    parts = listed([inert(area.label, 40) for area in outline.areas], 24)
    wants = "Used to look up or change anything in it, or several of these at once"
    description = f"{_cut(f'Operates {outline.title} in plain English: {parts}', room - len(wants))}. {wants}."
    rows = "\n".join(_row(outline, area) for area in outline.areas)
    body = [template("rules.md", **outline.values)]
    if outline.split:
        every = [one for area in outline.areas for one in area.operations]
        common = "\n".join(outline.ids.common_lines())
        body += [template("where.md", rows=rows), template("common.md", values=common) if common else ""]
        body += [examples(every, outline.ids, outline.values["command"])]
    else:
        body += list(bodies.values())
    index = template(
        "skill.md",
        **outline.values,
        name=outline.name,
        description=quoted(description),
        heading=outline.title,
        about=outline.about,
        body="\n\n".join(body),
        notes="@notes@",
    )
    elsewhere = {name for area in outline.areas for name in _notes_of(outline, area)} if outline.split else set()
    return {**woven(outline.name, index, [one for one in outline.notes if one not in elsewhere], outline.notes), **made}


def _notes_of(outline: Outline, area: Area) -> tuple[str, str]:
    return area.slug, outline.home(area)


def _area_skill(outline: Outline, area: Area, body: str, room: int) -> dict[str, str]:
    home, label = outline.home(area), inert(area.label, 80)
    about = inert(area.about, 200).rstrip(".")
    does = listed([said(one, 60).lower() for one in telling(area.operations)], 8)
    description = f"Handles {label} of {outline.title}{f' ({about})' if about else ''}. Used to: {does}."
    text = template(
        "skill.md",
        **outline.values,
        name=home,
        description=quoted(_cut(description, room)),
        heading=f"{outline.title}: {label}",
        about=about or f"{len(area.operations)} operations of {outline.title}.",
        body=body,
        notes="@notes@",
    )
    return woven(home, text, _notes_of(outline, area), outline.notes)


def agent(outline: Outline) -> str:
    """Return the agent that turns a goal into calls of several areas."""
    rows = "\n".join(_row(outline, area) for area in outline.areas)
    every = [one for area in outline.areas for one in area.operations]
    ids = [*outline.ids.common_lines(), *outline.ids.lines(every, MAX_SOURCES, {})]
    wants = f"Brings about an outcome in {outline.title} that takes several calls, across "
    wants += f"{listed([inert(area.label, 30) for area in outline.areas], 6)}. Shows every change before it is made."
    return template(
        "agent.md",
        **outline.values,
        name=outline.name,
        description=quoted(_cut(wants, 200)),
        title=outline.title,
        rows=rows,
        ids="\n".join(ids) or "The user names things as the API does.",
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def telling(operations: Sequence[Operation]) -> list[Operation]:
    """Return reads and changes in turn: the first of each say most about an area."""
    reads = [one for one in operations if one.effect is Effect.READ]
    changes = [one for one in operations if one.effect is not Effect.READ]
    pairs = [one for pair in zip(reads, changes, strict=False) for one in pair]
    return pairs + reads[len(changes) :] + changes[len(reads) :]


def _row(outline: Outline, area: Area) -> str:
    about = inert(area.about, 120).rstrip(".") or listed([said(one, 50) for one in telling(area.operations)], 3)
    ended = about if about.endswith(("?", "!", "…")) else f"{about}."
    return f"- {inert(area.label, 80)} ({len(area.operations)}): {ended} `{outline.name}:{outline.home(area)}`"


def prompts(parts: Sequence[Area], limit: int) -> list[str]:
    """Return example prompts from the summaries: of each area in turn a read, then a change."""
    columns = [telling(part.operations) for part in parts]
    depth = max(map(len, columns), default=0)
    # Row by row, so that a list that is cut has something of every area.
    ordered = [column[row] for row in range(depth) for column in columns if row < len(column)]
    said_so = dict.fromkeys(summary(one, 80) for one in ordered if not one.deprecated and one.summary)
    return list(said_so)[:limit]
