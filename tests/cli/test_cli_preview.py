"""What is shown of a change beside its request: where its values came from, and what it changes."""

from __future__ import annotations

from typing import Any

import nlapi
from nlapi.agent.events import FieldChange, FieldState, change_lines
from nlapi.cli.render import preview
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from tests.tables import table


def told(operation: str = "createCampaign", *sources: ValueSource, unused: tuple[str, ...] = ()) -> list[str]:
    tool = compile_tool(nlapi.load("ads").operation(operation))
    return list(preview.account(Call(tool=tool, arguments={}, account=Account(sources=sources, unused=unused))))


def source(argument: str, origin: Origin, words: str = "", value: Any = "x") -> ValueSource:
    return ValueSource(argument=argument, value=value, origin=origin, words=words)


@table(
    ("origin", "words", "line"),
    [
        (Origin.WORDS, "Back to School", 'name <- "Back to School"'),
        (Origin.WORDS, '"Back to School"', 'name <- "Back to School"'),
        (Origin.WORDS, "", "name <- your words"),
        (Origin.LOOKUP, "Summer Sale", 'name <- looked up by "Summer Sale"'),
        (Origin.LOOKUP, "", "name <- looked up"),
        (Origin.SETTING, "", "name <- set beforehand"),
        (Origin.REPLY, "", "name <- you, when asked"),
        (Origin.DESCRIPTION, "", "name <- the API's description"),
        (Origin.VERB, "close", 'name <- "close"'),
        (Origin.VERB, "", "name <- the verb"),
        (Origin.ANSWER, "", "name <- an answer of the API, not you"),
        (Origin.NOBODY, "", "name <- nobody"),
    ],
)
def test_each_value_is_shown_with_where_it_came_from(origin: Origin, words: str, line: str) -> None:
    assert told("createCampaign", source("name", origin, words)) == [line]


def test_the_account_is_one_line_and_one_for_what_was_not_used() -> None:
    lines = told(
        "createCampaign", source("name", Origin.WORDS, "Sale"), source("budget", Origin.NOBODY), unused=("by", "Friday")
    )
    assert lines == ['name <- "Sale"; budget <- nobody', 'not used: "by", "Friday"']


def test_nothing_that_a_terminal_would_obey_is_shown() -> None:
    (line,) = told("createCampaign", source("na\x1b[1mme", Origin.WORDS, "a\x1b[2Jb\nc" + "d" * 200))
    assert "\x1b" not in line and "\n" not in line
    assert len(line) < 100


def test_a_read_has_no_account_to_show() -> None:
    assert told("listCampaigns", source("limit", Origin.WORDS, "five")) == []


def test_fields_that_stay_are_said_to() -> None:
    same = FieldChange(field="name", state=FieldState.SAME, before="X", after="X")
    other = FieldChange(field="budget.amount", state=FieldState.CHANGES, before=None, after=5)
    unknown = FieldChange(field="note", state=FieldState.UNKNOWN, after="hi")
    assert list(change_lines((same, other, unknown))) == [
        'name is already "X"',
        "budget.amount: null -> 5",
        'note: not shown by the API -> "hi"',
    ]
    assert list(change_lines((same,)))[-1] == "nothing would change"
    assert list(change_lines(())) == []
