"""One conversation at the command line: what it works with, what is said and kept of it, and how it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlapi import registry
from nlapi.agent.consent import Consent
from nlapi.agent.events import Answered, Event, Needed, Offered, Planned, Stepped
from nlapi.agent.loop import converse
from nlapi.agent.policy import Policy
from nlapi.cli import events, menu, missing, show, unfinished
from nlapi.cli.asking import Asker
from nlapi.cli.events import Renderer, Targets
from nlapi.cli.options import PlannerName as PlannerName
from nlapi.cli.options import Telling, is_interactive, is_terminal, pairs
from nlapi.cli.setup import Setup
from nlapi.cli.target import open_target, stream_limits
from nlapi.client.limits import Limits
from nlapi.client.message import Ended
from nlapi.errors import NlapiError, UsageError
from nlapi.extras import has_extra, install_hint
from nlapi.openapi.spec import Effect
from nlapi.tools.diagnosis import is_foreign_page
from nlapi.tools.plan import Conversation, Outcome, Round

if TYPE_CHECKING:
    from nlapi.agent.log import Log
    from nlapi.agent.planner import Planner
    from nlapi.agent.routes import Routes
    from nlapi.openapi.spec import Spec
    from nlapi.tools.run import Target

UNSURE = 0.4
"""The embedded planner's confidence under which it guesses: a call asks first, no call means it did not understand."""
SURE = 0.8
"""The confidence that a change wants to be sent under `--yes`."""
UNFINISHED = 8
"""The exit code of a question whose answer the model refused, or that was cut at a limit."""
LOST = 0.2
"""The confidence under which the user is offered the likeliest operations to choose from."""


@dataclass(kw_only=True)
class Session:
    """What one run of `ask`, `chat` or `log resume` works with.

    `conversation` is as far as the last answer came, also when it ended in an error; `kept` goes into the transcript.
    """

    planner: Planner
    targets: Targets
    render: Renderer
    policy: Policy
    consent: Consent
    dry_run: bool = False
    limits: Limits = field(default_factory=Limits)
    log: Log | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)
    conversation: Conversation = field(default_factory=lambda: Conversation(turns=()))

    async def answer(self, conversation: Conversation) -> tuple[Conversation, int]:
        """Answer the conversation's last question; the conversation after it, and the exit code of how it ended."""
        self._keep_question(conversation)
        try:
            return await self._answer(conversation)
        except NlapiError as error:
            unfinished.add_hint(error, self.conversation, self.log)
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            if hint := unfinished.hint_to_resume(self.conversation, self.log):
                show.note(f"\n{hint}")
            raise

    async def _answer(self, conversation: Conversation) -> tuple[Conversation, int]:
        while True:
            last = await self._until_last(conversation)
            if isinstance(last, Answered):
                if hint := unfinished.hint_after_unknown(last.conversation, self.log):
                    show.note(hint)
                return last.conversation, exit_code(last)
            if isinstance(last, Offered):
                conversation = last.conversation.choosing(menu.choose(last, ask=self.policy.interactive))
                continue
            values = missing.ask_for(last.missing) if self.policy.interactive else {}
            if not values:
                raise missing.needed(last.missing)
            conversation = last.conversation.with_known(values)

    async def _until_last(self, conversation: Conversation) -> Answered | Needed | Offered:
        told = converse(
            self.planner,
            conversation,
            self.targets,
            policy=self.policy,
            consent=self.consent,
            dry_run=self.dry_run,
            limits=self.limits,
        )
        last: Event | None = None
        rounds: list[Round] = []
        try:
            async for event in told:
                self._keep(event)
                self.render(event)
                last = event
                if isinstance(event, Planned):
                    rounds.append(Round(plan=event.plan))
                elif isinstance(event, Stepped):
                    rounds[-1] = replace(rounds[-1], steps=(*rounds[-1].steps, event.step))
                elif isinstance(event, Needed | Offered):
                    rounds.pop()
        finally:
            for round in rounds:
                conversation = conversation.with_round(round)
            self.conversation = conversation
        assert isinstance(last, Answered | Needed | Offered)
        return last

    def _keep_question(self, conversation: Conversation) -> None:
        if self.log is not None:
            sources = [target.spec.source for target in self.targets.values()]
            about = {"conversation": conversation.id, "sources": sources, "planner": self.planner.name, **self.kept}
            self.log.asked(conversation.question, known=conversation.known, **about)

    def _keep(self, event: Event) -> None:
        if self.log is not None:
            self.log.write(event)


