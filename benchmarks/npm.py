"""What npm gives: programs and files of packages, fetched once into the user's cache folder, or why there are none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from platformdirs import user_cache_path

PATIENCE = 240
"""Seconds for an installation; the clients are some 400 MB each."""

FIRST = 30
"""Seconds for an answer to the first question, which asks for some hundred bytes."""

_IMPATIENT = ("--loglevel=error", "--fetch-retries=1", "--fetch-timeout=20000")
_silent: list[str] = []
"""Why npm gave nothing, so that a registry that hangs is waited for once, and not for each package."""


def cache() -> Path:
    """The folder for what the benchmarks fetch and install."""
    return user_cache_path("nlapi-benchmarks")


def installed(package: str, program: str, setup: tuple[str, ...] = ()) -> Path | str:
    """The file `program` of a package such as `name@1.2.3`, seen from its node_modules; else why it cannot be had.

    `setup` is a command that is run in the package's folder, where npm runs no scripts of packages.
    """
    name, _, version = package.rpartition("@")
    folder = cache() / f"{name.rpartition('/')[2]}-{version}"
    found = folder / "node_modules" / program
    if found.exists():
        return found
    reason = fetched(folder, package) or (setup and _run(list(setup), folder / "node_modules" / name, PATIENCE)) or ""
    return reason or (found if found.exists() else f"{package} has no {program}")


def fetched(folder: Path, *packages: str) -> str:
    """Installs packages into a folder; gives why they cannot be had, or ""."""
    return _npm(folder, packages, "install", "--prefix", str(folder), *packages)


def packed(folder: Path, package: str) -> str:
    """Puts the archive of a package into a folder; gives why it cannot be had, or ""."""
    return _npm(folder, (package,), "pack", "--silent", "--pack-destination", str(folder), package)


def _npm(folder: Path, packages: tuple[str, ...], *words: str) -> str:
    npm = shutil.which("npm")
    if npm is None:
        return "there is no npm"
    if _silent:
        return _silent[0]
    folder.mkdir(parents=True, exist_ok=True)
    asked = _run([npm, "view", *_IMPATIENT, packages[0], "version"], folder, FIRST)
    reason = asked or _run([npm, *words[:1], *_IMPATIENT, *words[1:]], folder, PATIENCE)
    if reason:
        _silent.append(reason)
    return reason


def _run(command: list[str], folder: Path, seconds: float) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"npm does not answer: nothing within {seconds:g} s"
    except OSError as error:
        return f"npm does not answer: {error}"
    said = " ".join(done.stderr.split())[-200:] or f"exit code {done.returncode}"
    return f"npm does not answer: {said}" if done.returncode else ""
