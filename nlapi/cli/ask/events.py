"""Events of the agent's loop, rendered as text for a person or as JSON lines for a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nlapi.agent.events import (
    CallProposed,
    ChangesReported,
    ChoiceOffered,
    Event,
    InputNeeded,
    ItemsReceived,
    PlanCreated,
    PlannerChosen,
    StepFinished,
    TextReceived,
    TurnAnswered,
    WorkEnded,
    WorkflowProposed,
    change_lines,
)
from nlapi.agent.models.messages import PLANNER as MODEL_PLANNER
from nlapi.agent.records.log import encode_event
from nlapi.cli.ask.prompts import menu_lines
from nlapi.cli.options import Output
from nlapi.cli.render import console, preview
from nlapi.client.masking import redact
from nlapi.client.message import EndReason, describe_end
from nlapi.client.safe_text import json_line, single_line, strip_control
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.quantities.moments import value_notes
from nlapi.tools.sending.run import Target, build_partial
from nlapi.tools.tool import Call

MAX_LABEL = 60
"""characters of the name of an item beside its request"""

Targets = Mapping[Spec, Target]


class Renderer(Protocol):
    """A function that shows one event."""

    def __call__(self, event: Event) -> None: ...


class DiagnosisNotes:
    """Notes on standard error about a base URL or credential that may be wrong, each once in a conversation."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._notes: set[str] = set()

    def __call__(self, step: Step) -> None:
        from nlapi.tools.answers.diagnosis import diagnose

        operation = step.call.tool.operation
        note = diagnose(step.result, operation, self._targets[operation.spec]) if step.result else ""
        if note and note not in self._notes:
            self._notes.add(note)
            console.note(note)


def json_lines(targets: Targets, *, secrets: tuple[str, ...] = ()) -> Renderer:
    """Return a renderer that prints each event as one line of JSON; missing arguments come with the request so far.

    `secrets` are masked in it, and the secret inputs of a workflow.
    """
    diagnosis_notes = DiagnosisNotes(targets)
    masked = list(secrets)

    def render(event: Event) -> None:
        if isinstance(event, StepFinished):
            diagnosis_notes(event.step)
        masked.extend(_secret_inputs(event))
        record = encode_event(event)
        if isinstance(event, TurnAnswered) and event.views:
            record["views"] = [
                {"text": view.text, "columns": list(view.columns), "rows": view.records()} for view in event.views
            ]
        if isinstance(event, InputNeeded):
            record["calls"] = [
                {"operation": call.operation_id, "arguments": dict(call.arguments), **_sketch_fields(call, targets)}
                for call in event.plan.calls
            ]
        # Flushed at once: a program that reads the lines shows progress while the question is still being answered.
        line = json.dumps(record, ensure_ascii=False, default=str)
        console.write(redact(line, masked) if masked else line)
        console.flush()

    return render


def _secret_inputs(event: Event) -> tuple[str, ...]:
    """Return the secret inputs of the workflow that a plan begins."""
    proposal = event.plan.proposal if isinstance(event, PlanCreated) else None
    return proposal.secrets if proposal is not None else ()


def _sketch_fields(call: Any, targets: Targets) -> dict[str, str]:
    request = build_partial(call, targets[call.tool.operation.spec])
    return {"method": request.method, "url": request.url}


