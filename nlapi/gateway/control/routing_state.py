"""Numbers the states of each objective's routing, so that clients know when what they have resolved is outdated."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from nlapi.gateway.control.codec import KINDS, encode_configuration
from nlapi.gateway.control.revision_compiler import CurrentRevision
from nlapi.routing.change import target_versions
from nlapi.routing.model import Configuration, Objective, ObjectiveParts, Shard, Version, VersionRef

_Target = tuple[Version | None, Shard | None]


@dataclass(slots=True, kw_only=True)
class _ObjectiveState:
    """An objective's routing as it was last seen, and the revision since which it is so."""

    since: int
    revision: CurrentRevision
    objective: Objective
    parts: ObjectiveParts
    targets: Mapping[VersionRef, _Target]


class WholeDocument(NamedTuple):
    """A revision as one document in JSON, with the sha256 of its bytes in base64."""

    revision: int
    content: bytes
    digest: str


class RoutingState:
    """The state of each objective's routing in the current revision.

    Its number is a revision since which nothing has changed that decides for the objective: its own entry, its rules,
    or the versions and shards that they send requests to. Use it in the gateway's event loop.
    """

    def __init__(self, current: Callable[[], CurrentRevision]) -> None:
        self._current = current
        self._states: dict[str, _ObjectiveState] = {}
        self._documents: dict[str, tuple[Objective, orjson.Fragment]] = {}
        self._changed = asyncio.Event()
        self._whole: tuple[CurrentRevision, asyncio.Task[WholeDocument]] | None = None

    async def whole_document(self) -> WholeDocument:
        """Return everything that decides as one document, encoded once a revision for all that follow it."""
        current = self._current()
        if self._whole is None or self._whole[0] is not current or _has_failed(self._whole[1]):
            self._whole = current, asyncio.create_task(asyncio.to_thread(_encode_whole, current))
        # Shielded: a reader that goes away must not end it for the others.
        return await asyncio.shield(self._whole[1])

    def document(self, objective: Objective) -> orjson.Fragment:
        """Return an objective as answers have it, encoded once: that takes 30 us, and the rest of a resolve 60."""
        entry = self._documents.get(objective.name)
        if entry is None or entry[0] is not objective:
            document = orjson.Fragment(orjson.dumps(KINDS["objective"].encode(objective, False)))
            entry = self._documents[objective.name] = (objective, document)
        return entry[1]

    def notify(self) -> None:
        """Wake all that wait for a change: a revision was published, or the gateway stops."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the next `notify`; return False when none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def numbers(self, objectives: Iterable[str]) -> dict[str, int]:
        """Return the number of each objective that there is."""
        declared = self._current().configuration.objectives
        return {name: self.since(name) for name in objectives if name in declared}

    def since(self, objective: str) -> int:
        """Return the number of an objective's state. KeyError if the objective does not exist."""
        current, state = self._current(), self._states.get(objective)
        if state is not None and state.revision is current:
            return state.since
        configuration = current.configuration
        declared = configuration.objectives[objective]
        parts = current.table.parts_of(objective)
        if state is not None and state.parts is parts and state.objective == declared:
            targets = _find_targets(state.targets, configuration)
            if targets == state.targets:
                state.revision = current
                return state.since
        else:
            targets = _find_targets(_target_refs(declared, parts), configuration)
        self._states[objective] = _ObjectiveState(
            since=current.table.revision, revision=current, objective=declared, parts=parts, targets=targets
        )
        return current.table.revision


def _has_failed(task: asyncio.Task[WholeDocument]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _encode_whole(current: CurrentRevision) -> WholeDocument:
    revision = current.table.revision
    content = orjson.dumps(
        {**({"revision": revision} if revision else {}), **encode_configuration(current.configuration)}
    )
    return WholeDocument(revision, content, b64encode(sha256(content).digest()).decode())


def _find_targets(refs: Iterable[VersionRef], configuration: Configuration) -> dict[VersionRef, _Target]:
    targets: dict[VersionRef, _Target] = {}
    for ref in refs:
        version = configuration.versions.get(ref)
        targets[ref] = (version, configuration.shards.get(version.shard) if version else None)
    return targets


def _target_refs(objective: Objective, parts: ObjectiveParts) -> set[VersionRef]:
    entities: list[Any] = [
        objective, *parts.overrides, *parts.experiments, *parts.rules, *parts.canaries, *parts.shadows
    ]  # fmt: skip
    return {ref for entity in entities for ref in target_versions(entity)}
