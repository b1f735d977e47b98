"""What a cost policy saves on outcomes that it was not learned on: python -m benchmarks.cost_routing --data DIR.

The data is not in the repository: the README of its folder says where each part is from. RouteLLM's has no prices:
those of the strong model are arguments, and the weak one costs a tenth and a thirtieth of them: a token is four
characters.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter

from nlapi.routing.costs import (
    ORACLE,
    POLICY,
    RANDOM,
    CostPolicy,
    CostTerms,
    RatedAnswer,
    cost_rules,
    learn,
    simulate_costs,
    text_size,
)
from nlapi.routing.model import Bucket, Configuration, Field, FieldType, Objective, VersionRef
from nlapi.routing.table import compile_table

SEEDS = range(5)
HELD_OUT = 0.2
"""the part of the questions that a policy is not learned on"""
FLOORS = (0.95, 0.99)
RATIOS = (10.0, 30.0)
WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
CHARACTERS_PER_TOKEN = 4
# Dollars a million tokens of 2024, input and output, of the models that the README of the data names.
BFCL_PRICES = {
    "claude-3-haiku": (0.25, 1.25),
    "claude-3-5-sonnet": (3.0, 15.0),
    "claude-3-opus": (15.0, 75.0),
    "gpt-4o-mini": (0.15, 0.6),
    "gpt-4o": (2.5, 10.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One recorded answer with the category that its caller knows, and the text of its question where there is one."""

    category: str
    question: str
    text: str
    model: str
    quality: float
    dollars: float


def version(model: str) -> VersionRef:
    """Return a model as a version of the gateway."""
    return VersionRef(model=model.rpartition("/")[2], version="1")


def routellm(folder: Path, prices: tuple[float, float], ratio: float) -> Iterator[Answer]:
    """Yield the answers of RouteLLM's two models to MMLU, by its 57 subjects, and to GSM8K."""
    evals = folder / "routellm" / "routellm" / "evals"
    for file in sorted((evals / "mmlu" / "responses").glob("mmlu_*.csv")):
        category = file.stem.removeprefix("mmlu_")
        yield from _read_answers(file, category, prices, ratio)
    yield from _read_answers(evals / "gsm8k" / "gsm8k_responses.csv", "gsm8k", prices, ratio)


def _read_answers(file: Path, category: str, prices: tuple[float, float], ratio: float) -> Iterator[Answer]:
    with file.open(newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.DictReader(stream)):
            for model, divisor in ((WEAK, ratio), (STRONG, 1.0)):
                # MMLU is answered by one letter.
                output = len(row.get(f"{model}_response") or "A") / CHARACTERS_PER_TOKEN
                tokens = len(row["prompt"]) / CHARACTERS_PER_TOKEN * prices[0] + output * prices[1]
                yield Answer(
                    category=category,
                    question=f"{category}/{number}",
                    text=row["prompt"],
                    model=model,
                    quality=float(row[model] == "True"),
                    dollars=tokens / divisor / 1e6,
                )


