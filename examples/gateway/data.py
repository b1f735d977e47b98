"""Made-up titles, viewers and payments, the same for the same seed: what the models learn from and are asked."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

GENRES = ("drama", "comedy", "kids", "crime", "documentary")
DEVICES = ("tv", "phone", "tablet", "browser")
COUNTRIES = ("BR", "US", "DE", "IN", "JP", "MX")
SURFACES = ("home", "player", "search")
MERCHANTS = ("groceries", "travel", "games", "fashion", "electronics")
CURRENCY = {"BR": "BRL", "US": "USD", "DE": "EUR", "IN": "INR", "JP": "JPY", "MX": "MXN"}
TITLES = 200

Document = dict[str, Any]


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def catalogue(seed: int = 0) -> list[Document]:
    """The titles: id, genre, popularity (0 to 1) and age in days."""
    chance = random.Random(seed)
    return [
        {
            "id": f"t{number}",
            "genre": chance.choice(GENRES),
            "popularity": round(chance.random() ** 2, 3),
            "age_days": chance.randrange(1500),
        }
        for number in range(TITLES)
    ]


def context(chance: random.Random) -> Document:
    """Who asks: user, country, device and surface."""
    return {
        "user": f"u{chance.randrange(5000)}",
        "country": chance.choice(COUNTRIES),
        "device": chance.choice(DEVICES),
        "surface": chance.choice(SURFACES),
    }


def started_titles(chance: random.Random, titles: list[Document]) -> Document:
    """The input of continue-watching: what a viewer has begun."""
    begun = chance.sample(titles, chance.randint(3, 12))
    return {"titles": [_begun(chance, title) for title in begun]}


def _begun(chance: random.Random, title: Document) -> Document:
    return {
        "id": title["id"],
        "genre": title["genre"],
        "progress": round(chance.random(), 3),
        "days_since": round(chance.expovariate(1 / 12), 2),
        "episodes_left": chance.randrange(20),
    }


def continues(chance: random.Random, title: Document, device: str) -> bool:
    """Does a viewer go on with a title? Best halfway through and soon after; children watch on tablets."""
    halfway = 1.6 - 9.0 * (title["progress"] - 0.5) ** 2
    recent = -0.9 * math.log1p(title["days_since"])
    taste = 1.4 if (title["genre"], device) in {("kids", "tablet"), ("drama", "tv"), ("comedy", "phone")} else 0.0
    last = -1.2 if title["episodes_left"] == 0 else 0.03 * title["episodes_left"]
    return chance.random() < sigmoid(halfway + recent + taste + last)


def payment(chance: random.Random) -> Document:
    """The input of payment-fraud."""
    country = chance.choice(COUNTRIES)
    return {
        "amount": round(chance.lognormvariate(3.6, 1.1), 2),
        "currency": CURRENCY[country],
        "card_country": country if chance.random() < 0.85 else chance.choice(COUNTRIES),
        "country": country,
        "hour": chance.randrange(24),
        "merchant": chance.choice(MERCHANTS),
        "card_age_days": int(chance.expovariate(1 / 400)),
        "attempts_last_hour": min(9, int(chance.expovariate(1.2))),
    }


def is_fraud(chance: random.Random, given: Document) -> bool:
    """Is a payment a fraud? New cards abroad at night, many attempts, and small amounts that try a card out."""
    value = -4.2
    value += 1.3 * (given["card_country"] != given["country"])
    value += 2.6 * (given["card_age_days"] < 20 and not 6 <= given["hour"] < 23)
    value += 0.55 * given["attempts_last_hour"]
    value += 1.8 * (given["amount"] < 3) + 1.1 * (given["amount"] > 300)
    value += 0.9 * (given["merchant"] in ("electronics", "games"))
    return chance.random() < sigmoid(value)


def watched(chance: random.Random, titles: list[Document]) -> Document:
    """The input of recommendations: what a viewer has seen, of one or two genres above all."""
    liked = set(chance.sample(GENRES, 2))
    fitting = [title["id"] for title in titles if title["genre"] in liked]
    seen = chance.sample(fitting, min(len(fitting), chance.randint(0, 15)))
    return {"watched": seen, "limit": chance.choice((5, 10, 20))}


def requests(seed: int) -> Iterator[tuple[str, Document, Document]]:
    """Objective, input and context of one request after the other, without an end."""
    chance = random.Random(seed)
    titles = catalogue()
    while True:
        kind = chance.random()
        if kind < 0.5:
            yield "continue-watching", started_titles(chance, titles), context(chance)
        elif kind < 0.75:
            yield "payment-fraud", payment(chance), context(chance)
        else:
            yield "recommendations", watched(chance, titles), context(chance)
