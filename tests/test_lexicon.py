"""The word lists are TOML: their reader gives what tomllib does."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

from nlapi.english import lexicon
from tests.tables import table

ROOT = Path(str(files("nlapi")))
FILES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.toml"))


@table("file", FILES)
def test_word_lists_are_read_as_toml(file: str) -> None:
    for name, value in tomllib.loads((ROOT / f"{file}.toml").read_text(encoding="utf-8")).items():
        assert (lexicon.table if isinstance(value, dict) else lexicon.text)(file, name) == value
