"""Defines the options that several commands share, and those of a conversation, with their types."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from nlapi.credential_references import is_reference
from nlapi.errors import UsageError
from nlapi.openapi.urls import redact_url


class Output(StrEnum):
    """The output formats of an answer."""

    JSON = "json"
    NDJSON = "ndjson"
    TABLE = "table"
    CSV = "csv"
    YAML = "yaml"
    VALUE = "value"
    """the plain values of the columns, with tabs between them"""
    RAW = "raw"


class ListFormat(StrEnum):
    """The output formats of nlapi's own lists."""

    JSON = "json"
    TABLE = "table"


class ConversationFormat(StrEnum):
    """The output formats of a conversation: the answer as text or data, or what happens as one JSON object a line."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    YAML = "yaml"
    EVENTS = "events"
    NDJSON = "ndjson"
    """the older name of EVENTS"""

    @property
    def is_events(self) -> bool:
        return self in (ConversationFormat.EVENTS, ConversationFormat.NDJSON)


class PlannerName(StrEnum):
    """The planners; `claude` is the older name of `model`."""

    AUTO = "auto"
    MODEL = "model"
    CLAUDE = "claude"
    OFFLINE = "offline"


def option(usage: str, help: str, **more: Any) -> Any:
    """Return an option by its usage, such as `-a --api SOURCE`, and its help; `more` is as typer has it."""
    words = usage.split()
    names = [word for word in words if word.startswith("-")]
    return typer.Option(*names, metavar=" ".join(words[len(names) :]) or None, help=help, **more)


def flag(names: str, help: str, **more: Any) -> Any:
    """Return an option without a value, by its names."""
    # Help shows `--yes`, not `--yes <bool>`.
    return typer.Option(*names.split(), metavar="", help=help, **more)


def argument(metavar: str, help: str, **more: Any) -> Any:
    """Return an argument."""
    return typer.Argument(metavar=metavar, help=help, **more)


Source = Annotated[
    str, argument("SOURCE", "A path, a URL, - for stdin, a registered API, or a bundled name such as ads.")
]
BaseUrl = Annotated[str | None, option("--base-url URL", "Where the API runs. Default: the server in its description.")]
Env = Annotated[str | None, option("--env NAME", "An environment of the API, such as staging; see `nlapi api show`.")]
Auth = Annotated[
    list[str] | None,
    option("--auth SCHEME=VALUE", "A credential; SCHEME=env:NAME reads it. header:NAME=... needs no scheme for it."),
]
Headers = Annotated[
    list[str] | None,
    option("-H --header NAME:VALUE", "A header to send; a credential is masked, and NAME:env:VARIABLE reads it."),
]
NoAuth = Annotated[bool, flag("--no-auth", "Send no credentials, even if the description requires them.")]
# The hidden option behind `--yes=VALUE`: in typer's parser an option either has a value or has none
# (docs/design/024-consent-to-a-plan.md).
YES_TO = "--yes-to"


class AdvanceConsent(StrEnum):
    """The values of `--yes=`: consent beyond ordinary changes."""

    DESTROY = "destroy"


# The hidden option behind `--plan FILE`: the ending tells a file from the next word of a question.
PLAN_TO = "--plan-to"
_PLAN_FILE = re.compile(r"\S.*\.(?:ya?ml|json|mmd)|-", re.IGNORECASE)


def expand_optional_values(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with `--yes=VALUE` and `--plan FILE` replaced by options that take a value."""
    # Behind `--` everything is an argument.
    end = words.index("--") if "--" in words else len(words)
    options: list[str] = []
    for word in words[:end]:
        if word.startswith("--yes="):
            options.append(f"{YES_TO}={word[6:]}")
        elif word.startswith("--plan="):
            options.append(f"{PLAN_TO}={word[7:]}")
        elif options[-1:] == ["--plan"] and _PLAN_FILE.fullmatch(word):
            options[-1] = f"{PLAN_TO}={word}"
        else:
            options.append(word)
    return [*options, *words[end:]]


def _check_yes_value(value: str | None) -> str | None:
    if value is not None and value not in list(AdvanceConsent):
        hint = "--yes consents to changes, --yes=destroy also where words such as `cancel` delete something"
        raise UsageError(f"--yes={value} is not understood", hint=hint)
    return value


