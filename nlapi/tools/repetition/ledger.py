"""The ledger of the changes that were sent: whether another one repeats one of them, known before it is sent.

Every face has one: a conversation, a batch, a run of a workflow, a toolset, a client of an MCP server
(docs/design/077-ledger.md). `nlapi.tools.sending.run.perform` sends no change that its ledger calls a repetition,
unless somebody agreed to it as a repetition.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from nlapi.client.message import (
    Leaf,
    Request,
    Result,
    digest,
    is_idempotency_header,
    normalize_text,
    normalized_leaves,
    target_path,
)
from nlapi.client.safe_text import single_line
from nlapi.errors import NlapiError, OutcomeUnknownError, RepetitionError
from nlapi.openapi.spec import Effect, Operation
from nlapi.tools.repetition.read_log import ReadLog
from nlapi.tools.tool import Call, Origin, Tool

if TYPE_CHECKING:
    from nlapi.tools.plan import Conversation, Step


# Beginning of the message of a Step whose call may have been carried out without a complete answer. Transcripts have
# it, and such steps are recognised by it after a resume.
OUTCOME_UNKNOWN = "outcome unknown"

# Statuses by which an API reports that it did not carry a change out, so it may be tried again. 408 is absent: the
# server gave up waiting, which leaves the outcome open (docs/design/025-once.md).
REFUSAL_STATUSES = frozenset({400, 401, 403, 404, 409, 422, 429})

# Seconds in which a change that was answered counts where the end of a conversation cannot be seen: a program or a
# server may run for weeks, and make the same change every day. A change of unknown outcome counts for ever.
LONG_LIVED_S = 12 * 3600.0

# Entries of one ledger; the oldest ones that were answered make room.
MAX_ENTRIES = 10_000

# Characters of a value that is compared as it is; of a longer one the hash.
MAX_VALUE_CHARS = 200


class SentOutcome(StrEnum):
    """What came of a change that was sent. One that the API plainly refused was not made."""

    SENDING = "sending"
    UNKNOWN = "unknown"
    ANSWERED = "answered"
    REFUSED = "refused"


def outcome_of(result: Result) -> SentOutcome:
    """Return what an answer says of the change that it is to: lost, cut, timed out and faulty ones leave it open."""
    status = result.status
    if result.is_cut or status >= 500 or status == 408 or 300 <= status < 400:
        return SentOutcome.UNKNOWN
    return SentOutcome.REFUSED if status in REFUSAL_STATUSES else SentOutcome.ANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class WireForm:
    """What is compared of a change: its request in canonical form. `digest` and `path` are "" where it is not stored.

    `values` are those of a person's or a model's choice, in the path, the query and the body; `body_values` those
    outside of the path.
    """

    digest: str = ""
    method: str = ""
    path: str = ""
    leaves: frozenset[Leaf] = frozenset()
    values: frozenset[str] = frozenset()
    body_values: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change as it is sent. `part` names the step of a document, or of a plan, that makes it, if any.

    `arguments` are in wire units: of a damaged transcript they are all that there is. `stored_digest` is that of a
    request which is stored in part.
    """

    operation: Operation
    request: Request | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    stored_digest: str = ""
    part: str = ""
    stored_form: WireForm | None = None

    @cached_property
    def form(self) -> WireForm:
        """The form in which it is compared; computed on first use, as most changes have nothing to be compared with."""
        if self.stored_form is not None:
            return self.stored_form
        if self.request is None:
            return WireForm(digest=self.stored_digest)
        leaves = frozenset((place, _short(value)) for place, value in normalized_leaves(self.request))
        body_values = frozenset(value for _, value in leaves if value not in ("true", "false", ""))
        path = target_path(self.request)
        return WireForm(
            digest=self.stored_digest or digest(self.request),
            method=self.request.method,
            path=path,
            leaves=leaves,
            values=body_values | _path_values(self.operation, path),
            body_values=body_values,
        )

    def without_request(self) -> Change:
        """Return this change with its form alone: a ledger may outlive many bodies."""
        return Change(operation=self.operation, part=self.part, stored_form=self.form)


