"""Recommends what is popular and was not seen yet; there is no trained part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TITLES = json.loads((Path(__file__).parent / "catalogue.json").read_text(encoding="utf-8"))


def preprocess(value: dict[str, Any]) -> dict[str, Any]:
    return {"seen": set(value["watched"]), "limit": value["limit"]}


def predict(asked: dict[str, Any]) -> list[str]:
    """The most popular first."""
    fresh = (title for title in TITLES if title["id"] not in asked["seen"])
    ranked = sorted(fresh, key=lambda title: (-title["popularity"], title["id"]))
    return [title["id"] for title in ranked[: asked["limit"]]]


def postprocess(titles: list[str]) -> dict[str, Any]:
    return {"titles": titles}
