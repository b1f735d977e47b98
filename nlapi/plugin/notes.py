"""Files of people in a plugin's folder, woven into its skills: read by nlapi and never written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NOTES = "notes/"
OVERLAY = "overlay.yaml"
EFFECTS = "effects.overlay.yaml"
"""The overlay that states which POSTs are reads, once a person has accepted it."""

OVERLAYS = (OVERLAY, EFFECTS)
LICENSE = "LICENSE"
# The first words of the licence that nlapi generates; any other text there is a person's.
OURS = b"Licence of the plugin for "

# In lines of a skill with its notes; longer notes become a reference. `rules.MAX_LINES` refuses more than 200.
MAX_LINES = 190


def own(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of people in a folder: notes, overlays, a licence that nlapi did not write."""
    kept = {path: content for path, content in files.items() if path in OVERLAYS or _is_note(path)}
    if LICENSE in files and not files[LICENSE].startswith(OURS):
        kept[LICENSE] = files[LICENSE]
    return kept


def _is_note(path: str) -> bool:
    return bool(re.fullmatch(rf"{NOTES}[^/]+\.md", path))


def notes(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return name of a note, without its suffix -> its text."""
    found = {path: content for path, content in sorted(files.items()) if _is_note(path)}
    return {path[len(NOTES) : -3]: content.decode("utf-8", "replace").strip() for path, content in found.items()}


def woven(home: str, skill: str, names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return a skill, with `@notes@` in it, and the notes of these names, as files under `skills/`."""
    text = "\n\n".join(given[name] for name in dict.fromkeys(names) if given.get(name))
    head, _, tail = skill.rpartition("@notes@")
    if not text:
        return {f"{home}/SKILL.md": f"{head.rstrip()}\n{tail.lstrip()}"}
    section = f"## Notes\n\n{text}\n"
    if len(skill.splitlines()) + len(section.splitlines()) <= MAX_LINES:
        return {f"{home}/SKILL.md": head + section}
    link = "## Notes\n\nWhat people who know this API wrote down: [notes.md](references/notes.md). Read them first.\n"
    return {f"{home}/SKILL.md": head + link, f"{home}/references/notes.md": f"# Notes\n\n{text}\n"}
