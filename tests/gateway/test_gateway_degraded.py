"""The gateway starts with what loads: what does not is reported, is answered clearly, and can be mended."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.kit import STAGES, Talk, document, gateway, gateway_again, write_models
from tests.tables import table

SERVE = "/v1/objectives/continue-watching/serve"
VERSIONS = "/v1/models/ranker/versions"
INPUT = {"input": {}, "context": {"user": "u1"}}


def artifact(folder: Path, talk: Talk, version: str) -> Path:
    digest = talk.ok("GET", f"{VERSIONS}/{version}")["digest"]
    return folder / "gateway.db-artifacts" / str(digest).removeprefix("sha256:")


def spoil(stored: Path) -> None:
    (stored / "stages.py").chmod(0o600)
    (stored / "stages.py").write_text(STAGES.format(name="evil"), encoding="utf-8")


def remove(stored: Path) -> None:
    shutil.rmtree(stored)


@pytest.mark.parametrize("harm", [spoil, remove])
def test_a_lost_version_takes_down_nothing_but_its_objective(
    tmp_path: Path, harm: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with gateway(tmp_path) as talk:
        stored = artifact(tmp_path, talk, "v7")
    harm(stored)
    shutil.rmtree(tmp_path / "models" / "ranker-v7")
    with caplog.at_level(logging.WARNING), gateway_again(tmp_path) as talk:
        assert "ranker@v7 is not loaded: its artifact" in caplog.text
        assert talk.ok("GET", "/health") == {"status": "degraded", "revision": 1, "versions_not_loaded": 1}
        assert talk.ok("GET", "/ready")["status"] == "degraded"
        assert "\nnlapi_versions_not_loaded 1\n" in talk("GET", "/metrics").content.decode()
        version = talk.ok("GET", f"{VERSIONS}/v7")
        assert version["loaded"] is False
        assert version["problem"].startswith("its artifact ")
        (issue,) = talk.ok("GET", "/v1/issues")["issues"]
        assert (issue["level"], issue["where"], issue["rule"]) == ("error", "versions.ranker@v7", "not-loaded")
        problem = talk.as_("web").refused(503, "POST", SERVE, INPUT)
        assert problem["type"].endswith("version_unavailable")
        assert "ranker@v7 is not available" in problem["detail"]
        assert talk.as_("web").ok("POST", "/v1/objectives/recommend/serve", INPUT)["output"]["version"] == "v1"


def test_a_damaged_artifact_is_stored_again_from_an_unchanged_folder(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        stored = artifact(tmp_path, talk, "v7")
    spoil(stored)
    with gateway_again(tmp_path) as talk:
        assert talk.ok("GET", "/health")["status"] == "ok"
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"


def test_the_fallback_of_the_configuration_answers(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        talk.ok("PATCH", "/v1/objectives/continue-watching", {"fallback_model": "ranker", "fallback_version": "v8"})
        stored = artifact(tmp_path, talk, "v7")
    remove(stored)
    shutil.rmtree(tmp_path / "models" / "ranker-v7")
    with gateway_again(tmp_path) as talk:
        answer = talk.as_("web").ok("POST", SERVE, INPUT)
        assert (answer["fallback"], answer["output"]["version"]) == (True, "v8")


def test_what_is_lost_is_mended_through_the_api(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        stored = artifact(tmp_path, talk, "v7")
    remove(stored)
    shutil.move(tmp_path / "models" / "ranker-v7", tmp_path / "backup")
    with gateway_again(tmp_path) as talk:
        reload = f"{VERSIONS}/v7/reload"
        assert "has no model.toml" in talk.refused(422, "POST", reload)["detail"]
        shutil.copytree(tmp_path / "backup", tmp_path / "models" / "ranker-v7")
        (tmp_path / "models" / "ranker-v7" / "stages.py").write_text("other", encoding="utf-8")
        assert talk.refused(409, "POST", reload)["type"].endswith("version_changed")
        shutil.rmtree(tmp_path / "models" / "ranker-v7")
        shutil.copytree(tmp_path / "backup", tmp_path / "models" / "ranker-v7")
        assert talk.ok("POST", reload)["loaded"] is True
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"
        assert talk.ok("GET", "/health") == {"status": "ok", "revision": 1}
        assert talk.ok("POST", reload)["loaded"] is True
        talk.refused(404, "POST", f"{VERSIONS}/v99/reload")


def test_changes_go_on_and_nothing_new_may_lead_to_what_is_lost(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        stored = artifact(tmp_path, talk, "v8")
    remove(stored)
    shutil.rmtree(tmp_path / "models" / "ranker-v8")
    with gateway_again(tmp_path) as talk:
        talk.ok("PATCH", "/v1/objectives/recommend", {"owner": "growth"})
        talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "ranker", "version": "v9"})
        v8 = {"model": "ranker", "version": "v8"}
        assert talk.refused(422, "PATCH", "/v1/objectives/continue-watching", v8)["type"].endswith("not_loaded")
        talk.ok("POST", "/v1/revisions/1/rollback")
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"
        talk.ok("DELETE", f"{VERSIONS}/v8")
        assert talk.ok("GET", "/health")["status"] == "ok"
        talk.ok("POST", "/v1/revisions/1/rollback")  # v8 comes back, and nothing routes to it
        assert talk.ok("GET", "/health")["versions_not_loaded"] == 1


ENDS = """
import os
from pathlib import Path

