"""The policy: which calls run, ask first or never run; a pure function of the call and the steps before it.

What one API's answers say may leave for another only within limits: a call has the sources of its values, and reads a
budget of bits. A read is a message to whoever runs the API, so its price is the length of a description that the
receiver could decode: of the operation, of the names of its arguments, and of each value, among the requests that might
have been sent in its place (docs/design/074-flow-by-provenance.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property, lru_cache
from math import ceil, comb, lgamma, log, log2
from urllib.parse import urlsplit

from nlapi.changes.sentences import shorten
from nlapi.client.auth import secret_parts
from nlapi.client.credential_texts import find_credential_texts, takes_credential
from nlapi.client.masking import secret_mask
from nlapi.client.safe_text import single_line
from nlapi.english.command_verbs import are_synonyms
from nlapi.english.words import name_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect
from nlapi.resources.collection_index import collection_index
from nlapi.resources.command_verbs import leading_verbs
from nlapi.tools.arguments import argument_schema, plain_values
from nlapi.tools.plan import Conversation, Outcome, Receiver, Receivers, Step, Turn, WorkflowProposal, receiver_of
from nlapi.tools.repetition.ledger import OUTCOME_UNKNOWN as OUTCOME_UNKNOWN
from nlapi.tools.repetition.ledger import SentOutcome
from nlapi.tools.sending.run import Prepared
from nlapi.tools.tool import TRUSTED_ORIGINS, Account, Call, Origin, ValueSource

MIN_DATA_NUMBER = 10_000
"""the least number that may be anybody's data; one below it is a page size or a coordinate, and costs its bits"""

_WORD = lazy_pattern(r"[\w@.+'-]*\w")
# A figure, a sign, a point or the `e` of an exponent.
_NUMBER_SYMBOL_BITS = log2(14)
# A printable mark of ASCII, or one that the user typed.
_MARK_BITS = 5.0
# A word in small letters, in capitals, or with one at its start.
_SPELLING_BITS = 2.0
# The user's words in another form: a day for `tomorrow`, an amount in another unit.
_OTHER_FORM_BITS = 4.0


@dataclass(frozen=True, kw_only=True)
class UserTexts:
    """The user's texts: questions, settings and replies."""

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
        """Return the bits of a value that is not an object or list; None for one that may be anybody's data.

        It is the cheapest of its readings: one of the description's choices, words of the user, a whole field that
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
            # The binary logarithm twice, as the code has the length of the number too (Elias' gamma code).
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
    return (str(item) for item in plain_values(value) if item is not None)


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


READ_BITS = 64
"""bits that reads may choose, for each question, after another API has answered: eight letters, and no key or address

