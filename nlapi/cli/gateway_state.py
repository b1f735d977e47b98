"""`nlapi gateway apply`, `diff` and `export`: the whole desired state of a gateway as one file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nlapi.cli import console
from nlapi.cli.gateway_client import GatewayClient, GatewayConnection, RefusedCallError, connection_options
from nlapi.cli.gateway_staleness import find_staleness, write_revision
from nlapi.cli.options import FLAG, ListOutput, is_interactive
from nlapi.cli.prompts import YES, read_answer
from nlapi.cli.table import is_json
from nlapi.errors import ConsentError, NlapiError, UsageError
from nlapi.local_files import write_output

APPLY = """nlapi gateway apply gateway.yaml --dry-run
nlapi gateway apply gateway.yaml --yes --why "release 42\""""
DIFF = "nlapi gateway diff gateway.yaml --exit-code"
EXPORT = "nlapi gateway export gateway.yaml"

# Lines of a plan that are shown before the question; `diff` shows them all.
MAX_PLAN_LINES = 200
_MARKS = {"added": "+", "changed": "~", "removed": "-"}
_REFERENCE_SCHEME = re.compile(rb"env:|file:")
_YAML_SUFFIXES = (".yaml", ".yml")

StateFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The whole configuration as JSON or YAML; what it leaves out goes.")
]


@connection_options
def apply(
    connection: GatewayConnection,
    file: StateFile,
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar=FLAG, help="Consent to the plan in advance.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar=FLAG, help="Show the plan; change nothing.")] = False,
    why: Annotated[str | None, typer.Option("--why", metavar="TEXT", help="The reason, for the revisions.")] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar=FLAG, help="Undo what changed since the revision that the file is of.")
    ] = False,
) -> None:
    """Make a file the configuration of a gateway, as one revision: shows the plan, and asks first.

    It is refused, and nothing is changed, when the file would undo what somebody changed since the `revision` in it,
    and when somebody makes a revision between the plan and the change. The file then has the new `revision`.
    """
    client, document = _state_client(connection), read_configuration(file)
    plan = _compare(client, document)
    staleness = find_staleness(client, document, plan)
    for line in [*(staleness.lines(file) if staleness else ()), *_plan_lines(plan, MAX_PLAN_LINES)]:
        console.note(line)
    _check_issues(plan, file)
    if staleness and plan["differences"] and not force:
        staleness.check(file)
    if dry_run or not plan["differences"]:
        return
    if not yes:
        _ask(plan)
    # The revision that the plan was made for: a change in between answers with a 412.
    base = {"revision": plan["revision"]} if plan["revision"] else {}
    reason = {"why": why} if why else {}
    revision = client("replaceConfiguration", {**document, **base, **reason}, yes=True)
    console.note(f"revision {revision['revision']} is current")
    write_revision(file, document, revision["revision"])
    console.write(console.format_json(revision))


@connection_options
def diff_file(
    connection: GatewayConnection,
    file: StateFile,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", metavar=FLAG, help="End with 1 when there is a difference, as git diff does.")
    ] = False,
    output: ListOutput = None,
) -> None:
    """Show what `apply` would change, what changed since the `revision` in the file, and what is wrong with it."""
    client, document = _state_client(connection), read_configuration(file)
    plan = _compare(client, document)
    staleness = find_staleness(client, document, plan)
    if is_json(output):
        console.write(console.format_json({**plan, **(staleness.as_dict() if staleness else {})}))
    else:
        for line in [*(staleness.lines(file) if staleness else ()), *_plan_lines(plan)]:
            console.write(line)
    _check_issues(plan, file)
    if exit_code and plan["differences"]:
        raise typer.Exit(1)


@connection_options
def export(
    connection: GatewayConnection,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A .json, .yaml or .yml file; else standard output.")
    ] = None,
) -> None:
    """Write the whole configuration of a gateway, which `apply` takes back."""
    document = _state_client(connection)("getConfiguration", {})
    revision = document.get("revision", 0)
    is_yaml = file is not None and file.suffix.lower() in _YAML_SUFFIXES
    text = _yaml_text(document) if is_yaml else console.format_json(document) + "\n"
    if file is None:
        console.write(text.rstrip("\n"))
        return
    try:
        write_output(file, text)
    except OSError as error:
        raise NlapiError(f"{file} cannot be written: {error.strerror}", hint="name another file") from None
    console.note(f"revision {revision} is in {file}")


