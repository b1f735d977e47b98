"""The units that are read from 2,639 descriptions: `python -m benchmarks.units [--show N]`.

Counts the numbers among parameters and properties (one for each name and description of an API) and those with a unit,
by unit. `--show N` prints N of them at random, the same ones each time, to be judged by hand: docs/design/082 has the
last judgement.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.descriptions import directory

SEED = 18
MAX_TEXT = 400


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A number of a description with the unit that is read for it, "" for none."""

    api: str
    name: str
    unit: str
    evidence: str
    text: str
    schema: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.units", description=__doc__)
    parser.add_argument("--show", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--step", type=int, default=1, metavar="N", help="every Nth description")
    options = parser.parse_args()
    folder = directory()
    if folder is None:
        print("left out, needs npm")
        return 0
    files = sorted(folder.rglob("*.json"))[:: options.step]
    readings: list[Reading] = []
    total = 0
    for file in files:
        name = file.relative_to(folder).as_posix().removesuffix(".json")
        for reading in read_description(json.loads(file.read_bytes()), name):
            total += 1
            if reading.unit:
                readings.append(reading)
    print(f"{len(files):,} descriptions, {total:,} numbers, {len(readings):,} with a unit")
    for unit, count in Counter(reading.unit for reading in readings).most_common():
        by = Counter(reading.evidence for reading in readings if reading.unit == unit)
        print(f"  {unit}: {count:,} ({', '.join(f'{kind} {number:,}' for kind, number in by.most_common())})")
    # One reading of a name and its text: APIs of one provider repeat them by the hundred.
    distinct = {(reading.name, reading.text, reading.unit): reading for reading in readings}
    chosen = random.Random(options.seed).sample(sorted(distinct), min(options.show, len(distinct)))
    print(f"  {len(distinct):,} distinct" if options.show else "", end="\n" if options.show else "")
    for number, key in enumerate(chosen, 1):
        reading = distinct[key]
        head = f"{number}. {reading.unit} [{reading.evidence}] {reading.api} {reading.name}"
        print(f"{head}: {reading.text} {reading.schema}")
    return 0


def read_description(tree: dict[str, Any], api: str) -> Iterator[Reading]:
    """The numbers of a description, each name with its text once."""
    from nlapi.tools.quantities.unit_evidence import read_unit

    seen: set[tuple[str, str]] = set()
    for name, schema, description in named_schemas(tree):
        parts = list(schema_parts(tree, schema))
        kinds = [part.get("type") for part in parts]
        if not {"integer", "number"} & {kind for kind in kinds if isinstance(kind, str)}:
            continue
        text = " ".join([description, *(str(part.get("description") or "") for part in parts)]).strip()
        if (name, text) in seen:
            continue
        seen.add((name, text))
        unit = read_unit(name, parts, description)
        bounds = {
            key: parts[0][key]
            for key in ("type", "minimum", "maximum", "default", "example", "enum", "format")
            if key in parts[0]
        }
        yield Reading(
            api=api,
            name=name,
            unit=f"{unit.dimension}: {unit.label}" if unit else "",
            evidence=unit.evidence if unit else "",
            text=" ".join(text.split())[:MAX_TEXT],
            schema=str(bounds),
        )


def named_schemas(tree: object) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Parameters and properties: name, schema and the description beside it."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo.extend(node)
        elif isinstance(node, Mapping):
            if isinstance(node.get("name"), str) and isinstance(node.get("in"), str):
                schema = node["schema"] if isinstance(node.get("schema"), Mapping) else node
                yield node["name"], schema, "" if schema is node else str(node.get("description") or "")
            if isinstance(properties := node.get("properties"), Mapping):
                yield from ((name, schema, "") for name, schema in properties.items() if isinstance(schema, Mapping))
            todo.extend(value for key, value in node.items() if key not in ("example", "examples"))


def schema_parts(tree: Any, schema: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """A schema behind its `$ref`, and those in its `allOf`, `anyOf` and `oneOf`; of a list those of its entries."""
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/"):
        node = tree
        for step in ref[2:].split("/"):
            node = node.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, Mapping) else {}
        schema = node if isinstance(node, Mapping) else {}
    yield schema
    for key in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(key) or () if depth < 3 else ():
            if isinstance(part, Mapping):
                yield from schema_parts(tree, part, depth + 1)


if __name__ == "__main__":
    sys.exit(main())
