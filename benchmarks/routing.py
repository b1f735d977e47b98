"""Decisions: CPU of one over 10, 220 and 10,000 rules, with contexts that differ, and of making a table current."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TypeAlias

import orjson

from benchmarks.measure import Figure, cost
from nlapi.routing.model import (
    Configuration,
    Field,
    FieldType,
    Match,
    Model,
    Objective,
    Range,
    Rule,
    Shard,
    Share,
    Version,
    VersionRef,
)
from nlapi.routing.table import Table, compile_table

ROUNDS, PASSES = 7, 3
"""Rounds in which the tables take turns, and passes of one in a turn: the first brings it into the cache."""

REQUESTS = 20_000
AT_ONCE = 100
"""requests that are read, then decided: a context is as fresh as one that came just now"""

V7, V8 = VersionRef(model="ranker", version="v7"), VersionRef(model="ranker", version="v8")
SPLIT = (Share(version=V7, percent=90, buckets=((0, 9000),)), Share(version=V8, percent=10, buckets=((9000, 10000),)))
ALL = (Share(version=V8, percent=100, buckets=((0, 10000),)),)
HOUR = Field(name="hour", type=FieldType.INTEGER)
FIELDS = (*(Field(name=name) for name in ("user", "country", "device", "surface")), HOUR)
COUNTRIES = [f"c{number}" for number in range(60)]
DEVICES = ["tv", "phone", "web", "tablet"]
SURFACES = [f"s{number}" for number in range(50)]
BLOCKS = {10: (10, 1, 1), 220: (20, 1, 11), 10_000: (60, 4, 50)}
"""How many parts countries, devices and surfaces are cut into: the fewer rules there are, the more each one says."""

Request: TypeAlias = tuple[str, bytes]
"""The objective, and the context as JSON."""


def measure(description: Path | None = None) -> list[Figure]:
    found = json.loads(cost([sys.executable, "-m", "benchmarks.routing"], runs=1).output)
    one = {name: value * 1e6 for name, value in found["decide"].items()}

    def us(name: str, key: str) -> Figure:
        return Figure(name=f"a decision over {name}, CPU", value=one[key], unit="us", limit=1.0)

    def times(name: str, key: str, base: str, limit: float | None = None) -> Figure:
        return Figure(name=f"... in proportion to {name}", value=one[key] / one[base], unit="x", limit=limit)

    return [
        us("10 rules, requests of 20 kinds", "few kinds"),
        us("10 rules, requests of 10,000 kinds, all as likely", "10"),
        us("220 rules, the same requests", "220"),
        us("10,000 rules, the same requests", "10000"),
        times("10 rules, the same requests", "10000", "10"),
        us("10 rules, requests of 10,000 kinds, a few of which are most (Zipf)", "popular 10"),
        us("10,000 rules, the same requests", "popular 10000"),
        times("10 rules, the same requests", "popular 10000", "popular 10", 1.2),
        us("10 rules with fields left out, exceptions and ranges (Zipf)", "mixed 10"),
        us("10,000 such rules, the same requests", "mixed 10000"),
        times("10 such rules, the same requests", "mixed 10000", "mixed 10", 1.2),
        us("10,000 rules of 400 objectives, all as likely", "400 objectives"),
        Figure(name="10,000 rules of one objective made current, CPU", value=found["make"] * 1e3, unit="ms", limit=50),
    ]


def configuration(rules: int, objectives: int = 1, *, mixed: bool = False) -> Configuration:
    """Rules that each match a part of the places, every second one a split by user, spread over objectives.

    `mixed`: of three rules one says nothing of the device, one has an exception and one a range of hours.
    """
    names = [f"objective-{number}" for number in range(objectives)]
    parts = [parted(values, count) for values, count in zip((COUNTRIES, DEVICES, SURFACES), BLOCKS[rules], strict=True)]
    made = [
        Rule(
            name=f"rule-{number}",
            objective=names[number % objectives],
            match=matching(*place, kind=number % 3 if mixed else -1),
            shares=SPLIT if number // objectives % 2 else ALL,
            position=number,
        )
        for number, place in enumerate(random.Random(5).sample(list(product(*parts)), rules))
    ]
    return Configuration(
        objectives={name: Objective(name=name, default=V7, context=FIELDS) for name in names},
        models={"ranker": Model(name="ranker")},
        versions={ref: Version(model=ref.model, name=ref.version) for ref in (V7, V8)},
        shards={"local": Shard(name="local")},
        rules={rule.name: rule for rule in made},
    )


def parted(values: list[str], count: int) -> list[tuple[str, ...]]:
    return [
        tuple(values[number * len(values) // count : (number + 1) * len(values) // count]) for number in range(count)
    ]


def matching(country: tuple[str, ...], device: tuple[str, ...], surface: tuple[str, ...], *, kind: int) -> Match:
    when = {"country": country, "device": device, "surface": surface}
    if kind == 0:
        del when["device"]
    unless = {"surface": ("s7", "s8")} if kind == 1 else {}
    between = {"hour": Range(least=1, below=23)} if kind == 2 else {}
    return Match(when=when, unless=unless, between=between)


def requests(source: Configuration, *, popular: bool, mixed: bool = False) -> list[Request]:
    """Requests of many users: half of them are from where some rule is of, the rest are from elsewhere.

    `popular`: of the rules, which are anywhere in their order, one is met twice as often as the next, three times as
    often as the one after that, and so on; else each is as likely.
    """
    chance = random.Random(6)
    rules = list(source.rules.values())
    chance.shuffle(rules)
    weights = [1 / (rank if popular else 1) for rank in range(1, len(rules) + 1)]
    made: list[Request] = []
    for number, rule in enumerate(chance.choices(rules, weights, k=REQUESTS)):
        place: dict[str, object] = {name: chance.choice(values) for name, values in rule.match.when.items()}
        if number % 2:
            place["country"] = "elsewhere"
        if mixed:
            place |= {"device": chance.choice(DEVICES), "hour": chance.randrange(24)}
        made.append((rule.objective, orjson.dumps({"user": f"user-{chance.randrange(10**7)}", **place})))
    return made


def decisions(table: Table, seen: Sequence[Request]) -> float:
    """CPU seconds of a decision."""
    decide, clock = table.decide, time.process_time
    used = 0.0
    for first in range(0, len(seen), AT_ONCE):
        asked = [(objective, orjson.loads(context)) for objective, context in seen[first : first + AT_ONCE]]
        start = clock()
        for objective, context in asked:
            decide(objective, context)
        used += clock() - start
    return used / len(seen)


def child() -> dict[str, object]:
    """CPU seconds; the least of several rounds, in which the tables take turns."""
    large, spread, varied = configuration(10_000), configuration(10_000, 400), configuration(10_000, mixed=True)
    many, popular = requests(large, popular=False), requests(large, popular=True)
    various = requests(varied, popular=True, mixed=True)
    cases = {
        "few kinds": (configuration(10), random.Random(7).sample(many, 20) * (REQUESTS // 20)),
        "10": (configuration(10), many),
        "220": (configuration(220), many),
        "10000": (large, many),
        "popular 10": (configuration(10), popular),
        "popular 10000": (large, popular),
        "mixed 10": (configuration(10, mixed=True), various),
        "mixed 10000": (varied, various),
        "400 objectives": (spread, requests(spread, popular=False)),
    }
    tables = {name: (compile_table(source, 1), seen) for name, (source, seen) in cases.items()}
    rounds = [
        {name: min(decisions(*case) for _ in range(PASSES)) for name, case in tables.items()} for _ in range(ROUNDS)
    ]
    made = []
    context = orjson.loads(many[0][1])
    for _ in range(5):
        start = time.process_time()
        compile_table(large, 2).decide("objective-0", context)
        made.append(time.process_time() - start)
    return {"decide": {name: min(one[name] for one in rounds) for name in tables}, "make": min(made)}


if __name__ == "__main__":
    print(json.dumps(child()))
