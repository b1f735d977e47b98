"""The sentence of a change, word by word: that it commands one, and that no word of it is left over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from nlapi.changes.lexicon import command_of, is_verb, operation_verbs
from nlapi.openapi.spec import Operation
from nlapi.resources.naming import pieces, stem
from nlapi.tools.account import Account, Origin
from nlapi.tools.synonyms import SAME, SYNONYMS
from nlapi.tools.tool import Call

_CHUNK = re.compile(r"\S+")
_EDGES = "\"'`“”‘’«»()[]{}<>,;:!?"
QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|`[^`]*`|(?<!\w)['‘][^'’]*['’](?!\w)")
OPENING = re.compile(
    r"^\W*(?:(?:please|pls|plz|kindly|hey|hi|hello|ok|okay|so|now|then|and|also|only|just|go ahead and|quickly"
    r"|(?:can|could|would|will) you(?: please)?|(?:permanent|immediate|kind|graceful|quick|simp)ly"
    r"|i\s?(?:want|need|wish|would like|['’]d like)(?: you)?(?: to)?|let['’]?s|let me|help me(?: to)?"
    r"|we (?:want|need) to"
    r")\b\W*)*",
    re.IGNORECASE,
)
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
_OF_DAYS = frozenset("date day time".split())
"""What is said of a day that an argument takes: the due [date]."""
_PERIODS = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly", "year": "yearly"}
_NUMBERED = re.compile(r"\bno(?=\.?\s*(?:\d|$|\s))", re.IGNORECASE)
"""`no. 321` is a number."""
_CONDITION = re.compile(
    r"\b(?:if|unless|until|when|whenever|while|once|only|as soon as|as long as|in case|provided|older than|newer than"
    r"|more than|less than|that (?:are|is|have|has)|which (?:are|is|have|has)|whose)\b",
    re.IGNORECASE,
)
_DEEPEST = 4
"""How many references and combinations are followed to the schema of an argument."""
_FIRST = 3
"""How many of the verbs of an operation are the first words of its id, its summary and its path."""
_LEADING = frozenset("in for on with at to from of as a an the my our".split())
"""What a sentence begins with whose verb comes later: in store 5, [set] the quantity."""
_EVERY = frozenset("all every everything everyone everybody each both any several rest others other entire".split())
_FILLER = frozenset(
    """
        a an the my our your this that these those of to for in on at from with by as and is be are it its called named
        titled name id ids number value equal equals so then new can could would will you i we want need like me us
        thanks thank hey hi hello ok okay go ahead right away immediately asap now please just set up down out off over
        into onto via using use under per up let have has one his her their there here pls plz kindly type kind
        permanently immediately temporarily no number
    """.split()
)
"""Words that change nothing of what a command means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of a sentence between blanks, without the marks around it; `covered` where it was used for a value."""

    text: str
    start: int
    end: int
    covered: bool

    @property
    def lower(self) -> str:
        return self.text.lower().removesuffix("'s").removesuffix("’s")

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(map(stem, pieces(self.lower)))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call, its account and its sentence, as every check sees them."""

    call: Call
    account: Account
    text: str
    words: tuple[Word, ...]

    @property
    def operation(self) -> Operation:
        return self.call.tool.operation

    @cached_property
    def opening(self) -> int:
        found = OPENING.match(self.text)
        return found.end() if found else 0

    @cached_property
    def command(self) -> str:
        """The stem of the verb that the sentence begins with; of `new campaign` that of create."""
        said = [word.lower for word in self.words if word.start >= self.opening]
        verb, _ = command_of(said)
        if verb == "new":
            return stem("create")
        if not said or is_verb(verb) or verb in operation_verbs(self.operation)[:_FIRST]:
            return verb
        if verb in self.own_words or said[0] in _LEADING:
            begun = (stem(word.lower) for word in self.words if word.start >= self.opening and not word.covered)
            return next(filter(is_verb, begun), "")
        return verb

    @cached_property
    def command_length(self) -> int:
        """How many words say the command."""
        return command_of([word.lower for word in self.words if word.start >= self.opening])[1]

    @cached_property
    def free(self) -> tuple[Word, ...]:
        """The words that were used for no value, without the command."""
        begun = [word for word in self.words if word.start >= self.opening]
        command = set(begun[: self.command_length])
        return tuple(word for word in begun if not word.covered and word not in command)

    @cached_property
    def said(self) -> frozenset[str]:
        """The stems of all words, and what else they may be called; of quoted texts none."""
        quoted = [(match.start(), match.end()) for match in QUOTED.finditer(self.text)]
        plain = [word for word in self.words if not any(start <= word.start < end for start, end in quoted)]
        stems = {one for word in plain for one in word.stems}
        words = [word.lower for word in plain]
        stems |= {stem(one + other) for one, other in pairwise(words)}
        return frozenset(stems.union(*(SYNONYMS.get(one, frozenset()) for one in stems)))

    @cached_property
    def own_words(self) -> frozenset[str]:
        """The stems of the words that the operation and its arguments are called by."""
        operation = self.operation
        names = [operation.id, operation.summary, *operation.tags, operation.path]
        names += [one.argument for one in self.account.sources]
        stems = {stem(word) for name in names for word in pieces(name)}
        return frozenset(stems.union(*(SAME.get(one, frozenset()) for one in stems)))

    @cached_property
    def bare(self) -> str:
        """The text with blanks where values and quoted texts stand."""
        text = self.text
        spans = [(match.start(), match.end()) for match in QUOTED.finditer(text)]
        spans += [(one.start, one.end) for one in self.account.sources if 0 <= one.start < one.end]
        for start, end in spans:
            text = text[:start] + " " * (end - start) + text[end:]
        return text


