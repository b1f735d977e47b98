"""A gateway process that is killed at any moment has lost no revision that it told of."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from random import Random

import pytest

from nlapi.gateway.control.codec import decode_configuration
from nlapi.gateway.control.revision_compiler import validate_configuration
from nlapi.gateway.runner_registry import PreparedRunners
from nlapi.gateway.store.store import GatewayStore
from nlapi.routing.model import Configuration, VersionRef
from nlapi.routing.table import Table
from tests.gateway.kit import document
from tests.tables import table

ROOT = Path(__file__).parents[2]
WRITER = """
import asyncio, json, sys
from nlapi.gateway.control.codec import KINDS, decode_configuration
from nlapi.gateway.control.publisher import Publisher
from nlapi.gateway.store.store import GatewayStore
from nlapi.gateway.control.publisher import RetentionPolicy
from nlapi.routing.change import upsert_entity
from tests.gateway.test_gateway_kill import LoadedEngine

async def main(path, document):
    publisher = Publisher(GatewayStore(path), LoadedEngine())
    await publisher.start()
    if not publisher.revision:
        await publisher.change(lambda _: decode_configuration(document), author="test")
    rate = publisher.revision
    while True:
        rate += 1
        client = KINDS["client"].decode({"name": "web", "requests_per_second": rate})
        made = await publisher.change(lambda now: upsert_entity(now, client), author="test", reason=f"rate {rate}")
        print(made.number, rate, flush=True)
        await publisher.prune(RetentionPolicy(revisions=8, days=0))

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""


class LoadedEngine:
    """Every version is loaded already."""

    async def publish(
        self,
        table: Table,
        configuration: Configuration,
        commit: Callable[[], Awaitable[None]] | None = None,
        tolerates: object = None,
    ) -> None:
        if commit is not None:
            await commit()

    async def preload(self, configuration: Configuration, refs: Collection[VersionRef]) -> PreparedRunners:
        return PreparedRunners(clusters={})

    async def release(self, preloaded: PreparedRunners) -> None:
        pass


@table("seed", range(4))
@pytest.mark.slow
def test_the_last_committed_revision_is_in_the_store(tmp_path: Path, seed: int) -> None:
    path, told = tmp_path / "gateway.db", (1, 0.0)
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(path), json.dumps(document())]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(Random(seed).randint(1, 40)):
                number, rate = process.stdout.readline().split()
                told = (int(number), float(rate))
            process.send_signal(signal.SIGKILL)
            for line in process.stdout:  # what it told between the last look and its end
                if line.endswith("\n"):
                    told = (int(line.split()[0]), float(line.split()[1]))
        store = GatewayStore(path)
        last = store.last_number()
        assert last in (told[0], told[0] + 1)  # one more may have been committed and not told any more
        for number in range(max(1, last - 5), last + 1):
            kept = store.revision(number)
            assert kept is not None
            assert not [
                one for one in validate_configuration(decode_configuration(kept.document)) if one.level == "error"
            ]
        # Pruned after each change, of which a kill leaves all or nothing: every revision that is left is whole.
        for row in store.revisions(limit=100).rows[:-1]:
            kept = store.revision(row.number)
            assert kept is not None
            assert kept.document["clients"][0]["requests_per_second"] == row.number
        kept = store.revision(told[0])
        assert kept is not None
        assert kept.document["clients"][0]["requests_per_second"] == told[1]
        store.close()
