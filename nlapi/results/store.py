"""Stores the answers of a conversation under handles, and shows each to a model once."""

from __future__ import annotations

import re
import secrets
import threading
import weakref
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import is_
from pathlib import Path
from typing import BinaryIO

from nlapi.client.message import Result, body_size, forget_derived, is_resident, move_body
from nlapi.english.intents import STOPWORDS
from nlapi.english.words import split_words, stem
from nlapi.errors import UsageError
from nlapi.registry import user_folder
from nlapi.results.contents import Contents, read_contents
from nlapi.results.model_view import PLAIN_FORM, AnswerForm, model_view
from nlapi.results.query import parse_query, run_query
from nlapi.tools.plan import Conversation, Step
from nlapi.tools.tool import Call

# Bytes of bodies in memory. An answer of 21 MB and the next one fit, and a process with such an answer takes 180 MB in
# all (`python -m benchmarks.agent`).
MAX_RESIDENT = 32_000_000
# Bytes of a body that is never moved: its place in the file would take a good part of that in memory.
MIN_MOVED = 2_000
# Bytes of the bodies whose text and JSON stay beside them: the last answers, which a planner reads again and again.
MAX_DERIVED = 4_000_000
# Bytes of one file. Its room is given back when none of the bodies in it is used any more.
MAX_FILE = 64_000_000


class BodyFile:
    """A file of bodies, one behind the other, that ends when nothing refers to it.

    It has no name (on POSIX it is removed as soon as it is open, or never had one; on Windows the system removes it):
    no other process opens it, and neither an end of the process nor a kill leaves it behind.
    """

    def __init__(self, folder: Path) -> None:
        import tempfile  # which few conversations come to need

        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # `tempfile` gives it mode 0600. Unbuffered: of a write that fails, nothing is left to be written at the end.
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._lock = threading.Lock()
        self.size = 0
        weakref.finalize(self, self._file.close)

    def append(self, content: bytes) -> FileBody:
        """Write a body behind the others. OSError where it cannot be written in full."""
        with self._lock:
            self._file.seek(self.size)
            remaining = memoryview(content)
            while remaining:
                remaining = remaining[self._file.write(remaining) :]
            body = FileBody(file=self, start=self.size, size=len(content))
            self.size += len(content)
        return body

    def read(self, start: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            parts: list[bytes] = []
            while size:
                part = self._file.read(size)
                if not part:
                    raise OSError("the file of an answer is shorter than it was")
                parts.append(part)
                size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBody:
    """A body in a BodyFile, which it keeps open."""

    file: BodyFile
    start: int
    size: int

    def read(self) -> bytes:
        """Return the bytes of the body."""
        return self.file.read(self.start, self.size)

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        # A copy, or a Result that is pickled, has the bytes themselves.
        return bytes, (self.read(),)


@dataclass(slots=True)
class ResidentBodies:
    """The bodies in memory of all Results that were added, as long as something else refers to those.

    Beyond `limit` bytes the oldest are moved to files in `folder`, the user's state folder by default. Only of the last
    ones the text and the JSON stay in memory, too.
    """

    limit: int = MAX_RESIDENT
    folder: Path | None = None
    fault: str = ""
    """why the last body that should have been moved is still in memory; "" where it was moved"""
    _results: list[weakref.ref[Result]] = field(default_factory=list)
    _file: weakref.ref[BodyFile] | None = None
    # Reentrant: a Result may be collected, and its file closed, while another is added.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, result: Result) -> None:
        """Count the body of a Result, and move the oldest ones that are too many."""
        with self._lock:
            results = [entry for ref in self._results if (entry := ref()) is not None and entry is not result]
            results = [entry for entry in results if is_resident(entry)]
            if is_resident(result) and body_size(result) >= MIN_MOVED:
                results.append(result)
            _forget_derived(results)
            total = sum(map(body_size, results))
            moved = 0
            while total > self.limit and moved < len(results) and self._move(results[moved]):
                total -= body_size(results[moved])
                moved += 1
            self._results = list(map(weakref.ref, results[moved:]))

    def _move(self, result: Result) -> bool:
        """Move a body to a file, and return whether it was."""
        content = result.content
        try:
            file = self._file() if self._file is not None else None
            if file is None or file.size + len(content) > MAX_FILE:
                file = BodyFile(self.folder or user_folder("state"))
            body = file.append(content)
        except OSError as error:
            folder = self.folder or user_folder("state")
            self.fault = f"{folder} cannot be written: {error.strerror or error}"
            return False
        self._file, self.fault = weakref.ref(file), ""
        move_body(result, body)
        return True


def _forget_derived(results: Sequence[Result]) -> None:
    """Drop what was derived from the oldest bodies; it is derived again where it is asked for."""
    size = 0
    for result in reversed(results):
        if size and size + body_size(result) > MAX_DERIVED:
            forget_derived(result)
        size += body_size(result)


RESIDENT_BODIES = ResidentBodies()
"""The bodies of this process: memory is one, however many conversations use it."""


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
        """Return the answer of a handle. UsageError if none exists, or none any more."""
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
        words = [asked for turn in conversation.turns for asked in [question_words(turn.question)] * len(turn.steps)]
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


def question_words(question: str) -> frozenset[str]:
    """Return the stems of the words of a question, by which it may name fields."""
    return frozenset(map(stem, split_words(question))) - STOPWORDS
