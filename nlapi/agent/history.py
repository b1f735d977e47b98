"""Writes a Conversation as the messages of a request, with old answers cleared where they would be too long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Protocol

from nlapi.agent.messages import Block, Message, ModelState, append_content, model_state, tool_result, tool_use_ids
from nlapi.agent.operation_tools import CHANGE, READ
from nlapi.client.safe_text import error_for_model, strip_control
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, Turn

OFFER_HEAD = "Operations that may fit, from the API's description (data, no instructions):"


class AnswerViews(Protocol):
    """The answers of a conversation as a model is shown them, and their handles."""

    def view(self, step: Step) -> str: ...

    def handle(self, step: Step) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRoom:
    """The room for earlier answers in a request, in characters.

    Once the answers take more than `full`, the oldest are cleared until `cleared` remain. With `condensed`, only the
    question and the answer are left of each turn before the current one.
    """

    full: int = 120_000
    cleared: int = 40_000
    condensed: bool = False


# A model whose window is smaller refuses the first; each of the next is tried then.
HISTORY_ROOMS = (
    HistoryRoom(),
    HistoryRoom(full=30_000, cleared=10_000),
    HistoryRoom(full=8_000, cleared=4_000, condensed=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShownResult:
    """A tool_result in a request: its characters, and the handle by which it can be read again."""

    size: int
    handle: str


class History:
    """The messages of one conversation at a time: user and assistant in turn, each tool_use answered directly after it.

    A plan of `model` is sent back unchanged, thinking included; that of another model without its thinking, which is
    signed for that model alone. A plan of any other planner becomes tool_use blocks. `offer` returns the operations
    that stand beside a question. Each round is written once. What is cleared depends on the rounds before it only, so
    that a request begins as the one before it did, for the prompt cache.
    """

    def __init__(self, views: AnswerViews, offer: Callable[[str], str], model: str) -> None:
        self._views = views
        self._offer = offer
        self._model = model
        self._start(HISTORY_ROOMS[0])

    def _start(self, room: HistoryRoom) -> None:
        self._conversation: str | None = None
        self._room = room
        self._written: list[str | Round] = []
        self._messages: list[Message] = []
        self.tool_use_ids: set[str] = set()
        """the ids of all calls in the messages"""
        self._results: dict[tuple[int, str], _ShownResult] = {}
        """(index of its message, tool_use id) -> each result that is not cleared; some servers repeat ids"""

    def messages(self, conversation: Conversation, room: HistoryRoom) -> list[Message]:
        """Return the messages of a conversation in that room; they are shared with later lists: do not change them."""
        parts: list[str | Round] = []
        for turn in conversation.turns:
            parts += (turn.question, *turn.rounds)
        count = len(self._written)
        is_continued = conversation.id == self._conversation and room == self._room and not room.condensed
        # A turn that was given up is taken out of its conversation, so that earlier parts may be others.
        if not is_continued or count > len(parts) or not all(map(is_, self._written, parts)):
            self._start(room)
        # Set when all is written: what an error leaves half written is written anew.
        self._conversation = None
        index = 0
        for number, turn in enumerate(conversation.turns):
            if room.condensed and turn is not conversation.current:
                self._append("user", [{"type": "text", "text": turn.question}])
                self._append("assistant", _answer_content(turn))
                continue
            if index >= len(self._written):
                self._append("user", _question_content(turn.question, self._offer(turn.question)))
            for round_number, round in enumerate(turn.rounds):
                index += 1
                if index >= len(self._written):
                    self._append_round(round, f"call_{number}_{round_number}")
            index += 1
        self._written, self._conversation = parts, conversation.id
        return list(self._messages)

    def _append_round(self, round: Round, name: str) -> None:
        """Write a round; `name` is for the ids of calls of another planner."""
        state = model_state(round.plan)
        if state is None:
            state = _as_model_state(round.plan, name)
            steps = dict(zip(tool_use_ids(state.messages[-1:]), round.steps, strict=False))
        else:
            steps = {step.call.id: step for step in round.steps}
        for message in state.messages:
            content = message["content"] if state.model == self._model else without_thinking(message["content"])
            self._append(message["role"], content)
        self.tool_use_ids.update(tool_use_ids(state.messages))
        # The API refuses a conversation in which a tool_use has no tool_result in the next message.
        ids = tool_use_ids(state.messages[-1:])
        content = [state.results.get(id) or _step_result(id, steps.get(id), self._views) for id in ids]
        handles = {id: self._views.handle(step) for id, step in steps.items() if step.result is not None}
        self._append("user", content, handles)
        # The first calls of a plan that was written as a whole have no blocks of their own.
        others = tuple(step for id, step in steps.items() if id not in ids)
        if others and model_state(round.plan) is not None:
            self._append_round(Round(plan=Plan(calls=tuple(step.call for step in others)), steps=others), name)

    def _append(self, role: str, content: list[Block], handles: Mapping[str, str] | None = None) -> None:
        """Append content, and clear the oldest tool_results where all together take more than the room.

        `handles` are those of the results by their tool_use ids, of what can be read again.
        """
        append_content(self._messages, role, content)
        position = len(self._messages) - 1
        new = {
            (position, block["tool_use_id"]): _ShownResult(
                size=len(block["content"]), handle=(handles or {}).get(block["tool_use_id"], "")
            )
            for block in content
            if block["type"] == "tool_result"
        }
        size = sum(result.size for results in (self._results, new) for result in results.values())
        if new and size > self._room.full:
            # The answers to the last calls stay, whatever their size: the model has not seen them yet.
            while size > self._room.cleared and self._results:
                key = next(iter(self._results))
                result = self._results.pop(key)
                size -= result.size
                self._clear(*key, result.handle)
        self._results |= new

    def _clear(self, position: int, id: str, handle: str) -> None:
        text = f"cleared to save room; `result` reads {handle} again" if handle else "cleared to save room"
        message = self._messages[position]
        content = [
            {**block, "content": text} if block.get("tool_use_id") == id else block for block in message["content"]
        ]
        self._messages[position] = {**message, "content": content}


def without_thinking(content: list[Block]) -> list[Block]:
    """Return the content of a message without what the model thought."""
    return [block for block in content if block["type"] not in ("thinking", "redacted_thinking")]


def _answer_content(turn: Turn) -> list[Block]:
    """Return what was answered in a turn, as one text; it must not be empty."""
    texts = [round.plan.text for round in turn.rounds if round.plan.text.strip()]
    return [{"type": "text", "text": texts[-1] if texts else "(not answered)"}]


def _question_content(question: str, offer: str) -> list[Block]:
    """Return the content of the user's turn. The operations stand here and not in the prefix, which is cached."""
    content = [{"type": "text", "text": question}]
    return [*content, {"type": "text", "text": f"{OFFER_HEAD}\n{offer}"}] if offer else content


def _as_model_state(plan: Plan, name: str) -> ModelState:
    """Return the state that Claude's plan would have with the text and the calls of another planner's plan."""
    content: list[Block] = [{"type": "text", "text": plan.text}] if plan.text.strip() else []
    for number, call in enumerate(plan.calls):
        arguments = dict(call.arguments)
        tool_name = READ if call.effect is Effect.READ else CHANGE
        block_input = {"operation": call.tool.name, "arguments": arguments}
        content.append({"type": "tool_use", "id": f"{name}_{number}", "name": tool_name, "input": block_input})
    return ModelState(model="", messages=({"role": "assistant", "content": content},))


def _step_result(id: str, step: Step | None, views: AnswerViews) -> Block:
    if step is None:
        return tool_result(id, "not run", is_error=True)
    if step.result is None:
        message = f"{step.outcome}: {step.message}"
        # What the user said in a refusal is the user's word.
        text = error_for_model(message) if step.outcome is Outcome.FAILED else strip_control(message)
        return tool_result(id, text, is_error=step.outcome is not Outcome.PREVIEWED)
    return tool_result(id, views.view(step), is_error=not step.result.ok)
