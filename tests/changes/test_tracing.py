"""Where the values of a call that a model wrote come from."""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nlapi.changes.sentences import UserSentence
from nlapi.changes.tracing import trace_call
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Conversation, Plan, Round, Step, ask
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from tests.changes.kit import BACK_TO_SCHOOL, LISTED, SUMMER, answered, call, loaded
from tests.tables import table

TODAY = date(2026, 7, 1)  # a Wednesday


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    return loaded(tmp_path_factory.mktemp("described"))


def account(made: Call, question: str, *steps: Step) -> Account:
    return trace_call(made, ask(question), steps, today=TODAY)


def source(made: Call, question: str, argument: str, *steps: Step) -> ValueSource:
    found = account(made, question, *steps).of(argument)
    assert len(found) == 1
    return found[0]


SAID: list[tuple[str, str, Any]] = [
    ("create a campaign called Fall", "name", "Fall"),
    ('create a campaign called "Back to  School"', "name", "Back to School"),
    ("create a campaign called BACK TO SCHOOL", "name", "Back to School"),
    ("create the campaign “Früh-Jahr 7”.", "name", "Früh-Jahr 7"),
    ("create a campaign with $50 a day", "daily_budget_micros", 50_000_000),
    ("create a campaign with $50 a day", "daily_budget_micros", "$50"),
    ("create a campaign with 50 dollars a day", "daily_budget_micros", "$50"),
    ("create a campaign with $50/day", "daily_budget_micros", 50_000_000),
    ("create a campaign with 1,250.50 EUR", "daily_budget_micros", 1_250_500_000),
    ("create a campaign with €5k", "daily_budget_micros", 5_000_000_000),
    ("create a campaign with five dollars", "daily_budget_micros", 5_000_000),
    ("create a campaign that starts August 3rd", "start_date", "2026-08-03"),
    ("create a campaign that starts 3 August", "start_date", "2026-08-03"),
    ("create a campaign that starts 2026-08-03", "start_date", "2026-08-03"),
    ("create a campaign that starts tomorrow", "start_date", "2026-07-02"),
    ("create a campaign that starts on Friday", "start_date", "2026-07-03"),
    ("create a campaign that starts in two weeks", "start_date", "2026-07-15"),
    ("create a campaign for ada@example.org", "owner_email", "ada@example.org"),
    ("create a paused campaign", "status", "PAUSED"),
    ("create a shared campaign", "shared", True),
    ("create a campaign that is not shared", "shared", False),
]


@table(("question", "argument", "value"), SAID)
def test_a_value_is_said_in_the_forms_that_people_write(spec: Spec, question: str, argument: str, value: Any) -> None:
    found = source(call(spec, "createCampaign", **{argument: value}), question, argument)
    assert found.origin is Origin.WORDS
    assert found.words == question[found.start : found.end] or not found.words


UNSAID: list[tuple[str, str, Any]] = [
    ("create a campaign called Fall-2", "name", "Fall"),
    ("create a campaign called data.backup", "name", "data"),
    ('create a campaign called "Back to School"', "name", "Back"),
    ("create a campaign called Fall", "name", "the Fall campaign"),
    ("create the campaign", "name", "the"),
    ("create a campaign with $50", "daily_budget_micros", 50),
    ("create a campaign with $50", "daily_budget_micros", "€50"),
    ("create a campaign called cmp_50", "daily_budget_micros", 50_000_000),
    ("create a campaign called Fall", "daily_budget_micros", 50_000_000),
    ("create a campaign that starts August 3rd", "start_date", "2026-08-04"),
    ("create a campaign that starts August 3rd", "start_date", "2025-08-03"),
    ("create a campaign for ada@example.org", "owner_email", "ada"),
    ("create a campaign for adalbert", "owner_email", "ada"),
    ("create a campaign called active-users", "status", "ACTIVE"),
    ("create a campaign", "status", "PAUSED"),
    ("create a campaign", "shared", True),
    ("create a campaign that is not shared", "shared", True),
    ("create a shared campaign", "shared", False),
    ("create a campaign called Fall", "note", "A campaign for the fall season."),
]


@table(("question", "argument", "value"), UNSAID)
def test_what_is_not_said_is_said_by_nobody(spec: Spec, question: str, argument: str, value: Any) -> None:
    assert source(call(spec, "createCampaign", **{argument: value}), question, argument).origin is Origin.NOBODY


