"""Sentences about APIs that nobody has: what people ask of ordinary REST APIs and the public sets hold little of.

Pages and limits, filters, flags and their denial, stretches of days, names, lists, money, bounds, order. Every one is
made from a pattern with a seed; they are only trained on, never measured with.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from training.corpus import TODAY

T = TypeVar("T")
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
AMOUNT = {"type": "number"}
FLAG = {"type": "boolean"}
DAY = {"type": "string", "format": "date"}
MOMENT = {"type": "string", "format": "date-time"}
_THINGS = """
plant garden=alive,dormant,withered patient clinic=waiting,admitted,discharged vehicle fleet=parked,moving,retired
recipe kitchen=draft,published,hidden invoice billing=open,paid,overdue sensor station=online,offline,faulty
track studio=mixed,mastered,rough parcel depot=packed,shipped,lost course school=planned,running,finished
playlist radio=public,private,shared advert market=ACTIVE,PAUSED,ARCHIVED ticket support=new,assigned,solved
server cloud=running,stopped,failed account bank=open,closed,frozen painting gallery=sold,reserved,available
"""
_ADJECTIVES = "silver quiet golden northern broken early wild paper hidden open salty crimson second lucky".split()
_NOUNS = "harbor lantern river garden market signal mountain kettle orchard window bridge compass meadow engine".split()
_VERBS = {
    **{"pause": "PAUSED", "archive": "ARCHIVED", "activate": "ACTIVE", "publish": "published", "retire": "retired"},
    **{"admit": "admitted", "assign": "assigned", "close": "closed", "finish": "finished", "stop": "stopped"},
}
"""What is done to a thing -> the state it gets."""
_TOPICS = "solar power|garden tools|blue cheese|night trains|winter coats|old maps|rust|hiking|data privacy|jazz".split(
    "|"
)
_PEOPLE = "Mara Okafor|Jonas Lind|Priya|Tomas Vega|Aiko Mori|Lena|Karim Haddad|Olga Petrova".split("|")
_LABELS = "urgent cheap fragile seasonal local heavy fresh rare loud tiny".split()


_WORDINGS: Mapping[str, str] = {
    "q": "Words to search for.|Free text, e.g. 'abc'.|Text to look for in the name or the notes|Search query",
    "name": "What it is called.|Name, up to 80 characters|The display name, such as 'First one'.",
    "title": "A short title.|Title of the thing.",
    "limit": "How many to give at most.|The largest number of entries in a page|Maximum number of results",
    "per_page": "How many a page has.|Results per page|The size of a page (max 200)",
    "page": "Which page, from 1.|Page number of the results to fetch.",
    "cursor": "Where to go on, from the page before.|Token of the next page",
    "offset": "How many to skip.|Index of the first entry",
    "owner": "Who it belongs to.|Name of the owner",
    "status": "The state that it is in.|Keep only those with this status",
    "sort": "What to sort by; a minus means falling.|The order",
    "tags": "Labels.|Any number of labels, such as 'x' or 'y'.",
    "note": "A remark in plain words.|Anything else to know about it",
    "topic": "What it is about.|Subject",
    "start_date": "The first day.|Begin of the time (YYYY-MM-DD)",
    "end_date": "The last day.|End of the time (YYYY-MM-DD)",
    "notify": "Whether followers are told.|Send a message to everyone",
    "public": "Whether anyone may see it.|Visible to all",
    "include_archived": "Also give archived ones.|Whether archived ones are included.",
    "country_code": "ISO 3166-1 alpha-2 code.|Only those in this country, as a two-letter code such as DE.",
    "locale": "Language of the answer, e.g. 'en'.|Locale",
    "max_price": "The highest price.|Upper bound of the price in dollars",
    "min_weight": "At least this heavy (kilos).|Lower bound of the weight",
    "max_weight": "At most this heavy (kilos).|Upper bound of the weight",
    "budget": "In dollars.|What may be spent",
    "percent": "In percent.|The new share in percent, 0 to 100.",
    "share": "The part that goes there, from 0 to 1.|New share",
    "reason": "Why it is done.|What the change is for",
    "why": "The reason of the change, for others to read.|Why it is done",
    "comment": "A reason for the log.|Why",
    "day": "Only this day.|The day to look at",
    "date": "Only this day.|The day (YYYY-MM-DD)",
    "on": "Only this day.",
    "since": "The first day.|From this day on",
    "until": "The last day.|Up to this day",
    "author": "Who did it.|Name of the person",
    "who": "Who did it.|Only what this person did",
    "user": "Who did it, such as 'sam'.|Login of the person",
    "assignee": "Who does it.|Name of the person in charge",
}
"""What descriptions say of a parameter, one or another or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What an invented API is about."""

    one: str
    home: str
    states: tuple[str, ...]

    @property
    def many(self) -> str:
        return f"{self.one}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence, the operation it asks for (id, method, path, parameters, body) and the arguments meant."""

    question: str
    operation: Mapping[str, Any]
    method: str
    path: str
    arguments: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        node = {**self.operation, "responses": {"200": {"description": "ok"}}}
        return {
            "openapi": "3.1.0",
            "info": {"title": "Invented", "version": "1"},
            "paths": {self.path: {self.method: node}},
        }