Two reads with a page size and values of the question take 20 to 30 (`python -m benchmarks.agentdojo`).
"""

_URL = lazy_pattern(r"(?:[a-z][a-z0-9+.-]*://|//|www\.)[^\s/]", re.IGNORECASE)
# What browsers and servers read as `https://`: https:host, https:/host.
_WEB_SCHEME = lazy_pattern(r"(https?):/*", re.IGNORECASE)
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


def _origin_text(text: str, answered: Sequence[Step]) -> str:
    """Return which APIs answered with a value, in words; "" where none did as it stands."""
    needle = text.casefold()
    titles = dict.fromkeys(
        single_line(step.call.tool.operation.spec.title)
        for step in answered
        if step.result is not None and needle in step.result.text.casefold()
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
    """Yield each value of a call with its dotted name; a key that is not an argument is a value too."""
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
    receiver_host = (urlsplit(receiver.site).hostname or "").casefold()
    # An operation with its own server has that host alone.
    api_hosts = {receiver_host, *(api_hosts if receiver_host in api_hosts else ())}
    named = {word.split("/")[0].removeprefix("www.") for word in user_words}
    return bool(host) and (host in api_hosts or host.removeprefix("www.") in named)


_VARIABLE = lazy_pattern(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class Verdict(StrEnum):
    """The verdict of the policy on a call."""

    RUN = "run"
    ASK = "ask"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDecision:
    """A verdict with its reason, in words for a user and a planner; "" where it is plain."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules under which calls run without a question.

    A READ runs; a WRITE or DESTROY asks. With `yes`, consent in advance, a change runs unasked where the question
    itself asks for it: one that fails a check of its account (`nlapi.changes.checks`) asks, with the reasons, and so
    does one of a plan with a confidence under `change_below`. `destroy` is consent in advance that names DESTROY:
    without it a DESTROY runs only where the question says that something is to be removed. When a user is present
    (`interactive`), READs of a plan under `ask_below` ask too. Under `offer_below` nothing of a plan with alternatives
    is proposed, and the user picks one of them.

    The answers of an API are untrusted, and a read is a channel as well as a write. So once one API has answered, a
    change to another API asks even under `yes`, and so does a READ there whose arguments the user did not give, or that
    comes after reads which could have carried READ_BITS (`nlapi.agent.policy`); `across` is consent to both in advance.
    A change that the ledger calls a repetition (`nlapi.tools.repetition.ledger`) is never sent unasked. A call that
    carries one of `secrets` (credentials, also in part or encoded), or a `${VARIABLE}` that something may expand, is
    never sent.

    `agreed` are the ids of calls that the user agreed to as parts of a document that was shown (a workflow): they run
    unasked, once each. A further attempt of one asks as a repetition does, and so does one that may have been carried
    out. With `spelled_out` the user wrote the calls themselves, with their operations and values, and no sentence.

    `interrupted` returns the requests, by their digest, of other conversations that may have been carried out: such a
    change is a repetition.

    A read of the embedded planner that leaves out words of the question asks too, unless `loosely`.
    """

    yes: bool = False
    destroy: bool = False
    across: bool = False
    interactive: bool = True
    ask_below: float = 0.0
    change_below: float = 0.0
    offer_below: float = 0.0
    secrets: tuple[str, ...] = field(default=(), repr=False)
    agreed: frozenset[str] = frozenset()
    spelled_out: bool = False
    loosely: bool = False
    interrupted: Callable[[], Mapping[str, str]] = field(default=dict, repr=False, compare=False)

    def decide(
        self,
        prepared: Prepared,
        conversation: Conversation,
        *,
        confidence: float = 1.0,
        during: tuple[Step, ...] = (),
        beside: tuple[Call, ...] = (),
        evidence: str = "",
    ) -> PolicyDecision:
        """Return the judgement on one call, by its request as it would be sent.

        `during` are the steps already taken in the current round, and `beside` the calls of the same plan that go
        before this one and are not sent yet. `evidence` is the state that the API shows of an
        earlier change that this one may repeat; it is added to the reason and decides nothing.
        """
        call = prepared.written
        # Both forms are searched: a secret may be in an amount as written, or appear in the converted arguments.
        if refusal := self.refusal(prepared.call) or self.refusal(call) or credential_reason(call, conversation):
            return PolicyDecision(verdict=Verdict.NEVER, reason=refusal)
        if call.part in self.agreed:
            return self._decide_agreed(prepared, evidence)
        crossing = "" if self.across else flow_reason(prepared, conversation, during, beside)
        is_read = prepared.effect is Effect.READ
        is_sure = confidence >= (self.ask_below if is_read else self.change_below)
        confidence_reason = "" if is_sure else f"the planner is only {confidence:.0%} sure of it"
        if is_read:
            left_out = "" if self.loosely else left_out_reason(call)
            reason = _join_reasons(confidence_reason if self.interactive else "", crossing, left_out)
            return PolicyDecision(verdict=Verdict.ASK, reason=reason) if reason else PolicyDecision(verdict=Verdict.RUN)
        # What a change is held to is not loaded for a read.
        from nlapi.changes.checks import reasons_against
        from nlapi.changes.tracing import trace_call

        repetition = prepared.repetition or self._interruption(prepared)
        account = call.account if call.account is not None else trace_call(call, conversation, during)
        standing_reasons: tuple[str, ...] = ()
        if not self.spelled_out:
            standing_reasons = reasons_against(call, account, conversation.question, destroy=self.destroy)
            current_steps = (*conversation.current.steps, *during)
            repetition = repetition or _same_words_reason(account, call, current_steps, beside)
        return self._decide_change(
            repetition, evidence if repetition else "", crossing, *standing_reasons, confidence_reason
        )

    def _decide_change(self, *reasons: str) -> PolicyDecision:
        """Return the judgement on a change by what speaks against it: consent in advance covers it without any."""
        reason = _join_reasons(*reasons)
        if (self.yes or self.destroy) and not reason:
            return PolicyDecision(verdict=Verdict.RUN, reason="consent was given in advance")
        return PolicyDecision(verdict=Verdict.ASK, reason=reason)

    def _interruption(self, prepared: Prepared) -> str:
        moment = self.interrupted().get(prepared.change.form.digest, "")
        at = moment[:16].replace("T", " ")
        return f"it was sent at {at} UTC, and no answer to it is recorded" if moment else ""

    def decide_workflow(
        self, proposal: WorkflowProposal, conversation: Conversation, *, confidence: float = 1.0
    ) -> PolicyDecision:
        """Return the judgement on a workflow as a whole, as on one change with its inputs as arguments.

        One that only reads runs, and its calls are judged one by one.
        """
        call = proposal.call
        if refusal := self.refusal(call):
            return PolicyDecision(verdict=Verdict.NEVER, reason=refusal)
        if call.effect is Effect.READ:
            return PolicyDecision(verdict=Verdict.RUN)
        from nlapi.changes.checks import reasons_against
        from nlapi.changes.tracing import trace_call

        earlier = conversation.steps
        answered = (receiver_of(step.call.tool.operation, step.request) for step in earlier if step.result is not None)
        foreign = None if self.across else next((other for other in answered if other not in proposal.receivers), None)
        crossing = f"it may carry what {foreign.title} answered" if foreign is not None else ""
        confidence_reason = (
            "" if confidence >= self.change_below else f"the planner is only {confidence:.0%} sure of it"
        )
        account = call.account if call.account is not None else trace_call(call, conversation, ())
        standing_reasons = reasons_against(call, account, conversation.question, destroy=self.destroy)
        return self._decide_change(proposal.reason, crossing, *standing_reasons, confidence_reason)

    def _decide_agreed(self, prepared: Prepared, evidence: str) -> PolicyDecision:
        """Return the judgement on a call that the user agreed to beforehand, as a part of a document."""
        if prepared.effect is Effect.READ:
            return PolicyDecision(verdict=Verdict.RUN)
        if prepared.repetition:
            return PolicyDecision(verdict=Verdict.ASK, reason=_join_reasons(prepared.repetition, evidence))
        return PolicyDecision(verdict=Verdict.RUN, reason="agreed to with the workflow")

    def refusal(self, call: Call) -> str:
        """Return the reason why the call must not be sent at all; "" when it may."""
        secrets = secret_mask(tuple(part for secret in self.secrets for part in secret_parts(secret)))
        for text in _texts(call.arguments):
            # A model that follows an injected command to leak a key may encode it.
            if secrets.finds(text):
                return "its arguments carry a credential, and credentials never travel in arguments"
            if _VARIABLE.fullmatch(text.strip()):
                return f"the argument {text.strip()} names a variable, and variables are not expanded in arguments"
        return ""


def left_out_reason(call: Call) -> str:
    """Return the reason against a read that leaves out words of its sentence; "" for none.

    The rows of a list may be filtered by them, which only the answer tells (`words_left_out`).
    """
    account = call.account
    if account is None or account.traced or not account.unused:
        return ""
    omitted = account.unused
    if is_list_read(call):
        from nlapi.changes.account import dropped_commands

        commands = dropped_commands(account.sentence, [(entry.start, entry.end) for entry in account.sources])
        omitted = tuple(text for text in omitted if text in commands)
    return f"it leaves out {', '.join(map(shorten, omitted))}" if omitted else ""


def is_list_read(call: Call) -> bool:
    """Return whether a call lists items, by whose fields the answer may be filtered."""

    operation = call.tool.operation
    return collection_index(operation.spec).is_list(operation)


def words_left_out(turn: Turn) -> tuple[str, ...]:
    """Return the words of a question that neither its reads nor the rows of their answers take care of."""
    reads = [step for step in turn.steps if step.effect is Effect.READ and step.outcome is Outcome.ANSWERED]
    accounts = [(step.call, step.call.account) for step in reads if step.call.account is not None]
    is_certain = bool(turn.rounds) and all(view.is_certain for view in turn.rounds[-1].plan.views)
    return tuple(
        dict.fromkeys(
            text
            for call, account in accounts
            if not account.traced and not (is_certain and is_list_read(call))
            for text in account.unused
        )
    )


def credential_reason(call: Call, conversation: Conversation) -> str:
    """Return the reason against a call that has a credential of the user's sentences where none belongs; "" else."""
    texts = {entry.text for turn in conversation.turns for entry in find_credential_texts(turn.question)}
    path = call.tool.operation.path
    for name, value in leaves_by_name(call) if texts else ():
        if not any(text in str(value) for text in texts):
            continue
        if not takes_credential(name, argument_schema(call.tool, *name.split(".")), path):
            return f"the value for {name} in the question looks like a credential, and {name} does not take one"
    return ""


