"""Invented services whose operations are told apart by what is done: to find, to book, to hear, to look at the latest.

They are only trained on, never measured with; patterns and a seed make them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from training.invented import DAY, NUMBER, TEXT
from training.invented_choices import Choice

_OFFERS = "tour lesson campsite workshop boat sauna lecture locker"
_HEARD = "episode lullaby audiobook sermon"
_GAUGES = "tank kiln greenhouse well"
_CITIES = "Graz Porto Tampere Boise Nantes Leeds Oaxaca Perth".split()
_NAMES = "Blue Heron|Night Lanterns|Second Harvest|Low Tide|Paper Birds|The Long Field".split("|")
_PEOPLE = "Mara Okafor|Jonas Lind|Aiko Mori|Karim Haddad".split("|")
_ROOMS = "hall attic garage bedroom".split()
_DAYS = ("2026-05-04", "June 3rd", "tomorrow", "next Friday")
_WHY = (
    "",
    "",
    "",
    "I am visiting {city} with friends. ",
    "My sister told me about it. ",
    "We have not decided yet. ",
    "I have a day off soon. ",
)
_OFFER: Mapping[str, tuple[str, ...]] = {
    "find": (
        "{why}Find me a {one} in {city} on {day}",
        "{why}I want to book a {one}. Can you show me what is available in {city}?",
        "{why}I'm looking for {many} in {city}",
        "{why}which {many} are there in {city} {day}?",
        "{why}I need to reserve a {one} for {count} people, so search for {many} in {city} first",
        "{why}any good {many} around {city}?",
    ),
    "book": (
        "{why}Book {name} in {city} for {count} people on {day}",
        "{why}reserve {count} places at {name} {day}",
        "{why}I found the {one} {name}. Please get me {count} tickets for {day}",
        "{why}I'd like to buy {count} tickets for {name} on {day}",
        "{why}sign {count} of us up for {name} on {day}",
    ),
    "times": (
        "{why}when does {name} begin in {city} on {day}?",
        "{why}At what times can I go to {name} on {day}?",
        "{why}give me the hours of {name} in {city} {day}",
        "{why}what is the schedule of {name} on {day}",
    ),
    "cancel": (
        "{why}cancel my booking {id}",
        "{why}I cannot come, call off booking {id}",
        "{why}drop the booking {id}",
    ),
}
_HEAR: Mapping[str, tuple[str, ...]] = {
    "look": (
        "{why}find {many} by {person}",
        "{why}which {many} are by {person}?",
        "{why}I am looking for a {one} by {person}",
        "{why}recommend me some {many} from the series {name}",
    ),
    "play": (
        "{why}play {name} by {person}",
        "{why}I want to hear {name} in the {room}",
        "{why}put on a {one} by {person} in the {room}",
        "{why}let me listen to {name} from {person}",
        "{why}stream {name} in the {room}",
        "{why}start the {one} {name}",
    ),
}
_GAUGE: Mapping[str, tuple[str, ...]] = {
    "latest": (
        "{why}what is the level of {one} {id} now?",
        "{why}current level of {one} {id}",
        "{why}show the last reading of {one} {id}",
        "{why}the most recent level for {one} {id}",
    ),
    "past": (
        "{why}levels of {one} {id} from 2026-03-01 to 2026-03-09",
        "{why}how did {one} {id} do between 2026-03-01 and 2026-03-09",
        "{why}show the readings of {one} {id} for the days 2026-03-01 until 2026-03-09",
    ),
    "alerts": ("{why}any alarms of {one} {id}?", "{why}list the alerts of {one} {id}", "{why}warnings for {one} {id}"),
    "count": ("{why}how many {many} do we have? Count them", "{why}count the {many}", "{why}number of {many}"),
}


def services(times: int = 2) -> Iterator[Choice]:
    """Every pattern so many times for each thing; the same on every run."""
    families = ((_OFFERS, _OFFER, _offer), (_HEARD, _HEAR, _hear), (_GAUGES, _GAUGE, _gauge))
    seed = 0
    for things, sentences, make in families:
        for one in things.split():
            for _ in range(times):
                seed += 1
                dice = random.Random(seed)
                document, ids = _document(one, make(one), dice)
                for kind, patterns in sentences.items():
                    for pattern in patterns:
                        yield Choice(document=document, question=_said(pattern, one, dice), operation_id=ids[kind])


def _said(pattern: str, one: str, dice: random.Random) -> str:
    city = dice.choice(_CITIES)
    return pattern.format(
        why=dice.choice(_WHY).format(city=city),
        one=one,
        many=f"{one}s",
        city=city,
        day=dice.choice(_DAYS),
        name=dice.choice(_NAMES),
        person=dice.choice(_PEOPLE),
        room=dice.choice(_ROOMS),
        count=dice.choice((2, 3, 4)),
        id=dice.choice(("42", "K-17", "b_90")),
    )


Told = tuple[str, str, Mapping[str, Mapping[str, Any]], str]
"""Verb, rest of the name, parameters and description of an operation; required parameters end in *."""


def _offer(one: str) -> dict[str, Told]:
    return {
        "find": ("Find", f"{one}s", {"city*": TEXT, "day": DAY, "kind": TEXT}, f"Search for {one}s in a city."),
        "book": (
            "Book",
            one,
            {f"{one}_name*": TEXT, "day*": DAY, "people*": NUMBER, "city": TEXT},
            f"Reserve places at a {one} for a number of people.",
        ),
        "times": (
            "Get",
            f"{one}_times",
            {f"{one}_name*": TEXT, "day*": DAY, "city": TEXT},
            f"Retrieve the times at which a {one} takes place on a day.",
        ),
        "cancel": ("Cancel", "booking", {"booking_id*": TEXT}, f"Cancel the booking of a {one}."),
    }


def _hear(one: str) -> dict[str, Told]:
    return {
        "look": (
            "Lookup",
            f"{one}s",
            {"author": TEXT, "series": TEXT, "year": NUMBER},
            f"Search for {one}s by author, series or year.",
        ),
        "play": (
            "Play",
            one,
            {"title*": TEXT, "author": TEXT, "room": TEXT},
            f"Plays the given {one} on a speaker in a room.",
        ),
    }


def _gauge(one: str) -> dict[str, Told]:
    key = {f"{one}_id*": TEXT}
    return {
        "latest": ("get", f"{one}_level_latest", key, f"Return the latest level of a {one}."),
        "past": (
            "get",
            f"{one}_level_history",
            {**key, "start_date*": DAY, "end_date*": DAY},
            f"Return all levels of a {one} within a span of days.",
        ),
        "alerts": ("get", f"{one}_alerts", {**key, "level": TEXT}, f"Retrieve the alerts that a {one} has raised."),
        "count": ("count", f"{one}s", {}, f"The number of {one}s."),
    }


def _document(one: str, told: Mapping[str, Told], dice: random.Random) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    kinds = list(told)
    dice.shuffle(kinds)
    joint, method = dice.choice(("", "_")), dice.choice(("get", "post"))
    ids: dict[str, str] = {}
    paths: dict[str, Any] = {}
    for kind in kinds:
        verb, rest, parameters, description = told[kind]
        name = f"{verb.lower()}_{rest}" if joint else verb + "".join(map(str.title, rest.split("_")))
        ids[kind] = name
        listed = [
            {"name": key.rstrip("*"), "in": "query", "required": key.endswith("*"), "schema": schema}
            for key, schema in parameters.items()
        ]
        node = {"operationId": name, "description": description, "parameters": listed}
        paths[f"/{name}"] = {method: {**node, "responses": {"200": {"description": "ok"}}}}
    title = f"{one} services {dice.random():.6f}"
    return {"openapi": "3.1.0", "info": {"title": title, "version": "1"}, "paths": paths}, ids
