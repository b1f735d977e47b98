"""The programs of a plugin: its command, MCP server and hooks, their settings, and which nlapi they may fetch."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from nlapi.client.auth import credential_kind
from nlapi.client.server import expand_server_url
from nlapi.errors import Issue, Level, UsageError
from nlapi.openapi.spec import SecurityScheme, Spec
from nlapi.openapi.urls import is_http_url
from nlapi.plugin.argument_settings import ArgumentSetting
from nlapi.plugin.markdown import fill_template, inert_line
from nlapi.plugin.names import BASE_URL, credential_settings, variable_form

EXTRA = "mcp"
"""The extra that a plugin needs, for its MCP server."""

REQUIREMENT_HINT = (
    "an exact version with its hash ('nlapi==1.2.3 --hash=sha256:...'), git+https://HOST/REPOSITORY@COMMIT, "
    "https://HOST/FILE.whl#sha256=..., or the path of a wheel"
)

UNPINNED = "options.requirement"
"""Where an Issue is about a requirement in a manifest that names no exact bytes."""

_VERSION = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[a-z0-9, -]*\])? *== *(?P<version>\d[A-Za-z0-9.!+_-]*)"
    r"(?P<hashes>(?: +--hash=sha256:[0-9a-f]{64})*)"
)
# 40 hexadecimal digits name a commit, 64 in a repository of SHA-256; a branch or a tag can be moved to another one.
_REPOSITORY = re.compile(r"git\+(?P<url>https://[^\s@#'\"]+|ssh://git@[^\s@#'\"]+)@(?P<commit>[^\s@#'\"]+)")
_USER = re.compile(r"://(?!git@)[^/\s@]+@")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_WHEEL_NAME = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>\d[^-\s]*)(?:-\d[^-\s]*)?(?:-[^-\s]+){3}\.whl")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class RequirementKind(Enum):
    """The kinds of artifacts that are pinned by their content."""

    VERSION = "version"
    REPOSITORY = "repository"
    WHEEL_URL = "wheel at a URL"
    WHEEL_FILE = "wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One exact nlapi. `source` is a version, a URL or the path of a wheel seen from the plugin's folder.

    A name at a package index is whoever registers it, and a version or a tag may be moved. So a requirement names
    bytes: a hash that the installer compares, or a commit, which is a hash itself.
    """

    kind: RequirementKind
    name: str
    source: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        """Return the requirement as it stands in a plugin's manifest, from which it can be parsed again."""
        match self.kind:
            case RequirementKind.VERSION:
                return " ".join((f"{self.name}=={self.source}", *(f"--hash=sha256:{value}" for value in self.hashes)))
            case RequirementKind.REPOSITORY:
                return f"git+{self.source}@{self.hashes[0]}"
            case _:
                return f"{self.source}#sha256={self.hashes[0]}"

    @property
    def key(self) -> str:
        """The name of the folder for its environment: one for each artifact."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:32]


def parse_requirement(text: str) -> Requirement:
    """Return the Requirement that a text is; UsageError for one that does not name exact bytes."""
    text = text.strip()
    if "\n" in text or not text.isprintable():
        raise _refusal(text, "is not one line")
    if match := _VERSION.fullmatch(text):
        hashes = tuple(re.findall(r"sha256:([0-9a-f]{64})", match["hashes"]))
        if not hashes:
            raise _refusal(text, "has no hash, so any file that an index has under this name and version would do")
        return Requirement(
            kind=RequirementKind.VERSION, name=match["name"], source=match["version"], hashes=tuple(sorted(hashes))
        )
    if text.startswith("git+"):
        return _parse_repository(text)
    location, _, fragment = text.partition("#")
    wheel = _WHEEL_NAME.fullmatch(location.replace("\\", "/").rpartition("/")[2])
    if wheel is None:
        raise _refusal(text, "does not say exactly which nlapi")
    sha256 = fragment.removeprefix("sha256=")
    if not fragment.startswith("sha256=") or not _SHA256.fullmatch(sha256):
        raise _refusal(text, "has no hash: it ends in #sha256= and 64 hexadecimal digits")
    kind = RequirementKind.WHEEL_URL if "://" in location else RequirementKind.WHEEL_FILE
    if kind is RequirementKind.WHEEL_URL:
        _check_url(text, location)
    return Requirement(kind=kind, name=wheel["name"].replace("_", "-"), source=location, hashes=(sha256,))


def _parse_repository(text: str) -> Requirement:
    match = _REPOSITORY.fullmatch(text)
    if match is None:
        raise _refusal(text, "is not a git URL with a commit")
    if not _COMMIT.fullmatch(match["commit"]):
        raise _refusal(
            text, f"names {match['commit'][:40]!r}, which is not a full commit: a branch or a tag can be moved"
        )
    return Requirement(kind=RequirementKind.REPOSITORY, name="nlapi", source=match["url"], hashes=(match["commit"],))


def _check_url(text: str, location: str) -> None:
    parts = urlsplit(location)
    is_loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.username or parts.password:
        raise _refusal(text, "has a credential in it, which would be in the plugin")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
        raise _refusal(text, "is not fetched over https")
    if re.search(r"[\s'\"\\]", location):
        raise _refusal(text, "has characters that a URL has not")


def _refusal(text: str, reason: str) -> UsageError:
    return UsageError(f"the requirement {_USER.sub('://***@', text)[:200]!r} {reason}", hint=REQUIREMENT_HINT)


def wheel_digest(path: Path) -> str:
    """Return the SHA-256 of a wheel; UsageError when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=REQUIREMENT_HINT) from None


