"""Reads the sentence of a change: whether it commands or wishes one, and whether each of its words has a use."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Any

from nlapi.english import lexicon
from nlapi.english.command_verbs import DELETE_VERBS, DETERMINERS, is_verb, opens_with_noun, parse_command
from nlapi.english.intents import ACTION_KINDS, STOPWORDS, VERBS, Intent
from nlapi.english.word_similarity import SPELLINGS, SYNONYMS
from nlapi.english.words import name_words, singular, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import UPDATE_METHODS, Effect, Operation, stated_verbs
from nlapi.reading.clauses import (
    CLAUSE_MARK,
    CONDITIONS,
    NEGATIONS,
    QUESTION,
    Mood,
    ScopeKind,
    find_moods,
    find_reason,
    find_scopes,
    find_value_changes,
    opening_length,
)
from nlapi.reading.reader import QUOTED, read_sentence
from nlapi.reading.text import Mention as Mention
from nlapi.reading.text import Reason, Sentence, ValueChange
from nlapi.resources.command_verbs import leading_verbs, operation_verbs, summary_of
from nlapi.resources.nouns import target_noun
from nlapi.tools.arguments import argument_schema
from nlapi.tools.tool import Account, Call, Origin, ValueSource

_PAST = lexicon.words("changes/words", "past_auxiliaries")

_CHUNK = lazy_pattern(r"\S+")
_EDGES = "\"'`“”‘’«»()[]{}<>,;:!?"
# Marks before a word that may be a part of it or not: #general, @ada.
_SIGILS = "#@~$€£¥"
_POSSESSIVE = lazy_pattern(r"['’]s?$")
# Separators of values that are written as one word: acme/web, nginx:1.25.
_PAIR_SEPARATOR = lazy_pattern(r"[/:]")
# The name of an argument as a description writes it: renewAuto, not GitHub.
_CAMEL = lazy_pattern(r"[a-z]{2,}(?:[A-Z][a-z]+)+")
_LABEL = lazy_pattern(r"([A-Za-z][\w.-]*)=")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceWord:
    """A text between blanks, or between quotes, without the marks around it."""

    text: str
    start: int
    end: int
    is_quoted: bool = False

    @property
    def mention(self) -> Mention:
        return Mention(words=self.text, start=self.start, end=self.end)

    @property
    def lower(self) -> str:
        return self.text.lower().removesuffix("'s").removesuffix("’s")

    @property
    def stems(self) -> tuple[str, ...]:
        parts = self.text.removesuffix("'s").removesuffix("’s").split("=")
        names = (part if _CAMEL.fullmatch(part) else part.lower() for part in parts)
        return tuple(stem(word) for name in names for word in split_words(name))


@dataclass(frozen=True, kw_only=True)
class UserSentence:
    """A message of the user with its words; days in it are relative to `today`."""

    text: str
    today: date = date.min

    @cached_property
    def reading(self) -> Sentence:
        return read_sentence(self.text, self.today)

    @cached_property
    def words(self) -> tuple[SentenceWord, ...]:
        return tuple(_split_words(self.text))

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all words that are not quoted."""
        return stems_of(" ".join(word.text for word in self.words if not word.is_quoted))

    def find_mention(
        self, text: str, label_stems: Collection[str] = (), sibling_values: Collection[str] = ()
    ) -> Mention | None:
        """Return the position of `text`, in any case of its letters; None where it is absent, or only inside a word.

        `label_stems` are the stems of labels that a value may have (`limit=5`). `sibling_values` are the other values
        of the call, in small letters: of values written as one word (`acme/web`) each part must be one of them.
        """
        target = " ".join(text.split())
        if not any(map(str.isalnum, target)):
            return self._find_quoted(target)
        # A value may have been written with other blanks, or over two lines.
        pattern = r"\s+".join(map(re.escape, target.split(" ")))
        starts, ends = self._edges(frozenset(label_stems), frozenset(sibling_values))
        for match in re.finditer(pattern, self.text, re.IGNORECASE):
            start, end = match.span()
            is_whole = start in starts and end in ends and self._is_whole(start, end)
            if is_whole and _is_same_spelling(text, self.text[start:end]):
                return Mention(words=self.text[start:end], start=start, end=end)
        return None

    def _find_quoted(self, target: str) -> Mention | None:
        """Return the position of a text without a letter or a figure, which counts only between quotes."""
        for word in self.words:
            if word.is_quoted and word.text == target and target:
                return word.mention
        return None

    def _edges(self, label_stems: frozenset[str], sibling_values: frozenset[str]) -> tuple[set[int], set[int]]:
        """Return the positions where a value may begin, and those where it may end."""
        starts, ends = set(), set()
        for word in self.words:
            starts.add(word.start)
            ends.add(word.end)
            if word.is_quoted:
                continue
            if word.text[0] in _SIGILS:
                starts.add(word.start + 1)
            if possessive := _POSSESSIVE.search(word.text):
                ends.add(word.start + possessive.start())
            if word.end < len(self.text) and self.text[word.end] == ".":
                ends.add(word.end + 1)  # the final dot of a host name
            if (label := _LABEL.match(word.text)) and not label_stems.isdisjoint(map(stem, split_words(label[1]))):
                starts.add(word.start + label.end())
            cuts = [match.start() for match in _PAIR_SEPARATOR.finditer(word.text)]
            if cuts and all(part.lower() in sibling_values for part in _PAIR_SEPARATOR.split(word.text)):
                ends.update(word.start + separator for separator in cuts)
                starts.update(word.start + separator + 1 for separator in cuts)
        return starts, ends

    def _is_whole(self, start: int, end: int) -> bool:
        """Return whether no quoted text is cut, and the text is more than a stopword."""
        for word in self.words:
            if word.is_quoted and word.start < end and start < word.end and not (start <= word.start < word.end <= end):
                return False
            if word.is_quoted and (word.start, word.end) == (start, end):
                return True
        # A list called `all` would otherwise be named by every sentence with that word.
        mentioned = self.text[start:end]
        return not (mentioned.isalpha() and mentioned.lower() in STOPWORDS)


