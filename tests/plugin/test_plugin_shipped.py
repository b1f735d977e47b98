"""The plugins that ship are those that their descriptions make today."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import home as home
from tests.cli.kit import run

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.mark.parametrize("name", ["ads", "gateway"])
def test_a_shipped_plugin_has_not_drifted(name: str) -> None:
    ran = run("plugin", "check", str(PLUGINS / name), "-o", "json")
    assert (ran.code, ran.json) == (0, []), "`make plugins` builds them anew"


def test_what_ships_is_a_plugin_that_was_built_of_a_bundled_description() -> None:
    folders = sorted(path.name for path in PLUGINS.iterdir() if path.is_dir())
    assert folders == ["ads", "gateway"]
    for name in folders:
        made = json.loads((PLUGINS / name / "nlapi-plugin.json").read_text())
        assert made["options"]["source"] == name
        assert (PLUGINS / name / "bin" / f"nlapi-{name}").stat().st_mode & 0o111


def test_the_marketplace_of_the_repository_lists_what_ships_as_it_is() -> None:
    market = json.loads((PLUGINS.parent / ".claude-plugin" / "marketplace.json").read_text())
    assert (market["name"], bool(market["owner"]["name"])) == ("nlapi", True)
    listed = {one["name"]: (one["source"], one["description"]) for one in market["plugins"]}
    made = {
        name: json.loads((PLUGINS / name / ".claude-plugin/plugin.json").read_text()) for name in ("ads", "gateway")
    }
    assert listed == {name: (f"./plugins/{name}", one["description"]) for name, one in made.items()}


@pytest.mark.parametrize("name", ["ads", "gateway"])
def test_every_example_of_a_skill_is_a_request_that_the_description_takes(name: str, tmp_path: Path) -> None:
    file = tmp_path / "any.png"
    file.write_bytes(b"bytes")
    told: set[str] = set()
    for skill in sorted((PLUGINS / name / "skills").glob("*/SKILL.md")):
        text = skill.read_text()
        fenced = re.findall(r"\n```\n(.*?)\n```", text, re.DOTALL)
        blocks = [block for block in fenced if not block.startswith(f"nlapi-{name} run ")]
        recipes = {block.split()[2] for block in fenced if block not in blocks}
        assert all((PLUGINS / name / "workflows" / f"{recipe}.arazzo.json").is_file() for recipe in recipes)
        # An area may have little that a person would ask for in a sentence.
        assert len(blocks) == 3 if skill.parent.name == name else len(blocks) <= 3, skill
        told |= {line.replace(" --yes", " --dry-run") for block in blocks for line in block.splitlines()}
    assert len(told) > 20
    for line in sorted(told):
        program, *words = [word.replace("=@PATH", f"=@{file}") for word in shlex.split(line)]
        assert program == f"nlapi-{name}"
        shown = run(
            "call", name, *words, *(() if "--dry-run" in words else ("--dry-run",)), "--base-url", "http://127.0.0.1:9"
        )
        assert shown.code == 0, f"{line}: {shown.err}"
