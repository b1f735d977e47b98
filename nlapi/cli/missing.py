"""Arguments that a plan still needs: requested at the terminal, or named in an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.cli import show
from nlapi.cli.plain import plain_text
from nlapi.cli.prompt import read_line
from nlapi.errors import MissingError
from nlapi.tools.coerce import coerce
from nlapi.tools.tool import Missing

# Characters of a description and values of an enum: a prompt should stay within two lines of a terminal.
MAX_MEANING = 160
MAX_CHOICES = 8


def ask_for_arguments(missing: tuple[Missing, ...]) -> dict[str, Any]:
    """Ask at the terminal for each missing argument, and return the values by name; {} when one is left empty."""
    values: dict[str, Any] = {}
    for item in missing:
        if meaning := _describe_argument(item):
            show.note(meaning)
        text = read_line(f"{item.argument}: ")
        if not text or not text.strip():
            return {}
        values[item.argument] = coerce(text.strip(), item.schema, item.tool.input_schema.get("$defs", {}))
    return values


def missing_error(missing: tuple[Missing, ...]) -> MissingError:
    """Return the error that names the missing arguments with their meaning and the options that set them."""
    message = "; ".join(f"{item.tool.operation.id} needs {_label(item)}" for item in missing)
    options = " ".join(f"--set {item.argument}=..." for item in missing)
    return MissingError(message, hint=f"say it in the question, or add {options}")


def _label(item: Missing) -> str:
    meaning = _describe_argument(item)
    return f"{item.argument} ({meaning})" if meaning else item.argument


def _describe_argument(item: Missing) -> str:
    """Return the description and the choices of an argument; "" when they only repeat its name."""
    description = plain_text(item.description)
    if item.choices and all(choice in description for choice in item.choices[:MAX_CHOICES]):
        return description.rstrip(".")
    description = description if len(description) <= MAX_MEANING else f"{description[: MAX_MEANING - 1].rstrip()}…"
    description = description.rstrip(".")
    # "The campaign id." beside `campaign_id` tells nothing.
    if sorted(_letters(description.lower().removeprefix("the "))) == sorted(_letters(item.argument)):
        description = ""
    choices = f"one of {', '.join(item.choices[:MAX_CHOICES])}" if item.choices else ""
    return "; ".join(part for part in (description, choices, _value_form(item.schema)) if part)


def _value_form(schema: Mapping[str, Any]) -> str:
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
