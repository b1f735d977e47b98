"""`nlapi plugin run` and `settings`: the recipes of a plugin, and the values that its calls are filled in with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nlapi.cli.options import ListOutput, argument, flag, option, options_of, parse_pairs
from nlapi.cli.render import console, table
from nlapi.cli.workflow.inputs import RunOptions
from nlapi.errors import MissingError, UsageError
from nlapi.suggestions import suggestion

if TYPE_CHECKING:
    from nlapi.cli.workflow.registered import OpenedDocument
    from nlapi.openapi.spec import Spec
    from nlapi.plugin.argument_settings import SettingValues
    from nlapi.plugin.folder import PluginManifest
    from nlapi.tools.sending.run import Target
    from nlapi.workflows.model import ArazzoWorkflow, WorkflowDocument

Folder = Annotated[Path, argument("DIR", "The folder of a plugin that nlapi built.")]

RUN = """nlapi plugin run my-plugin
nlapi plugin run my-plugin find-and-change-campaign name=Summer changes:='{"status": "PAUSED"}' --dry-run
nlapi plugin run my-plugin create-and-publish-draft name=Summer --yes"""

SETTINGS = """nlapi plugin settings my-plugin
nlapi plugin settings my-plugin ad_account_id=acc_1
nlapi plugin settings my-plugin ad_account_id="""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRecipe:
    """A recipe with its document and the targets of its calls; `values` are its inputs, `filled` those by settings."""

    opened: OpenedDocument
    workflow: ArazzoWorkflow
    path: Path
    values: Mapping[str, Any]
    filled: Mapping[str, str]


@options_of(RunOptions, "options", ("sources",))
def run(
    folder: Folder,
    options: RunOptions,
    recipe: Annotated[str, argument("RECIPE", "Its name; without one, the recipes are listed.")] = "",
    pairs: Annotated[list[str] | None, argument("KEY=VALUE", "The inputs; KEY=@FILE reads a file.")] = None,
    inputs: Annotated[list[str] | None, option("--input -i NAME=VALUE", "An input; the same as KEY=VALUE.")] = None,
    dry_run: Annotated[
        bool, flag("--dry-run", "Show the requests as far as they are known, and send nothing.")
    ] = False,
) -> None:
    """Run a recipe: a workflow that the plugin was built with, or that somebody added.

    It is shown as a tree, and asks once before it changes anything. `nlapi workflow resume` continues it.
    """
    if not recipe:
        list_recipes(folder)
        return
    run_opened(open_recipe(folder, recipe, [*(inputs or ()), *(pairs or ())], options), options, dry_run=dry_run)


def run_opened(recipe: OpenedRecipe, options: RunOptions, *, dry_run: bool) -> None:
    """Run a recipe, or show it."""
    from nlapi.cli.workflow.run import run_workflow
    from nlapi.tools.arguments import setting_lines

    for line in setting_lines(recipe.filled):
        console.note(line)
    try:
        run_workflow(recipe.opened, recipe.workflow, recipe.values, options, str(recipe.path), dry_run=dry_run)
    except MissingError as error:
        error.hint = error.hint.replace("--input ", "")
        raise


def list_recipes(folder: Path) -> None:
    rows = [
        {"recipe": workflow.id, "inputs": " ".join(workflow.required_inputs), "summary": workflow.summary}
        for _, document in _documents(folder)
        for workflow in document.workflows
    ]
    table.print_list(rows, None, ("recipe", "inputs", "summary"), empty="this plugin has no recipes")


def _documents(folder: Path) -> list[tuple[Path, WorkflowDocument]]:
    """Return the workflow documents of a plugin, those of people first."""
    from nlapi.plugin.recipes import FOLDER, SUFFIX
    from nlapi.plugin.user_files import is_workflow_file
    from nlapi.workflows.read import read_document

    names = sorted(path.name for path in (folder / FOLDER).glob("*") if path.is_file())
    own = [name for name in names if is_workflow_file(f"{FOLDER}{name}")]
    built = [name for name in names if name.endswith(SUFFIX)]
    return [(folder / FOLDER / name, read_document(str(folder / FOLDER / name))) for name in (*own, *built)]


def open_recipe(
    folder: Path, recipe: str, texts: list[str], options: RunOptions, configured: Target | None = None
) -> OpenedRecipe:
    """Return a recipe of a plugin's folder with its inputs; its calls go where `configured` does, if there is one.

    UsageError where the plugin has none of this name.
    """
    from nlapi.cli.workflow.inputs import read_inputs
    from nlapi.cli.workflow.registered import open_document, require_sources, with_repairs
    from nlapi.plugin.build import DESCRIPTION
    from nlapi.workflows.sources import source_of

    documents = _documents(folder)
    path = next((path for path, document in documents if any(entry.id == recipe for entry in document.workflows)), None)
    if path is None:
        ids = [workflow.id for _, document in documents for workflow in document.workflows]
        hint = suggestion(recipe, ids, otherwise=f"its recipes: {', '.join(ids) or 'none'}")
        raise UsageError(f"the plugin has no recipe {recipe[:100]}", hint=hint)
    document = next(document for other, document in documents if other == path)
    # The plugin is of one API, whatever a document calls it.
    sources = [f"{name}={location}" for name, location in source_of(document, str(folder / DESCRIPTION)).items()]
    opened = open_document(
        str(path),
        sources,
        base_url=options.base_url,
        auth=options.auth,
        headers=options.headers,
        no_auth=options.no_auth,
    )
    require_sources(opened)
    if configured is not None:
        opened = replace(opened, targets={spec: replace(configured, spec=spec) for spec in opened.targets})
    workflow = opened.document.workflow(recipe)
    if options.repair:
        opened = with_repairs(opened, only=recipe)
        workflow = opened.document.workflow(recipe)
    inputs = read_inputs(workflow, [_input_text(text) for text in texts])
    filled = _filled_inputs(opened, workflow, inputs)
    coerced = read_inputs(workflow, [f"{name}={value}" for name, value in filled.items()])
    return OpenedRecipe(opened=opened, workflow=workflow, path=path, values={**coerced, **inputs}, filled=filled)


def _input_text(text: str) -> str:
    """Return `KEY:=JSON`, as a call takes it, as an input has it."""
    key, mark, value = text.partition("=")
    return f"{key.removesuffix(':')}{mark}{value}"


def _filled_inputs(opened: OpenedDocument, workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the inputs that settings fill in: those that each step which uses them may lack."""
    from nlapi.tools.arguments import may_fill
    from nlapi.tools.compile import compile_tool

    settings = {name: value for target in opened.targets.values() for name, value in target.settings.items()}
    filled = {}
    for name in workflow.required_inputs:
        steps = [step for step in workflow.steps if any(entry.value == f"$inputs.{name}" for entry in step.parameters)]
        operations = [opened.linked.target(step).operation for step in steps]
        if name in settings and name not in inputs and steps:
            tools = [compile_tool(operation) for operation in operations if operation is not None]
            if len(tools) == len(steps) and all(may_fill(tool, name, settings) for tool in tools):
                filled[name] = settings[name]
    return filled


