"""The files of a plugin, built from a Spec, the name of its API, and the manifest of what they were built from."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from urllib.parse import urlsplit

from nlapi.client.server import server_url
from nlapi.errors import DescriptionError, Issue, Level, UsageError
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.selection import subset
from nlapi.openapi.spec import Effect, Operation, Spec, as_list, as_map
from nlapi.openapi.urls import is_http_url
from nlapi.plugin.argument_settings import find_settings, setting_options
from nlapi.plugin.id_guide import IdGuide
from nlapi.plugin.markdown import fill_template, inert_line, safe_line
from nlapi.plugin.names import callable_id, check_name, credential_settings, credential_variables, plugin_name
from nlapi.plugin.programs import (
    CODEX,
    CODEX_MCP,
    GEMINI,
    HOOKS,
    WHEELS,
    Bundle,
    build_programs,
    bundle_of,
    command_name,
    gemini_extension,
    install_text,
    portable_files,
    setting_variables,
    settings_list,
    tool_prefix,
    url_variable,
    user_config,
)
from nlapi.plugin.questions import question_list
from nlapi.plugin.recipes import build_recipes
from nlapi.plugin.secret_scan import mask_examples
from nlapi.plugin.skills import Outline, build_agent, build_skills
from nlapi.plugin.subjects import areas_by_use
from nlapi.plugin.user_files import LICENSE, read_notes, select_user_files
from nlapi.resources.effect_overlay import effect_overlay
from nlapi.tools.compile import tools as compile_tools
from nlapi.tools.search.areas import areas
from nlapi.version import __version__

# Hosts that belong to nobody, or to everybody.
_RESERVED_HOST = re.compile(r"(?i)localhost|[\d.]+|.*\.(?:local|localhost|internal|invalid|test|example)|example\.\w+")
# A short label before the country names a kind of owner, and no owner: bbc.co.uk, api.gov.au.
_SECOND_LEVEL = frozenset("ac co com edu gov net or org".split())

# Words at the end of a title that say what an API is, and not which: `Asana REST API v1`, `Ads OpenAPI spec`.
_KIND = (
    r"(?:official|public|rest(?:ful)?|http|web|json|open ?api|swagger|apis?|spec(?:ification)?s?|documentation|docs|"
    r"reference|v\d+(?:\.\d+)*|\d+\.\d+(?:\.\d+)*|version \d+(?:\.\d+)*)"
)
_KINDS_AT_END = re.compile(rf"(?:['’]s)?(?:[\s,:/(-]+{_KIND}\)?)+$", re.IGNORECASE)
_ADDITION = re.compile(r"\s\+\s.*|\s*\([^()]*\)$")
MAX_TITLE = 60


def api_title(spec: Spec) -> str:
    """Return the title of an API with its provider's name before it, where the title lacks it; "" without both.

    `Ads API`, which is served at api-partner.spotify.com and described as `The Spotify Ads API`, is `Spotify Ads API`.
    """
    # A description without a title is called by its path.
    title = "" if spec.title == spec.source else " ".join(spec.title.split())
    if not any(character.isalnum() for character in title):
        title = ""
    provider = _provider(spec, title)
    return f"{provider} {title}".strip()


def short_title(title: str) -> str:
    """Return a title without the words for what an API is: `Spotify Ads API` -> `Spotify Ads`."""
    short = _KINDS_AT_END.sub("", _ADDITION.sub("", title)).strip(" ,:;-–—")
    return short if any(character.isalnum() for character in short) else title


def _provider(spec: Spec, title: str) -> str:
    """Return the provider's name as the description spells it; "" where it is unknown, or in the title already.

    It is the owner of a host. One of a server counts where a text has it as a word, or where the contact has a host of
    the same owner: an API that a hosting service runs does not belong to that.
    """
    info = as_map(spec.document.get("info"))
    contact = as_map(info.get("contact"))
    tags = map(as_map, as_list(spec.document.get("tags")))
    described = (info.get("description"), contact.get("name"), *(tag.get("description") for tag in tags))
    texts = [title, *(text for text in described if isinstance(text, str))]
    servers = [_owner(server.url) for server in spec.servers if "//" in server.url]
    contacts = [
        _owner(str(contact.get("url") or "")),
        _owner(f"//{str(contact.get('email') or '').rpartition('@')[2]}"),
    ]
    owners = list(dict.fromkeys(filter(None, (*servers, *contacts))))
    words = _words(title)
    long_words = tuple(word for word in words if len(word) > 3)
    if any(owner in "".join(words) or owner.startswith(long_words) for owner in owners):
        return ""
    # A hosting service is named by no text; a contact of somebody else (gmail.com) by no text either.
    spellings = (_spelling(owner, text) for owner in owners for text in texts)
    names = (owner.capitalize() for owner in filter(None, servers) if not title or owner in contacts)
    return next(filter(None, chain(spellings, names)), "")


def _owner(url: str) -> str:
    """Return the label of a host that its owner registered: api-partner.spotify.com -> spotify; "" without one."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # a bracket in the host
        return ""
    labels = host.lower().strip(".").split(".")
    if len(labels) < 2 or _RESERVED_HOST.fullmatch(host):
        return ""
    is_country = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL and len(labels) > 2
    label = labels[-3 if is_country else -2]
    return label if re.fullmatch(r"[a-z][a-z0-9-]{1,30}", label) else ""


