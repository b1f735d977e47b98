"""Sentences asked of one running server, each in its seeded state, and judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.servers.command import Reply, ask, read
from benchmarks.servers.report import Outcome
from benchmarks.servers.sentences import Sentence
from benchmarks.servers.server import Server
from benchmarks.servers.state import State, difference
from benchmarks.servers.verdict import judge


def outcomes(
    server: Server, sentences: Sequence[Sentence], description: Path, home: Path, values: Sequence[str] = ()
) -> Iterator[Outcome]:
    """Type each sentence at nlapi, whose settings and transcripts go below `home`; `values` go to `--set`."""
    for sentence in sentences:
        filled = sentence.filled(server.references)
        before = server.snapshot()
        reply = ask(filled.text, description, server.base_url, server.credentials, home, values)
        yield _outcome(server, filled, reply, before)


def checks(server: Server, sentences: Sequence[Sentence]) -> Iterator[Outcome]:
    """Make each change by its requests, without nlapi: what is not right then is wrong in the file of sentences."""
    for sentence in sentences:
        filled = sentence.filled(server.references)
        before = server.snapshot()
        for request in filled.requests:
            server.client.send(*request)
        yield _outcome(server, filled, read(0, "", "", ()), before)


def _outcome(server: Server, sentence: Sentence, reply: Reply, before: State) -> Outcome:
    """Judge a reply, and restore the seeded state when it is not as it was."""
    after = server.snapshot()
    if difference(before, after):
        server.restore()
    return Outcome(sentence=sentence, reply=reply, judgement=judge(sentence, reply, before, after))
