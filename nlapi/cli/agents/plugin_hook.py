"""`nlapi plugin consent`: the answer of a plugin's PreToolUse hook before a Bash command, a tool or a recipe."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli.lazy_commands import coerce_parameters
from nlapi.cli.options import argument, expand_optional_values
from nlapi.cli.render import console
from nlapi.cli.workflow.inputs import RunOptions
from nlapi.errors import NlapiError

if TYPE_CHECKING:
    from nlapi.cli.agents.plugin_installed import InstalledPlugin
    from nlapi.cli.agents.plugin_run import OpenedRecipe
    from nlapi.cli.call.batch import BatchInput
    from nlapi.cli.call.call import CallInput
    from nlapi.cli.options import AnswerOptions
    from nlapi.openapi.spec import Effect, Operation
    from nlapi.plugin.shell_calls import ShellWord
    from nlapi.tools.sending.run import Prepared, Target
    from nlapi.tools.tool import Tool

    OpenedApi = tuple[Target, Mapping[str, str]]
    """An API, and the values that its user registered with it."""


# Characters of a question. Of several calls all are named first, so that a cut hides none of them.
MAX_REASON = 3_000
MAX_HEAD = 200
# Options of the plugin's command that only print.
PRINTING_OPTIONS = ("--find", "--about", "-h", "--help")
BATCH = "batch"
NLAPI = "nlapi"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookQuestion:
    """The question to a user about an event; "" for no question. `digests` are those of the requests that it shows."""

    text: str = ""
    digests: tuple[str, ...] = ()


NOTHING = HookQuestion()


def consent(folder: Annotated[Path, argument("DIR", "The plugin's folder.")]) -> None:
    """Answer a PreToolUse event on standard input: ask the user about a call that may change something."""
    from nlapi.cli.agents.plugin_installed import InstalledPlugin

    # In a session its broker has answered already. Without a broker the question is the same, and nothing is sent
    # without an answer.
    if answer := hook_answer(consent_question(json.load(sys.stdin), InstalledPlugin.open(folder))):
        console.write(json.dumps(answer))


def hook_answer(question: HookQuestion) -> dict[str, Any]:
    """Return the answer of a PreToolUse hook that has the user asked; {} where there is nothing to ask."""
    if not question.text:
        return {}
    # Without hookEventName Claude Code (2.1.331) drops the answer and runs the command. "ask" overrides a
    # permission that allows the command and, where nobody can be asked, denies it.
    answer = {"hookEventName": "PreToolUse", "permissionDecision": "ask", "permissionDecisionReason": question.text}
    return {"hookSpecificOutput": answer}


def consent_question(event: Any, plugin: InstalledPlugin) -> HookQuestion:
    """Return the question to the user about an event; NOTHING when it makes no call, or only reads."""
    from nlapi.plugin.programs import tool_prefix

    tool, prefix = str(event["tool_name"]), tool_prefix(plugin.manifest.name)
    if tool.startswith(prefix):
        return _tool_question(plugin, tool.removeprefix(prefix), event["tool_input"])
    # Other tools than Bash may run commands too (PowerShell, Monitor): theirs are in the same place.
    command = event["tool_input"].get("command") if isinstance(event.get("tool_input"), dict) else None
    if not isinstance(command, str):
        return NOTHING
    # Relative names of files are seen from where the command will run.
    if isinstance(event.get("cwd"), str) and os.path.isdir(event["cwd"]):  # noqa: PTH112 - false for "" and NUL
        os.chdir(event["cwd"])
    return _command_question(plugin, command)


def _command_question(plugin: InstalledPlugin, command: str) -> HookQuestion:
    from nlapi.plugin.shell_calls import find_calls, find_override

    name, variables = plugin.manifest.command, (*plugin.manifest.variables, *plugin.manifest.settings.values())
    own_calls = find_calls(command, name)
    if own_calls is None:
        return HookQuestion(
            text=f"It cannot be told from this command what {name} would do. A change in it will not be sent: "
            "it has to be a command of its own, written out."
        )
    # Of a command that cannot be read, `nlapi` sends no change: nothing has to be asked.
    plain_calls = [words[1:] for words in find_calls(command, NLAPI) or () if words[:1] in (["call"], [BATCH])]
    if own_calls and (variable := find_override(command, variables)):
        return HookQuestion(text=f"This command sets {variable} for {name}: what it sends may go elsewhere.")
    asked = [question for words in own_calls if (question := _call_question(plugin, words)).text]
    asked += [question for words in plain_calls if (question := _plain_question(words)).text]
    texts = [question.text for question in asked]
    if len(texts) < 2:
        return HookQuestion(text=shorten_question("".join(texts)), digests=_digests(asked))
    # Each is named with where it goes, so that a cut hides none; then each has its part of what is left.
    heads = [", ".join(text.split("\n")[:2]).replace(":,", ":") for text in texts]
    summary = f"{len(texts)} calls: " + "; ".join(console.shorten(head, MAX_HEAD) for head in heads)
    if len(summary) > MAX_REASON:
        return HookQuestion(
            text=f"{len(texts)} calls are too many for one question. None will be sent: write them into a file "
            f"({name} {BATCH} FILE), or into several commands."
        )
    part = (MAX_REASON - len(summary)) // len(texts)
    return HookQuestion(
        text="\n\n".join([summary, *(shorten_question(text, part) for text in texts)]), digests=_digests(asked)
    )


def _digests(asked: Sequence[HookQuestion]) -> tuple[str, ...]:
    return tuple(digest for question in asked for digest in question.digests)


def shorten_question(reason: str, length: int = MAX_REASON) -> str:
    """Return a question of about `length` characters at most, with its full length where it is cut."""
    from nlapi.client.message import shorten_lines

    text = shorten_lines(reason, length)
    return text if len(text) <= length else f"{text[:length]}… ({len(reason):,} characters)"


def _tool_question(plugin: InstalledPlugin, name: str, arguments: Any) -> HookQuestion:
    """Return the question about a call of a tool of the plugin's MCP server."""
    from nlapi.agent.operations.tools import CHANGE, DESCRIBE, FIND, READ, inner_arguments
    from nlapi.mcp.settings import Consent, Settings
    from nlapi.mcp.tool_listing import build_catalogue
    from nlapi.openapi.spec import Effect
    from nlapi.plugin.programs import max_tool_length
    from nlapi.results.query import QUERY_TOOL
    from nlapi.tools.tool import Call

    # The same list of tools as the server makes, so that hook and server cannot read a call differently.
    api = plugin.target()
    settings = Settings(consent=Consent.CLIENT, name_length=max_tool_length(plugin.manifest.name))
    listed_tools = build_catalogue(api.spec, api.spec.visible_operations, settings)
    if name in (QUERY_TOOL, FIND, DESCRIBE):
        return NOTHING
    try:
        if name in (READ, CHANGE):
            name, arguments = str(arguments.get("operation")), inner_arguments(name, arguments)
        tool = listed_tools.tool(name)
        if Call(tool=tool, arguments=dict(arguments)).effect is Effect.READ:
            return NOTHING
        return _request_question(_prepare(api, tool, dict(arguments)))
    except (NlapiError, ValueError, TypeError) as error:
        return HookQuestion(text=f"What {name[:100]!r} would do cannot be shown: {getattr(error, 'message', error)}")


