"""Old revisions go, and nothing that stays, that an undo needs or that a canary needs goes with them."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nlapi.gateway.control.access import Audience, Role
from nlapi.gateway.control.codec import KINDS, decode_configuration
from nlapi.gateway.control.publisher import GATEWAY_AUTHOR, Publisher, RetentionPolicy
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.http.server import run_in_thread
from nlapi.gateway.store.store import GatewayStore
from nlapi.routing.change import remove_entity, upsert_entity
from nlapi.routing.model import Configuration
from tests.gateway.kit import Talk, document, open_store, write_models
from tests.gateway.test_gateway_kill import LoadedEngine
from tests.gateway.versions import PATIENCE_S
from tests.tables import table

ALL_GONE = RetentionPolicy(revisions=1, days=0)
OBJECTIVES = ("continue-watching", "payment-fraud")


class Minutes:
    """A clock that goes on by a minute at each look."""

    def __init__(self, day: int = 1) -> None:
        self.now = datetime(2026, 1, day, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


def put(kind: str, data: dict[str, Any]) -> Callable[[Configuration], Configuration]:
    return lambda configuration: upsert_entity(configuration, KINDS[kind].decode(data))


def rule(objective: str, number: int, percent: int) -> Callable[[Configuration], Configuration]:
    """An edit that puts a rule; a new percentage is a change."""
    model = "ranker" if objective == "continue-watching" else "fraud"
    versions = {"ranker": ("v7", "v8"), "fraud": ("v1", "v2")}[model]
    shares = [
        {"model": model, "version": version, "percent": part}
        for version, part in zip(versions, (percent, 100 - percent), strict=True)
    ]
    when = {"country": [f"{chr(65 + number // 26)}{chr(65 + number % 26)}"]}
    data = {"name": f"{objective}-{number}", "objective": objective, "when": when, "position": number, "shares": shares}
    return put("rule", data)


async def opened(folder: Path, clock: Callable[[], datetime] | None = None) -> tuple[GatewayStore, Publisher]:
    store = open_store(folder)
    publisher = Publisher(store, LoadedEngine(), clock or Minutes())
    await publisher.start()
    if not publisher.revision:
        await publisher.change(lambda _: decode_configuration(document()), author="ana")
    return store, publisher


async def changed_at_random(publisher: Publisher, random: Random, count: int) -> None:
    """Changes of two objectives by people and by canaries, with rollbacks and undos between them."""
    for _ in range(count):
        objective = random.choice(OBJECTIVES)
        kind = random.random()
        author = GATEWAY_AUTHOR if kind < 0.15 else "ana"
        with suppress(GatewayProblem):  # nothing to undo
            if kind > 0.9:
                await publisher.roll_back(random.randint(1, publisher.revision), author="ana")
            elif kind > 0.75:
                await publisher.undo(objective, author="ana")
            else:
                edit = rule(objective, random.randrange(4), random.randrange(1, 99))
                await publisher.change(edit, author=author)


def documents(store: GatewayStore) -> dict[int, Any]:
    """The document of each stored revision."""
    found = {}
    for row in store.revisions(limit=1000).rows:
        revision = store.revision(row.number)
        assert revision is not None
        found[row.number] = revision.document
    return found


@table("seed", range(10))
def test_what_is_pruned_changes_no_undo_and_no_revision_that_stays(tmp_path: Path, seed: int) -> None:
    async def run() -> None:
        random = Random(seed)
        store, publisher = await opened(tmp_path)
        await changed_at_random(publisher, random, 40)
        await publisher.prune(RetentionPolicy(revisions=random.randint(10, 20), days=0))
        await changed_at_random(publisher, random, 20)
        before, last = documents(store), publisher.revision
        store.close()
        for objective in OBJECTIVES:
            copies = [tmp_path / f"{objective}-{name}" for name in ("pruned", "whole")]
            for folder in copies:
                folder.mkdir()
                shutil.copy(tmp_path / "gateway.db", folder)
            pruned_store, pruned = await opened(copies[0], Minutes(day=2))
            whole_store, whole = await opened(copies[1], Minutes(day=2))
            assert await pruned.prune(ALL_GONE) > 10
            remaining = documents(pruned_store)
            assert last in remaining
            assert remaining == {number: before[number] for number in remaining}
            results = []
            for store, publisher in ((pruned_store, pruned), (whole_store, whole)):
                try:
                    revision = await publisher.undo(objective, author="ana")
                    results.append((revision.restores, publisher.current.configuration))
                except GatewayProblem as problem:
                    results.append((problem.code, None))
                store.close()
            assert results[0] == results[1]

    asyncio.run(run())


def test_revisions_stay_by_number_and_by_age(tmp_path: Path) -> None:
    async def run() -> None:
        clock = Minutes()
        store, publisher = await opened(tmp_path, clock)
        for percent in range(1, 31):
            await publisher.change(rule("continue-watching", 1, percent), author="ana")
        minute = 1 / 24 / 60
        assert await publisher.prune(RetentionPolicy(revisions=1, days=1)) == 0
        assert await publisher.prune(RetentionPolicy(revisions=100, days=0)) == 0
        await publisher.prune(RetentionPolicy(revisions=1, days=20 * minute))
        assert min(documents(store)) > 5
        await publisher.prune(RetentionPolicy(revisions=5, days=0))
        assert sorted(documents(store)) == [27, 28, 29, 30, 31]
        with pytest.raises(GatewayProblem) as raised:
            publisher.stored.revision(3)
        assert (raised.value.status, "--keep-revisions" in raised.value.hint) == (404, True)
        with pytest.raises(GatewayProblem):
            await publisher.roll_back(3, author="ana")
        store.close()

    asyncio.run(run())


def test_an_undo_never_skips_a_change_that_is_gone(tmp_path: Path) -> None:
    async def run() -> None:
        store, publisher = await opened(tmp_path)
        for percent in range(1, 11):
            await publisher.change(rule("continue-watching", 1, percent), author="ana")
        await publisher.prune(ALL_GONE)
        undone = await publisher.undo("continue-watching", author="ana")
        assert undone.restores == 10
        with pytest.raises(GatewayProblem) as raised:
            await publisher.undo("continue-watching", author="ana")
        assert (raised.value.status, raised.value.code) == (409, "nothing_before")
        store.close()

    asyncio.run(run())


def test_the_revision_before_a_running_canary_stays(tmp_path: Path) -> None:
    async def run() -> None:
        store, publisher = await opened(tmp_path)
        canary = {"name": "c1", "objective": "continue-watching", "model": "ranker", "version": "v8", "percent": 5}
        started = await publisher.change(put("canary", canary), author="ana")
        for percent in range(6, 30):
            await publisher.change(put("canary", {**canary, "percent": percent}), author=GATEWAY_AUTHOR)
        for percent in range(1, 20):
            await publisher.change(rule("continue-watching", 1, percent), author="ana")
        await publisher.prune(ALL_GONE)
        assert {started.number - 1, started.number} <= set(documents(store))
        await publisher.change(lambda now: remove_entity(now, "canaries", "c1"), author="ana")
        await publisher.prune(ALL_GONE)
        assert started.number not in documents(store)
        store.close()

    asyncio.run(run())


def test_what_hangs_on_revisions_is_told_which_are_left(tmp_path: Path) -> None:
    async def run() -> None:
        store, publisher = await opened(tmp_path)
        remaining: list[frozenset[int]] = []
        store.on_pruned(remaining.append)
        version = {"model": "ranker", "version": "v10", "source": "ranker-v8"}
        await publisher.change(put("version", version), author="ana")
        await publisher.change(
            lambda now: remove_entity(now, "versions", KINDS["version"].decode(version).ref), author="ana"
        )
        assert any(body["version"] == "v10" for body in store.stored_bodies("versions"))
        for percent in range(1, 5):
            await publisher.change(rule("continue-watching", 1, percent), author="ana")
        await publisher.prune(ALL_GONE)
        assert remaining[-1] == frozenset(documents(store))
        assert not any(body["version"] == "v10" for body in store.stored_bodies("versions"))
        store.close()

    asyncio.run(run())


def test_a_large_change_and_its_way_back_are_stored_whole(tmp_path: Path) -> None:
    async def run() -> None:
        store, publisher = await opened(tmp_path)
        configuration = publisher.current.configuration
        for number in range(60):
            configuration = rule("continue-watching", number, 40)(configuration)
        await publisher.change(lambda _: configuration, author="ana")
        # The same document read anew has no object in common with the current one, and yet nothing changes.
        revision = store.revision(2)
        assert revision is not None
        same = await publisher.change(lambda _: decode_configuration(revision.document), author="ana")
        assert same.number == 2
        renamed = {name: replace(item, description="new") for name, item in configuration.rules.items()}
        await publisher.change(lambda now: replace(now, rules=renamed), author="ana")
        await publisher.roll_back(2, author="ana")
        assert publisher.current.configuration == configuration
        assert documents(store)[4] == documents(store)[2]
        assert documents(store)[3] != documents(store)[2]
        store.close()

    asyncio.run(run())


def test_a_gateway_prunes_by_itself(tmp_path: Path) -> None:
    async def fill() -> None:
        store, publisher = await opened(tmp_path)
        for percent in range(1, 31):
            await publisher.change(rule("continue-watching", 1, percent), author="ana")
        store.close()

    asyncio.run(fill())
    write_models(tmp_path / "models")
    store = open_store(tmp_path)
    pruned = threading.Event()
    store.on_pruned(lambda _: pruned.set())
    app = Gateway(store, Engine(models=tmp_path / "models"), retention=RetentionPolicy(revisions=5, days=0))
    with run_in_thread(app) as url:
        assert pruned.wait(PATIENCE_S)
        assert sorted(documents(store)) == [27, 28, 29, 30, 31]
        _, secret = app.access.create_token("ana", Audience.ADMIN, role=Role.ADMIN)
        talk = Talk(int(url.rpartition(":")[2]), secret)
        assert [row["revision"] for row in talk.ok("GET", "/v1/revisions")["data"]] == [31, 30, 29, 28, 27]
        talk.refused(404, "GET", "/v1/revisions/7")
        talk.refused(404, "GET", "/v1/revisions/27/changes")  # the one before it is gone
        changes = talk.ok("GET", "/v1/revisions/31/changes", **{"from": 27})["differences"]
        assert [row["where"] for row in changes] == ["rules.continue-watching-1"]
        assert talk.ok("POST", "/v1/revisions/28/rollback")["revision"] == 32
        whole = talk.ok("GET", "/v1/configuration")
        assert whole["revision"] == 32
        assert talk.ok("GET", "/v1/revisions/28")["configuration"] == {
            name: value for name, value in whole.items() if name != "revision"
        }
    store.close()
