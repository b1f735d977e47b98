"""`nlapi gateway apply`, `diff` and `export`: the whole state of a gateway as a file, and what a stale one undoes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli.ask.prompts import YES, read_answer
from nlapi.cli.gateway.client import GatewayClient, GatewayConnection, RefusedCallError, connection_options
from nlapi.cli.options import ListOutput, argument, flag, is_interactive, option
from nlapi.cli.render import console
from nlapi.cli.render.table import is_json
from nlapi.errors import ConsentError, NlapiError, UsageError, file_faults
from nlapi.local_files import write_file, write_output

if TYPE_CHECKING:
    from nlapi.agent.records.receipts import ConsentReceipt

# Revisions since the file's that are listed; the newest count.
MAX_LISTED = 20
# The most that the gateway gives in one page.
_PAGE = 200
REPLACE = "replaceConfiguration"
# A key in the first column of YAML in block style is one of the document itself.
_YAML_REVISION = re.compile(r"^revision:[ \t]*\d+", re.MULTILINE)
_JSON_REVISION = re.compile(r'("revision"\s*:\s*)\d+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """A file whose `revision` is not the `current` one.

    `revisions` are those since, the newest first; `undone` the places where the file has not what they changed.
    `is_known` is false when the gateway has no such revision, so that nothing can be compared.
    """

    revision: int
    current: int
    revisions: tuple[Mapping[str, Any], ...] = ()
    undone: tuple[str, ...] = ()
    is_known: bool = True

    def lines(self, file: Path) -> list[str]:
        """Return what changed since, a line for each revision."""
        head = f"{file} is of revision {self.revision}, and revision {self.current} is current"
        if not self.is_known:
            return [f"{head}; revision {self.revision} is not stored here"]
        more = len(self.revisions) - MAX_LISTED
        return [
            f"{head}; changed since:",
            *(_revision_line(row) for row in self.revisions[:MAX_LISTED]),
            *([f"  ... and {more} more"] if more > 0 else []),
        ]

    def check(self, file: Path) -> None:
        """Raise RefusedCallError when the file would undo a change, or when that cannot be known."""
        if self.is_known and not self.undone:
            return
        head = f"{file} is of revision {self.revision}, and revision {self.current} is current"
        if self.undone:
            places = ", ".join(self.undone[:5]) + (", ..." if len(self.undone) > 5 else "")
            head = f"{head}: it would undo what changed since in {places}"
        hint = "export again and repeat your edits, or apply it all the same with --force"
        raise RefusedCallError(f"{head}; nothing was changed", hint=hint)

    def as_dict(self) -> dict[str, Any]:
        return {"file_revision": self.revision, "since": list(self.revisions), "undone": list(self.undone)}


def find_staleness(client: GatewayClient, document: Mapping[str, Any], plan: Mapping[str, Any]) -> Staleness | None:
    """Return how far a document is behind the revision that its plan was made for; None when it is not.

    A document without `revision` is never stale.
    """
    current = plan["revision"]
    number = document.get("revision", current)
    if number == current:
        return None
    try:
        if number > current:
            return Staleness(revision=number, current=current, is_known=False)
        changed = client("diffRevision", {"revision": current, "from": number})["differences"]
    except RefusedCallError:  # an old revision may be deleted
        return Staleness(revision=number, current=current, is_known=False)
    rows = client("listRevisions", {"limit": _PAGE})["data"]
    places = {row["where"] for row in changed}
    return Staleness(
        revision=number,
        current=current,
        revisions=tuple(row for row in rows if row["revision"] > number),
        undone=tuple(row["where"] for row in plan["differences"] if row["where"] in places),
    )


def write_revision(file: Path, document: Mapping[str, Any], revision: int) -> None:
    """Set the `revision` of a file that has one, and leave the rest of its text as it is."""
    if "revision" not in document:
        return
    try:
        # As bytes: a text would lose the line ends of Windows.
        changed = _with_revision(file.read_bytes().decode("utf-8"), document, revision)
        if changed is not None:
            write_file(file, changed.encode("utf-8"))
    except (OSError, UnicodeDecodeError):
        changed = None
    if changed is None:
        console.note(f"{file} still says revision {document['revision']}: set it to {revision} yourself")
    else:
        console.note(f"{file} says revision {revision} now")


def _with_revision(text: str, document: Mapping[str, Any], revision: int) -> str | None:
    """Return a text with another revision; None where its place in the text is not certain."""
    if not text.lstrip().startswith("{"):
        changed, count = _YAML_REVISION.subn(f"revision: {revision}", text)
        return changed if count == 1 else None
    # A schema in the document may have a number called revision too: what was replaced is read again.
    changed = _JSON_REVISION.sub(rf"\g<1>{revision}", text, count=1)
    try:
        return changed if json.loads(changed) == {**document, "revision": revision} else None
    except ValueError:
        return None


def _revision_line(row: Mapping[str, Any]) -> str:
    why = f" ({row['why']})" if row.get("why") else ""
    return f"  {row['revision']} by {row['who']} at {row['at'][:19]}Z: {row.get('summary', '')}{why}"


APPLY = """nlapi gateway apply gateway.yaml --dry-run
nlapi gateway apply gateway.yaml --yes --why "release 42\""""
DIFF = "nlapi gateway diff gateway.yaml --exit-code"
EXPORT = "nlapi gateway export gateway.yaml"

