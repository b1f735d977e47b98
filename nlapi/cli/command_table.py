"""The subcommands of `nlapi`: their modules, and their texts in the help."""

from __future__ import annotations

from dataclasses import dataclass, replace

# A line with # begins a group of the help. Two lines for each command: its name, and the module of `nlapi.cli` with the
# attribute of it, the examples of a function where they are not EPILOG, and its own class; then the first
# paragraph of its help text.
_TABLE = """\
# Ask, call, describe
ask ask.ask:ask:ASK
  Ask an API in plain English. Changes are shown and need your consent.
chat ask.ask:chat:CHAT
  Talk to an API. Each question knows the ones before it.
call call.call:call:EPILOG:CallCommand
  Call one operation. Its arguments are checked before it is sent.
batch call.batch:batch
  Make every call in a file after one preview and one question.
undo undo:undo
  Undo the last change of a conversation, if the API can reverse it.
workflow workflow.commands:app
  Check, show and run workflows: several calls in one Arazzo document.
describe apis.describe:describe
  Show what an API has and what you can do with it, with examples.
find apis.find:find
  Find operations by what they do. Exits with 1 if nothing matches.
log log:app
  Show, search, resume and save earlier questions and their answers.
console console.command:console_command
  Open a page on this machine to ask, to answer what waits, and to read the log.
# Set up
setup apis.setup_walk:setup
  Set up an API: find its description, log in, and ask it a first question.
api apis.api:app
  Register APIs under short names, with their address, login and fixed values.
auth apis.auth:app
  Log in to APIs with keys, passwords or OAuth.
effects apis.effects:app
  Export what each operation does, for other programs.
policy apis.policy:app
  Show and test the rules that let a call run, ask you or refuse it.
alias apis.aliases:app
  Save commands and questions under short names.
models ask.models:models
  List the models that can plan, with the variable that holds the key of each.
doctor doctor:doctor
  Check the installation, APIs, logins and models, and say what to fix.
completion completion.scripts:completion
  Print the completion script of your shell: operations, arguments and ids.
# Agents
tools apis.tools:tools
  Turn a description into tools for an LLM.
mcp agents.mcp:mcp
  Serve an API as an MCP server, over stdio or HTTP.
approve agents.approve:approve
  Answer a change that an MCP server asks about, where its client cannot ask.
plugin agents.plugin:app
  Build a plugin that operates an API from Claude Code and other clients.
# Serve and check
sandbox apis.sandbox:sandbox
  Serve a stand-in for an API on this machine, to try things on safely.
gateway gateway.commands:app
  Serve models by objective: clients name a purpose, and rules choose the model.
check apis.check:check
  Check a description for mistakes, lost operations and unclear texts.
demo demo:demo
  Watch questions answered by a sandbox of an ads API and by a gateway.
help help:help
  Show the help of a command; `nlapi help all` lists every command.
"""


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A subcommand: `attribute` of a module of `nlapi.cli`, a Typer of several commands or the function of one.

    `help` is the first paragraph of its help text, `group` the part of `nlapi --help` that it is in; `epilog` and
    `command_class` are names in the module, of a function's examples and of its own class.
    """

    help: str
    module: str
    attribute: str
    epilog: str = "EPILOG"
    command_class: str = ""
    group: str = ""


def _read_table(lines: list[str]) -> dict[str, CommandEntry]:
    entries: dict[str, CommandEntry] = {}
    group = name = target = ""
    for line in lines:
        if line.startswith("# "):
            group = line[2:]
        elif line.startswith(" "):
            entries[name] = replace(CommandEntry(line.strip(), *target.split(":")), group=group)
        else:
            name, _, target = line.partition(" ")
    return entries


COMMANDS = _read_table(_TABLE.splitlines())
