"""What the calls of a conversation are carried out under."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nlapi.agent.consent import Consent
from nlapi.agent.policy import Policy
from nlapi.client.limits import Limits
from nlapi.client.message import Result
from nlapi.errors import UsageError
from nlapi.openapi.spec import Spec
from nlapi.tools.run import Prepared, Target, perform
from nlapi.tools.tool import Call

if TYPE_CHECKING:
    from nlapi.client.streaming.body import Watch
    from nlapi.client.wire import Client

AT_ONCE = 8
"""How many READs of a plan run side by side."""

Targets = Mapping[Spec, Target] | Callable[[Call], Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The APIs, the policy, who consents, and the limits. In a dry run nothing is sent."""

    targets: Targets
    policy: Policy
    consent: Consent
    dry_run: bool
    limits: Limits | None
    client: Client | None
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def target(self, call: Call) -> Target:
        """Return the Target of a call. UsageError when none was given for its API."""
        if callable(self.targets):
            return self.targets(call)
        spec = call.tool.operation.spec
        if spec not in self.targets:
            raise UsageError(f"no base URL and credentials were given for {spec.title}", hint="name it with -a SOURCE")
        return self.targets[spec]

    async def perform(
        self, prepared: Prepared, watch: Watch | None, *, for_model: bool, limits: Limits | None = None
    ) -> Result:
        """Send a call; as many as AT_ONCE at a time. `limits` are those of the conversation, if not given."""
        async with self.turns:
            return await perform(
                prepared,
                self.target(prepared.call),
                limits=limits or self.limits,
                client=self.client,
                watch=watch,
                for_model=for_model,
            )
