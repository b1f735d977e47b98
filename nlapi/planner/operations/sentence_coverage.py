"""Tells how completely an operation explains a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nlapi.english import lexicon
from nlapi.english.intents import METHODS, STOPWORDS, VERBS, Intent
from nlapi.english.lexicon import stems, words
from nlapi.english.words import singular, stem, stems_of
from nlapi.openapi.spec import Effect
from nlapi.planner.answering.row_fields import field_stems
from nlapi.planner.commands import command_verb, operation_verbs
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.slots.entities import POSITION_WORDS, RENAMES, SLUG, is_subject, operation_noun_stems
from nlapi.planner.slots.features import QUERYLIKE
from nlapi.planner.slots.overrides import OVERRIDE_PROBABILITY
from nlapi.planner.slots.slot import Family, Slot
from nlapi.reading.clauses import ScopeKind, find_scopes
from nlapi.reading.names import NO_NAMES
from nlapi.reading.numbers import BOUND, find_numbers, is_bound
from nlapi.reading.question_intent import read_intent
from nlapi.reading.text import FILLER_STEMS, MentionKind, Sentence, Token, foreign_language
from nlapi.resources.answers import answer_schemas, answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.tools.sending.state_reads import updates_item

_HAVING = lexicon.stems("planner/operations/words", "having")
_LINKING = lexicon.words("planner/operations/words", "linking")
# The least probability of each value of a change that the sentence says plainly: `rename ad ad_1 to "Summer, v3"` has
# 0.57 for its new name (benchmarks.changes, ads/6).
LIKELY = 0.55


def explains_plainly(best: OperationCandidate, missing: Sequence[Slot]) -> bool:
    """Return whether the operation, its arguments, and the fields and choices of its answer explain every word.

    The target of a change has to be named too, and no other argument may be named without a value.
    """
    if missing or not explains_all_words(best):
        return False
    if best.tool.effect is not Effect.READ:
        return _is_plain_change(best)
    nouns = {*operation_noun_stems(best.operation), *(stem(word) for noun in _entry_nouns(best) for word in noun)}
    is_search = any(
        QUERYLIKE & set(option.slot.words) and option.probability >= OVERRIDE_PROBABILITY
        for option in best.assignment.candidates
    )
    return (is_search or bool(nouns & best.context.sentence.stem_set)) and not _has_unexplained_value(best)


def _is_plain_change(best: OperationCandidate) -> bool:
    """Return whether the sentence commands a change with its method, and names its target and a value of its body."""
    # Without these conditions, on nlapi.changes alone, 327 and not 323 of 510 right changes stand, and 2 wrong ones do
    # (benchmarks.changes: the group of Jira that is named by groupId, the other path of GitLab's merge requests).
    options = best.assignment.candidates
    if best.is_uncommanded or best.assignment.unused or not _is_done_by(best):
        return False
    assigned = {option.slot for option in options}
    has_target = all(slot in assigned for slot in best.context.slots if is_subject(best.operation, slot))
    free = {token.stem for token in best.context.sentence.tokens if not _is_in_value(best, token)}
    nouns = set(operation_noun_stems(best.operation))
    # A change without a body has its fields in the query.
    location = "body" if best.operation.body is not None else "query"
    body = [slot for slot in best.context.slots if slot.location == location]
    unassigned = (set(slot.words) for slot in body if slot not in assigned)
    lacks_value = any(words <= free and not words <= nouns for words in unassigned)
    is_likely = all(option.probability >= LIKELY for option in options if option.mention)
    return has_target and is_likely and not lacks_value and not assigned.isdisjoint(body)


def _is_done_by(best: OperationCandidate) -> bool:
    """Return whether the first word of the sentence is a verb of the operation or of its method.

    A POST to the path of an item updates it, as a PATCH does.
    """
    operation, verb = best.operation, command_verb(best.context.sentence)
    intent = VERBS.get(verb)
    if verb in operation_verbs(operation) or (intent is not None and operation.method in METHODS[intent]):
        return True
    return (intent is Intent.UPDATE or verb in RENAMES) and updates_item(operation)


def _entry_nouns(best: OperationCandidate) -> tuple[tuple[str, ...], ...]:
    return collection_index(best.operation.spec).entry_nouns(best.operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBound:
    """Characters of a sentence that bound a number of the listed items, by which the answer is filtered: [over $100].

    `stems` are those of the field.
    """

    start: int
    end: int
    stems: frozenset[str]


def answer_bounds(best: OperationCandidate) -> tuple[AnswerBound, ...]:
    """Return the bounds of a sentence that no argument of a list has, and a field of its items."""
    return tuple(_answer_bounds(best)) if best.assignment.unused and _lists(best) else ()


def _answer_bounds(best: OperationCandidate) -> Iterator[AnswerBound]:
    # Few sentences have a number that no argument takes.
    from nlapi.planner.answering.conditions import named_field, tokens_near

    sentence, schemas = best.context.sentence, answer_schemas(best.operation.spec)
    properties = schemas.reader.properties(schemas.entry_schema(best.operation))
    numeric = [name for name, schema in properties.items() if {"integer", "number"} & set(schemas.reader.types(schema))]
    for number in find_numbers(sentence.text):
        span = next((span for span in best.assignment.unused if number.start <= span.start < number.end), None)
        if span is None:
            continue
        positions = tokens_near(sentence.tokens, span.first, span.last)
        if not (is_bounded := is_bound(sentence.text, span.start, span.end)):
            positions = [at for at in positions if at < span.first]
        field = field_stems(named_field(numeric, sentence.tokens, positions))
        # Without a bound the whole name of the field has to stand there, as in the answer: a daily budget of 100.
        if field and (is_bounded or field <= {sentence.tokens[at].stem for at in positions}):
            bound = BOUND.search(sentence.text[: number.start])
            start = bound.start() if bound is not None else number.start
            yield AnswerBound(start=start, end=number.end, stems=field)


def _has_unexplained_value(best: OperationCandidate) -> bool:
    """Return whether an unused value is not a choice or value of a field of the listed items."""
    bounds = answer_bounds(best)
    return not all(
        _is_of_entry(best, span.first, span.last) or any(bound.start <= span.start < bound.end for bound in bounds)
        for span in best.assignment.unused
    )


def _is_of_entry(best: OperationCandidate, first: int, last: int) -> bool:
    """Return whether tokens are a field of the answer, a choice of one, or follow the name of one."""
    words, stems = answer_words(best.operation), best.context.sentence.stems
    before = first
    while before > 0 and best.context.sentence.tokens[before - 1].lower in _LINKING:
        before -= 1
    fields = any(words.names_field(stems[at:before]) for at in range(max(0, before - 3), before))
    text = best.context.sentence.text[
        best.context.sentence.tokens[first].start : best.context.sentence.tokens[last - 1].end
    ]
    is_code = (
        first > 0 and not text.isalpha() and SLUG.fullmatch(text) and stems[first - 1] in best.context.operation_stems
    )
    return stems[first:last] in words.values or words.names_field(stems[first:last]) or fields or bool(is_code)


def _is_in_value(best: OperationCandidate, token: Token) -> bool:
    return any(option.start <= token.start < option.end for option in best.assignment.candidates)


def explains_all_words(best: OperationCandidate) -> bool:
    """Return whether every word but stopwords is in a value, or is a word of the operation or of its slots."""
    bounds = answer_bounds(best)
    fields = frozenset().union(*(bound.stems for bound in bounds))
    vocabulary = best.context.operation_stems | best.context.description_stems | fields
    reads = best.tool.effect is Effect.READ
    return all(
        token.stem in vocabulary
        or token.stem in VERBS
        or token.lower in STOPWORDS
        or (reads and token.stem in _HAVING)
        or _is_in_value(best, token)
        or any(bound.start <= token.start < bound.end for bound in bounds)
        or (reads and _is_of_entry(best, at, at + 1))
        for at, token in enumerate(best.context.sentence.tokens)
        if token.word
    )


_CONDITIONAL = words("planner/operations/words", "conditional")
_PURPOSEFUL = words("planner/operations/words", "purposeful")
_MANNERS = stems("planner/operations/words", "manners")
_ARTICLES = words("reading/words", "definite") | words("planner/operations/words", "indefinite")
_PERSONAL = lexicon.words("planner/operations/words", "personal")
# Words behind the noun that a word at the end of the sentence says more about: patients who limp, have fever.
_PREDICATIVE = lexicon.words("planner/operations/words", "predicative")
_NAMING = words("planner/slots/words", "naming")
_FUNCTION_WORDS = STOPWORDS | NO_NAMES | POSITION_WORDS | _CONDITIONAL
_MAX_WORDS = 4


# Kinds of mentions in which `not` is a part of a text.
_TEXTS = (MentionKind.QUOTED, MentionKind.TITLE, MentionKind.JSON, MentionKind.LITERAL)
# Tokens from a negation to the words of the flag that it switches off.
_REACH = 3


def unexpressed_negations(best: OperationCandidate) -> Iterator[str]:
    """Yield what a sentence rules out and no argument expresses: `not history`, `except drafts`."""
    sentence = best.context.sentence
    for cue in find_scopes(sentence.text, (ScopeKind.NOT, ScopeKind.EXCEPT)):
        if not _is_in_text(sentence, cue.start) and not _expresses(best, cue.start):
            yield " ".join(sentence.text[cue.start :].split()[:_REACH]).rstrip(".,?!")


def _is_in_text(sentence: Sentence, at: int) -> bool:
    """Return whether a character is a part of a name or a text; capitalized words that open a sentence may not be."""
    spans = (span for span in sentence.mentions if span.start <= at < span.end)
    return any(span.kind in _TEXTS or (span.kind is MentionKind.NAME and span.first > 0) for span in spans)


def _expresses(best: OperationCandidate, at: int) -> bool:
    """Return whether a flag or a choice expresses the negation at a character."""
    following = [token.end for token in best.context.sentence.tokens if token.end > at][: _REACH + 1]
    ends = {Family.BOOLEAN: max([at, *following]), Family.CHOICE: at + 1}
    options = best.assignment.candidates
    return any(option.start < ends.get(option.slot.family, 0) and at < option.end for option in options)


def unused_values(best: OperationCandidate) -> Iterator[str]:
    """Yield the numbers, days, ids, names and quotations of a sentence that are in no argument, as written."""
    for span in best.assignment.unused:
        words = {token.stem for token in best.context.sentence.tokens[span.first : span.last]}
        if span.kind is not MentionKind.NAME or not words <= best.context.operation_stems:
            yield repr(span.text) if span.kind is MentionKind.QUOTED else span.text


def unused_words(best: OperationCandidate) -> tuple[str, ...]:
    """Return the texts of a read's sentence that limit what is listed, and that nothing takes care of."""
    if not _lists(best) or foreign_language(best.context.sentence):
        return ()
    return tuple(_Search(best=best).texts())


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
        names = stems_of(" ".join((operation.spec.title, *operation.tags)))
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

    def _is_in_value(self, token: Token) -> bool:
        return any(start <= token.start < end for start, end in self._explained_spans)

    def _is_unexplained(self, at: int) -> bool:
        context, token = self.best.context, self.best.context.sentence.tokens[at]
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
        """Return whether words stand beside a value, as its kind: with the identification code \"zPHxe5FzN\"."""
        tokens = self.best.context.sentence.tokens
        values = [(option.start, option.end) for option in self.best.assignment.candidates if option.end > option.start]
        nearby = [at for at in (first - 1, last, last + 1) if 0 <= at < len(tokens)]
        at_hand = [at for at in nearby if at <= last or not tokens[last].word]
        return any(start <= tokens[at].start < end for at in at_hand for start, end in values)

    def _is_condition(self, first: int, last: int) -> bool:
        """Return whether the words at tokens `first` to before `last` limit the items of the operation."""
        tokens = self.best.context.sentence.tokens
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
        is_named = self._is_noun(before) or tokens[before].stem in self._vocabulary | _MANNERS or lead in _NAMING
        return is_end and ((before == first - 1 and is_named) or tokens[first - 1].lower in _PREDICATIVE)

    def _before_articles(self, at: int) -> int:
        """Return the token before a token and its articles."""
        tokens, before = self.best.context.sentence.tokens, at - 1
        while before >= 0 and tokens[before].lower in _ARTICLES:
            before -= 1
        return before

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
