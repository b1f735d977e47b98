"""What a sentence means beyond its words: a noun alone asks to see it, a comparison needs a list, a name an id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nlapi.offline.catalogue import Catalogue
from nlapi.offline.choose import Candidate, candidate_of
from nlapi.offline.commands import commands
from nlapi.offline.condition import FILLER
from nlapi.offline.entities import Wanted, entity_of, is_subject, kind_of, noun_stems
from nlapi.offline.given import Values, argument_name, wanted_in
from nlapi.offline.option import Option
from nlapi.offline.sentence import Kind, Sentence, Token
from nlapi.offline.slots import Slot
from nlapi.offline.ways import completed
from nlapi.offline.wish import wish_of
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answer_words import answer_words
from nlapi.resources.naming import METHODS, STOPWORDS, VERBS, Intent, pieces, singular, stem

_OPENINGS = frozenset("the my our all every some any a an please and".split())
_HAS = re.compile(
    r"^\W*(?:do|does)\s+(?P<owner>.+?)\s+(?:have|contain|hold)\s+(?:any\s+|some\s+)?(?P<things>[a-z][a-z ]*?)\s*\?*$",
    re.IGNORECASE,
)
DETERMINERS = frozenset("the a an my our your this that all every each some any me it them".split())
"""What stands after a verb, known or not, and after no noun."""
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
    things = pieces(has["things"])[-1] if has is not None else ""
    if has is not None and names(stem(things)) and singular(things) != things:
        return f"show {has['things']} of {has['owner']}"
    words = pieces(question[:200])
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
        word in (*pieces(one.id)[:1], *pieces(one.summary)[:1]) or (after and after in map(singular, pieces(one.path)))
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
        if len(found) < _MOST_OTHERS and (other := _same(operation, rest, name.name, catalogue, known)):
            found.append((operation.id, other))
    return tuple(found)


def _says_kind(candidate: Candidate, option: Option, catalogue: Catalogue) -> bool:
    """Does the sentence name the kind of thing that the name is of?"""
    wanted = wanted_in(option.value)
    listing = catalogue.find(wanted.lister, candidate.operation.spec) if wanted is not None else None
    kinds = [entity_of(option.slot), kind_of(candidate.tool, option.slot)]
    kinds += [noun_stems(listing)] if listing is not None else []
    return any(kind and set(kind) <= candidate.scene.sentence.stem_set for kind in kinds)


def _same(
    operation: Operation, rest: Values, name: str, catalogue: Catalogue, known: Mapping[str, Any]
) -> Values | None:
    """The values by which another operation does the same to a thing of another kind with the same name."""
    tool = catalogue.tool(operation)
    if tool is None or not operation.path.rstrip("/").endswith("}"):
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
    """Is it plain that a listing tells what is asked about its things: the highest budget, how many, the total?

    The words that say so are about the answer and not about the call, so that they take nothing from its confidence.
    """
    sentence = best.scene.sentence
    listed = best.operation.method == "GET" and not best.operation.path.rstrip("/").endswith("}")
    plain = listed and not missing and not best.filling.unused
    if not plain or not set(noun_stems(best.operation)) <= sentence.stem_set:
        return False
    wish = wish_of(sentence.text)
    return wish.figures or (best.tool.effect is Effect.READ and _answers_all(best, wish.spans))


def _answers_all(best: Candidate, cut: Sequence[tuple[int, int]]) -> bool:
    """Does the answer have a field for each word that tells something and is neither a value nor says how it is cut?"""
    tokens, fields = best.scene.sentence.tokens, answer_words(best.operation)
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


def named_changes(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]) -> list[Candidate]:
    """Updates of a thing that is called by nothing but its name (rename Argo to Nostos), though no word tells its kind.

    Only what says which thing and what shall become of it, and leaves out nothing, is one.
    """
    if not any(map(commands, sentence.tokens)):
        return []
    found: list[Candidate] = []
    updates = [one for one in catalogue.operations if one.method in METHODS[Intent.UPDATE]]
    for operation in [one for one in updates if one.path.rstrip("/").endswith("}")][:_MOST_TRIED]:
        one = candidate_of(sentence, catalogue, known, operation, 0.0)
        one = completed(one, catalogue, known, sentence.text) if one is not None else None
        if one is None or one.filling.missing or one.filling.unused or len(one.filling.options) < 2:
            continue
        if any(wanted_in(option.value) is not None for option in one.filling.options):
            found.append(one)
    return sorted(found, key=lambda one: -one.score)


def says_all(best: Candidate) -> bool:
    """Is every word that tells something in a value, or does it name the operation or one of its slots?"""
    known = best.scene.common | best.scene.talked
    options = best.filling.options
    return all(
        token.stem in known
        or token.stem in VERBS
        or token.lower in STOPWORDS
        or any(option.start <= token.start < option.end for option in options)
        for token in best.scene.sentence.tokens
        if token.word
    )
