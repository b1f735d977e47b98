"""How sure a plan of a change is: by whether it stands, and what the forest says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nlapi.changes.checks import reasons_against
from nlapi.planner.operations.accounts import with_completed
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import nest
from nlapi.planner.slots.known_values import complete
from nlapi.planner.steps.goal import Goal
from nlapi.tools.tool import Call

LIKELY = 0.5
"""How sure the forest has to be of a change that stands."""
STANDS = 0.8
"""The least that a plan is sure of whose change stands and is likely."""
DOUBTED = 0.35
"""The most that a plan is sure of whose change does not stand."""


def sure_of_change(goal: Goal, catalogue: Catalogue, known: Mapping[str, Any], *, forest: float) -> Goal:
    """Return the goal with the confidence that its change has: of what does not stand, that of a guess.

    `forest` is how sure the forest is; what else makes a plan unsure is in the table of what stands.
    """
    slots = catalogue.slots(goal.tool)
    values, missing = complete(goal.values, slots, known)
    account = replace(goal.account, sources=with_completed(goal.sources, values, slots, known))
    call = Call(tool=goal.tool, arguments=nest(values))
    # whether the user has consented to taking things away is the policy's to know
    if reasons_against(call, account, goal.sentence, destroy=True):
        return replace(goal, confidence=min(DOUBTED, goal.confidence))
    sure = max(forest, goal.confidence)
    if missing or sure < LIKELY:
        return goal
    return replace(goal, confidence=round(STANDS + (1 - STANDS) * sure, 3))
