"""Finding the operations that some words are about."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import nlapi
from nlapi.openapi.cache import Cache
from nlapi.tools.search.index import Index
from tests.describe import spec
from tests.tables import table


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


@table(
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
    scores = [score for _, score in INDEX.search("ads", limit=3)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_extra_words_make_an_operation_findable() -> None:
    operations = spec({"/a": {"get": _operation("first")}, "/b": {"get": _operation("second")}}).operations
    index = Index(operations, lambda operation: "postcode" if operation.id == "second" else "")
    assert [operation.id for operation, _ in index.search("postcode")] == ["second"]


def test_what_the_descriptions_of_arguments_say_is_found() -> None:
    city = {"name": "q", "in": "query", "description": "The postcode that is looked up", "schema": {"type": "string"}}
    body = {"type": "object", "properties": {"v": {"type": "integer", "description": "The altitude in metres"}}}
    api = spec(
        {
            "/a": {"get": _operation("readA")},
            "/b": {"get": _operation("readB", parameters=[{"$ref": "#/components/parameters/city"}])},
            "/c": {"post": _operation("sendC", requestBody={"content": {"application/json": {"schema": body}}})},
        },
        components={"parameters": {"city": city}},
    )
    for words, id in (("postcode", "readB"), ("altitude", "sendC")):
        assert [operation.id for operation in nlapi.search(api, words)] == [id], words


def test_parts_of_operations_are_not_parsed() -> None:
    broken = {"/a": {"get": _operation("readA", parameters=[{"$ref": "#/nowhere"}])}}
    assert Index(spec(broken).operations).search("read a")


def test_an_index_of_nothing() -> None:
    assert Index(()).search("anything") == []


@given(st.text(max_size=200))
def test_any_text_can_be_searched_for(words: str) -> None:
    assert len(INDEX.search(words, limit=5)) <= 5


def _kept_in(folder: Path) -> Index:
    return Index(INDEX.operations, cache=Cache(folder=folder))


def test_an_index_that_was_kept_finds_the_same(tmp_path: Path) -> None:
    _kept_in(tmp_path)
    again = _kept_in(tmp_path)
    for words in ("create an ad", "show the ads of the ad set", "cancel the run", "bills"):
        assert again.search(words) == INDEX.search(words)
    assert len(list(tmp_path.iterdir())) == 1


@table("junk", [b"", b"{}", b'{"words":[],"shapes":[],"postings":{}}', b"\x00" * 80])
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
    found = INDEX.search("list the ads", limit=50, include_all=True)
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


def _index(paths: dict[str, Any], **document: Any) -> Index:
    return Index(spec(paths, **document).operations)


def first(index: Index, words: str) -> str:
    return next((operation.id for operation, _ in index.search(words)), "")


def test_a_post_that_reads_is_the_list() -> None:
    reads = {"x-nlapi-effect": "read"}
    index = _index(
        {
            "/flows/": {"post": _operation("create_flow", "Create Flow")},
            "/flows/{id}": {"get": _operation("read_flow", "Read Flow")},
            "/flows/filter": {"post": _operation("read_flows", "Read Flows", **reads)},
            "/flows/count": {"post": _operation("count_flows", "Count Flows", **reads)},
        }
    )
    assert first(index, "list flows") == "read_flows"
    assert first(index, "all flows") == "read_flows"
    assert first(index, "how many flows are there") == "count_flows"
    assert first(index, "create a flow") == "create_flow"


def test_the_form_of_an_answer_at_the_end_of_a_path_is_no_thing() -> None:
    index = _index(
        {
            "/containers/json": {"get": _operation("ContainerList", "List containers")},
            "/containers/{id}/json": {"get": _operation("ContainerInspect", "Inspect a container")},
            "/containers/{id}/pause": {"post": _operation("ContainerPause", "Pause a container")},
            "/containers/{id}/update": {"post": _operation("ContainerUpdate", "Update a container")},
        }
    )
    assert first(index, "list containers") == "ContainerList"
    assert first(index, "show a container") == "ContainerInspect"
    assert index.is_entity("container")
    assert not index.is_entity("json")


def test_the_verb_of_a_noun_creates_it() -> None:
    index = _index(
        {
            "/refunds": {"get": _operation("GetRefunds"), "post": _operation("PostRefunds", "Create a refund.")},
            "/refunds/{refund}": {"get": _operation("GetRefund"), "post": _operation("PostRefund", "Update a refund.")},
            "/refunds/{refund}/cancel": {"post": _operation("PostRefundCancel", "Cancel a refund.")},
            "/payments": {"get": _operation("GetPayments"), "post": _operation("PostPayments")},
        }
    )
    assert first(index, "refund a payment") == "PostRefunds"


MINE = {
    "/repositories": {"get": _operation("repos/list-public", "List public repositories")},
    "/user/repos": {"get": _operation("repos/list-for-authenticated-user", "List repositories of the user")},
    "/repos/{repo}/pulls": {"get": _operation("pulls/list", "List pull requests")},
    "/repos/{repo}/pulls/{number}": {"get": _operation("pulls/get", "Get a pull request")},
    "/repos/{repo}/pulls/{number}/comments": {"post": _operation("pulls/create-comment", "Create a comment")},
    "/repos/{repo}/collaborators": {"get": _operation("repos/list-collaborators", "List collaborators")},
    "/repos/{repo}/pushes": {"get": _operation("repos/list-pushes", "List pushes of a repository")},
}


@table(
    ("words", "operation"),
    [
        ("my repositories", "repos/list-for-authenticated-user"),
        ("list public repos", "repos/list-public"),
        ("my open pull requests", "pulls/list"),
        ("show PR 7", "pulls/get"),
        ("comment on a PR", "pulls/create-comment"),
    ],
)
def test_whose_things_and_abbreviations(words: str, operation: str) -> None:
    assert first(_index(MINE), words) == operation


def test_who_can_asks_for_those_who_have_access() -> None:
    found = [operation.id for operation, _ in _index(MINE).search("who can push to this repo", 2)]
    assert "repos/list-collaborators" in found


def test_somebody_who_asks_for_himself_finds_nothing_by_that() -> None:
    assert _index(MINE).search("tell me the weather") == []


def test_an_operation_is_found_by_the_names_of_its_arguments() -> None:
    schema = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"voltage": {"type": "number"}}}]}
    body = {"content": {"application/json": {"schema": schema}}}
    index = _index(
        {
            "/a": {"post": _operation("first", requestBody=body)},
            "/b": {"get": _operation("second", parameters=[{"$ref": "#/components/parameters/Postcode"}, 7])},
            "/c": {"get": _operation("third", requestBody={"$ref": "#/nowhere"})},
        },
        components={
            "schemas": {"Base": {"properties": {"colour": {}}, "allOf": [{"$ref": "#/components/schemas/Base"}]}}
        },
    )
    assert first(index, "voltage") == "first"
    assert first(index, "colour") == "first"
    assert first(index, "postcode") == "second"


def test_what_is_first_is_so_however_many_are_wanted() -> None:
    for words in ("create an ad", "archiving of ads", "ads"):
        assert len({INDEX.search(words, k)[0][0].id for k in (1, 3, 10, 60)}) == 1


def test_a_doer_is_found_by_what_he_does() -> None:
    index = _index(
        {
            "/shows/{id}/followers": {"get": _operation("getFollowers", "List followers")},
            "/shows/{id}/episodes": {"get": _operation("getEpisodes", "List episodes")},
        }
    )
    assert first(index, "who follows a show") == "getFollowers"


def test_a_path_that_ends_in_two_words_of_reading_is_indexed() -> None:
    index = Index(spec({"/users/search/query": {"get": _operation("findUsers")}}).operations)
    assert [operation.id for operation, _ in index.search("find users")] == ["findUsers"]


def test_people_need_not_know_the_words_of_the_api() -> None:
    api = spec(
        {
            "/appointments/{id}/cancel": {"post": _operation("cancelAppointment")},
            "/appointments": {"get": _operation("listAppointments"), "post": _operation("createAppointment")},
            "/account/balance": {"get": _operation("getBalance"), "put": _operation("setBalance")},
        }
    )
    for words, id in (("call off the visit", "cancelAppointment"), ("what can I still spend", "getBalance")):
        assert nlapi.search(api, words)[0].id == id, words
