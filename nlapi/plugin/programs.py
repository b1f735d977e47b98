"""The programs of a plugin: its command, MCP server and hooks, their settings, and which nlapi they may fetch."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nlapi.client.auth import credential_kind
from nlapi.client.server import expand_server_url
from nlapi.errors import UsageError
from nlapi.openapi.spec import SecurityScheme, Spec
from nlapi.openapi.urls import is_http_url
from nlapi.plugin.argument_settings import ArgumentSetting
from nlapi.plugin.markdown import fill_template, inert_line
from nlapi.plugin.names import BASE_URL, credential_settings, variable_form

EXTRA = "mcp"
"""The extra that a plugin needs, for its MCP server."""

WHEELS = "runtime/wheels/"
"""Where a bundle has its wheels."""

BUNDLE_HINT = "`pip download 'nlapi[mcp]' pip -d FOLDER` puts them there, once for each platform and version of Python"

_WHEEL = re.compile(r"nlapi-(?P<version>\d[^-]*)-py3-none-any\.whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The nlapi that lies in a plugin, with all that it needs: its version, the bytes of all wheels, their digest."""

    version: str
    size: int
    key: str

    @property
    def about(self) -> str:
        return f"nlapi {self.version}, {self.size / 1e6:.0f} MB of wheels"


def read_wheels(folder: Path) -> dict[str, bytes]:
    """Return the wheels of a folder by their paths in a plugin. UsageError where nlapi or pip is not among them."""
    try:
        wheels = {f"{WHEELS}{path.name}": path.read_bytes() for path in sorted(folder.glob("*.whl"))}
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}", hint=BUNDLE_HINT) from None
    if bundle_of(wheels) is None:
        raise UsageError(f"{folder} has not one wheel of nlapi, and one of pip", hint=BUNDLE_HINT)
    return wheels


def bundle_of(files: Mapping[str, bytes]) -> Bundle | None:
    """Return the bundle among the files of a plugin; None without exactly one nlapi, and pip."""
    wheels = {path.removeprefix(WHEELS): content for path, content in files.items() if path.startswith(WHEELS)}
    versions = [match["version"] for name in wheels if (match := _WHEEL.fullmatch(name))]
    if len(versions) != 1:
        return None
    hashes = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in sorted(wheels.items())]
    key = hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:32]
    # pip's own wheel tells which of the others fit the Python of a machine.
    if not any(name.startswith("pip-") for name in wheels):
        return None
    return Bundle(version=versions[0], size=sum(map(len, wheels.values())), key=key)


# Beside the manifest that names it: Gemini CLI runs a `hooks/hooks.json` too, where it knows the events' names.
HOOKS = ".claude-plugin/hooks.json"
HOOK = "hooks/consent.sh"
SESSION = "hooks/session.sh"
EVENT = "hooks/event.sh"
MCP = ".mcp.json"
# What Claude Code runs before each tool, and reads to know what to run.
CLIENT_FILES = (EVENT, HOOK, HOOKS, ".claude-plugin/plugin.json")
ENVIRONMENT = "runtime/environment.sh"

CODEX = ".codex-plugin/plugin.json"
CODEX_MCP = ".codex-plugin/mcp.json"

# The MCP server's name is part of the name of each tool, so it is short.
SERVER_NAME = "api"

# In characters, the names of plugin and server included: the limit of the Messages API.
MAX_TOOL_NAME = 64

# Claude Code gives hooks the user's settings in variables with this prefix; our MCP server as well. The Bash tool
# has none of them, hence the broker of the session (docs/design/083).
OPTION_PREFIX = "CLAUDE_PLUGIN_OPTION_"


def command_name(name: str) -> str:
    """Return the command that a plugin of this name puts on the PATH."""
    return f"nlapi-{name}"


def tool_prefix(name: str) -> str:
    """Return the prefix of the full names of the tools of a plugin's MCP server."""
    return f"mcp__plugin_{name}_{SERVER_NAME}__"


def max_tool_length(name: str) -> int:
    """Return the maximum length of the names of those tools themselves."""
    return MAX_TOOL_NAME - len(tool_prefix(name))


def url_variable(name: str) -> str:
    """Return the environment variable for the base URL of a plugin's API."""
    return f"{variable_form(name)}_BASE_URL"


def session_variable(name: str) -> str:
    """Return the environment variable for the folder of a session, in which its broker can be reached."""
    return f"NLAPI_{variable_form(name)}_SESSION"


