"""The subcommands of `nlapi`: their modules, and what the help says of them."""

from __future__ import annotations

from dataclasses import dataclass

# Two lines for each: its name, and the module of `nlapi.cli` with the attribute of it, the examples of a function where
# they are not EPILOG, and a class of its own; then the first paragraph of its help text.
_TABLE = """\
ask ask.ask:ask:ASK
  Ask an API in plain English: calls are planned, shown, and sent; a change asks you first.
chat ask.ask:chat:CHAT
  Talk with an API: one question after the other, each knowing the ones before.
call call.call:call:EPILOG:CallCommand
  Call one operation: check its arguments, build the request by the description, and send it.
batch call.batch:batch
  Make the calls of a file: one preview with what changes, one question, a report of each row.
describe apis.describe:describe
  Describe an API: its resources and what one can do with each, one resource, or one operation with an example.
tools apis.tools:tools
  Make LLM tools from a description: a table on a terminal, a JSON manifest anywhere else or with --format.
find apis.find:find
  Find the operations that match some words, the likeliest first. Exits with 1 when there is none.
setup apis.setup_walk:setup
  Set up a first API: find its description, log in, and get three questions that fit it.
doctor doctor:doctor
  Look for what is wrong with this installation, an API, a credential, a model; each line says what to do.
check apis.check:check
  Check a description for lost operations, violations of the standard, and what is unclear to a model.
mcp agents.mcp:mcp
  Serve any API as an MCP server: over stdio for a client that starts it, or over HTTP.
sandbox apis.sandbox:sandbox
  Serve any description as a stateful API on this machine: a stage to rehearse on.
demo demo:demo
  Show the main job: questions in plain English to a sandbox of the bundled ads API, then to a serving gateway.
api apis.api:app
  Register APIs under short names, with their base URL, credentials and fixed values.
auth apis.auth:app
  Log in to APIs: keys, passwords and OAuth, stored in the system's keyring.
log log:app
  What was asked, planned, sent and answered; without a command, the list of it.
undo undo:undo
  Undo the last change of a conversation, where the API has a way back.
completion completion.scripts:completion
  Print the script by which a shell completes APIs, operations, arguments, choices and ids.
alias apis.aliases:app
  Short names for commands and questions; without a command, the list of them.
policy apis.policy:app
  What is sent without a question, only after one, or never; without a command, the rules.
gateway gateway.commands:app
  Ask for an objective, get the right model: the serving gateway.
plugin agents.plugin:app
  Make a Claude Code plugin that operates an API in plain English.
workflow workflow.commands:app
  Check, show and run workflows: several calls as one document (Arazzo 1.0 and 1.1).
"""


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A subcommand: `attribute` of a module of `nlapi.cli`, a Typer of several commands or the function of one.

    `help` is the first paragraph of its help text; `epilog` and `command_class` are names in the module, of a
    function's examples and of a class of its own.
    """

    help: str
    module: str
    attribute: str
    epilog: str = "EPILOG"
    command_class: str = ""


def _read_table(lines: list[str]) -> dict[str, CommandEntry]:
    entries = {}
    for head, help in zip(lines[::2], lines[1::2], strict=True):
        name, _, target = head.partition(" ")
        entries[name] = CommandEntry(help.strip(), *target.split(":"))
    return entries


COMMANDS = _read_table(_TABLE.splitlines())
