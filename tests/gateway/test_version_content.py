"""A version is what it was when it was registered: its digest names it, and any revision is served again."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.kit import STAGES, Talk, document, gateway, gateway_again

SERVE = "/v1/objectives/continue-watching/serve"
V7 = "/v1/models/ranker/versions/v7"
VERSIONS = "/v1/models/ranker/versions"


def rewrite(folder: Path, name: str, answer: str) -> None:
    (folder / "models" / name / "stages.py").write_text(STAGES.format(name=answer), encoding="utf-8")


def served(talk: Talk) -> str:
    answer = talk.as_("web").ok("POST", SERVE, {"input": {}, "context": {"user": "u1"}})
    return str(answer["output"]["version"])


def test_the_digest_is_in_the_version_its_revision_its_decisions_and_its_traffic(talk: Talk) -> None:
    digest = talk.ok("GET", V7)["digest"]
    assert digest.startswith("sha256:")
    assert digest != talk.ok("GET", f"{VERSIONS}/v8")["digest"]
    versions = talk.ok("GET", "/v1/revisions/1")["configuration"]["versions"]
    assert [row["digest"] for row in versions if (row["model"], row["version"]) == ("ranker", "v7")] == [digest]
    served(talk)
    assert talk.ok("GET", "/v1/decisions")["data"][0]["digest"] == digest
    assert talk.ok("GET", "/v1/traffic")["data"][0]["digest"] == digest


def test_equal_folders_have_equal_digests(talk: Talk, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "models" / "ranker-v8", tmp_path / "models" / "copy")
    made = talk.ok("POST", VERSIONS, {"version": "v8b", "source": "copy"})
    assert made["digest"] == talk.ok("GET", f"{VERSIONS}/v8")["digest"]


def test_a_folder_that_changes_or_goes_changes_no_answer_even_after_a_restart(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        assert served(talk) == "v7"
        rewrite(tmp_path, "ranker-v7", "edited")
        assert served(talk) == "v7"
    with gateway_again(tmp_path) as talk:
        assert served(talk) == "v7"
    shutil.rmtree(tmp_path / "models")
    (tmp_path / "models").mkdir()
    with gateway_again(tmp_path) as talk:
        assert served(talk) == "v7"
        assert talk.ok("GET", "/health") == {"status": "ok", "revision": 1}


def test_any_revision_is_served_again_although_its_folder_has_changed(talk: Talk, tmp_path: Path) -> None:
    talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "ranker", "version": "v8"})
    talk.ok("DELETE", V7)
    assert served(talk) == "v8"
    shutil.rmtree(tmp_path / "models")
    talk.ok("POST", "/v1/revisions/1/rollback")
    assert served(talk) == "v7"
    talk.ok("POST", "/v1/revisions/3/rollback")
    assert served(talk) == "v8"


def test_a_changed_folder_is_an_issue(talk: Talk, tmp_path: Path) -> None:
    assert talk.ok("GET", "/v1/issues") == {"issues": []}
    rewrite(tmp_path, "ranker-v7", "edited")
    (issue,) = talk.ok("GET", "/v1/issues")["issues"]
    assert (issue["level"], issue["where"], issue["rule"]) == ("warning", "versions.ranker@v7.source", "source-changed")
    assert "new version" in issue["hint"]
    rewrite(tmp_path, "ranker-v7", "v7")
    assert talk.ok("GET", "/v1/issues") == {"issues": []}


def test_one_name_never_gets_other_content(talk: Talk, tmp_path: Path) -> None:
    talk.ok("POST", VERSIONS, {"version": "v10", "source": "ranker-v9"})
    talk.ok("DELETE", f"{VERSIONS}/v10")
    rewrite(tmp_path, "ranker-v9", "edited")
    problem = talk.refused(409, "POST", VERSIONS, {"version": "v10", "source": "ranker-v9"})
    assert problem["type"].endswith("version_changed")
    assert problem["detail"].startswith("ranker@v10 is registered with the content ")
    assert "a new version name" in problem["hint"]
    talk.refused(409, "PATCH", V7, {"source": "ranker-v8"})
    assert talk.ok("POST", VERSIONS, {"version": "v11", "source": "ranker-v9"})["version"] == "v11"
    rewrite(tmp_path, "ranker-v9", "v9")
    assert talk.ok("POST", VERSIONS, {"version": "v10", "source": "ranker-v9"})["version"] == "v10"


def test_a_failed_registration_binds_no_name(talk: Talk, tmp_path: Path) -> None:
    rewrite(tmp_path, "ranker-v9", "v9")
    broken = tmp_path / "models" / "new"
    shutil.copytree(tmp_path / "models" / "ranker-v9", broken)
    (broken / "stages.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    assert "nothing_of_this_name" in talk.refused(422, "POST", VERSIONS, {"version": "v12", "source": "new"})["detail"]
    (broken / "stages.py").write_text(STAGES.format(name="v12"), encoding="utf-8")
    talk.ok("POST", VERSIONS, {"version": "v12", "source": "new"})


def test_a_version_may_move_with_its_content(talk: Talk, tmp_path: Path) -> None:
    digest = talk.ok("GET", V7)["digest"]
    (tmp_path / "models" / "ranker-v7").rename(tmp_path / "models" / "moved")
    assert talk.ok("PATCH", V7, {"source": "moved"})["digest"] == digest
    assert talk.ok("PATCH", V7, {"description": "It moved."})["digest"] == digest


def test_a_document_may_name_versions_by_their_sources_or_by_their_digests(talk: Talk, tmp_path: Path) -> None:
    digest = talk.ok("GET", V7)["digest"]
    exported = talk.ok("GET", "/v1/configuration")
    for row in (row for row in exported["versions"] if row["version"] == "v7"):
        assert row["digest"] == digest
    shutil.rmtree(tmp_path / "models" / "ranker-v7")
    talk.ok("PUT", "/v1/configuration", {**document(), "layers": [{"name": "ranking"}]})
    assert talk.ok("GET", V7)["digest"] == digest
    exported.pop("revision")
    talk.ok("PUT", "/v1/configuration", exported)
    assert served(talk) == "v7"


@pytest.mark.parametrize("name", ["v7", "v20"])
def test_a_document_with_a_digest_gets_that_content_or_nothing(talk: Talk, name: str) -> None:
    exported: dict[str, Any] = document()
    wrong = {"model": "ranker", "version": name, "source": "ranker-v7", "digest": f"sha256:{'a' * 64}"}
    exported["versions"] = [row for row in exported["versions"] if row["version"] != name] + [wrong]
    assert talk.refused(409, "PUT", "/v1/configuration", exported)["type"].endswith("version_changed")


def test_a_document_whose_folder_changed_is_refused(talk: Talk, tmp_path: Path) -> None:
    rewrite(tmp_path, "ranker-v7", "edited")
    changed = {**document(), "layers": [{"name": "ranking"}]}
    assert "ranker@v7" in talk.refused(409, "PUT", "/v1/configuration", changed)["detail"]
    (issue,) = talk.ok("POST", "/v1/configuration/check", changed)["issues"]
    assert (issue["level"], issue["where"]) == ("error", "versions.ranker@v7.source")
    assert talk.ok("POST", "/v1/configuration/check", talk.ok("GET", "/v1/configuration"))["issues"] == []


def test_what_no_revision_uses_is_deleted(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        broken = tmp_path / "models" / "new"
        broken.mkdir()
        (broken / "model.toml").write_text("", encoding="utf-8")
        (broken / "stages.py").write_text("1 / 0\n", encoding="utf-8")
        before = set((tmp_path / "gateway.db-artifacts").iterdir())
        talk.refused(422, "POST", VERSIONS, {"version": "v12", "source": "new"})
        assert set((tmp_path / "gateway.db-artifacts").iterdir()) == before
    (tmp_path / "gateway.db-artifacts" / "incoming-of-a-kill").mkdir()
    (tmp_path / "gateway.db-artifacts" / ("a" * 64)).mkdir()
    with gateway(tmp_path):
        assert set((tmp_path / "gateway.db-artifacts").iterdir()) == before


def prune_all_but_the_last(talk: Talk) -> None:
    assert talk.app is not None
    talk.app.store.prune(newest=1, before="9999", protected=(), limit=100)


def test_pruning_frees_names_and_content(talk: Talk, tmp_path: Path) -> None:
    assert talk.app is not None
    library = talk.app.library
    rewrite(tmp_path, "ranker-v9", "edited")
    made = talk.ok("POST", VERSIONS, {"version": "v10", "source": "ranker-v9"})
    used = library.used_digests()
    prune_all_but_the_last(talk)
    assert library.artifacts.digests() == used
    talk.ok("DELETE", f"{VERSIONS}/v10")
    prune_all_but_the_last(talk)
    assert library.artifacts.digests() == used - {made["digest"]}
    assert library.used_digests() == used - {made["digest"]}


def test_pruning_frees_a_name_whose_content_another_version_has(talk: Talk, tmp_path: Path) -> None:
    assert talk.app is not None
    made = talk.ok("POST", VERSIONS, {"version": "v10", "source": "ranker-v9"})
    assert made["digest"] == talk.ok("GET", f"{VERSIONS}/v9")["digest"]
    talk.ok("DELETE", f"{VERSIONS}/v10")
    prune_all_but_the_last(talk)
    assert made["digest"] in talk.app.library.artifacts.digests()
    assert talk.ok("POST", VERSIONS, {"version": "v10", "source": "ranker-v8"})["digest"] != made["digest"]


def test_a_plan_stores_nothing(talk: Talk, tmp_path: Path) -> None:
    artifacts = tmp_path / "gateway.db-artifacts"
    before = set(artifacts.iterdir())
    rewrite(tmp_path, "ranker-v9", "edited")
    planned = document()
    planned["versions"].append({"model": "ranker", "version": "v10", "source": "ranker-v9"})
    planned["versions"] = [row for row in planned["versions"] if row["version"] != "v9"]
    plan = talk.as_("viewer").ok("POST", "/v1/configuration/check", planned)
    assert plan["issues"] == []
    assert "ranker@v10" in str(plan["differences"])
    assert set(artifacts.iterdir()) == before


def blocking_version(folder: Path, shared: Path) -> tuple[Path, Path]:
    """A version whose import waits at a pipe in `shared`: at the first in its trial, at the second in the gateway."""
    pipes = shared / "trial-pipe", shared / "load-pipe"
    for pipe in pipes:
        os.mkfifo(pipe)
    (shared / "trial-is-to-come").touch()
    code = f"""
