"""What the first word of a sentence commands: the change that it means, or that no likely operation does it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Operation
from nlapi.planner.language.commands import commands, own_verbs
from nlapi.planner.language.text import Kind, Sentence, Token
from nlapi.planner.operations.candidates import Candidate, candidate_of
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.intent_rewrites import DETERMINERS, says_all
from nlapi.planner.slots.entities import RENAMES, is_subject, noun_stems
from nlapi.planner.slots.features import NAMELIKE
from nlapi.planner.slots.known_values import wanted_in
from nlapi.planner.slots.slot import Option, Slot
from nlapi.resources.naming import (
    ACTION_KINDS,
    METHODS,
    PLAIN_VERBS,
    STOPWORDS,
    VERBS,
    Intent,
    name_words,
    singular,
    split_words,
    stem,
)

_BEHIND, _NEAR = 9.0, 5.0
"""How far a change may be behind a read that is not asked for: one whose own verb is said, and any other."""
_ALIKE = 0.3
"""How near in meaning a verb may be at most to that of the sentence and still be another."""
_NAMED = 2.0
"""How far a change that takes the name said may be behind one that does not."""
_READING = frozenset(("find", "compute", "convert", "check", "compare", "help"))
"""Deeds that change nothing."""
_MAKING = frozenset(("create", "make", "register", "new"))
_SENTENCES = re.compile(r"[.!?]\s+")
_PARTICLES = frozenset("off up out down away back on over".split())


def change_instead(found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue) -> Sequence[Candidate]:
    """The change first that a sentence commands with its first word, where a read is likelier but for that.

    By a verb of the operation's own (attach a volume), else by a known one and the methods that carry it out.
    """
    if not found or catalogue.index.is_change(found[0].operation):
        return _by_own_verb(found, sentence)
    changes = [one for one in found if catalogue.index.is_change(one.operation)]
    verb = _command(found[0], sentence, catalogue) or _own(changes, sentence)
    if verb is None:
        return found
    first = next(token.lower for token in sentence.tokens if token.stem == verb)
    does = [one for one in changes if verb in own_verbs(one.operation) or _does(first, one.operation)]
    own = [one for one in does if one.score > found[0].score - _BEHIND]
    known = METHODS[VERBS[verb]] if verb in VERBS else ()
    near = [one for one in changes if one.operation.method in known and one.score > found[0].score - _NEAR]
    said = [one for one in near if set(noun_stems(one.operation)) <= sentence.stem_set]
    best = max(own or said or near, key=lambda one: one.score, default=None)
    return [best, *(one for one in found if one is not best)] if best is not None else found


def _by_own_verb(found: Sequence[Candidate], sentence: Sentence) -> Sequence[Candidate]:
    """The change first whose own verb is said, where the likeliest does something else: [start] cache prunes none."""
    start = opening_length(sentence.text)
    first = next((token for token in sentence.tokens if token.start >= start and token.word), None)
    if not found or first is None or first.stem in PLAIN_VERBS or found[0].row["verb"] > _ALIKE:
        return found
    own = [one for one in found if first.stem in own_verbs(one.operation) and one.score > found[0].score - _NEAR]
    return [*own, *(one for one in found if one not in own)]


def _own(changes: Sequence[Candidate], sentence: Sentence) -> str | None:
    """The stem of the first word of a sentence, where it is what a change does by its summary: Follow artists."""
    start = opening_length(sentence.text)
    first = next((token for token in sentence.tokens if token.start >= start and token.word), None)
    if first is None or singular(first.lower) != first.lower or VERBS.get(first.stem) is Intent.READ:
        return None
    return first.stem if any(_does(first.lower, one.operation) for one in changes) else None


def _does(word: str, operation: Operation) -> bool:
    last = split_words(operation.path.rstrip("/").rpartition("/")[2])
    return split_words(operation.summary)[:1] == [word] or (last == [word] and operation.method != "GET")


def creation_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Sequence[Candidate]:
    """What makes a thing first, where `create` is said and the likeliest operation changes one that is there.

    Some APIs do both by POST: /customers makes one, /customers/{customer} changes it.
    """
    start = opening_length(sentence.text)
    first = next((token.lower for token in sentence.tokens if token.start >= start and token.word), "")
    parent, inside, last = found[0].operation.path.rstrip("/").rpartition("/{") if found else ("", "", "")
    if first in (*_MAKING, "add") and (made := _named_maker(found, sentence)) is not None:
        return [made, *(one for one in found if one is not made)]
    if first not in _MAKING or not inside or "/" in last or found[0].operation.method not in ("POST", "PUT", "PATCH"):
        return found
    every = (one for one in catalogue.operations if one.spec is found[0].operation.spec)
    maker = next((one for one in every if one.method == "POST" and one.path.rstrip("/") == parent), None)
    best = candidate_of(sentence, catalogue, known, maker, found[0].score) if maker is not None else None
    if best is None:
        return found
    return [replace(best, score=found[0].score), *(one for one in found if one.operation is not maker)]


def _named_maker(found: Sequence[Candidate], sentence: Sentence) -> Candidate | None:
    """What makes the thing whose noun stands before `named`, where the likeliest makes another: a work pool named x."""
    tokens = sentence.tokens
    at = next((at for at, token in enumerate(tokens) if token.lower in ("named", "called")), 0)
    noun = noun_stems(found[0].operation) if found else ()
    before = sentence.stems[:at]
    if not at or not noun or before[-len(noun) :] == noun:
        return None
    makers = [one for one in found if one.operation.method in METHODS[Intent.CREATE] and not one.unasked]
    fitting = [one for one in makers if (own := noun_stems(one.operation)) and before[-len(own) :] == own]
    return max(fitting, key=lambda one: len(noun_stems(one.operation)), default=None)


def update_instead(found: Sequence[Candidate], sentence: Sentence) -> Sequence[Candidate]:
    """What changes the thing that is named first, where `set` or `enable` is said and making it anew is likelier."""
    start, best = opening_length(sentence.text), found[0]
    first = next((token.stem for token in sentence.tokens if token.start >= start and token.word), "")
    makes = best.operation.method == "POST" and not best.operation.path.rstrip("/").endswith("}")
    if not makes or VERBS.get(first) is not Intent.UPDATE or first in own_verbs(best.operation):
        return found
    near = (one for one in found[1:] if one.score > best.score - _NEAR and one.operation.method in ("PUT", "PATCH"))
    items = (one for one in near if one.operation.path.rstrip("/").endswith("}") and not one.filling.unused)
    other = next((one for one in items if any(_is_target(one, option) for option in one.filling.options)), None)
    return found if other is None else [other, *(one for one in found if one is not other)]


def _is_target(one: Candidate, option: Option) -> bool:
    return wanted_in(option.value) is not None and is_subject(one.operation, option.slot)


def named_instead(found: Sequence[Candidate], catalogue: Catalogue) -> Sequence[Candidate]:
    """The change first that takes the name which is said, where one that leaves it out is a little likelier.

    With the id of an account set beforehand, `rename Summer Sale to Autumn Sale` renames no account.
    """
    best = found[0]
    left = any(span.kind is Kind.NAME for span in best.filling.unused)
    if not left or not catalogue.index.is_change(best.operation):
        return found
    near = (
        one for one in found[1:] if one.score > best.score - _NAMED and one.operation.method == best.operation.method
    )
    other = next((one for one in near if not one.filling.unused), None)
    return found if other is None else [other, *(one for one in found if one is not other)]


def uncommanded(best: Candidate, catalogue: Catalogue) -> str:
    """The command of a sentence that a read does not carry out: [duplicate] the campaign; "" when there is none."""
    if catalogue.index.is_change(best.operation):
        return ""
    sentence = best.scene.sentence
    writes = any(map(catalogue.index.is_change, catalogue.operations))
    verb = _command(best, sentence, catalogue) if writes and len(_SENTENCES.split(sentence.text.strip())) == 1 else None
    start = opening_length(sentence.text)
    return next((one.text for one in sentence.tokens if one.start >= start and one.stem == verb), "") if verb else ""


def _command(best: Candidate, sentence: Sentence, catalogue: Catalogue) -> str | None:
    """The stem of the word that a sentence begins with, where it commands something that is no read."""
    start = opening_length(sentence.text)
    rest = [token for token in sentence.tokens if token.start >= start]
    if len(rest) < 2 or not rest[0].word or singular(rest[0].lower) != rest[0].lower:
        return None
    first = rest[0]
    covered = any(
        one.start <= first.start < one.end and str(one.value).lower() == first.lower for one in best.filling.options
    )
    reads = VERBS.get(first.stem) is Intent.READ or ACTION_KINDS.get(first.stem) in _READING
    if covered or first.lower in STOPWORDS or reads or not first.lower.isalpha():
        return None
    if first.stem in own_verbs(best.operation):
        return None
    if first.stem in VERBS:
        return first.stem if commands(first) and first.stem not in noun_stems(best.operation) else None
    after = next((token for token in rest[1:] if token.lower not in _PARTICLES), None)
    known = first.stem in best.scene.common or first.stem in best.scene.talked or catalogue.index.is_entity(first.stem)
    if known and after is not None and _is_one_thing(after, best) and _is_participle_there(first, best):
        return first.stem
    named = any(one.start <= first.start < one.end for one in sentence.spans if one.kind is Kind.NAME)
    if known or named or after is None:
        return None
    return first.stem if after.lower in DETERMINERS or _is_one_thing(after, best) else None


def _is_participle_there(token: Token, best: Candidate) -> bool:
    """Does an operation say only that something is so (a flag `expired`) which a token commands to be done?"""
    operation = best.operation
    names = " ".join((operation.id, operation.summary, operation.path, *(slot.name for slot in best.scene.slots)))
    words = set(split_words(names))
    return token.lower not in words and not words.isdisjoint((f"{token.lower}d", f"{token.lower}ed"))


def _is_one_thing(token: Token, best: Candidate) -> bool:
    """Is a token the noun, in the singular, of what the operation is about?"""
    return token.stem in noun_stems(best.operation) and singular(token.lower) == token.lower


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
    if best.unasked or not catalogue.index.is_change(best.operation):
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
    words, sentence = split_words(last), one.scene.sentence
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
    start = opening_length(sentence.text)
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
    if command is None or says_act(best) or command.stem in map(stem, split_words(f"{best.operation.id}")):
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