def _is_same_spelling(value: str, words: str) -> bool:
    """Return whether a value has the letters and the blanks of the user's words, where only their case may differ.

    Unicode folds other letters to those of ASCII (the sign of Kelvin to k), and a line break in a value is not a blank.
    """
    letters, user_letters = "".join(value.split()), "".join(words.split())
    gaps, user_gaps = re.findall(r"\s+", value), re.findall(r"\s+", words)
    return (
        len(letters) == len(user_letters)
        and all(
            letter in (user, user.lower(), user.upper()) for letter, user in zip(letters, user_letters, strict=True)
        )
        and len(gaps) == len(user_gaps)
        and all(gap in (" ", user_gap) for gap, user_gap in zip(gaps, user_gaps, strict=True))
    )


def has_other_case(id: str, words: str) -> bool:
    """Return whether an id may be another one than that of the user's words: dQw4 and DqW4.

    Small letters for capitals (abc-1) are the user's, and so is any case without figures, which is a name.
    """
    has_figures = any(map(str.isdigit, id)) and "@" not in id and " " not in id
    return has_figures and id != words and not all(text in (text.lower(), text.upper()) for text in (id, words))


def _split_words(text: str) -> Iterator[SentenceWord]:
    """Yield the quoted texts and the words between them, in order."""
    position = 0
    for match in QUOTED.finditer(text):
        yield from split_unquoted(text, position, match.start())
        group = next(number for number, inner in enumerate(match.groups(), 1) if inner is not None)
        start, end = match.span(group)
        if start < end:
            yield SentenceWord(text=text[start:end], start=start, end=end, is_quoted=True)
        position = match.end()
    yield from split_unquoted(text, position, len(text))


def split_unquoted(text: str, begin: int, stop: int) -> Iterator[SentenceWord]:
    """Yield the texts between blanks from `begin` to before `stop`, without the marks around them."""
    for match in _CHUNK.finditer(text, begin, stop):
        start, end = match.span()
        while start < end and text[start] in _EDGES:
            start += 1
        while end > start and text[end - 1] in _EDGES + ".":
            end -= 1
        if start < end:
            yield SentenceWord(text=text[start:end], start=start, end=end)


