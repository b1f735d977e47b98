"""Checks whether a whole configuration may become current, and reports every fault as an Issue."""

from __future__ import annotations

from collections.abc import Iterator

from nlapi.issue import Issue
from nlapi.routing.check_names import check_names
from nlapi.routing.check_overlaps import check_overlaps
from nlapi.routing.check_references import check_references
from nlapi.routing.check_schemas import check_schemas
from nlapi.routing.check_shares import check_shares
from nlapi.routing.nouns import Configuration


def check(configuration: Configuration) -> list[Issue]:
    """Return every fault, in the order of the configuration. An ERROR refuses publication; `Issue.rule` names its kind.

    `where` is a path such as "rules.tv-brazil.match.when.country".
    """
    return list(_issues(configuration))


def _issues(configuration: Configuration) -> Iterator[Issue]:
    # From forms to meaning: a wrong name is reported before what follows from it.
    yield from check_names(configuration)
    yield from check_references(configuration)
    yield from check_shares(configuration)
    yield from check_overlaps(configuration)
    yield from check_schemas(configuration)
