"""A plan that does the same to each entry of a list: the list is read whole, then all calls are one question."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from nlapi.agent.operations.tools import OperationTools
from nlapi.client.safe_text import json_line, single_line
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect
from nlapi.resources.identity import name_of
from nlapi.results.contents import Listing, Row, value_at_path, values_at
from nlapi.results.query import ResultQuery, matching_rows, parse_query
from nlapi.tools.answers.whole_list import MAX_CALLS, WholeList, digest_of
from nlapi.tools.arguments import plain_values
from nlapi.tools.plan import Conversation, Plan, Step
from nlapi.tools.tool import Call, Tool
from nlapi.workflows.draft import StepDraft
from nlapi.workflows.expressions import with_plain_values
from nlapi.workflows.from_plan import ModelChain, chain_of, plan_steps

EACH = "each"

_RESULT = re.compile(r"r(\d{1,6})")
_OUTPUT = re.compile(r"\$steps\.(\w{1,40})\.outputs")
_VALUELESS = ("empty", "not empty")
_VALUE = re.compile(r"\$each\.(.+)")
_MEMBERS = ("in", "where", "sort", "limit")
_HINT = '{"in": "$steps.a.outputs", "where": [{"field": "spent", "op": ">", "value": 100}], "limit": 5}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """An operation that is called for each row of a list that a query chooses, or once without one.

    `source` is the id of a step of the plan, or the number of a step of the conversation.
    """

    tool: Tool
    arguments: Mapping[str, Any]
    source: str | int = 0
    query: ResultQuery | None = None
    limit: int = 0


@dataclass(slots=True, kw_only=True)
class LoopChain:
    """A plan with loops that is being carried out: its reads, the further pages of their lists, then all calls."""

    loops: Sequence[Loop]
    reads: ModelChain | None
    taken: int
    """rounds of the turn that came before, or are taken"""
    lists: dict[str | int, WholeList] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    summary: str = ""

    def next_plan(self, conversation: Conversation) -> Plan | None:
        """Return the next calls, the end of the turn, or None after a read that failed."""
        try:
            return self._next(conversation)
        except UsageError as error:
            return Plan(text=f"Nothing was changed: {error}.", failure=str(error))

    def _next(self, conversation: Conversation) -> Plan | None:
        if self.calls:
            return self._end(conversation)
        if self.reads is not None:
            plan = self.reads.next_plan(conversation)
            if plan is None or plan.calls:
                return plan
            for step in self.reads.steps:
                self._take(step.call.id.rpartition("-")[0], step)
            self.reads, self.taken = None, len(conversation.current.rounds)
        elif len(conversation.current.rounds) > self.taken:
            (step,) = conversation.current.rounds[-1].steps
            self._take(next(name for name, read in self.lists.items() if read.following == step.call), step)
            self.taken = len(conversation.current.rounds)
        for read in self.lists.values():
            if read.following is not None:
                read.following = replace(read.following, id=f"page-{self.taken}")
                return Plan(calls=(read.following,))
        return self._changes()

    def _take(self, name: str | int, step: Step) -> None:
        if any(loop.query is not None and loop.source == name for loop in self.loops):
            self.lists.setdefault(name, WholeList()).add(step)

    def _changes(self) -> Plan:
        """Return the plan of all calls, or the end of the turn where no row fits."""
        lines = []
        calls: list[Call] = []
        keys: set[tuple[str, str]] = set()
        for loop in self.loops:
            rows, whole = self._rows(loop)
            for call in _calls(loop, rows):
                # Of entries with the same values one call is made: of two orders of a customer, one to the customer.
                key = call.operation_id, digest_of(call.arguments)
                if key not in keys:
                    keys.add(key)
                    calls.append(replace(call, id=f"each-{len(calls) + 1}"))
            if loop.query is not None:
                lines.append(f"{loop.tool.operation.id} for {len(rows):,} of {whole:,}{_conditions_text(loop.query)}")
        self.summary = ", ".join(lines)
        if len(calls) > MAX_CALLS:
            raise UsageError(f"{self.summary}: {len(calls):,} calls, and {MAX_CALLS} are the most of one plan")
        if not calls:
            return Plan(text=f"Nothing was changed: no entry fits ({self.summary}).", confidence=1.0)
        self.calls = tuple(calls)
        return Plan(calls=self.calls, understood=self.summary, independent=True)

    def _rows(self, loop: Loop) -> tuple[Sequence[Row], int]:
        if loop.query is None:
            return ({},), 1
        rows = self.lists[loop.source].rows
        chosen = matching_rows(loop.query, Listing(rows=rows, data=rows))
        # What an entry does not have is not another value.
        paths = [condition.path for condition in loop.query.conditions if condition.operator == "!="]
        chosen = [row for row in chosen if all(values_at(row, path) for path in paths)]
        return (chosen[: loop.limit] if loop.limit else chosen), len(rows)

    def _end(self, conversation: Conversation) -> Plan | None:
        steps = conversation.current.rounds[-1].steps
        done = sum(step.has_succeeded for step in steps)
        if done < len(self.calls) or any(call.effect is Effect.READ for call in self.calls):
            return None  # the model sees which ones failed, or what they read, and says so
        return Plan(text=f"Done: {self.summary}.", confidence=1.0)


def write_plan(
    arguments: Mapping[str, Any], tools: OperationTools, conversation: Conversation
) -> ModelChain | LoopChain:
    """Return the chain of a model's plan, with or without loops. UsageError with what is wrong in it."""
    steps = plan_steps(arguments, tools)
    first = next((number for number, step in enumerate(steps) if step.each is not None), None)
    if first is None:
        return chain_of(steps, conversation)
    while first and _is_change(steps[first - 1]):
        first -= 1
    reads = steps[:first]
    if any(map(_is_change, reads)):
        raise UsageError("a change stands before a read", hint="put the reads first: one question is about all changes")
    ids = {read.id for read in reads}
    chain = chain_of(reads, conversation) if reads else None
    earlier = list(conversation.steps)
    loops = [_loop(step, ids, len(earlier)) for step in steps[first:]]
    loop_chain = LoopChain(loops=loops, reads=chain, taken=len(conversation.current.rounds))
    for loop in loops:
        if isinstance(loop.source, int) and loop.query is not None and loop.source not in loop_chain.lists:
            loop_chain.lists[loop.source] = read = WholeList()
            read.add(earlier[loop.source - 1])
    return loop_chain