if Path({flag!r}).exists():
    {deed}

def predict(value):
    return {{"version": "v7"}}
"""


@table(
    ("deed", "reason"),
    [
        ("os._exit(3)", "it ended its process while it was loaded (exit code 3)"),
        ("os.kill(os.getpid(), 9)", "it ended its process while it was loaded (exit code -9)"),
        ("raise SystemExit", "stages.py cannot be imported: SystemExit"),
        ("raise KeyError('a flag')", "stages.py cannot be imported: KeyError"),
        ("import nothing_of_this_name", "imports nothing_of_this_name, which is not installed"),
    ],
)
@table("manifest", ["", '[run]\nmode = "process"\n'], ids=["inline", "process"])
def test_code_that_fails_or_ends_its_process_at_import(tmp_path: Path, deed: str, reason: str, manifest: str) -> None:
    write_models(tmp_path / "models")
    place, flag = tmp_path / "models" / "ranker-v7", tmp_path / "flag"
    (place / "model.toml").write_text(manifest, encoding="utf-8")
    (place / "stages.py").write_text(ENDS.format(flag=str(flag), deed=deed), encoding="utf-8")
    with gateway(tmp_path) as talk:
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"] == {"version": "v7"}
        flag.touch()
        new = tmp_path / "models" / "new"
        shutil.copytree(place, new)
        (new / "more").touch()
        assert reason in talk.refused(422, "POST", VERSIONS, {"version": "v12", "source": "new"})["detail"]
    with gateway_again(tmp_path) as talk:
        assert reason in talk.ok("GET", "/v1/issues")["issues"][0]["message"]
        talk.as_("web").refused(503, "POST", SERVE, INPUT)
        assert talk.as_("web").ok("POST", "/v1/objectives/recommend/serve", INPUT)["output"]["version"] == "v1"
        flag.unlink()
        talk.ok("POST", f"{VERSIONS}/v7/reload")
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"] == {"version": "v7"}


ENDS_WHEN_ASKED = """
import os

def predict(value):
    if value.get("end"):
        os._exit(1)
    return {"version": "v7"}
"""


def test_a_worker_that_is_started_later_loads_no_damaged_code(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    place = tmp_path / "models" / "ranker-v7"
    (place / "model.toml").write_text('[run]\nmode = "process"\n', encoding="utf-8")
    (place / "stages.py").write_text(ENDS_WHEN_ASKED, encoding="utf-8")
    with gateway(tmp_path) as talk:
        web = talk.as_("web")
        assert web.ok("POST", SERVE, INPUT)["output"]["version"] == "v7"
        spoil(artifact(tmp_path, talk, "v7"))
        assert web("POST", SERVE, {**INPUT, "input": {"end": True}}).status >= 500
        for _ in range(3):
            assert web("POST", SERVE, INPUT).status >= 500
        assert web.ok("POST", "/v1/objectives/recommend/serve", INPUT)["output"]["version"] == "v1"


OLD_SCHEMA = """
CREATE TABLE revisions (
  number INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
  summary TEXT NOT NULL, objectives TEXT NOT NULL, restores INTEGER NOT NULL, document TEXT NOT NULL);
CREATE TABLE tokens (
  name TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, audience TEXT NOT NULL, role TEXT NOT NULL,
  client TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT);
CREATE TABLE audit (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
  outcome TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY, request_id TEXT NOT NULL, at TEXT NOT NULL, objective TEXT NOT NULL, model TEXT NOT NULL,
  version TEXT NOT NULL, user TEXT, client TEXT, experiment TEXT, canary TEXT, failed INTEGER NOT NULL,
  body TEXT NOT NULL);
