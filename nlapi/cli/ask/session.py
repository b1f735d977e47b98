"""Runs a conversation at the command line: planner, targets, transcript, waiting for a model, exit code, and hints."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from nlapi import registry
from nlapi.agent.events import (
    CallProposed,
    ChoiceOffered,
    Consent,
    ConsentReply,
    Event,
    InputNeeded,
    PlanCreated,
    Planner,
    PlannerChosen,
    StepFinished,
    TurnAnswered,
    WorkEnded,
    WorkflowConsent,
    WorkflowProposed,
)
from nlapi.agent.loop import MAX_ROUNDS, converse
from nlapi.agent.models.messages import PLANNER as MODEL_PLANNER
from nlapi.agent.models.spending import NO_CAPS, Caps, SpendingMeter, UsageTotal
from nlapi.agent.policy import Policy, left_out_reason, words_left_out
from nlapi.agent.records.receipts import ConsentRung, begin_receipt, reply_of, run_receipt
from nlapi.cli.ask.events import DataRenderer, Renderer, Targets, TextRenderer, json_lines
from nlapi.cli.ask.planners import ASK_BELOW as ASK_BELOW
from nlapi.cli.ask.planners import PlannerFactory, model_settings
from nlapi.cli.ask.prompts import ConsentPrompt, WorkflowPrompt, ask_for_arguments, choose_operation, missing_error
from nlapi.cli.completion.collect import store_list
from nlapi.cli.options import ConversationFormat, Output, Setup, is_interactive, parse_pairs
from nlapi.cli.render import console
from nlapi.cli.target import open_target, stream_limits, take_credentials, waiting_limits, with_headers
from nlapi.cli.workflow.registered import OpenedApi, open_registered
from nlapi.client.message import EndReason, Limits
from nlapi.client.safe_text import strip_control
from nlapi.errors import NlapiError, UsageError
from nlapi.openapi.spec import Effect, Spec
from nlapi.suggestions import question
from nlapi.tools.plan import Conversation, Outcome, Round, Step

if TYPE_CHECKING:
    from rich.status import Status
    from rich.text import Text

    from nlapi.agent.records.log import Log
    from nlapi.agent.records.receipts import ConsentReceipt
    from nlapi.tools.sending.run import Target
    from nlapi.workflows.workflow_tools import WorkflowSet


class ThinkingStatus:
    """A line on standard error while a model is asked and nothing of its answer has come; none without a terminal.

    It is taken away before the next event of the turn is shown.
    """

    def __init__(self, spending: SpendingMeter) -> None:
        self._spending = spending
        self._earlier = UsageTotal()
        self._model = ""
        """the model that plans, "" while the embedded planner does"""
        self._open_calls = 0
        self._started = 0.0
        self._status: Status | None = None

    async def watch(self, planner: Planner, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Yield the events of a turn that `planner` plans, and show the line while a model is waited for."""
        self._earlier = self._spending.total
        self._model = _model_name(planner)
        self._open_calls = 0
        try:
            self._start()
            async with aclosing(events):
                async for event in events:
                    self._stop()
                    yield event
                    if self._awaits_model(event):
                        self._start()
        finally:
            self._stop()

    def _awaits_model(self, event: Event) -> bool:
        """Return whether a model is asked next, after an event that has been shown."""
        match event:
            case PlannerChosen():
                self._model = (event.model or event.planner) if event.planner == MODEL_PLANNER else ""
                return True
            case PlanCreated():
                self._open_calls = len(event.plan.calls)
            case StepFinished():
                self._open_calls -= 1
                return not self._open_calls
            case _:
                pass
        return False

    def _start(self) -> None:
        if not self._model or not sys.stderr.isatty():
            return
        from rich.console import Console

        self._started = time.monotonic()
        # rich draws the line anew many times a second, and asks this object for it each time.
        self._status = Console(stderr=True).status(self)
        self._status.start()

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __rich__(self) -> Text:
        from rich.text import Text

        return Text(thinking_text(self._model, time.monotonic() - self._started, self._spending.total - self._earlier))


def _model_name(planner: Planner) -> str:
    """Return the name of the model of a planner; "" for a planner that is not on a model, or chooses one first."""
    planner = getattr(planner, "base", planner)  # of one that runs workflows too
    if planner.name != MODEL_PLANNER:
        return ""
    from nlapi.agent.models.planner import ModelPlanner

    return planner.endpoint.name if isinstance(planner, ModelPlanner) else planner.name


