"""Why words that say that an operation reads may not be enough for it."""

from __future__ import annotations

import re
from itertools import chain

from nlapi.openapi.spec import Operation
from nlapi.resources.effect_shape import Shape
from nlapi.resources.effect_signs import Sign, Source, last_segment, sign_sentences
from nlapi.resources.effect_verbs import WORK, Action
from nlapi.resources.naming import name_key, name_words


def doubt_about(operation: Operation, signs: list[Sign], shape: Shape, *, disclaimed: bool, repeats: bool) -> str:
    """Return why words that say that an operation reads are not enough for it; "" where they are."""
    actions = {sign.clue.action for sign in signs}
    words = [sign.clue.word for sign in signs]
    carried, sentence = shape.carries
    only = f"only this says that it reads: {', '.join(sign_sentences(signs))}"
    codes = shape.input_keys & _CODES - ({"secret"} if "clientid" in shape.input_keys else set())
    checks = any(word.startswith(("check", "valid", "verif")) for word in words)
    if checks and (codes or _confirms(operation)):
        return "it may use up a code"
    opening = f"{operation.summary} {operation.description[:200]}"
    if any(word.startswith(_RUNS) for word in words) and _STATEMENT.search(opening):
        return "it may run any statement"
    described = any(sign.source in (Source.SUMMARY, Source.DESCRIPTION) for sign in signs)
    nothing = shape.answers_nothing or (not carried and not described and shape.lacks_content)
    if nothing and not _only_validates(operation, words):
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
    access = bool(access_word(operation)) and is_token_named(operation, shape)
    if Action.RETRIEVE not in actions and shape.answers_new_thing and not access:
        return "its answer is a thing that has just been created"
    sources = {sign.source for sign in signs}
    asked = (shape.brings_nothing and any(sign.retrieves for sign in signs)) or (carried and shape.asks_for)
    figured = carried and any(sign.figures_out for sign in signs)
    if sources == {Source.DESCRIPTION} and carried != "list" and not asked and not figured:
        return only
    elsewhere = sources & {Source.NAME, Source.PATH}
    linked = carried != "list" and not elsewhere and _hands_out_link(operation)
    if Action.RETRIEVE in actions and (linked or _PAGE_LINK.search(operation.description[:300])):
        return "it may make a link"
    return _risk(operation, signs, shape)


def _names(operation: Operation) -> list[tuple[str, ...]]:
    """The words of its id, of the end of its path and of its summary."""
    return [name_words(text) for text in (operation.id, last_segment(operation), operation.summary)]


def _confirms(operation: Operation) -> bool:
    """Whether a token is checked that an e-mail or a message brought: that confirms the address."""
    return any({"token", "code", "link"} & set(words) and _CONFIRMED & set(words) for words in _names(operation))


def _names_work(signs: list[Sign]) -> bool:
    """Whether several sources name what is computed: the simulation of `CartSimulation` and `/simulation`."""
    return len({sign.source for sign in signs if sign.clue.word in WORK}) > 1


def _hands_out_link(operation: Operation) -> bool:
    opening = [word for text in (operation.summary, operation.description) for word in name_words(text[:200])[:7]]
    return bool(_LINKS & {*name_words(last_segment(operation))[-1:], *opening})


def _risk(operation: Operation, signs: list[Sign], shape: Shape) -> str:
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

_CODES = frozenset("code pin verificationcode secret".split())
_CONFIRMED = frozenset(
    "mail email phone sms mobile activation registration reset invitation invite confirmation".split()
)
_PAGE_LINK = re.compile(
    r"\b(?:link|url)\s+(?:to|of|for)\s+(?:an?|the)\s[^.]{0,60}\b(?:page|form|questionnaire|checkout)\b", re.I
)
"""What says that an answer is a link to a page that is made for somebody."""

_RUNS = ("query", "queries", "run", "execut", "perform")
_STATEMENT = re.compile(r"\b(?:SQL|Cypher|GraphQL|PartiQL)\b(?![- ]like)")
"""Languages in which a query may also be an order."""

_LINKS = frozenset("link links url urls session sessions".split())
_DESTINATIONS = frozenset("bucket destination s3 gcs uri".split())
_STATELESS = tuple("convert match encode quote resolve enrich encrypt decrypt render export annotat".split())
_NAMING = frozenset("id ids code token arn uuid bucket destination uri location path".split())
_CLIENT = frozenset("clientid apikey key".split())
"""Inputs that name the caller."""


def _is_stateless(operation: Operation, signs: list[Sign], shape: Shape) -> bool:
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
    words = set(chain.from_iterable(_names(operation)))
    return bool(words & {"id", "ids", "get", "lookup", "find", "search", "resolve", "key", "keys", "list"})


_ACCESS = frozenset("token login signin authenticate session jwt otp password credential credentials sas".split())
_ACCESS_TO = frozenset(
    """
    url urls link links by for with using via post response request data pair set code key to from and or obtain tokens
    """.split()
)
"""Words behind a word of access that leave it the thing: `getTokenUrl` gets access, `getTokenBalance` a balance."""


def access_word(operation: Operation) -> str:
    """Return the word by which an operation may hand out access: what it answers is not there before."""
    opening = name_words(operation.summary or operation.description[:80])[:5]
    for words in (name_words(operation.id), name_words(last_segment(operation)), opening):
        for word, behind in zip(words, (*words[1:], ""), strict=False):
            if word in _ACCESS and (not behind or behind in _ACCESS_TO or behind in _ACCESS or behind.isdigit()):
                return word
    return ""


def is_token_named(operation: Operation, shape: Shape) -> bool:
    """Whether a token, a session or a login is what is asked about: the caller has it already."""
    words = set(chain.from_iterable(_names(operation)))
    if words & {"check", "validate", "introspect", "verify", "decode"}:
        return True
    paths = [parameter.name for parameter in operation.parameters if parameter.where == "path"]
    for name in (*shape.inputs, *paths):
        parts = set(name_words(name))
        if _ACCESS & parts and parts - {"id"} <= words and parts - _ACCESS:
            return True
    return False
