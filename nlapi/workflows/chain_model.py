"""Defines chains of operations: steps that belong together, and what each takes of the answers before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from nlapi.openapi.model import escape_step
from nlapi.openapi.spec import Operation
from nlapi.resources.paths import Place

Keys = tuple[str, ...]
"""Names of properties and indexes that lead into an answer."""


class ChainKind(IntEnum):
    """The kind of a chain, the most useful first."""

    CREATE = 0
    PUBLISH = 1
    WAIT = 2
    CHANGE = 3
    LOOK_UP = 4
    READ_BACK = 5
    REPORT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainAnswerValue:
    """A value in the answer of an earlier step of the chain, by the number of the step."""

    step: int
    name: str
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWait:
    """The wait for a state of an item: `keys` lead to it in the answer, `failures` end the wait."""

    keys: Keys
    done: str
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """An operation of a chain; `values` are its places with what earlier steps gave.

    `answer_noun` is the noun of what it answers with, where that is another. `asked` are optional places that are asked
    for as well, `optional` those that are taken where they are given. `list_keys` lead to the list that has to have one
    item, None where the answer needs no such check; with `choose_by` it is the one entry whose field has the very text
    that is asked for. `constants` are places with a value that makes the operation what
    it is here: the action `PUBLISH`. `changes` makes all fields of the body one input.
    """

    operation: Operation
    noun: str
    verb: str
    answer_noun: str = ""
    values: Mapping[Place, ChainAnswerValue] = field(default_factory=dict)
    constants: Mapping[Place, str] = field(default_factory=dict)
    asked: tuple[Place, ...] = ()
    optional: tuple[Place, ...] = ()
    outputs: Mapping[str, Keys] = field(default_factory=dict)
    list_keys: Keys | None = None
    choose_by: str = ""
    wait: StateWait | None = None
    changes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Steps that belong together, and the sentence of a person who wants them."""

    kind: ChainKind
    summary: str
    steps: tuple[ChainStep, ...]
    weight: float = 0.0
    """how central the resources are in the API: the number of operations on them"""

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(step.operation for step in self.steps)


def with_article(noun: str) -> str:
    """Return a noun behind `a` or `an`."""
    is_vowel = noun[:1].lower() in "aeiou" and not noun.lower().startswith(("uni", "use", "usa", "eu", "one"))
    return f"an {noun}" if is_vowel or noun.lower().startswith(("hour", "honest")) else f"a {noun}"


def pointer_text(keys: Keys) -> str:
    """Return keys as a JSON pointer (RFC 6901)."""
    return "".join(f"/{escape_step(key)}" for key in keys)
