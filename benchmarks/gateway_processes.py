"""The processes that benchmarks.gateway_kills kills: a gateway, and the pruning of old revisions."""

from __future__ import annotations

import logging
from multiprocessing.connection import Connection
from pathlib import Path

from nlapi.gateway.http.description import load_description
from nlapi.gateway.store.store import GatewayStore
from nlapi.gateway.versions.artifacts import ArtifactStore
from nlapi.gateway.versions.library import VersionLibrary
from nlapi.gateway.versions.sources import SourceFinder

STORED_REVISIONS = 40
"""the newest revisions that pruning leaves"""

# Read once, before the processes are forked: it is a third of the CPU of a start.
load_description()


def serve_gateway(folder: Path, port: int, ready: Connection) -> None:
    """Run the gateway on the database and the models in a folder, as `nlapi gateway serve` does."""
    from nlapi.cli.gateway.run import GatewaySetup
    from nlapi.gateway.http.server import serve

    logging.disable(logging.CRITICAL)
    store = GatewayStore(folder / "gateway.db")
    store.database.claim()
    first = None if store.last_number() else folder / "configuration.json"
    app = GatewaySetup(config=first, models=folder / "models").build(store)
    try:
        serve(app, port=port, ready=ready.send)
    finally:
        ready.send(repr(app.failure))


def prune(folder: Path, started: Connection) -> None:
    """Delete all but the newest revisions, then the content that no revision has any more."""
    logging.disable(logging.CRITICAL)
    store = GatewayStore(folder / "gateway.db")
    artifacts = ArtifactStore.beside(store.path)
    library = VersionLibrary(store, artifacts, SourceFinder(folder / "models", artifacts))
    library.start()
    started.send("pruning")
    store.on_pruned(lambda remaining: library.prune())
    while store.prune(newest=STORED_REVISIONS, before="9999", protected=(), limit=10):
        pass
    started.send("pruned")
