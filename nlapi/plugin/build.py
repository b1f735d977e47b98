"""The files of a plugin, built from a Spec, and the manifest of what they were built from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nlapi.agent.toolbox import FEW
from nlapi.client.server import server_url
from nlapi.errors import DescriptionError, UsageError
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.openapi.subset import subset
from nlapi.plugin.command import (
    CODEX,
    CODEX_MCP,
    command_of,
    credentials,
    programs,
    tools_of,
    url_variable,
    user_config,
)
from nlapi.plugin.ids import Ids
from nlapi.plugin.names import callable_id, checked, plugin_name, variables
from nlapi.plugin.notes import LICENSE, notes
from nlapi.plugin.notes import own as owned
from nlapi.plugin.skills import Outline, agent, prompts, skills
from nlapi.plugin.text import inert, line, template
from nlapi.resources.effect_overlay import effect_overlay
from nlapi.tools.areas import areas
from nlapi.version import __version__

MANIFEST = "nlapi-plugin.json"
# The overlay that states which POSTs are reads, for a person to accept: a description may not spare the user a question
# by itself.
PROPOSED_EFFECTS = "effects.proposed.yaml"

DESCRIPTION = "api/openapi.json"
PLUGIN = ".claude-plugin/plugin.json"
MARKETPLACE = ".claude-plugin/marketplace.json"

MAX_PROMPTS = 15

# Of the manifest; a plugin of another format has to be built anew, as options are read by their names.
FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices of a build, stored by field name in the plugin's manifest so that it can be repeated.

    `source`, `overlays` and `root` say where the description is, seen from the plugin's folder. `variables` maps
    security schemes to environment variables, `base_url` is where the API runs if its description does not say so. With
    `no_auth` calls are sent without credentials.
    """

    name: str = ""
    source: str = ""
    overlays: tuple[str, ...] = ()
    root: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""
    no_auth: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plugin: path -> bytes, with / in the paths. `left_out` are the operations that cannot be called."""

    name: str
    files: Mapping[str, bytes]
    operations: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        return command_of(self.name)


def build(
    spec: Spec, operations: Sequence[Operation], options: Options, people: Mapping[str, bytes] | None = None
) -> Plugin:
    """Return the plugin for some operations of a Spec: the same bytes for the same description, options and nlapi.

    `people` are the files already in its folder: their notes are woven in, their licence stands. UsageError when no
    operation is left or the name cannot be a plugin's; DescriptionError when the description holds what JSON cannot.
    """
    usable = [one for one in operations if one.usable and _may_be_sent(one, options.base_url)]
    if not usable:
        raise UsageError(f"{spec.title} has no operation left to make a plugin of", hint="`nlapi check` says why")
    titled = "" if spec.title == spec.source else spec.title  # a description without a title is called by its path
    name = checked(options.name) if options.name else plugin_name(titled)
    named = {} if options.no_auth else variables(spec, usable, name, options.variables)
    kept = owned(people or {})
    title = inert(titled, 60) or name
    texts = _texts(spec, usable, options, name, title, named, kept)
    ids = {one.id: callable_id(one) for one in usable}
    texts[DESCRIPTION] = _description(spec, ids)
    if stated := effect_overlay(usable):
        texts[PROPOSED_EFFECTS] = stated
    asked = user_config(spec, title, named, options.base_url)
    content = digest("".join(texts[path] for path in sorted(texts)) + _json(asked))
    texts |= _manifests(spec, name, title, len(usable), content, asked)
    files = {path: text.encode() for path, text in sorted(texts.items())}
    files[MANIFEST] = _json(_made_of(spec, options, files, len(usable), name, title, named, kept)).encode()
    left_out = tuple(one.id for one in operations if one.id not in ids)
    return Plugin(name=name, files=files, operations=tuple(ids.values()), left_out=left_out)


def _texts(
    spec: Spec,
    usable: Sequence[Operation],
    options: Options,
    name: str,
    title: str,
    named: Mapping[str, str],
    kept: Mapping[str, bytes],
) -> dict[str, str]:
    """Return the texts for people and models, and the programs: path -> text."""
    parts = areas(spec, usable)
    command = command_of(name)
    values = {"command": command, "credentials": credentials(spec, name, named, options.base_url)}
    values |= {"tools": tools_of(name), "main": f"{name}:{name}", "allowed": f"Bash({command}:*) {tools_of(name)}*"}
    values["offered"] = _offered(name, len(usable))
    outline = Outline(
        name=name,
        title=title,
        about=inert(spec.description, 500),
        areas=parts,
        ids=Ids(usable),
        values=values,
        notes=notes(kept),
    )
    texts = {f"skills/{path}": text for path, text in skills(outline).items()}
    texts[f"agents/{name}.md"] = agent(outline)
    texts |= programs(name, named, options.base_url, no_auth=options.no_auth)
    reads = sum(one.effect is Effect.READ for one in usable)
    texts["README.md"] = template(
        "readme.md",
        **values,
        title=title,
        about=line(spec.description, 300),
        name=name,
        at="@",
        count=str(len(usable)),
        reads=str(reads),
        changes=str(len(usable) - reads),
        prompts="\n".join(f'- "{said}"' for said in prompts(parts, MAX_PROMPTS)),
    )
    if LICENSE not in kept:
        texts[LICENSE] = template("license.txt", title=line(title, 60), licence=_licence(spec))
    return texts


def _offered(name: str, count: int) -> str:
    """Return what a skill says of the tools of the MCP server, which offers a large API by four of them."""
    if count <= FEW:
        return f"The tools `{tools_of(name)}*` are the same operations with the same rules, where they are offered."
    own = "`find`, `describe`, `read` and `call`"
    return (
        f"The tools {own} of `{tools_of(name)}*` reach the same operations with the same rules, where they are offered."
    )


def _licence(spec: Spec) -> str:
    """Return a sentence on the licence of the description."""
    info = spec.document.get("info")
    said = info.get("license") if isinstance(info, Mapping) else None
    if not isinstance(said, Mapping):
        return "The description does not say under which licence it is given."
    parts = [line(str(said[key]), 200) for key in ("name", "identifier", "url") if isinstance(said.get(key), str)]
    return f"The description says that its licence is: {', '.join(parts)}."


def _may_be_sent(operation: Operation, base_url: str) -> bool:
    """Return whether a description from this source may name the operation's server."""
    # In the plugin the description is a local file, which may name any server; so the check belongs here.
    if base_url or not operation.spec.source.startswith(("http://", "https://")):
        return True
    try:
        return bool(server_url(operation))
    except UsageError:
        return False