import os
try:
    os.remove({str(shared / "trial-is-to-come")!r})
    pipe = {str(pipes[0])!r}
except FileNotFoundError:
    pipe = {str(pipes[1])!r}
with open(pipe) as file:
    file.read()
"""
    shutil.copytree(folder / "models" / "ranker-v9", folder / "models" / "slow")
    (folder / "models" / "slow" / "stages.py").write_text(code + STAGES.format(name="slow"), encoding="utf-8")
    # In a process of its own a version is loaded once, without a trial.
    (folder / "models" / "slow" / "model.toml").write_text('[run]\nmode = "inline"\n', encoding="utf-8")
    return pipes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_no_change_waits_until_a_new_version_is_loaded(
    talk: Talk, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A version may change nothing in the folder of the gateway's own files.
    trial, load = blocking_version(tmp_path, tmp_path_factory.mktemp("pipes"))
    talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "ranker", "version": "v8"})
    talk.ok("DELETE", V7)
    with ThreadPoolExecutor(1) as pool:
        registration = pool.submit(talk.ok, "POST", VERSIONS, {"version": "v10", "source": "slow"})
        # Opening a pipe returns as soon as the version has opened it too; the version waits until it is closed.
        with trial.open("w"):
            talk.ok("POST", "/v1/revisions/1/rollback")
            assert served(talk) == "v7"
        with load.open("w"):
            talk.ok("POST", "/v1/revisions/3/rollback")
            assert served(talk) == "v8"
        assert registration.result()["version"] == "v10"
    assert talk.ok("GET", "/ready")["revision"] == 6
    talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "ranker", "version": "v10"})
    assert served(talk) == "slow"


def test_a_version_that_was_registered_twice_at_once_is_registered_once(talk: Talk) -> None:
    with ThreadPoolExecutor(4) as pool:
        body = {"version": "v10", "source": "ranker-v9"}
        statuses = sorted(answer.status for answer in pool.map(lambda _: talk("POST", VERSIONS, body), range(4)))
    assert statuses == [201, 409, 409, 409]
    talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "ranker", "version": "v10"})
    assert served(talk) == "v9"
