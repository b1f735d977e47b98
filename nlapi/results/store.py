"""Stores the answers of a conversation under handles, and shows each to a model once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from operator import is_

from nlapi.client.message import Result
from nlapi.errors import UsageError
from nlapi.resources.naming import STOPWORDS, split_words, stem
from nlapi.results.contents import Contents, read_contents
from nlapi.results.model_view import PLAIN_FORM, AnswerForm, model_view
from nlapi.results.query import run_query
from nlapi.results.query_arguments import parse_query
from nlapi.tools.plan import Conversation, Step, Turn
from nlapi.tools.tool import Call

# Bytes of the bodies whose contents stay parsed between two queries. JSON takes some six times its size as objects.
MAX_PARSED = 1_000_000


@dataclass(slots=True, kw_only=True)
class StoredResult:
    """An answer with the call that it answers. `view` is what a model is shown of it."""

    handle: str
    result: Result
    call: Call
    view: str


@dataclass(slots=True)
class ResultStore:
    """Answers by their handles r1, r2, ... in the order in which they came, shown in one form."""

    form: AnswerForm = PLAIN_FORM
    _stored: dict[str, StoredResult] = field(default_factory=dict)
    _parsed: OrderedDict[str, Contents] = field(default_factory=OrderedDict)

    @property
    def next_handle(self) -> str:
        return f"r{len(self._stored) + 1}"

    def add(self, handle: str, result: Result, call: Call, words: Collection[str] = ()) -> StoredResult:
        """Store an answer under a handle; `words` are the stems of the words of the question."""
        contents = read_contents(result, call.tool.operation)
        view = model_view(result, contents, handle=handle, call=call, words=words, form=self.form)
        stored = StoredResult(handle=handle, result=result, call=call, view=view)
        self._stored[handle] = stored
        self._remember(handle, contents)
        return stored

    def view(self, handle: str) -> str:
        """Return what a model is shown of an answer."""
        return self._stored[handle].view

    def query(self, arguments: Mapping[str, object]) -> str:
        """Return the answer to a query as JSON text. UsageError for a query that cannot be answered."""
        query = parse_query(arguments)
        stored = self._stored.get(query.handle)
        if stored is None:
            handles = list(self._stored)
            hint = f"they are {', '.join(handles[-12:])}" if handles else "no answer has come yet"
            raise UsageError(f"there is no result {query.handle[:40]!r}", hint=hint)
        contents = self._parsed.get(query.handle)
        if contents is None:
            contents = read_contents(stored.result, stored.call.tool.operation)
        self._remember(query.handle, contents)
        return run_query(query, contents, limit=self.form.limit)

    def _remember(self, handle: str, contents: Contents) -> None:
        """Keep the contents parsed, and drop the oldest others where they are too many."""
        self._parsed[handle] = contents
        self._parsed.move_to_end(handle)
        while len(self._parsed) > 1 and sum(len(self._stored[key].result.content) for key in self._parsed) > MAX_PARSED:
            self._parsed.popitem(last=False)


class ConversationViews:
    """The answers of one conversation at a time, each made ready once; r1 is that of the first step."""

    def __init__(self) -> None:
        self._store = ResultStore()
        self._conversation = ""
        self._handles: dict[int, str] = {}
        self._steps: list[Step] = []

    def update(self, conversation: Conversation) -> None:
        """Store the answers that came since the last update, or all of another conversation."""
        steps = list(conversation.steps)
        count = len(self._steps)
        # A turn that was given up is taken out of its conversation, so the steps before the new ones may have changed.
        is_same = conversation.id == self._conversation and all(map(is_, self._steps, steps)) and count <= len(steps)
        if not is_same:
            self._store, self._conversation, self._handles, count = ResultStore(), conversation.id, {}, 0
        # The words are those of the step's own turn, so that an answer looks the same when a transcript is read again.
        words = [turn_words for turn in conversation.turns for turn_words in _step_words(turn)]
        for number, step in enumerate(steps[count:], count + 1):
            if step.result is not None:
                self._store.add(f"r{number}", step.result, step.call, words[number - 1])
                self._handles[id(step)] = f"r{number}"
        self._steps = steps

    def view(self, step: Step) -> str:
        """Return what a model is shown of the answer of a step."""
        return self._store.view(self._handles[id(step)])

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
