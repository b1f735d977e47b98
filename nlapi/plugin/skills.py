"""The skills of a plugin: one that knows the whole API, and one for each group while they are few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.names import callable_id
from nlapi.plugin.reference import references, summary
from nlapi.plugin.text import inert, listed, quoted, template
from nlapi.tools.groups import Group

MAX_SKILLS = 20
"""Groups that become skills of their own; of more, all are in the one skill, as each costs room in every session."""

MAX_DESCRIPTION = 480
MAX_LISTED = 150
"""Operations that a skill lists one by one."""


def skills(name: str, title: str, about: str, parts: Sequence[Group], values: Mapping[str, str]) -> dict[str, str]:
    """Path under `skills/` -> text. `values` are those that every template takes."""
    command = values["command"]
    files = {part.slug: references(part, title, command) for part in parts}
    split = 1 < len(parts) <= MAX_SKILLS
    made = {}
    for part in parts:
        home = f"{name}-{part.slug}" if split else name
        if split:
            made[f"{home}/SKILL.md"] = _group_skill(home, title, part, files[part.slug], values)
        made |= {f"{home}/references/{file}": text for file, text in files[part.slug].items()}
    where = "\n".join(_row(name, part, files[part.slug], split=split) for part in parts)
    names = listed([inert(part.label, 40) for part in parts], 24)
    description = (
        f"Operates {title} in plain English: {names}. Used to look up or change anything in {title}, and when "
    )
    description += "a task there needs several of these."
    index = template(
        "skill.md",
        **values,
        name=name,
        description=quoted(_cut(description)),
        heading=title,
        about=about,
        rules=template("rules.md", **values),
        where=template("where.md", rows=where, kind="skill" if split else "reference"),
    )
    return {f"{name}/SKILL.md": index, **made}


def _group_skill(home: str, title: str, part: Group, files: Mapping[str, str], values: Mapping[str, str]) -> str:
    label = inert(part.label, 80)
    does = listed([_said(one, 60).lower() for one in _telling(part.operations)], 8)
    about = inert(part.about, 200).rstrip(".")
    description = f"Handles {label} of {title}{f' ({about})' if about else ''}. Used to: {does}."
    operations = [f"- `{callable_id(one)}` ({one.effect}): {_said(one, 100)}" for one in part.operations[:MAX_LISTED]]
    if more := len(part.operations) - MAX_LISTED:
        operations += [f"- and {more} more, in the references"] if more > 0 else []
    return template(
        "skill.md",
        **values,
        name=home,
        description=quoted(_cut(description)),
        heading=f"{title}: {label}",
        about=about,
        rules=template("rules.md", **values),
        where=template("operations.md", operations="\n".join(operations), references=_links(files)),
    )


def _said(operation: Operation, limit: int) -> str:
    return inert(summary(operation, limit), limit)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_DESCRIPTION else f"{text[: MAX_DESCRIPTION - 1].rstrip()}…"


def _telling(operations: Sequence[Operation]) -> list[Operation]:
    """A read and a change in turn: the first of each say most."""
    reads = [one for one in operations if one.effect is Effect.READ]
    changes = [one for one in operations if one.effect is not Effect.READ]
    pairs = [one for pair in zip(reads, changes, strict=False) for one in pair]
    return pairs + reads[len(changes) :] + changes[len(reads) :]


def _row(name: str, part: Group, files: Mapping[str, str], *, split: bool) -> str:
    about = inert(part.about, 120).rstrip(".") or listed([_said(one, 50) for one in _telling(part.operations)], 3)
    where = f"`{name}:{name}-{part.slug}`" if split else _links(files)
    return f"- {inert(part.label, 80)} ({len(part.operations)}): {about}. {where}"


def _links(files: Mapping[str, str]) -> str:
    return ", ".join(f"[{file}](references/{file})" for file in files)


def prompts(parts: Sequence[Group], limit: int) -> list[str]:
    """Things that a user may say, out of the summaries: of each group in turn a read, then a change."""
    columns = [_telling(part.operations) for part in parts]
    depth = max(map(len, columns), default=0)
    ordered = [column[row] for row in range(depth) for column in columns if row < len(column)]
    said = dict.fromkeys(summary(one, 80) for one in ordered if not one.deprecated and one.summary)
    return list(said)[:limit]
