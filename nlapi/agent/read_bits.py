"""Prices a read: the bits that choose its request among those that might have been sent in its place.

A read is a message to whoever runs the API, so its price is the length of a description that the receiver could decode:
of the operation, of the names of its arguments, and of each value (docs/design/074-flow-by-provenance.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import comb, lgamma, log, log2

from nlapi.openapi.spec import Effect
from nlapi.tools.arguments import argument_schema
from nlapi.tools.plan import Conversation, Receiver, Receivers, Step
from nlapi.tools.tool import Call

MIN_DATA_NUMBER = 10_000
"""the least number that may be anybody's data; one below it is a page size or a coordinate, and costs its bits"""

_WORD = re.compile(r"[\w@.+'-]*\w")
# A figure, a sign, a point or the `e` of an exponent.
_NUMBER_SYMBOL_BITS = log2(14)
# A printable mark of ASCII, or one that the user typed.
_MARK_BITS = 5.0
# A word in small letters, in capitals, or with one at its start.
_SPELLING_BITS = 2.0
# What the user said in other words: a day for `tomorrow`, an amount in another unit.
_OTHER_FORM_BITS = 4.0


@dataclass(frozen=True, kw_only=True)
class UserTexts:
    """What the user wrote: questions, settings and replies."""

    texts: tuple[str, ...]

    @classmethod
    def of(cls, conversation: Conversation) -> UserTexts:
        return cls(texts=(*(turn.question for turn in conversation.turns), *value_texts(conversation.known_values)))

    @cached_property
    def words(self) -> frozenset[str]:
        """The words in small letters, without a possessive ending."""
        return frozenset(map(_folded, self._spellings))

    @cached_property
    def _spellings(self) -> frozenset[str]:
        return frozenset(
            form for text in self.texts for word in _words(text) for form in (word, word.removesuffix("'s"))
        )

    @cached_property
    def _marks(self) -> frozenset[str]:
        return frozenset(mark for text in self.texts for mark in text if not mark.isalnum())

    @property
    def word_bits(self) -> float:
        return log2(max(len(self.words), 2))

    def price(self, text: str) -> float | None:
        """Return the bits of a text that is made of the user's words; None where something else is in it."""
        bits, end, count = 0.0, 0, 0
        for match in _WORD.finditer(text):
            spelling, gap = self._spelling_price(match[0]), self._gap_price(text[end : match.start()])
            if spelling is None or gap is None:
                return None
            bits, end, count = bits + self.word_bits + spelling + gap, match.end(), count + 1
        rest = self._gap_price(text[end:])
        if not count or rest is None:
            return None
        # A passage of the user's has a beginning and an end.
        is_passage = any(text in entry for entry in self.texts)
        return min(bits + rest, 2 * self.word_bits) if is_passage and count > 1 else bits + rest

    def _spelling_price(self, word: str) -> float | None:
        if word in self._spellings:
            return 0.0
        is_plain = word in (word.lower(), word.upper(), word.capitalize())
        return _SPELLING_BITS if is_plain and _folded(word) in self.words else None

    def _gap_price(self, gap: str) -> float | None:
        """Return the bits of what is between two words: one for a blank. Invisible marks have no price."""
        if gap in ("", " "):
            return float(len(gap))
        is_plain = all((mark.isascii() and mark.isprintable()) or mark in self._marks for mark in gap)
        return len(gap) * _MARK_BITS if is_plain else None

    def price_of_form(self, text: str) -> float:
        """Return the bits of a value that is traced to the user in other words than its own."""
        is_plain = text in (text.lower(), text.upper(), text.capitalize(), text.title())
        return self.word_bits + _OTHER_FORM_BITS + (0 if is_plain else len(text))


