"""Traces each value of a call that a model wrote to the user, to an answer, or to nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from nlapi.changes.choices import find_choice
from nlapi.changes.clauses import select_clause
from nlapi.changes.days import find_day
from nlapi.changes.figures import CURRENCIES, find_numbers, equals_number
from nlapi.changes.leftover import find_unused_words
from nlapi.changes.lookups import has_answers, is_in_answers, find_match, find_repeated_item
from nlapi.changes.mentions import Mention, UserSentence
from nlapi.openapi.hints import read_hints
from nlapi.resources.naming import name_key, split_words, stem
from nlapi.tools.account import TRUSTED_ORIGINS, Account, Origin, ValueSource
from nlapi.tools.idempotency import key_argument
from nlapi.tools.plan import Conversation, Step, is_remembered
from nlapi.tools.tool import Call
from nlapi.tools.walk import property_schema, argument_schema

# A bare agreement, which is about the change of the question before.
_CONFIRMATION = re.compile(
    r"\W*(?:(?:yes|yeah|yep|ok|okay|sure|please|do (?:it|that|so)|go ahead|go on|confirm(?:ed)?|send it|i agree)\W*)+",
    re.IGNORECASE,
)
MAX_LEAVES = 400
"""Values of one call that are traced; those behind count as said by nobody, so that the change asks."""


def trace_call(
    call: Call, conversation: Conversation, round_steps: tuple[Step, ...] = (), *, today: date | None = None
) -> Account:
    """Return the account of `call`; `round_steps` are those of the current round so far.

    A value counts as said where a message of the user has it as whole words, in the forms that people write: $50 for
    50000000 micros, `paused` for PAUSED, tomorrow for a date. Any other value is from an answer, or from nobody. Days
    are relative to `today`, by default this machine's.
    """
    conversation = _without_confirmation(conversation)
    steps = (*(step for turn in conversation.turns for step in turn.steps), *round_steps)
    leaves = tuple(_leaves(call))
    tracer = _Tracer(
        call=call,
        sentences=tuple(UserSentence(text=turn.question) for turn in reversed(conversation.turns)),
        known_values=conversation.known_values,
        steps=steps,
        sibling_values=frozenset(str(leaf.value).lower() for leaf in leaves),
        today=today or date.today(),
    )
    sources = tracer.sources(leaves[:MAX_LEAVES])
    sources += tuple(_build_source(leaf, Origin.NOBODY) for leaf in leaves[MAX_LEAVES:])
    current = (*conversation.current.steps, *round_steps)
    used_sources = (*sources, *(source for step in current for source in tracer.step_sources(step)))
    unused_texts = find_unused_words(tracer.sentences[0], call, used_sources, sources)
    account = Account(sources=sources, unused=unused_texts, traced=True, answered=has_answers(steps))
    return select_clause(call, account, conversation.question)


def _without_confirmation(conversation: Conversation) -> Conversation:
    """Return the conversation without a last bare `yes, do it`, so that the question before is the current one."""
    *earlier, current = conversation.turns
    if not earlier or not _CONFIRMATION.fullmatch(current.question):
        return conversation
    merged = replace(earlier[-1], rounds=(*earlier[-1].rounds, *current.rounds))
    return _without_confirmation(replace(conversation, turns=(*earlier[:-1], merged)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """A value that is no object or list, or an empty one, with its schema in the description."""

    argument: str
    value: Any
    schema: Mapping[str, Any]


def _leaves(call: Call) -> Iterator[_Leaf]:
    for name, value in call.arguments.items():
        if name == key_argument(call.tool):
            continue  # which try it is says nothing of the change, and one that a model made up is not sent
        yield from _nested_leaves(call, name, value, argument_schema(call.tool, name))


def _nested_leaves(call: Call, argument: str, value: Any, schema: Mapping[str, Any]) -> Iterator[_Leaf]:
    spec = call.tool.operation.spec
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            inner = property_schema(spec, schema, str(key))
            # A key that the description does not have is free text of the model, and is traced like a value.
            if not inner and not _is_argument_name(argument, str(key)):
                yield _Leaf(argument=f"{argument}.{key}", value=str(key), schema={})
            yield from _nested_leaves(call, f"{argument}.{key}", item, inner)
    elif isinstance(value, list | tuple) and value:
        # Each entry is traced alone: of three recipients two may be the user's.
        items = spec.follow(schema.get("items", {})) if isinstance(schema, Mapping) else {}
        for item in value:
            yield from _nested_leaves(call, argument, item, items if isinstance(items, Mapping) else {})
    else:
        yield _Leaf(argument=argument, value=value, schema=schema if isinstance(schema, Mapping) else {})


def _is_argument_name(argument: str, key: str) -> bool:
    return name_key(key) == name_key(argument.rpartition(".")[2])


def _build_source(
    leaf: _Leaf, origin: Origin, mention: Mention | None = None, *, current: bool = True, name: str = ""
) -> ValueSource:
    if mention is None:
        return ValueSource(argument=leaf.argument, value=leaf.value, origin=origin, name=name)
    start, end = (mention.start, mention.end) if current else (-1, -1)
    return ValueSource(
        argument=leaf.argument, value=leaf.value, origin=origin, words=mention.words, start=start, end=end, name=name
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracer:
    """The texts in which a call's values are traced. `sentences` are the user's messages, the current one first."""

    call: Call
    sentences: tuple[UserSentence, ...]
    known_values: Mapping[str, Any]
    steps: tuple[Step, ...]
    sibling_values: frozenset[str]
    today: date

    def sources(self, leaves: Iterable[_Leaf]) -> tuple[ValueSource, ...]:
        """Return the source of each value; repeated values of an update come last, as they need its target."""
        sources = [(leaf, self._find_source(leaf)) for leaf in leaves]
        # A PUT has to repeat every field, so that values copied from its own target are no choice of the model.
        targets = [str(source.value) for _, source in sources if source.origin in TRUSTED_ORIGINS and self._is_in_path(source.argument)]
        return tuple(self._with_repetition(leaf, source, targets) for leaf, source in sources)

    def step_sources(self, step: Step) -> tuple[ValueSource, ...]:
        """Return the sources of an earlier call of the same question, for its use of the words."""
        leaves = list(_leaves(step.call))[:MAX_LEAVES]
        return tuple(source for leaf in leaves if (source := self._from_sentences(leaf)) is not None)

    def _find_source(self, leaf: _Leaf) -> ValueSource:
        setting_source = self._from_known_values(leaf)
        source = self._from_sentences(leaf) or setting_source or _described_source(leaf) or self._from_lookup(leaf)
        if source is not None:
            return source
        return _build_source(leaf, Origin.ANSWER if is_in_answers(leaf.value, self.steps) else Origin.NOBODY)

    def _from_sentences(self, leaf: _Leaf) -> ValueSource | None:
        for number, sentence in enumerate(self.sentences):
            match = self._find_mention(leaf, sentence)
            if match is not None:
                return _build_source(leaf, match[0], match[1], current=number == 0)
        return None

    def _find_mention(self, leaf: _Leaf, sentence: UserSentence) -> tuple[Origin, Mention] | None:
        """Return the words of a sentence for a value, in any of the forms that people write."""
        value = leaf.value
        if isinstance(value, bool) or _is_choice(leaf):
            choice = find_choice(leaf.argument, value, sentence)
            if choice is not None or isinstance(value, bool):
                return choice
        if isinstance(value, str):
            names = frozenset(map(stem, split_words(leaf.argument)))
            mention = (
                sentence.find_mention(value, names, self.sibling_values)
                or _currency_mention(leaf.argument, value, sentence)
                or find_day(value, sentence, self.today)
            )
            if mention is not None:
                return Origin.WORDS, mention
        if isinstance(value, str | int | float):
            return self._find_number(leaf, sentence)
        return None

    def _find_number(self, leaf: _Leaf, sentence: UserSentence) -> tuple[Origin, Mention] | None:
        unit = read_hints(leaf.schema).unit
        description = f"{' '.join(split_words(leaf.argument))} {leaf.schema.get('description', '')}"
        # `web-2` and `v1.2` have figures and are no numbers.
        if isinstance(leaf.value, str) and not re.match(r"\W{0,3}\d", leaf.value):
            return None
        for number in find_numbers(sentence):
            if equals_number(leaf.value, number, unit, description):
                return Origin.WORDS, number.mention
        return None

    def _from_known_values(self, leaf: _Leaf) -> ValueSource | None:
        """Return the source of a value that the user set by name, or in a reply."""
        top, *nested_path = leaf.argument.split(".")
        keys = {name_key(leaf.argument), name_key(top) if not nested_path else name_key(leaf.argument)}
        for name, value in self.known_values.items():
            if name_key(name) in keys and _equals(value, leaf.value):
                return _build_source(leaf, Origin.REPLY if is_remembered(self.known_values, name) else Origin.SETTING)
        setting = self.known_values.get(top)
        if nested_path and isinstance(setting, Mapping | list) and any(_equals(item, leaf.value) for item in _values(setting)):
            return _build_source(leaf, Origin.REPLY if is_remembered(self.known_values, top) else Origin.SETTING)
        return None

    def _from_lookup(self, leaf: _Leaf) -> ValueSource | None:
        if not isinstance(leaf.value, str | int) or leaf.value == "":
            return None
        for number, sentence in enumerate(self.sentences):
            match = find_match(leaf.argument, leaf.value, self.call, self.steps, sentence)
            if match is not None:
                return _build_source(leaf, Origin.LOOKUP, match.mention, current=number == 0, name=match.name)
        return None

    def _with_repetition(self, leaf: _Leaf, source: ValueSource, targets: Iterable[str]) -> ValueSource:
        if source.origin is not Origin.ANSWER:
            return source
        name = find_repeated_item(leaf.argument, leaf.value, self.call, self.steps, targets)
        return _build_source(leaf, Origin.LOOKUP, name=name) if name else source

    def _is_in_path(self, argument: str) -> bool:
        return self.call.tool.places.get(argument, ("body", ""))[0] == "path"


def _is_choice(leaf: _Leaf) -> bool:
    """Return whether a value is one of a closed list, or the state of an item."""
    last = split_words(leaf.argument)[-1:]
    return isinstance(leaf.value, str) and ("enum" in leaf.schema or last in (["status"], ["state"]))


def _described_source(leaf: _Leaf) -> ValueSource | None:
    """Return the source of a value that the description has: a constant, a default, the only choice."""
    schema = leaf.schema
    fixed_values = [schema[key] for key in ("const", "default") if key in schema]
    choices = schema.get("enum")
    fixed_values += choices if isinstance(choices, list) and len(choices) == 1 else []
    if any(_equals(fixed_value, leaf.value) for fixed_value in fixed_values):
        return _build_source(leaf, Origin.DESCRIPTION)
    return None


def _currency_mention(argument: str, value: str, sentence: UserSentence) -> Mention | None:
    """Return the figure whose currency has this code: EUR for 49.99 €."""
    if value not in CURRENCIES.values() or stem("currency") not in map(stem, split_words(argument)):
        return None
    return next((figure.mention for figure in find_numbers(sentence) if figure.currency == value), None)


def _equals(first: Any, second: Any) -> bool:
    return first == second or (str(first) == str(second) and not isinstance(first, bool) and not isinstance(second, bool))


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item)
    else:
        yield value
