"""Names in an API description: the same word in its cases, numbers and disguises."""

from __future__ import annotations

import re
from functools import cache

IRREGULAR = {"people": "person", "children": "child", "media": "media", "data": "data", "series": "series"}


@cache
def words(name: str) -> tuple[str, ...]:
    """`campaignIds`, `campaign_ids` and `campaign-ids` are all ("campaign", "ids")."""
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", name)
    return tuple(re.findall(r"[a-z]+|[0-9]+", spaced.lower()))


@cache
def plain(name: str) -> str:
    """The name without case and separators: `campaign_id`, `campaignId` and `Campaign-ID` are all `campaignid`."""
    return "".join(words(name))


@cache
def singular(word: str) -> str:
    """`businesses` to `business`, `categories` to `category`, `ads` to `ad`; a singular stays as it is."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes", "uses")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


@cache
def singular_name(name: str) -> tuple[str, ...]:
    """The words of a name with the last in the singular: `ad_sets` is ("ad", "set")."""
    found = words(name)
    return (*found[:-1], singular(found[-1])) if found else ()


@cache
def same(left: str, right: str) -> bool:
    """Do both name the same thing, in whatever case and number?"""
    return "".join(singular_name(left)) == "".join(singular_name(right))
