"""The settings of a plugin: values that most operations take, asked for once and filled into calls that lack them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.client.safe_text import code_span
from nlapi.english.words import split_words
from nlapi.errors import NlapiError, UsageError
from nlapi.openapi.credential_parameters import is_unspoken
from nlapi.openapi.spec import Operation
from nlapi.plugin.markdown import fill_template, inert_line
from nlapi.plugin.names import BASE_URL, SECRET_OPTION, variable_form
from nlapi.registry import SettingsKey, read_settings
from nlapi.tools.arguments import coerce_arguments, may_fill
from nlapi.tools.compile import compile_tool
from nlapi.tools.texts.names import join_names
from nlapi.tools.texts.plain_text import first_sentence

if TYPE_CHECKING:
    from nlapi.plugin.folder import PluginManifest

MAX_SETTINGS = 4

# Types of a value that a person keeps in a setting.
_TYPES = ("string", "integer", "number")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentSetting:
    """A setting for an argument: the option of the client, and the environment variable that goes before it."""

    argument: str
    option: str
    variable: str
    about: str = ""


def find_settings(
    operations: Sequence[Operation], common: Iterable[str], name: str, reserved: Iterable[str]
) -> tuple[ArgumentSetting, ...]:
    """Return the settings of a plugin: of the values that most operations take, those that a call may lack.

    `common` are their arguments, `name` is that of the plugin, and `reserved` are options that it has already.
    """
    names = [argument for argument in common if _can_be_set(operations, argument)][:MAX_SETTINGS]
    options = {BASE_URL, *reserved}
    settings: list[ArgumentSetting] = []
    for argument in names:
        option = "_".join(split_words(argument)).lower()
        if not option.isidentifier() or not option.isascii() or option in options:
            continue
        options.add(option)
        variable, about = f"{variable_form(name)}_{option.upper()}", _about(operations, argument)
        settings.append(ArgumentSetting(argument=argument, option=option, variable=variable, about=about))
    return tuple(settings)


def _can_be_set(operations: Iterable[Operation], argument: str) -> bool:
    """Return whether a call of some operation may lack an argument, and a person may know its value."""
    for operation in operations:
        parameter = operation.parameter("path", argument)
        if parameter is None:
            continue
        if is_unspoken(parameter.name, parameter.location, parameter.schema, parameter.description):
            return False
        types = parameter.schema.get("type", "string")
        if types not in _TYPES or "enum" in parameter.schema or "default" in parameter.schema:
            return False
        if may_fill(compile_tool(operation), argument, (argument,)):
            return True
    return False


def _about(operations: Iterable[Operation], argument: str) -> str:
    parameters = filter(None, (operation.parameter("path", argument) for operation in operations))
    texts = (inert_line(first_sentence(parameter.description), 120) for parameter in parameters)
    text = next(filter(None, texts), "")
    return f"{text.rstrip('.')}." if text else ""


def setting_options(settings: Iterable[ArgumentSetting]) -> dict[str, dict[str, object]]:
    """Return the options that a client shows for settings, as `userConfig` has them."""
    return {
        setting.option: {
            "type": "string",
            "title": setting.option.replace("_", " ").capitalize()[:60],
            "description": " ".join(filter(None, (setting.about, "Used where a call gives none.")))[:300],
            **({"sensitive": True} if SECRET_OPTION.search(setting.option) else {}),
        }
        for setting in settings
    }


@dataclass(frozen=True)
class SettingValues(Mapping[str, str]):
    """The values of a plugin's settings by argument, read anew at each look: a server lives longer than they do.

    A variable of the environment, which also has the client's settings, goes before the stored value.
    """

    key: SettingsKey
    environment: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    """the environment variable of each setting, by its argument"""

    @property
    def overridden(self) -> dict[str, str]:
        """The values that variables have, by argument."""
        return {argument: value for argument, name in self.variables.items() if (value := self.environment.get(name))}

    def _values(self) -> dict[str, str]:
        stored = {name: value for name, value in read_settings(self.key).items() if name in self.variables}
        return {**stored, **self.overridden}

    def __getitem__(self, name: str) -> str:
        return self._values()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())


def setting_values(manifest: PluginManifest, base_url: str | None, environment: Mapping[str, str]) -> SettingValues:
    """Return the values of the settings of a plugin, for where its API runs."""
    key = SettingsKey(name=manifest.name, base_url=(base_url or "").rstrip("/"))
    return SettingValues(key=key, environment=environment, variables=manifest.settings)


def settings_of_folder(folder: Path, base_url: str | None, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings of the plugin in a folder; {} if none exists that can be read."""
    from nlapi.plugin.build import MANIFEST
    from nlapi.plugin.folder import read_manifest

    try:
        manifest = read_manifest((folder / MANIFEST).read_bytes(), MANIFEST)
    except (OSError, NlapiError):
        return {}
    return setting_values(manifest, base_url, environment) if manifest.settings else {}


def check_setting(operations: Iterable[Operation], argument: str, text: str) -> None:
    """Raise UsageError for a value that no operation takes for an argument."""
    from nlapi.schema_validator import VALIDATOR

    reason = ""
    for operation in operations:
        if operation.parameter("path", argument) is None:
            continue
        tool = compile_tool(operation)
        schema = {**tool.input_schema, "required": []}
        error = next(iter(VALIDATOR(schema).iter_errors(coerce_arguments({argument: text}, tool))), None)
        if error is None:
            return
        reason = reason or error.message
    raise UsageError(f"{argument}={text[:80]}: {reason[:200] or 'no operation takes it'}")


def common_section(lines: Sequence[str], settings: Sequence[str], command: str) -> str:
    """Return the section on the values that most operations take, `lines`, and how those with a setting are kept."""
    if not lines:
        return ""
    if not settings:
        return fill_template("common.md", values="\n".join(lines))
    pairs = " ".join(f"{name}={name.upper()}" for name in settings)
    names = join_names([code_span(name, 64) for name in settings], MAX_SETTINGS)
    return fill_template("common_settings.md", values="\n".join(lines), names=names, pairs=pairs, command=command)