# Lines of a plan that are shown before the question; `diff` shows them all.
MAX_PLAN_LINES = 200
_MARKS = {"added": "+", "changed": "~", "removed": "-"}
_REFERENCE_SCHEME = re.compile(rb"env:|file:")
_YAML_SUFFIXES = (".yaml", ".yml")

StateFile = Annotated[Path, argument("FILE", "The whole configuration as JSON or YAML; anything left out is removed.")]


@connection_options
def apply(
    connection: GatewayConnection,
    file: StateFile,
    yes: Annotated[bool, flag("--yes -y", "Consent to the plan in advance.")] = False,
    dry_run: Annotated[bool, flag("--dry-run", "Show the plan; change nothing.")] = False,
    why: Annotated[str | None, option("--why TEXT", "The reason, stored with the revision.")] = None,
    force: Annotated[bool, flag("--force", "Overwrite changes made since the file's revision.")] = False,
) -> None:
    """Apply a configuration file to a gateway as one revision, after showing the plan.

    It is refused if the file would undo changes made since its `revision`, or if a revision is made in between. On
    success the file gets the new `revision`.
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
    # The revision that the plan was made for: a change in between answers with a 412.
    base = {"revision": plan["revision"]} if plan["revision"] else {}
    reason = {"why": why} if why else {}
    arguments = {**document, **base, **reason}
    receipt = None if yes else _ask(plan, client, arguments)
    revision = client(REPLACE, arguments, yes=True, receipt=receipt)
    console.note(f"revision {revision['revision']} is current")
    write_revision(file, document, revision["revision"])
    console.write(console.format_json(revision))


@connection_options
def diff_file(
    connection: GatewayConnection,
    file: StateFile,
    exit_code: Annotated[bool, flag("--exit-code", "Exit with 1 if there is a difference, like git diff.")] = False,
    output: ListOutput = None,
) -> None:
    """Show the changes that `apply` would make, later changes, and mistakes in the file."""
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
    file: Annotated[Path | None, argument("[FILE]", "A .json, .yaml or .yml file; else standard output.")] = None,
) -> None:
    """Write a gateway's whole configuration to a file for `apply`."""
    document = _state_client(connection)("getConfiguration", {})
    revision = document.get("revision", 0)
    is_yaml = file is not None and file.suffix.lower() in _YAML_SUFFIXES
    text = _yaml_text(document) if is_yaml else console.format_json(document) + "\n"
    if file is None:
        console.write(text.rstrip("\n"))
        return
    with file_faults(f"{file} cannot be written", hint="name another file"):
        write_output(file, text)
    console.note(f"revision {revision} is in {file}")


def read_configuration(path: Path) -> dict[str, Any]:
    """Return the configuration document of a file in JSON or YAML. UsageError if none exists."""
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
    from nlapi.gateway.shards.secret_references import document_references

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
    """Return the plan of a document: the changes that it would make, and its errors."""
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
        raise RefusedCallError(f"{file} has {faults}; nothing was changed", hint="fix the problems listed above")


def _ask(plan: Mapping[str, Any], client: GatewayClient, arguments: Mapping[str, Any]) -> ConsentReceipt:
    """Ask for consent to a plan; return its receipt. ConsentError without it."""
    from nlapi.agent.events import ConsentReply
    from nlapi.agent.records.receipts import begin_receipt, reply_of

    count = console.count_noun(len(plan["differences"]), "change")
    if not is_interactive():
        raise ConsentError(f"{count} need consent, and nobody can be asked", hint="--yes consents in advance")
    receipt = begin_receipt("gateway apply", (client.prepare(REPLACE, arguments),))
    is_agreed = read_answer(f"{count} as one revision. Apply? [y/N]: ").lower() in YES
    receipt = reply_of(receipt, ConsentReply(is_agreed=is_agreed))
    console.write_receipt(receipt)
    if not is_agreed:
        raise ConsentError("you did not agree; nothing was changed")
    return receipt


def _yaml_text(document: Mapping[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(dict(document), Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    return text