_REQUEST = lexicon.pattern("changes/words", "request", re.IGNORECASE)
# Between `should` and a value; a quotation mark does not belong to the value.
_BE_VALUE = lazy_pattern(r"\s+be\s+(?:set to\s+)?[\"'`“‘«]?", re.IGNORECASE)
# `no. 321` is a number, also where a blank stands for each of its figures.
_NUMBER_SIGN = lazy_pattern(r"\bno(?=\.?\s*\d|\.?\s{2,}|\.?\s*$)", re.IGNORECASE)
# Words that a negation is about: not [to archive it].
_NEGATION_REACH = 3
# The number of verbs of an operation that are the first words of its id, its summary and its path.
_FIRST_VERBS = 3
# First words of a sentence whose verb comes later: in store 5, [set] the quantity.
_LEADING_WORDS = lexicon.words("changes/words", "leading_words")
QUANTIFIERS = lexicon.words("english/words", "quantifiers")
"""Words for many, or for any of many."""
QUOTES = "\"'`“”‘’«»"
PARTICLES = lexicon.words("changes/words", "particles")

_ENDS = lexicon.words("reading/words", "last_day_leads")
# The start of a second sentence: of several, the first need not be the request.
SECOND_SENTENCE = lazy_pattern(r"[.!?]\s+\S")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandWord(SentenceWord):
    """A word of a sentence between blanks; `is_used` where it is a part of a value."""

    is_used: bool
    is_name: bool = False
    """whether it is of a text or an id, and so says nothing about the action"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call, its account and its sentence, the input of every check."""

    call: Call
    account: Account
    text: str
    words: tuple[CommandWord, ...]
    destroy: bool = False
    """whether the user has consented to deletions"""

    @property
    def operation(self) -> Operation:
        return self.call.tool.operation

    @cached_property
    def command_words(self) -> tuple[CommandWord, ...]:
        """The words of the sentence without its opening."""
        start = opening_length(self.text)
        return tuple(word for word in self.words if word.start >= start)

    @property
    def first(self) -> CommandWord | None:
        """The first word of the command."""
        return self.command_words[0] if self.command_words else None

    @cached_property
    def deletes(self) -> bool:
        """Whether the operation deletes something, by its effect, its method or its verb."""
        operation = self.operation
        destroys = operation.effect is Effect.DESTROY or operation.method == "DELETE"
        return destroys or not DELETE_VERBS.isdisjoint(leading_verbs(operation, stated=False))

    @cached_property
    def target_arguments(self) -> frozenset[str]:
        """The arguments for the last placeholder of the path."""
        last = self.operation.path.rpartition("{")[2].partition("}")[0]
        return frozenset(name for name, place in self.call.tool.places.items() if place == ("path", last))

    def location(self, source: ValueSource) -> str:
        """Return the location of a source's argument: path, query, header, cookie or body."""
        return self.call.tool.places.get(source.argument.partition(".")[0], ("body", ""))[0]

    def is_command_word(self, source: ValueSource) -> bool:
        """Return whether a source was read from the first word of the command."""
        return self.first is not None and source.start <= self.first.start < source.end

    def is_quoted(self, source: ValueSource) -> bool:
        """Return whether a source's words are in quotes, or begin with one."""
        return self.text[source.start] in QUOTES or self.text[source.start - 1 : source.start] in tuple(QUOTES)

    @cached_property
    def command(self) -> str:
        """The stem of the verb at the start of the sentence; of `new campaign` that of create."""
        words = [word.lower for word in self.command_words]
        verb, _ = parse_command(words)
        if self.opens_with_noun:
            mark = CLAUSE_MARK.search(self.text)
            later = (stem(word.lower) for word in self.command_words if mark is not None and word.start > mark.start())
            return next(filter(is_verb, later), "")
        if verb == "new":
            return stem("create")
        is_command = is_verb(verb) or verb in operation_verbs(self.operation)[:_FIRST_VERBS]
        if not words or (is_command and not self._opens_with_item):
            return verb
        # `campaign 5: pause it` begins with a noun of the operation, so that a later verb is the command.
        if verb in self.operation_stems or words[0] in _LEADING_WORDS:
            later = (stem(word.lower) for word in self.command_words if not word.is_used)
            return next(filter(is_verb, later), "")
        return verb

    @cached_property
    def opens_with_noun(self) -> bool:
        """Whether a noun phrase stands where the command would: shipments of order 5."""
        return bool(self.command_words) and opens_with_noun([word.lower for word in self.command_words])

    @property
    def _opens_with_item(self) -> bool:
        """Whether a noun of the operation, the item and a mark stand before the command: trip 5: ..., list 5, ..."""
        if len(self.command_words) < 3:
            return False
        noun, item, *_ = self.command_words
        is_item = item.is_used and self.operation_stems.issuperset(noun.stems)
        return is_item and self.text[item.end : item.end + 1] in (":", ",")

    @cached_property
    def command_length(self) -> int:
        """The number of words of the command."""
        return parse_command([word.lower for word in self.command_words])[1]

    @cached_property
    def unused_words(self) -> tuple[CommandWord, ...]:
        """The words of no value, without the command."""
        following = self.command_words[self.command_length :]
        if following and following[0].lower in PARTICLES and not following[0].is_used:
            following = following[1:]
        unused = [word for word in following if not word.is_used]
        verb, length = parse_command([word.lower for word in self.command_words])
        if length == 1 and verb != stem(self.command_words[0].lower):
            # turn email [off]
            particle = next((word for word in unused if word.lower in _VERB_PARTICLES), None)
            unused = [word for word in unused if word is not particle]
        return tuple(unused)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all words, with their synonyms; names, ids and quoted texts are left out."""
        quoted = [(match.start(), match.end()) for match in QUOTED.finditer(self.text)]
        unquoted = [
            word
            for word in self.words
            if not word.is_name and not any(start <= word.start < end for start, end in quoted)
        ]
        stems = set[str]().union(*(word.stems for word in unquoted))
        words = [word.lower for word in unquoted]
        # `work queue` for /workqueues.
        stems |= {stem(first_part + second_part) for first_part, second_part in pairwise(words)}
        return frozenset(stems.union(*(SYNONYMS.get(first_part, frozenset()) for first_part in stems)))

    @cached_property
    def operation_stems(self) -> frozenset[str]:
        """The stems of the words in the names of the operation and its arguments."""
        operation = self.operation
        names = [operation.id, summary_of(operation), *operation.tags, operation.path]
        words = {word for name in names for word in split_words(name)}
        for name in (entry.argument for entry in self.account.sources):
            words.update(name_words(name), target_noun(operation, self.call.tool.places.get(name, ("body", name))))
        stems = {stem(form) for word in words for form in (word, word.removeprefix("un"))}
        return frozenset(stems.union(*(SPELLINGS.get(entry, frozenset()) for entry in stems)))

    @cached_property
    def reason(self) -> Reason | None:
        """The reason that the sentence gives, for which the call is made or not."""
        return _reason_of(self.text)

    @cached_property
    def value_changes(self) -> tuple[ValueChange, ...]:
        """The old and new values of an update; what leaves one account for another has both in its call."""
        return tuple(find_value_changes(self.text)) if self.operation.method in UPDATE_METHODS else ()

    @cached_property
    def text_without_values(self) -> str:
        """The text with blanks in the place of values and quoted texts."""
        text = self.text
        spans = [(match.start(), match.end()) for match in QUOTED.finditer(text)]
        if (reason := self.reason) is not None:
            spans.append((reason.lead, reason.end))
        spans += [(source.start, source.end) for source in self.account.sources if 0 <= source.start < source.end]
        for start, end in spans:
            text = text[:start] + " " * (end - start) + text[end:]
        return text


def build_case(call: Call, account: Account, question: str, *, destroy: bool = False) -> Case:
    """Return the case of a call, with the words of its sentence."""
    text = account.sentence or question
    sources = [source for source in account.sources if 0 <= source.start < source.end]
    words = []
    reason = _reason_of(text)
    for word in split_unquoted(text, 0, len(text)):
        if any(map(str.isalnum, word.text)):
            word_sources = [source for source in sources if source.start < word.end and word.start < source.end]
            if not word_sources and reason is not None and reason.holds(word.start, word.end):
                continue
            # Of the words for an item those that are not in its value are its kind: the taste experiment. No word that
            # describes the item of an answer is its name.
            is_name = any(
                isinstance(source.value, str)
                and source.origin is not Origin.ANSWER
                and not has_closed_values(call, source.argument)
                and (source.origin is not Origin.WORDS or word.text.lower() in source.value.lower())
                for source in word_sources
            )
            words.append(
                CommandWord(text=word.text, start=word.start, end=word.end, is_used=bool(word_sources), is_name=is_name)
            )
    return Case(call=call, account=account, text=text, words=tuple(words), destroy=destroy)


def _reason_of(text: str) -> Reason | None:
    return find_reason(QUOTED.sub(lambda match: "_" * len(match.group()), text))


def check_is_command(case: Case) -> Iterator[str]:
    """Yield a reason against a question, a wish or a rule for the future."""
    text = case.text_without_values
    if QUESTION.search(text) and not _REQUEST.match(text):
        yield "the sentence asks, and commands nothing"
        return
    wishes = (cue for cue in find_moods(text) if not (_is_specification(case, cue) or _states_value(case, cue)))
    if wish := next((cue for cue in wishes if not _is_of_field(case, cue)), None):
        yield f"the sentence says {wish.words.lower()!r}, which is not a command to do it now"


def _is_specification(case: Case, wish: Mention) -> bool:
    """Return whether a sentence behind the command says a value that is sent: The title should be "Kick-off"."""
    be = _BE_VALUE.match(case.text, wish.end)
    is_later = SECOND_SENTENCE.search(case.text[: wish.start]) is not None
    return be is not None and is_later and any(source.start == be.end() for source in case.account.sources)


def _is_of_field(case: Case, cue: Mention) -> bool:
    """Return whether a word is one of the whole name of a field that is sent: set [always] valid to false."""
    names = (split_words(source.argument.rpartition(".")[2]) for source in case.account.sources)
    stems = [set(map(stem, name)) for name in names if len(name) > 1]
    return any(stem(cue.words.lower()) in name and name <= case.stems for name in stems)


def _states_value(case: Case, wish: Mention) -> bool:
    """Return whether a later clause states a value that is sent: cancel it, it was [requested by the customer]."""
    is_later = "," in case.text[: wish.start] or SECOND_SENTENCE.search(case.text[: wish.start]) is not None
    is_past = wish.words.lower() in _PAST
    return is_past and is_later and any(source.start == wish.end + 1 for source in case.account.sources)


def check_negation(case: Case) -> Iterator[str]:
    """Yield the negation in a sentence, unless a flag right behind it is false: no [autoplay]."""
    text = _NUMBER_SIGN.sub(lambda match: " " * len(match.group()), case.text_without_values)
    for cue in find_scopes(text, NEGATIONS):
        if case.first is not None and cue.start == case.first.start and case.command in leading_verbs(case.operation):
            continue  # undoing is the operation's job
        next_words = [word for word in case.words if word.start >= cue.end][:_NEGATION_REACH]
        reach = next_words[-1].end if next_words else cue.end
        false_values = (source for source in case.account.sources if source.value is False or source.value is None)
        if not any(cue.end <= source.start < reach for source in false_values):
            yield f"the sentence rules something out ({cue.words.lower()!r})"
            return
    for cue in find_scopes(text, (ScopeKind.STOPS,)):
        verb, deed = (stem(word.lower()) for word in cue.words.split())
        # To stop following somebody is what a DELETE of that does; to stop deleting is what none does.
        done = leading_verbs(case.operation)
        if verb not in done and (deed in VERBS or deed in done):
            yield f"the sentence forbids the call's action ({cue.words.lower()!r})"


def check_condition(case: Case) -> Iterator[str]:
    """Yield the condition in a sentence that no argument expresses."""
    cues = (cue for cue in find_scopes(case.text_without_values, CONDITIONS) if not leads_value(case, cue))
    if cue := next((cue for cue in cues if not _is_of_field(case, cue)), None):
        yield f"the sentence makes a condition ({cue.words.lower()!r}) that the call does not express"


def leads_value(case: Case, cue: Mention) -> bool:
    """Return whether the word for an end stands before a day that the call requires, or that its argument is named
    after: extend it [until] 14 December.
    """
    behind = next((entry for entry in case.account.sources if cue.end < entry.start <= cue.end + len(" the ")), None)
    if cue.words.lower() not in _ENDS or behind is None or case.location(behind) == "path":
        return False
    return behind.argument in case.call.tool.required or cue.words.lower() in split_words(behind.argument)


def check_quantity(case: Case) -> Iterator[str]:
    """Yield the word for many in a sentence that no argument expresses; it is not a name: revoke [everyone]'s token."""
    for word in case.words:
        # What an answer has is a reason by itself: all active campaigns, each with its id from their list.
        sources = [source for source in case.account.sources if source.origin is not Origin.ANSWER]
        if word.lower in QUANTIFIERS and (not word.is_used or any(_is_led_by(case, word, *sources))):
            yield f"the sentence says {word.text!r}, and how many that are is not known"
            return


