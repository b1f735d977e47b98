"""Stores the answers that clients were shown a part of: each client reads its own, with `result` or as a resource."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nlapi.client.message import Result, body_size
from nlapi.client.safe_text import single_line, strip_control
from nlapi.client.truncate import UNTRUSTED, dump_json
from nlapi.errors import UsageError
from nlapi.results.store import RESIDENT_BODIES, ResidentBodies, ResultStore, StoredResult
from nlapi.tools.tool import Call

ANSWER_PREFIX = "nlapi://answer/"

# Characters of a page, about as many as a model is shown of an answer at once.
PAGE_SIZE = 20_000

# Answers of one client, and clients, of which the oldest are forgotten. Over HTTP anybody with the token can have
# answers stored, so neither may grow with the number of calls.
MAX_CLIENT_ANSWERS = 100
MAX_CLIENTS = 1_000
# Bytes of the bodies of all clients together, in memory and in files: ten of the largest that are read.
MAX_TOTAL = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOwner:
    """Who may read an answer: a session, with the hash of the credentials that it passes on.

    With `is_shared`, several clients have the same one, and an answer is found by its unguessable handle alone.
    """

    session: str
    credentials: str
    is_shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """What a model is shown of an answer; `stored` is the whole, None where that is all of it."""

    view: str
    stored: StoredResult | None = None


class ClientAnswers:
    """The stored answers of all clients."""

    def __init__(self, bodies: ResidentBodies = RESIDENT_BODIES, max_total: int = MAX_TOTAL) -> None:
        self._bodies = bodies
        self._max_total = max_total
        self._stores: OrderedDict[AnswerOwner, ResultStore] = OrderedDict()
        self._sizes: OrderedDict[tuple[AnswerOwner, str], int] = OrderedDict()
        """the bytes of each answer, oldest first"""
        self.total = 0
        """the bytes of all answers"""
        self._reported_fault = ""
        self._last = ResultStore()

    def add(self, owner: AnswerOwner, result: Result, call: Call) -> ShownAnswer:
        """Return what a model is shown of an answer, and store it where that is a part of it."""
        store = self._use(owner)
        handle = store.next_handle
        view = store.add(handle, result, call)
        document = json.loads(view)
        # A view that has the handle is a part of the answer.
        if document.get("result") != handle:
            store.remove(handle)
            return ShownAnswer(view=view)
        stored = store.get(handle)
        self._sizes[owner, handle] = body_size(result)
        self.total += body_size(result)
        self._forget_oldest(owner, store)
        return ShownAnswer(view=dump_json({**document, "whole": answer_uri(stored)}), stored=stored)

    def _forget_oldest(self, owner: AnswerOwner, store: ResultStore) -> None:
        if len(store) > MAX_CLIENT_ANSWERS:
            self._forget(owner, next(iter(store)).handle)
        # Where no file can be written, what is stored has to fit into memory.
        limit = self._bodies.limit if self._bodies.fault else self._max_total
        while self.total > limit and len(self._sizes) > 1:
            self._forget(*next(iter(self._sizes)))

    def _forget(self, owner: AnswerOwner, handle: str) -> None:
        self.total -= self._sizes.pop((owner, handle))
        self._stores[owner].remove(handle)

    def forget_owner(self, owner: AnswerOwner) -> None:
        """Forget all answers of a client."""
        for stored in self._stores[owner]:
            self._forget(owner, stored.handle)
        del self._stores[owner]

    def forget_session(self, session: str) -> None:
        """Forget all answers of a session that has ended."""
        for owner in [owner for owner in self._stores if session and owner.session == session]:
            self.forget_owner(owner)

    def take_fault(self) -> str:
        """Return why answers cannot be moved to a file, once for each reason; "" where they can."""
        fault = self._bodies.fault
        is_new = fault != self._reported_fault
        self._reported_fault = fault
        return fault if is_new else ""

    def get(self, owner: AnswerOwner, handle: str) -> StoredResult:
        """Return an answer of a client. UsageError where it has none of that handle, or none any more."""
        return self._use(owner).get(handle)

    def query(self, owner: AnswerOwner, arguments: Mapping[str, object]) -> str:
        """Return the answer to a query of an answer of a client, as JSON text. UsageError as of ResultStore."""
        return self._use(owner).query(arguments)

    def listed(self, owner: AnswerOwner) -> tuple[StoredResult, ...]:
        """Return the answers of a client, oldest first; none for a client without an identity."""
        return () if owner.is_shared else tuple(self._use(owner))

    def _use(self, owner: AnswerOwner) -> ResultStore:
        """Return the store of a client, which is now the last that was used."""
        store = self._stores.setdefault(owner, ResultStore(bodies=self._bodies, is_shared=owner.is_shared))
        self._stores.move_to_end(owner)
        if len(self._stores) > MAX_CLIENTS:
            self.forget_owner(next(iter(self._stores)))
        if self._last is not store:
            # Each store has its last answer parsed, which takes six times the body: all of them would be gigabytes.
            self._last.forget_parsed()
            self._last = store
        return store


def answer_uri(stored: StoredResult) -> str:
    """Return the address of the first page of an answer."""
    return f"{ANSWER_PREFIX}{stored.handle}/1"


def answer_pages(stored: StoredResult) -> int:
    """Return the number of pages of an answer."""
    return max(1, -(-len(_answer_text(stored.result)) // PAGE_SIZE))


def answer_page(stored: StoredResult, number: int) -> str:
    """Return one page, counted from 1, below a line that describes it. UsageError if the page does not exist."""
    text = _answer_text(stored.result)
    pages = max(1, -(-len(text) // PAGE_SIZE))
    if not 1 <= number <= pages:
        raise UsageError(f"there is no page {number}", hint=f"this answer has {pages}")
    head = f"[page {number} of {pages} of the answer to {call_text(stored.call)}; {UNTRUSTED}]"
    return f"{head}\n{strip_control(text[(number - 1) * PAGE_SIZE : number * PAGE_SIZE])}"


def call_text(call: Call) -> str:
    """Return a call on one line, so that a person can tell it from others."""
    arguments = json.dumps(call.arguments, ensure_ascii=False, default=str) if call.arguments else ""
    return single_line(f"{call.operation_id} {arguments[:200]}")


def _answer_text(result: Result) -> str:
    """Return an answer as the API sent it; of a stream, its items as JSON, one a line."""
    if result.items is None:
        return replace(result).text  # of a copy, since a Result keeps its text beside its body
    return "\n".join(json.dumps(item, ensure_ascii=False) for item in result.items)
