"""More invented sentences: money from one currency to another, addresses, codes, works, places, hours, shares, flags.

Where invented.py has what people ask of things in a list, these have what services are asked to do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from training.corpus import TODAY

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
AMOUNT = {"type": "number"}
FLAG = {"type": "boolean", "default": False}

_MONEY = {
    "PLN": "Polish zloty", "HUF": "Hungarian forint", "DKK": "Danish krone", "BRL": "Brazilian reais",
    "SGD": "Singapore dollars", "CZK": "Czech koruna", "ILS": "Israeli shekels", "MYR": "Malaysian ringgit",
}  # fmt: skip
_STREETS = (
    "Mill Lane|Harbour Road|Station Street|Church Avenue|King's Way|Old Bridge Road|Larch Drive|Quarry Street".split(
        "|"
    )
)
_TOWNS = ("Leeds", "Hull", "Bergen", "Ghent", "Tampere", "Malmo", "Graz", "Utrecht")
_US = {"Boise": "ID", "Tulsa": "OK", "Fargo": "ND", "Mobile": "AL", "Dayton": "OH", "Eugene": "OR", "Macon": "GA"}
_HARBORS = {"NQL": "North Quay", "VSB": "Vestby Ferry Harbor", "GHN": "Ghent Basin", "OLP": "Old Lock Pier"}
_WORKS = "Salt and Lanterns|The Quiet Orchard|Northern Kettle|A Window at Noon|Copper Meadows".split("|")
_PEOPLE = "Mara Okafor|Jonas Lind|The Paper Foxes|Tomas Vega|Aiko Mori|Velvet Compass|Olga Petrova".split("|")
_COLORS = "crimson violet teal amber ivory".split()
_MATERIALS = "oak brass wool clay linen slate".split()
_DISHES = "lentil soup|walnut bread|pear tart|fish stew|barley salad|plum dumplings".split("|")
_DISTRICTS = "Nordre|Old Mill|Riverside|Kastell|Sankt Anna|Green Hill".split("|")
_HOTELS = "Grand Meridian Hotel|Hotel Aurora|The Lantern Inn|Harbor View Hotel|Hotel Three Keys|The Pines".split("|")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotQuestion:
    """A sentence about one operation: what it may be told, which of that is needed, and what is meant."""

    question: str
    does: str
    told: Mapping[str, Mapping[str, Any]]
    arguments: Mapping[str, Any]
    needed: Sequence[str] = ()
    path: str = "/things"

    def document(self) -> dict[str, Any]:
        parameters = [
            {
                "name": name,
                "in": "query",
                "required": name in self.needed,
                "schema": {key: value for key, value in schema.items() if key != "description"},
                "description": schema.get("description", ""),
            }
            for name, schema in self.told.items()
        ]
        words = self.does.split()
        node = {
            "operationId": words[0] + "".join(word.title() for word in words[1:]),
            "summary": self.does.capitalize(),
            "parameters": parameters,
            "responses": {"200": {"description": "ok"}},
        }
        return {
            "openapi": "3.1.0",
            "info": {"title": "Invented", "version": "1"},
            "paths": {self.path: {"get": node}},
        }


Told = dict[str, Mapping[str, Any]]


class Dice(random.Random):
    """A source of choices of its own."""

    def one_of(self, *values: Any) -> Any:
        return self.choice(values)

    def said(self, schema: Mapping[str, Any], *descriptions: str) -> dict[str, Any]:
        return {**schema, "description": self.choice(descriptions)}

    def mixed(self, told: Mapping[str, Mapping[str, Any]], more: Mapping[str, Mapping[str, Any]]) -> Told:
        """What may be told, with a few others, in any order."""
        names = [*told, *self.sample(sorted(more), self.randint(0, min(3, len(more))))]
        self.shuffle(names)
        return {name: told.get(name) or more[name] for name in names}

    def day(self) -> tuple[str, Any]:
        day = TODAY + timedelta(days=self.randint(-300, 300))
        return self.one_of(f"{day:%B} {day.day}, {day.year}", f"{day:%Y-%m-%d}", f"{day.day} {day:%B} {day.year}"), day

    def quoted(self, text: str) -> str:
        mark = self.one_of("'", '"', "")
        return f"{mark}{text}{mark}"


_OTHERS: Mapping[str, Mapping[str, Any]] = {
    "limit": {**NUMBER, "description": "How many to give at most."},
    "language": {**TEXT, "description": "Language of the answer."},
    "sort": {**TEXT, "enum": ["price", "rating"], "description": "The order."},
    "currency": {**TEXT, "description": "The currency of the prices."},
    "min_rating": {**AMOUNT, "description": "The lowest rating, from 1 to 5."},
    "format": {**TEXT, "description": "The form of the answer, such as 'json'."},
    "note": {**TEXT, "description": "A remark."},
    "open_now": {**FLAG, "description": "Whether only what is open now is given. False by default."},
    "insured": {**FLAG, "description": "Is the worker insured? (true for insured)"},
}


def money(dice: Dice) -> Iterator[SlotQuestion]:
    (one, first), (other, second) = dice.sample(sorted(_MONEY.items()), 2)
    source, target = dice.one_of(
        ("from", "to"), ("sell", "buy"), ("have", "want"), ("from_code", "to_code"), ("source", "target")
    )
    amount, day = dice.randint(20, 9000), dice.day()
    told: Told = {
        source: dice.said(
            TEXT, "The currency that is changed.", "The currency you have.", "Three-letter code of the currency."
        ),
        target: dice.said(
            TEXT, "The currency that it is changed into.", "The currency you want.", "The other currency"
        ),
    }
    sums = {**told, "amount": dice.said(dice.one_of(TEXT, AMOUNT), "How much is changed.", "The sum")}
    dated = {**told, "date": dice.said(TEXT, "The day in the format YYYY-MM-DD.", "The day of the quote.")}
    pair = {source: one, target: other}
    aside = dice.one_of("", "We meet next Tuesday. ", f"A friend from {dice.one_of(*_TOWNS)} asks. ")
    for text in (
        f"{aside}change {amount} {first} into {second}",
        f"swap {amount} {one} for {other}",
        f"{aside}what are {amount} {first} worth in {second}?",
        f"how many {second} will {amount} {first} buy?",
    ):
        yield SlotQuestion(
            question=text,
            does="swap money",
            told=dice.mixed(sums, {"date": dated["date"]}),
            needed=(source,),
            arguments={**pair, "amount": amount},
            path="/swaps",
        )
    for text in (
        f"quote {one} to {other} on {day[0]}",
        f"{aside}what was the quote from {one} to {other} of {day[0]}?",
    ):
        yield SlotQuestion(
            question=text,
            does="old quotes",
            told=dice.mixed(dated, {"limit": _OTHERS["limit"]}),
            needed=(source, "date"),
            arguments={**pair, "date": day[1].isoformat()},
            path="/quotes",
        )


def parcels(dice: Dice) -> Iterator[SlotQuestion]:
    first, other = dice.sample(_STREETS, 2)
    town = dice.one_of(*_TOWNS)
    start, end = f"{dice.randint(2, 2400)} {first}, {town}", f"{dice.randint(2, 900)} {other}, {town}"
    weight = dice.randint(2, 45)
    told: Told = {
        "collect_at": dice.said(
            TEXT, "Street and town.", "Where it is collected, such as '1 First Street, Oslo'.", "Address"
        ),
        "deliver_to": dice.said(TEXT, "Where it goes.", "The street and town it goes to, e.g. '1 First Street, Oslo'."),
        "weight": dice.said(NUMBER, "How heavy it is, in kilograms.", "Weight (kg)"),
        "pieces": dice.said(NUMBER, "How many pieces it has."),
    }
    pieces = dice.randint(2, 9)
    for text, meant in (
        (f"collect {weight} kilos at {start} this week", {"collect_at": start, "weight": weight}),
        (f"bring a parcel from {start} to {end}", {"collect_at": start, "deliver_to": end}),
        (f"the crate in {pieces} pieces goes to {end}", {"deliver_to": end, "pieces": pieces}),
        (f"deliver {weight} kilos to {end}, please", {"deliver_to": end, "weight": weight}),
    ):
        yield SlotQuestion(
            question=text,
            does="send parcel",
            told=dice.mixed(told, {}),
            needed=tuple(meant)[:1],
            arguments=meant,
            path="/parcels",
        )


def codes(dice: Dice) -> Iterator[SlotQuestion]:
    code, name = dice.choice(sorted(_HARBORS.items()))
    key = dice.one_of("harbor", "port", "stop", "code")
    told: Told = {
        key: dice.said(TEXT, "Code of the harbor.", "The symbol of the harbor, such as 'WLN'.", "Three-letter code")
    }
    more = {"line": dice.said(TEXT, "Name of the line."), "limit": _OTHERS["limit"], "note": _OTHERS["note"]}
    for text in (
        f"which boats leave {name} ({code})?",
        f"the tides of {name} (code: {code})",
        f"boats at {name}, by its code {code}",
        f"I sail to {name} soon. Look it up, its symbol is {code}",
    ):
        yield SlotQuestion(
            question=text,
            does="list boats",
            told=dice.mixed(told, more),
            needed=(key,),
            arguments={key: code},
            path="/boats",
        )


def works(dice: Dice) -> Iterator[SlotQuestion]:
    work, series = dice.sample(_WORKS, 2)
    who = dice.one_of(*_PEOPLE)
    key = dice.one_of("title", "book", "print", "novel")
    by = {"print": "maker"}.get(key, dice.one_of("author", "writer"))
    told: Told = {
        key: dice.said(TEXT, f"The title of the {key}.", f"Name of the {key} to look for."),
        by: dice.said(TEXT, "Who made it.", f"The name of the {by}. Any, if it is not given."),
        "series": dice.said(TEXT, "The series that it belongs to.", "Series"),
        "genre": dice.said(TEXT, "The genre, such as 'folk' or 'noir'."),
    }
    for text, meant in (
        (f"is there a copy of {dice.quoted(work)} by {who}?", {key: work, by: who}),
        (f"lend me '{work}' by {who} of the series '{series}'", {key: work, by: who, "series": series}),
        (f"is there anything called '{work}'?", {key: work}),
        (f"the {key} '{work}' in the series '{series}'", {key: work, "series": series}),
    ):
        yield SlotQuestion(
            question=text, does=f"find {key}", told=dice.mixed(told, {}), needed=(key,), arguments=meant, path="/works"
        )


def places(dice: Dice) -> Iterator[SlotQuestion]:
    town, state = dice.choice(sorted(_US.items()))
    elsewhere, district, hotel = dice.one_of(*_TOWNS), dice.one_of(*_DISTRICTS), dice.one_of(*_HOTELS)
    full = dice.said(
        TEXT, "The city, in the format 'City, State' (e.g. 'Reno, NV').", "City and state, such as 'Reno, NV'."
    )
    plain = dice.said(TEXT, "The city.", "Name of the town.", "")
    where = dice.one_of("city", "location", "town")
    nights = dice.randint(2, 14)
    trade = dice.one_of("plumber", "gardener", "barber", "tailor")
    for text in (
        f"find a {trade} in {town}",
        f"I'm in {town}, {state}. Is there a {trade} here?",
        f"any {trade} in {town.lower()}?",
    ):
        yield SlotQuestion(
            question=text,
            does=f"find {trade}",
            told=dice.mixed({where: full}, _OTHERS),
            needed=(where,),
            arguments={where: f"{town}, {state}"},
            path="/trades",
        )
    yield SlotQuestion(
        question=f"is there a {trade} in {elsewhere}?",
        does=f"find {trade}",
        told=dice.mixed({where: plain}, _OTHERS),
        needed=(where,),
        arguments={where: elsewhere},
        path="/trades",
    )
    named = dice.random() < 0.5
    told: Told = {
        "city": plain,
        "quarter": dice.said(TEXT, "The part of town, for example 'Market Quarter'.")
        if named
        else dice.said(TEXT, "Name of the quarter.", "The part of the town."),
        "max_price": {**AMOUNT, "description": "The highest price."},
    }
    for text in (
        f"a {trade} in the {district} Quarter of {elsewhere}",
        f"which {trade} works in {district} Quarter, {elsewhere}?",
    ):
        meant = {"city": elsewhere, "quarter": f"{district} Quarter" if named else district}
        yield SlotQuestion(
            question=text, does=f"find {trade}", told=dice.mixed(told, _OTHERS), arguments=meant, path="/trades"
        )
    stay: Told = {
        dice.one_of("hotel", "hotel_name"): dice.said(TEXT, "The name of the hotel."),
        "city": plain,
        "nights": dice.said(NUMBER, "How many nights.", "Length of the stay"),
        "rooms": {**NUMBER, "default": 1, "description": "How many rooms. Default is 1."},
    }
    first = next(iter(stay))
    for text in (
        f"book {nights} nights at {hotel} in {elsewhere}",
        f"a room in the {hotel.removeprefix('The ')}, {elsewhere}, for {nights} nights",
    ):
        name = hotel if hotel in text else hotel.removeprefix("The ")
        yield SlotQuestion(
            question=text,
            does="book hotel",
            told=dice.mixed(stay, {}),
            needed=(first, "city"),
            arguments={first: name, "city": elsewhere, "nights": nights},
            path="/stays",
        )


def looks(dice: Dice) -> Iterator[SlotQuestion]:
    """Sizes, colours and materials: words that nothing but their meaning ties to a parameter."""
    width, height = dice.randint(20, 900), dice.randint(20, 900)
    color, material, dish = dice.one_of(*_COLORS), dice.one_of(*_MATERIALS), dice.one_of(*_DISHES)
    kind = dice.one_of(TEXT, NUMBER)
    told: Told = {
        "width": dice.said(kind, "Width of the poster", "How wide it is"),
        "height": dice.said(kind, "Height of the poster", "How high it is"),
        "color": dice.said(TEXT, "The color. Black if not given.", "Its main color"),
        "caption": dice.said(TEXT, "What is written on it."),
    }
    sizes = {"width": width, "height": height}
    for text, meant in (
        (f"a poster {width} mm wide and {height} mm high", sizes),
        (
            f"print it with a width of {width} mm and a height of {height} mm on {color} paper",
            {**sizes, "color": color},
        ),
        (f"print a {color} poster", {"color": color}),
        (f'a {color} card that says "{dish} tonight"', {"color": color, "caption": f"{dish} tonight"}),
    ):
        yield SlotQuestion(
            question=text, does="print poster", told=dice.mixed(told, {}), arguments=meant, path="/posters"
        )
    shop: Told = {
        "material": dice.said(TEXT, "What it is made of.", "The material, such as 'steel'."),
        "color": dice.said(TEXT, "The color."),
        "item": dice.said(TEXT, "What is looked for.", "The thing to buy"),
    }
    item = dice.one_of("chairs", "lamps", "bowls")
    for text, meant in (
        (f"do you have {color} {item}?", {"color": color, "item": item}),
        (f"show me {material} {item}", {"material": material, "item": item}),
    ):
        yield SlotQuestion(
            question=text,
            does="search shop",
            told=dice.mixed(shop, _OTHERS),
            needed=("item",),
            arguments=meant,
            path="/shop",
        )
    food: Told = {
        "dish": dice.said(TEXT, "Name of the dish.", "What is cooked"),
        "servings": dice.said(NUMBER, "For how many people it is."),
    }
    for text, meant in (
        (f"a recipe for {dish}", {"dish": dish}),
        (f"how do I cook {dish} for {height} people?", {"dish": dish, "servings": height}),
        (f"get the recipe of {dish} including the steps", {"dish": dish}),
    ):
        yield SlotQuestion(
            question=text,
            does="get recipe",
            told=dice.mixed(food, _OTHERS),
            needed=("dish",),
            arguments=meant,
            path="/recipes",
        )


def hours(dice: Dice) -> Iterator[SlotQuestion]:
    (said, day), hour, minute = dice.day(), dice.randint(1, 11), dice.one_of(0, 15, 30)
    clock = f"{hour}:{minute:02} {dice.one_of('pm', 'PM', 'p.m.')}"
    form = dice.one_of("YYYY-MM-DD HH:mm:ss", "YYYY-MM-DDTHH:MM:SSZ")
    mark, tail = ("T", "Z") if "T" in form else (" ", "")
    moment = f"{day.isoformat()}{mark}{hour + 12}:{minute:02}:00{tail}"
    late = f"{day.isoformat()}{mark}{hour + 13 if hour < 11 else 23}:{minute:02}:00{tail}"
    told: Told = {
        "start_at": dice.said(TEXT, f"The beginning, in the format '{form}'."),
        "end_at": dice.said(TEXT, f"The end, in the format '{form}', or nothing if it is open."),
        "subject": dice.said(TEXT, "What it is about."),
    }
    yield SlotQuestion(
        question=f"someone who is free on {said} at {clock}",
        does="find helper",
        told=dice.mixed(told, _OTHERS),
        arguments={"start_at": moment},
        path="/helpers",
    )
    yield SlotQuestion(
        question=f"is anyone free from {said}, at {clock}?",
        does="find helper",
        told=dice.mixed(told, _OTHERS),
        arguments={"start_at": moment},
        path="/helpers",
    )
    if hour < 11:
        text = f"block {said} from {hour}:{minute:02} pm to {hour + 1}:{minute:02} pm"
        yield SlotQuestion(
            question=text,
            does="block time",
            told=dice.mixed(told, {}),
            arguments={"start_at": moment, "end_at": late},
            path="/blocks",
        )
    took = dice.randint(2, 90)
    lasts = dice.said(AMOUNT, "How long it takes, in seconds.", "Length in seconds")
    yield SlotQuestion(
        question=f"run the pump for {took} minutes",
        does="run pump",
        told=dice.mixed({"duration": lasts}, {"speed": {**NUMBER, "description": "Turns a minute."}}),
        arguments={"duration": took * 60},
        path="/pumps",
    )
    apart = {"date": dice.said(TEXT, "The day (YYYY-MM-DD)."), "time": dice.said(TEXT, "The hour (HH:MM).")}
    yield SlotQuestion(
        question=f"a table on {said} at {clock}",
        does="book table",
        told=dice.mixed(apart, {"people": {**NUMBER, "description": "How many come."}}),
        arguments={"date": day.isoformat(), "time": f"{hour + 12}:{minute:02}"},
        path="/tables",
    )


def shares(dice: Dice) -> Iterator[SlotQuestion]:
    rate, years, sum = dice.randint(2, 19), dice.randint(2, 30), dice.randint(2, 90) * 100
    decimal = dice.random() < 0.6
    key = dice.one_of("growth", "growth_rate", "bonus_rate", "gain")
    said = (
        dice.said(AMOUNT, "Growth a year as a decimal.", "The part that is added each year (0.07 means 7%).")
        if decimal
        else dice.said(AMOUNT, "Growth a year in percent.", "What is added each year, such as 7.5 or 12.")
    )
    told: Told = {
        key: said,
        "years": dice.said(NUMBER, "How many years.", "How long it runs, in years."),
        dice.one_of("deposit", "sum"): dice.said(AMOUNT, "What is put in.", "Dollars put aside."),
    }
    last = list(told)[-1]
    meant = {key: rate / 100 if decimal else rate, "years": years, last: sum}
    for text in (
        f"how much is in the jar after {years} years at {rate}% when it starts with ${sum}?",
        f"${sum} that grow by {rate}% a year over the next {years} years",
        f"let ${sum} gain {rate}% for {years} years",
    ):
        yield SlotQuestion(
            question=text, does="fill jar", told=dice.mixed(told, {}), needed=tuple(told), arguments=meant, path="/jars"
        )


def traits(dice: Dice) -> Iterator[SlotQuestion]:
    """Flags that are said in other words, and those that nobody spoke of though half their description was said."""
    tail = dice.one_of("True when so, else False.", "Yes or no; no unless told.", "")
    told: Told = {
        "dog_friendly": {**FLAG, "description": f"Do the owners of the site like dogs? {tail}"},
        "has_parking": {**FLAG, "description": f"Whether guests can park a car at the site. {tail}"},
        "noisy": {**FLAG, "description": f"Whether guests of the site complained of noise. {tail}"},
        "near_water": {**FLAG, "description": f"Whether the camp lies at a lake or a river. {tail}"},
        "for_groups": {**FLAG, "description": f"Whether the camp takes groups of guests. {tail}"},
        "town": dice.said(TEXT, "The town."),
    }
    town = dice.one_of(*_TOWNS)
    for text, meant in (
        (f"a camp near {town} where dogs are welcome", {"dog_friendly": True}),
        (f"somewhere in {town} I can take my puppy", {"dog_friendly": True}),
        (f"a dog-friendly camp in {town}, not for groups", {"dog_friendly": True, "for_groups": False}),
        (f"which site in {town} takes guests tomorrow?", {}),
        (f"find a camp site in {town}", {}),
        (f"a camp in {town} that nobody calls noisy, without noise", {"noisy": False}),
        (f"a site in {town} with parking", {"has_parking": True}),
        (f"a camp in {town} by a lake", {"near_water": True}),
    ):
        yield SlotQuestion(
            question=text,
            does="find camp",
            told=dice.mixed(told, _OTHERS),
            arguments={"town": town, **meant},
            path="/camps",
        )


PATTERNS: tuple[Callable[[Dice], Iterator[SlotQuestion]], ...] = (
    money,
    parcels,
    codes,
    works,
    places,
    looks,
    hours,
    shares,
    traits,
)


def invented_more(times: int = 12) -> Iterator[SlotQuestion]:
    """Each pattern so many times; the same on every run."""
    for number in range(times):
        for at, pattern in enumerate(PATTERNS):
            yield from pattern(Dice(1000 * at + number))