@table(
    ("question", "status"),
    [
        ("pause the campaign cmp_1", "PAUSED"),
        ("please pause cmp_1", "PAUSED"),
        ("resume cmp_1", "ACTIVE"),
        ("archive cmp_1", "ARCHIVED"),
        ("find cmp_1 and pause it", "PAUSED"),
    ],
)
def test_the_verb_says_a_state(spec: Spec, question: str, status: str) -> None:
    made = call(spec, "updateCampaign", campaign_id="cmp_1", status=status)
    assert source(made, question, "status").origin is Origin.VERB


@pytest.mark.parametrize(
    ("question", "status"), [("pause cmp_1", "ACTIVE"), ("the pause of cmp_1 is long", "PAUSED_BY")]
)
def test_it_says_no_other_state(spec: Spec, question: str, status: str) -> None:
    made = call(spec, "updateCampaign", campaign_id="cmp_1", status=status)
    assert source(made, question, "status").origin is Origin.NOBODY


def test_each_item_of_a_list_has_its_source(spec: Spec) -> None:
    made = call(spec, "createCampaign", name="Fall", tags=["red", "blue"])
    found = account(made, "create a campaign called Fall with the tag red").of("tags")
    assert [(one.value, one.origin) for one in found] == [("red", Origin.WORDS), ("blue", Origin.NOBODY)]


def test_what_is_set_and_what_was_replied(spec: Spec) -> None:
    conversation = ask("create a campaign", {"owner_email": "ada@example.org"}).with_replies({"name": "Fall"})
    made = call(spec, "createCampaign", name="Fall", owner_email="ada@example.org")
    found = {one.argument: one.origin for one in trace_call(made, conversation).sources}
    assert found == {"name": Origin.REPLY, "owner_email": Origin.SETTING}


def listed(spec: Spec, *campaigns: Mapping[str, Any], **arguments: Any) -> Step:
    return answered(call(spec, "listCampaigns", **arguments), {"data": list(campaigns)})


def test_the_id_of_a_thing_that_the_user_named_is_looked_up(spec: Spec) -> None:
    made = call(spec, "deleteCampaign", campaign_id="cmp_1")
    found = source(
        made, "delete the campaign Back to School", "campaign_id", answered(call(spec, "listCampaigns"), LISTED)
    )
    assert (found.origin, found.words, found.name) == (Origin.LOOKUP, "Back to School", "Back to School")
    assert found.start == len("delete the campaign ")


def test_the_only_thing_of_a_list_that_was_filtered_by_his_words_is_looked_up(spec: Spec) -> None:
    step = listed(spec, BACK_TO_SCHOOL, q="school")
    found = source(call(spec, "deleteCampaign", campaign_id="cmp_1"), "delete the campaign school", "campaign_id", step)
    assert (found.origin, found.words, found.name) == (Origin.LOOKUP, "school", "Back to School")


@table(
    ("question", "campaigns"),
    [
        ("delete the campaign Back to School", [BACK_TO_SCHOOL, {**SUMMER, "name": "Back to School"}]),
        ("delete the campaign Summer Sale", [BACK_TO_SCHOOL, SUMMER]),
        ("delete the campaign", [BACK_TO_SCHOOL]),
        ("delete the campaign Back", [BACK_TO_SCHOOL]),
        ("delete the campaign Fall", [{**BACK_TO_SCHOOL, "note": "Fall"}]),
        ("delete the campaign Fall", [{**BACK_TO_SCHOOL, "note": "cmp_1 is Fall"}]),
    ],
)
def test_an_id_that_the_words_do_not_name_alone_is_the_answers(
    spec: Spec, question: str, campaigns: list[dict[str, Any]]
) -> None:
    made = call(spec, "deleteCampaign", campaign_id="cmp_1")
    assert source(made, question, "campaign_id", listed(spec, *campaigns)).origin is Origin.ANSWER


def test_an_update_may_repeat_what_is_there(spec: Spec) -> None:
    step = listed(spec, BACK_TO_SCHOOL, SUMMER)
    made = call(spec, "updateCampaign", campaign_id="cmp_1", status="PAUSED", daily_budget_micros=50_000_000)
    assert source(made, "pause the campaign Back to School", "daily_budget_micros", step).origin is Origin.LOOKUP
    other = call(spec, "updateCampaign", campaign_id="cmp_1", status="PAUSED", daily_budget_micros=20_000_000)
    assert source(other, "pause the campaign Back to School", "daily_budget_micros", step).origin is Origin.ANSWER


def test_an_earlier_question_says_a_value_without_a_place(spec: Spec) -> None:
    conversation = (
        ask("list the campaigns like Fall").with_round(Round(plan=Plan())).with_question("create one of that name")
    )
    (found,) = trace_call(call(spec, "createCampaign", name="Fall"), conversation).of("name")
    assert (found.origin, found.start, found.end) == (Origin.WORDS, -1, -1)


