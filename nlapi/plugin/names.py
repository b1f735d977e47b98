"""Names for a plugin, its skills and its variables, such that client and shell take them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import count

from nlapi.errors import UsageError
from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.slugs import RESERVED, joined, unique

MAX_NAME = 30
"""Longer ones would leave the tools of its MCP server too little room: plugin.command.tool_length."""

MAX_SKILL = 64
KEBAB = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
EMPTY = frozenset("api apis rest restful http https openapi swagger spec specification the official web and of".split())
"""Words of a title that say nothing of what the API is for."""

BASE_URL = "base_url"
"""The option that says where an API runs."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,99}")
"""An operationId that a shell takes as it is."""


def plugin_name(title: str) -> str:
    """A name made of the title of an API: `Spotify Ads API` -> spotify-ads."""
    plain = unicodedata.normalize("NFKD", re.sub(r"['’]s\b", "", title)).encode("ascii", "ignore").decode().lower()
    words = [word for word in re.findall("[a-z0-9]+", plain) if word not in RESERVED]
    telling = [word for word in words if word not in EMPTY and not re.fullmatch(r"v?\d+", word)]
    name = joined(telling or words, MAX_NAME)
    return name if KEBAB.fullmatch(name) else joined(["api", *words], MAX_NAME)


def checked(name: str) -> str:
    """`name`, or a UsageError that says why it can be no plugin's."""
    if not KEBAB.fullmatch(name) or len(name) > MAX_NAME:
        hint = f"lower-case letters, digits and single dashes, a letter first, at most {MAX_NAME}: my-api"
        raise UsageError(f"{name[:80]!r} cannot be the name of a plugin", hint=hint)
    if RESERVED & set(name.split("-")):
        raise UsageError(
            f"{name!r} is reserved: only Anthropic's own plugins have {' or '.join(sorted(RESERVED))} in it"
        )
    return name


def variables(spec: Spec, name: str, given: Mapping[str, str]) -> dict[str, str]:
    """Security scheme -> the environment variable that holds its credential; `given` goes over what is made up."""
    prefix = shell(name)
    usable = [
        id for id, scheme in spec.security_schemes.items() if not scheme.fault and id.isprintable() and "=" not in id
    ]
    for id, variable in given.items():
        if id not in usable:
            raise UsageError(
                f"{spec.title} has no security scheme {id!r} that works", hint=f"it has {', '.join(usable)}"
            )
        if not VARIABLE.fullmatch(variable):
            raise UsageError(f"{variable!r} cannot be the name of a variable", hint=f"--auth {id}=env:NAME")
    made: dict[str, str] = {}
    for id in usable:
        own = "TOKEN" if len(usable) == 1 else re.sub(r"[^A-Z0-9]+", "_", id.upper()).strip("_") or "KEY"
        made[id] = given.get(id) or shell(unique(f"{prefix}_{own}", made.values()))
    return made


def options(named: Mapping[str, str]) -> dict[str, str]:
    """Security scheme -> the option of the plugin that its credential may be configured as, beside `base_url`."""
    if len(named) == 1:
        return dict.fromkeys(named, "token")
    made: dict[str, str] = {}
    for id in named:
        own = re.sub(r"[^a-z0-9]+", "_", id.lower()).strip("_") or "key"
        own = own if own[0].isalpha() else f"key_{own}"
        taken = (BASE_URL, *made.values())
        made[id] = next(one for n in count(1) if (one := own if n == 1 else f"{own}_{n}") not in taken)
    return made


def shell(name: str) -> str:
    """A name as that of a variable: spotify-ads -> SPOTIFY_ADS."""
    return name.upper().replace("-", "_")


def callable_id(operation: Operation) -> str:
    """The id of an operation in a plugin: its own, or its tool's name where a shell would not take that."""
    if PLAIN_ID.fullmatch(operation.id):
        return operation.id
    name = compile_tool(operation).name
    return name if PLAIN_ID.fullmatch(name) else f"op{name}"