def read_configuration(path: Path) -> dict[str, Any]:
    """Return the configuration document of a file in JSON or YAML. UsageError when there is none."""
    from nlapi.openapi.document import read_tree

    try:
        document, duplicates = read_tree(path.read_bytes(), str(path))
    except (OSError, NlapiError) as error:
        reason = error.message if isinstance(error, NlapiError) else f"{path} cannot be read: {error.strerror}"
        raise UsageError(reason, hint="give a configuration as JSON or YAML") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds no configuration", hint="`nlapi gateway export` gives one")
    if duplicates:
        key, line = duplicates[0]
        raise UsageError(f"{path} has the key {key!r} twice, again on line {line}", hint="leave one of them")
    return document


def configured_references(path: Path | None, document: Mapping[str, Any] | None) -> list[str]:
    """Return the references to keys in a configuration file, which is parsed unless its `document` is there.

    A file that cannot be read has none: a gateway that has revisions starts all the same.
    """
    from nlapi.gateway.secret_references import document_references

    if document is None and path is not None:
        try:
            # Parsing 10,000 rules as YAML takes 13 s: a file without references is not parsed for them.
            if _REFERENCE_SCHEME.search(path.read_bytes()):
                document = read_configuration(path)
        except (OSError, UsageError) as error:
            console.note(f"{path} allows no key: {error}")
    return list(document_references(document or {}))


def _state_client(connection: GatewayConnection) -> GatewayClient:
    from nlapi import bundled

    return GatewayClient(connection, [str(bundled.folder("specs/overlays") / "gateway-state.yaml")])


def _compare(client: GatewayClient, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan of a document: what it would change, and what is wrong with it."""
    plan: dict[str, Any] = client("checkConfiguration", dict(document))
    return plan


def _plan_lines(plan: Mapping[str, Any], limit: int | None = None) -> list[str]:
    """Return the lines of a plan: a summary, and one for each difference in columns."""
    differences = plan["differences"]
    if not differences:
        return [f"nothing differs from revision {plan['revision']}"]
    counts = [f"{sum(row['change'] == change for row in differences)} {change}" for change in _MARKS]
    rows = [(row["change"], *_columns(row)) for row in differences[:limit]]
    kind_width, name_width = (max(len(row[column]) for row in rows) for column in (1, 2))
    lines = [
        f"{_MARKS[change]} {kind:<{kind_width}}  {name:<{name_width}}  {text}".rstrip()
        for change, kind, name, text in rows
    ]
    more = len(differences) - len(rows)
    cut = [f"... and {more} more, which `nlapi gateway diff` shows"] if more else []
    return [f"compared with revision {plan['revision']}: {', '.join(counts)}", *lines, *cut]


def _columns(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the kind, the name and the changed fields of a difference."""
    kind, _, name = row["where"].partition(".")
    changes = row["text"].partition(f"{name}: ")[2] if row["change"] == "changed" else ""
    return kind, name, changes


def _check_issues(plan: Mapping[str, Any], file: Path) -> None:
    """Show what is wrong with a plan. RefusedCallError when the gateway would refuse it."""
    for issue in plan["issues"]:
        hint = f" ({issue['hint']})" if issue.get("hint") else ""
        console.note(f"{issue['level']}: {issue['where']}: {issue['message']}{hint}")
    errors = sum(issue["level"] == "error" for issue in plan["issues"])
    if errors:
        faults = console.count_noun(errors, "fault")
        raise RefusedCallError(f"{file} has {faults}; nothing was changed", hint="mend what is listed above")


def _ask(plan: Mapping[str, Any]) -> None:
    """Ask for consent to a plan. ConsentError without it."""
    count = console.count_noun(len(plan["differences"]), "change")
    if not is_interactive():
        raise ConsentError(f"{count} need consent, and nobody can be asked", hint="--yes consents in advance")
    if read_answer(f"{count} as one revision. Apply? [y/N]: ").lower() not in YES:
        raise ConsentError("you did not agree; nothing was changed")


def _yaml_text(document: Mapping[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(dict(document), Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    return text
