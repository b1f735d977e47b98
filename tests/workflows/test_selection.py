"""Items that are chosen by a value of the user, by a JSONPath with an expression in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.workflows.bind import Scope, StepExchange, UnresolvedError
from nlapi.workflows.model import ArazzoWorkflow, Criterion, CriterionKind, Selector, WorkflowDocument

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(
    ["it's", '"', "\\", "' || '"]
)


def scope(body: object, **inputs: object) -> Scope:
    workflow = ArazzoWorkflow(id="w", steps=(), inputs={"type": "object"})
    document = WorkflowDocument(version="1.1.0", title="t", workflows=(workflow,))
    exchange = StepExchange(method="GET", url="http://localhost", status=200, body=body)
    return Scope(workflow=workflow, document=document, inputs=inputs, exchange=exchange)


@given(st.lists(TEXTS, min_size=1, unique=True), TEXTS, st.sampled_from("'\""))
def test_the_item_of_a_name_is_selected_whatever_the_name(names: list[str], name: str, quote: str) -> None:
    items = [{"id": number, "name": entry} for number, entry in enumerate(names)]
    path = f"$.data[?@.name == {quote}{{$inputs.name}}{quote}]"
    values = scope({"data": items}, name=name)
    only = Criterion(condition=f"$[?count({path}) == 1]", kind=CriterionKind.JSONPATH, context="$response.body")
    assert values.holds(only) is (name in names)
    selector = Selector(context="$response.body", selector=f"{path}.id")
    if name in names:
        assert values.value(selector) == names.index(name)
    else:
        with pytest.raises(UnresolvedError):
            values.value(selector)


def test_a_number_selects_without_quotes() -> None:
    items = [{"id": 1, "size": 3}, {"id": 2, "size": 4}]
    selector = Selector(context="$response.body", selector="$[?@.size == {$inputs.size}].id")
    assert scope(items, size=4).value(selector) == 2
