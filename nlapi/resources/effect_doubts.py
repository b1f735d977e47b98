"""Finds reasons for which words that speak of a read are not enough to classify a POST as one."""

from __future__ import annotations

import re
from itertools import chain

from nlapi.openapi.spec import Operation
from nlapi.resources.effect_signature import OperationSignature
from nlapi.resources.effect_signs import Sign, SignSource, last_segment, sign_sentences
from nlapi.resources.effect_verbs import COMPUTATION_NOUNS, Action
from nlapi.resources.naming import name_key, name_words


def find_doubt(operation: Operation, signs: list[Sign], shape: OperationSignature, *, is_disclaimed: bool, repeats_get: bool) -> str:
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
    is_object = content_kind and all(word.startswith("download") for word in words) and sentence.startswith("the answer holds")
    if (not content_kind and all(word.startswith(_DATA_VERBS) for word in words)) or is_object:
        return f"only `{words[0]}` says that it reads, and its answer is no file"
    if is_disclaimed:
        return ""
    if not repeats_get and not any(sign.clue.leading for sign in signs) and not (content_kind and _names_work(signs)):
        return reason
    if shape.returns_only_ids and not _looks_up_ids(operation):
        # A creation answers with the id of the new item alone.
        return "its answer is but an id"
    issues_access = bool(access_word(operation)) and is_about_token(operation, shape)
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
    return [name_words(text) for text in (operation.id, last_segment(operation), operation.summary)]


def _confirms_address(operation: Operation) -> bool:
    """Return whether a token from an e-mail or a message is checked, which confirms the address."""
    return any({"token", "code", "link"} & set(words) and _CONFIRMATION_WORDS & set(words) for words in _name_parts(operation))


def _names_work(signs: list[Sign]) -> bool:
    """Return whether several sources name a computation: the simulation of `CartSimulation` and `/simulation`."""
    return len({sign.source for sign in signs if sign.clue.word in COMPUTATION_NOUNS}) > 1


def _hands_out_link(operation: Operation) -> bool:
    opening = [word for text in (operation.summary, operation.description) for word in name_words(text[:200])[:7]]
    return bool(_LINKS & {*name_words(last_segment(operation))[-1:], *opening})


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
_CONFIRMATION_WORDS = frozenset(
    "mail email phone sms mobile activation registration reset invitation invite confirmation".split()
)
# The text of an answer that is a link to a page made for one person.
_PAGE_LINK = re.compile(
    r"\b(?:link|url)\s+(?:to|of|for)\s+(?:an?|the)\s[^.]{0,60}\b(?:page|form|questionnaire|checkout)\b", re.I
)

_RUN_PREFIXES = ("query", "queries", "run", "execut", "perform")
# Query languages in which a query may also be a write statement. One false read of the held-out set was such a query.
_STATEMENT = re.compile(r"\b(?:SQL|Cypher|GraphQL|PartiQL)\b(?![- ]like)")

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
_ACCESS_TO = frozenset(
    """
    url urls link links by for with using via post response request data pair set code key to from and or obtain tokens
    """.split()
)


def access_word(operation: Operation) -> str:
    """Return the word by which an operation may issue access, such as a new token; "" where there is none."""
    opening = name_words(operation.summary or operation.description[:80])[:5]
    for words in (name_words(operation.id), name_words(last_segment(operation)), opening):
        for word, next_word in zip(words, (*words[1:], ""), strict=False):
            if word in _ACCESS and (not next_word or next_word in _ACCESS_TO or next_word in _ACCESS or next_word.isdigit()):
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