Yes = Annotated[
    bool,
    flag(
        "--yes -y",
        "Consent in advance to changes you asked for; --yes=destroy also if a word like `cancel` deletes.",
    ),
]
YesTo = Annotated[str | None, typer.Option(YES_TO, hidden=True, callback=_check_yes_value)]
DryRun = Annotated[bool, flag("--dry-run", "Show the request, and send nothing.")]
Deadline = Annotated[
    float | None, option("--timeout SECONDS", "The longest one exchange may take. Default: 30.", min=0.1)
]
Wait = Annotated[
    float | None,
    option("--wait SECONDS", "How long to wait for work after the answer. Default: 60 if the API describes it.", min=0),
]
NoWait = Annotated[bool, flag("--no-wait", "Do not wait for work that continues after the answer.")]
Events = Annotated[int | None, option("--events N", "Stop after N items of a streamed answer.", min=1)]
ListOutput = Annotated[ListFormat | None, option("-o --output", "Default: table on a terminal, else json.")]

Overlays = Annotated[list[str] | None, option("--overlay FILE", "An OpenAPI Overlay to apply. Repeatable.")]
Root = Annotated[str | None, option("--root DIR", "A folder that the description may read other files from.")]
Include = Annotated[list[str] | None, option("--include FILTER", "Only matching operations, such as tag:pets.")]
Exclude = Annotated[list[str] | None, option("--exclude FILTER", "Leave out matching operations, such as id:delete*.")]

