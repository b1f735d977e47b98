"""`nlapi ask --plan`: the plan is shown and saved, and nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

import nlapi
from nlapi.sandbox import running
from nlapi.workflows.model import Selector
from nlapi.workflows.read import read_document
from tests.cli.kit import notes, run
from tests.messages_server import MessagesServer, use
from tests.servers import Echo


def plan(question: str, source: str, *options: str) -> tuple[int, str, str]:
    ran = run("ask", question, "-a", source, "--planner", "offline", *options)
    return ran.code, ran.out, ran.err


def test_a_plan_is_saved_as_a_workflow_that_runs(api: Echo, tmp_path: Path) -> None:
    source, file = notes(tmp_path, api.url), tmp_path / "plan.yaml"
    code, out, err = plan("delete the note n1", source, "--plan", str(file))
    assert code == 0, err
    assert "deleteNote: DELETE /notes/{note}  ! takes something away" in out
    assert "nothing was sent" in err
    assert not api.received
    assert run("workflow", "run", str(file), "--input", "note=n2", "--yes", "-o", "json").code == 0
    assert [request.target for request in api.received] == ["/notes/n2"]
    assert str(tmp_path) not in file.read_text()


def test_an_item_that_is_named_is_looked_up_by_an_input(tmp_path: Path) -> None:
    file = tmp_path / "pause.json"
    assert plan("pause the Summer Sale campaign", "ads", f"--plan={file}")[0] == 0
    workflow = read_document(str(file)).workflow()
    look_up, update = workflow.steps
    path = "$.data[?@.name == '{$inputs.campaign}']"
    assert look_up.outputs == {"campaign_id": Selector(context="$response.body", selector=f"{path}.id")}
    assert update.parameters[0].value == "$steps.listCampaigns.outputs.campaign_id"
    assert update.body is not None
    assert update.body.payload == {"status": "PAUSED"}
    assert workflow.required_inputs == ("campaign",)


def test_what_is_missing_is_an_input(tmp_path: Path) -> None:
    code, out, _ = plan("create a campaign called Autumn", "ads", "--plan")
    assert code == 0
    file = tmp_path / "plan.yaml"
    file.write_text(out)
    workflow = read_document(str(file)).workflow()
    assert workflow.required_inputs == ("name", "objective")
    assert "REACH" in workflow.input_schemas["objective"]["enum"]


def test_a_plan_is_a_diagram_too(tmp_path: Path) -> None:
    file = tmp_path / "pause.mmd"
    assert plan("pause the Summer Sale campaign", "ads", "--plan", str(file))[0] == 0
    assert file.read_text().startswith("flowchart TD\n")


def test_without_a_plan_nothing_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    code, out, err = plan("bake a cake with cherries", "ads", "--plan", str(file))
    assert (code, out, file.exists()) == (7, "", False)
    assert err.startswith("error: ")


def test_an_item_that_only_its_place_tells_is_not_planned(tmp_path: Path) -> None:
    code, out, err = plan("show the ad sets of the newest campaign", "ads", "--plan")
    assert (code, out) == (2, "")
    assert "cannot be written as a workflow" in err


def test_a_change_of_each_of_several_items_is_no_workflow(tmp_path: Path) -> None:
    code, out, err = plan("pause all active campaigns", "ads", "--plan")
    assert (code, out) == (2, "")
    assert "'all active campaigns' is each item of a list, for which a workflow has no step" in err


def test_the_next_word_is_the_file_only_by_its_ending(tmp_path: Path) -> None:
    ran = run("ask", "--plan", "pause the Summer Sale campaign", "-a", "ads", "--planner", "offline")
    assert ran.code == 0
    assert ran.out.startswith("arazzo: 1.1.0")


def test_the_chain_of_a_model_is_saved_with_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [
        {"id": "a", "operation": "createCampaign", "arguments": {"name": "Autumn", "objective": "REACH"}},
        {
            "id": "b",
            "operation": "createAdSet",
            "arguments": {"campaign_id": "$steps.a.outputs.id", "name": "Feed One"},
        },
    ]
    steps[1]["arguments"]["placement"] = "FEED"  # type: ignore[index]
    file = tmp_path / "chain.yaml"
    with MessagesServer([use("plan", {"steps": steps})]) as model:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-x")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
        question = "create a campaign Autumn with an ad set Feed One in the feed"
        ran = run("ask", question, "-a", "ads", "--planner", "model", "--plan", str(file))
    assert ran.code == 0, ran.err
    workflow = read_document(str(file)).workflow()
    first, second = workflow.steps
    assert first.body is not None
    assert second.body is not None
    assert first.body.payload == {"name": "$inputs.campaign_name", "objective": "REACH"}
    assert second.body.payload["campaign_id"] == "$steps.a.outputs.id"
    assert second.body.payload["name"] == "$inputs.ad_set_name"


def test_a_chain_is_shown_as_a_whole_and_run_with_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    ad_set = {"campaign_id": "$steps.a.outputs.id", "name": "Feed One", "placement": "FEED"}
    steps = [
        {"id": "a", "operation": "createCampaign", "arguments": {"name": "Autumn", "objective": "REACH"}},
        {"id": "b", "operation": "createAdSet", "arguments": ad_set},
    ]
    question = 'create a campaign "Autumn" with the objective reach, with an ad set "Feed One" in the feed'
    with MessagesServer([use("plan", {"steps": steps})]) as model, running(nlapi.load("ads")) as sandbox:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-x")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
        options = ("-a", "ads", "--base-url", sandbox.url, "--auth", "oauth2=any", "--planner", "model", "-o", "text")
        ran = run("ask", question, *options, "--yes")
    assert ran.code == 0, ran.err
    assert len(model.requests) == 1
    assert "then createAdSet: POST /ad_sets" in ran.err
    assert "campaign_id <- id of a" in ran.err
    assert "Created the ad set Feed One" in ran.out
    saved = run("log", "save", "last", "-o", "-")
    assert "$steps.createCampaign.outputs.campaign_id" in saved.out
