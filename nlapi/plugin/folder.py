"""Reads and writes a plugin's folder on disk, and finds where it differs from its build and its source.

A kill while a folder is written leaves one that can be built again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from nlapi.errors import Issue, NlapiError, UsageError
from nlapi.local_files import locked_folder
from nlapi.plugin.build import DESCRIPTION, MANIFEST, MANIFEST_FORMAT, Options, Plugin, digest
from nlapi.plugin.programs import command_name
from nlapi.plugin.user_files import select_user_files
from nlapi.tools.texts.names import join_names
from nlapi.version import __version__

REBUILD_HINT = "build it again"

# Files are written here before they are moved to their places; a folder that holds it was being built by nlapi.
STAGING = ".nlapi-plugin-build"

# A folder given by mistake, such as a home, must not be read whole; the largest plugin measured has 103 files.
MAX_FILES = 10_000
MAX_BYTES = 256 * 1024 * 1024
# Folders with code that are not read, and are named all the same.
FOREIGN_FOLDERS = frozenset(("__pycache__", "node_modules"))
IGNORED_NAMES = frozenset((".git", "__pycache__", ".DS_Store", "node_modules", STAGING))


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginManifest:
    """A plugin's record of how it was built: options, nlapi's version, path -> SHA-256.

    `command` is its command on the PATH, `variables` are those that this reads: the base URL, then credentials.
    `settings` maps the arguments that have a setting to the environment variable that goes before it.
    """

    options: Options
    command: str
    variables: tuple[str, ...]
    version: str
    files: Mapping[str, str]
    user_files: Mapping[str, str]
    """The files of people at the time of the build, path -> SHA-256."""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.command.removeprefix(command_name(""))


def read_manifest(content: bytes, location: str) -> PluginManifest:
    """Return the PluginManifest in a file; NlapiError when it is invalid."""
    try:
        data: Any = json.loads(content)
        if data["format"] != MANIFEST_FORMAT:
            raise NlapiError(
                f"{location} is of format {data['format']!r}, and this nlapi reads {MANIFEST_FORMAT}", hint=REBUILD_HINT
            )
        options: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data["options"].items()
        }
        if not options.keys() <= {entry.name for entry in fields(Options)}:
            raise ValueError("options that are not known")
        files = {str(path): str(hash) for path, hash in data["files"].items()}
        # Paths are written to and removed by; a plugin from elsewhere must not reach other files.
        if any(path.startswith("/") or "\\" in path or ".." in path.split("/") for path in files):
            raise ValueError("a path that leads out of the folder")
        return PluginManifest(
            options=Options(**options),
            command=str(data["command"]),
            variables=tuple(map(str, data["variables"])),
            version=str(data["nlapi"]),
            files=files,
            user_files={str(path): str(hash) for path, hash in data["people"].items()},
            settings={str(name): str(variable) for name, variable in data.get("settings", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise NlapiError(f"{location} is not a manifest of a plugin ({reason})"[:300], hint=REBUILD_HINT) from None


def _edited_files(files: Mapping[str, bytes], manifest: PluginManifest) -> dict[str, str]:
    """Return path -> what became of it since the plugin was built, for generated files only."""
    return {
        path: "was changed" if path in files else "is missing"
        for path, recorded_hash in manifest.files.items()
        if path not in files or digest(files[path]) != recorded_hash
    }


def find_drift(files: Mapping[str, bytes], manifest: PluginManifest, rebuilt: Plugin) -> tuple[Issue, ...]:
    """Return what differs from the manifest, and from `rebuilt`, which was built from the plugin's own description."""
    user_files = select_user_files(files)
    edits = _edited_files(files, manifest)
    changed = edits.keys() - user_files.keys()
    faults = [(path, f"{edits[path]} since it was built") for path in edits if path in changed]
    digests = {path: digest(content) for path, content in user_files.items()}
    faults += ((path, "is gone, and still in the plugin") for path in sorted(manifest.user_files.keys() - digests))
    edited = sorted(digests.items() - manifest.user_files.items())
    faults += ((path, "has changed since the plugin was built") for path, _ in edited)
    different = {path for path, _ in rebuilt.files.items() ^ files.items()}
    different &= rebuilt.files.keys() | manifest.files.keys()
    # Another nlapi makes other texts, so every file would differ: one line says it all.
    if manifest.version != __version__:
        faults.append((MANIFEST, f"was built by nlapi {manifest.version}, and this is {__version__}"))
    elif different == {MANIFEST}:
        faults.append((MANIFEST, "was changed since it was built"))
    else:
        message = "is not what its description and options make"
        faults += ((path, message) for path in sorted(different - changed - {MANIFEST}))
    return tuple(Issue.error(path, message, REBUILD_HINT, "drift") for path, message in faults)


