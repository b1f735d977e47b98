"""`nlapi plugin`: make a Claude Code plugin of a description, and see what has drifted in one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi import registry
from nlapi.cli import show, target
from nlapi.cli.consent import consent
from nlapi.cli.options import (
    FLAG,
    Auth,
    BaseUrl,
    Exclude,
    Include,
    ListOutput,
    Model,
    NoAuth,
    Overlays,
    Root,
    Source,
)
from nlapi.cli.table import is_json
from nlapi.errors import CredentialError, NlapiError, PlannerError, UsageError
from nlapi.extras import require_extra
from nlapi.issue import Issue, Level
from nlapi.registry import Registration

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation, Spec
    from nlapi.plugin import Options
    from nlapi.plugin.drift import Manifest

app = typer.Typer(
    name="plugin",
    help="Make a Claude Code plugin that operates an API in plain English.",
    no_args_is_help=True,
    epilog="""nlapi plugin build openapi.yaml -o my-plugin
claude plugin marketplace add ./my-plugin
nlapi plugin check my-plugin""",
)

BUILD = """nlapi plugin build openapi.yaml -o my-plugin
nlapi plugin build https://example.com/openapi.json -o shop --name shop --auth bearer=env:SHOP_TOKEN
nlapi plugin build openapi.yaml -o reader --include method:GET
nlapi plugin build openapi.yaml -o my-plugin --with-claude"""

CHECK = """nlapi plugin check my-plugin
nlapi plugin check my-plugin --source moved.yaml -o json
nlapi plugin check my-plugin --against newer.yaml"""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a plugin that nlapi built.")]


@app.command(epilog=BUILD)
def build(
    source: Source,
    folder: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to put the plugin in.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Its name, if not one made of the title.")
    ] = None,
    include: Include = None,
    exclude: Exclude = None,
    overlays: Overlays = None,
    root: Root = None,
    auth: Auth = None,
    no_auth: NoAuth = False,
    base_url: BaseUrl = None,
    with_claude: Annotated[
        bool,
        typer.Option(
            "--with-claude", metavar=FLAG, help="Have Claude propose an overlay too: a file to read, applied by nobody."
        ),
    ] = False,
    model: Model = None,
    force: Annotated[
        bool, typer.Option("--force", metavar=FLAG, help="Write into a folder that is not nlapi's, over edited files.")
    ] = False,
) -> None:
    """Make a Claude Code plugin of a description: skills, an agent, a command, an MCP server, a hook that asks.

    The same description makes the same files. --auth SCHEME=env:NAME names the variable that a credential will be in.
    """
    from nlapi.plugin import Options
    from nlapi.plugin import build as make
    from nlapi.plugin.build import PROPOSED_EFFECTS
    from nlapi.plugin.folder import write
    from nlapi.plugin.injected import injected
    from nlapi.plugin.notes import EFFECTS

    if with_claude:
        _may_propose(folder)
    registered = registry.find_registration(source)
    known = registered or Registration(source=source)
    if known.source == "-":
        raise UsageError("a plugin cannot be built of standard input: `check` could not read it again", hint="-o DIR")
    given = target.given_references(auth, no_auth=no_auth)
    no_auth = no_auth or (known.no_auth and not given)
    options = Options(
        name=name or _short(source, registered),
        source=_seen_from(folder, known.source),
        overlays=tuple(_seen_from(folder, one) for one in (*known.overlays, *(overlays or ()))),
        root=_seen_from(folder, root or known.root or "", Path.is_dir),
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        variables={} if no_auth else _variables({**known.auth, **given}),
        base_url=base_url or known.base_url or "",
        no_auth=no_auth,
    )
    people = _people(folder)
    spec, operations = _chosen(folder, options, people, tell=True)
    plugin = make(spec, operations, options, people)
    for issue in injected(spec.document):
        show.note(str(issue))
    removed = write(folder, plugin.files, force=force)
    show.write(str(folder))
    left = f"; {len(plugin.left_out)} left out, `nlapi check {source}` says why" if plugin.left_out else ""
    gone = f"; {len(removed)} old files removed" if removed else ""
    show.note(f"{plugin.name}: {len(plugin.operations)} operations in {len(plugin.files)} files{left}{gone}. Next:")
    show.note(f"  claude plugin marketplace add {folder.resolve()}")
    show.note(f"  claude plugin install {plugin.name}@{plugin.name}")
    if PROPOSED_EFFECTS in plugin.files:
        accepting = f"rename it to {EFFECTS} and build again to pin them"
        show.note(f"some POSTs are classified as read: see {folder / PROPOSED_EFFECTS}, {accepting}")
    if with_claude:
        _propose(folder, [one for one in operations if one.usable], model)


def _may_propose(folder: Path) -> None:
    """Is there a key, and no proposal that somebody may be reading?"""
    from nlapi.plugin.propose import PROPOSED

    require_extra("claude", "--with-claude")
    if not os.environ.get("ANTHROPIC_API_KEY"):
        hint = "set ANTHROPIC_API_KEY, or write overlay.yaml yourself"
        raise PlannerError("there is no key to ask Claude with", hint=hint)
    if (folder / PROPOSED).exists():
        raise UsageError(f"{folder / PROPOSED} is there already", hint="rename it to overlay.yaml, or remove it")


def _propose(folder: Path, operations: Sequence[Operation], model: str | None) -> None:
    import asyncio

    from nlapi.agent.models import DEFAULT
    from nlapi.plugin.propose import PROPOSED, propose

    key, base_url = os.environ["ANTHROPIC_API_KEY"], os.environ.get("ANTHROPIC_BASE_URL") or None
    with show.working("asking Claude", told=True):
        text = asyncio.run(propose(operations, api_key=key, base_url=base_url, model=model or DEFAULT))
    if not text:
        show.note("Claude would change nothing")
        return
    (folder / PROPOSED).write_text(text, encoding="utf-8")
    show.note(f"{folder / PROPOSED}: read it, rename it to overlay.yaml, and build again")


def _short(source: str, registered: Registration | None) -> str:
    """A bundled or registered API is called as the user calls it."""
    from nlapi import bundled

    shipped = not Path(source).exists() and bundled.spec(source) is not None
    return source.replace("_", "-").lower() if registered or shipped else ""


def _seen_from(folder: Path, source: str, there: Callable[[Path], bool] = Path.is_file) -> str:
    """Where a file is, as the plugin's manifest keeps it: no path of this machine, so that both can move together."""
    path = Path(source).expanduser()
    if not source or not there(path):
        return source
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _found_from(folder: Path, source: str, there: Callable[[Path], bool] = Path.is_file) -> str:
    """The way back."""
    path = Path(os.path.normpath(folder.resolve() / source))
    return str(path) if source and "://" not in source and there(path) else source


