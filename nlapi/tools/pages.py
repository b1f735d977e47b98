"""The arguments that choose the page of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.client.message import Result
from nlapi.resources.paging import PageRole, next_page, page_parameters
from nlapi.tools.tool import Call, Place, Tool
from nlapi.tools.view import lowercase_headers

_WHOLE_BODY = ("body", "")


def next_arguments(call: Call, result: Result) -> dict[str, Any] | None:
    """Return the arguments for the page after `result`.

    {} where there is another page and no argument asks for it; None where the answer reports no further page.
    """
    places = call.tool.places
    names = {place: name for name, place in places.items()}
    body_argument = names.get(_WHOLE_BODY)
    values: dict[Place, Any] = {}
    for name, value in call.arguments.items():
        # A body that is one argument hides its properties, and some APIs page by a cursor in the body.
        if name == body_argument and isinstance(value, Mapping):
            values |= {("body", inner): field for inner, field in value.items()}
        elif name in places:
            values[places[name]] = value
    changed = next_page(call.tool.operation, values, result.data, lowercase_headers(result))
    if not changed:
        return None if changed is None else {}
    arguments = dict(call.arguments)
    for place, value in changed.items():
        if place in names:
            arguments[names[place]] = value
        elif body_argument is not None and place[0] == "body":
            arguments[body_argument] = {**arguments.get(body_argument, {}), place[1]: value}
    return arguments if arguments != call.arguments else {}


def page_arguments(tool: Tool, *, sizes: bool = False) -> frozenset[str]:
    """Return the names of the arguments that choose a page or its start; with `sizes`, also its length."""
    places = {parameter.place for parameter in page_parameters(tool.operation) if sizes or parameter.role is not PageRole.SIZE}
    return frozenset(name for name, place in tool.places.items() if place in places)
