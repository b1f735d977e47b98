"""`nlapi log`: the transcripts of questions, plans, calls and answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import show, table
from nlapi.cli.ask import question_of
from nlapi.cli.options import ListOutput, is_terminal
from nlapi.cli.setup import Setup, options_of_setup
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from nlapi.agent.log import Record
    from nlapi.openapi.spec import Spec
    from nlapi.tools.tool import Tool

app = typer.Typer(help="What was asked, planned, sent and answered; without a command, the list of it.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The beginning of an id that `nlapi log list` shows, or `last`.")]
Limit = Annotated[int, typer.Option("-n", "--limit", metavar="N", min=1, help="How many to show.")]


class Form(StrEnum):
    TEXT = "text"
    JSON = "json"
    NDJSON = "ndjson"


@app.callback(invoke_without_command=True)
def log(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@app.command("list", epilog="nlapi log list -n 5")
def list_(limit: Limit = 20, output: ListOutput = None) -> None:
    """Show the transcripts, newest first."""
    from nlapi.agent.log import entries
    from nlapi.cli.session import log_folder

    rows = [
        {"id": e.id, "started": e.started[:16], "question": e.question, "turns": e.turns, "changes": e.changes}
        for e in entries(log_folder())[:limit]
    ]
    table.listing(rows, output, ("id", "question", "turns", "changes"), empty="no transcript is kept yet")


@app.command("show", epilog="nlapi log show last\nnlapi log show 20261125T0014 -o json")
def show_(
    id: Id,
    output: Annotated[Form | None, typer.Option("-o", "--output", help="text on a terminal, else ndjson.")] = None,
) -> None:
    """Show one transcript: every question, call, consent and answer."""
    from nlapi.agent.log import read

    records = read(_find(id))
    chosen = output or (Form.TEXT if is_terminal() else Form.NDJSON)
    if chosen is Form.JSON:
        show.write(show.json_text(records))
        return
    for record in records:
        if line := json.dumps(record, ensure_ascii=False) if chosen is Form.NDJSON else told(record):
            show.write(line)


@app.command(epilog='nlapi log resume last "and the paused ones?"')
@options_of_setup("sources", "no_log")
def resume(
    id: Id, words: Annotated[list[str], typer.Argument(metavar="QUESTION", help="What to ask next.")], setup: Setup
) -> None:
    """Continue a conversation: ask a question that may refer to the earlier ones.

    It goes to the same APIs at the same base URL. A credential that was not given as env:NAME has to be given again.
    """
    from nlapi.agent.log import Log, read
    from nlapi.agent.resume import resume as rebuild
    from nlapi.cli.options import pairs
    from nlapi.cli.session import open_session

    question = question_of(words, 'nlapi log resume last "and the paused ones?"')
    path = _find(id)
    records = read(path)
    session = open_session(_as_before(setup, records))
    earlier = rebuild(records, _tool_finder(records, tuple(session.targets)))
    values = {**session.known, **earlier.known, **pairs(setup.known, "--set")}
    # The same transcript goes on, so that one conversation is one file.
    with Log.open(path, secrets=session.policy.secrets) as session.log:
        _, code = asyncio.run(session.answer(earlier.asked(question).with_known(values)))
    if code:
        raise typer.Exit(code)


def _as_before(setup: Setup, records: Iterable[Record]) -> Setup:
    """Return the setup with the transcript's APIs, base URL and credentials, unless the user gives others."""
    from dataclasses import replace

    asked = [record for record in records if record.get("event") == "asked"][-1]
    return replace(
        setup,
        # `apis` are the names that the user gave, `sources` the files or URLs behind them.
        sources=asked.get("apis") or asked.get("sources"),
        base_url=setup.base_url or asked.get("base_url"),
        auth=[] if setup.no_auth else [*asked.get("auth", ()), *(setup.auth or ())],
        no_auth=setup.no_auth or bool(asked.get("no_auth") and not setup.auth),
    )


def _tool_finder(records: Iterable[Record], specs: tuple[Spec, ...]) -> Callable[[str, str], Tool]:
    """Return a function that finds the tool of a source and an operation in a record."""
    from nlapi.tools.compile import compile_tool

    # Each "asked" record lists its sources in the order of the APIs: a file that was moved, or registered under another
    # path, still belongs to the same Spec.
    known = {spec.source: spec for spec in specs}
    for record in records:
        if record.get("event") == "asked":
            known = {**dict(zip(record.get("sources", ()), specs, strict=False)), **known}

    def find(source: str, operation: str) -> Tool:
        if source not in known:
            raise UsageError(f"the transcript speaks of {source}, which could not be opened")
        return compile_tool(known[source].operation(operation))

    return find


def _find(id: str) -> Path:
    from nlapi.agent.log import entries
    from nlapi.cli.session import log_folder

    every = entries(log_folder())
    found = every[:1] if id == "last" else [entry for entry in every if entry.id.startswith(id)]
    if len(found) != 1:
        problem = f"{len(found)} transcripts begin with {id!r}" if found else f"there is no transcript {id!r}"
        raise UsageError(problem, hint="`nlapi log list` shows them")
    return found[0].path


def told(record: Mapping[str, Any]) -> str:
    """Return a record of a transcript as a line of text; "" for a record that is not shown."""
    from nlapi.agent.events import Fate

    at = str(record.get("at", ""))[11:19]
    match record.get("event"):
        case "asked":
            text = f"? {record.get('question')}"
        case "planner":
            version = (record.get("decision") or {}).get("version")
            text = f"  planner: {record.get('planner')}{f' ({version})' if version else ''}, as {record.get('why')}"
        case "planned" if about := " · ".join(filter(None, (record.get("understood"), _took(record.get("raw"))))):
            text = f"  {record.get('planner')}: {about}"
        case "proposed":
            asks = ", asks for consent" if record.get("asks") else ""
            text = f"→ {record.get('method')} {record.get('url')} ({record.get('effect')}{asks})"
        case "stepped":
            text = f"← {_outcome(record)}"
        case "reported":
            counts = ((len(record.get(fate.replace(" ", "_"), ())), fate) for fate in Fate)
            text = f"  {', '.join(f'{count} {fate}' for count, fate in counts if count)}"
        case "needed":
            text = f"  needs {', '.join(str(one.get('argument')) for one in record.get('missing', ()))}"
        case "answered":
            text = f"= {record.get('text')}"
        case _:
            return ""
    return f"{at} {text}"


def _took(raw: Any) -> str:
    """Return the tokens and the cost of a plan of Claude, or ""."""
    from nlapi.agent.claude import told_of

    return told_of([raw]) if isinstance(raw, dict) and "usage" in raw else ""


def _outcome(record: Mapping[str, Any]) -> str:
    result = record.get("result")
    if isinstance(result, dict):
        status = f"{result.get('status')} {show.reason(int(result.get('status', 0)))}".rstrip()
        if "items" not in result:
            return status
        count = len(result["items"]) + int(result.get("left_out", 0))
        return f"{status}, {show.counted(count, 'item')} ({result.get('ended')})"
    return f"{record.get('outcome')}: {record.get('message')}"
