"""Splits, stems and compares the words of identifiers and sentences, and classifies verbs by their intent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

_ALPHANUMERIC = re.compile(r"[^\W_]+")
# Parts of a camel-case name; `IDs` and `URLs` stay one part each.
_PIECE = re.compile(r"[A-Z]{2,}s?(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W\dA-Z_]+|[A-Z]+|\d+|[^\W_]")
_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"([bdfgkmnprt])\1$")


_IRREGULAR = dict(
    pair.split("=")
    for pair in """
    children=child people=person men=man women=woman feet=foot teeth=tooth mice=mouse geese=goose shelves=shelf
    knives=knife lives=life wives=wife halves=half wolves=wolf loaves=loaf thieves=thief indices=index vertices=vertex
    matrices=matrix analyses=analysis crises=crisis criteria=criterion phenomena=phenomenon aliases=alias caches=cache
    movies=movie cookies=cookie series=series species=species
    """.split()
)


class Intent(StrEnum):
    """The intent of a verb; each is carried by some HTTP methods."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


METHODS: dict[Intent, tuple[str, ...]] = {
    Intent.READ: ("GET", "HEAD", "QUERY"),
    Intent.CREATE: ("POST",),
    Intent.UPDATE: ("PATCH", "PUT"),
    Intent.DELETE: ("DELETE",),
}

_VERBS: dict[Intent, str] = {
    Intent.READ: """
        show list get fetch retrieve view display see read find search look lookup what which who whose where when how
        give tell check count browse describe return provide obtain know inspect query locate discover need want
    """,
    Intent.CREATE: """create add make new post register submit upload invite book order generate build launch insert
        send publish schedule draft open share subscribe reserve buy purchase start""",
    Intent.UPDATE: """
        update change rename set edit modify pause resume unpause activate deactivate archive unarchive enable disable
        adjust increase decrease raise lower replace mark switch turn stop restart patch reactivate move put
        close reopen merge
    """,
    Intent.DELETE: "delete remove cancel destroy drop erase revoke clear unsubscribe unshare discard purge",
}

STOPWORDS = frozenset(
    """
        a an the of in on at to for from by with and or as is are was were be been being am do does did have has had can
        could would will shall should may might must i me my mine we us our you your he she it its they them
        their this that these those there here please also then than so if about into over under up down out off
        all any some just want need like would know let s d ll m re ve t not no yes hey hi hello thanks thank
        kindly help give tell show what which who whose where when how many much more most get got getting find
        using use via per each every both only very too now
    """.split()
)
"""Words without meaning for the subject of a sentence."""


def split_words(text: str) -> list[str]:
    """Return the words of an identifier or of prose, in lower case: `getAdSetById` -> get ad set by id."""
    words: list[str] = []
    for part in _ALPHANUMERIC.findall(text):
        if part.islower():
            words.extend(_PIECE.findall(part) if not part.isalpha() else (part,))
        else:
            words.extend(piece.lower() for piece in _PIECE.findall(part))
    return words


def singular(word: str) -> str:
    """Return the singular of a word: campaigns -> campaign, categories -> category, boxes -> box."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    # `ties` and `pies` end in -ie in the singular.
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes", "uses")):
        return word[:-2]
    return word[:-1]


_PLURALS = {singular_word: plural_word for plural_word, singular_word in _IRREGULAR.items()}
_UNCOUNTABLE = frozenset("data metadata information info news weather traffic inventory feedback content media".split())


def plural(word: str) -> str:
    """Return the plural of a word: campaign -> campaigns, category -> categories, box -> boxes."""
    if word in _PLURALS or word in _UNCOUNTABLE or singular(word) != word:
        return _PLURALS.get(word, word)
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"


# The names of a description are split again for every operation and question, so that results are cached.
@lru_cache(maxsize=65536)
def name_words(name: str) -> tuple[str, ...]:
    """Return the words of an identifier: `campaignIds`, `campaign_ids` and `campaign-ids` are (campaign, ids)."""
    return tuple(split_words(name))


@lru_cache(maxsize=65536)
def name_key(name: str) -> str:
    """Return the identifier without case and separators: `campaign_id`, `campaignId`, `Campaign-ID` -> `campaignid`."""
    return "".join(name_words(name))


@lru_cache(maxsize=65536)
def singular_words(name: str) -> tuple[str, ...]:
    """Return the words of an identifier with the last in the singular: `ad_sets` is ("ad", "set")."""
    return singular_last(name_words(name))


def singular_last(words: tuple[str, ...]) -> tuple[str, ...]:
    return (*words[:-1], singular(words[-1])) if words else ()


def same_name(first: str, second: str) -> bool:
    """Return whether two identifiers are the same name, in whatever case and number."""
    return "".join(singular_words(first)) == "".join(singular_words(second))


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return the common part of the forms of an English word: creates, created, creating, creation -> creat.

    It drops plurals, -ing, -ed, -ion and -ly by rule, without a dictionary.
    """
    word = singular(word)
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ly") and len(word) > 5:
        word = word[:-2]
    if word.endswith("ification"):
        return word[:-7] + "i"
    # The least lengths keep words that only look derived: `nation`, `string`, `feed`.
    for ending, min_length in (("ation", 3), ("ition", 3), ("ion", 4), ("ing", 3), ("ed", 3)):
        base = word[: -len(ending)]
        if word.endswith(ending) and len(base) >= min_length and _VOWEL.search(base):
            word = base + ("at" if ending == "ation" else "it" if ending == "ition" else "")
            break
    return _unify_ending(word)