def thinking_text(model: str, seconds: float, total: UsageTotal) -> str:
    """Return the line: what has been taken is left out before the first answer, dollars without a known price."""
    parts = [f"{strip_control(model)} thinks", f"{seconds:.0f} s"]
    if total.requests:
        parts.append(f"{total.input_tokens + total.output_tokens:,} tokens")
        if not total.unpriced:
            parts.append(f"${total.usd:.4f}")
    return " · ".join(parts)


# The confidence that a change needs under `--yes`: `python -m benchmarks.changes` counts the wrong changes above it
# (docs/design/027-what-stands.md).
CHANGE_BELOW = 0.8
# The exit code of a question whose answer the model refused, or that was cut at a limit.
UNFINISHED = 8
# The confidence below which the user chooses from the likeliest operations.
OFFER_BELOW = 0.2


def _hint_to_resume(conversation: Conversation, log: Log | None) -> str:
    """Return a hint to resume; "" when no change of the last question was, or may have been, carried out."""
    # Asking the same question again would repeat these changes (docs/design/025-once.md); resuming compares with them.
    changes = [step for step in _steps(conversation) if step.call.effect is not Effect.READ]
    unknown = sum(step.is_uncertain for step in changes)
    completed = sum(step.result is not None and step.result.ok and not step.is_uncertain for step in changes)
    if not completed + unknown:
        return ""
    outcomes = [f"{console.count_noun(completed, 'change')} carried out"] if completed else []
    outcomes += [f"{console.count_noun(unknown, 'change')} of unknown outcome"] if unknown else []
    if log is None:
        return f"{' and '.join(outcomes)}: look before you ask for it again, as --no-log keeps no transcript"
    return f'{" and ".join(outcomes)}: `nlapi log resume {log.path.stem} "go on"` goes on, and repeats nothing unasked'


def _hint_for_uncertain(conversation: Conversation, log: Log | None) -> str:
    """Return a hint to resume after a complete answer; "" unless the outcome of one of its changes is unknown."""
    return _hint_to_resume(conversation, log) if any(step.is_uncertain for step in _steps(conversation)) else ""


def _add_hint(error: NlapiError, conversation: Conversation, log: Log | None) -> None:
    """Add a hint to resume to the error that ended a question."""
    error.hint = "; ".join(filter(None, (error.hint, _hint_to_resume(conversation, log))))


def _steps(conversation: Conversation) -> tuple[Step, ...]:
    return conversation.current.steps if conversation.turns else ()