class Maker:
    """Makes sentences about one thing from patterns, with a random source of its own."""

    def __init__(self, thing: Thing, seed: int) -> None:
        self.thing, self.dice = thing, random.Random(seed)

    def one_of(self, *values: T) -> T:
        return self.dice.choice(values)

    def name(self) -> str:
        """A name of one to three words, capitalised or not."""
        first = self.dice.sample(_ADJECTIVES, self.dice.choice((0, 1, 1)))
        words = (*first, self.dice.choice(_NOUNS), self.dice.choice(("", "", "", "two", "x", "2026")))
        text = " ".join(word for word in words if word)
        return text if self.dice.random() < 0.3 else text.title()

    def quoted(self, text: str) -> str:
        mark = self.one_of('"', "'", "")
        return f"{mark}{text}{mark}"

    def worded(self, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema with one of the descriptions that people write for it, or none."""
        said = self.one_of("", *_WORDINGS.get(name, "").split("|"))
        return {**schema, "description": said} if said else dict(schema)

    def filters(self) -> dict[str, Any]:
        """Parameters that any list may have; a few of them at random."""
        thing = self.thing
        return {
            "limit": {**NUMBER, "maximum": 200},
            "page": NUMBER,
            "per_page": {**NUMBER, "default": 20},
            "offset": NUMBER,
            "cursor": TEXT,
            "q": TEXT,
            "status": {**TEXT, "enum": list(thing.states)},
            "statuses": {"type": "array", "items": {**TEXT, "enum": list(thing.states)}},
            "sort": {**TEXT, "enum": ["name", "-name", "created_at", "-created_at"]},
            "created_after": DAY,
            "created_before": DAY,
            "start_date": DAY,
            "end_date": DAY,
            "owner": TEXT,
            "tags": {"type": "array", "items": TEXT},
            "min_weight": AMOUNT,
            "max_weight": AMOUNT,
            "max_price": AMOUNT,
            "include_archived": {**FLAG, "default": False},
            "verbose": FLAG,
            "locale": TEXT,
            "country_code": TEXT,
            "fields": {"type": "array", "items": TEXT},
        }

    def listing(self, question: str, arguments: Mapping[str, Any]) -> Said:
        """A GET of the collection, with the parameters meant and others."""
        known = self.filters()
        others = self.dice.sample(sorted(set(known) - set(arguments)), self.dice.randint(1, 5))
        clash = {"limit", "per_page"} if {"limit", "per_page"} & set(arguments) else set()
        clash |= {"status", "statuses"} if {"status", "statuses"} & set(arguments) else set()
        clash |= {"created_after", "start_date"} if {"created_after", "start_date"} & set(arguments) else set()
        clash |= {"created_before", "end_date"} if {"created_before", "end_date"} & set(arguments) else set()
        names = [*arguments, *(name for name in others if name not in clash)]
        self.dice.shuffle(names)
        parameters = [{"name": name, "in": "query", "schema": self.worded(name, known[name])} for name in names]
        node = {"operationId": f"list{self.thing.many.title()}", "summary": f"List {self.thing.many}"}
        return Said(
            question=question,
            operation={**node, "parameters": parameters},
            method="get",
            path=f"/{self.thing.many}",
            arguments=arguments,
        )

    def making(self, question: str, arguments: Mapping[str, Any], *, changes: bool = False) -> Said:
        """A POST of a new thing, or a PATCH of one whose id is among the arguments."""
        thing = self.thing
        known: dict[str, Any] = {
            "name": TEXT,
            "title": TEXT,
            "status": {**TEXT, "enum": list(thing.states)},
            "start_date": DAY,
            "end_date": DAY,
            "starts_at": MOMENT,
            "due_on": DAY,
            "budget": AMOUNT,
            "price": AMOUNT,
            "daily_budget_micros": {**NUMBER, "x-nlapi": {"unit": "micros"}},
            "public": FLAG,
            "notify": FLAG,
            "tags": {"type": "array", "items": TEXT},
            "sizes": {"type": "array", "items": NUMBER},
            "weight": AMOUNT,
            "count": NUMBER,
            "owner_email": {**TEXT, "format": "email"},
            "assignee": TEXT,
            "note": TEXT,
            "topic": TEXT,
            "room": TEXT,
        }
        id = f"{thing.one}_id"
        clash = {"name", "title", "topic"} if not arguments or _NAMES & set(arguments) else set()
        clash |= {"budget", "price", "daily_budget_micros"} if _MONEY & set(arguments) else set()
        clash |= {"start_date", "starts_at", "due_on"} if _DAYS & set(arguments) else set()
        free = sorted(set(known) - set(arguments) - clash)
        names = [name for name in arguments or ("name",) if name != id] + self.dice.sample(
            free, self.dice.randint(1, 4)
        )
        self.dice.shuffle(names)
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: self.worded(name, known[name]) for name in names},
        }
        if not changes and ("name" in arguments or not arguments):
            schema["required"] = ["name"]
        body = {"content": {"application/json": {"schema": schema}}, "required": True}
        verb = "update" if changes else "create"
        node: dict[str, Any] = {"operationId": f"{verb}{thing.one.title()}", "summary": f"{verb.title()} a {thing.one}"}
        path = f"/{thing.many}"
        if changes:
            path += f"/{{{id}}}"
            node["parameters"] = [{"name": id, "in": "path", "required": True, "schema": self.id_schema(arguments[id])}]
        return Said(
            question=question,
            operation={**node, "requestBody": body},
            method="patch" if changes else "post",
            path=path,
            arguments=arguments,
        )

    def code(self) -> str:
        """A name as things are given that are called by it: silver-harbor, kettle-v2, lantern."""
        word = self.one_of(*_NOUNS)
        return self.one_of(f"{self.one_of(*_ADJECTIVES)}-{word}", f"{word}-v{self.dice.randint(2, 9)}", word)

    def doing(self, question: str, arguments: Mapping[str, Any]) -> Said:
        """A POST that does something to one thing, which stands first among the arguments, in its path."""
        key, *inner = arguments
        known = {**_SHARES, "step": NUMBER, "remark": TEXT, "notify": FLAG, "title": TEXT}
        free = sorted(set(known) - set(arguments) - {"reason", "why", "comment", "remark", "step"})
        free = [name for name in free if not (_PARTS & {name} and _PARTS & set(inner))]
        names = [*inner, *self.dice.sample(free, self.dice.randint(0, 2))]
        self.dice.shuffle(names)
        properties = {name: self.worded(name, known[name]) for name in names}
        needed = [name for name in inner if name in _PARTS and self.dice.random() < 0.6]
        schema = {"type": "object", "properties": properties, "required": needed}
        first = {"name": key, "in": "path", "required": True, "schema": NUMBER if key == "step" else TEXT}
        said = {} if self.dice.random() < 0.3 else {"description": f"Name of the {self.thing.one}."}
        deed = self.one_of("adjust", "shift", "change")
        node: dict[str, Any] = {
            "operationId": f"{deed}{self.thing.one.title()}",
            "summary": f"{deed.title()} a {self.thing.one}",
            "parameters": [first if key == "step" else {**first, **said}],
            "requestBody": {"content": {"application/json": {"schema": schema}}, "required": True},
        }
        path = f"/{self.thing.many}/{{{key}}}/{deed}"
        return Said(question=question, operation=node, method="post", path=path, arguments=arguments)

    def log(self, question: str, arguments: Mapping[str, Any]) -> Said:
        """A GET of what was done, by whom and when."""
        known = {"day": DAY, "on": DAY, "date": DAY, "since": DAY, "until": DAY, "limit": NUMBER, "cursor": TEXT}
        people = {"author": TEXT, "user": TEXT, "who": TEXT, "owner": TEXT}
        names = dict.fromkeys([*arguments, "since", "until"])
        names |= dict.fromkeys(self.dice.sample(("limit", "cursor"), self.dice.randint(0, 2)))
        if not people.keys() & names.keys() and self.dice.random() < 0.7:
            names[self.one_of(*people)] = None
        if not {"day", "on", "date"} & names.keys():
            names[self.one_of("day", "date")] = None
        order = list(names)
        self.dice.shuffle(order)
        every = {**known, **people}
        parameters = [{"name": name, "in": "query", "schema": self.worded(name, every[name])} for name in order]
        node = {"operationId": "listChanges", "summary": "List changes", "parameters": parameters}
        return Said(question=question, operation=node, method="get", path="/changes", arguments=arguments)

    def id_schema(self, id: Any) -> dict[str, Any]:
        return TEXT if isinstance(id, str) else self.one_of(NUMBER, TEXT)

    def day(self) -> tuple[str, str]:
        """A day as people say it, and as it is written."""
        day = TODAY + timedelta(days=self.dice.randint(-300, 300))
        if self.dice.random() < 0.25:
            near = TODAY + timedelta(days=self.dice.randint(1, 6))
            return (
                (f"{near:%A}", near.isoformat()) if near > TODAY + timedelta(days=1) else ("tomorrow", near.isoformat())
            )
        ways = (
            f"{day:%B} {day.day}, {day.year}",
            f"{day:%Y-%m-%d}",
            f"{day.day} {day:%B %Y}",
            f"{day:%b} {day.day} {day.year}",
        )
        return self.one_of(*ways), day.isoformat()


_PARTS = {"percent", "discount_percent", "share", "portion"}
_SHARES: Mapping[str, Any] = {
    "percent": {**AMOUNT, "minimum": 0, "maximum": 100},
    "discount_percent": {**AMOUNT, "maximum": 100},
    "share": {**AMOUNT, "minimum": 0, "maximum": 1},
    "portion": {**AMOUNT, "maximum": 1},
    "reason": TEXT,
    "why": TEXT,
    "comment": TEXT,
}
_NAMES = {"name", "title", "topic"}
_MONEY = {"budget", "price", "daily_budget_micros"}
_DAYS = {"start_date", "starts_at", "due_on"}
_SPELT = {"two": 2, "three": 3, "five": 5, "ten": 10, "twelve": 12, "nineteen": 19}


def pages(make: Maker) -> Iterator[Said]:
    many, size = make.thing.many, make.one_of("limit", "per_page")
    count = make.dice.randint(2, 60)
    word, value = make.one_of(*_SPELT.items())
    for text in (f"list {count} {many}", f"show the first {count} {many}", f"give me at most {count} {many}"):
        yield make.listing(text, {size: count})
    yield make.listing(f"show me {word} {many}", {size: value})
    page = make.dice.randint(2, 9)
    yield make.listing(f"page {page} of the {many}", {"page": page})
    yield make.listing(f"list {many}, {count} per page", {size: count})
    yield make.listing(f"show page {page} of the {many} with {count} per page", {"page": page, size: count})
    yield make.listing(
        f"list {many} with a limit of {count} and an offset of {page * 10}", {"limit": count, "offset": page * 10}
    )
    yield make.listing(make.one_of(f"list all {many}", f"what {many} are there?", f"show my {many}"), {})


def states(make: Maker) -> Iterator[Said]:
    many, state = make.thing.many, make.one_of(*make.thing.states)
    word = state.lower()
    for text in (f"list {word} {many}", f"which {many} are {word}?", f"show me the {many} with status {word}"):
        yield make.listing(text, {"status": state})
    other = make.one_of(*(one for one in make.thing.states if one != state))
    yield make.listing(f"list {word} {many}", {"statuses": [state]})
    if make.thing.states.index(state) < make.thing.states.index(other):
        yield make.listing(f"list {many} that are {word} or {other.lower()}", {"statuses": [state, other]})
    id = make.dice.randint(2, 900)
    key = f"{make.thing.one}_id"
    yield make.making(f"mark {make.thing.one} {id} as {word}", {key: id, "status": state}, changes=True)
    code = f"{make.thing.one[:2]}_{make.dice.randrange(10**6):x}{make.one_of(*_ADJECTIVES)[:2]}"
    for verb, value in _VERBS.items():
        if value in make.thing.states:
            yield make.making(f"{verb} {make.thing.one} {id}", {key: id, "status": value}, changes=True)
            yield make.making(f"{verb} the {make.thing.one} {code}", {key: code, "status": value}, changes=True)
    yield make.making(f"set the status of {make.thing.one} {id} to {word}", {key: id, "status": state}, changes=True)


def days(make: Maker) -> Iterator[Said]:
    many = make.thing.many
    (first, start), (last, end) = make.day(), make.day()
    if start > end:
        first, start, last, end = last, end, first, start
    yield make.listing(f"list {many} created after {first}", {"created_after": start})
    yield make.listing(f"{many} created before {last}", {"created_before": end})
    both = {"start_date": start, "end_date": end}
    yield make.listing(f"show {many} from {first} to {last}", both)
    yield make.listing(f"{many} between {first} and {last}", both)
    monday = TODAY - timedelta(days=TODAY.weekday() + 7)
    week = {"start_date": monday.isoformat(), "end_date": (monday + timedelta(days=6)).isoformat()}
    yield make.listing(f"report on {many} for last week", week)
    yield make.listing(f"how many {many} were there last week", week)
    month = {"start_date": "2025-12-01", "end_date": "2025-12-31"}
    yield make.listing(f"show {many} of last month", month)
    yield make.listing(
        f"list the {many} of {make.one_of('March 2025')}", {"start_date": "2025-03-01", "end_date": "2025-03-31"}
    )
    thirty = {"start_date": (TODAY - timedelta(days=30)).isoformat(), "end_date": TODAY.isoformat()}
    yield make.listing(f"{many} in the last 30 days", thirty)


def flags(make: Maker) -> Iterator[Said]:
    one, many = make.thing.one, make.thing.many
    yield make.listing(f"list {many} and include archived ones", {"include_archived": True})
    yield make.listing(f"list {many} including archived {many}", {"include_archived": True})
    yield make.listing(f"list {many} without archived ones", {"include_archived": False})
    yield make.listing(f"show {many} but do not include archived ones", {"include_archived": False})
    name = make.name()
    yield make.making(f"create a public {one} called {name}", {"name": name, "public": True})
    yield make.making(f"create a {one} called {make.quoted(name)} that is not public", {"name": name, "public": False})
    yield make.making(f"add a {one} named {make.quoted(name)} and don't notify anyone", {"name": name, "notify": False})
    yield make.making(f"add a {one} named {make.quoted(name)} and notify everyone", {"name": name, "notify": True})


def names(make: Maker) -> Iterator[Said]:
    one, key, id = make.thing.one, f"{make.thing.one}_id", make.dice.randint(2, 900)
    name, hour, hours = make.name(), make.dice.randint(1, 11), make.dice.randint(2, 11)
    yield make.making(f"create a {one} called {name}", {"name": name})
    yield make.making(f"create the {one} {make.quoted(name.title())}", {"name": name.title()})
    yield make.making(f"add a {one} titled {make.quoted(name)}", {"title": name})
    said, day = make.day()
    yield make.making(f"create a {one} named {name} starting on {said}", {"name": name, "start_date": day})
    yield make.making(f"add a {one} called {make.quoted(name)} due on {said}", {"name": name, "due_on": day})
    yield make.making(
        f"rename {one} {id} to {make.quoted(name.title())}", {key: id, "name": name.title()}, changes=True
    )
    yield make.making(
        f"change the title of {one} {id} to {make.quoted(name.title())}", {key: id, "title": name.title()}, changes=True
    )
    for text in (f"create a {one}", f"add {hours} {make.thing.many}", f"I want to make a new {one}, please"):
        yield make.making(text, {})
    early = f"{(TODAY + timedelta(days=1)).isoformat()}T{hours:02}:00:00Z"
    yield make.making(f"create a {one} for tomorrow at {hours}", {"starts_at": early})
    yield make.making(
        f"plan a {one} tomorrow at {hours} with title {name.title()}", {"title": name.title(), "starts_at": early}
    )
    room = make.one_of(*_ADJECTIVES).title()
    yield make.making(f"put a {one} in the {room} room on {said}", {"room": room, "start_date": day})
    topic = make.name().title()
    moment = f"{(TODAY + timedelta(days=1)).isoformat()}T{hour + 12:02}:00:00Z"
    yield make.making(f"create a {one} with topic {topic} tomorrow at {hour}pm", {"topic": topic, "starts_at": moment})
    yield make.making(f"create a {one} about {topic} at {hour}pm tomorrow", {"topic": topic, "starts_at": moment})


def lists(make: Maker) -> Iterator[Said]:
    one, many = make.thing.one, make.thing.many
    three = make.dice.sample(_LABELS, 3)
    yield make.making(f"create a {one} with tags {three[0]}, {three[1]} and {three[2]}", {"tags": three})
    yield make.making(f"make a {one} with the tags {three[0]} and {three[1]}", {"tags": three[:2]})
    yield make.listing(f"list {many} tagged {three[0]} and {three[1]}", {"tags": three[:2]})
    yield make.listing(f"list {many} with tags '{three[0]}', '{three[2]}'", {"tags": [three[0], three[2]]})
    sizes = sorted(make.dice.sample(range(2, 60), 3))
    yield make.making(f"make a {one} of sizes {sizes[0]}, {sizes[1]} and {sizes[2]}", {"sizes": sizes})


def figures(make: Maker) -> Iterator[Said]:
    one, many, name = make.thing.one, make.thing.many, make.name()
    amount, other = make.dice.randint(5, 90), make.dice.randint(91, 400)
    yield make.making(f"create a {one} called {name} with a budget of ${amount}", {"name": name, "budget": amount})
    yield make.making(
        f"add a {one} named {make.quoted(name)} with a daily budget of ${amount}",
        {"name": name, "daily_budget_micros": amount * 1_000_000},
    )
    yield make.making(
        f"make a {one} that weighs {amount} kilos and costs {other} dollars", {"weight": amount, "price": other}
    )
    yield make.making(f"add {amount} to a new {one} called {name}", {"count": amount, "name": name})
    yield make.listing(f"list {many} cheaper than {amount} dollars", {"max_price": amount})
    yield make.listing(f"list {many} under ${amount}", {"max_price": amount})
    yield make.listing(f"{many} of at least {amount} kilos", {"min_weight": amount})
    yield make.listing(f"{many} between {amount} and {other} kilos", {"min_weight": amount, "max_weight": other})
    yield make.listing(f"show {many} with a weight over {amount}", {"min_weight": amount})


def words(make: Maker) -> Iterator[Said]:
    one, many, topic, who = make.thing.one, make.thing.many, make.one_of(*_TOPICS), make.one_of(*_PEOPLE)
    yield make.listing(f"search {many} for {topic}", {"q": topic})
    yield make.listing(f"find {many} about {make.quoted(topic)}", {"q": topic})
    town = make.one_of("Oslo", "Lima", "Kyoto", "Austin", "Bruges")
    for text in (topic.title(), town, make.name().title()):
        yield make.listing(f"find {many} called {make.quoted(text)}", {"q": text})
        yield make.listing(f"find the {one} {make.quoted(text)}", {"q": text})
    yield make.listing(f"list the {many} of {who}", {"owner": who})
    yield make.listing(f"which {many} belong to {who}?", {"owner": who})
    yield make.listing(f"list {many} sorted by name", {"sort": "name"})
    yield make.listing(f"list the newest {many} first", {"sort": "-created_at"})
    email = f"{who.split()[0].lower()}@example.org"
    yield make.making(f"create a {one} for {email}", {"owner_email": email})
    yield make.making(f"assign a new {one} to {who}", {"assignee": who})
    note = make.one_of("call back before noon", "do not water it", "left at the front desk", "needs a second look")
    yield make.making(f"add a {one} with the note {make.quoted(note)}", {"note": note})
    yield make.making(f"create a {one} with a note saying {note}", {"note": note})


def shares(make: Maker) -> Iterator[Said]:
    """Things that are called by name and get a part of something, with or without a reason."""
    one, name, amount = make.thing.one, make.code(), make.dice.randint(2, 95)
    key = make.one_of(one, f"{one}_name", "name")
    part = make.one_of("percent", "share", "discount_percent", "portion")
    fraction = part in ("share", "portion")
    told = amount / 100 if fraction else amount
    half = 0.5 if fraction else 50
    sign = make.one_of("%", " %", " percent")
    yield make.doing(f"move {name} to {amount}{sign} {one}", {key: name, part: told})
    yield make.doing(f"raise {name} to {amount}{sign}", {key: name, part: told})
    yield make.doing(f"set the {one} {name} to {amount}{sign}", {key: name, part: told})
    yield make.doing(f"give the {one} {name} half of it", {key: name, part: half})
    yield make.doing(f"what would it cost to give half of the orders to {name}", {key: name, part: half})
    yield make.doing(f"would it help if {name} got half of the orders?", {key: name, part: half})
    why = make.one_of(
        "orders fell",
        "costs doubled",
        "it was too slow",
        "the pump broke again",
        "nobody uses it",
        "the road was closed",
    )
    number = make.dice.randint(2, 90)
    reason = make.one_of("reason", "why", "comment")
    yield make.doing(f"undo step {number} because {why}", {"step": number, reason: why})
    yield make.doing(f"stop the {one} {name} because {why}", {key: name, reason: why})
    yield make.doing(f"take {amount}{sign} off {name} because {why}", {key: name, part: told, reason: why})


def logs(make: Maker) -> Iterator[Said]:
    """Who did what on which day."""
    many, who = make.thing.many, make.one_of(*_PEOPLE)
    first = who.split()[0]
    first = make.one_of(first, first.lower())
    day = make.one_of("day", "on", "date")
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    today = TODAY.isoformat()
    yield make.log(f"who moved the {many} yesterday?", {day: yesterday})
    yield make.log("what was moved yesterday?", {day: yesterday})
    yield make.log(f"which {many} were changed today?", {day: today})
    said, at = make.day()
    yield make.log(f"what happened on {said}?", {day: at})
    person = make.one_of("author", "user", "who", "owner")
    yield make.log(f"what did {first} do yesterday?", {person: first, day: yesterday})
    monday = TODAY - timedelta(days=TODAY.weekday() + 7)
    week = {"since": monday.isoformat(), "until": (monday + timedelta(days=6)).isoformat()}
    yield make.log(f"what did {first} move last week?", {person: first, **week})
    yield make.log(f"which {many} did {first} add last week", {person: first, **week})
    yield make.log(f"what has {first} done?", {person: first})
    yield make.log("everything that happened last week", week)


PATTERNS: tuple[Callable[[Maker], Iterator[Said]], ...] = (
    *(pages, states, days, flags, names, lists, figures, words, shares, logs),
)


def things() -> tuple[Thing, ...]:
    found = []
    pieces = _THINGS.split()
    for one, home in zip(pieces[::2], pieces[1::2], strict=True):
        where, _, names = home.partition("=")
        found.append(Thing(one=one, home=where, states=tuple(names.split(","))))
    return tuple(found)


def invented(times: int = 3) -> Iterator[Said]:
    """All of them, each pattern so many times for each thing; the same on every run."""
    for at, thing in enumerate(things()):
        for number in range(times * len(PATTERNS)):
            yield from PATTERNS[number % len(PATTERNS)](Maker(thing, 100 * at + number))
