"""`nlapi call`: a call of one operation, its arguments, headers and body as the command line says them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from nlapi.cli.call.result_output import (
    Filter,
    LivePrinter,
    PageProgress,
    describe_pages,
    jq_filter,
    print_pages,
    print_reason,
    print_result,
    print_stream,
    resolve_shape,
    show_headers,
    show_request,
)
from nlapi.cli.options import (
    AnswerOptions,
    Events,
    Output,
    SendOptions,
    Source,
    argument,
    flag,
    is_interactive,
    is_terminal,
    option,
    options_of,
    parse_pairs,
)
from nlapi.cli.render import console
from nlapi.errors import ArgumentError, ConsentError, NlapiError, UsageError
from nlapi.json_text import parse_json, repeated_key
from nlapi.local_files import fault_of
from nlapi.openapi.spec import Effect
from nlapi.resources.long_running import WorkState
from nlapi.tools.sending.request_changes import NO_CHANGES, RequestChanges, parse_headers, split_headers
from nlapi.tools.tool import Call, Tool

if TYPE_CHECKING:
    from typer._click import Context

    from nlapi.agent.records.receipts import ConsentOutcome, ConsentReceipt
    from nlapi.client.message import Limits, Result
    from nlapi.client.streaming.body import PieceListener
    from nlapi.openapi.spec import Operation
    from nlapi.tools.sending.run import Prepared, Target
    from nlapi.tools.sending.waiting import WorkOutcome


EPILOG = """KEY=VALUE is read as the operation's type; a list takes commas, or the key again.
KEY:=JSON is taken as is. KEY=@FILE sends a file if the operation takes one.

A streamed answer (events, a log) is printed as it arrives, one item per line, until --events, --timeout or Ctrl-C
ends it; -o json prints the list of its items at the end.

nlapi call ads createCampaign --help
nlapi call ads listCampaigns status=ACTIVE limit=5
nlapi call ads listCampaigns --all --columns id,name --sort name -o csv
nlapi call ads GET /campaigns/cmp_1
nlapi call ads getCampaign campaign_id=cmp_1 --jq .name
nlapi call ads createCampaign --args @campaign.json --yes
nlapi call ads deleteCampaign campaign_id=cmp_1 --dry-run"""


class CallCommand(TyperCommand):
    """The command `call`: with an API and an operation, its help is that of the operation."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the words; `--help` behind an operation describes it."""
        if not {"-h", "--help"}.isdisjoint(args):
            words = [word for word in args if word not in ("-h", "--help")]
            with suppress(typer.TyperException):
                values, _, _ = self.make_parser(ctx).parse_args(args=words)
                if isinstance(operation := values.get("operation"), str):
                    _print_help(str(values["source"]), operation, values.get("overlays"), values.get("root"))
                    ctx.exit()
        return super().parse_args(ctx, args)


def _print_help(source: str, operation: str, overlays: list[str] | None, root: str | None) -> None:
    from nlapi.cli.apis.describe import print_operation
    from nlapi.cli.target import load

    print_operation(load(source, overlays, root).operation(operation), source, as_json=False)
    console.dim(f"`nlapi call --help` has the options; `nlapi describe {source} {operation} -o json` this as JSON")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInput(SendOptions):
    """What a command line says of one call, beside how its answer is printed."""

    # A field's type carries its option, as in `Setup`.
    source: Source
    operation: Annotated[
        str, argument("OPERATION", "An operationId (see `nlapi find`), or a method followed by a path or URL.")
    ]
    pairs: Annotated[
        list[str] | None, argument("KEY=VALUE", "Arguments; input.currency=EUR sets a field inside an object.")
    ] = None
    args: Annotated[str | None, option("--args JSON|@FILE|-", "All arguments as one JSON object.")] = None
    raw_body: Annotated[str | None, option("--raw-body TEXT|@FILE|-", "The whole body as it is, unchecked.")] = None
    curl: Annotated[bool, flag("--curl", "Print the request as a curl command, and send nothing.")] = False
    events: Events = None

    @property
    def texts(self) -> tuple[str, ...]:
        """What its values are read from."""
        return (self.args or "", self.raw_body or "", *(self.pairs or ()))

    def read(self, target: Target, known_values: Mapping[str, str]) -> CallRequest:
        """Return the call that is to be sent to an API."""
        words = (self.operation, *(self.pairs or ()))
        return read_call(
            target, words, known_values, args=self.args, headers=self.headers or (), raw_body=self.raw_body
        )


