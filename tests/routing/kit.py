"""An example configuration to decide with, and hypothesis strategies of configurations and contexts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import strategies as st

from nlapi.routing.change import Entity, upsert_entity
from nlapi.routing.model import (
    Canary,
    CanaryState,
    Configuration,
    Experiment,
    Field,
    FieldType,
    Layer,
    Match,
    Model,
    Objective,
    Override,
    Range,
    Rule,
    Shadow,
    Shard,
    Share,
    Version,
    VersionRef,
)


def version(text: str) -> VersionRef:
    return VersionRef.parse(text)


def shares(text: str) -> tuple[Share, ...]:
    """ "ranker@v7 90, ranker@v8 10" or with the names of cells "control=ranker@v7 50"."""
    made = []
    for part in text.split(","):
        what, percent = part.split()
        name, _, ref = what.rpartition("=")
        made.append(Share(name=name, version=version(ref), percent=float(percent)))
    return tuple(made)


def when(**values: Any) -> Match:
    return Match(when={name: value if isinstance(value, tuple) else (value,) for name, value in values.items()})


def together(*nouns: Entity, start: Configuration | None = None) -> Configuration:
    configuration = start or Configuration()
    for noun in nouns:
        configuration = upsert_entity(configuration, noun)
    return configuration


def versions(*refs: str, shard: str = "local") -> list[Entity]:
    """Versions with their models."""
    parsed = [version(ref) for ref in refs]
    models: list[Entity] = [Model(name=name) for name in dict.fromkeys(ref.model for ref in parsed)]
    return [*models, *(Version(model=ref.model, name=ref.version, shard=shard) for ref in parsed)]


def override(name: str, field: str, value: str, ref: str) -> Override:
    return Override(name=name, objective="continue-watching", field=field, value=value, version=version(ref))


DEVICES = ("tv", "phone", "web")

WATCHING = Objective(
    name="continue-watching",
    default=version("ranker@v7"),
    fallback=version("ranker@v6"),
    context=(
        Field(name="user"),
        Field(name="country"),
        Field(name="device", values=DEVICES),
        Field(name="hour", type=FieldType.INTEGER),
        Field(name="kids", type=FieldType.BOOLEAN),
    ),
)

FRAUD = Objective(
    name="payment-fraud",
    default=version("fraud@v1"),
    context=(
        Field(name="account"),
        Field(name="amount", type=FieldType.NUMBER),
        Field(name="country"),
        Field(name="method", values=("card", "wallet", "transfer")),
    ),
)

HOME = Objective(name="home", default=version("rows@v1"), context=(Field(name="user"), Field(name="country")))


def example() -> Configuration:
    """Three objectives that use every noun."""
    return together(
        Shard(name="local"),
        *versions("ranker@v6", "ranker@v7", "ranker@v8", "ranker@v9", "kids@v1"),
        *versions("fraud@v1", "fraud@v2", "fraud@strict", "rows@v1", "rows@v2", "rows@v3"),
        WATCHING,
        FRAUD,
        HOME,
        Rule(
            name="kids", objective="continue-watching", match=when(kids=True), shares=shares("kids@v1 100"), position=10
        ),
        Rule(
            name="tv-brazil",
            objective="continue-watching",
            match=when(country="BR", device="tv"),
            shares=shares("ranker@v7 90, ranker@v8 10"),
            position=20,
        ),
        Rule(
            name="lusophone",
            objective="continue-watching",
            match=when(country=("BR", "PT")),
            shares=shares("ranker@v8 100"),
            position=30,
        ),
        Rule(
            name="night",
            objective="continue-watching",
            match=Match(between={"hour": Range(least=0, below=6)}, unless={"device": ("web",)}),
            shares=shares("ranker@v9 100"),
            position=40,
        ),
        Override(
            name="tester", objective="continue-watching", field="user", value="qa-1", version=version("ranker@v9")
        ),
        Override(name="lab", objective="continue-watching", field="client", value="lab", version=version("ranker@v6")),
        Rule(
            name="large",
            objective="payment-fraud",
            match=Match(between={"amount": Range(least=1000)}),
            shares=shares("fraud@strict 100"),
            position=10,
        ),
        Rule(
            name="cards",
            objective="payment-fraud",
            match=Match(when={"method": ("card",)}, unless={"country": ("JP",)}),
            shares=shares("fraud@v1 50, fraud@v2 50"),
            unit="account",
            position=20,
        ),
        Canary(
            name="wallets",
            objective="payment-fraud",
            version=version("fraud@v2"),
            base=version("fraud@v1"),
            percent=20,
            match=when(method="wallet"),
            unit="account",
        ),
        Layer(name="rows"),
        Experiment(
            name="order",
            objective="home",
            cells=shares("control=rows@v1 50, treatment=rows@v2 50"),
            layer="rows",
            percent=40,
        ),
        Experiment(name="size", objective="home", cells=shares("large=rows@v3 100"), layer="rows", percent=20),
        Shadow(name="next", objective="home", version=version("rows@v3"), match=when(country="US"), percent=50),
    )


SMALL = Objective(
    name="small",
    default=version("m@v0"),
    context=(
        Field(name="user"),
        Field(name="country"),
        Field(name="device", values=("tv", "web")),
        Field(name="age", type=FieldType.INTEGER),
        Field(name="kids", type=FieldType.BOOLEAN),
    ),
)
REFS = tuple(version(f"m@v{number}") for number in range(4))
VALUES: Mapping[str, tuple[Any, ...]] = {
    "country": ("BR", "US", "JP"),
    "device": ("tv", "web"),
    "age": tuple(range(6)),
    "kids": (True, False),
}
USERS = tuple(f"u{number}" for number in range(20))


UNITS = ("user", "country", "client")


def a_match(random: Random) -> Match:
    def some() -> dict[str, tuple[Any, ...]]:
        names = random.sample(sorted(VALUES), random.randint(0, 2))
        return {name: tuple(random.sample(VALUES[name], random.randint(1, 2))) for name in names}

    least, below = random.choice([None, *range(4)]), random.choice([None, *range(4, 7)])
    between = {"age": Range(least=least, below=below)} if random.random() < 0.3 else {}
    return Match(when=some(), unless=some() if random.random() < 0.3 else {}, between=between)


def a_context(random: Random) -> dict[str, Any]:
    full = {"user": random.choice(USERS), **{name: random.choice(values) for name, values in VALUES.items()}}
    absent = random.sample(sorted(full), random.choice([0, 0, 1, 2]))
    return {name: value for name, value in full.items() if name not in absent}


def a_split(random: Random, *, whole: bool) -> tuple[Share, ...]:
    """Shares that are 100 % together, or at most."""
    percents = random.choice([(100.0,), (50.0, 50.0), (90.0, 10.0), (30.0, 30.0, 40.0)])
    part = 1.0 if whole else random.choice([1.0, 0.25])
    refs = random.sample(REFS, len(percents))
    return tuple(
        Share(version=ref, percent=percent * part, name="" if whole else f"c{ref.version}")
        for ref, percent in zip(refs, percents, strict=True)
    )


def a_rule(random: Random, name: str) -> Rule:
    split = a_split(random, whole=True)
    position = random.randint(0, 9)
    unit = random.choice(UNITS)
    return Rule(name=name, objective="small", match=a_match(random), shares=split, unit=unit, position=position)


def an_experiment(random: Random, name: str) -> Experiment:
    layer = random.choice(["", "layer"])
    return Experiment(
        name=name,
        objective="small",
        match=a_match(random),
        cells=a_split(random, whole=False),
        unit=random.choice(UNITS),
        layer=layer,
        percent=30 if layer else 100,
        running=random.random() < 0.8,
    )


def a_canary(random: Random, name: str) -> Canary:
    return Canary(
        name=name,
        objective="small",
        match=a_match(random),
        version=random.choice(REFS),
        base=random.choice([None, *REFS]),
        percent=random.choice([0, 10, 50, 100]),
        unit=random.choice(UNITS),
        state=random.choice(list(CanaryState)),
    )


def an_override(random: Random, name: str) -> Override:
    field = random.choice(["user", "client", "country"])
    value = random.choice({"user": USERS, "client": ("app", "lab"), "country": ("BR", "US")}[field])
    return Override(name=name, objective="small", field=field, value=value, version=random.choice(REFS))


def a_configuration(random: Random) -> Configuration:
    """A configuration of one objective, "small"; it need not pass `check`."""
    nouns: list[Entity] = [Shard(name="local"), *versions(*map(str, REFS)), SMALL, Layer(name="layer")]
    nouns += [a_rule(random, f"r{number}") for number in range(random.randint(0, 6))]
    nouns += [an_experiment(random, f"e{number}") for number in range(random.randint(0, 3))]
    nouns += [a_canary(random, f"c{number}") for number in range(random.randint(0, 3))]
    nouns += [an_override(random, f"o{number}") for number in range(random.randint(0, 2))]
    nouns += [
        Shadow(name=f"s{number}", objective="small", match=a_match(random), version=random.choice(REFS))
        for number in range(random.randint(0, 2))
    ]
    return together(*nouns)


seeds = st.integers(0, 2**32).map(Random)
"""Of everything random; far quicker than drawing each part."""


def without_buckets(configuration: Configuration) -> Configuration:
    """As a person would write it."""
    rules = {
        name: replace(rule, shares=tuple(replace(share, buckets=()) for share in rule.shares))
        for name, rule in configuration.rules.items()
    }
    experiments = {
        name: replace(one, buckets=(), cells=tuple(replace(cell, buckets=()) for cell in one.cells))
        for name, one in configuration.experiments.items()
    }
    return replace(configuration, rules=rules, experiments=experiments)
