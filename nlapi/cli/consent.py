"""`nlapi plugin consent`: what a plugin's hook answers Claude Code before a Bash command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import show
from nlapi.cli.target import cache_folder
from nlapi.errors import NlapiError

if TYPE_CHECKING:
    from nlapi.tools.run import Target

MAX_REASON = 3_000
LOOKS = ("--find", "--about", "-h", "--help")


def consent(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The plugin's folder.")]) -> None:
    """Answer a PreToolUse event on standard input: ask the user about a call that may change something."""
    event: Any = json.load(sys.stdin)
    reason = question(str(event["tool_input"]["command"]), folder)
    if reason:
        answer = {"hookEventName": "PreToolUse", "permissionDecision": "ask", "permissionDecisionReason": reason}
        show.write(json.dumps({"hookSpecificOutput": answer}))


def question(command: str, folder: Path) -> str:
    """What the user is asked about a command; "" when it calls nothing, or only reads."""
    import nlapi
    from nlapi.plugin.build import DESCRIPTION, MANIFEST
    from nlapi.plugin.consent import calls, steers
    from nlapi.plugin.drift import manifest
    from nlapi.tools.run import Target

    made = manifest((folder / MANIFEST).read_bytes(), MANIFEST)
    found = calls(command, made.command)
    if found is None:
        return f"It cannot be told from this command what {made.command} would do."
    if not found:
        return ""
    if variable := steers(command, made.variables):
        return f"This command sets {variable} for {made.command}: what it sends may go elsewhere."
    spec = nlapi.load(folder / DESCRIPTION, cache=cache_folder())
    api = Target(spec=spec, base_url=os.environ.get(made.variables[0]) or made.options.base_url or None)
    return "\n\n".join(filter(None, (_about(api, words) for words in found)))[:MAX_REASON]


def _about(api: Target, words: list[str]) -> str:
    """What one call would change, with its request where that can be told; "" when it only reads."""
    from nlapi.openapi.spec import Effect

    if words[:1] and words[0] in LOOKS:
        return ""
    spec = api.spec
    if not words or not spec.has(words[0]):
        return f"{words[0] if words else 'The operation'!r} is none that is known to only read."
    operation = spec.operation(words[0])
    if operation.effect is Effect.READ:
        return ""
    does = "takes something away" if operation.effect is Effect.DESTROY else "changes something"
    try:
        options = _parsed(words)
        if (options["dry_run"] or options["curl"]) and not _from_shell(words):
            return ""
        return f"{operation.id} {does}:\n{_request(api, options)}"
    except (NlapiError, typer.TyperException) as error:
        return f"{operation.id} {does}. Its request cannot be shown: {getattr(error, 'message', error)}"


def _parsed(words: list[str]) -> dict[str, Any]:
    """The options of `nlapi call` as it will read them itself. Without --help, which would print here."""
    from nlapi.cli import call

    alone = typer.Typer()
    call.register(alone)
    command = typer.main.get_command(alone)
    return command.make_context("call", ["SOURCE", *words], help_option_names=[]).params


def _from_shell(words: list[str]) -> bool:
    """Are there words that the shell puts in? Of `${X:+ --dry-run }` nothing may be left."""
    return any("$" in word for word in words)


def _request(api: Target, options: dict[str, Any]) -> str:
    from nlapi.cli.arguments import arguments
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.run import prepare
    from nlapi.tools.tool import Call

    pairs, given = options["pairs"] or (), options["args"]
    elsewhere = [text for text in (given or "", *pairs) if text == "-" or text.startswith("@") or "=@" in text]
    if elsewhere or _from_shell([given or "", *pairs]):
        return f"with arguments from elsewhere: {' '.join(elsewhere) or 'the shell'}"
    tool = compile_tool(api.spec.operation(options["operation"]))
    call = Call(tool=tool, arguments=arguments(tool, known={}, given=given, pairs=pairs))
    return show.request(prepare(call, api).request)
