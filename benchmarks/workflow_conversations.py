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


def modelled(
    name: str, sentence: str, *rounds: Round, first: Values, second: Values, api: str = "ads"
) -> ScriptedConversation:
    """Return a conversation of one turn, whose rounds are planned as a model would."""
    return ScriptedConversation(name=name, turns=(sentence,), first=first, second=second, api=api, script=(rounds,))


def _new_campaign(v: Values, a: Sequence[Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("createCampaign", {"name": v["campaign"], "objective": "REACH"})]


def _new_ad_set(v: Values, a: Sequence[Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("createAdSet", {"campaign_id": a[0]["id"], "name": v["ad_set"], "placement": "FEED"})]


def _new_event(v: Values, a: Sequence[Any]) -> list[tuple[str, dict[str, Any]]]:
    event = {"name": v["event"], "location": v["place"], "eventDescription": "An evening.", "price": v["price"]}
    return [("createSpecialEvent", {**event, "dates": [v["date"]]})]


MUSEUM = "museum-3.1.yaml"

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
    modelled(
        "campaign-ad-set-ad",
        "create a campaign {campaign} with an ad set {ad_set} in the feed and the image ad {ad} of {asset} in it",
        lambda v, a: [*_new_campaign(v, a), ("listAssets", {"kind": ["IMAGE", "VIDEO"]})],
        lambda v, a: _new_ad_set(v, a),
        lambda v, a: [
            (
                "createAd",
                {
                    "ad_set_id": a[2]["id"],
                    "name": v["ad"],
                    "format": "IMAGE",
                    "asset_id": named(a[1], v["asset"])["id"],
                    "headline": v["ad"],
                    "click_url": "https://example.com/shoes",
                },
            )
        ],
        first={"campaign": "Autumn", "ad_set": "Feed One", "ad": "Red Shoes", "asset": "Shipping Banner"},
        second={"campaign": "Easter", "ad_set": "Feed Two", "ad": "Blue Shoes", "asset": "Autumn Jingle"},
    ),
    modelled(
        "campaign-ad-set",
        "create a campaign {campaign} and in it an ad set {ad_set} in the feed",
        _new_campaign,
        _new_ad_set,
        first={"campaign": "Autumn", "ad_set": "Feed One"},
        second={"campaign": "Easter", "ad_set": "Feed Two"},
    ),
    modelled(
        "campaign-then-changed",
        "create a campaign {campaign}, then give it a daily budget of {budget} and let it run",
        _new_campaign,
        lambda v, a: [("updateCampaign", {"campaign_id": a[0]["id"], "daily_budget_micros": v["budget"]})],
        lambda v, a: [("updateCampaign", {"campaign_id": a[0]["id"], "status": "ACTIVE"})],
        first={"campaign": "Autumn", "budget": FIFTY},
        second={"campaign": "Easter", "budget": EIGHTY},
    ),
    modelled(
        "budget-by-name",
        "give the campaign {campaign} a daily budget of {budget}",
        lambda v, a: [("listCampaigns", {"status": ["ACTIVE", "PAUSED", "ARCHIVED"]})],
        lambda v, a: [
            (
                "updateCampaign",
                {"campaign_id": named(a[0], v["campaign"])["id"], "daily_budget_micros": v["budget"]},
            )
        ],
        first={"campaign": "Summer Sale", "budget": FIFTY},
        second={"campaign": "Spring Launch", "budget": EIGHTY},
    ),
    modelled(
        "searched-twice",
        "archive the campaign {campaign}",
        lambda v, a: [("listCampaigns", {"name": v["campaign"].split()[0] + "s"})],
        lambda v, a: [("listCampaigns", {})],
        lambda v, a: [("updateCampaign", {"campaign_id": named(a[-1], v["campaign"])["id"], "status": "ARCHIVED"})],
        lambda v, a: [("getCampaign", {"campaign_id": named(a[1], v["campaign"])["id"]})],
        first={"campaign": "Summer Sale"},
        second={"campaign": "Winter Clearance"},
    ),
    modelled(
        "draft-to-campaign",
        "draft a campaign {draft} for {objective} from {start}, at {budget} a day, and publish it",
        lambda v, a: [("createDraft", {"name": v["draft"]})],
        lambda v, a: [
            (
                "updateDraft",
                {
                    "draft_id": a[0]["id"],
                    "objective": v["objective"],
                    "start_date": v["start"],
                    "daily_budget_micros": v["budget"],
                },
            )
        ],
        lambda v, a: [("validateDraft", {"draft_id": a[0]["id"]})],
        lambda v, a: [("publishDraft", {"draft_id": a[0]["id"]})],
        first={"draft": "Autumn", "objective": ("leads", "LEADS"), "start": "2027-01-10", "budget": FIFTY},
        second={"draft": "Easter", "objective": ("traffic", "TRAFFIC"), "start": "2027-02-20", "budget": EIGHTY},
    ),
    modelled(
        "ad-in-ad-set",
        "put an ad {ad} with the asset {asset} into the ad set {ad_set}, which links to {url}",
        lambda v, a: [("listAdSets", {}), ("listAssets", {"name": v["asset"]})],
        lambda v, a: [
            (
                "createAd",
                {
                    "ad_set_id": named(a[0], v["ad_set"])["id"],
                    "asset_id": named(a[1], v["asset"])["id"],
                    "name": v["ad"],
                    "format": "IMAGE",
                    "headline": "See more",
                    "click_url": v["url"],
                },
            )
        ],
        first={
            "ad": "Red Shoes",
            "asset": "Shipping Banner",
            "ad_set": "Runners 25-44",
            "url": "https://example.com/red",
        },
        second={
            "ad": "Blue Shoes",
            "asset": "Trail Shoes 15 s",
            "ad_set": "Berlin Students",
            "url": "https://example.com/blue",
        },
    ),
    modelled(
        "campaign-for-account",
        "create a campaign {campaign} for the account {account}",
        lambda v, a: [("listAccounts", {})],
        lambda v, a: [
            (
                "createCampaign",
                {"name": v["campaign"], "objective": "LEADS", "account_id": named(a[0], v["account"])["id"]},
            )
        ],
        first={"campaign": "Autumn", "account": "Larkspur Outdoor"},
        second={"campaign": "Easter", "account": "Blue Kettle Coffee"},
    ),
    modelled(
        "report-of-campaign",
        "how much was spent on the campaign {campaign} from {start} to {end}?",
        lambda v, a: [("listCampaigns", {})],
        lambda v, a: [
            (
                "getReport",
                {
                    "campaign_ids": [named(a[0], v["campaign"])["id"]],
                    "metrics": ["spend_micros"],
                    "start_date": v["start"],
                    "end_date": v["end"],
                },
            )
        ],
        first={"campaign": "Summer Sale", "start": "2026-09-01", "end": "2026-09-30"},
        second={"campaign": "Back to School", "start": "2026-10-01", "end": "2026-10-10"},
    ),
    ScriptedConversation(
        name="campaign-in-two-turns",
        turns=(
            "create a campaign {campaign}",
            "now an ad set {ad_set} in the feed for it, and delete the campaign {old}",
        ),
        first={"campaign": "Autumn", "ad_set": "Feed One", "old": "Summer Sale"},
        second={"campaign": "Easter", "ad_set": "Feed Two", "old": "Back to School"},
        script=(
            (_new_campaign,),
            (
                lambda v, a: [("listCampaigns", {"name": v["old"]})],
                lambda v, a: _new_ad_set(v, a),
                lambda v, a: [("deleteCampaign", {"campaign_id": named(a[1], v["old"])["id"]})],
            ),
        ),
    ),
    modelled(
        "museum-event-changed",
        "create the event {event} in {place} on {date} for {price} dollars, then move it to {new_place}",
        _new_event,
        lambda v, a: [("updateSpecialEvent", {"eventId": a[0]["eventId"], "location": v["new_place"]})],
        lambda v, a: [("getSpecialEvent", {"eventId": a[0]["eventId"]})],
        first={"event": "Night Tour", "place": "Hall A", "date": "2027-03-01", "price": 12, "new_place": "Garden"},
        second={"event": "Fossil Day", "place": "Hall B", "date": "2027-04-02", "price": 7, "new_place": "Tower"},
        api=MUSEUM,
    ),
    modelled(
        "museum-event-tickets",
        "create the event {event} in {place} on {date} for {price} dollars, and buy a ticket to it for {email}",
        _new_event,
        lambda v, a: [
            (
                "buyMuseumTickets",
                {
                    "ticketDate": v["date"],
                    "ticketType": "event",
                    "email": v["email"],
                    "eventId": a[0]["eventId"],
                },
            )
        ],
        first={
            "event": "Night Tour",
            "place": "Hall A",
            "date": "2027-03-01",
            "price": 12,
            "email": "ada@example.com",
        },
        second={
            "event": "Fossil Day",
            "place": "Hall B",
            "date": "2027-04-02",
            "price": 7,
            "email": "bob@example.com",
        },
        api=MUSEUM,
    ),
    modelled(
        "gateway-objective",
        "create the model {model} with the version {version}, and the objective {objective} that it serves",
        lambda v, a: [("createModel", {"name": v["model"]})],
        lambda v, a: [("createVersion", {"model": v["model"], "version": v["version"]})],
        lambda v, a: [("createObjective", {"name": v["objective"], "model": v["model"], "version": v["version"]})],
        first={"model": "ranker", "version": "v7", "objective": "home"},
        second={"model": "scorer", "version": "v2", "objective": "search"},
        api="gateway",
    ),
    modelled(
        "gateway-model",
        "create the model {model} of the team {owner}, with the version {version}, and describe it as {text}",
        lambda v, a: [("createModel", {"name": v["model"], "owner": v["owner"]})],
        lambda v, a: [("createVersion", {"model": a[0]["name"], "version": v["version"]})],
        lambda v, a: [("updateModel", {"model": a[0]["name"], "description": v["text"]})],
        first={"model": "ranker", "owner": "search", "version": "v7", "text": "Ranks the home page"},
        second={"model": "scorer", "owner": "ads", "version": "v2", "text": "Scores ads"},
        api="gateway",
    ),
    modelled(
        "business-pixel",
        "create the business {business}, and a pixel {pixel} for {domain} in it; rename the pixel to {name}",
        lambda v, a: [("createBusiness", {"name": v["business"], "type": "ADVERTISER"})],
        lambda v, a: [
            (
                "createPixelInBusiness",
                {"business_id": a[0]["id"], "name": v["pixel"], "domain": v["domain"]},
            )
        ],
        lambda v, a: [
            (
                "updatePixelById",
                {"business_id": a[0]["id"], "pixel_id": a[1]["id"], "name": v["name"]},
            )
        ],
        first={"business": "Kettle", "pixel": "Shop", "domain": "https://kettle.example", "name": "Shop 2"},
        second={"business": "Lantern", "pixel": "Store", "domain": "https://lantern.example", "name": "Main"},
        api="spotify-ads.yaml",
    ),
)
