"""A plugin's folder on disk: read whole, written so that a kill leaves a folder that can be built again."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from nlapi.errors import NlapiError, UsageError
from nlapi.plugin.build import MANIFEST
from nlapi.plugin.drift import edited_files, read_manifest
from nlapi.plugin.user_files import select_user_files
from nlapi.plugin.markdown import join_names

# Files are written here before they are moved to their places; a folder that holds it was being built by nlapi.
STAGING = ".nlapi-plugin-build"

# A folder given by mistake, such as a home, must not be read whole; the largest plugin measured has 103 files.
MAX_FILES = 10_000
IGNORED_NAMES = frozenset((".git", "__pycache__", ".DS_Store", "node_modules", STAGING))


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of every file in a folder, links not followed. UsageError when there is no such folder."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="`nlapi plugin build SOURCE -o DIR` makes one")
    paths = [path for path in sorted(folder.rglob("*")) if not IGNORED_NAMES & set(path.relative_to(folder).parts)]
    if len(paths) > MAX_FILES:
        raise UsageError(f"{folder} has more than {MAX_FILES:,} files: it is no plugin of nlapi's")
    try:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if _is_file(path)}
    except OSError as error:
        raise NlapiError(f"{error.filename} cannot be read: {error.strerror}") from None


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def write_folder(folder: Path, files: Mapping[str, bytes], *, force: bool = False) -> tuple[str, ...]:
    """Put a plugin into a folder; return the files of an earlier build that were removed.

    Files that nlapi did not write stay. UsageError, with nothing written, when the folder is somebody else's or when a
    file of an earlier build was edited; `force` overrides both.
    """
    stale = _stale_files(folder, files, force=force)
    for path in (*files, *stale, f"{STAGING}/x"):
        _require_inside(folder, path)
    try:
        _stage_files(folder / STAGING, files)
        # The manifest goes last: while it is the old one, the next build knows every file as its own.
        for path in sorted(files, key=lambda name: name == MANIFEST):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / STAGING / path).replace(folder / path)
        _remove_files(folder, stale)
        shutil.rmtree(folder / STAGING)
    except OSError as error:
        raise NlapiError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return stale


def _stage_files(staging: Path, files: Mapping[str, bytes]) -> None:
    """Write all files to the staging folder; a failure here has changed nothing."""
    try:
        shutil.rmtree(staging, ignore_errors=True)
        for path, content in files.items():
            target = staging / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o755 if content.startswith(b"#!") else 0o644)
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _stale_files(folder: Path, files: Mapping[str, bytes], *, force: bool) -> tuple[str, ...]:
    """Return the files of an earlier build that this one does not write."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="name a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return ()
    existing = read_folder(folder)
    user_files = select_user_files(existing)
    if not (folder / MANIFEST).is_file():
        if not force and not (folder / STAGING).is_dir() and existing.keys() != user_files.keys():
            hint = "name an empty folder, or write among what is there with --force"
            raise UsageError(f"{folder} is not empty, and no plugin that nlapi built", hint=hint)
        return ()
    try:
        recorded = read_manifest((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))
    except NlapiError as error:
        if not force:
            raise NlapiError(error.message, hint="--force writes over what is there") from None
        return ()
    changed = edited_files(existing, recorded).keys() - user_files.keys()
    overwritten = [path for path in recorded.files if path in changed and path in existing and existing[path] != files.get(path)]
    overwritten += [path for path in files if path in existing and path not in recorded.files and path != MANIFEST]
    if overwritten and not force:
        hint = "keep what you need of them elsewhere, then --force writes over them"
        raise UsageError(f"edited or put there since it was built, and would be lost: {join_names(overwritten, 5)}", hint=hint)
    return tuple(path for path in recorded.files if path not in files and path in existing and path not in user_files)


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
