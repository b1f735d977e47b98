"""The page APIs: what can be asked, and the resources and operations of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from nlapi import registry
from nlapi.cli import target
from nlapi.cli.apis.describe import operations_by_resource
from nlapi.cli.apis.find import matching_operations, operation_row
from nlapi.cli.console.ask_pages import AskPages
from nlapi.console.web import PageAnswer, PageHandler, PageRequest, render
from nlapi.openapi.spec import Spec

# Operations of a search, and of a description without one.
MAX_FOUND = 50
MAX_SHOWN = 1_000

# The name under which operations stand that are about no resource.
_OTHER = "Other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPages:
    """Shows the APIs that can be asked."""

    ask: AskPages

    @property
    def routes(self) -> dict[tuple[str, str], PageHandler]:
        return {("GET", "/apis"): self.page, ("GET", "/api"): self.api}

    async def page(self, request: PageRequest) -> PageAnswer:
        """Show the APIs with their addresses and logins."""
        registrations = registry.read_registrations()
        rows = [self._row(name, registrations.get(name)) for name in self.ask.apis()]
        faults = registry.registration_faults()
        return render(request, "local/apis.html", rows=rows, faults=faults)

    def _row(self, name: str, entry: registry.Registration | None) -> dict[str, str]:
        if entry is None:
            return {"name": name, "source": name, "address": self.ask.base_url or "", "login": ""}
        login = "none is sent" if entry.no_auth else ", ".join(entry.auth)
        return {"name": name, "source": entry.source, "address": entry.base_url or "", "login": login}

    async def api(self, request: PageRequest) -> PageAnswer:
        """Show the operations of an API by resource, or those that some words are about."""
        name, words = request.query.get("name", ""), request.query.get("q", "").strip()
        self.ask.setup(name)
        spec = await asyncio.to_thread(target.load, name)
        groups = await asyncio.to_thread(_found if words else _groups, spec, words)
        count = len(spec.visible_operations)
        return render(request, "local/api.html", name=name, title=spec.title, words=words, groups=groups, count=count)


def _groups(spec: Spec, _: str) -> dict[str, list[Mapping[str, str]]]:
    groups: dict[str, list[Mapping[str, str]]] = {}
    left = MAX_SHOWN
    for resource, operations in operations_by_resource(spec).items():
        label = resource.label if resource is not None else _OTHER
        groups[label] = [operation_row(operation) for operation in operations[:left]]
        left -= len(groups[label])
        if left <= 0:
            break
    return groups


def _found(spec: Spec, words: str) -> dict[str, list[Mapping[str, str]]]:
    query, results = matching_operations(spec.visible_operations, words, MAX_FOUND)
    return {f"About “{query}”": [operation_row(operation) for operation, _ in results]}
