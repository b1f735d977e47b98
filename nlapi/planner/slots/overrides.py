"""The candidates that a sentence has so clearly that no forest decides: a task called "Order laptops"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nlapi.planner.language.names import named_thing
from nlapi.planner.language.text import Kind
from nlapi.planner.language.words import stems as stem_set
from nlapi.planner.language.words import words as word_set
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import RENAMES, SLUG, is_subject, kind_of
from nlapi.planner.slots.features import NAMELIKE
from nlapi.planner.slots.slot import Family, Option, Slot
from nlapi.planner.slots.thing_names import noun_places
from nlapi.resources.naming import METHODS, Intent, singular, stem

# Probability of such a candidate.
SURE = 0.95
_NAMING = word_set("slots", "naming")
_AFTER_FIELD = frozenset(("of", "for", "on", "in", "to", "="))
_SHORTEST_EXAMPLE = 2
_REASONS = stem_set("slots", "reasons")
_VALUE = (stem("value"),)
_CONVERSIONS = frozenset(("", "singular"))
_BETWEEN = frozenset((":", "=", "is", "it", "them", "this", "that", "to", "by", "as", "-"))


def plainly(scene: Scene, weighed: Iterable[Option], offered: Iterable[Option]) -> Iterator[Option]:
    """Return the weighed candidates, with the clear ones of all that are `offered` at the probability SURE."""
    options = list(weighed)
    naming = naming_slot(scene)
    subject = next((slot for slot in scene.slots if is_subject(scene.operation, slot)), None)
    name = named_thing(scene.sentence, kind_of(scene.tool, subject)) if subject is not None else None
    # A clear candidate may have been left out by the forests, so that all offered ones are looked at.
    rated = {(id(option.slot), id(option.span), option.how) for option in options}
    dropped = [
        option
        for option in offered
        if option.span is not None and (id(option.slot), id(option.span), option.how) not in rated
    ]
    for at, option in enumerate((*options, *dropped)):
        weighs = at < len(options)
        plain = (
            option.span is not None
            and option.how in _CONVERSIONS
            and (
                (option.slot is naming and _is_new_name(scene, option))
                or (option.slot is subject and _is_token(option, name))
                or _is_example(option)
                or _gives_reason(scene, option)
                or _is_set(scene, option)
                or _is_new_value(scene, option, name)
            )
        )
        if plain and not (weighs and option.sure >= SURE):
            yield replace(option, sure=SURE)
        elif weighs:
            yield option


def _is_new_value(scene: Scene, option: Option, name: int | None) -> bool:
    """Return whether a mention is all that follows the name of a resource and `to`: set the variable x to [5]."""
    span, tokens = option.span, scene.sentence.tokens
    if name is None or span is None or option.how or option.slot.where != "body":
        return False
    if option.slot.words != _VALUE or not RENAMES.isdisjoint(scene.sentence.stem_set):
        return False
    ends = span.last == len(tokens) or not any(token.word for token in tokens[span.last :])
    return ends and span.first == name + 2 and tokens[name + 1].lower in ("to", "=", "as")


def _is_token(option: Option, at: int | None) -> bool:
    """Return whether a candidate is the token at `at`, as it stands."""
    span = option.span
    return span is not None and at is not None and not option.how and (span.first, span.last) == (at, at + 1)


def _gives_reason(scene: Scene, option: Option) -> bool:
    """Return whether a mention is the clause behind `because`, for a slot that takes the reason."""
    span = option.span
    if span is None or option.how or span.form != "clause" or not _REASONS & set(option.slot.words) or not span.first:
        return False
    return scene.sentence.tokens[span.first - 1].lower in ("because", "since")


def _is_set(scene: Scene, option: Option) -> bool:
    """Return whether a mention is the new value of a field: change the [account] of example.org to [globex]."""
    span, slot, tokens = option.span, option.slot, scene.sentence.tokens
    if span is None or option.how or slot.where == "path" or scene.operation.method not in METHODS[Intent.UPDATE]:
        return False
    partly = span.kind in (Kind.PHRASE, Kind.NAME) and span.form not in ("whole", "")
    if partly or not span.first or tokens[span.first - 1].lower not in ("to", "=", "as"):
        return False
    if span.last < len(tokens) and tokens[span.last].text not in ".!?":
        return False  # what follows may belong to it
    count = len(slot.words)
    places = (at for at in range(span.first - count) if scene.sentence.stems[at : at + count] == slot.words)
    return any(tokens[at + count].lower in _AFTER_FIELD for at in places)


def _is_example(option: Option) -> bool:
    """Return whether a value is a sample of the description, and no ordinary word: SIGKILL."""
    text = option.span.text if option.span is not None and not option.how else ""
    same = text == option.value and text in (option.slot.schema.get("default"), *option.slot.samples)
    return same and text.isupper() and len(text) > _SHORTEST_EXAMPLE


def naming_slot(scene: Scene) -> Slot | None:
    """Return the slot for the name of the resource that an operation creates; None without one."""
    if scene.operation.method not in METHODS[Intent.CREATE] or scene.operation.path.rstrip("/").endswith("}"):
        return None
    noun = scene.noun
    names = [slot for slot in scene.slots if slot.where == "body" and _is_name(slot, noun) and not slot.many]
    return min(names, key=lambda slot: (len(slot.path), not slot.required), default=None)


def _is_name(slot: Slot, noun: tuple[str, ...]) -> bool:
    words = tuple(word for word in slot.words if word not in noun and word != stem("new"))
    return slot.family is Family.TEXT and len(words) == 1 and words[0] in (*NAMELIKE, stem("topic"))


def _is_new_name(scene: Scene, option: Option) -> bool:
    """Return whether a mention stands behind `called`, or right behind the noun, quoted or as a code."""
    span, tokens = option.span, scene.sentence.tokens
    if span is None or option.how or not span.first or len(option.spans) > 1:
        return False
    if _is_token(option, named_thing(scene.sentence, scene.noun[-1:])):
        return True
    at = span.first - 1
    while at > 0 and tokens[at].lower in _BETWEEN:
        at -= 1
    if span.kind in (Kind.CALLED, Kind.QUOTED, Kind.LITERAL) and tokens[at].lower in _NAMING:
        return _first_naming(scene) == at
    behind = any(last == at + 1 for _, last in noun_places(scene, scene.noun[-1:]))
    behind_singular = behind and singular(tokens[at].lower) == tokens[at].lower
    coded = span.kind is Kind.LITERAL and span.form in ("host", "id")
    coded = coded or (span.last - span.first == 1 and not span.text.isalpha() and bool(SLUG.fullmatch(span.text)))
    return (span.kind is Kind.QUOTED or coded) and behind_singular


def _first_naming(scene: Scene) -> int:
    return next((at for at, token in enumerate(scene.sentence.tokens) if token.lower in _NAMING), -1)
