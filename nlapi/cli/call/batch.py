"""`nlapi batch`: the calls of a file, shown together, agreed to with one question, and reported row by row."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli.options import (
    ListOutput,
    NoLog,
    SendOptions,
    Setup,
    Source,
    argument,
    flag,
    is_interactive,
    options_of,
)
from nlapi.cli.render import console
from nlapi.client.safe_text import single_line
from nlapi.errors import NlapiError, UsageError
from nlapi.json_text import parse_json
from nlapi.local_files import fault_of
from nlapi.registry import log_folder

if TYPE_CHECKING:
    from nlapi.agent.batch import BatchRow, BatchSplit
    from nlapi.agent.events import Event
    from nlapi.tools.plan import Conversation, Step
    from nlapi.tools.sending.run import Target
    from nlapi.tools.tool import Call

EPILOG = """A row is {"operation": "updateCampaign", "arguments": {"campaign_id": "c1", "status": "PAUSED"}}, or with
OPERATION on the command line only the arguments: a line of JSON, an item of a JSON array, or a line of CSV.

nlapi batch ads changes.jsonl --dry-run
nlapi batch ads campaigns.csv createCampaign --yes -o json"""

# Rows of a question whose state is read before it, for what they change: each is a request, and a person waits.
MAX_READ = 25
# Seconds for all these reads together.
READ_S = 15.0
# Rows of a preview that are shown; the counts are over all of them.
MAX_SHOWN = 60
_OPERATION_COLUMN = "operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchInput(SendOptions):
    """What a command line says of a batch."""

    # A field's type carries its option, as in `Setup`.
    source: Source
    file: Annotated[str, argument("FILE", "A .jsonl, .json or .csv file; - is JSON on stdin.")]
    operation: Annotated[str | None, argument("OPERATION", "The operation for rows that do not name one.")] = None
    anew: Annotated[bool, flag("--anew", "Send all rows, even those that an earlier run sent.")] = False
    output: ListOutput = None
    no_log: NoLog = False


@options_of(BatchInput, "request")
def batch(request: BatchInput) -> None:
    """Make every call in a file after one preview and one question.

    If a row cannot be built, nothing is sent. If a row fails, the others still run. Run the file again to continue with
    rows that were not sent or were refused; nothing is sent twice. Exits with 1 if a row failed, with 6 without
    consent.
    """
    from nlapi.cli.target import open_requested

    run_batch(request, *open_requested(request))


def run_batch(request: BatchInput, target: Target, known_values: Mapping[str, str]) -> None:
    """Run a batch and print its report; typer.Exit with 1 where a row was not done.

    NlapiError, and nothing is sent, while another process runs the same file.
    """
    from nlapi.cli.target import with_headers

    target = with_headers(target, request.headers)
    if request.dry_run or request.file == "-":
        _run_batch(request, target, known_values)
        return
    from nlapi.cli.ask.planners import only_process
    from nlapi.local_files import file_names

    # The rows that it has sent are read when no other process sends.
    names = file_names(Path(request.file).expanduser())
    hint = "the same command goes on after it, and sends nothing twice; `nlapi log show last` shows how far it is"
    with only_process(names, f"a batch of {request.file}", hint):
        _run_batch(request, target, known_values)


def _run_batch(request: BatchInput, target: Target, known_values: Mapping[str, str]) -> None:
    from nlapi.agent.batch import RowOutcome
    from nlapi.client.message import as_dict

    opened = _open_batch(request, target, known_values)
    if request.dry_run:
        if _is_text(request):
            for line in _preview_lines(opened, {}):
                console.write(line)
        else:
            rows = [
                {"row": row.number, "operation": row.call.operation_id, **as_dict(row.prepared.request)}
                for row in opened.split.pending
            ]
            console.write(console.format_json(rows))
        console.note("nothing was sent")
        return
    steps, log = _send(opened, request) if opened.split.pending else ({}, "")
    report = [*_report_rows(opened, steps)]
    _print_report(report, request)
    undone = [row for row in report if row["outcome"] not in (RowOutcome.DONE, RowOutcome.EARLIER)]
    if undone:
        if any(row["outcome"] == RowOutcome.UNKNOWN for row in undone):
            console.note("look whether the rows of unknown outcome were carried out; a further run does not send them")
        if log and any(row["outcome"] in (RowOutcome.FAILED, RowOutcome.UNTRIED) for row in undone):
            console.note(
                "the same command goes on with the rows that failed or were not tried, and sends nothing twice"
            )
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenedBatch:
    """The rows of a file, what earlier runs of it did, and the conversation that these are in."""

    key: str
    rows: tuple[BatchRow, ...]
    split: BatchSplit
    path: Path | None
    conversation: Conversation | None
    target: Target


def _open_batch(request: BatchInput, target: Target, known_values: Mapping[str, str]) -> _OpenedBatch:
    from nlapi.agent.batch import prepare_rows, split_rows

    calls = [*_read_calls(target, request.file, request.operation, known_values)]
    rows = prepare_rows(calls, target)
    path, conversation = (None, None) if request.anew or request.no_log else _earlier_run(target, request.file)
    split = split_rows(rows, conversation.steps if conversation is not None else ())
    return _OpenedBatch(
        key=_key(target, request.file),
        rows=rows,
        split=split,
        path=path,
        conversation=conversation,
        target=target,
    )


def _read_calls(target: Target, file: str, operation: str | None, known_values: Mapping[str, str]) -> Iterator[Call]:
    """Yield the calls of a file. UsageError for a file or a row of another kind."""
    from nlapi.agent.batch import MAX_ROWS
    from nlapi.cli.call.arguments import parse_arguments
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.tool import Call

    entries = _read_rows(file)
    if not entries:
        raise UsageError(f"{file} has no rows", hint="a row is a line of JSON or CSV")
    if len(entries) > MAX_ROWS:
        raise UsageError(f"{file} has {len(entries):,} rows, and {MAX_ROWS} go at once", hint="split it")
    for number, entry in enumerate(entries, 1):
        name, pairs, arguments = _row_parts(entry, operation, number)
        try:
            tool = compile_tool(target.spec.operation(name))
            text = None if arguments is None else json.dumps(arguments)
            values = parse_arguments(tool, known_values=known_values, json_text=text, pairs=pairs, is_typed=False)
        except NlapiError as error:
            error.message = f"row {number}: {error.message}"
            raise
        yield Call(tool=tool, arguments=values, id=f"row-{number}")


def _row_parts(
    entry: Mapping[str, Any], operation: str | None, number: int
) -> tuple[str, tuple[str, ...], Mapping[str, Any] | None]:
    """Return the operation of a row, and its arguments as pairs of a CSV line or as JSON."""
    if isinstance(entry, _CsvRow):
        name = entry.get(_OPERATION_COLUMN) or operation
        # An empty cell is not a value.
        pairs = tuple(f"{key}={value}" for key, value in entry.items() if key != _OPERATION_COLUMN and value)
        arguments: Mapping[str, Any] | None = None
    elif operation is not None and _OPERATION_COLUMN not in entry:
        name, pairs, arguments = operation, (), entry
    else:
        name, pairs, arguments = entry.get(_OPERATION_COLUMN), (), entry.get("arguments", {})
        if unknown := entry.keys() - {_OPERATION_COLUMN, "arguments"}:
            hint = "a row has `operation` and `arguments`, or OPERATION stands on the command line"
            raise UsageError(f"row {number} has {sorted(unknown)[0][:60]!r} beside them", hint=hint)
    if not isinstance(name, str) or not name:
        raise UsageError(
            f"row {number} names no operation", hint="give OPERATION behind FILE, or `operation` in the row"
        )
    if arguments is not None and not isinstance(arguments, Mapping):
        raise UsageError(f"the arguments of row {number} are not a JSON object")
    return name, pairs, arguments


class _CsvRow(dict[str, str]):
    """A line of CSV: its values are texts, which are read as the operation wants them."""


def _read_rows(file: str) -> list[Mapping[str, Any]]:
    """Return the rows of a file. UsageError where it cannot be read."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(fault_of(file, error)) from None
    return _csv_rows(text, file) if Path(file).suffix.lower() == ".csv" else _json_rows(text, file)


