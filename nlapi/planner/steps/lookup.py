"""Rates how well the things of a list answer to a name that a sentence calls one of them by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from difflib import SequenceMatcher
from typing import Any

from nlapi.planner.answering.row_fields import noun
from nlapi.planner.language.reader import read_sentence
from nlapi.planner.operations.accounts import as_json
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.read_breadth import all_flag
from nlapi.planner.slots.assignment import fill, nest
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import DESCRIBED, ONLY, Wanted, entity_of, thing_of
from nlapi.planner.slots.known_values import Values, argument_name, complete, missing_of, wanted_in
from nlapi.planner.slots.slot import Family, Slot
from nlapi.planner.slots.value_forms import is_dotted
from nlapi.planner.steps.goal import Goal, asking, noted, rows, said, understood
from nlapi.resources import collection_index
from nlapi.resources.answers import extract_list
from nlapi.resources.envelope import DataView, Noun, find_list, has_noun
from nlapi.resources.identity import Item, field_at, id_of, name_of
from nlapi.resources.naming import STOPWORDS, name_key, singular, singular_words, split_words, stem
from nlapi.tools.answer_view import lowercase_headers
from nlapi.tools.plan import Plan, Step
from nlapi.tools.tool import Call, Missing, Tool

_CODES = frozenset(
    "id name title label displayname fullname subject login username email key code slug handle symbol abbreviation "
    "shortname identifier sku".split()
)
"""What the fields are called whose text in full means the thing."""

_DEEPEST = 4
BUT_FOR_A_DOT = 0.99
"""How well a name answers that only has a final dot more: no other is as near, and the same in full is nearer."""

_CODE = re.compile(r"\S[\d@_/:]|\w\.\w")
"""What is written as programs write it, which nobody misspells by a letter and means another."""

_SURE = 0.6
_APART = 0.12

Rated = tuple[float, Any, str]
"""How well a thing answers to what was asked for, its id and its name."""


def alike(asked: str, name: str) -> float:
    """Return how well a name answers to what was asked for, from 0 to 1; `summer` answers to Summer Sale at 0.8."""
    if asked.lower().strip() == name.lower().strip():
        return 1.0
    if asked.lower().strip() == name.lower().strip().removesuffix("."):
        return BUT_FOR_A_DOT
    wanted = {stem(word) for word in split_words(asked) if word not in STOPWORDS} or {
        stem(word) for word in split_words(asked)
    }
    have = {stem(word) for word in split_words(name)}
    if wanted and wanted <= have:
        return 0.75 + 0.2 * len(wanted) / len(have)
    if _CODE.search(asked):
        return 0.0  # web-2 is no web-1, and example.edu no example.net, much as they look alike
    shared = len(wanted & have) / len(wanted) if wanted else 0.0
    return max(0.6 * shared, 0.9 * SequenceMatcher(None, asked.lower(), name.lower()).ratio() - 0.1)


def answers_to(asked: str, thing: Item) -> float:
    """Return how well a thing answers to what was asked for, by its name, or by a code (WEB) or an id in full."""
    wanted = asked.lower().strip()
    texts = (value for key, value in thing.items() if isinstance(value, str) and name_key(str(key)) in _CODES)
    return 1.0 if any(text.lower() == wanted for text in texts) else alike(asked, name_of(thing))


def pick(rated: Sequence[Rated]) -> list[Rated]:
    """Return what may be meant: one when it is clear, several when they are as good, none when none is near."""
    ranked = sorted(rated, key=lambda one: -one[0])
    best = ranked[0][0] if ranked else 0.0
    if best < _SURE:
        return []
    return [one for one in ranked if one[0] >= (best if best >= BUT_FOR_A_DOT else best - _APART)]


def field_inside(thing: Item, field: str) -> Any:
    """Return a field of a thing; of `artist.id` the id of the artist somewhere in it, alone or the first of several."""
    if (value := field_at(thing, field)) is not None:
        return value
    entity, _, wanted = field.rpartition(".")
    if not entity:
        return None
    level: list[Any] = [thing]
    for _ in range(_DEEPEST):
        pairs = [(key, value) for one in level if isinstance(one, Mapping) for key, value in one.items()]
        for key, value in pairs:
            first = value[0] if isinstance(value, list) and value else value
            if isinstance(first, Mapping) and singular(key.lower()) == entity and first.get(wanted) is not None:
                return first[wanted]
        level = [one for _, value in pairs for one in (value if isinstance(value, list) else (value,))]
    return None


MOST_CHOICES = 12
_MINE = frozenset(("me", "my", "mine", "self"))
_MY = frozenset(("my", "mine", "i", "our"))


def look_up(
    goal: Goal,
    slot: Slot,
    wanted: Wanted,
    tool: Tool,
    catalogue: Catalogue,
    known: Mapping[str, Any],
    *,
    filtered: bool,
) -> Plan | Goal:
    """List the things of the kind that `slot` wants, so that the next round can pick the one called `wanted.name`.

    A Goal where that listing needs an id itself which has to be looked up first: the newest album of an artist.
    """
    listings = (tool, *(() if wanted.field else catalogue.other_listers(goal.tool, slot, tool)))
    tries = [
        (one, *_listing(goal, one, catalogue.narrowing(goal.tool, slot, one), wanted, catalogue, known))
        for one in listings
    ]
    if not wanted.field:
        tries.sort(key=lambda one: (bool(one[2]), *_fitness(goal, one[0], one[1])))
    tool, values, missing = tries[0]
    by_name = None if wanted.place else name_filter(catalogue.slots(tool))
    if (every := all_flag(catalogue.slots(tool))) is not None and argument_name(every) not in known:
        values.setdefault(every.path, True)
    if by_name is not None and wanted.name and (filtered or by_name.required):
        values[by_name.path] = wanted.name
    what = noun(tool.operation) if wanted.field else thing_of(goal.tool, slot)
    raw = {
        **state(goal, "lookup"),
        "slot": list(slot.path),
        "name": wanted.name,
        "field": wanted.field,
        "id_field": "" if wanted.field else catalogue.id_field(goal.tool, slot, tool),
        "id_fields": [] if wanted.field else catalogue.path_fields(goal.tool, tool),
        "via": wanted.via,
        "place": wanted.place,
        "exact": wanted.exact,
        "kind": what,
        "filtered": filtered and by_name is not None and not by_name.required,
        "pages": 1,
        "rated": [],
    }
    if any(wanted_in(value) is not None for value in values.values()):
        return replace(goal, tool=tool, values=values, others=(), tried=(), outer=raw, leads_to=goal.known)
    called = f"called {wanted.name!r}"
    reason = f"to find {wanted.name}" if wanted.place else f"to find the id of {wanted.name!r}"
    call = Call(
        tool=tool,
        arguments=nest(values),
        id="lookup",
        reason=reason if wanted.name else "to find out who is calling",
    )
    last = Call(tool=goal.tool, arguments={".".join(path): said(value) for path, value in goal.values.items()})
    first = f"find {wanted.name if wanted.place else f'the {what} {called}'}" if wanted.name else "find out who you are"
    needs = missing_of(tool, missing)
    return Plan(
        calls=(call,),
        goal=goal.known,
        confidence=goal.confidence,
        missing=needs,
        understood=noted(f"{first}, then {understood(last)}", goal),
        text=asking(needs),
        raw=raw,
    )


def _fitness(goal: Goal, tool: Tool, values: Values) -> tuple[bool, int]:
    """How badly a listing fits: what is one's own (/me/albums) goes with `my`, and the more it is told the better."""
    own = not set(tool.operation.path.lower().split("/")).isdisjoint(_MINE)
    said = not set(split_words(goal.question)).isdisjoint(_MY)
    return own is not said, -sum(wanted_in(value) is not None for value in values.values())