def _call_question(plugin: InstalledPlugin, words: Sequence[ShellWord]) -> HookQuestion:
    """Return the question about one call of the plugin's command, with its request; NOTHING when it only reads."""
    from nlapi.cli.agents.plugin_installed import parse_batch, parse_call
    from nlapi.openapi.spec import Effect
    from nlapi.plugin.names import COMMAND_WORDS
    from nlapi.resources.effect_arguments import possible_effect

    if words[:1] and words[0] in PRINTING_OPTIONS:
        return expansion_question(words, "This")
    spec = plugin.load()
    if words[:1] == [BATCH]:
        return _batch_question(
            lambda: parse_batch(["SOURCE", *words[1:]]), lambda _: (plugin.target(), {}), words, reads=True
        )
    if words and words[0] in COMMAND_WORDS:
        return recipe_question(plugin, words)
    if not words or not spec.has(words[0]):
        return HookQuestion(text=f"{words[0] if words else 'The operation'!r} is not known to only read.")
    operation = spec.operation(words[0])
    question = NOTHING
    if operation.effect is Effect.READ:
        question = expansion_question(words, operation.id, lambda: parse_call(["SOURCE", *words]))
        if question != NOTHING or possible_effect(operation) is Effect.READ:
            return question
    return _change_question(
        operation, lambda: (parse_call(["SOURCE", *words]), (plugin.target(), {})), words, is_pinned=True
    )