def _variables(references: dict[str, str]) -> dict[str, str]:
    for scheme, value in references.items():
        if not value.startswith(registry.REFERENCE):
            hint = f"name a variable: --auth {scheme}=env:NAME"
            raise CredentialError(f"the credential for {scheme} would be in the plugin's files", hint=hint)
    return registry.variables_of(references)


def _people(folder: Path) -> dict[str, bytes]:
    """What people put into a plugin's folder, which a build reads and never writes."""
    from nlapi.plugin.folder import read
    from nlapi.plugin.notes import own

    return own(read(folder)) if folder.is_dir() else {}


def _chosen(
    folder: Path, options: Options, people: Mapping[str, bytes], *, tell: bool = False
) -> tuple[Spec, tuple[Operation, ...]]:
    """The source of a plugin's description, with its overlays, and the operations of it that the plugin is made of."""
    import nlapi
    from nlapi.openapi.select import select
    from nlapi.plugin.notes import OVERLAYS

    spec = nlapi.load(
        _found_from(folder, options.source),
        overlays=[
            *(_found_from(folder, one) for one in options.overlays),
            *(str(folder / overlay) for overlay in OVERLAYS if overlay in people),
        ],
        cache=registry.user_folder("cache"),
        root=_found_from(folder, options.root, Path.is_dir) or None,
    )
    chosen = select(spec, options.include, options.exclude)
    unheeded = (issue for issue in spec.found if issue.rule == "overlay")
    for issue in (*unheeded, *chosen.issues) if tell else ():
        show.note(str(issue))
    return spec, chosen.operations