def state(goal: Goal, stage: str) -> dict[str, Any]:
    """What the next round has to know of a goal."""
    return {
        "planner": "offline",
        "stage": stage,
        "source": goal.tool.operation.spec.source,
        "operation": goal.tool.operation.id,
        "values": rows(goal.values),
        "confidence": goal.confidence,
        "note": goal.note,
        "used": list(goal.used),
        "others": [[id, rows(values)] for id, values in goal.others],
        "tried": list(goal.tried),
        "sentence": goal.sentence,
        "sources": as_json(goal.sources),
        "unused": list(goal.unused),
        "outer": None if goal.outer is None else dict(goal.outer),
    }


def _listing(
    goal: Goal, tool: Tool, narrowed: Values, wanted: Wanted, catalogue: Catalogue, known: Mapping[str, Any]
) -> tuple[Values, tuple[Slot, ...]]:
    """What a listing must be told, from the goal, the question and what is known, and what of it none of them says."""
    slots = catalogue.slots(tool)
    must = [one for one in slots if one.required]
    shared = {one.path: goal.values[one.path] for one in must if one.path in goal.values}
    names = set(map(argument_name, must))
    hints = {name: value for name, value in known.items() if name in names}
    plain = {path: value for path, value in shared.items() if wanted_in(value) is None}
    values, missing = complete({**narrowed, **plain}, slots, hints)
    by_name = name_filter(slots)
    if by_name is not None and by_name.required and wanted.name and not wanted.place:
        missing = tuple(one for one in missing if one is not by_name)
    if missing and goal.outer is None:
        values, missing = complete({**_from_question(goal, tool, missing, wanted, catalogue), **values}, slots, hints)
    return values, missing


def _from_question(goal: Goal, tool: Tool, missing: Sequence[Slot], wanted: Wanted, catalogue: Catalogue) -> Values:
    """What the question says of a listing besides the name that is looked for: its id, or the name of a third thing."""
    sentence = read_sentence(goal.question, date.today())
    listers = {slot: listing for slot in missing if (listing := catalogue.lister(tool, slot)) is not None}
    scene = Scene(
        sentence=sentence, tool=tool, slots=catalogue.slots(tool), listers=listers, names=catalogue.index.is_entity
    )
    used = set(map(str, _texts(goal.values.values())))
    found: Values = {}
    for option in fill(scene).options:
        said = wanted_in(option.value)
        name = said.name if said is not None else str(option.value)
        if option.slot in missing and name not in used and name != wanted.name:
            found[option.slot.path] = option.value
    return found