def _plain_question(words: Sequence[ShellWord]) -> HookQuestion:
    """Return the question about a call by `nlapi call` itself, of any description."""
    from nlapi.cli.agents.plugin_installed import parse_batch, parse_call
    from nlapi.cli.call.result_output import resolve_shape
    from nlapi.cli.target import open_requested
    from nlapi.openapi.spec import READ_METHODS, Effect

    if words[:1] == [BATCH]:
        return _batch_question(lambda: parse_batch(list(words[1:])), open_requested, words, reads=False)
    try:
        request, shape = parse_call(list(words))
        opened = open_requested(request)
        resolve_shape(shape)
        call = request.read(*opened).call
        operation = call.tool.operation
    except (NlapiError, typer.TyperException):
        # It will fail in the same way, before anything is sent.
        return NOTHING
    # A description of somebody else, or of the model, may call a POST a read.
    if call.effect is Effect.READ and operation.method in READ_METHODS:
        return NOTHING
    return _change_question(operation, lambda: ((request, shape), opened), words)


def _change_question(
    operation: Operation,
    parse: Callable[[], tuple[tuple[CallInput, AnswerOptions], OpenedApi]],
    words: Sequence[ShellWord],
    *,
    is_pinned: bool = False,
) -> HookQuestion:
    """Return the question about a call of an operation that may change something; NOTHING for a dry run and a read.

    With `is_pinned` the description is the plugin's own, which may call a POST a read.
    """
    from nlapi.cli.call.result_output import resolve_shape
    from nlapi.openapi.spec import READ_METHODS, Effect
    from nlapi.tools.sending.run import prepare

    try:
        (request, shape), (target, known) = parse()
        sends = request.has_consent or not (request.dry_run or request.curl)
        if not sends and not _has_substitution(words):
            return NOTHING
        texts = request.texts
        if "-" in texts or _has_substitution(words):
            source = "standard input" if "-" in texts else "the shell"
            return HookQuestion(
                text=f"{_effect_line(operation)}:\nwith arguments from elsewhere: {source}. It will not be sent: its "
                "values have to be written out, or in a file (--args @FILE)."
            )
        resolve_shape(shape)
        read = request.read(target, known)
        prepared = prepare(read.call, read.target, changes=read.changes)
        if prepared.effect is Effect.READ and (is_pinned or operation.method in READ_METHODS):
            return NOTHING
        question = _request_question(prepared)
    except (NlapiError, typer.TyperException) as error:
        return HookQuestion(
            text=f"{_effect_line(operation)}. Its request cannot be shown: {getattr(error, 'message', error)}"
        )
    # The model sees a denied question, and may not be allowed to read the file, so its content is not in it.
    files = _named_files(texts)
    if not files:
        return question
    names = "; ".join(f"{name} ({_file_text(name)})" for name in files)
    text = f"{_effect_line(operation)}:\n{prepared.request.method} {prepared.request.url}\nwith values of {names}"
    return HookQuestion(text=text, digests=question.digests)


