"""Decides for each value of a call whether it is a constant, an input of the user, or a part of an earlier answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from nlapi.agent.log import MAX_BODY
from nlapi.changes.tracing import trace_call
from nlapi.client.masking import MASK
from nlapi.client.message import body_size
from nlapi.client.safe_text import single_line
from nlapi.english.words import name_key, stem
from nlapi.errors import UsageError
from nlapi.issue import Issue
from nlapi.openapi.credential_parameters import is_unspoken
from nlapi.openapi.spec import Effect, Spec
from nlapi.resources.lexicon import is_verb
from nlapi.resources.nouns import singular_noun
from nlapi.tools.answer_view import next_arguments
from nlapi.tools.arguments import argument_schema, property_schema
from nlapi.tools.files import file_form
from nlapi.tools.ledger import key_argument
from nlapi.tools.plan import Conversation, Outcome, Step
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from nlapi.workflows.answer_values import (
    Answered,
    Fit,
    UntraceableError,
    created_id,
    find_value,
    identifies_item,
    is_argument,
    is_id_of_item,
    value_locations,
)
from nlapi.workflows.draft import AnswerValue, InputValue, StepDraft, reads_as_expression

CONSTANT = "constant"
"""The rule of an Issue about a constant that an answer held as well."""

_USER_ORIGINS = frozenset({Origin.WORDS, Origin.REPLY, Origin.SETTING})
_ANSWER_ORIGINS = frozenset({Origin.LOOKUP, Origin.ANSWER, Origin.NOBODY})

# Keywords of a schema that an input takes over: all that need no other part of the description.
_KEYWORDS = (
    "type", "enum", "const", "format", "description", "pattern", "minimum", "maximum", "minLength", "maxLength",
)  # fmt: skip

# Names that say nothing of the thing: the `name` of two steps are two inputs, though both had the same value.
_COMMON_NAMES = frozenset("name title label description text body content message status state type value".split())


@dataclass(slots=True)
class InputRegister:
    """The inputs of one workflow. `secrets` are values that may be in no text of it, `issues` what was decided."""

    conversation: Conversation
    values: dict[tuple[str, str, str], InputValue] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    def add_issue(self, issue: Issue) -> None:
        """Add what was decided about a step, once."""
        if issue not in self.issues:
            self.issues.append(issue)

    def add(
        self, name: str, value: Any, words: str, schema: Mapping[str, Any], call: Call, *, is_secret: bool
    ) -> InputValue:
        """Return the input for a value of the user: one for each name and value, but for names that say nothing."""
        common = f"{call.id}{id(call)}" if name.lower() in _COMMON_NAMES else ""
        noun = "_".join(singular_noun(call.tool.operation))
        key = (name_key(f"{noun}_id" if name.lower() in ("id", "ids") else name), f"{value!r}", common)
        if key not in self.values:
            self.values[key] = InputValue(
                name=name, noun=noun, schema=schema, said=words, example=value, is_secret=is_secret
            )
            if is_secret and isinstance(value, str) and value:
                self.secrets.append(value)
        return self.values[key]


def answered_call(step: Step, conversation: Conversation, round_steps: tuple[Step, ...], turn: int) -> Answered:
    """Return a call with its account and its draft; a step that was only shown has no answer."""
    call = step.call
    if call.account is None:
        call = replace(call, account=trace_call(call, conversation, round_steps))
    summary = single_line(call.tool.operation.summary).strip()
    status = step.result.status if step.result is not None else None
    draft = StepDraft(tool=call.tool, status=status, content_type=_content_type(step), description=summary)
    return Answered(step=replace(step, call=call), draft=draft, turn=turn)


def answered_before(conversation: Conversation) -> Iterator[Answered]:
    """Yield the calls of a conversation that were answered with success, as they are when none of them is a step."""
    for step in (step for turn in conversation.turns for step in turn.steps):
        if step.outcome is Outcome.ANSWERED and step.result is not None and step.result.ok:
            yield Answered(step=step, draft=StepDraft(tool=step.call.tool))


def _content_type(step: Step) -> str:
    header = step.request.header("content-type") if step.request is not None and step.request.content else None
    return (header or "").partition(";")[0].strip()


@dataclass(slots=True, kw_only=True)
class ValueNodes:
    """The arguments of one call, with inputs and values of earlier answers in the place of what was sent."""

    inputs: InputRegister
    answered: Answered
    earlier: Sequence[Answered]
    others: Sequence[Answered] = ()
    """calls that were answered and are no steps of the workflow, so that it cannot refer to their answers"""
    known_values: Mapping[str, AnswerValue] = field(default_factory=dict)
    """values that stand for a part of an answer which there is not yet"""
    used: list[AnswerValue] = field(default_factory=list)

    @property
    def call(self) -> Call:
        return self.answered.step.call

    def arguments(self) -> dict[str, Any]:
        call = self.call
        nodes = {}
        for name, value in call.arguments.items():
            # The key of a change is made anew in each run, and the first page needs no cursor.
            if name == key_argument(call.tool):
                continue
            schema = argument_schema(call.tool, name)
            if self._is_secret(name, schema) or file_form(call.tool, name) is not None:
                nodes[name] = self._user_input(name, value, schema, None)
            else:
                nodes[name] = self._node(name, value, schema)
        return nodes

    def _is_secret(self, name: str, schema: Mapping[str, Any]) -> bool:
        location, wire = self.call.tool.places.get(name, ("body", name))
        schemes = self.call.tool.operation.spec.security_schemes.values()
        is_key = (location, wire) in {(scheme.location, scheme.name) for scheme in schemes}
        return is_key or is_unspoken(wire, location, dict(schema), str(schema.get("description", "")))

    def _node(self, argument: str, value: Any, schema: Mapping[str, Any]) -> Any:
        if isinstance(value, (Mapping, list)) and value:
            return self._compound(argument, value, schema)
        return self._leaf(argument, value, schema)

    def _compound(self, argument: str, value: Any, schema: Mapping[str, Any]) -> Any:
        spec = self.call.tool.operation.spec
        origins = {source.origin for source in self._sources(argument)}
        if origins and not origins & {*_USER_ORIGINS, Origin.VERB}:
            with suppress(UntraceableError):  # its values are looked for one by one
                if location := self._found(argument, value, None):
                    return location
        if isinstance(value, list):
            items = spec.follow(schema.get("items", {}))
            items = items if isinstance(items, Mapping) else {}
            is_plain = not any(isinstance(item, (Mapping, list)) for item in value)
            # The entries of a list that the user said are one input: with other inputs there may be more of them.
            if is_plain and origins and origins <= _USER_ORIGINS:
                return self._user_input(argument, value, schema, self._source(argument, None))
            return [self._node(argument, item, items) for item in value]
        return {
            str(name): self._node(f"{argument}.{name}", item, property_schema(spec, schema, str(name)))
            for name, item in value.items()
        }

    def _leaf(self, argument: str, value: Any, schema: Mapping[str, Any]) -> Any:
        if isinstance(value, str) and value in self.known_values:
            self.used.append(self.known_values[value])
            return self.known_values[value]
        source = self._source(argument, value)
        origin = self._origin(source)
        if schema.get("format") == "password" or (isinstance(value, str) and MASK in value):
            return self._user_input(argument, value, schema, source, is_secret=True)
        if (chosen := self._chosen_name(value, source)) is not None:
            return chosen
        if (made := self._found_in_changes(argument, value)) is not None:
            return made
        if origin in _USER_ORIGINS:
            is_verb = source is not None and self._is_command(source.words, value)
            return value if is_verb else self._user_input(argument, value, schema, source)
        # What the description says as well may have come from an answer all the same.
        is_item = identifies_item(argument, self.call)
        if origin in _ANSWER_ORIGINS or (origin is Origin.DESCRIPTION and is_item and self._is_traced):
            try:
                if (location := self._found(argument, value, source)) is not None:
                    return location
                reason = ""
            except UntraceableError as error:
                reason = str(error)
            self._check_complete(argument)
            held = value_locations(argument, value, self.call, (*self.earlier, *self.others))
            reason = reason or (f"{held[0].text} has the same value" if held else "no earlier answer has it")
            # The item of this conversation is hardly that of the next: an input asks, a constant would not.
            is_item = (is_item and bool(held or origin is Origin.ANSWER)) or any(map(is_id_of_item, held))
            if origin is Origin.LOOKUP or is_item:
                is_name = source is not None and str(value).casefold() == source.words.casefold()
                return self._asked(argument, value, schema, source, "" if is_name else reason)
        if isinstance(value, str) and reads_as_expression(value):
            return self._user_input(argument, value, schema, source)
        if origin is not Origin.VERB and value not in (None, ""):
            self._warn_of_constant(argument, value)
        return value

    @property
    def _is_traced(self) -> bool:
        return self.call.account is not None and self.call.account.traced

    def _warn_of_constant(self, argument: str, value: Any) -> None:
        """Warn that an answer held the same value as a constant, which then may be the answer's."""
        locations = value_locations(argument, value, self.call, (*self.earlier, *self.others))
        if locations:
            best = min(locations, key=lambda location: location.fit)
            message = f"its {argument} is a constant, and the answer to {best.text} had the same value"
            hint = "an input or an expression in its place follows it"
            self.inputs.add_issue(Issue.warning(self.call.operation_id, message, hint, CONSTANT))

    def _origin(self, source: ValueSource | None) -> Origin:
        """Return the kind of source of a value: words that the user never wrote stand for an item of an answer."""
        if source is None:
            return Origin.NOBODY
        if source.origin is not Origin.WORDS or not source.words:
            return source.origin
        # `pause it` is planned with the id in the place of `it`.
        words = " ".join(source.words.casefold().split())
        turns = self.inputs.conversation.turns[: self.answered.turn + 1]
        is_written = any(words in " ".join(turn.question.casefold().split()) for turn in turns)
        return Origin.WORDS if is_written else Origin.ANSWER

    def _is_command(self, words: str, value: Any) -> bool:
        """Return whether the words for a value are the verb of the command: `pause` for PAUSED."""
        if not words.isalpha() or not is_verb(stem(words.lower())) or words.casefold() == str(value).casefold():
            return False
        question = self.inputs.conversation.turns[self.answered.turn].question
        start = rf"(?:^|[,;.:]|\band|\bthen|\bplease|\balso)\W*{re.escape(words)}\b"
        return re.search(start, question, re.IGNORECASE) is not None

    def _asked(
        self, argument: str, value: Any, schema: Mapping[str, Any], source: ValueSource | None, reason: str
    ) -> InputValue:
        node = self._user_input(argument, value, schema, source)
        if reason:
            message = f"its {argument} is an input, as it cannot be found again in an answer: {reason}"
            self.inputs.add_issue(Issue.warning(self.call.operation_id, message))
        return node

    def _chosen_name(self, value: Any, source: ValueSource | None) -> InputValue | None:
        """Return the input that chooses an entry of this very answer, where the list is filtered by the same words."""
        names = self.answered.names
        texts = [value, source.words if source is not None else ""]
        return next(
            (names[text.casefold()] for text in texts if isinstance(text, str) and text.casefold() in names), None
        )

    def _found_in_changes(self, argument: str, value: Any) -> AnswerValue | None:
        """Return where a change of this conversation answered with a value, which then is not the user's own."""
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            return None
        changes = [other for other in self.earlier if other.operation.effect is not Effect.READ]
        try:
            location = find_value(argument, value, self.call, changes, None, Fit.WHOLE_ANSWER)
        except UntraceableError:
            return None
        if location is None or location.choice is not None:
            return None
        answered = next(other for other in changes if other.draft is location.step)
        if created_id(answered) != location.keys or is_argument(answered, value):
            return None
        self.used.append(location)
        return location

    def _found(self, argument: str, value: Any, source: ValueSource | None) -> AnswerValue | None:
        location = find_value(argument, value, self.call, self.earlier, source)
        if location is not None:
            self.used.append(location)
            step = next(other.step for other in self.earlier if other.draft is location.step)
            if location.choice is not None and step.result and next_arguments(step.call, step.result) is not None:
                message = "the workflow looks for the item on the first page of the list alone, and there were more"
                self.inputs.add_issue(Issue.warning(step.call.operation_id, message))
        return location

    def _check_complete(self, argument: str) -> None:
        """Raise UsageError where an answer that a value may have come from is stored only in part."""
        for other in self.earlier:
            result = other.step.result
            # A character that the cut went through is dropped.
            if result is not None and other.data is None and body_size(result) >= MAX_BODY - 3:
                raise UsageError(
                    f"the step {self.call.operation_id} cannot be saved: its {argument} may come from the answer to "
                    f"{other.operation.id}, which the transcript has only in part",
                    hint="ask for less at once, and save that conversation",
                )

    def _user_input(
        self,
        argument: str,
        value: Any,
        schema: Mapping[str, Any],
        source: ValueSource | None,
        *,
        is_secret: bool | None = None,
    ) -> InputValue:
        name = argument.rpartition(".")[2]
        is_file = file_form(self.call.tool, argument) is not None
        if is_secret is None:
            is_secret = self._is_secret(argument, schema) or is_file
        words = source.words if source is not None else ""
        keywords = input_schema(self.call.tool.operation.spec, schema)
        if is_secret:
            # A run stores no input of these formats.
            keywords["format"] = "binary" if is_file else "password"
        return self.inputs.add(name, value, words, keywords, self.call, is_secret=is_secret)

    def _sources(self, argument: str) -> tuple[ValueSource, ...]:
        account = self.call.account or Account()
        return account.of(argument)

    def _source(self, argument: str, value: Any) -> ValueSource | None:
        """Return the source of a value: that of the argument and the value, else of the argument alone."""
        sources = [source for source in self._sources(argument) if source.argument == argument]
        same = [source for source in sources if str(source.value) == str(value)]
        return next(chain(same, sources), None) if same or len(sources) == 1 or value is None else None


def input_schema(spec: Spec, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an input: the keywords of an argument's that need no other part of the description."""
    followed = spec.schema(schema)
    keywords = {name: followed[name] for name in _KEYWORDS if name in followed}
    if isinstance(keywords.get("description"), str):
        keywords["description"] = single_line(keywords["description"])[:200]
    if items := spec.schema(followed.get("items")):
        keywords["items"] = {name: items[name] for name in ("type", "enum", "format") if name in items}
    return keywords
