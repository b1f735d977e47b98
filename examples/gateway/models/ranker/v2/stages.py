"""Ranks the titles that a viewer has begun: boosted trees that also know the device and the genre."""

from __future__ import annotations

from typing import Any

GENRES = ("drama", "comedy", "kids")
DEVICES = ("tv", "phone", "tablet")


def row(title: dict[str, Any], context: dict[str, Any]) -> list[float]:
    """The features of one title."""
    device, genre = context.get("device"), title["genre"]
    return [
        title["progress"],
        title["days_since"],
        float(title["episodes_left"]),
        *(float(genre == one) for one in GENRES),
        *(float(device == one) for one in DEVICES),
    ]


def preprocess(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The titles, those that are as good as finished left out."""
    return [title for title in value["titles"] if title["progress"] < 0.98 or title["episodes_left"]]


def features(titles: list[dict[str, Any]], context: Any) -> list[tuple[str, list[float]]]:
    return [(title["id"], row(title, context)) for title in titles]


def predict(rows: list[tuple[str, list[float]]], model: Any) -> list[tuple[float, str]]:
    return [(model.predict(numbers), title) for title, numbers in rows]


def postprocess(scored: list[tuple[float, str]]) -> dict[str, Any]:
    """Best first."""
    ranked = sorted(scored, key=lambda one: (-one[0], one[1]))
    return {"titles": [title for _, title in ranked], "scores": [round(score, 4) for score, _ in ranked]}
