"""The workflow that a sentence means."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.workflows.plain_match import WorkflowIndex
from nlapi.workflows.read import parse_document
from nlapi.workflows.sources import LinkedDocument, link
from nlapi.workflows.suggest import suggest
from tests.tables import table

UNRELATED = Path(__file__).parents[2] / "benchmarks" / "workflow_unrelated.txt"


@cache
def ads() -> LinkedDocument:
    description = nlapi.load("ads")
    return link(parse_document(suggest(description)), loader=lambda _: description)


@cache
def index() -> WorkflowIndex:
    return WorkflowIndex([ads()])


@table(
    ("question", "id"),
    [
        ("prepare a draft, check it and release it", "create-validate-and-publish-draft"),
        ("upload a picture and make an ad of it when it is ready", "upload-asset-and-wait-for-asset-and-create-ad"),
        ("make a new audience and wait for it", "create-and-wait-for-audience"),
    ],
)
def test_a_sentence_finds_its_workflow(question: str, id: str) -> None:
    assert index().search(question)[0].workflow.id == id


def test_the_words_of_a_workflow_itself_are_confident() -> None:
    (first, *others) = index().search("Create a draft, validate it and publish it")
    assert first.workflow.id == "create-validate-and-publish-draft"
    assert first.is_confident
    assert not any(match.is_confident for match in others)


def test_a_document_needs_no_description() -> None:
    (first, *_) = WorkflowIndex([ads().document]).search("create a draft, validate it and publish it")
    assert first.workflow.id == "create-validate-and-publish-draft"
    assert first.document is ads().document


def test_a_question_about_something_else_is_never_confident() -> None:
    for question in UNRELATED.read_text(encoding="utf-8").splitlines():
        assert not any(match.is_confident for match in index().search(question)), question


def test_nothing_finds_nothing() -> None:
    assert WorkflowIndex([]).search("create a draft") == []
    assert index().search("") == []


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60), st.integers(min_value=1, max_value=4))
def test_any_text_is_ranked(question: str, limit: int) -> None:
    matches = index().search(question, limit)
    assert len(matches) <= limit
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
    assert all(0.0 <= match.coverage <= 1.0 for match in matches)
