"""Publishes changes of the configuration: each is validated, compiled, loaded, committed and served as one revision."""

from __future__ import annotations

import asyncio
import ipaddress
import typing
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import TypeAlias
from urllib.parse import urlsplit

from nlapi.errors import NlapiError
from nlapi.gateway.access import format_time, utc_now
from nlapi.gateway.codec import Json, decode_configuration, encode_configuration
from nlapi.gateway.problems import GatewayProblem, unknown_object, unprocessable
from nlapi.gateway.store import GatewayStore, Revision
from nlapi.issue import Issue, Level
from nlapi.routing.change import Difference, diff
from nlapi.routing.check import check
from nlapi.routing.model import Configuration, Shard, ShardProtocol
from nlapi.routing.table import Table, compile_table

# Instance metadata of clouds hands out credentials to whoever can send a request there (server-side request forgery).
_METADATA_HOSTS = frozenset(("metadata.google.internal", "metadata", "instance-data"))

Edit: TypeAlias = Callable[[Configuration], Configuration]
Commit: TypeAlias = Callable[[], Awaitable[None]]
"""Commits the revision after it was loaded and before the first request that it decides."""
OBJECTIVE_FIELDS = ("rules", "experiments", "canaries", "shadows", "overrides")
"""The fields of Configuration whose items belong to one objective."""
# The base of the first change: with the local shard declared, a first version can be added at once.
INITIAL_CONFIGURATION = Configuration(shards={"local": Shard(name="local", description="This process.")})
GATEWAY_AUTHOR = "gateway"
"""the author of a revision that a canary makes by itself"""
MAX_SUMMARY_CHARS = 300
# Checking 10,000 rules takes 0.12 s (docs/design/010-routing.md); a rollback to a recent revision need not repeat it.
MAX_RECENT = 50


def validate_configuration(configuration: Configuration) -> list[Issue]:
    """Return all faults of a configuration, those of `routing.check` first; an ERROR refuses it."""
    return [
        *check(configuration),
        *_check_shards(configuration),
        *_check_sources(configuration),
        *_check_shadows(configuration),
    ]


def _check_shards(configuration: Configuration) -> Iterator[Issue]:
    for shard in configuration.shards.values():
        if shard.protocol is not ShardProtocol.LOCAL and not shard.endpoints:
            yield Issue.error(f"shards.{shard.name}.endpoints", "a remote shard needs an address", rule="no-endpoint")
        for index, endpoint in enumerate(shard.endpoints):
            if fault := _endpoint_fault(endpoint):
                yield Issue.error(
                    f"shards.{shard.name}.endpoints[{index}]", f"{endpoint[:200]!r} {fault}", rule="endpoint"
                )


def _endpoint_fault(endpoint: str) -> str:
    """Return the reason to refuse an endpoint, or "" when it is allowed."""
    # Private addresses are allowed, as shards are on private networks.
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in ("http", "https") or not host:
        return "is no http or https address"
    if parts.username is not None or parts.password is not None:
        return "holds a credential, which would end up in revisions and logs"
    if host.rstrip(".").lower() in _METADATA_HOSTS:
        return "is the address of a cloud's metadata"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # 0x7f000001 and 2130706433 are 127.0.0.1 for many resolvers, but not for `ipaddress`.
        return "is a number in disguise" if host.replace(".", "").replace("0x", "").isdigit() else ""
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_link_local:
        return "is a link-local address, where clouds keep their metadata"
    return "is no address of a replica" if mapped.is_unspecified or mapped.is_multicast else ""


def _check_sources(configuration: Configuration) -> Iterator[Issue]:
    for version in configuration.versions.values():
        if ".." in PurePosixPath(version.source.replace("\\", "/")).parts:
            yield Issue.error(f"versions.{version.ref}.source", "it leads out of the folder of models", rule="source")


def _check_shadows(configuration: Configuration) -> Iterator[Issue]:
    for shadow in configuration.shadows.values():
        objective = configuration.objectives.get(shadow.objective)
        if objective is not None and not objective.idempotent:
            message = f"{shadow.objective} is not idempotent: a copy would do a second time what the request does"
            yield Issue.error(f"shadows.{shadow.name}.objective", message, rule="doubled-effect")


