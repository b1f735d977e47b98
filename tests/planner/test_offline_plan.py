"""One sentence, one call: which operation, which arguments, what is missing, how sure."""

from __future__ import annotations

from nlapi.planner import plan
from nlapi.tools.compile import tools
from nlapi.tools.plan import KnownValues
from tests.planner.kit import TODAY, library, only, planned, planner
from tests.tables import table


def test_a_plural_noun_is_the_collection() -> None:
    assert only(planned("show me all the shelves")) == ("listShelves", {})


def test_an_adjective_that_is_an_enum_value_filters() -> None:
    assert only(planned("list the active shelves")) == ("listShelves", {"shelf_statuses": ["ACTIVE"]})


def test_of_two_filters_with_the_same_values_the_one_of_the_noun_is_taken() -> None:
    _, arguments = only(planned("which shelves are paused?"))
    assert arguments == {"shelf_statuses": ["PAUSED"]}


def test_what_is_called_something_gets_that_name() -> None:
    operation, arguments = only(planned("create a shelf called Science Fiction"))
    assert (operation, arguments) == ("createShelf", {"name": "Science Fiction"})


def test_money_becomes_micro_units_and_a_day_becomes_a_date() -> None:
    operation, arguments = only(planned('add a book titled "Dune" with a price of $12.50, published on March 3, 2024'))
    assert operation == "createBook"
    assert arguments == {"title": "Dune", "price_micros": 12_500_000, "published_on": "2024-03-03"}


def test_an_id_in_the_sentence_goes_to_the_path() -> None:
    assert only(planned("get book bk_42")) == ("getBook", {"book_id": "bk_42"})


def test_a_verb_can_be_the_value_of_a_status() -> None:
    assert only(planned("pause shelf sh_1")) == ("updateShelf", {"shelf_id": "sh_1", "status": "PAUSED"})
    assert only(planned("reactivate shelf sh_1")) == ("updateShelf", {"shelf_id": "sh_1", "status": "ACTIVE"})


def test_an_email_goes_where_one_is_wanted() -> None:
    operation, arguments = only(planned("lend book bk_42 to ann@example.com"))
    assert (operation, arguments) == ("lendBook", {"book_id": "bk_42", "reader_email": "ann@example.com"})


@table(
    ("words", "start", "end"),
    [
        ("last week", "2026-05-04", "2026-05-10"),
        ("last month", "2026-04-01", "2026-04-30"),
        ("March 2025", "2025-03-01", "2025-03-31"),
    ],
)
def test_a_stretch_of_days_fills_both_its_ends(words: str, start: str, end: str) -> None:
    operation, arguments = only(planned(f"report on the loans for {words}"))
    assert (operation, arguments) == ("getLoanReport", {"start_date": start, "end_date": end})


def test_from_and_to_fill_a_start_and_an_end() -> None:
    _, arguments = only(planned("report on loans from 2026-01-05 to 2026-02-07"))
    assert arguments == {"start_date": "2026-01-05", "end_date": "2026-02-07"}


def test_numbers_go_to_the_parameter_that_is_named() -> None:
    assert only(planned("list books under 30 dollars, limit 5")) == ("listBooks", {"max_price": 30, "limit": 5})


def test_a_default_that_is_not_mentioned_is_left_to_the_server() -> None:
    assert "limit" not in only(planned("list books"))[1]


def test_what_is_required_and_not_said_is_missing_and_never_made_up() -> None:
    made = planned("create a shelf")
    assert made.calls[0].arguments == {}
    assert [missing.argument for missing in made.missing] == ["name"]
    assert "name" in made.text


def test_missing_names_its_meaning() -> None:
    (missing,) = planned("get a book").missing
    assert (missing.argument, missing.description) == ("book_id", "Id of the book.")


def test_known_values_fill_arguments_of_that_name() -> None:
    assert only(planned("get the book", book_id="bk_7")) == ("getBook", {"book_id": "bk_7"})
    assert only(planned("list books", limit="3"))[1] == {"limit": 3}


def test_a_value_that_was_given_by_name_is_beaten_by_no_word_of_the_sentence() -> None:
    made = planned("get book bk_42", book_id="bk_7")
    assert only(made)[1] == {"book_id": "bk_7"}
    assert "bk_42" in made.understood  # as what was not used


def test_the_sentence_wins_over_what_was_answered_earlier_when_it_is_plain() -> None:
    earlier = KnownValues(fixed={}, remembered={"book_id": "bk_7"})
    assert only(planner().plan("get book bk_42", known=earlier))[1] == {"book_id": "bk_42"}
    assert only(planner().plan("get the book", known=earlier))[1] == {"book_id": "bk_7"}


@table("question", ["what is the weather in Paris?", "", "   ", "¿qué tiempo hace?", "?!", "the of and"])
def test_what_the_api_knows_nothing_of_is_said_to_be_so(question: str) -> None:
    made = planned(question)
    assert made.calls == ()
    assert made.confidence < 0.2
    assert "Library can, for example: List shelves; List books" in made.text


def test_unrelated_requests_in_one_sentence_are_planned_together() -> None:
    made = planned("create a shelf called Poetry and then delete shelf sh_9")
    assert [(call.operation_id, dict(call.arguments)) for call in made.calls] == [
        ("createShelf", {"name": "Poetry"}),
        ("deleteShelf", {"shelf_id": "sh_9"}),
    ]


def test_a_clear_sentence_is_surer_than_a_vague_one() -> None:
    clear, vague = planned("list the active shelves"), planned("something with loans maybe, whatever")
    assert clear.confidence > 0.6 > vague.confidence


def test_confidence_is_a_probability_and_alternatives_are_other_calls() -> None:
    made = planned("show the shelf sh_3")
    assert 0.0 <= made.confidence <= 1.0
    assert made.alternatives
    assert "getShelf" not in [call.operation_id for call in made.alternatives]


def test_tools_will_do_in_place_of_a_spec() -> None:
    made = plan("list the active shelves", tools(library()), today=TODAY)
    assert only(made) == ("listShelves", {"shelf_statuses": ["ACTIVE"]})


def test_the_same_question_gives_the_same_plan() -> None:
    first, second = planned("list books under $30"), planned("list books under $30")
    assert (only(first), first.confidence) == (only(second), second.confidence)


def test_ten_thousand_characters_are_read_in_part() -> None:
    made = planned("list the active shelves. " + "and so on and so forth " * 500)
    assert made.calls[0].operation_id == "listShelves"
