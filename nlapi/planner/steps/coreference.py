"""What `it`, `the second one` and `that campaign` refer to: the things that the turns before were about."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nlapi.openapi.spec import Operation
from nlapi.planner.answering.answers import listed_in
from nlapi.planner.answering.row_fields import called, noun, plural
from nlapi.planner.slots.entities import id_like
from nlapi.resources.answers import extract_item
from nlapi.resources.identity import Item, id_of, name_of
from nlapi.resources.naming import VERBS, singular, split_words, stem
from nlapi.tools.plan import Conversation, Outcome, Step

_PLACES = {
    word: place
    for place, words in enumerate(("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th"))
    for word in words.split()
}
_PLACES["last"] = -1
_ORDINAL = re.compile(
    rf"\b(?:the\s+)?(?:number\s+(?P<number>\d+)|(?P<word>{'|'.join(_PLACES)}))\b"
    r"(?P<what>\s+(?:one|of\s+(?:them|these|those)|[a-z]+(?:\s+[a-z]+)?))?",
    re.IGNORECASE,
)
_ITS = re.compile(r"\b(?:its|his|her|their)\s+(?P<rest>[^.?!]+)", re.IGNORECASE)
_IT = re.compile(
    r"\b(?:it|him|her|that one|this one|the same one|(?:that|this|the)\s+(?P<noun>[a-z]+(?:\s+[a-z]+)?))\b",
    re.IGNORECASE,
)
_THEM = re.compile(r"\b(?:them|these|those|they)\b", re.IGNORECASE)
_DUMMY = re.compile(r"\b(?:is|does|was|make|makes|if)\s+it\b|\bit\s+(?:is|was|possible|takes?)\b", re.IGNORECASE)
_AFTER = frozenset("now please again too instead and to for from by with in is of".split())
"""What may stand after a noun that is not part of it."""
MOST_SHOWN = 6


class NobodySaid(Exception):  # noqa: N818
    """What is referred to cannot be told; the message says so to the user. Never leaves the planner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What the last answered call was about: one thing, or a list of them, all of the same kind."""

    operation: Operation
    items: tuple[Item, ...]

    listed: bool = False

    @classmethod
    def of(cls, before: Conversation, *, listed: bool = False) -> Things | None:
        """The things of the last call with an answer that holds any; with `listed`, of the last that listed some."""
        for turn in reversed(before.turns):
            for step in reversed(turn.steps):
                items = _items(step) or _target(step)
                found = cls(operation=step.call.tool.operation, items=tuple(items), listed=_lists(step))
                if items and (found.listed or not listed):
                    return found
        return None

    def said(self, thing: Item) -> str:
        """A thing as a sentence names it: the campaign cmp_1."""
        id, name = id_of(thing), name_of(thing)
        if id is None:
            return f'the {noun(self.operation)} "{name}"'
        text = str(id)
        return f"the {noun(self.operation)} {text if id_like(text) else _quoted(text)}"

    @property
    def only(self) -> Item:
        """The one thing there is. NobodySaid when there are several."""
        if len(self.items) == 1:
            return self.items[0]
        names = ", ".join(called(thing, self.items) for thing in self.items[:MOST_SHOWN])
        raise NobodySaid(f"Which one? There are {len(self.items)} {plural(self.operation)}: {names}.")

    def at(self, place: int) -> Item:
        if place >= len(self.items):
            raise NobodySaid(f"There is no such one: only {len(self.items)} {plural(self.operation)} were listed.")
        return self.items[place]


def _quoted(text: str) -> str:
    return f'"{text}"'


def by_place(question: str) -> bool:
    """Does a question speak of a thing by its place?"""
    return _ORDINAL.search(question) is not None


def _items(step: Step) -> list[Item]:
    """The things in the answer of a step; of a change without an answer, the thing that was changed."""
    if step.result is None or not step.result.ok:
        return []
    if (listed := listed_in(step)) is not None:
        return listed.object_entries
    thing = extract_item(step.result.data, step.call.tool.operation)
    return [thing] if thing is not None and (id_of(thing) is not None or name_of(thing)) else []


def _target(step: Step) -> list[Item]:
    """The thing that a call was about which was shown and not sent."""
    if step.outcome not in (Outcome.REFUSED, Outcome.PREVIEWED):
        return []
    places = step.call.tool.places
    ids = [value for name, value in step.call.arguments.items() if places.get(name, ("",))[0] == "path"]
    return [{"id": ids[-1]}] if ids else []


def _lists(step: Step) -> bool:
    return step.result is not None and step.result.ok and listed_in(step) is not None


def resolve(question: str, before: Conversation) -> str:
    """The question with what it refers to by name. NobodySaid when that cannot be told.

    A place among things is one in the last list, a pronoun stands for what the last answer was about.
    """
    text = question
    if (listed := Things.of(before, listed=True)) is not None:
        text = _by_place(question, listed)
    if text == question and (things := Things.of(before)) is not None:
        text = _by_pronoun(question, things)
    bare = text.strip().rstrip(".?!")
    reference = text != question and not any(stem(word) in VERBS for word in split_words(bare)[:3])
    return f"show {bare}" if reference and bare.lower().startswith("the ") else text


def _by_place(question: str, things: Things) -> str:
    found = _ORDINAL.search(question)
    if found is None:
        return question
    what = (found["what"] or "").strip().lower()
    rest = question[found.end() :]
    after = ""
    if what and not re.fullmatch(r"one|of\s+(?:them|these|those)", what):
        words = what.split()
        own = noun(things.operation).split()
        if [*map(singular, words[: len(own)])] == own:
            after = " ".join(words[len(own) :])
        elif words[0] == "one":
            after = " ".join(words[1:])
        else:
            return question
    if not what and rest.strip(" .?!'s"):
        return question
    place = int(found["number"]) - 1 if found["number"] else _PLACES[found["word"].lower()]
    return " ".join(f"{question[: found.start()]}{things.said(things.at(place))} {after}{rest}".split())


def _by_pronoun(question: str, things: Things) -> str:
    if its := _ITS.search(question):
        return f"{question[: its.start()]}the {its['rest'].strip()} of {things.said(things.only)}"
    own = noun(things.operation)
    for found in _IT.finditer(question):
        said = (found["noun"] or "").lower()
        if not said and (_DUMMY.search(question) and found.group().lower() == "it" and not _of_thing(question)):
            continue
        if said and not _is_noun(said, own):
            continue
        rest = question[found.end() :]
        if said and found.group().lower().startswith("the ") and rest.strip(" .?!"):
            continue
        extra = said[len(own) :] if said.startswith(own) else ""
        return f"{question[: found.start()]}{things.said(things.only)}{extra}{rest}"
    if _THEM.search(question):
        return _THEM.sub(f"the {plural(things.operation)}", question, count=1)
    return question


def _of_thing(question: str) -> bool:
    """`is it active` is about the thing; `is it possible to` about nothing."""
    return re.search(r"\bit\s+(?:possible|ok|okay|safe|allowed|true that|wise)\b", question, re.IGNORECASE) is None


def _is_noun(said: str, own: str) -> bool:
    return said == own or (said.startswith(f"{own} ") and said.removeprefix(f"{own} ") in _AFTER)
