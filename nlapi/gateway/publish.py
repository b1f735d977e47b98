"""A change from its idea to the next request: checked, compiled, loaded, committed and published as one revision."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeAlias

from nlapi.errors import NlapiError
from nlapi.gateway.access import now, stamp
from nlapi.gateway.codec import Json, decode_configuration, encode_configuration
from nlapi.gateway.kept import Revision
from nlapi.gateway.problem import Problem, not_found, unprocessable
from nlapi.gateway.store import Store
from nlapi.gateway.vet import vet
from nlapi.issue import Issue, Level
from nlapi.routing.change import Difference, diff
from nlapi.routing.nouns import Configuration, Shard
from nlapi.routing.table import Table, compile

Edit: TypeAlias = Callable[[Configuration], Configuration]
Commit: TypeAlias = Callable[[], Awaitable[None]]
"""Keeps the revision, between the moment when nothing can fail any more and the first request that it decides."""
OF_OBJECTIVE = ("rules", "experiments", "canaries", "shadows", "overrides")
"""The kinds whose things belong to one objective."""
BEGINNING = Configuration(shards={"local": Shard(name="local", description="This process.")})
"""What the first change is made to: versions run in this process unless they say otherwise."""
ITSELF = "gateway"
"""Who it is that makes a revision when a canary takes a step by itself."""
SUMMARY = 300
RECENT = 50


class Serving(Protocol):
    """What publishes: the engine."""

    async def publish(self, table: Table, configuration: Configuration, commit: Commit | None = None) -> None:
        """Loads what is new, awaits `commit`, and decides by `table` from the next request on.

        NlapiError, or whatever `commit` raises: nothing has changed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What decides now."""

    configuration: Configuration
    table: Table


class Publisher:
    """Makes revisions, one after the other. Everything that changes the routing goes through `change`."""

    def __init__(self, store: Store, engine: Serving, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._turn = asyncio.Lock()
        self._recent: dict[int, Configuration] = {}
        """the last revisions that were checked, published and committed, by number: going back to one costs no more"""
        self.current = Current(configuration=BEGINNING, table=compile(BEGINNING, 0))

    @property
    def revision(self) -> int:
        """The number of the current revision; 0 before the first."""
        return self.current.table.revision

    async def start(self) -> None:
        """Publishes the last committed revision, if there is one."""
        async with self._turn:
            last = self._store.revision(self._store.last_number())
            if last is not None:
                configuration = decode_configuration(last.document)
                await self._publish(configuration, await asyncio.to_thread(compile, configuration, last.number))

    async def change(
        self, edit: Edit, *, who: str, why: str = "", expected: int | None = None, restores: int = 0
    ) -> Revision:
        """The revision that `edit` makes of the current configuration; the current one when it changes nothing.

        Problem 412 when `expected` is no longer current, 422 when what it makes is faulty or cannot be loaded, 503 when
        it cannot be kept; the revision before goes on serving. A revision decides no request before it is committed,
        and once this returns it decides every new one.
        """
        async with self._turn:
            if expected is not None and expected != self.revision:
                raise Problem(
                    412,
                    f"revision {expected} is not current any more: {self.revision} is",
                    code="outdated",
                    hint=f"see what changed with GET /v1/revisions/{self.revision}/changes?from={expected}, and repeat",
                )
            # In a thread: of a large configuration this takes long, and requests are served meanwhile.
            after, differences, document, table = await asyncio.to_thread(self._edited, edit)
            if table is None:
                return await asyncio.to_thread(self._kept, self.revision)
            made = Revision(
                number=self.revision + 1,
                at=stamp(self._clock()),
                who=who,
                why=why,
                summary=summary(differences),
                objectives=touched(differences),
                restores=restores,
                document=document,
            )
            await self._publish(after, table, lambda: self._commit(made))
            self._recent[made.number] = after
            if len(self._recent) > RECENT:
                del self._recent[min(self._recent)]
            return made

    async def roll_back(self, number: int, *, who: str, why: str = "", expected: int | None = None) -> Revision:
        """A new revision with the configuration of an old one. Problem 404 when there is none."""
        old = self._recent.get(number)
        made = old if old is not None else await asyncio.to_thread(self._old, number)
        why = why or f"back to revision {number}"
        return await self.change(lambda _: made, who=who, why=why, expected=expected, restores=number)

    async def undo(self, objective: str, *, who: str, why: str = "", expected: int | None = None) -> Revision:
        """A new revision in which one objective is as it was before its last change; once more goes further back.

        Problem 404 when there is no such objective, 409 when there is nothing before.
        """
        if objective not in self.current.configuration.objectives:
            raise not_found("objective", objective, self.current.configuration.objectives)
        target = await asyncio.to_thread(self._before, objective)
        old = await asyncio.to_thread(self._old, target) if target else Configuration()
        if objective not in old.objectives:
            raise Problem(409, f"{objective} has not been changed since it was made", code="nothing_before")
        why = why or f"{objective} back to revision {target}"
        return await self.change(
            lambda now: with_objective(now, old, objective), who=who, why=why, expected=expected, restores=target
        )

    def revision_of(self, number: int) -> Revision:
        """A committed revision. Problem 404 when there is none of that number."""
        return self._kept(number)

    def checked(self, configuration: Configuration) -> list[Issue]:
        """Everything that is wrong with a configuration, the worst first."""
        return sorted(vet(configuration), key=lambda issue: list(Level).index(issue.level))

    def _edited(self, edit: Edit) -> tuple[Configuration, list[Difference], Json, Table | None]:
        """What an edit makes of the current configuration, how the two differ, its document and its table.

        No table when nothing differs. Problem 422.
        """
        before = self.current.configuration
        after = edit(before)
        if not any(after is known for known in self._recent.values()):
            issues = vet(after)
            if any(issue.level is Level.ERROR for issue in issues):
                raise unprocessable(issues, code="invalid_configuration", hint=self._unchanged())
        differences = diff(before, after)
        if not differences and self.revision:
            return after, [], {}, None
        return after, differences, encode_configuration(after), compile(after, self.revision + 1)

    async def _commit(self, made: Revision) -> None:
        try:
            await asyncio.to_thread(self._store.add_revision, made)
        except NlapiError as error:
            raise Problem(503, error.message, code="not_kept", hint=self._unchanged()) from error

    def _unchanged(self) -> str:
        return f"nothing was changed; revision {self.revision} goes on serving"

    async def _publish(self, configuration: Configuration, table: Table, commit: Commit | None = None) -> None:
        try:
            await self._engine.publish(table, table.configuration, commit)
        except Problem:
            raise
        except (NlapiError, ValueError) as error:
            hint = getattr(error, "hint", "") or self._unchanged()
            message = getattr(error, "message", str(error))
            raise Problem(422, message, code="not_loaded", hint=hint) from error
        self.current = Current(configuration=configuration, table=table)

    def _old(self, number: int) -> Configuration:
        """The configuration of a committed revision. Problem 404 when there is none of that number."""
        return self._recent.get(number) or decode_configuration(self._kept(number).document)

    def _kept(self, number: int) -> Revision:
        found = self._store.revision(number)
        if found is None:
            last = self._store.last_number()
            hint = f"they go from 1 to {last}" if last else "there is none yet"
            raise Problem(404, f"there is no revision {number}", code="unknown_revision", hint=hint)
        return found

    def _before(self, objective: str) -> int:
        """The number of the revision that holds what an objective was before its last change; 0 when there is none."""
        last = self._last_change(objective, self.revision)
        while last is not None and (last.restores or last.who == ITSELF):
            # The steps that a canary takes by itself belong to its start: it would only take the last one again.
            last = self._last_change(objective, last.restores or last.number - 1)
        return last.number - 1 if last is not None else 0

    def _last_change(self, objective: str, number: int) -> Revision | None:
        page = self._store.revisions(objective=objective, limit=1, before=number + 1)
        return page.rows[0] if page.rows else None


def with_objective(configuration: Configuration, old: Configuration, name: str) -> Configuration:
    """A configuration in which one objective and what belongs to it are as in `old`."""
    parts = {}
    for kind in OF_OBJECTIVE:
        others = {key: one for key, one in getattr(configuration, kind).items() if one.objective != name}
        parts[kind] = others | {key: one for key, one in getattr(old, kind).items() if one.objective == name}
    return replace(configuration, objectives={**configuration.objectives, name: old.objectives[name]}, **parts)


def touched(differences: list[Difference]) -> tuple[str, ...]:
    """The objectives that differences are about, in order."""
    names = set()
    for one in differences:
        for noun in (one.before, one.after):
            name = getattr(noun, "name" if one.kind == "objectives" else "objective", "")
            if name and one.kind in ("objectives", *OF_OBJECTIVE):
                names.add(name)
    return tuple(sorted(names))


def summary(differences: list[Difference]) -> str:
    """What differences come to, in one line."""
    text = "; ".join(one.text for one in differences[:5])
    more = f" (and {len(differences) - 5} more)" if len(differences) > 5 else ""
    return f"{text if len(text) <= SUMMARY else text[: SUMMARY - 3] + '...'}{more}"
