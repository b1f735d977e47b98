"""The planner on whole descriptions: the bundled one, and the Spotify Ads API where it is at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from tests.planner.kit import only
from tests.strategies import examples
from tests.tables import table

TODAY = date(2026, 5, 13)
SPOTIFY = Path(__file__).parents[3] / "shared" / "data" / "specs" / "spotify-ads.yaml"


@pytest.fixture(scope="module")
def ads() -> OfflinePlanner:
    return OfflinePlanner((nlapi.load("ads"),), today=TODAY)


@pytest.fixture(scope="module")
def spotify() -> Spec:
    if not SPOTIFY.exists():
        pytest.skip("the Spotify Ads description is not on this machine")
    return nlapi.load(SPOTIFY)


@table(
    ("question", "operation", "arguments"),
    [
        ("show me the active campaigns", "listCampaigns", {"status": ["ACTIVE"]}),
        ("list all campaigns", "listCampaigns", {}),
        ("archive the campaign cmp_7h2k9q4m", "updateCampaign", {"campaign_id": "cmp_7h2k9q4m", "status": "ARCHIVED"}),
        (
            "create a campaign called Spring Sale with the objective reach and a budget of $50 a day",
            "createCampaign",
            {"name": "Spring Sale", "objective": "REACH", "daily_budget_micros": 50_000_000},
        ),
        ("find geos called Berlin", "searchGeos", {"q": "Berlin"}),
        ("show ad set set_9d3f6w2j", "getAdSet", {"ad_set_id": "set_9d3f6w2j"}),
    ],
)
def test_one_call_of_the_bundled_description(
    ads: OfflinePlanner, question: str, operation: str, arguments: Mapping[str, Any]
) -> None:
    assert only(ads.plan(question)) == (operation, arguments)


@table(
    ("question", "listing", "then"),
    [
        ("pause the summer campaign", "listCampaigns", "Update a campaign"),
        ("get the campaign Summer Sale", "listCampaigns", "Get a campaign"),
        ("show the ads of the campaign Back to School", "listCampaigns", "List ads"),
        ("delete the audience Old Visitors", "listAudiences", "Delete an audience"),
    ],
)
def test_a_name_is_looked_up_first(ads: OfflinePlanner, question: str, listing: str, then: str) -> None:
    made = ads.plan(question)
    assert only(made)[0] == listing
    assert f"then {then}" in made.understood


def test_the_campaigns_own_statuses_are_filtered_and_the_account_is_asked_for(spotify: Spec) -> None:
    made = nlapi.plan("show me the active campaigns", spotify)
    assert only(made) == ("getCampaigns", {"statuses": ["ACTIVE"]})
    assert [missing.argument for missing in made.missing] == ["ad_account_id"]
    account = "ce4ff15e-f04d-48b9-9ddf-fb3c85fbd57a"
    made = nlapi.plan("show me the active campaigns", spotify, known={"ad_account_id": account})
    assert only(made)[1] == {"ad_account_id": account, "statuses": ["ACTIVE"]}
    assert made.missing == ()


def test_drafts_are_not_meant_unless_they_are_said(spotify: Spec) -> None:
    known = {"ad_account_id": "ce4ff15e-f04d-48b9-9ddf-fb3c85fbd57a"}
    assert only(nlapi.plan("show my campaigns", spotify, known=known))[0] == "getCampaigns"
    assert only(nlapi.plan("show the draft campaigns", spotify, known=known))[0] == "getCampaignDraftsV3"


@given(st.text(max_size=300))
@settings(max_examples=examples(60), deadline=None)
def test_any_text_makes_a_plan(ads_text: str) -> None:
    made = OfflinePlanner((nlapi_ads(),), today=TODAY).plan(ads_text)
    assert 0.0 <= made.confidence <= 1.0
    for call in made.calls:
        json.dumps(call.arguments)


_LOADED: list[Spec] = []


def nlapi_ads() -> Spec:
    """The bundled description, read once: a fixture cannot be shared by the examples of a property."""
    if not _LOADED:
        _LOADED.append(nlapi.load("ads"))
    return _LOADED[0]


def test_of_two_changes_in_one_sentence_none_is_sent_where_the_first_lacks_a_value() -> None:
    asked = nlapi.plan("create a campaign and delete the audience Old Visitors", nlapi.load("ads"))
    assert [item.argument for item in asked.missing] == ["name", "objective"]
    assert asked.text.startswith("'create a campaign': Still needed: name")
    assert asked.text.endswith("Nothing of the question is sent.")


def test_a_word_of_a_longer_name_is_no_value() -> None:
    for question in ("is the campaign Summer Sale paused?", "campaigns called Summer Sale"):
        (call,) = nlapi.plan(question, nlapi_ads()).calls
        assert call.arguments == {"name": "Summer Sale"}
