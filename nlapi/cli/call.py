"""`nlapi call`: one operation, called by its name."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import show
from nlapi.cli.options import Auth, BaseUrl, Deadline, DryRun, Output, Source, Yes, is_interactive, is_terminal
from nlapi.errors import ArgumentError, UsageError

if TYPE_CHECKING:
    from nlapi.client.message import Result
    from nlapi.tools.run import Prepared
    from nlapi.tools.tool import Tool

EPILOG = """nlapi call ads listCampaigns status=ACTIVE limit=5 ·
nlapi call ads createCampaign --args @campaign.json --yes ·
name:=JSON gives JSON, name=@file a file where the operation takes one"""


def register(app: typer.Typer) -> None:
    app.command(epilog=EPILOG)(call)


def call(
    source: Source,
    operation: Annotated[str, typer.Argument(help="An operationId; `nlapi find` finds one.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Its arguments.")] = None,
    args: Annotated[
        str | None, typer.Option("--args", metavar="JSON|@FILE|-", help="Arguments as one JSON object.")
    ] = None,
    base_url: BaseUrl = None,
    auth: Auth = None,
    dry_run: DryRun = False,
    curl: Annotated[bool, typer.Option("--curl", help="Print the request as a curl line; send nothing.")] = False,
    yes: Yes = False,
    output: Annotated[Output | None, typer.Option("-o", "--output", help="table on a terminal, else json.")] = None,
    jq: Annotated[
        str | None, typer.Option("--jq", metavar="EXPR", help="Print what a jq expression makes of it.")
    ] = None,
    timeout: Deadline = None,
) -> None:
    """Call one operation: its arguments are checked, the request is built as the description asks, then sent.

    A change asks first. Exits with 3, 4 or 5 when the API answers 3xx, 4xx or 5xx; its answer is still printed.
    """
    from nlapi.cli.target import open_target
    from nlapi.client.message import as_dict
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.run import prepare, run
    from nlapi.tools.tool import Call

    target, known = open_target(source, base_url, auth)
    tool = compile_tool(target.spec.operation(operation))
    values = {**_known(tool, known), **_from_json(args), **_from_pairs(arguments or [], tool)}
    wanted = Call(tool=tool, arguments=values)
    if dry_run or curl:
        prepared = prepare(wanted, target)
        if curl:
            show.write(prepared.curl)
        elif output is Output.TABLE or (output is None and is_terminal()):
            show.request(prepared.request)
            show.note(prepared.curl)
        else:
            show.write(show.json_text(as_dict(prepared.request)))
        return
    result = asyncio.run(run(wanted, target, _consent(yes), limits=limits(timeout)))
    print_result(result, output, jq)
    if result.status >= 300:
        raise typer.Exit(min(result.status // 100, 5))


def limits(timeout: float | None) -> Any:
    """The Limits with the user's deadline in them, if one was given."""
    from nlapi.client.limits import Limits

    return Limits() if timeout is None else Limits(deadline=timeout)


def _known(tool: Tool, known: dict[str, str]) -> dict[str, Any]:
    from nlapi.tools.coerce import coerce_arguments

    return coerce_arguments({name: value for name, value in known.items() if name in tool.places}, tool)


def _from_json(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = _read(text[1:]).decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--args is not JSON: {error}", hint='such as --args \'{"name": "value"}\'') from None
    if not isinstance(value, dict):
        raise UsageError("--args is not a JSON object", hint='such as --args \'{"name": "value"}\'')
    return value


def _from_pairs(texts: list[str], tool: Tool) -> dict[str, Any]:
    """`key=value` (typed by the schema), `key:=JSON` (as it is), `key=@path` (a file, where one is wanted)."""
    from nlapi.tools.coerce import coerce_arguments

    values: dict[str, Any] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise UsageError(f"{text!r} is not KEY=VALUE", hint="such as limit=5")
        if name.endswith(":"):
            try:
                values[name[:-1]] = json.loads(value)
            except ValueError:
                raise ArgumentError(f"{name[:-1]}: {value!r} is not JSON", hint="key=value needs no JSON") from None
        elif value.startswith("@") and _takes_file(tool, name):
            values[name] = _file(value[1:])
        else:
            values.update(coerce_arguments({name: value}, tool))
    return values


def _takes_file(tool: Tool, name: str) -> bool:
    schema = tool.input_schema["properties"].get(name, {})
    place = tool.places.get(name, ("body", name))
    binary = schema.get("format") == "binary" or "contentMediaType" in schema
    return place[0] == "body" and (binary or place[1] == "")


def _file(path: str) -> Any:
    import mimetypes

    from nlapi.client.message import File

    return File(Path(path).name, _read(path), mimetypes.guess_type(path)[0] or "")


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _consent(yes: bool) -> Any:
    async def consent(prepared: Prepared) -> bool:
        if yes:
            return True
        if not is_interactive():
            return False
        show.request(prepared.request, to_stderr=True)
        return typer.confirm(f"This would {prepared.effect} something. Send it?", err=True)

    return consent


def print_result(result: Result, output: Output | None, jq: str | None = None) -> None:
    """The answer on standard output, its status on standard error."""
    show.note(f"{result.status} {show.reason(result.status)} · {result.elapsed:.2f} s")
    data = result.data
    chosen = output or (Output.TABLE if is_terminal() else Output.JSON)
    if jq is not None:
        _print_jq(data, jq)
    elif chosen is Output.RAW or (data is None and result.content):
        _print_raw(result, chosen)
    elif chosen is Output.TABLE and data is not None:
        show.answer(data)
    elif chosen is Output.NDJSON and data is not None:
        _print_lines(data)
    elif result.content:
        show.write(show.json_text(data))


def _print_raw(result: Result, chosen: Output) -> None:
    from nlapi.client.clean import clean

    if is_terminal():
        is_text = result.content_type.startswith("text/") or chosen is not Output.RAW
        show.write(clean(result.text) if is_text else f"{len(result.content)} bytes of {result.content_type}")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(result.content)


def _print_lines(data: Any) -> None:
    from nlapi.tools.rows import rows_of

    rows = rows_of(data)
    for row in [data] if rows is None else rows:
        show.write(json.dumps(row, ensure_ascii=False))


def _print_jq(data: Any, expression: str) -> None:
    import jq

    try:
        values = jq.compile(expression).input_value(data).all()
    except ValueError as error:
        raise UsageError(f"--jq {expression!r}: {str(error).splitlines()[0]}") from None
    for value in values:
        show.write(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