def _batch_question(
    parse: Callable[[], BatchInput],
    open_target: Callable[[BatchInput], OpenedApi],
    words: Sequence[ShellWord],
    *,
    reads: bool,
) -> HookQuestion:
    """Return the question about the calls of a file; with `reads` also where they change nothing."""
    from nlapi.cli.call.batch import preview_batch

    if _has_substitution(words):
        return HookQuestion(text="A batch with arguments from elsewhere: the shell. It will not be sent: write it out.")
    text, digests = "", tuple[str, ...]()
    try:
        request = parse()
        if request.dry_run:
            return NOTHING
        if request.has_consent:
            text, digests = preview_batch(request, *open_target(request))
    except (NlapiError, typer.TyperException) as error:
        return HookQuestion(text=f"A batch that cannot be shown: {getattr(error, 'message', error)}")
    if reads and not text:
        # Without a change, or without consent to one, what can be sent are the reads of the file.
        name = request.file
        text = f"A batch that only reads, and sends values of {name[:200]} ({_file_text(name)})"
    return HookQuestion(text=text, digests=digests)


def expansion_question(
    words: Sequence[ShellWord], name: str, parse: Callable[[], tuple[CallInput, AnswerOptions]] | None = None
) -> HookQuestion:
    """Return the question about a read that sends the output of a command, a variable, or the content of a file."""
    sources: list[str] = [word for word in words if word.expands]
    if not sources and parse is not None:
        try:
            texts = parse()[0].texts
        except typer.TyperException:
            # It will fail in the same way, before anything is sent.
            return NOTHING
        sources = [*_named_files(texts, prefix="@"), *(["standard input"] if "-" in texts else ())]
    if not sources:
        return NOTHING
    what = ", ".join(console.shorten(word, 60) for word in sources[:5])
    return HookQuestion(text=f"{name} only reads, but sends the value or file content behind {what}")


def _effect_line(operation: Operation, effect: Effect | None = None) -> str:
    """Return what an operation does; without the effect of a call, what one may do."""
    from nlapi.resources.effect_arguments import possible_effect

    return f"{operation.id} {(effect or possible_effect(operation)).phrase}"


def _has_substitution(words: Sequence[ShellWord]) -> bool:
    """Return whether the shell substitutes a part of the words."""
    # `${X:+ --dry-run }` looks like a dry run and may expand to nothing.
    return any(word.expands for word in words)


def _named_files(texts: Sequence[str], prefix: str = "") -> list[str]:
    """Return the names of files in arguments: `@FILE`, and `KEY=@FILE`."""
    names = [text[1:] for text in texts if text.startswith("@")]
    names += [text.partition("=@")[2] for text in texts if "=@" in text and not text.startswith("{")]
    return [f"{prefix}{name}" for name in names]


def _file_text(name: str) -> str:
    """Return the size of a file, and the beginning of the hash of its content."""
    try:
        content = Path(name).expanduser().read_bytes()
    except OSError:
        return "cannot be read"
    return f"{len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()[:12]}"


def _prepare(api: Target, tool: Tool, arguments: dict[str, object]) -> Prepared:
    from nlapi.tools.sending.run import prepare
    from nlapi.tools.tool import Call

    return prepare(Call(tool=tool, arguments=arguments), api)


def _request_question(prepared: Prepared) -> HookQuestion:
    from nlapi.client.message import exact_digest
    from nlapi.tools.arguments import setting_lines
    from nlapi.tools.quantities.moments import value_notes

    text = (
        f"{_effect_line(prepared.call.tool.operation, prepared.effect)}:\n{console.preview_request(prepared.request)}"
    )
    notes = "\n".join([*setting_lines(prepared.settings), *value_notes(prepared.written)])
    text += f"\n\n{notes}" if notes else ""
    return HookQuestion(text=shorten_question(text), digests=(exact_digest(prepared.request),))