def _csv_rows(text: str, file: str) -> list[Mapping[str, Any]]:
    reader = csv.DictReader(text.splitlines())
    columns = list(reader.fieldnames or ())
    if repeated := next((name for index, name in enumerate(columns) if name in columns[:index]), ""):
        raise UsageError(f"{file} has two columns {repeated!r}", hint="commas stand between the entries of a list")
    rows = [_CsvRow({key: value or "" for key, value in row.items() if key is not None}) for row in reader]
    return [row for row in rows if any(row.values())]


def _json_rows(text: str, file: str) -> list[Mapping[str, Any]]:
    try:
        data = parse_json(text) if text.lstrip().startswith("[") else [*map(parse_json, _lines(text))]
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{file} is not JSON: {error}", hint="one object a line, or one array; CSV ends in .csv"
        ) from None
    if not all(isinstance(entry, Mapping) for entry in data):
        raise UsageError(f"{file} has a row that is not a JSON object")
    return list(data)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _key(target: Target, file: str) -> str:
    """Return the key of the runs of a file at an API: its path, and where the API is."""
    path = "-" if file == "-" else str(Path(file).expanduser().resolve())
    return json.dumps([path, target.spec.source, target.base_url or ""])


def _is_run_of(key: object, target: Target, file: str) -> bool:
    """Return whether a transcript with a key is of a run of a file at an API. A link is another name of a file."""
    if key == _key(target, file):
        return True
    with suppress(ValueError, TypeError, OSError):
        path, *api = json.loads(str(key))
        return api == [target.spec.source, target.base_url or ""] and Path(path).samefile(Path(file).expanduser())
    return False


