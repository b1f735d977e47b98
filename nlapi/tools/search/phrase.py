"""Parses a short instruction: its verb, its object, and the words that only qualify the object."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from nlapi.english import lexicon
from nlapi.english.command_verbs import NOUN_FOLLOWERS
from nlapi.english.intents import IMPERATIVES, STOPWORDS, VERBS, Intent
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern

# Stems of verbs that an API without an operation of that name carries out by setting a state.
STATE_VERBS = lexicon.stems("tools/words", "state_verbs")
READ_VERBS = lexicon.stems("tools/words", "read_verbs")
CREATE_VERBS = lexicon.stems("tools/words", "create_verbs")
ACTION_VERBS = IMPERATIVES | lexicon.stems("tools/words", "action_verbs")
SEARCH_VERBS = lexicon.stems("tools/words", "search_verbs")
FRAME_NOUNS = lexicon.stems("tools/words", "frame_nouns")
FILTER_STEMS = lexicon.stems("tools/words", "filter_stems")
# Verbs before `a request to`, where the verb behind it is the one that counts.
REQUEST_VERBS = lexicon.stems("tools/words", "request_verbs")
PLACE_PREPOSITIONS = lexicon.words("tools/words", "place_prepositions")
QUALIFIERS = lexicon.words("tools/words", "qualifiers")
DETERMINERS = lexicon.words("tools/words", "determiners")
QUESTION_WORDS = lexicon.words("tools/words", "question_words")
_POLITE_WORDS = QUESTION_WORDS | lexicon.words("tools/words", "polite_words")
OPENING_WORDS = _POLITE_WORDS | DETERMINERS - lexicon.words("tools/words", "pointing")
# Verbs that are stopwords elsewhere, but at the beginning show that something is read.
PLAIN_READ_VERBS = frozenset(("get", "find"))
# Verbs at the very beginning of a phrase that are words of politeness elsewhere (`I would like`).
INITIAL_VERBS = frozenset(("like",))
POSSESSIVES = lexicon.words("tools/words", "possessives")
CALLER_WORDS = POSSESSIVES | {"me", "i"}
UNIVERSAL_WORDS = lexicon.words("tools/words", "universal_words")
PHRASAL_VERBS = {
    (verb, particle): joined
    for phrase, joined in lexicon.by_phrase("tools/words", "phrasal_verbs").items()
    for verb, particle in (phrase.split(),)
}
"""Verbs of two words -> the one word that APIs use."""
IMPLIED_STEMS = {
    expression: frozenset(map(stem, words.split()))
    for expression, words in lexicon.table("tools/words", "implied").items()
}
"""Expression -> stems of the API's words for it."""
# One of these words is in every expression above and in every count, so that a phrase without any skips the search.
HINT_WORDS = lexicon.words("tools/words", "hint_words")
PHRASAL_VERB_STARTS = frozenset(verb for verb, _ in PHRASAL_VERBS)


_TOKEN = lazy_pattern(r"[^\W_]+(?:[-_'’/][^\W_]+)*|[.;:,()?!]")
_SENTENCE_ENDS = frozenset(".?!")
_CLAUSE_BREAKS = frozenset(",;:")
# Tokens at the beginning of a phrase in which `my` and `me` are looked for.
_POSSESSIVE_WINDOW = 12
# Characters that are read: the operation is named in the first sentence.
_MAX_CHARS = 600


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
    LIST = "many"
    """a verb that reads, and an object in the plural"""
    ITEM = "one"
    SEARCH = "search"
    """a search for several, or for one by its name"""
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNCLASSIFIED = "other"
    """a verb of another kind"""
    PLURAL_NOUN = "many nouns"
    """no verb, and an object in the plural"""
    NOUN = "noun"