def bfcl(folder: Path) -> Iterator[Answer]:
    """Yield the recorded runs of BFCL, by its categories."""
    with (folder / "bfcl_recorded.tsv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            known = [name for name in BFCL_PRICES if row["model"].startswith(name)]
            prices = BFCL_PRICES[max(known, key=len)]
            tokens = float(row["input_tokens"]) * prices[0] + float(row["output_tokens"]) * prices[1]
            yield Answer(
                category=row["category"],
                question=f"{row['category']}/{row['number']}",
                text="",
                model=row["model"],
                quality=float(row["right"]),
                dollars=tokens / 1e6,
            )


def routerbench(folder: Path) -> Iterator[Answer]:
    """Yield the answers of RouterBench's eleven models, by its sets."""
    with (folder / "routerbench_part.tsv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            question = f"{row['set']}/{row['split']}/{row['row']}"
            quality, dollars = float(row["score"]), float(row["dollars"])
            yield Answer(
                category=row["set"], question=question, text="", model=row["model"], quality=quality, dollars=dollars
            )


def routerarena(folder: Path) -> Iterator[Answer]:
    """Yield the answers of RouterArena's two models, by the set that a question is from."""
    for file in sorted((folder / "routerarena" / "cached_results").glob("*.jsonl")):
        # The last line of a part is cut.
        for line in file.read_bytes().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            result = row["evaluation_result"]
            yield Answer(
                category=row["global_index"].rpartition("_")[0],
                question=row["global_index"],
                text=row["question"],
                model=file.stem,
                quality=float(result["score"]),
                dollars=float(result["inference_cost"]),
            )


def outcomes(answers: Sequence[Answer], *, by_size: bool = True) -> list[RatedAnswer]:
    """Return the answers as outcomes: the category is the caller's, the size class is of the text."""
    return [
        RatedAnswer(
            bucket=(answer.category, text_size(answer.text)) if by_size and answer.text else (answer.category,),
            version=version(answer.model),
            quality=answer.quality,
            dollars=answer.dollars,
            question=answer.question,
        )
        for answer in answers
    ]


def split(answers: Sequence[RatedAnswer], seed: int) -> tuple[list[RatedAnswer], list[RatedAnswer]]:
    """Return the outcomes to learn on, and those of the questions that are held out."""
    questions = sorted({answer.question for answer in answers})
    random.Random(seed).shuffle(questions)
    held = set(questions[: int(len(questions) * HELD_OUT)])
    return [one for one in answers if one.question not in held], [one for one in answers if one.question in held]


def held_out(name: str, answers: Sequence[Answer], terms: CostTerms, *, by_size: bool = True) -> None:
    """Print what a policy saves and keeps on questions that it was not learned on, over the seeds."""
    saved: defaultdict[str, list[float]] = defaultdict(list)
    kept: defaultdict[str, list[float]] = defaultdict(list)
    for seed in SEEDS:
        learned, held = split(outcomes(answers, by_size=by_size), seed)
        simulation = simulate_costs(learn(learned, terms), held)
        for row in simulation.rows:
            saved[row.name].append(simulation.saved(row.name))
            kept[row.name].append(simulation.kept_quality(row.name))
    text = f"{name:34} {100 * terms.floor:3.0f} %"
    for row_name in (POLICY, RANDOM, ORACLE):
        if row_name in saved:
            text += f" | {100 * fmean(saved[row_name]):5.1f} % at {100 * fmean(kept[row_name]):6.2f} %"
    least, most = min(saved[POLICY]), max(saved[POLICY])
    print(f"{text} | {100 * least:.1f}-{100 * most:.1f} %, least kept {100 * min(kept[POLICY]):.2f} %")


def unseen(answers: Sequence[Answer], terms: CostTerms) -> None:
    """Print how far a policy falls under the best version on questions of categories that it was not learned on."""
    everything = outcomes(answers)
    categories = sorted({answer.category for answer in answers})
    losses = []
    for number in range(0, len(categories), 6):
        left_out = set(categories[number : number + 6])
        policy = learn([one for one in everything if one.bucket[0] not in left_out], terms)
        simulation = simulate_costs(policy, [one for one in everything if one.bucket[0] in left_out])
        losses.append(100 * (simulation.rows[0].quality - simulation.rows[3].quality))
    print(f"categories left out, six at a time: {max(losses):.2f} points at most under the best fixed version")
    mmlu = [one for one in everything if one.bucket[0] != "gsm8k"]
    simulation = simulate_costs(learn(mmlu, terms), [one for one in everything if one.bucket[0] == "gsm8k"])
    loss = 100 * (simulation.rows[0].quality - simulation.rows[3].quality)
    print(f"learned on MMLU, asked GSM8K: {loss:.2f} points under the best fixed version")


def decision_time(policy: CostPolicy, buckets: Sequence[Bucket]) -> float:
    """Return the microseconds of a decision by the rules of a policy."""
    fields = ("category", "size")
    rules = cost_rules(policy, name="cost", objective="ask", fields=fields, unit="user", position=0, since="")
    declared = (
        Field(name="category"),
        Field(name="size", type=FieldType.INTEGER),
        Field(name="user"),
    )
    objective = Objective(name="ask", default=policy.best, context=declared)
    table = compile_table(Configuration(objectives={"ask": objective}, rules={rule.name: rule for rule in rules}), 1)
    contexts = [
        {"category": bucket[0], "size": bucket[1], "user": f"u{number}"} for number, bucket in enumerate(buckets[:1000])
    ]
    for context in contexts:
        table.decide("ask", context)
    started = perf_counter()
    for _ in range(20):
        for context in contexts:
            table.decide("ask", context)
    return (perf_counter() - started) / 20 / len(contexts) * 1e6


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of recorded outcomes")
    parser.add_argument("--input-price", type=float, default=10.0, help="dollars a million input tokens, strong model")
    parser.add_argument(
        "--output-price", type=float, default=30.0, help="dollars a million output tokens, strong model"
    )
    parser.add_argument("--margin", type=float, default=0.0, help="standard errors above the floor")
    parser.add_argument("--explore", type=float, default=0.0, help="percent that explores")
    options = parser.parse_args()
    prices = (options.input_price, options.output_price)
    print(f"RouteLLM's pair: strong ${prices[0]:g} in and ${prices[1]:g} out a million tokens")
    print(f"margin {options.margin:g}, explore {options.explore:g} %, {HELD_OUT:.0%} held out, {len(SEEDS)} seeds")
    print("category from the caller, size class from the text; saved at kept quality: policy | random | oracle | range")
    for ratio in RATIOS:
        answers = list(routellm(options.data, prices, ratio))
        mmlu = [answer for answer in answers if answer.category != "gsm8k"]
        for floor in FLOORS:
            terms = CostTerms(floor=floor, margin=options.margin, explore_percent=options.explore)
            held_out(f"MMLU, {ratio:g}:1", mmlu, terms)
            held_out(f"MMLU, {ratio:g}:1, category alone", mmlu, terms, by_size=False)
            held_out(f"MMLU and GSM8K, {ratio:g}:1", answers, terms)
    for floor in FLOORS:
        terms = CostTerms(floor=floor, margin=options.margin, explore_percent=options.explore)
        held_out("BFCL, five models", list(bfcl(options.data)), terms)
        held_out("RouterBench, eleven models", list(routerbench(options.data)), terms)
    terms = CostTerms(margin=options.margin, explore_percent=options.explore)
    unseen(answers, terms)
    everything = outcomes(answers)
    policy = learn(everything, terms)
    print(f"a decision takes {decision_time(policy, [one.bucket for one in everything[::20]]):.2f} us")
    arena = outcomes(list(routerarena(options.data)), by_size=False)
    print(simulate_costs(learn(arena, terms), arena))


if __name__ == "__main__":
    main()
