"""The parser of a short instruction: its verb, its object, and the words that only qualify the object."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from nlapi.resources.naming import STOPWORDS, VERBS, Intent, pieces, singular, stem
from nlapi.tools.phrase_words import (
    ACTS,
    ASKS,
    BEHIND_NOUNS,
    BELONGS,
    CREATES,
    DETERMINERS,
    EVERY,
    FILTERS,
    FRAMES,
    GETS,
    HINTING,
    IMPLIED,
    JOINED,
    LIKES,
    MINE,
    OPENS,
    OWNERS,
    PARTED,
    QUALIFIES,
    READS,
    REQUESTS,
    SEARCHES,
    STATE_VERBS,
)

_TOKEN = re.compile(r"[^\W_]+(?:[-_'’/][^\W_]+)*|[.;:,()?!]")
_ENDS = frozenset(".?!")
_BREAKS = frozenset(",;:")
# Tokens at the beginning of a phrase in which `my` and `me` are looked for.
_NEAR = 12
# Characters that are read: the operation is named in the first sentence.
_LONGEST = 600


class WordRole(IntEnum):
    """The role of a word in a phrase: `[retrieve] the [details] of a [task] in the [workspace] by [name]`."""

    VERB = 0
    FRAME = 1
    """presents the object without naming it: details of, list of"""
    OBJECT = 2
    COMPLEMENT = 3
    """behind a preposition of place or belonging"""
    MODIFIER = 4
    """behind a comma, a relative pronoun, by, with, using"""
    ASIDE = 5
    """in brackets or in a later sentence"""


class SearchIntent(StrEnum):
    """The kind of request that a phrase makes."""

    COUNT = "count"
    MANY = "many"
    """a verb that reads, and an object in the plural"""
    ONE = "one"
    SEARCH = "search"
    """a search for several, or for one by its name"""
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    OTHER = "other"
    """a verb of another kind"""
    MANY_NOUNS = "many nouns"
    """no verb, and an object in the plural"""
    NOUN = "noun"


# A tuple and no dataclass: building an index makes ten thousands of them.
class Word(NamedTuple):
    """A word of a phrase that is no stopword; words are compared by `stem`."""

    stem: str
    role: WordRole
    plural: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A parsed instruction."""

    words: tuple[Word, ...]
    verb: str
    """stem of the verb; "" without one"""
    intent: SearchIntent
    object: frozenset[str]
    """stems of the words of the object, or of its frame where there is no object"""
    stems: frozenset[str]
    plurals: frozenset[str]
    """stems of the words in the plural, and of all words of the object where it is about all of a kind"""
    head: str
    """stem of the last word of an object in the plural: pull [requests]; "" in the singular"""
    implied: frozenset[str]
    """stems of what the phrase means without saying it: `who can push` is about permissions"""
    mine: bool
    """whether it is about what belongs to the caller"""
    owned: bool
    """whether a possessive says so: my runs"""
    valued: bool
    """whether a number or an id follows the object: issue 7"""
    filters: bool
    """whether it mentions a filter or a match"""


def read_phrase(text: str, nouns: Collection[str] = ()) -> Phrase:
    """Return the phrase in `sentence`. `nouns` are stems that look like verbs and are nouns of the API: orders."""
    tokens = _tokens(text)
    start, verb, words = _opening(tokens, nouns)
    reader = _Reader(words, every=not EVERY.isdisjoint(tokens[:start]))
    for token in tokens[start:]:
        reader.read(token)
    return _phrase(tokens, verb, reader)


def _tokens(text: str) -> list[str]:
    """Return the words in lower case, and the punctuation marks."""
    found: list[str] = []
    for token in _TOKEN.findall(text[:_LONGEST]):
        # Splitting identifiers is the slow part, and most tokens of a sentence are plain words that need none.
        whole = (token.isalpha() and token.islower()) or not token[0].isalnum()
        found += [token] if whole else pieces(token)
    if not PARTED.isdisjoint(found):
        for at in range(len(found) - 2, -1, -1):
            if (joined := JOINED.get((found[at], found[at + 1]))) is not None:
                found[at : at + 2] = [joined]
    return found


def _opening(tokens: Sequence[str], nouns: Collection[str]) -> tuple[int, str, list[Word]]:
    """Return the position at which the object begins, and the verb with the words before it."""
    determined = asks = False
    for at, token in enumerate(tokens):
        determined = determined or token in DETERMINERS
        asks = asks or token in ASKS
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        polite = token in OPENS or (token in STOPWORDS and token not in GETS) or not token[0].isalnum()
        if polite and not (at == 0 and token in LIKES):
            continue
        # Behind a determiner or a question word, and before the end of the sentence, the word is a noun.
        verb, end = stem(token), at + 1
        if determined or asks or after in ("", *_ENDS):
            return at, "", []
        words = []
        if verb in REQUESTS and (inner := _requested(tokens, end)):
            words.append(Word(stem("request"), WordRole.FRAME, plural=False))
            verb, end = stem(tokens[inner]), inner + 1
        elif not _is_verb(token, after, nouns):
            return at, "", []
        return end, verb, [*words, Word(verb, WordRole.VERB, plural=False)]
    return len(tokens), "", []


