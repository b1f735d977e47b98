"""The one second try: the next reading of the same words, where the first one found nothing or was refused."""

from __future__ import annotations

import json
from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.planner.steps.state import decode_state
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Outcome, Step, ask
from nlapi.tools.tool import Call, Tool
from tests.describe import body, parameter, spec
from tests.planner.kit import answered, next_plan, only, planner, reply, talk
from tests.tables import table

OK = {"responses": {"200": {"description": "ok"}}}


def clinic() -> Spec:
    """Patients with two names that a sentence does not tell apart."""
    names = {name: {"type": "string"} for name in ("first_name", "last_name")}
    filters = [parameter(name, schema={"type": "string"}) for name in names]
    made = body({"type": "object", "properties": names})
    return spec(
        {
            "/patients": {
                "get": {"operationId": "listPatients", "summary": "List patients", "parameters": filters, **OK},
                "post": {"operationId": "createPatient", "summary": "Create a patient", **made, **OK},
            }
        },
        info={"title": "Clinic", "version": "1"},
    )


def by_last_name(call: Call) -> Any:
    return [{"id": 1, "last_name": "Smith"}] if "last_name" in call.arguments else []


def test_an_empty_list_is_tried_with_the_other_name_and_that_is_shown() -> None:
    first, second, end = talk("show the patients named Smith", by_last_name, api=clinic())
    assert only(first) == ("listPatients", {"first_name": "Smith"})
    assert only(second) == ("listPatients", {"last_name": "Smith"})
    assert second.understood.startswith("nothing with first_name=Smith; tried last_name=Smith")
    assert end.text == "1 patient: Smith. (nothing with first_name=Smith; tried last_name=Smith)"


def archive() -> Spec:
    """Films, each with a state."""
    names = ("id", "name", "state", "length")
    film = {"type": "object", "properties": {name: {"type": "string"} for name in names}}

    def read(id: str, summary: str, schema: dict[str, Any], *taken: str) -> dict[str, Any]:
        answer = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
        parameters = [parameter(name, "path", {"type": "string"}) for name in taken]
        return {"get": {"operationId": id, "summary": summary, "parameters": parameters, "responses": answer}}

    return spec(
        {
            "/films": read("listFilms", "List films", {"type": "array", "items": film}),
            "/films/{film_id}": read("getFilm", "Get film by id", film, "film_id"),
        },
        info={"title": "Archive", "version": "1"},
    )


FILMS = [{"id": "f1", "name": "metropolis", "state": "lost"}, {"id": "f2", "name": "dracula", "state": "kept"}]


def films(call: Call) -> Any:
    if call.operation_id == "getFilm" and call.arguments["film_id"] == "f1":
        return FILMS[0]
    return FILMS if call.operation_id == "listFilms" else reply({"error": "not found"}, 404)


def test_a_code_that_is_not_known_is_the_name_of_nothing_else() -> None:
    *calls, end = talk("get film f9", films, api=archive())
    assert only(calls[-1]) == ("getFilm", {"film_id": "f9"})
    assert end.text.startswith("The API answered 404")


def test_there_is_one_second_try_in_all() -> None:
    *calls, _ = talk("show the patients named Smith", lambda _: [], api=clinic())
    assert len(calls) == 2


def test_what_has_an_answer_is_not_tried_again() -> None:
    first, _ = talk("show the patients named Smith", lambda _: [{"id": 2, "first_name": "Smith"}], api=clinic())
    assert only(first) == ("listPatients", {"first_name": "Smith"})


def test_a_refused_change_is_tried_in_another_way_only_with_consent() -> None:
    def refuses(call: Call) -> Any:
        return {"id": 1} if "last_name" in call.arguments else reply({"error": "unknown first_name"}, 422)

    first, second, _ = talk("create a patient named Smith", refuses, api=clinic())
    assert only(first) == ("createPatient", {"first_name": "Smith"})
    assert only(second) == ("createPatient", {"last_name": "Smith"})
    assert second.confidence < 0.4
    assert second.understood.startswith("422 with first_name=Smith; tried last_name=Smith")


def unknown(call: Call) -> Step:
    return Step(call=call, outcome=Outcome.FAILED, message="outcome unknown: the connection was lost")


@table("status", [200, 201, 202, 409, 429, 500, 503])
def test_a_change_with_another_outcome_is_never_tried_again(status: int) -> None:
    first, _ = talk("create a patient named Smith", lambda _: reply({}, status), api=clinic())
    assert only(first)[0] == "createPatient"


def test_a_change_of_unknown_outcome_is_never_tried_again() -> None:
    assert len(talk("create a patient named Smith", unknown, api=clinic())) == 2


def test_a_second_try_goes_on_from_the_transcript() -> None:
    def find_tool(source: str, operation: str) -> Tool:
        return compile_tool(clinic().operation(operation))

    for plan in talk("show the patients named Smith", by_last_name, api=clinic()):
        if plan.raw is not None:
            stored = json.loads(json.dumps(plan.raw.to_json()))
            decoded = decode_state(stored, find_tool)
            assert decoded is not None and decoded.to_json() == stored


