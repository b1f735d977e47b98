"""Reads committed revisions back as configurations, the most recent ones from memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from nlapi.gateway.codec import decode_configuration
from nlapi.gateway.problems import GatewayProblem
from nlapi.gateway.revision_history import UndoPath, find_undo_path
from nlapi.gateway.store import GatewayStore, Revision
from nlapi.gateway.version_library import VersionLibrary
from nlapi.routing.model import Configuration

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
        """Return a committed revision. GatewayProblem 404 when there is none of that number."""
        revision = self._store.revision(number)
        if revision is None:
            last = self._store.last_number()
            hint = f"they go from 1 to {last}" if last else "there is none yet"
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

        GatewayProblem 404 when there is none of a number.
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
        """Return the configuration of a committed revision. GatewayProblem 404 when there is none of that number."""
        return self._recent.get(number) or decode_configuration(self.revision(number).document)
