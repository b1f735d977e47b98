"""Finds the words in small letters that set a condition of a read and are used nowhere: [lisbon] of patients in lisbon.

Names, numbers and codes are mentions of the sentence; `vetoes.unused_values` names the unused ones. Any other word may
be a condition too, by its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from nlapi.english.lexicon import stems, words
from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.spec import Effect
from nlapi.planner.language.english import foreign_language
from nlapi.planner.language.names import NO_NAMES
from nlapi.planner.language.question_intent import read_intent
from nlapi.planner.language.text import FILLER_STEMS, MentionKind, Token
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.slots.entities import POSITION_WORDS, operation_noun_stems
from nlapi.resources.answers import answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.resources.naming import STOPWORDS, VERBS, Intent

_CONDITIONAL = words("planner/operations/words", "conditional")
_PURPOSEFUL = words("planner/operations/words", "purposeful")
_MANNERS = stems("planner/operations/words", "manners")
_ARTICLES = words("planner/language/words", "definite") | {
    "a",
    "an",
    "all",
    "any",
    "every",
    "each",
    "some",
    "his",
    "her",
    "their",
}
_PERSONAL = frozenset("a an my our your his her their this".split())
_ASKING = words("planner/operations/words", "asking")
_CONJUNCTIONS = frozenset((",", "and", "or", "&"))
# Words behind the noun that a word at the end of the sentence says more about: patients who limp, have fever.
_PREDICATIVE = frozenset("is are was were who that which have has having got been being".split())
_NAMING = words("planner/slots/words", "naming")
_FUNCTION_WORDS = STOPWORDS | NO_NAMES | POSITION_WORDS | _CONDITIONAL
_MAX_WORDS = 4


def unused_words(best: OperationCandidate) -> tuple[str, ...]:
    """Return the texts of a read's sentence that limit what is listed, and that nothing takes care of."""
    if not _lists(best) or foreign_language(best.context.sentence):
        return ()
    return tuple(_Search(best=best).texts())


def leaves_out_name(best: OperationCandidate) -> bool:
    """Return whether a list leaves out a capitalized name or a title, which `vetoes.unused_values` names."""
    kinds = (MentionKind.NAME, MentionKind.TITLE)
    names = (mention for mention in best.assignment.unused if mention.kind in kinds)
    known = best.context.operation_stems | set(map(stem, split_words(best.operation.spec.title)))
    return _lists(best) and any(
        not known.issuperset(best.context.sentence.stems[name.first : name.last]) for name in names
    )


def _lists(best: OperationCandidate) -> bool:
    return best.tool.effect is Effect.READ and collection_index(best.operation.spec).is_list(best.operation)


