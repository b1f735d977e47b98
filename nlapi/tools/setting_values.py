"""Fills arguments that a call does not give from the user's settings of an API: an account, a workspace, a project.

A setting says where a call works, never what it changes (docs/design/081-plugin-recipes.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from nlapi.client.safe_text import single_line
from nlapi.english.words import name_words, singular
from nlapi.openapi.spec import Effect
from nlapi.resources.paths import position, segments
from nlapi.tools.arguments import coerce_arguments
from nlapi.tools.tool import Tool


def setting_arguments(tool: Tool, settings: Mapping[str, str], given: Collection[str] = ()) -> dict[str, object]:
    """Return the arguments of a call that its settings fill in, typed by the schema. `given` are those that it has.

    A filter is never filled in, as a list would silently be shorter. The item that a change is about has to be said.
    """
    texts = {name: settings[name] for name in settings if name not in given and may_fill(tool, name, settings)}
    return coerce_arguments(texts, tool) if texts else {}


def may_fill(tool: Tool, name: str, settings: Collection[str]) -> bool:
    """Return whether a setting of this name may fill an argument of a tool; `settings` are the names of all."""
    if name not in settings or name not in tool.places:
        return False
    location, wire_name = tool.places[name]
    if tool.effect is Effect.READ:
        return location == "path" or name in tool.required
    path = segments(tool.operation.route)
    is_creation = tool.operation.method == "POST" and bool(path) and _is_plural(path[-1].text, path[-1].parameter)
    if location != "path":
        return is_creation and name in tool.required
    rest = path[position(path, wire_name) + 1 :]
    # Of PUT /repos/{owner}/{repo}/issues/{number} the number is said; of DELETE /repos/{owner}/{repo} nothing would be.
    names_item = any(segment.parameter and segment.parameter not in settings for segment in rest)
    return names_item or (is_creation and bool(rest))


def _is_plural(text: str, parameter: str | None) -> bool:
    words = name_words(text)
    return parameter is None and bool(words) and singular(words[-1]) != words[-1]


def setting_lines(arguments: Mapping[str, object]) -> Iterator[str]:
    """Yield the line of each argument that a setting has filled in, for a preview."""
    for name, value in arguments.items():
        yield f"{single_line(name)}={single_line(str(value))} (setting)"
