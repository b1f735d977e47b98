"""Recommends by what a viewer watches: the genres of the history, popularity and age; there is no trained part."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

TITLES = json.loads((Path(__file__).parent / "catalogue.json").read_text(encoding="utf-8"))
GENRE_OF = {title["id"]: title["genre"] for title in TITLES}


def preprocess(value: dict[str, Any]) -> dict[str, Any]:
    return {"seen": set(value["watched"]), "limit": value["limit"]}


async def features(asked: dict[str, Any]) -> dict[str, Any]:
    """The share of each genre in what was seen. Asynchronous, as it would be where a feature store is asked."""
    counts = Counter(GENRE_OF[title] for title in asked["seen"] if title in GENRE_OF)
    return {**asked, "taste": {genre: count / counts.total() for genre, count in counts.items()}}


def predict(asked: dict[str, Any]) -> list[str]:
    """The best fitting first."""
    taste = asked["taste"]
    fresh = [title for title in TITLES if title["id"] not in asked["seen"]]
    scored = [(_score(title, taste.get(title["genre"], 0.0)), title["id"]) for title in fresh]
    return [title for _, title in sorted(scored, key=lambda one: (-one[0], one[1]))[: asked["limit"]]]


def _score(title: dict[str, Any], taste: float) -> float:
    return float(title["popularity"] + 1.5 * taste - title["age_days"] / 3000)


def postprocess(titles: list[str]) -> dict[str, Any]:
    return {"titles": titles}
