"""Decisions: CPU of one over 10, 220 and 10,000 rules, with contexts that differ, and of making a table current."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Figure, cost
from nlapi.routing.nouns import (
    Configuration,
    Context,
    Field,
    Match,
    Model,
    Objective,
    Rule,
    Shard,
    Share,
    Version,
    VersionRef,
)
from nlapi.routing.table import Table, compile

ROUNDS = 25
REQUESTS = 20_000
V7, V8 = VersionRef(model="ranker", version="v7"), VersionRef(model="ranker", version="v8")
SPLIT = (Share(version=V7, percent=90, buckets=((0, 9000),)), Share(version=V8, percent=10, buckets=((9000, 10000),)))
ALL = (Share(version=V8, percent=100, buckets=((0, 10000),)),)
FIELDS = tuple(Field(name=name) for name in ("user", "country", "device", "surface"))
PLACES = [
    {"country": f"c{country}", "device": device, "surface": f"s{surface}"}
    for country in range(60)
    for device in ("tv", "phone", "web", "tablet")
    for surface in range(50)
]
"""What rules match. Half of all requests are from elsewhere, and get the default."""


def measure(description: Path | None = None) -> list[Figure]:
    found = json.loads(cost([sys.executable, "-m", "benchmarks.routing"], runs=1).output)
    one = {name: value * 1e6 for name, value in found["decide"].items()}
    times = one["10000"] / one["10"]
    return [
        Figure(name="a decision over 10 rules, CPU", value=one["10"], unit="us"),
        Figure(name="a decision over 220 rules, CPU", value=one["220"], unit="us", limit=1.0),
        Figure(
            name="a decision over 10,000 rules of 400 objectives, CPU", value=one["10000/400"], unit="us", limit=1.0
        ),
        Figure(name="a decision over 10,000 rules of one objective, CPU", value=one["10000"], unit="us", limit=1.0),
        Figure(name="... in proportion to that over 10 rules", value=times, unit="x"),
        Figure(name="10,000 rules of one objective made current, CPU", value=found["make"] * 1e3, unit="ms", limit=50),
    ]


def configuration(rules: int, objectives: int = 1) -> Configuration:
    """Rules over places, every second one a split by user, spread over objectives."""
    names = [f"objective-{number}" for number in range(objectives)]
    made = [
        Rule(
            name=f"rule-{number}",
            objective=names[number % objectives],
            match=Match(when={name: (value,) for name, value in place.items()}),
            shares=SPLIT if number // objectives % 2 else ALL,
            position=number,
        )
        for number, place in enumerate(random.Random(5).sample(PLACES, rules))
    ]
    return Configuration(
        objectives={name: Objective(name=name, default=V7, context=FIELDS) for name in names},
        models={"ranker": Model(name="ranker")},
        versions={ref: Version(model=ref.model, name=ref.version) for ref in (V7, V8)},
        shards={"local": Shard(name="local")},
        rules={rule.name: rule for rule in made},
    )


def requests(source: Configuration, count: int = REQUESTS) -> list[tuple[str, Context]]:
    """Requests of many users: half of them match a rule, each rule as likely as another."""
    chance = random.Random(6)
    rules = list(source.rules.values())
    made: list[tuple[str, Context]] = []
    for number in range(count):
        rule = chance.choice(rules)
        place = {name: values[0] for name, values in rule.match.when.items()}
        if number % 2:
            place["country"] = "elsewhere"
        made.append((rule.objective, {"user": f"user-{chance.randrange(10**7)}", **place}))
    return made


def decisions(table: Table, seen: Sequence[tuple[str, Context]]) -> float:
    """CPU seconds of a decision."""
    decide = table.decide
    start = time.process_time()
    for objective, context in seen:
        decide(objective, context)
    return (time.process_time() - start) / len(seen)


def child() -> dict[str, object]:
    """CPU seconds; the least of several rounds, in which the tables take turns."""
    sources = {
        "10": configuration(10),
        "220": configuration(220),
        "10000/400": configuration(10_000, 400),
        "10000": configuration(10_000),
    }
    cases = {name: (compile(source, 1), requests(source)) for name, source in sources.items()}
    rounds = [{name: decisions(*case) for name, case in cases.items()} for _ in range(ROUNDS)]
    large, (objective, context) = sources["10000"], cases["10000"][1][0]
    made = []
    for _ in range(5):
        start = time.process_time()
        compile(large, 2).decide(objective, context)
        made.append(time.process_time() - start)
    return {"decide": {name: min(one[name] for one in rounds) for name in cases}, "make": min(made)}


if __name__ == "__main__":
    print(json.dumps(child()))
