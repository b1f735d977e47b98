"""Splits the sentence of a change into words, and checks that it is a command without unused words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from nlapi.changes.lexicon import TAKING_AWAY, command_of, is_verb, leading_verbs, operation_verbs
from nlapi.changes.mentions import QUOTED, plain_words
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import pieces, stem
from nlapi.tools.account import Account, Origin, Source
from nlapi.tools.synonyms import SAME, SYNONYMS
from nlapi.tools.tool import Call
from nlapi.tools.walk import schema_at

# Words of politeness before a command. `will you please` and `I need you to` command as much as the verb alone.
_OPENING = re.compile(
    r"^\W*(?:(?:please|pls|plz|kindly|hey|hi|hello|ok|okay|so|now|then|and|also|only|just|go ahead and|quickly"
    r"|(?:can|could|would|will) you(?: please)?|(?:permanent|immediate|kind|quick|simp)ly"
    r"|i\s?(?:want|need|wish|would like|['’]d like)(?: you)?(?: to)?|let['’]?s|let me|help me(?: to)?"
    r"|we (?:want|need) to"
    r")\b\W*)*",
    re.IGNORECASE,
)
# A question: its first word, or `should I` and `what if` anywhere. `Can you ...` is a command.
ASKING = re.compile(
    r"^\W*(?:(?:can|could|would|will)\s+(?!you\b)|(?:should|shall|may|might|must|is|are|am|was|were|do|does|did|has|have"
    r"|what|which|who|whose|where|when|why|how)\b)|\b(?:should|may|can|could|must) (?:i|we)\b|\bwhether\b"
    r"|\bwhat (?:happens|if)\b",
    re.IGNORECASE,
)
_WISHING = re.compile(
    r"\b(?:should|ought to|always|whenever|from now on|every time|each time|in (?:the )?future"
    r"|would be (?:nice|good|great)"
    r"|i wish|used to|might|maybe|perhaps|was|were|been)\b",
    re.IGNORECASE,
)
_DENYING = re.compile(
    r"\b(?:not|never|cannot|dont|no|none|nothing|nobody|without|avoid|instead of|rather than|other than|except\w*"
    r"|apart from|but|excluding|undo|\w+n['’]t)\b",
    re.IGNORECASE,
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# Words about a day that an argument takes: the due [date].
_OF_DAYS = frozenset("date day time".split())
_PERIODS = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly", "year": "yearly"}
# `no. 321` is a number, also where a blank stands for each of its figures.
_NUMBERED = re.compile(r"\bno(?=\.?\s*\d|\.?\s{2,}|\.?\s*$)", re.IGNORECASE)
# Words that a negation is about: not [to archive it].
_REACH = 3
_CONDITION = re.compile(
    r"\b(?:if|unless|until|when|whenever|while|once|only|as soon as|as long as|in case|provided|older than|newer than"
    r"|more than|less than|that (?:are|is|have|has)|which (?:are|is|have|has)|whose)\b",
    re.IGNORECASE,
)
# The number of verbs of an operation that are the first words of its id, its summary and its path.
_FIRST = 3
# First words of a sentence whose verb comes later: in store 5, [set] the quantity.
_LEADING = frozenset("in for on with at to from of as a an the my our".split())
_EVERY = frozenset("all every everything everyone everybody each both any several rest others other entire".split())
# Words that change nothing in the meaning of a command.
_FILLER = frozenset(
    """
        a an the my our your this that these those of to for in on at from with by as and is be are it its called named
        titled name id ids number no value equal equals so then new can could would will you i we me us
        thanks thank hey hi hello ok okay right away immediately asap now please just
        into onto via using use under per have has his her their there here pls plz kindly type kind permanently
    """.split()
)
# Words that belong to the verb right before them: shut [down] the server.
_PARTICLES = frozenset("up out down off over away back".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of a sentence between blanks, without the marks around it; `is_used` where it is a part of a value."""

    text: str
    start: int
    end: int
    covered: bool
    is_name: bool = False
    """whether it is of a text or an id, and so says nothing about the action"""

    @property
    def lower(self) -> str:
        return self.text.lower().removesuffix("'s").removesuffix("’s")

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(map(stem, pieces(self.lower)))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call, its account and its sentence, the input of every check."""

    call: Call
    account: Account
    text: str
    words: tuple[Word, ...]
    destroy: bool = False
    """whether the user has consented to deletions"""

    @property
    def operation(self) -> Operation:
        return self.call.tool.operation

    @cached_property
    def begun(self) -> tuple[Word, ...]:
        """The words of the sentence without its opening."""
        start = opening(self.text)
        return tuple(word for word in self.words if word.start >= start)

    @property
    def first(self) -> Word | None:
        """The first word of the command."""
        return self.begun[0] if self.begun else None

    @cached_property
    def takes_away(self) -> bool:
        """Whether the operation deletes something, by its effect, its method or its verb."""
        operation = self.operation
        destroys = operation.effect is Effect.DESTROY or operation.method == "DELETE"
        return destroys or not TAKING_AWAY.isdisjoint(leading_verbs(operation))

    def place(self, source: Source) -> str:
        """Return the location of a source's argument: path, query, header, cookie or body."""
        return self.call.tool.places.get(source.argument.partition(".")[0], ("body", ""))[0]

    def is_first(self, source: Source) -> bool:
        """Return whether a source was read from the first word of the command."""
        return self.first is not None and source.start <= self.first.start < source.end

    @cached_property
    def command(self) -> str:
        """The stem of the verb at the start of the sentence; of `new campaign` that of create."""
        words = [word.lower for word in self.begun]
        verb, _ = command_of(words)
        if verb == "new":
            return stem("create")
        if not words or is_verb(verb) or verb in operation_verbs(self.operation)[:_FIRST]:
            return verb
        # `campaign 5: pause it` begins with a noun of the operation, so that a later verb is the command.
        if verb in self.own_words or words[0] in _LEADING:
            later = (stem(word.lower) for word in self.begun if not word.covered)
            return next(filter(is_verb, later), "")
        return verb

    @cached_property
    def command_length(self) -> int:
        """The number of words of the command."""
        return command_of([word.lower for word in self.begun])[1]

    @cached_property
    def free(self) -> tuple[Word, ...]:
        """The words of no value, without the command."""
        rest = self.begun[self.command_length :]
        if rest and rest[0].lower in _PARTICLES and not rest[0].covered:
            rest = rest[1:]
        return tuple(word for word in rest if not word.covered)

    @cached_property
    def said(self) -> frozenset[str]:
        """The stems of all words, with their synonyms; names, ids and quoted texts are left out."""
        quoted = [(match.start(), match.end()) for match in QUOTED.finditer(self.text)]
        no_names = [word for word in self.words if not word.is_name]
        plain = [word for word in no_names if not any(start <= word.start < end for start, end in quoted)]
        stems = {one for word in plain for one in word.stems}
        words = [word.lower for word in plain]
        # `work queue` for /workqueues.
        stems |= {stem(one + other) for one, other in pairwise(words)}
        return frozenset(stems.union(*(SYNONYMS.get(one, frozenset()) for one in stems)))

    @cached_property
    def own_words(self) -> frozenset[str]:
        """The stems of the words in the names of the operation and its arguments."""
        operation = self.operation
        names = [operation.id, operation.summary, *operation.tags, operation.path]
        names += [one.argument for one in self.account.sources]
        stems = {stem(word) for name in names for word in pieces(name)}
        return frozenset(stems.union(*(SAME.get(one, frozenset()) for one in stems)))

    @cached_property
    def bare(self) -> str:
        """The text with blanks in the place of values and quoted texts."""
        text = self.text
        spans = [(match.start(), match.end()) for match in QUOTED.finditer(text)]
        spans += [(one.start, one.end) for one in self.account.sources if 0 <= one.start < one.end]
        for start, end in spans:
            text = text[:start] + " " * (end - start) + text[end:]
        return text