@options_of(AnswerOptions, "shape")
@options_of(CallInput, "request")
def call(request: CallInput, shape: AnswerOptions) -> None:
    """Call one operation. Its arguments are checked before it is sent.

    A change asks first, and gets an idempotency key if the operation describes that header. Exits with 3, 4 or 5 if the
    API answers 3xx, 4xx or 5xx; the answer is still printed.
    """
    from nlapi.cli.target import open_requested

    source = request.source
    if source == "-" and "-" in (request.args, request.raw_body):
        raise UsageError("standard input cannot be both the description and a value", hint="give one of them as a file")
    # Read before anything is sent, so that a wrong column costs no change.
    shape = resolve_shape(replace(shape, output=shape.output or _registered_output(source)))
    with console.silenced(shape.quiet):
        run_call(request, shape, *open_requested(request))


def run_call(request: CallInput, shape: AnswerOptions, target: Target, known_values: Mapping[str, str]) -> None:
    """Make one call and print its answer; typer.Exit with 3, 4 or 5 for an answer that is not a success."""
    from nlapi.cli.target import stream_limits, waiting_limits
    from nlapi.tools.arguments import setting_lines
    from nlapi.tools.sending.run import prepare

    # Compiled before anything is sent, so that a wrong expression costs no change.
    item_filter = jq_filter(shape.jq) if shape.jq is not None else None
    call_request = request.read(target, known_values)
    intention = call_request.target.ledger.intention
    try:
        prepared = prepare(call_request.call, call_request.target, intention=intention, changes=call_request.changes)
    except ArgumentError as error:
        if request.args is None and set(call_request.call.tool.required) - call_request.call.arguments.keys():
            more = "--args @FILE reads arguments from a file, --args - from standard input"
            error.hint = "; ".join(filter(None, (error.hint.rstrip("."), more)))
        raise
    # Said of each call, so that nobody takes another account for the one that was meant.
    for line in setting_lines(prepared.settings):
        console.note(line)
    if request.dry_run or request.curl:
        _show(prepared, shape.output, as_curl=request.curl)
        return
    # The operation is named by the user, so --yes is enough for a DELETE too (docs/design/024-consent-to-a-plan.md).
    consent = _CallConsent(call_request.target, yes=request.has_consent)
    bounds = waiting_limits(stream_limits(request.timeout, request.events), request.wait, no_wait=request.no_wait)
    sender = _Sender(call_request, consent, shape, item_filter, bounds)
    if code := sender.send_pages() if shape.all else sender.send_once():
        raise typer.Exit(code)


def _registered_output(source: str) -> Output | None:
    """Return the format that is registered for an API (`nlapi api edit -o`)."""
    from nlapi.registry import find_registration

    entry = find_registration(source)
    return Output(entry.output) if entry is not None and entry.output in list(Output) else None


