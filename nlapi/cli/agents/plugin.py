"""`nlapi plugin`: build a Claude Code plugin from a description, and check one for drift."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi import registry
from nlapi.cli import target
from nlapi.cli.agents import plugin_run
from nlapi.cli.agents.plugin_hook import consent
from nlapi.cli.agents.plugin_installed import command, session
from nlapi.cli.options import (
    Auth,
    BaseUrl,
    Exclude,
    Include,
    ListOutput,
    NoAuth,
    Overlays,
    Root,
    Source,
    argument,
    flag,
    option,
)
from nlapi.cli.render import console
from nlapi.cli.render.table import is_json
from nlapi.credential_references import VARIABLE
from nlapi.errors import CredentialError, Issue, Level, NlapiError, UsageError
from nlapi.registry import Registration

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation, Spec
    from nlapi.plugin.build import Options
    from nlapi.plugin.folder import PluginManifest

app = typer.Typer(
    name="plugin",
    help="Build a plugin that operates an API from Claude Code and other clients.",
    no_args_is_help=True,
    epilog="""nlapi plugin build openapi.yaml -o my-plugin
claude plugin marketplace add ./my-plugin
nlapi plugin check my-plugin""",
)

BUILD = """nlapi plugin build openapi.yaml -o my-plugin
nlapi plugin build https://example.com/openapi.json -o shop --name shop --auth bearer=env:SHOP_TOKEN
nlapi plugin build openapi.yaml -o reader --include method:GET
nlapi plugin build openapi.yaml -o my-plugin --bundle wheels"""

CHECK = """nlapi plugin check my-plugin
nlapi plugin check my-plugin --source moved.yaml -o json
nlapi plugin check my-plugin --against newer.yaml"""

Folder = Annotated[Path, argument("DIR", "The folder of a plugin that nlapi built.")]


@app.command(epilog=BUILD)
def build(
    source: Source,
    folder: Annotated[Path | None, option("-o --output DIR", "The plugin's folder. Default: NAME-plugin.")] = None,
    name: Annotated[str | None, option("--name NAME", "The plugin's name. Default: taken from the title.")] = None,
    include: Include = None,
    exclude: Exclude = None,
    overlays: Overlays = None,
    root: Root = None,
    auth: Auth = None,
    no_auth: NoAuth = False,
    base_url: BaseUrl = None,
    bundle: Annotated[
        Path | None,
        option("--bundle FOLDER", "Put nlapi itself into the plugin: the wheels of a folder, for machines without it."),
    ] = None,
    force: Annotated[bool, flag("--force", "Write into a folder that nlapi did not make, over edited files.")] = False,
) -> None:
    """Build a plugin from a description: skills, an agent, a command, an MCP server and a hook that asks.

    The same description gives the same files. --auth SCHEME=env:NAME names a credential's variable.
    """
    from nlapi.openapi.gc_paused import gc_paused
    from nlapi.plugin.build import PROPOSED_EFFECTS, Options
    from nlapi.plugin.build import build as make
    from nlapi.plugin.folder import write_folder
    from nlapi.plugin.programs import read_wheels
    from nlapi.plugin.user_files import EFFECTS

    registered = registry.find_registration(source)
    folder = folder or Path(f"{name or _plugin_name(source, registered) or Path(source).stem}-plugin")
    registration = registered or Registration(source=source)
    if registration.source == "-":
        raise UsageError("a plugin cannot be built of standard input: `check` could not read it again", hint="-o DIR")
    references = target.auth_references(auth, no_auth=no_auth)
    no_auth = no_auth or (registration.no_auth and not references)
    options = Options(
        name=name or _plugin_name(source, registered),
        source=_relative_source(folder, registration.source),
        overlays=tuple(_relative_source(folder, entry) for entry in (*registration.overlays, *(overlays or ()))),
        root=_relative_source(folder, root or registration.root or "", Path.is_dir),
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        variables={} if no_auth else _variables({**registration.auth, **references}),
        base_url=base_url or registration.base_url or "",
        no_auth=no_auth,
        bundle=bundle is not None,
    )
    user_files = _user_files(folder) | (read_wheels(bundle) if bundle is not None else {})
    # The collector would look at the whole of a large description again and again: a fourth of the time for GitHub's.
    with gc_paused():
        spec, operations = _load_selected(folder, options, user_files, report=True)
        target.injections(spec)
        plugin = make(spec, operations, options, user_files)
    for issue in plugin.issues:
        console.note(str(issue))
    target.note_injections(spec)
    removed = write_folder(folder, plugin.files, force=force)
    console.write(str(folder))
    omitted_note = (
        f"; {len(plugin.skipped_operations)} left out, `nlapi check {source}` says why"
        if plugin.skipped_operations
        else ""
    )
    removed_note = f"; {len(removed)} old files removed" if removed else ""
    summary = f"{len(plugin.operations)} operations in {len(plugin.files)} files"
    console.note(f"{plugin.name}: {summary}{omitted_note}{removed_note}. Next:")
    console.note(f"  claude plugin marketplace add {folder.resolve()}")
    console.note(f"  claude plugin install {plugin.name}@{plugin.name}")
    if PROPOSED_EFFECTS in plugin.files:
        accepting = f"rename it to {EFFECTS} and build again to pin them"
        console.note(f"some POSTs are classified as read: see {folder / PROPOSED_EFFECTS}, {accepting}")


def _plugin_name(source: str, registered: Registration | None) -> str:
    """Return the plugin's name for a bundled or registered API, which is the user's name for it; else ""."""
    from nlapi import bundled

    is_bundled = not Path(source).exists() and bundled.spec(source) is not None
    return source.replace("_", "-").lower() if registered or is_bundled else ""


def _relative_source(folder: Path, source: str, exists: Callable[[Path], bool] = Path.is_file) -> str:
    """Return a file's path as the plugin's manifest stores it, relative to the plugin's folder."""
    # No path of this machine, so that plugin and description can move together.
    path = Path(source).expanduser()
    if not source or not exists(path):
        return source
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _absolute_source(folder: Path, source: str, exists: Callable[[Path], bool] = Path.is_file) -> str:
    """Return the path of a file from the form in the manifest; a URL or a name is unchanged."""
    path = Path(os.path.normpath(folder.resolve() / source))
    return str(path) if source and "://" not in source and exists(path) else source


