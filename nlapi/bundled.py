"""Bundled files (prompts, specs, plugins, examples), from a wheel or from a checkout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from nlapi.errors import UsageError

# Only these ship in the wheel; a checkout has more folders, and a name such as "tests/x" must fail in both.
FOLDERS = ("prompts", "specs", "plugins", "examples")
SPEC_SUFFIXES = (".yaml", ".json")


def root() -> Traversable:
    """Return the folder of the bundled files: `_data` in an installed wheel, else the top of the checkout."""
    packed = files("nlapi") / "_data"
    return packed if packed.is_dir() else Path(__file__).parent.parent


@cache
def text(name: str) -> str:
    """Return the text of a bundled file such as "prompts/agent.md". UsageError if none exists."""
    file = root().joinpath(*name.split("/"))
    if name.split("/")[0] not in FOLDERS or not file.is_file():
        raise UsageError(f"nlapi ships no file {name!r}")
    return file.read_text(encoding="utf-8")


@cache
def tool_definitions() -> Mapping[str, dict[str, Any]]:
    """Return the tools of a model by name, in the form of the Messages API."""
    return {definition["name"]: definition for definition in json.loads(text("prompts/tools.json"))}


def folder(name: str) -> Path:
    """Return the path of a bundled folder such as "examples/gateway". UsageError if none exists on disk."""
    path = Path(str(root().joinpath(*name.split("/"))))
    if name.split("/")[0] not in FOLDERS or not path.is_dir():
        raise UsageError(f"nlapi ships no folder {name!r}")
    return path


def spec_names() -> tuple[str, ...]:
    """Return the names of the bundled descriptions, such as "ads", sorted."""
    folder = root() / "specs"
    names = (Path(file.name) for file in folder.iterdir()) if folder.is_dir() else iter(())
    return tuple(sorted(name.stem for name in names if name.suffix in SPEC_SUFFIXES))


def spec(name: str) -> tuple[str, bytes] | None:
    """Return the file name and the bytes of the bundled description `name`, or None."""
    # A source such as "../x" or "a/b.yaml" is a path: it must not reach into the bundled folder.
    if not name.isidentifier():
        return None
    for suffix in SPEC_SUFFIXES:
        file = root() / "specs" / f"{name}{suffix}"
        if file.is_file():
            return file.name, file.read_bytes()
    return None


def is_bundled(source: str) -> bool:
    """Return whether a source is the name of a bundled description. A file of that name comes first."""
    return spec(source) is not None and not Path(source).is_file()
