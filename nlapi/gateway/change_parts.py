"""The parts of a change: its summary, the objectives that it affects, and one objective as it was before."""

from __future__ import annotations

from dataclasses import replace

from nlapi.routing.change import Difference
from nlapi.routing.model import Configuration

OBJECTIVE_FIELDS = ("rules", "experiments", "canaries", "shadows", "overrides")
"""The fields of Configuration whose items belong to one objective."""
MAX_SUMMARY_CHARS = 300


def restore_objective(configuration: Configuration, old: Configuration, name: str) -> Configuration:
    """Return the configuration with one objective, and the items that belong to it, as in `old`."""
    parts = {}
    for kind in OBJECTIVE_FIELDS:
        unchanged = {key: item for key, item in getattr(configuration, kind).items() if item.objective != name}
        parts[kind] = unchanged | {key: item for key, item in getattr(old, kind).items() if item.objective == name}
    return replace(configuration, objectives={**configuration.objectives, name: old.objectives[name]}, **parts)


def affected_objectives(differences: list[Difference]) -> tuple[str, ...]:
    """Return the names of the objectives that differences affect, sorted."""
    names = set()
    for difference in differences:
        for item in (difference.before, difference.after):
            name = getattr(item, "name" if difference.kind == "objectives" else "objective", "")
            if name and difference.kind in ("objectives", *OBJECTIVE_FIELDS):
                names.add(name)
    return tuple(sorted(names))


def summarize(differences: list[Difference]) -> str:
    """Return a summary of differences in one line."""
    text = "; ".join(difference.text for difference in differences[:5])
    remainder = f" (and {len(differences) - 5} more)" if len(differences) > 5 else ""
    return f"{text if len(text) <= MAX_SUMMARY_CHARS else text[: MAX_SUMMARY_CHARS - 3] + '...'}{remainder}"