class _Sender:
    """Sends the call of a command line and prints its answer; its methods return the exit code."""

    def __init__(
        self,
        request: CallRequest,
        consent: _CallConsent,
        shape: AnswerOptions,
        item_filter: Filter | None,
        bounds: Limits,
    ) -> None:
        self.request = request
        self.consent = consent
        self.shape = shape
        self.filter = item_filter
        self.bounds = replace(bounds, on_wait=self._note_work)
        self.work: WorkOutcome | None = None
        self.is_waiting = False
        self.live = LivePrinter(shape.output, item_filter)
        consent.before_question = self.live.pause

    @property
    def operation(self) -> Operation:
        return self.request.call.tool.operation

    async def _send(self, call: Call, watch: PieceListener | None = None) -> Result:
        from nlapi.agent.records.receipts import settled
        from nlapi.cli.completion.collect import store_list
        from nlapi.tools.sending.run import run

        sent = run(
            call,
            self.request.target,
            self.consent,
            limits=self.bounds,
            watch=watch,
            changes=self.request.changes,
            on_request=show_request if self.shape.verbose else None,
            on_work=self._end_work,
        )
        result = await settled(sent, self.consent.settle)
        if self.shape.verbose:
            show_headers(result, console.note)
        store_list(self.operation, result)
        return result

    def _note_work(self, text: str) -> None:
        self.is_waiting = True
        self.live.pause()
        console.note(text)

    def _end_work(self, outcome: WorkOutcome) -> None:
        self.work, self.is_waiting = outcome, False

    def send_once(self) -> int:
        """Send the call, and print the answer as it comes."""
        import asyncio

        live = self.live
        try:
            result = asyncio.run(live.wait_for(self._send(self.request.call, live)))
        except KeyboardInterrupt:
            # The items so far are printed and the exit code is 130, as with curl and kubectl
            # (docs/design/019-streams.md).
            if live.items and not live.has_printed:
                print_stream(live.items, self.shape)
            if self.is_waiting:
                console.note(f"\n{self.operation.id} was accepted, and its work goes on")
            elif self.consent.may_be_sent:
                progress = "its answer was still going on" if live.items else "no answer had come yet"
                console.note(f"\n{self.operation.id} may have been carried out: {progress}")
            raise
        if self.shape.show_headers and not live.has_printed:
            show_headers(result, console.write)
        print_result(result, self.shape, self.filter, self.operation, live)
        if self.work is not None:
            console.note(self.work.message)
            return int(self.work.state is not WorkState.DONE)
        if code := self._failure(result):
            return code
        if result.is_cut:
            _note_truncation(result, changed=self.consent.may_be_sent)
        if live.misfit is not None:
            raise live.misfit
        return 0

    def send_pages(self) -> int:
        """Read every page, within the bounds, and print the entries of all; those of before where one fails."""
        import asyncio

        from nlapi.cli.target import patient_limits
        from nlapi.tools.answers.view import MAX_ITEMS, MAX_PAGES, PageSeries, SeriesEnd, read_pages

        if self.request.call.effect is not Effect.READ:
            raise UsageError(f"{self.operation.id} is not a read, so --all would repeat it", hint="leave --all out")
        self.bounds = patient_limits(self.bounds)
        series = PageSeries()
        max_items, max_pages = self.shape.max_items or MAX_ITEMS, self.shape.max_pages or MAX_PAGES
        try:
            with PageProgress() as progress:
                reading = read_pages(
                    self.request.call,
                    self._send,
                    max_items=max_items,
                    max_pages=max_pages,
                    listener=progress,
                    series=series,
                )
                asyncio.run(reading)
        except (NlapiError, KeyboardInterrupt):
            if series.entries:
                print_pages(series, self.shape, self.filter, self.operation)
                console.note(f"{describe_pages(series)}; not all of it was read")
            raise
        assert series.last is not None
        if self.shape.show_headers:
            show_headers(series.last, console.write)
        if not series.pages and series.ended in (SeriesEnd.NO_LIST, SeriesEnd.UNDESCRIBED):
            print_result(series.last, self.shape, self.filter, self.operation)
            more = ", and a header of it leads to more" if series.ended is SeriesEnd.UNDESCRIBED else ""
            console.note(f"this is not a list, so that there are no pages{more}")
            return self._failure(series.last) or int(not series.is_whole)
        print_pages(series, self.shape, self.filter, self.operation)
        console.note(describe_pages(series, max_items=max_items, max_pages=max_pages))
        if series.ended is SeriesEnd.FAILED:
            print_reason(series.last)
        # Less than all is a failure of `--all`, unless the user has set the bound.
        bounds = {SeriesEnd.ITEMS: self.shape.max_items, SeriesEnd.PAGES: self.shape.max_pages}
        return self._failure(series.last) or int(not series.is_whole and not bounds.get(series.ended))

    def _failure(self, result: Result) -> int:
        """Note what may be wrong with the base URL or a credential, and return the exit code."""
        from nlapi.tools.answers.diagnosis import diagnose

        if doubt := diagnose(result, self.operation, self.request.target):
            console.note(doubt)
        # 3, 4 or 5; a status above 599 is also an error of the server.
        return 0 if result.ok else min(result.status // 100, 5)


def _show(prepared: Prepared, output: Output | None, *, as_curl: bool) -> None:
    from nlapi.client.message import as_dict
    from nlapi.tools.quantities.moments import value_notes

    for line in value_notes(prepared.written):
        console.note(line)
    if as_curl:
        console.write(prepared.curl)
    elif output is Output.TABLE or (output is None and is_terminal()):
        console.write(console.preview_request(prepared.request))
        console.note(prepared.curl)
    else:
        console.write(console.format_json(as_dict(prepared.request)))


class _CallConsent:
    """Consent to one call, by the person at the terminal or by --yes. The field is True once a change may be sent."""

    def __init__(self, target: Target, *, yes: bool) -> None:
        self.target = target
        self.yes = yes
        self.may_be_sent = False
        self.receipt: ConsentReceipt | None = None
        # A spinner over a question hides it.
        self.before_question: Callable[[], None] = lambda: None

    async def __call__(self, prepared: Prepared) -> bool:
        from nlapi.agent.current_state import current_changes
        from nlapi.agent.events import ConsentReply, change_lines
        from nlapi.agent.records.receipts import begin_receipt, reply_of
        from nlapi.cli.ask.prompts import ask_consent
        from nlapi.tools.quantities.moments import value_notes

        # With receipts, the user has confirmed this very request in the client.
        if not self.yes or (prepared.requires_question and self.target.receipts is None):
            if not is_interactive():
                return False
            console.note(console.preview_request(prepared.request), is_question=True)
            for line in (*value_notes(prepared.written), *filter(None, (prepared.repetition,))):
                console.note(line, is_question=True)
            for line in change_lines(await current_changes(prepared, self.target)):
                console.note(line, is_question=True)
            self.before_question()
            is_agreed = ask_consent(prepared)
            self.receipt = reply_of(begin_receipt("call", (prepared,)), ConsentReply(is_agreed=is_agreed))
            console.write_receipt(self.receipt)
            if not is_agreed:
                raise ConsentError(f"you did not agree to {prepared.call.operation_id}; nothing was sent")
        self.may_be_sent = True
        return True

    def settle(self, outcome: ConsentOutcome, status: int | None) -> None:
        """Write what came of a call that the person agreed to."""
        if self.receipt is not None and self.may_be_sent:
            self.receipt = self.receipt.with_outcome(outcome, status)
            console.write_receipt(self.receipt)


def _note_truncation(result: Result, *, changed: bool) -> None:
    """Note that the answer was cut, and the options that read more of it. NlapiError when the connection broke."""
    from nlapi.client.message import EndReason, describe_end

    end = describe_end(result)
    if result.ended is EndReason.BROKEN:
        raise NlapiError(end, hint="what had come is printed")
    if changed:
        end = f"{end}; whether the change was carried out to its end is not known"
    options = "--timeout SECONDS waits longer, --events N stops after N" if result.ended is EndReason.DEADLINE else ""
    console.note(f"{end}{f' ({options})' if options else ''}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call, the target that it goes to, and the user's additions to the request beside its arguments."""

    call: Call
    target: Target
    changes: RequestChanges = NO_CHANGES


def read_call(
    target: Target,
    words: Sequence[str],
    known_values: Mapping[str, str],
    *,
    args: str | None = None,
    headers: Sequence[str] = (),
    raw_body: str | None = None,
) -> CallRequest:
    """Return the call of an operation and its `KEY=VALUE` pairs, or of a method and a path.

    A header that is a credential goes to the API's own servers alone and is masked; where the operation wants one
    there, it is the credential.
    """
    from nlapi.cli.call.arguments import parse_arguments
    from nlapi.cli.target import with_secret_headers
    from nlapi.tools.compile import compile_tool

    name, *pairs = words
    query: tuple[tuple[str, str], ...] = ()
    from_path: Mapping[str, object] = {}
    if _is_direct(target, name, pairs):
        from nlapi.tools.sending.direct_request import find_direct

        direct = find_direct(target.spec, name.upper(), pairs[0], base_url=target.base_url, rules=target.rules)
        tool, query, from_path, pairs = direct.tool, direct.query, direct.arguments, pairs[1:]
        if pairs and not direct.is_described:
            hint = "write them into the path, or give --raw-body"
            raise UsageError(f"{name} {words[1]} is not described, so it takes no arguments", hint=hint)
        known_values = {key: value for key, value in known_values.items() if key not in from_path}
    else:
        tool = compile_tool(target.spec.operation(name))
    target, pairs = _take_credentials(target, pairs, tool)
    content, sent = None, parse_headers(headers)
    if raw_body is not None:
        if args == "-" and raw_body == "-":
            raise UsageError("standard input cannot be both --args and --raw-body", hint="give one of them as a file")
        content = _read_body(raw_body)
        if repeated := repeated_key(content):
            raise UsageError(f"--raw-body: {repeated}", hint="a server takes the first or the last of them")
        if not any(header.lower() == "content-type" for header, _ in sent):
            sent = (*sent, ("content-type", _content_type(tool.operation, content)))
    secret, plain = split_headers(target.spec, sent)
    changes = RequestChanges(headers=plain, content=content, query=query)
    # Beside a whole body, registered values for properties of it have no place.
    arguments = parse_arguments(changes.relax(tool), known_values=known_values, json_text=args, pairs=pairs)
    if twice := next(iter(from_path.keys() & arguments.keys()), ""):
        raise UsageError(f"{twice} is given twice: in {words[1]} and beside it", hint="it takes one value")
    return CallRequest(
        call=Call(tool=tool, arguments={**from_path, **arguments}),
        target=with_secret_headers(target, secret),
        changes=changes,
    )


def _take_credentials(target: Target, pairs: list[str], tool: Tool) -> tuple[Target, list[str]]:
    """Return the Target with the credentials among `KEY=VALUE` pairs, and the other pairs."""
    from nlapi.cli.target import take_credentials

    arguments = tool.input_schema["properties"]
    own = {pair: name for pair in pairs if (name := credential_name(target, pair)) and name not in arguments}
    if not own:
        return target, pairs
    given = parse_pairs([pair for pair in pairs if pair in own], "KEY=VALUE")
    return take_credentials(target, given)[0], [pair for pair in pairs if pair not in own]


def credential_name(target: Target, pair: str) -> str:
    """Return the name in `KEY=VALUE` where that is a credential of the API; else ""."""
    name, mark, _ = pair.partition("=")
    return name if mark and target.spec.credential_parameters.scheme_of(name) is not None else ""


def _is_direct(target: Target, name: str, pairs: Sequence[str]) -> bool:
    """Return whether the words are a method and a path; an operation may be called `GET`."""
    from nlapi.tools.sending.direct_request import METHODS

    return name.upper() in METHODS and bool(pairs) and not target.spec.has(name)


def _read_body(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(fault_of(text[1:], error)) from None


def _content_type(operation: Operation, content: bytes) -> str:
    """Return the content type of a body: the one that the operation describes, else one by its first characters."""
    if operation.body is not None and "*" not in operation.body.content_type:
        return operation.body.content_type
    try:
        parse_json(content)
    except (ValueError, RecursionError):
        return "application/octet-stream"
    return "application/json"
