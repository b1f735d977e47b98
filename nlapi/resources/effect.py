"""Judges what an operation does to the world: by its method, by what is stated, by evidence that agrees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from nlapi.openapi.parse import derived_id
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec, effect_by_method
from nlapi.resources.effect_shape import Shape
from nlapi.resources.effect_verbs import ACTIONS, NOUNS, TITLES, WORK, Action
from nlapi.resources.effect_words import (
    Clue,
    disclaims_change,
    name_clue,
    prose_clues,
    runs_later,
    sentences,
    spoken_change,
)
from nlapi.resources.naming import name_key, name_words, singular


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
    return evidence_of(operation).effect if operation.method == "POST" else effect_by_method(operation)


def evidence_of(operation: Operation) -> EffectEvidence:
    """Return the effect of an operation with the reasons for it.

    Only a POST is judged by evidence: the other methods say what they do (RFC 9110 §9.3). A stated read that the
    operation's own name, path or summary contradicts is a change.
    """
    stated = operation.stated_effect
    if operation.method != "POST":
        basis = Basis.METHOD if stated is None else Basis.STATED
        return EffectEvidence(effect=effect_by_method(operation), basis=basis)
    if stated is None:
        return _judge(operation)
    contradiction = _first_change(_clues(operation)) if stated is Effect.READ else ""
    if contradiction:
        reasons = (contradiction,)
        return EffectEvidence(effect=Effect.WRITE, basis=Basis.EVIDENCE, reasons=reasons, contradicted=True)
    return EffectEvidence(effect=stated, basis=Basis.STATED, reasons=("its description states it",))


class Source(StrEnum):
    """Where a clue is from."""

    NAME = "name"
    PATH = "path"
    SUMMARY = "summary"
    DESCRIPTION = "description"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sign:
    """A clue with where it is from."""

    clue: Clue
    source: Source

    @property
    def sentence(self) -> str:
        return f"its {self.source} says `{self.clue.word}`"

    @property
    def retrieves(self) -> bool:
        """Whether its verb is one of looking for something, not of handing it over."""
        handed = self.clue.word.startswith((*_HANDS_OVER, "download"))
        return self.clue.action is Action.RETRIEVE and self.clue.leading and not handed

    @property
    def figures_out(self) -> bool:
        word = self.clue.word
        return self.clue.leading and (word.startswith(_FIGURES_OUT) or word.endswith(_WHETHER))

    @property
    def weight(self) -> float:
        """How much it counts: a word that is no verb half, and to return something less than to look for it."""
        if not self.clue.leading:
            return 1.0
        if self.clue.word.startswith(_HANDS_OVER):
            return 1.5
        return 2.0 if self.figures_out else _WEIGHTS[self.clue.action]


_HANDS_OVER = ("return", "obtain", "receiv", "provid", "respond")
_FIGURES_OUT = ("calculat", "comput", "estimat", "translat", "classif", "predict", "forecast")
"""Verbs of COMPUTE that hardly ever stand for anything else."""

_WHETHER = (" if", " whether", " that")
"""What makes a question of them: `check if`."""

_WEIGHTS = {Action.RETRIEVE: 2.0, Action.COMPUTE: 1.5, Action.RISKY: 1.0, Action.CHANGE: 0.0}
ENOUGH = 3.0
"""The weight of evidence from which a POST is a read.

