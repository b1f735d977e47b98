"""Thirty conversations of two to five calls, each with two sets of values; a pair is (what is said, what is sent)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import nlapi
from benchmarks.descriptions import shared
from nlapi.openapi.spec import Spec

Values = Mapping[str, Any]
Round = Callable[[Values, Sequence[Any]], list[tuple[str, dict[str, Any]]]]
"""The calls of one round, of the values of the user and the answers so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedConversation:
    """Sentences of a user, one for each turn, with their values; without a `script` the embedded planner plans them."""

    name: str
    turns: tuple[str, ...]
    first: Values
    second: Values
    api: str = "ads"
    script: tuple[tuple[Round, ...], ...] = ()


@cache
def described(api: str) -> Spec | None:
    """Return the description of an API: a bundled one, or one of ../shared; None where it is not here."""
    if "." not in api:
        return nlapi.load(api)
    file = shared(f"data/specs/{api}")
    return nlapi.load(str(file)) if file is not None else None


def named(answer: Any, name: str, lists: str = "data") -> Any:
    """Return the item of that name in a list."""
    items = answer[lists] if lists else answer
    return next(item for item in items if item.get("name", item.get("title")) == name)


FIFTY, EIGHTY = ("$50", 50_000_000), ("$80", 80_000_000)



def spoken(name: str, *turns: str, first: Values, second: Values) -> ScriptedConversation:
    """Return a conversation over the bundled API that the embedded planner plans."""
    return ScriptedConversation(name=name, turns=turns, first=first, second=second)


CONVERSATIONS: tuple[ScriptedConversation, ...] = (
    spoken(
        "pause-campaign",
        "pause the {campaign} campaign",
        first={"campaign": "Summer Sale"},
        second={"campaign": "Black Friday Preview"},
    ),
    spoken(
        "campaign-budget",
        "change the daily budget of the campaign {campaign} to {budget}",
        first={"campaign": "Summer Sale", "budget": FIFTY},
        second={"campaign": "Winter Clearance", "budget": EIGHTY},
    ),
    spoken(
        "rename-campaign",
        'change the name of the campaign {campaign} to "{name}"',
        first={"campaign": "Summer Sale", "name": "Hot Days"},
        second={"campaign": "Spring Launch", "name": "Green Days"},
    ),
    spoken(
        "delete-campaign",
        "delete the {campaign} campaign",
        first={"campaign": "Winter Clearance"},
        second={"campaign": "Back to School"},
    ),
    spoken(
        "ad-sets-of-campaign",
        "show the ad sets of the {campaign} campaign",
        first={"campaign": "Summer Sale"},
        second={"campaign": "Back to School"},
    ),
    spoken(
        "pause-ad-set",
        'pause the ad set "{ad_set}"',
        first={"ad_set": "Runners 25-44"},
        second={"ad_set": "Berlin Students"},
    ),
    spoken(
        "delete-ad-set",
        'delete the ad set "{ad_set}"',
        first={"ad_set": "Runners 25-44"},
        second={"ad_set": "Weekend Shoppers"},
    ),
    spoken(
        "validate-draft",
        'validate the draft "{draft}"',
        first={"draft": "Holiday Gift Guide"},
        second={"draft": "City Marathon Sponsorship"},
    ),
    spoken(
        "publish-draft",
        'validate the draft "{draft}"',
        'publish the draft "{draft}"',
        first={"draft": "Holiday Gift Guide"},
        second={"draft": "Valentine's Week"},
    ),
    spoken(
        "delete-audience",
        'delete the audience "{audience}"',
        first={"audience": "Past Buyers"},
        second={"audience": "Coffee Lovers"},
    ),
    spoken(
        "account-invoices",
        'list the invoices of the account "{account}"',
        first={"account": "Blue Kettle Coffee"},
        second={"account": "Larkspur Outdoor"},
    ),
    spoken(
        "two-campaigns",
        "pause the {campaign} campaign",
        "change the daily budget of the campaign {other} to {budget}",
        first={"campaign": "Summer Sale", "other": "Winter Clearance", "budget": FIFTY},
        second={"campaign": "Black Friday Preview", "other": "Back to School", "budget": EIGHTY},
    ),
    spoken(
        "show-then-pause",
        "show the {campaign} campaign",
        "pause it",
        first={"campaign": "Summer Sale"},
        second={"campaign": "Black Friday Preview"},
    ),
    spoken(
        "create-then-pause",
        'create a campaign called "{name}" with the objective {objective}',
        "pause it",
        first={"name": "Autumn Deals", "objective": ("reach", "REACH")},
        second={"name": "Easter Deals", "objective": ("leads", "LEADS")},
    ),
    spoken(
        "create-then-delete",
        'create a campaign called "{name}" with the objective {objective}',
        'delete the campaign "{name}"',
        first={"name": "Autumn Deals", "objective": ("reach", "REACH")},
        second={"name": "Easter Deals", "objective": ("leads", "LEADS")},
    ),
    ScriptedConversation(
        name="campaign-ad-set-ad",
        turns=("create a campaign {campaign} with an ad set {ad_set} in the feed and an image ad {ad} in it",),
        first={"campaign": "Autumn", "ad_set": "Feed One", "ad": "Red Shoes"},
        second={"campaign": "Easter", "ad_set": "Feed Two", "ad": "Blue Shoes"},
        script=(
            (
                lambda v, a: [("createCampaign", {"name": v["campaign"], "objective": "REACH"})],
                lambda v, a: [("createAdSet", {"campaign_id": a[0]["id"], "name": v["ad_set"], "placement": "FEED"})],
                lambda v, a: [("listAssets", {"kind": "IMAGE"})],
                lambda v, a: [
                    (
                        "createAd",
                        {
                            "ad_set_id": a[1]["id"],
                            "name": v["ad"],
                            "format": "IMAGE",
                            "asset_id": a[2]["data"][0]["id"],
                            "headline": v["ad"],
                            "click_url": "https://example.com/shoes",
                        },
                    )
                ],
            ),
        ),
    ),
)
