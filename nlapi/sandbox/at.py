"""The context of a sample value: the item it belongs to, its number, its depth and the ids that it may refer to."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from nlapi.resources.naming import singular_words

# The absence of a value, where None is a value (JSON null).
ABSENT: Any = object()

# (property name, index) -> the id of an existing item, or NOTHING.
FindReference = Callable[[str, int], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleContext:
    """The context of a sample value. `index` is the number of the item, `branch` that of a union to try first.

    `sparse` leaves out optional properties; so does a partly known value, unless `full`.
    """

    seed: int
    path: str
    name: str = ""
    noun: str = "item"
    index: int = 0
    depth: int = 0
    refs: tuple[str, ...] = ()
    branch: int = 0
    sparse: bool = False
    full: bool = False
    find_reference: FindReference | None = None

    @property
    def rng(self) -> Random:
        # Seeded by the path and not by the order of calls: the same value whatever was read before.
        return Random(f"{self.seed}/{self.path}/{self.index}")  # noqa: S311 - samples that are the same each time, no secret

    @property
    def rotation(self) -> int:
        """Return the index shifted by the property's name, for values that rotate."""
        # Two enums of one item would otherwise change in step. crc32, because hash() differs between processes.
        return self.index + zlib.crc32(self.name.encode()) % 7

    def child(self, name: str, ref: Any) -> SampleContext:
        refs = (*self.refs, ref) if isinstance(ref, str) else self.refs
        noun = "".join(singular_words(self.name)[-1:]) if self.depth else ""
        return replace(
            self,
            path=f"{self.path}.{name}",
            name=name,
            noun=noun or self.noun,
            depth=self.depth + 1,
            refs=refs,
            full=False,
        )

    def item(self, position: int, ref: Any) -> SampleContext:
        refs = (*self.refs, ref) if isinstance(ref, str) else self.refs
        index = self.index + position
        return replace(self, path=f"{self.path}[{position}]", index=index, depth=self.depth + 1, refs=refs, full=False)
