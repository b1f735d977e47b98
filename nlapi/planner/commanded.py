"""What the first word of a sentence commands: the change that it means, or that no likely operation does it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlapi.changes.sentences import opening
from nlapi.openapi.spec import Operation
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.candidates import Candidate, candidate_of
from nlapi.planner.commands import commands, own_verbs
from nlapi.planner.slots.entities import is_subject, noun_stems
from nlapi.planner.slots.known_values import wanted_in
from nlapi.planner.operations.intent_rewrites import DETERMINERS
from nlapi.planner.option import Option
from nlapi.planner.language.english.text import Kind, Sentence, Token
from nlapi.resources.naming import DEEDS, METHODS, PLAIN_VERBS, STOPWORDS, VERBS, Intent, pieces, singular

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
    if not found or catalogue.index.changes(found[0].operation):
        return _by_own_verb(found, sentence)
    changes = [one for one in found if catalogue.index.changes(one.operation)]
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
    start = opening(sentence.text)
    first = next((token for token in sentence.tokens if token.start >= start and token.word), None)
    if not found or first is None or first.stem in PLAIN_VERBS or found[0].row["verb"] > _ALIKE:
        return found
    own = [one for one in found if first.stem in own_verbs(one.operation) and one.score > found[0].score - _NEAR]
    return [*own, *(one for one in found if one not in own)]


def _own(changes: Sequence[Candidate], sentence: Sentence) -> str | None:
    """The stem of the first word of a sentence, where it is what a change does by its summary: Follow artists."""
    start = opening(sentence.text)
    first = next((token for token in sentence.tokens if token.start >= start and token.word), None)
    if first is None or singular(first.lower) != first.lower or VERBS.get(first.stem) is Intent.READ:
        return None
    return first.stem if any(_does(first.lower, one.operation) for one in changes) else None


def _does(word: str, operation: Operation) -> bool:
    last = pieces(operation.path.rstrip("/").rpartition("/")[2])
    return pieces(operation.summary)[:1] == [word] or (last == [word] and operation.method != "GET")


def creation_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Sequence[Candidate]:
    """What makes a thing first, where `create` is said and the likeliest operation changes one that is there.

    Some APIs do both by POST: /customers makes one, /customers/{customer} changes it.
    """
    start = opening(sentence.text)
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
    start, best = opening(sentence.text), found[0]
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
    if not left or not catalogue.index.changes(best.operation):
        return found
    near = (
        one for one in found[1:] if one.score > best.score - _NAMED and one.operation.method == best.operation.method
    )
    other = next((one for one in near if not one.filling.unused), None)
    return found if other is None else [other, *(one for one in found if one is not other)]


def uncommanded(best: Candidate, catalogue: Catalogue) -> str:
    """The command of a sentence that a read does not carry out: [duplicate] the campaign; "" when there is none."""
    if catalogue.index.changes(best.operation):
        return ""
    sentence = best.scene.sentence
    writes = any(map(catalogue.index.changes, catalogue.operations))
    verb = _command(best, sentence, catalogue) if writes and len(_SENTENCES.split(sentence.text.strip())) == 1 else None
    start = opening(sentence.text)
    return next((one.text for one in sentence.tokens if one.start >= start and one.stem == verb), "") if verb else ""


def _command(best: Candidate, sentence: Sentence, catalogue: Catalogue) -> str | None:
    """The stem of the word that a sentence begins with, where it commands something that is no read."""
    start = opening(sentence.text)
    rest = [token for token in sentence.tokens if token.start >= start]
    if len(rest) < 2 or not rest[0].word or singular(rest[0].lower) != rest[0].lower:
        return None
    first = rest[0]
    covered = any(
        one.start <= first.start < one.end and str(one.value).lower() == first.lower for one in best.filling.options
    )
    reads = VERBS.get(first.stem) is Intent.READ or DEEDS.get(first.stem) in _READING
    if covered or first.lower in STOPWORDS or reads or not first.lower.isalpha():
        return None
    if first.stem in own_verbs(best.operation):
        return None
    if first.stem in VERBS:
        return first.stem if commands(first) and first.stem not in noun_stems(best.operation) else None
    after = next((token for token in rest[1:] if token.lower not in _PARTICLES), None)
    known = first.stem in best.scene.common or first.stem in best.scene.talked or catalogue.index.names(first.stem)
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
    words = set(pieces(names))
    return token.lower not in words and not words.isdisjoint((f"{token.lower}d", f"{token.lower}ed"))


def _is_one_thing(token: Token, best: Candidate) -> bool:
    """Is a token the noun, in the singular, of what the operation is about?"""
    return token.stem in noun_stems(best.operation) and singular(token.lower) == token.lower
