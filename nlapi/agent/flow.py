"""What of one API's answers a call may carry elsewhere: the sources of its values, and a budget of bits for reads.

Pure functions of a call and the steps before it (docs/design/074-flow-by-provenance.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import ceil, log2
from urllib.parse import urlsplit

from nlapi.changes.sentences import shorten
from nlapi.changes.tracing import trace_call
from nlapi.client.safe_text import single_line
from nlapi.openapi.spec import Effect, Spec
from nlapi.resources.naming import name_key
from nlapi.tools.arguments import argument_schema
from nlapi.tools.plan import Conversation, Step
from nlapi.tools.tool import TRUSTED_ORIGINS, Call, ValueSource

READ_BITS = 64
"""bits that reads may choose, for each question, after another API has answered: eight letters, and no key or address

Two reads with a page size and values of the question take 20 to 30 (`python -m benchmarks.agentdojo`).
"""

# A number below this is a page size or a count, and costs its bits; a larger one may be anybody's data.
MIN_DATA_NUMBER = 10_000
_WORD = re.compile(r"[\w@.+'-]*\w")
_URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|//|www\.)[^\s/]", re.IGNORECASE)
_URL_NAMES = frozenset("url uri link website webpage href callback webhook callbackurl webhookurl imageurl".split())


def flow_reason(call: Call, conversation: Conversation, during: Sequence[Step], beside: Sequence[Call] = ()) -> str:
    """Return why a call may carry out what an API answered, in words for the user; "" where it cannot.

    `during` are the steps of the round under way, and `beside` the calls of the same plan that go before this one.
    """
    steps = (*conversation.steps, *during)
    answered = [step for step in steps if step.result is not None]
    if not answered:
        return ""
    spec = call.tool.operation.spec
    foreign = next((step for step in answered if step.call.tool.operation.spec is not spec), None)
    if call.tool.effect is not Effect.READ:
        return _crossing_text(foreign, spec) if foreign is not None else ""
    view = _SentValues(call=call, conversation=conversation, during=tuple(during))
    for name, address in view.addresses:
        if not view.is_said(name, address) and not _is_local(address, spec, view.said):
            return f"{name}: {shorten(address)} is an address that nobody asked to read from"
    if foreign is None:
        return ""
    api_values = _OwnValues(answered)
    for name, value in _leaves_by_name(call.arguments):
        data = _data_text(value)
        if data and not _is_free(name, data, call, view.said, api_values) and not view.is_said(name, value):
            origin = _origin_text(data, answered)
            return f"{_crossing_text(foreign, spec)} ({name}: {shorten(data)}{origin})"
    spent = _spent_bits(steps, (*beside, call), view.said, api_values)
    if spent > READ_BITS * len(conversation.turns):
        count = f"reads have chosen {ceil(spent)} bits since, and {READ_BITS * len(conversation.turns)} are allowed"
        return f"{_crossing_text(foreign, spec)}, a little with each call: {count}"
    return ""


def _crossing_text(foreign: Step, spec: Spec) -> str:
    return f"it may carry what {_title(foreign)} answered to {single_line(spec.title)}"


def _title(step: Step) -> str:
    return single_line(step.call.tool.operation.spec.title)


def _origin_text(text: str, answered: Sequence[Step]) -> str:
    """Return which APIs answered with a value, in words; "" where none did as it stands."""
    needle = text.casefold()
    titles = dict.fromkeys(
        _title(step) for step in answered if step.result is not None and needle in step.result.text.casefold()
    )
    return f", from an answer of {' and '.join(titles)}" if titles else ""


@dataclass(frozen=True, kw_only=True)
class _SentValues:
    """The values of a read, traced to the user only where they are looked at: tracing reads all answers."""

    call: Call
    conversation: Conversation
    during: tuple[Step, ...]

    @cached_property
    def said(self) -> frozenset[str]:
        return _said_words(self.conversation)

    @cached_property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        leaves = _leaves_by_name(self.call.arguments)
        return tuple((name, value) for name, value in leaves if isinstance(value, str) and _is_address(name, value))

    @cached_property
    def _sources(self) -> tuple[ValueSource, ...]:
        account = self.call.account
        if account is None or (account.traced and not account.sources):
            account = trace_call(replace(self.call, account=None), self.conversation, self.during)
        return account.sources

    def is_said(self, name: str, value: object) -> bool:
        """Return whether a value is the user's or the description's, also in other words (`tomorrow`, `$50`)."""
        top = name.partition(".")[0]
        matches = [item for item in self._sources if item.argument.partition(".")[0] == top and item.value == value]
        return bool(matches) and all(item.origin in TRUSTED_ORIGINS for item in matches)


class _OwnValues:
    """The values that each API has answered as a whole field or an entry of a list, with their number."""

    def __init__(self, answered: Sequence[Step]) -> None:
        self._answered = answered
        self._by_spec: dict[int, frozenset[str]] = {}

    def of(self, spec: Spec) -> frozenset[str]:
        if id(spec) not in self._by_spec:
            steps = [step for step in self._answered if step.call.tool.operation.spec is spec]
            self._by_spec[id(spec)] = frozenset().union(*map(_leaves, steps))
        return self._by_spec[id(spec)]


def _leaves_by_name(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield each value with its dotted name; a key that is no argument is a value too."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            inner = f"{name}.{key}" if name else str(key)
            if name:
                yield inner, str(key)
            yield from _leaves_by_name(item, inner)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves_by_name(item, name)
    else:
        yield name, value


def _said_words(conversation: Conversation) -> frozenset[str]:
    """Return the words that the user gave, in small letters: in questions, settings and replies."""
    texts = (*(turn.question for turn in conversation.turns), *_texts(conversation.known_values))
    return frozenset(word for text in texts for word in _words(text))


@lru_cache(maxsize=500)
def _words(text: str) -> tuple[str, ...]:
    return tuple(match[0].casefold().removesuffix("'s") for match in _WORD.finditer(text))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)


def _is_address(name: str, value: str) -> bool:
    """Return whether a value is an address that the API may fetch something from."""
    is_named = name_key(name.rpartition(".")[2]) in _URL_NAMES and "." in value
    return is_named or _URL.match(value) is not None


def _is_local(value: object, spec: Spec, user_words: frozenset[str]) -> bool:
    """Return whether an address is on the API's own host, or on one that the user named."""
    text = str(value).strip()
    host = (urlsplit(text if "//" in text else f"//{text}").hostname or "").casefold()
    api_hosts = {(urlsplit(server.url).hostname or "").casefold() for server in spec.servers}
    named = {word.split("/")[0].removeprefix("www.") for word in user_words}
    return bool(host) and (host in api_hosts or host.removeprefix("www.") in named)


