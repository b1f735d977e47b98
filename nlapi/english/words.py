"""Splits, stems and compares the words of identifiers and sentences."""

from __future__ import annotations

import re
from functools import lru_cache

from nlapi.english import lexicon

_ALPHANUMERIC = re.compile(r"[^\W_]+")
# Parts of a camel-case name; `IDs` and `URLs` stay one part each.
_PIECE = re.compile(r"[A-Z]{2,}s?(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W\dA-Z_]+|[A-Z]+|\d+|[^\W_]")
_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"([bdfgkmnprt])\1$")
_FILE = "english/words"
_IRREGULAR = dict(pair.split("=") for pair in lexicon.ordered(_FILE, "irregular_plurals"))
_NO_PLURAL_ENDS, _LONG_PLURAL_ENDS, _LONG_ENDS = (
    lexicon.ordered(_FILE, name) for name in ("no_plural_ends", "long_plural_ends", "long_ends")
)


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
    if len(word) < 3 or not word.endswith("s") or word.endswith(_NO_PLURAL_ENDS) or word in _UNCOUNTABLE:
        return word
    # `ties` and `pies` end in -ie in the singular.
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(_LONG_PLURAL_ENDS):
        return word[:-2]
    return word[:-1]


_PLURALS = {singular_word: plural_word for plural_word, singular_word in _IRREGULAR.items()}
_UNCOUNTABLE = lexicon.words(_FILE, "uncountable")
# A noun of three letters or more and an id in one word: userid, orgid.
_GLUED_ID = lexicon.pattern(_FILE, "glued_id")
_ENDING_IN_ID = lexicon.words(_FILE, "ending_in_id")
# Those that a name may end with: isvalid. The `maid` of schemaid is none.
_LONG_ENDINGS = tuple(word for word in _ENDING_IN_ID if len(word) > 4)


def plural(word: str) -> str:
    """Return the plural of a word: campaign -> campaigns, category -> categories, box -> boxes."""
    if word in _PLURALS or word in _UNCOUNTABLE or singular(word) != word:
        return _PLURALS.get(word, word)
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(_LONG_ENDS) else f"{word}s"


# The names of a description are split again for every operation and question, so that results are cached.
@lru_cache(maxsize=65536)
def name_words(name: str) -> tuple[str, ...]:
    """Return the words of an identifier: `campaignIds`, `campaign_ids` and `campaignids` are (campaign, ids).

    `paid` and `grids` are one word.
    """
    words = split_words(name)
    last = singular(words[-1]) if words else ""
    is_word = last in _ENDING_IN_ID or last.endswith(_LONG_ENDINGS)
    glued = _GLUED_ID.fullmatch(words[-1]) if words and not is_word else None
    return tuple(words) if glued is None else (*words[:-1], *glued.groups())


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


@lru_cache(maxsize=65536)
def stems_of(text: str) -> frozenset[str]:
    """Return the stems of the words of an identifier or of prose."""
    return frozenset(map(stem, split_words(text)))


def _unify_ending(word: str) -> str:
    """Return a word without its suffix in one form: doubled consonants, final e, -at, -ll and y are unified."""
    if _DOUBLED.search(word):
        word = word[:-1]
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    if word.endswith("at") and len(word) >= 7:
        word = word[:-2]
    if word.endswith("ll") and len(word) > 5:
        word = word[:-1]  # British spelling doubles the l, and descriptions have both: cancelled, canceled
    if word.endswith("y") and len(word) > 3:
        word = word[:-1] + "i"
    return word


_ONES, _TENS = (lexicon.ordered(_FILE, name) for name in ("ones", "tens"))
NUMBERS = {word: value for value, word in enumerate(_ONES)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
"""The numbers that are one word, without those that multiply (hundred, dozen)."""
COUNTS = NUMBERS | {"a": 1, "an": 1}
"""The words before a unit: an hour, two hours."""