def opening(text: str) -> int:
    """Return the number of characters of politeness and wishing at the start of a sentence."""
    skipped = _OPENING.match(text)
    return skipped.end() if skipped else 0


def case_of(call: Call, account: Account, question: str, *, destroy: bool = False) -> Case:
    """Return the case of a call, with the words of its sentence."""
    text = account.sentence or question
    placed = [one for one in account.sources if 0 <= one.start < one.end]
    words = []
    for word in plain_words(text, 0, len(text)):
        if any(map(str.isalnum, word.text)):
            of = [one for one in placed if one.start < word.end and word.start < one.end]
            name = any(isinstance(one.value, str) and not takes_choice(call, one.argument) for one in of)
            words.append(Word(text=word.text, start=word.start, end=word.end, covered=bool(of), is_name=name))
    return Case(call=call, account=account, text=text, words=tuple(words), destroy=destroy)


def not_a_command(case: Case) -> Iterator[str]:
    """Yield a reason against a question, a wish or a rule for the future."""
    bare = case.bare
    if ASKING.search(bare) and not re.match(r"^\W*(?:can|could|would|will)\s+you\b", bare, re.IGNORECASE):
        yield "the sentence asks, and commands nothing"
    elif match := _WISHING.search(bare):
        yield f"the sentence says {match.group().lower()!r}, which is no command to do it now"