def _is_led_by(case: Case, word: CommandWord, *sources: ValueSource) -> Iterator[bool]:
    """Yield for each source whether it is an unquoted text that begins with a word, of which no title is made."""
    for source in sources:
        is_text = isinstance(source.value, str) and not has_closed_values(case.call, source.argument)
        is_lone = word.end >= source.end or word.text.islower()
        yield (
            is_text and is_lone and source.start == word.start and case.text[word.start - 1 : word.start] not in QUOTES
        )


SENTENCE_CHECKS = (check_is_command, check_negation, check_condition, check_quantity)
"""Checks whose words are about all clauses, at any position: `pause A and delete B, but not yet`."""


def description_of(call: Call, argument: str) -> str:
    """Return the name and the description of an argument, dotted where it is inside of one."""
    schema = schema_of(call, argument)
    return f"{argument} {schema.get('description', '')} {schema.get('title', '')}"


def has_closed_values(call: Call, argument: str) -> bool:
    """Return whether an argument, or each item of it, is one of a closed set."""
    schema = schema_of(call, argument)
    item = schema.get("items")
    return any(isinstance(part, Mapping) and "enum" in part for part in (schema, item))


def schema_of(call: Call, argument: str) -> Mapping[str, Any]:
    """Return the schema of an argument, dotted where it is inside of one, or {}."""
    return argument_schema(call.tool, *argument.split("."))


