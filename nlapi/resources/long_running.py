"""Long-running operations: whether an answer is about unfinished work, where its state is read, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urljoin, urlsplit

from nlapi.english import lexicon
from nlapi.english.words import name_key
from nlapi.openapi.spec import UPDATE_METHODS, Operation
from nlapi.resources.envelope import WRAPPERS
from nlapi.resources.error_reasons import error_reason

ACCEPTED = 202
# Headers of Azure and of others with the address of the state; Location of a 202 is the third way (RFC 9110 §15.3.3).
STATE_HEADERS = ("azure-asyncoperation", "operation-location")
# The extension by which a description marks an operation that answers before its work is done.
LONG_RUNNING = "x-ms-long-running-operation"

_STATE_NAMES = lexicon.text("resources/words", "state_names").split()
_WORK_STATES = lexicon.words("resources/words", "work_states")
_FAILED_STATES = lexicon.words("resources/words", "failed_states")
_WORK_NOUNS = lexicon.words("resources/words", "work_nouns")
_LINK_NAMES = lexicon.words("resources/words", "state_links")


class WorkState(StrEnum):
    """The state of work: in progress, or over with or without success."""

    IN_PROGRESS = "in progress"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """Unfinished work. `url` is where its state is read, "" where it is unknown.

    `result_url` is where its result is read once it is done, "" if the state has it. `state` is the API's word.
    """

    url: str = ""
    result_url: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """What an answer to a request says: `headers` by their names in lower case, `data` its body as a value."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    data: object


def work_state(data: object) -> tuple[WorkState | None, str]:
    """Return the state that an answer has of work, with the API's word for it; None where it has none.

    A state of no known word is one that work ends in.
    """
    for container in _containers(data):
        if (done := _operation_state(container)) is not None:
            return done, ""
        fields = {name_key(name): value for name, value in container.items()}
        for name in _STATE_NAMES:
            word = fields.get(name)
            word = word.get("state") or word.get("status") if isinstance(word, Mapping) else word
            if isinstance(word, str) and word:
                return _state_of(word), word
    return None, ""


def failure_reason(data: object) -> str:
    """Return the reason that an answer gives for the failure of work, "" without one."""
    reasons = (error_reason(entry.get("error") or entry.get("errors")) for entry in _containers(data))
    return next(filter(None, reasons), "")


def pending_work(operation: Operation, answer: AnsweredRequest, *, any_state: bool = False) -> PendingWork | None:
    """Return the unfinished work that an answer to a change is about; None if the change is done.

    The signs are a header with an address, 202, an operation that is not `done` (Google's), and the description. With
    `any_state`, the state of a job, a run or another of `_WORK_NOUNS` is one too.
    """
    if not 200 <= answer.status < 300:
        return None
    state, word = work_state(answer.data)
    located = next((answer.headers[name] for name in STATE_HEADERS if answer.headers.get(name)), "")
    if state in (WorkState.DONE, WorkState.FAILED) and answer.status != ACCEPTED:
        return None
    is_operation = any(_operation_state(entry) is WorkState.IN_PROGRESS for entry in _containers(answer.data))
    is_in_progress = state is WorkState.IN_PROGRESS and (
        is_operation or operation.node.get(LONG_RUNNING) is True or (any_state and _is_work(operation))
    )
    if not (located or answer.status == ACCEPTED or is_in_progress):
        return None
    location = answer.headers.get("location", "")
    item_url = answer.url if answer.method in UPDATE_METHODS else ""
    url = located or location or _linked_url(answer) or item_url
    result = (location or item_url) if located else ""
    return PendingWork(
        url=_absolute(answer, url),
        result_url=_absolute(answer, result),
        state=word,
    )


def next_state(work: PendingWork, answer: AnsweredRequest) -> PendingWork:
    """Return the work after an answer that it is still in progress: an answer may name another address of its state."""
    headers = (answer.headers.get(name) for name in (*STATE_HEADERS, "location"))
    url = next(filter(None, headers), "") if answer.status == ACCEPTED else ""
    word = work_state(answer.data)[1]
    return PendingWork(url=_absolute(answer, url) or work.url, result_url=work.result_url, state=word)


def _absolute(answer: AnsweredRequest, url: str) -> str:
    """Return an address in an answer as a whole one; "" without one, and for anything else."""
    try:
        return urljoin(answer.url, url) if url else ""
    except ValueError:  # http://[
        return ""


def _containers(data: object) -> Iterator[Mapping[str, object]]:
    """Yield the objects of an answer that may have the state: itself, Azure's `properties`, and one that wraps it."""
    if not isinstance(data, Mapping):
        return
    yield data
    inner = [value for name, value in data.items() if name_key(name) in ("properties", *WRAPPERS) or len(data) == 1]
    yield from (value for value in inner if isinstance(value, Mapping))


def _operation_state(data: Mapping[str, object]) -> WorkState | None:
    """Return the state of a long-running operation of Google's form (google.longrunning.Operation)."""
    name, done = data.get("name"), data.get("done")
    is_named = isinstance(name, str) and re.search(r"(?:^|/)operations?/", name) is not None
    if done is True and (is_named or "response" in data or "error" in data):
        return WorkState.FAILED if data.get("error") else WorkState.DONE
    if is_named and done in (None, False):
        return WorkState.IN_PROGRESS
    return None


def _state_of(word: str) -> WorkState:
    key = name_key(word)
    if key in _WORK_STATES:
        return WorkState.IN_PROGRESS
    return WorkState.FAILED if key in _FAILED_STATES else WorkState.DONE


def _is_work(operation: Operation) -> bool:
    """Return whether what an operation makes is work that a machine does."""
    from nlapi.resources.nouns import singular_noun

    return bool(_WORK_NOUNS & set(singular_noun(operation)[-1:]))


def _linked_url(answer: AnsweredRequest) -> str:
    """Return the address that the body names for the state; "" without one."""
    for container in _containers(answer.data):
        links = container.get("links") or container.get("_links")
        for fields in (container, links if isinstance(links, Mapping) else {}):
            for name, value in fields.items():
                address = value.get("href") if isinstance(value, Mapping) else value
                # `status` may be the state itself.
                is_address = isinstance(address, str) and re.match(r"https?://|/", address) is not None
                if name_key(name) in _LINK_NAMES and is_address:
                    return str(address)
        if _operation_state(container) is WorkState.IN_PROGRESS:
            return _operation_path(answer.url, str(container["name"]))
    return ""


def _operation_path(url: str, name: str) -> str:
    """Return the path of an operation by its name, behind the version in the address of the request (AIP-151)."""
    base = re.match(r".*?/v\d\w*(?=/)", urlsplit(url).path)
    return f"{base.group() if base else ''}/{name.lstrip('/')}"