def requirement_issues(text: str, folder: Path) -> Iterator[Issue]:
    """Yield an Issue for a requirement of a plugin in `folder` that is not pinned, or whose wheel is another one."""
    if not text:
        return
    try:
        requirement = parse_requirement(text)
    except UsageError as error:
        yield _requirement_issue(UNPINNED, error.message, "build it again with --requirement", Level.ERROR)
        return
    if requirement.kind is not RequirementKind.WHEEL_FILE:
        return
    wheel = folder / requirement.source
    if not wheel.is_file():
        message = "the wheel is not there, so that this plugin works only where nlapi is installed"
        yield _requirement_issue(requirement.source, message, "put it there", Level.WARNING)
    elif wheel_digest(wheel) != requirement.hashes[0]:
        message = "is not the wheel that the plugin was built with: its hash differs"
        yield _requirement_issue(requirement.source, message, "build it again with --requirement", Level.ERROR)


def _requirement_issue(location: str, message: str, hint: str, level: Level) -> Issue:
    return Issue(level=level, where=location, message=message, hint=hint, rule="requirement")


def install_lines(requirement: Requirement) -> str:
    """Return the lines of `sh` that install a requirement, with `install` for the installer and `$root`, `$new`."""
    extra = f"[{EXTRA}]"
    source, sha256 = requirement.source, requirement.hashes[0]
    match requirement.kind:
        case RequirementKind.VERSION:
            # uvx and pipx compare no hash of a version (uv 0.13.9 runs the wrong file); `--require-hashes` does, and
            # wants one for each dependency too. So nlapi comes alone, then what it depends on, which leaves it there.
            lines = [
                f"printf '%s\\n' {shlex.quote(str(requirement))} >\"$new/requirements.txt\"",
                'install --no-deps --require-hashes -r "$new/requirements.txt"',
                f"install {shlex.quote(f'{requirement.name}{extra}=={source}')}",
            ]
        case RequirementKind.REPOSITORY:
            lines = [f"install {shlex.quote(f'{requirement.name}{extra} @ {requirement}')}"]
        case RequirementKind.WHEEL_URL:
            lines = [f"install {shlex.quote(f'{requirement.name}{extra} @ {source}#sha256={sha256}')}"]
        case _:
            lines = [
                f'same_file "$root"/{shlex.quote(source)} {sha256}',
                f'install "$root"/{shlex.quote(source + extra)}',
            ]
    return " &&\n".join(f"  {line}" for line in lines)


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

