"""`nlapi log`: the transcripts of questions, plans, calls and answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli.ask.ask import question_of
from nlapi.cli.options import ListOutput, Setup, argument, conversation_options, flag, is_terminal, option, parse_pairs
from nlapi.cli.render import console, table
from nlapi.client.safe_text import strip_control
from nlapi.credential_references import VARIABLE
from nlapi.errors import UsageError
from nlapi.registry import log_folder

if TYPE_CHECKING:
    from pathlib import Path

    from nlapi.agent.records.receipts import ConsentReceipt
    from nlapi.agent.records.transcripts import DayUsage, Record, Savings
    from nlapi.openapi.spec import Spec
    from nlapi.tools.tool import Tool

app = typer.Typer(help="Show, search, resume and save earlier questions and their answers.")

Id = Annotated[str, argument("ID", "The start of an id from `nlapi log list`, or `last`.")]
Limit = Annotated[int, option("-n --limit N", "How many to show.", min=1)]
Since = Annotated[str, option("--since WHEN", "A date such as 2026-11-01, or a number of days such as 7d.")]


class TranscriptFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    NDJSON = "ndjson"


@app.callback(invoke_without_command=True)
def log(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@app.command("list", epilog="nlapi log list -n 5")
def list_(limit: Limit = 20, output: ListOutput = None) -> None:
    """List the transcripts, newest first."""
    _print_transcripts(limit, output, lambda path: True, "no transcript is kept yet")


@app.command(epilog="nlapi log search campaigns")
def search(
    words: Annotated[list[str], argument("WORDS", "Words from a question, an answer or a URL; all must match.")],
    limit: Limit = 20,
    output: ListOutput = None,
) -> None:
    """List the transcripts that mention some words, newest first."""
    from nlapi.agent.records.transcripts import read_records

    texts = [word.lower() for phrase in words for word in phrase.split()]
    empty = f"no transcript mentions {' '.join(texts)}"
    _print_transcripts(limit, output, lambda path: has_words(read_records(path), texts), empty)


def has_words(records: Iterable[Record], words: Iterable[str]) -> bool:
    """Return whether what is shown of records has all of some words, which are in lower case."""
    lines = "\n".join(map(record_line, records)).lower()
    return all(word in lines for word in words)


def _print_transcripts(limit: int, output: ListOutput, is_shown: Callable[[Path], bool], empty: str) -> None:
    from nlapi.agent.records.transcripts import list_transcripts

    matches = (entry for entry in list_transcripts(log_folder()) if is_shown(entry.path))
    transcripts = list(islice(matches, limit))
    rows = [
        {
            "id": entry.id,
            "started": entry.started[:16],
            "question": entry.question,
            "turns": entry.turns,
            "changes": entry.changes,
        }
        for entry in transcripts
    ]
    table.print_list(rows, output, ("id", "question", "turns", "changes"), empty=empty)
    for entry in transcripts:
        _note_damage(entry.id, entry.damaged_lines)


def _note_damage(id: str, lines: tuple[int, ...]) -> None:
    """Name the records of a transcript that cannot be read."""
    if lines:
        numbers = ", ".join(map(str, lines[:10])) + (", ..." if len(lines) > 10 else "")
        what = f"line {numbers} cannot be read and is" if len(lines) == 1 else f"lines {numbers} cannot be read and are"
        console.note(f"warning: {id}: {what} skipped")


@app.command("show", epilog="nlapi log show last\nnlapi log show 20261125T0014 -o json")
def show_(
    id: Id,
    output: Annotated[
        TranscriptFormat | None, option("-o --output", "Default: text on a terminal, else ndjson.")
    ] = None,
) -> None:
    """Show a transcript: every question, call, consent and answer."""
    from nlapi.agent.records.transcripts import DAMAGED, read_transcript, with_interruptions

    path = find_transcript(id)
    transcript = read_transcript(path)
    _note_damage(path.stem, transcript.damaged_lines)
    records = [record for record in transcript.records if record.get("event") != DAMAGED]
    format = output or (TranscriptFormat.TEXT if is_terminal() else TranscriptFormat.NDJSON)
    if format is TranscriptFormat.JSON:
        console.write(console.format_json(records))
        return
    if format is TranscriptFormat.NDJSON:
        for record in records:
            console.write(json.dumps(record, ensure_ascii=False))
        return
    for record in with_interruptions(records):
        # A text of an API that has several lines has none that poses as a record.
        if line := record_line(record):
            console.write("\n  ".join(strip_control(line).splitlines()))


COSTS = """nlapi log costs
nlapi log costs --since 7d -o json
nlapi log costs --since 2026-11-01"""


@app.command(epilog=COSTS)
def costs(
    since: Since = "30d",
    output: ListOutput = None,
) -> None:
    """Sum up the tokens and dollars of models, by day and model.

    Only questions with a transcript count. For a model without a known price only tokens are shown. The last line says
    how many questions asked no model, and what that saved against asking the dearest one each time.
    """
    from nlapi.agent.models.spending import PRICE_MONTH, UsageTotal
    from nlapi.agent.records.transcripts import savings, usage_by_day

    days = usage_by_day(log_folder(), since_moment(since))
    rows = [_usage_row(usage) for usage in days]
    columns = ("day", "model", "questions", "requests", "input_tokens", "cached_tokens", "output_tokens", "usd")
    if table.is_json(output):
        table.print_list(rows, output, columns)
        return
    labels = {"input_tokens": "in", "cached_tokens": "cached", "output_tokens": "out"}
    table_rows = [
        {labels.get(name, name): row[name] for name in columns[:-1]} | {"usd": _dollars(row["usd"])} for row in rows
    ]
    shown = tuple(labels.get(name, name) for name in columns)
    table.print_list(table_rows, output, shown, empty=f"no model was asked since {since_moment(since):%Y-%m-%d}")
    if rows:
        total = sum((usage.total for usage in days), UsageTotal())
        unpriced = f"; {total.unpriced} of {total.requests} requests have no known price" if total.unpriced else ""
        console.note(f"${total.usd:.4f} in all, by the prices of {PRICE_MONTH}{unpriced}")
    if text := savings_text(savings(log_folder(), since_moment(since))):
        console.note(text)


def savings_text(saved: Savings) -> str:
    """Return how many questions asked no model, and the dollars that it saved, with what they rest on."""
    if not saved.without_model:
        return ""
    text = f"{saved.without_model} of {saved.questions} questions asked no model"
    if saved.dearest and saved.saved_usd > 0:
        rests_on = f"{saved.dearest} took on average, over {saved.dearest_questions} of them"
        text += f"; had each cost the ${saved.dearest_usd:.4f} that {rests_on}, it would be ${saved.saved_usd:.4f} more"
    return text


CONSENTS = """nlapi log consents
nlapi log consents --not-agreed --since 7d
nlapi log consents -a shop -o json"""


@app.command(epilog=CONSENTS)
def consents(
    since: Since = "30d",
    apis: Annotated[list[str] | None, option("-a --api SOURCE", "Only about this API. Repeatable.")] = None,
    not_agreed: Annotated[
        bool, flag("--not-agreed", "Only what got no yes: declined, dismissed, withdrawn or expired.")
    ] = False,
    limit: Limit = 50,
    output: ListOutput = None,
) -> None:
    """List the questions about changes: who asked, where they were answered, and what came of it.

    The newest is first. A change that was agreed to in advance (`--yes`, a rule) had no question. In JSON each has its
    requests, with the digest, the outcome and the status of each.
    """
    from nlapi.agent.records.receipts import ConsentAnswer
    from nlapi.agent.records.transcripts import recorded_consents

    names = {text.casefold() for name in apis or () for text in (name, _source_of(name))}
    matches = (
        receipt
        for receipt in recorded_consents(log_folder(), since_moment(since), datetime.now().astimezone())
        if (not names or {receipt.api.casefold(), receipt.source.casefold()} & names)
        and not (not_agreed and receipt.answer in (ConsentAnswer.AGREED, ConsentAnswer.WAITING))
    )
    receipts = list(islice(matches, limit))
    empty = f"nobody was asked about such a change since {since_moment(since):%Y-%m-%d}"
    if table.is_json(output):
        table.print_list([asdict(receipt) for receipt in receipts], output, CONSENT_COLUMNS, empty=empty)
    else:
        table.print_list([_consent_row(receipt) for receipt in receipts], output, CONSENT_COLUMNS, empty=empty)


CONSENT_COLUMNS = ("at", "asked by", "api", "change", "answer", "answered in", "result")


def _source_of(name: str) -> str:
    """Return where the description of a registered API is; the name itself for any other."""
    from nlapi.registry import find_registration

    entry = find_registration(name)
    return entry.source if entry is not None else name


def _consent_row(receipt: ConsentReceipt) -> dict[str, str]:
    first, *others = receipt.calls
    return {
        "at": f"{datetime.fromisoformat(receipt.at).astimezone():%Y-%m-%d %H:%M}",
        "asked by": " of ".join(filter(None, (receipt.face, receipt.client))),
        "api": receipt.api,
        "change": f"{first.operation}{f' and {len(others)} more' if others else ''}",
        "answer": receipt.answer,
        "answered in": receipt.rung,
        "result": ", ".join(dict.fromkeys(str(call.status or call.outcome) for call in receipt.calls)),
    }


def since_moment(text: str) -> datetime:
    """Return the beginning of a day in local time: of the date, or of so many days up to today."""
    today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if text.endswith("d") and text[:-1].isdecimal():
            return today - timedelta(days=int(text[:-1]))
        # The offset of the zone is that of the day itself, which summer time may have changed since.
        return datetime.combine(date.fromisoformat(text), time()).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a day to begin at", hint="such as 2026-11-01, or 7d for the last week"
        ) from None


def _usage_row(usage: DayUsage) -> dict[str, Any]:
    total, usd = usage.total, usage.total.known_usd
    return {
        "day": usage.day.isoformat(),
        "model": usage.model,
        "questions": usage.questions,
        "requests": total.requests,
        "input_tokens": total.input_tokens,
        "cached_tokens": total.cached_tokens,
        "output_tokens": total.output_tokens,
        "usd": None if usd is None else round(usd, 6),
        "unpriced_requests": total.unpriced,
    }


def _dollars(usd: float | None) -> str:
    return "no price" if usd is None else f"{usd:.4f}"


@app.command(epilog='nlapi log resume last "and the paused ones?"')
@conversation_options("sources", "no_log", "plan", "plan_to")
def resume(id: Id, words: Annotated[list[str], argument("QUESTION", "What to ask next.")], setup: Setup) -> None:
    """Continue a conversation with a question that may refer to earlier ones.

    It goes to the same APIs at the same base URL. Give a credential again unless it was an env:NAME reference.
    """
    from nlapi.agent.records.log import Log
    from nlapi.agent.records.transcripts import read_transcript
    from nlapi.agent.records.transcripts import resume as rebuild
    from nlapi.cli.ask.session import open_session

    question = question_of(words, 'nlapi log resume last "and the paused ones?"')
    path = find_transcript(id)
    # The run continues the transcript, so that one conversation is one file; it is read when nobody writes to it.
    with Log.open(path) as log:
        transcript = read_transcript(path)
        _note_damage(path.stem, transcript.damaged_lines)
        records = transcript.records
        session = open_session(resumed_setup(setup, records))
        log.hide(session.policy.secrets)
        session.log = log
        earlier = rebuild(records, tool_finder(records, tuple(session.targets)))
        values = {**session.known_values, **earlier.known_values, **parse_pairs(setup.known_values, "--set")}
        _, code = asyncio.run(session.answer(earlier.with_question(question).with_replies(values)))
    if code:
        raise typer.Exit(code)


SAVE = """nlapi log save last -o pause.arazzo.yaml
nlapi log save last --id pause-campaign -o - | nlapi workflow check -"""


@app.command(epilog=SAVE)
def save(
    id: Id,
    output: Annotated[str, option("-o --output FILE", "The file: JSON if it ends in .json, else YAML; - for stdout.")],
    workflow_id: Annotated[
        str, option("--id WORKFLOW_ID", "The id of the workflow. Default: words of the question.")
    ] = "",
) -> None:
    """Save the calls of a conversation as a workflow (Arazzo), to review and run again.

    Each successful call is a step. Ids from answers become expressions, and values you typed become inputs.
    `nlapi workflow run FILE` runs it.
    """
    from nlapi.agent.records.transcripts import read_transcript
    from nlapi.agent.records.transcripts import resume as rebuild
    from nlapi.cli.ask.plan import description_locations, write_document
    from nlapi.cli.target import load
    from nlapi.workflows.from_plan import workflow_of

    path = find_transcript(id)
    transcript = read_transcript(path)
    _note_damage(path.stem, transcript.damaged_lines)
    records = transcript.records
    names = [name for record in records if record.get("event") == "asked" for name in _api_names(record)]
    specs = {name: load(name) for name in dict.fromkeys(names)}
    conversation = rebuild(records, tool_finder(records, tuple(specs.values())))
    locations = description_locations({spec: name for name, spec in specs.items()}, output)
    saved = workflow_of(conversation, id=workflow_id, locations=locations)
    for issue in saved.issues:
        console.note(str(issue))
    write_document(saved.document, output)


def _api_names(record: Record) -> list[str]:
    """Return the APIs of a question as the user named them, or else where their descriptions were."""
    return list(record.get("apis") or record.get("sources") or ())


def resumed_setup(setup: Setup, records: Iterable[Mapping[str, Any]]) -> Setup:
    """Return the setup with the transcript's APIs, base URL and credentials, unless the user gives others."""
    from dataclasses import replace

    questions = [record for record in records if record.get("event") == "asked"]
    if not questions:
        raise UsageError("no question of this transcript can be read", hint="ask it again in a new conversation")
    question_record = questions[-1]
    references = list(question_record.get("auth", ()))
    # A transcript may come from somebody else: it names a variable, and neither a command to run nor a file to send.
    variables = [text for text in references if text.partition("=")[2].startswith(VARIABLE)]
    if len(variables) < len(references) and not (setup.auth or setup.no_auth):
        console.note("note: only a credential in a variable is taken from a transcript; --auth gives it again")
    given = {_scheme(text): text for text in setup.auth or ()}
    return replace(
        setup,
        # `apis` are the names that the user gave, `sources` the files or URLs behind them.
        sources=question_record.get("apis") or question_record.get("sources"),
        base_url=setup.base_url or question_record.get("base_url"),
        auth=[] if setup.no_auth else [*(text for text in variables if _scheme(text) not in given), *given.values()],
        headers=[*(setup.headers or question_record.get("headers", ()))],
        no_auth=setup.no_auth or bool(question_record.get("no_auth") and not setup.auth),
    )


