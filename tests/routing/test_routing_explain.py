"""Why a request gets its version, in sentences."""

from __future__ import annotations

from nlapi.routing.explain import Explanation, StepStatus
from nlapi.routing.table import compile_table
from tests.routing.kit import example

TABLE = compile_table(example(), 5)


def texts(explanation: Explanation) -> list[str]:
    return [step.text for step in explanation.steps]


def test_each_step_is_told_in_order_with_why_it_did_not_match() -> None:
    explanation = TABLE.explain("continue-watching", {"country": "BR", "device": "tv", "user": "u1", "hour": 20})
    assert texts(explanation) == [
        "override lab did not match: client is absent, where it wants client is lab",
        "override tester did not match: user is u1, where it wants user is qa-1",
        "rule kids did not match: kids is absent, where it wants kids is true",
        "rule tv-brazil matched: country is BR, device is tv; user u1 is in bucket 9888, the 10 % of ranker@v8",
        "rule lusophone was not reached",
        "rule night was not reached",
    ]
    assert [step.status for step in explanation.steps] == [
        *[StepStatus.PASSED] * 3,
        StepStatus.DECIDED,
        *[StepStatus.NOT_REACHED] * 2,
    ]
    assert str(explanation).splitlines()[3:] == [
        "-> rule tv-brazil matched: country is BR, device is tv; user u1 is in bucket 9888, the 10 % of ranker@v8",
        "   2 more were not reached",
        "= ranker@v8 on shard local, revision 5",
    ]


def test_what_a_match_leaves_out_and_its_ranges_are_told() -> None:
    steps = texts(TABLE.explain("continue-watching", {"device": "web", "hour": 3, "kids": False}))
    assert steps[-2] == "rule night did not match: device is web, which it leaves out"
    assert steps[-1] == "no override, experiment or rule decided: the objective's default, ranker@v7"
    late = texts(TABLE.explain("continue-watching", {"hour": 7}))
    assert late[-2] == "rule night did not match: hour is 7, where it wants hour is at least 0 and below 6"


def test_layers_and_cells_are_told_by_bucket() -> None:
    told = {user: texts(TABLE.explain("home", {"user": user})) for user in ("u1", "u2", "u3", "u4", "u5", "u6")}
    lines = [line for those in told.values() for line in those]
    assert any("is not in its part of layer rows" in line for line in lines)
    assert any("cell control (rows@v1, 50 %)" in line for line in lines)
    assert texts(TABLE.explain("home", {}))[0] == "experiment order gives no cell: there is no user in the context"


def test_a_canary_tells_whom_it_moves_and_whom_it_leaves() -> None:
    def canary(**context: object) -> str:
        return texts(TABLE.explain("payment-fraud", context))[-1]  # type: ignore[arg-type]

    assert canary(method="wallet", account="a6") == "canary wallets moved its 20 % from fraud@v1 to fraud@v2"
    assert canary(method="wallet", account="a1").startswith("canary wallets leaves this account: bucket ")
    assert canary(method="wallet").endswith("there is no account in the context")
    assert canary(method="wallet", amount=2000.0) == "canary wallets moves fraud@v1, not fraud@strict"
    assert canary(method="card") == "canary wallets did not match: method is card, where it wants method is wallet"


def test_shadows_are_told_with_their_share() -> None:
    assert texts(TABLE.explain("home", {"country": "US"}))[-1] == (
        "shadow next: rows@v3 gets a copy of 50 % of such requests"
    )
    assert texts(TABLE.explain("home", {}))[-1].startswith("shadow next did not match: country is absent")


def test_the_client_is_part_of_what_is_explained() -> None:
    explanation = TABLE.explain("continue-watching", {"country": "BR"}, "lab")
    assert explanation.decision.override == "lab"
    assert texts(explanation)[0] == "override lab: client is lab: ranker@v6"
    assert explanation.context == {"country": "BR", "client": "lab"}
