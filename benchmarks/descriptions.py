"""Large real descriptions, fetched once into the user's cache folder."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

from platformdirs import user_cache_path

GITHUB = "@octokit/openapi@23.0.2"
GITHUB_FILE = "package/generated/api.github.com.json"


def github(given: Path | None = None) -> Path | None:
    """GitHub's description: the file that was given, else the npm package's; None without a file and without npm."""
    if given is not None:
        return given
    folder = user_cache_path("nlapi-benchmarks") / GITHUB.rpartition("@")[2]
    file = folder / GITHUB_FILE
    if not file.is_file():
        npm = shutil.which("npm")
        if npm is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", "--silent", "--pack-destination", str(folder), GITHUB]
        packed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(folder / packed) as archive:
            archive.extract(GITHUB_FILE, folder, filter="data")
    return file
