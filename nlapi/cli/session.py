"""One conversation at the terminal: planner, APIs, consent, questions back, and how it ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nlapi.agent.events import Answered, Event, Needed, Proposed
from nlapi.agent.loop import Consent, converse
from nlapi.agent.policy import Policy
from nlapi.cli import profile, show
from nlapi.cli.events import Renderer, Targets
from nlapi.cli.options import is_interactive
from nlapi.cli.target import open_target
from nlapi.client.limits import Limits
from nlapi.errors import MissingError, UsageError
from nlapi.openapi.spec import Effect
from nlapi.tools.coerce import coerce
from nlapi.tools.plan import Conversation, Outcome
from nlapi.tools.tool import Missing

if TYPE_CHECKING:
    from nlapi.agent.log import Log
    from nlapi.agent.planner import Planner


class PlannerName(StrEnum):
    AUTO = "auto"
    CLAUDE = "claude"
    OFFLINE = "offline"


@dataclass(kw_only=True)
class Session:
    """What one run of `ask` or `chat` works with."""

    planner: Planner
    targets: Targets
    render: Renderer
    policy: Policy
    consent: Consent
    dry_run: bool = False
    limits: Limits = field(default_factory=Limits)
    log: Log | None = None

    async def answer(self, conversation: Conversation) -> tuple[Conversation, int]:
        """Answer the conversation's last question; the conversation after it, and the exit code of how it ended."""
        self._note_question(conversation)
        while True:
            last = await self._until_last(conversation)
            if isinstance(last, Answered):
                return last.conversation, exit_code(last, self.planner.name)
            values = ask_for(last.missing) if self.policy.interactive else {}
            if not values:
                raise MissingError(told(last.missing), hint=_how(last.missing))
            conversation = last.conversation.with_known(values)

    async def _until_last(self, conversation: Conversation) -> Answered | Needed:
        events = converse(
            self.planner,
            conversation,
            self.targets,
            policy=self.policy,
            consent=self.consent,
            dry_run=self.dry_run,
            limits=self.limits,
        )
        last: Event | None = None
        async for event in events:
            if self.log is not None:
                self.log.write(event)
            self.render(event)
            last = event
        assert isinstance(last, Answered | Needed)
        return last

    def _note_question(self, conversation: Conversation) -> None:
        if self.log is not None:
            sources = [target.spec.source for target in self.targets.values()]
            self.log.asked(conversation.question, known=conversation.known, sources=sources, planner=self.planner.name)


def open_targets(
    sources: list[str] | None, base_url: str | None, auth: list[str] | None, known: Mapping[str, str]
) -> tuple[Targets, dict[str, Any]]:
    """The Targets of the APIs named with -a (or of the only registered one), and every value that is known."""
    names = sources or _only_registered()
    if len(names) > 1 and (base_url or auth):
        raise UsageError(
            "--base-url and --auth go with one API", hint="register each with `nlapi api add`, then name them with -a"
        )
    opened = [open_target(name, base_url, auth) for name in names]
    values: dict[str, Any] = {}
    for _, own in opened:
        values.update(own)
    return {target.spec: target for target, _ in opened}, {**values, **known}


def _only_registered() -> list[str]:
    names = list(profile.read_all())
    if len(names) == 1:
        return names
    some = f"registered: {', '.join(names)}" if names else "such as -a openapi.yaml, or -a ads for the bundled example"
    raise UsageError("which API? name it with -a", hint=some)


def make_planner(name: PlannerName, targets: Targets, model: str | None) -> Planner:
    """The planner called `name`; auto is Claude when there is a key, else the embedded one."""
    key = os.environ.get("ANTHROPIC_API_KEY", "")
    if name is PlannerName.AUTO:
        name = PlannerName.CLAUDE if key else PlannerName.OFFLINE
    if name is PlannerName.OFFLINE:
        from nlapi.offline.planner import OfflinePlanner

        return OfflinePlanner(tuple(targets))
    from nlapi.agent.claude import ClaudePlanner
    from nlapi.agent.models import DEFAULT

    base_url = os.environ.get("ANTHROPIC_BASE_URL") or None
    return ClaudePlanner(tuple(targets), api_key=key, base_url=base_url, model=model or DEFAULT)


def make_policy(targets: Targets, *, yes: bool) -> Policy:
    secrets = tuple(secret for target in targets.values() for secret in target.credentials.values())
    return Policy(yes=yes, interactive=is_interactive(), secrets=secrets)


def open_log(wanted: bool, policy: Policy) -> AbstractContextManager[Log | None]:
    """A new transcript, or nothing with --no-log."""
    if not wanted:
        return nullcontext()
    from nlapi.agent.log import Log

    return Log.create(log_folder(), secrets=policy.secrets)


def log_folder() -> Path:
    """`NLAPI_STATE_DIR`, else the folder that the system has for it; transcripts are in `log/`."""
    if given := os.environ.get("NLAPI_STATE_DIR"):
        return Path(given) / "log"
    import platformdirs

    return Path(platformdirs.user_state_dir("nlapi")) / "log"


async def confirm(proposed: Proposed) -> bool:
    """Ask the person at the terminal; what will be sent has been shown."""
    does = "takes something away" if proposed.effect is Effect.DESTROY else "changes something"
    if proposed.effect is Effect.READ:
        does = "only reads"
    return typer.confirm(f"{proposed.call.operation_id} {does}. Send it?", err=True)


def ask_for(missing: tuple[Missing, ...]) -> dict[str, Any]:
    """What the person at the terminal gives for each missing argument."""
    values: dict[str, Any] = {}
    for one in missing:
        show.note(f"{one.argument}: {_meaning(one)}")
        text = typer.prompt(one.argument, err=True)
        definitions = one.tool.input_schema.get("$defs", {})
        values[one.argument] = coerce(text, one.schema, definitions)
    return values


def told(missing: tuple[Missing, ...]) -> str:
    return "; ".join(f"{one.tool.operation.id} needs {one.argument} ({_meaning(one)})" for one in missing)


def _meaning(one: Missing) -> str:
    choices = f"one of {', '.join(one.choices[:8])}" if one.choices else ""
    return (
        "; ".join(part for part in (" ".join(one.description.split())[:160].rstrip("."), choices) if part) or "required"
    )


def _how(missing: tuple[Missing, ...]) -> str:
    return "say it in the question, or add " + " ".join(f"--set {one.argument}=..." for one in missing)


def exit_code(answered: Answered, planner: str) -> int:
    """0 done, 1 failed, 3-5 the API's last answer, 6 refused, 7 the embedded planner did not understand."""
    steps = answered.conversation.current.steps
    if not steps:
        last = answered.conversation.current.rounds[-1] if answered.conversation.current.rounds else None
        unsure = planner == "offline" and last is not None and last.plan.confidence < 0.5
        return 7 if unsure else 0
    step = steps[-1]
    if step.outcome is Outcome.REFUSED:
        return 6
    if step.outcome is Outcome.FAILED:
        return 1
    if step.result is not None and step.result.status >= 300:
        return min(step.result.status // 100, 5)
    return 0