# Claude Code gives hooks what the user configured in variables with this prefix; our MCP server as well. The Bash tool
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
    requirement: Requirement | None,
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
            fallback=_fallback_lines(command, requirement),
            settings=shell_settings,
            flags=_option_lines(name, variable_of, base_url, no_auth),
            length=str(max_tool_length(name)),
        ),
        HOOK: fill_template("consent.sh", **values),
        EVENT: fill_template("event.sh"),
        SESSION: fill_template("session.sh", **values),
        HOOKS: _json(_hooks_entry(name)),
        MCP: _json({"mcpServers": {SERVER_NAME: _server_entry(command, keys.values())}}),
        CODEX_MCP: _json({"mcpServers": {command: _codex_server_entry(command, keys)}}),
    }
    if requirement is not None:
        programs[ENVIRONMENT] = fill_template(
            "environment.sh",
            command=command,
            requirement=str(requirement),
            key=requirement.key,
            install=install_lines(requirement),
        )
    return programs


def _fallback_lines(command: str, requirement: Requirement | None) -> str:
    """Return the lines of the command for a machine without nlapi on the PATH."""
    if requirement is not None:
        return f"""  python=$(sh "$root/{ENVIRONMENT}") || exit 127
  exec "$python" -I -m nlapi "$@\""""
    return f"""  echo "{command} needs nlapi, which is not on the PATH. Install it from its checkout, one of:" >&2
  echo "  uv tool install 'PATH_OF_NLAPI[{EXTRA}]'" >&2
  echo "  pipx install 'PATH_OF_NLAPI[{EXTRA}]'" >&2
  exit 127"""


def install_text(requirement: Requirement | None) -> str:
    """Return how a user gets nlapi, as lines of a README."""
    if requirement is None:
        return (
            "It runs the `nlapi` on the PATH and fetches nothing. From its checkout,\n"
            f"`uv tool install 'PATH_OF_NLAPI[{EXTRA}]'` or `pipx install 'PATH_OF_NLAPI[{EXTRA}]'` installs it."
        )
    return (
        "It runs the `nlapi` on the PATH. Without one, the first call installs exactly this one into an\n"
        f"environment of its own, with `uv` or Python's own `venv` and `pip`, and no other:\n`{requirement}`"
    )


def _server_entry(command: str, keys: Iterable[str]) -> dict[str, object]:
    env = {f"{OPTION_PREFIX}{key.upper()}": f"${{user_config.{key}}}" for key in keys}
    return {"command": "sh", "args": [f"${{CLAUDE_PLUGIN_ROOT}}/bin/{command}", "--mcp"], "env": env}


def _codex_server_entry(command: str, variables: Iterable[str]) -> dict[str, object]:
    """Return the server's entry for Codex."""
    # Codex 0.169 starts a server in the plugin's folder with the variables that are named. It knows no
    # `${CLAUDE_PLUGIN_ROOT}` and no options, and a second server of one name displaces the first.
    return {"command": "sh", "args": [f"./bin/{command}", "--mcp"], "cwd": "./", "env_vars": list(variables)}


def _hooks_entry(name: str) -> dict[str, object]:
    def run(file: str, *words: str, **condition: str) -> list[dict[str, str]]:
        command = " ".join([f'sh "${{CLAUDE_PLUGIN_ROOT}}/{file}"', *words])
        return [{"type": "command", **condition, "command": command}]

    event = run(EVENT)
    # The hook that asks gets its event unread, which proves to the broker that it is the client's. So it cannot look
    # first whether the command is one of ours, and the client does (docs/design/083-receipts.md).
    asking = run(HOOK, **{"if": "Bash(*nlapi*)"})
    return {
        "description": "Asks before a call that changes something; keeps the plugin's options for its command.",
        "hooks": {
            "PreToolUse": [
                {"matcher": "*", "hooks": event},
                {"matcher": "Bash", "hooks": asking},
                {"matcher": f"{tool_prefix(name)}.*", "hooks": run(HOOK)},
            ],
            "UserPromptSubmit": [{"hooks": event}],
            "Stop": [{"hooks": event}],
            "SessionStart": [{"hooks": run(SESSION, "start")}],
            "SessionEnd": [{"hooks": run(SESSION, "end")}],
        },
    }


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
