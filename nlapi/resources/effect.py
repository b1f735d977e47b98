"""Judges what an operation does to the world: by its method, by what is stated, by evidence that agrees."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum

from nlapi.openapi.parse import derived_id
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, effect_by_method
from nlapi.resources.effect_shape import (
    against,
    answers_kept_thing,
    answers_nothing,
    answers_only_ids,
    answers_own_id,
    answers_value,
    asks_for,
    body_names,
)
from nlapi.resources.effect_words import (
    Action,
    Clue,
    disclaims_change,
    name_clue,
    noun_clue,
    prose_clue,
    returned_too,
    runs_later,
    sentences,
    spoken_change,
)
from nlapi.resources.naming import name_key, name_words


class Basis(StrEnum):
    """Why an effect holds."""

    METHOD = "method"
    STATED = "stated"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectEvidence:
    """What an operation does, and why. `reasons` are short sentences for a person.

    `contradicted`: the description states a read, and the operation's own words say that it changes something.
    """

    effect: Effect
    basis: Basis
    reasons: tuple[str, ...] = ()
    contradicted: bool = False


def effect_of(operation: Operation) -> Effect:
    """Return the effect of an operation, as `evidence_of` judges it."""
    if operation.method != "POST":
        return effect_by_method(operation)
    return evidence_of(operation).effect


def evidence_of(operation: Operation) -> EffectEvidence:
    """Return the effect of an operation with the reasons for it.

    Only a POST is judged by evidence: the other methods say what they do (RFC 9110 §9.3).
    """
    if operation.method != "POST":
        stated = operation.stated_effect is not None
        return EffectEvidence(effect=effect_by_method(operation), basis=Basis.STATED if stated else Basis.METHOD)
    stated_effect = operation.stated_effect
    if stated_effect is None:
        return _judge(operation)
    if stated_effect is Effect.READ:
        word = stated_change(operation)
        if word:
            return EffectEvidence(effect=Effect.WRITE, basis=Basis.EVIDENCE, reasons=(word,), contradicted=True)
    return EffectEvidence(effect=stated_effect, basis=Basis.STATED, reasons=("the description states it",))


_VOTES = {Action.RETRIEVE: 2.0, Action.COMPUTE: 1.5, Action.RISKY: 1.0}
ENOUGH = 3.0


def _vote(clue: Clue) -> float:
    """How much a clue weighs: a last word half, and to return something less than to look for it."""
    if not clue.leading:
        return 1.0
    return 1.5 if clue.word.startswith(("return", "obtain", "receiv")) else _VOTES[clue.action]



def _judge(operation: Operation) -> EffectEvidence:
    clues = _clues(operation)
    changing = next((reason for clue, reason in clues if clue.action is Action.CHANGE), "")
    if changing:
        return _change(changing)
    if not clues:
        return _change("nothing in its name, path or summary says that it only reads")
    texts = [*sentences(operation.summary, 2), *sentences(operation.description, 3)]
    for text in texts:
        if not disclaims_change(text) and (word := spoken_change(text)):
            return _change(f"its text speaks of a change (`{word}`)")
        if phrase := runs_later(text):
            return _change(f"its text says that work is started (`{phrase}`)")
    if issued := _issues_access(operation):
        return _change(issued)
    speaks = against(operation, token_named=_token_named(operation))
    if speaks:
        return _change(speaks)
    return _weigh(operation, clues, any(disclaims_change(text) for text in texts))


def _change(reason: str) -> EffectEvidence:
    return EffectEvidence(effect=Effect.WRITE, basis=Basis.METHOD, reasons=(reason,))


def _weigh(operation: Operation, clues: list[tuple[Clue, str]], disclaimed: bool) -> EffectEvidence:
    weight = sum(_vote(clue) for clue, _ in clues)
    actions = {clue.action for clue, _ in clues}
    reasons = [reason for _, reason in clues]
    if disclaimed:
        weight += 2
        reasons.append("its text says that nothing is changed")
    kind, sentence = answers_value(operation)
    if kind:
        weight += 1.5 if kind == "list" or actions == {Action.COMPUTE} else 1
        reasons.append(sentence)
    asked = asks_for(operation)
    if asked:
        weight += 1
        reasons.append(asked)
    if any(clue.leading and clue.action is not Action.RISKY for clue, _ in clues) and _repeats_get(operation):
        weight += 1
        reasons.append("the GET of its path says the same")
    elif not disclaimed and not any(clue.leading for clue, _ in clues):
        return _change(f"only this says that it reads: {', '.join(reasons)}")
    if answers_nothing(operation) and not _only_validates(operation, clues):
        return _change("it answers nothing")
    if not disclaimed and answers_only_ids(operation) and not _asks_for_ids(operation):
        return _change("its answer is but an id")
    if not kind and all(clue.word.startswith("download") for clue, _ in clues):
        return _change("it downloads, and answers nothing that is described")
    if Action.RETRIEVE not in actions and not disclaimed and (answers_kept_thing(operation) or answers_own_id(operation)):
        return _change("its answer is a thing that has just been created")
    only_told = all(reason.startswith("its description") for _, reason in clues)
    if only_told and kind != "list" and not (asked and kind):
        return _change(f"only this says that it reads: {', '.join(reasons)}")
    verifies = any(clue.word.startswith("verif") and not reason.startswith("its description") for clue, reason in clues)
    if verifies and not any(_looks_up(clue) and not reason.startswith("its description") for clue, reason in clues):
        return _change(f"{reasons[0]}, which may change something")
    if Action.RISKY in actions and Action.RETRIEVE not in actions and "{" in operation.route:
        return _change(f"{reasons[0]}, which may change something")
    exports = any(clue.word.startswith("export") for clue, _ in clues)
    if exports and any({"bucket", "destination", "s3", "gcs", "uri"} & set(name_words(n)) for n in body_names(operation)):
        return _change("it exports to a place")
    if actions == {Action.RISKY} and not disclaimed and not (kind and _stateless(operation, clues)):
        return _change(f"{reasons[0]}, which may change something")
    if weight < ENOUGH:
        return _change(f"only this says that it reads: {', '.join(reasons)}")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=tuple(reasons))


def _looks_up(clue: Clue) -> bool:
    return clue.action is Action.RETRIEVE


def _asks_for_ids(operation: Operation) -> bool:
    words = {*name_words(operation.id), *name_words(last_segment(operation)), *name_words(operation.summary)}
    return bool(words & {"id", "ids", "get", "lookup", "find", "search", "resolve", "key", "keys", "list"})


def _only_validates(operation: Operation, clues: list[tuple[Clue, str]]) -> bool:
    segments = [part for part in operation.route.split("/") if part]
    return all(clue.word.startswith("validat") for clue, _ in clues) and "{" not in "".join(segments[-2:])


_STATELESS = ("convert", "match", "encode", "quote", "resolve", "enrich", "encrypt", "decrypt", "render")


_NAMING = frozenset("id ids code token arn uuid bucket destination uri location path".split())


def _stateless(operation: Operation, clues: list[tuple[Clue, str]]) -> bool:
    """Whether a call is told all that it works on, and nothing that is kept: no path parameter, no id."""
    names = [name for name in body_names(operation) if name_key(name) not in ("clientid", "apikey", "key")]
    return (
        "{" not in operation.route
        and all(clue.word.startswith(_STATELESS) for clue, _ in clues)
        and not any(_NAMING & set(name_words(name)[-1:]) for name in names)
    )


def _clues(operation: Operation) -> list[tuple[Clue, str]]:
    """Return what id, path, summary, description and the GET of the same path say, each with a sentence."""
    found: list[tuple[Clue, str]] = []
    if operation.id != derived_id("POST", operation.path) and (clue := name_clue(operation.id)):
        found.append((clue, f"its name says `{clue.word}`"))
    segment = last_segment(operation)
    if segment and (clue := name_clue(segment)):
        found.append((clue, f"its path says `{clue.word}`"))
    summary = sentences(operation.summary, 1)
    description = sentences(operation.description, 1)
    if summary:
        found += [(clue, f"its summary says `{clue.word}`") for clue in _told(summary[0])]
    if description and description != summary:
        found += [(clue, f"its description says `{clue.word}`") for clue in _told(description[0])]
    return found


def _told(sentence: str) -> list[Clue]:
    clue = prose_clue(sentence)
    if clue is None:
        noun = noun_clue(sentence)
        return [noun] if noun else []
    more = returned_too(sentence) if clue.action is Action.RISKY else None
    return [clue, more] if more else [clue]


def _repeats_get(operation: Operation) -> bool:
    """Whether the same path has a GET with the same words: the POST is there for what is too long for a URL."""
    memo = operation.spec.memo
    gets = memo.get("effect.gets")
    if gets is None:
        gets = memo["effect.gets"] = {one.path: one for one in operation.spec.operations if one.method == "GET"}
    twin = gets.get(operation.path)
    if twin is None:
        return False
    ours, theirs = (operation.summary, operation.description), (twin.summary, twin.description)
    return any(mine and mine == other for mine, other in zip(ours, theirs, strict=True))


def last_segment(operation: Operation) -> str:
    """Return the last literal segment of a path: the word of `/orders:search` or `/#X-Amz-Target=Shop.ListOrders` too."""
    path, _, fragment = operation.path.partition("#")
    if fragment:
        return re.split(r"[=./]", fragment)[-1]
    segments = [part for part in re.split(r"[/:]", path.partition("?")[0]) if part and "{" not in part]
    return re.sub(r"\.(json|xml)$", "", segments[-1]) if segments else ""


_ACCESS = frozenset("token login signin authenticate session jwt otp password credential credentials sas".split())


def _token_named(operation: Operation) -> bool:
    """Whether a token, a session or a login is what is asked about: the caller has it already."""
    words = {*name_words(operation.id), *name_words(last_segment(operation)), *name_words(operation.summary)}
    if words & {"check", "validate", "introspect", "verify", "decode"}:
        return True
    named = [set(name_words(name)) - {"id"} for name in body_names(operation)]
    return any(name & _ACCESS and name <= words and name != _ACCESS & name for name in named)


def _issues_access(operation: Operation) -> str:
    words = {*name_words(operation.id), *name_words(last_segment(operation)), *name_words(operation.summary)[:5]}
    named = words & _ACCESS
    if named and not _token_named(operation):
        return f"it is about access (`{sorted(named)[0]}`)"
    return ""


def stated_change(operation: Operation) -> str:
    """Return the sentence by which an operation contradicts that it reads; "" where it does not."""
    changing = [reason for clue, reason in _clues(operation) if clue.action is Action.CHANGE]
    return changing[0] if changing else ""