CREATE INDEX decisions_by_request ON decisions (request_id);
CREATE INDEX decisions_by_time ON decisions (at);
CREATE INDEX audit_by_time ON audit (at);
PRAGMA user_version=1;
"""


def old_database(folder: Path) -> None:
    """A database of the first schema with two revisions, of which the first has a version more, "old"."""
    first, second = document(), document()
    first["versions"].append({"model": "ranker", "version": "old", "source": "ranker-old"})
    database = sqlite3.connect(folder / "gateway.db")
    database.executescript(OLD_SCHEMA)
    for number, content in enumerate((first, second), 1):
        row = (number, "2026-01-01T00:00:00Z", "ana", "", "", "[]", 0, json.dumps(content))
        database.execute("INSERT INTO revisions VALUES (?,?,?,?,?,?,?,?)", row)
    database.commit()
    database.close()
    write_models(folder / "models")
    shutil.copytree(folder / "models" / "ranker-v9", folder / "models" / "ranker-old")


def test_the_folders_of_an_older_database_are_copied_at_start(tmp_path: Path) -> None:
    old_database(tmp_path)
    with gateway_again(tmp_path) as talk:
        digest = talk.ok("GET", f"{VERSIONS}/v7")["digest"]
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"
        assert talk.ok("GET", "/ready")["revision"] == 2
    shutil.rmtree(tmp_path / "models")
    (tmp_path / "models").mkdir()
    with gateway_again(tmp_path) as talk:
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"
        rows = talk.ok("GET", "/v1/revisions/1")["configuration"]["versions"]
        assert digest in [row["digest"] for row in rows]
        assert len(rows) == len([row for row in rows if "digest" in row])
        talk.ok("POST", "/v1/revisions/1/rollback")
        assert talk.ok("GET", f"{VERSIONS}/old")["loaded"] is True
        talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "ranker", "version": "old"})
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v9"


def test_an_older_database_with_a_missing_folder_is_served_without_it(tmp_path: Path) -> None:
    old_database(tmp_path)
    shutil.move(tmp_path / "models" / "ranker-v8", tmp_path / "backup")
    with gateway_again(tmp_path) as talk:
        assert talk.ok("GET", "/health")["versions_not_loaded"] == 1
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"
        assert "digest" not in talk.ok("GET", f"{VERSIONS}/v8")
        shutil.move(tmp_path / "backup", tmp_path / "models" / "ranker-v8")
        assert talk.ok("POST", f"{VERSIONS}/v8/reload")["digest"].startswith("sha256:")
    with gateway_again(tmp_path) as talk:
        assert talk.ok("GET", "/health")["status"] == "ok"
        assert talk.ok("GET", f"{VERSIONS}/v8")["loaded"] is True


def test_an_older_folder_that_cannot_be_copied_serves_as_before_and_is_an_issue(tmp_path: Path) -> None:
    old_database(tmp_path)
    (tmp_path / "models" / "ranker-v7" / "loop").symlink_to(".")
    with gateway_again(tmp_path) as talk:
        assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"
        (issue,) = talk.ok("GET", "/v1/issues")["issues"]
        assert (issue["where"], issue["rule"]) == ("versions.ranker@v7.source", "not-copied")
        assert "loop is a link" in issue["message"]


def test_a_folder_with_a_link_is_not_registered(talk: Talk, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "models" / "ranker-v9", tmp_path / "models" / "new")
    (tmp_path / "models" / "new" / "loop").symlink_to("..")
    problem = talk.refused(422, "POST", VERSIONS, {"version": "v12", "source": "new"})
    assert "loop is a link" in problem["detail"]


def test_an_older_version_that_reads_files_outside_of_its_copy_stays_on_its_folder(tmp_path: Path) -> None:
    old_database(tmp_path)
    (tmp_path / "models" / "common.txt").write_text("v7", encoding="utf-8")
    stages = tmp_path / "models" / "ranker-v7" / "stages.py"
    code = "from pathlib import Path\n\nNAME = (Path(__file__).parents[1] / 'common.txt').read_text()\n"
    stages.write_text(code + stages.read_text(encoding="utf-8"), encoding="utf-8")
    for _ in range(2):
        with gateway_again(tmp_path) as talk:
            assert talk.ok("GET", "/health")["status"] == "ok"
            assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"
            (issue,) = talk.ok("GET", "/v1/issues")["issues"]
            assert (issue["where"], issue["rule"]) == ("versions.ranker@v7.source", "not-copied")
            # It goes on although it is changed, and the reload of a copy that cannot be loaded changes nothing.
            description = f"revision {talk.ok('GET', '/ready')['revision']}"
            assert "digest" not in talk.ok("PATCH", f"{VERSIONS}/v7", {"description": description})
            assert "its copy cannot be loaded" in talk.refused(422, "POST", f"{VERSIONS}/v7/reload")["detail"]
            assert talk.as_("web").ok("POST", SERVE, INPUT)["output"]["version"] == "v7"


def test_the_versions_of_remote_shards_in_an_older_database_are_not_copied(tmp_path: Path) -> None:
    old_database(tmp_path)
    with sqlite3.connect(tmp_path / "gateway.db") as database:
        content = document()
        content["shards"].append({"name": "gpu", "protocol": "json", "endpoints": ["http://127.0.0.1:9"]})
        content["versions"].append({"model": "ranker", "version": "far", "source": "ranker-old", "shard": "gpu"})
        row = (3, "2026-01-01T00:00:00Z", "ana", "", "", "[]", 0, json.dumps(content))
        database.execute("INSERT INTO revisions VALUES (?,?,?,?,?,?,?,?)", row)
    database.close()
    with gateway_again(tmp_path) as talk:
        assert talk.app is not None
        rows = talk.app.store.version_digests()
        assert {row.version for row in rows if row.model == "ranker"} == {"v7", "v8", "v9", "old"}
        assert "digest" not in talk.ok("GET", f"{VERSIONS}/far")