def is_value_in_command(case: Case) -> bool:
    """Return whether a value was read from the command itself: pause -> `status: PAUSED`."""
    is_first_used = case.first is not None and case.first.is_used
    return is_first_used or any(source.origin is Origin.VERB for source in case.account.sources)


def shorten(value: object) -> str:
    """Return a value in the form of a reason, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# It is not a question whether it should be: what should the price be, and which should be.
_NO_WISH = lazy_pattern(r"(?:\bwhich|\bthat|\bit|\bone) $|^ (?:i|we)\b", re.IGNORECASE)
_NO_MORE = lazy_pattern(r"\b(?:is|are) no \w+ any ?more\b", re.IGNORECASE)
_QUESTION = lazy_pattern(r"\?\s*$")
_READING_KINDS = lexicon.words("changes/words", "reading_kinds")
# Verbs of changes that people also use for reads: open the invoice, call up, log, rate.
_ALSO_READS = lexicon.stems("changes/words", "also_reads")
# First words of sentences that ask for information.
INFORMATION_WORDS = lexicon.words("changes/words", "information_words")
_VERB_PARTICLES = PARTICLES | {"on"}
_AFTER_NOUNS = lexicon.words("changes/words", "after_nouns")
_WORD = lazy_pattern(r"\"[^\"]*\"|'[^']*'|\S+")
# Words of a kind between a verb and an id: close [merge request] 7.
_MAX_KIND_WORDS = 3


def find_change_command(question: str, read: Operation, is_api_noun: Callable[[str], bool]) -> str:
    """Return the words by which a sentence commands a change that `read` is not; "" where it may ask for a read.

    `is_api_noun` tells of a stem whether it names an item of the API: `order status 5` asks for a status.
    """
    text = question.strip()
    body = text[opening_length(text) :]
    if _QUESTION.search(text) or SECOND_SENTENCE.search(text) or QUESTION.search(text[: len(text) - len(body) + 20]):
        return ""
    if wish := _wished(QUOTED.sub("_", body)):
        return wish if not _is_question(body) else ""
    words = [match.group().strip(",;:!.") for match in _WORD.finditer(body)]
    if len(words) < 2:
        return ""
    verb, length = parse_command([word.lower() for word in words])
    first = words[0].lower()
    if verb in _ALSO_READS or VERBS.get(verb) is Intent.READ or ACTION_KINDS.get(verb) in _READING_KINDS:
        return ""
    if not is_verb(verb) and not _may_be_verb(first, words[length:], is_api_noun):
        return ""
    # A plural or a participle is a noun phrase: `orders of ada`, `archived projects`.
    if singular(first) != first or first.endswith(("ed", "ing")) or verb in _read_verbs(read):
        return ""
    # disable [comments] on track 5
    objects = {stem(singular(word.lower())) for word in words[length : length + 1]} if is_verb(verb) else set()
    is_noun = is_api_noun(stem(first))
    has_object = _has_object(words[length:], is_noun) or (not is_noun and any(map(is_api_noun, objects)))
    return " ".join(words[:length]).lower() if has_object else ""


def _wished(text: str) -> str:
    """Return the words by which a sentence wishes something or wants it from now on; "" without any."""
    for cue in find_moods(text, (Mood.WISH, Mood.HABIT)):
        if not (_NO_WISH.search(text[: cue.start]) or _NO_WISH.match(text, cue.end)):
            return cue.words.lower()
    more = _NO_MORE.search(text)
    return more.group().lower() if more is not None else ""


def _is_question(text: str) -> bool:
    first = next(iter(split_words(text[:40])), "")
    return VERBS.get(stem(first)) is Intent.READ or first in INFORMATION_WORDS


def _may_be_verb(first: str, following: list[str], is_api_noun: Callable[[str], bool]) -> bool:
    """Return whether an unknown word may be a verb: mirror [all] traffic, cordon [the] node, boost status [5].

    It is neither a noun of the API nor a verb of reading, and is before its object.
    """
    if (
        not first.isalpha()
        or is_api_noun(stem(first))
        or first in INFORMATION_WORDS
        or first in STOPWORDS
        or stem(first) in ACTION_KINDS
    ):
        return False
    if not following or following[0].lower() in _AFTER_NOUNS:
        return False
    return following[0].lower() in DETERMINERS or (
        len(following) > 1 and is_api_noun(stem(following[0].lower())) and _is_value(following[1])
    )


def _read_verbs(read: Operation) -> tuple[str, ...]:
    """Return the verbs of a read that are not plural nouns: `export` of /reports/export, not `comments`."""
    words = {stem(word) for name in (read.id, read.summary) for word in split_words(name)[:1] if singular(word) == word}
    words.update(map(stem, stated_verbs(read.extensions)))
    tail = [word for word in split_words(read.path.rstrip("/").rpartition("/")[2]) if not word.endswith("ed")]
    return (*words, *(stem(word) for word in tail if singular(word) == word and "{" not in read.path[-1:]))


def _has_object(words: list[str], is_noun: bool) -> bool:
    """Return whether the words behind a verb are its object: the server, server 5, "please review"."""
    while words and words[0].lower() in _VERB_PARTICLES:
        words = words[1:]
    if not words:
        return False
    if words[0].lower() in DETERMINERS or _is_value(words[0]):
        return True
    if words[0].lower() == "to" and len(words) > 1:
        return _has_object(words[1:], is_noun=False)
    if words[0].lower() in _AFTER_NOUNS or is_noun:
        return False
    for word in words[: _MAX_KIND_WORDS + 1]:
        if word.lower() in _AFTER_NOUNS:
            return False
        if _is_value(word):
            return True
    return False


def _is_value(word: str) -> bool:
    return word[:1] in "\"'#@" or any(map(str.isdigit, word)) or "@" in word or "_" in word
