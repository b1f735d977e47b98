"""What a sentence commands of a thing, where the path of an operation says it: run the deployment, cancel the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlapi.changes.sentences import opening
from nlapi.openapi.spec import Operation
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.candidates import Candidate, candidate_of
from nlapi.planner.commands import own_verbs
from nlapi.planner.slots.entities import RENAMES, is_subject, noun_stems
from nlapi.planner.match import NAMELIKE
from nlapi.planner.operations.intent_rewrites import says_all
from nlapi.planner.option import Option
from nlapi.planner.language.english.text import Sentence, Token
from nlapi.planner.slots import Slot
from nlapi.resources.naming import METHODS, STOPWORDS, VERBS, Intent, name_words, pieces, singular, stem

SAID = 0.9
"""How sure a state is that the command of a sentence brings about."""
_STATES = frozenset(map(stem, "state status phase type action".split()))
_MARKS = frozenset(map(stem, "mark set put change switch move turn".split()))
_INTO = frozenset(("as", "to", "into"))
_SURE = 0.7
_NEW = frozenset(map(stem, ("new", "body")))
_SHORTEST = 4
"""Letters of a verb that the name of a state begins with: paus of PAUSED."""


def act_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Sequence[Candidate]:
    """The candidates with the one first that does what is commanded to the thing: by the state that it sets, or by
    what its path says behind the thing.
    """
    best = found[0]
    if best.unasked or not catalogue.index.changes(best.operation):
        return found
    by_state = next(_setting_state(best, sentence, catalogue, known), None)
    if by_state is not None:
        return [by_state, *(one for one in found if one.operation is not by_state.operation)]
    command = _path_command(sentence)
    if command is None or command.stem in own_verbs(best.operation):
        return found
    saying = [one for one in found if not one.unasked and says_act(one)]
    if says_act(best) or len(saying) != 1 or saying[0].filling.missing:
        return found
    return [replace(saying[0], score=best.score), *(one for one in found if one is not saying[0])]


def says_act(one: Candidate) -> bool:
    """Does the sentence say what the path does behind its last placeholder: [pause], [run] of create_flow_run?"""
    last = one.operation.path.rstrip("/").rpartition("}/")[2] if "}/" in one.operation.path else ""
    words, sentence = pieces(last), one.scene.sentence
    command = _path_command(sentence)
    if not words or "{" in last or command is None or one.operation.method == "GET":
        return False
    verb = VERBS.get(stem(words[0]))
    if verb is Intent.DELETE and not any(option.slot.where == "body" for option in one.filling.options):
        return False  # which of what is in the thing is not said
    if len(words) > 1 and verb is Intent.CREATE:
        made = stem(words[-1])
        return command.stem == made or (VERBS.get(command.stem) is Intent.CREATE and _object(sentence) == made)
    return command.stem == stem(words[0])


def sets_state(one: Candidate) -> bool:
    """Was the state that it sets read from the command?"""
    return any(option.span is None and option.end == 0 and option.slot.choices for option in one.filling.options)


def says_update(one: Candidate) -> bool:
    """Is a thing called by its name, is a field of it, and is no more said than what shall become of that?"""
    options = one.filling.options
    command = _path_command(one.scene.sentence)
    bodily = [option for option in options if option.slot.where == "body"]
    fields = [option.slot for option in bodily if command is None or not option.start <= command.start < option.end]
    if (
        command is None
        or VERBS.get(command.stem) is not Intent.UPDATE
        or one.operation.method not in METHODS[Intent.UPDATE]
        or not bodily
        or not says_all(one)
    ):
        return False
    stems = one.scene.sentence.stem_set
    named = any(is_subject(one.operation, option.slot) and option.sure >= _SURE for option in options)
    said = stems | _NEW | (NAMELIKE if command.stem in RENAMES else frozenset())
    return named and all(said.issuperset(slot.words) for slot in fields)


def unsaid_kind(one: Candidate) -> str:
    """The words before the noun of what is made that no argument takes: create a [process] work pool; "" for none."""
    sentence, noun = one.scene.sentence, noun_stems(one.operation)
    command = _path_command(sentence)
    if one.operation.method != "POST" or command is None or VERBS.get(command.stem) is not Intent.CREATE or not noun:
        return ""
    first = sentence.tokens.index(command) + 1
    at = next((at for at in range(first, first + 5) if sentence.stems[at : at + len(noun)] == noun), first)
    left = [
        token.text
        for token in sentence.tokens[first:at]
        if token.lower not in (*STOPWORDS, "new", "another", "empty") and token.stem not in one.scene.common
        if not any(option.start <= token.start < option.end for option in one.filling.options)
    ]
    return " ".join(left)


def _path_command(sentence: Sentence) -> Token | None:
    """The first word of a sentence after what is polite."""
    start = opening(sentence.text)
    return next((token for token in sentence.tokens if token.start >= start and token.word), None)


def _object(sentence: Sentence) -> str:
    """The stem of the noun right behind the command: start a [run] of X."""
    command = _path_command(sentence)
    at = sentence.tokens.index(command) + 1 if command is not None else 0
    while at < len(sentence.tokens) and sentence.tokens[at].lower in ("a", "an", "the", "new", "another"):
        at += 1
    return sentence.tokens[at].stem if at < len(sentence.tokens) else ""


def _setting_state(
    best: Candidate, sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Iterator[Candidate]:
    """What sets the state of the thing that the sentence commands or marks it to be in, of the things under its path.

    Where the operation that is likeliest says the very command itself, no state is looked for.
    """
    command = _path_command(sentence)
    if command is None or says_act(best) or command.stem in map(stem, pieces(f"{best.operation.id}")):
        return
    marked = _marked(sentence) if command.stem in _MARKS else ""
    if command.stem in _MARKS and not marked:
        return
    for operation in _acts(best, catalogue, anywhere=bool(marked)):
        one = candidate_of(sentence, catalogue, known, operation, best.score)
        if one is None:
            continue
        for slot in one.scene.slots:
            choice = _state(slot, marked or command.stem, exact=bool(marked))
            if choice is not None:
                yield _with_state(one, slot, choice, best.score)
                break


def _marked(sentence: Sentence) -> str:
    """The word at the end of a sentence that says what state something is put in: mark it as [completed]."""
    words = [token for token in sentence.tokens if token.word]
    return words[-1].lower if len(words) > 2 and words[-2].lower in _INTO else ""


def _acts(best: Candidate, catalogue: Catalogue, *, anywhere: bool) -> Iterator[Operation]:
    """The operations that act on the thing of `best`, or `anywhere` on a thing by its state."""
    subject = next((slot for slot in best.scene.slots if is_subject(best.operation, slot)), None)
    if subject is None:
        return
    item, inside, _ = best.operation.route.partition(f"{{{subject.name}}}")
    for operation in catalogue.operations_of(best.operation.spec):
        above, acts, last = operation.route.rstrip("/").rpartition("}/")
        if operation.method not in ("POST", "PUT", "PATCH") or not acts or "{" in last:
            continue
        of_state = bool(_STATES & set(map(stem, name_words(last))))
        if of_state and (anywhere or f"{above}}}".startswith(item + inside)) and above.count("{") == 1:
            yield operation


def _state(slot: Slot, word: str, *, exact: bool) -> Any:
    """The choice of a slot for a state that a word means: cancel -> CANCELLING, before CANCELLED."""
    if not slot.choices or slot.where != "body" or not _STATES & set(slot.words):
        return None
    texts = {str(choice).lower(): choice for choice in slot.choices}
    if exact:
        return texts.get(word)
    begun = [text for text in texts if len(word) >= _SHORTEST and text.startswith(word)]
    begun.sort(key=lambda text: (not text.endswith("ing"), len(text)))
    return texts[begun[0]] if begun and singular(begun[0]) == begun[0] else None


def _with_state(one: Candidate, slot: Slot, choice: Any, score: float) -> Candidate:
    filling = one.filling
    kept = tuple(option for option in filling.options if option.slot.required and option.slot is not slot)
    state = Option(slot=slot, value=[choice] if slot.many else choice, sure=SAID, start=0, end=0)
    missing = tuple(other for other in filling.missing if other is not slot)
    return replace(one, filling=replace(filling, options=(*kept, state), missing=missing), score=score, unasked=False)
