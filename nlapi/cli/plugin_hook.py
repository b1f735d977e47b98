"""`nlapi plugin consent`: the answer of a plugin's PreToolUse hook before a Bash command or a tool of the plugin."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import console
from nlapi.cli.options import expand_optional_values
from nlapi.errors import NlapiError
from nlapi.registry import user_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from nlapi.openapi.spec import Operation
    from nlapi.plugin.folder import PluginManifest
    from nlapi.tools.run import Target
    from nlapi.tools.tool import Tool

# Characters of a question. Of several calls all are named first, so that a cut hides none of them.
MAX_REASON = 3_000
# Options of the plugin's command that only print.
PRINTING_OPTIONS = ("--find", "--about", "-h", "--help")


def consent(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The plugin's folder.")]) -> None:
    """Answer a PreToolUse event on standard input: ask the user about a call that may change something."""
    reason = consent_question(json.load(sys.stdin), folder)
    if reason:
        # Without hookEventName Claude Code (2.1.331) drops the answer and runs the command. "ask" overrides a
        # permission that allows the command and, where nobody can be asked, denies it.
        answer = {"hookEventName": "PreToolUse", "permissionDecision": "ask", "permissionDecisionReason": reason}
        console.write(json.dumps({"hookSpecificOutput": answer}))


def consent_question(event: Any, folder: Path) -> str:
    """Return the question to the user about an event; "" when it makes no call, or only reads."""
    import nlapi
    from nlapi.cli.plugin_run import plugin_base_url
    from nlapi.plugin.argument_settings import setting_values
    from nlapi.plugin.build import DESCRIPTION, MANIFEST
    from nlapi.plugin.folder import read_manifest
    from nlapi.plugin.programs import tool_prefix
    from nlapi.tools.run import Target

    plugin = read_manifest((folder / MANIFEST).read_bytes(), MANIFEST)

    def api() -> Target:
        spec = nlapi.load(folder / DESCRIPTION, cache=user_folder("cache"))
        base_url = plugin_base_url(plugin) or None
        settings = setting_values(plugin, base_url, os.environ)
        return Target(spec=spec, base_url=base_url, no_auth=plugin.options.no_auth, settings=settings)

    tool = str(event["tool_name"])
    if tool.startswith(tool_prefix(plugin.name)):
        return _tool_question(api(), plugin, tool.removeprefix(tool_prefix(plugin.name)), event["tool_input"])
    return _command_question(api, plugin, folder, str(event["tool_input"]["command"])) if tool == "Bash" else ""


def _command_question(api: Callable[[], Target], plugin: PluginManifest, folder: Path, command: str) -> str:
    from nlapi.cli.plugin_run import plugin_base_url
    from nlapi.cli.recipe_question import command_question, is_command_word, stores_setting
    from nlapi.plugin.shell_calls import find_calls, find_override

    commands = find_calls(command, plugin.command)
    if commands is None:
        return f"It cannot be told from this command what {plugin.command} would do."
    if not commands:
        return ""
    if variable := find_override(command, (*plugin.variables, *plugin.settings.values())):
        return f"This command sets {variable} for {plugin.command}: what it sends may go elsewhere."
    if len(commands) > 1 and any(map(stores_setting, commands)):
        return f"It stores a setting and goes on with {plugin.command}: what that sends is not known yet."
    target = None if all(map(is_command_word, commands)) else api()
    reasons = (
        command_question(folder, words, plugin_base_url(plugin))
        if target is None or is_command_word(words)
        else _call_question(target, words)
        for words in commands
    )
    questions = list(filter(None, reasons))
    summary = [f"{len(questions)} calls: " + "; ".join(reason.partition("\n")[0].rstrip(":") for reason in questions)]
    return _shorten_question("\n\n".join([*(summary if len(questions) > 1 else ()), *questions]))


def _shorten_question(reason: str) -> str:
    """Return a question cut to MAX_REASON characters, with its full length."""
    return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}… ({len(reason):,} characters)"


def _tool_question(api: Target, plugin: PluginManifest, name: str, arguments: Any) -> str:
    """Return the question about a call of a tool of the plugin's MCP server."""
    from nlapi.agent.operation_tools import DESCRIBE, FIND, READ, inner_arguments
    from nlapi.mcp.settings import Consent, Settings
    from nlapi.mcp.tool_listing import CALL, build_catalogue
    from nlapi.openapi.spec import Effect
    from nlapi.plugin.programs import max_tool_length
    from nlapi.results.query_arguments import QUERY_TOOL

    # The same list of tools as the server makes, so that hook and server cannot read a call differently.
    settings = Settings(consent=Consent.CLIENT, name_length=max_tool_length(plugin.name))
    listed_tools = build_catalogue(api.spec, api.spec.visible_operations, settings)
    if name == QUERY_TOOL or (listed_tools.uses_search and name in (FIND, DESCRIBE)):
        return ""
    try:
        if listed_tools.uses_search and name in (READ, CALL):
            name, arguments = str(arguments.get("operation")), inner_arguments(name, arguments)
        tool = listed_tools.tool(name)
        if tool.effect is Effect.READ:
            return ""
        return _shorten_question(f"{_effect_line(tool.operation)}:\n{_request_preview(api, tool, dict(arguments))}")
    except (NlapiError, ValueError, TypeError) as error:
        return f"What {name[:100]!r} would do cannot be shown: {getattr(error, 'message', error)}"