@dataclass(kw_only=True)
class Session:
    """A run of `ask`, `chat` or `log resume`; `conversation` has the steps of a question that ended in an error too."""

    planner: Planner
    targets: Targets
    render: Renderer
    policy: Policy
    consent: Consent
    workflow_consent: WorkflowConsent | None = None
    dry_run: bool = False
    limits: Limits = field(default_factory=Limits)
    caps: Caps = NO_CAPS
    max_rounds: int = MAX_ROUNDS
    thinking: ThinkingStatus | None = None
    face: str = "ask"
    """the command that asks, as receipts of consent name it"""
    rung: ConsentRung = ConsentRung.TERMINAL
    """where a person answers"""
    receipt: ConsentReceipt | None = None
    """that of a yes to all of the question, which was given before the transcript is open"""
    hints_at_resume: bool = True
    """whether a question that stopped names `nlapi log resume`; a run of a workflow is resumed by its own command"""
    log: Log | None = None
    known_values: Mapping[str, Any] = field(default_factory=dict)
    secret_names: frozenset[str] = frozenset()
    """the known values that no transcript may have: secret inputs of workflows"""
    log_fields: Mapping[str, object] = field(default_factory=dict)
    conversation: Conversation = field(default_factory=lambda: Conversation(turns=()))
    planned: list[PlanCreated] = field(default_factory=list)
    """the plans of the last question"""

    async def answer(self, conversation: Conversation) -> tuple[Conversation, int]:
        """Answer the last question, and return the conversation after it and the exit code."""
        self.log_question(conversation)
        self.planned = []
        try:
            return await self._answer(conversation)
        except NlapiError as error:
            if self.hints_at_resume:
                _add_hint(error, self.conversation, self.log)
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            if self.hints_at_resume and (hint := _hint_to_resume(self.conversation, self.log)):
                console.note(f"\n{hint}")
            raise

    async def preview(self, conversation: Conversation) -> None:
        """Plan the last question and show its calls; nothing is sent."""
        rehearsal = replace(self, dry_run=True, render=TextRenderer(self.targets, dry_run=True))
        try:
            await rehearsal.answer(conversation)
        finally:
            self.conversation, self.planned = rehearsal.conversation, rehearsal.planned

    async def _answer(self, conversation: Conversation) -> tuple[Conversation, int]:
        while True:
            last = await self.until_last(conversation)
            if isinstance(last, TurnAnswered):
                if self.hints_at_resume and (hint := _hint_for_uncertain(last.conversation, self.log)):
                    console.note(hint)
                return last.conversation, exit_code(last) or self._code_of_left_words(last)
            if isinstance(last, ChoiceOffered):
                conversation = last.conversation.with_choice(choose_operation(last, ask=self.policy.interactive))
                continue
            values = ask_for_arguments(last.missing) if self.policy.interactive else {}
            if not values:
                raise missing_error(last.missing)
            conversation = last.conversation.with_replies(values)

    def _code_of_left_words(self, answered: TurnAnswered) -> int:
        """Return 7 for an answer that leaves out words of the question, which are named; 0 for one that has none."""
        omitted = () if self.policy.loosely else words_left_out(answered.conversation.current)
        if not omitted:
            # What could not be applied to the rows is named in the answer itself.
            return 7 if not self.policy.loosely and any(view.unapplied for view in answered.views) else 0
        texts = ", ".join(map(repr, omitted))
        console.note(
            f"{texts}: neither the request nor the answer takes care of it; --loosely takes the answer as it is"
        )
        return 7

    async def until_last(self, conversation: Conversation) -> TurnAnswered | InputNeeded | ChoiceOffered:
        """Answer the last question up to its end, or to what a person has to give or to choose first."""
        events = converse(
            self.planner,
            conversation,
            self.targets,
            policy=replace(self.policy, interrupted=cache(_interrupted_requests)),
            consent=self._ask,
            workflow_consent=self._ask_about_workflow if self.workflow_consent is not None else None,
            dry_run=self.dry_run,
            limits=self.limits,
            caps=self.caps,
            max_rounds=self.max_rounds,
        )
        if self.thinking is not None:
            events = self.thinking.watch(self.planner, events)
        last: Event | None = None
        rounds: list[Round] = []
        try:
            # Closed here, and not when the event loop ends: a full disk or a closed output leaves it in the middle.
            async with aclosing(events):
                async for event in events:
                    fault = self._log_event(event)
                    self.render(event)
                    last = event
                    if isinstance(event, PlanCreated):
                        rounds.append(Round(plan=event.plan))
                        self.planned.append(event)
                    elif isinstance(event, WorkEnded):
                        if rounds:
                            rounds[-1] = replace(rounds[-1], steps=(*rounds[-1].steps[:-1], event.step))
                        else:
                            conversation = conversation.with_last_step(event.step)
                    elif isinstance(event, StepFinished):
                        rounds[-1] = replace(rounds[-1], steps=(*rounds[-1].steps, event.step))
                        if event.step.result is not None:
                            store_list(event.step.call.tool.operation, event.step.result)
                        self._bound_memory(event.step)
                    elif isinstance(event, InputNeeded | ChoiceOffered):
                        rounds.pop()
                    if fault is not None:
                        raise fault
        finally:
            # Also after an error or Ctrl-C: the next question, or `nlapi log resume`, must know which calls were sent.
            for round in rounds:
                conversation = conversation.with_round(round)
            # The rows of all answers of a long chat would stay in memory beside their bodies.
            self.conversation = conversation.without_views() if conversation.turns else conversation
        assert isinstance(last, TurnAnswered | InputNeeded | ChoiceOffered)
        return last

    async def _ask(self, proposed: tuple[CallProposed, ...]) -> ConsentReply:
        """Return the person's reply to calls; the transcript has it before anything is sent."""
        reply = await self.consent(proposed)
        if self.log is not None and reply.arguments is None:
            self.log.write_receipt(reply_of(begin_receipt(self.face, proposed), reply, self.log.secrets, self.rung))
        return reply

    async def _ask_about_workflow(self, proposed: WorkflowProposed) -> ConsentReply:
        assert self.workflow_consent is not None
        reply = await self.workflow_consent(proposed)
        if self.log is not None:
            call = proposed.proposal.call
            receipt = run_receipt(self.face, call.tool.operation.spec, call.operation_id)
            self.log.write_receipt(reply_of(receipt, reply, self.log.secrets, self.rung))
        return reply

    def _log_event(self, event: Event) -> NlapiError | None:
        """Write an event to the transcript. Return the fault where it is a step, whose call may have been sent."""
        if self.log is not None:
            try:
                self.log.write(event)
            except NlapiError as error:
                if not isinstance(event, StepFinished | WorkEnded):
                    raise
                return error  # first its outcome is shown: who does not know of it sends the change again
        return None

    def _bound_memory(self, step: Step) -> None:
        """Count the body of an answer; a note once, where the oldest cannot be moved to a file."""
        if step.result is None:
            return
        from nlapi.results.store import RESIDENT_BODIES

        had_fault = bool(RESIDENT_BODIES.fault)
        RESIDENT_BODIES.add(step.result)
        if RESIDENT_BODIES.fault and not had_fault:
            console.note(f"{RESIDENT_BODIES.fault}; all answers stay in memory")

    def log_question(self, conversation: Conversation) -> None:
        """Write the last question to the transcript."""
        if self.log is not None:
            known = conversation.known_values
            self.log.hide(str(known[name]) for name in self.secret_names if name in known)
            sources = [target.spec.source for target in self.targets.values()]
            fields = {
                "conversation": conversation.id,
                "sources": sources,
                "planner": self.planner.name,
                **self.log_fields,
            }
            self.log.write_question(conversation.question, known_values=conversation.known_values, **fields)
            if self.receipt is not None:
                self.log.write_receipt(self.receipt)


