"""The question about a `run`, `resume` or `set` of a plugin's command, for the hook that asks before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from nlapi.cli.workflow_options import RunOptions
from nlapi.errors import NlapiError
from nlapi.plugin.names import COMMAND_WORDS

# Characters of a recipe's name in a question.
MAX_NAME = 100


def is_command_word(words: Sequence[str]) -> bool:
    """Return whether the words of a plugin's command are no call of an operation."""
    return bool(words) and words[0] in COMMAND_WORDS


def stores_setting(words: Sequence[str]) -> bool:
    """Return whether a command stores a value, which calls after it in the same line would be filled in with."""
    return bool(words) and words[0] in ("set", "settings") and len(words) > 1


def command_question(folder: Path, words: Sequence[str], base_url: str | None) -> str:
    """Return the question about a command that is no call of an operation; "" where it changes nothing of the API.

    A run is shown whole, with every request as far as it is known. What cannot be shown is asked about all the same.
    """
    if words[0] in ("set", "settings"):
        return ""
    if words[0] == "resume":
        return "It goes on with a recipe that stopped, whose next steps may change something."
    if len(words) == 1:
        return ""
    name = " ".join(words[1:])[:MAX_NAME]
    try:
        return _run_question(folder, words[1:], base_url)
    except (NlapiError, typer.TyperException, ValueError, TypeError, OSError) as error:
        return f"The recipe {name} may change something. Its plan cannot be shown: {getattr(error, 'message', error)}"


def _run_question(folder: Path, words: Sequence[str], base_url: str | None) -> str:
    from nlapi.cli.plugin_run import open_recipe
    from nlapi.cli.workflow_view import dry_run_lines
    from nlapi.tools.setting_values import setting_lines
    from nlapi.workflows.secret_inputs import masked_outline
    from nlapi.workflows.tree_text import effect_counts

    values = _parse_run(words)
    is_substituted = any("$" in word for word in words)
    if values["dry_run"] and not values["yes"] and not is_substituted:
        return ""
    texts = [*(values["inputs"] or ()), *(values["pairs"] or ())]
    elsewhere = [text for text in texts if text.partition("=")[2].startswith(("@", "env:")) or "$" in text]
    options = RunOptions(base_url=base_url or None, no_auth=True, repair=values["repair"])
    known = [text for text in texts if text not in elsewhere]
    recipe = open_recipe(folder, values["recipe"], known, options)
    opened, workflow = recipe.opened, recipe.workflow
    tree = masked_outline(opened.linked, workflow, recipe.values, defaults=opened.defaults, strict=values["strict"])
    tree = tree.up_to(values["until"])
    if not tree.changes and not is_substituted:
        return ""
    lines = [f"The recipe {workflow.id} makes {effect_counts(tree)}:", *dry_run_lines(tree, opened.targets)]
    lines += setting_lines(recipe.filled)
    lines += [f"with values from elsewhere: {' '.join(elsewhere)}"] if elsewhere else []
    lines += [f"with {text} for what an answer lacks" for text in values["values"] or ()]
    return "\n".join(lines)


def _parse_run(words: Sequence[str]) -> dict[str, Any]:
    """Return the options that `nlapi plugin run` will read from the words, by its own parser."""
    from nlapi.cli.plugin_run import run

    app = typer.Typer()
    app.command()(run)
    command = typer.main.get_command(app)
    # Without --help, which would print its text into the hook's answer.
    return dict(command.make_context("run", ["DIR", *words], help_option_names=[]).params)
