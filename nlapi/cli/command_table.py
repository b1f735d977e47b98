"""The subcommands of `nlapi`: their modules, and what the help says of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """A subcommand: `attribute` of `module`, a Typer of several commands or the function of one.

    `help` is the first paragraph of its help text; `epilog` and `command_class` are names in
    the module, of its examples and of a class of its own.
    """

    module: str
    help: str
    attribute: str = "app"
    epilog: str = ""
    command_class: str = ""


COMMANDS = {
    "ask": CommandEntry(
        module="nlapi.cli.ask",
        attribute="ask",
        epilog="ASK",
        help="Ask an API in plain English: calls are planned, shown, and sent; a change asks you first.",
    ),
    "chat": CommandEntry(
        module="nlapi.cli.ask",
        attribute="chat",
        epilog="CHAT",
        help="Talk with an API: one question after the other, each knowing the ones before.",
    ),
    "call": CommandEntry(
        module="nlapi.cli.call",
        attribute="call",
        epilog="EPILOG",
        command_class="CallCommand",
        help="Call one operation: check its arguments, build the request by the description, and send it.",
    ),
    "batch": CommandEntry(
        module="nlapi.cli.batch",
        attribute="batch",
        epilog="EPILOG",
        help="Make the calls of a file: one preview with what changes, one question, a report of each row.",
    ),
    "describe": CommandEntry(
        module="nlapi.cli.describe",
        attribute="describe",
        epilog="EPILOG",
        help="Describe an API: its resources and what one can do with each, one resource, or one operation with an "
        "example.",
    ),
    "tools": CommandEntry(
        module="nlapi.cli.tools",
        attribute="tools",
        epilog="EPILOG",
        help="Make LLM tools from a description: a table on a terminal, a JSON manifest anywhere else or with "
        "--format.",
    ),
    "find": CommandEntry(
        module="nlapi.cli.find",
        attribute="find",
        epilog="EPILOG",
        help="Find the operations that match some words, the likeliest first. Exits with 1 when there is none.",
    ),
    "setup": CommandEntry(
        module="nlapi.cli.setup_walk",
        attribute="setup",
        epilog="EPILOG",
        help="Set up a first API: find its description, log in, and get three questions that fit it.",
    ),
    "doctor": CommandEntry(
        module="nlapi.cli.doctor",
        attribute="doctor",
        epilog="EPILOG",
        help="Look for what is wrong with this installation, an API, a credential, a model; each line says what to do.",
    ),
    "check": CommandEntry(
        module="nlapi.cli.check",
        attribute="check",
        epilog="EPILOG",
        help="Check a description for lost operations, violations of the standard, and what is unclear to a model.",
    ),
    "mcp": CommandEntry(
        module="nlapi.cli.mcp",
        attribute="mcp",
        epilog="EPILOG",
        help="Serve any API as an MCP server: over stdio for a client that starts it, or over HTTP.",
    ),
    "sandbox": CommandEntry(
        module="nlapi.cli.sandbox",
        attribute="sandbox",
        epilog="EPILOG",
        help="Serve any description as a stateful API on this machine: a stage to rehearse on.",
    ),
    "demo": CommandEntry(
        module="nlapi.cli.demo",
        attribute="demo",
        epilog="EPILOG",
        help="Show the main job: questions in plain English to a sandbox of the bundled ads API, then to a serving "
        "gateway.",
    ),
    "api": CommandEntry(
        module="nlapi.cli.api",
        help="Register APIs under short names, with their base URL, credentials and fixed values.",
    ),
    "auth": CommandEntry(
        module="nlapi.cli.auth",
        help="Log in to APIs: keys, passwords and OAuth, stored in the system's keyring.",
    ),
    "log": CommandEntry(
        module="nlapi.cli.log", help="What was asked, planned, sent and answered; without a command, the list of it."
    ),
    "completion": CommandEntry(
        module="nlapi.cli.completion_scripts",
        attribute="completion",
        epilog="EPILOG",
        help="Print the script by which a shell completes APIs, operations, arguments, choices and ids.",
    ),
    "alias": CommandEntry(
        module="nlapi.cli.aliases",
        help="Short names for commands and questions; without a command, the list of them.",
    ),
    "policy": CommandEntry(
        module="nlapi.cli.policy",
        help="What is sent without a question, only after one, or never; without a command, the rules.",
    ),
    "gateway": CommandEntry(
        module="nlapi.cli.gateway", help="Ask for an objective, get the right model: the serving gateway."
    ),
    "plugin": CommandEntry(
        module="nlapi.cli.plugin", help="Make a Claude Code plugin that operates an API in plain English."
    ),
    "workflow": CommandEntry(
        module="nlapi.cli.workflow",
        help="Check, show and run workflows: several calls as one document (Arazzo 1.0 and 1.1).",
    ),
}
