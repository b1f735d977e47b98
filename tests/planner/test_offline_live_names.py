"""Names that an API has at the moment, and the verbs that its description states."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.openapi.spec import Effect, Spec
from nlapi.planner.steps.state import NamesState, decode_state
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec
from tests.planner.kit import only, planner, reply, talk
from tests.tables import table

RELEASE = {"$ref": "#/components/schemas/ReleaseName"}
SERVICE = {"$ref": "#/components/schemas/ServiceName"}
INVENTORY = {"services": [{"name": "check-out"}, {"name": "mailer"}], "releases": [{"name": "mailer-v2"}]}


def releases() -> Spec:
    """Services, and releases of them that are rolled out; the inventory has the names of both."""

    def node(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
        ok = {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}}}
        return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": ok, **more}

    release = parameter("release", "path", RELEASE, description="Name of the release.")
    service = parameter("service", schema=SERVICE, description="Name of the service.")
    minutes = parameter("minutes", schema={"type": "integer"}, description="How many minutes to look back.")
    share = {"type": "object", "properties": {"percent": {"type": "number", "description": "The share in percent."}}}
    schemas = {
        "ReleaseName": {"type": "string", "x-nlapi": {"names": "getInventory#/releases/*/name"}},
        "ServiceName": {"type": "string", "x-nlapi": {"names": "getInventory#/services/*/name"}},
    }
    return spec(
        {
            "/inventory": {"get": node("getInventory", "Get the inventory")},
            "/errors": {"get": node("listErrors", "List errors", service, minutes)},
            "/releases/{release}": {
                "get": node("getRelease", "Show a release", release),
                "delete": node("deleteRelease", "Delete a release", release),
            },
            "/releases/{release}/promote": {
                "post": node("promoteRelease", "Promote a release", release, **{"x-nlapi": {"verbs": "ship finish"}})
            },
            "/releases/{release}/share": {
                "post": node("shiftRelease", "Shift the share of a release", release, **body(share))
            },
        },
        components={"schemas": schemas},
    )


def inventory(call: Call) -> Any:
    return INVENTORY if call.operation_id == "getInventory" else {}


def test_a_name_is_taken_from_the_api_and_not_from_the_examples() -> None:
    reading, plan, *_ = talk("the errors of check out in the last hour", inventory, api=releases())
    assert only(reading) == ("getInventory", {})
    assert isinstance(reading.raw, NamesState)
    assert only(plan) == ("listErrors", {"service": "check-out", "minutes": 60})


def test_names_are_not_read_where_the_sentence_is_plain() -> None:
    plan, *_ = talk("promote the release mailer-v2", inventory, api=releases())
    assert only(plan) == ("promoteRelease", {"release": "mailer-v2"})


@table("answer", [reply({"detail": "no"}, 403), {"services": "?"}, []])
def test_a_sentence_is_planned_without_names_where_there_are_none(answer: Any) -> None:
    plans = talk("the errors of check-out", lambda call: answer, api=releases())
    assert [only(plan)[0] for plan in plans[:2] if plan.calls] == ["getInventory", "listErrors"]


def test_the_state_of_the_reading_of_names_is_stored() -> None:
    assert decode_state(NamesState().to_json(), lambda source, id: pytest.fail("no tool is needed")) == NamesState()


@pytest.mark.parametrize("sentence", ["ship the release mailer-v2", "finish the release mailer-v2"])
def test_a_stated_verb_commands_its_operation(sentence: str) -> None:
    assert only(planner(releases()).plan(sentence)) == ("promoteRelease", {"release": "mailer-v2"})


@table("sentence", ["ship mailer-v2", "ship mailer-v2 to everyone", "push mailer-v2 to everybody"])
def test_no_deletion_is_planned_that_the_command_does_not_mean(sentence: str) -> None:
    plan = planner(releases()).plan(sentence)
    assert not [call for call in (*plan.calls, *plan.alternatives) if call.tool.operation.method == "DELETE"]


def test_a_deletion_is_planned_where_it_is_commanded() -> None:
    plan = planner(releases()).plan("delete the release mailer-v2")
    assert only(plan) == ("deleteRelease", {"release": "mailer-v2"})
    assert plan.calls[0].tool.effect is not Effect.READ


def test_the_only_share_goes_to_the_only_argument_for_one() -> None:
    plan = planner(releases()).plan("shift the release mailer-v2 to 30 %")
    assert only(plan) == ("shiftRelease", {"release": "mailer-v2", "percent": 30})


def test_an_api_without_the_hint_is_asked_for_no_names() -> None:
    plans = talk("show shelf s1", lambda call: {})
    assert not any(isinstance(plan.raw, NamesState) for plan in plans)
