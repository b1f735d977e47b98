"""Reads a short instruction, of a user or of a summary: its verb, its object, and what only qualifies the object."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from nlapi.resources.naming import IMPERATIVES, STOPWORDS, VERBS, Intent, pieces, singular, stem

_TOKEN = re.compile(r"[^\W_]+(?:[-_'’/][^\W_]+)*|[.;:,()?!]")
_LONGEST = 600
"""Characters that are read: the operation is named in the first sentence."""


class Role(IntEnum):
    """What a word is for in a phrase: `[retrieve] the [details] of a [task] in the [workspace] by [name]`."""

    VERB = 0
    FRAME = 1
    """says how the object is presented, not what it is: details of, list of"""
    OBJECT = 2
    COMPLEMENT = 3
    """behind a preposition of place or belonging"""
    MODIFIER = 4
    """behind a comma, a relative pronoun, by, with, using"""
    ASIDE = 5
    """in brackets or in a later sentence"""


class Request(StrEnum):
    """What a phrase asks for."""

    COUNT = "count"
    MANY = "many"
    """a verb that reads, and an object in the plural"""
    ONE = "one"
    SEARCH = "search"
    """to look for things, or for one by its name"""
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    OTHER = "other"
    """a verb of another kind"""
    MANY_NOUNS = "many nouns"
    """no verb, and an object in the plural"""
    NOUN = "noun"


class Word(NamedTuple):
    """A word that says something. `stem` is what it is compared by. A tuple: an index makes ten thousands of them."""

    stem: str
    role: Role
    plural: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """An instruction, read."""

    words: tuple[Word, ...]
    verb: str
    """stem of its verb; "" where it has none"""
    request: Request
    object: frozenset[str]
    """stems of the words of the object, or of its frame where nothing else is said"""
    stems: frozenset[str]
    plurals: frozenset[str]
    """stems of the words in the plural; of all the object's where it is about all of a kind"""
    head: str
    """stem of the last word of an object in the plural; "" where it is in the singular: pull [requests]"""
    implied: frozenset[str]
    """stems of what is not said and meant: who can push asks for permissions"""
    mine: bool
    """it is about what belongs to the caller"""
    valued: bool
    """a number or an id follows the object: issue 7"""
    filters: bool
    """it says that things are filtered, or match something"""


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, text.split()))


STATE_VERBS = _stems(
    """cancel close reopen pause resume activate deactivate enable disable complete finish fail abort stop suspend
    archive approve reject lock unlock publish unpublish terminate"""
)
"""Stems of verbs that an API without an operation of that name does by setting a state."""
_READS = _stems(
    """poll monitor download verify identify determine track export confirm inspect preview compare review calculate
    estimate access watch wait"""
)
_CREATES = _stems("setup define initiate trigger apply associate attach register assign request import link")
_ACTS = IMPERATIVES | _stems(
    """associate authenticate calculate compile deactivate exchange perform resend evict merge fork like star process"""
)
_SEARCHES = _stems("search browse query find locate identify lookup look discover determine")
_FRAMES = _stems(
    "detail list information info set data record number id identifier copy metadata content collection page"
)
_FILTERS = _stems("filter filtered matching criteria")
_REQUESTS = _stems("submit send initiate perform trigger start execute make issue place begin process")
"""Verbs that may stand before `a request to`, whose verb is the one that counts."""
_BELONGS = frozenset("of for in on from to within about into inside under at against onto between".split())
_QUALIFIES = frozenset(
    """with by using via that which who where when after before based including if so because through while such like
    as and or containing associated named called""".split()
)
_DETERMINERS = frozenset("a an the all each every any some this that these those my his her their its our your".split())
_BEHIND_NOUNS = frozenset("of for on in at by is are was were between".split())
_ASKS = frozenset("show see give tell what which who whose how where when is are do does did".split())
_OPENINGS = _ASKS | frozenset(
    "please can could you i we want to need would like let me us much many there the of hey hi hello kindly".split()
)
_OPENS = _OPENINGS | _DETERMINERS - {"these", "those", "that", "this", "his", "her", "their", "its", "your"}
_MINE = frozenset("my mine me i our".split())
_EVERY = frozenset(("all", "every", "each"))
_JOINED = {
    (verb, particle): joined
    for joined, written in (
        ("login", "log in|log into|sign in|sign into"),
        ("logout", "log out|log off|sign out|sign off"),
        ("signup", "sign up"),
        ("shutdown", "shut down"),
        ("rollback", "roll back"),
        ("lookup", "look up"),
        ("backup", "back up"),
        ("setup", "set up"),
    )
    for verb, particle in (pair.split() for pair in written.split("|"))
}
"""Verbs of two words -> as APIs write them."""
_IMPLIED = {
    said: _stems(words)
    for said, words in (
        ("who can", "permission access collaborator member"),
        ("who has access", "permission collaborator member"),
        ("allowed to", "permission access"),
        ("how much", "usage stats statistics quota"),
    )
}
"""What is said -> stems of what an API calls that."""
_HINTING = frozenset("who how allowed count number".split())
"""Words that more than one word hangs on."""
_PARTED = frozenset(verb for verb, _ in _JOINED)
_ENDS = frozenset(".?!")
_BREAKS = frozenset(",;:")
_NEAR = 12
"""Tokens among which it is said whose things are meant."""


