"""What people put into a plugin's folder: overlays and notes are woven in, and nothing of theirs is written over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.plugin.kit import LIBRARY, plugin_of
from tests.plugin.test_plugin_check import plugin as plugin
from tests.plugin.test_plugin_check import source as source
from tests.plugin.test_plugin_check import told

OVERLAY = """overlay: 1.1.0
info: { title: Better, version: 1 }
actions:
  - { target: "$.paths['/loans'].get", update: { summary: Who has which book } }
"""


def built(plugin: Path, *words: str) -> None:
    ran = run("plugin", "build", str(plugin.parent / "library.json"), "-o", str(plugin), *words)
    assert ran.code == 0, ran.err


def skill(plugin: Path, name: str) -> str:
    return (plugin / "skills" / name / "SKILL.md").read_text()


def put(plugin: Path, path: str, text: str) -> Path:
    (plugin / path).parent.mkdir(parents=True, exist_ok=True)
    (plugin / path).write_text(text)
    return plugin / path


def test_notes_are_woven_into_the_skill_that_they_are_named_after(plugin: Path) -> None:
    note = put(plugin, "notes/loans.md", "A loan is never longer than `until` says.\n")
    put(plugin, "notes/README.md", "The library is closed on Mondays.\n")
    assert ("notes/loans.md", "has changed since the plugin was built") in told(plugin)
    built(plugin)
    assert told(plugin) == []
    assert "## Notes\n\nA loan is never longer than `until` says.\n" in skill(plugin, "city-library-loans")
    assert "closed on Mondays" in skill(plugin, "city-library")
    assert "closed on Mondays" not in skill(plugin, "city-library-loans")
    assert note.read_text() == "A loan is never longer than `until` says.\n"
    note.unlink()
    assert ("notes/loans.md", "is gone, and still in the plugin") in told(plugin)
    built(plugin)
    assert "## Notes" not in skill(plugin, "city-library-loans")
    assert told(plugin) == []


def test_a_long_note_is_a_reference_of_its_skill(plugin: Path) -> None:
    put(plugin, "notes/books.md", "\n".join(f"Line {n}." for n in range(300)))
    built(plugin)
    assert "[notes.md](references/notes.md)" in skill(plugin, "city-library-books")
    assert "Line 299." in (plugin / "skills/city-library-books/references/notes.md").read_text()
    assert told(plugin) == []


def test_an_overlay_in_the_folder_is_heeded(plugin: Path) -> None:
    put(plugin, "overlay.yaml", OVERLAY)
    built(plugin)
    assert "Who has which book" in skill(plugin, "city-library-loans")
    assert (plugin / "overlay.yaml").read_text() == OVERLAY
    assert told(plugin) == []
    put(plugin, "overlay.yaml", OVERLAY.replace("Who has", "Who still has"))
    assert ("overlay.yaml", "has changed since the plugin was built") in told(plugin)


def test_a_licence_of_ones_own_stands(plugin: Path) -> None:
    assert "Written by nlapi" in (plugin / "LICENSE").read_text()
    put(plugin, "LICENSE", "All rights reserved.")
    built(plugin)
    assert (plugin / "LICENSE").read_text() == "All rights reserved."
    assert told(plugin) == []
    (plugin / "LICENSE").unlink()
    built(plugin)
    assert "Written by nlapi" in (plugin / "LICENSE").read_text()


def test_notes_may_be_there_before_the_first_build_and_other_things_may_not(source: Path, tmp_path: Path) -> None:
    put(tmp_path / "made", "notes/README.md", "Closed on Mondays.")
    built(tmp_path / "made")
    assert "Closed on Mondays." in skill(tmp_path / "made", "city-library")
    other = put(tmp_path / "other", "notes/README.md", "x").parent.parent
    put(other, "thesis.txt", "mine")
    refused = run("plugin", "build", str(source), "-o", str(other))
    assert (refused.code, sorted(path.name for path in other.iterdir())) == (2, ["notes", "thesis.txt"])


def test_the_licence_says_what_the_description_says_of_its_own() -> None:
    said = {**LIBRARY, "info": {**LIBRARY["info"], "license": {"name": "CC-BY-4.0", "url": "https://cc.example/by"}}}
    assert b"its licence is: CC-BY-4.0, https://cc.example/by." in plugin_of(said).files["LICENSE"]
    assert b"does not say under which licence" in plugin_of(LIBRARY).files["LICENSE"]


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ("Use `archiveLoan` at night.", "speaks of `archiveLoan`, which the description does not have"),
        ("`nlapi-city-library archiveLoan id=1`", "calls archiveLoan, which is not an operation"),
        ("```\nnlapi-city-library listBooks author=x\n```", "gives listBooks the argument author"),
        ("The `SHORT_STORY` genre.", "speaks of `SHORT_STORY`"),
        (
            "`nlapi-city-library listBooks genre=DRAMA`",
            "gives listBooks genre=DRAMA, which is not one of NOVEL, POETRY",
        ),
        ("`removeBook` is a read.", "says that `removeBook` only reads; it is a destroy"),
        ("Beware: `listBooks` changes something.", "says that `listBooks` changes something; it is a read"),
    ],
)
def test_a_note_that_speaks_of_what_is_not_there_is_told(plugin: Path, note: str, message: str) -> None:
    put(plugin, "notes/loans.md", note)
    built(plugin)
    assert [found for where, found in told(plugin) if where == "notes/loans.md" and message in found]


@pytest.mark.parametrize(
    "note",
    [
        "`listBooks genre=NOVEL`, `genre`, `book_id`, `NOVEL`, `CITY_LIBRARY_TOKEN` and `nlapi-city-library`.",
        "`nlapi-city-library listBooks genre=NOVEL | jq .data` then `nlapi-city-library --about addBook`",
        "`removeBook` is a destroy, `listBooks` is a read. `nlapi-city-library listBooks genre=GENRE` or genre=$genre",
        "An *aside*: `jq`, `--jq EXPR`, and plain words such as camelCase or snake_case.",
    ],
)
def test_a_note_that_speaks_of_what_is_there_is_not(plugin: Path, note: str) -> None:
    put(plugin, "notes/README.md", note)
    built(plugin)
    assert told(plugin) == []


def test_a_note_of_what_the_source_no_longer_has_is_told(plugin: Path, source: Path) -> None:
    put(plugin, "notes/books.md", "Poems are `POETRY`.")
    built(plugin)
    source.write_text(source.read_text().replace(', "POETRY"', ""))
    assert ("notes/books.md", "speaks of `POETRY`, which the description no longer has") in told(plugin)


def test_a_credential_in_a_file_is_told(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITY_LIBRARY_TOKEN", "tok-8f2e1d9c")
    put(plugin, "notes/README.md", "The token is tok-8f2e1d9c.")
    put(plugin, "notes/loans.md", f"Or use sk-ant-{'x' * 24}.")
    built(plugin)
    found = told(plugin)
    assert ("notes/README.md", "holds the credential that is in CITY_LIBRARY_TOKEN") in found
    assert ("skills/city-library/SKILL.md", "holds the credential that is in CITY_LIBRARY_TOKEN") in found
    assert ("notes/loans.md", "has a key of Anthropic's in it") in found
    assert "tok-8f2e1d9c" not in json.dumps(found)