@dataclass(frozen=True, kw_only=True)
class _Search:
    """The search of a sentence for runs of words that neither the operation nor its arguments or answer explain."""

    best: OperationCandidate

    def texts(self) -> Iterator[str]:
        sentence, first = self.best.context.sentence, 0
        while first < len(sentence.tokens):
            last = first
            while last < len(sentence.tokens) and self._is_unexplained(last):
                last += 1
            if first < last <= first + _MAX_WORDS and self._is_condition(first, last):
                text = sentence.text[sentence.tokens[first].start : sentence.tokens[last - 1].end]
                yield text.removesuffix("'s").removesuffix("’s")
            first = max(last, first + 1)

    @cached_property
    def _noun(self) -> tuple[str, ...]:
        return operation_noun_stems(self.best.operation)

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        """The stems that the operation, its slots, its answer and its API explain."""
        context, operation = self.best.context, self.best.operation
        names = {stem(word) for text in (operation.spec.title, *operation.tags) for word in split_words(text)}
        prose = frozenset().union(*(slot.prose for slot in context.slots))
        answer = answer_words(operation).all
        return context.operation_stems | context.description_stems | answer | prose | names

    @cached_property
    def _explained_spans(self) -> list[tuple[int, int]]:
        """The character positions of values, of mentions that are named as unused, and of orders and counts."""
        assignment, sentence = self.best.assignment, self.best.context.sentence
        mentions = [*assignment.unused, *(mention for option in assignment.candidates for mention in option.mentions)]
        spans = [(option.start, option.end) for option in assignment.candidates]
        return [*spans, *((mention.start, mention.end) for mention in mentions), *read_intent(sentence.text).spans]

    @cached_property
    def _other_choices(self) -> frozenset[str]:
        """The stems of the choices of arguments that have another one as their only value."""
        chosen = [option for option in self.best.assignment.candidates if option.slot.choices]
        single = [option for option in chosen if not option.slot.is_array]
        others = (str(choice) for option in single for choice in option.slot.choices if choice != option.value)
        return frozenset(stem(words[0]) for words in map(split_words, others) if len(words) == 1)

    def _is_further_choice(self, at: int) -> bool:
        """Return whether a token is a second value of an argument that takes one: cats and [dogs]."""
        tokens = self.best.context.sentence.tokens
        is_joined = any(token.lower in _CONJUNCTIONS for token in (*tokens[at - 1 : at], *tokens[at + 1 : at + 2]))
        return is_joined and tokens[at].stem in self._other_choices and not self._is_in_value(tokens[at])

    def _is_in_value(self, token: Token) -> bool:
        return any(start <= token.start < end for start, end in self._explained_spans)

    def _is_unexplained(self, at: int) -> bool:
        context, token = self.best.context, self.best.context.sentence.tokens[at]
        if self._is_further_choice(at):
            return True
        if not token.word or not token.text[:1].isalpha() or token.text != token.lower:
            return False
        if at in context.sentence.value_positions or token.lower in _FUNCTION_WORDS or token.stem in FILLER_STEMS:
            return False
        if token.stem in VERBS and not self._is_adjective(at):
            return False
        if token.stem in self._vocabulary or token.stem in _MANNERS or context.is_api_noun(token.stem):
            return False
        return not self._is_in_value(token)

    def _is_adjective(self, at: int) -> bool:
        """Return whether a verb says a state of the items: show [open] appointments, the [archived] appointments."""
        tokens = self.best.context.sentence.tokens
        before = tokens[at - 1] if at else None
        is_led = before is not None and (before.lower in _ARTICLES or VERBS.get(before.stem) is Intent.READ)
        is_state = VERBS.get(tokens[at].stem) is not Intent.READ
        return (is_led or (at > 1 and tokens[at - 1].lower == "many")) and is_state and self._is_before_noun(at, at + 1)

    def _is_of_value(self, first: int, last: int) -> bool:
        """Return whether words stand beside a value, as what it is: with the identification code \"zPHxe5FzN\"."""
        tokens = self.best.context.sentence.tokens
        values = [(option.start, option.end) for option in self.best.assignment.candidates if option.end > option.start]
        nearby = [at for at in (first - 1, last, last + 1) if 0 <= at < len(tokens)]
        at_hand = [at for at in nearby if at <= last or not tokens[last].word]
        return any(start <= tokens[at].start < end for at in at_hand for start, end in values)

    def _is_condition(self, first: int, last: int) -> bool:
        """Return whether the words at tokens `first` to before `last` limit the items of the operation."""
        tokens = self.best.context.sentence.tokens
        if self._is_further_choice(first):
            return True
        is_adverb = last == first + 1 and tokens[first].lower.endswith("ly")
        if self._is_before_noun(first, last):
            return not is_adverb
        if is_adverb or self._is_of_value(first, last) or not self._is_behind_noun(first):
            return False
        before = self._before_articles(first)
        lead, article = tokens[before].lower, tokens[first - 1].lower if before < first - 1 else ""
        if lead in _CONDITIONAL:
            return not (lead in _PURPOSEFUL and article in _PERSONAL)
        is_end = last == len(tokens) or not tokens[last].word
        if is_end and tokens[first - 1].lower in _PREDICATIVE:
            return True
        if before != first - 1:
            return False
        if self._is_noun(before):
            return (
                is_end if singular(lead) != lead else self._is_led(before) and not _is_participle(tokens[first].lower)
            )
        is_field = answer_words(self.best.operation).names_field((tokens[before].stem,))
        if lead in _NAMING or (is_field and self._is_led(before)):
            return True
        # A word of the description that a preposition leads to may be what is named: sites of team rocket.
        is_known = tokens[before].stem in self._vocabulary | _MANNERS and tokens[before].lower not in _FUNCTION_WORDS
        is_preposition = before > 0 and tokens[before - 1].lower in _CONDITIONAL
        return is_end and ((is_known and is_preposition) or (lead == "to" and self._is_noun(before - 1)))

    def _before_articles(self, at: int) -> int:
        """Return the token before a token and its articles."""
        tokens, before = self.best.context.sentence.tokens, at - 1
        while before >= 0 and tokens[before].lower in _ARTICLES:
            before -= 1
        return before

    def _is_led(self, at: int) -> bool:
        """Return whether a noun in the singular may have a name behind it: of clinic, at the clinic, show patient."""
        tokens = self.best.context.sentence.tokens
        while at > 0 and self._is_noun(at - 1):  # ad set
            at -= 1
        before = self._before_articles(at)
        if before < 0:
            return at == 0
        is_preposition = tokens[before].lower in _CONDITIONAL
        if before < at - 1:
            return is_preposition and tokens[at].stem not in self._noun
        return is_preposition or tokens[before].lower in _ASKING or before == 0

    def _is_noun(self, at: int) -> bool:
        stem_here = self.best.context.sentence.tokens[at].stem
        return stem_here in self._noun[-1:] or self.best.context.is_api_noun(stem_here)

    def _is_behind_noun(self, first: int) -> bool:
        """Return whether the noun of the operation stands in the same sentence before a token."""
        tokens, at = self.best.context.sentence.tokens, first - 1
        while at >= 0 and tokens[at].text not in (".", "?", "!", ";"):
            if self._is_noun(at):
                return True
            at -= 1
        return False

    def _is_before_noun(self, first: int, last: int) -> bool:
        """Return whether words stand right before the plural of the operation's noun: [urgent] appointments."""
        sentence, count = self.best.context.sentence, len(self._noun)
        while last < len(sentence.tokens) and self._is_in_value(sentence.tokens[last]):
            last += 1
        if not count or sentence.stems[last : last + count] != self._noun:
            return False
        plural = sentence.tokens[last + count - 1].lower
        return singular(plural) != plural and (first > 0 or last < len(sentence.tokens))


def _is_participle(word: str) -> bool:
    return word.endswith(("ed", "en", "ing")) and stem(word) != word
