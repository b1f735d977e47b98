"""Programs of npm packages, installed once into the user's cache folder, or the reason why there is none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.descriptions import cache

PATIENCE = 300
"""Seconds for an installation; the clients are some 400 MB each."""


def installed(package: str, program: str, setup: tuple[str, ...] = ()) -> Path | str:
    """The file `program` of a package such as `name@1.2.3`, seen from its node_modules; else why it cannot be had.

    `setup` is a command that is run in the package's folder, where npm runs no scripts of packages.
    """
    name, _, version = package.rpartition("@")
    folder = cache() / f"{name.rpartition('/')[2]}-{version}"
    found = folder / "node_modules" / program
    if found.exists():
        return found
    reason = fetched(folder, package) or (setup and _run(list(setup), folder / "node_modules" / name)) or ""
    return reason or (found if found.exists() else f"{package} has no {program}")


def fetched(folder: Path, *packages: str) -> str:
    """Installs packages into a folder; gives why they cannot be had, or ""."""
    npm = shutil.which("npm")
    if npm is None:
        return "there is no npm"
    folder.mkdir(parents=True, exist_ok=True)
    return _run([npm, "install", "--loglevel=error", "--prefix", str(folder), *packages], folder)


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"npm does not answer: {error}"
    said = done.stderr.strip()[-200:] or f"exit code {done.returncode}"
    return f"npm does not answer: {said}" if done.returncode else ""
