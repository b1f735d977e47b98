"""The confidence in the plan of a change, by the evidence for the change and the forest's probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nlapi.changes.checks import reasons_against
from nlapi.planner.operations.accounts import with_completed
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import nest_values
from nlapi.planner.slots.preset_values import complete_arguments
from nlapi.planner.steps.state import Goal
from nlapi.tools.tool import Call

# The least likelihood of a change that has nothing against it.
_LIKELY = 0.5
# The confidence that a change needs under `--yes`: CHANGE_BELOW of the command line, set by `benchmarks.changes`.
_STANDS = 0.8
# The most confidence in a change that has something against it.
_DOUBTED = 0.35


def rate_change(goal: Goal, catalogue: Catalogue, known_values: Mapping[str, object], *, probability: float) -> Goal:
    """Return the goal with the confidence in its change; `probability` is that of the forest."""
    slots = catalogue.slots(goal.tool)
    values, missing = complete_arguments(goal.tool, goal.values, slots, known_values)
    account = replace(goal.account, sources=with_completed(goal.sources, values, slots, known_values))
    call = Call(tool=goal.tool, arguments=nest_values(values))
    # The policy asks for consent to a deletion later on, so that a deletion alone is no reason against it here.
    if reasons_against(call, account, goal.sentence, destroy=True):
        return replace(goal, confidence=min(_DOUBTED, goal.confidence))
    likelihood = max(probability, goal.confidence)
    if missing or likelihood < _LIKELY:
        return goal
    return replace(goal, confidence=round(_STANDS + (1 - _STANDS) * likelihood, 3))
