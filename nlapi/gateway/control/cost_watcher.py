"""The watch over cost policies: one whose outcomes break its floor, or drift, is taken back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from nlapi.errors import NlapiError
from nlapi.gateway.control.canary_watcher import Commit
from nlapi.routing.change import remove_entity
from nlapi.routing.costs import RatedAnswer, floor_violation
from nlapi.routing.model import Configuration, Rule

_log = logging.getLogger(__name__)

INTERVAL_S = 10.0


class CostWatcher:
    """The control loop of all cost policies. `outcomes` returns those of a policy's rules; it is called in a thread."""

    def __init__(
        self,
        *,
        configuration: Callable[[], Configuration],
        outcomes: Callable[[Sequence[Rule]], list[RatedAnswer]],
        commit: Commit,
        is_leader: Callable[[], bool],
    ) -> None:
        self._configuration = configuration
        self._outcomes = outcomes
        self._commit = commit
        self._is_leader = is_leader

    async def tick(self) -> None:
        """Take back every policy whose outcomes break its floor."""
        policies: dict[str, list[Rule]] = {}
        for rule in self._configuration().rules.values():
            if rule.cost is not None:
                policies.setdefault(rule.cost.policy, []).append(rule)
        for name, rules in policies.items() if self._is_leader() else ():
            try:
                fault = floor_violation(rules, await asyncio.to_thread(self._outcomes, rules))
                if fault:
                    await self._take_back(rules, f"cost policy {name}: {fault}")
            except NlapiError as error:
                _log.warning("cost policy %s is not watched: %s", name, error)

    async def watch(self) -> None:
        """Call `tick` every INTERVAL_S seconds, without end."""
        while True:
            await self.tick()
            await asyncio.sleep(INTERVAL_S)

    async def _take_back(self, rules: Sequence[Rule], reason: str) -> None:
        def edit(configuration: Configuration) -> Configuration:
            if any(configuration.rules.get(rule.name) != rule for rule in rules):
                return configuration  # somebody has changed it meanwhile; the next tick decides again
            for rule in rules:
                configuration = remove_entity(configuration, "rules", rule.name)
            return configuration

        await self._commit(edit, reason)
