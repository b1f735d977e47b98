"""Checks whether a whole configuration may become current, and reports every fault and conflict in it as an Issue."""

from __future__ import annotations

from nlapi.issue import Issue
from nlapi.routing.check_overlaps import OverlapSection
from nlapi.routing.check_references import reference_sections
from nlapi.routing.check_schemas import schema_sections
from nlapi.routing.check_sections import CheckedConfiguration, Section
from nlapi.routing.check_values import name_sections, share_sections
from nlapi.routing.model import Configuration

# From forms to meaning: a wrong name is reported before what follows from it.
SECTIONS: tuple[Section, ...] = (
    *name_sections(),
    *reference_sections(),
    *share_sections(),
    OverlapSection(),
    *schema_sections(),
)
"""The checks of routing, without results."""


def check(configuration: Configuration) -> list[Issue]:
    """Return every fault, in the order of the configuration. An ERROR refuses publication; `Issue.rule` names its kind.

    `where` is a path such as "rules.tv-brazil.when.country", with the names of a configuration document.
    """
    return CheckedConfiguration.check(SECTIONS, configuration).issues()
