"""Documents that are written: they read back as they were, in the order and by the schema of the standard."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nlapi.openapi import yaml
from nlapi.workflows.model import (
    ArazzoWorkflow,
    Criterion,
    CriterionKind,
    Replacement,
    Selector,
    Source,
    StepAction,
    StepActionKind,
    StepBody,
    StepParameter,
    WorkflowDocument,
    WorkflowStep,
)
from nlapi.workflows.read import parse_document, read_document
from nlapi.workflows.write import DocumentFormat, document_tree, render

SCHEMAS = Path(__file__).parents[3] / "shared/data/schemas/arazzo"

TEXTS = st.one_of(
    st.sampled_from(["no", "1.0", "0o17", "1e3", "~", "a: b", "- x", "2026-11-27", "two\nlines\n", "  \n x ", "null"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
).filter(str.strip)
IDS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,9}", fullmatch=True)
EXPRESSIONS = st.sampled_from(["$inputs.name", "$steps.a.outputs.id", "$response.body#/data/0/id", "$statusCode"])
# Beyond 64 bits a document's integer is read as a float.
INTEGERS = st.integers(-(2**63), 2**64 - 1)
SCALARS = st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(allow_nan=False, allow_infinity=False), TEXTS)
JSON = st.recursive(
    st.one_of(SCALARS, EXPRESSIONS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
EXTENSIONS = st.dictionaries(IDS.map("x-{}".format), JSON, max_size=1)


def selectors() -> st.SearchStrategy[Selector]:
    kinds = st.sampled_from([CriterionKind.JSONPATH, CriterionKind.JSONPOINTER])
    return st.builds(Selector, context=EXPRESSIONS, selector=TEXTS, kind=kinds)


def criteria() -> st.SearchStrategy[tuple[Criterion, ...]]:
    simple = st.builds(Criterion, condition=TEXTS)
    kinds = st.sampled_from([CriterionKind.REGEX, CriterionKind.JSONPATH])
    typed = st.builds(Criterion, condition=TEXTS, kind=kinds, context=EXPRESSIONS)
    return st.lists(st.one_of(simple, typed), max_size=2, unique_by=lambda entry: entry.condition).map(tuple)


def actions(*, failure: bool) -> st.SearchStrategy[tuple[StepAction, ...]]:
    end = st.builds(StepAction, name=IDS, kind=st.just(StepActionKind.END), criteria=criteria())
    goto = st.builds(StepAction, name=IDS, kind=st.just(StepActionKind.GOTO), step_id=IDS)
    retry = st.builds(
        StepAction,
        name=IDS,
        kind=st.just(StepActionKind.RETRY),
        retry_after=st.sampled_from([0.0, 0.5, 3.0]),
        retry_limit=st.integers(0, 9),
    )
    kinds = st.one_of(end, goto, *([retry] if failure else []))
    return st.lists(kinds, max_size=2, unique_by=lambda action: action.name).map(tuple)


def with_own_retries(step: WorkflowStep) -> WorkflowStep:
    """Return a step whose retries name the step itself: the schema of 1.0 requires a name, and it says nothing more."""
    actions = step.on_failure
    retries = (replace(entry, step_id=step.id) if entry.kind is StepActionKind.RETRY else entry for entry in actions)
    return replace(step, on_failure=tuple(retries))


def documents(*, lowest: bool = False) -> st.SearchStrategy[WorkflowDocument]:
    """Return random documents; with `lowest`, those that Arazzo 1.0 can say."""
    values = JSON if lowest else st.one_of(JSON, selectors())
    outputs = st.dictionaries(IDS, EXPRESSIONS if lowest else st.one_of(EXPRESSIONS, selectors()), max_size=2)
    locations = ["path", "query", "header", "cookie", *([] if lowest else ["querystring"])]
    parameters = st.lists(
        st.builds(StepParameter, name=TEXTS, value=values, location=st.sampled_from(locations)),
        max_size=2,
        unique_by=lambda parameter: parameter.name,
    ).map(tuple)
    replacements = st.builds(Replacement, target=st.just("/name"), value=EXPRESSIONS if lowest else values)
    bodies = st.builds(
        StepBody, payload=values, content_type=st.sampled_from(["", "application/json"]), replacements=st.just(())
    ) | st.builds(StepBody, replacements=st.tuples(replacements))
    steps = st.builds(
        WorkflowStep,
        id=IDS,
        operation_id=IDS,
        description=st.just("") | TEXTS,
        parameters=parameters,
        body=st.none() | bodies,
        criteria=criteria(),
        on_success=actions(failure=False),
        on_failure=actions(failure=True),
        outputs=outputs,
        timeout=st.none() if lowest else st.sampled_from([None, 1.5]),
        extensions=EXTENSIONS,
    ).map(with_own_retries)
    schemas = st.dictionaries(IDS, st.sampled_from([{"type": "string"}, {"type": "integer", "enum": [1]}]), max_size=2)
    workflows = st.builds(
        ArazzoWorkflow,
        id=IDS,
        steps=st.lists(steps, min_size=1, max_size=3, unique_by=lambda step: step.id).map(tuple),
        summary=st.just("") | TEXTS,
        inputs=schemas.map(lambda properties: {"type": "object", "properties": properties}),
        outputs=outputs,
        extensions=EXTENSIONS,
    )
    return st.builds(
        WorkflowDocument,
        version=st.sampled_from(["1.0.0", "1.0.1"] if lowest else ["1.0.1", "1.1.0"]),
        title=TEXTS,
        description=st.just("") | TEXTS,
        sources=st.lists(st.builds(Source, name=IDS, url=st.just("ads.yaml")), min_size=1, max_size=2).map(
            lambda sources: tuple({source.name: source for source in sources}.values())
        ),
        workflows=st.lists(workflows, min_size=1, max_size=2, unique_by=lambda workflow: workflow.id).map(tuple),
    )


def content(document: WorkflowDocument) -> dict[str, Any]:
    """Return what a document says: all fields but its version, and where and how it was read."""
    names = {field.name for field in fields(document)} - {"version", "location", "issues", "tree"}
    return {name: getattr(document, name) for name in names}


@settings(max_examples=30, deadline=None)
@given(documents(), st.sampled_from(DocumentFormat))
def test_a_document_reads_back_as_it_was(document: WorkflowDocument, format: DocumentFormat) -> None:
    text = render(document, format)
    tree = json.loads(text) if format is DocumentFormat.JSON else yaml.load(text)[0]
    back = parse_document(tree)
    assert content(back) == content(document)
    assert not back.issues
    assert render(back, format) == text


@cache
def schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / "schema-1.0.json").read_text()))


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schema of the standard is not here")
@settings(max_examples=15, deadline=None)
@given(document=documents(lowest=True))
def test_a_document_of_1_0_fits_the_schema_of_the_standard(document: WorkflowDocument) -> None:
    tree = document_tree(document)
    assert tree["arazzo"] == document.version
    assert [error.message for error in schema().iter_errors(tree)] == []


def test_the_examples_of_the_standard_are_written_as_they_were_read() -> None:
    files = sorted(SCHEMAS.glob("*arazzo.yaml"))
    if not files:
        pytest.skip("the examples of the standard are not here")
    for file in files:
        document = read_document(str(file))
        back = parse_document(yaml.load(render(document))[0])
        assert content(back) == content(document), file.name


def test_a_selector_raises_the_version() -> None:
    step = WorkflowStep(
        id="find", operation_id="list", outputs={"id": Selector(context="$response.body", selector="$[0].id")}
    )
    document = WorkflowDocument(version="1.0.1", title="t", workflows=(ArazzoWorkflow(id="w", steps=(step,)),))
    assert document_tree(document)["arazzo"] == "1.1.0"


def test_yaml_is_written_for_people() -> None:
    step = WorkflowStep(id="a", operation_id="listPets", description="First line.\nSecond line.")
    workflow = ArazzoWorkflow(id="w", steps=(step,), inputs={"type": "object"}, summary="All pets")
    source = Source(name="pets", url="pets.yaml")
    text = render(WorkflowDocument(version="1.0.1", title="Pets", sources=(source,), workflows=(workflow,)))
    assert text == (
        "arazzo: 1.0.1\n"
        "info:\n"
        "  title: Pets\n"
        "  version: 1.0.0\n"
        "sourceDescriptions:\n"
        "  - name: pets\n"
        "    url: pets.yaml\n"
        "    type: openapi\n"
        "workflows:\n"
        "  - workflowId: w\n"
        "    summary: All pets\n"
        "    inputs:\n"
        "      type: object\n"
        "    steps:\n"
        "      - stepId: a\n"
        "        description: |-\n"
        "          First line.\n"
        "          Second line.\n"
        "        operationId: listPets\n"
    )