def _interrupted_requests() -> dict[str, str]:
    """Return the requests of the last day of which nobody knows whether they were carried out."""
    from nlapi.agent.records.transcripts import interrupted_requests

    return interrupted_requests(registry.log_folder(), datetime.now(UTC) - timedelta(days=1))


def open_session(setup: Setup) -> Session:
    """Return a Session for the options of a command. It reads the descriptions, and sends and asks nothing."""
    return open_conversation(setup)[0]


def open_conversation(setup: Setup) -> tuple[Session, PlannerFactory]:
    """Return a Session for the options of a command, and what makes other planners for it."""
    setup = setup if setup.sources else replace(setup, sources=_registered_names())
    with console.show_progress("reading the description"):
        targets, values, workflows = _open_targets(setup)
        caps = Caps(usd=setup.max_usd, steps=setup.max_steps, seconds=setup.max_seconds).or_else(model_settings().caps)
        spending = SpendingMeter(caps.usd, caps.setting("usd"))
        planners = PlannerFactory(targets=targets, workflows=workflows, routing=setup.routing, spending=spending)
        planner = planners.create(setup.planner, setup.model or _registered_model(setup.sources or ()))
        # A workflow may call APIs that no question is put to.
        targets = {**targets, **(workflows.targets if workflows is not None else {})}
    secrets = tuple(secret for target in targets.values() for secret in target.credentials.values())
    session = Session(
        planner=planner,
        targets=targets,
        render=_renderer(setup, targets),
        policy=Policy(
            yes=setup.yes or setup.yes_to is not None,
            destroy=setup.yes_to is not None,
            across=setup.across,
            loosely=setup.loosely,
            interactive=is_interactive(),
            ask_below=ASK_BELOW,
            change_below=CHANGE_BELOW,
            offer_below=OFFER_BELOW,
            secrets=secrets,
        ),
        consent=ConsentPrompt(),
        workflow_consent=WorkflowPrompt(),
        dry_run=setup.dry_run,
        limits=waiting_limits(stream_limits(setup.timeout, setup.events), setup.wait, no_wait=setup.no_wait),
        caps=caps,
        thinking=ThinkingStatus(spending),
        known_values=values,
        secret_names=_secret_inputs(workflows),
        log_fields=setup.log_fields,
    )
    return session, planners


