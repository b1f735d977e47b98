"""What a sentence means beyond its words: a noun alone asks to see it, a comparison needs a list, a name an id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.conditions import FILLER
from nlapi.planner.language.commands import commands, own_verbs
from nlapi.planner.language.question_intent import wish_of
from nlapi.planner.language.text import Kind, Token
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import SLUG, Wanted, entity_of, is_subject, kind_of, noun_stems
from nlapi.planner.slots.features import QUERYLIKE
from nlapi.planner.slots.known_values import Values, argument_name, wanted_in
from nlapi.planner.slots.overrides import SURE
from nlapi.planner.slots.slot import Option, Slot
from nlapi.planner.slots.thing_names import noun_places
from nlapi.resources.answers import answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.resources.naming import METHODS, STOPWORDS, VERBS, Intent, singular, split_words, stem

_OPENINGS = frozenset("the my our all every some any a an please and".split())
_HAS = re.compile(
    r"^\W*(?:do|does)\s+(?P<owner>.+?)\s+(?:have|contain|hold)\s+(?:any\s+|some\s+)?(?P<things>[a-z][a-z ]*?)\s*\?*$"
    r"|^\W*(?:which|what)\s+(?P<asked>[a-z][a-z ]*?)\s+(?:do|does)\s+(?P<whose>.+?)\s+(?:have|contain|hold)\s*\?*$",
    re.IGNORECASE,
)
DETERMINERS = frozenset("the a an my our your this that all every each some any me it them".split())
"""What stands after a verb, known or not, and after no noun."""
LIKELY = 0.6
"""How sure each value of a change has to be that is said plainly."""
_HAVING = frozenset(map(stem, "run runs use uses belong belongs contain contains everything anything".split()))
_LINKING = frozenset(("is", "are", "=", ":", "of", "the", "to"))
_MOST_OTHERS = 6
_WRITTEN = (Kind.NAME, Kind.LITERAL, Kind.QUOTED, Kind.CALLED)
_SOLID = 0.6
"""How sure a value has to be for its words to count as understood."""
_MOST_TRIED = 40


def as_command(question: str, names: Callable[[str], bool], operations: Iterable[Operation] = ()) -> str:
    """A question that is a noun with nothing but what follows it (ads of the campaign X) asks to be shown it.

    So does one whether something has such things: does the campaign X have ads? A noun that one of the `operations`
    begins its summary with as a verb (limit a client) is one.
    """
    has = _HAS.match(question[:200])
    wanted = (has["things"] or has["asked"]) if has is not None else ""
    things = split_words(wanted)[-1] if wanted else ""
    if has is not None and names(stem(things)) and singular(things) != things:
        return f"show {wanted} of {has['owner'] or has['whose']}"
    words = split_words(question[:200])
    at = next((at for at, word in enumerate(words) if word not in _OPENINGS), len(words))
    first, after = (*words[at : at + 2], "", "")[:2]
    verb = stem(first) in VERBS and singular(first) == first
    asked = singular(first) != first or after in ("of", "")  # `webhook to https://...` may as well be one to make
    noun = asked and bool(first) and names(stem(first)) and not verb and after not in DETERMINERS
    return f"show {question.lstrip()}" if noun and not _is_deed(first, after, operations) else question


def _is_deed(word: str, after: str, operations: Iterable[Operation]) -> bool:
    """Is the word a verb: begins the summary of a change with it and an article, or ends the path of one that is
    called so (resizeVolume, /volumes/{id}/resize), or before the noun of its path (refund charge 5)?
    """
    every = list(operations)
    begun = (one.summary.lower().split() for one in every if one.summary[: len(word)].lower() == word)
    if any(len(words) > 1 and words[0] == word and words[1] in DETERMINERS for words in begun):
        return True
    deeds = (one for one in every if one.method != "GET" and one.path.rstrip("/").lower().endswith(f"}}/{word}"))
    return any(
        word in (*split_words(one.id)[:1], *split_words(one.summary)[:1])
        or (after and after in map(singular, split_words(one.path)))
        for one in deeds
    )


def other_goals(
    best: Candidate, values: Values, catalogue: Catalogue, known: Mapping[str, Any]
) -> tuple[tuple[str, Values], ...]:
    """What else a name may be the name of, where the sentence does not say of what kind it is: pause Summer Sale."""
    by_name = [option for option in best.filling.options if wanted_in(option.value) is not None]
    if (
        len(by_name) != 1
        or wanted_in(values.get(by_name[0].slot.path)) is None
        or _says_kind(best, by_name[0], catalogue)
    ):
        return ()
    option = by_name[0]
    name = wanted_in(option.value)
    assert name is not None
    found: list[tuple[str, Values]] = []
    if option.slot.where != "path":
        for slot, listing in best.scene.listers.items():
            if slot.where == option.slot.where and slot.path not in values and slot is not option.slot:
                wanted = Wanted(name=name.name, lister=listing.id)
                rest = {path: value for path, value in values.items() if path != option.slot.path}
                found.append((best.operation.id, {**rest, slot.path: [wanted] if slot.many else wanted}))
    rest = {path: value for path, value in values.items() if path != option.slot.path}
    every = catalogue.operations_of(best.operation.spec)
    alike = [one for one in every if one.method == best.operation.method and one is not best.operation]
    for operation in alike[:_MOST_TRIED]:
        other = _same(operation, _act(best.operation), rest, name.name, catalogue, known)
        if len(found) < _MOST_OTHERS and other is not None:
            found.append((operation.id, other))
    return tuple(found)


def _says_kind(candidate: Candidate, option: Option, catalogue: Catalogue) -> bool:
    """Does the sentence name the kind of thing that the name is of?"""
    wanted = wanted_in(option.value)
    listing = catalogue.find(wanted.lister, candidate.operation.spec) if wanted is not None else None
    kinds = [entity_of(option.slot), kind_of(candidate.tool, option.slot)]
    kinds += [noun_stems(listing)] if listing is not None else []
    return any(kind and set(kind) <= candidate.scene.sentence.stem_set for kind in kinds)


def _act(operation: Operation) -> str:
    """What the path says behind its last placeholder: /runs/{id}/[set_state]."""
    return operation.path.rstrip("/").rpartition("}")[2]


def _same(
    operation: Operation, act: str, rest: Values, name: str, catalogue: Catalogue, known: Mapping[str, Any]
) -> Values | None:
    """The values by which another operation does the same to a thing of another kind with the same name."""
    tool = catalogue.tool(operation)
    if tool is None or _act(operation) != act:
        return None
    slots = catalogue.slots(tool)
    subject = next((slot for slot in slots if is_subject(operation, slot)), None)
    listing = catalogue.lister(tool, subject) if subject is not None else None
    if subject is None or listing is None or any(slot.required for slot in slots if slot is not subject):
        return None
    if argument_name(subject) in known:  # which one is meant was said beforehand, by its id
        return None
    by_path = {slot.path: slot for slot in slots}
    fits = all(
        path in by_path and (not by_path[path].choices or value in by_path[path].choices)
        for path, value in rest.items()
    )
    return {**rest, subject.path: Wanted(name=name, lister=listing.id)} if fits else None


def tells(best: Candidate, missing: Sequence[Slot]) -> bool:
    """Is it plain that a listing tells what is asked about its things: all of them, the highest budget, how many?

    The words that say so are about the answer and not about the call, so that they take nothing from its confidence.
    """
    sentence, operation = best.scene.sentence, best.operation
    listed = best.tool.effect is Effect.READ and collection_index(operation.spec).is_list(operation)
    noun = noun_stems(operation)
    if not listed or missing or best.filling.unused or not noun or not set(noun) <= sentence.stem_set:
        return False
    wish = wish_of(sentence.text)
    many = any(token.stem == noun[-1] and singular(token.lower) != token.lower for token in sentence.tokens)
    first = next(token for token in sentence.tokens if token.word)
    reads = VERBS.get(first.stem) is Intent.READ and not any(map(commands, sentence.tokens))
    return wish.figures or (many and reads) or _answers_all(best, wish.spans)


def _answers_all(best: Candidate, cut: Sequence[tuple[int, int]]) -> bool:
    """Does the answer have a field for each word that tells something and is neither a value nor says how it is cut?"""
    tokens, fields = best.scene.sentence.tokens, answer_words(best.operation).all
    told = best.scene.common | fields
    spans = (one for one in best.scene.sentence.spans if one.kind in _WRITTEN)
    valued = [*cut, *((one.start, one.end) for one in spans)]
    valued += [(one.start, one.end) for one in best.filling.options if one.sure > _SOLID]
    end = next((at for at, token in enumerate(tokens) if token.stem in fields and _has_value(tokens, at)), len(tokens))
    return all(
        token.stem in told
        or token.lower in STOPWORDS
        or token.stem in FILLER
        or VERBS.get(token.stem) is Intent.READ
        or any(start <= token.start < end for start, end in valued)
        for token in tokens[:end]
        if token.word
    )


def _has_value(tokens: Sequence[Token], at: int) -> bool:
    """Is what follows the name of a field its value: created by priya, with the comment Lost key?"""
    before = [token.lower for token in tokens[max(0, at - 2) : at] if token.lower not in ("the", "a", "an")]
    after = tokens[at + 1].lower if at + 1 < len(tokens) else ""
    return after in ("by", "is", "=", ":") or before[-1:] in (["with"], ["whose"], ["having"])


def says_plainly(best: Candidate, missing: Sequence[Slot]) -> bool:
    """Is every word accounted for: by the operation, its arguments, or the fields and choices of what it lists?

    Of a change, which thing it is made to has to be named too, and no other argument may be named without a value.
    """
    filled = {option.slot for option in best.filling.options}
    if missing or not says_all(best) or not best.scene.sentence.words:
        return False
    if best.tool.effect is Effect.READ:
        nouns = {*noun_stems(best.operation), *(stem(word) for noun in _entry_nouns(best) for word in noun)}
        sought = any(QUERYLIKE & set(option.slot.words) and option.sure >= SURE for option in best.filling.options)
        return (sought or bool(nouns & best.scene.sentence.stem_set)) and not _is_unread(best)
    if (
        best.unasked
        or best.filling.unused
        or not _is_done_by(best)
        or any(one.sure < LIKELY for one in best.filling.options if one.span)
    ):
        return False
    named = all(slot in filled for slot in best.scene.slots if is_subject(best.operation, slot))
    free = [token.stem for token in best.scene.sentence.tokens if not _covered(best, token)]
    others = [slot for slot in best.scene.slots if slot.where == "body" and slot not in filled]
    nouns = set(noun_stems(best.operation))
    unsaid = any(set(slot.words) <= set(free) and not set(slot.words) <= nouns for slot in others)
    return named and not unsaid and any(slot.where == "body" for slot in filled)


def _is_done_by(best: Candidate) -> bool:
    """Does an operation do by its method, or its own verb, what the first word of the sentence commands?"""
    start = opening_length(best.scene.sentence.text)
    verb = next((token.stem for token in best.scene.sentence.tokens if token.start >= start and token.word), "")
    known = VERBS.get(verb)
    return verb in own_verbs(best.operation) or (known is not None and best.operation.method in METHODS[known])


def _entry_nouns(best: Candidate) -> tuple[tuple[str, ...], ...]:
    return collection_index(best.operation.spec).entry_nouns(best.operation)


def _is_unread(best: Candidate) -> bool:
    """Is a value of the sentence left over that is no choice or value of a field of what is listed?"""
    return not all(_is_of_entry(best, span.first, span.last) for span in best.filling.unused)


def _is_of_entry(best: Candidate, first: int, last: int) -> bool:
    """Are tokens a field of what is read, or a choice of one, or do they stand behind the name of one?"""
    words, stems = answer_words(best.operation), best.scene.sentence.stems
    before = first
    while before > 0 and best.scene.sentence.tokens[before - 1].lower in _LINKING:
        before -= 1
    fields = any(words.names_field(stems[at:before]) for at in range(max(0, before - 3), before))
    text = best.scene.sentence.text[best.scene.sentence.tokens[first].start : best.scene.sentence.tokens[last - 1].end]
    coded = first > 0 and not text.isalpha() and SLUG.fullmatch(text) and stems[first - 1] in best.scene.common
    if stems[first:last] in words.values or words.names_field(stems[first:last]) or fields or coded:
        return True
    return not text.isalpha() and _asks_which(best)  # which keys use hmac-sha512: one of the fields will tell


def _asks_which(best: Candidate) -> bool:
    """Does a sentence ask which of the things that an operation lists are so?"""
    tokens, noun = best.scene.sentence.tokens, noun_stems(best.operation)
    listed = best.operation.method == "GET" and not best.operation.path.rstrip("/").endswith("}")
    many = any(token.stem in noun[-1:] and singular(token.lower) != token.lower for token in tokens)
    places = noun_places(best.scene, noun)
    return listed and tokens[0].lower in ("which", "what") and (many or any(first == 1 for first, _ in places))


def _covered(best: Candidate, token: Token) -> bool:
    return any(option.start <= token.start < option.end for option in best.filling.options)


def says_all(best: Candidate) -> bool:
    """Is every word that tells something in a value, or does it name the operation or one of its slots?"""
    known = best.scene.common | best.scene.talked
    reads = best.tool.effect is Effect.READ
    return all(
        token.stem in known
        or token.stem in VERBS
        or token.lower in STOPWORDS
        or (reads and token.stem in _HAVING)
        or _covered(best, token)
        or (reads and _is_of_entry(best, at, at + 1))
        for at, token in enumerate(best.scene.sentence.tokens)
        if token.word
    )
