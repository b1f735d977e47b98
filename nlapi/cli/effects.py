"""The overlay file that states the POSTs of a registered API which read, proposed or accepted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi import registry
from nlapi.cli import show
from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec

EFFECTS_FOLDER = "effects"


def overlay_file(name: str) -> Path:
    """Return the path of the overlay of a registered API."""
    return registry.user_folder("config") / EFFECTS_FOLDER / f"{name}.overlay.yaml"


def accepted_overlay(name: str, source: str, overlays: Sequence[str]) -> str | None:
    """Return the accepted overlay of an API that is registered again for the same description, else None."""
    entry, file = registry.read_registrations().get(name), overlay_file(name)
    is_unchanged = entry is not None and entry.source == source and str(file) in entry.overlays
    return str(file) if file.is_file() and (is_unchanged or str(file) in overlays) else None


def propose_overlay(name: str, spec: Spec) -> None:
    """Write the overlay that states the reads of an API, replacing an earlier one, and note how to accept it."""
    from nlapi.resources.effect_overlay import effect_overlay, reads_by_evidence

    text = effect_overlay(spec.operations)
    if not text:
        remove_overlay(name)
        return
    file = overlay_file(name)
    try:
        # For the user alone: whoever can write this file decides which POSTs are sent without a question.
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NlapiError(f"{file} cannot be written: {error.strerror}", hint="set NLAPI_CONFIG_DIR") from None
    count = show.count_noun(len(reads_by_evidence(spec.operations)), "POST")
    show.note(f"{count} classified as read, and sent without a question: {file} says why.")
    show.note(f"`nlapi api accept {name}` pins them, so that a changed description makes no read of a change")


def remove_overlay(name: str) -> None:
    """Remove the overlay of an API."""
    overlay_file(name).unlink(missing_ok=True)


def accept_overlay(name: str) -> None:
    """Make the proposed overlay part of the registration of an API."""
    from dataclasses import replace

    import nlapi
    from nlapi.openapi.spec import Effect

    registrations = registry.read_registrations()
    entry, file = registrations.get(name), overlay_file(name)
    if entry is None:
        raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
    if str(file) in entry.overlays and file.is_file():
        raise UsageError(f"the reads of {name} are accepted already", hint=f"{file} has them, and can be edited")
    if not file.is_file():
        raise UsageError(f"{name} has no POST that is a read by evidence", hint=f"`nlapi check {name}` lists what is")
    # Last, so that no other overlay undoes it. The description is loaded before the registration is written: an edited
    # overlay that does not fit is noted below.
    overlays = (*(overlay for overlay in entry.overlays if overlay != str(file)), str(file))
    spec = nlapi.load(entry.source, overlays=overlays, root=entry.root)
    registry.write_registrations({**registrations, name: replace(entry, overlays=overlays)})
    reads = sum(operation.method == "POST" and operation.effect is Effect.READ for operation in spec.operations)
    for issue in spec.parse_issues:
        if issue.rule == "overlay":
            show.note(str(issue))
    show.note(f"{name}: {show.count_noun(reads, 'POST')} pinned as read; every other POST asks. {file} can be edited")
