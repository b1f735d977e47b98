"""The commands of a chat, which begin with a slash: its cost, its operations, the model, and the plan of a question."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from nlapi.cli.apis.find import matching_operations, operation_row
from nlapi.cli.ask.planners import PlannerFactory, can_ask_model
from nlapi.cli.options import ListFormat, PlannerName
from nlapi.cli.render import console, preview, table
from nlapi.client.safe_text import single_line
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.agent.events import PlanCreated
    from nlapi.cli.ask.session import Session
    from nlapi.tools.tool import Call

HELP: Mapping[str, str] = {
    "/cost": "the cost of models so far, and the rest of --max-usd",
    "/tools [WORDS]": "the areas of the API, or the operations that fit words",
    "/model [NAME]": "what plans; or plan with a model, auto or offline from now on",
    "/plan [QUESTION]": "the plan of the last question; or plan one and send nothing",
    "/help": "this list",
}
# Operations that `/tools WORDS` shows: they fit on a screen with the question.
MAX_OPERATIONS = 10
# Characters of a call, or of what was understood, in a line of `/plan`.
MAX_TEXT = 200
_COMMAND = re.compile(r"/([a-z]+)(?:\s+(.*))?", re.IGNORECASE | re.DOTALL)


class ChatCommands:
    """The commands of one chat. `name` and `model` are those that its planner was made by."""

    def __init__(self, session: Session, planners: PlannerFactory, name: PlannerName, model: str | None) -> None:
        self._session = session
        self._planners = planners
        self._name = name
        self._model = model

    def run(self, line: str) -> bool:
        """Carry out a line that is a command, and return whether it is one. UsageError for one that there is not."""
        match = _COMMAND.fullmatch(line)
        if match is None:
            return False
        name, words = match.group(1).lower(), (match.group(2) or "").strip()
        match name:
            case "cost":
                self._show_cost()
            case "tools":
                self._show_tools(words)
            case "model":
                self._switch(words) if words else self._show_model()
            case "plan":
                self._plan(words) if words else self._show_plan()
            case "help":
                for command, text in HELP.items():
                    console.write(f"{command:<18}{text}")
            case _:
                hint = "/help lists the commands; a question begins with a word"
                raise UsageError(f"there is no command /{name}", hint=hint)
        return True

    def _show_cost(self) -> None:
        from nlapi.agent.models.planner import turn_usage

        spending, conversation = self._planners.spending, self._session.conversation
        total = spending.total
        if not total.requests:
            console.write("no model was asked in this chat")
        else:
            verb = "has" if total.unpriced == 1 else "have"
            unpriced = f"; {total.unpriced} of them {verb} no known price" if total.unpriced else ""
            console.write(f"this chat: {console.count_noun(total.requests, 'request')}, {total}{unpriced}")
            if conversation.turns and (last := turn_usage(conversation.current)):
                console.write(f"the last question: {last}")
        if spending.max_usd is not None:
            remaining = max(spending.max_usd - spending.spent, 0.0)
            console.write(f"${remaining:.4f} are left of ${spending.max_usd:g} ({spending.setting})")

    def _show_tools(self, words: str) -> None:
        specs = tuple(self._session.targets)
        if words:
            operations = [operation for spec in specs for operation in spec.visible_operations]
            query, results = matching_operations(operations, words, MAX_OPERATIONS)
            rows = [operation_row(operation) for operation, _ in results]
            empty = f"nothing is about {query!r}; /tools lists the areas"
            table.print_list(rows, ListFormat.TABLE, ("operation", "effect", "summary"), empty=empty)
            return
        from nlapi.tools.search.areas import groups

        areas = [(spec, area) for spec in specs for area in groups(spec, spec.visible_operations)]
        areas.sort(key=lambda entry: -len(entry[1].operations))
        area_rows = [
            {"api": spec.title, "area": area.label, "operations": len(area.operations), "about": area.about}
            for spec, area in areas
        ]
        optional = (("api", len(specs) > 1), ("about", any(area.about for _, area in areas)))
        hidden = {name for name, is_shown in optional if not is_shown}
        table.print_table(area_rows, [name for name in ("api", "area", "operations", "about") if name not in hidden])

    def _show_model(self) -> None:
        console.write(self._planner_text())
        console.note(f"/model takes {', '.join(self._planners.choices)}")

    def _planner_text(self) -> str:
        """Return what plans the next question."""
        if self._name is PlannerName.OFFLINE:
            return "offline: the embedded planner, without a model"
        model = self._planners.endpoint(self._model).name
        if self._name is not PlannerName.AUTO:
            return f"{model} plans"
        if not can_ask_model(self._model):
            return f"auto: the embedded planner, as there is no key for {model}"
        return f"auto: the embedded planner where it is sure, else {model}"

    def _switch(self, word: str) -> None:
        """Plan the next questions with a model, or as `--planner auto|offline` does. An error changes nothing."""
        name, model = PlannerName.MODEL, word
        if word in (PlannerName.AUTO, PlannerName.OFFLINE):
            # `auto` continues with the model that the user chose last.
            name, model = PlannerName(word), self._model or ""
        else:
            self._planners.check_model(word)
        self._session.planner = self._planners.create(name, model or None)
        self._name, self._model = name, model or None
        console.write(self._planner_text())

    def _plan(self, question: str) -> None:
        asyncio.run(self._session.preview(self._session.conversation.with_question(question)))

    def _show_plan(self) -> None:
        if not self._session.planned:
            console.write("there is no plan yet; /plan QUESTION makes one and sends nothing")
        for event in self._session.planned:
            for line in plan_lines(event):
                console.write(line)


def plan_lines(event: PlanCreated) -> Iterator[str]:
    """Yield the lines of a plan: who made it, how sure it is, its calls, and the missing values."""
    from nlapi.agent.models.messages import model_state

    plan, state = event.plan, model_state(event.plan)
    planner = (state.model if state is not None else "") or event.planner
    text = plan.understood or single_line(plan.text) or "no call"
    sure = f" ({plan.confidence:.0%} sure)" if plan.confidence < 1 else ""
    yield f"{planner}: {console.shorten(single_line(text), MAX_TEXT)}{sure}"
    for call in plan.calls:
        yield f"  {_call_text(call)}: {call.effect.phrase}"
        yield from (f"    {line}" for line in preview.account(call))
    if plan.goal is not None and plan.goal not in plan.calls:
        yield f"  then {_call_text(plan.goal)}: {plan.goal.effect.phrase}"
        yield from (f"    {line}" for line in preview.account(plan.goal))
    if plan.missing:
        yield f"  lacks {', '.join(single_line(missing.argument) for missing in plan.missing)}"


def _call_text(call: Call) -> str:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False, default=str) if call.arguments else ""
    return console.shorten(single_line(f"{call.operation_id} {arguments}".rstrip()), MAX_TEXT)