def _scheme(auth: str) -> str:
    """Return the scheme of `SCHEME=VALUE`."""
    return auth.partition("=")[0]


def tool_finder(records: Iterable[Record], specs: tuple[Spec, ...]) -> Callable[[str, str], Tool]:
    """Return a function that finds the tool of a source and an operation in a record."""
    from nlapi.tools.compile import compile_tool

    # Each "asked" record lists its sources in the order of the APIs: a file that was moved, or registered under another
    # path, still belongs to the same Spec.
    specs_by_source = {spec.source: spec for spec in specs}
    for record in records:
        if record.get("event") == "asked":
            specs_by_source = {**dict(zip(record.get("sources") or (), specs, strict=False)), **specs_by_source}

    def find(source: str, operation: str) -> Tool:
        if source not in specs_by_source:
            raise UsageError(f"the transcript speaks of {source}, which could not be opened")
        return compile_tool(specs_by_source[source].operation(operation))

    return find


def find_transcript(id: str) -> Path:
    from nlapi.agent.records.transcripts import list_transcripts

    transcripts = list_transcripts(log_folder())
    matches = transcripts[:1] if id == "last" else [entry for entry in transcripts if entry.id.startswith(id)]
    if len(matches) != 1:
        problem = f"{len(matches)} transcripts begin with {id!r}" if matches else f"there is no transcript {id!r}"
        raise UsageError(problem, hint="`nlapi log list` shows them")
    return matches[0].path


