"""`nlapi sandbox`: a stateful stand-in server for any description."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

from nlapi.cli import target
from nlapi.cli.options import Source, option
from nlapi.cli.render import console
from nlapi.cli.render.console import plain_text
from nlapi.openapi.spec import Effect, Operation, Spec

if TYPE_CHECKING:
    from nlapi.openapi.spec import SecurityScheme

# Characters of a summary that can be suggested as a question; longer ones are sentences of documentation.
MAX_QUESTION = 60


EPILOG = """nlapi sandbox ads --port 8080
nlapi sandbox openapi.yaml --port 0 --database rehearsal.db"""


def sandbox(
    source: Source,
    port: Annotated[int, option("--port -p", "The port; 0 picks a free one.", min=0, max=65535)] = 8080,
    host: Annotated[str, option("--host", "The address to listen on.")] = "127.0.0.1",
    seed: Annotated[int, option("--seed", "The seed of the sample data.")] = 0,
    database: Annotated[
        str, option("--database FILE", "Store the data in this file. Default: in memory.")
    ] = ":memory:",
) -> None:
    """Serve a stand-in for an API on this machine, to try things on safely.

    It starts with sample data, and remembers your changes until it stops. It refuses requests that the description
    forbids, with the reason, and accepts any credential.
    """
    from nlapi.sandbox import serve

    spec = target.load(source)

    def on_ready(url: str) -> None:
        # The URL alone on standard output, for a script that reads it; port 0 gives a free one.
        console.write(url)
        sys.stdout.flush()
        console.note(f"{spec.title}, {len(spec.operations)} operations; Ctrl-C stops it. In another terminal:")
        console.note(f"  {_example_command(spec, shlex.quote(source), url)}")

    try:
        serve(spec, host=host, port=port, seed=seed, database=database, on_ready=on_ready, on_request=_log)
    except KeyboardInterrupt:
        console.note("stopped")


def _example_command(spec: Spec, source: str, url: str) -> str:
    """Return a command that works at once with this sandbox."""
    question = _question(spec)
    if not question:
        return f"nlapi find {source} WORDS"
    return f"nlapi ask {shlex.quote(question)} -a {source} --base-url {url}{_credentials(spec)}"


def _question(spec: Spec) -> str:
    """Return a question for a read without required arguments: its summary, or "list" and the end of its path."""
    from nlapi.english.words import name_words

    reads = [
        operation
        for operation in spec.operations
        if operation.effect is Effect.READ and operation.usable and not _requires_arguments(operation)
    ]
    if summary := next(filter(None, map(summary_question, reads)), ""):
        return summary
    last = (operation.path.rstrip("/").rpartition("/")[2] for operation in reads)
    return next((f"list {' '.join(name_words(name))}" for name in last if name_words(name)), "")


def summary_question(operation: Operation) -> str:
    """Return the summary of an operation as a question; "" where it is one word, or a sentence of documentation."""
    summary = plain_text(operation.summary).rstrip(".")
    return summary.lower() if " " in summary and len(summary) <= MAX_QUESTION else ""


def _requires_arguments(operation: Operation) -> bool:
    from nlapi.tools.compile import compile_tool

    return bool(compile_tool(operation).required)


def _credentials(spec: Spec) -> str:
    """Return the `--auth` options for the first operation with security."""
    from nlapi.client.auth import alternatives

    required = next((credentials for entry in spec.operations for credentials in alternatives(entry)[:1]), ())
    return "".join(f" --auth {entry.id}={_placeholder_credential(entry.schemes[0])}" for entry in required)


def _placeholder_credential(scheme: SecurityScheme) -> str:
    """Return a placeholder credential in the form of the scheme."""
    return "any:any" if (scheme.kind, scheme.scheme) == ("http", "basic") else "any"


def _log(method: str, path: str, status: int, reason: str) -> None:
    console.note(f"{status} {method} {path}{f'  {reason}' if reason else ''}")
