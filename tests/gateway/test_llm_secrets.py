"""Keys are references: they stand in no revision, answer, log or error, and one that is not there is named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlapi.errors import UsageError
from nlapi.gateway.shards.secret_references import SecretReference
from tests.gateway.llm_gateway import ENVIRONMENT, KEY, document, gateway
from tests.gateway.llm_upstream import Upstream, upstream
from tests.tables import table

READS = ("/v1/configuration", "/v1/shards", "/v1/shards/llm", "/v1/revisions/1", "/v1/decisions", "/v1/audit",
         "/metrics", "/v1/revisions/1/changes")  # fmt: skip
BODY = {"input": {"messages": [{"role": "user", "content": "hello"}]}}


@pytest.fixture
def llm() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


def test_a_key_is_sent_and_never_shown(llm: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    configuration = document(llm.url, "writer", "status-400", "status-401", "status-500", "lies")
    configuration["shards"][1]["headers"] = {"OpenAI-Organization": "org-1", "X-Token": "env:ORGANIZATION_TOKEN"}
    shown: list[bytes] = []
    with gateway(tmp_path, configuration) as talk:
        for name in ("writer", "status-400", "status-401", "status-500", "lies"):
            for stream in (False, True):
                body = {"input": {**BODY["input"], "stream": stream}}
                shown.append(talk.as_("web")("POST", f"/v1/objectives/{name}/serve", body).content)
        assert llm.headers[0]["authorization"] == f"Bearer {KEY}"
        assert (llm.headers[0]["openai-organization"], llm.headers[0]["x-token"]) == ("org-1", "org-secret-token")
        shown += [talk("GET", path).content for path in READS]
        assert talk.ok("GET", "/v1/shards/llm")["key"] == "env:LLM_KEY"
    shown += [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    shown.append(caplog.text.encode())
    for secret in (KEY, "org-secret-token"):
        assert not any(secret.encode() in content for content in shown)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "sk-not-a-reference"},
        {"key": ["sk-not-a-reference"]},
        {"headers": {"Authorization": "sk-not-a-reference"}},
        {"headers": {"X-Api-Key": "sk-not-a-reference"}},
        {"headers": {"Host": "sk-not-a-reference"}},
        {"headers": {"X-Line": "sk-not-a-reference\r\nX-More: 1"}},
        {"headers": "sk-not-a-reference"},
    ],
)
def test_a_credential_in_place_of_a_reference_is_refused_and_not_repeated(
    llm: Upstream, tmp_path: Path, change: dict[str, Any]
) -> None:
    with gateway(tmp_path, document(llm.url, "writer")) as talk:
        refused = talk("PATCH", "/v1/shards/llm", change)
        assert refused.status == 422
        assert b"sk-not" not in refused.content
        assert b"sk-not" not in talk("GET", "/v1/audit").content


def test_a_key_that_is_not_there_refuses_the_revision(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url, "writer")) as talk:
        problem = talk.refused(422, "PATCH", "/v1/shards/llm", {"key": "env:NO_SUCH_VARIABLE"})
        assert "the variable NO_SUCH_VARIABLE is not set" in problem["detail"]
        assert talk.as_("web")("POST", "/v1/objectives/writer/serve", BODY).status == 200


def test_a_key_in_a_file_may_be_replaced(llm: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first-key\n", encoding="ascii")
    configuration = document(llm.url, "writer")
    configuration["shards"][1]["key"] = f"file:{file}"
    with gateway(tmp_path, configuration, keys=[f"file:{tmp_path}/"]) as talk:
        assert talk.as_("web")("POST", "/v1/objectives/writer/serve", BODY).status == 200
        (tmp_path / "next").write_text("second-key\n", encoding="ascii")
        (tmp_path / "next").replace(file)
        assert talk.as_("web")("POST", "/v1/objectives/writer/serve", BODY).status == 200
        assert [headers["authorization"] for headers in llm.headers] == ["Bearer first-key", "Bearer second-key"]
        file.unlink()
        problem = talk.as_("web").refused(502, "POST", "/v1/objectives/writer/serve", BODY)
        assert "its key cannot be read" in problem["detail"]
        assert str(tmp_path) not in str(problem)


@table("content", [b"", b"two\nlines", b"\xff\xfe", b"spaces in it", b"k" * 9000])
def test_a_file_that_is_no_key_is_not_sent(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="holds no key"):
        SecretReference(f"file:{file}", ENVIRONMENT).read()


def test_settings_of_llms_are_refused_elsewhere(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url, "writer")) as talk:
        problem = talk.refused(422, "PATCH", "/v1/models/rules/versions/v1", {"input_price": 1})
        assert "is not an LLM" in problem["detail"]
        shard = {"name": "plain", "key": "env:LLM_KEY"}
        assert "takes no key" in talk.refused(422, "POST", "/v1/shards", shard)["detail"]


def test_a_fallback_of_another_protocol_is_refused(llm: Upstream, tmp_path: Path) -> None:
    configuration = document(llm.url, "writer")
    configuration["shards"].append({"name": "claude", "protocol": "anthropic", "endpoints": [llm.url]})
    configuration["models"].append({"name": "claude"})
    configuration["versions"].append({"model": "claude", "version": "v1", "shard": "claude"})
    with gateway(tmp_path, configuration) as talk:
        change = {"fallback_model": "claude", "fallback_version": "v1"}
        problem = talk.refused(422, "PATCH", "/v1/objectives/writer", change)
        assert "cannot answer requests for openai" in problem["detail"]
