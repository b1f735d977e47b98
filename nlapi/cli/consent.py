"""`nlapi plugin consent`: the answer of a plugin's PreToolUse hook before a Bash command or a tool of the plugin."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import show
from nlapi.cli.options import spelled_out
from nlapi.errors import NlapiError
from nlapi.registry import user_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from nlapi.openapi.spec import Operation
    from nlapi.plugin.drift import Manifest
    from nlapi.tools.run import Target
    from nlapi.tools.tool import Tool

# Characters of a question. Of several calls all are named first, so that a cut hides none of them.
MAX_REASON = 3_000
# Options of the plugin's command that only print.
LOOKS = ("--find", "--about", "-h", "--help")


def consent(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The plugin's folder.")]) -> None:
    """Answer a PreToolUse event on standard input: ask the user about a call that may change something."""
    reason = question(json.load(sys.stdin), folder)
    if reason:
        # Without hookEventName Claude Code (2.1.331) drops the answer and runs the command. "ask" overrides a
        # permission that allows the command and, where nobody can be asked, denies it.
        answer = {"hookEventName": "PreToolUse", "permissionDecision": "ask", "permissionDecisionReason": reason}
        show.write(json.dumps({"hookSpecificOutput": answer}))


def question(event: Any, folder: Path) -> str:
    """Return the question to the user about an event; "" when it makes no call, or only reads."""
    import nlapi
    from nlapi.plugin.build import DESCRIPTION, MANIFEST
    from nlapi.plugin.command import tools_of
    from nlapi.plugin.drift import manifest
    from nlapi.tools.run import Target

    made = manifest((folder / MANIFEST).read_bytes(), MANIFEST)

    def api() -> Target:
        spec = nlapi.load(folder / DESCRIPTION, cache=user_folder("cache"))
        base_url = os.environ.get(made.variables[0]) or made.options.base_url or None
        return Target(spec=spec, base_url=base_url, no_auth=made.options.no_auth)

    tool = str(event["tool_name"])
    if tool.startswith(tools_of(made.name)):
        return _of_tool(api(), made, tool.removeprefix(tools_of(made.name)), event["tool_input"])
    return _of_command(api, made, str(event["tool_input"]["command"])) if tool == "Bash" else ""


def _of_command(api: Callable[[], Target], made: Manifest, command: str) -> str:
    from nlapi.plugin.consent import calls, steers

    found = calls(command, made.command)
    if found is None:
        return f"It cannot be told from this command what {made.command} would do."
    if not found:
        return ""
    if what := steers(command, made.variables):
        return f"This command sets {what} for {made.command}: what it sends may go elsewhere."
    target = api()
    asked = [reason for reason in (_about(target, words) for words in found) if reason]
    heads = [f"{len(asked)} calls: " + "; ".join(reason.partition("\n")[0].rstrip(":") for reason in asked)]
    return _cut("\n\n".join([*(heads if len(asked) > 1 else ()), *asked]))


def _cut(reason: str) -> str:
    """Return a question cut to MAX_REASON characters, with its full length."""
    return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}… ({len(reason):,} characters)"


def _of_tool(api: Target, made: Manifest, name: str, given: Any) -> str:
    """Return the question about a call of a tool of the plugin's MCP server."""
    from nlapi.mcp.catalogue import CALL, DESCRIBE, FIND, READ, catalogue
    from nlapi.mcp.settings import Consent, Settings
    from nlapi.openapi.spec import Effect
    from nlapi.plugin.command import tool_length

    # The same list of tools as the server makes, so that hook and server cannot read a call differently.
    settings = Settings(consent=Consent.CLIENT, name_length=tool_length(made.name))
    offered = catalogue(api.spec, api.spec.shown, settings)
    if offered.searched and name in (FIND, DESCRIBE):
        return ""
    if offered.searched and name in (READ, CALL):
        name, given = str(given.get("operation")), given.get("arguments") or {}
    try:
        tool = offered.tool(name)
        if tool.effect is Effect.READ:
            return ""
        return _cut(f"{_does(tool.operation)}:\n{_shown(api, tool, dict(given))}")
    except (NlapiError, ValueError, TypeError) as error:
        return f"What {name[:100]!r} would do cannot be shown: {getattr(error, 'message', error)}"


def _about(api: Target, words: list[str]) -> str:
    """Return the question about one call of the plugin's command, with its request; "" when it only reads."""
    from nlapi.openapi.spec import Effect

    if words[:1] and words[0] in LOOKS:
        return ""
    spec = api.spec
    if not words or not spec.has(words[0]):
        return f"{words[0] if words else 'The operation'!r} is none that is known to only read."
    operation = spec.operation(words[0])
    if operation.effect is Effect.READ:
        return ""
    try:
        options = _parsed(words)
        sends = options["yes"] or options["yes_to"] or not (options["dry_run"] or options["curl"])
        if not sends and not _from_shell(words):
            return ""
        return f"{_does(operation)}:\n{_request(api, options)}"
    except (NlapiError, typer.TyperException) as error:
        return f"{_does(operation)}. Its request cannot be shown: {getattr(error, 'message', error)}"


def _does(operation: Operation) -> str:
    return f"{operation.id} {show.EFFECTS[operation.effect]}"


def _parsed(words: list[str]) -> dict[str, Any]:
    """Return the options that `nlapi call` will read from the words, by its own parser."""
    from nlapi.cli import call

    alone = typer.Typer()
    alone.command()(call.call)
    command = typer.main.get_command(alone)
    # Without --help, which would print its text into the hook's answer.
    return command.make_context("call", ["SOURCE", *spelled_out(words)], help_option_names=[]).params


def _from_shell(words: list[str]) -> bool:
    """Return whether the shell substitutes a part of the words."""
    # `${X:+ --dry-run }` looks like a dry run and may expand to nothing.
    return any("$" in word for word in words)


def _request(api: Target, options: dict[str, Any]) -> str:
    from nlapi.cli.arguments import arguments
    from nlapi.tools.compile import compile_tool

    pairs, given = options["pairs"] or (), options["args"]
    elsewhere = [text for text in (given or "", *pairs) if text == "-" or text.startswith("@") or "=@" in text]
    if elsewhere or _from_shell([given or "", *pairs]):
        return f"with arguments from elsewhere: {' '.join(elsewhere) or 'the shell'}"
    tool = compile_tool(api.spec.operation(options["operation"]))
    return _shown(api, tool, arguments(tool, known={}, given=given, pairs=pairs))


def _shown(api: Target, tool: Tool, given: dict[str, Any]) -> str:
    from nlapi.tools.run import prepare
    from nlapi.tools.tool import Call

    return show.request(prepare(Call(tool=tool, arguments=given), api).request)