def _earlier_run(target: Target, file: str) -> tuple[Path | None, Conversation | None]:
    """Return the transcript of the last run of a file, and its conversation, or None."""
    from nlapi.agent.records.transcripts import read_transcript, resume
    from nlapi.cli.log import tool_finder

    if file == "-":
        return None, None
    for path in sorted(log_folder().glob("*.jsonl"), reverse=True):
        # The first line says whose transcript it is: the others need not be read.
        with path.open("rb") as lines:
            first = lines.readline()
        if b'"batch"' not in first:
            continue
        records = read_transcript(path).records
        if any(_is_run_of(record["batch"], target, file) for record in records if "batch" in record):
            return path, resume(records, tool_finder(records, (target.spec,)))
    return None, None


def _send(opened: _OpenedBatch, request: BatchInput) -> tuple[dict[str, Step], str]:
    """Send the rows that are left; return the step of each by the id of its call, and the name of the transcript."""
    from nlapi.agent.batch import NAME, BatchPlanner
    from nlapi.agent.policy import Policy
    from nlapi.agent.records.log import Log
    from nlapi.cli.ask.prompts import ConsentPrompt
    from nlapi.cli.ask.session import Session, open_log
    from nlapi.cli.target import limits, patient_limits, waiting_limits
    from nlapi.tools.plan import ask

    target = opened.target
    secrets = tuple(target.credentials.values())
    policy = Policy(
        yes=request.has_consent,
        destroy=request.yes_to is not None,
        interactive=is_interactive() and target.receipts is None,
        secrets=secrets,
        spelled_out=True,
    )
    question = f"{NAME} {Path(request.file).name}"
    conversation = ask(question) if opened.conversation is None else opened.conversation.with_question(question)
    renderer = _BatchRenderer(opened)
    session = Session(
        planner=BatchPlanner(rows=opened.split.pending),
        targets={target.spec: target},
        render=renderer,
        policy=policy,
        consent=ConsentPrompt(),
        face="batch",
        limits=patient_limits(waiting_limits(limits(request.timeout), request.wait, no_wait=request.no_wait)),
        hints_at_resume=False,
        log_fields={**_setup(request).log_fields, "batch": opened.key, "base_url": target.base_url},
    )
    log = Log.open(opened.path, secrets=secrets) if opened.path is not None else open_log(not request.no_log, policy)
    with log as session.log:
        try:
            asyncio.run(session.answer(conversation))
        except (NlapiError, KeyboardInterrupt):
            if renderer.steps:
                _print_report([*_report_rows(opened, renderer.steps)], request)
                console.note("the same command goes on with the rows that were not tried, and sends nothing twice")
            raise
    return renderer.steps, session.log.path.stem if session.log is not None else ""


def _setup(request: BatchInput) -> Setup:
    """Return the options by which its API is found again: those of `nlapi log resume`."""
    return Setup(
        sources=[request.source], env=request.env, auth=request.auth, headers=request.headers, no_auth=request.no_auth
    )


class _BatchRenderer:
    """Shows the preview before the question, and a line for each row that ends; `steps` are by the id of their call."""

    def __init__(self, opened: _OpenedBatch) -> None:
        self.steps: dict[str, Step] = {}
        self._opened = opened
        self._changes: dict[int, list[str]] = {}
        self._shown = False

    def __call__(self, event: Event) -> None:
        from nlapi.agent.batch import row_outcome
        from nlapi.agent.events import CallProposed, StepFinished, WorkEnded, change_lines

        if isinstance(event, CallProposed) and event.asks:
            number = _row_number(event.call)
            self._changes[number] = [*change_lines(event.changes), *([event.reason] if event.reason else ())]
            # The last one: the question comes next.
            if number == self._opened.split.pending[-1].number:
                for line in _preview_lines(self._opened, self._changes):
                    console.note(line)
        elif isinstance(event, StepFinished | WorkEnded):
            step = event.step
            self.steps[step.call.id] = step
            status = f" {step.result.status}" if step.result is not None else ""
            console.dim(f"row {_row_number(step.call)}: {row_outcome(step)}{status}")


def _row_number(call: Call) -> int:
    return int(call.id.partition("-")[2] or 0)


