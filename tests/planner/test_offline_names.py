"""Names with figures and days in them, bare numbers that are no ids, and what a page, a limit and an order are."""

from __future__ import annotations

from typing import Any

from tests.planner.club import club
from tests.planner.kit import only, planner
from tests.tables import table

CLUB = planner(club())


@table("title", ["Vol 2", "Catch 22", "Area 51", "Fahrenheit 451", "Spring 2026"])
def test_a_number_in_a_name_is_part_of_the_name(title: str) -> None:
    made = CLUB.plan(f"delete the book {title}")
    assert only(made)[0] == "listBooks"
    assert f"the book called {title!r}, then Delete a book" in made.understood


@table("words", ["book 4", "Book 4", "book #4", "book number 4", "book with id 4", "book no. 4"])
def test_a_number_after_the_noun_is_an_id(words: str) -> None:
    assert only(CLUB.plan(f"get {words}")) == ("getBook", {"book_id": 4})


def test_an_hour_is_no_id() -> None:
    made = CLUB.plan("create a meeting for tomorrow at 10 with topic Standup")
    assert only(made) == ("createMeeting", {"topic": "Standup", "start_time": "2026-05-14T10:00:00Z"})
    assert [missing.argument for missing in made.missing] == ["member_id"]


@table("name", ["Black Friday Preview", "Black Friday", "March Madness", "Super Sunday Sale"])
def test_a_day_in_a_name_is_no_date(name: str) -> None:
    made = CLUB.plan(f"pause the campaign {name}")
    assert only(made) == ("listCampaigns", {})
    assert f"campaign_id=the id of {name!r}, status=PAUSED" in made.understood
    assert "_date" not in made.understood


def test_a_day_beside_a_name_is_a_date() -> None:
    assert only(CLUB.plan("book the room Blue on Friday"))[1] == {"room": "Blue", "day": "2026-05-15"}
    assert only(CLUB.plan("set the end date of campaign 4 to Friday"))[1]["end_date"] == "2026-05-15"


@table(
    ("question", "arguments"),
    [
        ("sort books by year, newest first", {"sort": "-year"}),
        ("list books sorted by title descending", {"sort": "-title"}),
        ("list books sorted by title", {"sort": "title"}),
        ("list books, second page, 2 per page", {"page": 2, "per_page": 2}),
        ("show page 3 of the books", {"page": 3}),
        ("list 3 books", {"per_page": 3}),
        ("show the first 5 books", {"per_page": 5}),
        ("list nineteen books", {"per_page": 19}),
    ],
)
def test_order_page_and_limit(question: str, arguments: dict[str, Any]) -> None:
    assert only(CLUB.plan(question)) == ("listBooks", arguments)
