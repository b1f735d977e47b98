"""A URL of a database that other users of the machine see holds no secret, and none is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlapi.errors import UsageError
from nlapi.gateway.store.store import open_store
from tests.tables import table

SECRET = "s3cret-of-nobody"


@table(
    ("url", "named"),
    [
        (f"postgresql://nlapi:{SECRET}@127.0.0.1:1/gateway", "password"),
        (f"postgres://nlapi@127.0.0.1:1/gateway?password={SECRET}", "password"),
        (f"postgresql://nlapi@127.0.0.1:1/gateway?sslkey=a.key&sslpassword={SECRET}", "sslpassword"),
        (f"postgresql://nlapi@127.0.0.1:1/gateway?scram_client_key={SECRET}", "scram_client_key"),
        (f"postgresql://nlapi@127.0.0.1:1/gateway?oauth_client_secret={SECRET}", "oauth_client_secret"),
    ],
)
def test_a_secret_in_the_url_of_a_database_is_refused(url: str, named: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_store(url, environment={})
    text = f"{refused.value} {refused.value.hint}"
    assert named in text
    assert "which other users of the machine see" in text
    assert SECRET not in text


@table("scheme", ["PostgreSQL", "mysql", "sqlite"])
def test_a_url_of_another_scheme_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"--database is a URL of {scheme}") as refused:
        open_store(f"{scheme}://nlapi:{SECRET}@127.0.0.1:1/gateway", environment={})
    assert SECRET not in f"{refused.value} {refused.value.hint}"
    assert not list(tmp_path.iterdir())
