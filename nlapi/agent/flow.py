"""What of one API's answers a call may carry elsewhere: the sources of its values, and a budget of bits for reads.

Pure functions of a call and the steps before it (docs/design/074-flow-by-provenance.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from urllib.parse import urlsplit

from nlapi.agent.read_bits import OwnValues, ReadPricing, UserTexts
from nlapi.changes.sentences import shorten
from nlapi.client.safe_text import single_line
from nlapi.english.words import name_words
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Receiver, Receivers, Step
from nlapi.tools.run import Prepared
from nlapi.tools.tool import TRUSTED_ORIGINS, Call, ValueSource

READ_BITS = 64
"""bits that reads may choose, for each question, after another API has answered: eight letters, and no key or address

Two reads with a page size and values of the question take 20 to 30 (`python -m benchmarks.agentdojo`).
"""

_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*://|//|www\.)[^\s/]", re.IGNORECASE)
# What browsers and servers read as `https://`: https:host, https:/host.
_WEB_SCHEME = re.compile(r"(https?):/*", re.IGNORECASE)
# Last words of the names of arguments that take an address: feed_url, callbackUrl.
_URL_NAMES = frozenset("url uri link website webpage href callback webhook".split())


def flow_reason(
    prepared: Prepared, conversation: Conversation, during: Sequence[Step], beside: Sequence[Call] = ()
) -> str:
    """Return why a call may carry out what an API answered, in words for the user; "" where it cannot.

    `during` are the steps of the round under way, and `beside` the calls of the same plan that go before this one.
    """
    call, operation = prepared.written, prepared.call.tool.operation
    steps = (*conversation.steps, *during)
    answered = [step for step in steps if step.result is not None]
    if not answered:
        return ""
    receivers = Receivers.beside(operation, prepared.request)
    receiver = receivers.of(operation, prepared.request)
    others = map(receivers.of_step, answered)
    foreign = next((other for other in others if other != receiver), None)
    if prepared.effect is not Effect.READ:
        return crossing_text(foreign, receiver) if foreign is not None else ""
    view = _SentValues(call=call, conversation=conversation, during=tuple(during))
    for name, address in view.addresses:
        if not view.is_said(name, address) and not _is_local(address, receiver, view.user.words):
            return f"{name}: {shorten(address)} is an address that nobody asked to read from"
    if foreign is None:
        return ""
    pricing = ReadPricing(user=view.user, own=OwnValues(answered, receivers), receivers=receivers)
    for name, value in leaves_by_name(call):
        if pricing.price(call, name, value) is None and not view.is_said(name, value):
            origin = _origin_text(str(value), answered)
            return f"{crossing_text(foreign, receiver)} ({single_line(name)}: {shorten(value)}{origin})"
    # Of this question alone: what earlier ones have not spent would be enough for a key by the tenth.
    earlier = len(conversation.steps) - len(conversation.current.steps)
    spent = pricing.spent(steps, (*beside, call), earlier=earlier)
    if spent > READ_BITS:
        count = f"reads for this question have chosen {ceil(spent)} bits, and {READ_BITS} are allowed"
        return f"{crossing_text(foreign, receiver)}, a little with each call: {count}"
    return ""


def crossing_text(foreign: Receiver, receiver: Receiver) -> str:
    """Return the reason against a call after another API, or another origin, has answered."""
    if foreign.spec is not receiver.spec:
        return f"it may carry what {foreign.title} answered to {receiver.title}"
    origins = f"from {foreign.site} to another origin of the same description, {receiver.site}"
    return f"it may carry what {receiver.title} answered {origins}"


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
    def user(self) -> UserTexts:
        return UserTexts.of(self.conversation)

    @cached_property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        leaves = leaves_by_name(self.call)
        return tuple((name, value) for name, value in leaves if isinstance(value, str) and _is_address(name, value))

    @cached_property
    def _sources(self) -> tuple[ValueSource, ...]:
        account = self.call.account
        if account is None or (account.traced and not account.sources):
            from nlapi.changes.tracing import trace_call

            account = trace_call(replace(self.call, account=None), self.conversation, self.during)
        return account.sources

    def is_said(self, name: str, value: object) -> bool:
        """Return whether a value is the user's or the description's, also in other words (`tomorrow`, `$50`)."""
        top = name.partition(".")[0]
        matches = [item for item in self._sources if item.argument.partition(".")[0] == top and item.value == value]
        return bool(matches) and all(item.origin in TRUSTED_ORIGINS for item in matches)


def leaves_by_name(call: Call) -> Iterator[tuple[str, object]]:
    """Yield each value of a call with its dotted name; a key that is no argument is a value too."""
    for name, value in call.arguments.items():
        if name not in call.tool.places:
            yield name, name
        yield from _inner_leaves(name, value)


def _inner_leaves(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            inner = f"{name}.{key}"
            yield inner, str(key)
            yield from _inner_leaves(inner, item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _inner_leaves(name, item)
    else:
        yield name, value


def _is_address(name: str, value: str) -> bool:
    """Return whether a value is an address that the API may fetch something from."""
    last_words = name_words(name.rpartition(".")[2])[-1:]
    is_named = not _URL_NAMES.isdisjoint(last_words) and "." in value
    return is_named or _URL.match(_as_browser(value)) is not None


def _as_browser(address: str) -> str:
    return _WEB_SCHEME.sub(r"\1://", address.strip().replace("\\", "/"), count=1)


def _is_local(value: object, receiver: Receiver, user_words: frozenset[str]) -> bool:
    """Return whether an address is on the host of the receiver or its API's own ones, or on one that the user named."""
    text = _as_browser(str(value))
    parts = urlsplit(text if "//" in text else f"//{text}")
    # Readers differ on the host of `https://named.example\\@other.example`.
    if "@" in parts.netloc or "\\" in str(value):
        return False
    host = (parts.hostname or "").casefold()
    api_hosts = {(urlsplit(server.url).hostname or "").casefold() for server in receiver.spec.servers}
    own_host = (urlsplit(receiver.site).hostname or "").casefold()
    # An operation with a server of its own has its own host alone.
    api_hosts = {own_host, *(api_hosts if own_host in api_hosts else ())}
    named = {word.split("/")[0].removeprefix("www.") for word in user_words}
    return bool(host) and (host in api_hosts or host.removeprefix("www.") in named)
