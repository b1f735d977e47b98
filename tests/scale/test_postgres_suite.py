"""The tests of the store, the revisions and the access of a gateway once more, with PostgreSQL as its database."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from nlapi.gateway.store.store import GatewayStore, open_store
from tests.gateway import kit
from tests.gateway.conftest import talk as talk
from tests.scale.postgres_server import PASSWORD, PostgresServer, postgres_server

MODULES = (
    "test_cost_policy",
    "test_engine_records",
    "test_gateway_access",
    "test_gateway_api",
    "test_gateway_apply",
    "test_gateway_canaries",
    "test_gateway_revisions",
    "test_llm_limits",
    "test_revision_pruning",
    "test_spending",
    "test_version_content",
)
# They look into the file of SQLite, or into the folder beside it.
FILE_ALONE = {
    "test_an_operation_is_for_its_audience_and_role_alone",  # 85 times the same reading of tokens
    "test_a_plan_stores_nothing",
    "test_a_revision_that_cannot_be_kept_decides_no_request",
    "test_an_expired_token_is_no_good",
    "test_no_secret_is_kept_logged_or_told",
    "test_what_is_pruned_changes_no_undo_and_no_revision_that_stays",
    "test_what_no_revision_uses_is_deleted",
    "test_what_waits_for_the_store_holds_up_nobody_who_is_served",  # nothing that is read waits for a writer here
}
for _name in MODULES:
    for _member, _value in vars(import_module(f"tests.gateway.{_name}")).items():
        is_test = _member.startswith("test_") and _member not in FILE_ALONE
        if is_test or isinstance(_value, type(talk)):  # or a fixture
            globals()[_member] = _value


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server(max_connections="200") as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def postgres_stores(server: PostgresServer) -> Iterator[None]:
    """Each folder of a test has a schema of its own."""

    def open_schema(folder: Path) -> GatewayStore:
        schema = f"s{sha256(str(folder).encode()).hexdigest()[:16]}"
        with psycopg.connect(server.url, password=PASSWORD, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        url = f"{server.url}?options=-csearch_path%3D{schema}"
        return open_store(url, password="env:PASSWORD", environment={"PASSWORD": PASSWORD})

    kit.STORES.append(open_schema)
    yield
    kit.STORES.pop()