def read_phrase(text: str, nouns: Collection[str] = ()) -> Phrase:
    """Return what `text` asks for. `nouns` are stems that look like verbs and are things of the API: orders."""
    tokens = _tokens(text)
    at, verb, words = _opening(tokens, nouns)
    every = not _EVERY.isdisjoint(tokens[:at])
    every, head, many, valued = _read_rest(tokens[at:], words, every)
    return _phrase(tokens, verb, words, head, every=every, many=many, valued=valued)


def _tokens(text: str) -> list[str]:
    """Return the words, in lower case, and the marks."""
    found: list[str] = []
    for token in _TOKEN.findall(text[:_LONGEST]):
        if len(token) == 1 and not token.isalnum():
            found.append(token)
        elif token.isalpha() and token.islower():
            found.append(token)
        else:
            found += pieces(token)
    if not _PARTED.isdisjoint(found):
        for at in range(len(found) - 2, -1, -1):
            if (joined := _JOINED.get((found[at], found[at + 1]))) is not None:
                found[at : at + 2] = [joined]
    return found


def _opening(tokens: Sequence[str], nouns: Collection[str]) -> tuple[int, str, list[Word]]:
    """Return where the object begins, and the verb with the words before it."""
    determined = asks = False
    for at, token in enumerate(tokens):
        determined = determined or token in _DETERMINERS
        asks = asks or token in _ASKS
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        liked = token == "like" and at == 0
        if not liked and (token in _OPENS or token in STOPWORDS or not token[0].isalnum()):
            continue
        verb, end = stem(token), at + 1
        if determined or asks or after in ("", *_ENDS):
            return at, "", []
        words = []
        if verb in _REQUESTS and (inner := _requested(tokens, end)):
            words.append(Word(stem("request"), Role.FRAME, plural=False))
            verb, end = stem(tokens[inner]), inner + 1
        elif not _is_verb(token, after, nouns):
            return at, "", []
        return end, verb, [*words, Word(verb, Role.VERB, plural=False)]
    return len(tokens), "", []


def _requested(tokens: Sequence[str], start: int) -> int:
    """Return the position of the verb of `a request to cancel`; 0 where there is none."""
    for at in range(start, min(start + 4, len(tokens) - 2)):
        if tokens[at] == "request" and tokens[at + 1] == "to":
            return at + 2
    return 0


