"""Publishes changes of the configuration: each is validated, compiled, loaded, committed and served as one revision."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, Required, TypeAlias, TypedDict, Unpack

from nlapi.errors import Issue, Level, NlapiError
from nlapi.gateway.control.access import format_time, utc_now
from nlapi.gateway.control.codec import decode_configuration
from nlapi.gateway.control.revision_compiler import (
    CurrentRevision,
    RevisionCandidate,
    check_changes,
    compile_changes,
    compile_revision,
    item_change,
    numbered_entry,
    validate_configuration,
    version_tolerance,
)
from nlapi.gateway.http.problems import GatewayProblem, unknown_object, unprocessable
from nlapi.gateway.runner_registry import PreparedRunners, Tolerance, has_local_versions, tolerate_none
from nlapi.gateway.shards.secret_references import AllowedReferences, check_key_changes
from nlapi.gateway.store.database import CommitUnknownError, StaleRevisionError, StoreError
from nlapi.gateway.store.schema import VersionDigest
from nlapi.gateway.store.store import AuditEntry, ChangeRecord, GatewayStore, ItemChange, Revision, RevisionHead
from nlapi.gateway.versions.library import ContentPins, VersionLibrary
from nlapi.gateway.workers.factory import shared_factory
from nlapi.routing.change import ConfigurationChanges, Difference, diff, differences_of, replace_entities
from nlapi.routing.check import CheckedConfiguration
from nlapi.routing.model import CanaryState, Configuration, Shard, VersionRef
from nlapi.routing.table import Table

GATEWAY_AUTHOR = "gateway"
"""the author of a revision that a canary makes by itself"""
# Revisions deleted in one transaction, so that a change waits some milliseconds for it and not for thousands.
PRUNE_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How many revisions are stored: the newest `revisions`, and all of the last `days`; 0 days: by number only."""

    revisions: int = 1000
    days: float = 30.0

    def oldest_time(self, now: datetime) -> str:
        """Return the time before which a revision may be pruned."""
        return format_time(now - timedelta(days=self.days))


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPath:
    """The way to the revision before the last change of an objective.

    `target` is its number, 0 if none exists; `visited` are the revisions that lead there. `is_pruned` when the way
    goes through a revision that is not stored any more.
    """

    target: int
    visited: tuple[int, ...]
    is_pruned: bool = False


def find_undo_path(changes: Iterable[ChangeRecord]) -> UndoPath:
    """Return the way back from the changes of one objective, given newest first."""
    # A step of a canary belongs to its start: reverted alone, the canary would only take it again. A revision that
    # restores another is skipped, so that undoing twice goes further back and not forth again.
    visited: list[int] = []
    limit: float = float("inf")
    for change in changes:
        if change.number > limit:
            continue
        if change.pruned:
            return UndoPath(target=0, visited=tuple(visited), is_pruned=True)
        visited.append(change.number)
        if not change.restores and change.who != GATEWAY_AUTHOR:
            return UndoPath(target=change.number - 1, visited=tuple(visited))
        limit = change.restores or change.number - 1
    return UndoPath(target=0, visited=tuple(visited))


def protected_revisions(store: GatewayStore, configuration: Configuration) -> set[int]:
    """Return the revisions that an undo of any objective needs, and those around the start of each active canary."""
    protected: set[int] = set()
    for objective, changes in store.changes_by_objective().items():
        if objective in configuration.objectives:
            path = find_undo_path(changes)
            if path.target:
                protected |= {path.target, *path.visited}
    for canary in configuration.canaries.values():
        if canary.state in (CanaryState.RUNNING, CanaryState.PAUSED):
            start = store.first_number_of("canaries", canary.name)
            protected |= {start - 1, start}
    return protected


def prune_revisions(store: GatewayStore, configuration: Configuration, policy: RetentionPolicy, now: datetime) -> int:
    """Delete the revisions that the policy does not keep and nothing needs; return their number.

    The current revision always stays. A batch is one transaction: a kill leaves the store before or after it.
    """
    before, total = policy.oldest_time(now), 0
    if store.oldest_prunable(newest=policy.revisions, before=before):
        protected = protected_revisions(store, configuration)
        while pruned := store.prune(newest=policy.revisions, before=before, protected=protected, limit=PRUNE_BATCH):
            total += len(pruned)
    return total


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