def _renderer(setup: Setup, targets: Targets) -> Renderer:
    """Return what shows the events: the answer as text or data, or the events themselves."""
    if setup.output is not None and setup.output.is_events:
        return json_lines(targets)
    if setup.output in (None, ConversationFormat.TEXT):
        return TextRenderer(targets, dry_run=setup.dry_run, verbose=setup.verbose)
    return DataRenderer(targets, Output(setup.output), dry_run=setup.dry_run, verbose=setup.verbose)


def _open_targets(setup: Setup) -> tuple[Targets, dict[str, object], WorkflowSet | None]:
    """Return the Target of each API, the known values by argument, and the registered workflows.

    Known values are the registered ones, overridden by `--set`.
    """
    names = list(dict.fromkeys(setup.sources or ()))
    if len(names) > 1 and (setup.base_url or setup.env or setup.auth or setup.headers or setup.no_auth):
        raise UsageError(
            "--base-url, --auth, -H and --no-auth go with one API",
            hint="register each with `nlapi api add`, then name them with -a",
        )
    set_values: dict[str, object] = dict(parse_pairs(setup.known_values, "--set"))
    targets = [open_target(name, setup.base_url, setup.auth, no_auth=setup.no_auth, env=setup.env) for name in names]
    targets = [(with_headers(target, setup.headers), known) for target, known in targets]
    targets, set_values = _take_credentials(targets, set_values)
    apis = [
        OpenedApi(name=name, target=target, values=known) for name, (target, known) in zip(names, targets, strict=True)
    ]
    workflows = open_registered(apis)
    inputs = (
        set() if workflows is None else {name for entry in workflows.tools for name in entry.workflow.input_schemas}
    )
    unused = [
        name
        for name in set_values
        if name.partition(".")[0] not in inputs and not any(_has_argument(target.spec, name) for target, _ in targets)
    ]
    if unused:
        raise UsageError(f"no operation takes an argument {unused[0]!r}", hint=_nearest_argument(unused[0], targets))
    specs = [target.spec for target, _ in targets]
    set_values = {name: _set_value(name, value, specs, inputs) for name, value in set_values.items()}
    # A registered value is dropped where another API takes an argument of the same name: it belongs to one API alone.
    values = {
        name: value
        for target, registered_values in targets
        for name, value in registered_values.items()
        if not any(_has_argument(candidate.spec, name) for candidate, _ in targets if candidate is not target)
    }
    return {target.spec: target for target, _ in targets}, {**values, **set_values}, workflows


def _take_credentials(
    targets: list[tuple[Target, dict[str, str]]], values: dict[str, object]
) -> tuple[list[tuple[Target, dict[str, str]]], dict[str, object]]:
    """Return the targets with those of `--set` that are credentials of theirs, and the other values."""
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    taken: set[str] = set()
    opened = []
    for target, registered in targets:
        arguments = {name for name in texts if _has_argument(target.spec, name)}
        with_credentials, rest = take_credentials(target, texts, arguments)
        taken |= texts.keys() - rest.keys()
        opened.append((with_credentials, registered))
    return opened, {name: value for name, value in values.items() if name not in taken}


def _secret_inputs(workflows: WorkflowSet | None) -> frozenset[str]:
    if workflows is None:
        return frozenset()
    from nlapi.workflows.outline import secret_names

    return frozenset().union(*(secret_names(entry.workflow) for entry in workflows.tools))


def _nearest_argument(name: str, opened: list[tuple[Target, dict[str, str]]]) -> str:
    import nlapi
    from nlapi.tools.arguments import nearest_names

    names = [near for target, _ in opened for tool in nlapi.tools(target.spec) for near in nearest_names(tool, name)]
    return question(list(dict.fromkeys(names))[:3]) or "`nlapi tools SOURCE` shows the arguments of each"


def _has_argument(spec: Spec, name: str) -> bool:
    """Return whether an operation of an API takes an argument of that name, or a property inside one."""
    import nlapi
    from nlapi.tools.arguments import find_argument

    return any(find_argument(tool, name) is not None for tool in nlapi.tools(spec))


def _takes_file(spec: Spec, name: str) -> bool:
    """Return whether an operation of an API takes a file as the argument of that name."""
    import nlapi
    from nlapi.tools.sending.files import file_form

    return any(file_form(tool, name) is not None for tool in nlapi.tools(spec))