Measured with `python -m benchmarks.effects --set dev`: 2.5 gives 3 false reads, 3.5 misses 9 more of 278.
"""


def _judge(operation: Operation) -> EffectEvidence:
    """Judge by words first: inputs and answers are parsed only where the words say that it may read."""
    signs = _clues(operation)
    if changing := _first_change(signs):
        return _change(changing)
    if not signs:
        return _judge_by_shape(operation)
    texts = [*sentences(operation.summary, 2), *sentences(operation.description, 2)]
    disclaimed = any(map(disclaims_change, texts))
    surely = len({sign.source for sign in signs if sign.retrieves or sign.figures_out}) > 1
    second = sentences(operation.description, 2)[1:]
    for text in texts:
        word = "" if disclaims_change(text) else spoken_change(text, second=text in second)
        if word:
            return _change(f"its text speaks of a change (`{word}`)")
        if not surely and (phrase := runs_later(text)):
            return _change(f"its text says that work is started (`{phrase}`)")
    shape = Shape(operation=operation)
    named = _is_token_named(operation, shape)
    if access := "" if named else _access_word(operation):
        return _change(f"it is about access (`{access}`)")
    if reason := shape.against(token_named=named, surely_retrieves=surely):
        return _change(reason)
    return _weigh(operation, signs, shape, disclaimed=disclaimed)


def _judge_by_shape(operation: Operation) -> EffectEvidence:
    """Judge where no word says what is done: what takes pages and answers with a list lists."""
    nothing = "nothing in its name, path or text says that it reads"
    shape = Shape(operation=operation)
    if not shape.pages or shape.carries[0] != "list" or _access_word(operation):
        return _change(nothing)
    reason = shape.against(token_named=False, surely_retrieves=False)
    texts = [*sentences(operation.summary, 2), *sentences(operation.description, 2)]
    if reason or any(spoken_change(text) or runs_later(text) for text in texts):
        return _change(reason or nothing)
    reasons = (shape.asks_for, shape.carries[1], "nothing in its name, path or text speaks of a change")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=reasons)


def _change(reason: str) -> EffectEvidence:
    return EffectEvidence(effect=Effect.WRITE, basis=Basis.METHOD, reasons=(reason,))


def _weigh(operation: Operation, signs: list[_Sign], shape: Shape, *, disclaimed: bool) -> EffectEvidence:
    reasons = [sign.sentence for sign in signs]
    weight = sum(sign.weight for sign in signs)
    computes = {sign.clue.action for sign in signs} == {Action.COMPUTE}
    if disclaimed:
        weight, reasons = weight + 2, [*reasons, "its text says that nothing is changed"]
    carried, sentence = shape.carries
    if carried:
        weight, reasons = weight + (1.5 if carried == "list" or computes else 1), [*reasons, sentence]
    if shape.asks_for:
        weight, reasons = weight + 1, [*reasons, shape.asks_for]
    elif shape.brings_nothing and any(sign.source is not Source.PATH for sign in signs):
        weight, reasons = weight + 1, [*reasons, "it has no body"]
    certain = any(sign.clue.action is not Action.RISKY for sign in signs)
    if certain and operation.spec.derive(_changes_nothing):
        weight, reasons = weight + 1, [*reasons, "nothing in its API says that it changes something"]
    repeats = certain and _repeats_get(operation)
    if repeats:
        weight, reasons = weight + 1, [*reasons, "the GET of its path says the same"]
    if doubt := _doubt(operation, signs, shape, disclaimed=disclaimed, repeats=repeats):
        return _change(doubt)
    if weight < ENOUGH:
        return _change(f"only this says that it reads: {', '.join(reasons)}")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=tuple(reasons))


def _doubt(operation: Operation, signs: list[_Sign], shape: Shape, *, disclaimed: bool, repeats: bool) -> str:
    """Return why words that say that an operation reads are not enough for it; "" where they are."""
    actions = {sign.clue.action for sign in signs}
    words = [sign.clue.word for sign in signs]
    carried, sentence = shape.carries
    only = f"only this says that it reads: {', '.join(sign.sentence for sign in signs)}"
    if shape.input_keys & _CODES and any(word.startswith(("check", "valid", "verif")) for word in words):
        return "it may use up a code"
    if shape.answers_nothing and not _only_validates(operation, words):
        return "it answers nothing"
    stored = carried and all(word.startswith("download") for word in words) and sentence.startswith("the answer holds")
    if (not carried and all(word.startswith(_ANSWERED) for word in words)) or stored:
        return f"only `{words[0]}` says that it reads, and its answer is no file"
    if disclaimed:
        return ""
    if not repeats and not any(sign.clue.leading for sign in signs) and not (carried and _names_work(signs)):
        return only
    if shape.answers_only_ids and not _looks_up_ids(operation):
        return "its answer is but an id"
    access = bool(_access_word(operation)) and _is_token_named(operation, shape)
    if Action.RETRIEVE not in actions and shape.answers_new_thing and not access:
        return "its answer is a thing that has just been created"
    sources = {sign.source for sign in signs}
    asked = (shape.brings_nothing and any(sign.retrieves for sign in signs)) or (carried and shape.asks_for)
    figured = carried and any(sign.figures_out for sign in signs)
    if sources == {Source.DESCRIPTION} and carried != "list" and not asked and not figured:
        return only
    elsewhere = sources & {Source.NAME, Source.PATH}
    if Action.RETRIEVE in actions and carried != "list" and not elsewhere and _hands_out_link(operation):
        return "it may make a link"
    return _risk(operation, signs, shape)


def _names_work(signs: list[_Sign]) -> bool:
    """Whether several sources name what is computed: the simulation of `CartSimulation` and `/simulation`."""
    return len({sign.source for sign in signs if sign.clue.word in WORK}) > 1


def _hands_out_link(operation: Operation) -> bool:
    opening = [word for text in (operation.summary, operation.description) for word in name_words(text[:200])[:7]]
    return bool(_LINKS & {*name_words(last_segment(operation))[-1:], *opening})


def _risk(operation: Operation, signs: list[_Sign], shape: Shape) -> str:
    """Return why verbs that compute in one API and change something in the next are not believed here."""
    actions = {sign.clue.action for sign in signs}
    risky = [sign for sign in signs if sign.clue.action is Action.RISKY]
    if not risky:
        return ""
    doubt = f"{risky[0].sentence}, which may change something"
    elsewhere = [sign for sign in signs if sign.source is not Source.DESCRIPTION]
    verifies = any(sign.clue.word.startswith("verif") for sign in elsewhere)
    if verifies and not any(sign.clue.action is Action.RETRIEVE for sign in elsewhere):
        return doubt
    if Action.RETRIEVE not in actions and "{" in operation.route:
        return doubt
    exports = any(sign.clue.word.startswith("export") for sign in signs)
    if exports and any(_DESTINATIONS & set(name_words(name)) for name in shape.inputs):
        return "it exports to a place"
    if actions == {Action.RISKY} and not (shape.carries[0] and _is_stateless(operation, signs, shape)):
        return doubt
    return doubt if exports and shape.carries[1].startswith("the answer holds") else ""


_ANSWERED = ("download", "suggest", "recommend")
"""Verbs whose answer shows whether a caller is answered: a suggestion may be one that the caller makes."""

_CODES = frozenset("code pin verificationcode".split())
_LINKS = frozenset("link links url urls session sessions".split())
_DESTINATIONS = frozenset("bucket destination s3 gcs uri".split())
_STATELESS = ("convert", "match", "encode", "quote", "resolve", "enrich", "encrypt", "decrypt", "render", "export", "annotat")
_NAMING = frozenset("id ids code token arn uuid bucket destination uri location path".split())
_CLIENT = frozenset("clientid apikey key".split())
"""Inputs that name the caller."""


def _is_stateless(operation: Operation, signs: list[_Sign], shape: Shape) -> bool:
    """Whether a call brings all that it works on: no path parameter, no id of something that is stored."""
    names = [name for name in shape.inputs if name_key(name) not in _CLIENT]
    return (
        "{" not in operation.route
        and all(sign.clue.word.startswith(_STATELESS) for sign in signs)
        and not any(_NAMING & set(name_words(name)[-1:]) for name in names)
    )


def _only_validates(operation: Operation, words: list[str]) -> bool:
    segments = [part for part in operation.route.split("/") if part]
    return all(word.startswith("validat") for word in words) and "{" not in "".join(segments[-2:])


def _looks_up_ids(operation: Operation) -> bool:
    words = {*name_words(operation.id), *name_words(last_segment(operation)), *name_words(operation.summary)}
    return bool(words & {"id", "ids", "get", "lookup", "find", "search", "resolve", "key", "keys", "list"})


def _clues(operation: Operation) -> list[_Sign]:
    """Return what id, path, summary and description say that is done."""
    name = name_clue(operation.id) if operation.id != derived_id("POST", operation.path) else None
    summary, description = sentences(operation.summary, 1), sentences(operation.description, 1)
    signs = [_Sign(clue=name, source=Source.NAME)] if name is not None else []
    if summary:
        signs += [_Sign(clue=clue, source=Source.SUMMARY) for clue in prose_clues(summary[0])]
    segment = last_segment(operation)
    clue = name_clue(segment) if segment else None
    if clue is not None and not _is_object(clue, segment, signs, operation):
        signs.append(_Sign(clue=clue, source=Source.PATH))
    if description and description != summary:
        told = [_Sign(clue=clue, source=Source.DESCRIPTION) for clue in prose_clues(description[0])]
        signs += [sign for sign in told if not _is_aside(sign.clue, signs)]
    return signs


def _is_object(clue: Clue, segment: str, signs: list[_Sign], operation: Operation) -> bool:
    """Whether the verb of a path segment is a noun: `call-logs`, or the report of `getReport` and of `Get a report`."""
    words = name_words(segment)
    if clue.action is not Action.CHANGE or clue.word not in NOUNS or clue.word != words[0]:
        return False
    if clue.word in TITLES and len(words) > 1 and singular(words[-1]) != words[-1]:
        return True
    texts = {Source.NAME: operation.id, Source.SUMMARY: operation.summary}
    return any(_reads(sign) and clue.word in name_words(texts[sign.source])[1:] for sign in signs)


def _is_aside(clue: Clue, signs: list[_Sign]) -> bool:
    """Whether a verb of a description that is a noun too, such as labels, says less than name, path and summary."""
    aside = clue.action is Action.CHANGE and clue.word not in ACTIONS and singular(clue.word) in NOUNS
    return aside and len({sign.source for sign in signs if sign.clue.action is not Action.CHANGE}) > 1


def _reads(sign: _Sign) -> bool:
    return sign.clue.leading and sign.clue.action in (Action.RETRIEVE, Action.COMPUTE)


def _first_change(signs: list[_Sign]) -> str:
    return next((sign.sentence for sign in signs if sign.clue.action is Action.CHANGE), "")


def last_segment(operation: Operation) -> str:
    """Return the last literal segment of a path: the verb of `/orders:search` and `/#X-Amz-Target=Shop.ListOrders` too."""
    path, _, fragment = operation.path.partition("#")
    if fragment:
        return re.split(r"[=./]", fragment)[-1]
    literal = [part for part in re.split(r"[/:]", path.partition("?")[0]) if part and "{" not in part]
    return re.sub(r"\.(json|xml)$", "", literal[-1]) if literal else ""


def _repeats_get(operation: Operation) -> bool:
    """Whether the same path has a GET with the same text: the POST is there for what is too long for a URL."""
    twin = operation.spec.derive(_gets).get(operation.path)
    if twin is None:
        return False
    ours, theirs = (operation.summary, operation.description), (twin.summary, twin.description)
    return any(text and text == other for text, other in zip(ours, theirs, strict=True))


def _changes_nothing(spec: Spec) -> bool:
    """Whether an API has GETs and POSTs alone, and no POST whose words say that it changes something."""
    posts = [operation for operation in spec.operations if operation.method == "POST"]
    others = all(operation.method in (*READ_METHODS, "POST") for operation in spec.operations)
    return others and not any(_first_change(_clues(operation)) for operation in posts)


def _gets(spec: Spec) -> dict[str, Operation]:
    return {operation.path: operation for operation in spec.operations if operation.method == "GET"}


_ACCESS = frozenset("token login signin authenticate session jwt otp password credential credentials sas".split())


def _access_word(operation: Operation) -> str:
    """Return the word by which an operation may hand out access: what it answers is not there before."""
    words = (*name_words(operation.id), *name_words(last_segment(operation)), *name_words(operation.summary)[:5])
    return next((word for word in words if word in _ACCESS), "")


def _is_token_named(operation: Operation, shape: Shape) -> bool:
    """Whether a token, a session or a login is what is asked about: the caller has it already."""
    words = {*name_words(operation.id), *name_words(last_segment(operation)), *name_words(operation.summary)}
    if words & {"check", "validate", "introspect", "verify", "decode"}:
        return True
    paths = [parameter.name for parameter in operation.parameters if parameter.where == "path"]
    for name in (*shape.inputs, *paths):
        parts = set(name_words(name))
        if _ACCESS & parts and parts - {"id"} <= words and parts - _ACCESS:
            return True
    return False
