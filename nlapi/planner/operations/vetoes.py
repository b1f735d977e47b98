"""Refuses changes that a sentence forbids, makes exceptions from, asks about, or wants for several items."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from nlapi.english import lexicon
from nlapi.english.intents import VERBS, Intent
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.planner.commands import is_imperative, operation_verbs
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.slots.entities import POSITION_WORDS, PendingLookup, takes_id
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from nlapi.reading.clauses import QUESTION, ScopeKind, find_scopes, opening_length
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, Sentence, ValueMention
from nlapi.resources.command_verbs import leading_verbs

# Before a gerund these forbid what it says: stop [calling], without [asking].
_FORBIDS_GERUND = lazy_pattern(r"\b(?:stop|without)(?=\s+\w+ing\b)", re.IGNORECASE)
_FORBIDS_AT_ONCE = lazy_pattern(r"^\W*(?:please\s+)?(?:do not|don['’]?t|never)\b", re.IGNORECASE)
_SUPPOSES = lazy_pattern(
    r"\bshould (?:i|we)\b|\bwhat (?:happens (?:if|when|to)|(?:would|will) happen|if)\b|\bwhether (?:i|we)\b"
    r"|\bis it (?:possible|ok|okay|safe|allowed|wise)\b",
    re.IGNORECASE,
)
_WISHES = lazy_pattern(r"\bi(?: (?:need|want|would like|wish)|['’]d like) to\b", re.IGNORECASE)
_ALL = frozenset("all every each both everything everyone everybody any several multiple".split())
_ALERTS = lexicon.stems("planner/operations/words", "alerts")
# Words before a whole that one item is taken from or added to: remove Olga [from the] members.
_AMONG = (("from", "the"), ("to", "the"), ("among", "the"))
# Words before a whole of which more is changed than the named item: user 5 [from] every group.
_WHOLES = frozenset("from to of in for on across with".split())
_PEOPLE = frozenset(("all", "everyone", "everybody"))
_UNITS = frozenset("day week month quarter year hour minute morning evening night time".split())
# Verbs by which a clause with a subject goes on.
_FINITE = frozenset("is are was were has have had looks look seems seem does do did went goes keeps".split())
_AND = frozenset((",", "and", "or", "&", "+", "plus"))
# Words that join the ends of a range: loans 4 to 7.
_UP_TO = frozenset(("through", "to", "-", "–"))
_RECIPIENTS = frozenset(("to", "for"))
_VALUES = (MentionKind.QUOTED, MentionKind.TITLE, MentionKind.JSON, MentionKind.LITERAL)
_TARGETS = (MentionKind.NUMBER, MentionKind.LITERAL, MentionKind.QUOTED, MentionKind.NAME)


def refusal_reason(candidate: OperationCandidate, is_api_noun: Callable[[str], bool]) -> str:
    """Return why the sentence does not ask for the change of `candidate`; "" where it may ask for it.

    `names` tells of a stem whether it names an item of the API.
    """
    # nlapi.changes has stricter checks, which make a change need consent; here nothing is planned, as no policy is
    # behind `nlapi.plan`. Without this 12 more of 849 questions have the right operation, and 29 of the first 599 tests
    # of tests/planner plan changes that nobody commanded.
    text = _without_values(candidate.context.sentence)
    if negation := next((word for _, word in _denials(candidate, text)), ""):
        return f"the sentence says {negation!r} about a change"
    for kind, why in ((ScopeKind.EXCEPT, "makes an exception"), (ScopeKind.IF, "makes a condition")):
        cue = next(find_scopes(text, (kind,)), None)
        if cue and not (kind is ScopeKind.IF and _is_alert(candidate, cue.end)):
            return f"the sentence {why} ({cue.words.lower()!r}) that the call cannot express"
    if _is_question_about_change(text):
        return "the sentence asks about a change rather than for it"
    if several := _several_items(candidate, text) or _other_items(candidate, text, is_api_noun):
        if candidate.operation.method == "POST" and not any(map(_is_target, candidate.context.slots)):
            return f"one call does it for one, and the sentence says {several!r}; ask for one at a time"
        return f"the call changes one thing, by its id or its name, and the sentence says {several!r}; name one of them"
    return ""


def _is_alert(candidate: OperationCandidate, start: int) -> bool:
    """Return whether an argument has the condition that starts at `start`: set an alert if the price goes above 5."""
    options = candidate.assignment.candidates
    return bool(_ALERTS & candidate.context.operation_stems) and any(option.start >= start for option in options)


def _is_question_about_change(text: str) -> bool:
    """Return whether a text asks about a change. After a wish (I want to ...) `could we ...` is a request."""
    match = QUESTION.search(text)
    return match is not None and not (_WISHES.search(text[: match.start()]) and not _SUPPOSES.search(text))


def is_prohibition(sentence: Sentence) -> bool:
    """Return whether a sentence starts with a prohibition."""
    return _FORBIDS_AT_ONCE.search(sentence.text) is not None


def commands_change(sentence: Sentence) -> bool:
    """Return whether a sentence has a verb that may command a change."""
    return any(map(is_imperative, sentence.tokens))


def asks_about_change(sentence: Sentence) -> bool:
    """Return whether a sentence asks what a change would do, or whether to make it."""
    return _SUPPOSES.search(_without_values(sentence)) is not None and commands_change(sentence)


def supposes_deletion(sentence: Sentence) -> bool:
    """Return whether a sentence has a verb that takes something away, in any of its forms: if I deleted v1."""
    return any(VERBS.get(token.stem) is Intent.DELETE for token in sentence.tokens)


def unexpressed_negations(candidate: OperationCandidate) -> Iterator[str]:
    """Yield what a sentence rules out and no argument expresses: `not history`, `except drafts`."""
    sentence = candidate.context.sentence
    text = _without_values(sentence)
    starts = [cue.start for cue in find_scopes(text, (ScopeKind.EXCEPT,))]
    starts += [at for at, _ in _denials(candidate, text)]
    for start in sorted(set(starts)):
        yield " ".join(sentence.text[start:].split()[:3]).rstrip(".,?!")


def unused_values(candidate: OperationCandidate) -> Iterator[str]:
    """Yield the numbers, days, ids, names and quotations of a sentence that are in no argument, as written."""
    for span in candidate.assignment.unused:
        words = {token.stem for token in candidate.context.sentence.tokens[span.first : span.last]}
        if span.kind is not MentionKind.NAME or not words <= candidate.context.operation_stems:
            yield repr(span.text) if span.kind is MentionKind.QUOTED else span.text


def _denials(candidate: OperationCandidate, text: str) -> Iterator[tuple[int, str]]:
    """Yield the start and the text of negations that are not in an argument, as the negation of a flag is."""
    tokens = candidate.context.sentence.tokens
    closed = [
        option for option in candidate.assignment.candidates if option.slot.family in (Family.BOOLEAN, Family.CHOICE)
    ]
    flags = [option for option in closed if option.slot.family is Family.BOOLEAN]
    cues = [(cue.start, cue.words.lower()) for cue in find_scopes(text, (ScopeKind.NOT,))]
    cues += [(match.start(), match.group().lower()) for match in _FORBIDS_GERUND.finditer(text)]
    for start, words in sorted(cues):
        at = next((n for n, token in enumerate(tokens) if token.end > start), 0)
        reach = tokens[min(at + 3, len(tokens) - 1)].end
        if _is_ending(candidate, start) or _is_commanded(candidate, start, words):
            continue
        is_flag = any(start < option.end and option.start < reach for option in flags)
        if not is_flag and not any(option.start <= start < option.end for option in closed):
            yield start, words


def _is_commanded(candidate: OperationCandidate, start: int, negation: str) -> bool:
    """Return whether a sentence starts with `undo` or `stop` and that is what the operation is stated to do."""
    opens = start == opening_length(candidate.context.sentence.text)
    return opens and stem(negation) in leading_verbs(candidate.operation)


def _is_ending(candidate: OperationCandidate, at: int) -> bool:
    """Return whether a sentence starts with `stop following it` and the call is the deletion of that."""
    operation = candidate.operation
    if not candidate.context.sentence.text[at:].lower().startswith("stop"):
        return False
    tokens = candidate.context.sentence.tokens
    ended = next((token.stem for token in tokens if token.start > at), "")
    opens = at == opening_length(candidate.context.sentence.text)
    return (
        opens and operation.method == "DELETE" and ended not in operation_verbs(operation) and VERBS.get(ended) is None
    )


def _without_values(sentence: Sentence) -> str:
    """Return the text with values blanked out; capitalized words that open a sentence may be no name, and stay."""
    text = sentence.text
    for span in sentence.mentions:
        opens = span.first == 0 or sentence.tokens[span.first - 1].text in ".?!:;"
        if span.kind in _VALUES or (span.kind is MentionKind.NAME and not span.form and not opens):
            text = text[: span.start] + "_" * (span.end - span.start) + text[span.end :]
    return text


def _several_items(candidate: OperationCandidate, text: str) -> str:
    """Return the words by which a sentence asks for several items, where the call takes one; "" without any."""
    targets = [slot for slot in candidate.context.slots if _is_target(slot)]
    if not targets:
        return next(_more_values(candidate, set()), "") or _item_count(candidate)
    nouns = {word for slot in targets for word in _nouns(candidate, slot)}
    words: list[str] = re.findall(r"[^\W_]+", text)
    before = len(re.findall(r"[^\W_]+", text[: _targets_end(candidate, targets)]))
    for at, word in enumerate(words):
        lower = word.lower()
        if at >= before and lower not in _PEOPLE and words[at - 1].lower() not in _WHOLES:
            continue
        if at and words[at - 1].lower() in _RECIPIENTS and lower in _PEOPLE and _is_for_all(candidate, targets):
            continue
        if lower in _ALL and not (at + 1 < len(words) and singular(words[at + 1].lower()) in _UNITS):
            return " ".join(words[at : at + 2])
        if lower in POSITION_WORDS and any(stem(word.lower()) in nouns for word in words[at + 1 : at + 3]):
            return " ".join(words[at : at + 2])
        is_among = tuple(map(str.lower, words[max(0, at - 2) : at])) in _AMONG
        if singular(lower) != lower and stem(lower) in nouns and not is_among:
            return lower
    return next(_more_values(candidate, nouns), "") or _item_count(candidate)


def _targets_end(candidate: OperationCandidate, targets: Sequence[Slot]) -> int:
    """Return the index behind the last target, after which `everything in it` names no further target."""
    options = [
        option for option in candidate.assignment.candidates if option.slot in targets and option.mention is not None
    ]
    is_complete = len(options) == len(targets)
    return max(option.end for option in options) if is_complete else len(candidate.context.sentence.text)


def _is_for_all(candidate: OperationCandidate, targets: Iterable[Slot]) -> bool:
    """Return whether the targets are named and the operation itself is for all: promote a draft to everyone."""
    operation, assigned = candidate.operation, {option.slot for option in candidate.assignment.candidates}
    prose = split_words(f"{operation.summary} {operation.description}")
    return assigned.issuperset(targets) and not _ALL.isdisjoint(prose)


def _other_items(candidate: OperationCandidate, text: str, is_api_noun: Callable[[str], bool]) -> str:
    """Return items of another kind named before the changed one: pause the [ads] of the campaign; "" without any."""
    if not candidate.operation.path.rstrip("/").endswith("}"):
        return ""
    for word in map(str.lower, re.findall(r"[^\W_]+", text)):
        noun = stem(word)
        if singular(word) != word and is_api_noun(noun) and noun not in candidate.context.operation_stems:
            return word
        if noun in candidate.context.operation_stems and noun not in VERBS:
            return ""
    return ""


def _is_target(slot: Slot) -> bool:
    return slot.location == "path" or (takes_id(slot) and slot.required and not slot.is_array)


def _nouns(candidate: OperationCandidate, slot: Slot) -> set[str]:
    """Return the stems of the item whose id `slot` takes, from the path before it and from its name."""
    _, wire = candidate.tool.places.get(slot.path[0], ("", slot.name))
    before = candidate.operation.path.partition(f"{{{wire}}}")[0]
    literal = [segment for segment in before.split("/") if segment and "{" not in segment]
    segment = split_words(literal[-1]) if literal and slot.location == "path" else []
    return set(map(stem, segment[-1:])) | {word for word in slot.words[:-1] if len(slot.words) > 1}


def _is_same_kind(option: SlotCandidate, span: ValueMention) -> bool:
    """Return whether an option is of the same kind as a span: a name and a flag after a comma are no list."""
    return option.mention is None or option.mention.kind is span.kind


def _more_values(candidate: OperationCandidate, nouns: set[str]) -> Iterator[str]:
    """Yield unused values beside a target or another value: loan 4 and 5, book Dune and book Emma."""
    sentence, options = candidate.context.sentence, candidate.assignment.candidates
    ids = any(_is_target(option.slot) for option in options)
    for span in sentence.mentions:
        if (
            span.kind not in _TARGETS
            or span.form in ALTERNATIVE_FORMS
            or any(_covers(option, span) for option in options)
        ):
            continue
        before = sentence.tokens[span.first - 1] if span.first else None
        words = set(sentence.stems[span.first : span.last])
        if span.kind is MentionKind.NAME and words <= candidate.context.operation_stems:
            continue
        joined = before is not None and _joins(sentence, span.first - 1) and not _is_remark(sentence, span)
        if before is not None and before.stem in nouns and ids:
            yield span.text
        elif joined and any(_ends_at(option, sentence, span.first - 1) for option in options):
            yield f"{before.text} {span.text}" if before else span.text
        elif _joins(sentence, span.last) and any(
            _starts_at(option, sentence, span.last + 1) and _is_same_kind(option, span) for option in options
        ):
            yield f"{span.text} {sentence.tokens[span.last].text}"


def _is_remark(sentence: Sentence, span: ValueMention) -> bool:
    """Return whether a value behind a comma begins a clause of its own: kill the canary, [p99] is up."""
    following = sentence.tokens[span.last].lower if span.last < len(sentence.tokens) else ""
    return sentence.tokens[span.first - 1].text == "," and following in _FINITE


def _joins(sentence: Sentence, at: int) -> bool:
    """Return whether a token joins two values (4 and 5, 4 to 7), other than in `between X and Y`."""
    tokens = sentence.tokens
    if not 0 < at < len(tokens) - 1:
        return False
    if tokens[at].lower in _UP_TO:
        return tokens[at - 1].text[-1:].isdigit() and tokens[at + 1].text[-1:].isdigit()
    return tokens[at].lower in _AND and all(token.lower != "between" for token in tokens[max(0, at - 5) : at])


def _starts_at(option: SlotCandidate, sentence: Sentence, at: int) -> bool:
    return at < len(sentence.tokens) and option.start == sentence.tokens[at].start


def _ends_at(option: SlotCandidate, sentence: Sentence, at: int) -> bool:
    """Return whether an option ends right before a token."""
    return at > 0 and sentence.tokens[at - 1].start < option.end <= sentence.tokens[at].start


def _covers(option: SlotCandidate, span: ValueMention) -> bool:
    return option.start < span.end and span.start < option.end


def _item_count(candidate: OperationCandidate) -> str:
    """Return a number of the items that a call changes (two shelves, 3 books), where it takes no list of them."""
    if any(
        option.slot.is_array and not isinstance(option.value, PendingLookup)
        for option in candidate.assignment.candidates
    ):
        return ""
    literal = [segment for segment in candidate.operation.path.split("/") if segment and "{" not in segment]
    noun = stem(split_words(literal[-1])[-1]) if literal and split_words(literal[-1]) else ""
    sentence = candidate.context.sentence
    for span in sentence.mentions:
        after = sentence.tokens[span.last] if span.last < len(sentence.tokens) else None
        if span.kind is not MentionKind.NUMBER or span.value in (0, 1) or after is None:
            continue
        if any(_covers(option, span) for option in candidate.assignment.candidates):
            continue
        if after.stem == noun and singular(after.lower) != after.lower:
            return f"{span.text} {after.text}"
    return ""