def record_line(record: Mapping[str, Any]) -> str:
    """Return a record of a transcript as a line of text; "" for a record that is not shown."""
    line = _LINES.get(str(record.get("event")))
    text = line(record) if line is not None else ""
    return f"{str(record.get('at', ''))[11:19]} {text}" if text else ""


def _planner_line(record: Mapping[str, Any]) -> str:
    version = (record.get("decision") or {}).get("version")
    planner = record.get("model") or record.get("planner")
    return f"  planner: {planner}{f' ({version})' if version else ''}, as {record.get('why')}"


def _plan_line(record: Mapping[str, Any]) -> str:
    summary = " · ".join(filter(None, (record.get("understood"), _usage_line(record.get("raw")))))
    return f"  {(record.get('raw') or {}).get('model') or record.get('planner')}: {summary}" if summary else ""


def _effect_text(record: Mapping[str, Any]) -> str:
    return f"({record.get('effect')}{', asks for consent' if record.get('asks') else ''})"


def _workflow_line(record: Mapping[str, Any]) -> str:
    name = (record.get("workflow") or {}).get("id")
    return f"→ the workflow {name}: {record.get('changes')} changes {_effect_text(record)}"


def _report_line(record: Mapping[str, Any]) -> str:
    from nlapi.agent.events import ChangeOutcome

    counts = ((len(record.get(fate.replace(" ", "_"), ())), fate) for fate in ChangeOutcome)
    return f"  {', '.join(f'{count} {fate}' for count, fate in counts if count)}"