def _short(value: str) -> str:
    """Return a value, or the hash of a long one: a ledger may outlive many bodies."""
    if len(value) <= MAX_VALUE_CHARS:
        return value
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _path_values(operation: Operation, path: str) -> frozenset[str]:
    """Return the segments of a path that its template has as placeholders."""
    literals = {normalize_text(part) for part in operation.route.split("/") if "{" not in part}
    depth = len([part for part in operation.route.split("/") if part])
    return (
        frozenset(part for part in path.split("/")[-depth:] if part and part not in literals) if depth else frozenset()
    )


@dataclass(slots=True, kw_only=True, eq=False)
class LedgerEntry:
    """A change that was sent; of a `stored` one the transcript may have the arguments alone.

    `is_past`: for an earlier question of the conversation, with other words.
    """

    change: Change
    outcome: SentOutcome
    status: int | None = None
    is_stored: bool = False
    is_past: bool = False
    at: float = 0.0

    @property
    def form(self) -> WireForm:
        return self.change.form

    @property
    def outcome_text(self) -> str:
        if self.outcome is SentOutcome.SENDING:
            return "is being sent"
        if self.status is None:
            return "got no complete answer before and may have been carried out"
        end = "was carried out" if self.is_done else "may have been carried out"
        return f"was sent before, was answered {self.status} and {end}"

    @property
    def is_done(self) -> bool:
        """Whether the API has said that it carried the change out."""
        return self.outcome is SentOutcome.ANSWERED and 200 <= (self.status or 0) < 300

    def is_of(self, change: Change) -> bool:
        """Return whether it is of a change that was read from, or written to, a transcript."""
        return is_same_operation(self.change, change) and self.form.digest == change.form.digest

    def settle(self, result: Result) -> None:
        """Store what an answer says of the change."""
        self.outcome, self.status = outcome_of(result), result.status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreement:
    """Parts that were agreed to as a whole; `run` identifies it, with `repeats` as one that ran before."""

    parts: frozenset[str]
    run: str = ""
    repeats: bool = False