@app.command(epilog=CHECK)
def check(
    folder: Folder,
    source: Annotated[
        str | None, typer.Option("--source", metavar="SOURCE", help="The description to compare with, if it has moved.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="SOURCE", help="Tell only what this newer description would change."),
    ] = None,
    output: ListOutput = None,
) -> None:
    """Tell what has drifted in a plugin: files edited, the description changed at its source, rules of the client.

    Exits with 1 when something has; with --against when something would break.
    """
    issues = _against(folder, against) if against else _issues(folder, source)
    if is_json(output):
        show.write(show.json_text([{**asdict(issue), "level": issue.level.value} for issue in issues]))
    else:
        for issue in issues:
            show.write(" ".join(str(issue).split()))
    errors = sum(issue.level is Level.ERROR for issue in issues)
    right = "nothing would break" if against else "as it was built, and as its description says"
    show.note(f"{folder}: {show.counted(errors, 'error')}" if errors else f"{folder}: {right}")
    if errors:
        raise typer.Exit(1)


def _opened(folder: Path) -> tuple[dict[str, bytes], Manifest]:
    from nlapi.plugin.build import MANIFEST
    from nlapi.plugin.drift import manifest
    from nlapi.plugin.folder import read

    files = read(folder)
    if MANIFEST not in files:
        raise UsageError(f"{folder} is no plugin that nlapi built: it has no {MANIFEST}", hint="`nlapi plugin build`")
    return files, manifest(files[MANIFEST], MANIFEST)


def _against(folder: Path, source: str) -> Sequence[Issue]:
    """What another description would change, with the plugin's overlays and filters."""
    import nlapi
    from nlapi.plugin.build import DESCRIPTION
    from nlapi.plugin.changes import changes
    from nlapi.plugin.notes import own

    files, made = _opened(folder)
    before = nlapi.load(folder / DESCRIPTION)
    _, after = _chosen(folder, replace(made.options, source=_seen_from(folder, source)), own(files), tell=True)
    return sorted(changes(before.shown, after), key=lambda issue: list(Level).index(issue.level))


def _issues(folder: Path, source: str | None) -> Sequence[Issue]:
    import nlapi
    from nlapi.plugin import build as make
    from nlapi.plugin.build import DESCRIPTION
    from nlapi.plugin.drift import drift, outdated
    from nlapi.plugin.injected import injected
    from nlapi.plugin.leaks import leaks
    from nlapi.plugin.limits import over
    from nlapi.plugin.mentions import Vocabulary, gone, unknown
    from nlapi.plugin.notes import own
    from nlapi.plugin.rules import broken

    files, made = _opened(folder)
    secrets = {name: value for name in made.variables[1:] if (value := os.environ.get(name))}
    found = [*broken(files), *leaks(files, secrets)]
    try:
        spec = nlapi.load(folder / DESCRIPTION)
        known = Vocabulary(spec, spec.shown)
        again = make(spec, spec.shown, made.options, files)
        names = (made.name, made.command, *made.variables)
        found = [*drift(files, made, again), *found, *over(files, spec), *unknown(files, known, made.command, names)]
        found += injected(spec.document)
    except NlapiError as error:
        found.insert(0, Issue.error(DESCRIPTION, error.message, error.hint))
        return found
    try:
        options = replace(made.options, source=_seen_from(folder, source)) if source else made.options
        fresh, operations = _chosen(folder, options, own(files))
        found += outdated(files, make(fresh, operations, options, files))
        found += gone(files, known, Vocabulary(fresh, operations))
    except NlapiError as error:
        where, hint = made.options.source, "name where it is now with --source"
        found.append(Issue.warning(where, f"not compared: {error.message}", hint))
    return found


app.command(hidden=True)(consent)