def find_foreign(folder: Path, files: Mapping[str, bytes], manifest: PluginManifest) -> tuple[Issue, ...]:
    """Return what is in a plugin's folder and is neither of the build nor a file that people may add to it.

    It may be the user's own, so it is not an error; but clients load commands and agents that lie in the folder, and
    whoever installs it may run what they find.
    """
    expected = {*manifest.files, MANIFEST, *select_user_files(files)}
    foreign = {path: "the build did not make it" for path in files if path not in expected}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_symlink() and IGNORED_NAMES.isdisjoint(place.parts):
            foreign[place.as_posix()] = "it is a link, and the build made none"
        elif place.name in FOREIGN_FOLDERS and path.is_dir() and IGNORED_NAMES.isdisjoint(place.parts[:-1]):
            foreign[f"{place.as_posix()}/"] = "the build did not make it"
    hint = "remove it, unless it is yours"
    return tuple(Issue.warning(path, message, hint, "foreign") for path, message in sorted(foreign.items()))


def source_changes(files: Mapping[str, bytes], rebuilt: Plugin) -> tuple[Issue, ...]:
    """Return that the description has changed at its source, from which `rebuilt` was built."""
    if files.get(DESCRIPTION, b"") == rebuilt.files[DESCRIPTION]:
        return ()
    return (Issue.error(DESCRIPTION, "the description has changed at its source", REBUILD_HINT, "drift"),)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of every file in a folder, links not followed. UsageError if the folder does not exist."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="`nlapi plugin build SOURCE -o DIR` makes one")
    paths = [path for path in sorted(folder.rglob("*")) if not IGNORED_NAMES & set(path.relative_to(folder).parts)]
    if len(paths) > MAX_FILES:
        raise UsageError(f"{folder} has more than {MAX_FILES:,} files: it is not a plugin of nlapi's")
    try:
        files = list(filter(_is_own_file, paths))
        if sum(path.stat().st_size for path in files) > MAX_BYTES:
            raise UsageError(f"{folder} has more than {MAX_BYTES:,} bytes: it is not a plugin of nlapi's")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    except OSError as error:
        raise NlapiError(f"{error.filename} cannot be read: {error.strerror}") from None