class Ledger:
    """The changes of one conversation; make one for each.

    `id` identifies it for idempotency keys. In one that `is_literal` each change was written down by its user, as the
    rows of a file are: there only the same and much the same count. `lifetime_s` is how long an answered change counts.
    Its methods may be called from several threads.
    """

    def __init__(
        self,
        *,
        id: str = "",
        is_literal: bool = False,
        lifetime_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = id or uuid.uuid4().hex
        self.is_literal = is_literal
        self.entries: list[LedgerEntry] = []
        self._lifetime_s = lifetime_s
        self._clock = clock
        self.reads = ReadLog(clock=clock)
        """the reads of a model since the last change"""
        self._agreements: dict[str, _Agreement] = {}
        self._contested: dict[str, str] = {}
        self._lock = Lock()

    def take_up(self, steps: Iterable[Step], *, is_past: bool = False) -> None:
        """Enter the changes among the steps of a conversation that were, or may have been, carried out."""
        for step in steps:
            if (outcome := step.sent) in (SentOutcome.UNKNOWN, SentOutcome.ANSWERED):
                assert outcome is not None
                status = None if step.result is None else step.result.status
                self.entries.append(
                    LedgerEntry(
                        change=step.change,
                        outcome=outcome,
                        status=status,
                        is_stored=True,
                        is_past=is_past,
                        at=self._clock(),
                    )
                )

    def agree(self, parts: Iterable[str], *, run: str = "", repeats: bool = False) -> None:
        """Take the parts of a document or a plan as agreed to as a whole: they are not repetitions of one another.

        `repeats` says that somebody agreed to the whole as a repetition, so that none of them asks again.
        """
        agreement = _Agreement(parts=frozenset(filter(None, parts)), run=run, repeats=repeats)
        self._agreements |= dict.fromkeys(agreement.parts, agreement)
        while len(self._agreements) > MAX_ENTRIES:
            del self._agreements[next(iter(self._agreements))]

    def has_agreed(self, part: str) -> bool:
        """Return whether a part was agreed to with its whole."""
        return part in self._agreements

    def contest(self, run: str, reason: str) -> None:
        """Store why a whole was stopped at a part that repeats another change: it asks before it runs again."""
        self._contested[run] = reason

    def run_reason(self, run: str) -> str:
        """Return the reason why a whole may be one that ran before; "" where it did not, or changed nothing."""
        with self._lock:
            entries = [entry for entry in self._counting() if self._run_of(entry) == run]
        if not entries:
            return self._contested.get(run, "")
        parts = ", ".join(dict.fromkeys(entry.change.part.partition(":")[2] or entry.change.part for entry in entries))
        return f"it ran before with the same inputs: {parts} {entries[-1].outcome_text}"

    def repetition(self, change: Change) -> str:
        """Return the reason why a change may be one that was sent before, or "".

        It is one where the request is the same, where only case, blanks or an optional argument differ, where another
        operation of its kind was sent the same values, and where an earlier change of the same operation at the same
        path has an unknown outcome.
        """
        with self._lock:
            return self._repetition(change)

    def unknown_at(self, change: Change) -> LedgerEntry | None:
        """Return the last change of the operation at the same path whose outcome is unknown, if any."""
        with self._lock:
            unknown = [entry for entry in self._counting() if _is_unknown_at(entry, change)]
        return unknown[-1] if unknown else None

    @contextmanager
    def sending(self, change: Change, *, is_agreed: bool = False) -> Iterator[LedgerEntry]:
        """Enter a change before the block sends it, and what came of it after.

        RepetitionError, and nothing is to be sent, where it repeats another and nobody agreed to that (`is_agreed`).
        An error that says that nothing was sent takes it out again.
        """
        with self._lock:
            if not is_agreed and (reason := self._repetition(change)):
                raise RepetitionError(
                    f"{single_line(change.operation.id)} may be a repetition: {reason}", hint=REPETITION_HINT
                )
            entry = self._enter(change)
        self.reads.forget()
        try:
            yield entry
        except NlapiError as error:
            if entry.outcome is SentOutcome.SENDING and not isinstance(error, OutcomeUnknownError):
                entry.outcome = SentOutcome.REFUSED
            raise
        finally:
            # A cancellation, or a fault of nlapi, leaves open what came of it.
            if entry.outcome is SentOutcome.SENDING:
                entry.outcome = SentOutcome.UNKNOWN
            with self._lock:
                if entry.outcome is SentOutcome.REFUSED:
                    self.entries.remove(entry)

    def intention(self, request_digest: str, ahead: int = 0) -> str:
        """Return the name of the intention behind a request, for its idempotency key.

        Every try has the same name until the change was answered 2xx; consent to it after that is a new intention.
        `ahead` counts equal requests that go before it and are not sent yet.
        """
        done = sum(entry.is_done and entry.form.digest == request_digest for entry in self.entries)
        return f"{self.id} {request_digest} {done + ahead}"

    def _counting(self) -> list[LedgerEntry]:
        """Return the entries that count still."""
        if not self._lifetime_s:
            return self.entries
        oldest = self._clock() - self._lifetime_s
        return [entry for entry in self.entries if entry.at >= oldest or entry.outcome is not SentOutcome.ANSWERED]

    def _run_of(self, entry: LedgerEntry) -> str:
        agreement = self._agreements.get(entry.change.part)
        return agreement.run if agreement is not None else ""

    def _repetition(self, change: Change) -> str:
        entries = [entry for entry in self._considered(change) if not self._is_undone(entry)]
        # Compared by the wire, and by no name: two descriptions, or two operations of one, may say the same request.
        for entry in entries:
            if _is_same(entry, change):
                return f"the same change {entry.outcome_text}"
        same_operation = [entry for entry in entries if is_same_operation(entry.change, change)]
        for entry in same_operation:
            if are_alike(entry.form, change.form):
                return f"much the same change {entry.outcome_text}"
        if self.is_literal:
            return ""
        if unknown := [entry for entry in entries if _is_unknown_at(entry, change)]:
            return f"another {change.operation.id} at the same place {unknown[-1].outcome_text}"
        for entry in entries:
            if _is_sibling(entry, change):
                return f"{entry.change.operation.id}, which does the same with the same values, {entry.outcome_text}"
        if any(entry.change.part == change.part for entry in entries if self.has_agreed(change.part)):
            # A loop makes another change each time: one was agreed to.
            return f"the step {single_line(change.part)} has made a change before, and one was agreed to"
        return ""

    def _is_undone(self, entry: LedgerEntry) -> bool:
        """Return whether what was answered has been put back since: paused, resumed, and to be paused again."""
        later = self.entries[self.entries.index(entry) + 1 :] if entry.is_done else []
        return any(other.is_done and _undoes(other.change, entry.change) for other in later)

    def _considered(self, change: Change) -> list[LedgerEntry]:
        """Return the entries that a change may repeat.

        Parts that were agreed to together may make the same change, and whoever agreed saw both: of these only earlier
        attempts of the very part count, but where the outcome of one is unknown.
        """
        entries, agreement = self._counting(), self._agreements.get(change.part)
        if agreement is None:
            return entries
        together = [entry for entry in entries if entry.change.part in agreement.parts]
        attempts = [entry for entry in together if entry.change.part == change.part]
        if any(_is_unknown_at(entry, change) for entry in together):
            attempts = together
        return attempts if agreement.repeats else [entry for entry in entries if entry not in together] + attempts

    def _enter(self, change: Change) -> LedgerEntry:
        """Return the entry of a change that is about to be sent. The bodies of those before it are dropped."""
        for entry in self.entries[-1:]:
            entry.change = entry.change if entry.is_stored else entry.change.without_request()
        if len(self.entries) >= MAX_ENTRIES:
            answered = (entry for entry in self.entries if entry.outcome is SentOutcome.ANSWERED)
            self.entries.remove(next(answered, self.entries[0]))
        entry = LedgerEntry(change=change, outcome=SentOutcome.SENDING, at=self._clock())
        self.entries.append(entry)
        return entry


_PROCESS_LEDGERS: dict[str, Ledger] = {}


def process_ledger(source: str, base_url: str | None, auth: object) -> Ledger:
    """Return the ledger of this process for an API at an address with a credential.

    It is for calls that belong to no conversation which is known.
    """
    # Hashed: it lives as long as the process, and a credential need not.
    key = hashlib.sha256(repr((source, base_url, auth)).encode("utf-8", "surrogatepass")).hexdigest()
    ledger = _PROCESS_LEDGERS.setdefault(key, Ledger(lifetime_s=LONG_LIVED_S))
    if len(_PROCESS_LEDGERS) > MAX_ENTRIES:
        del _PROCESS_LEDGERS[next(iter(_PROCESS_LEDGERS))]
    return ledger


REPETITION_HINT = (
    "look first whether it was carried out; it is sent again where a person is asked about it and agrees. Consent in "
    "advance (--yes, yes=True, a rule, --consent client) does not cover it"
)


def is_same_operation(first: Change, second: Change) -> bool:
    """Return whether two changes are of one operation of a description."""
    return first.operation.spec.source == second.operation.spec.source and first.operation.id == second.operation.id


def _is_same(entry: LedgerEntry, change: Change) -> bool:
    """Return whether a change makes the request of an entry; of transcripts without the digest arguments count."""
    if entry.form.digest and entry.form.digest == change.form.digest:
        return True
    is_equal = dict(entry.change.arguments) == dict(change.arguments)
    return entry.is_stored and is_equal and is_same_operation(entry.change, change)


def are_alike(first: WireForm, second: WireForm) -> bool:
    """Return whether two requests are equal but for case and blanks; for a POST, also where each has further values.

    The values that both have are then the same: a payment with a reference, and with a currency in its place.
    """
    if not first.path or (first.method, first.path) != (second.method, second.path):
        return False
    return first.leaves == second.leaves or (
        first.method == "POST" and bool(first.leaves & second.leaves) and _agree(first.leaves, second.leaves)
    )


def _agree(values: frozenset[Leaf], second_values: frozenset[Leaf]) -> bool:
    """Return whether no place has other values in one request than in the other; a place may be there several times."""
    places, second_places = ({place for place, _ in leaves} for leaves in (values, second_values))
    return all(place not in places & second_places for place, _ in values ^ second_values)


def _undoes(later: Change, earlier: Change) -> bool:
    """Return whether a change sets a field at the same place to another value, or is the opposite action there."""
    first, second = earlier.form, later.form
    if first.path == second.path:
        return {first.method, second.method} <= {"PUT", "PATCH"} and not _agree(first.leaves, second.leaves)
    if not first.path or first.path.rpartition("/")[0] != second.path.rpartition("/")[0]:
        return False
    # The words that identify verbs take longer to load than most calls need.
    from nlapi.english.command_verbs import are_opposites
    from nlapi.resources.command_verbs import leading_verbs

    verbs = leading_verbs(later.operation)
    return any(are_opposites(verb, other) for verb in leading_verbs(earlier.operation) for other in verbs)


def _is_unknown_at(entry: LedgerEntry, change: Change) -> bool:
    """Return whether an entry is of the operation of a change, at the same path, and of unknown outcome.

    The path is the same where the earlier request is not stored any more.
    """
    if entry.outcome is not SentOutcome.UNKNOWN or not is_same_operation(entry.change, change):
        return False
    return not entry.form.path or entry.form.path == change.form.path


def _is_sibling(entry: LedgerEntry, change: Change) -> bool:
    """Return whether another operation of the kind of a change was sent the same values.

    Where the outcome is unknown, the values of one may be a part of the other's. After an answer more has to be equal,
    as one change follows another: an invoice and its payment, a label and the issue that it is put on.
    """
    operation, form = change.operation, change.form
    if entry.change.operation.spec.source != operation.spec.source or is_same_operation(entry.change, change):
        return False
    shared, shared_body = entry.form.values & form.values, entry.form.body_values & form.body_values
    if not shared or shared not in (entry.form.values, form.values):
        return False
    if entry.is_past and entry.outcome is SentOutcome.ANSWERED:
        return False
    # The words that identify verbs take longer to load than most calls need.
    from nlapi.resources.command_verbs import have_same_kind, have_same_noun

    is_thing = have_same_noun(entry.change.operation, operation)
    is_upsert = is_thing and bool(shared_body) and {entry.form.method, form.method} == {"POST", "PUT"}
    if not have_same_kind(entry.change.operation, operation):
        # What was lost as a creation may be made by a PUT; after an answer that is an update of it.
        return is_upsert and entry.outcome is not SentOutcome.ANSWERED
    if entry.outcome is not SentOutcome.ANSWERED:
        return is_thing or bool(shared_body)
    is_equal = entry.form.values == form.values
    return (is_equal and is_thing) or (len(shared_body) > 1 and (is_equal or is_thing))


# A function from the digest of a request to the name of its intention; two tries of one intention have the same name.
Intention = Callable[[str], str]


def key_argument(tool: Tool) -> str | None:
    """Return the argument that holds the idempotency key of a change; None where the description has none."""
    if tool.effect is Effect.READ:
        return None
    headers = ((name, wire_name) for name, (location, wire_name) in tool.places.items() if location == "header")
    return next((name for name, wire_name in headers if is_idempotency_header(wire_name)), None)


def provisional_key(tool: Tool) -> Mapping[str, object]:
    """Return a provisional key as an argument where the header is required, else {}."""
    # The digest that names the intention is that of a built request, and none is built without a required header.
    return new_key(tool, "") if key_argument(tool) in tool.required else {}


def new_key(tool: Tool, intention: str) -> Mapping[str, Any]:
    """Return the key of an intention as an argument; {} where the tool has none, or no key fits its schema.

    The key is a UUID, or its hexadecimal digits where only those fit.
    """
    from nlapi.schema_validator import VALIDATOR

    name = key_argument(tool)
    if name is None:
        return {}
    # A hash and not a random UUID: a conversation that is resumed after a kill has to send the same key
    # (docs/design/025-once.md).
    hashed = hashlib.sha256(f"{tool.operation.spec.source}\n{tool.operation.id}\n{intention}".encode()).digest()
    key = uuid.UUID(bytes=hashed[:16], version=4)
    # The key is checked alone; the other arguments are not known to be complete here.
    validator = VALIDATOR({**tool.input_schema, "required": [], "minProperties": 0})
    candidates = (text for text in (str(key), key.hex) if validator.is_valid({name: text}))
    text = next(candidates, None)
    return {} if text is None else {name: text}


def without_invented_key(call: Call, conversation: Conversation) -> Call:
    """Return a call without an idempotency key that its planner invented."""
    name = key_argument(call.tool)
    if name is None or name not in call.arguments:
        return call
    # A model invents another key for each try, so the API would carry the change out twice.
    key = str(call.arguments[name])
    if call.account is not None and any(source.origin is Origin.REPLY for source in call.account.of(name)):
        return call
    if key and (key in conversation.known_values.values() or any(key in turn.question for turn in conversation.turns)):
        return call
    return replace(call, arguments={argument: value for argument, value in call.arguments.items() if argument != name})
