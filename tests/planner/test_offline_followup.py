"""Questions that lean on the turns before them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step
from nlapi.tools.tool import Call
from tests.planner.club import club
from tests.planner.kit import library, only, reply
from tests.planner.test_offline_steps import shelves
from tests.tables import table

BOOKS = [{"id": n, "title": title} for n, title in enumerate(("Dune", "Emma", "Ulysses"), 1)]


def club_api(call: Call) -> Any:
    if call.operation_id == "listBooks":
        page = call.arguments.get("page", 1)
        return reply({"items": BOOKS if page == 1 else [{"id": 9, "title": "Iliad"}], "total": 4})
    if call.operation_id == "listLoans":
        return [{"id": 5}]
    return {"id": call.arguments.get("book_id"), "title": "?"}


class Chat:
    """A conversation with scripted answers; changes are refused."""

    def __init__(self, api: Spec, answers: Any) -> None:
        self.planner, self.answers = OfflinePlanner((api,)), answers
        self.conversation = Conversation(turns=())

    def say(self, text: str) -> list[Plan]:
        """Every plan of one turn, kept as the command line keeps it."""
        self.conversation, plans = self.conversation.with_question(text), []
        for _ in range(12):
            plan = asyncio.run(self._next())
            plans.append(plan)
            if plan.missing or not plan.calls:
                if not plan.missing:
                    self.conversation = self.conversation.with_round(Round(plan=plan))
                return plans
            steps = tuple(map(self._step, plan.calls))
            self.conversation = self.conversation.with_round(Round(plan=plan, steps=steps))
            if any(step.outcome is Outcome.REFUSED for step in steps):
                return plans
        raise AssertionError("no end to it")

    async def _next(self) -> Plan:
        return [piece async for piece in self.planner.next(self.conversation) if isinstance(piece, Plan)][-1]

    def _step(self, call: Call) -> Step:
        if call.tool.effect != "read":
            return Step(call=call, outcome=Outcome.REFUSED, message="no consent")
        answer = self.answers(call)
        return Step(call=call, outcome=Outcome.ANSWERED, result=answer if hasattr(answer, "status") else reply(answer))


@pytest.fixture
def books() -> Chat:
    chat = Chat(club(), club_api)
    chat.say("list the books")
    return chat


@pytest.mark.parametrize(
    ("text", "book"),
    [
        ("the first one", 1),
        ("show me the second one", 2),
        ("show the last book", 3),
        ("get the third", 3),
        ("show number 2", 2),
        ("show the 2nd one", 2),
    ],
)
def test_a_thing_is_meant_by_its_place_in_the_list_before(books: Chat, text: str, book: int) -> None:
    assert only(books.say(text)[0]) == ("getBook", {"book_id": book})


def test_a_place_is_one_in_the_list_also_after_one_of_it_was_shown(books: Chat) -> None:
    books.say("show the first one")
    assert only(books.say("delete the last one")[0]) == ("deleteBook", {"book_id": 3})


def test_a_place_that_is_not_there_is_said_to_be_missing(books: Chat) -> None:
    made = books.say("delete the fifth one")[0]
    assert made.calls == ()
    assert "Only 3 books" in made.text


def test_it_is_what_the_last_answer_was_about(books: Chat) -> None:
    books.say("show the second one")
    assert only(books.say("delete it")[0]) == ("deleteBook", {"book_id": 2})
    assert only(books.say("delete that book")[0]) == ("deleteBook", {"book_id": 2})


def test_it_after_a_list_of_several_is_asked_about(books: Chat) -> None:
    made = books.say("delete it")[0]
    assert made.calls == ()
    assert made.text == "Which one? There are 3 books: Dune, Emma, Ulysses."


def test_yes_is_consent_sought_again_for_the_call_that_was_shown(books: Chat) -> None:
    books.say("delete the second one")
    assert only(books.say("yes")[0]) == ("deleteBook", {"book_id": 2})
    assert books.say("no")[0].text == "Nothing was done."


def test_the_next_page_and_then_no_more(books: Chat) -> None:
    assert only(books.say("next page")[0]) == ("listBooks", {"page": 2})
    assert books.say("more")[0].text == "That was all of them."


@pytest.mark.parametrize("text", ["and the novels?", "only novel", "what about novels"])
def test_a_filter_alone_goes_on_with_the_last_list(books: Chat, text: str) -> None:
    assert only(books.say(text)[0]) == ("listBooks", {"genre": "novel"})


@pytest.mark.parametrize("text", ["how many are there?", "which has the lowest id?", "how many of them are novels?"])
def test_what_is_asked_of_all_that_was_listed_lists_it_again(books: Chat, text: str) -> None:
    assert only(books.say(text)[0])[0] == "listBooks"


@pytest.mark.parametrize("text", ["delete all of them", "delete these"])
def test_a_pronoun_is_not_for_items_on_pages_that_were_not_shown(books: Chat, text: str) -> None:
    listing, *_, last = books.say(text)
    assert only(listing) == ("listBooks", {})
    assert last.text == (
        "Nothing was changed: 3 were shown, and the list has 4 or others now; list all of them, or name them."
    )


def test_the_plural_is_for_all_pages(books: Chat) -> None:
    *_, changes = books.say("delete the books")
    assert [call.arguments for call in changes.calls] == [{"book_id": id} for id in (1, 2, 3, 9)]


def test_a_pronoun_after_several_changes_or_nothing_means_nothing(books: Chat) -> None:
    books.say("delete these: 1")
    assert not [call for call in books.say("delete them")[0].calls if call.effect != "read"]


def test_a_pronoun_after_a_question_without_an_answer_is_for_the_list_before_it(books: Chat) -> None:
    books.say("frobnicate the widgets")
    assert only(books.say("delete them")[0]) == ("listBooks", {})


def test_both_of_three_are_asked_about(books: Chat) -> None:
    made = books.say("delete both of them")[0]
    assert made.missing or made.confidence < 0.4


def test_what_the_list_cannot_be_narrowed_by_is_said(books: Chat) -> None:
    assert books.say("the ones in leather")[0].text == "'List books' has no argument for that."


def test_whether_it_is_so_is_read_and_not_changed() -> None:
    chat = Chat(library(), shelves)
    chat.say("show the shelf Poetry")
    made = chat.say("is it paused?")
    assert only(made[0]) == ("getShelf", {"shelf_id": "sh_2"})
    assert made[-1].text == "Yes: the shelf Poetry (sh_2) has status PAUSED."


def test_what_a_thing_has_goes_on_with_the_thing() -> None:
    chat = Chat(library(), shelves)
    chat.say("show the shelf Poetry")
    assert only(chat.say("its books")[0]) == ("listBooks", {"shelf_id": "sh_2"})
    chat.say("show the shelf Poetry")
    assert only(chat.say("pause it")[0]) == ("updateShelf", {"shelf_id": "sh_2", "status": "PAUSED"})


def test_another_name_goes_on_with_the_last_read() -> None:
    chat = Chat(library(), shelves)
    chat.say("show the shelf Poetry")
    look, shown, *_ = chat.say("what about Summer Reading?")
    assert only(look)[0] == "listShelves"
    assert only(shown) == ("getShelf", {"shelf_id": "sh_1"})


def test_a_reply_gives_what_was_asked_for() -> None:
    chat = Chat(library(), shelves)
    assert chat.say("get a shelf")[0].missing[0].argument == "shelf_id"
    assert only(chat.say("sh_2")[0]) == ("getShelf", {"shelf_id": "sh_2"})


def test_a_question_of_its_own_is_no_reply() -> None:
    chat = Chat(library(), shelves)
    chat.say("get a shelf")
    assert only(chat.say("list the books")[0]) == ("listBooks", {})


def test_a_number_chooses_among_those_that_answer_to_a_name() -> None:
    both = [{"id": "sh_1", "name": "Summer A"}, {"id": "sh_2", "name": "Summer B"}]
    chat = Chat(library(), lambda call: both if call.operation_id == "listShelves" else {})
    assert chat.say("delete the summer shelf")[-1].missing[0].choices == ("sh_1", "sh_2")
    assert only(chat.say("2")[-1]) == ("deleteShelf", {"shelf_id": "sh_2"})


@table("text", ["yes", "more", "ok"])
def test_what_leans_on_nothing_is_said_to(text: str) -> None:
    chat = Chat(library(), shelves)
    chat.say("what is the weather in Paris?")
    assert chat.say(text)[0].calls == ()


def test_things_are_compared_in_the_last_list_though_one_was_looked_at_since() -> None:
    chat = Chat(club(), club_api)
    chat.say("list the books")
    chat.say("the second one")
    assert chat.say("how many of them are there?")[0].calls[0].operation_id == "listBooks"


def test_what_about_something_that_the_api_cannot_be_asked() -> None:
    chat = Chat(club(), club_api)
    chat.say("list the books")
    (told,) = chat.say("what about the weather in spring?")
    assert told.calls == ()
    assert "has no argument for that" in told.text