_LINES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "asked": lambda record: f"? {record.get('question')}",
    "planner": _planner_line,
    "planned": _plan_line,
    "workflow": _workflow_line,
    "proposed": lambda record: f"→ {record.get('method')} {record.get('url')} {_effect_text(record)}",
    "interrupted": lambda record: (
        f"← no answer to {record.get('method')} {record.get('url')} is recorded: it may have been carried out"
    ),
    "stepped": lambda record: f"← {_outcome(record)}",
    "reported": _report_line,
    "needed": lambda record: f"  needs {', '.join(str(entry.get('argument')) for entry in record.get('missing', ()))}",
    "consent": lambda record: f"  {record.get('answer')} in the {record.get('rung')}",
    "answered": lambda record: f"= {record.get('text')}",
}


def _usage_line(raw: object) -> str:
    """Return the tokens and the cost of a plan of a model, or ""."""
    from nlapi.agent.models.messages import ModelState
    from nlapi.agent.models.planner import plans_usage

    raw = raw.get("origin", raw) if isinstance(raw, dict) else raw  # of a workflow that a model called
    return plans_usage([ModelState.from_json(raw)]) if isinstance(raw, dict) and "usage" in raw else ""


def _outcome(record: Mapping[str, object]) -> str:
    result = record.get("result")
    if isinstance(result, dict):
        status = f"{result.get('status')} {console.status_phrase(int(result.get('status', 0)))}".rstrip()
        if "items" not in result:
            return status
        count = len(result["items"]) + int(result.get("left_out", 0))
        return f"{status}, {console.count_noun(count, 'item')} ({result.get('ended')})"
    return f"{record.get('outcome')}: {record.get('message')}"