def setting_variables(
    name: str, variable_of: Mapping[str, str], settings: Iterable[ArgumentSetting] = ()
) -> dict[str, str]:
    """Return the plugin's settings, those for arguments (`settings`) last: environment variable -> option."""
    credentials = {setting.variable: setting.option for setting in credential_settings(variable_of)}
    arguments = {setting.variable: setting.option for setting in settings}
    return {url_variable(name): BASE_URL, **credentials, **arguments}


def build_programs(
    name: str,
    variable_of: Mapping[str, str],
    base_url: str,
    bundle: Bundle | None,
    settings: Iterable[ArgumentSetting] = (),
    *,
    no_auth: bool,
) -> dict[str, str]:
    """Return path -> text of the command, the MCP server and the hooks.

    `variable_of` maps security schemes to variables; `settings` are those for arguments.
    """
    command = command_name(name)
    values = {"command": command, "session": session_variable(name)}
    keys = setting_variables(name, variable_of, settings)
    shell_settings = fill_template(
        "settings.sh",
        given="\n".join(f"given {variable} {OPTION_PREFIX}{key.upper()}" for variable, key in keys.items()),
    )
    programs = {
        f"bin/{command}": fill_template(
            "command.sh",
            **values,
            fallback=fill_template(
                "fallback.sh" if bundle is None else "fallback_bundled.sh",
                command=command,
                extra=EXTRA,
                environment=ENVIRONMENT,
            ),
            settings=shell_settings,
            flags=_option_lines(name, variable_of, base_url, no_auth),
            length=str(max_tool_length(name)),
        ),
        HOOK: fill_template("consent.sh", **values),
        EVENT: fill_template("event.sh"),
        SESSION: fill_template("session.sh", **values),
        # The hook that asks gets its event unread, which proves to the broker that it is the client's. So it cannot
        # look first whether the command is one of ours, and the client does (docs/design/083-receipts.md).
        HOOKS: fill_template("hooks.json", tools=tool_prefix(name)),
        MCP: _json({"mcpServers": {SERVER_NAME: _server_entry(command, keys.values())}}),
        CODEX_MCP: _json({"mcpServers": {command: _codex_server_entry(command, keys)}}),
    }
    if bundle is not None:
        programs[ENVIRONMENT] = fill_template(
            "environment.sh",
            command=command,
            about=bundle.about,
            key=bundle.key,
            wanted=f"nlapi[{EXTRA}]=={bundle.version}",
        )
    return programs


def install_text(bundle: Bundle | None) -> str:
    """Return how a user gets nlapi, as lines of a README."""
    if bundle is None:
        return fill_template("install.md", extra=EXTRA)
    return fill_template("install_bundled.md", about=bundle.about)


def _server_entry(command: str, keys: Iterable[str]) -> dict[str, object]:
    env = {f"{OPTION_PREFIX}{key.upper()}": f"${{user_config.{key}}}" for key in keys}
    return {"command": "sh", "args": [f"${{CLAUDE_PLUGIN_ROOT}}/bin/{command}", "--mcp"], "env": env}


def _codex_server_entry(command: str, variables: Iterable[str]) -> dict[str, object]:
    """Return the server's entry for Codex."""
    # Codex 0.169 starts a server in the plugin's folder with the variables that are named. It knows no
    # `${CLAUDE_PLUGIN_ROOT}` and no options, and a second server of one name displaces the first.
    return {"command": "sh", "args": [f"./bin/{command}", "--mcp"], "cwd": "./", "env_vars": list(variables)}


def _json(data: object) -> str:
    return json.dumps(data, indent=2) + "\n"


def user_config(spec: Spec, title: str, variable_of: Mapping[str, str], base_url: str) -> dict[str, dict[str, object]]:
    """Return the options that Claude Code asks for when the plugin is installed, none of them required."""
    location = _default_base_url(spec, base_url)
    about = f"Where {title} runs" + (f", if not at {inert_line(location, 200)}" if location else "")
    options: dict[str, dict[str, object]] = {BASE_URL: {"type": "string", "title": "Base URL", "description": about}}
    for setting in credential_settings(variable_of):
        kind = _credential_text(spec.security_schemes[setting.schemes[0]])[:300]
        options[setting.option] = {
            "type": "string",
            "title": setting.option.replace("_", " ").capitalize()[:60],
            "description": f"{kind.rstrip('.')}. Kept by the client; {setting.variable} goes before it.",
            "sensitive": True,
        }
    return options


