"""Judges a run of a workflow by the requests that the sandbox saw, whatever the runner says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from benchmarks.workflows.collection import Case, Step, Use, leaves, uses
from benchmarks.workflows.stage import Exchange
from nlapi.openapi.spec import Spec

_STATUS = re.compile(r"\s*\$statusCode\s*==\s*(\d{3})\s*")
_REFERENCE = re.compile(r"\$steps\.(?P<rest>[^}]+)")


@dataclass(frozen=True, kw_only=True)
class HandOver:
    """A value that a step takes from the answer of an earlier one, and whether it was sent."""

    use: Use
    source: str
    is_carried: bool

    def __str__(self) -> str:
        where = ".".join(map(str, self.use.keys)) or self.use.name or "body"
        return f"{self.source} -> {self.use.step.id} {self.use.location} {where}: {self.use.expression}"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a run did. `met` has for each step whether its criteria held: by the letter, and read tolerantly.

    Tolerantly, a criterion that wants a status which the operation does not describe takes any 2xx.
    """

    exchanges: tuple[Exchange | None, ...]
    met: tuple[tuple[bool, bool], ...]
    hand_overs: tuple[HandOver, ...]
    wrong: tuple[Exchange, ...]
    last: Exchange | None = None

    @property
    def is_ended(self) -> bool:
        """Whether each step was sent, and its criteria held, read tolerantly."""
        return all(tolerant for _, tolerant in self.met)

    @property
    def is_ended_strictly(self) -> bool:
        return all(strict for strict, _ in self.met)

    @property
    def is_whole(self) -> bool:
        """Whether it ended, and each hand-over between steps was carried."""
        return self.is_ended and all(hand_over.is_carried for hand_over in self.hand_overs)

    def is_true(self, code: int) -> bool:
        """Whether an exit code tells the truth: 0 when all criteria held, another when one did not.

        Where the letter and the tolerant reading differ, both codes are true.
        """
        return self.is_ended if code == 0 else not self.is_ended_strictly


def judge(case: Case, log: Sequence[Exchange], spec: Spec, *, script: Case | None = None) -> Evidence:
    """Return the evidence of a run from its log; `script` is the workflow with repairs, if it was run so."""
    unused = list(log)
    by_step: list[Exchange | None] = []
    for step in case.steps:
        same = [entry for entry in unused if entry.operation == (step.method, step.path)]
        # A step that is tried again has several; of two steps with one operation the first takes the first success.
        entry = next((entry for entry in same if entry.is_success), same[0] if same else None)
        by_step.append(entry)
        if entry is not None:
            unused.remove(entry)
    exchanges = {step.id: entry for step, entry in zip(case.steps, by_step, strict=True)}
    return Evidence(
        exchanges=tuple(by_step),
        met=tuple(criteria_met(step, entry, spec) for step, entry in zip(case.steps, by_step, strict=True)),
        hand_overs=tuple(_hand_overs(case, script or case, exchanges)),
        wrong=tuple(entry for entry in log if entry.fault),
        last=log[-1] if log else None,
    )


def criteria_met(step: Step, exchange: Exchange | None, spec: Spec) -> tuple[bool, bool]:
    """Return whether the criteria of a step held: by the letter, and read tolerantly.

    A criterion other than a status counts as met by any 2xx: none of the collection has one.
    """
    if exchange is None:
        return False, False
    statuses = wanted_statuses(step)
    if not statuses:
        return exchange.is_success, exchange.is_success
    strict = all(status == exchange.status for status in statuses)
    described = described_statuses(step, spec)
    is_bend = exchange.is_success and not any({str(status), f"{status // 100}XX"} & described for status in statuses)
    return strict, strict or is_bend


def wanted_statuses(step: Step) -> list[int]:
    """Return the statuses that the criteria of a step name."""
    conditions = (str(criterion.get("condition")) for criterion in step.tree.get("successCriteria", ()))
    return [int(match[1]) for match in map(_STATUS.fullmatch, conditions) if match]