def parse_words(command: Callable[..., None], words: Sequence[str]) -> dict[str, Any]:
    """Return the options that a command will read from the words, by its own parser."""
    app = typer.Typer()
    app.command()(command)
    # Without --help, which would print its text into the hook's answer.
    parser = typer.main.get_command(app)
    coerce_parameters(parser.params)
    return parser.make_context("call", expand_optional_values(words), help_option_names=[]).params


# Characters of a recipe's name in a question.
MAX_NAME = 100

RESUME_HINT = "to continue a stopped run, use a terminal: nlapi workflow resume"


def recipe_question(plugin: InstalledPlugin, words: Sequence[ShellWord]) -> HookQuestion:
    """Return the question about a command that is not a call of an operation; NOTHING where it leaves the API as it is.

    A run is shown whole, with every request as far as it is known, and has one digest: that of the run.
    """
    if words[0] != "run" or len(words) == 1:
        # A setting is seen in the request of each change that it fills in, and reads send it as they send what is
        # written out. In a session `resume` sends nothing.
        return expansion_question(words, words[0])
    name = " ".join(words[1:])[:MAX_NAME]
    try:
        return _run_question(plugin, words[1:])
    except (NlapiError, typer.TyperException, ValueError, TypeError, OSError) as error:
        reason = getattr(error, "message", error)
        return HookQuestion(text=f"The recipe {name} may change something. Its plan cannot be shown: {reason}")


def _run_question(plugin: InstalledPlugin, words: Sequence[ShellWord]) -> HookQuestion:
    from nlapi.cli.agents.plugin_run import run
    from nlapi.cli.workflow.view import dry_run_lines
    from nlapi.tools.arguments import setting_lines
    from nlapi.workflows.outline import effect_counts, masked_outline

    values = parse_words(run, ["DIR", *words])
    is_substituted = any(word.expands for word in words)
    if values["dry_run"] and not values["yes"] and not is_substituted:
        return NOTHING
    texts = [*(values["inputs"] or ()), *(values["pairs"] or ())]
    elsewhere = [text for text in texts if text.partition("=")[2].startswith(("@", "env:"))]
    if is_substituted or elsewhere:
        source = "the shell" if is_substituted else ", ".join(elsewhere)[:MAX_NAME]
        return HookQuestion(
            text=f"The recipe {values['recipe'][:MAX_NAME]} with inputs from elsewhere: {source}. It will not be sent: "
            "its inputs have to be written out."
        )
    options = run_options(values)
    recipe = plugin.open_recipe(values["recipe"], texts, options)
    opened, workflow = recipe.opened, recipe.workflow
    tree = masked_outline(opened.linked, workflow, recipe.values, defaults=opened.defaults, strict=options.strict)
    tree = tree.up_to(options.until)
    if not tree.changes:
        return NOTHING
    lines = [f"The recipe {workflow.id} makes {effect_counts(tree)}:", *dry_run_lines(tree, opened.targets)]
    lines += setting_lines(recipe.filled)
    lines += [f"with {text} for what an answer lacks" for text in options.values or ()]
    return HookQuestion(text=shorten_question("\n".join(lines)), digests=(run_digest(recipe, options),))


def run_options(values: dict[str, Any]) -> RunOptions:
    """Return the options of a run that a command line says, without those that say where it goes and as whom."""
    names = ("yes", "values", "until", "timeout", "strict", "repair", "no_log", "output")
    return RunOptions(**{name: values[name] for name in names})


def run_digest(recipe: OpenedRecipe, options: RunOptions) -> str:
    """Return the SHA-256 of what a run does: its document, recipe and inputs, where it goes and how far."""
    places = sorted(target.base_url or "" for target in recipe.opened.targets.values())
    content = hashlib.sha256(recipe.path.read_bytes()).hexdigest()
    what = (content, recipe.workflow.id, dict(recipe.values), places, options.until, options.strict, options.repair)
    text = json.dumps((*what, sorted(options.values or ())), sort_keys=True, default=str)
    return hashlib.sha256(f"run {text}".encode()).hexdigest()