def _variables(references: dict[str, str]) -> dict[str, str]:
    for scheme, value in references.items():
        if not value.startswith(VARIABLE):
            hint = f"name a variable: --auth {scheme}=env:NAME"
            raise CredentialError(f"the credential for {scheme} would be in the plugin's files", hint=hint)
    return registry.variables_of(references)


def _user_files(folder: Path) -> dict[str, bytes]:
    """Return the files that people wrote in a plugin's folder (overlays, notes, a licence); a build only reads them."""
    from nlapi.plugin.folder import read_folder
    from nlapi.plugin.user_files import select_user_files

    return select_user_files(read_folder(folder)) if folder.is_dir() else {}


def _load_selected(
    folder: Path, options: Options, user_files: Mapping[str, bytes], *, report: bool = False
) -> tuple[Spec, tuple[Operation, ...]]:
    """Return the Spec of a plugin's source with its overlays, and the operations that the filters select."""
    import nlapi
    from nlapi.openapi.selection import select_operations
    from nlapi.plugin.user_files import OVERLAYS

    spec = nlapi.load(
        _absolute_source(folder, options.source),
        overlays=[
            *(_absolute_source(folder, overlay_source) for overlay_source in options.overlays),
            *(str(folder / overlay) for overlay in OVERLAYS if overlay in user_files),
        ],
        cache=registry.user_folder("cache"),
        # The root as given at the build: a description outside a repository may need it for its other files.
        root=_absolute_source(folder, options.root, Path.is_dir) or None,
    )
    chosen = select_operations(spec, options.include, options.exclude)
    overlay_issues = (issue for issue in spec.parse_issues if issue.rule == "overlay")
    for issue in (*overlay_issues, *chosen.issues) if report else ():
        console.note(str(issue))
    return spec, chosen.operations


@app.command(epilog=CHECK)
def check(
    folder: Folder,
    source: Annotated[
        str | None, option("--source SOURCE", "The description to compare with, if it has moved.")
    ] = None,
    against: Annotated[
        str | None, option("--against SOURCE", "Report only the effect of this newer description.")
    ] = None,
    output: ListOutput = None,
) -> None:
    """Report how a plugin has drifted: edited files, a changed description, notes that break a client's rules.

    Exits with 1 if it has drifted, or, with --against, if something would break.
    """
    issues = _against(folder, against) if against else _issues(folder, source)
    if is_json(output):
        console.write(console.format_json([asdict(issue) for issue in issues]))
    else:
        for issue in issues:
            console.write(" ".join(str(issue).split()))
    errors = sum(issue.level is Level.ERROR for issue in issues)
    success = "nothing would break" if against else "as it was built, and as its description says"
    # Whoever reads only this line must not take the folder for what was built.
    foreign = [issue.where for issue in issues if issue.rule == "foreign"]
    if foreign:
        from nlapi.tools.texts.names import join_names

        success = f"the built files are unchanged; {len(foreign)} besides: {join_names(foreign, 5)}"
    console.note(f"{folder}: {console.count_noun(errors, 'error')}" if errors else f"{folder}: {success}")
    if errors:
        raise typer.Exit(1)


