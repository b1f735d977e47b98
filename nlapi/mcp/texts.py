"""The texts by which a server describes itself: instructions, resources and prompts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from string import Template
from urllib.parse import unquote

import mcp_types as types

from nlapi import bundled
from nlapi.client.clean import one_line
from nlapi.errors import UsageError
from nlapi.mcp.catalogue import CALL, DESCRIBE, FIND, READ, Catalogue
from nlapi.mcp.kept import Answer
from nlapi.mcp.reference import about, area, listed
from nlapi.mcp.settings import Consent
from nlapi.tools.areas import Area

# Areas with a prompt of their own, as many as a plugin has skills.
MAX_PROMPTS = 20

# Lines of a prompt: the whole of a larger area is a resource, which a client reads when it needs it.
MAX_LISTED = 60
WHOLE = "operate"
_CHANGES = {
    Consent.ELICIT: "- The user is asked before a change is sent, and sees the request; without a yes nothing is.",
    Consent.CLIENT: "- Before a change, tell the user what it does; the client asks whether it may be made.",
    Consent.NEVER: "- Nothing can be changed here; only operations that read are offered.",
}


def title(catalogue: Catalogue) -> str:
    """Return the title of the API on one line."""
    return one_line(catalogue.spec.title)[:80]


def instructions(catalogue: Catalogue) -> str:
    """Return the instructions for a model: the server as a whole."""
    count = f"{len(catalogue.operations):,}"
    return _filled("instructions.md", title=title(catalogue), count=count, **_ways(catalogue))


def _ways(catalogue: Catalogue) -> dict[str, str]:
    how = "- Each tool is one operation."
    if catalogue.searched:
        other = "" if catalogue.settings.consent is Consent.NEVER else f", or `{CALL}` for a change"
        how = f"- `{FIND}` finds operations by words; `{DESCRIBE}` tells what one takes; then `{READ}`{other}."
    return {"how": how, "changes": _CHANGES[catalogue.settings.consent]}


def _filled(name: str, **values: str) -> str:
    return Template(bundled.text(f"prompts/mcp/{name}")).substitute(values)


def listed_resources(catalogue: Catalogue, kept: list[Answer]) -> list[types.Resource]:
    """Return the areas of the API, and the answers stored for the client."""
    areas = [
        types.Resource(
            uri=f"nlapi://area/{group.slug}",
            name=group.slug,
            title=one_line(group.label)[:80],
            description=f"{len(group.operations)} operations",
            mime_type="text/markdown",
        )
        for group in catalogue.areas
    ]
    answers = [
        types.Resource(
            uri=f"nlapi://answer/{answer.id}/1",
            name=f"answer-{answer.id[:6]}",
            description=f"The whole answer to {answer.about}, in {answer.pages} pages",
            mime_type="text/plain",
        )
        for answer in kept
    ]
    return [*areas, *answers]


def templates() -> list[types.ResourceTemplate]:
    return [
        types.ResourceTemplate(
            uri_template="nlapi://operation/{operation}",
            name="operation",
            description="What an operation does, takes and answers.",
            mime_type="application/json",
        ),
        types.ResourceTemplate(
            uri_template="nlapi://answer/{id}/{page}",
            name="answer",
            description="A page of an answer that was too long to show.",
            mime_type="text/plain",
        ),
    ]


def described(uri: str, catalogue: Catalogue) -> types.TextResourceContents:
    """Return the resource of an area or an operation. UsageError when there is none of that address."""
    kind, _, name = uri.removeprefix("nlapi://").partition("/")
    if kind == "area":
        group = next((one for one in catalogue.areas if one.slug == name), None)
        if group is not None:
            return types.TextResourceContents(uri=uri, mime_type="text/markdown", text=area(group, catalogue))
    if kind == "operation":
        told = json.dumps(about(catalogue.tool(unquote(name))), ensure_ascii=False, indent=1, default=str)
        return types.TextResourceContents(uri=uri, mime_type="application/json", text=told)
    raise UsageError(f"there is no resource {uri[:200]!r}", hint="resources/list names them")


def prompts(catalogue: Catalogue) -> list[types.Prompt]:
    """Return a prompt for the whole API and one for each area, unless there are too many areas."""
    goal = types.PromptArgument(name="goal", description="What you want, in your own words.", required=False)
    api = title(catalogue)
    whole = types.Prompt(name=WHOLE, title=api, description=f"Operate {api}.", arguments=[goal])
    areas = [
        types.Prompt(
            name=_name(group),
            title=one_line(group.label)[:80],
            description=f"Operate {api}: {one_line(group.label)[:80]}.",
            arguments=[goal],
        )
        for group in _prompted(catalogue)
    ]
    return [whole, *areas]


def prompt(name: str, goal: str, catalogue: Catalogue) -> types.GetPromptResult:
    """Return the text of a prompt. UsageError when there is none of that name."""
    group = next((one for one in _prompted(catalogue) if _name(one) == name), None)
    if group is None and name != WHOLE:
        raise UsageError(f"there is no prompt {name[:100]!r}", hint="prompts/list names them")
    label = one_line(group.label)[:80] if group else f"{len(catalogue.operations):,} operations"
    lines = list(_operations(group, catalogue) if group else _areas(catalogue))
    text = _filled(
        "area.md",
        title=title(catalogue),
        label=label,
        goal=goal.strip() or "Ask me what I want to do.",
        operations="\n".join(lines),
        **_ways(catalogue),
    )
    message = types.PromptMessage(role="user", content=types.TextContent(text=text))
    return types.GetPromptResult(description=f"{title(catalogue)}: {label}", messages=[message])


# A client lists prompts as commands of the user: more than a screen of them hides the user's own. One area alone is the
# whole, which has its prompt already.
def _prompted(catalogue: Catalogue) -> tuple[Area, ...]:
    return catalogue.areas if 1 < len(catalogue.areas) <= MAX_PROMPTS else ()


def _name(group: Area) -> str:
    return f"{WHOLE}-{group.slug}"


def _operations(group: Area, catalogue: Catalogue) -> Iterator[str]:
    yield from (listed(one, catalogue) for one in group.operations[:MAX_LISTED])
    if (more := len(group.operations) - MAX_LISTED) > 0:
        yield f"- and {more} more: nlapi://area/{group.slug}"


def _areas(catalogue: Catalogue) -> Iterator[str]:
    for group in catalogue.areas[:MAX_LISTED]:
        yield f"- {one_line(group.label)[:80]}: {len(group.operations)} operations (nlapi://area/{group.slug})"
