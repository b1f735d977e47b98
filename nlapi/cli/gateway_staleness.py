"""Compares the revision that a configuration file is of with the current one: what a stale file would undo."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlapi.cli import console
from nlapi.cli.gateway_client import GatewayClient, RefusedCallError
from nlapi.local_files import write_file

# Revisions since the file's that are listed; the newest count.
MAX_LISTED = 20
# The most that the gateway gives in one page.
_PAGE = 200
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