Planner = Annotated[
    PlannerName,
    option("--planner", "auto plans offline when sure, else asks a model if there is one. claude means model."),
]
Model = Annotated[
    str | None,
    option("--model -m NAME", "The model to plan with: claude-..., local:..., openai:... or one from models.toml."),
]
KnownValues = Annotated[
    list[str] | None,
    option("--set NAME=VALUE", "An argument's value, or a field inside: input.currency=EUR; file=@PATH."),
]
NoLog = Annotated[bool, flag("--no-log", "Do not keep a transcript.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """The options of a command that sends what its words name: where it goes, as whom, and who agrees to changes."""

    # A field's type carries its option, as in `Setup`.
    source: Source
    headers: Headers = field(default=None, repr=False)
    base_url: BaseUrl = None
    env: Env = None
    auth: Auth = field(default=None, repr=False)
    no_auth: NoAuth = False
    dry_run: DryRun = False
    yes: Yes = False
    yes_to: YesTo = None
    timeout: Deadline = None
    wait: Wait = None
    no_wait: NoWait = False
    overlays: Overlays = None
    root: Root = None

    @property
    def has_consent(self) -> bool:
        """Whether changes are agreed to in advance."""
        return self.yes or self.yes_to is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """The options on how much of an answer is read and how it is printed, in the order of the help text."""

    output: Annotated[Output | None, option("-o --output", "Default: table on a terminal, else json.")] = None
    columns: Annotated[
        list[str] | None, option("--columns A,B.C", "Only these fields of each entry, in this order.")
    ] = None
    sort: Annotated[list[str] | None, option("--sort A,-B", "Sort the entries by fields; - sorts descending.")] = None
    jq: Annotated[str | None, option("--jq --filter EXPR", "Filter the answer with a jq expression.")] = None
    all: Annotated[bool, flag("--all", "Read every page of a list; exit with 1 if some are missing.")] = False
    max_items: Annotated[
        int | None, option("--max-items N", "With --all: the most entries. Default: 10,000.", min=1)
    ] = None
    max_pages: Annotated[int | None, option("--max-pages N", "With --all: the most pages. Default: 1,000.", min=1)] = (
        None
    )
    show_headers: Annotated[bool, flag("-i --show-headers", "Print the status and the headers first.")] = False
    verbose: Annotated[
        bool, flag("-v --verbose", "Show the request and the response headers, with credentials masked.")
    ] = False
    quiet: Annotated[bool, flag("-q --quiet", "Print only errors on standard error.")] = False


def parse_pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """Return `["a=b"]` as {"a": "b"}; UsageError for a text without `=`, and for a name that is there twice."""
    result: dict[str, str] = {}
    for text in texts or ():
        key, mark, value = text.partition("=")
        if not mark or not key:
            # The text is not shown: it may be a credential.
            raise UsageError(f"{option} takes NAME=VALUE", hint=f"such as {option} name=value")
        if key in result:
            raise UsageError(f"{option} {key} is given twice", hint="it takes one value")
        result[key] = value
    return result


def plain_headers(headers: Sequence[str] | None) -> list[str]:
    """Return the headers that may be stored: without those whose names say that they are credentials."""
    from nlapi.client.auth import is_secret_header

    return [text for text in headers or () if not is_secret_header(text.partition(":")[0])]


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def is_interactive() -> bool:
    """Return whether a person can be asked; standard output may be a file."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The values of the options, one field each, in the order of the help text."""

    # A field's type carries its option: `conversation_options` makes the parameters of a command from these fields.
    sources: Annotated[list[str] | None, option("-a --api SOURCE", "The API to ask. Repeatable.")] = None
    planner: Planner = PlannerName.AUTO
    model: Model = None
    routing: Annotated[
        Path | None,
        option("--routing FILE", "A file that chooses the planner and the budget of each question; see the guide."),
    ] = None
    dry_run: DryRun = False
    plan: Annotated[
        bool,
        option(
            "--plan [FILE]",
            "Show the plan as a tree and send nothing, or save it: .yaml or .json workflow, .mmd diagram.",
        ),
    ] = False
    plan_to: Annotated[str | None, typer.Option(PLAN_TO, hidden=True)] = None
    yes: Yes = False
    yes_to: YesTo = None
    across: Annotated[bool, flag("--across", "Also consent to passing data from one API to another.")] = False
    loosely: Annotated[bool, flag("--loosely", "Also send a read that ignores some words of the question.")] = False
    output: Annotated[
        ConversationFormat | None,
        option("-o --output", "Default: text; events (or ndjson) prints what happens as JSON lines."),
    ] = None
    verbose: Annotated[bool, flag("-v --verbose", "Also show the requests of reads; changes are always shown.")] = False
    known_values: KnownValues = None
    base_url: BaseUrl = None
    env: Env = None
    auth: Auth = field(default=None, repr=False)
    headers: Headers = field(default=None, repr=False)
    no_auth: NoAuth = False
    timeout: Deadline = None
    events: Events = None
    wait: Wait = None
    no_wait: NoWait = False
    max_usd: Annotated[
        float | None,
        option("--max-usd N", "Stop asking models before this many dollars are spent in all.", min=0),
    ] = None
    max_steps: Annotated[int | None, option("--max-steps N", "The most calls for one question.", min=0)] = None
    max_seconds: Annotated[
        float | None, option("--max-seconds N", "Start nothing new after this many seconds on one question.", min=0)
    ] = None
    no_log: NoLog = False

    @property
    def log_fields(self) -> dict[str, object]:
        """The values that a transcript stores, so that the conversation can be resumed; no credential is in them."""
        references = [text for text in self.auth or () if is_reference(text.partition("=")[2])]
        apis = [str(Path(name).resolve()) if Path(name).is_file() else redact_url(name) for name in self.sources or ()]
        base_url = self.base_url and redact_url(self.base_url)
        fields: dict[str, object] = {
            "apis": apis,
            "base_url": base_url,
            "env": self.env,
            "auth": references,
            "no_auth": self.no_auth,
        }
        return fields | {"headers": plain_headers(self.headers)}


def conversation_options(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that replaces a command's `setup` by options, one for each field of Setup not in `without`."""
    return options_of(Setup, "setup", without)


def options_of(
    kind: type[Any], parameter: str, without: Sequence[str] = (), *, is_first: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that replaces a command's `parameter`, of a dataclass, by an option for each of its fields.

    Help shows them after the command's own options, or `is_first` before these; inherited ones are the last of them.
    """
    types = get_type_hints(kind, include_extras=True)
    chosen = [item for item in fields(kind) if item.name not in without]
    chosen.sort(key=lambda item: item.name not in kind.__annotations__)

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        parameters = [
            item.replace(annotation=hints[item.name]) for item in inspect.signature(command).parameters.values()
        ]
        plain_parameters = [item for item in parameters if item.name != parameter]
        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter(
                item.name,
                keyword,
                default=inspect.Parameter.empty if item.default is MISSING else item.default,
                annotation=types[item.name],
            )
            for item in chosen
        ]
        own = [item.replace(kind=keyword) for item in plain_parameters]
        ordered = [*added, *own] if is_first else [*own, *added]

        def run(**values: Any) -> None:
            values[parameter] = kind(**{item.name: values.pop(item.name) for item in chosen})
            command(**values)

        # typer reads a command's options from its signature (PEP 362; typeshed has it of no function) and annotations.
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__dict__["__signature__"] = inspect.Signature(ordered)
        run.__annotations__ = {item.name: item.annotation for item in ordered}
        return run

    return with_options