def settings(
    folder: Folder,
    pairs: Annotated[list[str] | None, argument("KEY=VALUE", "A value to keep; KEY= removes it.")] = None,
    output: ListOutput = None,
) -> None:
    """Show or set the default values for calls of a plugin.

    Settings apply to one base URL only. A credential cannot be a setting.
    """
    import nlapi
    from nlapi.plugin.argument_settings import setting_values
    from nlapi.plugin.build import DESCRIPTION, MANIFEST
    from nlapi.plugin.folder import read_manifest

    manifest = read_manifest((folder / MANIFEST).read_bytes(), MANIFEST)
    values = setting_values(manifest, plugin_base_url(manifest), os.environ)
    store_settings(manifest, values, lambda: nlapi.load(folder / DESCRIPTION), pairs)
    print_settings(manifest, values, output)


def store_settings(
    manifest: PluginManifest, values: SettingValues, load: Callable[[], Spec], pairs: list[str] | None
) -> None:
    """Store settings, or remove those without a value. UsageError for a name or a value that the API does not take."""
    from nlapi.plugin.argument_settings import check_setting
    from nlapi.registry import change_settings

    changes = parse_pairs(pairs, "KEY=VALUE")
    for name, value in changes.items():
        if name not in manifest.settings:
            known = ", ".join(manifest.settings) or "none"
            raise UsageError(f"{name} is not a setting of {manifest.name}", hint=f"its settings: {known}")
        if value:
            check_setting(load().operations, name, value)
    if changes:
        change_settings(values.key, changes)
    for name in changes.keys() & values.overridden.keys():
        console.note(f"{manifest.settings[name]}, or the option of the client, has another value and goes before it")


def plugin_base_url(manifest: PluginManifest) -> str:
    """Return where the API of a plugin runs, if it is not where its description says."""
    return os.environ.get(manifest.variables[0]) or manifest.options.base_url


def print_settings(manifest: PluginManifest, values: SettingValues, output: Any) -> None:
    """Print the settings of a plugin, and where each value is from."""
    from nlapi.registry import other_places

    overridden = values.overridden
    rows = [
        {
            "setting": name,
            "value": values.get(name, ""),
            "from": variable if name in overridden else ("stored" if name in values else "not set"),
        }
        for name, variable in manifest.settings.items()
    ]
    table.print_list(rows, output, ("setting", "value", "from"), empty=f"{manifest.name} has no settings")
    if places := other_places(values.key):
        console.note(f"not used here: what is set for {', '.join(place or 'the default address' for place in places)}")
