"""The question about a `run`, `resume` or `set` of a plugin's command, for the hook that asks before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from nlapi.cli.plugin_hook import NOTHING, HookQuestion, expansion_question, parse_words, shorten_question
from nlapi.cli.workflow_options import RunOptions
from nlapi.errors import NlapiError

if TYPE_CHECKING:
    from nlapi.cli.plugin_installed import InstalledPlugin
    from nlapi.cli.plugin_run import OpenedRecipe
    from nlapi.plugin.shell_calls import ShellWord

# Characters of a recipe's name in a question.
MAX_NAME = 100

RESUME_HINT = "a run that stopped is gone on with in a terminal: nlapi workflow resume"


def recipe_question(plugin: InstalledPlugin, words: Sequence[ShellWord]) -> HookQuestion:
    """Return the question about a command that is no call of an operation; NOTHING where it changes nothing of the API.

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
    from nlapi.cli.plugin_run import run
    from nlapi.cli.workflow_view import dry_run_lines
    from nlapi.tools.arguments import setting_lines
    from nlapi.workflows.secret_inputs import masked_outline
    from nlapi.workflows.tree_text import effect_counts

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
