"""Where a sample is made: of what thing, which number of its kind, how deep, and with which ids at hand."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from nlapi.resources.naming import singular_words

NOTHING: Any = object()
"""No value at all, where None is one."""

Refer = Callable[[str, int], Any]
"""(property name, index) -> the id of a thing that exists, or NOTHING."""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Where a value is made. `thing` is what it belongs to, `index` the number of the item, `pick` which branch of a
    union to try first. `sparse` leaves out what is optional; so does a value that is known in part, unless `full`."""

    seed: int
    path: str
    name: str = ""
    thing: str = "item"
    index: int = 0
    depth: int = 0
    refs: tuple[str, ...] = ()
    pick: int = 0
    sparse: bool = False
    full: bool = False
    refer: Refer | None = None

    @property
    def rng(self) -> Random:
        return Random(f"{self.seed}/{self.path}/{self.index}")  # noqa: S311 - samples that are the same each time, no secret

    @property
    def turn(self) -> int:
        """The index, moved by where it is, so that two enums of one item do not go in step."""
        return self.index + zlib.crc32(self.name.encode()) % 7

    def under(self, name: str, ref: Any) -> At:
        refs = (*self.refs, ref) if isinstance(ref, str) else self.refs
        thing = "".join(singular_words(self.name)[-1:]) if self.depth else ""
        return replace(
            self,
            path=f"{self.path}.{name}",
            name=name,
            thing=thing or self.thing,
            depth=self.depth + 1,
            refs=refs,
            full=False,
        )

    def item(self, position: int, ref: Any) -> At:
        refs = (*self.refs, ref) if isinstance(ref, str) else self.refs
        index = self.index + position
        return replace(self, path=f"{self.path}[{position}]", index=index, depth=self.depth + 1, refs=refs, full=False)
