"""The texts by which a server describes itself: instructions, resources and prompts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from string import Template
from urllib.parse import unquote

import mcp_types as types

from nlapi import bundled
from nlapi.agent.operation_tools import DESCRIBE, FIND, READ
from nlapi.client.safe_text import strip_all
from nlapi.errors import UsageError
from nlapi.mcp.answers import answer_pages, answer_uri, call_text
from nlapi.mcp.completion import argument_choices
from nlapi.mcp.settings import Consent
from nlapi.mcp.tool_listing import (
    CALL,
    ToolCatalogue,
    describe_area,
    operation_line,
)
from nlapi.results.store import StoredResult
from nlapi.tools.areas import Area
from nlapi.tools.arguments import argument_schema
from nlapi.tools.describe import describe_operation
from nlapi.tools.prompt_injection import DESCRIPTION_NOTE
from nlapi.tools.text import label_text
from nlapi.tools.tool import Tool

# Areas with a prompt of their own, as many as a plugin has skills.
MAX_PROMPTS = 20

# Lines of a prompt: the whole of a larger area is a resource, which a client reads when it needs it.
MAX_PROMPT_LINES = 60
GENERAL_PROMPT = "operate"
_CHANGE_RULES = {
    Consent.ELICIT: "- The user is asked before a change is sent, and sees the request; without a yes nothing is.",
    Consent.CLIENT: "- Before a change, tell the user what it does; the client asks whether it may be made.",
    Consent.NEVER: "- Nothing can be changed here; only operations that read are offered.",
}


def api_title(catalogue: ToolCatalogue) -> str:
    """Return the title of the API on one line."""
    return label_text(catalogue.spec.title, 80)


def server_instructions(catalogue: ToolCatalogue) -> str:
    """Return the instructions for a model: the server as a whole."""
    count = f"{len(catalogue.operations):,}"
    return _fill_template("instructions.md", title=api_title(catalogue), count=count, **_template_values(catalogue))


def _template_values(catalogue: ToolCatalogue) -> dict[str, str]:
    usage = "- Each tool is one operation."
    prefix = catalogue.settings.prefix
    if catalogue.uses_search:
        change_tool = "" if catalogue.settings.consent is Consent.NEVER else f", or `{prefix}{CALL}` for a change"
        usage = (
            f"- `{prefix}{FIND}` finds operations by words; `{prefix}{DESCRIBE}` tells what one takes; "
            f"then `{prefix}{READ}`{change_tool}."
        )
    if catalogue.workflows.tools:
        usage += "\n- A tool whose description says so is a workflow of several calls: it answers with their outcome."
    return {"how": usage, "changes": _CHANGE_RULES[catalogue.settings.consent]}


def _fill_template(name: str, **values: str) -> str:
    return Template(bundled.text(f"prompts/mcp/{name}")).substitute(values)


def list_resources(catalogue: ToolCatalogue, stored: Iterable[StoredResult]) -> list[types.Resource]:
    """Return the areas of the API, and the answers stored for the client."""
    areas = [
        types.Resource(
            uri=area_uri(group, catalogue),
            name=f"{catalogue.settings.prefix}{group.slug}",
            title=label_text(group.label, 80),
            description=f"{len(group.operations)} operations",
            mime_type="text/markdown",
        )
        for group in catalogue.areas
    ]
    return [*areas, *answer_resources(stored)]


def answer_resources(stored: Iterable[StoredResult]) -> list[types.Resource]:
    """Return the answers that are stored for a client."""
    return [
        types.Resource(
            uri=answer_uri(answer),
            name=f"answer-{answer.handle}",
            description=f"The whole answer to {call_text(answer.call)}, in {answer_pages(answer)} pages",
            mime_type="text/plain",
        )
        for answer in stored
    ]


def area_uri(group: Area, catalogue: ToolCatalogue) -> str:
    """Return the address of an area, unique among the APIs of a server."""
    return f"nlapi://area/{catalogue.settings.prefix}{group.slug}"


def resource_templates() -> list[types.ResourceTemplate]:
    return [
        types.ResourceTemplate(
            uri_template="nlapi://operation/{operation}",
            name="operation",
            description="What an operation does, takes and answers.",
            mime_type="application/json",
        ),
        types.ResourceTemplate(
            uri_template="nlapi://argument/{operation}/{argument}/{value}",
            name="argument",
            description="One argument of an operation, with its schema and its choices. Completion lists values.",
            mime_type="application/json",
        ),
        types.ResourceTemplate(
            uri_template="nlapi://answer/{result}/{page}",
            name="answer",
            description="A page of an answer that was too long to show.",
            mime_type="text/plain",
        ),
    ]


def read_resource(uri: str, catalogue: ToolCatalogue) -> types.TextResourceContents:
    """Return the resource of an area or an operation. UsageError when there is none of that address."""
    kind, _, name = uri.removeprefix("nlapi://").partition("/")
    if kind == "area":
        group = next((candidate for candidate in catalogue.areas if area_uri(candidate, catalogue) == uri), None)
        if group is not None:
            return types.TextResourceContents(uri=uri, mime_type="text/markdown", text=describe_area(group, catalogue))
    if kind == "operation":
        content = {"note": DESCRIPTION_NOTE, **describe_operation(catalogue.tool(unquote(name)))}
        description = json.dumps(strip_all(content), ensure_ascii=False, indent=1, default=str)
        return types.TextResourceContents(uri=uri, mime_type="application/json", text=description)
    if kind == "argument":
        operation, argument, value = (*map(unquote, name.split("/", 2)), "", "")[:3]
        return _read_argument(uri, catalogue.tool(operation), argument, value)
    raise UsageError(f"there is no resource {uri[:200]!r}", hint="resources/list names them")


def _read_argument(uri: str, tool: Tool, argument: str, value: str) -> types.TextResourceContents:
    """Return an argument's schema; with a value, also the choices that there are."""
    if argument not in tool.places:
        raise UsageError(
            f"{tool.operation.id} has no argument {argument[:100]!r}", hint=f"it has {', '.join(tool.places)}"
        )
    record: dict[str, object] = {"operation": tool.operation.id, "argument": argument}
    record["schema"] = argument_schema(tool, argument)
    if value:
        record |= {"value": value, "choices": list(argument_choices(tool, argument))}
    text = json.dumps(record, ensure_ascii=False, indent=1, default=str)
    return types.TextResourceContents(uri=uri, mime_type="application/json", text=text)


