"""Sentences with what each must bring about, read from YAML files: one file a server, one entry a sentence."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

SENTENCES = Path(__file__).with_name("sentences")


class Kind(StrEnum):
    """What a sentence is, and so what is right for it."""

    READ = "read"
    CHANGE = "change"
    ASK = "ask"
    """It lacks a value or means several things: to ask is right."""
    CANNOT = "cannot"
    """The API does not have it: to refuse is right, and so is a question."""
    MISSING = "missing"
    """It names a thing that does not exist: to say so is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the printed answer must show. Texts are whole words, compared without regard to case.

    `shows` and `hides` are about all that is printed, `closing` and `closing_hides` about the sentence that ends it.
    `count` is the first number of the closing sentence, `rows` the number of rows in tables, `counts` a number for each
    group, `order` texts in their order, `says_yes` the answer to a question for yes or no, `asks` what the question
    must speak of. `unsent` are parts of addresses that no right request has, such as a name in the place of an id.
    In `shows`, `closing` and `asks` the parts between bars are alternatives: `running|up`.
    """

    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    closing_hides: tuple[str, ...] = ()
    count: int | None = None
    rows: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    says_yes: bool | None = None
    asks: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A difference of the server's state: patterns of items with what their attributes must be.

    A pattern (`silence *`) stands for exactly one item; with `~` before it, for any number, also none.
    An attribute's value is compared, or is `{has: text}`, `{about: number, within: number}`, `{any: [...]}` or `{}`.
    An item that is added may have more attributes than are named; one that is changed may not.
    """

    added: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence for one server; `effects` are alternatives, each of them right.

    `requests` (method, path and body) bring a change about without nlapi, so that the effect can be checked itself.
    """

    server: str
    text: str
    kind: Kind
    answer: Answer = Answer()
    effects: tuple[Effect, ...] = ()
    requests: tuple[tuple[Any, ...], ...] = ()

    def filled(self, references: Mapping[str, str]) -> Sentence:
        """Return the sentence with the ids of the server's seeded state in the place of `{names}`."""
        return _sentence(self.server, _fill(_raw(self), references))


class MalformedError(ValueError):
    """An entry of a file of sentences that cannot be read; the message says where."""


def load(folder: Path = SENTENCES) -> dict[str, list[Sentence]]:
    """Return the sentences of each server. MalformedError with the file and the entry."""
    return {path.stem: list(_read(path)) for path in sorted(folder.glob("*.yaml"))}


def _read(path: Path) -> Iterator[Sentence]:
    entries = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    if not isinstance(entries, list):
        raise MalformedError(f"{path.name}: a list of sentences is expected")
    for number, entry in enumerate(entries, 1):
        try:
            yield _sentence(path.stem, entry)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise MalformedError(f"{path.name}: entry {number}: {error}") from error


def _sentence(server: str, entry: Mapping[str, Any]) -> Sentence:
    unknown = entry.keys() - {"say", "kind", "answer", "effect", "requests"}
    if unknown:
        raise MalformedError(f"unknown keys: {', '.join(sorted(unknown))}")
    kind = Kind(entry["kind"])
    raw = entry.get("effect", [])
    effects = tuple(_effect(effect) for effect in (raw if isinstance(raw, list) else [raw]))
    answer = _answer(entry.get("answer", {}))
    if bool(effects) != (kind is Kind.CHANGE):
        raise MalformedError("a change needs an effect, and nothing else has one")
    if kind is Kind.READ and answer == Answer():
        raise MalformedError("a read needs an answer")
    if not isinstance(entry["say"], str) or not entry["say"].strip():
        raise MalformedError("say is empty")
    requests = tuple(tuple(request) for request in entry.get("requests") or ())
    return Sentence(
        server=server, text=entry["say"].strip(), kind=kind, answer=answer, effects=effects, requests=requests
    )  # fmt: skip


def _answer(entry: Mapping[str, Any]) -> Answer:
    lists = {"shows", "hides", "closing", "closing_hides", "order", "asks", "unsent"}
    for name in lists & entry.keys():
        if not isinstance(entry[name], (list, tuple)) or not all(isinstance(text, str) for text in entry[name]):
            raise MalformedError(f"{name} is a list of texts")
    values: dict[str, Any] = {name: tuple(value) if name in lists else value for name, value in entry.items()}
    return Answer(**values)


def _effect(entry: Mapping[str, Any]) -> Effect:
    effect = Effect(
        added={name: value or {} for name, value in (entry.get("added") or {}).items()},
        removed=tuple(entry.get("removed") or ()),
        changed={name: value or {} for name, value in (entry.get("changed") or {}).items()},
    )
    if entry.keys() - {"added", "removed", "changed"} or effect == Effect():
        raise MalformedError("an effect has added, removed or changed")
    return effect


def _raw(sentence: Sentence) -> dict[str, Any]:
    answer = {name: getattr(sentence.answer, name) for name in Answer.__dataclass_fields__}
    effects = [{name: getattr(effect, name) for name in Effect.__dataclass_fields__} for effect in sentence.effects]
    entry = {"say": sentence.text, "kind": sentence.kind, "answer": answer, "effect": effects}
    return {**entry, "requests": sentence.requests}


def _fill(value: Any, references: Mapping[str, str]) -> Any:
    """Replace `{name}` in all texts. KeyError for a name that the server has not."""
    if isinstance(value, str):
        names = [name for _, name, _, _ in string.Formatter().parse(value) if name]
        for name in names:
            value = value.replace(f"{{{name}}}", references[name])
        return value
    if isinstance(value, Mapping):
        return {_fill(key, references): _fill(item, references) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fill(item, references) for item in value]
    return value
