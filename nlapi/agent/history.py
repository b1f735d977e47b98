"""Writes a Conversation as the messages of a request, with old answers cleared where they would be too long."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from nlapi.agent.messages import Block, Message, ModelState, append_content, model_state, tool_result
from nlapi.agent.operation_tools import CHANGE, READ
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Outcome, Plan, Step, Turn

OFFER_HEAD = "Operations that may fit, from the API's description:"


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


def history(
    conversation: Conversation, views: AnswerViews, offer: Callable[[str], str], room: HistoryRoom, model: str = ""
) -> list[Message]:
    """Return the conversation as messages: user and assistant in turn, every tool_use answered directly after it.

    A plan of `model` is sent back unchanged, thinking included; that of another model without its thinking, which is
    signed for that model alone. A plan of any other planner becomes tool_use blocks.
    `offer` gives the operations that stand beside a question. What is cleared depends on the messages before it only,
    so that a request begins as the one before it did, for the prompt cache.
    """
    messages: list[Message] = []
    handles: dict[str, str] = {}
    for number, turn in enumerate(conversation.turns):
        if room.condensed and turn is not conversation.current:
            append_content(messages, "user", [{"type": "text", "text": turn.question}])
            append_content(messages, "assistant", _answer_content(turn))
            continue
        append_content(messages, "user", _question_content(turn.question, offer(turn.question)))
        for count, round in enumerate(turn.rounds):
            state = model_state(round.plan)
            if state is None:
                state = _as_model_state(round.plan, f"call_{number}_{count}")
                steps = dict(zip(_tool_use_ids(state), round.steps, strict=False))
            else:
                steps = {step.call.id: step for step in round.steps}
            for message in state.messages:
                content = message["content"] if state.model == model else without_thinking(message["content"])
                append_content(messages, message["role"], content)
            # The API refuses a conversation in which a tool_use has no tool_result in the next message.
            results = (state.results.get(id) or _step_result(id, steps.get(id), views) for id in _tool_use_ids(state))
            append_content(messages, "user", list(results))
            handles |= {id: views.handle(step) for id, step in steps.items() if step.result is not None}
    return _clear_results(messages, handles, room)


def without_thinking(content: list[Block]) -> list[Block]:
    """Return the content of a message without what the model thought."""
    return [block for block in content if block["type"] not in ("thinking", "redacted_thinking")]


def _answer_content(turn: Turn) -> list[Block]:
    """Return what was answered in a turn, as one text; it must not be empty."""
    texts = [round.plan.text for round in turn.rounds if round.plan.text.strip()]
    return [{"type": "text", "text": texts[-1] if texts else "(not answered)"}]


def _clear_results(messages: list[Message], handles: Mapping[str, str], room: HistoryRoom) -> list[Message]:
    """Return the messages with the oldest tool_results cleared where all together take more than the room."""
    sizes: dict[str, int] = {}
    cleared: set[str] = set()
    for message in messages:
        blocks = [block for block in message["content"] if block["type"] == "tool_result"]
        new = {block["tool_use_id"]: len(block["content"]) for block in blocks}
        if sum(sizes.values()) + sum(new.values()) > room.full:
            # The answers to the last calls stay, whatever their size: the model has not seen them yet.
            for id in list(sizes):
                if sum(sizes.values()) + sum(new.values()) <= room.cleared:
                    break
                cleared.add(id)
                del sizes[id]
        sizes |= new
    if not cleared:
        return messages
    return [
        {**message, "content": [_cleared(block, cleared, handles) for block in message["content"]]}
        for message in messages
    ]


def _cleared(block: Block, cleared: Collection[str], handles: Mapping[str, str]) -> Block:
    if block["type"] != "tool_result" or block["tool_use_id"] not in cleared:
        return block
    handle = handles.get(block["tool_use_id"])
    text = f"cleared to save room; `result` reads {handle} again" if handle else "cleared to save room"
    return {**block, "content": text}


def _question_content(question: str, offer: str) -> list[Block]:
    """Return the content of the user's turn. The operations stand here and not in the prefix, which is cached."""
    content = [{"type": "text", "text": question}]
    return [*content, {"type": "text", "text": f"{OFFER_HEAD}\n{offer}"}] if offer else content


def _as_model_state(plan: Plan, name: str) -> ModelState:
    """Return the state that Claude's plan would have with the text and the calls of another planner's plan."""
    content: list[Block] = [{"type": "text", "text": plan.text}] if plan.text.strip() else []
    for number, call in enumerate(plan.calls):
        arguments = dict(call.arguments)
        tool_name = READ if call.tool.effect is Effect.READ else CHANGE
        block_input = {"operation": call.tool.name, "arguments": arguments}
        content.append({"type": "tool_use", "id": f"{name}_{number}", "name": tool_name, "input": block_input})
    return ModelState(model="", messages=({"role": "assistant", "content": content},))


def _tool_use_ids(state: ModelState) -> list[str]:
    """Return the ids of the tool_uses in the last message, which are still to be answered."""
    return [
        block["id"] for message in state.messages[-1:] for block in message["content"] if block["type"] == "tool_use"
    ]


def _step_result(id: str, step: Step | None, views: AnswerViews) -> Block:
    if step is None:
        return tool_result(id, "not run", is_error=True)
    if step.result is None:
        return tool_result(id, f"{step.outcome}: {step.message}", is_error=step.outcome is not Outcome.PREVIEWED)
    return tool_result(id, views.view(step), is_error=not step.result.ok)
