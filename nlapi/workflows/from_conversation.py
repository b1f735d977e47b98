"""Makes a workflow of what was done in a conversation: ids of answers become expressions, the user's values inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nlapi.agent.messages import model_state
from nlapi.client.masking import redact
from nlapi.client.safe_text import single_line
from nlapi.errors import UsageError
from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Effect, Spec
from nlapi.planner.steps.name_rounds import without_name_rounds
from nlapi.planner.steps.state import LookupState, state_of
from nlapi.resources.nouns import singular_noun
from nlapi.tools.plan import Conversation, Outcome, Step, Turn
from nlapi.workflows.answer_values import (
    Answered,
    created_id,
    is_further_page,
)
from nlapi.workflows.draft import (
    AnswerValue,
    WorkflowDraft,
    build_document,
)
from nlapi.workflows.model import WorkflowDocument
from nlapi.workflows.rehearsal import rehearse
from nlapi.workflows.value_nodes import InputRegister, ValueNodes, answered_call


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedConversation:
    """A document made of a conversation; `issues` say what of the conversation it does not have, or has otherwise."""

    document: WorkflowDocument
    issues: tuple[Issue, ...] = ()


def workflow_of(
    conversation: Conversation, *, id: str = "", locations: Mapping[Spec, str] | None = None
) -> SavedConversation:
    """Return the workflow of the calls of a conversation that were answered with success.

    Reads whose answer no call uses are left out, unless they answer the last question. UsageError where there is no
    call, or where a value came from an answer that the transcript has only in part.
    """
    return _Recorder(without_name_rounds(conversation)).save(id, locations or {})


@dataclass(slots=True)
class _Recorder:
    conversation: Conversation
    answered: list[Answered] = field(default_factory=list)
    by_step: dict[int, Answered] = field(default_factory=dict)
    inputs: InputRegister = field(init=False)

    def __post_init__(self) -> None:
        self.inputs = InputRegister(self.conversation)

    def save(self, id: str, locations: Mapping[Spec, str]) -> SavedConversation:
        self.answered = list(self._answered_calls())
        for number, answered in enumerate(self.answered):
            first = next((other for other in self.answered[:number] if is_further_page(answered, other)), None)
            answered.page_of = first
        kept = self._resolve_all() if self.answered else []
        if not kept:
            raise UsageError(
                "nothing was changed or answered in the conversation, so there is nothing to save",
                hint="`nlapi log show` shows it",
            )
        steps = [answered.draft for answered in kept]
        for answered in kept:
            answered.draft.results = tuple(self._results(answered))
        questions = list(dict.fromkeys(turn.question for turn in self._turns(kept) if turn.question))
        said = [single_line(redact(question, tuple(self.inputs.secrets))) for question in questions]
        issues = tuple(self.inputs.issues)
        draft = WorkflowDraft(steps=steps, id=id, said=said, locations=locations, issues=issues)
        built = build_document(draft)
        # What is saved is proved before it is written: a value in the wrong place would change something else.
        if fault := rehearse(built, kept):
            raise UsageError(
                f"the conversation cannot be saved as a workflow: {fault}", hint="`nlapi log show` shows what was done"
            )
        return SavedConversation(document=built.linked.document, issues=issues)

    def _turns(self, kept: Sequence[Answered]) -> Iterator[Turn]:
        numbers = {answered.turn for answered in kept}
        yield from (turn for number, turn in enumerate(self.conversation.turns) if number in numbers)

    def _answered_calls(self) -> Iterator[Answered]:
        """Yield the calls that succeeded, with their accounts; the others are named."""
        turns = self.conversation.turns
        for number, turn in enumerate(turns):
            for index, round in enumerate(turn.rounds):
                for position, step in enumerate(round.steps):
                    if step.outcome is not Outcome.ANSWERED or step.result is None or not step.result.ok:
                        self._leave_out(step, "it did not succeed")
                        continue
                    if step.result.is_cut:
                        self._leave_out(step, "its answer was cut before its end")
                        continue
                    before = replace(turn, rounds=turn.rounds[:index])
                    so_far = replace(self.conversation, turns=(*turns[:number], before))
                    self.by_step[id(step)] = answered_call(step, so_far, round.steps[:position], number)
                    yield self.by_step[id(step)]

    def _leave_out(self, step: Step, reason: str) -> None:
        if step.call.effect is not Effect.READ:
            self.inputs.issues.append(
                Issue(level=Level.INFO, where=step.call.operation_id, message=f"left out: {reason}")
            )

    def _resolve_all(self) -> list[Answered]:
        """Resolve the values of the calls that are saved, the last first, and return these in order."""
        needed = {id(answered) for answered in self.answered if answered.operation.effect is not Effect.READ}
        answers = self._answers(has_changes=bool(needed))
        for answered in answers:
            answered.draft.is_answer = True
        needed |= {id(answered) for answered in answers}
        kept: list[Answered] = []
        for number in reversed(range(len(self.answered))):
            answered = self.answered[number]
            if id(answered) not in needed:
                continue
            kept.append(answered)
            nodes = ValueNodes(inputs=self.inputs, answered=answered, earlier=self.answered[:number])
            answered.draft.arguments = nodes.arguments()
            used = {id(value.step) for value in nodes.used}
            needed |= {id(other) for other in self.answered if id(other.draft) in used}
        kept.reverse()
        return kept

    def _answers(self, *, has_changes: bool) -> list[Answered]:
        """Return the reads that answer the last question: those after its last change, without look-ups."""
        last = self.answered[-1].turn
        rounds = self.conversation.turns[last].rounds
        lists = [[self.by_step[id(step)] for step in round.steps if id(step) in self.by_step] for round in rounds]
        reads: list[Answered] = []
        for round, calls in zip(rounds, lists, strict=True):
            if any(answered.operation.effect is not Effect.READ for answered in calls):
                reads = []
                continue
            # A model reads to find out what to do next; its last reads are what it answers from.
            if model_state(round.plan) is not None and calls:
                reads = []
            if not isinstance(state_of(round.plan), LookupState):
                reads += calls
        pages = [answered for answered in reads if answered.page_of is not None]
        if pages:
            name = pages[0].operation.id
            self.inputs.issues.append(Issue.warning(name, f"the workflow reads the first of {len(pages) + 1} pages"))
        return [answered for answered in reads if answered.page_of is None]

    def _results(self, answered: Answered) -> Iterator[AnswerValue]:
        if answered.operation.effect is Effect.WRITE and (keys := created_id(answered)) is not None:
            noun = "_".join(singular_noun(answered.operation))
            name = str(keys[-1]) if not noun or noun in str(keys[-1]) else f"{noun}_id"
            yield AnswerValue(step=answered.draft, keys=keys, name="".join(c for c in name if c.isascii()) or "id")
