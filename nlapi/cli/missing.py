"""What a planner needs from the person first: told, or asked for at the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.cli import prompt, show
from nlapi.cli.plain import plain
from nlapi.errors import MissingError
from nlapi.tools.coerce import coerce
from nlapi.tools.tool import Missing

MAX_MEANING = 160
MAX_CHOICES = 8


def ask_for(missing: tuple[Missing, ...]) -> dict[str, Any]:
    """What the person at the terminal gives for each missing argument; nothing when they would rather not."""
    values: dict[str, Any] = {}
    for one in missing:
        if meaning := _meaning(one):
            show.note(meaning)
        text = prompt.line(f"{one.argument}: ")
        if not text or not text.strip():
            return {}
        values[one.argument] = coerce(text.strip(), one.schema, one.tool.input_schema.get("$defs", {}))
    return values


def needed(missing: tuple[Missing, ...]) -> MissingError:
    """Names what is missing, says what it means, and how to give it."""
    told = "; ".join(f"{one.tool.operation.id} needs {_named(one)}" for one in missing)
    options = " ".join(f"--set {one.argument}=..." for one in missing)
    return MissingError(told, hint=f"say it in the question, or add {options}")


def _named(one: Missing) -> str:
    meaning = _meaning(one)
    return f"{one.argument} ({meaning})" if meaning else one.argument


def _meaning(one: Missing) -> str:
    """What an argument means and may be; "" when that is no more than its name says."""
    about = plain(one.description)
    if one.choices and all(choice in about for choice in one.choices[:MAX_CHOICES]):
        return about.rstrip(".")
    about = about if len(about) <= MAX_MEANING else f"{about[: MAX_MEANING - 1].rstrip()}…"
    about = about.rstrip(".")
    if sorted(_letters(about.lower().removeprefix("the "))) == sorted(_letters(one.argument)):
        about = ""
    choices = f"one of {', '.join(one.choices[:MAX_CHOICES])}" if one.choices else ""
    return "; ".join(part for part in (about, choices, _form(one.schema)) if part)


def _form(schema: Mapping[str, Any]) -> str:
    """How to write a value that is more than one; "" for any other."""
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if "string" in kinds:
        return ""
    if "object" in kinds:
        return "an object, written as JSON"
    if "array" not in kinds:
        return ""
    items = schema.get("items")
    simple = isinstance(items, Mapping) and items.get("type") in ("string", "integer", "number")
    return "several with commas" if simple else "a list, written as JSON"


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())