# A Protocol, so that a publisher can be tested without an engine (tests/gateway/test_gateway_kill.py).
class PublishingEngine(typing.Protocol):
    """The part of the engine that the publisher uses."""

    async def publish(self, table: Table, configuration: Configuration, commit: Commit | None = None) -> None:
        """Load the new versions, await `commit`, and decide by `table` from the next request on.

        NlapiError, or an error of `commit`, when nothing has changed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRevision:
    """The configuration that decides now, and its compiled table."""

    configuration: Configuration
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan:
    """A change that was not made: what is wrong with it, and its differences from the current `revision`."""

    issues: list[Issue]
    differences: list[Difference]
    revision: int


class Publisher:
    """The only writer of revisions: every change of the routing goes through `change`, one at a time."""

    def __init__(self, store: GatewayStore, engine: PublishingEngine, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._lock = asyncio.Lock()
        self._recent: dict[int, Configuration] = {}
        """the configurations of the last committed revisions by number, for rollbacks without another check"""
        self.current = CurrentRevision(
            configuration=INITIAL_CONFIGURATION, table=compile_table(INITIAL_CONFIGURATION, 0)
        )

    @property
    def revision(self) -> int:
        """The number of the current revision; 0 before the first."""
        return self.current.table.revision

    async def start(self) -> None:
        """Publish the last committed revision, if there is one."""
        async with self._lock:
            last = self._store.revision(self._store.last_number())
            if last is not None:
                configuration = decode_configuration(last.document)
                await self._publish(configuration, await asyncio.to_thread(compile_table, configuration, last.number))

    async def change(
        self, edit: Edit, *, author: str, reason: str = "", expected: int | None = None, restores: int = 0
    ) -> Revision:
        """Publish the result of `edit` and return its revision, or the current one when nothing changes.

        GatewayProblem 412 when `expected` is no longer current, 422 when the result is invalid or cannot be loaded, 503
        when it cannot be stored; then the previous revision goes on serving. A revision decides no request before it is
        committed, and every new request once this returns.
        """
        async with self._lock:
            if expected is not None and expected != self.revision:
                raise GatewayProblem(
                    412,
                    f"revision {expected} is not current any more: {self.revision} is",
                    code="outdated",
                    hint=f"see what changed with GET /v1/revisions/{self.revision}/changes?from={expected}, and repeat",
                )
            # In a thread: validating and compiling 10,000 rules takes long, and requests are served meanwhile.
            after, differences, document, table = await asyncio.to_thread(self._apply_edit, edit)
            if table is None:
                return await asyncio.to_thread(self.get_revision, self.revision)
            revision = Revision(
                number=self.revision + 1,
                at=format_time(self._clock()),
                who=author,
                why=reason,
                summary=summarize(differences),
                objectives=_affected_objectives(differences),
                restores=restores,
                document=document,
            )
            await self._publish(after, table, lambda: self._commit(revision))
            self._recent[revision.number] = after
            if len(self._recent) > MAX_RECENT:
                del self._recent[min(self._recent)]
            return revision

    async def roll_back(self, number: int, *, author: str, reason: str = "", expected: int | None = None) -> Revision:
        """Publish the configuration of an old revision as a new one. GatewayProblem 404 when there is none."""
        recent = self._recent.get(number)
        configuration = recent if recent is not None else await asyncio.to_thread(self._old_configuration, number)
        reason = reason or f"back to revision {number}"
        return await self.change(
            lambda _: configuration, author=author, reason=reason, expected=expected, restores=number
        )

    async def undo(self, objective: str, *, author: str, reason: str = "", expected: int | None = None) -> Revision:
        """Publish a revision that reverts the last change of one objective; a repetition reverts the change before.

        GatewayProblem 404 when there is no such objective, 409 when there is no earlier change.
        """
        if objective not in self.current.configuration.objectives:
            raise unknown_object("objective", objective, self.current.configuration.objectives)
        target = await asyncio.to_thread(self._revision_before, objective)
        old = await asyncio.to_thread(self._old_configuration, target) if target else Configuration()
        if objective not in old.objectives:
            raise GatewayProblem(409, f"{objective} has not been changed since it was made", code="nothing_before")
        reason = reason or f"{objective} back to revision {target}"
        return await self.change(
            lambda current: _restore_objective(current, old, objective),
            author=author,
            reason=reason,
            expected=expected,
            restores=target,
        )

    def get_revision(self, number: int) -> Revision:
        """Return a committed revision. GatewayProblem 404 when there is none of that number."""
        revision = self._store.revision(number)
        if revision is None:
            last = self._store.last_number()
            hint = f"they go from 1 to {last}" if last else "there is none yet"
            raise GatewayProblem(404, f"there is no revision {number}", code="unknown_revision", hint=hint)
        return revision

    def check_configuration(self, configuration: Configuration) -> list[Issue]:
        """Return all faults of a configuration, the most severe first."""
        return sorted(validate_configuration(configuration), key=lambda issue: list(Level).index(issue.level))

    def plan(self, edit: Edit) -> ChangePlan:
        """Return what `change` would do with an edit, without doing it."""
        before, revision = self.current.configuration, self.revision
        try:
            after = edit(before)
        except GatewayProblem as problem:
            return ChangePlan(issues=list(problem.issues), differences=[], revision=revision)
        issues = self.check_configuration(after)
        is_refused = any(issue.level is Level.ERROR for issue in issues)
        # The steps of a change itself, so that a plan cannot differ from it.
        differences = diff(before, after) if is_refused else self._apply_edit(lambda _: after)[1]
        return ChangePlan(issues=issues, differences=differences, revision=revision)

    def _apply_edit(self, edit: Edit) -> tuple[Configuration, list[Difference], Json, Table | None]:
        """Return the edited configuration, its differences from the current one, its document and its table.

        The table is None when nothing differs. GatewayProblem 422 when the result is invalid.
        """
        before = self.current.configuration
        after = edit(before)
        # By identity: only the very object that was validated before is valid without another check.
        if not any(after is recent for recent in self._recent.values()):
            issues = validate_configuration(after)
            if any(issue.level is Level.ERROR for issue in issues):
                raise unprocessable(issues, code="invalid_configuration", hint=self._unchanged_hint())
        differences = diff(before, after)
        if not differences and self.revision:
            return after, [], {}, None
        return after, differences, encode_configuration(after), compile_table(after, self.revision + 1)

    async def _commit(self, revision: Revision) -> None:
        try:
            await asyncio.to_thread(self._store.add_revision, revision)
        except NlapiError as error:
            raise GatewayProblem(503, error.message, code="not_kept", hint=self._unchanged_hint()) from error

    def _unchanged_hint(self) -> str:
        return f"nothing was changed; revision {self.revision} goes on serving"

    async def _publish(self, configuration: Configuration, table: Table, commit: Commit | None = None) -> None:
        try:
            await self._engine.publish(table, table.configuration, commit)
        except GatewayProblem:
            raise
        except (NlapiError, ValueError) as error:
            hint = getattr(error, "hint", "") or self._unchanged_hint()
            message = getattr(error, "message", str(error))
            raise GatewayProblem(422, message, code="not_loaded", hint=hint) from error
        self.current = CurrentRevision(configuration=configuration, table=table)

    def _old_configuration(self, number: int) -> Configuration:
        """Return the configuration of a committed revision. GatewayProblem 404 when there is none of that number."""
        return self._recent.get(number) or decode_configuration(self.get_revision(number).document)

    def _revision_before(self, objective: str) -> int:
        """Return the number of the revision before the last change of an objective; 0 when there is none."""
        last = self._last_change(objective, self.revision)
        while last is not None and (last.restores or last.who == GATEWAY_AUTHOR):
            # A step of a canary belongs to its start: reverted alone, the canary would only take it again. A revision
            # that restores another is skipped, so that undoing twice goes further back and not forth again.
            last = self._last_change(objective, last.restores or last.number - 1)
        return last.number - 1 if last is not None else 0

    def _last_change(self, objective: str, number: int) -> Revision | None:
        page = self._store.revisions(objective=objective, limit=1, before=number + 1)
        return page.rows[0] if page.rows else None


def _restore_objective(configuration: Configuration, old: Configuration, name: str) -> Configuration:
    """Return the configuration with one objective, and the items that belong to it, as in `old`."""
    parts = {}
    for kind in OBJECTIVE_FIELDS:
        unchanged = {key: item for key, item in getattr(configuration, kind).items() if item.objective != name}
        parts[kind] = unchanged | {key: item for key, item in getattr(old, kind).items() if item.objective == name}
    return replace(configuration, objectives={**configuration.objectives, name: old.objectives[name]}, **parts)


def _affected_objectives(differences: list[Difference]) -> tuple[str, ...]:
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