def _call_question(api: Target, words: list[str]) -> str:
    """Return the question about one call of the plugin's command, with its request; "" when it only reads."""
    from nlapi.openapi.spec import Effect

    if words[:1] and words[0] in PRINTING_OPTIONS:
        return ""
    spec = api.spec
    if not words or not spec.has(words[0]):
        return f"{words[0] if words else 'The operation'!r} is none that is known to only read."
    operation = spec.operation(words[0])
    if operation.effect is Effect.READ:
        return ""
    try:
        options = _parse_options(words)
        sends = options["yes"] or options["yes_to"] or not (options["dry_run"] or options["curl"])
        if not sends and not _has_substitution(words):
            return ""
        return f"{_effect_line(operation)}:\n{_request_text(api, options)}"
    except (NlapiError, typer.TyperException) as error:
        return f"{_effect_line(operation)}. Its request cannot be shown: {getattr(error, 'message', error)}"


def _effect_line(operation: Operation) -> str:
    return f"{operation.id} {console.EFFECTS[operation.effect]}"


def _parse_options(words: list[str]) -> dict[str, object]:
    """Return the options that `nlapi call` will read from the words, by its own parser."""
    from nlapi.cli import call

    app = typer.Typer()
    app.command()(call.call)
    command = typer.main.get_command(app)
    # Without --help, which would print its text into the hook's answer.
    return command.make_context("call", ["SOURCE", *expand_optional_values(words)], help_option_names=[]).params


def _has_substitution(words: list[str]) -> bool:
    """Return whether the shell substitutes a part of the words."""
    # `${X:+ --dry-run }` looks like a dry run and may expand to nothing.
    return any("$" in word for word in words)


def _request_text(api: Target, options: dict[str, Any]) -> str:
    from nlapi.cli.arguments import parse_arguments
    from nlapi.tools.compile import compile_tool

    pairs, json_text = options["pairs"] or (), options["args"]
    external = [text for text in (json_text or "", *pairs) if text == "-" or text.startswith("@") or "=@" in text]
    if external or _has_substitution([json_text or "", *pairs]):
        return f"with arguments from elsewhere: {' '.join(external) or 'the shell'}"
    tool = compile_tool(api.spec.operation(options["operation"]))
    return _request_preview(api, tool, parse_arguments(tool, known_values={}, json_text=json_text, pairs=pairs))


def _request_preview(api: Target, tool: Tool, arguments: dict[str, object]) -> str:
    from nlapi.tools.run import prepare
    from nlapi.tools.setting_values import setting_lines
    from nlapi.tools.tool import Call

    prepared = prepare(Call(tool=tool, arguments=arguments), api)
    return "\n".join([console.preview_request(prepared.request), *setting_lines(prepared.settings)])
