"""What a change must satisfy to stand, check by check, through the embedded planner and by accounts written here."""

from __future__ import annotations

from typing import Any

import pytest

import nlapi
from nlapi.changes.checks import reasons_against
from nlapi.openapi.spec import Spec
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from tests.describe import body, parameter, spec
from tests.tables import table

_ID = parameter("id", "path", {"type": "string"}, description="The id.")
_STATUS = {"type": "string", "enum": ["ACTIVE", "PAUSED", "ARCHIVED"]}


def _operation(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": {"200": {}}, **more}


@pytest.fixture(scope="module")
def api() -> Spec:
    """Jobs, which are paused and resumed, with a protection and a schedule; contacts; branches; amounts."""
    properties = {"name": {"type": "string"}, "status": _STATUS, "archived": {"type": "boolean"}}
    job = {"properties": {**properties, "start_date": {"type": "string", "format": "date"}}}
    amount = {
        "type": "object",
        "required": ["amount"],
        "properties": {
            "amount": {"type": "integer", "description": "The amount in cents."},
            "currency": {"type": "string", "enum": ["EUR", "USD"]},
        },
    }
    return spec(
        {
            "/jobs": {
                "get": _operation("listJobs", "List jobs"),
                "post": _operation("createJob", "Create a job", **body({"type": "object", **job})),
                "delete": _operation("deleteJobs", "Delete all jobs"),
            },
            "/jobs/{id}": {
                "get": _operation("getJob", "Get a job", _ID),
                "patch": _operation("updateJob", "Update a job", _ID, **body({"type": "object", **job})),
                "delete": _operation("deleteJob", "Delete a job, all its metadata and runs", _ID),
            },
            "/jobs/{id}/resume": {"post": _operation("resumeJob", "Resume a job", _ID)},
            "/lists/{id}/archiveAllCards": {"post": _operation("archiveAllCards", "Archive all cards of a list", _ID)},
            "/doors/{id}/unlock": {"post": _operation("unlockDoor", "Unlock the lock of a door", _ID)},
            "/doors/{id}/lock": {"post": _operation("lockOrUnlockDoor", "Lock or unlock a door", _ID)},
            "/issues/{id}/labels": {
                "post": _operation("removeLabel", "Remove the label of an issue", _ID, **body({"type": "object"}))
            },
            "/branches/{id}/protection": {"delete": _operation("unprotect", "Delete branch protection", _ID)},
            "/drafts/ads/{id}": {"delete": _operation("deleteAdDraft", "Delete an ad draft", _ID)},
            "/payments/{id}/refund": {"post": _operation("refundPayment", "Refund a payment", _ID, **body(amount))},
            "/places": {
                "post": _operation(
                    "createPlace",
                    "Create a place",
                    **body(
                        {
                            "type": "object",
                            "properties": {
                                "name": {"type": "string"},
                                "place_type": {"type": "string", "enum": ["PARK", "SHOP"]},
                                "latitude": {"type": "number"},
                                "longitude": {"type": "number"},
                            },
                        }
                    ),
                )
            },
        }
    )


def reasons(api: Spec, operation: str, question: str, *sources: ValueSource, **more: Any) -> str:
    """Why the call of an operation with the values of `sources` does not stand, in one text."""
    tool = next(one for one in nlapi.tools(api) if one.operation.id == operation)
    arguments = {one.argument: one.value for one in sources}
    call = Call(tool=tool, arguments=arguments)
    return "; ".join(reasons_against(call, Account(sources=sources, **more), question))


def said(question: str, argument: str, words: str, value: Any = None, **more: Any) -> ValueSource:
    """A value that the question says with `words`."""
    start = question.index(words)
    given = words.strip("\"'") if value is None else value
    end = start + len(words)
    return ValueSource(argument=argument, value=given, origin=Origin.WORDS, words=words, start=start, end=end, **more)


@table(
    ("operation", "question"),
    [
        ("deleteJob", "delete the job j-7"),
        ("deleteJob", "please remove job j-7"),
        ("deleteJob", "get rid of the job j-7"),
        ("resumeJob", "resume job j-7"),
        ("resumeJob", "could you unpause the job j-7?"),
        ("unprotect", "delete the protection of branch j-7"),
        ("deleteAdDraft", "delete the ad draft j-7"),
    ],
)
def test_a_change_that_is_said_stands(api: Spec, operation: str, question: str) -> None:
    assert reasons(api, operation, question, said(question, "id", "j-7")) == ""


@table(
    ("operation", "question", "reason"),
    [
        ("resumeJob", "pause the job j-7", "opposite of 'pause' (resume)"),
        ("deleteJob", "restart the job j-7", "does not say that something is to be taken away"),
        ("deleteJob", "cancel the job j-7", "does not say that something is to be taken away"),
        ("deleteJob", "ship the job j-7", "does not say that something is to be taken away"),
        ("resumeJob", "ship the job j-7", "nothing in resumeJob says 'ship'"),
        ("unprotect", "delete the branch j-7", "is about the protection"),
        ("deleteAdDraft", "delete the ad j-7", "is about the draft"),
        ("archiveAllCards", "archive card j-7", "works on many at once"),
        ("deleteJob", "delete the budget of job j-7", "is about the budget"),
        ("deleteJob", "delete the metadata of job j-7", "is about the metadata"),
        ("deleteJob", "delete the job j-7 unless it runs", "makes a condition"),
        ("deleteJob", "don't delete the job j-7", "rules something out"),
        ("deleteJob", "stop deleting the job j-7", "forbids the call's action"),
        ("deleteJob", "should I delete the job j-7", "asks, and commands nothing"),
        ("deleteJob", "the job j-7 should be deleted", "not a command to do it now"),
        ("deleteJob", "delete all jobs like j-7", "how many that are is not known"),
        ("deleteJob", "delete the job j-7 tomorrow", "not used: tomorrow"),
        ("updateJob", "update the job j-7", "what updateJob shall set is not said"),
        ("deleteJob", "delete the job of j-7", "the sentence names something of it"),
        ("resumeJob", "resume everyone's job j-7", "how many that are is not known"),
    ],
)
def test_what_was_not_said_does_not_stand(api: Spec, operation: str, question: str, reason: str) -> None:
    assert reason in reasons(api, operation, question, said(question, "id", "j-7"))


@table(
    ("operation", "question", "id", "reason"),
    [
        ("unprotect", "delete the branch protection-fix", "protection-fix", "is about the protection"),
        ("deleteAdDraft", "delete the ad draft-7", "draft-7", "is about the draft"),
        ("archiveAllCards", "archive card all-hands", "all-hands", "works on many at once"),
        ("unlockDoor", "lock the door d-1", "d-1", "opposite"),
        ("removeLabel", "label the issue i-1", "i-1", "does not say that something is to be taken away"),
        ("deleteJob", "delete the job like j-7", "j-7", "like"),
        ("resumeJob", "resume the job j-7 temporarily", "j-7", "not used: temporarily"),
        ("resumeJob", "resume the job j-7 with no delay", "j-7", "rules something out"),
    ],
)
def test_what_a_name_or_a_little_word_says_is_no_excuse(
    api: Spec, operation: str, question: str, id: str, reason: str
) -> None:
    assert reason in reasons(api, operation, question, said(question, "id", id))


def test_consent_to_taking_away_covers_a_verb_that_may_mean_it(api: Spec) -> None:
    tool = next(one for one in nlapi.tools(api) if one.operation.id == "deleteJob")
    for question, stands in (("cancel the job j-7", True), ("ship the job j-7", False)):
        account = Account(sources=(said(question, "id", "j-7"),))
        against = reasons_against(Call(tool=tool, arguments={"id": "j-7"}), account, question, destroy=True)
        assert (against == ()) is stands
        assert reasons(api, "deleteJob", question, said(question, "id", "j-7"))


@pytest.fixture(scope="module")
def shop() -> Spec:
    """Operations by which other changes than those that were said once stood."""
    draft = {"type": "object", "properties": {"name": {"type": "string"}}}
    card = {"type": "object", "properties": {"labels": {"type": "string"}, "name": {"type": "string"}}}
    campaign = {
        "type": "object",
        "required": ["name", "goal"],
        "properties": {"name": {"type": "string"}, "goal": {"type": "string", "default": "EVEN"}},
    }
    team = parameter("teamId", schema={"type": "string"})
    return spec(
        {
            "/tasks/{id}/addTag": {"post": _operation("addTagToTask", "Add a tag to a task", _ID)},
            "/messages/{id}/modify": {"post": _operation("messages.modify", "", _ID, **body({"type": "object"}))},
            "/schemes/{id}/draft": {"put": _operation("updateDraft", "Update a draft scheme", _ID, **body(draft))},
            "/cards": {"post": _operation("createCard", "Create a card", **body(card))},
            "/campaigns": {"post": _operation("createCampaign", "Create a campaign", **body(campaign))},
            "/edge-config": {"post": _operation("createEdgeConfig", "Create an edge config", team)},
            "/clusters/registry": {"post": _operation("addRegistry", "Add a registry", **body(card))},
            "/limits/tag/{id}/reset": {"post": _operation("reset_by_tag_post", "Reset by tag", _ID)},
            "/things/{id}": {"patch": _operation("patchThing", "Change a thing", _ID, **body({}))},
        }
    )


@table(
    ("operation", "question", "argument", "words", "reason"),
    [
        ("addTagToTask", "add the task x-1", "id", "x-1", "is about the add tag"),
        ("messages.modify", "add the message x-1", "id", "x-1", "nothing in messages.modify says 'add'"),
        ("updateDraft", "rename the scheme s-1 to Old", "name", "Old", "is about the draft"),
        ("createCard", 'add a card named "Fix the header" to list x-1', "labels", "Fix the header", "meant as labels"),
        ("createEdgeConfig", "create the edge config x-1", "teamId", "x-1", "'x-1' may not be meant as teamId"),
        ("addRegistry", "add the card x-1", "name", "x-1", "is about the registry"),
        ("reset_by_tag_post", "add the tag x-1", "id", "x-1", "nothing in reset_by_tag_post says 'add'"),
        ("patchThing", "rename the thing to old", "body", "old", "nothing in patchThing says 'rename'"),
    ],
)
def test_what_stood_by_chance_does_not(
    shop: Spec, operation: str, question: str, argument: str, words: str, reason: str
) -> None:
    assert reason in reasons(shop, operation, question, said(question, argument, words))


def test_a_default_of_the_description_is_nothing_that_the_user_said(shop: Spec) -> None:
    question = "create a campaign called Winter"
    default = ValueSource(argument="goal", value="EVEN", origin=Origin.DESCRIPTION)
    assert "nobody said goal" in reasons(shop, "createCampaign", question, said(question, "name", "Winter"), default)


def test_an_operation_that_does_both_is_no_opposite(api: Spec) -> None:
    question = "unlock the door d-1"
    assert "opposite" not in reasons(api, "lockOrUnlockDoor", question, said(question, "id", "d-1"))


def test_a_number_may_be_called_no(api: Spec) -> None:
    question = "delete the job no. 321"
    assert reasons(api, "deleteJob", question, said(question, "id", "321")) == ""


def test_a_flag_that_is_false_excuses_no_other_negation(api: Spec) -> None:
    question = "don't rename the job j-7 to Nightly, and unarchive it"
    flag = said(question, "archived", "unarchive", value=False)
    told = reasons(api, "updateJob", question, said(question, "id", "j-7"), said(question, "name", "Nightly"), flag)
    assert "rules something out" in told


def test_a_piece_of_a_quoted_text_does_not_stand(api: Spec) -> None:
    question = 'create a job called "Back to School"'
    start = question.index('"')
    half = ValueSource(
        argument="name", value="Back", origin=Origin.WORDS, words='"Back', start=start, end=start + len('"Back')
    )
    assert "has only" in reasons(api, "createJob", question, half)


def test_a_state_may_be_set_by_the_verb_and_not_by_its_opposite(api: Spec) -> None:
    question = "pause the job j-7"
    job, verb = said(question, "id", "j-7"), ValueSource(argument="status", value="PAUSED", origin=Origin.VERB)
    assert reasons(api, "updateJob", question, job, verb) == ""
    opposite = ValueSource(argument="status", value="ACTIVE", origin=Origin.VERB)
    assert reasons(api, "updateJob", question, job, opposite)


@pytest.mark.parametrize("origin", [Origin.NOBODY, Origin.ANSWER])
def test_a_value_that_nobody_said_does_not_stand(api: Spec, origin: Origin) -> None:
    question = 'create a job called "nightly"'
    name = said(question, "name", '"nightly"')
    assert reasons(api, "createJob", question, name) == ""
    assert "nobody said" in reasons(
        api, "createJob", question, name, ValueSource(argument="x", value="y", origin=origin)
    )


def test_a_flag_needs_all_of_its_words(api: Spec) -> None:
    question = "create a job called nightly"
    flag = ValueSource(argument="archived", value=True, origin=Origin.WORDS, words="job")
    assert "nobody said archived" in reasons(api, "createJob", question, said(question, "name", "nightly"), flag)


@table(
    ("question", "words"),
    [
        ("delete the job 545-vtsl", "545"),
        ("delete the job data.backup", "data"),
        ("delete the job acme/goof", "goof"),
        ("delete the job arn:aws:job", "arn"),
        ("delete the job 68w", "68"),
        ("delete the job x@y.org", "x"),
    ],
)
def test_a_piece_of_a_word_does_not_stand(api: Spec, question: str, words: str) -> None:
    assert "has only" in reasons(api, "deleteJob", question, said(question, "id", words))


@pytest.mark.parametrize("question", ["rename job j-7 to Yahoo!", "rename job j-7 to Who? please"])
def test_a_mark_that_may_be_of_the_value_does_not_stand(api: Spec, question: str) -> None:
    sources = said(question, "id", "j-7"), said(question, "name", question[17:].partition("!")[0].partition("?")[0])
    assert "put the value in quotes" in reasons(api, "updateJob", question, *sources)


def test_a_mark_behind_a_choice_is_that_of_the_sentence(api: Spec) -> None:
    question = "set the status of job j-7 to paused!"
    sources = said(question, "id", "j-7"), said(question, "status", "paused")
    assert "put the value in quotes" not in reasons(api, "updateJob", question, *sources)


def test_the_mark_of_a_question_is_of_no_value(api: Spec) -> None:
    question = "can you rename job j-7 to Yahoo?"
    sources = said(question, "id", "j-7"), said(question, "name", "Yahoo")
    assert "put the value in quotes" not in reasons(api, "updateJob", question, *sources)


def test_a_name_that_goes_on_does_not_stand(api: Spec) -> None:
    question = "rename job j-7 to Eating out"
    sources = said(question, "id", "j-7"), said(question, "name", "Eating")
    assert "not plain where name ends" in reasons(api, "updateJob", question, *sources)


def test_a_thing_that_is_only_called_alike_does_not_stand(api: Spec) -> None:
    question = "delete the job nightly"
    start = question.index("nightly")
    found = ValueSource(
        argument="id", value="j1", origin=Origin.LOOKUP, words="nightly", start=start, end=len(question)
    )
    assert reasons(api, "deleteJob", question, found) == ""
    like = ValueSource(
        argument="id",
        value="j1",
        origin=Origin.LOOKUP,
        words="nightly",
        start=start,
        end=len(question),
        name="Nightly 2",
    )
    assert "'Nightly 2'" in reasons(api, "deleteJob", question, like)


def test_money_needs_its_unit_and_its_currency(api: Spec) -> None:
    question = "refund 12 EUR of payment j-7"
    payment, amount = said(question, "id", "j-7"), said(question, "amount", "12 EUR", 12)
    told = reasons(api, "refundPayment", question, payment, amount)
    assert "may be in another unit" in told
    assert "the currency of '12 EUR' is not sent" in told


@table(
    ("question", "words"),
    [
        ("raise the refund of payment j-7 by 12", "12"),
        ("lower the refund of payment j-7 by $12", "12"),
        ("raise the refund of payment j-7 12", "12"),
        ("refund another 12 of payment j-7", "12"),
        ("refund 12 cents more of payment j-7", "12"),
    ],
)
def test_a_difference_is_no_value(api: Spec, question: str, words: str) -> None:
    payment, amount = said(question, "id", "j-7"), said(question, "amount", words, 12)
    assert "may be a difference" in reasons(api, "refundPayment", question, payment, amount)


@table("verb", ["set", "raise", "lower"])
def test_a_value_behind_to_is_no_difference(api: Spec, verb: str) -> None:
    question = f"{verb} the refund of payment j-7 to 12"
    payment, amount = said(question, "id", "j-7"), said(question, "amount", "12", 12)
    assert "difference" not in reasons(api, "refundPayment", question, payment, amount)


@pytest.mark.parametrize("question", ["pause the job j-7 tomorrow", "pause job j-7 from tomorrow on"])
def test_when_to_change_is_no_value_of_a_field_that_nobody_named(api: Spec, question: str) -> None:
    job, status = said(question, "id", "j-7"), said(question, "status", "pause", "PAUSED")
    told = reasons(api, "updateJob", question, job, status, said(question, "start_date", "tomorrow", "2026-11-28"))
    assert "'tomorrow' may be when to do it" in told


@table(
    ("question", "status"),
    [
        ("pause the job j-7 and start it tomorrow", "pause"),
        ("set the status of the job j-7 to paused and its start date to tomorrow", "paused"),
        ("move the job j-7 to tomorrow", ""),
    ],
)
def test_a_day_of_a_field_that_is_named_or_all_there_is_to_set_is_a_value(
    api: Spec, question: str, status: str
) -> None:
    sources = [said(question, "id", "j-7"), said(question, "start_date", "tomorrow", "2026-11-28")]
    sources += [said(question, "status", status, "PAUSED")] if status else []
    assert "when to do it" not in reasons(api, "updateJob", question, *sources)


def test_numbers_that_go_by_their_order_are_in_order(api: Spec) -> None:
    question = 'create a place called "Dam" at 4.89, 52.37'
    name = said(question, "name", '"Dam"')
    told = reasons(
        api,
        "createPlace",
        question,
        name,
        said(question, "latitude", "52.37", 52.37),
        said(question, "longitude", "4.89", 4.89),
    )
    assert "latitude is said behind longitude" in told


def test_an_unsure_reading_does_not_stand(api: Spec) -> None:
    question = "delete the job j-7"
    assert "may not be meant as" in reasons(api, "deleteJob", question, said(question, "id", "j-7", sure=0.3))


def test_what_a_thing_is_called_is_its_name_for_a_model_too(api: Spec) -> None:
    question = "create a park place called Banner"
    sources = (said(question, "name", "Banner"), said(question, "place_type", "park", "PARK"))
    assert reasons(api, "createPlace", question, *sources, traced=True) == ""
    labelled = "create a park with the place Banner"
    sources = (said(labelled, "name", "Banner"), said(labelled, "place_type", "park", "PARK"))
    assert "may not be meant as name" in reasons(api, "createPlace", labelled, *sources, traced=True)
