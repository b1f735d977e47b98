"""Names for a plugin, its skills and its variables that client and shell accept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from nlapi import bundled
from nlapi.client.auth import shared_ids
from nlapi.english import lexicon
from nlapi.errors import UsageError
from nlapi.openapi.document import read_document
from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.texts.names import RESERVED_WORDS, join_words, unique_name

# In characters. Of the 64 of a tool's full name this leaves 16 for the tool itself (plugin.programs.max_tool_length).
MAX_NAME = 30

KEBAB = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
# Words of a title that do not distinguish one API from another.
GENERIC_WORDS = lexicon.words("plugin/words", "generic_words")

BASE_URL = "base_url"
"""The option for where an API runs."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Options so named hide their value in a client, such as a key that an API takes in its paths.
SECRET_OPTION = re.compile(r"token|secret|password|api_?key")
# Words of a plugin's command beside the ids of operations.
COMMAND_WORDS = frozenset(("batch", "run", "resume", "set", "settings"))
_COMMAND_BEGINNINGS = frozenset(word[:size] for word in COMMAND_WORDS for size in range(1, len(word) + 1))

# An operationId that a shell takes literally.
PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,99}")


def plugin_name(title: str, spec: Spec | None = None) -> str:
    """Return a name made from the title of an API: `Spotify Ads API` -> spotify-ads.

    The name of a plugin that nlapi ships is left to the description that it was made of.
    """
    plain = unicodedata.normalize("NFKD", re.sub(r"['’]s\b", "", title)).encode("ascii", "ignore").decode().lower()
    words = [word for word in re.findall("[a-z0-9]+", plain) if word not in RESERVED_WORDS]
    specific = [word for word in words if word not in GENERIC_WORDS and not re.fullmatch(r"v?\d+", word)]
    name = join_words(specific or words, MAX_NAME)
    name = name if KEBAB.fullmatch(name) else join_words(["api", *words], MAX_NAME)
    return f"{name}-api" if is_bundled_name(name, spec) else name


def is_bundled_name(name: str, spec: Spec | None) -> bool:
    """Return whether a name is that of a plugin that nlapi ships, made of another description than `spec`."""
    if spec is None or (shipped := bundled.spec(name)) is None:
        return False
    info = read_document(shipped[1], shipped[0]).tree["info"]
    return (info["title"], info["description"]) != (spec.title, spec.description)


def check_name(name: str, spec: Spec | None = None) -> str:
    """Return `name`, or raise UsageError with the reason why a plugin cannot have it."""
    if not KEBAB.fullmatch(name) or len(name) > MAX_NAME:
        hint = f"lower-case letters, digits and single dashes, a letter first, at most {MAX_NAME}: my-api"
        raise UsageError(f"{name[:80]!r} cannot be the name of a plugin", hint=hint)
    if RESERVED_WORDS & set(name.split("-")):
        raise UsageError(
            f"{name!r} is reserved: only Anthropic's own plugins have {' or '.join(sorted(RESERVED_WORDS))} in it"
        )
    if is_bundled_name(name, spec):
        raise UsageError(f"{name!r} is the name of a plugin that nlapi ships", hint=f"another one: my-{name}")
    return name


def credential_variables(
    spec: Spec, operations: Iterable[Operation], name: str, chosen: Mapping[str, str]
) -> dict[str, str]:
    """Return security scheme -> the environment variable for its credential; `chosen` overrides generated names.

    Schemes that are one credential for some of `operations` have one variable. Those that none of them requires are
    left out, unless none requires any.
    """
    prefix = variable_form(name)
    operations = tuple(operations)
    usable = _usable_schemes(spec, operations, chosen)
    for id, variable in chosen.items():
        if id not in usable:
            raise UsageError(
                f"{spec.title} has no security scheme {id!r} that works", hint=f"it has {', '.join(usable)}"
            )
        if not VARIABLE.fullmatch(variable):
            raise UsageError(f"{variable!r} cannot be the name of a variable", hint=f"--auth {id}=env:NAME")
    shared = shared_ids(operations)
    groups: dict[str, list[str]] = {}
    for id in usable:
        groups.setdefault(shared.get(id, id), []).append(id)
    variable_of: dict[str, str] = {}
    for ids in groups.values():
        # A user sees one credential as "the token", whatever the description calls its scheme.
        suffix = "TOKEN" if len(groups) == 1 else re.sub(r"[^A-Z0-9]+", "_", ids[0].upper()).strip("_") or "KEY"
        used = (*variable_of.values(), *chosen.values())
        generated = unique_name(variable_form(f"{prefix}_{suffix}"), used, "_")
        shared_variable = next(filter(None, map(chosen.get, ids)), generated)
        variable_of |= {id: chosen.get(id, shared_variable) for id in ids}
    return {id: variable_of[id] for id in usable}


def _usable_schemes(spec: Spec, operations: Iterable[Operation], chosen: Collection[str]) -> list[str]:
    """Return the security schemes that operations require, or that were chosen; all where none requires any."""
    required = {id for operation in operations for requirement in operation.security for id in requirement}
    schemes = [id for id, scheme in spec.security_schemes.items() if not scheme.fault and _is_printable(id)]
    if required.isdisjoint(spec.security_schemes):
        return schemes
    return [id for id in schemes if id in required.union(chosen)]


def _is_printable(id: str) -> bool:
    return id.isprintable() and "=" not in id


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSetting:
    """A credential that a user of a plugin sets, for one scheme or more: by a variable, or as an option."""

    variable: str
    option: str
    schemes: tuple[str, ...]


def credential_settings(variable_of: Mapping[str, str]) -> tuple[CredentialSetting, ...]:
    """Return the settings for credentials, named apart from `base_url`.

    `variable_of` is that of `credential_variables`.
    """
    schemes: dict[str, list[str]] = {}
    for id, variable in variable_of.items():
        schemes.setdefault(variable, []).append(id)
    options: dict[str, str] = {}
    for variable, ids in schemes.items():
        stem = re.sub(r"[^a-z0-9]+", "_", ids[0].lower()).strip("_") or "key"
        stem = "token" if len(schemes) == 1 else stem if stem[0].isalpha() else f"key_{stem}"
        options[variable] = unique_name(stem, (BASE_URL, *options.values()), "_")
    return tuple(
        CredentialSetting(variable=variable, option=options[variable], schemes=tuple(ids))
        for variable, ids in schemes.items()
    )


def variable_form(name: str) -> str:
    """Return a name in the form of a variable: spotify-ads -> SPOTIFY_ADS."""
    return name.upper().replace("-", "_")


def callable_id(operation: Operation) -> str:
    """Return the id of an operation in a plugin: its own, or its tool's name where a shell would not take that."""
    id = operation.id
    if not PLAIN_ID.fullmatch(id) and not PLAIN_ID.fullmatch(id := compile_tool(operation).name):
        # A leading dash or underscore would be an option, or no first character of an id.
        id = f"op{id}"
    # No word of the command, nor the beginning of one: a permission for the operation would be one for that.
    return f"{id}_operation" if id in _COMMAND_BEGINNINGS else id
