"""The account of a call: where each of its values came from, and what of the sentence is in none of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Origin(StrEnum):
    """Who gave a value."""

    WORDS = "words"
    """the user's words, which `Source.words` quotes"""
    LOOKUP = "lookup"
    """an API's answer to a look-up of the user's words"""
    SETTING = "setting"
    """the profile of the API, or `--set`"""
    REPLY = "reply"
    """the user, when asked for it"""
    DESCRIPTION = "description"
    """a constant, a default or the only choice of the description"""
    VERB = "verb"
    """the command itself: close -> `state: closed`"""
    ANSWER = "answer"
    """an API's answer that was not a look-up of the user's words: what it suggests, nobody said"""
    NOBODY = "nobody"


SAID = frozenset(
    {Origin.WORDS, Origin.LOOKUP, Origin.SETTING, Origin.REPLY, Origin.DESCRIPTION, Origin.VERB},
)
"""The origins of what the user, or the description on his behalf, said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the value of one argument came from.

    `argument` is the argument's name, dotted where the value is inside of one (`budget.amount`). `words` are the
    user's words that it was read from or looked up by; they begin at `start` of the sentence and end before `end`
    (-1 where they have no place, as in an earlier question). `name` is what the look-up's answer calls the thing.
    `sure` is how likely it is, from 0 to 1, that the words are meant as this argument.
    """

    argument: str
    value: Any
    origin: Origin
    words: str = ""
    start: int = -1
    end: int = -1
    name: str = ""
    sure: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account of one call: a Source for every value, and the words of the sentence that were used for nothing.

    `sentence` is what the call is for where that is not the whole question: a clause of it, or what a short question
    means after the ones before. A `traced` account was made for a call that a model wrote: the model read the sentence,
    and what it took each word for is not known. `answered`: an API had answered before the model wrote it.
    """

    sources: tuple[Source, ...] = ()
    unused: tuple[str, ...] = ()
    sentence: str = ""
    traced: bool = False
    answered: bool = False

    def of(self, argument: str) -> tuple[Source, ...]:
        """The sources of an argument and of everything inside of it."""
        return tuple(one for one in self.sources if one.argument == argument or one.argument.startswith(f"{argument}."))