def test_two_readings_that_are_equally_good_are_a_question_that_names_both() -> None:
    made = planner(clinic()).plan("create a patient named Smith")
    assert made.confidence < 0.4
    assert "'Smith' may be last_name as well as first_name" in made.understood


def test_a_reading_that_the_sentence_names_is_no_question() -> None:
    made = planner(clinic()).plan("create a patient with the last name Smith")
    assert only(made) == ("createPatient", {"last_name": "Smith"})
    assert made.confidence >= 0.8


def reports() -> Spec:
    """Reports whose description does not say what the API wants, and an update that wants a mask."""
    names = ("name", "region", "currency")
    made = body({"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": ["name"]})
    id = parameter("report_id", "path", {"type": "string"})
    return spec(
        {
            "/reports": {"post": {"operationId": "createReport", "summary": "Create a report", **made, **OK}},
            "/reports/{report_id}": {
                "patch": {
                    "operationId": "updateReport",
                    "summary": "Update a report",
                    "parameters": [id, parameter("update_mask")],
                    **made,
                    **OK,
                }
            },
        },
        info={"title": "Reports", "version": "1"},
    )


def lacks(**reasons: str) -> Any:
    """An error of FastAPI about the fields that a request lacks."""
    details = [{"loc": ["body", name], "msg": reason, "type": "missing"} for name, reason in reasons.items()]
    return reply({"detail": details}, 422)


def test_a_field_that_the_answer_names_is_asked_for_and_the_change_is_shown_again() -> None:
    def answer(call: Call) -> Any:
        return reply({"id": "r1", "name": "Sales"}) if "region" in call.arguments else lacks(region="Choose a region")

    question, api = 'create a report called "Sales"', reports()
    first, second = talk(question, answer, api=api)
    assert only(first) == ("createReport", {"name": "Sales"})
    (missing,) = second.missing
    assert (missing.argument, missing.description) == ("region", "Choose a region")
    refused = answered(ask(question), lacks(region="Choose a region"), api=api).with_replies({"region": "eu"})
    plan = next_plan(refused, api=api)
    assert only(plan) == ("createReport", {"name": "Sales", "region": "eu"})
    assert plan.understood.startswith("422 for want of region")
    again = answered(refused, lacks(currency="and a currency"), api=api)
    assert not next_plan(again, api=api).calls, "one further try in all"


def test_the_mask_of_an_update_has_the_fields_of_its_body() -> None:
    def answer(call: Call) -> Any:
        return reply({"id": "r1"}) if "update_mask" in call.arguments else lacks(update_mask="Field required")

    plans = talk('set the name of the report r1 to "Costs"', answer, api=reports())
    assert only(plans[1]) == ("updateReport", {"report_id": "r1", "name": "Costs", "update_mask": "name"})
    assert plans[1].understood.startswith("422 for want of update_mask")


def test_a_value_that_the_answer_refuses_is_asked_for_again() -> None:
    question, api = 'create a report called "Sales"', reports()
    for result in (lacks(name="too long"), reply({"message": "Invalid name"}, 400), reply({"error": "Sales: no"}, 422)):
        refused = answered(ask(question), result, api=api)
        assert [missing.argument for missing in next_plan(refused, api=api).missing] == ["name"]
        plan = next_plan(refused.with_replies({"name": "Sale"}), api=api)
        assert only(plan) == ("createReport", {"name": "Sale"})
        again = answered(ask(question, {"name": "Sales"}), result, api=api)
        assert next_plan(again, api=api).missing, "what was refused is not sent again"


def test_a_field_that_a_message_names_is_asked_for() -> None:
    api = reports()
    for message in (
        "Missing field in JSON data: region", "Key 'region' not present", "region in body is required",
        '"region" is required', "The region cannot be empty.",
    ):  # fmt: skip
        refused = answered(ask('create a report called "Sales"'), reply({"message": message}, 400), api=api)
        plan = next_plan(refused, api=api)
        assert [missing.argument for missing in plan.missing] == ["region"], message


def test_an_update_that_lacks_what_was_not_said_has_a_mask() -> None:
    def answer(call: Call) -> Any:
        return reply({"id": "r1"}) if "update_mask" in call.arguments else lacks(region="missing", currency="missing")

    plan = talk('set the name of the report r1 to "Costs"', answer, api=reports())[1]
    assert only(plan) == ("updateReport", {"report_id": "r1", "name": "Costs", "update_mask": "name"})


def test_what_is_no_refusal_for_want_of_a_field_teaches_nothing() -> None:
    question = 'create a report called "Sales"'
    for result in (
        reply({"detail": [{"loc": ["body", "region"], "msg": "Field required"}]}, 500),
        reply({"detail": [{"loc": ["body", "region"], "msg": "Field required"}]}, 201),
        lacks(unheard_of="Field required"),
    ):
        plans = talk(question, lambda _, result=result: result, api=reports())
        assert [bool(plan.calls) for plan in plans] == [True, False]