def _option_lines(name: str, variable_of: Mapping[str, str], base_url: str, no_auth: bool) -> str:
    """Return the lines of the command that put options from the settings in front of the arguments."""
    lines = [f"url=${{{url_variable(name)}:-}}"]
    lines += [f'[ -n "$url" ] || url={shlex.quote(base_url)}'] if base_url else []
    lines += ['[ -z "$url" ] || set -- --base-url "$url" "$@"']
    for scheme, variable in variable_of.items():
        option = shlex.quote(f"{scheme}=env:{variable}")
        lines.append(f'[ -z "${{{variable}:-}}" ] || set -- --auth {option} "$@"')
    lines += ['set -- --no-auth "$@"'] if no_auth else []
    return "\n".join(lines)


def settings_list(
    spec: Spec, name: str, variable_of: Mapping[str, str], base_url: str, settings: Iterable[ArgumentSetting]
) -> str:
    """Return the settings for a user, one a line: the option of the plugin, and the variable that overrides it."""
    lines = []
    for setting in credential_settings(variable_of):
        about = _credential_text(spec.security_schemes[setting.schemes[0]])
        lines.append(f"- `{setting.option}`, or the variable `{setting.variable}`: {about}")
    if not lines:
        lines = ["- No way to sign in is set up: calls are sent without a credential."]
    location = _default_base_url(spec, base_url)
    clause = (
        f"if not at {inert_line(location, 200)}" if location else "which has to be set, as the description does not say"
    )
    lines.append(f"- `{BASE_URL}`, or the variable `{url_variable(name)}`: where the API runs, {clause}")
    for value in settings:
        # `set` stores it by the name of the argument, and the client by that of the option.
        about = value.about or "A value that most calls take."
        command = f"`{command_name(name)} set {value.argument}=...`"
        lines.append(f"- `{value.option}`, or the variable `{value.variable}`: {about} {command} stores it as well.")
    return "\n".join(lines)


def _default_base_url(spec: Spec, base_url: str) -> str:
    """Return where an API runs by default; "" when that is not known."""
    location = base_url
    with suppress(UsageError):
        location = location or (expand_server_url(spec.servers[0]) if spec.servers else "")
    return location if is_http_url(location) else ""


def _credential_text(scheme: SecurityScheme) -> str:
    about = inert_line(scheme.description, 160)
    return inert_line(credential_kind(scheme), 60) + (f". {about}" if about else "")


# For clients other than Claude Code: Agent Plugins 1.0, which many read, and Gemini CLI (docs/design/084).
PORTABLE = "plugin.json"
PORTABLE_MCP = "mcp.json"
GEMINI = "gemini-extension.json"

SCHEMA = "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json"
MCP_SCHEMA = "https://agent-plugins.org/schemas/1.0.0/mcp.schema.json"


def portable_files(manifest: Mapping[str, object], command: str) -> dict[str, dict[str, object]]:
    """Return the manifest and the MCP configuration of Agent Plugins 1.0.

    `manifest` has the plugin's name, version, description, author and keywords. The format has no place for credentials
    and no options: a client hands on its user's environment, or its own settings.
    """
    # Clients name a server by its entry alone, so `api` of one plugin would displace that of another (Codex 0.169).
    server = {"type": "stdio", "command": f"./bin/{command}", "args": ["--mcp"]}
    return {
        PORTABLE: {"$schema": SCHEMA, **manifest},
        PORTABLE_MCP: {"$schema": MCP_SCHEMA, "mcpServers": {command: server}},
    }


def gemini_extension(
    manifest: Mapping[str, object],
    command: str,
    options: Mapping[str, Mapping[str, object]],
    variables: Mapping[str, str],
) -> dict[str, object]:
    """Return the manifest of an extension of Gemini CLI.

    `options` are those of the plugin by key, `variables` the environment variable of each key.
    """
    # Of the user's environment a server has only what its entry names, and what is not set stays as it is written:
    # so the values go where the command expects an option that may be such a text (`given` of settings.sh).
    env = {f"CLAUDE_PLUGIN_OPTION_{key.upper()}": f"${{{variable}}}" for key, variable in variables.items()}
    server = {
        "command": "sh",
        "args": [f"${{extensionPath}}/bin/{command}", "--mcp"],
        "cwd": "${extensionPath}",
        "env": env,
    }
    settings = [
        {
            "name": options[key]["title"],
            "description": options[key]["description"],
            "envVar": variable,
            **({"sensitive": True} if options[key].get("sensitive") else {}),
        }
        for key, variable in variables.items()
    ]
    shared = {key: manifest[key] for key in ("name", "version", "description")}
    return {**shared, "mcpServers": {command: server}, "settings": settings}
