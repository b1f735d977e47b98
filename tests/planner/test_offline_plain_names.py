"""Names in small letters, filters in bodies, states that commands bring about, and what is below others."""

from __future__ import annotations

from nlapi.tools.plan import Plan
from tests.planner.kit import only, planner
from tests.planner.pipelines import pipelines
from tests.tables import table

API = planner(pipelines())


def leads_to(plan: Plan) -> str:
    """The operation that a plan leads to in the end."""
    call = plan.goal or plan.calls[0]
    return call.tool.operation.id


@table("name", ["nightly", "swift-otter", "etl_2"])
def test_a_word_behind_the_noun_is_the_name(name: str) -> None:
    made = API.plan(f"delete the pipeline {name}")
    assert leads_to(made) == "delete_pipeline"
    assert f"the pipeline called {name!r}" in made.understood


def test_what_many_things_are_of_is_told_by_the_filter_of_the_list() -> None:
    made = only(API.plan("list the pipeline runs of swift-otter"))
    assert made == ("read_runs", {"pipelines": {"name": {"any_": ["swift-otter"]}}})
    _, arguments = only(API.plan("how many runs does the pipeline nightly have"))
    assert arguments == {"pipelines": {"name": {"any_": ["nightly"]}}}


def test_a_count_that_is_told_less_than_the_question_says_gives_way_to_the_list() -> None:
    assert only(API.plan("how many pipeline runs failed?")) == ("read_runs", {})
    assert only(API.plan("count the pipeline runs by state")) == ("read_runs", {})


def test_two_lists_of_the_same_things_are_no_choice() -> None:
    made = API.plan("list all pipelines")
    assert leads_to(made) in ("read_pipelines", "paginate_pipelines")
    assert made.confidence >= 0.6


def test_to_cancel_sets_the_state_and_deletes_nothing() -> None:
    made = API.plan("cancel the pipeline run swift-otter")
    assert leads_to(made) == "set_run_state"
    assert "state.type=CANCELLING" in made.understood
    assert leads_to(API.plan("mark the pipeline run swift-otter as completed")) == "set_run_state"


def test_a_command_that_is_the_noun_of_what_is_made() -> None:
    assert leads_to(API.plan("run the nightly pipeline now")) == "create_run_of"
    assert leads_to(API.plan("resume the pipeline nightly")) == "resume_pipeline"


def test_a_value_is_set_on_the_item_that_its_name_is_looked_up_for() -> None:
    plan = API.plan("set the setting region to us-east-1")
    assert leads_to(plan) == "update_setting"
    assert plan.goal is not None and plan.goal.arguments == {"value": "us-east-1"}
    assert [entry.argument for entry in API.plan("set the setting region").missing] == ["value"]


def test_a_thing_below_others_is_not_called_by_any_word() -> None:
    for question in ("list the boxes", "rename everything", "how many boxes are there"):
        for call in API.plan(question).calls:
            assert not {"tenant", "database"} & set(call.arguments)


def test_ids_whose_kind_is_not_said_delete_nothing_by_themselves() -> None:
    made = API.plan("delete the records a-1 and b-2 from stock")
    assert leads_to(made) == "delete_records"
    assert made.confidence < 0.5


def test_what_no_operation_lists_or_does_is_said() -> None:
    assert API.plan("back up the pipeline nightly").confidence < 0.4


@table("question", ["is the server healthy", "is the server alive?", "is it up"])
def test_whether_the_server_is_there(question: str) -> None:
    assert only(API.plan(question)) == ("healthcheck", {})