def open_session(setup: Setup) -> Session:
    """Reads the descriptions and makes everything else that a conversation needs; nothing is asked or sent yet."""
    setup = setup if setup.sources else replace(setup, sources=_registered())
    with show.working("reading the description"):
        targets, values = _open_targets(setup)
        planner = make_planner(setup.planner, targets, setup.model, setup.routing)
    as_text = setup.output is Telling.TEXT or (setup.output is None and is_terminal())
    secrets = tuple(secret for target in targets.values() for secret in target.credentials.values())
    return Session(
        planner=planner,
        targets=targets,
        render=events.Text(targets, dry_run=setup.dry_run) if as_text else events.json_lines(targets),
        policy=Policy(
            yes=setup.yes or setup.yes_to is not None,
            destroy=setup.yes_to is not None,
            across=setup.across,
            interactive=is_interactive(),
            ask_below=UNSURE,
            change_below=SURE,
            offer_below=LOST,
            secrets=secrets,
        ),
        consent=Asker(),
        dry_run=setup.dry_run,
        limits=stream_limits(setup.timeout, setup.events),
        known=values,
        kept=setup.kept,
    )


def _open_targets(setup: Setup) -> tuple[Targets, dict[str, Any]]:
    """The Targets of the APIs, and every value that is known: those that are registered, the user's over them."""
    names = list(dict.fromkeys(setup.sources or ()))
    if len(names) > 1 and (setup.base_url or setup.auth or setup.no_auth):
        raise UsageError(
            "--base-url, --auth and --no-auth go with one API",
            hint="register each with `nlapi api add`, then name them with -a",
        )
    given = pairs(setup.known, "--set")
    opened = [open_target(name, setup.base_url, setup.auth, no_auth=setup.no_auth) for name in names]
    unused = [name for name in given if not any(_takes(target.spec, name) for target, _ in opened)]
    if unused:
        raise UsageError(f"no operation takes an argument {unused[0]!r}", hint=_nearest(unused[0], opened))
    values = {
        name: value
        for target, own in opened
        for name, value in own.items()
        if not any(_takes(other.spec, name) for other, _ in opened if other is not target)
    }
    return {target.spec: target for target, _ in opened}, {**values, **given}


def _nearest(name: str, opened: list[tuple[Target, dict[str, str]]]) -> str:
    import difflib

    import nlapi

    known = {argument for target, _ in opened for tool in nlapi.tools(target.spec) for argument in tool.places}
    near = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {', '.join(near)}?" if near else "`nlapi tools SOURCE` shows the arguments of each"


def _takes(spec: Spec, name: str) -> bool:
    """Does some operation take an argument of that name? What is registered for one API is not for another."""
    import nlapi

    return any(name in tool.places for tool in nlapi.tools(spec))


def _registered() -> list[str]:
    """All the registered APIs, for a question that names none."""
    names = list(registry.read_registrations())
    if not names:
        raise UsageError(
            "which API? name it with -a", hint="such as -a openapi.yaml, or -a ads for the bundled example"
        )
    return names


def can_ask_claude() -> bool:
    """Return whether there is a key for Claude and the client to use it with."""
    return bool(os.environ.get("ANTHROPIC_API_KEY")) and has_extra("claude")