def _spelling(owner: str, text: str) -> str:
    """Return a name as a text spells it, one word or two, with a capital; "" where it has it not."""
    loose = r"[ -]?".join(re.escape(character) for character in owner.replace("-", ""))
    matches = (match[0] for match in re.finditer(rf"(?i)(?<![\w./@-]){loose}(?![\w@/]|\.\w)", text[:10_000]))
    return next((match for match in matches if match[0].isupper()), "")


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.findall("[a-z0-9]+", plain)


MANIFEST = "nlapi-plugin.json"
# The overlay that states which POSTs are reads, for a person to accept: a description may not spare the user a question
# by itself.
PROPOSED_EFFECTS = "effects.proposed.yaml"

DESCRIPTION = "api/openapi.json"
PLUGIN = ".claude-plugin/plugin.json"
MARKETPLACE = ".claude-plugin/marketplace.json"

MAX_PROMPTS = 10

# Of the manifest; a plugin of another format has to be built anew, as options are read by their names.
MANIFEST_FORMAT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices of a build, stored by field name in the plugin's manifest so that it can be repeated.

    `source`, `overlays` and `root` say where the description is, seen from the plugin's folder. `variables` maps
    security schemes to environment variables, `base_url` is where the API runs if its description does not say so. With
    `no_auth` calls are sent without credentials. With `bundle` nlapi itself
    lies in the plugin.
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
    bundle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plugin: path -> bytes, with / in the paths. `skipped_operations` are those that cannot be called."""

    name: str
    files: Mapping[str, bytes]
    operations: tuple[str, ...]
    skipped_operations: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()
    """what is wrong with the workflows of people in its folder, and what was left out of the description"""

    @property
    def command(self) -> str:
        return command_name(self.name)


def build(
    spec: Spec, operations: Sequence[Operation], options: Options, user_files: Mapping[str, bytes] | None = None
) -> Plugin:
    """Return the plugin for some operations of a Spec: the same bytes for the same description, options and nlapi.

    `user_files` are the files already in its folder: their notes are woven in, their licence stands, and the wheels of
    a bundle are among them. UsageError when no operation is left or the name cannot be a plugin's; DescriptionError
    when the description holds what JSON cannot.
    """
    from nlapi.resources.effect import effect_of, issues_of_effect

    new_ids = {
        operation.id: callable_id(operation)
        for operation in operations
        if operation.usable and _has_allowed_server(operation, options.base_url)
    }
    if not new_ids:
        raise UsageError(f"{spec.title} has no operation left to make a plugin of", hint="`nlapi check` says why")
    description, secret_kinds = _description_json(spec, new_ids)
    skipped = tuple(operation.id for operation in operations if operation.id not in new_ids)
    issues = tuple(map(_secret_issue, secret_kinds))
    # Of the plugin's own description, as a check makes them again. A name is evidence of what an operation does,
    # so the texts are made of the names that the plugin has; and what looks like a credential is in no text either.
    copy = parse_document(read_document(description.encode(), DESCRIPTION), effect_of, issues_of_effect)
    usable = [tool.operation for tool in compile_tools(copy)]
    plugin = _build_of(copy, usable, options, user_files or {}, description)
    return replace(plugin, skipped_operations=skipped, issues=(*plugin.issues, *issues))


def _secret_issue(kind: str) -> Issue:
    message = f"{kind} in a text or an example of the description was left out"
    hint = "its author should revoke it, unless it is made up"
    return Issue(level=Level.INFO, where=DESCRIPTION, message=message, hint=hint, rule="secret")


def _build_of(
    spec: Spec, usable: Sequence[Operation], options: Options, user_files: Mapping[str, bytes], description: str
) -> Plugin:
    """Return the plugin for the operations of the file `description`."""
    # The command of a plugin reads names from here, and has no use for a sandbox.
    from nlapi.plugin.trial import Trial

    full_title = api_title(spec)
    name = check_name(options.name, spec) if options.name else plugin_name(short_title(full_title), spec)
    variable_of = {} if options.no_auth else credential_variables(spec, usable, name, options.variables)
    own_files = select_user_files(user_files)
    ids = IdGuide(usable)
    settings = find_settings(usable, ids.common, name, [entry.option for entry in credential_settings(variable_of)])
    trial = Trial(spec, ids)
    book = build_recipes(spec, own_files, trial)
    values = {
        "command": command_name(name),
        "credentials": settings_list(spec, name, variable_of, options.base_url, settings),
        "tools": tool_prefix(name),
        "main": f"{name}:{name}",
        # Other clients than Claude Code have no command on their PATH, and other prefixes.
        "offered": f"The tools `{tool_prefix(name)}*` reach the same operations under the same rules: use them if you "
        "cannot run the command.",
    }
    outline = Outline(
        spec=spec,
        name=name,
        title=inert_line(full_title, MAX_TITLE) or name,
        subject=inert_line(short_title(full_title), 40) or name,
        areas=areas_by_use(areas(spec, usable)),
        ids=ids,
        trial=trial,
        settings=settings,
        recipes=book.recipes,
        values=values,
        notes=read_notes(own_files),
    )
    wheels = {path: content for path, content in user_files.items() if options.bundle and path.startswith(WHEELS)}
    bundle = bundle_of(wheels)
    texts = _build_texts(outline, bundle)
    texts |= build_programs(name, variable_of, options.base_url, bundle, settings, no_auth=options.no_auth)
    texts |= {DESCRIPTION: description, **book.files}
    if LICENSE in own_files:
        del texts[LICENSE]
    if effects := effect_overlay(usable):
        texts[PROPOSED_EFFECTS] = effects
    user_options = {**user_config(spec, outline.title, variable_of, options.base_url), **setting_options(settings)}
    content = digest("".join(texts[path] for path in sorted(texts)) + _json_file(user_options))
    variables = {option: variable for variable, option in setting_variables(name, variable_of, settings).items()}
    texts |= _client_manifests(outline, content, user_options, variables)
    files = {path: text.encode() for path, text in sorted(texts.items())} | wheels
    record = _record(outline, options, variable_of, own_files, files)
    return Plugin(
        name=name,
        files={**files, MANIFEST: _json_file(record).encode()},
        operations=tuple(operation.id for operation in usable),
        recipes=tuple(recipe.id for recipe in book.recipes),
        issues=book.issues,
    )


def _record(
    outline: Outline,
    options: Options,
    variable_of: Mapping[str, str],
    own_files: Mapping[str, bytes],
    files: Mapping[str, bytes],
) -> dict[str, object]:
    """Return the manifest: what the plugin was built from, and the digest of each file."""
    return {
        "format": MANIFEST_FORMAT,
        "nlapi": __version__,
        "description": {
            "title": outline.title,
            "version": safe_line(outline.spec.version, 60),
            "operations": len(outline.operations),
            "file": DESCRIPTION,
            "sha256": digest(files[DESCRIPTION]),
        },
        "options": asdict(options),
        "command": outline.values["command"],
        "variables": [url_variable(outline.name), *dict.fromkeys(variable_of.values())],
        "settings": {setting.argument: setting.variable for setting in outline.settings},
        "people": {path: digest(content) for path, content in sorted(own_files.items())},
        "files": {path: digest(content) for path, content in files.items()},
    }


def _build_texts(outline: Outline, bundle: Bundle | None) -> dict[str, str]:
    """Return the texts for people and models: path -> text."""
    count = len(outline.operations)
    reads = sum(operation.effect is Effect.READ for operation in outline.operations)
    readme = fill_template(
        "readme.md",
        **outline.values,
        title=outline.title,
        about=safe_line(outline.spec.description, 300),
        name=outline.name,
        at="@",
        install=install_text(bundle),
        count=str(count),
        reads=str(reads),
        changes=str(count - reads),
        prompts=question_list(outline.areas, outline.title, MAX_PROMPTS),
    )
    licence = _licence_sentence(outline.spec)
    return {
        **{f"skills/{path}": text for path, text in build_skills(outline).items()},
        f"agents/{outline.name}.md": build_agent(outline),
        "README.md": readme,
        LICENSE: fill_template("license.txt", title=safe_line(outline.title, 60), licence=licence),
    }


def _licence_sentence(spec: Spec) -> str:
    """Return a sentence on the licence of the description."""
    licence = as_map(spec.document.get("info")).get("license")
    if not isinstance(licence, Mapping):
        return "The description does not say under which licence it is given."
    fields = (licence.get(key) for key in ("name", "identifier", "url"))
    parts = [safe_line(field, 200) for field in fields if isinstance(field, str)]
    return f"The description says that its licence is: {', '.join(parts)}."


def _has_allowed_server(operation: Operation, base_url: str) -> bool:
    """Return whether a description from this source may name the operation's server."""
    # In the plugin the description is a local file, which may name any server; so the check belongs here.
    if base_url or not is_http_url(operation.spec.source):
        return True
    try:
        return bool(server_url(operation))
    except UsageError:
        return False


