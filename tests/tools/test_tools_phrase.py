"""Short instructions are taken apart: verb, object, and what only qualifies the object."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nlapi.english.words import stem
from nlapi.tools.search.phrase import SearchIntent, WordRole, read_phrase
from tests.tables import table


def words(text: str, role: WordRole) -> list[str]:
    return [word.stem for word in read_phrase(text).words if word.role is role]


@table(
    ("text", "object"),
    [
        ("Create a new invoice document for a partner.", "new invoice document"),
        ("list the open issues of a repository", "open issues"),
        ("Retrieve the details of a specific task instance by its id", "specific task instance"),
        ("Get a list of all webhooks", "webhooks"),
        ("my open pull requests", "open pull requests"),
        ("which regions are there", "regions"),
        ("please show me the logs of a pod", "logs"),
    ],
)
def test_the_object_stands_before_the_first_preposition_and_behind_what_only_frames_it(text: str, object: str) -> None:
    assert words(text, WordRole.OBJECT) == [stem(word) for word in object.split()]


def test_what_qualifies_the_object_is_told_from_it() -> None:
    text = "Retrieve tasks in a workspace, filtered by tag (paged). Needs a token."
    assert words(text, WordRole.COMPLEMENT) == ["workspac"]
    assert words(text, WordRole.MODIFIER) == ["filter", "tag"]
    assert words(text, WordRole.ASIDE) == ["pag", "need", "token"]


@table(
    ("text", "verb"),
    [
        ("cancel a flow run", "cancel"),
        ("comment on a PR", "comment"),
        ("refund a payment", "refund"),
        ("Attaches supporting documents to the quote", "attach"),
        ("Submits a request to cancel an order", "cancel"),
        ("log in to a registry", "login"),
        ("failed flow runs", ""),
        ("container logs", ""),
        ("my open pull requests", ""),
        ("the balance", ""),
        ("orders of a customer", ""),
    ],
)
def test_the_verb(text: str, verb: str) -> None:
    assert read_phrase(text, nouns={"order"}).verb == verb


@table(
    ("text", "intent"),
    [
        ("list flows", SearchIntent.LIST),
        ("retrieve the orders", SearchIntent.LIST),
        ("get an order", SearchIntent.ITEM),
        ("find the vault by its name", SearchIntent.SEARCH),
        ("how many task runs are there", SearchIntent.COUNT),
        ("add a label", SearchIntent.CREATE),
        ("rename the run", SearchIntent.UPDATE),
        ("remove a label", SearchIntent.DELETE),
        ("fork this repo", SearchIntent.UNCLASSIFIED),
        ("failed flow runs", SearchIntent.PLURAL_NOUN),
        ("latest release", SearchIntent.NOUN),
    ],
)
def test_what_is_asked_for(text: str, intent: SearchIntent) -> None:
    assert read_phrase(text).intent is intent


def test_whose_things_are_meant_and_whether_one_is_named() -> None:
    mine, named = read_phrase("my invoices"), read_phrase("show me issue 7")
    assert (mine.is_about_caller, mine.has_possessive, mine.has_value) == (True, True, False)
    assert (named.is_about_caller, named.has_possessive, named.has_value) == (True, False, True)


def test_what_is_meant_and_not_said() -> None:
    assert {stem("permission"), stem("collaborator")} <= read_phrase("who can push to this repo").implied
    assert not read_phrase("push to this repo").implied


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    phrase = read_phrase(text)
    assert phrase.object <= phrase.stems
    assert phrase.plurals <= phrase.stems
