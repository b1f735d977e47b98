"""Differences between a plugin on disk and what was built, what would be built now, and its source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from nlapi.errors import NlapiError
from nlapi.issue import Issue, Level
from nlapi.plugin.build import DESCRIPTION, FORMAT, MANIFEST, Options, Plugin, digest
from nlapi.plugin.command import command_of
from nlapi.plugin.notes import own
from nlapi.plugin.text import listed
from nlapi.version import __version__

AGAIN = "build it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A plugin's record of how it was built: options, nlapi's version, path -> SHA-256.

    `command` is its command on the PATH, `variables` are those that this reads: the base URL, then credentials.
    """

    options: Options
    command: str
    variables: tuple[str, ...]
    version: str
    files: Mapping[str, str]
    people: Mapping[str, str]
    """The files of people at the time of the build, path -> SHA-256."""

    @property
    def name(self) -> str:
        return self.command.removeprefix(command_of(""))


def manifest(content: bytes, where: str) -> Manifest:
    """Return the Manifest in a file; NlapiError when it is invalid."""
    try:
        data: Any = json.loads(content)
        if data["format"] != FORMAT:
            raise NlapiError(f"{where} is of format {data['format']!r}, and this nlapi reads {FORMAT}", hint=AGAIN)
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data["options"].items()
        }
        if not given.keys() <= {one.name for one in fields(Options)}:
            raise ValueError("options that are not known")
        files = {str(path): str(one) for path, one in data["files"].items()}
        # Paths are written to and removed by; a plugin from elsewhere must not reach other files.
        if any(path.startswith("/") or "\\" in path or ".." in path.split("/") for path in files):
            raise ValueError("a path that leads out of the folder")
        return Manifest(
            options=Options(**given),
            command=str(data["command"]),
            variables=tuple(map(str, data["variables"])),
            version=str(data["nlapi"]),
            files=files,
            people={str(path): str(one) for path, one in data["people"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise NlapiError(f"{where} is no manifest of a plugin ({reason})"[:300], hint=AGAIN) from None


def edited(files: Mapping[str, bytes], made: Manifest) -> dict[str, str]:
    """Return path -> what became of it since the plugin was built, for generated files only."""
    return {
        path: "was changed" if path in files else "is missing"
        for path, was in made.files.items()
        if path not in files or digest(files[path]) != was
    }


def drift(files: Mapping[str, bytes], made: Manifest, again: Plugin) -> tuple[Issue, ...]:
    """Return what differs from the manifest, and from `again`, which was built from the plugin's own description."""
    there = own(files)
    changed = {path: what for path, what in edited(files, made).items() if path not in there}
    found = [_issue(path, f"{what} since it was built", AGAIN) for path, what in changed.items()]
    # A file of the user's own makes the plugin no worse, hence INFO.
    foreign = (path for path in files if path not in made.files and path != MANIFEST and path not in there)
    found += (_issue(path, "nlapi did not write it", "", Level.INFO) for path in foreign)
    for path in sorted(made.people.keys() | there.keys()):
        if path in there and made.people.get(path) != digest(there[path]):
            found.append(_issue(path, "is not what the plugin was built with", AGAIN))
        elif path not in there:
            found.append(_issue(path, "is gone, and still in the plugin", AGAIN))
    # Another nlapi makes other texts, so every file would differ: one line says it all.
    if made.version != __version__:
        message = f"was built by nlapi {made.version}, and this is {__version__}"
        return (*found, _issue(MANIFEST, message, AGAIN))
    different = {path for path in again.files.keys() | made.files.keys() if again.files.get(path) != files.get(path)}
    for path in sorted(different - changed.keys() - {MANIFEST}):
        found.append(_issue(path, "is not what its description and options make", AGAIN))
    if MANIFEST in different and not different - {MANIFEST}:
        found.append(_issue(MANIFEST, "was changed since it was built", AGAIN))
    return tuple(found)


def outdated(files: Mapping[str, bytes], fresh: Plugin) -> tuple[Issue, ...]:
    """Return how the description has changed at its source, from which `fresh` was built."""
    old, new = files.get(DESCRIPTION, b""), fresh.files[DESCRIPTION]
    if old == new:
        return ()
    before, after = _operations(old), _operations(new)
    told = [
        f"{label} {listed(names, 5)}"
        for label, names in (
            ("new:", [id for id in after if id not in before]),
            ("gone:", [id for id in before if id not in after]),
            ("changed:", [id for id in after if id in before and after[id] != before[id]]),
        )
        if names
    ]
    what = "; ".join(told) or "in what its operations share"
    return (_issue(DESCRIPTION, f"the description has changed at its source ({what})", AGAIN),)


def _operations(content: bytes) -> dict[str, Any]:
    try:
        tree: Any = json.loads(content)
    except ValueError:
        return {}
    items = tree.get("paths", {}).values() if isinstance(tree, dict) else ()
    nodes = (node for item in items if isinstance(item, dict) for node in item.values() if isinstance(node, dict))
    return {node["operationId"]: node for node in nodes if isinstance(node.get("operationId"), str)}


def _issue(where: str, message: str, hint: str, level: Level = Level.ERROR) -> Issue:
    return Issue(level=level, where=where, message=message, hint=hint, rule="drift")
