"""What of a plugin runs: its command, the hook that asks before a change, and the variables that they read."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress

from nlapi.client.server import expanded
from nlapi.errors import UsageError
from nlapi.openapi.parts import SecurityScheme
from nlapi.openapi.spec import Spec
from nlapi.plugin.names import shell
from nlapi.plugin.text import inert, template

HOOKS = "hooks/hooks.json"
HOOK = "hooks/consent.sh"


def command_of(name: str) -> str:
    """The command that a plugin of this name puts on the PATH."""
    return f"{name}-api"


def url_variable(name: str) -> str:
    """The environment variable that says where the API of a plugin runs."""
    return f"{shell(name)}_BASE_URL"


def programs(name: str, named: Mapping[str, str], base_url: str) -> dict[str, str]:
    """Path -> text of the command and the hook. `named` maps security schemes to variables."""
    command = command_of(name)
    hook = {"type": "command", "command": f'sh "${{CLAUDE_PLUGIN_ROOT}}/{HOOK}"'}
    asked = {"PreToolUse": [{"matcher": "Bash", "hooks": [hook]}]}
    hooks = {"description": "Asks before a call that changes something.", "hooks": asked}
    return {
        f"bin/{command}": template("command.sh", command=command, settings=_settings(name, named, base_url)),
        HOOK: template("consent.sh", command=command),
        HOOKS: json.dumps(hooks, indent=2) + "\n",
    }


def _settings(name: str, named: Mapping[str, str], base_url: str) -> str:
    """The lines of the command that put what is in the environment in front of the arguments."""
    lines = [f"url=${{{url_variable(name)}:-}}"]
    lines += [f'[ -n "$url" ] || url={shlex.quote(base_url)}'] if base_url else []
    lines += ['[ -z "$url" ] || set -- --base-url "$url" "$@"']
    for scheme, variable in named.items():
        given = shlex.quote(f"{scheme}=env:{variable}")
        lines.append(f'[ -z "${{{variable}:-}}" ] || set -- --auth {given} "$@"')
    return "\n".join(lines)


def credentials(spec: Spec, name: str, named: Mapping[str, str], base_url: str) -> str:
    """The variables that a user sets, one a line."""
    lines = [f"- `{variable}`: {_kind(spec.security_schemes[scheme])}" for scheme, variable in named.items()]
    if not lines:
        lines = ["- The description names no way to sign in: calls are sent without a credential."]
    where = base_url
    with suppress(UsageError):
        where = where or (expanded(spec.servers[0]) if spec.servers else "")
    known = where.startswith(("http://", "https://"))
    at = f"if not at {inert(where, 200)}" if known else "which has to be set, as the description does not say"
    return "\n".join([*lines, f"- `{url_variable(name)}`: where the API runs, {at}"])


def _kind(scheme: SecurityScheme) -> str:
    kind = {"apiKey": f"API key, sent in the {scheme.where}", "http": f"{scheme.scheme} credential"}.get(scheme.kind)
    kind = "USER:PASSWORD" if scheme.scheme == "basic" else kind or "access token"
    about = inert(scheme.description, 160)
    return inert(kind, 60) + (f". {about}" if about else "")
