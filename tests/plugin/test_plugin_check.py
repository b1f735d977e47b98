"""`nlapi plugin build` and `check`: a folder is made, kept from harm, and what has drifted in it is told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from nlapi.plugin.file_checks import broken_rules
from tests.cli.conftest import home as home
from tests.cli.kit import Ran, run
from tests.plugin.kit import LIBRARY, plugin_of
from tests.tables import table


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "library.json"
    file.write_text(json.dumps(LIBRARY))
    return file


@pytest.fixture
def plugin(source: Path, tmp_path: Path) -> Path:
    made = run("plugin", "build", str(source), "-o", str(tmp_path / "made"))
    assert made.code == 0, made.err
    return tmp_path / "made"


def told(folder: Path, *words: str) -> list[tuple[str, str]]:
    """The issues of a check, as (where, message); its exit code has to fit them."""
    ran: Ran = run("plugin", "check", str(folder), *words, "-o", "json")
    assert ran.code == (1 if any(one["level"] == "error" for one in ran.json) else 0), ran.err
    return [(one["where"], one["message"]) for one in ran.json]


def test_a_new_plugin_has_not_drifted(plugin: Path) -> None:
    assert told(plugin) == []
    assert (
        "city-library: 6 operations"
        in run("plugin", "build", str(plugin.parent / "library.json"), "-o", str(plugin)).err
    )
    assert told(plugin) == []


def test_a_plugin_and_its_description_may_move_together(plugin: Path, source: Path, tmp_path: Path) -> None:
    manifest = (plugin / "nlapi-plugin.json").read_text()
    assert str(tmp_path) not in manifest
    (tmp_path / "elsewhere").mkdir()
    source.rename(tmp_path / "elsewhere" / source.name)
    assert [where for where, _ in told(plugin)] == ["../library.json"]
    assert told(plugin, "--source", str(tmp_path / "elsewhere" / source.name)) == []
    assert told(plugin.rename(tmp_path / "elsewhere" / "made")) == []


def test_a_change_of_the_description_is_told_by_its_operations(plugin: Path, source: Path) -> None:
    changed = copy.deepcopy(LIBRARY)
    del changed["paths"]["/loans"]["get"]
    changed["paths"]["/books"]["get"]["summary"] = "List all books"
    changed["paths"]["/readers"] = {"get": {"operationId": "listReaders", "responses": {}}}
    source.write_text(json.dumps(changed))
    (where, message), *others = told(plugin)
    assert where == "api/openapi.json"
    assert ("listLoans", "is gone") in others
    assert (
        "skills/city-library-loans/SKILL.md",
        "speaks of `listLoans`, which the description no longer has",
    ) in others
    assert message == "the description has changed at its source"
    assert ("listReaders", "is new: GET /readers") in others
    assert run("plugin", "build", str(source), "-o", str(plugin)).code == 0
    assert told(plugin) == []


@pytest.mark.parametrize(
    "path", ["README.md", "skills/city-library/SKILL.md", "bin/nlapi-city-library", ".claude-plugin/hooks.json"]
)
def test_an_edited_or_missing_file_is_named(plugin: Path, path: str) -> None:
    file = plugin / path
    file.write_bytes(file.read_bytes() + b" ")
    assert (path, "was changed since it was built") in told(plugin)
    file.unlink()
    assert (path, "is missing since it was built") in told(plugin)


def test_an_edited_description_or_manifest_is_named(plugin: Path) -> None:
    file = plugin / "api" / "openapi.json"
    file.write_text(file.read_text().replace("List books", "List novels"))
    assert ("api/openapi.json", "was changed since it was built") in told(plugin)
    file.write_text("{")
    assert told(plugin)[0][0] == "api/openapi.json"
    manifest = plugin / "nlapi-plugin.json"
    manifest.write_text(manifest.read_text().replace('"City Library API"', '"Other"'))
    assert run("plugin", "check", str(plugin)).code == 1
    manifest.write_text('{"format": 99}')
    assert "build it again" in run("plugin", "check", str(plugin)).complaint


def test_a_plugin_of_another_nlapi_is_to_be_built_again(plugin: Path) -> None:
    manifest = plugin / "nlapi-plugin.json"
    manifest.write_text(manifest.read_text().replace('"nlapi": "', '"nlapi": "9.'))
    assert any("was built by nlapi 9." in message for _, message in told(plugin))


def test_a_file_that_the_build_did_not_make_is_named_and_no_fault(plugin: Path) -> None:
    (plugin / "setup.py").write_text("import os")
    (plugin / "commands").mkdir()
    (plugin / "commands" / "deploy.md").write_text("Deploy it.")
    (plugin / "bin" / "__pycache__").mkdir()
    (plugin / "bin" / "__pycache__" / "x.pyc").write_bytes(b"code")
    (plugin / "away").symlink_to("/")
    other = "the build did not make it"
    assert told(plugin) == [
        ("away", "it is a link, and the build made none"),
        ("bin/__pycache__/", other),
        ("commands/deploy.md", other),
        ("setup.py", other),
    ]
    last = run("plugin", "check", str(plugin)).err
    assert "4 besides: away, bin/__pycache__/, commands/deploy.md" in last
    assert "as it was built" not in last
    assert run("plugin", "build", str(plugin.parent / "library.json"), "-o", str(plugin)).code == 0
    assert (plugin / "setup.py").read_text() == "import os"


@table(
    ("path", "content", "message"),
    [
        ("skills/x/SKILL.md", f"---\nname: x\ndescription: Does it.\n---\n{'a' + chr(10)}" + "\n" * 200, "200 lines"),
        ("skills/x/SKILL.md", "---\nname: x\ndescription: Does it.\n---\n!`ls`", "the client acts on"),
        ("skills/x/SKILL.md", "---\nname: x\ndescription: Does it.\n---\n[a](b.md)", "link to b.md is dead"),
        ("skills/x/references/a.md", "[a](../SKILL.md)", "link to ../SKILL.md is dead"),
    ],
)
def test_what_a_client_would_refuse_or_miss_is_told(path: str, content: str, message: str) -> None:
    issues = broken_rules({**plugin_of(LIBRARY).files, path: content.encode()})
    assert [str(issue) for issue in issues if issue.where == path and message in str(issue)]


def test_a_link_to_a_second_level_is_told() -> None:
    skill = b"---\nname: x\ndescription: Does it.\n---\n[a](a/b/c.md)"
    issues = broken_rules({**plugin_of(LIBRARY).files, "skills/x/SKILL.md": skill, "skills/x/a/b/c.md": b""})
    assert ["second level" in issue.message for issue in issues] == [True]


# ---- building into a folder -------------------------------------------------------------------------------------


def test_a_folder_of_somebody_else_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    assert "no plugin that nlapi built" in run("plugin", "build", str(source), "-o", str(tmp_path / "mine")).complaint
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["README.md"]
    assert run("plugin", "build", str(source), "-o", str(tmp_path / "mine"), "--force").code == 0
    assert told(tmp_path / "mine") == []
    assert "is a file" in run("plugin", "build", str(source), "-o", str(source)).complaint


def test_an_edited_file_is_not_written_over(plugin: Path, source: Path) -> None:
    readme = plugin / "README.md"
    readme.write_text("mine")
    assert "README.md" in run("plugin", "build", str(source), "-o", str(plugin)).complaint
    assert readme.read_text() == "mine"
    assert run("plugin", "build", str(source), "-o", str(plugin), "--force").code == 0
    assert readme.read_text() != "mine"


def test_a_file_of_somebodys_where_a_new_one_would_be_is_not_written_over(plugin: Path, source: Path) -> None:
    mine = plugin / "skills" / "city-library-readers" / "SKILL.md"
    mine.parent.mkdir()
    mine.write_text("mine")
    tree = json.loads(source.read_text())
    tree["paths"]["/readers"] = {"get": {"operationId": "listReaders", "tags": ["readers"], "responses": {}}}
    source.write_text(json.dumps(tree))
    assert str(mine.relative_to(plugin)) in run("plugin", "build", str(source), "-o", str(plugin)).complaint
    assert mine.read_text() == "mine"


def test_files_of_an_earlier_build_that_are_no_more_are_removed(plugin: Path, source: Path) -> None:
    ran = run("plugin", "build", str(source), "-o", str(plugin), "--include", "tag:books")
    assert "old files removed" in ran.err
    assert not (plugin / "skills" / "city-library-loans").exists()
    assert told(plugin) == []


def test_a_build_that_was_killed_is_built_again(plugin: Path, source: Path, tmp_path: Path) -> None:
    (plugin / "nlapi-plugin.json").unlink()
    (plugin / ".nlapi-plugin-build" / "skills").mkdir(parents=True)
    assert run("plugin", "build", str(source), "-o", str(plugin)).code == 0
    assert told(plugin) == []
    assert not (plugin / ".nlapi-plugin-build").exists()


def test_a_manifest_or_a_link_does_not_lead_out_of_the_folder(plugin: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    manifest = json.loads((plugin / "nlapi-plugin.json").read_text())
    manifest["files"]["../precious"] = "0"
    (plugin / "nlapi-plugin.json").write_text(json.dumps(manifest))
    assert "leads out of the folder" in run("plugin", "build", str(source), "-o", str(plugin)).complaint
    assert run("plugin", "build", str(source), "-o", str(plugin), "--force").code == 0
    (tmp_path / "outside").mkdir()
    (tmp_path / "linked").mkdir()
    for link in ("api", ".nlapi-plugin-build"):
        (tmp_path / "linked" / link).symlink_to(tmp_path / "outside")
        assert "leads out" in run("plugin", "build", str(source), "-o", str(tmp_path / "linked"), "--force").complaint
        assert list((tmp_path / "outside").iterdir()) == []
        (tmp_path / "linked" / link).unlink()
    assert (tmp_path / "precious").exists()


def test_a_registered_api_becomes_a_plugin_of_its_name_with_its_settings(source: Path, tmp_path: Path) -> None:
    added: Any = run(
        "api", "add", "shelf", str(source), "--auth", "staff=env:SHELF_KEY", "--base-url", "http://127.0.0.1:9"
    )
    assert added.code == 0
    assert run("plugin", "build", "shelf", "-o", str(tmp_path / "shelf")).code == 0
    command = (tmp_path / "shelf" / "bin" / "nlapi-shelf").read_text()
    assert "staff=env:SHELF_KEY" in command
    assert "url=http://127.0.0.1:9" in command
    assert told(tmp_path / "shelf") == []


def test_an_overlay_and_a_filter_are_kept_and_what_is_wrong_with_them_is_told(source: Path, tmp_path: Path) -> None:
    removal = {"target": "$.paths['/loans'].post", "remove": True}
    actions = [removal, {"target": "$.paths['/nowhere']", "remove": True}]
    overlay = tmp_path / "better.json"
    overlay.write_text(json.dumps({"overlay": "1.1.0", "info": {"title": "", "version": "1"}, "actions": actions}))
    words = ("--overlay", str(overlay), "--exclude", "method:DELETE", "--exclude", "tag:nothing")
    built = run("plugin", "build", str(source), "-o", str(tmp_path / "made"), *words)
    assert "4 operations" in built.err
    assert "matches nothing" in built.err
    assert "'tag:nothing' is about no operation" in built.err
    assert told(tmp_path / "made") == []
    overlay.write_text(overlay.read_text().replace("post", "get"))
    assert ("lendBook", "is new: POST /loans") in told(tmp_path / "made")


def test_a_credential_itself_and_standard_input_are_refused(source: Path, tmp_path: Path) -> None:
    words = ("plugin", "build", str(source), "-o", str(tmp_path / "x"))
    refused = run(*words, "--auth", "staff=s3cr3t-value")
    assert (refused.code, "s3cr3t" in refused.err) == (2, False)
    assert run("plugin", "build", "-", "-o", str(tmp_path / "x"), stdin="{}").code == 2
    assert not (tmp_path / "x").exists()


def test_a_bundled_name_is_found_although_a_folder_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run("plugin", "build", "ads", "-o", "ads").code == 0
    assert told(Path("ads")) == []