def list_prompts(catalogue: ToolCatalogue) -> list[types.Prompt]:
    """Return a prompt for the whole API and one for each area, unless there are too many areas."""
    goal = types.PromptArgument(name="goal", description="What you want, in your own words.", required=False)
    api = api_title(catalogue)
    general_prompt = types.Prompt(
        name=f"{catalogue.settings.prefix}{GENERAL_PROMPT}", title=api, description=f"Operate {api}.", arguments=[goal]
    )
    areas = [
        types.Prompt(
            name=_prompt_name(group, catalogue),
            title=label_text(group.label, 80),
            description=f"Operate {api}: {label_text(group.label, 80)}.",
            arguments=[goal],
        )
        for group in _prompt_areas(catalogue)
    ]
    return [general_prompt, *areas]


def get_prompt(name: str, goal: str, catalogue: ToolCatalogue) -> types.GetPromptResult:
    """Return the text of a prompt. UsageError when there is none of that name."""
    areas = _prompt_areas(catalogue)
    group = next((candidate for candidate in areas if _prompt_name(candidate, catalogue) == name), None)
    if group is None and name != f"{catalogue.settings.prefix}{GENERAL_PROMPT}":
        raise UsageError(f"there is no prompt {name[:100]!r}", hint="prompts/list names them")
    label = label_text(group.label, 80) if group else f"{len(catalogue.operations):,} operations"
    lines = list(_operation_lines(group, catalogue) if group else _area_lines(catalogue))
    text = _fill_template(
        "area.md",
        title=api_title(catalogue),
        label=label,
        goal=goal.strip() or "Ask me what I want to do.",
        operations="\n".join(lines),
        **_template_values(catalogue),
    )
    message = types.PromptMessage(role="user", content=types.TextContent(text=text))
    return types.GetPromptResult(description=f"{api_title(catalogue)}: {label}", messages=[message])


# A client lists prompts as commands of the user: more than a screen of them hides the user's own. One area alone is the
# whole, which has its prompt already.
def _prompt_areas(catalogue: ToolCatalogue) -> tuple[Area, ...]:
    return catalogue.areas if 1 < len(catalogue.areas) <= MAX_PROMPTS else ()


def _prompt_name(group: Area, catalogue: ToolCatalogue) -> str:
    return f"{catalogue.settings.prefix}{GENERAL_PROMPT}-{group.slug}"


def _operation_lines(group: Area, catalogue: ToolCatalogue) -> Iterator[str]:
    yield from (operation_line(operation, catalogue) for operation in group.operations[:MAX_PROMPT_LINES])
    if (more := len(group.operations) - MAX_PROMPT_LINES) > 0:
        yield f"- and {more} more: {area_uri(group, catalogue)}"


def _area_lines(catalogue: ToolCatalogue) -> Iterator[str]:
    for group in catalogue.areas[:MAX_PROMPT_LINES]:
        yield f"- {label_text(group.label, 80)}: {len(group.operations)} operations ({area_uri(group, catalogue)})"
