"""The recipes of a plugin: made of the description, run by one command, asked about whole, and people's beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.selection import select_operations
from nlapi.plugin.build import Options, build
from nlapi.plugin.folder import write_folder
from nlapi.sandbox import running
from nlapi.workflows.check import check
from nlapi.workflows.read import parse_document as parse_workflows
from nlapi.workflows.sources import link
from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.plugin.client_session import ClientSession
from tests.plugin.kit import LIBRARY, placed, plugin_of, sh, spec_of
from tests.plugin.studio import STUDIO, hook_question
from tests.plugin.test_plugin_check import told
from tests.servers import Echo, Received, Reply

OWN = """arazzo: 1.0.1
info: { title: Ours, version: "1" }
sourceDescriptions: [{ name: studio, url: openapi.yaml, type: openapi }]
workflows:
  - workflowId: premiere
    summary: Publish a cut and say that its film is out
    inputs: { type: object, required: [account_id, cut_id], properties: { account_id: {}, cut_id: {} } }
    steps:
      - stepId: publish
        operationId: OPERATION
        parameters:
          - { name: account_id, in: path, value: $inputs.account_id }
          - { name: cut_id, in: path, value: $inputs.cut_id }
"""
FIND = "find-and-change-film"


def documents(plugin: Any) -> list[dict[str, Any]]:
    return [json.loads(text) for path, text in plugin.files.items() if path.startswith("workflows/")]


def test_recipes_are_what_a_person_asks_for() -> None:
    plugin = plugin_of(STUDIO, name="studio")
    assert [tree["workflows"][0]["summary"] for tree in documents(plugin)] == [
        "Create a cut, check it and publish it",
        "Create a film and then a cut with it",
        "Find a film by its name and change it",
    ]
    skill = plugin.files["skills/studio-films/SKILL.md"]
    assert "1. `listFilms`\n2. `updateFilm`: `film_id` is `id` of step 1" in skill.decode()
    assert f"nlapi-studio run {FIND} name=NAME changes='{{...}}'" in skill.decode()
    assert documents(plugin_of(LIBRARY)) == []


def test_drafts_are_published_where_one_field_says_so_and_never_mixed_with_what_is_live() -> None:
    text = {"type": "string"}
    action = {"type": "object", "properties": {"action": {"type": "string", "enum": ["PUBLISH", "VALIDATE"]}}}
    item = {"type": "object", "properties": {"id": text, "name": text}}

    def creation(id: str, *required: str) -> dict[str, Any]:
        schema = {"type": "object", "required": list(required), "properties": dict.fromkeys(("name", *required), text)}
        answer = {"200": {"description": "", "content": {"application/json": {"schema": item}}}}
        content = {"application/json": {"schema": schema}}
        return {"operationId": id, "requestBody": {"required": True, "content": content}, "responses": answer}

    key = [{"name": "id", "in": "path", "required": True, "schema": text}]
    read = {"responses": {"200": {"description": "", "content": {"application/json": {"schema": item}}}}}
    content = {"application/json": {"schema": action}}
    publish = {"operationId": "publishCampaign", "requestBody": {"required": True, "content": content}, **read}
    tree = {
        "openapi": "3.1.0",
        "info": {"title": "Ads", "version": "1"},
        "servers": [{"url": "https://ads.example"}],
        "paths": {
            "/campaigns": {"post": creation("createCampaign", "name")},
            "/campaigns/{id}": {"parameters": key, "get": {"operationId": "getCampaign", **read}},
            "/ad_sets": {"post": creation("createAdSet", "name", "campaign_id")},
            "/ad_sets/{id}": {"parameters": key, "get": {"operationId": "getAdSet", **read}},
            "/drafts/campaigns": {"post": creation("draftCampaign", "name")},
            "/drafts/campaigns/{id}": {"parameters": key, "get": {"operationId": "getDraft", **read}, "post": publish},
            "/drafts/ad_sets": {"post": creation("draftAdSet", "name", "campaign_id")},
            "/drafts/ad_sets/{id}": {"parameters": key, "get": {"operationId": "getAdSetDraft", **read}},
        },
    }
    chains = [
        [
            (step["operationId"], step.get("requestBody", {}).get("payload", {}).get("action"))
            for step in workflow["steps"]
        ]
        for document in documents(plugin_of(tree, name="drafts"))
        for workflow in document["workflows"]
    ]
    last = [("publishCampaign", "VALIDATE"), ("publishCampaign", "PUBLISH")]
    assert [("draftCampaign", None), ("draftAdSet", None), *last] in chains
    assert not any("createCampaign" in [id for id, _ in chain] for chain in chains)


def test_each_recipe_of_the_bundled_ads_is_clean_and_runs_in_its_sandbox(home: Path, tmp_path: Path) -> None:
    spec = nlapi.load("ads")
    plugin = build(spec, select_operations(spec).operations, Options(name="ads"))
    description = parse_document(read_document(plugin.files["api/openapi.json"], "api/openapi.json"))
    trees = documents(plugin)
    assert len(trees) >= 6
    for tree in trees:
        assert check(link(parse_workflows(tree), loader=lambda _: description)) == ()
    write_folder(tmp_path / "ads", plugin.files)
    with running(spec) as sandbox:
        token = {"bearer": "tok-5b7e"}
        name = nlapi.call(spec, "listCampaigns", {}, base_url=sandbox.url, auth=token).data["data"][0]["name"]
        words = ("--base-url", sandbox.url, "--auth", "bearer=tok-5b7e", "--yes", "-o", "json")
        # An amount may carry its unit in an input too, inside of an object as well.
        changes = 'changes={"status": "PAUSED", "daily_budget_micros": "60 USD"}'
        ran = run("plugin", "run", str(tmp_path / "ads"), "find-and-change-campaign", f"name={name}", changes, *words)
        assert (ran.code, json.loads(ran.out)["state"]) == (0, "done"), ran.err
        draft = run("plugin", "run", str(tmp_path / "ads"), "create-validate-and-publish-draft", "name=Summer", *words)
        assert (draft.code, json.loads(draft.out)["state"]) == (0, "done"), draft.err
        stored = nlapi.call(spec, "listCampaigns", {}, base_url=sandbox.url, auth=token).data["data"]
        campaign = next(entry for entry in stored if entry["name"] == name)
        assert (campaign["status"], campaign["daily_budget_micros"]) == ("PAUSED", 60_000_000)
        inputs = ("name=Autumn", "daily_budget_micros=50 apples")
        refused = run("plugin", "run", str(tmp_path / "ads"), "create-validate-and-publish-draft", *inputs, *words)
        assert (refused.code, "50 apples" in refused.err) == (2, True)


def films(request: Received) -> Reply:
    if request.method == "GET":
        names = ("Dune", "Dune Part Two", "Alien")
        return Reply(200, {"data": [{"id": f"f{number}", "name": name} for number, name in enumerate(names)]})
    return Reply(200, {"id": "f0", "name": "Dune"})


@pytest.fixture
def studio(tmp_path: Path, home: Path) -> Path:
    return placed(tmp_path / "studio", STUDIO, name="studio")


def test_a_thing_is_chosen_by_its_very_name_and_nothing_changes_without_one(studio: Path) -> None:
    with Echo(films) as api:
        words = (
            "plugin",
            "run",
            str(studio),
            FIND,
            "account_id=acc_1",
            'changes:={"status": "OUT"}',
            "--base-url",
            api.url,
        )
        assert run(*words, "name=Dune", "--yes").code == 0
        assert [(one.method, one.path) for one in api.received] == [
            ("GET", "/accounts/acc_1/films"),
            ("PATCH", "/accounts/acc_1/films/f0"),
        ]
        api.received.clear()
        assert run(*words, "name=Dun", "--yes").code == 1
        refused = run(*words, "name=Dune")
        assert (refused.code, [one.method for one in api.received]) == (6, ["GET"])


def test_the_command_lists_and_runs_recipes_and_fills_in_settings(studio: Path, tmp_path: Path) -> None:
    command = studio / "bin" / "nlapi-studio"
    with Echo(films) as api:
        env = {"STUDIO_BASE_URL": api.url, "NLAPI_CONFIG_DIR": str(tmp_path / "config")}
        assert sh(command, "set", "account_id=acc_1", **env).returncode == 0
        shown = sh(command, "run", FIND, "name=Dune", 'changes={"status": "OUT"}', "--dry-run", **env)
        assert (shown.returncode, json.loads(shown.stdout)["changes"]) == (0, 1)
        assert "account_id=acc_1 (setting)" in shown.stderr
        assert api.received == []
        refused = sh(command, "run", FIND, "--source=http://elsewhere.example", **env)
        assert (refused.returncode, "in the settings" in refused.stderr) == (2, True)
    assert "did you mean" in run("plugin", "run", str(studio), "find-and-change-films").err


def test_the_hook_shows_the_whole_plan_of_a_recipe_that_changes(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_BASE_URL", "http://127.0.0.1:9")
    line = f'nlapi-studio run {FIND} account_id=acc_1 name=Dune changes=\'{{"status": "OUT"}}\''
    assert hook_question(studio, f"{line} --dry-run") == ""
    assert hook_question(studio, "nlapi-studio run") == ""
    question = hook_question(studio, f"{line} --yes")
    assert question.startswith(f"The recipe {FIND} makes 1 read and 1 change:")
    assert "GET http://127.0.0.1:9/accounts/acc_1/films?name=Dune" in question
    assert "PATCH http://127.0.0.1:9/accounts/acc_1/films/{film_id}" in question
    assert '"status": "OUT"' in question
    for words in ("$X --yes", f"{FIND} --yes --nonsense", f"{FIND} changes=$Y --dry-run", "nothing --yes"):
        question = hook_question(studio, f"nlapi-studio run {words}")
        assert any(text in question for text in ("cannot be shown", "makes", "will not be sent"))


def test_a_recipe_in_a_session_is_one_question_and_runs_once(studio: Path, tmp_path: Path) -> None:
    def answer(request: Received) -> Reply:
        return Reply(200, {"data": [{"id": "f1", "name": "Dune"}]} if request.method == "GET" else {"id": "f1"})

    line = f'nlapi-studio run {FIND} account_id=acc_1 name=Dune changes=\'{{"status": "OUT"}}\' --yes'
    with (
        Echo(answer) as api,
        ClientSession(plugin=studio, home=tmp_path / "h", options={"base_url": api.url}) as session,
    ):
        session.bash(line)
        assert len(session.asked) == 1
        session.permit = lambda question: "makes 1 read and 1 change" in question
        session.bash(line.replace("OUT", "CUT"))
        assert [one.method for one in api.received] == ["GET", "PATCH"]
        assert api.received[-1].json() == {"status": "CUT"}
        # Nobody was asked about this run, and a yes to one run is for no other.
        session.run(line)
        session.run("nlapi-studio resume last --yes")
        assert [one.method for one in api.received].count("PATCH") == 1


def put(plugin: Path, path: str, text: str) -> Path:
    (plugin / path).parent.mkdir(parents=True, exist_ok=True)
    (plugin / path).write_text(text)
    return plugin / path


def test_workflows_of_people_are_recipes_and_are_not_written_over(studio: Path, tmp_path: Path) -> None:
    (tmp_path / "studio.json").write_text(json.dumps(STUDIO))
    own = put(studio, "workflows/ours.arazzo.yaml", OWN.replace("OPERATION", "publishCut"))
    assert ("workflows/ours.arazzo.yaml", "has changed since the plugin was built") in told(studio)
    build_words = ("plugin", "build", str(tmp_path / "studio.json"), "-o", str(studio), "--name", "studio")
    assert run(*build_words).code == 0
    assert [message for _, message in told(studio)] == []
    assert own.read_text() == OWN.replace("OPERATION", "publishCut")
    assert "`premiere`: Publish a cut and say that its film is out" in (studio / "skills/studio/SKILL.md").read_text()
    with Echo(Reply(200, {"id": "c1"})) as api:
        words = ("premiere", "account_id=acc_1", "cut_id=c1", "--base-url", api.url, "--yes")
        assert run("plugin", "run", str(studio), *words).code == 0
        assert [one.path for one in api.received] == ["/accounts/acc_1/cuts/c1/publish"]


def test_a_workflow_that_contradicts_the_description_is_named_and_is_no_recipe(studio: Path, tmp_path: Path) -> None:
    (tmp_path / "studio.json").write_text(json.dumps(STUDIO))
    put(studio, "workflows/ours.arazzo.yaml", OWN.replace("OPERATION", "releaseCut"))
    put(studio, "workflows/broken.arazzo.yml", "arazzo: [")
    built = run("plugin", "build", str(tmp_path / "studio.json"), "-o", str(studio), "--name", "studio")
    assert (built.code, "releaseCut" in built.err) == (0, True)
    problems = {where.partition(":")[0]: message for where, message in told(studio)}
    assert "no source has an operation releaseCut" in problems["workflows/ours.arazzo.yaml"]
    assert "workflows/broken.arazzo.yml" in problems
    assert "premiere" not in (studio / "skills/studio/SKILL.md").read_text()


def test_an_operation_that_is_called_like_a_word_of_the_command_has_another_id() -> None:
    tree = {
        "openapi": "3.1.0",
        "info": {"title": "Jobs", "version": "1"},
        "servers": [{"url": "https://jobs.example"}],
        "paths": {"/jobs": {"get": {"operationId": "run", "responses": {"200": {"description": ""}}}}},
    }
    plugin = plugin_of(tree, name="jobs")
    assert plugin.operations == ("run_operation",)
    assert spec_of(json.loads(plugin.files["api/openapi.json"])).has("run_operation")
