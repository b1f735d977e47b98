"""Questions that lean on the turn before: the first one, pause it, and the paused ones?, next page, yes, 2."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from itertools import takewhile
from typing import Any

from nlapi.openapi.spec import Effect
from nlapi.planner.answering.answers import list_question, listed_in
from nlapi.planner.language.question_intent import wish_of
from nlapi.planner.language.reader import read_sentence
from nlapi.planner.operations.candidates import candidate_of
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import noun_stems, takes_id
from nlapi.planner.slots.known_values import Values, argument_name, coerce
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.coreference import NobodySaid, Things, by_place, resolve
from nlapi.planner.steps.goal import CALL, Goal
from nlapi.planner.steps.steps import go_on, plan_for
from nlapi.resources.naming import VERBS, Intent, split_words, stem
from nlapi.tools.answer_view import next_arguments, page_arguments
from nlapi.tools.plan import Conversation, Outcome, Plan, Step, Turn
from nlapi.tools.tool import Call

Planning = Callable[..., Plan]
"""OfflinePlanner.plan: (question, known=, chosen=) -> Plan"""

LIKE_BEFORE = 0.75
"""How sure a plan is that does again what was done before, with something changed."""
MENU = 0.4
"""A plan that is less sure than this may have been offered among others."""
_YES = re.compile(
    r"^\W*(?:yes|y|yep|yeah|sure|ok|okay|do it|go ahead|please do|yes please|confirm(?:ed)?)\W*$", re.IGNORECASE
)
_NO = re.compile(r"^\W*(?:no|n|nope|cancel|never ?mind|don'?t|stop|no thanks?|no thank you)\W*$", re.IGNORECASE)
_MORE = re.compile(
    r"^\W*(?:and |show |give |get |list )*(?:me )?(?:the )?"
    r"(?:more|next|next page|next ones?|more of (?:them|these|those)|continue|go on)(?: please)?\W*$",
    re.IGNORECASE,
)
_ALSO = re.compile(
    r"^\W*(?:and|but|now|also|or|only|just|what about|how about|same for|the same for|and what about)\b[\s,]*"
    r"(?:only |just |now |for |show |with )*",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"^\W*(?:and )?(?:what|how) about\b", re.IGNORECASE)
_ONES = re.compile(r"\b(?:ones|of (?:them|those|these))\b", re.IGNORECASE)
_LONGEST_REPLY = 6


def follow(conversation: Conversation, catalogue: Catalogue, plan: Planning, today: date) -> Plan:
    """The first Plan for the conversation's last question, with what the turns before it make of it."""
    turn, known = conversation.current, conversation.known_values
    if turn.chosen is not None or len(conversation.turns) < 2:
        return plan(turn.question, known=known, chosen=turn.chosen)
    before = replace(conversation, turns=conversation.turns[:-1])
    made = _reply(turn.question, before, catalogue, plan, today) or _more(turn.question, before, catalogue)
    if made is not None:
        return made
    some = _is_about_all(turn.question, catalogue) and not by_place(turn.question)
    if some and (again := _again(turn.question, before, catalogue, plan, today)) is not None:
        return again
    try:
        question = resolve(turn.question, before)
    except NobodySaid as unsaid:
        return Plan(text=str(unsaid), confidence=0.3)
    if question == turn.question and (again := _again(question, before, catalogue, plan, today)) is not None:
        return again
    return plan(question, known=known)


def _reply(text: str, before: Conversation, catalogue: Catalogue, plan: Planning, today: date) -> Plan | None:
    """The Plan for an answer to what the turn before had to ask; None when nothing was asked, or this is no answer."""
    last = before.current
    if _YES.match(text) and (step := _held_back(last)) is not None:
        return Plan(calls=(step.call,), confidence=1.0, raw=CALL)
    pending = _pending(before, catalogue, plan, today)
    if pending is not None and pending.missing:
        argument = pending.missing[0].argument
        if (value := _given(text, pending)) is not None:
            return plan(last.question, known={**before.known_values, argument: value})
    offered = _offered(pending)
    if offered and (number := _number(text)) is not None and number <= len(offered):
        return plan(last.question, known=before.known_values, chosen=offered[number - 1].tool.operation)
    if _NO.match(text):
        return Plan(text="Nothing was done.")
    return Plan(text="There is nothing to say yes to.", confidence=0.3) if _YES.match(text) else None


def _held_back(turn: Turn) -> Step | None:
    """The last call of a turn, when it was shown and not sent."""
    step = turn.steps[-1] if turn.steps else None
    return step if step is not None and step.outcome in (Outcome.REFUSED, Outcome.PREVIEWED) else None


def _pending(before: Conversation, catalogue: Catalogue, plan: Planning, today: date) -> Plan | None:
    """What the turn before stopped at: its plan is made again, as a turn keeps none that was not carried out."""
    last = before.current
    if not last.steps:
        return follow(before, catalogue, plan, today)
    raw = last.rounds[-1].plan.raw
    looked = isinstance(raw, Mapping) and raw.get("stage") in ("lookup", "via") and bool(last.rounds[-1].plan.calls)
    return go_on(last, catalogue, before.known_values) if looked else None


def _given(text: str, pending: Plan) -> Any:
    """The value that a reply gives for what is missing; None when it is a question of its own."""
    missing = pending.missing[0]
    bare = text.strip().rstrip(".!")
    number = _number(bare)
    if missing.choices:
        same = [one for one in missing.choices if one.lower() == bare.lower()]
        if same:
            return same[0]
        return missing.choices[number - 1] if number is not None and number <= len(missing.choices) else None
    words = split_words(bare)
    if (
        not words
        or len(words) > _LONGEST_REPLY
        or (len(words) > 1 and stem(words[0]) in VERBS)
        or text.strip().endswith("?")
    ):
        return None
    return bare