Commit: TypeAlias = Callable[[], Awaitable[None]]
"""Commits the revision after it was loaded and before the first request that it decides."""


# A Protocol, so that a publisher can be tested without an engine (tests/gateway/test_gateway_kill.py).
class PublishingEngine(Protocol):
    """The part of the engine that the publisher uses."""

    async def publish(
        self,
        table: Table,
        configuration: Configuration,
        commit: Commit | None = None,
        tolerates: Tolerance = tolerate_none,
    ) -> None:
        """Load the new versions, await `commit`, and decide by `table` from the next request on.

        NlapiError, or an error of `commit`, when nothing has changed. A version that cannot be loaded is such an error
        unless `tolerates` accepts it.
        """

    async def preload(self, configuration: Configuration, refs: Collection[VersionRef]) -> PreparedRunners:
        """Load local versions for a later `publish`. NlapiError when one cannot be loaded."""

    async def release(self, preloaded: PreparedRunners) -> None:
        """Close those preloaded versions that no revision serves."""


# Decoding 10,000 rules takes 0.3 s (docs/design/033-change-at-scale.md); a rollback to a recent revision finds its
# configuration here, with the very objects that both have in common.
MAX_RECENT = 50


class StoredRevisions:
    """The revisions of a store. Every method may read the database; call it in a thread."""

    def __init__(self, store: GatewayStore, library: VersionLibrary | None) -> None:
        self._store = store
        self._library = library
        self._recent: dict[int, Configuration] = {}

    def remember(self, number: int, configuration: Configuration) -> None:
        """Hold the configuration of a committed revision in memory, with some before it."""
        self._recent[number] = configuration
        if len(self._recent) > MAX_RECENT:
            del self._recent[min(self._recent)]

    def keep(self, numbers: Collection[int]) -> None:
        """Forget all revisions but these: what can be restored must not depend on what is still in memory."""
        self._recent = {number: recent for number, recent in self._recent.items() if number in numbers}

    def forget(self) -> None:
        """Forget all revisions: the database has others under their numbers."""
        self._recent.clear()

    def revision(self, number: int) -> Revision:
        """Return a committed revision. GatewayProblem 404 if it does not exist."""
        revision = self._store.revision(number)
        if revision is None:
            last = self._store.last_number()
            hint = f"they go from 1 to {last}" if last else "none has been committed yet"
            if 0 < number < last:
                hint = (
                    "old ones are deleted (--keep-revisions, --keep-days); GET /v1/revisions lists those that are left"
                )
            raise GatewayProblem(404, f"there is no revision {number}", code="unknown_revision", hint=hint)
        if self._library is not None:
            return replace(revision, document=self._library.complete_document(revision.document))
        return revision

    def differing_parts(self, start: int, number: int) -> tuple[Configuration, Configuration]:
        """Return what two committed revisions do not have in common, of each; revision 0 is the empty configuration.

        GatewayProblem 404 if one does not exist.
        """
        for revision in (number, start):
            if revision and not self._store.has_revision(revision):
                self.revision(revision)
        documents: Iterable[Mapping[str, object]] = self._store.differing_documents(start, number)
        if self._library is not None:
            documents = map(self._library.complete_document, documents)
        before, after = map(decode_configuration, documents)
        return before, after

    def undo_path(self, objective: str) -> UndoPath:
        """Return the way to the revision before the last change. GatewayProblem 409 when it is not stored any more."""
        path = find_undo_path(self._store.changes_of(objective))
        if path.is_pruned or (path.target and not self._store.has_revision(path.target)):
            message = f"what {objective} was before its last change is not stored any more"
            hint = "GET /v1/revisions lists the revisions that can be restored"
            raise GatewayProblem(409, message, code="nothing_before", hint=hint)
        return path

    def configuration(self, number: int) -> Configuration:
        """Return the configuration of a committed revision. GatewayProblem 404 if it does not exist."""
        return self._recent.get(number) or decode_configuration(self.revision(number).document)