def denied(case: Case) -> Iterator[str]:
    """Yield the negation in a sentence, unless a flag right behind it is false: no [autoplay]."""
    bare = _NUMBERED.sub(lambda match: " " * len(match.group()), case.bare)
    for match in _DENYING.finditer(bare):
        behind = [word for word in case.words if word.start >= match.end()][:_REACH]
        reach = behind[-1].end if behind else match.end()
        denials = (one for one in case.account.sources if one.value is False or one.value is None)
        if not any(match.end() <= one.start < reach for one in denials):
            yield f"the sentence rules something out ({match.group().lower()!r})"
            return


def conditional(case: Case) -> Iterator[str]:
    """Yield the condition or quantity in a sentence that no argument expresses."""
    if match := _CONDITION.search(case.bare):
        yield f"the sentence makes a condition ({match.group().lower()!r}) that the call does not express"
    else:
        every = next((word for word in case.words if word.lower in _EVERY and not word.covered), None)
        if every is not None:
            yield f"the sentence says {every.text!r}, and how many that are is not known"


def unaccounted(case: Case) -> Iterator[str]:
    """Yield words that are in no value and in no name of the operation."""
    explained = case.own_words | _FILLER | (_OF_DAYS if _has_day(case) else frozenset())
    unexplained = [word.text for word in case.free if not _accounts_for(case, word, explained)]
    if unexplained:
        yield f"not used: {', '.join(unexplained)}"


def _is_period(case: Case, word: Word) -> bool:
    """Return whether a word is a period that an argument or its value has too: $50 a [day] as a daily budget."""
    often = _PERIODS.get(word.lower)
    if often is None:
        return False
    values = {piece for one in case.account.sources if isinstance(one.value, str) for piece in pieces(one.value)}
    return often in values or stem(often) in case.own_words


def _has_day(case: Case) -> bool:
    return any(isinstance(one.value, str) and _DAY.match(one.value) for one in case.account.sources)


def _accounts_for(case: Case, word: Word, known: frozenset[str]) -> bool:
    """Return whether a word has no meaning, is a word of the operation, or is the unit of the argument before it."""
    stems = word.stems
    if word.lower in known or not stems or _is_period(case, word):
        return True
    if all(one in known or not SYNONYMS.get(one, frozenset()).isdisjoint(known) for one in stems):
        return True
    behind = next((one for one in case.account.sources if 0 < one.end <= word.start <= one.end + 1), None)
    if behind is None or not isinstance(behind.value, int | float):
        return False
    return not set(stems).isdisjoint(map(stem, pieces(description_of(case.call, behind.argument))))


def description_of(call: Call, argument: str) -> str:
    """Return the name and the description of an argument, dotted where it is inside of one."""
    schema = schema_of(call, argument)
    return f"{argument} {schema.get('description', '')} {schema.get('title', '')}"


def takes_choice(call: Call, argument: str) -> bool:
    """Return whether an argument, or each item of it, is one of a closed set."""
    schema = schema_of(call, argument)
    item = schema.get("items")
    return any(isinstance(part, Mapping) and "enum" in part for part in (schema, item))


def schema_of(call: Call, argument: str) -> Mapping[str, Any]:
    """Return the schema of an argument, dotted where it is inside of one; {} where there is none."""
    return schema_at(call.tool, *argument.split("."))


def unused(case: Case) -> Iterator[str]:
    """Yield the words that the planner reports as unused."""
    if case.account.unused:
        yield f"not used: {', '.join(case.account.unused)}"


def said_by_verb(case: Case) -> bool:
    """Return whether a value was read from the command itself: pause -> `status: PAUSED`."""
    covered = case.first is not None and case.first.covered
    return covered or any(one.origin is Origin.VERB for one in case.account.sources)


def short(value: object) -> str:
    """Return a value in the form of a reason, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