def _offered(pending: Plan | None) -> list[Call]:
    if pending is None or not pending.calls or pending.confidence >= MENU:
        return []
    every = [pending.goal or pending.calls[-1], *pending.alternatives]
    return list({call.tool.operation: call for call in every}.values())


def _number(text: str) -> int | None:
    found = re.fullmatch(r"\W*(?:number |no\.? |#)?(\d)\W*", text, re.IGNORECASE)
    if found:
        return int(found[1]) or None
    if _YES.match(text):
        return 1
    places = ("first", "second", "third")
    return next(
        (n for n, word in enumerate(places, 1) if re.fullmatch(rf"\W*(?:the )?{word}(?: one)?\W*", text.lower())), None
    )


def _more(text: str, before: Conversation, catalogue: Catalogue) -> Plan | None:
    """The next page of what was listed last; None when that is not what is asked for."""
    if not _MORE.match(text):
        return None
    step = _last_read(before)
    things = Things.of(before)
    if step is None or step.result is None or things is None:
        return Plan(text="There is nothing yet to see more of.", confidence=0.3)
    arguments, listed = next_arguments(step.call, step.result), listed_in(step)
    total = listed.total if listed is not None else None
    if arguments is None or (total is not None and _seen(before, step) >= total):
        return Plan(text="That was all of them.")
    if not arguments:
        return Plan(text="There are more, but the API has no way to ask for them.", confidence=0.5)
    call = replace(step.call, arguments=dict(arguments), id="call", reason="for the next page")
    text = f"the next page of: {step.call.tool.operation.summary.strip() or step.call.operation_id}"
    return Plan(calls=(call,), understood=text, raw=CALL)


def _seen(before: Conversation, last: Step) -> int:
    """How many things the pages held that were shown one after the other, the last one included."""
    steps = [step for turn in before.turns for step in turn.steps]
    pages = takewhile(lambda step: step.call.operation_id == last.call.operation_id, reversed(steps))
    return sum(len(listed.object_entries) for step in pages if (listed := listed_in(step)) is not None)


def _last_read(before: Conversation, *, listed: bool = False) -> Step | None:
    """The last read that was answered, whose call was what a question was about; with `listed`, that listed things."""
    for turn in reversed(before.turns):
        for step in reversed(turn.steps):
            if step.result is None or not step.result.ok or step.call.tool.effect is not Effect.READ:
                continue
            if not listed or listed_in(step) is not None:
                return step
    return None


def _again(text: str, before: Conversation, catalogue: Catalogue, plan: Planning, today: date) -> Plan | None:
    """The last read once more with what `text` changes: and the paused ones? None when `text` stands by itself."""
    start = _ALSO.match(text)
    every = _is_about_all(text, catalogue)
    if start is None and not every:
        return None
    bare = bool(every) and wish_of(text).figures
    step = _last_read(before, listed=bare) or _last_read(before)
    if step is None:
        return None
    rest = text[start.end() :] if start else text
    tool = step.call.tool
    operation = tool.operation
    stems = [stem(word) for word in split_words(rest)]
    own = set(noun_stems(operation))
    other = [word for word in stems if catalogue.index.is_entity(word) and word not in own]
    ids = {argument_name(slot): value for slot, value in _arguments(step, catalogue).items() if takes_id(slot)}
    if stems and stems[0] in VERBS and not every:
        return plan(rest, known=before.known_values)
    candidate = candidate_of(read_sentence(rest, today), catalogue, {}, operation, 0.0)
    options = candidate.filling.options if candidate is not None else ()
    figures = wish_of(text).figures
    paging = page_arguments(tool, sizes=figures)
    options = tuple(option for option in options if not figures or option.slot.path[0] not in paging)
    if not options and other:
        return plan(f"show {rest}", known={**ids, **before.known_values})
    if not options and not (every and figures) and not _narrows(rest, step, today):
        what = operation.summary.strip().rstrip(".") or operation.id
        asked = every or (_ABOUT.match(text) and not any(map(catalogue.index.is_entity, stems)))
        return Plan(text=f"{what!r} has no argument for that.", confidence=0.3) if asked else None
    kept: Values = {
        slot.path: value for slot, value in _arguments(step, catalogue).items() if slot.path[0] not in paging
    }
    values: Values = {**kept, **{option.slot.path: option.value for option in options}}
    used = tuple(rest[option.start : option.end] for option in options)
    goal = Goal(tool=tool, values=values, confidence=LIKE_BEFORE, question=text, used=used)
    return plan_for(goal, catalogue, before.known_values)


def _narrows(text: str, step: Step, today: date) -> bool:
    """Whether what a text asks of the things listed last can be told from their fields: and the pending ones?"""
    listed = listed_in(step)
    return listed is not None and list_question(text, [step], listed, (), today).is_narrower


def _is_about_all(text: str, catalogue: Catalogue) -> bool:
    """Is a question about all that was listed: how many of them, the paused ones, which has the highest budget?

    What commands a change is not: a change is made to one thing, and it has to be named.
    """
    words = split_words(text)
    if words and VERBS.get(stem(words[0]), Intent.READ) is not Intent.READ:
        return False
    bare = wish_of(text).figures and not any(catalogue.index.is_entity(stem(word)) for word in words)
    return bare or _ONES.search(text) is not None


def _arguments(step: Step, catalogue: Catalogue) -> dict[Slot, Any]:
    """What a call was told, by slot."""
    found: dict[Slot, Any] = {}
    for slot in catalogue.slots(step.call.tool):
        place: Any = step.call.arguments
        for name in slot.path:
            place = place.get(name) if isinstance(place, Mapping) else None
        if place is not None:
            found[slot] = coerce(place, slot)
    return found