def described_statuses(step: Step, spec: Spec) -> frozenset[str]:
    """Return the statuses that the operation of a step describes, as written."""
    operations = (entry for entry in spec.operations if (entry.method, entry.path) == (step.method, step.path))
    return frozenset(response.status.upper() for operation in operations for response in operation.responses)


def source_step(text: str, ids: Iterable[str]) -> str:
    """Return the step that a text after `$steps.` names, of the ids the longest; "" for none."""
    return max((id for id in ids if text == id or text.startswith(f"{id}.")), key=len, default="")


def _hand_overs(case: Case, script: Case, exchanges: Mapping[str, Exchange | None]) -> Iterator[HandOver]:
    """Yield the hand-overs of a workflow; a repair may have moved one to another place of the same step."""
    repaired = list(_references(script, exchanges))
    from_requests = {step.id for step in script.steps if "$request." in json.dumps(step.tree.get("outputs", {}))}
    for use, source, text in _references(case, exchanges):
        given, sent = exchanges.get(source), exchanges.get(use.step.id)
        moved = [other for other, owner, _ in repaired if owner == source and other.step.id == use.step.id]
        is_carried = (
            given is not None
            and sent is not None
            and any(_is_carried(place, given, sent, is_sent=source in from_requests) for place in (use, *moved))
        )
        yield HandOver(use=use, source=source or text, is_carried=is_carried)


def _references(case: Case, ids: Iterable[str]) -> Iterator[tuple[Use, str, str]]:
    """Yield each use of a step's output with the id of that step and the text that names it."""
    for use in uses(case):
        for match in _REFERENCE.finditer(use.expression):
            yield use, source_step(match["rest"], ids), match["rest"]


def _is_carried(use: Use, given: Exchange, sent: Exchange, *, is_sent: bool) -> bool:
    """Return whether a value that was sent at the place of a use is one of the answer that it should come from.

    With `is_sent` it may be one of the request of that step: some outputs are what was sent.
    """
    answered = {*_answer_texts(given), *(_request_texts(given) if is_sent else ())}
    texts = [text for text in _sent_texts(use, sent) if text]
    if use.expression.strip().startswith("$"):
        return any(text in answered for text in texts)
    return any(value in text for text in texts for value in answered if value)


def _answer_texts(exchange: Exchange) -> Iterator[str]:
    yield from _texts(exchange.answer_body)
    for value in exchange.answer_headers.values():
        yield value
        # An id in a Location is its last segment.
        yield unquote(value.rstrip("/").rpartition("/")[2])


def _request_texts(exchange: Exchange) -> Iterator[str]:
    yield from _texts(exchange.body)
    yield from exchange.values.values()
    yield from (value for _, value in parse_qsl(exchange.query))


def _sent_texts(use: Use, exchange: Exchange) -> Iterator[str]:
    """Yield the texts that a request has at the place of a use; in a body below any key of that name."""
    if use.location == "path":
        if use.name in exchange.values:
            yield exchange.values[use.name]
    elif use.location == "query":
        for name, value in parse_qsl(exchange.query, keep_blank_values=True):
            if name == use.name or name.startswith(f"{use.name}["):
                yield from (value, *value.split(","))
    elif use.location == "header":
        yield exchange.headers.get(use.name.lower(), "")
    elif use.location == "cookie":
        yield from exchange.headers.get("cookie", "").replace("; ", "=").split("=")
    else:
        key = next((key for key in reversed(use.keys) if isinstance(key, str)), None)
        for keys, value in leaves(exchange.body):
            if key is None or any(part == key or str(part).startswith(f"{key}[") for part in keys):
                yield _text(value)
        if not isinstance(exchange.body, dict | list):
            # Multipart and other bodies are one text, in which each part has its own line.
            yield from (line.strip() for line in str(exchange.body).splitlines())


def _texts(value: Any) -> Iterator[str]:
    for _, leaf in leaves(value):
        yield _text(leaf)


def _text(value: Any) -> str:
    """Return a scalar as a request has it in its URL."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)
