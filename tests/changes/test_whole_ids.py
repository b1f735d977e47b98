"""An id or a name that stands between blanks or quotes is taken whole, or the change does not stand."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.changes.checks import reasons_against
from nlapi.openapi.spec import Spec
from tests.describe import parameter, spec
from tests.strategies import examples

SHAPES = """
DDD-aaaa DD-a DDDD-aaaa aaa-DDD aaa-aaa-DD a.a aaaa.aaaa aaa.aaa.aaa D.D-aaa D.D.D vD.D.D vD.D.D-aaaa.D DDa Daa DDaaa
DDD DDDDDDDDDD 00D 000DD aaa_aaa AAA_AAA AAA-DD AA-DDDD aaa:aaa aaa:DD a:b:DDD:aaa arn:aws:iam::DDDDDDDDDDDD:user/aaa
aaa/aaa aaa/aaa-D aaa/DD/aaa aaa@aaa.org aaa+aaa@aaa.co.uk aaa.example.com aaa.example.com. DD.example.net
DDDD-DD-DD-aaaa DDDDDDDD-aaaa-report DD-DD-DD aaa#DD AaAaDaAaD aaDDaaDDaaDD ii_DaAaDaAaDaAa sha256:aDaDaDaDaDaD
-DDDDDDDDD DDDk-aaa DDm DDgb Dx-aaa DD%aaa aaa~D aaa=D aaa,aaa DDDD-AAAA-DDDD
""".split()
"""D is a figure, a and A are letters: a number and a word, dots, colons, slashes, leading zeros, units, addresses."""
SENTENCES = [
    "delete the coupon {}",
    "delete coupon {}",
    "please remove the coupon {} now",
    'delete the coupon "{}"',
    "delete the coupon called {}",
    "rename the coupon {} to Spring",
    "pause coupon {}",
]


def _id(draw: st.DrawFn) -> str:
    shape = draw(st.sampled_from(SHAPES))
    if re.search(r"example|arn|sha256|org|co\.uk|report", shape):
        return re.sub("D", lambda _: draw(st.sampled_from(string.digits)), shape.replace("aaa", draw(_WORD)))
    table = {"D": string.digits, "a": string.ascii_lowercase, "A": string.ascii_uppercase}
    return "".join(draw(st.sampled_from(table[one])) if one in table else one for one in shape)


_WORD = st.text(string.ascii_lowercase, min_size=3, max_size=6)
ids = st.composite(_id)()


@pytest.fixture(scope="module")
def coupons() -> Spec:
    id = parameter("coupon", "path", {"type": "string"}, description="The coupon.")
    update = {"type": "object", "properties": {"name": {"type": "string"}, "paused": {"type": "boolean"}}}
    content = {"content": {"application/json": {"schema": update}}}
    operations: dict[str, Any] = {
        "delete": {"operationId": "deleteCoupon", "summary": "Delete a coupon", "parameters": [id]},
        "patch": {
            "operationId": "updateCoupon",
            "summary": "Update a coupon",
            "parameters": [id],
            "requestBody": content,
        },
    }
    return spec({"/coupons/{coupon}": {name: {**one, "responses": {"200": {}}} for name, one in operations.items()}})


def test_there_are_forty_shapes() -> None:
    assert len(set(SHAPES)) >= 40


@settings(max_examples=examples(300), deadline=None)
@given(id=ids, sentence=st.sampled_from(SENTENCES))
def test_nothing_is_cut_and_stands(coupons: Spec, id: str, sentence: str) -> None:
    question = sentence.format(id)
    plan = nlapi.plan(question, coupons)
    for call in plan.calls:
        if plan.missing or call.account is None or reasons_against(call, call.account, question):
            continue
        value = str(call.arguments["coupon"])
        whole = (
            id,
            id.lstrip("#@"),
            *((id.removesuffix("."),) if sentence.endswith("{}") else ()),
        )  # it ends a sentence
        assert value in whole or plan.confidence < 0.8, (question, dict(call.arguments))