# A tuple and no dataclass: building an index makes ten thousands of them.
class PhraseWord(NamedTuple):
    """A word of a phrase that is not a stopword; words are compared by `stem`."""

    stem: str
    role: WordRole
    plural: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A parsed instruction."""

    words: tuple[PhraseWord, ...]
    verb: str
    """stem of the verb; "" without one"""
    intent: SearchIntent
    object: frozenset[str]
    """stems of the words of the object, or of its frame without an object"""
    stems: frozenset[str]
    plurals: frozenset[str]
    """stems of the words in the plural, and of all words of the object where it is about all of a kind"""
    head: str
    """stem of the last word of an object in the plural: pull [requests]; "" in the singular"""
    implied: frozenset[str]
    """stems of what the phrase means without saying it: `who can push` is about permissions"""
    is_about_caller: bool
    """whether it is about what belongs to the caller"""
    has_possessive: bool
    """whether a possessive says so: my runs"""
    has_value: bool
    """whether a number or an id follows the object: issue 7"""
    has_filter: bool
    """whether it mentions a filter or a match"""


def read_phrase(sentence: str, nouns: Collection[str] = ()) -> Phrase:
    """Return the phrase in `sentence`. `nouns` are stems that look like verbs and are nouns of the API: orders."""
    tokens = _tokens(sentence)
    start, verb, words = _read_opening(tokens, nouns)
    reader = _PhraseReader(words, is_universal=not UNIVERSAL_WORDS.isdisjoint(tokens[:start]))
    for token in tokens[start:]:
        reader.read(token)
    return _build_phrase(tokens, verb, reader)


def _tokens(text: str) -> list[str]:
    """Return the words in lower case, and the punctuation marks."""
    tokens: list[str] = []
    for token in _TOKEN.findall(text[:_MAX_CHARS]):
        # Splitting identifiers is the slow part, and most tokens of a sentence are plain words that need none.
        is_plain_word = (token.isalpha() and token.islower()) or not token[0].isalnum()
        tokens += [token] if is_plain_word else split_words(token)
    if not PHRASAL_VERB_STARTS.isdisjoint(tokens):
        for position in range(len(tokens) - 2, -1, -1):
            if (joined := PHRASAL_VERBS.get((tokens[position], tokens[position + 1]))) is not None:
                tokens[position : position + 2] = [joined]
    return tokens


def _read_opening(tokens: Sequence[str], nouns: Collection[str]) -> tuple[int, str, list[PhraseWord]]:
    """Return the position at which the object begins, and the verb with the words before it."""
    has_determiner = is_question = False
    for position, token in enumerate(tokens):
        has_determiner = has_determiner or token in DETERMINERS
        is_question = is_question or token in QUESTION_WORDS
        following = tokens[position + 1] if position + 1 < len(tokens) else ""
        is_filler = (
            token in OPENING_WORDS or (token in STOPWORDS and token not in PLAIN_READ_VERBS) or not token[0].isalnum()
        )
        if is_filler and not (position == 0 and token in INITIAL_VERBS):
            continue
        # Behind a determiner or a question word, and before the end of the sentence, the word is a noun.
        verb, end = stem(token), position + 1
        if has_determiner or is_question or following in ("", *_SENTENCE_ENDS):
            return position, "", []
        words = []
        if verb in REQUEST_VERBS and (inner_verb := _requested_verb(tokens, end)):
            words.append(PhraseWord(stem("request"), WordRole.FRAME, plural=False))
            verb, end = stem(tokens[inner_verb]), inner_verb + 1
        elif not _is_verb(token, following, nouns):
            return position, "", []
        return end, verb, [*words, PhraseWord(verb, WordRole.VERB, plural=False)]
    return len(tokens), "", []


def _requested_verb(tokens: Sequence[str], start: int) -> int:
    """Return the position of the verb of `a request to cancel`, or 0."""
    for position in range(start, min(start + 4, len(tokens) - 2)):
        if tokens[position] == "request" and tokens[position + 1] == "to":
            return position + 2
    return 0


def _is_verb(token: str, following: str, nouns: Collection[str]) -> bool:
    """Return whether the first word commands: `[list] pods`, not `[pods] of a node` and not `[failed] runs`."""
    root, singular_form = stem(token), singular(token)
    is_common_verb = root in VERBS or root in READ_VERBS or root in CREATE_VERBS or root in STATE_VERBS
    if singular_form != token:
        is_third_person = root in ACTION_VERBS or following in DETERMINERS
        return root not in nouns and (
            root in VERBS or (following not in NOUN_FOLLOWERS and (is_common_verb or is_third_person))
        )
    if token.endswith(("ed", "ing")):
        return root in VERBS and root not in nouns and not token.endswith("ed")
    return (
        is_common_verb
        or following in DETERMINERS
        or following in ("on", "to")
        or (root in ACTION_VERBS and following not in NOUN_FOLLOWERS and following != "")
    )


class _PhraseReader:
    """The state of reading the words behind the verb, token by token, which assigns their roles.

    The object follows a frame such as `details of`.
    """

    def __init__(self, words: list[PhraseWord], *, is_universal: bool) -> None:
        self.words = words
        self.is_universal = is_universal
        """whether all of a kind are meant"""
        self.noun, self.is_plural = "", False
        """the last noun of the object, and whether it is in the plural"""
        self.has_value = False
        self._role, self._object_start, self._bracketed = WordRole.OBJECT, len(words), False

    def read(self, token: str) -> None:
        if token in PLACE_PREPOSITIONS:
            self._read_preposition()
        elif token in QUALIFIERS:
            if self._has_object and self._role < WordRole.MODIFIER:
                self._role = WordRole.MODIFIER
        elif token in UNIVERSAL_WORDS:
            self.is_universal = self.is_universal or self._role is WordRole.OBJECT
        elif token[0].isalnum():
            if token not in STOPWORDS:
                self._read_word(token)
        elif self.words:
            self._read_mark(token)

    @property
    def _has_object(self) -> bool:
        return len(self.words) > self._object_start

    def _read_preposition(self) -> None:
        object_words = self.words[self._object_start :]
        if not object_words or self._role is not WordRole.OBJECT:
            return
        # In `details of a task` the noun before `of` only frames the object, which begins behind it.
        if all(word.stem in FRAME_NOUNS for word in object_words):
            self.is_universal = self.is_universal or any(word.stem == "list" for word in object_words)
            self.words[self._object_start :] = [
                PhraseWord(word.stem, WordRole.FRAME, word.plural) for word in object_words
            ]
            self._object_start = len(self.words)
        else:
            self._role = WordRole.COMPLEMENT

    def _read_word(self, text: str) -> None:
        root, plural = stem(text), singular(text) != text
        if self._role is WordRole.OBJECT and not self._bracketed:
            self.has_value = self.has_value or (self._has_object and not text.isalpha())
            # An adverb at the end (`list runs daily`) is not the noun that shows the number.
            if text.isalpha() and not text.endswith("ly"):
                self.noun, self.is_plural = root, plural
        self.words.append(PhraseWord(root, WordRole.ASIDE if self._bracketed else self._role, plural))

    def _read_mark(self, mark: str) -> None:
        self._bracketed = mark == "(" or (self._bracketed and mark != ")")
        if mark in _SENTENCE_ENDS:
            self._role = WordRole.ASIDE
        elif mark in _CLAUSE_BREAKS and self._role < WordRole.MODIFIER:
            self._role = WordRole.MODIFIER


def _build_phrase(tokens: Sequence[str], verb: str, reader: _PhraseReader) -> Phrase:
    words = reader.words
    object_stems = frozenset([word.stem for word in words if word.role is WordRole.OBJECT])
    object_stems = object_stems or frozenset([word.stem for word in words if word.role is WordRole.FRAME])
    stems = frozenset([word.stem for word in words])
    plurals = frozenset([word.stem for word in words if word.plural])
    # Most phrases have none of these words, and the searches below are by substring.
    hint_text = "" if HINT_WORDS.isdisjoint(tokens) else " ".join(tokens)
    implied = [meaning for expression, meaning in IMPLIED_STEMS.items() if expression in hint_text] if hint_text else ()
    return Phrase(
        words=tuple(words),
        verb=verb,
        intent=_search_intent(hint_text, verb, reader.is_universal or reader.is_plural),
        object=object_stems,
        stems=stems,
        plurals=plurals | object_stems if reader.is_universal else plurals,
        head=reader.noun if reader.is_universal or reader.is_plural else "",
        implied=frozenset().union(*implied),
        is_about_caller=not CALLER_WORDS.isdisjoint(tokens[:_POSSESSIVE_WINDOW]) and list(tokens[:2]) != ["i", "want"],
        has_possessive=not POSSESSIVES.isdisjoint(tokens[:_POSSESSIVE_WINDOW]),
        has_value=reader.has_value,
        has_filter=not FILTER_STEMS.isdisjoint(stems),
    )


def _search_intent(hint_text: str, verb: str, is_plural: bool) -> SearchIntent:
    if hint_text.startswith(("count ", "number of")) or "how many" in hint_text or "the number of" in hint_text:
        return SearchIntent.COUNT
    if not verb:
        return SearchIntent.PLURAL_NOUN if is_plural else SearchIntent.NOUN
    intent = VERBS.get(verb)
    if verb in SEARCH_VERBS:
        return SearchIntent.SEARCH
    if intent is None and verb in CREATE_VERBS:
        return SearchIntent.CREATE
    if intent is not Intent.READ and verb not in READ_VERBS:
        return SearchIntent(intent.value) if intent is not None else SearchIntent.UNCLASSIFIED
    return SearchIntent.LIST if is_plural or verb == "list" else SearchIntent.ITEM
