"""Reads the names that the APIs have before a question is planned again."""

from __future__ import annotations

from nlapi.openapi.spec import Effect, read_hints
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.name_mentions import LiveNames, name_places
from nlapi.planner.steps.name_rounds import NamesState, is_name_round
from nlapi.tools.arguments import argument_schema
from nlapi.tools.plan import Conversation, Outcome, Plan
from nlapi.tools.tool import Call

# A plan that is at least this sure, and that uses every name and number of the question, needs no further names.
SURE = 0.8


def name_reads(catalogue: Catalogue) -> tuple[Call, ...]:
    """Return the calls that read the names of the APIs of a catalogue; only reads that need no argument."""
    tools = (catalogue.hidden_tool(spec, id) for spec in catalogue.specs for id in name_places(spec))
    return tuple(
        Call(tool=tool, arguments={}, id="names", reason="for the names that there are")
        for tool in tools
        if tool is not None and tool.effect is Effect.READ and not tool.required
    )


def names_plan(plan: Plan, conversation: Conversation, catalogue: Catalogue) -> Plan | None:
    """Return the plan that reads the names before a question is planned again; None where `plan` stands without them.

    They are read once a question, and only for a plan that is unsure or leaves out words.
    """
    is_read = any(is_name_round(round) for round in conversation.current.rounds)
    if is_read or not (calls := name_reads(catalogue)) or _is_settled(plan):
        return None
    goal = plan.goal or (plan.calls[-1] if plan.calls else None)
    return Plan(calls=calls, goal=goal, confidence=1.0, understood="the names that there are", raw=NamesState())


def _is_settled(plan: Plan) -> bool:
    accounts = [call.account for call in plan.calls if call.account is not None]
    has_unused = any(account.unused for account in accounts)
    is_sure = bool(plan.calls) and not plan.missing and plan.confidence >= SURE and not has_unused
    return is_sure and not any(map(_changes_plain_word, plan.calls))


def _changes_plain_word(call: Call) -> bool:
    """Return whether a call changes what a plain word names, which only the names that there are tell from a verb or
    another noun: stop shadowing [search].
    """
    if call.effect is Effect.READ or call.account is None:
        return False
    words = (source for source in call.account.sources if source.words.isalpha())
    return any(read_hints(argument_schema(call.tool, *source.argument.split("."))).names for source in words)


def read_names(conversation: Conversation) -> LiveNames:
    """Return the names in the last answers to the calls of `names_plan`; none without an answer."""
    rounds = [round for turn in conversation.turns for round in turn.rounds if is_name_round(round)]
    steps = rounds[-1].steps if rounds else ()
    return LiveNames.of(
        [
            (step.call, step.result.data)
            for step in steps
            if step.outcome is Outcome.ANSWERED and step.result is not None and step.result.ok
        ]
    )