def _description(spec: Spec, ids: Mapping[str, str]) -> str:
    try:
        return json.dumps(subset(spec, ids), indent=1, allow_nan=False) + "\n"
    except ValueError as error:
        # YAML has .nan and .inf.
        raise DescriptionError(f"{spec.source} holds what JSON has no way to write: {error}") from None


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def _manifests(spec: Spec, name: str, title: str, count: int, digest: str, asked: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that clients read about the plugin."""
    # Clients update a plugin when its version differs, so the version ends in a hash of everything that was built.
    semver = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?![\w-])", spec.version)
    version = ".".join(part or "0" for part in semver.groups()) if semver else "0.0.0"
    info = spec.document.get("info")
    contact = info.get("contact") if isinstance(info, Mapping) else None
    author = inert(str(contact.get("name") or ""), 60) if isinstance(contact, Mapping) else ""
    described = f"Operate {title} in plain English: {count} operations, checked against its description."
    plugin = {
        "name": name,
        "version": f"{version}+{digest[:12]}",
        "description": described,
        "author": {"name": author or "nlapi"},
        "keywords": ["api", "openapi", "nlapi"],
        "userConfig": asked,
    }
    listed = {"name": name, "source": "./", "description": described}
    market = {"name": name, "owner": plugin["author"], "description": described, "plugins": [listed]}
    codex = {key: plugin[key] for key in ("name", "version", "description", "author", "keywords")}
    codex |= {"skills": "./skills/", "mcpServers": f"./{CODEX_MCP}"}
    return {PLUGIN: _json(plugin), MARKETPLACE: _json(market), CODEX: _json(codex)}


def _made_of(
    spec: Spec,
    options: Options,
    files: Mapping[str, bytes],
    count: int,
    name: str,
    title: str,
    named: Mapping[str, str],
    kept: Mapping[str, bytes],
) -> dict[str, Any]:
    described = {"title": title, "version": line(spec.version, 60), "operations": count}
    return {
        "format": FORMAT,
        "nlapi": __version__,
        "description": {**described, "file": DESCRIPTION, "sha256": digest(files[DESCRIPTION])},
        "options": asdict(options),
        "command": command_of(name),
        "variables": [url_variable(name), *dict.fromkeys(named.values())],
        "people": {path: digest(content) for path, content in sorted(kept.items())},
        "files": {path: digest(content) for path, content in files.items()},
    }
