"""The sentences of `benchmarks.generated`: made of a description, each with its right call, and rated by its plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from random import Random

import nlapi
from benchmarks.generated.__main__ import Outcome, rate
from benchmarks.generated.sentences import Group, sentences_of
from nlapi.planner import OfflinePlanner
from tests.describe import parameter, spec
from tests.tables import table

SPEC = nlapi.load("ads")


# The ids of the ads have a pattern, which no code in a sentence of `stated` has.
@table("group", [group for group in Group if group is not Group.STATED])
def test_each_sentence_has_a_call_that_its_operation_takes(group: Group) -> None:
    sentences = sentences_of(SPEC, group, Random(1))
    assert sentences
    tools = {tool.operation.id: tool for tool in nlapi.tools(SPEC)}
    for sentence in sentences:
        assert "{" not in sentence.text
        assert sentence.arguments.keys() <= tools[sentence.operation].input_schema["properties"].keys()
        assert all(str(value) for value in sentence.arguments.values())


def test_a_seed_gives_the_same_sentences() -> None:
    first, again = (sentences_of(SPEC, Group.PEOPLE, Random(7)) for _ in range(2))
    assert first == again


def test_a_plan_is_rated_by_the_right_call() -> None:
    path = {"delete": {"operationId": "deleteBook", "summary": "Delete a book", "responses": {}}}
    api = spec({"/books": {"get": {"responses": {}}}, "/books/{id}": {"parameters": [parameter("id", "path")], **path}})
    planner = OfflinePlanner([api], today=date(2026, 11, 25))
    (sentence,) = sentences_of(api, Group.STATED, Random(1))
    code = sentence.arguments["id"]
    assert sentence.text == f"delete the book {code}"
    assert rate(sentence, planner.plan(sentence.text)) is Outcome.RIGHT_STANDS
    assert rate(replace(sentence, arguments={"id": "z9"}), planner.plan(sentence.text)) is Outcome.OTHER_STANDS
    assert rate(replace(sentence, group=Group.UNSAFE), planner.plan(sentence.text)) is Outcome.STANDS
    assert rate(sentence, planner.plan("list the books")) is Outcome.NO_CHANGE