class TextRenderer:
    """A renderer for a person: plans and calls on standard error, answers on standard output.

    The requests of reads are shown only where nothing is sent, or `verbose`; those of changes always.
    """

    def __init__(self, targets: Targets, *, dry_run: bool, verbose: bool = False) -> None:
        self.targets = targets
        self.shows_reads = verbose or dry_run
        self.data: Callable[[str], None] = console.write if dry_run else console.note
        self.diagnosis_notes = DiagnosisNotes(targets)
        self.planner = ""
        self.streamed_text = ""
        """the text of the model that has been printed for the plan at hand"""
        self.text_is_open = False
        # Whether the items of the last streamed answer are already on standard output.
        self.has_printed = False
        self.understood = ""
        """the line about the last plan of the turn"""
        self.shown_ids: set[str] = set()
        """the calls of a whole plan that were shown before their turn"""
        # The reason why the last call was not sent. It is printed only when another event follows, because the error
        # that ends a question states it too.
        self.unsent_message = ""
        self.shown_proposal: CallProposed | None = None
        """the last call of the plan that was shown"""
        self.masked: list[str] = []
        """the secret inputs of workflows, which no line shows"""

    def __call__(self, event: Event) -> None:
        if self.unsent_message:
            console.dim(self.unsent_message)
            self.unsent_message = ""
        match event:
            case TextReceived():
                self._write_text(event.text)
            case PlannerChosen() if event.model or self.shows_reads:
                # The embedded planner sends nothing anywhere; a model is always named.
                console.dim(f"planner: {event.model or event.planner}, as {event.why}")
            case PlanCreated():
                self._show_plan(event)
            case WorkflowProposed() | CallProposed():
                self._show_proposed(event)
            case ItemsReceived():
                # A model tells the answer in its own words; the embedded planner's answer is its items.
                if self.planner != MODEL_PLANNER:
                    self.has_printed = True
                    from nlapi.cli.call.result_output import print_items

                    print_items(event.items, event.framing)
            case StepFinished() | WorkEnded() | ChangesReported():
                self._show_end(event)
            case InputNeeded():
                self._show_incomplete(event)
            case ChoiceOffered():
                console.write("Which of these do you mean?\n" + "\n".join(menu_lines(event)))
            case TurnAnswered():
                self.understood = ""
                self._show_answer(event)

    def _write_text(self, text: str) -> None:
        self.text_is_open = True
        self.streamed_text += text
        console.write(strip_control(text), end="")
        console.flush()

    def _show_plan(self, event: PlanCreated) -> None:
        self.shown_proposal = None
        self.planner = event.planner
        self.masked.extend(_secret_inputs(event))
        if event.plan.calls:
            self.streamed_text = ""
        if self.text_is_open:
            console.write("")
            self.text_is_open = False
        if event.plan.understood and (event.plan.calls or event.plan.missing):
            confidence = f" ({event.plan.confidence:.0%} sure)" if event.plan.confidence < 1 else ""
            line = f"understood: {event.plan.understood}{confidence}"
            # The plan after a look-up is often the one before it, with what lacks.
            if line != self.understood:
                console.dim(line)
            self.understood = line
        for entry in event.plan.following:
            if entry.call.id not in self.shown_ids:
                self.shown_ids.add(entry.call.id)
                self.data(f"  then {preview.following(entry)}")

    def _show_proposed(self, event: WorkflowProposed | CallProposed) -> None:
        if isinstance(event, WorkflowProposed):
            self._show_workflow(event)
        else:
            self._show_proposal(event)

    def _show_workflow(self, event: WorkflowProposed) -> None:
        for line in event.proposal.lines:
            self.data(line)
        if event.reason:
            console.dim(f"  {event.reason}")

    def _show_proposal(self, event: CallProposed) -> None:
        self.has_printed = False
        if event.effect is Effect.READ and not event.asks and not self.shows_reads:
            return
        mark = "" if event.effect is Effect.READ else f"  ! {event.effect.phrase}"
        # In quotes and last: a name that an API gives must not pass for what nlapi says.
        label = f"  {json_line(console.shorten(single_line(event.call.label), MAX_LABEL))}" if event.call.label else ""
        name = single_line(event.call.operation_id)
        before, self.shown_proposal = self.shown_proposal, event
        # What is the same as in the call before it, of the same operation, is not shown again.
        if before is not None and before.call.tool.operation is not event.call.tool.operation:
            before = None
        is_same = before is not None and _sent_beside_url(before) == _sent_beside_url(event)
        # All or nothing: of a part that is left out nobody would know whether it holds here too.
        is_as_above = before is not None and _remarks(before) == _remarks(event)
        note = _as_above(event, body=is_same, remarks=is_as_above)
        self.data(redact(f"→ {name}: {event.request.method} {event.request.url}{mark}{label}{note}", self.masked))
        if event.request.content and not is_same:
            self.data(redact(_indent(console.preview_body(event.request)), self.masked))
        for line in (*value_notes(event.call), *change_lines(event.changes)):
            self.data(redact(f"  {line}", self.masked))
        for line in () if is_as_above else _account_lines(event):
            console.dim(redact(f"  {line}", self.masked))
        if not is_same:
            self.data(redact(f"  {event.curl}", self.masked))
        if event.reason and not is_as_above:
            console.dim(f"  {event.reason}")

    def _show_end(self, event: StepFinished | WorkEnded | ChangesReported) -> None:
        if isinstance(event, StepFinished):
            self._show_step(event.step)
            return
        if isinstance(event, WorkEnded):
            console.note(redact(event.step.message or f"{event.step.call.operation_id} is done", self.masked))
            return
        for line in preview.report(event):
            console.note(line)

    def _show_step(self, step: Step) -> None:
        if step.result is not None:
            result = step.result
            is_expected = step.call.effect is Effect.READ and result.ok and not describe_end(result)
            if is_expected and not self.shows_reads:
                self.diagnosis_notes(step)
                return
            console.dim(f"← {result.status} {console.status_phrase(result.status)} · {result.elapsed:.2f} s")
            if end := describe_end(result):
                hint = " (--timeout SECONDS waits longer, --events N stops after N)"
                console.dim(f"  {end}{hint if result.ended is EndReason.DEADLINE else ''}")
            self.diagnosis_notes(step)
        elif step.outcome is not Outcome.PREVIEWED:
            message = f"× {step.call.operation_id}: {step.message}"
            if step.message.startswith("not sent: "):
                self.unsent_message = message
            else:
                console.dim(message)

    def _show_incomplete(self, event: InputNeeded) -> None:
        for call in event.plan.calls:
            request = build_partial(call, self.targets[call.tool.operation.spec])
            self.data(f"→ {call.operation_id}: {request.method} {request.url}")
            if request.content and request.content != b"{}":
                self.data(_indent(console.preview_body(request)))

    def _show_answer(self, event: TurnAnswered) -> None:
        if self.planner == MODEL_PLANNER:
            from nlapi.agent.models.planner import turn_usage

            # The end of a turn at a cap is not the model's own text, and has not been streamed.
            if event.text.strip() not in self.streamed_text:
                console.write(strip_control(event.text))
            self.streamed_text = ""
            if cost := turn_usage(event.conversation.current):
                console.dim(cost)
            return
        for view in () if self._show_items(event) else event.views:
            if view.rows:
                from nlapi.cli.render import table

                table.print_answer(view)
        if event.text:
            console.write(strip_control(event.text))

    def _show_items(self, event: TurnAnswered) -> bool:
        """Print the items of a streamed last answer, and return whether it is one; no table is printed then."""
        results = [step.result for step in event.conversation.current.steps if step.result is not None]
        if not results or not results[-1].ok or results[-1].items is None:
            return False
        if not self.has_printed:
            from nlapi.cli.call.result_output import print_items

            print_items(results[-1].items, results[-1].framing)
        return True


