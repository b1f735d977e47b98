"""Arguments that a plan still needs: requested at the terminal, or named in an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.cli import show
from nlapi.cli.plain import plain
from nlapi.cli.prompt import line
from nlapi.errors import MissingError
from nlapi.tools.coerce import coerce
from nlapi.tools.tool import Missing

# Characters of a description and values of an enum: a prompt should stay within two lines of a terminal.
MAX_MEANING = 160
MAX_CHOICES = 8


def ask_for(missing: tuple[Missing, ...]) -> dict[str, Any]:
    """Ask at the terminal for each missing argument, and return the values by name; {} when one is left empty."""
    values: dict[str, Any] = {}
    for one in missing:
        if meaning := _meaning(one):
            show.note(meaning)
        text = line(f"{one.argument}: ")
        if not text or not text.strip():
            return {}
        values[one.argument] = coerce(text.strip(), one.schema, one.tool.input_schema.get("$defs", {}))
    return values


def needed(missing: tuple[Missing, ...]) -> MissingError:
    """Return the error that names the missing arguments with their meaning and the options that set them."""
    told = "; ".join(f"{one.tool.operation.id} needs {_named(one)}" for one in missing)
    options = " ".join(f"--set {one.argument}=..." for one in missing)
    return MissingError(told, hint=f"say it in the question, or add {options}")


def _named(one: Missing) -> str:
    meaning = _meaning(one)
    return f"{one.argument} ({meaning})" if meaning else one.argument


def _meaning(one: Missing) -> str:
    """Return the description and the choices of an argument; "" when they only repeat its name."""
    about = plain(one.description)
    if one.choices and all(choice in about for choice in one.choices[:MAX_CHOICES]):
        return about.rstrip(".")
    about = about if len(about) <= MAX_MEANING else f"{about[: MAX_MEANING - 1].rstrip()}…"
    about = about.rstrip(".")
    # "The campaign id." beside `campaign_id` tells nothing.
    if sorted(_letters(about.lower().removeprefix("the "))) == sorted(_letters(one.argument)):
        about = ""
    choices = f"one of {', '.join(one.choices[:MAX_CHOICES])}" if one.choices else ""
    return "; ".join(part for part in (about, choices, _form(one.schema)) if part)


def _form(schema: Mapping[str, Any]) -> str:
    """Return the way to write a list or an object at the prompt; "" for any other value."""
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