def _texts(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        yield from (value if isinstance(value, list) else (value,))


def name_filter(slots: Iterable[Slot]) -> Slot | None:
    """The query parameter of a listing that keeps only what is called so."""
    free = {slot.name: slot for slot in slots if slot.where == "query" and slot.family is Family.TEXT and not slot.many}
    name = collection_index.name_filter(free)
    return free[name] if name is not None else None


def things_of(step: Step, kind: str) -> list[Item]:
    """Return the things that an answer lists; of one that lists several kinds, those that are called like `kind`."""
    if step.result is None:
        return []
    data, words = step.result.data, singular_words(kind)
    named = find_list(DataView(data), Noun(words=words))
    if named is not None and any(has_noun(key, words) for key in named.keys):
        return [entry for entry in named.entries(data) or () if isinstance(entry, Mapping)]
    listed = extract_list(data, step.call.tool.operation, lowercase_headers(step.result))
    return listed.object_entries if listed is not None else []


def rate(raw: Mapping[str, Any], slot: Slot, things: Sequence[Item], question: str = "") -> list[Rated]:
    """How well each thing answers to the name that a look-up is for, with the id that is wanted of it.

    `raw` is the state of the look-up. A host name that stands in the question with a dot behind it is looked for with
    and without.
    """
    name, field, id_field = raw["name"], raw["field"], raw.get("id_field", "")
    forms = (name, f"{name}.") if is_dotted(question, name) else (name,)
    entity = entity_of(slot)

    def value(thing: Item) -> Any:
        if not field:
            found = field_inside(thing, id_field) if id_field else None
            return id_of(thing, slot.name, entity) if found is None else found
        return id_of(thing) if raw["via"] else field_inside(thing, field)

    def worth(thing: Item, id: Any) -> float:
        ids = (id, *(field_inside(thing, path) for path in raw.get("id_fields", ()))) if not field else ()
        same = any(str(one).lower() == name.lower() for one in ids)
        return 1.0 if same else max(answers_to(one, thing) for one in forms)

    return [(worth(thing, id), id, name_of(thing)) for thing in things for id in (value(thing),)]


def chosen(given: Any, rated: Sequence[Rated]) -> Any:
    """The id that a user's choice is, or the id of what he called by its name."""
    same = [id for _, id, title in rated if id is not None and given in (id, str(id), title)]
    near = pick([(alike(str(given), title), id, title) for _, id, title in rated if id is not None])
    return same[0] if same else near[0][1] if len(near) == 1 else given


def page_on(call: Call, arguments: Mapping[str, Any], raw: Mapping[str, Any], goal: Goal) -> Plan:
    """Read the next page of the same look-up."""
    call = replace(call, arguments=dict(arguments), reason=f"to look for {raw['name']!r} on the next page")
    text = f"look for {raw['name']!r} on page {raw['pages']}"
    return Plan(calls=(call,), goal=goal.known, confidence=raw["confidence"], understood=text, raw=dict(raw))


def ask_which(
    tool: Tool, slot: Slot, raw: Mapping[str, Any], rated: Sequence[Rated], *, found: bool, unread: int
) -> Plan:
    """One question: which of these is meant? `unread` is the number of pages read when there are more of them."""
    choices = {str(id): title for _, id, title in rated[:MOST_CHOICES] if id is not None}
    name, what = raw["name"], raw["kind"]
    shown = ", ".join(f"{title} ({id})" if title else id for id, title in choices.items())
    start = f"There is no {what} called {name!r}"
    if unread:
        read = "the first page" if unread == 1 else f"the first {unread} pages"
        start = f"No {what} called {name!r} is on {read}, and there are more that were not read"
    if raw.get("place") == ONLY:
        start = f"There are several, and the question does not say which {what} is meant"
    elif raw.get("place") == DESCRIBED:
        none = f"There is no {name}, as far as can be told; there are"
        start = f"Several are described as {name!r}" if found else none
    elif raw.get("place"):
        start = f"A change is made to what is called by its name or id, and not by its place; {name} may be"
        start = start if found else f"Nothing in the answer tells which is {name}; there are"
    elif found:
        start = f"Several answer to {name!r}" if len(choices) > 1 else f"{start}; near to it"
    text = f"{start}{f': {shown}' if shown else ''}."
    if not choices or raw["field"]:
        return Plan(text=text, confidence=0.3)
    missing = Missing(
        tool=tool, argument=argument_name(slot), description=text, choices=tuple(choices), schema=slot.schema
    )
    return Plan(text=text, confidence=0.3, missing=(missing,), raw={"planner": "offline", "stage": "ask"})
