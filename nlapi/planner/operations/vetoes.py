"""Keeps a change from being planned when a sentence forbids it, excepts from it, asks about it or means several."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from nlapi.changes.sentences import opening_length
from nlapi.planner.language.commands import commands, own_verbs
from nlapi.planner.language.text import LOOSE, Kind, Sentence, Span
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.slots.entities import PLACED, Wanted, noun_stems, takes_id
from nlapi.planner.slots.slot import Family, Option, Slot
from nlapi.resources.naming import VERBS, singular, split_words, stem

_FORBIDDEN = re.compile(
    r"\b(?:not|never|cannot|dont|nothing|nobody|none|no one|undo|avoid|refrain|instead of|rather than|\w+n['’]t"
    r"|(?:stop|without)(?=\s+\w+ing\b))\b",
    re.IGNORECASE,
)
_FORBIDS_AT_ONCE = re.compile(r"^\W*(?:please\s+)?(?:do not|don['’]?t|never)\b", re.IGNORECASE)
_EXCEPT = re.compile(
    r"\b(?:except\w*|exclud\w+|other than|apart from|aside from|besides|save for|but not|but for"
    r"|(?:all|every\w*|any\w*) but|leav\w+ out|with the exception)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|unless|(?<!the )(?<!as )(?<!you )provided|as soon as)\b", re.IGNORECASE)
_QUESTION = re.compile(
    r"^\W*(?:(?:hey|hi|hello|ok|okay|so|and|but|then|please|well)\b\W*)*"
    r"(?:(?:can|could|would|will)\s+(?!you\b)|(?:should|shall|may|might|must|is|are|am|was|were|do\s+(?:i|we|you)|does|did"
    r"|has|have|what|which|who|whose|where|when|why|how)\b)"
    r"|\b(?:should|may|can|could|must|do) (?:i|we)\b|\bwhether\b"
    r"|\bwhat (?:happens (?:if|when|to)|(?:would|will) happen|if)\b"
    r"|\bis it (?:possible|ok|okay|safe|allowed|wise)\b|\b(?:am i|are we) allowed\b"
    r"|\b(?:thinking|wondering) (?:of|about)\b",
    re.IGNORECASE,
)
_SUPPOSES = re.compile(
    r"\bshould (?:i|we)\b|\bwhat (?:happens (?:if|when|to)|(?:would|will) happen|if)\b|\bwhether (?:i|we)\b"
    r"|\bis it (?:possible|ok|okay|safe|allowed|wise)\b",
    re.IGNORECASE,
)
_WISHES = re.compile(r"\bi(?: (?:need|want|would like|wish)|['’]d like) to\b", re.IGNORECASE)
_ALL = frozenset("all every each both everything everyone everybody any several multiple".split())
_ALERTS = frozenset(
    map(stem, "alert trigger rule condition threshold notification reminder automation monitor".split())
)
_AMONG = (("from", "the"), ("to", "the"), ("among", "the"))
"""What leads to a whole that one thing is taken from or put to: remove Olga [from the] members."""
_WHOLES = frozenset("from to of in for on across with".split())
"""What leads to a whole of which more is meant than the thing that was said: user 5 [from] every group."""
_PEOPLE = frozenset(("all", "everyone", "everybody"))
_UNITS = frozenset("day week month quarter year hour minute morning evening night time".split())
_AND = frozenset((",", "and", "or", "&", "+", "plus"))
_UP_TO = frozenset(("through", "to", "-", "–"))
"""What joins numbers: loans 4 to 7."""
_RECIPIENTS = frozenset(("to", "for"))
_VALUES = (Kind.QUOTED, Kind.CALLED, Kind.JSON, Kind.LITERAL)
_TARGETS = (Kind.NUMBER, Kind.LITERAL, Kind.QUOTED, Kind.NAME)


def refusal(candidate: Candidate, names: Callable[[str], bool]) -> str:
    """Why the change that `candidate` would make is not what the sentence asks for; "" when it may be.

    `names` says of a stem whether it names a thing of the API.
    """
    text = _bare(candidate.scene.sentence)
    if said := next(_denied(candidate, text), ""):
        return f"the sentence says {said!r} about a change"
    for pattern, why in ((_EXCEPT, "makes an exception"), (_CONDITION, "makes a condition")):
        if (found := pattern.search(text)) and not (pattern is _CONDITION and _is_alert(candidate, found.end())):
            return f"the sentence {why} ({found.group().lower()!r}) that the call cannot express"
    if _asks(text):
        return "the sentence asks about a change rather than for it"
    if several := _several(candidate, text) or _others(candidate, text, names):
        if candidate.operation.method == "POST" and not any(map(_is_target, candidate.scene.slots)):
            return f"one call does it for one, and the sentence says {several!r}; ask for one at a time"
        return f"the call changes one thing, by its id or its name, and the sentence says {several!r}; name one of them"
    return ""


def _is_alert(candidate: Candidate, start: int) -> bool:
    """Is the condition what the call itself is about: set an alert if the price goes above 5?"""
    return bool(_ALERTS & candidate.scene.common) and any(one.start >= start for one in candidate.filling.options)


def _asks(text: str) -> bool:
    """Is it a question about a change? `Could we ...` is a request once somebody has said what he wants done."""
    found = _QUESTION.search(text)
    return found is not None and not (_WISHES.search(text[: found.start()]) and not _SUPPOSES.search(text))


def forbids(sentence: Sentence) -> bool:
    """Does the sentence begin with the prohibition of something?"""
    return _FORBIDS_AT_ONCE.search(sentence.text) is not None


def commands_change(sentence: Sentence) -> bool:
    """Is there a verb in the sentence that may command a change?"""
    return any(map(commands, sentence.tokens))


def supposes(sentence: Sentence) -> bool:
    """Does the sentence ask what a change would do, or whether to make it?"""
    return _SUPPOSES.search(_bare(sentence)) is not None and commands_change(sentence)


def unexpressed(candidate: Candidate) -> Iterator[str]:
    """What the sentence rules out and no argument of the call says: `not history`, `except drafts`."""
    sentence = candidate.scene.sentence
    text = _bare(sentence)
    starts = [match.start() for match in _EXCEPT.finditer(text)]
    starts += [at for at, _ in _denials(candidate, text)]
    for start in sorted(set(starts)):
        yield " ".join(sentence.text[start:].split()[:3]).rstrip(".,?!")


def unused(candidate: Candidate) -> Iterator[str]:
    """The figures, days, ids, names and quotations of the sentence that no argument took, as they were written."""
    for span in candidate.filling.unused:
        words = {token.stem for token in candidate.scene.sentence.tokens[span.first : span.last]}
        if span.kind is not Kind.NAME or not words <= candidate.scene.common:
            yield repr(span.text) if span.kind is Kind.QUOTED else span.text


def unused_value(span: Span) -> bool:
    """Is a span left over that says when, how much or which: cancel loan 4 [tomorrow]?"""
    return span.kind is not Kind.NAME


def _denied(candidate: Candidate, text: str) -> Iterator[str]:
    return (said for _, said in _denials(candidate, text))


def _denials(candidate: Candidate, text: str) -> Iterator[tuple[int, str]]:
    """The negations that no argument is made of: a flag that is set to no takes its own."""
    tokens = candidate.scene.sentence.tokens
    told = [option for option in candidate.filling.options if option.slot.family in (Family.BOOLEAN, Family.CHOICE)]
    flags = [option for option in told if option.slot.family is Family.BOOLEAN]
    for match in _FORBIDDEN.finditer(text):
        at = next((n for n, token in enumerate(tokens) if token.end > match.start()), 0)
        reach = tokens[min(at + 3, len(tokens) - 1)].end
        if match.group().lower() == "stop" and _ends(candidate, match.start()):
            continue
        denied = any(match.start() < option.end and option.start < reach for option in flags)
        if not denied and not any(option.start <= match.start() < option.end for option in told):
            yield match.start(), match.group().lower()


def _ends(candidate: Candidate, at: int) -> bool:
    """Does a sentence begin with `stop following it` where the call is what puts an end to that?"""
    operation = candidate.operation
    tokens = candidate.scene.sentence.tokens
    ended = next((token.stem for token in tokens if token.start > at), "")
    opens = at == opening_length(candidate.scene.sentence.text)
    return opens and operation.method == "DELETE" and ended not in own_verbs(operation) and VERBS.get(ended) is None


def _bare(sentence: Sentence) -> str:
    """The text with blanks where values stand. A run of capitals that opens a sentence is no name for sure."""
    text = sentence.text
    for span in sentence.spans:
        opens = span.first == 0 or sentence.tokens[span.first - 1].text in ".?!:;"
        if span.kind in _VALUES or (span.kind is Kind.NAME and not span.form and not opens):
            text = text[: span.start] + "_" * (span.end - span.start) + text[span.end :]
    return text


def _several(candidate: Candidate, text: str) -> str:
    """What shows that several things are meant by a call that takes one; "" when nothing does."""
    targets = [slot for slot in candidate.scene.slots if _is_target(slot)]
    if not targets:
        return _by_place(candidate, text) or next(_more(candidate, set()), "") or _counted(candidate)
    nouns = {word for slot in targets for word in _nouns(candidate, slot)}
    words: list[str] = re.findall(r"[^\W_]+", text)
    before = len(re.findall(r"[^\W_]+", text[: _told(candidate, targets)]))
    for at, word in enumerate(words):
        lower = word.lower()
        if at >= before and lower not in _PEOPLE and words[at - 1].lower() not in _WHOLES:
            continue
        if at and words[at - 1].lower() in _RECIPIENTS and lower in _PEOPLE and _is_for_all(candidate, targets):
            continue
        if lower in _ALL and not (at + 1 < len(words) and singular(words[at + 1].lower()) in _UNITS):
            return " ".join(words[at : at + 2])
        if lower in PLACED and any(stem(word.lower()) in nouns for word in words[at + 1 : at + 3]):
            return " ".join(words[at : at + 2])
        among = tuple(one.lower() for one in words[max(0, at - 2) : at]) in _AMONG
        if singular(lower) != lower and stem(lower) in nouns and not among:
            return lower
    return next(_more(candidate, nouns), "") or _counted(candidate)


def _told(candidate: Candidate, targets: Sequence[Slot]) -> int:
    """Where the sentence has said which things are meant, so that `everything in it` means no more of them."""
    said = [option for option in candidate.filling.options if option.slot in targets and option.span is not None]
    return max(option.end for option in said) if len(said) == len(targets) else len(candidate.scene.sentence.text)


def _by_place(candidate: Candidate, text: str) -> str:
    """Remove the first album: one of what is in a collection, where the call says of none which it is."""
    nouns, words = set(noun_stems(candidate.operation)), re.findall(r"[^\W_]+", text)
    own = set(split_words(candidate.operation.path)) | set(split_words(candidate.operation.summary))
    for at, word in enumerate(words):
        after = words[at + 1 : at + 2]
        if word.lower() in PLACED and word.lower() not in own and after and stem(after[0].lower()) in nouns:
            return f"{word} {after[0]}"
    return ""


def _is_for_all(candidate: Candidate, targets: Iterable[Slot]) -> bool:
    """Is the thing named, and says the operation of itself that it is for all: promote a draft to everyone?"""
    operation, filled = candidate.operation, {option.slot for option in candidate.filling.options}
    said = split_words(f"{operation.summary} {operation.description}")
    return all(slot in filled for slot in targets) and not _ALL.isdisjoint(said)


def _others(candidate: Candidate, text: str, names: Callable[[str], bool]) -> str:
    """Things of another kind, meant before the one that the call changes: pause the [ads] of the campaign."""
    if not candidate.operation.path.rstrip("/").endswith("}"):
        return ""
    known = candidate.scene.common
    for word in re.findall(r"[^\W_]+", text):
        at = stem(word.lower())
        if singular(word.lower()) != word.lower() and names(at) and at not in known:
            return str(word)
        if at in known and at not in VERBS:
            return ""
    return ""


def _is_target(slot: Slot) -> bool:
    return slot.where == "path" or (takes_id(slot) and slot.required and not slot.many)


def _nouns(candidate: Candidate, slot: Slot) -> set[str]:
    """The stems of what the id of `slot` is of, by the path in front of it and by its name."""
    _, wire = candidate.tool.places.get(slot.path[0], ("", slot.name))
    before = candidate.operation.path.partition(f"{{{wire}}}")[0]
    literal = [segment for segment in before.split("/") if segment and "{" not in segment]
    named = split_words(literal[-1]) if literal and slot.where == "path" else []
    return set(map(stem, named[-1:])) | {word for word in slot.words[:-1] if len(slot.words) > 1}


def _alike(option: Option, span: Span) -> bool:
    """Was a value read from a span of the same kind? A name, then a flag after a comma, are no list."""
    return option.span is None or option.span.kind is span.kind


def _more(candidate: Candidate, nouns: set[str]) -> Iterator[str]:
    """Values that no argument took, beside a target or one that was taken: loan 4 and 5, book Dune and book Emma."""
    sentence, options = candidate.scene.sentence, candidate.filling.options
    ids = any(_is_target(option.slot) for option in options)
    for span in sentence.spans:
        if span.kind not in _TARGETS or span.form in LOOSE or any(_covers(option, span) for option in options):
            continue
        before = sentence.tokens[span.first - 1] if span.first else None
        words = set(sentence.stems[span.first : span.last])
        if span.kind is Kind.NAME and words <= candidate.scene.common:
            continue
        joined = before is not None and _joins(sentence, span.first - 1)
        if before is not None and before.stem in nouns and ids:
            yield span.text
        elif joined and any(_ends_at(option, sentence, span.first - 1) for option in options):
            yield f"{before.text} {span.text}" if before else span.text
        elif _joins(sentence, span.last) and any(
            _starts_at(option, sentence, span.last + 1) and _alike(option, span) for option in options
        ):
            yield f"{span.text} {sentence.tokens[span.last].text}"


def _joins(sentence: Sentence, at: int) -> bool:
    """Does token `at` stand between two of a kind: 4 and 5, 4 to 7; not between the parties of `between X and Y`?"""
    tokens = sentence.tokens
    if not 0 < at < len(tokens) - 1:
        return False
    if tokens[at].lower in _UP_TO:
        return tokens[at - 1].text[-1:].isdigit() and tokens[at + 1].text[-1:].isdigit()
    return tokens[at].lower in _AND and all(token.lower != "between" for token in tokens[max(0, at - 5) : at])


def _starts_at(option: Option, sentence: Sentence, at: int) -> bool:
    return at < len(sentence.tokens) and option.start == sentence.tokens[at].start


def _ends_at(option: Option, sentence: Sentence, at: int) -> bool:
    """Does a target end right before token `at`?"""
    return at > 0 and sentence.tokens[at - 1].start < option.end <= sentence.tokens[at].start


def _covers(option: Option, span: Span) -> bool:
    return option.start < span.end and span.start < option.end


def _counted(candidate: Candidate) -> str:
    """Two shelves, 3 books: more than one of what a call makes or changes, though it takes no list of them."""
    if any(option.slot.many and not isinstance(option.value, Wanted) for option in candidate.filling.options):
        return ""
    literal = [segment for segment in candidate.operation.path.split("/") if segment and "{" not in segment]
    noun = stem(split_words(literal[-1])[-1]) if literal and split_words(literal[-1]) else ""
    sentence = candidate.scene.sentence
    for span in sentence.spans:
        after = sentence.tokens[span.last] if span.last < len(sentence.tokens) else None
        if span.kind is not Kind.NUMBER or span.value in (0, 1) or after is None:
            continue
        if any(_covers(option, span) for option in candidate.filling.options):
            continue
        if after.stem == noun and singular(after.lower) != after.lower:
            return f"{span.text} {after.text}"
    return ""