def _is_verb(token: str, after: str, nouns: Collection[str]) -> bool:
    """Whether the first word commands: `[list] pods`, `[comment] on a PR`, not `[pods] of a node`, `[failed] runs`."""
    root, one = stem(token), singular(token)
    familiar = root in VERBS or root in _READS or root in _CREATES or root in STATE_VERBS
    if one != token:
        third_person = root in _ACTS or after in _DETERMINERS
        return root not in nouns and (root in VERBS or (after not in _BEHIND_NOUNS and (familiar or third_person)))
    if token.endswith(("ed", "ing")):
        return root in VERBS and root not in nouns and not token.endswith("ed")
    return (
        familiar
        or after in _DETERMINERS
        or after in ("on", "to")
        or (root in _ACTS and after not in _BEHIND_NOUNS and after != "")
    )


def _read_rest(tokens: Sequence[str], words: list[Word], every: bool) -> tuple[bool, str, bool, bool]:
    """Append the words behind the verb with their roles.

    Return whether all of a kind are meant, the last noun of the object and whether it is in the plural, and whether
    a value follows it.
    `details of` and the like are no object: what follows them is.
    """
    role, first, bracketed, head, many, valued = Role.OBJECT, len(words), False, "", False, False
    for token in tokens:
        started = len(words) > first
        if token in _BELONGS:
            if started and role is Role.OBJECT:
                if all(word.stem in _FRAMES for word in words[first:]):
                    every = every or any(word.stem == "list" for word in words[first:])
                    words[first:] = [_framed(word) for word in words[first:]]
                    first = len(words)
                else:
                    role = Role.COMPLEMENT
        elif token in _QUALIFIES:
            if started and role < Role.MODIFIER:
                role = Role.MODIFIER
        elif token in _EVERY:
            every = every or role is Role.OBJECT
        elif token in STOPWORDS:
            pass
        elif token[0].isalnum():
            plural = singular(token) != token
            if role is Role.OBJECT and not bracketed:
                valued = valued or (started and not token.isalpha())
                if token.isalpha() and not token.endswith("ly"):
                    head, many = stem(token), plural
            words.append(Word(stem(token), Role.ASIDE if bracketed else role, plural))
        elif token == ")":
            bracketed = False
        elif started or words[:first]:
            bracketed = bracketed or token == "("
            if token in _ENDS:
                role = Role.ASIDE
            elif token in _BREAKS and role < Role.MODIFIER:
                role = Role.MODIFIER
    return every, head, many, valued


def _framed(word: Word) -> Word:
    return Word(word.stem, Role.FRAME, word.plural)


def _phrase(
    tokens: Sequence[str], verb: str, words: Sequence[Word], head: str, *, every: bool, many: bool, valued: bool
) -> Phrase:
    subject = frozenset([word.stem for word in words if word.role is Role.OBJECT])
    subject = subject or frozenset([word.stem for word in words if word.role is Role.FRAME])
    stems = frozenset([word.stem for word in words])
    plurals = frozenset([word.stem for word in words if word.plural])
    plain = "" if _HINTING.isdisjoint(tokens) else " ".join(tokens)
    implied = [words for said, words in _IMPLIED.items() if said in plain] if plain else ()
    return Phrase(
        words=tuple(words),
        verb=verb,
        request=_request(plain, verb, every or many),
        object=subject,
        stems=stems,
        plurals=plurals | subject if every else plurals,
        head=head if many else "",
        implied=frozenset().union(*implied),
        mine=not _MINE.isdisjoint(tokens[:_NEAR]) and list(tokens[:2]) != ["i", "want"],
        valued=valued,
        filters=not _FILTERS.isdisjoint(stems),
    )


def _request(plain: str, verb: str, many: bool) -> Request:
    if plain.startswith(("count ", "number of")) or "how many" in plain or "the number of" in plain:
        return Request.COUNT
    if not verb:
        return Request.MANY_NOUNS if many else Request.NOUN
    intent = VERBS.get(verb)
    if verb in _SEARCHES:
        return Request.SEARCH
    if intent is None and verb in _CREATES:
        return Request.CREATE
    if intent is not Intent.READ and verb not in _READS:
        return Request(intent.value) if intent is not None else Request.OTHER
    return Request.MANY if many or verb == "list" else Request.ONE
