"""Keys go where an admin sends them, and only those keys that the gateway was started with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlapi.cli.gateway.state import configured_references
from nlapi.errors import UsageError
from nlapi.gateway.shards.secret_references import AllowedReferences
from tests.gateway.llm_gateway import document, gateway
from tests.gateway.llm_upstream import Upstream, upstream

BODY = {"input": {"messages": [{"role": "user", "content": "hello"}]}}
SERVE = ("POST", "/v1/objectives/writer/serve", BODY)
ELSEWHERE = ["http://127.0.0.1:9/v1"]


@pytest.fixture
def llm() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


@pytest.mark.parametrize(
    "change",
    [
        {"endpoints": ELSEWHERE},
        {"key": "env:ORGANIZATION_TOKEN"},
        {"key": ""},
        {"headers": {"X-Token": "env:ORGANIZATION_TOKEN"}},
        {"ca": "file:/run/secrets/ca.pem"},
        {"certificate": "file:/run/secrets/gateway.pem"},
        {"protocol": "anthropic"},
    ],
)
def test_an_operator_cannot_send_a_key_elsewhere(llm: Upstream, tmp_path: Path, change: dict[str, Any]) -> None:
    whole = document(llm.url, "writer")
    with gateway(tmp_path, whole) as talk:
        operator = talk.as_("operator")
        problem = operator.refused(403, "PATCH", "/v1/shards/llm", change)
        assert "only an admin" in problem["detail"]
        whole["shards"][1] |= change
        operator.refused(403, "PUT", "/v1/configuration", whole)
        checked = operator.ok("POST", "/v1/configuration/check", whole)
        assert "only an admin" in checked["issues"][0]["message"]
        shard = {"name": "mine", "protocol": "openai", "endpoints": ELSEWHERE, "key": "env:LLM_KEY"}
        operator.refused(403, "POST", "/v1/shards", shard)
        # What sends no key is theirs to change.
        operator.ok("PATCH", "/v1/shards/llm", {"description": "The upstream.", "concurrency": 7})
        operator.ok("POST", "/v1/shards", {**shard, "key": ""})
        assert talk.as_("web")(*SERVE).status == 200


def test_an_operator_cannot_go_back_to_another_address_of_a_key(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(ELSEWHERE[0], "writer")) as talk:
        talk.ok("PATCH", "/v1/shards/llm", {"endpoints": [f"{llm.url}/v1"]})
        talk.as_("operator").refused(403, "POST", "/v1/revisions/1/rollback")
        assert talk.as_("web")(*SERVE).status == 200
        talk.ok("POST", "/v1/revisions/1/rollback")


def test_a_key_that_is_not_allowed_is_refused_with_the_option(llm: Upstream, tmp_path: Path) -> None:
    (tmp_path / "admin-token").write_text("nlg_secret", encoding="ascii")
    with gateway(tmp_path, document(llm.url, "writer"), keys=["env:LLM_KEY"]) as talk:
        for reference in ("env:ORGANIZATION_TOKEN", f"file:{tmp_path}/admin-token", "env:LLM_KEY_2"):
            for change in ({"key": reference}, {"headers": {"X-More": reference}}):
                problem = talk.refused(422, "PATCH", "/v1/shards/llm", change)
                assert problem["hint"] == f"start the gateway with `--allow-key {reference}`"
        assert talk.as_("web")(*SERVE).status == 200
        assert llm.headers[-1]["authorization"] == "Bearer sk-upstream-secret"


def test_a_gateway_starts_without_a_key_that_is_not_allowed_any_more(llm: Upstream, tmp_path: Path) -> None:
    whole = document(llm.url, "writer")
    with gateway(tmp_path, whole):
        pass
    with gateway(tmp_path, whole, keys=()) as talk:
        assert talk.ok("GET", "/health")["status"] == "degraded"
        version = talk.ok("GET", "/v1/models/writer/versions/v1")
        assert "env:LLM_KEY is not allowed" in version["problem"]
        assert talk.as_("web")(*SERVE).status == 503
        assert not llm.requests
        talk.ok("PATCH", "/v1/objectives/rules", {"description": "It can still be changed."})


def test_what_is_allowed_is_a_reference_or_a_folder() -> None:
    allowed = AllowedReferences(["env:KEY", "file:/keys/a", "file:/run/secrets/"])
    yes = ("env:KEY", "file:/keys/a", "file:/run/secrets/openai", "file:/run/secrets/a/b")
    no = ("env:KEY2", "env:", "file:/keys/ab", "file:/keys", "file:/run/secrets/../token", "file:/run/secrets2")
    assert [allowed.allows(reference) for reference in (*yes, *no)] == [True] * len(yes) + [False] * len(no)
    assert not AllowedReferences().allows("env:KEY")
    with pytest.raises(UsageError, match="not a reference"):
        AllowedReferences(["sk-secret"])


def test_the_file_of_the_configuration_allows_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("shards: [{name: a, key: env:A, headers: {X-B: 'file:/b', X-C: plain}}, 7, {key: 8}]\n")
    assert configured_references(file, None) == ["env:A", "file:/b"]
    file.write_text("shards: [{key: env:A\n")
    assert configured_references(file, None) == []  # a gateway with revisions starts all the same
    assert configured_references(tmp_path / "none.json", None) == []
    assert configured_references(None, None) == []