def _is_change(step: StepDraft) -> bool:
    return step.tool.operation.effect is not Effect.READ


def _loop(step: StepDraft, reads: Collection[str], count: int) -> Loop:
    """Return the loop of a step; `reads` are the ids of the reads before it, `count` is that of earlier answers."""
    references = _references(step.arguments)
    if step.each is None:
        if references:
            raise UsageError(f"{references[0][:80]!r} stands in a step without {EACH}")
        return Loop(tool=step.tool, arguments=step.arguments)
    if stray := next((text for text in references if not _VALUE.fullmatch(text)), None):
        raise UsageError(f"{stray[:80]!r} cannot stand beside {EACH}", hint="a value of the row is $each.FIELD alone")
    each = step.each
    if not isinstance(each, Mapping) or each.keys() - set(_MEMBERS):
        raise UsageError(f"{EACH} has {', '.join(_MEMBERS)}", hint=_HINT)
    _check_conditions(each)
    limit = each.get("limit", 0)
    if type(limit) is not int or limit < ("limit" in each):
        raise UsageError("limit is not a number of entries from 1 on")
    text = str(each.get("in", ""))
    query = parse_query({"result": text, **{key: each[key] for key in ("where", "sort") if key in each}})
    source = _source(text, reads, count)
    return Loop(tool=step.tool, arguments=step.arguments, source=source, query=query, limit=limit)


def _source(text: str, reads: Collection[str], count: int) -> str | int:
    """Return the id of the read, or the number of the earlier answer, that a loop goes through."""
    result, output = _RESULT.fullmatch(text), _OUTPUT.fullmatch(text)
    if output is not None and output[1] in reads:
        return output[1]
    if result is not None and 0 < int(result[1]) <= count:
        return int(result[1])
    raise UsageError(f"{EACH} is in {text[:80]!r}, which is not a list that was read", hint=_HINT)


def _check_conditions(each: Mapping[str, Any]) -> None:
    """Refuse conditions that would choose every entry without saying so. UsageError."""
    conditions = each.get("where", [])
    if not isinstance(conditions, list):
        raise UsageError("where is not a list of conditions", hint=_HINT)
    for condition in conditions:
        operator = condition.get("op") if isinstance(condition, Mapping) else None
        if operator is None:
            raise UsageError("a condition of where has no op", hint=_HINT)
        if operator not in (*_VALUELESS, "=", "!=") and condition.get("value") in ("", None, []):
            raise UsageError(f"a condition of where has no value for {str(operator)[:20]!r}", hint=_HINT)


def _conditions_text(query: ResultQuery) -> str:
    """Return the conditions of a loop, for the person who is asked."""
    texts = [
        f"{condition.path} {condition.operator}"
        + ("" if condition.operator in _VALUELESS else f" {json_line(condition.value)}")
        for condition in query.conditions
    ]
    order = f", by {single_line(query.sort)}" if query.sort else ""
    chosen = f" where {single_line(' and '.join(texts))}" if texts else ""
    return f"{chosen}{order}"


def _references(value: object) -> list[str]:
    """Return the texts that stand for a value of an answer."""
    texts = [item for item in plain_values(value) if isinstance(item, str)]
    return [text for text in texts if "$each" in text or "${each" in text or text.startswith("$steps")]


def _calls(loop: Loop, rows: Sequence[Row]) -> Iterator[Call]:
    for row in rows:
        arguments = with_plain_values(loop.arguments, partial(_row_value, row=row))
        yield Call(tool=loop.tool, arguments=arguments, label=name_of(row))


def _row_value(value: Any, row: Row) -> Any:
    """Return a value, of a reference that of the row. UsageError where the row has none."""
    if not isinstance(value, str) or not value.startswith("$each"):
        return value
    reference = _VALUE.fullmatch(value)
    filled = value_at_path(row, reference[1]) if reference else None
    if filled is None:
        raise UsageError(f"an entry has no {value[:80]}")
    return filled
