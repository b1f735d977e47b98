"""The APIs that the user has registered, in one JSON file that only the user can read."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nlapi.errors import NlapiError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One registered API. `auth` maps scheme ids to references such as `env:NAME`, never to a credential."""

    source: str
    base_url: str | None = None
    auth: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    overlays: Sequence[str] = ()
    root: str | None = None


def config_folder() -> Path:
    """`NLAPI_CONFIG_DIR`, else the folder that the system has for it."""
    if given := os.environ.get("NLAPI_CONFIG_DIR"):
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_config_dir("nlapi"))


def read_all() -> dict[str, Profile]:
    """Every registered API by name. NlapiError when the file is damaged (it is left as it is)."""
    file = config_folder() / "apis.json"
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
        return {name: _profile(one) for name, one in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NlapiError(
            f"{file} cannot be read: {reason}", hint="mend it, or move it away and register again"
        ) from None


def _profile(data: Mapping[str, Any]) -> Profile:
    """One entry of the file. TypeError or AttributeError when it is not what `write_all` writes."""
    profile = Profile(**data)
    texts = (profile.source, profile.base_url or "", profile.root or "", *profile.auth.items(), *profile.known.items())
    for text in (*texts, tuple(profile.overlays)):
        if not all(isinstance(part, str) for part in (text if isinstance(text, tuple) else (text,))):
            raise TypeError(f"{text!r} should be a text")
    return profile


def write_all(profiles: Mapping[str, Profile]) -> None:
    """Replace the file in one step, so that a kill leaves the old one or the new one."""
    folder = config_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            json.dump({name: asdict(profile) for name, profile in sorted(profiles.items())}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(folder / "apis.json")
    except OSError as error:
        raise NlapiError(f"{folder} cannot be written: {error.strerror}", hint="set NLAPI_CONFIG_DIR") from None


def find(name: str) -> Profile | None:
    """The registered API called `name`, or None."""
    return read_all().get(name) if name.replace("-", "_").isidentifier() else None


def pairs(given: list[str] | None, what: str) -> dict[str, str]:
    """`["a=b"]` as {"a": "b"}; UsageError for anything without `=`, its value not shown."""
    result = {}
    for text in given or ():
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise UsageError(f"{what} takes NAME=VALUE", hint=f"such as {what} name=value")
        result[key] = value
    return result