def _description_json(spec: Spec, ids: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the description of some operations, as it is in a plugin, and the kinds of secrets left out of it."""
    try:
        tree = subset(spec, ids)
        # A file that the masks do not change is written once.
        written: dict[int, str] = {}
        text = f"{_lines(tree, 2, written)}\n"
        masked, kinds = mask_examples(tree, text, written)
        return (f"{_lines(masked, 2, written)}\n" if kinds else text), kinds
    except ValueError as error:
        # YAML has .nan and .inf.
        raise DescriptionError(f"{spec.source} holds what JSON has no way to write: {error}") from None


def _lines(data: object, depth: int, written: dict[int, str]) -> str:
    """Return data as JSON with a line for each path and each schema, so that a change is seen where it is.

    An indent for everything takes four times as long: 0.4 s of GitHub's description. `written` has the lines of the
    parts that were written before, by identity.
    """
    if not isinstance(data, Mapping) or depth < 0 or not data:
        if not isinstance(data, dict):
            return json.dumps(data, allow_nan=False)
        if id(data) not in written:
            written[id(data)] = json.dumps(data, allow_nan=False)
        return written[id(data)]
    rows = (f"{json.dumps(str(key))}: {_lines(value, depth - 1, written)}" for key, value in data.items())
    indent = " " * (3 - depth)
    return "{\n" + ",\n".join(f"{indent}{row}" for row in rows) + f"\n{indent[1:]}}}"


def _json_file(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def _client_manifests(
    outline: Outline, content: str, options: Mapping[str, Mapping[str, object]], variables: Mapping[str, str]
) -> dict[str, str]:
    """Return the files that clients read about the plugin. `content` is a digest of everything that was built.

    `options` are those of the plugin by key, `variables` the environment variable of each key.
    """
    # Clients update a plugin when its version differs, so the version ends in the digest.
    semver = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?![\w-])", outline.spec.version)
    version = ".".join(part or "0" for part in semver.groups()) if semver else "0.0.0"
    contact = as_map(as_map(outline.spec.document.get("info")).get("contact"))
    count = len(outline.operations)
    about = f"Operate {outline.title} in plain English: {count} operations, checked against the API's description."
    author = {"name": inert_line(str(contact.get("name") or ""), 60) or "nlapi"}
    name, command = outline.name, outline.values["command"]
    shared = {
        "name": name,
        "version": f"{version}+{content[:12]}",
        "description": about,
        "author": author,
        "keywords": ["api", "openapi", "nlapi"],
    }
    entry = {"name": name, "source": "./", "description": about}
    manifests = {
        PLUGIN: {**shared, "hooks": f"./{HOOKS}", "userConfig": options},
        MARKETPLACE: {"name": name, "owner": author, "description": about, "plugins": [entry]},
        CODEX: {**shared, "skills": "./skills/", "mcpServers": f"./{CODEX_MCP}"},
        GEMINI: gemini_extension(shared, command, options, variables),
        **portable_files(shared, command),
    }
    return {path: _json_file(manifest) for path, manifest in manifests.items()}
