"""Traces each value of a call that a model wrote to the user, to an answer, or to nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from nlapi.changes.choices import verb_or_words
from nlapi.changes.clauses import narrowed
from nlapi.changes.days import day_mention
from nlapi.changes.figures import CURRENCIES, figures, is_figure
from nlapi.changes.leftover import unused_words
from nlapi.changes.lookups import has_answers, is_in_answers, matched, unchanged
from nlapi.changes.mentions import Mention, Sentence
from nlapi.openapi.hints import hints
from nlapi.resources.naming import name_key, pieces, stem
from nlapi.tools.account import SAID, Account, Origin, Source
from nlapi.tools.idempotency import key_argument
from nlapi.tools.plan import Conversation, Step, is_remembered
from nlapi.tools.tool import Call
from nlapi.tools.walk import property_of, schema_at

# A bare agreement, which is about the change of the question before.
_CONFIRMATION = re.compile(
    r"\W*(?:(?:yes|yeah|yep|ok|okay|sure|please|do (?:it|that|so)|go ahead|go on|confirm(?:ed)?|send it|i agree)\W*)+",
    re.IGNORECASE,
)
MAX_LEAVES = 400
"""Values of one call that are traced; those behind count as said by nobody, so that the change asks."""


def traced(
    call: Call, conversation: Conversation, during: tuple[Step, ...] = (), *, today: date | None = None
) -> Account:
    """Return the account of `call`; `round_steps` are those of the current round so far.

    A value counts as said where a message of the user has it as whole words, in the forms that people write: $50 for
    50000000 micros, `paused` for PAUSED, tomorrow for a date. Any other value is from an answer, or from nobody. Days
    are relative to `today`, by default this machine's.
    """
    conversation = _confirmed(conversation)
    steps = (*(step for turn in conversation.turns for step in turn.steps), *during)
    leaves = tuple(_leaves(call))
    tracer = _Tracer(
        call=call,
        sentences=tuple(Sentence(text=turn.question) for turn in reversed(conversation.turns)),
        known=conversation.known,
        steps=steps,
        beside=frozenset(str(leaf.value).lower() for leaf in leaves),
        today=today or date.today(),
    )
    sources = tracer.sources(leaves[:MAX_LEAVES])
    sources += tuple(_source(leaf, Origin.NOBODY) for leaf in leaves[MAX_LEAVES:])
    current = (*conversation.current.steps, *during)
    used = (*sources, *(one for step in current for one in tracer.of_step(step)))
    unused = unused_words(tracer.sentences[0], call, used, sources)
    account = Account(sources=sources, unused=unused, traced=True, answered=has_answers(steps))
    return narrowed(call, account, conversation.question)


def _confirmed(conversation: Conversation) -> Conversation:
    """Return the conversation without a last bare `yes, do it`, so that the question before is the current one."""
    *before, current = conversation.turns
    if not before or not _CONFIRMATION.fullmatch(current.question):
        return conversation
    last = replace(before[-1], rounds=(*before[-1].rounds, *current.rounds))
    return _confirmed(replace(conversation, turns=(*before[:-1], last)))


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
        yield from _inside(call, name, value, schema_at(call.tool, name))


def _inside(call: Call, argument: str, value: Any, schema: Mapping[str, Any]) -> Iterator[_Leaf]:
    spec = call.tool.operation.spec
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            inner = property_of(spec, schema, str(key))
            # A key that the description does not have is free text of the model, and is traced like a value.
            if not inner and not _names_argument(argument, str(key)):
                yield _Leaf(argument=f"{argument}.{key}", value=str(key), schema={})
            yield from _inside(call, f"{argument}.{key}", one, inner)
    elif isinstance(value, list | tuple) and value:
        # Each entry is traced alone: of three recipients two may be the user's.
        items = spec.follow(schema.get("items", {})) if isinstance(schema, Mapping) else {}
        for one in value:
            yield from _inside(call, argument, one, items if isinstance(items, Mapping) else {})
    else:
        yield _Leaf(argument=argument, value=value, schema=schema if isinstance(schema, Mapping) else {})


def _names_argument(argument: str, key: str) -> bool:
    return name_key(key) == name_key(argument.rpartition(".")[2])


def _source(
    leaf: _Leaf, origin: Origin, mention: Mention | None = None, *, current: bool = True, name: str = ""
) -> Source:
    if mention is None:
        return Source(argument=leaf.argument, value=leaf.value, origin=origin, name=name)
    start, end = (mention.start, mention.end) if current else (-1, -1)
    return Source(
        argument=leaf.argument, value=leaf.value, origin=origin, words=mention.words, start=start, end=end, name=name
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracer:
    """The texts in which a call's values are traced. `sentences` are the user's messages, the current one first."""

    call: Call
    sentences: tuple[Sentence, ...]
    known: Mapping[str, Any]
    steps: tuple[Step, ...]
    beside: frozenset[str]
    today: date

    def sources(self, leaves: Iterable[_Leaf]) -> tuple[Source, ...]:
        """Return the source of each value; repeated values of an update come last, as they need its target."""
        sources = [(leaf, self._source(leaf)) for leaf in leaves]
        # A PUT has to repeat every field, so that values copied from its own target are no choice of the model.
        targets = [str(one.value) for _, one in sources if one.origin in SAID and self._is_in_path(one.argument)]
        return tuple(self._repeated(leaf, one, targets) for leaf, one in sources)

    def of_step(self, step: Step) -> tuple[Source, ...]:
        """Return the sources of an earlier call of the same question, for its use of the words."""
        leaves = list(_leaves(step.call))[:MAX_LEAVES]
        return tuple(one for leaf in leaves if (one := self._said(leaf)) is not None)

    def _source(self, leaf: _Leaf) -> Source:
        known = self._known(leaf)
        said = self._said(leaf) or known or _described(leaf) or self._looked_up(leaf)
        if said is not None:
            return said
        return _source(leaf, Origin.ANSWER if is_in_answers(leaf.value, self.steps) else Origin.NOBODY)

    def _said(self, leaf: _Leaf) -> Source | None:
        for number, sentence in enumerate(self.sentences):
            found = self._mention(leaf, sentence)
            if found is not None:
                return _source(leaf, found[0], found[1], current=number == 0)
        return None

    def _mention(self, leaf: _Leaf, sentence: Sentence) -> tuple[Origin, Mention] | None:
        """Return the words of a sentence for a value, in any of the forms that people write."""
        value = leaf.value
        if isinstance(value, bool) or _is_choice(leaf):
            found = verb_or_words(leaf.argument, value, sentence)
            if found is not None or isinstance(value, bool):
                return found
        if isinstance(value, str):
            names = frozenset(map(stem, pieces(leaf.argument)))
            mention = (
                sentence.mention(value, names, self.beside)
                or _currency_mention(leaf.argument, value, sentence)
                or day_mention(value, sentence, self.today)
            )
            if mention is not None:
                return Origin.WORDS, mention
        if isinstance(value, str | int | float):
            return self._figure(leaf, sentence)
        return None

    def _figure(self, leaf: _Leaf, sentence: Sentence) -> tuple[Origin, Mention] | None:
        unit = hints(leaf.schema).unit
        about = f"{' '.join(pieces(leaf.argument))} {leaf.schema.get('description', '')}"
        # `web-2` and `v1.2` have figures and are no numbers.
        if isinstance(leaf.value, str) and not re.match(r"\W{0,3}\d", leaf.value):
            return None
        for figure in figures(sentence):
            if is_figure(leaf.value, figure, unit, about):
                return Origin.WORDS, figure.mention
        return None

    def _known(self, leaf: _Leaf) -> Source | None:
        """Return the source of a value that the user set by name, or in a reply."""
        top, *inside = leaf.argument.split(".")
        wanted = {name_key(leaf.argument), name_key(top) if not inside else name_key(leaf.argument)}
        for name, value in self.known.items():
            if name_key(name) in wanted and _equals(value, leaf.value):
                return _source(leaf, Origin.REPLY if is_remembered(self.known, name) else Origin.SETTING)
        whole = self.known.get(top)
        if inside and isinstance(whole, Mapping | list) and any(_equals(one, leaf.value) for one in _values(whole)):
            return _source(leaf, Origin.REPLY if is_remembered(self.known, top) else Origin.SETTING)
        return None

    def _looked_up(self, leaf: _Leaf) -> Source | None:
        if not isinstance(leaf.value, str | int) or leaf.value == "":
            return None
        for number, sentence in enumerate(self.sentences):
            found = matched(leaf.argument, leaf.value, self.call, self.steps, sentence)
            if found is not None:
                return _source(leaf, Origin.LOOKUP, found.mention, current=number == 0, name=found.name)
        return None

    def _repeated(self, leaf: _Leaf, source: Source, targets: Iterable[str]) -> Source:
        if source.origin is not Origin.ANSWER:
            return source
        name = unchanged(leaf.argument, leaf.value, self.call, self.steps, targets)
        return _source(leaf, Origin.LOOKUP, name=name) if name else source

    def _is_in_path(self, argument: str) -> bool:
        return self.call.tool.places.get(argument, ("body", ""))[0] == "path"


def _is_choice(leaf: _Leaf) -> bool:
    """Return whether a value is one of a closed list, or the state of an item."""
    last = pieces(leaf.argument)[-1:]
    return isinstance(leaf.value, str) and ("enum" in leaf.schema or last in (["status"], ["state"]))


def _described(leaf: _Leaf) -> Source | None:
    """Return the source of a value that the description has: a constant, a default, the only choice."""
    schema = leaf.schema
    fixed = [schema[key] for key in ("const", "default") if key in schema]
    choices = schema.get("enum")
    fixed += choices if isinstance(choices, list) and len(choices) == 1 else []
    if any(_equals(one, leaf.value) for one in fixed):
        return _source(leaf, Origin.DESCRIPTION)
    return None


def _currency_mention(argument: str, value: str, sentence: Sentence) -> Mention | None:
    """Return the figure whose currency has this code: EUR for 49.99 €."""
    if value not in CURRENCIES.values() or stem("currency") not in map(stem, pieces(argument)):
        return None
    return next((figure.mention for figure in figures(sentence) if figure.currency == value), None)


def _equals(one: Any, other: Any) -> bool:
    return one == other or (str(one) == str(other) and not isinstance(one, bool) and not isinstance(other, bool))


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _values(one)
    elif isinstance(value, list):
        for one in value:
            yield from _values(one)
    else:
        yield value
