"""The idempotency key: which operations have one, and that it is that of the intention."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nlapi.api import build, load
from nlapi.tools.compile import compile_tool
from nlapi.tools.sending.run import Prepared, Target, prepare
from nlapi.tools.tool import Call
from tests.tables import table


def prepared(
    folder: Path, *, intention: str | None = "i", method: str = "post", arguments: Any = None, **key: Any
) -> Prepared:
    header = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}, **key}
    operation = {"operationId": "make", "parameters": [header], "responses": {"200": {"description": "made"}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "servers": [{"url": "http://127.0.0.1:9"}],
        "paths": {"/things": {method: operation}},
    }
    file = folder / "things.json"
    file.write_text(json.dumps(document))
    spec = load(str(file))
    call = Call(tool=compile_tool(spec.operation("make")), arguments=arguments or {})
    named = None if intention is None else lambda digest: f"{intention} {digest}"
    return prepare(call, Target(spec=spec), intention=named)


def key_of(one: Prepared) -> str | None:
    return one.request.header("idempotency-key")


def test_two_tries_of_one_intention_have_one_key_and_another_intention_another(tmp_path: Path) -> None:
    first, again, other = (key_of(prepared(tmp_path, intention=name)) for name in ("a", "a", "b"))
    assert first == again != other
    assert first and len(first) == 36


def test_it_is_no_argument_of_the_call(tmp_path: Path) -> None:
    one = prepared(tmp_path, required=True)
    assert key_of(one) and one.call.arguments == one.written.arguments == {}
    assert key_of(one) in one.curl


@table(
    ("schema", "length"),
    [({"type": "string", "maxLength": 32}, 32), ({"type": "string", "format": "uuid"}, 36), ({"type": "integer"}, 0)],
)
def test_it_fits_the_schema_or_is_left_out(tmp_path: Path, schema: dict[str, Any], length: int) -> None:
    assert len(key_of(prepared(tmp_path, schema=schema)) or "") == length


def test_the_users_own_stays_and_a_read_has_none(tmp_path: Path) -> None:
    assert key_of(prepared(tmp_path, arguments={"Idempotency-Key": "mine"})) == "mine"
    assert key_of(prepared(tmp_path, method="get")) is None


def test_without_an_intention_nothing_is_filled_in(tmp_path: Path) -> None:
    assert key_of(prepared(tmp_path, intention=None)) is None
    campaign = {"account_id": "acc_12345678", "name": "X", "objective": "TRAFFIC", "daily_budget_micros": "$50"}
    assert build(load("ads"), "createCampaign", campaign).header("idempotency-key") is None
