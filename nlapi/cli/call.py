"""`nlapi call`: a call of one operation by its name."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli import console
from nlapi.cli.answer_output import Filter, LivePrinter, jq_filter, print_filtered, print_items
from nlapi.cli.options import (
    FLAG,
    Auth,
    BaseUrl,
    Deadline,
    DryRun,
    Events,
    NoAuth,
    Output,
    Overlays,
    Root,
    Source,
    Yes,
    YesTo,
    is_interactive,
    is_terminal,
)
from nlapi.client.safe_text import single_line
from nlapi.errors import ConsentError, NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.client.message import Result
    from nlapi.openapi.spec import Operation
    from nlapi.tools.run import Prepared, Target

EPILOG = """KEY=VALUE is read as the type that the operation wants; a list takes commas, or the key again.
KEY:=JSON is taken as it is. KEY=@FILE sends a file, where the operation takes one.

An answer that goes on and on (events, a log that is followed) is printed as it comes, one item a line, until --events,
--timeout or Ctrl-C ends it; -o json prints the list of its items at the end.

nlapi call ads listCampaigns status=ACTIVE limit=5
nlapi call ads getCampaign campaign_id=cmp_1 --jq .name
nlapi call ads createCampaign --args @campaign.json --yes
nlapi call ads deleteCampaign campaign_id=cmp_1 --dry-run"""


def call(
    source: Source,
    operation: Annotated[
        str, typer.Argument(metavar="OPERATION", help="Its operationId; `nlapi find` finds the one you mean.")
    ],
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="The arguments; input.currency=EUR is one inside an object."),
    ] = None,
    args: Annotated[
        str | None, typer.Option("--args", metavar="JSON|@FILE|-", help="Arguments as one JSON object.")
    ] = None,
    base_url: BaseUrl = None,
    auth: Auth = None,
    no_auth: NoAuth = False,
    dry_run: DryRun = False,
    curl: Annotated[
        bool, typer.Option("--curl", metavar=FLAG, help="Print the request as a curl line; send nothing.")
    ] = False,
    yes: Yes = False,
    yes_to: YesTo = None,
    output: Annotated[Output | None, typer.Option("-o", "--output", help="table on a terminal, else json.")] = None,
    jq: Annotated[
        str | None, typer.Option("--jq", metavar="EXPR", help="Print what a jq expression makes of the answer.")
    ] = None,
    timeout: Deadline = None,
    events: Events = None,
    overlays: Overlays = None,
    root: Root = None,
) -> None:
    """Call one operation: check its arguments, build the request by the description, and send it.

    A change asks first, and has an idempotency key of its own where the operation describes that header. Exits with
    3, 4 or 5 when the API answers 3xx, 4xx or 5xx; its answer is still printed.
    """
    from nlapi.cli.arguments import parse_arguments
    from nlapi.cli.target import open_target, stream_limits
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.diagnosis import diagnose
    from nlapi.tools.idempotency import single_intention
    from nlapi.tools.run import prepare, run
    from nlapi.tools.setting_values import setting_lines
    from nlapi.tools.tool import Call

    if source == "-" and args == "-":
        raise UsageError("standard input cannot be both the description and --args", hint="give one of them as a file")
    # Compiled before anything is sent, so that a wrong expression costs no change.
    item_filter = jq_filter(jq) if jq is not None else None
    target, known_values = open_target(source, base_url, auth, overlays, root, no_auth=no_auth)
    tool = compile_tool(target.spec.operation(operation))
    tool_call = Call(
        tool=tool, arguments=parse_arguments(tool, known_values=known_values, json_text=args, pairs=pairs or ())
    )
    # Said of each call, so that nobody takes another account for the one that was meant.
    for line in setting_lines(prepare(tool_call, target).settings) if target.settings else ():
        console.note(line)
    if dry_run or curl:
        _show(prepare(tool_call, target, intention=single_intention()), output, as_curl=curl)
        return
    consent = _CallConsent(target, yes=yes or yes_to is not None)
    # The operation is named by the user, so --yes is enough for a DELETE too (docs/design/024-consent-to-a-plan.md).
    live = LivePrinter(output, item_filter)
    bounds = stream_limits(timeout, events)
    try:
        result = asyncio.run(live.wait_for(run(tool_call, target, consent, limits=bounds, watch=live)))
    except KeyboardInterrupt:
        # The items so far are printed and the exit code is 130, as with curl and kubectl (docs/design/019-streams.md).
        if live.items and not live.has_printed:
            _print_items(live.items, output)
        if consent.may_be_sent:
            progress = "its answer was still going on" if live.items else "no answer had come yet"
            console.note(f"\n{operation} may have been carried out: {progress}")
        raise
    print_result(result, output, item_filter, tool.operation, live)
    if doubt := diagnose(result, tool.operation, target):
        console.note(doubt)
    if not result.ok:
        # 3, 4 or 5; a status above 599 is also an error of the server.
        raise typer.Exit(min(result.status // 100, 5))
    if result.is_cut:
        _note_truncation(result, changed=consent.may_be_sent)
    if live.misfit is not None:
        raise live.misfit


def _show(prepared: Prepared, output: Output | None, *, as_curl: bool) -> None:
    from nlapi.client.message import as_dict

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

    async def __call__(self, prepared: Prepared) -> bool:
        from nlapi.agent.current_state import current_changes
        from nlapi.cli import preview
        from nlapi.cli.prompts import ask_consent

        if not self.yes or prepared.requires_question:
            if not is_interactive():
                return False
            console.note(console.preview_request(prepared.request))
            for line in preview.changes(await current_changes(prepared, self.target)):
                console.note(line)
            if not ask_consent(prepared):
                raise ConsentError(f"you did not agree to {prepared.call.operation_id}; nothing was sent")
        self.may_be_sent = True
        return True


def print_result(
    result: Result,
    output: Output | None,
    item_filter: Filter | None = None,
    operation: Operation | None = None,
    live: LivePrinter | None = None,
) -> None:
    """Print the answer on standard output, its status and the reason of a failure on standard error.

    The filter applies only to answers that are no errors. Items that `live` has already printed are not repeated.
    """
    from nlapi.cli import table
    from nlapi.resources.error_reasons import error_reason
    from nlapi.tools.answer_view import answer_view

    console.note(f"{result.status} {console.status_phrase(result.status)} · {result.elapsed:.2f} s")
    if live is not None and live.has_printed:
        return
    data = result.data
    if not result.ok and (reason := error_reason(data if data is not None else result.text)):
        console.note(single_line(reason))
    if item_filter is not None and result.ok:
        _print_filtered(result, item_filter)
    elif output is Output.RAW or (data is None and result.content):
        _print_raw(result)
    elif result.items is not None and output is None and is_terminal():
        print_items(result.items, result.framing)
    elif result.items is not None:
        _print_items(list(result.items), output)
    elif not result.content:
        return
    elif output is Output.TABLE or (output is None and is_terminal()):
        table.print_answer(answer_view(result, operation))
    elif output is Output.NDJSON:
        _print_lines(result, operation)
    else:
        console.write(console.format_json(data))


def _print_items(items: list[object], output: Output | None) -> None:
    """Print all items of a streamed answer."""
    from nlapi.cli import table
    from nlapi.tools.answer_view import entries_view

    view = entries_view(items) if output is Output.TABLE else None
    if view is not None:
        table.print_answer(view)
    elif output is Output.NDJSON:
        for item in items:
            console.write(json.dumps(item, ensure_ascii=False))
    else:
        console.write_list(items)


def _note_truncation(result: Result, *, changed: bool) -> None:
    """Note that the answer was cut, and the options that read more of it. NlapiError when the connection broke."""
    from nlapi.client.message import EndReason
    from nlapi.client.preview import describe_end

    end = describe_end(result)
    if result.ended is EndReason.BROKEN:
        raise NlapiError(end, hint="what had come is printed")
    if changed:
        end = f"{end}; whether the change was carried out to its end is not known"
    options = "--timeout SECONDS waits longer, --events N stops after N" if result.ended is EndReason.DEADLINE else ""
    console.note(f"{end}{f' ({options})' if options else ''}")


def _print_raw(result: Result) -> None:
    if not is_terminal():
        console.write_bytes(result.content)
        return
    # Binary bytes may contain control sequences of the terminal; text goes through `show.write`, which removes them.
    try:
        result.content.decode()
    except UnicodeDecodeError:
        size = f"{len(result.content):,} bytes of {result.content_type or 'an unnamed type'}"
        console.note(f"{size}, which a terminal cannot show; -o raw > FILE keeps them")
    else:
        console.write(result.text)


def _print_lines(result: Result, operation: Operation | None) -> None:
    from nlapi.resources.answers import extract_list
    from nlapi.resources.envelope import value_at
    from nlapi.tools.answer_view import lowercase_headers

    list_part = extract_list(result.data, operation, lowercase_headers(result))
    # One line for each entry of the list that the description or the answer shows, else one for the whole answer.
    entries = value_at(result.data, list_part.envelope.keys) if list_part is not None else None
    for row in entries if isinstance(entries, list) else [result.data]:
        console.write(json.dumps(row, ensure_ascii=False))


def _print_filtered(result: Result, item_filter: Filter) -> None:
    if result.data is None and result.content.strip() not in (b"", b"null"):
        raise NlapiError("--jq needs a JSON answer, and this is none", hint=f"it begins {result.text[:200]!r}")
    for value in [result.data] if result.items is None else result.items:
        print_filtered(value, item_filter)