def _requested(tokens: Sequence[str], start: int) -> int:
    """Return the position of the verb of `a request to cancel`; 0 where there is none."""
    for at in range(start, min(start + 4, len(tokens) - 2)):
        if tokens[at] == "request" and tokens[at + 1] == "to":
            return at + 2
    return 0


def _is_verb(token: str, after: str, nouns: Collection[str]) -> bool:
    """Return whether the first word commands: `[list] pods`, not `[pods] of a node` and not `[failed] runs`."""
    root, one = stem(token), singular(token)
    familiar = root in VERBS or root in READS or root in CREATES or root in STATE_VERBS
    if one != token:
        third_person = root in ACTS or after in DETERMINERS
        return root not in nouns and (root in VERBS or (after not in BEHIND_NOUNS and (familiar or third_person)))
    if token.endswith(("ed", "ing")):
        return root in VERBS and root not in nouns and not token.endswith("ed")
    return (
        familiar
        or after in DETERMINERS
        or after in ("on", "to")
        or (root in ACTS and after not in BEHIND_NOUNS and after != "")
    )


class _Reader:
    """The state of reading the words behind the verb, token by token, which assigns their roles.

    The object follows a frame such as `details of`.
    """

    def __init__(self, words: list[Word], *, every: bool) -> None:
        self.words = words
        self.every = every
        """whether all of a kind are meant"""
        self.noun, self.many = "", False
        """the last noun of the object, and whether it is in the plural"""
        self.valued = False
        self._role, self._first, self._bracketed = WordRole.OBJECT, len(words), False

    def read(self, token: str) -> None:
        if token in BELONGS:
            self._belongs()
        elif token in QUALIFIES:
            if self._started and self._role < WordRole.MODIFIER:
                self._role = WordRole.MODIFIER
        elif token in EVERY:
            self.every = self.every or self._role is WordRole.OBJECT
        elif token[0].isalnum():
            if token not in STOPWORDS:
                self._word(token)
        elif self.words:
            self._mark(token)

    @property
    def _started(self) -> bool:
        return len(self.words) > self._first

    def _belongs(self) -> None:
        own = self.words[self._first :]
        if not own or self._role is not WordRole.OBJECT:
            return
        # In `details of a task` the noun before `of` only frames the object, which begins behind it.
        if all(word.stem in FRAMES for word in own):
            self.every = self.every or any(word.stem == "list" for word in own)
            self.words[self._first :] = [Word(word.stem, WordRole.FRAME, word.plural) for word in own]
            self._first = len(self.words)
        else:
            self._role = WordRole.COMPLEMENT

    def _word(self, text: str) -> None:
        root, plural = stem(text), singular(text) != text
        if self._role is WordRole.OBJECT and not self._bracketed:
            self.valued = self.valued or (self._started and not text.isalpha())
            # An adverb at the end (`list runs daily`) is not the noun that shows the number.
            if text.isalpha() and not text.endswith("ly"):
                self.noun, self.many = root, plural
        self.words.append(Word(root, WordRole.ASIDE if self._bracketed else self._role, plural))

    def _mark(self, mark: str) -> None:
        self._bracketed = mark == "(" or (self._bracketed and mark != ")")
        if mark in _ENDS:
            self._role = WordRole.ASIDE
        elif mark in _BREAKS and self._role < WordRole.MODIFIER:
            self._role = WordRole.MODIFIER


def _phrase(tokens: Sequence[str], verb: str, reader: _Reader) -> Phrase:
    words = reader.words
    subject = frozenset([word.stem for word in words if word.role is WordRole.OBJECT])
    subject = subject or frozenset([word.stem for word in words if word.role is WordRole.FRAME])
    stems = frozenset([word.stem for word in words])
    plurals = frozenset([word.stem for word in words if word.plural])
    # Most phrases have none of these words, and the searches below are by substring.
    plain = "" if HINTING.isdisjoint(tokens) else " ".join(tokens)
    implied = [meaning for said, meaning in IMPLIED.items() if said in plain] if plain else ()
    return Phrase(
        words=tuple(words),
        verb=verb,
        intent=_intent(plain, verb, reader.every or reader.many),
        object=subject,
        stems=stems,
        plurals=plurals | subject if reader.every else plurals,
        head=reader.noun if reader.every or reader.many else "",
        implied=frozenset().union(*implied),
        mine=not MINE.isdisjoint(tokens[:_NEAR]) and list(tokens[:2]) != ["i", "want"],
        owned=not OWNERS.isdisjoint(tokens[:_NEAR]),
        valued=reader.valued,
        filters=not FILTERS.isdisjoint(stems),
    )


def _intent(plain: str, verb: str, many: bool) -> SearchIntent:
    if plain.startswith(("count ", "number of")) or "how many" in plain or "the number of" in plain:
        return SearchIntent.COUNT
    if not verb:
        return SearchIntent.MANY_NOUNS if many else SearchIntent.NOUN
    intent = VERBS.get(verb)
    if verb in SEARCHES:
        return SearchIntent.SEARCH
    if intent is None and verb in CREATES:
        return SearchIntent.CREATE
    if intent is not Intent.READ and verb not in READS:
        return SearchIntent(intent.value) if intent is not None else SearchIntent.OTHER
    return SearchIntent.MANY if many or verb == "list" else SearchIntent.ONE
