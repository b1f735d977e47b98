"""Plans the project's own sentences of the sample; `make test` fails where the figures get worse than figures.json.

`python -m benchmarks.accuracy [--show] [--update]`. Exits with 1 where something is worse, and then updates nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.accuracy import sample
from benchmarks.accuracy.measure import Result, figures, measure, regressions
from benchmarks.changes.run import without_registrations

FIGURES = Path(__file__).with_name("figures.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print every sentence whose plan is not exact")
    parser.add_argument("--update", action="store_true", help="write figures.json where nothing is worse")
    parser.add_argument("--force", action="store_true", help="write it where the sample is another one, or worse")
    options = parser.parse_args()
    start = time.process_time()
    with tempfile.TemporaryDirectory(prefix="nlapi-accuracy-") as home:
        without_registrations(home)
        results = list(measure(sample.names()))
    for result in results if options.show else ():
        if not result.is_exact or result.has_wrong_change:
            print(details(result))
    measured = figures(results)
    print(json.dumps(measured, indent=1))
    print(f"{time.process_time() - start:.0f} s of CPU")
    worse = regressions(measured, json.loads(FIGURES.read_bytes())) if FIGURES.exists() else []
    print("\n".join(worse) or "nothing is worse")
    if options.force or (options.update and not worse):
        FIGURES.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    return 1 if worse and not options.force else 0


def details(result: Result) -> str:
    wrong = "WRONG CHANGE " if result.has_wrong_change else ""
    return f"{wrong}{result.group} {result.api}: {result.sentence}\n    {result.planned}"


if __name__ == "__main__":
    sys.exit(main())
