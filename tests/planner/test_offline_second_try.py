"""The one second try: the next reading of the same words, where the first one found nothing or was refused."""

from __future__ import annotations

import json
from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.planner.steps.state import decode_state
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call, Tool
from tests.describe import body, parameter, spec
from tests.planner.kit import only, planner, reply, talk
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
    """Films with a count that tells no state."""
    names = ("id", "name", "state", "length")
    film = {"type": "object", "properties": {name: {"type": "string"} for name in names}}

    def read(id: str, summary: str, schema: dict[str, Any], *taken: str) -> dict[str, Any]:
        answer = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
        parameters = [parameter(name, "path", {"type": "string"}) for name in taken]
        return {"get": {"operationId": id, "summary": summary, "parameters": parameters, "responses": answer}}

    return spec(
        {
            "/films": read("listFilms", "List films", {"type": "array", "items": film}),
            "/films/count": read("countFilms", "Count films", {"type": "integer"}),
            "/films/{film_id}": read("getFilm", "Get film by id", film, "film_id"),
        },
        info={"title": "Archive", "version": "1"},
    )


FILMS = [{"id": "f1", "name": "metropolis", "state": "lost"}, {"id": "f2", "name": "dracula", "state": "kept"}]


def films(call: Call) -> Any:
    if call.operation_id == "getFilm" and call.arguments["film_id"] == "f1":
        return FILMS[0]
    answers = {"listFilms": FILMS, "countFilms": 2}
    return answers.get(call.operation_id, reply({"error": "not found"}, 404))


def test_a_read_that_does_not_tell_what_is_asked_is_followed_by_one_that_does() -> None:
    *calls, end = talk("how many films are lost?", films, api=archive())
    assert [only(plan)[0] for plan in calls] == ["countFilms", "listFilms"]
    assert end.text.startswith("1 of 2 films with state lost: metropolis.")


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
