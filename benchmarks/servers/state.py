"""A server's state as named items with attributes, and the difference of two states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Attributes = Mapping[str, Any]
State = Mapping[str, Attributes]
"""Items such as `zone example.org.`, each with attributes; what the server counts up by itself is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Items that came, items that went, and the attributes with another value, as they are now."""

    added: State
    removed: tuple[str, ...]
    changed: State

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        parts = [f"+ {name} {dict(attributes)}" for name, attributes in self.added.items()]
        parts += [f"- {name}" for name in self.removed]
        parts += [f"~ {name} {dict(attributes)}" for name, attributes in self.changed.items()]
        return "; ".join(parts) or "nothing"


def difference(before: State, after: State) -> Difference:
    """Return what is different in the second of two states."""
    changed: dict[str, dict[str, Any]] = {}
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        attributes = {key: new.get(key) for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        if attributes:
            changed[name] = attributes
    return Difference(
        added={name: after[name] for name in sorted(after.keys() - before.keys())},
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=dict(sorted(changed.items())),
    )