class DataRenderer(TextRenderer):
    """A renderer for a program that wants the answer alone: its entries as CSV, or with its text as JSON or YAML."""

    def __init__(self, targets: Targets, output: Output, *, dry_run: bool, verbose: bool) -> None:
        super().__init__(targets, dry_run=dry_run, verbose=verbose)
        # Standard output has the answer and nothing else.
        self.data = console.note
        self.output = output

    def _write_text(self, text: str) -> None:
        self.streamed_text += text

    def _show_answer(self, event: TurnAnswered) -> None:
        from nlapi.cli.call.result_output import arrangement, write_entries

        rows = [row for view in event.views for row in view.rows]
        if self.output is Output.CSV:
            write_entries(rows, Output.CSV, arrangement(None, None))
            if event.text:
                console.note(event.text)
            return
        answer = {"answer": strip_control(event.text), "entries": rows}
        if self.output is Output.YAML:
            from nlapi.workflows.write import yaml_text

            console.write(yaml_text(answer), end="")
        else:
            console.write(console.format_json(answer))


def _account_lines(event: CallProposed) -> list[str]:
    # The reason against a change names the unused words as well.
    is_named = "not used: " in event.reason
    return [line for line in preview.account(event.call) if not (is_named and "not used: " in line)]


def _remarks(event: CallProposed) -> list[str]:
    """Return what is said of a call beside its request, without the value of the item that it is about."""
    return [text.replace(_item(event.call), "") for text in (*_account_lines(event), event.reason)]


def _as_above(event: CallProposed, *, body: bool, remarks: bool) -> str:
    """Return what stands for the parts of a call that are those of the one before it, and so are left out."""
    left_out = [("body", body and event.request.content), ("reasons", remarks and any(_remarks(event)))]
    names = [name for name, is_left_out in left_out if is_left_out]
    return f"  ({' and '.join(names)} as above)" if names else ""


def _sent_beside_url(event: CallProposed) -> tuple[object, ...]:
    return event.request.method, event.request.headers, event.request.content


def _item(call: Call) -> str:
    """Return what remarks call the item that a call is about, by the last argument in its path: `id: 'c11' `."""
    names = [name for name, place in call.tool.places.items() if place[0] == "path" and name in call.arguments]
    return f"{names[-1]}: {call.arguments[names[-1]]!r} " if names else "\0"


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