def _same_words_reason(account: Account, call: Call, steps: Iterable[Step], beside: Iterable[Call]) -> str:
    """Return the reason why a model's change may be one that another operation has made for the same words.

    `steps` are those of the question at hand, and `beside` are further calls of its plan. A sentence that is carried
    out by createPayment is not carried out by createPaymentV2 too: both have the verb, and every value of the sentence.
    """
    traced_texts = {
        str(entry.value).casefold() for entry in account.sources if entry.origin in (Origin.WORDS, Origin.LOOKUP)
    }
    if not account.traced or not traced_texts:
        return ""
    verbs = leading_verbs(call.tool.operation)
    sent_calls = (step.call for step in steps if step.sent in (SentOutcome.UNKNOWN, SentOutcome.ANSWERED))
    for other in (*sent_calls, *beside):
        if other.effect is Effect.READ or other.tool.operation is call.tool.operation:
            continue
        other_verbs = leading_verbs(other.tool.operation)
        is_same_verb = any(are_synonyms(verb, other_verb) for verb in verbs for other_verb in other_verbs)
        if is_same_verb and traced_texts <= {str(value).casefold() for _, value in leaves_by_name(other)}:
            return f"{other.operation_id} does the same with the same values"
    return ""


def _join_reasons(*reasons: str) -> str:
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, keys included, and numbers from 10,000 on."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    # Smaller numbers are page sizes and counts, which carry no one's data.
    elif isinstance(value, (int, float)) and abs(value) >= 10_000:
        yield str(value)