def _preview_lines(opened: _OpenedBatch, changes: Mapping[int, Sequence[str]]) -> Iterator[str]:
    """Yield what a batch will do: counts, then a line for each row, with the fields that it changes."""
    from nlapi.openapi.spec import Effect

    pending = opened.split.pending
    by_operation = Counter(row.call.operation_id for row in pending)
    counts = ", ".join(f"{count} {single_line(name)}" for name, count in by_operation.most_common())
    destroyed = sum(row.prepared.effect is Effect.DESTROY for row in pending)
    warning = f"; {destroyed} of them take{'s' if destroyed == 1 else ''} something away" if destroyed else ""
    yield f"{console.count_noun(len(pending), 'call')}: {counts}{warning}"
    if opened.split.earlier:
        numbers = Counter(opened.split.earlier.values())
        yield "left out: " + ", ".join(f"{count} {outcome}" for outcome, count in numbers.items())
    for row in pending[:MAX_SHOWN]:
        yield f"{row.number}. {_row_line(row, changes.get(row.number, ()))}"
    if len(pending) > MAX_SHOWN:
        yield f"… and {len(pending) - MAX_SHOWN} more, which --dry-run -o json shows"


def _row_line(row: BatchRow, changes: Iterable[str]) -> str:
    """Return a row on one line: the fields that it changes where these could be read, else its body."""
    request = row.prepared.request
    line = f"{request.method} {single_line(request.url)}"
    lines = [*changes]
    if lines:
        return f"{line}  {'; '.join(lines)}"
    if request.content is None:
        return line
    body = (
        json.dumps(json.loads(request.content), ensure_ascii=False)
        if request.is_json
        else console.preview_body(request)
    )
    return f"{line}  {console.shorten(single_line(body), 200)}"


def preview_batch(request: BatchInput, target: Target, known_values: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the question about a batch in a client's session, and the digests of the requests that it is about."""
    from nlapi.client.message import exact_digest
    from nlapi.tools.sending.run import needs_receipt

    opened = _open_batch(request, target, known_values)
    asked = [row for row in opened.split.pending if needs_receipt(row.prepared, target)]
    if not asked:
        return "", ()
    # The items are read from the API by their ids. A file that the client might not show to its model is not
    # for a read either before its user was asked.
    is_beside = Path(request.file).expanduser().resolve().is_relative_to(Path.cwd())
    changes = asyncio.run(_read_changes(opened.split.pending, target)) if is_beside else {}
    return "\n".join(_preview_lines(opened, changes)), tuple(exact_digest(row.prepared.request) for row in asked)


async def _read_changes(rows: Sequence[BatchRow], target: Target) -> dict[int, list[str]]:
    """Return the fields that rows change, by the number of the row, as far as they can be read in time."""
    from nlapi.agent.current_state import current_changes
    from nlapi.agent.events import change_lines

    slots = asyncio.Semaphore(4)

    async def read(row: BatchRow) -> tuple[int, list[str]]:
        async with slots:
            return row.number, [*change_lines(await current_changes(row.prepared, target))]

    tasks = [asyncio.create_task(read(row)) for row in rows[:MAX_READ]]
    done, late = await asyncio.wait(tasks, timeout=READ_S)
    for task in late:
        task.cancel()
    return dict(task.result() for task in done if task.exception() is None)


def _report_rows(opened: _OpenedBatch, steps: Mapping[str, Step]) -> Iterator[dict[str, Any]]:
    """Yield the report of each row."""
    from nlapi.agent.batch import RowOutcome, row_outcome
    from nlapi.resources.error_reasons import error_reason

    for row in opened.rows:
        step = steps.get(row.call.id)
        earlier = opened.split.earlier.get(row.number)
        outcome = earlier or (row_outcome(step) if step is not None else RowOutcome.UNTRIED)
        report: dict[str, Any] = {"row": row.number, "operation": row.call.operation_id, "outcome": str(outcome)}
        result = step.result if step is not None else None
        if result is not None:
            report["status"] = result.status
        reason = step.message if step is not None else ""
        if result is not None and not result.ok:
            reason = error_reason(result.data if result.data is not None else result.text) or reason
        if reason:
            report["reason"] = single_line(reason)[:300]
        yield report


def _print_report(report: Sequence[dict[str, Any]], request: BatchInput) -> None:
    from nlapi.cli.render import table

    counts = Counter(row["outcome"] for row in report)
    if _is_text(request):
        rows = [{**{"status": "", "reason": ""}, **row} for row in report]
        table.print_list(rows, request.output, ("row", "operation", "outcome", "status", "reason"))
    else:
        console.write(console.format_json({"counts": dict(counts), "rows": list(report)}))
    console.note(f"{len(report)} rows: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


def _is_text(request: BatchInput) -> bool:
    from nlapi.cli.render.table import is_json

    return not is_json(request.output)