def _is_own_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def write_folder(folder: Path, files: Mapping[str, bytes], *, force: bool = False) -> tuple[str, ...]:
    """Put a plugin into a folder; return the files of an earlier build that were removed.

    Files that nlapi did not write stay. UsageError, with nothing written, when the folder is somebody else's or when a
    file of an earlier build was edited; `force` overrides both.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="name a folder")
    with locked_folder(folder):
        return _write_files(folder, files, force=force)


def _write_files(folder: Path, files: Mapping[str, bytes], *, force: bool) -> tuple[str, ...]:
    stale = _stale_files(folder, files, force=force)
    for path in (*files, *stale, f"{STAGING}/x"):
        _require_inside(folder, path)
    try:
        staged = _stage_files(folder / STAGING, files)
        # The manifest goes last: while it is the old one, the next build knows every file as its own.
        for path in sorted(files, key=lambda name: name == MANIFEST):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (staged / path).replace(folder / path)
        _remove_files(folder, stale)
        shutil.rmtree(folder / STAGING)
    except OSError as error:
        raise NlapiError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return stale


def _stage_files(staging: Path, files: Mapping[str, bytes]) -> Path:
    """Write all files to a new folder in the staging folder, and return it; a failure here has changed nothing.

    What builds that were killed have staged stays until one has ended: it says which files they put in place.
    """
    staging.mkdir(exist_ok=True)
    staged = Path(mkdtemp(dir=staging))
    try:
        for path, content in files.items():
            target = staged / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o755 if content.startswith(b"#!") else 0o644)
    except OSError:
        shutil.rmtree(staged, ignore_errors=True)
        with suppress(OSError):  # what others have staged
            staging.rmdir()
        raise
    return staged


def _stale_files(folder: Path, files: Mapping[str, bytes], *, force: bool) -> tuple[str, ...]:
    """Return the files of an earlier build that this one does not write."""
    if not any(folder.iterdir()):
        return ()
    existing = read_folder(folder)
    user_files = select_user_files(existing)
    recorded = _earlier_build(folder, existing, user_files, force=force)
    if recorded is None:
        return ()
    changed = _edited_files(existing, recorded).keys() & existing.keys() - user_files.keys()
    edited = sorted(path for path in changed if existing[path] != files.get(path))
    added = sorted(files.keys() & existing.keys() - recorded.files.keys() - {MANIFEST})
    if (edited or added) and not force:
        hint = "keep what you need of them elsewhere, then --force writes over them"
        names = join_names([*edited, *added], 5)
        raise UsageError(f"edited or put there since it was built, and would be lost: {names}", hint=hint)
    return tuple(sorted(recorded.files.keys() & existing.keys() - files.keys() - user_files.keys()))


def _earlier_build(
    folder: Path, existing: Mapping[str, bytes], user_files: Mapping[str, bytes], *, force: bool
) -> PluginManifest | None:
    """Return the manifest of the plugin that is in a folder; None where none was built there, or it cannot be read."""
    if not (folder / MANIFEST).is_file():
        if not force and not (folder / STAGING).is_dir() and existing.keys() != user_files.keys():
            hint = "name an empty folder, or add to this one with --force"
            raise UsageError(f"{folder} is not empty, and no plugin that nlapi built", hint=hint)
        return None
    try:
        recorded = read_manifest((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))
    except NlapiError as error:
        if not force:
            raise NlapiError(error.message, hint="--force overwrites it") from None
        return None
    return _with_interrupted_build(folder, recorded, existing)


def _with_interrupted_build(folder: Path, recorded: PluginManifest, existing: Mapping[str, bytes]) -> PluginManifest:
    """Return a manifest in which the files that builds put in place before they were killed are its own.

    The manifest of each, the last file that it moves, is still in the staging folder then.
    """
    files = dict(recorded.files)
    for path in sorted((folder / STAGING).glob(f"*/{MANIFEST}")):
        with suppress(OSError, NlapiError):
            staged = read_manifest(path.read_bytes(), STAGING)
            files |= {name: value for name, value in staged.files.items() if digest(existing.get(name, b"")) == value}
    return replace(recorded, files=files)


def _require_inside(folder: Path, path: str) -> None:
    """Raise UsageError if a link in the folder would lead a write out of it."""
    if not (folder / path).parent.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{folder / path} leads out of {folder}", hint="remove the link")


def _remove_files(folder: Path, paths: Iterable[str]) -> None:
    """Remove files, and the folders that become empty."""
    for path in paths:
        (folder / path).unlink(missing_ok=True)
        for parent in (folder / path).relative_to(folder).parents:
            if parent != Path():
                with suppress(OSError):
                    (folder / parent).rmdir()