def make_planner(name: PlannerName, targets: Targets, model: str | None, routing: Path | None = None) -> Planner:
    """The planner called `name`; auto is what routing decides on for each question, by default the embedded one and,
    where it is not sure and there is a key, Claude. A `model` is asked in place of every Claude model."""
    key = os.environ.get("ANTHROPIC_API_KEY", "")

    def claude(chosen: str) -> Planner:
        from nlapi.agent.claude import ClaudePlanner

        base_url = os.environ.get("ANTHROPIC_BASE_URL") or None
        return ClaudePlanner(tuple(targets), api_key=key, base_url=base_url, model=model or chosen)

    if routing is not None and name is not PlannerName.AUTO:
        raise UsageError(f"--routing decides between planners, and --planner {name} is one", hint="give one of the two")
    if name is PlannerName.CLAUDE:
        from nlapi.agent.models import DEFAULT

        return claude(DEFAULT)
    from nlapi.offline.planner import OfflinePlanner

    embedded = OfflinePlanner(tuple(targets))
    if name is PlannerName.OFFLINE:
        return embedded
    from nlapi.agent.auto import AutoPlanner

    if key and not has_extra("claude"):
        show.note(f"ANTHROPIC_API_KEY is set; to plan with Claude where it helps: {install_hint('claude')}")
    operations = sum(len(spec.operations) for spec in targets)
    routes = _routes(routing)
    return AutoPlanner(
        embedded, claude if can_ask_claude() else None, routes=routes, operations=operations, spent=_spent
    )


def _routes(given: Path | None) -> Routes:
    """The routing in the file that is named, else in the user's settings, else the built-in one."""
    import json

    from nlapi.agent.routes import built_in, read_routes

    hint = "the guide shows one, under Routing"
    file = given or registry.user_folder("config") / "routing.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if given is None:
            return built_in(UNSURE)
        raise UsageError(f"there is no file {given}", hint=hint) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}", hint=hint) from None
    return read_routes(document, str(file), sure=UNSURE)


def _spent() -> tuple[float, float]:
    """What was spent this day and this month, in the user's time."""
    from datetime import datetime

    from nlapi.agent.spending import spent

    return spent(log_folder(), datetime.now().astimezone())


def open_log(wanted: bool, policy: Policy) -> AbstractContextManager[Log | None]:
    """A new transcript, or nothing with --no-log."""
    if not wanted:
        return nullcontext()
    from nlapi.agent.log import Log

    return Log.create(log_folder(), secrets=policy.secrets)


def log_folder() -> Path:
    return registry.user_folder("state") / "log"


def _misses_change(rounds: Sequence[Round]) -> bool:
    """Whether look-ups were made for a change that was then not planned: there is no such thing, or several."""
    goals = [round.plan.goal for round in rounds if round.plan.goal is not None]
    aimed = any(goal.tool.effect is not Effect.READ for goal in goals)
    reads = all(
        step.call.tool.effect is Effect.READ and step.outcome is Outcome.DONE for r in rounds for step in r.steps
    )
    failed = any(step.result is not None and not step.result.ok for r in rounds for step in r.steps)
    return aimed and reads and not failed and rounds[-1].plan.confidence < UNSURE


def exit_code(answered: Answered) -> int:
    """0 done, 1 failed, 3-5 the API's last answer, 6 refused, 7 not understood, 8 the planner's answer is not whole."""
    rounds = answered.conversation.current.rounds
    steps = answered.conversation.current.steps
    if rounds and rounds[-1].plan.ended:
        return UNFINISHED
    plan = rounds[-1].plan if rounds else None
    if steps and plan is not None and not plan.calls and _misses_change(rounds):
        return 7
    if not steps:
        return 7 if rounds and rounds[-1].plan.confidence < UNSURE else 0
    step = steps[-1]
    if step.outcome is Outcome.REFUSED:
        return 6
    if step.outcome is Outcome.FAILED or (step.result is not None and step.result.ended is Ended.BROKEN):
        return 1
    if step.result is not None and not step.result.ok:
        return min(step.result.status // 100, 5)
    if step.result is not None and is_foreign_page(step.result, step.call.tool.operation):
        return 1
    stopped = rounds[-1].plan.calls and step.outcome is not Outcome.SHOWN
    return 1 if stopped else 0