class OwnValues:
    """The values that each API has answered as a whole field or an entry of a list, as texts."""

    def __init__(self, answered: Sequence[Step], receivers: Receivers) -> None:
        self._answered = answered
        self._receivers = receivers
        self._texts: dict[Receiver, frozenset[str]] = {}

    def of(self, receiver: Receiver) -> frozenset[str]:
        if receiver not in self._texts:
            steps = [step for step in self._answered if self._receivers.of_step(step) == receiver]
            self._texts[receiver] = frozenset().union(*map(_answer_texts, steps))
        return self._texts[receiver]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPricing:
    """The prices of values: `user` are the words that are free to use, `own` what each API has answered itself."""

    user: UserTexts
    own: OwnValues
    receivers: Receivers

    def price(self, call: Call, name: str, value: object) -> float | None:
        """Return the bits of a value that is no object or list; None for one that may be anybody's data.

        It is the cheapest of what it may be: one of the description's choices, words of the user, a whole field of what
        this API itself has answered, a small number.
        """
        if value is None or isinstance(value, bool):
            return 2.0
        text = str(value)
        prices = [self._number_price(value) if isinstance(value, int | float) else None, self.user.price(text)]
        if text in (choices := tuple(map(str, _choices(call, name)))):
            prices.append(log2(max(len(choices), 2)))
        if text in (values := self.own.of(self.receivers.of(call.tool.operation))):
            prices.append(log2(max(len(values), 2)))
        return min((price for price in prices if price is not None), default=None)

    def _number_price(self, value: int | float) -> float | None:
        if abs(value) >= MIN_DATA_NUMBER or value != value:
            return None
        if isinstance(value, int) or (value.is_integer() and value):
            # The binary logarithm twice, as the length of the number has to be told too (Elias' gamma code).
            return 2 * log2(abs(value) + 1) + (1 if isinstance(value, int) else 2)
        return len(repr(value)) * _NUMBER_SYMBOL_BITS

    def spent(self, steps: Sequence[Step], calls: Sequence[Call], *, earlier: int = 0) -> float:
        """Return the bits that the reads after the first answer of another API have chosen, `calls` included.

        The first `earlier` steps are of earlier questions: they cost nothing, and what they used is cheaper now.
        """
        ledger, spent = _Ledger(), 0.0
        answered: set[Receiver] = set()
        entries = [(step.call, self.receivers.of_step(step), step.result is not None) for step in steps]
        unsent = ((call, self.receivers.of(call.tool.operation), False) for call in calls)
        for number, (call, receiver, is_answered) in enumerate((*entries, *unsent)):
            if call.effect is Effect.READ and answered - {receiver}:
                price = self._call_price(call, ledger)
                spent += price if number >= earlier else 0.0
            if is_answered:
                answered.add(receiver)
        return spent

    def _call_price(self, call: Call, ledger: _Ledger) -> float:
        operation = call.tool.operation
        key = (id(operation.spec), operation.id)
        bits = 1 + _choice_price(ledger.operations, key, max(len(operation.spec.operations), 2))
        names = tuple(call.arguments)
        shapes = comb(max(len(call.tool.places), len(names), 1), len(names))
        bits += _choice_price(ledger.shapes.setdefault(key, []), names, shapes) + _body_order_price(call, names)
        for name, value in call.arguments.items():
            earlier = ledger.values.setdefault((*key, name), [])
            form, previous = json.dumps(value, default=str), earlier[-1] if earlier else ""
            if form in earlier:
                bits += 1 + log2(len(earlier))
                continue
            earlier.append(form)
            is_next = type(value) is int and form == _following(previous)
            bits += 2 if is_next else 1 + self._tree_price(call, name, value)
            bits += 0 if name in call.tool.places else self._leaf_price(call, name, name)
        return bits

    def _tree_price(self, call: Call, name: str, value: object) -> float:
        """Return the bits of a value with all that is inside of it."""
        if isinstance(value, Mapping):
            keys = sum(1 + self._leaf_price(call, name, str(key)) for key in value)
            return (
                1 + _order_price(len(value)) + keys + sum(self._tree_price(call, name, item) for item in value.values())
            )
        if isinstance(value, list | tuple):
            return 1 + sum(1 + self._tree_price(call, name, item) for item in value)
        return self._leaf_price(call, name, value)

    def _leaf_price(self, call: Call, name: str, value: object) -> float:
        price = self.price(call, name, value)
        return self.user.price_of_form(str(value)) if price is None else price


@dataclass(slots=True)
class _Ledger:
    """What reads have used before, which is cheaper to use again."""

    operations: list[object] = field(default_factory=list)
    shapes: dict[tuple[int, str], list[object]] = field(default_factory=dict)
    values: dict[tuple[int, str, str], list[str]] = field(default_factory=dict)


def _choice_price(used: list[object], choice: object, count: int) -> float:
    """Return the bits of a choice among those `used` before, or among `count`; it is used then."""
    if choice in used:
        return log2(len(used))
    used.append(choice)
    return log2(count)


def _body_order_price(call: Call, names: Sequence[str]) -> float:
    """Return the bits of the order of a body's arguments, which go out as the model has written them."""
    places = call.tool.places
    in_body = [name for name in names if places.get(name, ("body", name))[0] == "body"]
    return 0.0 if in_body == [name for name in places if name in in_body] else _order_price(len(in_body))


def _order_price(count: int) -> float:
    return lgamma(count + 1) / log(2)


def _following(form: str) -> str:
    """Return the number after the one in JSON: the next page."""
    return str(int(form) + 1) if re.fullmatch(r"-?\d{1,15}", form) else ""


def value_texts(value: object) -> Iterator[str]:
    """Yield the values inside of an object or a list, as texts."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from value_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from value_texts(item)
    elif value is not None:
        yield str(value)


@lru_cache(maxsize=500)
def _words(text: str) -> tuple[str, ...]:
    return tuple(match[0] for match in _WORD.finditer(text))


def _folded(word: str) -> str:
    return word.casefold().removesuffix("'s")


def _choices(call: Call, name: str) -> Iterable[object]:
    """Return the closed list of values that the description has for an argument, and the names inside of it."""
    schema = argument_schema(call.tool, name.partition(".")[0])
    lists = [part.get("enum") for part in (schema, schema.get("items")) if isinstance(part, Mapping)]
    properties = schema.get("properties")
    names = tuple(properties) if isinstance(properties, Mapping) else ()
    return (*names, *(choice for choices in lists if isinstance(choices, list) for choice in choices))


def _answer_texts(step: Step) -> frozenset[str]:
    """Return the values of an answer that stand alone: a field, or an entry of a list."""
    assert step.result is not None
    try:
        return frozenset(value_texts(step.result.data))
    except RecursionError:
        return frozenset()
