"""Events of the agent's loop, rendered as text for a person or as JSON lines for a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nlapi.agent.events import (
    Answered,
    Event,
    ItemsReceived,
    Needed,
    Offered,
    Planned,
    PlannerChosen,
    Proposed,
    Reported,
    Said,
    Stepped,
)
from nlapi.agent.log import encode
from nlapi.cli import preview, show, table
from nlapi.cli.live import print_items
from nlapi.cli.menu import lines
from nlapi.client.clean import clean, one_line
from nlapi.client.message import Ended
from nlapi.client.streaming.ending import describe_end
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.run import Target, sketch

Targets = Mapping[Spec, Target]


class Renderer(Protocol):
    """A function that shows one event."""

    def __call__(self, event: Event) -> None: ...


class Doubts:
    """Notes on standard error about a base URL or credential that may be wrong, each once in a conversation."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._noted: set[str] = set()

    def __call__(self, step: Step) -> None:
        from nlapi.tools.diagnosis import diagnose

        operation = step.call.tool.operation
        doubt = diagnose(step.result, operation, self._targets[operation.spec]) if step.result else ""
        if doubt and doubt not in self._noted:
            self._noted.add(doubt)
            show.note(doubt)


def json_lines(targets: Targets) -> Renderer:
    """Return a renderer that prints each event as one line of JSON; missing arguments come with the request so far."""
    doubts = Doubts(targets)

    def render(event: Event) -> None:
        if isinstance(event, Stepped):
            doubts(event.step)
        record = encode(event)
        if isinstance(event, Answered) and event.views:
            record["views"] = [
                {"text": view.text, "columns": list(view.columns), "rows": view.records()} for view in event.views
            ]
        if isinstance(event, Needed):
            record["calls"] = [
                {"operation": call.operation_id, "arguments": dict(call.arguments), **_sketched(call, targets)}
                for call in event.plan.calls
            ]
        # Flushed at once: a program that reads the lines shows progress while the question is still being answered.
        show.write(json.dumps(record, ensure_ascii=False, default=str))
        show.flush()

    return render


def _sketched(call: Any, targets: Targets) -> dict[str, str]:
    request = sketch(call, targets[call.tool.operation.spec])
    return {"method": request.method, "url": request.url}


class Text:
    """A renderer for a person: plans and calls on standard error, answers on standard output."""

    def __init__(self, targets: Targets, *, dry_run: bool) -> None:
        self.targets = targets
        self.data: Callable[[str], None] = show.write if dry_run else show.note
        self.doubts = Doubts(targets)
        self.planner = ""
        self.said = False
        # Whether the items of the last streamed answer are already on standard output.
        self.has_printed = False
        # The reason why the last call was not sent. It is printed only when another event follows, because the error
        # that ends a question states it too.
        self.unsent = ""

    def __call__(self, event: Event) -> None:
        if self.unsent:
            show.dim(self.unsent)
            self.unsent = ""
        match event:
            case Said():
                self._say(event.text)
            case PlannerChosen():
                show.dim(f"planner: {event.planner}, as {event.why}")
            case Planned():
                self._planned(event)
            case Proposed():
                self._proposed(event)
            case ItemsReceived():
                # Claude tells the answer in its own words; the embedded planner's answer is its items.
                if self.planner != "claude":
                    self.has_printed = True
                    print_items(event.items, event.framing)
            case Stepped() | Reported():
                self._over(event)
            case Needed():
                self._needed(event)
            case Offered():
                show.write("Which of these is meant?\n" + "\n".join(lines(event)))
            case Answered():
                self._answered(event)

    def _say(self, text: str) -> None:
        self.said = True
        show.write(clean(text), end="")
        show.flush()

    def _planned(self, event: Planned) -> None:
        self.planner = event.planner
        if self.said:
            show.write("")
            self.said = False
        if event.plan.understood and (event.plan.calls or event.plan.missing):
            sure = f" ({event.plan.confidence:.0%} sure)" if event.plan.confidence < 1 else ""
            show.dim(f"understood: {event.plan.understood}{sure}")

    def _proposed(self, event: Proposed) -> None:
        self.has_printed = False
        mark = "" if event.effect is Effect.READ else f"  ! {show.EFFECTS[event.effect]}"
        name = one_line(event.call.operation_id)
        self.data(f"→ {name}: {event.request.method} {event.request.url}{mark}")
        if event.request.content:
            self.data(_indented(show.body(event.request)))
        for line in preview.changes(event.changes):
            self.data(f"  {line}")
        for line in preview.account(event.call):
            # The reason against a change names the unused words as well.
            if not ("not used: " in line and "not used: " in event.reason):
                show.dim(f"  {line}")
        self.data(f"  {event.curl}")
        if event.reason:
            show.dim(f"  {event.reason}")

    def _over(self, event: Stepped | Reported) -> None:
        if isinstance(event, Stepped):
            self._stepped(event.step)
            return
        for line in preview.report(event):
            show.note(line)

    def _stepped(self, step: Step) -> None:
        if step.result is not None:
            result = step.result
            show.dim(f"← {result.status} {show.reason(result.status)} · {result.elapsed:.2f} s")
            if end := describe_end(result):
                waits = " (--timeout SECONDS waits longer, --events N stops after N)"
                show.dim(f"  {end}{waits if result.ended is Ended.DEADLINE else ''}")
            self.doubts(step)
        elif step.outcome is not Outcome.SHOWN:
            told = f"× {step.call.operation_id}: {step.message}"
            if step.message.startswith("not sent: "):
                self.unsent = told
            else:
                show.dim(told)

    def _needed(self, event: Needed) -> None:
        for call in event.plan.calls:
            request = sketch(call, self.targets[call.tool.operation.spec])
            self.data(f"→ {call.operation_id}: {request.method} {request.url}")
            if request.content and request.content != b"{}":
                self.data(_indented(show.body(request)))

    def _answered(self, event: Answered) -> None:
        if self.planner == "claude":
            from nlapi.agent.claude import spent

            if cost := spent(event.conversation.current):
                show.dim(cost)
            return
        for view in () if self._show_items(event) else event.views:
            if view.rows:
                table.answer(view)
        if event.text:
            show.write(clean(event.text))

    def _show_items(self, event: Answered) -> bool:
        """Print the items of a streamed last answer, and return whether it is one; no table is printed then."""
        done = [step.result for step in event.conversation.current.steps if step.result is not None]
        if not done or not done[-1].ok or done[-1].items is None:
            return False
        if not self.has_printed:
            print_items(done[-1].items, done[-1].framing)
        return True


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
