"""The values of arguments that the user stored for an API, in one JSON file: an account, a workspace, a project.

They belong to one place where the API runs: those of production are not used for staging, nor the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlapi.errors import NlapiError
from nlapi.local_files import fault_of, locked, read_file, write_file
from nlapi.registry import user_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsKey:
    """The name of an API or a plugin, and the URL where the API runs, "" for that of its description."""

    name: str
    base_url: str = ""


def _file() -> Path:
    return user_folder("config") / "settings.json"


def _read() -> dict[str, dict[str, dict[str, str]]]:
    file = _file()
    try:
        content = read_file(file)
        data: Any = {} if content is None else json.loads(content)
        return {
            str(name): {
                str(url): {str(key): str(value) for key, value in values.items()} for url, values in urls.items()
            }
            for name, urls in data.items()
        }
    except (OSError, ValueError, AttributeError) as error:
        raise NlapiError(fault_of(file, error)[:300], hint="mend it, or remove it") from None


def read_settings(key: SettingsKey) -> dict[str, str]:
    """Return the stored values by argument; {} where there are none. NlapiError when the file is damaged."""
    return dict(_read().get(key.name, {}).get(key.base_url, {}))


def other_places(key: SettingsKey) -> tuple[str, ...]:
    """Return the other URLs that values are stored for under the same name."""
    return tuple(url for url, values in _read().get(key.name, {}).items() if url != key.base_url and values)


def change_settings(key: SettingsKey, changes: Mapping[str, str]) -> dict[str, str]:
    """Store values, remove those that are "", and return what is stored then. NlapiError when that is impossible."""
    file = _file()
    try:
        with locked(file):
            stored = _read()
            values = stored.setdefault(key.name, {}).setdefault(key.base_url, {})
            values.update(changes)
            for name in [name for name, value in values.items() if not value]:
                del values[name]
            write_file(file, json.dumps(stored, indent=2, ensure_ascii=False))
            return dict(values)
    except OSError as error:
        raise NlapiError(f"{file} cannot be written: {error.strerror}", hint="set NLAPI_CONFIG_DIR") from None
