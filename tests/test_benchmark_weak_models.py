"""The harness for weak models counts what a model gets right, by a scripted one over a sandbox."""

from __future__ import annotations

from typing import Any

import nlapi
from benchmarks.weak_models import PARTS, ChatModel, parts_of
from nlapi.sandbox import running
from nlapi.testing import ScriptedModel, say, use
from tests.tables import table

CALL = {"operation": "listAccounts"}


@table(
    ("script", "right"),
    [
        ([use("find", {"words": "list accounts"}), use("describe", CALL), use("read", CALL), say("One.")], set(PARTS)),
        ([use("read", {"operation": "listAds"}), say("One.")], {"ended"}),
        ([use("listAccounts", "{}"), use("read", "{not JSON"), say(" ")], {"called", "accepted"}),
        ([use("read", {**CALL, "arguments": {"colour": "red"}}), say("I cannot.")], {"ended"}),
        ([use("find", {"words": "delete an ad"})] * 10, set()),
    ],
)
def test_what_a_model_gets_right_is_counted(script: list[Any], right: set[str]) -> None:
    ads = nlapi.load("ads")
    row = {"question": "what accounts do I have?", "operations": ["listAccounts"]}
    with running(ads) as server, ScriptedModel(script) as model:
        parts = parts_of(ChatModel(base_url=f"{model.url}/v1", name="any"), ads, server.url, row)
        assert (parts, model.refused) == (right, [])