def _registered_model(names: Sequence[str]) -> str | None:
    """Return the model that is registered for the APIs of a question, where they have one and the same."""
    models = {entry.model for name in names if (entry := registry.find_registration(name)) is not None}
    return next(iter(models)) or None if len(models) == 1 else None


def _registered_names() -> list[str]:
    """Return the names of all registered APIs, for a question without `-a`. UsageError if none exists."""
    names = list(registry.read_registrations())
    if not names:
        raise UsageError(
            "which API? name it with -a", hint="such as -a openapi.yaml, or -a ads for the bundled example"
        )
    return names


def open_log(is_enabled: bool, policy: Policy) -> AbstractContextManager[Log | None]:
    """Return a new transcript, or a context of None with --no-log."""
    if not is_enabled:
        return nullcontext()
    from nlapi.agent.records.log import Log

    return Log.create(registry.log_folder(), secrets=policy.secrets)


def _set_value(name: str, value: object, specs: Sequence[Spec], inputs: Collection[str]) -> object:
    """Return the value of an argument that `--set` gives: `@PATH` is a file where one is taken."""
    if not isinstance(value, str):
        return value
    if name not in inputs and value.startswith("env:") and value[4:] in os.environ:
        # It would be sent as this text, and shown in previews and to models, as it is not a credential.
        raise UsageError(
            f"--set {name}={value}: {name} is an argument of the API and no credential of it",
            hint=f'give the value itself, which is shown: --set {name}="${value[4:]}"',
        )
    if value.startswith("@") and any(_takes_file(spec, name) for spec in specs):
        from nlapi.cli.call.arguments import read_file_argument

        return read_file_argument(value[1:])
    return value


def _lacks_planned_change(rounds: Sequence[Round]) -> bool:
    """Return whether look-ups for a change succeeded and no change was planned, as no item or several match."""
    goals = [round.plan.goal for round in rounds if round.plan.goal is not None]
    plans_change = any(goal.effect is not Effect.READ for goal in goals)
    only_reads = all(
        step.call.effect is Effect.READ and step.outcome is Outcome.ANSWERED for r in rounds for step in r.steps
    )
    failed = any(step.result is not None and not step.result.ok for r in rounds for step in r.steps)
    return plans_change and only_reads and not failed and rounds[-1].plan.confidence < ASK_BELOW


def exit_code(answered: TurnAnswered) -> int:
    """Return 0 done, 1 failed, 3-5 the API's last status, 6 refused, 7 not understood, 8 the answer was cut."""
    from nlapi.planner.steps.name_rounds import without_name_rounds

    turn = answered.conversation.current
    if all(step.result is not None and step.result.ok for step in turn.steps):
        # That the names of the API could be read is not a success of the question.
        turn = without_name_rounds(answered.conversation).current
    rounds, steps = turn.rounds, turn.steps
    if rounds and rounds[-1].plan.ended:
        return UNFINISHED
    plan = rounds[-1].plan if rounds else None
    failed = plan is not None and bool(plan.failure)
    # A command never ends as a read with exit code 0 (docs/design/027-what-stands.md).
    if steps and plan is not None and not plan.calls and _lacks_planned_change(rounds):
        return 7
    if not steps:
        return 1 if failed else 7 if plan is not None and plan.confidence < ASK_BELOW else 0
    stopped = plan is not None and plan.calls and steps[-1].outcome is not Outcome.PREVIEWED
    return _step_exit_code(steps[-1]) or (1 if stopped or failed else 0)


def _step_exit_code(step: Step) -> int:
    """Return the exit code of a last step; 0 for one that succeeded."""
    if step.outcome is Outcome.REFUSED:
        return 7 if step.call.effect is Effect.READ and left_out_reason(step.call) else 6
    if step.outcome is Outcome.FAILED or (step.result is not None and step.result.ended is EndReason.BROKEN):
        return 1
    if step.result is not None and not step.result.ok:
        return min(step.result.status // 100, 5)
    # A web page instead of JSON, such as a sign-in page with status 200, is not a success.
    if step.result is not None:
        from nlapi.tools.answers.diagnosis import is_foreign_page

        if is_foreign_page(step.result, step.call.tool.operation):
            return 1
    return 0
