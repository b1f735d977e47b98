"""The items that `it`, `the second one` and `that campaign` refer to: those of the turns before."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.answers import list_of_step
from nlapi.planner.answering.row_fields import item_label, plural_name, singular_name
from nlapi.planner.slots.entities import id_like
from nlapi.resources.answers import extract_item
from nlapi.resources.identity import Item, id_of, name_of
from nlapi.resources.naming import VERBS
from nlapi.tools.plan import Conversation, Outcome, Step

_ORDINALS = {
    word: index
    for index, words in enumerate(("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th"))
    for word in words.split()
}
_ORDINALS["last"] = -1
_ORDINAL = re.compile(
    rf"\b(?:the\s+)?(?:number\s+(?P<number>\d+)|(?P<word>{'|'.join(_ORDINALS)}))\b"
    r"(?P<noun>\s+(?:one|of\s+(?:them|these|those)|[a-z]+(?:\s+[a-z]+)?))?",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"one|of\s+(?:them|these|those)")
_POSSESSIVE = re.compile(r"\b(?:its|his|her|their)\s+(?P<rest>[^.?!]+)", re.IGNORECASE)
_PRONOUN = re.compile(
    r"\b(?:it|him|her|that one|this one|the same one|(?:that|this|the)\s+(?P<noun>[a-z]+(?:\s+[a-z]+)?))\b",
    re.IGNORECASE,
)
_PLURAL = re.compile(r"\b(?:them|these|those|they)\b", re.IGNORECASE)
# Here `it` refers to nothing, unlike in `is it active`.
_EXPLETIVE = re.compile(
    r"\b(?:is|was|makes?|if)\s+it\s+(?:possible|ok|okay|safe|allowed|true that|wise)\b", re.IGNORECASE
)
# Words after a noun that are no part of it.
_AFTER_NOUN = frozenset("now please again too instead and to for from by with in is of".split())
_MAX_NAMES = 6


class UnresolvedReference(Exception):  # noqa: N818
    """A reference that no item answers to. The message is for the user; it never leaves the planner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The items of an answered call, all of one kind, that a later question may refer to."""

    operation: Operation
    items: tuple[Item, ...]

    @classmethod
    def of(cls, before: Conversation, *, listed: bool = False) -> References | None:
        """Return the items of the last call whose answer has any; with `listed`, of the last that lists some."""
        for step in reversed(before.steps):
            items = _items(step) or _target(step)
            if items and (not listed or _is_listing(step)):
                return cls(operation=step.call.tool.operation, items=tuple(items))
        return None

    @property
    def noun(self) -> str:
        return singular_name(self.operation)

    def phrase(self, item: Item) -> str:
        """Return an item as a sentence names it: the campaign cmp_1."""
        id = id_of(item)
        text = name_of(item) if id is None else str(id)
        return f"the {self.noun} {text}" if id is not None and id_like(text) else f'the {self.noun} "{text}"'

    @property
    def single(self) -> str:
        """The phrase for the only item. UnresolvedReference where there are several."""
        if len(self.items) > 1:
            names = ", ".join(item_label(item, self.items) for item in self.items[:_MAX_NAMES])
            raise UnresolvedReference(f"Which one? There are {len(self.items)} {plural_name(self.operation)}: {names}.")
        return self.phrase(self.items[0])

    def at(self, index: int) -> str:
        """Return the phrase for the item at an index. UnresolvedReference where the list is shorter."""
        if index >= len(self.items):
            count = f"only {len(self.items)} {plural_name(self.operation)} were listed"
            raise UnresolvedReference(f"There is no such one: {count}.")
        return self.phrase(self.items[index])


def has_ordinal(question: str) -> bool:
    """Return whether a question refers to an item by its position."""
    return _ORDINAL.search(question) is not None


def _items(step: Step) -> list[Item]:
    """Return the items in the answer of a step."""
    if step.result is None or not step.result.ok:
        return []
    if (listed := list_of_step(step)) is not None:
        return listed.object_entries
    item = extract_item(step.result.data, step.call.tool.operation)
    return [item] if item is not None and (id_of(item) is not None or name_of(item)) else []


def _target(step: Step) -> list[Item]:
    """Return the item that a call is about which was shown and not sent."""
    if step.outcome not in (Outcome.REFUSED, Outcome.PREVIEWED):
        return []
    places = step.call.tool.places
    ids = [value for name, value in step.call.arguments.items() if places.get(name, ("",))[0] == "path"]
    return [{"id": ids[-1]}] if ids else []


def _is_listing(step: Step) -> bool:
    return step.result is not None and step.result.ok and list_of_step(step) is not None


def resolve_references(question: str, before: Conversation) -> str:
    """Return the question with the items that it refers to by name. UnresolvedReference where none can be told.

    An ordinal is a position in the last listing, a pronoun the item of the last answer.
    """
    text = question
    if (listed := References.of(before, listed=True)) is not None:
        text = _resolve_ordinal(question, listed)
    if text == question and (references := References.of(before)) is not None:
        text = _resolve_pronoun(question, references)
    bare = text.strip().rstrip(".?!")
    # `the ads of it` has no verb, and the sentence reader takes a noun phrase for no command.
    is_phrase = text != question and not any(stem(word) in VERBS for word in split_words(bare)[:3])
    return f"show {bare}" if is_phrase and bare.lower().startswith("the ") else text


def _resolve_ordinal(question: str, listed: References) -> str:
    match = _ORDINAL.search(question)
    if match is None:
        return question
    words = (match["noun"] or "").lower().split()
    tail, after = question[match.end() :], ""
    if not words and tail.strip(" .?!'s"):
        return question
    if words and not _PLACEHOLDER.fullmatch(" ".join(words)):
        noun_words = listed.noun.split()
        if [singular(word) for word in words[: len(noun_words)]] == noun_words:
            after = " ".join(words[len(noun_words) :])
        elif words[0] == "one":
            after = " ".join(words[1:])
        else:
            return question
    index = int(match["number"]) - 1 if match["number"] else _ORDINALS[match["word"].lower()]
    return " ".join(f"{question[: match.start()]}{listed.at(index)} {after}{tail}".split())


def _resolve_pronoun(question: str, references: References) -> str:
    if match := _POSSESSIVE.search(question):
        return f"{question[: match.start()]}the {match['rest'].strip()} of {references.single}"
    for match in _PRONOUN.finditer(question):
        pronoun, noun_phrase = match.group().lower(), (match["noun"] or "").lower()
        tail = question[match.end() :]
        if noun_phrase:
            # `the campaign` refers back at the end of a sentence only: `the campaign Summer` names its item.
            names_item = pronoun.startswith("the ") and tail.strip(" .?!")
            if names_item or not _is_noun(noun_phrase, references.noun):
                continue
        elif pronoun == "it" and _EXPLETIVE.search(question):
            continue
        return f"{question[: match.start()]}{references.single}{noun_phrase.removeprefix(references.noun)}{tail}"
    return _PLURAL.sub(f"the {plural_name(references.operation)}", question, count=1)


def _is_noun(phrase: str, noun: str) -> bool:
    return phrase == noun or (phrase.startswith(f"{noun} ") and phrase.removeprefix(f"{noun} ") in _AFTER_NOUN)
