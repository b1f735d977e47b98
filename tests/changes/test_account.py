"""Every word of a sentence has exactly one use, and what has none holds a change back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nlapi.changes.account import UseKind, dropped_commands, uses_of
from nlapi.changes.sentences import build_case
from nlapi.planner import OfflinePlanner
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from tests.describe import body, parameter, spec

_JOB = {
    "patch": {
        "operationId": "updateJob",
        "summary": "Update a job",
        "parameters": [parameter("id", "path", {"type": "string"})],
        "responses": {"200": {}},
        **body({"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}),
    }
}
API = spec({"/jobs/{id}": _JOB})
TOOL = compile_tool(API.operation("updateJob"))
_WORDS = st.sampled_from(["update", "the", "job", "j-1", "to", "blue", "5", "GB", "please", '"a b"', "and", "réf", ","])


@given(st.lists(_WORDS, max_size=12), st.integers(0, 30), st.integers(0, 12))
def test_each_word_has_one_use(words: list[str], start: int, length: int) -> None:
    text = " ".join(words)
    source = ValueSource(argument="id", value="j-1", origin=Origin.WORDS, words="", start=start, end=start + length)
    case = build_case(Call(tool=TOOL, arguments={"id": "j-1"}), Account(sources=(source,)), text)
    uses = uses_of(case)
    assert tuple(use.word for use in uses) == case.words
    assert all(use.kind is UseKind.SLOT for use in uses if use.word.is_used)


def test_the_uses_of_a_planned_change() -> None:
    question = "please rename the job j-1 to Blue"
    (call,) = OfflinePlanner([API]).plan(question).calls
    assert call.account is not None
    uses = {use.word.text: use.kind for use in uses_of(build_case(call, call.account, question))}
    assert uses == {
        "please": UseKind.IDLE,
        "rename": UseKind.OPERATION,
        "the": UseKind.IDLE,
        "job": UseKind.OPERATION,
        "j-1": UseKind.SLOT,
        "to": UseKind.IDLE,
        "Blue": UseKind.SLOT,
    }


def test_a_further_command_without_a_value_of_the_call_is_dropped() -> None:
    assert dropped_commands("show job j-1 and turn it off", ((5, 12),)) == ("turn it off",)
    assert dropped_commands("list the jobs, then delete the old ones", ()) == ("delete the old ones",)
    # What is about the answer is no command.
    assert dropped_commands("list the jobs and sort them by name", ()) == ()
    assert dropped_commands("list the jobs and show their names", ()) == ()
