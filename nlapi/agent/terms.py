"""The conditions under which the calls of a conversation are carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nlapi.agent.consent import Consent
from nlapi.agent.policy import Policy, Verdict
from nlapi.client.limits import Limits
from nlapi.client.message import Result
from nlapi.errors import NlapiError, UsageError
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Conversation, Step
from nlapi.tools.rules import Ruling
from nlapi.tools.run import Prepared, Target, perform, prepare
from nlapi.tools.tool import Call

if TYPE_CHECKING:
    from nlapi.client.streaming.body import PieceListener
    from nlapi.client.transport import HttpClient

# READs of one plan that are in flight at a time; a plan may have dozens, and APIs limit rates and connections.
MAX_CONCURRENT = 8

# Seconds for a read beside the plan while the user waits for the question about a change (docs/design/025-once.md).
READ_SECONDS = 10

Targets = Mapping[Spec, Target] | Callable[[Call], Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTerms:
    """The APIs, the policy, the source of consent and the limits. In a dry run nothing is sent."""

    targets: Targets
    policy: Policy
    consent: Consent
    dry_run: bool
    limits: Limits | None
    client: HttpClient | None
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT))

    def target(self, call: Call) -> Target:
        """Return the Target of a call. UsageError when none was given for its API."""
        if callable(self.targets):
            return self.targets(call)
        spec = call.tool.operation.spec
        if spec not in self.targets:
            raise UsageError(f"no base URL and credentials were given for {spec.title}", hint="name it with -a SOURCE")
        return self.targets[spec]

    async def read_unasked(self, call: Call, conversation: Conversation, during: tuple[Step, ...]) -> Result | None:
        """Return the answer to a READ that the policy lets run unasked, if one comes in time."""
        try:
            target = self.target(call)
            prepared = prepare(call, target)
            is_restricted = prepared.rule is not None and prepared.rule.verdict is not Ruling.ALLOW
            if is_restricted or self.policy.decide(prepared, conversation, during=during).verdict is not Verdict.RUN:
                return None
            limits = Limits(deadline=READ_SECONDS, retries=0)
            return await perform(prepared, target, limits=limits, client=self.client)
        except NlapiError:
            return None

    async def perform(self, prepared: Prepared, watch: PieceListener, *, for_model: bool) -> Result:
        """Send a call, at most MAX_CONCURRENT at a time."""
        async with self.slots:
            return await perform(
                prepared,
                self.target(prepared.call),
                limits=self.limits,
                client=self.client,
                watch=watch,
                for_model=for_model,
            )
