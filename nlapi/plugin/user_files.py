"""Files of people in a plugin's folder, woven into its skills: read by nlapi and never written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NOTES_FOLDER = "notes/"
WORKFLOWS_FOLDER = "workflows/"
OVERLAY = "overlay.yaml"
EFFECTS = "effects.overlay.yaml"
"""The overlay that states which POSTs are reads, once a person has accepted it."""

OVERLAYS = (OVERLAY, EFFECTS)
LICENSE = "LICENSE"
# The first words of the licence that nlapi generates; any other text there is a person's.
GENERATED_LICENSE = b"Licence of the plugin for "

# In lines of a skill with its notes; longer notes become a reference. `file_checks.MAX_LINES` refuses more than 200.
MAX_SKILL_LINES = 190


def select_user_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of people in a folder: notes, workflows, overlays, a licence that nlapi did not write."""
    user_files = {
        path: content for path, content in files.items() if path in OVERLAYS or _is_note(path) or is_workflow_file(path)
    }
    if LICENSE in files and not files[LICENSE].startswith(GENERATED_LICENSE):
        user_files[LICENSE] = files[LICENSE]
    return user_files


def is_workflow_file(path: str) -> bool:
    """Return whether a file is a workflow document of people: those of the build are JSON, theirs are YAML."""
    return bool(re.fullmatch(rf"{WORKFLOWS_FOLDER}[^/]+\.arazzo\.ya?ml", path))


def _is_note(path: str) -> bool:
    return bool(re.fullmatch(rf"{NOTES_FOLDER}[^/]+\.md", path))


def read_notes(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return name of a note, without its suffix -> its text."""
    note_files = {path: content for path, content in sorted(files.items()) if _is_note(path)}
    return {
        path[len(NOTES_FOLDER) : -3]: content.decode("utf-8", "replace").strip() for path, content in note_files.items()
    }


def weave_notes(skill_name: str, skill: str, names: Iterable[str], notes_by_name: Mapping[str, str]) -> dict[str, str]:
    """Return a skill, with `@notes@` in it, and the notes of these names, as files under `skills/`."""
    text = "\n\n".join(notes_by_name[name] for name in dict.fromkeys(names) if notes_by_name.get(name))
    head, _, tail = skill.rpartition("@notes@")
    if not text:
        return {f"{skill_name}/SKILL.md": f"{head.rstrip()}\n{tail.lstrip()}"}
    section = f"## Notes\n\n{text}\n"
    if len(skill.splitlines()) + len(section.splitlines()) <= MAX_SKILL_LINES:
        return {f"{skill_name}/SKILL.md": head + section}
    link = "## Notes\n\nWhat people who know this API wrote down: [notes.md](references/notes.md). Read them first.\n"
    return {f"{skill_name}/SKILL.md": head + link, f"{skill_name}/references/notes.md": f"# Notes\n\n{text}\n"}