def test_a_bare_yes_is_about_the_question_before(spec: Spec) -> None:
    conversation: Conversation = ask("delete campaign cmp_1").with_round(Round(plan=Plan())).with_question("yes, do it")
    found = trace_call(call(spec, "deleteCampaign", campaign_id="cmp_1"), conversation)
    assert found.sentence == "delete campaign cmp_1"
    assert found.of("campaign_id")[0].start == len("delete campaign ")


@table(
    ("question", "unused"),
    [
        ("create a campaign called Fall", ()),
        ("please create a new campaign called Fall", ()),
        ("create a campaign called Fall for ada@example.org", ("ada@example.org",)),
        ('create a campaign called Fall with the note "so it is"', ("so it is",)),
        ("create a campaign called Fall with $50 a day", ("$50",)),
        ("create a campaign called Fall in Berlin", ("Berlin",)),
        ("create a campaign called Fall like cmp_7", ("cmp_7",)),
        ("create a campaign called Fall and delete the campaign cmp_7", ()),
    ],
)
def test_what_matters_and_is_in_no_value_is_unused(spec: Spec, question: str, unused: tuple[str, ...]) -> None:
    assert account(call(spec, "createCampaign", name="Fall"), question).unused == unused


def test_a_key_that_the_description_does_not_know_has_a_source_too(spec: Spec) -> None:
    made = call(spec, "createCampaign", name={"leak": "Fall"})
    assert [one.origin for one in account(made, "create a campaign called Fall").of("name")] == [
        Origin.NOBODY,
        Origin.WORDS,
    ]


# ---- whole words ------------------------------------------------------------------------------------------------

SHAPES = (
    *(
        "545-vtsl",
        "a.b",
        "arn:aws:s3:::bucket/key",
        "68w",
        "007",
        "v1.2.3",
        "2026-08-03-logs",
        "cmp_1",
        "x--y",
        "10.0.0.1",
    ),
    *("ada@example.org", "example.com", "example.com.", "a/b/c", "user:42", "k8s-pool", "2048-game", "77-e", "0x1F"),
    *("550e8400-e29b-41d4-a716-446655440000", "sha256:9f86d081", "#general", "@ada", "$HOME", "50ms", "3rd", "7up"),
    *("old_login", "data.backup", "éclair-1", "日本-2", "A1", "CA9f2c", "1e5", "1,5", "12%-off", "x+y", "a~b", "q=1"),
    *("readme.md", "..hidden", "_private", "UPPER-case", "i-0abc", "eu-west-1", "10:30-sync", "*.example.com"),
)


@table("id", SHAPES)
@table("shape", ["delete {} now", "delete {}", 'delete "{}"', "delete '{}'.", "delete `{}`, please"])
def test_an_id_between_blanks_or_quotes_is_said(id: str, shape: str) -> None:
    question = shape.format(id)
    mention = UserSentence(text=question).find_mention(id)
    assert mention is not None
    assert question[mention.start : mention.end] == id


@table("id", SHAPES)
def test_no_piece_of_an_id_is_said(id: str) -> None:
    sentence = UserSentence(text=f"delete {id} now")
    for start in range(len(id)):
        for end in range(start + 1, len(id) + 1):
            piece = id[start:end]
            if piece.strip("#@$.") != id.strip("#@$.") and any(map(str.isalnum, piece)):
                assert sentence.find_mention(piece) is None, piece


IDS = st.text(alphabet=string.ascii_letters + string.digits + "-_.:/", min_size=3, max_size=24).filter(
    lambda text: text[0].isalnum() and text[-1].isalnum()
)


@given(id=IDS, cut=st.data())
def test_what_is_cut_out_of_a_word_is_not_said(id: str, cut: st.DataObject) -> None:
    start = cut.draw(st.integers(0, len(id) - 1))
    end = cut.draw(st.integers(start + 1, len(id)))
    assume((start, end) != (0, len(id)))
    piece = id[start:end]
    assume(any(map(str.isalnum, piece)) and piece.lower() not in ("say", "twice"))
    assert UserSentence(text=f"say {id} twice").find_mention(piece) is None


@given(id=IDS, quotes=st.sampled_from(["", '""', "''", "“”", "``", "()", "[]"]))
def test_what_stands_between_blanks_or_quotes_is_said(id: str, quotes: str) -> None:
    assume(quotes or id.lower() not in ("the", "and", "for"))
    before, after = (quotes[0], quotes[1]) if quotes else ("", "")
    question = f"delete {before}{id}{after} at once"
    mention = UserSentence(text=question).find_mention(id)
    assert mention is not None or id.isalpha()
    assert mention is None or question[mention.start : mention.end] == id