def case_of(call: Call, account: Account, question: str) -> Case:
    """Return the case of a call, with the sentence taken apart."""
    text = account.sentence or question
    spans = [(one.start, one.end) for one in account.sources if 0 <= one.start < one.end]
    words = []
    for match in _CHUNK.finditer(text):
        start, end = match.start(), match.end()
        while start < end and text[start] in _EDGES:
            start += 1
        while end > start and text[end - 1] in _EDGES + ".":
            end -= 1
        if start < end and any(map(str.isalnum, text[start:end])):
            covered = any(first < end and start < last for first, last in spans)
            words.append(Word(text=text[start:end], start=start, end=end, covered=covered))
    return Case(call=call, account=account, text=text, words=tuple(words))


def not_a_command(case: Case) -> Iterator[str]:
    """A question, a wish or a rule for the future commands nothing now."""
    bare = case.bare
    if ASKING.search(bare) and not re.match(r"^\W*(?:can|could|would|will)\s+you\b", bare, re.IGNORECASE):
        yield "the sentence asks, and commands nothing"
    elif found := _WISHING.search(bare):
        yield f"the sentence says {found.group().lower()!r}, which is no command to do it now"


def denied(case: Case) -> Iterator[str]:
    """What the sentence rules out."""
    if found := _DENYING.search(_NUMBERED.sub("   ", case.bare)):
        told = any(one.value is False or one.value is None for one in case.account.sources)
        if not told:
            yield f"the sentence rules something out ({found.group().lower()!r})"


def conditional(case: Case) -> Iterator[str]:
    """What is said of when, or of which, and no argument says."""
    if found := _CONDITION.search(case.bare):
        yield f"the sentence makes a condition ({found.group().lower()!r}) that the call does not express"
    else:
        every = next((word for word in case.words if word.lower in _EVERY and not word.covered), None)
        if every is not None:
            yield f"the sentence says {every.text!r}, and how many that are is not known"


def unaccounted(case: Case) -> Iterator[str]:
    """Words that are in no value and that the operation is not called by."""
    known = case.own_words | _FILLER | (_OF_DAYS if _has_day(case) else frozenset())
    left = [word.text for word in case.free if not _accounts_for(case, word, known)]
    if left:
        yield f"not used: {', '.join(left)}"


def _is_period(case: Case, word: Word) -> bool:
    """Whether a word says how often, and so does an argument or its value: $50 a [day] as a daily budget."""
    often = _PERIODS.get(word.lower)
    if often is None:
        return False
    values = {piece for one in case.account.sources if isinstance(one.value, str) for piece in pieces(one.value)}
    return often in values or stem(often) in case.own_words


def _has_day(case: Case) -> bool:
    return any(isinstance(one.value, str) and _DAY.match(one.value) for one in case.account.sources)


def _accounts_for(case: Case, word: Word, known: frozenset[str]) -> bool:
    """Whether a word says nothing, or is one of the operation's, or the unit that an argument says it takes."""
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
    """The name and the description of an argument, dotted where it is inside of one."""
    schema = schema_of(call, argument)
    return f"{argument} {schema.get('description', '')} {schema.get('title', '')}"


def takes_choice(call: Call, argument: str) -> bool:
    """Whether an argument, or each item of it, is one of a closed set."""
    schema = schema_of(call, argument)
    item = schema.get("items")
    return any(isinstance(part, Mapping) and "enum" in part for part in (schema, item))


def schema_of(call: Call, argument: str) -> Mapping[str, Any]:
    """The schema of an argument, dotted where it is inside of one, {} where there is none; of "" that of all."""
    root = call.tool.input_schema
    level: Mapping[str, Any] = root
    for name in argument.split(".") if argument else ():
        level = next(
            (part["properties"][name] for part in _parts(level, root) if name in part.get("properties", {})), {}
        )
    whole: dict[str, Any] = {}
    for part in _parts(level, root):
        properties = {**whole.get("properties", {}), **part.get("properties", {})}
        whole = {**part, **whole, **({"properties": properties} if properties else {})}
    return whole


def _parts(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """A schema and those that it is put together of, what it refers to in place of the references."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = root
        for step in reference[2:].split("/"):
            target = target.get(step, {}) if isinstance(target, Mapping) else {}
        yield from _parts(target, root, depth + 1)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            yield from _parts(part, root, depth + 1)


def unused(case: Case) -> Iterator[str]:
    """What the planner itself says that it used for nothing."""
    if case.account.unused:
        yield f"not used: {', '.join(case.account.unused)}"


def said_by_verb(case: Case) -> bool:
    """Whether the command is itself what a value was read from: pause -> `status: PAUSED`."""
    begun = next((word for word in case.words if word.start >= case.opening), None)
    return any(one.origin is Origin.VERB for one in case.account.sources) or (begun is not None and begun.covered)
