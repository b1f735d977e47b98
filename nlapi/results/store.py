"""Stores the answers of a conversation under handles, and shows each to a model once."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import is_

from nlapi.client.message import Result, body_size, is_resident
from nlapi.english.words import split_words, stem
from nlapi.errors import UsageError
from nlapi.resources.naming import STOPWORDS
from nlapi.results.bodies import RESIDENT_BODIES, ResidentBodies
from nlapi.results.contents import Contents, read_contents
from nlapi.results.model_view import PLAIN_FORM, AnswerForm, model_view
from nlapi.results.query import run_query
from nlapi.results.query_arguments import parse_query
from nlapi.tools.plan import Conversation, Step, Turn
from nlapi.tools.tool import Call

# Bytes of the bodies whose contents stay parsed between two queries. JSON takes some six times its size as objects.
MAX_PARSED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """An answer with the call that it answers."""

    handle: str
    result: Result
    call: Call


class ResultStore:
    """Answers by their handles r1, r2, ... in the order in which they came, shown in one form.

    With `is_shared`, several people ask for answers: handles cannot be guessed, and none is named to anybody.
    """

    def __init__(
        self,
        *,
        form: AnswerForm = PLAIN_FORM,
        bodies: ResidentBodies = RESIDENT_BODIES,
        is_shared: bool = False,
    ) -> None:
        self._form = form
        self._bodies = bodies
        self._is_shared = is_shared
        self._is_partial = False
        self._stored: OrderedDict[str, StoredResult] = OrderedDict()
        self._parsed: OrderedDict[str, Contents] = OrderedDict()
        self._count = 0

    def __iter__(self) -> Iterator[StoredResult]:
        """Yield the answers, oldest first."""
        return iter(tuple(self._stored.values()))

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def next_handle(self) -> str:
        return secrets.token_urlsafe(16) if self._is_shared else f"r{self._count + 1}"

    def add(self, handle: str, result: Result, call: Call, words: Collection[str] = ()) -> str:
        """Store an answer under a handle, and return what a model is shown of it.

        `words` are the stems of the words of the question.
        """
        self._stored[handle] = StoredResult(handle=handle, result=result, call=call)
        self._count += 1
        contents = self._parse(handle, result, call)
        view = model_view(result, contents, handle=handle, call=call, words=words, form=self._form)
        self._bodies.add(result)
        return view

    def remove(self, handle: str) -> None:
        """Forget an answer."""
        self._is_partial = True
        self._stored.pop(handle, None)
        self._parsed.pop(handle, None)

    def forget_parsed(self) -> None:
        """Take the parsed contents out of memory; a query parses them again."""
        self._parsed.clear()

    def get(self, handle: str) -> StoredResult:
        """Return the answer of a handle. UsageError where there is none, or none any more."""
        stored = self._stored.get(handle)
        if stored is not None:
            return stored
        # The same words for an answer that is gone and for one of somebody else.
        is_past = re.fullmatch("r[0-9]{1,9}", handle) is not None and 0 < int(handle[1:]) <= self._count
        if self._is_shared or (self._is_partial and is_past):
            raise UsageError(f"{handle[:40]!r} is not stored, or not any more", hint="call the operation again")
        handles = list(self._stored)
        hint = f"they are {', '.join(handles[-12:])}" if handles else "no answer has come yet"
        raise UsageError(f"there is no result {handle[:40]!r}", hint=hint)

    def query(self, arguments: Mapping[str, object]) -> str:
        """Return the answer to a query as JSON text. UsageError for a query that cannot be answered."""
        query = parse_query(arguments)
        stored = self.get(query.handle)
        contents = self._parsed.get(query.handle)
        if contents is None:
            contents = self._parse(query.handle, stored.result, stored.call)
        self._parsed.move_to_end(query.handle)
        return run_query(query, contents, limit=self._form.limit)

    def _parse(self, handle: str, result: Result, call: Call) -> Contents:
        """Return the contents of an answer, and drop the oldest others where all would be too many."""
        size = body_size(result)
        parsed = {key: body_size(self._stored[key].result) for key in self._parsed}
        # Before it is parsed: two answers of 20 MB would be 240 MB of objects at a time.
        while self._parsed and sum(parsed.values()) + size > MAX_PARSED:
            del parsed[self._parsed.popitem(last=False)[0]]
        # A copy has the body in memory as long as it is parsed, where that was moved to a file.
        resident = result if is_resident(result) else replace(result)
        contents = self._parsed[handle] = read_contents(resident, call.tool.operation)
        return contents


class ConversationViews:
    """The answers of one conversation at a time, each made ready once; r1 is that of the first step."""

    def __init__(self) -> None:
        self._store = ResultStore()
        self._conversation = ""
        self._handles: dict[int, str] = {}
        self._views: dict[str, str] = {}
        self._steps: list[Step] = []

    def update(self, conversation: Conversation) -> None:
        """Store the answers that came since the last update, or all of another conversation."""
        steps = list(conversation.steps)
        count = len(self._steps)
        # A turn that was given up is taken out of its conversation, so the steps before the new ones may have changed.
        is_same = conversation.id == self._conversation and all(map(is_, self._steps, steps)) and count <= len(steps)
        if not is_same:
            self._store, self._conversation, count = ResultStore(), conversation.id, 0
            self._handles, self._views = {}, {}
        # The words are those of the step's own turn, so that an answer looks the same when a transcript is read again.
        words = [turn_words for turn in conversation.turns for turn_words in _step_words(turn)]
        for number, step in enumerate(steps[count:], count + 1):
            if step.result is not None:
                handle = self._handles[id(step)] = f"r{number}"
                self._views[handle] = self._store.add(handle, step.result, step.call, words[number - 1])
        self._steps = steps

    def view(self, step: Step) -> str:
        """Return what a model is shown of the answer of a step."""
        return self._views[self._handles[id(step)]]

    def handle(self, step: Step) -> str:
        """Return the handle of the answer of a step."""
        return self._handles[id(step)]

    def query(self, arguments: Mapping[str, object]) -> str:
        """Return the answer to a query of one of the answers. UsageError for one that cannot be answered."""
        return self._store.query(arguments)


def _step_words(turn: Turn) -> list[frozenset[str]]:
    """Return the words of the question for each step of a turn."""
    return [question_words(turn.question)] * len(turn.steps)


def question_words(question: str) -> frozenset[str]:
    """Return the stems of the words of a question, by which it may name fields."""
    return frozenset(map(stem, split_words(question))) - STOPWORDS
