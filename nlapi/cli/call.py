"""`nlapi call`: one operation, called by its name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import show
from nlapi.cli.options import (
    FLAG,
    Auth,
    BaseUrl,
    Deadline,
    DryRun,
    NoAuth,
    Output,
    Overlays,
    Root,
    Source,
    Yes,
    is_interactive,
    is_terminal,
)
from nlapi.errors import ConsentError, NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.client.message import Result
    from nlapi.tools.run import Prepared

Filter = Callable[[Any], list[Any]]

EPILOG = """KEY=VALUE is read as the type that the operation wants; a list takes commas, or the key again.
KEY:=JSON is taken as it is. KEY=@FILE sends a file, where the operation takes one.

nlapi call ads listCampaigns status=ACTIVE limit=5
nlapi call ads getCampaign campaign_id=cmp_1 --jq .name
nlapi call ads createCampaign --args @campaign.json --yes
nlapi call ads deleteCampaign campaign_id=cmp_1 --dry-run"""


def register(app: typer.Typer) -> None:
    app.command(epilog=EPILOG)(call)


def call(
    source: Source,
    operation: Annotated[
        str, typer.Argument(metavar="OPERATION", help="Its operationId; `nlapi find` finds the one you mean.")
    ],
    pairs: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="The arguments of the operation.")
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
    output: Annotated[Output | None, typer.Option("-o", "--output", help="table on a terminal, else json.")] = None,
    jq: Annotated[
        str | None, typer.Option("--jq", metavar="EXPR", help="Print what a jq expression makes of the answer.")
    ] = None,
    timeout: Deadline = None,
    overlays: Overlays = None,
    root: Root = None,
) -> None:
    """Call one operation: its arguments are checked, the request is built as the description asks, then sent.

    A change asks first. Exits with 3, 4 or 5 when the API answers 3xx, 4xx or 5xx; its answer is still printed.
    """
    from nlapi.cli.arguments import arguments
    from nlapi.cli.target import limits, open_target
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.diagnosis import diagnose
    from nlapi.tools.run import prepare, run
    from nlapi.tools.tool import Call

    if source == "-" and args == "-":
        raise UsageError("standard input cannot be both the description and --args", hint="give one of them as a file")
    chosen = _filter(jq) if jq is not None else None
    target, known = open_target(source, base_url, auth, overlays, root, no_auth=no_auth)
    tool = compile_tool(target.spec.operation(operation))
    wanted = Call(tool=tool, arguments=arguments(tool, known=known, given=args, pairs=pairs or ()))
    if dry_run or curl:
        _show(prepare(wanted, target), output, as_curl=curl)
        return
    consent = _Consent(yes)
    try:
        result = asyncio.run(run(wanted, target, consent, limits=limits(timeout)))
    except KeyboardInterrupt:
        if consent.given:
            show.note(f"\n{operation} may have been carried out: no answer had come yet")
        raise
    print_result(result, output, chosen)
    if doubt := diagnose(result, tool.operation, target):
        show.note(doubt)
    if not result.ok:
        raise typer.Exit(min(result.status // 100, 5))


def _show(prepared: Prepared, output: Output | None, *, as_curl: bool) -> None:
    from nlapi.client.message import as_dict

    if as_curl:
        show.write(prepared.curl)
    elif output is Output.TABLE or (output is None and is_terminal()):
        show.write(show.request(prepared.request))
        show.note(prepared.curl)
    else:
        show.write(show.json_text(as_dict(prepared.request)))


class _Consent:
    """Asks the person at the terminal, unless --yes has said it. `given` once a change may be on its way."""

    def __init__(self, yes: bool) -> None:
        self.yes = yes
        self.given = False

    async def __call__(self, prepared: Prepared) -> bool:
        from nlapi.cli import prompt

        if not self.yes:
            if not is_interactive():
                return False
            show.note(show.request(prepared.request))
            if not prompt.consents(prepared.call.operation_id, prepared.effect):
                raise ConsentError(f"you did not agree to {prepared.call.operation_id}; nothing was sent")
        self.given = True
        return True


def print_result(result: Result, output: Output | None, chosen: Filter | None = None) -> None:
    """The answer on standard output, its status on standard error. A filter is for answers that are no errors."""
    from nlapi.cli import table

    show.note(f"{result.status} {show.reason(result.status)} · {result.elapsed:.2f} s")
    data = result.data
    output = output or (Output.TABLE if is_terminal() else Output.JSON)
    if chosen is not None and result.ok:
        _print_filtered(result, chosen)
    elif output is Output.RAW or (data is None and result.content):
        _print_raw(result)
    elif not result.content:
        return
    elif output is Output.TABLE:
        table.answer(data)
    elif output is Output.NDJSON:
        _print_lines(data)
    else:
        show.write(show.json_text(data))


def _print_raw(result: Result) -> None:
    if not is_terminal():
        show.write_bytes(result.content)
        return
    try:
        result.content.decode()
    except UnicodeDecodeError:
        size = f"{len(result.content):,} bytes of {result.content_type or 'an unnamed type'}"
        show.note(f"{size}, which a terminal cannot show; -o raw > FILE keeps them")
    else:
        show.write(result.text)


def _print_lines(data: Any) -> None:
    from nlapi.tools.rows import rows_of

    rows = rows_of(data)
    for row in [data] if rows is None else rows:
        show.write(json.dumps(row, ensure_ascii=False))


def _filter(expression: str) -> Filter:
    """What a jq expression does to an answer; one that is wrong is refused before anything is sent."""
    import jq

    try:
        compiled = jq.compile(expression)
    except ValueError as error:
        raise UsageError(f"--jq {expression!r}: {str(error).splitlines()[0]}") from None

    def apply(data: Any) -> list[Any]:
        try:
            return list(compiled.input_value(data).all())
        except ValueError as error:
            problem = f"--jq {expression!r} does not fit the answer: {str(error).splitlines()[0]}"
            raise NlapiError(problem, hint=f"the answer begins {json.dumps(data)[:200]}") from None

    return apply


def _print_filtered(result: Result, chosen: Filter) -> None:
    """Texts as they are, everything else as JSON, one a line."""
    if result.data is None and result.content.strip() not in (b"", b"null"):
        raise NlapiError("--jq needs a JSON answer, and this is none", hint=f"it begins {result.text[:200]!r}")
    for value in chosen(result.data):
        show.write(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