def _data_text(value: object) -> str:
    """Return a value as a text where it is long enough to be somebody's data, else ""."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return str(value) if abs(value) >= MIN_DATA_NUMBER else ""
    return str(value)


def _is_free(name: str, text: str, call: Call, user_words: frozenset[str], api_values: _OwnValues) -> bool:
    """Return whether a text may go to the API at the price of its bits.

    It is one of the description's, made of words of the user, or a whole field of what this API has answered.
    """
    words = _words(text)
    if text in _choices(call, name) or (words and user_words.issuperset(words)):
        return True
    return text in api_values.of(call.tool.operation.spec)


def _choices(call: Call, name: str) -> tuple[object, ...]:
    """Return the closed list of values that the description has for an argument, and the names inside of it."""
    schema = argument_schema(call.tool, name.partition(".")[0])
    lists = [part.get("enum") for part in (schema, schema.get("items")) if isinstance(part, Mapping)]
    properties = schema.get("properties")
    names = tuple(properties) if isinstance(properties, Mapping) else ()
    return (*names, *(choice for choices in lists if isinstance(choices, list) for choice in choices))


def _leaves(step: Step) -> frozenset[str]:
    """Return the values of an answer that stand alone: a field, or an entry of a list."""
    assert step.result is not None
    try:
        return frozenset(_texts(step.result.data))
    except RecursionError:
        return frozenset()


# ---- bits ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Ledger:
    """What calls have used before, which costs one bit to use again."""

    operations: set[tuple[int, str]] = field(default_factory=set)
    values: dict[tuple[int, str, str], list[object]] = field(default_factory=dict)


def _spent_bits(
    steps: Sequence[Step], calls: Sequence[Call], user_words: frozenset[str], api_values: _OwnValues
) -> float:
    """Return the bits that the reads after the first answer have chosen, `calls` included.

    It is the length of a description that a reader at the other end could decode: of each operation among those that
    the API has, and of each value among those that it might have been.
    """
    ledger, spent = _Ledger(), 0.0
    answered: set[int] = set()
    entries: list[tuple[Call, bool]] = [(step.call, step.result is not None) for step in steps]
    for call, is_answered in (*entries, *((call, False) for call in calls)):
        spec = call.tool.operation.spec
        if call.tool.effect is Effect.READ and answered - {id(spec)}:
            spent += _call_bits(call, ledger, user_words, api_values)
        if is_answered:
            answered.add(id(spec))
    return spent


def _call_bits(call: Call, ledger: _Ledger, user_words: frozenset[str], api_values: _OwnValues) -> float:
    operation = call.tool.operation
    key = (id(operation.spec), operation.id)
    bits = 1.0
    if key not in ledger.operations:
        ledger.operations.add(key)
        bits += log2(max(len(operation.spec.operations), 2))
    for name, value in call.arguments.items():
        earlier = ledger.values.setdefault((*key, name), [])
        if value in earlier:
            bits += 1 + log2(len(earlier))
            continue
        previous = earlier[-1] if earlier else None
        earlier.append(value)
        is_next = type(value) is int and type(previous) is int and value == previous + 1
        bits += (
            2 if is_next else 1 + sum(_leaf_bits(call, name, leaf, user_words, api_values) for leaf in _texts(value))
        )
    return bits


def _leaf_bits(call: Call, name: str, text: str, user_words: frozenset[str], api_values: _OwnValues) -> float:
    """Return the bits of a value that was not used before."""
    if (choices := _choices(call, name)) and text in map(str, choices):
        return log2(max(len(choices), 2))
    if text in ("True", "False"):
        return 1
    if re.fullmatch(r"-?\d{1,5}", text):
        return 2 * log2(abs(int(text)) + 1) + 1
    words = _words(text)
    if words and user_words.issuperset(words):
        return len(words) * log2(max(len(user_words), 2))
    if text in (values := api_values.of(call.tool.operation.spec)):
        return log2(max(len(values), 2))
    # What the user said in other words: a day for `tomorrow`, an amount in another unit.
    return log2(max(len(user_words), 2)) + 4
