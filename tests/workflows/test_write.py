"""Documents that are written: YAML and JSON read back as they were, and YAML is for people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.openapi import yaml
from nlapi.workflows.write import DocumentFormat, render

TEXTS = st.one_of(
    st.sampled_from(["no", "1.0", "0o17", "1e3", "~", "a: b", "- x", "2026-11-27", "two\nlines\n", "  \n x ", "null"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
).filter(str.strip)
# Beyond 64 bits a document's integer is read as a float.
INTEGERS = st.integers(-(2**63), 2**64 - 1)
SCALARS = st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(allow_nan=False, allow_infinity=False), TEXTS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)


@pytest.mark.parametrize("format", DocumentFormat)
@settings(max_examples=60, deadline=None)
@given(tree=st.dictionaries(TEXTS, JSON, max_size=4))
def test_a_document_reads_back_as_it_was(tree: dict[str, Any], format: DocumentFormat) -> None:
    text = render(tree, format)
    assert (json.loads(text) if format is DocumentFormat.JSON else yaml.load(text)[0]) == tree


def test_yaml_is_written_for_people() -> None:
    steps = [{"stepId": "a", "description": "First line.\nSecond line.", "operationId": "listPets"}]
    assert render({"arazzo": "1.0.1", "workflows": [{"workflowId": "w", "steps": steps}]}) == (
        "arazzo: 1.0.1\n"
        "workflows:\n"
        "  - workflowId: w\n"
        "    steps:\n"
        "      - stepId: a\n"
        "        description: |-\n"
        "          First line.\n"
        "          Second line.\n"
        "        operationId: listPets\n"
    )