def _unify_ending(word: str) -> str:
    """Return a word without its suffix in one form: doubled consonants, final e, -at and y are unified."""
    if _DOUBLED.search(word):
        word = word[:-1]
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    if word.endswith("at") and len(word) >= 7:
        word = word[:-2]
    if word.endswith("y") and len(word) > 3:
        word = word[:-1] + "i"
    return word


VERBS: dict[str, Intent] = {stem(word): intent for intent, words in _VERBS.items() for word in words.split()}
"""Stem of a verb -> its intent."""


IMPERATIVES = frozenset(
    map(
        stem,
        """abort accept acknowledge allow append apply approve ask assign attach authorize backup ban block boot bring
        broadcast bump call capture charge clone comment complete confirm connect convert copy credit decline define
        demote deny deploy detach disconnect dismiss dispatch double drain duplicate email embargo empty exclude execute
        expire export extend file fill finish flag flush follow force forget forward freeze fulfill give grant halve
        hand hide hold ignore import include increment inform install invalidate issue keep kick kill label leave let
        lift limit link lock log mail make map migrate mount mute name nominate notify offer override pair park pay
        permit pin ping plan promote provision quarantine quote rate reassign rebuild record redeem refresh refund
        regenerate reject release reload remind reply report reprocess request require resend reset resize
        resolve respond restore retire retry return reverse revert review ring roll rotate route run save scale scan
        sell shadow ship shorten sign silence skip snooze split stage store suspend swap switch sync tag tell terminate
        text throttle tie tip track transfer trash trigger tweet unarchive unassign unban unblock unfollow unlink unlock
        unmute unpin unsuspend upgrade upload use validate verify void vote warn watch withdraw write zip""".split(),
    )
)
"""Verbs that may command a change besides those in VERBS; many are nouns as well."""


_ACTION_VERBS: dict[str, str] = {
    "find": """find search look lookup browse discover locate available option recommend suggest explore seek interest
        query list show get fetch retrieve view display see read give tell provide obtain know return which what any""",
    "buy": "book buy purchase reserve order rent pay checkout",
    "play": "play listen hear stream watch",
    "make": "create add make new register insert generate build open start launch begin post compose set",
    "send": "send text mail email message notify share forward transfer publish",
    "change": """update change edit modify rename adjust set increase decrease raise lower replace turn switch enable
        disable activate deactivate pause resume move mark assign control configure""",
    "delete": "delete remove cancel drop erase revoke clear unsubscribe discard destroy",
    "compute": "calculate compute estimate determine solve evaluate predict analyze measure count much many area sum",
    "convert": "convert translate transform exchange",
    "check": "check verify validate confirm test inspect",
    "compare": "compare difference versus",
    "help": "help assist guide explain support",
    "log": "log record track report save store remember",
}
ACTION_KINDS = {stem(word): kind for kind, words in reversed(_ACTION_VERBS.items()) for word in words.split()}
"""Stem of a word -> the kind of action, finer than an Intent: to buy is not to make."""


_PLAIN_WORDS = """
    get list show find search lookup fetch retrieve view read see give tell check query create add make new insert
    update change edit modify set put patch delete remove use need want provide return
"""
PLAIN_VERBS = frozenset(map(stem, _PLAIN_WORDS.split()))
"""Stems of the verbs that any operation may have; other verbs identify an operation by themselves."""


def intents(stems: Iterable[str]) -> dict[Intent, float]:
    """Return the weight of each Intent in a sentence; the first verb counts most."""
    weights: dict[Intent, float] = {}
    weight = 1.0
    for word in stems:
        intent = VERBS.get(word)
        if intent is None:
            continue
        weights[intent] = max(weights.get(intent, 0.0), weight)
        # In `show me how to delete a pet` the first verb is the intent.
        weight *= 0.6
    return weights