def _read_plugin(folder: Path) -> tuple[dict[str, bytes], PluginManifest]:
    from nlapi.plugin.build import MANIFEST
    from nlapi.plugin.folder import read_folder, read_manifest

    files = read_folder(folder)
    if MANIFEST not in files:
        raise UsageError(
            f"{folder} is not a plugin that nlapi built: it has no {MANIFEST}", hint="`nlapi plugin build`"
        )
    return files, read_manifest(files[MANIFEST], MANIFEST)


def _against(folder: Path, source: str) -> Sequence[Issue]:
    """Return the changes that another description would make, with the plugin's overlays and filters."""
    import nlapi
    from nlapi.plugin.build import DESCRIPTION
    from nlapi.plugin.file_checks import changes
    from nlapi.plugin.user_files import select_user_files

    files, manifest = _read_plugin(folder)
    old_spec = nlapi.load(folder / DESCRIPTION)
    _, operations = _load_selected(
        folder,
        replace(manifest.options, source=_relative_source(folder, source)),
        select_user_files(files),
        report=True,
    )
    found = changes(old_spec.visible_operations, operations, with_servers=not manifest.options.base_url)
    return sorted(found, key=lambda issue: list(Level).index(issue.level))


def _issues(folder: Path, source: str | None) -> Sequence[Issue]:
    import nlapi
    from nlapi.plugin.build import DESCRIPTION
    from nlapi.plugin.build import build as make
    from nlapi.plugin.file_checks import (
        Vocabulary,
        broken_rules,
        changes,
        removed_names,
        unknown_names,
    )
    from nlapi.plugin.folder import find_drift, find_foreign, source_changes
    from nlapi.plugin.secret_scan import find_secrets
    from nlapi.plugin.user_files import select_user_files

    files, manifest = _read_plugin(folder)
    secrets = {name: value for name in manifest.variables[1:] if (value := os.environ.get(name))}
    issues = [*broken_rules(files), *find_secrets(files, secrets, DESCRIPTION)]
    try:
        spec = nlapi.load(folder / DESCRIPTION)
        injections = target.injections(spec)
        vocabulary = Vocabulary(spec, spec.visible_operations)
        # The description in the plugin makes the plugin again, so drift needs no rules about which files may be edited
        # (docs/design/015-plugins.md).
        rebuilt = make(spec, spec.visible_operations, manifest.options, files)
        names = (manifest.name, manifest.command, *manifest.variables)
        issues = [
            *rebuilt.issues,
            *find_drift(files, manifest, rebuilt),
            *find_foreign(folder, files, manifest),
            *issues,
            *unknown_names(files, vocabulary, manifest.command, names),
        ]
        issues += injections
    except NlapiError as error:
        issues.insert(0, Issue.error(DESCRIPTION, error.message, error.hint))
        return issues
    try:
        options = replace(manifest.options, source=_relative_source(folder, source)) if source else manifest.options
        fresh, operations = _load_selected(folder, options, select_user_files(files))
        if drift := source_changes(files, make(fresh, operations, options, files)):
            issues += drift
            issues += changes(spec.visible_operations, operations, with_servers=not options.base_url)
        issues += removed_names(files, vocabulary, Vocabulary(fresh, operations))
    except NlapiError as error:
        location, hint = manifest.options.source, "name where it is now with --source"
        # A warning only: the plugin works with its own description where the source cannot be reached.
        issues.append(Issue.warning(location, f"not compared: {error.message}", hint))
    return issues


app.command(epilog=plugin_run.RUN)(plugin_run.run)
app.command(epilog=plugin_run.SETTINGS)(plugin_run.settings)
# Hidden: the plugin's hooks and its command call them, not a person.
app.command(hidden=True)(consent)
app.command(hidden=True)(session)
app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(command)
