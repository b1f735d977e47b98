"""Readers that ask again and again: what they have already is not sent again."""

from __future__ import annotations

from nlapi.gateway.http.description import load_description
from tests.gateway.kit import Talk
from tests.tables import table

WATCHED = (
    "/v1/configuration", "/v1/revisions", "/v1/revisions/1", "/v1/objectives", "/v1/objectives/recommend",
    "/v1/canaries", "/v1/shards", "/v1/rules", "/v1/models/ranker/versions", "/v1/traffic",
    "/v1/objectives/recommend/openapi.json",
)  # fmt: skip


@table("path", WATCHED)
def test_what_has_not_changed_is_not_sent_again(talk: Talk, path: str) -> None:
    first = talk("GET", path)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for header in (etag, f'"other", {etag}', "*", f"W/{etag.removeprefix('W/')}"):
        again = talk("GET", path, headers={"If-None-Match": header})
        assert (again.status, again.headers["etag"], again.content) == (304, etag, b""), header
    assert talk("HEAD", path, headers={"If-None-Match": etag}).status == 304
    for header in ('"other"', "nonsense", '""'):
        assert talk("GET", path, headers={"If-None-Match": header}).content == first.content


def test_a_change_is_seen(talk: Talk) -> None:
    etags = {path: talk("GET", path).headers["etag"] for path in WATCHED}
    talk.ok("POST", "/v1/rules", {"name": "brazil", "objective": "recommend", "when": {"country": ["BR"]},
                                  "model": "popular", "version": "v1"})  # fmt: skip
    talk.ok("PATCH", "/v1/models/ranker/versions/v7", {"description": "another"})
    talk.ok("POST", "/v1/shards", {"name": "gpu", "protocol": "json", "endpoints": ["http://127.0.0.1:9"]})
    talk.ok("POST", "/v1/canaries", {"objective": "payment-fraud", "model": "fraud", "version": "v2", "percent": 5})
    unseen = [path for path, etag in etags.items() if talk("GET", path, headers={"If-None-Match": etag}).status != 200]
    assert unseen == []


def test_every_collection_is_watched(talk: Talk) -> None:
    paths = load_description().tree["paths"]
    collections = [
        path.replace("{model}", "ranker")
        for path, item in paths.items()
        if any(parameter.get("$ref", "").endswith("/Limit") for parameter in item.get("get", {}).get("parameters", ()))
    ]
    assert len(collections) == 17
    for path in collections:
        etag = talk("GET", path).headers.get("etag", "")
        assert talk("GET", path, headers={"If-None-Match": etag}).status == 304, path


def test_a_page_and_a_filter_have_tags_of_their_own(talk: Talk) -> None:
    etag = talk("GET", "/v1/objectives", limit=1).headers["etag"]
    assert talk("GET", "/v1/objectives", limit=2, headers={"If-None-Match": etag}).status == 200
    assert talk("GET", "/v1/objectives", limit=1, headers={"If-None-Match": etag}).status == 304


def test_a_tag_opens_nothing(talk: Talk) -> None:
    etag = {"If-None-Match": "*"}
    assert talk.as_("")("GET", "/v1/configuration", headers=etag).status == 401
    assert talk.as_("web")("GET", "/v1/configuration", headers=etag).status == 403
    assert talk("GET", "/v1/objectives/nothing", headers=etag).status == 404


def test_the_tag_of_a_revision_serves_for_a_change(talk: Talk) -> None:
    etag = talk("GET", "/v1/configuration").headers["etag"]
    body = {"owner": "platform"}
    assert talk("PATCH", "/v1/objectives/recommend", body, headers={"If-Match": etag}).status == 200
    assert talk("PATCH", "/v1/objectives/recommend", body, headers={"If-Match": etag}).status == 412


def test_what_has_traffic_in_it_is_always_sent(talk: Talk) -> None:
    canary = {"objective": "payment-fraud", "model": "fraud", "version": "v2", "percent": 5}
    talk.ok("POST", "/v1/canaries", canary)
    for path in ("/v1/canaries/payment-fraud", "/v1/models/ranker/versions/v7"):
        etag = talk("GET", path).headers["etag"]
        assert talk("GET", path, headers={"If-None-Match": etag}).status == 200
