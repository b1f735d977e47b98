"""What `nlapi.testing` gives to other people's tests: a model by a script, and an API as it answered once."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

import nlapi
from nlapi.testing import RecordedApi, ScriptedModel, say, tool_answer, use
from tests.describe import parameter, spec
from tests.servers import Echo, Received, Reply
from tests.tables import table

ANY = {"200": {"description": "any", "content": {"application/json": {"schema": {}}}}}
PATHS = {
    "/things": {
        "get": {"operationId": "listThings", "parameters": [parameter("page")], "responses": ANY},
        "post": {"operationId": "createThing", "responses": ANY, "requestBody": {"content": {"application/json": {
            "schema": {"type": "object", "properties": {"name": {"type": "string"}}}}}}},
    }
}  # fmt: skip
SCHEMES = {"key": {"type": "apiKey", "in": "query", "name": "api_key"}, "bearer": {"type": "http", "scheme": "bearer"}}


def described(url: str, scheme: str) -> nlapi.Spec:
    components = {"securitySchemes": {scheme: SCHEMES[scheme]}}
    return spec(PATHS, servers=[{"url": url}], components=components, security=[{scheme: []}])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_api_is_recorded_once_and_then_nothing_is_sent(scheme: str, tmp_path: Path) -> None:
    file = tmp_path / "things.json"
    answers: list[Any] = []

    def api(request: Received) -> Reply:
        sent = f"{request.target} {request.header('authorization')}"
        link = {"Link": f'<{upstream.url}/things?page=2>; rel="next"', "Set-Cookie": "session=s3cr3t-cookie"}
        return Reply(200, {"count": len(upstream.received), "next": f"{upstream.url}/things?page=2", "you": sent}, link)

    with Echo(api) as upstream:
        things = described(upstream.url, scheme)
        for _ in range(2):
            with RecordedApi(things, file) as recorded:
                auth = {scheme: "token-4711-x"}
                calls: list[tuple[str, dict[str, Any]]] = [
                    ("listThings", {}), ("listThings", {}), ("createThing", {"name": "a token-4711-x"}),
                ]  # fmt: skip
                results = [nlapi.call(things, *call, base_url=recorded.url, auth=auth, yes=True) for call in calls]
                assert results[0].data["next"] == f"{recorded.url}/things?page=2" in (results[0].header("link") or "")
                answers.append([result.data["count"] for result in results])
        assert len(upstream.received) == 3
        with RecordedApi(things, file) as recorded:
            other = nlapi.call(things, "listThings", {"page": "3"}, base_url=recorded.url, auth=auth)
            assert (other.status, recorded.missing) == (501, ["GET /things?page=3"])
    assert answers == [[1, 2, 3]] * 2
    assert not re.search("4711|s3cr3t", file.read_text())


def test_a_recording_that_breaks_off_is_not_written_and_an_api_without_a_server_is_said(tmp_path: Path) -> None:
    with Echo(Reply(200, {})) as upstream:
        things = spec(PATHS, servers=[{"url": upstream.url}])
        with pytest.raises(RuntimeError), RecordedApi(things, tmp_path / "x.json") as api:
            httpx2.get(f"{api.url}/things")
            raise RuntimeError("the test failed")
    assert not (tmp_path / "x.json").exists()
    with pytest.raises(nlapi.UsageError, match="names no server to record"):
        RecordedApi(spec(PATHS, servers=[{"url": "/v1"}]), tmp_path / "x.json")


MESSAGE = {"role": "user", "content": "Which?"}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "two"}]}


@table(
    ("path", "first", "name", "second", "text"),
    [
        ("/v1/messages", {"messages": [MESSAGE]}, ["content", 0, "name"],
         {"messages": [{"role": "user", "content": [{**RESULT, "content": "two"}]}]}, ["content", 0, "text"]),
        ("/v1/chat/completions", {"messages": [MESSAGE]},
         ["choices", 0, "message", "tool_calls", 0, "function", "name"],
         {"messages": [{"role": "tool", "content": "two"}]}, ["choices", 0, "message", "content"]),
        ("/v1/responses", {"input": [MESSAGE]}, ["output", 0, "name"],
         {"input": [{"type": "function_call_output", "output": "two"}]}, ["output", 0, "content", 0, "text"]),
        ("/v1beta/models/m:generateContent", {"contents": []}, ["candidates", 0, "content", "parts", 0, "functionCall",
         "name"], {"contents": [{"parts": [{"functionResponse": {"response": "two"}}]}]},
         ["candidates", 0, "content", "parts", 0, "text"]),
    ],
)  # fmt: skip
def test_a_model_takes_a_step_of_its_script_in_each_form(
    path: str, first: Any, name: list[Any], second: Any, text: list[Any]
) -> None:
    def end(request: dict[str, Any]) -> dict[str, Any]:
        return say(f"There are {tool_answer(request)}.")

    with ScriptedModel([use("find", {"words": "pets"}), end]) as model:
        answers = [httpx2.post(f"{model.url}{path}", json=body).json() for body in (first, second)]
        for answer, keys, expected in ((answers[0], name, "find"), (answers[1], text, "There are two.")):
            for key in keys:
                answer = answer[key]
            assert answer == expected
        beyond = httpx2.post(f"{model.url}{path}", json=first)
        streamed = httpx2.post(f"{model.url}{path}", json={**first, "stream": True})
        assert [beyond.status_code, streamed.status_code] == [400, 400]
        assert model.refused == ["the script has no step left", "answers are not streamed here"]
        assert len(model.requests) == 2


def test_the_program_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    page = (Path(__file__).parents[1] / "docs/agents.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "RecordedApi" in block)
    monkeypatch.chdir(tmp_path)
    texts = []
    for _ in range(2):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(code, {})
        texts.append(output.getvalue())
    assert texts[0] == texts[1] and texts[0].startswith('{"status":200')
    assert len(json.loads((tmp_path / "campaigns.json").read_text())["exchanges"]) == 1