Edit: TypeAlias = Callable[[Configuration], Configuration]
# The base of the first change: with the local shard declared, a first version can be added at once.
INITIAL_CONFIGURATION = Configuration(shards={"local": Shard(name="local", description="This process.")})
# Times that a change is made anew because another gateway was faster; each takes its turn in the database, so that
# somebody gets on with every one of them.
MAX_ATTEMPTS = 20
_log = logging.getLogger(__name__)


class ChangeOptions(TypedDict, total=False):
    """Who makes a change, why, and on which revision."""

    author: Required[str]
    reason: str
    expected: int | None
    """the revision that has to be current; None for any"""
    is_admin: bool
    audit: AuditEntry | None
    """the entry of the audit log, which gets the revision's number and is committed with it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan:
    """A change that was not made: what is wrong with it, and its differences from the current `revision`."""

    issues: list[Issue]
    differences: list[Difference]
    revision: int


class Publisher:
    """The only writer of revisions: every change of the routing goes through `change`, one at a time."""

    def __init__(
        self,
        store: GatewayStore,
        engine: PublishingEngine,
        clock: Callable[[], datetime] = utc_now,
        *,
        library: VersionLibrary | None = None,
        allowed_keys: AllowedReferences | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._library = library
        self._allowed_keys = allowed_keys or AllowedReferences()
        self._clock = clock
        self._lock = asyncio.Lock()
        self._published_callbacks: list[Callable[[], None]] = []
        self.stored = StoredRevisions(store, library)
        self._head = RevisionHead()
        self.current = compile_revision(INITIAL_CONFIGURATION, 0)

    @property
    def revision(self) -> int:
        """The number of the current revision; 0 before the first."""
        return self.current.table.revision

    def on_published(self, callback: Callable[[], None]) -> None:
        """Call `callback`, in the event loop, after each revision that decides from then on."""
        self._published_callbacks.append(callback)

    async def start(self) -> None:
        """Publish the last committed revision, if there is one, with the versions that can be loaded."""
        async with self._lock:
            head = await asyncio.to_thread(self._store.head)
            if head.number:
                await self._publish_stored(head)

    async def follow(self) -> None:
        """Publish the newest revision of a shared database, if another gateway has committed it.

        GatewayProblem 503 when the database cannot be read.
        """
        async with self._turn():
            await self._catch_up()

    async def _catch_up(self) -> None:
        if not self._store.is_shared:
            return
        head = await asyncio.to_thread(self._store.head)
        if head.number and head != self._head:
            await self._publish_stored(head)

    async def _publish_stored(self, head: RevisionHead) -> None:
        """Publish a revision of the database."""
        # Nothing waits for it. Compiled and checked now, the next request and the next change do not wait either.
        revision = await asyncio.to_thread(self._stored_revision, head)
        # Without the API nobody could mend what keeps a version from loading.
        await self._publish(revision, tolerates=lambda version: True)
        self._remember(head, revision.configuration)

    def _stored_revision(self, head: RevisionHead) -> CurrentRevision:
        """Return a revision of the database, compiled where it differs from the current one."""
        if self._library is not None and self._store.is_shared:
            self._library.refresh()
        current = self.current
        if 0 < self.revision < head.number and self._store.head(self.revision) == self._head:
            before, after = self.stored.differing_parts(self.revision, head.number)
            changes, checked = check_changes(current, replace_entities(current.configuration, before, after))
            return compile_changes(current, changes, checked, head.number)
        if self.revision:  # a backup was restored, or the revisions between are pruned
            _log.warning("revision %d of the database replaces %d as a whole", head.number, self.revision)
            self.stored.forget()
        configuration = self.stored.configuration(head.number)
        if has_local_versions(configuration):  # the helper starts while the configuration is compiled
            shared_factory.warm_up()
        return compile_revision(configuration, head.number)

    def _remember(self, head: RevisionHead, configuration: Configuration) -> None:
        self._head = head
        self.stored.remember(head.number, configuration)

    async def reload(self, ref: VersionRef) -> None:
        """Load a version that could not be loaded, from its stored content or from its source with the same content.

        The revision stays. GatewayProblem 404 if the version does not exist, 409 when its source has other content, 422
        when it cannot be loaded.
        """
        async with self._lock:
            revision = self.current
            configuration = revision.configuration
            version = configuration.versions.get(ref)
            if version is None:
                raise unknown_object("version", str(ref), map(str, configuration.versions))
            if self._library is not None:
                loop = asyncio.get_running_loop()
                reclaimed = await loop.run_in_executor(self._library.executor, self._library.reclaim, version)
                if reclaimed != version:
                    configuration = replace(configuration, versions={**configuration.versions, ref: reclaimed})
                    revision = await asyncio.to_thread(compile_revision, configuration, self.revision)
            await self._publish(revision, tolerates=lambda other: other != ref)

    async def change_versions(self, edit: Edit, **options: Unpack[ChangeOptions]) -> Revision:
        """Publish an edit that may add versions, as `change` does. It may be applied twice.

        The versions are copied and loaded before the change takes its turn: no other change waits for a large or slow
        one, or for the server of its archive.
        """
        library = self._library
        # `change` refuses an outdated one.
        if library is None or options.get("expected") not in (None, self.revision):
            return await self.change(edit, **options)
        pins = library.pin()
        preloaded: PreparedRunners | None = None
        try:
            before = self.current.configuration
            after = await asyncio.to_thread(self._check_edit, edit, options.get("is_admin", False))
            if after is not None:
                executor = library.executor if library.new_sources(after, before) else None
                loop = asyncio.get_running_loop()
                with self._as_refusals():
                    registered = await loop.run_in_executor(executor, library.register, after, before, pins)
                new = [ref for ref, version in registered.versions.items() if version != before.versions.get(ref)]
                with self._as_problems():
                    preloaded = await self._engine.preload(registered, new)
            return await self.change(edit, pins=pins, **options)
        finally:
            if preloaded is not None:
                await self._engine.release(preloaded)
            await asyncio.to_thread(library.release, pins)

    def _check_edit(self, edit: Edit, is_admin: bool) -> Configuration | None:
        """Return the configuration after an edit; None when `change` will refuse it, or when no version differs."""
        current = self.current
        try:
            after = edit(current.configuration)
            check_key_changes(current.configuration, after, self._allowed_keys, is_admin=is_admin)
        except GatewayProblem:
            return None
        if after.versions == current.configuration.versions and after.shards == current.configuration.shards:
            return None
        changes, checked = check_changes(current, after)
        return None if checked.has_errors else changes.after

    async def change(
        self, edit: Edit, *, restores: int = 0, pins: ContentPins | None = None, **options: Unpack[ChangeOptions]
    ) -> Revision:
        """Publish the result of `edit` and return its revision, or the current one when nothing changes.

        GatewayProblem 403 when only an admin may make it, 412 when `expected` is no longer current, 422 when the result
        is invalid or cannot be loaded, 503 when it cannot be stored; then the previous revision still serves. A
        revision decides no request before it is committed, and every new request once this returns. `pins` name content
        of new versions that is stored already.
        """
        expected, audit = options.get("expected"), options.get("audit")
        async with self._turn():
            for _ in range(MAX_ATTEMPTS):
                await self._catch_up()
                if expected is not None and expected != self.revision:
                    raise self._outdated(expected)
                # In a thread: a change of many entities takes long, and requests are served meanwhile.
                candidate = await asyncio.to_thread(self._apply_edit, edit, options.get("is_admin", False), pins)
                if candidate is None:
                    if audit is not None:
                        entry = numbered_entry(audit, self.revision)
                        await asyncio.to_thread(self._store.add_audit_entry, entry)
                    return await asyncio.to_thread(self.stored.revision, self.revision)
                revision = Revision(
                    number=self.revision + 1,
                    at=format_time(self._clock()),
                    who=options["author"],
                    why=options.get("reason", ""),
                    summary=summarize(candidate.differences),
                    objectives=affected_objectives(candidate.differences),
                    restores=restores,
                )
                try:
                    await self._publish_candidate(candidate, revision, audit)
                except StaleRevisionError as error:
                    if not self._store.is_shared:
                        raise self._not_kept(error) from error
                    continue
                return revision
        hint = self._unchanged_hint()
        raise GatewayProblem(503, "other gateways commit all the time", code="not_kept", hint=hint)

    async def _publish_candidate(
        self, candidate: RevisionCandidate, revision: Revision, audit: AuditEntry | None
    ) -> None:
        """Load, commit and serve a change. StaleRevisionError when another gateway was faster."""
        before, after = self.current.configuration, candidate.revision.configuration
        digests = self._library.new_digests(after) if self._library else ()
        await self._publish(
            candidate.revision,
            lambda: self._commit(revision, candidate.items, digests, audit),
            version_tolerance(before, after, is_rollback=revision.restores > 0),
        )
        if self._library is not None:
            self._library.bind(digests)
        self._remember(RevisionHead(number=revision.number, at=revision.at), after)

    def _outdated(self, expected: int) -> GatewayProblem:
        """Return the 412 for a change whose revision is no longer current."""
        return GatewayProblem(
            412,
            f"revision {expected} is not current any more: {self.revision} is",
            code="outdated",
            hint=f"see what changed with GET /v1/revisions/{self.revision}/changes?from={expected}, and repeat",
        )

    async def prune(self, policy: RetentionPolicy) -> int:
        """Delete the revisions that the policy does not keep; return their number.

        The current revision stays, and those that an undo or an active canary needs.
        """
        async with self._lock:
            configuration = self.current.configuration
            count = await asyncio.to_thread(prune_revisions, self._store, configuration, policy, self._clock())
            if count:  # what can be restored must not depend on what is still in memory
                self.stored.keep(await asyncio.to_thread(self._store.revision_numbers))
            return count

    async def roll_back(self, number: int, **options: Unpack[ChangeOptions]) -> Revision:
        """Publish the configuration of an old revision as a new one. GatewayProblem 404 for an unknown one."""
        configuration = await asyncio.to_thread(self.stored.configuration, number)
        options["reason"] = options.get("reason") or f"back to revision {number}"
        return await self.change(lambda _: configuration, restores=number, **options)

    async def undo(self, objective: str, **options: Unpack[ChangeOptions]) -> Revision:
        """Publish a revision that reverts the last change of one objective; a repetition reverts the change before.

        GatewayProblem 404 if the objective does not exist, 409 without an earlier change.
        """
        if objective not in self.current.configuration.objectives:
            raise unknown_object("objective", objective, self.current.configuration.objectives)
        path = await asyncio.to_thread(self.stored.undo_path, objective)
        target = path.target
        old = await asyncio.to_thread(self.stored.configuration, target) if target else Configuration()
        if objective not in old.objectives:
            raise GatewayProblem(409, f"{objective} has not been changed since it was made", code="nothing_before")
        options["reason"] = options.get("reason") or f"{objective} back to revision {target}"
        return await self.change(lambda current: restore_objective(current, old, objective), restores=target, **options)

    def check_configuration(self, configuration: Configuration) -> list[Issue]:
        """Return all faults of a configuration, the most severe first."""
        return sorted(validate_configuration(configuration), key=lambda issue: list(Level).index(issue.level))

    def plan(self, edit: Edit, *, is_admin: bool = False) -> ChangePlan:
        """Return what `change` would do with an edit, without doing it."""
        current = self.current
        try:
            after = edit(current.configuration)
        except GatewayProblem as problem:
            return ChangePlan(issues=list(problem.issues), differences=[], revision=current.table.revision)
        # The steps of a change itself, so that a plan cannot differ from it.
        changes, checked = check_changes(current, after)
        issues = sorted(checked.issues(), key=lambda issue: list(Level).index(issue.level))
        if not checked.has_errors:
            try:
                check_key_changes(current.configuration, changes.after, self._allowed_keys, is_admin=is_admin)
                changes, _ = self._register(current, changes, checked, stores=False)
            except GatewayProblem as problem:  # of a key, or a version whose content cannot be registered
                issues = [Issue.error(problem.path, problem.message, problem.hint, problem.code), *issues]
        return ChangePlan(issues=issues, differences=differences_of(changes), revision=current.table.revision)

    def _register(
        self,
        current: CurrentRevision,
        changes: ConfigurationChanges,
        checked: CheckedConfiguration,
        pins: ContentPins | None = None,
        *,
        stores: bool = True,
    ) -> tuple[ConfigurationChanges, CheckedConfiguration]:
        """Return a checked change with the digests of its new versions, whose content is stored where `stores`.

        GatewayProblem 409 when a version has other content already, 422 when its source cannot be copied.
        """
        if self._library is None:
            return changes, checked
        registered = self._library.register(changes.after, current.configuration, pins, stores=stores)
        return (changes, checked) if registered is changes.after else check_changes(current, registered)

    def _apply_edit(self, edit: Edit, is_admin: bool, pins: ContentPins | None) -> RevisionCandidate | None:
        """Return the change that an edit makes, checked and compiled where it differs from the current configuration.

        None when nothing differs. GatewayProblem 422 when the result is invalid.
        """
        current = self.current
        changes, checked = check_changes(current, edit(current.configuration))
        if checked.has_errors:
            raise unprocessable(checked.issues(), code="invalid_configuration", hint=self._unchanged_hint())
        check_key_changes(current.configuration, changes.after, self._allowed_keys, is_admin=is_admin)
        changes, checked = self._register(current, changes, checked, pins)
        differences = differences_of(changes)
        if not differences and self.revision:
            return None
        # The store has nothing yet of the configuration that a gateway begins with.
        items = differences if self.revision else diff(Configuration(), changes.after)
        return RevisionCandidate(
            revision=compile_changes(current, changes, checked, self.revision + 1),
            differences=differences,
            items=[item_change(difference) for difference in items],
        )

    async def _commit(
        self,
        revision: Revision,
        items: list[ItemChange],
        digests: Sequence[VersionDigest],
        audit: AuditEntry | None,
    ) -> None:
        entry = numbered_entry(audit, revision.number) if audit is not None else None
        try:
            await asyncio.to_thread(self._store.add_revision, revision, items, digests, entry)
        except StaleRevisionError:
            raise
        except CommitUnknownError as error:
            raise GatewayProblem(503, error.message, code="outcome_unknown", hint=error.hint) from error
        except NlapiError as error:
            raise self._not_kept(error) from error

    def _not_kept(self, error: NlapiError) -> GatewayProblem:
        """Return the 503 for a change that the database did not take."""
        return GatewayProblem(503, error.message, code="not_kept", hint=self._unchanged_hint())

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Let the `async with` block take its turn among the changes."""
        async with self._lock:
            with self._as_refusals():
                yield

    @contextmanager
    def _as_refusals(self) -> Iterator[None]:
        """Raise errors of the store as GatewayProblem 503."""
        try:
            yield
        except StoreError as error:
            raise self._not_kept(error) from error

    def _unchanged_hint(self) -> str:
        return f"nothing was changed; revision {self.revision} is still served"

    async def _publish(
        self, revision: CurrentRevision, commit: Commit | None = None, tolerates: Tolerance = tolerate_none
    ) -> None:
        table = revision.table
        with self._as_problems():
            await self._engine.publish(table, table.configuration, commit, tolerates)
        self.current = revision
        for callback in self._published_callbacks:
            callback()

    @contextmanager
    def _as_problems(self) -> Iterator[None]:
        """Raise what keeps versions from loading as GatewayProblem 422."""
        try:
            yield
        except (GatewayProblem, StoreError):
            raise
        except (NlapiError, ValueError) as error:
            hint = getattr(error, "hint", "") or self._unchanged_hint()
            message = getattr(error, "message", str(error))
            raise GatewayProblem(422, message, code="not_loaded", hint=hint) from error
