"""Trains the files that ship with nlapi: `python -m training [--questions DIR] [PART ...]`, all parts if none is named.

Parts: tables (tables.json), gazetteer (gazetteer.txt), word-vectors (meanings.bin), slots (slots.json), ranking
(rank.json, confidence.json, meant.json). Two runs on one machine write the same bytes. README.md says what each part
needs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from training import forests, gazetteer, ranking, slots, tables, word_vectors
from training.corpus import Corpus, add_questions
from training.provenance import training_record
from training.ranking_examples import examples

REPEATABLE = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""The environment in which two runs write the same bytes: sums differ in the last digit by the order of a set and by
the number of threads, and so would the trees."""
PARTS = ("tables", "gazetteer", "word-vectors", "slots", "ranking")


def main() -> None:
    options = _options()
    parts = options.parts or PARTS
    if "tables" in parts:
        tables.main()
    if "gazetteer" in parts:
        gazetteer.main()
    if "word-vectors" in parts:
        word_vectors.main()
    if {"slots", "ranking"} & set(parts):
        train_forests(Corpus(options.questions), parts)


def train_forests(corpus: Corpus, parts: Sequence[str]) -> None:
    """Write the forests of the parts `slots` and `ranking`.

    The ranking is trained on arguments that were filled by forests that have not seen the API, so that it takes a
    forest of the slots for each fold either way.
    """
    start = time.process_time()
    questions = slots.every(corpus)
    folded = slots.by_fold(questions)
    _log(f"{len(questions)} questions, {sum(len(question.rows) for question in questions)} options", start)
    facts = training_record(corpus)
    if "slots" in parts:
        path = forests.ship("slots", slots.whole(questions, folded), facts)
        _log(f"{path.name}, {path.stat().st_size} bytes", start)
    if "ranking" in parts:
        for name, model in ranking.models(*examples(corpus, folded)).items():
            path = forests.ship(name, model, facts)
            _log(f"{path.name}, {path.stat().st_size} bytes", start)


def _log(text: str, start: float) -> None:
    print(f"{text} ({time.process_time() - start:.0f} s of CPU)", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", choices=(*PARTS, []), help=", ".join(PARTS))
    add_questions(parser)
    return parser.parse_args()


if __name__ == "__main__":
    if not REPEATABLE.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, "-m", "training", *sys.argv[1:]], {**os.environ, **REPEATABLE})
    main()
