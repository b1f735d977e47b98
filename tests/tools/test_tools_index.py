"""Finding the operations that some words are about."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.openapi.cache import Cache
from nlapi.tools.index import Index
from tests.describe import spec


def _operation(id: str, summary: str = "", **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "responses": {"200": {"description": "ok"}}, **more}


def _both(list_id: str, create_id: str) -> dict[str, Any]:
    return {"get": _operation(list_id), "post": _operation(create_id)}


INDEX = Index(
    spec(
        {
            "/ad-sets": _both("listAdSets", "createAdSet"),
            "/ads": _both("listAds", "createAd"),
            "/ads/{ad_id}": {
                "get": _operation("getAd"),
                "patch": _operation("updateAd"),
                "delete": _operation("deleteAd"),
            },
            "/drafts/ads": _both("listAdDrafts", "createAdDraft"),
            "/ads/{ad_id}/archive": {"post": _operation("archiveAd")},
            "/books": _both("listBooks", "addBook"),
            "/books/{isbn}": {"get": _operation("getBook", "Get a book by its ISBN")},
            "/invoices": {"get": _operation("listInvoices", description="Bills, and whether they are overdue.")},
            "/runs/{id}/cancel": {"post": _operation("cancelRun")},
            "/runs/{id}": {"delete": _operation("deleteRun"), "get": _operation("getRun")},
        }
    ).operations
)


def found(words: str) -> list[str]:
    return [operation.id for operation, _ in INDEX.search(words)]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("list the ads", "listAds"),
        ("show me all ad sets", "listAdSets"),
        ("ads", "listAds"),
        ("get an ad", "getAd"),
        ("create an ad", "createAd"),
        ("add an ad set", "createAdSet"),
        ("make a new draft ad", "createAdDraft"),
        ("rename the ad", "updateAd"),
        ("remove an ad", "deleteAd"),
        ("archiving of ads", "archiveAd"),
        ("cancel the run", "cancelRun"),
        ("delete the run", "deleteRun"),
        ("list books", "listBooks"),
        ("get a book", "getBook"),
        ("which bills are overdue?", "listInvoices"),
        ("getAdSets", "listAdSets"),
        ("show the ads of the ad set", "listAds"),
    ],
)
def test_the_operation_that_words_are_about_comes_first(words: str, first: str) -> None:
    assert found(words)[0] == first


def test_a_draft_is_not_meant_when_nobody_says_so() -> None:
    order = found("create an ad")
    assert order.index("createAd") < order.index("createAdDraft")


def test_words_that_no_operation_has_find_nothing() -> None:
    assert found("weather in Paris") == []
    assert found("") == []
    assert found("the of and") == []


def test_scores_fall_and_k_limits_them() -> None:
    scores = [score for _, score in INDEX.search("ads", k=3)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_extra_words_make_an_operation_findable() -> None:
    operations = spec({"/a": {"get": _operation("first")}, "/b": {"get": _operation("second")}}).operations
    index = Index(operations, lambda operation: "postcode" if operation.id == "second" else "")
    assert [operation.id for operation, _ in index.search("postcode")] == ["second"]


def test_parts_of_operations_are_not_parsed() -> None:
    broken = {"/a": {"get": _operation("readA", parameters=[{"$ref": "#/nowhere"}])}}
    assert Index(spec(broken).operations).search("read a")


def test_an_index_of_nothing() -> None:
    assert Index(()).search("anything") == []


@given(st.text(max_size=200))
def test_any_text_can_be_searched_for(words: str) -> None:
    assert len(INDEX.search(words, k=5)) <= 5


def _kept_in(folder: Path) -> Index:
    return Index(INDEX.operations, cache=Cache(folder=folder))


def test_an_index_that_was_kept_finds_the_same(tmp_path: Path) -> None:
    _kept_in(tmp_path)
    again = _kept_in(tmp_path)
    for words in ("create an ad", "show the ads of the ad set", "cancel the run", "bills"):
        assert again.search(words) == INDEX.search(words)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("junk", [b"", b"{}", b'{"words":[],"shapes":[],"postings":{}}', b"\x00" * 80])
def test_what_is_kept_and_damaged_is_made_anew(tmp_path: Path, junk: bytes) -> None:
    _kept_in(tmp_path)
    (file,) = tmp_path.iterdir()
    digest = hashlib.sha256(junk).hexdigest().encode()
    for damaged in (junk, digest + b"\n" + junk):
        file.write_bytes(damaged)
        assert _kept_in(tmp_path).search("create an ad") == INDEX.search("create an ad")


def test_other_operations_do_not_get_what_was_kept(tmp_path: Path) -> None:
    _kept_in(tmp_path)
    fewer = Index(INDEX.operations[:3], cache=Cache(folder=tmp_path))
    assert [operation.id for operation, _ in fewer.search("books")] == []


def test_every_operation_can_be_had_with_its_score() -> None:
    found = INDEX.search("list the ads", k=50, every=True)
    assert len(found) == len(INDEX)
    assert found[0][0].id == "listAds"


def test_a_word_that_the_api_does_not_use_finds_what_it_calls_by_another() -> None:
    index = Index(
        spec(
            {
                "/instances/{id}/reboot": {"post": _operation("rebootInstance")},
                "/promo-codes": {"post": _operation("redeemPromoCode")},
            }
        ).operations
    )
    assert [one.id for one, _ in index.search("restart machine 5", 1)] == ["rebootInstance"]
    assert [one.id for one, _ in index.search("use a voucher", 1)] == ["redeemPromoCode"]
